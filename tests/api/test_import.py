"""regcred login, logout, import and docker-setup: from a terminal and a pipe, dry, twice, and with
files that are none."""

import base64
import json
import os
import pty
import shutil
import stat
import subprocess
import tempfile
import unittest

import harness

setUpModule, tearDownModule = harness.site_of(globals())

HUB = "https://index.docker.io/v1/"


def auth(user, secret):
    return {"auth": base64.b64encode(("%s:%s" % (user, secret)).encode()).decode()}


class Base(harness.Case):
    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.home = tempfile.mkdtemp(prefix="rc-home-")
        self.addCleanup(shutil.rmtree, self.home)
        self.key = site.new_key(self.project.admin, reveal=True)
        self.ini = os.path.join(self.home, ".config/regcred/client.ini")

    def environ(self, **values):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("REGCRED_", "XDG_"))
               and not k.lower().endswith("_proxy")}
        return dict(env, HOME=self.home, **values)

    def regcred(self, *words, stdin="", **values):
        done = subprocess.run([harness.program("regcred"), *words], input=stdin,
                              env=self.environ(**values), capture_output=True, text=True,
                              timeout=60)
        for text in (done.stdout, done.stderr):
            self.assertNotIn(harness.PLANT, text)
            self.assertNotIn(self.key[1], text)
        return done

    def file(self, name, content, mode=0o600):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(content if isinstance(content, str) else json.dumps(content))
        os.chmod(path, mode)
        return path

    def log_in(self):
        done = self.regcred("login", site.base,
                            stdin="REGCRED_ACCESS_KEY=%s\nREGCRED_SECRET_KEY=%s\n" % self.key)
        self.assertEqual((done.returncode, done.stdout), (0, "logged in: %s\n" % self.ini),
                         done.stderr)


class Login(Base):
    def test_login_and_logout(self):
        self.log_in()
        self.assertEqual(stat.S_IMODE(os.stat(self.ini).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.ini)).st_mode), 0o700)
        with open(self.ini, encoding="utf-8") as f:
            self.assertEqual(f.read(), "url = %s\naccess_key = %s\nsecret_key = %s\n"
                             % (site.base, *self.key))
        done = subprocess.run([harness.program("docker-credential-regcred"), "list"],
                              env=self.environ(), capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, "{}\n"))
        # A second login with a key that is none leaves the first.
        before = os.stat(self.ini).st_ino
        done = self.regcred("login", site.base, stdin="access_key = x\nsecret_key = y\n")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("does not accept this key", done.stderr)
        self.assertEqual(os.stat(self.ini).st_ino, before)
        self.assertEqual(os.listdir(os.path.dirname(self.ini)), ["client.ini"])
        for words in (("removed",), ("was not logged in",)):
            done = self.regcred("logout")
            self.assertEqual(done.returncode, 0)
            self.assertIn(words[0], done.stdout)
        self.assertFalse(os.path.exists(self.ini))

    def test_key_file(self):
        path = self.file("key", "access_key = %s\nsecret_key = %s\n" % self.key)
        self.assertEqual(self.regcred("login", "--key-file", path, site.base).returncode, 0)
        self.assertEqual(self.regcred("login", site.base + "/v1/projects/" + self.project.id,
                                      "--key-file=" + path).returncode, 0)
        os.chmod(path, 0o644)
        done = self.regcred("login", "--key-file", path, site.base)
        self.assertEqual(done.returncode, 1)
        self.assertIn("read by others", done.stderr)

    def test_a_terminal(self):
        """The secret key is not echoed."""
        child, terminal = pty.fork()
        if child == 0:
            os.execve(harness.program("regcred"), ["regcred", "login", site.base], self.environ())
        seen = b""
        for question, text in ((b"Access key: ", self.key[0]), (b"(not shown): ", self.key[1])):
            while question not in seen:
                seen += os.read(terminal, 1000)
            os.write(terminal, text.encode() + b"\n")
        try:
            while True:
                more = os.read(terminal, 1000)
                if not more:
                    break
                seen += more
        except OSError:
            pass                                         # the other side is closed
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        self.assertEqual(status, 0, seen)
        self.assertIn(self.key[0].encode(), seen)
        self.assertNotIn(self.key[1].encode(), seen)
        self.assertTrue(os.path.exists(self.ini))

    def test_refusals(self):
        good = "access_key = %s\nsecret_key = %s\n" % self.key
        for words, stdin, status, text in (
                (("login",), good, 1, "which server"), (("login", "a", "b"), good, 1, "which server"), (("login", "creds.example"), good, 1, "URL"),
                (("login", "http://127.0.0.1:9"), good, 1, "failed: "), (("login", site.base), "", 1, "no key"), (("login", site.base), "hello\n", 1, "standard input:1"),
                (("login", site.base), "access_key = a\n", 1, "no key"), (("login", site.base, "--ca-file", "/nonexistent"), good, 1, "--ca-file"),
                (("login", site.base + "\nx = y"), good, 1, "URL"), (("login", "--nonsense", "x"), good, 2, "usage"), (("login", "--key-file"), good, 2, "usage"),
                (("login", "--key-file", "/nonexistent", site.base), "", 1, "No such file"), (("import",), "", 1, "which files"), (("logout", "x"), "", 1, "no arguments"),
                (("import", "--dry-run=yes", "x"), "", 2, "usage"),
                (("import", "x"), "", 1, "regcred login")):
            with self.subTest(words=words):
                done = self.regcred(*words, stdin=stdin)
                self.assertEqual((done.returncode, done.stdout), (status, ""))
                self.assertIn(text, done.stderr)
                self.assertFalse(os.path.exists(self.ini))


