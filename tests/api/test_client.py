"""The commands of regcred for logins and keys on another machine: tables, JSON, ids, names that
several have, no server, wrong keys, narrow terminals, odd characters, many rows."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import harness
import sources
from standin import Answer, Standin, basic_registry

site = None


def setUpModule():
    global site
    site = harness.Site(options=("--verify-networks", "127.0.0.0/8", "--verify-per-minute", "0"))
    site.start()


def tearDownModule():
    site.stop()


def date_in(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Base(harness.Case):
    site = property(lambda self: site)

    def setUp(self):
        super().setUp()
        self.project = site.project("clients")
        self.home = tempfile.mkdtemp(prefix="rc-home-")
        self.addCleanup(shutil.rmtree, self.home)
        self.key = site.new_key(self.project.admin, reveal=True)

    def environ(self, key=None, **more):
        path = os.path.join(self.home, "key")
        with open(path, "w", encoding="utf-8") as f:
            f.write("access_key = %s\nsecret_key = %s\n" % (key or self.key))
        os.chmod(path, 0o600)
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("REGCRED_", "XDG_", "DOCKER_"))
               and not k.lower().endswith("_proxy")}
        env.update(HOME=self.home, REGCRED_URL=site.base, REGCRED_API_KEY_FILE=path,
                   PATH=harness.BUILD + ":" + env.get("PATH", ""))
        env.update(more)
        return {k: v for k, v in env.items() if v is not None}

    def run_it(self, *words, stdin="", key=None, **more):
        return subprocess.run([harness.program("regcred"), *words], input=stdin,
                              env=self.environ(key, **more), capture_output=True, text=True,
                              timeout=60)

    def says(self, *words, **more):
        done = self.run_it(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), (words, done.stdout))
        self.assertNotIn(harness.PLANT, done.stdout)
        return done.stdout

    def fails(self, *words, status=1, **more):
        done = self.run_it(*words, **more)
        self.assertEqual(done.returncode, status, done)
        self.assertNotIn(harness.PLANT, done.stdout + done.stderr)
        return done.stderr + done.stdout

    def registry(self):
        """A registry on loopback that takes one password, and its address."""
        password = site.plant()
        server = Standin(basic_registry({"bot": password}))
        self.addCleanup(server.stop)
        return server.url, password


class Logins(Base):
    def test_the_life_of_a_login(self):
        address, password = self.registry()
        host = address[len("http://"):]
        out = self.says("add", address, "--user", "bot", "--password-stdin", "--test",
                        stdin=password + "\n")
        login = re.match(r"stored (1c\d+) bot@", out).group(1)
        self.assertRegex(out, r"(?m)^valid: ")
        self.assertIn("is this login already",
                      self.fails("add", address, "-u", "bot", stdin=password))
        table = self.says("ls").splitlines()
        self.assertRegex(table[0],
                         r"^ID +REGISTRY +USER +PATH +STATE +WORKS +EXPIRES +LAST USED +NAME$")
        self.assertRegex(table[1], r"^%s +http://%s +bot +- +active +valid +- +- +-$"
                         % (login, re.escape(host)))
        for name in (login, "bot", "bot@http://" + host, "http://" + host):
            self.assertIn("publicValue             bot\n", self.says("show", name))
            self.assertRegex(self.says("verify", name), r"^valid: ")
        self.assertEqual(self.says("ls", host, "-q"), login + "\n")
        self.assertEqual([json.loads(line)["id"]
                          for line in self.says("ls", "--json").splitlines()], [login])
        self.assertRegex(self.says("which", host + "/acme/app:1"),
                         r"^%s  bot@.*It is the only login" % login)
        wrong = self.fails("rotate", login, "--test", stdin=site.plant())
        self.assertRegex(wrong, r"(?m)^invalidCredential: ")
        self.assertRegex(self.says("rotate", login, "--test", "--from-file",
                                   self.write("new", password + "\n")), r"(?m)^valid: ")
        self.assertEqual(self.says("disable", login), "disabled %s\n" % login)
        self.assertIn("not used:\n  %s" % login, self.fails("which", host + "/acme/app"))
        self.assertEqual(self.says("enable", login), "enabled %s\n" % login)
        self.assertEqual(self.says("rm", login), "removed %s\n" % login)
        self.assertIn("there is no login", self.fails("show", login))
        self.assertRegex(self.says("registries"), r"(?m)^1sp\d+ +http://%s +active"
                         % re.escape(host))

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_a_login_with_a_source(self):
        stand_ins = sources.Sources()
        self.addCleanup(stand_ins.stop)
        words = ["add", "renewed.example", "--source", "vault", "--set", "address=" + stand_ins.url("vault"), "--set", "path=team/registry", "--password-stdin"]
        out = self.says(*words, stdin="hvs.stand-in")
        self.assertRegex(out, r"\Astored 1c\d+ pulls@renewed\.example \(active\).*\nrefreshed: ")
        self.assertRegex(self.says("ls"), r"renews in \d+ (minutes|seconds)")
        stand_ins["vault"].write("the second one")
        self.assertRegex(self.says("refresh", "renewed.example"), r"\Arefreshed: ")
        self.assertIn("renews itself", self.fails("rotate", "renewed.example", stdin="x"))
        out = self.fails("add", "refused.example", *words[2:], stdin="hvs.wrong")
        self.assertRegex(out, r"(?m)^stored 1c\d+ refused\.example \(active\)[^\n]*\nsourceRefused: ")
        self.assertRegex(self.says("ls"), r"NOT RENEWED: sourceRefused")
        told = self.fails("add", "more.example", "--source", "vault", "--set", "adress=x", stdin="x")
        self.assertIn("the source vault has address, mount", told)
        told = self.fails("add", "more.example", "--source", "quay", "--set", "endpoint=http://127.0.0.1:9", "--set", "organization=o",
                          "--set", "robot=r", "--set", "rotateEvery=weekly", stdin="x")
        self.assertIn('"rotateEvery" of sourceConfig has to be a number', told)
        for words in (["--source", "nothing"], ["--source", "vault", "--set", "adress=x"], ["--user", "bot"]):
            self.fails("add", "unmade.example", *words, stdin="x" if "--set" in words else "")
        self.assertNotIn("unmade.example", self.says("registries"))

    def test_a_password_that_is_typed_is_not_shown(self):
        address, password = self.registry()
        for words in (("add", address, "-u", "bot", "--test"), ("rotate", "bot", "--test"),
                      ("test", address, "-u", "bot")):
            ours, theirs = pty.openpty()
            process = subprocess.Popen([harness.program("regcred"), *words], stdin=theirs,
                                       stdout=subprocess.PIPE, stderr=theirs, start_new_session=True,
                                       env=self.environ(), text=True,
                                       preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            os.close(theirs)
            seen = b""
            while b"(not shown): " not in seen:
                seen += self.read_pty(ours)
            os.write(ours, password.encode() + b"\n")
            out, _ = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, out)
            self.assertRegex(out, r"(?m)^valid: ")
            seen += self.read_pty(ours)
            os.close(ours)
            self.assertNotIn(password.encode(), seen)
            self.assertNotIn(password, out)

    def test_a_trial_stores_nothing(self):
        address, password = self.registry()
        self.project.registry(serverAddress=address)
        self.assertRegex(self.says("test", address, "--user", "bot", stdin=password), r"^valid: ")
        self.assertRegex(self.fails("test", address, "--user", "bot", stdin=site.plant()),
                         r"^invalidCredential: ")
        self.assertEqual(self.says("ls", "-q"), "")

    def test_a_name_that_several_have_is_asked_back(self):
        rows = [self.project.credential(self.project.registry(), publicValue="ci-bot", name=n)
                for n in ("left", "right")]
        told = self.fails("show", "ci-bot")
        self.assertIn("2 of them are called ci-bot", told)
        for row in rows:
            self.assertIn(row["id"], told)
            self.assertIn('"id":"%s"' % row["id"], self.says("show", row["name"], "--json"))
        self.assertEqual(self.says("disable", "left", "right"),
                         "".join("disabled %s\n" % r["id"] for r in rows))
        told = self.fails("enable", "left", "nobody", "right")
        self.assertIn("there is no login nobody", told)
        self.assertEqual([r["state"] for r in map(self.read, rows)], ["active", "active"])

    def read(self, row):
        return self.project.env.get("registrycredentials/" + row["id"]).json

    def test_what_ends_soon(self):
        registry = self.project.registry()
        soon = self.project.credential(registry, expiresAt=date_in(86400 * 3), publicValue="soon")
        self.project.credential(registry, expiresAt=date_in(86400 * 90), publicValue="late")
        self.project.credential(registry, publicValue="never")
        self.assertEqual(self.says("expiring", "-q"), soon["id"] + "\n")
        self.assertRegex(self.says("expiring"), r"in [23] days")
        self.assertEqual(len(self.says("expiring", "--within", "91d", "-q").splitlines()), 2)
        self.assertIn("days or hours", self.fails("expiring", "--within", "soon"))

    def test_odd_characters_do_no_harm(self):
        row = self.project.credential(self.project.registry(), publicValue="b\u00f6t-\u202e\u2028x",
                                      name="\u6f22\u5b57")
        out = self.says("ls")
        self.assertNotRegex(out, "[\u202e\u2028\x1b]")
        self.assertIn("\u6f22\u5b57", out)
        self.assertIn(row["id"], self.says("show", "\u6f22\u5b57"))
        self.assertNotIn("\u202e", self.says("show", row["id"]))
        # Escapes of a terminal, stored as they are, and from a server that does not check anything.
        escape = "\x1b[2J\x1b]0;title\x07"
        told = self.says("add", "ghcr.io", "-u", "bot" + escape, "--name", "x" + escape, stdin="x")
        server = Standin(lambda request: Answer(200, {"type": "collection", "data": [
            {"id": "1c1", "type": "registryCredential", "name": "x" + escape, "publicValue": escape,
             "state": "active", "registryId": "1sp1", "serverAddress": escape}]}))
        self.addCleanup(server.stop)
        for url, name in ((server.url, "1c1"), (site.base, re.search(r"1c\d+", told).group())):
            for words in (("ls",), ("used",), ("registries",), ("key", "ls"), ("show", name)):
                done = self.run_it(*words, REGCRED_URL=url)
                told += done.stdout + done.stderr
                self.assertEqual(done.returncode, 0, done)
        self.assertNotRegex(told, "[\x1b\x07]")

    def test_wrong_use_says_what_to_do(self):
        for words, text in ((["show"], "which login?"), (["add"], "which registry?"),
                            (["add", "ghcr.io"], "--user"), (["which"], "which image?"), (["test", "ghcr.io"], "--user"),
                            (["add", "http://", "-u", "x"], "no valid host"), (["ls", "nowhere.example"], "there is no registry"), (["audit", "--limit", "0"], "1 to 1000"), (["audit", "--limit", "10x"], "1 to 1000"),
                            (["add", "ghcr.io", "-u", "bot", "--set", "a=b"], "--source"),
                            (["add", "ghcr.io", "--source", "nothing"], "no source nothing"), (["show", "1c999999"], "there is no login"), (["ls", "--project", "nowhere"], "there is no project"),
                            (["key", "create", "--for", "fun"], "--for host"),
                            (["key", "create", "--for", "ci", "--role", "readonly"], "leave out --role"),
                            (["rotate", "x"], "there is no login"), (["rotate", "x", "--overlap", "30m"], "days or hours"), (["rm"], "which login?")):
            told = self.fails(*words)
            self.assertIn(text, told, words)
            self.assertEqual(len(told.splitlines()), 1, told)
        for words, text in (((), "which command?"), (("nothing",), "unknown command"),
                            (("ls", "--nothing"), "unknown option --nothing"),
                            (("ls", "a", "b"), "unexpected argument: b"),
                            (("show", "--limit", "3", "x"), "--limit"),
                            (("ls", "--project"), "--project"), (("admin", "ls"), "unknown command")):
            self.assertIn(text, self.fails(*words, status=2), words)
        self.project.credential(self.project.registry(serverAddress="empty.example"),
                                publicValue="e")
        self.assertIn("the secret is empty", self.fails("rotate", "e", stdin="\n"))
        self.assertIn("--from-file", self.fails("add", "more.example", "-u", "bot", stdin=""))

    def test_no_server_and_wrong_keys(self):
        self.assertIn("which server?",
                      self.fails("ls", REGCRED_URL=None, REGCRED_API_KEY_FILE=None))
        self.assertIn("failed", self.fails("ls", REGCRED_URL="http://127.0.0.1:1"))
        self.assertIn("does not accept this key", self.fails("ls", key=("A" * 20, "wrong")))
        self.assertIn("check the URL", self.fails("ls", REGCRED_URL=site.base + "/nowhere"))
        reader = site.new_key(self.project.env, role="readonly")
        self.says("ls", key=reader)
        self.assertIn("405", self.fails("add", "ghcr.io", "-u", "bot", stdin="x", key=reader))
        helper = site.new_key(self.project.admin, role="reveal")
        self.assertNotEqual(self.run_it("ls", key=helper).returncode, 0)
        self.assertIn("none", self.fails("which", "ghcr.io/acme/app", key=helper))

    def test_all_pages_are_shown(self):
        registry = self.project.registry(serverAddress="many.example")
        first = self.project.credential(registry, publicValue="u0")
        self.copy_row(first["id"][2:], 4999)
        self.assertEqual(len(self.says("ls", "-q").splitlines()), 5000)
        self.assertEqual(
            len({json.loads(line)["id"] for line in self.says("ls", "--json").splitlines()}), 5000)
        self.assertEqual(len(self.says("ls", "many.example").splitlines()), 5001)
        told = self.fails("show", "many.example")
        self.assertIn("5000 of them are called many.example", told)
        self.assertLess(len(told), 1000)

    @staticmethod
    def copy_row(number, times):
        """Logins that are as this one, written to the database in one transaction."""
        names = [row[1] for row in site.sql("PRAGMA table_info(credential)") if row[1] != "id"]
        values = ["'%s-copy-' || value" % number if n == "uuid" else "'u' || value" if n == "public_value" else n
                  for n in names]
        site.sql("WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < %d) "
                 "INSERT INTO credential (%s) SELECT %s FROM n, credential WHERE id = %s"
                 % (times, ", ".join(names), ", ".join(values), number), write=True)

    def on_a_terminal(self, width, *words, **env):
        """What a person sees, and what is said besides."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        process = subprocess.Popen([harness.program("regcred"), *words], stdin=subprocess.DEVNULL,
                                   stdout=theirs, stderr=subprocess.PIPE, text=True,
                                   env=self.environ(TERM="xterm", **env))
        os.close(theirs)
        parts = []
        reader = threading.Thread(
            target=lambda: parts.extend(iter(lambda: self.read_pty(ours), b"")), daemon=True)
        reader.start()
        told = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, told)
        reader.join(10)
        os.close(ours)
        return b"".join(parts).decode(), told

    def test_a_table_fits_the_terminal(self):
        row = self.project.credential(self.project.registry(), publicValue="\u6f22" * 40,
                                      name="n" * 100, pathPrefix="a/" * 40 + "b",
                                      expiresAt=date_in(86400 * 3))
        for width, lost, env in ((60, True, {}), (90, False, {}), (300, False, {"NO_COLOR": "1"}),
                                 (8, True, {})):
            text, told = self.on_a_terminal(width, "ls", **env)
            self.assertEqual("\x1b[32m" in text, not env and width > 8)
            self.assertEqual("too narrow" in told, lost, told)
            lines = re.sub(r"\x1b\[\d+m", "", text).splitlines()
            self.assertEqual(len(lines), 2, text)
            self.assertTrue(lines[1].startswith(row["id"]), text)
            for line in lines:
                self.assertLessEqual(len(line), width, line)
        # What is empty goes first, and then nothing of the rest is lost.
        self.project.env.put("registrycredentials/" + row["id"],
                             {"name": None, "pathPrefix": None, "publicValue": "bot"})
        text, told = self.on_a_terminal(66, "ls", NO_COLOR="1")
        self.assertRegex(text, r"\AID +REGISTRY +USER +STATE +WORKS +EXPIRES\r\n")
        self.assertRegex(text, r"in 3 days")
        self.assertEqual(told, "")

    @staticmethod
    def read_pty(fd):
        try:
            return os.read(fd, 65536)
        except OSError:
            return b""


