"""A refresher that is killed between any two steps of a renewal, for a source of each class: in the
end the login works at its source, or says in a sentence what a person must do."""

import fcntl
import os
import signal
import threading
import time
import unittest

import harness
import sources

TAKES_S = 40

OPTIONS = ("--verify-networks", "127.0.0.0/8", "--refresh-timeout-s", "20",
           "--verify-timeout-s", "1")
site = standin = None


class Gated(sources.Sources):
    """The stand-ins, whose next call that changes something stops where it is told to."""

    def __init__(self):
        self.stop_at, self.changes = None, ()
        self.reached, self.go_on = threading.Event(), threading.Event()
        super().__init__()

    def gate(self, step, request):
        if self.stop_at == step and (request.method, ) in self.changes:
            self.stop_at = None
            self.reached.set()
            self.go_on.wait(60)

    def answer(self, request):
        self.gate("asked", request)
        answer = super().answer(request)
        self.gate("applied", request)
        return answer

    def stop_next(self, step, *methods):
        self.changes = [(method, ) for method in methods]
        self.reached.clear()
        self.go_on.clear()
        self.stop_at = step


# By source: what the login is made of, the request that changes something, and whether a secret
# works there.
ECR_KEY = "AKIASTANDIN0STANDIN0"
CLASSES = {
    "ecr": (lambda n: ({"accessKeyId": ECR_KEY, "endpoint": standin.url("ecr")},
                       sources.KEYS[ECR_KEY][0]),
            "POST", lambda user, secret: secret in standin["ecr"].tokens),
    "harbor": (lambda n: ({"endpoint": standin.url("harbor"), "robot": "%d" % n,
                           "user": standin["harbor"].user}, standin["harbor"].password),
               "PATCH", lambda user, secret: standin["harbor"].logins().get(user) == secret),
    "quay": (lambda n: ({"endpoint": standin.url("quay"), "organization": "acme",
                         "robot": "robot%d" % n}, standin["quay"].token),
             "POST", lambda user, secret: standin["quay"].logins().get(user) == secret),
    "gitlab": (lambda n: ({"endpoint": standin.url("gitlab"), "project": "team%d" % n,
                           "kind": "deployToken", "lifetimeDays": 30}, standin["gitlab"].token),
               "POST", lambda user, secret: standin["gitlab"].logins().get(user) == secret),
}
# What the refresher has done when it dies: has sent the request, which the source has not read;
# has had it carried out, without an answer; has the answer, and waits for the writers' lock; has
# stored the secret.
STEPS = ("asked", "applied", "answered", "stored")


def setUpModule():
    global site, standin
    standin = Gated()
    unittest.addModuleCleanup(standin.stop)
    site = harness.Site(workers=1, threads=4, options=OPTIONS)
    site.start()
    unittest.addModuleCleanup(site.stop)
    site.reader = site.account("superadmin")[1]
    site.deaths_allowed = True


def refresher():
    """Its process id."""
    for pid in site.children():
        try:
            for task in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/comm" % (pid, task), encoding="ascii") as f:
                    if f.read() == "renew\n":
                        return pid
        except OSError:
            pass
    return None


class Crash(harness.Case):
    site = property(lambda self: site)
    serial = 0

    def setUp(self):
        super().setUp()
        self.p = site.project()

    def tearDown(self):
        harness.wait_until(lambda: refresher() is not None)
        harness.wait_until(lambda: len(site.children()) == site.workers + harness.OTHERS)
        site.remember_children()
        super().tearDown()

    def login(self, source):
        Crash.serial += 1
        config, secret = CLASSES[source][0](Crash.serial)
        address = "%s.dkr.ecr.%s.amazonaws.com" % (sources.ACCOUNT, sources.REGION) \
            if source == "ecr" else "r%d.example.test" % Crash.serial
        registry = self.p.registry(serverAddress=address)
        return self.p.credential(registry, secretValue=None, publicValue=None, source=source,
                                 sourceConfig=config, sourceSecret=secret)["id"]

    def row(self, login):
        return self.ok(site.reader.get("/v1/projects/%s/registrycredentials/%s"
                                       % (self.p.id, login)))

    def due(self, login):
        site.sql("UPDATE credential SET refresh_due = 1000 WHERE id = ?", (int(login[2:]),),
                 write=True)

    def wait(self, login, version):
        self.assertTrue(harness.wait_until(
            lambda: self.row(login)["secretVersion"] == version
            and self.row(login)["refreshResult"] == "refreshed", 40), self.row(login))
        return self.row(login)

    def kill(self):
        pid = refresher()
        self.assertIsNotNone(pid)
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(harness.wait_until(lambda: not harness.alive(pid)))

    def die_at(self, login, step, method):
        """The next renewal of the login gets that far."""
        lock = None
        standin.stop_next({"answered": "applied", "stored": None}.get(step, step), method)
        self.due(login)
        if step == "stored":
            self.wait(login, 2)
        else:
            self.assertTrue(standin.reached.wait(20))
        if step == "answered":
            lock = os.open(site.db + ".lock", os.O_RDWR | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            standin.go_on.set()
            time.sleep(0.5)                              # it has the answer, and waits
        self.kill()
        if lock is not None:
            os.close(lock)
        standin.go_on.set()

    def check(self, source, step):
        _, method, works = CLASSES[source]
        login = self.login(source)
        self.wait(login, 1)
        self.die_at(login, step, method)
        if step == "asked":
            time.sleep(0.3)                              # a request that was sent is carried out
        if step != "stored":
            self.due(login)                              # the lease has ended
        row = self.wait(login, 2)
        self.assertTrue(works(row["publicValue"], row["secretValue"]), row)
        self.assertEqual((row["state"], row["transitioning"]), ("active", "no"))
        states = [v["state"] for v in self.ok(self.p.env.get(
            "registrycredentials/%s/secretversions" % login))["data"]]
        self.assertNotIn("pending", states)
        if source == "gitlab":                           # the present one and the former one
            owner = "projects/team%d" % Crash.serial
            alive = [token for token in standin["gitlab"].tokens
                     if token["owner"] == owner and not token["revoked"]]
            self.assertLessEqual(len(alive), 2)
            self.assertEqual((standin["gitlab"].rotated, standin["gitlab"].used_dead), (0, 0))


def add(source, step):
    setattr(Crash, "test_%s_%s" % (source, step), lambda self: self.check(source, step))


for one in CLASSES:
    for when in STEPS:
        add(one, when)
