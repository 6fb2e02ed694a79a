/* http: methods, targets, forms, the Basic header; plain strings in, plain structs out.
 *
 * A text is decoded once, into a buffer of the same length: percent-decoding never makes a text
 * longer.
 */
#include "base/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

enum {
	HOST_MAX = 255,
	PORT_DIGITS_MAX = 5,
};

#define HOST_CHARS DIGITS LETTERS ".-_"
/* Unquoted values as seen in practice: a boundary may contain more than token characters. */
#define LENIENT_CHARS TOKEN_CHARS "()<>@,:\\/[]?={}"
#define PATH_CHARS UNRESERVED_CHARS "/%!$&'()*+,;=:@" /* RFC 3986, 3.3 */

/* Methods, statuses, headers. */

static const char *const method_names[HTTP_OTHER] = {
	[HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE",
};

enum http_method
http_method_parse(const char *text)
{
	for (unsigned i = 0; text != NULL && i < HTTP_OTHER; i++)
		if (strcmp(text, method_names[i]) == 0)
			return (enum http_method)i;
	return HTTP_OTHER;
}

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{301, "Moved Permanently"},
	{303, "See Other"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{409, "Conflict"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{422, "Unprocessable Content"},
	{429, "Too Many Requests"},
	{500, "Internal Server Error"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{507, "Insufficient Storage"},
};

const char *
http_reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if (http_is_control(*text))
			return true;
	return false;
}

void
response_header(struct response *response, const char *name, const char *value)
{
	if (value == NULL || has_control(value))
		return;
	assert(response->header_count < HTTP_HEADERS_MAX);
	response->headers[response->header_count++] = (struct header){name, value};
}

/* Percent-encoding. */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum { PLUS_STAYS, PLUS_IS_BLANK };

/* Decodes len bytes to *to, adds a NUL and moves *to past it. Returns what is wrong with the text,
 * or NULL. */
static const char *
decode(const char *text, size_t len, int plus, char **to)
{
	char *start = *to, *out = start;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (text[i] != '%') {
			*out++ = text[i] == '+' && plus == PLUS_IS_BLANK ? ' ' : text[i];
			continue;
		}
		high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
		low = high >= 0 ? hex_digit(text[i + 2]) : -1;
		if (low < 0)
			return "A % is not followed by two hexadecimal digits: write %25 for the "
			       "sign itself.";
		*out++ = (char)(high * 16 + low);
		i += 2;
	}
	*out = '\0';
	*to = out + 1;
	if (memchr(start, '\0', (size_t)(out - start)) != NULL)
		return "The text contains a NUL byte: leave it out.";
	if (!http_utf8_valid(start, (size_t)(out - start)))
		return "The text is not valid UTF-8: encode it as UTF-8.";
	return NULL;
}

/* Forms and queries. */

const char *
pairs_find(const struct pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (strcmp(pairs->items[i].name, name) == 0)
			return pairs->items[i].value;
	return NULL;
}

/* Counts the non-empty parts between the '&'. */
static size_t
count_pairs(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += text[i] != '&' && (i == 0 || text[i - 1] == '&');
	return count;
}

static const char *
parse_pair(const char *text, size_t len, char **to, struct pair *out)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals != NULL ? (size_t)(equals - text) : len;
	const char *why;

	out->name = *to;
	why = decode(text, name_len, PLUS_IS_BLANK, to);
	if (why != NULL)
		return why;
	if (equals == NULL) {
		out->value = "";
		return NULL;
	}
	out->value = *to;
	return decode(equals + 1, len - name_len - 1, PLUS_IS_BLANK, to);
}

static enum err
parse_pairs(const char *text, size_t len, char *to, struct pairs *out, struct error *e)
{
	const char *end = text + len;

	while (text < end) {
		const char *amp = memchr(text, '&', (size_t)(end - text));
		size_t piece = (size_t)((amp != NULL ? amp : end) - text);
		const char *why;

		if (piece > 0) {
			why = parse_pair(text, piece, &to, &out->items[out->count++]);
			if (why != NULL)
				return err_set(e, ERR_BAD_REQUEST, NULL, why);
		}
		text += piece + (amp != NULL);
	}
	return ERR_NONE;
}

