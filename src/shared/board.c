/* board: counters in memory shared by the processes of a pool. */
#include "shared/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/http.h"
#include "base/pulse.h"

static const uint64_t magic = UINT64_C(0x7265676372656462); /* "regcredb" */

enum { NAME_MAX_BYTES = 4096 };

const int64_t board_us_bounds[] = {500,	   1000,   2500,   5000,    10000,   25000,   50000,
				   100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
const size_t board_us_count = sizeof(board_us_bounds) / sizeof(*board_us_bounds);
const int64_t board_piece_bounds[] = {1, 2, 4, 8, 16, 32, 64};
const size_t board_piece_count = sizeof(board_piece_bounds) / sizeof(*board_piece_bounds);
_Static_assert(sizeof(board_us_bounds) / sizeof(*board_us_bounds) < BOARD_BOUNDS,
	       "room for the open end");
_Static_assert(sizeof(_Atomic int64_t) == sizeof(int64_t), "atomics are words, without locks");

/* What regcred answers: 2xx, and the statuses of err.def. */
static const int statuses[] = {200, 201, 202, 304, 400, 401, 403, 404, 405,
			       409, 412, 413, 422, 429, 500, 502, 503, 507};
enum { STATUS_COUNT = sizeof(statuses) / sizeof(*statuses) };
_Static_assert((int)STATUS_COUNT < (int)BOARD_STATUSES, "room for all others");

static struct board *board;
static struct board_slot *own_slot;

/* Maps a file with all its blocks allocated: writing to a block that does not fit on the disk would
 * raise SIGBUS. Descriptor -1: anonymous memory. */
static struct board *
board_map(int fd, bool writing)
{
	void *at = mmap(NULL, sizeof(struct board), writing ? PROT_READ | PROT_WRITE : PROT_READ,
			fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static struct board *
board_fill(struct board *b)
{
	if (b == NULL)
		return NULL;
	b->magic = magic;
	b->size = sizeof(*b);
	(void)snprintf(b->version, sizeof(b->version), "%s", REGCRED_VERSION);
	return b;
}

struct board *
board_new(const char *path)
{
	char name[NAME_MAX_BYTES];
	struct board *b = NULL;

	if (path == NULL)
		return board_fill(board_map(-1, true));
	if ((size_t)snprintf(name, sizeof(name), "%s.new", path) >= sizeof(name)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	/* Never in place: workers of a killed master may still use the old one. */
	(void)unlink(name);
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return NULL;
	int error = posix_fallocate(fd, 0, sizeof(*b));
	if (error == 0) {
		b = board_fill(board_map(fd, true));
		error = errno;
	}
	(void)close(fd);
	if (b != NULL && rename(name, path) == 0)
		return b;
	if (b != NULL) {
		error = errno;
		board_close(b);
	}
	(void)unlink(name);
	errno = error;
	return NULL;
}

struct board *
board_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct board *b = NULL;
	struct stat found;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &found) == 0 && found.st_size == (off_t)sizeof(*b))
		b = board_map(fd, false);
	(void)close(fd);
	if (b != NULL && (b->magic != magic || b->size != sizeof(*b))) {
		board_close(b);
		return NULL;
	}
	return b;
}

void
board_close(struct board *b)
{
	if (b != NULL)
		(void)munmap(b, sizeof(*b));
}

void
board_use(struct board *b)
{
	board = b;
	own_slot = NULL;
}

void
board_take_slot(size_t slot)
{
	own_slot = board == NULL || slot >= BOARD_SLOTS ? NULL : &board->slots[slot];
}

static void
board_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void
board_count(enum board_counter counter)
{
	if (board != NULL)
		board_add(&board->counters[counter], 1);
}

void
board_begin(void)
{
	pulse_begin();
	if (own_slot != NULL)
		own_slot->running++;
}

void
board_end(void)
{
	pulse_end();
	if (own_slot == NULL)
		return;
	own_slot->running--;
	board_add(&own_slot->requests, 1);
}

static void
observe(struct histogram *h, const int64_t *bounds, size_t count, int64_t value)
{
	size_t i = 0;

	while (i < count && value > bounds[i])
		i++;
	board_add(&h->buckets[i], 1);
	board_add(&h->sum, value > 0 ? (uint64_t)value : 0);
}

int
board_status(size_t column)
{
	return column < STATUS_COUNT ? statuses[column] : 0;
}

void
board_request(unsigned route, enum http_method method, int status, int64_t us)
{
	size_t column = 0;

	if (board == NULL || route >= BOARD_ROUTES || method >= HTTP__COUNT)
		return;
	while (column < STATUS_COUNT && statuses[column] != status)
		column++;
	board_add(&board->requests[route][method][column], 1);
	observe(&board->durations[route], board_us_bounds, board_us_count, us);
}

const char *const board_within_names[BOARD_WITHIN] = {"0s", "1h", "1d", "7d", "14d", "30d"};
const int64_t board_within_ms[BOARD_WITHIN] = {
	0,
	3600 * INT64_C(1000),
	24 * 3600 * INT64_C(1000),
	7 * 24 * 3600 * INT64_C(1000),
	14 * 24 * 3600 * INT64_C(1000),
	30 * 24 * 3600 * INT64_C(1000),
};

const char *const board_unused_names[BOARD_UNUSED] = {"30d", "90d"};
const int64_t board_unused_ms[BOARD_UNUSED] = {
	30 * 24 * 3600 * INT64_C(1000),
	90 * 24 * 3600 * INT64_C(1000),
};

bool
board_is_used(void)
{
	return board != NULL;
}

/* Number by number, each of which a reader sees whole. */
void
board_show_expiry(const struct board_expiry *found)
{
	const _Atomic int64_t *from = (const _Atomic int64_t *)found;

	for (size_t i = 0; board != NULL && i < sizeof(*found) / sizeof(*from); i++)
		((_Atomic int64_t *)&board->expiry)[i] = from[i];
}

void
board_renewal(unsigned source, unsigned result, int64_t us)
{
	if (board == NULL || source >= BOARD_SOURCES || result >= BOARD_RESULTS)
		return;
	board_add(&board->renewals[source][result], 1);
	observe(&board->renewal_durations[source], board_us_bounds, board_us_count, us);
}

void
board_count_labelled(enum board_labelled counter, unsigned label)
{
	if (board != NULL && label < BOARD_LABELS)
		board_add(&board->labelled[counter][label], 1);
}

void
board_write_wait(int64_t us)
{
	if (board != NULL)
		observe(&board->write_waits, board_us_bounds, board_us_count, us);
}

void
board_swept(int64_t now_ms, int64_t rows)
{
	if (board == NULL)
		return;
	atomic_store(&board->swept_rows, rows);
	atomic_store(&board->swept_ms, now_ms);
}

void
board_commit(size_t pieces)
{
	if (board == NULL)
		return;
	board_add(&board->counters[BOARD_COMMITS], 1);
	observe(&board->batches, board_piece_bounds, board_piece_count, (int64_t)pieces);
}
