/* harden: keeps core files and debuggers from leaking secrets. */
#include "base/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/exit.h"
#include "base/log.h"
#include "base/remedy.h"

bool
harden_descriptors(void)
{
	/* Reading from the first and writing to the others fails, as if they were closed. */
	static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};

	for (int fd = 0; fd < (int)(sizeof(flags) / sizeof(*flags)); fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) != fd)
			return false;
	return true;
}

int
harden_output(const char *program, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	(void)fprintf(
		stderr,
		"%s: the output could not be written: is the disk full, or the pipe closed?\n",
		program);
	return EXIT_FAILED;
}

bool
harden_dumps(bool core_dumps)
{
	const struct rlimit none = {0, 0};

	if (core_dumps)
		return true;
	/* The limit does not stop a core that is piped to a program; the flag does. */
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)) {
		log_error("cannot forbid core files: %s", remedy_text(errno));
		return false;
	}
	return true;
}
