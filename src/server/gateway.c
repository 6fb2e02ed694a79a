/* gateway: FastCGI or CGI in, struct request; struct response out.
 *
 * Both share their code: a table says where each parameter goes, and struct wire how bytes are read
 * and written. fcgiapp cannot read a CGI request, so that is taken from the environment and the
 * standard descriptors.
 */
#include "server/gateway.h"

#include <assert.h>
#include <errno.h>
#include <fcgiapp.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/route.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/log.h"
#include "server/slow.h"
#include "service/app.h"
#include "shared/board.h"

enum {
	DRAIN_MAX = 8192 * 1024, /* bytes of a body to discard before giving up */
	HEAD_MAX = 16 * 1024,	 /* bytes of an answer's header: 16 lines, the longest is a URL */
	ID_MAX = 64,		 /* bytes of a request id */
	LOG_PATH_MAX = 200,	 /* bytes of a path in the access log */
};

enum {
	PART_MAX = 16 * 1024, /* bytes that a writable socket takes at once */
	AT_ONCE_MS = 250, /* a web server with buffer space takes a part in this time, otherwise it
			     waits for its client; */
	AT_ONCE_FULL_MS = 5,   /* the same if the account already has many waiting */
	SEND_MS = 10000,       /* for an answer of any size, */
	SEND_BYTES_A_MS = 256, /* plus this for long ones; slower readers are cut off */
	LOG_REFUSALS = 10,     /* lines for an address and status in a minute, */
	LOG_REFUSALS_ALL = 600 /* and for all */
};

/* How the bytes of a request are read and those of the answer written. */
struct wire {
	void *with;
	/* Up to size bytes; fewer only at the end of the body or on an error. */
	size_t (*read)(void *with, char *bytes, size_t size);
	bool (*write)(void *with, const char *bytes, size_t len);
	/* Sets the time limit for reading, or for writing that answer; 0: do not wait. */
	void (*limit)(void *with, int64_t ms, const struct response *answer);
	/* FastCGI marks the end of a body.  A CGI must not read beyond CONTENT_LENGTH. */
	bool has_end;
};

/* The parts of a request that are not in struct request. */
struct params {
	struct request request;
	const char *uri;
	const char *mount; /* REGCRED_PREFIX, which may be empty */
	const char *script_name;
	const char *path_info;
	const char *query;
	const char *content_length;
	const char *cgi_scheme;
	const char *https;
	const char *http_host;
	const char *twice; /* name of a parameter that was repeated but must not be */
};

enum {
	P_ONCE = 1,  /* a client's header that must not be repeated */
	P_LAST = 2,  /* ours, from the web server's configuration: the last one wins, so that a line
			can override an included file */
	P_SOLE = 8,  /* the web server's claim of who the user is: a second one, even if empty,
			invalidates it */
	P_JOIN = 16, /* a list, which may be split over several headers: RFC 9110, 5.3 */
	P_EMPTY = 4, /* an empty value has a meaning; otherwise it counts as absent, because nginx
			removes a header that way */
};

#define TO(member) offsetof(struct params, member)

