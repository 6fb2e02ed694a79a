/* request: conversations of several people with one app on a database of its own, each request from
 * its first byte to its last.
 *
 *   A GET /v1/registrycredentials?limit=2      who, method, target
 *   Accept: text/html                          headers of the table below
 *                                              an empty line
 *   {"name":"x"}                               the body
 *   ----                                       the next one; "w": a pass of the housekeeper
 *
 * The passwords of two accounts are random texts, which the input cannot know: they are in no
 * answer but a hand-out to their own account, neither as they are nor in base64, nor in base64
 * twice.
 *
 * Each input finds the database as it was made.  To open it again would cost more than most
 * requests, so the write-ahead log is made to forget: the header of its index, in shared memory,
 * says how much of it counts, and SQLite compares that header with its own copy at the begin of
 * each transaction.
 */
#include <check.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "api/route.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/settings.h"
#include "base/text.h"
#include "registry/url.h"
#include "secret/random.h"
#include "service/app.h"
#include "service/housekeeper.h"
#include "shared/board.h"

#include "fuzz.h"
#include "support/support.h"

enum { REQUESTS_MAX = 8, SIDES = 2, FORMS = 1 + 3 + 9, FORM_SIZE = 96 };

/* What SQLite keeps at the begin of the index: the header, twice, and how much of the log lies in
 * the database already. */
struct log_index {
	uint32_t header[24];
	uint32_t backfilled;
};
enum { SIGNED_IN_S = 30 }; /* less than the minute after which the use of a key is noted again */

static const enum person projects[SIDES] = {PROJECT_DEFAULT, PROJECT_OTHER};
static char planted[SIDES][FORMS][FORM_SIZE];
static bool pairs[SIDES][UCHAR_MAX + 1]
		 [UCHAR_MAX + 1]; /* two letters that one of them begins with */
static bool invited[SIDES];	  /* a side has made others its members */
static char made_key[256];	  /* the last that was made, "" for none */
static struct rig rig;
static struct board *board;
static volatile struct log_index *log_index;
static struct log_index begun, kept; /* with nobody, and with everybody signed in */

/* clang-format off */
enum { NOBODY = 0, SIGNED_ON = -1 };
enum { NO_SIDE = -1 }; /* side: whose passwords may be handed to it */
static const struct caller { char letter; int person; int side; bool joins; } callers[] = {
	{ 'A', PROJECT_DEFAULT,  0,       false },
	{ 'o', PERSON_OWNER,     0,       true },
	{ 'm', PERSON_MEMBER,    NO_SIDE, true }, /* of 'o', but never handed a password */
	{ 'r', PERSON_READONLY,  NO_SIDE, true },
	{ 'B', PROJECT_OTHER,    1,       false },
	{ 's', PERSON_STRANGER,  NO_SIDE, true },
	{ 'g', PERSON_AGENT,     NO_SIDE, false },
	{ 'd', PERSON_READADMIN, NO_SIDE, true },
	{ 'p', SIGNED_ON,        NO_SIDE, true }, /* by the web server, as User says */
	{ 'n', NOBODY,           NO_SIDE, false },
};
static const struct { const char *name; size_t offset; } headers[] = {
	{ "Accept",            offsetof(struct request, accept) },
	{ "Authorization",     offsetof(struct request, authorization) },
	{ "Content-Type",      offsetof(struct request, content_type) },
	{ "Cookie",            offsetof(struct request, cookie) },
	{ "Email",             offsetof(struct request, proxy.email) },
	{ "Groups",            offsetof(struct request, proxy.groups) },
	{ "Host",              offsetof(struct request, host) },
	{ "Inject-Registry",   offsetof(struct request, inject_registry) },
	{ "Inject-Scheme",     offsetof(struct request, inject_scheme) },
	{ "Metrics",           offsetof(struct request, metrics) },
	{ "Origin",            offsetof(struct request, origin) },
	{ "Prefix",            offsetof(struct request, prefix) },
	{ "Sec-Fetch-Site",    offsetof(struct request, fetch_site) },
	{ "User",              offsetof(struct request, proxy.user) },
	{ "User-Agent",        offsetof(struct request, user_agent) },
	{ "X-API-CSRF",        offsetof(struct request, csrf) },
	{ "X-API-No-Challenge", offsetof(struct request, no_challenge) },
	{ "X-API-Project-Id",  offsetof(struct request, project_id) },
	{ "X-Forwarded-Host",  offsetof(struct request, forwarded_host) },
	{ "X-Forwarded-Proto", offsetof(struct request, forwarded_proto) },
};
/* clang-format on */
static const char token[] = "0123456789abcdef0123456789abcdef";
/* No group is given what would hand it a password. */
static const struct group_grant grants[] = {{.name = "watchers", .kind = "readAdmin"},
					    {.name = "team", .role = "member", .project_id = 5}};
