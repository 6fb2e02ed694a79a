/* file: the database as a file: opens it separately, copies it, verifies it. */
#include "store/sqlite/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

struct copying {
	bool (*go_on)(void *arg, int64_t done, int64_t all);
	void *arg;
	const char *to; /* NULL: nothing is written */
	int64_t all;
};

static int
on_copying(void *arg)
{
	const struct copying *c = arg;
	struct stat st;
	int64_t done = c->to == NULL ? -1 : stat(c->to, &st) == 0 ? (int64_t)st.st_size : 0;

	return c->go_on(c->arg, done, c->all) ? 0 : 1;
}

/* Does not use SQLite's backup functions, which restart again and again while others write. */
bool
file_copy(const char *path, const char *to, bool (*go_on)(void *arg, int64_t, int64_t), void *arg,
	  char why[STORE_WHY_MAX])
{
	struct copying copying = {.go_on = go_on, .arg = arg, .to = to};
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db;
	bool done = db_open(path, SQLITE_OPEN_READWRITE, &db, why);

	if (done) {
		(void)db_number(db,
				"SELECT page_count * page_size FROM pragma_page_count, "
				"pragma_page_size",
				&copying.all);
		sqlite3_progress_handler(db, PROGRESS_STEPS, on_copying, &copying);
		done = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &stmt, NULL) == SQLITE_OK &&
		       sqlite3_bind_text(stmt, 1, to, -1, SQLITE_STATIC) == SQLITE_OK &&
		       sqlite3_step(stmt) == SQLITE_DONE;
		if (!done)
			(void)db_failed("cannot copy", path, db, why);
	}
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return done;
}

/* Counts the contents of an intact file. */
static bool
count_facts(sqlite3 *db, struct file_facts *out)
{
	return db_number(db,
			 "SELECT (SELECT count(*) FROM credential) + (SELECT count(*) FROM "
			 "storage_pool) + (SELECT count(*) FROM account) + (SELECT count(*) FROM "
			 "project_member)",
			 &out->rows) &&
	       db_number(db, "SELECT coalesce(sum(seq), 0) FROM sqlite_sequence", &out->ids) &&
	       db_number(db,
			 "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
			 &out->bytes) &&
	       connection_ask_text(
		       db,
		       "SELECT group_concat(key_id, ', ') FROM (SELECT DISTINCT key_id FROM "
		       "key_check WHERE use = 'seal' ORDER BY key_id)",
		       out->keys, sizeof(out->keys));
}

/* Whether each value can be read as the pool reads it; SQLite refuses longer ones. */
static bool
values_fit(sqlite3 *db)
{
	static const char each_table[] =
		"SELECT 'SELECT ' || group_concat('total(length(\"' || c.name || '\"))', ' + ') || "
		"' FROM \"' || t.name || '\"' FROM sqlite_schema t JOIN pragma_table_info(t.name) "
		"c "
		"WHERE t.type = 'table' GROUP BY t.name";
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, each_table, -1, &stmt, NULL);
	int64_t sum = 0;

	while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		rc = db_number(db, (const char *)sqlite3_column_text(stmt, 0), &sum) ? SQLITE_OK
										     : SQLITE_ERROR;
	return sqlite3_finalize(stmt) == SQLITE_OK && rc == SQLITE_DONE;
}

static bool
verify_all(sqlite3 *db, const char *path, struct file_facts *out, char why[STORE_WHY_MAX])
{
	char text[256] = "";
	int64_t broken = 0;

	out->version = db_version(db);
	if (out->version <= 0 || !db_is_ours(db, out->version)) {
		(void)snprintf(why, STORE_WHY_MAX, "%s is not a database of regcred", path);
		return false;
	}
	if (out->version > db_newest()) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "%s has version %d, newer than this program knows (%d)", path,
			       out->version, db_newest());
		return false;
	}
	if (!schema_is_right(db, path, out->version, why))
		return false;
	bool whole = connection_ask_text(db, "PRAGMA integrity_check(1)", text, sizeof(text)) &&
		     strcmp(text, "ok") == 0 &&
		     db_number(db, "SELECT count(*) FROM pragma_foreign_key_check", &broken) &&
		     broken == 0;
	if (!whole && (sqlite3_errcode(db) & 0xff) == SQLITE_INTERRUPT)
		return db_failed("cannot check", path, db, why);
	if (!whole) {
		(void)snprintf(why, STORE_WHY_MAX, "%s is damaged: %s", path,
			       broken != 0 ? "a row names one that is missing"
			       : *text != '\0' && strcmp(text, "ok") != 0 ? text
									  : sqlite3_errmsg(db));
		return false;
	}
	return values_fit(db) && count_facts(db, out) ? true
						      : db_failed("cannot read", path, db, why);
}

bool
file_verify(const char *path, bool (*go_on)(void *arg, int64_t, int64_t), void *arg,
	    struct file_facts *out, char why[STORE_WHY_MAX])
{
	struct copying checking = {.go_on = go_on, .arg = arg};
	sqlite3 *db;

	*out = (struct file_facts){0};
	bool whole = db_open(path, SQLITE_OPEN_READONLY, &db, why);
	if (whole) {
		sqlite3_progress_handler(db, PROGRESS_STEPS, on_copying, &checking);
		whole = verify_all(db, path, out, why);
	}
	(void)sqlite3_close(db);
	return whole;
}

