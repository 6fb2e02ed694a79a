/* registry_url: parses addresses of registries and references of images. */
#include "registry/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/http.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define BLANKS " \t\r\n\f\v"

enum { LABEL_MAX = 63, PORT_MAX = 65535, IMAGE_ID_DIGITS = 64, HTTPS_PORT = 443, HTTP_PORT = 80 };

static const char no_memory[] = "The server is out of memory to read the address: try again.";
static const char bad_host[] =
	"The address has no valid host: write a name or an IP address, IPv6 in "
	"brackets, names in other alphabets in their ASCII form.";
static const char bad_port[] =
	"The port is not valid: write a number from 1 to 65535 after the colon.";

/* What may be before "://". The schemes of tools mean a registry with TLS. */
static const struct scheme {
	const char *name;
	bool plain_http;
} schemes[] = {
	{"https", false},
	{"http", true},
	{"docker", false},
	{"oci", false},
};

/* Names that mean Docker Hub, and the host of its API. */
static const char *const hub_names[] = {
	REGISTRY_HUB,	      "index.docker.io",	 "registry-1.docker.io",
	"registry.docker.io", "registry.hub.docker.com", "hub.docker.com",
	"www.docker.io",
};
static const char hub_host[] = "registry-1.docker.io";

/* A host and its port, as in an address or before an image's name. */
struct authority {
	char host[REGISTRY_HOST_MAX + 1]; /* canonical, without brackets */
	bool ipv6;
	unsigned port; /* 0: not given */
};

static bool
only(const char *text, size_t len, const char *characters)
{
	return strspn(text, characters) >= len;
}

/* Labels of letters, digits, - and _ (used in private networks), as in DNS. */
static bool
url_is_name(const char *host)
{
	for (;; host++) {
		size_t len = strcspn(host, ".");

		if (len == 0 || len > LABEL_MAX || host[0] == '-' || host[len - 1] == '-' ||
		    !only(host, len, LOWER DIGITS "-_"))
			return false;
		host += len;
		if (*host == '\0')
			return true;
	}
}

/* Whether the resolver might take it for an IPv4 address in an odd form: "127.1", "0x7f000001". */
static bool
looks_numeric(const char *host)
{
	const char *last = strrchr(host, '.');

	last = last != NULL ? last + 1 : host;
	if (strncmp(last, "0x", 2) == 0)
		return true;
	return strspn(last, DIGITS) == strlen(last);
}

static bool
read_ipv6(const char *text, size_t len, struct authority *out)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET6, copy, bytes) != 1)
		return false;
	out->ipv6 = true;
	return inet_ntop(AF_INET6, bytes, out->host, sizeof(out->host)) != NULL;
}

static bool
url_read_name(const char *text, size_t len, struct authority *out)
{
	unsigned char bytes[4];

	if (len > 1 && text[len - 1] == '.')
		len--; /* the final dot: the root of DNS */
	if (len == 0 || len >= sizeof(out->host))
		return false;
	for (size_t i = 0; i < len; i++)
		out->host[i] = (char)tolower((unsigned char)text[i]);
	out->host[len] = '\0';
	if (!url_is_name(out->host))
		return false;
	return !looks_numeric(out->host) || inet_pton(AF_INET, out->host, bytes) == 1;
}

static bool
read_port(const char *text, size_t len, unsigned *out)
{
	if (len == 0 || len > 5 || text[0] == '0' || !only(text, len, DIGITS))
		return false;
	*out = (unsigned)strtoul(text, NULL, 10);
	return *out <= PORT_MAX;
}

static const char *
read_authority(const char *text, size_t len, struct authority *out)
{
	const char *end = text + len, *colon = NULL, *close;
	bool read;

	*out = (struct authority){0};
	if (len > 0 && text[0] == '[') {
		close = memchr(text, ']', len);
		if (close == NULL || (close + 1 < end && close[1] != ':'))
			return bad_host;
		colon = close + 1 < end ? close + 1 : NULL;
		read = read_ipv6(text + 1, (size_t)(close - text - 1), out);
	} else {
		colon = memchr(text, ':', len);
		read = url_read_name(text, (size_t)((colon != NULL ? colon : end) - text), out);
	}
	if (!read)
		return bad_host;
	if (colon != NULL && !read_port(colon + 1, (size_t)(end - colon - 1), &out->port))
		return bad_port;
	return NULL;
}

static unsigned
usual_port(bool plain_http)
{
	return plain_http ? HTTP_PORT : HTTPS_PORT;
}

/* The key, as in an image reference. */
static const char *
url_key_of(struct arena *a, const struct authority *at, bool plain_http)
{
	const char *open = at->ipv6 ? "[" : "", *close = at->ipv6 ? "]" : "";

	if (at->port == 0 || at->port == usual_port(plain_http))
		return arena_printf(a, "%s%s%s", open, at->host, close);
	return arena_printf(a, "%s%s%s:%u", open, at->host, close, at->port);
}

