"""The command line of regcred: help, what is refused and how, tables and JSON, and what a failure
of the output leaves behind."""

import json
import os
import re
import subprocess
import tempfile
import shutil
import unittest

import harness

setUpModule, tearDownModule = harness.site_of(globals())


class Command(harness.Case):
    def setUp(self):
        super().setUp()
        self.home = tempfile.mkdtemp(prefix="rc-home-")
        self.addCleanup(shutil.rmtree, self.home)

    def run_command(self, *words, state=True, **more):
        env = {"PATH": os.environ["PATH"], "HOME": self.home,
               **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        if state:
            env["REGCRED_STATE_DIR"] = site.state
        return subprocess.run([harness.program("regcred"), *words], env=env, text=True, timeout=60,
                              **(more or {"capture_output": True}))

    def commands(self):
        out = self.run_command("--help", state=False).stdout
        found = re.findall(r"(?m)^  ([a-z-]+(?: [a-z]+)?)(?= |$)", out.split("settings:")[0])
        self.assertGreater(len(found), 20)
        return found

    def test_help_is_an_answer(self):
        for words in (["--help"], ["-h"], ["help"], ["version"], ["--version"], ["key", "--help"],
                      ["help", "audit"], ["audit", "-h"]):
            done = self.run_command(*words, state=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertRegex(done.stdout, r"\Aregcred %s\n\Z" % harness.VERSION if "version" in words[-1]
                             else r"\Ausage:")

    def test_each_command_has_help(self):
        for name in self.commands():
            for words in ([*name.split(), "--help"], [*name.split(), "-h"], ["help", *name.split()],
                          ["--help", *name.split()]):
                done = self.run_command(*words, state=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), words)
                usage = done.stdout.splitlines()[0]
                self.assertTrue(usage.startswith("usage: regcred " + name), usage)
                for option in re.findall(r"\[(--[a-z-]+)", usage):
                    self.assertRegex(done.stdout, r"(?m)^  %s .*[a-z]" % option)

    def test_what_is_wrong_is_named(self):
        for words, text in ((["list"], 'unknown command "list"'),
                            (["key", "frob"], 'unknown command "key frob"'), (["frob", "--help"], 'unknown command "frob"'), (["account"], "which command"), ([], "which command"), (["--bogus"], "which command is --bogus for?"),
                            (["status", "--nonsense"], "unknown option --nonsense"), (["--nonsense", "status"], "--nonsense"), (["status", "more"], "unexpected argument: more"),
                            (["key", "list", "--json=yes"], "takes no value: --json"), (["key", "create", "--account"], "option needs a value: --account"), (["logout", "--state-dir", "/x"], "--state-dir"),
                            (["list\x1b[2J\u202e"], 'unknown command "list?[2J?"')):
            done = self.run_command(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(text, done.stderr)
            self.assertLessEqual(len(done.stderr.splitlines()), 2, words)

    def test_values_are_listed_and_checked(self):
        self.assertIn("one of: inject readonly reveal",
                      self.run_command("key", "create", "--help").stdout)
        kinds = re.search(r"--kind .*one of: (.*)",
                          self.run_command("account", "add", "--help").stdout).group(1).split()
        for kind in kinds:
            self.assertEqual(self.run_command("account", "add", "--kind", kind).returncode, 0, kind)
        for kind in ("bogus", "Admin", "user ", ""):
            before = site.sql("SELECT count(*) FROM account")
            done = self.run_command("account", "add", "--kind", kind)
            self.assertEqual((done.returncode, site.sql("SELECT count(*) FROM account")),
                             (1, before), kind)
        self.assertEqual(self.run_command("key", "create", "--account", "1a1", "--role",
                                          "bogus").returncode, 1)
        keys = site.sql("SELECT count(*) FROM credential")
        for bound in ("--registry", "--path"):
            done = self.run_command("key", "create", "--account", "1a1", bound, "x")
            self.assertIn("--for", done.stderr)
            self.assertEqual((done.returncode, site.sql("SELECT count(*) FROM credential")), (1, keys))

    def test_groups_of_projects_that_there_are_not(self):
        path, gone = os.path.join(self.home, "regcred.conf"), site.project()
        self.status(site.admin.delete("/v1/projects/" + gone.id), 200)
        for group, warned in (("1a5", False), ("1a1", True), ("1a99999", True), (gone.id, True)):
            with open(path, "w", encoding="utf-8") as f:
                f.write("[groups]\nops = %s:owner\n" % group)
            done = self.run_command("check", "--config", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("ops gives a role in project %s, which does not exist"
                             % group in done.stdout + done.stderr, warned, group)

    def test_lists_have_titles_and_columns(self):
        name = "a name with ü and \x1b[31m"
        site.cli("key", "create", "--state-dir", site.state, "--account", "1a1", "--name", name)
        for words, titles in ((["key", "list"], ["ID", "ACCOUNT", "ACCESS KEY", "STATE", "CREATED",
                                                 "EXPIRES", "LAST USED", "FROM", "ROLE", "NAME"]),
                              (["account", "list"], ["ID", "KIND", "STATE", "CREATED", "NAME"]),
                              (["audit", "list"], ["ID", "TIME", "WHO", "FROM", "EVENT", "TYPE",
                                                   "RESOURCE", "CHANGES"])):
            lines = self.run_command(*words).stdout.splitlines()
            self.assertEqual(re.split(r"  +", lines[0]), titles)
            places = [lines[0].index(title) for title in titles]
            for line in lines[1:200]:
                self.assertNotIn("\x1b", line)
                for place in places[1:]:
                    self.assertEqual(line[place - 2:place], "  ", line)
            rows = [json.loads(line)
                    for line in self.run_command(*words, "--json").stdout.splitlines()]
            self.assertLessEqual(abs(len(rows) - len(lines) + 1), 0 if words[0] != "audit" else 2)
            self.assertTrue(all(row["id"] for row in rows))

    def test_a_key_that_nobody_saw_is_revoked(self):
        for out in ("/dev/full", None):
            before = {row[0] for row in site.sql("SELECT id FROM credential WHERE kind = 'apiKey' "
                                                 "AND state = 'active'")}
            if out:
                with open(out, "w", encoding="utf-8") as f:
                    done = self.run_command("key", "create", "--account", "1a1", stdout=f,
                                            stderr=subprocess.PIPE)
            else:
                done = self.run_command("key", "create", "--account", "1a1", stderr=subprocess.PIPE,
                                        preexec_fn=lambda: os.close(1))
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"could not be printed, so 1c\d+ has been revoked")
            self.assertEqual({row[0] for row in site.sql("SELECT id FROM credential WHERE kind = "
                                                         "'apiKey' AND state = 'active'")}, before)

    def test_a_log_that_verifies_is_not_given_up_by_mistake(self):
        head = self.run_command("audit", "head").stdout
        done = self.run_command("audit", "restart", "--reason", "a copied line")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--force", done.stderr)
        self.assertEqual(self.run_command("audit", "verify", "--anchor", head.strip()).returncode,
                         0)
        self.assertNotIn("given up", self.run_command("audit", "verify").stdout)
        self.assertEqual(self.run_command("audit", "restart", "--reason", "meant",
                                          "--force").returncode, 0)
        self.assertIn("meant", self.run_command("audit", "verify").stdout)


if __name__ == "__main__":
    unittest.main()
