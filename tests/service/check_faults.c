/* check_faults: whatever an operation of the service asks of the disk or of the memory, the k-th
 * such request fails, for every k until none fails: the answer is an error, nothing has changed,
 * and the next requests are served without a restart; or the failure did no harm and all has
 * happened.
 *
 * Each fault happens once, or from then on until the operation has ended.  The caches are cold:
 * each attempt has an app of its own on a copy of the same database.  REGCRED_LONG: every k; else
 * every k of the files, of those from which on all fail every fourth, and of the allocations a
 * share.
 */
#include <check.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "access/identity.h"
#include "api/route.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/harden.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/settings.h"
#include "registry/check.h"
#include "renew/renew.h"
#include "renew/source.h"
#include "resource/resource.h"
#include "service/app.h"
#include "service/housekeeper.h"
#include "store/store.h"

#include "support/fault_vfs.h"
#include "support/support.h"

enum { FAULT_ALLOC = FAULT__COUNT, FAULT_SODIUM, KINDS, K_MAX = 1000000 };

/* Allocations: those of SQLite by its own door, those of regcred and of cJSON by the linker's; and
 * libsodium's start, and memory of libsodium's, for which nothing asks so far.  Only one thread
 * asks while a fault is armed. */
static struct counter {
	bool on, lasting;
	unsigned at, count, failed;
} memory, sodium;

static bool
fails(struct counter *c)
{
	if (!c->on)
		return false;
	c->count++;
	bool now = c->count == c->at || (c->lasting && c->count > c->at);
	c->failed += now;
	return now;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *
__wrap_malloc(size_t size)
{
	return fails(&memory) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails(&memory) ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails(&memory) ? NULL : __real_realloc(old, size);
}

char *
__wrap_strdup(const char *text)
{
	return fails(&memory) ? NULL : __real_strdup(text);
}

int __real_sodium_init(void);
void *__real_sodium_malloc(size_t size);
void *__real_sodium_allocarray(size_t count, size_t size);
int __wrap_sodium_init(void);
void *__wrap_sodium_malloc(size_t size);
void *__wrap_sodium_allocarray(size_t count, size_t size);

int
__wrap_sodium_init(void)
{
	return fails(&sodium) ? -1 : __real_sodium_init();
}

void *
__wrap_sodium_malloc(size_t size)
{
	return fails(&sodium) ? NULL : __real_sodium_malloc(size);
}

void *
__wrap_sodium_allocarray(size_t count, size_t size)
{
	return fails(&sodium) ? NULL : __real_sodium_allocarray(count, size);
}

/* What is tried again after a pause is not waited for. */
int __real_nanosleep(const struct timespec *span, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *span, struct timespec *rest);

int
__wrap_nanosleep(const struct timespec *span, struct timespec *rest)
{
	static const struct timespec short_span = {.tv_nsec = 1000 * 1000L};

	(void)span;
	return __real_nanosleep(&short_span, rest);
}

static sqlite3_mem_methods sqlite_memory;

static void *
sqlite_malloc(int size)
{
	return fails(&memory) ? NULL : sqlite_memory.xMalloc(size);
}

static void *
sqlite_realloc(void *old, int size)
{
	return fails(&memory) ? NULL : sqlite_memory.xRealloc(old, size);
}

static bool
take_sqlites_memory(void)
{
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory) != SQLITE_OK)
		return false;
	sqlite3_mem_methods ours = sqlite_memory;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK;
}

static void
arm(int kind, unsigned at, bool lasting)
{
	if (kind == FAULT_ALLOC)
		memory = (struct counter){.on = true, .lasting = lasting, .at = at};
	else if (kind == FAULT_SODIUM)
		sodium = (struct counter){.on = true, .lasting = lasting, .at = at};
	else
		fault_arm((enum fault_kind)kind, at, lasting);
}

static unsigned
disarm(int kind)
{
	memory.on = sodium.on = false;
	return kind == FAULT_ALLOC    ? memory.failed
	       : kind == FAULT_SODIUM ? sodium.failed
				      : fault_disarm();
}

