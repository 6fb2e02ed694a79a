/* db: opens the database for one task, apart from a store. */
#include "store/sqlite/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/remedy.h"
#include "store/migrations.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

int
db_version(sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return version;
}

int
db_newest(void)
{
	int newest = 0;

	for (const struct migration *m = migrations; m->sql != NULL; m++)
		newest = m->number;
	return newest;
}

bool
db_is_ours(sqlite3 *db, int version)
{
	sqlite3_stmt *stmt = NULL;
	int id = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA application_id", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		id = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return id == APPLICATION_ID || (id == 0 && version == 0);
}

/* clang-format off */
static const struct { int code; const char *text; } remedies[] = {
	{ SQLITE_CANTOPEN, "look at who owns it and its directory" },
	{ SQLITE_PERM,     "look at who owns it and its directory" },
	{ SQLITE_READONLY, "look at who owns it and its directory" },
	{ SQLITE_IOERR,    "look at the disk, and at the kernel's log" },
	{ SQLITE_FULL,     "free space on the disk" },
	{ SQLITE_BUSY,     "stop what is using it, and try again" },
	{ SQLITE_PROTOCOL, "stop what is using it, and try again" },
	{ SQLITE_LOCKED,   "stop what is using it, and try again" },
	{ SQLITE_CORRUPT,  "restore a backup" },
	{ SQLITE_NOTADB,   "check the path, or restore a backup" },
	{ SQLITE_TOOBIG,   "restore another backup" },
	{ SQLITE_NOMEM,    "free memory, or raise its limit" },
};
/* clang-format on */

const char *
db_why(sqlite3 *db)
{
	enum { TEXT_MAX = 512 };
	static _Thread_local char text[TEXT_MAX];
	int code = db != NULL ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;
	const char *remedy = NULL;

	for (size_t i = 0; i < sizeof(remedies) / sizeof(*remedies); i++)
		if (remedies[i].code == code)
			remedy = remedies[i].text;
	(void)snprintf(text, sizeof(text), "%s%s%s", db != NULL ? sqlite3_errmsg(db) : "no memory",
		       remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
	return text;
}

bool
db_failed(const char *what, const char *path, sqlite3 *db, char why[STORE_WHY_MAX])
{
	(void)snprintf(why, STORE_WHY_MAX, "%s %s: %s", what, path, db_why(db));
	return false;
}

bool
db_has_harmless_journal(const char *path, char why[STORE_WHY_MAX])
{
	static const unsigned char magic[] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
	unsigned char end[16]; /* length of a name, its sum, magic */
	char journal[DISK_PATH_MAX];
	struct stat st;

	(void)snprintf(journal, sizeof(journal), "%s-journal", path);
	int fd = open(journal, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return true; /* there is none, or SQLite will report why it cannot be read */
	bool names = fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(end) &&
		     pread(fd, end, sizeof(end), st.st_size - (off_t)sizeof(end)) ==
			     (ssize_t)sizeof(end) &&
		     memcmp(end + 8, magic, sizeof(magic)) == 0;
	bool harmless = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !names;
	(void)close(fd);
	if (!harmless)
		(void)snprintf(
			why, STORE_WHY_MAX,
			"%.*s is not a journal that regcred leaves: it is not played back. Look "
			"who has made it, and move it away",
			STORE_WHY_MAX / 2, journal);
	return harmless;
}

bool
db_open(const char *path, int flags, sqlite3 **db, char why[STORE_WHY_MAX])
{
	enum { TEXT_MAX = 1 << 20 }; /* as the pool reads it */
	struct stat st;

	*db = NULL;
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)snprintf(why, STORE_WHY_MAX, "cannot open %s: %s", path,
			       stat(path, &st) != 0 ? remedy_text(errno) : "it is not a file");
		return false;
	}
	if (!db_has_harmless_journal(path, why))
		return false;
	if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) !=
		    SQLITE_OK ||
	    sqlite3_busy_timeout(*db, BUSY_MS) != SQLITE_OK)
		return db_failed("cannot open", path, *db, why);
	(void)sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	(void)sqlite3_limit(*db, SQLITE_LIMIT_LENGTH, TEXT_MAX);
	return true;
}

int
db_version_at(const char *path)
{
	char why[STORE_WHY_MAX];
	sqlite3 *db = NULL;
	int version = db_open(path, SQLITE_OPEN_READWRITE, &db, why) ? db_version(db) : -1;

	(void)sqlite3_close(db);
	return version;
}

bool
db_number(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt = NULL;
	bool done = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		    sqlite3_step(stmt) == SQLITE_ROW;

	if (done)
		*out = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return done;
}
