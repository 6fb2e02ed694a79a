/* schema: resource types as tables, from which JSON bodies become records.
 *
 * The tables are in types.c. Validation, SQL text, /v1/schemas, links and actions are all derived
 * from them.
 */
#ifndef REGCRED_SCHEMA_H
#define REGCRED_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"

enum api_version { API_V1, API_V2_BETA, API__COUNT };
#define IN_V1 (1U << API_V1)
#define IN_V2 (1U << API_V2_BETA)
const char *api_version_name(enum api_version version);

/* Indexes of columns in a record; column.def says which ones families share. The widest family
 * comes last, so that a record has room for every family. */
enum column {
	COL_NONE,
#define COLUMN(name, sql, type, families) COL_##name,
#include "model/column.def"
	COL__SHARED,
	COL__STORAGE_POOL = COL__SHARED - 1,
#define STORAGE_POOL_COLUMN(name, sql, type) COL_##name,
#include "model/column.def"
	COL__STORAGE_POOL_END,
	COL__PROJECT_MEMBER = COL__SHARED - 1,
#define PROJECT_MEMBER_COLUMN(name, sql, type) COL_##name,
#include "model/column.def"
	COL__PROJECT_MEMBER_END,
	COL__ACCOUNT = COL__SHARED - 1,
#define ACCOUNT_COLUMN(name, sql, type) COL_##name,
#include "model/column.def"
	COL__ACCOUNT_END,
	COL__AUDIT_LOG = COL__SHARED - 1,
#define AUDIT_LOG_COLUMN(name, sql, type) COL_##name,
#include "model/column.def"
	COL__AUDIT_LOG_END,
	COL__SECRET_VERSION = COL__SHARED - 1,
#define SECRET_VERSION_COLUMN(name, sql, type) COL_##name,
#include "model/column.def"
	COL__SECRET_VERSION_END,
	COL__CREDENTIAL = COL__SHARED - 1,
#define CREDENTIAL_COLUMN(name, sql, type) COL_##name,
#include "model/column.def"
	COL__COUNT
};
#define COL_BIT(column) (UINT64_C(1) << (column))
_Static_assert((int)COL__COUNT <= 64, "a column of each family has a bit");
_Static_assert((int)COL__STORAGE_POOL_END <= (int)COL__COUNT, "registries fit a record");
_Static_assert((int)COL__PROJECT_MEMBER_END <= (int)COL__COUNT, "members fit a record");
_Static_assert((int)COL__ACCOUNT_END <= (int)COL__COUNT, "accounts fit a record");
_Static_assert((int)COL__AUDIT_LOG_END <= (int)COL__COUNT, "rows of the audit log fit a record");
_Static_assert((int)COL__SECRET_VERSION_END <= (int)COL__COUNT, "versions of secrets fit a record");

enum value_type { VALUE_NULL, VALUE_INT, VALUE_TEXT, VALUE_BLOB };

struct value {
	enum value_type type;
	int64_t number;
	const char *text; /* TEXT: NUL-terminated; BLOB: len bytes */
	size_t len;
};

struct column_row {
	const char *name;
	enum value_type type; /* when it is not null */
};

/* A table of the database, whose types share its ids. */
struct family {
	const char *table;
	const char *prefix;	       /* of external ids: "c" for 1c7 */
	enum column owner;	       /* the account that owns the row; COL_NONE: nobody */
	const struct column_row *rows; /* by enum column */
	uint64_t columns;	       /* COL_BIT of each column that it has */
};

struct resource_type;

enum field_type {
	FT_ID,
	FT_STRING,
	FT_PASSWORD,
	FT_HIDDEN, /* a secret that is set and never shown */
	FT_BOOLEAN,
	FT_DATE,
	FT_INT,
	FT_ENUM,
	FT_REFERENCE,
	FT_CONSTANT,   /* no column: `constant` is printed */
	FT_TRANSITION, /* transitioning, from the state */
	FT_MESSAGE,    /* transitioningMessage, from the state */
	FT_DATA,       /* data: the fields with F_IN_DATA, as in the original */
	FT_IDENTITY,   /* identity of an account */
	FT_MEMBERS,    /* members of a project: accepted on create, shown as null */
	FT_NETWORKS,   /* networks of a key: an array of texts, stored as one (network.h) */
	FT_PATH,       /* of repositories: "acme/app" */
	FT_PATHS,      /* an array of them, stored as one text with blanks between */
	FT_REFERENCES, /* an array of ids, stored likewise */
	FT_DURATIONS,  /* an array of spans of time, "14d", stored as seconds likewise */
	FT_JSON,       /* an object, stored as its text */
};

