/* fetch: libcurl, its options and its memory. */
#include "outbound/fetch.h"

#include <curl/curl.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pulse.h"
#include "outbound/address.h"

struct fetch {
	CURL *curl;
	bool inside; /* a connection to an internal network was tried */
	/* Of the current request: */
	const struct fetch_request *request;
	struct arena *arena;
	char *body;
	size_t len, room; /* of the body */
	size_t all;	  /* bytes received */
};

/* Memory that is wiped when it is freed */

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
	void *fresh = malloc(size);

	if (fresh == NULL)
		return NULL;
	if (p != NULL)
		memcpy(fresh, p, old < size ? old : size);
	wiping_free(p);
	return fresh;
}

static bool started;

/* Once in a process, after the fork. */
static void
fetch_start(void)
{
	started = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc,
				       strdup, calloc) == CURLE_OK;
	if (!started)
		log_error("libcurl does not start: nothing can be asked");
}

struct fetch *
fetch_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct fetch *f = calloc(1, sizeof(*f));

	(void)pthread_once(&once, fetch_start);
	if (f != NULL && started)
		f->curl = curl_easy_init();
	if (f != NULL && f->curl != NULL)
		return f;
	free(f);
	return NULL;
}

void
fetch_free(struct fetch *f)
{
	if (f != NULL)
		curl_easy_cleanup(f->curl);
	free(f);
}

/* What curl calls */

/* Called for each connection with its address: this is the only check, whatever a name resolves to
 * and however often. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct fetch *f = arg;
	const struct fetch_request *request = f->request;
	char text[NI_MAXHOST] = "?";

	(void)purpose;
	f->inside = f->inside || outbound_is_inside(&address->addr, request->networks);
	if (outbound_allowed(&address->addr, request->networks))
		return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	(void)getnameinfo(&address->addr, address->addrlen, text, sizeof(text), NULL, 0,
			  NI_NUMERICHOST);
	log_info("no connection to %s for %.*s: refused, see verify_networks", text,
		 (int)strcspn(request->url, "?"), request->url);
	return CURL_SOCKET_BAD;
}

static size_t
take_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;

	(void)bytes;
	f->all += size * n;
	return f->all <= f->request->answer_max ? size * n : 0;
}

static bool
has_room(struct fetch *f, size_t len)
{
	enum { ROOM_FIRST = 4096 };
	size_t room = f->room != 0 ? f->room : ROOM_FIRST;

	while (room < f->len + len + 1)
		room *= 2;
	if (room == f->room)
		return true;
	char *bigger = arena_alloc(f->arena, room);
	if (bigger == NULL)
		return false;
	if (f->len > 0)
		memcpy(bigger, f->body, f->len);
	f->body = bigger;
	f->room = room;
	return true;
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	size_t len = size * n;

	f->all += len;
	if (f->all > f->request->answer_max || !has_room(f, len))
		return 0;
	memcpy(f->body + f->len, bytes, len);
	f->len += len;
	f->body[f->len] = '\0';
	return len;
}

/* A request */

/* Of curl_easy_setopt's errors only out-of-memory can occur at run time. */
#define SET(option, value) (ok = ok && curl_easy_setopt(f->curl, option, value) == CURLE_OK)

static bool
set_options(struct fetch *f, const struct fetch_request *r, struct curl_slist *headers)
{
	bool ok = true;

	curl_easy_reset(f->curl);
	SET(CURLOPT_URL, r->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	SET(CURLOPT_QUICK_EXIT, 1L); /* do not wait for a hanging resolver */
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (*r->ca_file != '\0')
		SET(CURLOPT_CAINFO, r->ca_file);
	if (r->proxy != NULL) {
		SET(CURLOPT_PROXY, r->proxy);
		SET(CURLOPT_NOPROXY, "");
	}
	if (r->networks != NULL && r->proxy != NULL && *r->proxy == '\0') {
		SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
		SET(CURLOPT_OPENSOCKETDATA, f);
	}
	SET(CURLOPT_USERAGENT, "regcred/" REGCRED_VERSION);
	SET(CURLOPT_HTTPHEADER, headers);
	if (r->sigv4 != NULL)
		SET(CURLOPT_AWS_SIGV4, r->sigv4);
	else if (r->user != NULL)
		SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	if (r->user != NULL) {
		SET(CURLOPT_USERNAME, r->user);
		SET(CURLOPT_PASSWORD, r->password);
	}
	if (r->body != NULL)
		SET(CURLOPT_POSTFIELDS, r->body);
	if (r->method != NULL)
		SET(CURLOPT_CUSTOMREQUEST, r->method);
	/* On a connection that turns out to be closed libcurl sends a request again, which may have
	 * changed something already. */
	if (r->method != NULL || r->body != NULL)
		SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, f);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, f);
	return ok;
}

/* NULL if out of memory.  libcurl must not wait for a "100 Continue"; a header without a value says
 * so, but libcurl before 8.3 would sign it. Nothing large is sent with a signature, so it does not
 * wait. */
static struct curl_slist *
make_headers(const struct fetch_request *r)
{
	const char *const *lines = r->headers;
	const char *first = r->sigv4 == NULL ? "Expect:" : *lines++;
	struct curl_slist *list = curl_slist_append(NULL, first), *more = list;

	for (; *lines != NULL && more != NULL; lines++) {
		more = curl_slist_append(list, *lines);
		if (more == NULL)
			curl_slist_free_all(list);
	}
	return more != NULL ? list : NULL;
}

