"""harness: one regcred pool behind one private nginx, a client that records and validates every
answer, and the checks after each test.

A test module holds

    import harness
    setUpModule, tearDownModule = harness.site_of(globals())

and then finds its Site in `site`; its test classes derive from harness.Case.  Programs come from
the directory in REGCRED_BUILD
(default: the current one), the source tree from REGCRED_SRC (default: two directories above this
file).
"""

import array
import atexit
import base64
import contextlib
import ctypes
import glob
import functools
import hashlib
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
import weakref

import fronts
import openapi
import postgres
import validator

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("REGCRED_BUILD", os.getcwd()))
SRC = os.path.abspath(os.environ.get("REGCRED_SRC", os.path.join(HERE, "..", "..")))
# What --version prints of itself: a commit only where the build knew it.
VERSION = r"\d+\.\d+\.\d+( \([0-9a-f]{12}\+?\))?"
NGINX = os.environ.get("REGCRED_NGINX") or shutil.which("nginx", path=os.environ.get("PATH", "")
                                                        + ":/usr/sbin:/sbin")

# Every secret that a test makes up begins with this, so that a few needles find all of them.
PLANT = "zQ7planted~Kx"
# every site has this one in place of the default
JOURNAL = os.environ.get("REGCRED_JOURNAL")
# postgresql: every site has a database on a server in place of a file
ENGINE = os.environ.get("REGCRED_TEST_ENGINE", "sqlite")
START_TIMEOUT = 30.0

STATES = ("activating", "active", "deactivating", "inactive", "purged", "purging", "registering",
          "removed", "removing",
          "requested", "updating-active", "updating-inactive")


def site_of(module_globals, **options):
    """The setUpModule and tearDownModule of a test module; they keep its Site in the module's
    `site`."""
    def set_up():
        module_globals["site"] = Site(**options)
        module_globals["site"].start()

    def tear_down():
        module_globals["site"].stop()
    return set_up, tear_down


