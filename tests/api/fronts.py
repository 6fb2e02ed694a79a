"""fronts: the web servers before regcred, each with the example that is shipped in hosting/, but
for paths.

REGCRED_FRONT, or run.py --front, names one; nginx is the usual one, which harness.py knows itself.
As root they run as www-data, and the pool
too: none of them wants to be root.  Under the CGI ones the pool runs beside, as the housekeeper;
requests are answered by the CGI.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

APACHE_MODULES = "/usr/lib/apache2/modules"


def tool(name, package):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise unittest.SkipTest("%s is missing: package %s" % (name, package))
    return path


def user():
    return "www-data" if os.geteuid() == 0 else None


class Front:
    """One of them, for one site: the paths of the example become the site's."""

    def __init__(self, site, source, program):
        self.site, self.source, self.program, self.helper = site, source, program, None
        self.www = self.cgi = None
        self.slots = 0                                   # processes of Apache, 0 for a few

    def path(self, name):
        return os.path.join(self.site.root, name)

    def example(self, name):
        with open(os.path.join(self.source, "hosting", name), encoding="utf-8") as f:
            text = re.sub(r"(?m)^ *#.*\n", "", f.read())
        for old, new in (("/run/regcred/regcredd.sock", self.site.socket),
                         ("/etc/regcred/regcred.conf", self.path("cgi.conf")),
                         ("/var/www/regcred", self.www), ("/usr/local/sbin/regcredd", self.cgi),
                         ("/run/fcgiwrap.socket", os.path.join(self.site.state, "fcgiwrap.sock"))):
            text = text.replace(old, new)
        if re.search(r"/(run|etc|var|usr)/",
                     text.replace(self.site.root, "").replace(self.www, "")):
            raise AssertionError("a path was not replaced: " + text)
        return text

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def prepare(self):
        """What they share: the CGI, its settings, and a state directory that www-data may use."""
        os.chmod(self.site.root, 0o711)
        # not the site's, which is searched for secrets after each test
        self.www = tempfile.mkdtemp(prefix="rc-www-")
        self.cgi = os.path.join(self.www, "regcred.cgi")
        shutil.copy(self.program, self.cgi)
        for name in (self.www, self.cgi):
            os.chmod(name, 0o755)
        self.write("cgi.conf", "state_dir = %s\n" % self.site.state)
        for directory, _, names in os.walk(self.site.state):
            for path in [directory] + [os.path.join(directory, name) for name in names]:
                if user():
                    shutil.chown(path, user(), user())

    def lighttpd(self, port, name):
        # lighttpd opens it as the user that it becomes
        log = self.write("lighttpd-error.log", "")
        if user():
            shutil.chown(log, user(), user())
        main = "server.port = %d\nserver.bind = \"127.0.0.1\"\nserver.document-root = \"%s\"\nserver.errorlog = \"%s\"\nserver.upload-dirs = ( \"%s\" )\n" % (
            port, self.www, log, self.site.state)
        if user():
            main += 'server.username = "%s"\nserver.groupname = "%s"\n' % (user(), user())
        return [tool("lighttpd", "lighttpd"), "-D", "-f",
                self.write("lighttpd.conf", main + self.example(name))]

    def lighttpd_fastcgi(self, port):
        return self.lighttpd(port, "lighttpd-fastcgi.conf")

    def lighttpd_cgi(self, port):
        return self.lighttpd(port, "lighttpd-cgi.conf")

    def apache(self, port, modules, text):
        program = tool("apache2", "apache2")
        modules = ("mpm_prefork", "authz_core", "env", "mime", "alias", "reqtimeout") + modules
        lines = ["LoadModule %s_module %s/mod_%s.so" % (name, APACHE_MODULES, name)
                 for name in modules]
        lines += ["ServerRoot %s" % self.site.root, "DefaultRuntimeDir %s" % self.site.root,
                  "PidFile %s" % self.path("apache.pid"), "ErrorLog %s" % self.path("apache-error.log"),
                  "TypesConfig /dev/null", "ServerName localhost", "Listen 127.0.0.1:%d" % port, "DocumentRoot %s" % self.www,
                  *(["StartServers %d" % self.slots, "ServerLimit %d" % self.slots,
                     "MaxRequestWorkers %d" % self.slots, "MaxSpareServers %d" % self.slots]
                    if self.slots else ["StartServers 4", "MinSpareServers 2"])]
        lines += ["User %s" % user(), "Group %s" % user()] if user() else []
        return [program, "-DFOREGROUND", "-f", self.write("apache.conf", "\n".join(lines) + "\n"
                                                          + text)]

    def apache_fastcgi(self, port):
        return self.apache(port, ("proxy", "proxy_fcgi"), "<VirtualHost *>\n%s</VirtualHost>\n"
                           % self.example("apache-proxy-fcgi.conf"))

    def apache_cgi(self, port):
        self.write(os.path.join(self.www, ".htaccess"), self.example("apache-cgi.htaccess"))
        return self.apache(port, ("cgi", "rewrite"), "AllowEncodedSlashes "
                                                     "NoDecode\nLimitRequestLine "
                                                     "32768\nTraceEnable Off\n<Directory "
                                                     "%s>\nRequire all granted\n"
                           "AllowOverride AuthConfig FileInfo Limit Options=ExecCGI\n</Directory>\n"
                           % self.www)

    def fcgiwrap(self, port):
        with open(os.path.join(self.source, "nginx", "quickstart.conf.in"), encoding="utf-8") as f:
            text = f.read()
        with open(os.path.join(self.source, "nginx", "regcred.conf"), encoding="utf-8") as f:
            errors = f.read()
        errors = errors[errors.index("location = /.regcred-error"):]
        text = re.sub(r"(?s) *include @NGINX_DIR@/regcred.conf;.*?location / \{.*?\}\n",
                      lambda _: self.example("fcgiwrap.conf") + errors, text)
        text = text.replace("daemon on;", "daemon off;")
        for name, value in (("PORT", str(port)), ("STATE", self.site.state),
                            ("SOCKET", self.site.socket),
                            ("USER_LINE", "user %s;" % user() if user() else "")):
            text = text.replace("@%s@" % name, value)
        shutil.copy(os.path.join(self.source, "nginx", "regcred_params"), self.site.root)
        if self.helper is None:
            # One process: those that it would fork outlive it.  -f, as Debian starts it: what
            # regcredd logs goes to nginx.
            with open(self.path("fcgiwrap.log"), "ab") as log:
                self.helper = subprocess.Popen([tool("fcgiwrap", "fcgiwrap"), "-f", "-s", "unix:"
                                                + os.path.join(self.site.state, "fcgiwrap.sock")],
                                               stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                               user=user(), group=user(),
                                               preexec_fn=self.site.end_with_parent)
        nginx = tool("nginx", "nginx-light")
        return [nginx, "-e", self.path("nginx-start.log"), "-p", self.site.root, "-c",
                self.write("nginx.conf", text)]

    def end(self):
        if self.www is not None:
            shutil.rmtree(self.www, ignore_errors=True)
        if self.helper is not None and self.helper.poll() is None:
            self.helper.terminate()
            self.helper.wait(10)


# What run.py --front takes: how each is started, and whether a process of its own answers each
# request.
FRONTS = {
    "nginx": (None, False),
    "lighttpd": (Front.lighttpd_fastcgi, False),
    "apache": (Front.apache_fastcgi, False),
    "lighttpd-cgi": (Front.lighttpd_cgi, True),
    "apache-cgi": (Front.apache_cgi, True),
    "fcgiwrap": (Front.fcgiwrap, True),
}
