/* renewal: what a change means for a login whose secret comes from a source. */
#include "resource/renewal.h"

#include <string.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "access/power.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "model/source.h"
#include "resource/resource.h"
#include "resource/trail.h"

static bool
column_is_given(uint64_t columns, enum column column)
{
	return (columns & COL_BIT(column)) != 0;
}

static const char *
old_text(const struct record *old, enum column column)
{
	return old != NULL ? record_text(old, column) : NULL;
}

static bool
has_source_secret(const struct record *old)
{
	return old != NULL && old->columns[COL_SOURCE_SECRET].type != VALUE_NULL;
}

/* Whether the source would be asked for something else than before. */
static bool
source_differs(const struct record *old, const struct record *row)
{
	return !trail_same_text(old_text(old, COL_SOURCE), record_text(row, COL_SOURCE)) ||
	       !trail_same_text(old_text(old, COL_SOURCE_CONFIG),
				record_text(row, COL_SOURCE_CONFIG));
}

/* A login without a source, or that loses it. */
static enum err
check_without(const struct record *old, const struct record *row, const struct change *change,
	      struct error *e)
{
	if (old_text(old, COL_SOURCE) != NULL)
		return ERR_NONE;
	if (record_text(row, COL_SOURCE_CONFIG) != NULL)
		return err_set(
			e, ERR_INVALID_OPTION, "sourceConfig",
			"The login has no source, and this field is for one: send source as well.");
	if (change->source_secret != NULL)
		return err_set(
			e, ERR_INVALID_OPTION, "sourceSecret",
			"The login has no source, and this field is for one: send source as well.");
	return ERR_NONE;
}

/* A key for some logins lets no program, file or machine of the server sign in for them. */
static enum err
check_rights(const struct context *c, const struct record *old, const struct record *row,
	     const struct json *config, struct error *e)
{
	const struct source_row *source = source_find(record_text(row, COL_SOURCE));

	if (!power_is_for_logins(&c->id->key) || !source_differs(old, row) ||
	    !source_uses_server(source, config))
		return ERR_NONE;
	return err_set(e, ERR_INVALID_OPTION, "source",
		       "This key is limited to some logins, and the source would use the server's "
		       "own rights: name a key of its own in sourceConfig, or use a key without "
		       "registryIds and pathPrefixes.");
}

static enum err
check_config(const struct context *c, const struct record *row, const struct json **out,
	     struct error *e)
{
	const struct source_row *source = source_find(record_text(row, COL_SOURCE));
	const char *text = record_text(row, COL_SOURCE_CONFIG);
	struct json *config;

	if (source == NULL)
		return err_set(e, ERR_INVALID_OPTION, "source", NULL);
	if (text == NULL)
		text = "{}";
	if (json_parse(c->arena, text, strlen(text), &config, e) != ERR_NONE)
		return e->code;
	*out = config;
	return source_check(source, config, c->arena, e);
}

static enum err
check_source_secret(const struct context *c, const struct record *old, const struct record *row,
		    const struct change *change, struct error *e)
{
	const struct source_row *source = source_find(record_text(row, COL_SOURCE));
	bool differs = source_differs(old, row);

	if (change->source_secret != NULL)
		return ERR_NONE;
	if (differs && has_source_secret(old))
		return err_set(e, ERR_MISSING_REQUIRED, "sourceSecret",
			       "The source or its sourceConfig changes, which decides where the "
			       "sourceSecret is sent: send it again.");
	if (source->needs_secret && !has_source_secret(old))
		return err_set(e, ERR_MISSING_REQUIRED, "sourceSecret",
			       arena_printf(c->arena,
					    "The source \"%s\" needs a sourceSecret: send it.",
					    source->name));
	if (differs && power_is_for_logins(&c->id->key))
		return err_set(e, ERR_MISSING_REQUIRED, "sourceSecret",
			       "This key is limited to some logins, and a source without a "
			       "sourceSecret uses the server's own rights: send one, or use a key "
			       "without registryIds and pathPrefixes.");
	return ERR_NONE;
}

/* A caller who reads the password may send it back; for others that would tell whether they have
 * guessed it. */
static bool
sends_back_secret(const struct context *c, const struct record *old, const char *secret)
{
	const char *now = old != NULL ? login_open(c, old, OPEN_TO_SHOW) : NULL;

	return now != NULL && strcmp(now, secret) == 0;
}

static enum err
check_secret(const struct context *c, const struct record *old, const struct change *change,
	     uint64_t *columns, struct error *e)
{
	const char *secret = change->secret;

	if (column_is_given(*columns, COL_SECRET_VALUE) && secret != NULL && *secret != '\0' &&
	    !sends_back_secret(c, old, secret))
		return err_set(e, ERR_INVALID_OPTION, "secretValue",
			       "The login's source gives it its secret: set source to null first, "
			       "or leave secretValue out.");
	*columns &= ~COL_BIT(COL_SECRET_VALUE);
	return ERR_NONE;
}

