"""regcred status, for people and as JSON, with and without a pool; and the lease of the
housekeeper."""

import json
import os
import shutil
import signal
import time
import unittest

import harness

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=4)


def status(*words, state=None):
    """(exit status, report) of regcred status --json."""
    done = site.cli("status", "--json", "--state-dir", state or site.state, *words, check=False)
    return done.returncode, json.loads(done.stdout)


class Status(harness.Case):
    def test_a_pool_at_work(self):
        p = self.site.project()
        for _ in range(3):
            p.credential(p.registry())
        code, report = status()
        self.assertEqual((code, report["problem"]), (0, None))
        pool = report["pool"]
        self.assertEqual(pool["master"], self.site.pool.pid)
        jobs = sorted(process["job"] for process in pool["processes"])
        self.assertEqual(jobs, ["housekeeper", "refresher", "worker", "worker"])
        for process in pool["processes"]:
            self.assertEqual(process["state"], "ready", (process, site.tail()))
            os.kill(process["pid"], 0)
        self.assertGreaterEqual(sum(process["requests"] for process in pool["processes"]), 6)
        counted = {(row["type"], row["state"]): row["count"] for row in report["rows"]}
        stored = self.site.sql("SELECT count(*) FROM credential WHERE kind = 'registryCredential' "
                               "AND state = 'active'")[0][0]
        self.assertEqual(counted["registryCredential", "active"], stored)
        self.assertEqual(report["database"]["path"], self.site.db)
        self.assertEqual(report["database"]["bytes"], os.path.getsize(self.site.db))
        self.assertGreater(report["database"]["freeBytes"], 0)
        sealed = self.site.sql("SELECT count(*) FROM credential WHERE kind = 'registryCredential' "
                               "AND secret_value IS NOT NULL")[0][0]
        self.assertEqual(report["keys"], [{"id": 1, "primary": True, "sealed": sealed}])

    def test_for_people_it_is_the_same_in_lines(self):
        done = self.site.cli("status", "--state-dir", self.site.state, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertIn("pool:", lines)
        self.assertIn("  master: %d" % self.site.pool.pid, lines)
        self.assertIn("problem: -", lines)
        self.assertEqual(sum("job worker" in line for line in lines), 2)

    def test_the_housekeeper_shows_its_pass(self):
        self.assertTrue(
            harness.wait_until(lambda: (status()[1]["housekeeping"] or {}).get("ended")))
        keeping = status()[1]["housekeeping"]
        self.assertGreaterEqual(keeping["rows"], 0)

    def test_what_is_due_is_counted(self):
        p = self.site.project()
        credential = p.credential(p.registry())
        for action in ("deactivate", "remove"):
            self.assertEqual(p.env.post("registrycredentials/%s?action=%s"
                                        % (credential["id"], action), {}).status, 202)
        before = status()[1]["due"]
        self.site.sql("UPDATE credential SET remove_time = 1 WHERE id = ?",
                      (int(credential["id"][2:]),), write=True)
        self.assertEqual(status()[1]["due"], before + 1)

    def test_without_a_pool_the_rest_is_said(self):
        state = os.path.join(self.site.root, "alone")
        self.site.cli("init", "--state-dir", state)
        code, report = status(state=state)
        self.assertEqual((code, report["pool"], report["problem"]), (3, None, None))
        self.assertEqual(report["keys"][0]["primary"], True)

    def test_a_board_that_a_killed_pool_left_behind_is_no_pool(self):
        state = os.path.join(self.site.root, "left")
        self.site.cli("init", "--state-dir", state)
        shutil.copy(os.path.join(self.site.state, "regcredd.board"),
                    os.path.join(state, "regcredd.board"))
        with open(os.path.join(state, "regcredd.board"), "r+b") as board:
            board.truncate(100)
        self.assertEqual(status(state=state)[0], 3)

    def test_a_database_that_cannot_be_opened_is_the_problem(self):
        state = os.path.join(self.site.root, "broken")
        self.site.cli("init", "--state-dir", state)
        with open(os.path.join(state, "regcred.db"), "r+b") as database:
            database.write(b"\0" * 100)
        code, report = status(state=state)
        self.assertEqual(code, 1)
        self.assertTrue(report["problem"])

    def test_a_death_is_shown(self):
        self.site.deaths_allowed = True
        workers = [p["pid"] for p in status()[1]["pool"]["processes"] if p["job"] == "worker"]
        os.kill(workers[0], signal.SIGKILL)
        self.assertTrue(harness.wait_until(lambda: status()[1]["pool"]["lastDeath"]))
        pool = status()[1]["pool"]
        self.assertEqual((pool["lastDeath"]["pid"], pool["lastDeath"]["why"],
                          pool["lastDeath"]["number"]), (workers[0], "signal", 9))
        self.assertEqual(pool["deaths"], 1)
        self.assertTrue(harness.wait_until(
            lambda: all(p["state"] == "ready" for p in status()[1]["pool"]["processes"]),
            harness.START_TIMEOUT))
        self.site.remember_children()


if __name__ == "__main__":
    unittest.main()
