/* http: methods, targets, forms, the Basic header; plain strings in, plain structs out.
 *
 * A text is decoded once, into a buffer as long as itself: percent-decoding never makes a text
 * longer.
 */
#define _GNU_SOURCE 1 /* memmem */
#include "base/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

enum {
	HOST_MAX = 255,
	PORT_DIGITS_MAX = 5,
	BOUNDARY_MAX = 70, /* RFC 2046, 5.1.1 */
};

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TOKEN_CHARS DIGITS LETTERS "!#$%&'*+-.^_`|~"  /* RFC 9110, 5.6.2 */
#define BOUNDARY_CHARS DIGITS LETTERS "'()+_,-./:=? " /* RFC 2046, 5.1.1 */
#define HOST_CHARS DIGITS LETTERS ".-_"
#define UNRESERVED_CHARS DIGITS LETTERS "-._~"	      /* RFC 3986, 2.3 */
#define PATH_CHARS UNRESERVED_CHARS "/%!$&'()*+,;=:@" /* RFC 3986, 3.3 */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

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
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{409, "Conflict"},
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
		if (is_control(*text))
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

/* UTF-8. */

/* How many bytes the well-formed character at p has; 0 if there is none within len bytes.  The
 * bounds of the second byte are those of table 3-7 of the Unicode standard.  The bytes are looked
 * at in order and none behind the first wrong one. */
