/* table: rows as a table for people, as JSON, or as ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/json_out.h"
#include "base/text.h"
#include "client/call.h"
#include "model/date.h"

enum {
	CELL_MAX = 128,	  /* bytes of a cell to show */
	COLUMN_MIN = 8,	  /* characters that a column keeps on a narrow terminal */
	COLUMNS_MAX = 12, /* of a table */
};

/* Times */

const char *
call_date(struct client_call *c, const char *text)
{
	char date[21];
	int64_t seconds;

	if (!date_span(text, &seconds))
		return text;
	date_format(clock_wall_ms() + seconds * 1000, date);
	return arena_strdup(c->arena, date);
}

const char *
call_when(struct client_call *c, const struct json *row, const char *field)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	const char *text = client_text(row, field);
	int64_t ms, seconds;
	size_t u = 0;

	if (text == NULL || !date_read(text, &ms))
		return text;
	seconds = (ms - clock_wall_ms()) / 1000;
	int64_t away = seconds < 0 ? -seconds : seconds;
	/* Two of a unit read better than one and a bit: 36 hours, not 1 day. */
	while (u + 1 < sizeof(units) / sizeof(*units) && away < 2 * units[u].seconds)
		u++;
	int64_t n = (away + units[u].seconds / 2) / units[u].seconds;
	if (away == 0)
		return "now";
	return arena_printf(c->arena, "%s%lld %s%s%s", seconds >= 0 ? "in " : "", (long long)n,
			    units[u].name, n == 1 ? "" : "s", seconds < 0 ? " ago" : "");
}

/* JSON */

/* The node as text; NULL if out of memory. */
static const char *
json_text(struct client_call *c, const struct json *node)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, c->arena);
	json_copy(&w, node);
	return json_out_text(&w, &len);
}

static int
table_json(struct client_call *c, const struct json *row)
{
	const char *text = json_text(c, row);

	return text != NULL && puts(text) >= 0 ? EXIT_OK : call_fail("out of memory");
}

/* Tables */

/* What a cell means for the eye; nothing is said by colour alone. */
static const char *
colour_of(const char *cell)
{
	static const struct {
		const char *word, *colour;
	} words[] = {{"valid", "\033[32m"},
		     {"active", "\033[32m"},
		     {"expired", "\033[31m"},
		     {"inactive", "\033[33m"},
		     {"invalidCredential", "\033[31m"},
		     {"forbidden", "\033[31m"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(words[i].word, cell) == 0)
			return words[i].colour;
	return NULL;
}

static bool
has_colour(void)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) != 0 && (none == NULL || *none == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

/* The first `width` characters, with a mark if that is not all. */
static void
table_cell(const char *cell, size_t width, bool last, bool colour)
{
	const char *paint = colour ? colour_of(cell) : NULL;
	size_t len = http_utf8_length(cell), bytes = 0, shown = 0;
	bool cut = len > width;

	while (cell[bytes] != '\0' && shown < width - cut) {
		shown++;
		do
			bytes++;
		while (((unsigned char)cell[bytes] & 0xc0) == 0x80);
	}
	(void)printf("%s%.*s%s%s", paint != NULL ? paint : "", (int)bytes, cell, cut ? "…" : "",
		     paint != NULL ? "\033[0m" : "");
	for (shown += cut; !last && shown < width + 2; shown++)
		(void)putchar(' ');
	if (last)
		(void)putchar('\n');
}

/* The columns of the terminal; SIZE_MAX if standard output is none. */
static size_t
terminal_width(void)
{
	struct winsize size;

	if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 ||
	    size.ws_col == 0)
		return SIZE_MAX;
	return size.ws_col;
}

/* What the table needs. A column of width 0 is left out. */
static size_t
table_width(const size_t *widths, size_t count)
{
	size_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += widths[i] != 0 ? widths[i] + (all != 0 ? 2 : 0) : 0;
	return all;
}

/* Makes the widest column narrower by one; false if all are as narrow as they may be. */
static bool
table_narrow(size_t *widths, size_t count)
{
	size_t widest = 0;

	for (size_t i = 1; i < count; i++)
		if (widths[i] > widths[widest])
			widest = i;
	if (widths[widest] <= COLUMN_MIN)
		return false;
	widths[widest]--;
	return true;
}

/* On a terminal that is too narrow columns without content are left out, then the widest ones give
 * way, and at last those at the right go; the first stays. Returns the title of one that is left
 * out with its content, or NULL. */
