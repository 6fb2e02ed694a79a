/* resource: list, read, create, update, delete, action: once, for every type.
 *
 * What a type has of its own stands in its row of types.c.  A write commits its last state and its
 * process log together; the record that it returns is the snapshot for the answer, in the first
 * transitional state.
 */
#ifndef REGCRED_RESOURCE_H
#define REGCRED_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "model/list.h"
#include "model/process.h"
#include "model/query.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "store/store.h"

/* Secrets that an answer shows.  A change opens its own before it is committed; the answer, which
 * is printed afterwards, finds them here. */
struct opened {
	struct opened_row {
		const struct resource_type *type;
		int64_t id, owner_id;
		const char *text;
	} * rows; /* in the arena */
	size_t count, room;
	size_t recorded; /* so many of them are in the audit log */
};

/* How much one account may take, so that enough is left for others. */
struct limits {
	struct limit checks; /* of logins that an account asks for, in a minute */
	struct limit writes; /* of an account, in a minute; withdrawals do not count */
	struct limit
		repositories; /* that a key is given logins for by the web server, in an hour */
	int64_t rows;	      /* of a type in a project, or account; 0: any number */
	int64_t projects;     /* that a user owns; 0: any number */
};

/* What every operation of a request needs. */
struct context {
	struct arena *arena;
	struct store *store;
	const struct keyring *ring;
	struct actor actor;
	const struct identity *id; /* what the actor may do, if it is a caller */
	enum api_version version;
	int64_t now_ms;
	int64_t removed_keep_ms;
	const struct precondition *precondition; /* of a write; NULL: none */
	const struct once *once; /* of a create with an Idempotency-Key; NULL: none */
	struct opened *opened;	 /* NULL: no secret is opened */
	struct limits limits;
};

/* A row by its external id.  ERR_NOT_FOUND: no such id, another type's, somebody else's, or no type
 * of the caller's role. */
enum err resource_read(const struct context *c, const struct resource_type *type, const char *id,
		       struct record *out, struct error *e) __attribute__((warn_unused_result));

/* Whether a field exists for the caller: context is a struct view_of_type. */
struct view_of_type {
	enum role role;
	const struct resource_type *type;
};
bool resource_field_visible(const void *context, const struct field *field);

/* A page of a collection; fills in family, kind and owners of the request. */
enum err resource_list(const struct context *c, const struct resource_type *type,
		       struct list_request *request, struct record_list *out, struct error *e)
	__attribute__((warn_unused_result));

/* The row that a reference link of this row leads to.  STORE_NONE: null, removed, not visible. */
enum err resource_follow(const struct context *c, const struct record *row, const struct link *link,
			 struct record *out, struct error *e) __attribute__((warn_unused_result));
/* The live rows that a child link of this row leads to: a page of at most LIMIT_MAX. */
enum err resource_children(const struct context *c, const struct record *row,
			   const struct link *link, struct list_request *request,
			   struct record_list *out, struct error *e)
	__attribute__((warn_unused_result));

/* *secret: plain text to be shown in this answer alone, NULL for none. */
enum err resource_create(const struct context *c, const struct resource_type *type,
			 const struct json *body, struct record *out, const char **secret,
			 struct error *e) __attribute__((warn_unused_result));
enum err resource_update(const struct context *c, const struct resource_type *type, const char *id,
			 const struct json *body, struct record *out, struct error *e)
	__attribute__((warn_unused_result));
enum err resource_delete(const struct context *c, const struct resource_type *type, const char *id,
			 struct record *out, struct error *e) __attribute__((warn_unused_result));
/* A row and an action of it that the caller may carry out now: its row in the table of the type. */
enum err resource_find_action(const struct context *c, const struct resource_type *type,
			      const char *id, const char *name, struct record *row,
			      const struct action **action, struct error *e)
	__attribute__((warn_unused_result));
/* An action that moves the row along a process; those that take an input have functions of their
 * own. */
enum err resource_action(const struct context *c, const struct resource_type *type, const char *id,
			 const char *action, struct record *out, struct error *e)
	__attribute__((warn_unused_result));
/* The action setmembers: *members are those of the project from then on. */
enum err resource_set_members(const struct context *c, const char *id, const struct json *body,
			      struct record_list *members, struct error *e)
	__attribute__((warn_unused_result));

bool resource_may_act(const struct identity *id, const struct record *row);
bool resource_has_action(const struct resource_type *type, enum state state,
			 const struct action *action);

/* Appends a row to the audit log, in the transaction of what it records: what happened to this row;
 * changes is JSON, or NULL.  The status is that of the answer, if there is one. */
enum store_rc resource_note(struct store_tx *tx, const struct context *c, struct arena *a,
			    const char *event, int status, const struct record *row,
			    const char *changes) __attribute__((warn_unused_result));

/* The plain text of its sealed field, for callers who may open it; NULL if there is none, if they
 * may not, or (logged) if it does not open.  The row is noted in c->opened, and must not leave
 * before resource_record_opened() has recorded that; a change does so by itself, in its
 * transaction. */
const char *resource_open(const struct context *c, const struct record *row);

/* The one place where the password of a login is unsealed.  NULL: there is none, the caller may not
 * have it for that purpose, or (logged) it does not open.  Whoever lets it out records that. */
enum opening {
	OPEN_TO_SHOW,	  /* secretValue in an answer */
	OPEN_TO_HAND_OUT, /* in a file for another program */
	OPEN_TO_INJECT,	  /* in a request to the registry */
	OPEN_TO_CHECK,	  /* by regcred itself, at the registry */
};
const char *login_open(const struct context *c, const struct record *row, enum opening why);

/* Writes to the audit log what was opened and is not in there yet.  An error: show nothing. */
enum err resource_record_opened(const struct context *c, struct error *e)
	__attribute__((warn_unused_result));

/* The sealed field of a type, NULL for none; and what its value in a row is bound to. */
const struct field *resource_sealed_field(const struct resource_type *type);
struct seal_place resource_seal_place(const struct record *row, const struct field *field);

/* One pass over removed and purged rows; *done counts what was moved or deleted. */
struct sweep {
	int64_t now_ms, removed_keep_ms, purged_keep_ms;
	/* Asked between two batches; false ends the sweep early, which is no failure.  May be NULL.
	 */
	bool (*goes_on)(void *arg);
	void *arg;
};
enum store_rc resource_sweep(struct store *s, const struct keyring *ring, const struct sweep *sweep,
			     size_t *done) __attribute__((warn_unused_result));

enum { LIVE_STATES = ST_BIT(ST_ACTIVE) | ST_BIT(ST_INACTIVE) };

#endif
