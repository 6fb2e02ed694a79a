"""docker-credential-regcred: the protocol word by word, its key files, and servers that are down,
hang or lie."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import harness
from standin import Answer, Standin

setUpModule, tearDownModule = harness.site_of(globals())

HUB = "https://index.docker.io/v1/"
NOT_FOUND = "credentials not found in native keychain\n"
NO_SERVER = "no credentials server URL\n"
NO_USER = "no credentials username\n"


class Base(harness.Case):
    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.root = self.project.root
        # Outside of the site's directory: this is another machine, and holds what it was given.
        self.home = tempfile.mkdtemp(prefix="rc-home-")
        self.addCleanup(shutil.rmtree, self.home)
        self.registries = {}

    def login(self, address="ghcr.io", **fields):
        if address not in self.registries:
            self.registries[address] = self.project.registry(serverAddress=address)
        body = self.project.credential(self.registries[address], **fields)
        return body["id"], body["publicValue"], body["secretValue"]

    def key(self, **fields):
        return site.new_key(self.project.admin, **(fields or {"reveal": True}))

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def key_file(self, key, name="key", mode=0o600):
        return self.file(name, "access_key = %s\nsecret_key = %s\n" % key, mode)

    def environ(self, **values):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("REGCRED_", "XDG_"))
               and not k.lower().endswith("_proxy")}
        env.update({"HOME": self.home, "REGCRED_API_TIMEOUT": "60", "PATH": harness.BUILD + ":"
                    + env.get("PATH", "")})
        env.update({k: v for k, v in values.items() if v is not None})
        return env

    def run_helper(self, *words, stdin="", key=None, url=None, env=None):
        env = self.environ(REGCRED_URL=url or site.base,
                           REGCRED_API_KEY_FILE=self.key_file(key, "key-%d"
                                                              % threading.get_ident())) if env is None else env
        done = subprocess.run([harness.program("docker-credential-regcred"), *words], input=stdin,
                              env=env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return done

    def says(self, done, status, stdout):
        self.assertEqual((done.returncode, done.stdout), (status, stdout))

    def fails(self, done, *words):
        """One line on standard output that says these words, and no secret."""
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, r"\Aregcred: [^\n]+\n\Z")
        self.assertNotIn(harness.PLANT, done.stdout)
        for word in words:
            self.assertIn(word, done.stdout)
        return done

    def get(self, address, key, **options):
        done = self.run_helper("get", stdin=address, key=key, **options)
        self.assertEqual(done.returncode, 0, done.stdout)
        body = json.loads(done.stdout)
        self.assertEqual(sorted(body), ["Secret", "ServerURL", "Username"])
        self.assertEqual(body["ServerURL"], address.strip())
        return body["Username"], body["Secret"]

    def store(self, address, user, secret, key):
        return self.run_helper("store", stdin=json.dumps({"ServerURL": address, "Username": user,
                                                          "Secret": secret}), key=key)

    def rows(self, **filters):
        query = "&".join("%s=%s" % pair for pair in filters.items())
        return self.ok(self.project.env.get("registrycredentials?" + query))["data"]


class Protocol(Base):
    def test_get_by_each_spelling(self):
        key = self.key()
        logins = {"ghcr.io": self.login()[1:], "docker.io": self.login("docker.io")[1:],
                  "localhost:5000": self.login("localhost:5000")[1:],
                  "[2001:db8::1]:5000": self.login("[2001:DB8::1]:5000")[1:]}
        for address, stored in ((HUB, "docker.io"), (HUB + "\n", "docker.io"),
                                ("docker.io", "docker.io"), ("index.docker.io", "docker.io"),
                                ("registry-1.docker.io", "docker.io"), ("https://docker.io", "docker.io"), ("https://index.docker.io/v2/", "docker.io"),
                                ("ghcr.io", "ghcr.io"), ("https://ghcr.io", "ghcr.io"), ("https://ghcr.io/", "ghcr.io"), ("https://ghcr.io/v2/", "ghcr.io"),
                                ("GHCR.io", "ghcr.io"), (" ghcr.io \r\n", "ghcr.io"), ("ghcr.io:443", "ghcr.io"), ("localhost:5000", "localhost:5000"),
                                ("http://localhost:5000", "localhost:5000"),
                                ("[2001:db8::1]:5000", "[2001:db8::1]:5000")):
            self.assertEqual(self.get(address, key), logins[stored], address)

    def test_words_and_refusals(self):
        key = self.key()
        user, secret = self.login()[1:]
        empty = {"ServerURL": "", "Username": "u", "Secret": "s"}
        # Word, standard input, status, standard output
        for word, stdin, status, stdout in (
                ("get", "ghcr.io\n", 0, '{"ServerURL":"ghcr.io","Username":"%s","Secret":"%s"}\n' % (user, secret)),
                ("get", "", 1, NO_SERVER), ("get", " \n\t", 1, NO_SERVER), ("erase", "", 1, NO_SERVER), ("erase", "\n", 1, NO_SERVER),
                ("get", "other.example", 1, NOT_FOUND), ("get", "ghcr.io:5000", 1, NOT_FOUND), ("erase", "other.example", 1, NOT_FOUND),
                ("get", "ghcr.io.example", 1, NOT_FOUND), ("get", "hcr.io", 1, NOT_FOUND),
                ("get", HUB + "access-token", 1, NOT_FOUND), ("get", HUB + "refresh-token", 1, NOT_FOUND), ("erase", HUB + "access-token", 1, NOT_FOUND),
                ("get", "no address", 1, NOT_FOUND), ("get", "ftp://ghcr.io", 1, NOT_FOUND), ("get", "https://u:p@ghcr.io", 1, NOT_FOUND),
                ("store", json.dumps(empty), 1, NO_SERVER), ("store", "{}", 1, NO_SERVER), ("store", "", 1, NO_SERVER), ("store", "[]", 1, NO_SERVER),
                ("store", json.dumps(dict(empty, ServerURL="x.example", Username="")), 1, NO_USER),
                ("store", json.dumps({"ServerURL": "x.example", "Secret": "s"}), 1, NO_USER),
                ("list", "", 0, '{"ghcr.io":"%s"}\n' % user)):
            with self.subTest(word=word, stdin=stdin):
                self.says(self.run_helper(word, stdin=stdin, key=key), status, stdout)
        for stdin in ("{", "nonsense", '{"ServerURL":1', '{"ServerURL":"a","ServerURL":"b"}',
                      "x" * 70000, "a\0b",
                      json.dumps({"ServerURL": "two words", "Username": "u", "Secret": "s"}),
                      json.dumps({"ServerURL": HUB + "access-token", "Username": "u",
                                  "Secret": "s"})):
            self.fails(self.run_helper("store", stdin=stdin, key=key))

    def test_needs_no_server(self):
        env = self.environ()
        for words, status in ((["version"], 0), (["--version"], 0), (["--help"], 0), ([], 1),
                              (["steal"], 1), (["get", "get"], 1)):
            done = self.run_helper(*words, env=env)
            self.assertEqual(done.returncode, status, words)
            self.assertRegex(done.stdout, r"\Adocker-credential-regcred \(regcred\) %s\n\Z" % harness.VERSION
                             if "version" in " ".join(words) else "usage: ")
        self.fails(self.run_helper("list", env=env), "regcred login", "REGCRED_URL")

    def test_odd_logins(self):
        key = self.key()
        for i, (user, tail) in enumerate((("<token>", ""), ("a:b", ""),
                                          ("_json_key é", '{"x": "\\n"}\n'),
                                          ("u", ' "\\\'\t</script>\x7f🐳'))):
            secret = site.plant(tail)
            self.login("odd%d.example" % i, publicValue=user, secretValue=secret)
            self.assertEqual(self.get("odd%d.example" % i, key), (user, secret))
        self.assertEqual(json.loads(self.run_helper("list", key=key).stdout),
                         {"odd%d.example" % i: user for i,
                          user in enumerate(("<token>", "a:b", "_json_key é", "u"))})

    def test_list(self):
        key = self.key(role="reveal")
        self.says(self.run_helper("list", key=key), 0, "{}\n")
        users = {address: self.login(stored)[1] for address,
                 stored in ((HUB, "docker.io"), ("ghcr.io", "ghcr.io"),
                            ("localhost:5000", "http://localhost:5000"))}
        self.login("docker.io", pathPrefix="acme")
        self.login("token.example", publicValue="<token>")
        done = self.run_helper("list", key=key)
        self.assertEqual((done.returncode, json.loads(done.stdout)),
                         (0, dict(users, **{"token.example": "<token>"})))

    def test_many(self):
        registries = 120
        key = self.key()
        for i in range(registries):
            self.login("h%d.example" % i)
        done = self.run_helper("list", key=key)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(len(json.loads(done.stdout)), registries)
        self.says(self.store("https://H%d.example/" % (registries - 1), "another", site.plant(),
                             key), 0, "")
        self.assertEqual(
            len(self.rows(registryId=self.registries["h%d.example" % (registries - 1)]["id"])), 2)


class Store(Base):
    def test_store_get_erase(self):
        key = self.key()
        first, second = site.plant(), site.plant()
        for address, other in ((HUB, "docker.io"),
                               ("registry.example:5000", "https://Registry.example:5000/"),
                               ("ghcr.io", "https://ghcr.io/v2/")):
            self.says(self.store(address, "me", first, key), 0, "")
            self.assertEqual(self.get(other, key), ("me", first))
            # the same login by another spelling
            self.says(self.store(other, "me", second, key), 0, "")
            self.assertEqual(self.get(address, key), ("me", second))
            rows = self.rows(publicValue="me")
            self.assertEqual([(row["state"], row["description"]) for row in rows],
                             [("active", "Stored by docker-credential-regcred.")])
            self.says(self.run_helper("erase", stdin=other, key=key), 0, "")
            self.says(self.run_helper("get", stdin=address, key=key), 1, NOT_FOUND)
            self.says(self.run_helper("erase", stdin=other, key=key), 1, NOT_FOUND)
            self.assertEqual(self.rows(publicValue="me"), [])
        # the registries stay
        self.assertEqual(len(self.ok(self.project.env.get("registries"))["data"]), 3)

    def test_what_was_stored_last_is_used(self):
        key = self.key()
        old, new = site.plant(), site.plant()
        self.says(self.store("ghcr.io", "a", old, key), 0, "")
        self.says(self.store("ghcr.io", "b", new, key), 0, "")
        self.assertEqual(self.get("ghcr.io", key), ("b", new))
        for _ in range(2):
            self.says(self.store("ghcr.io", "a", old, key), 0, "")
            self.assertEqual(self.get("ghcr.io", key), ("a", old))
            self.says(self.store("ghcr.io", "b", new, key), 0, "")
            self.assertEqual(self.get("ghcr.io", key), ("b", new))
        self.assertEqual(len(self.rows()), 2)

    def test_what_others_made(self):
        key = self.key()
        made, user, secret = self.login()
        # Storing the same user makes its password new; it is still not ours to remove.
        new = site.plant()
        self.says(self.store("ghcr.io", user, new, key), 0, "")
        self.assertEqual(self.get("ghcr.io", key), (user, new))
        self.assertEqual([row["id"] for row in self.rows()], [made])
        self.fails(self.run_helper("erase", stdin="ghcr.io", key=key),
                   "not stored by docker-credential-regcred")
        self.assertEqual(self.get("ghcr.io", key), (user, new))
        # One for a part of the registry is another login.
        self.login(publicValue="team", pathPrefix="acme")
        self.says(self.store("ghcr.io", "team", new, key), 0, "")
        self.assertEqual(len(self.rows(publicValue="team")), 2)
        self.says(self.run_helper("erase", stdin="ghcr.io", key=key), 0, "")
        self.assertEqual([row["pathPrefix"] for row in self.rows(publicValue="team")], ["acme"])

    def test_what_is_not_active(self):
        key = self.key()
        made, user, _ = self.login()
        self.status(self.project.env.action("registrycredentials/" + made, "deactivate"), 200, 202)
        self.says(self.run_helper("get", stdin="ghcr.io", key=key), 1, NOT_FOUND)
        secret = site.plant()
        self.says(self.store("ghcr.io", user, secret, key), 0, "")
        self.assertEqual(self.get("ghcr.io", key), (user, secret))
        registry = self.registries["ghcr.io"]["id"]
        self.status(self.project.env.action("registries/" + registry, "deactivate"), 200, 202)
        self.says(self.run_helper("get", stdin="ghcr.io", key=key), 1, NOT_FOUND)
        self.fails(self.store("ghcr.io", user, secret, key), "ghcr.io", registry, "not active")

    def test_several_at_once(self):
        key, secret = self.key(), site.plant()
        self.login("ghcr.io")
        self.says(self.store("ghcr.io", "me", secret, key), 0, "")
        done = []
        threads = [
            threading.Thread(target=lambda: done.append(self.store("ghcr.io", "me", secret,
                                                                   key).stdout)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(done, [""] * 4)
        self.assertEqual(len(self.rows(publicValue="me")), 1)
        self.assertEqual(self.get("ghcr.io", key), ("me", secret))

    def test_sixty_pulls_at_once(self):
        key, done = self.key(), []
        self.login("ghcr.io", publicValue="bot")
        threads = [threading.Thread(target=lambda: done.append(self.get("ghcr.io", key)))
                   for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(done), 60)
        self.assertEqual({user for user, _ in done}, {"bot"})

    def test_a_new_login_stored_at_once_is_one_login(self):
        for i in range(4):
            keys, address = [self.key() for _ in range(2)], "new%d.example" % i
            secret, done = site.plant(), []
            threads = [threading.Thread(target=lambda k=keys[n % 2], a=address,
                                        s=secret: done.append(self.store(a, "me", s, k).stdout))
                                        for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(done, [""] * 8)
            registry, = [r for r in self.ok(self.project.env.get("registries?limit=1000"))["data"]
                         if r["serverAddress"] == address]
            rows = self.rows(registryId=registry["id"])
            self.assertEqual([(row["publicValue"], row["state"]) for row in rows],
                             [("me", "active")])
            self.assertEqual(self.get(address, keys[0]), ("me", secret))

    def test_a_login_goes_with_the_last_key_that_stored_it(self):
        one, two, other = self.key(), self.key(), self.key()
        secret = site.plant()
        for key in (one, two, one):
            self.says(self.store("ghcr.io", "me", secret, key), 0, "")
        self.says(self.run_helper("erase", stdin="ghcr.io", key=other), 0, "")
        self.says(self.run_helper("erase", stdin="ghcr.io", key=one), 0, "")
        self.says(self.run_helper("erase", stdin="ghcr.io", key=one), 0, "")
        self.assertEqual(self.get("ghcr.io", one), ("me", secret))
        self.says(self.run_helper("erase", stdin="ghcr.io", key=two), 0, "")
        self.says(self.run_helper("get", stdin="ghcr.io", key=one), 1, NOT_FOUND)
        self.assertEqual(self.rows(), [])

    def together(self, *calls):
        done = []
        threads = [threading.Thread(target=lambda c=call: done.append(c().stdout))
                   for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(done, [""] * len(calls))

    def test_no_key_is_lost_that_stores_or_erases_beside_others(self):
        """A login goes when the last key has erased it, also if others store it or go at the same
        moment."""
        keys, secret = [self.key() for _ in range(6)], site.plant()
        for _ in range(5):
            self.says(self.store("ghcr.io", "me", secret, keys[0]), 0, "")
            self.together(*(lambda k=k: self.store("ghcr.io", "me", secret, k) for k in keys[1:]))
            row, = self.rows()
            self.assertEqual(sorted(row["name"].split(":")[1].split()),
                             sorted(key[0] for key in keys))
            self.together(*(lambda k=k: self.run_helper("erase", stdin="ghcr.io", key=k)
                            for k in keys[1:4]))
            row, = self.rows()
            self.assertEqual(sorted(row["name"].split(":")[1].split()),
                             sorted(key[0] for key in (keys[0], *keys[4:])))
            self.together(*(lambda k=k: self.run_helper("erase", stdin="ghcr.io", key=k)
                            for k in (keys[0], *keys[4:])))
            self.assertEqual(self.rows(), [])

    def test_more_keys_than_a_name_has_room_for(self):
        """The oldest are forgotten, so that a login is not kept by keys that nobody knows; the
        newer ones stay."""
        keys, secret = [self.key() for _ in range(14)], site.plant()
        for key in keys:
            self.says(self.store("ghcr.io", "me", secret, key), 0, "")
        row, = self.rows()
        noted = row["name"].split(":")[1].split()
        self.assertEqual(noted, [key[0] for key in keys][-len(noted):])
        self.assertGreater(len(noted), 8)

    def test_long_and_empty_passwords(self):
        key = self.key()
        secret = site.plant("x" * 60000)
        self.says(self.store("long.example", "u", secret, key), 0, "")
        self.assertEqual(self.get("long.example", key), ("u", secret))
        self.fails(self.store("long.example", "u", "x" * 70000, key), "64 KiB")
        for body in ({"ServerURL": "e.example", "Username": "u", "Secret": ""},
                     {"ServerURL": "e.example", "Username": "u"}):
            self.fails(self.run_helper("store", stdin=json.dumps(body), key=key), "no password")
        self.assertEqual(len(self.rows()), 1)


class Keys(Base):
    def test_what_a_key_may(self):
        self.login()
        reveal, plain = self.key(role="reveal"), site.new_key(self.project.admin, name="plain")
        self.get("ghcr.io", reveal)
        for done in (self.store("ghcr.io", "u", site.plant(), reveal),
                     self.run_helper("erase", stdin="ghcr.io", key=reveal)):
            self.fails(done, "your key")
        for word, stdin in (("get", "ghcr.io"), ("list", "")):
            self.fails(self.run_helper(word, stdin=stdin, key=plain), "your key may not", "403")
            self.fails(self.run_helper(word, stdin=stdin, key=("nobody", site.plant())),
                       "does not accept this key", "401")
        self.says(self.store("ghcr.io", "u", site.plant(), plain), 0, "")

    def test_key_files(self):
        key = self.key()
        user, secret = self.login()[1:]
        good = self.key_file(key)
        for mode in (0o644, 0o640, 0o604, 0o660, 0o610):
            os.chmod(good, mode)
            self.fails(self.run_helper("get", stdin="ghcr.io",
                                       env=self.environ(REGCRED_URL=site.base,
                                                        REGCRED_API_KEY_FILE=good)), good,
                                                        "read by others")
        link = os.path.join(self.home, "link")
        os.symlink(good, link)
        for mode in (0o600, 0o400):
            os.chmod(good, mode)
            for path in (good, link):
                done = self.run_helper("get", stdin="ghcr.io",
                                       env=self.environ(REGCRED_URL=site.base,
                                                        REGCRED_API_KEY_FILE=path))
                self.assertEqual(json.loads(done.stdout)["Secret"], secret)
        os.mkfifo(os.path.join(self.home, "fifo"), 0o600)
        for name, text, word in (("missing", None, "No such file"), ("fifo", None, "is not a file"),
                                 (".", None, "read by others"), ("half", "access_key = x\n", "no key"),
                                 ("empty", "", "no key"), ("nonsense", "hello\n", "nonsense:1"), ("long", "#" * 20000, "too long"),
                                 ("value", "secret_key = " + "x" * 2000, "value:1"),
                                 ("nul", "access_key = a\0b\n", "NUL byte")):
            path = self.file(name, text) if text is not None else os.path.join(self.home, name)
            if name == ".":
                os.chmod(self.home, 0o755)
            words = ("is not a file",) if name == "." else (word,)
            self.fails(self.run_helper("get", stdin="ghcr.io",
                                       env=self.environ(REGCRED_URL=site.base,
                                                        REGCRED_API_KEY_FILE=path)), *words)
        # What `regcred key create` prints is a key file.
        text = self.file("printed", "REGCRED_ACCESS_KEY=%s\nREGCRED_SECRET_KEY=%s\n" % key)
        self.says(self.run_helper("list",
                                  env=self.environ(REGCRED_URL=site.base,
                                                   REGCRED_API_KEY_FILE=text)), 0,
                                                   '{"ghcr.io":"%s"}\n' % user)
        self.says(self.run_helper("list",
                                  env=self.environ(REGCRED_URL=site.base, REGCRED_ACCESS_KEY=key[0],
                                                   REGCRED_SECRET_KEY=key[1])), 0,
                                                   '{"ghcr.io":"%s"}\n' % user)
        self.fails(self.run_helper("list", env=self.environ(REGCRED_URL=site.base)), "no key")

    def test_a_terminal_shows_again_what_is_typed(self):
        """After the secret was typed, and also where a signal ended the program in the middle of
        it."""
        key = self.key()
        for signals in ((), (signal.SIGINT,), (signal.SIGTERM,), (signal.SIGHUP,)):
            master, slave = os.openpty()
            try:
                login = subprocess.Popen([harness.program("regcred"), "login", site.base],
                                         stdin=slave, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT,
                                         env=self.environ(), text=True,
                                         preexec_fn=lambda: signal.signal(signal.SIGINT,
                                                                          signal.SIG_DFL))

                def echoes(slave=slave):
                    return bool(termios.tcgetattr(slave)[3] & termios.ECHO)
                os.write(master, key[0].encode() + b"\n")
                self.assertTrue(harness.wait_until(lambda echoes=echoes: not echoes()))
                if signals:
                    login.send_signal(signals[0])
                else:
                    os.write(master, key[1].encode() + b"\n")
                said = login.communicate(timeout=20)[0]
                self.assertEqual(login.returncode, -signals[0] if signals else 0, said)
                self.assertTrue(echoes(), signals)
                self.assertNotIn(key[1], said)
            finally:
                os.close(master)
                os.close(slave)

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_a_signal_at_any_call_on_the_terminal_ends_a_login(self):
        """It is sent at the k-th ioctl of the program, among them those that hide and show what is
        typed: it is never lost."""
        key = self.key()
        for k in range(1, 8):
            master, slave = os.openpty()
            try:
                log = os.path.join(self.home, "strace")
                login = subprocess.Popen(["strace", "-o", log, "-e", "trace=ioctl", "-e",
                                          "inject=ioctl:signal=SIGTERM:when=%d" % k,
                                          harness.program("regcred"), "login", site.base],
                                         stdin=slave, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, env=self.environ(), text=True)
                os.write(master, key[0].encode() + b"\n")
                try:
                    login.communicate(timeout=3)
                # right if there were fewer calls than k before it waits
                except subprocess.TimeoutExpired:
                    with open(log, encoding="utf-8") as f:
                        self.assertNotIn("SIGTERM", f.read(), k)
                    os.write(master, key[1].encode() + b"\n")
                    login.communicate(timeout=20)
                self.assertTrue(termios.tcgetattr(slave)[3] & termios.ECHO, k)
            finally:
                os.close(master)
                os.close(slave)

    def test_http_is_for_loopback_or_must_be_allowed(self):
        key = self.key()
        self.login()
        for url in ("http://creds.example.com", "http://192.0.2.1", "http://[2001:db8::1]:8080",
                    "http://127.0.0.1.example.com", "http://localhost.example.com",
                    "HTTP://creds.example.com"):
            self.fails(self.run_helper("get", stdin="ghcr.io", key=key, url=url),
                       "is http: the key and all logins could be read")
        for url, more in (("http://no-such-host.invalid", {"REGCRED_ALLOW_HTTP": "yes"}),
                          ("http://no-such-host.invalid", {"REGCRED_ALLOW_HTTP": "1"}),
                          ("https://no-such-host.invalid", {})):
            done = self.run_helper("get", stdin="ghcr.io", key=key, url=url,
                                   env=self.environ(REGCRED_URL=url, REGCRED_ACCESS_KEY=key[0],
                                                    REGCRED_SECRET_KEY=key[1], **more))
            self.fails(done, "failed: ")
        # Over http no proxy is told the key.
        env = self.environ(REGCRED_URL=site.base, REGCRED_ACCESS_KEY=key[0],
                           REGCRED_SECRET_KEY=key[1], http_proxy="http://127.0.0.1:9",
                           all_proxy="http://127.0.0.1:9")
        self.assertEqual(self.run_helper("list", env=env).returncode, 0)

    def test_the_file_of_login(self):
        key = self.key()
        user = self.login()[1]
        text = "# made by hand\nurl = %s/v1/projects/%s/\naccess_key=%s\n  secret_key = %s  \r\n" % (site.base, self.project.id, *key)
        self.file(".config/regcred/client.ini", text)
        self.says(self.run_helper("list", env=self.environ()), 0, '{"ghcr.io":"%s"}\n' % user)
        self.says(self.run_helper("list",
                                  env=self.environ(HOME="/nonexistent", XDG_CONFIG_HOME=self.home
                                                   + "/.config")), 0, '{"ghcr.io":"%s"}\n' % user)
        # Its key goes to no other server.
        self.fails(self.run_helper("list", env=self.environ(REGCRED_URL="http://127.0.0.1:9")),
                   "no key")
        self.file(".config/regcred/client.ini", text, 0o644)
        self.fails(self.run_helper("list", env=self.environ()), "read by others")

    def test_urls(self):
        key = self.key()
        self.login()
        scope = "/projects/" + self.project.id
        for tail in ("", "/", "/v1", "/v1/", "/v2-beta", "/v1" + scope, "/v2-beta" + scope + "/"):
            self.assertEqual(self.run_helper("list", key=key, url=site.base + tail).returncode, 0,
                             tail)
        for url in ("ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://u@127.0.0.1/",
                    "http://127.0.0.1/?a=b", "http://127.0.0.1/#a", "file:///etc/passwd", "http://",
                    "not a url"):
            self.fails(self.run_helper("list", key=key, url=url), "must be a URL")


class StandIn:
    """Answers every connection with the same bytes, or never."""

    def __init__(self, answer, context=None):
        self.answer, self.asked, self.context = answer, [], context
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.held = []
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            self.held.append(connection)
            if self.answer is None:
                continue
            try:
                connection.settimeout(10)
                if self.context is not None:
                    connection = self.context.wrap_socket(connection, server_side=True)
                    self.held.append(connection)
                self.asked.append(connection.recv(65536))
                for part in self.answer:
                    connection.sendall(part)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(20)
        for connection in self.held:
            connection.close()


def http(status, body, *headers, length=None):
    head = ["HTTP/1.1 %d X" % status, "Content-Type: application/json", "Content-Length: %d"
            % (len(body) if length is None else length), *headers]
    return ["\r\n".join(head).encode() + b"\r\n\r\n" + body.encode()]


class Trouble(Base):
    """Every trouble is one line, exit status 1, and over at once."""

    def setUp(self):
        super().setUp()
        self.key_of_nobody = ("access", site.plant())

    def ask(self, port, word="get", timeout="0"):
        stdin = {"get": "ghcr.io", "erase": "ghcr.io", "list": "",
                 "store": '{"ServerURL":"ghcr.io","Username":"u","Secret":"%s"}'
                 % site.plant()}[word]
        env = self.environ(REGCRED_URL="http://127.0.0.1:%d" % port,
                           REGCRED_API_KEY_FILE=self.key_file(self.key_of_nobody),
                           REGCRED_API_TIMEOUT=timeout)
        began = time.monotonic()
        done = self.run_helper(word, stdin=stdin, env=env)
        # The bound is 1.9 s, unless a call says otherwise; a loaded machine needs time to start the
        # program.
        self.assertLess(time.monotonic() - began, 20)
        return done

    def stand_in(self, answer):
        server = StandIn(answer)
        self.addCleanup(server.close)
        return server

    def test_down(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))                     # nobody listens
            for word in ("get", "store", "erase", "list"):
                self.fails(self.ask(s.getsockname()[1], word), "failed: ")
        self.fails(self.run_helper("get", stdin="ghcr.io", key=self.key_of_nobody,
                                   url="http://no-such-host.invalid"))

    def test_hangs(self):
        server = self.stand_in(None)
        self.fails(self.ask(server.port), "does not answer within 1.9 s")
        for word in ("store", "erase", "list"):
            self.fails(self.ask(server.port, word, "1"), "does not answer within 1.0 s")

    def test_answers(self):
        good = '{"ServerURL":"x","Username":"u","Secret":"s"}'
        error = '{"type":"error","status":%d,"code":"%s","detail":"a\\u001b[2Jb"}'
        elsewhere = self.stand_in(http(200, good))
        # The answer, what is said
        for answer, *words in (
                (http(200, "<html>welcome</html>"), "not come from regcred"), (http(200, ""), "not come from regcred"), (http(200, "[]"), "not come from regcred"),
                (http(200, '"x"'), "not come from regcred"), (http(200, "{}"), "not a login"), (http(200, '{"Username":"u","Secret":null}'), "not a login"),
                (http(200, '{"Username":1,"Secret":"s"}'), "not a login"), (http(200, good[:-1]), "not come from regcred"), (http(200, good + "x"), "not come from regcred"), (http(200, good, length=500), "failed: "),
                (http(500, "oops"), "status 500", "not come from regcred"), (http(401, "{}"), "does not accept this key"), (http(404, "{}"), "not found"),
                (http(401, error % (401, "Unauthorized")), "401", "Unauthorized"), (http(403, error % (403, "Forbidden")), "403", "may not", "a?[2Jb"),
                (http(404, error % (404, "Not Found")), "404"), (http(429, error % (429, "TooManyRequests")), "429", "try again later"),
                (http(503, error % (503, "Service Unavailable")), "503"), (http(507, error % (507, "Insufficient Storage")), "507", "full"),
                (http(302, good, "Location: http://127.0.0.1:%d/" % elsewhere.port), "status 302"), (http(200, '{"x":"%s"}' % ("y" * 1100000)), "too large"),
                (http(200, '{"x":[%s0]}' % ("0," * 110000)), "not come from regcred"), ([b"\0\1\2\3"], "failed: "), ([b""], "failed: "),
                (["HTTP/1.1 200 OK\r\nX: {}\r\n".format("y" * 400000).encode()], "failed: "),
                (http(204, ""), "not come from regcred")):
            with self.subTest(answer=answer[0][:200]):
                self.fails(self.ask(self.stand_in(answer).port), *words)
        self.assertEqual(elsewhere.asked, [], "a redirect was followed")
        self.says(self.ask(self.stand_in(http(404, error % (404, "NoLogin"))).port), 1, NOT_FOUND)
        self.says(self.ask(self.stand_in(http(200, good)).port), 0,
                  '{"ServerURL":"ghcr.io","Username":"u","Secret":"s"}\n')
        for word in ("store", "erase", "list"):
            for answer in (http(200, "{}"), http(200, '{"data":1,"auths":1}'),
                           http(200, '{"auths":{"x":1}}'), http(200, "x"),
                           http(403, error % (403, "Forbidden"))):
                if (word, answer) != ("list", http(200, "{}")):
                    self.fails(self.ask(self.stand_in(answer).port, word))

    def test_an_endless_list(self):
        """Pages that name each other for ever end with the time."""
        server = self.stand_in(
            http(200, '{"data":[],"pagination":{"next":"http://127.0.0.1:1/elsewhere?limit=1"}}',
                 "Connection: close"))
        self.assertRegex(self.fails(self.ask(server.port, "erase")).stdout,
                         "does not end|does not answer within")
        self.assertTrue(all(b"GET /v2-beta/registries?" in asked for asked in server.asked),
                        "a page was asked for elsewhere")

    def test_tls(self):
        """Certificates are checked; the right authority makes one good."""
        if shutil.which("openssl") is None:
            self.skipTest("not installed: openssl")
        import ssl
        paths = [os.path.join(self.home, name) for name in ("server.key", "server.pem")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", paths[0], "-out",
                        paths[1]], check=True, capture_output=True, timeout=60)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths[1], paths[0])
        server = StandIn(http(200, '{"ServerURL":"x","Username":"u","Secret":"s"}'), context)
        self.addCleanup(server.close)
        url = "https://127.0.0.1:%d" % server.port
        key = self.key_file(self.key_of_nobody)
        env = self.environ(REGCRED_URL=url, REGCRED_API_KEY_FILE=key, REGCRED_API_CA_FILE=paths[1])
        self.says(self.run_helper("get", stdin="ghcr.io", env=env), 0,
                  '{"ServerURL":"ghcr.io","Username":"u","Secret":"s"}\n')
        asked = len(server.asked)
        for other in ({"REGCRED_API_CA_FILE": None},
                      {"REGCRED_URL": "https://localhost.invalid:%d" % server.port},
                      {"REGCRED_API_CA_FILE": "/nonexistent"}):
            env = dict(self.environ(REGCRED_URL=url, REGCRED_API_KEY_FILE=key,
                                    REGCRED_API_CA_FILE=paths[1]),
                                    **{k: v or "" for k, v in other.items()})
            self.fails(self.run_helper("get", stdin="ghcr.io", env=env), "failed: ")
        self.assertEqual(len(server.asked), asked, "a key was sent to a server that is not trusted")



class Cache(Base):
    """Logins that a host keeps for when the server does not answer."""

    def setUp(self):
        super().setUp()
        self.made, self.user, self.secret = self.login()
        self.reader = self.key()
        self.files = os.path.join(self.home, ".cache", "regcred")

    def ask(self, url=None, cache="1h", key=None):
        env = self.environ(REGCRED_URL=url or site.base, REGCRED_API_KEY_FILE=self.key_file(key or self.reader), REGCRED_CACHE=cache)
        return self.run_helper("get", stdin="ghcr.io", env=env)

    def kept(self):
        return sorted(os.path.join(self.files, name) for name in os.listdir(self.files)) if os.path.isdir(self.files) else []

    def down(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return "http://127.0.0.1:%d" % s.getsockname()[1]

    def proxied(self):
        """A server at an address of its own, which passes on what regcred says, or fails, as the test wants."""
        self.mode = "right"

        def answer(request):
            if self.mode != "right":
                return Answer(int(self.mode), {"type": "error", "status": int(self.mode), "code": "x", "detail": "It fails."})
            client = harness.Client(site, None)
            r = client.request(request.method, request.path, json.loads(request.body or b"{}"), headers=[("Authorization", request.headers["Authorization"])], auth=False, check=False)
            return Answer(r.status, r.body, {"Content-Type": "application/json"})
        server = Standin(answer)
        self.addCleanup(server.stop)
        return server

    def test_it_is_off_by_default(self):
        self.assertEqual(self.ask(cache=None).returncode, 0)
        self.assertEqual(self.kept(), [])
        self.fails(self.ask(cache=None, url=self.down()), "failed")

    def test_it_bridges_a_server_that_is_down(self):
        server = self.proxied()
        right = self.ask(server.url)
        self.assertEqual(json.loads(right.stdout)["Secret"], self.secret)
        for mode in ("500", "502", "503"):
            self.mode = mode
            self.assertEqual(self.ask(server.url).stdout, right.stdout)
        server.stop()
        self.assertEqual(self.ask(server.url).stdout, right.stdout)
        # Another key, another server and a host that keeps nothing get nothing of it.
        self.fails(self.ask(server.url, key=self.key()), "failed")
        self.fails(self.ask(self.down()), "failed")
        self.fails(self.ask(server.url, cache="0"), "failed")

    def test_what_the_server_says_counts(self):
        server = self.proxied()
        self.ask(server.url)
        self.assertEqual(len(self.kept()), 1)
        for mode in ("401", "403", "429"):
            self.mode = mode
            self.fails(self.ask(server.url), mode)
            self.assertEqual(self.kept(), [])
            self.mode = "right"
            self.ask(server.url)
        self.status(self.project.env.action("registrycredentials/" + self.made, "deactivate"), 202)
        self.says(self.ask(server.url), 1, NOT_FOUND)
        self.assertEqual(self.kept(), [])

    def test_it_ends(self):
        server = self.proxied()
        self.ask(server.url, cache="1m")
        self.mode = "503"
        path = self.kept()[0]
        self.assertEqual(self.ask(server.url, cache="1m").returncode, 0)
        library = shutil.which("faketime")
        if library is None:
            self.skipTest("faketime is missing")
        if harness.is_sanitized():
            self.skipTest("a sanitizer asks for the time before faketime is ready: both wait for ever")
        env = self.environ(REGCRED_URL=server.url, REGCRED_API_KEY_FILE=self.key_file(self.reader), REGCRED_CACHE="1m")
        for shift in ("+61s", "-1h"):                      # and a clock that was put back is not believed
            done = subprocess.run([library, "-f", shift, harness.program("docker-credential-regcred"), "get"], input="ghcr.io", env=env, capture_output=True, text=True, timeout=60)
            self.fails(done, "503")
        self.assertFalse(os.path.exists(path))

    def test_what_lies_on_the_disk(self):
        server = self.proxied()
        self.ask(server.url)
        path = self.kept()[0]
        self.assertEqual((os.stat(path).st_mode & 0o777, os.stat(self.files).st_mode & 0o777), (0o600, 0o700))
        with open(path, "rb") as f:
            text = f.read()
        for needle in harness.forms(self.secret) | harness.forms(self.user):
            self.assertNotIn(needle, text)
        self.assertNotIn("ghcr", path)
        self.mode = "503"
        for damaged in (b"", text[:-8], text[8:], b"A" + text[1:], text.swapcase(), b"\0" * 40, b"x" * 2000000):
            with open(path, "wb") as f:
                f.write(damaged)
            self.fails(self.ask(server.url), "503")
        self.mode = "right"
        self.assertEqual(self.ask(server.url).returncode, 0)
        # A directory that cannot be written to is no reason to fail.
        shutil.rmtree(self.files)
        with open(self.files, "w", encoding="ascii"):
            pass
        self.assertEqual(self.ask(server.url).returncode, 0)

    def test_settings_that_are_wrong(self):
        for cache in ("1", "1d", "25h", "1441m", "h", "-1h", "1 h", "99999m", "yes"):
            self.fails(self.ask(cache=cache), "30m or 1h")
        for cache in ("0", "1m", "24h", "1440m"):
            self.assertEqual(self.ask(cache=cache).returncode, 0, cache)


if __name__ == "__main__":
    unittest.main()
