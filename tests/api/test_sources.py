"""The sessions of docs/sources.md: each is run as it is printed, with programs in the place of the
vendors' own that check what they are told and give the keys of the stand-ins; the client gets the
stand-ins' addresses besides what is printed, and has to say that the login is renewed."""

import email.message
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import types
import unittest

import harness
import sources

# Blocks that need a machine at a vendor are left out: what that leads to is in tests/renew/.
BLOCK = re.compile(r"(?ms)^( *)<!-- check: skip needs an? (?!machine)[^\n]* -->\n *```sh\n"
                   r"(.*?)^ *```$")
# What stands for aws, gcloud and az: each call is a line of $CALLS.
VENDOR = r"""#!/usr/bin/env python3
import json, os, sys
arguments = sys.argv[1:]
for word in sys.argv[1:]:
    if word.startswith("file://"):
        arguments.append(json.load(open(word[len("file://"):])))
with open(os.environ["CALLS"], "a") as f:
    f.write(json.dumps([os.path.basename(sys.argv[0])] + arguments) + "\n")
keys = json.load(open(os.environ["KEYS"]))
if arguments[:2] == ["iam", "create-access-key"]:
    print(json.dumps({"AccessKey": dict(keys["aws"], UserName="regcred", Status="Active")}))
elif arguments[:4] == ["iam", "service-accounts", "keys", "create"]:
    json.dump(keys["google"], open(arguments[4], "w"), indent=2)
elif arguments[:3] == ["ad", "sp", "create-for-rbac"]:
    print(json.dumps(keys["azure"]))
elif arguments[:2] == ["acr", "show"]:
    print("/subscriptions/1/registries/acme")
"""
KEY_ID = "AKIASTANDIN0STANDIN0"
ECR = "%s.dkr.ecr.%s.amazonaws.com" % (sources.ACCOUNT, sources.REGION)
FILES = {"harbor.password": sources.Harbor.password, "quay.token": sources.Quay.token,
         "gitlab.token": sources.Gitlab.token, "vault.secret-id": sources.Vault.secret_id}
# What stands for the client: it names where the stand-ins are, instead of what is printed.
CLIENT = """#!/usr/bin/env python3
import json, os, sys
keys = json.load(open(os.environ["KEYS"]))
source = sys.argv[sys.argv.index("--source") + 1]
urls = keys["urls"].get(source, {})
words = [word for word in sys.argv if word != "--set"]
words = [word for word in words if word.partition("=")[0] not in urls]
words += [name + "=" + url for name, url in urls.items()]
for i in range(len(words) - 1, 1, -1):
    if "=" in words[i]:
        words.insert(i, "--set")
os.execv(keys["regcred"], words)
"""
site = standin = None


def setUpModule():
    global site, standin
    if shutil.which("jq") is None:
        raise unittest.SkipTest("jq is missing")
    standin = sources.Sources()
    unittest.addModuleCleanup(standin.stop)
    tokens = tempfile.mkdtemp(prefix="rc-")
    unittest.addModuleCleanup(shutil.rmtree, tokens)
    with open(os.path.join(tokens, "token"), "w", encoding="ascii") as f:
        f.write(sources.WEB_TOKEN)
    site = harness.Site(workers=1, threads=4, options=(
        "--verify-networks", "127.0.0.0/8", "--refresh-tokens-dir", tokens,
        "--refresh-timeout-s", "5", "--sweep-every-s", "1", "--log-level", "debug"),
        # A sanitizer would answer the signals that are sent below by itself.
        environment={"ASAN_OPTIONS": "detect_leaks=1:handle_segv=0"})
    site.start()
    unittest.addModuleCleanup(site.stop)


def sections():
    """{heading: what its blocks say}"""
    with open(os.path.join(harness.SRC, "docs", "sources.md"), encoding="utf-8") as f:
        parts = re.split(r"(?m)^## (.*)$", f.read())
    return {heading: [re.sub(r"(?m)^" + indent, "", body) for indent, body in BLOCK.findall(text)]
            for heading, text in zip(parts[1::2], parts[2::2])}


