/* bodies: what tests of the store write: registries, by a body that says what it met. */
#ifndef REGCRED_TESTS_BODIES_H
#define REGCRED_TESTS_BODIES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "model/list.h"
#include "model/record.h"
#include "store/store.h"

#include "support/support.h"

static const struct owners everyone = {.all = true};

/* A list of steps that one body does. */
struct body {
	struct record *insert[4];
	enum store_rc inserted[4];
	enum column conflict;
	bool abort;
	unsigned runs;
	enum store_rc result;
};

static inline enum err
run_body(struct store_tx *tx, void *arg)
{
	struct body *b = arg;
	struct error e;

	b->runs++;
	bool conflict = false;

	for (size_t i = 0; i < COUNT_OF(b->insert) && b->insert[i] != NULL && !conflict; i++) {
		b->inserted[i] = store_insert(tx, b->insert[i]);
		conflict = b->inserted[i] == STORE_CONSTRAINT;
		if (conflict)
			b->conflict = store_conflict(tx);
	}
	return b->abort || conflict ? err_set(&e, ERR_CONFLICT, NULL, NULL) : ERR_NONE;
}

static inline struct record
registry_row(int64_t account, const char *uuid, const char *address)
{
	struct record row = {.type = &types_table[T_REGISTRY]};

	row.columns[COL_UUID] = value_text(uuid);
	row.columns[COL_KIND] = value_text("registry");
	row.columns[COL_ACCOUNT_ID] = value_int(account);
	row.columns[COL_STATE] = value_text("active");
	row.columns[COL_CREATED] = value_int(RIG_NOW);
	row.columns[COL_SERVER_ADDRESS] = value_text(address);
	return row;
}

/* A change of one row. */

struct change_body {
	int64_t id;
	enum state from, to;
	struct value columns[COL__COUNT];
	uint64_t given;
	bool update;
	enum store_rc rc;
};

static inline enum err
run_change(struct store_tx *tx, void *arg)
{
	struct change_body *b = arg;

	b->rc = b->update ? store_update(tx, &family_storage_pool, b->id, b->columns, b->given)
			  : store_transition(tx, &family_storage_pool, b->id, b->from, b->to,
					     b->columns, b->given);
	return ERR_NONE;
}

/* A path at which nothing is. */
static inline const char *
fresh_path(const char *name)
{
	static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
	char path[RIG_PATH_MAX];

	for (size_t i = 0; i < COUNT_OF(endings); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s%s", rig_dir(), name, endings[i]);
		(void)unlink(path);
	}
	return rig_path(name);
}

#endif
