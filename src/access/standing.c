/* standing: whether a caller still has the rights it had when its request began. */
#include "access/standing.h"

#include <string.h>

#include "base/clock.h"

static bool
is_current(const struct power *power)
{
	return power->expires_ms == 0 || power->expires_ms > clock_wall_ms();
}

static bool
key_stands(const struct identity *id, const struct standing *now)
{
	struct power power = power_of_key(&now->key);

	if (!now->has_key || !is_current(&power))
		return false;
	power.rank = RANK_FULL;
	if (id->maker_id != 0)
		power.rank = identity_rank_of_role(identity_role_of_maker(now));
	return power_wider(&power, &id->key) == NULL;
}

static bool
account_stands(const struct identity *id, const struct standing *now)
{
	return strcmp(now->kind, id->stored_kind) == 0 &&
	       strcmp(now->state, state_name(ST_ACTIVE)) == 0 &&
	       (id->key_id == 0 ? is_current(&id->key) : key_stands(id, now));
}

/* A session is ended by its own row, not by its key. */
static enum store_rc
session_stands(struct store_tx *tx, struct arena *a, const struct identity *id, bool *stands)
{
	struct record row;

	*stands = id->session_id == 0;
	if (*stands)
		return STORE_OK;
	enum store_rc rc =
		store_tx_get(tx, a, &family_credential, id->session_id, &owners_all, &row);
	*stands = rc == STORE_OK && record_state(&row) == ST_ACTIVE &&
		  row.columns[COL_EXPIRES].number > clock_wall_ms();
	return rc == STORE_NONE ? STORE_OK : rc;
}

/* Memberships by group were granted with this request. */
static bool
project_stands(const struct identity *id, int64_t project, const struct standing *now)
{
	const struct membership *m = identity_membership(id, project);

	if (id->scoped && !now->project_active)
		return false;
	if (m == NULL || m->granted || id->account_role == ROLE_ADMIN)
		return true;
	return now->role != NULL && strcmp(now->role, m->role) == 0 &&
	       (now->project_active || identity_owns(m));
}

enum err
standing_check(struct store_tx *tx, struct arena *a, const struct identity *id, int64_t account,
	       struct error *e)
{
	int64_t project = id->scoped ? id->scope_id : account;
	struct standing now;
	bool in_session;

	if (id->stored_kind == NULL)
		return ERR_NONE;
	if (project == id->user_id)
		project = 0;
	enum store_rc rc = session_stands(tx, a, id, &in_session);
	if (rc == STORE_OK)
		rc = store_tx_standing(tx, a, id->user_id, id->key_id, project, &now);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	if (rc == STORE_NONE || !in_session || !account_stands(id, &now))
		return err_set(e, ERR_UNAUTHORIZED, NULL, NULL);
	return project == 0 || project_stands(id, project, &now)
		       ? ERR_NONE
		       : err_set(e, ERR_FORBIDDEN, NULL, NULL);
}
