/* ui: the web page, whose files are built into the program. */
#include "api/ui.h"

#include <string.h>

/* Allows only this site's own files, and no text to become HTML. nginx/regcred_ui.conf sets the
 * same for a web server that serves the files itself. */
static const struct header page_headers[] = {
	{"Content-Security-Policy",
	 "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
	 "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
	 "require-trusted-types-for 'script'; trusted-types 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
	{"Cache-Control", "no-cache"}, /* revalidated at each visit */
};

static const struct ui_file *
find_file(const char *target)
{
	const char *name = target + strlen("/ui/");
	size_t len = strcspn(name, "?");

	if (len == 0)
		return find_file("/ui/index.html");
	for (const struct ui_file *f = ui_files; f->name != NULL; f++)
		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
			return f;
	return NULL;
}

void
ui_answer(struct app *app, const struct request *request, struct arena *arena,
	  struct response *response)
{
	const struct ui_file *file =
		strncmp(request->target, "/ui/", 4) == 0 ? find_file(request->target) : NULL;

	(void)app, (void)arena;
	for (size_t i = 0; i < sizeof(page_headers) / sizeof(*page_headers); i++)
		response_header(response, page_headers[i].name, page_headers[i].value);
	response->content_type = "text/plain; charset=utf-8";
	if (file == NULL) {
		/* "/ui" redirects, because the files are relative to "/ui/". */
		bool moved = strcspn(request->target, "?") == strlen("/ui");

		response->status = moved ? 301 : 404;
		if (moved)
			response_header(response, "Location", "ui/");
		response->body = moved ? "The page is at /ui/." : "There is no such file.";
		response->body_len = strlen(response->body);
		return;
	}
	response->status = 200;
	response->content_type = file->type;
	response_header(response, "ETag", file->tag);
	response_header(response, "Vary", "Accept-Encoding");
	bool found;
	if (request->if_none_match != NULL &&
	    http_etag_in(request->if_none_match, file->tag, true, &found) && found) {
		response->status = 304;
		return;
	}
	bool packed = request->accept_encoding != NULL &&
		      strstr(request->accept_encoding, "gzip") != NULL;
	if (packed)
		response_header(response, "Content-Encoding", "gzip");
	response->body = (const char *)file->bytes[packed];
	response->body_len = file->len[packed];
}
