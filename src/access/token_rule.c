/* token_rule: the lines of a section [token NAME], as one table. */
#include "access/token_rule.h"

#include <fnmatch.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/header.h"
#include "base/network.h"
#include "base/text.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/url.h"

enum { RULE_ARENA = 64 * 1024 };

/* A line of a section, and what reads its value: NULL, or a sentence. */
struct rule_line {
	const char *name;
	const char *(*read)(const struct rule_line *line, const char *value, char *out);
	size_t offset, size;
	bool needed;
};

static const char *
rule_read_text(const struct rule_line *line, const char *value, char *out)
{
	if (*value == '\0')
		return "must not be empty";
	if (strlen(value) >= line->size)
		return "is too long";
	(void)stpcpy(out, value);
	return NULL;
}

/* Over plain HTTP somebody on the way could put a key of theirs into the set; to this machine
 * itself there is no way. */
static const char *
rule_read_keys(const struct rule_line *line, const char *value, char *out)
{
	static const char *const allowed[] = {
		"/", "https://", "http://127.0.0.1:", "http://[::1]:", "http://localhost:"};

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		if (strncmp(value, allowed[i], strlen(allowed[i])) == 0)
			return rule_read_text(line, value, out);
	return "must be the absolute path of a file, or a URL that begins with https://";
}

static const char *
rule_read_project(const struct rule_line *line, const char *value, char *out)
{
	int64_t id;

	(void)line;
	if (!id_parse(&family_account, value, &id))
		return "must be the id of a project, such as 1a5";
	memcpy(out, &id, sizeof(id));
	return NULL;
}

static const char *
check_registry_id(const char *item)
{
	int64_t id;

	return id_parse(&family_storage_pool, item, &id)
		       ? NULL
		       : "must be ids of registries, such as 1sp3, separated by blanks or commas";
}

static const char *
check_path(const char *item)
{
	return registry_path_check(item) == NULL
		       ? NULL
		       : "must be paths of repositories, such as acme/app, separated by blanks or "
			 "commas";
}

static const char *
rule_read_list(const struct rule_line *line, const char *value, char *out,
	       const char *(*check)(const char *item))
{
	char copy[CONFIG_TEXT_MAX], *rest = copy;
	size_t count = 0, len = 0;

	if (strlen(value) >= sizeof(copy))
		return "is too long";
	(void)stpcpy(copy, value);
	for (char *item = strsep(&rest, ", \t"); item != NULL; item = strsep(&rest, ", \t")) {
		const char *why = *item != '\0' ? check(item) : NULL;

		if (why != NULL)
			return why;
		if (*item == '\0')
			continue;
		if (count++ == LIST_ITEMS_MAX || strlen(item) >= LIST_ITEM_SIZE)
			return "has more than 32 items, or one that is too long";
		len += (size_t)snprintf(out + len, line->size - len, len > 0 ? " %s" : "%s", item);
	}
	return count > 0 ? NULL : "must not be empty: leave it out to mean all";
}

static const char *
rule_read_registries(const struct rule_line *line, const char *value, char *out)
{
	return rule_read_list(line, value, out, check_registry_id);
}

static const char *
rule_read_paths(const struct rule_line *line, const char *value, char *out)
{
	return rule_read_list(line, value, out, check_path);
}

static const char *
rule_read_networks(const struct rule_line *line, const char *value, char *out)
{
	struct arena *a = arena_new(RULE_ARENA);
	const char *sentence = NULL;
	const char *list = a != NULL ? network_list_parse(a, value, &sentence) : NULL;
	const char *why = list != NULL ? rule_read_text(line, list, out)
			  : sentence != NULL
				  ? "must be networks, such as 10.0.0.0/8, separated by commas"
				  : "cannot be read: out of memory";

	arena_free(a);
	return why;
}

