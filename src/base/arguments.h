/* arguments: parses a command line into words and options. */
#ifndef REGCRED_BASE_ARGUMENTS_H
#define REGCRED_BASE_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

enum { ARGUMENT_WORDS_MAX = 128, ARGUMENT_OPTIONS_MAX = 64 };

struct argument_option {
	const char *name;  /* without its dashes; includes "=value" if written that way */
	const char *value; /* NULL: none given */
	int at, count;	   /* its first place in argv, and how many places it takes */
};

struct arguments {
	const char *words[ARGUMENT_WORDS_MAX];
	size_t word_count;
	struct argument_option options[ARGUMENT_OPTIONS_MAX];
	size_t option_count;
};

/* Whether an option needs a value, given after "=" or as the next word. False for an unknown
 * option: the command itself rejects those. */
typedef bool (*argument_value_fn)(const char *name, size_t len);

/* "-h", "-q" and "-u" mean "--help", "--quiet" and "--user"; everything after "--" is a word. False
 * if there are too many arguments. */
bool arguments_read(struct arguments *out, int argc, char **argv, argument_value_fn needs_value)
	__attribute__((warn_unused_result));

/* The option with exactly this name; NULL if it was not given. */
const struct argument_option *arguments_find(const struct arguments *a, const char *name);
/* The option's value, or the fallback if it was not given. */
const char *arguments_value(const struct arguments *a, const char *name, const char *fallback);

/* Whether an option has this name. */
bool argument_is(const struct argument_option *option, const char *name);

#endif
