/* check: compares the tables of types with each other, at start. */
#include "model/check.h"

#include <string.h>

#include "model/process.h"
#include "model/schema.h"

static const char *
check_fields(const struct resource_type *type)
{
	size_t count = 0;

	for (const struct field *f = type->fields; f->name != NULL; f++, count++) {
		if (f->column != COL_NONE &&
		    (type->family == NULL || (type->family->columns & COL_BIT(f->column)) == 0))
			return "a field names a column that its family lacks";
		if ((f->type == FT_REFERENCE || f->type == FT_REFERENCES) &&
		    (f->reference == NULL || f->reference->family == NULL))
			return "a field refers to a type that has no rows";
		if (f->type == FT_ENUM && f->options == NULL)
			return "an enum has no options";
		if (f->type == FT_CONSTANT && f->type_text == NULL)
			return "a constant has no type";
		if ((f->flags & F_SEALED) != 0 && f->filter != FILTER_NONE)
			return "a sealed field must not be a filter";
		for (unsigned v = 0; v < API__COUNT; v++)
			if (field_in_version(f, (enum api_version)v) &&
			    type_field(type, f->name, (enum api_version)v) != f)
				return "a type has two fields of one name in one version";
	}
	return count < FIELDS_MAX ? NULL : "a type has more fields than FIELDS_MAX";
}

static const char *
check_links_and_actions(const struct resource_type *type)
{
	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++)
		if (x - type->actions == ACTIONS_MAX)
			return "a type has more actions than ACTIONS_MAX";
	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++) {
		const struct resource_type *target = l->target;

		if (l - type->links == LINKS_MAX)
			return "a type has more links than LINKS_MAX";
		if (target == NULL || target->family == NULL)
			return "a link leads to a type that has no rows";
		const struct family *holder =
			l->kind == LINK_REFERENCE ? type->family : target->family;
		if ((holder->columns & COL_BIT(l->column)) == 0)
			return "a link uses a column that its family lacks";
	}
	return NULL;
}

static bool
action_is_known(const struct action *action)
{
	/* Declared by the original: the first two are never offered, the third is deactivate and
	 * remove. */
	if (strcmp(action->name, "restore") == 0 || strcmp(action->name, "upgrade") == 0 ||
	    strcmp(action->name, "delete") == 0)
		return true;
	if (action->input != NULL)
		return type_find(action->input) != NULL;
	for (const struct process *p = process_table; p->name != NULL; p++)
		if (strcmp(p->name, action->name) == 0)
			return true;
	return false;
}

const char *
schema_check(void)
{
	const char *why = process_check();

	for (const struct resource_type *t = types_table; why == NULL && t->id != NULL; t++) {
		if (t->base != NULL &&
		    (type_find(t->base) == NULL || type_find(t->base)->family != t->family))
			return "a type and its base are not of one family";
		for (const struct action *x = t->actions; x != NULL && x->name != NULL; x++)
			if (!action_is_known(x))
				return "an action is no process and has no input";
		for (const struct cascade *c = t->cascades; c != NULL && c->type != NULL; c++)
			if (c->type == NULL || (c->type->family->columns & COL_BIT(c->column)) == 0)
				return "a cascade leads to an unknown type or column";
		if ((why = check_fields(t)) == NULL)
			why = check_links_and_actions(t);
	}
	return why;
}
