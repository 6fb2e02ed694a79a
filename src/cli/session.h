/* session: what the commands of regcred share: their options, the open store, tables on a terminal.
 */
#ifndef REGCRED_CLI_SESSION_H
#define REGCRED_CLI_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "access/identity.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/settings.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "service/app.h"

enum { WORDS_MAX = 4, OPTIONS_MAX = 8 };

/* A command line behind the settings: words and --name value pairs. */
struct arguments {
	const char *words[WORDS_MAX];
	size_t word_count;
	struct {
		const char *name, *value;
	} options[OPTIONS_MAX];
	size_t option_count;
};

/* What a command works with. */
struct session {
	const struct settings *settings;
	const struct arguments *arguments;
	struct app *app;
	struct arena *arena;
	struct identity identity;
	struct context context;
};

const char *session_option(const struct arguments *arguments, const char *name,
			   const char *fallback);

int session_fail(const char *what);

/* An error of the API, for people. */
int session_fail_error(const struct error *e);

/* Text for a terminal: nothing that could move the cursor. */
void print_column(const char *text, int width);

void print_date(const struct record *row, enum column column);

/* Lists everything, page after page. */
int session_list(struct session *s, const char *type_id);

extern volatile sig_atomic_t stop_asked;

bool stop_was_asked(void);

/* The first signal ends the work between two steps, a second one at once, which does no harm
 * either.
 */
void stop_on_signals(void);

/* A whole number from 1 to max; 0 for anything else. */
size_t session_read_count(const char *text, size_t max);

/* A resource in a line, as the API shows it. */
bool print_json(struct session *s, const struct record *row);

#endif
