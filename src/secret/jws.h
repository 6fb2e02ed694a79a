/* jws: whether a web token was signed with a key: the only file that knows libjose.
 *
 * The caller has chosen the key, and takes only tokens whose header names the algorithm of that
 * key.
 */
#ifndef REGCRED_SECRET_JWS_H
#define REGCRED_SECRET_JWS_H

#include <stdbool.h>

/* A public key as in RFC 7518, 6.2 and 6.3. The numbers are in base64url; those that its kind does
 * not have are NULL. */
struct jws_key {
	const char *algorithm; /* "RS256": n and e; "ES256": x and y, of the curve P-256 */
	const char *n, *e;
	const char *x, *y;
};

enum jws_rc {
	JWS_RIGHT,
	JWS_WRONG,   /* another key has signed it, or its text was changed */
	JWS_BAD_KEY, /* no key, of another kind, or an RSA key of less than 2048 bits */
	JWS_NO_MEMORY,
};

/* False in a build without libjose: jws_verify() then says JWS_BAD_KEY. */
bool jws_is_built(void);

enum jws_rc jws_verify(const char *token, const struct jws_key *key)
	__attribute__((warn_unused_result));

#endif
