/* inquiry: the requests of one check to a registry and its token server; for use within registry/
 * only. */
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

enum { CHECK_ANSWER_MAX = 64 * 1024 /* bytes of one answer, headers and body */ };

/* No result yet: the check goes on. */
#define OPEN CHECK__COUNT

struct question {
	const char *url;
	const char *authorization; /* NULL: sent without authentication */
	const char *form;	   /* NULL: a GET */
	const char *type;	   /* "Content-Type: …" of the form; NULL: the usual one */
	bool aside;		   /* a side question: its status says nothing about the login */
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
	bool plain_http;	   /* requested by the address or the settings */
	struct given_login login;  /* NULL: none */
	const char *const *scopes; /* scopes to request; NULL: none, unless the server gives no
				      token without one */
	struct grant *grant;	   /* result; NULL: not wanted */
	const char *repository;	   /* to be pulled; NULL: none */
	struct follow *follow;	   /* NULL: follow nothing */
	bool is_registry;	   /* its answers show that it is a registry */
	bool coarse;	/* an internal server that is not a registry: report no details about it */
	bool exhausted; /* out of memory or descriptors */
	int http_status;
	const char *known_host; /* the only host that the login may be sent to; NULL: any */
	const char *token_host; /* the host that it is sent to; NULL: none yet */
	const char *message;	/* instead of the result's own; NULL: that */
};

struct registry_answer {
	long status;
	struct challenge_list challenges;
	bool is_api;		     /* a header names the registry API */
	const char *location;	     /* NULL: none */
	const struct json *document; /* NULL: the body is not JSON */
};

bool inquiry_is_exhausted(struct inquiry *c);

/* OPEN if an answer came. */
enum check_result inquiry_ask(struct inquiry *c, const struct question *q,
			      struct registry_answer *out);
/* The same for a path of the registry. */
enum check_result inquiry_ask_registry(struct inquiry *c, const char *path,
				       const char *authorization, bool aside,
				       struct registry_answer *out);

/* The result for the status of a request with a login; OPEN for 200. */
enum check_result inquiry_result_of(long status);

/* OPEN if the server behaves like a registry when asked for something that cannot exist; a web page
 * that answers 200 to everything does not. */
enum check_result inquiry_prove_registry(struct inquiry *c, const char *authorization);

/* "Basic …" */
const char *inquiry_basic(struct inquiry *c, const struct given_login *login);

/* A random login that does not exist: shows whether a registry checks logins at all. */
struct given_login inquiry_made_up_login(struct inquiry *c);

/* Fills in the rest of the inquiry and runs the task. */
bool inquiry_run(struct inquiry *c, const char *address,
		 enum check_result (*task)(struct inquiry *c), struct check_report *out);

/* get_token.c */

struct realm {
	const struct challenge *challenge;
	const char *url; /* without the parameters service and scope */
};

/* Reads the realm, which must be a URL without a login, and https unless the registry itself uses
 * plain HTTP. */
bool token_read_realm(struct inquiry *c, const struct challenge *challenge, struct realm *out);

/* Gets a token for a login; login NULL: an anonymous one. OPEN if *out is set; a 200 without a
 * token counts as a refusal. */
enum check_result token_get(struct inquiry *c, const struct realm *realm,
			    const struct given_login *login, bool aside, const char **out);

/* Before the login is sent to the host of a URL: OPEN, or CHECK_OTHER_TOKEN_HOST. */
enum check_result token_may_send(struct inquiry *c, const char *url);

/* The subject of a token, if it is a JWT; NULL if unknown. */
const char *token_subject(struct inquiry *c, const char *token);

/* Asks whether /v2/ accepts a token. */
enum check_result token_ask_with(struct inquiry *c, const char *token, bool aside);

/* Whether an anonymous request was refused: some token servers answer it with 400. */
bool token_is_refusal(enum check_result result);

#endif
