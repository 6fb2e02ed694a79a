/* owner: changes the user and group ids of a process. */
#include "service/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/remedy.h"

static bool borrowed;

/* Drops all of root's capabilities. Keeps only CAP_DAC_READ_SEARCH, which cannot change anything,
 * if the owner cannot reach the state directory because a parent is closed to others. */
static bool
keep_powers(const char *directory, bool for_good)
{
	struct __user_cap_header_struct self = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct powers[2];

	if (syscall(SYS_capget, &self, powers) != 0)
		return false;
	unsigned look = faccessat(AT_FDCWD, directory, X_OK, AT_EACCESS) != 0
				? powers[0].permitted & 1U << CAP_DAC_READ_SEARCH
				: 0;
	powers[0].effective = look;
	powers[1].effective = 0;
	if (for_good) {
		powers[0].permitted = look;
		powers[1].permitted = 0;
	}
	return syscall(SYS_capset, &self, powers) == 0;
}

/* Who may have put something in place of the database or next to it, besides root; false: nobody.
 */
static bool
find_owner(const struct settings *s, struct stat *st)
{
	char directory[DISK_PATH_MAX];
	const char *const places[] = {s->state_dir, directory, s->database};

	disk_directory_of(s->database, directory);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (stat(places[i], st) == 0 && st->st_uid != 0)
			return true;
	return false;
}

bool
owner_become(const struct settings *s, bool for_good, char why[CONFIG_WHY_MAX])
{
	struct stat st;

	if (geteuid() != 0 || !find_owner(s, &st))
		return true;
	gid_t group = st.st_gid;
	/* Drops root's groups; changes the group first, while that is still allowed. */
	bool done = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setgroups(1, &group) == 0 &&
		    (for_good ? setresgid(group, group, group) == 0 &&
					setresuid(st.st_uid, st.st_uid, st.st_uid) == 0
			      : setegid(group) == 0 && seteuid(st.st_uid) == 0) &&
		    keep_powers(s->state_dir, for_good);
	if (!done)
		(void)snprintf(why, CONFIG_WHY_MAX, "cannot become the owner of %s: %s",
			       s->state_dir, strerror(errno));
	borrowed = done && !for_good;
	return done;
}

void
owner_leave(void)
{
	if (!borrowed)
		return;
	if (seteuid(0) != 0 || setegid(0) != 0)
		abort(); /* it was root before, so this cannot fail */
	borrowed = false;
}

bool
owner_is_borrowed(void)
{
	return borrowed;
}
