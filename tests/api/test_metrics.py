"""/metrics and /ping: what is counted, for whom, and in the form that Prometheus reads."""

import collections
import os
import re
import shutil
import signal
import subprocess
import threading
import unittest

import harness

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=4)

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (\S+)$" % (NAME, LABEL, LABEL))


class Bad(Exception):
    pass


def parse(text):
    """{(name, ((label, value), ...)): number} of a text in format 0.0.4; Bad for anything that a
    strict reader would refuse."""
    found, types, current = {}, {}, None
    if not text.endswith("\n"):
        raise Bad("the last line does not end")
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            if current in types or len(line.split(" ", 3)) < 4:
                raise Bad("a second family, or no help: " + line)
            types[current] = None
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name != current or types[name] is not None or kind not in ("counter", "gauge",
                                                                          "histogram"):
                raise Bad(line)
            types[name] = kind
        else:
            match = SAMPLE.match(line)
            if not match:
                raise Bad("no sample: " + line)
            name, labels, value = match.groups()
            family = re.sub(r"_(bucket|sum|count)$", "",
                            name) if types.get(current) == "histogram" else name
            if family != current or types[current] is None:
                raise Bad("outside its family: " + line)
            pairs = tuple(tuple(p.split("=", 1)) for p in re.findall(LABEL, labels or ""))
            if len(dict(pairs)) != len(pairs) or (name, pairs) in found:
                raise Bad("twice: " + line)
            found[name, tuple((k, v[1:-1]) for k, v in pairs)] = float(value)
            if types[current] == "counter" and not name.endswith("_total"):
                raise Bad("a counter's name ends with _total: " + name)
    for name, kind in types.items():
        if kind == "histogram":
            check_histogram(name, found)
    return found


def check_histogram(name, found):
    series = collections.defaultdict(list)
    for (sample, labels), value in found.items():
        if sample == name + "_bucket":
            rest = tuple(p for p in labels if p[0] != "le")
            series[rest].append((float(dict(labels)["le"]), value))
    if not series:
        raise Bad("no buckets: " + name)
    for labels, buckets in series.items():
        bounds, counts = zip(*buckets)
        if list(bounds) != sorted(set(bounds)) or bounds[-1] != float("inf") or list(
            counts) != sorted(counts):
            raise Bad("buckets of %s%s" % (name, labels))
        if found.get((name + "_count", labels)) != counts[-1] or (name + "_sum",
                                                                  labels) not in found:
            raise Bad("count and sum of %s%s" % (name, labels))


