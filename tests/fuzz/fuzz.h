/* fuzz: what the targets share.  A target is one file with LLVMFuzzerTestOneInput(): libFuzzer
 * calls it in a build with --enable-fuzzing, replay.c for the kept inputs in `make check`.
 */
#ifndef REGCRED_TESTS_FUZZ_H
#define REGCRED_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The arena of the target, empty again. */
struct arena *fuzz_arena(void);
/* The input as a text in memory of its own, so that a sanitizer sees a step past its end; valid
 * until the next call.  It ends at the first NUL of the input, as texts do. */
const char *fuzz_text(const uint8_t *data, size_t size);
/* The input as a file: its path.  NULL if there is none to be had. */
const char *fuzz_file(const uint8_t *data, size_t size);
/* Stops the program, for the fuzzer to report, unless what must hold holds. */
#define FUZZ_MUST(what) fuzz_must((what), #what, __FILE__, __LINE__)
void fuzz_must(bool holds, const char *what, const char *file, int line);

/* A replay that is to fail: the target takes something wrong for right, in its own way.  Never set
 * while the fuzzer runs. */
extern bool fuzz_wrong;
/* Where a replay wants to read what the target made of the input; else NULL. */
extern FILE *fuzz_out;

#endif
