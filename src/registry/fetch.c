/* fetch: one HTTP question to a registry, to an address that is allowed. */

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/log.h"
#include "outbound/address.h"
#include "outbound/lookup.h"
#include "registry/challenge.h"
#include "registry/check.h"
#include "registry/inquiry.h"
#include "registry/result.h"
#include "registry/url.h"

bool
fetch_lacks_memory(struct registry_check *c)
{
	c->no_memory = c->no_memory || arena_failed(c->arena);
	return c->no_memory;
}

static enum check_result
look_up(struct registry_check *c, const char *name, unsigned port, struct address_list *out)
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

void
fetch_pin(struct registry_check *c, const char *name, struct host *host,
	  const struct address_list *found)
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

enum check_result
fetch_find_host(struct registry_check *c, const char *name, unsigned port, const struct host **out)
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
	fetch_pin(c, name, host, &found);
	*out = host;
	return OPEN;
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

bool
fetch_count(struct registry_answer *answer, size_t len)
{
	answer->all += len;
	answer->too_long = answer->all > CHECK_ANSWER_MAX;
	return !answer->too_long;
}

static size_t
fetch_take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct registry_answer *answer = arg;
	size_t len = size * n;

	if (!fetch_count(answer, len))
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
	struct registry_answer *answer = arg;
	struct registry_check *c = answer->check;
	size_t len = size * n;
	const char *value;

	if (!fetch_count(answer, len))
		return 0;
	value = header_value(c->arena, line, len, "WWW-Authenticate");
	if (value != NULL && !challenge_parse(c->arena, value, &answer->challenges))
		log_debug("a challenge of a registry is not well formed");
	value = header_value(c->arena, line, len, "Docker-Distribution-Api-Version");
	if (value != NULL && strstr(value, "registry/2") != NULL)
		c->is_registry = true;
	return len;
}

const struct json *
fetch_document(struct registry_check *c, const struct registry_answer *answer)
{
	struct json *out = NULL;
	struct error e = {0};

	if (answer->body == NULL ||
	    json_parse(c->arena, answer->body, answer->len, &out, &e) != ERR_NONE)
		return NULL;
	return out;
}

const char *
fetch_text(const struct json *node)
{
	return node != NULL && node->type == JSON_STRING ? node->text : NULL;
}

/* {"errors":[{"code":"NAME_UNKNOWN",…}]} is how a registry, and little else, says no. */
static bool
has_registry_errors(struct registry_check *c, const struct registry_answer *answer)
{
	const struct json *errors = json_member(fetch_document(c, answer), "errors");

	return errors != NULL && errors->type == JSON_ARRAY &&
	       fetch_text(json_member(errors->child, "code")) != NULL;
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

static enum check_result
result_of_failure(struct registry_check *c, CURLcode code)
{
	if (code == CURLE_OUT_OF_MEMORY)
		c->no_memory = true;
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		if (failures[i].code == code)
			return failures[i].result;
	return CHECK_UNREACHABLE;
}

/* Of curl_easy_setopt's results only those about memory can differ between two builds. */
#define SET(option, value) (ok = ok && curl_easy_setopt(c->curl, option, value) == CURLE_OK)

static bool
fetch_set_options(struct registry_check *c, const struct question *q, const struct host *host,
	    struct curl_slist *pins, struct curl_slist *headers, struct registry_answer *answer)
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
	SET(CURLOPT_WRITEFUNCTION, fetch_take_body);
	SET(CURLOPT_WRITEDATA, answer);
	return ok;
}

static struct curl_slist *
fetch_make_headers(struct registry_check *c, const struct question *q)
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

enum check_result
fetch_ask(struct registry_check *c, const struct question *q, struct registry_answer *out)
{
	const struct host *host = NULL;
	struct curl_slist *pins = NULL, *headers = NULL;
	enum check_result result = fetch_find_host(c, q->host, q->port, &host);

	*out = (struct registry_answer){.check = c};
	if (result != OPEN)
		return result;
	if (host->list.count == 0)
		return CHECK_UNREACHABLE; /* the same for every address that is refused */
	if (clock_ms() >= c->deadline_ms)
		return CHECK_TIMEOUT;
	pins = curl_slist_append(NULL, host->pin);
	headers = fetch_make_headers(c, q);
	if (pins == NULL || headers == NULL || !fetch_set_options(c, q, host, pins, headers, out)) {
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
	return fetch_lacks_memory(c) ? CHECK_UNREACHABLE : result;
}
