"""Sources whose call kills the old secret, or leaves a second one behind: a kill -9 of the
refresher at each step of a renewal, a source that applies and does not answer, a database that was
put back; afterwards the login works.  Versions in Vault, and programs."""

import json
import os
import shutil
import signal
import tempfile
import time
import unittest

import harness
import sources

TAKES_S = 65

PROGRAMS = os.path.join(harness.BUILD, "rc-programs-%d" % os.getpid())
OPTIONS = ("--verify-networks", "127.0.0.0/8", "--refresh-timeout-s", "2",
           "--verify-timeout-s", "1", "--sweep-every-s", "1", "--refresh-threads", "2",
           "--refresh-programs", "p=%s/program sleep=/usr/bin/sleep head=/usr/bin/head"
           % PROGRAMS)
site = standin = None


def refresher():
    """The process id; None while there is none."""
    return next((pid for pid in site.children()
                 if harness.threads_of(pid) == 0 and harness.alive(pid)), None)


def kill_refresher():
    pid = refresher()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        site.killed.add(pid)
        harness.wait_until(lambda: not harness.alive(pid))


def kill_before(_proceed, _end):
    kill_refresher()
    return sources.Answer(raw=sources.drop)


def kill_after(proceed, _end):
    proceed()
    return kill_before(proceed, _end)


def slow(proceed, _end):
    answer = proceed()
    time.sleep(1)
    return answer


class Kind:
    """A source as the tests need it: its sourceSecret, the request that changes something, its
    sourceConfig with a fault and a number of its own, and for how long the former secret is
    kept."""

    def __init__(self, name, secret, change, config, overlap=0):
        self.name, self.secret, self.change = name, secret, change
        self.config, self.overlap = config, overlap


KINDS = {
    "harbor": Kind("harbor", sources.Harbor.password, "PATCH", lambda fault, n: {
        "endpoint": standin.url("harbor", fault), "robot": str(1000 + n),
        "user": sources.Harbor.user}),
    "quay": Kind("quay", sources.Quay.token, "POST", lambda fault, n: {
        "endpoint": standin.url("quay", fault), "organization": "acme", "robot": "robot%d" % n}),
    "gitlab": Kind("gitlab", sources.Gitlab.token, "POST", lambda fault, n: {
        "endpoint": standin.url("gitlab", fault), "project": "acme/app%d" % n}, 1),
}
VAULT = Kind("vault", sources.Vault.secret_id, "GET", lambda fault, n: {
    "address": standin.url("vault", fault), "path": "team/registry",
    "roleId": sources.Vault.role})
PROGRAM = Kind("exec", None, "", lambda fault, n: {"program": "p", "lifetimeSeconds": 3600})


def setUpModule():
    global site, standin
    os.mkdir(PROGRAMS, 0o755)
    unittest.addModuleCleanup(shutil.rmtree, PROGRAMS)
    with open(os.path.join(PROGRAMS, "program"), "w", encoding="ascii") as f:
        f.write("#!/bin/sh\n")
        os.fchmod(f.fileno(), 0o755)
    sources.FAULTS.update({"kill-before": kill_before, "kill-after": kill_after, "slow": slow})
    standin = sources.Sources()
    unittest.addModuleCleanup(standin.stop)
    site = harness.Site(workers=1, threads=4, options=OPTIONS)
    site.killed = set()
    site.start()
    unittest.addModuleCleanup(site.stop)
    site.reader = site.account("superadmin")[1]


class Renewing(harness.Case):
    site = property(lambda self: site)
    count = 0

    def setUp(self):
        super().setUp()
        self.p = site.project()
        self.next()

    def next(self):
        Renewing.count += 1
        self.n = Renewing.count
        self.registry = self.p.registry(serverAddress="registry%d.example" % self.n)

    def login(self, kind):
        """A login with this source, renewed once."""
        login = self.p.credential(
            self.registry, secretValue=None, publicValue=None, source=kind.name,
            sourceConfig=kind.config("right", self.n), sourceSecret=kind.secret,
            overlap=kind.overlap)["id"]
        self.wait(login, 1)
        return login

    def row(self, login):
        names = "secret_version", "refresh_result", "refresh_due", "refresh_attempt"
        return dict(zip(names, site.sql("SELECT %s FROM credential WHERE id = ?"
                                        % ", ".join(names), (int(login[2:]),))[0]))

    def until(self, login, wanted):
        self.assertTrue(harness.wait_until(lambda: wanted(self.row(login)), 20), self.row(login))

    def wait(self, login, version):
        self.until(login, lambda row: (row["secret_version"], row["refresh_result"],
                                       row["refresh_attempt"]) == (version, "refreshed", 0))

    def due(self, kind, login, fault="right"):
        site.sql("UPDATE credential SET refresh_due = 1000, source_config = ? WHERE id = ?",
                 (json.dumps(kind.config(fault, self.n)), int(login[2:])), write=True)

    def present(self, login):
        row = self.ok(site.reader.get("/v1/projects/%s/registrycredentials/%s"
                                      % (self.p.id, login)))
        return row["publicValue"], row["secretValue"]

    def assert_works(self, kind, login):
        user, secret = self.present(login)
        self.assertEqual(standin[kind.name].logins().get(user), secret, self.row(login))


