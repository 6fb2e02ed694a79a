/* look_logs: looks at what the logs would tell. */
#include "nginx_check/look_logs.h"

#include <string.h>

#include "base/arena.h"
#include "nginx_check/look_common.h"
#include "nginx_check/nginx_check.h"
#include "nginx_check/site.h"
#include "nginx_check/trace.h"
#include "nginx_check/tree.h"

/* Where secrets are: in the query, in the headers that hold keys, in bodies; and in a Referer,
 * which is the URL of another request. */
// clang-format off
static const char *const telling_variables[] = {
	"request", "request_uri", "request_body", "args", "arg_*", "query_string", "cookie_*",
	"http_authorization", "http_cookie", "http_referer", "http_x_api_key", NULL
};

static const struct node *
find_format(const struct nginx_check *c, const char *name)
{
	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (node_is_named(n, "log_format") && strcmp(node_word(n, 1), name) == 0)
			return n;
	return NULL;
}

/* The name of a variable that a log format writes and should not; NULL if there is none. */
static const char *
telling_variable(const struct site *site, const struct node *block, const struct node *format)
{
	struct arena *a = site->check->arena;
	struct trace t = {.site = site, .block = block};
	const char *name = NULL;

	for (size_t i = 2; i < format->word_count; i++)
		trace_text(&t, format, format->words[i]);
	for (size_t i = 0; name == NULL && i < t.count; i++)
		name = variable_among(a, t.from[i].text, telling_variables);
	return name;
}

static const char *
format_name(const struct node *log)
{
	return log->word_count > 2 ? log->words[2] : "combined";
}

static void
look_at_log(const struct site *site, const struct rule *rule, const struct node *block,
	    const struct node *log)
{
	const char *name = format_name(log), *variable = "request";
	const struct node *format = find_format(site->check, name);

	if (node_is_off(log) || (format == NULL && strcmp(name, "combined") != 0))
		return;
	if (format != NULL)
		variable = telling_variable(site, block, format);
	if (variable != NULL)
		site_found(site, rule, log,
		      arena_printf(site->check->arena, "\"%s\" writes $%s", name, variable));
}

static void
look_at_logs(const struct site *site, const struct rule *rule, const struct node *block)
{
	const struct node *level = node_level(block, "access_log");

	for (const struct node *n = level == NULL ? NULL : node_own(level, "access_log"); n != NULL;
	     n = node_next_named(n->next, "access_log"))
		look_at_log(site, rule, block, n);
}

void
look_log_secret(const struct site *site, const struct rule *rule)
{
	look_at_logs(site, rule, site->block);
	for (size_t i = 0; error_codes[i] != NULL; i++) {
		const struct node *n = error_page_find(site, error_codes[i]);
		const struct node *location = n == NULL ? NULL : location_find(site, node_last_word(n));

		if (location != NULL)
			look_at_logs(site, rule, location);
	}
}

void
look_log_default(const struct site *site, const struct rule *rule)
{
	if (node_level(site->block, "access_log") == NULL)
		site_found(site, rule, site->pass, "");
}

void
look_log_unknown(const struct site *site, const struct rule *rule)
{
	const struct node *level = node_level(site->block, "access_log");

	for (const struct node *n = level == NULL ? NULL : node_own(level, "access_log"); n != NULL;
	     n = node_next_named(n->next, "access_log"))
		if (!node_is_off(n) && strcmp(format_name(n), "combined") != 0 &&
		    find_format(site->check, format_name(n)) == NULL)
			site_found(site, rule, n, format_name(n));
}