static struct caller made_by;

/* A secret in base64 wherever in a text it stands: the digits that depend on nothing else. */
static void
encode(const char *secret, int before, char out[FORM_SIZE])
{
	char text[FORM_SIZE] = "..";

	(void)snprintf(text + before, sizeof(text) - 2, "%s", secret);
	const char *digits = http_base64(fuzz_arena(), text, strlen(text));
	FUZZ_MUST(digits != NULL);
	size_t first = before == 0 ? 0 : (size_t)before + 1, len = strlen(text) * 8 / 6 - first;
	FUZZ_MUST(len < FORM_SIZE);
	(void)snprintf(out, FORM_SIZE, "%.*s", (int)len, digits + first);
}

static void
plant(int side)
{
	char(*forms)[FORM_SIZE] = planted[side];

	(void)secret_key(forms[0]);
	for (int i = 0; i < 3; i++) {
		encode(forms[0], i, forms[1 + i]);
		for (int j = 0; j < 3; j++)
			encode(forms[1 + i], j, forms[4 + 3 * i + j]);
	}
	for (int f = 0; f < FORMS; f++)
		pairs[side][(unsigned char)forms[f][0]][(unsigned char)forms[f][1]] = true;
}

/* In the place of the system's, for libcurl: no name leaves this machine, those under .test are
 * there. */
int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
	    struct addrinfo **out)
{
	static int (*system_getaddrinfo)(const char *, const char *, const struct addrinfo *,
					 struct addrinfo **);
	struct addrinfo numeric = *hints;
	size_t len = strlen(host);

	if (system_getaddrinfo == NULL)
		*(void **)&system_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
	numeric.ai_flags |= AI_NUMERICHOST;
	if (len > 5 && strcmp(host + len - 5, ".test") == 0)
		host = "127.0.0.1";
	return system_getaddrinfo(host, service, &numeric, out);
}

