/* config: reads the settings. base/settings.def is the only list of them.
 *
 * Values from all sources are handled alike: config_table gives the type, value_types says how that
 * type is parsed.
 */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/proxy.h"
#include "access/token_rule.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/http.h"
#include "base/ini.h"
#include "base/log.h"
#include "base/network.h"
#include "base/settings.h"
#include "registry/url.h"
#include "renew/program.h"
#include "secret/jws.h"

#define DEFAULT_FILE "/etc/regcred/regcred.conf"

enum {
	NAME_MAX_BYTES = 64,	/* bytes of a setting's name with "REGCRED_" before it */
	FILE_MAX = 1024 * 1024, /* bytes of a settings file */
	SETTINGS_MAX = 64,	/* rows of the table: one bit each while a file is read */
};

/* clang-format off */
#define SETTING(type, name, form, fallback, help, min, max) \
	{ #name, form, fallback, help, min, max, \
	  offsetof(struct settings, name), sizeof(((struct settings *)0)->name) },
/* clang-format on */

const struct setting config_table[] = {
#include "base/settings.def"
	{0},
};
#undef SETTING

_Static_assert(sizeof(config_table) / sizeof(config_table[0]) <= SETTINGS_MAX,
	       "one bit for each setting");

static bool __attribute__((format(printf, 2, 3)))
fail(char why[CONFIG_WHY_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, CONFIG_WHY_MAX, format, args);
	va_end(args);
	return false;
}

static void *
member(struct settings *s, const struct setting *row)
{
	return (char *)s + row->offset;
}

/* Parsers of values: each stores text in the member of its row, or says in why what it must be. */

static bool
config_read_text(const struct setting *row, const char *text, struct settings *s,
		 char why[CONFIG_WHY_MAX])
{
	if (strlen(text) >= row->size)
		return fail(why, "must be shorter than %zu bytes", row->size);
	for (const char *p = text; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			return fail(why, "must not contain control characters");
	memcpy(member(s, row), text, strlen(text) + 1);
	return true;
}

/* Digits only: strtoll would take blanks and signs too. */
static bool
parse_integer(const char *text, int base, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long value;

	if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
		return false;
	errno = 0;
	value = strtoll(text, &end, base);
	if (*end != '\0' || errno != 0 || value < min || value > max)
		return false;
	*out = value;
	return true;
}

static bool
config_read_number(const struct setting *row, const char *text, struct settings *s,
		   char why[CONFIG_WHY_MAX])
{
	if (!parse_integer(text, 10, row->min, row->max, member(s, row)))
		return fail(why, "must be a whole number from %lld to %lld", (long long)row->min,
			    (long long)row->max);
	return true;
}

static bool
read_octal(const struct setting *row, const char *text, struct settings *s,
	   char why[CONFIG_WHY_MAX])
{
	if (!parse_integer(text, 8, row->min, row->max, member(s, row)))
		return fail(why, "must be an octal number from %llo to %llo",
			    (unsigned long long)row->min, (unsigned long long)row->max);
	return true;
}

static bool
read_yes_no(const struct setting *row, const char *text, struct settings *s,
	    char why[CONFIG_WHY_MAX])
{
	bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0)
		return fail(why, "must be yes or no");
	*(bool *)member(s, row) = yes;
	return true;
}

static bool
read_level(const struct setting *row, const char *text, struct settings *s,
	   char why[CONFIG_WHY_MAX])
{
	if (!log_level_parse(text, member(s, row)))
		return fail(why, "must be error, warn, info or debug");
	return true;
}

/* One of the words of the type; stores its index, as in the member's enum. */
static bool
read_word(const struct setting *row, const char *text, struct settings *s, char why[CONFIG_WHY_MAX])
{
	size_t len = strlen(text);
	unsigned number = 0;

	for (const char *word = row->type, *end; len > 0; word = end + 1, number++) {
		end = strchrnul(word, '|');
		if ((size_t)(end - word) == len && memcmp(word, text, len) == 0) {
			*(unsigned *)member(s, row) = number;
			return true;
		}
		if (*end == '\0')
			break;
	}
	return fail(why, "must be one of %s", row->type);
}

/* A user name or a number: the user of a web server in a container may have no name on this
 * machine. */
