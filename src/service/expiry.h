/* expiry: what ends soon, and what is not renewed. */
#ifndef REGCRED_EXPIRY_H
#define REGCRED_EXPIRY_H

#include <stdint.h>

#include "base/arena.h"
#include "shared/board.h"
#include "store/store.h"

/* Adds them to *out, which begins as zeros; reads the whole family. */
enum store_rc expiry_look(struct store *s, struct arena *a, int64_t now_ms,
			  struct board_expiry *out) __attribute__((warn_unused_result));

/* Sets states and unused of *out likewise. */
enum store_rc expiry_count_logins(struct store *s, struct arena *a, int64_t now_ms,
				  struct board_expiry *out) __attribute__((warn_unused_result));

#endif
