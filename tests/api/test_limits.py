"""What one account may take of what all share, and what was refused as the audit log tells it."""

import collections
import threading
import time
import unittest

import harness
from harness import Client

WRITES, ROWS, PROJECTS = 60, 25, 3

set_up_site, tearDownModule = harness.site_of(globals(), workers=2, threads=4,
                                              options=("--writes-per-minute", str(WRITES),
                                                       "--rows-per-project", str(ROWS),
                                                                                       "--projects-per-user", str(PROJECTS)))
site = None


def setUpModule():
    set_up_site()


class Limits(harness.Case):
    def test_writes_of_an_account(self):
        """All keys of an account together; others go on, and so does what takes a right away."""
        loud, quiet = site.project(), site.project()
        first, second = loud.env, Client(site, site.new_key(loud.admin, reveal=True), loud.root)
        row = loud.credential(loud.registry())
        answers = [(first, second)[i % 2].put("registrycredentials/" + row["id"],
                                              {"description": str(i)}) for i in range(WRITES + 10)]
        refused = [a for a in answers if a.status == 429]
        self.assertGreaterEqual(len(refused), 10)
        self.assertLessEqual(len(refused), 15)
        self.err(refused[0], 429, "Too Many Requests")
        self.assertLessEqual(int(refused[0].header("Retry-After")), 60)
        self.err(second.post("handouts", {"format": "docker"}), 429, "Too Many Requests")
        self.ok(first.get("registrycredentials"))
        self.ok(quiet.env.post("registries", {"serverAddress": "q.example"}), 201)
        self.status(first.action("registrycredentials/" + row["id"], "deactivate"), 202)
        self.status(first.delete("registrycredentials/" + row["id"]), 200)

    def test_rows_of_a_type(self):
        """A removed row makes room."""
        p = site.project()
        made = [p.env.post("apikeys", {}) for _ in range(ROWS + 2)]
        site.key_secrets.extend((m.json["publicValue"], m.json["secretValue"]) for m in made
                                if m.status == 201)
        self.assertEqual([m.status for m in made[-3:]], [422] * 3)   # one is the project's own
        self.assertIn("rows_per_project", self.err(made[-1], 422, "InvalidOption",
                                                   "accountId")["detail"])
        self.status(p.env.action("apikeys/" + made[0].json["id"], "deactivate"), 202)
        self.status(p.env.action("apikeys/" + made[0].json["id"], "remove"), 202)
        self.status(p.env.post("apikeys", {}), 201)

    def test_projects_of_a_user(self):
        account, client = site.account("user")
        self.assertEqual([client.post("projects", {"name": "p"}).status
                          for _ in range(PROJECTS + 1)], [201] * PROJECTS + [422])
        # administrators may
        others = [site.project(members=[("1a1", "owner"), (account, "owner")]) for _ in range(2)]
        self.assertEqual(len(others), 2)


class Searches(harness.Case):
    """Lists that are searched through: of one account half of the connections for reading, at a time and worker."""

    def test_one_account_searches_with_half_of_the_readers(self):
        loud, quiet = site.project(), site.project()
        keys = [loud.env] + [Client(site, site.new_key(loud.admin), loud.root) for _ in range(3)]
        mine = quiet.registry()
        site.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 15000) INSERT INTO storage_pool (uuid, kind, account_id, name, description,"
                 " state, created, server_address) SELECT 'search-' || i, 'registry', %d, 'n', printf('%%.1000c', 'a'), 'active', 0, 's' || i FROM n" % int(loud.id[2:]), write=True)
        query = "registries?limit=1&" + "&".join("description_like=%%25a%%25a%%25b%d%%25" % i for i in range(20))
        stop, statuses, waits, details = threading.Event(), collections.Counter(), [], set()

        def search(client):
            while not stop.is_set():
                r = client.get(query)
                statuses[r.status] += 1
                if r.status == 429:
                    details.add((r.json["detail"], r.header("Retry-After")))
        threads = [threading.Thread(target=search, args=(keys[i % len(keys)],)) for i in range(16)]
        for t in threads:
            t.start()
        try:
            end = time.monotonic() + 3
            while time.monotonic() < end:
                began = time.monotonic()
                found = self.ok(quiet.env.get("registries?name_like=%25" + mine["name"] + "%25"))["data"]
                waits.append(time.monotonic() - began)
                self.assertEqual([r["id"] for r in found], [mine["id"]])
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(set(statuses), {200, 429}, "searches go on, within their share")
        self.assertEqual({retry for _, retry in details}, {"1"})
        self.ok(loud.env.get(query))
        print("test_limits: beside 16 searches of another account a search takes %.1f ms (median of %d)" % (1000 * sorted(waits)[len(waits) // 2], len(waits)))


class Refused(harness.Case):
    def test_what_a_caller_was_refused_has_a_row(self):
        """Counted for each key and minute."""
        p, foreign = site.project(), site.project()
        plain = Client(site, site.new_key(p.admin), p.root)
        bounded = Client(site, site.new_key(p.admin, pathPrefixes=["acme"]), p.root)
        member_id, member = site.account("user")
        self.status(site.admin.action("/v1/projects/" + p.id, "setmembers",
                                      {"members": [{"externalId": "1a1", "role": "owner"},
                                                   {"externalId": member_id, "role": "member"}]}),
                                                   202)
        for _ in range(3):
            self.err(plain.post("handouts", {"format": "docker"}), 403, "Forbidden")
            self.err(plain.at(foreign.root).post("registries", {"serverAddress": "x.example"}), 403,
                     "Forbidden")
            self.err(bounded.post("registries", {"serverAddress": "x.example"}), 403, "Forbidden")
            self.status(member.at(p.root).post("handouts", {"format": "docker"}), 404)
            self.status(plain.at(foreign.root).get("registries"), 403)       # reads nothing: no row
        site.stop_pool()
        site.start_pool()
        site.wait_ready()
        site.remember_children()
        number = lambda client: site.sql("SELECT id FROM credential WHERE public_value = ?",
                                         (client.key[0],))[0][0]
        rows = site.sql("SELECT event_type, key_id, resource_type, response_code, client_ip, "
                        "sum(attempts) FROM audit_log WHERE event_type LIKE '%Refused'"
                        " AND key_id IN (?, ?, ?) GROUP BY 1, 2, 3, 4, 5",
                        tuple(map(number, (plain, bounded, member))))
        self.assertEqual(set(rows),
                         {("handOutRefused", number(plain), "handOut", 403, "127.0.0.1", 3),
                          ("changeRefused", number(plain), "registry", 403, "127.0.0.1", 3),
                                     ("changeRefused", number(bounded), "registry", 403, "127.0.0.1", 3),
                                     ("handOutRefused", number(member), "handOut", 404, "127.0.0.1",
                                      3)})


if __name__ == "__main__":
    unittest.main()
