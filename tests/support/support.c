/* support: see the header. */
#include "support/support.h"

#ifdef HAVE_POSTGRESQL
#include "support/postgres.h"
#endif

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/identity.h"
#include "access/sign_in.h"
#include "api/route.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/log.h"
#include "base/settings.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/url.h"
#include "resource/resource.h"
#include "secret/key_file.h"
#include "secret/keyring.h"
#include "secret/random.h"
#include "secret/seal.h"
#include "service/app.h"
#include "store/store.h"

static char directory[RIG_PATH_MAX];

/* clang-format off */
static const struct { const char *name, *kind, *state; } people[PERSON__COUNT] = {
	[PERSON_ADMIN]        = { "admin",        NULL,           "active" }, /* NULL: there from the start */
	[PERSON_SYSTEM]       = { "system",       NULL,           "active" },
	[PERSON_SUPERADMIN]   = { "superadmin",   NULL,           "active" },
	[PERSON_TOKEN]        = { "token",        NULL,           "active" },
	[PROJECT_DEFAULT]     = { "default",      NULL,           "active" },
	[PROJECT_OTHER]       = { "other",        "project",      "active" },
	[PERSON_OWNER]        = { "owner",        "user",         "active" },
	[PERSON_MEMBER]       = { "member",       "user",         "active" },
	[PERSON_RESTRICTED]   = { "restricted",   "user",         "active" },
	[PERSON_READONLY]     = { "readonly",     "user",         "active" },
	[PERSON_SERVICE]      = { "service",      "service",      "active" },
	[PERSON_READADMIN]    = { "readadmin",    "readAdmin",    "active" },
	[PERSON_PROJECTADMIN] = { "projectadmin", "projectadmin", "active" },
	[PERSON_AGENT]        = { "agent",        "agent",        "active" },
	[PERSON_STRANGER]     = { "stranger",     "user",         "active" },
	[PROJECT_INACTIVE]    = { "asleep",       "project",      "inactive" },
	[PROJECT_REMOVED]     = { "gone",         "project",      "removed" },
	[PERSON_INACTIVE]     = { "left",         "user",         "inactive" },
};

static const struct { enum person project, who; const char *role; } members[] = {
	{ PROJECT_DEFAULT,  PERSON_OWNER,        "owner" },
	{ PROJECT_DEFAULT,  PERSON_MEMBER,       "member" },
	{ PROJECT_DEFAULT,  PERSON_RESTRICTED,   "restricted" },
	{ PROJECT_DEFAULT,  PERSON_READONLY,     "readonly" },
	{ PROJECT_DEFAULT,  PERSON_PROJECTADMIN, "owner" },
	{ PROJECT_OTHER,    PERSON_PROJECTADMIN, "member" },
	{ PROJECT_INACTIVE, PERSON_OWNER,        "owner" },
	{ PROJECT_INACTIVE, PERSON_MEMBER,       "member" },
	{ PROJECT_REMOVED,  PERSON_OWNER,        "owner" },
};
/* clang-format on */

const char *
person_name(enum person person)
{
	return people[person].name;
}

static const char *
person_secret(struct arena *a, enum person person)
{
	return arena_printf(a, "secret of %s", person_name(person));
}

const char *
person_key(struct arena *a, enum person person)
{
	return arena_printf(a, "%s:%s", person_name(person), person_secret(a, person));
}

/* The directory */

const char *
rig_dir(void)
{
	return directory;
}

const char *
rig_path(const char *name)
{
	static char paths[4][RIG_PATH_MAX]; /* a few at a time */
	static unsigned next;
	char *path = paths[next++ % COUNT_OF(paths)];

	ck_assert_int_lt(snprintf(path, RIG_PATH_MAX, "%s/%s", directory, name), RIG_PATH_MAX);
	return path;
}

const char *
rig_key_file(void)
{
	return rig_path("master.key");
}

char *
source_path(const char *name)
{
	const char *source = getenv("REGCRED_SRC");
	char *path = NULL;

	if (source == NULL)
		(void)fprintf(stderr,
			      "REGCRED_SRC does not say where the source is: \".\" is taken\n");
	return asprintf(&path, "%s/%s", source != NULL ? source : ".", name) > 0 ? path : NULL;
}

