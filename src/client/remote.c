/* remote: the requests to read, store and remove a login. */
#include "client/remote.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "client/client.h"
#include "registry/url.h"

enum {
	PAGE = 100,	  /* rows per request: about 200 KB */
	PAGES_MAX = 1000, /* a longer list is assumed to be endless */
	TRIES_MAX = 20,	  /* times that others may change a login in between */
};

static enum remote_rc
remote_fail(struct client *c, const char *why)
{
	if (arena_failed(c->arena))
		why = "out of memory";
	(void)snprintf(c->why, CLIENT_WHY_MAX, "%s", why);
	return REMOTE_FAILED;
}

bool
remote_address(struct arena *a, const char *address, struct registry_url *out, const char **why)
{
	*why = registry_url_parse(a, address, out);
	if (*why == NULL && *out->path != '\0')
		*why = "A registry is named by its host only here.";
	return *why == NULL;
}

/* {"name":"value",…} from pairs, ended by NULL; NULL if out of memory. */
static const char *
remote_body_of(struct arena *a, const char *const (*pairs)[2])
{
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	json_begin_object(&w);
	for (; (*pairs)[0] != NULL; pairs++)
		if ((*pairs)[1] != NULL) {
			json_string_member(&w, (*pairs)[0], (*pairs)[1]);
		}
	json_end_object(&w);
	return json_out_text(&w, &len);
}

static bool
has_text(const struct json *row, const char *name, const char *wanted)
{
	const char *text = client_text(row, name);

	return text != NULL && strcmp(text, wanted) == 0;
}

static enum remote_rc
remote_send(struct client *c, const char *method, const char *path, const char *body,
	    struct client_answer *out)
{
	if (path == NULL)
		return remote_fail(c, "out of memory");
	if (client_do(c, method, path, body, out))
		return REMOTE_OK;
	/* Not as it was read, not in that state any more, or gone. */
	return out->status == 412 || out->status == 404 ||
			       has_text(out->body, "code", "ActionNotAvailable")
		       ? REMOTE_CHANGED
		       : REMOTE_FAILED;
}

static enum remote_rc
send_pairs(struct client *c, const char *method, const char *path, const char *const (*pairs)[2],
	   struct client_answer *out)
{
	const char *body = remote_body_of(c->arena, pairs);

	return body != NULL ? remote_send(c, method, path, body, out)
			    : remote_fail(c, "out of memory");
}

/* Handed out */

enum remote_rc
remote_get(struct client *c, const char *address, struct remote_login *out)
{
	const char *const pairs[][2] = {
		{"format", "helper"}, {"serverAddress", address}, {NULL, NULL}};
	struct client_answer answer;
	enum remote_rc rc = send_pairs(c, "POST", "handouts", pairs, &answer);

	if (rc != REMOTE_OK) {
		const char *code = client_text(answer.body, "code");

		return code != NULL && strcmp(code, "NoLogin") == 0 ? REMOTE_NONE : rc;
	}
	out->user = client_text(answer.body, "Username");
	out->secret = client_text(answer.body, "Secret");
	return out->user != NULL && out->secret != NULL
		       ? REMOTE_OK
		       : remote_fail(c, "the server's answer is not a login");
}

enum remote_rc
remote_list(struct client *c, void (*each)(void *arg, const char *address, const char *user),
	    void *arg)
{
	static const char *const pairs[][2] = {{"format", "list"}, {NULL, NULL}};
	struct client_answer answer;
	enum remote_rc rc = send_pairs(c, "POST", "handouts", pairs, &answer);

	if (rc != REMOTE_OK)
		return rc;
	for (const struct json *m = answer.body->child; m != NULL; m = m->next) {
		if (m->type != JSON_STRING)
			return remote_fail(c, "the server's answer is not a list of logins");
		each(arg, m->name, m->text);
	}
	return REMOTE_OK;
}

/* Rows */

/* The path of a collection's next page; NULL for the last one. */
static const char *
next_page(struct client *c, const char *collection, const struct json *body)
{
	const char *next = client_text(json_member(body, "pagination"), "next");
	const char *query = next != NULL ? strchr(next, '?') : NULL;

	/* Use only the query of the server's URL, so that the key is not sent anywhere else. */
	return query != NULL ? arena_printf(c->arena, "%s%s", collection, query) : NULL;
}

