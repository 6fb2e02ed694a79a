/* slow: the threads of this process that wait for someone to read an answer.
 *
 * What a socket does not take at once is waited for; but by half of the threads at most, and by a
 * quarter for one account, so that slow readers leave threads to others.
 */
#ifndef REGCRED_SERVER_SLOW_H
#define REGCRED_SERVER_SLOW_H

#include <stdbool.h>
#include <stdint.h>

/* Whether no more may wait for that account. */
bool slow_is_full(int64_t account, int64_t threads);
/* False if no more may wait, of threads in all; else slow_end() has to follow. */
bool slow_begin(int64_t account, int64_t threads) __attribute__((warn_unused_result));
void slow_end(int64_t account);

#endif
