"""regcredd as a CGI program: one request from the environment and standard input, as RFC 3875 says,
one answer on standard output."""

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import harness
import validator

HOST = "cgi.example.test"
SCRIPT = "/cgi-bin/regcredd"
BASE = "http://" + HOST + SCRIPT
SLACK = 60                                               # seconds that a slow machine may take

directory = state = ini = admin = key = project = None
planted = harness.PLANT + "cgi"


def setUpModule():
    global directory, state, ini, admin, key, project
    directory = tempfile.mkdtemp(prefix="rc-")
    state, ini = os.path.join(directory, "state"), os.path.join(directory, "regcred.conf")
    regcred("init", "--state-dir", state)
    with open(ini, "w", encoding="utf-8") as f:
        f.write("# for a web server that passes one variable\n[regcred]\nstate_dir = %s\n" % state)
    admin = tuple(line.split("=", 1)[1] for line in
                  regcred("key", "create", "--state-dir", state, "--account", "1a1", "--name",
                          "t").splitlines())
    project = cgi("POST", "/v1/projects", {"name": "p"}, key=admin).json["id"]
    made = cgi("POST", "/v1/projects/%s/apikeys" % project, {"name": "k"}, key=admin).json
    key = (made["publicValue"], made["secretValue"])


def tearDownModule():
    """No secret may have been left in any file."""
    found = []
    needles = harness.forms(harness.PLANT) | harness.forms(key[1]) | harness.forms(admin[1])
    for at, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                data = f.read()
            found += [name for needle in needles if needle in data]
    shutil.rmtree(directory)
    assert not found, "secrets in %s" % found


def regcred(*words):
    done = subprocess.run([harness.program("regcred"), *words], env=plain_environment(),
                          capture_output=True, text=True, timeout=SLACK)
    assert done.returncode == 0, done.stderr
    return done.stdout


def plain_environment():
    return {k: v for k, v in os.environ.items() if k in ("PATH", "LD_LIBRARY_PATH")
            or k.endswith("SAN_OPTIONS")}


def basic(pair):
    return "Basic " + base64.b64encode(":".join(pair).encode()).decode()


def environment(method, path, body=b"", key=None, script=SCRIPT, uri=True, **more):
    """A request's environment.  more: further variables, or None for one that is absent.  uri:
    REQUEST_URI, which RFC 3875 does not know; True for what the client sent, False for none."""
    target, _, query = path.partition("?")
    env = dict(plain_environment(), GATEWAY_INTERFACE="CGI/1.1", SERVER_PROTOCOL="HTTP/1.1",
               SERVER_SOFTWARE="test/1", SERVER_NAME=HOST, SERVER_PORT="80",
               REQUEST_METHOD=method, SCRIPT_NAME=script, PATH_INFO=urllib.parse.unquote(target),
               QUERY_STRING=query, REMOTE_ADDR="192.0.2.7",
               HTTP_HOST=HOST, REGCRED_CONFIG=ini)
    if uri:
        env["REQUEST_URI"] = script + path if uri is True else uri
    if body or method in ("POST", "PUT"):
        env.update(CONTENT_LENGTH=str(len(body)), CONTENT_TYPE="application/json")
    if key:
        env["HTTP_AUTHORIZATION"] = basic(key)
    env.update({name: value for name, value in more.items() if value is not None})
    for name in [name for name, value in more.items() if value is None]:
        env.pop(name, None)
    return env


def start(env, *words, stdin=subprocess.PIPE):
    return subprocess.Popen([harness.program("regcredd"), *words], env=env, stdin=stdin,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                            preexec_fn=harness.end_with_parent)


class Reply(harness.Response):
    """An answer of the program, with its exit status and what it wrote to standard error."""

    def __init__(self, method, path, process, out, err):
        head, found, body = out.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode("latin-1").split("\r\n")]
        assert found and all(len(pair) == 2 for pair in headers), (out, err)
        status = [value for name, value in headers if name == "Status"]
        assert len(status) == 1 and re.match(r"[1-5]\d\d ", status[0]), out
        super().__init__(method, path, int(status[0].split()[0]), headers, body)
        self.reason = status[0][4:]
        self.exit, self.stderr = process.returncode, err.decode(errors="replace")
        if planted in self.stderr or "Sanitizer" in self.stderr or "runtime error:" in self.stderr:
            raise AssertionError(self.stderr)


