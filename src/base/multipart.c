/* multipart: parses multipart/form-data. */
#include "base/multipart.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/text.h"

enum {
	BOUNDARY_MAX = 70, /* RFC 2046, 5.1.1 */
};

#define BOUNDARY_CHARS DIGITS LETTERS "'()+_,-./:=? " /* RFC 2046, 5.1.1 */

struct multipart {
	struct arena *arena;
	const char *at; /* the rest of the input */
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
	enum param found = http_find_param(m->arena, content_type, "boundary", &boundary);
	if (found == PARAM_NO_MEMORY)
		return err_set(m->error, ERR_INTERNAL, NULL, NULL);
	if (found != PARAM_FOUND)
		return broken(m, found == PARAM_NONE ? "The Content-Type has no boundary: add one."
						     : "The parameters of the Content-Type cannot "
						       "be read: correct them.");
	len = strlen(boundary);
	if (len == 0 || len > BOUNDARY_MAX || strspn(boundary, BOUNDARY_CHARS) != len ||
	    boundary[len - 1] == ' ')
		return broken(m, "The boundary in the Content-Type is not valid: use 1 to 70 of "
				 "the characters that RFC 2046 allows.");
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

/* Skips the rest of a delimiter's line after the boundary. A line that only begins with the
 * boundary is refused: it is unclear whether it belongs to the content, which may be a secret. */
static enum err
end_of_delimiter(struct multipart *m, bool *last)
{
	*last = starts_with(m, "--", 2);
	if (*last)
		m->at += 2;
	while (m->at < m->end && http_is_blank(*m->at))
		m->at++;
	if (*last && m->at == m->end)
		return ERR_NONE;
	if (!starts_with(m, "\r\n", 2))
		return broken(m, "A line begins with the boundary and does not end after it: "
				 "choose another boundary.");
	m->at += 2;
	return ERR_NONE;
}

/* Skips the preamble and the first delimiter, which may be at the very beginning. */
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
		return broken(m, "The boundary of the Content-Type is not in the body: send the "
				 "one that was used.");
	m->at = found + m->mark_len;
	return end_of_delimiter(m, last);
}

/* The content before the next delimiter. */
static enum err
part_content(struct multipart *m, const char **content)
{
	const char *start = m->at, *found;
	size_t len;

	/* The line break before the delimiter may be the one that ends the headers' empty line. */
	found = memmem(start - 2, (size_t)(m->end - start) + 2, m->mark, m->mark_len);
	if (found == NULL)
		return broken(m, "The closing boundary is missing: send the body whole.");
	m->at = found + m->mark_len;
	len = found > start ? (size_t)(found - start) : 0;
	if (!http_utf8_valid(start, len))
		return broken(m, "The content of a field is not valid UTF-8 or contains a NUL "
				 "byte: send text.");
	*content = arena_copy(m->arena, start, len);
	return *content != NULL ? ERR_NONE : err_set(m->error, ERR_INTERNAL, NULL, NULL);
}

/* One header line, split into NUL-terminated name and value; *name is NULL for the empty
 * line that ends the headers. */
static enum err
part_header(struct multipart *m, const char **name, const char **value)
{
	const char *eol = memmem(m->at, (size_t)(m->end - m->at), "\r\n", 2);
	size_t name_len;
	char *line;

	if (eol == NULL)
		return broken(m,
			      "The headers of a field do not end: put an empty line after them.");
	line = arena_copy(m->arena, m->at, (size_t)(eol - m->at));
	if (line == NULL)
		return err_set(m->error, ERR_INTERNAL, NULL, NULL);
	*name = NULL;
	if (eol == m->at) {
		m->at += 2;
		return ERR_NONE;
	}
	if (!http_utf8_valid(line, (size_t)(eol - m->at)))
		return broken(m, "The headers of a field are not valid UTF-8 or contain a NUL "
				 "byte: send text.");
	m->at = eol + 2;
	for (const char *c = line; *c != '\0'; c++)
		if (http_is_control(*c) && *c != '\t')
			return broken(m, "The headers of a field contain a control character: "
					 "leave it out.");
	name_len = strspn(line, TOKEN_CHARS);
	if (name_len == 0 || line[name_len] != ':')
		return broken(m,
			      "A field has a header line without a name and a colon: correct it.");
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
		return broken(m, "A field has two Content-Disposition headers: send one.");
	if (strncasecmp(disposition, type, len) != 0)
		return broken(
			m, "The Content-Disposition of a field is not form-data: use form-data.");
	enum param found = http_find_param(m->arena, disposition + len, "name", name);
	if (found == PARAM_NO_MEMORY)
		return err_set(m->error, ERR_INTERNAL, NULL, NULL);
	return found == PARAM_FOUND
		       ? ERR_NONE
		       : broken(m, "The Content-Disposition of a field has no name: add one.");
}

/* RFC 7578 no longer allows base64 and quoted-printable; taken literally, the wrong value would be
 * stored. */
static bool
is_plain_encoding(const char *encoding)
{
	size_t len = strcspn(encoding, " \t");

	return (len == 4 && strncasecmp(encoding, "7bit", len) == 0) ||
	       (len == 4 && strncasecmp(encoding, "8bit", len) == 0) ||
	       (len == 6 && strncasecmp(encoding, "binary", len) == 0);
}

/* Reads the headers of a part and its name from them. */
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
			return broken(m,
				      "A field has a Content-Transfer-Encoding: send it without.");
		if (strcasecmp(header, "Content-Disposition") != 0)
			continue;
		code = field_name(m, value, name);
		if (code != ERR_NONE)
			return code;
	}
	return *name != NULL ? ERR_NONE : broken(m, "A field has no Content-Disposition: add one.");
}

static enum err
parts(struct multipart *m, struct pairs *out)
{
	bool last;
	enum err code = first_delimiter(m, &last);

	while (code == ERR_NONE && !last) {
		struct pair *pair = &out->items[out->count];

		if (out->count == HTTP_PAIRS_MAX)
			return broken(m, "There are more than 512 fields: send fewer.");
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