class Import(Base):
    def setUp(self):
        super().setUp()
        self.log_in()

    def rows(self, type):
        return self.ok(self.project.env.get(type))["data"]

    def handed_out(self, **body):
        r = harness.Client(site, self.key, self.project.root).post("handouts",
                                                                   dict(body, format="helper"))
        return (r.json["Username"], r.json["Secret"]) if r.status == 200 else r.status

    def test_both_files(self):
        secrets = [site.plant() for _ in range(6)]
        docker = self.file("config.json",
                           {"auths": {HUB: auth("hub", secrets[0]),
                                      "https://ghcr.io": {"username": "me", "password": secrets[1]},
                                                     "token.example": dict(auth("<token>", ""),
                                                                           identitytoken=secrets[
                                                                               2])}, "HttpHeaders": {"X": "y"}})
        podman = self.file("auth.json",
                           {"auths": {"quay.io/acme": auth("team", secrets[3]),
                                      "localhost:5000": auth("u", secrets[4] + ":with:colons"),
                                      "ghcr.io": auth("me", secrets[5])}})
        dry = self.regcred("import", "--dry-run", docker, podman)
        self.assertEqual(dry.returncode, 0, dry.stdout)
        self.assertEqual(self.rows("registries") + self.rows("registrycredentials"), [])
        self.assertIn("ghcr.io  me  would be made", dry.stdout)
        done = self.regcred("import", docker, podman)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.splitlines(), [
            HUB + "  hub  made, with its registry", "https://ghcr.io  me  made, with its registry",
            "token.example  <token>  made, with its registry",
            "quay.io/acme  team  made, with its registry", "localhost:5000  u  made, with its registry", "ghcr.io  me  kept: one exists already",
            "5 made, 0 updated, 1 kept, 0 not imported"])
        self.assertEqual(self.handed_out(serverAddress="docker.io"), ("hub", secrets[0]))
        self.assertEqual(self.handed_out(serverAddress="ghcr.io"), ("me", secrets[1]))
        self.assertEqual(self.handed_out(serverAddress="token.example"), ("<token>", secrets[2]))
        self.assertEqual(self.handed_out(image="quay.io/acme/app"), ("team", secrets[3]))
        self.assertEqual(self.handed_out(image="quay.io/other/app"), 404)
        self.assertEqual(self.handed_out(serverAddress="localhost:5000"),
                         ("u", secrets[4] + ":with:colons"))
        self.assertEqual({row["description"] for row in self.rows("registrycredentials")},
                         {"Imported by regcred import."})
        before = site.snapshot()["credential"]
        for words in ((), ("--dry-run",)):
            again = self.regcred("import", *words, docker, podman)
            self.assertEqual(again.returncode, 0)
            self.assertTrue(again.stdout.startswith("%s  hub  %s: one exists already\n"
                                                    % (HUB, "would be kept" if words else "kept")),
                                                    again.stdout)
            self.assertIn("nothing to do\n", again.stdout)
        self.assertEqual(len(self.rows("registrycredentials")), 5)
        self.assertEqual(before[0], site.snapshot()["credential"][0])
        done = self.regcred("import", "--replace", podman)
        self.assertIn("ghcr.io  me  given the password of the file\n", done.stdout)
        self.assertIn("0 made, 3 updated, 0 kept, 0 not imported\n", done.stdout)
        self.assertEqual(self.handed_out(serverAddress="ghcr.io"), ("me", secrets[5]))

    def test_what_is_not_in_the_file(self):
        path = self.file("config.json",
                         {"auths": {"a.example": {}, "b.example": {"auth": "!!"},
                                    "c.example": auth("u", ""), "d.example": auth("", "p"), "two words": auth("u", "p"),
                                                   HUB + "access-token": auth("u", "p"),
                                                   "e.example": 1, "f\x1b[2J.example": {},
                                                   "good.example": auth("u", site.plant())},
                                         "credsStore": "desktop",
                                         "credHelpers": {"gcr.io": "gcloud"}})
        done = self.regcred("import", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("good.example  u  made, with its registry\n", done.stdout)
        self.assertTrue(done.stdout.endswith("1 made, 0 updated, 0 kept, 6 not imported\n"),
                        done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        self.assertIn("docker-credential-desktop", done.stderr)
        self.assertIn("docker-credential-gcloud keeps them: logins for gcr.io\n", done.stderr)
        self.assertEqual(len(self.rows("registries")), 1)
        only = self.regcred("import", self.file("only.json", {"credsStore": "desktop"}))
        self.assertEqual((only.returncode, only.stdout),
                         (0, "nothing to do\n0 made, 0 updated, 0 kept, 0 not imported\n"))

    def test_auth_as_docker_reads_it(self):
        """Base64 with line breaks, passwords filled up with NULs, a user beside an identity token,
        the older .dockercfg."""
        def packed(pair):
            return base64.b64encode(pair).decode()
        secrets = [site.plant() for _ in range(8)]
        wrapped = "\n".join(packed(b"ci:" + secrets[0].encode())[i:i + 12]
                            for i in range(0, 200, 12)).rstrip("\n")
        path = self.file("config.json", {"auths": {
            "wrapped.example": {"auth": wrapped + "\n"}, "crlf.example": {"auth": packed(b"ci:" + secrets[1].encode()) + "\r\n"}, "nul.example": {"auth": packed(b"ci:" + secrets[2].encode() + b"\0\0\0")},
            "acr.example": {"auth": packed(b"00000000-0000-0000-0000-000000000000:"), "identitytoken": secrets[3]}, "token.example": {"identitytoken": secrets[4]},
            "echo.example": {"auth": packed(b"ci:" + secrets[5].encode() + b"\n")}, "http://plain.example:5000": auth("ci", secrets[6]), "port.example:443": auth("ci", secrets[7]),
            "latin.example": {"auth": packed(b"ci:caf\xe9")}, "empty.example": auth("ci", ""), "nobody.example": auth("", "x"), "half.example": {"auth": packed(b"nocolon")}, "bad.example": {"auth": "!"},
            "middle.example": {"auth": packed(b"ci:a\0b")}}})
        dry = self.regcred("import", "--dry-run", path)
        done = self.regcred("import", path)
        self.assertEqual(done.stdout.splitlines()[-1], "8 made, 0 updated, 0 kept, 6 not imported")
        self.assertEqual(dry.stdout.replace("dry run: nothing was changed: ",
                                            "").replace("would be ", ""), done.stdout)
        for host, login in (("wrapped.example", ("ci", secrets[0])),
                            ("crlf.example", ("ci", secrets[1])), ("nul.example", ("ci", secrets[2])),
                            ("acr.example", ("00000000-0000-0000-0000-000000000000", secrets[3])), ("token.example", ("<token>", secrets[4])), ("echo.example", ("ci", secrets[5] + "\n")),
                            ("plain.example:5000", ("ci", secrets[6])),
                            ("port.example:443", ("ci", secrets[7]))):
            self.assertEqual(self.handed_out(serverAddress=host), login, host)
        for host, why in (("latin", "not UTF-8"), ("empty", "password is empty"),
                          ("nobody", "no user name"), ("half", "no colon"),
                          ("bad", "not valid base64"), ("middle", "contains a NUL")):
            self.assertRegex(done.stdout, r"(?m)^%s\.example .*NOT IMPORTED: .*%s" % (host, why))
        self.assertIn("echo.example: the password ends with a line break", done.stderr)
        self.assertLessEqual({"http://plain.example:5000", "port.example:443"},
                             {row["serverAddress"] for row in self.rows("registries")})
        old = self.file(".dockercfg", {"old.example": {"auth": packed(b"ci:x"), "email": "a@b"}})
        self.assertIn("1 made", self.regcred("import", old).stdout)

    def test_files_as_docker_leaves_them(self):
        """Names in any case, entries whose login a helper keeps, URLs with a path, an old file with
        such entries, a new one."""
        def packed(pair):
            return base64.b64encode(pair).decode()
        a, b, c, d = (site.plant() for _ in range(4))
        for content, outcome, made in (
                ({"Auths": {"case.example": {"AUTH": packed(b"ci:" + a.encode())}}, "credsstore": ""}, "1 made, 0 updated, 0 kept, 0 not imported", {"case.example": a}),
                ({"auths": {"fields.example": {"Username": "ci", "PASSWORD": b}}, "credHelpers": {"x.example": ""}}, "1 made, 0 updated, 0 kept, 0 not imported", {"fields.example": b}),
                ({"auths": {"kept.example": {}, "null.example": None,
                            "https://url.example/some/Path": auth("ci", c)},
                            "credsStore": "desktop"}, "1 made, 0 updated, 0 kept, 0 not imported",
                 {"url.example": c}),
                ({"old2.example": auth("ci", d), "left.example": {}}, "1 made, 0 updated, 0 kept, 0 not imported", {"old2.example": d}),
                ({}, "0 made, 0 updated, 0 kept, 0 not imported", {}),
                ({"auths": None}, "0 made, 0 updated, 0 kept, 0 not imported", {})):
            path = self.file("config.json", content)
            dry, done = self.regcred("import", "--dry-run", path), self.regcred("import", path)
            self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (0, outcome),
                             done.stdout + done.stderr)
            self.assertEqual(dry.stdout.replace("dry run: nothing was changed: ",
                                                "").replace("would be ", ""), done.stdout)
            self.assertEqual("docker-credential-" in done.stderr, "desktop" in str(content),
                             done.stderr)
            for host, secret in made.items():
                self.assertEqual(self.handed_out(serverAddress=host), ("ci", secret))
        done = self.regcred("import",
                            self.file("config.json",
                                      {"auths": {"nul.example": {"auth": packed(b"c\0i:x")}}}))
        self.assertIn("NOT IMPORTED: its user name contains a NUL byte", done.stdout)

    def test_a_name_twice_is_not_read_one_way_or_the_other(self):
        """Programs differ on which of two members with one name counts."""
        one, other = ("\"auth\":\"%s\"" % auth("ci", site.plant())["auth"] for _ in range(2))
        for text, why in (
                ('{"auths":{"x.example":{%s},"x.example":{%s}}}' % (one, other), "a name twice, again at byte "),
                ('{"auths":{"x.example":{%s,%s}}}' % (one, other), "a name twice, again at byte "),
                ('{"auths":{"x.example":{%s,%s}}}' % (one, other.replace("auth", "\\u0061uth", 1)), "a name twice, again at byte "),
                ('{"auths":{"x.example":{%s}},"Auths":{"y.example":{%s}}}' % (one, other), 'it has "auths" twice, in another case: correct it'),
                ('{"AUTHS":{"x.example":{%s}},"Auths":{"y.example":{%s}}}' % (one, other), 'it has "auths" twice, in another case: correct it')):
            done = self.regcred("import", self.file("config.json", text))
            self.assertEqual((done.returncode, done.stdout),
                             (1, "0 made, 0 updated, 0 kept, 0 not imported\n"), text)
            self.assertIn(why, done.stderr)
        for form in '{"auths":%s}', "%s":
            text = form % ('{"x.example":{%s,%s},"y.example":{%s}}'
                           % (one, other.replace("auth", "Auth", 1), one))
            done = self.regcred("import", self.file("config.json", text))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn('x.example  NOT IMPORTED: it has "auth" twice, in another case.\n',
                          done.stdout)
            self.assertRegex(done.stdout, "(?m)^y.example  ci  ")
        self.assertEqual([row["serverAddress"] for row in self.rows("registries")], ["y.example"])

    def test_a_dry_run_promises_what_the_run_does(self):
        long, longer = "x" * 60000, "x" * 70000
        files = [self.file("a.json",
                           {"auths": {"ghcr.io": auth("u", site.plant()),
                                      "https://ghcr.io/v2/": auth("u", site.plant()), "ghcr.io/acme": auth("u", "p"), "ghcr.io/Acme": auth("u", "p"),
                                                "new.example/a": auth("u", "p"), "new.example/b": auth("u", "p"), "long.example": auth("u", long), "longer.example": auth("u", longer),
                                                "user.example": auth("u" * 5000, "p")}}),
                 self.file("b.json",
                           {"auths": {"docker.io": auth("u", "p"),
                                      "https://index.docker.io/v1/": auth("u", "q"),
                                      "ghcr.io": auth("u", "again")}})]
        for words in ((), ("--replace",)):
            dry = self.regcred("import", "--dry-run", *words, *files)
            done = self.regcred("import", *words, *files)
            self.assertEqual(dry.stdout.replace("dry run: nothing was changed: ",
                                                "").replace("would be ", ""), done.stdout)
            self.assertEqual(dry.returncode, done.returncode)
        weak = site.new_key(self.project.admin, role="readonly")
        self.file(".config/regcred/client.ini", "url = %s\naccess_key = %s\nsecret_key = %s\n"
                  % (site.base, *weak))
        for words in (("--dry-run",), ()):
            self.assertIn("0 made, 0 updated, 0 kept, ",
                          self.regcred("import", *words,
                                       self.file("c.json",
                                                 {"auths": {
                                                     "other.example": auth("u", "p")}})).stdout)

    def test_files_that_are_none(self):
        good = self.file("good.json", {"auths": {"x.example": auth("u", site.plant())}})
        for name, content in (("broken", '{"auths":'), ("empty", ""), ("list", "[]"),
                              ("other", '{"a":1}'), ("auths", '{"auths":[]}'), ("twice", '{"auths":{},"auths":{}}'),
                              ("long", " " * 1100000)):
            done = self.regcred("import", self.file(name, content))
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(name, done.stderr)
        done = self.regcred("import", os.path.join(self.home, "missing"), self.home, good)
        self.assertEqual(done.returncode, 1)
        self.assertIn("missing cannot be read: No such file", done.stderr)
        self.assertEqual(len(self.rows("registries")), 1)

    def test_many(self):
        count = 60
        path = self.file("config.json",
                         {"auths": {"h%d.example" % i: auth("u", site.plant())
                                    for i in range(count)}})
        self.assertIn("%d made, 0 updated, 0 kept, 0 not imported\n" % count,
                      self.regcred("import", path).stdout)
        done = self.regcred("import", path)
        self.assertEqual(done.returncode, 0)
        self.assertIn("nothing to do\n0 made, 0 updated, %d kept, 0 not imported\n" % count,
                      done.stdout)

    def test_a_key_that_may_not(self):
        self.key = site.new_key(self.project.admin, role="reveal")
        self.log_in()
        done = self.regcred("import", self.file("config.json",
                                                {"auths": {"x.example": auth("u", site.plant())}}))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"x\.example  u  NOT IMPORTED: .*your key")
        self.assertEqual(self.rows("registries"), [])


