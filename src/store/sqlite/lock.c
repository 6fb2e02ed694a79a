/* lock: the lock file, which orders the writers of all processes. */
#include "store/sqlite/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/remedy.h"
#include "store/sqlite/sqlite.h"

/* Takes the ticket lock, a lock of another kind on the first byte of the same file: the last holder
 * does not get the lock again before others that wait. Without it the lock still excludes, but not
 * fairly. False with errno: not available at once. */
static bool
take_turn(int fd, short type, enum patience patience)
{
	struct flock first = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
	int rc;

	while ((rc = fcntl(fd, patience == PATIENT ? F_OFD_SETLKW : F_OFD_SETLK, &first)) != 0 &&
	       errno == EINTR)
		;
	return rc == 0 || (errno != EAGAIN && errno != EACCES);
}

static bool
take_lock(int fd, enum patience patience)
{
	int rc;

	while ((rc = flock(fd, patience == PATIENT ? LOCK_EX : LOCK_EX | LOCK_NB)) != 0 &&
	       errno == EINTR)
		;
	return rc == 0;
}

enum store_rc
lock_take(int fd, bool turns, enum patience patience)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	int64_t end_ms = clock_ms() + BUSY_MS;
	bool turn = !turns, locked = false;

	for (;;) {
		turn = turn || take_turn(fd, F_WRLCK, patience);
		locked = turn && take_lock(fd, patience);
		if (locked || (turn && errno != EWOULDBLOCK) || clock_ms() >= end_ms)
			break;
		(void)nanosleep(&nap, NULL);
	}
	int error = errno;
	if (turns && turn)
		(void)take_turn(fd, F_UNLCK, patience);
	if (locked)
		return STORE_OK;
	if (error == EWOULDBLOCK || error == EACCES)
		return STORE_BUSY;
	log_error("database: the lock file cannot be locked: %s", remedy_text(error));
	return STORE_FAILED;
}

pid_t
lock_holder(int fd)
{
	char line[256];
	struct stat st;
	long found = 0;
	FILE *locks = fopen("/proc/locks", "re");

	if (locks == NULL)
		return 0;
	while (fstat(fd, &st) == 0 && found <= 0 && fgets(line, sizeof(line), locks) != NULL) {
		unsigned major_of, minor_of;
		unsigned long long inode;

		/* "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF"; "1: -> ..." waits. */
		if (sscanf(line, "%*s FLOCK %*s %*s %ld %x:%x:%llu", &found, &major_of, &minor_of,
			   &inode) != 4 ||
		    inode != st.st_ino || major_of != major(st.st_dev) ||
		    minor_of != minor(st.st_dev))
			found = 0;
	}
	(void)fclose(locks);
	return found > 0 ? (pid_t)found : 0;
}
