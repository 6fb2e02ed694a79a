/* pulse: since when each thread of this process does something that has to come to an end.
 *
 * What is waited for from outside, the writers' lock or a registry, has limits of its own and does
 * not count: a thread pauses meanwhile.
 */
#ifndef REGCRED_BASE_PULSE_H
#define REGCRED_BASE_PULSE_H

#include <stdbool.h>
#include <stdint.h>

/* The calling thread begins or ends something. */
void pulse_begin(void);
void pulse_end(void);

/* Around a wait: pause returns whether there was something to pause, which resume is given. */
bool pulse_pause(void) __attribute__((warn_unused_result));
void pulse_resume(bool was);

/* For how long the oldest has gone on; 0 if there is none. */
int64_t pulse_oldest_ms(void);
/* All begin now: after the whole process was stopped for a while. */
void pulse_renew(void);

#endif