enum remote_rc
remote_walk(struct client *c, const char *collection, const char *query,
	    bool (*each)(void *arg, const struct json *row), void *arg)
{
	const char *path = arena_printf(c->arena, "%s?limit=%d%s", collection, PAGE, query);

	for (unsigned page = 0; path != NULL; page++) {
		struct client_answer answer;

		if (page == PAGES_MAX)
			return remote_fail(c, "the server's list does not end");
		if (!client_do(c, "GET", path, NULL, &answer))
			return REMOTE_FAILED;
		const struct json *data = json_member(answer.body, "data");
		if (data == NULL || data->type != JSON_ARRAY)
			return remote_fail(c, "the server's answer is not a list");
		for (const struct json *row = data->child; row != NULL; row = row->next)
			if (client_text(row, "id") != NULL && !each(arg, row))
				return REMOTE_OK;
		path = next_page(c, collection, answer.body);
	}
	return arena_failed(c->arena) ? remote_fail(c, "") : REMOTE_OK;
}

struct search {
	struct client *client;
	const struct remote_store *store;
	const struct json *active, *other; /* the registry; an inactive one */
};

static bool
look_at_registry(void *arg, const struct json *row)
{
	struct search *s = arg;
	const char *address = client_text(row, "serverAddress");
	struct registry_url url;

	if (address == NULL || registry_url_parse(s->client->arena, address, &url) != NULL ||
	    strcmp(url.key, s->store->address.key) != 0 || *url.path != '\0')
		return true;
	if (!has_text(row, "state", "active")) {
		s->other = row;
		return true;
	}
	s->active = row;
	return false;
}

/* Finds the registry of an address: its id, NULL if there is none. */
static enum remote_rc
find_registry(struct client *c, const struct remote_store *store, const char **id)
{
	struct search s = {.client = c, .store = store};
	enum remote_rc rc = remote_walk(c, "registries", "", look_at_registry, &s);

	*id = s.active != NULL ? client_text(s.active, "id") : NULL;
	if (rc == REMOTE_OK && s.active == NULL && s.other != NULL) {
		(void)snprintf(c->why, CLIENT_WHY_MAX,
			       "the registry %s (%s) is not active: activate it",
			       store->address.key, client_text(s.other, "id"));
		return REMOTE_FAILED;
	}
	return rc;
}

static bool
same_path(const struct json *row, const char *path)
{
	const char *prefix = client_text(row, "pathPrefix");

	return strcmp(prefix != NULL ? prefix : "", path) == 0;
}

static bool
look_at_login(void *arg, const struct json *row)
{
	struct search *s = arg;

	if (!has_text(row, "publicValue", s->store->user) ||
	    !same_path(row, s->store->address.path))
		return true;
	if (s->active == NULL || has_text(row, "state", "active"))
		s->active = row; /* active ones first, then the newest */
	return true;
}

/* Passes the logins of a registry with this user to look(). */
static enum remote_rc
find_doubles(struct client *c, const struct remote_store *store, const char *registry,
	     bool (*look)(void *arg, const struct json *row), struct search *s)
{
	const char *user = client_escape(c, store->user);
	const char *query = user != NULL ? arena_printf(c->arena, "&registryId=%s&publicValue=%s",
							registry, user)
					 : NULL;

	if (query == NULL)
		return remote_fail(c, "out of memory");
	return remote_walk(c, "registrycredentials", query, look, s);
}

static enum remote_rc
find_login(struct client *c, const struct remote_store *store, const char *registry,
	   const struct json **out)
{
	struct search s = {.client = c, .store = store};
	enum remote_rc rc = find_doubles(c, store, registry, look_at_login, &s);

	*out = s.active;
	return rc;
}

/* Storing */

static enum remote_rc
remote_act(struct client *c, const char *id, const char *action)
{
	struct client_answer answer;
	const char *path = arena_printf(c->arena, "registrycredentials/%s/?action=%s", id, action);

	return remote_send(c, "POST", path, "{}", &answer);
}

static const char *
remote_path(struct client *c, const char *id)
{
	return arena_printf(c->arena, "registrycredentials/%s", id);
}

