/* gateway: turns a FastCGI or CGI request into a struct request, and sends a struct response. Only
 * gateway.c includes fcgiapp.h.
 *
 * Parameters are read once; header_repeated notes if one that matters appears twice. The body is
 * always read to its end, because libfcgi does not drain the rest.
 */
#ifndef REGCRED_GATEWAY_H
#define REGCRED_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "service/app.h"

struct gateway; /* a request, from its connection to its answer: an FCGX_Request and its arena */

/* Once per process, before its threads. */
bool gateway_init(void);
/* True if the program was started as a CGI: a web server's environment, and no listening socket at
 * fd 0. */
bool gateway_is_cgi(void);
struct gateway *gateway_new(struct app *app);
void gateway_free(struct gateway *g);
/* Reads a request from a connected descriptor. False: there was none, and fd is closed. */
bool gateway_read(struct gateway *g, int fd) __attribute__((warn_unused_result));
/* Who asks, as a number made of what they sign in with, not yet checked; 0: nobody in particular.
 */
uint64_t gateway_caller(const struct gateway *g);
/* Answers the request that was read, and closes its connection. */
void gateway_answer(struct gateway *g);
/* Closes the connection it is waiting for if that takes too long. Called by another thread, each
 * second.
 */
void gateway_hurry(struct gateway *g);
/* Serves the CGI request of this process; returns exit status 0 or 1. Calls open_app after reading
 * the body; if that returns NULL, it has already answered. */
int gateway_serve_cgi(const struct settings *s, struct app *(*open_app)(const struct settings *s));

#endif
