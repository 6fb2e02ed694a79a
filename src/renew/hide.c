/* hide: files that the programs of exec cannot reach. */
#include "renew/hide.h"

#include <errno.h>
#include <unistd.h>

#ifdef HAVE_LANDLOCK

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Of a file that is not a directory; and all rights of the first version of Landlock. */
#define OF_FILE                                                                                    \
	((uint64_t)LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                     \
	 LANDLOCK_ACCESS_FS_WRITE_FILE)
#define ALL                                                                                        \
	(OF_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                   \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                           \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                               \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

enum { HIDDEN_MAX = 16, NOTHING = -1, FAILED = -2 };

struct hidden {
	int rules;
	size_t count;
	char paths[HIDDEN_MAX][PATH_MAX]; /* as they really are */
};

static int hide_rules = NOTHING;

/* A link is passed over: what counts is where it leads. */
static bool
hide_allow(int rules, const char *path)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = ALL};
	struct stat st;
	bool right = true;

	beneath.parent_fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return true;
	if (fstat(beneath.parent_fd, &st) == 0 && !S_ISLNK(st.st_mode)) {
		if (!S_ISDIR(st.st_mode))
			beneath.allowed_access = OF_FILE;
		right = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath,
				0) == 0;
	}
	close(beneath.parent_fd);
	return right;
}

/* Whether something hidden is below, or is this itself. */
static bool
hide_has(const struct hidden *h, const char *path, bool itself)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < h->count; i++)
		if (strncmp(h->paths[i], path, len) == 0 &&
		    h->paths[i][len] == (itself ? '\0' : '/'))
			return true;
	return false;
}

/* Everything in a directory that has something hidden, "" for the root. */
static bool
hide_allow_around(const struct hidden *h, const char *dir) // NOLINT(misc-no-recursion)
{
	DIR *list = opendir(*dir != '\0' ? dir : "/");
	const struct dirent *entry;
	bool right = true;
	char path[PATH_MAX];

	if (list == NULL)
		return errno == EACCES; /* nor does the program look into it */
	while (right && (entry = readdir(list)) != NULL) {
		int len = snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    len >= (int)sizeof(path) || hide_has(h, path, true))
			continue;
		right = hide_has(h, path, false) ? hide_allow_around(h, path)
						 : hide_allow(h->rules, path);
	}
	(void)closedir(list);
	return right;
}

bool
hide_prepare(const char *const *paths, size_t count, const char *open)
{
	const struct landlock_ruleset_attr attr = {.handled_access_fs = ALL};
	struct hidden *h = calloc(1, sizeof(*h));
	bool right = h != NULL;

	if (hide_rules >= 0)
		(void)close(hide_rules);
	hide_rules = FAILED;
	if (h == NULL)
		return false;
	for (size_t i = 0; i < count && h->count < HIDDEN_MAX; i++)
		if (*paths[i] != '\0' && realpath(paths[i], h->paths[h->count]) != NULL)
			h->count++;
	h->rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (h->rules < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
		hide_rules = NOTHING;
	} else {
		right = h->rules >= 0 && hide_allow_around(h, "") &&
			(open == NULL || hide_allow(h->rules, open));
		if (right)
			hide_rules = h->rules;
		else if (h->rules >= 0)
			(void)close(h->rules);
	}
	free(h);
	return right;
}

bool
hide_enter(void)
{
	if (hide_rules == NOTHING)
		return true;
	if (hide_rules == FAILED)
		errno = EACCES;
	return hide_rules >= 0 && syscall(SYS_landlock_restrict_self, hide_rules, 0) == 0;
}

#else

bool
hide_prepare(const char *const *paths, size_t count, const char *open)
{
	(void)paths;
	(void)count;
	(void)open;
	return true;
}

bool
hide_enter(void)
{
	return true;
}

#endif
