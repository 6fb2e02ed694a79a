/* registry_check: the questions to a registry and what its answers mean. */
#include "registry/check.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "registry/challenge.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/log.h"
#include "outbound/address.h"

enum {
	HOSTS_MAX = 2,	       /* the registry's and its token server's */
	TOKEN_MAX = 16 * 1024, /* bytes of a token */
	ADDRESS_TEXT = INET6_ADDRSTRLEN + 2,
	PIN_TEXT = REGISTRY_HOST_MAX + 16 + CHECK_ADDRESSES_MAX * (ADDRESS_TEXT + 1),
	MADE_UP_BYTES = 12, /* of randomness in what no registry knows */
	MADE_UP_TEXT = 2 * MADE_UP_BYTES + 1,
};

/* No result yet: the check goes on. */
#define OPEN CHECK__COUNT

static const struct {
	const char *word, *sentence;
} results[] = {
#define RESULT(name, word, sentence) {word, sentence},
#include "registry/result.def"
#undef RESULT
};

const char *
check_result_word(enum check_result result)
{
	return results[result].word;
}

const char *
check_result_sentence(enum check_result result)
{
	return results[result].sentence;
}

/* Memory of curl: wiped before it is freed, because there are passwords and tokens in it. */

static atomic_uint fail_at;

void
registry_check_fail_at(unsigned n)
{
	atomic_store(&fail_at, n);
}

static bool
fails_now(void)
{
	unsigned n = atomic_load(&fail_at);

	while (n > 0 && !atomic_compare_exchange_weak(&fail_at, &n, n - 1))
		;
	return n == 1;
}

static void *
wiping_malloc(size_t size)
{
	return fails_now() ? NULL : malloc(size);
}

static void *
wiping_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : calloc(count, size);
}

static void
wiping_free(void *p)
{
	if (p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void *
wiping_realloc(void *p, size_t size)
{
	size_t old = p != NULL ? malloc_usable_size(p) : 0;
	void *fresh = fails_now() ? NULL : malloc(size);

	if (fresh == NULL)
		return NULL;
	if (p != NULL)
		memcpy(fresh, p, old < size ? old : size);
	wiping_free(p);
	return fresh;
}

static char *
wiping_strdup(const char *text)
{
	return fails_now() ? NULL : strdup(text);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool curl_works;

/* Once in a process, after the fork. */
static void
start_curl(void)
{
	curl_works = curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiping_malloc, wiping_free,
					  wiping_realloc, wiping_strdup, wiping_calloc) == CURLE_OK;
	if (!curl_works)
		log_error("libcurl does not start: no login can be checked");
}

/* One check. */

struct host {
	char name[REGISTRY_HOST_MAX + 1];
	unsigned port;
	struct address_list list;
	char pin[PIN_TEXT]; /* for curl: "name:port:address,address" */
};

struct check {
	const struct check_settings *settings;
	struct arena *arena;
	CURL *curl;
	int64_t began_ms, deadline_ms;
	struct host hosts[HOSTS_MAX];
	size_t host_count;
	const char *api;	   /* "https://registry.example" */
	bool plain_http;	   /* so asked for by the address or the settings */
	const char *user, *secret; /* NULL: none */
	const char *const *scopes; /* asked for; NULL: what the challenge offers */
	struct grant *grant;	   /* NULL: none is wanted */
	bool is_registry;	   /* something in its answers shows that it is one */
	bool no_memory;
	int http_status;
};

struct question {
	const char *url;
	const char *host; /* of the URL, without brackets */
	unsigned port;
	const char *authorization; /* NULL: asked as nobody */
	const char *form;	   /* NULL: a GET */
	bool aside;		   /* its status says nothing about the login */
};

struct answer {
	struct check *check;
	long status;
	struct challenge_list challenges;
	char *body;
	size_t len; /* of the body */
	size_t all; /* of all that came */
	bool too_long;
};

static bool
lacks_memory(struct check *c)
{
	c->no_memory = c->no_memory || arena_failed(c->arena);
	return c->no_memory;
}

/* Names.  The resolver keeps its own time, so it runs in a thread that is left behind when ours is
 * up. */

struct lookup {
	pthread_mutex_t mutex;
	pthread_cond_t ready;
	unsigned users; /* who comes last frees it */
	bool done, found;
	resolve_fn resolve;
	char host[REGISTRY_HOST_MAX + 1];
	unsigned port;
	struct address_list list;
};

static bool
resolve_by_system(const char *host, unsigned port, struct address_list *out)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char service[8];

	(void)snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &list) != 0)
		return false;
	out->count = 0;
	for (struct addrinfo *i = list; i != NULL && out->count < CHECK_ADDRESSES_MAX;
	     i = i->ai_next)
		if (i->ai_addrlen <= sizeof(out->addresses[0]))
			memcpy(&out->addresses[out->count++], i->ai_addr, i->ai_addrlen);
	freeaddrinfo(list);
	return out->count > 0;
}

