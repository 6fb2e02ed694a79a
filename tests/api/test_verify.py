"""Logins checked against their registry: `test`, `verify`, and what a project asks for; stand-ins
that lie; and Debian's docker-registry, with htpasswd and with a token server."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import standin
from standin import API, UNAUTHORIZED, Answer, Standin

site = None
work = None
LOOPBACK = ("--verify-networks", "127.0.0.0/8", "--verify-per-minute", "0")
CHECKING = "The login is being checked against its registry."
RESULTS = ("valid", "invalidCredential", "forbidden", "repositoryRefused", "anonymousAccess",
           "otherTokenHost", "notARegistry", "unreachable", "tlsError", "rateLimited", "timeout")
DOCKER_REGISTRY = shutil.which("docker-registry")


def setUpModule():
    global site, work
    work = tempfile.mkdtemp(prefix="rc-verify-")
    key, crt = standin.certificate(work, "trusted")
    site = harness.Site(threads=16, options=LOOPBACK + ("--verify-ca-file", crt),
                        environment={"http_proxy": "http://127.0.0.1:9",
                                     "ALL_PROXY": "http://127.0.0.1:9"})
    site.trusted = standin.tls(key, crt)
    site.untrusted = standin.tls(*standin.certificate(work, "untrusted"))
    site.start()


def tearDownModule():
    try:
        site.stop()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def wait_for(look, wanted, seconds=60):
    """What look() returns once wanted(it) is true; the last of it if that never happens."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if wanted(found) or time.monotonic() > end:
            return found
        time.sleep(0.02)


class VerifyCase(harness.Case):
    site = property(lambda self: site)

    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.env = self.project.env

    def standin(self, answer, context=None):
        server = Standin(answer, context)
        self.addCleanup(server.stop)
        return server

    def rule(self, rule):
        self.ok(site.admin.put("/v1/projects/" + self.project.id, {"verification": rule}))

    def try_login(self, address, user="user", secret=None):
        """The answer to `test` on a new registry with that address."""
        secret = site.plant() if secret is None else secret
        registry = self.project.registry(serverAddress=address)
        body = self.ok(self.env.action("registries/" + registry["id"], "test",
                                       {"publicValue": user, "secretValue": secret}))
        self.assertIn(body["verificationResult"], RESULTS)
        self.assertGreaterEqual(body["verificationMs"], 0)
        self.assertNotIn(secret, json.dumps(body))
        return body

    def outcome(self, *args, **kw):
        body = self.try_login(*args, **kw)
        return body["verificationResult"], body["verificationStatus"]

    def settled(self, row):
        return wait_for(lambda: self.ok(self.env.get("registrycredentials/" + row["id"])),
                        lambda r: r["transitioning"] != "yes")


class TokenHosts(VerifyCase):
    """Where a registry sends logins is remembered: whoever takes over its front gets no login for
    another host."""

    def setUp(self):
        super().setUp()
        self.secret, self.tokens = site.plant(), {"t"}
        self.first, self.second = self.auth(), self.auth()
        self.challenge = self.to(self.first)
        self.registry = self.standin(self.answer)
        self.row = self.project.registry(serverAddress=self.registry.url)
        self.login = self.project.credential(self.row, publicValue="user", secretValue=self.secret)

    def auth(self):
        return self.standin(lambda r: Answer(200, {"token": "t"}) if r.login
                            == ("user", self.secret) else Answer(401, UNAUTHORIZED))

    def to(self, server):
        return 'Bearer realm="%s/token",service="x"' % server.url

    def answer(self, r):
        if r.token not in self.tokens and r.login != ("user", self.secret):
            return Answer(401, UNAUTHORIZED,
                          dict(API, **({"WWW-Authenticate": self.challenge} if self.challenge
                                       else {})))
        return Answer(200 if r.path == "/v2/" else 404, {} if r.path == "/v2/"
                      else {"errors": [{"code": "NAME_UNKNOWN"}]}, API)

    def verify(self):
        self.status(self.env.action("registrycredentials/" + self.login["id"], "verify"), 202)
        return self.settled(self.login)

    def host(self, client=None):
        return self.ok((client or self.env).get("registries/" + self.row["id"]))["tokenHost"]

    def nothing_went_to(self, *servers):
        for server in servers:
            self.assertEqual([r.url for r in server.requests if r.login or b"secret" in r.body
                              or b"refresh_token" in r.body], [])

    def test_the_first_host_that_proves_right_is_remembered_and_no_other_gets_a_login(self):
        self.assertIsNone(self.host())
        self.assertEqual(self.verify()["verificationResult"], "valid")
        self.assertEqual(self.host(), self.first.host)
        before = len(self.registry.requests)
        self.tokens.clear()
        for challenge in (self.to(self.second), 'Bearer realm="http://localhost:%d/token"'
                          % self.second.port, 'Basic realm="x"',
                          'Bearer realm="%s/token", Basic realm="x"' % self.second.url):
            self.challenge = challenge
            row = self.verify()
            self.assertEqual(row["verificationResult"], "otherTokenHost", challenge)
            self.assertIn(self.first.host, row["verificationMessage"])
            self.assertIn("tokenHost", row["verificationMessage"])
            self.assertEqual(row["state"], "active",
                             "the login goes on: its registry's front is what changed")
            tried = self.ok(self.env.action("registries/" + self.row["id"], "test",
                                            {"publicValue": "user", "secretValue": self.secret}))
            self.assertEqual(tried["verificationResult"], "otherTokenHost")
        self.nothing_went_to(self.second)
        self.assertEqual([r.url for r in self.registry.requests[before:] if r.login], [])
        self.assertEqual(self.host(), self.first.host)

    def test_an_open_registry_gets_no_login_that_went_to_a_token_server(self):
        self.assertEqual(self.verify()["verificationResult"], "valid")
        self.registry.answer = lambda r: Answer(200 if r.path == "/v2/" else 404, {} if r.path
                                                == "/v2/"
                                                else {"errors": [{"code": "NAME_UNKNOWN"}]}, API)
        before = len(self.registry.requests)
        self.assertEqual(self.verify()["verificationResult"], "otherTokenHost")
        self.assertEqual([r.url for r in self.registry.requests[before:] if r.login], [])

    def test_another_host_is_confirmed_by_whoever_may_change_the_registry(self):
        self.verify()
        for confirmed in (self.second.host, self.second.host.upper(), None):
            self.challenge = self.to(self.first)
            self.ok(self.env.put("registries/" + self.row["id"], {"tokenHost": self.first.host}))
            self.challenge = self.to(self.second)
            self.assertEqual(self.verify()["verificationResult"], "otherTokenHost")
            self.ok(self.env.put("registries/" + self.row["id"], {"tokenHost": confirmed}))
            self.assertEqual(self.verify()["verificationResult"], "valid")
            self.assertEqual(self.host(), confirmed or self.second.host)

    def test_who_may_not_change_the_registry_confirms_nothing(self):
        self.verify()
        bounded = [site.new_key(self.project.admin, **bound)
                   for bound in ({"registryIds": [self.row["id"]]}, {"pathPrefixes": ["acme"]},
                                 {"role": "readonly"})]
        for key in bounded:
            r = harness.Client(site, key, self.project.root).put("registries/" + self.row["id"],
                                                                 {"tokenHost": self.second.host})
            self.assertNotEqual(r.status, 200)
        self.assertEqual(self.host(), self.first.host)

    def test_what_was_remembered_and_changed_is_in_the_audit_log(self):
        self.verify()
        self.ok(self.env.put("registries/" + self.row["id"], {"tokenHost": None}))
        changes = [json.loads(row[0]) for row in site.sql("SELECT changes FROM audit_log WHERE "
                                                          "resource_id = ? AND event_type = "
                                                          "'update' ORDER BY id",
                                                          (self.row["id"],))]
        self.assertEqual(changes, [{"tokenHost": {"old": None, "new": self.first.host}},
                                   {"tokenHost": {"old": self.first.host, "new": None}}])

    def test_a_login_that_was_refused_proves_no_host(self):
        self.secret = site.plant("another")
        self.assertEqual(self.verify()["verificationResult"], "invalidCredential")
        self.assertIsNone(self.host())

    def test_a_registry_with_basic_is_its_own_host(self):
        self.challenge = 'Basic realm="x"'
        self.assertEqual(self.verify()["verificationResult"], "valid")
        self.assertEqual(self.host(), self.registry.host)
        self.challenge = self.to(self.second)
        self.assertEqual(self.verify()["verificationResult"], "otherTokenHost")
        self.nothing_went_to(self.second)


