/* version: the former secrets of a login, and those on their way. */
#include "resource/version.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "model/source.h"
#include "resource/read.h"
#include "resource/resource.h"
#include "resource/secrets.h"
#include "resource/trail.h"
#include "resource/work.h"
#include "secret/seal.h"
#include "store/store.h"

enum { LIST_MAX = 100 };

static const struct resource_type *const version_type = &types_table[T_SECRET_VERSION];

int64_t
version_of(const struct record *login)
{
	const struct value *version = &login->columns[COL_SECRET_VERSION];

	return version->type == VALUE_INT ? version->number : 0;
}

void
version_begin(struct record *row)
{
	if ((row->type->flags & TYPE_VERIFIED) != 0 &&
	    row->columns[COL_SECRET_VALUE].type != VALUE_NULL)
		row->columns[COL_SECRET_VERSION] = value_int(1);
}

static struct list_query
query_versions(int64_t login_id)
{
	struct list_query q =
		query_naming(version_type, COL_CREDENTIAL_ID, login_id, &owners_all, LIST_MAX);

	q.descending = true;
	return q;
}

static enum store_rc
list_versions(struct store_tx *tx, struct arena *a, int64_t login_id, struct record_list *out)
{
	const struct list_query q = query_versions(login_id);

	return store_tx_list(tx, a, &q, out);
}

static bool
is_in_state(const struct record *version, const char *state)
{
	return trail_same_text(record_text(version, COL_VERSION_STATE), state);
}

/* What the source still knows is deleted there first. */
static bool
is_done_with(const struct record *version)
{
	return is_in_state(version, "expired") ||
	       (is_in_state(version, "previous") && record_text(version, COL_HANDLE) == NULL);
}

static enum store_rc
delete_old(struct store_tx *tx, struct arena *a, int64_t login_id)
{
	struct record_list list;
	enum store_rc rc = list_versions(tx, a, login_id, &list);

	for (size_t i = VERSIONS_MAX; rc == STORE_OK && i < list.count; i++)
		if (is_done_with(&list.items[i]))
			rc = store_delete(tx, &family_secret_version, record_id(&list.items[i]));
	return rc;
}

enum store_rc
version_add(struct store_tx *tx, const struct context *c, const struct record *login,
	    const struct new_version *version, struct record *out)
{
	struct record row = {.type = version_type};
	const struct field *field = type_sealed_field(version_type);
	struct error e = {0};

	row.columns[COL_ACCOUNT_ID] = login->columns[COL_ACCOUNT_ID];
	row.columns[COL_CREDENTIAL_ID] = value_int(record_id(login));
	row.columns[COL_VERSION] = value_int(version->version);
	row.columns[COL_VERSION_STATE] = value_text(version->state);
	row.columns[COL_PUBLIC_VALUE] = value_text(version->user);
	row.columns[COL_HANDLE] = value_text(version->handle);
	if (version->until_ms != 0)
		row.columns[COL_UNTIL] = value_int(version->until_ms);
	row_start(c, &row);
	enum store_rc rc = login_find_address(NULL, tx, c->arena, &row);
	if (rc != STORE_OK)
		return rc;
	if (secrets_store(tx, c, &row, field, version->secret, &e) != ERR_NONE)
		return arena_failed(c->arena) ? STORE_NO_MEMORY : STORE_FAILED;
	rc = store_insert(tx, &row);
	if (rc == STORE_OK && out != NULL)
		*out = row;
	return rc == STORE_OK ? delete_old(tx, c->arena, record_id(login)) : rc;
}

/* In the transaction unless that is NULL. */
static enum store_rc
find_newest(struct store *s, struct store_tx *tx, struct arena *a, int64_t login_id,
	    const char *state, struct record *out)
{
	struct record_list list;
	const struct list_query q = query_versions(login_id);
	enum store_rc rc =
		tx != NULL ? store_tx_list(tx, a, &q, &list) : store_list(s, a, &q, &list);

	if (rc != STORE_OK)
		return rc;
	for (size_t i = 0; i < list.count; i++)
		if (is_in_state(&list.items[i], state)) {
			*out = list.items[i];
			return login_find_address(s, tx, a, out);
		}
	return STORE_NONE;
}

const char *
version_open(const struct context *c, const struct record *version)
{
	const struct seal_place place = seal_place_of(version);
	const struct value *sealed = &version->columns[COL_SECRET_VALUE];

	if (sealed->type == VALUE_NULL)
		return NULL;
	const char *text = secret_open(c->ring, c->arena, &place, sealed);
	if (text == NULL && !arena_failed(c->arena))
		log_error("the secret of secretVersion 1sv%lld cannot be opened: it was altered, "
			  "moved or sealed with another key",
			  (long long)record_id(version));
	return text;
}

