/* source: where the secret of a login comes from, as a table.  renew/ asks them.
 *
 * The class decides what may be done after a call whose outcome is not known:
 *
 *   ADDITIVE   the old secret lives until its own end: call again
 *   CHOSEN     we choose the new value, and the old one dies at once: the value is stored, sealed,
 *              before the call, and the call is made again with the same value
 *   READABLE   the source chooses, the old one dies at once: read the present one
 *   SECOND     a second secret is made; the first is deleted later, when nobody uses it
 */
#ifndef REGCRED_MODEL_SOURCE_H
#define REGCRED_MODEL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "model/schema.h"

enum source_class { SOURCE_ADDITIVE, SOURCE_CHOSEN, SOURCE_READABLE, SOURCE_SECOND };

enum source_id {
#define SOURCE(name, ...) SOURCE_##name,
#include "model/source.def"
#undef SOURCE
	SOURCE__COUNT
};

struct source_row {
	const char *name; /* "ecr" */
	enum source_class class;
	bool needs_secret;
	int life_days;	     /* at most; 0: nobody knows */
	const char *members; /* see source.def */
};

extern const struct source_row source_table[SOURCE__COUNT];
/* Their names, ended by NULL. */
extern const char *const source_names[];

/* By its name; NULL if there is none. */
const struct source_row *source_find(const char *name);

/* Checks the object `config` against the row's members.  ERR_INVALID_OPTION for a member that is
 * not in the table, ERR_MISSING_REQUIRED for one that is missing, ERR_INVALID_FORMAT for one of
 * another type; the member's name is in the sentence. */
enum err source_check(const struct source_row *source, const struct json *config, struct arena *a,
		      struct error *e) __attribute__((warn_unused_result));

/* Whether it would be asked with rights of the server, whatever sourceSecret there is: by a
 * program, with a file of the server, or with the keys of its machine. */
bool source_uses_server(const struct source_row *source, const struct json *config);

/* A member of a row's list: name, whether it is required, its type; JSON_TRUE for a boolean. */
struct source_member {
	const char *name; /* len bytes of the list */
	size_t len;
	bool required;
	enum json_type type;
	const char *type_text; /* for messages */
};
/* Takes the next one off the list; false at its end. */
bool source_next_member(const char **list, struct source_member *out);

/* "tenant, clientId, endpoint", for messages; NULL if out of memory. */
const char *source_members_text(const struct source_row *source, struct arena *a);

/* The type of a member in the table, JSON_TRUE for a boolean; JSON_NULL if it has no such member.
 */
enum json_type source_member(const struct source_row *source, const char *name);

/* A text member; NULL if it is missing or null. */
const char *source_text(const struct json *config, const char *name);

#endif
