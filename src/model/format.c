/* format: the formats in which logins are retrieved, as a table. */
#include "model/format.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_out.h"
#include "base/text.h"
#include "registry/url.h"

static const char hub_host[] = "index.docker.io";

enum { KUBERNETES_SECRET_MAX = 1024 * 1024 }; /* bytes of the data of a Secret */

/* "auth": user:password in base64; an identity token is a separate member, and the password is then
 * empty. For Kubernetes also user and password separately, as kubectl writes them. */
static void
write_auth(struct json_out *w, const struct format_login *login, bool kubernetes)
{
	bool token = strcmp(login->user, FORMAT_TOKEN_USER) == 0;
	size_t user = strlen(login->user), secret = token ? 0 : strlen(login->secret);
	char *pair = arena_alloc(w->arena, user + secret + 2);

	if (pair == NULL)
		return;
	memcpy(pair, login->user, user);
	pair[user] = ':';
	memcpy(pair + user + 1, login->secret, secret);
	json_begin_object(w);
	if (kubernetes) {
		json_string_member(w, "username", login->user);
		json_string_member(w, "password", login->secret);
	}
	json_string_member(w, "auth", http_base64(w->arena, pair, user + 1 + secret));
	if (token)
		json_string_member(w, "identitytoken", login->secret);
	json_end_object(w);
}

static void
write_auths(struct json_out *w, const struct format_job *job)
{
	json_begin_object(w);
	json_name(w, "auths");
	json_begin_object(w);
	for (size_t i = 0; i < job->count; i++) {
		json_name(w, job->logins[i].key);
		write_auth(w, &job->logins[i], job->format->kubernetes);
	}
	json_end_object(w);
	json_end_object(w);
}

static void
write_helper(struct json_out *w, const struct format_job *job)
{
	const struct format_login *login = job->logins;

	json_begin_object(w);
	json_string_member(w, "ServerURL", login->key);
	json_string_member(w, "Username", login->user);
	json_string_member(w, "Secret", login->secret);
	json_end_object(w);
}

/* What `docker-credential-… list` prints: the user for each registry. */
static void
write_names(struct json_out *w, const struct format_job *job)
{
	json_begin_object(w);
	for (size_t i = 0; i < job->count; i++)
		json_string_member(w, job->logins[i].key, job->logins[i].user);
	json_end_object(w);
}

/* The configuration as the value of a Secret; NULL if out of memory, or, with the error set, if an
 * API server would refuse it. */
static const char *
secret_data(struct arena *a, const struct format_job *job)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	write_auths(&w, job);
	const char *text = json_out_text(&w, &len);
	if (text != NULL && len > KUBERNETES_SECRET_MAX) {
		(void)err_set(job->error, ERR_INVALID_OPTION, "format",
			      "The logins are more than the 1 MiB that a Secret of Kubernetes may "
			      "have: name a registry or an image.");
		return NULL;
	}
	return text != NULL ? http_base64(a, text, len) : NULL;
}

static const char secret_type[] = "kubernetes.io/dockerconfigjson";

