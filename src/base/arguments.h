/* arguments: a command line, read by tables: words and options. */
#ifndef REGCRED_BASE_ARGUMENTS_H
#define REGCRED_BASE_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

enum { ARGUMENT_WORDS_MAX = 128, ARGUMENT_OPTIONS_MAX = 64 };

struct argument_option {
	const char *name;  /* without its dashes; with "=value" if it came so */
	const char *value; /* NULL: none came */
	int at, count;	   /* its places on the command line */
};

struct arguments {
	const char *words[ARGUMENT_WORDS_MAX];
	size_t word_count;
	struct argument_option options[ARGUMENT_OPTIONS_MAX];
	size_t option_count;
};

/* Whether an option needs a value, which is then behind "=" or the next word.  For an option that
 * does not exist false: who knows the command refuses it. */
typedef bool (*argument_value_fn)(const char *name, size_t len);

/* "-h" is "--help"; what follows "--" is words.  False if there is too much. */
bool arguments_read(struct arguments *out, int argc, char **argv, argument_value_fn needs_value)
	__attribute__((warn_unused_result));

/* The option of this name, whole; NULL: it was not given. */
const struct argument_option *arguments_find(const struct arguments *a, const char *name);
/* Its value; the fallback if it was not given. */
const char *arguments_value(const struct arguments *a, const char *name, const char *fallback);

/* Whether an option has this name. */
bool argument_is(const struct argument_option *option, const char *name);

#endif
