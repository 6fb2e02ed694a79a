/* format: the formats in which logins are retrieved, as a table. */
#include "login/format.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_out.h"
#include "base/text.h"
#include "registry/url.h"

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

/* Docker's name for Docker Hub, and the name that all tools use for a part of it. */
static const char hub_v1[] = "https://index.docker.io/v1/";

const struct format format_table[] = {
#define FORMAT(...) {__VA_ARGS__},
#include "model/hand_out_format.def"
	{0},
};
