"""Rotation of the master key while the pool runs: no request fails, no secret is lost, nothing old
is left, and it can be cut off anywhere."""

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import harness

# Processes look at the key file ten times a second, and a rotation waits for that.
setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=8,
                                              environment={"REGCRED_KEYRING_LOOK_MS": "100"})
LOOKED_S = 0.25

CLIENTS = 8
WARNING = "running as root"


class Rotation(harness.Case):
    def setUp(self):
        super().setUp()
        self.state = self.site.state
        self.key = os.path.join(self.state, "master.key")
        self.p = self.site.project()
        self.reader = self.superadmin()

    def superadmin(self):
        """Whoever may read secrets; made once."""
        made = self.site.role_clients
        if "superadmin" not in made:
            made["superadmin"] = self.site.account("superadmin")[1]
        return made["superadmin"]

    # -- what the files say

    def keys(self):
        """(ids of the sealing keys, primary) of the key file."""
        with open(self.key, encoding="ascii") as f:
            text = f.read()
        return [int(n) for n in re.findall(r"^seal (\d+) [0-9a-f]{64}$", text, re.M)], int(
            re.search(r"^primary (\d+)$", text, re.M).group(1))

    def checks(self):
        return [row[0] for row in self.site.sql("SELECT key_id FROM key_check WHERE use = 'seal' "
                                                "ORDER BY key_id")]

    def sealed(self):
        """{id: sealed value} of every login."""
        return dict(self.site.sql("SELECT id, secret_value FROM credential WHERE kind NOT IN "
                                  "('apiKey', 'password') AND secret_value IS NOT NULL"))

    def ids(self):
        """{key id: number of values}."""
        found = {}
        for value in self.sealed().values():
            self.assertEqual(value[0], 2)
            found[int.from_bytes(value[1:5], "big")] = found.get(int.from_bytes(value[1:5], "big"),
                                                                 0) + 1
        return found

    def assertRotated(self, primary):
        self.assertEqual(self.keys(), ([primary], primary))
        self.assertEqual(self.checks(), [primary])
        self.assertLessEqual(set(self.ids()), {primary})
        self.assertEqual(os.stat(self.key).st_mode & 0o777, 0o400)
        self.assertEqual([n for n in os.listdir(self.state) if n.startswith("master.key")
                          and n != "master.key"], [])

    # -- the command

    def rekey(self, *words, status=0):
        done = self.site.cli("rekey", "--state-dir", self.state, *words, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def start(self, *words):
        process = subprocess.Popen([harness.program("regcred"), "rekey", "--state-dir", self.state,
                                    *words], env=self.site.environ(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=harness.end_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def cut(self, reached, *words, sig=signal.SIGKILL):
        """Starts a rotation and ends it as soon as `reached` holds; what it wrote to standard
        error."""
        process = self.start(*words)
        end = time.monotonic() + 30
        while not reached():
            self.assertIsNone(process.poll(), "the rotation ended before the point was reached")
            self.assertLess(time.monotonic(), end, "the point was not reached")
            time.sleep(0.001)
        process.send_signal(sig)
        error = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, -sig if sig == signal.SIGKILL else 1, error)
        return error

    # -- logins

    def make(self, count, **fields):
        """{path: secret} of new logins."""
        registry, made = self.p.registry()["id"], {}
        for _ in range(count):
            secret = self.site.plant(fields.get("text", ""))
            body = {"registryId": registry, "publicValue": "u", "email": "e@x",
                    "secretValue": secret}
            made["registrycredentials/"
                 + self.ok(self.p.env.post("registrycredentials", body, check=False),
                           201)["id"]] = secret
        return made

    def assertSecrets(self, secrets):
        for path, secret in secrets.items():
            r = self.reader.get(path, check=False)
            self.assertEqual(r.status, 200, path)
            self.assertEqual(r.json["secretValue"], secret, path)

    def assertWorks(self):
        """A secret that is stored now is sealed with the primary key and reads back."""
        (path, secret), = self.make(1).items()
        self.assertSecrets({path: secret})
        # A worker may not have looked at the file yet; the value is right all the same.
        self.assertIn(int.from_bytes(self.sealed()[int(path.rsplit("c", 1)[1])][1:5], "big"),
                      self.keys()[0])


class Rekey(Rotation):
    def load(self, stop, failures, secrets, counts, n):
        """One client: creates, changes and reads its own logins until it is told to stop."""
        registry, mine, i = self.registries[n], [], 0
        try:
            while not stop.is_set():
                i += 1
                if len(mine) < 10 or i % 3 == 0:
                    secret = self.site.plant()
                    body = {"registryId": registry, "publicValue": "u", "email": "e@x",
                            "secretValue": secret}
                    r = self.p.env.post("registrycredentials", body, check=False)
                    if r.status == 201:
                        mine.append("registrycredentials/" + r.json["id"])
                        secrets[mine[-1]] = secret
                else:
                    path = mine[i % len(mine)]
                    secret = self.site.plant()
                    r = self.p.env.put(path, {"secretValue": secret}, check=False)
                    if r.status == 200:
                        secrets[path] = secret
                if r.status not in (200, 201):
                    failures.append(repr(r))
                path = mine[(i * 7) % len(mine)]
                r = self.reader.get(path, check=False)
                if r.status != 200 or r.json["secretValue"] != secrets[path]:
                    failures.append("%s: %d, the secret is %s"
                                    % (path, r.status, "null" if r.json.get("secretValue") is None
                                       else "another"))
                counts[n] += 1
        except Exception as e:                           # a thread must not die unheard
            failures.append(repr(e))

    def test_under_load_twice(self):
        before = self.keys()[1]
        self.registries = [self.p.registry()["id"] for _ in range(CLIENTS)]
        stop, failures, secrets, counts = threading.Event(), [], {}, [0] * CLIENTS
        threads = [threading.Thread(target=self.load, args=(stop, failures, secrets, counts, n))
                   for n in range(CLIENTS)]
        for t in threads:
            t.start()
        try:
            self.assertTrue(harness.wait_until(lambda: min(counts) > 2))
            for n in (1, 2):
                done = self.rekey("--batch", "20")
                self.assertIn("key %d is retired" % (before + n - 1), done.stdout)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(failures[:5], [])
        self.assertGreater(min(counts), 20)
        self.assertRotated(before + 2)
        self.assertSecrets(secrets)

    def test_killed_at_every_point(self):
        secrets = self.make(150)
        old = self.keys()[1]
        new = old + 1
        points = [
            ("added", lambda: self.keys()[0] == [old, new]),
            ("registered", lambda: self.checks() == [old, new]),
            ("primary", lambda: self.keys()[1] == new),
            ("sealing", lambda: 0 < self.ids().get(old, 0) < len(self.sealed())),
            ("sealed", lambda: old not in self.ids()),
            ("forgotten", lambda: self.checks() == [new]),
        ]
        for name, reached in points:
            self.cut(reached, "--batch", "1")
            with self.subTest(name):
                self.assertEqual(self.keys()[0], [old, new])
                done = self.site.cli("check", "--state-dir", self.state, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("rotation is in progress", done.stdout)
                self.assertSecrets(dict(list(secrets.items())[::10]))
                self.assertWorks()
        # What was left half done does not stop a start.
        self.site.deaths_allowed = True
        self.assertEqual(self.site.stop_pool(), 0)
        self.site.start_pool()
        self.site.wait_ready()
        self.site.remember_children()
        done = self.rekey()
        self.assertIn("in progress", done.stdout)
        self.assertRotated(new)
        self.assertSecrets(secrets)

    def test_interrupted_by_a_signal(self):
        before = self.keys()[1]
        secrets = self.make(5)
        # of a run that was killed while it wrote
        with open(self.key + ".new", "w", encoding="ascii") as f:
            f.write("seal 1 00")
        new = before + 1
        for sig, reached in ((signal.SIGINT, lambda: self.keys() == ([before, new], before)),
                             (signal.SIGTERM, lambda: self.keys()[1] == new)):
            error = self.cut(reached, sig=sig)
            self.assertIn("interrupted; run `regcred rekey` again to continue", error)
            self.assertEqual(len(error.strip().splitlines()), 1, error)
        self.rekey()
        self.assertRotated(before + 1)
        self.assertSecrets(secrets)

    def test_shows_progress(self):
        self.make(400)
        process = self.start("--batch", "1")
        before = self.keys()[1]
        while not 0 < self.ids().get(before, 0) < len(self.sealed()):
            before = min(before, self.keys()[1])
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGSTOP)              # long enough for a person to wonder
        time.sleep(2.2)
        process.send_signal(signal.SIGCONT)
        line = process.stderr.readline()
        rest = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, line + rest)
        self.assertRegex(line, r"^regcred: \d+ of \d+ values resealed$")
        self.assertGreaterEqual(int(line.split()[3]), 400)

    def test_old_sealed_bytes_are_nowhere(self):
        """Neither in the database's pages nor in the write-ahead log: also of long values, of
        removed rows and of replaced values."""
        secrets = self.make(20)
        secrets.update(self.make(3, text="x" * 3500))
        removed = list(self.make(1))[0]
        self.status(self.p.env.action(removed, "deactivate"), 202)
        self.status(self.p.env.action(removed, "remove"), 202)
        path = list(secrets)[0]
        needles = {value[5:29] for value in self.sealed().values()}                      # nonces
        needles |= {value[at:at + 24] for value in self.sealed().values()
                    for at in range(60, len(value) - 24, 997)}
        self.assertIn(int(removed.rsplit("c", 1)[1]), self.sealed())
        secrets[path] = self.site.plant()
        self.ok(self.p.env.put(path, {"secretValue": secrets[path]}))
        # the search finds what is there
        self.assertGreater(len(self.where(needles)), 20)
        self.rekey()
        self.assertEqual(self.where(needles), [])
        self.assertSecrets(secrets)
        self.assertIn(int(removed.rsplit("c", 1)[1]), self.sealed())
        self.assertNotIn(list(needles)[0], b"".join(self.sealed().values()))

    def where(self, needles):
        found = []
        for directory, _, names in os.walk(self.state):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        data = f.read()
                    found += [(name, needle) for needle in needles if needle in data]
        return found

    def test_a_stopped_worker_goes_on_with_the_new_key(self):
        secrets = self.make(3)
        workers = [pid for pid in self.site.children() if harness.threads_of(pid) > 4]
        before = self.keys()[1]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.rekey()
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        self.assertRotated(before + 1)
        for _ in range(8):
            secrets.update(self.make(1))
        self.assertSecrets(secrets)
        self.assertEqual(set(self.ids()), {before + 1})

    def test_a_value_that_does_not_open(self):
        """It is named, everything else is sealed again, and the key that it may need stays until it
        is gone."""
        before = self.keys()[1]
        secrets = self.make(4)
        path = list(secrets)[0]
        row = int(path.rsplit("c", 1)[1])
        value = self.sealed()[row]
        self.site.sql("UPDATE credential SET secret_value = ? WHERE id = ?",
                      (value[:-1] + bytes([value[-1] ^ 1]), row), write=True)
        done = self.rekey(status=1)
        self.assertRegex(done.stderr, r"1 values do not open with any key \(credential: %d\)" % row)
        self.assertEqual(self.keys(), ([before, before + 1], before + 1))
        self.assertEqual(self.ids()[before], 1)
        self.assertSecrets(dict(list(secrets.items())[1:]))
        secrets[path] = self.site.plant()
        self.ok(self.p.env.put(path, {"secretValue": secrets[path]}))
        self.rekey()
        self.assertRotated(before + 1)
        self.assertSecrets(secrets)


class KeyFile(Rotation):
    """A key file that changes for the worse while the pool runs: what was read before stays in
    use."""

    def put(self, data, mode=0o400):
        fresh = self.key + ".test"
        with open(fresh, "wb") as f:
            f.write(data)
        os.chmod(fresh, mode)
        os.rename(fresh, self.key)

    def everybody_reads(self, secrets):
        """So many reads at a time that each worker gets some and sees the file as it is: one that
        is not used does not look."""
        wrong = []

        def read():
            for path, secret in list(secrets.items())[:8]:
                r = self.reader.get(path, check=False)
                if r.status != 200 or r.json["secretValue"] != secret:
                    wrong.append(path)
        threads = [threading.Thread(target=read) for _ in range(24)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def errors(self, text):
        with open(self.site.log, encoding="utf-8", errors="replace") as f:
            return [line for line in f if " error " in line and text in line]

    def test_a_bad_file_changes_nothing(self):
        with open(self.key, "rb") as f:
            good = f.read()
        other = os.path.join(self.site.root, "other")
        self.site.cli("init", "--state-dir", other)
        with open(os.path.join(other, "master.key"), "rb") as f:
            foreign = f.read()
        shutil.rmtree(other)
        secrets = self.make(3)
        time.sleep(LOOKED_S)
        self.everybody_reads(secrets)
        cases = [("damaged", b"garbage", 0o400, "damaged"),
                 ("of another database", foreign, 0o400, "older or a different"),
                 ("open to others", good, 0o444, "read by others"),
                 ("gone", None, 0, "cannot be read")]
        for name, data, mode, text in cases:
            with self.subTest(name):
                before = len(self.errors(text))
                try:
                    if data is None:
                        os.unlink(self.key)
                    else:
                        self.put(data, mode)
                    time.sleep(LOOKED_S)
                    for _ in range(10):
                        self.assertSecrets(secrets)
                        secrets.update(self.make(1))
                    time.sleep(LOOKED_S)
                    self.assertSecrets(secrets)
                finally:
                    self.put(good)
                said = len(self.errors(text)) - before
                self.assertTrue(1 <= said <= 2, "logged %d times by two workers" % said)
                time.sleep(LOOKED_S)
                self.everybody_reads(secrets)            # they see that it is right again

    def test_the_old_file_is_refused(self):
        """Put back after a rotation: ignored by workers that run, and refused at a start with one
        line."""
        secrets = self.make(3)
        with open(self.key, "rb") as f:
            old = f.read()
        self.rekey()
        with open(self.key, "rb") as f:
            new = f.read()
        self.everybody_reads(secrets)
        try:
            self.put(old)
            time.sleep(LOOKED_S)
            self.assertSecrets(secrets)
            secrets.update(self.make(2))
            self.assertSecrets(secrets)
            copy = os.path.join(self.site.root, "copy")
            os.mkdir(copy, 0o700)
            self.site.sql("VACUUM INTO ?", (os.path.join(copy, "regcred.db"),))
            os.chmod(os.path.join(copy, "regcred.db"), 0o600)
            shutil.copy(self.key, copy)
            for words in (["regcredd"], ["regcredd", "--check"], ["regcred", "check"],
                          ["regcred", "rekey"]):
                done = subprocess.run([harness.program(words[0]), *words[1:], "--state-dir", copy],
                                      env=self.site.environ(),
                                      capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 1, words)
                lines = [line for line in (done.stderr + done.stdout).splitlines()
                         if WARNING not in line]
                self.assertEqual(len(lines), 1, lines)
                self.assertIn("older than its last `regcred rekey`", lines[0])
            shutil.rmtree(copy)
        finally:
            self.put(new)
        time.sleep(LOOKED_S)
        self.assertSecrets(secrets)

    def test_a_database_from_before_the_new_key_had_a_check_value(self):
        """The key file is ahead of a database that was put back: a start makes up for it."""
        state = os.path.join(self.site.root, "ahead")
        self.site.cli("init", "--state-dir", state)
        key, db = os.path.join(state, "master.key"), os.path.join(state, "regcred.db")
        with open(key, encoding="ascii") as f:
            text = f.read()
        os.chmod(key, 0o600)
        with open(key, "w", encoding="ascii") as f:
            f.write(text.replace("primary 1", "seal 2 %s\nprimary 2" % os.urandom(32).hex()))

        def known():
            connection = sqlite3.connect(db)
            try:
                return connection.execute(
                    "SELECT key_id FROM key_check WHERE use = 'seal' ORDER BY key_id").fetchall()
            finally:
                connection.close()
        self.assertEqual(known(), [(1,)])
        self.site.cli("account", "list", "--state-dir", state)
        self.assertEqual(known(), [(1,), (2,)])
        self.site.cli("rekey", "--state-dir", state)
        self.assertEqual(known(), [(2,)])
        shutil.rmtree(state)


class Command(Rotation):
    def test_check_counts_the_keys(self):
        self.make(2)
        out = self.site.cli("check", "--state-dir", self.state)
        primary, rows = self.keys()[1], len(self.sealed())
        self.assertIn("key %d (primary): %d sealed values\n" % (primary, rows), out)
        self.assertNotIn("in progress", out)
        row, value = list(self.sealed().items())[0]
        self.site.sql("UPDATE credential SET secret_value = ? WHERE id = ?",
                      (b"\2\0\0\3\xe7" + value[5:], row), write=True)
        try:
            done = self.site.cli("check", "--state-dir", self.state, check=False)
        finally:
            self.site.sql("UPDATE credential SET secret_value = ? WHERE id = ?", (value, row),
                          write=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("key 999 (NOT IN THE FILE): 1 sealed values", done.stdout)

    def test_exit_statuses(self):
        before = self.keys()
        for words, text in ((["--batch", "0"], "--batch"), (["--batch", "x"], "--batch"),
                            (["--batch", "10001"], "--batch"),
                            (["--batch", "-1"], "--batch"), (["--batch="], "--batch"),
                            (["--nonsense", "1"], "unknown option")):
            self.assertIn(text, self.rekey(*words, status=2).stderr)
        self.assertIn("master key", self.rekey("--key-file", "/nonexistent", status=1).stderr)
        self.assertEqual(self.keys(), before)

    def refused(self, state, environment, text):
        with open(os.path.join(state, "master.key"), "rb") as f:
            before = f.read()
        done = subprocess.run([harness.program("regcred"), "rekey", "--state-dir", state],
                              env=dict(self.site.environ(), **environment),
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertIn("Stop regcredd, run `regcred rekey --key-file FILE`", done.stderr)
        with open(os.path.join(state, "master.key"), "rb") as f:
            self.assertEqual(f.read(), before)

    def test_a_credential_of_systemd_is_refused(self):
        self.refused(self.state, {"CREDENTIALS_DIRECTORY": self.state}, "a copy that systemd made")

    def test_a_directory_that_cannot_be_written_to_is_refused(self):
        if os.geteuid() == 0:
            self.skipTest("root may write everywhere")
        directory = os.path.join(self.site.root, "fixed")
        os.mkdir(directory)
        shutil.copy(self.key, directory)
        os.chmod(directory, 0o500)
        try:
            done = self.site.cli("rekey", "--state-dir", self.state, "--key-file",
                                 os.path.join(directory, "master.key"), check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("its directory is not writable", done.stderr)
        finally:
            os.chmod(directory, 0o700)
            shutil.rmtree(directory)

    def test_a_link_to_the_key_file_stays_a_link(self):
        directory = os.path.join(self.site.root, "elsewhere")
        before = self.keys()[1]
        os.mkdir(directory, 0o700)
        real = os.path.join(directory, "real.key")
        shutil.move(self.key, real)
        os.symlink(real, self.key)
        try:
            self.rekey()
            self.assertTrue(os.path.islink(self.key))
            self.assertEqual(self.keys(), ([before + 1], before + 1))
            self.assertEqual(os.listdir(directory), ["real.key"])
        finally:
            os.unlink(self.key)
            shutil.move(real, self.key)
            os.rmdir(directory)
        self.assertWorks()

    def test_one_at_a_time(self):
        before = self.keys()[1]
        process = self.start()
        while self.keys()[0] == [before]:
            time.sleep(0.01)
        self.assertIn("another `regcred rekey` is working on this database",
                      self.rekey(status=1).stderr)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)
        self.assertRotated(before + 1)

    def test_the_lease_of_a_killed_one(self):
        """Only of a process that this one would see: a container on the same host has its own
        numbers."""
        before = self.keys()[1]
        gone = subprocess.Popen(["true"])
        gone.wait()
        here = os.stat("/proc/self/ns/pid").st_ino
        for space, ends in ((here + 1, False), (here, True)):
            holder = "%s:%d:%d" % (socket.gethostname(), space, gone.pid)
            with contextlib.closing(sqlite3.connect(os.path.join(self.state, "regcred.db"),
                                                    isolation_level=None)) as db:
                db.execute("INSERT OR REPLACE INTO lease (name, holder, until) VALUES ('rekey', ?, "
                           "?)", (holder, int(time.time() + 300) * 1000))
            if ends:
                self.rekey()
            else:
                self.assertIn(holder, self.rekey(status=1).stderr)
        self.assertRotated(before + 1)
