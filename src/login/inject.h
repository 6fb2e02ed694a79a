/* inject: which login a request to a registry needs, for nginx, which adds it on the way.
 *
 *   client ─ key ─► nginx ─ auth_request ─► regcred     whose key, which repository, which login
 *                     │ ◄── X-Registry-Authorization ──┘
 *                     └──── Authorization: Basic or Bearer ─► registry
 *
 * So the client never sees the password, and the registry never sees the key. See docs/inject.md.
 */
#ifndef REGCRED_INJECT_H
#define REGCRED_INJECT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "outbound/seats.h"
#include "registry/check.h"
#include "resource/resource.h"

/* The headers of an answer: the value of Authorization, or a sentence why there is none; path and
 * query for the request to the registry; the prefix to which nginx rewrites absolute locations from
 * the registry, and the one for relative locations; the client's Accept headers combined. */
#define INJECT_HEADER "X-Registry-Authorization"
#define INJECT_WHY_HEADER "X-Registry-Problem"
#define INJECT_PATH_HEADER "X-Registry-Path"
#define INJECT_NEXT_HEADER "X-Registry-Next"
#define INJECT_BASE_HEADER "X-Registry-Base"
#define INJECT_ACCEPT_HEADER "X-Registry-Accept"

/* In a path: the rest was generated in the answer to an earlier request. */
#define INJECT_MARK "/.regcred/"

enum {
	INJECT_TOKEN_MAX = 12 * 1024,	  /* bytes; it must fit in a response header */
	INJECT_NOTED_MS = 60 * 60 * 1000, /* one row of the audit log covers this time */
};

/* Words for what came of it, in metrics; ended by NULL. */
extern const char *const inject_outcomes[];

/* The state of a process, shared by its threads: tokens, and which uses have been recorded. */
struct inject;

/* Both arguments must outlive it. Threads that wait for a registry take one of the seats. */
struct inject *inject_new(const struct check_settings *settings, struct seats *seats);
void inject_free(struct inject *inject);

/* The request that the client sent to the registry. */
struct wish {
	const char *registry;	  /* its address, from the web server's configuration */
	const char *scheme;	  /* "basic": send the login itself; NULL: ask the registry;
				     "previous" and "basic-previous": likewise with the former one */
	const char *method;	  /* "GET" */
	const char *target;	  /* raw path and query: "/v2/acme/app/manifests/1" */
	const char *content_type; /* NULL: none */
};

/* The meaning of such a request. A path that does not follow the registry API exactly is refused,
 * because two programs could read it differently. */
struct registry_request {
	const char *repository; /* NULL: none, for /v2/ or the catalog */
	bool catalog;		/* the catalog of all repositories */
	const char *actions;	/* as in scopes: "pull", "pull,push", "delete" */
	const char *from;	/* another repository to mount a blob from; NULL: none */
	bool begins_upload;	/* …/blobs/uploads/ */
	bool in_upload;		/* …/blobs/uploads/ID */
	const char *path;	/* path of the API, up to INJECT_MARK */
	const char *word;	/* the word after the mark; NULL: no mark */
	const char *named;	/* after the word: a location claimed to be from the registry */
	const char *query;	/* including the "?"; NULL: none */
};
/* NULL, or a sentence that says what is wrong. If out of memory, the arena has failed. */
const char *inject_read(struct arena *a, const struct wish *wish, struct registry_request *out);

/* For nginx: the headers above. */
struct injection {
	const char *authorization;
	const char *path;
	const char *next, *base; /* NULL: no location can follow */
};

/* Finds what nginx has to add, in the arena. ERR_FORBIDDEN: the key may not use logins, none fits,
 * or this server did not generate the path; ERR_REGISTRY_DOWN: no token could be obtained;
 * ERR_UNAVAILABLE: too many threads wait for one. Each new use is recorded in the audit log and
 * noted on the login before the answer. */
enum err inject_run(struct inject *inject, const struct context *c, const struct wish *wish,
		    struct injection *out, struct error *e) __attribute__((warn_unused_result));

/* A sentence for the header above: without quotes, so that nginx can embed it in JSON. */
const char *inject_why(const struct error *e);

#endif
