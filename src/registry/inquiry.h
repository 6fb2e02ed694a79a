/* inquiry: the questions of one check to one registry and its token server; only for the files of
 * registry/ that ask them. */
#ifndef REGCRED_REGISTRY_INQUIRY_H
#define REGCRED_REGISTRY_INQUIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "outbound/fetch.h"
#include "registry/challenge.h"
#include "registry/check.h"

enum { CHECK_ANSWER_MAX = 64 * 1024 /* bytes of one answer, head and body */ };

/* No result yet: the check goes on. */
#define OPEN CHECK__COUNT

struct question {
	const char *url;
	const char *authorization; /* NULL: asked as nobody */
	const char *form;	   /* NULL: a GET */
	const char *type;	   /* "Content-Type: …" of the form; NULL: the usual one */
	bool aside;		   /* its status says nothing about the login */
};

struct given_login {
	const char *user, *secret;
};

struct inquiry {
	const struct check_settings *settings;
	struct arena *arena;
	struct fetch *fetch;
	int64_t began_ms, deadline_ms;
	const char *api;	   /* "https://registry.example" */
	bool plain_http;	   /* so asked for by the address or the settings */
	struct given_login login;  /* NULL: none */
	const char *const *scopes; /* asked for; NULL: none, unless there is no token without */
	struct grant *grant;	   /* NULL: none is wanted */
	struct follow *follow;	   /* NULL: nothing is followed */
	bool is_registry;	   /* something in its answers shows that it is one */
	bool coarse;		   /* what answers is inside, and no registry: nobody's business */
	bool exhausted;		   /* there was no memory to find out */
	int http_status;
};

struct registry_answer {
	long status;
	struct challenge_list challenges;
	bool is_api;		     /* says so in a header */
	const char *location;	     /* NULL: none */
	const struct json *document; /* NULL: the body is not JSON */
};

bool inquiry_is_exhausted(struct inquiry *c);

/* OPEN: an answer came. */
enum check_result inquiry_ask(struct inquiry *c, const struct question *q,
			      struct registry_answer *out);
/* The same of a path of the registry. */
enum check_result inquiry_ask_registry(struct inquiry *c, const char *path,
				       const char *authorization, bool aside,
				       struct registry_answer *out);

/* What a status means for a caller who asked with a login; OPEN for 200. */
enum check_result inquiry_result_of(long status);

/* Whether it behaves like a registry where it is asked for what it cannot have: a page that answers
 * 200 to everything does not.  OPEN if so. */
enum check_result inquiry_prove_registry(struct inquiry *c, const char *authorization);

/* "Basic …" */
const char *inquiry_basic(struct inquiry *c, const struct given_login *login);

/* A login that nobody has: with it a registry shows whether it looks at logins at all. */
struct given_login inquiry_made_up_login(struct inquiry *c);

/* Fills in the rest of the inquiry, and does the task with it. */
bool inquiry_run(struct inquiry *c, const char *address,
		 enum check_result (*task)(struct inquiry *c), struct check_report *out);

/* get_token.c */

struct realm {
	const struct challenge *challenge;
	const char *url; /* without the query's service and scope */
};

/* The realm must be a URL without a login, and with TLS unless the registry itself does without. */
bool token_read_realm(struct inquiry *c, const struct challenge *challenge, struct realm *out);

/* A token for a login; NULL: for nobody.  OPEN with the token; a 200 that grants nothing is a
 * refusal. */
enum check_result token_get(struct inquiry *c, const struct realm *realm,
			    const struct given_login *login, bool aside, const char **out);

/* Whom a token of the usual form (JWT) is for; NULL if that cannot be seen. */
const char *token_subject(struct inquiry *c, const char *token);

/* Whether /v2/ takes a token. */
enum check_result token_ask_with(struct inquiry *c, const char *token, bool aside);

/* Whether nobody was let in: some token servers answer 400 to a caller without a login. */
bool token_is_refusal(enum check_result result);

#endif
