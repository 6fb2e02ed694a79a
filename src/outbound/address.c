/* address: which addresses regcred connects to. */
#include "outbound/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/network.h"

/* Never, whatever the settings say. */
static const char *const refused[] = {
	"0.0.0.0/8",	      /* this host */
	"169.254.0.0/16",     /* link-local; metadata of most clouds: 169.254.169.254 */
	"100.100.100.200/32", /* metadata: Alibaba */
	"168.63.129.16/32",   /* the platform of Azure */
	"192.0.0.0/24",	      /* protocol assignments; metadata: Oracle */
	"224.0.0.0/4",	      /* multicast */
	"240.0.0.0/4",	      /* reserved, broadcast */
	"::/128",	      /* unspecified */
	"fe80::/10",	      /* link-local */
	"fec0::/10",	      /* site-local, deprecated */
	"ff00::/8",	      /* multicast */
	"fd00:ec2::/32",      /* metadata: AWS */
	"fd20:ce::/32",	      /* metadata: Google */
	"fd00:42::/32",	      /* metadata: Scaleway */
	"100::/64",	      /* discard */
};

/* Unless the settings allow them. */
static const char *const loopback[] = {"127.0.0.0/8", "::1/128"};

/* Networks where registries may be, but also services that callers must not learn about. */
static const char *const inside[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
				     "100.64.0.0/10", "fc00::/7"};

/* IPv6 networks whose addresses contain an IPv4 address, and where. */
static const struct embedding {
	const char *network;
	unsigned offset[4];    /* of its bytes */
	unsigned char flipped; /* XOR mask: Teredo stores it inverted */
} embeddings[] = {
	{"::/96", {12, 13, 14, 15}, 0},		  /* IPv4-compatible */
	{"::ffff:0:0:0/96", {12, 13, 14, 15}, 0}, /* IPv4-translated */
	{"64:ff9b::/96", {12, 13, 14, 15}, 0},	  /* NAT64 */
	{"64:ff9b:1::/48", {6, 7, 9, 10}, 0},	  /* NAT64 of a site, RFC 6052's form for /48 */
	{"64:ff9b:1::/48", {12, 13, 14, 15}, 0},  /* and for /96 within it */
	{"2002::/16", {2, 3, 4, 5}, 0},		  /* 6to4 */
	{"2001::/32", {12, 13, 14, 15}, 0xff},	  /* Teredo: the client */
	{"2001::/32", {4, 5, 6, 7}, 0},		  /* and its server */
};

/* ISATAP: any network, then 0000:5efe or 0200:5efe, then the IPv4 address. */
static bool
is_isatap(const struct network *n)
{
	return n->size == 16 && (n->bytes[8] & 0xfd) == 0 && n->bytes[9] == 0 &&
	       n->bytes[10] == 0x5e && n->bytes[11] == 0xfe;
}

static bool
is_in(const char *const *list, size_t count, const struct network *n)
{
	struct network outer;

	for (size_t i = 0; i < count; i++)
		if (network_parse(list[i], &outer) == NULL && network_contains(&outer, n))
			return true;
	return false;
}

static bool
is_allowed_itself(const struct network *n, const char *networks)
{
	if (is_in(refused, sizeof(refused) / sizeof(*refused), n))
		return false;
	return !is_in(loopback, sizeof(loopback) / sizeof(*loopback), n) ||
	       network_list_contains(networks, n);
}

static struct network
extract(const struct network *n, const struct embedding *e)
{
	struct network inner = {.size = 4, .prefix = 32};

	for (unsigned i = 0; i < 4; i++)
		inner.bytes[i] = n->bytes[e->offset[i]] ^ e->flipped;
	return inner;
}

/* Checks all IPv4 addresses that an IPv6 address may contain. */
static bool
embedded_allowed(const struct network *n, const char *networks)
{
	static const struct embedding isatap = {"", {12, 13, 14, 15}, 0};
	struct network inner;

	for (size_t i = 0; i < sizeof(embeddings) / sizeof(*embeddings); i++) {
		if (!is_in(&embeddings[i].network, 1, n))
			continue;
		inner = extract(n, &embeddings[i]);
		if (!is_allowed_itself(&inner, networks))
			return false;
	}
	inner = extract(n, &isatap);
	return !is_isatap(n) || is_allowed_itself(&inner, networks);
}

static bool
address_read_address(const struct sockaddr *address, struct network *out)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		*out = (struct network){.size = 4, .prefix = 32};
		memcpy(out->bytes, &in.sin_addr, 4);
		return true;
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		*out = (struct network){.size = 16, .prefix = 128};
		memcpy(out->bytes, &in6.sin6_addr, 16);
		return in6.sin6_scope_id == 0;
	}
	return false;
}

bool
outbound_allowed(const struct sockaddr *address, const char *networks)
{
	static const struct embedding mapped = {"", {12, 13, 14, 15}, 0};
	struct network n, loop;

	if (!address_read_address(address, &n))
		return false;
	if (n.size == 4)
		return is_allowed_itself(&n, networks);
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)n.bytes)) {
		n = extract(&n, &mapped);
		return is_allowed_itself(&n, networks);
	}
	if (!is_allowed_itself(&n, networks))
		return false;
	/* ::1 is in ::/96, but is not an IPv4 address. */
	if (network_parse("::1/128", &loop) == NULL && network_contains(&loop, &n))
		return true;
	return embedded_allowed(&n, networks);
}

static bool
is_own(const struct network *n)
{
	struct ifaddrs *list = NULL;
	struct network own;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return true; /* unknown: it might be internal */
	for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next)
		found = i->ifa_addr != NULL && address_read_address(i->ifa_addr, &own) &&
			network_contains(&own, n);
	freeifaddrs(list);
	return found;
}

bool
outbound_is_inside(const struct sockaddr *address, const char *networks)
{
	static const struct embedding mapped = {"", {12, 13, 14, 15}, 0};
	struct network n;

	if (!address_read_address(address, &n))
		return true;
	if (n.size == 16 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)n.bytes))
		n = extract(&n, &mapped);
	return !network_list_contains(networks, &n) &&
	       (is_in(inside, sizeof(inside) / sizeof(*inside), &n) || is_own(&n));
}
