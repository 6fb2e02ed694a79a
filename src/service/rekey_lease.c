/* rekey_lease: only one rotation works on a database. */
#include "service/rekey_lease.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "store/sqlite/file.h"

enum {
	LEASE_ARENA = 64 * 1024,
	LEASE_MS = 10 * 60 * 1000, /* renewed with each transaction */
};

#define LEASE "rekey"

void
rekey_lease_name(char holder[REKEY_HOLDER_SIZE])
{
	char host[REKEY_HOLDER_SIZE / 2] = "";
	struct stat space;

	if (gethostname(host, sizeof(host) - 1) != 0 || stat("/proc/self/ns/pid", &space) != 0)
		(void)snprintf(holder, REKEY_HOLDER_SIZE, "?:?:%d", (int)getpid());
	else
		(void)snprintf(holder, REKEY_HOLDER_SIZE, "%s:%llu:%d", host,
			       (unsigned long long)space.st_ino, (int)getpid());
}

/* Whether the holder is a process that this one would see, and does not exist. */
static bool
is_dead(const char *holder)
{
	char own[REKEY_HOLDER_SIZE];
	const char *colon = strrchr(holder, ':');

	rekey_lease_name(own);
	size_t host = (size_t)(strrchr(own, ':') - own);
	if (colon == NULL || (size_t)(colon - holder) != host || strncmp(own, holder, host) != 0 ||
	    *own == '?')
		return false;
	pid_t pid = (pid_t)strtol(colon + 1, NULL, 10);
	return pid > 0 && pid != getpid() && kill(pid, 0) != 0 && errno == ESRCH;
}

bool
rekey_lease_runs(const char *database, char holder[REKEY_HOLDER_SIZE])
{
	/* As store_take_lease() takes one over. */
	return file_lease(database, LEASE, clock_wall_ms(), 2 * (int64_t)LEASE_MS, holder,
			  REKEY_HOLDER_SIZE) &&
	       !is_dead(holder);
}

enum err
rekey_lease_keep(struct store_tx *tx, const char *own, char why[SECRET_WHY_MAX])
{
	struct arena *a = arena_new(LEASE_ARENA);
	int64_t now = clock_wall_ms();
	struct lease lease = {0};
	enum store_rc rc = a != NULL ? store_tx_lease(tx, a, LEASE, &lease) : STORE_NO_MEMORY;

	if (rc == STORE_OK && is_dead(lease.holder))
		rc = store_end_lease(tx, LEASE, lease.holder);
	if (rc == STORE_OK || rc == STORE_NONE)
		rc = store_take_lease(tx, LEASE, own, now, now + LEASE_MS);
	if (rc == STORE_NONE)
		(void)snprintf(
			why, SECRET_WHY_MAX,
			"another `regcred rekey` is working on this database (%s): wait until it "
			"ends, or ten minutes if it was killed on another host",
			lease.holder);
	arena_free(a);
	return rc == STORE_OK ? ERR_NONE : ERR_CONFLICT;
}

enum store_rc
rekey_lease_drop(struct store_tx *tx)
{
	struct arena *a = arena_new(LEASE_ARENA);
	struct lease lease = {0};
	enum store_rc rc = a != NULL ? store_tx_lease(tx, a, LEASE, &lease) : STORE_NO_MEMORY;

	if (rc == STORE_OK)
		rc = store_end_lease(tx, LEASE, lease.holder);
	arena_free(a);
	return rc == STORE_NONE ? STORE_OK : rc;
}

enum store_rc
rekey_lease_end(struct store_tx *tx, const char *own)
{
	return store_end_lease(tx, LEASE, own);
}
