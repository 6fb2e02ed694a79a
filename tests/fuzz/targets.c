/* targets: the parsers, each with inputs in corpus/NAME: what is accepted must hold what it
 * promises.  The larger ones are json.c and request.c. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/proxy.h"
#include "access/token.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/log.h"
#include "base/multipart.h"
#include "base/network.h"
#include "base/settings.h"
#include "base/text.h"
#include "model/list.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "nginx_check/nginx_check.h"
#include "registry/challenge.h"
#include "registry/url.h"
#include "secret/jws.h"
#include "secret/key_file.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "server/config.h"

#include "fuzz.h"

/* basic: Authorization, and the other headers that are taken apart by hand: Cookie and Host. */
void
fuzz_basic(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	const char *text = fuzz_text(data, size), *user = NULL, *password = NULL;

	if (http_basic_parse(a, text, &user, &password)) {
		FUZZ_MUST(user != NULL && password != NULL &&
			  strchr(user, fuzz_wrong ? *user : ':') == NULL);
		FUZZ_MUST(strlen(user) + strlen(password) < strlen(text));
	}
	const char *cookie = http_cookie(a, text, "CSRF");
	FUZZ_MUST(cookie == NULL || strlen(cookie) + 5 <= strlen(text));
	if (http_host_valid(text))
		FUZZ_MUST(strlen(text) <= 255 && strpbrk(text, "/@\"<> \r\n?#\\") == NULL);
}

/* challenge: the lines of the input are the WWW-Authenticate headers of one answer. */
void
fuzz_challenge(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct challenge_list list = {0};

	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end != NULL ? (size_t)(end - data) : size, before = list.count;

		if (!challenge_parse(a, fuzz_text(data, len), &list))
			FUZZ_MUST(list.count == before);
		FUZZ_MUST(list.count <= CHALLENGES_MAX);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct challenge *c = &list.items[i];

		FUZZ_MUST(c->scheme != NULL && c->param_count <= CHALLENGE_PARAMS_MAX);
		FUZZ_MUST(challenge_find(&list, fuzz_wrong ? "" : c->scheme) != NULL);
		for (size_t j = 0; j < c->param_count; j++)
			FUZZ_MUST(challenge_param(c, c->params[j].name) != NULL);
	}
}

/* config: a file of settings: taken, or refused with a sentence. */
void
fuzz_config(const uint8_t *data, size_t size)
{
	static struct settings settings;
	char why[CONFIG_WHY_MAX] = "", program[] = "fuzz", option[] = "--config", path[64];
	char *argv[] = {program, option, path, NULL};
	const char *file = fuzz_file(data, size);
	int arg = 1;

	FUZZ_MUST(file != NULL && strlen(file) < sizeof(path));
	(void)snprintf(path, sizeof(path), "%s", file);
	if (!config_load(&settings, 3, argv, &arg, why)) {
		FUZZ_MUST((*why != '\0') != fuzz_wrong);
		return;
	}
	FUZZ_MUST(settings.workers >= 1 && settings.threads >= 1);
	FUZZ_MUST(settings.group_count <= CONFIG_GROUPS_MAX);
}

/* form: urlencoded text; what was accepted is the same when it is written and read again. */
void
fuzz_form(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct pairs pairs = {0}, again = {0};
	struct error e = {0};
	const char *written = "";

	if (http_form_parse(a, (const char *)data, size, &pairs, &e) != ERR_NONE) {
		FUZZ_MUST(e.code == ERR_BAD_REQUEST && e.detail != NULL);
		return;
	}
	FUZZ_MUST(pairs.count <= HTTP_PAIRS_MAX);
	for (size_t i = 0; i < pairs.count && i < 32; i++) {
		const struct pair *p = &pairs.items[i];

		FUZZ_MUST(http_utf8_valid(p->name, strlen(p->name)));
		FUZZ_MUST(http_utf8_valid(p->value, strlen(p->value)));
		written = arena_printf(a, "%s&%s=%s", written, http_encode(a, p->name),
				       http_encode(a, fuzz_wrong ? p->name : p->value));
		FUZZ_MUST(written != NULL);
	}
	FUZZ_MUST(http_form_parse(a, written, strlen(written), &again, &e) == ERR_NONE);
	for (size_t i = 0; i < pairs.count && i < 32; i++) {
		if (*pairs.items[i].name == '\0')
			return; /* a pair without a name may be passed over */
		FUZZ_MUST(i < again.count);
		FUZZ_MUST(strcmp(again.items[i].name, pairs.items[i].name) == 0);
		FUZZ_MUST(strcmp(again.items[i].value, pairs.items[i].value) == 0);
	}
}

