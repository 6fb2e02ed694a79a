/* format: the formats in which logins are retrieved, as a table. */
#include "login/format.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_out.h"
#include "base/text.h"
#include "model/record.h"
#include "registry/url.h"

static const char hub_host[] = "index.docker.io";

enum { KUBERNETES_SECRET_MAX = 1024 * 1024 }; /* bytes of the data of a Secret */

void
format_name_and_text(struct json_out *w, const char *name, const char *text)
{
	json_name(w, name);
	json_string(w, text);
}

/* "auth": user:password in base64; an identity token is a separate member, and the password is then
 * empty. For Kubernetes also user and password separately, as kubectl writes them. */
static void
write_auth(struct json_out *w, const struct entry *entry, bool kubernetes)
{
	bool token = strcmp(entry->user, FORMAT_TOKEN_USER) == 0;
	size_t user = strlen(entry->user), secret = token ? 0 : strlen(entry->secret);
	char *pair = arena_alloc(w->arena, user + secret + 2);

	if (pair == NULL)
		return;
	memcpy(pair, entry->user, user);
	pair[user] = ':';
	memcpy(pair + user + 1, entry->secret, secret);
	json_begin_object(w);
	if (kubernetes) {
		format_name_and_text(w, "username", entry->user);
		format_name_and_text(w, "password", entry->secret);
	}
	format_name_and_text(w, "auth", http_base64(w->arena, pair, user + 1 + secret));
	if (token)
		format_name_and_text(w, "identitytoken", entry->secret);
	json_end_object(w);
}

static void
write_auths(struct json_out *w, const struct hand_out_work *work)
{
	json_begin_object(w);
	json_name(w, "auths");
	json_begin_object(w);
	for (size_t i = 0; i < work->count; i++) {
		json_name(w, work->entries[i].key);
		write_auth(w, &work->entries[i], work->format->kubernetes);
	}
	json_end_object(w);
	json_end_object(w);
}

static void
write_helper(struct json_out *w, const struct hand_out_work *work)
{
	const struct entry *entry = work->entries;

	json_begin_object(w);
	format_name_and_text(w, "ServerURL", entry->key);
	format_name_and_text(w, "Username", entry->user);
	format_name_and_text(w, "Secret", entry->secret);
	json_end_object(w);
}

/* What `docker-credential-… list` prints: the user for each registry. */
static void
write_names(struct json_out *w, const struct hand_out_work *work)
{
	json_begin_object(w);
	for (size_t i = 0; i < work->count; i++)
		format_name_and_text(w, work->entries[i].key, work->entries[i].user);
	json_end_object(w);
}

/* The configuration as the value of a Secret; NULL if out of memory, or, with the error set, if an
 * API server would refuse it. */
static const char *
secret_data(const struct hand_out_work *work)
{
	struct arena *a = work->context->arena;
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	write_auths(&w, work);
	const char *text = json_out_text(&w, &len);
	if (text != NULL && len > KUBERNETES_SECRET_MAX) {
		(void)err_set(work->error, ERR_INVALID_OPTION, "format",
			      "The logins are more than the 1 MiB that a Secret of Kubernetes may "
			      "have: name a registry or an image.");
		return NULL;
	}
	return text != NULL ? http_base64(a, text, len) : NULL;
}

static const char secret_type[] = "kubernetes.io/dockerconfigjson";

static void
write_kubernetes_json(struct json_out *w, const struct hand_out_work *work)
{
	json_begin_object(w);
	format_name_and_text(w, "apiVersion", "v1");
	format_name_and_text(w, "kind", "Secret");
	json_name(w, "metadata");
	json_begin_object(w);
	format_name_and_text(w, "name", work->name);
	if (work->namespace != NULL)
		format_name_and_text(w, "namespace", work->namespace);
	json_end_object(w);
	format_name_and_text(w, "type", secret_type);
	json_name(w, "data");
	json_begin_object(w);
	format_name_and_text(w, ".dockerconfigjson", secret_data(work));
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
		json_string(w, value); /* a JSON string is also a YAML string */
	w->comma = false;
	json_raw(w, "\n", 1);
}