enum err
http_form_parse(struct arena *a, const char *text, size_t len, struct pairs *out, struct error *e)
{
	struct pairs pairs = {NULL, 0};
	size_t count = count_pairs(text, len);
	char *decoded;
	enum err code;

	*out = pairs;
	if (count == 0)
		return ERR_NONE;
	if (count > HTTP_PAIRS_MAX)
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "There are more than 512 parameters: send fewer.");
	pairs.items = arena_array(a, count, sizeof(*pairs.items));
	decoded =
		arena_alloc(a, len + count); /* a '=' makes room for one NUL, the other is extra */
	if (pairs.items == NULL || decoded == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	code = parse_pairs(text, len, decoded, &pairs, e);
	if (code == ERR_NONE)
		*out = pairs;
	return code;
}

/* Targets. */

/* Decodes one segment, and keeps it if there is room. */
static enum err
parse_segment(const char *text, size_t len, char **to, struct target *out, struct error *e)
{
	const char *segment = *to;
	const char *why = decode(text, len, PLUS_STAYS, to);

	if (why != NULL)
		return err_set(e, ERR_BAD_REQUEST, NULL, why);
	if (has_control(segment))
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "The path contains a control character: leave it out.");
	if (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
		return err_set(e, ERR_NOT_FOUND, NULL,
			       "The path has a segment of dots: send the URL without it.");
	if (strpbrk(segment, "/\\") != NULL)
		return err_set(e, ERR_NOT_FOUND, NULL,
			       "A path segment contains an encoded slash or backslash: send the "
			       "URL without it.");
	if (out->segment_count < HTTP_SEGMENTS_MAX)
		out->segments[out->segment_count++] = segment;
	return ERR_NONE;
}

static enum err
parse_path(struct arena *a, const char *path, struct target *out, struct error *e)
{
	char *to = arena_alloc(a, strlen(path) + 1);

	if (to == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	for (path += strspn(path, "/"); *path != '\0'; path += strspn(path, "/")) {
		size_t len = strcspn(path, "/");
		enum err code = parse_segment(path, len, &to, out, e);

		if (code != ERR_NONE)
			return code;
		path += len;
	}
	return ERR_NONE;
}

enum err
http_target_parse(struct arena *a, const char *raw, struct target *out, struct error *e)
{
	struct target target = {.path = NULL};
	size_t len = strnlen(raw, HTTP_TARGET_MAX + 1), path_len = strcspn(raw, "?");
	enum err code;

	if (len > HTTP_TARGET_MAX)
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "The URL is longer than 32 KiB: send a shorter one.");
	if (raw[0] != '/')
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "The path of the URL does not begin with a slash: add one.");
	target.path = arena_copy(a, raw, path_len);
	target.raw_query = arena_strdup(a, raw[path_len] == '?' ? raw + path_len + 1 : "");
	if (target.path == NULL || target.raw_query == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	code = parse_path(a, target.path, &target, e);
	if (code != ERR_NONE)
		return code;
	code = http_form_parse(a, target.raw_query, strlen(target.raw_query), &target.query, e);
	if (code == ERR_NONE)
		*out = target;
	return code;
}

/* Entity tags. */

/* Texts are reduced by a fast hash first, because the cryptographic hash alone would take longer
 * than the rest of a list request. Each step of a lane is invertible, so two texts that differ in
 * one word of a lane never collide.
 */
enum { LANES = 8, BLOCK = LANES * sizeof(uint64_t) };

