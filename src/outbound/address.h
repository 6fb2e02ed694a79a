/* address: which addresses regcred connects to on behalf of its clients.
 *
 * Anyone who may store a registry's address makes the server connect to it. Private networks are
 * allowed, because registries are often there. Loopback, link-local addresses and the metadata
 * services of clouds are not.
 */
#ifndef REGCRED_OUTBOUND_ADDRESS_H
#define REGCRED_OUTBOUND_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* networks: a list as in network.h of loopback networks that are allowed anyway; "" for none.  An
 * IPv4 address inside an IPv6 one (mapped, NAT64, 6to4, Teredo …) counts as itself.
 */
bool outbound_allowed(const struct sockaddr *address, const char *networks);

/* Whether the address is private or this machine's own, and not in the list. A caller who may only
 * store an address must not learn what answers there. */
bool outbound_is_inside(const struct sockaddr *address, const char *networks);

#endif
