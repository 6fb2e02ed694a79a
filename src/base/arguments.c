/* arguments: parses a command line. */
#include "base/arguments.h"

#include <string.h>

bool
argument_is(const struct argument_option *option, const char *name)
{
	size_t len = strcspn(option->name, "=");

	return strlen(name) == len && strncmp(option->name, name, len) == 0;
}

/* "-q" and the like; NULL if the word is none of them. */
static const char *
long_name(const char *word)
{
	static const char *const names[][2] = {{"-h", "help"}, {"-q", "quiet"}, {"-u", "user"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(word, names[i][0]) == 0)
			return names[i][1];
	return strncmp(word, "--", 2) == 0 ? word + 2 : NULL;
}

/* An option, with its value in the same word or the next. */
static bool
read_option(struct arguments *out, int argc, char **argv, int at, argument_value_fn needs_value)
{
	struct argument_option option = {.name = long_name(argv[at]), .at = at, .count = 1};
	size_t len = strcspn(option.name, "=");

	if (option.name[len] == '=')
		option.value = option.name + len + 1;
	else if (needs_value(option.name, len) && at + 1 < argc) {
		option.value = argv[at + 1];
		option.count = 2;
	}
	if (out->option_count == ARGUMENT_OPTIONS_MAX)
		return false;
	out->options[out->option_count++] = option;
	return true;
}

bool
arguments_read(struct arguments *out, int argc, char **argv, argument_value_fn needs_value)
{
	bool words_only = false;

	*out = (struct arguments){0};
	for (int at = 1; at < argc;) {
		if (!words_only && strcmp(argv[at], "--") == 0) {
			words_only = true;
			at++;
		} else if (!words_only && long_name(argv[at]) != NULL) {
			if (!read_option(out, argc, argv, at, needs_value))
				return false;
			at += out->options[out->option_count - 1].count;
		} else if (out->word_count == ARGUMENT_WORDS_MAX) {
			return false;
		} else {
			out->words[out->word_count++] = argv[at++];
		}
	}
	return true;
}

const struct argument_option *
arguments_find(const struct arguments *a, const char *name)
{
	for (size_t i = 0; i < a->option_count; i++)
		if (argument_is(&a->options[i], name))
			return &a->options[i];
	return NULL;
}

const char *
arguments_value(const struct arguments *a, const char *name, const char *fallback)
{
	const struct argument_option *option = arguments_find(a, name);

	return option != NULL && option->value != NULL ? option->value : fallback;
}
