"""Identities that are not stored: web tokens of Kubernetes, GitLab and GitHub in place of a key,
what they may do, every attack on them, the key sets of their issuers, and the clients that send
them."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from issuer import Key, base64url, claims_of, reload
from standin import Answer, Standin

site = rig = None
AUDIENCE = "https://creds.example.com"
CLUSTER = "https://kubernetes.default.svc.cluster.local"
GITLAB = "https://gitlab.example.com"
GITHUB = "https://token.actions.githubusercontent.com"
POD = "system:serviceaccount:team-a:puller"


class Rig:
    """Three issuers: the keys of the cluster are in a file, those of the others at a URL."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="rc-issuer-")
        os.chmod(self.directory, 0o755)     # a CGI may run as another user
        self.config = os.path.join(self.directory, "regcred.conf")
        self.file = os.path.join(self.directory, "cluster.json")
        self.rsa, self.large = Key(self.directory, "r1"), Key(self.directory, "r2", 4096)
        self.ec, self.other = Key(self.directory, "e1", 0), Key(self.directory, "o1")
        self.weak = Key(self.directory, "w1", 1024)
        self.served = [self.rsa, self.ec]
        self.answer = None
        self.issuer = Standin(lambda request: self.answer or Answer(200, self.set_of(*self.served)))
        self.write_keys(self.rsa, self.large, self.ec, self.weak)
        self.write()

    @staticmethod
    def set_of(*keys):
        return {"keys": [key.jwk() for key in keys]}

    def write_keys(self, *keys):
        with open(self.file, "w", encoding="utf-8") as f:
            json.dump(self.set_of(*keys), f)
        os.chmod(self.file, 0o644)

    def section(self, name, issuer, keys, *lines):
        return "\n".join(["[token %s]" % name, "issuer = " + issuer, "audience = " + AUDIENCE,
                          "keys = " + keys, "project = " + self.project.id, *lines, ""])

    def write(self, *sections):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("\n".join(sections))

    def use(self, where):
        self.project = where.project("identities")
        self.ghcr = self.project.registry(serverAddress="ghcr.io")
        self.quay = self.project.registry(serverAddress="quay.io")
        self.logins = {name: (row["publicValue"], row["secretValue"]) for name, row in (
            ("ghcr.io/acme/app", self.project.credential(self.ghcr, pathPrefix="acme")),
            ("ghcr.io/other/app", self.project.credential(self.ghcr, pathPrefix="other")),
            ("quay.io/acme/app", self.project.credential(self.quay)))}
        self.write(
            self.section("cluster", CLUSTER, self.file, "claim.sub = system:serviceaccount:team-a:*",
                         "registries = " + self.ghcr["id"]),
            self.section("gitlab", GITLAB, self.issuer.url + "/gitlab", "claim.project_path = acme/*",
                         "claim.ref_protected = true", "paths = acme"),
            self.section("github", GITHUB, self.issuer.url + "/github",
                         "claim.repository_owner = acme", "claim.environment = production"))
        if where.is_cgi:        # it has settings of its own
            with open(self.config, encoding="utf-8") as f:
                where.front.write("cgi.conf", "state_dir = %s\n%s" % (where.state, f.read()))
        reload(where)

    def stop(self):
        self.issuer.stop()
        shutil.rmtree(self.directory)


def setUpModule():
    global site, rig
    with open(harness.program("regcredd"), "rb") as f:
        if b"libjose.so" not in f.read():
            raise unittest.SkipTest("built without libjose")
    rig = Rig()
    site = harness.Site(environment={"REGCRED_CONFIG": rig.config})
    site.start()
    site.deaths_allowed = True      # a reload replaces the processes
    rig.use(site)


def tearDownModule():
    try:
        site.stop()
    finally:
        rig.stop()


def bearer(token):
    return {"Authorization": "Bearer " + token}


