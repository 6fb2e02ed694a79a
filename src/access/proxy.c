/* proxy: the token, the claims, and what groups grant. */
#include "access/proxy.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/http.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "model/record.h"
#include "secret/random.h"

static bool
proxy_refuse(char why[CONFIG_WHY_MAX], const char *path, const char *what, const char *more)
{
	(void)snprintf(why, CONFIG_WHY_MAX, "the proxy token %s %s%s", path, what, more);
	return false;
}

bool
proxy_token_load(const char *path, char token[PROXY_TOKEN_SIZE], char why[CONFIG_WHY_MAX])
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "-_.~+/=";
	/* A line feed may follow the token. */
	static const struct file_rules rules = {
		.what = "the proxy token ", .max = PROXY_TOKEN_SIZE + 1, .closed = 07177};
	char text[PROXY_TOKEN_SIZE + 2];
	bool right = false;

	if (file_read(path, &rules, text, NULL, why, CONFIG_WHY_MAX) < 0)
		return false;
	size_t len = strcspn(text, "\r\n");
	const char *rest = text + len + strspn(text + len, "\r\n");
	if (*rest != '\0' || strspn(text, plain) != len)
		(void)proxy_refuse(why, path, "must be one line of letters, digits and ",
				   "-_.~+/=");
	else if (len < PROXY_TOKEN_MIN)
		(void)proxy_refuse(why, path, "must have at least 32 characters", "");
	else if (len >= PROXY_TOKEN_SIZE)
		(void)proxy_refuse(why, path, "must have at most 512 characters", "");
	else
		right = true;
	if (right) {
		memcpy(token, text, len);
		token[len] = '\0';
	}
	explicit_bzero(text, sizeof(text));
	return right;
}

bool
proxy_claimed(const struct proxy_claim *claim)
{
	return claim->user != NULL || claim->groups != NULL || claim->email != NULL ||
	       claim->token != NULL;
}

/* Control characters: ASCII, and U+0080 to U+009F. */
static bool
proxy_is_plain(const char *text)
{
	if (!http_utf8_valid(text, strlen(text)))
		return false;
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f ||
		    (p[0] == '\xc2' && (unsigned char)p[1] < 0xa0))
			return false;
	return true;
}

static enum err
check_text(const char *name, const char *text, size_t max, struct error *e)
{
	if (text == NULL || (*text != '\0' && strlen(text) <= max && proxy_is_plain(text)))
		return ERR_NONE;
	log_warn("%s is empty, longer than %zu bytes, no UTF-8, or holds a control character", name,
		 max);
	return err_set(e, ERR_BAD_REQUEST, NULL,
		       "What the web server says about the user is not valid: ask an administrator "
		       "to look at the log.");
}

enum err
proxy_check(const struct proxy_claim *claim, const char *token, struct error *e)
{
	if (claim->repeated) {
		log_warn("a parameter REGCRED_PROXY_... came twice");
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "The web server names the user twice: ask an administrator to look "
			       "at its configuration.");
	}
	if (claim->token == NULL || !secret_equal(claim->token, token)) {
		log_warn("a sign-on by the web server was refused: REGCRED_PROXY_TOKEN is %s",
			 claim->token == NULL ? "missing" : "wrong");
		return err_set(e, ERR_UNAUTHORIZED, NULL, NULL);
	}
	if (claim->user == NULL && (claim->groups != NULL || claim->email != NULL)) {
		log_warn("REGCRED_PROXY_GROUPS or _EMAIL came without REGCRED_PROXY_USER");
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "What the web server says about the user is not valid: ask an "
			       "administrator to look at the log.");
	}
	if (check_text("REGCRED_PROXY_USER", claim->user, PROXY_USER_MAX, e) != ERR_NONE ||
	    check_text("REGCRED_PROXY_GROUPS", claim->groups, PROXY_GROUPS_MAX, e) != ERR_NONE)
		return e->code;
	return check_text("REGCRED_PROXY_EMAIL", claim->email, PROXY_EMAIL_MAX, e);
}

/* Groups */

/* From the weakest to the strongest. */
static const struct {
	const char *kind;
	bool by_group;
} kinds[] = {
	{"user", true},
	{"projectadmin", false},
	{"readAdmin", true},
	{"admin", true},
};

static const char *const project_roles[] = {"owner", "member", "restricted", "readonly"};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* KINDS if people cannot have that kind. */
static size_t
proxy_rank(const char *kind)
{
	size_t i = 0;

	while (i < KINDS && strcmp(kinds[i].kind, kind) != 0)
		i++;
	return i;
}

bool
proxy_grant_parse(const char *text, struct group_grant *out)
{
	const char *colon = strchr(text, ':');
	char project[32];
	size_t i = proxy_rank(text);

	out->kind = out->role = NULL;
	out->project_id = 0;
	if (colon == NULL) {
		out->kind = i < KINDS && kinds[i].by_group ? kinds[i].kind : NULL;
		return out->kind != NULL;
	}
	if ((size_t)(colon - text) >= sizeof(project))
		return false;
	(void)snprintf(project, sizeof(project), "%.*s", (int)(colon - text), text);
	for (i = 0; i < sizeof(project_roles) / sizeof(*project_roles); i++)
		if (strcmp(project_roles[i], colon + 1) == 0)
			out->role = project_roles[i];
	return out->role != NULL && id_parse(&family_account, project, &out->project_id);
}

bool
proxy_group_name_valid(const char *name)
{
	return *name != '\0' && strlen(name) < CONFIG_GROUP_SIZE && proxy_is_plain(name) &&
	       strpbrk(name, ",|") == NULL;
}

bool
proxy_in_groups(const char *list, const char *name)
{
	size_t name_len = strlen(name);

	if (list == NULL)
		return false;
	const char *between = strchr(list, '|') != NULL && *list != ',' ? "|" : ",";
	for (const char *item = list;; item++) {
		item += strspn(item, " ");
		size_t len = strcspn(item, between), end = len;

		while (end > 0 && item[end - 1] == ' ')
			end--;
		if (end == name_len && memcmp(item, name, end) == 0)
			return true;
		item += len;
		if (*item == '\0')
			return false;
	}
}

bool
proxy_may_be(const char *kind)
{
	return proxy_rank(kind) < KINDS;
}

const char *
proxy_kind(const char *kind, const char *list, const struct group_grant *grants, size_t count)
{
	size_t best = proxy_rank(kind);

	for (size_t i = 0; i < count; i++)
		if (grants[i].kind != NULL && proxy_rank(grants[i].kind) > best &&
		    proxy_in_groups(list, grants[i].name))
			best = proxy_rank(grants[i].kind);
	return best < KINDS ? kinds[best].kind : kind;
}
