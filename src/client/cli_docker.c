/* cli_docker: reads a configuration of docker or podman, changes the entries for regcred, writes
 * it. */
#include "client/cli_docker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/disk.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/remedy.h"
#include "base/text.h"
#include "client/cli_client.h"
#include "client/json_edit.h"
#include "registry/url.h"

enum { NODES_MAX = 100000 };

static const char helper[] = "regcred";

struct edit {
	struct arena *arena;
	const struct docker_setup *setup;
	const char *path; /* of the file itself, with symbolic links resolved */
	struct json *file;
	const char *old;  /* its text; NULL: no file */
	const char *text; /* the new text */
	struct stat st;	  /* of the file; if it is new, the mode it gets */
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

const char *
cli_docker_path(struct arena *a, bool podman)
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

static bool
names_us(const struct json *node)
{
	return node->type == JSON_STRING && strcmp(node->text, helper) == 0;
}

/* Parses the changed text; false, with a message, if out of memory. */
static bool
docker_setup_parse(struct edit *e)
{
	struct error error = {0};

	if (e->text != NULL && json_parse_many(e->arena, e->text, strlen(e->text), NODES_MAX,
					       &e->file, &error) == ERR_NONE)
		return true;
	(void)docker_setup_fail(e->path, error.detail != NULL ? error.detail : "out of memory");
	return false;
}

/* Sets a string member, of the file or of its member `outer`, to our name, and prints the old
 * value. */
static bool
docker_setup_set(struct edit *e, const char *outer, const char *name)
{
	const struct json *m =
		json_member(outer != NULL ? json_member(e->file, outer) : e->file, name);

	if (m != NULL && names_us(m))
		return true;
	(void)printf("%s%s", outer != NULL ? outer : "", outer != NULL ? " " : "");
	text_print_plain(stdout, name);
	(void)fputs(": regcred", stdout);
	if (m != NULL && m->type == JSON_STRING) {
		(void)fputs(" (was ", stdout);
		text_print_plain(stdout, m->text);
		(void)putchar(')');
	}
	(void)putchar('\n');
	e->text = json_edit_set(e->arena, e->text, outer, name, helper);
	e->changes++;
	return docker_setup_parse(e);
}

static bool
docker_setup_remove(struct edit *e, const char *outer, const char *name)
{
	(void)printf("%s%s", outer != NULL ? outer : "", outer != NULL ? " " : "");
	text_print_plain(stdout, name);
	(void)puts(": removed");
	e->text = json_edit_remove(e->arena, e->text, outer, name);
	e->changes++;
	return docker_setup_parse(e);
}

static void
warn_of_password(const struct edit *e, const char *key)
{
	const struct json *entry = json_member(json_member(e->file, "auths"), key);

	if (entry != NULL && entry->child != NULL)
		(void)printf("note: a password for %s is in the file: `regcred import` it, then "
			     "log out\n",
			     key);
}

/* docker and podman compare names exactly: adds the registry under the given name and under the one
 * used in images. */
static bool
docker_setup_add_registry(struct edit *e, const struct registry_url *url)
{
	static const char hub[] = "https://index.docker.io/v1/";
	const char *usual = url->hub && !e->setup->podman ? hub : url->key, *other = NULL;

	if (url->port_dropped)
		other = arena_printf(e->arena, "%s:%u", url->key, url->port);
	else if (url->hub && !registry_is_hub_name(url->written))
		other = url->written;
	warn_of_password(e, usual);
	return docker_setup_set(e, "credHelpers", usual) &&
	       (other == NULL || docker_setup_set(e, "credHelpers", other));
}

static int
docker_setup_add_registries(struct edit *e)
{
	for (size_t i = 0; i < e->setup->count; i++) {
		struct registry_url url;
		const char *address = e->setup->registries[i];
		const char *why = registry_url_parse(e->arena, address, &url);

		if (why == NULL && *url.path != '\0')
			why = "name a registry by its host only, such as registry.example.com";
		if (why != NULL)
			return docker_setup_fail(address, why);
		if (!docker_setup_add_registry(e, &url))
			return 1;
	}
	return e->setup->all && !docker_setup_set(e, NULL, "credsStore");
}

static int
docker_setup_remove_all(struct edit *e)
{
	const struct json *store = json_member(e->file, "credsStore");
	const struct json *helpers = json_member(e->file, "credHelpers");

	if (store != NULL && names_us(store) && !docker_setup_remove(e, NULL, "credsStore"))
		return 1;
	for (const struct json *m = helpers != NULL ? helpers->child : NULL; m != NULL; m = m->next)
		if (names_us(m) && !docker_setup_remove(e, "credHelpers", m->name))
			return 1;
	helpers = json_member(e->file, "credHelpers");
	if (helpers != NULL && helpers->child == NULL)
		e->text = json_edit_remove(e->arena, e->text, NULL, "credHelpers");
	return 0;
}

/* The file */

/* Keeps other runs of this program from changing the file between reading and writing: the lock on
 * its directory ends with the process. */
static void
docker_setup_lock(const struct edit *e)
{
	char directory[DISK_PATH_MAX];

	disk_directory_of(e->path, directory);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)flock(fd, LOCK_EX);
}

