/* result: how the check of a login can end, in a word and a sentence. */
#include "registry/result.h"

static const struct {
	const char *word, *sentence;
} results[] = {
#define RESULT(name, word, sentence) {word, sentence},
#include "registry/result.def"
#undef RESULT
};

const char *
check_result_word(enum check_result result)
{
	return results[result].word;
}

const char *
check_result_sentence(enum check_result result)
{
	return results[result].sentence;
}
