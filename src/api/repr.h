/* repr: records as resources, collections, schemas and errors; links, and the actions that the
 * state allows.
 *
 * Every generated URL is absolute, and in lower case except for parts that the client typed.
 */
#ifndef REGCRED_REPR_H
#define REGCRED_REPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/permissions.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_out.h"
#include "login/resolve.h"
#include "model/list.h"
#include "model/query.h"
#include "model/schema.h"
#include "registry/check.h"
#include "resource/resource.h"

/* What a representation depends on in addition to the record. */
struct view {
	const struct context *context;
	const char *root;  /* "https://r.example.test/v1" */
	const char *scope; /* root, and "/projects/1a5" if the path was scoped */
	bool html;	   /* the answer is a page */
	const char *page;  /* the request's URL as typed, without query */
	const struct pairs *query;
};

/* Call once at start: sets the order of the fields in a resource. */
void repr_init(void);

/* The URL of a resource; NULL if out of memory. */
const char *repr_self(const struct view *v, const struct record *row);
/* A resource.  secret: plain text for the answer to a create, else NULL.  include: link to embed,
 * NULL for none. */
void repr_resource(struct json_out *w, const struct view *v, const struct record *row,
		   const char *secret, const char *include);
/* A collection, or the part of one that a page shows. */
void repr_collection(struct json_out *w, const struct view *v, const struct resource_type *type,
		     const struct list_request *request, const struct record_list *list);
/* The answer to an imageLogin: the logins in order, the chosen one first if any fits. */
void repr_image_login(struct json_out *w, const struct view *v, const struct wanted *wanted,
		      const struct login_list *logins);
/* The result of testing a login. */
void repr_check(struct json_out *w, const struct check_report *report, int64_t now_ms);
/* The answer to setmembers: in the form of its input, which the schema declares as output too. */
void repr_members(struct json_out *w, const struct view *v, const struct record_list *members);

void repr_schema(struct json_out *w, const char *scope, enum role role, enum api_version version,
		 const struct resource_type *type);
void repr_schemas(struct json_out *w, const char *scope, enum role role, enum api_version version);
/* Links to everything that the role can list. */
void repr_version(struct json_out *w, const char *root, const char *scope, enum role role,
		  enum api_version version);
/* The collection of versions; base is "https://r.example.test". */
void repr_versions(struct json_out *w, const char *base);

void repr_error(struct json_out *w, const struct error *e);

#endif
