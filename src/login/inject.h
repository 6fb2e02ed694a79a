/* inject: which login a request to a registry needs, for nginx, which adds it on the way.
 *
 *   client ─ key ─► nginx ─ auth_request ─► regcred     whose key, which repository, which login
 *                     │ ◄── X-Registry-Authorization ──┘
 *                     └──── Authorization: Basic or Bearer ─► registry
 *
 * So the client never sees the password, and the registry never sees the key.  docs/inject.md.
 */
#ifndef REGCRED_INJECT_H
#define REGCRED_INJECT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "outbound/seats.h"
#include "registry/check.h"
#include "resource/resource.h"

/* The headers of an answer: the value of Authorization, or, for people, why there is none; the path
 * and query that the registry is asked for; the beginning of the path to which nginx rewrites what
 * the registry names next, and of what it names relative to that; the client's Accept, all of them
 * in one. */
#define INJECT_HEADER "X-Registry-Authorization"
#define INJECT_WHY_HEADER "X-Registry-Problem"
#define INJECT_PATH_HEADER "X-Registry-Path"
#define INJECT_NEXT_HEADER "X-Registry-Next"
#define INJECT_BASE_HEADER "X-Registry-Base"
#define INJECT_ACCEPT_HEADER "X-Registry-Accept"

/* In a path: what follows was made by the answer to an earlier request. */
#define INJECT_MARK "/.regcred/"

enum {
	INJECT_TOKEN_MAX = 12 * 1024,	  /* bytes; it must pass as a header of ours */
	INJECT_NOTED_MS = 60 * 60 * 1000, /* one row of the audit log stands for so long */
};

/* What a process keeps: tokens, and which uses are on record.  Shared by its threads. */
struct inject;

/* Both are kept by reference.  Threads that wait for a registry take one of the seats. */
struct inject *inject_new(const struct check_settings *settings, struct seats *seats);
void inject_free(struct inject *inject);

/* The request that the client sent to the registry. */
struct wish {
	const char *registry;	  /* its address, as the web server's configuration says */
	const char *scheme;	  /* "basic": it takes logins as they are; NULL: it is asked */
	const char *method;	  /* "GET" */
	const char *target;	  /* raw path and query: "/v2/acme/app/manifests/1" */
	const char *content_type; /* NULL: none */
};

/* What it wants.  A path that is not exactly of the registry API is none: what two programs read
 * differently must not pass. */
struct registry_request {
	const char *repository; /* NULL: none, /v2/ or the catalog */
	bool catalog;		/* of all repositories */
	const char *actions;	/* as scopes name them: "pull", "pull,push", "delete" */
	const char *from;	/* another repository that a blob is taken from; NULL: none */
	bool begins_upload;	/* …/blobs/uploads/ */
	bool in_upload;		/* …/blobs/uploads/ID */
	const char *path;	/* of the API, up to INJECT_MARK */
	const char *word;	/* behind the mark; NULL: there is no mark */
	const char *named;	/* behind the word: what the registry is said to have named */
	const char *query;	/* with its ?; NULL: none */
};
/* NULL, or a sentence that says what is wrong; without memory the arena has failed. */
const char *inject_read(struct arena *a, const struct wish *wish, struct registry_request *out);

/* For nginx: the headers above. */
struct injection {
	const char *authorization;
	const char *path;
	const char *next, *base; /* NULL: nothing can follow */
};

/* What nginx adds, in the arena.  ERR_FORBIDDEN: the key may not use logins, none fits, or the path
 * was not given by this server; ERR_REGISTRY_DOWN: no token could be had; ERR_UNAVAILABLE: too many
 * wait for one.  Each new use is recorded, and noted at the login, before it is answered. */
enum err inject_run(struct inject *inject, const struct context *c, const struct wish *wish,
		    struct injection *out, struct error *e) __attribute__((warn_unused_result));

/* A sentence for the header above: without quotes, so that nginx can put it into JSON. */
const char *inject_why(const struct error *e);

#endif
