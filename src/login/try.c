/* try: the action test: tries a login that is not stored. */
#include "login/try.h"

#include "base/err.h"
#include "base/json_in.h"
#include "base/text.h"
#include "login/verifier.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/check.h"
#include "resource/hold.h"
#include "resource/resource.h"

/* A text of a body; *out stays NULL for null. */
static enum err
try_read_input(const struct resource_type *type, const struct json *body, const char *name,
	       const char **out, struct error *e)
{
	const struct field *field = type_field(type, name, API_V1);
	const struct json *node = json_member(body, name);

	*out = NULL;
	if (node == NULL || node->type == JSON_NULL)
		return (field->flags & F_REQUIRED) == 0
			       ? ERR_NONE
			       : err_set(e, ERR_MISSING_REQUIRED, field->name, NULL);
	if (node->type == JSON_OBJECT || node->type == JSON_ARRAY)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It is an object or array: send a single value.");
	if (http_utf8_length(node->text) > field->max_len)
		return err_set(e, ERR_MAX_LENGTH, field->name, NULL);
	*out = node->text;
	return ERR_NONE;
}

enum err
try_login(const struct context *c, struct verifier *verifier, const struct record *row,
	  const struct json *body, struct check_report *report, struct error *e)
{
	const struct resource_type *input = &types_table[T_REGISTRY_TEST_INPUT];
	struct tried_login login = {.address = record_text(row, COL_SERVER_ADDRESS)};

	if (try_read_input(input, body, "publicValue", &login.user, e) != ERR_NONE ||
	    try_read_input(input, body, "secretValue", &login.secret, e) != ERR_NONE ||
	    hold_count_check(c, e) != ERR_NONE ||
	    verifier_test(verifier, c->arena, hold_account(c), &login, report, e) != ERR_NONE)
		return e->code;
	return ERR_NONE;
}
