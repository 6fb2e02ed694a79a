/* remedy: what a failed system call means, and what a person can do. */
#ifndef REGCRED_BASE_REMEDY_H
#define REGCRED_BASE_REMEDY_H

/* "No space left on device; free space on the disk", for the end of a message; only the first half
 * if nothing is known that helps. Stays until the thread's next call. */
const char *remedy_text(int error);

#endif
