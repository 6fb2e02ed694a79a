"""Logins that renew themselves, with Amazon's stand-in as their source: the first secret, the next
ones, failures and what is shown of them; two pools on one database, a thousand rows, a day within a
minute; a reload, a rotation of the key, a full disk, a restore and a plain CGI meanwhile."""

import collections
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
import sources
from test_metrics import parse

ADDRESS = "%s.dkr.ecr.%s.amazonaws.com" % (sources.ACCOUNT, sources.REGION)
KEY_ID = "AKIASTANDIN0STANDIN0"
OPTIONS = ("--verify-networks", "127.0.0.0/8", "--refresh-timeout-s", "3", "--verify-timeout-s",
           "1", "--sweep-every-s", "1")
HOUR = 3600 * 1000
site = standin = None


def setUpModule():
    global site, standin
    standin = sources.Sources()
    unittest.addModuleCleanup(standin.stop)
    site = harness.Site(workers=2, threads=8, options=OPTIONS,
                        environment={"REGCRED_KEYRING_LOOK_MS": "100"})
    site.start()
    unittest.addModuleCleanup(site.stop)
    # Whoever may read secrets.
    site.reader = site.account("superadmin")[1]


def ecr(fault="right", name="ecr"):
    return {"accessKeyId": KEY_ID, "endpoint": standin.url(name, fault)}


class Renewing(harness.Case):
    site = property(lambda self: site)

    def setUp(self):
        super().setUp()
        self.p = site.project()
        self.registry = self.p.registry(serverAddress=ADDRESS)

    def login(self, fault="right", secret=sources.KEYS[KEY_ID][0], **fields):
        return self.p.credential(self.registry, secretValue=None, publicValue=None, source="ecr",
                                 sourceConfig=ecr(fault), sourceSecret=secret, **fields)["id"]

    def read(self, login):
        return self.ok(self.p.env.get("registrycredentials/" + login))

    def secret(self, login):
        return self.ok(site.reader.get("/v1/projects/%s/registrycredentials/%s"
                                       % (self.p.id, login)))["secretValue"]

    def wait(self, login, wanted, seconds=20):
        """The row once wanted(row) is true."""
        self.assertTrue(harness.wait_until(lambda: wanted(self.read(login)), seconds),
                        "never so: %r" % self.read(login))
        return self.read(login)

    def renewed(self, login, version=1):
        return self.wait(login, lambda row: row["secretVersion"] == version and row["refreshResult"]
                         == "refreshed")

    def due(self, login, **columns):
        """Makes it due now, with these columns besides."""
        columns.setdefault("refresh_due", 1000)
        names = sorted(columns)
        site.sql("UPDATE credential SET %s WHERE id = ?"
                 % ", ".join(name + " = ?" for name in names), [columns[name] for name in names]
                 + [int(login[2:])], write=True)

    def events(self, login):
        return [row[0] for row in site.sql("SELECT event_type FROM audit_log WHERE resource_id = ? "
                                           "AND event_type LIKE 'refresh%' ORDER BY id", (login,))]


