/* slow: limits how many threads of this process wait for slow clients to read an answer.
 *
 * A thread waits if the socket does not take the whole answer at once; but at most half of the
 * threads may wait, and a quarter for one account, so that slow readers leave threads for others.
 */
#ifndef REGCRED_SERVER_SLOW_H
#define REGCRED_SERVER_SLOW_H

#include <stdbool.h>
#include <stdint.h>

/* Whether no more threads may wait for that account. threads: how many there are in all. */
bool slow_is_full(int64_t account, int64_t threads);
/* False if no more threads may wait; otherwise slow_end() must follow. */
bool slow_begin(int64_t account, int64_t threads) __attribute__((warn_unused_result));
void slow_end(int64_t account);

#endif
