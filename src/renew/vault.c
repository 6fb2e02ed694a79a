/* vault: a version of a secret in Vault or OpenBao, engine KV version 2.
 *
 * Nobody tells when somebody writes a new version, so the path is read every few minutes; the
 * version that is stored already is no news.  The token is the sourceSecret, or is fetched for each
 * look with a role id and a secret id (AppRole) and revoked afterwards.
 */
#include <string.h>

#include "base/json_out.h"
#include "base/text.h"
#include "renew/ask.h"
#include "renew/sources.h"

enum { VAULT_EVERY_MS = 5 * 60 * 1000, VERSION_DIGITS = 18 };

static enum renew_result
vault_ask(struct renewal *r, const char *path, const char *token, const char *body,
	  const char *wants, struct ask_answer *out)
{
	const char *space = source_text(r->config, "namespace");
	struct ask q = {.url = ask_url(r, "address", NULL, path), .body = body, .wants = wants};
	size_t n = 0;

	*out = (struct ask_answer){0};
	if (q.url == NULL)
		return ask_misconfigured(r, r->message);
	if (token != NULL)
		q.headers[n++] = ask_header(r, "X-Vault-Token: ", token);
	if (n > 0 && q.headers[n - 1] == NULL)
		return ask_misconfigured(r, r->message);
	if (space != NULL && (q.headers[n++] = ask_header(r, "X-Vault-Namespace: ", space)) == NULL)
		return ask_misconfigured(
			r, "The member \"namespace\" of sourceConfig has a control character.");
	if (body != NULL)
		q.headers[n] = "Content-Type: application/json";
	enum renew_result result = ask(r, &q, out);
	if (result == RENEW_UNREACHABLE && r->http_status == 503)
		r->message = "Vault is sealed, or being maintained: it is asked again later.";
	return result;
}

/* A token for a role id and a secret id. */
static enum renew_result
vault_sign_in(struct renewal *r, const char *role_id, const char **token)
{
	struct ask_answer answer;
	const char *body =
		json_strings(r->arena, "role_id", role_id, "secret_id", r->source_secret);
	enum renew_result result =
		vault_ask(r, "/v1/auth/approle/login", NULL, body, "auth", &answer);
	if (result == RENEW_SOURCE_REFUSED || r->http_status == 400)
		return ask_end(
			r, RENEW_SOURCE_REFUSED,
			"Vault refuses roleId or the secret id in sourceSecret: one is wrong, "
			"has expired, or has been used as often as it may be.",
			NULL);
	if (result != RENEW_REFRESHED)
		return result;
	*token = ask_secret(json_member(answer.document, "auth"), "client_token");
	if (*token == NULL)
		return ask_end(r, RENEW_BAD_ANSWER, "Vault's answer to AppRole has no token.",
			       NULL);
	return RENEW_REFRESHED;
}

/* So that no token is left behind by each look.  What comes of it does not matter, nor is it told:
 * a token without that right ends by itself. */
static void
vault_sign_out(struct renewal *r, const char *token)
{
	struct renewal aside = *r;
	struct ask_answer answer;

	(void)vault_ask(&aside, "/v1/auth/token/revoke-self", token, "{}", NULL, &answer);
	r->now_ms = aside.now_ms;
}

/* "/v1/secret/data/team/registry" */
static const char *
vault_path(struct renewal *r)
{
	const char *mount = source_text(r->config, "mount"), *path = source_text(r->config, "path");
	const char *out = "/v1";
	const char *const parts[] = {mount != NULL ? mount : "secret", "data", path};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		for (const char *part = parts[i]; *(part += strspn(part, "/")) != '\0';) {
			size_t len = strcspn(part, "/");
			const char *name = arena_copy(r->arena, part, len);

			name = name != NULL ? http_encode(r->arena, name) : NULL;
			out = name != NULL ? arena_printf(r->arena, "%s/%s", out, name) : NULL;
			if (out == NULL)
				return NULL;
			part += len;
		}
	return out;
}

