/* file: reads a small file whole, and replaces a file atomically.
 *
 *   static const struct file_rules rules = {
 *           .what = "the master key ", .max = 8192, .closed = 077};
 *   char text[8192 + 1], why[256];
 *   ssize_t len = file_read(path, &rules, text, NULL, why, sizeof(why));
 */
#ifndef REGCRED_BASE_FILE_H
#define REGCRED_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Requirements a file must meet to be read. */
struct file_rules {
	const char *what; /* precedes its path in messages, with a trailing blank; NULL: nothing */
	size_t max;	  /* largest size in bytes */
	mode_t closed;	  /* mode bits that must be off */
	bool own;	  /* it must belong to the caller or to root */
	bool by_group;	  /* a file of root may be read through our group: so are secrets mounted
			     into a container, mode 0440 */
};

/* Opens a regular file for reading; never blocks, whatever kind of file it is. -1 with errno:
 * EISDIR for a directory, EINVAL for anything else that is not a regular file.  st may be NULL. */
int file_open(const char *path, struct stat *st) __attribute__((warn_unused_result));

/* Reads the file, NUL-terminated, into text, which has room for rules->max + 1 bytes. Returns its
 * length, or -1 with a sentence in why and errno (0 if no system call failed). A file that contains
 * a NUL is refused.  st may be NULL. */
ssize_t file_read(const char *path, const struct file_rules *rules, char *text, struct stat *st,
		  char *why, size_t why_size) __attribute__((warn_unused_result));

/* How a file is written. */
struct file_put {
	mode_t mode;
	const struct stat *like; /* take owner and group from here, as far as the caller may set
				    them; NULL: the caller's */
	bool fresh;		 /* fail with EEXIST if the name exists */
	bool locked; /* the caller holds a lock: the temporary file is PATH.new, and replaces one
			left by a killed run; otherwise it gets a unique name */
};

/* Writes the text to a temporary file next to path, flushes it, renames it to path and flushes the
 * directory. False with errno: the old file is unchanged (unless only the directory flush failed).
 */
bool file_write(const char *path, const char *text, size_t len, const struct file_put *put)
	__attribute__((warn_unused_result));

#endif
