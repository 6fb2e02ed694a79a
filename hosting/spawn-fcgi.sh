#!/bin/sh
# spawn-fcgi.sh: makes the socket, becomes the user, and gives regcredd the socket as standard input.  It stays in the foreground
# (-n), so whatever starts this sees regcredd's end; restarts are for others: see supervisor.conf and ../systemd.
#   -U, -G, -M   who may connect: the web server.  Name its user in regcredd's setting allowed_users.
#   -b           connections that may wait.
install -d -m 0755 /run/regcred
exec spawn-fcgi -n -s /run/regcred/regcredd.sock -b 1024 -M 0660 -U regcred -G www-data -u regcred -g regcred -- /usr/local/sbin/regcredd
