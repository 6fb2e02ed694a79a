/* harden: no core file and no debugger may carry secrets away. */
#include "harden.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "log.h"

/* The sanitizers look into their own process as a debugger would. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif
#else
enum { SANITIZED = false };
#endif

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