static bool
find_uid(const char *name, uid_t *uid)
{
	struct passwd entry, *found = NULL;
	char room[16384];
	int64_t number;

	if (parse_integer(name, 10, 0, UINT32_MAX - 1, &number)) {
		*uid = (uid_t)number;
		return true;
	}
	if (getpwnam_r(name, &entry, room, sizeof(room), &found) != 0 || found == NULL)
		return false;
	*uid = found->pw_uid;
	return true;
}

/* Names or numbers separated by blanks or commas.  A later source replaces the list of an earlier
 * one.
 */
static bool
read_users(const struct setting *row, const char *text, struct settings *s,
	   char why[CONFIG_WHY_MAX])
{
	static const char between[] = ", \t";
	uid_t *uids = member(s, row);
	char list[CONFIG_TEXT_MAX];
	char *rest = NULL;
	size_t count = 0;

	if (strlen(text) >= sizeof(list))
		return fail(why, "must be shorter than %zu bytes", sizeof(list));
	memcpy(list, text, strlen(text) + 1);
	for (char *name = strtok_r(list, between, &rest); name != NULL;
	     name = strtok_r(NULL, between, &rest)) {
		if (count == CONFIG_UIDS_MAX)
			return fail(why, "must not name more than %d users", CONFIG_UIDS_MAX);
		if (!find_uid(name, &uids[count]))
			return fail(why, "names a user that does not exist: %s", name);
		count++;
	}
	s->allowed_users_count = count;
	return true;
}

/* Comma-separated networks, stored as a list as in network.h. */
static bool
config_read_networks(const struct setting *row, const char *text, struct settings *s,
		     char why[CONFIG_WHY_MAX])
{
	struct arena *a = arena_new(64 * 1024);
	const char *sentence = NULL, *list = "";
	bool right = a != NULL;

	if (right && *text != '\0')
		list = network_list_parse(a, text, &sentence);
	if (sentence != NULL)
		right = fail(why, "contains something that is not a network: %s", sentence);
	else if (list == NULL || !right)
		right = fail(why, "cannot be read: out of memory");
	else
		right = config_read_text(row, list, s, why);
	if (a != NULL)
		arena_free(a);
	return right;
}

/* A list as in renew/program.h. */
static bool
read_programs(const struct setting *row, const char *text, struct settings *s,
	      char why[CONFIG_WHY_MAX])
{
	struct program program;

	for (const char *rest = text; program_next(&rest, &program);)
		if (*program.name == '\0' || *program.path == '\0')
			return fail(why,
				    "names programs as name=/path or name=style:/path, where the "
				    "path is absolute and the style docker, kubelet or kubectl; it "
				    "does not understand \"%s\"",
				    program.name);
	return config_read_text(row, text, s, why);
}

// clang-format off
static const struct setting_type {
	const char *name;
	bool (*read)(const struct setting *row, const char *text, struct settings *s,
		     char why[CONFIG_WHY_MAX]);
	const char *placeholder; /* in --help */
} value_types[] = {
	{ "path", config_read_text, " FILE" },
	{ "text", config_read_text, " TEXT" },
	{ "number", config_read_number, " N" },
	{ "octal", read_octal, " MODE" },
	{ "seconds", config_read_number, " S" },
	{ "yes|no", read_yes_no, "[=yes|no]" },
	{ "level", read_level, " LEVEL" },
	{ "text|json", read_word, " FORM" },
	{ "off|on", read_word, " MODE" },
	{ "off|aws", read_word, " CLOUD" },
	{ "auto|wal|rollback", read_word, " MODE" },
	{ "users", read_users, " USERS" },
	{ "networks", config_read_networks, " NETWORKS" },
	{ "programs", read_programs, " PROGRAMS" },
};
// clang-format on

/* Only texts of the table are looked up here, so a type is always found. */
static const struct setting_type *
type_of(const struct setting *row)
{
	const struct setting_type *type = value_types;

	while (strcmp(type->name, row->type) != 0)
		type++;
	return type;
}

/* where: prefix of the message in why: "FILE:LINE: workers", "REGCRED_WORKERS", "--workers". */
static bool
config_set(struct settings *s, const struct setting *row, const char *text, const char *where,
	   char why[CONFIG_WHY_MAX])
{
	char reason[CONFIG_WHY_MAX];

	if (!type_of(row)->read(row, text, s, reason))
		return fail(why, "%.*s %s", CONFIG_WHY_MAX / 2, where, reason);
	return true;
}