void
rig_copy_file(const char *from, const char *to)
{
	char bytes[4096];
	size_t n;
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");

	ck_assert(in != NULL && out != NULL);
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		ck_assert_uint_eq(fwrite(bytes, 1, n, out), n);
	ck_assert_int_eq(fclose(in), 0);
	ck_assert_int_eq(fclose(out), 0);
}

static void
fill_settings(struct settings *s, const char *database)
{
	memset(s, 0, sizeof(*s));
	(void)snprintf(s->database, sizeof(s->database), "%s", database);
	(void)snprintf(s->key_file, sizeof(s->key_file), "%s", rig_key_file());
	s->readers = 2;
	s->removed_keep_s = 600;
	s->purged_keep_s = 172800;
	s->audit_keep_s = 31536000;
}

static void
add_person(struct rig *rig, enum person person)
{
	const char *name = person_name(person);
	struct record row = {.type = &types_table[T_ACCOUNT]};

	if (people[person].kind != NULL) {
		row.columns[COL_UUID] = value_text(name);
		row.columns[COL_KIND] = value_text(people[person].kind);
		row.columns[COL_NAME] = value_text(name);
		row.columns[COL_STATE] = value_text(people[person].state);
		row.columns[COL_CREATED] = value_int(RIG_NOW);
		if (strcmp(people[person].state, "removed") == 0)
			row.columns[COL_REMOVED] = value_int(RIG_NOW);
		rig_insert(rig, &row);
		ck_assert_int_eq(record_id(&row), person);
	}
	row = (struct record){.type = &types_table[T_API_KEY]};
	row.columns[COL_UUID] = value_text(arena_printf(rig->arena, "key of %s", name));
	row.columns[COL_KIND] = value_text("apiKey");
	row.columns[COL_ACCOUNT_ID] = value_int(person);
	row.columns[COL_STATE] = value_text("active");
	row.columns[COL_CREATED] = value_int(RIG_NOW);
	row.columns[COL_PUBLIC_VALUE] = value_text(name);
	const struct seal_place place = seal_place_of(&row);
	ck_assert(secret_hash(rig->ring, rig->arena, &place, person_secret(rig->arena, person),
			      &row.columns[COL_SECRET_VALUE]));
	rig_insert(rig, &row);
}

static void
add_member(struct rig *rig, size_t i)
{
	struct record row = {.type = &types_table[T_PROJECT_MEMBER]};

	row.columns[COL_UUID] = value_text(arena_printf(rig->arena, "member %zu", i));
	row.columns[COL_KIND] = value_text("projectMember");
	row.columns[COL_PROJECT_ID] = value_int(members[i].project);
	row.columns[COL_EXTERNAL_ID] = value_text(arena_printf(rig->arena, "1a%d", members[i].who));
	row.columns[COL_EXTERNAL_ID_TYPE] = value_text("rancher_id");
	row.columns[COL_ROLE] = value_text(members[i].role);
	row.columns[COL_STATE] = value_text("active");
	row.columns[COL_CREATED] = value_int(RIG_NOW);
	rig_insert(rig, &row);
}

/* SQLite, past the store */

static sqlite3 *
open_database(const struct rig *rig)
{
	sqlite3 *db = NULL;

	ck_assert_int_eq(sqlite3_open(rig->database, &db), SQLITE_OK);
	return db;
}

static const char *
column_text(struct rig *rig, sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return arena_strdup(rig->arena, text != NULL ? text : "null");
}

static const char *
sqlite_sql(struct rig *rig, const char *sql)
{
	sqlite3 *db = open_database(rig);
	sqlite3_stmt *stmt = NULL;
	const char *text = "no row";

	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
		      sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		text = column_text(rig, stmt, 0);
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return text;
}

static void
sqlite_exec(struct rig *rig, const char *sql)
{
	sqlite3 *db = open_database(rig);
	char *why = NULL;

	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s: %s", sql, why);
	(void)sqlite3_close(db);
}

