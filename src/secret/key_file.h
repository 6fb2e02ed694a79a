/* key_file: reads, creates and changes the key file. */
#ifndef REGCRED_SECRET_KEY_FILE_H
#define REGCRED_SECRET_KEY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "secret/keyring.h"

/* Creates a key file of mode 0400 with new keys, flushed to disk; false with a sentence in why,
 * and errno, which is EEXIST if the file exists. */
bool keyring_create(const char *path, char why[SECRET_WHY_MAX]) __attribute__((warn_unused_result));

/* Whether the file can be replaced where it is; else a sentence in why. */
bool keyring_is_changeable(const char *path, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

/* Change the file: it is replaced by a new one of mode 0400 and the same owner, flushed to disk.
 * Add a new key that seals nothing yet; make a key of the file seal; remove one that does not. The
 * caller sees to it that nobody else changes the file meanwhile. False with a sentence in why. */
bool keyring_add(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

bool keyring_set_primary(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

bool keyring_remove(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

#endif