static void
lookup_leave(struct lookup *l)
{
	bool last = --l->users == 0;

	(void)pthread_mutex_unlock(&l->mutex);
	if (!last)
		return;
	(void)pthread_mutex_destroy(&l->mutex);
	(void)pthread_cond_destroy(&l->ready);
	free(l);
}

static void *
lookup_run(void *arg)
{
	struct lookup *l = arg;
	struct address_list list = {.count = 0};
	bool found = l->resolve(l->host, l->port, &list);

	(void)pthread_mutex_lock(&l->mutex);
	l->list = list;
	l->found = found;
	l->done = true;
	(void)pthread_cond_signal(&l->ready);
	lookup_leave(l);
	return NULL;
}

static struct lookup *
lookup_new(resolve_fn resolve, const char *host, unsigned port)
{
	struct lookup *l = calloc(1, sizeof(*l));
	pthread_condattr_t attributes;

	if (l == NULL)
		return NULL;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&l->mutex, NULL);
	(void)pthread_cond_init(&l->ready, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	l->resolve = resolve != NULL ? resolve : resolve_by_system;
	l->port = port;
	(void)stpncpy(l->host, host, sizeof(l->host) - 1);
	return l;
}

/* Waits for the thread's result until the deadline; whether it is there. */
static bool
lookup_wait(struct lookup *l, int64_t deadline_ms)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
				 .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
	int rc = 0;

	while (!l->done && rc == 0)
		rc = pthread_cond_timedwait(&l->ready, &l->mutex, &until);
	return l->done;
}

static enum check_result
look_up(struct check *c, const char *name, unsigned port, struct address_list *out)
{
	struct lookup *l = lookup_new(c->settings->resolve, name, port);
	enum check_result result = CHECK_TIMEOUT;
	pthread_t thread;

	if (l == NULL) {
		c->no_memory = true;
		return CHECK_UNREACHABLE;
	}
	l->users = 2;
	if (pthread_create(&thread, NULL, lookup_run, l) != 0) {
		c->no_memory = true;
		l->users = 1;
		(void)pthread_mutex_lock(&l->mutex);
		lookup_leave(l);
		return CHECK_UNREACHABLE;
	}
	(void)pthread_detach(thread);
	(void)pthread_mutex_lock(&l->mutex);
	if (lookup_wait(l, c->deadline_ms)) {
		result = l->found ? OPEN : CHECK_UNREACHABLE;
		*out = l->list;
	}
	lookup_leave(l);
	return result;
}

static bool
address_text(const struct sockaddr_storage *address, char out[ADDRESS_TEXT])
{
	char bare[INET6_ADDRSTRLEN];

	if (getnameinfo((const struct sockaddr *)address, sizeof(*address), bare, sizeof(bare),
			NULL, 0, NI_NUMERICHOST) != 0)
		return false;
	(void)snprintf(out, ADDRESS_TEXT, address->ss_family == AF_INET6 ? "[%s]" : "%s", bare);
	return true;
}

/* Leaves the allowed addresses in the host, and writes them down for curl. */
static void
pin(struct check *c, const char *name, struct host *host, const struct address_list *found)
{
	int len = snprintf(host->pin, sizeof(host->pin), "%s:%u:", name, host->port);

	for (size_t i = 0; i < found->count; i++) {
		const struct sockaddr_storage *address = &found->addresses[i];
		char text[ADDRESS_TEXT];

		if (!address_text(address, text))
			continue;
		if (!outbound_allowed((const struct sockaddr *)address, c->settings->networks)) {
			log_info("no connection to %.64s at %s: refused, see verify_networks", name,
				 text);
			continue;
		}
		len += snprintf(host->pin + len, sizeof(host->pin) - (size_t)len, "%s%s",
				host->list.count > 0 ? "," : "", text);
		host->list.addresses[host->list.count++] = *address;
	}
}

