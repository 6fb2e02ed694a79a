"""The commands that keep a server, beside each other and with files that others made: the logins
that were there (or those of the backup) open,
and `check` proves each sealed value.  What happens at each call that fails: test_walk."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import tempfile
import time
import unittest

import harness

LONG = bool(os.environ.get("REGCRED_LONG"))
SEED = int(os.environ.get("REGCRED_SEED", "0")) or random.SystemRandom().randrange(1 << 31)
LOGINS, IN_BACKUP = 12, 5
template = caller = None

def run(*words, wait=True):
    line = [harness.program("regcred"), *words]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL,
                               env={**os.environ, "REGCRED_KEYRING_LOOK_MS": "50"})
    if not wait:
        return process
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(line, process.returncode, out, err)


def setUpModule():
    print("seed", SEED, flush=True)
    make_template()


def make_template():
    """A state with logins, a backup of it from when it had fewer, and who may make one more: access
    key, secret, registry."""
    global template, caller
    site = harness.Site(workers=1, threads=2)
    site.start()
    try:
        project = site.project()
        registry = project.registry()
        caller = (*project.env.key, registry["id"])
        for n in range(LOGINS):
            if n == IN_BACKUP:
                site.cli("backup", os.path.join(site.root, "copy.db"), "--state-dir", site.state)
            project.credential(registry)
    finally:
        site.stop_pool() if hasattr(site, "stop_pool") else None
        template = tempfile.mkdtemp(prefix="rc-upkeep-")
        unittest.addModuleCleanup(shutil.rmtree, template, ignore_errors=True)
        site.cli("backup", os.path.join(template, "all.db"), "--state-dir", site.state)
        shutil.copy(os.path.join(site.state, "master.key"), template)
        shutil.copy(os.path.join(site.root, "copy.db"), template)
        site.stop()


class Upkeep(unittest.TestCase):
    def setUp(self):
        self.chance = random.Random("%d %s" % (SEED, self.id()))
        self.root = tempfile.mkdtemp(prefix="rc-upkeep-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.number = 0

    def fresh(self, journal="wal"):
        self.number += 1
        state = os.path.join(self.root, str(self.number))
        os.mkdir(state, 0o700)
        shutil.copy(os.path.join(template, "all.db"), os.path.join(state, "regcred.db"))
        shutil.copy(os.path.join(template, "master.key"), state)
        os.chmod(os.path.join(state, "regcred.db"), 0o600)
        done = run("init", "--state-dir", state, "--journal", journal)
        self.assertEqual(done.returncode, 0, done.stderr)
        return state

    def whole(self, state, key=None, journal="wal"):
        """How many logins there are; the database, its key and each value are proven."""
        words = ["--state-dir", state, "--journal", journal] + (["--key-file", key] if key else [])
        done = run("check", *words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = run("audit", "verify", *words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        copy = os.path.join(self.root, "look.db")
        done = run("backup", copy, "--force", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        connection = __import__("sqlite3").connect(copy)
        count = connection.execute(
            "SELECT count(*) FROM credential WHERE kind = 'registryCredential'").fetchone()[0]
        connection.close()
        return count

    def test_two_rotations_with_two_copies_of_the_key_file(self):
        for _ in range(10 if LONG else 2):
            state = self.fresh()
            keys = []
            for name in "ab":
                os.mkdir(os.path.join(state, name))
                keys.append(shutil.copy(os.path.join(state, "master.key"),
                                        os.path.join(state, name, "master.key")))
            running = []
            for key in keys:
                running.append(run("rekey", "--batch", "1", "--state-dir", state, "--key-file", key,
                                   wait=False))
                time.sleep(self.chance.choice((0, 0, 0.1, 0.3)))
            ended = [(p.communicate(timeout=60), p.returncode) for p in running]
            self.assertEqual(sorted(rc for _, rc in ended), [0, 1], ended)
            right = keys[[rc for _, rc in ended].index(0)]
            wrong = keys[[rc for _, rc in ended].index(1)]
            self.assertEqual(self.whole(state, key=right), LOGINS)
            self.assertEqual(run("check", "--state-dir", state, "--key-file", wrong).returncode, 1)
            self.assertEqual(run("rekey", "--state-dir", state, "--key-file", wrong).returncode, 1)
            self.assertEqual(self.whole(state, key=right), LOGINS)

    def test_another_key_of_the_same_number_is_noticed_by_check(self):
        state = self.fresh()
        other = self.fresh()
        self.assertEqual(run("rekey", "--state-dir", other).returncode, 0)
        self.assertEqual(run("rekey", "--state-dir", state).returncode, 0)
        connection = __import__("sqlite3").connect(os.path.join(state, "regcred.db"))
        connection.execute("ATTACH ? AS o", (os.path.join(other, "regcred.db"),))
        connection.execute("UPDATE credential SET secret_value = (SELECT secret_value FROM "
                           "o.credential c WHERE c.id = credential.id)"
                           " WHERE id = (SELECT max(id) FROM credential WHERE secret_value IS NOT "
                           "NULL AND kind = 'registryCredential')")
        connection.commit()
        connection.close()
        done = run("check", "--state-dir", state)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("do not open", done.stderr)

    def test_inits_at_once_make_one_key_and_one_database(self):
        for n in range(20 if LONG else 5):
            state = os.path.join(self.root, "at-once-%d" % n)
            running = [run("init", "--state-dir", state, wait=False) for _ in range(4)]
            ended = [(p.communicate(timeout=60), p.returncode) for p in running]
            self.assertEqual([rc for _, rc in ended], [0] * 4, ended)
            self.assertEqual(sum("\nKeep a copy" in out for (out, _), _ in ended), 1, ended)
            self.assertEqual(self.whole(state), 0)

    def test_a_restore_beside_a_rotation(self):
        for journal in ("wal", "rollback"):
            for pause in ((0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if LONG
                          else (self.chance.uniform(0, 1),)):
                state = self.fresh(journal)
                words = ["--state-dir", state, "--journal", journal]
                rekey = run("rekey", "--batch", "1", *words, wait=False)
                time.sleep(pause)
                restored = run("restore", os.path.join(template, "copy.db"), *words)
                out = rekey.communicate(timeout=60)
                count = self.whole(state, journal=journal)
                self.assertEqual(count, IN_BACKUP if restored.returncode == 0 else LOGINS,
                                 (out, restored.stderr))

    def test_what_is_no_file_is_not_read_and_not_replaced(self):
        state = self.fresh()
        odd = {}
        for name in ("fifo", "socket", "directory", "null"):
            odd[name] = os.path.join(self.root, name)
        os.mkfifo(odd["fifo"])
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(odd["socket"])
        os.mkdir(odd["directory"])
        os.symlink("/dev/null", odd["null"])
        for name, path in odd.items():
            before = os.lstat(path)
            for words in (["backup", path, "--force"], ["restore", path],
                          ["check", "--key-file", path]):
                began = time.monotonic()
                done = run(*words, "--state-dir", state)
                self.assertEqual(done.returncode, 1, (words, done.stdout))
                self.assertLess(time.monotonic() - began, 10)
            after = os.lstat(path)
            self.assertEqual((before.st_ino, stat.S_IFMT(before.st_mode)),
                             (after.st_ino, stat.S_IFMT(after.st_mode)), name)
        self.assertEqual(run("backup", "-", "--state-dir", state).returncode, 1)
        self.assertFalse(os.path.exists("-"))
        self.assertEqual(self.whole(state), LOGINS)

    def test_a_lease_of_a_wrong_clock_stops_nothing(self):
        for ahead, ends in ((60, False), (10 ** 6, True)):
            for words in (["restore", os.path.join(template, "copy.db")], ["rekey"]):
                state = self.fresh()
                with contextlib.closing(sqlite3.connect(os.path.join(state, "regcred.db"),
                                                        isolation_level=None)) as db:
                    db.execute("INSERT INTO lease (name, holder, until) VALUES ('rekey', 'x:1:1', "
                               "?)", (int(time.time() + ahead) * 1000,))
                done = run(*words, "--state-dir", state)
                self.assertEqual(done.returncode, 0 if ends else 1, (words, ahead, done.stderr))
                if not ends:
                    self.assertIn("x:1:1", done.stderr)

    def test_a_backup_from_the_middle_of_a_rotation_does_not_keep_the_next_one_waiting(self):
        """On another host, where nobody can see that the rotation has ended."""
        state, copy = self.fresh(), os.path.join(self.root, "middle.db")
        shutil.copy(os.path.join(template, "copy.db"), copy)
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.execute("INSERT INTO lease (name, holder, until) VALUES ('rekey', 'x:1:1', ?)",
                       (int(time.time() + 500) * 1000,))
        for words in (["restore", copy], ["rekey"]):
            done = run(*words, "--state-dir", state)
            self.assertEqual(done.returncode, 0, (words, done.stderr))
        self.assertEqual(self.whole(state), IN_BACKUP)

    def test_a_backup_takes_no_name_of_a_database(self):
        """Neither of its log or its lock, nor next to those of another, nor of another program's."""
        state = self.fresh()
        other = os.path.join(self.root, "other.db")
        with contextlib.closing(sqlite3.connect(other)) as db:
            db.execute("CREATE TABLE t (a)")
        names = [os.path.join(state, "regcred.db" + end) for end in ("-wal", "-shm", "-journal",
                                                                       ".lock")]
        for name in names:
            for there in (True, False):
                if there:
                    with open(name, "a", encoding="ascii"):
                        pass
                elif not name.endswith(".lock"):
                    os.unlink(name)
                self.refused(["backup", name, "--force"], state, "name another file")
        self.refused(["backup", other, "--force"], state, "is not a backup of yours")
        for name in ("regcredd.lock", "regcredd.board", "regcredd.sock", "mount.lock"):
            for there in (False, True):
                if there:
                    with open(os.path.join(state, name), "w", encoding="ascii"):
                        pass
                self.refused(["backup", os.path.join(state, name), "--force"], state,
                             "name another file")
        for end in ("-wal", "-journal", ".lock"):
            path = os.path.join(self.root, "left.db")
            with open(path + end, "w", encoding="ascii") as f:
                f.write("left")
            self.refused(["backup", path], state, "name another file")
            self.assertFalse(os.path.exists(path))
            os.unlink(path + end)
        self.assertEqual(self.whole(state), LOGINS)

    def refused(self, words, state, why):
        done = run(*words, "--state-dir", state)
        self.assertEqual(done.returncode, 1, (words, done.stdout))
        self.assertIn(why, done.stderr)

    def test_another_schema_is_refused(self):
        changes = ["DROP TABLE audit_log", "DROP INDEX credential_key",
                   "ALTER TABLE credential DROP COLUMN email", "CREATE TABLE more (a)",
                   "CREATE TRIGGER t AFTER INSERT ON audit_log BEGIN SELECT 1; END", "CREATE VIEW v AS SELECT 1",
                   "CREATE INDEX i ON credential (length(hex(zeroblob(2))))", "ALTER TABLE account ADD COLUMN x TEXT", "PRAGMA user_version = 7",
                   "CREATE TRIGGER sqliteXstat AFTER INSERT ON audit_log BEGIN SELECT 1; END",
                   'CREATE TABLE "sqlite-stat1" (a)', *self.TOO_LONG]
        for change in changes if LONG else changes[:4] + self.chance.sample(changes[4:], 5):
            with self.subTest(change=change):
                state = self.fresh()
                odd = os.path.join(self.root, "odd.db")
                shutil.copy(os.path.join(template, "copy.db"), odd)
                connection = __import__("sqlite3").connect(odd)
                connection.execute(change)
                connection.commit()
                connection.close()
                done = run("restore", odd, "--state-dir", state)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertEqual(self.whole(state), LOGINS)
                if change not in self.TOO_LONG:
                    shutil.copy(odd, os.path.join(state, "regcred.db"))
                    self.assertEqual(run("check", "--state-dir", state).returncode, 1)

    # any value of any table
    TOO_LONG = ("UPDATE account SET description = hex(zeroblob(1500000)) WHERE id = 5",
                "INSERT INTO lease (name, holder, until) VALUES ('x', hex(zeroblob(600000)), 1)",
                "UPDATE key_check SET value = zeroblob(1500000)")

    def test_a_journal_that_names_another_file_is_not_played_back(self):
        state = self.fresh("rollback")
        database, victim = os.path.join(state, "regcred.db"), os.path.join(self.root, "victim")
        with open(database, "rb") as f:
            page = struct.unpack(">H", f.read(18)[16:])[0]
        name = victim.encode()
        magic = bytes([0xd9, 0xd5, 5, 0xf9, 0x20, 0xa1, 0x63, 0xd7])
        head = magic + struct.pack(">IIIII", 0, 1, os.path.getsize(database) // page, 512, page)
        journal = head + b"\0" * (512 - len(head)) + struct.pack(">I", 0x40000000 // page
                                                                 + 1) + name + struct.pack(
                                                                     ">II", len(name),
                                                                     sum(name)) + magic
        for words in (["check"], ["key", "list"], ["backup", os.path.join(self.root, "b.db")],
                      ["init"], ["rekey"], ["sweep"], ["audit", "verify"],
                      ["restore", os.path.join(template, "copy.db")]):
            with open(victim, "w", encoding="ascii"):
                pass
            with open(database + "-journal", "wb") as f:
                f.write(journal)
            self.assertEqual(run(*words, "--state-dir", state, "--journal", "rollback").returncode,
                             1, words)
            self.assertTrue(os.path.exists(victim), words)

    def test_a_restore_says_what_is_valid_again(self):
        state = self.fresh()
        made = run("key", "create", "--account", "1a1", "--state-dir", state).stdout
        access = made.split("=", 1)[1].split()[0]
        copy = os.path.join(self.root, "with-key.db")
        self.assertEqual(run("backup", copy, "--state-dir", state).returncode, 0)
        self.assertEqual(run("key", "revoke", access, "--state-dir", state).returncode, 0)
        done = run("restore", copy, "--state-dir", state)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 keys and 0 logins that were no longer valid are valid again", done.stdout)
        self.assertIn("restore", run("audit", "list", "--state-dir", state).stdout)

    def test_a_migration_is_recorded_though_it_was_killed_after_it(self):
        state = self.fresh()
        with contextlib.closing(sqlite3.connect(os.path.join(state, "regcred.db"),
                                                isolation_level=None)) as db:
            db.execute("INSERT INTO lease (name, holder, until) VALUES ('migrate', '15', 0)")
        for _ in range(2):
            self.assertEqual(run("init", "--state-dir", state).returncode, 0)
            rows = run("audit", "list", "--json", "--state-dir", state).stdout.splitlines()
            events = [json.loads(row)["eventType"] for row in rows]
            self.assertEqual(events.count("migrate"), 1, events)
        self.assertEqual(self.whole(state), LOGINS)

    def is_ready(self, state):
        """Whether the pool's processes have the database open: its socket is there before."""
        pool = json.loads(run("status", "--json", "--state-dir", state).stdout or "{}").get("pool")
        return pool and all(process["state"] == "ready" for process in pool["processes"])

    def test_an_init_of_a_running_pool_changes_nothing(self):
        state = self.fresh()
        pool = subprocess.Popen([harness.program("regcredd"), "--state-dir", state],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.assertTrue(harness.wait_until(lambda: self.is_ready(state)))
            self.assertEqual(run("init", "--state-dir", state).returncode, 0)
            connection = __import__("sqlite3").connect(os.path.join(state, "regcred.db"),
                                                       isolation_level=None)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute("PRAGMA user_version = %d" % (version - 1))
            connection.close()
            done = run("init", "--state-dir", state)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("stop regcredd first", done.stderr)
        finally:
            pool.send_signal(signal.SIGTERM)
            pool.wait(30)


if __name__ == "__main__":
    unittest.main()
