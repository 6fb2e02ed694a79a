/* actor: who acts, as the records name it: a caller with a key or a sign-in, or a part of regcred.
 */
#ifndef REGCRED_ACCESS_ACTOR_H
#define REGCRED_ACCESS_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

struct actor {
	const char *via;    /* key, proxy, open, command, housekeeper, verifier, none; never NULL */
	int64_t account_id; /* 0: no account */
	int64_t key_id;	    /* the key that it asked with; 0: none */
	const char *proxy_user; /* whom the web server signed in; NULL: nobody */
	const char *address;	/* NULL: it did not come over a network */
	const char *request_id; /* NULL: there is no request */
	bool answered;		/* it is sent an answer with a status */
};

#endif
