/* request: the parameters of a request, and the handling of bodies, answers and logs. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nginx_check/site.h"
#include "nginx_check/trace.h"

enum {
	BODY_DEFAULT = 1024 * 1024,	 /* nginx's own client_max_body_size */
	BODY_BUFFER_DEFAULT = 16 * 1024, /* and client_body_buffer_size */
	NETWORK_MIN = 8, /* prefix of the widest network that can still be a site's own */
};

/* The value has to be one of those between bars in rule->value, or a word before a * there. */
static void
look_param(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, rule->directive);
	const char *value = n == NULL ? "" : node_word(n, 2), *name;
	struct arena *a = site->check->arena;

	if (site->params == NULL)
		return;
	if ((name = variable_only(a, value)) != NULL)
		value = arena_printf(a, "$%s", name); /* ${name} is the same */
	for (const char *one = rule->value; value != NULL && *one != '\0';) {
		size_t len = strcspn(one, "|");

		if (strlen(value) == len && strncasecmp(value, one, len) == 0)
			return;
		one += len + (one[len] == '|');
	}
	found(site, rule, n != NULL ? n : site->pass,
	      n == NULL ? "not set" : arena_printf(a, "set to %s", value));
}

/* Links begin with it, so a client must not choose it, and it has to match the actual path. */
static bool
prefix_is_path(const char *prefix)
{
	return prefix[0] == '/' && !text_ends_with(prefix, "/") &&
	       strpbrk(prefix, "$?#%") == NULL && strstr(prefix, "//") == NULL &&
	       strstr(prefix, "/.") == NULL;
}

static void
look_prefix(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, "REGCRED_PREFIX");

	if (n != NULL && !prefix_is_path(node_word(n, 2)))
		found(site, rule, n, node_word(n, 2));
}

/* The path that all requests here begin with; "" if it cannot be told, as in a location that only
 * nginx itself leads to. */
static const char *
path_of_site(const struct site *site)
{
	const struct node *location = node_enclosing(site->block, "location");

	while (location != NULL && node_word(location, 1)[0] == '~')
		location = node_enclosing(location->parent, "location");
	if (location == NULL || node_own(location, "internal") != NULL)
		return "";
	for (const struct node *n = site->server; n != NULL; n = node_following(site->server, n))
		if (node_is_named(n, "rewrite"))
			return "";
	return node_last_word(location)[0] == '/' ? node_last_word(location) : "";
}

static void
look_prefix_elsewhere(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, "REGCRED_PREFIX");
	const char *prefix = n == NULL ? "" : node_word(n, 2), *path = path_of_site(site);
	size_t len = strlen(prefix);

	if (prefix_is_path(prefix) && path[0] != '\0' && !text_begins_with(prefix, path) &&
	    !(text_begins_with(path, prefix) && path[len] == '/'))
		found(site, rule, n,
		      arena_printf(site->check->arena, "\"%s\", and no path in location %s", prefix,
				   path));
}

/* Each line: the last one that is not empty applies. */
static void
look_host(const struct site *site, const struct rule *rule)
{
	static const char *const hosts[] = {"http_host", "host", "server_name", "server_port",
					    NULL};
	bool has_fallback = site->params == NULL;

	for (const struct node *n = NULL; (n = param_next(site, n, "REGCRED_HOST")) != NULL;) {
		const char *text = node_word(n, 2), *name;

		has_fallback |= strstr(text, "$http_host") == NULL;
		while ((name = variable_next(site->check->arena, &text)) != NULL)
			if (!variable_in(name, hosts))
				found(site, rule, n,
				      arena_printf(site->check->arena,
						   "REGCRED_HOST comes from $%s", name));
	}
	if (!has_fallback)
		found(site, rule, site->pass,
		      "REGCRED_HOST has no value where the request has no Host header, as in "
		      "HTTP/3");
}

/* What stands for a client's header is that header or nothing; without these two a page elsewhere
 * could write in the name of its visitor. */
static bool
header_is_own(struct arena *a, const char *param, const char *value)
{
	const char *name = variable_only(a, value);

	if (value[0] == '\0')
		return strcmp(param, "HTTP_ORIGIN") != 0 &&
		       strcmp(param, "HTTP_SEC_FETCH_SITE") != 0;
	return text_begins_with(param, "HTTP_X_FORWARDED_") ||
	       (name != NULL && strcasecmp(name, param) == 0);
}