bool
file_ids(const char *path, int64_t *ids, char why[STORE_WHY_MAX])
{
	sqlite3 *db;
	bool done = db_open(path, SQLITE_OPEN_READWRITE, &db, why);

	if (done && !db_number(db, "SELECT coalesce(sum(seq), 0) FROM sqlite_sequence", ids))
		done = db_failed("cannot read", path, db, why);
	(void)sqlite3_close(db);
	return done;
}

bool
file_lease(const char *path, const char *name, int64_t now_ms, int64_t most_ms, char *holder,
	   size_t size)
{
	char why[STORE_WHY_MAX], sql[192];
	sqlite3 *db;

	(void)snprintf(
		sql, sizeof(sql),
		"SELECT holder FROM lease WHERE name = '%s' AND until > %lld AND until <= %lld",
		name, (long long)now_ms, (long long)(now_ms + most_ms));
	bool held = db_open(path, SQLITE_OPEN_READWRITE, &db, why) &&
		    connection_ask_text(db, sql, holder, size);
	(void)sqlite3_close(db);
	return held;
}

/* Notes a last id of 0 for tables that have none yet, so that each has a row to raise. */
static bool
begin_ids(sqlite3 *db)
{
	return connection_run(
		db, "INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_master "
		    "WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%' AND name NOT IN "
		    "(SELECT name FROM sqlite_sequence)");
}

/* Raises the last ids to those of `than`; false if they cannot be read. */
static bool
raise_to(sqlite3 *db, const char *than)
{
	char why[STORE_WHY_MAX];
	sqlite3_stmt *from = NULL, *to = NULL;
	sqlite3 *old;
	int rc = SQLITE_ERROR;

	if (db_open(than, SQLITE_OPEN_READWRITE, &old, why) &&
	    sqlite3_prepare_v2(old, "SELECT name, seq FROM sqlite_sequence", -1, &from, NULL) ==
		    SQLITE_OK &&
	    sqlite3_prepare_v2(db, "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
			       -1, &to, NULL) == SQLITE_OK)
		while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
			(void)sqlite3_bind_value(to, 1, sqlite3_column_value(from, 0));
			(void)sqlite3_bind_int64(to, 2, sqlite3_column_int64(from, 1));
			if (sqlite3_step(to) != SQLITE_DONE || sqlite3_reset(to) != SQLITE_OK)
				break;
		}
	(void)sqlite3_finalize(from);
	(void)sqlite3_finalize(to);
	(void)sqlite3_close(old);
	return rc == SQLITE_DONE;
}

bool
file_raise_ids(const char *path, const char *than, char why[STORE_WHY_MAX])
{
	sqlite3 *db;
	bool done = db_open(path, SQLITE_OPEN_READWRITE, &db, why);

	if (done && faccessat(AT_FDCWD, than, F_OK, AT_EACCESS) == 0 &&
	    (!begin_ids(db) ||
	     (!raise_to(db, than) &&
	      !connection_run(db, "UPDATE sqlite_sequence SET seq = seq + 1000000"))))
		done = db_failed("cannot change", path, db, why);
	(void)sqlite3_close(db);
	return done;
}

enum store_rc
file_checkpoint(const char *path, char why[STORE_WHY_MAX])
{
	sqlite3 *db;
	int rc = SQLITE_CANTOPEN;

	/* Leave WAL mode, which requires that no one else has it open. */
	if (db_open(path, SQLITE_OPEN_READWRITE, &db, why)) {
		rc = sqlite3_exec(db,
				  "PRAGMA journal_mode = DELETE; SELECT count(*) FROM key_check",
				  NULL, NULL, NULL);
		(void)db_failed("cannot bring its write-ahead log into", path, db, why);
	}
	(void)sqlite3_close(db);
	switch (rc & 0xff) {
	case SQLITE_OK:
		return STORE_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return STORE_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* its tables are missing */
		return STORE_NONE;
	default:
		return STORE_FAILED;
	}
}

bool
file_revived(const char *path, const char *than,
	     void (*tell)(void *arg, const char *what, int64_t id), void *arg)
{
	sqlite3_stmt *stmt = NULL;
	char why[STORE_WHY_MAX];
	sqlite3 *db;
	bool done = db_open(path, SQLITE_OPEN_READWRITE, &db, why) &&
		    db_has_harmless_journal(than, why);
	int rc = SQLITE_ERROR;

	done = done && sqlite3_prepare_v2(db, "ATTACH ?1 AS old", -1, &stmt, NULL) == SQLITE_OK &&
	       sqlite3_bind_text(stmt, 1, than, -1, SQLITE_STATIC) == SQLITE_OK &&
	       sqlite3_step(stmt) == SQLITE_DONE;
	(void)sqlite3_finalize(stmt);
	stmt = NULL;
	if (done &&
	    sqlite3_prepare_v2(db,
			       "SELECT kind, id FROM main.credential n WHERE state = 'active' "
			       "AND NOT EXISTS (SELECT 1 FROM old.credential o WHERE o.id = "
			       "n.id AND o.uuid = n.uuid AND o.state = 'active') ORDER BY id",
			       -1, &stmt, NULL) == SQLITE_OK)
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
			tell(arg, (const char *)sqlite3_column_text(stmt, 0),
			     sqlite3_column_int64(stmt, 1));
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return rc == SQLITE_DONE;
}

bool
file_has_wal(const char *path)
{
	char why[STORE_WHY_MAX], mode[16] = "";
	sqlite3 *db;
	bool read = db_open(path, SQLITE_OPEN_READWRITE, &db, why) &&
		    connection_ask_text(db, "PRAGMA journal_mode", mode, sizeof(mode));

	(void)sqlite3_close(db);
	return read && strcmp(mode, "wal") == 0;
}