class Base(harness.Case):
    site = property(lambda self: site)

    def setUp(self):
        super().setUp()
        self.client = harness.Client(site)

    def token(self, key=None, claims=None, header=None, **more):
        made = (key or rig.rsa).token(
            dict(claims_of(CLUSTER, AUDIENCE, POD), **more) if claims is None else claims,
            **(header or {}))
        site.key_secrets.append((CLUSTER, made[-60:]))
        return made

    def gitlab(self, key=None, **more):
        return self.token(key, dict(claims_of(
            GITLAB, AUDIENCE, "project_path:acme/app:ref_type:branch:ref:main",
            project_path="acme/app", ref_protected="true"), **more))

    def ask(self, token, image="ghcr.io/acme/app", client=None, **fields):
        return (client or self.client).post("handouts", dict({"format": "helper", "image": image},
                                                            **fields), headers=bearer(token))

    def gets(self, token, image="ghcr.io/acme/app"):
        answer = self.ok(self.ask(token, image))
        self.assertEqual((answer["Username"], answer["Secret"]), rig.logins[image])

    def refused(self, token, *words, status=401):
        answer = self.ask(token)
        self.assertEqual(answer.status, status, answer)
        for word in words:
            self.assertIn(word, answer.json["detail"])
        return answer

    def unknown(self, token, why):
        """Refused without a reason, which the log tells (of a CGI the web server's)."""
        self.refused(token, "ask an administrator for the reason")
        self.assertTrue(site.is_cgi or harness.wait_until(lambda: why in self.log()), why)

    def log(self):
        with open(site.log, encoding="utf-8", errors="replace") as f:
            return f.read()


class Exchange(Base):
    def test_each_issuer_and_algorithm(self):
        for key in (rig.rsa, rig.large, rig.ec):
            self.gets(self.token(key))
        self.gets(self.gitlab())
        self.gets(self.gitlab(rig.ec))
        self.gets(self.token(claims=claims_of(GITHUB, AUDIENCE, "repo:acme/app:environment:production",
                                              repository_owner="acme", environment="production")),
                  "quay.io/acme/app")

    def test_the_audit_log_says_who(self):
        self.gets(self.token())
        row = self.ok(site.admin.get("auditlogs?eventType=handOut&sort=id&order=desc&limit=1"))[
            "data"][0]
        self.assertEqual((row["authType"], row["proxyUser"], row["authenticatedAsAccountId"]),
                         ("token", POD + "@" + CLUSTER, rig.project.id))
        self.refused(self.token(aud="https://other.example"))
        if site.is_cgi:         # which notes no refusals
            return
        site.stop_pool()        # who ends writes down what was refused
        site.start_pool()
        site.wait_ready()
        site.remember_children()
        rows = self.ok(site.admin.get("auditlogs?eventType=signInRefused"))["data"]
        self.assertIn(POD + "@" + CLUSTER, [row["proxyUser"] for row in rows])

    def test_a_token_may_do_what_a_key_for_hosts_may(self):
        token, headers = self.token(), bearer(self.token())
        self.err(self.ask(token, "quay.io/acme/app"), 404, "NoLogin")
        self.err(self.ask(self.gitlab(), "ghcr.io/other/app"), 404, "NoLogin")
        answer = self.ok(self.client.post("imagelogins", {"image": "ghcr.io/acme/app"},
                                          headers=headers))
        self.assertEqual(answer["publicValue"], rig.logins["ghcr.io/acme/app"][0])
        schemas = self.ok(self.client.get("schemas", headers=headers))["data"]
        self.assertEqual(sorted(s["id"] for s in schemas),
                         ["apiVersion", "error", "handOut", "imageLogin", "schema"])
        for path in ("registrycredentials", "registries", "apikeys", "accounts", "projects",
                     "auditlogs", "projectmembers", "sessions"):
            for method in ("GET", "POST"):
                self.assertEqual(self.client.request(method, path, {} if method == "POST" else None,
                                                     headers=headers).status, 404, path)
        own = self.client.at(rig.project.root)
        self.assertEqual(self.ask(token, client=own).status, 200)
        other = self.client.at(site.project("another").root)
        self.err(self.ask(token, client=other), 403, "Forbidden")

    def test_a_project_that_is_not_active_lets_nobody_in(self):
        where = "/v1/projects/" + rig.project.id
        self.ok(site.admin.action(where, "deactivate"), 202)
        try:
            self.refused(self.token(), "not active")
        finally:
            self.ok(site.admin.action(where, "activate"), 202)
        self.gets(self.token())

    def test_a_token_and_a_key(self):
        key = site.new_key(rig.project.admin, role="reveal")
        both = dict(bearer(self.token()), **{"X-API-Key": "%s:%s" % key})
        self.err(self.client.post("handouts", {"format": "helper", "image": "ghcr.io/acme/app"},
                                  headers=both), 400, "Bad Request")
        self.assertEqual(harness.Client(site, key).post(
            "handouts", {"format": "helper", "image": "ghcr.io/acme/app"}).status, 200)

    def test_the_web_server_gives_it_no_login(self):
        """regcred_inject asks with the client's own header: only keys are for that."""
        answer = self.client.get("/v1/registrycredentials", headers=bearer(self.token()))
        self.assertEqual(answer.status, 404)