/* The host with its allowed addresses, resolved once in a check. */
static enum check_result
find_host(struct check *c, const char *name, unsigned port, const struct host **out)
{
	struct address_list found = {.count = 0};

	for (size_t i = 0; i < c->host_count; i++)
		if (c->hosts[i].port == port && strcmp(c->hosts[i].name, name) == 0) {
			*out = &c->hosts[i];
			return OPEN;
		}
	if (c->host_count == HOSTS_MAX || strlen(name) > REGISTRY_HOST_MAX)
		return CHECK_NOT_A_REGISTRY;
	enum check_result result = look_up(c, name, port, &found);
	if (result != OPEN)
		return result;
	struct host *host = &c->hosts[c->host_count++];
	*host = (struct host){.port = port};
	(void)stpncpy(host->name, name, sizeof(host->name) - 1);
	pin(c, name, host, &found);
	*out = host;
	return OPEN;
}

static bool
same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET) {
		struct sockaddr_in x, y;

		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		return x.sin_port == y.sin_port && x.sin_addr.s_addr == y.sin_addr.s_addr;
	}
	struct sockaddr_in6 x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x.sin6_port == y.sin6_port &&
	       memcmp(&x.sin6_addr, &y.sin6_addr, sizeof(x.sin6_addr)) == 0;
}

/* Called by curl for each connection: a second look that it goes where it may. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	const struct host *host = arg;

	(void)purpose;
	for (size_t i = 0; i < host->list.count; i++)
		if (same_address(&address->addr, (const struct sockaddr *)&host->list.addresses[i]))
			return socket(address->family, address->socktype | SOCK_CLOEXEC,
				      address->protocol);
	return CURL_SOCKET_BAD;
}

/* Answers */

/* Counts what came; false when it is too much. */
static bool
count(struct answer *answer, size_t len)
{
	answer->all += len;
	answer->too_long = answer->all > CHECK_ANSWER_MAX;
	return !answer->too_long;
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct answer *answer = arg;
	size_t len = size * n;

	if (!count(answer, len))
		return 0;
	if (answer->body == NULL)
		answer->body = arena_alloc(answer->check->arena, CHECK_ANSWER_MAX + 1);
	if (answer->body == NULL)
		return 0;
	memcpy(answer->body + answer->len, bytes, len);
	answer->len += len;
	return len;
}

/* The value of a header line if it has this name; NULL if not. */
static const char *
header_value(struct arena *a, const char *line, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
		return NULL;
	line += name_len + 1;
	len -= name_len + 1;
	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		len--;
	return memchr(line, '\0', len) == NULL ? arena_copy(a, line, len) : NULL;
}

static size_t
take_header(char *line, size_t size, size_t n, void *arg)
{
	struct answer *answer = arg;
	struct check *c = answer->check;
	size_t len = size * n;
	const char *value;

	if (!count(answer, len))
		return 0;
	value = header_value(c->arena, line, len, "WWW-Authenticate");
	if (value != NULL && !challenge_parse(c->arena, value, &answer->challenges))
		log_debug("a challenge of a registry is not well formed");
	value = header_value(c->arena, line, len, "Docker-Distribution-Api-Version");
	if (value != NULL && strstr(value, "registry/2") != NULL)
		c->is_registry = true;
	return len;
}

static const struct json *
document(struct check *c, const struct answer *answer)
{
	struct json *out = NULL;
	struct error e = {0};

	if (answer->body == NULL ||
	    json_parse(c->arena, answer->body, answer->len, &out, &e) != ERR_NONE)
		return NULL;
	return out;
}

static const char *
text_of(const struct json *node)
{
	return node != NULL && node->type == JSON_STRING ? node->text : NULL;
}

/* {"errors":[{"code":"NAME_UNKNOWN",…}]} is how a registry, and little else, says no. */
static bool
has_registry_errors(struct check *c, const struct answer *answer)
{
	const struct json *errors = json_member(document(c, answer), "errors");

	return errors != NULL && errors->type == JSON_ARRAY &&
	       text_of(json_member(errors->child, "code")) != NULL;
}