static size_t
fold(uint64_t lanes[LANES], const char *text, size_t len)
{
	size_t at = 0;

	for (; len - at >= BLOCK; at += BLOCK)
		for (size_t i = 0; i < LANES; i++) {
			uint64_t word;

			memcpy(&word, text + at + i * sizeof(word), sizeof(word));
			word = (word ^ lanes[i]) * UINT64_C(0x9e3779b97f4a7c15);
			lanes[i] = word << 31 | word >> 33;
		}
	return at;
}

const char *
http_etag(struct arena *a, const char *body, size_t len)
{
	enum { SIZE = 16 };
	uint64_t lanes[LANES] = {0};
	unsigned char hash[SIZE];
	crypto_generichash_state state;
	char *etag = arena_alloc(a, 2 * SIZE + 3);

	if (etag == NULL)
		return NULL;
	size_t folded = fold(lanes, body, len);
	(void)crypto_generichash_init(&state, NULL, 0, SIZE);
	(void)crypto_generichash_update(&state, (const unsigned char *)lanes, sizeof(lanes));
	(void)crypto_generichash_update(&state, (const unsigned char *)body + folded, len - folded);
	(void)crypto_generichash_final(&state, hash, SIZE);
	etag[0] = '"';
	(void)sodium_bin2hex(etag + 1, 2 * SIZE + 1, hash, SIZE);
	etag[2 * SIZE + 1] = '"';
	return etag;
}

bool
http_etag_in(const char *list, const char *etag, bool weak, bool *found)
{
	size_t count = 0;

	list += strspn(list, " \t");
	*found = *list == '*';
	if (*found)
		return list[1 + strspn(list + 1, " \t")] == '\0';
	for (list += strspn(list, " \t,"); *list != '\0'; list += strspn(list, " \t,")) {
		bool is_weak = strncmp(list, "W/", 2) == 0;

		list += is_weak ? 2 : 0;
		const char *end = *list == '"' ? strchr(list + 1, '"') : NULL;
		if (end == NULL || strchr(" \t,", end[1]) == NULL)
			return false;
		size_t len = (size_t)(end + 1 - list);
		*found |= (weak || !is_weak) && len == strlen(etag) && memcmp(list, etag, len) == 0;
		list = end + 1;
		count++;
	}
	return count > 0;
}

/* Media types and their parameters. */

