/* fault_vfs: a layer over SQLite's file system that fails on command, and a disk that forgets at a
 * power cut what was not synced.
 *
 * fault_vfs_register() makes it the default, so that the program under test is what ships. Disarmed
 * it passes everything on.  Shared memory and locks are no part of the disk: a power cut ends them.
 */
#ifndef REGCRED_TESTS_FAULT_VFS_H
#define REGCRED_TESTS_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
	FAULT_OPEN,
	FAULT_READ,
	FAULT_WRITE,	  /* as an I/O error */
	FAULT_WRITE_FULL, /* as a full disk */
	FAULT_SYNC,
	FAULT_TRUNCATE,
	FAULT_SIZE,
	FAULT_LOCK,
	FAULT_SHM_MAP,
	FAULT_SHM_LOCK,
	FAULT_DELETE,
	FAULT_ACCESS,
	FAULT__COUNT
};
const char *fault_name(enum fault_kind kind);

/* Once in a program, before any database is opened. */
bool fault_vfs_register(void);

/* The at-th operation of that kind from now on fails (1: the next one), and every later one of the
 * kind if `lasting`.  One fault at a time. */
void fault_arm(enum fault_kind kind, unsigned at, bool lasting);
/* No more; how many operations have failed. */
unsigned fault_disarm(void);

/* From now on the disk keeps apart what is not synced, for every file that is opened; the at-th
 * change of a file (write, truncate, sync, delete) is the power cut: it and everything after it
 * fails.  deaf: a disk that says that it has synced and has not. */
void power_on(unsigned at, bool deaf);
bool power_is_cut(void);
/* After everything was closed: the files become what the disk held.  What was written since the
 * last sync of its file is there, is not there, or is there in part, sector by sector, in any
 * order; so are truncations, new files and deleted ones.  The same seed gives the same choice. */
void power_off(uint64_t seed);

/* Good enough for choices, and the same everywhere: the next number of a sequence. */
uint64_t fault_random(uint64_t *state);

#endif