class Attacks(Base):
    def test_not_signed_by_the_issuer(self):
        good = claims_of(CLUSTER, AUDIENCE, POD)
        none = base64url({"alg": "none", "kid": "r1"}) + "." + base64url(good) + "."
        self.unknown(none, "three parts")
        self.unknown(none + "AAAA", "algorithm")
        for header, why in (({"alg": "HS256"}, "algorithm"), ({"alg": "RS384"}, "algorithm"),
                            ({"alg": "ES256"}, "no key of its kid"), ({"kid": None}, "no kid"),
                            ({"kid": "../../../etc/passwd"}, "no key of its kid"),
                            ({"kid": "o1"}, "no key of its kid"),
                            ({"kid": ["r1"]}, "no kid"), ({"typ": "at+jwt"}, "besides alg"),
                            ({"jku": rig.issuer.url}, "besides alg"),
                            ({"x5u": rig.issuer.url}, "besides alg"),
                            ({"jwk": rig.other.jwk()}, "besides alg"),
                            ({"crit": ["b64"], "b64": False}, "besides alg")):
            self.unknown(self.token(header=header), why)
        self.unknown(self.token(rig.other, header={"kid": "r1"}), "signature is wrong")
        self.unknown(self.token(rig.weak), "RSA key of 2048 bits")
        self.unknown(self.token(iss="https://evil.example"), "no section [token] for its issuer")
        self.unknown(self.token(rig.other, claims=claims_of(GITLAB, AUDIENCE, "x")), "no key of its kid")
        head, body, _ = self.token().split(".")
        changed = base64url(dict(good, sub="system:serviceaccount:kube-system:root"))
        self.unknown(".".join((head, changed, _)), "signature is wrong")
        doubled = base64url(b'{"alg":"RS256","kid":"r1","kid":"e1"}')
        self.unknown(".".join((doubled, body, _)), "twice")

    def test_signed_for_another_purpose(self):
        now = int(time.time())
        for claims, word in (({"aud": "https://kubernetes.default.svc"}, "audience"),
                             ({"aud": [AUDIENCE + "x"]}, "audience"), ({"exp": now - 61}, "expired"),
                             ({"nbf": now + 90}, "not valid yet"),
                             ({"exp": str(now + 600)}, "exp"),
                             ({"sub": "system:serviceaccount:team-b:puller"}, "claim sub"),
                             ({"sub": "x" + POD}, "claim sub")):
            self.refused(self.token(**claims), word)
        for subject in ("", POD + "x" * 300):
            self.unknown(self.token(sub=subject), "no subject (sub), or one that")
        self.refused(self.gitlab(ref_protected="false"), "claim ref_protected")
        self.refused(self.gitlab(project_path="evil/acme/app"), "claim project_path")
        self.gets(self.token(exp=now - 30))     # clocks may differ by a minute

    def test_a_huge_one(self):
        self.gets(self.token(more="x" * 5000))
        for size in (6000, 20000):
            self.unknown(self.token(more="x" * size), "longer than 8 KiB")


