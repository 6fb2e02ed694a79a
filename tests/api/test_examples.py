"""nginx/examples: each one, as it is shipped but for ports and paths, in a real nginx before the
pool, with a stand-in for the service that signs people in; and what a client may try against it."""

import base64
import http.client
import http.server
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

import harness
import test_nginx

TOKEN = harness.PLANT + "-token-fedcba9876543210fedcba9876543210"
EXAMPLES = os.path.join(harness.SRC, "nginx", "examples")
OPENSSL = shutil.which("openssl")

# What a client may call itself, in every spelling that has ever meant something to somebody.
SPOOFS = ("X-Auth-Request-User", "x-auth-request-user", "X_Auth_Request_User",
          "X-Auth-Request-Preferred-Username", "Remote-User", "REMOTE-USER",
          "Remote_User", "REMOTE_USER", "X-Forwarded-User", "X_FORWARDED_USER", "X-Remote-User", "X-authentik-username", "X_authentik_username",
          "REGCRED_PROXY_USER", "Regcred-Proxy-User", "regcred_proxy_user",
          "HTTP_REGCRED_PROXY_USER", "SSL_CLIENT_S_DN", "X-SSL-Client-S-DN")
SPOOFED_GROUPS = ("X-Auth-Request-Groups", "Remote-Groups", "X-authentik-groups",
                  "REGCRED_PROXY_GROUPS", "Regcred-Proxy-Groups", "X-Forwarded-Groups")

directory = site = None


def nginx_knows(module):
    if harness.NGINX is None:
        return False
    return module in subprocess.run([harness.NGINX, "-V"], capture_output=True, text=True).stderr


def setUpModule():
    global directory, site
    if OPENSSL is None:
        raise unittest.SkipTest("openssl is not installed")
    # not the site's, where the token would be found
    directory = tempfile.mkdtemp(prefix="rc-")
    secret("token", TOKEN + "\n")
    secret("regcred_proxy_token", 'fastcgi_param REGCRED_PROXY_TOKEN "%s";\n' % TOKEN)
    conf = secret("regcred.conf", "proxy_auth = yes\nproxy_token_file = "
                                  "%s/token\nproxy_create_users = yes\n[groups]\nops = "
                                  "admin\nteam-a = 1a6:member\n"
                  "readers = readAdmin\n" % directory)
    site = harness.Site(environment={"REGCRED_CONFIG": conf})
    try:
        site.start()
        make_certificates()
    except BaseException:
        shutil.rmtree(directory)
        raise
    test_nginx.site = site
    globals()["project"] = test_nginx.project = site.project()
    assert project.id == "1a6", project.id


def tearDownModule():
    try:
        site.stop()
    finally:
        shutil.rmtree(directory)


def secret(name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, 0o600)
    return path


def openssl(*words):
    return subprocess.run([OPENSSL, *words], cwd=directory, capture_output=True, text=True,
                          check=True, timeout=60).stdout


def make_certificates():
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=creds.example.test", "-keyout",
            "creds.key", "-out", "creds.pem")
    for authority in ("clients", "strangers"):
        openssl("req", "-x509", *key, "-days", "2", "-subj", "/O=Example/CN=" + authority,
                "-keyout", authority + ".key", "-out", authority + ".pem")
    for name, subject, authority in (("alice", "/O=Example/OU=People/CN=alice", "clients"),
                                     ("mallory", "/O=Example/OU=People/CN=mallory", "clients"),
                                     ("build", "/O=Example/OU=Machines/CN=build server", "clients"), ("ALICE", "/O=Example/OU=People/CN=ALICE", "clients"),
                                     ("BUILD", "/O=Example/OU=Machines/CN=BUILD SERVER", "clients"), ("machine", "/O=Example/OU=Machines/CN=alice", "clients"),
                                     ("comma", "/O=Example/OU=People/CN=alice,OU=People", "clients"), ("prefix", "/O=Example/OU=People/CN=x/CN=alice", "clients"),
                                     ("longer", "/C=DE/O=Example/OU=People/CN=alice", "clients"),
                                     ("stranger", "/O=Example/OU=People/CN=alice", "strangers")):
        openssl("req", *key, "-subj", subject, "-keyout", name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey", authority
                + ".key", "-CAcreateserial", "-days", "2",
                "-out", name + ".pem")


