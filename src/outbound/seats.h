/* seats: limits how many threads of a process may wait for external servers at a time, and how many
 * of those for one account or key.
 */
#ifndef REGCRED_OUTBOUND_SEATS_H
#define REGCRED_OUTBOUND_SEATS_H

#include <stdbool.h>
#include <stdint.h>

struct seats;

/* NULL if out of memory. */
struct seats *seats_new(unsigned count, unsigned each);
void seats_free(struct seats *s);

/* False: all seats are taken, or `who` has as many as allowed. */
bool seats_take(struct seats *s, int64_t who) __attribute__((warn_unused_result));
void seats_leave(struct seats *s, int64_t who);

#endif
