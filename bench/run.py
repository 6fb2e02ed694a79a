#!/usr/bin/env python3
"""run.py [--seconds N] [--rounds N] [--connections N] [ROW...]: how fast regcred is, in ratios
against a peer in the same run.

The peer of a row is a floor (bench/floor.c: the least that a FastCGI pool of the same shape can do,
the answer that regcred gave as a constant), a pool that commits once for each request (the same
program with a database), regcred itself with fewer rows or earlier, or
`true`.  The two are measured in turns, so that whatever else the machine does meets both.  The
figure of a row is the median of its
rounds' ratios.  The table goes to the terminal and to bench.txt in the build tree.

Programs come from the directory in REGCRED_BUILD (default: the current one), the source tree from
REGCRED_SRC.
"""

import argparse
import base64
import dataclasses
import http.client
import itertools
import json
import os
import platform
import random
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(os.environ.get("REGCRED_BUILD", os.getcwd()))
SRC = os.path.abspath(
    os.environ.get("REGCRED_SRC", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")))
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
PROJECT = "1a5"
WORKERS, THREADS = 2, 16  # regcredd's defaults; the floor gets the same
CREDENTIALS = 100
MANY, FEW = 1000000, 1000
PAGE = 100  # rows, where pages are compared
MEMORY_REQUESTS = 20000, 200000
MEMORY_MAX_MIB = 64
CGI_MORE_MS = 15
INSTRUCTIONS_REQUESTS = 50
REFUSALS, REFUSALS_FIRST, BLOCKS = 10000, 500, 100
# What nginx adds by itself.
HEADERS_OF_NGINX = {"server", "date", "connection", "transfer-encoding"}

NGINX_CONF = """
daemon off;
%(user)s
worker_processes auto;
pid %(dir)s/nginx.pid;
error_log %(dir)s/nginx.log warn;
events { worker_connections 1024; }
http {
	access_log off;
	keepalive_requests 100000000;
	client_body_temp_path %(dir)s/body;
	proxy_temp_path %(dir)s/proxy;
	fastcgi_temp_path %(dir)s/fastcgi;
	uwsgi_temp_path %(dir)s/uwsgi;
	scgi_temp_path %(dir)s/scgi;
	fastcgi_buffers 64 8k;
	server {
		listen 127.0.0.1:%(port)d backlog=1024;
		include %(src)s/nginx/regcred_params;
		location / { fastcgi_pass unix:%(dir)s/regcredd.sock; }
%(floors)s
	}
}
"""


@dataclasses.dataclass
class Side:
    """One of the two that are compared."""
    name: str
    path: str
    script: str = ""  # for wrk, where a row does more than GET
    bench: object = None  # whose nginx, where there are two


@dataclasses.dataclass
class Row:
    name: str
    title: str
    at_least: float  # the ratio that we want
    ours: Side
    floor: Side
    p99_at_most: float = 0  # the ratio of the slowest hundredth that we want; 0: any


@dataclasses.dataclass
class Figures:
    rate: float
    p99_ms: float
    wrong: int  # answers that are not 2xx, and connections that failed


def fail(text):
    sys.exit("bench: " + text)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bench:
    """regcredd, nginx and the floors in a directory of their own; stopped by pid at the end."""

    def __init__(self, name="bench"):
        # Sockets need a short path; database and logs lie beside the programs, on the disk that one
        # means to measure.
        self.dir = tempfile.mkdtemp(prefix="regcred-bench-")
        self.state = os.path.join(BUILD, "bench-state", name)
        self.port = free_port()
        self.running = []
        self.floors = {}  # name → file with its answer
        self.authorization = None
        self.pool = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)

    def stop(self, process):
        process.terminate()
        process.wait()
        self.running.remove(process)

    def start(self, name, *command):
        log = os.path.join(self.dir, name + ".log")
        with open(log, "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True)
        self.running.append(process)
        return process

    def wait_for(self, what, process, ready):
        until = time.monotonic() + 15
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                with open(os.path.join(self.dir, what + ".log"), errors="replace") as log:
                    fail("%s does not start: %s" % (what, log.read()[-500:].strip()))
            time.sleep(0.05)

    def regcred(self, *words):
        done = subprocess.run([os.path.join(BUILD, "regcred"), *words, "--state-dir", self.state],
                              capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            fail("regcred %s: %s" % (" ".join(words), done.stderr.strip()))
        return done.stdout

    def start_regcred(self):
        shutil.rmtree(self.state, ignore_errors=True)
        os.makedirs(self.state, 0o750)
        self.regcred("init")
        keys = dict(line.split("=", 1) for line in self.regcred("key", "create", "--account",
                                                                PROJECT, "--name", "bench").split())
        pair = keys["REGCRED_ACCESS_KEY"] + ":" + keys["REGCRED_SECRET_KEY"]
        self.authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        self.start_pool()

    def start_pool(self, workers=str(WORKERS), threads=str(THREADS), *under):
        path = os.path.join(self.dir, "regcredd.sock")
        # valgrind needs calls that regcredd does not
        options = ["--sandbox", "off"] if under else []
        process = self.start("regcredd", *under, os.path.join(BUILD, "regcredd"), "--state-dir",
                             self.state, "--socket", path,
                             "--workers", workers, "--threads", threads, "--writes-per-minute", "0",
                             "--rows-per-project", "0", "--room-per-account", "0", *options)
        self.wait_for("regcredd", process, lambda: os.path.exists(path))
        self.pool = process

    def start_nginx(self):
        """Also after a floor was added: nginx is then started anew."""
        for process in [p for p in self.running if p.args[0] == "nginx"]:
            self.stop(process)
        floors = "\n".join("\t\tlocation = /floor/%s { fastcgi_pass unix:%s/%s.sock; }"
                           % (name, self.dir, name) for name in self.floors)
        conf = os.path.join(self.dir, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as out:
            out.write(NGINX_CONF % {"dir": self.dir, "src": SRC, "port": self.port,
                                    "floors": floors,
                                    "user": "user root;" if os.geteuid() == 0 else ""})
        process = subprocess.Popen(["nginx", "-p", self.dir, "-e",
                                    os.path.join(self.dir, "nginx.log"), "-c", conf],
                                   env=dict(os.environ, PATH=PATH), stdin=subprocess.DEVNULL,
                                   start_new_session=True)
        self.running.append(process)

        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        self.wait_for("nginx", process, answers)

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": self.authorization, "Content-Type": "application/json",
                   "Accept": "application/json"}
        connection.request(method, path, json.dumps(body).encode() if body is not None else None,
                           headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if not 200 <= answer.status < 300:
            fail("%s %s: %d %s"
                 % (method, path, answer.status, text.decode(errors="replace")[:300]))
        return answer, text

    def add_floor(self, name, path, body=None, database=None):
        """A floor that answers what regcred answers now at the path."""
        answer, body = self.request("GET" if body is None else "POST", path, body)
        head = ["Status: %d %s" % (answer.status, answer.reason)]
        head += ["%s: %s" % (k, v) for k, v in answer.getheaders()
                 if k.lower() not in HEADERS_OF_NGINX]
        file = os.path.join(self.dir, name + ".answer")
        with open(file, "wb") as out:
            out.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
        path = os.path.join(self.dir, name + ".sock")
        process = self.start(name, os.path.join(BUILD, "bench", "floor"), path, str(WORKERS),
                             str(THREADS), file,
                             *([database] if database else []))
        self.wait_for(name, process, lambda: os.path.exists(path))
        self.floors[name] = file
        return Side("floor", "/floor/" + name), len(body), len(head)

    def measure(self, side, seconds, connections):
        """One run of wrk."""
        command = ["wrk", "-t2", "-c%d" % connections, "-d%ds" % seconds, "--latency", "-H",
                   "Authorization: " + self.authorization]
        command += ["-s", side.script] if side.script else []
        done = subprocess.run([*command, "http://127.0.0.1:%d%s" % (self.port, side.path)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            fail("wrk: " + done.stderr.strip())
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        p99 = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m)$", done.stdout, re.M)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)",
                           done.stdout)
        if rate is None or p99 is None:
            fail("wrk said something else than expected:\n" + done.stdout)
        unit = {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[p99.group(2)]
        wrong = (int(bad.group(1)) if bad else 0) + sum(map(int, errors.groups()) if errors else ())
        return Figures(float(rate.group(1)), float(p99.group(1)) * unit, wrong)


def fill(bench):
    """One registry with its credentials; the path of their collection and the id of one in the
    middle."""
    root = "/v1/projects/" + PROJECT
    registry = json.loads(bench.request("POST", root + "/registries",
                                        {"serverAddress": "registry.bench.example.test"})[1])["id"]
    made = []
    for i in range(CREDENTIALS):
        body = {"registryId": registry, "name": "bench %d" % i, "publicValue": "user-%d" % i,
                "secretValue": "secret-%d" % i,
                "email": "user-%d@bench.example.test" % i}
        made.append(json.loads(bench.request("POST", root + "/registrycredentials", body)[1])["id"])
    return root + "/registrycredentials", made[len(made) // 2]


def start(bench):
    bench.start_regcred()
    bench.start_nginx()
    return fill(bench)


def row_get(arguments, show):
    with Bench() as bench:
        collection, one = start(bench)
        return against_floor(bench, "get", "GET one by id", 0.85, collection + "/" + one, arguments,
                             show)


def row_list(arguments, show):
    with Bench() as bench:
        collection, _ = start(bench)
        return against_floor(bench, "list", "list of %d" % CREDENTIALS, 0.50, "%s?limit=%d"
                             % (collection, CREDENTIALS), arguments, show)


def against_floor(bench, name, title, at_least, path, arguments, show):
    floor, size, headers = bench.add_floor("floor-" + name, path)
    bench.start_nginx()
    row = Row(name, "%s (%d bytes, %d headers)" % (title, size, headers - 1), at_least,
              Side("regcred", path), floor)
    return run_row(bench, row, arguments, show)


def row_create(arguments, show):
    """Against a pool that commits once for each request, with a database of its own on the same
    disk."""
    with Bench("peer") as peer, Bench() as bench:
        start(peer)
        peer.stop(peer.pool)
        collection, _ = start(bench)
        registry = json.loads(bench.request("GET", collection + "?limit=1")[1])["data"][0][
            "registryId"]
        body = {"registryId": registry, "name": "bench", "publicValue": "user",
                "secretValue": "secret", "email": "user@bench.example.test"}
        floor, _, _ = bench.add_floor("floor-create", collection, body,
                                      os.path.join(peer.state, "regcred.db"))
        bench.start_nginx()
        script = os.path.join(bench.dir, "create.lua")
        with open(script, "w", encoding="utf-8") as out:
            out.write("wrk.method = 'POST'\nwrk.headers['Content-Type'] = "
                      "'application/json'\nwrk.body = [==[%s]==]\n" % json.dumps(body))
        floor.script = script
        row = Row("create", "durable create (peer: one commit each)", 3,
                  Side("regcred", collection, script), floor, 0.25)
        return run_row(bench, row, arguments, show)


def multiply(bench, collection, count):
    """Fills the database up to so many credentials, written past the pool, which stands still
    meanwhile.  A hundred of them, evenly spread, belong to a registry of their own; its id."""
    other = json.loads(bench.request("POST",
                                     collection.replace("registrycredentials", "registries"),
                                     {"serverAddress": "other.bench.example.test"})[1])["id"]
    bench.stop(bench.pool)
    db = sqlite3.connect(os.path.join(bench.state, "regcred.db"), isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    columns = [row[1] for row in db.execute("PRAGMA table_info(credential)") if row[1] != "id"]
    registry = int(re.sub(r"^1[a-z]+", "", other))
    values = {"uuid": "lower(hex(randomblob(18)))", "name": "'bench ' || n.value",
              "public_value": "'user-' || n.value",
              "registry_id": "CASE WHEN n.value %% %d = 0 THEN %d ELSE registry_id END"
              % (count // PAGE, registry)}
    template = db.execute(
        "SELECT max(id) FROM credential WHERE kind = 'registryCredential'").fetchone()[0]
    for begin in range(CREDENTIALS, count, 50000):
        end = min(begin + 50000, count)
        db.execute("WITH RECURSIVE n (value) AS (SELECT ?1 UNION ALL SELECT value + 1 FROM n WHERE "
                   "value + 1 < ?2) "
                   "INSERT INTO credential (%s) SELECT %s FROM n, credential WHERE credential.id = "
                   "?3" % (
                       ", ".join(columns), ", ".join(values.get(c, c) for c in columns)),
                       (begin, end, template))
        print("  %d of %d credentials" % (end, count), end="\r", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    middle = db.execute("SELECT id FROM credential WHERE name = ?",
                        ("bench %d" % (count // 2 + 1),)).fetchone()[0]
    db.close()
    bench.start_pool()
    return other, "1c%d" % middle


def follow(bench, path, pages):
    """The URL of a page, found as a client finds it: by the links of those before."""
    for n in range(2, pages + 1):
        answer = json.loads(bench.request("GET", path)[1])
        path = answer["pagination"]["next"].split("/", 3)[3]
        path = "/" + path
        if n % 500 == 0:
            print("  page %d of %d" % (n, pages), end="\r", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return path


def row_million(arguments, show):
    """A million credentials against a thousand."""
    wrong = 0
    with Bench("few") as few, Bench("many") as many:
        sides = []
        for bench, count in ((few, FEW), (many, MANY)):
            collection, _ = start(bench)
            sides.append((bench, collection, *multiply(bench, collection, count)))
        for title, at_least, path in (
                ("GET by id", 0.8, lambda c, r, one: c + "/" + one),
                ("page of %d by registryId" % PAGE, 0.6, lambda c, r,
                 one: "%s?registryId=%s&limit=%d" % (c, r, PAGE))):
            floor, ours = (Side("%d rows" % n, path(c, r, one), bench=b) for (b, c, r, one),
                           n in zip(sides, (FEW, MANY)))
            wrong += run_row(many, Row("million", "%d rows, %s (peer: %d)" % (MANY, title, FEW),
                                       at_least, ours, floor), arguments, show)
        first = "%s?limit=%d" % (sides[1][1], PAGE)
        last = follow(many, first, MANY // PAGE)
        wrong += run_row(many, Row("million", "page %d (peer: page 1)" % (MANY // PAGE), 0.8,
                                   Side("last", last), Side("first", first)),
                         arguments, show)
    return wrong


def pss_kib(process):
    """(all, what no file is behind) of a process and its children.  A library's pages are divided
    by all processes of the machine that have mapped it, so the first moves when others start and
    end; growth of our own shows in the second as well."""
    total = private = 0
    pids = [str(process.pid)]
    while pids:
        pid = pids.pop()
        with open("/proc/%s/smaps_rollup" % pid, encoding="ascii") as f:
            kib = {name: int(number) for name,
                   number in re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M)}
        total += kib["Pss"]
        private += kib["Pss"] - kib["Pss_File"]
        with open("/proc/%s/task/%s/children" % (pid, pid), encoding="ascii") as f:
            pids += f.read().split()
    return total, private


def row_memory(arguments, show):
    """All processes of the pool, reads and lists mixed."""
    with Bench() as bench:
        collection, one = start(bench)
        sides = [Side("get", collection + "/" + one), Side("list", collection + "?limit=20")]
        done, wrong, sizes = 0, 0, []
        for goal in MEMORY_REQUESTS:
            while done < goal:
                for side in sides:
                    figures = bench.measure(side, 1, arguments.connections)
                    done += int(figures.rate)
                    wrong += figures.wrong
                print("  memory: %d of %d requests" % (done, MEMORY_REQUESTS[-1]), end="\r",
                      file=sys.stderr, flush=True)
            sizes.append((done, *pss_kib(bench.pool)))
        print(file=sys.stderr)
        (first, before, before_private), (last, after, after_private) = sizes
        show("memory of the pool after %d requests: %.2f MiB, after %d: %.2f MiB (at most %d), "
             "ratio %.3f (at most 1.02); "
             "without mapped files %.2f and %.2f MiB, ratio %.3f; %d not 2xx" % (
                 first, before / 1024, last, after / 1024, MEMORY_MAX_MIB, after / before,
                 before_private / 1024, after_private / 1024,
                 after_private / before_private, wrong))
        return wrong


def row_cgi(arguments, show):
    """The program as a CGI and `true`, started in turns by the same parent with the same
    environment."""
    with Bench() as bench:
        collection, one = start(bench)
        environment = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET",
                       "REQUEST_URI": collection + "/" + one, "SCRIPT_NAME": "",
                       "PATH_INFO": collection + "/" + one, "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
                       "HTTP_HOST": "bench.example.test", "HTTP_AUTHORIZATION": bench.authorization, "PATH": PATH,
                       "REGCRED_STATE_DIR": bench.state}
        times, wrong = {"true": [], os.path.join(BUILD, "regcredd"): []}, 0
        for _ in range(20 * arguments.rounds):
            for program, taken in times.items():
                began = time.perf_counter()
                done = subprocess.run([program], env=environment, stdin=subprocess.DEVNULL,
                                      capture_output=True, check=False)
                taken.append((time.perf_counter() - began) * 1000)
                wrong += program != "true" and not done.stdout.startswith(b"Status: 200")
        floor, ours = (statistics.median(taken) for taken in times.values())
        show("CGI, one GET: %.1f ms; `true`: %.1f ms; %.1f ms more (at most %d); %d not 200" % (
            ours, floor, ours - floor, CGI_MORE_MS, wrong))
        return wrong


def row_instructions(arguments, show):
    """Not a ratio: what a GET, a list and a create cost in instructions, by callgrind, which a busy
    machine does not change.  The files callgrind.* in the build tree are for callgrind_annotate."""
    if shutil.which("valgrind") is None:
        fail("valgrind is missing (Debian package: valgrind)")
    with Bench() as bench:
        collection, one = start(bench)
        registry = json.loads(bench.request("GET", collection + "?limit=1")[1])["data"][0][
            "registryId"]
        login = {"registryId": registry, "publicValue": "user", "secretValue": "secret",
                 "email": "user@bench.example.test"}
        for name, method, path, body in (("get", "GET", collection + "/" + one, None),
                                         ("list", "GET", "%s?limit=%d" % (collection, CREDENTIALS), None),
                                         ("create", "POST", collection, login)):
            bench.stop(bench.pool)
            files = os.path.join(BUILD, "callgrind." + name)
            bench.start_pool("1", "1", "valgrind", "--tool=callgrind",
                             "--toggle-collect=gateway_serve",
                             "--callgrind-out-file=%s.%%p" % files)
            for _ in range(INSTRUCTIONS_REQUESTS):
                bench.request(method, path, body)
            bench.stop(bench.pool)
            counts = {}
            for file in (f for f in os.listdir(BUILD) if f.startswith("callgrind.%s." % name)):
                with open(os.path.join(BUILD, file), encoding="utf-8", errors="replace") as text:
                    found = re.search(r"^(?:totals|summary): (\d+)", text.read(), re.M)
                counts[os.path.join(BUILD, file)] = int(found.group(1)) if found else 0
            most = max(counts, key=counts.get)
            show("%-6s %9d instructions" % (name, counts[most] // INSTRUCTIONS_REQUESTS))
            os.replace(most, files)
            for file in counts:
                if file != most:
                    os.unlink(file)
            bench.start_pool()
    return 0


def refused_keys(bench):
    """{reason: (access key, secret)}, each of an account of its own; what is wrong with three is
    written past the pool."""
    keys, accounts = {}, {}
    for reason in ("wrong secret", "revoked key", "expired key", "inactive account"):
        accounts[reason] = bench.regcred("account", "add", "--kind", "user", "--name",
                                         reason).strip()
        lines = bench.regcred("key", "create", "--account", accounts[reason], "--name",
                              reason).split()
        keys[reason] = tuple(line.split("=", 1)[1] for line in lines)
    access, secret = keys["wrong secret"]
    keys["wrong secret"] = access, secrets.token_hex(len(secret))[:len(secret)]
    keys["unknown key"] = secrets.token_hex(len(access))[:len(access)].upper(), secret
    db = sqlite3.connect(os.path.join(bench.state, "regcred.db"), timeout=10)
    with db:
        for column, value, reason in (("state", "inactive", "revoked key"),
                                      ("expires", 1000, "expired key")):
            db.execute("UPDATE credential SET %s = ? WHERE public_value = ?" % column,
                       (value, keys[reason][0]))
        db.execute("UPDATE account SET state = 'inactive' WHERE id = ?",
                   (int(accounts["inactive account"][2:]),))
    db.close()
    return keys


def block_ratio(first, second):
    """The median of the ratios of blocks that were measured at the same time."""
    size = len(first) // BLOCKS
    return statistics.median(statistics.median(first[i:i + size]) / statistics.median(
        second[i:i + size]) for i in range(0, len(first), size))


def row_equal_time(arguments, show):
    """Whether the time of a refused sign-in tells why it was refused.  Each reason is asked for
    under two labels, in random order over one
    kept connection: the labels of one reason differ by noise alone.  The limiter is off, or all
    would be refused alike."""
    os.environ["REGCRED_AUTH_FAILURES"] = "0"
    with Bench("equal-time") as bench:
        bench.start_regcred()
        keys = refused_keys(bench)
        bench.start_nginx()
        headers = {reason: {"Authorization": "Basic "
                            + base64.b64encode(":".join(key).encode()).decode()} for reason,
                            key in keys.items()}
        connection = http.client.HTTPConnection("127.0.0.1", bench.port, timeout=30)
        taken = {(reason, label): [] for reason in keys for label in (1, 2)}
        labels = list(taken)
        for turn in range(REFUSALS_FIRST + REFUSALS):
            random.shuffle(labels)
            for one in labels:
                began = time.perf_counter()
                connection.request("GET", "/v1/projects", headers=headers[one[0]])
                answer = connection.getresponse()
                answer.read()
                if turn >= REFUSALS_FIRST:
                    taken[one].append(time.perf_counter() - began)
                if answer.status != 401:
                    fail("another answer than 401: %d" % answer.status)
        connection.close()
    noise = max(abs(block_ratio(taken[reason, 1], taken[reason, 2]) - 1) for reason in keys)
    show("refused sign-ins: a reason differs from itself by %.4f at most" % noise)
    for one, other in itertools.combinations(sorted(keys, reverse=True), 2):
        ratio = block_ratio(taken[one, 1], taken[other, 1])
        show("  %-36s %8.4f%s" % ("%s / %s" % (one, other), ratio, "  beyond noise"
                                  if abs(ratio - 1) > noise else ""))
    return 0


def time_requests(bench, seconds, *askers):
    """Milliseconds of each request, of askers (count, authorization, path, body) that ask side by
    side, each on a kept connection."""
    until, taken = time.monotonic() + seconds, [[] for _ in askers]

    def ask(times, authorization, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", bench.port, timeout=60)
        headers = {"Authorization": authorization, "Content-Type": "application/json",
                   "Accept": "application/json"}
        while time.monotonic() < until:
            began = time.perf_counter()
            connection.request("POST", path, json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            answer.read()
            if not 200 <= answer.status < 300:
                fail("POST %s: %d" % (path, answer.status))
            times.append((time.perf_counter() - began) * 1000)
        connection.close()
    threads = [threading.Thread(target=ask, args=(times, *asker)) for times,
               (count, *asker) in zip(taken, askers) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [statistics.median(times) for times in taken]


def row_neighbour(arguments, show):
    """What the hand-outs of a project with 20,000 registries do to the creates of another one, and
    how long they take."""
    many, few = 20000, 10
    with Bench() as bench:
        bench.start_regcred()
        bench.start_nginx()
        projects = {}
        for name in ("many", "few", "other"):
            account = bench.regcred("account", "add", "--kind", "project", "--name", name).strip()
            keys = []
            for role in ((), ("--role", "reveal")):
                lines = bench.regcred("key", "create", "--account", account, *role).split()
                keys.append("Basic "
                            + base64.b64encode(":".join(line.split("=", 1)[1]
                                                        for line in lines).encode()).decode())
            projects[name] = (account, *keys)
        registry = {}
        for name, (account, key, _) in projects.items():
            bench.authorization = key
            root = "/v1/projects/" + account
            registry[name] = json.loads(bench.request("POST", root + "/registries",
                                                      {"serverAddress": "asked.example.test"})[1])[
                                                          "id"]
            bench.request("POST", root + "/registrycredentials",
                          {"registryId": registry[name], "publicValue": "u", "secretValue": "s",
                           "email": "e"})
        bench.stop(bench.pool)
        db = sqlite3.connect(os.path.join(bench.state, "regcred.db"), isolation_level=None)
        db.execute("BEGIN")
        for name, count in (("many", many), ("few", few)):
            for i in range(count):
                address = "r%d.example.test" % i
                db.execute("INSERT INTO storage_pool (uuid, kind, account_id, name, description, "
                           "state, created, server_address, address_key) "
                           "VALUES (?, 'registry', ?, ?, ?, 'active', 1, ?, ?)",
                           ("%s%d" % (name, i), int(projects[name][0][2:]), "n" * 255, "d" * 1000,
                            address, address))
        db.execute("COMMIT")
        db.close()
        bench.start_pool()
        other, key, _ = projects["other"]
        create = (4, key, "/v1/projects/%s/registrycredentials" % other,
                  {"registryId": registry["other"], "publicValue": "u", "secretValue": "s",
                   "email": "e"})

        def hand_out(name, count):
            account, _, reveal = projects[name]
            return count, reveal, "/v1/projects/%s/handouts" % account, {
                "format": "docker", "image": "asked.example.test/acme/app"}
        ratios, takes = [], []
        for _ in range(arguments.rounds):
            alone, = time_requests(bench, arguments.seconds, create)
            beside, _ = time_requests(bench, arguments.seconds, create, hand_out("many", 8))
            little, = time_requests(bench, arguments.seconds, hand_out("few", 1))
            large, = time_requests(bench, arguments.seconds, hand_out("many", 1))
            ratios.append((beside / alone, alone, beside))
            takes.append((large / little, little, large))
        ratio, alone, beside = sorted(ratios)[len(ratios) // 2]
        take, little, large = sorted(takes)[len(takes) // 2]
        show("neighbour: creates beside 8 hand-outs of a project with %d registries: p50 %.1f ms, "
             "alone %.1f ms, ratio %.2f (at most 2)" % (many, beside, alone, ratio))
        show("neighbour: a hand-out of it: p50 %.1f ms, with %d registries %.1f ms, ratio %.2f (at "
             "most 3)" % (large, few, little, take))
        return 0


def start_source(bench):
    """The stand-in of Amazon's service, in a process of its own; its URL and the key for it."""
    source = subprocess.Popen([sys.executable, "-B", os.path.join(SRC, "tests/api/sources.py")],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    bench.running.append(source)
    url = "http://127.0.0.1:%d/ecr/right" % int(source.stdout.readline())
    return url, "AKIASTANDIN0STANDIN0", "secret/of+the-STANDIN/key0123456789abcdef"


def row_refresh(arguments, show):
    """What a thousand renewals, all due at once, do to reads."""
    logins = 1000
    with Bench() as bench:
        url, key, secret = start_source(bench)
        os.environ.update({"REGCRED_VERIFY_NETWORKS": "127.0.0.0/8"})
        collection, one = start(bench)
        root = "/v1/projects/" + PROJECT
        registry = json.loads(bench.request("POST", root + "/registries", {
            "serverAddress": "123456789012.dkr.ecr.eu-central-1.amazonaws.com"})[1])["id"]
        for i in range(logins):
            bench.request("POST", collection, {
                "registryId": registry, "email": "e@bench.example.test", "source": "ecr",
                "sourceConfig": {"accessKeyId": key, "endpoint": url}, "sourceSecret": secret})
        db = sqlite3.connect(os.path.join(bench.state, "regcred.db"), isolation_level=None,
                             timeout=60)

        def renewed(version):
            return db.execute("SELECT count(*) FROM credential WHERE source = 'ecr' AND "
                              "secret_version >= ?", (version,)).fetchone()[0]

        def wait(version):
            until = time.monotonic() + 300
            while renewed(version) < logins:
                if time.monotonic() > until:
                    fail("%d of %d logins were renewed" % (renewed(version), logins))
                time.sleep(0.1)
        wait(1)
        side, ratios, wrong = Side("reads", collection + "/" + one), [], 0
        bench.measure(side, 1, arguments.connections)
        for version in range(2, arguments.rounds + 2):
            alone = bench.measure(side, arguments.seconds, arguments.connections)
            db.execute("UPDATE credential SET refresh_due = 1000 WHERE source = 'ecr'")
            beside = bench.measure(side, arguments.seconds, arguments.connections)
            ratios.append((beside.rate / alone.rate, alone.rate, beside.rate, renewed(version)))
            wrong += alone.wrong + beside.wrong
            wait(version)
        db.close()
        ratio, alone, beside, done = sorted(ratios)[len(ratios) // 2]
        show("refresh: reads while %d logins are due: %.0f/s, alone %.0f/s, ratio %.2f (at least "
             "0.9); %d were renewed within these %d s" % (logins, beside, alone, ratio, done,
                                                          arguments.seconds))
        return wrong


ROWS = {"get": row_get, "list": row_list, "create": row_create, "million": row_million,
        "memory": row_memory, "cgi": row_cgi,
        "neighbour": row_neighbour, "refresh": row_refresh}
ON_REQUEST = {"instructions": row_instructions, "equal-time": row_equal_time}


def run_row(bench, row, arguments, show):
    """Measures the two sides in turns, and prints the row."""
    for side in (row.floor, row.ours):
        # caches, statements, page tables
        (side.bench or bench).measure(side, 1, arguments.connections)
    floors, ours = [], []
    for i in range(arguments.rounds):
        floors.append((row.floor.bench or bench).measure(row.floor, arguments.seconds,
                                                         arguments.connections))
        ours.append((row.ours.bench or bench).measure(row.ours, arguments.seconds,
                                                      arguments.connections))
        print("  %s, round %d of %d: peer %.0f/s, regcred %.0f/s"
              % (row.name, i + 1, arguments.rounds, floors[-1].rate, ours[-1].rate),
              file=sys.stderr, flush=True)
    ratio = statistics.median(o.rate / f.rate for o, f in zip(ours, floors))
    wrong = sum(x.wrong for x in floors + ours)
    show("%-42s %9.0f %9.0f %7.2f %7.2f %10.1f %10.1f %8d" % (
        row.title, statistics.median(f.rate for f in floors),
        statistics.median(o.rate for o in ours), ratio, row.at_least,
        statistics.median(f.p99_ms for f in floors), statistics.median(o.p99_ms for o in ours),
        wrong))
    if row.p99_at_most > 0:
        shares = sorted(o.p99_ms / f.p99_ms for o, f in zip(ours, floors))
        show("%-42s slowest hundredth: %.2f of the peer's (%.2f to %.2f; at most %.2f)" % (
            "", statistics.median(shares), shares[0], shares[-1], row.p99_at_most))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="%s (default: all); %s"
                        % (", ".join(ROWS), ", ".join(ON_REQUEST)))
    arguments = parser.parse_args()
    for tool in ("wrk", "nginx"):
        if shutil.which(tool, path=PATH) is None:
            fail("%s is missing (Debian package: %s)"
                 % (tool, {"nginx": "nginx-light"}.get(tool, tool)))
    # Stopping us stops what we started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    lines = []

    def show(line):
        print(line, flush=True)
        lines.append(line)

    unknown = set(arguments.rows) - set(ROWS) - set(ON_REQUEST)
    if unknown:
        fail("no such row: %s" % ", ".join(sorted(unknown)))
    show("%d cores, %s; wrk with %d connections, %d rounds of %d s; %d processes of %d threads on "
         "each side" % (
        os.cpu_count(), platform.machine(), arguments.connections, arguments.rounds,
        arguments.seconds, WORKERS, THREADS))
    show("%-42s %9s %9s %7s %7s %10s %10s %8s" % ("", "peer/s", "regcred/s", "ratio", "wanted",
                                                  "peer p99", "our p99 ms", "not 2xx"))
    wrong = sum(run(arguments, show) for name, run in {**ROWS, **ON_REQUEST}.items()
                if name in (arguments.rows or ROWS))
    with open(os.path.join(BUILD, "bench.txt"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    # Speed is a figure, not a pass or fail; a wrong answer is one.
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
