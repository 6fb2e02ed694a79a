/* check_audit: the audit log: hashes of rows, the chain, each kind of tampering, cutting, beginning
 * anew. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/seal.h"
#include "store/store.h"

#include "support/support.h"

enum { ROWS = 12, KEEP_MS = 1000 * 1000 };

static struct rig rig;
static struct arena *a;
static struct audit_report report;

static void
open_rig(void)
{
	rig_open(&rig);
	a = rig.arena;
	/* As the migration leaves it, and nothing was ever made. */
	rig_exec(&rig,
		 "DELETE FROM credential; DELETE FROM audit_log; DELETE FROM audit_segment; "
		 "INSERT INTO audit_segment (id, first_id, last_id, began, previous, last, mac) "
		 "VALUES (1, 1, 0, 0, zeroblob(32), zeroblob(32), x'')");
}

static void
close_rig(void)
{
	rig_close(&rig);
}

/* A row of the log, all of whose columns are set. */
static struct audit_entry
entry_at(int64_t now_ms)
{
	return (struct audit_entry){
		.who = {.account_id = 7,
			.key_id = 12,
			.proxy_user = "ann",
			.via = "key",
			.address = "192.0.2.1",
			.request_id = "r1",
			.answered = true},
		.event = "activate",
		.resource_type = "registry",
		.resource_id = "1sp3",
		.owner_id = 5,
		.response_code = 200,
		.attempts = 1,
		.access_key = "0123456789ABCDEF0123",
		.changes = "{\"name\":{\"old\":\"a\",\"new\":\"b\"}}",
		.at_ms = now_ms,
	};
}

struct appending {
	struct audit_entry entry;
	int count;
	bool fails; /* after all */
	unsigned fail_at;
	enum store_rc rc;
};

static enum err
append(struct store_tx *tx, void *arg)
{
	struct appending *p = arg;

	p->rc = STORE_OK;
	for (int i = 0; p->rc == STORE_OK && i < p->count; i++) {
		struct arena *own = arena_new(RIG_ARENA);

		arena_fail_at(own, p->fail_at);
		p->rc = audit_append(tx, own, rig.ring, &p->entry);
		arena_free(own);
	}
	return p->rc == STORE_OK && !p->fails ? ERR_NONE : ERR_INTERNAL;
}

static void
add_rows(int count, int64_t now_ms)
{
	struct appending p = {.entry = entry_at(now_ms), .count = count};

	ck_assert_int_eq(store_write(rig.store, append, &p), STORE_OK);
}

/* The first thing that is wrong; "" for nothing. */
static const char *
verify(const char *anchor)
{
	struct audit_check check = {.store = rig.store, .ring = rig.ring};

	if (anchor != NULL)
		ck_assert(audit_anchor_parse(anchor, &check.anchor));
	ck_assert_int_eq(audit_verify(&check, &report), STORE_OK);
	return report.problem;
}

static const char *
head(void)
{
	struct audit_anchor anchor;

	ck_assert_int_eq(audit_head(rig.store, rig.ring, &anchor), STORE_OK);
	return arena_printf(a, "%" PRId64 ":%s", anchor.id, anchor.hash);
}

static size_t
sweep(int64_t now_ms, int64_t keep_ms)
{
	size_t done;

	ck_assert_int_eq(audit_sweep(rig.store, rig.ring, now_ms, keep_ms, &done), STORE_OK);
	return done;
}

/* Twelve rows: four in each of three segments. */
static void
make_log(void)
{
	for (int i = 0; i < 3; i++) {
		int64_t then = RIG_NOW + i * (int64_t)AUDIT_SEGMENT_MS;

		if (i > 0)
			ck_assert_uint_eq(sweep(then, 0), 0);
		add_rows(ROWS / 3, then);
	}
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_str_eq(rig_sql(&rig, "SELECT group_concat(first_id || '-' || last_id) FROM "
				       "audit_segment"),
			 "1-4,5-8,9-12");
}

/* Hashes */

static bool
row_hash(const struct record *row, unsigned char out[SECRET_MAC_SIZE])
{
	return audit_row_hash(rig.ring, a, row, out);
}

