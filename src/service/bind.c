/* bind: binds secrets that an older version stored to their places. */
#include "service/bind.h"

#include <inttypes.h>
#include <stdio.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "secret/seal.h"

enum {
	PAGE = 500, /* rows of one transaction */
	PAGE_ARENA = 32 * 1024 * 1024,
};

struct binding {
	struct store *store;
	const struct keyring *ring;
	struct arena *arena; /* of a page */
	struct record_list page;
	int64_t bound, bad; /* values; bad: they do not open */
};

/* Whether the row has a value that is not bound, and the same value bound. */
static enum store_rc
bind_one(struct binding *b, struct record *row, bool *due, struct value *to)
{
	bool hashed = (row->type->flags & TYPE_HASHED) != 0;
	const struct value *from = &row->columns[COL_SECRET_VALUE];

	*due = secret_is_unbound(from, hashed);
	if (!*due)
		return STORE_OK;
	enum store_rc rc = login_find_address(b->store, NULL, b->arena, row);
	if (rc != STORE_OK)
		return rc;
	const struct seal_place place = seal_place_of(row);
	if (secret_bind(b->ring, b->arena, &place, hashed, from, to))
		return STORE_OK;
	*due = false;
	b->bad++;
	return arena_failed(b->arena) ? STORE_NO_MEMORY : STORE_OK;
}

static enum err
bind_page_in_transaction(struct store_tx *tx, void *arg)
{
	struct binding *b = arg;

	for (size_t i = 0; i < b->page.count; i++) {
		struct record *row = &b->page.items[i];
		const struct value from = row->columns[COL_SECRET_VALUE];
		struct value to;
		bool due;

		if (bind_one(b, row, &due, &to) != STORE_OK)
			return ERR_INTERNAL;
		if (!due)
			continue;
		enum store_rc rc = store_replace_value(tx, &family_credential, record_id(row),
						       COL_SECRET_VALUE, &from, &to);
		if (rc != STORE_OK && rc != STORE_NONE)
			return ERR_INTERNAL;
		b->bound += rc == STORE_OK;
	}
	return ERR_NONE;
}

static enum store_rc
bind_all(struct binding *b)
{
	struct list_query q = {.family = &family_credential,
			       .owners = owners_all,
			       .with_removed = true,
			       .limit = PAGE};

	b->page = (struct record_list){.more = true};
	while (b->page.more) {
		arena_reset(b->arena);
		enum store_rc rc = store_list(b->store, b->arena, &q, &b->page);
		if (rc == STORE_OK)
			rc = store_write_freeing(b->store, bind_page_in_transaction, b);
		if (rc != STORE_OK)
			return rc;
		if (b->page.count > 0)
			q.from = (struct position){
				.set = true, .id = record_id(&b->page.items[b->page.count - 1])};
	}
	return STORE_OK;
}

static enum err
bind_end_in_transaction(struct store_tx *tx, void *arg)
{
	const struct binding *b = arg;
	char changes[64];

	(void)snprintf(changes, sizeof(changes), "{\"values\":%" PRId64 "}", b->bound);
	const struct audit_entry entry = {.who.via = "command",
					  .event = "secretsBound",
					  .changes = changes,
					  .at_ms = clock_wall_ms()};
	return audit_append_bound(tx, b->arena, b->ring, &entry) == STORE_OK ? ERR_NONE
									     : ERR_INTERNAL;
}

bool
bind_secrets(struct store *s, const struct keyring *ring, char why[CONFIG_WHY_MAX])
{
	struct binding b = {.store = s, .ring = ring};
	bool unbound = false;
	enum store_rc rc = audit_is_unbound(s, ring, &unbound);

	if (rc == STORE_OK && !unbound)
		return true;
	if (rc == STORE_OK) {
		b.arena = arena_new(PAGE_ARENA);
		rc = b.arena != NULL ? bind_all(&b) : STORE_NO_MEMORY;
	}
	if (rc == STORE_OK)
		rc = store_write_freeing(s, bind_end_in_transaction, &b);
	arena_free(b.arena);
	if (rc != STORE_OK) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "the stored secrets cannot be bound to their rows: the database "
			       "cannot be read or written, or the disk is full");
		return false;
	}
	log_info("%" PRId64 " stored secrets are now bound to their rows and registries", b.bound);
	if (b.bad > 0)
		log_warn("%" PRId64 " stored secrets do not open with any key and were left: give "
			 "these logins a new password",
			 b.bad);
	return true;
}