/* Which modifiers a collection filter of the field takes. */
enum filter_set { FILTER_NONE, FILTER_V, FILTER_S, FILTER_N };

enum {
	F_CREATE = 1 << 0,   /* may be set in POST by roles that may write */
	F_UPDATE = 1 << 1,   /* may be set in PUT by roles that may write */
	F_REQUIRED = 1 << 2, /* on create */
	F_NULLABLE = 1 << 3,
	F_READ_ON_CREATE = 1 << 4, /* shown only in the answer to the create */
	F_SEALED = 1 << 5,  /* stored sealed (or hashed, depending on the type); never a filter */
	F_IN_DATA = 1 << 6, /* also shown in data.fields, as in the original */
	F_BLANK = 1 << 7,   /* a blank text, which forms send for an empty field, means null */
};

struct field {
	const char *name;
	enum column column; /* COL_NONE for what is not stored */
	enum field_type type;
	const char *type_text; /* as the schema prints it, if not simply the type's name:
				  "reference[x]", "array[x]" */
	const struct resource_type *reference; /* FT_REFERENCE: the type that it refers to */
	unsigned flags;
	unsigned min_len, max_len; /* in characters, of FT_INT the least and greatest; 0: none */
	enum filter_set filter;
	const char *const *options; /* FT_ENUM */
	const char *fallback;	    /* "default" of the schema as JSON, NULL for none */
	const char *constant;	    /* JSON of a field without a column; NULL prints null */
	unsigned versions;	    /* IN_V1, IN_V2; 0 means both */
};

enum link_kind { LINK_REFERENCE, LINK_CHILDREN };
struct link {
	const char *name;
	enum link_kind kind;
	enum column column; /* REFERENCE: of this type, holds the target's id; CHILDREN: of the
			       target, holds this row's id */
	const struct resource_type *target;
};

/* An action that a schema declares. */
struct action {
	const char *name;
	const char *input;  /* schema id, NULL for none */
	const char *output; /* schema id, NULL for none */
	unsigned versions;
};

/* Rows of `type` whose `column` refers to a row are removed when that row is purged. */
struct cascade {
	const struct resource_type *type;
	enum column column;
};

enum {
	TYPE_DOCUMENT = 1 << 6, /* no collection either: only its schema is published */
	TYPE_API_KEY = 1 << 1,	/* publicValue and secretValue are made by the server unless a role
				   may give them; hashed */
	TYPE_HASHED = 1 << 2,	/* secretValue is hashed: it can never be read again */
	TYPE_PROJECT = 1 << 3,	/* has members, only owners act on it, DELETE deactivates first,
				   callers list their own */
	TYPE_SELF = 1 << 4,	/* ordinary callers list only the account they act for */
	TYPE_THROUGH_PROJECT = 1 << 7, /* changed only by its project's setmembers */
	TYPE_QUESTION = 1 << 10,       /* POST to its collection answers it; nothing is stored */
	TYPE_VERIFIED = 1 << 12,       /* a login that can be checked at its registry */
	TYPE_OWN_ROWS = 1 << 8, /* callers who do not see every account see the rows of the one they
				   act for, not those of all their projects */
	TYPE_NEWEST_FIRST = 1 << 9, /* default order of lists */
};

struct resource_type {
	const char *id;
	const char *plural;
	const char *kind; /* kind of its rows; NULL: rows of its family that no other type claims */
	const char *default_kind;     /* kind of a new row, if it is not the type's id */
	const char *base;	      /* base type; NULL: itself */
	const struct family *family;  /* NULL: no rows */
	const struct field *fields;   /* in the order of the schema; ends with a NULL name */
	const struct link *links;     /* ends with a NULL name; NULL for none */
	const struct action *actions; /* ends with a NULL name; NULL for none */
	unsigned flags;
	enum column unique; /* column of its unique index; error and field for duplicates */
	enum err unique_error;
	const char *unique_field;
	const struct cascade
		*cascades; /* what its purge removes; ends with a NULL type; NULL: nothing */
};

