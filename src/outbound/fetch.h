/* fetch: one outgoing HTTP request, by libcurl.
 *
 *   struct fetch *f = fetch_new();
 *   if (f != NULL && fetch_do(f, arena, &request, &answer) == FETCH_OK)
 *           … answer.status, answer.body, fetch_header(f, "Retry-After", 0) …
 *   fetch_free(f);
 *
 * The requests of one struct fetch share connections.  No redirect is followed, HTTPS is always
 * verified, and a request ends in time even if the resolver hangs.  libcurl's memory is wiped when
 * it is freed.
 */
#ifndef REGCRED_OUTBOUND_FETCH_H
#define REGCRED_OUTBOUND_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum fetch_rc {
	FETCH_OK,	   /* an answer came, whatever its status */
	FETCH_UNREACHABLE, /* no such name, no connection, or an address that is refused */
	FETCH_TIMEOUT,
	FETCH_TLS,	 /* no trusted connection */
	FETCH_TOO_LONG,	 /* longer than answer_max */
	FETCH_NOT_HTTP,	 /* the answer is not HTTP */
	FETCH_EXHAUSTED, /* out of memory or descriptors: nothing was found out */
};

struct fetch_request {
	const char *url;	     /* http: or https: */
	const char *method;	     /* NULL: GET, or POST with a body */
	const char *const *headers;  /* "Name: value", ended by NULL */
	const char *user, *password; /* for Basic authentication, or the key of sigv4; NULL: none */
	const char *sigv4;	     /* "aws:amz:REGION:SERVICE": signed with AWS's version 4.  The
					URL has no query then, and no header an empty value or a
					date: libcurl before 8.3 signs those wrongly. NULL: not. */
	const char *body;	     /* NULL: none; else it ends with a NUL */
	size_t answer_max;	     /* bytes, headers and body */
	int64_t timeout_ms;	     /* for the whole request */
	const char *ca_file;	     /* "": the system's CA certificates */
	const char *proxy;	     /* "": none; NULL: from the environment */
	const char *networks; /* loopback networks that are allowed, see address.h; NULL: every
				 address is allowed. With a proxy, the proxy decides. */
};

struct fetch_answer {
	long status;	  /* 0: no answer */
	const char *body; /* in the arena, NUL-terminated */
	size_t len;
	const char *problem; /* static; NULL: none */
};

struct fetch;

/* NULL if out of memory, or if libcurl cannot be initialised. */
struct fetch *fetch_new(void);
void fetch_free(struct fetch *f);

enum fetch_rc fetch_do(struct fetch *f, struct arena *a, const struct fetch_request *request,
		       struct fetch_answer *out) __attribute__((warn_unused_result));

/* The value of the n-th header of this name (0: the first) in the last answer; NULL if there is
 * none.  Valid until the next request. */
const char *fetch_header(struct fetch *f, const char *name, size_t n);

/* The URL of a path, which is empty or begins with a slash, and may have a query, below the URL
 * `base`.  FETCH_NOT_HTTP with *out NULL: the base is not "http[s]://HOST[:PORT][/PATH]", without
 * user, query and fragment. FETCH_EXHAUSTED: out of memory. */
enum fetch_rc fetch_url_below(struct arena *a, const char *base, const char *path, const char **out)
	__attribute__((warn_unused_result));
/* The host and port of a URL, "registry.example:5000"; NULL if it is none, or out of memory. */
const char *fetch_url_host(struct arena *a, const char *url);

/* Whether any of its requests with `networks` went to an internal network (address.h). */
bool fetch_went_inside(const struct fetch *f);

#endif
