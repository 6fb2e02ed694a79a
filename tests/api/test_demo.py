"""What ./quickstart shows: the main job in few lines, twice in a row, and the long walk."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness

set_up_site, tearDownModule = harness.site_of(globals())


def setUpModule():
    set_up_site()
    # not the site's, where the host's key would be found
    globals()["directory"] = tempfile.mkdtemp(prefix="rc-demo-")
    unittest.addModuleCleanup(shutil.rmtree, directory)


class Demo(harness.Case):
    def run_demo(self, *words):
        project = site.project()
        path = os.path.join(directory, "%s.env" % project.id)
        with open(path, "w", encoding="utf-8") as f:
            f.write("REGCRED_URL=%s\nREGCRED_PROJECT_ID=%s\nREGCRED_ACCESS_KEY=%s\nREGCRED_SECRET_KEY=%s\n"
                    "REGCRED_ADMIN_ACCESS_KEY=%s\nREGCRED_ADMIN_SECRET_KEY=%s\n"
                    % (site.base, project.id, *project.env.key, *site.admin.key))
        return lambda: subprocess.run([sys.executable,
                                       os.path.join(harness.SRC, "build-aux", "demo.py"), *words,
                                       path, harness.BUILD],
                                      capture_output=True, text=True, timeout=120, check=False)

    def test_the_main_job_is_shown_in_forty_lines_and_again(self):
        demo = self.run_demo()
        for _ in range(2):
            done = demo()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertLessEqual(len(done.stdout.splitlines()), 40)
            self.assertIn("1. Store a login", done.stdout)
            self.assertRegex(done.stdout, "pulled: .*manifest.json|docker-credential-regcred get")

    def test_the_long_walk_ends_with_a_purge(self):
        demo = self.run_demo("--full")
        for _ in range(2):
            done = demo()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertTrue(done.stdout.endswith("then purged\n"), done.stdout)


if __name__ == "__main__":
    unittest.main()
