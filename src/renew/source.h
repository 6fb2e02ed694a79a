/* source: asks one source for a new secret of a login.
 *
 * Each file src/renew/NAME.c has one function for its row of model/source.def.  It makes requests
 * (ask.h), or runs a program, within r->deadline_ms, and says what came of it.  It stores nothing,
 * holds no lock, and never logs a URL, a header or a secret.
 */
#ifndef REGCRED_RENEW_SOURCE_H
#define REGCRED_RENEW_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "model/source.h"
#include "outbound/fetch.h"

enum renew_result {
#define RESULT(name, word, sentence) RENEW_##name,
#include "model/renew_result.def"
#undef RESULT
	RENEW__COUNT
};

/* "sourceRefused" and the like. */
const char *renew_result_word(enum renew_result result);
const char *renew_result_sentence(enum renew_result result);

struct renew_settings {
	const char *networks;	 /* loopback networks that are allowed: outbound/address.h */
	const char *ca_file;	 /* "": the system's */
	const char *proxy;	 /* "": none, even if the environment names one */
	int64_t timeout_ms;	 /* for one renewal */
	const char *metadata;	 /* "aws": the keys of this machine may be used; "" or NULL: none
				  */
	const char *programs;	 /* of exec: program.h */
	const char *environment; /* of exec: "NAME=value NAME=value", all that a program gets */
	const char *tokens_dir;	 /* webIdentityTokenFile must be below it; "": none may be read */
};

struct renewal {
	/* Given: */
	const struct renew_settings *settings;
	struct arena *arena; /* everything that is returned lives in it */
	struct fetch *fetch;
	const struct json *config; /* has passed source_check(); an object */
	const char *source_secret; /* NULL: none */
	const char *address;	   /* of the registry, as it is stored */
	const char *user, *secret; /* the present ones; NULL: none yet */
	const char *handle;	   /* what the source called the present secret; NULL: nothing */
	const char *chosen;	   /* SOURCE_CHOSEN: the value to set, stored before the call */
	const char *intent; /* SOURCE_SECOND: names what is about to be made, the same until one is
			       stored; NULL: nothing does */
	bool again;	    /* an earlier call may have reached the source */
	int64_t login_id;
	int64_t now_ms;	     /* wall clock */
	int64_t deadline_ms; /* monotonic clock, clock.h */
	/* Returned with RENEW_REFRESHED: */
	const char *new_user; /* NULL: as it is */
	const char *new_secret;
	const char *new_handle;
	int64_t expires_ms; /* wall clock of this server; 0: not known */
	int64_t every_ms;   /* when to ask again, whatever the end; 0: schedule.h's interval */
	bool unchanged;	    /* the source still has the present secret: there is nothing to store */
	/* Returned with any result: */
	const char *message; /* a sentence; NULL: the one of the result.  No text of the source but
				an error's number or code, no secret. */
	int http_status;     /* of the answer that decided; 0: no answer */
	int64_t retry_after_ms; /* the source asked for this; 0: it did not */
};

struct source_calls {
	enum renew_result (*fetch)(struct renewal *r);
	/* SOURCE_SECOND: deletes the secret with r->handle, which may be gone already; without a
	 * handle those that were made for r->intent. */
	enum renew_result (*discard)(struct renewal *r);
};

/* By enum source_id; sources.c. */
extern const struct source_calls sources[SOURCE__COUNT];

#endif
