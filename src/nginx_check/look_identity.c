/* look_identity: looks at who says who is signed in. */
#include "nginx_check/look_identity.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "nginx_check/look_common.h"
#include "nginx_check/nginx_check.h"
#include "nginx_check/site.h"
#include "nginx_check/trace.h"
#include "nginx_check/tree.h"

static const char *const identity_params[] = {"REGCRED_PROXY_USER", "REGCRED_PROXY_GROUPS",
					      "REGCRED_PROXY_EMAIL"};

/* Directives that let nobody in without proof, and whether that makes $remote_user true. */
static const struct {
	const char *directive;
	bool basic;
} auth_ways[] = {
	{"auth_basic", true}, {"auth_pam", true},      {"auth_ldap", true},
	{"auth_gss", true},   {"auth_digest", true},   {"auth_request", false},
	{"auth_jwt", false},  {"auth_openidc", false},
};

/* `auth_basic $realm` is no protection where a map can make it "off". */
static bool
is_on(const struct site *site, const struct node *way)
{
	struct trace t;

	trace_start(&t, site, way, node_word(way, 1));
	for (size_t i = 0; i < t.count; i++)
		if (strcasecmp(t.from[i].text, "off") == 0)
			return false;
	return true;
}

static bool
is_authenticated(const struct site *site, bool basic_only)
{
	for (size_t i = 0; i < COUNT_OF(auth_ways); i++) {
		const struct node *n = node_effective(site->block, auth_ways[i].directive);

		if (n != NULL && (auth_ways[i].basic || !basic_only) && is_on(site, n))
			return true;
	}
	return false;
}

/* With `optional` an absent certificate leaves the name empty, and a wrong one is refused, so a
 * name that comes from the certificate is proven. */
static bool
is_certified(const struct site *site, const struct node *param)
{
	static const char *const certificate[] = {"ssl_client_*", NULL};
	const struct node *verify = node_effective(site->block, "ssl_verify_client");
	struct trace t;

	if (verify == NULL || strcmp(node_word(verify, 1), "optional") != 0)
		return verify != NULL && strcmp(node_word(verify, 1), "on") == 0;
	trace_start(&t, site, param, node_word(param, 2));
	for (size_t i = 0; i < t.count; i++)
		if (variable_among(site->check->arena, t.from[i].text, certificate) != NULL)
			return true;
	return false;
}

void
look_identity_open(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; i < COUNT_OF(identity_params); i++) {
		const struct node *n = param_find(site, identity_params[i]);

		if (n != NULL && !is_authenticated(site, false) && !is_certified(site, n))
			site_found(site, rule, n, identity_params[i]);
	}
}

void
look_identity_satisfy(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "satisfy");

	if (n != NULL && strcmp(node_word(n, 1), "any") == 0 &&
	    param_find(site, "REGCRED_PROXY_USER") != NULL)
		site_found(site, rule, n, "");
}

/* The first rule about everybody turns them away. */
static bool
is_denied_to_others(const struct site *site)
{
	const struct node *block = site->block;

	/* The nearest block that has rules; it inherits none. */
	while (block != NULL && node_own(block, "allow") == NULL && node_own(block, "deny") == NULL)
		block = block->parent;
	for (const struct node *n = block == NULL ? NULL : block->children; n != NULL; n = n->next)
		if ((node_is_named(n, "allow") || node_is_named(n, "deny")) &&
		    strcasecmp(node_word(n, 1), "all") == 0)
			return node_is_named(n, "deny");
	return false;
}

void
look_metrics_open(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, rule->directive);

	if (n != NULL && *node_word(n, 2) != '\0' && node_own(site->block, "internal") == NULL &&
	    !is_denied_to_others(site) && !is_authenticated(site, false))
		site_found(site, rule, n, "");
}

void
look_identity_client(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; i < COUNT_OF(identity_params); i++)
		look_for_variables(site, rule, identity_params[i], client_variables);
	look_for_variables(site, rule, "REGCRED_PROXY_TOKEN", client_variables);
}

