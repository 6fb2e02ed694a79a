"""A damaged database: 503 and an unhealthy /ping, never wrong data, nothing repaired; put right by
hand it goes on."""

import os
import unittest

import harness

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=4)

PAGE = 4096


class Damage(harness.Case):
    def setUp(self):
        super().setUp()
        self.db = self.site.db
        self.p = self.site.project()
        self.env = self.p.env
        self.registry = self.p.registry()["id"]
        self.logins = {}
        for number in range(60):
            text = "%s number %d " % (self.p.id, number) + "d" * 1000
            row = self.ok(self.env.post("registrycredentials",
                                        {"registryId": self.registry, "publicValue": "u%d" % number,
                                         "email": "e@x",
                                                                "secretValue": self.site.plant(),
                                                                "description": text}, check=False),
                                                                201)
            self.logins[row["id"]] = text
        # What was written lies in the file from now on, not in its log.
        self.assertEqual(self.site.sql("PRAGMA wal_checkpoint(TRUNCATE)")[0][0], 0)

    def tearDown(self):
        self.assertEqual(self.said("died: signal"), 0)
        super().tearDown()

    def said(self, text):
        with open(self.site.log, encoding="utf-8", errors="replace") as f:
            return sum(text in line for line in f)

    def leaves(self):
        """Leaf pages that hold logins of this test."""
        with open(self.db, "rb") as f:
            data = f.read()
        found = []
        for number in range(1, len(data) // PAGE):
            page = data[number * PAGE:(number + 1) * PAGE]
            if page[0] == 13 and b"d" * 900 in page and b"%s number " % self.p.id.encode() in page:
                found.append(number)
        return found

    def write_at(self, at, data):
        with open(self.db, "r+b") as f:
            f.seek(at)
            f.write(data)

    def look(self):
        """Reads every login a few times: statuses; what is 200 is right."""
        seen = set()
        for _ in range(3):
            for login, text in self.logins.items():
                r = self.env.get("registrycredentials/" + login, check=False)
                seen.add(r.status)
                if r.status == 200:
                    self.assertEqual(r.json["description"], text)
                else:
                    self.assertRefused(r)
        return seen

    def assertRefused(self, r):
        self.err(r, 503, "Service Unavailable")
        self.assertRegex(r.header("Retry-After"), "^[0-9]+$")
        self.assertNotIn("malformed", r.text)

    def ping(self):
        return self.site.anonymous().get("/ping", check=False).status

    def healthy(self):
        self.assertTrue(harness.wait_until(lambda: [self.ping() for _ in range(6)] == [200] * 6),
                        "it is not healthy again")
        self.assertEqual(self.look(), {200})
        self.assertEqual(self.site.sql("PRAGMA integrity_check"), [("ok",)])
        # one that came to start in the middle of it has been replaced
        self.site.remember_children()

    def fresh(self):
        """Other pages than those of the damage take their place in the caches."""
        self.site.deaths_allowed = True
        self.assertEqual(self.site.stop_pool(), 0)
        self.site.start_pool()
        self.site.wait_ready()
        self.site.remember_children()

    def test_pages_in_the_middle(self):
        leaves = self.leaves()
        self.assertGreater(len(leaves), 5)
        with open(self.db, "rb") as f:
            good = f.read()
        hit = leaves[len(leaves) // 2:len(leaves) // 2 + 3]
        before = self.said("Nothing is repaired")
        for fill in (b"\0", b"\xff", b"Z"):
            with self.subTest(fill):
                self.fresh()
                for number in hit:
                    self.write_at(number * PAGE, fill * PAGE)
                self.assertEqual(self.look(), {200, 503})
                self.assertEqual(self.ping(), 503)
                self.assertRefused(self.env.get("registrycredentials?limit=-1", check=False))
                with open(self.db, "rb") as f:
                    f.seek(hit[0] * PAGE)
                    self.assertEqual(f.read(PAGE), fill * PAGE, "it was repaired")
                for number in hit:
                    self.write_at(number * PAGE, good[number * PAGE:(number + 1) * PAGE])
                self.healthy()
        # One line for each process of each start, however many requests failed.
        self.assertGreaterEqual(self.said("Nothing is repaired") - before, 1)
        self.assertLessEqual(self.said("Nothing is repaired") - before, 9)

    def test_a_header_that_is_overwritten(self):
        with open(self.db, "rb") as f:
            good = f.read(PAGE)
        self.fresh()
        try:
            self.write_at(0, (b"not a database at all " * 200)[:PAGE])
            # Who has it open need not read it again; who opens it is told.
            self.assertLessEqual(self.look(), {200, 503})
            done = self.site.cli("check", "--state-dir", self.site.state, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("not a database", done.stderr)
        finally:
            self.write_at(0, good)
        self.healthy()

    def test_a_file_that_is_cut(self):
        with open(self.db, "rb") as f:
            good = f.read()
        self.fresh()
        os.truncate(self.db, 3 * PAGE)
        self.damaged_as_a_whole()
        self.write_at(0, good)
        self.healthy()

    def damaged_as_a_whole(self):
        """What was read before may still be answered from memory, and is right."""
        self.assertIn(503, self.look())
        self.assertTrue(harness.wait_until(lambda: [self.ping() for _ in range(6)] == [503] * 6))
        for _ in range(5):
            r = self.env.post("registrycredentials", {"registryId": self.registry, "email": "e@x"},
                              check=False)
            self.assertRefused(r)

    def test_a_log_that_is_removed(self):
        """Its content is still in the hands of the pool: nothing more is written, and an orderly
        end brings it into the database."""
        extra = [
            self.ok(self.env.post("registrycredentials", {"registryId": self.registry,
                                                          "email": "e@x"}, check=False), 201)["id"]
                 for _ in range(5)]
        os.unlink(self.db + "-wal")
        os.unlink(self.db + "-shm")
        for _ in range(8):
            self.assertRefused(self.env.post("registrycredentials",
                                             {"registryId": self.registry, "email": "e@x"},
                                             check=False))
        self.assertEqual(self.look(), {200})
        self.assertEqual([self.ping() for _ in range(4)], [503] * 4)
        self.assertGreater(self.said("was removed or replaced while it is in use"), 0)
        self.fresh()
        self.healthy()
        for login in extra:
            self.ok(self.env.get("registrycredentials/" + login))

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_a_file_that_may_not_be_read(self):
        """Processes that have it open go on; one that is new waits until it may."""
        os.chmod(self.db, 0)
        self.assertEqual(self.look(), {200})
        os.chmod(self.db, 0o600)
        self.healthy()
