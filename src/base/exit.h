/* exit: the exit statuses of every program. */
#ifndef REGCRED_BASE_EXIT_H
#define REGCRED_BASE_EXIT_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#endif
