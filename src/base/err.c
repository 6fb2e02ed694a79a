/* err: the table of err.def, and filling struct error. */
#include "base/err.h"

#include <assert.h>
#include <stddef.h>

static const struct {
	int status;
	const char *code;
	const char *message;
	const char *detail;
} errors[ERR__COUNT] = {
	[ERR_NONE] = {200, "", NULL, NULL},
#define ERR(name, status, code, message, detail) [ERR_##name] = {status, code, message, detail},
#include "base/err.def"
#undef ERR
};

enum err
err_set(struct error *e, enum err code, const char *field, const char *detail)
{
	assert(code > ERR_NONE && code < ERR__COUNT);
	e->code = code;
	e->field = field;
	e->detail = detail != NULL ? detail : errors[code].detail;
	return code;
}

int
err_status(enum err code)
{
	return errors[code].status;
}

const char *
err_code(enum err code)
{
	return errors[code].code;
}

const char *
err_message(enum err code)
{
	return errors[code].message;
}

const char *
err_detail(enum err code)
{
	return errors[code].detail;
}
