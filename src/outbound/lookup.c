/* lookup: one name lookup that ends in time, in a thread of its own. */
#include "outbound/lookup.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static bool
resolve_by_system(const char *host, unsigned port, struct address_list *out)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char service[8];

	(void)snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &list) != 0)
		return false;
	out->count = 0;
	for (struct addrinfo *i = list; i != NULL && out->count < LOOKUP_ADDRESSES_MAX;
	     i = i->ai_next)
		if (i->ai_addrlen <= sizeof(out->addresses[0]))
			memcpy(&out->addresses[out->count++], i->ai_addr, i->ai_addrlen);
	freeaddrinfo(list);
	return out->count > 0;
}

void
lookup_leave(struct lookup *l)
{
	bool last = --l->users == 0;

	(void)pthread_mutex_unlock(&l->mutex);
	if (!last)
		return;
	(void)pthread_mutex_destroy(&l->mutex);
	(void)pthread_cond_destroy(&l->ready);
	free(l);
}

void *
lookup_run(void *arg)
{
	struct lookup *l = arg;
	struct address_list list = {.count = 0};
	bool found = l->resolve(l->host, l->port, &list);

	(void)pthread_mutex_lock(&l->mutex);
	l->list = list;
	l->found = found;
	l->done = true;
	(void)pthread_cond_signal(&l->ready);
	lookup_leave(l);
	return NULL;
}

struct lookup *
lookup_new(resolve_fn resolve, const char *host, unsigned port)
{
	struct lookup *l = calloc(1, sizeof(*l));
	pthread_condattr_t attributes;

	if (l == NULL)
		return NULL;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&l->mutex, NULL);
	(void)pthread_cond_init(&l->ready, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	l->resolve = resolve != NULL ? resolve : resolve_by_system;
	l->port = port;
	(void)stpncpy(l->host, host, sizeof(l->host) - 1);
	return l;
}

bool
lookup_wait(struct lookup *l, int64_t deadline_ms)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
				 .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
	int rc = 0;

	while (!l->done && rc == 0)
		rc = pthread_cond_timedwait(&l->ready, &l->mutex, &until);
	return l->done;
}
