/* cli_docker: reads a configuration of docker or podman, changes what names regcred, writes it. */
#include "client/cli_docker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/text.h"
#include "client/cli_client.h"
#include "registry/url.h"

enum { NODES_MAX = 100000 };

static const char helper[] = "regcred";

struct edit {
	struct arena *arena;
	const struct docker_setup *setup;
	const char *path; /* of the file itself, behind symbolic links */
	struct json *file;
	const char *old; /* its text; NULL: there is none */
	struct stat st;	 /* of the file; its mode is what a new one gets */
	unsigned changes;
};

static int
docker_setup_fail(const char *what, const char *why)
{
	(void)fputs("regcred: ", stderr);
	text_print_plain(stderr, what);
	(void)fputs(": ", stderr);
	text_print_plain(stderr, why);
	(void)fputc('\n', stderr);
	return 1;
}

/* Where docker, or podman, looks. */
static const char *
find_path(struct arena *a, bool podman)
{
	const char *home = getenv("HOME"), *directory;

	if (podman) {
		directory = getenv("REGISTRY_AUTH_FILE");
		if (directory != NULL && *directory != '\0')
			return arena_strdup(a, directory);
		directory = getenv("XDG_RUNTIME_DIR");
		if (directory != NULL && *directory == '/')
			return arena_printf(a, "%s/containers/auth.json", directory);
	} else {
		directory = getenv("DOCKER_CONFIG");
		if (directory != NULL && *directory != '\0')
			return arena_printf(a, "%s/config.json", directory);
	}
	return home != NULL && *home == '/' ? arena_printf(a, "%s/%s", home,
							   podman ? ".config/containers/auth.json"
								  : ".docker/config.json")
					    : NULL;
}

/* Members */

static struct json *
docker_setup_add(struct edit *e, struct json *object, const char *name, enum json_type type)
{
	struct json *node = arena_alloc(e->arena, sizeof(*node)), **end = &object->child;

	if (node == NULL)
		return NULL;
	node->type = type;
	node->name = name;
	while (*end != NULL)
		end = &(*end)->next;
	*end = node;
	return node;
}

