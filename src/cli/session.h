/* session: what the commands of regcred share: options, the open store, tables on a terminal. */
#ifndef REGCRED_CLI_SESSION_H
#define REGCRED_CLI_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "access/identity.h"
#include "base/arena.h"
#include "base/arguments.h"
#include "base/err.h"
#include "base/settings.h"
#include "model/query.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "service/app.h"

/* What a command works with. */
struct session {
	const struct settings *settings;
	const struct arguments *arguments;
	struct app *app;
	struct arena *arena;
	struct identity identity;
	struct context context;
};

int session_fail(const char *what);

/* An error of the API, for people. */
int session_fail_error(const struct error *e);

/* A table for people: its columns, each with the text of a row. */
struct table_column {
	const char *title;
	const char *(*text)(struct session *s, const struct record *row, enum column column);
	enum column column;
};
const char *show_text(struct session *s, const struct record *row, enum column column);
const char *show_date(struct session *s, const struct record *row, enum column column);
const char *show_id(struct session *s, const struct record *row, enum column column);
const char *show_account(struct session *s, const struct record *row, enum column column);

/* Lists a collection page by page, up to so many rows: as a table with a title line, or with --json
 * as the API returns them. */
int session_list(struct session *s, const char *type_id, struct list_request *request, size_t most,
		 const struct table_column *columns, size_t count);

extern volatile sig_atomic_t stop_asked;

bool stop_was_asked(void);

/* The first signal stops the work after the current step, a second one at once, which does no harm
 * either.
 */
void stop_on_signals(void);

/* Reads a whole number from 1 to max; 0 for anything else. */
size_t session_read_count(const char *text, size_t max);

#endif