class OneLogin(Renewing):
    def test_it_gets_its_first_secret_and_the_next_one_in_time(self):
        login = self.login()
        row = self.renewed(login)
        self.assertEqual((row["publicValue"], row["state"], row["transitioning"]),
                         ("AWS", "active", "no"))
        token = self.secret(login)
        self.assertIn(token, standin["ecr"].tokens)
        due, expires = site.sql("SELECT refresh_due, expires FROM credential WHERE id = ?",
                                (int(login[2:]),))[0]
        now = time.time() * 1000
        self.assertAlmostEqual(expires - now, 12 * HOUR, delta=30000)
        self.assertTrue(5.3 * HOUR <= due - now <= 6.7 * HOUR, due - now)
        self.due(login)
        row = self.renewed(login, 2)
        self.assertNotEqual(self.secret(login), token)
        self.assertIsNotNone(row["previousUntil"])
        versions = self.ok(self.p.env.get("registrycredentials/%s/secretversions" % login))["data"]
        self.assertEqual([(v["version"], v["state"]) for v in versions], [(1, "previous")])
        self.assertNotIn(token, json.dumps(versions))
        self.assertEqual(self.events(login), ["refresh", "refresh"])

    def test_the_action_asks_at_once(self):
        login = self.login()
        self.renewed(login)
        answer = self.p.env.action("registrycredentials/" + login, "refresh")
        self.assertEqual((answer.status, answer.json["state"]), (202, "updating-active"), answer)
        row = self.renewed(login, 2)
        self.assertEqual(self.wait(login, lambda row: row["state"] == "active")["transitioning"],
                         "no")
        self.assertIsNone(row["refreshMessage"] if row["refreshResult"] != "refreshed" else None)

    def test_a_wrong_key_is_told_and_mended_by_a_put(self):
        wrong = site.plant()
        login = self.login(secret=wrong)
        row = self.wait(login, lambda row: row["refreshResult"] is not None)
        self.assertEqual((row["refreshResult"], row["transitioning"], row["refreshStatus"]),
                         ("sourceRefused", "error", 403))
        self.assertIn("sourceSecret", row["transitioningMessage"])
        self.assertNotIn(wrong, json.dumps(row))
        self.assertEqual(self.events(login), ["refreshFailed"])
        self.ok(self.p.env.put("registrycredentials/" + login,
                               {"sourceSecret": sources.KEYS[KEY_ID][0]}))
        self.assertEqual(self.renewed(login)["transitioning"], "no")

    def test_each_failure_leaves_the_present_secret(self):
        login = self.login()
        self.renewed(login)
        token = self.secret(login)
        for fault, result in (("throttled", "rateLimited"), ("html", "badAnswer"),
                              ("long", "badAnswer"), ("past", "badAnswer"), ("skew", "clockSkew"),
                              ("drop-before", "unreachable"), ("hang-before", "timeout"),
                              ("AccessDeniedException", "sourceRefused"), ("account", "badAnswer")):
            with self.subTest(fault):
                before = site.sql("SELECT refresh_attempt FROM credential WHERE id = ?",
                                  (int(login[2:]),))[0][0]
                self.due(login, source_config=json.dumps(ecr(fault)))
                self.assertTrue(
                    harness.wait_until(lambda: site.sql("SELECT refresh_result = ? AND "
                                                        "refresh_attempt > ? AND refresh_due < ? "
                                                        "FROM credential WHERE id = ?", (
                    result, before or 0, 1 << 62, int(login[2:])))[0][0]), self.read(login))
                attempt, due = site.sql("SELECT refresh_attempt, refresh_due FROM credential WHERE "
                                        "id = ?", (int(login[2:]),))[0]
                self.assertEqual(attempt, (before or 0) + 1)
                self.assertGreater(due, time.time() * 1000)
                self.assertEqual(self.secret(login), token)
        self.due(login, source_config=json.dumps(ecr()))
        self.renewed(login, 2)

    def test_one_that_dies_within_a_minute_is_renewed_when_it_is_retrieved(self):
        login = self.login()
        self.renewed(login)
        now = int(time.time() * 1000)
        site.sql("UPDATE credential SET refresh_due = ?, expires = ? WHERE id = ?",
                 (now + HOUR, now + 50000, int(login[2:])), write=True)
        key = harness.Client(site, site.new_key(self.p.admin, role="reveal"), self.p.root)
        self.ok(key.post("handouts", {"format": "docker", "serverAddress": ADDRESS}))
        self.renewed(login, 2)

    def test_status_and_metrics_show_it(self):
        login = self.login()
        self.renewed(login)
        self.assertTrue(
            harness.wait_until(lambda: json.loads(site.cli("status", "--json", "--state-dir",
                                                           site.state, check=False).stdout)[
                                                               "renewal"].get("ecr")))
        text = self.ok_text(site.anonymous("").get("/metrics", check=False))
        found = parse(text)
        self.assertGreater(found["regcred_refreshes_total",
                                 (("source", "ecr"), ("result", "refreshed"))], 0)
        self.assertGreater(found["regcred_refresh_duration_seconds_count", (("source", "ecr"),)], 0)
        self.assertTrue(
            harness.wait_until(
                lambda: 'regcred_login_next_expiry_timestamp_seconds{source="ecr"}'
                in site.anonymous("").get("/metrics", check=False).text))
        self.assertNotIn(login, text)
        # Late and failing: it is counted, and the status says so.
        now = int(time.time() * 1000)
        self.due(login, source_config=json.dumps(ecr("broken")), refreshed=now - 100000, expires=now
                 + 1000)
        self.wait(login, lambda row: row["transitioning"] == "error")
        report = json.loads(site.cli("status", "--json", "--state-dir", site.state,
                                     check=False).stdout)
        self.assertGreaterEqual(report["renewal"]["overdue"], 1)
        self.assertIn("could not be renewed", report["problem"])
        self.assertTrue(
            harness.wait_until(
                lambda: parse(site.anonymous("").get("/metrics", check=False).text).get(
                    ("regcred_refresh_overdue", ()), 0) >= 1))
        site.sql("UPDATE credential SET refresh_due = NULL, state = 'inactive' WHERE id = ?",
                 (int(login[2:]),), write=True)

    def test_what_logins_are_used_for_is_counted_without_their_names(self):
        def count(name, *labels):
            return parse(self.ok_text(site.anonymous("").get("/metrics", check=False))).get(
                (name, labels), 0)

        checked = "regcred_verifications_total", ("result", "unreachable")
        handed = "regcred_handouts_total", ("format", "docker")
        before = {row: count(*row) for row in (checked, handed)}
        registry = self.p.registry(serverAddress="127.0.0.1:1")
        login, other = self.p.credential(registry)["id"], self.p.credential(self.registry)["id"]
        self.ok(self.p.env.action("registrycredentials/" + login, "verify"), 202)
        self.wait(login, lambda row: row["verificationResult"] == "unreachable")
        key = harness.Client(site, site.new_key(self.p.admin, role="reveal"), self.p.root)
        self.ok(key.post("handouts", {"format": "docker", "serverAddress": ADDRESS}))
        # A check is counted once its row is committed.
        self.assertTrue(harness.wait_until(
            lambda: [count(*row) - before[row] for row in (checked, handed)] == [1, 1]))
        site.sql("UPDATE credential SET created = 1000, last_used = NULL WHERE id = ?",
                 (int(other[2:]),), write=True)
        for where, *row in (
                ("coalesce(last_used, created) = 1000", "regcred_logins_unused", ("for", "30d")),
                ("verify_result IS NULL", "regcred_logins", ("state", "active"),
                 ("verification", "none")),
                ("verify_result = 'unreachable'", "regcred_logins", ("state", "active"),
                 ("verification", "unreachable"))):
            with self.subTest(where):
                def there():
                    return site.sql("SELECT count(*) FROM credential WHERE kind = "
                                    "'registryCredential' AND state = 'active' AND "
                                    + where)[0][0]
                self.assertGreaterEqual(there(), 1)
                self.assertTrue(harness.wait_until(lambda: count(*row) == there()), there())
        text = self.ok_text(site.anonymous("").get("/metrics", check=False))
        for name in (login, other, ADDRESS, self.p.id):
            self.assertNotIn('"%s"' % name, text)

    def ok_text(self, response):
        self.assertEqual(response.status, 200, response)
        return response.text


