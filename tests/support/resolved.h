/* resolved: in the place of the system's getaddrinfo() one for which no name exists but the
 * stand-ins' number; it keeps the last name.  For one file of a program. */
#ifndef REGCRED_TESTS_RESOLVED_H
#define REGCRED_TESTS_RESOLVED_H

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>

static char resolved[256];

int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
	    struct addrinfo **out)
{
	static int (*system_getaddrinfo)(const char *, const char *, const struct addrinfo *,
					 struct addrinfo **);

	if (system_getaddrinfo == NULL)
		*(void **)&system_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
	if (inet_addr(host) != INADDR_NONE)
		return system_getaddrinfo(host, service, hints, out);
	(void)snprintf(resolved, sizeof(resolved), "%s", host);
	return EAI_NONAME;
}

#endif