static bool
set_defaults(struct settings *s, char why[CONFIG_WHY_MAX])
{
	for (const struct setting *row = config_table; row->name != NULL; row++)
		if (!config_set(s, row, row->fallback, row->name, why))
			return false;
	return true;
}

/* Whole names only; option names have '-' for '_'. */
static bool
same_name(const char *name, const char *typed, size_t len, bool option)
{
	if (strlen(name) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (typed[i] != name[i] && !(option && name[i] == '_' && typed[i] == '-'))
			return false;
	return true;
}

static const struct setting *
config_find_setting(const char *typed, size_t len, bool option)
{
	for (const struct setting *row = config_table; row->name != NULL; row++)
		if (same_name(row->name, typed, len, option))
			return row;
	return NULL;
}

/* A settings file while it is read. */
struct config_file {
	struct settings *settings;
	char *why;
	const char *name;
	unsigned line;
	bool in_groups;		      /* after the line [groups] */
	struct token_rule *token;     /* after a line [token NAME]; NULL: elsewhere */
	unsigned first[SETTINGS_MAX]; /* line that set the row with this index; 0: none */
};

/* "NAME = admin", "NAME = 1a5:member".  A group may have several lines, but one kind, and one role
 * in a project.  Names may hold '='. */
static bool
read_group(struct settings *s, const struct config_file *file, char *line, char why[CONFIG_WHY_MAX])
{
	struct group_grant *grant = &s->groups[s->group_count];
	char *value = strrchr(line, '=');

	if (value == NULL)
		return fail(why, "%s:%u: neither \"group = what it gives\" nor a comment",
			    file->name, file->line);
	value = ini_split(line, value);
	if (line[0] == '\\' && line[1] != '\0' && strchr("#;[", line[1]) != NULL)
		line++; /* otherwise the name would be a comment or a section */
	if (s->group_count == CONFIG_GROUPS_MAX)
		return fail(why, "%s:%u: there are more than %d lines in [groups]", file->name,
			    file->line, CONFIG_GROUPS_MAX);
	if (!proxy_group_name_valid(line))
		return fail(why,
			    "%s:%u: a group's name has 1 to 255 bytes of UTF-8 without commas, "
			    "bars and control characters",
			    file->name, file->line);
	if (!proxy_grant_parse(value, grant))
		return fail(why,
			    "%s:%u: a group gives admin, readAdmin, user, or PROJECT:ROLE (as "
			    "1a5:member) with the role owner, member, restricted or readonly, not "
			    "\"%.64s\"",
			    file->name, file->line, value);
	memcpy(grant->name, line, strlen(line) + 1);
	for (size_t i = 0; i < s->group_count; i++)
		if (strcmp(s->groups[i].name, line) == 0 &&
		    s->groups[i].project_id == grant->project_id)
			return fail(why, "%s:%u: the group \"%.64s\" already has a line like that",
				    file->name, file->line, line);
	s->group_count++;
	return true;
}

static bool
end_token(struct config_file *file, char why[CONFIG_WHY_MAX])
{
	char reason[CONFIG_WHY_MAX];
	struct token_rule *token = file->token;

	file->token = NULL;
	if (token == NULL || token_rule_complete(token, reason))
		return true;
	return fail(why, "%s:%u: %.*s", file->name, file->line, CONFIG_WHY_MAX / 2, reason);
}

static const char token_section[] = "[token ";

/* The line "[token NAME]". */
static bool
begin_token(struct config_file *file, char *line, char why[CONFIG_WHY_MAX])
{
	struct settings *s = file->settings;
	char *name = line + strlen(token_section);

	name[strlen(name) - 1] = '\0';
	if (!jws_is_built())
		return fail(why,
			    "%s:%u: this regcred was built without libjose, which checks the "
			    "tokens of a section [token]: remove the section, or build it with "
			    "--with-jose",
			    file->name, file->line);
	if (!token_rule_name_valid(name))
		return fail(why,
			    "%s:%u: the name of a section [token NAME] consists of 1 to 63 "
			    "letters, digits, - and _",
			    file->name, file->line);
	for (size_t i = 0; i < s->token_count; i++)
		if (strcmp(s->tokens[i].name, name) == 0)
			return fail(why, "%s:%u: there is a section [token %s] already", file->name,
				    file->line, name);
	if (s->token_count == CONFIG_TOKENS_MAX)
		return fail(why, "%s:%u: there are more than %d sections [token NAME]", file->name,
			    file->line, CONFIG_TOKENS_MAX);
	file->token = &s->tokens[s->token_count++];
	(void)stpcpy(file->token->name, name);
	return true;
}

/* The line "name = value" of such a section, already split. */
static bool
take_token_line(const struct config_file *file, const char *name, const char *value,
		char why[CONFIG_WHY_MAX])
{
	char reason[CONFIG_WHY_MAX];

	return token_rule_take(file->token, name, value, reason) ||
	       fail(why, "%s:%u: %.*s", file->name, file->line, CONFIG_WHY_MAX / 2, reason);
}

static bool
is_token_section(const char *line)
{
	return strncmp(line, token_section, strlen(token_section)) == 0 &&
	       line[strlen(line) - 1] == ']';
}

/* Settings of earlier versions, and their replacements. */
static const struct {
	const char *name, *instead;
} dropped[] = {
	{"ballast_bytes", "min_free_bytes keeps that room now"},
	{"process_log_keep_s",
	 "the audit log has the steps; audit_keep_s says how long they are kept"},
};

static bool
refuse_unknown(const struct config_file *file, const char *name, char why[CONFIG_WHY_MAX])
{
	for (size_t i = 0; i < sizeof(dropped) / sizeof(*dropped); i++)
		if (strcmp(dropped[i].name, name) == 0)
			return fail(why,
				    "%s:%u: the setting %s no longer exists: remove this line (%s)",
				    file->name, file->line, name, dropped[i].instead);
	return fail(why, "%s:%u: unknown setting \"%.64s\"", file->name, file->line, name);
}

static bool
config_take_line(void *arg, unsigned number, char *line)
{
	struct config_file *file = arg;
	struct settings *s = file->settings;
	char *why = file->why;
	const struct setting *row;
	char where[CONFIG_WHY_MAX];
	unsigned *first;
	char *value;

	file->line = number;
	bool token = is_token_section(line);
	if (token || strcmp(line, "[regcred]") == 0 || strcmp(line, "[groups]") == 0) {
		file->in_groups = line[1] == 'g';
		return end_token(file, why) && (!token || begin_token(file, line, why));
	}
	if (file->in_groups)
		return read_group(s, file, line, why);
	value = strchr(line, '=');
	if (value == NULL)
		return fail(why, "%s:%u: neither \"name = value\" nor a comment", file->name,
			    file->line);
	value = ini_split(line, value);
	if (file->token != NULL)
		return take_token_line(file, line, value, why);
	row = config_find_setting(line, strlen(line), false);
	if (row == NULL)
		return refuse_unknown(file, line, why);
	first = &file->first[row - config_table];
	if (*first != 0)
		return fail(why, "%s:%u: %s is set twice; the first time is in line %u", file->name,
			    file->line, row->name, *first);
	*first = file->line;
	snprintf(where, sizeof(where), "%s:%u: %s", file->name, file->line, row->name);
	return config_set(s, row, value, where, why);
}

/* must_exist: false for the default file, which may be missing. */
static bool
config_read_file(struct settings *s, const char *name, bool must_exist, char why[CONFIG_WHY_MAX])
{
	static const struct file_rules rules = {.max = FILE_MAX};
	struct config_file file = {.settings = s, .why = why, .name = name};

	if (strcmp(name, "/dev/null") == 0) /* means: no file */
		return true;
	char *text = malloc(FILE_MAX + 1);
	if (text == NULL)
		return fail(why, "out of memory");
	ssize_t len = file_read(name, &rules, text, NULL, why, CONFIG_WHY_MAX);
	bool ok = len >= 0 ? ini_each(text, config_take_line, &file) && end_token(&file, why)
			   : errno == ENOENT && !must_exist;
	free(text);
	return ok;
}

/* Only the table's own variables: REGCRED_URL and others belong to the clients. */
static bool
config_read_environment(struct settings *s, char why[CONFIG_WHY_MAX])
{
	for (const struct setting *row = config_table; row->name != NULL; row++) {
		char name[NAME_MAX_BYTES];
		const char *value;

		snprintf(name, sizeof(name), "REGCRED_%s", row->name);
		for (char *p = name; *p != '\0'; p++)
			*p = (char)toupper((unsigned char)*p);
		value = getenv(name);
		if (value != NULL && !config_set(s, row, value, name, why))
			return false;
	}
	return true;
}

/* Gets the value of the option argv[*arg], which may be the next argument, and moves *arg past it.
 */
static bool
option_value(int argc, char **argv, int *arg, const char **value, char why[CONFIG_WHY_MAX])
{
	const char *option = argv[(*arg)++];
	const char *equals = strchr(option, '=');

	if (equals != NULL) {
		*value = equals + 1;
		return true;
	}
	if (*arg >= argc)
		return fail(why, "%.64s needs a value", option);
	*value = argv[(*arg)++];
	return true;
}

/* Walks over the options that are settings.  With s NULL it only looks for --config FILE, which has
 * to be loaded first. */
static bool
read_options(struct settings *s, int argc, char **argv, int *arg, const char **file,
	     char why[CONFIG_WHY_MAX])
{
	while (*arg < argc && strncmp(argv[*arg], "--", 2) == 0) {
		const char *typed = argv[*arg] + 2, *value = NULL;
		size_t len = strcspn(typed, "=");
		const struct setting *row = config_find_setting(typed, len, true);
		char where[NAME_MAX_BYTES];

		if (row == NULL && !same_name("config", typed, len, true))
			return true;
		if (row != NULL && strcmp(row->type, "yes|no") == 0 && typed[len] == '\0') {
			value = "yes";
			++*arg;
		} else if (!option_value(argc, argv, arg, &value, why)) {
			return false;
		}
		if (row == NULL)
			*file = value;
		snprintf(where, sizeof(where), "--%.*s", (int)len, typed);
		if (row != NULL && s != NULL && !config_set(s, row, value, where, why))
			return false;
	}
	return true;
}

/* Fills a path that was left empty. */
static bool
derive_path(char path[CONFIG_PATH_MAX], const char *directory, const char *name,
	    char why[CONFIG_WHY_MAX])
{
	if (*path != '\0')
		return true;
	if (snprintf(path, CONFIG_PATH_MAX, "%s/%s", directory, name) >= CONFIG_PATH_MAX)
		return fail(why, "state_dir is too long for %s below it", name);
	return true;
}

/* systemd passes keys in a separate directory (LoadCredential=). */
static void
find_credential(char key_file[CONFIG_PATH_MAX])
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char path[CONFIG_PATH_MAX];

	if (*key_file != '\0' || directory == NULL || *directory == '\0')
		return;
	if (snprintf(path, sizeof(path), "%s/master.key", directory) < (int)sizeof(path) &&
	    access(path, F_OK) == 0)
		memcpy(key_file, path, sizeof(path));
}