class Sessions(harness.Case):
    site = property(lambda self: site)

    def write(self, path, text, mode=0o600):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def run_session(self, heading, result="refreshed", **urls):
        """What the vendor's program was told, and the logins of the project in which the session of
        a section was run; urls: of the stand-ins, {member of sourceConfig: URL} for each source."""
        directory, entra, p = tempfile.mkdtemp(prefix="rc-"), sources.Entra, site.project()
        self.addCleanup(shutil.rmtree, directory)
        path = {name: os.path.join(directory, name) for name in ("bin", "work", "calls", "keys")}
        os.mkdir(path["bin"])
        os.mkdir(path["work"])
        self.write(path["calls"], "")
        self.write(path["keys"], json.dumps({
            "aws": {"AccessKeyId": KEY_ID, "SecretAccessKey": sources.KEYS[KEY_ID][0]},
            "google": sources.Google().key_file("right"),
            "azure": {"appId": entra.client, "password": entra.secret, "tenant": entra.tenant},
            "urls": urls, "regcred": harness.program("regcred")}))
        self.write(os.path.join(path["work"], "app.private-key.pem"), sources.PEMS["right"])
        for name, secret in FILES.items():
            self.write(os.path.join(path["work"], name), secret + "\n")
        for name in ("aws", "gcloud", "az", "regcred"):
            self.write(os.path.join(path["bin"], name), CLIENT if name == "regcred" else VENDOR,
                       0o755)
        key = self.write(os.path.join(directory, "key"),
                         "access_key = %s\nsecret_key = %s\n" % site.new_key(p.admin))
        done = subprocess.run(
            ["bash", "-euo", "pipefail"], input="\n".join(sections()[heading]), cwd=path["work"],
            capture_output=True, text=True, timeout=120,
            env=dict(os.environ, PATH=path["bin"] + ":" + os.environ["PATH"], HOME=directory,
                     CALLS=path["calls"], KEYS=path["keys"], REGCRED_URL=site.base,
                     REGCRED_API_KEY_FILE=key))
        self.assertEqual((done.returncode, done.stderr), (int(result != "refreshed"), ""),
                         done.stdout)
        for secret in (sources.KEYS[KEY_ID][0], entra.secret, *FILES.values()):
            self.assertNotIn(secret, done.stdout)
        # Files with secrets are readable for their owner alone.
        for name in ("key.json", "google.json", "principal.json"):
            file = os.path.join(path["work"], name)
            self.assertEqual(os.path.exists(file) and os.stat(file).st_mode & 0o077, 0, name)
        with open(path["calls"], encoding="utf-8") as f:
            calls = [json.loads(line) for line in f]
        rows = self.ok(p.env.get("registrycredentials?sort=id"))["data"]
        for row in rows:
            self.assertEqual(row["refreshResult"], result, row)
        self.assertEqual(done.stdout.count("\n%s: " % result), len(rows), done.stdout)
        return calls, rows

    def actions(self, calls):
        """What the policies that the session stores allow, by the file's name."""
        return [statement["Action"] for call in calls if isinstance(call[-1], dict)
                for statement in call[-1]["Statement"]]

    def test_amazon_ecr(self):
        calls, rows = self.run_session(
            "Amazon ECR", ecr={"endpoint": standin.url("ecr"), "stsEndpoint": standin.url("sts")})
        pull = ["ecr:GetAuthorizationToken", ["ecr:BatchCheckLayerAvailability",
                                              "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]]
        self.assertEqual(self.actions(calls), pull + ["sts:AssumeRole"] + pull)
        self.assertEqual([row["publicValue"] for row in rows], ["AWS"] * 3)
        self.assertEqual([(row["sourceConfig"].get("accessKeyId"), "roleArn" in row["sourceConfig"])
                          for row in rows], [(KEY_ID, False), (KEY_ID, True), (None, True)])

    def test_amazon_ecr_public(self):
        calls, rows = self.run_session("Amazon ECR Public",
                                       ecrPublic={"endpoint": standin.url("ecrPublic")})
        self.assertEqual(self.actions(calls),
                         [["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"]])
        self.assertEqual([row["publicValue"] for row in rows], ["AWS"])

    def test_google(self):
        calls, rows = self.run_session("Google", google={"endpoint": standin.url("google")})
        self.assertIn("--role=roles/artifactregistry.reader", calls[1])
        self.assertEqual([row["publicValue"] for row in rows], ["oauth2accesstoken"])

    def test_azure(self):
        calls, rows = self.run_session(
            "Azure", azure={"endpoint": standin.url("acr"), "authority": standin.url("entra")})
        self.assertEqual([call[6:8] for call in calls if call[1] == "ad"], [["--role", "AcrPull"]])
        self.assertEqual([row["publicValue"] for row in rows],
                         ["00000000-0000-0000-0000-000000000000"])

    def test_github(self):
        _calls, rows = self.run_session("GitHub", github={"endpoint": standin.url("github")})
        self.assertEqual([row["publicValue"] for row in rows], ["x-access-token"])

    def test_sources_that_replace(self):
        for heading, source, member, user in (
                ("Harbor", "harbor", "endpoint", "robot$acme+pulls-12"),
                ("Quay", "quay", "endpoint", "acme+pulls"),
                ("GitLab", "gitlab", "endpoint", "gitlab+deploy-token-"),
                ("Vault and OpenBao", "vault", "address", "pulls")):
            with self.subTest(heading):
                _calls, rows = self.run_session(heading, **{source: {member: standin.url(source)}})
                self.assertEqual([row["publicValue"].startswith(user) for row in rows], [True])

    def test_a_program_that_is_not_listed(self):
        _calls, rows = self.run_session("Programs", "misconfigured")
        self.assertIn("refresh_programs", rows[0]["refreshMessage"])


class Canary(harness.Case):
    """Nothing of what renews a login is left anywhere: its keys, the tokens on the way, what the
    source gives."""

    site = property(lambda self: site)

    def every_source(self, fault):
        """(address, source, sourceConfig, sourceSecret) of each request of each source to a
        stand-in with this fault."""
        def url(name):
            return standin.url(name, fault)

        key = {"accessKeyId": KEY_ID}
        role = {"roleArn": sources.ROLE, "endpoint": standin.url("ecr"), "stsEndpoint": url("sts")}
        entra, secret = sources.Entra, sources.KEYS[KEY_ID][0]
        azure = {"tenant": entra.tenant, "clientId": entra.client}
        app = {"appId": sources.GitHub.app, "installationId": sources.GitHub.installation}
        return [(ECR, "ecr", dict(key, endpoint=url("ecr")), secret),
                (ECR, "ecr", dict(role, externalId=sources.EXTERNAL_ID, **key), secret),
                (ECR, "ecr", dict(role, webIdentityTokenFile="token"), None),
                ("public.ecr.aws", "ecrPublic", dict(key, endpoint=url("ecrPublic")), secret),
                ("gcr.io", "google", {"endpoint": url("google")},
                 json.dumps(sources.Google().key_file("right"))),
                ("acme.azurecr.io", "azure",
                 dict(azure, endpoint=standin.url("acr"), authority=url("entra")), entra.secret),
                ("acme.azurecr.io", "azure",
                 dict(azure, endpoint=url("acr"), authority=standin.url("entra")), entra.secret),
                ("ghcr.io", "github", dict(app, endpoint=url("github")), sources.PEMS["right"]),
                ("harbor.example", "harbor",
                 {"endpoint": url("harbor"), "robot": "7", "user": sources.Harbor.user},
                 sources.Harbor.password),
                ("quay.example", "quay",
                 {"endpoint": url("quay"), "organization": "acme", "robot": "canary"},
                 sources.Quay.token),
                ("gitlab.example", "gitlab", {"endpoint": url("gitlab"), "project": "canary"},
                 sources.Gitlab.token),
                ("vault.example", "vault", {"address": url("vault"), "path": "team/registry",
                                            "roleId": sources.Vault.role},
                 sources.Vault.secret_id)]

    def start(self, fault):
        """Logins of all sources with this fault: what reads them."""
        p, reads, registries = site.project(), [], {}
        for address, source, config, secret in self.every_source(fault):
            if address not in registries:
                registries[address] = p.registry(serverAddress=address)["id"]
            answer = p.env.post("registrycredentials", {
                "registryId": registries[address], "email": "ops@example.com", "source": source,
                "sourceConfig": config, "sourceSecret": secret})
            self.assertEqual(answer.status, 201, answer)
            self.assertIsNone(answer.json.get("sourceSecret"))
            path = "registrycredentials/" + answer.json["id"]
            reads.append(lambda path=path: self.ok(p.env.get(path)))
        return reads

    def plant(self):
        """Has the search look for them: keys, tokens and parts of a private key."""
        pem = sources.PEMS["right"].splitlines()
        found = [secret for pair in sources.KEYS.values() for secret in pair if secret]
        found += [sources.WEB_TOKEN, sources.Entra.secret, pem[1], pem[10], *FILES.values(),
                  "version 1 of Vault", "hvs.given", "TOKEN1OFcanary", "of-the-stand-in"]
        for n in range(20):
            found += ["token %d of ECR" % n, "ya29.token-%d-of-Google" % n,
                      "access+token/%d=of Entra" % n, "ghs_token%dOfGitHub" % n]
        known = {secret for _, secret in site.key_secrets}
        site.key_secrets.extend(("source", secret) for secret in found if secret not in known)
        return found

    def test_the_keys_and_tokens_of_sources_stay_where_they_are(self):
        secrets = self.plant()
        for fault in ("right", "html", "long", "throttled", "drop-after"):
            for read in self.start(fault):
                self.assertTrue(harness.wait_until(
                    lambda read=read: read()["refreshResult"] is not None, 60), read())
                row = read()
                self.assertEqual(row["refreshResult"] == "refreshed", fault == "right", row)
                self.assertEqual([s for s in secrets if s in json.dumps(row)], [])
        self.assertEqual(site.check_secrets(everything=True), [])

    def test_processes_that_end_while_sources_are_asked_leave_nothing(self):
        secrets = [secret.encode() for secret in self.plant()]
        site.deaths_allowed = True
        self.start("hang-after")
        self.assertTrue(harness.wait_until(
            lambda: sum(call["fault"] == "hang-after" for call in standin.calls) >= 3, 30))
        victims = site.children()
        for pid in victims + [site.pool.pid]:
            for name in ("cmdline", "environ"):
                with open("/proc/%d/%s" % (pid, name), "rb") as f:
                    text = f.read()
                self.assertEqual([s for s in secrets if s in text], [], (pid, name))
        for pid in victims:
            os.kill(pid, signal.SIGSEGV)
        self.assertTrue(harness.wait_until(
            lambda: not any(harness.alive(pid) for pid in victims), harness.START_TIMEOUT))
        site.wait_ready()
        site.remember_children()
        cores = [os.path.join(d, name) for d in (site.root, site.state, "/")
                 for name in ["core"] + ["core.%d" % pid for pid in victims]]
        self.assertEqual([path for path in cores if os.path.exists(path)], [])
        self.assertEqual(site.check_secrets(everything=True), [])


class StandIns(unittest.TestCase):
    """What the tests above rely on: the stand-ins refuse what the vendors refuse."""

    def signed(self, change=lambda headers: None, **parts):
        """The error of a request to ECR's stand-in that is right but for `change`, or for what it
        was signed with; None: it is taken."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = email.message.Message()
        for name, value in (("Host", "ecr.example"), ("X-Amz-Date", moment), ("X-Amz-Target", "x")):
            headers[name] = value
        names = ["host", "x-amz-date", "x-amz-target"]
        request = types.SimpleNamespace(method="POST", path="/", url="/", headers=headers,
                                        body=b"{}")
        given = dict({"region": "eu-central-1", "service": "ecr",
                      "secret": sources.KEYS[KEY_ID][0], "names": names}, **parts)
        signature = sources.amazon_signature(request, names, moment, given["region"],
                                             given["service"], given["secret"])
        headers["Authorization"] = (
            "AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s"
            % (KEY_ID, moment[:8], given["region"], given["service"], ";".join(given["names"]),
               signature))
        change(headers)
        try:
            sources.amazon_check(request, "eu-central-1", "ecr")
        except sources.Refused as e:
            return "%s: %s" % (e.code, e.message)
        return None

    def test_a_signature_is_the_one_of_amazons_own_example(self):
        """Of AWS's test suite for version 4: get-vanilla."""
        headers = email.message.Message()
        headers["Host"], headers["X-Amz-Date"] = "example.amazonaws.com", "20150830T123600Z"
        request = types.SimpleNamespace(method="GET", path="/", headers=headers, body=b"")
        self.assertEqual(
            sources.amazon_signature(request, ["host", "x-amz-date"], "20150830T123600Z",
                                     "us-east-1", "service",
                                     "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")

    def test_each_way_to_sign_wrongly_is_seen(self):
        def twice(headers):
            headers["X-Amz-Date"] = headers["X-Amz-Date"]

        def two_dates(headers):
            headers["Date"] = "Mon, 06 May 2024 07:08:09 GMT"

        def one_more(headers):
            headers["X-Amz-Security-Token"] = "x"

        def less(headers):
            del headers["X-Amz-Target"]

        self.assertIsNone(self.signed())
        for change, told in ((twice, "not one date"), (two_dates, "not one date"),
                             (one_more, "must be signed"), (less, "does not exist")):
            self.assertIn(told, self.signed(change))
        for parts, told in (({"region": "us-east-1"}, "scoped"), ({"service": "sts"}, "scoped"),
                            ({"secret": "x"}, "does not match"),
                            ({"names": ["x-amz-date", "host", "x-amz-target"]}, "must be signed"),
                            ({"names": ["host", "x-amz-date"]}, "must be signed")):
            self.assertIn(told, self.signed(**parts))

    def test_a_token_of_another_key_is_seen(self):
        self.assertIsNone(sources.PEMS.claims("a.b"))
        self.assertIsNone(sources.PEMS.claims(sources.web_token({"iss": "x"})))


if __name__ == "__main__":
    unittest.main()
