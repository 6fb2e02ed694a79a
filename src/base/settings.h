/* settings: the settings as plain data, by the rows of settings.def; server/config.c fills them in.
 */
#ifndef REGCRED_BASE_SETTINGS_H
#define REGCRED_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

enum {
	CONFIG_PATH_MAX = 1024,
	CONFIG_TEXT_MAX = 1024,
	CONFIG_WHY_MAX = 4096,
	CONFIG_UIDS_MAX = 16,
	CONFIG_GROUPS_MAX = 256,
	CONFIG_GROUP_SIZE = 256, /* of a group's name, with its NUL */
	CONFIG_TOKENS_MAX = 64,
	TOKEN_CLAIMS_MAX = 8,
	TOKEN_NAME_SIZE = 64,  /* of a section's or a claim's name, with its NUL */
	TOKEN_TEXT_SIZE = 256, /* of an issuer, an audience or a pattern */
};

/* A line of the section [groups]: what a group of reverse-proxy authentication gives its members,
 * either a kind of account or a role in a project. */
struct group_grant {
	char name[CONFIG_GROUP_SIZE];
	const char *kind; /* NULL: a role in a project */
	const char *role;
	int64_t project_id;
};

/* A section [token NAME]: whose web tokens are accepted, and what they may do (access/token.h). The
 * lists are as in text.h; "" means no limit. */
struct token_rule {
	char name[TOKEN_NAME_SIZE];
	char issuer[TOKEN_TEXT_SIZE];
	char audience[TOKEN_TEXT_SIZE];
	char keys[CONFIG_PATH_MAX]; /* a file or a URL */
	int64_t project_id;
	char registries[CONFIG_TEXT_MAX];
	char paths[CONFIG_TEXT_MAX];
	char networks[CONFIG_TEXT_MAX];
	struct {
		char name[TOKEN_NAME_SIZE];
		char pattern[TOKEN_TEXT_SIZE];
	} claims[TOKEN_CLAIMS_MAX];
	size_t claim_count;
};

enum journal { JOURNAL_AUTO, JOURNAL_WAL, JOURNAL_ROLLBACK };

/* A member for each row of settings.def, and what a section of the file fills in. */
#define SETTING(type, name, ...) SETTING_##type(name)
#define SETTING_TEXT(name) char name[CONFIG_TEXT_MAX];
#define SETTING_PATH(name) char name[CONFIG_PATH_MAX];
#define SETTING_NUMBER(name) int64_t name;
#define SETTING_YES(name) bool name;
#define SETTING_WORD(name) unsigned name;
#define SETTING_ENUM(name) enum name name;
#define SETTING_USERS(name)                                                                        \
	uid_t name[CONFIG_UIDS_MAX];                                                               \
	size_t name##_count;
struct settings {
#include "base/settings.def"
	struct group_grant groups[CONFIG_GROUPS_MAX];
	size_t group_count;
	struct token_rule tokens[CONFIG_TOKENS_MAX];
	size_t token_count;
};
#undef SETTING

#endif