/* Every link begins with it, so it must be a scheme, a host and a plain path, and end without a
 * slash. */
static bool
check_base_url(const char *url, char why[CONFIG_WHY_MAX])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~/";
	char host[CONFIG_TEXT_MAX];
	const char *rest;
	size_t len;

	if (*url == '\0')
		return true;
	rest = strstr(url, "://");
	len = rest == NULL ? 0 : (size_t)(rest - url);
	if (!(len == 4 && strncmp(url, "http", 4) == 0) &&
	    !(len == 5 && strncmp(url, "https", 5) == 0))
		return fail(why, "base_url must begin with http:// or https://");
	rest = url + len + 3;
	len = strcspn(rest, "/");
	memcpy(host, rest, len);
	host[len] = '\0';
	if (!http_host_valid(host))
		return fail(why, "base_url must name a host, with a port if it needs one");
	rest += len;
	if (rest[strspn(rest, plain)] != '\0' || strstr(rest, "//") != NULL ||
	    (*rest != '\0' && rest[strlen(rest) - 1] == '/'))
		return fail(why, "base_url must end with a plain path without a slash at its end");
	return true;
}

static bool
check_proxy(const struct settings *s, char why[CONFIG_WHY_MAX])
{
	if (s->proxy_auth && *s->proxy_token_file == '\0')
		return fail(why, "proxy_auth needs proxy_token_file");
	if (s->proxy_auth && s->open)
		return fail(why, "proxy_auth and open cannot both be set");
	return true;
}