static bool
is_hub(const char *key)
{
	for (size_t i = 0; i < sizeof(hub_names) / sizeof(*hub_names); i++)
		if (strcmp(hub_names[i], key) == 0)
			return true;
	return false;
}

static bool
is_api_version(const char *text, size_t len)
{
	return len == 2 && (memcmp(text, "v1", 2) == 0 || memcmp(text, "v2", 2) == 0);
}

/* The path without empty segments and without the API version that docker configurations add
 * ("https://index.docker.io/v1/"). NULL: a character that no repository has. */
static const char *
url_read_path(struct arena *a, const char *text)
{
	char *out = arena_alloc(a, strlen(text) + 1), *end = out;
	bool first = true;

	for (size_t len; out != NULL && *text != '\0'; text += len + (text[len] == '/')) {
		len = strcspn(text, "/");
		if (len == 0)
			continue;
		if (!only(text, len, LOWER UPPER DIGITS "-_.") || only(text, len, "."))
			return NULL;
		if (!first || !is_api_version(text, len)) {
			if (end != out)
				*end++ = '/';
			memcpy(end, text, len);
			end += len;
		}
		first = false;
	}
	return out;
}

/* The part of the address after its scheme; NULL if the scheme does not fit a registry. */
static const char *
skip_scheme(const char *text, bool *plain_http)
{
	const char *mark = strstr(text, "://");

	*plain_http = false;
	if (mark == NULL || memchr(text, '/', (size_t)(mark - text)) != NULL)
		return text;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t len = strlen(schemes[i].name);

		if ((size_t)(mark - text) == len && strncasecmp(text, schemes[i].name, len) == 0) {
			*plain_http = schemes[i].plain_http;
			return mark + 3;
		}
	}
	return NULL;
}

static void
set_api(struct arena *a, const struct authority *at, struct registry_url *out)
{
	unsigned usual = usual_port(out->plain_http);
	const char *open = at->ipv6 ? "[" : "", *close = at->ipv6 ? "]" : "";

	out->host = out->hub ? hub_host : arena_strdup(a, at->host);
	out->port = out->hub || at->port == 0 ? usual : at->port;
	if (out->host == NULL)
		return;
	if (out->port == usual)
		out->api = arena_printf(a, "http%s://%s%s%s", out->plain_http ? "" : "s", open,
					out->host, close);
	else
		out->api = arena_printf(a, "http%s://%s%s%s:%u", out->plain_http ? "" : "s", open,
					out->host, close, out->port);
}

const char *
registry_url_parse(struct arena *a, const char *address, struct registry_url *out)
{
	struct authority at;
	size_t len;

	*out = (struct registry_url){0};
	address += strspn(address, BLANKS);
	len = strlen(address);
	while (len > 0 && strchr(BLANKS, address[len - 1]) != NULL)
		len--;
	if (len == 0)
		return "The address is empty: name a registry.";
	const char *text = arena_copy(a, address, len);
	if (text == NULL)
		return no_memory;
	if (text[strcspn(text, BLANKS)] != '\0')
		return "The address contains a space: remove it.";
	const char *whole = text;
	text = skip_scheme(text, &out->plain_http);
	out->scheme_given = text != whole;
	if (text == NULL)
		return "The address begins with another scheme: use https:// or http://, or the "
		       "host alone.";
	if (text[strcspn(text, "?#")] != '\0')
		return "The address contains parameters: leave out what follows ? or #.";
	size_t host_len = strcspn(text, "/");
	if (memchr(text, '@', host_len) != NULL)
		return "The address contains a user name: send it as publicValue, and the password "
		       "as secretValue.";
	const char *why = read_authority(text, host_len, &at);
	if (why != NULL)
		return why;
	out->path = url_read_path(a, text + host_len);
	if (out->path == NULL && !arena_failed(a))
		return "The path of the address contains characters that no repository name has: "
		       "correct it.";
	out->written = arena_copy(a, text, host_len);
	out->key = url_key_of(a, &at, out->plain_http);
	out->port_dropped = at.port != 0 && at.port == usual_port(out->plain_http);
	out->hub = out->key != NULL && is_hub(out->key);
	if (out->hub) {
		out->key = REGISTRY_HUB;
		out->plain_http = false; /* Docker Hub only redirects there */
	}
	set_api(a, &at, out);
	return arena_failed(a) ? no_memory : NULL;
}

/* Whether docker treats the part before the first slash as a registry. */
static bool
names_registry(const char *text, size_t len)
{
	if (len == strlen("localhost") && memcmp(text, "localhost", len) == 0)
		return true;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '.' || text[i] == ':' || isupper((unsigned char)text[i]))
			return true;
	return false;
}

