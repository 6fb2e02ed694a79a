/* network: addresses of clients and the networks that contain them, IPv4 and IPv6.
 *
 * A list of networks is stored as one text (text.h), "10.0.0.0/8 2001:db8::/32": each in its
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
	unsigned prefix; /* length of the prefix in bits */
};

/* Parses "192.0.2.1" or "2001:db8::1": the prefix is the whole address. */
bool network_parse_address(const char *text, struct network *out);
/* The same, or with a prefix length: "192.0.2.0/24". NULL, or a sentence that says what is wrong.
 * Bits set after the prefix are an error, because the prefix may be mistyped. */
const char *network_parse(const char *text, struct network *out);
/* Whether outer contains all of inner. */
bool network_contains(const struct network *outer, const struct network *inner);

/* A network in the form used in lists. NULL with a sentence in *why, or if out of memory. */
const char *network_text(struct arena *a, const char *text, const char **why);
/* A list from comma-separated text, as in forms and on command lines. */
const char *network_list_parse(struct arena *a, const char *text, const char **why);
/* Whether the address, as the web server gives it, is in one of the networks. False if it is not an
 * address. */
bool network_list_has(const char *list, const char *address);
/* Whether each network of inner is within one of outer. */
bool network_list_within(const char *outer, const char *inner);
/* Whether the network is within one of the list. */
bool network_list_contains(const char *list, const struct network *inner);

#endif
