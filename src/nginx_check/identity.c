/* identity: checks where the identity of a user comes from.
 *
 * The rule is an allow-list.  Every text that an identity is made from is followed to its
 * variables, and each of those must be one of three:
 *
 *     $remote_user             under auth_basic with a file
 *     $ssl_client_s_dn etc.    where every listener speaks TLS and the certificate is verified
 *     $upstream_http_...       by auth_request_set, of a location that asks a service
 *
 * or be set from these by `set` and `map`, with the captures of the map's own expressions.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "nginx_check/site.h"
#include "nginx_check/trace.h"

enum {
	ANSWER_MIN =
		16 * 1024, /* bytes of all headers of a service that sends 4,096 bytes of groups */
	BUFFER_DEFAULT = 4096, /* nginx's own proxy_buffer_size, on most machines */
};

static const char *const identity_params[] = {"REGCRED_PROXY_USER", "REGCRED_PROXY_GROUPS",
					      "REGCRED_PROXY_EMAIL"};
static const char *const passes[] = {"proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass",
				     "grpc_pass"};
static const char *const answers[] = {"upstream_http_*", NULL};
// clang-format off
/* Variables that identify a certificate; $ssl_client_verify does not. */
static const char *const proofs[] = {
	"remote_user", "ssl_client_s_dn", "ssl_client_s_dn_legacy", "ssl_client_serial", "ssl_client_fingerprint", "ssl_client_cert",
	"ssl_client_raw_cert", "ssl_client_escaped_cert", NULL
};
// clang-format on

/* A value of an identity parameter that is being checked. */
struct claim {
	const struct site *site;
	const struct rule *rule;
	const char *param;
	bool is_user;
	bool may_be_empty; /* a service may name no user, a client may have no certificate */
	struct trace trace;
};

/* `auth_basic $realm` protects nothing where a map or a client can make it "off", and without a
 * file nginx lets everybody in. */
static bool
block_is_basic(const struct site *site, const struct node *block)
{
	const struct node *realm = node_effective(block, "auth_basic");
	const struct node *file = node_effective(block, "auth_basic_user_file");
	struct site there = *site;
	struct trace t;

	there.block = block;
	if (realm == NULL || file == NULL || node_word(file, 1)[0] == '\0' ||
	    strchr(node_word(file, 1), '$') != NULL)
		return false;
	if (!trace_run(&t, &there, realm, node_word(realm, 1)) || !trace_is_fixed(&t))
		return false;
	for (size_t i = 0; i < t.count; i++)
		if (strcasecmp(t.from[i].text, "off") == 0)
			return false;
	return true;
}

/* Whether requests in the block make nginx ask the location by a subrequest. */
static bool
block_asks(const struct site *site, const struct node *block, const struct node *location)
{
	static const char *const asks[] = {"auth_request", "mirror", "add_before_body",
					   "add_after_body"};

	for (size_t i = 0; i < COUNT_OF(asks); i++) {
		const struct node *n = node_effective(block, asks[i]);

		if (n != NULL && !node_is_off(n) &&
		    site_location(site, node_word(n, 1)) == location)
			return true;
	}
	return false;
}

/* In a subrequest nginx looks at no password: whoever causes one has to. */
static bool
auth_is_basic(const struct site *site)
{
	const struct node *location = node_enclosing(site->block, "location");

	if (!block_is_basic(site, site->block))
		return false;
	for (const struct node *n = site->server; n != NULL; n = node_following(site->server, n))
		if (n->children != NULL && !node_is_in(n, location) &&
		    block_asks(site, n, location) && !block_is_basic(site, n))
			return false;
	return true;
}

/* The location that auth_request asks; NULL without one. */
static const struct node *
auth_location(const struct site *site)
{
	const struct node *asks = node_effective(site->block, "auth_request");

	return asks == NULL || node_is_off(asks) ? NULL : site_location(site, node_word(asks, 1));
}

/* Cached answers must be cached separately for each client. */
static bool
is_cached_for_all(const struct node *location)
{
	const struct node *cache = node_effective(location, "proxy_cache");
	const struct node *key = node_effective(location, "proxy_cache_key");

	if (cache == NULL || node_is_off(cache))
		return false;
	return key == NULL ||
	       (!node_mentions(key, "$cookie_") && !node_mentions(key, "$http_cookie") &&
		!node_mentions(key, "$http_authorization"));
}

