/* http: the parts of a request and an answer, as plain strings; nothing here knows FastCGI.
 *
 * All results are in the arena that was passed in.
 */
#ifndef REGCRED_HTTP_H
#define REGCRED_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/header.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER, HTTP__COUNT };

enum {
	HTTP_BODY_MAX = 64 * 1024,   /* bytes of a body; more answers 413 */
	HTTP_TARGET_MAX = 32 * 1024, /* bytes of path and query; Rancher's tests send 16 KB */
	HTTP_SEGMENTS_MAX = 8,	     /* path segments that are kept; further ones are ignored */
	HTTP_PAIRS_MAX = 512,	     /* query parameters or form fields */
	HTTP_HEADERS_MAX = 16,	     /* of an answer */
};

/* What the web server says about a user it has authenticated: REGCRED_PROXY_USER and the like.
 * NULL: not sent; "": sent empty. Not to be trusted before proxy_check(). */
struct proxy_claim {
	const char *user;
	const char *groups;
	const char *email;
	const char *token;
	bool repeated; /* one of them was sent twice */
	bool cgi;      /* from a CGI environment, where nothing proves who started the program */
};

/* A request as the gateway received it. Absent headers are NULL. Strings may hold any bytes but
 * NUL: the code that uses one has to check it. */
struct request {
	const char *method; /* "GET" */
	const char *target; /* raw path and query, after the prefix under which regcred is mounted:
			       "/v1/registries?limit=2" */
	const char *prefix; /* where regcred is mounted in the URL space, "" at the root, else
			       "/regcred" */
	const char *scheme; /* "http" or "https", from the web server, never from the client */
	const char *host;   /* host[:port] as the client addressed it, not yet checked */
	const char *client; /* address of the peer of the web server */
	const char *id;	    /* request id for the log, never NULL */
	const char *authorization;
	const char *api_key; /* X-API-Key: access:secret */
	const char *accept;
	const char *user_agent;
	const char *cookie;
	bool session_link; /* the cookie is the token of a link; set by api/session.c */
	const char *accept_encoding;
	const char *content_type;
	const char *project_id;	  /* X-API-Project-Id */
	const char *no_challenge; /* X-API-No-Challenge */
	const char *csrf;	  /* X-API-CSRF */
	const char *origin;
	const char *fetch_site; /* Sec-Fetch-Site */
	const char *idempotency_key;
	const char *if_match; /* conditions: docs/api.md, Conditional requests */
	const char *if_none_match;
	const char *if_unmodified_since;
	const char *forwarded_proto; /* X-Forwarded-*: used only if the setting trust_forwarded says
					so */
	const char *forwarded_host;
	const char *forwarded_port;
	struct proxy_claim proxy;
	const char *metrics;	     /* REGCRED_METRICS: this location may read /metrics */
	const char *inject_registry; /* REGCRED_INJECT_REGISTRY: this location asks for the login of
					that registry (login/inject.h) */
	const char *inject_scheme; /* REGCRED_INJECT_SCHEME: "basic", or NULL: ask the registry; see
				      login/inject.h */
	const char *body;	   /* body_len bytes, then a NUL; "" without a body */
	size_t body_len;
	bool body_too_large;  /* over HTTP_BODY_MAX: read and discarded */
	bool incomplete;      /* the web server did not send the method, the target or the client's
				 address */
	bool prefix_refused;  /* REGCRED_PREFIX cannot be the beginning of a path */
	bool body_cut;	      /* shorter than Content-Length: the request cannot be trusted */
	bool header_repeated; /* Authorization, X-API-Key, X-API-Project-Id, Content-Type or Cookie
				 twice: 400 */
};

struct header {
	const char *name;
	const char *value; /* without CR, LF or NUL: response_header() refuses others */
};

struct response {
	int status;
	const char *content_type;
	struct header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	const char *body;
	size_t body_len;
	bool head;	/* send only the headers; Content-Length still gives the body's length */
	unsigned route; /* index of the route, for the counters */
	int64_t account, key; /* the caller and its key; 0: unknown, none */
};

