/* systemd: tells systemd how the pool is. */
#ifndef REGCRED_SERVER_SYSTEMD_H
#define REGCRED_SERVER_SYSTEMD_H

/* What sd_notify(3) does: one datagram to the address that systemd named, where it did; "@" stands
 * for the first byte of an abstract one.  Nobody waits for us: nothing is lost with it. */
void systemd_notify(const char *state);

#endif