/* Whether it asks a service that no client can choose. */
static bool
auth_is_asked(const struct site *site)
{
	const struct node *location = auth_location(site), *pass = NULL;
	struct site asked = *site;
	struct trace t;

	if (location == NULL || node_own(location, "return") != NULL || is_cached_for_all(location))
		return false;
	for (size_t i = 0; pass == NULL && i < COUNT_OF(passes); i++)
		pass = node_own(location, passes[i]);
	if (pass == NULL)
		return false;
	const char *target = node_word(pass, 1), *host = strstr(target, "://");
	size_t begin = host == NULL ? 0 : (size_t)(host - target) + 3;
	const char *address =
		arena_copy(site->check->arena, target, begin + strcspn(target + begin, "/"));

	asked.block = location;
	return address != NULL && trace_run(&t, &asked, pass, address) && trace_is_fixed(&t);
}

static bool
listens_by_tls(const struct node *listen)
{
	const struct node *ssl = node_effective(listen->parent, "ssl");

	for (size_t i = 2; i < listen->word_count; i++)
		if (strcmp(listen->words[i], "ssl") == 0 || strcmp(listen->words[i], "quic") == 0)
			return true;
	return ssl != NULL && strcasecmp(node_word(ssl, 1), "on") == 0;
}

static bool
certificate_is(const struct site *site, const char *how)
{
	const struct node *verify = node_effective(site->block, "ssl_verify_client");

	return verify != NULL && strcmp(node_word(verify, 1), how) == 0;
}

static bool
certificate_is_verified(const struct site *site)
{
	const struct node *n = site->server == NULL ? NULL : node_own(site->server, "listen");

	if (n == NULL || (!certificate_is(site, "on") && !certificate_is(site, "optional")))
		return false;
	for (; n != NULL; n = node_next_named(n->next, "listen"))
		if (!listens_by_tls(n))
			return false;
	return true;
}

/* Lists of public authorities, from which anybody gets a certificate; nginx takes both directives
 * for clients. */
static bool
certificate_is_public(const struct node *server)
{
	static const char *const directives[] = {"ssl_client_certificate",
						 "ssl_trusted_certificate"};
	static const char *const names[] = {"ca-certificates", "ca-bundle", "tls-ca-bundle",
					    "/ssl/cert.pem"};

	for (size_t i = 0; i < COUNT_OF(directives); i++) {
		const struct node *n = node_effective(server, directives[i]);

		for (size_t k = 0; n != NULL && k < COUNT_OF(names); k++)
			if (node_mentions(n, names[k]))
				return true;
	}
	return false;
}

static const char *
port_of(const struct node *listen)
{
	const char *address = node_word(listen, 1), *colon = strrchr(address, ':');

	if (text_begins_with(address, "unix:"))
		return address;
	if (colon != NULL && strchr(colon, ']') == NULL)
		return colon + 1;
	return strspn(address, "0123456789") == strlen(address) ? address : "80";
}

static bool
servers_share_port(const struct node *a, const struct node *b)
{
	for (const struct node *n = node_own(a, "listen"); n != NULL;
	     n = node_next_named(n->next, "listen"))
		for (const struct node *o = node_own(b, "listen"); o != NULL;
		     o = node_next_named(o->next, "listen"))
			if (strcmp(port_of(n), port_of(o)) == 0)
				return true;
	return false;
}

/* A client that names no server when it connects has its certificate verified as the first server
 * of the port says, and may then send a request to any of them. */
static bool
certificate_is_of_another(const struct site *site)
{
	const struct node *root = site->check->root;
	const struct node *own = node_effective(site->server, "ssl_client_certificate");

	for (const struct node *n = root; n != NULL; n = node_following(root, n)) {
		const struct node *verify, *other;

		if (!node_is_named(n, "server") || n == site->server ||
		    !servers_share_port(n, site->server))
			continue;
		verify = node_effective(n, "ssl_verify_client");
		other = node_effective(n, "ssl_client_certificate");
		if (verify != NULL && !node_is_off(verify) && other != NULL && own != NULL &&
		    strcmp(node_word(other, 1), node_word(own, 1)) != 0)
			return true;
	}
	return false;
}

static const char *
certificate_doubt(const struct site *site)
{
	if (!certificate_is_verified(site))
		return "but not every listener here is TLS that verifies certificates";
	if (certificate_is_public(site->server))
		return "but public authorities sign certificates for anybody";
	if (certificate_is_of_another(site))
		return "but another server on this port takes certificates of another authority";
	return NULL;
}

