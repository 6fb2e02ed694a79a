"""regcred-kubelet-provider, run as the kubelet runs it: request and answer member by member, which
pattern is for which image, how long an answer is kept, and whatever can go wrong; and the
configuration that `regcred kubelet-setup` prints."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import harness
from standin import Answer, Standin

setUpModule, tearDownModule = harness.site_of(globals())

GROUP = "credentialprovider.kubelet.k8s.io/"
VERSIONS = ("v1", "v1beta1", "v1alpha1")


def once(pairs):
    """The kubelet decodes strictly: a member that is there twice is refused."""
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)


def decode(text, version):
    """A CredentialProviderResponse, as the kubelet takes it."""
    answer = json.loads(text, object_pairs_hook=once)
    assert set(answer) <= {"kind", "apiVersion", "cacheKeyType", "cacheDuration", "auth"}, answer
    assert (answer["kind"], answer["apiVersion"]) == ("CredentialProviderResponse",
                                                      GROUP + version), answer
    assert answer["cacheKeyType"] in ("Image", "Registry", "Global"), answer
    assert re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", answer["cacheDuration"]) and answer[
        "cacheDuration"], answer
    for login in answer["auth"].values():
        assert set(login) == {"username", "password"} and all(isinstance(x, str)
                                                              for x in login.values()), answer
    return answer


def matches(pattern, image):
    """Whether a key of `auth` is for an image: globs within the labels of the host, an equal port,
    a path as the beginning of a text."""
    def split(text):
        host, _, path = text.partition("/")
        name, _, port = host.partition(":")
        return name.split("."), port, path
    (labels, port, path), (wanted, wanted_port, wanted_path) = split(pattern), split(image)
    return len(labels) == len(wanted) and (not port or port
                                           == wanted_port) and wanted_path.startswith(path) and all(
        re.fullmatch(re.escape(a).replace(r"\*", "[^.]*"), b) for a, b in zip(labels, wanted))


class Base(harness.Case):
    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.home = tempfile.mkdtemp(prefix="rc-node-")
        self.addCleanup(shutil.rmtree, self.home)
        self.key = site.new_key(self.project.admin, role="reveal")
        self.registries = {}

    def login(self, address="ghcr.io", **fields):
        if address not in self.registries:
            self.registries[address] = self.project.registry(serverAddress=address)
        body = self.project.credential(self.registries[address], **fields)
        return {"username": body["publicValue"], "password": body["secretValue"]}

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def run_it(self, image, version="v1", text=None, key=None, url=None, mode=0o600, seconds=60,
               **request):
        env = {"PATH": "/usr/bin:/bin", "REGCRED_URL": url or site.base,
               "REGCRED_API_KEY_FILE": self.file("key-%d" % threading.get_ident(),
                                                 "access_key = %s\nsecret_key = %s\n"
                                                 % (key or self.key), mode)}
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        body = dict({"kind": "CredentialProviderRequest", "apiVersion": GROUP + version,
                     "image": image}, **request)
        done = subprocess.run([harness.program("regcred-kubelet-provider")], input=json.dumps(body)
                              if text is None else text, env=env, capture_output=True, text=True,
                              timeout=seconds)
        self.assertNotIn(harness.PLANT, done.stderr)
        return done

    def answer(self, image, version="v1", **more):
        done = self.run_it(image, version, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return decode(done.stdout, version)

    def fails(self, *words, **more):
        done = self.run_it(more.pop("image", "ghcr.io/acme/app"), **more)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Aregcred-kubelet-provider: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, done.stderr)
        return done


class Protocol(Base):
    def test_each_version(self):
        login = self.login()
        for version in VERSIONS:
            self.assertEqual(self.answer("ghcr.io/acme/app", version),
                             {"kind": "CredentialProviderResponse", "apiVersion": GROUP + version,
                              "cacheKeyType": "Registry",
                                                                        "cacheDuration": "600s",
                                                                        "auth": {"ghcr.io": login}})
        self.fails("protocol", version="v2")
        self.fails("CredentialProviderRequest",
                   text='{"kind":"CredentialProviderRequest","apiVersion":"v1","image":"x"}')

    def test_which_key_is_for_which_image(self):
        whole, acme, team = self.login(), self.login(pathPrefix="acme"), self.login(
            pathPrefix="acme/team")
        port, hub, six = self.login("registry.example:5000"), self.login("docker.io"), self.login(
            "http://[2001:db8::1]:5000")
        for image, login, key in (("ghcr.io/x", whole, "ghcr.io/x"),
                                  ("ghcr.io/acme/app", acme, "ghcr.io/acme/app"), ("ghcr.io/acme2/app", whole, "ghcr.io/acme2/app"),
                                  ("ghcr.io/acme/team/app", team, "ghcr.io/acme/team/app"), ("registry.example:5000/a/b", port, "registry.example:5000"),
                                  ("docker.io/library/alpine", hub, "docker.io"),
                                  ("docker.io/acme/app", hub, "index.docker.io"),
                                  ("[2001:db8::1]:5000/x", six, "[2001:db8::1]:5000")):
            answer = self.answer(image)
            self.assertEqual(answer["auth"][key], login, image)
            self.assertEqual(answer["cacheKeyType"], "Image" if image.startswith("ghcr.io")
                             else "Registry", image)
            if not image.startswith("["):
                self.assertTrue(any(matches(k, image) for k in answer["auth"]), image)
        # A key that names an image is for no other login's images.
        for image, other in (("ghcr.io/acme/app", "ghcr.io/acme2/app"),
                             ("ghcr.io/x", "ghcr.io/acme/app")):
            self.assertFalse(any(matches(k, other) for k in self.answer(image)["auth"]),
                             (image, other))

    def test_how_long_it_is_kept(self):
        for i, (left, least, most) in enumerate(((20, 0, 0), (59, 0, 0), (200, 60, 100),
                                                 (3600, 600, 600))):
            address = "r%d.example" % i
            self.login(address, expiresAt=time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                                        time.gmtime(time.time() + left)))
            seconds = int(self.answer(address + "/x")["cacheDuration"][:-1])
            self.assertTrue(least <= seconds <= most, (left, seconds))

    def test_no_login_is_an_answer(self):
        for key in (self.key, site.new_key(self.project.admin, role="reveal",
                                           pathPrefixes=["other"])):
            self.assertEqual(self.answer("nothing.example/x", key=key),
                             {"kind": "CredentialProviderResponse", "apiVersion": GROUP + "v1",
                              "cacheKeyType": "Image", "cacheDuration": "0s", "auth": {}})

    def test_bounds_of_the_node_hold(self):
        self.login()
        acme = self.login(pathPrefix="acme")
        key = site.new_key(self.project.admin, role="reveal", pathPrefixes=["acme"])
        self.assertEqual(self.answer("ghcr.io/acme/app", key=key)["auth"],
                         {"ghcr.io/acme/app": acme})
        self.assertEqual(self.answer("ghcr.io/x", key=key)["auth"], {})

    def test_many_images_at_once(self):
        login = self.login()
        seen = []
        threads = [threading.Thread(
            target=lambda: seen.append(self.answer("ghcr.io/acme/app")["auth"])) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(seen, [{"ghcr.io": login}] * 60)

    def test_annotations_are_not_read_and_a_token_takes_the_place_of_the_key(self):
        """What a token may do: test_identities."""
        login = self.login()
        self.assertEqual(self.answer("ghcr.io/x", serviceAccountToken="",
                                     serviceAccountAnnotations={"a": "b"})["auth"],
                                     {"ghcr.io": login})
        secret = site.plant()
        self.assertNotIn(secret, self.fails("not a web token", image="ghcr.io/x",
                                            serviceAccountToken=secret).stderr)
        self.fails("does not accept this key or token", image="ghcr.io/x",
                   serviceAccountToken="e30.e30.e30")

    def test_an_identity_token_is_no_login_for_it(self):
        self.login(publicValue="<token>")
        self.fails("identity token", "store a user name and a password")


class Patterns(unittest.TestCase):
    """The rules of the kubelet for the keys of `auth`, as this rig has them."""

    def test_which_image_is_whose(self):
        for pattern, image, yes in (
                ("ghcr.io", "ghcr.io/acme/app", True), ("ghcr.io", "ghcr.io", True),
                ("ghcr.io", "ghcr.io.evil/app", False), ("ghcr.io", "xghcr.io/app", False),
                ("ghcr.io/acme", "ghcr.io/acme/app", True), ("ghcr.io/acme", "ghcr.io/acme2/app", True),
                ("ghcr.io/acme", "ghcr.io/other", False), ("ghcr.io/acme/app", "ghcr.io/acme", False),
                ("ghcr.io/acme/", "ghcr.io/acme2", False), ("ghcr.io/*", "ghcr.io/acme", False),
                ("*.io", "ghcr.io/app", True), ("*.io", "a.b.io/app", False), ("*.*.io", "a.b.io/x", True),
                ("*.*.io", "b.io/x", False), ("app*.k8s.io", "app1.k8s.io/x", True), ("app*.k8s.io", "app.k8s.io/x", True),
                ("app*.k8s.io", "xapp.k8s.io/x", False), ("*.k8s.*", "registry.k8s.io/x", True), ("k8s.*", "k8s.io", True),
                ("*", "localhost/x", True), ("*", "ghcr.io/x", False),
                ("*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu-west-1.amazonaws.com/x", True),
                ("*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.a.b.amazonaws.com/x", False),
                ("registry.io:8080/path", "registry.io:8080/path", True),
                ("registry.io:8080/path", "registry.io:8080/path/more", True),
                ("registry.io:8080", "registry.io/x", False), ("registry.io:8080", "registry.io:8081/x", False),
                ("registry.io", "registry.io:8080/x", True), ("registry.io:443", "registry.io:443/x", True),
                ("*.io:8080", "a.io:8080/x", True), ("*.io:8080", "a.io:80/x", False),
                ("docker.io", "docker.io/library/alpine", True), ("index.docker.io", "docker.io/library/alpine", False),
                ("a-b.io", "a-b.io/x", True), ("a.io", "A.io/x", False), ("a+b.io", "aab.io/x", False)):
            self.assertEqual(matches(pattern, image), yes, (pattern, image))


class BadLuck(Base):
    def test_odd_input(self):
        for text in ("", "{", "[]", "null", '{"kind":"x"}', "\0", "\xff" * 10, '{"a":' * 100,
                     "x" * 70000, json.dumps({"kind": "CredentialProviderRequest", "apiVersion": GROUP + "v1", "image": ""}),
                     json.dumps({"kind": "CredentialProviderRequest", "apiVersion": GROUP + "v1",
                                 "image": 7})):
            self.fails(text=text)
        self.fails("lower case", image="ghcr.io/UPPER")

    def test_servers_that_fail(self):
        self.fails("failed", url="http://127.0.0.1:1")
        self.fails("does not accept this key", key=("A" * 20, "wrong"))
        self.fails("own", mode=0o644) if os.geteuid() != 0 else self.fails(mode=0o644)
        self.fails("403", key=site.new_key(self.project.admin, role="inject"))
        for answer in (Answer(500, "<html>"), Answer(200, "<html>", {"Content-Type": "text/html"}),
                       Answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
                       Answer(503, {"code": "Unavailable"})):
            server = Standin(lambda _, answer=answer: answer)
            self.addCleanup(server.stop)
            self.fails(url=server.url)

    def test_a_slow_server_costs_five_seconds_at_most(self):
        def slow(_):
            time.sleep(8)
            return Answer(200, {})
        server = Standin(slow)
        self.addCleanup(server.stop)
        self.fails("does not answer", url=server.url, seconds=20)
        self.assertEqual(len(server.requests), 2)


class ExternalSecrets(Base):
    def test_the_manifest_of_the_page(self):
        """docs/kubernetes.md, read as External Secrets reads it: templates in the headers, a path
        into the answer, a template for the Secret."""
        self.login()
        acme = self.login(pathPrefix="acme")
        with open(os.path.join(harness.SRC, "docs", "kubernetes.md"), encoding="utf-8") as f:
            page = f.read()
        value = lambda name: re.search(r"(?m)^ +%s: (.*)$" % re.escape(name), page).group(1)
        header = value("Authorization")
        self.assertEqual(header, 'Basic {{ print .key.access ":" .key.secret | b64enc }}')
        url = value("url")
        self.assertTrue(url.startswith("https://creds.example.com/"))
        request = urllib.request.Request(
            site.base + url[len("https://creds.example.com"):], method=value("method"),
            data=value("body").strip("'").encode(), headers={
                "Content-Type": value("Content-Type"),
                "Authorization": "Basic " + base64.b64encode(":".join(self.key).encode()).decode()})
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = json.load(answer)
        self.assertIn('"$.data"', value("result"))
        self.assertEqual(value(".dockerconfigjson"),
                         "'{{ index . \".dockerconfigjson\" | b64dec }}'")
        auths = json.loads(base64.b64decode(body["data"][".dockerconfigjson"]))["auths"]
        self.assertEqual({k: auths["ghcr.io/acme"][k] for k in acme}, acme)
        self.assertEqual(sorted(auths), ["ghcr.io", "ghcr.io/acme"])


class Setup(Base):
    def setup(self, *words, status=0):
        env = {"PATH": "/usr/bin:/bin", "REGCRED_URL": "https://creds.example.com",
               "HOME": self.home}
        done = subprocess.run([harness.program("regcred"), "kubelet-setup", *words], env=env,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done)
        return done.stdout + done.stderr

    def test_the_configuration(self):
        out = self.setup("ghcr.io", "*.azurecr.io", "registry.example.com:5000/team")
        lines = [line for line in out.splitlines() if not line.startswith("#")]
        self.assertEqual("\n".join(lines) + "\n", """apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: regcred-kubelet-provider
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    defaultCacheDuration: 1m0s
    matchImages:
      - "ghcr.io"
      - "*.azurecr.io"
      - "registry.example.com:5000/team"
    env:
      - name: REGCRED_URL
        value: "https://creds.example.com"
      - name: REGCRED_API_KEY_FILE
        value: "/etc/regcred/node.key"
""")
        for words in ((), ("https://ghcr.io",), ("a b",), ("",)):
            self.setup(*words, status=1)


if __name__ == "__main__":
    unittest.main()
