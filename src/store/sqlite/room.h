/* room: the room on the disk. */
#ifndef REGCRED_STORE_SQLITE_ROOM_H
#define REGCRED_STORE_SQLITE_ROOM_H

#include <stdbool.h>

#include "store/sqlite/sqlite.h"

/* The disk is full: gives back what was kept for that, and what the write-ahead log holds.  False
 * if another try makes no sense. */
bool make_room(struct store *s);

#endif
