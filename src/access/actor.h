/* actor: who acts, as recorded in logs: a caller with a key or sign-in, or a part of regcred. */
#ifndef REGCRED_ACCESS_ACTOR_H
#define REGCRED_ACCESS_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

struct actor {
	const char *
		via; /* key, token, proxy, open, command, housekeeper, verifier, none; never NULL */
	int64_t account_id;	/* 0: no account */
	int64_t key_id;		/* the key used; 0: none */
	const char *proxy_user; /* the user the web server authenticated, or whom a token is for;
				   NULL: none */
	const char *address;	/* NULL: not over a network */
	const char *request_id; /* NULL: no request */
	bool answered;		/* it gets an answer with a status */
};

#endif
