/* random: ids, keys and tokens by chance. */
#ifndef REGCRED_SECRET_RANDOM_H
#define REGCRED_SECRET_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "secret/keyring.h"

/* A UUID of version 4, as clients know it.  That of a row begins with the time, in milliseconds,
 * and so stands at the end of an index, where random ones cost each row a page of its own; 74 bits
 * of it are random. */
void secret_uuid(char out[SECRET_UUID_SIZE]);

void secret_row_uuid(int64_t now_ms, char out[SECRET_UUID_SIZE]);

void secret_access_key(char out[SECRET_ACCESS_KEY_SIZE]);

void secret_key(char out[SECRET_KEY_SIZE]);

void secret_csrf_token(char out[SECRET_CSRF_SIZE]);

/* Whether two texts are equal, in a time that depends on their lengths alone. */
bool secret_equal(const char *a, const char *b);

#endif
