"""What starts the pool: systemd's units and its way to hand a socket over, spawn-fcgi, supervisord;
each as it is shipped, but for paths and users."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import harness
import test_cgi
import test_pool

SLACK = 30                                               # seconds that a slow machine may take

# As systemd does: becomes a user, forbids all system calls but those named behind it, and becomes
# the program behind "--".
FILTER = """
import ctypes, os, sys
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
lib, end = ctypes.CDLL("libseccomp.so.2"), sys.argv.index("--")
lib.seccomp_init.restype = ctypes.c_void_p
filter = ctypes.c_void_p(lib.seccomp_init(0x50000 | 38))  # SCMP_ACT_ERRNO(ENOSYS)
for name in sys.argv[1:end]:
    number = lib.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        assert lib.seccomp_rule_add(filter, ctypes.c_uint32(0x7fff0000), number, 0) == 0
assert lib.seccomp_load(filter) == 0
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""


def tool(name, package):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise unittest.SkipTest("%s is missing: package %s" % (name, package))
    return path


def shipped(*path):
    with open(os.path.join(harness.SRC, *path), encoding="utf-8") as f:
        return f.read()


def unit_values(text, name):
    return [line.split("=", 1)[1] for line in text.splitlines() if line.startswith(name + "=")]


class SupervisorCase(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="rc-")
        self.addCleanup(shutil.rmtree, self.root)
        self.state, self.log, self.socket = (os.path.join(self.root, n)
                                             for n in ("state", "log", "s"))
        test_cgi.regcred("init", "--state-dir", self.state)
        self.words = [harness.program("regcredd"), "--state-dir", self.state, "--workers", "1",
                      "--threads", "2"]

    def start(self, *words, **environment):
        with open(self.log, "ab") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       cwd=self.root, preexec_fn=harness.end_with_parent,
                                       env=dict(test_cgi.plain_environment(), **environment))
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        """However the test ended: nobody is left."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(SLACK)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def stopped(self, process, status=0):
        process.terminate()
        self.assertEqual(process.wait(SLACK), status, self.text())
        self.assertNotRegex(self.text(), r"Sanitizer|runtime error:| error ")

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def until(self, true):
        self.assertTrue(harness.wait_until(true, SLACK), self.text())

    def until_ready(self):
        self.until(lambda: " ready: " in self.text())

    def master(self):
        """The process id that the state directory's lock shows."""
        try:
            with open(os.path.join(self.state, "regcredd.lock"), encoding="ascii") as f:
                return int((f.read().split() or ["0"])[0])
        except OSError:
            return 0

    def answers(self):
        self.assertEqual(test_pool.ask(self.socket).status, 401)
        self.assertFalse(os.path.exists(os.path.join(self.state, "regcredd.sock")),
                         "a socket of its own was made too")