static int
read_config(struct edit *e, const char *path)
{
	char *whole = realpath(path, NULL), why[CLIENT_WHY_MAX];

	e->path = whole != NULL ? arena_strdup(e->arena, whole) : path;
	free(whole);
	if (e->path == NULL)
		return docker_setup_fail(path, "out of memory");
	docker_setup_lock(e);
	e->old = cli_client_read(e->arena, e->path, why);
	if ((e->old == NULL && errno != ENOENT) || (e->old != NULL && stat(e->path, &e->st) != 0))
		return docker_setup_fail("docker-setup", why);
	e->text = e->old != NULL ? e->old : "";
	if (!docker_setup_parse(e))
		return 1;
	const struct json *helpers = json_member(e->file, "credHelpers");
	if (e->file->type != JSON_OBJECT || (helpers != NULL && helpers->type != JSON_OBJECT))
		return docker_setup_fail(path, "it is not a configuration of docker or podman");
	return 0;
}

static int
write_config(struct edit *e)
{
	struct tm now;
	time_t seconds = time(NULL);
	char date[32];
	size_t len = strlen(e->text);
	const char *text = len > 0 && e->text[len - 1] == '\n'
				   ? e->text
				   : arena_printf(e->arena, "%s\n", e->text);

	if (gmtime_r(&seconds, &now) == NULL ||
	    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &now) == 0)
		return docker_setup_fail(e->path, "the clock cannot be read: set it");
	const char *backup = arena_printf(e->arena, "%s.regcred-backup-%s", e->path, date);
	if (text == NULL || backup == NULL)
		return docker_setup_fail(e->path, "out of memory");
	const struct file_put put = {.mode = e->old != NULL ? e->st.st_mode & 0777 : 0600,
				     .like = e->old != NULL ? &e->st : NULL};
	if (e->old != NULL && access(backup, F_OK) != 0) {
		if (!cli_client_write(e->arena, backup, e->old, &put))
			return docker_setup_fail(backup, remedy_text(errno));
		(void)printf("kept the old file as %s\n", backup);
	}
	if (!cli_client_write(e->arena, e->path, text, &put))
		return docker_setup_fail(e->path, remedy_text(errno));
	(void)printf("wrote %s\n", e->path);
	return 0;
}

int
cli_docker_run(struct arena *a, const struct docker_setup *setup)
{
	struct edit e = {.arena = a, .setup = setup};
	const char *path = cli_docker_path(a, setup->podman);
	int status = 0;

	if (path == NULL)
		return docker_setup_fail("docker-setup", "the home directory is unknown: set HOME");
	if (setup->podman && setup->all)
		return docker_setup_fail("docker-setup",
					 "auth.json cannot name a helper for all registries: put "
					 "credential-helpers = [\"regcred\"] into "
					 "registries.conf");
	status = read_config(&e, path);
	if (status != 0)
		return status;
	status = setup->undo ? docker_setup_remove_all(&e) : docker_setup_add_registries(&e);
	if (status != 0)
		return status;
	if (arena_failed(a))
		return docker_setup_fail(path, "out of memory");
	if (e.changes == 0)
		(void)printf("nothing to do\n");
	else if (setup->dry_run)
		(void)printf("dry run: %s was not changed\n", e.path);
	else
		return write_config(&e);
	return 0;
}
