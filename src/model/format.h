/* format: the formats in which logins are retrieved, as a table. */
#ifndef REGCRED_MODEL_FORMAT_H
#define REGCRED_MODEL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json_out.h"

/* A login, opened. */
struct format_login {
	const char *key; /* what the file calls the registry, or a part of it */
	const char *user, *secret;
	bool hub;	 /* of Docker Hub */
	int64_t left_ms; /* until it expires; INT64_MAX: it does not */
};

/* The user name by which docker says that the secret is an identity token. */
#define FORMAT_TOKEN_USER "<token>"

/* A file to be written. */
struct format_job {
	const struct format *format;
	const struct format_login *logins; /* at least one if the format holds only one */
	size_t count;
	const char *name, *namespace; /* of a Kubernetes object */
	const char *version;	      /* of the protocol that the answer follows */
	const char *part; /* of the registry: a repository for which alone the login is; or NULL */
	struct error *error; /* set if a reader would refuse the file */
};

struct format {
	const char *name, *content_type;
	bool paths;	 /* can hold a login for a part of a registry: "ghcr.io/acme" */
	bool one;	 /* holds only one login */
	bool auth;	 /* holds user:password, so the user name must not contain a colon */
	bool kubernetes; /* user name and password apart, and no identity token */
	bool names;	 /* holds no passwords: nothing is opened or revealed */
	const char *hub; /* its name for Docker Hub */
	void (*write)(struct json_out *w, const struct format_job *job);
};

extern const struct format format_table[]; /* ends with a row without a name */
extern const char *const format_names[];   /* of the table; NULL */

#endif