def end_with_parent():
    """In a child before its exec: SIGTERM when this process dies, however it dies, so that no run
    leaves a program behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)           # PR_SET_PDEATHSIG


def program(name):
    for directory in (BUILD, os.path.join(BUILD, "src")):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise FileNotFoundError("%s is not in %s (set REGCRED_BUILD to the build directory)"
                            % (name, BUILD))


# for a test that works on the file of the database
of_a_file = unittest.skipIf(ENGINE != "sqlite", "the database is a file there")


def is_sanitized():
    """Whether the programs that are tested were built with ASan or TSan."""
    with open(program("regcredd"), "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


@functools.cache
def forms(secret):
    """The byte strings by which a secret betrays itself: raw, UTF-16, base64 of both alphabets at
    each of the three alignments, hex with and without blanks, escaped as in a log or JSON,
    percent-encoded as little as must be or throughout."""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = {raw, raw.decode("utf-8", "replace").encode("utf-16-le"),
             urllib.parse.quote(raw, safe="").encode(),
             urllib.parse.quote_plus(raw).encode(),
             json.dumps(raw.decode("utf-8", "replace"))[1:-1].encode()}
    for digits in ("%02x", "%02X"):
        for between in ("", " ", "%", "\\x"):
            found.add(between.join(digits % byte for byte in raw).encode())
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        # characters that hold bits of what stands before
        first = (0, 2, 3)[shift]
        # characters that hold nothing of what follows
        whole = (shift + len(raw)) * 8 // 6
        text = text[first:whole]
        found.add(text)
        found.add(text.replace(b"+", b"-").replace(b"/", b"_"))
    return frozenset(found)


class Needles:
    """Looks for all forms of many secrets at once: one after the other took most of the time of the
    modules that make hundreds of keys.  Wherever a needle of 15 bytes or more lies, a run of 8 of
    its bytes is at a multiple of 8: only those are compared, and only of what shares one the whole
    is looked for."""

    def __init__(self, secrets):
        self.short, self.runs = set(), {}
        for needle in set().union(*map(forms, secrets)):
            if len(needle) < 15:
                self.short.add(needle)
                continue
            for at in range(8):
                run = int.from_bytes(needle[at:at + 8], sys.byteorder)
                self.runs.setdefault(run, set()).add(needle)

    def within(self, data):
        runs = array.array("Q", data[:len(data) // 8 * 8])
        suspects = set(self.short)
        for run in set(filter(self.runs.__contains__, runs)):
            suspects |= self.runs[run]
        return {needle for needle in suspects if needle in data}


class Response:
    """Status, headers (a list of pairs, in order) and body of an answer."""

    def __init__(self, method, path, status, headers, body):
        self.method, self.path, self.status, self.headers, self.body = method, path, status, headers, body

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def all_headers(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def json(self):
        return json.loads(self.body.decode("utf-8"))

    @property
    def is_json(self):
        return (self.header("Content-Type") or "").startswith("application/json")

    @property
    def text(self):
        return self.body.decode("utf-8")

    def __repr__(self):
        return "%s %s -> %d %s" % (self.method, self.path, self.status, self.body[:600])


class Connection:
    """One connection to nginx that is kept alive; sends bytes as they are and reads one answer."""

    def __init__(self, port):
        self.port, self.sock = port, None

    def close(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    __del__ = close

    def _once(self, method, data):
        if self.sock is None:
            self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass                                         # an early answer may be waiting to be read
        answer = http.client.HTTPResponse(self.sock, method=method)
        answer.begin()
        body = answer.read()
        headers = answer.getheaders()
        if answer.will_close:
            self.close()
        return answer.status, headers, body

    def exchange(self, method, data):
        fresh = self.sock is None
        try:
            return self._once(method, data)
        except (http.client.BadStatusLine, ConnectionError):
            self.close()
            if fresh:
                raise
            return self._once(method, data)              # nginx had closed the idle connection
        except BaseException:
            self.close()
            raise


class Client:
    """Requests of one caller.  A path that begins with "/" is taken as it is, another one is put
    behind `root`."""

    def __init__(self, site, key=None, root="/v1", headers=(), user_agent="regcred-tests"):
        self.site, self.key, self.root = site, key, root
        self.headers = list(headers)
        self.user_agent = user_agent
        self.local = threading.local()

    def at(self, root):
        return Client(self.site, self.key, root, self.headers, self.user_agent)

    def authorization(self):
        if self.key is None:
            return None
        return "Basic " + base64.b64encode(":".join(self.key).encode()).decode()

    def connection(self):
        if getattr(self.local, "connection",
                   None) is None or self.local.connection.port != self.site.port:
            self.local.connection = Connection(self.site.port)
            self.site.connections.add(self.local.connection)
        return self.local.connection

    def url(self, path):
        """The raw request target of a relative or absolute path or of an absolute URL of this
        site."""
        if path.startswith(self.site.base):
            return path[len(self.site.base):] or "/"
        return path if path.startswith("/") else self.root + "/" + path if path else self.root

    def request(self, method, path, body=None, headers=(), content_type=None, auth=True,
                proxy=False, check=True, agent=True):
        """Sends one request and validates its answer.

        body: None, bytes or str as they are, anything else as JSON (then Content-Type is
        application/json unless content_type
        says otherwise; "" sends none).  proxy: the answer may be nginx's own.  check=False: no
        validation at all.
        """
        target = self.url(path)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            content_type = "application/json" if content_type is None else content_type
        data = body.encode() if isinstance(body, str) else body
        extra = self.headers + list(headers.items() if isinstance(headers, dict) else headers)
        names = {name.lower() for name, _ in extra}
        lines = [] if "host" in names else ["Host: 127.0.0.1:%d" % self.site.port]
        if agent and self.user_agent and "user-agent" not in names:
            lines.append("User-Agent: " + self.user_agent)
        if auth and self.key and "authorization" not in names:
            lines.append("Authorization: " + self.authorization())
        if content_type:
            lines.append("Content-Type: " + content_type)
        if data is not None or method in ("POST", "PUT"):
            if "content-length" not in names and "transfer-encoding" not in names:
                lines.append("Content-Length: %d" % len(data or b""))
        lines += ["%s: %s" % pair for pair in extra]
        raw_target = target if isinstance(target, bytes) else target.encode("utf-8")
        head = method.encode() + b" " + raw_target + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode(
            "latin-1") + b"\r\n\r\n"
        status, got, answer = self.connection().exchange(method, head + (data or b""))
        if dict((k.lower(), v) for k, v in got).get("content-encoding") == "gzip":
            import gzip
            answer = gzip.decompress(answer)
        response = Response(method, target, status, got, answer)
        self.site.count += 1
        if check:
            identity = self._identity(target, extra, auth)
            for problem in self.site.validate(response, self, identity, proxy):
                self.site.problems.append("%s %s -> %d: %s"
                                          % (method, str(target)[:160], status, problem))
        return response

    def _identity(self, target, extra, auth):
        """The headers and query parameters that decide who asks in which scope, as needed to fetch
        the matching schemas."""
        wanted = [(n, v) for n, v in extra if n.lower() in ("authorization", "x-api-key",
                                                            "x-api-project-id")]
        if auth and self.key and not any(n.lower() == "authorization" for n, _ in wanted):
            wanted.append(("Authorization", self.authorization()))
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(str(target)).query)
        project = query.get("projectId", [None])[0]
        return tuple(sorted(wanted)), project

    def get(self, path="", **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body, **kw)

    def put(self, path, body=None, **kw):
        return self.request("PUT", path, body, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)

    def action(self, path, name, body=None, **kw):
        return self.request("POST", "%s/?action=%s" % (path, name), body, **kw)


class Project:
    """A project of its own for one test: `env` is its environment key, `admin` the administrator
    scoped to it."""

    def __init__(self, site, resource):
        self.site, self.resource, self.id = site, resource, resource["id"]
        self.root, self.beta = "/v1/projects/" + self.id, "/v2-beta/projects/" + self.id
        self.admin = site.admin.at(self.root)
        self.env = Client(site, site.new_key(self.admin), self.root)
        self.serial = 0

    def registry(self, client=None, **fields):
        """A new active registry, as POST printed it."""
        self.serial += 1
        body = {"name": "r%d" % self.serial, "serverAddress": "r%d.p%s.example.test"
                % (self.serial, self.id)}
        body.update(fields)
        response = (client or self.env).post("registries", body)
        assert response.status == 201, response
        return response.json

    def credential(self, registry, client=None, **fields):
        """A new active registryCredential, as POST printed it; its secret is planted."""
        self.serial += 1
        body = {"name": "c%d" % self.serial, "email": "c%d@example.test" % self.serial,
                "publicValue": "user%d" % self.serial,
                "registryId": registry if isinstance(registry, str) else registry["id"],
                "secretValue": self.site.plant()}
        body.update(fields)
        response = (client or self.env).post("registrycredentials", body)
        assert response.status == 201, response
        return response.json

    def settle(self, path):
        """GET of a row after a change: the final state must be there at once."""
        response = self.env.get(path)
        assert response.status == 200, response
        return response.json


PROCESSES = {"registering": "create", "activating": "activate", "deactivating": "deactivate",
             "removing": "remove", "purging": "purge"}
RESTING = ("requested", "active", "inactive", "removed", "purged")


def steps_of(states, event):
    """A chain of states as steps; one that is followed by the next in the middle ends where it
    runs."""
    steps, i = [], 0
    while i + 1 < len(states):
        during = states[i + 1]
        if during in RESTING:   # what waited for its end
            steps.append((event, states[i], states[i], during))
            i += 1
            continue
        rests = i + 2 < len(states) and states[i + 2] in RESTING
        steps.append((PROCESSES.get(during, event), states[i], during, states[i + 2] if rests
                      else during))
        i += 2 if rests else 1
    return steps


class File:
    """The database of a site, past regcred; postgres.Database does the same on a server."""

    address = None

    def __init__(self, site):
        self.site = site

    # some tests move it
    path = property(lambda self: self.site.db)

    def prepare(self):
        pass

    def sql(self, statement, values=(), write=False):
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            connection.execute("PRAGMA busy_timeout=10000")
            if not write:
                return connection.execute(statement, values).fetchall()
            connection.execute("BEGIN IMMEDIATE")
            changed = connection.execute(statement, values).rowcount
            connection.execute("COMMIT")
            return changed
        finally:
            connection.close()

    def tables(self):
        return [row[0] for row in self.sql("SELECT name FROM sqlite_master WHERE type = 'table' "
                                           "AND name NOT LIKE 'sqlite_%' ORDER BY name")]

    def columns(self, table):
        return [row[1] for row in self.sql('PRAGMA table_info("%s")' % table)]

    def version(self):
        """What each commit changes: the header of the index of the write-ahead log, or the counter
        in the file itself.  Read past SQLite, which would keep a lock on the file that goes
        whenever this process closes it."""
        found = []
        for name, at, size in ((self.path, 24, 4), (self.path + "-shm", 0, 96)):
            with contextlib.suppress(FileNotFoundError), open(name, "rb") as f:
                f.seek(at)
                found.append(f.read(size))
        return found


class Site:
    """A state directory, a pool and an nginx (or another front) of its own on a free port."""

    end_with_parent = staticmethod(end_with_parent)

    def __init__(self, workers=2, threads=4, options=(), environment=None, front=None):
        self.front_name = front or os.environ.get("REGCRED_FRONT", "nginx")
        self.is_cgi = fronts.FRONTS[self.front_name][1]
        self.front = fronts.Front(self, SRC,
                                  program("regcredd")) if self.front_name != "nginx" else None
        # a socket that the pool is given, in place of its own
        self.listener = None
        self.workers, self.threads, self.options = workers, threads, list(options)
        self.environment = dict(environment or {})
        self.pool = self.nginx = self.database = None
        self.key_from = None      # a key file that it begins with, as another host of a service
        self.problems, self.count = [], 0
        # a client that is not used any more closes its own
        self.connections = weakref.WeakSet()
        self.schemas = {}
        self.planted, self.needles = 0, sorted(forms(PLANT))
        self.key_secrets, self.told, self.files = [], set(), {}
        self.last_snapshot = None, None
        self.offsets, self.deaths_allowed = {}, False
        self.lock = threading.Lock()
        self.role_clients = {}

    # -- start and stop

    def start(self):
        self.root = tempfile.mkdtemp(prefix="rc-")
        atexit.register(self.kill)
        self.state = os.path.join(self.root, "state")
        self.log = os.path.join(self.root, "regcredd.log")
        self.db = os.path.join(self.state, "regcred.db")
        self.socket = os.path.join(self.state, "regcredd.sock")
        if self.database is None:
            self.database = postgres.database() if ENGINE == "postgresql" else File(self)
        if self.database.address:
            self.environment["REGCRED_DATABASE"] = self.database.address
        if self.key_from:
            os.mkdir(self.state, 0o700)
            shutil.copy(self.key_from, os.path.join(self.state, "master.key"))
        try:
            self.cli("init", "--state-dir", self.state)
            if not self.key_from:
                self.database.prepare()
            if self.front:
                self.front.prepare()
                self.options += ["--user", fronts.user()] if fronts.user() else []
            self.start_pool()
            self.start_nginx()
            self.wait_ready()
            self.remember_children()
            self.admin = Client(self, self.cli_key("1a1"))
        except unittest.SkipTest:
            self.kill()
            raise
        except BaseException:
            print(self.tail(), file=sys.stderr)
            self.kill()
            raise

    def environ(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("REGCRED_")}
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        if JOURNAL:
            env["REGCRED_JOURNAL"] = JOURNAL
        env.update(self.environment)
        return env

    def cli(self, *words, check=True):
        done = subprocess.run([program("regcred"), *words], env=self.environ(), capture_output=True,
                              text=True, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError("regcred %s: exit %d: %s%s" % (" ".join(words), done.returncode,
                                                              done.stdout, done.stderr))
        return done if not check else done.stdout

    def cli_key(self, account, name="test"):
        """(access, secret) of a new key, made with the command line program."""
        lines = self.cli("key", "create", "--state-dir", self.state, "--account", account, "--name",
                         name).splitlines()
        if len(lines) != 2 or not lines[0].startswith("REGCRED_ACCESS_KEY=") or not lines[
            1].startswith("REGCRED_SECRET_KEY="):
            raise RuntimeError("regcred key create printed %r" % lines)
        key = tuple(line.split("=", 1)[1] for line in lines)
        self.key_secrets.append(key)
        return key

    def cli_account(self, kind, name):
        out = self.cli("account", "add", "--state-dir", self.state, "--kind", kind, "--name", name)
        if not re.fullmatch(r"1a[1-9][0-9]*\n", out):
            raise RuntimeError("regcred account add printed %r" % out)
        return out.strip()

    def start_pool(self):
        with open(self.log, "ab") as log:
            self.pool = subprocess.Popen(
                [program("regcredd"), "--state-dir", self.state, "--workers", str(self.workers),
                 "--threads", str(self.threads),
                 "--auth-failures", "0", "--writes-per-minute", "0", "--rows-per-project", "0",
                 "--room-per-account", "0", *self.options], stdin=self.listener
                 or subprocess.DEVNULL, stdout=log, stderr=log, env=self.environ(), cwd=self.root,
                preexec_fn=end_with_parent)

    def nginx_words(self):
        """The command line of the nginx that is shipped, with its configuration written for this
        port."""
        if NGINX is None:
            raise FileNotFoundError("nginx is not installed")
        with open(os.path.join(SRC, "nginx", "quickstart.conf.in"), encoding="utf-8") as f:
            text = f.read()
        # `include regcred_params` is looked for beside the configuration file.
        shutil.copy(os.path.join(SRC, "nginx", "regcred_params"), self.root)
        for name, value in (("PORT", str(self.port)), ("STATE", self.state),
                            ("SOCKET", self.socket),
                            ("USER_LINE", "user root;" if os.geteuid() == 0 else ""),
                            ("NGINX_DIR", os.path.join(SRC, "nginx"))):
            text = text.replace("@%s@" % name, value)
        left = re.findall(r"@[A-Z_]+@", text)
        if left:
            raise RuntimeError("quickstart.conf.in: no value for %s" % ", ".join(sorted(set(left))))
        text = re.sub(r"(?m)^\s*daemon\s+\w+;", "", text)
        conf = os.path.join(self.root, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(text)
        self.nginx_errors = os.path.join(self.root, "nginx-start.log")
        return [NGINX, "-e", self.nginx_errors, "-p", self.root, "-c", conf, "-g", "daemon off;"]

    def start_nginx(self):
        """Or what stands in its place: see fronts.py."""
        for attempt in range(5):
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                self.port = s.getsockname()[1]
            self.base = "http://127.0.0.1:%d" % self.port
            words = fronts.FRONTS[self.front_name][0](self.front,
                                                      self.port) if self.front else self.nginx_words()
            with open(os.path.join(self.root, "nginx.out"), "ab") as out:
                self.nginx = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out,
                                              stderr=out, preexec_fn=end_with_parent,
                                              # Apache ends its whole process group
                                              start_new_session=self.front is not None)
            for _ in range(250 if self.front else 100):
                if self.nginx.poll() is not None:
                    break
                try:
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                    return
                except OSError:
                    time.sleep(0.02)
            if self.nginx.poll() is None:
                self.nginx.kill()
            self.nginx.wait()
        raise RuntimeError("%s does not start" % self.front_name)

    def wait_ready(self, timeout=START_TIMEOUT):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.pool.poll() is not None:
                raise RuntimeError("regcredd ended with %d" % self.pool.returncode)
            try:
                if os.path.exists(self.socket):
                    connection = Connection(self.port)
                    status, _, body = connection.exchange("GET",
                                                          b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    connection.close()
                    if status == 200 and body.strip() == b"pong" and len(
                        self.children()) >= self.workers:
                        if self.answers():
                            return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("regcredd does not answer")

    def answers(self):
        """True when the pool itself answers (a /ping may be nginx's own answer)."""
        connection = Connection(self.port)
        status, _, _ = connection.exchange("GET",
                                           b"GET /v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.close()
        return status in (200, 401)

    def stop_pool(self, sig=signal.SIGTERM, timeout=20):
        self.pool.send_signal(sig)
        try:
            return self.pool.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_pool()
            raise RuntimeError("regcredd does not end on signal %d" % sig)

    def kill_pool(self):
        """kill -9 of the master and everything it started, as a power cut would."""
        pids = [self.pool.pid] + self.children()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.pool.wait()
        end = time.monotonic() + 5
        while any(alive(pid) for pid in pids) and time.monotonic() < end:
            time.sleep(0.01)

    def kill(self):
        if self.pool is not None and self.pool.poll() is None:
            self.kill_pool()
        if self.nginx is not None and self.nginx.poll() is None:
            self.nginx.terminate()
            self.nginx.wait(10)
        if self.front:
            self.front.end()
        shutil.rmtree(self.root, ignore_errors=True)
        atexit.unregister(self.kill)

    def stop(self):
        """Ends both programs by pid; says everything that is wrong with how they ended and with
        what they left."""
        problems = []
        for connection in list(self.connections):
            connection.close()
        children = self.children()
        try:
            status = self.stop_pool() if self.pool.poll() is None else self.pool.returncode
            if status != 0:
                problems.append("regcredd ended with exit status %d" % status)
            problems += ["process %d outlived regcredd" % pid for pid in children if alive(pid)]
            problems += self.check_logs() + self.check_secrets(everything=True) + self.problems
            self.nginx.terminate()
            self.nginx.wait(10)
        finally:
            if problems:
                print(self.tail(), file=sys.stderr)
            self.kill()
        if problems:
            raise AssertionError("at the end of the module:\n" + "\n".join(problems))

    def tail(self):
        texts = []
        for path in [self.log] + sorted(glob.glob(os.path.join(self.root, "**", "*error*.log"),
                                                  recursive=True)) + \
                [os.path.join(self.root, "nginx-start.log"), os.path.join(self.root, "nginx.out")]:
            try:
                with open(path, errors="replace", encoding="utf-8") as f:
                    lines = f.readlines()[-15:]
            except OSError:
                continue
            if lines:
                texts.append("--- %s\n%s" % (os.path.basename(path), "".join(lines)))
        return "\n".join(texts)

    # -- processes

    def children(self):
        if self.pool is None or self.pool.poll() is not None:
            return []
        try:
            with open("/proc/%d/task/%d/children" % (self.pool.pid, self.pool.pid),
                      encoding="ascii") as f:
                return [int(word) for word in f.read().split()]
        except OSError:
            return []

    def remember_children(self):
        # Through a CGI nothing waits for the pool: it may still be starting.
        self.known_children = set() if self.is_cgi else set(self.children())

    # -- what the tests need made

    def plant(self, text=""):
        """A fresh secret that must never be seen in a log or in the database."""
        self.planted += 1
        return "%s%d-%s%s" % (PLANT, self.planted, os.urandom(6).hex(), text)

    def new_key(self, client, **fields):
        """(access, secret) of a new apiKey made through the API."""
        response = client.post("apikeys", dict({"name": "key"}, **fields))
        if response.status != 201:
            raise AssertionError("POST apikeys: %r" % response)
        key = (response.json["publicValue"], response.json["secretValue"])
        self.key_secrets.append(key)
        return key

    def project(self, name="p", members=None, client=None):
        body = {"name": name}
        if members:
            body["members"] = [{"externalId": who, "externalIdType": "rancher_id", "role": role}
                               for who, role in members]
        response = (client or self.admin).post("/v1/projects", body)
        if response.status != 201:
            raise AssertionError("POST /v1/projects: %r" % response)
        return Project(self, response.json)

    def account(self, kind, name=None):
        """(id, unscoped client) of a new account."""
        made = self.cli_account(kind, name or kind)
        return made, Client(self, self.cli_key(made))

    def anonymous(self, root="/v1"):
        return Client(self, None, root)

    # -- the database, looked at and changed from outside

    def sql(self, statement, values=(), write=False):
        with self.lock:
            return self.database.sql(statement, values, write)

    def columns(self, table):
        return self.database.columns(table)

    def steps(self, resource=None):
        """The steps of a row's states, (process, before, during, after), from the changes in its
        rows of the audit log; without a resource of all rows, by their ids."""
        found = {}
        for number, event, text, count in self.sql(
                "SELECT resource_id, event_type, changes, attempts FROM audit_log WHERE changes "
                "LIKE '%\"state\":{%' AND coalesce(?1, resource_id) = resource_id ORDER BY id",
                (resource,)):
            change = json.loads(text)["state"]
            steps = steps_of([change.get("old")] * ("old" in change) + change.get("passed", [])
                             + [change["new"]], event)
            found.setdefault(number, []).extend(steps * count)    # equal changes are one row
        return found if resource is None else found.get(resource, [])

    def snapshot(self):
        """{table: (rows, digest of their content)} of the whole database; the last use of a key,
        leases and the like left out, and what is logged of refused requests when their minute is
        over.
        If nobody has committed since the last one it is that."""
        version = self.database.version()
        if self.last_snapshot[0] != version:
            self.last_snapshot = version, self.digests()
        return self.last_snapshot[1]

    def digests(self):
        found = {}
        for table in self.database.tables():
            log = table == "audit_log"
            names = ", ".join('"%s"' % name for name in self.database.columns(table)
                              if not name.startswith("last_used")
                              and not (log and name in ("id", "previous_hash", "hash")))
            rows = self.sql('SELECT %s FROM "%s"%s' % (
                names, table, " WHERE coalesce(response_code, 0) < 400" if log else ""))
            found[table] = (len(rows),
                            hashlib.sha256(repr(sorted(rows, key=repr)).encode()).hexdigest())
        return {t: v for t, v in found.items() if t not in ("lease", "housekeeping", "meta",
                                                      "audit_segment")}

    def set_state(self, table, external_id, state, removed=None, remove_time=None):
        number = int(re.sub(r"^1[a-z]+", "", external_id))
        changed = self.sql("UPDATE %s SET state = ?, removed = ?, remove_time = ? WHERE id = ?"
                           % table,
                           (state, removed, remove_time, number), write=True)
        if changed != 1:
            raise AssertionError("%s %s: %d rows changed" % (table, external_id, changed))

    # -- validation and the checks after each test

    def schemas_for(self, client, identity, url):
        """{id: schema} as published to this caller at the URL that an X-API-Schemas header named;
        None if that is not 200."""
        key = (identity, url)
        if key not in self.schemas:
            headers, project = identity
            path = url[len(self.base):] + ("?projectId=" + project if project else "")
            response = Client(self, None).request("GET", path, headers=headers, auth=False,
                                                  check=False)
            if response.status != 200 or not response.is_json:
                return None
            document = response.json
            self.schemas[key] = {item["id"]: item for item in document["data"]}
            for problem in validator.schema_collection(document, self.base):
                self.problems.append("GET %s: %s" % (path, problem))
        return self.schemas[key]

    def forget_schemas(self):
        """To be called when a test changed somebody's role."""
        self.schemas.clear()

    def openapi_for(self, client, identity, url):
        """The OpenAPI document of this caller, beside the schemas at the URL; None if it is not to
        be had."""
        key = (identity, url, "openapi")
        if key not in self.schemas:
            headers, project = identity
            path = url[len(self.base):].removesuffix("/schemas") + "/openapi.json" + (
                "?projectId=" + project if project else "")
            answer = Client(self, None).request("GET", path, headers=headers, auth=False,
                                                check=False)
            self.schemas[key] = answer.json if answer.status == 200 and answer.is_json else None
        return self.schemas[key]

    def validate(self, response, client, identity, proxy):
        problems = validator.response(response, self.base,
                                      lambda url: self.schemas_for(client, identity, url), proxy)
        url = response.header("X-API-Schemas")
        if problems or url is None or response.method == "HEAD" or not response.body or not response.is_json or not url.startswith(self.base):
            return problems
        # Who was refused is not made to ask for the document: that would be refused too, and counted.
        doc = self.openapi_for(client, identity, url) if response.status < 400 else self.schemas.get((identity, url, "openapi"))
        body = response.json
        if doc is None or not isinstance(body, dict) or "type" not in body:
            return problems
        return openapi.problems(doc, response.method, str(response.path), response.status, body)

    def new_text(self, path):
        """What was appended to a log since the last look, behind up to 200 bytes of what stood
        before; and how many those are."""
        try:
            size = os.path.getsize(path)
        except OSError:
            return b"", 0
        seen = self.offsets.get(path, 0)
        seen = seen if size >= seen else 0
        if size == seen:
            return b"", 0
        before = min(seen, 200)
        with open(path, "rb") as f:
            f.seek(seen - before)
            self.offsets[path] = size
            return f.read(size - seen + before), before

    def log_files(self):
        found = [self.log, os.path.join(self.root, "nginx-start.log"),
                 os.path.join(self.root, "nginx.out")]
        return found + [p for p in glob.glob(os.path.join(self.root, "**", "*.log"), recursive=True)
                        if p not in found]

    def secrets(self):
        return Needles([PLANT] + [secret for _, secret in self.key_secrets])

    def check_logs(self):
        problems, needles = [], self.secrets()
        for path in self.log_files():
            text, before = self.new_text(path)
            name = os.path.basename(path)
            for line in text[before:].splitlines():
                # Without a pool nginx cannot connect: that is meant where a test ends it.
                meant = self.deaths_allowed and b"connect() to unix:" in line
                if re.search(rb"\[(alert|crit|emerg)\]", line) and path != self.log and not meant:
                    problems.append("%s: %s" % (name, line.decode(errors="replace")))
                if path == self.log and re.search(
                    rb"Sanitizer|runtime error:|[Aa]ssertion .*failed", line):
                    problems.append("%s: %s" % (name, line.decode(errors="replace")))
                if path == self.log and not self.deaths_allowed and re.search(
                    rb"worker\b.*\b(died|killed|crashed|ended by signal)", line):
                    problems.append("%s: %s" % (name, line.decode(errors="replace")))
            # A needle may have been cut by the last look, but one that was whole then has been
            # reported.
            problems += ["%s: holds a secret (as %r)" % (name, needle)
                         for needle in sorted(needles.within(text))
                         if text.rfind(needle) + len(needle) > before]
        return problems

    def changed(self, path, everything):
        """What a file holds, or the parts of it that are not as they were at the last look."""
        block, before = 1 << 16, self.files.get(path, b"")
        try:
            with open(path, "rb") as f:
                data = self.files[path] = f.read()
        except OSError:
            return b""
        if everything:
            return data
        return b"\n\0\n".join(data[max(0, at - 500):at + block + 500]
                              for at in range(0, len(data), block)
                              if data[at:at + block] != before[at:at + block])

    def check_secrets(self, everything=False):
        """The planted secrets in the database, its WAL and anything else that lies in the site's
        directory; each is told once."""
        needles = self.secrets()
        problems = []
        for directory, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.isfile(path) or (not everything and path.endswith(".log")):
                    continue
                data = self.changed(path, everything)
                found = {(path, needle) for needle in needles.within(data)} - self.told
                self.told |= found
                problems += ["%s holds a secret (as %r)" % (name, needle) for _,
                             needle in sorted(found)]
        return problems

    def check_processes(self):
        problems = []
        if self.pool.poll() is not None:
            problems.append("regcredd ended with %d" % self.pool.returncode)
        elif not self.deaths_allowed:
            now = {pid for pid in self.children() if alive(pid)}
            problems += ["child process %d of regcredd is gone" % pid
                         for pid in self.known_children - now]
            self.known_children &= now
        if self.nginx.poll() is not None:
            problems.append("nginx ended with %d" % self.nginx.returncode)
        return problems

    def end_test(self):
        found, self.problems = self.problems, []
        return found + self.check_processes() + self.check_logs() + self.check_secrets()


# processes of a pool besides its workers: the housekeeper and the refresher
OTHERS = 2


def threads_of(pid):
    """The threads of a process; 0 for the refresher, whose threads have a name, so that those with
    many are the workers."""
    count = 0
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/comm" % (pid, task), encoding="ascii") as f:
                if f.read() == "renew\n":
                    return 0
            count += 1
    except OSError:
        pass
    return count


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.01)
    return bool(true())


class Case(unittest.TestCase):
    """Checks the site after each test: see Site.end_test."""

    longMessage = True
    maxDiff = 4000

    @property
    def site(self):
        return sys.modules[type(self).__module__].site

    def setUp(self):
        self.deaths_before = self.site.deaths_allowed

    def tearDown(self):
        problems = self.site.end_test()
        self.site.deaths_allowed = self.deaths_before
        if problems:
            self.fail("after the test:\n" + "\n".join(dict.fromkeys(problems)))

    # -- assertions

    def status(self, response, *wanted):
        self.assertIn(response.status, wanted, repr(response))
        return response

    def ok(self, response, status=200):
        """The JSON of an answer that must have this status."""
        self.status(response, status)
        return response.json

    def err(self, response, status, code, field=None):
        self.status(response, status)
        body = response.json
        self.assertEqual(body["type"], "error", repr(response))
        self.assertEqual(body["status"], status, repr(response))
        self.assertIn(body["code"], code if isinstance(code, (tuple, list)) else (code,),
                      repr(response))
        self.assertEqual(body.get("fieldName"), field, repr(response))
        return body

    def ids(self, response):
        return [item["id"] for item in self.ok(response)["data"]]