class Programs(Renewing):
    """A program of the settings runs in the sandbox of the refresher, which lets it run nothing
    else."""

    def test_a_program_that_is_listed_runs(self):
        beside = harness.Site(workers=1, threads=2, options=[
            *OPTIONS, "--refresh-programs", "echo=/bin/echo env=kubelet:/usr/bin/env"])
        beside.start()
        self.addCleanup(beside.kill)
        project = beside.project()
        registry = project.registry(serverAddress="registry.example.test")
        # What they print is no secret: so they have run.
        for program, result, sentence in (("echo", "badAnswer", None), ("env", "badAnswer", None),
                                          ("other", "misconfigured", "refresh_programs")):
            login = project.credential(registry, secretValue=None, publicValue=None, source="exec",
                                       sourceConfig={"program": program, "lifetimeSeconds": 600})
            path = "registrycredentials/" + login["id"]
            self.assertTrue(harness.wait_until(
                lambda: project.env.get(path).json["refreshResult"] is not None))
            row = project.env.get(path).json
            self.assertEqual(row["refreshResult"], result, (row["refreshMessage"], beside.tail()))
            if sentence is not None:
                self.assertIn(sentence, row["refreshMessage"])


class Check(Renewing):
    """What `regcred check` says of sources."""

    def check(self, *words):
        done = site.cli("check", "--state-dir", site.state, "--verify-networks", "127.0.0.0/8",
                        "--refresh-timeout-s", "1", *words, check=False)
        return done.returncode, [line for line in done.stdout.splitlines()
                                 if line.startswith(("ok: the ", "problem: "))]

    def test_sources_that_cannot_be_asked_are_named_with_the_reason(self):
        for name, fault in (("good", "right"), ("skewed", "skewed")):
            login = self.login()
            self.renewed(login)
            self.due(login, refresh_due=None, source_config=json.dumps(
                {"endpoint": standin.url("ask", fault)}), name=name)
        login = self.login()
        self.renewed(login)
        self.due(login, refresh_due=None, source_config=json.dumps(
            {"endpoint": "http://127.0.0.1:1"}))
        login = self.login()
        self.renewed(login)
        self.due(login, refresh_due=None, source="exec", source_config=json.dumps(
            {"program": "nobody-lists-it"}))
        status, lines = self.check("--refresh-programs", "true=/bin/true gone=/nowhere/at/all")
        self.addCleanup(site.sql, "UPDATE credential SET source = NULL WHERE account_id = ?",
                        (int(self.p.id[2:]),), write=True)
        self.assertEqual(status, 1, lines)
        text = "\n".join(lines)
        self.assertIn("ok: the source at %s: it answers" % standin.url("ask"), text)
        self.assertRegex(text, "problem: the source at %s: its clock is 3[0-9]+ s behind the one "
                               "of this server" % standin.url("ask", "skewed"))
        self.assertIn("problem: the source at http://127.0.0.1:1: The source cannot be reached; it is asked again later.",
                      text)
        self.assertIn("problem: the program nobody-lists-it: a login names it", text)
        self.assertIn("problem: the program gone: /nowhere/at/all: No such file", text)
        self.assertRegex(text, "(ok|problem): the program true: ")