class Example(test_nginx.Nginx):
    """An nginx with one example, or some; `changes` are further replacements in its text."""

    def __init__(self, name, service=None, changes=(), http_level=""):
        text = "".join(test_nginx.shipped("examples/%s.conf" % n) for n in name.split(" "))
        fixed = [("/etc/nginx/tls/", directory + "/"),
                 ("include regcred_proxy_token;", "include %s/regcred_proxy_token;" % directory),
                 ("/etc/nginx/regcred.htpasswd", directory + "/htpasswd")]
        text = re.sub(r"(?m)^ *#.*\n", "", text)
        for old, new in fixed + list(changes):
            text = text.replace(old, new)
        if service is not None:
            text = re.sub(r"http://127\.0\.0\.1:(4180|9091|9000)", "http://127.0.0.1:%d"
                          % service.server_port, text)
        if "/etc/" in text or "/run/" in text:
            raise AssertionError("a path was not replaced: " + text)
        self.text = text

        def make(root, port):
            paths = "".join("%s_temp_path %s/%s;\n" % (n, root, n)
                            for n in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
            return ("%s\npid %s/nginx.pid;\nerror_log %s/error.log warn;\nevents {}\nhttp "
                    "{\n%saccess_log %s/access.log;\n%s%s}\n" %
                    ("user root;" if os.geteuid() == 0 else "", root, root, paths, root,
                     test_nginx.at_http_level() + http_level,
                     text.replace("listen 443 ", "listen 127.0.0.1:%d " % port)))
        super().__init__(make)

    def ask(self, path="/v1/projects", headers=(), certificate=None, method="GET", body=b""):
        """Header lines as they are, over a connection of their own."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(os.path.join(directory, certificate + ".pem"),
                                    os.path.join(directory, certificate + ".key"))
        lines = ["Host: creds.example.test", "Connection: close"] + ["%s: %s" % h for h in headers]
        lines += ["Content-Length: %d" % len(body)] if method == "POST" else []
        with socket.create_connection(("127.0.0.1", self.port),
                                      timeout=20) as plain, context.wrap_socket(plain) as s:
            s.sendall(("%s %s HTTP/1.1\r\n%s\r\n\r\n" % (method, path, "\r\n".join(lines))).encode(
                "latin-1") + body)
            answer = http.client.HTTPResponse(s, method=method)
            answer.begin()
            return harness.Response(method, path, answer.status, answer.getheaders(), answer.read())


def basic(*key):
    return ("Authorization", "Basic " + base64.b64encode(":".join(key).encode()).decode())


class ExampleCase(harness.Case):
    @property
    def site(self):
        return site

    def is_user(self, answer, name):
        self.assertEqual(answer.status, 200, answer)
        rows = site.sql(
            "SELECT id FROM account WHERE external_id_type = 'proxy' AND external_id = ?", (name,))
        self.assertEqual([answer.header("X-API-User-Id")], ["1a%d" % r[0] for r in rows])

    def nothing_wrong(self, nginx):
        """What `regcred check --nginx` thinks of it."""
        done = site.cli("check", "--state-dir", site.state, "--nginx",
                        os.path.join(nginx.root, "nginx.conf"), check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("0 problems", done.stdout)

    def attacks(self, nginx, signed_in=(), name="mallory", refused=(401,), victim="alice", **kw):
        """Without a sign-on no header helps; with one it changes nothing.  signed_in: the headers
        that sign `name` in; kw goes to ask()."""
        for spoof in SPOOFS:
            for headers in ([(spoof, victim)], [(spoof, victim), (spoof, victim)],
                            [(spoof, victim), ("REGCRED_PROXY_TOKEN", "x"),
                             ("Regcred-Proxy-Token", "y")]):
                self.assertIn(self.refusal(nginx, headers).status, refused, headers)
                self.is_user(nginx.ask(headers=[*headers, *signed_in], **kw), name)
        for spoof in SPOOFED_GROUPS:
            answer = nginx.ask("/v1/accounts/1a3", headers=[(spoof, "ops"), (spoof, "ops,ops|ops"),
                                                            *signed_in], **kw)
            self.assertEqual(answer.status, 404, (spoof, answer))

    def refusal(self, nginx, headers):
        return nginx.ask(headers=headers)

    def keys_work(self, nginx, **kw):
        """Machines go on using keys where nginx signs people in: in either header, for reading and
        for writing with a body."""
        path = "/v1/projects/%s/registries" % project.id
        for header in (basic(*project.env.key), ("X-API-Key", ":".join(project.env.key))):
            self.assertEqual(nginx.ask(headers=[header], **kw).header("X-API-User-Id"), project.id,
                             header)
            body = b'{"serverAddress":"%s.example.test"}' % os.urandom(4).hex().encode()
            self.assertEqual(nginx.ask(path, [header, ("Content-Type", "application/json")],
                                       method="POST", body=body, **kw).status, 201)
        for header in (basic(project.env.key[0], "wrong"),
                       ("X-API-Key", project.env.key[0] + ":wrong")):
            answer = nginx.ask(headers=[header], **kw)
            self.assertEqual((answer.status, answer.json["code"]), (401, "Unauthorized"), header)
        # nginx's own answers are JSON there too.
        answer = nginx.ask(path, [basic(*project.env.key)], method="POST", body=b"x" * 65537, **kw)
        self.assertEqual((answer.status, answer.json["type"]), (413, "error"))

    def without_a_good_token(self, name, service=None, signed_in=(), **kw):
        """The example with no token, and with a wrong one."""
        for change in ("", 'fastcgi_param REGCRED_PROXY_TOKEN "%s";' % ("x" * 40)):
            with Example(name, service,
                         [("include %s/regcred_proxy_token;" % directory, change)]) as nginx:
                self.assertEqual(nginx.ask(headers=signed_in, **kw).status, 401)
        with Example(name, service,
                     [("include %s/regcred_proxy_token;" % directory,
                       2 * ("include %s/regcred_proxy_token;" % directory))]) as nginx:
            self.assertEqual(nginx.ask(headers=signed_in, **kw).status, 400)


class Keys(ExampleCase):
    def test_keys(self):
        for level in ("", "underscores_in_headers on;\n"):
            with Example("keys", http_level=level) as nginx:
                self.nothing_wrong(nginx)
                self.assertEqual(nginx.ask().status, 401)
                self.assertEqual(nginx.ask(headers=[basic(*project.env.key)]).header(
                    "X-API-User-Id"), project.id)
                self.assertEqual(
                    nginx.ask(headers=[("X-API-Key", ":".join(project.env.key))]).status, 200)
                self.assertEqual(nginx.ask(headers=[basic(project.env.key[0], "wrong")]).status,
                                 401)
                self.assertEqual(nginx.ask("/ping").body, b"pong")
                for spoof in SPOOFS:
                    self.assertEqual(
                        nginx.ask(headers=[(spoof, "alice"), ("REGCRED_PROXY_TOKEN", "x")]).status,
                        401, spoof)
                    self.assertEqual(
                        nginx.ask(headers=[(spoof, "alice"), basic(*project.env.key)]).header(
                            "X-API-User-Id"), project.id)
                self.assertTrue(nginx.ask("/v1/projects", [basic(*project.env.key)]).json["links"][
                    "self"].startswith("https://creds.example.test/"))


class Passwords(ExampleCase):
    @classmethod
    def setUpClass(cls):
        cls.words = {name: site.plant() for name in ("alice", "mallory", "ALICE")}
        secret("htpasswd", "".join("%s:%s\n" % (name, openssl("passwd", "-apr1", word).strip())
                                   for name, word in cls.words.items()))

    def test_passwords(self):
        for level in ("", "underscores_in_headers on;\n"):
            with Example("basic", http_level=level) as nginx:
                self.nothing_wrong(nginx)
                alice, mallory = (basic(n, self.words[n]) for n in ("alice", "mallory"))
                self.is_user(nginx.ask(headers=[alice]), "alice")
                self.is_user(nginx.ask(headers=[mallory]), "mallory")
                for bad in ([], [basic("alice", "wrong")], [basic("alice", self.words["mallory"])],
                            [basic("nobody", "x")], [("Authorization", "Bearer x")]):
                    answer = nginx.ask(headers=bad)
                    self.assertEqual((answer.status, answer.json["code"]), (401, "Unauthorized"),
                                     bad)
                    self.assertEqual(answer.header("WWW-Authenticate"), 'Basic realm="regcred"')
                self.keys_work(nginx)
                # nginx's map compares plain words without case: alice's groups are not for ALICE.
                self.is_user(nginx.ask(headers=[basic("ALICE", self.words["ALICE"])]), "ALICE")
                self.assertEqual(nginx.ask("/v1/accounts/1a3",
                                           [basic("ALICE", self.words["ALICE"])]).status, 404)
                # REMOTE_USER is what Basic claims: it opens nothing by itself.
                self.assertEqual(nginx.ask(headers=[basic("alice", "")]).status, 401)
                self.assertEqual(nginx.ask("/v1/accounts/1a3", [alice]).status, 200,
                                 "alice is in ops")
                self.assertEqual(nginx.ask("/v1/accounts/1a3", [mallory]).status, 404)
                # A key beside it has to be the same person's.
                self.assertEqual(
                    nginx.ask(headers=[alice, ("X-API-Key", ":".join(site.admin.key))]).status, 403)
                key = site.new_key(site.admin,
                                   accountId=nginx.ask(headers=[alice]).header("X-API-User-Id"))
                self.is_user(nginx.ask(headers=[alice, ("X-API-Key", ":".join(key))]), "alice")
                self.assertEqual(nginx.ask(headers=[mallory, ("X-API-Key", ":".join(key))]).status,
                                 403)
                self.attacks(nginx, [mallory])

    def test_no_token(self):
        self.without_a_good_token("basic", signed_in=[basic("alice", self.words["alice"])])


class Stand_in(http.server.ThreadingHTTPServer):
    """A service that signs people in: who has the cookie session=NAME is NAME."""

    daemon_threads = True

    def __init__(self, path, names, groups, email):
        self.path, self.names, self.groups, self.email = path, names, groups, email
        self.asked = []
        super().__init__(("127.0.0.1", 0), Stand_in.Handler)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            service = self.server
            if self.path != service.path:
                self.answer(200
                            if self.path.startswith(os.path.dirname(service.path).replace(
                                "/auth", "")) else 404, (), b"the service's own page")
                return
            service.asked.append(self.headers)
            who = re.search(r"session=([^;]*)", self.headers.get("Cookie", ""))
            if who is None or who.group(1) not in service.groups:
                self.answer(401, [("Location", "https://auth.example.test/")])
                return
            name = who.group(1)
            values = ("" if name == "nameless" else name, service.groups[name], service.email)
            cookie = [("Set-Cookie", "session=%s; x=%s"
                       % (name, "y" * 4000))] if name == "many" else []
            self.answer(200, [(n, v) for n, v in zip(service.names, values) if v] + cookie)

        def answer(self, status, headers, body=b""):
            self.send_response(status)
            for pair in headers:
                self.send_header(*pair)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass


@unittest.skipUnless(nginx_knows("http_auth_request_module"),
                     "nginx has no module auth_request (nginx -V)")
class Services(ExampleCase):
    def signed(self, name):
        return [("Cookie", "session=" + name)]

    def run_example(self, name, path, names, groups):
        with Stand_in(path, names, {}, "") as service:
            port = service.server_port
        with Example(name, type("Ended", (), {"server_port": port})) as nginx:
            answer = nginx.ask(headers=self.signed("alice"))
            self.assertEqual((answer.status, answer.json["code"]), (500, "Internal Server Error"),
                             "the service does not run: nobody is let in")
        all_groups = {"alice": groups, "mallory": "", "carol": groups.replace("team-a", "other"),
                      "nameless": groups,
                      "many": ",".join("group-%04d" % i for i in range(371))}
        with Stand_in(path, names, all_groups, "someone@example.test") as service:
            for level in ("", "underscores_in_headers on;\n"):
                with Example(name, service, http_level=level) as nginx:
                    self.nothing_wrong(nginx)
                    self.flow(nginx, service)
                    self.attacks(nginx, self.signed("mallory"))
                    self.spoofs_stop_at_nginx(nginx, service, names)
            self.without_a_good_token(name, service, self.signed("alice"))

    def flow(self, nginx, service):
        self.is_user(nginx.ask(headers=self.signed("alice")), "alice")
        self.is_user(nginx.ask(headers=self.signed("mallory")), "mallory")
        self.is_user(nginx.ask(headers=self.signed("carol")), "carol")
        self.assertEqual(site.sql("SELECT description FROM account WHERE external_id = 'carol' AND "
                                  "external_id_type = 'proxy'"), [("someone@example.test",)])
        scoped = "/v1/projects/%s/registries" % project.id
        self.assertEqual([nginx.ask(scoped, self.signed(n)).status
                          for n in ("alice", "mallory", "carol")], [200, 403, 403])
        # A write with a body, which the service does not get.
        answer = nginx.ask("/v1/projects", self.signed("alice")
                           + [("Content-Type", "application/json")], method="POST",
                           body=b'{"name":"mine"}')
        self.assertEqual(answer.status, 201, answer)
        evil = self.signed("alice") + [("Origin", "https://evil.example.test")]
        self.assertEqual(nginx.ask("/v1/projects", evil, method="POST", body=b"{}").status, 403)
        # Who is not signed in: a program gets JSON, a browser is sent away.
        answer = nginx.ask()
        self.assertEqual((answer.status, answer.json["code"], answer.json["type"]),
                         (401, "Unauthorized", "error"), answer)
        answer = nginx.ask(headers=[("User-Agent", "Mozilla/5.0")])
        self.assertEqual(answer.status, 302, answer)
        self.assertRegex(answer.header("Location"),
                         r"[?]rd=(https://creds\.example\.test)?/v1/projects$")
        for path in ("/v1/accounts?name=a&sort=id",
                     "/v1/accounts?name_like=%25a%25&sort=id&order=desc",
                     "/v1/accounts?name=a+b&x=c%2Bd", "/v1/a%26b?c=%23"):
            query = urllib.parse.urlsplit(nginx.ask(path, [("User-Agent", "Mozilla/5.0")]).header(
                "Location")).query
            back = urllib.parse.parse_qs(query, strict_parsing=True)
            self.assertEqual((list(back), [b.replace("https://creds.example.test", "")
                                           for b in back["rd"]]), (["rd"], [path]))
        answer = nginx.ask("/v1/accounts?" + "&x=1" * 9, [("User-Agent", "Mozilla/5.0")])
        self.assertRegex(answer.header("Location"), r"[?]rd=(https://creds\.example\.test)?/v1$")
        # The longest list of groups that regcred takes, and a new cookie, come through.
        self.assertEqual(nginx.ask(headers=self.signed("many")).status, 200)
        self.assertEqual(nginx.ask(headers=self.signed("unknown")).status, 401)
        # An answer without a name is nobody, not everybody.
        self.assertEqual(nginx.ask(headers=self.signed("nameless")).status, 400)
        # The way around: the subrequest's location, and a key.
        for path in (service.path, "/internal/authelia", "/oauth2/auth",
                     "/outpost.goauthentik.io/auth/nginx"):
            self.assertEqual(nginx.ask(path, self.signed("alice")).status, 404, path)
        asked = len(service.asked)
        self.keys_work(nginx)
        self.assertEqual(len(service.asked), asked, "machines do not depend on the service")
        self.assertEqual(nginx.ask("/ping").body, b"pong")

    def spoofs_stop_at_nginx(self, nginx, service, names):
        del service.asked[:]
        nginx.ask(headers=self.signed("mallory") + [(n, "alice") for n in names])
        self.assertEqual(len(service.asked), 1)
        self.assertEqual([service.asked[0].get(n) for n in names], [None] * len(names))
        self.assertIsNone(service.asked[0].get("Content-Length") or None)

    def test_oauth2_proxy(self):
        self.run_example("oauth2-proxy", "/oauth2/auth",
                         ("X-Auth-Request-User", "X-Auth-Request-Groups", "X-Auth-Request-Email"),
                         "staff,team-a")

    def test_authelia(self):
        self.run_example("authelia", "/api/authz/auth-request",
                         ("Remote-User", "Remote-Groups", "Remote-Email"), "staff,team-a")

    def test_authentik(self):
        self.run_example("authentik", "/outpost.goauthentik.io/auth/nginx",
                         ("X-authentik-username", "X-authentik-groups", "X-authentik-email"),
                         "staff, all|team-a")

    def test_a_comma_in_a_group_of_authentik_makes_no_two_groups(self):
        names = ("X-authentik-username", "X-authentik-groups", "X-authentik-email")
        path = "/outpost.goauthentik.io/auth/nginx"
        with Stand_in(path, names, {"dave": "people, ops"}, "d@example.test") as service, Example(
            "authentik", service) as nginx:
            self.is_user(nginx.ask(headers=self.signed("dave")), "dave")
            self.assertEqual(nginx.ask("/v1/accounts/1a3", self.signed("dave")).status, 404)


class Certificates(ExampleCase):
    def refusal(self, nginx, headers):
        return nginx.ask(headers=headers)

    def test_certificates(self):
        for level in ("", "underscores_in_headers on;\n"):
            with Example("certificate", http_level=level) as nginx:
                self.nothing_wrong(nginx)
                self.is_user(nginx.ask(certificate="alice"), "alice")
                self.is_user(nginx.ask(certificate="mallory"), "mallory")
                self.is_user(nginx.ask(certificate="build"), "build")
                self.assertEqual(nginx.ask("/v1/accounts/1a3", certificate="alice").status, 200,
                                 "alice is in ops")
                self.assertEqual(nginx.ask("/v1/accounts/1a3", certificate="mallory").status, 404)
                self.is_user(nginx.ask(certificate="ALICE"), "ALICE")
                self.assertEqual(nginx.ask("/v1/accounts/1a3", certificate="ALICE").status, 404)
                for other in ("machine", "comma", "prefix", "longer", "stranger", "BUILD", None):
                    self.assertEqual(nginx.ask(certificate=other).status, 400, other)
                for certificate in (None, "mallory"):
                    self.keys_work(nginx, certificate=certificate)
                self.attacks(nginx, refused=(400,), certificate="mallory")

    def test_no_token(self):
        self.without_a_good_token("certificate", certificate="alice")


class Shipped(ExampleCase):
    def test_any_two_are_loaded_together(self):
        """Each says what it needs and defines nothing that another one does, or that README has
        made."""
        names = sorted(name[:-5] for name in os.listdir(EXAMPLES))
        secret("htpasswd", "")
        for i, one in enumerate(names):
            for other in names[i + 1:]:
                with self.subTest(one + " " + other):
                    text = test_nginx.shipped("examples/%s.conf" % one) + test_nginx.shipped(
                        "examples/%s.conf" % other)
                    defined = re.findall(
                        r"(?m)^(?:upstream|limit_req_zone|log_format) .*|^map \S+ (\S+)", text)
                    self.assertEqual(len(defined), len(set(defined)), defined)
                    self.assertNotIn("upstream regcred", text)
                    more = [("/etc/ssl/certs/ca-certificates.crt", directory + "/clients.pem"),
                            ("registry.example.test;", "127.0.0.1;"),
                            ("proxy_pass https://ghcr.io;", "proxy_pass https://127.0.0.1;")]
                    with Example(one + " " + other, changes=more) as nginx:
                        self.nothing_wrong(nginx)

    def test_every_example_is_run_here(self):
        text = ""
        for module in ("test_examples", "test_inject"):
            with open(os.path.join(harness.HERE, module + ".py"), encoding="utf-8") as f:
                text += f.read()
        for name in os.listdir(EXAMPLES):
            self.assertTrue(name.endswith(".conf"), name)
            self.assertIn('"%s"' % name[:-5], text)


if __name__ == "__main__":
    unittest.main()
