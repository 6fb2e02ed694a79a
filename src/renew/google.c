/* google: access tokens for Artifact Registry and Container Registry, with the key file of a
 * service account (RFC 7523: a token that the account signs is traded for one that Google signed).
 */
#include <string.h>

#include "base/json_out.h"
#include "renew/ask.h"
#include "renew/sign.h"
#include "renew/sources.h"

#define GOOGLE "https://oauth2.googleapis.com"
#define GOOGLE_SCOPE "https://www.googleapis.com/auth/cloud-platform"

enum { ASSERTION_S = 3600 }; /* no longer one is accepted */

/* The claims of the token that is traded. */
static const char *
google_claims(struct renewal *r, const char *email)
{
	const char *scope = source_text(r->config, "scope");
	struct json_out w;
	size_t len;

	json_out_init(&w, r->arena);
	json_begin_object(&w);
	json_name(&w, "iss");
	json_string(&w, email);
	json_name(&w, "scope");
	json_string(&w, scope != NULL ? scope : GOOGLE_SCOPE);
	json_name(&w, "aud");
	json_string(&w, GOOGLE "/token"); /* wherever it is sent */
	json_name(&w, "iat");
	json_int(&w, r->now_ms / 1000);
	json_name(&w, "exp");
	json_int(&w, r->now_ms / 1000 + ASSERTION_S);
	json_end_object(&w);
	return json_out_text(&w, &len);
}

/* The signed token; NULL with r->message: the key file is none. */
static const char *
google_assertion(struct renewal *r)
{
	struct json *file = NULL;
	struct error e = {0};
	const char *text = r->source_secret != NULL ? r->source_secret : "";

	if (json_parse(r->arena, text, strlen(text), &file, &e) != ERR_NONE)
		file = NULL;
	const char *type = ask_text(file, "type"), *email = ask_text(file, "client_email"),
		   *pem = ask_text(file, "private_key");
	if (type == NULL || strcmp(type, "service_account") != 0 || email == NULL || pem == NULL) {
		r->message = "sourceSecret has to be the whole JSON key file of a service account, "
			     "with type \"service_account\", client_email and private_key.";
		return NULL;
	}
	const char *claims = google_claims(r, email);
	return claims != NULL ? sign_token(r->arena, pem, ask_text(file, "private_key_id"), claims,
					   &r->message)
			      : NULL;
}

// clang-format off
static const struct { const char *error; enum renew_result result; const char *sentence; } google_errors[] = {
	{ "invalid_grant",       RENEW_SOURCE_REFUSED, "Google refuses the key: it was deleted, or its service account is disabled or gone. Store a new key file as sourceSecret." },
	{ "invalid_client",      RENEW_SOURCE_REFUSED, "Google does not know the service account: store a new key file as sourceSecret." },
	{ "unauthorized_client", RENEW_SOURCE_REFUSED, "Google does not let this service account have the scope: look at scope in sourceConfig." },
	{ "access_denied",       RENEW_SOURCE_REFUSED, "Google refuses the service account: a rule of its organization forbids this." },
	{ "invalid_scope",       RENEW_MISCONFIGURED,  "Google does not know the scope in sourceConfig." },
};
// clang-format on

/* Whether a member of an error asks to try again, whatever the status. */
static bool
google_failed(const char *text)
{
	static const char *const words[] = {"internal_failure", "server_error",
					    "temporarily_unavailable"};

	for (size_t i = 0; text != NULL && i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static enum renew_result
google_explain(struct renewal *r, enum renew_result result, const struct ask_answer *answer)
{
	const char *error = ask_text(answer->document, "error");
	const char *description = ask_text(answer->document, "error_description");

	if (error == NULL || r->http_status < 400)
		return result;
	if (google_failed(error) || google_failed(description))
		return ask_end(r, RENEW_UNREACHABLE,
			       "Google has a failure of its own; it is asked again later.", error);
	if (strcmp(error, "invalid_grant") == 0 &&
	    (answer->skew_ms != 0 || (description != NULL && strstr(description, " iat ") != NULL)))
		return ask_end_skewed(r, answer);
	for (size_t i = 0; i < sizeof(google_errors) / sizeof(*google_errors); i++)
		if (strcmp(error, google_errors[i].error) == 0)
			return ask_end(r, google_errors[i].result, google_errors[i].sentence,
				       error);
	if (result == RENEW_BAD_ANSWER)
		return ask_end(r, result, "Google refuses the request", error);
	return result;
}

enum renew_result
google_fetch(struct renewal *r)
{
	const char *assertion = google_assertion(r);
	const char *form =
		ask_form(r->arena, "", "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
	const struct ask q = {.url = assertion != NULL ? ask_url(r, "endpoint", GOOGLE, "/token")
						       : NULL,
			      .body = ask_form(r->arena, form, "assertion", assertion),
			      .wants = "access_token"};
	struct ask_answer answer;
	double seconds;

	if (q.url == NULL)
		return ask_misconfigured(r, r->message);
	enum renew_result result = google_explain(r, ask(r, &q, &answer), &answer);
	if (result != RENEW_REFRESHED)
		return result;
	r->new_user = "oauth2accesstoken";
	r->new_secret = ask_secret(answer.document, "access_token");
	if (r->new_secret == NULL || !ask_number(answer.document, "expires_in", &seconds))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The answer of Google has no access_token with its expires_in.",
			       NULL);
	return ask_lasts(r, seconds);
}
