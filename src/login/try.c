/* try: the action test: checks a login that is not stored. */
#include "login/try.h"

#include <string.h>

#include "access/standing.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/text.h"
#include "login/verifier.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/check.h"
#include "resource/hold.h"
#include "resource/quota.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "store/store.h"

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

struct test_note {
	const struct context *context;
	const struct record *row;
	const char *user;
	struct error *error;
};

static enum err
note_test_in_transaction(struct store_tx *tx, void *arg)
{
	const struct test_note *n = arg;
	const struct context *c = n->context;

	if (standing_check(tx, c->arena, c->id, n->row->columns[COL_ACCOUNT_ID].number, n->error) !=
	    ERR_NONE)
		return n->error->code;
	const char *what = json_strings(c->arena, "publicValue", n->user);
	enum store_rc rc = what != NULL ? resource_note(tx, c, c->arena, "test", 200, n->row, what)
					: STORE_NO_MEMORY;
	return rc == STORE_OK ? ERR_NONE : store_err(rc, n->error);
}

/* The test is recorded in the audit log before it runs. */
static enum err
note_test(const struct context *c, const struct record *row, const char *user, struct error *e)
{
	struct test_note n = {c, row, user, e};
	enum store_rc rc = store_write(c->store, note_test_in_transaction, &n);

	if (rc == STORE_OK)
		return ERR_NONE;
	return rc == STORE_ABORTED ? e->code : store_err(rc, e);
}

enum err
try_login(const struct context *c, struct verifier *verifier, const struct record *row,
	  const struct json *body, struct check_report *report, struct error *e)
{
	const struct resource_type *input = &types_table[T_REGISTRY_TEST_INPUT];
	struct tried_login login = {.registry = {.address = record_text(row, COL_SERVER_ADDRESS),
						 .token_host = record_text(row, COL_TOKEN_HOST)}};

	if (try_read_input(input, body, "publicValue", &login.user, e) != ERR_NONE ||
	    try_read_input(input, body, "secretValue", &login.secret, e) != ERR_NONE ||
	    hold_count_check(c, e) != ERR_NONE ||
	    quota_take_room(c, 2 * QUOTA_ROW_BYTES + (login.user != NULL ? strlen(login.user) : 0),
			    e) != ERR_NONE ||
	    note_test(c, row, login.user, e) != ERR_NONE ||
	    verifier_test(verifier, c->arena, quota_account(c), &login, report, e) != ERR_NONE)
		return e->code;
	return ERR_NONE;
}