static const char *
kind_name(int kind)
{
	return kind == FAULT_ALLOC    ? "allocation"
	       : kind == FAULT_SODIUM ? "libsodium"
				      : fault_name((enum fault_kind)kind);
}

/* Operations.  In the database: registries 1sp1 (active), 1sp2 (inactive), 1sp3 (removed, due to be
 * purged); %C, an active credential of 1sp1, %D, an inactive one, %F, an active one that keeps a
 * former secret, and %P, a removed one whose source has a token of it.  RENEW is followed by the
 * source. */
#define SOURCE                                                                                     \
	"\"source\":\"gitlab\",\"sourceConfig\":{\"endpoint\":\"https://git.test\","               \
	"\"project\":\"7\",\"kind\":\"deployToken\"},\"sourceSecret\":\"opens it\""
/* clang-format off */
static const struct operation { enum person person; const char *method, *target, *body; int status; } operations[] = {
	{ PROJECT_DEFAULT, "GET",    "/v1",                                   NULL, 200 },
	{ PROJECT_DEFAULT, "GET",    "/v1/schemas",                           NULL, 200 },
	{ PROJECT_DEFAULT, "GET",    "/v1/registrycredentials?include=registry&sort=name&name_ne=x", NULL, 200 },
	{ PROJECT_DEFAULT, "GET",    "/v1/registries?serverAddress_prefix=reg", NULL, 200 },
	{ PROJECT_DEFAULT, "GET",    "/v1/registries/1sp1/credentials",       NULL, 200 },
	{ PERSON_OWNER,    "GET",    "/v1/projects/1a5/projectMembers",       NULL, 200 },
	{ PERSON_PROJECTADMIN, "GET", "/v1/projects/1a5/registrycredentials/%C", NULL, 200 },
	{ PROJECT_DEFAULT, "GET",    "/v1/registrycredentials/%C/registry",   NULL, 200 },
	{ PERSON_ADMIN,    "GET",    "/v1/apikeys",                           NULL, 200 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registries",                        "{\"serverAddress\":\"new.test\"}", 201 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registrycredentials",               "{\"registryId\":\"1sp1\",\"email\":\"e\",\"secretValue\":\"pw\"}", 201 },
	{ PROJECT_DEFAULT, "POST",   "/v1/apikeys",                           "{}", 201 },
	{ PERSON_OWNER,    "POST",   "/v1/projects",                          "{\"name\":\"p\",\"members\":[{\"externalId\":\"1a7\",\"externalIdType\":\"rancher_id\",\"role\":\"owner\"}]}", 201 },
	{ PROJECT_DEFAULT, "PUT",    "/v1/registries/1sp1",                   "{\"name\":\"n\"}", 200 },
	{ PROJECT_DEFAULT, "PUT",    "/v1/registrycredentials/%C",            "{\"name\":\"n\",\"secretValue\":\"other\"}", 200 },
	{ PERSON_OWNER,    "PUT",    "/v1/projects/1a5",                      "{\"name\":\"n\"}", 200 },
	{ PERSON_OWNER,    "POST",   "/v1/projects/1a5?action=setmembers",    "{\"members\":[{\"externalId\":\"1a13\",\"externalIdType\":\"rancher_id\",\"role\":\"owner\"}]}", 202 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registrycredentials/%C?action=deactivate", NULL, 202 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registrycredentials/%D?action=activate", NULL, 202 },
	{ PROJECT_DEFAULT, "DELETE", "/v1/registries/1sp2",                   NULL, 200 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registries/1sp3?action=purge",      NULL, 202 },
	{ PERSON_ADMIN,    "GET",    "/v1/auditlogs?limit=2",                 NULL, 200 },
	{ PERSON_PROJECTADMIN, "POST", "/v1/projects/1a5/imagelogins",        "{\"image\":\"reg.test/app:1\"}", 200 },
	{ PERSON_PROJECTADMIN, "POST", "/v1/projects/1a5/handouts",           "{\"format\":\"docker\"}", 200 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registrycredentials/%C?action=verify", "{}", 202 },
	{ PROJECT_DEFAULT, "PUT",    "/v1/registrycredentials/%C",            "{\"overlap\":3600,\"secretValue\":\"other\"}", 200 },
	{ PROJECT_DEFAULT, "PUT",    "/v1/registrycredentials/%F",            "{\"secretValue\":\"third\"}", 200 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registrycredentials/%F?action=rollback", NULL, 202 },
	{ PROJECT_DEFAULT, "GET",    "/v1/registrycredentials/%F/secretversions", NULL, 200 },
	{ PROJECT_DEFAULT, "PUT",    "/v1/registrycredentials/%C",            "{" SOURCE "}", 200 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registrycredentials",               "{\"registryId\":\"1sp1\",\"email\":\"e\"," SOURCE "}", 201 },
	{ PROJECT_DEFAULT, "POST",   "/v1/registrycredentials/%P?action=purge", NULL, 202 },
	{ PROJECT_DEFAULT, "GET",    "RENEW azure",                           NULL, 0 },
	{ PROJECT_DEFAULT, "GET",    "RENEW harbor",                          NULL, 0 },
	{ PROJECT_DEFAULT, "GET",    "RENEW quay",                            NULL, 0 },
	{ PROJECT_DEFAULT, "GET",    "RENEW gitlab",                          NULL, 0 },
	{ PROJECT_DEFAULT, "GET",    "SWEEP",                                 NULL, 0 },
	{ PROJECT_DEFAULT, "GET",    "CHECKPOINT",                            NULL, 0 },
	{ PROJECT_DEFAULT, "GET",    "START",                                 NULL, 0 },
	{ PROJECT_DEFAULT, "GET",    "INIT",                                  NULL, 0 },
};
/* clang-format on */

static struct rig rig;
static int64_t credential, inactive, kept, gone;
static char *right;  /* the answer without a fault */
static char *before; /* all rows, as text: not in the arena, which is emptied after each attempt */

static const char *
filled(const char *text)
{
	const char *mark = strchr(text, '%');

	if (mark == NULL)
		return text;
	return arena_printf(rig.arena, "%.*s1c%lld%s", (int)(mark - text), text,
			    (long long)(mark[1] == 'C'	 ? credential
					: mark[1] == 'D' ? inactive
					: mark[1] == 'F' ? kept
							 : gone),
			    mark + 2);
}

static void
remove_database(const char *path)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-journal", ".lock"};
	char name[RIG_PATH_MAX + 16];

	for (size_t i = 0; i < COUNT_OF(endings); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, endings[i]);
		(void)unlink(name);
	}
}

static void
setup(void)
{
	rig_open(&rig);
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "reg.test");
	(void)rig_registry(&rig, PROJECT_DEFAULT, "second.test");
	(void)rig_registry(&rig, PROJECT_DEFAULT, "third.test");
	credential = rig_credential(&rig, PROJECT_DEFAULT, registry, "the secret");
	inactive = rig_credential(&rig, PROJECT_DEFAULT, registry, "the other");
	kept = rig_credential(&rig, PROJECT_DEFAULT, registry, "the first");
	gone = rig_credential(&rig, PROJECT_DEFAULT, registry, "a token");
	rig_exec(&rig,
		 arena_printf(rig.arena,
			      "UPDATE credential SET state = 'removed', removed = 5, remove_time "
			      "= 6, source = 'gitlab', source_handle = 'h', source_secret = "
			      "x'01' WHERE id = %lld",
			      (long long)gone));
	rig_exec(&rig, "UPDATE storage_pool SET state = 'inactive' WHERE id = 2;"
		       "UPDATE storage_pool SET state = 'removed', removed = 5, remove_time = 6 "
		       "WHERE id = 3;"
		       "UPDATE credential SET reveal = 1 WHERE kind = 'apiKey'");
	rig_exec(&rig,
		 arena_printf(rig.arena, "UPDATE credential SET state = 'inactive' WHERE id = %lld",
			      (long long)inactive));
	rig_app(&rig);
	ck_assert_int_eq(rig_ask(&rig, PROJECT_DEFAULT, "PUT", filled("/v1/registrycredentials/%F"),
				 "{\"overlap\":86400,\"secretValue\":\"the second\"}", NULL),
			 200);
	app_free(rig.app);
	rig.app = NULL;
	store_close(rig.store);
	rig.store = NULL;
	rig_copy_file(rig.database, rig_path("prepared.db"));
	before = strdup(rig_dump(&rig));
	ck_assert_ptr_nonnull(before);
}

static void
teardown(void)
{
	free(before);
	free(right);
	rig_close(&rig);
}

/* The database as it was, and an app on it that has read nothing. */
static void
begin_again(void)
{
	app_free(rig.app);
	rig.app = NULL;
	remove_database(rig.database);
	remove_database(rig_path("init.db"));
	rig_copy_file(rig_path("prepared.db"), rig.database);
	rig_app(&rig);
}

/* What each kind of fault may be answered with. */
static bool
is_due(int kind, int status)
{
	if (kind == FAULT_ALLOC || kind == FAULT_SODIUM)
		return status == 500 || status == 503;
	if (kind == FAULT_WRITE_FULL)
		return status == 507;
	return status == 503;
}

static void
check_error(const struct response *r, int kind, const char *what)
{
	struct json *doc = NULL;
	struct error e = {0};

	ck_assert_msg(is_due(kind, r->status), "%s: %d %s", what, r->status, r->body);
	ck_assert_uint_eq(strlen(r->body), r->body_len);
	ck_assert_msg(json_parse(rig.arena, r->body, r->body_len, &doc, &e) == ERR_NONE, "%s: %s",
		      what, r->body);
	ck_assert_str_eq(json_at(rig.arena, doc, "type"), "error");
	ck_assert_int_eq(atoi(json_at(rig.arena, doc, "status")), r->status);
}

/* True: it was done; false: it was refused, as it should be. */
static bool
handle(const struct operation *o, int kind, unsigned at, bool lasting, const char *what,
       unsigned *failed)
{
	struct arena *a = arena_new(RIG_ARENA);
	const struct request request = rig_request(&rig, o->person, o->method, filled(o->target),
						   o->body != NULL ? filled(o->body) : NULL);
	struct response response;

	arm(kind, at, lasting);
	app_handle(rig.app, &request, a, &response);
	*failed = disarm(kind);
	bool done = response.status == o->status;
	if (done && at == 0)
		right = strdup(response.body);
	/* What is read in spite of a fault is read right; only keys show when they were used. */
	if (done && strcmp(o->method, "GET") == 0 && strstr(o->target, "apikeys") == NULL)
		ck_assert_msg(strcmp(response.body, right) == 0, "%s: another answer", what);
	if (!done)
		check_error(&response, kind, what);
	arena_free(a);
	return done;
}

/* What a pass of the housekeeper, or a renewal, has left; without times and random values. */
static const char *
outcome(void)
{
	return rig_sql(
		&rig,
		"SELECT (SELECT group_concat(x, ', ') FROM (SELECT id || ' ' || state || ' v' || "
		"coalesce(secret_version, '-') || ' ' || coalesce(warned, '-') || "
		"(previous_until IS NULL) || ' ' || coalesce(refresh_result, '-') AS x FROM "
		"credential WHERE kind = 'registryCredential' ORDER BY id)) || '; ' || (SELECT "
		"group_concat(x, ', ') FROM (SELECT credential_id || ' ' || version || ' ' || "
		"state || (secret_value IS NULL) AS x FROM secret_version ORDER BY id)) || '; ' || "
		"(SELECT group_concat(x, ', ') FROM (SELECT event_type || count(*) AS x FROM "
		"audit_log GROUP BY event_type ORDER BY 1)) || '; ' || (SELECT group_concat(state) "
		"FROM storage_pool WHERE id <> 2)");
}

/* Something for each step of a pass: an end that is near, a former secret whose time is up. */
static void
make_due(void)
{
	rig_exec(&rig, arena_printf(rig.arena,
				    "UPDATE credential SET expires = unixepoch() * 1000 + 3600000 "
				    "WHERE id = %lld; UPDATE credential SET previous_until = 1000 "
				    "WHERE id = %lld; UPDATE secret_version SET until = 1000",
				    (long long)credential, (long long)kept));
}

/* ---- a source in memory ---- */

static struct {
	char works[4][64]; /* the secrets that work, the newest first */
	unsigned made;
} source;

static void
source_make(const char *secret, bool alone)
{
	if (alone)
		memset(source.works, 0, sizeof(source.works));
	memmove(source.works[1], source.works[0], sizeof(source.works) - sizeof(*source.works));
	(void)snprintf(source.works[0], sizeof(*source.works), "%s", secret);
}

static enum renew_result
source_give(struct renewal *r)
{
	r->new_secret = r->new_handle = arena_printf(r->arena, "%s", source.works[0]);
	r->expires_ms = r->now_ms + INT64_C(12) * 3600 * 1000;
	return RENEW_REFRESHED;
}

static enum renew_result
fetch_beside(struct renewal *r)
{
	char secret[64];

	(void)snprintf(secret, sizeof(secret), "made %u", ++source.made);
	source_make(secret, false);
	return source_give(r);
}

static enum renew_result
fetch_chosen(struct renewal *r)
{
	source_make(r->chosen, true);
	return source_give(r);
}

/* The one that is there is taken if a call may have made it. */
static enum renew_result
fetch_readable(struct renewal *r)
{
	char secret[64];

	(void)snprintf(secret, sizeof(secret), "made %u", ++source.made);
	if (!r->again || (r->secret != NULL && strcmp(r->secret, source.works[0]) == 0))
		source_make(secret, true);
	return source_give(r);
}

static enum renew_result
discard(struct renewal *r)
{
	for (size_t i = 0; i < COUNT_OF(source.works); i++)
		if (strcmp(source.works[i], r->handle) == 0)
			source.works[i][0] = '\0';
	return RENEW_REFRESHED;
}

static const struct source_calls fakes[SOURCE__COUNT] = {
	[SOURCE_AZURE] = {.fetch = fetch_beside},
	[SOURCE_HARBOR] = {.fetch = fetch_chosen},
	[SOURCE_QUAY] = {.fetch = fetch_readable},
	[SOURCE_GITLAB] = {.fetch = fetch_beside, .discard = discard},
};

static void
make_renewable(const char *name)
{
	source.made = 0;
	source_make("the secret", true);
	rig_exec(&rig,
		 arena_printf(rig.arena,
			      "UPDATE credential SET source = '%s', source_config = '{}', "
			      "source_handle = 'the secret', secret_version = 4, refreshed = 1, "
			      "overlap = 0, refresh_due = 1000 WHERE id = %lld",
			      name, (long long)credential));
}

/* All that is due, as the refresher does it. */
static void
renew(const struct context *c, int kind, unsigned at, bool lasting, unsigned *failed)
{
	/* Storing is tried for 20 milliseconds, not for seconds. */
	static const struct renew_settings settings = {.timeout_ms = -1480, .networks = ""};
	static const struct check_settings checks = {0};
	const struct renewer_parts parts = {c->store, c->ring, &settings, &checks, fakes};
	struct renewer *renewer = renewer_new(&parts);

	ck_assert_ptr_nonnull(renewer);
	arm(kind, at, lasting);
	while (renewer_run_one(renewer))
		;
	*failed = disarm(kind);
	renewer_free(renewer);
}

/* A source may have replaced the secret: then the new one is stored, or the row that says so is
 * there, with the value that was chosen. */
static void
nothing_is_lost(const char *what)
{
	const char *kept_by = rig_sql(
		&rig,
		"SELECT source = 'azure' OR secret_version = 5 OR EXISTS (SELECT 1 FROM "
		"secret_version v WHERE v.credential_id = c.id AND v.state = 'pending' AND "
		"(v.secret_value IS NOT NULL) = (c.source = 'harbor')) FROM credential c WHERE "
		"source IS NOT NULL AND removed IS NULL");

	ck_assert_msg(strcmp(source.works[0], "the secret") == 0 || strcmp(kept_by, "1") == 0,
		      "%s: nothing says what was made", what);
}

/* What an operation that may be done in part must leave: the next one, without a fault, completes
 * it. */
static void
completes(const char *name, const char *what)
{
	const char *made = arena_printf(rig.arena, "%s", source.works[0]);
	struct identity id;
	struct context c;
	unsigned failed;

	if (strcmp(name, "SWEEP") == 0) {
		ck_assert_msg(app_sweep(rig.app, NULL, NULL), "%s: then a pass", what);
	} else {
		rig_exec(&rig,
			 "UPDATE credential SET refresh_due = 1000 WHERE refresh_attempt <> 0;"
			 "UPDATE secret_version SET until = 1000 WHERE state = 'discarding'");
		app_local(rig.app, rig.arena, &id, &c);
		nothing_is_lost(what);
		renew(&c, FAULT_SYNC, 0, false, &failed);
		if (strcmp(name, "RENEW harbor") == 0 && strcmp(made, "the secret") != 0)
			ck_assert_str_eq(source.works[0], made);
	}
	ck_assert_msg(strcmp(outcome(), right) == 0, "%s: then %s, not %s", what, outcome(), right);
}

/* The login has the secret that works at its source. */
static void
has_what_works(const char *what)
{
	struct json *doc = NULL;

	ck_assert_int_eq(rig_ask(&rig, PERSON_PROJECTADMIN, "GET",
				 filled("/v1/projects/1a5/registrycredentials/%C"), NULL, &doc),
			 200);
	const char *secret = json_at(rig.arena, doc, "secretValue");
	bool works = false;

	for (size_t i = 0; i < COUNT_OF(source.works); i++)
		works = works || strcmp(source.works[i], secret) == 0;
	ck_assert_msg(works && strcmp(secret, "the secret") != 0, "%s: %s is not at the source",
		      what, secret);
}

static bool
is_done_in_part(const char *name)
{
	return strcmp(name, "SWEEP") == 0 || strncmp(name, "RENEW", 5) == 0;
}

/* What is no request: 0 for done. */
static bool
act(const char *name, int kind, unsigned at, bool lasting, unsigned *failed)
{
	char why[CONFIG_WHY_MAX] = "";
	struct settings settings = rig.settings;
	struct identity id;
	struct context c;
	bool done;

	app_local(rig.app, rig.arena, &id, &c);
	(void)snprintf(settings.database, sizeof(settings.database), "%s", rig_path("init.db"));
	if (strncmp(name, "RENEW ", 6) == 0) {
		make_renewable(name + 6);
		renew(&c, kind, at, lasting, failed);
		if (at == 0)
			right = strdup(outcome());
		return strcmp(outcome(), right) == 0;
	}
	if (strcmp(name, "SWEEP") == 0)
		make_due();
	arm(kind, at, lasting);
	if (strcmp(name, "SWEEP") == 0) {
		done = app_sweep(rig.app, NULL, NULL);
	} else if (strcmp(name, "CHECKPOINT") == 0) {
		done = store_settle(c.store) == STORE_OK;
	} else if (strcmp(name, "START") == 0) {
		struct app *second = app_new(&rig.settings, why);

		done = second != NULL;
		app_free(second);
	} else {
		done = app_prepare(&settings, PREPARE_CREATE, why);
	}
	*failed = disarm(kind);
	if (strcmp(name, "SWEEP") == 0 && at == 0)
		right = strdup(outcome());
	if (strcmp(name, "INIT") == 0 && !done)
		ck_assert_msg(app_prepare(&settings, PREPARE_CREATE, why), "again: %s", why);
	return done;
}

static void
serves_on(const char *what)
{
	struct json *doc = NULL;
	int status = rig_ask(&rig, PERSON_PROJECTADMIN, "GET",
			     filled("/v1/projects/1a5/registrycredentials/%D"), NULL, &doc);

	ck_assert_msg(status == 200, "%s: then a read: %d", what, status);
	ck_assert_str_eq(json_at(rig.arena, doc, "secretValue"), "the other");
	status = rig_ask(&rig, PROJECT_DEFAULT, "PUT", "/v1/registries/1sp1", "{\"name\":\"then\"}",
			 NULL);
	ck_assert_msg(status == 200, "%s: then a write: %d", what, status);
}

/* One attempt; false when nothing failed any more. */
static bool
attempt(const struct operation *o, int kind, unsigned at, bool lasting)
{
	unsigned failed = 0;
	char what[256];

	begin_again();
	(void)snprintf(what, sizeof(what), "%s %s, %s %u%s", o->method, o->target, kind_name(kind),
		       at, lasting ? " and all later ones" : "");
	bool done = o->status != 0 ? handle(o, kind, at, lasting, what, &failed)
				   : act(o->target, kind, at, lasting, &failed);
	ck_assert_msg(done || failed > 0, "%s: refused without a fault", what);
	/* A pass of the housekeeper, or a renewal, does one thing after the other, each for itself.
	 */
	if (is_done_in_part(o->target))
		completes(o->target, what);
	if (strncmp(o->target, "RENEW", 5) == 0)
		has_what_works(what);
	if (!done && !is_done_in_part(o->target))
		ck_assert_msg(strcmp(rig_dump(&rig), before) == 0,
			      "%s: an error, but something changed", what);
	rig_exec(&rig, "UPDATE storage_pool SET description = 'by another process' WHERE id = 2");
	serves_on(what);
	arena_reset(rig.arena);
	return failed > 0;
}

/* From the k-th fault to the next one that is tried. */
static unsigned
step_after(unsigned k, int kind, bool lasting)
{
	if (getenv("REGCRED_LONG") != NULL)
		return 1;
	if (kind == FAULT_ALLOC)
		return 1 + k * (SANITIZED ? 3 : 1);
	return lasting ? 4 : 1;
}

START_TEST(a_fault_is_an_error_and_changes_nothing)
{
	const struct operation *o = &operations[_i / KINDS];
	const int kind = _i % KINDS;

	ck_assert(!attempt(o, kind, 0, false));
	for (int lasting = 0; lasting <= 1; lasting++)
		for (unsigned k = 1;; k += step_after(k, kind, lasting != 0)) {
			ck_assert_uint_lt(k, K_MAX);
			if (!attempt(o, kind, k, lasting != 0))
				break;
		}
}
END_TEST

/* The controls: faults of each kind do hit something, and a change is seen. */
START_TEST(each_kind_of_fault_hits_an_operation)
{
	bool hit = false;

	for (size_t i = 0; !hit && i < COUNT_OF(operations); i++) {
		free(right);
		right = NULL;
		hit = !attempt(&operations[i], _i, 0, false) &&
		      attempt(&operations[i], _i, 1, false);
	}
	ck_assert_msg(hit, "%s: no operation has met it", kind_name(_i));
}
END_TEST

START_TEST(a_change_is_seen)
{
	const struct operation *o = &operations[0];
	unsigned failed;

	while (strcmp(o->method, "POST") != 0)
		o++;
	begin_again();
	ck_assert_str_eq(rig_dump(&rig), before);
	ck_assert(handle(o, FAULT_SYNC, 0, false, "control", &failed));
	ck_assert_str_ne(rig_dump(&rig), before);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tc = tcase_create("faults");

	if (!take_sqlites_memory() || !fault_vfs_register())
		return EXIT_FAILURE;
	tcase_set_timeout(tc, 600);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_fault_is_an_error_and_changes_nothing, 0,
			    (int)COUNT_OF(operations) * KINDS);
	tcase_add_loop_test(tc, each_kind_of_fault_hits_an_operation, 0, KINDS);
	tcase_add_test(tc, a_change_is_seen);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
