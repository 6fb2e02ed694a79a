"""Secrets are bound to their place: who can write to the database, but has no key file, gains
nothing by copying or redirecting them.
And the database of an older version, whose secrets were not bound."""

import os
import re
import shutil
import sqlite3

import harness
import standin
from harness import Client

OLDER = os.path.join(harness.SRC, "tests", "data", "0.1.0")
OLD_KEYS = {"admin": ("B3BA62AA310EBD039A9D", "FcBAu5pjuhSKnNYjpEgPTJWkAHzkb9KAJUXjRtJG"),
            "project": ("E8EB1C7ABD6ADB7C5560", "WMR9DcniQ8t8PT4dG8kp5HHz6h9eUYgzeLzttfzt"),
            "user": ("2B9A47142CE299F87E58", "iS4odVugEt3AKnDcUhF7fkCV6jau5m3iYCoNtXR6")}
UNBOUND = "(kind = 'registryCredential' AND hex(substr(secret_value, 1, 1)) = '01') OR (kind <> 'registryCredential' AND length(secret_value) = 32)"

site = None
older = None


def setUpModule():
    global site, older
    site = harness.Site(options=("--verify-networks", "127.0.0.0/8", "--verify-per-minute", "0"))
    site.start()
    older = harness.Site(workers=1)
    older.start()


def tearDownModule():
    for one in (older, site):
        one.stop()


class Altered(harness.Case):
    site = property(lambda self: site)

    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.env = self.project.env

    def set(self, text, *values):
        self.assertEqual(site.sql(text, values, write=True), 1, text)

    def row(self, client, columns="secret_value"):
        return site.sql("SELECT %s FROM credential WHERE public_value = ?" % columns,
                        (client.key[0],))[0]

    def test_a_hash_copied_to_another_key_lets_nobody_in(self):
        """From and to each kind of key; the right secret of the target's owner does not count
        either, until the hash is put back."""
        _, user = site.account("user", "mallory")
        _, other = site.account("user", "other")
        second = Client(site, site.new_key(self.env), self.project.root)
        for source in (user, self.env):
            (mine,) = self.row(source)
            for target in (site.admin, other, self.env, second):
                if target is source:
                    continue
                (theirs,) = self.row(target)
                self.set("UPDATE credential SET secret_value = ? WHERE public_value = ?", mine,
                         target.key[0])
                try:
                    for secret in (source.key[1], target.key[1]):
                        r = Client(site, (target.key[0], secret), "/v1").get("accounts")
                        self.assertEqual(r.status, 401, (source.key, target.key))
                finally:
                    self.set("UPDATE credential SET secret_value = ? WHERE public_value = ?",
                             theirs, target.key[0])
                self.status(Client(site, target.key, "/v1").get("apikeys"), 200)

    def test_a_key_moved_to_another_account_lets_nobody_in(self):
        mallory, user = site.account("user", "mallory")
        for account in (1, 3, int(self.project.id[2:])):
            self.set("UPDATE credential SET account_id = ? WHERE public_value = ?", account,
                     user.key[0])
            self.status(user.get("apikeys"), 401)
        self.set("UPDATE credential SET account_id = ? WHERE public_value = ?", int(mallory[2:]),
                 user.key[0])
        self.status(user.get("apikeys"), 200)

    def test_a_key_that_takes_the_uuid_of_another_lets_nobody_in(self):
        _, user = site.account("user", "mallory")
        (uuid,) = self.row(user, "uuid")
        self.set("UPDATE credential SET uuid = 'another' WHERE public_value = ?", user.key[0])
        self.status(user.get("apikeys"), 401)
        self.set("UPDATE credential SET uuid = ? WHERE public_value = ?", uuid, user.key[0])
        self.status(user.get("apikeys"), 200)

    def test_a_session_belongs_to_the_account_of_its_key(self):
        """The session of one account, redirected to the key of another."""
        _, user = site.account("user", "mallory")
        made = self.ok(user.post("sessions", {"link": True}), 201)
        number = int(re.search(r"[0-9]+$", made["id"]).group())
        (admin,) = self.row(site.admin, "id")
        self.set("UPDATE credential SET by_key = ?, state = 'active' WHERE id = ?", admin, number)
        for name in ("regcred-session", "__Host-regcred-session"):
            r = site.anonymous().get("accounts",
                                     headers=(("Cookie", "%s=%s" % (name, made["token"])),))
            self.assertEqual(r.status, 401)

    def test_a_registry_led_elsewhere_takes_no_password_with_it(self):
        """By every way on which a password leaves to a host: hand-out, check, and image login's
        answer has nothing secret anyway."""
        sent = []

        def answer(request):
            sent.append(request.login)
            return standin.Answer(401, standin.UNAUTHORIZED,
                                  dict(standin.API, **{"WWW-Authenticate": 'Basic realm="r"'}))
        evil = standin.Standin(answer)
        self.addCleanup(evil.stop)
        secret = site.plant()
        registry = self.project.registry(serverAddress="right.example.test")
        login = self.project.credential(registry, secretValue=secret)
        revealer = Client(site, site.new_key(self.project.admin, reveal=True), self.project.root)
        number, host = int(registry["id"][3:]), "127.0.0.1:%d" % evil.port
        self.assertIn("right.example.test",
                      self.ok(revealer.post("handouts", {"format": "podman"}))["auths"])
        elsewhere = self.ok(self.env.post("registries",
                                          {"name": "mine", "serverAddress": "http://" + host}), 201)
        ways = [("UPDATE storage_pool SET server_address = ? WHERE id = ?",
                 ("http://localhost:%d" % evil.port, number)),
                ("UPDATE storage_pool SET server_address = ?, address_key = server_address WHERE id = ?", ("http://localhost:%d" % evil.port, number)),
                ("UPDATE credential SET registry_id = ? WHERE id = ?",
                 (int(elsewhere["id"][3:]), int(login["id"][2:])))]
        for text, values in ways:
            self.set(text, *values)
            for body in ({"format": "podman"}, {"format": "podman", "serverAddress": "localhost:%d"
                                                % evil.port},
                         {"format": "podman", "serverAddress": host}, {"format": "docker"}):
                r = revealer.post("handouts", body)
                self.assertNotIn(secret, r.text)
                self.assertNotIn("bmVlZGxl", r.text)
            self.env.action("registrycredentials/" + login["id"], "verify")
            self.set("UPDATE storage_pool SET server_address = 'right.example.test', address_key = "
                     "'right.example.test' WHERE id = ?", number)
            self.set("UPDATE credential SET registry_id = ?, verify_due = NULL, state = 'active' "
                     "WHERE id = ?", number, int(login["id"][2:]))
        self.assertEqual([login for login in sent if login], [])
        self.assertIn("right.example.test",
                      self.ok(revealer.post("handouts", {"format": "podman"}))["auths"])

    def test_the_column_that_finds_a_registry_does_not_say_what_it_is(self):
        registry = self.project.registry(serverAddress="front.example.test")
        self.project.credential(registry)
        self.set("UPDATE storage_pool SET address_key = 'evil.example.test' WHERE id = ?",
                 int(registry["id"][3:]))
        revealer = Client(site, site.new_key(self.project.admin, reveal=True), self.project.root)
        r = revealer.post("handouts", {"format": "podman", "serverAddress": "evil.example.test"})
        self.assertNotEqual(r.status, 200)


