/* request: requests of several people to one app on a database of its own, from their first byte to
 * their last.
 *
 *   A GET /v1/registrycredentials?limit=2      who, method, target
 *   Accept: text/html                          headers of the table below
 *                                              an empty line
 *   {"name":"x"}                               the body
 *   ----                                       the next one
 *
 * The secrets of two accounts are made of random texts, which the input cannot know: whoever is not
 * of an account sees none of its own in any answer.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../support.h"
#include "fuzz.h"
#include "secret.h"

enum { REQUESTS_MAX = 8, SIDES = 2 };

static const enum person projects[SIDES] = {PROJECT_DEFAULT, PROJECT_OTHER};
static char planted[SIDES][SECRET_KEY_SIZE];
static char database[RIG_PATH_MAX], kept[RIG_PATH_MAX];
static struct settings settings;
static struct app *app;

/* clang-format off */
static const struct { char letter; int person; int side; } callers[] = {
	{ 'A', PROJECT_DEFAULT, 0 }, { 'o', PERSON_OWNER,    0 }, { 'm', PERSON_MEMBER, 0 }, { 'r', PERSON_READONLY, 0 },
	{ 'B', PROJECT_OTHER,   1 }, { 's', PERSON_STRANGER, -1 }, { 'g', PERSON_AGENT, -1 }, { 'd', PERSON_READADMIN, -1 },
	{ 'n', 0,              -1 },
};
static const struct { const char *name; size_t offset; } headers[] = {
	{ "Accept",            offsetof(struct request, accept) },
	{ "Authorization",     offsetof(struct request, authorization) },
	{ "Content-Type",      offsetof(struct request, content_type) },
	{ "Cookie",            offsetof(struct request, cookie) },
	{ "Host",              offsetof(struct request, host) },
	{ "Origin",            offsetof(struct request, origin) },
	{ "Prefix",            offsetof(struct request, prefix) },
	{ "Sec-Fetch-Site",    offsetof(struct request, fetch_site) },
	{ "User-Agent",        offsetof(struct request, user_agent) },
	{ "X-API-CSRF",        offsetof(struct request, csrf) },
	{ "X-API-No-Challenge", offsetof(struct request, no_challenge) },
	{ "X-API-Project-Id",  offsetof(struct request, project_id) },
	{ "X-Forwarded-Host",  offsetof(struct request, forwarded_host) },
	{ "X-Forwarded-Proto", offsetof(struct request, forwarded_proto) },
};
/* clang-format on */

/* The database that each input begins with; both accounts have a registry and a login. */
START_TEST(make)
{
	struct rig rig;

	rig_make();
	rig_open(&rig);
	for (int i = 0; i < SIDES; i++) {
		char address[64];

		secret_key(planted[i]);
		(void)snprintf(address, sizeof(address), "registry%d.test", i);
		(void)rig_credential(&rig, projects[i], rig_registry(&rig, projects[i], address),
				     planted[i]);
	}
	settings = rig.settings;
	(void)snprintf(settings.verify_proxy, sizeof(settings.verify_proxy), "http://127.0.0.1:9");
	settings.verify_timeout_s = 1; /* nobody listens there: a check of a login ends at once */
	rig_close(&rig);
	(void)snprintf(database, sizeof(database), "%s", rig_path("test.db"));
	(void)snprintf(kept, sizeof(kept), "%s", rig_path("kept.db"));
	rig_copy_file(database, kept);
}
END_TEST

START_TEST(end)
{
	app_free(app);
	rig_remove();
}
END_TEST

/* Check's words work within a test alone. */
static void
in_a_test(const TTest *test)
{
	Suite *suite = suite_create("request");
	TCase *tc = tcase_create("request");

	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, test);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	FUZZ_MUST(srunner_ntests_failed(runner) == 0);
	srunner_free(runner);
}

static void
finish(void)
{
	in_a_test(end);
}