class Many(Renewing):
    def import_rows(self, count):
        """So many logins, one after the other, as an import makes them; their ids."""
        made = []
        for n in range(count):
            body = {"name": "m%d" % n, "email": "m@example.test", "registryId": self.registry["id"],
                    "source": "ecr", "sourceConfig": ecr(),
                    "sourceSecret": sources.KEYS[KEY_ID][0]}
            answer = self.p.env.post("registrycredentials", body)
            self.assertEqual(answer.status, 201, answer)
            made.append(int(answer.json["id"][2:]))
        return made

    def count_refreshed(self, ids, version):
        return site.sql("SELECT count(*) FROM credential WHERE id >= ? AND id <= ? AND source = "
                        "'ecr' AND secret_version >= ?", (ids[0], ids[-1], version))[0][0]

    def test_a_thousand_rows_spread(self):
        ids = self.import_rows(1000)
        self.assertTrue(harness.wait_until(lambda: self.count_refreshed(ids, 1) == 1000, 120),
                        self.count_refreshed(ids, 1))
        self.assertEqual(site.sql("SELECT count(*) FROM audit_log WHERE event_type = 'refresh' AND "
                                  "CAST(substr(resource_id, 3) AS INTEGER) BETWEEN ? AND ?",
                                  (ids[0], ids[-1]))[0][0], 1000)
        tenths = collections.Counter(int((due - refreshed - 5.4 * HOUR) / (1.2 * HOUR) * 10)
                                     for due, refreshed in site.sql(
            "SELECT refresh_due, refreshed FROM credential WHERE id BETWEEN ? AND ?",
            (ids[0], ids[-1])))
        self.assertEqual(set(tenths) - {-1, 10}, set(range(10)))
        for tenth in range(10):
            self.assertTrue(50 <= tenths[tenth] <= 200, tenths)

    def test_silent_sources_of_one_project_leave_half_of_the_threads_to_others(self):
        """On as many hosts as they like; told by what was asked when, not by time."""
        silent = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.addCleanup(silent.close)
        mine = []
        for n in range(24):
            config = dict(ecr(), endpoint="http://127.0.0.1:%d/host%d" % (silent.getsockname()[1],
                                                                          n))
            mine.append(self.p.credential(self.registry, secretValue=None, source="ecr",
                                          sourceConfig=config,
                                          sourceSecret=sources.KEYS[KEY_ID][0])["id"])
        other = site.project()
        row = other.credential(other.registry(serverAddress=ADDRESS), secretValue=None,
                               source="ecr", sourceConfig=ecr(),
                               sourceSecret=sources.KEYS[KEY_ID][0])["id"]
        self.assertTrue(harness.wait_until(lambda: self.ok(other.env.get(
            "registrycredentials/" + row))["refreshResult"] == "refreshed", 60))
        asked = [self.read(login)["refreshResult"] for login in mine]
        self.assertGreaterEqual(asked.count(None), 12, asked)

    def test_two_pools_make_one_call_for_each_due_row(self):
        ids = self.import_rows(60)
        self.assertTrue(harness.wait_until(lambda: self.count_refreshed(ids, 1) == 60, 60))
        log = open(os.path.join(site.root, "second.log"), "ab")
        self.addCleanup(log.close)
        state = tempfile.mkdtemp(prefix="rc-second-")
        self.addCleanup(shutil.rmtree, state, ignore_errors=True)
        second = subprocess.Popen([harness.program("regcredd"), "--state-dir", state, "--database",
                                   site.db, "--key-file", os.path.join(site.state, "master.key"),
                                   "--workers", "1", *OPTIONS], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, env=site.environ(),
                                   preexec_fn=harness.end_with_parent)
        try:
            time.sleep(1)
            for version in (2, 3, 4):
                before = len(standin.calls)
                site.sql("UPDATE credential SET refresh_due = 1000 WHERE id BETWEEN ? AND ? AND "
                         "source = 'ecr'", (ids[0], ids[-1]), write=True)
                self.assertTrue(harness.wait_until(lambda: self.count_refreshed(ids, version) == 60,
                                                   60), self.count_refreshed(ids, version))
                self.assertEqual(len(standin.calls) - before, 60)
            with open(log.name, encoding="utf-8") as f:
                self.assertIn("renewed by its source ecr", f.read())
        finally:
            second.terminate()
            self.assertEqual(second.wait(30), 0)

    def test_a_day_in_less_than_a_minute(self):
        """Every step the clock moves by half an hour, for all times of the rows: nothing ever runs
        out, and nobody is asked too often."""
        ids, steps, step = self.import_rows(40), 48, HOUR // 2
        self.assertTrue(harness.wait_until(lambda: self.count_refreshed(ids, 1) == 40, 60))
        before, where = len(standin.calls), "id BETWEEN %d AND %d AND source = 'ecr'" % (
            ids[0], ids[-1])
        for _ in range(steps):
            site.sql("UPDATE credential SET refresh_due = refresh_due - %d, expires = expires - "
                     "%d, refreshed = refreshed - %d WHERE %s" % (step, step, step, where),
                     write=True)
            self.assertTrue(
                harness.wait_until(lambda: site.sql("SELECT count(*) FROM credential WHERE %s AND "
                                                    "(refresh_due <= ? OR refresh_attempt > 0)" % where,
                                                                (int(time.time() * 1000),))[0][0]
                                                                == 0, 30))
            least, = site.sql("SELECT min(expires) FROM credential WHERE " + where)[0]
            self.assertGreater(least - time.time() * 1000, 5 * HOUR)
        self.assertTrue(40 * 3 <= len(standin.calls) - before <= 40 * 5,
                        len(standin.calls) - before)

    def test_a_reload_and_a_rotation_of_the_key_lose_nothing(self):
        ids = self.import_rows(100)
        self.assertTrue(harness.wait_until(lambda: self.count_refreshed(ids, 1) == 100, 60))
        stop, trouble = threading.Event(), []

        def keep_due():
            while not stop.is_set():
                site.sql("UPDATE credential SET refresh_due = 1000 WHERE id BETWEEN ? AND ? AND "
                         "source = 'ecr' AND refresh_attempt = 0", (ids[0], ids[-1]), write=True)
                time.sleep(0.3)

        thread = threading.Thread(target=keep_due)
        thread.start()
        try:
            for _ in range(3):
                site.pool.send_signal(signal.SIGHUP)
                time.sleep(1)
                done = site.cli("rekey", "--state-dir", site.state, check=False)
                if done.returncode != 0:
                    trouble.append(done.stderr)
        finally:
            stop.set()
            thread.join()
        self.assertEqual(trouble, [])
        self.assertTrue(harness.wait_until(lambda: len(site.children()) == site.workers
                                           + harness.OTHERS))
        site.remember_children()
        self.assertTrue(harness.wait_until(lambda: site.sql("SELECT count(*) FROM credential WHERE "
                                                            "id BETWEEN ? AND ? AND "
                                                            "refresh_attempt > 0",
                                                            (ids[0], ids[-1]))[0][0] == 0, 30))
        self.assertGreater(self.count_refreshed(ids, 3), 90)
        done = site.cli("check", "--state-dir", site.state, check=False)
        self.assertRegex(done.stdout, r"(?m)^key \d+ \(primary\): \d+ sealed values$")
        self.assertNotRegex(done.stdout + done.stderr, "cannot be opened|NOT IN THE FILE")
        for login in ids[::10]:
            self.assertIn(self.secret("1c%d" % login), standin["ecr"].tokens)


