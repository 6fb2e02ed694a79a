/* registry_url: what the address of a registry means, and which registry an image comes from.
 *
 * An address is stored as written: "ghcr.io", " HTTPS://Registry.Example:443/v2/ ",
 * "http://10.0.0.7:5000/team".  Addresses of the same registry are parsed into the same form:
 *
 *   key        "ghcr.io", "10.0.0.7:5000", "[2001:db8::1]:5000", "docker.io"
 *              as an image reference names it: lower case, no scheme, no final dot, the port unless
 *              that is the scheme's own; Docker Hub's many names are one
 *   path       "" or "team/app": the repositories below which a login counts
 *   api        "https://ghcr.io": what the registry API's /v2/ is asked at; never with the path,
 *              because the API lies at the root of its host
 */
#ifndef REGCRED_REGISTRY_URL_H
#define REGCRED_REGISTRY_URL_H

#include <stdbool.h>

#include "base/arena.h"

enum {
	REGISTRY_HOST_MAX = 253, /* of a DNS name */
	REPOSITORY_MAX = 255,	 /* of an image's name, including the registry */
	IMAGE_TAG_MAX = 128,
};

/* The key of Docker Hub. */
#define REGISTRY_HUB "docker.io"

/* Texts are in the arena. */
struct registry_url {
	const char *key, *path, *api;
	const char *host; /* to connect to, without brackets */
	unsigned port;
	const char *written; /* host and port as written in the address */
	bool port_dropped;   /* the port is the scheme's default, so the key omits it */
	bool plain_http;     /* the address says http:// */
	bool scheme_given;   /* the address has a scheme */
	bool hub;
};

/* NULL, or a sentence that says what is wrong with the address.  If out of memory, the arena has
 * failed and the sentence says so. */
const char *registry_url_parse(struct arena *a, const char *address, struct registry_url *out);

/* "ghcr.io/acme/app:1@sha256:…", "ubuntu", "localhost:5000/x". */
struct registry_image {
	const char *key;	/* of its registry, as above */
	const char *written;	/* the registry as written in the reference; NULL: not given */
	const char *repository; /* "acme/app", "library/ubuntu" */
	const char *tag;	/* NULL: none is named */
	const char *digest;	/* "sha256:…"; NULL: none is named */
};
/* By docker's rules: the part before the first slash is a registry if it has a dot, a colon or an
 * upper-case letter, or is "localhost"; everything else is on Docker Hub. Result as above. */
const char *registry_image_parse(struct arena *a, const char *reference,
				 struct registry_image *out);

/* Whether docker and similar tools treat this name as Docker Hub; they treat its other names as
 * separate registries. */
bool registry_is_hub_name(const char *written);

/* NULL, or a sentence that says what is wrong with a repository path: "acme", "acme/app". */
const char *registry_path_check(const char *path);

/* Whether a repository is below a path, compared by whole segments; "" holds all. */
bool registry_path_holds(const char *path, const char *repository);

#endif
