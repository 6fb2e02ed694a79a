/* token: from the text of a token to the section of the settings that it fits. */
#include "access/token.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/token_rule.h"
#include "base/header.h"
#include "base/log.h"
#include "base/network.h"
#include "registry/claims.h"
#include "secret/jws.h"

/* A token while it is checked. */
struct token_look {
	const struct token_settings *settings;
	struct arena *arena;
	const char *text, *client;
	int64_t now_ms;
	const struct json *claims;
	const char *algorithm, *kid, *issuer;
	const char *tried; /* the keys that it was compared with last; NULL: none yet */
	bool is_right;	   /* one of those has signed it */
	const char *why;   /* why it is refused */
	struct web_token *out;
	struct error *error;
};

const char *
token_of_header(const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	return authorization + sizeof(scheme) - 1 + strspn(authorization + sizeof(scheme) - 1, " ");
}

static const char *
member_text(const struct json *object, const char *name)
{
	const struct json *member = json_member(object, name);

	return member != NULL && member->type == JSON_STRING ? member->text : NULL;
}

/* The text of a needed member; NULL if it is missing, empty, too long or has characters that do not
 * belong into a log. */
static const char *
member_word(const struct json *object, const char *name, size_t max)
{
	const char *text = member_text(object, name);

	if (text == NULL || *text == '\0' || strlen(text) > max)
		return NULL;
	for (const char *c = text; *c != '\0'; c++)
		if (http_is_control(*c))
			return NULL;
	return text;
}

/* Members that may be in a header. Others name a key or where to get one (jwk, jku, x5u, x5c), or
 * change what is signed (b64, crit, zip). x5t says which certificate the key is of. */
static bool
header_is_plain(const struct json *header)
{
	static const char *const plain[] = {"alg", "kid", "typ", "x5t", "x5t#S256"};
	const char *type = member_text(header, "typ");

	for (const struct json *m = header->child; m != NULL; m = m->next) {
		size_t i = 0;

		while (i < sizeof(plain) / sizeof(*plain) && strcmp(plain[i], m->name) != 0)
			i++;
		if (i == sizeof(plain) / sizeof(*plain))
			return false;
	}
	return json_member(header, "typ") == NULL || (type != NULL && strcasecmp(type, "JWT") == 0);
}

/* False with the reason. */
static bool
token_read_header(struct token_look *t, const struct json *header)
{
	const char *algorithm = member_text(header, "alg");

	t->why = "its algorithm is neither RS256 nor ES256";
	if (algorithm == NULL ||
	    (strcmp(algorithm, "RS256") != 0 && strcmp(algorithm, "ES256") != 0))
		return false;
	t->algorithm = algorithm;
	t->why = "its header has a member besides alg, kid and typ, or is not of the type JWT";
	if (!header_is_plain(header))
		return false;
	t->why = "its header has no kid, which says which key has signed it";
	t->kid = member_word(header, "kid", TOKEN_SUBJECT_MAX);
	return t->kid != NULL;
}

static bool
token_read(struct token_look *t)
{
	static const char base64[] = DIGITS LETTERS "-_";
	size_t header = strspn(t->text, base64), body, signature;
	const struct json *parsed = NULL;

	t->why = "it is longer than 8 KiB";
	if (strlen(t->text) > TOKEN_MAX)
		return false;
	t->why = "it is not three parts in base64url with dots between";
	if (header == 0 || t->text[header] != '.')
		return false;
	const char *second = t->text + header + 1;
	body = strspn(second, base64);
	if (body == 0 || second[body] != '.')
		return false;
	const char *third = second + body + 1;
	signature = strspn(third, base64);
	if (signature == 0 || third[signature] != '\0')
		return false;
	t->why = "its header or its claims are not a JSON object, or one has a member twice";
	parsed = claims_part(t->arena, t->text, header);
	t->claims = claims_part(t->arena, second, body);
	if (parsed == NULL || parsed->type != JSON_OBJECT || t->claims == NULL ||
	    t->claims->type != JSON_OBJECT || !token_read_header(t, parsed))
		return false;
	t->why = "it has no issuer";
	t->issuer = member_word(t->claims, "iss", TOKEN_TEXT_SIZE - 1);
	return t->issuer != NULL;
}