def finish(method, path, process, body=b""):
    try:
        out, err = process.communicate(body, SLACK)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Reply(method, path, process, out, err)


def cgi(method, path, body=None, *words, key=None, **more):
    """One request, one process."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return finish(method, path, start(environment(method, path, data, key, **more), *words), data)


class CgiCase(unittest.TestCase):
    longMessage = True

    def valid(self, reply, status, key=None, base=BASE):
        """Checks status, exit status, length and, by the published schemas, the whole answer; its
        JSON."""
        self.assertEqual((reply.status, reply.exit), (status, 0), reply)
        self.assertEqual(reply.header("Content-Length"), str(len(reply.body)), reply)
        problems = validator.response(reply, base, lambda url: self.schemas(url, key, base))
        self.assertEqual(problems, [], reply)
        return reply.json

    def schemas(self, url, key, base):
        env = urllib.parse.urlsplit(base)
        reply = cgi("GET", url[len(base):], key=key, script=env.path, HTTP_HOST=env.netloc,
                    HTTPS="on" if env.scheme == "https" else None)
        self.assertEqual(reply.status, 200)
        return {item["id"]: item for item in reply.json["data"]}

    def error(self, reply, status, code):
        self.assertEqual(self.valid(reply, status)["code"], code)
        return reply

    def root(self):
        return "/v1/projects/" + project

    def no_secret(self, text):
        self.assertEqual(
            [n for n in harness.forms(admin[1]) | harness.forms(key[1]) | harness.forms(
                harness.PLANT) if n in text.encode()], [])


class Requests(CgiCase):
    def test_GET_answers_and_its_links_carry_the_prefix(self):
        body = self.valid(cgi("GET", "/v1", key=key), 200, key)
        self.assertEqual(body["links"]["self"], BASE + "/v1")
        self.assertEqual(body["links"]["registries"], BASE + "/v1/registries")
        body = self.valid(cgi("GET", self.root() + "/registries?limit=1&sort=name", key=key), 200,
                          key)
        self.assertEqual(body["links"]["self"], BASE + self.root() + "/registries")
        body = self.valid(cgi("GET", self.root() + "/credentials?limit=1", key=key), 200, key)
        self.assertEqual(body["createTypes"]["registryCredential"], BASE + self.root()
                         + "/registrycredentials")

    def test_a_login_is_made_changed_and_removed_by_nine_processes(self):
        root, secret = self.root(), planted + os.urandom(6).hex()
        registry = self.valid(cgi("POST", root + "/registries",
                                  {"serverAddress": "life.example.test"}, key=key), 201, key)
        self.assertEqual(registry["links"]["self"], BASE + root + "/registries/" + registry["id"])
        reply = cgi("POST", root + "/registrycredentials",
                    {"registryId": registry["id"], "email": "e@example.test",
                     "secretValue": secret}, key=key)
        made = self.valid(reply, 201, key)
        self.assertEqual(reply.header("Location"), made["links"]["self"])
        self.assertEqual((made["secretValue"], made["state"]), (secret, "registering"))
        path = root + "/registrycredentials/" + made["id"]
        self.assertEqual(self.valid(cgi("GET", path, key=key), 200, key)["state"], "active")
        self.assertEqual(self.valid(cgi("PUT", path, {"description": "d"}, key=key), 200,
                                    key)["description"], "d")
        self.valid(cgi("POST", path + "/?action=deactivate", {}, key=key), 202, key)
        self.valid(cgi("DELETE", path, key=key), 200, key)
        self.assertEqual(self.valid(cgi("GET", path, key=key), 200, key)["state"], "removed")

    def test_without_a_key_it_is_401_with_a_challenge(self):
        for more in ({}, {"HTTP_AUTHORIZATION": "Basic eDp5"}, {"HTTP_AUTHORIZATION": "Bearer x"},
                     {"HTTP_X_API_KEY": "x:y"}, {"HTTP_AUTHORIZATION": ""},
                     # Names that web servers set for users that they have checked themselves, or
                     # not at all.
                     {"REMOTE_USER": "admin", "AUTH_TYPE": "Basic"},
                     {"REGCRED_PROXY_USER": "admin"}, {"HTTP_REMOTE_USER": "admin"}):
            with self.subTest(more):
                reply = self.error(cgi("GET", "/v1/registries", **more), 401, "Unauthorized")
                self.assertTrue(reply.header("WWW-Authenticate").startswith("Basic realm="))

    def test_what_does_not_exist_is_404(self):
        self.error(cgi("GET", "/v1/nosuch", key=key), 404, "Not Found")
        self.error(cgi("GET", "/v3", key=key), 404, "Not Found")
        self.error(cgi("GET", self.root() + "/registries/1sp999999", key=key), 404, "Not Found")

    def test_HEAD_has_the_headers_of_GET_and_no_body(self):
        get, head = cgi("GET", "/v1", key=key), cgi("HEAD", "/v1", key=key)
        self.assertEqual((head.status, head.body, head.exit), (200, b"", 0))
        self.assertEqual(sorted(head.headers), sorted(get.headers))
        self.assertEqual(cgi("HEAD", "/v1/registries").body, b"")

    def test_the_status_line_names_its_reason(self):
        """RFC 3875 wants it, and some web servers pass on what they get."""
        registry = self.valid(cgi("POST", self.root() + "/registries",
                                  {"serverAddress": "reason.example.test"}, key=key), 201,
                                  key)["id"]
        path = self.root() + "/registries/" + registry
        for method, target, reason in (("GET", path, "OK"),
                                       ("POST", path + "/?action=deactivate", "Accepted"), ("POST", path, "Method Not Allowed"),
                                       ("GET", path + "9", "Not Found"),
                                       ("POST", self.root() + "/registries",
                                        "Unprocessable Content")):
            with self.subTest(reason):
                self.assertEqual(cgi(method, target, {} if method == "POST" else None,
                                     key=key).reason, reason)

    def test_the_X_API_Key_header_serves_where_Authorization_is_stripped(self):
        self.valid(cgi("GET", "/v1/registries", HTTP_X_API_KEY=":".join(key)), 200, key)

    def test_ping_needs_neither_key_nor_host(self):
        reply = cgi("GET", "/ping", HTTP_HOST=None)
        self.assertEqual((reply.status, reply.body), (200, b"pong"))

    def test_arguments_are_words_of_the_query_and_have_no_effect(self):
        for words in (("--open",), ("--version",), ("--help",), ("--check",),
                      ("--config", "/etc/passwd"), ("--state-dir", "/nonexistent")):
            with self.subTest(words):
                self.error(cgi("GET", "/v1/registries?" + "+".join(words), None, *words), 401,
                           "Unauthorized")

    def test_a_browser_gets_a_page(self):
        reply = cgi("GET", "/v1/registries", key=key, HTTP_USER_AGENT="Mozilla/5.0",
                    HTTP_ACCEPT="text/html,*/*")
        self.assertEqual(reply.header("Content-Type"), "text/html; charset=utf-8")
        self.assertIn((BASE + "/v1/schemas").encode(), reply.body.replace(b"\\/", b"/"))


class Addresses(CgiCase):
    """Web servers differ in what they say about the address; the links must be right with each."""

    def links(self, base, **more):
        body = self.valid(cgi("GET", self.root() + "/registries?limit=2", key=key, **more), 200,
                          key, base)
        self.assertEqual(body["links"]["self"], base + self.root() + "/registries")

    def test_with_and_without_REQUEST_URI(self):
        self.links(BASE)
        self.links(BASE, uri=False)

    def test_a_rewrite_that_hides_the_script(self):
        self.links(BASE, uri=self.root() + "/registries?limit=2")
        # which only begins as the script's path does
        self.links(BASE, uri=SCRIPT + "x" + self.root() + "/nosuch")

    def test_a_script_at_the_root_and_one_in_the_depths(self):
        self.links("http://" + HOST, script="")
        self.links("http://" + HOST + "/~joe/cgi-bin/regcred.cgi",
                   script="/~joe/cgi-bin/regcred.cgi")

    def test_port_and_scheme_of_the_links(self):
        self.links("http://%s:8081%s" % (HOST, SCRIPT), HTTP_HOST=HOST + ":8081")
        self.links("https://" + HOST + SCRIPT, HTTPS="on")
        self.links("https://" + HOST + SCRIPT, REQUEST_SCHEME="https")
        self.links(BASE, HTTPS="off")
        self.links("https://fixed.example.test/r", script=SCRIPT,
                   REGCRED_BASE_URL="https://fixed.example.test/r")

    def valid(self, reply, status, key=None, base=BASE):
        # the schemas are then not where the script is
        if base.startswith("https://fixed"):
            self.assertEqual(reply.status, status)
            return reply.json
        return super().valid(reply, status, key, base)

    def test_no_PATH_INFO_is_the_root(self):
        for path_info in (None, ""):
            reply = cgi("GET", "", key=key, PATH_INFO=path_info)
            self.assertEqual(reply.status, 200, reply)
            self.assertIn(BASE + "/v1", reply.text)

    def test_a_decoded_PATH_INFO_is_not_decoded_again(self):
        for path in ("/v1/registries/1sp1%253Fx", "/v1/registries/1sp1%25",
                     "/v1/registries%3Flimit=1", "/v1/registries/%23", "/v1/registries/1sp1%2500"):
            with self.subTest(path):
                by_uri, by_path = cgi("GET", path, key=key), cgi("GET", path, key=key, uri=False)
                self.assertEqual((by_uri.status, by_path.status), (404, 404))

    def test_a_host_that_is_none_is_400(self):
        for host in (None, "", "a b", "a/b", "user@x", "x\r\nSet-Cookie: a=b", "x%0d%0a",
                     "x:99999"):
            with self.subTest(host):
                reply = self.cut(cgi("GET", "/v1", key=key, HTTP_HOST=host))
                self.assertEqual(reply.status, 400)
                self.assertIsNone(reply.header("Set-Cookie"))

    def cut(self, reply):
        self.assertEqual(reply.json["code"], "Bad Request")
        return reply


class Bodies(CgiCase):
    def rows(self):
        return len(cgi("GET", self.root() + "/registries?limit=-1", key=key).json["data"])

    def post(self, body, **more):
        return cgi("POST", self.root() + "/registries", body, key=key, **more)

    def test_a_body_cut_short_is_400_and_nothing_is_done(self):
        rows = self.rows()
        self.error(self.post(b'{"serverAddress":"cut.example.test"}', CONTENT_LENGTH="100"), 400,
                   "Bad Request")
        self.error(self.post(b"", CONTENT_LENGTH="5"), 400, "Bad Request")
        for length in ("x", "-1", "+36", "36 ", "0x24", "9" * 40):
            with self.subTest(length):
                reply = self.post(b'{"serverAddress":"cut.example.test"}', CONTENT_LENGTH=length)
                self.assertIn(reply.status, (400, 413))
        self.assertEqual(self.rows(), rows)

    def test_nothing_is_read_beyond_the_announced_length(self):
        body = b'{"serverAddress":"open%d.example.test"}' % os.getpid()
        path = self.root() + "/registries"
        process = start(environment("POST", path, body, key))
        process.stdin.write(body + b"more that is not ours")
        # and the pipe stays open: the answer must not wait for its end
        process.stdin.flush()
        timer = threading.Timer(SLACK, process.kill)
        timer.start()
        out = process.stdout.read()
        timer.cancel()
        process.stdin.close()
        err = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        process.wait()
        self.valid(Reply("POST", path, process, out, err), 201, key)

    def test_without_a_length_there_is_no_body(self):
        self.error(self.post(b'{"serverAddress":"none.example.test"}', CONTENT_LENGTH=None), 422,
                   "MissingRequired")

    def test_a_body_of_64_KiB_passes_and_one_byte_more_does_not(self):
        def body(address, size):
            return (b'{"serverAddress":"%s.example.test"' % address).ljust(size - 1) + b"}"
        self.valid(self.post(body(b"exact", 65536)), 201, key)
        self.error(self.post(body(b"over", 65537)), 413, "Request Entity Too Long")
        self.error(self.post(b"x" * 3000000), 413, "Request Entity Too Long")

    def test_a_client_that_hangs_up_hurts_nobody(self):
        for _ in range(5):
            process = start(environment("GET", "/v1/schemas", key=key))
            process.stdout.close()                       # the web server has gone away
            _, err = process.communicate(b"", SLACK)
            self.assertIn(process.returncode, (0, 1, -signal.SIGPIPE), err)
            self.assertNotIn(b"Sanitizer", err)
        self.valid(cgi("GET", "/v1", key=key), 200, key)

    def test_sixteen_processes_that_want_one_address_get_one_row(self):
        path, body = self.root() + "/registries", b'{"serverAddress":"race.example.test"}'
        processes = [start(environment("POST", path, body, key)) for _ in range(16)]
        for p in processes:                              # all of them wait for their bodies now
            p.stdin.write(body)
            p.stdin.flush()
        replies = [finish("POST", path, p) for p in processes]
        self.assertEqual(sorted(r.status for r in replies), [201] + [400] * 15)
        self.assertEqual({r.json["code"] for r in replies if r.status == 400},
                         {"ServerAddressUsed"})
        self.assertEqual({r.exit for r in replies}, {0})

    def test_while_a_body_is_awaited_nothing_is_open_and_that_has_an_end(self):
        body = b'{"serverAddress":"slow.example.test"}'
        process = start(environment("POST", self.root() + "/registries", body, key,
                                    REGCRED_READ_TIMEOUT_S="1"))
        process.stdin.write(body[:1])
        process.stdin.flush()
        begun = time.monotonic()
        while process.poll() is None:
            names = []
            with contextlib.suppress(OSError):
                names = [os.readlink("/proc/%d/fd/%s" % (process.pid, fd))
                         for fd in os.listdir("/proc/%d/fd" % process.pid)]
            self.assertEqual([name for name in names if name.startswith(state)], [])
            self.assertLess(time.monotonic() - begun, 15)
            time.sleep(0.05)
        self.assertEqual(process.returncode, -signal.SIGALRM)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()

    def test_sixteen_processes_that_write_different_rows_all_succeed(self):
        path = self.root() + "/registries"
        bodies = [b'{"serverAddress":"w%d.example.test"}' % i for i in range(16)]
        processes = [start(environment("POST", path, body, key)) for body in bodies]
        replies = [finish("POST", path, p, body) for p, body in zip(processes, bodies)]
        self.assertEqual([r.status for r in replies], [201] * 16)
        self.assertEqual(len({r.json["id"] for r in replies}), 16)


class Broken(CgiCase):
    """Without usable settings, key or database: a short 500 for the client, the reason for the web
    server's log."""

    def broken(self, text, method="GET", also=(), **more):
        reply = cgi(method, "/v1/registries?secretValue=" + planted, b"x" * 100 if method == "POST"
                    else None, key=key, **more)
        self.assertEqual(reply.status, 500, reply)
        self.assertEqual(reply.header("Content-Type"), "application/json; charset=utf-8")
        if method == "HEAD":
            self.assertEqual(reply.body, b"")
        else:
            self.assertEqual(validator.error(reply.json, 500, own=True), [])
            self.assertEqual(reply.json["code"], "Internal Server Error")
            self.assertTrue(reply.json["detail"].endswith("."), reply.json)
            # No path, no name of a file or setting.
            for word in (directory, "/", "regcred", "sqlite", "key", "config", text):
                self.assertNotIn(word, reply.text)
        lines = [line for line in reply.stderr.splitlines() if line.strip()]
        self.assertEqual(len(lines), 1, reply.stderr)
        for part in (text, " error ", *also):
            self.assertIn(part, lines[0])
        self.no_secret(reply.stderr)

    def settings(self, text):
        path = os.path.join(directory, "broken.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_settings_that_are_missing_or_wrong(self):
        nowhere = os.path.join(directory, "nowhere")
        self.broken(nowhere + ".conf cannot be read: No such file or directory",
                    REGCRED_CONFIG=nowhere + ".conf")
        path = self.settings("state_dir = %s\nworkerz = 2\n" % state)
        for method in ("GET", "POST", "PUT", "DELETE"):
            self.broken('%s:2: unknown setting "workerz"' % path, method, REGCRED_CONFIG=path)
        self.broken("REGCRED_THREADS must be", REGCRED_THREADS="many")

    def test_nobody_is_let_in_by_the_environment(self):
        self.broken("open cannot be used for a CGI", REGCRED_OPEN="yes", REMOTE_ADDR="127.0.0.1",
                    HTTP_HOST="127.0.0.1")
        self.broken("open cannot be used for a CGI",
                    REGCRED_CONFIG=self.settings("state_dir = %s\nopen = yes\n" % state))

    def test_a_state_directory_that_the_web_server_may_serve(self):
        link = os.path.join(directory, "link")
        os.symlink(directory, link)
        for more in ({"DOCUMENT_ROOT": state}, {"DOCUMENT_ROOT": directory},
                     {"DOCUMENT_ROOT": link + "/"}, {"DOCUMENT_ROOT": os.path.join(state, "..")},
                     {"SCRIPT_FILENAME": os.path.join(directory, "regcred.cgi")},
                     {"SCRIPT_FILENAME": os.path.join(state, "regcred.cgi")}):
            with self.subTest(more):
                self.broken("is in the web root", **more)
        for more in ({"DOCUMENT_ROOT": os.path.join(directory, "www")},
                     {"DOCUMENT_ROOT": state + "x"}, {"DOCUMENT_ROOT": ""}, {"DOCUMENT_ROOT": "/nowhere"},
                     {"SCRIPT_FILENAME": "/usr/local/sbin/regcredd"}):
            with self.subTest(more):
                self.assertEqual(cgi("GET", "/v1", key=key, **more).status, 200)
        os.unlink(link)

    def test_HEAD_gets_no_body_then_either(self):
        self.broken("REGCRED_THREADS must be", "HEAD", REGCRED_THREADS="many")

    def test_a_state_directory_that_is_missing(self):
        self.broken("nowhere", REGCRED_CONFIG=self.settings("state_dir = %s/nowhere\n" % directory))

    def copy(self):
        path = os.path.join(directory, "copy")
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(state, path)
        return path

    def test_a_key_that_is_missing_wrong_or_open_to_others(self):
        copy = self.copy()
        name, config = os.path.join(copy, "master.key"), self.settings("state_dir = %s\n" % copy)
        os.chmod(name, 0o644)
        self.broken("master.key", REGCRED_CONFIG=config)
        os.unlink(name)
        self.broken("master.key", REGCRED_CONFIG=config)
        other = os.path.join(directory, "other")
        regcred("init", "--state-dir", other)
        shutil.copy(os.path.join(other, "master.key"), name)
        self.broken("master.key", REGCRED_CONFIG=config)
        shutil.rmtree(other)
        shutil.rmtree(copy)

    def test_a_database_that_another_process_keeps(self):
        """A stopped command, in the middle of a commit: that ends."""
        copy = self.copy()
        name, config = os.path.join(copy, "regcred.db"), self.settings("state_dir = %s\n" % copy)
        with contextlib.closing(sqlite3.connect(name, isolation_level=None)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("BEGIN EXCLUSIVE")
            reply = cgi("GET", "/v1/registries", key=key, REGCRED_CONFIG=config)
        self.assertEqual(reply.status, 503, reply)
        self.assertEqual(reply.header("Retry-After"), "5")
        self.assertEqual(validator.error(reply.json, 503, own=True), [])
        self.assertIn("stop what is using it", reply.stderr)
        self.assertEqual(cgi("GET", "/v1/registries", key=key, REGCRED_CONFIG=config).status, 200)
        shutil.rmtree(copy)

    def test_a_database_that_is_missing_or_garbage(self):
        copy = self.copy()
        name, config = os.path.join(copy, "regcred.db"), self.settings("state_dir = %s\n" % copy)
        for n in os.listdir(copy):
            if n.startswith("regcred.db"):
                os.unlink(os.path.join(copy, n))
        self.broken("regcred.db", REGCRED_CONFIG=config)
        self.assertFalse(os.path.exists(name), "a request made a database")
        with open(name, "wb") as f:
            f.write(b"garbage " * 1000)
        self.broken("regcred.db", also=["file is not a database"], REGCRED_CONFIG=config)
        with open(name, "rb") as f:
            self.assertEqual(f.read(), b"garbage " * 1000)
        shutil.rmtree(copy)


class Server(threading.Thread):
    """The smallest web server that runs a CGI program: one request on each connection, headers as
    RFC 3875 says."""

    def __init__(self, drop=()):
        super().__init__(daemon=True)
        self.drop = {name.lower() for name in drop}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            connection.settimeout(SLACK)
            method, target, _ = stream.readline().decode("latin-1").split()
            headers = {}
            for line in iter(stream.readline, b"\r\n"):
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            path, _, query = target.partition("?")
            env = dict(plain_environment(), GATEWAY_INTERFACE="CGI/1.1", SERVER_PROTOCOL="HTTP/1.1",
                       REQUEST_METHOD=method, SCRIPT_NAME=SCRIPT,
                       PATH_INFO=urllib.parse.unquote(path[len(SCRIPT):]), QUERY_STRING=query,
                       REMOTE_ADDR="127.0.0.1", SERVER_NAME="127.0.0.1",
                       SERVER_PORT=str(self.port), REGCRED_CONFIG=ini)
            for name, value in headers.items():
                if name in ("content-length", "content-type"):
                    env[name.upper().replace("-", "_")] = value
                elif name not in self.drop:
                    env["HTTP_" + name.upper().replace("-", "_")] = value
            process = start(env)
            out, err = process.communicate(stream.read(int(headers.get("content-length", 0))),
                                           SLACK)
            status, _, rest = out.partition(b"\r\n")
            connection.sendall(b"HTTP/1.1 %s\r\nConnection: close\r\n%s"
                               % (status[len(b"Status: "):], rest))

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()


class BehindAServer(CgiCase):
    """Through a web server, following the links alone."""

    def talk(self, server, headers):
        def ask(method, url, body=None, wanted=200):
            parts = urllib.parse.urlsplit(url)
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SLACK)
            connection.request(method, parts.path + ("?" + parts.query if parts.query else ""),
                               None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            self.assertEqual(answer.status, wanted, data)
            self.assertIsNotNone(answer.getheader("X-API-Schemas"))
            return json.loads(data)
        root = ask("GET", "http://127.0.0.1:%d%s/v1" % (server.port, SCRIPT))
        registry = ask("POST", root["links"]["registries"],
                       {"serverAddress": "walk%d.example.test" % server.port}, 201)
        ask("GET", registry["links"]["self"])
        ask("POST", ask("GET", registry["links"]["self"])["actions"]["deactivate"], {}, 202)
        removed = ask("DELETE", registry["links"]["self"])
        self.assertEqual(removed["id"], registry["id"])
        self.assertTrue(registry["links"]["self"].startswith("http://127.0.0.1:%d%s/v1/"
                                                             % (server.port, SCRIPT)))
        ask("GET", root["links"]["self"].replace("/v1", "/v3"), wanted=404)

    def test_the_whole_way_with_Authorization(self):
        server = Server()
        server.start()
        try:
            self.talk(server, {"Authorization": basic(key)})
        finally:
            server.stop()

    def test_the_whole_way_behind_a_server_that_keeps_Authorization_to_itself(self):
        server = Server(drop=("authorization",))
        server.start()
        try:
            self.talk(server, {"Authorization": basic(("x", "y")), "X-API-Key": ":".join(key)})
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(unittest.main())
