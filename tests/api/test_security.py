"""Who may see and do what: roles, foreign rows, secrets, keys that end."""

import json
import re

import harness
from harness import Client

SECRET_READERS = ("superadmin", "projectadmin")
# role: (collection methods, resource methods) of registryCredential and registry
FULL = ({"GET", "POST"}, {"GET", "PUT", "DELETE"})
READ = ({"GET"}, {"GET"})
MATRIX = {
    "superadmin": FULL, "service": FULL, "admin": READ, "readAdmin": READ, "user": READ, "owner": FULL, "member": FULL, "restricted": FULL,
    "project": FULL, "projectadmin": FULL, "readonly": READ,
}
# Roles that see rows of every account when they use no project, and the internals of a row.
EVERYTHING = ("superadmin", "service", "admin", "readAdmin")

site = None
who = {}


def setUpModule():
    """One project with a member of each role, a client for each of the eleven roles, and another
    project that nobody of them belongs to."""
    global site
    site = harness.Site()
    site.start()
    ids = {}
    for role in ("user", "owner", "member", "restricted", "readonly"):
        ids[role], who[role] = site.account("user", "the " + role)
    for kind in ("superadmin", "service", "readAdmin", "projectadmin"):
        ids[kind], who[kind] = site.account(kind)
    members = [("1a1", "owner")] + [(ids[r], r) for r in ("owner", "member", "restricted",
                                                          "readonly")]
    project = site.project(members=members)
    for role in ("owner", "member", "restricted", "readonly"):
        who[role + " unscoped"] = who[role]
        who[role] = who[role].at(project.root)
    who.update({"admin": site.admin, "project": project.env, "ids": ids})
    who["own"], who["foreign"] = project, site.project()


def tearDownModule():
    site.stop()


class Base(harness.Case):
    def setUp(self):
        super().setUp()
        self.own, self.foreign = who["own"], who["foreign"]

    def state(self, path):
        return self.ok(site.admin.get("/v1/" + path))["state"]


