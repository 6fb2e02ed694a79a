/* sources: their functions, by enum source_id. */
#include "renew/sources.h"

const struct source_calls sources[SOURCE__COUNT] = {{0}};
