/* resource: list, read, create, update, delete, action: one implementation for every type.
 *
 * What is special to a type is in its row of types.c. A write commits its last state and its
 * process log together; the record it returns is a snapshot for the answer, in the first
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
#include "outbound/seats.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "store/store.h"

/* Secrets that an answer shows. A change opens them before it is committed, so that they are here
 * when the answer is printed afterwards. */
struct opened {
	struct opened_row {
		const struct resource_type *type;
		int64_t id, owner_id;
		const char *text;
	} * rows; /* in the arena */
	size_t count, room;
	size_t recorded;      /* how many of them are in the audit log */
	enum store_rc failed; /* not STORE_OK: what could not be read to open one */
};

/* Limits for one account, so that enough is left for others. */
struct limits {
	struct limit checks;	   /* checks of logins requested by an account, per minute */
	struct limit writes;	   /* per minute; deactivating or removing is free */
	struct limit repositories; /* repositories for which the web server gives a key logins, per
				      hour */
	struct limit room;	   /* of the free disk space, room_share percent of it, per day */
	int64_t room_share;
	struct seats *searches; /* for lists that are searched through; NULL: any number */
	int64_t rows;		/* rows of a type in a project or account; 0: any number */
	int64_t projects;	/* projects that a user owns; 0: any number */
};

/* What every operation of a request needs. */
struct context {
	struct arena *arena;
	struct store *store;
	const struct keyring *ring;
	struct actor actor;
	const struct identity *id; /* rights of the actor, if it is a caller */
	enum api_version version;
	int64_t now_ms;
	int64_t removed_keep_ms;
	const struct precondition *precondition; /* of a write; NULL: none */
	const struct once *once; /* of a create or action with an Idempotency-Key; NULL: none */
	struct opened *opened;	 /* NULL: no secret is opened */
	struct limits limits;
};

/* A row by its external id.  ERR_NOT_FOUND: no such id, or the row has another type or belongs to
 * someone else, or the caller's role does not see the type. */
enum err resource_read(const struct context *c, const struct resource_type *type, const char *id,
		       struct record *out, struct error *e) __attribute__((warn_unused_result));

/* Whether the caller sees a field: context is a struct view_of_type. */
struct view_of_type {
	enum role role;
	const struct resource_type *type;
};
bool resource_field_visible(const void *context, const struct field *field);

/* A page of a collection; fills in family, kind and owners of the request. */
enum err resource_list(const struct context *c, const struct resource_type *type,
		       struct list_request *request, struct record_list *out, struct error *e)
	__attribute__((warn_unused_result));

/* The target row of a reference link of this row.  STORE_NONE: null, removed, not visible. */
enum err resource_follow(const struct context *c, const struct record *row, const struct link *link,
			 struct record *out, struct error *e) __attribute__((warn_unused_result));
/* The live target rows of a child link of this row: a page of at most LIMIT_MAX. */
enum err resource_children(const struct context *c, const struct record *row,
			   const struct link *link, struct list_request *request,
			   struct record_list *out, struct error *e)
	__attribute__((warn_unused_result));

/* *secret: plain text to show only in this answer, NULL: none. */
enum err resource_create(const struct context *c, const struct resource_type *type,
			 const struct json *body, struct record *out, const char **secret,
			 struct error *e) __attribute__((warn_unused_result));
enum err resource_update(const struct context *c, const struct resource_type *type, const char *id,
			 const struct json *body, struct record *out, struct error *e)
	__attribute__((warn_unused_result));
enum err resource_delete(const struct context *c, const struct resource_type *type, const char *id,
			 struct record *out, struct error *e) __attribute__((warn_unused_result));
/* Finds a row and an action on it that the caller may perform now: the action's row in the table of
 * the type. */
enum err resource_find_action(const struct context *c, const struct resource_type *type,
			      const char *id, const char *name, struct record *row,
			      const struct action **action, struct error *e)
	__attribute__((warn_unused_result));
/* An action that runs a process on the row; actions with an input have their own functions. */
enum err resource_action(const struct context *c, const struct resource_type *type, const char *id,
			 const char *action, struct record *out, struct error *e)
	__attribute__((warn_unused_result));
/* The action setmembers: *members are the project's new members. */
enum err resource_set_members(const struct context *c, const char *id, const struct json *body,
			      struct record_list *members, struct error *e)
	__attribute__((warn_unused_result));

bool resource_may_act(const struct identity *id, const struct record *row);
/* Whether the row has what the action needs besides its state. */
bool resource_fits_action(const struct record *row, const char *action);
bool resource_has_action(const struct resource_type *type, enum state state,
			 const struct action *action);

/* Appends to the audit log what happened to this row, in the transaction that did it;
 * changes is JSON, or NULL.  The status is that of the answer, if there is one. */
enum store_rc resource_note(struct store_tx *tx, const struct context *c, struct arena *a,
			    const char *event, int status, const struct record *row,
			    const char *changes) __attribute__((warn_unused_result));

/* The plain text of its sealed field, for callers who may open it; NULL if there is none, if they
 * may not, or (logged) if it does not open.  The row is noted in c->opened, and must not be
 * revealed before resource_record_opened() has recorded that; a change does so itself, in its
 * transaction tx; else that is NULL. */
const char *resource_open(const struct context *c, struct store_tx *tx, const struct record *row);

/* The only place where the password of a login is unsealed.  NULL: there is none, the caller may
 * not have it for that purpose, or (logged) it does not open.  The row has the address that
 * login_find_address() sets.  The caller has to record that it is revealed. */
enum opening {
	OPEN_TO_SHOW,	  /* secretValue in an answer */
	OPEN_TO_HAND_OUT, /* in a file for another program */
	OPEN_TO_INJECT,	  /* in a request to the registry */
	OPEN_TO_CHECK,	  /* by regcred itself, at the registry */
};
const char *login_open(const struct context *c, const struct record *row, enum opening why);
/* Whether the caller may have it for that purpose. */
bool login_may_open(const struct context *c, const struct record *row, enum opening why);

/* Writes opened secrets to the audit log, unless already recorded. On an error nothing may be
 * shown. */
enum err resource_record_opened(const struct context *c, struct error *e)
	__attribute__((warn_unused_result));

/* Sets COL_SERVER_ADDRESS of a login, or of a former secret of one, to the address of its registry,
 * to which its password is bound; other rows stay as they are. Reads in the transaction unless that
 * is NULL. */
enum store_rc login_find_address(struct store *s, struct store_tx *tx, struct arena *a,
				 struct record *row) __attribute__((warn_unused_result));

/* One pass over removed and purged rows; *done counts the rows moved or deleted. */
struct sweep {
	int64_t now_ms, removed_keep_ms, purged_keep_ms;
	/* Called between two batches; false ends the sweep early, which is not a failure. May be
	 * NULL.
	 */
	bool (*goes_on)(void *arg);
	void *arg;
};
enum store_rc resource_sweep(struct store *s, const struct keyring *ring, const struct sweep *sweep,
			     size_t *done) __attribute__((warn_unused_result));

enum { LIVE_STATES = ST_BIT(ST_ACTIVE) | ST_BIT(ST_INACTIVE) };

#endif
