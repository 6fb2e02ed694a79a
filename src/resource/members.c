/* members: the members of a project. */
#include "resource/members.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "model/list.h"
#include "model/process.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/owners.h"
#include "resource/read.h"
#include "resource/resource.h"
#include "resource/state.h"
#include "resource/trail.h"
#include "resource/work.h"
#include "store/store.h"

enum {
	LOGGED_MEMBERS = 100, /* of a list of members */
};

static const char *
option_of(const struct resource_type *type, const char *field_name, const struct json *node,
	  const char *fallback)
{
	const struct field *field = type_field(type, field_name, API_V1);

	if (node == NULL || node->type == JSON_NULL)
		return fallback;
	for (const char *const *option = field->options;
	     node->type == JSON_STRING && *option != NULL; option++)
		if (strcmp(*option, node->text) == 0)
			return *option;
	return NULL;
}

/* A limited key cannot add members other than its own account. */
static bool
members_may_name(const struct context *c, const struct member_list *members)
{
	char self[ID_TEXT_SIZE];

	(void)id_write(self, &family_account, c->id->user_id);
	for (size_t i = 0; power_is_bounded(&c->id->key) && i < members->count; i++)
		if (strcmp(members->items[i].external_id, self) != 0)
			return false;
	return true;
}

enum err
members_read(const struct context *c, const struct json *list, struct member_list *out,
	     struct error *e)
{
	const struct resource_type *type = &types_table[T_PROJECT_MEMBER];
	const struct json *first = list != NULL ? list->child : NULL;
	size_t n = 0;

