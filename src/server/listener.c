/* listener: the pool's listening socket, created or inherited. */
#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/remedy.h"
#include "base/settings.h"
#include "server/identity.h"
#include "server/pool_state.h"

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

static bool
set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* An inherited socket: systemd's LISTEN_FDS, or fd 0 from spawn-fcgi or supervisor. -1 if there is
 * none. */
static int
inherited_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	if (pid != NULL && count != NULL && strtol(pid, NULL, 10) == getpid() &&
	    strtol(count, NULL, 10) >= 1 && is_listening(SYSTEMD_FIRST_FD))
		return SYSTEMD_FIRST_FD;
	return is_listening(STDIN_FILENO) ? STDIN_FILENO : -1;
}

/* Whether something accepts connections at the address; if not, the socket is left over from a
 * crash. */
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

/* Whether the file at the path is the socket that we, or the previous master, created. */
static bool
is_own_file(const struct pool *pool, const struct stat *found)
{
	return pool->socket_inode != 0 && found->st_dev == pool->socket_device &&
	       found->st_ino == pool->socket_inode;
}

/* Removes a socket that a crash left at the path, and nothing else. We hold the lock, so if the
 * previous master's socket is still answered, that is one of its workers, which finishes its
 * requests and exits. */
static bool
clear_path(const struct pool *pool, const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat found;

	if (lstat(path, &found) != 0 && errno == ENOENT)
		return true;
	if (!S_ISSOCK(found.st_mode)) {
		log_error("%s exists and is not a socket: remove it, or set socket to another path",
			  path);
		return false;
	}
	if (!is_own_file(pool, &found) && is_answered(address)) {
		log_error("another program is using the socket %s: stop it, or set socket to "
			  "another path",
			  path);
		return false;
	}
	if (unlink(path) != 0) {
		log_error("cannot remove the stale %s: %s", path, remedy_text(errno));
		return false;
	}
	log_info("removed a stale socket at %s", path);
	return true;
}

/* Gives the socket to the user that we will run as. The directory may be theirs already: whatever
 * else has that name by now, or one more, keeps its owner. */
static bool
give_socket(const char *path, uid_t uid, gid_t gid, struct stat *found)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool given = fd >= 0 && fstat(fd, found) == 0 && S_ISSOCK(found->st_mode) &&
		     found->st_nlink == 1 &&
		     (geteuid() != 0 || fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0);

	if (fd >= 0)
		close(fd);
	return given;
}

/* Not by FCGX_OpenSocket, which binds with the current umask and exits on failure. */
static bool
bind_socket(struct pool *pool, int fd, const struct sockaddr_un *address, uid_t uid, gid_t gid)
{
	const struct settings *s = pool->settings;
	mode_t old = umask(0777 & ~(mode_t)s->socket_mode);
	int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(old);
	if (rc != 0) {
		log_error("cannot create %s: %s", s->socket, remedy_text(errno));
		return false;
	}
	struct stat found = {0};
	if (!give_socket(s->socket, uid, gid, &found) || listen(fd, (int)s->backlog) != 0 ||
	    !set_nonblocking(fd)) {
		log_error("cannot set up %s: %s", s->socket, remedy_text(errno));
		unlink(s->socket);
		return false;
	}
	pool->socket_device = found.st_dev;
	pool->socket_inode = found.st_ino;
	pool->own_socket = true;
	pool->listener = fd;
	identity_note_socket(pool);
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
	if (!clear_path(pool, &address))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		log_error("cannot create a socket: %s", remedy_text(errno));
	if (fd >= 0 && bind_socket(pool, fd, &address, uid, gid))
		return true;
	if (fd >= 0)
		close(fd);
	return false;
}

bool
open_listener(struct pool *pool, uid_t uid, gid_t gid)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	pool->listener = inherited_socket();
	if (pool->listener < 0 && !make_socket(pool, uid, gid))
		return false;
	if (!set_nonblocking(pool->listener) ||
	    getsockopt(pool->listener, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0) {
		log_error("cannot use the listening socket: %s", remedy_text(errno));
		return false;
	}
	pool->unix_socket = domain == AF_UNIX;
	if (!pool->unix_socket)
		log_warn("the listening socket is not a Unix socket: anyone who can reach it is "
			 "trusted");
	return true;
}

bool
listener_is_lost(const struct pool *pool)
{
	struct stat found;

	return pool->own_socket &&
	       (lstat(pool->settings->socket, &found) != 0 || !is_own_file(pool, &found));
}

bool
listener_renew(struct pool *pool)
{
	int before = pool->listener;

	if (!pool->socket_lost)
		log_error("the socket %s is gone: creating it again", pool->settings->socket);
	bool made = (!pool->socket_lost || access(pool->settings->socket, F_OK) != 0) &&
		    make_socket(pool, geteuid(), getegid());
	pool->socket_lost = !made;
	pool->board->socket_lost = !made;
	if (made)
		close(before);
	return made;
}

void
listener_remove(struct pool *pool)
{
	const char *path = pool->settings->socket;

	if (!pool->own_socket)
		return;
	if (!listener_is_lost(pool) && unlink(path) != 0)
		log_warn("cannot remove %s: %s", path, remedy_text(errno));
	pool->socket_inode = 0;
	identity_note_socket(pool);
}
