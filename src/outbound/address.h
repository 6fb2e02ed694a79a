/* address: which addresses regcred connects to on behalf of its clients.
 *
 * Whoever may store a registry's address makes the server connect there.  Private networks are
 * where registries stand, and allowed.  The server itself, the link and the services that hand
 * out a cloud machine's own secrets are not.
 */
#ifndef REGCRED_OUTBOUND_ADDRESS_H
#define REGCRED_OUTBOUND_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* networks: a list as network.h keeps it, of loopback networks that are allowed all the same; ""
 * for none.  An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4, Teredo …) counts as itself.
 */
bool outbound_allowed(const struct sockaddr *address, const char *networks);

/* Whether it is in a private network, or this machine's own; not, if the list names it.  What
 * answers there is nobody's business who may only store an address. */
bool outbound_is_inside(const struct sockaddr *address, const char *networks);

#endif
