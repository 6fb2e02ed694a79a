"""Logins added by nginx: the shipped examples before stand-ins and before Debian's docker-registry,
with skopeo as the client; who may, what is recorded, what the client never sees."""

import base64
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

import harness
import standin
import test_nginx
from harness import Client
from standin import UNAUTHORIZED, Answer, Standin

site = None
MANIFEST = "/v2/%s/manifests/1"


def setUpModule():
    global site
    # One process, so that what each process does once is done once.
    site = harness.Site(workers=1, threads=32, options=("--verify-networks", "127.0.0.0/8",
                                                        "--verify-timeout-s", "5"))
    site.start()
    test_nginx.site = site


def tearDownModule():
    site.stop()


class Front(test_nginx.Nginx):
    """An nginx with one of the examples, before the registry at a URL."""

    def __init__(self, example, url, changes=()):
        def make(directory, port):
            text = test_nginx.shipped("examples/%s.conf" % example)
            for old, new in (("listen 443 ssl", "listen 127.0.0.1:%d" % port),
                             *(changes or (("https://registry.example.test", url),
                                           ("(?:https:)?//registry.example.test", "(?:http:)?"
                                            + url[5:]), ("$regcred_registry registry.example.test",
                                                         "$regcred_registry " + url)))):
                if old not in text:
                    raise AssertionError(old)
                text = text.replace(old, new)
            text = re.sub(r"(?m)^\s*ssl_.*\n|^ *#.*\n", "", text)
            top = "pid %s/pid;\nerror_log %s/error.log warn;\nworker_processes 1;\nevents {}\nhttp {\naccess_log off;\n" % (directory, directory)
            if os.geteuid() == 0:
                top = "user root;\n" + top
            temp = "".join("%s_temp_path %s/%s;\n" % (kind, directory, kind)
                           for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
            return top + temp + "access_log off;\n" + test_nginx.at_http_level() + text + "}\n"
        super().__init__(make)
        self.host = "127.0.0.1:%d" % self.port

    def ask(self, path, key=None, method="GET", headers=(), body=b""):
        """(status, headers in lower case, body) over a connection of its own."""
        lines = ["Host: " + self.host, "Connection: close", "Content-Length: %d"
                 % len(body)] + ["%s: %s" % h for h in headers]
        if key is not None:
            lines.append("Authorization: " + key.authorization())
        r = test_nginx.raw(self.port,
                           ("%s %s HTTP/1.1\r\n%s\r\n\r\n"
                            % (method, path, "\r\n".join(lines))).encode() + body, method)
        return r.status, {name.lower(): value for name, value in r.headers}, r.body


class Base(harness.Case):
    site = property(lambda self: site)

    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.env = self.project.env
        self.directory = tempfile.mkdtemp(prefix="rc-inject-")
        self.addCleanup(shutil.rmtree, self.directory, True)

    def standin(self, answer):
        server = Standin(answer)
        self.addCleanup(server.stop)
        return server

    def front(self, example, url):
        front = Front(example, url)
        self.addCleanup(front.stop)
        return front

    def key(self, **fields):
        return Client(site, site.new_key(self.project.admin, **(fields or {"role": "inject"})),
                      self.project.root)

    def audit(self, row):
        return [entry
                for entry in self.ok(self.project.admin.get("auditlogs?resourceId=%s&limit=100"
                                                            % row["id"]))["data"]
                if entry["eventType"] == "inject"]

    def errors(self, answer, status, code):
        self.assertEqual((answer[0], json.loads(answer[2])["errors"][0]["code"]), (status, code),
                         answer)
        self.assertNotIn(harness.PLANT.encode(), answer[2])
        return json.loads(answer[2])["errors"][0]["message"]


class Basic(Base):
    def setUp(self):
        super().setUp()
        self.secret = site.plant(":ü")
        self.logins = {"ci": self.secret}
        self.answer = lambda request: standin.basic_registry(self.logins)(request)
        self.server = self.standin(lambda request: self.answer(request))
        self.registry = self.project.registry(serverAddress=self.server.url)
        self.row = self.project.credential(self.registry, publicValue="ci", secretValue=self.secret)
        self.nginx = self.front("inject-basic", self.server.url)

    def test_the_former_login_as_long_as_it_is_kept(self):
        front = Front("inject-basic", self.server.url, (
            ("https://registry.example.test", self.server.url),
            ("(?:https:)?//registry.example.test", "(?:http:)?" + self.server.url[5:]),
            ("$regcred_registry registry.example.test", "$regcred_registry " + self.server.url),
            ("$regcred_scheme   basic", "$regcred_scheme   basic-previous")))
        self.addCleanup(front.stop)
        key, new = self.key(), site.plant()
        self.logins["new"] = new

        def sent():
            self.assertEqual(front.ask("/v2/", key)[0], 200)
            return self.server.requests[-1].login
        self.assertEqual(sent(), ("ci", self.secret))
        self.ok(self.env.put("registrycredentials/" + self.row["id"],
                             {"publicValue": "new", "secretValue": new, "overlap": 3600}))
        self.assertEqual(sent(), ("ci", self.secret))
        self.assertEqual(self.nginx.ask("/v2/", key)[0], 200)
        self.assertEqual(self.server.requests[-1].login, ("new", new))
        site.sql("UPDATE secret_version SET until = 1000 WHERE credential_id = ?",
                 (int(self.row["id"][2:]),), write=True)
        self.assertEqual(sent(), ("new", new))

    def test_the_login_goes_to_the_registry_only_where_its_token_host_says_so(self):
        key, host = self.key(), self.server.host
        path = "registries/" + self.registry["id"]
        for token_host, status in (("auth.example.test", 502), (host + "0", 502),
                                   (host.split(":")[0], 502), (host, 200), (host.upper(), 200),
                                   (None, 200)):
            self.ok(self.env.put(path, {"tokenHost": token_host}))
            before = len(self.server.requests)
            answer = self.nginx.ask("/v2/", key)
            # nginx turns what is neither 401 nor 403 into its own
            self.assertEqual(answer[0] == 200, status == 200, (token_host, answer))
            self.assertEqual(len(self.server.requests) > before, status == 200, token_host)
            self.assertEqual(self.ok(self.env.get(path))["tokenHost"], token_host)
        self.assertEqual({r.login for r in self.server.requests}, {("ci", self.secret)})

    def test_login_is_added_and_nothing_of_the_client_goes_on(self):
        key = self.key()
        status, headers, body = self.nginx.ask("/v2/", key,
                                               headers=[("Cookie", "a=b"),
                                                        ("X-API-Key", ":".join(key.key)),
                                                        ("X-API-Project-Id", self.project.id)])
        self.assertEqual((status, body), (200, b"{}"))
        request = self.server.requests[-1]
        self.assertEqual(request.login, ("ci", self.secret))
        for name in ("Cookie", "X-API-Key", "X-API-Project-Id"):
            self.assertIsNone(request.headers.get(name))
        self.assertNotIn(harness.PLANT, repr(headers))
        self.assertFalse([name for name in headers if "registry-authorization" in name])
        self.assertEqual(self.nginx.ask(MANIFEST % "acme/app", key)[0], 404)
        self.assertEqual(self.server.requests[-1].path, "/v2/acme/app/manifests/1")

    def test_the_examples_are_in_order(self):
        for nginx in (self.nginx, self.front("inject-token", self.server.url)):
            done = site.cli("check", "--state-dir", site.state, "--nginx",
                            os.path.join(nginx.root, "nginx.conf"), check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("0 problems, 0 warnings", done.stdout)

    def test_nobody_is_asked_for_a_key(self):
        for headers in ((), [("Authorization", "Bearer x")],
                        [("Authorization", "Basic " + base64.b64encode(b"ci:x").decode())]):
            answer = self.nginx.ask("/v2/", headers=headers)
            self.errors(answer, 401, "UNAUTHORIZED")
            self.assertTrue(answer[1]["www-authenticate"].startswith("Basic "), answer)
        self.assertEqual(self.server.requests, [])

    def test_keys_without_the_right(self):
        for key in (self.env, self.key(role="readonly")):
            self.assertIn("reveal", self.errors(self.nginx.ask("/v2/", key), 403, "DENIED"))
        elsewhere = site.project()
        other = Client(site, site.new_key(elsewhere.admin, role="reveal"), elsewhere.root)
        self.errors(self.nginx.ask("/v2/", other), 403, "DENIED")
        self.assertEqual(self.server.requests, [])
        self.assertEqual(self.audit(self.row), [])

    def test_a_key_for_this_alone(self):
        key = self.key()
        self.assertEqual(self.nginx.ask("/v2/", key)[0], 200)
        self.assertEqual(self.nginx.ask("/v2/", self.key(role="reveal"))[0], 200)
        self.err(key.post("handouts", {"format": "docker"}), 403, "Forbidden")
        self.err(key.get("registrycredentials"), 404, "Not Found")
        self.err(key.post("apikeys", {"role": "inject"}), 404, "Not Found")
        self.err(self.env.post("apikeys", {"role": "inject"}), 422, "InvalidOption", "reveal")
        made = "apikeys/" + self.ok(self.project.admin.get("apikeys?publicValue=" + key.key[0]))[
            "data"][0]["id"]
        for role in ("reveal", None):
            self.err(self.env.put(made, {"role": role}), 422, "InvalidOption", "role")
        self.ok(self.project.admin.put(made, {"reveal": False}))
        self.errors(self.nginx.ask("/v2/", key), 403, "DENIED")

    def test_paths(self):
        """A key for a part of the registry has its login there alone, however the path is
        written."""
        part = site.plant()
        self.logins["part"] = part
        self.project.credential(self.registry, publicValue="part", secretValue=part,
                                pathPrefix="acme")
        key = self.key(role="inject", pathPrefixes=["acme"])
        for path in ("/v2/", "/v2/acme/manifests/1", "/v2/acme/app/blobs/sha256:aa",
                     "/v2/acme/app/tags/list?n=2", "/v2/acme/app/referrers/sha256:aa",
                     "/v2/acme/blobs/uploads/manifests/1"):
            self.assertIn(self.nginx.ask(path, key)[0], (200, 404), path)
            self.assertEqual(self.server.requests[-1].login, ("part", part), path)
        for path in ("/v2/acme/app/blobs/uploads/",
                     "/v2/acme/app/blobs/uploads/a-b_c=?_state=x%2Fy",
                     "/v2/acme/app/blobs/uploads/?mount=sha256:aa&from=acme/b"):
            self.assertEqual(self.nginx.ask(path, key, "POST")[0], 404, path)
        count = len(self.server.requests)
        for path in ("/v2/other/manifests/1", "/v2/acme2/manifests/1", "/v2/_catalog",
                     "/v2/acme/../other/manifests/1", "/v2/acme/app/manifests/../../../other/manifests/1",
                     "/v2/acme/%2e%2e/other/manifests/1", "/v2/acme%2Fx/manifests/1", "/v2//acme/manifests/1", "/v2/acme/./manifests/1", "/v2/acme/app/manifests/",
                     "/v2/acme/app", "/v2/acme/app/other/1", "/v2/acme/app/tags/other", "/v2/ACME/app/manifests/1", "/v2/acme/app/blobs/uploads/?from=other/b",
                     "/v2/acme/app/blobs/uploads/?mount=x&from=acme/b&from=other", "/v2/acme/app/blobs/uploads/?x;from=other", "/v2/manifests/1",
                     "/v2/acme/app/blobs/uploads/?%66rom=other"):
            self.errors(self.nginx.ask(path, key), 403, "DENIED")
        form = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
        self.errors(self.nginx.ask("/v2/acme/app/blobs/uploads/", key, "POST", form,
                                   b"mount=sha256:aa&from=other"), 403, "DENIED")
        self.errors(self.nginx.ask("/v2/acme/app/manifests/1", key, "OPTIONS"), 403, "DENIED")
        self.assertEqual(len(self.server.requests), count)

    def test_what_ends_takes_effect_at_once(self):
        key, path = self.key(), MANIFEST % "acme/app"
        self.assertEqual(self.nginx.ask(path, key)[0], 404)
        row = "registrycredentials/" + self.row["id"]
        self.status(self.env.action(row, "deactivate"), 202)
        self.errors(self.nginx.ask(path, key), 403, "DENIED")
        self.status(self.env.action(row, "activate"), 202)
        self.assertEqual(self.nginx.ask(path, key)[0], 404)
        self.logins["ci"] = site.plant()
        self.ok(self.env.put(row, {"secretValue": self.logins["ci"]}))
        self.assertEqual(self.nginx.ask(path, key)[0], 404)
        made = self.ok(self.project.admin.get("apikeys?publicValue=" + key.key[0]))["data"][0]
        self.status(self.project.admin.action("apikeys/" + made["id"], "deactivate"), 202)
        self.errors(self.nginx.ask(path, key), 401, "UNAUTHORIZED")

    def test_record(self):
        key, path = self.key(), MANIFEST % "acme/app"
        for _ in range(5):
            self.assertEqual(self.nginx.ask(path, key)[0], 404)
        entry, = self.audit(self.row)
        self.assertEqual(json.loads(entry["changes"]),
                         {"registry": self.server.host, "repository": "acme/app", "access": "pull"})
        self.nginx.ask(path, key, "PUT")
        self.nginx.ask(MANIFEST % "acme/other", key)
        self.nginx.ask(path, self.key())
        self.assertEqual(len(self.audit(self.row)), 4)
        made = self.ok(self.project.admin.get("apikeys?publicValue=" + key.key[0]))["data"][0]
        self.assertEqual(self.project.settle("registrycredentials/" + self.row["id"])["lastUsedBy"],
                         made["id"])

    def test_what_cannot_be_recorded_is_not_used(self):
        key = self.key()
        head = site.sql("SELECT id, mac FROM audit_segment ORDER BY id DESC LIMIT 1")[0]
        site.sql("UPDATE audit_segment SET mac = zeroblob(32) WHERE id = ?", head[:1], write=True)
        try:
            self.errors(self.nginx.ask(MANIFEST % "acme/app", key), 503, "UNAVAILABLE")
        finally:
            site.sql("UPDATE audit_segment SET mac = ? WHERE id = ?", head[::-1], write=True)
        self.assertEqual(self.server.requests, [])

    def test_the_registry_refuses(self):
        self.logins["ci"] = site.plant()
        status, headers, _ = self.nginx.ask("/v2/", self.key())
        self.assertEqual(status, 401)
        self.assertNotIn("www-authenticate", headers)

    def test_the_registry_is_down(self):
        self.server.stop()
        self.errors(self.nginx.ask("/v2/", self.key()), 502, "UNAVAILABLE")

    def test_redirects_and_uploads(self):
        storage = "http://storage.example.test/blob?signature=x"
        targets = {"GET": storage, "POST": self.server.url
                   + "/v2/acme/app/blobs/uploads/1?_state=x"}
        self.answer = lambda request: Answer(307 if request.method == "GET" else 202, b"",
                                             {"Location": targets[request.method]})
        key = self.key()
        self.assertEqual(self.nginx.ask("/v2/acme/app/blobs/sha256:aa", key)[1]["location"],
                         storage)
        answer = self.nginx.ask("/v2/acme/app/blobs/uploads/", key, "POST")
        self.assertEqual((answer[0], answer[1]["location"]),
                         (202, "http://%s/v2/acme/app/blobs/uploads/1?_state=x" % self.nginx.host))


class Tokens(Base):
    """A stand-in for a registry with a token server; what is granted to whom, and how often that is
    asked for."""

    def setUp(self):
        super().setUp()
        self.secret = site.plant()
        self.logins, self.granted, self.seconds = {"ci": self.secret}, set(), 300
        self.gate = threading.Event()
        self.gate.set()
        self.auth = self.standin(lambda request: self.grant(request))
        self.server = self.standin(lambda r: standin.bearer_registry(lambda: self.auth.url
                                                                     + "/token", self.granted)(r))
        self.registry = self.project.registry(serverAddress=self.server.url)
        self.row = self.project.credential(self.registry, publicValue="ci", secretValue=self.secret)
        self.nginx = self.front("inject-token", self.server.url)

    def grant(self, request):
        self.gate.wait(20)
        if request.login is None or self.logins.get(request.login[0]) != request.login[1]:
            return Answer(401, UNAUTHORIZED)
        token = "%s-token-%d" % (harness.PLANT, len(self.granted))
        self.granted.add(token)
        return Answer(200, {"token": token, "expires_in": self.seconds})

    def pull(self, key, path=MANIFEST % "acme/app", status=404, method="GET"):
        answer = self.nginx.ask(path, key, method)
        self.assertEqual(answer[0], status, answer)
        self.assertNotIn(harness.PLANT, repr(answer))
        self.assertNotIn("www-authenticate", answer[1])
        return answer

    def test_scopes_and_keeping(self):
        key = self.key()
        for _ in range(3):
            self.pull(key)
        self.assertEqual([(r.login, r.query["service"], r.query["scope"])
                          for r in self.auth.requests],
                         [(("ci", self.secret), ["stand-in"], ["repository:acme/app:pull"])])
        self.pull(key, "/v2/acme/app/blobs/uploads/?mount=sha256:aa&from=acme/base", method="POST")
        self.assertEqual(self.auth.requests[-1].query["scope"],
                         ["repository:acme/app:pull,push", "repository:acme/base:pull"])
        self.pull(key, method="DELETE")
        self.assertEqual(self.auth.requests[-1].query["scope"], ["repository:acme/app:delete"])
        self.pull(key, "/v2/_catalog")
        self.assertEqual(self.auth.requests[-1].query["scope"], ["registry:catalog:*"])
        self.pull(key, "/v2/", 200)
        self.assertNotIn("scope", self.auth.requests[-1].query)
        # another key, the same login: the same token
        self.pull(self.key())
        self.assertEqual(len(self.auth.requests), 5)

    def test_sixteen_at_once_fetch_one_token(self):
        key = self.key()
        self.gate.clear()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = [pool.submit(self.nginx.ask, MANIFEST % "acme/app", key) for _ in range(16)]
            harness.wait_until(lambda: self.auth.requests)
            self.gate.set()
            self.assertEqual([a.result()[0] for a in answers], [404] * 16)
        self.assertEqual(len(self.auth.requests), 1)

    def test_a_flood_of_one_key(self):
        """Repositories that a key makes up: so many fetches in a minute, and what others need goes
        on."""
        key, other = self.key(), self.key()
        answers = [self.nginx.ask(MANIFEST % ("acme/r%d" % n), key)[0] for n in range(70)]
        self.assertEqual((answers[:60], set(answers[60:])), ([404] * 60, {503}))
        self.assertEqual(len(self.auth.requests), 60)
        self.pull(key, MANIFEST % "acme/r1")               # what is there already
        self.pull(other, MANIFEST % "acme/r69")            # and what was refused to the other key
        self.assertEqual(len(self.auth.requests), 61)

    def test_one_key_waits_with_half_of_the_threads(self):
        key, other = self.key(), self.key()
        self.gate.clear()
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            flood = [pool.submit(self.nginx.ask, MANIFEST % ("acme/r%d" % n), key)
                     for n in range(24)]
            self.assertTrue(harness.wait_until(lambda: len(self.auth.requests) >= 16
                                               and sum(f.done() for f in flood) == 8))
            self.assertEqual({f.result()[0] for f in flood if f.done()}, {503})
            good = pool.submit(self.nginx.ask, MANIFEST % "acme/app", other)
            self.assertTrue(harness.wait_until(lambda: len(self.auth.requests) == 17))
            self.ok(self.env.get("registries"))
            self.gate.set()
            self.assertEqual(good.result()[0], 404)

    def test_expiry(self):
        key = self.key()
        self.seconds = 0
        for count in (1, 2, 3):
            self.pull(key)
            self.assertEqual(len(self.auth.requests), count)

    def test_a_password_that_changes(self):
        key = self.key()
        self.pull(key)
        self.logins["ci"] = site.plant()
        self.pull(key)                                     # the token is good until it expires
        self.ok(self.env.put("registrycredentials/" + self.row["id"],
                             {"secretValue": self.logins["ci"]}))
        self.pull(key)
        self.assertEqual([r.login[1] for r in self.auth.requests], [self.secret, self.logins["ci"]])
        self.status(self.env.action("registrycredentials/" + self.row["id"], "deactivate"), 202)
        self.errors(self.pull(key, status=403), 403, "DENIED")

    def test_a_token_server_that_refuses_or_is_down(self):
        key = self.key()
        self.logins.clear()
        self.errors(self.pull(key, status=503), 503, "UNAVAILABLE")
        count = len(self.auth.requests)
        self.errors(self.pull(key, status=503), 503, "UNAVAILABLE")
        self.assertEqual(len(self.auth.requests), count, "a failure is tried again at once")
        self.auth.stop()
        self.errors(self.pull(key, MANIFEST % "acme/down", 503), 503, "UNAVAILABLE")
        self.assertEqual(self.audit(self.row), [])


class Recorder:
    """Passes bytes between clients and a port, and keeps those that go to the clients."""

    def __init__(self, port):
        self.port, self.bytes, self.lock = port, bytearray(), threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.copy, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, True), daemon=True).start()

    def copy(self, source, target, keep):
        try:
            while data := source.recv(65536):
                if keep:
                    with self.lock:
                        self.bytes += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop(self):
        self.listener.close()