/* image: a reference to an image; its parts, put together again, mean the same. */
static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
fuzz_image(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct registry_image image = {0}, again = {0};
	const char *text = fuzz_text(data, size);

	(void)registry_path_check(text);
	(void)registry_path_holds(text, "acme/app");
	if (registry_image_parse(a, text, &image) != NULL)
		return;
	FUZZ_MUST(image.key != NULL && image.repository != NULL);
	FUZZ_MUST(registry_path_check(image.repository) == NULL);
	/* The key is in lower case, which may be the case that made it a registry. */
	char *key = arena_strdup(a, image.key);
	for (char *c = key; c != NULL && *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	if (strpbrk(key, ".:ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL)
		return; /* it was a final dot, which the key has not */
	const char *written = arena_printf(
		a, "%s/%s%s%s%s%s", key, image.repository, image.tag != NULL ? ":" : "",
		image.tag != NULL ? image.tag : "", image.digest != NULL ? "@" : "",
		image.digest != NULL ? image.digest : "");
	FUZZ_MUST(written != NULL);
	if (registry_image_parse(a, written, &again) != NULL) {
		FUZZ_MUST(strlen(written) > REPOSITORY_MAX); /* docker.io/library/ made it longer */
		return;
	}
	FUZZ_MUST(same(image.key, again.key) &&
		  same(image.repository, fuzz_wrong ? again.key : again.repository));
	FUZZ_MUST(same(image.tag, again.tag) && same(image.digest, again.digest));
}

/* marker: the input stands in a marker, in the hexadecimal form that markers have, for one of
 * several ways to sort.  The marker of a position that was read leads to the same position. */
static const char *const sorts[] = {"name", "created", "id", "removed", "state", "none"};

static bool
visible(const void *context, const struct field *field)
{
	(void)context;
	(void)field;
	return true;
}

static void
parse_marker(struct arena *a, const char *marker, size_t way, struct list_request *out)
{
	struct error e = {0};
	char name[] = "marker";
	struct pair items[] = {{fuzz_wrong ? "mark" : name, marker},
			       {"sort", sorts[way % (sizeof(sorts) / sizeof(*sorts))]},
			       {"order", way % 2 == 0 ? "asc" : "desc"}};
	const struct pairs pairs = {items, sizeof(items) / sizeof(*items)};

	FUZZ_MUST(query_parse(a, &types_table[T_REGISTRY], API_V1, &pairs, visible, NULL, 0, out,
			      &e) == ERR_NONE);
	FUZZ_MUST(out->paged);
}

static const char *
marker_of(struct arena *a, const struct list_request *request)
{
	const struct position *from = &request->list.from;
	struct record row = {.type = &types_table[T_REGISTRY]};

	row.columns[request->list.sort] = from->value;
	row.columns[COL_ID] = value_int(from->id);
	const char *marker = query_marker(a, request, &row, from->backwards);
	FUZZ_MUST(marker != NULL);
	return marker;
}

void
fuzz_marker(const uint8_t *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	struct arena *a = fuzz_arena();
	struct list_request out = {0}, again = {0};
	char *hex = arena_alloc(a, 2 * size + 2);

	FUZZ_MUST(hex != NULL);
	hex[0] = 'm';
	for (size_t i = 0; i < size; i++) {
		hex[1 + 2 * i] = digits[data[i] / 16];
		hex[2 + 2 * i] = digits[data[i] % 16];
	}
	parse_marker(a, hex, size, &out);
	if (!out.list.from.set)
		return;
	const char *marker = marker_of(a, &out);
	parse_marker(a, marker, size, &again);
	FUZZ_MUST(again.list.from.set && again.list.from.id == out.list.from.id);
	FUZZ_MUST(strcmp(marker, marker_of(a, &again)) == 0);
}

/* multipart: the first line is the Content-Type, the rest the body. */
void
fuzz_multipart(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct pairs pairs = {0};
	struct error e = {0};
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;

	if (end == NULL)
		return;
	const char *type = fuzz_text(data, (size_t)(end - data));
	const char *body = (const char *)end + 1;
	FUZZ_MUST(http_media_type(a, type) != NULL);
	if (http_multipart_parse(a, type, body, size - (size_t)(body - (const char *)data), &pairs,
				 &e) != ERR_NONE) {
		FUZZ_MUST(e.code == ERR_INVALID_BODY && e.detail != NULL);
		return;
	}
	FUZZ_MUST(pairs.count <= (fuzz_wrong ? 0 : HTTP_PAIRS_MAX));
	for (size_t i = 0; i < pairs.count; i++) {
		FUZZ_MUST(http_utf8_valid(pairs.items[i].name, strlen(pairs.items[i].name)));
		FUZZ_MUST(http_utf8_valid(pairs.items[i].value, strlen(pairs.items[i].value)));
	}
}

/* network: addresses, networks and lists of them; what is in a list lies within it. */
void
fuzz_network(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	const char *text = fuzz_text(data, size), *why = NULL;
	char one[LIST_ITEM_SIZE];
	struct network n;

	if (network_parse_address(text, &n)) {
		FUZZ_MUST((n.size == 4 || n.size == 16) && n.prefix == 8 * n.size);
		FUZZ_MUST(network_contains(&n, &n));
	}
	if (network_parse(text, &n) == NULL)
		FUZZ_MUST(n.prefix <= 8 * n.size && network_contains(&n, &n));
	const char *list = network_list_parse(a, text, &why);
	if (list == NULL) {
		FUZZ_MUST(why != NULL);
		return;
	}
	FUZZ_MUST(network_list_within(list, fuzz_wrong ? "203.0.113.7" : list));
	for (const char *rest = list; list_next(&rest, one);)
		FUZZ_MUST(network_parse(one, &n) == NULL);
	(void)network_list_has(list, text);
}

/* nginx: a configuration of nginx: findings, or a sentence that says why it cannot be read. */
void
fuzz_nginx(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct nginx_report report = {0};
	char why[512] = "";
	const char *file = fuzz_file(data, size);

	if (null == NULL)
		null = fopen("/dev/null", "w");
	FUZZ_MUST(file != NULL && null != NULL);
	if (memmem(data, size, "include", 7) != NULL)
		return; /* reads other files */
	if (!nginx_check(file, true, null, &report, why, sizeof(why)))
		FUZZ_MUST((*why != '\0') != fuzz_wrong);
}

/* proxy: what the web server says of somebody: user, groups and address by lines.  Without the
 * token nothing of it is believed. */
static const char token[] = "0123456789abcdef0123456789abcdef";
static const struct group_grant grants[] = {{.name = "admins", .kind = "admin"},
					    {.name = "team a", .role = "member", .project_id = 5}};

void
fuzz_proxy(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	char *text = arena_strdup(a, fuzz_text(data, size)), *rest = text;
	struct proxy_claim claim = {.token = token};
	struct group_grant grant;
	struct error e = {0};

	log_set_level(LOG_ERROR);
	FUZZ_MUST(text != NULL);
	if (proxy_grant_parse(text, &grant))
		FUZZ_MUST((grant.kind != NULL) != (grant.role != NULL));
	(void)proxy_group_name_valid(text);
	claim.user = strsep(&rest, "\n");
	claim.groups = strsep(&rest, "\n");
	claim.email = rest;
	if (proxy_check(&claim, token, &e) == ERR_NONE) {
		FUZZ_MUST(claim.user == NULL || strlen(claim.user) <= PROXY_USER_MAX);
		FUZZ_MUST(claim.groups == NULL || strlen(claim.groups) <= PROXY_GROUPS_MAX);
		const char *kind = proxy_kind("user", claim.groups, grants, 2);
		bool admin = proxy_in_groups(claim.groups, "admins");
		FUZZ_MUST(strcmp(kind, admin != fuzz_wrong ? "admin" : "user") == 0);
		FUZZ_MUST(!admin || strstr(claim.groups, "admins") != NULL);
	}
	claim.token = claim.user;
	FUZZ_MUST(proxy_check(&claim, token, &e) != ERR_NONE || strcmp(claim.token, token) == 0);
}

/* query: the parameters of a list of every type; the first byte says which type and version. */
void
fuzz_query(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct list_request out = {0};
	struct pairs pairs = {0};
	struct error e = {0};

	if (size == 0)
		return;
	const char *text = fuzz_text(data + 1, size - 1);
	enum api_version version = (data[0] & 128) != 0 ? API_V2_BETA : API_V1;
	const struct resource_type *type = &types_table[(data[0] & 127) % T__COUNT];
	if (http_form_parse(a, text, strlen(text), &pairs, &e) != ERR_NONE ||
	    query_parse(a, type, version, &pairs, visible, NULL, 0, &out, &e) != ERR_NONE) {
		FUZZ_MUST(err_status(e.code) / 100 == 4 && e.detail != NULL);
		return;
	}
	FUZZ_MUST(out.filter_count <= CONDITIONS_MAX &&
		  out.list.limit <= (fuzz_wrong ? 1 : LIMIT_MAX + 1));
}

/* registry: the address of a registry; its key and path mean the same registry. */
void
fuzz_registry(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct registry_url url = {0}, again = {0};
	const char *text = fuzz_text(data, size);

	if (registry_url_parse(a, text, &url) != NULL)
		return;
	FUZZ_MUST(url.key != NULL && *url.key != '\0' && url.path != NULL && url.api != NULL);
	FUZZ_MUST(url.host != NULL && url.port > 0 && url.port < 65536);
	FUZZ_MUST(strpbrk(url.key, "/@?# \t\r\n\"\\") == NULL);
	FUZZ_MUST(strpbrk(url.api, "@?# \t\r\n\"\\") == NULL);
	const char *written = arena_printf(a, "%s%s%s%s", url.plain_http ? "http://" : "", url.key,
					   *url.path != '\0' ? "/" : "", url.path);
	FUZZ_MUST(written != NULL && registry_url_parse(a, written, &again) == NULL);
	FUZZ_MUST(strcmp(url.key, fuzz_wrong ? again.path : again.key) == 0);
	/* A path may begin as the version of the API does, which is taken off once. */
	if (strncmp(url.path, "v1", 2) != 0 && strncmp(url.path, "v2", 2) != 0)
		FUZZ_MUST(strcmp(url.path, again.path) == 0);
	FUZZ_MUST(strcmp(url.host, again.host) == 0);
}

/* sealed: a sealed value that was changed does not open: the input is laid over it by exclusive or,
 * and its first byte makes it shorter or longer.  The rest of the input as it is does not open
 * either. */
static const struct seal_place place = {"credential", "a uuid", "secretValue", 5, "r.example"},
			       other = {"credential", "a uuid", "secretValue", 6, "r.example"};

/* The ring looks at its file now and then, so it stays to the end. */
static char ring_path[] = "/tmp/regcred-fuzz-XXXXXX", ring_file[64];
static struct keyring *ring;

static void
remove_ring(void)
{
	keyring_free(ring);
	(void)unlink(ring_file);
	(void)rmdir(ring_path);
}

static void
make_ring(void)
{
	char why[SECRET_WHY_MAX] = "";

	FUZZ_MUST(secret_init() && mkdtemp(ring_path) != NULL);
	(void)snprintf(ring_file, sizeof(ring_file), "%s/master.key", ring_path);
	FUZZ_MUST(keyring_create(ring_file, why));
	ring = keyring_load(ring_file, why);
	FUZZ_MUST(ring != NULL);
	(void)atexit(remove_ring);
}

void
fuzz_sealed(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct value sealed = {0}, whole = value_blob(data, size);
	bool changed = false;

	if (ring == NULL)
		make_ring();
	FUZZ_MUST(secret_open(ring, a, &place, &whole) == NULL);
	(void)secret_key_id(&whole);
	if (size == 0 || !secret_seal(ring, a, &place, "plain text", &sealed))
		return;
	size_t len = sealed.len + data[0] - (data[0] > sealed.len ? sealed.len : 0);
	if (data[0] < 128)
		len = sealed.len - (data[0] < sealed.len ? data[0] : sealed.len);
	uint8_t *copy = arena_alloc(a, len + 1);
	FUZZ_MUST(copy != NULL);
	memcpy(copy, sealed.text, len < sealed.len ? len : sealed.len);
	for (size_t i = 1; i < size && i <= len; i++) {
		copy[i - 1] ^= data[i];
		changed = changed || data[i] != 0;
	}
	const struct value damaged = value_blob(copy, len);
	const char *text = secret_open(ring, a, fuzz_wrong ? &other : &place, &damaged);
	FUZZ_MUST((text != NULL) == (!changed && len == sealed.len));
}

/* target: path and query of a request. */
void
fuzz_target(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct target t = {0};
	struct error e = {0};
	const char *text = fuzz_text(data, size);

	if (http_target_parse(a, text, &t, &e) != ERR_NONE) {
		FUZZ_MUST(e.code == ERR_BAD_REQUEST || e.code == ERR_NOT_FOUND);
		return;
	}
	FUZZ_MUST(t.segment_count <= HTTP_SEGMENTS_MAX && text[0] == '/');
	for (size_t i = 0; i < t.segment_count; i++) {
		const char *s = t.segments[i];

		FUZZ_MUST(*s != '\0' && strcmp(s, ".") != 0 && strcmp(s, "..") != 0);
		FUZZ_MUST(strpbrk(s, fuzz_wrong ? "v" : "/\\\r\n") == NULL &&
			  http_utf8_valid(s, strlen(s)));
	}
}

/* control: a target that has each fault the others are searched for: the input names it.  A rig
 * that does not report it would report none of theirs. */
#if defined(__SANITIZE_ADDRESS__)
#define LOOKED_AT true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOOKED_AT true
#endif
#endif
#ifndef LOOKED_AT
#define LOOKED_AT false
#endif

enum { SKIPPED = 77 };

static void
does_not_hold(void)
{
	FUZZ_MUST(fuzz_out != NULL && fuzz_out == NULL);
}

static void
hang(void)
{
	for (volatile bool on = true; on;)
		;
}

static void
overflow(void)
{
	volatile size_t at = 4;
	char *bytes = malloc(at);

	if (bytes != NULL)
		bytes[at] = 1;
	free(bytes);
}

static void
undefined(void)
{
	volatile int number = INT_MAX;

	number = number + 1;
}

static void
leak(void)
{
	void *volatile bytes = malloc(1000);

	bytes = NULL;
	(void)bytes;
}

/* clang-format off */
static const struct { const char *name; void (*fn)(void); bool by_sanitizer; } faults[] = {
	{ "hang",      hang,          false },
	{ "leak",      leak,          true },
	{ "must",      does_not_hold, false },
	{ "overflow",  overflow,      true },
	{ "undefined", undefined,     true },
};
/* clang-format on */

void
fuzz_control(const uint8_t *data, size_t size)
{
	const char *text = fuzz_text(data, size);

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		if (strcmp(text, faults[i].name) != 0)
			continue;
		if (faults[i].by_sanitizer && !LOOKED_AT)
			exit(SKIPPED);
		faults[i].fn();
	}
}

/* token: a web token. Of all texts only the one that was signed is taken, at the time that it is
 * for. */
// clang-format off
static const char fuzz_keys[] =
	"{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r1\",\"e\":\"AQAB\",\"n\":\""
	"r9KtwHUgjSPnA_zXOfGZZo9HzPxxVzGlsk96vrYUllHdL5aJQmHdG43J_A4E4OCOj7dTQS_a"
	"Ekf-DyBY3xYR13OCIowK8PLNmiDhdWijLt7StoiRqg0BfGzlrJQwTpiSYZy38Dhepjzs17MW"
	"NauIuPc9h_eYzQQbb1yZgGFx8NRzm_jGXaNZc0OH2DTuX_vLLQTUWyE36k5BU2PHm1pQlT-8"
	"JCD1Yv3jXe46sot7CV35oB8toBQ-olzGeajNc1Pet0OixRKLVobO06OufKlC2oHY1BzxJiQ5"
	"JmfsxVgCxUrNx4pxLKbTc9huNEwgI57ACk7-DRwXoeeaUEz7IMB0PQ"
	"\"}]}";
static const char fuzz_token_of_issuer[] =
	"eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCIsICJraWQiOiAicjEifQ.eyJpc3MiOiAia"
	"HR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiaHR0cHM6Ly9jcmVkcy5leGFtcGxlI"
	"iwgInN1YiI6ICJzeXN0ZW06c2VydmljZWFjY291bnQ6dGVhbS1hOnB1bGxlciIsICJleHAiO"
	"iAxNzUwMDAzNjAwfQ.M1ex_sriDp4yeYUH_zGcfflfTUDjmfVqu5f1UOOOZIO1JDOYlAMfSA"
	"aZCrDWguDkkEsVJyqHTlGJf1lA7LK2b_JbdZGNMVELuFJ6hcMeT2MrlOInnaK5uuyuCEm9ui"
	"HGUXWU0VhY7ZdqffioH4yr_z05NjGpLu51tTUohQW6so7STei1kUDqOF_cqQWgCtcyt4O0Mx"
	"BcYab0KknyvJRWSU2se_Mb4OR45JbzJOmB-Sn5rdQA95T6gRSuDVv-Nd6moBcuS0cFr-xozd"
	"Cn3YvIIDfbCJokjQYbvPkx9xfPeplkBeXvU2_rLNWT-UO6Yg8Zv0Wd1Y3XmqNQXsTcjFV4kw";
// clang-format on

void
fuzz_token(const uint8_t *data, size_t size)
{
	static const int64_t now_ms = INT64_C(1750000000) * 1000;
	static struct token_rule rule = {.name = "fuzz",
					 .issuer = "https://issuer.example",
					 .audience = "https://creds.example",
					 .project_id = 5,
					 .claims = {{"sub", "system:serviceaccount:team-a:*"}},
					 .claim_count = 1};
	const struct token_settings settings = {.rules = &rule, .count = 1, .state_dir = "/"};
	const char *file = fuzz_file((const uint8_t *)fuzz_keys, sizeof(fuzz_keys) - 1);
	struct arena *a = fuzz_arena();
	struct web_token found;
	struct error e = {0};

	log_set_level(LOG_ERROR);
	if (file == NULL || chmod(file, 0600) != 0)
		return;
	(void)stpcpy(rule.keys, file);
	const char *text = fuzz_text(data, size), *after = token_of_header(text);
	bool right = token_check(&settings, a, after != NULL ? after : text, "192.0.2.1", now_ms,
				 &found, &e) == ERR_NONE;
	bool signed_so = strcmp(after != NULL ? after : text, fuzz_token_of_issuer) == 0;
	FUZZ_MUST(right == ((signed_so && jws_is_built()) != fuzz_wrong));
	FUZZ_MUST(right == (found.rule != NULL) && right == (e.code == ERR_NONE));
	FUZZ_MUST(e.code == ERR_NONE || e.detail != NULL);
}
