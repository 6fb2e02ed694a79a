/* sources: the stand-ins of tests/api/sources.py for a program of units, and renewals that ask
 * them. */
#ifndef REGCRED_TESTS_SOURCES_H
#define REGCRED_TESTS_SOURCES_H

#include "base/arena.h"
#include "model/source.h"
#include "renew/source.h"

/* Once in a program (an unchecked fixture): starts them, and stops them. */
void sources_start(void);
void sources_stop(void);

/* "http://127.0.0.1:PORT/NAME/FAULT"; where the fault is "tls" the scheme is https, which they do
 * not speak, and for "closed" nobody is there. */
const char *sources_url(struct arena *a, const char *name, const char *fault);

/* The text that a stand-in answers to a GET of the path below such a URL. */
const char *sources_get(struct arena *a, const char *name, const char *path);

/* A renewal with 5 s of time, for a login at this address, whose settings allow loopback.  `config`
 * is JSON in which ' stands for " and URL(NAME,FAULT) for such a URL; it has to pass source_check()
 * if `source` is not NULL. */
struct renewal sources_renewal(struct arena *a, const struct source_row *source, const char *config,
			       const char *address);
void sources_renewal_end(struct renewal *r);

/* Asks the source, and compares the result and the sentence's part ("": any; for REFRESHED "":
 * none). No secret is in the sentence. */
void sources_fetch(struct renewal *r, enum source_id id, enum renew_result wanted,
		   const char *message);
/* Asks with an arena of its own in which the n-th allocation and all later ones fail, in 5 s: the
 * result is REFRESHED unless one failed.  What is in that arena is gone afterwards. */
enum renew_result sources_fetch_failing(struct renewal *r, enum source_id id, unsigned n,
					bool *failed);
/* The same for n = 1, 2 and so on until none fails, at `most` at the latest.  `begin` makes *r each
 * time. */
void sources_fail_each(struct renewal *r, enum source_id id, void (*begin)(void), unsigned most);
/* What a stand-in says of itself: json_at() of the answer to NAME/right/PATH. */
const char *sources_state(struct arena *a, const char *name, const char *path, const char *member);

/* What any source may answer to any request, and its result. */
struct sources_fault {
	const char *fault;
	enum renew_result result;
};
enum { SOURCES_FAULTS = 10 };
extern const struct sources_fault sources_faults[SOURCES_FAULTS];
/* The settings of all of them; a test may change them. */
extern struct renew_settings sources_settings;

#endif