	for (const struct json *node = first; node != NULL; node = node->next)
		n++;
	*out = (struct member_list){.items = arena_array(c->arena, n + 1, sizeof(*out->items))};
	if (out->items == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	for (const struct json *node = first; node != NULL; node = node->next) {
		const struct json *id = json_member(node, "externalId");
		struct member *m = &out->items[out->count++];

		if (id == NULL || id->type != JSON_STRING || *id->text == '\0' ||
		    strlen(id->text) > 255)
			return err_set(e, ERR_INVALID_FORMAT, "members",
				       "Each member needs an externalId: send one.");
		m->external_id = id->text;
		m->external_id_type = option_of(type, "externalIdType",
						json_member(node, "externalIdType"), "rancher_id");
		m->role = option_of(type, "role", json_member(node, "role"), "member");
		if (m->external_id_type == NULL || m->role == NULL)
			return err_set(e, ERR_INVALID_OPTION, "members", NULL);
	}
	return members_may_name(c, out)
		       ? ERR_NONE
		       : err_set(e, ERR_FORBIDDEN, NULL,
				 "This key has bounds, and a member would be free of them: use a "
				 "key without networks and expires.");
}

/* A rancher_id must refer to a live account that is not a project. */
static enum err
check_member(struct store_tx *tx, const struct work *w, const struct member *m)
{
	struct record account;
	int64_t id;

	if (strcmp(m->external_id_type, "rancher_id") != 0)
		return ERR_NONE;
	if (!id_parse(&family_account, m->external_id, &id))
		return err_set(w->error, ERR_INVALID_REFERENCE, "members", NULL);
	enum store_rc rc =
		store_tx_get(tx, w->context->arena, &family_account, id, &owners_all, &account);
	if (rc != STORE_OK && rc != STORE_NONE)
		return work_fail(w, rc);
	if (rc == STORE_NONE || (account.type->flags & TYPE_PROJECT) != 0 ||
	    account.columns[COL_REMOVED].type != VALUE_NULL)
		return err_set(w->error, ERR_INVALID_REFERENCE, "members", NULL);
	return ERR_NONE;
}

static enum err
add_member(struct store_tx *tx, const struct work *w, int64_t project, const struct member *m)
{
	struct record row = {.type = &types_table[T_PROJECT_MEMBER]};
	struct plan plan;

	(void)process_plan("create", ST_REQUESTED, &plan);
	row_start(w->context, &row);
	row.columns[COL_KIND] = value_text(row.type->id);
	row.columns[COL_PROJECT_ID] = value_int(project);
	row.columns[COL_EXTERNAL_ID] = value_text(m->external_id);
	row.columns[COL_EXTERNAL_ID_TYPE] = value_text(m->external_id_type);
	row.columns[COL_ROLE] = value_text(m->role);
	enum store_rc rc = row_insert(tx, &row, &plan);
	if (rc == STORE_CONSTRAINT)
		return err_set(w->error, ERR_NOT_UNIQUE, "members", NULL);
	return rc == STORE_OK ? ERR_NONE : work_fail(w, rc);
}

static bool
same_member(const struct record *row, const struct member *m)
{
	return strcmp(record_text(row, COL_EXTERNAL_ID), m->external_id) == 0 &&
	       strcmp(record_text(row, COL_EXTERNAL_ID_TYPE), m->external_id_type) == 0 &&
	       strcmp(record_text(row, COL_ROLE), m->role) == 0;
}

static void
write_member(struct json_out *w, size_t *count, const char *id, const char *type, const char *role)
{
	if ((*count)++ >= LOGGED_MEMBERS)
		return;
	json_begin_object(w);
	json_name(w, "externalId");
	trail_write_text(w, id);
	json_name(w, "externalIdType");
	json_string(w, type);
	json_name(w, "role");
	json_string(w, role);
	json_end_object(w);
}

static void
begin_members(struct member_changes *m, struct arena *a)
{
	*m = (struct member_changes){0};
	json_out_init(&m->gone, a);
	json_out_init(&m->come, a);
	json_begin_array(&m->gone);
	json_begin_array(&m->come);
}

/* {"old":[...],"new":[...]}, and the counts if not all are listed. */
static const char *
end_members(struct member_changes *m, struct arena *a)
{
	size_t len;

	json_end_array(&m->gone);
	json_end_array(&m->come);
	const char *gone = json_out_text(&m->gone, &len), *come = json_out_text(&m->come, &len);
	if (gone == NULL || come == NULL)
		return NULL;
	if (m->gone_count <= LOGGED_MEMBERS && m->come_count <= LOGGED_MEMBERS)
		return arena_printf(a, "{\"old\":%s,\"new\":%s}", gone, come);
	return arena_printf(a, "{\"old\":%s,\"new\":%s,\"oldCount\":%zu,\"newCount\":%zu}", gone,
			    come, m->gone_count, m->come_count);
}

static enum store_rc
list_members(struct store_tx *tx, const struct work *w, struct record_list *out)
{
	struct list_query q = query_naming(&types_table[T_PROJECT_MEMBER], COL_PROJECT_ID,
					   record_id(w->row), &owners_all, LIMIT_MAX);

	return store_tx_list(tx, w->context->arena, &q, out);
}

enum err
members_set(struct store_tx *tx, struct work *w)
{
	const struct member *members = w->members->items;
	struct member_changes changes;
	size_t count = w->members->count;
	int64_t project = record_id(w->row);
	struct record_list old;
	bool *kept = arena_array(w->context->arena, count + 1, sizeof(*kept));
	enum store_rc rc = kept != NULL ? list_members(tx, w, &old) : STORE_NO_MEMORY;

	begin_members(&changes, w->context->arena);
	for (size_t i = 0; rc == STORE_OK && i < old.count; i++) {
		struct plan plan;
		bool stays = false;

		for (size_t j = 0; j < count && !stays; j++)
			if (!kept[j] && same_member(&old.items[i], &members[j]))
				stays = kept[j] = true;
		if (stays)
			continue;
		write_member(&changes.gone, &changes.gone_count,
			     record_text(&old.items[i], COL_EXTERNAL_ID),
			     record_text(&old.items[i], COL_EXTERNAL_ID_TYPE),
			     record_text(&old.items[i], COL_ROLE));
		if (plan_removal(record_state(&old.items[i]), true, &plan))
			rc = plan_run(tx, w->context, &old.items[i], &plan);
	}
	if (rc != STORE_OK)
		return work_fail(w, rc);
	for (size_t j = 0; j < count; j++) {
		const struct member *m = &members[j];

		if (kept[j])
			continue;
		if (check_member(tx, w, m) != ERR_NONE || add_member(tx, w, project, m) != ERR_NONE)
			return w->error->code;
		write_member(&changes.come, &changes.come_count, m->external_id,
			     m->external_id_type, m->role);
	}
	w->member_changes = end_members(&changes, w->context->arena);
	if (w->member_changes == NULL)
		return work_fail(w, STORE_NO_MEMORY);
	if (w->members_now == NULL)
		return ERR_NONE;
	rc = list_members(tx, w, w->members_now);
	return rc == STORE_OK ? ERR_NONE : work_fail(w, rc);
}

static bool
is_account(const struct member *m)
{
	return strcmp(m->external_id_type, "rancher_id") == 0;
}

/* Whether there is an owner; for `here`, one that regcred can identify: users with other kinds of
 * ids cannot sign in here. */
static bool
have_owner(const struct member_list *members, bool here)
{
	for (size_t i = 0; i < members->count; i++)
		if (strcmp(members->items[i].role, "owner") == 0 &&
		    (!here || is_account(&members->items[i])))
			return true;
	return false;
}

enum err
members_add_owner(const struct context *c, struct member_list *members, struct error *e)
{
	char *self = id_format(c->arena, &family_account, c->id->user_id);

	if (self == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (have_owner(members, true) || c->id->role == ROLE_SERVICE ||
	    c->id->role == ROLE_SUPERADMIN)
		return ERR_NONE;
	for (size_t i = 0; i < members->count; i++)
		if (is_account(&members->items[i]) &&
		    strcmp(members->items[i].external_id, self) == 0) {
			members->items[i].role = "owner";
			return ERR_NONE;
		}
	members->items[members->count++] = (struct member){self, "rancher_id", "owner"};
	return ERR_NONE;
}

static enum err
members_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	bool found = false;
	enum store_rc rc;

	if (w->repeated) {
		rc = list_members(tx, w, w->members_now);
		return rc == STORE_OK ? ERR_NONE : work_fail(w, rc);
	}
	rc = store_tx_get(tx, w->context->arena, w->row->type->family, record_id(w->row),
			  &owners_all, w->row);
	if (rc != STORE_OK)
		return work_fail(w, rc);
	if ((ST_BIT(record_state(w->row)) & LIVE_STATES) == 0)
		return err_set(w->error, ERR_ACTION_NOT_AVAILABLE, "action", NULL);
	if (owners_still_own(tx, w) != ERR_NONE || members_set(tx, w) != ERR_NONE)
		return w->error->code;
	/* Members who stay are not checked again, and their accounts may be gone. */
	rc = owners_find(tx, w->context->arena, record_id(w->row), 0, &found);
	if (rc == STORE_OK && !found)
		return err_set(w->error, ERR_INVALID_REFERENCE, "members", owners_refuse_last);
	if (rc != STORE_OK)
		return work_fail(w, rc);
	rc = trail_note_changes(tx, w->context, w->event, 202, w->row, w->row, 0, NULL,
				w->member_changes);
	return rc == STORE_OK ? ERR_NONE : work_fail(w, rc);
}

enum err
resource_set_members(const struct context *c, const char *id, const struct json *body,
		     struct record_list *out, struct error *e)
{
	static const char event[] = "setmembers";
	const struct json *list = json_member(body, "members");
	const struct action *action;
	struct member_list members;
	struct record row;

	*out = (struct record_list){0};
	if (resource_find_action(c, &types_table[T_PROJECT], id, event, &row, &action, e) !=
	    ERR_NONE)
		return e->code;
	if (list == NULL)
		return err_set(e, ERR_MISSING_REQUIRED, "members", NULL);
	if (list->type != JSON_ARRAY)
		return err_set(e, ERR_INVALID_FORMAT, "members", "It is not an array: send one.");
	if (members_read(c, list, &members, e) != ERR_NONE)
		return e->code;
	if (!have_owner(&members, false))
		return err_set(e, ERR_NO_OWNER, NULL, NULL);
	if (members_add_owner(c, &members, e) != ERR_NONE)
		return e->code;
	struct work w = {.context = c,
			 .row = &row,
			 .error = e,
			 .event = event,
			 .members = &members,
			 .members_now = out};
	return work_run(&w, members_in_transaction);
}
