/* gateway: the only file that includes fcgiapp.h: a FastCGI or CGI request in, struct request;
 * struct response out.
 *
 * Parameters are read once; one that appears twice and matters is noted in header_repeated.  The
 * body is read to its end, whatever the answer will be, because libfcgi does not drain what is
 * left.
 */
#ifndef REGCRED_GATEWAY_H
#define REGCRED_GATEWAY_H

#include <stdbool.h>

#include "service/app.h"

struct gateway; /* of one thread: an FCGX_Request and its arena */

/* Once per process, before its threads. */
bool gateway_init(void);
/* True if the program was started as a CGI: a web server's environment, and no listening socket at
 * fd 0. */
bool gateway_is_cgi(void);
struct gateway *gateway_new(struct app *app);
void gateway_free(struct gateway *g);
/* Serves one request from a connected descriptor, which it closes. */
void gateway_serve(struct gateway *g, int fd);
/* Closes the connection that it waits for if that takes too long.  By another thread, each second.
 */
void gateway_hurry(struct gateway *g);
/* Serves the CGI request of this process; 0 or 1 as an exit status.  open_app is called when the
 * body has been read; if it returns NULL it has answered. */
int gateway_serve_cgi(const struct settings *s, struct app *(*open_app)(const struct settings *s));

#endif