static void
write_kubernetes(struct json_out *w, const struct hand_out_work *work)
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

/* One line for programs that read user:password. */
static void
write_userpass(struct json_out *w, const struct hand_out_work *work)
{
	const char *line =
		arena_printf(w->arena, "%s:%s\n", work->entries->user, work->entries->secret);

	if (line != NULL)
		json_raw(w, line, strlen(line));
}

/* A variable of the shell, in single quotes. */
static void
write_variable(struct json_out *w, const char *name, const char *value)
{
	json_raw_piece(w, name, strlen(name));
	json_raw_piece(w, "='", 2);
	for (size_t len; *value != '\0'; value += len + (value[len] == '\'')) {
		len = strcspn(value, "'");
		json_raw_piece(w, value, len);
		if (value[len] == '\'')
			json_raw_piece(w, "'\\''", 4);
	}
	json_raw_piece(w, "'\n", 2);
}

static void
write_env(struct json_out *w, const struct hand_out_work *work)
{
	write_variable(w, "REGISTRY", work->entries->key);
	write_variable(w, "REGISTRY_USER", work->entries->user);
	write_variable(w, "REGISTRY_PASSWORD", work->entries->secret);
}

/* hostRules of Renovate. */
static void
write_renovate(struct json_out *w, const struct hand_out_work *work)
{
	json_begin_array(w);
	for (size_t i = 0; i < work->count; i++) {
		json_begin_object(w);
		format_name_and_text(w, "hostType", "docker");
		format_name_and_text(w, "matchHost", work->entries[i].key);
		format_name_and_text(w, "username", work->entries[i].user);
		format_name_and_text(w, "password", work->entries[i].secret);
		json_end_object(w);
	}
	json_end_array(w);
}

/* How long the kubelet may keep a login: half of what is left of its life, at most ten minutes. */
static const char *
cache_duration(const struct hand_out_work *work)
{
	enum { MOST_S = 600, LEAST_S = 60 };
	const struct value *expires = &work->entries->login->row->columns[COL_EXPIRES];
	int64_t left = expires->type == VALUE_INT
			       ? (expires->number - work->context->now_ms) / 1000 / 2
			       : MOST_S;

	left = left < LEAST_S / 2 ? 0 : left < MOST_S ? left : MOST_S;
	return arena_printf(work->context->arena, "%llds", (long long)left);
}

static void
write_kubelet_login(struct json_out *w, const struct entry *entry, const char *key)
{
	json_name(w, key);
	json_begin_object(w);
	format_name_and_text(w, "username", entry->user);
	format_name_and_text(w, "password", entry->secret);
	json_end_object(w);
}

/* A CredentialProviderResponse.  The kubelet takes a path in a key as the beginning of a text, so
 * where the registry has logins for parts of it, the key is the image itself. */
static void
write_kubelet(struct json_out *w, const struct hand_out_work *work)
{
	const struct entry *entry = work->entries;
	const char *repository = work->wanted.parts.repository;
	bool image = work->parts && repository != NULL;
	const char *path = image ? arena_printf(w->arena, "/%s", repository) : "";
	const char *key = arena_printf(w->arena, "%s%s", entry->key, path);

	json_begin_object(w);
	format_name_and_text(w, "kind", "CredentialProviderResponse");
	format_name_and_text(w, "apiVersion", work->version);
	format_name_and_text(w, "cacheKeyType", image ? "Image" : "Registry");
	format_name_and_text(w, "cacheDuration", cache_duration(work));
	json_name(w, "auth");
	json_begin_object(w);
	write_kubelet_login(w, entry, key);
	if (entry->login->registry->hub) /* the kubelet looks for both names */
		write_kubelet_login(w, entry, arena_printf(w->arena, "%s%s", hub_host, path));
	json_end_object(w);
	json_end_object(w);
}

/* Docker's name for Docker Hub, and the name that all tools use for a part of it. */
static const char hub_v1[] = "https://index.docker.io/v1/";

const struct format format_table[] = {
#define FORMAT(...) {__VA_ARGS__},
#include "model/hand_out_format.def"
	{0},
};
