/* owners: keeps a project from losing its last owner. */
#include "resource/owners.h"

#include <string.h>

#include "access/rights.h"
#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/process.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/read.h"
#include "resource/resource.h"
#include "resource/state.h"
#include "resource/work.h"
#include "store/store.h"

/* The account that a row of projectMember makes an owner. */
static bool
owner_of(const struct record *member, int64_t *account)
{
	return strcmp(record_text(member, COL_ROLE), "owner") == 0 &&
	       strcmp(record_text(member, COL_EXTERNAL_ID_TYPE), "rancher_id") == 0 &&
	       id_parse(&family_account, record_text(member, COL_EXTERNAL_ID), account);
}

enum err
owners_still_own(struct store_tx *tx, const struct work *w)
{
	const struct context *c = w->context;
	struct list_query q = query_naming(&types_table[T_PROJECT_MEMBER], COL_PROJECT_ID,
					   record_id(w->row), &owners_all, LIMIT_MAX);
	struct record_list members;
	bool found = false;
	int64_t id;

	if ((w->row->type->flags & TYPE_PROJECT) == 0 ||
	    !auth_owns_by_row(c->id, record_id(w->row)))
		return ERR_NONE;
	enum store_rc rc = store_tx_list(tx, c->arena, &q, &members);
	for (size_t i = 0; rc == STORE_OK && !found && i < members.count; i++)
		found = owner_of(&members.items[i], &id) && id == c->id->user_id;
	if (rc != STORE_OK)
		return work_fail(w, rc);
	return found ? ERR_NONE : err_set(w->error, ERR_FORBIDDEN, NULL, NULL);
}

enum store_rc
owners_find(struct store_tx *tx, struct arena *a, int64_t project, int64_t except, bool *found)
{
	struct list_query q = query_naming(&types_table[T_PROJECT_MEMBER], COL_PROJECT_ID, project,
					   &owners_all, LIMIT_MAX);
	struct record_list members;
	enum store_rc rc = store_tx_list(tx, a, &q, &members);

	*found = false;
	for (size_t i = 0; rc == STORE_OK && !*found && i < members.count; i++) {
		struct record account;
		int64_t id;

		if (!owner_of(&members.items[i], &id) || id == except)
			continue;
		rc = store_tx_get(tx, a, &family_account, id, &owners_all, &account);
		if (rc == STORE_OK)
			*found = record_state(&account) == ST_ACTIVE &&
				 auth_may_own(record_text(&account, COL_KIND));
		else if (rc == STORE_NONE)
			rc = STORE_OK;
	}
	return rc;
}

enum store_rc
owners_is_last(struct store_tx *tx, struct arena *a, int64_t account, bool *last)
{
	struct list_query q = query_naming(&types_table[T_PROJECT_MEMBER], COL_EXTERNAL_ID, 0,
					   &owners_all, LIMIT_MAX);
	struct record_list list;
	enum store_rc rc;

	*last = false;
	q.conditions[0].value = value_text(id_format(a, &family_account, account));
	if (q.conditions[0].value.text == NULL)
		return STORE_NO_MEMORY;
	rc = store_tx_list(tx, a, &q, &list);
	for (size_t i = 0; rc == STORE_OK && !*last && i < list.count; i++) {
		const struct record *m = &list.items[i];
		int64_t project_id = m->columns[COL_PROJECT_ID].number;
		struct record project;
		bool other = true;
		int64_t id;

		if (!owner_of(m, &id))
			continue;
		rc = store_tx_get(tx, a, &family_account, project_id, &owners_all, &project);
		if (rc == STORE_OK && project.columns[COL_REMOVED].type == VALUE_NULL)
			rc = owners_find(tx, a, project_id, account, &other);
		*last = rc == STORE_OK && !other;
	}
	return rc;
}

const char owners_refuse_last[] =
	"The project would be left without an active owner: make another member its owner first.";

enum err
owners_keep_last(struct store_tx *tx, const struct work *w)
{
	struct arena *a = w->context->arena;
	const struct record *row = w->row;
	enum store_rc rc = STORE_OK;
	bool last = false, other = true;
	int64_t id;

	if (!plan_runs(w->plan, "remove"))
		return ERR_NONE;
	if ((row->type->flags & TYPE_SELF) != 0)
		rc = owners_is_last(tx, a, record_id(row), &last);
	else if ((row->type->flags & TYPE_THROUGH_PROJECT) != 0 && owner_of(row, &id))
		rc = owners_find(tx, a, row->columns[COL_PROJECT_ID].number, id, &other);
	if (rc != STORE_OK)
		return work_fail(w, rc);
	return last || !other
		       ? err_set(w->error, ERR_ACTION_NOT_AVAILABLE, "action", owners_refuse_last)
		       : ERR_NONE;
}
