/* call: what the commands of `regcred` that ask a server have in common: the session, the project,
 * passwords that are typed or read, names in place of ids, tables for people.
 */
#ifndef REGCRED_CLIENT_CALL_H
#define REGCRED_CLIENT_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/arguments.h"
#include "base/json_in.h"
#include "client/client.h"
#include "client/remote.h"

enum { CALL_TIMEOUT_MS = 30 * 1000 }; /* for one request */

struct client_call {
	const struct arguments *arguments;
	struct arena *arena; /* for the whole command */
	struct client_settings settings;
	struct client client;
	char why[CLIENT_WHY_MAX];
};

/* Runs a command; returns its exit status. */
int call_run(int (*command)(struct client_call *c), const struct arguments *arguments);

/* Prints the sentence; returns EXIT_FAILED. */
int call_fail(const char *why);

/* Opens the session that `regcred login` or the environment names, within --project if that is
 * given. False with a sentence in c->why. */
bool call_open(struct client_call *c) __attribute__((warn_unused_result));

/* One request: the answer; NULL with a sentence in c->why. body may be NULL. */
const struct json *call_ask(struct client_call *c, const char *method, const char *path,
			    const char *body);

/* Whether the schema of the type lets this key do that to its collection. */
bool call_may(struct client_call *c, const char *type, const char *method);

/* A secret: from --from-file, from standard input if that is a pipe or with --password-stdin, else
 * typed. One line break at its end does not belong to it. NULL with a sentence in c->why. */
const char *call_secret(struct client_call *c, const char *question);

/* All rows of a collection that the query ("&state=active") selects. NULL with a sentence in
 * c->why. */
struct call_rows {
	const struct json **items;
	size_t count, room;
};
bool call_rows(struct client_call *c, const char *collection, const char *query,
	       struct call_rows *out) __attribute__((warn_unused_result));

/* The row of that id; NULL. */
const struct json *call_find_id(const struct call_rows *rows, const char *id);

/* The one row of a collection that is called `name`: its id, or one of the texts that names(row)
 * gives, ended by NULL. If several are, all are named in c->why. */
typedef void (*call_names)(struct client_call *c, const struct json *row, const char *out[4]);
const struct json *call_find(struct client_call *c, const struct call_rows *rows, const char *what,
			     const char *name, call_names names);

/* Address, name, and the address as images name it. */
void call_registry_names(struct client_call *c, const struct json *row, const char *out[4]);

/* A table: for people, with --json one object per line, with --quiet only ids. */
struct shown {
	const char *title;
	const char *field;
	/* NULL: the text of the field. It may return NULL for nothing. */
	const char *(*text)(struct client_call *c, const struct json *row, const char *field);
};
int call_print(struct client_call *c, const struct shown *columns, size_t count,
	       const struct call_rows *rows);
/* An object, member by member. */
int call_print_one(struct client_call *c, const struct json *row);

/* "90d" and "12h" as the date so long from now; anything else as it is. */
const char *call_date(struct client_call *c, const char *text);
/* A date of the API as "in 3 days" or "2 hours ago". */
const char *call_when(struct client_call *c, const struct json *row, const char *field);

#endif