class KeySets(Base):
    def kept(self, name):
        return os.path.join(site.state, "token-keys-" + name)

    def a_minute_later(self, name):
        lock, then = self.kept(name) + ".lock", time.time() - 61
        if os.path.exists(lock):
            os.utime(lock, (then, then))

    def fetched(self, path):
        return sum(request.path == path for request in rig.issuer.requests)

    def setUp(self):
        super().setUp()
        rig.served, rig.answer = [rig.rsa, rig.ec], None
        self.a_minute_later("gitlab")
        if os.path.exists(self.kept("gitlab")):
            os.unlink(self.kept("gitlab"))
        self.before = self.fetched("/gitlab")

    def count(self):
        return self.fetched("/gitlab") - self.before

    def test_a_new_key_is_fetched_but_not_twice_in_a_minute(self):
        self.gets(self.gitlab())
        self.assertEqual(self.count(), 1)
        rig.served = [rig.other]
        for _ in range(6):      # over both workers
            self.refused(self.gitlab(rig.other))
        self.assertEqual(self.count(), 1)
        self.a_minute_later("gitlab")
        self.gets(self.gitlab(rig.other))
        self.assertEqual(self.count(), 2)
        for kid in ("a", "b", "c"):
            self.refused(self.token(rig.other, claims_of(GITLAB, AUDIENCE, "x"), {"kid": kid}))
        self.refused(self.gitlab())         # the old key is gone
        self.assertEqual(self.count(), 2)

    def test_a_set_is_fetched_again_after_ten_minutes(self):
        self.gets(self.gitlab())
        then = time.time() - 601
        os.utime(self.kept("gitlab"), (then, then))
        self.a_minute_later("gitlab")
        rig.answer = Answer(500, "no")
        self.gets(self.gitlab())            # the issuer is down: the old set goes on
        self.assertEqual(self.count(), 2)
        self.a_minute_later("gitlab")
        rig.answer = None
        self.gets(self.gitlab())
        self.assertEqual(self.count(), 3)

    def test_sixty_at_once_cause_one_fetch(self):
        token, answers = self.gitlab(), []

        def slow(handler):
            time.sleep(0.2)
            body = json.dumps(rig.set_of(rig.rsa)).encode()
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        rig.answer = Answer(raw=slow)
        threads = [threading.Thread(target=lambda: answers.append(self.ask(token).status))
                   for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.count(), 1)
        self.assertLessEqual(set(answers), {200, 503})  # some threads are kept for other requests
        self.assertIn(200, answers)
        self.gets(token)

    def test_an_issuer_without_keys(self):
        for answer in (Answer(404, "x"), Answer(200, "<html>"), Answer(200, {"keys": "none"}),
                       Answer(302, "", {"Location": rig.issuer.url + "/github"}),
                       Answer(200, "x" * 100000)):
            rig.answer = answer
            got = self.refused(self.gitlab(), "try again later", status=503)
            self.assertEqual(got.header("Retry-After"), "5")
            self.a_minute_later("gitlab")
        rig.answer = None
        self.gets(self.gitlab())
        self.assertEqual(os.stat(self.kept("gitlab")).st_mode & 0o777, 0o600)

    def test_a_file_is_read_each_time(self):
        self.gets(self.token())
        try:
            rig.write_keys(rig.other)
            self.unknown(self.token(), "no key of its kid")
            self.gets(self.token(rig.other))
            os.chmod(rig.file, 0o666)
            self.refused(self.token(rig.other), status=503)
            os.unlink(rig.file)
            self.refused(self.token(), status=503)
        finally:
            rig.write_keys(rig.rsa, rig.large, rig.ec, rig.weak)
        self.gets(self.token())