/* Each entry must be a registry: a misspelt name would silently have no effect. */
static bool
check_registries(const char *list, char why[CONFIG_WHY_MAX])
{
	struct arena *a = arena_new(64 * 1024);
	bool right = a != NULL || fail(why, "out of memory");

	for (; right && *list != '\0'; list += strspn(list, ", ")) {
		size_t len = strcspn(list, ", ");
		const char *one = arena_copy(a, list, len), *wrong = NULL;
		struct registry_url url;

		if (len > 0 && one != NULL)
			wrong = registry_url_parse(a, one, &url);
		if (wrong != NULL)
			right = fail(why, "insecure_registries: %.200s: %s", one, wrong);
		list += len;
	}
	if (a != NULL)
		arena_free(a);
	return right;
}

static bool
complete(struct settings *s, char why[CONFIG_WHY_MAX])
{
	if (*s->state_dir == '\0')
		return fail(why, "state_dir must not be empty");
	find_credential(s->key_file);
	return derive_path(s->database, s->state_dir, "regcred.db", why) &&
	       derive_path(s->key_file, s->state_dir, "master.key", why) &&
	       derive_path(s->socket, s->state_dir, "regcredd.sock", why) &&
	       check_base_url(s->base_url, why) && check_proxy(s, why) &&
	       check_registries(s->insecure_registries, why);
}

