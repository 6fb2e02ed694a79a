/* session: what the commands of regcred share: their options, the open store, tables on a terminal.
 */
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

enum { COLUMN_MAX = 129 }; /* bytes of a column that are shown, and a NUL */

const char *
session_option(const struct arguments *arguments, const char *name, const char *fallback)
{
	for (size_t i = 0; i < arguments->option_count; i++)
		if (strcmp(arguments->options[i].name, name) == 0)
			return arguments->options[i].value;
	return fallback;
}

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
	(void)fprintf(stderr, "regcred: %s%s%s%s%s\n", err_code(e->code),
		      e->field != NULL ? ": " : "", e->field != NULL ? e->field : "",
		      e->detail != NULL ? ": " : "", e->detail != NULL ? e->detail : "");
	return EXIT_FAILED;
}

void
print_column(const char *text, int width)
{
	char plain[COLUMN_MAX];
	size_t shown;

	(void)snprintf(plain, sizeof(plain), "%s", text != NULL ? text : "-");
	text_make_plain(plain);
	shown = http_utf8_length(plain);
	(void)fputs(plain, stdout);
	for (shown = shown < (size_t)width ? shown : (size_t)width; shown < (size_t)width + 2;
	     shown++)
		(void)putchar(' ');
}

void
print_date(const struct record *row, enum column column)
{
	char text[21] = "-";

	if (row->columns[column].type == VALUE_INT)
		date_format(row->columns[column].number, text);
	print_column(text, 20);
}

static void
print_row(struct session *s, const struct record *row)
{
	print_column(id_format(s->arena, row->type->family, record_id(row)), 8);
	if (row->columns[COL_ACCOUNT_ID].type == VALUE_INT) {
		print_column(
			id_format(s->arena, &family_account, row->columns[COL_ACCOUNT_ID].number),
			8);
		print_column(record_text(row, COL_PUBLIC_VALUE), 20);
	} else {
		print_column(record_text(row, COL_KIND), 12);
	}
	print_column(record_text(row, COL_STATE), 10);
	print_date(row, COL_CREATED);
	if ((row->type->flags & TYPE_API_KEY) != 0) {
		print_date(row, COL_EXPIRES);
		print_date(row, COL_LAST_USED);
		print_column(record_text(row, COL_LAST_ADDRESS), 15);
		print_column(record_text(row, COL_ROLE), 8);
	}
	print_column(record_text(row, COL_NAME), 0);
	(void)putchar('\n');
}

int
session_list(struct session *s, const char *type_id)
{
	struct list_request request = {.all = true, .paged = true};
	struct record_list rows = {.more = true};
	struct error e = {0};

	request.list.limit = LIMIT_MAX;
	while (rows.more) {
		if (resource_list(&s->context, type_find(type_id), &request, &rows, &e) != ERR_NONE)
			return session_fail_error(&e);
		for (size_t i = 0; i < rows.count; i++)
			print_row(s, &rows.items[i]);
		if (rows.count > 0)
			request.list.from = (struct position){
				.set = true, .id = record_id(&rows.items[rows.count - 1])};
		arena_reset(s->arena);
	}
	return EXIT_OK;
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
				   /* the header has it as an unsigned number */
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

bool
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