class Roles(Base):
    def rows(self, role):
        """(registry, inactive credential, secret) that the role sees: in the project, or its own
        for an unscoped projectadmin."""
        secret = site.plant()
        if role == "projectadmin":
            client = who[role]
            registry = self.ok(client.post("registries", {"serverAddress": "pa%s.example.test"
                                                          % secret[-6:]}), 201)["id"]
            cred = self.ok(client.post("registrycredentials",
                                       {"registryId": registry, "email": "e@x",
                                        "secretValue": secret}), 201)["id"]
        else:
            registry = self.own.registry()["id"]
            cred = self.own.credential(registry, secretValue=secret)["id"]
        self.status(site.admin.action("/v1/registrycredentials/" + cred, "deactivate"), 202)
        return registry, cred, secret

    def check_role(self, role):
        client, (collection, resource) = who[role], MATRIX[role]
        registry, cred, secret = self.rows(role)
        # belongs to nothing: its own account is empty
        if role == "user":
            self.assertEqual(self.ids(client.get("registrycredentials")), [])
            self.err(client.get("registrycredentials/" + cred), 404, "Not Found")
        for kind, path in (("registryCredential", "registrycredentials/" + cred),
                           ("registry", "registries/" + registry)):
            schema = self.ok(client.get("schemas/" + kind))
            self.assertEqual((set(schema["collectionMethods"]), set(schema["resourceMethods"])),
                             (collection, resource), kind)
            self.assertEqual("data" in schema["resourceFields"], role in EVERYTHING)
            self.assertEqual(schema["resourceActions"] == {}, role == "readonly")
            if role != "user":
                body = self.ok(client.get(path))
                self.assertEqual("removeTime" in body, role in EVERYTHING)
                self.assertIn(body["id"], self.ids(client.get(path.split("/")[0] + "?limit=-1")))
                # who only watches may be offered none, as a readonly member is
                if role != "readAdmin":
                    self.assertEqual(body["actions"] == {}, role == "readonly")
                if kind == "registryCredential":
                    self.assertEqual(body["secretValue"], secret if role in SECRET_READERS
                                     else None)
        self.check_writes(role, client, registry, cred, secret)

    def check_writes(self, role, client, registry, cred, secret):
        path, may = "registrycredentials/" + cred, "PUT" in MATRIX[role][1]
        before = self.ok(site.admin.get("/v1/" + path))
        body = {"registryId": registry, "email": "e@example.test", "secretValue": site.plant()}
        if role in ("superadmin", "service"):
            body["accountId"] = self.own.id
        if may:
            self.assertEqual(self.ok(client.put(path, {"name": "by " + role}))["name"],
                             "by " + role)
            made = self.ok(client.post("registrycredentials", body), 201)
            self.assertEqual(made["accountId"], before["accountId"])
            self.assertEqual(made["secretValue"], body["secretValue"])
            self.status(client.action(path, "activate"), 202)
            self.err(client.delete(path), 405, "Method not allowed")
            self.status(client.action(path, "deactivate"), 202)
            self.status(client.delete(path), 200)
            return
        self.err(client.put(path, {"name": "no"}), 405, "Method not allowed")
        self.err(client.delete(path), 405, "Method not allowed")
        self.err(client.post("registrycredentials", body), 405, "Method not allowed")
        self.err(client.post("registries", {"serverAddress": "no.example.test"}), 405,
                 "Method not allowed")
        self.assertEqual(self.ok(site.admin.get("/v1/" + path)), before)
        r = client.action(path, "activate")
        if role == "admin":
            self.status(r, 202)
        elif role == "readonly":
            self.status(r, 405, 422)
        elif role == "user":
            self.err(r, 404, "Not Found")
        if role != "admin" and r.status != 202:
            self.assertEqual(self.state(path), "inactive")

    def test_readonly_cannot_act_unscoped(self):
        """What a membership forbids is not to be had by leaving the project out of the URL."""
        registry, cred, secret = self.rows("readonly")
        client = who["readonly unscoped"]
        for path, name in (("registrycredentials/" + cred, "activate"),
                           ("registrycredentials/" + cred, "remove"), ("registries/" + registry, "deactivate"),
                           ("credentials/" + cred, "activate"),
                           ("storagepools/" + registry, "deactivate")):
            state = self.state(path)
            self.status(client.action(path, name), 403, 404, 405, 422)
            self.status(client.action("/v2-beta/" + path, name), 403, 404, 405, 422)
            self.assertEqual(self.state(path), state)
            r = client.get(path)
            if r.status == 200:
                self.assertEqual(r.json["actions"], {})
                self.assertNotIn(secret.encode(), r.body)
        headers = {"X-API-Project-Id": self.own.id}
        self.status(client.request("POST", "/v1/registrycredentials/%s/?action=activate" % cred,
                                   headers=headers), 403, 404, 405, 422)
        self.status(client.request("POST",
                                   "/v1/registrycredentials/%s/?action=activate&projectId=%s"
                                   % (cred, self.own.id)), 403, 404, 405, 422)
        self.status(client.request("PUT", "/v1/registrycredentials/" + cred, {"name": "no"},
                                   headers=headers), 403, 404, 405)
        self.status(client.action("/v1/projects/" + self.own.id, "deactivate"), 403, 404, 405, 422)
        self.status(client.delete("/v1/projects/" + self.own.id), 403, 404, 405)
        self.assertEqual(self.state("projects/" + self.own.id), "active")
        self.assertEqual(self.state("registrycredentials/" + cred), "inactive")

    def test_members_read_unscoped(self):
        """A user's key finds the rows of its projects by id, without the project in the URL; links
        follow the request."""
        registry, cred, _ = self.rows("owner")
        client = who["owner unscoped"]
        for root in ("/v1", "/v2-beta"):
            body = self.ok(client.get("%s/registries/%s" % (root, registry)))
            self.assertEqual((body["accountId"], body["links"]["self"]),
                             (self.own.id, "%s%s/registries/%s" % (site.base, root, registry)))
            self.ok(client.get("%s/registrycredentials/%s" % (root, cred)))
        foreign = self.foreign.registry()["id"]
        self.err(client.get("/v1/registries/" + foreign), 404, "Not Found")

    def test_agents_see_no_credentials(self):
        for kind in ("agent", "register", "token"):
            account = self.ok(site.admin.post("/v1/accounts", {"kind": kind}), 201)["id"]
            made = site.cli("key", "create", "--state-dir", site.state, "--account", account,
                            "--name", "k", check=False)
            if made.returncode != 0:
                continue
            key = tuple(line.split("=", 1)[1] for line in made.stdout.splitlines())
            site.key_secrets.append(key)
            client = Client(site, key)
            for path in ("registries", "registrycredentials", "credentials",
                         "schemas/registryCredential"):
                self.status(client.get(path, check=False), 401, 403, 404)

    def test_only_owners_administer_a_project(self):
        path = "/v1/projects/" + self.own.id
        for role in ("member", "restricted", "readonly", "user"):
            client = who.get(role + " unscoped", who[role])
            r = client.get(path)
            self.status(r, 200 if role != "user" else 404)
            if r.status == 200:
                self.assertEqual(r.json["actions"], {}, role)
            self.status(client.put(path, {"name": "taken over"}), 403, 404, 405)
            self.status(client.action(path, "deactivate"), 403, 404, 405, 422)
            self.status(client.request("POST", path + "/?action=setmembers",
                                       {"members": [{"externalId": who["ids"][role],
                                                     "externalIdType": "rancher_id",
                                                     "role": "owner"}]}), 403, 404, 405, 422)
            self.status(client.delete(path), 403, 404, 405)
        self.assertEqual(self.ok(who["project"].get(path))["actions"], {})
        self.assertEqual(set(self.ok(who["owner unscoped"].get(path))["actions"]),
                         {"deactivate", "delete", "setmembers", "update"})
        self.assertEqual(set(self.ok(site.admin.get(path))["actions"]),
                         {"deactivate", "delete", "setmembers", "update"})
        self.assertEqual(self.state("projects/" + self.own.id), "active")

    def test_no_key_raises_its_own_role(self):
        """A key for another account, or a new administrator, is for administrators to make."""
        for role in ("project", "owner", "member", "readonly", "user", "projectadmin",
                     "owner unscoped"):
            client = who[role]
            self.status(client.post("/v1/accounts", {"name": "x", "kind": "admin"}), 403, 405)
            r = client.post("apikeys", {"name": "k", "accountId": "1a1", "publicValue": "CHOSEN"
                                        + role.upper()[:4], "secretValue": "x" * 20})
            if role == "readonly":
                self.err(r, 405, "Method not allowed")
                continue
            made = self.ok(r, 201)
            site.key_secrets.append((made["publicValue"], made["secretValue"]))
            self.assertNotEqual(made["accountId"], "1a1")
            self.assertNotIn("CHOSEN", made["publicValue"])
            key = Client(site, (made["publicValue"], made["secretValue"]))
            self.status(key.post("/v1/accounts", {"kind": "admin"}), 403, 405)
            foreign = self.foreign.registry()["id"]
            self.err(key.get("/v1/registries/" + foreign), 404, "Not Found")