/* Sorted by name, for bsearch. */
// clang-format off
static const struct gateway_param {
	const char *name;
	size_t offset;
	unsigned flags;
} params_table[] = {
	{ "CONTENT_LENGTH", TO(content_length), P_LAST },
	{ "CONTENT_TYPE", TO(request.content_type), P_ONCE },
	{ "HTTPS", TO(https), P_LAST },
	{ "HTTP_ACCEPT", TO(request.accept), P_JOIN },
	{ "HTTP_ACCEPT_ENCODING", TO(request.accept_encoding), 0 },
	{ "HTTP_AUTHORIZATION", TO(request.authorization), P_ONCE },
	{ "HTTP_COOKIE", TO(request.cookie), P_ONCE },
	{ "HTTP_HOST", TO(http_host), P_ONCE },
	{ "HTTP_IDEMPOTENCY_KEY", TO(request.idempotency_key), P_ONCE | P_EMPTY },
	{ "HTTP_IF_MATCH", TO(request.if_match), P_ONCE | P_EMPTY },
	{ "HTTP_IF_NONE_MATCH", TO(request.if_none_match), P_ONCE | P_EMPTY },
	{ "HTTP_IF_UNMODIFIED_SINCE", TO(request.if_unmodified_since), P_ONCE | P_EMPTY },
	{ "HTTP_ORIGIN", TO(request.origin), P_ONCE },
	{ "HTTP_SEC_FETCH_SITE", TO(request.fetch_site), P_ONCE },
	{ "HTTP_USER_AGENT", TO(request.user_agent), 0 },
	{ "HTTP_X_API_CSRF", TO(request.csrf), 0 },
	{ "HTTP_X_API_KEY", TO(request.api_key), P_ONCE },
	{ "HTTP_X_API_NO_CHALLENGE", TO(request.no_challenge), 0 },
	{ "HTTP_X_API_PROJECT_ID", TO(request.project_id), P_ONCE },
	{ "HTTP_X_FORWARDED_HOST", TO(request.forwarded_host), P_ONCE },
	{ "HTTP_X_FORWARDED_PORT", TO(request.forwarded_port), P_ONCE },
	{ "HTTP_X_FORWARDED_PROTO", TO(request.forwarded_proto), P_ONCE },
	{ "PATH_INFO", TO(path_info), P_LAST },
	{ "QUERY_STRING", TO(query), P_LAST },
	{ "REGCRED_HOST", TO(request.host), P_LAST },
	{ "REGCRED_INJECT_REGISTRY", TO(request.inject_registry), P_LAST },
	{ "REGCRED_INJECT_SCHEME", TO(request.inject_scheme), P_LAST },
	{ "REGCRED_METRICS", TO(request.metrics), P_LAST },
	{ "REGCRED_PREFIX", TO(mount), P_LAST | P_EMPTY },
	{ "REGCRED_PROXY_EMAIL", TO(request.proxy.email), P_SOLE | P_EMPTY },
	{ "REGCRED_PROXY_GROUPS", TO(request.proxy.groups), P_SOLE | P_EMPTY },
	{ "REGCRED_PROXY_TOKEN", TO(request.proxy.token), P_SOLE | P_EMPTY },
	{ "REGCRED_PROXY_USER", TO(request.proxy.user), P_SOLE | P_EMPTY },
	{ "REGCRED_REQUEST_ID", TO(request.id), P_LAST },
	{ "REGCRED_SCHEME", TO(request.scheme), P_LAST },
	{ "REMOTE_ADDR", TO(request.client), P_LAST },
	{ "REQUEST_METHOD", TO(request.method), P_LAST },
	{ "REQUEST_SCHEME", TO(cgi_scheme), P_LAST },
	{ "REQUEST_URI", TO(uri), P_LAST },
	{ "SCRIPT_NAME", TO(script_name), P_LAST },
};
// clang-format on

enum { PARAM_COUNT = sizeof(params_table) / sizeof(params_table[0]) };

struct gateway {
	struct app *app;
	struct arena *arena;
	FCGX_Request fcgx;
	pthread_mutex_t mutex; /* guards the members below, which another thread reads */
	int fd;		       /* the connection being waited for; -1: none */
	int end;	       /* how to end it: SHUT_RD still allows the answer */
	int64_t until_ms;
	int64_t account; /* account whose answer is being written */
	size_t sent;
	bool slow; /* waiting for the client to read */
	struct params params;
	int64_t began;
};

/* "NAME=value" against a row: whole names only. */
static int
compare_param(const void *text, const void *row)
{
	const char *param = text, *name = ((const struct gateway_param *)row)->name;
	size_t len = strcspn(param, "="), name_len = strlen(name);
	int order = memcmp(param, name, len < name_len ? len : name_len);

	return order != 0 ? order : (len > name_len) - (len < name_len);
}