/* Vault answers 404 for a version that was deleted, and says so in a document like any other. */
static enum renew_result
vault_explain(struct renewal *r, enum renew_result result, const struct json *metadata)
{
	const struct json *destroyed = json_member(metadata, "destroyed");

	if (destroyed != NULL && destroyed->type == JSON_TRUE)
		return ask_end(
			r, RENEW_BAD_ANSWER,
			"The newest version of the secret was destroyed in Vault: write a new "
			"one.",
			NULL);
	if (ask_text(metadata, "deletion_time") != NULL)
		return ask_end(
			r, RENEW_BAD_ANSWER,
			"The newest version of the secret was deleted in Vault: restore it, or "
			"write a new one.",
			NULL);
	if (r->http_status == 404)
		return ask_end(r, RENEW_BAD_ANSWER,
			       "Vault has no secret at this mount and path: write one, or correct "
			       "sourceConfig.",
			       NULL);
	if (result == RENEW_SOURCE_REFUSED)
		return ask_end(r, RENEW_SOURCE_REFUSED,
			       "Vault refuses the token: it is wrong or has expired, or its policy "
			       "does not let it read this path.",
			       NULL);
	return result;
}

static enum renew_result
vault_take(struct renewal *r, const struct json *data, const struct json *metadata)
{
	const char *user_field = source_text(r->config, "userField");
	const char *field = source_text(r->config, "passwordField");
	const struct json *version = json_member(metadata, "version");

	r->new_user = ask_text(data, user_field != NULL ? user_field : "username");
	/* May have line breaks: the key file of a service account is a password too. */
	r->new_secret = ask_text(data, field != NULL ? field : "password");
	if (r->new_secret == NULL)
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The secret in Vault lacks the field with the password",
			       field != NULL ? field : "password");
	if (r->new_user == NULL && (user_field != NULL || r->user == NULL))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The secret in Vault lacks the field with the user name",
			       user_field != NULL ? user_field : "username");
	if (version != NULL && version->type == JSON_NUMBER &&
	    strlen(version->text) <= VERSION_DIGITS)
		r->new_handle = version->text;
	/* By the values, not by the version: sourceConfig may name another path now. */
	r->unchanged =
		r->secret != NULL && strcmp(r->secret, r->new_secret) == 0 &&
		(r->new_user == NULL || (r->user != NULL && strcmp(r->user, r->new_user) == 0));
	r->every_ms = VAULT_EVERY_MS;
	return RENEW_REFRESHED;
}

static enum renew_result
vault_read(struct renewal *r, const char *token)
{
	struct ask_answer answer;
	enum renew_result result = vault_ask(r, vault_path(r), token, NULL, "data", &answer);
	const struct json *outer = json_member(answer.document, "data");
	const struct json *data = json_member(outer, "data"),
			  *metadata = json_member(outer, "metadata");

	if (result == RENEW_REFRESHED && data != NULL && data->type == JSON_OBJECT &&
	    metadata != NULL)
		return vault_take(r, data, metadata);
	if (result == RENEW_REFRESHED && metadata == NULL)
		return ask_end(r, RENEW_BAD_ANSWER,
			       "This is not a secret of a KV engine of version 2: correct mount in "
			       "sourceConfig.",
			       NULL);
	return vault_explain(r, result == RENEW_REFRESHED ? RENEW_BAD_ANSWER : result, metadata);
}

enum renew_result
vault_fetch(struct renewal *r)
{
	const char *role_id = source_text(r->config, "roleId"), *token = r->source_secret;
	enum renew_result result = RENEW_REFRESHED;

	if (token == NULL)
		return ask_misconfigured(
			r, "The source needs a sourceSecret: a token, or the secret id that "
			   "belongs to roleId.");
	if (role_id != NULL)
		result = vault_sign_in(r, role_id, &token);
	if (result != RENEW_REFRESHED)
		return result;
	result = vault_read(r, token);
	if (role_id != NULL)
		vault_sign_out(r, token);
	return result;
}
