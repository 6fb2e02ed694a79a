/* key_file: the key file: read, made, changed. */
#ifndef REGCRED_SECRET_KEY_FILE_H
#define REGCRED_SECRET_KEY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "secret/keyring.h"

/* Makes a key file of mode 0400 with fresh keys, flushed to the disk; false with a sentence in why,
 * also if there is one. */
bool keyring_create(const char *path, char why[SECRET_WHY_MAX]) __attribute__((warn_unused_result));

/* The lock of whoever changes a key file, to be closed; -1 with a sentence in why: somebody else
 * has it, or the file cannot be replaced where it lies. */
int keyring_lock(const char *path, char why[SECRET_WHY_MAX]);

/* Change the file, under that lock: a new one of mode 0400 and the same owner takes its place, and
 * is on the disk.  Add a fresh key that seals nothing yet; let a key of the file seal; remove one
 * that does not.  False with a sentence in why. */
bool keyring_add(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

bool keyring_set_primary(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

bool keyring_remove(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

#endif