// clang-format off
static const struct { CURLcode code; enum check_result result; } failures[] = {
	{ CURLE_OPERATION_TIMEDOUT,        CHECK_TIMEOUT },
	{ CURLE_SSL_CONNECT_ERROR,         CHECK_TLS_ERROR },
	{ CURLE_SSL_CERTPROBLEM,           CHECK_TLS_ERROR },
	{ CURLE_SSL_CIPHER,                CHECK_TLS_ERROR },
	{ CURLE_PEER_FAILED_VERIFICATION,  CHECK_TLS_ERROR },
	{ CURLE_SSL_CACERT_BADFILE,        CHECK_TLS_ERROR },
	{ CURLE_SSL_ISSUER_ERROR,          CHECK_TLS_ERROR },
	{ CURLE_SSL_INVALIDCERTSTATUS,     CHECK_TLS_ERROR },
	{ CURLE_WRITE_ERROR,               CHECK_NOT_A_REGISTRY }, /* too long */
	{ CURLE_WEIRD_SERVER_REPLY,        CHECK_NOT_A_REGISTRY },
	{ CURLE_UNSUPPORTED_PROTOCOL,      CHECK_NOT_A_REGISTRY }, /* HTTP/0.9 */
};
// clang-format on

static enum check_result
result_of_failure(struct check *c, CURLcode code)
{
	if (code == CURLE_OUT_OF_MEMORY)
		c->no_memory = true;
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		if (failures[i].code == code)
			return failures[i].result;
	return CHECK_UNREACHABLE;
}

/* Questions */

/* Of curl_easy_setopt's results only those about memory can differ between two builds. */
#define SET(option, value) (ok = ok && curl_easy_setopt(c->curl, option, value) == CURLE_OK)

static bool
set_options(struct check *c, const struct question *q, const struct host *host,
	    struct curl_slist *pins, struct curl_slist *headers, struct answer *answer)
{
	const char *proxy = c->settings->proxy;
	int64_t left_ms = c->deadline_ms - clock_ms();
	bool ok = true;

	curl_easy_reset(c->curl);
	SET(CURLOPT_URL, q->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1)); /* 0 would be for ever */
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (*c->settings->ca_file != '\0')
		SET(CURLOPT_CAINFO, c->settings->ca_file);
	SET(CURLOPT_PROXY, proxy);
	SET(CURLOPT_NOPROXY, "");
	if (*proxy == '\0') {
		if (strchr(host->name, ':') == NULL) /* an address needs no resolver */
			SET(CURLOPT_RESOLVE, pins);
		SET(CURLOPT_DNS_CACHE_TIMEOUT, -1L);
		SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
		SET(CURLOPT_OPENSOCKETDATA, (void *)(uintptr_t)host);
	}
	SET(CURLOPT_USERAGENT, "regcred/" REGCRED_VERSION);
	SET(CURLOPT_HTTPHEADER, headers);
	if (q->form != NULL)
		SET(CURLOPT_POSTFIELDS, q->form);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, answer);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, answer);
	return ok;
}

static struct curl_slist *
make_headers(struct check *c, const struct question *q)
{
	struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json"), *more;
	char *line;

	if (list == NULL || q->authorization == NULL)
		return list;
	line = arena_printf(c->arena, "Authorization: %s", q->authorization);
	more = line != NULL ? curl_slist_append(list, line) : NULL;
	if (more == NULL)
		curl_slist_free_all(list);
	return more;
}

/* OPEN: an answer came. */
static enum check_result
ask(struct check *c, const struct question *q, struct answer *out)
{
	const struct host *host = NULL;
	struct curl_slist *pins = NULL, *headers = NULL;
	enum check_result result = find_host(c, q->host, q->port, &host);

	*out = (struct answer){.check = c};
	if (result != OPEN)
		return result;
	if (host->list.count == 0)
		return CHECK_UNREACHABLE; /* the same for every address that is refused */
	if (clock_ms() >= c->deadline_ms)
		return CHECK_TIMEOUT;
	pins = curl_slist_append(NULL, host->pin);
	headers = make_headers(c, q);
	if (pins == NULL || headers == NULL || !set_options(c, q, host, pins, headers, out)) {
		c->no_memory = true;
		goto out;
	}
	CURLcode code = curl_easy_perform(c->curl);
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &out->status);
	if (!q->aside && out->status != 0)
		c->http_status = (int)out->status;
	result = code == CURLE_OK ? OPEN : result_of_failure(c, code);
	if (result == OPEN && has_registry_errors(c, out))
		c->is_registry = true;
out:
	curl_easy_reset(c->curl);
	curl_slist_free_all(pins);
	curl_slist_free_all(headers);
	return lacks_memory(c) ? CHECK_UNREACHABLE : result;
}

/* What a status means for whoever asked with a login. */
static enum check_result
result_of_status(long status)
{
	if (status == 200)
		return OPEN;
	if (status == 401)
		return CHECK_INVALID_CREDENTIAL;
	if (status == 403)
		return CHECK_FORBIDDEN;
	if (status == 429)
		return CHECK_RATE_LIMITED;
	return status >= 500 ? CHECK_UNREACHABLE : CHECK_NOT_A_REGISTRY;
}