static void
look_header(const struct site *site, const struct rule *rule)
{
	const struct node *n = site->params == NULL ? NULL : site->params->children;
	struct arena *a = site->check->arena;

	for (; n != NULL; n = n->next) {
		const char *param = node_word(n, 1), *value = node_word(n, 2);

		if (node_is_named(n, "fastcgi_param") && text_begins_with(param, "HTTP_") &&
		    !header_is_own(a, param, value))
			found(site, rule, n, arena_printf(a, "%s is set to \"%s\"", param, value));
	}
}

static bool
network_is_wide(const char *text)
{
	const char *slash = strrchr(text, '/');

	return slash != NULL && strtoul(slash + 1, NULL, 10) < NETWORK_MIN;
}

static void
look_real_ip(const struct site *site, const struct rule *rule)
{
	const struct node *level = node_level(site->block, "set_real_ip_from");
	const struct node *n = level == NULL ? NULL : node_own(level, "set_real_ip_from");

	for (; n != NULL; n = node_next_named(n->next, "set_real_ip_from"))
		if (network_is_wide(node_word(n, 1)))
			found(site, rule, n, node_word(n, 1));
}

static void
look_real_ip_missing(const struct site *site, const struct rule *rule)
{
	if (site->check->behind_proxy && node_level(site->block, "set_real_ip_from") == NULL)
		found(site, rule, site->pass, "");
}

static void
look_body_file(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "client_body_buffer_size");
	const struct node *limit = node_effective(site->block, "client_max_body_size");
	uint64_t max = node_size_or(limit, 1, BODY_DEFAULT);

	if (site_is_inject(site))
		return;
	if (max == 0 || max > node_size_or(n, 1, BODY_BUFFER_DEFAULT) / 2)
		found(site, rule, n == NULL ? site->pass : n, "");
}

static void
look_answer_file(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "fastcgi_max_temp_file_size");
	const struct node *buffering = node_effective(site->block, "fastcgi_buffering");

	if (site_is_inject(site) || (buffering != NULL && node_is_off(buffering)))
		return;
	if (node_size_or(n, 1, 1) != 0)
		found(site, rule, n == NULL ? site->pass : n, "");
}

/* The error_page for the status on the level in effect. */
static bool
has_error_page(const struct site *site, const char *status)
{
	const struct node *level = node_level(site->block, "error_page");
	const struct node *n = level == NULL ? NULL : node_own(level, "error_page");

	for (; n != NULL; n = node_next_named(n->next, "error_page"))
		for (size_t i = 1; i + 1 < n->word_count; i++)
			if (strcmp(n->words[i], status) == 0)
				return true;
	return false;
}

/* Each status that nginx itself answers, with the directive that causes it, and the one that may
 * set another status. */
static void
look_error_page(const struct site *site, const struct rule *rule)
{
	static const struct {
		const char *directive, *status, *other;
	} statuses[] = {
		{NULL, "413", NULL},
		{NULL, "502", NULL},
		{NULL, "504", NULL},
		{"auth_basic", "401", NULL},
		{"auth_request", "401", NULL},
		{"auth_request", "403", NULL},
		{"auth_request", "500", NULL},
		{"deny", "403", NULL},
		{"limit_req", "503", "limit_req_status"},
		{"limit_conn", "503", "limit_conn_status"},
	};
	struct arena *a = site->check->arena;
	const char *missing = "";

	for (size_t i = 0; missing != NULL && !site_is_inject(site) && i < COUNT_OF(statuses);
	     i++) {
		const struct node *cause =
			statuses[i].directive == NULL
				? site->pass
				: node_effective(site->block, statuses[i].directive);
		const struct node *other = statuses[i].other == NULL
						   ? NULL
						   : node_effective(site->block, statuses[i].other);
		const char *status = other == NULL ? statuses[i].status : node_word(other, 1);

		if (cause != NULL && !node_is_off(cause) && !has_error_page(site, status) &&
		    strstr(missing, status) == NULL)
			missing = arena_printf(a, "%s%s%s", missing, *missing == '\0' ? "" : ", ",
					       status);
	}
	if (missing != NULL && *missing != '\0')
		found(site, rule, site->pass, missing);
}