bool
config_load(struct settings *s, int argc, char **argv, int *arg, char why[CONFIG_WHY_MAX])
{
	const char *file = getenv("REGCRED_CONFIG"); /* for CGI, which has no options */
	int ahead = *arg;

	memset(s, 0, sizeof(*s));
	if (file != NULL && *file == '\0')
		file = NULL;
	if (!set_defaults(s, why) || !read_options(NULL, argc, argv, &ahead, &file, why))
		return false;
	if (!config_read_file(s, file != NULL ? file : DEFAULT_FILE, file != NULL, why))
		return false;
	return config_read_environment(s, why) && read_options(s, argc, argv, arg, &file, why) &&
	       complete(s, why);
}

void
config_use_log(const struct settings *s)
{
	log_set_level(s->log_level);
	log_set_json(s->log_format == 1);
}

void
config_warn(const struct settings *s)
{
	if (s->open)
		log_warn("OPEN MODE: there is no authentication. Everyone who reaches this server "
			 "can read and change every login. Use it on loopback for tests only.");
}

/* Prints the range and default of a row after its sentence. */
static void
print_default(FILE *out, const struct setting *row)
{
	if (type_of(row)->read == config_read_number)
		fprintf(out, " (%lld to %lld; %s)", (long long)row->min, (long long)row->max,
			row->fallback);
	else if (*row->fallback != '\0')
		fprintf(out, " (%s)", row->fallback);
	fputc('\n', out);
}

void
config_help(FILE *out)
{
	fprintf(out, "  --%-24s %s\n", "config FILE",
		"Settings file, also $REGCRED_CONFIG. (" DEFAULT_FILE ", if it exists)");
	for (const struct setting *row = config_table; row->name != NULL; row++) {
		char option[NAME_MAX_BYTES];

		if (row->help == NULL)
			continue;
		snprintf(option, sizeof(option), "%s%s", row->name, type_of(row)->placeholder);
		for (char *p = option; *p != '\0' && *p != ' '; p++)
			*p = *p == '_' ? '-' : *p;
		fprintf(out, "  --%-24s %s", option, row->help);
		print_default(out, row);
	}
}

void
config_man(FILE *out)
{
	for (const struct setting *row = config_table; row->name != NULL; row++) {
		const char *argument = type_of(row)->placeholder;

		if (row->help == NULL)
			continue;
		fprintf(out, ".It Cm %s = Ar %s\n%s", row->name,
			argument[0] == '[' ? "yes|no" : argument + 1, row->help);
		print_default(out, row);
	}
}

bool
config_is_option(const char *argument, bool *takes_next)
{
	if (strncmp(argument, "--", 2) != 0)
		return false;
	const char *typed = argument + 2;
	size_t len = strcspn(typed, "=");
	const struct setting *row = config_find_setting(typed, len, true);

	*takes_next = typed[len] == '\0' && (row == NULL || strcmp(row->type, "yes|no") != 0);
	return row != NULL || same_name("config", typed, len, true);
}
