/* trail: writes to the audit log what happens to rows. */
#include "resource/trail.h"

#include <string.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "base/json_out.h"
#include "model/date.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

enum {
	LOGGED_CHARS = 255, /* of a text in the audit log */
};

enum store_rc
resource_note(struct store_tx *tx, const struct context *c, struct arena *a, const char *event,
	      int status, const struct record *row, const char *changes)
{
	const struct family *family = row->type->family;
	/* The creator of a project acts for its own account: nobody can act for the project yet. */
	bool makes_project = (row->type->flags & TYPE_PROJECT) != 0 &&
			     strcmp(event, "create") == 0 && c->actor.account_id != 0;
	const struct audit_entry entry = {
		.who = c->actor,
		.event = event,
		.resource_type = row->type->id,
		.resource_id = id_format(a, family, record_id(row)),
		.owner_id =
			makes_project ? c->actor.account_id : row->columns[family->owner].number,
		.response_code = status,
		.changes = changes,
		.at_ms = c->now_ms,
	};

	return entry.resource_id != NULL ? audit_append(tx, a, c->ring, &entry) : STORE_NO_MEMORY;
}

void
trail_write_text(struct json_out *w, const char *text)
{
	size_t chars = 0, i = 0;

	for (; text[i] != '\0'; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && chars++ == LOGGED_CHARS)
			break;
	json_begin_string(w);
	json_piece(w, arena_copy(w->arena, text, i));
	json_piece(w, text[i] != '\0' ? "\xe2\x80\xa6" : "");
	json_end_string(w);
}

static void
write_value(struct json_out *w, const struct field *field, const struct value *v)
{
	char date[21];

	if (v->type == VALUE_TEXT) {
		trail_write_text(w, v->text);
	} else if (v->type != VALUE_INT) {
		json_null(w);
	} else if (field->type == FT_BOOLEAN) {
		json_bool(w, v->number != 0);
	} else if (field->type == FT_REFERENCE) {
		json_string(w, id_format(w->arena, field->reference->family, v->number));
	} else if (field->type == FT_DATE) {
		date_format(v->number, date);
		json_string(w, date);
	} else {
		json_int(w, v->number);
	}
}

bool
trail_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
trail_same_value(const struct value *a, const struct value *b)
{
	if (a->type != VALUE_TEXT || b->type != VALUE_TEXT)
		return a->type == b->type && a->number == b->number;
	return strcmp(a->text, b->text) == 0;
}

/* The fields of these columns, {"name":{"old":...,"new":...}}: those that differ, or, without an
 * old row, those that are not null.  For a secret only that it was set. */
static void
write_changes(struct json_out *w, const struct record *old, const struct record *row,
	      uint64_t columns)
{
	for (const struct field *f = row->type->fields; f->name != NULL; f++) {
		const struct value *v = &row->columns[f->column];
		bool secret = (f->flags & F_SEALED) != 0;

		if (f->column == COL_NONE || (columns & COL_BIT(f->column)) == 0)
			continue;
		/* A field may be in the table once for each version. */
		columns &= ~COL_BIT(f->column);
		if (old != NULL ? !secret && trail_same_value(&old->columns[f->column], v)
				: v->type == VALUE_NULL)
			continue;
		json_name(w, f->name);
		json_begin_object(w);
		if (secret) {
			json_name(w, "secret");
			json_bool(w, true);
		} else {
			if (old != NULL) {
				json_name(w, "old");
				write_value(w, f, &old->columns[f->column]);
			}
			json_name(w, "new");
			write_value(w, f, v);
		}
		json_end_object(w);
	}
}

static void
write_state(struct json_out *w, const struct plan *plan, bool is_new)
{
	enum state passed[2 * PROCESS_STEPS_MAX + 1] = {plan->before};
	size_t count = 1;

	for (size_t i = 0; i < plan->count; i++) {
		const enum state next[] = {plan->steps[i].during, plan->steps[i].after};

		for (size_t j = 0; j < 2; j++)
			if (next[j] != passed[count - 1])
				passed[count++] = next[j];
	}
	json_name(w, "state");
	json_begin_object(w);
	if (!is_new) {
		json_name(w, "old");
		json_string(w, state_name(plan->before));
	}
	json_name(w, "new");
	json_string(w, state_name(plan->after));
	json_name(w, "passed");
	json_begin_array(w);
	for (size_t i = is_new ? 0 : 1; i + 1 < count; i++)
		json_string(w, state_name(passed[i]));
	json_end_array(w);
	json_end_object(w);
}

enum store_rc
trail_note_changes(struct store_tx *tx, const struct context *c, const char *event, int status,
		   const struct record *old, const struct record *row, uint64_t columns,
		   const struct plan *plan, const char *members)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, c->arena);
	json_begin_object(&w);
	write_changes(&w, old, row, columns);
	if (plan != NULL)
		write_state(&w, plan, old == NULL);
	if (members != NULL) {
		json_name(&w, "members");
		json_raw(&w, members, strlen(members));
	}
	json_end_object(&w);
	const char *text = json_out_text(&w, &len);
	return text != NULL ? resource_note(tx, c, c->arena, event, status, row, text)
			    : STORE_NO_MEMORY;
}

enum store_rc
trail_note_state(struct store_tx *tx, const struct context *c, struct arena *a, const char *event,
		 const struct record *row, const struct plan *plan)
{
	struct json_out w;
	size_t len;
	int status = strcmp(event, "delete") == 0 ? 200 : 202;

	json_out_init(&w, a);
	json_begin_object(&w);
	write_state(&w, plan, false);
	json_end_object(&w);
	const char *text = json_out_text(&w, &len);
	return text != NULL ? resource_note(tx, c, a, event, status, row, text) : STORE_NO_MEMORY;
}
