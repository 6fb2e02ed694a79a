/* sign: JSON web tokens that a program signs with its own RSA key (RS256), by OpenSSL. */
#ifndef REGCRED_RENEW_SIGN_H
#define REGCRED_RENEW_SIGN_H

#include "base/arena.h"

enum { SIGN_BITS_MIN = 2048 };

/* The token of these claims, a JSON object, signed with a private key in PEM (PKCS#1 or PKCS#8).
 * key_id: its "kid"; NULL: none.  NULL with a sentence in *why: no private key, an encrypted one,
 * one of another kind, one that is too short; with *why NULL: out of memory. */
const char *sign_token(struct arena *a, const char *pem, const char *key_id, const char *claims,
		       const char **why);

#endif
