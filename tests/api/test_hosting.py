"""The core of the API through each web server and each way to run regcredd, with the examples of
hosting/ as they are shipped.

The whole of another module through one of them:  run.py --front lighttpd test_acceptance
"""

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import fronts
import harness

# Each at a time in `site`, where harness.Case looks for it.
site = None


def descendants(pid):
    with contextlib.suppress(OSError):
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
            for child in f.read().split():
                yield int(child)
                yield from descendants(int(child))


class Through:
    """The tests; the classes below say which web server."""

    @classmethod
    def setUpClass(cls):
        global site
        site = harness.Site(front=cls.front, workers=1)
        site.start()
        cls.project = site.project()

    @classmethod
    def tearDownClass(cls):
        site.stop()

    def test_a_login_lives_and_its_links_are_right(self):
        p = self.project
        registry = p.registry()
        self.assertEqual(registry["links"]["self"], site.base + p.root + "/registries/"
                         + registry["id"])
        made = p.credential(registry)
        path = "registrycredentials/" + made["id"]
        self.assertEqual(self.ok(p.env.get(path))["state"], "active")
        self.assertIsNone(self.ok(p.env.get(path))["secretValue"])
        self.assertEqual(self.ok(p.env.put(path, {"description": "d"}))["description"], "d")
        self.err(p.env.delete(path), 405, "Method not allowed")
        self.status(p.env.action(path, "deactivate"), 202)
        self.ok(p.env.delete(path))
        self.assertEqual(self.ok(p.env.get(path))["state"], "removed")

    def test_a_query_arrives_as_it_was_sent(self):
        p = self.project
        names = ["a b", "a+b", "a%2Fb", "ä&=?#", "a/b//c", "a\\b"]
        for name in names:
            p.registry(name=name)
        for name in names:
            with self.subTest(name):
                encoded = "".join("%%%02X" % byte for byte in name.encode())
                self.assertEqual(
                    [r["name"] for r in self.ok(p.env.get("registries?name=" + encoded))["data"]],
                    [name])
        self.assertEqual([r["name"] for r in self.ok(p.env.get("registries?name=a+b"))["data"]],
                         ["a b"])

    def test_a_path_arrives_as_it_was_sent(self):
        """Decoded once and by regcred alone: an encoded slash is no slash, and an encoded letter is
        that letter."""
        p = self.project
        registry = p.registry()
        self.ok(p.env.get("registrie%73/" + registry["id"]))
        for path in ("registries%2F" + registry["id"], "registries/" + registry["id"] + "%252F",
                     "registries/%3Fname=x"):
            with self.subTest(path):
                self.status(p.env.get(path, proxy=True), 400, 404)

    def test_who_asks(self):
        p = self.project
        answer = site.anonymous().get("registries")
        self.err(answer, 401, "Unauthorized")
        self.assertTrue(answer.header("WWW-Authenticate").startswith("Basic realm="))
        self.err(site.anonymous().get("registries", headers={"Authorization": "Basic eDp5"}), 401,
                 "Unauthorized")
        self.ok(p.env.get("registries"))
        self.ok(site.anonymous(p.root).get("registries",
                                           headers={"X-API-Key": ":".join(p.env.key)}))
        # Names by which a client might pretend to be somebody.
        for name in ("Remote-User", "REGCRED_PROXY_USER", "X-Forwarded-User"):
            self.err(site.anonymous().get("registries", headers={name: "admin"}), 401,
                     "Unauthorized")

    def test_HEAD_has_no_body_and_errors_are_JSON(self):
        p = self.project
        self.assertEqual(p.env.request("HEAD", "registries").body, b"")
        self.err(p.env.get("registries/1sp999999"), 404, "Not Found")
        self.err(p.env.get("/nosuch"), 404, "Not Found")
        self.err(p.env.post("registries", "{"), 400, "InvalidBodyContent")
        self.err(p.env.post("registries", {}), 422, "MissingRequired", "serverAddress")

    def test_a_body_of_64_KiB_passes_and_one_byte_more_is_413_in_JSON(self):
        p = self.project
        registry = p.registry()

        def body(size):
            text = json.dumps({"description": "x"})
            return text + " " * (size - len(text))
        self.ok(p.env.put("registries/" + registry["id"], body(65536),
                          content_type="application/json"))
        answer = p.env.put("registries/" + registry["id"], body(65537),
                           content_type="application/json", proxy=True)
        self.status(answer, 413)
        self.assertEqual(answer.json["status"], 413, repr(answer))

    def test_what_is_beside_a_program_is_not_served(self):
        if site.front is None or not site.is_cgi:
            self.skipTest("only a CGI is beside anything")
        with open(os.path.join(site.front.www, "notes.txt"), "w", encoding="ascii") as f:
            f.write("beside")
        for path in ("/notes.txt", "/.htaccess", "/regcred.cgi", "/regcred.cgi/x"):
            answer = site.anonymous().get(path, proxy=True, check=False)
            self.assertNotIn(b"beside", answer.body, path)
            self.assertNotIn(b"Rewrite", answer.body, path)
            self.assertIn(answer.status, (401, 403, 404), path)

    def test_TRACE_echoes_no_key_and_a_range_is_the_whole(self):
        secret = site.plant("trace")
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.port,
                                                           timeout=20)) as c:
            c.request("TRACE", "/v1", headers={"X-API-Key": "x:" + secret})
            self.assertNotIn(secret.encode(), c.getresponse().read())
        answer = self.project.env.get("registries", headers={"Range": "bytes=0-1"})
        self.assertEqual(self.ok(answer)["type"], "collection")

    def trace(self):
        """strace on the web server and its processes; they are ours, but only root may always
        look."""
        strace, out = shutil.which("strace"), os.path.join(site.root, "strace.log")
        if strace is None:
            self.skipTest("strace is missing: package strace")
        tops = [site.nginx.pid] + ([site.front.helper.pid] if site.front is not None
                                   and site.front.helper is not None else [])
        pids = [pid for top in tops for pid in [top, *descendants(top)]]
        process = subprocess.Popen([strace, "-f", "-q", "-o", out, "-e",
                                    "trace=open,openat,creat,memfd_create"]
                                    + ["-p%d" % pid for pid in pids],
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)

        def traced():
            with contextlib.suppress(OSError, StopIteration):
                for pid in pids:
                    with open("/proc/%d/status" % pid, encoding="ascii") as f:
                        if next(line for line in f if line.startswith("TracerPid")).split()[
                            1] == "0":
                            return False
            return True
        if not harness.wait_until(lambda: process.poll() is not None
                                  or traced()) or process.poll() is not None:
            process.kill()
            process.wait()
            self.skipTest("strace may not look at the web server")
        return process, out

    def test_no_body_and_no_answer_with_a_password_is_written_to_a_disk(self):
        p = self.project
        registry = p.registry()
        secrets = [site.plant("long") for _ in range(2)]
        for _ in range(14):
            p.credential(p.registry(), publicValue="u" * 3900, secretValue=secrets[0] + "x" * 3900)
        reader = harness.Client(site, site.new_key(p.admin, reveal=True), p.root)
        strace, out = self.trace()
        try:
            # bodies and an answer above the 16 and 64 KiB that web servers keep in memory
            for i in range(3):
                body = json.dumps({"registryId": registry["id"], "publicValue": "u%d" % i,
                                   "email": "e", "secretValue": secrets[i % 2], "description": "d"})
                text = body + " " * (60000 - len(body))
                self.ok(p.env.post("registrycredentials", text, content_type="application/json"),
                        201)
                chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text.encode())
                p.env.post("registrycredentials", chunks, headers={"Transfer-Encoding": "chunked"},
                           content_type="application/json", check=False)
            hand = reader.post("handouts", {"format": "docker"}, check=False)
            self.assertEqual(hand.status, 200, hand)
            self.assertGreater(len(hand.body), 70000)
        finally:
            strace.terminate()
            strace.wait(20)
        with open(out, encoding="utf-8", errors="replace") as f:
            made = [line for line in f if re.search(r"O_WRONLY|O_RDWR|O_CREAT|creat\(", line)
                    and " = -1 " not in line]
        os.unlink(out)
        # As a CGI its own files are among them: of the state directory, and of the pool's memory.
        # Only root sees their names, because regcredd may not be looked into.
        own = r'"(/dev/null|/dev/shm/|%s/(regcred|master))|"/proc/|AT_FDCWD, 0x' % re.escape(
            site.state)
        others = [line for line in made if not re.search(own, line)]
        self.assertEqual(others, [])

    def test_a_chunked_body_arrives_whole_or_is_refused(self):
        p = self.project
        text = json.dumps({"name": "chunked", "serverAddress": "chunked.example.test"}).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(text[i:i + 7]), text[i:i + 7])
                          for i in range(0, len(text), 7)) + b"0\r\n\r\n"
        # which does not know how long it is, and answers itself
        knows = not self.front.startswith("apache")
        answer = p.env.post("registries", chunks, headers={"Transfer-Encoding": "chunked"},
                            content_type="application/json", check=knows)
        if not knows:
            self.status(answer, 411)
            return
        self.assertEqual(self.ok(answer, 201)["name"], "chunked")