/* clang-format off */
#define LINE(name, read, needed) \
	{ #name, read, offsetof(struct token_rule, name), sizeof(((struct token_rule *)0)->name), needed }
static const struct rule_line rule_lines[] = {
	LINE(issuer,     rule_read_text,       true),
	LINE(audience,   rule_read_text,       true),
	LINE(keys,       rule_read_keys,       true),
	{ "project", rule_read_project, offsetof(struct token_rule, project_id), sizeof(int64_t), true },
	LINE(registries, rule_read_registries, false),
	LINE(paths,      rule_read_paths,      false),
	LINE(networks,   rule_read_networks,   false),
};
#undef LINE
/* clang-format on */

static bool __attribute__((format(printf, 2, 3)))
rule_refuse(char why[CONFIG_WHY_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, CONFIG_WHY_MAX, format, args);
	va_end(args);
	return false;
}

static const char claim_prefix[] = "claim.";

/* A pattern that everything matches is no condition: at a public issuer it would let everybody in.
 */
static bool
rule_take_claim(struct token_rule *rule, const char *name, const char *value,
		char why[CONFIG_WHY_MAX])
{
	size_t n = rule->claim_count;

	if (n == TOKEN_CLAIMS_MAX)
		return rule_refuse(why, "has more than %d claims", TOKEN_CLAIMS_MAX);
	if (*name == '\0' || strlen(name) >= TOKEN_NAME_SIZE || strlen(value) >= TOKEN_TEXT_SIZE)
		return rule_refuse(
			why, "the claim \"%.64s\" has no name, or it or its pattern is too long",
			name);
	if (value[strspn(value, "*")] == '\0')
		return rule_refuse(
			why, "the claim \"%s\" needs a pattern that not everything matches", name);
	for (size_t i = 0; i < n; i++)
		if (strcmp(rule->claims[i].name, name) == 0)
			return rule_refuse(why, "the claim \"%s\" is there twice", name);
	(void)stpcpy(rule->claims[n].name, name);
	(void)stpcpy(rule->claims[n].pattern, value);
	rule->claim_count++;
	return true;
}

static bool
rule_has(const struct token_rule *rule, const struct rule_line *line)
{
	return ((const char *)rule + line->offset)[0] != '\0' ||
	       (line->read == rule_read_project && rule->project_id != 0);
}

bool
token_rule_take(struct token_rule *rule, const char *name, const char *value,
		char why[CONFIG_WHY_MAX])
{
	if (strncmp(name, claim_prefix, sizeof(claim_prefix) - 1) == 0)
		return rule_take_claim(rule, name + sizeof(claim_prefix) - 1, value, why);
	for (size_t i = 0; i < sizeof(rule_lines) / sizeof(*rule_lines); i++) {
		const struct rule_line *line = &rule_lines[i];

		if (strcmp(line->name, name) != 0)
			continue;
		if (rule_has(rule, line))
			return rule_refuse(why, "%s is set twice", name);
		const char *wrong = line->read(line, value, (char *)rule + line->offset);
		return wrong == NULL || rule_refuse(why, "%s %s", name, wrong);
	}
	return rule_refuse(
		why,
		"unknown name \"%.64s\": a section [token] has issuer, audience, keys, project, "
		"registries, paths, networks, and claim.NAME for each claim",
		name);
}

bool
token_rule_complete(const struct token_rule *rule, char why[CONFIG_WHY_MAX])
{
	for (size_t i = 0; i < sizeof(rule_lines) / sizeof(*rule_lines); i++)
		if (rule_lines[i].needed && !rule_has(rule, &rule_lines[i]))
			return rule_refuse(why, "[token %s] needs a line `%s = ...`", rule->name,
					   rule_lines[i].name);
	return rule->claim_count > 0 ||
	       rule_refuse(why,
			   "[token %s] needs a claim, such as `claim.sub = "
			   "system:serviceaccount:team-a:*`: without one every token of the issuer "
			   "would be accepted",
			   rule->name);
}

bool
token_rule_name_valid(const char *name)
{
	size_t len = strspn(name, DIGITS LETTERS "-_");

	return len > 0 && len < TOKEN_NAME_SIZE && name[len] == '\0';
}

bool
token_rule_is_url(const struct token_rule *rule)
{
	return rule->keys[0] != '/';
}

const char *
token_rule_misses(const struct token_rule *rule, const struct json *claims)
{
	for (size_t i = 0; i < rule->claim_count; i++) {
		const struct json *claim = json_member(claims, rule->claims[i].name);

		if (claim == NULL || claim->text == NULL ||
		    fnmatch(rule->claims[i].pattern, claim->text, FNM_NOESCAPE) != 0)
			return rule->claims[i].name;
	}
	return NULL;
}
