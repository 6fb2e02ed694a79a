/* precondition: entity tags, and the last change of a row by the audit log. */
#include "resource/precondition.h"

#include "base/arena.h"
#include "model/list.h"
#include "model/query.h"
#include "model/record.h"
#include "resource/resource.h"

/* Whether the audit log has a change of the row after that second. */
static enum store_rc
find_change(struct store_tx *tx, const struct context *c, const struct record *row,
	    int64_t since_ms, bool *changed)
{
	static const char *const no_change[] = {"readSecret", "handOut", "inject", "test"};
	struct list_query q = {.family = &family_audit_log, .owners = owners_all, .limit = 1};
	struct record_list list;

	q.conditions[q.condition_count++] = (struct condition){
		.column = COL_RESOURCE_ID,
		.op = OP_EQ,
		.value = value_text(id_format(c->arena, row->type->family, record_id(row)))};
	q.conditions[q.condition_count++] = (struct condition){
		.column = COL_CREATED, .op = OP_GTE, .value = value_int(since_ms + 1000)};
	for (size_t i = 0; i < sizeof(no_change) / sizeof(*no_change); i++)
		q.conditions[q.condition_count++] = (struct condition){
			.column = COL_EVENT_TYPE, .op = OP_NE, .value = value_text(no_change[i])};
	if (arena_failed(c->arena))
		return STORE_NO_MEMORY;
	enum store_rc rc = store_tx_list(tx, c->arena, &q, &list);
	*changed = rc == STORE_OK && list.count > 0;
	return rc;
}

enum err
precondition_check(struct store_tx *tx, const struct context *c, const struct record *row,
		   struct error *e)
{
	const struct precondition *p = c->precondition;
	struct record now;
	bool changed = false;

	if (p == NULL)
		return ERR_NONE;
	enum store_rc rc =
		store_tx_get(tx, c->arena, row->type->family, record_id(row), &owners_all, &now);
	if (rc == STORE_OK && p->unmodified_since_ms >= 0)
		rc = find_change(tx, c, &now, p->unmodified_since_ms, &changed);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	bool holds = rc == STORE_OK && !changed && p->holds(p->arg, &now);
	/* Discard the secrets that were opened only for comparing. */
	if (c->opened != NULL)
		c->opened->count = c->opened->recorded = 0;
	if (arena_failed(c->arena))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	return holds ? ERR_NONE : err_set(e, ERR_PRECONDITION_FAILED, NULL, NULL);
}
