/* json_out: the streaming writer that every response uses.
 *
 * Failure is sticky: write everything, then check json_out_failed() once before sending. The writer
 * adds the commas. Invalid UTF-8 in strings is written as U+FFFD, so that the output is always
 * valid JSON.
 */
#ifndef REGCRED_JSON_OUT_H
#define REGCRED_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct json; /* json_in.h */

struct json_out {
	struct arena *arena;
	char *bytes;
	size_t len;
	size_t room;
	bool comma; /* the next value or name needs a comma before it */
	bool failed;
};

void json_out_init(struct json_out *w, struct arena *a);
/* Allocates that many bytes at once, where the size can be estimated. */
void json_reserve(struct json_out *w, size_t bytes);
void json_begin_object(struct json_out *w);
void json_end_object(struct json_out *w);
void json_begin_array(struct json_out *w);
void json_end_array(struct json_out *w);
/* NULL, as arena_printf() returns it without memory, is a failure. */
void json_name(struct json_out *w, const char *name);
/* NULL is written as null. */
void json_string(struct json_out *w, const char *text);
/* The same where the length is known. */
void json_string_n(struct json_out *w, const char *text, size_t len);
/* A member that is a string. */
void json_string_member(struct json_out *w, const char *name, const char *text);
/* A string written in pieces. */
void json_begin_string(struct json_out *w);
void json_piece(struct json_out *w, const char *text);
void json_end_string(struct json_out *w);
void json_int(struct json_out *w, int64_t number);
void json_bool(struct json_out *w, bool value);
void json_null(struct json_out *w);
/* A value that was read, with all that is in it. */
void json_copy(struct json_out *w, const struct json *value);
/* Text that is already JSON: a value, or part of a string. */
void json_raw(struct json_out *w, const char *text, size_t len);
void json_raw_piece(struct json_out *w, const char *text, size_t len);

/* A template: a text that is written once and reused, with gaps for the parts that differ.
 * json_gap() leaves a gap for a value or for any number of members. json_until() writes the
 * template from a position up to a gap, which the caller then fills. */
struct json_gap {
	size_t at;
	bool comma;
};
struct json_gap json_gap(struct json_out *w);
void json_until(struct json_out *w, const struct json_out *from, size_t at, struct json_gap gap);

bool json_out_failed(const struct json_out *w);
/* The text, NUL-terminated; NULL if any write failed. */
const char *json_out_text(struct json_out *w, size_t *len);
/* The text of an object of strings, json_strings(arena, name, text, …): a text that is NULL is
 * written as null, a name that is NULL ends the list.  NULL if out of memory. */
#define json_strings(arena, ...) json_pairs(arena, (const char *const[]){__VA_ARGS__, NULL})
const char *json_pairs(struct arena *a, const char *const *pairs);

#endif