class Crashes(Renewing):
    def test_a_kill_at_each_step_leaves_a_login_that_works(self):
        for kind in KINDS.values():
            # GitLab is read only if there may be something left.
            steps = [] if kind.name == "gitlab" else ["GET:kill-before", "GET:kill-after"]
            for step in steps + [kind.change + ":kill-before", kind.change + ":kill-after"]:
                with self.subTest("%s, %s" % (kind.name, step)):
                    self.next()
                    login, killed = self.login(kind), len(site.killed)
                    self.assert_works(kind, login)
                    self.due(kind, login, step)
                    self.assertTrue(harness.wait_until(lambda: len(site.killed) > killed))
                    self.assertTrue(harness.wait_until(lambda: refresher() is not None))
                    # The time of who was killed is over.
                    self.due(kind, login)
                    self.wait(login, 2)
                    self.assert_works(kind, login)
        site.remember_children()

    def test_a_source_that_applies_and_does_not_answer(self):
        for kind in KINDS.values():
            for fault in ("drop-after", "hang-after", "drop-before"):
                with self.subTest("%s, %s" % (kind.name, fault)):
                    self.next()
                    login = self.login(kind)
                    self.due(kind, login, "%s:%s" % (kind.change, fault))
                    # Quay's answer can be read at once.
                    self.until(login, lambda row: row["refresh_result"] != "refreshed"
                               or row["secret_version"] == 2)
                    self.due(kind, login)
                    self.until(login, lambda row: row["secret_version"] >= 2
                               and row["refresh_attempt"] == 0)
                    self.assert_works(kind, login)

    def test_a_source_that_is_taken_off_meanwhile_leaves_the_new_secret(self):
        for name in ("harbor", "quay"):
            with self.subTest(name):
                self.next()
                kind = KINDS[name]
                login = self.login(kind)
                before, calls = self.present(login), len(standin.calls)
                self.due(kind, login, kind.change + ":slow")
                self.assertTrue(harness.wait_until(lambda: any(
                    call["method"] == kind.change for call in standin.calls[calls:])))
                path = "registrycredentials/" + login
                self.ok(self.p.env.put(path, {"source": None}))
                self.assertTrue(harness.wait_until(lambda: self.present(login) != before))
                self.assert_works(kind, login)
                row = self.ok(self.p.env.get(path))
                self.assertEqual((row["source"], row["secretVersion"]), (None, 2))

    def test_of_gitlab_one_token_is_left(self):
        kind = KINDS["gitlab"]
        login = self.login(kind)
        self.due(kind, login, "POST:drop-after")
        self.until(login, lambda row: row["refresh_result"] == "unreachable")
        self.due(kind, login)
        self.wait(login, 2)

        def alive():
            return [token["token"] for token in standin["gitlab"].tokens
                    if not token["revoked"] and token["owner"].endswith("app%d" % self.n)]
        self.assertTrue(harness.wait_until(lambda: len(alive()) == 1, 20), alive())
        self.assertEqual(alive(), [self.present(login)[1]])
        self.assertEqual((standin["gitlab"].rotated, standin["gitlab"].used_dead), (0, 0))


    def test_of_a_purged_login_nothing_is_left_at_gitlab(self):
        kind = KINDS["gitlab"]
        login = self.login(kind)
        self.due(kind, login, "POST:drop-after")
        self.until(login, lambda row: row["refresh_result"] == "unreachable")
        site.sql("UPDATE credential SET refresh_due = NULL, source_config = ? WHERE id = ?",
                 (json.dumps(kind.config("right", self.n)), int(login[2:])), write=True)
        owner = "app%d" % self.n
        alive = [token for token in standin["gitlab"].tokens if token["owner"].endswith(owner)]
        self.assertEqual(len(alive), 2)
        for action in ("deactivate", "remove", "purge"):
            self.ok(self.p.env.action("registrycredentials/" + login, action), 202)
        self.assertTrue(harness.wait_until(
            lambda: all(token["revoked"] for token in standin["gitlab"].tokens
                        if token["owner"].endswith(owner)), 20), alive)