/* Appends a header; one whose value holds a control character is left out, because it could inject
 * another header. */
void response_header(struct response *response, const char *name, const char *value);
/* "Created" for 201; "" for a status that regcred does not use. */
const char *http_reason(int status);

enum http_method http_method_parse(const char *text);

/* One decoded name and value of a query or form.  value is "" for a bare name.  Both are valid
 * UTF-8 without NUL. */
struct pair {
	const char *name;
	const char *value;
};
struct pairs {
	struct pair *items;
	size_t count;
};
/* The first value of a name (case-sensitive); NULL if absent. */
const char *pairs_find(const struct pairs *pairs, const char *name);

/* A parsed request target. */
struct target {
	const char *path;			 /* raw path, without the query, as typed */
	const char *raw_query;			 /* raw, without the '?', "" if none */
	const char *segments[HTTP_SEGMENTS_MAX]; /* decoded once, without empty ones; never split
						    again */
	size_t segment_count;			 /* of those kept; further ones are ignored */
	struct pairs query;
};

/* Parses a raw target.  ERR_BAD_REQUEST with a sentence in detail: broken percent-encoding,
 * NUL, invalid UTF-8, a control character in the path, a target that does not begin with '/',
 * longer than HTTP_TARGET_MAX, or more than HTTP_PAIRS_MAX parameters.  ERR_NOT_FOUND: a segment
 * that is "." or "..", or one that holds an encoded slash or backslash. */
enum err http_target_parse(struct arena *a, const char *raw, struct target *out, struct error *e)
	__attribute__((warn_unused_result));

/* Parses application/x-www-form-urlencoded text (a query or a body); '+' means a blank.
 * ERR_BAD_REQUEST as above. */
enum err http_form_parse(struct arena *a, const char *text, size_t len, struct pairs *out,
			 struct error *e) __attribute__((warn_unused_result));

/* The strong entity tag of a body, in its quotes; NULL if out of memory. */
const char *http_etag(struct arena *a, const char *body, size_t len);
/* Whether a list of entity tags contains this one, or is "*": in *found. Weak tags match only if
 * `weak` is set. False: it is not a list of tags. */
bool http_etag_in(const char *list, const char *etag, bool weak, bool *found);

/* The media type of a Content-Type, lower-cased, without parameters; "" for NULL. */
const char *http_media_type(struct arena *a, const char *content_type);

/* "Basic <base64 of user:password>", the scheme in any case, split at the first colon.  False if it
 * is malformed, or if one part holds a NUL. The password is not checked for UTF-8: secrets are
 * bytes. */
bool http_basic_parse(struct arena *a, const char *authorization, const char **user,
		      const char **password);

/* The value of a cookie; NULL if absent. */
const char *http_cookie(struct arena *a, const char *header, const char *name);

/* Whether host[:port] may be used in a link: letters, digits, '.', '-', '_', an IPv6 literal in
 * brackets, a port from 1 to 65535; at most 255 bytes.  Anything else could smuggle a path, a user
 * or markup into every link. */
bool http_host_valid(const char *host);
/* Whether a prefix may be used in a link: empty, or a slash and characters that a URL path may
 * hold, without the segments . and .., with which no request path begins. Otherwise a web server
 * that passes the decoded request path as the script's would let the client put its own text into
 * every link. */
bool http_prefix_valid(const char *path);
/* The path with one slash where there are several, and none at its end; NULL: no memory. */
const char *http_prefix_tidy(struct arena *a, const char *path);

enum param { PARAM_NONE, PARAM_FOUND, PARAM_BROKEN, PARAM_NO_MEMORY };

/* Looks for a parameter (; name=token or ; name="quoted"), its name in lower case, in the text
 * after the header's main value. A repeated parameter is malformed, because two programs could pick
 * different ones. Empty parameters occur in practice and are accepted. */
enum param http_find_param(struct arena *a, const char *text, const char *name, const char **value);

#endif
