/* session: what the commands of regcred share: options, the open store, tables on a terminal. */
#include "cli/session.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/repr.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/exit.h"
#include "base/http.h"
#include "base/json_out.h"
#include "base/text.h"
#include "model/date.h"
#include "model/list.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"

enum { CELL_MAX = 128 }; /* bytes of a cell to show */

int
session_fail(const char *what)
{
	(void)fputs("regcred: ", stderr);
	text_print_plain(stderr, what);
	(void)fputc('\n', stderr);
	return EXIT_FAILED;
}

int
session_fail_error(const struct error *e)
{
	/* The detail speaks of the API's schemas. */
	const char *detail = e->code == ERR_INVALID_OPTION && e->field != NULL
				     ? "not one of its values: --help after the command lists them"
				     : e->detail;

	(void)fprintf(stderr, "regcred: %s%s%s%s%s\n", err_code(e->code),
		      e->field != NULL ? ": " : "", e->field != NULL ? e->field : "",
		      detail != NULL ? ": " : "", detail != NULL ? detail : "");
	return EXIT_FAILED;
}

const char *
show_text(struct session *s, const struct record *row, enum column column)
{
	(void)s;
	return record_text(row, column);
}

const char *
show_date(struct session *s, const struct record *row, enum column column)
{
	char text[21];

	if (row->columns[column].type != VALUE_INT)
		return NULL;
	date_format(row->columns[column].number, text);
	return arena_strdup(s->arena, text);
}

const char *
show_id(struct session *s, const struct record *row, enum column column)
{
	return id_format(s->arena, row->type->family, row->columns[column].number);
}

const char *
show_account(struct session *s, const struct record *row, enum column column)
{
	return id_format(s->arena, &family_account, row->columns[column].number);
}

/* The visible part of a cell; NULL if out of memory. */
static char *
cell_text(struct session *s, const struct table_column *column, const struct record *row)
{
	const char *text = column->text(s, row, column->column);
	char *plain = arena_printf(s->arena, "%.*s", CELL_MAX, text != NULL ? text : "-");

	if (plain != NULL)
		text_make_plain(plain);
	return plain;
}

static void
print_cell(const char *text, size_t width, bool last)
{
	(void)fputs(text, stdout);
	for (size_t shown = http_utf8_length(text); !last && shown < width + 2; shown++)
		(void)putchar(' ');
	if (last)
		(void)putchar('\n');
}

/* Columns are as wide as their content. False if out of memory. */
static bool
print_table(struct session *s, const struct table_column *columns, size_t count,
	    const struct record *rows, size_t row_count, bool titles)
{
	char **cells = arena_array(s->arena, row_count * count + 1, sizeof(*cells));
	size_t *widths = arena_array(s->arena, count, sizeof(*widths));

	if (cells == NULL || widths == NULL)
		return false;
	for (size_t c = 0; c < count; c++)
		widths[c] = strlen(columns[c].title);
	for (size_t i = 0; i < row_count * count; i++) {
		cells[i] = cell_text(s, &columns[i % count], &rows[i / count]);
		size_t len = cells[i] != NULL ? http_utf8_length(cells[i]) : 0;
		if (cells[i] == NULL)
			return false;
		widths[i % count] = len > widths[i % count] ? len : widths[i % count];
	}
	for (size_t c = 0; titles && c < count; c++)
		print_cell(columns[c].title, widths[c], c + 1 == count);
	for (size_t i = 0; i < row_count * count; i++)
		print_cell(cells[i], widths[i % count], i % count + 1 == count);
	return true;
}

static bool
print_json(struct session *s, const struct record *row)
{
	const struct pairs no_query = {0};
	const struct view view = {.context = &s->context,
				  .root = "/v1",
				  .scope = "/v1",
				  .page = "",
				  .query = &no_query};
	struct json_out w;
	size_t len;

	repr_init();
	json_out_init(&w, s->arena);
	repr_resource(&w, &view, row, NULL, NULL);
	const char *text = json_out_text(&w, &len);
	if (text != NULL)
		(void)puts(text);
	return text != NULL;
}

int
session_list(struct session *s, const char *type_id, struct list_request *request, size_t most,
	     const struct table_column *columns, size_t count)
{
	bool json = arguments_find(s->arguments, "json") != NULL, first = true, done = true;
	struct record_list rows = {.more = true};
	struct error e = {0};

	while (rows.more && most > 0 && done) {
		arena_reset(s->arena);
		if (resource_list(&s->context, type_find(type_id), request, &rows, &e) != ERR_NONE)
			return session_fail_error(&e);
		size_t shown = rows.count < most ? rows.count : most;
		for (size_t i = 0; json && done && i < shown; i++)
			done = print_json(s, &rows.items[i]);
		if (!json)
			done = print_table(s, columns, count, rows.items, shown, first);
		first = false;
		most -= shown;
		if (rows.count > 0)
			request->list.from = (struct position){
				.set = true, .id = record_id(&rows.items[rows.count - 1])};
	}
	return done ? EXIT_OK : session_fail("out of memory");
}

volatile sig_atomic_t stop_asked;

static void
on_stop(int number)
{
	(void)number;
	stop_asked = 1;
}

bool
stop_was_asked(void)
{
	return stop_asked != 0;
}

void
stop_on_signals(void)
{
	struct sigaction action = {.sa_handler = on_stop,
				   /* the system header defines it as unsigned */
				   .sa_flags = (int)SA_RESETHAND | SA_RESTART};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

size_t
session_read_count(const char *text, size_t max)
{
	enum { DIGITS_MAX = 9 };
	size_t value = 0, len = strlen(text);

	if (len == 0 || len > DIGITS_MAX || strspn(text, "0123456789") != len)
		return 0;
	for (const char *p = text; *p != '\0'; p++)
		value = value * 10 + (size_t)(*p - '0');
	return value <= max ? value : 0;
}