static enum remote_rc
remote_put(struct client *c, const char *id, const char *name, const char *value)
{
	const char *const pairs[][2] = {{name, value}, {NULL, NULL}};
	struct client_answer answer;

	return send_pairs(c, "PUT", remote_path(c, id), pairs, &answer);
}

/* Keys that have stored a login
 *
 * Several jobs and hosts may log in to and out of the same registry, each with its own key: one
 * that logs out must not remove the login for the others. The login's name lists the keys. If an
 * administrator has renamed the login, anyone who logs out removes it. Whoever changes the list, or
 * removes the login because of it, reads the row first and is refused if it has changed since. */

static const char keys_begin[] = "docker login:";

/* The list of keys, each preceded by a blank; NULL: the row has none. */
static const char *
keys_of(const struct json *row)
{
	const char *name = client_text(row, "name");

	return name != NULL && strncmp(name, keys_begin, sizeof(keys_begin) - 1) == 0
		       ? name + sizeof(keys_begin) - 1
		       : NULL;
}

/* The name without this key, or with it at the end. Without room the oldest keys are left out. */
static const char *
name_with(struct client *c, const char *keys, bool with)
{
	enum { NAME_MAX_CHARS = 255 };
	const char *own = c->settings->access_key, *at;
	size_t len = strlen(own);

	while ((at = strstr(keys, own)) != NULL && at > keys && at[-1] == ' ' &&
	       (at[len] == ' ' || at[len] == '\0')) {
		keys = arena_printf(c->arena, "%.*s%s", (int)(at - 1 - keys), keys, at + len);
		if (keys == NULL)
			return NULL;
	}
	size_t rest = sizeof(keys_begin) - 1 + (with ? 1 + len : 0);
	while (*keys != '\0' && strlen(keys) + rest > NAME_MAX_CHARS)
		keys += 1 + strcspn(keys + 1, " ");
	return arena_printf(c->arena, "%s%s%s%s", keys_begin, keys, with ? " " : "",
			    with ? own : "");
}

/* Reads a row; the next request is only for it as it is now. REMOTE_CHANGED: it is gone. */
static enum remote_rc
read_for_change(struct client *c, const char *id, const struct json **row)
{
	struct client_answer answer;
	enum remote_rc rc = remote_send(c, "GET", remote_path(c, id), NULL, &answer);

	if (rc == REMOTE_OK) {
		c->if_match = answer.etag;
		*row = answer.body;
	}
	return rc == REMOTE_OK && has_text(*row, "state", "removed") ? REMOTE_CHANGED : rc;
}

/* Whether the list of this row lacks our key. */
static bool
lacks_key(struct client *c, const struct remote_store *store, const struct json *row)
{
	const char *keys = keys_of(row), *own = c->settings->access_key;
	size_t len = strlen(own);

	if (!store->shared || !has_text(row, "description", store->description) ||
	    (keys == NULL && client_text(row, "name") != NULL))
		return false;
	for (const char *at = keys; at != NULL && (at = strstr(at, own)) != NULL; at += len)
		if (at[-1] == ' ' && (at[len] == ' ' || at[len] == '\0'))
			return false;
	return true;
}

static enum remote_rc
update(struct client *c, const struct remote_store *store, const struct json *row)
{
	const char *id = client_text(row, "id");
	struct client_answer answer;
	enum remote_rc rc = REMOTE_CHANGED;

	for (int i = 0; i < TRIES_MAX && rc == REMOTE_CHANGED; i++) {
		if (lacks_key(c, store, row) && (rc = read_for_change(c, id, &row)) != REMOTE_OK)
			return rc;
		const char *keys = keys_of(row);
		const char *name = lacks_key(c, store, row)
					   ? name_with(c, keys != NULL ? keys : "", true)
					   : NULL;
		const char *const pairs[][2] = {
			{"secretValue", store->secret}, {"name", name}, {NULL, NULL}};

		rc = send_pairs(c, "PUT", remote_path(c, id), pairs, &answer);
	}
	if (rc == REMOTE_OK && !has_text(row, "state", "active"))
		rc = remote_act(c, id, "activate");
	return rc;
}

