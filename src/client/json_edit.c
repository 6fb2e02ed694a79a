/* json_edit: sets and removes members of a JSON text. */
#include "client/json_edit.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"

#define BLANKS " \t\r\n"

/* A member in the text: its name with quotes, its value. */
struct span {
	const char *name, *name_end, *value, *value_end;
};

/* An object in the text. */
struct edit_place {
	const char *open; /* its brace */
	struct span first, last, before, member;
	size_t count;
	bool found; /* the requested member was found; `before` is the one before it */
};

static const char *
skip_string(const char *p)
{
	for (p++; *p != '"'; p++)
		p += *p == '\\';
	return p + 1;
}

static const char *
skip_value(const char *p)
{
	int depth = 0;

	do {
		if (*p == '"')
			p = skip_string(p);
		else if (strchr("[{", *p) != NULL)
			depth++, p++;
		else if (strchr("]}", *p) != NULL)
			depth--, p++;
		else if (strchr(BLANKS ",:", *p) != NULL)
			p++;
		else
			p += strcspn(p, BLANKS ",]}");
	} while (depth > 0);
	return p;
}

static bool
next_member(const char **at, struct span *out)
{
	const char *p = *at + strspn(*at, BLANKS ",");

	if (*p == '}')
		return false;
	out->name = p;
	out->name_end = skip_string(p);
	out->value = out->name_end + strspn(out->name_end, BLANKS ":");
	*at = out->value_end = skip_value(out->value);
	return true;
}

/* Names may be written with escapes. */
static bool
has_name(struct arena *a, const struct span *m, const char *name)
{
	size_t len = (size_t)(m->name_end - m->name);
	struct json *one = NULL;
	struct error e = {0};

	if (memchr(m->name, '\\', len) == NULL)
		return strlen(name) == len - 2 && memcmp(m->name + 1, name, len - 2) == 0;
	const char *text = arena_printf(a, "{%.*s:0}", (int)len, m->name);
	return text != NULL && json_parse(a, text, strlen(text), &one, &e) == ERR_NONE &&
	       strcmp(one->child->name, name) == 0;
}

static struct edit_place
json_edit_find(struct arena *a, const char *open, const char *name)
{
	struct edit_place p = {.open = open};
	const char *at = open + 1;
	struct span m, before = {0};

	for (; next_member(&at, &m); before = m, p.count++) {
		if (p.count == 0)
			p.first = m;
		if (!p.found && has_name(a, &m, name)) {
			p.found = true;
			p.member = m;
			p.before = before;
		}
		p.last = m;
	}
	return p;
}

/* text with the part from `from` to `to` replaced. */
static const char *
splice(struct arena *a, const char *text, const char *from, const char *to, const char *with)
{
	return arena_printf(a, "%.*s%s%s", (int)(from - text), text, with != NULL ? with : "", to);
}

static const char *
quoted(struct arena *a, const char *text)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	json_string(&w, text);
	return json_out_text(&w, &len);
}

/* The blanks between the brace and the first member; for an empty object, as docker writes them. */
static const char *
lead_of(struct arena *a, const struct edit_place *p)
{
	return p->count == 0 ? "\n\t"
			     : arena_copy(a, p->open + 1, (size_t)(p->first.name - p->open - 1));
}

static const char *
colon_of(struct arena *a, const struct edit_place *p)
{
	return p->count == 0 ? ": "
			     : arena_copy(a, p->first.name_end,
					  (size_t)(p->first.value - p->first.name_end));
}

/* The blanks of the next level; the first level shows the indentation. */
static const char *
deeper(struct arena *a, const char *lead)
{
	const char *indent = strrchr(lead, '\n');

	return indent != NULL ? arena_printf(a, "%s%s", lead, indent + 1) : "";
}

/* Adds a member at the end of an object; lead: the blanks before its members, close: those before
 * its closing brace. */
static const char *
insert(struct arena *a, const char *text, const struct edit_place *p, const char *member,
       const char *lead, const char *close)
{
	if (p->count == 0) {
		const char *all = arena_printf(a, "%s%s%s", lead, member, close);

		return splice(a, text, p->open + 1, strchr(p->open, '}'), all);
	}
	if (p->count > 1) { /* same blanks as after the last comma */
		const char *comma = p->last.name;

		while (comma[-1] != ',')
			comma--;
		lead = arena_copy(a, comma, (size_t)(p->last.name - comma));
	}
	if (lead != NULL && *lead == '\0' && p->count == 1 && p->last.value[-1] == ' ')
		lead = " "; /* on one line, with blanks after colons, so also after commas */
	return splice(a, text, p->last.value_end, p->last.value_end,
		      arena_printf(a, ",%s%s", lead != NULL ? lead : "", member));
}

const char *
json_edit_set(struct arena *a, const char *text, const char *outer, const char *name,
	      const char *value)
{
	const char *key = quoted(a, name), *string = quoted(a, value);

	if (text[strspn(text, BLANKS)] == '\0')
		text = "{}\n";
	struct edit_place top =
		json_edit_find(a, text + strspn(text, BLANKS), outer != NULL ? outer : name);
	const char *lead = lead_of(a, &top), *colon = colon_of(a, &top);
	if (key == NULL || string == NULL || lead == NULL || colon == NULL)
		return NULL;
	const char *inner = deeper(a, lead), *close = strchr(lead, '\n') != NULL ? "\n" : "";
	const char *member = arena_printf(a, "%s%s%s", key, colon, string);
	if (outer != NULL && !top.found)
		member = arena_printf(a, "%s%s{%s%s%s}", quoted(a, outer), colon, inner, member,
				      strchr(lead, '\n') != NULL ? lead : "");
	if (arena_failed(a))
		return NULL;
	if (!top.found)
		return insert(a, text, &top, member, lead, close);
	if (outer == NULL)
		return splice(a, text, top.member.value, top.member.value_end, string);
	struct edit_place in = json_edit_find(a, top.member.value, name);
	if (in.found)
		return splice(a, text, in.member.value, in.member.value_end, string);
	return insert(a, text, &in, member, in.count > 0 ? lead_of(a, &in) : inner,
		      strchr(lead, '\n') != NULL ? lead : "");
}

const char *
json_edit_remove(struct arena *a, const char *text, const char *outer, const char *name)
{
	const char *open = text + strspn(text, BLANKS);

	if (outer != NULL) {
		struct edit_place top = json_edit_find(a, open, outer);

		if (!top.found)
			return text;
		open = top.member.value;
	}
	struct edit_place p = json_edit_find(a, open, name);
	if (!p.found)
		return text;
	if (p.count == 1)
		return splice(a, text, open + 1,
			      p.member.value_end + strspn(p.member.value_end, BLANKS), "");
	if (p.before.name != NULL)
		return splice(a, text, p.before.value_end, p.member.value_end, "");
	return splice(a, text, p.member.name,
		      p.member.value_end + strspn(p.member.value_end, BLANKS ","), "");
}
