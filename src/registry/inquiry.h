/* inquiry: what the parts of a check share about the questions to one registry; nobody else
 * includes it. */
#ifndef REGCRED_REGISTRY_INQUIRY_H
#define REGCRED_REGISTRY_INQUIRY_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "outbound/address.h"
#include "outbound/lookup.h"
#include "registry/challenge.h"
#include "registry/check.h"
#include "registry/result.h"
#include "registry/url.h"

enum { CHECK_ANSWER_MAX = 64 * 1024 /* bytes of one answer, head and body */ };

enum {
	PIN_TEXT = REGISTRY_HOST_MAX + 16 + LOOKUP_ADDRESSES_MAX * (ADDRESS_TEXT + 1),
};

/* No result yet: the check goes on. */
#define OPEN CHECK__COUNT

struct host {
	char name[REGISTRY_HOST_MAX + 1];
	unsigned port;
	struct address_list list;
	char pin[PIN_TEXT]; /* for curl: "name:port:address,address" */
};

struct question {
	const char *url;
	const char *host; /* of the URL, without brackets */
	unsigned port;
	const char *authorization; /* NULL: asked as nobody */
	const char *form;	   /* NULL: a GET */
	bool aside;		   /* its status says nothing about the login */
};

enum {
	HOSTS_MAX = 2, /* the registry's and its token server's */
};

struct registry_check {
	const struct check_settings *settings;
	struct arena *arena;
	CURL *curl;
	int64_t began_ms, deadline_ms;
	struct host hosts[HOSTS_MAX];
	size_t host_count;
	const char *api;	   /* "https://registry.example" */
	bool plain_http;	   /* so asked for by the address or the settings */
	const char *user, *secret; /* NULL: none */
	const char *const *scopes; /* asked for; NULL: what the challenge offers */
	struct grant *grant;	   /* NULL: none is wanted */
	bool is_registry;	   /* something in its answers shows that it is one */
	bool no_memory;
	int http_status;
};

struct registry_answer {
	struct registry_check *check;
	long status;
	struct challenge_list challenges;
	char *body;
	size_t len; /* of the body */
	size_t all; /* of all that came */
	bool too_long;
};

struct given_login {
	const char *user, *secret;
};

/* fetch.c */

bool fetch_lacks_memory(struct registry_check *c);

/* Leaves the allowed addresses in the host, and writes them down for curl. */
void fetch_pin(struct registry_check *c, const char *name, struct host *host,
	       const struct address_list *found);

/* The host with its allowed addresses, resolved once in a check. */
enum check_result fetch_find_host(struct registry_check *c, const char *name, unsigned port,
				  const struct host **out);

/* Counts what came; false when it is too much. */
bool fetch_count(struct registry_answer *answer, size_t len);

const struct json *fetch_document(struct registry_check *c, const struct registry_answer *answer);

const char *fetch_text(const struct json *node);

/* OPEN: an answer came. */
enum check_result fetch_ask(struct registry_check *c, const struct question *q,
			    struct registry_answer *out);

/* ask.c */

/* What a status means for whoever asked with a login. */
enum check_result result_of_status(long status);

enum check_result ask_registry(struct registry_check *c, const char *path,
			       const char *authorization, bool aside, struct registry_answer *out);

/* Whether it behaves like a registry where it is asked for what it cannot have: a page that answers
 * 200 to everything does not.  OPEN if so. */
enum check_result ask_prove_registry(struct registry_check *c, const char *authorization);

const char *ask_basic(struct registry_check *c, const struct given_login *login);

/* A login that nobody has: with it a registry shows whether it looks at logins at all. */
struct given_login ask_made_up_login(struct registry_check *c);

/* Fills in the rest of the check, and does the task with it. */
bool ask_carry_out(struct registry_check *c, const char *address,
		   enum check_result (*task)(struct registry_check *c), struct check_report *out);

/* get_token.c */

struct realm {
	const struct challenge *challenge;
	const char *url; /* without the query's service and scope */
	const char *host;
	unsigned port;
};

/* The realm must be a URL without a login, and with TLS unless the registry itself does without. */
bool token_read_realm(struct registry_check *c, const struct challenge *challenge,
		      struct realm *out);

/* Visible ASCII: it goes into a header. */
bool token_is_one(const char *text);

/* A token for a login; NULL: for nobody.  OPEN with the token; a 200 that grants nothing is a
 * refusal. */
enum check_result token_get(struct registry_check *c, const struct realm *realm,
			    const struct given_login *login, bool aside, const char **out);

/* Whom a token of the usual form (JWT) is for; NULL if that cannot be seen. */
const char *token_subject(struct registry_check *c, const char *token);

/* Whether /v2/ takes a token. */
enum check_result token_ask_with(struct registry_check *c, const char *token, bool aside);

/* Whether nobody was let in: some token servers answer 400 to whoever brings no login. */
bool token_is_refusal(enum check_result result);

#endif