for _role in MATRIX:
    setattr(Roles, "test_role_" + _role, lambda self, role=_role: self.check_role(role))


class Foreign(Base):
    def same_answer(self, client, method, foreign_path, missing_path, body=None):
        """A foreign row and a missing one: equal answers apart from the id of the error."""
        answers = []
        for path in (foreign_path, missing_path):
            r = client.request(method, path, body)
            found = self.err(r, 404, "Not Found")
            found.pop("id")
            headers = sorted((k.lower(), v) for k, v in r.headers
                             if k.lower() not in ("date", "x-request-id", "x-api-request-id"))
            answers.append((found, headers))
        self.assertEqual(answers[0], answers[1])

    def test_foreign_rows_are_missing_rows(self):
        registry = self.foreign.registry()["id"]
        cred = self.foreign.credential(registry)["id"]
        key = self.ids(site.admin.get(self.foreign.root + "/apikeys"))[0]
        for role in ("project", "owner", "readonly", "projectadmin", "owner unscoped", "user"):
            client = who[role]
            for kind, number, none in (("registries", registry, "1sp99999"),
                                       ("registrycredentials", cred, "1c99999"), ("credentials", cred, "1c99999"),
                                       ("apikeys", key, "1c99999"),
                                       ("storagepools", registry, "1sp99999")):
                self.same_answer(client, "GET", "%s/%s" % (kind, number), "%s/%s" % (kind, none))
                self.same_answer(client, "GET", "%s/%s/account" % (kind, number), "%s/%s/account"
                                 % (kind, none))
            if role in ("project", "owner"):
                for kind, number, none in (("registries", registry, "1sp99999"),
                                           ("registrycredentials", cred, "1c99999")):
                    self.same_answer(client, "PUT", "%s/%s" % (kind, number),
                                     "%s/%s" % (kind, none), {"name": "x"})
                    self.same_answer(client, "DELETE", "%s/%s" % (kind, number),
                                     "%s/%s" % (kind, none))
                    self.same_answer(client, "POST", "%s/%s/?action=deactivate" % (kind, number),
                                     "%s/%s/?action=deactivate" % (kind, none), {})
        self.assertEqual((self.state("registries/" + registry),
                          self.state("registrycredentials/" + cred)), ("active", "active"))

    def test_foreign_project_scope(self):
        bodies = set()
        for target in (self.foreign.id, "1a99999", "1a3"):
            for client in (who["project"], who["owner unscoped"], who["user"]):
                for path in ("registries", "schemas", "registries/1sp1", "nosuch"):
                    body = self.err(client.get("/v1/projects/%s/%s" % (target, path)), 403,
                                    "Forbidden")
                    body.pop("id")
                    bodies.add(json.dumps(body))
        self.assertEqual(len(bodies), 1)
        self.err(who["project"].get("/v1/projects/" + self.foreign.id), 404, "Not Found")
        self.err(who["owner unscoped"].get("/v1/projects/" + self.foreign.id), 404, "Not Found")
        self.assertNotIn(self.foreign.id,
                         self.ids(who["owner unscoped"].get("/v1/projects?all=true")))

    def test_lists_hold_own_rows_only(self):
        registry = self.foreign.registry(name="target", serverAddress="target.example.test")["id"]
        cred = self.foreign.credential(registry, name="target", publicValue="target")["id"]
        queries = ("", "limit=-1", "name=target", "name_like=%25", "name_notnull=1", "accountId="
                   + self.foreign.id, "accountId_ne=" + self.own.id,
                   "id=" + cred, "id_gt=0", "registryId=" + registry, "_removed=1", "include=account", "include=registry", "include=credentials", "sort=name",
                   "sort=accountId&order=desc", "all=true", "state=active", "uuid_notnull=1", "publicValue=target", "marker=m0", "marker=m1",
                   "accountId_notnull=1", "name='%20OR%201=1--", "name_like=%25'%20OR%20'1'='1",
                   "sort=name;drop%20table%20credential")
        for role in ("project", "owner", "readonly", "projectadmin", "owner unscoped", "user"):
            for kind in ("registries", "registrycredentials", "credentials", "storagepools",
                         "apikeys"):
                for query in queries:
                    r = who[role].get("%s?%s" % (kind, query))
                    found = {item["accountId"] for item in self.ok(r)["data"]}
                    self.assertNotIn(self.foreign.id, found, "%s %s %s" % (role, kind, query))
                    self.assertNotIn(b'"target.example.test"', r.body)

    def test_links_lead_to_own_rows_only(self):
        registry = self.own.registry()["id"]
        for path in ("registries/%s/credentials" % registry, "/v1/accounts/%s/credentials"
                     % self.own.id, "/v1/accounts/%s/storagepools" % self.own.id):
            r = who["project"].get(path)
            self.assertLessEqual({item["accountId"] for item in self.ok(r)["data"]}, {self.own.id})
        for path in ("/v1/accounts/%s/credentials" % self.foreign.id,
                     "/v1/accounts/1a1/credentials", "/v1/projects/%s/projectmembers" % self.foreign.id,
                     "/v1/accounts/1a1"):
            self.status(who["project"].get(path), 403, 404)

    def test_a_reference_to_a_foreign_row(self):
        registry = self.foreign.registry()["id"]
        body = {"email": "e@x", "registryId": registry}
        first = self.err(who["project"].post("registrycredentials", body), 422, "InvalidReference",
                         "registryId")
        second = self.err(who["project"].post("registrycredentials",
                                              dict(body, registryId="1sp99999")), 422,
                                              "InvalidReference", "registryId")
        for b in (first, second):
            b.pop("id")
        self.assertEqual(first, second)