/* Where secrets are: in the query, in the headers that hold keys, in bodies and answers; and in a
 * Referer, which is the URL of another request. */
// clang-format off
static const char *const telling[] = {
	"request", "request_uri", "request_body", "args", "arg_*", "query_string", "cookie_*", "http_authorization", "http_cookie",
	"http_referer", "http_x_api_key", "http_x_original_u*", "sent_http_set_cookie", "upstream_http_set_cookie",
	"upstream_http_x_registry_authorization", NULL
};
// clang-format on

static const struct node *
log_format(const struct check *c, const char *name)
{
	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (node_is_named(n, "log_format") && strcmp(node_word(n, 1), name) == 0)
			return n;
	return NULL;
}

/* A capture of a URL in a map includes the query, unless the expression ends before it. */
static bool
is_cut_before_query(const struct origin *from, const char *const *secrets)
{
	const char *source = from->row == NULL ? "" : node_word(from->row->parent, 1);

	return source[0] != '$' || !variable_in(source + 1, secrets) ||
	       node_word(from->row, 0)[0] != '~' || strstr(node_word(from->row, 0), "[^?") != NULL;
}

/* A variable that the log format writes and should not; NULL if there is none.  An unknown format
 * is nginx's own "combined", or in a part of the configuration that was not given. */
static const char *
log_tells(const struct site *site, const struct node *block, const char *name,
	  const char *const *secrets)
{
	const struct node *format = log_format(site->check, name);
	bool combined = format == NULL && strcmp(name, "combined") == 0;
	struct trace t;

	if (format == NULL)
		return combined && variable_in("request", secrets) ? "request" : NULL;
	if (!trace_run_values(&t, site, block, format))
		return NULL;
	for (size_t i = 0; i < t.count; i++) {
		const char *text = t.from[i].text, *variable;

		while ((variable = variable_next(site->check->arena, &text)) != NULL)
			if (variable_in(variable, secrets) ||
			    !is_cut_before_query(&t.from[i], secrets))
				return variable;
	}
	return NULL;
}

static void
look_at_log(const struct site *site, const struct rule *rule, const struct node *block,
	    const struct node *log, const char *const *secrets)
{
	const char *format = log->word_count > 2 ? log->words[2] : "combined", *variable;

	if (strchr(format, '=') != NULL)
		format = "combined"; /* a parameter: the name was omitted */
	if (!node_is_off(log) && (variable = log_tells(site, block, format, secrets)) != NULL)
		found(site, rule, log,
		      arena_printf(site->check->arena, "\"%s\" writes $%s", format, variable));
}

void
look_logs(const struct site *site, const struct rule *rule, const char *const *secrets)
{
	const struct node *pages = node_level(site->block, "error_page");
	const struct node *page = pages == NULL ? NULL : node_own(pages, "error_page");
	const struct node *block = site->block;

	while (block != NULL) {
		const struct node *level = node_level(block, "access_log");
		const struct node *n = level == NULL ? NULL : node_own(level, "access_log");

		for (; n != NULL; n = node_next_named(n->next, "access_log"))
			look_at_log(site, rule, block, n, secrets);
		block = page == NULL ? NULL : site_location(site, node_last_word(page));
		page = page == NULL ? NULL : node_next_named(page->next, "error_page");
	}
}

static void
look_log(const struct site *site, const struct rule *rule)
{
	if (node_level(site->block, "access_log") == NULL)
		found(site, rule, site->pass, "of nginx without an access_log writes $request");
	look_logs(site, rule, telling);
}

/* nginx adds the request line, with its query, and the Referer to what it writes there. */
static bool
is_quiet(const struct node *log)
{
	static const char *const levels[] = {"crit", "alert", "emerg"};

	for (size_t i = 0; i < COUNT_OF(levels); i++)
		if (strcmp(node_word(log, 2), levels[i]) == 0)
			return true;
	return strcmp(node_word(log, 1), "/dev/null") == 0;
}

static void
look_error_log(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "error_log");

	if (n == NULL)
		found(site, rule, site->pass, "");
	for (; n != NULL; n = node_next_named(n->next, "error_log"))
		if (!is_quiet(n))
			found(site, rule, n, "");
}

// clang-format off