class Beside(unittest.TestCase):
    """Without a pool: `regcred sweep` of a CGI, and a database that was put back."""

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="rc-beside-")
        self.addCleanup(shutil.rmtree, self.work)
        self.site = harness.Site(workers=1, threads=2, options=OPTIONS,
                                 environment={"REGCRED_VERIFY_NETWORKS": "127.0.0.0/8",
                                              "REGCRED_REFRESH_TIMEOUT_S": "3"})
        self.site.start()
        self.addCleanup(self.site.kill)
        self.p = self.site.project()
        registry = self.p.registry(serverAddress=ADDRESS)
        self.login = self.p.credential(registry, secretValue=None, publicValue=None, source="ecr",
                                       sourceConfig=ecr(), sourceSecret=sources.KEYS[KEY_ID][0])[
                                           "id"]
        self.wait_version(1)

    def row(self):
        return self.site.sql("SELECT secret_version, refresh_result, refresh_due FROM credential "
                             "WHERE id = ?", (int(self.login[2:]),))[0]

    def wait_version(self, version):
        self.assertTrue(harness.wait_until(lambda: self.row()[0] == version), self.row())

    def cli(self, *words):
        return self.site.cli(*words, "--state-dir", self.site.state, check=False)

    def test_a_sweep_renews_what_is_due(self):
        self.assertEqual(self.site.stop_pool(), 0)
        self.assertEqual(self.cli("sweep").returncode, 0)
        self.assertEqual(self.row()[0], 1)                # it is not due
        self.site.sql("UPDATE credential SET refresh_due = 1000 WHERE source = 'ecr'", write=True)
        self.assertEqual(self.cli("sweep").returncode, 0)
        self.assertEqual(self.row()[:2], (2, "refreshed"))

    def test_after_a_restore_all_are_due_at_once(self):
        copy = os.path.join(self.work, "copy")
        self.assertEqual(self.cli("backup", copy).returncode, 0)
        self.site.sql("UPDATE credential SET refresh_due = 1000 WHERE source = 'ecr'", write=True)
        self.wait_version(2)
        self.assertEqual(self.site.stop_pool(), 0)
        done = self.cli("restore", copy)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.row()[0], 1)
        self.assertLessEqual(self.row()[2], time.time() * 1000)
        calls = len(standin.calls)
        self.site.start_pool()
        self.wait_version(2)
        self.assertEqual(len(standin.calls) - calls, 1)

    def test_a_key_that_was_replaced_after_the_copy_is_named(self):
        copy = os.path.join(self.work, "copy")
        self.assertEqual(self.cli("backup", copy).returncode, 0)
        self.assertEqual(self.site.stop_pool(), 0)
        self.assertEqual(self.cli("restore", copy).returncode, 0)
        self.site.sql("UPDATE credential SET source_config = replace(source_config, ?, "
                      "'AKIAREPLACED0REPLACED') WHERE source = 'ecr'", (KEY_ID,), write=True)
        self.site.start_pool()
        self.assertTrue(harness.wait_until(lambda: self.row()[1] == "sourceRefused"), self.row())
        self.assertTrue(harness.wait_until(self.site.answers))
        row = self.p.env.get("registrycredentials/" + self.login).json
        self.assertEqual(row["transitioning"], "error")
        self.assertIn("sourceSecret", row["transitioningMessage"])