const char *
http_media_type(struct arena *a, const char *content_type)
{
	char *type;

	if (content_type == NULL)
		return "";
	content_type += strspn(content_type, " \t");
	type = arena_copy(a, content_type, strcspn(content_type, " \t;,"));
	if (type == NULL)
		return "";
	for (char *c = type; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return type;
}

enum param
http_find_param(struct arena *a, const char *text, const char *name, const char **value)
{
	struct header_reader r = {a, text};

	*value = NULL;
	for (header_skip_blanks(&r); *r.at != '\0'; header_skip_blanks(&r)) {
		if (*r.at++ != ';')
			return PARAM_BROKEN;
		header_skip_blanks(&r);
		size_t len = strspn(r.at, TOKEN_CHARS);
		bool wanted = len == strlen(name) && strncasecmp(r.at, name, len) == 0;
		r.at += len;
		if (len == 0 && (*r.at == ';' || *r.at == '\0'))
			continue;
		if (len == 0 || *r.at++ != '=')
			return PARAM_BROKEN;
		const char *found =
			*r.at == ';' || *r.at == '\0' ? "" : header_value(&r, LENIENT_CHARS);
		if (found == NULL)
			return arena_failed(a) ? PARAM_NO_MEMORY : PARAM_BROKEN;
		if (wanted && *value != NULL)
			return PARAM_BROKEN;
		if (wanted)
			*value = found;
	}
	return *value != NULL ? PARAM_FOUND : PARAM_NONE;
}

/* Authorization and cookies. */

bool
http_basic_parse(struct arena *a, const char *authorization, const char **user,
		 const char **password)
{
	static const char scheme[] = "Basic ";
	size_t len, decoded_len;
	int variant;
	char *decoded, *colon;

	if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return false;
	authorization += sizeof(scheme) - 1;
	authorization += strspn(authorization, " ");
	len = strcspn(authorization, " \t");
	if (len == 0 || authorization[len + strspn(authorization + len, " \t")] != '\0')
		return false;
	decoded = arena_alloc(a, len);
	if (decoded == NULL)
		return false;
	variant = authorization[len - 1] == '=' ? sodium_base64_VARIANT_ORIGINAL
						: sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
	/* Decoding shortens the text by a quarter, so there is room for the NUL, which is already
	 * there. */
	if (sodium_base642bin((unsigned char *)decoded, len - 1, authorization, len, NULL,
			      &decoded_len, NULL, variant) != 0)
		return false;
	colon = memchr(decoded, ':', decoded_len);
	if (colon == NULL || memchr(decoded, '\0', decoded_len) != NULL)
		return false;
	*colon = '\0';
	*user = decoded;
	*password = colon + 1;
	return true;
}

const char *
http_cookie(struct arena *a, const char *header, const char *name)
{
	size_t name_len = strlen(name);

	if (header == NULL)
		return NULL;
	for (header += strspn(header, " \t;"); *header != '\0'; header += strspn(header, " \t;")) {
		size_t len = strcspn(header, ";");

		if (len > name_len && header[name_len] == '=' &&
		    strncmp(header, name, name_len) == 0) {
			const char *value = header + name_len + 1;

			for (len -= name_len + 1; len > 0 && http_is_blank(value[len - 1]);)
				len--;
			return arena_copy(a, value, len);
		}
		header += len;
	}
	return NULL;
}

/* Hosts. */

static bool
is_port(const char *text)
{
	size_t len = strspn(text, DIGITS);
	unsigned port = 0;

	if (len == 0 || len > PORT_DIGITS_MAX || text[len] != '\0' || text[0] == '0')
		return false;
	for (; *text != '\0'; text++)
		port = port * 10 + (unsigned)(*text - '0');
	return port <= 65535;
}

/* The length of an IPv6 literal that begins with '[', including its brackets; 0 if none. */
static size_t
ipv6_length(const char *host)
{
	char literal[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t len = strcspn(host, "]");

	if (host[len] != ']' || len > sizeof(literal))
		return 0;
	memcpy(literal, host + 1, len - 1);
	literal[len - 1] = '\0';
	return inet_pton(AF_INET6, literal, &address) == 1 ? len + 1 : 0;
}

bool
http_host_valid(const char *host)
{
	size_t len = 0;

	if (host == NULL || strnlen(host, HOST_MAX + 1) > HOST_MAX)
		return false;
	len = host[0] == '[' ? ipv6_length(host) : strspn(host, HOST_CHARS);
	if (len == 0)
		return false;
	return host[len] == '\0' || (host[len] == ':' && is_port(host + len + 1));
}

/* Whether the segment is "." or "..", encoded or not: a client leaves a directory by it. */
static bool
is_dots(const char *segment)
{
	size_t dots = 0;

	for (;; dots++) {
		if (*segment == '.')
			segment++;
		else if (strncasecmp(segment, "%2e", 3) == 0)
			segment += 3;
		else
			break;
	}
	return (*segment == '/' || *segment == '\0') && (dots == 1 || dots == 2);
}

bool
http_prefix_valid(const char *path)
{
	if ((path[0] != '\0' && path[0] != '/') || path[strspn(path, PATH_CHARS)] != '\0')
		return false;
	for (const char *at = path; *at != '\0'; at += strcspn(at, "/"))
		if (is_dots(++at))
			return false;
	return true;
}

const char *
http_prefix_tidy(struct arena *a, const char *path)
{
	char *tidy = arena_strdup(a, path), *end = tidy;

	for (; tidy != NULL && *path != '\0'; path++)
		if (*path != '/' || (path[1] != '/' && path[1] != '\0'))
			*end++ = *path;
	if (tidy != NULL)
		*end = '\0';
	return tidy;
}