static void
take_param(struct params *p, const char *text, struct arena *a)
{
	const struct gateway_param *row =
		bsearch(text, params_table, PARAM_COUNT, sizeof(params_table[0]), compare_param);
	const char *value = strchr(text, '=');
	const char **slot;

	if (row == NULL || value == NULL || (value[1] == '\0' && !(row->flags & P_EMPTY)))
		return;
	slot = (const char **)((char *)p + row->offset);
	if (*slot != NULL && (row->flags & P_ONCE)) {
		p->request.header_repeated = true;
		p->twice = row->name;
	}
	if (*slot != NULL && (row->flags & P_SOLE))
		p->request.proxy.repeated = true;
	if (*slot != NULL && (row->flags & P_JOIN))
		*slot = arena_printf(a, "%s, %s", *slot, value + 1);
	else if (*slot == NULL || (row->flags & P_LAST))
		*slot = value + 1;
}

/* True if path is prefix or below it, compared by whole segments. */
static bool
begins_with(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 &&
	       (path[len] == '/' || path[len] == '?' || path[len] == '\0');
}

/* PATH_INFO is decoded but the target must not be: encodes what would be decoded or split again. */
static const char *
target_of_path_info(struct arena *a, const struct params *p)
{
	const char *path = p->path_info == NULL ? "/" : p->path_info;
	char *target = arena_alloc(a, 3 * strlen(path) + 1), *end = target;

	if (target == NULL)
		return "/";
	for (; *path != '\0'; path++) {
		if (*path == '%' || *path == '?' || *path == '#')
			end += sprintf(end, "%%%02X", (unsigned char)*path);
		else
			*end++ = *path;
	}
	return p->query == NULL ? target : arena_printf(a, "%s?%s", target, p->query);
}

static const char *
or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

/* The raw URI after the prefix.  nginx gives the prefix in REGCRED_PREFIX. Otherwise it is
 * SCRIPT_NAME, if the URI really begins with it; if a rewrite hides the script, only PATH_INFO
 * gives our part. */
static void
find_target(struct params *p, struct arena *a)
{
	struct request *r = &p->request;
	const char *prefix = p->mount;

	if (prefix == NULL)
		prefix = p->script_name == NULL ? "" : p->script_name;
	prefix = or_empty(http_prefix_tidy(a, prefix));
	r->prefix = prefix;
	r->prefix_refused = p->mount != NULL && !http_prefix_valid(prefix);
	if (p->uri != NULL && begins_with(p->uri, prefix))
		r->target = p->uri + strlen(prefix);
	else if (p->mount == NULL)
		r->target = target_of_path_info(a, p);
	else
		r->target = p->uri;
	if (r->target == NULL)
		r->target = "/";
	if (r->target[0] == '\0' || r->target[0] == '?')
		r->target = arena_printf(a, "/%s", r->target);
	if (r->target == NULL)
		r->target = "/";
}

static void
find_scheme(struct params *p)
{
	if (p->request.scheme == NULL)
		p->request.scheme = p->cgi_scheme;
	if (p->request.scheme == NULL && p->https != NULL && strcmp(p->https, "off") != 0)
		p->request.scheme = "https";
	if (p->request.scheme == NULL)
		p->request.scheme = "http";
}

/* The web server's id if it is a plain word, so that its log and ours can be compared; else a new
 * one. */
static const char *
request_id(const char *given, struct arena *a)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "-_.";
	unsigned char random[8];
	char *id;

	if (given != NULL && strlen(given) <= ID_MAX && given[strspn(given, plain)] == '\0')
		return given;
	id = arena_alloc(a, 2 * sizeof(random) + 1);
	if (id == NULL)
		return "-";
	randombytes_buf(random, sizeof(random));
	return sodium_bin2hex(id, 2 * sizeof(random) + 1, random, sizeof(random));
}