static const struct rule request_rows[] = {
	/* The parameters for regcred. */
	{ "method", PROBLEM, look_param, "REQUEST_METHOD", "$request_method", "REQUEST_METHOD is {}, so another request is checked than the one that was sent; say `fastcgi_param REQUEST_METHOD $request_method;`" },
	{ "uri", PROBLEM, look_param, "REQUEST_URI", "$request_uri", "REQUEST_URI is {}, so another request is checked than the one that was sent; say `fastcgi_param REQUEST_URI $request_uri;`" },
	{ "address", PROBLEM, look_param, "REMOTE_ADDR", "$remote_addr", "REMOTE_ADDR is {}, so the networks of keys and the limit of failed sign-ins do not hold; say `fastcgi_param REMOTE_ADDR $remote_addr;`, and set_real_ip_from for a proxy" },
	{ "scheme", PROBLEM, look_param, "REGCRED_SCHEME", "$scheme|http|https", "REGCRED_SCHEME is {}, so links may lead elsewhere; say `fastcgi_param REGCRED_SCHEME $scheme;`, or set base_url in regcred's settings" },
	{ "host", PROBLEM, look_host, NULL, NULL, "{}, so links may lead elsewhere; include regcred_params, or set base_url in regcred's settings" },
	{ "prefix", PROBLEM, look_prefix, NULL, NULL, "REGCRED_PREFIX is \"{}\", which cannot be the beginning of a path; write a fixed path like /creds, without a slash at its end" },
	{ "prefix-elsewhere", PROBLEM, look_prefix_elsewhere, NULL, NULL, "REGCRED_PREFIX is {} begins with it, so requests are answered with 404, or with links that lead nowhere; write the path of the location" },
	{ "header", PROBLEM, look_header, NULL, NULL, "{}, in place of what the client sent; leave out this line" },
	{ "real-ip", PROBLEM, look_real_ip, NULL, NULL, "every client in {} may choose its address, and with it get past the networks of keys and the limit of failed sign-ins; name the addresses of your proxies" },
	{ "real-ip-missing", WARNING, look_real_ip_missing, NULL, NULL, "trust_forwarded says that another proxy is in front, and here all clients have its address, so one that fails to sign in locks out all; say set_real_ip_from with the proxy's address, and real_ip_header" },
	{ "underscores", WARNING, look_is, "underscores_in_headers", "on", "headers with an underscore look like those with a dash to regcred; say `underscores_in_headers off` for this server" },

	/* Places where secrets would be stored. */
	{ "cache", PROBLEM, look_is_not, "fastcgi_cache", "off", "answers of regcred belong to one caller and may hold a secret; say `fastcgi_cache off`" },
	{ "store", PROBLEM, look_is_not, "fastcgi_store", "off", "answers of regcred belong to one caller and may hold a secret; say `fastcgi_store off`" },
	{ "mirror", PROBLEM, look_is_not, "mirror", "off", "each request, with its key and its secret, is sent elsewhere too; say `mirror off`" },
	{ "gzip", PROBLEM, look_is, "gzip", "on", "the length of a compressed answer tells, over many tries, a secret in it that is beside text of an attacker; say `gzip off` in this location" },
	{ "body-file", PROBLEM, look_body_file, NULL, NULL, "a long or chunked body, with its secret, is written to a file; say `client_max_body_size 64k; client_body_buffer_size 128k;`" },
	{ "body-in-file", PROBLEM, look_is_not, "client_body_in_file_only", "off", "nginx writes every body, with its secret, to a file; say `client_body_in_file_only off`" },
	{ "answer-file", PROBLEM, look_answer_file, NULL, NULL, "a long answer, with its secrets, is written to a file; say `fastcgi_max_temp_file_size 0`" },
	{ "log", PROBLEM, look_log, NULL, NULL, "the log format {}, where secrets may be; say `access_log off`, or log $request_method and the path alone as quickstart.conf.in does" },
	{ "error-log", PROBLEM, look_error_log, NULL, NULL, "nginx adds the query and the Referer, where secrets may be, to the errors that it logs here; say `error_log /dev/null;` in this location" },
	{ "error-page", WARNING, look_error_page, NULL, NULL, "nginx's own answers with {} are HTML, which API clients cannot read; include regcred_params, or add them to its `error_page ... /.regcred-error;`" },
};

// clang-format on

const struct rule_table request_rules = {request_rows, COUNT_OF(request_rows)};