class Tool(Base):
    """skopeo with an API key as its only login."""

    TOOLS = {"skopeo": "skopeo"}

    def setUp(self):
        super().setUp()
        missing = [package for tool, package in self.TOOLS.items() if shutil.which(tool) is None]
        if missing:
            self.skipTest("not installed: " + ", ".join(missing))
        self.client = os.path.join(self.directory, "client")
        os.mkdir(self.client)
        self.image = standin.image(os.path.join(self.directory, "image"), os.urandom(300 * 1024))
        self.pulls = 0

    def open_front(self, example, url, key):
        self.front_ = self.front(example, url)
        self.recorder = Recorder(self.front_.port)
        self.addCleanup(self.recorder.stop)
        with open(os.path.join(self.client, "auth.json"), "w", encoding="ascii") as f:
            json.dump(
                {"auths": {self.recorder.host: {
                    "auth": base64.b64encode(":".join(key.key).encode()).decode()}}}, f)

    def copy(self, *words):
        return subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--authfile",
                               os.path.join(self.client, "auth.json"), "--src-tls-verify=false",
                               "--dest-tls-verify=false", *words],
                               env=dict(os.environ, HOME=self.client, TMPDIR=self.client),
                               stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)

    def push(self, name):
        return self.copy(self.image, "docker://%s/%s" % (self.recorder.host, name))

    def pull(self, name):
        self.pulls += 1
        return self.copy("docker://%s/%s" % (self.recorder.host, name), "dir:%s/got%d"
                         % (self.client, self.pulls))

    def no_password_at_the_client(self, *more):
        """In none of its files, and in nothing that was ever sent to it."""
        needles = set(harness.forms(harness.PLANT)).union(*[harness.forms(text) for text in more])
        texts = [bytes(self.recorder.bytes)]
        for directory, _, names in os.walk(self.client):
            for name in names:
                with open(os.path.join(directory, name), "rb") as f:
                    texts.append(f.read())
        self.assertGreater(len(texts), 4)
        self.assertFalse([needle for needle in needles for text in texts if needle in text])