static enum check_result
ask_registry(struct check *c, const char *path, const char *authorization, bool aside,
	     struct answer *out)
{
	const struct question q = {.url = arena_printf(c->arena, "%s%s", c->api, path),
				   .host = c->hosts[0].name,
				   .port = c->hosts[0].port,
				   .authorization = authorization,
				   .aside = aside};

	return lacks_memory(c) ? CHECK_UNREACHABLE : ask(c, &q, out);
}

static void
make_up(char out[MADE_UP_TEXT])
{
	unsigned char bytes[MADE_UP_BYTES];

	randombytes_buf(bytes, sizeof(bytes));
	(void)sodium_bin2hex(out, MADE_UP_TEXT, bytes, sizeof(bytes));
}

/* Whether it behaves like a registry where it is asked for what it cannot have: a page that answers
 * 200 to everything does not.  OPEN if so. */
static enum check_result
prove_registry(struct check *c, const char *authorization)
{
	char name[MADE_UP_TEXT];
	struct answer answer;

	make_up(name);
	enum check_result result =
		ask_registry(c, arena_printf(c->arena, "/v2/regcred/%s/tags/list", name),
			     authorization, true, &answer);
	if (result != OPEN)
		return result;
	if (answer.status == 429)
		return CHECK_RATE_LIMITED;
	return answer.status >= 400 && c->is_registry ? OPEN : CHECK_NOT_A_REGISTRY;
}

/* Logins */

struct login {
	const char *user, *secret;
};

