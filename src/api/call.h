/* call: what the parts of the API share about one request. */
#ifndef REGCRED_API_CALL_H
#define REGCRED_API_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/identity.h"
#include "api/repr.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "login/handout.h"
#include "model/schema.h"
#include "resource/precondition.h"
#include "resource/resource.h"
#include "service/app.h"

/* What a path refers to. */
enum place {
	AT_NOWHERE,
	AT_ROOT,
	AT_VERSION,
	AT_SCHEMAS,
	AT_SCHEMA,
	AT_OPENAPI,
	AT_QUESTION,
	AT_COLLECTION,
	AT_RESOURCE,
	AT_LINK,
	AT_PING,
	AT_METRICS,
	AT_INJECT,
	AT_UI,
	AT__COUNT
};

/* The kind of an answer. */
enum answer {
	ANSWER_DOCUMENT, /* the JSON that was written; for browsers as a page */
	ANSWER_FILE,	 /* a file for another program, sent as is */
	ANSWER_NOTHING,	 /* headers only */
};

/* One request while it is handled. */
struct call {
	struct app *app;
	const struct request *request;
	struct response *response;
	struct arena *arena;
	struct target target;
	enum http_method method; /* the effective method, see request_method() */
	enum api_version version;
	const char *base;		   /* "https://r.example.test" */
	const char *root;		   /* base and version */
	const char *scope;		   /* root and project */
	const char *project;		   /* project in the path; NULL if not scoped */
	const char *type_name, *id, *link; /* the rest of the path, NULL where it ends */
	const struct resource_type *type;
	struct json *body;
	struct identity identity;
	bool identified;
	struct context context;
	struct precondition precondition;
	struct once once;
	struct view view;
	struct json_out out;
	struct opened opened; /* secrets that the answer shows */
	struct error error;
	int64_t now_ms; /* the same time for everything that the request does */
	int status;
	enum answer answer;
	struct hand_out file; /* ANSWER_FILE */
	bool committed;	      /* a change was committed: from then on the answer must not fail */
	bool check_due;	      /* a login is waiting to be checked */
	size_t early_headers; /* headers that every answer keeps, even an error */
};

#endif
