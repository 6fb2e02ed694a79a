/* sign: RS256 by OpenSSL.  Its functions fail for lack of memory too, so that each is asked. */
#include "renew/sign.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

#include "base/json_out.h"
#include "base/text.h"

/* OpenSSL would ask the terminal for the password. */
static int
sign_no_password(char *out, int size, int writing, void *asked)
{
	(void)out, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

/* A key of another kind would sign as well, by another algorithm. */
static const char *
sign_key_problem(const EVP_PKEY *key, bool encrypted)
{
	if (encrypted)
		return "The private key is encrypted: store it without a password.";
	if (key == NULL)
		return "There is no private key in PEM: it begins with \"-----BEGIN PRIVATE "
		       "KEY-----\" or \"-----BEGIN RSA PRIVATE KEY-----\".";
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return "The private key is not of the kind RSA (perhaps of an elliptic curve), "
		       "which this source needs.";
	const int bits = EVP_PKEY_get_bits(key);
	if (bits > 0 && bits < SIGN_BITS_MIN)
		return "The RSA key is shorter than 2048 bits: make a longer one.";
	return NULL;
}

/* Whether one of the errors that OpenSSL has kept is that.  Takes all of them: libcurl would
 * believe them to be its own. */
static bool
sign_lacked_memory(void)
{
	unsigned long code;
	bool lacked = false;

	while ((code = ERR_get_error()) != 0)
		lacked = lacked || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return lacked;
}

static EVP_PKEY *
sign_read_key(const char *pem, const char **why)
{
	bool encrypted = false;

	ERR_clear_error();
	BIO *in = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key =
		in != NULL ? PEM_read_bio_PrivateKey(in, NULL, sign_no_password, &encrypted) : NULL;
	const char *problem = sign_key_problem(key, encrypted);
	/* Without memory OpenSSL may also make a key of no length, and keep no error. */
	bool exhausted = sign_lacked_memory() || in == NULL ||
			 (problem == NULL && EVP_PKEY_get_bits(key) <= 0);

	BIO_free(in);
	*why = exhausted ? NULL : problem;
	if (problem == NULL && !exhausted)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* The signature of the text in base64; NULL: out of memory. */
static const char *
sign_signature_of(struct arena *a, EVP_PKEY *key, const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t len = (size_t)EVP_PKEY_get_size(key);
	unsigned char *signature = arena_alloc(a, len);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool right = signature != NULL && context != NULL &&
		     EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		     EVP_DigestSign(context, signature, &len, bytes, strlen(text)) == 1;

	EVP_MD_CTX_free(context);
	return right ? http_base64url(a, (const char *)signature, len) : NULL;
}

static const char *
sign_header_of(struct arena *a, const char *key_id)
{
	const char *text = json_strings(a, "alg", "RS256", "typ", "JWT",
					key_id != NULL ? "kid" : NULL, key_id);

	return text != NULL ? http_base64url(a, text, strlen(text)) : NULL;
}

const char *
sign_token(struct arena *a, const char *pem, const char *key_id, const char *claims,
	   const char **why)
{
	const char *header = sign_header_of(a, key_id);
	const char *body = http_base64url(a, claims, strlen(claims));
	EVP_PKEY *key = sign_read_key(pem, why);

	if (key == NULL)
		return NULL;
	*why = NULL;
	const char *text =
		header != NULL && body != NULL ? arena_printf(a, "%s.%s", header, body) : NULL;
	const char *signature = text != NULL ? sign_signature_of(a, key, text) : NULL;
	EVP_PKEY_free(key);
	ERR_clear_error();
	return signature != NULL ? arena_printf(a, "%s.%s", text, signature) : NULL;
}
