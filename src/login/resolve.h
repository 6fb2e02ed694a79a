/* resolve: which login is used for an image, and why.
 *
 * Of the logins whose registry has the address of the image's, and that can be used at all, the
 * first by this order is taken:
 *
 *   1. one of the account that asks goes before one of a project that its key names
 *   2. the longest path that holds the image's, in whole segments
 *   3. a default before others
 *   4. the newest, and of one second the highest id
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
	const struct registry_url *registry; /* what the address of its registry means */
	const char *path;		     /* repositories that it is for; "": all */
	bool own;			     /* belongs to the account that is acted for */
	bool fits;			     /* resolve_order(): can be used for what is asked */
	enum login_reason reason;
};

struct login_list {
	struct login *items;
	size_t count, room;
	bool named; /* of a project that was named; else of the caller's own account and of what its
		       key names */
};

/* What a login is wanted for. */
struct wanted {
	const char *image;	     /* as it was asked with; NULL: no image was named */
	const char *address;	     /* likewise, a serverAddress */
	struct registry_image parts; /* .key NULL: any registry; .repository NULL: no image */
	int64_t registry_id;	     /* 0: any */
};

/* What a body asks for: image, serverAddress, and registryId where the type has it; one of them at
 * most. */
enum err resolve_read(const struct context *c, const struct resource_type *type,
		      const struct json *body, struct wanted *out, struct error *e)
	__attribute__((warn_unused_result));

/* Every login for the registries that are wanted, within the bounds of the caller's key; of each
 * whether it can be used, its path apart.  Those alone that the caller may be handed, if `revealed`
 * or its role says so.  What was chosen is looked at again in the transaction that records its use:
 * use_check(). */
enum err resolve_find(const struct context *c, const struct wanted *wanted, bool revealed,
		      struct login_list *out, struct error *e) __attribute__((warn_unused_result));

/* Puts the list in the order above, those that do not fit last, and says of each why: of the first
 * by which rule it goes before the second, of the others by which they come behind it, or
 * that they double it: same registry, user name and path.  repository NULL: for all of a registry,
 * so that a login with a path does not fit. */
void resolve_order(struct login_list *list, const char *repository);
/* The order alone: of logins whatever their paths, those that cannot be used last. */
void resolve_sort(struct login_list *list);

/* Whether nothing was found because the caller, who belongs to projects, named none of them. */
bool resolve_is_lost(const struct context *c, const struct login_list *list);

/* A sentence: why the login was chosen, or why not.  login NULL: why there is none. */
const char *resolve_text(const struct login_list *list, const struct login *login);

#endif
