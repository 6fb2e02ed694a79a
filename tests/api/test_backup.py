"""A restore drill: a copy under load, a wreck, and everything that was acknowledged before the copy
began opens again."""

import os
import shutil
import signal
import subprocess
import threading
import time
import unittest

import harness

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=8)


class Backup(harness.Case):
    def setUp(self):
        super().setUp()
        self.p = self.site.project()
        self.db, self.state = self.site.db, self.site.state
        self.file = os.path.join(self.site.root, "copy.db")
        for name in os.listdir(self.site.root):
            if name.startswith("copy.db"):
                os.unlink(os.path.join(self.site.root, name))
        self.reader = self.superadmin()

    def superadmin(self):
        made = self.site.role_clients
        if "superadmin" not in made:
            made["superadmin"] = self.site.account("superadmin")[1]
        return made["superadmin"]

    def run_cli(self, *words, status=0):
        done = self.site.cli(*words, "--state-dir", self.state, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def make(self, registry):
        secret = self.site.plant()
        row = self.ok(self.p.env.post("registrycredentials",
                                      {"registryId": registry, "publicValue": "u", "email": "e@x",
                                                              "secretValue": secret}, check=False),
                                                              201)
        return "registrycredentials/" + row["id"], secret

    def assertSecrets(self, secrets):
        for path, secret in secrets.items():
            self.assertEqual(self.ok(self.reader.get(path, check=False))["secretValue"], secret,
                             path)

    def stop(self):
        self.site.deaths_allowed = True
        self.assertEqual(self.site.stop_pool(), 0)

    def start(self):
        self.site.start_pool()
        self.site.wait_ready()
        self.site.remember_children()

    def kept(self):
        return sorted(n for n in os.listdir(self.state) if n.startswith("regcred.db.old-"))

    def temporaries(self):
        """What a copy or a restore may leave, and must not."""
        return [n for n in os.listdir(self.state) + os.listdir(self.site.root)
                if n.startswith(("regcred.db.", "copy.db.")) and not n.startswith("regcred.db.old-")
                and n != "regcred.db.lock"]

    def test_the_drill(self):
        registry = self.p.registry()["id"]
        before = dict(self.make(registry) for _ in range(20))
        stop, after = threading.Event(), {}

        def write():
            while not stop.is_set():
                after.update([self.make(registry)])
        threads = [threading.Thread(target=write) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            out = self.run_cli("backup", self.file).stdout
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertIn("keep a copy of that file too", out)
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertEqual(self.temporaries(), [])
        last = max(int(path.rsplit("c", 1)[1]) for path in {**before, **after})
        # While it runs nothing is put back.
        self.assertIn("regcredd, or another restore, is using",
                      self.run_cli("restore", self.file, status=1).stderr)
        self.stop()
        for wreck in ("garbage", "truncated", "gone", "whole"):
            with self.subTest(wreck):
                self.wreck(wreck)
                number = len(self.kept())
                self.run_cli("restore", self.file)
                self.assertEqual(
                    len([n for n in self.kept()
                         if not n.endswith(("-wal", "-shm", "-journal"))]) > number,
                         wreck != "gone", self.kept())
                self.assertEqual(self.temporaries(), [])
                self.start()
                self.assertSecrets(before)
                self.run_cli("audit", "verify")
                path, secret = self.make(registry)
                if wreck == "garbage":
                    self.assertGreater(int(path.rsplit("c", 1)[1]), last,
                                       "an id was given out again")
                self.assertSecrets({path: secret})
                self.stop()
                for name in self.kept():
                    os.unlink(os.path.join(self.state, name))
        self.start()

    def wreck(self, how):
        if how == "gone":
            os.unlink(self.db)
        elif how == "truncated":
            os.truncate(self.db, 5000)
        elif how == "garbage":
            with open(self.db, "r+b") as f:
                f.write(os.urandom(8192))

    def test_the_wrong_key_is_refused_and_nothing_changes(self):
        self.make(self.p.registry()["id"])
        self.run_cli("backup", self.file)
        other = os.path.join(self.site.root, "other")
        self.site.cli("init", "--state-dir", other)
        before = self.content(other)
        done = self.site.cli("restore", self.file, "--state-dir", other, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing was changed", done.stderr)
        self.assertIn("key ids 1", done.stderr)
        self.assertEqual(self.content(other), before)
        shutil.rmtree(other)

    def content(self, directory):
        found = {}
        for name in sorted(os.listdir(directory)):
            with open(os.path.join(directory, name), "rb") as f:
                found[name] = f.read()
        found.pop("regcredd.lock", None)
        return found

    def test_what_is_no_backup_is_refused(self):
        other = os.path.join(self.site.root, "other")
        self.site.cli("init", "--state-dir", other)
        before = self.content(other)
        self.run_cli("backup", self.file)
        with open(self.file, "rb") as f:
            good = f.read()
        damaged = bytearray(good)
        damaged[4096 * 4:4096 * 12] = os.urandom(4096 * 8)
        newer = good[:60] + (9999).to_bytes(4, "big") + good[64:]
        for name, data, text in (("text", b"a letter\n" * 1000, "not a database"),
                                 ("empty", b"", "not a database of regcred"),
                                 ("damaged", bytes(damaged), ""), ("cut", good[:20000], ""),
                                 ("newer", newer, "newer than this program")):
            with self.subTest(name):
                with open(self.file, "wb") as f:
                    f.write(data)
                done = self.site.cli("restore", self.file, "--state-dir", other, check=False)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(text, done.stderr)
                self.assertEqual(self.content(other), before)
        done = self.site.cli("restore", "/nonexistent", "--state-dir", other, check=False)
        self.assertIn("/nonexistent", done.stderr)
        shutil.rmtree(other)

    def test_a_file_that_is_there_is_kept_without_force(self):
        with open(self.file, "w", encoding="ascii") as f:
            f.write("mine")
        self.assertIn("--force", self.run_cli("backup", self.file, status=1).stderr)
        with open(self.file, encoding="ascii") as f:
            self.assertEqual(f.read(), "mine")
        self.run_cli("backup", "--force", self.file, status=1)
        with open(self.file, encoding="ascii") as f:
            self.assertEqual(f.read(), "mine")
        key = os.path.join(self.state, "master.key")
        with open(key, "rb") as f:
            content = f.read()
        self.assertIn("is not a backup of yours",
                      self.run_cli("backup", "--force", key, status=1).stderr)
        with open(key, "rb") as f:
            self.assertEqual(f.read(), content)
        with open(self.file, "wb"):
            pass                                         # as mktemp leaves it
        self.run_cli("backup", "--force", self.file)
        self.run_cli("backup", "--force", self.file)
        self.assertIn("the database itself", self.run_cli("backup", "--force", self.db,
                                                          status=1).stderr)
        self.assertEqual(self.temporaries(), [])
        self.assertIn("which file", self.run_cli("backup", status=1).stderr)

    def test_an_id_of_a_table_that_was_empty_is_not_given_out_again(self):
        """The backup knows of no id of that table, and the database that it replaces, or that
        cannot be read, does."""
        other = os.path.join(self.site.root, "ids")
        self.site.cli("init", "--state-dir", other)
        self.site.cli("backup", self.file, "--state-dir", other)

        def make_key():
            words = self.site.cli("key", "create", "--account", "1a5", "--state-dir", other).split()
            listed = self.site.cli("key", "list", "--state-dir", other).splitlines()
            return int(next(x for x in listed if words[0].split("=")[1] in x).split()[0][2:])
        given = [make_key(), make_key()]
        self.site.cli("restore", self.file, "--state-dir", other)
        self.assertEqual(make_key(), given[-1] + 1)
        with open(os.path.join(other, "regcred.db"), "r+b") as f:
            f.write(b"no database" * 1000)
        self.site.cli("restore", self.file, "--state-dir", other)
        self.assertGreater(make_key(), 1000000)
        shutil.rmtree(other)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to restore for another user")
    def test_what_root_restores_belongs_to_whom_the_database_belonged(self):
        other = os.path.join(self.site.root, "owned")
        self.site.cli("init", "--state-dir", other)
        os.unlink(os.path.join(other, "regcred.db.lock"))
        for name in ["", *os.listdir(other)]:            # a journal, too
            os.chown(os.path.join(other, name), 12345, 54321)

        def owners():
            found = {n: os.lstat(os.path.join(other, n)) for n in ["", *os.listdir(other)]}
            return {(s.st_uid, s.st_gid): n for n, s in found.items()}
        self.site.cli("account", "list", "--state-dir", other)
        self.site.cli("backup", self.file, "--state-dir", other)
        self.site.cli("restore", self.file, "--state-dir", other)
        self.assertIn("regcred.db.lock", os.listdir(other))
        self.assertEqual(set(owners()), {(12345, 54321)}, owners())
        os.unlink(os.path.join(other, "regcred.db"))     # the directory says whose it is
        self.site.cli("restore", self.file, "--state-dir", other)
        self.assertEqual(set(owners()), {(12345, 54321)}, owners())
        # What has a second name may be anybody's.
        mine = os.path.join(self.site.root, "mine")
        with open(mine, "wb"):
            pass
        os.unlink(os.path.join(other, "regcred.db.lock"))
        os.link(mine, os.path.join(other, "regcred.db.lock"))
        self.site.cli("account", "list", "--state-dir", other, check=False)
        self.assertEqual(os.stat(mine).st_uid, 0)
        shutil.rmtree(other)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to work for another user")
    def test_a_database_of_another_user_is_worked_on_as_that_user(self):
        """In whatever directory it is: there, that user may lead root anywhere."""
        state, theirs = (os.path.join(self.site.root, name) for name in ("roots", "theirs"))
        os.mkdir(state)
        self.site.cli("init", "--state-dir", theirs)
        secret = os.path.join(self.site.root, "of-root")
        os.rename(os.path.join(theirs, "master.key"), secret)
        os.symlink(secret, os.path.join(theirs, "master.key"))
        os.chmod(self.site.root, 0o755)
        for owned in ([""], ["", "regcred.db"], ["regcred.db"]):
            for name in ("", *os.listdir(theirs)):
                os.lchown(os.path.join(theirs, name), *((12345, 54321) if name in owned
                                                        else (0, 0)))
            for words in (["check"], ["sweep"], ["key", "list"],
                          ["rekey"]):
                done = self.site.cli(*words, "--state-dir", state, "--database",
                                     os.path.join(theirs, "regcred.db"), "--key-file",
                                     os.path.join(theirs, "master.key"), check=False)
                self.assertRegex(str(done), "Permission denied|unable to open", (owned, words))
        shutil.rmtree(theirs)

    def test_a_full_disk_in_the_middle_leaves_nothing(self):
        """A limit on the size of files stands for it."""
        done = subprocess.run(["sh", "-c", 'ulimit -f 40; exec "$0" backup "$1" --state-dir "$2"',
                               harness.program("regcred"), self.file,
                               self.state], env=self.site.environ(), capture_output=True, text=True,
                               timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("cannot copy", done.stderr)
        self.assertFalse(os.path.exists(self.file))
        self.assertEqual(self.temporaries(), [])

    def test_a_restore_that_is_killed_leaves_the_old_or_the_new(self):
        """The moment of the kill is looked for by halving between one that was too early and one
        that was too late."""
        registry = self.p.registry()["id"]
        secrets = dict([self.make(registry)])
        self.run_cli("backup", self.file)
        new = dict([self.make(registry)])
        number = int(list(new)[0].rsplit("c", 1)[1])
        self.stop()
        old = os.path.join(self.site.root, "before.db")
        shutil.copy(self.db, old)
        self.assertFalse(os.path.exists(self.db + "-wal"))
        begun = time.monotonic()
        self.run_cli("restore", self.file)
        early, late = 0.0, 2 * (time.monotonic() - begun)
        outcomes, cut = [], 0
        while len(outcomes) < 12 or len(set(outcomes)) < 2:
            self.assertLess(len(outcomes), 60, outcomes)
            # the same file again: its name leads to the old one
            shutil.copy(old, self.db)
            wait = (early + late) / 2
            process = subprocess.Popen([harness.program("regcred"), "restore", self.file,
                                        "--state-dir", self.state],
                                       env=self.site.environ(), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            cut += process.wait() == -signal.SIGKILL
            kept = bool(self.site.sql("SELECT id FROM credential WHERE id = ?", (number,)))
            outcomes.append("old" if kept else "new")
            early, late = (wait, late) if kept else (early, wait)
            if len(outcomes) % 6 == 0:
                early, late = early / 2, late * 2        # the machine is not always as busy
            self.assertEqual(self.site.sql("PRAGMA integrity_check"), [("ok",)])
            self.run_cli("check")
            self.run_cli("audit", "verify")
        self.assertGreater(cut, 0)
        self.run_cli("restore", self.file)
        self.assertEqual(self.temporaries(), [])
        self.start()
        self.assertSecrets(secrets)
        self.status(self.reader.get(list(new)[0], check=False), 404)

    def test_a_database_that_is_replaced_while_it_runs_is_not_written_to(self):
        registry = self.p.registry()["id"]
        secrets = dict([self.make(registry)])
        os.rename(self.db, self.db + ".moved")
        try:
            for _ in range(4):
                self.err(self.p.env.post("registrycredentials",
                                         {"registryId": registry, "email": "e@x"}), 503,
                                         "Service Unavailable")
            self.assertEqual(self.site.anonymous().get("/ping", check=False).status, 503)
        finally:
            os.rename(self.db + ".moved", self.db)
        self.assertSecrets(secrets)
        self.make(registry)
        self.assertEqual(self.site.anonymous().get("/ping", check=False).status, 200)
        with open(self.site.log, encoding="utf-8", errors="replace") as f:
            self.assertLessEqual(1, sum("was removed or replaced while it is in use" in line
                                        for line in f))