class Restore(Renewing):
    def test_a_database_of_yesterday_gets_logins_that_work(self):
        copy = os.path.join(tempfile.mkdtemp(prefix="rc-"), "copy")
        self.addCleanup(shutil.rmtree, os.path.dirname(copy))
        logins = []
        for kind in KINDS.values():
            self.next()
            logins.append((kind, self.n, self.login(kind)))
        site.cli("backup", copy, "--state-dir", site.state)
        for kind, self.n, login in logins:
            self.due(kind, login)
            self.wait(login, 2)
        self.assertEqual(site.stop_pool(), 0)
        done = site.cli("restore", copy, "--state-dir", site.state, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        site.start_pool()
        self.assertTrue(harness.wait_until(site.answers))
        site.remember_children()
        for kind, self.n, login in logins:
            with self.subTest(kind.name):
                self.wait(login, 2)
                self.assert_works(kind, login)


class Vault(Renewing):
    def test_a_new_version_is_found(self):
        login = self.login(VAULT)
        self.assertEqual(self.present(login),
                         ("pulls", standin["vault"].versions[-1]["password"]))
        self.due(VAULT, login)
        self.until(login, lambda row: row["refresh_due"] > time.time() * 1000 + 200000)
        self.assertEqual(self.row(login)["secret_version"], 1)
        standin["vault"].write("a newer one")
        self.due(VAULT, login)
        self.wait(login, 2)
        self.assertEqual(self.present(login), ("pulls", "a newer one"))
        self.assertEqual(standin["vault"].given, [])


class Programs(Renewing):
    def program(self, *lines):
        # The sandbox knows the file, not its name.
        with open(os.path.join(PROGRAMS, "program"), "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n" + "\n".join(lines) + "\n")

    def setUp(self):
        super().setUp()
        path = PROGRAMS
        while path != "/":
            if os.stat(path).st_uid != 0 or os.stat(path).st_mode & 0o022:
                self.skipTest("%s is not root's alone, so no program in it is run" % path)
            path = os.path.dirname(path)

    def test_a_program_gives_a_secret_from_within_the_sandbox(self):
        self.program("""echo '{"ServerURL":"","Username":"u","Secret":"of a program"}'""")
        login = self.login(PROGRAM)
        self.assertEqual(self.present(login), ("u", "of a program"))

    def test_a_program_reads_nothing_of_what_the_server_holds(self):
        home = os.path.join(site.state, "programs")
        os.mkdir(home)
        with open(os.path.join(home, "own"), "w", encoding="ascii") as f:
            f.write("a line\n")
        kill_refresher()  # what is there when it starts counts
        self.assertTrue(harness.wait_until(lambda: refresher() is not None))
        site.remember_children()
        files = [os.path.join(site.state, name) for name in sorted(os.listdir(site.state))
                 if os.path.isfile(os.path.join(site.state, name))]
        self.assertIn(os.path.join(site.state, "master.key"), files)
        self.program("said=", *["if read line <%s; then said=\"$said %s\"; fi 2>/dev/null"
                                % (path, os.path.basename(path))
                                for path in files + [os.path.join(home, "own")]],
                     "echo new >%s/made && said=\"$said made\"" % home,
                     "echo new >%s/made && said=\"$said outside\"" % site.state,
                     """echo "{\\"ServerURL\\":\\"\\",\\"Username\\":\\"u\\",\\"Secret\\":\\"$said\\"}\"""")
        login = self.login(PROGRAM)
        self.assertEqual(self.present(login), ("u", " own made"))

    def test_what_goes_wrong_is_told_and_no_secret_is_logged(self):
        secret = site.plant()
        self.program("""echo '{"ServerURL":"","Username":"u","Secret":"of a program"}'""")
        login = self.login(PROGRAM)
        for lines, result in (
                (["echo credentials not found in native keychain", "exit 1"], "sourceRefused"),
                (["echo the token %s is wrong >&2" % secret, "exit 1"], "badAnswer"),
                (["echo %s >&2" % secret, "head -c 1048576 /dev/zero"], "badAnswer"),
                (["sleep 60 & sleep 60"], "timeout")):
            with self.subTest(lines[0]):
                self.program(*lines)
                before = self.row(login)["refresh_attempt"]
                self.due(PROGRAM, login)
                self.until(login, lambda row: row["refresh_result"] == result
                           and row["refresh_attempt"] == before + 1
                           and row["refresh_due"] > time.time() * 1000 - 1000)
                self.assertEqual(self.present(login), ("u", "of a program"))