class Clock(VerifyCase):
    def test_a_clock_that_was_in_the_future_once(self):
        """What waits for a check gets it, and the next one is not in years."""
        secret = site.plant()
        server = self.standin(standin.basic_registry({"user": secret}))
        registry = self.project.registry(serverAddress=server.url)
        waiting, active, planned = (self.project.credential(registry, publicValue="user",
                                                            secretValue=secret)["id"]
                                                            for _ in range(3))
        self.rule("require")
        ahead = int((time.time() + 4 * 365 * 86400) * 1000)
        for login, state, due in ((waiting, "updating-active", ahead), (active, "active", None),
                                  (planned, "active", ahead)):
            site.sql("UPDATE credential SET state = ?, verify_due = ?, verify_for = account_id, "
                     "verify_rule = 'require', verify_attempt = 0, verified = ? WHERE id = ?",
                     (state, due, ahead, int(login[2:])), write=True)
        site.cli("sweep", "--state-dir", site.state)

        def rows():
            return {"1c%d" % i: (state, due) for i, state,
                    due in site.sql("SELECT id, state, verify_due FROM credential WHERE id IN (?, "
                                    "?, ?)", [int(i[2:]) for i in (waiting, active, planned)])}
        soon = (time.time() + 2 * 86400) * 1000
        found = wait_for(rows, lambda all: all[waiting][0] == "active" and all[planned][1] != ahead,
                         90)
        self.assertEqual(found[waiting][0], "active")
        self.assertTrue(all(due is None or due < soon for _, due in found.values()), found)
        self.assertIsNotNone(found[active][1])


