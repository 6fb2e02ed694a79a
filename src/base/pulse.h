/* pulse: for how long each thread of this process has been busy with work that must finish.
 *
 * Waits for something outside, such as the writers' lock or a registry, have their own time limits
 * and do not count: the thread pauses its pulse meanwhile.
 */
#ifndef REGCRED_BASE_PULSE_H
#define REGCRED_BASE_PULSE_H

#include <stdbool.h>
#include <stdint.h>

/* The calling thread begins or ends a piece of work. */
void pulse_begin(void);
void pulse_end(void);

/* Around a wait: pass what pulse_pause() returned, whether work was under way, to pulse_resume().
 */
bool pulse_pause(void) __attribute__((warn_unused_result));
void pulse_resume(bool was);

/* How long the longest-running work has taken so far; 0 if there is none. */
int64_t pulse_oldest_ms(void);
/* Restarts all clocks, after the whole process was suspended for a while. */
void pulse_renew(void);

#endif
