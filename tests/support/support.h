/* support: what several test programs share: a temporary directory with a master key and a database
 * of people and projects, requests of plain strings, and a way to look into an answer.
 *
 * rig_make() makes the directory once in a program (an unchecked fixture: it outlives a test that
 * fails), rig_open() gives each test a fresh copy of the database in it.
 */
#ifndef REGCRED_TESTS_SUPPORT_H
#define REGCRED_TESTS_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/identity.h"
#include "base/arena.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/settings.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "secret/keyring.h"
#include "service/app.h"
#include "store/store.h"

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

/* The arena `a` of each test, made by setup() and freed by teardown(); setup() does one thing more.
 */
#define ARENA_FIXTURE(also)                                                                        \
	static struct arena *a;                                                                    \
                                                                                                   \
	static void setup(void)                                                                    \
	{                                                                                          \
		a = arena_new(RIG_ARENA);                                                          \
		ck_assert_ptr_nonnull(a);                                                          \
		also;                                                                              \
	}                                                                                          \
                                                                                                   \
	static void teardown(void)                                                                 \
	{                                                                                          \
		arena_free(a);                                                                     \
	}

struct rig;

enum { RIG_PATH_MAX = 256, RIG_ARENA = 64 * 1024 * 1024 };

/* The accounts of the database besides the well-known ones, and their ids.  Each account has an
 * active API key: its access key is the name in person_name(), its secret "secret of NAME". */
enum person {
	PERSON_ADMIN = 1,
	PERSON_SYSTEM = 2,
	PERSON_SUPERADMIN = 3,
	PERSON_TOKEN = 4,
	PROJECT_DEFAULT = 5, /* the first project */
	PROJECT_OTHER = 6,   /* a second one, of which the others are no members */
	PERSON_OWNER = 7,    /* a user, owner of the first project and of the inactive one */
	PERSON_MEMBER = 8,
	PERSON_RESTRICTED = 9,
	PERSON_READONLY = 10,
	PERSON_SERVICE = 11,
	PERSON_READADMIN = 12,
	PERSON_PROJECTADMIN = 13, /* owner of the first project, member of the second */
	PERSON_AGENT = 14,
	PERSON_STRANGER = 15, /* a user, member of nothing */
	PROJECT_INACTIVE = 16,
	PROJECT_REMOVED = 17,
	PERSON_INACTIVE = 18, /* a user whose account is not active */
	PERSON__COUNT
};
const char *person_name(enum person person);
/* "NAME:secret of NAME", for X-API-Key. */
const char *person_key(struct arena *a, enum person person);

/* What only an engine can do of what follows: give a database of that name a place, copy one, look
 * past the store. */
struct rig_engine {
	const char *name;
	const char *(*place)(const char *name);
	void (*copy)(const char *from, const char *to);
	const char *(*sql)(struct rig *rig, const char *sql);
	void (*exec)(struct rig *rig, const char *sql);
	const char *(*dump)(struct rig *rig);
	/* Around the suite; NULL: nothing.  False: this machine has none. */
	bool (*begin)(void);
	void (*end)(void);
};

struct rig {
	char database[RIG_PATH_MAX];
	struct settings settings;
	struct arena *arena;
	struct keyring *ring;
	struct store *store;
	struct app *app; /* NULL before rig_app() */
	struct opened opened;
};

/* Once in a program: the directory, and its end. */
void rig_make(void);
void rig_remove(void);
/* The directory; a path in it, in static storage. */
const char *rig_dir(void);
const char *rig_path(const char *name);
/* The master key that the databases were made with. */
const char *rig_key_file(void);
void rig_copy_file(const char *from, const char *to);
/* A path in the source tree, by REGCRED_SRC, or as seen from it; for the caller to free. */
char *source_path(const char *name);

/* A copy of the database with a store on it; closes everything again. */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);
/* An app on the same database. */
void rig_app(struct rig *rig);

/* Who somebody is, unscoped, and in a project. */
struct identity rig_identity(struct rig *rig, enum person person);
struct identity rig_scoped(struct rig *rig, enum person person, enum person project);
/* What an operation needs, at the moment RIG_NOW; the identity is kept by reference. */
#define RIG_NOW INT64_C(1714979289000) /* 2024-05-06T07:08:09Z */
struct context rig_context(struct rig *rig, const struct identity *id);

/* Stores a row as it is. */
void rig_insert(struct rig *rig, struct record *row);
/* Looks into the database past the store: the first column of the first row, as text; "null". */
const char *rig_sql(struct rig *rig, const char *sql);
/* All rows of all tables of the families, of the process log and of the audit log, as text: whether
 * something changed, besides the last use of a key. */
const char *rig_dump(struct rig *rig);
/* Changes it past the store. */
void rig_exec(struct rig *rig, const char *sql);

/* A registry and a registryCredential of a project, active. */
int64_t rig_registry(struct rig *rig, int64_t account, const char *address);
int64_t rig_credential(struct rig *rig, int64_t account, int64_t registry, const char *secret);

/* A body or an answer as a tree. */
struct json *rig_json(struct arena *a, const char *text);
/* What stands at a path like "data.0.links.self": the text of a scalar; "null"; for an object its
 * names and for an array its number of elements, as "{id,type}" and "[2]"; "-" for nothing. */
const char *json_at(struct arena *a, const struct json *node, const char *path);

/* A request of a person for a target. */
struct request rig_request(struct rig *rig, enum person person, const char *method,
			   const char *target, const char *body);
/* Its answer: the status; the response lives in the rig's arena. */
int rig_send(struct rig *rig, const struct request *request, struct response *response);
/* Both, with the answer's document; NULL if that is not JSON. */
int rig_ask(struct rig *rig, enum person person, const char *method, const char *target,
	    const char *body, struct json **document);
/* The value of a header of an answer; NULL if it is not there. */
const char *header_of(const struct response *response, const char *name);

/* Runs a suite of one program; the exit status. */
int run_suite(Suite *suite);
/* Runs it once for each engine that a store can have. */
int run_on_engines(Suite *(*suite)(void));

#endif
