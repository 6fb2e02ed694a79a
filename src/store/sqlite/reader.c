/* reader: the connections that read. */
#include "store/sqlite/reader.h"

#include <pthread.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/schema.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/ready.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sql.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

struct connection *
reader_take(struct store *s)
{
	(void)pthread_mutex_lock(&s->read_mutex);
	while (s->free_readers == NULL)
		(void)pthread_cond_wait(&s->read_ready, &s->read_mutex);
	struct connection *c = s->free_readers;
	s->free_readers = c->next;
	(void)pthread_mutex_unlock(&s->read_mutex);
	connection_set_deadline(c);
	return c;
}

void
reader_give(struct store *s, struct connection *c)
{
	(void)pthread_mutex_lock(&s->read_mutex);
	c->next = s->free_readers;
	s->free_readers = c;
	(void)pthread_cond_signal(&s->read_ready);
	(void)pthread_mutex_unlock(&s->read_mutex);
}

enum store_rc
store_get(struct store *s, struct arena *a, const struct family *family, int64_t id,
	  const struct owners *owners, struct record *out)
{
	struct connection *c = reader_take(s);
	enum store_rc rc = STORE_FAILED;

	if (connection_ready(s, c, true))
		rc = row_get(c, a, family, id, owners, out);
	reader_give(s, c);
	return rc;
}

enum store_rc
store_list(struct store *s, struct arena *a, const struct list_query *q, struct record_list *out)
{
	struct connection *c = reader_take(s);
	enum store_rc rc = STORE_FAILED;

	if (connection_ready(s, c, true))
		rc = row_list(c, a, q, out);
	reader_give(s, c);
	return rc;
}

sqlite3_stmt *
reader_fixed(struct store *s, struct connection **c, const char *text, const struct value *binds,
	     size_t count, enum store_rc *rc)
{
	struct sql q;
	sqlite3_stmt *stmt = NULL;

	*c = reader_take(s);
	*rc = STORE_FAILED;
	sql_fixed(&q, text, binds, count);
	if (connection_ready(s, *c, true))
		stmt = connection_begin(*c, &q, rc);
	if (stmt == NULL)
		reader_give(s, *c);
	return stmt;
}

void
reader_done(struct store *s, struct connection *c, sqlite3_stmt *stmt)
{
	statement_release(stmt);
	reader_give(s, c);
}

enum store_rc
store_read(struct store *s, store_fn fn, void *arg)
{
	enum { LONG_S = 365 * 24 * 60 * 60 };
	struct connection *c = reader_take(s);
	struct store_tx tx = {.connection = c};
	enum store_rc rc = STORE_FAILED;

	if (connection_ready(s, c, true))
		rc = connection_exec(c, "BEGIN");
	if (rc == STORE_OK) {
		c->deadline.tv_sec += LONG_S;
		rc = fn(&tx, arg) == ERR_NONE ? STORE_OK : STORE_ABORTED;
		connection_roll_back(c);
	}
	reader_give(s, c);
	return rc;
}
