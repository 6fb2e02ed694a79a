/* remedy: what a failed system call means, and what a person can do. */
#include "base/remedy.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct { int error; const char *text; } remedies[] = {
	{ EACCES,       "give this user access, or run it as the user who has it" },
	{ EPERM,        "give this user access, or run it as the user who has it" },
	{ ENOENT,       "check the path" },
	{ ENOTDIR,      "check the path" },
	{ EISDIR,       "name a file, not a directory" },
	{ ELOOP,        "name the file itself, not a link to it" },
	{ ENAMETOOLONG, "use a shorter path" },
	{ EEXIST,       "remove it, or choose another name" },
	{ ENOSPC,       "free space on the disk" },
	{ EDQUOT,       "free space, or raise the quota" },
	{ EFBIG,        "raise the limit on file sizes" },
	{ EROFS,        "mount it for writing, or choose another place" },
	{ EIO,          "look at the disk, and at the kernel's log" },
	{ EMFILE,       "raise the limit on open files" },
	{ ENFILE,       "raise the system's limit on open files (fs.file-max)" },
	{ ENOMEM,       "free memory, or raise its limit" },
	{ EAGAIN,       "raise the limit on processes and threads" },
	{ EADDRINUSE,   "stop what is using it, or choose another one" },
};
/* clang-format on */

const char *
remedy_text(int error)
{
	enum { TEXT_MAX = 256 };
	static _Thread_local char text[TEXT_MAX];
	const char *remedy = NULL;

	for (size_t i = 0; i < sizeof(remedies) / sizeof(*remedies); i++)
		if (remedies[i].error == error)
			remedy = remedies[i].text;
	(void)snprintf(text, sizeof(text), "%s%s%s", strerror(error), remedy != NULL ? "; " : "",
		       remedy != NULL ? remedy : "");
	return text;
}