def of(front):
    return type("Through_" + front.replace("-", "_"), (Through, harness.Case),
                {"front": front, "__module__": __name__})


class SlowReaders:
    """Readers of a long answer who do not read: others are answered all the time."""

    COUNTS = 34, 200

    @classmethod
    def setUpClass(cls):
        global site
        site = harness.Site(front=cls.front, workers=2, threads=16)
        if cls.front == "apache":
            # its own processes, one for each connection
            site.front.slots = max(cls.COUNTS) + 40
        site.start()
        cls.project, cls.other = site.project(), site.project()

    @classmethod
    def tearDownClass(cls):
        site.stop()

    def test_others_are_answered_within_a_second(self):
        p = self.project
        registry = p.registry()
        for _ in range(420):
            p.credential(registry, publicValue="&" * 4000, description="&" * 1000)
        stop = threading.Event()

        def slow():
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                s.connect(("127.0.0.1", site.port))
                s.sendall(("GET %s/registrycredentials?limit=3000 HTTP/1.1\r\nHost: "
                           "h\r\nAuthorization: %s\r\n\r\n" % (p.root, basic)).encode())
                while not stop.wait(1):
                    s.recv(1000)
        basic = "Basic " + base64.b64encode(":".join(p.env.key).encode()).decode()
        for count in self.COUNTS:
            stop.clear()
            threads = [threading.Thread(target=slow) for _ in range(count)]
            for t in threads:
                t.start()
            longest, end = 0, time.monotonic() + 20
            while time.monotonic() < end:
                for ask in (lambda: site.anonymous().get("/ping", check=False),
                            lambda: self.other.env.get("registries?limit=1")):
                    begun = time.monotonic()
                    self.assertEqual(ask().status, 200)
                    longest = max(longest, time.monotonic() - begun)
                time.sleep(0.05)
            stop.set()
            for t in threads:
                t.join()
            print("%s: %d slow readers, others wait %d ms at most"
                  % (self.front, count, longest * 1000), flush=True)
            # what their lists cost on a busy machine; they would hold threads for a minute
            self.assertLess(longest, 3 if count < 100 else 6)


for name in ("nginx", "lighttpd", "apache") if os.environ.get("REGCRED_LONG") else ():
    globals()["SlowReaders_" + name] = type("SlowReaders_" + name, (SlowReaders, harness.Case),
                                            {"front": name, "__module__": __name__})

# The shipped nginx is what all other modules go through.
Traced_nginx = type("Traced_nginx", (Through, harness.Case),
                    {"front": "nginx", "__module__": __name__, **{
    name: None for name in dir(Through) if name.startswith("test_") and "disk" not in name
    and "TRACE" not in name}})
for name in fronts.FRONTS:
    if name != "nginx":
        globals()["Through_" + name.replace("-", "_")] = of(name)
del name