class Systemd(SupervisorCase):
    def units(self):
        """The units in a directory, with this machine's program and users."""
        for name in ("regcredd.service", "regcredd.socket"):
            text = shipped("systemd", name + (".in" if name.endswith("service") else ""))
            text = text.replace("@sbindir@/regcredd", harness.program("regcredd"))
            text = re.sub(r"(?m)^((?:User|Group|SocketUser|SocketGroup)=).*", r"\1root", text)
            self.assertNotIn("@", re.sub(r"@[a-z-]+[ \n]", "", text))
            with open(os.path.join(self.root, name), "w", encoding="utf-8") as f:
                f.write(text)
        return [os.path.join(self.root, n) for n in ("regcredd.service", "regcredd.socket")]

    def analyze(self, *words):
        return subprocess.run([tool("systemd-analyze", "systemd"), *words], capture_output=True,
                              text=True, timeout=SLACK, check=False)

    def test_systemd_finds_nothing_wrong_in_the_units(self):
        done = self.analyze("verify", "--man=no", *self.units())
        if "Failed to initialize manager" in done.stderr or "Failed to setup" in done.stderr:
            self.skipTest("systemd-analyze verify does not run here: " + done.stderr.strip())
        self.assertEqual((done.returncode, [line for line in done.stderr.splitlines()
                                            if "regcredd" in line]), (0, []), done.stderr)

    def test_the_service_is_closed_off(self):
        """The scale goes to 10, and 9.6 is what a service without any of it has; network access,
        which checking logins needs, costs 1."""
        done = self.analyze("security", "--offline=true", "--threshold=20", self.units()[0])
        score = re.search(r"Overall exposure level for regcredd.service: ([0-9.]+)", done.stdout)
        self.assertIsNotNone(score, done.stdout + done.stderr)
        print("systemd-analyze security: " + score.group(1), flush=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def allowed_calls(self):
        """What SystemCallFilter leaves, by systemd's own lists."""
        text, allowed = shipped("systemd", "regcredd.service.in"), set()

        def calls(name):
            if not name.startswith("@"):
                return {name}
            done = self.analyze("syscall-filter", name)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = [line.strip() for line in done.stdout.splitlines()[1:]]
            return set().union(*(calls(row) for row in rows if row and not row.startswith("#")))
        for value in unit_values(text, "SystemCallFilter"):
            found = set().union(*(calls(name) for name in value.lstrip("~").split()))
            allowed = allowed - found if value.startswith("~") else allowed | found
        return sorted(allowed)

    def test_the_pool_serves_reloads_and_shuts_itself_in_under_the_service_s_filter(self):
        self.words[0] = shutil.copy(self.words[0], self.root)  # where that user may be
        if os.geteuid() == 0:
            for path in [self.root] + [os.path.join(at, name) for at, some,
                                       others in os.walk(self.root) for name in some + others]:
                os.chown(path, 65534, 65534)
        process = self.start(sys.executable, "-c", FILTER, *self.allowed_calls(), "--", *self.words,
                             "--socket", self.socket,
                             # the leak checker traces, which the filter forbids
                             ASAN_OPTIONS="detect_leaks=0")
        self.until_ready()
        if "built with a sanitizer" not in self.text():
            kernel = test_cgi.plain_environment()
            plain = os.path.join(self.root, "plain")
            test_cgi.regcred("init", "--state-dir", plain)
            with subprocess.Popen([harness.program("regcredd"), "--state-dir", plain, "--workers",
                                   "1"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True, env=kernel,
                                  preexec_fn=harness.end_with_parent) as other:
                free = next(line for line in other.stderr if " sandbox: " in line)
                other.terminate()
                other.stderr.read()
            # The same as without the filter: nothing that the workers give up is out of their
            # reach.
            self.assertEqual(re.search(r" sandbox: (.*)", self.text()).group(1),
                             re.search(r" sandbox: (.*)", free).group(1))
        self.answers()
        process.send_signal(signal.SIGHUP)
        self.until(lambda: self.text().count(" ready: ") == 2)
        self.answers()
        self.stopped(process)

    def test_a_socket_handed_over_by_systemd_s_own_program_is_served(self):
        process = self.start(tool("systemd-socket-activate", "systemd"), "-l", self.socket,
                             *self.words)
        self.until(lambda: os.path.exists(self.socket))
        self.answers()                                   # the first connection starts it
        self.until_ready()
        self.stopped(process)
        self.assertTrue(os.path.exists(self.socket), "it belongs to systemd")

    def notified(self, address):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address.replace("@", "\0", 1))
            manager.settimeout(SLACK)
            process = self.start(*self.words, "--socket", self.socket, NOTIFY_SOCKET=address)
            self.assertEqual(manager.recv(4096), b"READY=1")
            self.answers()
            process.send_signal(signal.SIGHUP)
            self.assertEqual(manager.recv(4096), b"READY=1")
            self.until(lambda: self.text().count(" ready: ") == 2)
            process.terminate()
            self.assertEqual(manager.recv(4096), b"STOPPING=1")
            self.stopped(process)

    def test_systemd_is_told_of_begin_and_end(self):
        self.notified(os.path.join(self.root, "notify"))

    def test_systemd_is_told_at_an_abstract_address(self):
        self.notified("@rc-notify-%d" % os.getpid())

    def test_an_address_that_nobody_listens_at_does_no_harm(self):
        for address, told in ((os.path.join(self.root, "nobody"), True), ("relative", False),
                              ("", False), ("/" + "x" * 200, False)):
            with self.subTest(address):
                before = len(self.text()) if os.path.exists(self.log) else 0
                process = self.start(*self.words, "--socket", self.socket, NOTIFY_SOCKET=address)
                self.until(lambda: " ready: " in self.text()[before:])
                self.answers()
                self.stopped(process)
                self.assertEqual("cannot tell systemd" in self.text()[before:], told)


class Others(SupervisorCase):
    def test_spawn_fcgi_starts_the_pool(self):
        tool("spawn-fcgi", "spawn-fcgi")
        text = shipped("hosting", "spawn-fcgi.sh").replace("/run/regcred/regcredd.sock",
                                                           self.socket).replace("/run/regcred",
                                                                                self.root)
        text = text.replace("/usr/local/sbin/regcredd", " ".join(self.words)).replace(
            "-m 0755", "-m 0700")
        text = re.sub(r" -U .*? --", " --", text)
        self.assertNotRegex(re.sub(r"(?m)^#.*", "", text), r"regcred -|www-data|/usr/local")
        process = self.start("sh", "-c", text)
        self.until_ready()
        self.answers()
        self.stopped(process)
        self.assertTrue(os.path.exists(self.socket), "it belongs to whoever made it")

    def test_supervisord_starts_the_pool_and_restarts_it(self):
        supervisord = tool("supervisord", "supervisor")
        text = shipped("hosting", "supervisor.conf").replace("/run/regcred/regcredd.sock",
                                                             self.socket)
        text = text.replace("/usr/local/sbin/regcredd", " ".join(self.words)).replace(
            "/var/log/supervisor/regcred.log", self.log)
        text = re.sub(r"(?m)^(user|socket_owner)=.*\n", "", text)
        self.assertNotRegex(re.sub(r"(?m)^;.*", "", text), r"/var/|/run/|www-data|/usr/local")
        conf = os.path.join(self.root, "supervisord.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("[supervisord]\nnodaemon=true\nlogfile=%s/supervisord.log\npidfile=%s/supervisord.pid\nchildlogdir=%s\n%s\n%s" % (
                self.root, self.root, self.root, "user=root" if os.geteuid() == 0 else "", text))
        supervisor = self.start(supervisord, "-n", "-c", conf)
        self.until_ready()
        self.answers()
        first = self.master()
        os.kill(first, signal.SIGKILL)
        self.until(lambda: self.text().count(" ready: ") == 2 and self.master() not in (0, first))
        self.answers()
        second = self.master()
        supervisor.terminate()
        self.assertEqual(supervisor.wait(SLACK), 0)
        self.assertFalse(harness.alive(second), "it outlived supervisord")
        self.assertNotRegex(self.text(), r"Sanitizer|runtime error:")
