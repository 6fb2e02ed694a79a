/* ask: one request to a source, and what its answer means.
 *
 *	struct ask_answer answer;
 *	const struct ask q = {.url = url, .body = form, .wants = "access_token"};
 *	enum renew_result result = ask(r, &q, &answer);
 *
 *	if (result != RENEW_REFRESHED)
 *		return explain(r, result, &answer);    by the error code of this source
 *
 * No redirect is followed.  Neither a URL's path nor a header nor any part of a body is logged.
 */
#ifndef REGCRED_RENEW_ASK_H
#define REGCRED_RENEW_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "renew/source.h"

enum {
	ASK_ANSWER_MAX = 64 * 1024, /* bytes of an answer, headers and body */
	ASK_HEADERS_MAX = 4,	    /* besides the one that ask() may add */
	ASK_SKEW_MS = 60 * 1000,    /* clocks that differ by less are taken to agree */
	ASK_RETRY_MAX_MS = 60 * 60 * 1000,
	ASK_SECRET_MAX = 64 * 1024, /* bytes of a secret */
	ASK_EVERY_S = 30 * 86400,   /* where sourceConfig has no rotateEvery */
	ASK_EVERY_MIN_S = 60,
	ASK_EVERY_MAX_S = 365 * 86400,
};

struct ask {
	const char *url;			    /* NULL: out of memory */
	const char *method;			    /* NULL: GET, or POST with a body */
	const char *headers[ASK_HEADERS_MAX + 1];   /* "Name: value"; NULL ends them.  One that
						       begins with "Accept:" replaces ours */
	const char *user, *password, *sigv4, *body; /* as in fetch.h */
	const char *wants; /* the member without which a document with status 2xx is none of this
			      source; NULL: none */
	bool text;	   /* the answer is no JSON: it is wanted as a text */
	bool metadata; /* the URL is that of a metadata service, fixed in the program: no fence, no
			  proxy */
	int64_t timeout_ms; /* at most; 0: all that is left */
};

struct ask_answer {
	const struct json *document; /* NULL: the body is no JSON object.  An empty body is an empty
					object. */
	const char *body;	     /* as it came */
	int64_t skew_ms; /* how much the source's clock is ahead of ours, if that is more than
			    ASK_SKEW_MS; else 0 */
};

/* Makes the request within r->deadline_ms; moves r->now_ms on; sets r->http_status,
 * r->retry_after_ms and r->message.
 *
 * RENEW_REFRESHED: status 2xx with what q wants.  Else the result by the status
 * alone: the caller may know better by the document.  CLOCK_SKEW for a refusal if the clocks
 * differ. */
enum renew_result ask(struct renewal *r, const struct ask *q, struct ask_answer *out)
	__attribute__((warn_unused_result));

/* Sets r->message to a sentence, with an error code of the source behind it in brackets (NULL:
 * none).  Only letters, digits and "._-" of the code are kept, so that no text of a source gets
 * through.  Returns the result, or RENEW_UNREACHABLE if the arena has failed: then nothing was
 * found out. */
enum renew_result ask_end(struct renewal *r, enum renew_result result, const char *sentence,
			  const char *code);
/* MISCONFIGURED, with a sentence; NULL: what is missing is memory. */
enum renew_result ask_misconfigured(struct renewal *r, const char *sentence);
/* CLOCK_SKEW; the sentence names both times if the source told its own. */
enum renew_result ask_end_skewed(struct renewal *r, const struct ask_answer *answer);

/* The form `text` ("" for a new one) with one field more, its value percent-encoded.  A NULL value
 * adds nothing.  NULL if out of memory. */
const char *ask_form(struct arena *a, const char *text, const char *name, const char *value);

/* A header of a name, "Authorization: Bearer ", and a secret.  NULL with r->message if the secret
 * would be more than one header, or none: the result is RENEW_MISCONFIGURED. */
const char *ask_header(struct renewal *r, const char *name, const char *value);

/* Reads a member of sourceConfig that is a number of `unit`, "days"; without one *out stays as it
 * is.  False: ask_misconfigured(r, r->message); it is no number, or not from `least` to `most`. */
bool ask_setting(struct renewal *r, const char *name, const char *unit, int64_t least, int64_t most,
		 int64_t *out);

/* Sets r->every_ms by rotateEvery in sourceConfig, in seconds.  False: as ask_setting(). */
bool ask_every(struct renewal *r);

/* A text member; NULL: missing, empty, or no text. */
const char *ask_text(const struct json *object, const char *name);
/* A member that may become a secret: a text member that is not longer than ASK_SECRET_MAX and has
 * no control characters. */
const char *ask_secret(const struct json *object, const char *name);
/* A member that is a number, or a text that is one; false: it is neither, or not finite. */
bool ask_number(const struct json *object, const char *name, double *out);

/* Takes the moment at which the source says that the secret ends, by its own clock, as
 * r->expires_ms.  REFRESHED, or BAD_ANSWER if that is past already, or later than the year 9999. */
enum renew_result ask_expires(struct renewal *r, const struct ask_answer *answer, double source_ms);
/* The same for a life in seconds from now on. */
enum renew_result ask_lasts(struct renewal *r, double seconds);

/* The URL of a path below the one in the member `name` of sourceConfig, or below `otherwise` if
 * there is none.  NULL: ask_misconfigured(r, r->message); the member is no URL, or out of memory.
 */
const char *ask_url(struct renewal *r, const char *name, const char *otherwise, const char *path);

#endif
