"""Closed standard descriptors: whichever of 0 to 2 the caller has closed, no file of ours gets its
number, in none of the programs."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import harness

COMBINATIONS = [closed for n in range(4) for closed in itertools.combinations(range(3), n)]

PROGRAMS = ("regcred", "regcredd", "docker-credential-regcred", "regcred-kubelet-provider")
home = state = None


def setUpModule():
    global home, state
    home = tempfile.mkdtemp(prefix="rc-")
    state = os.path.join(home, "state")
    run("regcred", "init")


def tearDownModule():
    shutil.rmtree(home)


def environ(**more):
    return dict({k: v for k, v in os.environ.items() if k in ("PATH", "LD_LIBRARY_PATH")
                 or k.endswith("SAN_OPTIONS")}, HOME=home, REGCRED_STATE_DIR=state, **more)


def closing(closed):
    def child():
        for fd in closed:
            os.close(fd)
    return child


def run(program, *words, closed=(), stdin="", **more):
    return subprocess.run([harness.program(program), *words], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, env=environ(**more),
                          preexec_fn=closing(closed))


def contents():
    """What is in each file of the state directory but the database's own, which change by
    themselves."""
    found = {}
    for name in os.listdir(state):
        if not name.startswith("regcred.db") or name.endswith(".lock"):
            with open(os.path.join(state, name), "rb") as f:
                found[name] = f.read()
    return found


class Descriptors(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "needs root, to look at the descriptors of a process "
                                            "that forbids debuggers")
    def test_a_pool(self):
        for closed in COMBINATIONS:
            with self.subTest(closed=closed):
                log = os.path.join(home, "log")
                with open(log, "wb") as out:
                    master = subprocess.Popen([harness.program("regcredd"), "--workers", "2",
                                               "--threads", "2"], stdin=subprocess.DEVNULL,
                                               stdout=out, stderr=out,
                                              env=environ(), preexec_fn=closing(closed))
                try:
                    self.assertTrue(harness.wait_until(lambda: run("regcred", "status").returncode
                                                       == 0, 30), run("regcred", "status").stdout)
                    with open("/proc/%d/task/%d/children" % (master.pid, master.pid),
                              encoding="ascii") as f:
                        children = [int(word) for word in f.read().split()]
                    self.assertGreaterEqual(len(children), 3)          # workers and housekeeper
                    for pid in [master.pid, *children]:
                        for fd in range(3):
                            self.assertIn(os.readlink("/proc/%d/fd/%d" % (pid, fd)),
                                          ("/dev/null", log), (pid, fd))
                            if fd in closed:
                                self.assertEqual(os.readlink("/proc/%d/fd/%d" % (pid, fd)),
                                                 "/dev/null", (pid, fd))
                    with open(os.path.join(state, "regcredd.lock"), encoding="ascii") as f:
                        self.assertEqual(f.read().split()[0], str(master.pid))
                finally:
                    master.send_signal(signal.SIGTERM)
                    self.assertEqual(master.wait(60), 0)

    def test_output_on_a_full_disk_is_a_failure(self):
        for program, option in itertools.product(PROGRAMS, ("--help", "--version")):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([harness.program(program), option], stdout=full,
                                      stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 1, (program, option))
            self.assertIn("the output could not be written", done.stderr)

    def test_commands(self):
        for closed in COMBINATIONS:
            for program, words, status in (("regcred", ("account", "list"), 0),
                                           ("regcred", ("key", "create", "--account", "1a999"), 1), ("regcred", ("no-such-command",), 2),
                                           ("regcred", ("login", "http://127.0.0.1:9"), 1), ("regcred", ("import", "/nonexistent"), 1),
                                           ("docker-credential-regcred", ("version",), 0),
                                           ("docker-credential-regcred", ("get",), 1),
                                           ("regcredd", ("--no-such",), 2), *((program, (option,), 0) for program in PROGRAMS for option in ("--help", "--version"))):
                with self.subTest(closed=closed, program=program, words=words):
                    before = contents()
                    done = run(program, *words, closed=closed)
                    # What should have been printed and could not be is a failure.
                    self.assertEqual(done.returncode, 1 if status == 0 and 1 in closed else status,
                                     done.stdout + done.stderr)
                    self.assertEqual(contents(), before)

    def test_a_cgi(self):
        for closed in COMBINATIONS:
            with self.subTest(closed=closed):
                before = contents()
                done = run("regcredd", closed=closed, GATEWAY_INTERFACE="CGI/1.1",
                           REQUEST_METHOD="GET", REQUEST_URI="/ping", SCRIPT_NAME="",
                           PATH_INFO="/ping",
                           SERVER_PROTOCOL="HTTP/1.1", HTTP_HOST="cgi.example.test",
                           REMOTE_ADDR="127.0.0.1")
                if 1 not in closed:
                    self.assertIn("pong", done.stdout)
                self.assertEqual(contents(), before)


if __name__ == "__main__":
    unittest.main()