/* The members that a key may have or lack. */
static bool
key_may_verify(const struct json *key, const char *algorithm)
{
	const char *use = member_text(key, "use"), *its = member_text(key, "alg");

	return (json_member(key, "use") == NULL || (use != NULL && strcmp(use, "sig") == 0)) &&
	       (json_member(key, "alg") == NULL || (its != NULL && strcmp(its, algorithm) == 0));
}

/* The key of the token's kid and algorithm; false: not in the set. */
static bool
find_key(const struct token_look *t, const struct json *set, struct jws_key *out)
{
	bool rsa = strcmp(t->algorithm, "RS256") == 0;

	for (const struct json *key = json_member(set, "keys")->child; key != NULL;
	     key = key->next) {
		const char *kid = member_text(key, "kid"), *kind = member_text(key, "kty");
		const char *curve = member_text(key, "crv");

		if (kid == NULL || strcmp(kid, t->kid) != 0 || kind == NULL ||
		    strcmp(kind, rsa ? "RSA" : "EC") != 0 ||
		    (!rsa && (curve == NULL || strcmp(curve, "P-256") != 0)) ||
		    !key_may_verify(key, t->algorithm))
			continue;
		*out = (struct jws_key){.algorithm = t->algorithm,
					.n = member_text(key, "n"),
					.e = member_text(key, "e"),
					.x = member_text(key, "x"),
					.y = member_text(key, "y")};
		return true;
	}
	return false;
}

/* The same in the rule's set. Sets t->error if that cannot be read. */
static bool
token_find_key(struct token_look *t, const struct token_rule *rule, bool newer, struct jws_key *out)
{
	const struct json *set;

	return token_keys_read(t->settings, t->arena, rule, newer, t->now_ms, &set, t->error) ==
		       ERR_NONE &&
	       find_key(t, set, out);
}

/* Whether a key of the rule's set has signed it. Sets t->error if that cannot be told. */
static bool
token_try_keys(struct token_look *t, const struct token_rule *rule)
{
	struct jws_key key;
	bool found = token_find_key(t, rule, false, &key);

	if (!found && t->error->code == ERR_NONE && token_rule_is_url(rule))
		found = token_find_key(t, rule, true, &key);
	if (t->error->code != ERR_NONE)
		return false;
	if (!found) {
		t->why = "the key set of its issuer has no key of its kid for its algorithm";
		return false;
	}
	switch (jws_verify(t->text, &key)) {
	case JWS_RIGHT:
		return true;
	case JWS_WRONG:
		t->why = "its signature is wrong";
		return false;
	case JWS_BAD_KEY:
		t->why =
			"the key of its issuer cannot be used: it takes an RSA key of 2048 bits or "
			"more, or one of the curve P-256";
		return false;
	case JWS_NO_MEMORY:
		break;
	}
	(void)err_set(t->error, ERR_INTERNAL, NULL, NULL);
	return false;
}

/* The same; sections of one issuer usually have the same keys. */
static bool
token_is_signed(struct token_look *t, const struct token_rule *rule)
{
	if (t->tried == NULL || strcmp(t->tried, rule->keys) != 0)
		t->is_right = token_try_keys(t, rule);
	t->tried = rule->keys;
	return t->is_right;
}

/* A date of a claim, in seconds. False: not a number, or not one that a clock shows. */
static bool
claim_time(const struct json *claim, double *out)
{
	static const double last = 253402300799.0; /* of the year 9999 */

	if (claim == NULL || claim->type != JSON_NUMBER)
		return false;
	*out = strtod(claim->text, NULL);
	return isfinite(*out) && *out >= 0 && *out <= last;
}