class DockerSetup(Base):
    def setUp(self):
        super().setUp()
        self.config = os.path.join(self.home, ".docker/config.json")

    def put(self, text, mode=0o600):
        os.makedirs(os.path.dirname(self.config), exist_ok=True)
        self.file(".docker/config.json", text, mode)

    def text(self, path=None):
        with open(path or self.config, encoding="utf-8") as f:
            return f.read()

    def backups(self):
        return sorted(name for name in os.listdir(os.path.dirname(self.config))
                      if name != "config.json")

    def test_a_host_without_a_file(self):
        done = self.regcred("docker-setup", "ghcr.io", "docker.io", "https://LOCALHOST:5000/")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(self.text()),
                         {"credHelpers": {"ghcr.io": "regcred", HUB: "regcred",
                                          "localhost:5000": "regcred"}})
        self.assertEqual((stat.S_IMODE(os.stat(self.config).st_mode), self.backups()), (0o600, []))
        again = self.regcred("docker-setup", "index.docker.io", "ghcr.io")
        self.assertEqual((again.returncode, again.stdout), (0, "nothing to do\n"))
        self.assertEqual(self.regcred("docker-setup", "--undo").returncode, 0)
        self.assertEqual(self.text(), "{}\n")

    def test_names_in_the_file_do_not_speak_to_the_terminal(self):
        self.put(
            json.dumps({"credsStore": "desk\x1b[2J\u202etop",
                        "credHelpers": {"evil\x1b[31m\u009b\u2066\u2028": "regcred",
                                        "ghcr.io": "o\u0007\u200fther"}}))
        said = self.regcred("docker-setup", "--all", "ghcr.io").stdout + self.regcred(
            "docker-setup", "--undo").stdout
        for bad in "\x1b\u202e\u009b\u2066\u2028\u0007\u200f":
            self.assertNotIn(bad, said)
        self.assertIn("credsStore: regcred (was desk?[2J?top)\n", said)
        self.assertIn("credHelpers evil?[31m???: removed\n", said)

    def test_the_layout_stays(self):
        """Indented by a tab as docker does, by blanks, in one line with and without blanks, with
        escapes: only our members come and go."""
        data = {"auths": {"https://index.docker.io/v1/": {"auth": "eDp5"}, "a.example": {}},
                "HttpHeaders": {"User-Agent": "x"},
                "credHelpers": {"gcr.io": "gcloud", "ghcr.io": "other"}, "n": [1, {"k": None}]}
        for arguments in ({"indent": "\t"}, {"indent": 2}, {"indent": 4}, {},
                          {"separators": (",", ":")}):
            for without in ((), ("credHelpers",), ("credHelpers", "auths", "HttpHeaders", "n")):
                old = {k: v for k, v in data.items() if k not in without}
                self.put(json.dumps(old, **arguments).replace("/", "\\/") + "\n")
                done = self.regcred("docker-setup", "--all", "ghcr.io", "docker.io",
                                    "port.example:443")
                self.assertEqual(done.returncode, 0, done.stderr)
                new = dict(old, credHelpers={**old.get("credHelpers", {}), "ghcr.io": "regcred",
                                             HUB: "regcred", "port.example": "regcred",
                                             "port.example:443": "regcred"}, credsStore="regcred")
                text = self.text()
                self.assertEqual(json.loads(text), new)
                if old:
                    self.assertEqual(text.replace("\\/", "/"), json.dumps(new, **arguments) + "\n")
                self.assertEqual(self.regcred("docker-setup", "--undo").returncode, 0)
                left = {k: v for k, v in new.items() if k != "credsStore"}
                left["credHelpers"] = {k: v for k, v in new["credHelpers"].items()
                                       if v != "regcred"}
                if not left["credHelpers"]:
                    del left["credHelpers"]
                self.assertEqual(json.loads(self.text()), left)
                if left and arguments.get("indent") != 4:
                    self.assertEqual(self.text().replace("\\/", "/"), json.dumps(left, **arguments)
                                     + "\n")

    def test_the_owner_stays(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        self.put('{"auths":{}}', 0o640)
        os.chown(self.config, 1234, 2345)
        self.assertEqual(self.regcred("docker-setup", "ghcr.io").returncode, 0)
        for name in [os.path.basename(self.config)] + self.backups():
            st = os.stat(os.path.join(os.path.dirname(self.config), name))
            self.assertEqual((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)), (1234, 2345, 0o640),
                             name)

    def test_runs_side_by_side_keep_each_other_s_entries(self):
        for _ in range(3):
            self.put("{}")
            names = ["r%d.example" % i for i in range(12)]
            running = [subprocess.Popen([harness.program("regcred"), "docker-setup", name],
                                        env=self.environ(), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL) for name in names]
            self.assertEqual([process.wait(60) for process in running], [0] * len(names))
            self.assertEqual(json.loads(self.text())["credHelpers"],
                             {name: "regcred" for name in names})

    def test_each_spelling_has_its_name(self):
        for given, podman, expected in (("docker.io", False, {HUB}),
                                        ("index.docker.io", False, {HUB}), (HUB, False, {HUB}), ("docker.io", True, {"docker.io"}), (HUB, True, {"docker.io"}),
                                        ("registry-1.docker.io", False, {HUB, "registry-1.docker.io"}), ("registry.hub.docker.com", True, {"docker.io", "registry.hub.docker.com"}),
                                        ("port.example:443", False, {"port.example", "port.example:443"}), ("https://port.example:443/v2/", True, {"port.example", "port.example:443"}),
                                        ("word:443", False, {"word", "word:443"}), ("http://plain.example:80", False, {"plain.example", "plain.example:80"}),
                                        ("[2001:DB8::1]:443", False,
                                         {"[2001:db8::1]", "[2001:db8::1]:443"}),
                                         ("odd.example:5000", False, {"odd.example:5000"})):
            path = os.path.join(self.home, "fresh", "auth.json" if podman else "config.json")
            if os.path.exists(path):
                os.remove(path)
            done = self.regcred("docker-setup", *(["--podman"] if podman else []), given,
                                REGISTRY_AUTH_FILE=path, DOCKER_CONFIG=os.path.dirname(path))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(set(json.loads(self.text(path))["credHelpers"]), expected, given)

    def test_all_else_stays(self):
        old = '{"z":1.50,"auths":{"ghcr.io":{"auth":"eDp5"}},"a":[1,{"b":null}],"credsStore":"desktop","credHelpers":{"gcr.io":"gcloud","ghcr.io":"other"},"t":true}'
        self.put(old, 0o640)
        real = os.path.join(self.home, "real.json")
        os.rename(self.config, real)
        os.symlink(real, self.config)
        dry = self.regcred("docker-setup", "--dry-run", "--all", "ghcr.io")
        self.assertEqual((dry.returncode, self.text()), (0, old))
        self.assertIn("credHelpers ghcr.io: regcred (was other)\n", dry.stdout)
        self.assertIn("credsStore: regcred (was desktop)\n", dry.stdout)
        self.assertIn("note: a password for ghcr.io is in the file", dry.stdout)
        done = self.regcred("docker-setup", "--all", "ghcr.io")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.text(), old.replace("desktop", "regcred").replace("other", "regcred")
                         + "\n")
        self.assertTrue(os.path.islink(self.config))
        self.assertEqual(stat.S_IMODE(os.stat(real).st_mode), 0o640)
        kept = [name for name in os.listdir(self.home)
                if name.startswith("real.json.regcred-backup-2")]
        self.assertEqual([self.text(os.path.join(self.home, name)) for name in kept], [old])
        self.assertEqual(self.regcred("docker-setup", "--undo").returncode, 0)
        self.assertEqual(json.loads(self.text()), {"z": 1.5, "auths": {"ghcr.io": {"auth": "eDp5"}},
                                                   "a": [1, {"b": None}],
                                                   "credHelpers": {"gcr.io": "gcloud"}, "t": True})

    def test_podman(self):
        path = os.path.join(self.home, "auth.json")
        done = self.regcred("docker-setup", "--podman", "docker.io", REGISTRY_AUTH_FILE=path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(self.text(path)), {"credHelpers": {"docker.io": "regcred"}})
        done = self.regcred("docker-setup", "--podman", "--all", REGISTRY_AUTH_FILE=path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("registries.conf", done.stderr)

    def test_refused_untouched(self):
        for text in ('{"auths":', "[]", '{"credHelpers":[]}', '{"a":1,"a":2}', "x"):
            self.put(text)
            done = self.regcred("docker-setup", "ghcr.io")
            self.assertEqual((done.returncode, self.text(), self.backups()), (1, text, []),
                             done.stderr)
        self.put("{}")
        for words in ((), ("two words",), ("quay.io/acme",), ("ftp://x",), ("--undo", "ghcr.io"),
                      ("--undo", "--all")):
            done = self.regcred("docker-setup", *words)
            self.assertEqual((done.returncode, self.text(), self.backups()), (1, "{}", []), words)


if __name__ == "__main__":
    unittest.main()
