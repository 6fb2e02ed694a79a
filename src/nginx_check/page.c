/* page: the headers of the page at /ui/, where nginx serves its files itself.
 *
 * What regcred sends has them; regcred_ui.conf has them for nginx.  A location with one add_header
 * of its own loses those of the blocks around it.
 */
#include <string.h>
#include <strings.h>

#include "nginx_check/site.h"

/* A location for the page, or one in it. */
static bool
is_of_page(const struct node *location)
{
	for (; location != NULL; location = node_enclosing(location->parent, "location")) {
		const char *path = node_last_word(location);

		if (strstr(path, "/ui/") != NULL || text_ends_with(path, "/ui"))
			return true;
	}
	return false;
}

/* Whether nginx answers from files here. */
static bool
serves_files(const struct node *location)
{
	return node_own(location, "return") == NULL && node_own(location, "fastcgi_pass") == NULL &&
	       node_own(location, "proxy_pass") == NULL;
}

/* What the row's header lacks of the texts between bars in rule->value; NULL: nothing. */
static const char *
header_lacks(const struct site *site, const struct node *location, const struct rule *rule)
{
	const struct node *n = node_about(location, "add_header", rule->directive);
	struct arena *a = site->check->arena;

	if (n == NULL)
		return rule->directive;
	for (const char *one = rule->value; *one != '\0';) {
		size_t len = strcspn(one, "|");
		const char *part = arena_printf(a, "%.*s", (int)len, one);

		if (part == NULL || strcasestr(node_word(n, 2), part) == NULL)
			return arena_printf(a, "%s in its %s", part, rule->directive);
		one += len + (one[len] == '|');
	}
	return strstr(node_word(n, 2), "unsafe-") == NULL
		       ? NULL
		       : arena_printf(a, "a safe %s", rule->directive);
}

static void
look_page(const struct site *site, const struct rule *rule)
{
	const struct node *n = site->server;

	for (; n != NULL; n = node_following(site->server, n)) {
		const char *missing;

		if (!node_is_named(n, "location") || !is_of_page(n) || !serves_files(n))
			continue;
		missing = header_lacks(site, n, rule);
		if (missing != NULL)
			found(site, rule, n, missing);
	}
}

// clang-format off
#define PAGE_TEXT "files of the page are sent without {}, and another site may run or frame the page; put all the add_header lines of regcred_ui.conf into this location: one of its own hides those around it"

static const struct rule page_rows[] = {
	{ "page-policy", PROBLEM, look_page, "Content-Security-Policy", "default-src 'none'|script-src 'self'|base-uri 'none'|form-action 'self'|frame-ancestors 'none'|require-trusted-types-for 'script'", PAGE_TEXT },
	{ "page-type", PROBLEM, look_page, "X-Content-Type-Options", "nosniff", PAGE_TEXT },
	{ "page-referrer", PROBLEM, look_page, "Referrer-Policy", "no-referrer", PAGE_TEXT },
	{ "page-opener", PROBLEM, look_page, "Cross-Origin-Opener-Policy", "same-origin", PAGE_TEXT },
	{ "page-resource", PROBLEM, look_page, "Cross-Origin-Resource-Policy", "same-origin", PAGE_TEXT },
};
// clang-format on

const struct rule_table page_rules = {page_rows, COUNT_OF(page_rows)};