/* NULL if the variable proves an identity, or is set from something that is checked itself. */
static const char *
claim_doubt(struct claim *c, const struct origin *from, const char *name)
{
	bool is_answer = node_is_named(from->at, "auth_request_set");

	if (from->row != NULL && variable_is_captured(node_word(from->row, 0), name))
		return NULL;
	if (!is_answer && trace_defines(&c->trace, name))
		return NULL;
	if (!variable_in(name, is_answer ? answers : proofs))
		return "which proves nothing";
	if (is_answer)
		return auth_is_asked(c->site) ? NULL : "but no auth_request here asks a service";
	if (strcasecmp(name, "remote_user") == 0)
		return auth_is_basic(c->site) ? NULL : "but no auth_basic with a file protects it";
	return certificate_doubt(c->site);
}

/* An expression that begins with a fixed character cannot match the empty text. */
static bool
key_may_match_empty(const char *key)
{
	if (key[0] != '~')
		return key[0] == '\0' || strcmp(key, "default") == 0;
	key += 1 + (key[1] == '*');
	return key[0] != '^' || !isalnum((unsigned char)key[1]) || key[2] == '\0' ||
	       strchr("*?{", key[2]) != NULL || strchr(key, '|') != NULL;
}

/* The name of an unauthenticated client must stay empty, because regcred refuses that. */
static bool
names_nobody(const struct claim *c, const struct origin *from)
{
	if (from->text[0] == '\0' || variable_only(c->site->check->arena, from->text) != NULL)
		return true;
	return from->row != NULL && !key_may_match_empty(node_word(from->row, 0));
}

static void
claim_found(const struct claim *c, const struct origin *from, const char *text)
{
	found(c->site, c->rule, from->at,
	      arena_printf(c->site->check->arena, "%s comes from %s", c->param, text));
}

static void
judge_origin(struct claim *c, const struct origin *from)
{
	struct arena *a = c->site->check->arena;
	const char *text = from->text, *name, *doubt;

	while ((name = variable_next(a, &text)) != NULL)
		if ((doubt = claim_doubt(c, from, name)) != NULL)
			claim_found(c, from, arena_printf(a, "$%s, %s", name, doubt));
	if (!c->is_user || from->text[0] == '\0')
		return;
	if (strchr(from->text, '$') == NULL && from->row == NULL)
		claim_found(c, from, "a fixed text");
	else if (c->may_be_empty && !names_nobody(c, from))
		claim_found(c, from, "a text that is not empty where nobody is signed in");
}

static void
judge_claim(struct claim *c, const struct node *at)
{
	c->may_be_empty = certificate_is(c->site, "optional") || auth_location(c->site) != NULL;
	if (!trace_run(&c->trace, c->site, at, node_word(at, 2)))
		return;
	for (size_t i = 0; i < c->trace.count; i++)
		judge_origin(c, &c->trace.from[i]);
}

static void
look_identity(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; i < COUNT_OF(identity_params); i++)
		for (const struct node *n = NULL;
		     (n = param_next(site, n, identity_params[i])) != NULL;) {
			struct claim c = {.site = site,
					  .rule = rule,
					  .param = identity_params[i],
					  .is_user = i == 0};

			judge_claim(&c, n);
		}
}

/* The rows of maps on the way to an identity that `is_wrong` says. */
static void
look_rows(const struct site *site, const struct rule *rule,
	  bool (*is_wrong)(const struct node *row, bool is_user))
{
	for (size_t i = 0; i < COUNT_OF(identity_params); i++) {
		const struct node *n = param_find(site, identity_params[i]);
		struct trace t;

		if (n == NULL || !trace_run(&t, site, n, node_word(n, 2)))
			continue;
		for (size_t k = 0; k < t.count; k++)
			if (t.from[k].row != NULL && is_wrong(t.from[k].row, i == 0))
				found(site, rule, t.from[k].row, node_word(t.from[k].row, 0));
	}
}

/* nginx compares plain keys of a map without case, and so expressions that begin with ~*. */
static bool
row_ignores_case(const struct node *row, bool is_user)
{
	const char *key = node_word(row, 0);

	(void)is_user;
	if (key[0] == '~')
		return key[1] == '*' || strstr(key, "(?i") != NULL;
	if (strcmp(key, "default") == 0)
		return false;
	for (; *key != '\0'; key++)
		if (isalpha((unsigned char)*key))
			return true;
	return false;
}

