/* doctor: walks the path of a pull, and says of each step whether it is right and what to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/json_out.h"
#include "base/text.h"
#include "client/cli_client.h"
#include "client/cli_docker.h"
#include "client/cli_keys.h"
#include "registry/check.h"
#include "registry/url.h"

struct visit {
	struct client_call *call;
	const char *image;
	bool is_image;	     /* else a registry alone */
	const char *address; /* of the registry */
	const char *host;    /* as docker writes it in its configuration */
	unsigned wrong;
};

static void
report(struct visit *v, bool right, const char *step, const char *sentence)
{
	v->wrong += !right;
	(void)printf("%-5s  %-14s  ", right ? "ok" : "WRONG", step);
	text_print_plain(stdout, sentence);
	(void)putchar('\n');
	(void)fflush(stdout); /* progress */
}

/* docker's configuration */

static const struct json *
read_docker(struct visit *v, const char **path)
{
	struct arena *a = v->call->arena;
	struct json *file = NULL;
	struct error e = {0};
	char *text;

	*path = cli_docker_path(a, false);
	text = *path != NULL && access(*path, F_OK) == 0 ? cli_client_read(a, *path, v->call->why)
							 : NULL;
	return text != NULL && json_parse(a, text, strlen(text), &file, &e) == ERR_NONE ? file
											: NULL;
}

/* The helper that docker asks for the registry; NULL: none, so it looks into the file itself. */
static const char *
helper_of(const struct json *file, const char *host)
{
	const char *own = client_text(json_member(file, "credHelpers"), host);

	return own != NULL && *own != '\0' ? own : client_text(file, "credsStore");
}

static void
look_docker(struct visit *v)
{
	struct arena *a = v->call->arena;
	const char *path, *helper, *given = getenv("DOCKER_AUTH_CONFIG");
	const struct json *file = read_docker(v, &path);

	if (given != NULL && *given != '\0')
		report(v, false, "docker",
		       "DOCKER_AUTH_CONFIG is set, and docker takes its logins from there first: "
		       "unset it");
	if (file == NULL) {
		report(v, false, "docker",
		       arena_printf(a,
				    "%s is missing or cannot be read: run `regcred docker-setup "
				    "%s`",
				    path != NULL ? path : "config.json", v->host));
		return;
	}
	helper = helper_of(file, v->host);
	if (helper != NULL && strcmp(helper, "regcred") == 0)
		report(v, true, "docker", arena_printf(a, "%s asks regcred for %s", path, v->host));
	else if (helper != NULL)
		report(v, false, "docker",
		       arena_printf(a,
				    "%s asks docker-credential-%s for %s: run `regcred "
				    "docker-setup %s`",
				    path, helper, v->host, v->host));
	else if (json_member(json_member(file, "auths"), v->host) != NULL)
		report(v, false, "docker",
		       arena_printf(a,
				    "%s holds a password for %s of its own: run `docker logout "
				    "%s`, then `regcred docker-setup %s`",
				    path, v->host, v->host, v->host));
	else
		report(v, false, "docker",
		       arena_printf(a, "%s asks nobody for %s: run `regcred docker-setup %s`", path,
				    v->host, v->host));
}

static void
look_helper(struct visit *v)
{
	static const char name[] = "docker-credential-regcred";
	const char *path = getenv("PATH");
	struct arena *a = v->call->arena;

	for (const char *p = path != NULL ? path : ""; *p != '\0';) {
		size_t len = strcspn(p, ":");
		const char *file = arena_printf(a, "%.*s/%s", (int)len, p, name);

		if (file != NULL && access(file, X_OK) == 0) {
			report(v, true, "helper", file);
			return;
		}
		p += len + (p[len] == ':');
	}
	report(v, false, "helper",
	       arena_printf(a,
			    "%s is in no directory of PATH, where docker looks for it: install "
			    "it, or extend PATH",
			    name));
}

/* The server */

/* False: nothing more can be asked of it. */
static bool
look_server(struct visit *v)
{
	struct client_call *c = v->call;

	if (!call_open(c) || call_ask(c, "GET", "", NULL) == NULL) {
		report(v, false, "server", c->why);
		return false;
	}
	report(v, true, "server",
	       arena_printf(c->arena, "%s accepts the key %s", c->settings.url,
			    c->settings.access_key));
	return true;
}

