/* handout: choose the logins, open them, write the file. */
#include "login/handout.h"

#include <string.h>

#include "base/http.h"
#include "base/json_out.h"
#include "base/log.h"
#include "login/resolve.h"

/* The user name by which docker says that the secret is an identity token. */
static const char token_user[] = "<token>";

/* One login on its way into a file. */
struct entry {
	const struct login *login;
	const char *key; /* what the file calls the registry, or a part of it */
	const char *user, *secret;
};

/* A hand-out on its way. */
struct work {
	const struct context *context;
	const struct format *format;
	struct wanted wanted;
	const char *name, *namespace; /* of a Kubernetes object */
	struct entry *entries;
	size_t count;
	struct hand_out *out;
	struct error *error;
};

/* Files */

static void
name_and_text(struct json_out *w, const char *name, const char *text)
{
	json_name(w, name);
	json_string(w, text);
}

/* "auth": user and password with a colon between, in base64; an identity token stands apart, and
 * the password is empty then. */
static void
write_auth(struct json_out *w, const struct entry *entry)
{
	bool token = strcmp(entry->user, token_user) == 0;
	size_t user = strlen(entry->user), secret = token ? 0 : strlen(entry->secret);
	char *pair = arena_alloc(w->arena, user + secret + 2);

	if (pair == NULL)
		return;
	memcpy(pair, entry->user, user);
	pair[user] = ':';
	memcpy(pair + user + 1, entry->secret, secret);
	json_begin_object(w);
	name_and_text(w, "auth", http_base64(w->arena, pair, user + 1 + secret));
	if (token)
		name_and_text(w, "identitytoken", entry->secret);
	json_end_object(w);
}

static void
write_auths(struct json_out *w, const struct work *work)
{
	json_begin_object(w);
	json_name(w, "auths");
	json_begin_object(w);
	for (size_t i = 0; i < work->count; i++) {
		json_name(w, work->entries[i].key);
		write_auth(w, &work->entries[i]);
	}
	json_end_object(w);
	json_end_object(w);
}

static void
write_helper(struct json_out *w, const struct work *work)
{
	const struct entry *entry = work->entries;

	json_begin_object(w);
	name_and_text(w, "ServerURL", entry->key);
	name_and_text(w, "Username", entry->user);
	name_and_text(w, "Secret", entry->secret);
	json_end_object(w);
}

/* The configuration as the value of a Secret; NULL without memory. */
static const char *
secret_data(const struct work *work)
{
	struct arena *a = work->context->arena;
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	write_auths(&w, work);
	const char *text = json_out_text(&w, &len);
	return text != NULL ? http_base64(a, text, len) : NULL;
}

static const char secret_type[] = "kubernetes.io/dockerconfigjson";

static void
write_kubernetes_json(struct json_out *w, const struct work *work)
{
	json_begin_object(w);
	name_and_text(w, "apiVersion", "v1");
	name_and_text(w, "kind", "Secret");
	json_name(w, "metadata");
	json_begin_object(w);
	name_and_text(w, "name", work->name);
	if (work->namespace != NULL)
		name_and_text(w, "namespace", work->namespace);
	json_end_object(w);
	name_and_text(w, "type", secret_type);
	json_name(w, "data");
	json_begin_object(w);
	name_and_text(w, ".dockerconfigjson", secret_data(work));
	json_end_object(w);
	json_end_object(w);
}

static void
yaml_line(struct json_out *w, const char *name, const char *value)
{
	w->comma = false;
	json_raw(w, name, strlen(name));
	w->comma = false;
	if (value != NULL)
		json_string(w, value); /* a string of JSON is one of YAML */
	w->comma = false;
	json_raw(w, "\n", 1);
}

static void
write_kubernetes(struct json_out *w, const struct work *work)
{
	yaml_line(w, "apiVersion: ", "v1");
	yaml_line(w, "kind: ", "Secret");
	yaml_line(w, "metadata:", NULL);
	yaml_line(w, "  name: ", work->name);
	if (work->namespace != NULL)
		yaml_line(w, "  namespace: ", work->namespace);
	yaml_line(w, "type: ", secret_type);
	yaml_line(w, "data:", NULL);
	yaml_line(w, "  .dockerconfigjson: ", secret_data(work));
}

/* What docker calls Docker Hub, and what everybody calls a part of it. */
static const char hub_v1[] = "https://index.docker.io/v1/";