static void
look_case(const struct site *site, const struct rule *rule)
{
	look_rows(site, rule, row_ignores_case);
}

/* Whether an expression of a map is found within a longer word: it begins, or ends, with a letter
 * or digit of its own. */
static bool
key_is_part(const char *key)
{
	size_t len;

	key += 1 + (key[1] == '*');
	if (text_begins_with(key, "(?i)"))
		key += strlen("(?i)");
	while (text_begins_with(key, ".*"))
		key += 2;
	len = strlen(key);
	if (text_ends_with(key, ".*"))
		len -= 2;
	return isalnum((unsigned char)key[0]) || (len > 0 && isalnum((unsigned char)key[len - 1]));
}

/* Whether what it takes from a name ends within a word, as [a-z]+ does in "alice2". */
static bool
key_cuts(const char *key)
{
	return strstr(key, "[^") == NULL &&
	       (text_ends_with(key, "]+)") || text_ends_with(key, "]*)"));
}

/* Whether a bar stands outside of all groups: the anchors count for one side of it. */
static bool
key_has_sides(const char *key)
{
	int depth = 0;

	for (; *key != '\0'; key++) {
		if (*key == '\\' && key[1] != '\0') {
			key++;
			continue;
		}
		if (*key == '|' && depth == 0)
			return true;
		depth += (*key == '(') - (*key == ')');
	}
	return false;
}

/* Whether the row of a map gives its value to names that are only like the one that is meant. A
 * group may be a part of a name, but a user's name has to be taken from there up to its end. */
static bool
row_is_for_parts(const struct node *row, bool is_user)
{
	const char *key = node_word(row, 0), *value = node_last_word(row);
	bool is_fixed = strchr(value, '$') == NULL;

	if (key[0] != '~' || value[0] == '\0' || (!is_fixed && !is_user))
		return false;
	return is_fixed ? key_is_part(key) || key_has_sides(key) : key_cuts(key);
}

static void
look_parts(const struct site *site, const struct rule *rule)
{
	look_rows(site, rule, row_is_for_parts);
}

static void
look_satisfy(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "satisfy");

	if (n != NULL && strcmp(node_word(n, 1), "any") == 0 &&
	    param_find(site, identity_params[0]) != NULL)
		found(site, rule, n, "");
}

static void
look_token(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, "REGCRED_PROXY_TOKEN");
	struct trace t;

	if (n != NULL && trace_run(&t, site, n, node_word(n, 2)) && !trace_is_fixed(&t))
		found(site, rule, n, node_word(n, 2));
}

/* The token itself may be in the parameter, in a `set` or in a map. */
static void
look_token_file(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, "REGCRED_PROXY_TOKEN");
	struct trace t;
	struct stat st;

	if (n == NULL || !trace_run(&t, site, n, node_word(n, 2)))
		return;
	for (size_t i = 0; i < t.count; i++)
		if (t.from[i].text[0] != '\0' && strchr(t.from[i].text, '$') == NULL &&
		    stat(t.from[i].at->file, &st) == 0 && (st.st_mode & S_IROTH) != 0)
			found(site, rule, t.from[i].at, "");
}

/* An `if` can make requests leave the location before authentication. */
static void
look_shut_out(const struct site *site, const struct rule *rule)
{
	const char *path = node_last_word(site->block);

	if (node_is_named(site->block, "location") &&
	    param_find(site, identity_params[0]) != NULL &&
	    (strcmp(path, "/") == 0 || strstr(path, "v1") != NULL) &&
	    node_own(site->block, "if") == NULL)
		found(site, rule, site->block, "");
}

/* Whether the first line about all addresses denies them. */
static bool
denies_others(const struct node *block)
{
	/* The nearest block that has such lines; it inherits none. */
	while (block != NULL && node_own(block, "allow") == NULL && node_own(block, "deny") == NULL)
		block = block->parent;
	for (const struct node *n = block == NULL ? NULL : block->children; n != NULL; n = n->next)
		if ((node_is_named(n, "allow") || node_is_named(n, "deny")) &&
		    (strcasecmp(node_word(n, 1), "all") == 0 ||
		     text_ends_with(node_word(n, 1), "/0")))
			return node_is_named(n, "deny");
	return false;
}