enum store_rc
version_newest(struct store_tx *tx, struct arena *a, int64_t login_id, const char *state,
	       struct record *out)
{
	return find_newest(NULL, tx, a, login_id, state, out);
}

enum store_rc
version_open_former(const struct context *c, const struct record *login, enum opening why,
		    struct former *out)
{
	struct record version;

	*out = (struct former){0};
	if (!login_may_open(c, login, why))
		return STORE_OK;
	enum store_rc rc =
		find_newest(c->store, NULL, c->arena, record_id(login), "previous", &version);
	if (rc != STORE_OK || version.columns[COL_UNTIL].number <= c->now_ms)
		return rc == STORE_NONE ? STORE_OK : rc;
	*out = (struct former){.user = record_text(&version, COL_PUBLIC_VALUE),
			       .secret = version_open(c, &version),
			       .sealed = version.columns[COL_SECRET_VALUE]};
	return arena_failed(c->arena) ? STORE_NO_MEMORY : STORE_OK;
}

/* Wipes its secret and sets its state. */
static enum store_rc
version_wipe(struct store_tx *tx, const struct record *version, const char *state)
{
	struct value columns[COL__COUNT] = {0};

	columns[COL_VERSION_STATE] = value_text(state);
	return store_update(tx, &family_secret_version, record_id(version), columns,
			    COL_BIT(COL_VERSION_STATE) | COL_BIT(COL_SECRET_VALUE));
}

static bool
has_second_source(const struct record *login)
{
	const char *name = record_text(login, COL_SOURCE);
	const struct source_row *source = name != NULL ? source_find(name) : NULL;

	return source != NULL && source->class == SOURCE_SECOND;
}

bool
version_is_at_source(const struct record *login)
{
	return has_second_source(login) && login->columns[COL_SOURCE_SECRET].type != VALUE_NULL;
}

/* Wipes it, and has it deleted at the source at once. */
static enum store_rc
discard_now(struct store_tx *tx, const struct record *version, int64_t now_ms)
{
	struct value columns[COL__COUNT] = {0};

	columns[COL_VERSION_STATE] = value_text("discarding");
	columns[COL_UNTIL] = value_int(now_ms);
	return store_update(tx, &family_secret_version, record_id(version), columns,
			    COL_BIT(COL_VERSION_STATE) | COL_BIT(COL_UNTIL) |
				    COL_BIT(COL_SECRET_VALUE));
}

/* What the source may still know: by its handle, or by the uuid of the row that was noted before
 * one was made, of which nobody knows whether it was. */
static bool
is_left_at_source(const struct record *version)
{
	return is_in_state(version, "pending") ||
	       (record_text(version, COL_HANDLE) != NULL && !is_in_state(version, "expired"));
}

static enum store_rc
purge_each(struct store_tx *tx, const struct context *c, const struct record *login, bool *left)
{
	struct record_list list;
	enum store_rc rc = list_versions(tx, c->arena, record_id(login), &list);
	bool at_source = version_is_at_source(login);

	for (size_t i = 0; rc == STORE_OK && i < list.count; i++) {
		const struct record *version = &list.items[i];
		bool discarded = at_source && is_left_at_source(version);

		*left = *left || discarded;
		rc = discarded ? discard_now(tx, version, c->now_ms)
			       : version_wipe(tx, version, "expired");
	}
	return rc;
}

enum store_rc
version_purge(struct store_tx *tx, const struct context *c, const struct record *login)
{
	static const struct value none[COL__COUNT];
	const char *handle = record_text(login, COL_SOURCE_HANDLE);
	bool left = false;
	enum store_rc rc = purge_each(tx, c, login, &left);

	if (rc != STORE_OK || !version_is_at_source(login))
		return rc;
	if (handle != NULL)
		return version_add(
			tx, c, login,
			&(struct new_version){.state = "discarding",
					      .version = version_of(login),
					      .user = record_text(login, COL_PUBLIC_VALUE),
					      .handle = handle,
					      .until_ms = c->now_ms},
			NULL);
	return left ? STORE_OK
		    : store_update(tx, &family_credential, record_id(login), none,
				   COL_BIT(COL_SOURCE_SECRET));
}

