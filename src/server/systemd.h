/* systemd: reports the state of the pool to systemd. */
#ifndef REGCRED_SERVER_SYSTEMD_H
#define REGCRED_SERVER_SYSTEMD_H

/* Like sd_notify(3): sends one datagram to the socket in $NOTIFY_SOCKET, if that is set; a leading
 * "@" means an abstract socket. Errors are ignored. */
void systemd_notify(const char *state);

#endif
