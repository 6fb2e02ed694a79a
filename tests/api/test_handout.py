"""Handing out logins: who may, which, in which form; what is noted; what never leaves."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

import harness
import readers
from harness import Client

setUpModule, tearDownModule = harness.site_of(globals())

HUB = "https://index.docker.io/v1/"
FORMATS = ("docker", "env", "helper", "kubelet", "kubernetes", "kubernetesJson", "podman",
           "renovate", "userpass")


def date(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def auth(user, secret):
    return base64.b64encode(("%s:%s" % (user, secret)).encode()).decode()


class Base(harness.Case):
    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.env, self.root = self.project.env, self.project.root
        self.registries = {}

    def login(self, address="ghcr.io", **fields):
        if address not in self.registries:
            self.registries[address] = self.project.registry(serverAddress=address)
        body = self.project.credential(self.registries[address], **fields)
        return body["id"], body["publicValue"], body["secretValue"]

    def key(self, maker=None, status=201, **fields):
        """A client with a new key of the project that may be handed logins; made by the owner."""
        maker = maker or self.project.admin
        fields = fields or {"reveal": True}
        return Client(site, site.new_key(maker, **fields), self.root)

    def ask(self, client, format="docker", status=200, **body):
        r = client.post("handouts", dict(body, format=format))
        self.status(r, status)
        return r

    def auths(self, client, format="docker", **body):
        return self.ask(client, format, **body).json["auths"]

    def none(self, r, *secrets):
        """No password in an answer, whatever it says."""
        for needle in harness.forms(harness.PLANT):
            self.assertNotIn(needle, r.body, repr(r))
        return r

    def audit(self, event="handOut"):
        return site.sql("SELECT resource_id, actor_id, key_id, response_code, changes, account_id "
                        "FROM audit_log WHERE event_type = ? ORDER BY id", (event,))


class Formats(Base):
    def setUp(self):
        super().setUp()
        self.client = self.key()

    def test_docker(self):
        _, user, secret = self.login()
        port = self.login("localhost:5000")
        hub = self.login("docker.io")
        six = self.login("http://[2001:DB8::1]:5000/")
        r = self.ask(self.client)
        self.assertEqual((r.header("Content-Type"), r.header("Cache-Control"),
                          r.header("Content-Encoding")),
                          ("application/json", "no-store", "identity"))
        self.assertEqual(r.json,
                         {"auths": {"ghcr.io": {"auth": auth(user, secret)},
                                    "localhost:5000": {"auth": auth(*port[1:])}, HUB: {"auth": auth(*hub[1:])},
                                            "[2001:db8::1]:5000": {"auth": auth(*six[1:])}}})
        for body, key in (({"image": "ghcr.io/acme/app:1"}, "ghcr.io"), ({"image": "alpine"}, HUB),
                          ({"serverAddress": HUB}, HUB),
                          ({"serverAddress": "index.docker.io"}, HUB), ({"image": "localhost:5000/x"}, "localhost:5000"), ({"serverAddress": "ghcr.io"}, "ghcr.io"),
                          ({"registryId": self.registries["localhost:5000"]["id"]},
                           "localhost:5000")):
            self.assertEqual(self.auths(self.client, **body), {key: r.json["auths"][key]}, body)

    def test_byte_for_byte(self):
        _, user, secret = self.login()
        data = '{"auths":{"ghcr.io":{"auth":"%s"}}}' % auth(user, secret)
        packed = base64.b64encode(data.replace('{"auth":',
                                               '{"username":"%s","password":"%s","auth":'
                                               % (user, secret)).encode()).decode()
        for format, text in (("docker", data), ("podman", data),
                             ("helper", '{"ServerURL":"ghcr.io","Username":"%s","Secret":"%s"}' % (user, secret)),
                             ("kubernetes", 'apiVersion: "v1"\nkind: "Secret"\nmetadata:\n  name: '
                                            '"pull"\n  namespace: "team-a"\n'
                              'type: "kubernetes.io/dockerconfigjson"\ndata:\n  .dockerconfigjson: '
                              '"%s"\n' % packed),
                             ("kubernetesJson",
                              '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"pull","namespace":"team-a"},'
                              '"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"%s"}}' % packed)):
            r = self.ask(self.client, format, image="ghcr.io/x", name="pull", namespace="team-a")
            self.assertEqual(r.text, text)
            self.assertEqual(r.header("Content-Type"), "application/yaml" if format == "kubernetes"
                             else "application/json")

    def test_for_programs_that_read_neither(self):
        _, user, secret = self.login("ghcr.io", secretValue="it's\n" + site.plant())
        _, hub_user, hub_secret = self.login("docker.io")
        r = self.ask(self.client, "userpass", image="ghcr.io/x")
        self.assertEqual((r.text, r.header("Content-Type")),
                         ("%s:%s\n" % (user, secret), "text/plain"))
        r = self.ask(self.client, "env", image="ghcr.io/x")
        told = subprocess.run(["sh", "-c", 'eval "$1"; printf "%s|%s|%s" "$REGISTRY" '
                                           '"$REGISTRY_USER" "$REGISTRY_PASSWORD"', "sh", r.text],
                                           capture_output=True, text=True, check=True, timeout=60)
        self.assertEqual(told.stdout, "ghcr.io|%s|%s" % (user, secret))
        rules = {"hostType": "docker", "matchHost": "ghcr.io", "username": user,
                 "password": secret}, {"hostType": "docker", "matchHost": "index.docker.io",
                                       "username": hub_user, "password": hub_secret}
        self.assertEqual(sorted(self.ask(self.client, "renovate").json,
                                key=lambda rule: rule["matchHost"]), list(rules))
        self.login("quay.io", publicValue="<token>")
        for format in ("env", "kubelet", "renovate", "userpass"):
            self.err(
                self.none(self.client.post("handouts",
                                           {"format": format, "serverAddress": "quay.io"})), 422,
                                           "InvalidFormat", "format")
        self.login("colon.example", publicValue="a:b")
        self.err(
            self.none(self.client.post("handouts",
                                       {"format": "userpass", "serverAddress": "colon.example"})),
                                       422, "InvalidFormat", "format")

    def test_kubernetes(self):
        self.login()
        self.login("docker.io", pathPrefix="acme")
        r = self.ask(self.client, "kubernetes")
        lines = dict(line.strip().split(": ", 1) for line in r.text.splitlines() if ": " in line)
        self.assertEqual((json.loads(lines["name"]), "namespace" in lines), ("regcred", False))
        config = json.loads(base64.b64decode(json.loads(lines[".dockerconfigjson"])))
        self.assertEqual(set(config["auths"]), {"ghcr.io", "docker.io/acme"})
        other = self.ask(self.client, "kubernetesJson").json
        self.assertEqual(json.loads(base64.b64decode(other["data"][".dockerconfigjson"])), config)
        for field, values in (("name", ("A", "a_b", "-a", "a-", ".a", "a.", "a..b", "a b", 'a"',
                                        "a\nb: c", "ä", "a/b")),
                              ("namespace", ("a.b", "A", "-", "a:b", "#"))):
            for value in values:
                self.err(
                    self.none(self.client.post("handouts", {"format": "kubernetes", field: value})),
                    422, "InvalidFormat", field)
        self.err(self.client.post("handouts", {"format": "kubernetes", "name": "a" * 254}), 422,
                 "MaxLengthExceeded", "name")
        self.err(self.client.post("handouts", {"format": "kubernetes", "namespace": "a" * 64}), 422,
                 "MaxLengthExceeded", "namespace")
        self.assertEqual(self.ask(self.client, "kubernetesJson", name="a.b-c.0").json["metadata"],
                         {"name": "a.b-c.0"})

    def test_paths(self):
        whole, acme, team = self.login(), self.login(pathPrefix="acme"), self.login(
            pathPrefix="acme/team")
        hub = self.login("docker.io", pathPrefix="acme")
        self.assertEqual(self.auths(self.client, "podman"),
                         {"ghcr.io": {"auth": auth(*whole[1:])},
                          "ghcr.io/acme": {"auth": auth(*acme[1:])},
                                                             "ghcr.io/acme/team": {
                                                                 "auth": auth(*team[1:])},
                                                                 "docker.io/acme": {
                                                                     "auth": auth(*hub[1:])}})
        # Docker's file knows hosts alone: all of a registry, or the login of one image.
        self.assertEqual(self.auths(self.client), {"ghcr.io": {"auth": auth(*whole[1:])}})
        self.assertEqual(self.auths(self.client, image="ghcr.io/acme/team/x"),
                         {"ghcr.io": {"auth": auth(*team[1:])}})
        self.assertEqual(self.auths(self.client, image="acme/x"), {HUB: {"auth": auth(*hub[1:])}})
        self.assertEqual(self.auths(self.client, "podman", image="ghcr.io/acme/team/x"),
                         {"ghcr.io/acme/team": {"auth": auth(*team[1:])}})
        self.assertEqual(self.auths(self.client, "podman", image="ghcr.io/x"),
                         {"ghcr.io": {"auth": auth(*whole[1:])}})
        self.err(self.client.post("handouts", {"format": "docker", "image": "other/x"}), 404,
                 "NoLogin")

    def test_several_logins(self):
        old, new = self.login(), self.login()
        self.assertEqual(self.auths(self.client), {"ghcr.io": {"auth": auth(*new[1:])}})
        self.ok(self.env.put("registrycredentials/" + old[0], {"isDefault": True}))
        for format in ("docker", "podman"):
            self.assertEqual(self.auths(self.client, format), {"ghcr.io": {"auth": auth(*old[1:])}})
        # Two registries of one host.
        other = self.login("https://GHCR.io/v2/", isDefault=True)
        self.assertEqual(self.auths(self.client), {"ghcr.io": {"auth": auth(*other[1:])}})
        self.assertEqual(self.auths(self.client, registryId=self.registries["ghcr.io"]["id"]),
                         {"ghcr.io": {"auth": auth(*old[1:])}})

    def test_odd_passwords(self):
        odd = ["\n", "line\nbreak\r\n", '"', "\\", "'", "a:b:c", ":", " ", "\t", "</script>", "é€🐳",
               "\x7f\x01", "{{x}}", "# no comment", "%s%n", "-----BEGIN KEY-----\nx\n", "a" * 3000,
               json.dumps({"type": "service_account",
                           "private_key": "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE "
                                          "KEY-----\n"}, indent=2)]
        for i, text in enumerate(odd):
            secret = site.plant(text)
            address = "odd%d.example.test" % i
            self.login(address, publicValue="_json_key é" if i % 2 else "u", secretValue=secret)
            user = "_json_key é" if i % 2 else "u"
            self.assertEqual(base64.b64decode(self.auths(self.client, image=address + "/x")[
                address]["auth"]).decode(), user + ":" + secret)
            self.assertEqual(self.ask(self.client, "helper", image=address + "/x").json,
                             {"ServerURL": address, "Username": user, "Secret": secret})
        packed = re.search(r'\.dockerconfigjson: "([^"]*)"\n$',
                           self.ask(self.client, "kubernetes").text).group(1)
        self.assertEqual(len(json.loads(base64.b64decode(packed))["auths"]), len(odd))

    def test_identity_tokens(self):
        _, _, secret = self.login(publicValue="<token>")
        for format in ("docker", "podman"):
            self.assertEqual(self.auths(self.client, format),
                             {"ghcr.io": {"auth": auth("<token>", ""), "identitytoken": secret}})
        self.assertEqual(self.ask(self.client, "helper", image="ghcr.io/x").json,
                         {"ServerURL": "ghcr.io", "Username": "<token>", "Secret": secret})

    def test_a_colon_in_the_user_name(self):
        made, _, secret = self.login(publicValue="a:b")
        for format in ("docker", "kubernetes", "kubernetesJson", "podman", "userpass"):
            body = self.err(
                self.none(self.client.post("handouts", {"format": format, "image": "ghcr.io/x"})),
                422, "InvalidFormat", "format")
            self.assertIn(made, body["detail"])
        self.assertEqual(self.ask(self.client, "helper", image="ghcr.io/x").json["Username"], "a:b")

    def test_one_odd_login_does_not_spoil_the_file(self):
        """What a format cannot hold is left out and named; where it is all that was asked for, it
        is refused."""
        _, user, secret = self.login()
        odd = {"colon": self.login("colon.example", publicValue="a:b")[0],
               "token": self.login("token.example", publicValue="<token>")[0]}
        empty = self.login("ghcr.io", secretValue="")[0]
        broken = self.login("broken.example")[0]
        site.sql("UPDATE credential SET secret_value = CAST(substr(secret_value, 1, "
                 "length(secret_value) - 1) || X'00' AS BLOB) WHERE id = ?", (int(broken[2:]),),
                 write=True)
        for format, left in (("docker", {odd["colon"], broken}), ("podman", {odd["colon"], broken}),
                             ("kubernetes", {odd["colon"], odd["token"], broken})):
            r = self.ask(self.client, format)
            self.assertEqual(set(r.header("X-Regcred-Left-Out").split(", ")), left)
            auths = r.json["auths"] if format != "kubernetes" else json.loads(base64.b64decode(
                re.search(r'\.dockerconfigjson: "([^"]*)"', r.text).group(1)))["auths"]
            self.assertEqual(auths["ghcr.io"]["auth"], auth(user, secret))
            self.assertEqual(set(auths), {"ghcr.io"} | ({"token.example"} if format != "kubernetes"
                                                        else set()))
        for address, format, made in (("colon.example", "docker", odd["colon"]),
                                      ("token.example", "kubernetes", odd["token"])):
            for body in ({"image": address + "/x"}, {"serverAddress": address}):
                self.assertIn(made,
                              self.err(
                                  self.none(self.client.post("handouts",
                                                             dict(body, format=format))), 422,
                                                             "InvalidFormat", "format")["detail"])
        others = self.ok(self.client.post("imagelogins", {"image": "ghcr.io/x"}))
        self.assertEqual([(o["registryCredentialId"], o["reason"]) for o in others["others"]],
                         [(empty, "incomplete")])

    def test_a_file_is_not_larger_than_its_reader_takes(self):
        for i in range(40):
            self.login("r%d.example" % i, secretValue=site.plant("x" * 20000))
        self.assertEqual(len(self.ask(self.client).json["auths"]), 40)
        for format in ("kubernetes", "kubernetesJson"):
            self.assertIn("1 MiB",
                          self.err(self.none(self.client.post("handouts", {"format": format})), 422,
                                   "InvalidOption", "format")["detail"])
            self.ask(self.client, format, serverAddress="r1.example")

    def test_what_changes_while_it_is_chosen_does_not_leave(self):
        """Deactivated, removed or replaced: after the answer to that no hand-out has the old login,
        with others asking all the time."""
        made, user, secret = self.login()
        stopped, seen, lock = threading.Event(), [], threading.Lock()

        def read():
            while not stopped.is_set():
                began = time.monotonic()
                r = self.client.post("handouts", {"format": "docker"})
                with lock:
                    seen.append((began, r.status, r.json))
        threads = [threading.Thread(target=read) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            for _ in range(30):
                fresh = site.plant()
                self.ok(self.env.put("registrycredentials/" + made, {"secretValue": fresh}))
                changed = time.monotonic()
                time.sleep(0.01)
                self.status(self.env.action("registrycredentials/" + made, "deactivate"), 202)
                off = time.monotonic()
                time.sleep(0.01)
                with lock:
                    late, seen[:] = list(seen), []
                for began, status, body in late:
                    self.assertEqual(status, 200)
                    if changed < began < off - 1 or began > off:
                        self.assertIn(body["auths"], ({}, {"ghcr.io": {"auth": auth(user, fresh)}})
                                      if began < off else ({},))
                self.status(self.env.action("registrycredentials/" + made, "activate"), 202)
        finally:
            stopped.set()
            for t in threads:
                t.join()

    def test_what_is_no_question(self):
        self.login()
        for body, code, field in (({}, "MissingRequired", "format"),
                                  ({"format": None}, "MissingRequired", "format"), ({"format": "Docker"}, "InvalidOption", "format"),
                                  ({"format": ""}, "InvalidOption", "format"), ({"format": []}, "InvalidFormat", "format"),
                                  ({"format": "helper"}, "MissingRequired", "image"), ({"format": "docker", "image": "A"}, "InvalidFormat", "image"),
                                  ({"format": "docker", "registryId": "1c7"}, "InvalidReference", "registryId"), ({"format": "docker", "registryId": 3}, "InvalidReference", "registryId"),
                                  ({"format": "docker", "image": "x", "registryId": "1sp1"}, "InvalidOption", "registryId"),
                                  ({"format": "docker", "serverAddress": "ghcr.io", "registryId": "1sp1"}, "InvalidOption", "registryId"),
                                  ({"format": "docker", "image": "x", "serverAddress": "ghcr.io"},
                                   "InvalidOption", "serverAddress")):
            self.err(self.none(self.client.post("handouts", body)), 422, code, field)
        for body in ({"image": "x"}, {"serverAddress": "quay.io"}, {"registryId": "1sp99999"}):
            for format in FORMATS:
                self.err(self.client.post("handouts", dict(body, format=format)), 404, "NoLogin")
        for method, path, status in (("GET", "handouts", 405),
                                     ("GET", "handouts?format=docker", 405), ("PUT", "handouts", 405), ("DELETE", "handouts", 405),
                                     ("GET", "handouts/1c1", 404), ("POST", "handouts/1c1", 404)):
            self.status(self.none(self.client.request(method, path, {"format": "docker"}
                                                      if method in ("PUT", "POST") else None)),
                                                      status)
        # All of nothing is a file too: what a host writes each night must lose what was taken away.
        empty = Client(site, site.new_key(site.project().admin, reveal=True))
        self.assertEqual(self.ask(empty).json, {"auths": {}})
        self.assertEqual(self.auths(self.client.at("/v2-beta"), "docker"), self.auths(self.client))
        self.assertEqual(self.ok(self.client.post("handouts?format=docker&image=ghcr.io/x"))[
            "auths"], self.auths(self.client))

    def test_a_project_of_many_registries(self):
        addresses = ["r%d.example.test" % i for i in range(400)]
        for address in addresses:
            self.login(address)
        self.assertEqual(sorted(self.auths(self.client)), sorted(addresses))

    def test_browsers(self):
        self.login()
        browser = Client(site, self.client.key, self.root, [("Accept", "text/html,*/*")],
                         "Mozilla/5.0")
        self.err(self.none(browser.post("handouts?_format=json", {"format": "docker"})), 403,
                 "InvalidCSRFToken")
        r = browser.post("handouts", {"format": "docker"}, headers={"Origin": site.base})
        self.assertEqual((r.status, r.header("Content-Type"), list(r.json)),
                         (200, "application/json", ["auths"]))


class Long(Base):
    def test_a_file_is_shorter_than_what_the_web_servers_hold(self):
        """Else a slow reader holds a thread.  What is longer is refused, however many there are,
        and a part of it is handed out."""
        with open(os.path.join(harness.SRC, "nginx", "regcred_params"), encoding="utf-8") as f:
            nginx = re.search(r"fastcgi_buffers +(\d+) (\d+)k;", f.read())
        room, key, user, most = int(nginx[1]) * int(
            nginx[2]) * 1024, self.key(), "&" * 4000, 4 * 1024 * 1024
        last, secret = None, "s" * 60000
        for n, ask in enumerate([None] * 30 + [True] * 30 + [False] * 60):
            last = self.login("r%d.example" % n, publicValue=user, secretValue=secret)
            if ask and n % 10 == 9:
                r = key.post("handouts", {"format": "docker"})
                self.assertIn(r.status, (200, 422))
                self.assertLess(len(r.body), min(most, room) + 1)
        for form in FORMATS:
            if form not in ("env", "helper", "kubelet", "userpass"):        # those hold one login
                r = self.ask(key, form, status=422)
                self.assertEqual((r.json["code"], r.json["fieldName"]), ("InvalidOption", "format"))
        self.assertEqual(self.auths(key, serverAddress="r119.example")["r119.example"]["auth"],
                         auth(user, last[2]))

    @unittest.skipUnless(os.environ.get("REGCRED_LONG"), "a thousand long logins")
    def test_a_thousand_of_the_longest(self):
        key = self.key()
        for n in range(1000):
            self.login("r%d.example" % n, secretValue="s" * 65000)
        self.assertEqual(self.ask(key, status=422).json["code"], "InvalidOption")


class Readers(Base):
    """The names in a file are what its reader compares letter by letter: of each spelling of an
    address, in each format, by each way to ask."""

    FILES = {"docker": (readers.docker, readers.go_containerregistry), "podman": (readers.podman,),
             "kubernetes": (readers.kubelet,)}
    # Stored address; images that mean it as it stands; further ones, for which the file has to be
    # asked by the image.
    SPELLINGS = (("plain.example", ("plain.example/acme/app:1",), ("plain.example:443/acme/app",)),
                 ("port.example:443", ("port.example:443/acme/app:1", "port.example/acme/app"), ()),
                 ("https://scheme.example:443/v2/", ("scheme.example:443/acme/app", "scheme.example/acme/app"), ()),
                 ("CASE.example:443", ("case.example/acme/app", "case.example:443/acme/app"), ()),
                 ("http://http.example:80", ("http.example:80/acme/app", "http.example/acme/app"), ()),
                 ("http://bare.example", ("bare.example/acme/app",), ("bare.example:80/acme/app",)),
                 ("odd.example:5000", ("odd.example:5000/acme/app",), ()),
                 ("localhost:443", ("localhost:443/acme/app", "localhost/acme/app"), ()),
                 ("[2001:db8::1]:443", ("[2001:db8::1]:443/acme/app",), ()),
                 ("word:443", ("word:443/acme/app",), ()),
                 ("docker.io", ("acme/app", "docker.io/acme/app", "index.docker.io/acme/app"), ("registry-1.docker.io/acme/app", "registry.hub.docker.com/acme/app")),
                 ("https://index.docker.io/v1/", ("acme/app", "docker.io/acme/app"), ("registry-1.docker.io/acme/app",)),
                 ("index.docker.io", ("acme/app",), ()),
                 ("registry-1.docker.io", ("acme/app", "registry-1.docker.io/acme/app"), ()),
                 ("registry.hub.docker.com", ("acme/app", "registry.hub.docker.com/acme/app"), ()),
                 ("docker.io:443", ("acme/app", "docker.io/acme/app"), ("docker.io:443/acme/app",)),
                 ("https://INDEX.docker.io:443/v1/", ("acme/app",), ("index.docker.io:443/acme/app", "registry-1.docker.io:443/acme/app")),
                 ("http://docker.io", ("acme/app",), ()),
                 ("hub.docker.com", ("acme/app", "docker.io/acme/app"), ("www.docker.io/acme/app",)),
                 ("docker://scheme2.example", ("scheme2.example/acme/app",), ("scheme2.example:443/acme/app", "Scheme2.Example/acme/app")),
                 ("oci://charts.example:443/", ("charts.example/acme/app", "charts.example:443/acme/app"), ()),
                 (" dot.example. ", ("dot.example/acme/app",), ("DOT.example:443/acme/app",)),
                 ("[2001:DB8:0:0::2]", ("[2001:db8::2]/acme/app",), ("[2001:DB8::2]/acme/app", "[2001:db8:0::2]:443/acme/app")),
                 ("[::1]:5000", ("[::1]:5000/acme/app",), ("[0:0:0:0:0:0:0:1]:5000/acme/app",)),
                 ("10.0.0.7:443", ("10.0.0.7/acme/app", "10.0.0.7:443/acme/app"), ()),
                 ("localhost", ("localhost/acme/app",), ("localhost:443/acme/app",)),
                 ("http://localhost:80/", ("localhost/acme/app", "localhost:80/acme/app"), ()),
                 ("https://tls80.example:80", ("tls80.example:80/acme/app",), ()),
                 ("under-score.example:443/v2/", ("under-score.example:443/acme/app",), ()))

    def file(self, client, format, **body):
        r = self.ask(client, format, **body)
        if format != "kubernetes":
            return r.json["auths"]
        return json.loads(base64.b64decode(re.search(r'\.dockerconfigjson: "([^"]*)"',
                                                     r.text).group(1)))["auths"]

    def finds(self, read, auths, image, login):
        found = read(auths, image)
        found = found if isinstance(found, list) else [found]
        self.assertIn(auth(*login[1:]), [entry["auth"] for entry in found if entry],
                      (read.__name__, image, sorted(auths)))

    def test_each_reader_finds_each_spelling(self):
        for address, images, more in self.SPELLINGS:
            for path in (None, "acme", "acme/app"):
                with self.subTest(address=address, path=path):
                    self.project = site.project()
                    self.env, self.root, self.registries = self.project.env, self.project.root, {}
                    client = self.key()
                    login = self.login(address, **({"pathPrefix": path} if path else {}))
                    for format, reads in self.FILES.items():
                        asked = [(image, {"image": image}) for image in images + more]
                        if not path or format != "docker":    # docker's file knows hosts alone
                            for body in ({}, {"registryId": self.registries[address]["id"]}):
                                asked += [(image, body) for image in images]
                        for image, body in asked:
                            auths = self.file(client, format, **body)
                            for read in reads:
                                self.finds(read, auths, image, login)

    def test_the_host_is_as_it_was_asked_for(self):
        login = self.login("asked.example")
        client = self.key()
        for host in ("asked.example", "asked.example:443", "ASKED.example", "Asked.Example:443"):
            for format in ("docker", "podman", "kubernetes"):
                for body in ({"image": host + "/a/b:1"}, {"serverAddress": host},
                             {"serverAddress": "https://" + host + "/v2/"}):
                    self.assertEqual(list(self.file(client, format, **body)), [host])
            self.assertEqual(self.ask(client, "helper", serverAddress=host).json["ServerURL"], host)
        self.assertEqual(self.auths(client), {"asked.example": {"auth": auth(*login[1:])}})

    def test_a_part_of_docker_hub_beside_the_whole(self):
        whole, part = self.login("docker.io"), self.login("docker.io", pathPrefix="acme")
        client = self.key()
        for format, reads in (("kubernetes", (readers.kubelet,)), ("podman", (readers.podman,))):
            auths = self.file(client, format)
            for read in reads:
                self.finds(read, auths, "acme/app", part)
                for image in ("acme2/app", "alpine", "docker.io/other/x",
                              "index.docker.io/other/x"):
                    self.finds(read, auths, image, whole)
        self.assertEqual(set(self.file(client, "kubernetes")), {HUB, "docker.io", "docker.io/acme"})
        noted = len(self.audit())
        self.file(client, "kubernetes")
        self.assertEqual(len(self.audit()), noted + 2)       # a second name is not a second login


class Permission(Base):
    """Who may be handed logins, who gives that right, and how far."""

    def refused(self, client, code="Forbidden", status=403):
        for format in FORMATS:
            self.err(self.none(client.post("handouts", {"format": format, "image": "ghcr.io/x"})),
                     status, code)

    def test_no_key_has_it_by_itself(self):
        self.login()
        self.refused(self.env)
        self.refused(self.project.admin)
        me, client = site.account("user")
        for role in ("owner", "member", "restricted", "readonly"):
            project = site.project(members=[("1a1", "owner"), (me, role)])
            project.credential(project.registry(serverAddress="ghcr.io"))
            self.refused(client.at(project.root), *(() if role == "owner" else ("Not Found", 404)))
        self.refused(client)
        self.refused(site.account("superadmin")[1].at(self.root))
        for kind in ("service", "readAdmin"):
            self.refused(site.account(kind)[1].at(self.root), "Not Found", 404)
        self.status(site.anonymous(self.root).post("handouts", {"format": "docker"}), 401)
        body = self.ok(self.env.post("apikeys", {"name": "old"}), 201)
        self.assertEqual([body[n] for n in ("reveal", "registryIds", "pathPrefixes", "role")],
                         [False, None, None, None])

    def test_who_gives_it(self):
        self.login()
        me, client = site.account("user")
        for role in ("owner", "member", "restricted"):
            project = site.project(members=[("1a1", "owner"), (me, role)])
            wanted = project.credential(project.registry(serverAddress="ghcr.io"))["secretValue"]
            for fields in ({"reveal": True}, {"role": "reveal"}):
                r = client.at(project.root).post("apikeys", fields)
                if role == "owner":
                    made = self.ok(r, 201)
                    self.assertTrue(made["reveal"])
                    site.key_secrets.append((made["publicValue"], made["secretValue"]))
                    key = Client(site, (made["publicValue"], made["secretValue"]), project.root)
                    self.assertEqual(self.ask(key, "helper", image="ghcr.io/x").json["Secret"],
                                     wanted)
                else:
                    self.err(r, 422, "InvalidOption", "reveal")
        for maker in (self.env, site.account("service")[1].at(self.root),
                      Client(site, site.new_key(self.project.admin, role="reveal"), self.root)):
            self.status(maker.post("apikeys", {"reveal": True}), 404, 422)
        # A key that has it gives it on.
        self.ask(self.key(self.key()))
        self.err(self.env.post("apikeys", {"reveal": True, "role": "readonly"}), 422,
                 "InvalidOption", "reveal")
        self.err(self.project.admin.post("apikeys", {"reveal": True, "role": "readonly"}), 422,
                 "InvalidOption", "reveal")
        for value in ("yes", 1, [], ""):
            self.err(self.project.admin.post("apikeys", {"reveal": value}), 422, "InvalidFormat",
                     "reveal")

    def test_a_users_own_key(self):
        """It is handed logins where its account is an owner, and no longer when it is not."""
        me, client = site.account("user")
        project = site.project(members=[("1a1", "owner"), (me, "owner")])
        secret = project.credential(project.registry(serverAddress="ghcr.io"))["secretValue"]
        joined = site.project(members=[("1a1", "owner"), (me, "member")])
        joined.credential(joined.registry(serverAddress="quay.io"))
        own = Client(site, site.new_key(client, reveal=True, projectIds=[project.id, joined.id]))
        nameless = Client(site, site.new_key(client, reveal=True), "/v1")
        self.assertEqual(self.ask(own.at(project.root), "helper", image="ghcr.io/x").json["Secret"],
                         secret)
        self.refused(own.at(joined.root), "Not Found", 404)
        # Without a scope: those of the projects that it names and the user owns.
        self.assertEqual(set(self.ask(own.at("/v1")).json["auths"]), {"ghcr.io"})
        self.err(own.at("/v1").post("handouts", {"format": "docker", "image": "quay.io/x"}), 404,
                 "NoLogin")
        for body in ({"format": "docker"}, {"format": "helper", "image": "ghcr.io/x"}):
            self.assertIn("name the project", self.err(nameless.post("handouts", body), 404,
                                                       "NoLogin")["detail"])
        site.forget_schemas()
        self.status(site.admin.action("/v1/projects/" + project.id, "setmembers",
                                      {"members": [{"externalId": i, "externalIdType": "rancher_id",
                                                    "role": r} for i,
                                                    r in (("1a1", "owner"), (me, "member"))]}), 202)
        self.refused(own.at(project.root), "Not Found", 404)
        self.assertEqual(self.ask(own.at("/v1")).json["auths"], {})
        site.forget_schemas()

    def test_role_reveal_sees_nothing_else(self):
        made, _, secret = self.login()
        key = self.key(role="reveal")
        self.assertEqual(self.ask(key, "helper", image="ghcr.io/x").json["Secret"], secret)
        body = self.ok(key.post("imagelogins", {"image": "ghcr.io/x"}))
        self.assertEqual((body["registryCredentialId"], body["links"]), (made, {}))
        self.assertEqual({d["id"] for d in self.ok(key.get("schemas"))["data"]},
                         {"schema", "apiVersion", "error", "imageLogin", "handOut"})
        self.assertEqual(set(self.ok(key.get("/v1"))["links"]) - {"self"}, {"schemas"})
        for path in ("registries", "registrycredentials", "registrycredentials/" + made,
                     "credentials", "apikeys", "passwords", "accounts", "projects", "projectmembers",
                     "storagepools", "/v1/projects/" + self.project.id,
                     "registries?include=credentials"):
            self.status(self.none(key.get(path)), 404)
        for path in ("registries", "registrycredentials", "apikeys", "passwords", "accounts",
                     "projects"):
            self.status(key.post(path, {"name": "x"}), 404)
        self.status(key.put("registrycredentials/" + made, {"publicValue": "x"}), 404)
        self.status(key.action("registrycredentials/" + made, "deactivate"), 404)

    def test_revoking_works_at_once(self):
        self.login()
        for how in ("deactivate", "reveal", "expires", "remove"):
            made = self.ok(self.project.admin.post("apikeys", {"reveal": True}), 201)
            site.key_secrets.append((made["publicValue"], made["secretValue"]))
            key = Client(site, (made["publicValue"], made["secretValue"]), self.root)
            self.ask(key)
            path = "apikeys/" + made["id"]
            if how in ("deactivate", "remove"):
                self.status(self.env.action(path, "deactivate"), 202)
                if how == "remove":
                    self.status(self.env.delete(path), 200)
            else:
                self.ok(self.env.put(path, {"reveal": False} if how == "reveal"
                                     else {"expires": date(-1)}))
            self.status(self.none(key.post("handouts", {"format": "docker"})), 403 if how
                        == "reveal" else 401)
        self.err(self.env.put("apikeys/" + self.ok(self.env.post("apikeys", {}), 201)["id"],
                              {"reveal": True}), 422, "InvalidOption", "reveal")

    def test_bounds(self):
        ghcr, acme, quay = self.login(), self.login(pathPrefix="acme"), self.login("quay.io")
        ids = {a: r["id"] for a, r in self.registries.items()}
        one = self.key(reveal=True, registryIds=[ids["quay.io"]])
        self.assertEqual(set(self.auths(one)), {"quay.io"})
        for body in ({"image": "ghcr.io/x"}, {"registryId": ids["ghcr.io"]},
                     {"serverAddress": "ghcr.io"}):
            self.err(self.none(one.post("handouts", dict(body, format="docker"))), 404, "NoLogin")
        self.assertEqual(self.ok(one.post("imagelogins", {"image": "ghcr.io/acme/x"}))["others"],
                         [])
        part = self.key(role="reveal", pathPrefixes=["acme", "other/x"])
        self.assertEqual(self.auths(part, "podman"), {"ghcr.io/acme": {"auth": auth(*acme[1:])}})
        self.err(part.post("handouts", {"format": "docker", "image": "ghcr.io/x"}), 404, "NoLogin")
        # What is for all of a registry opens more than the key is for, whatever image is named.
        self.status(self.env.action("registrycredentials/" + acme[0], "deactivate"), 202)
        self.err(self.none(part.post("handouts", {"format": "docker", "image": "ghcr.io/acme/x"})),
                 404, "NoLogin")
        body = self.ok(self.project.admin.post("apikeys",
                                               {"reveal": True, "registryIds": list(ids.values()),
                                                "pathPrefixes": ["a", "b/c"]}), 201)
        self.assertEqual((body["registryIds"], body["pathPrefixes"]),
                         (list(ids.values()), ["a", "b/c"]))
        site.key_secrets.append((body["publicValue"], body["secretValue"]))
        for name, value, code in [("registryIds", v, "InvalidFormat")
                                  for v in ("", "x", ["1c7"], [3], [None], {}, ["1sp1", ""],
                                            ["1sp%d" % i for i in range(1, 34)])] + \
                [("registryIds", ["1sp99999"], "InvalidReference"),
                 ("registryIds", [site.project().registry()["id"]], "InvalidReference")] + \
                [("pathPrefixes", v, "InvalidFormat") for v in ("", ["/"], ["A"], ["a b"], [""],
                                                                [None], {}, ["a"] * 33)]:
            self.err(self.project.admin.post("apikeys", {"reveal": True, name: value}), 422, code,
                     name)
            self.err(self.project.admin.put("apikeys/" + body["id"], {name: value}), 422, code,
                     name)

    def test_bounds_are_inherited(self):
        self.login(), self.login("quay.io")
        ghcr, quay = (self.registries[a]["id"] for a in ("ghcr.io", "quay.io"))
        parent = self.key(reveal=True, registryIds=[ghcr, quay], pathPrefixes=["acme", "x"])
        child = self.ok(parent.post("apikeys", {"reveal": True}), 201)
        site.key_secrets.append((child["publicValue"], child["secretValue"]))
        self.assertEqual((child["registryIds"], child["pathPrefixes"]),
                         ([ghcr, quay], ["acme", "x"]))
        narrow = self.ok(parent.post("apikeys", {"reveal": True, "registryIds": [ghcr],
                                                 "pathPrefixes": ["acme/app"]}), 201)
        site.key_secrets.append((narrow["publicValue"], narrow["secretValue"]))
        third = self.project.registry()["id"]
        for name, value in (("registryIds", [third]), ("registryIds", [ghcr, third]),
                            ("pathPrefixes", ["acme2"]), ("pathPrefixes", ["acme", "y"])):
            self.err(parent.post("apikeys", {"reveal": True, name: value}), 422, "InvalidOption",
                     name)
            self.err(parent.put("apikeys/" + narrow["id"], {name: value}), 422, "InvalidOption",
                     name)
        self.err(parent.put("apikeys/" + narrow["id"], {"registryIds": None}), 422, "InvalidOption",
                 "registryIds")
        # Whoever may not give the right may make it narrower, not wider.
        self.err(self.env.put("apikeys/" + narrow["id"], {"registryIds": None}), 422,
                 "InvalidOption", "reveal")
        self.err(self.env.put("apikeys/" + narrow["id"], {"pathPrefixes": ["acme"]}), 422,
                 "InvalidOption", "reveal")
        self.ok(self.env.put("apikeys/" + narrow["id"],
                             {"pathPrefixes": ["acme/app/x"], "name": "n", "registryIds": [ghcr]}))
        self.ok(self.project.admin.put("apikeys/" + narrow["id"], {"pathPrefixes": None}))

    def test_foreign_logins_never(self):
        self.login()
        other = site.project()
        key = Client(site, site.new_key(other.admin, reveal=True))
        for body in ({}, {"image": "ghcr.io/x"}, {"serverAddress": "ghcr.io"},
                     {"registryId": self.registries["ghcr.io"]["id"]}):
            r = self.none(key.at(other.root).post("handouts", dict(body, format="docker")))
            self.assertIn((r.status, r.json.get("auths")), ((404, None), (200, {})))
        self.err(key.at(self.root).post("handouts", {"format": "docker"}), 403, "Forbidden")

    def test_what_cannot_be_used_is_not_handed_out(self):
        key = self.key()
        made, _, secret = self.login()
        path = "registrycredentials/" + made

        def gone():
            self.err(self.none(key.post("handouts", {"format": "helper", "image": "ghcr.io/x"})),
                     404, "NoLogin")
            self.assertEqual(self.auths(key), {})

        def there():
            self.assertEqual(self.ask(key, "helper", image="ghcr.io/x").json["Secret"], secret)
        there()
        self.status(self.env.action(path, "deactivate"), 202)
        gone()
        self.status(self.env.action(path, "activate"), 202)
        there()
        self.ok(self.env.put(path, {"expiresAt": date(-1)}))
        gone()
        self.ok(self.env.put(path, {"expiresAt": date(60)}))
        there()
        self.status(self.env.action("registries/" + self.registries["ghcr.io"]["id"], "deactivate"),
                    202)
        gone()
        self.status(self.env.action("registries/" + self.registries["ghcr.io"]["id"], "activate"),
                    202)
        self.ok(self.env.put(path, {"pathPrefix": "acme"}))
        gone()
        self.ok(self.env.put(path, {"pathPrefix": None}))
        there()
        self.status(self.env.action(path, "deactivate"), 202)
        self.status(self.env.delete(path), 200)
        gone()

    def test_ordinary_reads_show_no_password(self):
        made, _, secret = self.login()
        key = self.key()
        for client in (key, self.env, self.project.admin):
            for path in ("registrycredentials", "registrycredentials/" + made,
                         "registries?include=credentials"):
                self.status(self.none(client.get(path)), 200)


class Notes(Base):
    def test_last_use(self):
        made, _, _ = self.login()
        other, _, _ = self.login("quay.io")
        body = self.ok(self.project.admin.post("apikeys", {"reveal": True}), 201)
        site.key_secrets.append((body["publicValue"], body["secretValue"]))
        key = Client(site, (body["publicValue"], body["secretValue"]), self.root)
        self.ok(key.post("imagelogins", {"image": "ghcr.io/x"}))
        self.assertIsNone(self.project.settle("registrycredentials/" + made)["lastUsed"])
        self.ask(key, image="ghcr.io/x")
        row = self.project.settle("registrycredentials/" + made)
        self.assertEqual(row["lastUsedBy"], body["id"])
        self.assertIsNotNone(row["lastUsed"])
        self.assertIsNone(self.project.settle("registrycredentials/" + other)["lastUsed"])
        # At most once a minute, and then by whom.
        second = self.key()
        self.ask(second, image="ghcr.io/x")
        self.assertEqual(self.project.settle("registrycredentials/" + made)["lastUsedBy"],
                         body["id"])
        site.sql("UPDATE credential SET last_used = last_used - 61000 WHERE id = ?",
                 (int(made[2:]),), write=True)
        self.ask(second, image="ghcr.io/x")
        again = self.project.settle("registrycredentials/" + made)
        self.assertNotEqual(again["lastUsedBy"], body["id"])
        self.assertGreaterEqual(again["lastUsedTS"], row["lastUsedTS"])
        self.assertEqual(
            self.ids(self.env.get("registrycredentials?lastUsedBy=" + again["lastUsedBy"])), [made])

    def test_audit(self):
        made, _, secret = self.login()
        other, _, _ = self.login("quay.io")
        body = self.ok(self.project.admin.post("apikeys", {"reveal": True}), 201)
        site.key_secrets.append((body["publicValue"], body["secretValue"]))
        key = Client(site, (body["publicValue"], body["secretValue"]), self.root)
        before = len(self.audit())
        self.ask(key, image="ghcr.io/acme/app:1")
        self.ask(key, "kubernetes")
        self.ask(key, "helper", serverAddress="https://quay.io/")
        self.status(key.post("handouts", {"format": "docker", "image": "x"}), 404)
        self.status(self.env.post("handouts", {"format": "docker"}), 403)
        self.ok(key.post("imagelogins", {"image": "ghcr.io/x"}))
        rows = self.audit()[before:]
        who = (int(self.project.id[2:]), int(body["id"][2:]), 200)
        self.assertEqual([(r[0], json.loads(r[4])) for r in rows],
                         [(made, {"format": "docker", "image": "ghcr.io/acme/app:1"}),
                          (other, {"format": "kubernetes"}), (made, {"format": "kubernetes"}),
                          (other, {"format": "helper", "serverAddress": "https://quay.io/"})])
        self.assertEqual({r[1:4] for r in rows}, {who})
        self.assertEqual({r[5] for r in rows}, {who[0]})

    def test_no_record_no_password(self):
        made, _, _ = self.login()
        key = self.key()
        self.ask(key)
        before = self.audit(), self.project.settle("registrycredentials/" + made)["lastUsed"]
        site.sql("UPDATE credential SET last_used = NULL WHERE id = ?", (int(made[2:]),),
                 write=True)
        head = site.sql("SELECT id, mac FROM audit_segment ORDER BY id DESC LIMIT 1")[0]
        site.sql("UPDATE audit_segment SET mac = zeroblob(32) WHERE id = ?", head[:1], write=True)
        try:
            for format in FORMATS:
                r = self.none(key.post("handouts", {"format": format, "image": "ghcr.io/x"}))
                self.assertGreaterEqual(r.status, 500, repr(r))
                self.assertEqual(r.json["type"], "error")
        finally:
            site.sql("UPDATE audit_segment SET mac = ? WHERE id = ?", head[::-1], write=True)
        self.assertEqual(self.audit(), before[0])
        self.assertIsNone(self.project.settle("registrycredentials/" + made)["lastUsed"])
        self.ask(key)

    def test_a_login_that_does_not_open(self):
        made, _, _ = self.login()
        key = self.key()
        before = len(self.audit())
        site.sql("UPDATE credential SET secret_value = zeroblob(120) WHERE id = ?",
                 (int(made[2:]),), write=True)
        r = self.none(key.post("handouts", {"format": "docker"}))
        self.status(r, 500)
        self.assertEqual(len(self.audit()), before)


class Pull(Base):
    """What was handed out is good for a real registry."""

    TOOLS = {"docker-registry": "docker-registry", "skopeo": "skopeo", "htpasswd": "apache2-utils"}

    def setUp(self):
        super().setUp()
        missing = [package for tool, package in self.TOOLS.items() if shutil.which(tool) is None]
        if missing:
            self.skipTest("not installed: " + ", ".join(missing))
        self.directory = os.path.join(site.root, "registry")
        os.mkdir(self.directory)
        self.addCleanup(shutil.rmtree, self.directory)

    def path(self, name, data=None):
        path = os.path.join(self.directory, name)
        if data is not None:
            with open(path, "wb") as f:
                f.write(data)
        return path

    def serve(self, user, secret):
        """A registry that lets one user in; host:port."""
        with open(self.path("users"), "wb") as f:
            subprocess.run(["htpasswd", "-Bin", user], input=secret.encode(), stdout=f, check=True,
                           timeout=30)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        config = {"version": "0.1", "log": {"level": "error"},
                  "storage": {"filesystem": {"rootdirectory": self.path("data")}},
                  "http": {"addr": "127.0.0.1:%d" % port},
                  "auth": {"htpasswd": {"realm": "test", "path": self.path("users")}}}
        with open(self.path("output"), "wb") as out:
            process = subprocess.Popen(["docker-registry", "serve",
                                        self.path("config.yml", json.dumps(config).encode())],
                                        stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, preexec_fn=harness.end_with_parent)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.kill)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return "127.0.0.1:%d" % port
            except OSError:
                self.assertIsNone(process.poll(), "docker-registry ended")
                time.sleep(0.02)
        self.fail("docker-registry does not answer")

    def image(self):
        """An empty image as a directory that skopeo reads."""
        import hashlib
        config = b'{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
        digest = hashlib.sha256(config).hexdigest()
        os.mkdir(self.path("image"))
        self.path("image/version", b"Directory Transport Version: 1.1\n")
        self.path("image/" + digest, config)
        self.path("image/manifest.json", json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": [],
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "size": len(config), "digest": "sha256:" + digest}}).encode())
        return "dir:" + self.path("image")

    def copy(self, authfile, *words):
        return subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--authfile", authfile,
                               "--src-tls-verify=false", "--dest-tls-verify=false", *words],
                              env=dict(os.environ, HOME=self.directory, TMPDIR=self.directory),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def test_skopeo(self):
        secret = site.plant('"q\\\'')
        host = self.serve("ci-bot", secret)
        self.login("http://" + host, publicValue="ci-bot", secretValue=secret)
        self.login("http://" + host, publicValue="ci-bot", secretValue=site.plant(),
                   pathPrefix="wrong")
        client, image = self.key(role="reveal"), self.image()
        os.mkdir(self.path("got"))
        for format in ("podman", "docker"):
            authfile = self.path("auth.json", self.ask(client, format).body)
            done = self.copy(authfile, image, "docker://%s/acme/app:%s" % (host, format))
            self.assertEqual(done.returncode, 0, done.stderr)
            done = self.copy(authfile, "docker://%s/acme/app:%s" % (host, format),
                             "dir:" + self.path("got/" + format))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(os.path.exists(self.path("got/%s/manifest.json" % format)))
        # Without a login, and with the wrong one that has a path of its own, there is nothing to be
        # had.
        self.assertNotEqual(self.copy(self.path("none.json", b"{}"), "docker://%s/acme/app:docker"
                                      % host, "dir:" + self.path("got/none")).returncode, 0)
        authfile = self.path("auth.json", self.ask(client, "podman").body)
        self.assertNotEqual(self.copy(authfile, image, "docker://%s/wrong/app:1" % host).returncode,
                            0)
        for name in ("auth.json", "output"):
            os.remove(self.path(name))


if __name__ == "__main__":
    unittest.main()