const char *
remote_new_address(struct arena *a, const struct registry_url *url)
{
	const char *scheme = url->plain_http ? "http://" : "";

	return url->port_dropped && !url->hub
		       ? arena_printf(a, "%s%s:%u", scheme, url->key, url->port)
		       : arena_printf(a, "%s%s", scheme, url->key);
}

/* Another program may create the same one at the same time: then search again. */
static enum remote_rc
make_registry(struct client *c, const struct remote_store *store, const char **id)
{
	const char *const pairs[][2] = {
		{"serverAddress", remote_new_address(c->arena, &store->address)},
		{"description", store->description},
		{NULL, NULL}};
	struct client_answer answer;
	enum remote_rc rc = send_pairs(c, "POST", "registries", pairs, &answer);

	if (rc != REMOTE_OK && has_text(answer.body, "code", "ServerAddressUsed"))
		return find_registry(c, store, id);
	if (rc != REMOTE_OK)
		return rc;
	*id = client_text(answer.body, "id");
	return *id != NULL ? REMOTE_OK : remote_fail(c, "the server's answer is not a registry");
}

static enum remote_rc
make_login(struct client *c, const struct remote_store *store, const char *registry,
	   const char **id)
{
	const char *path = store->address.path;
	const char *const pairs[][2] = {{"registryId", registry},
					{"publicValue", store->user},
					{"secretValue", store->secret},
					{"description", store->description},
					{"name", store->shared ? name_with(c, "", true) : NULL},
					{"pathPrefix", *path != '\0' ? path : NULL},
					{NULL, NULL}};
	struct client_answer answer;
	enum remote_rc rc = send_pairs(c, "POST", "registrycredentials", pairs, &answer);

	if (rc != REMOTE_OK)
		return rc;
	*id = client_text(answer.body, "id");
	return *id != NULL ? REMOTE_OK : remote_fail(c, "the server's answer is not a login");
}

static bool
look_at_double(void *arg, const struct json *row)
{
	struct search *s = arg;

	if (!has_text(row, "publicValue", s->store->user) ||
	    !same_path(row, s->store->address.path))
		return true;
	/* Among ids of one kind the shorter one is older; with equal length, the one that sorts
	 * first. */
	const char *id = client_text(row, "id");
	const char *best = s->active != NULL ? client_text(s->active, "id") : NULL;
	if (best == NULL || strlen(id) < strlen(best) ||
	    (strlen(id) == strlen(best) && strcmp(id, best) < 0))
		s->active = row;
	return true;
}

static enum remote_rc
remote_remove(struct client *c, const char *id, bool active)
{
	struct client_answer answer;
	enum remote_rc rc = active ? remote_act(c, id, "deactivate") : REMOTE_OK;

	return rc == REMOTE_OK ? remote_send(c, "DELETE", remote_path(c, id), NULL, &answer) : rc;
}

/* If another program created the same login at the same time, the older one wins: it gets the
 * password, and ours is removed. */
static enum remote_rc
give_way(struct client *c, const struct remote_store *store, const char *registry, const char **id)
{
	struct search s = {.client = c, .store = store};
	enum remote_rc rc = find_doubles(c, store, registry, look_at_double, &s);
	const char *older = s.active != NULL ? client_text(s.active, "id") : NULL;

	if (rc != REMOTE_OK || older == NULL || strcmp(older, *id) == 0)
		return rc;
	rc = update(c, store, s.active);
	if (rc == REMOTE_OK)
		rc = remote_remove(c, *id, true);
	*id = older;
	return rc;
}

/* A stored login is meant to be used: if another one would be chosen, ours becomes the default
 * instead. */
static enum remote_rc
prefer(struct client *c, const struct remote_store *store, const char *id)
{
	const char *const pairs[][2] = {{"serverAddress", store->address.key}, {NULL, NULL}};
	struct client_answer answer;
	enum remote_rc rc = send_pairs(c, "POST", "imagelogins", pairs, &answer);
	const char *chosen;

	if (rc != REMOTE_OK)
		return rc;
	chosen = client_text(answer.body, "registryCredentialId");
	if (chosen == NULL || strcmp(chosen, id) == 0)
		return REMOTE_OK;
	rc = remote_put(c, id, "isDefault", "true");
	if (rc == REMOTE_OK) /* it may be gone by now */
		(void)!remote_put(c, chosen, "isDefault", "false");
	return rc;
}