/* Indexes of the types in the table, so that rows can refer to each other; in the order of their
 * plural names, as links are printed. */
enum type_place {
	T_ACCOUNT,
	T_API_KEY,
	T_API_VERSION,
	T_AUDIT_LOG,
	T_CREDENTIAL,
	T_ERROR,
	T_HAND_OUT,
	T_IMAGE_LOGIN,
	T_PASSWORD,
	T_PROJECT_MEMBER,
	T_PROJECT_TEMPLATE,
	T_PROJECT,
	T_REGISTRY,
	T_REGISTRY_CREDENTIAL,
	T_REGISTRY_TEST_INPUT,
	T_REGISTRY_TEST_OUTPUT,
	T_SCHEMA,
	T_SECRET_VERSION,
	T_SESSION,
	T_SET_PROJECT_MEMBERS_INPUT,
	T_STORAGE_POOL,
	T__COUNT
};

/* types.c; ends with a NULL id. */
extern const struct resource_type types_table[];
/* Words of the API, in the order of their .def; each ends with NULL. */
extern const char *const login_reasons[], *const refresh_results[], *const verification_results[];
extern const struct family family_credential, family_storage_pool, family_account,
	family_project_member, family_audit_log, family_secret_version;
extern const struct family *const
	families[]; /* ends with NULL; a family that refers to rows of another comes before it */

enum { TYPES_MAX = 24, FIELDS_MAX = 56, LINKS_MAX = 16, ACTIONS_MAX = 32 };
_Static_assert((int)T__COUNT <= (int)TYPES_MAX, "a place for each type");

/* By id; NULL if there is none. */
const struct resource_type *type_find(const char *id);
/* By id or plural in any case, as in a URL; NULL if there is none. */
const struct resource_type *type_find_segment(const char *segment);
/* The type of a row of the family by its kind. */
const struct resource_type *type_of_row(const struct family *family, const char *kind);
/* Its index in the table, an enum type_place. */
size_t type_index(const struct resource_type *type);
/* True if type is a child of base, not base itself. */
bool type_is_child(const struct resource_type *type, const struct resource_type *base);
/* The field in that version; NULL if there is none. */
const struct field *type_field(const struct resource_type *type, const char *name,
			       enum api_version version);
/* The field whose value is stored sealed or hashed; NULL if there is none. */
const struct field *type_sealed_field(const struct resource_type *type);
/* Its index in the type's table, below FIELDS_MAX. */
size_t field_index(const struct resource_type *type, const struct field *field);
bool field_in_version(const struct field *field, enum api_version version);
const struct link *type_link(const struct resource_type *type, const char *name);
bool action_in_version(const struct action *action, enum api_version version);
const struct action *type_action(const struct resource_type *type, const char *name,
				 enum api_version version);

/* A row in memory. Columns that the family lacks stay null. */
struct record {
	const struct resource_type *type;
	struct value columns[COL__COUNT];
};

/* The same without an arena; returns its length. */
enum { ID_TEXT_SIZE = 32 };

/* The values that a body sets. */
struct change {
	struct value columns[COL__COUNT];
	uint64_t given; /* COL_BIT of each column that the body sets and the caller may set */
	/* Plain text of the sealed fields, NULL for null: of COL_SECRET_VALUE, and of
	 * COL_SOURCE_SECRET. */
	const char *secret, *source_secret;
	const struct json *members; /* of a project */
};

enum schema_use { SCHEMA_CREATE, SCHEMA_UPDATE };

/* How schema_read() validates a body. */
struct schema_rules {
	const struct resource_type *type;
	enum api_version version;
	enum schema_use use;
	const struct record
		*stored; /* UPDATE: the row, if it exists: setting null to null is not a change */
	bool (*may)(const void *context,
		    const struct field *field); /* whether the caller may set the field */
	const void *context;
	struct arena *arena; /* for values that are not stored as given */
};

enum {
	ID_DIGITS_MAX = 18, /* of a row number: fits int64_t */
};

#endif
