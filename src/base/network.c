/* network: addresses and networks, parsed by inet_pton. */
#include "base/network.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum { MAPPED_BITS = 8 * sizeof(mapped) };

static bool
bit(const struct network *n, unsigned i)
{
	return (n->bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

bool
network_parse_address(const char *text, struct network *out)
{
	*out = (struct network){.size = 4, .prefix = 32};
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		return true;
	*out = (struct network){.size = 16, .prefix = 128};
	if (inet_pton(AF_INET6, text, out->bytes) != 1)
		return false;
	if (memcmp(out->bytes, mapped, sizeof(mapped)) == 0) {
		memmove(out->bytes, out->bytes + sizeof(mapped), 4);
		out->size = 4;
		out->prefix = 32;
	}
	return true;
}

/* One to three digits without a leading zero. */
static bool
parse_prefix(const char *text, unsigned *out)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || text[digits] != '\0' || (digits > 1 && *text == '0'))
		return false;
	*out = (unsigned)strtoul(text, NULL, 10);
	return true;
}

const char *
network_parse(const char *text, struct network *out)
{
	char address[INET6_ADDRSTRLEN + 4];
	size_t len = strcspn(text, "/");
	unsigned prefix;

	if (len >= sizeof(address))
		return "It is not a network: write one like 192.0.2.0/24 or 2001:db8::/32.";
	memcpy(address, text, len);
	address[len] = '\0';
	if (!network_parse_address(address, out))
		return "It is not a network: write one like 192.0.2.0/24 or 2001:db8::/32.";
	if (text[len] == '\0')
		return NULL;
	if (!parse_prefix(text + len + 1, &prefix))
		return "The prefix length is not a number: write how many bits count after the "
		       "slash.";
	if (strchr(address, ':') != NULL && out->size == 4) {
		if (prefix < MAPPED_BITS)
			return "The address has bits set after the prefix: write the network, or a "
			       "longer prefix.";
		prefix -= MAPPED_BITS;
	}
	if (prefix > out->prefix)
		return "The prefix is longer than the address: at most 32 for IPv4, 128 for IPv6.";
	out->prefix = prefix;
	for (unsigned i = prefix; i < 8 * out->size; i++)
		if (bit(out, i))
			return "The address has bits set after the prefix: write the network, or a "
			       "longer prefix.";
	return NULL;
}

bool
network_contains(const struct network *outer, const struct network *inner)
{
	unsigned whole = outer->prefix / 8, rest = outer->prefix % 8;

	if (outer->size != inner->size || outer->prefix > inner->prefix ||
	    memcmp(outer->bytes, inner->bytes, whole) != 0)
		return false;
	return rest == 0 || (outer->bytes[whole] ^ inner->bytes[whole]) >> (8 - rest) == 0;
}

const char *
network_text(struct arena *a, const char *text, const char **why)
{
	char address[INET6_ADDRSTRLEN];
	struct network n;

	*why = network_parse(text, &n);
	if (*why != NULL ||
	    inet_ntop(n.size == 4 ? AF_INET : AF_INET6, n.bytes, address, sizeof(address)) == NULL)
		return NULL;
	return arena_printf(a, "%s/%u", address, n.prefix);
}

const char *
network_list_parse(struct arena *a, const char *text, const char **why)
{
	const char *list = "";
	size_t count = 0;

	for (;; text++) {
		size_t len = strcspn(text, ",");
		const char *one = arena_copy(a, text, len);

		*why = NULL;
		one = one != NULL ? network_text(a, one, why) : NULL;
		if (one != NULL && count++ == LIST_ITEMS_MAX)
			*why = "There are more than 32 networks: send fewer.";
		if (one == NULL || *why != NULL)
			return NULL;
		list = list_add(a, list, one);
		text += len;
		if (list == NULL || *text == '\0')
			return list;
	}
}

bool
network_list_contains(const char *list, const struct network *inner)
{
	char text[LIST_ITEM_SIZE];
	struct network outer;

	while (list_next(&list, text))
		if (network_parse(text, &outer) == NULL && network_contains(&outer, inner))
			return true;
	return false;
}

bool
network_list_has(const char *list, const char *address)
{
	struct network n;

	return network_parse_address(address, &n) && network_list_contains(list, &n);
}

bool
network_list_within(const char *outer, const char *inner)
{
	char text[LIST_ITEM_SIZE];
	struct network n;

	while (list_next(&inner, text))
		if (network_parse(text, &n) != NULL || !network_list_contains(outer, &n))
			return false;
	return *inner == '\0'; /* else it is no list */
}