class Registry(Tool):
    """Debian's docker-registry behind the examples."""

    TOOLS = {"docker-registry": "docker-registry", "skopeo": "skopeo", "htpasswd": "apache2-utils",
             "openssl": "openssl"}

    def serve(self, auth):
        """The URL of a docker-registry."""
        port = standin.free_port()
        config = os.path.join(self.directory, "config.yml")
        with open(config, "w", encoding="ascii") as f:
            json.dump({"version": "0.1", "log": {"level": "error"},
                       "storage": {"filesystem": {"rootdirectory": self.directory + "/data"}, "delete": {"enabled": True}},
                       "http": {"addr": "127.0.0.1:%d" % port, "secret": "x"}, "auth": auth}, f)
        with open(os.path.join(self.directory, "output"), "wb") as out:
            process = subprocess.Popen(["docker-registry", "serve", config],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       preexec_fn=harness.end_with_parent)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.kill)

        def answers():
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return True
            except OSError:
                return False
        self.assertTrue(harness.wait_until(answers), "docker-registry does not answer")
        return "http://127.0.0.1:%d" % port

    def users(self, **secrets):
        lines = [subprocess.run(["htpasswd", "-niB", "-C", "4", user], input=secret,
                                capture_output=True, text=True, timeout=30,
                                check=True).stdout.strip()
                 for user, secret in secrets.items()]
        path = os.path.join(self.directory, "users")
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")
        os.rename(path + ".new", path)
        return path

    def rotate_while(self, pull, row, secret):
        """The password changes while somebody pulls: the registry takes both logins, then regcred
        has the new one, then the old one goes."""
        results, stop = [], threading.Event()

        def pull_on():
            while not stop.is_set():
                results.append(pull())
        thread = threading.Thread(target=pull_on)
        thread.start()
        try:
            for step in range(4):
                old, new = "ci" if step == 0 else "ci%d" % step, "ci%d" % (step + 1)
                fresh = site.plant()
                self.users(**{old: secret, new: fresh})
                self.ok(self.env.put("registrycredentials/" + row["id"],
                                     {"publicValue": new, "secretValue": fresh}))
                seen = len(results)
                harness.wait_until(lambda: len(results) >= seen + 2)
                self.users(**{new: fresh})
                secret = fresh
        finally:
            stop.set()
            thread.join(60)
        self.assertGreaterEqual(len(results), 8)
        self.assertEqual([r.stderr for r in results if r.returncode != 0], [])