static enum remote_rc
store_once(struct client *c, const struct remote_store *store, enum remote_done *done)
{
	const struct json *row = NULL;
	const char *registry = NULL, *id = NULL;
	enum remote_rc rc = find_registry(c, store, &registry);

	if (rc == REMOTE_OK && registry != NULL)
		rc = find_login(c, store, registry, &row);
	if (rc != REMOTE_OK)
		return rc;
	*done = row == NULL   ? (registry == NULL ? REMOTE_MADE_BOTH : REMOTE_MADE)
		: store->keep ? REMOTE_KEPT
			      : REMOTE_UPDATED;
	if (store->dry || *done == REMOTE_KEPT)
		return REMOTE_OK;
	if (row != NULL) {
		id = client_text(row, "id");
		rc = update(c, store, row);
	} else {
		if (registry == NULL)
			rc = make_registry(c, store, &registry);
		if (rc == REMOTE_OK)
			rc = make_login(c, store, registry, &id);
		if (rc == REMOTE_OK)
			rc = give_way(c, store, registry, &id);
	}
	return rc == REMOTE_OK && store->preferred ? prefer(c, store, id) : rc;
}

/* Two jobs may make the same login at once, of which one is removed: who found that searches again.
 */
enum remote_rc
remote_store(struct client *c, const struct remote_store *store, enum remote_done *done)
{
	enum remote_rc rc = REMOTE_CHANGED;

	for (int i = 0; i < TRIES_MAX && rc == REMOTE_CHANGED; i++) {
		c->if_match = NULL;
		rc = store_once(c, store, done);
	}
	return rc;
}

/* Removing */

enum { ERASE_MAX = 32 };

struct found {
	const char *description;
	const struct json *rows[ERASE_MAX];
	size_t count;
	bool others;
};

static bool
look_at_stored(void *arg, const struct json *row)
{
	struct found *f = arg;

	if (!same_path(row, ""))
		return true;
	if (has_text(row, "description", f->description))
		f->rows[f->count++] = row;
	else
		f->others = true;
	return f->count < ERASE_MAX;
}

/* Removes our part: another key may have stored the same login. */
static enum remote_rc
erase_one(struct client *c, const char *id)
{
	const struct json *row = NULL;
	enum remote_rc rc = read_for_change(c, id, &row);
	const char *keys = rc == REMOTE_OK ? keys_of(row) : NULL;
	const char *name = keys != NULL ? name_with(c, keys, false) : NULL;

	if (rc != REMOTE_OK) {
		c->if_match = NULL;
		return rc == REMOTE_CHANGED ? REMOTE_OK : rc; /* another has removed it */
	}
	if (keys != NULL && name == NULL)
		return remote_fail(c, "out of memory");
	if (keys == NULL || strcmp(name, keys_begin) == 0)
		return remote_remove(c, id, has_text(row, "state", "active"));
	if (strcmp(name + sizeof(keys_begin) - 1, keys) != 0)
		return remote_put(c, id, "name", name);
	c->if_match = NULL;
	return REMOTE_OK;
}

enum remote_rc
remote_erase(struct client *c, const struct registry_url *address, const char *description)
{
	const struct remote_store store = {.address = *address};
	struct found found = {.description = description};
	const char *registry = NULL, *query;
	enum remote_rc rc = find_registry(c, &store, &registry);

	if (rc != REMOTE_OK || registry == NULL)
		return rc == REMOTE_OK ? REMOTE_NONE : rc;
	query = arena_printf(c->arena, "&registryId=%s", registry);
	if (query == NULL)
		return remote_fail(c, "out of memory");
	rc = remote_walk(c, "registrycredentials", query, look_at_stored, &found);
	for (size_t i = 0; rc == REMOTE_OK && i < found.count; i++) {
		rc = REMOTE_CHANGED;
		for (int n = 0; n < TRIES_MAX && rc == REMOTE_CHANGED; n++)
			rc = erase_one(c, client_text(found.rows[i], "id"));
	}
	if (rc == REMOTE_OK && found.count == 0)
		return found.others ? REMOTE_FOREIGN : REMOTE_NONE;
	return rc;
}