static void
allow_sign_on(struct settings *s)
{
	(void)snprintf(s->proxy_token_file, sizeof(s->proxy_token_file), "%s", rig_path("token"));
	int fd = open(s->proxy_token_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert(fd >= 0 && write(fd, token, strlen(token)) == (ssize_t)strlen(token));
	ck_assert_int_eq(close(fd), 0);
	s->proxy_auth = s->proxy_create_users = true;
	memcpy(s->groups, grants, sizeof(grants));
	s->group_count = COUNT_OF(grants);
}

/* The database that each input begins with; both accounts have a registry and a login. */
START_TEST(make)
{
	rig_make();
	rig_open(&rig);
	for (int i = 0; i < SIDES; i++) {
		char address[64];

		plant(i);
		(void)snprintf(address, sizeof(address), "registry%d.test", i);
		(void)rig_credential(&rig, projects[i], rig_registry(&rig, projects[i], address),
				     planted[i][0]);
	}
	/* Wherever a registry is, this is asked, and nobody listens: a check ends at once. */
	(void)snprintf(rig.settings.verify_proxy, sizeof(rig.settings.verify_proxy),
		       "http://127.0.0.1:9");
	(void)snprintf(rig.settings.verify_networks, sizeof(rig.settings.verify_networks),
		       "127.0.0.0/8");
	rig.settings.verify_timeout_s = 1;
	rig.settings.readers = 1;
	rig.settings.threads = 8;
	rig.settings.removed_keep_s = rig.settings.purged_keep_s = 0; /* the next pass does it */
	allow_sign_on(&rig.settings);
	rig_exec(&rig, "UPDATE credential SET reveal = 1 "
		       "WHERE public_value IN ('default', 'other', 'owner')");
	rig_app(&rig);
	board = board_new(rig_path("board"));
	ck_assert_ptr_nonnull(board);
	ck_assert(app_use_pool(rig.app, NULL, board));
}
END_TEST

START_TEST(close_all)
{
	rig_close(&rig);
	board_close(board);
	rig_remove();
}
END_TEST

/* Everybody has just signed in, or each request would write that down; but one. */
START_TEST(sign_in)
{
	*log_index = begun;
	rig_exec(&rig, "UPDATE credential SET last_used = strftime('%s', 'now') * 1000 "
		       "WHERE kind = 'apiKey' AND public_value <> 'member'");
	kept = *log_index;
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
	in_a_test(close_all);
}

static void
start(void)
{
	char path[RIG_PATH_MAX + 8];

	in_a_test(make);
	(void)atexit(finish);
	(void)snprintf(path, sizeof(path), "%s-shm", rig.database);
	/* Not to be closed: that would end SQLite's locks on the file. */
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *bytes = mmap(NULL, sizeof(*log_index), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FUZZ_MUST(fd >= 0 && bytes != MAP_FAILED);
	log_index = bytes;
	begun = *log_index;
}

static void
restore(void)
{
	FUZZ_MUST(log_index->backfilled == kept.backfilled);
	*log_index = kept;
}

/* Of what is compared with the answers the fuzzer must not learn. */
#ifdef __clang__
#define UNSEEN __attribute__((no_sanitize("coverage")))
#else
#define UNSEEN
#endif

UNSEEN static bool
begins(const char *bytes, size_t len, const char *form)
{
	for (size_t i = 0; form[i] != '\0'; i++)
		if (i == len || bytes[i] != form[i])
			return false;
	return true;
}

UNSEEN static bool
holds(const char *bytes, size_t len, int side)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (!pairs[side][(unsigned char)bytes[i]][(unsigned char)bytes[i + 1]])
			continue;
		for (int f = 0; f < FORMS; f++)
			if (begins(bytes + i, len - i, planted[side][f]))
				return true;
	}
	return false;
}

/* A second opinion on what our writer makes, which puts no space between things: behind a string,
 * behind a value; NULL if there is none. */
UNSEEN static const char *
behind_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++)
		if ((unsigned char)*p < ' ' ||
		    (*p == '\\' && (*++p == '\0' || strchr("\"\\/bfnrtu", *p) == NULL)))
			return NULL;
	return p + 1;
}

UNSEEN static const char *
behind_value(const char *p)
{
	static const char *const words[] = {"true", "false", "null"};
	const char end = *p == '{' ? '}' : ']';

	if (*p == '"')
		return behind_string(p);
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (*p == *words[i])
			return strncmp(p, words[i], strlen(words[i])) == 0 ? p + strlen(words[i])
									   : NULL;
	if (*p != '{' && *p != '[') {
		size_t minus = *p == '-', digits = strspn(p + minus, "0123456789");

		return digits > 0 ? p + minus + digits : NULL;
	}
	if (p[1] == end)
		return p + 2;
	do {
		p++;
		if (end == '}' && ((p = behind_string(p)) == NULL || *p++ != ':'))
			return NULL;
		p = behind_value(p);
	} while (p != NULL && *p == ',');
	return p != NULL && *p == end ? p + 1 : NULL;
}

UNSEEN static bool
is_ascii(const char *bytes, size_t len)
{
	unsigned any = 0;

	for (size_t i = 0; i < len; i++)
		any |= (unsigned char)bytes[i];
	return any < 0x80;
}

static bool
may_see(const struct caller *caller, int side)
{
	int own = fuzz_wrong && caller->side != NO_SIDE ? 1 - caller->side : caller->side;

	return side == own || (invited[side] && caller->joins);
}

static void
check_answer(const struct request *q, const struct response *r, const struct caller *caller)
{
	/* Nobody here reads a stored password but in these two ways. */
	bool hands_out = q->inject_registry != NULL || strcasestr(q->target, "handout") != NULL;

	FUZZ_MUST(r->status >= 200 && r->status < 600 && r->status != 500 && r->body != NULL);
	for (int i = 0; i < SIDES; i++) {
		if (hands_out && may_see(caller, i))
			continue;
		FUZZ_MUST(!holds(r->body, r->body_len, i));
		for (size_t h = 0; h < r->header_count; h++)
			FUZZ_MUST(!holds(r->headers[h].value, strlen(r->headers[h].value), i));
	}
	FUZZ_MUST(is_ascii(r->body, r->body_len) || http_utf8_valid(r->body, r->body_len));
	if (r->body_len > 0 && strncmp(r->content_type, "application/json", 16) == 0)
		FUZZ_MUST(behind_value(r->body) == r->body + r->body_len);
}