/* Whether a connection failed because this process is out of descriptors: libcurl does not
 * distinguish that from an unknown name. */
static bool
is_exhausted(void)
{
	enum {
		NEEDED = 4
	}; /* a socket pair to curl's resolver, the resolver's socket, the connection */
	int fds[NEEDED];
	size_t n = 0;

	while (n < NEEDED && (fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0)
		n++;
	bool exhausted = n < NEEDED;
	while (n > 0)
		(void)close(fds[--n]);
	return exhausted;
}

// clang-format off
static const struct { CURLcode code; enum fetch_rc rc; } failures[] = {
	{ CURLE_OK,                        FETCH_OK },
	{ CURLE_OPERATION_TIMEDOUT,        FETCH_TIMEOUT },
	{ CURLE_SSL_CONNECT_ERROR,         FETCH_TLS },
	{ CURLE_SSL_CERTPROBLEM,           FETCH_TLS },
	{ CURLE_SSL_CIPHER,                FETCH_TLS },
	{ CURLE_PEER_FAILED_VERIFICATION,  FETCH_TLS },
	{ CURLE_SSL_CACERT_BADFILE,        FETCH_TLS },
	{ CURLE_SSL_ISSUER_ERROR,          FETCH_TLS },
	{ CURLE_SSL_INVALIDCERTSTATUS,     FETCH_TLS },
	{ CURLE_WRITE_ERROR,               FETCH_TOO_LONG },
	{ CURLE_WEIRD_SERVER_REPLY,        FETCH_NOT_HTTP },
	{ CURLE_UNSUPPORTED_PROTOCOL,      FETCH_NOT_HTTP }, /* HTTP/0.9 */
	{ CURLE_OUT_OF_MEMORY,             FETCH_EXHAUSTED },
};
// clang-format on

static enum fetch_rc
rc_of(CURLcode code)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		if (failures[i].code == code)
			return failures[i].rc;
	return is_exhausted() ? FETCH_EXHAUSTED : FETCH_UNREACHABLE;
}

enum fetch_rc
fetch_do(struct fetch *f, struct arena *a, const struct fetch_request *request,
	 struct fetch_answer *out)
{
	CURLcode code = CURLE_OPERATION_TIMEDOUT;
	struct curl_slist *headers = NULL;

	*f = (struct fetch){.curl = f->curl, .inside = f->inside, .request = request, .arena = a};
	*out = (struct fetch_answer){.body = ""};
	if (request->timeout_ms <= 0) /* 0 would mean no limit */
		goto out;
	headers = make_headers(request);
	bool busy = pulse_pause(); /* curl enforces the timeout */
	code = headers != NULL && set_options(f, request, headers) ? curl_easy_perform(f->curl)
								   : CURLE_OUT_OF_MEMORY;
	pulse_resume(busy);
	(void)curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &out->status);
	if (f->body != NULL)
		out->body = f->body;
	out->len = f->len;
out:
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		out->problem = curl_easy_strerror(code);
	return arena_failed(a) ? FETCH_EXHAUSTED : rc_of(code);
}

const char *
fetch_header(struct fetch *f, const char *name, size_t n)
{
	struct curl_header *header;

	return curl_easy_header(f->curl, name, n, CURLH_HEADER, -1, &header) == CURLHE_OK
		       ? header->value
		       : NULL;
}

/* A part of a URL; NULL: it has none, or out of memory. */
static const char *
url_copy_part(struct arena *a, CURLU *url, CURLUPart part)
{
	char *text = NULL;
	const char *copy = NULL;

	if (curl_url_get(url, part, &text, 0) == CURLUE_OK)
		copy = arena_strdup(a, text);
	curl_free(text);
	return copy;
}

static bool
url_is_base(struct arena *a, CURLU *url)
{
	static const CURLUPart none[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
					 CURLUPART_QUERY, CURLUPART_FRAGMENT};
	const char *scheme = url_copy_part(a, url, CURLUPART_SCHEME);

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		if (url_copy_part(a, url, none[i]) != NULL)
			return false;
	return scheme != NULL && (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0);
}

enum fetch_rc
fetch_url_below(struct arena *a, const char *base, const char *path, const char **out)
{
	CURLU *url = curl_url();
	CURLUcode code = url != NULL && base != NULL ? curl_url_set(url, CURLUPART_URL, base, 0)
						     : CURLUE_OUT_OF_MEMORY;
	bool right = code == CURLUE_OK && url_is_base(a, url);
	const char *text = right ? url_copy_part(a, url, CURLUPART_URL) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;

	curl_url_cleanup(url);
	while (len > 0 && text[len - 1] == '/')
		len--;
	*out = len > 0 ? arena_printf(a, "%.*s%s", (int)len, text, path) : NULL;
	if (code == CURLUE_OUT_OF_MEMORY || arena_failed(a) || (right && text == NULL))
		return FETCH_EXHAUSTED;
	return right ? FETCH_OK : FETCH_NOT_HTTP;
}

const char *
fetch_url_host(struct arena *a, const char *url)
{
	CURLU *parsed = curl_url();
	const char *host = NULL, *port = NULL;

	if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK) {
		host = url_copy_part(a, parsed, CURLUPART_HOST);
		port = url_copy_part(a, parsed, CURLUPART_PORT);
	}
	curl_url_cleanup(parsed);
	return host == NULL || port == NULL ? host : arena_printf(a, "%s:%s", host, port);
}

bool
fetch_went_inside(const struct fetch *f)
{
	return f->inside;
}
