/* claims: the parts of a JSON web token. */
#include "registry/claims.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"

const struct json *
claims_part(struct arena *a, const char *text, size_t len)
{
	size_t got = 0;
	char *bytes = arena_alloc(a, len + 1);
	struct json *claims = NULL;
	struct error e = {0};

	if (bytes == NULL || len == 0 ||
	    sodium_base642bin((unsigned char *)bytes, len, text, len, NULL, &got, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
	    json_parse(a, bytes, got, &claims, &e) != ERR_NONE)
		return NULL;
	return claims;
}

const struct json *
claims_read(struct arena *a, const char *token)
{
	const char *dot = strchr(token, '.');

	return dot != NULL ? claims_part(a, dot + 1, strcspn(dot + 1, ".")) : NULL;
}