static void
sqlite_copy(const char *from, const char *to)
{
	static const char *const left[] = {"-wal", "-shm", ".lock"}; /* of a test that failed */
	char source[RIG_PATH_MAX], path[RIG_PATH_MAX];

	(void)snprintf(source, sizeof(source), "%s", rig_path(from));
	for (size_t i = 0; i < COUNT_OF(left); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", rig_path(to), left[i]);
		(void)unlink(path);
	}
	rig_copy_file(source, rig_path(to));
}

static void
dump_value(FILE *out, sqlite3_stmt *stmt, int column)
{
	const unsigned char *bytes = sqlite3_column_blob(stmt, column);
	int len = sqlite3_column_bytes(stmt, column);

	if (sqlite3_column_type(stmt, column) != SQLITE_BLOB)
		(void)fprintf(out, "|%s",
			      len > 0 ? (const char *)sqlite3_column_text(stmt, column) : "");
	else
		for (int i = 0; i < len; i++)
			(void)fprintf(out, "%s%02x", i == 0 ? "|" : "", bytes[i]);
}

static const char *
sqlite_dump(struct rig *rig)
{
	static const char *const tables[] = {"account",	       "credential", "storage_pool",
					     "project_member", "audit_log",  "audit_segment",
					     "secret_version"};
	sqlite3 *db = open_database(rig);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		sqlite3_stmt *stmt = NULL;
		const char *sql =
			arena_printf(rig->arena, "SELECT * FROM %s ORDER BY id", tables[i]);

		ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(stmt); c++)
				if (strncmp(sqlite3_column_name(stmt, c), "last_used", 9) != 0)
					dump_value(out, stmt, c);
			(void)fputc('\n', out);
		}
		(void)sqlite3_finalize(stmt);
	}
	(void)sqlite3_close(db);
	ck_assert_int_eq(fclose(out), 0);
	const char *copy = arena_copy(rig->arena, text, size);
	free(text);
	return copy;
}

static const struct rig_engine engines[] = {
	{"sqlite", rig_path, sqlite_copy, sqlite_sql, sqlite_exec, sqlite_dump, NULL, NULL},
#ifdef HAVE_POSTGRESQL
	{"postgresql", postgres_place, postgres_copy, postgres_sql, postgres_exec, postgres_dump,
	 postgres_begin, postgres_stop},
#endif
};
static const struct rig_engine *engine = engines;

static void
open_store(struct rig *rig, const char *database)
{
	char why[STORE_WHY_MAX] = "";

	(void)snprintf(rig->database, sizeof(rig->database), "%s", database);
	fill_settings(&rig->settings, database);
	rig->app = NULL;
	rig->arena = arena_new(RIG_ARENA);
	rig->ring = keyring_load(rig_key_file(), why);
	ck_assert_msg(rig->arena != NULL && rig->ring != NULL, "%s", why);
	rig->store = store_open(database, 2, why);
	ck_assert_msg(rig->store != NULL, "%s", why);
}

/* In memory where that can be had: hundreds of databases are made, and no test is about the disk.
 */
