/* warn: tells of logins and keys that are about to expire. */
#include "resource/warn.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/text.h"
#include "model/date.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "resource/renewal.h"
#include "resource/resource.h"

enum {
	PAGE = 200, /* rows of one transaction */
	PAGE_ARENA = 16 * 1024 * 1024,
	EXPIRED = 0, /* values of `warned` that are no thresholds */
	OVERDUE = 1,
	NOTHING = -1,
};

static const char default_thresholds[] = "1209600 604800 86400"; /* as expiryWarnings has */

struct warning_pass {
	struct store *store;
	const struct keyring *ring;
	struct arena *arena; /* of a page */
	int64_t now_ms;
	struct record_list page;
	size_t told, done;
};

static bool
is_in_use(const struct record *row)
{
	enum state state = record_state(row);

	return state == ST_ACTIVE || state == ST_UPDATING_ACTIVE;
}

/* The smallest threshold of the list that the rest is within; NOTHING: none.  Those that are longer
 * than the whole life would warn of a key for an hour as soon as it is made. */
static int64_t
threshold_of(const char *list, int64_t life_ms, int64_t rest_ms)
{
	char one[LIST_ITEM_SIZE];
	int64_t found = NOTHING;

	while (list_next(&list, one)) {
		int64_t seconds = strtoll(one, NULL, 10);

		if (rest_ms <= seconds * 1000 && seconds * 1000 < life_ms &&
		    (found == NOTHING || seconds < found))
			found = seconds;
	}
	return found;
}

/* What the row is to be told of now. */
static int64_t
due_warning(const struct record *row, const char *thresholds, int64_t now_ms)
{
	int64_t rest_ms = row->columns[COL_EXPIRES].number - now_ms;
	int64_t life_ms = row->columns[COL_EXPIRES].number - row->columns[COL_CREATED].number;
	const struct value *warned = &row->columns[COL_WARNED];
	int64_t due;

	if (rest_ms <= 0)
		due = EXPIRED;
	else if (record_text(row, COL_SOURCE) == NULL)
		due = threshold_of(thresholds, life_ms, rest_ms);
	else
		due = renewal_is_overdue(row, now_ms) ? OVERDUE : NOTHING;
	return warned->type == VALUE_INT && warned->number <= due ? NOTHING : due;
}

static const char *
changes_of(struct arena *a, const struct record *row, int64_t due)
{
	char date[21], span[SPAN_TEXT_SIZE];

	date_format(row->columns[COL_EXPIRES].number, date);
	date_format_span(due, span);
	return due > OVERDUE
		       ? arena_printf(a, "{\"expiresAt\":\"%s\",\"within\":\"%s\"}", date, span)
		       : arena_printf(a, "{\"expiresAt\":\"%s\"}", date);
}

static enum store_rc
warn_tell(struct store_tx *tx, struct warning_pass *p, const struct record *row, int64_t due)
{
	const struct context context = {.ring = p->ring,
					.actor = {.via = "housekeeper", .request_id = "sweep"},
					.now_ms = p->now_ms};
	const char *changes = changes_of(p->arena, row, due);
	struct value columns[COL__COUNT] = {0};

	if (changes == NULL)
		return STORE_NO_MEMORY;
	columns[COL_WARNED] = value_int(due);
	enum store_rc rc =
		store_update(tx, &family_credential, record_id(row), columns, COL_BIT(COL_WARNED));
	if (rc != STORE_OK)
		return rc;
	p->told++;
	return resource_note(tx, &context, p->arena,
			     due == EXPIRED   ? "expired"
			     : due == OVERDUE ? "overdue"
					      : "expiring",
			     0, row, changes);
}

/* The thresholds of the row's project. */
static enum store_rc
thresholds_of(struct store_tx *tx, struct warning_pass *p, const struct record *row,
	      const char **out)
{
	struct record account;
	enum store_rc rc = store_tx_get(tx, p->arena, &family_account,
					row->columns[COL_ACCOUNT_ID].number, &owners_all, &account);

	*out = rc == STORE_OK ? record_text(&account, COL_EXPIRY_WARNINGS) : NULL;
	if (*out == NULL)
		*out = default_thresholds;
	return rc == STORE_NONE ? STORE_OK : rc;
}

