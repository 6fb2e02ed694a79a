/* fuzz: one program with all targets, and what they share.  Its first argument names the target,
 * which libFuzzer calls in a build with --enable-fuzzing, replay.c for the kept inputs in `make
 * check`. */
#ifndef REGCRED_TESTS_FUZZ_H
#define REGCRED_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"

/* clang-format off */
#define FUZZ_TARGETS(X) \
	X(basic) X(challenge) X(config) X(control) X(form) X(image) X(json) X(marker) \
	X(multipart) X(network) X(nginx) X(proxy) X(query) X(registry) X(request) X(sealed) X(target) X(token)
/* clang-format on */

#define FUZZ_DECLARE(name) void fuzz_##name(const uint8_t *data, size_t size);
FUZZ_TARGETS(FUZZ_DECLARE)

/* The target that the program was started for, with an input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Chooses it by the first argument, and takes that away. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

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