static const char *
table_fit(const struct shown *columns, size_t *widths, const bool *filled, size_t count)
{
	const char *lost = NULL;
	size_t room = terminal_width();

	for (size_t i = count; i-- > 1 && table_width(widths, count) > room;)
		widths[i] = filled[i] ? widths[i] : 0;
	while (table_width(widths, count) > room && table_narrow(widths, count))
		;
	for (size_t i = count; i-- > 1 && table_width(widths, count) > room;)
		if (widths[i] != 0) {
			widths[i] = 0;
			lost = columns[i].title;
		}
	return lost;
}

static const char *
cell_of(struct client_call *c, const struct shown *column, const struct json *row)
{
	const char *text = column->text != NULL ? column->text(c, row, column->field)
						: client_text(row, column->field);
	char *plain = arena_printf(c->arena, "%.*s", CELL_MAX,
				   text != NULL && *text != '\0' ? text : "-");

	if (plain != NULL)
		text_make_plain(plain);
	return plain;
}

static int
table_rows(struct client_call *c, const struct shown *columns, size_t count,
	   const struct call_rows *rows)
{
	const char **cells = arena_array(c->arena, rows->count * count + 1, sizeof(*cells));
	size_t widths[COLUMNS_MAX] = {0}, last = 0;
	bool filled[COLUMNS_MAX] = {0}, colour = has_colour();

	for (size_t i = 0; i < count; i++)
		widths[i] = strlen(columns[i].title);
	for (size_t i = 0; cells != NULL && i < rows->count * count; i++) {
		cells[i] = cell_of(c, &columns[i % count], rows->items[i / count]);
		size_t len = cells[i] != NULL ? http_utf8_length(cells[i]) : 0;
		widths[i % count] = len > widths[i % count] ? len : widths[i % count];
		filled[i % count] |= cells[i] != NULL && strcmp(cells[i], "-") != 0;
	}
	if (arena_failed(c->arena))
		return call_fail("out of memory");
	const char *lost = table_fit(columns, widths, filled, count);
	for (size_t i = 0; i < count; i++)
		last = widths[i] != 0 ? i : last;
	for (size_t i = 0; i < count; i++)
		if (widths[i] != 0)
			table_cell(columns[i].title, widths[i], i == last, false);
	for (size_t i = 0; i < rows->count * count; i++)
		if (widths[i % count] != 0)
			table_cell(cells[i], widths[i % count], i % count == last, colour);
	if (lost != NULL)
		(void)fprintf(stderr,
			      "regcred: the terminal is too narrow for all columns, from %s on: "
			      "widen it, or use --json\n",
			      lost);
	return EXIT_OK;
}

int
call_print(struct client_call *c, const struct shown *columns, size_t count,
	   const struct call_rows *rows)
{
	bool json = arguments_find(c->arguments, "json") != NULL;
	bool quiet = arguments_find(c->arguments, "quiet") != NULL;
	int status = EXIT_OK;

	if (!json && !quiet)
		return table_rows(c, columns, count, rows);
	for (size_t i = 0; status == EXIT_OK && i < rows->count; i++)
		if (json)
			status = table_json(c, rows->items[i]);
		else
			(void)puts(client_text(rows->items[i], "id"));
	return status;
}

int
call_print_one(struct client_call *c, const struct json *row)
{
	static const char *const dull[] = {"actions",	 "links",    "data",
					   "type",	 "baseType", "uuid",
					   "removeTime", "kind",     "transitioning"};

	if (arguments_find(c->arguments, "json") != NULL)
		return table_json(c, row);
	if (arguments_find(c->arguments, "quiet") != NULL)
		return puts(client_text(row, "id")) >= 0 ? EXIT_OK : EXIT_FAILED;
	for (const struct json *m = row->child; m != NULL; m = m->next) {
		size_t len = strlen(m->name);
		/* ...TS: the same time in milliseconds */
		bool shown =
			m->type != JSON_NULL && (len < 2 || strcmp(m->name + len - 2, "TS") != 0);

		for (size_t i = 0; i < sizeof(dull) / sizeof(*dull); i++)
			shown = shown && strcmp(m->name, dull[i]) != 0;
		const char *text = m->type == JSON_STRING ? m->text : json_text(c, m);
		int64_t ms;
		if (!shown || text == NULL)
			continue;
		(void)printf("%-22s  ", m->name);
		text_print_plain(stdout, text);
		if (m->type == JSON_STRING && date_read(text, &ms) && strchr(text, 'T') != NULL)
			(void)printf("  (%s)", call_when(c, row, m->name));
		(void)putchar('\n');
	}
	return EXIT_OK;
}
