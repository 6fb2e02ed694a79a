"""Which login is used for an image: references, the order of the rules, the fields that decide."""

import json
import os
import time
import unittest

import harness
from harness import Client

setUpModule, tearDownModule = harness.site_of(globals())

HEX = "0123456789abcdef"


def references():
    """Rows of data/image-refs.txt, with the long parts filled in."""
    def fill(text):
        for mark, long in (("%a250", "a" * 250), ("%a256", "a" * 256), ("%a128", "a" * 128),
                           ("%a129", "a" * 129), ("%X64", HEX.upper() * 4),
                           ("%128", HEX * 8), ("%96", HEX * 6), ("%64", HEX * 4)):
            text = text.replace(mark, long)
        return text
    with open(os.path.join(harness.HERE, "data", "image-refs.txt"), encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                yield [None if part == "-" and i > 0 else fill(part) for i,
                       part in enumerate(line.rstrip("\n").split("\t"))]


def date(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class References(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.project = site.project()

    def test_the_table(self):
        rows = list(references())
        self.assertGreaterEqual(len(rows), 100)
        wrong = []
        for row in rows:
            r = self.project.env.post("imagelogins", {"image": row[0]})
            if row[1] == "!":
                body = self.err(r, 422, "InvalidFormat", "image")
                if row[2] not in body["detail"] or not body["detail"].endswith("."):
                    wrong.append((row, body["detail"]))
            else:
                body = self.ok(r)
                self.assertEqual([body[n] for n in ("image", "registry", "repository", "tag",
                                                    "digest")], row, repr(r))
                self.assertEqual((body["reason"], body["registryCredentialId"], body["others"]),
                                 ("none", None, []), repr(r))
        self.assertEqual(wrong, [])

    def test_what_is_no_question(self):
        env = self.project.env
        for body, code, field in (({}, "MissingRequired", "image"),
                                  ({"image": None}, "MissingRequired", "image"), ({"image": ""}, "MinLengthExceeded", "image"),
                                  ({"image": []}, "InvalidFormat", "image"), ({"image": "a" * 1025}, "MaxLengthExceeded", "image"),
                                  ({"serverAddress": "x y"}, "InvalidFormat", "serverAddress"), ({"serverAddress": {}}, "InvalidFormat", "serverAddress"),
                                  ({"image": "x", "serverAddress": "ghcr.io"}, "InvalidOption",
                                   "serverAddress")):
            self.err(env.post("imagelogins", body), 422, code, field)
        for method, path, status in (("GET", "imagelogins", 405), ("PUT", "imagelogins", 405),
                                     ("DELETE", "imagelogins", 405), ("GET", "imagelogins/1c1", 404),
                                     ("POST", "imagelogins/1c1", 404),
                                     ("GET", "imagelogins/1c1/registry", 404)):
            self.status(env.request(method, path, {"image": "x"} if method in ("PUT", "POST")
                                    else None), status)
        self.status(site.anonymous(self.project.root).post("imagelogins", {"image": "x"}), 401)
        # Parameters and forms are as good as JSON.
        self.assertEqual(self.ok(env.post("imagelogins?image=alpine"))["registry"], "docker.io")
        self.assertEqual(self.ok(env.post("imagelogins", "image=ghcr.io%2Fa%2Fb",
                                          content_type="application/x-www-form-urlencoded"))[
                                              "repository"], "a/b")

    def test_schemas_say_so(self):
        doc = self.ok(self.project.env.get("schemas/imagelogin"))
        self.assertEqual((doc["collectionMethods"], doc["resourceMethods"]), (["POST"], []))
        self.assertNotIn("collection", doc["links"])  # it cannot be listed
        self.assertTrue(doc["resourceFields"]["image"]["create"])
        self.assertNotIn("imageLogins", self.ok(self.project.env.get("/v1"))["links"])
        answer = self.ok(self.project.env.post("imagelogins", {"image": "x"}))
        self.assertEqual(answer["type"], "imageLogin")


class Order(harness.Case):
    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.env = self.project.env

    def login(self, address="ghcr.io", registry=None, **fields):
        if registry is None:
            found = [r for r in self.ok(self.env.get("registries"))["data"] if r["serverAddress"]
                     == address]
            registry = found[0] if found else self.project.registry(serverAddress=address)
        return self.project.credential(registry, **fields)["id"]

    def ask(self, image="ghcr.io/acme/app:1", client=None, **body):
        return self.ok((client or self.env).post("imagelogins", body or {"image": image}))

    def check(self, image, chosen, reason, others=(), client=None):
        body = self.ask(image, client)
        self.assertEqual((body["registryCredentialId"], body["reason"]), (chosen, reason), body)
        self.assertEqual([(o["registryCredentialId"], o["reason"]) for o in body["others"]],
                         list(others), body)
        for text in [body["reasonText"]] + [o["reasonText"] for o in body["others"]]:
            self.assertRegex(text, r"^[A-Z].*\.$")
        return body

    def test_address(self):
        one = self.login()
        self.login("quay.io")
        body = self.check("ghcr.io/acme/app:1", one, "address")
        self.assertEqual((body["publicValue"], body["links"]["registryCredential"]),
                         ("user2", site.base + self.project.root + "/registrycredentials/" + one))
        self.assertEqual(self.ok(self.env.get(body["links"]["registryCredential"]))["id"], one)
        self.assertNotIn("secretValue", str(body))
        for image in ("GHCR.io/x", "ghcr.io:443/x"):
            self.check(image, one, "address")
        for image in ("ghcr.io:5000/x", "a.ghcr.io/x", "alpine", "localhost:5000/x"):
            body = self.check(image, None, "none")
            self.assertEqual((body["links"], body["publicValue"], body["registryId"]),
                             ({}, None, None))

    def test_addresses_mean_the_same_however_they_are_written(self):
        hub = self.login("https://index.docker.io/v1/")
        port = self.login("HTTPS://Registry.Example.test:443/v2/")
        plain = self.login("http://10.0.0.7:5000")
        six = self.login("[2001:DB8::7]:5000")
        for image, chosen in (("alpine", hub), ("docker.io/acme/app", hub),
                              ("registry-1.docker.io/acme/app", hub), ("registry.example.test/x", port),
                              ("10.0.0.7:5000/x", plain), ("[2001:db8:0::7]:5000/x", six)):
            self.check(image, chosen, "address")
        for address, chosen, key in (("docker.io", hub, "docker.io"),
                                     ("https://index.docker.io/v1/", hub, "docker.io"),
                                     ("registry.example.test", port, "registry.example.test"),
                                     ("http://10.0.0.7:5000/", plain, "10.0.0.7:5000")):
            body = self.ask(serverAddress=address)
            self.assertEqual((body["registryCredentialId"], body["registry"], body["repository"],
                              body["image"]), (chosen, key, None, None))

    def test_path_prefix(self):
        whole, acme, team = self.login(), self.login(pathPrefix="acme"), self.login(
            pathPrefix="acme/team")
        self.check("ghcr.io/acme/app", acme, "pathPrefix",
                   [(whole, "pathPrefix"), (team, "otherPath")])
        self.check("ghcr.io/acme", acme, "pathPrefix", [(whole, "pathPrefix"), (team, "otherPath")])
        self.check("ghcr.io/acme/team/app", team, "pathPrefix",
                   [(acme, "pathPrefix"), (whole, "pathPrefix")])
        self.check("ghcr.io/acme/team", team, "pathPrefix",
                   [(acme, "pathPrefix"), (whole, "pathPrefix")])
        # Whole segments alone; and a registry alone has no path.
        self.check("ghcr.io/acme2/app", whole, "address",
                   [(team, "otherPath"), (acme, "otherPath")])
        self.assertEqual(self.ask(serverAddress="ghcr.io")["registryCredentialId"], whole)
        # An inactive login with the longer path is no obstacle.
        self.status(self.env.action("registrycredentials/" + team, "deactivate"), 202)
        self.check("ghcr.io/acme/team/app", acme, "pathPrefix",
                   [(whole, "pathPrefix"), (team, "inactive")])

    def test_the_path_of_a_registry(self):
        whole, part = self.login("harbor.example.test"), self.login("harbor.example.test/acme")
        lost = self.login("harbor.example.test/acme", pathPrefix="other")
        inner = self.login("harbor.example.test/acme", pathPrefix="acme/app")
        self.check("harbor.example.test/x", whole, "address",
                   [(inner, "otherPath"), (lost, "otherPath"), (part, "otherPath")])
        self.check("harbor.example.test/acme/x", part, "pathPrefix",
                   [(whole, "pathPrefix"), (inner, "otherPath"), (lost, "otherPath")])
        self.check("harbor.example.test/acme/app", inner, "pathPrefix",
                   [(part, "pathPrefix"), (whole, "pathPrefix"), (lost, "otherPath")])
        self.check("harbor.example.test/other/app", whole, "address",
                   [(inner, "otherPath"), (lost, "otherPath"), (part, "otherPath")])

    def test_default_and_newest(self):
        first = self.login()
        self.check("ghcr.io/x", first, "address")
        second = self.login()
        self.check("ghcr.io/x", second, "newest", [(first, "newest")])
        self.ok(self.env.put("registrycredentials/" + first, {"isDefault": True}))
        self.check("ghcr.io/x", first, "isDefault", [(second, "isDefault")])
        self.ok(self.env.put("registrycredentials/" + second, {"isDefault": True}))
        body = self.check("ghcr.io/x", second, "newest", [(first, "newest")])
        self.assertIn("several defaults", body["reasonText"])
        third = self.login()
        self.check("ghcr.io/x", second, "newest", [(first, "newest"), (third, "isDefault")])
        # The order of the numbers decides, not the clock, which may have been wrong.
        for shift in (-5000, 10 ** 11):
            site.sql("UPDATE credential SET created = created + ? WHERE id = ?",
                     (shift, int(first[2:])), write=True)
            self.check("ghcr.io/x", second, "newest", [(first, "newest"), (third, "isDefault")])
        # A longer path goes before a default.
        fourth = self.login(pathPrefix="x")
        self.check("ghcr.io/x", fourth, "pathPrefix",
                   [(second, "pathPrefix"), (first, "pathPrefix"), (third, "pathPrefix")])

    def test_doubles(self):
        def counted():
            return json.loads(site.cli("status", "--json", "--state-dir", site.state,
                                       check=False).stdout)["doubles"]
        before = counted()
        registry = self.project.registry(serverAddress="doubles.example.test")
        first, second, third = [self.login(registry=registry, publicValue="bot") for _ in range(3)]
        other, path = self.login(registry=registry, publicValue="Bot"), self.login(
            registry=registry, publicValue="bot", pathPrefix="acme")
        self.check("doubles.example.test/x", other, "newest",
                   [(third, "newest"), (second, "newest"), (first, "newest"), (path, "otherPath")])
        self.ok(self.env.put("registrycredentials/" + second, {"isDefault": True}))
        body = self.check("doubles.example.test/x", second, "isDefault",
                          [(other, "isDefault"), (third, "double"), (first, "double"),
                           (path, "otherPath")])
        self.assertIn("remove one of the two", body["others"][1]["reasonText"])
        self.assertEqual(counted(), before + 2)
        self.status(self.env.action("registrycredentials/" + first, "deactivate"), 202)
        self.check("doubles.example.test/x", second, "isDefault",
                   [(other, "isDefault"), (third, "double"), (path, "otherPath"),
                    (first, "inactive")])
        self.assertEqual(counted(), before + 1)

    def test_what_cannot_be_used(self):
        inactive, removed = self.login(), self.login()
        for one in (inactive, removed):
            self.status(self.env.action("registrycredentials/" + one, "deactivate"), 202)
        self.status(self.env.delete("registrycredentials/" + removed), 200)
        expired = self.login(expiresAt=date(-60))
        soon = self.login(expiresAt=date(3600))
        nobody, silent = self.login(publicValue=None), self.login(secretValue=None)
        self.check("ghcr.io/x", soon, "address", [(silent, "incomplete"), (nobody, "incomplete"),
                                                  (expired, "expired"), (inactive, "inactive")])
        self.ok(self.env.put("registrycredentials/" + soon, {"expiresAt": date(-1)}))
        self.check("ghcr.io/x", None, "none", [(silent, "incomplete"), (nobody, "incomplete"),
                                               (soon, "expired"), (expired, "expired"),
                                               (inactive, "inactive")])
        self.ok(self.env.put("registrycredentials/" + expired, {"expiresAt": None}))
        self.assertEqual(self.ask("ghcr.io/x")["registryCredentialId"], expired)
        registry = self.ok(self.env.get("registrycredentials/" + expired))["registryId"]
        self.status(self.env.action("registries/" + registry, "deactivate"), 202)
        body = self.ask("ghcr.io/x")
        self.assertEqual((body["registryCredentialId"], {o["reason"] for o in body["others"]}),
                         (None, {"registryInactive"}))
        self.status(self.env.action("registries/" + registry, "activate"), 202)
        self.assertEqual(self.ask("ghcr.io/x")["registryCredentialId"], expired)

    def test_account(self):
        """A user without a scope: its own before those of the projects that the key names; nobody
        else's ever."""
        me, client = site.account("user")
        project, unnamed = site.project(members=[(me, "member")]), site.project(
            members=[(me, "owner")])
        unnamed.credential(unnamed.registry(serverAddress="ghcr.io"), isDefault=True)
        self.assertIn("name the project",
                      self.ok(client.post("imagelogins", {"image": "ghcr.io/x"}))["reasonText"])
        client = Client(site, site.new_key(client, projectIds=[project.id]))
        theirs = project.credential(project.registry(serverAddress="ghcr.io"), isDefault=True)["id"]
        self.login()
        self.check("ghcr.io/x", theirs, "address", client=client)
        machine = Client(site, site.cli_key(site.cli_account("service", "s")))
        registry = self.ok(machine.post("registries",
                                        {"serverAddress": "ghcr.io", "accountId": me}), 201)
        mine = self.ok(machine.post("registrycredentials",
                                    {"registryId": registry["id"], "accountId": me,
                                     "email": "m@example.test", "publicValue": "me",
                                                            "secretValue": site.plant()}),
                                                            201)["id"]
        self.check("ghcr.io/x", mine, "account", [(theirs, "account")], client=client)
        self.check("ghcr.io/x", theirs, "address", client=client.at(project.root))
        # An administrator sees everything, but is no part of it.
        self.check("ghcr.io/x", None, "none", client=site.account("admin")[1])
        self.check("ghcr.io/x", theirs, "address", client=site.admin.at(project.root))

    def test_many(self):
        """More registries and logins than a page of the search has."""
        registry = self.project.registry(serverAddress="many.example.test")
        last = self.login(registry=registry)   # only what to copy
        for table, row, n in (("storage_pool", registry["id"], 520), ("credential", last, 620)):
            names = [c for c in site.columns(table) if c not in ("id", "uuid", "server_address",
                                                                 "created")]
            extra = ", server_address" if table == "storage_pool" else ""
            number = int("".join(c for c in row[1:] if c.isdigit()))
            site.sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                     "%d) INSERT INTO %s (uuid, created, %s%s) "
                     "SELECT '%s-' || i, created - i * 1000, %s%s FROM %s, n WHERE id = %d"
                     % (n, table, ", ".join(names), extra, row + self.project.id, ", ".join(names),
                        ", 'many' || i || '.example.test'" if extra else "", table, number),
                     write=True)
        last = self.login(registry=registry)
        end = self.login("zz.example.test")
        self.check("zz.example.test/x", end, "address")
        body = self.ask("many.example.test/x")
        self.assertEqual((body["registryCredentialId"], body["reason"], len(body["others"])),
                         (last, "newest", 621))


class Fields(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.project = site.project()
        cls.env, cls.registry = cls.project.env, cls.project.registry()

    def test_they_are_optional(self):
        body = self.project.credential(self.registry)
        self.assertEqual([body[n] for n in ("pathPrefix", "isDefault", "expiresAt", "lastUsed",
                                            "lastUsedBy")], [None, False, None, None, None])
        # As an old client sends it back.
        self.ok(self.env.put("registrycredentials/" + body["id"],
                             {"id": body["id"], "email": "x@example.test", "publicValue": "u"}))

    def test_they_are_kept(self):
        made = self.project.credential(self.registry, pathPrefix="acme/app", isDefault=True,
                                       expiresAt="2031-02-03T04:05:06Z")
        for body in (made, self.project.settle("registrycredentials/" + made["id"])):
            self.assertEqual([body[n] for n in ("pathPrefix", "isDefault", "expiresAt",
                                                "expiresAtTS")],
                                                ["acme/app", True, "2031-02-03T04:05:06Z",
                                                 1927857906000])
        body = self.ok(self.env.put("registrycredentials/" + made["id"],
                                    {"pathPrefix": None, "isDefault": False, "expiresAt": None,
                                     "lastUsed": date(0),
                                                                          "lastUsedBy": "1c1"}))
        self.assertEqual([body[n] for n in ("pathPrefix", "isDefault", "expiresAt", "lastUsed",
                                            "lastUsedBy")], [None, False, None, None, None])

    def test_what_is_refused(self):
        for name, value, code in [("pathPrefix", v, "InvalidFormat")
                                  for v in ("/", "/acme", "acme/", "Acme", "acme//app", "a b",
                                            "acme:1", "acme@sha256:0", "*", "..", "a" * 256,
                                                                              [], {}, "ghcr.io:5000/x")] + \
                [("isDefault", v, "InvalidFormat") for v in ("yes", 1, "", [])] + \
                [("expiresAt", v, "InvalidFormat") for v in ("soon", "now", "2030-02-30T00:00:00Z",
                                                             -1, [])]:
            body = {"registryId": self.registry["id"], "email": "x@example.test", name: value}
            self.err(self.env.post("registrycredentials", body), 422, code, name)

    def test_filters(self):
        registry = self.project.registry()
        one = self.project.credential(registry, pathPrefix="acme/app", isDefault=True,
                                      expiresAt=date(60))["id"]
        two = self.project.credential(registry)["id"]
        for query, wanted in (("isDefault=true", [one]), ("isDefault=false", [two]),
                              ("isDefault_ne=true", [two]), ("pathPrefix_prefix=acme", [one]),
                              ("pathPrefix_null=1", [two]), ("expiresAt_gt=now", [one]),
                              ("expiresAt_null=1", [two]), ("lastUsed_null=1", [one, two])):
            self.assertEqual(self.ids(self.env.get("registrycredentials?registryId=%s&%s"
                                                   % (registry["id"], query))), wanted, query)
        self.err(self.env.get("registrycredentials?isDefault=1"), 422, "InvalidFormat", "isDefault")
        self.assertEqual(
            self.ids(self.env.get("registrycredentials?registryId=%s&sort=isDefault&order=desc"
                                  % registry["id"])), [one, two])


class Patterns(harness.Case):
    def test_a_pattern_is_not_an_address(self):
        project = site.project()
        for address in ("*.example.test", "https://*.example.test/v2/", "reg*.example.test:5000",
                        "*", "example.test/*"):
            self.assertIn("pattern",
                          self.err(project.env.post("registries", {"serverAddress": address}), 422,
                                   "InvalidFormat", "serverAddress")["detail"])


class Roles(harness.Case):
    def test_who_may_ask(self):
        me, client = site.account("user")
        for role in ("owner", "member", "restricted", "readonly"):
            project = site.project(members=[("1a1", "owner"), (me, role)])
            wanted = project.credential(project.registry(serverAddress="ghcr.io"))["id"]
            body = self.ok(client.at(project.root).post("imagelogins", {"image": "ghcr.io/x"}))
            self.assertEqual(body["registryCredentialId"], wanted, role)
            key = Client(site, site.new_key(project.env, role="readonly"), project.root)
            self.assertEqual(self.ok(key.post("imagelogins", {"image": "ghcr.io/x"}))[
                "registryCredentialId"], wanted)
        stranger = site.account("user")[1]
        self.err(stranger.at(project.root).post("imagelogins", {"image": "ghcr.io/x"}), 403,
                 "Forbidden")
        self.assertEqual(self.ok(stranger.post("imagelogins", {"image": "ghcr.io/x"}))["reason"],
                         "none")
        agent = Client(site,
                       site.cli_key(self.ok(site.admin.post("/v1/accounts", {"kind": "agent"}),
                                            201)["id"]))
        self.status(agent.post("imagelogins", {"image": "ghcr.io/x"}), 404)


if __name__ == "__main__":
    unittest.main()