static void
start_app(void)
{
	static const char *const beside[] = {"-wal", "-shm"};
	char why[CONFIG_WHY_MAX] = "", path[RIG_PATH_MAX + 8];
	static char bytes[4 * 1024 * 1024];
	FILE *in = fopen(kept, "rb"), *out;

	app_free(app);
	for (size_t i = 0; i < COUNT_OF(beside); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", database, beside[i]);
		(void)unlink(path);
	}
	out = fopen(database, "wb");
	FUZZ_MUST(in != NULL && out != NULL);
	size_t len = fread(bytes, 1, sizeof(bytes), in);
	FUZZ_MUST(len < sizeof(bytes) && fwrite(bytes, 1, len, out) == len);
	FUZZ_MUST(fclose(out) == 0 && fclose(in) == 0);
	app = app_new(&settings, why);
	if (app == NULL)
		(void)fprintf(stderr, "%s\n", why);
	FUZZ_MUST(app != NULL);
}

/* Compares by itself: the fuzzer must not learn what it looks for. */
#ifdef __clang__
__attribute__((no_sanitize("coverage")))
#endif
static bool
holds(const char *bytes, size_t len, const char *secret)
{
	for (size_t i = 0, at = 0; i < len; i++) {
		at = bytes[i] == secret[at] ? at + 1 : bytes[i] == secret[0];
		if (at == SECRET_KEY_SIZE - 1)
			return true;
	}
	return false;
}

static void
check_answer(struct arena *a, const struct response *r, int side)
{
	struct json *document = NULL;
	struct error e = {0};

	FUZZ_MUST(r->status >= 200 && r->status < 600 && r->status != 500 && r->body != NULL);
	for (int i = 0; i < SIDES; i++) {
		if (i == side)
			continue;
		FUZZ_MUST(!holds(r->body, r->body_len, planted[i]));
		for (size_t h = 0; h < r->header_count; h++)
			FUZZ_MUST(!holds(r->headers[h].value, strlen(r->headers[h].value),
					 planted[i]));
	}
	if (r->body_len == 0 || strncmp(r->content_type, "application/json", 16) != 0)
		return;
	if (json_parse(a, r->body, r->body_len, &document, &e) != ERR_NONE)
		FUZZ_MUST(strstr(e.detail, "number of values") !=
			  NULL); /* schemas are longer than a body may be */
}

static void
set_header(struct request *r, char *line)
{
	char *value = strstr(line, ": ");

	for (size_t i = 0; value != NULL && i < COUNT_OF(headers); i++)
		if ((size_t)(value - line) == strlen(headers[i].name) &&
		    strncasecmp(line, headers[i].name, (size_t)(value - line)) == 0)
			*(const char **)(void *)((char *)r + headers[i].offset) = value + 2;
}

/* Whether it may have written something. */
static bool
ask(struct arena *a, char *text)
{
	struct request r = {.prefix = "",
			    .scheme = "https",
			    .host = "r.test",
			    .client = "10.1.2.3",
			    .id = "fuzz",
			    .user_agent = "curl/7.88",
			    .accept = "*/*",
			    .body = ""};
	struct response response = {0};
	char *rest = text, *first = strsep(&rest, "\n");
	int side = -1;

	for (size_t i = 0; i < COUNT_OF(callers); i++)
		if (*first == callers[i].letter) {
			side = callers[i].side;
			if (callers[i].person != 0)
				r.api_key = person_key(a, (enum person)callers[i].person);
		}
	(void)strsep(&first, " ");
	r.method = strsep(&first, " ");
	r.target = first;
	if (r.method == NULL || r.target == NULL)
		return false;
	for (char *line; rest != NULL && *(line = strsep(&rest, "\n")) != '\0';)
		set_header(&r, line);
	r.body = rest != NULL ? rest : "";
	r.body_len = strlen(r.body);
	r.body_too_large = r.body_len > HTTP_BODY_MAX;
	app_handle(app, &r, a, &response);
	check_answer(a, &response, side);
	return strcmp(r.method, "GET") != 0 && response.status < 300;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	bool written = false;
	char *text, *next;

	if (app == NULL) {
		in_a_test(make);
		start_app();
		(void)atexit(finish);
	}
	text = arena_strdup(a, fuzz_text(data, size));
	FUZZ_MUST(text != NULL);
	for (int i = 0; i < REQUESTS_MAX && text != NULL; i++, text = next) {
		next = strstr(text, "\n----\n");
		if (next != NULL) {
			*next = '\0';
			next += strlen("\n----\n");
		}
		written = ask(a, text) || written;
	}
	if (written)
		start_app();
	return 0;
}
