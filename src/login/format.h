/* format: the formats in which logins are retrieved, as a table. */
#ifndef REGCRED_LOGIN_FORMAT_H
#define REGCRED_LOGIN_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json_out.h"
#include "login/handout.h"
#include "login/resolve.h"
#include "resource/resource.h"

/* One login to be written to a file. */
struct entry {
	const struct login *login;
	const char *key; /* what the file calls the registry, or a part of it */
	const char *user, *secret;
	bool again; /* another name for the previous one: recorded only once */
};

/* The user name by which docker says that the secret is an identity token. */
#define FORMAT_TOKEN_USER "<token>"

/* The writing of a hand_out. */
struct format;

struct hand_out_work {
	const struct context *context;
	const struct format *format;
	struct wanted wanted;
	const char *name, *namespace; /* of a Kubernetes object */
	struct entry *entries;
	size_t count, logins; /* logins: entries without their second names */
	size_t bytes;	      /* of their users and secrets */
	bool stale;	      /* a login has changed since it was chosen */
	bool former;	      /* the former user names and passwords are wanted */
	bool parts;	      /* the registry of the image has logins for parts of it */
	const char *version;  /* of the protocol that the answer follows */
	struct hand_out *out;
	struct error *error;
};

struct format {
	const char *name, *content_type;
	bool paths;	 /* can hold a login for a part of a registry: "ghcr.io/acme" */
	bool one;	 /* holds only one login */
	bool auth;	 /* holds user:password, so the user name must not contain a colon */
	bool kubernetes; /* user name and password apart, and no identity token */
	bool names;	 /* holds no passwords: nothing is opened or revealed */
	const char *hub; /* its name for Docker Hub */
	void (*write)(struct json_out *w, const struct hand_out_work *work);
};

void format_name_and_text(struct json_out *w, const char *name, const char *text);

extern const struct format format_table[];

#endif