static struct json *
docker_setup_find(struct json *object, const char *name)
{
	for (struct json *m = object->child; m != NULL; m = m->next)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

static void
take_out(struct json *object, const struct json *member)
{
	for (struct json **m = &object->child; *m != NULL; m = &(*m)->next)
		if (*m == member) {
			*m = member->next;
			return;
		}
}

static bool
names_us(const struct json *node)
{
	return node->type == JSON_STRING && strcmp(node->text, helper) == 0;
}

/* A string member that is to name us; what it named is shown. */
static void
docker_setup_set(struct edit *e, struct json *object, const char *what, const char *name)
{
	struct json *m = docker_setup_find(object, name);

	if (m != NULL && names_us(m))
		return;
	(void)fputs(what, stdout);
	text_print_plain(stdout, name);
	(void)fputs(": regcred", stdout);
	if (m != NULL && m->type == JSON_STRING) {
		(void)fputs(" (was ", stdout);
		text_print_plain(stdout, m->text);
		(void)putchar(')');
	}
	(void)putchar('\n');
	if (m == NULL)
		m = docker_setup_add(e, object, name, JSON_STRING);
	if (m == NULL)
		return;
	*m = (struct json){.type = JSON_STRING, .name = m->name, .text = helper, .next = m->next};
	e->changes++;
}

static void
warn_of_password(const struct edit *e, const char *key)
{
	struct json *auths = docker_setup_find(e->file, "auths");
	const struct json *entry = auths != NULL ? json_member(auths, key) : NULL;

	if (entry != NULL && entry->child != NULL)
		(void)printf("note: a password for %s lies in the file: `regcred import` it, then "
			     "log out\n",
			     key);
}

static int
docker_setup_add_registries(struct edit *e)
{
	static const char hub[] = "https://index.docker.io/v1/";
	struct json *helpers = docker_setup_find(e->file, "credHelpers");

	if (helpers == NULL && e->setup->count > 0)
		helpers = docker_setup_add(e, e->file, "credHelpers", JSON_OBJECT);
	for (size_t i = 0; helpers != NULL && i < e->setup->count; i++) {
		struct registry_url url;
		const char *address = e->setup->registries[i];
		const char *why = registry_url_parse(e->arena, address, &url);

		if (why == NULL && *url.path != '\0')
			why = "a registry is named by its host alone here";
		if (why != NULL)
			return docker_setup_fail(address, why);
		const char *key = url.hub && !e->setup->podman ? hub : url.key;
		docker_setup_set(e, helpers, "credHelpers ", key);
		warn_of_password(e, key);
	}
	return 0;
}

static void
remove_all(struct edit *e)
{
	struct json *store = docker_setup_find(e->file, "credsStore");
	struct json *helpers = docker_setup_find(e->file, "credHelpers");

	if (store != NULL && names_us(store)) {
		(void)printf("credsStore: removed\n");
		take_out(e->file, store);
		e->changes++;
	}
	for (struct json *m = helpers != NULL ? helpers->child : NULL; m != NULL; m = m->next)
		if (names_us(m)) {
			(void)fputs("credHelpers ", stdout);
			text_print_plain(stdout, m->name);
			(void)puts(": removed");
			take_out(helpers, m);
			e->changes++;
		}
	if (helpers != NULL && helpers->child == NULL)
		take_out(e->file, helpers);
}

/* The file */

static void
write_node(struct json_out *w, const struct json *node)
{
	switch (node->type) {
	case JSON_OBJECT:
		json_begin_object(w);
		for (const struct json *m = node->child; m != NULL; m = m->next) {
			json_name(w, m->name);
			write_node(w, m);
		}
		json_end_object(w);
		return;
	case JSON_ARRAY:
		json_begin_array(w);
		for (const struct json *m = node->child; m != NULL; m = m->next)
			write_node(w, m);
		json_end_array(w);
		return;
	case JSON_STRING:
		json_string(w, node->text);
		return;
	case JSON_NULL:
		json_null(w);
		return;
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NUMBER:
		json_raw(w, node->text, strlen(node->text));
		return;
	}
}

static int
read_config(struct edit *e, const char *path)
{
	struct error error = {0};
	char *whole = realpath(path, NULL), why[CLIENT_WHY_MAX];

	e->path = whole != NULL ? arena_strdup(e->arena, whole) : path;
	free(whole);
	if (e->path == NULL)
		return docker_setup_fail(path, "there is no memory");
	e->old = cli_client_read(e->arena, e->path, why);
	if ((e->old == NULL && errno != ENOENT) || (e->old != NULL && stat(e->path, &e->st) != 0))
		return docker_setup_fail("docker-setup", why);
	const char *text = e->old != NULL ? e->old : "";
	if (json_parse_many(e->arena, text, strlen(text), NODES_MAX, &e->file, &error) != ERR_NONE)
		return docker_setup_fail(path, error.detail != NULL ? error.detail
								    : "there is no memory");
	struct json *helpers =
		e->file->type == JSON_OBJECT ? docker_setup_find(e->file, "credHelpers") : NULL;
	if (e->file->type != JSON_OBJECT || (helpers != NULL && helpers->type != JSON_OBJECT))
		return docker_setup_fail(path, "it is no configuration of docker or podman");
	return 0;
}

static int
write_config(struct edit *e)
{
	struct json_out w;
	struct tm now;
	time_t seconds = time(NULL);
	char date[32];
	size_t len;

	json_out_init(&w, e->arena);
	write_node(&w, e->file);
	const char *text = json_out_text(&w, &len);
	text = text != NULL ? arena_printf(e->arena, "%s\n", text) : NULL;
	if (gmtime_r(&seconds, &now) == NULL ||
	    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &now) == 0)
		return docker_setup_fail(e->path, "the clock cannot be read");
	const char *backup = arena_printf(e->arena, "%s.regcred-backup-%s", e->path, date);
	if (text == NULL || backup == NULL)
		return docker_setup_fail(e->path, "there is no memory");
	const struct file_put put = {.mode = e->old != NULL ? e->st.st_mode & 0777 : 0600,
				     .like = e->old != NULL ? &e->st : NULL};
	if (e->old != NULL && access(backup, F_OK) != 0) {
		if (!cli_client_write(e->arena, backup, e->old, &put))
			return docker_setup_fail(backup, strerror(errno));
		(void)printf("kept the old file as %s\n", backup);
	}
	if (!cli_client_write(e->arena, e->path, text, &put))
		return docker_setup_fail(e->path, strerror(errno));
	(void)printf("wrote %s\n", e->path);
	return 0;
}

int
cli_docker_run(struct arena *a, const struct docker_setup *setup)
{
	struct edit e = {.arena = a, .setup = setup};
	const char *path = find_path(a, setup->podman);
	int status = 0;

	if (path == NULL)
		return docker_setup_fail("docker-setup", "there is no home directory");
	if (setup->podman && setup->all)
		return docker_setup_fail("docker-setup",
					 "auth.json cannot name one for all registries: put "
					 "credential-helpers = [\"regcred\"] into "
					 "registries.conf");
	status = read_config(&e, path);
	if (status != 0)
		return status;
	if (setup->undo)
		remove_all(&e);
	else
		status = docker_setup_add_registries(&e);
	if (status == 0 && setup->all && !setup->undo)
		docker_setup_set(&e, e.file, "", "credsStore");
	if (status != 0)
		return status;
	if (arena_failed(a))
		return docker_setup_fail(path, "there is no memory");
	if (e.changes == 0)
		(void)printf("nothing to do\n");
	else if (setup->dry_run)
		(void)printf("dry run: %s was not changed\n", e.path);
	else
		return write_config(&e);
	return 0;
}
