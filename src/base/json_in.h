/* json_in: a strict check before cJSON parses a text, and the result: a tree in the request's
 * arena.
 *
 * Only json_in.c includes cJSON.h. The check refuses what cJSON would accept (invalid
 * UTF-8, NUL and \u0000, duplicate keys, raw control characters, a byte order mark, 01, trailing
 * text, lone surrogates) and what would cost too much (depth, nodes). cJSON's nodes are wiped when
 * freed.
 */
#ifndef REGCRED_JSON_IN_H
#define REGCRED_JSON_IN_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

enum {
	JSON_DEPTH_MAX = 16,   /* nested arrays and objects; the 17th is refused */
	JSON_NODES_MAX = 2000, /* values in one body, names not counted */
};

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

struct json {
	enum json_type type;
	const char *name; /* for a member of an object, else NULL */
	const char *text; /* STRING: decoded; NUMBER: as it was written; TRUE, FALSE: "true",
			     "false"; else NULL */
	struct json *
		child; /* first member or element of an OBJECT or ARRAY, in the order of the text */
	struct json *next; /* next member or element of the same parent */
};

/* Once per program, before the first thread: gives cJSON the wiping allocator. */
void json_in_init(void);

/* Parses len bytes into *out. An empty or blank text counts as an empty object, because actions are
 * sent without a body. ERR_INVALID_BODY with a sentence in e->detail that says what is wrong and at
 * which byte; ERR_INTERNAL if out of memory. */
enum err json_parse(struct arena *a, const char *text, size_t len, struct json **out,
		    struct error *e) __attribute__((warn_unused_result));
/* The same with its own limit on the number of values: for files and for answers from a server. */
enum err json_parse_many(struct arena *a, const char *text, size_t len, unsigned nodes_max,
			 struct json **out, struct error *e) __attribute__((warn_unused_result));

/* The member of an object with exactly this name; NULL if none or node is not an object. */
const struct json *json_member(const struct json *node, const char *name);

/* For forms and queries: a new empty object, and appending a string member to it (a repeated name
 * becomes an array of strings). NULL if out of memory. */
struct json *json_object(struct arena *a);
struct json *json_add_string(struct arena *a, struct json *object, const char *name,
			     const char *value);

#endif