/* Words of lower-case letters and digits, separated by one dot, one or two underscores, or dashes.
 */
static bool
is_component(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t word = i, mark;

		while (i < len && strchr(LOWER DIGITS, text[i]) != NULL)
			i++;
		if (i == word)
			return false;
		if (i == len)
			return true;
		mark = i;
		while (i < len && text[i] == text[mark] && strchr("._-", text[i]) != NULL)
			i++;
		if (i == mark || (text[mark] == '.' && i > mark + 1) ||
		    (text[mark] == '_' && i > mark + 2))
			return false;
	}
	return false; /* empty, or ends with a separator */
}

static bool
is_repository(const char *text)
{
	for (;; text++) {
		size_t len = strcspn(text, "/");

		if (!is_component(text, len))
			return false;
		text += len;
		if (*text == '\0')
			return true;
	}
}

static bool
is_tag(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= IMAGE_TAG_MAX && text[0] != '.' && text[0] != '-' &&
	       only(text, len, LOWER UPPER DIGITS "_.-");
}

/* "sha256:" and 64 hexadecimal digits; other algorithms need at least 32. */
static bool
is_digest(const char *text)
{
	static const struct {
		const char *method;
		size_t digits;
	} known[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};
	size_t method = strcspn(text, ":"), len;

	if (method == 0 || text[method] == '\0' || !isalpha((unsigned char)text[0]) ||
	    !only(text, method, LOWER UPPER DIGITS "+._-"))
		return false;
	len = strlen(text + method + 1);
	if (len < 32 || !only(text + method + 1, len, DIGITS "abcdef"))
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strncmp(text, known[i].method, strlen(known[i].method)) == 0)
			return len == known[i].digits;
	return true;
}

/* Removes tag and digest from the end. */
static const char *
split_name(char *name, struct registry_image *out)
{
	char *digest = strchr(name, '@'), *slash, *tag;

	if (digest != NULL) {
		*digest++ = '\0';
		out->digest = digest;
		if (!is_digest(digest))
			return "What follows the @ is not a digest: write one like sha256:….";
	}
	slash = strrchr(name, '/');
	tag = strchr(slash != NULL ? slash : name, ':');
	if (tag != NULL) {
		*tag++ = '\0';
		out->tag = tag;
		if (!is_tag(tag))
			return "What follows the colon is not a tag: correct it.";
	}
	return is_repository(name) ? NULL
				   : "The name of the image is not valid: write names like "
				     "acme/app, in lower case.";
}

const char *
registry_image_parse(struct arena *a, const char *reference, struct registry_image *out)
{
	struct authority at;
	const char *why;

	*out = (struct registry_image){.key = REGISTRY_HUB};
	if (strncasecmp(reference, "docker://", 9) == 0)
		reference += 9;
	if (strstr(reference, "://") != NULL)
		return "An image has no scheme: send its name as docker pull takes it, such as "
		       "ghcr.io/acme/app:1.";
	size_t len = strcspn(reference, "/");
	if (len == IMAGE_ID_DIGITS && only(reference, len, DIGITS "abcdef") &&
	    reference[len] == '\0')
		return "This is the id of an image, which no registry knows: send its name.";
	if (reference[len] == '/' && names_registry(reference, len)) {
		why = read_authority(reference, len, &at);
		if (why != NULL)
			return why;
		out->key = url_key_of(a, &at, false);
		out->written = arena_copy(a, reference, len);
		reference += len + 1;
	}
	char *name = arena_strdup(a, reference);
	if (name == NULL) /* also if out of memory for the key */
		return no_memory;
	why = split_name(name, out);
	if (why != NULL)
		return why;
	if (is_hub(out->key)) {
		out->key = REGISTRY_HUB;
		if (strchr(name, '/') == NULL)
			name = arena_printf(a, "library/%s", name);
	}
	out->repository = name;
	if (name == NULL)
		return no_memory;
	return strlen(out->key) + 1 + strlen(name) <= REPOSITORY_MAX
		       ? NULL
		       : "The name of the image is longer than 255 characters: correct it.";
}

bool
registry_is_hub_name(const char *written)
{
	return strcasecmp(written, REGISTRY_HUB) == 0 ||
	       strcasecmp(written, "index.docker.io") == 0;
}

const char *
registry_path_check(const char *path)
{
	if (strlen(path) > REPOSITORY_MAX)
		return "The path is longer than 255 characters: send a shorter one.";
	return is_repository(path) ? NULL
				   : "It is not a repository path: write names like acme/app, of "
				     "a to z and 0 to 9, with one . or _, __ or dashes between.";
}

bool
registry_path_holds(const char *path, const char *repository)
{
	size_t len = strlen(path);

	return len == 0 || (strncmp(repository, path, len) == 0 &&
			    (repository[len] == '/' || repository[len] == '\0'));
}