class Secrets(Base):
    def test_a_secret_is_nowhere_but_where_it_may_be(self):
        secret = site.plant()
        registry = self.own.registry()["id"]
        made = self.ok(who["project"].post("registrycredentials",
                                           {"registryId": registry, "email": "e@x",
                                            "publicValue": "u", "secretValue": secret}), 201)
        self.assertEqual(made["secretValue"], secret)
        path = "registrycredentials/" + made["id"]
        for role in MATRIX:
            if role in SECRET_READERS:
                continue
            for asked in (path, path + "?include=registry", path + "?include=account",
                          path + "?_format=html", "registrycredentials?limit=-1", "credentials/"
                          + made["id"],
                          "credentials?limit=-1", "registries/%s/credentials" % registry, "registries/%s?include=credentials" % registry,
                          "registries?limit=-1&include=credentials", "/v2-beta/" + path):
                r = who[role].get(asked)
                self.assertNotIn(secret.encode(), r.body, "%s %s" % (role, asked))
        r = who["project"].put(path, {"secretValue": secret + "2"})
        self.assertNotIn(secret.encode(), r.body)
        for name in ("update", "deactivate"):
            self.assertNotIn(secret.encode(), who["project"].action(path, name).body)
        self.assertNotIn(secret.encode(), who["project"].delete(path).body)

    def test_guesses_by_filter_and_sort(self):
        """secretValue takes no part in filters, sorts and markers: the same list whatever is
        asked."""
        registry = self.own.registry()["id"]
        made = [self.own.credential(registry, secretValue=site.plant(c))["id"] for c in "zab"]
        for client in (who["project"], site.admin, who["superadmin"], who["service"]):
            for kind in ("registrycredentials", "credentials"):
                for query in ("secretValue=x", "secretValue_prefix=" + harness.PLANT,
                              "secretValue_like=%25a", "secretValue_notlike=%25", "secretValue_null=1",
                              "secretValue_ne=x", "sort=secretValue", "sort=secretValue&order=desc", "secret_value_null=1", "sort=secret_value", "SecretValue=x",
                              "sort=credential.secret_value", "secretValue_gt=a"):
                    body = self.ok(client.get("%s?limit=-1&id_gte=%s&id_lte=%s&%s"
                                              % (kind, made[0][2:], made[-1][2:], query)))
                    self.assertEqual([i["id"] for i in body["data"]], made, query)
                    self.assertIsNone(body["sort"])
                    self.assertNotIn("secretValue", body["filters"])
                    self.assertNotIn("secretValue", body["sortLinks"])

    def test_sealed_values_differ(self):
        """Equal secrets are not equal in the database, and their lengths are padded."""
        registry = self.own.registry()["id"]
        secret = site.plant()
        made = [self.own.credential(registry, secretValue=s)["id"]
                for s in (secret, secret, secret + "x")]
        sealed = [site.sql("SELECT secret_value FROM credential WHERE id = ?", (int(i[2:]),))[0][0]
                  for i in made]
        self.assertEqual(len(set(sealed)), 3)
        self.assertTrue(all(isinstance(s, bytes) for s in sealed))

    def test_a_sealed_value_is_bound_to_its_row(self):
        """A value that was copied to another row by somebody with access to the file does not open
        there."""
        registry = self.own.registry()["id"]
        one, two = self.own.credential(registry)["id"], self.own.credential(registry)["id"]
        value = site.sql("SELECT secret_value FROM credential WHERE id = ?", (int(one[2:]),))[0][0]
        kept = site.sql("SELECT secret_value FROM credential WHERE id = ?", (int(two[2:]),))[0][0]
        site.sql("UPDATE credential SET secret_value = ? WHERE id = ?", (value, int(two[2:])),
                 write=True)
        r = who["superadmin"].get("registrycredentials/" + two)
        self.assertNotIn(harness.PLANT.encode(), r.body)
        site.sql("UPDATE credential SET secret_value = ? WHERE id = ?", (kept, int(two[2:])),
                 write=True)
        self.assertIn(harness.PLANT.encode(),
                      who["superadmin"].get("registrycredentials/" + two).body)


