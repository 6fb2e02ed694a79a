"""Sign-on by the web server: who is believed, who is refused, what groups give, and what cannot be
forged.

Most requests are FastCGI over the pool's socket, as a web server would send them that has signed
somebody in.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

import harness
import test_pool as fcgi

TOKEN = harness.PLANT + "-token-0123456789abcdef0123456789"
NOBODY = 65534

GROUPS = """
[groups]
ops       = admin
readers   = readAdmin
everybody = user
team-a    = 1a6:member
team-a    = 1a7:readonly
leads     = 1a6:owner
watch     = 1a6:readonly
limited   = 1a6:restricted
nowhere   = 1a999:owner
no-project = 1a1:owner
x=y       = 1a6:member
Größe     = 1a6:member
"""

directory = site = None


def setUpModule():
    global directory, site
    directory = tempfile.mkdtemp(prefix="rc-")
    token_file("token", TOKEN + "\n")
    site = harness.Site(
        environment={"REGCRED_CONFIG": settings("site.conf", "proxy_create_users = yes\n")})
    try:
        site.start()
    except BaseException:
        shutil.rmtree(directory)
        raise
    fcgi.site = site
    globals()["alpha"], globals()["beta"] = site.project("alpha"), site.project("beta")
    assert (alpha.id, beta.id) == ("1a6", "1a7"), "the groups' projects are others: %s %s" % (
        alpha.id, beta.id)


def tearDownModule():
    try:
        site.stop()
    finally:
        shutil.rmtree(directory)


def token_file(name, text, mode=0o600):
    path = os.path.join(directory, name)
    with open(path, "wb") as f:
        f.write(text.encode() if isinstance(text, str) else text)
    os.chmod(path, mode)
    return path


def settings(name, more="", groups=GROUPS, token="token"):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write("proxy_auth = yes\nproxy_token_file = %s\n%s%s"
                % (os.path.join(directory, token), more, groups))
    return path


def params(pairs):
    """Parameters as bytes, so that anything can be sent."""
    out = b""
    for name, value in pairs:
        name, value = (v if isinstance(v, bytes) else v.encode() for v in (name, value))
        out += (len(name) | 1 << 31).to_bytes(4, "big") + (len(value) | 1 << 31).to_bytes(
            4, "big") + name + value
    return out


def claims(user=None, groups=None, email=None, token=TOKEN):
    given = (("USER", user), ("GROUPS", groups), ("EMAIL", email), ("TOKEN", token))
    return [("REGCRED_PROXY_" + name, value) for name, value in given if value is not None]


def send(pairs=(), method="GET", uri="/v1/projects", body=None, key=None, path=None):
    data = b"" if body is None else json.dumps(body).encode()
    fixed = [("REQUEST_METHOD", method), ("REQUEST_URI", uri),
             ("REGCRED_HOST", "direct.example.test"), ("REGCRED_SCHEME", "http"),
             ("REGCRED_PREFIX", ""), ("REMOTE_ADDR", "127.0.0.1"),
             ("CONTENT_LENGTH", str(len(data)))]
    fixed += [("HTTP_AUTHORIZATION", fcgi.basic(key))] if key else []
    content = params(fixed + list(pairs))
    s = fcgi.dial(path or site.socket)
    s.sendall(fcgi.begin() + b"".join(fcgi.record(fcgi.PARAMS, content[i:i + 60000])
                                      for i in range(0, len(content), 60000)) +
              fcgi.record(fcgi.PARAMS) + fcgi.stdin(data) + fcgi.record(fcgi.STDIN))
    return fcgi.Answer(fcgi.read_all(s))


def ask(user, groups=None, email=None, more=(), **kw):
    return send(claims(user, groups, email) + list(more), **kw)


def account_of(user):
    rows = site.sql("SELECT id, kind, state, name, description FROM account WHERE external_id_type "
                    "= 'proxy' AND external_id = ?", (user,))
    return rows


class ProxyCase(harness.Case):
    serial = 0

    @property
    def site(self):
        return site

    def user(self, name="u"):
        """The name and the id of a user who has signed in once."""
        ProxyCase.serial += 1
        name = "%s%d" % (name, ProxyCase.serial)
        answer = ask(name)
        self.assertEqual(answer.status, 200, answer)
        return name, answer.headers["X-API-User-Id"]

    def log(self):
        with open(site.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def is_refused(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.json["code"], code, answer)
        self.assertNotIn(TOKEN[:20].encode(), answer.data)

    def role(self, answer_of):
        """What the schemas say that a caller may do with registries: his role, as far as it
        shows."""
        answer = answer_of("/v1/schemas")
        self.assertEqual(answer.status, 200, answer)
        found = {t["id"]: "".join(sorted(m[0] for m in t["collectionMethods"]))
                 for t in answer.json["data"]}
        return found


class Believing(ProxyCase):
    def test_a_user_with_the_token_is_who_the_web_server_says(self):
        name, account = self.user()
        row = account_of(name)
        self.assertEqual([(r[1], r[2], r[3]) for r in row], [("user", "active", name)])
        answer = ask(name, uri="/v1/accounts/" + account)
        self.assertEqual((answer.status, answer.json["kind"]), (200, "user"), answer)
        self.assertEqual(answer.headers["X-API-Account-Id"], account)

    def test_the_name_counts_exactly(self):
        name, account = self.user("Case")
        for other in (name.upper(), name.lower(), " " + name, name + " ", name + "\u0301"):
            self.assertNotEqual(ask(other).headers["X-API-User-Id"], account, other)
        self.assertEqual(ask(name).headers["X-API-User-Id"], account)

    def test_the_longest_claims_are_taken(self):
        answer = ask("u" * 255, "g," * 2048, "e" * 255)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(account_of("u" * 255)[0][4], "e" * 255)
        self.assertEqual(ask("\u00fc" * 127).status, 200)

    def test_the_token_alone_is_nobody(self):
        self.is_refused(send(claims()), 401, "Unauthorized")
        self.assertEqual(send(claims(), key=alpha.env.key).status, 200)

    def test_a_key_alone_is_a_key(self):
        self.assertEqual(send(key=alpha.env.key).status, 200)

    def test_two_first_requests_at_once_make_one_account(self):
        for turn in range(5):
            name, answers, gate = "race%d" % turn, [], threading.Barrier(8)

            def run():
                gate.wait()
                answers.append(ask(name))
            threads = [threading.Thread(target=run) for _ in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual([a.status for a in answers], [200] * 8)
            self.assertEqual(len({a.headers["X-API-User-Id"] for a in answers}), 1)
            self.assertEqual(len(account_of(name)), 1)

    def test_the_making_is_in_the_audit_log(self):
        _, account = self.user()
        self.assertEqual([step[0] for step in site.steps(account)], ["create", "activate"])
        self.assertEqual(site.sql("SELECT actor_id FROM audit_log WHERE resource_id = ?",
                                  (account,)), [(2,)])

    def test_an_account_that_is_not_active_is_refused_and_not_made_again(self):
        name, account = self.user()
        key = site.new_key(site.admin, accountId=account)
        for action in ("deactivate", "remove", "purge"):
            answer = site.admin.action("accounts/" + account, action, check=False)
            self.assertEqual(answer.status, 202, answer)
            self.is_refused(ask(name), 403, "Forbidden")
            self.is_refused(ask(name, "ops"), 403, "Forbidden")
            self.is_refused(ask(name, key=key), 401, "Unauthorized")
        self.assertEqual(len(account_of(name)), 1)

    def test_only_accounts_of_people_are_signed_in(self):
        for kind, status in (("user", 200), ("admin", 200), ("readAdmin", 200),
                             ("projectadmin", 200), ("superadmin", 403), ("service", 403),
                             ("project", 403), ("agent", 403), ("token", 403)):
            name = "kind-" + kind
            site.cli("account", "add", "--state-dir", site.state, "--kind", "user", "--name", name,
                     "--proxy-user", name)
            site.sql("UPDATE account SET kind = ? WHERE external_id = ?", (kind, name), write=True)
            self.assertEqual(ask(name).status, status, kind)
            self.assertEqual(ask(name, "ops").status, status, kind)

    def test_another_external_id_type_is_another_name(self):
        made = self.ok(site.admin.post("accounts", {"name": "ldap", "externalId": "shared",
                                                    "externalIdType": "ldap_user"}), 201)
        self.assertNotEqual(ask("shared").headers["X-API-User-Id"], made["id"])

    def test_a_name_is_of_one_account(self):
        name, account = self.user()
        self.err(site.admin.post("accounts", {"externalId": name, "externalIdType": "proxy"}), 422,
                 "NotUnique", "externalId")
        _, other = self.user()
        self.err(site.admin.put("accounts/" + other, {"externalId": name}), 422, "NotUnique",
                 "externalId")
        for _ in range(2):                               # other types may repeat
            self.ok(site.admin.post("accounts",
                                    {"externalId": name, "externalIdType": "ldap_user"}), 201)

    def test_an_administrator_names_an_account_s_user(self):
        made = self.ok(site.admin.post("accounts", {"name": "x", "externalId": "named",
                                                    "externalIdType": "proxy"}), 201)
        self.assertEqual(ask("named").headers["X-API-User-Id"], made["id"])

    def test_a_user_cannot_take_a_name(self):
        name, account = self.user()
        answer = ask(name, method="PUT", uri="/v1/accounts/" + account,
                     body={"externalId": "root", "kind": "admin"})
        self.assertIn(answer.status, (403, 405), answer)
        self.assertEqual(len(account_of(name)), 1)


class Refusing(ProxyCase):
    def test_a_missing_or_wrong_token_is_401_with_a_line_in_the_log(self):
        name, _ = self.user()
        wrong = [None, "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), TOKEN + "\n", " " + TOKEN,
                 "x" * 32, "0" * 5000, ""]
        for token in wrong:
            for given in (claims(name, token=token), claims(name, "ops", token=token),
                          claims(None, "ops", token=token), claims(None, None, "e", token=token)):
                known = len(self.log())
                answer = send(given)
                self.is_refused(answer, 401, "Unauthorized")
                self.assertIn("REGCRED_PROXY_TOKEN is " + ("missing" if token is None else "wrong"),
                              self.log()[known:])
                known = len(self.log())                  # never silently the key's either
                self.is_refused(send(given, key=alpha.env.key), 401, "Unauthorized")
        self.is_refused(send(claims(token="x" * 40)), 401, "Unauthorized")

    def test_a_parameter_twice_is_400(self):
        name, _ = self.user()
        for extra in (("USER", name), ("USER", "admin"), ("USER", ""), ("GROUPS", "ops"),
                      ("GROUPS", ""), ("EMAIL", "e"), ("EMAIL", ""), ("TOKEN", TOKEN),
                      ("TOKEN", ""), ("TOKEN", "x")):
            pair = ("REGCRED_PROXY_" + extra[0], extra[1])
            full = claims(name, "everybody", "e@example.test")
            for order in (full + [pair], [pair] + full):
                self.is_refused(send(order), 400, "Bad Request")
                self.is_refused(send(order, key=alpha.env.key), 400, "Bad Request")

    def test_what_is_empty_too_long_or_not_plain_text_is_400(self):
        bad = ["", "\n", "a\nb", "a\rb", "a\tb", "\x01", "\x7f", "\u0080", "\u009f", b"\xff",
               b"a\xc0\xafb", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"]
        for text in bad + ["u" * 256, "\u00fc" * 128]:
            self.is_refused(ask(text), 400, "Bad Request")
        for text in bad + ["g" * 4097]:
            self.is_refused(ask("someone", text), 400, "Bad Request")
        for text in bad + ["e" * 256]:
            self.is_refused(ask("someone", "g", text), 400, "Bad Request")
        self.is_refused(ask(None, "ops"), 400, "Bad Request")
        self.is_refused(ask(None, None, "e@example.test"), 400, "Bad Request")
        self.assertEqual(account_of("someone"), [])

    def test_NUL_in_a_name_ends_it_nowhere_else(self):
        """libfcgi cuts a value at NUL; what is left is the name, and no other one."""
        answer = ask(b"nul\0admin")
        self.assertIn(answer.status, (200, 400), answer)
        self.assertEqual(account_of("nul\0admin"), [])

    def test_headers_in_every_spelling_are_no_identity(self):
        user, account = self.user()
        names = ["REGCRED_PROXY_USER", "Regcred-Proxy-User", "regcred_proxy_user",
                 "X-Auth-Request-User", "X_Auth_Request_User", "Remote-User", "REMOTE_USER",
                 "remote_user", "X-Forwarded-User", "X-Remote-User", "X-authentik-username",
                 "X-WEBAUTH-USER", "X-API-User-Id"]
        for name in names:
            self.status(site.anonymous().get("projects", headers={name: user}, check=False), 401)
        for name in sorted({"HTTP_" + n.upper().replace("-", "_") for n in names} |
                           {"REMOTE_USER", "AUTH_USER", "AUTH_TYPE", "LOGON_USER",
                            "SSL_CLIENT_S_DN", "HTTP_REGCRED_PROXY_USER", "regcred_proxy_user",
                            "Regcred_Proxy_User", "REGCRED-PROXY-USER", "REGCRED_PROXY_USER ", " REGCRED_PROXY_USER", "REGCRED_PROXY_USERS",
                            "REGCRED_PROXY_USE", "REDIRECT_REGCRED_PROXY_USER"}):
            self.is_refused(send([(name, user), ("REGCRED_PROXY_TOKEN", TOKEN)]), 401,
                            "Unauthorized")
            answer = send([(name, "1a1")] + claims(user))   # and they do not disturb one
            self.assertEqual((answer.status, answer.headers.get("X-API-User-Id")), (200, account),
                             name)
        every = [("HTTP_REGCRED_PROXY_USER", user), ("HTTP_REGCRED_PROXY_TOKEN", TOKEN),
                 ("HTTP_REGCRED_PROXY_GROUPS", "ops")]
        self.is_refused(send(every), 401, "Unauthorized")

    def test_REMOTE_USER_from_an_unverified_Basic_header_is_no_identity(self):
        user, _ = self.user()
        self.is_refused(send([("REMOTE_USER", user), ("AUTH_TYPE", "Basic")],
                             key=(user, "anything")), 401, "Unauthorized")
        self.is_refused(send(claims(user) + [("REMOTE_USER", user)], key=(user, "anything")), 401,
                        "Unauthorized")

    def test_the_setting_off_ignores_the_parameters(self):
        with fcgi.Pool(environment={"REGCRED_CONFIG": ""}) as pool:
            self.is_refused(send(claims("alice", "ops"), path=pool.socket), 401, "Unauthorized")
            self.is_refused(send(claims("alice") * 2, path=pool.socket), 401, "Unauthorized")
            self.assertNotIn("proxy", pool.text().lower())

    def test_an_unknown_user_is_403_unless_the_settings_say_otherwise(self):
        env = {"REGCRED_CONFIG": settings("known.conf")}
        with fcgi.Pool(environment=env) as pool:
            for groups in (None, "ops", "team-a"):
                self.is_refused(send(claims("alice", groups), path=pool.socket), 403, "Forbidden")
            self.assertIn('signed in "alice", who has no account', pool.text())
            out = site.cli("account", "add", "--state-dir", pool.state, "--name", "Alice",
                           "--proxy-user", "alice")
            answer = send(claims("alice"), path=pool.socket)
            self.assertEqual((answer.status, answer.headers["X-API-User-Id"]), (200, out.strip()),
                             answer)
            self.is_refused(send(claims("bob"), path=pool.socket), 403, "Forbidden")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to become another user")
    def test_the_token_does_not_help_another_user_of_the_machine(self):
        env = {"REGCRED_CONFIG": settings("peer.conf", "proxy_create_users = yes\n")}
        os.chmod(site.root, 0o711)
        with fcgi.Pool("--socket-mode", "0666", environment=env) as pool:
            os.chmod(pool.state, 0o711)
            os.chmod(pool.socket, 0o666)
            self.assertEqual(send(claims("alice"), path=pool.socket).status, 200)
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                status = b"failed"
                try:
                    os.setgroups([])
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                    status = b"%r" % send(claims("alice"), path=pool.socket).status
                except (BrokenPipeError, ConnectionResetError):
                    status = b"None"
                except BaseException as e:               # the parent shows it
                    status = repr(e).encode()
                finally:
                    os.write(write, status)
                    os._exit(0)
            os.close(write)
            os.waitpid(pid, 0)
            with os.fdopen(read, "rb") as f:
                self.assertEqual(f.read(), b"None")
            self.assertIn("refused a connection from uid %d" % NOBODY, pool.text())

    def test_the_pool_does_not_start_without_a_good_token(self):
        cases = [("short", TOKEN[:31], 0o600, "at least 32 characters"),
                 ("empty", "", 0o600, "at least 32 characters"),
                 ("newline", "\n", 0o600, "at least 32 characters"), ("group", TOKEN, 0o640, "0600 or 0400"), ("world", TOKEN, 0o604, "0600 or 0400"),
                 ("run", TOKEN, 0o700, "0600 or 0400"), ("long", "x" * 513, 0o600, "at most 512"), ("lines", TOKEN + "\n" + TOKEN, 0o600, "one line"),
                 ("blank", TOKEN + " x", 0o600, "one line"), ("first", " " + TOKEN, 0o600, "one line"), ("quote", TOKEN + '"', 0o600, "one line"),
                 ("nul", TOKEN + "\0", 0o600, "NUL"),
                 ("umlaut", TOKEN + "\u00fc", 0o600, "one line")]
        self.other = os.path.join(site.root, "other")
        site.cli("init", "--state-dir", self.other)
        for name, text, mode, why in cases:
            with self.subTest(name):
                path = token_file("bad-" + name, text, mode)
                self.does_not_start(settings("bad.conf", token="bad-" + name), path, why)
        self.does_not_start(settings("bad.conf", token="absent"), "absent", "No such file")
        os.mkfifo(os.path.join(directory, "fifo"), 0o600)
        self.does_not_start(settings("bad.conf", token="fifo"), "fifo", "not a file")
        self.does_not_start(settings("bad.conf", token="."), directory, "not a file")

    def does_not_start(self, conf, *words):
        for arguments in ([], ["--check"]):
            done = fcgi.run_regcredd("--state-dir", self.other, *arguments,
                                     environment={"REGCRED_CONFIG": conf})
            said = done.stdout + done.stderr
            self.assertIn(done.returncode, (1, 2), said)
            for word in words:
                self.assertIn(word, said)
            self.assertNotIn(TOKEN[:20], said.replace(directory, ""))

    def test_a_good_token_file_of_either_mode_starts(self):
        for mode in (0o600, 0o400):
            token_file("good%o" % mode, TOKEN + "\r\n", mode)
            done = fcgi.run_regcredd("--state-dir", site.state, "--check",
                                     environment={"REGCRED_CONFIG": settings(
                                         "good.conf", token="good%o" % mode)})
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_settings_that_cannot_be_meant_are_start_errors(self):
        def refused(text, *words):
            path = os.path.join(directory, "wrong.conf")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            done = fcgi.run_regcredd("--state-dir", site.state, "--check",
                                     environment={"REGCRED_CONFIG": path})
            self.assertEqual(done.returncode, 2, done.stderr)
            for word in words:
                self.assertIn(word, done.stderr)
        refused("proxy_auth = yes\n", "proxy_token_file")
        refused("proxy_auth = yes\nopen = yes\nproxy_token_file = %s\n"
                % os.path.join(directory, "token"), "open")
        for value in ("superadmin", "service", "project", "projectadmin", "Admin", "", "1a5",
                      "1a5:", "1a5:boss", "5:member", "1c5:member", ":member",
                      "1a5:member:x", "1a05:member", "1a5 :member", "1a5: member", "admin, user"):
            refused("[groups]\nok = user\nteam = %s\n" % value, "wrong.conf:3: ", "group")
        refused("[groups]\na,b = admin\n", "wrong.conf:2: ")
        refused("[groups]\na|b = admin\n", "wrong.conf:2: ")
        refused("[groups]\n = admin\n", "wrong.conf:2: ")
        refused("[groups]\nops\n", "wrong.conf:2: ")
        refused("[groups]\nops = admin\nops = user\n", "wrong.conf:3: ", "already")
        refused("[groups]\nops = 1a5:owner\nops = 1a5:member\n", "wrong.conf:3: ", "already")
        refused("[groups]\nworkers = 4\n", "wrong.conf:2: ")
        refused("ops = admin\n", "wrong.conf:1: ", "unknown setting")


class WithKeys(ProxyCase):
    def test_a_key_of_the_same_account_counts(self):
        name, account = self.user()
        key = site.new_key(site.admin, accountId=account)
        answer = ask(name, key=key)
        self.assertEqual((answer.status, answer.headers["X-API-User-Id"]), (200, account))
        # With the key's rights: groups give a key nothing.
        self.assertEqual(ask(name, "ops", uri="/v1/accounts/1a1").status, 200)
        self.assertEqual(ask(name, "ops", uri="/v1/accounts/1a1", key=key).status, 404)
        answer = ask(name, more=[("HTTP_X_API_KEY", ":".join(key))])
        self.assertEqual((answer.status, answer.headers["X-API-User-Id"]), (200, account))

    def test_a_key_of_another_account_is_403(self):
        name, _ = self.user()
        for key in (site.admin.key, alpha.env.key):
            self.is_refused(ask(name, key=key), 403, "Forbidden")
            self.is_refused(ask(name, more=[("HTTP_X_API_KEY", ":".join(key))]), 403, "Forbidden")
        self.is_refused(ask("never-seen", key=site.admin.key), 403, "Forbidden")
        self.assertEqual(account_of("never-seen"), [])

    def test_a_key_that_is_none_is_401(self):
        name, account = self.user()
        key = site.new_key(site.admin, accountId=account)
        for bad in ((key[0], "wrong"), ("unknown", "x"), (name, "password")):
            self.is_refused(ask(name, key=bad), 401, "Unauthorized")
        self.is_refused(ask(name, more=[("HTTP_AUTHORIZATION", "Bearer abc")]), 401, "Unauthorized")
        self.is_refused(ask("never-seen", key=("unknown", "x")), 401, "Unauthorized")
        self.is_refused(ask(name, more=[("HTTP_X_API_KEY", ":".join(site.admin.key))], key=key),
                        400, "Bad Request")
        self.assertEqual(account_of("never-seen"), [])


class Groups(ProxyCase):
    def member(self, name, groups, project):
        """owner, member, readonly by what the scoped schemas offer; None if the project is
        closed."""
        answer = ask(name, groups, uri="/v1/projects/%s/schemas" % project.id)
        if answer.status == 403:
            return None
        types = {t["id"]: t for t in answer.json["data"]}
        if "POST" not in types["registry"]["collectionMethods"]:
            return "readonly"
        members = {"members": [{"externalId": "1a1", "externalIdType": "rancher_id",
                                "role": "owner"}]}
        row = ask(name, groups, uri="/v1/projects/" + project.id).json
        return "owner" if "setmembers" in row["actions"] else "member"

    def test_a_group_gives_a_role_in_a_project(self):
        name, _ = self.user()
        for groups, role in ((None, None), ("other", None), ("team-a", "member"),
                             ("leads", "owner"), ("watch", "readonly"), ("limited", "member"),
                             ("watch,team-a", "member"), ("team-a|leads|watch", "owner"), (" a , leads ", "owner"), ("x=y", "member"),
                             ("Gr\u00f6\u00dfe", "member"), ("TEAM-A", None), ("team", None), ("team-aa", None), ("team-a;leads", None),
                             ("a b,,,|", None), (",team-a|leads", None), ("|leads,x", None), ("|leads", "owner"), (",leads", "owner"), ("|", None), (",", None),
                             ("nowhere", None), ("no-project", None)):
            with self.subTest(groups=groups):
                self.assertEqual(self.member(name, groups, alpha), role)
        self.assertEqual(self.member(name, "team-a", beta), "readonly")
        self.assertEqual(self.member(name, "leads", beta), None)
        self.assertEqual(site.sql("SELECT count(*) FROM project_member WHERE project_id IN (6, 7)"),
                         [(2,)], "something was stored")

    def test_the_stronger_of_group_and_membership_counts(self):
        name, account = self.user()
        project = site.project("gamma")
        for stored, groups, role in (("readonly", "watch", "readonly"),
                                     ("readonly", "team-a", "member"), ("readonly", "leads", "owner"),
                                     ("member", "watch", "member"), ("owner", "watch", "owner"),
                                     ("owner", None, "owner"), ("member", "leads", "owner")):
            members = [{"externalId": "1a1", "externalIdType": "rancher_id", "role": "owner"},
                       {"externalId": account, "externalIdType": "rancher_id", "role": stored}]
            self.status(site.admin.action("projects/" + alpha.id, "setmembers",
                                          {"members": members}), 202)
            self.assertEqual(self.member(name, groups, alpha), role, (stored, groups))
        self.status(site.admin.action("projects/" + alpha.id, "setmembers",
                                      {"members": members[:1]}), 202)
        self.assertEqual(self.member(name, "leads", project), None)

    def test_an_inactive_project_is_closed_to_groups_too(self):
        name, _ = self.user()
        self.status(site.admin.action("projects/" + beta.id, "deactivate"), 202)
        try:
            self.assertEqual(ask(name, "team-a", uri="/v1/projects/%s/registries" % beta.id).status,
                             403)
            self.assertEqual(ask(name, "team-a", uri="/v1/projects/" + beta.id).status, 404)
        finally:
            self.status(site.admin.action("projects/" + beta.id, "activate"), 202)
        self.assertEqual(ask(name, "team-a", uri="/v1/projects/" + beta.id).status, 200)

    def test_a_group_gives_a_kind_for_this_request(self):
        name, account = self.user()
        seen = lambda groups: ask(name, groups, uri="/v1/accounts/1a3").status
        self.assertEqual([seen(g) for g in (None, "everybody", "readers", "ops", "ops,readers",
                                            "everybody|ops", None)],
                                            [404, 404, 200, 200, 200, 200, 404])
        make = lambda groups: ask(name, groups, method="POST", uri="/v1/accounts",
                                  body={"name": "made"}).status
        self.assertEqual([make(g) for g in (None, "readers", "ops", "readers,ops", None)],
                         [405, 405, 201, 201, 405])
        self.assertEqual(account_of(name)[0][1], "user")
        # An administrator by group is no superadmin.
        answer = ask(name, "ops", method="POST", uri="/v1/accounts",
                     body={"name": "root", "kind": "superadmin"})
        self.assertEqual(answer.status, 422, answer)

    def test_a_group_takes_nothing_away(self):
        site.cli("account", "add", "--state-dir", site.state, "--kind", "admin", "--name", "boss",
                 "--proxy-user", "boss")
        for groups in (None, "everybody", "readers"):
            self.assertEqual(ask("boss", groups, method="POST", uri="/v1/accounts",
                                 body={"name": "made"}).status, 201)


class Browsers(ProxyCase):
    BROWSER = ("HTTP_USER_AGENT", "Mozilla/5.0")

    def write(self, *more):
        answer = ask(self.name, more=(("HTTP_ACCEPT", "application/json"), *more), method="POST",
                     uri="/v1/projects", body={"name": "p"})
        if answer.status == 403:
            self.assertEqual(answer.json["code"], "InvalidCSRFToken")
        return answer.status

    def test_writes_come_from_here_or_from_no_page(self):
        self.name, _ = self.user()
        here, elsewhere = ("HTTP_ORIGIN", "http://direct.example.test"), (
            "HTTP_ORIGIN", "http://evil.example.test")
        same, cross, sibling = (("HTTP_SEC_FETCH_SITE", w)
                                for w in ("same-origin", "cross-site", "same-site"))
        self.assertEqual(self.write(), 201)
        self.assertEqual(self.write(here), 201)
        self.assertEqual(self.write(same), 201)
        for bad in (elsewhere, cross, sibling, ("HTTP_ORIGIN", "null"),
                    ("HTTP_ORIGIN", "https://direct.example.test")):
            self.assertEqual(self.write(bad), 403, bad)
            self.assertEqual(self.write(bad, ("HTTP_USER_AGENT", "curl/8")), 403, bad)
            self.assertEqual(self.write(bad, self.BROWSER), 403, bad)
        self.assertEqual(self.write(self.BROWSER), 403)
        self.assertEqual(self.write(self.BROWSER, same), 201)
        token = ("HTTP_COOKIE", "CSRF=" + "A" * 10), ("HTTP_X_API_CSRF", "A" * 10)
        self.assertEqual(self.write(self.BROWSER, *token), 201)
        self.assertEqual(self.write(self.BROWSER, elsewhere, *token), 403)
        self.assertEqual(ask(self.name, more=[cross]).status, 200, "reading is no write")

    def test_the_rule_for_other_programs_is_for_sign_ons_alone(self):
        more = [("HTTP_ORIGIN", "http://evil.example.test")]
        answer = send(more, method="POST", uri="/v1/projects/%s/registries" % alpha.id,
                      body={"serverAddress": "csrf.example.test"}, key=alpha.env.key)
        self.assertEqual(answer.status, 201, answer)


class Cgi(ProxyCase):
    def run_cgi(self, conf, *pairs):
        env = dict(site.environ(), REGCRED_CONFIG=conf, REGCRED_STATE_DIR=site.state,
                   GATEWAY_INTERFACE="CGI/1.1", REQUEST_METHOD="GET",
                   SCRIPT_NAME="", PATH_INFO="/v1/projects", REMOTE_ADDR="127.0.0.1",
                   HTTP_HOST="cgi.example.test", SERVER_PROTOCOL="HTTP/1.1")
        env.update(pairs)
        done = subprocess.run([harness.program("regcredd")], env=env, capture_output=True,
                              timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(TOKEN.encode(), done.stdout + done.stderr)
        return int(re.match(rb"Status: (\d+)", done.stdout).group(1))

    def test_a_CGI_believes_its_environment_only_if_told_so(self):
        name, _ = self.user()
        ignoring, trusting = settings("cgi.conf"), settings("cgi2.conf", "proxy_trust_cgi = yes\n")
        self.assertEqual(self.run_cgi(ignoring, *claims(name)), 401)
        self.assertEqual(self.run_cgi(trusting, *claims(name)), 200)
        self.assertEqual(self.run_cgi(trusting, *claims(name, token=None)), 401)
        self.assertEqual(self.run_cgi(trusting, *claims(name, token="x" * 40)), 401)
        self.assertEqual(self.run_cgi(trusting, ("REMOTE_USER", name),
                                      ("REGCRED_PROXY_TOKEN", TOKEN)), 401)


class Upgrading(ProxyCase):
    def test_an_old_database_with_doubled_names_is_brought_up_to_date(self):
        state = os.path.join(site.root, "old")
        site.cli("init", "--state-dir", state)
        import sqlite3
        base = sqlite3.connect(os.path.join(state, "regcred.db"), isolation_level=None)
        base.execute("DROP INDEX account_proxy")
        for i in range(3):
            base.execute("INSERT INTO account (uuid, kind, name, state, external_id, "
                         "external_id_type) VALUES (?, 'user', 'd', 'active', 'dup', 'proxy')",
                         ("d%d" % i,))
        with open(os.path.join(harness.SRC, "sql", PROXY_SQL), encoding="utf-8") as f:
            base.executescript(f.read())
        rows = base.execute("SELECT uuid, external_id_type FROM account WHERE external_id = 'dup' "
                            "ORDER BY id").fetchall()
        base.close()
        shutil.rmtree(state)
        self.assertEqual(rows, [("d0", "proxy"), ("d1", "proxy-duplicate"),
                                ("d2", "proxy-duplicate")])


PROXY_SQL = next(name for name in sorted(os.listdir(os.path.join(harness.SRC, "sql")))
                 if name.endswith("_proxy.sql"))


if __name__ == "__main__":
    unittest.main()
