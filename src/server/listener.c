/* listener: the socket that the pool listens at: made, or taken over. */
#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/settings.h"
#include "server/pool_state.h"

enum { ORPHANS_WAIT_MS = 5000 }; /* for the workers of a master that was killed */

enum {
	SYSTEMD_FIRST_FD = 3, /* sd_listen_fds(3) */
};

static bool
is_listening(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* A socket that somebody else made: systemd's LISTEN_FDS, or fd 0 from spawn-fcgi or supervisor. -1
 * if there is none. */
static int
inherited_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	if (pid != NULL && count != NULL && strtol(pid, NULL, 10) == getpid() &&
	    strtol(count, NULL, 10) >= 1 && is_listening(SYSTEMD_FIRST_FD))
		return SYSTEMD_FIRST_FD;
	return is_listening(STDIN_FILENO) ? STDIN_FILENO : -1;
}

/* Somebody answers at the address: it is in use.  Nobody: a socket left over from a crash. */
static bool
is_answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answered;

	if (fd < 0)
		return true;
	answered = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		   errno == EAGAIN;
	close(fd);
	return answered;
}

/* The lock is ours, so whoever answers on our own socket is a worker of a master that was killed,
 * and about to end.  True if it is gone in time. */
static bool
await_silence(const struct sockaddr_un *address)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000000};

	for (int i = 0; i < ORPHANS_WAIT_MS / 50; i++) {
		if (!is_answered(address))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Removes what a crash left at the path, and nothing else. */
static bool
clear_path(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat found;

	if (lstat(path, &found) != 0 && errno == ENOENT)
		return true;
	if (!S_ISSOCK(found.st_mode)) {
		log_error("%s exists and is not a socket", path);
		return false;
	}
	if (!await_silence(address)) {
		log_error("another program answers at %s", path);
		return false;
	}
	if (unlink(path) != 0) {
		log_error("cannot remove the stale %s: %s", path, strerror(errno));
		return false;
	}
	log_info("removed a stale socket at %s", path);
	return true;
}

/* Made by ourselves, not by FCGX_OpenSocket, which binds with whatever umask there is and exits on
 * a failure. */
static bool
bind_socket(struct pool *pool, const struct sockaddr_un *address, uid_t uid, gid_t gid)
{
	const struct settings *s = pool->settings;
	mode_t old = umask(0777 & ~(mode_t)s->socket_mode);
	int rc = bind(pool->listener, (const struct sockaddr *)address, sizeof(*address));

	umask(old);
	if (rc != 0) {
		log_error("cannot make %s: %s", s->socket, strerror(errno));
		return false;
	}
	pool->own_socket = true;
	struct stat found = {0};
	if (lstat(s->socket, &found) != 0 || (geteuid() == 0 && lchown(s->socket, uid, gid) != 0) ||
	    listen(pool->listener, (int)s->backlog) != 0) {
		log_error("cannot set up %s: %s", s->socket, strerror(errno));
		unlink(s->socket);
		return false;
	}
	pool->socket_device = found.st_dev;
	pool->socket_inode = found.st_ino;
	return true;
}

static bool
make_socket(struct pool *pool, uid_t uid, gid_t gid)
{
	const char *path = pool->settings->socket;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		log_error(
			"the socket's path is longer than the %zu bytes that the system allows: %s",
			sizeof(address.sun_path) - 1, path);
		return false;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (!clear_path(&address))
		return false;
	pool->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pool->listener < 0) {
		log_error("cannot make a socket: %s", strerror(errno));
		return false;
	}
	return bind_socket(pool, &address, uid, gid);
}

bool
open_listener(struct pool *pool, uid_t uid, gid_t gid)
{
	int domain = 0, flags;
	socklen_t len = sizeof(domain);

	pool->listener = inherited_socket();
	if (pool->listener < 0 && !make_socket(pool, uid, gid))
		return false;
	flags = fcntl(pool->listener, F_GETFL);
	if (flags < 0 || fcntl(pool->listener, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    getsockopt(pool->listener, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0) {
		log_error("cannot use the listening socket: %s", strerror(errno));
		return false;
	}
	pool->unix_socket = domain == AF_UNIX;
	if (!pool->unix_socket)
		log_warn(
			"the listening socket is not a Unix socket: whoever reaches it is trusted");
	return true;
}