static void
write_kubernetes_json(struct json_out *w, const struct format_job *job)
{
	json_begin_object(w);
	json_string_member(w, "apiVersion", "v1");
	json_string_member(w, "kind", "Secret");
	json_name(w, "metadata");
	json_begin_object(w);
	json_string_member(w, "name", job->name);
	if (job->namespace != NULL)
		json_string_member(w, "namespace", job->namespace);
	json_end_object(w);
	json_string_member(w, "type", secret_type);
	json_name(w, "data");
	json_begin_object(w);
	json_string_member(w, ".dockerconfigjson", secret_data(w->arena, job));
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
write_kubernetes(struct json_out *w, const struct format_job *job)
{
	yaml_line(w, "apiVersion: ", "v1");
	yaml_line(w, "kind: ", "Secret");
	yaml_line(w, "metadata:", NULL);
	yaml_line(w, "  name: ", job->name);
	if (job->namespace != NULL)
		yaml_line(w, "  namespace: ", job->namespace);
	yaml_line(w, "type: ", secret_type);
	yaml_line(w, "data:", NULL);
	yaml_line(w, "  .dockerconfigjson: ", secret_data(w->arena, job));
}

/* One line for programs that read user:password. */
static void
write_userpass(struct json_out *w, const struct format_job *job)
{
	const char *line =
		arena_printf(w->arena, "%s:%s\n", job->logins->user, job->logins->secret);

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
write_env(struct json_out *w, const struct format_job *job)
{
	write_variable(w, "REGISTRY", job->logins->key);
	write_variable(w, "REGISTRY_USER", job->logins->user);
	write_variable(w, "REGISTRY_PASSWORD", job->logins->secret);
}

/* hostRules of Renovate. */
static void
write_renovate(struct json_out *w, const struct format_job *job)
{
	json_begin_array(w);
	for (size_t i = 0; i < job->count; i++) {
		json_begin_object(w);
		json_string_member(w, "hostType", "docker");
		json_string_member(w, "matchHost", job->logins[i].key);
		json_string_member(w, "username", job->logins[i].user);
		json_string_member(w, "password", job->logins[i].secret);
		json_end_object(w);
	}
	json_end_array(w);
}

/* How long the kubelet may keep a login: half of what is left of its life, at most ten minutes. */
static const char *
cache_duration(struct arena *a, const struct format_login *login)
{
	enum { MOST_S = 600, LEAST_S = 60 };
	int64_t half = login->left_ms / 1000 / 2;

	half = half < LEAST_S / 2 ? 0 : half < MOST_S ? half : MOST_S;
	return arena_printf(a, "%llds", (long long)half);
}

static void
write_kubelet_login(struct json_out *w, const struct format_login *login, const char *key)
{
	json_name(w, key);
	json_begin_object(w);
	json_string_member(w, "username", login->user);
	json_string_member(w, "password", login->secret);
	json_end_object(w);
}

/* A CredentialProviderResponse.  The kubelet takes a path in a key as the beginning of a text, so
 * where the registry has logins for parts of it, the key is the image itself. */
static void
write_kubelet(struct json_out *w, const struct format_job *job)
{
	const struct format_login *login = job->logins;
	bool image = job->part != NULL;
	const char *path = image ? arena_printf(w->arena, "/%s", job->part) : "";
	const char *key = arena_printf(w->arena, "%s%s", login->key, path);

	json_begin_object(w);
	json_string_member(w, "kind", "CredentialProviderResponse");
	json_string_member(w, "apiVersion", job->version);
	json_string_member(w, "cacheKeyType", image ? "Image" : "Registry");
	json_string_member(w, "cacheDuration", cache_duration(w->arena, login));
	json_name(w, "auth");
	json_begin_object(w);
	write_kubelet_login(w, login, key);
	if (login->hub) /* the kubelet looks for both names */
		write_kubelet_login(w, login, arena_printf(w->arena, "%s%s", hub_host, path));
	json_end_object(w);
	json_end_object(w);
}

/* Docker's name for Docker Hub, and the name that all tools use for a part of it. */
static const char hub_v1[] = "https://index.docker.io/v1/";

/* clang-format off */
/* Name; content type; can hold a login for a part of a registry ("ghcr.io/acme"); holds only one
 * login; holds user:password, so the user name must not contain a colon; holds no identity token;
 * lists logins without their passwords; its name for Docker Hub; the function that writes it. */
#define FORMATS(FORMAT) \
	FORMAT("docker",         "application/json", false, false, true,  false, false, hub_v1,       write_auths) \
	FORMAT("env",            "text/plain",       false, true,  false, true,  false, REGISTRY_HUB, write_env) \
	FORMAT("helper",         "application/json", false, true,  false, false, false, hub_v1,       write_helper) \
	FORMAT("kubelet",        "application/json", false, true,  false, true,  false, REGISTRY_HUB, write_kubelet) \
	FORMAT("kubernetes",     "application/yaml", true,  false, true,  true,  false, hub_v1,       write_kubernetes) \
	FORMAT("kubernetesJson", "application/json", true,  false, true,  true,  false, hub_v1,       write_kubernetes_json) \
	FORMAT("list",           "application/json", false, false, false, false, true,  hub_v1,       write_names) \
	FORMAT("podman",         "application/json", true,  false, true,  false, false, REGISTRY_HUB, write_auths) \
	FORMAT("renovate",       "application/json", false, false, false, true,  false, hub_host,     write_renovate) \
	FORMAT("userpass",       "text/plain",       false, true,  true,  true,  false, REGISTRY_HUB, write_userpass)
/* clang-format on */
#define FORMAT_ROW(...) {__VA_ARGS__},
#define FORMAT_NAME(name, ...) name,

const struct format format_table[] = {FORMATS(FORMAT_ROW){0}};
const char *const format_names[] = {FORMATS(FORMAT_NAME) NULL};