static const char *
parent_dir(void)
{
	const char *given = getenv("TMPDIR");

	if (given != NULL && *given != '\0')
		return given;
	return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

void
rig_make(void)
{
	char why[CONFIG_WHY_MAX] = "";
	struct settings settings;
	struct rig rig;

	(void)snprintf(directory, sizeof(directory), "%s/regcred-check-XXXXXX", parent_dir());
	ck_assert_ptr_nonnull(mkdtemp(directory));
	log_set_level(LOG_ERROR);
	ck_assert(secret_init());
	ck_assert_msg(keyring_create(rig_key_file(), why), "%s", why);
	fill_settings(&settings, engine->place("template.db"));
	ck_assert_msg(app_prepare(&settings, PREPARE_CREATE, why), "%s", why);
	open_store(&rig, settings.database);
	for (int p = 1; p < PERSON__COUNT; p++)
		add_person(&rig, (enum person)p);
	for (size_t i = 0; i < COUNT_OF(members); i++)
		add_member(&rig, i);
	rig_close(&rig);
}

void
rig_remove(void)
{
	DIR *d = opendir(directory);

	ck_assert_ptr_nonnull(d);
	for (const struct dirent *entry; (entry = readdir(d)) != NULL;)
		if (entry->d_name[0] != '.')
			ck_assert_int_eq(remove(rig_path(entry->d_name)), 0);
	ck_assert_int_eq(closedir(d), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}

void
rig_open(struct rig *rig)
{
	engine->copy("template.db", "test.db");
	open_store(rig, engine->place("test.db"));
}

void
rig_close(struct rig *rig)
{
	app_free(rig->app);
	store_close(rig->store);
	keyring_free(rig->ring);
	arena_free(rig->arena);
}

void
rig_app(struct rig *rig)
{
	char why[CONFIG_WHY_MAX] = "";

	rig->app = app_new(&rig->settings, why);
	ck_assert_msg(rig->app != NULL, "%s", why);
}

/* Who asks */

struct identity
rig_identity(struct rig *rig, enum person person)
{
	const struct auth auth = {.store = rig->store, .ring = rig->ring};
	const struct request request = {.api_key = person_key(rig->arena, person)};
	struct identity id = {0};
	struct error e = {0};

	ck_assert_int_eq(auth_identify(&auth, rig->arena, &request, RIG_NOW, &id, &e), ERR_NONE);
	return id;
}

struct identity
rig_scoped(struct rig *rig, enum person person, enum person project)
{
	const struct auth auth = {.store = rig->store, .ring = rig->ring};
	struct identity id = rig_identity(rig, person);
	struct error e = {0};

	ck_assert_int_eq(
		auth_scope(&auth, rig->arena, arena_printf(rig->arena, "1a%d", project), &id, &e),
		ERR_NONE);
	return id;
}

struct context
rig_context(struct rig *rig, const struct identity *id)
{
	rig->opened = (struct opened){0};
	return (struct context){.arena = rig->arena,
				.store = rig->store,
				.ring = rig->ring,
				.actor = {.via = id->via,
					  .account_id = id->user_id,
					  .key_id = id->key_id,
					  .request_id = "test"},
				.id = id,
				.version = API_V1,
				.now_ms = RIG_NOW,
				.removed_keep_ms = 600 * 1000,
				.opened = &rig->opened};
}

/* The database */

static enum err
insert(struct store_tx *tx, void *arg)
{
	struct error e;

	return store_insert(tx, arg) == STORE_OK ? ERR_NONE : err_set(&e, ERR_INTERNAL, NULL, NULL);
}

void
rig_insert(struct rig *rig, struct record *row)
{
	ck_assert_int_eq(store_write(rig->store, insert, row), STORE_OK);
}

int
run_on_engines(Suite *(*suite)(void))
{
	int status = 0;

	for (engine = engines; engine < engines + COUNT_OF(engines); engine++) {
		if (engine->begin != NULL && !engine->begin()) {
			(void)printf("SKIP: there is no %s on this machine\n", engine->name);
			continue;
		}
		status |= run_suite(suite());
		if (engine->end != NULL)
			engine->end();
	}
	return status;
}

const char *
rig_sql(struct rig *rig, const char *sql)
{
	return engine->sql(rig, sql);
}

void
rig_exec(struct rig *rig, const char *sql)
{
	engine->exec(rig, sql);
}

const char *
rig_dump(struct rig *rig)
{
	return engine->dump(rig);
}

int64_t
rig_registry(struct rig *rig, int64_t account, const char *address)
{
	struct record row = {.type = &types_table[T_REGISTRY]};
	char uuid[SECRET_UUID_SIZE];

	secret_uuid(uuid);
	row.columns[COL_UUID] = value_text(uuid);
	row.columns[COL_KIND] = value_text("registry");
	row.columns[COL_ACCOUNT_ID] = value_int(account);
	row.columns[COL_NAME] = value_text(address);
	row.columns[COL_STATE] = value_text("active");
	row.columns[COL_CREATED] = value_int(RIG_NOW);
	row.columns[COL_SERVER_ADDRESS] = value_text(address);
	struct registry_url url;
	if (registry_url_parse(rig->arena, address, &url) == NULL)
		row.columns[COL_ADDRESS_KEY] = value_text(url.key);
	rig_insert(rig, &row);
	return record_id(&row);
}

int64_t
rig_credential(struct rig *rig, int64_t account, int64_t registry, const char *secret)
{
	struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]};
	char uuid[SECRET_UUID_SIZE];

	secret_uuid(uuid);
	row.columns[COL_UUID] = value_text(uuid);
	row.columns[COL_KIND] = value_text("registryCredential");
	row.columns[COL_ACCOUNT_ID] = value_int(account);
	row.columns[COL_STATE] = value_text("active");
	row.columns[COL_CREATED] = value_int(RIG_NOW);
	row.columns[COL_PUBLIC_VALUE] = value_text("ci-bot");
	row.columns[COL_REGISTRY_ID] = value_int(registry);
	row.columns[COL_EMAIL] = value_text("ci@corp.example.test");
	ck_assert_int_eq(login_find_address(rig->store, NULL, rig->arena, &row), STORE_OK);
	const struct seal_place place = seal_place_of(&row);
	if (secret != NULL)
		ck_assert(secret_seal(rig->ring, rig->arena, &place, secret,
				      &row.columns[COL_SECRET_VALUE]));
	rig_insert(rig, &row);
	return record_id(&row);
}