/* clang-format off */
static const struct format {
	const char *name, *content_type;
	bool paths;      /* can hold a login for a part of a registry: "ghcr.io/acme" */
	bool one;        /* holds one login */
	bool auth;       /* holds user:password, so that the user name cannot hold a colon */
	const char *hub; /* its name for Docker Hub */
	void (*write)(struct json_out *w, const struct work *work);
} formats[] = {
	{ "docker",         "application/json", false, false, true,  hub_v1,       write_auths },
	{ "helper",         "application/json", false, true,  false, hub_v1,       write_helper },
	{ "kubernetes",     "application/yaml", true,  false, true,  hub_v1,       write_kubernetes },
	{ "kubernetesJson", "application/json", true,  false, true,  hub_v1,       write_kubernetes_json },
	{ "podman",         "application/json", true,  false, true,  REGISTRY_HUB, write_auths },
};
/* clang-format on */

/* Choosing */

static const char *
key_of(const struct work *w, const struct login *login)
{
	const char *key = login->registry->key;

	if (w->format->paths && *login->path != '\0')
		return arena_printf(w->context->arena, "%s/%s", key, login->path);
	return login->registry->hub ? w->format->hub : key;
}

static bool
is_there(const struct work *w, const char *key)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->entries[i].key, key) == 0)
			return true;
	return false;
}

/* The first of the list that can be used for each key. */
static enum err
choose_each(struct work *w, const struct login_list *logins)
{
	for (size_t i = 0; i < logins->count && logins->items[i].fits; i++) {
		const struct login *login = &logins->items[i];
		const char *key = key_of(w, login);

		if (key == NULL)
			return err_set(w->error, ERR_INTERNAL, NULL, NULL);
		if ((!w->format->paths && *login->path != '\0') || is_there(w, key))
			continue;
		if (w->count == HANDOUT_LOGINS_MAX)
			return err_set(w->error, ERR_INVALID_OPTION, "format",
				       "There are more than 1000 logins: name a registry or an "
				       "image.");
		w->entries[w->count++] = (struct entry){.login = login, .key = key};
	}
	return ERR_NONE;
}

static enum err
choose(struct work *w, struct login_list *logins)
{
	const struct wanted *wanted = &w->wanted;
	bool all = wanted->parts.key == NULL && wanted->registry_id == 0;

	w->count = 0;
	w->entries = arena_array(w->context->arena,
				 logins->count < HANDOUT_LOGINS_MAX ? logins->count + 1
								    : HANDOUT_LOGINS_MAX,
				 sizeof(*w->entries));
	if (w->entries == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (wanted->parts.repository != NULL) {
		resolve_order(logins, wanted->parts.repository);
		if (logins->count > 0 && logins->items[0].fits)
			w->entries[w->count++] = (struct entry){.login = logins->items,
								.key = key_of(w, logins->items)};
	} else {
		resolve_sort(logins);
		if (choose_each(w, logins) != ERR_NONE)
			return w->error->code;
	}
	return w->count > 0 || all ? ERR_NONE : err_set(w->error, ERR_NO_LOGIN, NULL, NULL);
}

/* Opening and noting */

static enum err
open_login(struct work *w, struct entry *entry)
{
	const struct context *c = w->context;
	const struct record *row = entry->login->row;
	const struct seal_place place = resource_seal_place(row, resource_sealed_field(row->type));
	const char *id = id_format(c->arena, &family_credential, record_id(row));

	entry->user = record_text(row, COL_PUBLIC_VALUE);
	entry->secret = secret_open(c->ring, c->arena, &place, &row->columns[COL_SECRET_VALUE]);
	if (entry->secret == NULL || id == NULL || entry->key == NULL) {
		if (!arena_failed(c->arena))
			log_error("the secret of registryCredential %s cannot be opened", id);
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	}
	if (w->format->auth && strchr(entry->user, ':') != NULL)
		return err_set(w->error, ERR_INVALID_FORMAT, "format",
			       arena_printf(c->arena,
					    "The user name of %s holds a colon, which this format "
					    "cannot.",
					    id));
	return ERR_NONE;
}

bool
handout_is_use_due(const struct context *c, const struct record *row)
{
	const struct value *last = &row->columns[COL_LAST_USED];

	return last->type != VALUE_INT || last->number > c->now_ms ||
	       c->now_ms - last->number >= HANDOUT_LAST_USED_MS;
}

enum store_rc
handout_note_use(struct store_tx *tx, const struct context *c, const struct record *row)
{
	struct value columns[COL__COUNT] = {0};

	if (!handout_is_use_due(c, row))
		return STORE_OK;
	columns[COL_LAST_USED] = value_int(c->now_ms - c->now_ms % 1000);
	if (c->id->key_id != 0)
		columns[COL_LAST_USED_BY] = value_int(c->id->key_id);
	return store_update(tx, &family_credential, record_id(row), columns,
			    COL_BIT(COL_LAST_USED) | COL_BIT(COL_LAST_USED_BY));
}

/* What was asked for, for the audit log. */
static const char *
asked(const struct work *w)
{
	struct json_out out;
	size_t len;

	json_out_init(&out, w->context->arena);
	json_begin_object(&out);
	name_and_text(&out, "format", w->format->name);
	if (w->wanted.image != NULL)
		name_and_text(&out, "image", w->wanted.image);
	if (w->wanted.address != NULL)
		name_and_text(&out, "serverAddress", w->wanted.address);
	json_end_object(&out);
	return json_out_text(&out, &len);
}

static enum err
record_all(struct store_tx *tx, const struct work *w)
{
	const struct context *c = w->context;
	const char *what = asked(w);
	enum store_rc rc = what != NULL ? STORE_OK : STORE_NO_MEMORY;

	for (size_t i = 0; rc == STORE_OK && i < w->count; i++) {
		const struct record *row = w->entries[i].login->row;

		rc = handout_note_use(tx, c, row);
		if (rc == STORE_OK)
			rc = resource_note(tx, c, c->arena, "handOut", 200, row, what);
	}
	return rc == STORE_OK ? ERR_NONE : store_err(rc, w->error);
}

static enum err
hand_out_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct context *c = w->context;
	struct login_list logins;
	struct json_out out;

	if (resolve_find(c, tx, &w->wanted, true, &logins, w->error) != ERR_NONE ||
	    choose(w, &logins) != ERR_NONE)
		return w->error->code;
	for (size_t i = 0; i < w->count; i++)
		if (open_login(w, &w->entries[i]) != ERR_NONE)
			return w->error->code;
	json_out_init(&out, c->arena);
	w->format->write(&out, w);
	w->out->text = json_out_text(&out, &w->out->len);
	w->out->content_type = w->format->content_type;
	if (w->out->text == NULL || arena_failed(c->arena))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	return record_all(tx, w);
}

