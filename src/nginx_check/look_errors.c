/* look_errors: looks at the error pages. */
#include "nginx_check/look_errors.h"

#include <string.h>

#include "base/arena.h"
#include "nginx_check/look_common.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

void
look_error_missing(const struct site *site, const struct rule *rule)
{
	const char *missing = "";

	for (size_t i = 0; missing != NULL && error_codes[i] != NULL; i++)
		if (error_page_find(site, error_codes[i]) == NULL)
			missing = arena_printf(site->check->arena, "%s%s%s", missing,
					       missing[0] == '\0' ? "" : ", ", error_codes[i]);
	if (missing != NULL && missing[0] != '\0')
		site_found(site, rule, site->pass, missing);
}

/* "/errors/502.html", but not "/.regcred-error". */
static bool
names_file(const char *target)
{
	const char *name = strrchr(target, '/');

	return name != NULL && name[1] != '\0' && strchr(name + 2, '.') != NULL;
}

/* A location for the directory that the target lies in. */
static bool
lies_below_location(const struct site *site, const char *target)
{
	for (const struct node *n = site->server; n != NULL; n = node_following(site->server, n))
		if (node_is_named(n, "location") && strlen(node_last_word(n)) > 1 &&
		    text_begins_with(target, node_last_word(n)))
			return true;
	return false;
}

void
look_error_lost(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; site->server != NULL && error_codes[i] != NULL; i++) {
		const struct node *n = error_page_find(site, error_codes[i]);
		const char *target = n == NULL ? "" : node_last_word(n);

		if ((target[0] == '/' || target[0] == '@') && strchr(target, '$') == NULL &&
		    !names_file(target) && !lies_below_location(site, target))
			site_found(site, rule, n, target);
	}
}

/* What another program answers is not ours to judge. */
static bool
answers_json(const struct site *site, const char *target)
{
	const struct node *location = location_find(site, target), *type;

	if (target[0] != '/' && target[0] != '@')
		return strchr(target, '$') != NULL;
	if (text_ends_with(target, ".html") || text_ends_with(target, ".htm"))
		return false;
	if (location == NULL || text_ends_with(target, ".json") || strchr(target, '$') != NULL)
		return true;
	if (node_own(location, "fastcgi_pass") != NULL || node_own(location, "proxy_pass") != NULL)
		return true;
	type = node_effective(location, "default_type");
	return type != NULL && strstr(node_word(type, 1), "json") != NULL;
}

void
look_error_not_json(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; error_codes[i] != NULL; i++) {
		const struct node *n = error_page_find(site, error_codes[i]);

		if (n != NULL && !answers_json(site, node_last_word(n)))
			site_found(site, rule, n, node_last_word(n));
	}
}
