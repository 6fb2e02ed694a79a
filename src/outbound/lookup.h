/* lookup: one name lookup that ends in time, in a thread of its own. */
#ifndef REGCRED_OUTBOUND_LOOKUP_H
#define REGCRED_OUTBOUND_LOOKUP_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	LOOKUP_ADDRESSES_MAX = 8, /* of one name; further ones are left out */
	LOOKUP_HOST_MAX = 253,
};

/* What a name resolves to.  port is that of each address. */
struct address_list {
	struct sockaddr_storage addresses[LOOKUP_ADDRESSES_MAX];
	size_t count;
};

/* False: there is no such name. */
typedef bool (*resolve_fn)(const char *host, unsigned port, struct address_list *out);

struct lookup {
	pthread_mutex_t mutex;
	pthread_cond_t ready;
	unsigned users; /* who comes last frees it */
	bool done, found;
	resolve_fn resolve;
	char host[LOOKUP_HOST_MAX + 1];
	unsigned port;
	struct address_list list;
};

void lookup_leave(struct lookup *l);

void *lookup_run(void *arg);

struct lookup *lookup_new(resolve_fn resolve, const char *host, unsigned port);

/* Waits for the thread's result until the deadline; whether it is there. */
bool lookup_wait(struct lookup *l, int64_t deadline_ms);

#endif
