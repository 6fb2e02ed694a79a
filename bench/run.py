#!/usr/bin/env python3
"""run.py [--seconds N] [--rounds N] [--connections N] [ROW...]: how fast regcred is, in ratios against a floor in the same run.

The floor (bench/floor.c) is the least that a FastCGI pool of the same shape can do: the answer that regcred gave, head and body, as a
constant.  Both stand behind one nginx and are measured in turns, so that whatever else the machine does meets both.  The figure of a
row is the median of its rounds' ratios.  The table goes to the terminal and to bench.txt in the build tree.

Programs come from the directory in REGCRED_BUILD (default: the current one), the source tree from REGCRED_SRC.
"""

import argparse
import base64
import dataclasses
import http.client
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("REGCRED_BUILD", os.getcwd()))
SRC = os.path.abspath(os.environ.get("REGCRED_SRC", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")))
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
PROJECT = "1a5"
WORKERS, THREADS = 2, 16  # regcredd's defaults; the floor gets the same
CREDENTIALS = 100
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


@dataclasses.dataclass
class Row:
    name: str
    title: str
    at_least: float  # the ratio that we want
    ours: Side
    floor: Side


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

    def __init__(self):
        # Sockets need a short path; database and logs lie beside the programs, on the disk that one means to measure.
        self.dir = tempfile.mkdtemp(prefix="regcred-bench-")
        self.state = os.path.join(BUILD, "bench-state")
        self.port = free_port()
        self.running = []
        self.floors = {}  # name → file with its answer
        self.authorization = None

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

    def start(self, name, *command):
        log = os.path.join(self.dir, name + ".log")
        with open(log, "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
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
        done = subprocess.run([os.path.join(BUILD, "regcred"), *words, "--state-dir", self.state], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            fail("regcred %s: %s" % (" ".join(words), done.stderr.strip()))
        return done.stdout

    def start_regcred(self):
        shutil.rmtree(self.state, ignore_errors=True)
        os.makedirs(self.state, 0o750)
        self.regcred("init")
        keys = dict(line.split("=", 1) for line in self.regcred("key", "create", "--account", PROJECT, "--name", "bench").split())
        pair = keys["REGCRED_ACCESS_KEY"] + ":" + keys["REGCRED_SECRET_KEY"]
        self.authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        path = os.path.join(self.dir, "regcredd.sock")
        process = self.start("regcredd", os.path.join(BUILD, "regcredd"), "--state-dir", self.state, "--socket", path, "--workers",
                             str(WORKERS), "--threads", str(THREADS))
        self.wait_for("regcredd", process, lambda: os.path.exists(path))

    def start_nginx(self):
        """Also after a floor was added: nginx is then started anew."""
        for process in [p for p in self.running if p.args[0] == "nginx"]:
            process.terminate()
            process.wait()
            self.running.remove(process)
        floors = "\n".join("\t\tlocation = /floor/%s { fastcgi_pass unix:%s/%s.sock; }" % (name, self.dir, name) for name in self.floors)
        conf = os.path.join(self.dir, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as out:
            out.write(NGINX_CONF % {"dir": self.dir, "src": SRC, "port": self.port, "floors": floors,
                                    "user": "user root;" if os.geteuid() == 0 else ""})
        process = subprocess.Popen(["nginx", "-p", self.dir, "-e", os.path.join(self.dir, "nginx.log"), "-c", conf],
                                   env=dict(os.environ, PATH=PATH), stdin=subprocess.DEVNULL, start_new_session=True)
        self.running.append(process)

        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        self.wait_for("nginx", process, answers)

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": self.authorization, "Content-Type": "application/json", "Accept": "application/json"}
        connection.request(method, path, json.dumps(body).encode() if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if not 200 <= answer.status < 300:
            fail("%s %s: %d %s" % (method, path, answer.status, text.decode(errors="replace")[:300]))
        return answer, text

    def add_floor(self, name, path):
        """A floor that answers what regcred answers now at the path."""
        answer, body = self.request("GET", path)
        head = ["Status: %d %s" % (answer.status, answer.reason)]
        head += ["%s: %s" % (k, v) for k, v in answer.getheaders() if k.lower() not in HEADERS_OF_NGINX]
        file = os.path.join(self.dir, name + ".answer")
        with open(file, "wb") as out:
            out.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
        path = os.path.join(self.dir, name + ".sock")
        process = self.start(name, os.path.join(BUILD, "bench", "floor"), path, str(WORKERS), str(THREADS), file)
        self.wait_for(name, process, lambda: os.path.exists(path))
        self.floors[name] = file
        return Side("floor", "/floor/" + name), len(body), len(head)

    def measure(self, side, seconds, connections):
        """One run of wrk."""
        command = ["wrk", "-t2", "-c%d" % connections, "-d%ds" % seconds, "--latency", "-H", "Authorization: " + self.authorization]
        command += ["-s", side.script] if side.script else []
        done = subprocess.run([*command, "http://127.0.0.1:%d%s" % (self.port, side.path)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            fail("wrk: " + done.stderr.strip())
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        p99 = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m)$", done.stdout, re.M)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout)
        if rate is None or p99 is None:
            fail("wrk said something else than expected:\n" + done.stdout)
        unit = {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[p99.group(2)]
        wrong = (int(bad.group(1)) if bad else 0) + sum(map(int, errors.groups()) if errors else ())
        return Figures(float(rate.group(1)), float(p99.group(1)) * unit, wrong)


def fill(bench):
    """One registry with its credentials; the path of their collection and the id of one in the middle."""
    root = "/v1/projects/" + PROJECT
    registry = json.loads(bench.request("POST", root + "/registries", {"serverAddress": "registry.bench.example.test"})[1])["id"]
    made = []
    for i in range(CREDENTIALS):
        body = {"registryId": registry, "name": "bench %d" % i, "publicValue": "user-%d" % i, "secretValue": "secret-%d" % i,
                "email": "user-%d@bench.example.test" % i}
        made.append(json.loads(bench.request("POST", root + "/registrycredentials", body)[1])["id"])
    return root + "/registrycredentials", made[len(made) // 2]


def rows_of(bench):
    """Every row: what is measured, against what.  A new one is added here."""
    collection, one = fill(bench)
    rows = []
    for name, title, at_least, path in (
            ("get", "GET one by id", 0.85, collection + "/" + one),
            ("list", "list of %d" % CREDENTIALS, 0.50, "%s?limit=%d" % (collection, CREDENTIALS))):
        floor, size, headers = bench.add_floor("floor-" + name, path)
        rows.append(Row(name, "%s (%d bytes, %d headers)" % (title, size, headers - 1), at_least, Side("regcred", path), floor))
    bench.start_nginx()
    return rows


def run_row(bench, row, arguments, show):
    """Measures the two sides in turns, and prints the row."""
    for side in (row.floor, row.ours):
        bench.measure(side, 1, arguments.connections)  # caches, statements, page tables
    floors, ours = [], []
    for i in range(arguments.rounds):
        floors.append(bench.measure(row.floor, arguments.seconds, arguments.connections))
        ours.append(bench.measure(row.ours, arguments.seconds, arguments.connections))
        print("  %s, round %d of %d: floor %.0f/s, regcred %.0f/s" % (row.name, i + 1, arguments.rounds, floors[-1].rate, ours[-1].rate),
              file=sys.stderr, flush=True)
    ratio = statistics.median(o.rate / f.rate for o, f in zip(ours, floors))
    wrong = sum(x.wrong for x in floors + ours)
    show("%-42s %9.0f %9.0f %7.2f %7.2f %10.1f %10.1f %8d" % (
        row.title, statistics.median(f.rate for f in floors), statistics.median(o.rate for o in ours), ratio, row.at_least,
        statistics.median(f.p99_ms for f in floors), statistics.median(o.p99_ms for o in ours), wrong))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="get, list (default: all)")
    arguments = parser.parse_args()
    for tool in ("wrk", "nginx"):
        if shutil.which(tool, path=PATH) is None:
            fail("%s is missing (Debian package: %s)" % (tool, {"nginx": "nginx-light"}.get(tool, tool)))
    # Stopping us stops what we started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    lines = []

    def show(line):
        print(line, flush=True)
        lines.append(line)

    wrong = 0
    with Bench() as bench:
        bench.start_regcred()
        bench.start_nginx()
        rows = rows_of(bench)
        unknown = set(arguments.rows) - {row.name for row in rows}
        if unknown:
            fail("no such row: %s" % ", ".join(sorted(unknown)))
        show("%d cores, %s; wrk with %d connections, %d rounds of %d s; %d processes of %d threads on each side" % (
            os.cpu_count(), platform.machine(), arguments.connections, arguments.rounds, arguments.seconds, WORKERS, THREADS))
        show("%-42s %9s %9s %7s %7s %10s %10s %8s" % ("", "floor/s", "regcred/s", "ratio", "wanted", "floor p99", "our p99 ms", "not 2xx"))
        for row in rows:
            if not arguments.rows or row.name in arguments.rows:
                wrong += run_row(bench, row, arguments, show)
    with open(os.path.join(BUILD, "bench.txt"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    # Speed is a figure, not a pass or fail; a wrong answer is one.
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
