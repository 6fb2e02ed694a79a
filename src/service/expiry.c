/* expiry: what ends soon, and what is not renewed. */
#include "service/expiry.h"

#include <string.h>

#include "model/process.h"
#include "model/schema.h"
#include "model/source.h"

_Static_assert((int)BOARD_WITHIN <= (int)EXPIRY_SPANS_MAX && (int)BOARD_UNUSED == (int)USE_SPANS,
	       "the store counts all of them");
_Static_assert((int)ST__COUNT <= (int)BOARD_STATES, "a counter for each");

/* 0 is none. */
static void
expiry_take_first(_Atomic int64_t *first, int64_t ms)
{
	if (ms != 0 && (*first == 0 || ms < *first))
		*first = ms;
}

static void
expiry_add(const struct expiry_count *count, struct board_expiry *out)
{
	bool is_login = strcmp(count->kind, types_table[T_REGISTRY_CREDENTIAL].kind) == 0;
	const struct source_row *source = count->source != NULL ? source_find(count->source) : NULL;

	if (is_login)
		expiry_take_first(source != NULL ? &out->next_ms[source - source_table]
						 : &out->next_ms[BOARD_SOURCES],
				  count->next_ms);
	out->overdue += count->overdue;
	expiry_take_first(&out->first_due_ms, count->first_due_ms);
	for (size_t i = 0; i < BOARD_WITHIN && count->source == NULL; i++)
		if (is_login)
			out->logins[i] += count->within[i];
		else if (strcmp(count->kind, types_table[T_API_KEY].kind) == 0)
			out->keys[i] += count->within[i];
}

enum store_rc
expiry_look(struct store *s, struct arena *a, int64_t now_ms, struct board_expiry *out)
{
	struct expiry_count *counts;
	size_t count;
	enum store_rc rc =
		store_count_expiring(s, a, now_ms, board_within_ms, BOARD_WITHIN, &counts, &count);

	if (rc != STORE_OK)
		return rc;
	out->looked_ms = now_ms;
	for (size_t i = 0; i < count; i++)
		expiry_add(&counts[i], out);
	return STORE_OK;
}

static void
expiry_add_logins(const struct use_count *count, struct board_expiry *out)
{
	size_t check = BOARD_RESULTS;
	enum state state;

	if (!state_parse(count->state, &state))
		return;
	for (size_t i = 0; count->verification != NULL && verification_results[i] != NULL; i++)
		if (strcmp(verification_results[i], count->verification) == 0)
			check = i;
	out->states[state][check] += count->rows;
	for (size_t i = 0; i < BOARD_UNUSED && state == ST_ACTIVE; i++)
		out->unused[i] += count->unused[i];
}

enum store_rc
expiry_count_logins(struct store *s, struct arena *a, int64_t now_ms, struct board_expiry *out)
{
	const char *kind = types_table[T_REGISTRY_CREDENTIAL].kind;
	int64_t before[BOARD_UNUSED];
	struct use_count *counts;
	size_t count;

	for (size_t i = 0; i < BOARD_UNUSED; i++)
		before[i] = now_ms - board_unused_ms[i];
	enum store_rc rc = store_count_use(s, a, kind, before, &counts, &count);
	for (size_t i = 0; rc == STORE_OK && i < count; i++)
		expiry_add_logins(&counts[i], out);
	return rc;
}