static size_t
utf8_step(const unsigned char *p, size_t len)
{
	unsigned char least = 0x80, most = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return p[0] != 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		least = 0xa0; /* overlong below */
	else if (p[0] == 0xed)
		most = 0x9f; /* surrogates above */
	else if (p[0] == 0xf0)
		least = 0x90;
	else if (p[0] == 0xf4)
		most = 0x8f; /* U+10FFFF is the last one */
	if (len < n || p[1] < least || p[1] > most)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool
http_utf8_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_step(p + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

size_t
http_utf8_length(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
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

/* Decodes len bytes to *to, puts a NUL behind them and moves *to behind that.  Returns what is
 * wrong with the text, or NULL. */
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
			return "A % is not followed by two hexadecimal digits.";
		*out++ = (char)(high * 16 + low);
		i += 2;
	}
	*out = '\0';
	*to = out + 1;
	if (memchr(start, '\0', (size_t)(out - start)) != NULL)
		return "The text holds a NUL.";
	if (!http_utf8_valid(start, (size_t)(out - start)))
		return "The text is not valid UTF-8.";
	return NULL;
}

char *
http_base64(struct arena *a, const char *bytes, size_t len)
{
	size_t room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
	char *out = arena_alloc(a, room);

	if (out != NULL)
		(void)sodium_bin2base64(out, room, (const unsigned char *)bytes, len,
					sodium_base64_VARIANT_ORIGINAL);
	return out;
}

char *
http_encode(struct arena *a, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *encoded = arena_array(a, strlen(text) + 1, 3), *out = encoded;

	if (encoded == NULL)
		return NULL;
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (strchr(UNRESERVED_CHARS, *text) != NULL) {
			*out++ = *text;
			continue;
		}
		*out++ = '%';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	return encoded;
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

/* How many non-empty pieces there are between the '&'. */
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
		return err_set(e, ERR_BAD_REQUEST, NULL, "There are too many parameters.");
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

/* Decodes one segment and keeps it if there is still a place for it. */
static enum err
parse_segment(const char *text, size_t len, char **to, struct target *out, struct error *e)
{
	const char *segment = *to;
	const char *why = decode(text, len, PLUS_STAYS, to);

	if (why != NULL)
		return err_set(e, ERR_BAD_REQUEST, NULL, why);
	if (has_control(segment))
		return err_set(e, ERR_BAD_REQUEST, NULL, "The path holds a control character.");
	if (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
		return err_set(e, ERR_NOT_FOUND, NULL, "The path has a segment of dots.");
	if (strpbrk(segment, "/\\") != NULL)
		return err_set(e, ERR_NOT_FOUND, NULL,
			       "A path segment holds a slash or a backslash.");
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
		return err_set(e, ERR_BAD_REQUEST, NULL, "The URL is too long.");
	if (raw[0] != '/')
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "The URL's path does not begin with a slash.");
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

/* The end of a parameter's value, a token or a quoted string; NULL if the closing quote is missing.
 */
static const char *
value_end(const char *text)
{
	if (*text != '"')
		return text + strcspn(text, " \t;\"");
	for (text++; *text != '"'; text++) {
		if (*text == '\\')
			text++;
		if (*text == '\0')
			return NULL;
	}
	return text + 1;
}

/* A copy of the value from text to end, without its quotes and with its quoted pairs resolved. */
static char *
value_copy(struct arena *a, const char *text, const char *end)
{
	char *copy = arena_copy(a, text, (size_t)(end - text)), *out = copy;

	if (copy == NULL || *text != '"')
		return copy;
	for (text++; text < end - 1; text++) {
		if (*text == '\\')
			text++;
		*out++ = *text;
	}
	*out = '\0';
	return copy;
}

enum param { PARAM_NONE, PARAM_FOUND, PARAM_BROKEN, PARAM_NO_MEMORY };

/* Looks for a parameter (; name=token or ; name="quoted") in what follows a header's value proper.
 * One that is there twice counts as broken: two readers would take two different ones.  Empty
 * parameters are seen in the wild and do no harm. */
static enum param
find_param(struct arena *a, const char *text, const char *name, const char **value)
{
	const char *found = NULL, *found_end = NULL;

	for (text += strspn(text, " \t"); *text != '\0'; text += strspn(text, " \t")) {
		const char *key, *end;
		size_t key_len;

		if (*text != ';')
			return PARAM_BROKEN;
		key = text + 1 + strspn(text + 1, " \t");
		key_len = strspn(key, TOKEN_CHARS);
		text = key + key_len;
		if (key_len == 0 && (*text == ';' || *text == '\0'))
			continue;
		end = key_len > 0 && *text == '=' ? value_end(text + 1) : NULL;
		if (end == NULL)
			return PARAM_BROKEN;
		if (key_len == strlen(name) && strncasecmp(key, name, key_len) == 0) {
			if (found != NULL)
				return PARAM_BROKEN;
			found = text + 1;
			found_end = end;
		}
		text = end;
	}
	if (found == NULL)
		return PARAM_NONE;
	*value = value_copy(a, found, found_end);
	return *value != NULL ? PARAM_FOUND : PARAM_NO_MEMORY;
}

/* multipart/form-data (RFC 7578, RFC 2046). */

struct multipart {
	struct arena *arena;
	const char *at; /* what has not been read yet */
	const char *end;
	char mark[BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
	size_t mark_len;
	struct error *error;
};

static enum err
broken(struct multipart *m, const char *why)
{
	return err_set(m->error, ERR_INVALID_BODY, NULL, why);
}

static enum err
find_boundary(struct multipart *m, const char *content_type)
{
	const char *boundary = NULL;
	size_t len;

	content_type = content_type != NULL ? content_type + strcspn(content_type, ";") : "";
	enum param found = find_param(m->arena, content_type, "boundary", &boundary);
	if (found == PARAM_NO_MEMORY)
		return err_set(m->error, ERR_INTERNAL, NULL, NULL);
	if (found != PARAM_FOUND)
		return broken(m, found == PARAM_NONE
					 ? "The Content-Type names no boundary."
					 : "The Content-Type's parameters cannot be read.");
	len = strlen(boundary);
	if (len == 0 || len > BOUNDARY_MAX || strspn(boundary, BOUNDARY_CHARS) != len ||
	    boundary[len - 1] == ' ')
		return broken(m, "The Content-Type's boundary is not a legal one.");
	memcpy(m->mark, "\r\n--", 4);
	memcpy(m->mark + 4, boundary, len + 1);
	m->mark_len = len + 4;
	return ERR_NONE;
}

static bool
starts_with(const struct multipart *m, const char *text, size_t len)
{
	return (size_t)(m->end - m->at) >= len && memcmp(m->at, text, len) == 0;
}

/* Moves behind the rest of a delimiter's line, the boundary of which has been read.  A line that
 * only begins with the boundary is refused: whether it belongs to the content is anybody's guess,
 * and secrets come through here. */
static enum err
end_of_delimiter(struct multipart *m, bool *last)
{
	*last = starts_with(m, "--", 2);
	if (*last)
		m->at += 2;
	while (m->at < m->end && is_blank(*m->at))
		m->at++;
	if (*last && m->at == m->end)
		return ERR_NONE;
	if (!starts_with(m, "\r\n", 2))
		return broken(m, "A line begins with the boundary but does not end behind it.");
	m->at += 2;
	return ERR_NONE;
}

/* Skips the preamble and the first delimiter, which may stand at the very beginning. */
static enum err
first_delimiter(struct multipart *m, bool *last)
{
	const char *found;

	if (starts_with(m, m->mark + 2, m->mark_len - 2)) {
		m->at += m->mark_len - 2;
		return end_of_delimiter(m, last);
	}
	found = memmem(m->at, (size_t)(m->end - m->at), m->mark, m->mark_len);
	if (found == NULL)
		return broken(m, "The boundary does not occur in the body.");
	m->at = found + m->mark_len;
	return end_of_delimiter(m, last);
}

/* The content in front of the next delimiter. */
static enum err
part_content(struct multipart *m, const char **content)
{
	const char *start = m->at, *found;
	size_t len;

	/* The line break before the delimiter may be the one that ends the headers' empty line. */
	found = memmem(start - 2, (size_t)(m->end - start) + 2, m->mark, m->mark_len);
	if (found == NULL)
		return broken(m, "The closing boundary is missing.");
	m->at = found + m->mark_len;
	len = found > start ? (size_t)(found - start) : 0;
	if (!http_utf8_valid(start, len))
		return broken(m, "A field's content is not valid UTF-8, or holds a NUL.");
	*content = arena_copy(m->arena, start, len);
	return *content != NULL ? ERR_NONE : err_set(m->error, ERR_INTERNAL, NULL, NULL);
}

/* One header line, cut into a name and a value that end with a NUL; *name is NULL for the empty
 * line that ends the headers. */
static enum err
part_header(struct multipart *m, const char **name, const char **value)
{
	const char *eol = memmem(m->at, (size_t)(m->end - m->at), "\r\n", 2);
	size_t name_len;
	char *line;

	if (eol == NULL)
		return broken(m, "The headers of a field do not end.");
	line = arena_copy(m->arena, m->at, (size_t)(eol - m->at));
	if (line == NULL)
		return err_set(m->error, ERR_INTERNAL, NULL, NULL);
	*name = NULL;
	if (eol == m->at) {
		m->at += 2;
		return ERR_NONE;
	}
	if (!http_utf8_valid(line, (size_t)(eol - m->at)))
		return broken(m, "A field's headers are not valid UTF-8, or hold a NUL.");
	m->at = eol + 2;
	for (const char *c = line; *c != '\0'; c++)
		if (is_control(*c) && *c != '\t')
			return broken(m, "A field's headers hold a control character.");
	name_len = strspn(line, TOKEN_CHARS);
	if (name_len == 0 || line[name_len] != ':')
		return broken(m, "A field's headers hold a line that is none.");
	line[name_len] = '\0';
	*name = line;
	*value = line + name_len + 1 + strspn(line + name_len + 1, " \t");
	return ERR_NONE;
}

static enum err
field_name(struct multipart *m, const char *disposition, const char **name)
{
	static const char type[] = "form-data";
	size_t len = sizeof(type) - 1;

	if (*name != NULL)
		return broken(m, "A field has two Content-Disposition headers.");
	if (strncasecmp(disposition, type, len) != 0)
		return broken(m, "A field's Content-Disposition is not form-data.");
	enum param found = find_param(m->arena, disposition + len, "name", name);
	if (found == PARAM_NO_MEMORY)
		return err_set(m->error, ERR_INTERNAL, NULL, NULL);
	return found == PARAM_FOUND ? ERR_NONE
				    : broken(m, "A field's Content-Disposition has no name.");
}

/* base64 and quoted-printable are gone from RFC 7578; taken literally they would store something
 * else than what was meant. */
static bool
is_plain_encoding(const char *encoding)
{
	size_t len = strcspn(encoding, " \t");

	return (len == 4 && strncasecmp(encoding, "7bit", len) == 0) ||
	       (len == 4 && strncasecmp(encoding, "8bit", len) == 0) ||
	       (len == 6 && strncasecmp(encoding, "binary", len) == 0);
}

/* Reads the headers of a part and what they say about its name. */
static enum err
part_name(struct multipart *m, const char **name)
{
	const char *header = NULL, *value = "";
	enum err code;

	*name = NULL;
	for (;;) {
		code = part_header(m, &header, &value);
		if (code != ERR_NONE)
			return code;
		if (header == NULL)
			break;
		if (strcasecmp(header, "Content-Transfer-Encoding") == 0 &&
		    !is_plain_encoding(value))
			return broken(m, "A field has a Content-Transfer-Encoding.");
		if (strcasecmp(header, "Content-Disposition") != 0)
			continue;
		code = field_name(m, value, name);
		if (code != ERR_NONE)
			return code;
	}
	return *name != NULL ? ERR_NONE : broken(m, "A field has no Content-Disposition.");
}

static enum err
parts(struct multipart *m, struct pairs *out)
{
	bool last;
	enum err code = first_delimiter(m, &last);

	while (code == ERR_NONE && !last) {
		struct pair *pair = &out->items[out->count];

		if (out->count == HTTP_PAIRS_MAX)
			return broken(m, "There are too many fields.");
		code = part_name(m, &pair->name);
		if (code == ERR_NONE)
			code = part_content(m, &pair->value);
		if (code == ERR_NONE)
			code = end_of_delimiter(m, &last);
		out->count++;
	}
	return code;
}

enum err
http_multipart_parse(struct arena *a, const char *content_type, const char *body, size_t len,
		     struct pairs *out, struct error *e)
{
	struct multipart m = {.arena = a, .at = body, .end = body + len, .error = e};
	struct pairs pairs = {NULL, 0};
	enum err code = find_boundary(&m, content_type);

	*out = pairs;
	if (code != ERR_NONE)
		return code;
	pairs.items = arena_array(a, HTTP_PAIRS_MAX, sizeof(*pairs.items));
	if (pairs.items == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	code = parts(&m, &pairs);
	if (code == ERR_NONE)
		*out = pairs;
	return code;
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
	/* The text gets shorter by a quarter: there is room for the NUL, which is there already. */
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

			for (len -= name_len + 1; len > 0 && is_blank(value[len - 1]);)
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

/* The length of the IPv6 literal that a '[' begins, with its brackets; 0 if there is none. */
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

bool
http_prefix_valid(const char *path)
{
	return (path[0] == '\0' || path[0] == '/') && path[strspn(path, PATH_CHARS)] == '\0';
}
