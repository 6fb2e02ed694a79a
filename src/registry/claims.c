/* claims: the second part of a JSON web token. */
#include "registry/claims.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"

const struct json *
claims_read(struct arena *a, const char *token)
{
	const char *dot = strchr(token, '.');
	size_t len = dot != NULL ? strcspn(dot + 1, ".") : 0, got = 0;
	char *bytes = arena_alloc(a, len + 1);
	struct json *claims = NULL;
	struct error e = {0};

	if (bytes == NULL || len == 0 ||
	    sodium_base642bin((unsigned char *)bytes, len, dot + 1, len, NULL, &got, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
	    json_parse(a, bytes, got, &claims, &e) != ERR_NONE)
		return NULL;
	return claims;
}