/* Fills everything but the body.  The strings are not copied from the parameters. */
static void
read_params(struct params *p, char **list, struct arena *a)
{
	struct request *r = &p->request;

	for (; *list != NULL; list++)
		take_param(p, *list, a);
	r->id = request_id(r->id, a);
	r->method = or_empty(r->method);
	r->client = or_empty(r->client);
	r->host = or_empty(r->host != NULL ? r->host : p->http_host);
	find_scheme(p);
	find_target(p, a);
}

/* Absent is 0.  Digits only: strtoull would take blanks and signs too. */
static bool
parse_length(const char *text, uint64_t *length)
{
	*length = 0;
	for (; text != NULL && *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || *length > UINT64_MAX / 10 - 1) {
			*length = 0;
			return false;
		}
		*length = *length * 10 + (uint64_t)(*text - '0');
	}
	return true;
}

/* Reads and discards up to limit bytes; returns how many there were. */
static uint64_t
drain(const struct wire *wire, uint64_t limit)
{
	char bytes[4096];
	uint64_t total = 0;

	while (total < limit) {
		uint64_t left = limit - total;
		size_t want = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
		size_t got = wire->read(wire->with, bytes, want);

		total += got;
		if (got < want)
			break;
	}
	sodium_memzero(bytes, sizeof(bytes));
	return total;
}

/* Always reads the body to its end. If its size does not match Content-Length the request is
 * rejected, because a timeout during a read looks like the end of the body. */
static void
read_body(struct params *p, const struct wire *wire, struct arena *a)
{
	struct request *r = &p->request;
	uint64_t announced, got = 0, rest;
	bool valid = parse_length(p->content_length, &announced);
	size_t room = announced > HTTP_BODY_MAX ? 0 : (size_t)announced;
	char *body = arena_alloc(a, room + 1);

	if (body != NULL && room > 0)
		got = wire->read(wire->with, body, room);
	r->body = or_empty(body);
	r->body_len = (size_t)got;
	rest = wire->has_end ? DRAIN_MAX : announced - got;
	got += drain(wire, rest > DRAIN_MAX ? DRAIN_MAX : rest);
	r->body_too_large = announced > HTTP_BODY_MAX || got > HTTP_BODY_MAX;
	r->body_cut = !valid || body == NULL || got != announced;
}

/* A growing line of text in a fixed buffer; a header that does not fit fails the answer. */
struct head {
	char bytes[HEAD_MAX];
	size_t len;
	bool full;
};

static void __attribute__((format(printf, 2, 3)))
head_add(struct head *head, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(head->bytes + head->len, HEAD_MAX - head->len, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= HEAD_MAX - head->len)
		head->full = true;
	else
		head->len += (size_t)len;
}

static void
build_head(struct head *head, const struct response *response)
{
	head->len = 0;
	head->full = false;
	head_add(head, "Status: %d %s\r\n", response->status, http_reason(response->status));
	if (response->content_type != NULL)
		head_add(head, "Content-Type: %s\r\n", response->content_type);
	head_add(head, "Content-Length: %zu\r\n", response->body_len);
	for (size_t i = 0; i < response->header_count; i++)
		head_add(head, "%s: %s\r\n", response->headers[i].name, response->headers[i].value);
	head_add(head, "\r\n");
}

static bool
send_response(const struct wire *wire, struct response *response)
{
	static const struct response too_long = {.status = 500, .content_type = "text/plain"};
	struct head head;

	build_head(&head, response);
	if (head.full) {
		log_error("the header of an answer is longer than %d bytes", HEAD_MAX);
		*response = too_long;
		build_head(&head, response);
	}
	return wire->write(wire->with, head.bytes, head.len) &&
	       (response->head || wire->write(wire->with, response->body, response->body_len));
}