/* The old secret as a version: kept until then, or only its number. */
static enum store_rc
keep_old(struct store_tx *tx, const struct context *c, const struct record *old, int64_t until_ms)
{
	bool kept = until_ms > c->now_ms;
	const char *secret = kept ? login_open(c, old, OPEN_TO_CHECK) : NULL;

	return version_add(tx, c, old,
			   &(struct new_version){.state = secret != NULL ? "previous" : "expired",
						 .version = version_of(old),
						 .user = record_text(old, COL_PUBLIC_VALUE),
						 .secret = secret,
						 .handle = record_text(old, COL_SOURCE_HANDLE),
						 .until_ms = until_ms},
			   NULL);
}

enum err
version_replace(struct store_tx *tx, const struct context *c, const struct record *old,
		struct record *row, uint64_t *columns, struct error *e)
{
	int64_t until = c->now_ms + row->columns[COL_OVERLAP].number * 1000;
	bool had = old->columns[COL_SECRET_VALUE].type != VALUE_NULL;

	if ((row->type->flags & TYPE_VERIFIED) == 0 || (*columns & COL_BIT(COL_SECRET_VALUE)) == 0)
		return ERR_NONE;
	until -= until % 1000;
	row->columns[COL_SECRET_VERSION] = value_int(version_of(old) + 1);
	row->columns[COL_PREVIOUS_UNTIL] =
		had && until > c->now_ms ? value_int(until) : value_null();
	row->columns[COL_WARNED] = value_null();
	*columns |= COL_BIT(COL_SECRET_VERSION) | COL_BIT(COL_PREVIOUS_UNTIL) | COL_BIT(COL_WARNED);
	enum store_rc rc = had ? keep_old(tx, c, old, until) : STORE_OK;
	return rc == STORE_OK ? ERR_NONE : store_err(rc, e);
}

/* The version takes the present secret, under its own number. */
static enum store_rc
take_present(struct store_tx *tx, const struct context *c, const struct record *login,
	     struct record *version)
{
	const struct field *field = type_sealed_field(version_type);
	const char *secret = login_open(c, login, OPEN_TO_CHECK);
	struct error e = {0};

	version->columns[COL_SECRET_VALUE] = value_null();
	version->columns[COL_VERSION] = value_int(version_of(login));
	version->columns[COL_PUBLIC_VALUE] = login->columns[COL_PUBLIC_VALUE];
	version->columns[COL_HANDLE] = login->columns[COL_SOURCE_HANDLE];
	if (secrets_store(tx, c, version, field, secret, &e) != ERR_NONE)
		return arena_failed(c->arena) ? STORE_NO_MEMORY : STORE_FAILED;
	return store_update(tx, &family_secret_version, record_id(version), version->columns,
			    COL_BIT(COL_SECRET_VALUE) | COL_BIT(COL_VERSION) |
				    COL_BIT(COL_PUBLIC_VALUE) | COL_BIT(COL_HANDLE));
}

/* A former secret ends sooner than the one before whose end the login was to be renewed. */
static uint64_t
take_due(struct record *row, int64_t now_ms)
{
	const struct value *until = &row->columns[COL_EXPIRES];
	struct value *due = &row->columns[COL_REFRESH_DUE];
	int64_t half_ms = until->type == VALUE_INT ? now_ms + (until->number - now_ms) / 2 : 0;

	if (due->type != VALUE_INT || half_ms == 0 || due->number <= half_ms)
		return 0;
	*due = value_int(half_ms);
	return COL_BIT(COL_REFRESH_DUE);
}

/* The login takes what the version had. */
static enum err
take_former(struct store_tx *tx, struct work *w, const struct record *former, const char *secret)
{
	static const enum column reset[] = {COL_WARNED,		COL_VERIFY_RESULT,
					    COL_VERIFY_MESSAGE, COL_VERIFY_STATUS,
					    COL_VERIFY_MS,	COL_VERIFIED};
	const struct field *field = type_sealed_field(w->row->type);
	struct record *row = w->row;
	uint64_t given = COL_BIT(COL_SECRET_VALUE) | COL_BIT(COL_PUBLIC_VALUE) |
			 COL_BIT(COL_SOURCE_HANDLE) | COL_BIT(COL_SECRET_VERSION);

	row->columns[COL_SECRET_VALUE] = value_null();
	row->columns[COL_SECRET_VERSION] = value_int(version_of(row) + 1);
	row->columns[COL_PUBLIC_VALUE] = former->columns[COL_PUBLIC_VALUE];
	row->columns[COL_SOURCE_HANDLE] = former->columns[COL_HANDLE];
	if (record_text(row, COL_SOURCE) != NULL) { /* its end is not that of the present one */
		row->columns[COL_EXPIRES] = former->columns[COL_UNTIL];
		given |= COL_BIT(COL_EXPIRES) | take_due(row, w->context->now_ms);
	}
	for (size_t i = 0; i < sizeof(reset) / sizeof(*reset); i++) {
		row->columns[reset[i]] = value_null();
		given |= COL_BIT(reset[i]);
	}
	if (secrets_store(tx, w->context, row, field, secret, w->error) != ERR_NONE)
		return w->error->code;
	enum store_rc rc =
		store_update(tx, &family_credential, record_id(row), row->columns, given);
	return rc == STORE_OK ? ERR_NONE : work_fail(w, rc);
}