class Containerd(Registry):
    """Nodes that pull through the front for many registries, by the real containerd."""

    TOOLS = dict(Registry.TOOLS, containerd="containerd", ctr="containerd")

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("containerd runs as root only")
        self.secret = site.plant()
        self.url = self.serve({"htpasswd": {"realm": "test", "path": self.users(ci=self.secret)}})
        self.row = self.project.credential(self.project.registry(serverAddress=self.url),
                                           publicValue="ci", secretValue=self.secret)
        host = self.url[len("http://"):]
        self.changes = (("registry.example.test registry.example.test;", "registry.example.test %s;"
                         % self.url), ("https://$containerd_registry$", "$containerd_registry$"),
                        ("https://registry.example.test", self.url),
                        ("(?:https:)?//registry.example.test", "(?:http:)?" + self.url[5:]),
                        ("https://ghcr.io", "http://127.0.0.1:1"),
                        ("ghcr.io               ghcr.io;", "ghcr.io http://127.0.0.1:1;"))
        done = self.copy(self.image, "docker://%s/acme/app:1" % host, "--dest-creds",
                         "ci:" + self.secret)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.start_containerd()

    def start_containerd(self):
        # a short path for its socket
        state = tempfile.mkdtemp(prefix="rc-ctr-", dir="/tmp")
        self.addCleanup(shutil.rmtree, state, True)
        self.socket = state + "/s"
        with open(state + "/config.toml", "w", encoding="ascii") as f:
            f.write('version = 2\nroot = "%s/root"\nstate = "%s/state"\ndisabled_plugins = '
                    '["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n'
                    '[grpc]\n  address = "%s"\n' % (state, state, self.socket))
        with open(state + "/log", "wb") as log:
            process = subprocess.Popen(["containerd", "-c", state + "/config.toml"],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       preexec_fn=harness.end_with_parent)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        self.assertTrue(harness.wait_until(lambda: os.path.exists(self.socket)),
                        "containerd does not start")

    def node(self, key, name="registry.example.test"):
        """certs.d of a node with this key."""
        directory = os.path.join(self.client, "certs.d", name)
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "hosts.toml"), "w", encoding="ascii") as f:
            f.write('[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n  '
                    '[host."http://%s".header]\n    Authorization = "%s"\n'
                    % (self.nginx.host, self.nginx.host, key.authorization()))

    def fetch(self, name="registry.example.test/acme/app:1"):
        self.pulls += 1
        return subprocess.run(["ctr", "--address", self.socket, "--namespace", "n%d" % self.pulls,
                               "content", "fetch", "--hosts-dir",
                               os.path.join(self.client, "certs.d"), name],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def test_the_front_serves_the_registries_in_its_list(self):
        self.nginx = Front("inject-containerd", self.url, self.changes)
        self.addCleanup(self.nginx.stop)
        key = self.key()
        self.node(key)
        done = self.fetch()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.audit(self.row)[0]["keyId"],
                         self.ok(self.project.admin.get("apikeys?publicValue=" + key.key[0]))[
                             "data"][0]["id"])
        # The password changes, and the next pull uses the new one.
        fresh = site.plant()
        self.users(ci=fresh)
        self.ok(self.env.put("registrycredentials/" + self.row["id"], {"secretValue": fresh}))
        done = self.fetch()
        self.assertEqual(done.returncode, 0, done.stderr)
        for path in ("/v2/acme/app/manifests/1", "/v2/acme/app/manifests/1?ns=other.example",
                     "/v2/acme/app/manifests/1?ns=127.0.0.1", "/v2/acme/app/manifests/1?ns=registry.example.test%2f..",
                     "/v2/acme/app/manifests/1?ns=&ns=registry.example.test"):
            self.assertEqual(self.nginx.ask(path, key)[0], 404, path)
        self.assertEqual(self.nginx.ask("/v2/acme/app/manifests/1?ns=registry.example.test", key,
                                        "PUT", body=b"{}")[0], 403)
        self.assertEqual(self.nginx.ask("/v2/acme/app/manifests/1?ns=registry.example.test")[0],
                         401)
        row = self.ok(self.project.admin.get("apikeys?publicValue=" + key.key[0]))["data"][0]
        self.status(self.project.admin.action("apikeys/" + row["id"], "deactivate"), 202)
        self.assertNotEqual(self.fetch().returncode, 0)

    def test_the_password_changes_while_it_pulls(self):
        self.nginx = Front("inject-containerd", self.url, self.changes)
        self.addCleanup(self.nginx.stop)
        self.node(self.key())
        self.rotate_while(self.fetch, self.row, self.secret)

    def test_the_example_is_in_order(self):
        self.nginx = Front("inject-containerd", self.url, self.changes)
        self.addCleanup(self.nginx.stop)
        done = site.cli("check", "--state-dir", site.state, "--nginx",
                        os.path.join(self.nginx.root, "nginx.conf"), check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Skopeo(Registry):
    def test_basic(self):
        secret = site.plant()
        url = self.serve({"htpasswd": {"realm": "test", "path": self.users(ci=secret)}})
        registry = self.project.registry(serverAddress=url)
        row = self.project.credential(registry, publicValue="ci", secretValue=secret)
        self.open_front("inject-basic", url, self.key())
        done = self.push("acme/app:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.pull("acme/app:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.rotate_while(lambda: self.pull("acme/app:1"), row, secret)
        self.no_password_at_the_client()
        self.status(self.env.action("registrycredentials/" + row["id"], "deactivate"), 202)
        done = self.pull("acme/app:1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("No login that your key may use fits", done.stderr)

    def test_a_key_for_a_part(self):
        secret = site.plant()
        url = self.serve({"htpasswd": {"realm": "test", "path": self.users(ci=secret)}})
        registry = self.project.registry(serverAddress=url)
        for prefix in ("acme", "other"):
            self.project.credential(registry, publicValue="ci", secretValue=secret,
                                    pathPrefix=prefix)
        self.open_front("inject-basic", url, self.key())
        for name in ("acme/app:1", "other/app:1"):
            self.assertEqual(self.push(name).returncode, 0)
        self.open_front("inject-basic", url, self.key(role="inject", pathPrefixes=["acme"]))
        self.assertEqual(self.pull("acme/app:1").returncode, 0)
        self.assertNotEqual(self.pull("other/app:1").returncode, 0)
        self.no_password_at_the_client()

    def test_tokens(self):
        key, crt = standin.certificate(self.directory, "tokens")
        make, secret, made = standin.token_maker(key, crt), site.plant(), []

        def grant(request):
            if request.login != ("ci", secret):
                return Answer(401, UNAUTHORIZED)
            access = [dict(zip(("type", "name", "actions"), (kind, name, actions.split(","))))
                      for kind, name,
                      actions in (scope.split(":") for scope in request.query.get("scope", ()))]
            made.append(make("ci", access))
            return Answer(200, {"token": made[-1], "expires_in": 300})
        auth = self.standin(grant)
        url = self.serve({"token": {"realm": auth.url + "/token", "service": "docker-registry",
                                    "issuer": "test", "rootcertbundle": crt}})
        self.project.credential(self.project.registry(serverAddress=url), publicValue="ci",
                                secretValue=secret)
        self.open_front("inject-token", url, self.key())
        done = self.push("acme/app:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        for _ in range(3):
            done = self.pull("acme/app:1")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(r.query["scope"] for r in auth.requests),
                         [["repository:acme/app:pull"], ["repository:acme/app:pull,push"]])
        self.no_password_at_the_client(*made)
        self.assertNotIn(auth.url.encode(), bytes(self.recorder.bytes))


class Elsewhere(Tool):
    """Registries that name URLs of their own for what comes next: nginx and regcred follow, bound
    to the repository that they were given for."""

    # {url}: the registry's; {name}: the repository; {id}: of the upload; {turn}: how many requests
    # it has had.
    UPLOADS = {
        "as docker-registry": "{url}/v2/{name}/blobs/uploads/{id}?_state={turn}%2F%3D",
        "as docker-registry, relative": "/v2/{name}/blobs/uploads/{id}?_state={turn}",
        "relative to the request": "{id}",
        "relative to what is above it": "../upload/{id}",
        "inside, as GHCR": "/v2/{name}/blobs/upload/{id}",
        "inside, absolute": "{url}/v2/{name}/blobs/upload/{id}?_state={turn}%2Fx&y=z",
        "outside, as Artifact Registry": "/artifacts-uploads/namespaces/p/repositories/r/uploads/{id}",
        "outside, absolute": "{url}/up/{id}?turn={turn}",
        "outside, escaped": "/up%2Fload/a%20b/{id}",
        "outside, further down each time": "/up/{id}/{turns}",
        "of the same scheme": "//{host}/up/{id}?turn={turn}",
        "with dots": "/v2/{name}/blobs/uploads/../../up/./{id}",
        "relative with a dot": "./{id}?turn={turn}",
        "outside, with marks": "/up/{id};v=1/a,b@c:d!e*f'g(h)",
        "outside, beyond ASCII": "/up/%C3%A9/{id}?q=%F0%9F%98%80",
        "outside, doubled slashes": "/up//load/{id}",
        "host in capitals": "{URL}/up/{id}",
        "with a fragment": "/up/{id}#top",
        "outside, a slash at the end": "/up/{id}/",
        "a long query": "/up/{id}?{long}",
        "a path like a registry's": "/v2/other/name/manifests/{id}",
    }
    DOWNLOADS = {
        "the blob itself": (),
        "outside, as Artifact Registry": ("/artifacts-downloads/namespaces/p/downloads/{digest}?token=x%2Fy",),
        "outside, absolute": ("{url}/data/{digest}",),
        "inside": ("/v2/{name}/blob-data/{digest}",),
        "relative to the request": ("../data/{digest}",),
        "in two steps": ("/one/{digest}", "{url}/two/{digest}"),
    }

    def open(self, upload="inside, as GHCR", download="the blob itself", example="inject-basic"):
        self.secret, self.granted, self.scopes = site.plant(), set(), []
        auth = self.standin(self.grant)
        self.challenge = 'Basic realm="x"' if example == "inject-basic" else 'Bearer realm="%s/token",service="x"' % auth.url
        self.server = self.standin(lambda request: self.store(request))
        self.shape(upload, download)
        self.row = self.project.credential(self.project.registry(serverAddress=self.server.url),
                                           publicValue="ci", secretValue=self.secret)
        self.key_ = self.key()
        self.open_front(example, self.server.url, self.key_)

    def shape(self, upload="inside, as GHCR", download="the blob itself"):
        """The registry is empty, and names other URLs, from now on."""
        steps = self.DOWNLOADS[download]

        def may(request):
            return request.login == ("ci", self.secret) or request.token in self.granted

        def up(name, number, turn):
            return self.UPLOADS[upload].format(url=self.server.url,
                                               URL=self.server.url.replace("http", "HTTP"),
                                               host=self.server.url[7:], name=name, id=number,
                                               turn=turn, turns="/".join("x" * turn), long="s="
                                               + "%2F" * 900)

        def down(name, what):
            done = [step.format(url=self.server.url, name=name, digest=what.rpartition("/")[2])
                    for step in steps]
            number = next((n + 1 for n, step in enumerate(done) if what.rpartition("/")[0]
                           and what in step.replace("../", "/v2/%s/" % name)), 0)
            return done[number] if number < len(done) else None
        self.store = standin.Store(may, up, down, self.challenge)

    def grant(self, request):
        if request.login != ("ci", self.secret):
            return Answer(401, UNAUTHORIZED)
        self.scopes += request.query.get("scope", [])
        token = "%s-token-%d" % (harness.PLANT, len(self.granted))
        self.granted.add(token)
        return Answer(200, {"token": token, "expires_in": 300})

    def works(self):
        for done in (self.push("acme/app:1"), self.pull("acme/app:1")):
            self.assertEqual(done.returncode, 0, done.stderr)
        got = [os.path.join(self.client, "got%d" % self.pulls, name)
               for name in os.listdir(os.path.join(self.client, "got%d" % self.pulls))]
        self.assertGreaterEqual(max(os.path.getsize(path) for path in got), 300 * 1024)
        self.no_password_at_the_client()

    def test_uploads(self):
        self.open()
        for name in self.UPLOADS:
            with self.subTest(name):
                self.shape(upload=name)
                self.works()

    def test_downloads(self):
        self.open()
        for name in self.DOWNLOADS:
            with self.subTest(name):
                self.shape(download=name)
                self.works()

    def test_tokens(self):
        self.open("outside, as Artifact Registry", "in two steps", "inject-token")
        self.works()
        self.assertEqual(set(self.scopes),
                         {"repository:acme/app:pull", "repository:acme/app:pull,push"})

    def test_the_login_goes_to_no_other_token_server_than_the_first(self):
        """The registry's front names another one: no token, no login there, until somebody confirms
        it."""
        self.open(example="inject-token")
        self.works()
        first = self.ok(self.env.get("registries/" + self.row["registryId"]))["tokenHost"]
        self.assertRegex(first, "^127.0.0.1:[0-9]+$")
        second = self.standin(self.grant)
        self.granted.clear()
        self.challenge = 'Bearer realm="%s/token",service="x"' % second.url
        self.shape()
        self.assertIn(self.raw("/v2/acme/other/manifests/1")[0], (502, 503, 504))
        self.assertEqual(second.requests, [])
        self.ok(self.env.put("registries/" + self.row["registryId"], {"tokenHost": second.host}))
        harness.wait_until(lambda: self.raw("/v2/acme/third/manifests/1")[0] == 404)
        self.assertNotEqual(second.requests, [])

    def raw(self, path, method="GET", key=None, headers=(), body=b""):
        """(status, path of the Location): path is that of an address of the front."""
        front = self.front_
        status, got, _ = front.ask(path, key or self.key_, method, headers, body)
        place = got.get("location")
        # dots, as a client reads them
        place = place and urllib.parse.urljoin(place, place)
        return status, place[
            len("http://" + front.host):] if place is not None and place.startswith(
                "http://" + front.host) else place

    def begun(self, **words):
        """Path and body of an upload of acme/app that has had one request."""
        self.open(**words)
        status, place = self.raw("/v2/acme/app/blobs/uploads/", "POST")
        self.assertEqual(status, 202)
        status, place = self.raw(place, "PATCH", body=b"one")
        self.assertEqual(status, 202, place)
        return place

    def test_a_blob_in_one_request(self):
        """containerd, and others, send all of it with PUT to what POST has named."""
        data = b"all of it"
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.open()
        for name in self.UPLOADS:
            with self.subTest(name):
                self.shape(upload=name)
                _, place = self.raw("/v2/acme/app/blobs/uploads/", "POST")
                place += ("&" if "?" in place else "?") + "digest=" + digest.replace(":", "%3A")
                self.assertEqual(self.raw(place, "PUT", body=data)[0], 201, place)
                self.assertEqual(self.store.blobs["acme/app", digest], data)

    def test_a_host_by_name_needs_no_resolver(self):
        self.open()
        url = "http://localhost:%d" % self.server.port
        self.project.credential(self.project.registry(serverAddress=url), publicValue="ci",
                                secretValue=self.secret)
        self.assertEqual(self.front("inject-basic", url).ask("/v2/acme/app/manifests/1",
                                                             self.key_)[0], 404)
        self.assertEqual(self.server.requests[-1].path, "/v2/acme/app/manifests/1")

    def test_it_is_bound(self):
        """To the repository, and to what the registry has named: nothing else of the registry is
        reached with the login."""
        place = self.begun(upload="outside, as Artifact Registry")
        before, named = place.split("/.regcred/")[0], place[place.index("/artifacts-uploads"):]
        word = place.split("/.regcred/")[1].split("/")[0]
        self.assertEqual(before, "/v2/acme/app/blobs/uploads")
        self.store.places["/api/users"] = lambda request: Answer(200, {"users": []})
        count = len(self.server.requests)
        other = word[:-1] + ("0" if word[-1] != "0" else "1")
        cases = ["/v2/acme/other/blobs/uploads/.regcred/%s%s" % (word, named),
                 "/v2/acme/app/blobs/uploads/.regcred/%s/api/users" % word,
                 "/v2/acme/app/blobs/uploads/.regcred/%s%s" % (other, named), "/v2/acme/app/blobs/uploads/.regcred/%s%s" % (word[:8], named),
                 "/v2/acme/app/blobs/uploads/.regcred/%s" % word, "/v2/acme/app/blobs/uploads/.regcred/%s/" % word, "/v2/acme/app/blobs/uploads/.regcred/",
                 "/v2/acme/app/blobs/uploads/.regcred//api/users", "/v2/acme/app/manifests/1/.regcred/%s/api/users" % word, "/v2/.regcred/%s/api/users" % word,
                 "/v2/_catalog/.regcred/1/api/users", "/api/users", "/v2/acme/app/blobs/uploads/.regcred/%s%s/../../../../../../../api/users" % (word, named),
                 "/v2/acme/app/blobs/uploads/.regcred/%s%s/%%2e%%2e/x" % (word, named), "/v2/acme/app/blobs/uploads/.regcred/%s%s%%2F.." % (word, named),
                 "/v2/acme/app/blobs/uploads/.regcred/%s%s//x" % (word, named), "/v2/acme/app/blobs/uploads/.regcred/9/api/users",
                 "/v2/acme/app/blobs/uploads/.regcred/0/api/users",
                 "/v2/acme/app/blobs/uploads/.regcred/1/.regcred/%s%s" % (word, named)]
        for path in cases:
            for method in ("GET", "PATCH", "PUT", "DELETE", "POST"):
                if method == "POST" or "/.regcred/1/" not in path:
                    self.assertIn(self.raw(path, method)[0], (403, 404, 405, 400), (method, path))
        self.assertEqual([r.path for r in self.server.requests[count:] if r.login is not None], [],
                         "the login went somewhere")
        self.assertEqual(self.raw(place, "POST")[0], 403)
        elsewhere = site.project()
        stranger = Client(site, site.new_key(elsewhere.admin, role="inject"), elsewhere.root)
        self.assertEqual(self.raw(place, "PATCH", stranger)[0], 403)
        self.assertEqual(self.front_.ask(place, None, "PATCH")[0], 401)
        self.status(self.env.action("registrycredentials/" + self.row["id"], "deactivate"), 202)
        self.assertEqual(self.raw(place, "PATCH")[0], 403)
        self.status(self.env.action("registrycredentials/" + self.row["id"], "activate"), 202)
        self.assertEqual(self.raw(place, "PATCH", body=b"two")[0], 202)

    def test_what_the_client_says_the_registry_named_counts_for_nothing(self):
        self.open("outside, as Artifact Registry", "outside, as Artifact Registry")
        self.store.blobs["acme/app", "sha256:aa"] = b"data"
        self.store.places["/api/users"] = lambda request: Answer(200, {"users": []})
        _, place = self.raw("/v2/acme/app/blobs/sha256:aa")
        self.assertEqual(place.split("/.regcred/")[0], "/v2/acme/app/blobs/sha256:aa")
        for lie in (place, place.split("/.regcred/")[0] + "/.regcred/1/api/users"):
            status, _, body = self.front_.ask(lie, self.key_)
            self.assertEqual((status, body), (200, b"data"))
        _, place = self.raw("/v2/acme/app/blobs/uploads/", "POST")
        self.assertEqual(self.raw(place.split("/.regcred/")[0] + "/.regcred/1/api/users",
                                  "PATCH")[0], 202)
        self.assertNotIn("/api/users", [r.path for r in self.server.requests])

    def test_other_hosts_are_for_the_client(self):
        self.open()
        front = self.front_
        for place in ("http://storage.example.test/x?signature=y",
                      "https://storage.example.test:8443/v2/acme/app/blobs/uploads/1",
                      "//storage.example.test/x"):
            for status, path, method in ((307, "/v2/acme/app/blobs/sha256:aa", "GET"),
                                         (202, "/v2/acme/app/blobs/uploads/", "POST")):
                self.store = lambda request, s=status, p=place: Answer(s, b"", {"Location": p})
                self.assertEqual(front.ask(path, self.key_, method)[1]["location"], place)
                count = len(self.server.requests)
                self.assertIn(front.ask(path + "/.regcred/1/x" if method == "GET" else path
                                        + ".regcred/1/x", self.key_, "GET" if method == "GET"
                                        else "PATCH")[0], (502, 503))
                self.assertEqual(len(self.server.requests), count + 1)

    def test_headers(self):
        """Those of the registry API go on, no other; a session of the login does not come back."""
        self.open()
        front = self.front_
        self.store.places["/v2/acme/app/manifests/1"] = lambda r: Answer(200, b"x",
                                                                         {"Set-Cookie": "session=1",
                                                                          "X-Accel-Redirect": "/.regcred-inject", "X-Other": "y"})
        given = [("Accept", "application/a"), ("Accept", "application/b"), ("Accept", "*/*"),
                 ("Range", "bytes=0-1"), ("If-None-Match", '"x"'), ("User-Agent", "test/1"),
                 ("Content-Type", "application/octet-stream")]
        kept_back = [("X-Forwarded-User", "root"), ("X-WEBAUTH-USER", "root"),
                     ("X-SSO-USER", "root"), ("X-Original-URL", "/v2/secret/manifests/1"), ("X-Rewrite-URL", "/x"),
                     ("X-HTTP-Method-Override", "DELETE"), ("Proxy-Authorization", "Basic eDp5"), ("X-Forwarded-Host", "x"), ("X-Forwarded-For", "127.0.0.1"),
                     ("Cookie", "a=b"), ("X-API-Key", ":".join(self.key_.key)),
                     ("Remote-User", "root"), ("Forwarded", "for=x"), ("Via", "x"), ("Origin", "x"),
                     ("Referer", "x")]
        status, headers, body = front.ask("/v2/acme/app/manifests/1", self.key_, headers=given
                                          + kept_back)
        self.assertEqual((status, body, headers.get("x-other")), (200, b"x", "y"))
        self.assertNotIn("set-cookie", headers)
        request = self.server.requests[-1]
        self.assertEqual(request.headers["Accept"], "application/a, application/b, */*")
        for name, value in given[3:]:
            self.assertEqual(request.headers[name], value)
        self.assertEqual(sorted(set(request.headers) & {name for name, _ in kept_back}), [])
        self.assertEqual({name.lower() for name in request.headers} - {"host", "connection",
                                                                       "authorization",
                                                                       "content-length"} - {
                                                                           name.lower() for name,
                                                                           _ in given}, set())

    def test_queries(self):
        self.open()
        front = self.front_
        count = len(self.server.requests)
        for query in ("from%5B%5D=other", "from+=other", "From=other", "FROM=other", "repo=other",
                      "mount%20=x", "scope=other"):
            for path, method in (("/v2/acme/app/blobs/uploads/", "POST"),
                                 ("/v2/acme/app/manifests/1", "GET"),
                                 ("/v2/acme/app/tags/list", "GET")):
                self.assertEqual(front.ask(path + "?" + query, self.key_, method)[0], 403,
                                 (path, query))
        for query in ("from%5B%5D=other", "from+=other", "From=other", "mountx=other"):
            self.assertEqual(front.ask("/v2/acme/app/blobs/uploads/1?" + query, self.key_,
                                       "PUT")[0], 403, query)
        self.assertEqual(len(self.server.requests), count)


if __name__ == "__main__":
    unittest.main()
