"""Races: whoever loses is told so, and the database shows one winner."""

import fcntl
import os
import sqlite3
import threading
import time

import harness

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=16)


def race(calls):
    """Runs the calls at the same moment, each in its own thread; their results in order."""
    start, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(i):
        start.wait()
        results[i] = calls[i]()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


class Races(harness.Case):
    def setUp(self):
        super().setUp()
        self.p = self.site.project()
        self.env = self.p.env
        self.cred = self.p.credential(self.p.registry())["id"]
        self.path = "registrycredentials/" + self.cred

    def test_sixteen_different_actions(self):
        """Whatever the order: each 202 left one row in the log, and the last row's state is the
        state of the credential."""
        names = ["deactivate", "activate", "update", "remove"] * 4
        results = race([lambda n=n: self.env.action(self.path, n) for n in names])
        self.assertLessEqual({r.status for r in results}, {202, 422})
        steps = self.site.steps(self.cred)[2:]
        self.assertEqual(len(steps), sum(r.status == 202 for r in results))
        state = "active"
        for _, before, _, after in steps:
            self.assertEqual(before, state)
            state = after
        self.assertEqual(self.ok(self.env.get(self.path))["state"], state)

    def test_sixteen_same_access_key(self):
        secrets = [self.site.plant() for _ in range(16)]
        results = race(
            [lambda s=s: self.site.admin.post("/v1/apikeys", {"publicValue": "RACE" + self.p.id,
                                                              "secretValue": s}) for s in secrets])
        self.assertEqual(sorted(r.status for r in results), [201] + [422] * 15)
        for r in results:
            if r.status == 422:
                self.err(r, 422, "NotUnique", "publicValue")

    def test_sixteen_creates(self):
        """Each has its own id, all are there, none twice."""
        registry = self.ok(self.env.get(self.path))["registryId"]
        bodies = [{"registryId": registry, "email": "e@example.test", "publicValue": "p%d" % i,
                   "secretValue": self.site.plant()} for i in range(16)]
        results = race([lambda b=b: self.env.post("registrycredentials", b) for b in bodies])
        self.assertEqual([r.status for r in results], [201] * 16)
        made = [r.json["id"] for r in results]
        self.assertEqual(len(set(made)), 16)
        self.assertEqual(sorted(made + [self.cred]),
                         sorted(self.ids(self.env.get("registrycredentials"))))
        for b, r in zip(bodies, results):
            self.assertEqual((r.json["publicValue"], r.json["secretValue"]),
                             (b["publicValue"], b["secretValue"]))

    def test_create_against_remove_of_its_registry(self):
        """A credential is never made for a registry that was removed first."""
        for _ in range(5):
            registry = self.p.registry()["id"]
            self.status(self.env.action("registries/" + registry, "deactivate"), 202)
            body = {"registryId": registry, "email": "e@example.test",
                    "secretValue": self.site.plant()}
            removed, *made = race([lambda: self.env.action("registries/" + registry, "remove")]
                                  + [lambda: self.env.post("registrycredentials", body)] * 7)
            self.status(removed, 202)
            self.assertLessEqual({r.status for r in made}, {201, 422})
            self.err(self.env.post("registrycredentials", body), 422, "InvalidReference",
                     "registryId")

    def test_reads_do_not_wait_for_a_writer(self):
        """Another process holds the writers' lock and is in the middle of a transaction; the write
        that waits is the control."""
        paths = (self.path, "registrycredentials", "credentials?limit=3", "schemas")
        for path in paths:
            self.ok(self.env.get(path))
        made = self.ok(self.env.post("apikeys", {}), 201)
        # its first use is to be noted
        fresh = harness.Client(self.site, (made["publicValue"], made["secretValue"]), self.env.root)
        registry = self.ok(self.env.get(self.path))["registryId"]
        written, times = [], []
        writer = threading.Thread(
            target=lambda: written.append(self.env.post("registrycredentials", {
            "registryId": registry, "email": "e@x", "publicValue": "late",
            "secretValue": self.site.plant()}, check=False).status))
        lock = os.open(self.site.db + ".lock", os.O_RDWR)
        other = sqlite3.connect(self.site.db, isolation_level=None)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE account SET name = name")
            writer.start()
            time.sleep(0.3)
            for client, path in [(self.env, p) for p in paths * 10] + [(fresh, paths[0])]:
                begun = time.monotonic()
                self.ok(client.get(path))
                times.append(time.monotonic() - begun)
            self.assertEqual(written, [], "it did not wait")
            other.execute("ROLLBACK")
        finally:
            other.close()
            os.close(lock)
        writer.join()
        self.assertEqual(written, [201])
        self.assertLess(max(times), 2)

    def test_readers_beside_writers(self):
        """Every answer under a mixed load is a right one; the harness validates each."""
        registry = self.ok(self.env.get(self.path))["registryId"]

        def write(i):
            seen = []
            for _ in range(5):
                number = self.env.post("registrycredentials",
                                       {"registryId": registry, "email": "e@x", "name": "w%d"
                                        % i}).json["id"]
                path = "registrycredentials/" + number
                seen += [self.env.action(path, "deactivate").status, self.env.delete(path).status,
                         self.env.get(path).json["state"]]
            return seen == [202, 200, "removed"] * 5

        def read(_):
            return all(self.env.get(p).status == 200
                       for p in ("registrycredentials", "credentials?limit=3", self.path,
                                 "schemas") * 5)
        self.assertEqual(race([lambda i=i: (write if i % 2 else read)(i) for i in range(12)]),
                         [True] * 12)
