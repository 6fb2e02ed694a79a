/* rekey: the steps of a rotation.
 *
 * Each step can be interrupted anywhere and repeated. Old sealed values leave the write-ahead log
 * before the old key leaves the key file: a file with only one key means that everything is done.
 */
#include "service/rekey.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "secret/key_file.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "service/rekey_lease.h"
#include "service/sealed.h"
#include "store/store.h"

enum {
	PAGE = 500, /* rows read at a time */
	PAGE_ARENA = 32 * 1024 * 1024,
	CHECK_ARENA = 256 * 1024,
	BAD_NAMED = 5,		/* unreadable rows to name in the report */
	ROUNDS_MAX = 20,	/* passes before giving up: an old process may seal on */
	SETTLE_MS = 100 * 1000, /* how long readers may delay the end */
	QUIET_MS = 2000,	/* a faster run shows no progress */
	TELL_MS = 1000,		/* between progress lines */
	STEP_MS = 50,		/* pauses are split so that a signal ends them soon */
	LAST_PAUSE_MS = 500,	/* for requests that still hold an old version of a row */
};

/* A value to reseal. */
struct item {
	int64_t id;
	struct value from, to;
};

struct rotation {
	const struct rekey *r;
	char holder[REKEY_HOLDER_SIZE]; /* of the lease */
	struct arena *arena;
	int64_t primary;
	int64_t todo, done; /* values */
	int64_t began_ms, told_ms;
	bool looks; /* read-only run */
	/* Of the last pass: */
	size_t changed; /* values that open but were not sealed with the primary */
	size_t bad;	/* values that do not open */
	int64_t bad_ids[BAD_NAMED];
	const struct family *bad_family;
	char *why;
};

static bool
rekey_failed(struct rotation *x, const char *what)
{
	(void)snprintf(x->why, SECRET_WHY_MAX, "%s; run `regcred rekey` again to continue", what);
	return false;
}

static bool
failed_store(struct rotation *x, enum store_rc rc)
{
	switch (rc) {
	case STORE_FULL:
		return rekey_failed(x, "the disk is full");
	case STORE_BUSY:
		return rekey_failed(x, "the database is busy");
	case STORE_NO_MEMORY:
		return rekey_failed(x, "out of memory");
	case STORE_OK:
	case STORE_NONE:
	case STORE_CONSTRAINT:
	case STORE_ABORTED:
	case STORE_FAILED:
	case STORE_UNKNOWN:
		break;
	}
	return rekey_failed(x, "the database cannot be read or written: look at its disk");
}

static bool
is_stopped(const struct rotation *x)
{
	return x->r->stop != NULL && *x->r->stop != 0;
}

static bool
wait_until(struct rotation *x, int64_t then_ms)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	while (clock_ms() < then_ms && !is_stopped(x))
		(void)nanosleep(&step, NULL);
	return is_stopped(x) ? rekey_failed(x, "interrupted") : true;
}

/* The audit log */

/* Records a step in its transaction: the key, and the number of values. */
static enum store_rc
note(struct store_tx *tx, const struct keyring *ring, const char *event, int64_t key, size_t values)
{
	struct arena *a = arena_new(CHECK_ARENA);
	struct audit_entry entry = {.who.via = "command", .event = event, .at_ms = clock_wall_ms()};
	enum store_rc rc = STORE_NO_MEMORY;

	if (a == NULL)
		return STORE_NO_MEMORY;
	entry.changes =
		values > 0 ? arena_printf(a, "{\"key\":%" PRId64 ",\"values\":%zu}", key, values)
			   : arena_printf(a, "{\"key\":%" PRId64 "}", key);
	if (entry.changes != NULL)
		rc = audit_append(tx, a, ring, &entry);
	arena_free(a);
	return rc;
}

static enum err
lease_in_transaction(struct store_tx *tx, void *arg)
{
	struct rotation *x = arg;

	return rekey_lease_keep(tx, x->holder, x->why);
}

/* A change of the key file, with what the audit log says of it; NULL: nothing. */
struct key_change {
	struct rotation *rotation;
	bool (*make)(const char *path, uint32_t id, char why[SECRET_WHY_MAX]);
	uint32_t id;
	const char *event;
};

