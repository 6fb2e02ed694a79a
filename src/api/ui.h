/* ui: the web page, as files that are part of the program. */
#ifndef REGCRED_API_UI_H
#define REGCRED_API_UI_H

#include <stddef.h>

#include "base/arena.h"
#include "base/http.h"
#include "service/app.h"

/* build-aux/embed-ui.sh makes the table; it ends with a row whose name is NULL. */
struct ui_file {
	const char *name, *type, *tag; /* tag: the value of ETag */
	const unsigned char *bytes[2]; /* as they are, and packed by gzip */
	size_t len[2];
};
extern const struct ui_file ui_files[];

/* Answers a request for /ui/ or a file below it. */
void ui_answer(struct app *app, const struct request *request, struct arena *arena,
	       struct response *response);

#endif
