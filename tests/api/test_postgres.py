"""Several hosts: pools with a database on a PostgreSQL server, which is cut off, fails over, and has
two masters.  What the other modules say of the API holds with it too: NAME@postgresql."""

import itertools
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import postgres
import sources

TAKES_S = 25

LONG = bool(os.environ.get("REGCRED_LONG"))
KEY_ID = "AKIASTANDIN0STANDIN0"
ADDRESS = "%s.dkr.ecr.%s.amazonaws.com" % (sources.ACCOUNT, sources.REGION)
UNKNOWN = "not known whether the change was made"
server = None


def setUpModule():
    global server
    with open(harness.program("regcredd"), "rb") as f:
        if b"regcred.turn" not in f.read():
            raise unittest.SkipTest("regcredd is built without PostgreSQL")
    server = postgres.Server()
    unittest.addModuleCleanup(server.end)


class Proxy:
    """Between regcred and the server.  It counts what the writer asks, and cuts it off at what it is
    told to: before the server sees it, or before the answer comes."""

    WRITES = b"BEGIN ISOLATION LEVEL READ COMMITTED"

    def __init__(self, directory):
        self.path = os.path.join(directory, ".s.PGSQL.5432")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock, self.count, self.at, self.before = threading.Lock(), 0, None, False
        self.cut = None
        threading.Thread(target=self.serve, daemon=True).start()

    def address(self, database):
        return "postgresql://127.0.0.1:%d/%s?user=regcred&sslmode=disable" % (self.port, database)

    def arm(self, at, before):
        with self.lock:
            self.count, self.at, self.before, self.cut = 0, at, before, None

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.pair, args=(client,), daemon=True).start()

    def pair(self, client):
        with socket.socket(socket.AF_UNIX) as back, client:
            try:
                back.connect(self.path)
                threading.Thread(target=self.answers, args=(back, client), daemon=True).start()
                self.questions(client, back)
            except OSError:
                pass
            for end in (client, back):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @staticmethod
    def answers(back, client):
        try:
            while data := back.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    @staticmethod
    def take(client, size):
        data = b""
        while len(data) < size:
            more = client.recv(size - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def questions(self, client, back):
        head = self.take(client, 4)
        back.sendall(head + self.take(client, struct.unpack("!I", head)[0] - 4))
        writes = False
        while True:
            kind, head = self.take(client, 1), self.take(client, 4)
            body = self.take(client, struct.unpack("!I", head)[0] - 4)
            writes = writes or body.startswith(self.WRITES)
            cut = False
            if writes and kind in b"QS":
                with self.lock:
                    self.count += 1
                    cut = self.at in (self.count, body.rstrip(b"\0"))
                    if cut:
                        self.at, self.cut = None, body.rstrip(b"\0")
            if cut and self.before:
                raise OSError("cut")
            back.sendall(kind + head + body)
            if cut:
                # The server may do it: nobody hears of it.
                client.shutdown(socket.SHUT_RDWR)
                time.sleep(0.05)
                raise OSError("cut")

    def close(self):
        self.listener.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def site_on(database, **options):
    site = harness.Site(**{"workers": 2, "threads": 8, **options})
    site.database = database
    site.start()
    return site


class Case(unittest.TestCase):
    """Each has a site of its own, with an address for each registry that nobody else takes."""

    numbers = itertools.count()

    def begin(self, database, **options):
        site = site_on(database, **options)
        self.addCleanup(site.stop)
        return site

    def create(self, client, results):
        address = "r%d.example.test" % next(self.numbers)
        try:
            answer = client.post("/v1/projects/1a5/registries", {"serverAddress": address}, check=False)
            status, text = answer.status, answer.body.decode()
        except OSError as error:
            status, text = 0, str(error)
        results.append((address, status, text))
        return status

    def judge(self, site, results):
        """Each that was acknowledged is there once, each other is not, except where it was said that
        this is not known; and the audit log has no gap."""
        rows = dict(site.sql("SELECT server_address, count(*) FROM storage_pool GROUP BY 1"))
        for address, status, text in results:
            if status == 201:
                self.assertEqual(rows.get(address), 1, address)
            elif UNKNOWN not in text and status != 0:
                self.assertNotIn(address, rows, text)
            self.assertIn(status, (0, 201, 503), text)
        self.assertTrue(site.cli("audit", "verify", "--state-dir", site.state).startswith("intact"))


class Faults(Case):
    def test_the_connection_is_cut_at_each_message(self):
        """Before it, and after it, the COMMIT too: then the row of the transaction decides."""
        proxy = Proxy(server.directory)
        self.addCleanup(proxy.close)
        database = postgres.Database(server)
        database.address = proxy.address(database.name)
        site = self.begin(database, workers=1)
        results, commits = [], []
        proxy.arm(None, False)
        self.assertEqual(self.create(site.admin, results), 201)
        messages = proxy.count
        self.assertGreater(messages, 3)
        places = range(1, messages + 1) if LONG else (1, 2, messages // 2)
        for at, before in itertools.product((*places, b"COMMIT"), (True, False)):
            proxy.arm(at, before)
            status = self.create(site.admin, results)
            commits += [(before, status)] * (proxy.cut == b"COMMIT")
            proxy.arm(None, False)
            self.assertTrue(harness.wait_until(
                lambda: self.create(site.admin, results) == 201, 30), results[-1])
        self.judge(site, results)
        # A COMMIT that the server never saw was not made; one whose answer was lost was.
        self.assertEqual(sorted(set(commits)), [(False, 201), (True, 503)])

    def test_a_server_that_is_away(self):
        """Reads and writes say 503, /ping too; and all is well once it is back."""
        own = postgres.Server()
        self.addCleanup(own.end)
        site = self.begin(postgres.Database(own), workers=1)
        results = []
        self.assertEqual(self.create(site.admin, results), 201)
        own.stop()
        self.assertEqual(self.create(site.admin, results), 503)
        self.assertIn(site.admin.get("/v1/registries", check=False).status, (401, 503))
        self.assertEqual(site.admin.get("/ping", check=False).status, 503)
        own.again()
        self.assertTrue(harness.wait_until(
            lambda: self.create(site.admin, results) == 201, 30), results[-1])
        site.database = postgres.Database(own, site.database.address)
        self.judge(site, results)


class Failover(Case):
    """A primary with a synchronous standby, and a pool that knows both."""

    def pair(self):
        self.primary = postgres.Server("-c fsync=on -c synchronous_standby_names=*"
                                       " -c synchronous_commit=local")
        self.addCleanup(self.primary.end)
        self.standby = postgres.Server(primary=self.primary)
        self.addCleanup(self.standby.end)
        self.primary.run("postgres", "ALTER SYSTEM SET synchronous_commit = 'on'")
        self.primary.stop()
        self.primary.options = "-c synchronous_standby_names=*"
        self.primary.again()
        self.assertTrue(harness.wait_until(lambda: self.primary.run(
            "postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        ).strip() == "1", 30))
        database = postgres.Database(self.primary)
        database.address = "postgresql:///%s?host=%s,%s&user=regcred" % (
            database.name, self.primary.directory, self.standby.directory)
        return self.begin(database)

    def write_on(self, site, writers=8):
        """Writers without a pause; stop() ends them, and gives what came."""
        results, stop = [], threading.Event()

        def loop():
            client = harness.Client(site, site.admin.key)
            while not stop.is_set():
                self.create(client, results)
        threads = [threading.Thread(target=loop) for _ in range(writers)]
        for thread in threads:
            thread.start()

        def end():
            stop.set()
            for thread in threads:
                thread.join(60)
            return results
        self.addCleanup(end)
        return results, end

    def acknowledged(self, results, more):
        seen = sum(r[1] == 201 for r in results)
        self.assertTrue(harness.wait_until(
            lambda: sum(r[1] == 201 for r in results) >= seen + more, 60), results[-3:])

    def test_what_was_acknowledged_is_there_after_a_failover(self):
        site = self.pair()
        results, end = self.write_on(site)
        self.acknowledged(results, 50)
        self.primary.stop()
        self.standby.promote()
        self.acknowledged(results, 50)
        end()
        site.database = postgres.Database(self.standby, site.database.address)
        self.judge(site, results)
        # The old primary comes back, and lets everybody write: it is refused, the new one is not.
        self.primary.options = ""
        self.primary.again()
        self.primary.run("postgres", "SELECT 1")
        self.standby.run("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                         "application_name LIKE 'regcred/%'")
        after = []
        self.assertTrue(harness.wait_until(lambda: self.create(site.admin, after) == 201, 30))
        self.judge(site, after)
        name = site.database.name
        self.assertEqual(self.primary.run(name, "SELECT count(*) FROM regcred.storage_pool WHERE "
                                          "server_address = '%s'" % after[-1][0]).strip(), "0")

    def test_a_standby_that_is_away(self):
        """A change that only the primary has is not acknowledged; what is read goes on."""
        if not LONG:
            self.skipTest("takes minutes: make check-long")
        site = self.pair()
        results = []
        self.assertEqual(self.create(site.admin, results), 201)
        self.standby.stop()
        # Who only waited for its turn knows that nothing happened.
        self.assertTrue(harness.wait_until(
            lambda: self.create(site.admin, results) == 503 and UNKNOWN in results[-1][2], 120))
        self.assertEqual({status for _, status, _ in results[1:]}, {503})
        self.assertEqual(site.admin.get("/v1/registries", check=False).status, 200)
        self.standby.again()
        self.assertTrue(harness.wait_until(lambda: self.create(site.admin, results) == 201, 60))
        self.judge(site, results)


class Hosts(Case):
    """Two pools, as on two hosts, with a copy of the key each and clocks that differ."""

    LOGINS = 20

    def host(self, key_of, **options):
        site = harness.Site(workers=1, threads=8, **options)
        site.database = key_of.database
        site.key_from = os.path.join(key_of.state, "master.key")
        site.start()
        self.addCleanup(site.stop)
        return site

    def test_two_hosts_are_one_service(self):
        library = next((path for path in (
            "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
            "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1") if os.path.exists(path)), None)
        if library is None or harness.is_sanitized():
            self.skipTest("faketime is missing, or does not go with a sanitizer")
        standin = sources.Sources()
        self.addCleanup(standin.stop)
        options = ("--verify-networks", "127.0.0.0/8", "--sweep-every-s", "1")
        one = self.begin(postgres.Database(server), workers=1, options=options)
        two = self.host(one, options=options,
                        environment={"LD_PRELOAD": library, "FAKETIME": "-90s"})
        before = int(time.time() * 1000)
        results = []
        for site in (one, two) * 5:
            self.assertEqual(self.create(harness.Client(site, one.admin.key), results), 201)
        self.judge(two, results)
        # Both have the clock of the database: what the second one made is not older.
        oldest = one.sql("SELECT min(created) FROM storage_pool")[0][0]
        self.assertGreater(oldest, before - 45000)
        project = one.project()
        registry = project.registry(serverAddress=ADDRESS)
        logins = [project.credential(
            registry, secretValue=None, publicValue=None, source="ecr",
            sourceConfig={"accessKeyId": KEY_ID, "endpoint": standin.url("ecr", "right")},
            sourceSecret=sources.KEYS[KEY_ID][0])["id"] for _ in range(self.LOGINS)]
        self.assertTrue(harness.wait_until(lambda: all(
            project.env.get("registrycredentials/" + login).json["secretVersion"] == 1
            for login in logins), 60))
        self.assertEqual(len(standin.calls), self.LOGINS)
        one.sql("UPDATE credential SET refresh_due = 1000 WHERE source = 'ecr'", write=True)
        self.assertTrue(harness.wait_until(lambda: all(
            project.env.get("registrycredentials/" + login).json["secretVersion"] == 2
            for login in logins), 60))
        time.sleep(2)                      # nothing more comes: a host that asks again would by now
        self.assertEqual(len(standin.calls), 2 * self.LOGINS)
        self.judge(one, results)


    def test_a_rotation_of_the_key(self):
        """A host that has not got the new key file yet stores nothing that others cannot read, and
        says so; with it, it goes on."""
        one = self.begin(postgres.Database(server), workers=1)
        two = self.host(one, environment={"REGCRED_KEYRING_LOOK_MS": "100"})
        self.assertEqual(one.admin.post("/v1/projects/1a5/registries",
                                        {"serverAddress": "ghcr.io"}).status, 201)
        registry = one.admin.get("/v1/projects/1a5/registries").json["data"][0]["id"]
        one.cli("rekey", "--state-dir", one.state)

        def store(user):
            return harness.Client(two, one.admin.key).post(
                "/v1/projects/1a5/registrycredentials",
                {"registryId": registry, "email": "e@example.test", "publicValue": user,
                 "secretValue": one.plant()}, check=False).status
        self.assertIn(store("early"), (500, 503))
        self.assertIn("key", two.tail())
        shutil.copy(os.path.join(one.state, "master.key"), os.path.join(two.state, "new.key"))
        os.replace(os.path.join(two.state, "new.key"), os.path.join(two.state, "master.key"))
        self.assertTrue(harness.wait_until(lambda: store("late") == 201, 30), two.tail())
        self.assertIn("opens with", one.cli("check", "--state-dir", one.state))


class Pooler(Case):
    """PgBouncer between a pool and the server: in each mode that has transactions."""

    CONF = """[databases]
%(name)s = host=%(host)s user=regcred
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %(port)d
unix_socket_dir =
auth_type = any
pool_mode = %(mode)s
default_pool_size = %(size)d
"""

    def test_modes(self):
        program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            self.skipTest("pgbouncer is missing")
        for mode in ("session", "transaction"):
            with self.subTest(mode), tempfile.TemporaryDirectory() as directory:
                os.chmod(directory, 0o755)
                database, port = postgres.Database(server), free_port()
                path = os.path.join(directory, "pgbouncer.ini")
                with open(path, "w", encoding="ascii") as f:
                    f.write(self.CONF % {"name": database.name, "host": server.directory,
                                         "port": port, "mode": mode, "size": 40 if mode == "session" else 4})
                words = ["setpriv", "--reuid", "nobody", "--clear-groups"] * (os.geteuid() == 0)
                child = subprocess.Popen([*words, program, "-q", path], stdin=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
                try:
                    self.assertTrue(harness.wait_until(lambda: listens(port), 30))
                    database.address = ("postgresql://127.0.0.1:%d/%s?user=regcred&sslmode=disable"
                                        % (port, database.name))
                    site = site_on(database, workers=1, threads=4)
                    try:
                        results = []
                        for _ in range(20):
                            self.assertEqual(self.create(site.admin, results), 201, results[-1])
                        self.judge(site, results)
                        self.assertIn("through a pooler",
                                      site.cli("check", "--state-dir", site.state))
                    finally:
                        site.stop()
                finally:
                    child.kill()
                    child.wait()


class Roles(Case):
    def test_a_role_that_cannot_change_tables_is_enough(self):
        """With the rights that docs/several-hosts.md lists, and no other."""
        database = postgres.Database(server)
        owner = self.begin(database, workers=1)
        with open(os.path.join(harness.SRC, "docs", "several-hosts.md"), encoding="utf-8") as f:
            grants = re.search(r"```sql\n(.*?)```", f.read(), re.S).group(1)
        database.ask("CREATE ROLE regcred_app LOGIN")
        for line in grants.strip().splitlines():
            database.ask(line)
        user = harness.Site(workers=1, threads=4)
        user.database = postgres.Database(
            server, database.address.replace("user=regcred", "user=regcred_app"))
        user.key_from = os.path.join(owner.state, "master.key")
        user.start()
        self.addCleanup(user.stop)
        results = []
        self.assertEqual(self.create(user.admin, results), 201)
        self.assertEqual(user.cli("rekey", "--state-dir", user.state, check=False).returncode, 0)
        self.judge(user, results)


class Words(unittest.TestCase):
    """What is wrong with an address is said before anything is done."""

    def refused(self, address, text):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [harness.program("regcred"), "init", "--state-dir", directory + "/state",
                 "--database", address], capture_output=True, text=True, timeout=60, check=False)
            # No key is made for a database that nobody has seen.
            self.assertEqual(os.listdir(directory), [])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(text, done.stderr)
        self.assertNotIn("geheim", done.stderr)

    def test_addresses(self):
        for address, text in (
                ("postgresql://u:geheim@localhost/rc", "passfile="),
                ("postgresql://db.example.test/rc", "sslmode=verify-full"),
                ("postgresql://localhost,db.example.test/rc?sslmode=require", "sslmode=verify-full"),
                ("postgresql://localhost/rc?nothing=5", "nothing"),
                ("postgresql:///rc?host=/nonexistent", "cannot use the database"),
                (server.address("postgres") + "&port=9", "cannot use the database")):
            with self.subTest(address):
                self.refused(address, text)

    def test_a_database_that_is_none_of_ours_or_newer(self):
        database = postgres.Database(server)
        with tempfile.TemporaryDirectory() as directory:
            def run(*words):
                return subprocess.run(
                    [harness.program("regcred"), *words, "--state-dir", directory + "/state",
                     "--database", database.address], capture_output=True, text=True, timeout=60,
                    check=False)
            self.assertEqual(run("init").returncode, 0)
            self.assertIn("opens with", run("check").stdout)
            for words in (("backup", directory + "/copy.db"), ("restore", "/dev/null")):
                done = run(*words)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("pg_dump", done.stderr)
            database.ask("UPDATE meta SET value = '999' WHERE name = 'schema_version'")
            done = run("check")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("version 999", done.stderr)
            database.ask("UPDATE meta SET value = '18' WHERE name = 'schema_version'")
            database.ask("ALTER TABLE credential DROP COLUMN networks")
            self.assertIn("networks", run("check").stderr)


if __name__ == "__main__":
    unittest.main()
