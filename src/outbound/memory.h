/* memory: memory for curl that is wiped when it is freed. */
#ifndef REGCRED_OUTBOUND_MEMORY_H
#define REGCRED_OUTBOUND_MEMORY_H

#include <pthread.h>
#include <stdbool.h>

/* Tests: curl's n-th allocation from now fails (1 = the next); 0 turns it off. */
void registry_check_fail_at(unsigned n);

extern pthread_once_t curl_once;

extern bool curl_works;

/* Once in a process, after the fork. */
void curl_start(void);

#endif