/* A flood of refusals must not fill the disk; /metrics and the audit log count them. */
static bool
is_worth_a_line(const struct app *app, const struct request *request, int status, char who[64])
{
	const struct limit each = {app->auth.failures.table, 'l', LOG_REFUSALS, 60};
	const struct limit all = {app->auth.failures.table, 'L', LOG_REFUSALS_ALL, 60};
	int64_t now_s = clock_ms() / 1000;

	(void)snprintf(who, 64, "%.46s %d", request->client, status);
	return limiter_take(&each, who, now_s) == 0 && limiter_take(&all, "", now_s) == 0;
}

/* Without the query, which may hold secrets. Names the caller of a refused request. */
static void
log_access(const struct app *app, const struct request *request, const struct response *response,
	   bool sent, int64_t us)
{
	int status = response->status;
	bool refused = status == 401 || status == 403 || status == 429;
	size_t path_len = strcspn(request->target, "?");
	int shown = path_len > LOG_PATH_MAX ? LOG_PATH_MAX : (int)path_len;
	char who[64], from[128] = "";

	if (refused && !is_worth_a_line(app, request, status, who))
		return;
	if (refused)
		(void)snprintf(from, sizeof(from), ", from %.46s", request->client);
	if (refused && response->account != 0)
		(void)snprintf(from, sizeof(from),
			       ", from %.46s, account 1a%" PRId64 ", key 1c%" PRId64,
			       request->client, response->account, response->key);
	log_info("%.16s %.*s%s %d %zu bytes %" PRId64 " us%s%s", request->method, shown,
		 request->target, path_len > LOG_PATH_MAX ? "..." : "", status,
		 response->head ? 0 : response->body_len, us, sent ? "" : " (not delivered)", from);
}

/* Reads a request whose parameters are available, and its body. In a pool the web server always
 * sends these three parameters; if it dropped one that did not fit, the meaning of the request
 * would change. */
static void
request_take(struct params *p, struct arena *a, char **list, const struct wire *wire)
{
	struct request *r = &p->request;

	read_params(p, list, a);
	r->proxy.cgi = !wire->has_end;
	log_set_request(r->id);
	read_body(p, wire, a);
	wire->limit(wire->with, 0, NULL);
	if (wire->has_end)
		r->incomplete = p->uri == NULL || *r->method == '\0' || *r->client == '\0';
	/* An error in the web server's configuration shows at the first request. */
	if (r->incomplete)
		log_warn("the web server sent no %s", p->uri == NULL	   ? "REQUEST_URI"
						      : *r->method == '\0' ? "REQUEST_METHOD"
									   : "REMOTE_ADDR");
	if (r->prefix_refused)
		log_warn("REGCRED_PREFIX is \"%.200s\", which no path can begin with: write one "
			 "like /creds, or nothing",
			 p->mount);
	if (p->twice != NULL)
		log_info("the request has %s twice: refused", p->twice);
}

/* Sends the whole answer. */
static bool
request_answer(struct app *app, struct arena *a, struct params *p, int64_t began,
	       const struct wire *wire)
{
	struct response response = {0};
	bool sent;
	int64_t us;

	board_begin();
	app_handle(app, &p->request, a, &response);
	board_end();
	wire->limit(wire->with, SEND_MS + (int64_t)response.body_len / SEND_BYTES_A_MS, &response);
	sent = send_response(wire, &response);
	us = clock_us() - began;
	board_request(response.route, http_method_parse(p->request.method), response.status, us);
	log_access(app, &p->request, &response, sent, us);
	log_set_request(NULL);
	return sent;
}

static void
fcgi_limit(void *with, int64_t ms, const struct response *answer)
{
	struct gateway *g = with;

	if (g->slow)
		slow_end(g->account);
	g->slow = false;
	g->sent = 0;
	g->account = answer != NULL ? answer->account : 0;
	(void)pthread_mutex_lock(&g->mutex);
	g->fd = ms > 0 ? g->fcgx.ipcFd : -1;
	g->end = answer != NULL ? SHUT_RDWR : SHUT_RD;
	g->until_ms = clock_ms() + ms;
	(void)pthread_mutex_unlock(&g->mutex);
}

