/* source: the table of sources, and sourceConfig against it. */
#include "model/source.h"

#include <stdio.h>
#include <string.h>

const struct source_row source_table[SOURCE__COUNT] = {
#define SOURCE(id, word, class_of_it, needs, days, list)                                           \
	[SOURCE_##id] = {.name = (word),                                                           \
			 .class = SOURCE_##class_of_it,                                            \
			 .needs_secret = (needs),                                                  \
			 .life_days = (days),                                                      \
			 .members = (list)},
#include "model/source.def"
#undef SOURCE
};

const char *const source_names[] = {
#define SOURCE(id, word, ...) word,
#include "model/source.def"
#undef SOURCE
	NULL};

const struct source_row *
source_find(const char *name)
{
	for (size_t i = 0; i < SOURCE__COUNT; i++)
		if (strcmp(source_table[i].name, name) == 0)
			return &source_table[i];
	return NULL;
}

bool
source_next_member(const char **list, struct source_member *out)
{
	static const struct {
		const char *mark;
		enum json_type type;
		const char *text;
	} types[] = {{"/boolean", JSON_TRUE, "true or false"},
		     {"/number", JSON_NUMBER, "a number"},
		     {"/list", JSON_ARRAY, "a list of texts"}};
	const char *mark;

	*list += strspn(*list, " ");
	if (**list == '\0')
		return false;
	*out = (struct source_member){*list, strcspn(*list, " */"), false, JSON_STRING, "a text"};
	mark = *list + out->len;
	out->required = *mark == '*';
	mark += out->required;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strncmp(mark, types[i].mark, strlen(types[i].mark)) == 0) {
			out->type = types[i].type;
			out->type_text = types[i].text;
		}
	*list += strcspn(*list, " ");
	return true;
}

static bool
has_type(const struct json *value, enum json_type type)
{
	if (type == JSON_TRUE)
		return value->type == JSON_TRUE || value->type == JSON_FALSE;
	if (value->type != type)
		return false;
	for (const struct json *item = value->child; item != NULL; item = item->next)
		if (item->type != JSON_STRING)
			return false;
	return true;
}

enum json_type
source_member(const struct source_row *source, const char *name)
{
	struct source_member m;

	for (const char *rest = source->members; source_next_member(&rest, &m);)
		if (strlen(name) == m.len && strncmp(name, m.name, m.len) == 0)
			return m.type;
	return JSON_NULL;
}

const char *
source_members_text(const struct source_row *source, struct arena *a)
{
	const char *text = "";
	struct source_member m;

	for (const char *rest = source->members; text != NULL && source_next_member(&rest, &m);)
		text = arena_printf(a, "%s%s%.*s", text, *text != '\0' ? ", " : "", (int)m.len,
				    m.name);
	return text;
}

static enum err
source_check_member(const struct json *value, const struct source_row *source, struct arena *a,
		    struct error *e)
{
	struct source_member m;

	for (const char *rest = source->members; source_next_member(&rest, &m);) {
		if (strlen(value->name) != m.len || strncmp(value->name, m.name, m.len) != 0)
			continue;
		if (value->type == JSON_NULL || has_type(value, m.type))
			return ERR_NONE;
		return err_set(e, ERR_INVALID_FORMAT, "sourceConfig",
			       arena_printf(a, "The member \"%s\" of sourceConfig has to be %s.",
					    value->name, m.type_text));
	}
	const char *members = source_members_text(source, a);

	return err_set(e, ERR_INVALID_OPTION, "sourceConfig",
		       members == NULL
			       ? NULL
			       : arena_printf(a,
					      "The sourceConfig of the source \"%s\" has no "
					      "member \"%.64s\": it has %s.",
					      source->name, value->name, members));
}

enum err
source_check(const struct source_row *source, const struct json *config, struct arena *a,
	     struct error *e)
{
	struct source_member m;

	if (config->type != JSON_OBJECT)
		return err_set(e, ERR_INVALID_FORMAT, "sourceConfig",
			       "sourceConfig has to be an object.");
	for (const struct json *value = config->child; value != NULL; value = value->next)
		if (source_check_member(value, source, a, e) != ERR_NONE)
			return e->code;
	for (const char *rest = source->members; source_next_member(&rest, &m);) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", (int)m.len, m.name);
		const struct json *value = json_member(config, name);
		if (m.required && (value == NULL || value->type == JSON_NULL ||
				   (value->text != NULL && *value->text == '\0')))
			return err_set(e, ERR_MISSING_REQUIRED, "sourceConfig",
				       arena_printf(a,
						    "The source \"%s\" needs the member \"%s\" of "
						    "sourceConfig: add it.",
						    source->name, name));
	}
	return ERR_NONE;
}

const char *
source_text(const struct json *config, const char *name)
{
	const struct json *value = json_member(config, name);

	return value != NULL && value->type == JSON_STRING && *value->text != '\0' ? value->text
										   : NULL;
}

bool
source_uses_server(const struct source_row *source, const struct json *config)
{
	return !source->needs_secret && (source_text(config, "accessKeyId") == NULL ||
					 json_member(config, "webIdentityTokenFile") != NULL);
}