class Metrics(harness.Case):
    def setUp(self):
        super().setUp()
        self.p = self.site.project()

    def scrape(self):
        r = self.site.anonymous().get("/metrics", check=False)
        self.status(r, 200)
        self.assertEqual(r.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
        return parse(r.text)

    def requests(self, scraped, **labels):
        return sum(v for (name, pairs), v in scraped.items()
                   if name == "regcred_http_requests_total" and set(labels.items()) <= set(pairs))

    def test_the_parser_refuses_what_is_wrong(self):
        good = "# HELP a_total x\n# TYPE a_total counter\na_total 1\n"
        self.assertEqual(parse(good), {("a_total", ()): 1})
        for bad in (good[:-1], good + "a_total 2\n", good + "b 1\n", good.replace("1", "x y"),
                    good.replace("a_total 1", 'a_total{b="c"d="e"} 1'),
                    "a 1\n", good.replace("a_total", "a"), good + good,
                    "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
                    "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n"):
            with self.assertRaises((Bad, ValueError), msg=bad):
                parse(bad)

    def test_requests_of_all_workers_are_counted_by_route_method_and_status(self):
        before, env = self.scrape(), self.p.env
        registry = self.p.registry()["id"]
        for _ in range(20):
            self.status(env.get("registries/" + registry), 200)
        self.status(env.get("registries/1sp99999999"), 404)
        # Not checked: the harness would ask for the document to check by with that key too.
        self.status(env.get("registries/" + registry, headers={"Authorization": "Basic eDp5"},
                            check=False), 401)
        self.status(env.delete("registries"), 405)
        after = self.scrape()
        for count, labels in ((20, {"route": "/{version}/{type}/{id}", "method": "GET",
                                    "status": "200"}),
                              (1, {"route": "/{version}/{type}/{id}", "method": "GET", "status": "404"}),
                              (1, {"route": "/{version}/{type}/{id}", "method": "GET", "status": "401"}),
                              (1, {"route": "/{version}/{type}", "method": "DELETE", "status": "405"}),
                              (1, {"route": "/{version}/{type}", "method": "POST", "status": "201"}),
                              (1, {"route": "/metrics", "status": "200"})):
            self.assertEqual(self.requests(after, **labels) - self.requests(before, **labels),
                             count, labels)
        refused = "regcred_sign_in_refused_total", ()
        self.assertEqual(after[refused] - before[refused], 1)
        buckets = "regcred_http_request_duration_seconds_count", (
            ("route", "/{version}/{type}/{id}"),)
        self.assertEqual(after[buckets] - before[buckets], 22)
        commits = "regcred_commits_total", ()
        self.assertGreaterEqual(after[commits] - before[commits], 1)
        self.assertEqual(after["regcred_commit_writes_count", ()], after[commits])
        self.assertGreaterEqual(after["regcred_write_wait_seconds_count",
                                      ()] - before["regcred_write_wait_seconds_count", ()], 1)
        self.assertEqual(after["regcred_processes", ()], self.site.workers + harness.OTHERS)
        self.assertGreater(after["regcred_database_bytes", ()], 4096)

    def test_writers_that_wait_share_a_commit_and_the_histogram_shows_it(self):
        before = self.scrape()

        def write(n):
            client = harness.Client(self.site, self.p.env.key, self.p.root)
            for i in range(20):
                client.post("registries", {"serverAddress": "m%d-%d.example.test" % (n, i)},
                            check=False)
        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        after = self.scrape()
        self.assertGreaterEqual(after["regcred_commit_writes_sum",
                                      ()] - before["regcred_commit_writes_sum", ()], 160)

    def test_no_id_name_or_address_becomes_a_label(self):
        needle = "qqqlabelqqq"
        self.status(self.p.env.get("/v1/" + needle + "/" + needle), 404)
        self.status(self.p.env.get("/" + needle), 404)
        self.status(self.p.env.request("QQQMETHOD", "/v1"), 405)
        r = self.site.anonymous().get("/metrics", check=False)
        for text in (needle, "QQQ", self.p.id, "127.0.0.1", "1sp"):
            self.assertNotIn(text, r.text)
        values = {v for (_, pairs) in parse(r.text) for k, v in pairs if k == "route"}
        self.assertLessEqual(len(values), 16)

    def test_only_the_location_that_says_so_answers_it(self):
        client = self.site.anonymous()
        for target in ("/metrics/", "/metricsx", "/Metrics", "/v1/../metrics", "/%6detrics/x"):
            r = client.get(target, check=False)
            self.assertNotEqual(r.status, 200, target)
            self.assertNotIn("regcred_", r.text, target)
        # nginx takes it for that location, and so does regcred
        client.get("//metrics", check=False)
        r = client.get("/v1/metrics", headers={"REGCRED_METRICS": "yes", "Regcred-Metrics": "yes"},
                       check=False)
        self.assertNotIn("regcred_build_info", r.text)
        self.assertIn("regcred_build_info", client.get("/metrics?x=1", check=False).text)
        self.assertEqual(client.request("HEAD", "/metrics", check=False).body, b"")

    def test_a_cgi_has_no_counters(self):
        env = dict(self.site.environ(), GATEWAY_INTERFACE="CGI/1.1", REQUEST_METHOD="GET",
                   REQUEST_URI="/metrics", REGCRED_METRICS="yes",
                   REMOTE_ADDR="127.0.0.1", REGCRED_STATE_DIR=self.site.state, HTTP_HOST="x")
        done = subprocess.run([harness.program("regcredd")], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self.assertTrue(done.stdout.startswith("Status: 404 "), done.stdout[:200])

    def test_a_worker_that_dies_is_counted_and_its_requests_are_kept(self):
        self.site.deaths_allowed = True
        for _ in range(10):
            self.status(self.p.env.get("registries"), 200)
        before = self.scrape()
        workers = [p for p in self.site.children() if harness.threads_of(p) > self.site.threads]
        os.kill(workers[0], signal.SIGKILL)
        self.assertTrue(harness.wait_until(lambda: workers[0] not in self.site.children()
                                           and len(self.site.children()) == self.site.workers
                                           + harness.OTHERS))
        after = self.scrape()
        deaths = "regcred_process_deaths_total", ()
        self.assertEqual(after[deaths] - before[deaths], 1)
        self.assertGreaterEqual(self.requests(after), self.requests(before))
        self.site.remember_children()


class Shipped(harness.Case):
    """hosting/prometheus-rules.yml and grafana.json name what there is."""

    def test_they_name_metrics_that_exist(self):
        found = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(
            r"^# TYPE (\S+)", self.site.anonymous("").get("/metrics", check=False).text, re.M)}
        # Absent as long as no login has such a time.
        found |= {"regcred_login_next_expiry_timestamp_seconds",
                  "regcred_refresh_oldest_due_timestamp_seconds"}
        for name in ("prometheus-rules.yml", "grafana.json"):
            with open(os.path.join(harness.SRC, "hosting", name), encoding="utf-8") as f:
                named = set(re.findall(r"\bregcred_[a-z_]+", f.read()))
            self.assertGreater(len(named), 5)
            self.assertEqual({re.sub(r"_(bucket|sum|count)$", "", one) for one in named} - found,
                             set(), name)

    def test_their_programs_take_them(self):
        for program, *words in (("promtool", "check", "rules", "prometheus-rules.yml"),
                                ("jq", "-e", ".panels | length > 5", "grafana.json")):
            with self.subTest(program):
                if shutil.which(program) is None:
                    self.skipTest("not installed: " + program)
                words[-1] = os.path.join(harness.SRC, "hosting", words[-1])
                done = subprocess.run([program, *words], capture_output=True, text=True,
                                      timeout=60, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Ping(harness.Case):
    def test_a_pool_that_cannot_read_its_database_is_not_healthy(self):
        """The file is replaced by garbage under a pool of its own; the answer tells nothing of the
        path."""
        from test_pool import Answer, request, dial, read_all
        state = os.path.join(self.site.root, "sick")
        self.site.cli("init", "--state-dir", state)
        with open(os.path.join(self.site.root, "sick.log"), "wb") as log:
            pool = subprocess.Popen([harness.program("regcredd"), "--state-dir", state, "--workers",
                                     "1", "--threads", "2"], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, env=self.site.environ(),
                                    preexec_fn=harness.end_with_parent)
        path = os.path.join(state, "regcredd.sock")

        def ping():
            s = dial(path)
            s.sendall(request(uri="/ping"))
            return Answer(read_all(s))
        try:
            with open(os.path.join(self.site.root, "sick.log"), encoding="utf-8") as log:
                self.assertTrue(harness.wait_until(lambda: " ready: " in log.read()))
            # Before the first look: pages that a connection has in memory are not read again.
            with open(os.path.join(state, "regcred.db"), "r+b") as f:
                f.write(os.urandom(65536))
            answer = ping()
            self.assertEqual((answer.status, answer.body), (503, b"the database cannot be read"))
        finally:
            pool.terminate()
            pool.wait(30)
            shutil.rmtree(state)


if __name__ == "__main__":
    unittest.main()