static const char *
basic(struct check *c, const struct login *login)
{
	const char *pair = arena_printf(c->arena, "%s:%s", login->user, login->secret);
	size_t len = pair != NULL ? strlen(pair) : 0;
	size_t room = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(c->arena, room);

	if (pair == NULL || text == NULL)
		return NULL;
	(void)sodium_bin2base64(text, room, (const unsigned char *)pair, len,
				sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(c->arena, "Basic %s", text);
}

/* A login that nobody has: with it a registry shows whether it looks at logins at all. */
static struct login
made_up_login(struct check *c)
{
	char user[MADE_UP_TEXT], secret[MADE_UP_TEXT];

	make_up(user);
	make_up(secret);
	return (struct login){arena_printf(c->arena, "regcred-%s", user),
			      arena_strdup(c->arena, secret)};
}

static enum check_result
check_basic(struct check *c)
{
	const struct login login = {c->user, c->secret};
	const char *authorization = basic(c, &login);
	struct answer answer;
	enum check_result result = ask_registry(c, "/v2/", authorization, false, &answer);

	if (result == OPEN)
		result = result_of_status(answer.status);
	if (result == OPEN)
		result = prove_registry(c, authorization);
	return result == OPEN ? CHECK_VALID : result;
}

/* /v2/ is open to everybody.  A registry that refuses a login which nobody has, and takes ours,
 * has looked at it. */
static enum check_result
check_open(struct check *c)
{
	struct answer answer;
	enum check_result result = prove_registry(c, NULL);

	if (result != OPEN)
		return result;
	if (c->secret == NULL)
		return CHECK_ANONYMOUS_ACCESS;
	const struct login login = {c->user, c->secret}, nobody = made_up_login(c);
	result = ask_registry(c, "/v2/", basic(c, &login), false, &answer);
	if (result == OPEN)
		result = result_of_status(answer.status);
	if (result != OPEN)
		return result;
	result = ask_registry(c, "/v2/", basic(c, &nobody), true, &answer);
	if (result != OPEN)
		return result;
	return answer.status == 401 ? CHECK_VALID : CHECK_ANONYMOUS_ACCESS;
}

/* Tokens */

struct realm {
	const struct challenge *challenge;
	const char *url; /* without the query's service and scope */
	const char *host;
	unsigned port;
};

static const char *
url_part(struct check *c, CURLU *url, CURLUPart part, unsigned flags)
{
	char *text = NULL;
	const char *copy = NULL;

	if (curl_url_get(url, part, &text, flags) == CURLUE_OK)
		copy = arena_strdup(c->arena, text);
	curl_free(text);
	return copy;
}

static const char *
without_brackets(struct arena *a, const char *host)
{
	size_t len = strlen(host);

	return host[0] == '[' && len > 2 ? arena_copy(a, host + 1, len - 2) : host;
}

/* The realm must be a URL without a login, and with TLS unless the registry itself does without. */
static bool
read_realm(struct check *c, const struct challenge *challenge, struct realm *out)
{
	const char *text = challenge_param(challenge, "realm");
	CURLU *url = curl_url();
	bool right = false;

	*out = (struct realm){.challenge = challenge};
	if (url == NULL)
		c->no_memory = true;
	else if (text != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
		const char *scheme = url_part(c, url, CURLUPART_SCHEME, 0);
		const char *host = url_part(c, url, CURLUPART_HOST, 0);
		const char *port = url_part(c, url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
		bool login = url_part(c, url, CURLUPART_USER, 0) != NULL ||
			     url_part(c, url, CURLUPART_PASSWORD, 0) != NULL;

		(void)curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
		out->url = url_part(c, url, CURLUPART_URL, 0);
		out->host = host != NULL ? without_brackets(c->arena, host) : NULL;
		out->port = port != NULL ? (unsigned)strtoul(port, NULL, 10) : 0;
		right = scheme != NULL && out->url != NULL && out->host != NULL && out->port != 0 &&
			!login &&
			(strcmp(scheme, "https") == 0 ||
			 (c->plain_http && strcmp(scheme, "http") == 0));
	}
	curl_url_cleanup(url);
	return right;
}

/* Adds "service=…" and the like, with what joins it to what is before. */
static const char *
add_pair(struct check *c, const char *text, const char *first, const char *name, const char *value)
{
	if (value == NULL || text == NULL)
		return text;
	const char *encoded = http_encode(c->arena, value);
	return arena_printf(c->arena, "%s%s%s=%s", text, *text == '\0' ? first : "&", name,
			    encoded != NULL ? encoded : "");
}

/* "service=…&scope=…": as the challenge offers them, or with the scopes that are asked for. */
static const char *
offered(struct check *c, const struct realm *realm, const char *first)
{
	const char *text =
		add_pair(c, "", first, "service", challenge_param(realm->challenge, "service"));

	if (c->scopes == NULL)
		return add_pair(c, text, first, "scope",
				challenge_param(realm->challenge, "scope"));
	for (const char *const *scope = c->scopes; *scope != NULL; scope++)
		text = add_pair(c, text, first, "scope", *scope);
	return text;
}

/* Visible ASCII: it goes into a header. */
static bool
is_token(const char *text)
{
	size_t len = 0;

	while (text != NULL && text[len] > ' ' && text[len] < 0x7f)
		len++;
	return len > 0 && len <= TOKEN_MAX && text[len] == '\0';
}

/* How long a token is good: a minute, unless its server says more. */
static int64_t
lasts_ms(const struct json *grant)
{
	enum { LEAST_S = 60, MOST_S = 3600 };
	const struct json *given = json_member(grant, "expires_in");
	long long s = given != NULL && given->type == JSON_NUMBER ? strtoll(given->text, NULL, 10)
								  : LEAST_S;

	return (s < 0 ? 0 : s > MOST_S ? MOST_S : s) * 1000;
}

/* A token for a login; NULL: for nobody.  OPEN with the token; a 200 that grants nothing is a
 * refusal. */
static enum check_result
get_token(struct check *c, const struct realm *realm, const struct login *login, bool aside,
	  const char **out)
{
	bool identity = login != NULL && strcmp(login->user, "<token>") == 0;
	struct question q = {
		.url = realm->url, .host = realm->host, .port = realm->port, .aside = aside};
	struct answer answer;

	if (identity) {
		const char *secret = http_encode(c->arena, login->secret);
		const char *rest = offered(c, realm, "&");

		q.form = arena_printf(
			c->arena, "grant_type=refresh_token&client_id=regcred&refresh_token=%s%s",
			secret != NULL ? secret : "", rest != NULL ? rest : "");
	} else {
		const char *query = offered(c, realm, strchr(realm->url, '?') != NULL ? "&" : "?");

		q.url = arena_printf(c->arena, "%s%s", realm->url, query != NULL ? query : "");
		q.authorization = login != NULL ? basic(c, login) : NULL;
	}
	if (lacks_memory(c))
		return CHECK_UNREACHABLE;
	enum check_result result = ask(c, &q, &answer);
	if (result != OPEN)
		return result;
	/* RFC 6749, 5.2: invalid_grant comes with 400. */
	result = identity && answer.status == 400 ? CHECK_INVALID_CREDENTIAL
						  : result_of_status(answer.status);
	if (result != OPEN)
		return result;
	const struct json *grant = document(c, &answer);
	*out = text_of(json_member(grant, "token"));
	if (!is_token(*out))
		*out = text_of(json_member(grant, "access_token"));
	if (c->grant != NULL)
		c->grant->lasts_ms = lasts_ms(grant);
	return is_token(*out) ? OPEN : CHECK_INVALID_CREDENTIAL;
}

/* Whom a token of the usual form (JWT) is for; NULL if that cannot be seen. */
static const char *
subject(struct check *c, const char *token)
{
	const char *dot = strchr(token, '.');
	size_t len = dot != NULL ? strcspn(dot + 1, ".") : 0, got = 0;
	char *bytes = arena_alloc(c->arena, len + 1);
	struct json *claims = NULL;
	struct error e = {0};

	if (bytes == NULL || len == 0 ||
	    sodium_base642bin((unsigned char *)bytes, len, dot + 1, len, NULL, &got, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
	    json_parse(c->arena, bytes, got, &claims, &e) != ERR_NONE)
		return NULL;
	const char *text = text_of(json_member(claims, "sub"));
	return text != NULL && *text != '\0' ? text : NULL;
}

/* Whether /v2/ takes a token. */
static enum check_result
ask_with_token(struct check *c, const char *token, bool aside)
{
	struct answer answer;
	enum check_result result =
		ask_registry(c, "/v2/", arena_printf(c->arena, "Bearer %s", token), aside, &answer);

	return result == OPEN ? result_of_status(answer.status) : result;
}

/* Whether nobody was let in: some token servers answer 400 to whoever brings no login. */
static bool
is_refusal(enum check_result result)
{
	return result == CHECK_INVALID_CREDENTIAL || result == CHECK_FORBIDDEN ||
	       result == CHECK_NOT_A_REGISTRY;
}

/* The registry took a token for our login.  If it takes those that are given to nobody as well, the
 * token server may have looked at no login at all.  So it is asked as nobody: no token, one that
 * /v2/ refuses, or one for somebody else is proof.  Where that leaves a doubt, a login that nobody
 * has decides. */
static enum check_result
compare_with_nobody(struct check *c, const struct realm *realm, const char *ours)
{
	const char *token = NULL, *us = subject(c, ours);
	enum check_result result = get_token(c, realm, NULL, true, &token);

	if (result == OPEN)
		result = ask_with_token(c, token, true);
	if (result != OPEN)
		return is_refusal(result) ? CHECK_VALID : result;
	const char *them = subject(c, token);
	if (us != NULL && (them == NULL || strcmp(us, them) != 0))
		return CHECK_VALID;
	const struct login nobody = made_up_login(c);
	if (lacks_memory(c))
		return CHECK_UNREACHABLE;
	result = get_token(c, realm, &nobody, true, &token);
	if (result == OPEN)
		result = ask_with_token(c, token, true);
	if (result == OPEN)
		return CHECK_ANONYMOUS_ACCESS;
	return is_refusal(result) ? CHECK_VALID : result;
}

static enum check_result
check_bearer(struct check *c, const struct challenge *challenge)
{
	const struct login login = {c->user, c->secret};
	const char *token = NULL;
	struct realm realm;

	if (!read_realm(c, challenge, &realm))
		return CHECK_NOT_A_REGISTRY;
	enum check_result result = get_token(c, &realm, &login, false, &token);
	if (result == OPEN)
		result = ask_with_token(c, token, false);
	if (result != OPEN)
		return result;
	c->is_registry = true; /* it spoke the token protocol to its end */
	result = prove_registry(c, arena_printf(c->arena, "Bearer %s", token));
	return result == OPEN ? compare_with_nobody(c, &realm, token) : result;
}

static enum check_result
run(struct check *c)
{
	const struct challenge *challenge;
	struct answer answer;
	enum check_result result = ask_registry(c, "/v2/", NULL, false, &answer);

	if (result != OPEN)
		return result;
	if (answer.status == 200)
		return check_open(c);
	if (answer.status != 401)
		return result_of_status(answer.status);
	if (c->secret == NULL)
		return CHECK_INVALID_CREDENTIAL;
	challenge = challenge_find(&answer.challenges, "bearer");
	if (challenge != NULL)
		return check_bearer(c, challenge);
	if (challenge_find(&answer.challenges, "basic") != NULL)
		return check_basic(c);
	return CHECK_NOT_A_REGISTRY;
}

/* Whether the settings say that the registry speaks plain HTTP. */
static bool
is_insecure(struct arena *a, const char *list, const char *key)
{
	for (; *list != '\0'; list += strspn(list, ", ")) {
		size_t len = strcspn(list, ", ");
		const char *one = arena_copy(a, list, len);
		struct registry_url url;

		if (one != NULL && registry_url_parse(a, one, &url) == NULL &&
		    strcmp(url.key, key) == 0)
			return true;
		list += len;
	}
	return false;
}

static bool
begin(struct check *c, const char *address, struct registry_url *url, const char **why)
{
	*why = registry_url_parse(c->arena, address, url);
	if (*why != NULL)
		return false;
	if (!url->scheme_given && is_insecure(c->arena, c->settings->insecure, url->key))
		*why = registry_url_parse(c->arena, arena_printf(c->arena, "http://%s", url->key),
					  url);
	c->api = url->api;
	c->plain_http = url->plain_http;
	return *why == NULL;
}

/* The login itself, for a registry that takes it so. */
static enum check_result
grant_login(struct check *c)
{
	const struct login login = {c->user, c->secret};

	if (strchr(c->user, ':') != NULL)
		return CHECK_INVALID_CREDENTIAL;
	c->grant->authorization = basic(c, &login);
	return CHECK_VALID;
}

static enum check_result
authorize(struct check *c)
{
	const struct login login = {c->user, c->secret};
	const struct challenge *challenge;
	const char *token = NULL;
	struct answer answer;
	struct realm realm;
	enum check_result result = ask_registry(c, "/v2/", NULL, false, &answer);

	if (result != OPEN)
		return result;
	if (answer.status == 200)
		return grant_login(c);
	if (answer.status != 401)
		return result_of_status(answer.status);
	challenge = challenge_find(&answer.challenges, "bearer");
	if (challenge == NULL)
		return challenge_find(&answer.challenges, "basic") != NULL ? grant_login(c)
									   : CHECK_NOT_A_REGISTRY;
	if (!read_realm(c, challenge, &realm))
		return CHECK_NOT_A_REGISTRY;
	result = get_token(c, &realm, &login, false, &token);
	if (result != OPEN)
		return result;
	c->grant->is_token = true;
	c->grant->authorization = arena_printf(c->arena, "Bearer %s", token);
	return CHECK_VALID;
}

/* Fills in the rest of the check, and does the task with it. */
static bool
carry_out(struct check *c, const char *address, enum check_result (*task)(struct check *c),
	  struct check_report *out)
{
	const struct host *host = NULL;
	struct registry_url url;
	const char *why;

	*out = (struct check_report){.result = CHECK_UNREACHABLE};
	(void)pthread_once(&once, start_curl);
	if (!curl_works)
		return false;
	c->began_ms = clock_ms();
	c->deadline_ms = c->began_ms + c->settings->timeout_ms;
	if (begin(c, address, &url, &why)) {
		c->curl = curl_easy_init();
		c->no_memory = c->curl == NULL;
		out->result = c->no_memory ? OPEN : find_host(c, url.host, url.port, &host);
		if (!c->no_memory && out->result == OPEN)
			out->result = task(c);
		curl_easy_cleanup(c->curl);
	}
	out->http_status = c->http_status;
	out->ms = clock_ms() - c->began_ms;
	if (lacks_memory(c)) {
		out->result = CHECK_UNREACHABLE; /* for want of any */
		return false;
	}
	out->message = why != NULL ? why : check_result_sentence(out->result);
	return true;
}

bool
registry_check(const struct check_settings *s, struct arena *a, const char *address,
	       const char *user, const char *secret, struct check_report *out)
{
	struct check *c = arena_alloc(a, sizeof(*c));

	if (c == NULL)
		return false;
	*c = (struct check){
		.settings = s, .arena = a, .user = user != NULL ? user : "", .secret = secret};
	return carry_out(c, address, run, out);
}

bool
registry_authorize(const struct check_settings *s, struct arena *a, const char *address,
		   const char *user, const char *secret, const char *const *scopes,
		   struct grant *out, struct check_report *report)
{
	struct check *c = arena_alloc(a, sizeof(*c));

	*out = (struct grant){0};
	if (c == NULL)
		return false;
	*c = (struct check){.settings = s,
			    .arena = a,
			    .user = user,
			    .secret = secret,
			    .scopes = scopes,
			    .grant = out};
	return carry_out(c, address, authorize, report);
}