static enum err
check_expires(const struct record *old, struct record *row, uint64_t *columns, struct error *e)
{
	static const struct value none = {.type = VALUE_NULL};
	const struct value *before = old != NULL ? &old->columns[COL_EXPIRES] : &none;
	struct value *expires = &row->columns[COL_EXPIRES];

	if (column_is_given(*columns, COL_EXPIRES) && expires->type == VALUE_INT &&
	    expires->number / 1000 != before->number / 1000)
		return err_set(e, ERR_INVALID_OPTION, "expiresAt",
			       "The login's source says when its secret expires: set source to "
			       "null first, or leave expiresAt out.");
	*expires = *before;
	*columns &= ~COL_BIT(COL_EXPIRES);
	return ERR_NONE;
}

enum err
renewal_check(const struct context *c, const struct record *old, struct record *row,
	      const struct change *change, uint64_t *columns, struct error *e)
{
	const struct json *config = NULL;

	if ((row->type->flags & TYPE_VERIFIED) == 0)
		return ERR_NONE;
	if (change->source_secret == NULL)
		*columns &= ~COL_BIT(COL_SOURCE_SECRET);
	if (record_text(row, COL_SOURCE) == NULL)
		return check_without(old, row, change, e);
	if (check_config(c, row, &config, e) != ERR_NONE ||
	    check_source_secret(c, old, row, change, e) != ERR_NONE ||
	    check_rights(c, old, row, config, e) != ERR_NONE ||
	    check_secret(c, old, change, columns, e) != ERR_NONE ||
	    check_expires(old, row, columns, e) != ERR_NONE)
		return e->code;
	return arena_failed(c->arena) ? err_set(e, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}

static uint64_t
clear_columns(struct record *row, const enum column *columns, size_t count)
{
	uint64_t cleared = 0;

	for (size_t i = 0; i < count; i++) {
		row->columns[columns[i]] = value_null();
		cleared |= COL_BIT(columns[i]);
	}
	return cleared;
}

#define CLEAR(row, columns) clear_columns(row, columns, sizeof(columns) / sizeof(*(columns)))

uint64_t
renewal_follow(const struct context *c, const struct record *old, struct record *row,
	       uint64_t columns)
{
	static const enum column outcome[] = {COL_REFRESH_RESULT, COL_REFRESH_MESSAGE,
					      COL_REFRESH_STATUS, COL_REFRESH_ATTEMPT,
					      COL_REFRESH_DUE};
	static const enum column of_source[] = {COL_SOURCE_HANDLE, COL_REFRESHED, COL_SOURCE_CONFIG,
						COL_SOURCE_SECRET};
	const char *source = record_text(row, COL_SOURCE);
	uint64_t followed;

	if ((row->type->flags & TYPE_VERIFIED) == 0 ||
	    (source == NULL && old_text(old, COL_SOURCE) == NULL) ||
	    (!source_differs(old, row) && !column_is_given(columns, COL_SOURCE_SECRET)))
		return 0;
	const int64_t due_ms = old != NULL ? renewal_due(old, c->now_ms) : c->now_ms;

	followed = CLEAR(row, outcome);
	if (due_ms != c->now_ms) /* it is being asked */
		row->columns[COL_REFRESH_ATTEMPT] = old->columns[COL_REFRESH_ATTEMPT];
	if (source == NULL)
		return followed | CLEAR(row, of_source);
	if (old != NULL && record_state(old) == ST_PURGED) /* what was sent now is not stored */
		return followed | clear_columns(row, (enum column[]){COL_SOURCE_SECRET}, 1);
	if (!trail_same_text(old_text(old, COL_SOURCE), source))
		followed |= clear_columns(row, of_source, 2); /* config and secret are new */
	/* What is inactive is renewed once it is activated. */
	if (old == NULL || record_state(old) != ST_INACTIVE)
		row->columns[COL_REFRESH_DUE] = value_int(due_ms);
	return followed;
}

/* refresh_attempt is the number of attempts, or less than 0 while one is under way at a source that
 * may be asked by one at a time. */
int64_t
renewal_due(const struct record *row, int64_t now_ms)
{
	const struct value *attempt = &row->columns[COL_REFRESH_ATTEMPT];
	int64_t until_ms = attempt->type == VALUE_INT ? -attempt->number : 0;

	return until_ms > now_ms ? until_ms + RENEWAL_AFTER_MS : now_ms;
}

bool
renewal_is_overdue(const struct record *row, int64_t now_ms)
{
	const char *result = record_text(row, COL_REFRESH_RESULT);
	const struct value *expires = &row->columns[COL_EXPIRES];
	const struct value *refreshed = &row->columns[COL_REFRESHED];

	if (record_text(row, COL_SOURCE) == NULL || result == NULL ||
	    strcmp(result, "refreshed") == 0)
		return false;
	if (refreshed->type != VALUE_INT)
		return true;
	return expires->type == VALUE_INT &&
	       (expires->number - now_ms) * 4 < expires->number - refreshed->number;
}
