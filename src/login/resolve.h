/* resolve: which login is used for an image, and why.
 *
 * Of the usable logins whose registry has the image's address, the first in this order is used:
 *
 *   1. a login of the caller's account before one of a project that its key names
 *   2. the longest path that contains the image's, by whole segments
 *   3. a default before others
 *   4. the newest; within the same second the highest id
 */
#ifndef REGCRED_RESOLVE_H
#define REGCRED_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json_in.h"
#include "model/schema.h"
#include "registry/url.h"
#include "resource/resource.h"
#include "store/store.h"

/* The rule that decided for a login, or against it. */
enum login_reason {
#define REASON(name, word, chosen, other) LOGIN_##name,
#include "model/login_reason.def"
#undef REASON
	LOGIN__COUNT
};

struct login {
	const struct record *row;	     /* the registryCredential */
	const struct registry_url *registry; /* the parsed address of its registry */
	const char *token_host;		     /* where logins of that registry go; NULL: not known */
	const char *path;		     /* repositories it is for; "": all */
	bool own;			     /* belongs to the account that the caller acts for */
	bool fits; /* set by resolve_order(): can be used for the request */
	enum login_reason reason;
};

struct login_list {
	struct login *items;
	size_t count, room;
	bool named; /* logins of a project named in the request; else of the caller's own account
		       and the projects that its key names */
};

/* What a login is requested for. */
struct wanted {
	const char *image;	     /* as given; NULL: no image */
	const char *address;	     /* a serverAddress, as given */
	struct registry_image parts; /* .key NULL: any registry; .repository NULL: no image */
	int64_t registry_id;	     /* 0: any */
};

/* Reads what a body asks for: at most one of image, serverAddress and, where the type has it,
 * registryId. */
enum err resolve_read(const struct context *c, const struct resource_type *type,
		      const struct json *body, struct wanted *out, struct error *e)
	__attribute__((warn_unused_result));

/* Finds every login for the requested registries within the limits of the caller's key, and whether
 * each can be used, apart from its path. If `revealed` or the caller's role requires it, only those
 * that the caller may retrieve. The rows have only the beginning of their secrets: use_read() reads
 * a chosen one whole, and the transaction that records its use checks it again, by use_check(). */
enum err resolve_find(const struct context *c, const struct wanted *wanted, bool revealed,
		      struct login_list *out, struct error *e) __attribute__((warn_unused_result));

/* Sorts the list in the order above, those that do not fit last, and sets the reasons: for the
 * first login, the rule by which it precedes the second; for the others, the rule by which they
 * come after the first, or that they are duplicates of it: same registry, user name and path.
 * repository NULL: the whole registry, so that a login with a path does not fit. */
void resolve_order(struct login_list *list, const char *repository);
/* Only sorts, whatever the paths; logins that cannot be used come last. */
void resolve_sort(struct login_list *list);

/* Whether nothing was found because the caller belongs to projects but did not name one. */
bool resolve_is_lost(const struct context *c, const struct login_list *list);

/* A sentence why the login was chosen, or why not. login NULL: why there is none. */
const char *resolve_text(const struct login_list *list, const struct login *login);

#endif
