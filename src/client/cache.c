/* cache: a file for each login. */
#include "client/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_out.h"
#include "client/cli_client.h"
#include "secret/box.h"

enum { DAY_S = 24 * 60 * 60 };

static const char purpose[] = "a login kept by docker-credential-regcred";

long
cache_seconds(const char *setting)
{
	size_t digits = strspn(setting, "0123456789");
	long unit = setting[digits] == 'h' ? 3600 : setting[digits] == 'm' ? 60 : 0;

	if (*setting == '\0' || strcmp(setting, "0") == 0)
		return 0;
	if (digits == 0 || digits > 4 || unit == 0 || setting[digits + 1] != '\0')
		return -1;
	long seconds = strtol(setting, NULL, 10) * unit;
	return seconds <= DAY_S ? seconds : -1;
}

/* NULL: there is no cache. What it keeps is sealed with the key, and a token is another each time.
 */
static const char *
cache_path(const struct client *c, const char *registry)
{
	const char *home = getenv("XDG_CACHE_HOME"), *sub = "";
	const struct client_settings *s = c->settings;

	if (cache_seconds(s->cache) <= 0 || *s->token != '\0')
		return NULL;
	if (home == NULL || *home != '/') {
		home = getenv("HOME");
		sub = "/.cache";
	}
	if (home == NULL || *home != '/')
		return NULL;
	const char *name =
		box_name(c->arena, s->secret_key,
			 arena_printf(c->arena, "%s %s %s", c->root, s->access_key, registry));
	return name != NULL ? arena_printf(c->arena, "%s%s/regcred/%s", home, sub, name) : NULL;
}

void
cache_put(struct client *c, const char *registry, const struct remote_login *login)
{
	const char *path = cache_path(c, registry), *text, *sealed;
	struct json_out w;
	size_t len;

	if (path == NULL)
		return;
	json_out_init(&w, c->arena);
	json_begin_object(&w);
	json_name(&w, "kept");
	json_int(&w, clock_wall_ms());
	json_string_member(&w, "user", login->user);
	json_string_member(&w, "secret", login->secret);
	json_end_object(&w);
	text = json_out_text(&w, &len);
	sealed = text != NULL ? box_seal(c->arena, c->settings->secret_key, purpose, text) : NULL;
	if (sealed != NULL)
		(void)!cli_client_write(c->arena, path, sealed, &(struct file_put){.mode = 0600});
}

bool
cache_get(struct client *c, const char *registry, struct remote_login *out)
{
	const char *path = cache_path(c, registry);
	char why[CLIENT_WHY_MAX];
	const char *sealed = path != NULL && access(path, R_OK) == 0
				     ? cli_client_read(c->arena, path, why)
				     : NULL;
	const char *text = sealed != NULL
				   ? box_open(c->arena, c->settings->secret_key, purpose, sealed)
				   : NULL;
	struct json *kept = NULL;
	struct error e = {0};
	const struct json *when;

	if (text == NULL || json_parse(c->arena, text, strlen(text), &kept, &e) != ERR_NONE)
		return false;
	when = json_member(kept, "kept");
	int64_t age_ms = when != NULL && when->type == JSON_NUMBER
				 ? clock_wall_ms() - strtoll(when->text, NULL, 10)
				 : -1;
	*out = (struct remote_login){client_text(kept, "user"), client_text(kept, "secret")};
	if (age_ms >= 0 && age_ms < cache_seconds(c->settings->cache) * 1000 && out->user != NULL &&
	    out->secret != NULL)
		return true;
	(void)unlink(path);
	return false;
}

void
cache_forget(struct client *c, const char *registry)
{
	const char *path = cache_path(c, registry);

	if (path != NULL)
		(void)unlink(path);
}
