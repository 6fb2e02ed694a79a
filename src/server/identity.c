/* identity: the user the pool runs as, its lock and its pid file. */
#include "server/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/remedy.h"
#include "base/settings.h"
#include "server/pool_state.h"

/* Writes our pid to a file, and gives the file to the user that we will run as. */
static bool
write_pid(int fd, uid_t uid, gid_t gid)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	return (geteuid() != 0 || fchown(fd, uid, gid) == 0) && ftruncate(fd, 0) == 0 &&
	       pwrite(fd, text, (size_t)len, 0) == len;
}

/* "PID\nDEVICE:INODE\n", the second line only if the pool created the socket. */
void
identity_note_socket(const struct pool *pool)
{
	char text[96];
	int len = pool->socket_inode == 0
			  ? snprintf(text, sizeof(text), "%d\n", (int)getpid())
			  : snprintf(text, sizeof(text), "%d\n%ju:%ju\n", (int)getpid(),
				     (uintmax_t)pool->socket_device, (uintmax_t)pool->socket_inode);

	if (ftruncate(pool->lock_fd, 0) != 0 || pwrite(pool->lock_fd, text, (size_t)len, 0) != len)
		log_warn("cannot record the socket in the lock file: %s", remedy_text(errno));
}

bool
identity_take_lock(struct pool *pool, uid_t uid, gid_t gid)
{
	char path[CONFIG_PATH_MAX + 32], before[96] = "";
	uintmax_t device, inode;
	struct stat found;

	snprintf(path, sizeof(path), "%s/regcredd.lock", pool->settings->state_dir);
	pool->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (pool->lock_fd < 0) {
		log_error("cannot open %s: %s", path, remedy_text(errno));
		return false;
	}
	/* As root in another user's directory: with a second link, chown would change the owner of
	 * some other file. */
	if (fstat(pool->lock_fd, &found) != 0 || found.st_nlink != 1) {
		log_error("%s is not a file of regcredd: move it away", path);
		return false;
	}
	if (pread(pool->lock_fd, before, sizeof(before) - 1, 0) < 0)
		before[0] = '\0';
	if (flock(pool->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		before[strcspn(before, "\n")] = '\0';
		log_error("another regcredd (process %s) is running on %s: stop it first", before,
			  pool->settings->state_dir);
		return false;
	}
	if (sscanf(before, "%*d %ju:%ju", &device, &inode) == 2) {
		pool->socket_device = (dev_t)device;
		pool->socket_inode = (ino_t)inode;
	}
	if (!write_pid(pool->lock_fd, uid, gid)) {
		log_error("cannot write %s: %s", path, remedy_text(errno));
		return false;
	}
	identity_note_socket(pool);
	return true;
}

bool
identity_write_pid_file(const struct pool *pool, uid_t uid, gid_t gid)
{
	const char *path = pool->settings->pid_file;
	struct stat found;
	bool ok;
	int fd;

	if (*path == '\0')
		return true;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	ok = fd >= 0 && fstat(fd, &found) == 0 && found.st_nlink == 1 && write_pid(fd, uid, gid) &&
	     fchmod(fd, 0644) == 0;
	if (!ok)
		log_error("cannot write %s: %s", path, remedy_text(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

bool
find_identity(const struct settings *s, uid_t *uid, gid_t *gid)
{
	struct passwd *user;
	struct group *group;

	*uid = geteuid();
	*gid = getegid();
	if (*s->user != '\0') {
		user = getpwnam(s->user);
		if (user == NULL) {
			log_error("the user %s does not exist", s->user);
			return false;
		}
		*uid = user->pw_uid;
		*gid = user->pw_gid;
	}
	if (*s->group != '\0') {
		group = getgrnam(s->group);
		if (group == NULL) {
			log_error("the group %s does not exist", s->group);
			return false;
		}
		*gid = group->gr_gid;
	}
	if (geteuid() != 0 && *uid != geteuid()) {
		log_error("only root can switch to user %s", s->user);
		return false;
	}
	return true;
}

bool
identity_become(const struct settings *s, uid_t uid, gid_t gid)
{
	if (geteuid() != 0)
		return true;
	if ((*s->user != '\0' ? initgroups(s->user, gid) : setgroups(0, NULL)) != 0 ||
	    setgid(gid) != 0 || setuid(uid) != 0 || (uid != 0 && setuid(0) == 0)) {
		log_error("cannot switch to user %u and group %u: %s", (unsigned)uid, (unsigned)gid,
			  remedy_text(errno));
		return false;
	}
	return true;
}

void
identity_block_signals(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&set, faults[i]);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}
