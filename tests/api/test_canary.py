"""The canary: secrets are planted in every place where one can be sent or kept, and then looked for
in every file that a run leaves behind,
in clear and in every encoding that a program may put them in by itself.  A worker that crashes in
the middle leaves no core file.
"""

import base64
import json
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
import unittest
import urllib.parse

import harness
import test_pool as fcgi
import test_proxy as proxy

TOKEN = harness.PLANT + "-canary-token-0123456789abcdef01234567"
NOBODY = 65534
FAULTS = (signal.SIGABRT, signal.SIGSEGV)
directory = site = None


def setUpModule():
    global directory, site
    directory = tempfile.mkdtemp(prefix="rc-")
    with open(os.path.join(directory, "token"), "w", encoding="ascii", opener=lambda path,
              flags: os.open(path, flags, 0o600)) as f:
        f.write(TOKEN + "\n")
    with open(os.path.join(directory, "site.conf"), "w", encoding="ascii") as f:
        f.write("proxy_auth = yes\nproxy_token_file = %s\nproxy_create_users = yes\nlog_level = "
                "debug\n" % os.path.join(directory, "token"))
    site = harness.Site(environment={"REGCRED_CONFIG": os.path.join(directory, "site.conf"),
                                     # A sanitizer would answer the signals that are sent below by
                                     # itself.
                                     "ASAN_OPTIONS": "detect_leaks=1:handle_segv=0:handle_abort=0"})
    try:
        site.start()
    except BaseException:
        shutil.rmtree(directory)
        raise


def tearDownModule():
    try:
        site.stop()
    finally:
        shutil.rmtree(directory)


def limit_of(pid):
    """(soft, hard) of RLIMIT_CORE of a process."""
    with open("/proc/%d/limits" % pid, encoding="ascii") as f:
        return next(line for line in f if line.startswith("Max core file size")).split()[4:6]


def uid_of(pid):
    with open("/proc/%d/status" % pid, encoding="utf-8", errors="replace") as f:
        return int(next(line for line in f if line.startswith("Uid:")).split()[2])


class Search(harness.Case):
    """The search itself: what is planted on purpose is found."""

    def found(self, text):
        path = os.path.join(site.root, "planted-on-purpose")
        with open(path, "wb") as f:
            f.write(b"\0before" + text + b"\xffbehind")
        try:
            return [p for p in site.check_secrets(everything=True) if "planted-on-purpose" in p]
        finally:
            os.unlink(path)
            site.told.clear()

    def test_each_encoding_is_found(self):
        secret = "zQ7?canary>ÿ/+ %d" % os.getpid()        # its base64 has + and /
        raw = secret.encode()
        site.key_secrets.append(("canary", secret))
        try:
            self.assertEqual(self.found(b"nothing"), [])
            cases = [raw, raw.hex().encode(), raw.hex().upper().encode(),
                     b" ".join(b"%02x" % b for b in raw),
                     "".join("%%%02X" % b for b in raw).encode(),
                     "".join("%%%02x" % b for b in raw).encode(), urllib.parse.quote(secret, safe="").encode(),
                     urllib.parse.quote_plus(secret).encode(), json.dumps(secret).encode(),
                     "".join("\\x%02x" % b for b in raw).encode(),
                     secret.encode("utf-16-le")]
            for around in (b"", b"a", b"ab", b"abc", b"user:", b"access-key:"):
                for behind in (b"", b"x", b"xy"):
                    cases += [base64.b64encode(around + raw + behind),
                              base64.urlsafe_b64encode(around + raw + behind).rstrip(b"=")]
            for text in cases:
                self.assertNotEqual(self.found(text), [], text)
        finally:
            site.key_secrets.pop()

    def test_a_planted_secret_is_found_where_it_would_hide(self):
        """In clear in a table, and so in the database or its WAL; in a log; in a directory
        below."""
        account = "UPDATE account SET description = ? WHERE id = 4"
        site.sql(account, (site.plant(),), write=True)
        found = site.check_secrets(everything=True)
        self.assertTrue(any("regcred.db" in p for p in found), found)
        self.clean_up()
        for name in ("error.log", "deep/proxy_temp/1/00/body", "core.17"):
            path = os.path.join(site.root, name)
            existed = os.path.exists(path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "ab") as f:
                f.write(site.plant().encode())
            self.assertNotEqual(site.check_secrets(everything=True), [], name)
            if existed:
                os.truncate(path, os.path.getsize(path) - len(site.plant()))
            else:
                os.unlink(path)
        site.told.clear()

    def clean_up(self):
        """What this test itself put into the database in clear must not be found later."""
        connection = sqlite3.connect(site.db, timeout=10)
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("UPDATE account SET description = NULL WHERE id = 4")
        connection.commit()
        connection.execute("VACUUM")
        self.assertEqual(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0], 0)
        connection.close()
        site.told.clear()