class Full(unittest.TestCase):
    """The disk is full when the answer of the source comes, and has room again a moment later."""

    def test_what_the_source_gave_is_stored_once_there_is_room(self):
        small = tempfile.mkdtemp(prefix="rc-small-")
        self.addCleanup(shutil.rmtree, small, ignore_errors=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % (32 << 20),
                               "regcred-test", small], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest("a small tmpfs cannot be mounted here: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", small], check=False)
        database = os.path.join(small, "regcred.db")
        full = harness.Site(workers=1, threads=2, options=[
            *OPTIONS[:2], "--refresh-timeout-s", "20", "--verify-timeout-s", "1"],
            environment={"REGCRED_DATABASE": database, "REGCRED_MIN_FREE_BYTES": "0"})
        full.start()
        self.addCleanup(full.kill)
        full.db = database
        harbor = standin["harbor"]
        project = full.project()
        login = project.credential(
            project.registry(serverAddress="harbor.example.test"), secretValue=None,
            publicValue=None, source="harbor", sourceSecret=harbor.password,
            sourceConfig={"endpoint": standin.url("harbor"), "robot": "8001",
                          "user": harbor.user})["id"]

        def row():
            return full.sql("SELECT secret_version, refresh_attempt FROM credential WHERE id = ?",
                            (int(login[2:]),))[0]
        self.assertTrue(harness.wait_until(lambda: row()[0] == 1), row())
        filler, before, answer = os.path.join(small, "filler"), harbor.sets["8001"], harbor.answer

        def fill_and_answer(*asked):
            given = answer(*asked)
            with open(filler, "ab", buffering=0) as f:
                try:
                    while f.write(b"\0" * 4096):
                        pass
                except OSError:
                    pass
            return given
        harbor.answer = fill_and_answer
        self.addCleanup(harbor.__dict__.pop, "answer", None)
        full.sql("UPDATE credential SET refresh_due = 1000 WHERE id = ?", (int(login[2:]),),
                 write=True)
        self.assertTrue(harness.wait_until(lambda: harbor.sets["8001"] > before))
        time.sleep(1.5)
        self.assertEqual(row()[0], 1)
        # What the login has is dead now; what it will have is sealed in its pending version.
        self.assertEqual(full.sql("SELECT count(*) FROM secret_version WHERE state = 'pending' AND "
                                  "secret_value IS NOT NULL")[0][0], 1)
        del harbor.answer
        os.unlink(filler)
        self.assertTrue(harness.wait_until(lambda: row()[0] == 2, 40), row())
        reader = full.account("superadmin")[1]
        now = reader.get("/v1/projects/%s/registrycredentials/%s" % (project.id, login)).json
        self.assertEqual(harbor.logins()[now["publicValue"]], now["secretValue"])
