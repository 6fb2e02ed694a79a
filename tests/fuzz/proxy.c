/* proxy: what the web server says of somebody: user, groups and address by lines.  Without the
 * token nothing of it is believed. */

#include <string.h>

#include "access/proxy.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/log.h"
#include "base/settings.h"

#include "fuzz.h"

static const char token[] = "0123456789abcdef0123456789abcdef";
static const struct group_grant grants[] = {{.name = "admins", .kind = "admin"},
					    {.name = "team a", .role = "member", .project_id = 5}};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	char *text = arena_strdup(a, fuzz_text(data, size)), *rest = text;
	struct proxy_claim claim = {.token = token};
	struct group_grant grant;
	struct error e = {0};

	log_set_level(LOG_ERROR);
	FUZZ_MUST(text != NULL);
	if (proxy_grant_parse(text, &grant))
		FUZZ_MUST((grant.kind != NULL) != (grant.role != NULL));
	(void)proxy_group_name_valid(text);
	claim.user = strsep(&rest, "\n");
	claim.groups = strsep(&rest, "\n");
	claim.email = rest;
	if (proxy_check(&claim, token, &e) == ERR_NONE) {
		FUZZ_MUST(claim.user == NULL || strlen(claim.user) <= PROXY_USER_MAX);
		FUZZ_MUST(claim.groups == NULL || strlen(claim.groups) <= PROXY_GROUPS_MAX);
		const char *kind = proxy_kind("user", claim.groups, grants, 2);
		bool admin = proxy_in_groups(claim.groups, "admins");
		FUZZ_MUST(strcmp(kind, admin != fuzz_wrong ? "admin" : "user") == 0);
		FUZZ_MUST(!admin || strstr(claim.groups, "admins") != NULL);
	}
	claim.token = claim.user;
	FUZZ_MUST(proxy_check(&claim, token, &e) != ERR_NONE || strcmp(claim.token, token) == 0);
	return 0;
}