static void
gateway_give_up(struct gateway *g)
{
	(void)pthread_mutex_lock(&g->mutex);
	if (g->fd >= 0) {
		(void)shutdown(g->fd, g->end);
		board_count(BOARD_SLOW);
	}
	g->fd = -1;
	(void)pthread_mutex_unlock(&g->mutex);
}

void
gateway_hurry(struct gateway *g)
{
	(void)pthread_mutex_lock(&g->mutex);
	bool late = g->fd >= 0 && clock_ms() > g->until_ms;
	(void)pthread_mutex_unlock(&g->mutex);
	if (late)
		gateway_give_up(g);
}

static size_t
fcgi_read(void *with, char *bytes, size_t size)
{
	FCGX_Request *fcgx = &((struct gateway *)with)->fcgx;
	int got = FCGX_GetStr(bytes, (int)size, fcgx->in);

	return got < 0 ? 0 : (size_t)got;
}

/* Waits until the web server takes more. If that takes time, the client is slow: then only a share
 * of the threads may wait. */
static bool
can_write(struct gateway *g)
{
	struct pollfd out = {.fd = g->fcgx.ipcFd, .events = POLLOUT};
	int64_t threads = g->app->settings->threads;
	bool full = !g->slow && slow_is_full(g->account, threads);

	if (poll(&out, 1, full ? AT_ONCE_FULL_MS : AT_ONCE_MS) == 1)
		return true; /* also if the connection is gone: writing will fail */
	if (!g->slow)
		g->slow = slow_begin(g->account, threads);
	int64_t left = g->until_ms - clock_ms();
	if (g->slow && left > 0 && poll(&out, 1, (int)left) == 1)
		return true;
	gateway_give_up(g);
	return false;
}

static bool
fcgi_write(void *with, const char *bytes, size_t len)
{
	struct gateway *g = with;

	while (len > 0) {
		int part = len > PART_MAX ? PART_MAX : (int)len;

		g->sent += (size_t)part;
		if ((g->sent > PART_MAX && !can_write(g)) ||
		    FCGX_PutStr(bytes, part, g->fcgx.out) != part)
			return false;
		bytes += part;
		len -= (size_t)part;
	}
	return true;
}

bool
gateway_init(void)
{
	for (size_t i = 1; i < PARAM_COUNT; i++)
		assert(strcmp(params_table[i - 1].name, params_table[i].name) < 0);
		/* libfcgi frees its stream buffers with bodies and answers in them; this makes
		 * glibc overwrite freed memory. */
#ifdef M_PERTURB
	mallopt(M_PERTURB, 0x5a);
#endif
	return sodium_init() >= 0 && FCGX_Init() == 0;
}

struct gateway *
gateway_new(struct app *app)
{
	struct gateway *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->app = app;
	g->fd = -1;
	(void)pthread_mutex_init(&g->mutex, NULL);
	g->arena = arena_new(APP_ARENA_MAX);
	/* No listening socket: the pool accepts, and after a broken request FCGX_Accept_r must
	 * fail, not wait for the next one. */
	if (g->arena == NULL || FCGX_InitRequest(&g->fcgx, -1, 0) != 0) {
		gateway_free(g);
		return NULL;
	}
	return g;
}

void
gateway_free(struct gateway *g)
{
	if (g == NULL)
		return;
	if (g->arena != NULL)
		arena_free(g->arena);
	free(g);
}

/* libfcgi's own close blocks the thread until the web server has closed too, so that a TCP reset
 * cannot overtake the answer. Because the body has been read to its end, no reset can occur, and
 * the descriptor is closed at once. */
static void
close_connection(struct gateway *g)
{
	FCGX_Request *fcgx = &g->fcgx;
	bool read_to_end = FCGX_HasSeenEOF(fcgx->in) != 0 && FCGX_GetError(fcgx->in) == 0;

	fcgx->keepConnection = read_to_end;
	FCGX_Finish_r(fcgx);
	fcgi_limit(g, 0, NULL);
	if (fcgx->ipcFd >= 0)
		close(fcgx->ipcFd);
	fcgx->ipcFd = -1;
	fcgx->keepConnection = 0;
}

