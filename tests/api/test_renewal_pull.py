"""skopeo pulls from Debian's docker-registry, whose passwords the stand-in of a source rotates:
through the helper, with a file, and through nginx, which adds the login.  Ten rotations for a
source of each class in `make check-long` (REGCRED_LONG), four in `make check`; no pull fails."""

import json
import os
import subprocess
import threading
import unittest

import harness
import sources
import test_inject

ROTATIONS = 10 if os.environ.get("REGCRED_LONG") else 4
site = standin = None


class Rotating(sources.Sources):
    """The stand-ins, which tell the registry who is let in before they answer."""

    tell = staticmethod(lambda: None)

    def answer(self, request):
        answer = super().answer(request)
        self.tell()
        return answer


def setUpModule():
    global site, standin
    standin = Rotating()
    unittest.addModuleCleanup(standin.stop)
    site = harness.Site(workers=1, threads=32, options=(
        "--verify-networks", "127.0.0.0/8", "--verify-timeout-s", "5", "--sweep-every-s", "1"))
    site.start()
    unittest.addModuleCleanup(site.stop)
    test_inject.site = test_inject.test_nginx.site = site


class Pulls(test_inject.Registry):
    site = property(lambda self: site)

    def begin(self, source, config, secret, logins, **fields):
        """A registry with an image, which takes what logins() says; a login with that source."""
        self.known, self.logins = None, logins
        self.users(nobody="x")
        self.url = self.serve({"htpasswd": {"realm": "test", "path": self.directory + "/users"}})
        standin.tell = self.tell
        self.addCleanup(setattr, standin, "tell", lambda: None)
        registry = self.project.registry(serverAddress=self.url)
        self.login = self.project.credential(
            registry, secretValue=None, publicValue=None, source=source, sourceConfig=config,
            sourceSecret=secret, **fields)["id"]
        self.version = 1
        self.wait()
        self.host = self.url[len("http://"):]
        self.open_front("inject-basic", self.url, self.key())
        done = self.push("acme/app:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.reveal = self.key(role="reveal")
        self.write("key", "access_key = %s\nsecret_key = %s\n" % self.reveal.key)
        self.write("helper.json", json.dumps({"credHelpers": {self.host: "regcred"}}))

    def write(self, name, text):
        path = os.path.join(self.client, name)
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT, 0o600), "w",
                  encoding="ascii") as f:
            f.write(text)
        os.replace(path + ".new", path)

    def tell(self):
        now = dict(self.logins())
        if now and now != self.known:
            self.known = now
            self.users(**now)

    def wait(self):
        path = "registrycredentials/" + self.login
        self.assertTrue(harness.wait_until(
            lambda: self.env.get(path).json["secretVersion"] == self.version, 40),
            self.env.get(path).json)

    def rotate(self):
        site.sql("UPDATE credential SET refresh_due = 1000 WHERE id = ?", (int(self.login[2:]),),
                 write=True)
        self.version += 1
        self.wait()

    def direct(self, name, authfile, number):
        env = dict(os.environ, HOME=self.client, TMPDIR=self.client, REGCRED_URL=site.base,
                   PATH=harness.BUILD + ":" + os.environ["PATH"],
                   REGCRED_API_KEY_FILE=os.path.join(self.client, "key"))
        return subprocess.run(
            ["skopeo", "copy", "-q", "--insecure-policy", "--authfile",
             os.path.join(self.client, authfile), "--src-tls-verify=false",
             "docker://%s/%s" % (self.host, name),
             "dir:%s/%s%d" % (self.client, authfile, number)],
            env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            check=False)

    def by_helper(self, number):
        return self.direct("acme/app:1", "helper.json", number)

    def by_file(self, number):
        """A file that is fetched anew before each third pull."""
        if number % 3 == 0 or not os.path.exists(os.path.join(self.client, "file.json")):
            self.fetch()
        return self.direct("acme/app:1", "file.json", number)

    def by_inject(self, _number):
        return self.pull("acme/app:1")

    def fetch(self):
        answer = self.reveal.post("handouts", {"format": "docker", "serverAddress": self.url},
                                  check=False)
        self.ok(answer)
        self.write("file.json", answer.body.decode())

    WAYS = (by_helper, by_file, by_inject)

    def failed(self, results):
        return [done.stderr for done in results if done.returncode != 0]

    def pull_on(self, change=lambda: None):
        """All three pull without a pause while the source rotates, where the former secret goes on
        working for a while."""
        results, stop = {way: [] for way in self.WAYS}, threading.Event()

        def loop(way):
            while not stop.is_set():
                results[way].append(way(self, len(results[way])))
        threads = [threading.Thread(target=loop, args=(way,)) for way in self.WAYS]
        for thread in threads:
            thread.start()
        try:
            for _ in range(ROTATIONS):
                change()
                self.rotate()
                seen = {way: len(results[way]) for way in self.WAYS}
                self.assertTrue(harness.wait_until(
                    lambda: all(len(results[way]) > seen[way] for way in self.WAYS), 60),
                    "a loop stands still")
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
        for way in self.WAYS:
            self.assertGreaterEqual(len(results[way]), ROTATIONS)
            self.assertEqual(self.failed(results[way]), [], way.__name__)

    def pull_between(self):
        """Where the former secret dies at once, pulls that began before fail with any tool: those
        that begin after it do not."""
        for number in range(ROTATIONS):
            self.rotate()
            self.fetch()
            self.assertEqual(self.failed([way(self, number) for way in self.WAYS]), [])

    def test_additive(self):
        vault = standin["vault"]
        del vault.versions[1:]
        self.begin("vault", {"address": standin.url("vault"), "mount": "secret",
                             "path": "team/registry"}, vault.token,
                   lambda: {v["username"]: v["password"] for v in vault.versions})

        def change():
            number = len(vault.versions) + 1
            vault.write("version %d of Vault" % number, "pulls-%d" % number)
        self.pull_on(change)

    def test_second(self):
        self.begin("gitlab", {"endpoint": standin.url("gitlab"), "project": "pulls",
                              "kind": "deployToken", "lifetimeDays": 30},
                   standin["gitlab"].token, standin["gitlab"].logins, overlap=20)
        self.pull_on()
        self.assertEqual((standin["gitlab"].rotated, standin["gitlab"].used_dead), (0, 0))

    def test_chosen(self):
        self.begin("harbor", {"endpoint": standin.url("harbor"), "robot": "7001",
                              "user": standin["harbor"].user}, standin["harbor"].password,
                   standin["harbor"].logins)
        self.pull_between()

    def test_readable(self):
        self.begin("quay", {"endpoint": standin.url("quay"), "organization": "acme",
                            "robot": "puller"}, standin["quay"].token, standin["quay"].logins)
        self.pull_between()



def load_tests(loader, _tests, _pattern):
    """Only what is here: not the classes that this builds on."""
    return loader.loadTestsFromTestCase(Pulls)
