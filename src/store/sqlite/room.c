/* room: the free space on the disk. */
#include <inttypes.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/log.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

bool
sqlite_is_low(struct store *base)
{
	struct sqlite_store *s = sqlite_of(base);
	int64_t now = clock_ms();

	if (s->min_free_bytes == 0)
		return false;
	if (now - atomic_load(&s->looked_ms) < LOOK_MS)
		return atomic_load(&s->low);
	atomic_store(&s->looked_ms, now);
	int64_t room = disk_free_bytes(s->path) - s->min_free_bytes;
	bool low = room < 0;
	atomic_store(&s->room, room);
	if (atomic_exchange(&s->low, low) == low)
		return low;
	if (low)
		log_error("the disk of %s has less than %" PRId64
			  " bytes left (min_free_bytes): nothing is created or updated until there "
			  "is more; deactivating and removing go on",
			  s->path, s->min_free_bytes);
	else
		log_info("the disk of %s has room again", s->path);
	return low;
}

int64_t
sqlite_free_room(struct store *base)
{
	struct sqlite_store *s = sqlite_of(base);

	if (s->min_free_bytes == 0)
		return INT64_MAX;
	(void)sqlite_is_low(base);
	return atomic_load(&s->room);
}

void
sqlite_use_room(struct store *base, int64_t min_free_bytes)
{
	sqlite_of(base)->min_free_bytes = min_free_bytes;
}