/* Every column but the hash is covered: another value, another type or null make another hash. */
START_TEST(a_hash_covers_every_column)
{
	const struct value others[] = {value_int(1),	 value_int(256),     value_text("1"),
				       value_text("12"), value_blob("1", 1), value_text("")};
	unsigned char plain[SECRET_MAC_SIZE], hash[SECRET_MAC_SIZE];
	struct record row = {.type = &types_table[T_AUDIT_LOG]};
	unsigned covered = 0;

	ck_assert(row_hash(&row, plain));
	for (unsigned c = 1; c < COL__COUNT; c++) {
		if ((family_audit_log.columns & COL_BIT(c)) == 0)
			continue;
		for (size_t i = 0; i < COUNT_OF(others); i++) {
			row.columns[c] = others[i];
			ck_assert(row_hash(&row, hash));
			ck_assert_msg((memcmp(hash, plain, sizeof(hash)) == 0) == (c == COL_HASH),
				      "%s", column_name(&family_audit_log, (enum column)c));
		}
		row.columns[c] = value_null();
		covered++;
	}
	ck_assert_uint_ge(covered, 18);
}
END_TEST

/* What ends one column cannot begin the next. */
START_TEST(no_two_rows_have_one_form)
{
	unsigned char one[SECRET_MAC_SIZE], two[SECRET_MAC_SIZE];
	struct record row = {.type = &types_table[T_AUDIT_LOG]};

	row.columns[COL_EVENT_TYPE] = value_text("ab");
	row.columns[COL_RESOURCE_TYPE] = value_text("c");
	ck_assert(row_hash(&row, one));
	row.columns[COL_EVENT_TYPE] = value_text("a");
	row.columns[COL_RESOURCE_TYPE] = value_text("bc");
	ck_assert(row_hash(&row, two));
	ck_assert_mem_ne(one, two, sizeof(one));
	row.columns[COL_EVENT_TYPE] = value_text("bc");
	row.columns[COL_RESOURCE_TYPE] = value_text("a");
	ck_assert(row_hash(&row, one));
	ck_assert_mem_ne(one, two, sizeof(one));
}
END_TEST

/* A text that somebody may have hashed and stored, as the secret of a password, makes no key. */
START_TEST(no_stored_hash_is_the_key_of_the_log)
{
	unsigned char mac[SECRET_MAC_SIZE], again[SECRET_MAC_SIZE], other[SECRET_MAC_SIZE];
	struct value hash;

	secret_mac(rig.ring, "audit row 1", "x", 1, mac);
	secret_mac(rig.ring, "audit row 1", "x", 1, again);
	secret_mac(rig.ring, "audit segment 1", "x", 1, other);
	ck_assert_mem_eq(mac, again, sizeof(mac));
	ck_assert_mem_ne(mac, other, sizeof(mac));
	const struct seal_place place = {"credential", "u", "secretValue", 1, NULL};
	ck_assert(secret_hash(rig.ring, a, &place, "audit row 1", &hash));
	ck_assert_uint_eq(hash.len, 1 + sizeof(mac));
	secret_mac(rig.ring, "", "audit row 1", strlen("audit row 1"), mac);
	ck_assert_mem_ne(mac, hash.text + 1, sizeof(mac));
}
END_TEST