/* Whether now is within its time. False with the reason. */
static bool
token_is_current(struct token_look *t)
{
	const struct json *from = json_member(t->claims, "nbf");
	double now_s = (double)t->now_ms / 1000, expires_s, from_s = 0;

	t->why = "it has no time in exp, when it expires, or its nbf is not a time";
	if (!claim_time(json_member(t->claims, "exp"), &expires_s) ||
	    (from != NULL && !claim_time(from, &from_s)))
		return false;
	t->why = "it has expired: get a new one";
	if (now_s >= expires_s + TOKEN_SLACK_S)
		return false;
	t->why = "it is not valid yet (nbf): compare the clocks of this server and of the issuer";
	if (now_s + TOKEN_SLACK_S < from_s)
		return false;
	t->out->expires_ms = (int64_t)((expires_s + TOKEN_SLACK_S) * 1000);
	return true;
}

static bool
is_for_audience(const struct json *claim, const char *audience)
{
	if (claim == NULL)
		return false;
	if (claim->type == JSON_STRING)
		return strcmp(claim->text, audience) == 0;
	for (const struct json *item = claim->type == JSON_ARRAY ? claim->child : NULL;
	     item != NULL; item = item->next)
		if (item->type == JSON_STRING && strcmp(item->text, audience) == 0)
			return true;
	return false;
}

/* Whether a token that was verified fits the rule. False with the reason. */
static bool
token_fits(struct token_look *t, const struct token_rule *rule)
{
	const char *missed = token_rule_misses(rule, t->claims);

	t->why = "it is for another audience (aud) than the settings say";
	if (!is_for_audience(json_member(t->claims, "aud"), rule->audience))
		return false;
	if (missed != NULL) {
		t->why = arena_printf(
			t->arena, "its claim %s is not what a section [token] asks for", missed);
		return false;
	}
	t->why = "it comes from a network that the settings do not allow";
	return rule->networks[0] == '\0' || network_list_has(rule->networks, t->client);
}

/* Who it is for, once its signature is known to be right. */
static bool
token_read_subject(struct token_look *t)
{
	const char *subject = member_word(t->claims, "sub", TOKEN_SUBJECT_MAX);

	t->why = "it has no subject (sub), or one that with its issuer is too long to be recorded";
	if (subject == NULL || strlen(subject) + 1 + strlen(t->issuer) > TOKEN_SUBJECT_MAX)
		return false;
	t->out->who = arena_printf(t->arena, "%s@%s", subject, t->issuer);
	return t->out->who != NULL;
}

/* Tries the sections of its issuer one after another. */
static bool
token_find_rule(struct token_look *t)
{
	bool found = false;

	t->why = "the settings have no section [token] for its issuer";
	for (size_t i = 0; i < t->settings->count && !found; i++) {
		const struct token_rule *rule = &t->settings->rules[i];

		if (strcmp(rule->issuer, t->issuer) != 0)
			continue;
		if (!token_is_signed(t, rule)) {
			if (t->error->code != ERR_NONE)
				return false;
			continue;
		}
		if (t->out->who == NULL && (!token_read_subject(t) || !token_is_current(t)))
			return false;
		found = token_fits(t, rule);
		if (found)
			t->out->rule = rule;
	}
	return found;
}

enum err
token_check(const struct token_settings *s, struct arena *a, const char *text, const char *client,
	    int64_t now_ms, struct web_token *out, struct error *e)
{
	struct token_look t = {.settings = s,
			       .arena = a,
			       .text = text,
			       .client = client,
			       .now_ms = now_ms,
			       .out = out,
			       .error = e};

	*out = (struct web_token){.rule = NULL};
	bool right = token_read(&t) && token_find_rule(&t);
	if (arena_failed(a))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (right || e->code != ERR_NONE)
		return e->code;
	out->why = t.why;
	log_info("a token of %.255s from %.64s is refused: %s",
		 out->who != NULL   ? out->who
		 : t.issuer != NULL ? t.issuer
				    : "an unknown issuer",
		 client, t.why);
	/* Who cannot sign learns nothing. */
	return err_set(e, ERR_UNAUTHORIZED, NULL,
		       out->who != NULL
			       ? arena_printf(a, "The token is not accepted: %s.", t.why)
			       : "The token is not accepted: ask an administrator for the reason, "
				 "which is in the server's log.");
}
