/* command: whether an option belongs to a command. */
#include "cli/command.h"

#include <string.h>

bool
command_takes(const struct command *c, const struct argument_option *option)
{
	size_t wanted = strcspn(option->name, "=");

	for (const char *p = c->options; *p != '\0';) {
		size_t len = strcspn(p, " ");

		if (len == wanted && strncmp(p, option->name, len) == 0)
			return true;
		p += len + (p[len] == ' ');
	}
	return false;
}