/* clang-format off */
static const struct { const char *text; bool valid; } anchors[] = {
	{ "1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true },
	{ "123456789012345:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true },
	{ "0:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", false },
	{ "1234567890123456:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", false },
	{ "1:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", false },
	{ "1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", false },
	{ "1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", false },
	{ "-1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", false },
	{ "1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", false },
	{ "1:", false }, { ":", false }, { "", false },
};
/* clang-format on */

START_TEST(an_anchor_is_a_number_and_a_hash)
{
	struct audit_anchor anchor;

	ck_assert_int_eq(audit_anchor_parse(anchors[_i].text, &anchor), anchors[_i].valid);
}
END_TEST

/* The chain */

START_TEST(an_empty_log_is_right)
{
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_int_eq(report.since_ms, 0);
	ck_assert_int_eq(report.rows, 0);
	ck_assert_str_eq(arena_copy(a, head(), 2), "0:");
	ck_assert_uint_eq(sweep(RIG_NOW, KEEP_MS), 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM audit_segment"), "1");
}
END_TEST

START_TEST(a_row_holds_what_it_was_given)
{
	add_rows(2, RIG_NOW);
	ck_assert_str_eq(
		rig_sql(&rig,
			"SELECT created || '|' || account_id || '|' || actor_id || '|' || key_id "
			"|| "
			"'|' || proxy_user || '|' || auth_type || '|' || client_ip || '|' || "
			"request_id || '|' || event_type || '|' || resource_type || '|' || "
			"resource_id || '|' || response_code || '|' || changes || '|' || attempts "
			"|| '|' || public_value FROM audit_log WHERE id = 2"),
		"1714979289000|5|7|12|ann|key|192.0.2.1|r1|activate|registry|1sp3|200|{\"name\":{"
		"\"old\":\"a\",\"new\":\"b\"}}|1|0123456789ABCDEF0123");
	ck_assert_str_eq(rig_sql(&rig,
				 "SELECT count(*) FROM audit_log a JOIN audit_log b ON b.id = "
				 "a.id + 1 WHERE b.previous_hash = a.hash"),
			 "1");
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_int_eq(report.rows, 2);
	ck_assert_int_eq(report.since_ms, RIG_NOW);
}
END_TEST

/* What is not known is null, and a row without anything but an event is one too. */
START_TEST(a_bare_row_is_a_row)
{
	struct appending p = {.entry = {.who.via = "none", .event = "x", .at_ms = RIG_NOW},
			      .count = 1};

	ck_assert_int_eq(store_write(rig.store, append, &p), STORE_OK);
	ck_assert_str_eq(rig_sql(&rig, "SELECT auth_type || attempts || ifnull(account_id || "
				       "changes || client_ip, '-') FROM audit_log"),
			 "none1-");
	ck_assert_str_eq(verify(NULL), "");
}
END_TEST

/* A body that is rolled back takes its rows and its links of the chain with it. */
START_TEST(a_failed_body_leaves_no_row)
{
	struct appending p = {.entry = entry_at(RIG_NOW), .count = 3, .fails = true};

	add_rows(1, RIG_NOW);
	const char *before = rig_dump(&rig);
	ck_assert_int_eq(store_write(rig.store, append, &p), STORE_ABORTED);
	ck_assert_str_eq(rig_dump(&rig), before);
	add_rows(1, RIG_NOW);
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_int_eq(report.last_id, 2);
}
END_TEST

START_TEST(without_memory_nothing_is_appended)
{
	struct appending p = {.entry = entry_at(RIG_NOW), .count = 1, .fail_at = 1};
	const char *before = rig_dump(&rig);

	while (store_write(rig.store, append, &p) != STORE_OK) {
		ck_assert_int_eq(p.rc, STORE_NO_MEMORY);
		ck_assert_str_eq(rig_dump(&rig), before);
		ck_assert_uint_lt(p.fail_at++, 100);
	}
	ck_assert_uint_gt(p.fail_at, 3);
	ck_assert_str_eq(verify(NULL), "");
}
END_TEST

/* Tampering */

#define ROW                                                                                        \
	"created, account_id, actor_id, key_id, proxy_user, auth_type, client_ip, request_id, "    \
	"event_type, resource_type, "                                                              \
	"resource_id, response_code, changes, attempts, public_value, previous_hash, hash"
#define COPY(id, to)                                                                               \
	"INSERT INTO audit_log (id, " ROW ") SELECT " to ", " ROW " FROM audit_log WHERE id = " id \
	";"
#define SHIFT(from, by)                                                                            \
	"UPDATE audit_log SET id = -id WHERE id >= " from "; UPDATE audit_log SET id = -id + " by  \
	" WHERE id < 0;"

/* What somebody did who can write to the database and has no key; what is said of it. */
/* clang-format off */
static const struct { const char *sql, *says; } tampering[] = {
	{ "UPDATE audit_log SET created = created + 1 WHERE id = 6",           "row 6 is altered" },
	{ "UPDATE audit_log SET account_id = 6 WHERE id = 6",                  "row 6 is altered" },
	{ "UPDATE audit_log SET account_id = NULL WHERE id = 6",               "row 6 is altered" },
	{ "UPDATE audit_log SET actor_id = 8 WHERE id = 6",                    "row 6 is altered" },
	{ "UPDATE audit_log SET key_id = 13 WHERE id = 6",                     "row 6 is altered" },
	{ "UPDATE audit_log SET proxy_user = 'bob' WHERE id = 6",              "row 6 is altered" },
	{ "UPDATE audit_log SET proxy_user = 'ann' || char(0) WHERE id = 6",   "row 6 is altered" },
	{ "UPDATE audit_log SET auth_type = 'proxy' WHERE id = 6",             "row 6 is altered" },
	{ "UPDATE audit_log SET client_ip = '192.0.2.2' WHERE id = 6",         "row 6 is altered" },
	{ "UPDATE audit_log SET request_id = 'r2' WHERE id = 6",               "row 6 is altered" },
	{ "UPDATE audit_log SET event_type = 'create' WHERE id = 6",           "row 6 is altered" },
	{ "UPDATE audit_log SET resource_type = 'apiKey' WHERE id = 6",        "row 6 is altered" },
	{ "UPDATE audit_log SET resource_id = '1sp4' WHERE id = 6",            "row 6 is altered" },
	{ "UPDATE audit_log SET response_code = 201 WHERE id = 6",             "row 6 is altered" },
	{ "UPDATE audit_log SET changes = '{}' WHERE id = 6",                  "row 6 is altered" },
	{ "UPDATE audit_log SET attempts = 2 WHERE id = 6",                    "row 6 is altered" },
	{ "UPDATE audit_log SET public_value = NULL WHERE id = 6",             "row 6 is altered" },
	{ "UPDATE audit_log SET previous_hash = zeroblob(32) WHERE id = 6",    "row 6 is altered" },
	{ "UPDATE audit_log SET hash = zeroblob(32) WHERE id = 6",             "row 6 is altered" },
	{ "UPDATE audit_log SET hash = x'00' WHERE id = 6",                    "row 6 is altered" },
	{ "UPDATE audit_log SET event_type = 'x' WHERE id = 1",                "row 1 is altered" },
	{ "UPDATE audit_log SET event_type = 'x' WHERE id = 12",               "row 12 is altered" },
	{ "UPDATE audit_log SET event_type = 'x'",                             "row 1 is altered" },

	{ "DELETE FROM audit_log WHERE id = 1",                                "row 1 is missing" },
	{ "DELETE FROM audit_log WHERE id = 6",                                "row 6 is missing" },
	{ "DELETE FROM audit_log WHERE id IN (6, 7)",                          "rows 6 to 7 are missing" },
	{ "DELETE FROM audit_log WHERE id BETWEEN 5 AND 8",                    "rows 5 to 8 are missing" },
	{ "DELETE FROM audit_log WHERE id = 12",                               "the end is cut off: rows 12 to 12 are missing" },
	{ "DELETE FROM audit_log WHERE id > 4",                                "the end is cut off: rows 5 to 12 are missing" },
	{ "DELETE FROM audit_log",                                             "the end is cut off: rows 1 to 12 are missing" },
	{ "DELETE FROM audit_log WHERE id = 6;" SHIFT("7", "-1"),              "row 6: order: it was written as row 7" },

	{ "UPDATE audit_log SET id = 0 WHERE id = 6; UPDATE audit_log SET id = 6 WHERE id = 7; UPDATE audit_log SET id = 7 WHERE id = 0",
	                                                                       "row 6: order: it was written as row 7" },
	{ "UPDATE audit_log SET id = 0 WHERE id = 2; UPDATE audit_log SET id = 2 WHERE id = 11; UPDATE audit_log SET id = 11 WHERE id = 0",
	                                                                       "row 2: order: it was written as row 11" },

	{ COPY("12", "13"),                                                    "row 13 was inserted after the end" },
	{ COPY("12", "1000"),                                                  "row 1000 was inserted after the end" },
	{ COPY("1", "0"),                                                      "row 0 was inserted before the first" },
	{ COPY("1", "-5"),                                                     "row -5 was inserted before the first" },
	{ SHIFT("6", "1") COPY("5", "6") "UPDATE audit_log SET event_type = 'x' WHERE id = 6", "row 6 was inserted" },
	{ "DELETE FROM audit_log WHERE id = 6;" COPY("5", "6"),                "row 6: order: it was written as row 5" },

	{ "DELETE FROM audit_segment",                                         "there is no head: all segments of the log are gone" },
	{ "DELETE FROM audit_segment; DELETE FROM audit_log",                  "there is no head: all segments of the log are gone" },
	{ "DELETE FROM audit_segment WHERE id = 3",                            "there is no head: the segments after 2 are gone" },
	{ "DELETE FROM audit_segment WHERE id = 3; DELETE FROM audit_log WHERE id > 8", "there is no head: the segments after 2 are gone" },
	{ "DELETE FROM audit_segment WHERE id = 2",                            "segment 2 is missing" },
	{ "DELETE FROM audit_segment WHERE id = 1",                            "segment 1 is missing" },
	{ "DELETE FROM audit_segment WHERE id < 3; DELETE FROM audit_log WHERE id < 9", "segment 2 is missing" },
	{ "UPDATE audit_segment SET last_id = 11 WHERE id = 3; DELETE FROM audit_log WHERE id = 12", "segment 3 is altered" },
	{ "UPDATE audit_segment SET first_id = 10 WHERE id = 3",               "segment 3 is altered" },
	{ "UPDATE audit_segment SET began = began + 1 WHERE id = 2",           "segment 2 is altered" },
	{ "UPDATE audit_segment SET closed = NULL WHERE id = 2",               "segment 2 is altered" },
	{ "UPDATE audit_segment SET cut = 1 WHERE id = 2",                     "segment 2 is altered" },
	{ "UPDATE audit_segment SET reason = 'mine' WHERE id = 3",             "segment 3 is altered" },
	{ "UPDATE audit_segment SET previous = zeroblob(32) WHERE id = 3",     "segment 3 is altered" },
	{ "UPDATE audit_segment SET last = zeroblob(32) WHERE id = 3",         "segment 3 is altered" },
	{ "UPDATE audit_segment SET mac = x'' WHERE id = 3",                   "segment 3 is altered" },
	{ "UPDATE audit_segment SET id = 4 WHERE id = 3",                      "segment 4 is altered" },
	/* As the migration left it: the rows are still there. */
	{ "DELETE FROM audit_segment; INSERT INTO audit_segment (id, first_id, last_id, began, previous, last, mac) "
	  "VALUES (1, 1, 0, 0, zeroblob(32), zeroblob(32), x'')",              "row 1 was inserted after the end" },
	/* A log that was never used, beside what was made. */
	{ "INSERT INTO storage_pool (uuid, kind, account_id, state) VALUES ('u', 'registry', 5, 'active'); DELETE FROM audit_log; DELETE FROM audit_segment; INSERT INTO audit_segment (id, first_id, last_id, began, previous, last, mac) "
	  "VALUES (1, 1, 0, 0, zeroblob(32), zeroblob(32), x'')",              "segment 1 is altered" },
};
/* clang-format on */

START_TEST(tampering_is_found_and_named)
{
	make_log();
	rig_exec(&rig, tampering[_i].sql);
	ck_assert_msg(strcmp(verify(NULL), tampering[_i].says) == 0, "%s: %s", tampering[_i].sql,
		      report.problem);
}
END_TEST

/* An end that was put back as it was, rows and head, is right in itself: only a hash that was noted
 * elsewhere shows it. */
START_TEST(an_old_copy_is_found_by_an_anchor)
{
	make_log();
	const char *early = head();
	rig_exec(&rig, "CREATE TABLE copy AS SELECT * FROM audit_segment");
	add_rows(1, RIG_NOW);
	const char *late = head();
	ck_assert_str_eq(verify(early), "");
	ck_assert_str_eq(verify(late), "");
	rig_exec(&rig,
		 "DELETE FROM audit_log WHERE id = 13; DELETE FROM audit_segment; INSERT INTO "
		 "audit_segment SELECT * FROM copy");
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_str_eq(verify(early), "");
	ck_assert_str_eq(verify(late),
			 "the end is cut off: row 13, whose hash was noted, is missing");
	add_rows(1, RIG_NOW + 1);
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_str_eq(verify(late), "row 13 is not the one whose hash was noted");
}
END_TEST

enum { DAMAGE_OF_A_ROW = 5 }; /* the head itself is right */
/* What stands in the way of the next row; everything that has to be recorded fails then. */
static const char *const damages[] = {
	"DELETE FROM audit_segment",
	"DELETE FROM audit_segment WHERE id = 3",
	"UPDATE audit_segment SET last_id = 11 WHERE id = 3",
	"UPDATE audit_segment SET mac = zeroblob(32) WHERE id = 3",
	"UPDATE audit_segment SET last = zeroblob(32) WHERE id = 3",
	[DAMAGE_OF_A_ROW] = COPY("12", "13"),
	("INSERT INTO audit_segment SELECT 9223372036854775807, first_id, last_id, began, closed, "
	 "cut, reason, previous, last, mac FROM audit_segment WHERE id = 3"),
};

START_TEST(behind_a_damaged_head_nothing_is_written_until_it_is_begun_anew)
{
	const struct actor who = {.account_id = 1, .via = "command"};
	struct appending p = {.entry = entry_at(RIG_NOW), .count = 1};
	size_t done;

	make_log();
	rig_exec(&rig, damages[_i]);
	const char *before = rig_dump(&rig);
	ck_assert_int_eq(store_write(rig.store, append, &p), STORE_ABORTED);
	ck_assert_int_eq(p.rc, STORE_FAILED);
	ck_assert_str_eq(rig_dump(&rig), before);
	ck_assert_int_eq(audit_sweep(rig.store, rig.ring, RIG_NOW, 0, &done),
			 _i == DAMAGE_OF_A_ROW ? STORE_OK : STORE_FAILED);
	ck_assert_str_eq(rig_dump(&rig), before);
	ck_assert_str_ne(verify(NULL), "");

	ck_assert_int_eq(
		audit_restart(rig.store, rig.ring, &who, "the \"disk\" was bad", RIG_NOW + 5),
		STORE_OK);
	add_rows(3, RIG_NOW + 6);
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_str_eq(report.reason, "the \"disk\" was bad");
	ck_assert_int_eq(report.since_ms, RIG_NOW + 5);
	ck_assert_int_eq(report.rows, 4);
	ck_assert_str_eq(rig_sql(&rig, "SELECT changes FROM audit_log WHERE event_type = "
				       "'auditRestart'"),
			 "{\"reason\":\"the \\\"disk\\\" was bad\"}");
	ck_assert_ptr_nonnull(strstr(report.note, "are not proven"));
	rig_exec(&rig, "DELETE FROM audit_log WHERE event_type = 'auditRestart'");
	ck_assert_str_ne(verify(NULL), "");
}
END_TEST

/* Cutting */

START_TEST(a_long_or_old_segment_is_followed_by_another)
{
	add_rows(2, RIG_NOW);
	(void)sweep(RIG_NOW + AUDIT_SEGMENT_MS - 1, 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM audit_segment"), "1");
	(void)sweep(RIG_NOW + AUDIT_SEGMENT_MS, 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM audit_segment"), "2");
	/* One without a row gets no follower. */
	(void)sweep(RIG_NOW + 3 * (int64_t)AUDIT_SEGMENT_MS, 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM audit_segment"), "2");
	ck_assert_str_eq(verify(NULL), "");
	/* A short time to keep makes short segments. */
	add_rows(1, RIG_NOW + 4 * (int64_t)AUDIT_SEGMENT_MS);
	(void)sweep(RIG_NOW + 4 * (int64_t)AUDIT_SEGMENT_MS + KEEP_MS / 4, KEEP_MS);
	ck_assert_int_eq(atoi(rig_sql(&rig, "SELECT max(id) FROM audit_segment")), 3);
	ck_assert_str_eq(verify(NULL), "");
}
END_TEST

START_TEST(whole_segments_are_cut_off_and_the_rest_stays_provable)
{
	make_log();
	const char *end = head();
	int64_t third = RIG_NOW + 2 * (int64_t)AUDIT_SEGMENT_MS;

	ck_assert_uint_eq(sweep(third + KEEP_MS - 1, KEEP_MS), 4);
	ck_assert_str_eq(verify(end), "");
	ck_assert(report.cut);
	ck_assert_int_eq(report.first_id, 5);
	ck_assert_int_eq(report.since_ms, RIG_NOW + AUDIT_SEGMENT_MS);
	ck_assert_uint_eq(sweep(third + KEEP_MS, KEEP_MS), 4);
	ck_assert_str_eq(verify(end), "");
	ck_assert_int_eq(report.first_id, 9);
	ck_assert_int_eq(report.since_ms, third);
	/* Each cut is on record, and of what was cut the last segment alone stays. */
	ck_assert_str_eq(rig_sql(&rig, "SELECT group_concat(changes) FROM audit_log WHERE "
				       "event_type = 'auditCut'"),
			 "{\"lastRow\":4},{\"lastRow\":8}");
	ck_assert_str_eq(rig_sql(&rig, "SELECT group_concat(id) FROM audit_segment WHERE cut IS "
				       "NOT NULL"),
			 "2");
	/* A hash that was noted of the last row that is gone is still compared. */
	ck_assert_uint_eq(sweep(third + KEEP_MS, KEEP_MS), 0);
	ck_assert_str_eq(verify("3:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
				"ef"),
			 "");
	ck_assert_ptr_nonnull(strstr(report.note, "row 3"));
	ck_assert_str_eq(verify("8:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
				"ef"),
			 "row 8 is not the one whose hash was noted");
	/* Who cuts further without the key is found. */
	rig_exec(&rig, "DELETE FROM audit_log WHERE id = 9");
	ck_assert_str_eq(verify(NULL), "row 9 is missing");
}
END_TEST

/* Rows go in batches: in between, those that are left of what was cut are no strangers. */
START_TEST(a_cut_that_is_under_way_is_right)
{
	add_rows(AUDIT_CUT_ROWS * 2 + 10, RIG_NOW);
	(void)sweep(RIG_NOW + AUDIT_SEGMENT_MS, 0);
	add_rows(3, RIG_NOW + AUDIT_SEGMENT_MS);
	rig_exec(&rig, "CREATE TABLE copy AS SELECT * FROM audit_log WHERE id BETWEEN 900 AND 950");
	ck_assert_uint_eq(sweep(RIG_NOW + AUDIT_SEGMENT_MS + KEEP_MS, KEEP_MS),
			  AUDIT_CUT_ROWS * 2 + 10);
	rig_exec(&rig, "INSERT INTO audit_log SELECT * FROM copy");
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_uint_eq(sweep(RIG_NOW + AUDIT_SEGMENT_MS + KEEP_MS, KEEP_MS), 51);
	ck_assert_str_eq(verify(NULL), "");
}
END_TEST

START_TEST(for_ever_is_for_ever)
{
	make_log();
	ck_assert_uint_eq(sweep(RIG_NOW * 2, 0), 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM audit_log"), "12");
	ck_assert_str_eq(verify(NULL), "");
}
END_TEST

/* What lay before a new beginning goes too when it is old enough, proven or not. */
START_TEST(what_was_given_up_is_cut_off_as_well)
{
	const struct actor who = {.via = "command"};
	int64_t later = RIG_NOW + 3 * (int64_t)AUDIT_SEGMENT_MS;

	make_log();
	rig_exec(&rig, "UPDATE audit_segment SET mac = zeroblob(32)");
	ck_assert_int_eq(audit_restart(rig.store, rig.ring, &who, "why", later), STORE_OK);
	ck_assert_uint_eq(sweep(later + KEEP_MS, KEEP_MS), 12);
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_int_eq(report.first_id, 13);
	ck_assert_str_eq(report.note, "");
	ck_assert_str_eq(rig_sql(&rig, "SELECT min(id) FROM audit_segment"), "4");
}
END_TEST

/* Reading: newest first, for those whose rows they are. */

START_TEST(a_log_of_many_pages_is_walked_whole)
{
	add_rows(1203, RIG_NOW);
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_int_eq(report.rows, 1203);
	rig_exec(&rig, "UPDATE audit_log SET attempts = 9 WHERE id = 1001");
	ck_assert_str_eq(verify(NULL), "row 1001 is altered");
	ck_assert_int_eq(report.rows, 1000);
}
END_TEST

static bool
always(void)
{
	return true;
}

START_TEST(a_walk_can_be_stopped)
{
	const struct audit_check check = {.store = rig.store, .ring = rig.ring, .stopped = always};

	add_rows(3, RIG_NOW);
	ck_assert_int_eq(audit_verify(&check, &report), STORE_ABORTED);
	ck_assert_str_eq(verify(NULL), "");
}
END_TEST

/* Equal changes */

static const char *
last_rows(void)
{
	return rig_sql(&rig, "SELECT group_concat(id || ':' || attempts, ' ') FROM (SELECT id, "
			     "attempts FROM audit_log ORDER BY id)");
}

static void
add_entry(const struct audit_entry *entry, unsigned fail_at, enum store_rc rc)
{
	struct appending p = {.entry = *entry, .count = 1, .fail_at = fail_at};

	ck_assert_int_eq(store_write(rig.store, append, &p),
			 rc == STORE_OK ? STORE_OK : STORE_ABORTED);
	ck_assert_int_eq(p.rc, rc);
}

START_TEST(equal_changes_within_a_minute_are_one_row_with_a_count)
{
	struct audit_entry entry = entry_at(RIG_NOW);
	struct audit_anchor head;

	add_rows(1, RIG_NOW);
	entry.event = "update";
	for (int i = 0; i < 5; i++) {
		entry.at_ms = RIG_NOW + i * 1000;
		entry.who.request_id = i % 2 == 0 ? "r2" : "r3";
		if (i == 3) /* once more what was done already */
			entry.changes = "{}";
		add_entry(&entry, 0, STORE_OK);
	}
	ck_assert_str_eq(last_rows(), "1:1 2:5");
	ck_assert_str_eq(verify(NULL), "");
	/* Without memory nothing is half done. */
	for (unsigned n = 1;; n++) {
		struct appending p = {.entry = entry, .count = 1, .fail_at = n};

		if (store_write(rig.store, append, &p) == STORE_OK)
			break;
		ck_assert_int_eq(p.rc, STORE_NO_MEMORY);
		ck_assert_str_eq(last_rows(), "1:1 2:5");
		ck_assert_str_eq(verify(NULL), "");
	}
	ck_assert_str_eq(last_rows(), "1:1 2:6");
	entry.at_ms = RIG_NOW + AUDIT_COUNT_MS;
	add_entry(&entry, 0, STORE_OK);
	ck_assert_str_eq(last_rows(), "1:1 2:6 3:1");
	ck_assert_str_eq(verify(NULL), "");
	ck_assert_int_eq(audit_head(rig.store, rig.ring, &head), STORE_OK);
	ck_assert_int_eq(head.id, 3);
}
END_TEST

/* What makes a change another one. */
static const struct {
	const char *what;
	struct audit_entry entry;
} others[] = {
	{"account", {.who.account_id = 8}},
	{"key", {.who.key_id = 13}},
	{"user", {.who.proxy_user = "eve"}},
	{"address", {.who.address = "192.0.2.2"}},
	{"event", {.event = "activate"}},
	{"type", {.resource_type = "account"}},
	{"row", {.resource_id = "1sp4"}},
	{"owner", {.owner_id = 6}},
	{"change", {.changes = "{\"name\":{\"old\":\"b\",\"new\":\"a\"}}"}},
	{"time", {.at_ms = RIG_NOW - 1}},
};

START_TEST(a_change_by_another_key_or_to_another_row_has_its_own_row)
{
	const struct audit_entry *other = &others[_i].entry;
	struct audit_entry entry = entry_at(RIG_NOW);

	entry.event = "update";
	add_entry(&entry, 0, STORE_OK);
#define OTHER(member) (other->member != 0 ? other->member : entry.member)
	entry.who.account_id = OTHER(who.account_id);
	entry.who.key_id = OTHER(who.key_id);
	entry.owner_id = OTHER(owner_id);
	entry.at_ms = OTHER(at_ms);
#undef OTHER
#define OTHER(member) (other->member != NULL ? other->member : entry.member)
	entry.who.proxy_user = OTHER(who.proxy_user);
	entry.who.address = OTHER(who.address);
	entry.event = OTHER(event);
	entry.resource_type = OTHER(resource_type);
	entry.resource_id = OTHER(resource_id);
	entry.changes = OTHER(changes);
#undef OTHER
	add_entry(&entry, 0, STORE_OK);
	ck_assert_str_eq(last_rows(), "1:1 2:1");
	ck_assert_str_eq(verify(NULL), "");
}
END_TEST

START_TEST(a_row_in_which_more_may_be_counted_is_no_anchor_yet)
{
	struct audit_entry entry = entry_at(clock_wall_ms());
	struct audit_anchor head;

	add_rows(1, entry.at_ms);
	entry.event = "update";
	add_entry(&entry, 0, STORE_OK);
	ck_assert_int_eq(audit_head(rig.store, rig.ring, &head), STORE_OK);
	ck_assert_int_eq(head.id, 1);
	add_entry(&entry, 0, STORE_OK);
	const char *line = arena_printf(rig.arena, "%lld:%s", (long long)head.id, head.hash);
	ck_assert_str_eq(verify(line), "");
	ck_assert_str_eq(last_rows(), "1:1 2:2");
}
END_TEST

START_TEST(a_row_that_was_altered_is_not_counted_in)
{
	struct audit_entry entry = entry_at(RIG_NOW);

	entry.event = "update";
	add_entry(&entry, 0, STORE_OK);
	rig_exec(&rig, "UPDATE audit_log SET hash = zeroblob(32)");
	add_entry(&entry, 0, STORE_OK);
	ck_assert_str_eq(last_rows(), "1:1 2:1");
	ck_assert_str_ne(verify(NULL), "");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("audit");
	TCase *tc = tcase_create("audit");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, open_rig, close_rig);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_hash_covers_every_column);
	tcase_add_test(tc, no_two_rows_have_one_form);
	tcase_add_test(tc, no_stored_hash_is_the_key_of_the_log);
	tcase_add_loop_test(tc, an_anchor_is_a_number_and_a_hash, 0, COUNT_OF(anchors));
	tcase_add_test(tc, an_empty_log_is_right);
	tcase_add_test(tc, a_row_holds_what_it_was_given);
	tcase_add_test(tc, a_bare_row_is_a_row);
	tcase_add_test(tc, a_failed_body_leaves_no_row);
	tcase_add_test(tc, without_memory_nothing_is_appended);
	tcase_add_loop_test(tc, tampering_is_found_and_named, 0, COUNT_OF(tampering));
	tcase_add_test(tc, an_old_copy_is_found_by_an_anchor);
	tcase_add_loop_test(tc, behind_a_damaged_head_nothing_is_written_until_it_is_begun_anew, 0,
			    COUNT_OF(damages));
	tcase_add_test(tc, a_long_or_old_segment_is_followed_by_another);
	tcase_add_test(tc, whole_segments_are_cut_off_and_the_rest_stays_provable);
	tcase_add_test(tc, a_cut_that_is_under_way_is_right);
	tcase_add_test(tc, for_ever_is_for_ever);
	tcase_add_test(tc, what_was_given_up_is_cut_off_as_well);
	tcase_add_test(tc, a_log_of_many_pages_is_walked_whole);
	tcase_add_test(tc, a_walk_can_be_stopped);
	tcase_add_test(tc, equal_changes_within_a_minute_are_one_row_with_a_count);
	tcase_add_loop_test(tc, a_change_by_another_key_or_to_another_row_has_its_own_row, 0,
			    COUNT_OF(others));
	tcase_add_test(tc, a_row_in_which_more_may_be_counted_is_no_anchor_yet);
	tcase_add_test(tc, a_row_that_was_altered_is_not_counted_in);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