/* What the answer makes of those who ask next: a new key is there for 'k'; whoever may be a member
 * of a project may be one of it now. */
static void
learn(struct arena *a, const struct request *q, const struct response *r,
      const struct caller *caller)
{
	if (caller->side != NO_SIDE && strcasestr(q->target, "setmembers") != NULL)
		invited[caller->side] = true;
	if (r->status != 201 || strcasestr(q->target, "apikey") == NULL ||
	    strncmp(r->content_type, "application/json", 16) != 0)
		return;
	struct json *key = NULL;
	struct error e = {0};
	FUZZ_MUST(json_parse(a, r->body, r->body_len, &key, &e) == ERR_NONE);
	(void)snprintf(made_key, sizeof(made_key), "%s:%s", json_at(a, key, "publicValue"),
		       json_at(a, key, "secretValue"));
	made_by = *caller;
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

static const struct caller *
find_caller(char letter)
{
	if (letter == 'k' && *made_key != '\0')
		return &made_by;
	for (size_t i = 0; i < COUNT_OF(callers); i++)
		if (callers[i].letter == letter)
			return &callers[i];
	return &callers[COUNT_OF(callers) - 1];
}

/* What the web server's configuration asks for; of a wrong one it would be told in the log. */
static bool
is_right(struct arena *a, const struct request *r)
{
	struct registry_url url;

	return registry_url_parse(a, r->inject_registry, &url) == NULL &&
	       (r->inject_scheme == NULL || strcmp(r->inject_scheme, "basic") == 0);
}

static void
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
	const struct caller *caller = find_caller(*first);

	if (caller == &made_by)
		r.api_key = made_key;
	else if (caller->person == SIGNED_ON)
		r.proxy.token = token;
	else if (caller->person != NOBODY)
		r.api_key = person_key(a, (enum person)caller->person);
	(void)strsep(&first, " ");
	r.method = strsep(&first, " ");
	r.target = first;
	if (r.method == NULL || r.target == NULL)
		return;
	for (char *line; rest != NULL && *(line = strsep(&rest, "\n")) != '\0';)
		set_header(&r, line);
	if (r.inject_registry != NULL && !is_right(a, &r))
		r.inject_registry = NULL;
	r.body = rest != NULL ? rest : "";
	r.body_len = strlen(r.body);
	r.body_too_large = r.body_len > HTTP_BODY_MAX;
	app_handle(rig.app, &r, a, &response);
	check_answer(&r, &response, caller);
	if (fuzz_out != NULL)
		(void)fprintf(fuzz_out, " %d", response.status);
	if (response.status < 300 && strcmp(r.method, "POST") == 0)
		learn(a, &r, &response, caller);
}

/* One after the other, each in memory of its own. */
static void
converse(const char *text)
{
	static const char between[] = "\n----\n";

	for (int i = 0; i < REQUESTS_MAX && text != NULL; i++) {
		const char *end = strstr(text, between);
		char *one = end != NULL ? strndup(text, (size_t)(end - text)) : strdup(text);

		FUZZ_MUST(one != NULL);
		if (*one == 'w')
			FUZZ_MUST(app_sweep(rig.app, NULL, NULL)); /* the housekeeper */
		else
			ask(fuzz_arena(), one);
		free(one);
		text = end != NULL ? end + strlen(between) : NULL;
	}
}

void
fuzz_request(const uint8_t *data, size_t size)
{
	static time_t signed_in;

	if (rig.app == NULL)
		start();
	if (time(NULL) - signed_in >= SIGNED_IN_S) {
		in_a_test(sign_in);
		signed_in = time(NULL);
	}
	memset(invited, 0, sizeof(invited));
	*made_key = '\0';
	converse(fuzz_text(data, size));
	restore();
}
