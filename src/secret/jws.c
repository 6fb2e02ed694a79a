/* jws: signatures by libjose, which asks OpenSSL.  Only the public numbers of a key get there: what
 * else is in a key set cannot make it another key. */
#include "secret/jws.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#ifdef HAVE_JOSE
#include <jose/jose.h>
#include <openssl/err.h>
#include <sodium.h>

enum {
	RSA_BYTES_MIN = 2048 / 8,
	RSA_BYTES_MAX = 8192 / 8, /* a longer key would take long */
	EC_BYTES = 32,		  /* of each number of the curve P-256 */
};

bool
jws_is_built(void)
{
	return true;
}

/* Decodes base64url as it is written: no blanks, no padding, no bits after the end. */
static bool
jws_decode(const char *text, unsigned char bytes[RSA_BYTES_MAX], size_t *len)
{
	return text != NULL &&
	       sodium_base642bin(bytes, RSA_BYTES_MAX, text, strlen(text), NULL, len, NULL,
				 sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

static bool
is_key_of_rsa(const struct jws_key *key)
{
	unsigned char bytes[RSA_BYTES_MAX];
	size_t len = 0;

	return jws_decode(key->e, bytes, &len) && len > 0 && jws_decode(key->n, bytes, &len) &&
	       len >= RSA_BYTES_MIN && bytes[0] >= (len == RSA_BYTES_MIN ? 0x80 : 1);
}

static bool
is_key_of_curve(const struct jws_key *key)
{
	unsigned char bytes[RSA_BYTES_MAX];
	size_t x = 0, y = 0;

	return jws_decode(key->x, bytes, &x) && jws_decode(key->y, bytes, &y) && x == EC_BYTES &&
	       y == EC_BYTES;
}

/* The library would write to standard error. */
static void
jws_say_nothing(void *arg, const char *file, int line, uint64_t err, const char *format,
		va_list args)
{
	(void)arg, (void)file, (void)line, (void)err, (void)format, (void)args;
}

static enum jws_rc
jws_ask(const json_t *jws, const json_t *jwk)
{
	jose_cfg_t *cfg = jose_cfg();
	enum jws_rc rc = JWS_NO_MEMORY;

	if (cfg == NULL || jws == NULL || jwk == NULL)
		goto out;
	jose_cfg_set_err_func(cfg, jws_say_nothing, NULL);
	rc = jose_jws_ver(cfg, jws, NULL, jwk, false) ? JWS_RIGHT : JWS_WRONG;
out:
	jose_cfg_decref(cfg);
	ERR_clear_error(); /* libcurl would believe what is left to be its own */
	return rc;
}

enum jws_rc
jws_verify(const char *token, const struct jws_key *key)
{
	const char *body = strchr(token, '.'), *signature = strrchr(token, '.');
	bool rsa = strcmp(key->algorithm, "RS256") == 0;
	unsigned char bytes[RSA_BYTES_MAX];
	size_t len = 0;

	if (!(rsa ? is_key_of_rsa(key) : is_key_of_curve(key)))
		return JWS_BAD_KEY;
	if (body == NULL || body == signature || !jws_decode(signature + 1, bytes, &len) ||
	    (!rsa && len != (size_t)2 * EC_BYTES))
		return JWS_WRONG;
	json_t *jws =
		json_pack("{s:s%,s:s%,s:s}", "protected", token, (size_t)(body - token), "payload",
			  body + 1, (size_t)(signature - body - 1), "signature", signature + 1);
	json_t *jwk = rsa ? json_pack("{s:s,s:s,s:s,s:s}", "kty", "RSA", "alg", key->algorithm, "n",
				      key->n, "e", key->e)
			  : json_pack("{s:s,s:s,s:s,s:s,s:s}", "kty", "EC", "alg", key->algorithm,
				      "crv", "P-256", "x", key->x, "y", key->y);
	enum jws_rc rc = jws_ask(jws, jwk);
	json_decref(jws);
	json_decref(jwk);
	return rc;
}

#else

bool
jws_is_built(void)
{
	return false;
}

enum jws_rc
jws_verify(const char *token, const struct jws_key *key)
{
	(void)token;
	(void)key;
	return JWS_BAD_KEY;
}

#endif
