/* file: a small file read whole, and a file replaced in one step.
 *
 *	static const struct file_rules rules = {.what = "the master key ", .max = 8192, .closed =
 *077}; char text[8192 + 1], why[256]; ssize_t len = file_read(path, &rules, text, NULL, why,
 *sizeof(why));
 */
#ifndef REGCRED_BASE_FILE_H
#define REGCRED_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* What a file must be to be read. */
struct file_rules {
	const char *what; /* comes before its path in a sentence, with a blank; NULL: nothing */
	size_t max;	  /* bytes it may have */
	mode_t closed;	  /* bits of its mode that must be off */
	bool own;	  /* it must belong to the caller or to root */
};

/* A regular file, opened for reading; nothing blocks, whatever has the name.  -1 with errno, EISDIR
 * for a directory and EINVAL for anything else that is not a file.  st may be NULL. */
int file_open(const char *path, struct stat *st) __attribute__((warn_unused_result));

/* The file's text and a NUL after it into text, which has room for rules->max + 1 bytes: its
 * length, or -1 with a sentence in why and errno (0 if no system call failed).  A file with a NUL
 * in it is refused.  st may be NULL. */
ssize_t file_read(const char *path, const struct file_rules *rules, char *text, struct stat *st,
		  char *why, size_t why_size) __attribute__((warn_unused_result));

/* What a file that is written gets. */
struct file_put {
	mode_t mode;
	const struct stat *like; /* the owner and group that it keeps, as far as the caller may set
				    them; NULL: the caller's */
	bool fresh;		 /* refuse, EEXIST, if something has the name */
	bool locked; /* nobody else writes it: the temporary file is PATH.new, and replaces one that
			a killed run left; else its name is its own */
};

/* Writes the text to a temporary file beside path, flushes it, gives it its name, flushes the
 * directory.  False with errno: what was there is as it was (but for a directory that cannot be
 * flushed). */
bool file_write(const char *path, const char *text, size_t len, const struct file_put *put)
	__attribute__((warn_unused_result));

#endif
