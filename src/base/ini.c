/* ini: reads the lines of a settings file. */
#include "base/ini.h"

#include <string.h>

#define BLANKS " \t\r\n"

/* Trims blanks at the end; returns the text after those at the beginning. */
static char *
ini_trim(char *text)
{
	text += strspn(text, BLANKS);
	for (size_t len = strlen(text); len > 0 && strchr(BLANKS, text[len - 1]) != NULL; len--)
		text[len - 1] = '\0';
	return text;
}

char *
ini_split(char *line, char *equals)
{
	*equals = '\0';
	(void)ini_trim(line);
	return ini_trim(equals + 1);
}

bool
ini_each(char *text, ini_fn take, void *arg)
{
	char *next;

	for (unsigned number = 1; text != NULL; text = next, number++) {
		next = strchr(text, '\n');
		if (next != NULL)
			*next++ = '\0';
		text = ini_trim(text);
		if (*text != '\0' && *text != '#' && *text != ';' && !take(arg, number, text))
			return false;
	}
	return true;
}