class Keys(Base):
    def test_a_key_for_each_purpose(self):
        registry = self.project.registry(serverAddress="ghcr.io")
        self.project.credential(registry, publicValue="bot", pathPrefix="acme")
        for purpose, role in (("host", "reveal"), ("ci", "reveal"), ("inject", "inject")):
            done = self.run_it("key", "create", "--for", purpose, "--registry", "ghcr.io", "--path",
                               "acme", "--expires", "90d", "--networks", "127.0.0.0/8,::1/128",
                               "--name", purpose, "--description", "made for it")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("only time", done.stderr)
            access, secret = re.search(
                r"(?i)access_key ?= ?(\S+)\n(?:REGCRED_)?secret_key ?= ?(\S+)",
                done.stdout).groups()
            site.key_secrets.append((access, secret))
            row = self.project.env.get("apikeys?publicValue=" + access).json["data"][0]
            self.assertEqual((row["role"], row["registryIds"], row["pathPrefixes"], row["networks"],
                              row["name"], row["description"]),
                             (role, [registry["id"]], ["acme"], ["127.0.0.0/8", "::1/128"], purpose, "made for it"))
            self.assertRegex(self.says("key", "ls"),
                             r"%s +active +%s +%s acme 127\.0\.0\.0/8 ::1/128 +in (89|90) days"
                             % (access, role, registry["id"]))
            self.assertEqual(self.run_it("which", "ghcr.io/acme/app",
                                         key=(access, secret)).returncode, 0)
            self.assertEqual(self.says("key", "revoke", purpose), "revoked %s\n" % row["id"])
            self.assertIn("does not accept",
                          self.fails("which", "ghcr.io/acme/app", key=(access, secret)))
        self.assertIn("there is no registry nowhere",
                      self.fails("key", "create", "--for", "ci", "--registry", "nowhere"))

    def test_a_key_that_makes_keys_for_hosts(self):
        """Made on the server; `regcred login` reads what is printed from a pipe."""
        none = {"REGCRED_URL": None, "REGCRED_API_KEY_FILE": None}
        for words, may in (((), False), (("--reveal",), True)):
            made = site.cli("key", "create", "--state-dir", site.state, "--account",
                            self.project.id, *words)
            site.key_secrets.append(tuple(line.split("=")[1] for line in made.splitlines()))
            self.says("login", site.base, stdin=made, **none)
            told = self.says("whoami", **none)
            self.assertEqual(re.search("(?m)^(may|not) +get passwords", told).group(1),
                             "may" if may else "not")
            done = self.run_it("key", "create", "--for", "host", "--json", **none)
            if may:
                row = json.loads(done.stdout)
                site.key_secrets.append((row["publicValue"], row["secretValue"]))
                self.assertEqual((row["role"], row["reveal"]), ("reveal", True))
            else:
                self.assertEqual(done.returncode, 1)
                self.assertIn("reveal", done.stderr)
        self.assertIn("leave out --role, --reveal", self.fails("key", "create", "--for", "host",
                                                              "--reveal"))

    def test_who_am_i(self):
        out = self.says("whoami")
        self.assertIn(self.key[0], out)
        for word in ("store and change logins", "make API keys"):
            self.assertRegex(out, r"(?m)^may +" + word)
        out = self.says("whoami", key=site.new_key(self.project.env, role="readonly",
                                                   networks=["127.0.0.0/8"]))
        self.assertRegex(out, r"(?m)^not +store and change logins")
        self.assertRegex(out, r"(?m)^bounds +127\.0\.0\.0/8$")
        out = self.says("whoami", key=site.new_key(self.project.admin, role="reveal"))
        self.assertRegex(out, r"(?m)^may +get passwords")
        self.assertRegex(out, r"(?m)^not +list logins")

    def test_projects_and_members(self):
        admin = site.new_key(site.admin)
        other = site.project("other-%s" % self.project.id)
        self.assertIn("other-%s" % self.project.id, self.says("projects", key=admin))
        row = other.credential(other.registry(), publicValue="there")
        self.assertEqual(self.says("ls", "-q", "--project", "other-%s" % self.project.id,
                                   key=admin), row["id"] + "\n")
        self.assertEqual(self.says("ls", "-q", "--project", other.id, key=admin), row["id"] + "\n")
        self.assertRegex(self.says("members", "--project", other.id, key=admin),
                         r"(?m)^1pm\d+ +%s +owner" % other.id)

    def test_the_audit_log_in_order(self):
        row = self.project.credential(self.project.registry())
        self.says("disable", row["id"])
        out = self.says("audit", "--resource", row["id"]).splitlines()
        self.assertRegex(out[0], r"^ID +TIME +WHO +FROM +EVENT +OF$")
        self.assertEqual([line.split()[-3] for line in out[1:]], ["create", "deactivate"])
        self.assertEqual(len(self.says("audit", "--limit", "1", "--json").splitlines()), 1)

    def test_the_log_is_followed(self):
        process = subprocess.Popen([harness.program("regcred"), "audit", "--follow", "--limit", "1",
                                    "--json"], env=self.environ(), stdout=subprocess.PIPE,
                                    text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.stdout.readline()
        row = self.project.credential(self.project.registry())
        self.assertTrue(any(json.loads(process.stdout.readline())["resourceId"] == row["id"]
                            for _ in range(8)))


class Servers(Base):
    def test_contexts_are_kept_apart(self):
        none = {"REGCRED_URL": None, "REGCRED_API_KEY_FILE": None}
        text = "access_key = %s\nsecret_key = %s\n"
        reader = site.new_key(self.project.env, role="readonly")
        self.assertIn("client.ini", self.says("login", site.base, stdin=text % self.key, **none))
        self.assertIn("second.ini", self.says("login", site.base, "--context", "second", stdin=text
                                              % reader, **none))
        self.assertIn(self.key[0], self.says("whoami", **none))
        self.assertIn(reader[0], self.says("whoami", "--context", "second", **none))
        self.assertIn(reader[0], self.says("whoami", REGCRED_CONTEXT="second", **none))
        self.assertIn("letters, digits", self.fails("whoami", "--context", "../x", **none))
        self.assertIn("letters, digits", self.fails("logout", "--context", "../x", **none))
        self.assertIn("letters, digits", self.fails("login", site.base, "--context", "../x", stdin=text % reader, **none))
        self.says("logout", "--context", "second", **none)
        self.assertIn("which server?", self.fails("whoami", "--context", "second", **none))
        self.assertIn(self.key[0], self.says("whoami", **none))


class Doctor(Base):
    def test_each_step_of_a_pull(self):
        address, password = self.registry()
        host = address[len("http://"):]
        row = self.project.credential(self.project.registry(serverAddress=address),
                                      publicValue="bot", secretValue=password)
        helper = site.new_key(self.project.admin, role="reveal")
        told = self.fails("doctor", host + "/acme/app", key=helper)
        self.assertRegex(told, r"(?m)^WRONG +docker +.*docker-setup " + re.escape(host))
        self.assertRegex(told, r"(?m)^ok +server ")
        self.assertRegex(told, r"(?m)^ok +login +%s bot is used" % row["id"])
        self.says("docker-setup", host)
        told = self.run_it("doctor", host + "/acme/app", key=helper)
        self.assertRegex(told.stdout, r"(?m)^ok +docker +.* asks regcred for " + re.escape(host))
        self.assertRegex(told.stdout, r"(?m)^ok +helper +/")
        self.assertRegex(told.stdout, r"(?m)^ok +password ")
        config = os.path.join(self.home, ".docker", "config.json")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"auths": {host: {"auth": "eDp5"}}}, f)
        self.assertRegex(self.fails("doctor", host + "/acme/app", key=helper),
                         r"(?m)^WRONG +docker +.*docker logout")
        self.assertRegex(self.fails("doctor", host + "/acme/app", key=helper,
                                    DOCKER_AUTH_CONFIG="{}"),
                                    r"(?m)^WRONG +docker +DOCKER_AUTH_CONFIG")
        self.assertRegex(self.fails("doctor", host + "/acme/app", key=helper, PATH="/nowhere"),
                         r"(?m)^WRONG +helper ")
        told = self.fails("doctor", "other.example/acme/app", key=helper)
        self.assertRegex(told, r"(?m)^WRONG +login +no login of this registry")
        for image in ("ubuntu", "ubuntu:24.04", "ubuntu@sha256:" + "a" * 64):
            self.assertRegex(self.fails("doctor", image, key=helper),
                             r"(?m)^WRONG +docker +.*docker-setup https://index\.docker\.io/v1/")
        told = self.fails("doctor", host.partition(":")[0], key=helper)
        self.assertRegex(told, r"(?m)^WRONG +docker +.*docker-setup 127\.0\.0\.1")
        told = self.fails("doctor", host + "/acme/app", key=("A" * 20, "x"))
        self.assertRegex(told, r"(?m)^WRONG +server +.*does not accept")
        self.assertNotIn("login ", told.split("server")[1][20:].replace("regcred login", ""))


if __name__ == "__main__":
    unittest.main()
