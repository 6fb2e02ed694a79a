/* client: a session with a regcred server, for the programs that run on other machines.
 *
 * The server's address and the key come from the environment if REGCRED_URL is set, else from the
 * file that `regcred login` wrote. The two are never mixed, so that a key is sent only to the
 * server it belongs to. In place of a key the environment may have a web token (JWT), which another
 * issuer gave to a job or a pod: REGCRED_TOKEN, or a file that REGCRED_TOKEN_FILE names.
 *
 *   struct client_settings settings;
 *   struct client c;
 *   if (client_settings_load(&settings, why) && client_open(&c, arena, &settings, 2000, why))
 *           … client_do(&c, "POST", "handouts", body, &answer) …
 *   client_close(&c);
 *
 * A session has one deadline for all its requests, or one for each (client_each()).  Redirects are
 * not followed, answers are JSON of at most CLIENT_ANSWER_MAX bytes.
 */
#ifndef REGCRED_CLIENT_H
#define REGCRED_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "outbound/fetch.h"
#include "secret/random.h"

enum {
	CLIENT_TEXT_MAX = 1024,		 /* bytes of a setting */
	CLIENT_FILE_MAX = 16 * 1024,	 /* bytes of a settings file */
	CLIENT_ANSWER_MAX = 1024 * 1024, /* of an answer */
	CLIENT_NODES_MAX = 100000,	 /* values in an answer */
	CLIENT_WHY_MAX = 1024,
	CLIENT_TOKEN_MAX = 8 * 1024, /* bytes of a web token: the server takes no more */
};

struct client_settings {
	char url[CLIENT_TEXT_MAX];	  /* "https://creds.example[/prefix][/v1/projects/1a5]" */
	char access_key[CLIENT_TEXT_MAX]; /* these two: */
	char secret_key[CLIENT_TEXT_MAX]; /* an apiKey of the server */
	char token[CLIENT_TOKEN_MAX + 1]; /* sent in place of the key; "": there is none */
	char ca_file[CLIENT_TEXT_MAX]; /* CA certificates to verify the server; "": the system's */
	char cache[CLIENT_TEXT_MAX];   /* how long the helper keeps a login, "1h"; "": not at all */
	char allow_http[CLIENT_TEXT_MAX]; /* "yes": the key may be sent unencrypted; always allowed
					     on loopback */
};

/* Loads the settings from the environment or the file; false with a sentence in why. */
bool client_settings_load(struct client_settings *out, char why[CLIENT_WHY_MAX])
	__attribute__((warn_unused_result));
/* The same with this token; NULL: with the one of the environment, if it has one. */
bool client_settings_load_token(struct client_settings *out, const char *token,
				char why[CLIENT_WHY_MAX]) __attribute__((warn_unused_result));
/* The lines `name = value` of one file: url, access_key, secret_key, ca_file.  The output of
 * `regcred key create` (REGCRED_ACCESS_KEY=…) is accepted as well.  Refuses a file unless it
 * belongs to the caller or root and nobody else may read it. */
bool client_settings_read(struct client_settings *out, const char *path, char why[CLIENT_WHY_MAX])
	__attribute__((warn_unused_result));
/* The same from a text, which is modified; path is its name in messages. */
bool client_settings_parse(struct client_settings *out, char *text, const char *path,
			   char why[CLIENT_WHY_MAX]) __attribute__((warn_unused_result));
/* $XDG_CONFIG_HOME/regcred/client.ini or ~/.config/regcred/client.ini, NAME.ini with
 * REGCRED_CONTEXT=NAME; NULL with a sentence in why. */
const char *client_settings_path(struct arena *a, char why[CLIENT_WHY_MAX]);

struct client {
	struct arena *arena;
	const struct client_settings *settings;
	struct fetch *fetch;
	const char *root; /* "https://creds.example/v2-beta/projects/1a5" */
	int64_t timeout_ms, deadline_ms, each_ms;
	const char *if_match; /* the next request is refused (412) unless the tag is this; NULL */
	long status;	      /* of the last answer; 0: none came */
	char *why;	      /* CLIENT_WHY_MAX bytes: a sentence after a failure */
};

/* An answer, in the session's arena. */
struct client_answer {
	long status;
	const char *text;
	size_t len;
	const struct json *body; /* an object */
	const char *etag;	 /* NULL: none */
};

/* The caller keeps settings and why. The timeout is for the whole session. */
bool client_open(struct client *c, struct arena *a, const struct client_settings *settings,
		 int64_t timeout_ms, char why[CLIENT_WHY_MAX]) __attribute__((warn_unused_result));
/* From now on the timeout is for each request. */
void client_each(struct client *c, int64_t timeout_ms);
void client_close(struct client *c);

/* One request; path is put after the root, body is JSON or NULL.  False if no answer of regcred's
 * came, and for an error of the API, which `out` then holds. */
bool client_do(struct client *c, const char *method, const char *path, const char *body,
	       struct client_answer *out) __attribute__((warn_unused_result));
/* The text of a member of an answer; NULL if it is missing or not a string. */
const char *client_text(const struct json *node, const char *name);
/* Encodes a value for a query. */
const char *client_escape(struct client *c, const char *value);

#endif
