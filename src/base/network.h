/* network: addresses of clients and the networks that they are in, IPv4 and IPv6.
 *
 * A list of networks is kept as one text (text.h), "10.0.0.0/8 2001:db8::/32": each in its
 * canonical form.  An IPv4 address that is mapped into IPv6 (::ffff:192.0.2.1) counts as IPv4.
 */
#ifndef REGCRED_NETWORK_H
#define REGCRED_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/text.h"

struct network {
	unsigned char bytes[16];
	unsigned size;	 /* of the address in bytes: 4 or 16 */
	unsigned prefix; /* bits that count */
};

/* "192.0.2.1", "2001:db8::1": all bits count. */
bool network_parse_address(const char *text, struct network *out);
/* The same, or with the length of its prefix: "192.0.2.0/24".  NULL, or a sentence that says what
 * is wrong; bits behind the prefix are wrong, because it may be the prefix that is mistyped. */
const char *network_parse(const char *text, struct network *out);
/* Whether all of inner lies in outer. */
bool network_contains(const struct network *outer, const struct network *inner);

/* A network as a list has it.  NULL: a sentence in *why, or no memory. */
const char *network_text(struct arena *a, const char *text, const char **why);
/* A list from a text with commas between, as forms and command lines have it. */
const char *network_list_parse(struct arena *a, const char *text, const char **why);
/* Whether the address, as the web server gives it, lies in one of the networks.  Never for what is
 * no address. */
bool network_list_has(const char *list, const char *address);
/* Whether each network of inner lies in one of outer. */
bool network_list_within(const char *outer, const char *inner);
/* Whether the network is in one of the list. */
bool network_list_contains(const char *list, const struct network *inner);

#endif