class Older(harness.Case):
    site = property(lambda self: older)

    def setUp(self):
        super().setUp()
        older.deaths_allowed = True
        self.put(older.state)

    def tearDown(self):
        older.remember_children()
        super().tearDown()

    def put(self, state):
        """The state of an older version, in the place of the site's."""
        if older.pool.poll() is None:
            older.stop_pool()
        for name in os.listdir(state):
            if name.startswith(("regcred.db", "master.key")):
                os.unlink(os.path.join(state, name))
        shutil.copy(os.path.join(OLDER, "master.key"), state)
        os.chmod(os.path.join(state, "master.key"), 0o400)
        connection = sqlite3.connect(older.db)
        with open(os.path.join(OLDER, "regcred.sql"), encoding="utf-8") as f:
            connection.executescript(f.read())
        connection.close()
        os.chmod(older.db, 0o600)

    def start(self):
        older.start_pool()
        older.wait_ready()
        older.remember_children()

    def restart(self):
        older.stop_pool()
        self.start()

    def works(self):
        for name, key in OLD_KEYS.items():
            self.assertEqual(Client(older, key, "/v1").get("apikeys").status, 200, name)
        revealer = Client(older, older.new_key(Client(older, OLD_KEYS["admin"], "/v1/projects/1a5"),
                                               reveal=True), "/v1/projects/1a5")
        auths = self.ok(revealer.post("handouts", {"format": "docker"}))["auths"]
        self.assertEqual(list(auths), ["127.0.0.1:18473"])
        self.assertEqual(harness.base64.b64decode(auths["127.0.0.1:18473"]["auth"]).decode(),
                         "bot:pull-me")
        self.assertIn("intact", older.cli("audit", "verify", "--state-dir", older.state))

    def unbound(self):
        return older.sql("SELECT count(*) FROM credential WHERE " + UNBOUND)[0][0]

    def test_keys_and_logins_of_an_older_version_work_and_are_bound_at_the_start(self):
        self.assertEqual(self.unbound(), 4)
        self.start()
        self.assertEqual(self.unbound(), 0)
        self.assertEqual([row[0] for row in older.sql("SELECT changes FROM audit_log WHERE "
                                                      "event_type = 'secretsBound'")],
                                                      ['{"values":4}'])
        self.works()
        self.restart()
        self.works()
        self.assertEqual(
            older.sql("SELECT count(*) FROM audit_log WHERE event_type = 'secretsBound'")[0][0], 1)
        older.cli("rekey", "--state-dir", older.state)
        self.works()

    def test_what_an_older_version_stored_is_refused_once_all_is_bound(self):
        """A value from an old copy, put into the row of another, lets nobody in and leads nowhere,
        also after a restart."""
        (mine,) = older.sql("SELECT secret_value FROM credential WHERE public_value = ?",
                            (OLD_KEYS["user"][0],))[0]
        self.start()
        for restart in (False, True):
            older.sql("UPDATE credential SET secret_value = ? WHERE public_value = ?",
                      (mine, OLD_KEYS["admin"][0]), write=True)
            if restart:
                self.restart()
            for secret in (OLD_KEYS["user"][1], OLD_KEYS["admin"][1]):
                self.assertEqual(Client(older, (OLD_KEYS["admin"][0], secret),
                                        "/v1").get("accounts").status, 401)
            self.assertEqual(self.unbound(), 1)

    def test_a_start_that_was_interrupted_is_taken_up_again(self):
        """Some values are bound, and the log does not say yet that all are."""
        before = sqlite3.connect(older.db)
        log, segment = (before.execute("SELECT * FROM " + t).fetchall()
                        for t in ("audit_log", "audit_segment"))
        values = before.execute("SELECT secret_value, id FROM credential WHERE id > 2").fetchall()
        before.close()
        self.start()
        older.stop_pool()
        after = sqlite3.connect(older.db)
        for table, rows in (("audit_log", log), ("audit_segment", segment)):
            after.execute("DELETE FROM " + table)
            after.executemany("INSERT INTO %s VALUES (%s)" % (table, ", ".join("?" * len(rows[0]))),
                              rows)
        after.executemany("UPDATE credential SET secret_value = ? WHERE id = ?", values)
        after.commit()
        after.close()
        self.start()
        self.assertEqual(self.unbound(), 0)
        self.works()

    def test_a_value_that_does_not_open_keeps_nobody_out(self):
        connection = sqlite3.connect(older.db)
        connection.execute("UPDATE credential SET uuid = 'another' WHERE id = 3")
        connection.commit()
        connection.close()
        self.start()
        self.assertEqual(self.unbound(), 1)
        self.assertEqual(Client(older, OLD_KEYS["admin"], "/v1").get("accounts").status, 200)
        with open(older.log, encoding="utf-8") as f:
            self.assertIn("1 stored secrets do not open with any key and were left", f.read())

    def test_a_log_that_was_begun_again_says_nothing_about_older_secrets(self):
        """Where the head was damaged before the update, the log is begun again by hand; the secrets
        are bound at the next start."""
        connection = sqlite3.connect(older.db)
        connection.execute("UPDATE audit_segment SET mac = x'00'")
        connection.commit()
        connection.close()
        done = os.path.join(older.root, "why")
        with open(done, "w", encoding="utf-8") as out:
            refused = harness.subprocess.run([harness.program("regcredd"), "--state-dir",
                                              older.state], env=older.environ(), stdout=out,
                                              stderr=out, timeout=30)
        self.assertNotEqual(refused.returncode, 0)
        older.cli("audit", "restart", "--state-dir", older.state, "--reason",
                  "damaged before the update")
        self.start()
        self.assertEqual(self.unbound(), 0)
        self.works()

    def test_a_copy_of_an_older_version_is_restored(self):
        self.start()
        self.works()
        copy = os.path.join(older.root, "copy.db")
        connection = sqlite3.connect(copy)
        with open(os.path.join(OLDER, "regcred.sql"), encoding="utf-8") as f:
            connection.executescript(f.read())
        connection.close()
        os.chmod(copy, 0o600)
        older.stop_pool()
        older.cli("restore", copy, "--state-dir", older.state)
        self.start()
        self.assertEqual(self.unbound(), 0)
        self.works()