class Keys(Base):
    def key(self, client):
        made = self.ok(client.post("apikeys", {"name": "k"}), 201)
        key = (made["publicValue"], made["secretValue"])
        site.key_secrets.append(key)
        return made["id"], Client(site, key)

    def test_an_ended_key_is_refused_at_once(self):
        """In every worker: many requests on many connections."""
        for name in ("deactivate", "remove"):
            number, client = self.key(self.own.admin)
            for _ in range(8):
                self.status(Client(site, client.key).get("/v1/registries"), 200)
            self.status(self.own.admin.action("apikeys/" + number, "deactivate"), 202)
            if name == "remove":
                self.status(self.own.admin.delete("apikeys/" + number), 200)
            for _ in range(16):
                self.err(Client(site, client.key).get("/v1/registries"), 401, "Unauthorized")

    def test_keys_of_an_ended_account(self):
        made, client = site.account("user", "leaver")
        self.status(client.get("/v1/registries"), 200)
        self.status(site.admin.action("/v1/accounts/" + made, "deactivate"), 202)
        self.err(client.get("/v1/registries"), 401, "Unauthorized")
        self.status(site.admin.action("/v1/accounts/" + made, "activate"), 202)
        self.status(client.get("/v1/registries"), 200)

    def test_inactive_project(self):
        project = site.project(members=[("1a1", "owner"), (who["ids"]["member"], "member")])
        member = who["member unscoped"]
        self.status(member.get(project.root + "/registries"), 200)
        self.status(site.admin.action("/v1/projects/" + project.id, "deactivate"), 202)
        self.status(project.env.get("registries"), 401, 403)
        self.err(member.get(project.root + "/registries"), 403, "Forbidden")
        self.err(site.admin.get(project.root + "/registries"), 403, "Forbidden")
        self.err(member.get("/v1/projects/" + project.id), 404, "Not Found")
        self.assertEqual(self.ok(site.admin.get("/v1/projects/" + project.id))["state"], "inactive")
        self.status(site.admin.action("/v1/projects/" + project.id, "activate"), 202)
        self.status(project.env.get("registries"), 200)

    def test_a_member_who_is_struck_off(self):
        project = site.project(members=[("1a1", "owner"), (who["ids"]["member"], "member")])
        member = who["member unscoped"]
        registry = project.registry()["id"]
        self.status(member.get(project.root + "/registries/" + registry), 200)
        self.status(site.admin.request("POST", "/v1/projects/%s/?action=setmembers" % project.id,
                                       {"members": [{"externalId": "1a1",
                                                     "externalIdType": "rancher_id",
                                                     "role": "owner"}]}), 200, 201, 202)
        site.forget_schemas()
        self.err(member.get(project.root + "/registries/" + registry), 403, "Forbidden")
        self.err(member.get("/v1/registries/" + registry), 404, "Not Found")
        self.status(site.admin.request("POST", "/v1/projects/%s/?action=setmembers" % project.id,
                                       {"members": [{"externalId": "1a1",
                                                     "externalIdType": "rancher_id",
                                                     "role": "owner"},
                                                    {"externalId": who["ids"]["member"],
                                                     "externalIdType": "rancher_id",
                                                     "role": "readonly"}]}), 200, 201, 202)
        site.forget_schemas()
        self.status(member.get(project.root + "/registries/" + registry), 200)
        self.err(member.put(project.root + "/registries/" + registry, {"name": "x"}), 405,
                 "Method not allowed")
        members = self.ok(site.admin.get("/v1/projects/%s/projectmembers" % project.id))["data"]
        self.assertEqual({(m["externalId"], m["role"]) for m in members},
                         {("1a1", "owner"), (who["ids"]["member"], "readonly")})

    def test_bad_members(self):
        count = len(self.ids(site.admin.get("/v1/projects?all=true")))
        for members in ("x", {}, [5], [None], [{"externalId": "1a1"}, 3],
                        [{"externalId": {"a": 1}, "externalIdType": "rancher_id", "role": "owner"}],
                        [{"externalId": "1a1", "externalIdType": "rancher_id", "role": "god"}], [{"externalId": "1a1", "externalIdType": "x", "role": "owner"}],
                        [{"externalId": "garbage", "externalIdType": "rancher_id",
                          "role": "owner"}]):
            with self.subTest(members=members):
                r = site.admin.post("/v1/projects", {"name": "x", "members": members})
                self.status(r, 422)
        self.assertEqual(len(self.ids(site.admin.get("/v1/projects?all=true"))), count)

    def test_purging_a_project_ends_what_it_owns(self):
        project = site.project()
        cred = project.credential(project.registry())["id"]
        for word in ("delete", "purge"):
            r = site.admin.delete("/v1/projects/"
                                  + project.id) if word == "delete" else site.admin.action(
                                      "/v1/projects/" + project.id, "purge")
            self.status(r, 200, 202)
        self.assertEqual(self.state("projects/" + project.id), "purged")
        self.assertIn(self.state("registrycredentials/" + cred), ("removed", "purged"))
        self.status(project.env.get("registries"), 401, 403)

    def test_the_last_words_of_a_key_are_not_told(self):
        """The secrets of keys are hashed: neither the database nor any answer holds them."""
        number, client = self.key(self.own.admin)
        for reader in (site.admin, who["superadmin"], who["service"], client):
            self.assertNotIn(client.key[1].encode(), reader.get("/v1/apikeys/" + number).body)
        stored = site.sql("SELECT secret_value FROM credential WHERE id = ?",
                          (int(number[2:]),))[0][0]
        self.assertNotIn(client.key[1].encode(), stored)
        self.assertIsNone(re.search(client.key[1].encode().hex().encode(), stored))