void
look_identity_unverified(const struct site *site, const struct rule *rule)
{
	static const char *const remote_user[] = {"remote_user", NULL};

	if (is_authenticated(site, true))
		return;
	for (size_t i = 0; i < COUNT_OF(identity_params); i++)
		look_for_variables(site, rule, identity_params[i], remote_user);
}

/* What nginx fills by itself in the request that is passed on.  $upstream_... is not among them: in
 * there it is the answer of regcred, not of the service that authenticates. */
// clang-format off
static const char *const builtin_variables[] = {
	"ssl_*", "jwt_*", "remote_*", "http_*", "arg_*", "cookie_*", "request_*", "args",
	"query_string", "server_*", "host", "realip_*", "proxy_protocol_*", "uri", "binary_*", NULL
};

static bool
is_defined_by(const struct trace *t, const struct node *n, const char *name)
{
	if (variable_is_set(n))
		return variable_is(node_word(n, 1), name) && variable_is_in_reach(t, n);
	if (variable_is_map(n) && variable_is(node_last_word(n), name))
		return true;
	if (strstr(n->words[0], "_set") != NULL || strstr(n->words[0], "set_by") != NULL)
		return variable_is(node_word(n, 1), name);
	return false;
}

static bool
has_word_with(const struct node *n, const char *part)
{
	for (size_t i = 0; i < n->word_count; i++)
		if (strstr(n->words[i], part) != NULL)
			return true;
	return false;
}

/* Also as the named part of a regular expression, wherever it is. */
static bool
is_defined(const struct trace *t, const char *name)
{
	const struct nginx_check *c = t->site->check;
	const char *group = arena_printf(c->arena, "<%s>", name);

	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (is_defined_by(t, n, name) || group == NULL || has_word_with(n, group))
			return true;
	return false;
}

/* The first variable of a text that stays empty in the request to regcred. */
static const char *
empty_variable(const struct trace *t, const struct node *at, const char *text)
{
	struct arena *a = t->site->check->arena;
	const char *name;

	if (node_is_named(at, "auth_request_set"))
		return NULL; /* here $upstream_... is the right one */
	while ((name = variable_next(a, &text)) != NULL) {
		const char *dollar = arena_printf(a, "$%s", name);

		if (name[strspn(name, "0123456789")] != '\0' && dollar != NULL &&
		    variable_among(a, dollar, builtin_variables) == NULL && !is_defined(t, name))
			return name;
	}
	return NULL;
}

void
look_identity_unset(const struct site *site, const struct rule *rule)
{
	const struct node *auth = node_effective(site->block, "auth_request");

	if (auth == NULL || node_is_off(auth))
		return;
	for (size_t i = 0; i < COUNT_OF(identity_params); i++) {
		const struct node *n = param_find(site, identity_params[i]);
		const char *name;
		struct trace t;

		if (n == NULL)
			continue;
		trace_start(&t, site, n, node_word(n, 2));
		for (size_t k = 0; k < t.count; k++)
			if ((name = empty_variable(&t, t.from[k].at, t.from[k].text)) != NULL)
				site_found(site, rule, t.from[k].at, name);
	}
}

void
look_token_missing(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, "REGCRED_PROXY_USER");

	if (n != NULL && param_find(site, "REGCRED_PROXY_TOKEN") == NULL)
		site_found(site, rule, n, "");
}

void
look_token_readable(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, "REGCRED_PROXY_TOKEN");
	struct trace t;
	struct stat st;

	if (n == NULL)
		return;
	trace_start(&t, site, n, node_word(n, 2));
	for (size_t i = 0; i < t.count; i++) {
		const struct node *at = t.from[i].at;

		if (t.from[i].text[0] != '\0' && strchr(t.from[i].text, '$') == NULL &&
		    stat(at->file, &st) == 0 && (st.st_mode & S_IROTH) != 0)
			site_found(site, rule, at, "");
	}
}
