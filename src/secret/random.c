/* random: random ids, keys and tokens. */
#include "secret/random.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "secret/keyring.h"

static void
random_hex_upper(char *out, size_t digits)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < digits; i++)
		out[i] = hex[randombytes_uniform(16)];
	out[digits] = '\0';
}

enum { UUID_BYTES = 16, UUID_TIME_BYTES = 6 };

static void
uuid_text(unsigned char b[UUID_BYTES], char out[SECRET_UUID_SIZE])
{
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* the variant of RFC 9562 */
	(void)snprintf(out, SECRET_UUID_SIZE,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		       b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		       b[13], b[14], b[15]);
}

void
secret_uuid(char out[SECRET_UUID_SIZE])
{
	unsigned char b[UUID_BYTES];

	randombytes_buf(b, sizeof(b));
	uuid_text(b, out);
}

void
secret_row_uuid(int64_t now_ms, char out[SECRET_UUID_SIZE])
{
	unsigned char b[UUID_BYTES];

	randombytes_buf(b, sizeof(b));
	for (unsigned i = 0; i < UUID_TIME_BYTES; i++)
		b[i] = (unsigned char)((uint64_t)now_ms >> 8 * (UUID_TIME_BYTES - 1 - i));
	uuid_text(b, out);
}

void
secret_access_key(char out[SECRET_ACCESS_KEY_SIZE])
{
	random_hex_upper(out, SECRET_ACCESS_KEY_SIZE - 1);
}

void
secret_csrf_token(char out[SECRET_CSRF_SIZE])
{
	random_hex_upper(out, SECRET_CSRF_SIZE - 1);
}

void
secret_key(char out[SECRET_KEY_SIZE])
{
	static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";

	for (size_t i = 0; i < SECRET_KEY_SIZE - 1; i++)
		out[i] = alphabet[randombytes_uniform(sizeof(alphabet) - 1)];
	out[SECRET_KEY_SIZE - 1] = '\0';
}

bool
secret_equal(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && sodium_memcmp(a, b, len) == 0;
}