/* libfcgi frees its copies of Authorization and the like without wiping them. */
static void
wipe(char **list)
{
	for (; *list != NULL; list++)
		sodium_memzero(*list, strlen(*list));
}

bool
gateway_read(struct gateway *g, int fd)
{
	const struct wire wire = {g, fcgi_read, fcgi_write, fcgi_limit, true};

	g->params = (struct params){0};
	g->began = clock_us();
	/* With keepConnection set FCGX_Accept_r reads from ipcFd; otherwise it would close it as
	 * the end of an earlier request. */
	g->fcgx.ipcFd = fd;
	g->fcgx.keepConnection = 1;
	fcgi_limit(g, g->app->settings->read_timeout_s * 1000, NULL);
	if (FCGX_Accept_r(&g->fcgx) != 0) {
		log_debug("a connection without a request");
		fcgi_limit(g, 0, NULL);
		if (g->fcgx.ipcFd >= 0)
			close(g->fcgx.ipcFd);
		g->fcgx.ipcFd = -1;
		return false;
	}
	request_take(&g->params, g->arena, g->fcgx.envp, &wire);
	log_set_request(NULL);
	return true;
}

uint64_t
gateway_caller(const struct gateway *g)
{
	const struct request *r = &g->params.request;
	const char *const texts[] = {r->authorization, r->api_key, r->cookie, r->proxy.user};
	static const unsigned char seed[crypto_shorthash_KEYBYTES];
	uint64_t caller = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		uint64_t hash = 0;

		if (texts[i] == NULL)
			continue;
		_Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "one word");
		(void)crypto_shorthash((unsigned char *)&hash, (const unsigned char *)texts[i],
				       strlen(texts[i]), seed);
		caller += hash;
	}
	return caller;
}

void
gateway_answer(struct gateway *g)
{
	const struct wire wire = {g, fcgi_read, fcgi_write, fcgi_limit, true};

	log_set_request(g->params.request.id);
	(void)request_answer(g->app, g->arena, &g->params, g->began, &wire);
	wipe(g->fcgx.envp);
	close_connection(g);
	arena_reset(g->arena);
}

bool
gateway_is_cgi(void)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	if (getenv("GATEWAY_INTERFACE") == NULL)
		return false;
	return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 ||
	       !listening;
}

static size_t
cgi_read(void *with, char *bytes, size_t size)
{
	size_t total = 0;

	(void)with;
	while (total < size) {
		ssize_t got = read(STDIN_FILENO, bytes + total, size - total);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		total += (size_t)got;
	}
	return total;
}

static bool
cgi_write(void *with, const char *bytes, size_t len)
{
	(void)with;
	while (len > 0) {
		ssize_t put = write(STDOUT_FILENO, bytes, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		bytes += put;
		len -= (size_t)put;
	}
	return true;
}

/* The kernel kills a process that waits longer. */
static void
cgi_limit(void *with, int64_t ms, const struct response *answer)
{
	(void)with;
	(void)answer;
	alarm((unsigned)((ms + 999) / 1000));
}

/* Read the body first: nothing is open while it arrives. */
int
gateway_serve_cgi(const struct settings *s, struct app *(*open_app)(const struct settings *s))
{
	const struct wire wire = {NULL, cgi_read, cgi_write, cgi_limit, false};
	struct arena *a = arena_new(APP_ARENA_MAX);
	struct params p = {0};
	struct app *app = NULL;
	int64_t began = clock_us();
	bool sent = false;

	if (a == NULL)
		return 1;
	cgi_limit(NULL, s->read_timeout_s * 1000, NULL);
	request_take(&p, a, environ, &wire);
	app = open_app(s);
	if (app != NULL)
		sent = request_answer(app, a, &p, began, &wire);
	app_free(app);
	arena_free(a);
	return sent ? 0 : 1;
}