/* Documents */

struct json *
rig_json(struct arena *a, const char *text)
{
	struct json *node = NULL;
	struct error e = {0};

	ck_assert_msg(json_parse(a, text, strlen(text), &node, &e) == ERR_NONE, "%s: %s", e.detail,
		      text);
	return node;
}

static const struct json *
step_into(const struct json *node, const char *name, size_t len)
{
	size_t i = 0;

	for (const struct json *c = node != NULL ? node->child : NULL; c != NULL; c = c->next, i++)
		if (c->name != NULL ? strlen(c->name) == len && strncmp(c->name, name, len) == 0
				    : (size_t)atoi(name) == i)
			return c;
	return NULL;
}

static const char *
names_of(struct arena *a, const struct json *object)
{
	const char *names = "";

	for (const struct json *c = object->child; c != NULL; c = c->next)
		names = arena_printf(a, "%s%s%s", names, *names != '\0' ? "," : "", c->name);
	return arena_printf(a, "{%s}", names);
}

const char *
json_at(struct arena *a, const struct json *node, const char *path)
{
	size_t count = 0;

	while (node != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");

		node = step_into(node, path, len);
		path += path[len] == '.' ? len + 1 : len;
	}
	if (node == NULL)
		return "-";
	switch (node->type) {
	case JSON_NULL:
		return "null";
	case JSON_OBJECT:
		return names_of(a, node);
	case JSON_ARRAY:
		for (const struct json *c = node->child; c != NULL; c = c->next)
			count++;
		return arena_printf(a, "[%zu]", count);
	case JSON_FALSE:
	case JSON_TRUE:
	case JSON_NUMBER:
	case JSON_STRING:
		break;
	}
	return node->text;
}

/* Requests */

struct request
rig_request(struct rig *rig, enum person person, const char *method, const char *target,
	    const char *body)
{
	return (struct request){.method = method,
				.target = target,
				.prefix = "",
				.scheme = "https",
				.host = "r.example.test",
				.client = "10.1.2.3",
				.id = "test",
				.api_key = person_key(rig->arena, person),
				.user_agent = "curl/7.88",
				.accept = "*/*",
				.body = body != NULL ? body : "",
				.body_len = body != NULL ? strlen(body) : 0};
}

int
rig_send(struct rig *rig, const struct request *request, struct response *response)
{
	app_handle(rig->app, request, rig->arena, response);
	ck_assert_ptr_nonnull(response->body);
	return response->status;
}

int
rig_ask(struct rig *rig, enum person person, const char *method, const char *target,
	const char *body, struct json **document)
{
	const struct request request = rig_request(rig, person, method, target, body);
	struct response response;
	struct error e = {0};
	int status = rig_send(rig, &request, &response);

	if (document != NULL &&
	    json_parse(rig->arena, response.body, response.body_len, document, &e) != ERR_NONE)
		*document = NULL;
	return status;
}

const char *
header_of(const struct response *response, const char *name)
{
	for (size_t i = 0; i < response->header_count; i++)
		if (strcmp(response->headers[i].name, name) == 0)
			return response->headers[i].value;
	return NULL;
}

int
run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
