/* seats: so many threads of a process may wait for somebody else's server at a time, and only a
 * part of them for one account or key.
 */
#ifndef REGCRED_OUTBOUND_SEATS_H
#define REGCRED_OUTBOUND_SEATS_H

#include <stdbool.h>
#include <stdint.h>

struct seats;

/* NULL without memory. */
struct seats *seats_new(unsigned count, unsigned each);
void seats_free(struct seats *s);

/* False: all are taken, or as many as one may have. */
bool seats_take(struct seats *s, int64_t who) __attribute__((warn_unused_result));
void seats_leave(struct seats *s, int64_t who);

#endif