class Canary(harness.Case):
    def traffic(self, project, n):
        """Every way in which a secret travels, the refused ones too."""
        env = project.env
        registry = project.registry()["id"]
        cred = project.credential(registry)["id"]
        path = "registrycredentials/" + cred
        secret = site.plant("?/>ÿ")
        self.status(env.put(path, {"secretValue": secret}), 200)
        self.status(env.put(path, "secretValue=" + urllib.parse.quote(site.plant()),
                            content_type="application/x-www-form-urlencoded"), 200)
        self.status(env.put(path + "?secretValue=" + urllib.parse.quote(site.plant(), safe=""), {}),
                    200)
        self.status(env.put(path, {"secretValue": site.plant("x" * 5000),
                                   "publicValue": "u" * 4097}), 422)
        self.status(env.put(path, '{"secretValue": "%s", ' % site.plant()), 400)
        self.status(env.put(path, {"secretValue": {"a": site.plant()}}), 422)
        self.status(env.post("registrycredentials", {"secretValue": site.plant(), "email": "e@x"}),
                    422)
        self.status(env.get("registrycredentials?secretValue=%s&name_like=%s"
                            % (site.plant(), site.plant())), 200)
        self.status(env.action(path, "deactivate", {"secretValue": site.plant()}), 202)
        self.status(env.get(path, headers={"X-API-Key": "nobody:" + site.plant()}), 400)
        self.status(site.anonymous().get("accounts",
                                         headers={"X-API-Key": "nobody:" + site.plant()}), 401)
        self.status(harness.Client(site, ("nobody%d" % n, site.plant())).get("accounts"), 401)
        self.status(harness.Client(site, (env.key[0], site.plant())).get("accounts"), 401)
        self.status(site.anonymous().get("accounts",
                                         headers={"Authorization": "Bearer " + site.plant()}), 401)
        self.status(env.post("passwords",
                             {"publicValue": "login%d" % n, "secretValue": site.plant()}), 201)
        # A body that nginx would rather keep in a file, were its buffer smaller than what it lets
        # through.
        self.status(env.put(path, {"secretValue": site.plant(), "description": "d" * 1000,
                                   "padding": "p" * 60000}), 200)
        self.status(env.put(path, {"secretValue": site.plant(), "padding": "p" * 70000},
                            proxy=True), 413)
        for token in (TOKEN, TOKEN + "x", site.plant()):
            answer = proxy.send(proxy.claims("canary", token=token), path=site.socket)
            self.assertEqual(answer.status, 200 if token == TOKEN else 401, answer)

    def test_nothing_is_left_behind(self):
        project = site.project()
        for n in range(3):
            self.traffic(project, n)
        self.assertEqual(site.check_secrets(everything=True), [])
        self.assertEqual(site.cli("check", "--state-dir", site.state, check=False).returncode, 0)
        backup = os.path.join(site.root, "backup.db")
        site.cli("backup", "--state-dir", site.state, backup)
        self.assertGreater(os.path.getsize(backup), 0)   # it lies where the search looks
        self.assertEqual(site.check_secrets(everything=True), [])

    def test_no_process_may_dump_core(self):
        for pid in [site.pool.pid] + site.children():
            self.assertEqual(limit_of(pid), ["0", "0"])
            if os.geteuid() != 0:
                self.owner_in_proc(pid, 0)

    def owner_in_proc(self, pid, owner):
        """What may not be dumped belongs to root.  A sanitizer has to look into its own process:
        that build leaves the flag alone."""
        if not harness.is_sanitized():
            self.assertEqual(os.stat("/proc/%d/maps" % pid).st_uid, owner)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to run a pool as another user")
    def test_no_process_of_another_user_may_dump_core(self):
        """Where the tests run as root, so do the processes above, and the owner says nothing of
        them."""
        def become():
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            harness.end_with_parent()

        fcgi.site = site
        os.chmod(site.root, 0o711)
        with fcgi.Pool(environment={"REGCRED_CONFIG": ""}) as pool:
            pool.stop()
            copy = os.path.join(pool.state, "regcredd")  # where that user can read it
            shutil.copy(harness.program("regcredd"), copy)
            for name in [""] + os.listdir(pool.state):
                os.chown(os.path.join(pool.state, name), NOBODY, NOBODY)
            for allowed, owner in (("no", 0), ("yes", NOBODY)):
                pool.start(environment={"REGCRED_CONFIG": "", "REGCRED_CORE_DUMPS": allowed},
                           executable=copy, preexec_fn=become)
                for pid in [pool.process.pid] + pool.children():
                    self.assertEqual(uid_of(pid), NOBODY)
                    self.owner_in_proc(pid, owner)
                self.assertEqual(pool.stop(), 0)

    def test_a_setting_lets_them(self):
        with open(os.path.join(directory, "dumps.conf"), "w", encoding="ascii") as f:
            f.write("core_dumps = yes\n")
        other = harness.Site(environment={"REGCRED_CONFIG": f.name})
        other.start()
        try:
            own = list(map(str, resource.getrlimit(resource.RLIMIT_CORE)))
            self.assertEqual(limit_of(other.pool.pid), [w.replace("-1", "unlimited") for w in own])
        finally:
            other.stop()

    def test_a_crash_under_load_leaves_no_core(self):
        site.deaths_allowed = True
        project = site.project()
        registry = project.registry()["id"]
        stop = threading.Event()

        def load():
            while not stop.is_set():
                project.env.post("registrycredentials", {"registryId": registry, "email": "e@x",
                                                         "secretValue": site.plant()}, check=False)

        for fault in FAULTS:
            stop.clear()
            threads = [threading.Thread(target=load) for _ in range(4)]
            for thread in threads:
                thread.start()
            victims = site.children()
            for pid in victims:
                os.kill(pid, fault)
            harness.wait_until(lambda: not any(harness.alive(pid) for pid in victims),
                               harness.START_TIMEOUT)
            stop.set()
            for thread in threads:
                thread.join(60)
            self.assertFalse(any(harness.alive(pid) for pid in victims),
                             "a worker outlived signal %d" % fault)
            site.wait_ready()
            self.assertEqual(self.cores(victims), [])
        site.remember_children()
        with open(site.log, encoding="utf-8", errors="replace") as f:
            self.assertNotIn("core dumped", f.read())
        self.assertEqual(site.check_secrets(everything=True), [])

    def cores(self, pids):
        """Core files by any usual name, in the directories where the processes ran."""
        names = ["core"] + ["core.%d" % pid for pid in pids]
        return [os.path.join(d, n) for d in (site.root, site.state, "/") for n in names
                if os.path.exists(os.path.join(d, n))]


if __name__ == "__main__":
    unittest.main()
