/* result: how the check of a login can end, in a word and a sentence. */
#ifndef REGCRED_REGISTRY_RESULT_H
#define REGCRED_REGISTRY_RESULT_H

enum check_result {
#define RESULT(name, word, sentence) CHECK_##name,
#include "registry/result.def"
#undef RESULT
	CHECK__COUNT
};

/* "invalidCredential" and the like; the sentence that explains it. */
const char *check_result_word(enum check_result result);

const char *check_result_sentence(enum check_result result);

#endif