/* Holds the writers' lock meanwhile: who was stopped here for longer than the lease lasts still
 * keeps others away from the file. */
static enum err
change_in_transaction(struct store_tx *tx, void *arg)
{
	const struct key_change *c = arg;
	struct rotation *x = c->rotation;

	if (rekey_lease_keep(tx, x->holder, x->why) != ERR_NONE)
		return ERR_CONFLICT;
	if (c->event != NULL && note(tx, x->r->ring, c->event, c->id, 0) != STORE_OK)
		return ERR_INTERNAL;
	return c->make(x->r->key_file, c->id, x->why) ? ERR_NONE : ERR_CONFLICT;
}

static enum err
end_in_transaction(struct store_tx *tx, void *arg)
{
	const struct rotation *x = arg;

	return rekey_lease_end(tx, x->holder) == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

/* Runs a transaction of the rotation; false with a sentence in why. */
static bool
rekey_write(struct rotation *x, store_fn fn, void *arg)
{
	*x->why = '\0';
	enum store_rc rc = store_write(x->r->store, fn, arg);

	return rc == STORE_OK ||
	       (rc == STORE_ABORTED && *x->why != '\0' ? false : failed_store(x, rc));
}

static bool
change_key_file(struct rotation *x, bool (*make)(const char *, uint32_t, char *), uint32_t id,
		const char *event)
{
	return rekey_write(x, change_in_transaction, &(struct key_change){x, make, id, event});
}

/* Check values */

static int64_t
primary_of(const struct keyring *ring)
{
	struct sealing_key keys[KEYRING_MAX];
	size_t count = keyring_sealing(ring, keys);

	for (size_t i = 0; i < count; i++)
		if (keys[i].primary)
			return keys[i].id;
	return 0;
}

struct registration {
	const struct keyring *ring;
	char *why;
};

/* Stores the check value of a key, or compares it with the stored one. */
static enum store_rc
register_key(struct store_tx *tx, const struct registration *r, struct arena *a,
	     const struct key_check *check)
{
	struct value known;
	enum store_rc rc = store_tx_key_check(tx, a, check->key_id, check->use, &known);

	if (rc == STORE_NONE) {
		rc = store_add_key_check(tx, check);
		return rc == STORE_OK ? note(tx, r->ring, "keyAdded", check->key_id, 0) : rc;
	}
	if (rc != STORE_OK || keyring_matches(r->ring, check->key_id, check->use, &known))
		return rc;
	(void)snprintf(r->why, SECRET_WHY_MAX,
		       "the database has a different key %" PRId64
		       " from the one in this key file: put the "
		       "file of its last `regcred rekey` in place",
		       check->key_id);
	return STORE_ABORTED;
}

/* Reads the file inside the transaction, because keys are retired in transactions and are then no
 * longer primary. */
static enum err
register_in_transaction(struct store_tx *tx, void *arg)
{
	const struct registration *r = arg;

	if (!keyring_follow(r->ring, r->why))
		return ERR_CONFLICT;
	struct arena *a = arena_new(CHECK_ARENA);
	enum store_rc rc = a != NULL ? STORE_OK : STORE_NO_MEMORY;
	int64_t primary = primary_of(r->ring);
	struct key_check check;

	for (size_t i = 0; rc == STORE_OK && keyring_check_value(r->ring, a, i, &check.key_id,
								 &check.use, &check.value);
	     i++)
		if (strcmp(check.use, "seal") != 0 || check.key_id >= primary)
			rc = register_key(tx, r, a, &check);
	arena_free(a);
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

bool
rekey_register(struct store *s, const struct keyring *ring, char why[SECRET_WHY_MAX])
{
	struct registration r = {ring, why};

	*why = '\0';
	enum store_rc rc = store_write(s, register_in_transaction, &r);
	if (rc != STORE_OK && *why == '\0')
		(void)snprintf(
			why, SECRET_WHY_MAX,
			"the database cannot be written: look at its disk, and at who owns it");
	return rc == STORE_OK;
}

/* An id that no key of the file or the database has had. */
static bool
fresh_id(struct rotation *x, const struct sealing_key *keys, size_t key_count, uint32_t *id)
{
	struct key_check *checks;
	size_t count = 0;
	int64_t highest = 0;
	struct key_rows rows[KEY_ROWS_MAX];

	enum store_rc rc = store_key_checks(x->r->store, x->arena, &checks, &count);
	for (size_t i = 0; rc == STORE_OK && i < count; i++)
		if (checks[i].key_id > highest)
			highest = checks[i].key_id;
	for (size_t i = 0; i < key_count; i++)
		if (keys[i].id > highest)
			highest = keys[i].id;
	*id = (uint32_t)highest + 1;
	/* No row may name it either: the id of a lost key is not reused. */
	if (rc == STORE_OK)
		rc = sealed_count(x->r->store, rows, &count);
	for (size_t i = 0; rc == STORE_OK && i < count; i++)
		if (rows[i].id == *id)
			return rekey_failed(x, "a row names a key that is not in the key file: put "
					       "the right file back");
	return rc == STORE_OK ? true : failed_store(x, rc);
}

/* Sealing again */

struct batch {
	struct rotation *rotation;
	const struct family *family;
	enum column column;
	const struct item *items;
	size_t count;
	size_t replaced;
	const struct keyring *ring;
	int64_t primary;
};

/* Values changed meanwhile by a PUT or a purge are left to the next pass. */
static enum err
replace_in_transaction(struct store_tx *tx, void *arg)
{
	struct batch *b = arg;

	if (rekey_lease_keep(tx, b->rotation->holder, b->rotation->why) != ERR_NONE)
		return ERR_CONFLICT;
	for (size_t i = 0; i < b->count; i++) {
		enum store_rc rc = store_replace_value(tx, b->family, b->items[i].id, b->column,
						       &b->items[i].from, &b->items[i].to);

		if (rc != STORE_OK && rc != STORE_NONE)
			return ERR_INTERNAL;
		b->replaced += rc == STORE_OK;
	}
	if (b->replaced == 0)
		return ERR_NONE;
	return note(tx, b->ring, "keySealed", b->primary, b->replaced) == STORE_OK ? ERR_NONE
										   : ERR_INTERNAL;
}

static void
rekey_tell(struct rotation *x)
{
	int64_t now = clock_ms();

	if (x->r->progress == NULL || now - x->began_ms < QUIET_MS || now - x->told_ms < TELL_MS)
		return;
	x->told_ms = now;
	(void)fprintf(x->r->progress, "regcred: %" PRId64 " of %" PRId64 " values resealed\n",
		      x->done, x->todo > x->done ? x->todo : x->done);
	(void)fflush(x->r->progress);
}

/* Writes the items in batches. */
static bool
write_items(struct rotation *x, const struct family *family, enum column column,
	    const struct item *items, size_t count)
{
	for (size_t at = 0; at < count; at += x->r->batch) {
		struct batch b = {.rotation = x,
				  .family = family,
				  .column = column,
				  .items = items + at,
				  .ring = x->r->ring,
				  .primary = x->primary,
				  .count = count - at < x->r->batch ? count - at : x->r->batch};

		if (is_stopped(x))
			return rekey_failed(x, "interrupted");
		if (!rekey_write(x, replace_in_transaction, &b))
			return false;
		x->done += (int64_t)b.replaced;
		rekey_tell(x);
	}
	return true;
}

/* Opens a row's value with the key that it names; false if it does not open. Reseals it if that is
 * not the primary; else item->to stays null. */
static bool
seal_again(struct rotation *x, const struct record *row, const struct field *field,
	   struct item *item)
{
	const struct seal_place place = seal_place_in(row, field);
	const struct value *sealed = &row->columns[field->column];
	const char *text = secret_open(x->r->ring, x->arena, &place, sealed);

	*item = (struct item){.id = record_id(row), .from = *sealed};
	return text != NULL && (secret_key_id(sealed) == x->primary ||
				secret_seal(x->r->ring, x->arena, &place, text, &item->to));
}

static bool
seal_page(struct rotation *x, const struct family *family, enum column column,
	  const struct record_list *list)
{
	struct item *items = arena_array(x->arena, list->count + 1, sizeof(*items));
	size_t count = 0;

	for (size_t i = 0; items != NULL && i < list->count; i++) {
		struct record *row = &list->items[i];
		const struct field *field = sealed_field(row->type, column);

		if (field == NULL || row->columns[column].type == VALUE_NULL)
			continue;
		enum store_rc rc = login_find_address(x->r->store, NULL, x->arena, row);
		if (rc != STORE_OK)
			return failed_store(x, rc);
		if (seal_again(x, row, field, &items[count])) {
			count += items[count].to.type != VALUE_NULL;
			continue;
		}
		if (x->bad < BAD_NAMED)
			x->bad_ids[x->bad] = record_id(row);
		x->bad_family = family;
		x->bad++;
	}
	if (arena_failed(x->arena))
		return failed_store(x, STORE_NO_MEMORY);
	x->changed += count;
	return x->looks || write_items(x, family, column, items, count);
}

typedef bool (*page_fn)(struct rotation *x, const struct family *family, enum column column,
			const struct record_list *list);

static bool
walk_family(struct rotation *x, const struct family *family, enum column column, page_fn page)
{
	struct list_query q = {
		.family = family, .owners = owners_all, .with_removed = true, .limit = PAGE};
	struct record_list list = {.more = true};

	while (list.more) {
		arena_reset(x->arena);
		enum store_rc rc = store_list(x->r->store, x->arena, &q, &list);
		if (rc != STORE_OK)
			return failed_store(x, rc);
		if (list.count > 0)
			q.from = (struct position){.set = true,
						   .id = record_id(&list.items[list.count - 1])};
		if (!page(x, family, column, &list))
			return false;
	}
	return true;
}

/* One pass over all rows. */
static bool
walk_all(struct rotation *x, page_fn page)
{
	const struct family *family;
	enum column column;
	size_t i = 0;

	x->changed = x->bad = 0;
	while (sealed_next(&i, &family, &column))
		if (!walk_family(x, family, column, page))
			return false;
	return true;
}

static bool
seal_all(struct rotation *x)
{
	return walk_all(x, seal_page);
}

/* Retiring */

struct retirement {
	struct rotation *rotation;
	const struct keyring *ring;
	uint32_t id;
	bool needed;
};

/* Makes the last check, and deletes the key's check value in the same transaction. */
static enum err
retire_in_transaction(struct store_tx *tx, void *arg)
{
	struct retirement *old = arg;
	char prefix[SECRET_PREFIX];
	const struct family *family;
	enum column column;
	size_t i = 0;

	old->needed = false;
	if (rekey_lease_keep(tx, old->rotation->holder, old->rotation->why) != ERR_NONE)
		return ERR_CONFLICT;
	secret_seal_prefix(old->id, prefix);
	const struct value value = value_blob(prefix, sizeof(prefix));
	while (sealed_next(&i, &family, &column)) {
		enum store_rc rc = store_tx_find_sealed(tx, family, column, &value);

		if (rc == STORE_OK)
			old->needed = true;
		else if (rc != STORE_NONE)
			return ERR_INTERNAL;
	}
	if (old->needed)
		return ERR_NONE;
	size_t forgotten = 0;
	if (store_delete_key_check(tx, old->id, "seal", &forgotten) != STORE_OK)
		return ERR_INTERNAL;
	if (forgotten == 0) /* already done by an interrupted run */
		return ERR_NONE;
	return note(tx, old->ring, "keyRetired", old->id, 0) == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

/* Whether a value still needs a key below the primary; then that key stays. */
static bool
forget_checks(struct rotation *x, struct retirement *old, size_t *count, bool *needed)
{
	struct sealing_key keys[KEYRING_MAX];
	size_t key_count = keyring_sealing(x->r->ring, keys);

	*count = 0;
	*needed = false;
	for (size_t i = 0; i < key_count; i++) {
		if (keys[i].id >= x->primary)
			continue;
		struct retirement *o = &old[(*count)++];
		*o = (struct retirement){.rotation = x, .id = keys[i].id, .ring = x->r->ring};
		if (!rekey_write(x, retire_in_transaction, o))
			return false;
		*needed = *needed || o->needed;
	}
	return true;
}

/* By then every running process has noticed a changed key file. */
static int64_t
rekey_pause_ms(void)
{
	return keyring_look_ms() + keyring_look_ms() * 3 / 10;
}

/* Empties the write-ahead log, which holds old sealed values. */
static bool
checkpoint(struct rotation *x)
{
	enum store_rc rc = STORE_BUSY;

	/* Readers may delay it; writers do not have to wait meanwhile. */
	for (int64_t end_ms = clock_ms() + SETTLE_MS;;) {
		rc = store_settle(x->r->store);
		if (rc != STORE_BUSY || clock_ms() >= end_ms ||
		    !wait_until(x, clock_ms() + STEP_MS))
			break;
	}
	if (is_stopped(x))
		return rekey_failed(x, "interrupted");
	return rc == STORE_OK ? true : failed_store(x, rc);
}

static bool
rekey_complain(struct rotation *x)
{
	char names[BAD_NAMED * 32];
	int n = 0;

	names[0] = '\0';
	for (size_t i = 0; i < x->bad && i < BAD_NAMED; i++)
		n += snprintf(names + n, sizeof(names) - (size_t)n, " %" PRId64, x->bad_ids[i]);
	(void)snprintf(
		x->why, SECRET_WHY_MAX,
		"%zu values do not open with any key (%s:%s%s): give these rows a new "
		"secret or remove them (an old key that one of them names is kept), then run "
		"`regcred rekey` again",
		x->bad, x->bad_family->table, names, x->bad > BAD_NAMED ? " ..." : "");
	return false;
}

static bool
retire(struct rotation *x, int64_t not_before_ms)
{
	struct retirement old[KEYRING_MAX];
	bool needed = true;
	size_t count = 0;

	if (!seal_all(x) || !wait_until(x, not_before_ms))
		return false;
	/* By now all processes have noticed the new primary: repeat for what they sealed before,
	 * and for what they were about to write. */
	for (int round = 0; round < ROUNDS_MAX && needed; round++) {
		if (!seal_all(x))
			return false;
		if (x->changed == 0 && !forget_checks(x, old, &count, &needed))
			return false;
		if (x->changed == 0 && x->bad > 0)
			break;
	}
	if (needed && x->bad == 0)
		return rekey_failed(x, "values are still being sealed with an old key: is an old "
				       "regcredd running?");
	if (!wait_until(x, clock_ms() + LAST_PAUSE_MS) || !checkpoint(x))
		return false;
	/* Fails if the database was replaced meanwhile, or another process has taken over the
	 * rotation. */
	for (size_t i = 0; i < count; i++) {
		if (old[i].needed)
			continue;
		if (!change_key_file(x, keyring_remove, old[i].id, NULL))
			return false;
		(void)fprintf(x->r->out, "key %u is retired\n", old[i].id);
	}
	if (!keyring_follow(x->r->ring, x->why))
		return false;
	return x->bad > 0 ? rekey_complain(x) : true;
}

/* Introducing */

/* Makes a key known to all processes, and then primary. */
static bool
introduce(struct rotation *x, uint32_t id)
{
	if (!rekey_register(x->r->store, x->r->ring, x->why) ||
	    !wait_until(x, clock_ms() + rekey_pause_ms()) ||
	    !change_key_file(x, keyring_set_primary, id, "keyPrimary"))
		return false;
	(void)fprintf(x->r->out, "key %u seals\n", id);
	(void)fflush(x->r->out);
	return true;
}

/* The key that is to become primary, created if no rotation is under way; 0 if it is primary
 * already. */
static bool
find_next(struct rotation *x, uint32_t *next)
{
	struct sealing_key keys[KEYRING_MAX];
	size_t count = keyring_sealing(x->r->ring, keys);
	bool under_way = false;

	*next = 0;
	for (size_t i = 0; i < count; i++) {
		if (keys[i].id > x->primary && keys[i].id > *next)
			*next = keys[i].id;
		under_way = under_way || !keys[i].primary;
	}
	if (under_way) {
		(void)fprintf(x->r->out, "continuing the rotation in progress\n");
		(void)fflush(x->r->out);
		return true;
	}
	if (!fresh_id(x, keys, count, next) || !change_key_file(x, keyring_add, *next, NULL))
		return false;
	(void)fprintf(x->r->out, "key %u is added\n", *next);
	(void)fflush(x->r->out);
	return true;
}

/* The key file may be an outdated copy from before another rotation. */
static bool
prove_keys(struct rotation *x)
{
	struct key_check *checks;
	size_t count = 0;
	enum store_rc rc = store_key_checks(x->r->store, x->arena, &checks, &count);

	for (size_t i = 0; rc == STORE_OK && i < count; i++)
		if (!keyring_matches(x->r->ring, checks[i].key_id, checks[i].use,
				     &checks[i].value)) {
			(void)snprintf(x->why, SECRET_WHY_MAX,
				       "the master key %s is not the one of this database, or is "
				       "older than its last `regcred rekey` (key id %" PRId64
				       "): put the right file back",
				       x->r->key_file, checks[i].key_id);
			return false;
		}
	return rc == STORE_OK ? true : failed_store(x, rc);
}

/* Verifies the result before reporting it: one key seals, and no value names another. */
static bool
prove_end(struct rotation *x)
{
	struct sealing_key keys[KEYRING_MAX];
	struct key_rows rows[KEY_ROWS_MAX];
	size_t count = 0;

	if (!keyring_follow(x->r->ring, x->why))
		return false;
	if (keyring_sealing(x->r->ring, keys) != 1 || keys[0].id != x->primary)
		return rekey_failed(x, "the key file still has a second key that seals");
	enum store_rc rc = sealed_count(x->r->store, rows, &count);
	if (rc != STORE_OK)
		return failed_store(x, rc);
	for (size_t i = 0; i < count; i++)
		if (rows[i].id != x->primary)
			return rekey_failed(x, "a value is still sealed with another key");
	return true;
}

static bool
rotate(struct rotation *x)
{
	struct key_rows rows[KEY_ROWS_MAX];
	size_t count = 0;
	uint32_t next;

	if (!rekey_write(x, lease_in_transaction, x) || !keyring_follow(x->r->ring, x->why) ||
	    !prove_keys(x))
		return false;
	x->primary = primary_of(x->r->ring);
	if (!find_next(x, &next) || (next != 0 && !introduce(x, next)) ||
	    !keyring_follow(x->r->ring, x->why))
		return false;
	x->primary = primary_of(x->r->ring);
	if (next != 0 && x->primary != next)
		return rekey_failed(x, "the key file was changed by someone else");
	x->began_ms = clock_ms();
	if (!rekey_register(x->r->store, x->r->ring, x->why))
		return false;
	enum store_rc rc = sealed_count(x->r->store, rows, &count);
	if (rc != STORE_OK)
		return failed_store(x, rc);
	for (size_t i = 0; i < count; i++)
		x->todo += rows[i].id != x->primary ? rows[i].rows : 0;
	if (!retire(x, clock_ms() + rekey_pause_ms()) || !prove_end(x))
		return false;
	(void)fprintf(x->r->out, "%" PRId64 " values are resealed, all with key %" PRId64 "\n",
		      x->done, x->primary);
	return true;
}

bool
rekey_run(const struct rekey *r, char why[SECRET_WHY_MAX])
{
	struct rotation x = {.r = r, .why = why};

	if (!keyring_is_changeable(r->key_file, why))
		return false;
	rekey_lease_name(x.holder);
	x.arena = arena_new(PAGE_ARENA);
	bool done = x.arena != NULL ? rotate(&x) : failed_store(&x, STORE_NO_MEMORY);
	/* A lease that is not released expires. */
	if (store_write(r->store, end_in_transaction, &x) != STORE_OK)
		log_info("rekey: its lease could not be released");
	arena_free(x.arena);
	return done;
}

bool
rekey_opens_all(struct store *s, const struct keyring *ring, char why[SECRET_WHY_MAX])
{
	const struct rekey r = {.store = s, .ring = ring};
	struct rotation x = {.r = &r, .why = why, .looks = true, .primary = primary_of(ring)};

	x.arena = arena_new(PAGE_ARENA);
	bool done = x.arena != NULL ? seal_all(&x) : failed_store(&x, STORE_NO_MEMORY);
	arena_free(x.arena);
	return done && (x.bad == 0 || rekey_complain(&x));
}
