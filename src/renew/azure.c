/* azure: refresh tokens of Azure Container Registry.  A service principal's secret is traded for an
 * access token of Entra, and that for a token of the registry, which lasts three hours. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/claims.h"
#include "registry/url.h"
#include "renew/ask.h"
#include "renew/sources.h"

/* Who signs people in, and what a token is for, by the end of the registry's name. */
static const struct azure_cloud {
	const char *suffix, *login, *scope;
} clouds[] = {
	{".azurecr.cn", "https://login.chinacloudapi.cn",
	 "https://containerregistry.azure.cn/.default"},
	{".azurecr.us", "https://login.microsoftonline.us",
	 "https://containerregistry.azure.us/.default"},
	{"", "https://login.microsoftonline.com", "https://containerregistry.azure.net/.default"},
};

static const struct azure_cloud *
azure_cloud_of(const char *host)
{
	size_t i = 0, len = strlen(host);

	while (strlen(clouds[i].suffix) > len ||
	       strcmp(host + len - strlen(clouds[i].suffix), clouds[i].suffix) != 0)
		i++;
	return &clouds[i];
}

// clang-format off
/* The numbers that people search for. */
static const struct { const char *number; enum renew_result result; const char *sentence; } entra_errors[] = {
	{ "7000215", RENEW_SOURCE_REFUSED, "Entra refuses the client secret: store its value (not its id) as sourceSecret." },
	{ "7000222", RENEW_SOURCE_REFUSED, "The client secret has expired: make a new one in Entra, and store it as sourceSecret." },
	{ "700016",  RENEW_SOURCE_REFUSED, "Entra does not know this clientId in this tenant." },
	{ "90002",   RENEW_MISCONFIGURED,  "Entra does not know the tenant in sourceConfig." },
	{ "900023",  RENEW_MISCONFIGURED,  "Entra does not know the tenant in sourceConfig." },
	{ "7000112", RENEW_SOURCE_REFUSED, "The application is disabled in Entra." },
	{ "53003",   RENEW_SOURCE_REFUSED, "A rule for conditional access forbids this server to sign in." },
};
// clang-format on

/* The first of error_codes; NULL: none. */
static const char *
entra_number(const struct json *document)
{
	const struct json *list = json_member(document, "error_codes");
	const struct json *first = list != NULL && list->type == JSON_ARRAY ? list->child : NULL;

	return first != NULL && first->type == JSON_NUMBER ? first->text : NULL;
}

static enum renew_result
entra_explain(struct renewal *r, enum renew_result result, const struct ask_answer *answer)
{
	const char *number = entra_number(answer->document);

	if (number == NULL || r->http_status < 400)
		return result;
	const char *code = arena_printf(r->arena, "AADSTS%s", number);
	for (size_t i = 0; i < sizeof(entra_errors) / sizeof(*entra_errors); i++)
		if (strcmp(number, entra_errors[i].number) == 0)
			return ask_end(r, entra_errors[i].result, entra_errors[i].sentence, code);
	if (r->http_status == 400 || r->http_status == 401)
		return ask_end(r, RENEW_SOURCE_REFUSED,
			       "Entra refuses the service principal; search for the number", code);
	return result;
}

static enum renew_result
ask_entra(struct renewal *r, const struct azure_cloud *cloud, const char *tenant,
	  struct ask_answer *out)
{
	const char *encoded = http_encode(r->arena, tenant);
	const char *path =
		arena_printf(r->arena, "/%s/oauth2/v2.0/token", encoded != NULL ? encoded : "");
	const char *form = ask_form(r->arena, "", "grant_type", "client_credentials");

	form = ask_form(r->arena, form, "client_id", source_text(r->config, "clientId"));
	form = ask_form(r->arena, form, "client_secret", r->source_secret);
	form = ask_form(r->arena, form, "scope", cloud->scope);
	const struct ask q = {.url = path != NULL ? ask_url(r, "authority", cloud->login, path)
						  : NULL,
			      .body = form,
			      .wants = "access_token"};
	if (q.url == NULL)
		return ask_misconfigured(r, r->message);
	return entra_explain(r, ask(r, &q, out), out);
}

static enum renew_result
acr_exchange(struct renewal *r, const char *base, const char *tenant, const char *token,
	     struct ask_answer *out)
{
	const char *form = ask_form(r->arena, "", "grant_type", "access_token");

	form = ask_form(r->arena, form, "service", fetch_url_host(r->arena, base));
	form = ask_form(r->arena, form, "tenant", tenant);
	form = ask_form(r->arena, form, "access_token", token);
	const struct ask q = {.url = arena_printf(r->arena, "%s/oauth2/exchange", base),
			      .body = form,
			      .wants = "refresh_token"};
	enum renew_result result = ask(r, &q, out);
	if (result == RENEW_SOURCE_REFUSED)
		return ask_end(r, result,
			       "The registry refuses the service principal: give it the role "
			       "AcrPull on this registry, and let this server through the "
			       "registry's firewall.",
			       NULL);
	if (r->http_status == 404)
		return ask_end(
			r, RENEW_BAD_ANSWER,
			"There is no token service at this registry: is it one of Azure's? "
			"With a domain of your own, set endpoint to https://NAME.azurecr.io.",
			NULL);
	return result;
}

/* The token says itself how long it lasts. */
static enum renew_result
azure_take(struct renewal *r, const struct ask_answer *answer)
{
	double exp_s;

	r->new_user = "00000000-0000-0000-0000-000000000000";
	r->new_secret = ask_secret(answer->document, "refresh_token");
	if (r->new_secret == NULL ||
	    !ask_number(claims_read(r->arena, r->new_secret), "exp", &exp_s))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The registry's token does not say when it expires.", NULL);
	return ask_expires(r, answer, exp_s * 1000);
}

enum renew_result
azure_fetch(struct renewal *r)
{
	const char *tenant = source_text(r->config, "tenant");
	const char *why;
	struct registry_url url;
	struct ask_answer answer;

	if (r->source_secret == NULL || *r->source_secret == '\0')
		return ask_misconfigured(r, "The client secret is missing: store it as "
					    "sourceSecret.");
	why = registry_url_parse(r->arena, r->address, &url);
	if (why != NULL)
		return ask_misconfigured(r, why);
	const char *base =
		ask_url(r, "endpoint", arena_printf(r->arena, "https://%s", url.key), "");
	const char *host = base != NULL ? fetch_url_host(r->arena, base) : NULL;
	if (host == NULL)
		return ask_misconfigured(r, r->message);
	enum renew_result result = ask_entra(r, azure_cloud_of(host), tenant, &answer);
	if (result != RENEW_REFRESHED)
		return result;
	const char *token = ask_secret(answer.document, "access_token");
	if (token == NULL)
		return ask_end(r, RENEW_BAD_ANSWER, "The answer of Entra has no access_token.",
			       NULL);
	result = acr_exchange(r, base, tenant, token, &answer);
	return result == RENEW_REFRESHED ? azure_take(r, &answer) : result;
}
