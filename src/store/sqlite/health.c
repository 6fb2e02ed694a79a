/* health: whether the database is present and intact. */
#include "store/sqlite/health.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/ready.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

bool
file_is_here(struct sqlite_store *s)
{
	struct stat now;
	bool found = stat(s->path, &now) == 0 && now.st_dev == s->file.st_dev &&
		     now.st_ino == s->file.st_ino;
	bool lost = !found || (atomic_load(&s->log_file) != 0 &&
			       connection_log_inode(s->path) != atomic_load(&s->log_file));

	if (lost && !atomic_exchange(&s->lost, true))
		log_error("the %s %s%s was removed or replaced while it is in use: nothing is "
			  "written until it is back, or regcredd is stopped and started again",
			  found ? "write-ahead log" : "database", s->path, found ? "-wal" : "");
	else if (!lost)
		atomic_store(&s->lost, false);
	return !lost;
}

void
sqlite_suspect(struct store *base)
{
	atomic_store(&sqlite_of(base)->trouble.met, true);
}

/* After damage or an I/O error the whole file, as far as it can be read in the time of a query, has
 * to be intact before it is trusted again. */
static enum store_rc
look_through(struct sqlite_store *s)
{
	struct connection *c;
	long long now = clock_ms(), looked = atomic_load(&s->trouble.looked_ms);
	char found[256] = "";
	enum store_rc rc = STORE_FAILED;

	if (now - looked < LOOK_MS ||
	    !atomic_compare_exchange_strong(&s->trouble.looked_ms, &looked, now))
		return STORE_FAILED;
	c = reader_take(s);
	c->broken = true; /* do not trust its cache */
	if (connection_ready(s, c, true)) {
		bool read =
			connection_ask_text(c->db, "PRAGMA quick_check(1)", found, sizeof(found));
		int code = sqlite3_extended_errcode(c->db);

		if ((read && strcmp(found, "ok") == 0) || code == SQLITE_INTERRUPT)
			rc = STORE_OK;
		else if (read)
			connection_meet_trouble(&s->trouble, found, SQLITE_CORRUPT);
		else
			rc = connection_rc(c, code);
		if (rc == STORE_OK && atomic_exchange(&s->trouble.met, false))
			log_warn("database: it can be read again");
	}
	reader_give(s, c);
	return rc;
}

enum store_rc
sqlite_ping(struct store *base)
{
	struct sqlite_store *s = sqlite_of(base);

	if (!file_is_here(s))
		return STORE_FAILED;
	if (atomic_load(&s->trouble.met))
		return look_through(s);
	struct connection *c = reader_take(s);
	enum store_rc rc = connection_ready(s, c, true)
				   ? connection_exec(c, "SELECT 1 FROM account LIMIT 1")
				   : STORE_FAILED;

	reader_give(s, c);
	return rc;
}