/* Reading what is asked for */

/* A name of DNS, as Kubernetes has it: labels of small letters, digits and inner dashes. */
static bool
is_dns_name(const char *name, bool dots)
{
	static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (const char *p = name;; p++) {
		size_t len = strcspn(p, ".");

		if (len == 0 || strchr(ends, p[0]) == NULL || strchr(ends, p[len - 1]) == NULL)
			return false;
		for (size_t i = 0; i < len; i++)
			if (p[i] != '-' && strchr(ends, p[i]) == NULL)
				return false;
		p += len;
		if (*p == '\0')
			return true;
		if (!dots)
			return false;
	}
}

static enum err
read_name(const struct resource_type *type, const struct json *body, const char *field, bool dots,
	  const char **out, struct error *e)
{
	if (schema_read_question(type, field, body, out, e) != ERR_NONE)
		return e->code;
	if (*out == NULL || is_dns_name(*out, dots))
		return ERR_NONE;
	return err_set(e, ERR_INVALID_FORMAT, field,
		       "It must be a name as Kubernetes takes it: small letters, digits and dashes "
		       "between.");
}

static enum err
read_question(struct work *w, const struct resource_type *type, const struct json *body)
{
	const char *format = NULL;
	struct error *e = w->error;

	if (schema_read_question(type, "format", body, &format, e) != ERR_NONE)
		return e->code;
	if (format == NULL)
		return err_set(e, ERR_MISSING_REQUIRED, "format", NULL);
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (strcmp(formats[i].name, format) == 0)
			w->format = &formats[i];
	if (w->format == NULL)
		return err_set(e, ERR_INVALID_OPTION, "format", NULL);
	if (read_name(type, body, "name", true, &w->name, e) != ERR_NONE ||
	    read_name(type, body, "namespace", false, &w->namespace, e) != ERR_NONE ||
	    resolve_read(w->context, type, body, &w->wanted, e) != ERR_NONE)
		return e->code;
	if (w->name == NULL)
		w->name = "regcred";
	if (w->format->one && w->wanted.parts.key == NULL && w->wanted.registry_id == 0)
		return err_set(e, ERR_MISSING_REQUIRED, "image",
			       "This format holds one login: name an image, a serverAddress or a "
			       "registryId.");
	return ERR_NONE;
}

enum err
handout_run(const struct context *c, const struct resource_type *type, const struct json *body,
	    struct hand_out *out, struct error *e)
{
	struct work w = {.context = c, .out = out, .error = e};

	if (!auth_may_reveal(c->id))
		return err_set(e, ERR_FORBIDDEN, NULL,
			       "This key may not be handed logins: it was made without reveal.");
	if (read_question(&w, type, body) != ERR_NONE)
		return e->code;
	enum store_rc rc = store_write(c->store, hand_out_in_transaction, &w);
	if (rc == STORE_OK)
		return ERR_NONE;
	return rc == STORE_ABORTED ? e->code : store_err(rc, e);
}