/* The question about an image, or for a registry alone about its address. */
static const struct json *
ask_about(struct visit *v, const char *collection, const char *format)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, v->call->arena);
	json_begin_object(&w);
	json_string_member(&w, v->is_image ? "image" : "serverAddress", v->image);
	if (format != NULL) {
		json_string_member(&w, "format", format);
	}
	json_end_object(&w);
	return call_ask(v->call, "POST", collection, json_out_text(&w, &len));
}

static void
look_login(struct visit *v)
{
	struct client_call *c = v->call;
	const struct json *answer = ask_about(v, "imagelogins", NULL), *others;

	if (answer == NULL) {
		report(v, false, "login", c->why);
		return;
	}
	const char *id = client_text(answer, "registryCredentialId");
	const char *user = client_text(answer, "publicValue");
	const char *why = client_text(answer, "reasonText");
	if (id != NULL) {
		report(v, true, "login",
		       arena_printf(c->arena, "%s %s is used. %s", id, user != NULL ? user : "",
				    why != NULL ? why : ""));
		return;
	}
	others = json_member(answer, "others");
	const struct json *first = others != NULL ? others->child : NULL;
	why = first != NULL ? client_text(first, "reasonText") : NULL;
	report(v, false, "login",
	       first == NULL ? "no login of this registry is stored that the key may use: `regcred "
			       "add`, or a key with other bounds"
			     : arena_printf(c->arena, "none fits. The nearest is %s: %s",
					    client_text(first, "registryCredentialId"),
					    why != NULL ? why : ""));
}

/* The registry, asked from this machine with the login that docker would get. */
static void
look_registry(struct visit *v)
{
	static const struct check_settings settings = {.networks = "127.0.0.0/8 ::1/128",
						       .insecure = "",
						       .ca_file = "",
						       .proxy = "",
						       .timeout_ms = 10000};
	struct client_call *c = v->call;
	const struct json *login = ask_about(v, "handouts", "helper");
	struct check_report got;

	if (login == NULL) {
		report(v, false, "password", c->why);
		return;
	}
	report(v, true, "password", "the key is given it");
	const struct registry_at at = {.address = v->address};
	if (!registry_check(&settings, c->arena, &at, client_text(login, "Username"),
			    client_text(login, "Secret"), &got))
		report(v, false, "registry",
		       "could not be asked, for want of memory or descriptors");
	else
		report(v, check_verdict_of(got.result) == VERDICT_GOOD, "registry",
		       arena_printf(c->arena, "%s: %s", v->address, got.message));
}

/* A host alone, such as ghcr.io, localhost:5000 or [::1]:5000. docker takes every other word for an
 * image of Docker Hub: ubuntu, ubuntu:24.04. */
static bool
is_registry(const char *text)
{
	size_t host = strcspn(text, ":@");

	return strchr(text, '/') == NULL &&
	       (*text == '[' || memchr(text, '.', host) != NULL ||
		(host == strlen("localhost") && strncmp(text, "localhost", host) == 0));
}

/* The registry of the image, or the one that is named alone. NULL, or what is wrong. */
static const char *
read_image(struct visit *v)
{
	struct arena *a = v->call->arena;
	struct registry_image image = {0};
	struct registry_url url;
	const char *wrong;

	v->is_image = !is_registry(v->image);
	if (v->is_image) {
		wrong = registry_image_parse(a, v->image, &image);
		if (wrong != NULL)
			return wrong;
	}
	v->address = !v->is_image ? v->image : image.written != NULL ? image.written : REGISTRY_HUB;
	wrong = registry_url_parse(a, v->address, &url);
	if (wrong == NULL)
		v->host = url.hub ? "https://index.docker.io/v1/" : url.written;
	return wrong;
}

int
client_doctor(struct client_call *c)
{
	struct visit v = {.call = c};
	const char *wrong;

	if (c->arguments->word_count == 0) {
		look_helper(&v);
		(void)look_server(&v);
		return v.wrong == 0 ? EXIT_OK : EXIT_FAILED;
	}
	v.image = c->arguments->words[0];
	wrong = read_image(&v);
	if (wrong != NULL)
		return call_fail(wrong);
	look_docker(&v);
	look_helper(&v);
	if (look_server(&v)) {
		look_login(&v);
		look_registry(&v);
	}
	return v.wrong == 0 ? EXIT_OK : EXIT_FAILED;
}