enum err
version_roll_back(struct store_tx *tx, struct work *w)
{
	const struct context *c = w->context;
	struct record former, version;
	enum store_rc rc = login_find_address(NULL, tx, c->arena, w->row);

	if (rc == STORE_OK)
		rc = version_newest(tx, c->arena, record_id(w->row), "previous", &former);
	if (rc != STORE_OK && rc != STORE_NONE)
		return work_fail(w, rc);
	const char *secret = rc == STORE_OK && former.columns[COL_UNTIL].number > c->now_ms
				     ? version_open(c, &former)
				     : NULL;
	if (arena_failed(c->arena))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (secret == NULL)
		return err_set(w->error, ERR_ACTION_NOT_AVAILABLE, "action",
			       "No former secret is kept any more: set secretValue.");
	version = former;
	rc = take_present(tx, c, w->row, &version);
	return rc == STORE_OK ? take_former(tx, w, &former, secret) : work_fail(w, rc);
}

/* Whether the source of its login deletes it. */
static enum store_rc
is_discarded(struct store_tx *tx, struct arena *a, const struct record *version, bool *discarded)
{
	struct record login;

	*discarded = false;
	if (record_text(version, COL_HANDLE) == NULL)
		return STORE_OK;
	enum store_rc rc =
		store_tx_get(tx, a, &family_credential, version->columns[COL_CREDENTIAL_ID].number,
			     &owners_all, &login);
	if (rc != STORE_OK)
		return rc == STORE_NONE ? STORE_OK : rc;
	*discarded = has_second_source(&login);
	return STORE_OK;
}

static enum store_rc
sweep_one(struct store_tx *tx, struct arena *a, const struct record *version)
{
	bool discarded;
	enum store_rc rc = is_discarded(tx, a, version, &discarded);

	return rc == STORE_OK ? version_wipe(tx, version, discarded ? "discarding" : "expired")
			      : rc;
}

/* previousUntil of the logins whose former secrets are gone. */
static enum store_rc
forget_until(struct store_tx *tx, struct arena *a, const struct record *version, int64_t now_ms)
{
	const struct value columns[COL__COUNT] = {0};
	int64_t id = version->columns[COL_CREDENTIAL_ID].number;
	struct record login;
	enum store_rc rc = store_tx_get(tx, a, &family_credential, id, &owners_all, &login);

	if (rc != STORE_OK || login.columns[COL_PREVIOUS_UNTIL].type != VALUE_INT ||
	    login.columns[COL_PREVIOUS_UNTIL].number > now_ms)
		return rc == STORE_NONE ? STORE_OK : rc;
	return store_update(tx, &family_credential, id, columns, COL_BIT(COL_PREVIOUS_UNTIL));
}

enum store_rc
version_sweep(struct store_tx *tx, struct arena *a, int64_t now_ms, size_t max, size_t *done)
{
	struct list_query q = {.family = &family_secret_version,
			       .owners = owners_all,
			       .condition_count = 2,
			       .limit = max};
	struct record_list list;

	q.conditions[0] =
		(struct condition){.column = COL_UNTIL, .op = OP_LTE, .value = value_int(now_ms)};
	q.conditions[1] = (struct condition){.column = COL_SECRET_VALUE, .op = OP_NOT_NULL};
	enum store_rc rc = store_tx_list(tx, a, &q, &list);
	for (size_t i = 0; rc == STORE_OK && i < list.count; i++) {
		rc = sweep_one(tx, a, &list.items[i]);
		if (rc == STORE_OK)
			rc = forget_until(tx, a, &list.items[i], now_ms);
	}
	*done = rc == STORE_OK ? list.count : 0;
	return rc;
}