static void
look_metrics(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, "REGCRED_METRICS");

	if (n != NULL && node_own(site->block, "internal") == NULL && !denies_others(site->block) &&
	    !auth_is_basic(site) && !auth_is_asked(site))
		found(site, rule, n, "");
}

/* An authentication service chooses its policy by the URL that the client requested. */
static void
look_auth_host(const struct site *site, const struct rule *rule)
{
	static const char *const headers[] = {"X-Original-URL", "X-Forwarded-Host"};
	const struct node *location = auth_location(site);

	for (size_t i = 0; location != NULL && i < COUNT_OF(headers); i++) {
		const struct node *n = node_about(location, "proxy_set_header", headers[i]);

		if (n != NULL && (node_mentions(n, "$http_host") || node_mentions(n, "$host")))
			found(site, rule, n, headers[i]);
	}
}

static void
look_auth_buffer(const struct site *site, const struct rule *rule)
{
	const struct node *location = auth_location(site);
	const struct node *pass = location == NULL ? NULL : node_own(location, "proxy_pass");

	if (pass != NULL && param_find(site, identity_params[1]) != NULL &&
	    node_size_or(node_effective(location, "proxy_buffer_size"), 1, BUFFER_DEFAULT) <
		    ANSWER_MIN)
		found(site, rule, pass, "");
}

/* A redirect to the sign-in page, in a server that has one. */
static void
look_redirect(const struct site *site, const struct rule *rule)
{
	if (site->server == NULL || param_find(site, identity_params[0]) == NULL)
		return;
	for (const struct node *n = site->server; n != NULL; n = node_following(site->server, n))
		for (size_t i = 1; node_is_named(n, "return") && i < n->word_count; i++) {
			const char *query = strchr(n->words[i], '?');

			if (query != NULL &&
			    (strstr(query, "$request_uri") || strstr(query, "$args")))
				found(site, rule, n, n->words[i]);
		}
}

// clang-format off

static const struct rule identity_rows[] = {
	{ "identity", PROBLEM, look_identity, NULL, NULL, "{}; an identity may come from $remote_user under auth_basic with auth_basic_user_file, from $ssl_client_s_dn where all listeners are TLS with ssl_verify_client, or by auth_request_set from $upstream_http_... of a service that is asked" },
	{ "identity-satisfy", PROBLEM, look_satisfy, NULL, NULL, "`satisfy any` lets clients in by their address alone, with a user name that nobody has verified; say `satisfy all`" },
	{ "map-case", PROBLEM, look_case, NULL, NULL, "nginx ignores case where it compares \"{}\", so another person of almost the same name gets this row; write an expression with case: \"~^name$\"" },
	{ "map-part", PROBLEM, look_parts, NULL, NULL, "\"{}\" is also found within another name, whose owner gets this row; write the whole of it: \"~^name$\"" },
	{ "token", PROBLEM, look_token, NULL, NULL, "REGCRED_PROXY_TOKEN comes from {}, which is not a fixed text, so clients may know or choose it; include a file of mode 0600 with the token itself" },
	{ "token-readable", PROBLEM, look_token_file, NULL, NULL, "REGCRED_PROXY_TOKEN is in a file that every user can read; move this line to a file of mode 0600 and include that" },
	{ "keys-shut-out", WARNING, look_shut_out, NULL, NULL, "only people can sign in here, so every request with an API key is refused; add the `if` of the examples in nginx/examples, which sends those to @regcred_keys" },
	{ "auth-buffer", PROBLEM, look_auth_buffer, NULL, NULL, "a long list of groups or a new cookie in the service's answer makes it 500; say `proxy_buffer_size 16k; proxy_buffers 8 16k;` in this location" },
	{ "auth-host", PROBLEM, look_auth_host, NULL, NULL, "{} tells the service a host that the client chose, and with it a policy; use $server_name" },
	{ "redirect", WARNING, look_redirect, NULL, NULL, "{} puts the query into another query as it is, so what follows the first & is lost; send the address in a header, or escape it by a map as in the examples" },
	{ "metrics-open", PROBLEM, look_metrics, NULL, NULL, "everybody who reaches this location sees how much the service is used, and by what requests; say `allow 127.0.0.1; allow ::1; deny all;` in it" },
};

// clang-format on

const struct rule_table identity_rules = {identity_rows, COUNT_OF(identity_rows)};
