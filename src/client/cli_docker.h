/* cli_docker: `regcred docker-setup`: makes docker's config.json use docker-credential-regcred. */
#ifndef REGCRED_CLI_DOCKER_H
#define REGCRED_CLI_DOCKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct docker_setup {
	const char *const *registries; /* to look up in regcred: entries of credHelpers */
	size_t count;
	bool all;    /* every registry: credsStore */
	bool undo;   /* remove the entries that name regcred */
	bool podman; /* use auth.json of podman, skopeo and buildah instead */
	bool dry_run;
};

/* The configuration file of docker, or of podman; NULL without a home or memory. */
const char *cli_docker_path(struct arena *a, bool podman);

/* Prints the changes on standard output. All other members stay unchanged and in place; the old
 * file is kept as FILE.regcred-backup-DATE. Returns the exit status. */
int cli_docker_run(struct arena *a, const struct docker_setup *setup);

#endif