class Clients(Base):
    def setUp(self):
        super().setUp()
        self.home = tempfile.mkdtemp(prefix="rc-job-")
        self.addCleanup(shutil.rmtree, self.home)

    def run_it(self, program, *words, stdin="", **more):
        env = {"PATH": "/usr/bin:/bin", "HOME": self.home, "REGCRED_URL": site.base,
               "REGCRED_API_TIMEOUT": "60"}
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        env.update(more)
        return subprocess.run([harness.program(program), *words], input=stdin, env=env, text=True,
                              capture_output=True, timeout=60)

    def file(self, text):
        path = os.path.join(self.home, "token")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_the_helper_in_a_job(self):
        user, secret = rig.logins["quay.io/acme/app"]
        token = self.token(claims=claims_of(GITHUB, AUDIENCE, "repo:acme/app:environment:production",
                                            repository_owner="acme", environment="production"))
        for more in ({"REGCRED_TOKEN": token}, {"REGCRED_TOKEN_FILE": self.file(token + "\n")},
                     {"REGCRED_TOKEN": token, "REGCRED_CACHE": "1h"}):
            done = self.run_it("docker-credential-regcred", "get", stdin="quay.io", **more)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            self.assertEqual(json.loads(done.stdout), {"ServerURL": "quay.io", "Username": user,
                                                       "Secret": secret})
        self.assertEqual(os.listdir(self.home), ["token"])      # nothing is cached
        done = self.run_it("docker-credential-regcred", "store", stdin=json.dumps(
            {"ServerURL": "quay.io", "Username": "u", "Secret": "s"}), REGCRED_TOKEN=token)
        self.assertEqual(done.returncode, 1, done.stdout)
        done = self.run_it("docker-credential-regcred", "erase", stdin="quay.io",
                           REGCRED_TOKEN=token)
        self.assertEqual(done.returncode, 1, done.stdout)
        done = self.run_it("regcred", "which", "quay.io/acme/app", REGCRED_TOKEN=token)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(user, done.stdout)
        done = self.run_it("regcred", "whoami", REGCRED_TOKEN=token)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("(web token)", done.stdout)
        for bad, word in (("a b", "not a web token"), ("x" * 9000, "not a web token")):
            done = self.run_it("docker-credential-regcred", "get", stdin="quay.io",
                               REGCRED_TOKEN=bad)
            self.assertEqual(done.returncode, 1)
            self.assertIn(word, done.stdout)
            self.assertNotIn(bad, done.stdout)
        done = self.run_it("docker-credential-regcred", "get", stdin="quay.io",
                           REGCRED_TOKEN=self.token(exp=int(time.time()) - 100))
        self.assertIn("it has expired: get a new one", done.stdout)
        done = self.run_it("docker-credential-regcred", "get", stdin="quay.io",
                           REGCRED_TOKEN_FILE=self.home + "/none")
        self.assertIn("No such file", done.stdout)

    def provide(self, image, **request):
        body = dict({"kind": "CredentialProviderRequest", "image": image,
                     "apiVersion": "credentialprovider.kubelet.k8s.io/v1"}, **request)
        return self.run_it("regcred-kubelet-provider", stdin=json.dumps(body))

    def test_the_kubelet_with_a_service_account(self):
        user, secret = rig.logins["ghcr.io/acme/app"]
        done = self.provide("ghcr.io/acme/app", serviceAccountToken=self.token(),
                            serviceAccountAnnotations={})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answer = json.loads(done.stdout)
        self.assertEqual((answer["cacheKeyType"], answer["auth"]),
                         ("Image", {"ghcr.io/acme/app": {"username": user, "password": secret}}))
        done = self.provide("quay.io/acme/app", serviceAccountToken=self.token())
        self.assertEqual(json.loads(done.stdout)["auth"], {})
        token = self.token(sub="system:serviceaccount:team-b:puller")
        done = self.provide("ghcr.io/acme/app", serviceAccountToken=token)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("its claim sub is not", done.stderr)
        self.assertNotIn(token[-40:], done.stderr)
        done = self.provide("ghcr.io/acme/app")
        self.assertIn("no key", done.stderr)

    def test_the_configuration_of_the_kubelet(self):
        done = self.run_it("regcred", "kubelet-setup", "--audience", AUDIENCE, "ghcr.io")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("    tokenAttributes:\n      serviceAccountTokenAudience: \"%s\"\n"
                      "      cacheType: ServiceAccount\n      requireServiceAccount: true\n"
                      % AUDIENCE, done.stdout)
        self.assertNotIn("KEY_FILE", done.stdout)
        self.assertIn("      - name: REGCRED_URL\n        value: \"%s\"\n" % site.base, done.stdout)


class Limits(unittest.TestCase):
    def test_without_a_section_there_are_no_tokens(self):
        other = harness.Site()
        other.start()
        try:
            token = rig.rsa.token(claims_of(CLUSTER, AUDIENCE, POD))
            answer = harness.Client(other).post("handouts", {}, headers=bearer(token))
            self.assertEqual(answer.status, 401)
            self.assertIn("no valid API key", answer.json["detail"])
        finally:
            other.stop()

    def test_the_limits_of_keys_hold_for_tokens(self):
        if site.is_cgi:
            self.skipTest("a CGI counts nothing")
        mine = Rig()
        self.addCleanup(mine.stop)
        other = harness.Site(environment={"REGCRED_CONFIG": mine.config},
                             options=("--auth-failures", "4", "--writes-per-minute", "30"))
        other.start()
        other.deaths_allowed = True
        try:
            mine.use(other)
            client, claims = harness.Client(other), claims_of(CLUSTER, AUDIENCE, POD)
            token = mine.rsa.token(claims)
            body = {"format": "helper", "image": "ghcr.io/acme/app"}
            answers = [client.post("handouts", body, headers=bearer(token)).status
                       for _ in range(40)]
            self.assertEqual(sorted(set(answers)), [200, 429])
            self.assertLessEqual(answers.count(200), 30)
            bad = mine.other.token(claims, kid="r1")
            answers = [client.post("handouts", body, headers=bearer(bad)).status for _ in range(6)]
            self.assertEqual(answers, [401] * 2 + [429] * 4)    # one of them, as one key
            self.assertEqual(client.get("schemas", headers=bearer(token)).status, 200)
            answers = [client.post("handouts", body, headers=bearer(bad + c)).status for c in "abcd"]
            self.assertEqual(answers, [401] * 2 + [429] * 2)    # and their address
            answer = client.get("schemas", headers=bearer(token))
            self.assertEqual(answer.status, 429)
            self.assertIsNotNone(answer.header("Retry-After"))
        finally:
            other.stop()


if __name__ == "__main__":
    unittest.main()
