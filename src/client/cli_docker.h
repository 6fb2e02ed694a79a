/* cli_docker: `regcred docker-setup`: docker's config.json names docker-credential-regcred. */
#ifndef REGCRED_CLI_DOCKER_H
#define REGCRED_CLI_DOCKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct docker_setup {
	const char *const *registries; /* these are asked of regcred: entries of credHelpers */
	size_t count;
	bool all;    /* every registry: credsStore */
	bool undo;   /* takes out what names regcred */
	bool podman; /* auth.json of podman, skopeo and buildah instead */
	bool dry_run;
};

/* Shows on standard output what changes.  All other members stay as they are and where they are;
 * the file that was there is kept as FILE.regcred-backup-DATE.  The exit status. */
int cli_docker_run(struct arena *a, const struct docker_setup *setup);

#endif
