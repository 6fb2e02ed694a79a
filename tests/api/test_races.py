"""Sixteen clients do the same thing at the same moment, again and again: each transition happens
once, an address has one live row, and
the process log tells the same story as the rows.  `make check-long` (REGCRED_LONG) races many more
objects."""

import collections
import os
import threading

import harness

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=16)

CLIENTS, TURNS = 16, 20
OBJECTS = 200 if os.environ.get("REGCRED_LONG") else 10

# What is raced in turn on an active credential, and how many may win: an update leads back to where
# it began.
CYCLE = [("deactivate", 1), ("update", CLIENTS), ("activate", 1), ("update", CLIENTS)]
LIFE = CYCLE * 4 + [("update", CLIENTS), ("deactivate", 1), ("remove", 1), ("purge", 1)]


class Crew:
    """Threads that do one thing after the other, each at the same moment."""

    def __init__(self, count):
        self.start, self.end = threading.Barrier(count + 1), threading.Barrier(count + 1)
        self.call, self.results = None, [None] * count
        for i in range(count):
            threading.Thread(target=self.work, args=(i,), daemon=True).start()

    def work(self, i):
        while True:
            self.start.wait()
            if self.call is None:
                return
            try:
                self.results[i] = self.call(i)
            except Exception as problem:                 # shown by whoever compares the results
                self.results[i] = problem
            self.end.wait()

    def race(self, call):
        """call(i) in each thread; the results in order.  None ends the crew."""
        self.call = call
        self.start.wait()
        if call is None:
            return []
        self.end.wait()
        return list(self.results)


class Races(harness.Case):
    def setUp(self):
        super().setUp()
        self.crew = Crew(CLIENTS)
        self.addCleanup(self.crew.race, None)
        self.p = self.site.project()
        self.env = self.p.env

    def tell(self, what, n):
        if n % 10 == 9 and OBJECTS > 10:
            print("test_races: %d of %d" % (n + 1, OBJECTS), flush=True)

    def turn(self, path, action, winners):
        results = self.crew.race(lambda i: self.env.action(path, action))
        self.assertEqual(sorted(getattr(r, "status", 0) for r in results), [202] * winners
                         + [422] * (CLIENTS - winners), repr(results)[:2000])
        for r in results:
            if r.status == 422:
                self.err(r, 422, "ActionNotAvailable", "action")

    def consistent(self, family):
        """Every row's steps in the audit log lead, one after the other, from nothing to the state
        that the row is in."""
        prefix = {"credential": "1c", "storage_pool": "1sp"}[family]
        states = {prefix + str(number): state for number,
                  state in self.site.sql("SELECT id, state FROM " + family)}
        reached = {}
        for number, steps in self.site.steps().items():
            if number not in states:
                continue
            for _, before, _, after in steps:
                # a chain is logged with the state between
                if number in reached and before != "registering":
                    self.assertEqual(before, reached[number], number)
                reached[number] = after
        self.assertEqual(reached, {number: state for number, state in states.items()
                                   if number in reached})

    def test_sixteen_race_every_action_on_one_credential(self):
        registry = self.p.registry()
        for n in range(OBJECTS):
            made = self.p.credential(registry)["id"]
            for action, winners in LIFE:
                self.turn("registrycredentials/" + made, action, winners)
            logged = collections.Counter(step[0] for step in self.site.steps(made))
            wins = {"create": 1, "activate": 1}          # its own
            for action, winners in LIFE:
                wins[action] = wins.get(action, 0) + winners
            self.assertEqual(dict(logged), wins)
            self.tell("credentials", n)
        self.consistent("credential")

    def test_sixteen_race_a_delete(self):
        """One does it, those who come later find it done, those who were beaten are told."""
        registry, seen = self.p.registry(), set()
        for _ in range(OBJECTS):
            path = "registrycredentials/" + self.p.credential(registry)["id"]
            self.status(self.env.action(path, "deactivate"), 202)
            results = self.crew.race(lambda i, path=path: self.env.delete(path))
            for r in results:
                self.status(r, 200, 409)
                seen.add(r.status)
            self.assertEqual(self.ok(self.env.get(path))["state"], "removed")
        self.assertEqual(seen, {200, 409})

    def test_a_transition_that_happened_twice_would_be_noticed(self):
        made = self.p.credential(self.p.registry())["id"]
        self.status(self.env.action("registrycredentials/" + made, "deactivate"), 202)
        self.consistent("credential")
        columns = [c for c in self.site.columns("audit_log") if c != "id"]
        self.site.sql("INSERT INTO audit_log (id, %s) SELECT 1000000, %s FROM audit_log WHERE "
                      "resource_id = ? AND event_type = 'deactivate'"
                      % (", ".join(columns), ", ".join(columns)), (made,), write=True)
        with self.assertRaises(AssertionError):
            self.consistent("credential")
        self.site.sql("DELETE FROM audit_log WHERE id = 1000000", write=True)

    def one_live(self, name, won):
        live = self.site.sql("SELECT id FROM storage_pool WHERE lower(server_address) = ? AND "
                             "removed IS NULL", (name.lower(),))
        self.assertEqual(live, [(int(won[3:]),)])

    def test_a_second_live_row_would_be_noticed(self):
        """Its address is unlike what the index compares, as it would be if that compared with
        case."""
        name = "twice.p%s.example.test" % self.p.id
        one, other = (self.ok(self.env.post("registries", {"serverAddress": a}), 201)["id"]
                      for a in (name, "other." + name))
        self.one_live(name, one)
        indexes = self.site.sql("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND "
                                "tbl_name = 'storage_pool' AND sql LIKE '%server_address%'")
        try:
            for index, _ in indexes:
                self.site.sql("DROP INDEX " + index, write=True)
            self.site.sql("UPDATE storage_pool SET server_address = ? WHERE id = ?",
                          (name.upper(), int(other[3:])), write=True)
            with self.assertRaises(AssertionError):
                self.one_live(name, one)
        finally:
            self.site.sql("DELETE FROM storage_pool WHERE id = ?", (int(other[3:]),), write=True)
            for _, text in indexes:
                self.site.sql(text, write=True)

    def test_sixteen_race_one_address_in_mixed_case(self):
        for n in range(OBJECTS):
            name = "race%d.p%s.example.test" % (n, self.p.id)
            mixed = ["".join(c.upper() if (i + 1) >> k % 4 & 1 else c for k, c in enumerate(name))
                     for i in range(CLIENTS)]
            for _ in range(TURNS):
                results = self.crew.race(lambda i,
                                         mixed=mixed: self.env.post("registries",
                                                                    {"serverAddress": mixed[i]}))
                self.assertEqual(sorted(getattr(r, "status", 0) for r in results),
                                 [201] + [400] * (CLIENTS - 1), repr(results)[:2000])
                for r in results:
                    if r.status == 400:
                        self.err(r, 400, "ServerAddressUsed")
                won = next(r.json["id"] for r in results if r.status == 201)
                self.one_live(name, won)
                self.status(self.env.action("registries/" + won, "deactivate"), 202)
                self.status(self.env.delete("registries/" + won), 200)
            self.tell("addresses", n)
        self.consistent("storage_pool")
