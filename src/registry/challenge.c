/* challenge: parses the list of challenges element by element. */
#include "registry/challenge.h"

#include <string.h>

#include "base/header.h"

static const char token68_chars[] = DIGITS LETTERS "-._~+/";

static bool
ends_element(const char *at)
{
	at += strspn(at, " \t");
	return *at == '\0' || *at == ',';
}

/* "= value" after a parameter's name. */
static bool
read_param(struct header_reader *r, const char *name, struct challenge *challenge)
{
	size_t n = challenge->param_count;

	header_skip_blanks(r);
	if (*r->at != '=' || n == CHALLENGE_PARAMS_MAX || challenge_param(challenge, name) != NULL)
		return false;
	r->at++;
	header_skip_blanks(r);
	challenge->params[n].name = name;
	challenge->params[n].value = header_value(r, TOKEN_CHARS);
	challenge->param_count++;
	return challenge->params[n].value != NULL;
}

/* Skips the single opaque value that a scheme may have instead of parameters. */
static bool
skip_token68(struct header_reader *r)
{
	const char *end = r->at + strspn(r->at, token68_chars);

	if (end == r->at)
		return false;
	end += strspn(end, "=");
	if (!ends_element(end))
		return false;
	r->at = end;
	return true;
}

/* After the name of a scheme: nothing, one opaque value, or the first parameter. */
static bool
read_scheme(struct header_reader *r, const char *name, struct challenge *challenge)
{
	*challenge = (struct challenge){.scheme = name};
	if (ends_element(r->at))
		return true;
	if (*r->at != ' ')
		return false;
	header_skip_blanks(r);
	if (skip_token68(r))
		return true;
	const char *param = header_name(r);
	return param != NULL && read_param(r, param, challenge);
}

static bool
is_param(const char *at)
{
	return at[strspn(at, " \t")] == '=';
}

bool
challenge_parse(struct arena *a, const char *header, struct challenge_list *list)
{
	struct header_reader r = {a, header};
	struct challenge_list read = *list;

	for (r.at += strspn(r.at, ", \t"); *r.at != '\0'; r.at += strspn(r.at, ", \t")) {
		const char *name = header_name(&r);

		if (name == NULL)
			return false;
		if (read.count > list->count && is_param(r.at)) {
			if (!read_param(&r, name, &read.items[read.count - 1]))
				return false;
		} else if (read.count == CHALLENGES_MAX ||
			   !read_scheme(&r, name, &read.items[read.count++])) {
			return false;
		}
		if (!ends_element(r.at))
			return false;
	}
	*list = read;
	return true;
}

const struct challenge *
challenge_find(const struct challenge_list *list, const char *scheme)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].scheme, scheme) == 0)
			return &list->items[i];
	return NULL;
}

const char *
challenge_param(const struct challenge *challenge, const char *name)
{
	for (size_t i = 0; i < challenge->param_count; i++)
		if (strcmp(challenge->params[i].name, name) == 0)
			return challenge->params[i].value;
	return NULL;
}
