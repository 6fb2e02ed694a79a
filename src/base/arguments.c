/* arguments: parses a command line. */
#include "base/arguments.h"

#include <string.h>

bool
argument_is(const struct argument_option *option, const char *name)
{
	size_t len = strcspn(option->name, "=");

	return strlen(name) == len && strncmp(option->name, name, len) == 0;
}

/* An option, with its value in the same word or the next. */
static bool
read_option(struct arguments *out, int argc, char **argv, int at, argument_value_fn needs_value)
{
	struct argument_option option = {.name = argv[at] + 2, .at = at, .count = 1};
	size_t len = strcspn(option.name, "=");

	if (strcmp(argv[at], "-h") == 0)
		option.name = "help";
	else if (option.name[len] == '=')
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
		bool option = strncmp(argv[at], "--", 2) == 0 || strcmp(argv[at], "-h") == 0;

		if (!words_only && strcmp(argv[at], "--") == 0) {
			words_only = true;
			at++;
		} else if (!words_only && option) {
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
