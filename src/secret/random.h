/* random: random ids, keys and tokens. */
#ifndef REGCRED_SECRET_RANDOM_H
#define REGCRED_SECRET_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "secret/keyring.h"

/* A UUID of version 4, as clients expect. The one for a row begins with the time in milliseconds,
 * so that it goes to the end of an index; with a fully random one each row would touch another
 * page. 74 bits of it are random. */
void secret_uuid(char out[SECRET_UUID_SIZE]);

void secret_row_uuid(int64_t now_ms, char out[SECRET_UUID_SIZE]);

void secret_access_key(char out[SECRET_ACCESS_KEY_SIZE]);

void secret_key(char out[SECRET_KEY_SIZE]);

void secret_csrf_token(char out[SECRET_CSRF_SIZE]);

/* Whether two texts are equal, in a time that depends only on their lengths. */
bool secret_equal(const char *a, const char *b);

#endif
