/* harden: no core file and no debugger may carry secrets away. */
#include "base/harden.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"

bool
harden_dumps(bool core_dumps)
{
	const struct rlimit none = {0, 0};

	if (core_dumps)
		return true;
	/* The limit alone does not stop a core that is piped to a program; the flag does. */
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)) {
		log_error("cannot forbid core files: %s", strerror(errno));
		return false;
	}
	return true;
}
