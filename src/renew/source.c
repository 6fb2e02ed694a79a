/* source: the words of results. */
#include "renew/source.h"

static const struct {
	const char *word, *sentence;
} results[RENEW__COUNT] = {
#define RESULT(name, word, sentence) [RENEW_##name] = {word, sentence},
#include "model/renew_result.def"
#undef RESULT
};

const char *
renew_result_word(enum renew_result result)
{
	return results[result].word;
}

const char *
renew_result_sentence(enum renew_result result)
{
	return results[result].sentence;
}