class Standins(VerifyCase):
    """`test` on a registry: what the answers of all kinds of servers mean."""

    def token_server(self, grants, answer=None):
        """A registry and its token server; grants maps (user, secret) or None for nobody to a
        token."""
        tokens = set(grants.values())

        def grant(request):
            if request.login in grants:
                return Answer(200, {"token": grants[request.login], "expires_in": 60})
            return Answer(401, UNAUTHORIZED)
        auth = self.standin(answer or grant)
        registry = self.standin(standin.bearer_registry(lambda: auth.url + "/token", tokens))
        return registry, auth

    def test_basic(self):
        secret = site.plant(":with colon \u00e9")
        registry = self.standin(standin.basic_registry({"user": secret}))
        self.assertEqual(self.outcome(registry.url, secret=secret), ("valid", 200))
        self.assertEqual(self.outcome(registry.url + "/team", secret=site.plant()),
                         ("invalidCredential", 401))
        for request in registry.requests:
            self.assertNotIn(harness.PLANT, request.url)
            self.assertTrue(request.path.startswith("/v2/"), request.path)
        self.assertIsNone(registry.requests[0].login, "the first question is asked as nobody")

    def test_token(self):
        secret = site.plant()
        registry, auth = self.token_server({("user", secret): "t-user"})
        self.assertEqual(self.outcome(registry.url, secret=secret), ("valid", 200))
        self.assertEqual(self.outcome(registry.url + "/x"), ("invalidCredential", 401))
        self.assertEqual(auth.requests[0].query["service"], ["stand-in"])
        self.assertTrue(all(harness.PLANT not in r.url for r in auth.requests + registry.requests))

    def test_a_token_alone_proves_nothing(self):
        registry = self.standin(lambda r: standin.bearer_registry(lambda: auth.url + "/token",
                                                                  set())(r))
        auth = self.standin(lambda r: Answer(200, {"token": "worthless"}))
        self.assertEqual(self.outcome(registry.url), ("invalidCredential", 401))

    def test_a_token_for_everybody(self):
        everybody = lambda r: Answer(200, {"access_token": "t"})
        registry, _ = self.token_server({None: "t"}, everybody)
        self.assertEqual(self.outcome(registry.url)[0], "anonymousAccess")

    def test_tokens_for_nobody_beside_ours(self):
        """As Docker Hub does: nobody gets a token that /v2/ takes, a wrong login gets none."""
        secret = site.plant()
        registry, _ = self.token_server({("user", secret): "t-user", None: "t-nobody"})
        self.assertEqual(self.outcome(registry.url, secret=secret)[0], "valid")
        self.assertEqual(self.outcome(registry.url + "/x")[0], "invalidCredential")

    def scoped_token_server(self, secret, grants):
        """A registry whose /v2/ names a repository of its own; grants(scope) is the status for the
        right login: the scope is None if none is asked for."""
        def grant(request):
            if request.login != ("user", secret):
                return Answer(401, UNAUTHORIZED)
            status = grants(request.query.get("scope", [None])[0])
            return Answer(status, {"token": "t"} if status == 200
                          else {"errors": [{"code": "DENIED"}]})
        auth = self.standin(grant)
        inner = standin.bearer_registry(lambda: auth.url + "/token", {"t"})

        def answer(request):
            given = inner(request)
            if "WWW-Authenticate" in given.headers:
                given.headers["WWW-Authenticate"] += ',scope="repository:user/image:pull"'
            return given
        return self.standin(answer), auth

    def test_no_scope_that_the_registry_made_up(self):
        """A login is as good as `docker login` finds it, which asks for no scope; the offered one
        is the last resort."""
        secret = site.plant()
        for refusal in (400, 403, 404, 422):
            registry, auth = self.scoped_token_server(secret, lambda scope, s=refusal: 200
                                                      if scope is None else s)
            self.assertEqual(self.outcome(registry.url, secret=secret), ("valid", 200), refusal)
            self.assertEqual([r.query.get("scope") for r in auth.requests if r.login
                              == ("user", secret)], [None], refusal)
            registry, auth = self.scoped_token_server(secret, lambda scope, s=refusal: s
                                                      if scope is None else 200)
            self.assertEqual(self.outcome(registry.url, secret=secret), ("valid", 200), refusal)
            registry, auth = self.scoped_token_server(secret, lambda scope, s=refusal: s)
            self.assertEqual(self.outcome(registry.url, secret=secret)[0], "forbidden" if refusal
                             == 403 else "notARegistry", refusal)
        registry, auth = self.scoped_token_server(secret, lambda scope: 200)
        self.assertEqual(self.outcome(registry.url), ("invalidCredential", 401))
        self.assertEqual(len(auth.requests), 1, "a refused login was sent twice")

    def test_an_empty_grant(self):
        for number, grant in enumerate(({}, {"token": ""}, {"token": None}, {"token": ["t"]},
                                        {"token": "two words"}, {"token": "x\r\nEvil: y"}, [],
                                        "text", "")):
            registry, _ = self.token_server({}, lambda r, grant=grant: Answer(200, grant))
            self.assertEqual(self.outcome(registry.url), ("invalidCredential", 200), grant)

    def test_an_identity_token(self):
        secret = site.plant()

        def grant(request):
            form = dict(pair.split("=", 1) for pair in request.body.decode().split(
                "&")) if request.method == "POST" else {}
            right = form.get("grant_type") == "refresh_token" and form.get(
                "refresh_token") == secret.replace("~", "%7E")
            right = right or (form.get("grant_type") == "refresh_token"
                              and form.get("refresh_token") == secret)
            return Answer(200, {"access_token": "t"}) if right else Answer(
                400, {"error": "invalid_grant"})
        registry, auth = self.token_server({None: "t"}, grant)
        self.assertEqual(self.outcome(registry.url, user="<token>", secret=secret)[0], "valid")
        self.assertEqual(self.outcome(registry.url + "/x", user="<token>")[0], "invalidCredential")
        self.assertEqual(auth.requests[0].method, "POST")

    def test_a_page_for_everything(self):
        for headers in ({}, API, {"Content-Type": "text/html"}):
            page = self.standin(lambda r, headers=headers: Answer(200, "<html>Welcome</html>",
                                                                  headers))
            self.assertEqual(self.outcome(page.url)[0], "notARegistry", headers)
            self.assertTrue(all(r.login is None for r in page.requests),
                            "a page that is no registry was sent a password")

    def test_a_page_behind_basic(self):
        def answer(request):
            return Answer(200, "<html>") if request.login else Answer(
                401, "<html>", {"WWW-Authenticate": 'Basic realm="x"'})
        self.assertEqual(self.outcome(self.standin(answer).url)[0], "notARegistry")

    def test_a_registry_that_is_open(self):
        def answer(request):
            return Answer(200, {}, API) if request.path == "/v2/" else Answer(
                404, {"errors": [{"code": "NAME_UNKNOWN"}]}, API)
        self.assertEqual(self.outcome(self.standin(answer).url)[0], "anonymousAccess")

    def test_an_open_registry_that_looks_at_logins(self):
        secret = site.plant()

        def answer(request):
            if request.login not in (None, ("user", secret)):
                return Answer(401, UNAUTHORIZED, API)
            return Answer(200, {}, API) if request.path == "/v2/" else Answer(
                404, {"errors": [{"code": "NAME_UNKNOWN"}]}, API)
        server = self.standin(answer)
        self.assertEqual(self.outcome(server.url, secret=secret)[0], "valid")
        self.assertEqual(self.outcome(server.url + "/x")[0], "invalidCredential")

    def test_statuses(self):
        for status, wanted in ((403, "forbidden"), (404, "notARegistry"), (429, "rateLimited"),
                               (500, "unreachable"), (503, "unreachable"),
                               (400, "notARegistry"), (204, "notARegistry")):
            anonymous = self.standin(lambda r, status=status: Answer(status, b"", API))
            self.assertEqual(self.outcome(anonymous.url), (wanted, status))

            def answer(request, status=status):
                challenge = {"WWW-Authenticate": ['Negotiate', 'Basic realm="a, b"']}
                return Answer(401, UNAUTHORIZED,
                              dict(API, **challenge)) if request.login is None else Answer(
                                  status, b"", API)
            self.assertEqual(self.outcome(self.standin(answer).url), (wanted, status))

    def test_challenges_that_are_none(self):
        for challenge in ("", "Basic realm=\"x", "Digest realm=\"x\"", "Bearer service=\"x\"",
                          "Bearer realm=\"/token\"", "Bearer realm=\"ftp://x/\"",
                          "Bearer realm=\"http://user:pw@127.0.0.1/\"",
                          "Bearer realm=\"file:///etc/passwd\"", "Bearer realm=\"x\", realm=\"y\""):
            server = self.standin(lambda r,
                                  c=challenge: Answer(401, UNAUTHORIZED,
                                                      dict(API,
                                                           **({"WWW-Authenticate": c} if c
                                                              else {}))))
            self.assertEqual(self.outcome(server.url), ("notARegistry", 401), challenge)

    def test_no_redirect_is_followed(self):
        seen = self.standin(lambda r: Answer(200, {}, API))
        first = self.standin(lambda r: Answer(307, b"", dict(API, Location=seen.url + "/v2/")))
        self.assertEqual(self.outcome(first.url), ("notARegistry", 307))

        def later(request):
            if request.login is None:
                return Answer(401, UNAUTHORIZED,
                              dict(API, **{"WWW-Authenticate": 'Basic realm="x"'}))
            return Answer(302, b"", dict(API, Location=seen.url + "/v2/"))
        self.assertEqual(self.outcome(self.standin(later).url), ("notARegistry", 302))
        registry, _ = self.token_server({}, lambda r: Answer(302, b"",
                                                             {"Location": seen.url + "/token"}))
        self.assertEqual(self.outcome(registry.url)[0], "notARegistry")
        self.assertEqual(seen.requests, [])

    def test_too_much_and_too_slow(self):
        def endless(handler):
            handler.wfile.write(
                b"HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n")
            for _ in range(10000):
                handler.wfile.write(b"x" * 4096)

        def headers(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000)
                                                                  for i in range(100)) + b"\r\n")

        def drip(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            while not slow.stopping.wait(0.2):
                handler.wfile.write(b"x")

        def never(handler):
            silent.stopping.wait(60)
        slow, silent = self.standin(lambda r: Answer(raw=drip)), self.standin(
            lambda r: Answer(raw=never))
        cases = [(self.standin(lambda r: Answer(raw=endless)), "notARegistry"),
                 (self.standin(lambda r: Answer(raw=headers)), "notARegistry"),
                 (slow, "timeout"), (silent, "timeout")]
        found = {}

        def run(number):
            found[number] = self.outcome(cases[number][0].url)[0]
        threads = [threading.Thread(target=run, args=(n,)) for n in (2, 3)]
        for t in threads:
            t.start()
        run(0), run(1)
        for t in threads:
            t.join(60)
        self.assertEqual(found, {n: wanted for n, (_, wanted) in enumerate(cases)})

    def test_tls(self):
        secret = site.plant()
        answer = standin.basic_registry({"user": secret})
        self.assertEqual(self.outcome(self.standin(answer, site.trusted).url, secret=secret),
                         ("valid", 200))
        untrusted = self.standin(answer, site.untrusted)
        self.assertEqual(self.outcome(untrusted.url, secret=secret), ("tlsError", None))
        self.assertEqual(untrusted.requests, [])
        plain = self.standin(answer)
        self.assertEqual(self.outcome(plain.host, secret=secret), ("tlsError", None),
                         "plain HTTP was spoken to an address without http://")
        # A token server without TLS is not sent what the registry took with TLS.
        auth = self.standin(lambda r: Answer(200, {"token": "t"}))
        registry = self.standin(standin.bearer_registry(lambda: auth.url + "/token", {"t"}),
                                site.trusted)
        self.assertEqual(self.outcome(registry.url)[0], "notARegistry")
        self.assertEqual(auth.requests, [])

    def test_targets(self):
        closed = standin.free_port()
        said = set()
        for address in ("http://127.0.0.1:%d" % closed, "http://169.254.169.254", "http://[::1]:%d"
                        % closed, "http://0.0.0.0:80", "http://[fe80::1]",
                        "http://[::ffff:169.254.169.254]", "http://224.0.0.1",
                        "http://[64:ff9b::a9fe:a9fe]", "http://nowhere.invalid"):
            body = self.try_login(address)
            self.assertEqual((body["verificationResult"], body["verificationStatus"]),
                             ("unreachable", None), address)
            said.add(body["verificationMessage"])
        self.assertEqual(len(said), 1, "the words differ: %s" % said)
        # The realm is looked at in the same way.
        for realm in ("http://169.254.169.254/latest", "http://[::1]:%d/" % closed,
                      "http://2852039166/"):
            registry = self.standin(standin.bearer_registry(lambda realm=realm: realm, {"t"}))
            self.assertEqual(self.outcome(registry.url)[0], "unreachable", realm)

    def test_what_is_sent(self):
        registry = "registries/" + self.project.registry(serverAddress="http://127.0.0.1:1")["id"]
        self.err(self.env.action(registry, "test", {}), 422, "MissingRequired", "secretValue")
        self.err(self.env.action(registry, "test", {"secretValue": {}}), 422, "InvalidFormat",
                 "secretValue")
        self.err(self.env.action(registry, "test", {"secretValue": "x", "publicValue": []}), 422,
                 "InvalidFormat", "publicValue")
        self.err(self.env.action(registry, "test", {"secretValue": "x", "publicValue": "u" * 4097}),
                 422, "MaxLengthExceeded", "publicValue")
        self.err(self.env.action("registries/1sp99999", "test", {"secretValue": "x"}), 404,
                 "Not Found")
        before = site.snapshot()
        self.ok(self.env.action(registry, "test", {"secretValue": site.plant()}))
        rest = lambda snapshot: {table: rows for table, rows in snapshot.items()
                                 if not table.startswith("audit_")}
        self.assertEqual(rest(site.snapshot()), rest(before), "a test stored something")
        self.assertEqual(site.sql("SELECT event_type, resource_type, changes FROM audit_log ORDER "
                                  "BY id DESC LIMIT 1"),
                                  [("test", "registry", '{"publicValue":null}')])

    def test_inner_networks_are_not_scanned(self):
        """What answers in a private network, or at this machine's own address, is told apart only
        if it is a registry."""
        found = subprocess.run(["hostname", "-I"], capture_output=True, text=True, timeout=10,
                               check=False).stdout.split()
        own = next((a for a in found if "." in a and not a.startswith(("127.", "169.254."))), None)
        if own is None:
            self.skipTest("this machine has no address but loopback")
        secret = site.plant()

        def standin_at(answer):
            server = Standin(answer, host=own)
            self.addCleanup(server.stop)
            return server

        def banner(handler):
            handler.wfile.write(b"220 mail.example.test ready\r\n")
        others = [standin_at(lambda r, s=status: Answer(s, b"<html>"))
                  for status in (200, 204, 302, 400, 403, 404, 429, 500, 503)]
        others += [standin_at(lambda r: Answer(200, {"users": []})),
                   standin_at(lambda r: Answer(raw=banner)),
                   standin_at(lambda r: Answer(401, b"<html>"))]
        closed = socket.socket()
        closed.bind((own, 0))
        self.addCleanup(closed.close)
        urls = [server.url for server in others] + ["https://" + others[0].host, "http://%s:%d"
                                                    % closed.getsockname(),
                                                    "http://169.254.169.254"]
        told = {tuple(body[name] for name in ("verificationResult", "verificationStatus",
                                              "verificationMessage"))
                                              for body in map(self.try_login, urls)}
        self.assertEqual(len(told), 1, told)
        registry = standin_at(standin.basic_registry({"user": secret}))
        self.assertEqual(self.outcome(registry.url, secret=secret), ("valid", 200))
        self.assertEqual(self.outcome(registry.url + "/x"), ("invalidCredential", 401))
        # one that says what it is only where it refuses
        inner = standin.basic_registry({"user": secret})
        modest = standin_at(lambda r: Answer(200, b"") if r.path == "/v2/" and r.login
                            == ("user", secret) else inner(r))
        self.assertEqual(self.outcome(modest.url, secret=secret), ("valid", 200))
        # Not by the realm of a registry elsewhere, either.
        for server in others:
            front = self.standin(standin.bearer_registry(lambda s=server: s.url + "/token", {"t"}))
            self.assertEqual(self.outcome(front.url), ("unreachable", None), server.url)


class States(VerifyCase):
    """Logins that are created, activated and verified."""

    def registry_of(self, logins=None):
        self.logins = {} if logins is None else logins
        self.server = self.standin(standin.basic_registry(self.logins))
        return self.project.registry(serverAddress=self.server.url)

    def held_registry(self):
        """One that answers only when it is told to."""
        self.gate = threading.Event()
        self.addCleanup(self.gate.set)
        self.logins = {}
        inner = standin.basic_registry(self.logins)

        def answer(request):
            self.gate.wait(60)
            return inner(request)
        self.server = self.standin(answer)
        return self.project.registry(serverAddress=self.server.url)

    def log(self, row):
        return site.steps(row["id"])

    def test_off_asks_nobody(self):
        registry = self.registry_of()
        row = self.settled(self.project.credential(registry))
        self.assertEqual((row["state"], row["verificationResult"], row["verifiedAt"]),
                         ("active", None, None))
        self.assertEqual(self.server.requests, [])

    def test_the_setting(self):
        path = "/v1/projects/" + self.project.id
        self.assertEqual(self.ok(site.admin.get(path))["verification"], "off")
        for rule in ("warn", "require", "off"):
            self.assertEqual(self.ok(site.admin.put(path, {"verification": rule}))["verification"],
                             rule)
            self.assertEqual(self.ok(site.admin.get(path))["verification"], rule)
        self.err(site.admin.put(path, {"verification": "maybe"}), 422, "InvalidOption",
                 "verification")
        self.err(self.env.put(path, {"verification": "off"}), 405, "Method not allowed")
        made = site.admin.post("/v1/projects", {"name": "strict", "verification": "require"})
        self.assertEqual(self.ok(made, 201)["verification"], "require")
        field = self.ok(site.admin.get("schemas/project"))["resourceFields"]["verification"]
        self.assertEqual((field["options"], field["default"]), (["off", "warn", "require"], "off"))
        schema = self.ok(self.env.get("schemas/registryCredential"))
        self.assertEqual(tuple(schema["resourceFields"]["verificationResult"]["options"]), RESULTS)

    def test_require_lets_a_good_login_in(self):
        registry = self.held_registry()
        self.rule("require")
        secret = site.plant()
        self.logins["ci"] = secret
        made = self.project.credential(registry, publicValue="ci", secretValue=secret)
        self.assertEqual((made["state"], made["transitioning"], made["transitioningMessage"]),
                         ("registering", "yes", CHECKING))
        during = self.ok(self.env.get("registrycredentials/" + made["id"]))
        self.assertEqual((during["state"], during["transitioning"], during["transitioningMessage"]),
                         ("activating", "yes", CHECKING))
        self.assertEqual(sorted(during["actions"]), ["deactivate"])
        self.gate.set()
        row = self.settled(made)
        self.assertEqual((row["state"], row["transitioning"], row["transitioningMessage"]),
                         ("active", "no", None))
        self.assertEqual((row["verificationResult"], row["verificationStatus"]), ("valid", 200))
        self.assertIsNotNone(row["verifiedAt"])
        self.assertEqual(self.log(row), [("create", "requested", "registering", "registering"),
                                         ("activate", "registering", "activating", "activating"),
                                         ("activate", "activating", "activating", "active")])

    def test_require_keeps_a_bad_login_out(self):
        registry = self.registry_of()
        self.rule("require")
        row = self.settled(self.project.credential(registry, publicValue="ci"))
        self.assertEqual((row["state"], row["transitioning"], row["verificationResult"]),
                         ("inactive", "error", "invalidCredential"))
        self.assertEqual(row["transitioningMessage"], row["verificationMessage"])
        self.assertRegex(row["transitioningMessage"], r"^The registry refuses .*\.$")
        # A better password, and again.
        path = "registrycredentials/" + row["id"]
        self.logins["ci"] = site.plant()
        changed = self.ok(self.env.put(path, {"secretValue": self.logins["ci"]}))
        self.assertIsNone(changed["verificationResult"], "the result was about another password")
        self.status(self.env.action(path, "activate"), 202)
        row = self.settled(row)
        self.assertEqual((row["state"], row["transitioning"], row["transitioningMessage"],
                          row["verificationResult"]), ("active", "no", None, "valid"))

    def test_require_needs_an_answer_to_activate_but_not_to_stay(self):
        self.rule("require")
        registry = self.project.registry(serverAddress="http://127.0.0.1:%d" % standin.free_port())
        row = self.settled(self.project.credential(registry))
        self.assertEqual((row["state"], row["verificationResult"]), ("inactive", "unreachable"))
        logins = {"ci": site.plant()}
        registry = self.registry_of(logins)
        row = self.settled(self.project.credential(registry, publicValue="ci",
                                                   secretValue=logins["ci"]))
        self.server.stop()
        path = "registrycredentials/" + row["id"]
        self.status(self.env.action(path, "verify"), 202)
        row = self.settled(row)
        self.assertEqual((row["state"], row["transitioning"], row["verificationResult"]),
                         ("active", "no", "unreachable"))

    def test_require_holds_for_a_changed_login(self):
        """Each way to change user name or password of an active login: it is checked again, in use
        meanwhile, and out of use if it is refused."""
        registry = self.held_registry()
        self.gate.set()
        self.rule("require")
        self.logins.update(ci=site.plant(), other=site.plant())
        row = self.settled(self.project.credential(registry, publicValue="ci",
                                                   secretValue=self.logins["ci"]))
        path = "registrycredentials/" + row["id"]
        revealing = harness.Client(site, site.new_key(self.project.admin, role="reveal"),
                                   self.project.root)
        self.gate.clear()
        during = self.ok(
            self.env.put(path, {"publicValue": "other", "secretValue": self.logins["other"]}))
        self.assertEqual((during["state"], during["transitioning"], during["verificationResult"]),
                         ("updating-active", "yes", None))
        self.assertIn(self.logins["other"],
                      self.ok(revealing.post("handouts",
                                             {"format": "helper",
                                              "serverAddress": registry[
                                                  "serverAddress"]})).__repr__())
        self.gate.set()
        row = self.settled(row)
        self.assertEqual((row["state"], row["verificationResult"]), ("active", "valid"))
        for change in ({"secretValue": site.plant()}, {"publicValue": "nobody"}):
            self.assertEqual(self.ok(self.env.put(path, change))["state"], "updating-active")
            row = self.settled(row)
            self.assertEqual((row["state"], row["transitioning"], row["verificationResult"]),
                             ("inactive", "error", "invalidCredential"))
            self.assertEqual(
                self.ok(self.env.put(path,
                                     {"publicValue": "ci", "secretValue": self.logins["ci"]}))[
                                         "state"], "inactive")
            self.status(self.env.action(path, "activate"), 202)
            self.assertEqual(self.settled(row)["state"], "active")
        asked = len(self.server.requests)
        for change in ({"description": "x"}, {"publicValue": "ci"}):
            self.assertEqual(self.ok(self.env.put(path, change))["state"], "active")
        self.assertEqual(len(self.server.requests), asked)
        self.rule("warn")
        self.assertEqual(self.ok(self.env.put(path, {"secretValue": site.plant()}))["state"],
                         "active")

    def test_require_holds_for_a_login_that_is_rolled_back(self):
        """A password that was refused does not come back by changing places with the former one;
        a right one does, in use while it is checked."""
        registry = self.held_registry()
        self.gate.set()
        self.logins.update(ci=site.plant())
        rows = {}
        for second, result in ((site.plant(), "invalidCredential"), (self.logins["ci"], "valid")):
            row = self.settled(self.project.credential(registry, publicValue="ci",
                                                       secretValue=self.logins["ci"]))
            path = "registrycredentials/" + row["id"]
            self.ok(self.env.put(path, {"overlap": 3600}))
            self.ok(self.env.put(path, {"secretValue": second}))
            self.ok(self.env.put(path, {"secretValue": self.logins["ci"]}))
            rows[path] = (row, result)
        for rule in ("off", "warn", "require"):
            self.rule(rule)
            for path, (row, result) in rows.items():
                with self.subTest(rule=rule, result=result):
                    self.status(self.env.action(path, "rollback"), 202)
                    after = self.settled(row)
                    refused = rule == "require" and result != "valid"
                    self.assertEqual((after["state"], after["verificationResult"]),
                                     ("inactive" if refused else "active",
                                      None if rule == "off" else result))
                    if rule != "require":                # back to the one that is right
                        self.status(self.env.action(path, "rollback"), 202)
                        self.assertEqual(self.settled(row)["state"], "active")

    def test_warn_tells_and_lets_in(self):
        registry = self.registry_of()
        self.rule("warn")
        row = self.settled(self.project.credential(registry))
        self.assertEqual((row["state"], row["transitioning"], row["verificationResult"]),
                         ("active", "no", "invalidCredential"))
        self.assertEqual(row["transitioningMessage"], row["verificationMessage"])
        self.assertIn(row["id"],
                      self.ids(
                          self.env.get("registrycredentials?verificationResult=invalidCredential")))

    def test_verify(self):
        registry = self.held_registry()
        row = self.project.credential(registry, publicValue="ci")
        path = "registrycredentials/" + row["id"]
        shown = self.ok(self.env.action(path, "verify"), 202)
        self.assertEqual((shown["state"], shown["transitioning"], shown["transitioningMessage"]),
                         ("updating-active", "yes", CHECKING))
        self.assertIsNone(shown["secretValue"])
        self.assertEqual(self.ok(self.env.get(path))["state"], "updating-active")
        self.err(self.env.action(path, "verify"), 422, "ActionNotAvailable", "action")
        self.gate.set()
        row = self.settled(row)
        self.assertEqual((row["state"], row["transitioning"], row["transitioningMessage"],
                          row["verificationResult"]),
                         ("active", "no", None, "invalidCredential"))
        self.status(self.env.action(path, "deactivate"), 202)
        self.status(self.env.action(path, "verify"), 202)
        row = self.settled(row)
        self.assertEqual((row["state"], row["transitioning"], row["verificationResult"]),
                         ("inactive", "no", "invalidCredential"))
        self.rule("require")
        self.rule("off")

    def test_who_acts_meanwhile_is_right(self):
        registry = self.held_registry()
        row = self.project.credential(registry, publicValue="ci")
        path = "registrycredentials/" + row["id"]
        self.status(self.env.action(path, "verify"), 202)
        wait_for(lambda: len(self.server.requests), lambda n: n > 0)
        self.status(self.env.action(path, "deactivate"), 202)
        self.gate.set()
        done = wait_for(lambda: len(self.server.requests), lambda n: n > 1)
        self.assertGreater(done, 1)
        row = self.ok(self.env.get(path))
        self.assertEqual((row["state"], row["transitioning"], row["verificationResult"]),
                         ("inactive", "no", None))

    def test_a_password_that_changes_meanwhile_is_checked(self):
        registry = self.held_registry()
        row = self.project.credential(registry, publicValue="ci")
        path = "registrycredentials/" + row["id"]
        self.status(self.env.action(path, "verify"), 202)
        wait_for(lambda: len(self.server.requests), lambda n: n > 0)
        self.logins["ci"] = site.plant()
        self.ok(self.env.put(path, {"secretValue": self.logins["ci"]}))
        self.gate.set()
        self.assertEqual(self.settled(row)["verificationResult"], "valid")

    def test_requests_are_served_meanwhile(self):
        registry = self.held_registry()
        rows = [self.project.credential(registry) for _ in range(8)]
        for row in rows:
            self.status(self.env.action("registrycredentials/" + row["id"], "verify"), 202)
        for _ in range(20):
            self.ok(self.env.get("registrycredentials"))
            self.project.credential(registry)
        self.gate.set()
        for row in rows:
            self.assertEqual(self.settled(row)["verificationResult"], "invalidCredential")

    def test_a_crash_in_the_middle_is_made_up_for(self):
        registry = self.held_registry()
        self.rule("require")
        self.logins["ci"] = site.plant()
        site.deaths_allowed = True
        row = self.project.credential(registry, publicValue="ci", secretValue=self.logins["ci"])
        wait_for(lambda: len(self.server.requests), lambda n: n > 0)
        self.assertEqual(self.ok(self.env.get("registrycredentials/" + row["id"]))["state"],
                         "activating")
        site.kill_pool()
        self.gate.set()
        site.start_pool()
        site.wait_ready()
        site.remember_children()
        row = self.settled(row)
        self.assertEqual((row["state"], row["verificationResult"]), ("active", "valid"))

    def test_a_registry_that_goes_away(self):
        registry = self.registry_of()
        row = self.project.credential(registry)
        for name in ("deactivate", "remove"):
            self.status(self.env.action("registries/" + registry["id"], name), 202)
        self.status(self.env.action("registrycredentials/" + row["id"], "verify"), 202)
        row = self.settled(row)
        self.assertEqual((row["verificationResult"], row["verificationStatus"]),
                         ("unreachable", None))
        self.assertEqual(self.server.requests, [])


class Limits(unittest.TestCase):
    """What needs settings of its own."""

    def with_site(self, *options):
        own = harness.Site(workers=2, options=options)
        own.start()
        self.addCleanup(own.stop)
        return own

    def test_loopback_is_refused_and_an_account_may_ask_so_often(self):
        own = self.with_site("--verify-per-minute", "3")
        server = Standin(standin.basic_registry({}))
        self.addCleanup(server.stop)
        project = own.project()
        registry = project.registry(serverAddress=server.url)
        path = "registries/" + registry["id"]
        results = [project.env.action(path, "test", {"secretValue": own.plant()}) for _ in range(5)]
        self.assertEqual([r.status for r in results], [200, 200, 200, 429, 429])
        self.assertEqual({r.json["verificationResult"] for r in results[:3]}, {"unreachable"})
        self.assertEqual(results[4].json["code"], "Too Many Requests")
        self.assertGreater(int(results[4].header("Retry-After")), 0)
        other = harness.Client(own, own.new_key(project.admin), project.root)
        self.assertEqual(other.action(path, "test", {"secretValue": "x"}).status, 429,
                         "another key of the account starts anew")
        self.assertEqual(own.project().env.get("registries").status, 200)
        self.assertEqual(server.requests, [])

    def test_a_password_that_does_not_open_is_not_refused(self):
        """What the server cannot do says nothing about the login: it is tried again, and an active
        login stays active."""
        secret = "%s-opens" % harness.PLANT
        server = Standin(standin.basic_registry({"user": secret}))
        self.addCleanup(server.stop)
        own = self.with_site("--verify-networks", "127.0.0.0/8", "--verify-timeout-s", "1")
        project = own.project()
        own.admin.put("/v1/projects/" + project.id, {"verification": "require"})
        registry = project.registry(serverAddress=server.url)
        rows = [project.credential(registry, publicValue="user", secretValue=secret)
                for _ in range(2)]
        look = lambda row: project.env.get("registrycredentials/" + row["id"]).json
        for row in rows:
            self.assertEqual(wait_for(lambda r=row: look(r), lambda r: r["state"]
                                      == "active")["verificationResult"], "valid")
        asked = len(server.requests)
        sealed = {row["id"]: own.sql("SELECT secret_value FROM credential WHERE id = ?",
                                     (int(row["id"][2:]),))[0][0] for row in rows}
        for row in rows:
            own.sql("UPDATE credential SET secret_value = ? WHERE id = ?",
                    (sealed[row["id"]][:-1] + bytes([sealed[row["id"]][-1] ^ 1]),
                     int(row["id"][2:])), write=True)
            project.env.action("registrycredentials/" + row["id"], "verify", {})
        time.sleep(0.5)
        own.sql("UPDATE credential SET secret_value = ? WHERE id = ?",
                (sealed[rows[0]["id"]], int(rows[0]["id"][2:])), write=True)
        healed, lost = [wait_for(lambda r=row: look(r), lambda r: r["transitioning"] != "yes")
                        for row in rows]
        self.assertEqual((healed["state"], healed["verificationResult"]), ("active", "valid"))
        self.assertEqual((lost["state"], lost["verificationResult"], lost["verificationStatus"]),
                         ("active", "timeout", None))
        self.assertIn("server", lost["verificationMessage"])
        self.assertGreater(len(server.requests), asked)

    def test_nobody_waits_for_the_checks_of_one_account(self):
        """Sixty registries that never answer: another's check takes its turn, and another's test
        its thread."""
        own = self.with_site("--verify-networks", "127.0.0.0/8", "--verify-per-minute", "0",
                             "--threads", "8")
        silent = Standin(lambda r: Answer(raw=lambda handler: silent.stopping.wait(60)))
        self.addCleanup(silent.stop)
        logins = {"user": "%s-fair" % harness.PLANT}
        inner = standin.basic_registry(logins)
        slow = Standin(lambda r: (time.sleep(0.3), inner(r))[1])
        self.addCleanup(slow.stop)
        # its projects do not multiply what it may have
        user, person = own.account("user")
        bad = [own.project(client=person) for _ in range(4)]
        for project in bad:
            project.env = harness.Client(own, own.new_key(person.at(project.root)), project.root)
        good = own.project()
        login = good.credential(good.registry(serverAddress=slow.url), publicValue="user",
                                secretValue=logins["user"])

        def takes():
            began = time.monotonic()
            self.assertEqual(good.env.action("registrycredentials/" + login["id"], "verify",
                                             {}).status, 202)
            row = wait_for(lambda: good.env.get("registrycredentials/" + login["id"]).json,
                           lambda r: r["transitioning"] != "yes")
            self.assertEqual((row["state"], row["verificationResult"]), ("active", "valid"))
            return time.monotonic() - began
        alone = takes()
        for project in bad:
            registry = project.registry(serverAddress=silent.url)
            for n in range(15):
                row = project.credential(registry, publicValue="u%d" % n, secretValue=own.plant())
                self.assertEqual(project.env.action("registrycredentials/" + row["id"], "verify",
                                                    {}).status, 202)
            project.silent = "registries/" + registry["id"]
        for _ in range(3):
            self.assertLess(takes(), 3 * alone)
        asked = len(silent.requests)
        tests = [threading.Thread(target=lambda p=p: p.env.action(p.silent, "test",
                                                                  {"secretValue": "x"}))
                                                                  for p in bad for _ in range(6)]
        for t in tests:
            t.start()
        self.assertTrue(harness.wait_until(lambda: len(silent.requests) >= asked + 4))
        began = time.monotonic()
        path = "registries/" + good.registry(serverAddress=slow.url + "/x")["id"]
        answer = good.env.action(path, "test",
                                 {"publicValue": "user", "secretValue": logins["user"]})
        self.assertEqual((answer.status, answer.json["verificationResult"]), (200, "valid"))
        self.assertLess(time.monotonic() - began, 3 * alone)
        silent.stopping.set()
        for t in tests:
            t.join(60)

    def test_insecure_registries(self):
        secret = "%s-insecure" % harness.PLANT
        server = Standin(standin.basic_registry({"user": secret}))
        self.addCleanup(server.stop)
        own = self.with_site("--verify-networks", "127.0.0.0/8", "--insecure-registries",
                             "other.example:5000, " + server.host)
        project = own.project()
        for address, wanted in ((server.host, "valid"), ("https://" + server.host, "tlsError")):
            path = "registries/" + project.registry(serverAddress=address)["id"]
            answer = project.env.action(path, "test",
                                        {"publicValue": "user", "secretValue": secret})
            self.assertEqual((answer.status, answer.json["verificationResult"]), (200, wanted))

    def test_settings_that_are_none(self):
        for option, value in (("--verify-networks", "loopback"),
                              ("--insecure-registries", "ftp://x"), ("--verify-timeout-s", "31")):
            done = subprocess.run([harness.program("regcredd"), option, value], capture_output=True,
                                  text=True, timeout=30)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(option[2:].replace("-", "_") if option != "--verify-networks" else option,
                          done.stderr.replace("--verify-timeout-s", "verify_timeout_s"))


@unittest.skipUnless(DOCKER_REGISTRY, "docker-registry is missing (Debian package docker-registry)")
class DockerRegistry(VerifyCase):
    """Debian's docker-registry, in both ways of signing in that it knows."""

    def start(self, auth):
        directory = tempfile.mkdtemp(dir=work)
        for _ in range(5):
            port = standin.free_port()
            config = os.path.join(directory, "config.yml")
            with open(config, "w", encoding="utf-8") as f:
                f.write("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: "
                        "%s/data}}\n"
                        "http: {addr: '127.0.0.1:%d', secret: 'x'}\nauth:\n%s"
                        % (directory, port, auth))
            with open(os.path.join(directory, "log"), "ab") as log:
                process = subprocess.Popen([DOCKER_REGISTRY, "serve", config],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           preexec_fn=harness.end_with_parent)
            self.addCleanup(self.end, process)

            def answers():
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    return True
                except OSError:
                    return False
            if wait_for(lambda: answers() or process.poll() is not None, bool,
                        30) and process.poll() is None:
                return "http://127.0.0.1:%d" % port
        raise RuntimeError("docker-registry does not start")

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    @unittest.skipUnless(shutil.which("htpasswd"),
                         "htpasswd is missing (Debian package apache2-utils)")
    def test_htpasswd(self):
        secret, path = site.plant(), os.path.join(work, "htpasswd")
        subprocess.run(["htpasswd", "-nbBi", "-C", "4", "user"], input=secret,
                       stdout=open(path, "w", encoding="utf-8"), stderr=subprocess.DEVNULL,
                       text=True, timeout=30, check=False)
        if not os.path.getsize(path):
            made = subprocess.run(["htpasswd", "-niB", "-C", "4", "user"], input=secret,
                                  capture_output=True, text=True, timeout=30, check=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(made.stdout)
        url = self.start("  htpasswd: {realm: test, path: %s}\n" % path)
        self.assertEqual(self.outcome(url, secret=secret), ("valid", 200))
        self.assertEqual(self.outcome(url + "/x"), ("invalidCredential", 401))
        self.assertEqual(self.outcome(url + "/y", user="nobody", secret=secret),
                         ("invalidCredential", 401))
        self.rule("require")
        registry = self.project.registry(serverAddress=url + "/z")
        row = self.settled(self.project.credential(registry, publicValue="user",
                                                   secretValue=secret))
        self.assertEqual((row["state"], row["verificationResult"]), ("active", "valid"))

    @unittest.skipUnless(shutil.which("openssl"), "openssl is missing (Debian package openssl)")
    def test_tokens(self):
        key, crt = standin.certificate(work, "tokens")
        with open(crt, encoding="ascii") as f:
            x5c = "".join(line for line in f.read().splitlines() if "CERTIFICATE" not in line)
        until = {("user", site.plant()): time.time() + 3600, ("old", site.plant()): time.time() - 1}

        def encode(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")

        def token(subject):
            now = int(time.time())
            head = {"typ": "JWT", "alg": "RS256", "x5c": [x5c]}
            claims = {"iss": "test", "sub": subject, "aud": "docker-registry", "exp": now + 300,
                      "nbf": now - 10, "iat": now, "jti": "x", "access": []}
            text = encode(json.dumps(head).encode()) + b"." + encode(json.dumps(claims).encode())
            made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text,
                                  capture_output=True, timeout=30, check=True)
            return (text + b"." + encode(made.stdout)).decode()

        def grant(request):
            if request.login is None:
                # nobody gets a token too, as at Docker Hub
                return Answer(200, {"token": token("")})
            if until.get(request.login, 0) < time.time():
                return Answer(401, UNAUTHORIZED)
            return Answer(200, {"token": token(request.login[0])})
        auth = self.standin(grant)
        url = self.start("  token: {realm: '%s/token', service: docker-registry, issuer: test, "
                         "rootcertbundle: %s}\n" % (auth.url, crt))
        (user, good), (old, expired) = until
        self.assertEqual(self.outcome(url, user=user, secret=good), ("valid", 200))
        self.assertEqual(self.outcome(url + "/x", user=user), ("invalidCredential", 401))
        self.assertEqual(self.outcome(url + "/y", user=old, secret=expired),
                         ("invalidCredential", 401))
        self.rule("require")
        registry = self.project.registry(serverAddress=url + "/z")
        row = self.settled(self.project.credential(registry, publicValue=user, secretValue=good))
        self.assertEqual((row["state"], row["verificationResult"]), ("active", "valid"))
        until[(user, good)] = 0                            # the password expires
        self.status(self.env.action("registrycredentials/" + row["id"], "verify"), 202)
        row = self.settled(row)
        self.assertEqual((row["state"], row["transitioning"], row["verificationResult"]),
                         ("inactive", "error", "invalidCredential"))


if __name__ == "__main__":
    unittest.main()
