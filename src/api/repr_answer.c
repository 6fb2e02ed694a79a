/* repr_answer: answers that are not rows: members, imageLogin, the result of a check, errors. */

#include "access/permissions.h"
#include "api/repr.h"
#include "api/repr_parts.h"
#include "base/err.h"
#include "base/json_out.h"
#include "login/resolve.h"
#include "model/date.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/check.h"
#include "secret/keyring.h"
#include "secret/random.h"

void
repr_members(struct json_out *w, const struct view *v, const struct record_list *members)
{
	json_begin_object(w);
	json_name(w, "id");
	json_null(w);
	json_string_member(w, "type", "setProjectMembersInput");
	repr_empty_object(w, "links");
	repr_empty_object(w, "actions");
	json_string_member(w, "baseType", "setProjectMembersInput");
	json_name(w, "members");
	json_begin_array(w);
	for (size_t i = 0; i < members->count; i++)
		repr_resource(w, v, &members->items[i], NULL, NULL);
	json_end_array(w);
	json_end_object(w);
}

static void
write_id(struct json_out *w, const char *name, const struct family *family, const struct value *id)
{
	json_string_member(w, name,
			   id != NULL && id->type == VALUE_INT
				   ? id_format(w->arena, family, id->number)
				   : NULL);
}

/* The logins that were not chosen, each with the reason. */
static void
write_others(struct json_out *w, const struct login_list *logins)
{
	json_name(w, "others");
	json_begin_array(w);
	for (size_t i = 0; i < logins->count; i++) {
		const struct login *l = &logins->items[i];

		if (i == 0 && l->fits)
			continue;
		json_begin_object(w);
		json_string_member(w, "pathPrefix", *l->path != '\0' ? l->path : NULL);
		json_string_member(w, "publicValue", record_text(l->row, COL_PUBLIC_VALUE));
		json_string_member(w, "reason", login_reasons[l->reason]);
		json_string_member(w, "reasonText", resolve_text(logins, l));
		write_id(w, "registryCredentialId", &family_credential, &l->row->columns[COL_ID]);
		write_id(w, "registryId", &family_storage_pool, &l->row->columns[COL_REGISTRY_ID]);
		json_end_object(w);
	}
	json_end_array(w);
}

void
repr_image_login(struct json_out *w, const struct view *v, const struct wanted *wanted,
		 const struct login_list *logins)
{
	const struct login *chosen =
		logins->count > 0 && logins->items[0].fits ? logins->items : NULL;
	const struct record *row = chosen != NULL ? chosen->row : NULL;
	enum role role = v->context->id->role;

	json_begin_object(w);
	json_string_member(w, "id", NULL);
	json_string_member(w, "type", "imageLogin");
	json_name(w, "links");
	json_begin_object(w);
	if (row != NULL && (auth_type(role, row->type) & MAY_READ) != 0)
		repr_name_and_url(w, "registryCredential", repr_self(v, row));
	json_end_object(w);
	repr_empty_object(w, "actions");
	json_string_member(w, "baseType", "imageLogin");
	json_string_member(w, "digest", wanted->parts.digest);
	json_string_member(w, "image", wanted->image);
	write_others(w, logins);
	json_string_member(w, "publicValue",
			   row != NULL ? record_text(row, COL_PUBLIC_VALUE) : NULL);
	json_string_member(w, "reason",
			   login_reasons[chosen != NULL ? chosen->reason : LOGIN_NONE]);
	json_string_member(w, "reasonText", resolve_text(logins, chosen));
	json_string_member(w, "registry", wanted->parts.key);
	write_id(w, "registryCredentialId", &family_credential,
		 row != NULL ? &row->columns[COL_ID] : NULL);
	write_id(w, "registryId", &family_storage_pool,
		 row != NULL ? &row->columns[COL_REGISTRY_ID] : NULL);
	json_string_member(w, "repository", wanted->parts.repository);
	json_string_member(w, "serverAddress", wanted->address);
	json_string_member(w, "tag", wanted->parts.tag);
	json_end_object(w);
}

void
repr_check(struct json_out *w, const struct check_report *report, int64_t now_ms)
{
	static const char type[] = "registryTestOutput";
	char date[21];

	date_format(now_ms, date);
	json_begin_object(w);
	json_name(w, "id");
	json_null(w);
	json_string_member(w, "type", type);
	repr_empty_object(w, "links");
	repr_empty_object(w, "actions");
	json_string_member(w, "baseType", type);
	json_string_member(w, "verificationMessage", report->message);
	json_name(w, "verificationMs");
	json_int(w, report->ms);
	json_string_member(w, "verificationResult", check_result_word(report->result));
	json_name(w, "verificationStatus");
	if (report->http_status != 0)
		json_int(w, report->http_status);
	else
		json_null(w);
	json_string_member(w, "verifiedAt", date);
	json_name(w, "verifiedAtTS");
	json_int(w, now_ms - now_ms % 1000);
	json_end_object(w);
}

void
repr_error(struct json_out *w, const struct error *e)
{
	char uuid[SECRET_UUID_SIZE];

	secret_uuid(uuid);
	json_begin_object(w);
	json_string_member(w, "id", uuid);
	json_string_member(w, "type", "error");
	repr_empty_object(w, "links");
	repr_empty_object(w, "actions");
	json_name(w, "status");
	json_int(w, err_status(e->code));
	json_string_member(w, "code", err_code(e->code));
	json_string_member(w, "message", err_message(e->code));
	json_string_member(w, "detail", e->detail);
	if (e->field != NULL) {
		json_string_member(w, "fieldName", e->field);
	}
	json_string_member(w, "baseType", "error");
	json_end_object(w);
}