/* Reads each row once more: another pass may have told it. */
static enum err
warn_in_transaction(struct store_tx *tx, void *arg)
{
	struct warning_pass *p = arg;
	enum store_rc rc = STORE_OK;

	p->told = 0;
	for (size_t i = 0; rc == STORE_OK && i < p->page.count; i++) {
		const char *thresholds;
		struct record row;

		rc = store_tx_get(tx, p->arena, &family_credential, record_id(&p->page.items[i]),
				  &owners_all, &row);
		if (rc == STORE_NONE || (rc == STORE_OK && !is_in_use(&row))) {
			rc = STORE_OK;
			continue;
		}
		if (rc == STORE_OK)
			rc = thresholds_of(tx, p, &row, &thresholds);
		if (rc != STORE_OK || row.columns[COL_EXPIRES].type != VALUE_INT)
			continue;
		int64_t due = due_warning(&row, thresholds, p->now_ms);
		if (due != NOTHING)
			rc = warn_tell(tx, p, &row, due);
	}
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

/* Whether a row of the page may have to be told, judged without its project. */
static bool
may_be_due(const struct warning_pass *p, const char *thresholds)
{
	for (size_t i = 0; i < p->page.count; i++)
		if (is_in_use(&p->page.items[i]) &&
		    due_warning(&p->page.items[i], thresholds, p->now_ms) != NOTHING)
			return true;
	return false;
}

/* The rows of a query, page by page, against their projects' thresholds.  A page where none is due
 * takes no lock. */
static enum store_rc
walk_pages(struct warning_pass *p, struct list_query *q, const char *thresholds)
{
	enum store_rc rc = STORE_OK;

	p->page = (struct record_list){.more = true};
	q->from = (struct position){0};
	while (rc == STORE_OK && p->page.more) {
		arena_reset(p->arena);
		rc = store_list(p->store, p->arena, q, &p->page);
		if (rc != STORE_OK || p->page.count == 0)
			break;
		q->from = (struct position){.set = true,
					    .id = record_id(&p->page.items[p->page.count - 1])};
		if (may_be_due(p, thresholds))
			rc = store_write(p->store, warn_in_transaction, p);
		p->done += rc == STORE_OK ? p->told : 0;
		p->told = 0;
	}
	return rc;
}

static int64_t
longest_of(const char *thresholds)
{
	char one[LIST_ITEM_SIZE];
	int64_t longest = 0;

	while (list_next(&thresholds, one)) {
		int64_t seconds = strtoll(one, NULL, 10);

		longest = seconds > longest ? seconds : longest;
	}
	return longest;
}

/* Of one account, or of all, what ends within the longest of the thresholds. */
static enum store_rc
walk_accounts(struct warning_pass *p, const struct owners *owners, const char *thresholds)
{
	static const enum type_place types[] = {T_REGISTRY_CREDENTIAL, T_API_KEY};
	int64_t until_ms = p->now_ms + longest_of(thresholds) * 1000;
	enum store_rc rc = STORE_OK;

	for (size_t i = 0; rc == STORE_OK && i < 4; i++) {
		struct list_query q = {.family = &family_credential,
				       .kind = types_table[types[i / 2]].kind,
				       .owners = *owners,
				       .condition_count = 2,
				       .limit = PAGE};

		q.conditions[0] = (struct condition){
			.column = COL_EXPIRES, .op = OP_LTE, .value = value_int(until_ms)};
		q.conditions[1] = (struct condition){.column = COL_WARNED,
						     .op = i % 2 == 0 ? OP_NULL : OP_GT,
						     .value = value_int(EXPIRED)};
		rc = walk_pages(p, &q, thresholds);
	}
	return rc;
}

/* Projects with thresholds of their own may warn earlier than all the others. */
static enum store_rc
walk_projects(struct warning_pass *p)
{
	struct list_query q = {.family = &family_account,
			       .kind = types_table[T_PROJECT].kind,
			       .owners = owners_all,
			       .condition_count = 1,
			       .limit = PAGE};
	struct record_list projects = {.more = true};
	struct arena *arena = arena_new(PAGE_ARENA);
	enum store_rc rc = arena != NULL ? STORE_OK : STORE_NO_MEMORY;

	q.conditions[0] = (struct condition){.column = COL_EXPIRY_WARNINGS, .op = OP_NOT_NULL};
	while (rc == STORE_OK && projects.more) {
		arena_reset(arena);
		rc = store_list(p->store, arena, &q, &projects);
		for (size_t i = 0; rc == STORE_OK && i < projects.count; i++) {
			const char *list = record_text(&projects.items[i], COL_EXPIRY_WARNINGS);
			int64_t id = record_id(&projects.items[i]);
			const struct owners owner = {.ids = &id, .count = 1};

			rc = walk_accounts(p, &owner, list);
			q.from = (struct position){.set = true, .id = id};
		}
	}
	arena_free(arena);
	return rc;
}

enum store_rc
warn_sweep(struct store *s, const struct keyring *ring, int64_t now_ms, size_t *done)
{
	struct warning_pass p = {
		.store = s, .ring = ring, .now_ms = now_ms, .arena = arena_new(PAGE_ARENA)};
	enum store_rc rc = p.arena != NULL ? STORE_OK : STORE_NO_MEMORY;

	if (rc == STORE_OK)
		rc = walk_projects(&p);
	if (rc == STORE_OK)
		rc = walk_accounts(&p, &owners_all, default_thresholds);
	arena_free(p.arena);
	*done = p.done;
	return rc;
}
