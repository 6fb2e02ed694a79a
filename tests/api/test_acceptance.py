"""The acceptance cases of the API; the number of a case is in the name of its test.  F8 is in
test_restart.py."""

import calendar
import html.parser
import json
import os
import re
import sqlite3
import threading
import time
import urllib.parse
import uuid

import harness
from harness import Client

# The housekeeper runs every second here, so that a purge that is due is seen (F9).
setUpModule, tearDownModule = harness.site_of(globals(), environment={"REGCRED_SWEEP_EVERY_S": "1"})

MOZILLA = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/115.0"
ACTIONS = {"activate", "create", "deactivate", "purge", "remove", "update"}
REALM = 'Basic realm="Enter API access key and secret key as username and password"'


class Acceptance(harness.Case):
    def setUp(self):
        super().setUp()
        self.p = self.site.project()
        self.env = self.p.env
        self.root = self.p.root
        self.base = self.site.base

    def pair(self):
        """An active registry and an active credential of it."""
        registry = self.p.registry()
        return registry["id"], self.p.credential(registry)["id"]

    def cred(self, number):
        return "registrycredentials/" + number

    def secret_of(self, number):
        """The secret as superadmin reads it, in clear text."""
        return self.ok(self.superadmin().get("/v1/registrycredentials/" + number))["secretValue"]

    def superadmin(self):
        if "superadmin" not in self.site.role_clients:
            self.site.role_clients["superadmin"] = self.site.account("superadmin")[1]
        return self.site.role_clients["superadmin"]

    def default_key(self):
        if "default" not in self.site.role_clients:
            self.site.role_clients["default"] = Client(self.site, self.site.cli_key("1a5"),
                                                       "/v1/projects/1a5")
        return self.site.role_clients["default"]

    def body(self, registry, **more):
        fields = {"registryId": registry, "email": "ci@corp.example.test", "publicValue": "ci-bot",
                  "secretValue": self.site.plant()}
        fields.update(more)
        return fields


class A_Discovery(Acceptance):
    def test_A1_root(self):
        r = self.env.get("/", headers={"User-Agent": "curl/8.1"})
        self.status(r, 200)
        self.assertEqual(r.header("X-API-Schemas"), self.base + "/v1/schemas")
        self.assertEqual([item["id"] for item in r.json["data"]], ["v1", "v2-beta"])
        self.assertEqual(r.json["links"]["latest"], self.base + "/v2-beta")

    def test_A2_version(self):
        for version in ("v1", "v2-beta"):
            body = self.ok(self.env.get("/" + version))
            self.assertEqual((body["id"], body["type"], body["baseType"]),
                             (version, "apiVersion", "apiVersion"))
            self.assertEqual(body["links"]["self"], "%s/%s" % (self.base, version))
            self.assertEqual(body["links"]["registryCredentials"], "%s/%s/registrycredentials"
                             % (self.base, version))
            names = {"accounts", "apiKeys", "credentials", "projects", "registries",
                     "registryCredentials", "schemas", "storagePools"}
            self.assertLessEqual(names, set(body["links"]))
            for name, url in body["links"].items():
                if name != "self":
                    self.assertEqual(url, "%s/%s/%s" % (self.base, version, name.lower()))
                    self.status(self.env.get(url), 200)
            self.assertEqual(sorted(n for n in body["links"] if n != "self"),
                             [n for n in body["links"] if n != "self"])

    def test_A3_unknown_version(self):
        for path in ("/v3/registries", "/v3", "/V1x/registries", "/v2/registries", "/nothing"):
            self.err(self.env.get(path), 404, "Not Found")

    def test_A4_schemas(self):
        body = self.ok(self.env.get("/v1/schemas"))
        self.assertEqual((body["type"], body["resourceType"], body["pagination"]),
                         ("collection", "schema", None))
        self.assertEqual({item["type"] for item in body["data"]}, {"schema"})
        ids = {item["id"] for item in body["data"]}
        self.assertLessEqual({"schema", "apiVersion", "error", "account", "project", "credential",
                              "registryCredential", "apiKey", "password",
                              "storagePool", "registry", "projectMember"}, ids)
        self.assertEqual(body["links"]["self"], self.base + "/v1/schemas")

    def test_A5_schemas_of_schemas(self):
        for root in (self.p.beta, self.p.root, "/v2-beta", "/v1"):
            r = self.env.get(root + "/schemas/schemas")
            body = self.ok(r)
            self.assertEqual((body["id"], body["links"]["collection"]),
                             ("schema", self.base + root + "/schemas"))
            self.assertEqual(r.header("X-API-Schemas"), self.base + root + "/schemas")

    def test_A6_unknown_schema(self):
        self.err(self.env.get("/v1/schemas/nosuch"), 404, "Not Found")
        self.err(self.env.get(self.root + "/schemas/nosuch"), 404, "Not Found")

    def test_A6b_schema_names(self):
        for name in ("registryCredential", "registrycredential", "registryCredentials",
                     "registrycredentials", "REGISTRYCREDENTIALS"):
            body = self.ok(self.env.get("/v1/schemas/" + name))
            self.assertEqual((body["id"], body["links"]["self"]),
                             ("registryCredential", self.base + "/v1/schemas/registrycredential"))

    def test_A7_schema_of_registry_credential(self):
        s = self.ok(self.env.get("schemas/registryCredential"))
        self.assertEqual(sorted(s["collectionMethods"]), ["GET", "POST"])
        self.assertEqual(sorted(s["resourceMethods"]), ["DELETE", "GET", "PUT"])
        self.assertEqual(s["resourceActions"],
                         {n: {"input": None, "output": "credential"}
                          for n in ACTIONS | {"verify", "refresh", "rollback"}})
        self.assertEqual(s["pluralName"], "registryCredentials")
        self.assertEqual(s["links"]["collection"], self.base + self.root + "/registrycredentials")
        names = list(s["resourceFields"])
        self.assertLess(names.index("uuid"), names.index("email"))
        self.assertLess(names.index("email"), names.index("verificationMessage"))       # what the original lacks comes last
        self.assertTrue(s["resourceFields"]["email"]["required"])
        self.assertEqual(s["resourceFields"]["state"]["options"], list(harness.STATES))
        self.assertEqual(sorted(s["includeableLinks"]), ["account", "registry", "secretVersions"])

    def test_A8_email_in_v2_beta(self):
        s = self.ok(self.env.get(self.p.beta + "/schemas/registryCredential"))
        email = s["resourceFields"]["email"]
        self.assertFalse(email.get("required", False))
        self.assertTrue(email["nullable"] and email["create"] and email["update"])

    def test_A9_project_is_unscoped(self):
        r = self.env.get(self.root)
        self.assertEqual(r.header("X-API-Schemas"), self.base + "/v1/schemas")
        self.assertEqual(self.ok(r)["links"]["schemas"], self.base + self.root + "/schemas")
        self.assertEqual(self.env.get(self.root + "/schemas").header("X-API-Schemas"), self.base
                         + self.root + "/schemas")
        self.assertEqual(self.env.get(self.root + "/projectmembers").header("X-API-Schemas"),
                         self.base + "/v1/schemas")

    def test_A9b_a_project_has_one_address(self):
        """Seen from inside a project, too: its own and that of another."""
        own = self.base + self.root
        for client, path in ((self.env, self.root), (self.p.admin, "projects/" + self.p.id),
                             (self.env, "projects")):
            body = self.ok(client.get(path))
            self.assertEqual((body["data"][0] if path == "projects" else body)["links"]["self"],
                             own)
        body = self.ok(self.p.admin.action(self.root, "deactivate"), 202)
        self.assertEqual((body["links"]["self"], body["links"]["registries"]),
                         (own, own + "/registries"))

    def test_A10_type_segments(self):
        self.p.registry()
        for path in ("/v1/REGISTRIES", "/v1/registry", "/v1//registries/", "/v1/Registry/",
                     "/v1/registries//", "/v1/rEgIsTrIeS"):
            body = self.ok(self.env.get(path))
            self.assertEqual(body["resourceType"], "registry", path)
            self.assertEqual(len(body["data"]), 1, path)
            link = body["data"][0]["links"]["self"]
            self.assertRegex(link, r"^%s/v1/(projects/1a\d+/)?registries/1sp\d+$"
                             % re.escape(self.base))
        path = "/v1/projects/%s/registryCredentials" % self.p.id
        self.assertEqual(self.ok(self.env.get(path + "?limit=1"))["links"]["self"], self.base
                         + path)


class B_Authentication(Acceptance):
    def test_B1_no_credentials(self):
        for path in ("/v1/registries", "/v1", "/v1/schemas", self.root + "/registries",
                     "/v1/nosuch", "/v1/projects"):
            r = self.site.anonymous().get(path)
            self.err(r, 401, "Unauthorized")
            self.assertEqual(r.header("WWW-Authenticate"), REALM)

    def test_B2_no_challenge(self):
        r = self.site.anonymous().get("/v1/registries", headers={"X-API-No-Challenge": "true"})
        self.err(r, 401, "Unauthorized")
        self.assertIsNone(r.header("WWW-Authenticate"))

    def test_B2b_wrong_credentials_look_alike(self):
        access, secret = self.env.key
        seen = set()
        for user, password in ((access, secret[:-1]), (access, secret + "x"), (access, ""),
                               (access, secret.swapcase()), ("NOSUCH", secret),
                               (access.lower(), secret), ("", ""), (access, "x" * 5000)):
            if user == access.lower() == access:
                continue
            body = self.err(Client(self.site, (user, password)).get("/v1/registries"), 401,
                            "Unauthorized")
            seen.add(json.dumps({k: v for k, v in body.items() if k != "id"}))
        self.assertEqual(len(seen), 1, "a 401 says which part was wrong")

    def test_B2c_authorization_scheme(self):
        word = self.env.authorization().split()[1]
        for scheme in ("Basic", "basic", "BASIC"):
            self.status(self.env.get("/v1/registries",
                                     headers={"Authorization": "%s %s" % (scheme, word)}), 200)
        for value in ("Bearer " + word, "Basic", "Basic !!!", "Basic " + word[:-6], word, "Basic  ",
                      "Digest " + word):
            self.err(self.env.get("/v1/registries", headers={"Authorization": value}), 401,
                     "Unauthorized")

    def test_B2d_api_key_header(self):
        access, secret = self.env.key
        anonymous = self.site.anonymous()
        self.status(anonymous.get("/v1/registries", headers={"X-API-Key": access + ":" + secret}),
                    200)
        for value in (access + ":" + secret + "x", access, ":" + secret, ""):
            self.status(anonymous.get("/v1/registries", headers={"X-API-Key": value}), 401)

    def test_B3_deactivated_key(self):
        made = self.ok(self.p.admin.post("apikeys", {"name": "k"}), 201)
        key = Client(self.site, (made["publicValue"], made["secretValue"]), self.root)
        self.site.key_secrets.append(key.key)
        self.status(key.get("registries"), 200)
        self.status(self.p.admin.action("apikeys/" + made["id"], "deactivate"), 202)
        self.err(key.get("registries"), 401, "Unauthorized")
        self.status(self.p.admin.action("apikeys/" + made["id"], "activate"), 202)
        self.status(key.get("registries"), 200)
        self.status(self.p.admin.action("apikeys/" + made["id"], "deactivate"), 202)
        self.status(self.p.admin.action("apikeys/" + made["id"], "remove"), 202)
        self.err(key.get("registries"), 401, "Unauthorized")

    def test_B4_account_headers(self):
        r = self.default_key().get("registries")
        self.status(r, 200)
        self.assertEqual(r.header("X-API-Account-Id"), "1a5")
        self.assertTrue(r.header("X-API-User-Id"))
        r = self.p.admin.get("registries")
        self.assertEqual((r.header("X-API-Account-Id"), r.header("X-API-User-Id")),
                         (self.p.id, "1a1"))
        r = self.site.admin.get("registries")
        self.assertEqual((r.header("X-API-Account-Id"), r.header("X-API-User-Id")), ("1a1", "1a1"))

    def test_B5_project_header(self):
        self.err(self.site.admin.get("/v1/registries", headers={"X-API-Project-Id": "1a999"}), 403,
                 "Forbidden")
        r = self.site.admin.get("/v1/registries", headers={"X-API-Project-Id": self.p.id})
        self.status(r, 200)
        self.assertEqual(r.header("X-API-Account-Id"), self.p.id)
        self.err(self.site.admin.get("/v1/registries", headers={"X-API-Project-Id": "garbage"}),
                 400, "InvalidFormat")
        self.err(self.site.admin.get("/v1/registries",
                                     headers={"X-API-Project-Id": self.p.id.replace("1a", "1A")}),
                 400, "InvalidFormat")

    def test_B5b_project_query(self):
        r = self.site.admin.get("/v1/registries?projectId=" + self.p.id)
        self.status(r, 200)
        self.assertEqual(r.header("X-API-Account-Id"), self.p.id)
        self.err(self.site.admin.get("/v1/registries?projectId=1a999"), 403, "Forbidden")

    def test_B6_other_project(self):
        other = self.site.project()
        self.err(self.env.get(other.root + "/registries"), 403, "Forbidden")
        self.err(self.env.get("/v1/projects/1a999/registries"), 403, "Forbidden")
        self.err(self.env.get("/v1/registries", headers={"X-API-Project-Id": other.id}), 403,
                 "Forbidden")
        self.err(self.env.post(other.root + "/registries", {"serverAddress": "x.example.test"}),
                 403, "Forbidden")
        self.status(self.env.get("/v1/registries", headers={"X-API-Project-Id": self.p.id}), 200)

    def test_B7_admin_unscoped(self):
        registry, _ = self.pair()
        admin = self.site.admin
        self.assertEqual(self.ok(admin.get("/v1/registries/" + registry))["accountId"], self.p.id)
        self.err(self.p.admin.post("/v1/registries", {"serverAddress": "x.example.test"}), 405,
                 "Method not allowed")
        self.err(admin.put("/v1/registries/" + registry, {"name": "x"}), 405, "Method not allowed")
        self.err(admin.delete("/v1/registries/" + registry), 405, "Method not allowed")
        self.err(admin.post("/v1/registrycredentials", {}), 405, "Method not allowed")

    def test_B8_admin_acts_unscoped(self):
        registry, _ = self.pair()
        body = self.ok(self.site.admin.action("/v1/registries/" + registry, "deactivate"), 202)
        self.assertEqual(body["state"], "deactivating")
        self.assertEqual(self.p.settle("registries/" + registry)["state"], "inactive")

    def test_B9_projectadmin_reads_secrets(self):
        _, client = self.site.account("projectadmin")
        secret = self.site.plant()
        registry = self.ok(client.post("registries",
                                       {"name": "r", "serverAddress": "own.example.test"}), 201)
        made = self.ok(client.post("registrycredentials",
                                   self.body(registry["id"], secretValue=secret)), 201)
        self.assertEqual(self.ok(client.get("registrycredentials/" + made["id"]))["secretValue"],
                         secret)
        self.assertEqual([c["secretValue"]
                          for c in self.ok(client.get("registrycredentials"))["data"]], [secret])
        _, cred = self.pair()
        self.assertIsNone(self.ok(self.env.get(self.cred(cred)))["secretValue"])

    def test_B10_role_parameter(self):
        _, cred = self.pair()
        body = self.ok(self.env.get(self.cred(cred) + "?_role=projectadmin"))
        self.assertIsNone(body["secretValue"])
        self.assertNotIn("data", self.ok(self.env.get(self.cred(cred) + "?_role=superadmin")))

    def test_B11_accounts_of_an_environment_key(self):
        self.assertEqual(self.ids(self.env.get("/v1/accounts")), [self.p.id])
        self.assertEqual(self.ids(self.env.get("/v1/projects")), [self.p.id])
        self.assertEqual(self.ids(self.default_key().get("/v1/accounts")), ["1a5"])


    def test_B12_accounts_of_a_user_with_projects(self):
        """One row, its own, also where it owns projects; inside a project the project's."""
        who, client = self.site.account("user", "owner of two")
        for _ in range(2):
            project = self.site.project(members=[(who, "owner")])
        self.assertEqual(len(self.ids(client.get("/v1/projects"))), 2)
        self.assertEqual(self.ids(client.get("/v1/accounts")), [who])
        self.assertEqual(self.ids(client.at(project.root).get("accounts")), [project.id])


class C_Create(Acceptance):
    def created_ok(self, body):
        self.assertEqual((body["state"], body["transitioning"], body["transitioningMessage"]),
                         ("registering", "yes", "In Progress"))
        self.assertIsNone(body["removed"])
        self.assertNotIn("removedTS", body)
        self.assertLess(abs(body["createdTS"] / 1000 - time.time()), 60)
        self.assertEqual(calendar.timegm(time.strptime(body["created"], "%Y-%m-%dT%H:%M:%SZ")),
                         body["createdTS"] // 1000)
        self.assertEqual(set(body["actions"]), {"activate", "deactivate", "remove"})
        self.assertEqual(uuid.UUID(body["uuid"]).version, 4)

    def test_C1_registry(self):
        r = self.env.post("registries", {"name": "r", "serverAddress": "reg.example.test:5000"})
        body = self.ok(r, 201)
        self.created_ok(body)
        self.assertEqual((body["type"], body["baseType"], body["kind"]),
                         ("registry", "storagePool", "registry"))
        self.assertRegex(body["id"], r"^1sp\d+$")
        self.assertEqual((body["accountId"], body["serverAddress"], body["name"]),
                         (self.p.id, "reg.example.test:5000", "r"))
        self.assertEqual(body["links"]["self"], self.base + self.root + "/registries/" + body["id"])
        self.assertEqual(r.header("Location"), body["links"]["self"])
        self.assertEqual(set(body["links"]) - {"account", "credentials", "self"}, set())

    def test_C2_credential(self):
        registry = self.p.registry()["id"]
        fields = self.body(registry)
        r = self.env.post("registrycredentials", fields)
        body = self.ok(r, 201)
        self.created_ok(body)
        self.assertRegex(body["id"], r"^1c\d+$")
        self.assertEqual({n: body[n] for n in fields}, fields)
        self.assertEqual((body["type"], body["baseType"], body["kind"]),
                         ("registryCredential", "credential", "registryCredential"))
        me = self.base + self.root + "/registrycredentials/" + body["id"]
        self.assertEqual(body["links"], {"self": me, "account": me + "/account", "registry": me
                                         + "/registry",
                                         "secretVersions": me + "/secretversions"})
        self.assertEqual(r.header("Location"), me)
        self.assertIn("no-store", r.header("Cache-Control"))

    def test_C3_after_create(self):
        registry = self.p.registry()["id"]
        fields = self.body(registry, name="n", description="d")
        number = self.ok(self.env.post("registrycredentials", fields), 201)["id"]
        body = self.ok(self.env.get(self.cred(number)))
        self.assertEqual((body["state"], body["transitioning"], body["transitioningMessage"]),
                         ("active", "no", None))
        self.assertIsNone(body["secretValue"])
        for name in ("email", "publicValue", "registryId", "name", "description"):
            self.assertEqual(body[name], fields[name])
        self.assertEqual(set(body["actions"]), {"deactivate", "update", "verify"})

    def test_C3b_created_is_a_whole_second(self):
        for _ in range(3):
            body = self.p.registry()
            self.assertEqual(calendar.timegm(
                time.strptime(body["created"], "%Y-%m-%dT%H:%M:%SZ")) * 1000, body["createdTS"])

    def test_C4_form(self):
        fields = self.body(self.p.registry()["id"], name="a b+c é")
        body = self.ok(self.env.post("registrycredentials", urllib.parse.urlencode(fields),
                                     content_type="application/x-www-form-urlencoded"), 201)
        self.assertEqual({n: body[n] for n in fields}, fields)
        self.assertEqual(self.secret_of(body["id"]), fields["secretValue"])

    def test_C4b_multipart(self):
        fields = self.body(self.p.registry()["id"], description="line 1\r\nline 2")
        text = "".join('--xyz\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % f
                       for f in fields.items()) + "--xyz--\r\n"
        body = self.ok(self.env.post("registrycredentials", text,
                                     content_type="multipart/form-data; boundary=xyz"), 201)
        self.assertEqual({n: body[n] for n in fields}, fields)

    def test_C5_json_labelled_as_form(self):
        fields = self.body(self.p.registry()["id"])
        for kind in ("application/x-www-form-urlencoded", "", "text/plain",
                     "application/xml; charset=latin1"):
            body = self.ok(self.env.post("registrycredentials", json.dumps(fields),
                                         content_type=kind), 201)
            self.assertEqual(body["publicValue"], "ci-bot")

    def test_C6_singular_without_email(self):
        registry = self.p.registry()["id"]
        fields = {"type": "registryCredential", "registryId": registry, "publicValue": "u",
                  "secretValue": self.site.plant()}
        body = self.ok(self.env.post(self.p.beta + "/registrycredential", fields), 201)
        self.assertIsNone(body["email"])
        self.assertIsNone(self.ok(self.env.get(self.cred(body["id"])))["email"])
        self.err(self.env.post("registrycredential", fields), 422, "MissingRequired", "email")

    def test_C7_trailing_slash(self):
        self.status(self.env.post("registrycredentials/", self.body(self.p.registry()["id"])), 201)

    def test_C8_query_under_body(self):
        registry = self.p.registry()["id"]
        fields = self.body(registry)
        del fields["registryId"]
        body = self.ok(self.env.post("registrycredentials?registryId=%s&publicValue=query"
                                     % registry, fields), 201)
        self.assertEqual((body["registryId"], body["publicValue"]), (registry, "ci-bot"))

    def test_C9_empty(self):
        body = self.err(self.env.post("registrycredentials", {}), 422, "MissingRequired",
                        "registryId")
        self.assertIsNone(body["message"])
        registry = self.p.registry()["id"]
        self.err(self.env.post("registrycredentials", {"registryId": registry}), 422,
                 "MissingRequired", "email")

    def test_C10_email(self):
        registry = self.p.registry()["id"]
        self.err(self.env.post("registrycredentials", self.body(registry, email="")), 422,
                 "MinLengthExceeded", "email")
        self.err(self.env.post("registrycredentials", self.body(registry, email=None)), 422,
                 "NotNullable", "email")
        self.err(self.env.post(self.p.beta + "/registrycredentials", self.body(registry, email="")),
                 422, "MinLengthExceeded", "email")
        self.status(self.env.post(self.p.beta + "/registrycredentials",
                                  self.body(registry, email=None)), 201)
        self.status(self.env.post("registrycredentials", self.body(registry, email="é" * 1024)),
                    201)
        self.err(self.env.post("registrycredentials", self.body(registry, email="e" * 1025)), 422,
                 "MaxLengthExceeded", "email")

    def test_C11_registry_null(self):
        self.err(self.env.post("registrycredentials", self.body(None)), 422, "NotNullable",
                 "registryId")

    def test_C12_references(self):
        registry, cred = self.pair()
        foreign = self.site.project().registry()["id"]
        for bad in (cred, foreign, "1sp99999", registry[3:], "1" + registry[3:], registry.upper(),
                    registry + "x", " " + registry,
                    registry + " ", "", "garbage", self.p.id, 3, True, "1sp0", "1sp-1",
                    "1sp18446744073709551617", "1sp0" + registry[3:]):
            self.err(self.env.post("registrycredentials", self.body(bad)), 422, "InvalidReference",
                     "registryId")
        self.assertEqual(self.ids(self.env.get("registrycredentials")), [cred])

    def test_C12b_registry_must_live(self):
        registry = self.p.registry()["id"]
        self.status(self.env.action("registries/" + registry, "deactivate"), 202)
        self.status(self.env.post("registrycredentials", self.body(registry)), 201)
        self.status(self.env.delete("registries/" + registry), 200)
        self.err(self.env.post("registrycredentials", self.body(registry)), 422, "InvalidReference",
                 "registryId")
        other = self.p.registry()["id"]
        self.site.sql("UPDATE storage_pool SET kind = 'docker' WHERE id = ?", (int(other[3:]),),
                      write=True)
        self.err(self.env.post("registrycredentials", self.body(other)), 422, "InvalidReference",
                 "registryId")

    def test_C13_length_in_characters(self):
        registry = self.p.registry()["id"]
        self.err(self.env.post("registrycredentials", self.body(registry, name="n" * 256)), 422,
                 "MaxLengthExceeded", "name")
        for name in ("é" * 255, "\U0001f40b" * 255):
            self.assertEqual(
                self.ok(self.env.post("registrycredentials", self.body(registry, name=name)),
                        201)["name"], name)
        self.err(self.env.post("registrycredentials", self.body(registry, name="é" * 256)), 422,
                 "MaxLengthExceeded", "name")
        for field, limit in (("description", 1024), ("publicValue", 4096), ("secretValue", 4097)):
            body = self.ok(self.env.post("registrycredentials",
                                         self.body(registry, **{field: "v" * limit})), 201)
            self.assertEqual(body[field], "v" * limit)
            if field != "secretValue":       # it may be as long as a body has room for
                self.err(self.env.post("registrycredentials",
                                       self.body(registry, **{field: "v" * (limit + 1)})), 422,
                                       "MaxLengthExceeded", field)
        self.ok(self.env.post("registrycredentials", self.body(registry, secretValue="v" * 65000)),
                201)

    def test_C14_coercion(self):
        registry = self.p.registry()["id"]
        number = self.ok(self.env.post("registrycredentials",
                                       self.body(registry, publicValue=12, name=True)), 201)["id"]
        body = self.ok(self.env.get(self.cred(number)))
        self.assertEqual((body["publicValue"], body["name"]), ("12", "true"))

    def test_C15_bodies(self):
        self.err(self.env.post("registrycredentials", "{bad", content_type="application/json"), 400,
                 "InvalidBodyContent")
        for text in ("null", "5", '"x"', "[]", "", "   ", "true", "[{}]"):
            self.err(self.env.post("registrycredentials", text, content_type="application/json"),
                     422, "MissingRequired", "registryId")

    def test_C16_address_used(self):
        self.p.registry(serverAddress="Reg.Example.test:5000")
        body = self.err(self.env.post("registries", {"serverAddress": "rEG.example.TEST:5000"}),
                        400, "ServerAddressUsed")
        self.assertNotIn("fieldName", body)
        self.assertEqual(body["message"], body["code"])
        self.status(self.env.post("registries", {"serverAddress": "reg.example.test:5001"}), 201)
        self.status(self.env.post("registries", {"serverAddress": " reg.example.test:5000"}), 201)

    def test_C16b_address_is_free_after_removal(self):
        for _ in range(3):
            number = self.p.registry(serverAddress="again.example.test")["id"]
            self.status(self.env.action("registries/" + number, "deactivate"), 202)
            self.err(self.env.post("registries", {"serverAddress": "AGAIN.example.test"}), 400,
                     "ServerAddressUsed")
            self.status(self.env.action("registries/" + number, "remove"), 202)

    def test_C17_address_in_another_project(self):
        self.p.registry(serverAddress="reg.example.test")
        self.site.project().registry(serverAddress="reg.example.test")

    def test_C18_address_required(self):
        self.err(self.env.post("registries", {"name": "r"}), 422, "MissingRequired",
                 "serverAddress")
        self.err(self.env.post("registries", {"serverAddress": ""}), 422, "MinLengthExceeded",
                 "serverAddress")
        self.err(self.env.post("registries", {"serverAddress": None}), 422, "NotNullable",
                 "serverAddress")
        self.err(self.env.post("registries", {"serverAddress": "s" * 1025}), 422,
                 "MaxLengthExceeded", "serverAddress")
        self.status(self.env.post("registries", {"serverAddress": "s" * 63 + "/" * 961}), 201)

    def test_C19_address_verbatim(self):
        for address in ("http://bar.com:8080", "HTTPS://Reg.Example.test:443/v2/x/", "  spaced  ",
                        "one-word", "under_score.test:1", "FINAL.dot.", "[2001:DB8::1]:65535",
                        "[::1]", "10.0.0.7", "http://10.0.0.7:80/", "oci://charts.example.test/team", "docker://Index.Docker.IO/v1/", "xn--bcher-kva.example",
                        "a.b.c.d.e.f:1/a/b__c/d-e.f", "\tlocalhost:5000\n"):
            number = self.ok(self.env.post("registries", {"serverAddress": address}), 201)["id"]
            self.assertEqual(self.ok(self.env.get("registries/" + number))["serverAddress"],
                             address)

    # What the sentence says, and addresses that no image can have.
    UNREADABLE = {
        "a space": ("gh cr.io", "ghcr.io /x", "a\tb.io", "ghcr.io,\nquay.io"),
        "user name": ("user@ghcr.io", "https://user:password@ghcr.io/v2/", "a@b@c"),
        "no valid host": ("b\u00fccher.example", "\"<>&'", "-x.io", "x-.io", "a..b", ".io", "1.2.3",
                          "1.2.3.256", "0x7f.1", "300.1.1.1:5000", "[::1", "[::g]:5000",
                          "[fe80::1%eth0]:5000", "[1.2.3.4]", "::1", "2001:db8::1", "s" * 64 + ".io", "x." * 127 + "io", "s" * 1024, "ghcr.io,quay.io", "ghcr.io;", "$HOST",
                          "{{registry}}", "https://", "https:///x", "r\u00e9g.io:5000",
                          "a.io\u200b", "443"),
        "port is not valid": ("ghcr.io:99999", "ghcr.io:65536", "ghcr.io:0", "ghcr.io:", "ghcr.io:http", "ghcr.io:080", "ghcr.io:-1", "a:1:2", "[::1]:x", "ghcr.io:5000:"),
        "another scheme": ("ftp://ghcr.io", "file:///etc", "ssh://git@ghcr.io", "unix://x", "httpss://x"),
        "parameters": ("https://reg.example.test/x/?y=1#z", "ghcr.io?x", "ghcr.io#1", "ghcr.io/x?"),
        "pattern": ("*.our.example.test", "*", "ghcr.io/*", "reg-*.example.test:5000"),
        "path": ("ghcr.io/Acme", "ghcr.io/v2/Acme/app", "ghcr.io/a..b", "ghcr.io/../x",
                 "ghcr.io/a%20b", "ghcr.io/-a", "ghcr.io/a_", "ghcr.io/a___b", "ghcr.io/app:latest",
                 "ghcr.io/app@sha256", "ghcr.io/\u00fc", "ghcr.io/" + "a" * 256, "ghcr.io/a\\b"),
    }

    def test_C19b_addresses_that_no_image_can_have(self):
        count = len(self.ids(self.env.get("registries")))
        for why, addresses in self.UNREADABLE.items():
            for address in addresses:
                body = self.err(self.env.post("registries", {"serverAddress": address}), 422,
                                "InvalidFormat", "serverAddress")
                self.assertIn(why.lower(), body["detail"].lower(), address)
                self.assertRegex(body["detail"], r"\.$", address)
        self.assertEqual(len(self.ids(self.env.get("registries"))), count)

    def test_C19c_whole_objects_go_on_with_what_was_stored_before(self):
        registry = self.p.registry(serverAddress="before.example.test")
        self.site.sql("UPDATE storage_pool SET server_address = 'gh cr.io', address_key = NULL "
                      "WHERE id = ?", (int(registry["id"][3:]),), write=True)
        row = self.ok(self.env.get("registries/" + registry["id"]))
        self.assertEqual(self.ok(self.env.put("registries/" + registry["id"],
                                              dict(row, name="renamed")))["serverAddress"],
                                              "gh cr.io")
        self.status(self.env.action("registries/" + registry["id"], "deactivate"), 202)
        self.status(self.env.delete("registries/" + registry["id"]), 200)

    def test_C20_abstract_types(self):
        registry, _ = self.pair()
        self.err(self.env.post("credentials", self.body(registry)), 405, "Method not allowed")
        self.err(self.env.post("registries/%s/credentials" % registry, self.body(registry)), 405,
                 "Method not allowed")
        self.err(self.env.post("storagepools", {"serverAddress": "x"}), 405, "Method not allowed")

    def test_C21_post_on_resource(self):
        _, cred = self.pair()
        self.err(self.env.post(self.cred(cred), {"name": "x"}), 405, "Method not allowed")

    def test_C22_not_creatable_members_are_ignored(self):
        registry = self.p.registry()["id"]
        fields = self.body(registry, id="1c1", links=None, actions=None, type="x", accountId="1a1",
                           kind="apiKey", state="purged", baseType="y",
                           uuid="mine", created="2001-01-01T00:00:00Z",
                           removed="2001-01-01T00:00:00Z", transitioning="no", nosuch={"a": [1]},
                           data={"fields": {"email": "x"}}, removeTime=5)
        body = self.ok(self.env.post("registrycredentials", fields), 201)
        self.created_ok(body)
        self.assertEqual((body["accountId"], body["kind"], body["type"]),
                         (self.p.id, "registryCredential", "registryCredential"))
        self.assertNotEqual(body["uuid"], "mine")
        self.assertNotEqual(body["id"], "1c1")

    def test_C22b_a_given_uuid(self):
        """Letters, digits and -_.: of those who may give one."""
        service = self.site.account("service")[1].at(self.root)
        for number, text in enumerate(("", "a b", " a", "a\n", "a/b", "\u00e9", "~")):
            body = {"serverAddress": "u%d.example.test" % number, "uuid": text}
            self.err(service.post("registries", body), 422, "InvalidCharacters", "uuid")
        made = self.ok(service.post("registries", {"serverAddress": "u.example.test",
                                                   "uuid": "Mine-_.:" + self.p.id}), 201)
        self.assertEqual(made["uuid"], "Mine-_.:" + self.p.id)

    def test_C23_secrets_are_bytes(self):
        registry = self.p.registry()["id"]
        for text in (" lead and trail \t", "\n{\"type\": \"service_account\"}\r\n",
                     "\u00e9e\u0301\U0001f511", "", "\x7f\u2028\u2029", "%41+&=", "'\";--"):
            secret = self.site.plant(text) if text else ""
            made = self.ok(self.env.post("registrycredentials",
                                         self.body(registry, secretValue=secret)), 201)
            self.assertEqual(made["secretValue"], secret)
            self.assertEqual(self.secret_of(made["id"]), secret)


class D_Read(Acceptance):
    def test_D1_same_in_list(self):
        _, cred = self.pair()
        self.assertEqual(self.ok(self.env.get(self.cred(cred))),
                         self.ok(self.env.get("registrycredentials"))["data"][0])

    def test_D2_unknown_ids(self):
        registry, cred = self.pair()
        number = cred[2:]
        for bad in ("1c99999", "7", "17", "abc", "1c", number, "1" + number, "1sp" + number,
                    "1zz" + number, cred.upper(), "1c0" + number, cred + "x",
                    "1c18446744073709551616", "1c-1", "1c!" + number, "%20" + cred, cred + "%20",
                    "1c%2B" + number, registry, "%F0%9F%90%8B"):
            self.err(self.env.get("registrycredentials/" + bad), 404, "Not Found")
            if bad not in ("1c" + number, registry):
                self.err(self.env.get("credentials/" + bad), 404, "Not Found")
        key = self.ok(self.env.post("apikeys", {"name": "k"}), 201)
        self.site.key_secrets.append((key["publicValue"], key["secretValue"]))
        self.err(self.env.get("registrycredentials/" + key["id"]), 404, "Not Found")
        self.assertEqual(self.ok(self.env.get("credentials/" + key["id"]))["type"], "apiKey")

    def test_D3_abstract_collection(self):
        registry, cred = self.pair()
        self.p.admin.post("apikeys", {"name": "k"})
        body = self.ok(self.env.get("credentials"))
        self.assertEqual(body["resourceType"], "credential")
        self.assertEqual({item["type"] for item in body["data"]}, {"apiKey", "registryCredential"})
        self.assertEqual({item["baseType"] for item in body["data"]}, {"credential"})
        self.assertEqual(body["createTypes"], {name: "%s%s/%s" % (self.base, self.root, plural)
                                               for name, plural in
                                               (("apiKey", "apikeys"), ("password", "passwords"),
                                                ("registryCredential", "registrycredentials"))})
        for item in body["data"]:
            self.assertIn("/%ss/" % item["type"].lower(), item["links"]["self"])
            self.assertIsNone(item["secretValue"])
        self.assertEqual(self.ids(self.env.get("storagepools")), [registry])
        self.assertEqual(self.ok(self.env.get("credentials/" + cred))["type"], "registryCredential")

    def test_D4_envelope(self):
        self.pair()
        body = self.ok(self.env.get("registrycredentials"))
        self.assertEqual((body["type"], body["resourceType"], body["createTypes"], body["actions"],
                          body["createDefaults"], body["sort"]),
                         ("collection", "registryCredential", {}, {}, {}, None))
        p = body["pagination"]
        self.assertEqual((p["limit"], p["partial"], p["previous"], p["next"], p["total"]),
                         (100, False, None, None, None))
        self.assertEqual(set(body["filters"].values()), {None})
        self.assertEqual(body["links"], {"self": self.base + self.root + "/registrycredentials"})
        self.assertNotIn("secretValue", body["filters"])
        self.assertNotIn("email", body["filters"])

    def test_D5_paging(self):
        registry = self.p.registry()
        made = [self.p.credential(registry)["id"] for _ in range(5)]
        first = self.ok(self.env.get("registrycredentials?limit=2&state=active"))
        self.assertEqual((len(first["data"]), first["pagination"]["limit"],
                          first["pagination"]["partial"]), (2, 2, True))
        second = self.ok(self.env.get(first["pagination"]["next"]))
        third = self.ok(self.env.get(second["pagination"]["next"]))
        self.assertEqual([i["id"] for page in (first, second, third) for i in page["data"]], made)
        self.assertEqual((third["pagination"]["next"], third["pagination"]["partial"]),
                         (None, False))
        self.assertEqual(second["filters"]["state"], [{"value": "active", "modifier": "eq"}])
        back = second["pagination"]["previous"]
        if back is not None:
            self.assertEqual(self.ids(self.env.get(back)), made[:2])
        if second["pagination"]["first"] is not None:
            self.assertEqual(self.ids(self.env.get(second["pagination"]["first"])), made[:2])
        self.assertFalse(self.ok(self.env.get("registrycredentials?limit=5"))["pagination"][
            "partial"])

    def test_D5b_paging_while_rows_come_and_go(self):
        registry = self.p.registry()
        made = [self.p.credential(registry, name="n%d" % (i % 3))["id"] for i in range(7)]
        for query, wanted in (("", made),
                              ("&sort=name", sorted(made, key=lambda i: (made.index(i) % 3, made.index(i)))),
                              ("&sort=created&order=desc", made[::-1])):
            first = self.ok(self.env.get("registrycredentials?limit=3" + query))
            seen = [i["id"] for i in first["data"]]
            self.assertEqual(seen, wanted[:3], query)
            gone = seen[0]
            self.status(self.env.action(self.cred(gone), "deactivate"), 202)
            self.status(self.env.delete(self.cred(gone)), 200)
            following, rest = first["pagination"]["next"], []
            while following:
                page = self.ok(self.env.get(following))
                rest += [i["id"] for i in page["data"]]
                following = page["pagination"]["next"]
            self.assertEqual(seen + rest, wanted, query)
            number = int(gone[2:])
            self.site.sql("UPDATE credential SET state = 'active', removed = NULL, remove_time = "
                          "NULL WHERE id = ?", (number,), write=True)

    def test_D5c_marker_that_is_none(self):
        registry = self.p.registry()
        made = [self.p.credential(registry)["id"] for _ in range(3)]
        for marker in ("x", made[1], "", "m", "m!!", "m-1", "m99999999999999999999", "%00"[:0],
                       "m'%20or%201", "M2"):
            r = self.env.get("registrycredentials?marker=" + marker)
            self.status(r, 200)
        for marker in ("x", made[1], "", "garbage"):
            self.assertEqual(self.ids(self.env.get("registrycredentials?marker=" + marker)), made)

    def test_D5d_the_first_page_has_nothing_before_it(self):
        registry = self.p.registry()
        made = [self.p.credential(registry)["id"] for _ in range(5)]
        second = self.ok(self.env.get(self.ok(self.env.get("registrycredentials?limit=2"))[
            "pagination"]["next"]))
        page = self.ok(self.env.get(second["pagination"]["previous"]))
        self.assertEqual([i["id"] for i in page["data"]], made[:2])
        self.assertIsNone(page["pagination"]["previous"])
        again = self.ok(self.env.get(page["pagination"]["next"]))
        self.assertEqual([i["id"] for i in again["data"]], made[2:4])

    def test_D5e_links_carry_no_secret(self):
        """What a query holds beside filters is carried into the links of a page; secrets and the
        marker are not."""
        registry = self.p.registry()
        for _ in range(3):
            self.p.credential(registry)
        for name in ("token", "CSRF", "secretValue", "secretValue_prefix", "password",
                     "_access_key", "_secret_key"):
            page = self.ok(self.env.get("registrycredentials?limit=1&x=%%26%%3D1&%s=S%s"
                                        % (name, self.p.id)))
            self.assertEqual(page["links"]["self"], self.base + self.root + "/registrycredentials")
            for link in [*page["sortLinks"].values(), page["pagination"]["next"]]:
                self.assertIn("?limit=1&x=%26%3D1&", link)
                self.assertNotIn(name + "=", link)
                self.assertNotIn("S" + self.p.id, link)

    def test_D6_limits(self):
        registry = self.p.registry()
        made = [self.p.credential(registry)["id"] for _ in range(3)]
        for text, limit in (("0", 3000), ("-1", 3000), ("-2", 3000), ("99999", 3000), ("abc", 100),
                            ("", 100), ("3000", 3000), ("3001", 3000), ("1e1", 100),
                            ("99999999999999999999", 3000), ("-99999999999999999999", 3000)):
            body = self.ok(self.env.get("registrycredentials?limit=" + text))
            self.assertEqual([i["id"] for i in body["data"]], made, text)
            if text not in ("99999999999999999999", "-99999999999999999999"):
                self.assertEqual(body["pagination"]["limit"], limit, text)

    def test_D7_sort(self):
        registry = self.p.registry()
        for name in ("b", "a", "c"):
            self.p.credential(registry, name=name)
        body = self.ok(self.env.get("registrycredentials?sort=name&order=desc&state=active"))
        self.assertEqual([i["name"] for i in body["data"]], ["c", "b", "a"])
        self.assertEqual((body["sort"]["name"], body["sort"]["order"]), ("name", "desc"))
        self.assertEqual([i["name"] for i in self.ok(self.env.get(body["sort"]["reverse"]))[
            "data"]], ["a", "b", "c"])
        for name, url in body["sortLinks"].items():
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
            self.assertEqual(query, {"sort": [name], "state": ["active"]})
        for field in ("bogus", "email", "secretValue", "", "transitioning", "removeTime"):
            body = self.ok(self.env.get("registrycredentials?sort=" + field))
            self.assertIsNone(body["sort"], field)
            self.assertEqual([i["name"] for i in body["data"]], ["b", "a", "c"])
        self.assertEqual(self.ok(self.env.get("registrycredentials?sort=name&order=sideways"))[
            "sort"]["order"], "asc")
        down = self.ids(self.env.get("registrycredentials?sort=created&order=desc"))
        self.assertEqual(down[::-1], self.ids(self.env.get("registrycredentials")))

    def test_D8_filter(self):
        one, two = self.p.registry(), self.p.registry()
        wanted = [self.p.credential(one)["id"], self.p.credential(one)["id"]]
        self.p.credential(two)
        body = self.ok(self.env.get("registrycredentials?registryId=" + one["id"]))
        self.assertEqual([i["id"] for i in body["data"]], wanted)
        self.assertEqual(body["filters"].pop("registryId"),
                         [{"value": one["id"], "modifier": "eq"}])
        self.assertEqual(set(body["filters"].values()), {None})

    def test_D8b_modifiers(self):
        registry = self.p.registry()
        made = {name: self.p.credential(registry, name=name, publicValue="pv-" + name)["id"]
                for name in ("alpha", "beta", "Alphabet", "50%_x", "gamma")}
        number = int(made["beta"][2:])

        def names(query):
            return sorted(i["name"] for i in self.ok(self.env.get("registrycredentials?" + query))[
                "data"])
        every = sorted(made)
        for query, wanted in (
                ("name=alpha", ["alpha"]), ("name_eq=beta", ["beta"]), ("name_ne=beta", [n for n in every if n != "beta"]),
                ("name_prefix=gam", ["gamma"]), ("name_like=%25eta", ["beta"]), ("name_like=b%25", ["beta"]), ("name_prefix=50%25_", ["50%_x"]), ("name_prefix=_", []),
                ("name_notlike=%25a%25", ["50%_x"]), ("name_null=1", []), ("name_notnull=1", every), ("description_null=1", every),
                ("removed_null=1", every), ("id=" + made["beta"], ["beta"]), ("id=%d" % number, ["beta"]),
                ("publicValue=pv-gamma", ["gamma"]), ("publicValue_prefix=pv-", every), ("kind=registryCredential", every), ("kind=apiKey", []),
                ("state_ne=inactive&state_ne=removed", every), ("created_gte=2001-01-01T00:00:00Z&created_lt=2101-01-01T00:00:00Z", every),
                ("created_gt=2101-01-01T00:00:00Z", []), ("created_lt=now&created_gt=0", None),
                ("created_lt=2101-01-01", None), ("created_lt=2101-01-01T00:00:00.000Z&created_gt=2000-01-01T00:00:00%2B02:00", None),
                ("id_gt=%d&id_lte=%d" % (number - 1, number), ["beta"]), ("name=alpha&name_ne=alpha", []), ("name=beta&state=active", ["beta"]),
                ("accountId=" + self.p.id, every), ("accountId=1a1", []), ("uuid_notnull=1", every), ("registryId_ne=1sp99999", every),
                ("name=alph", []), ("name_like=alph", []), ("&".join(["name_ne=x"] * 32), every)):
            if wanted is not None:
                self.assertEqual(names(query), wanted, query)
            else:
                names(query)

    def test_D9_filters_that_cannot_be_read(self):
        for query, field in (("created_lt=rubbish", "created"),
                             ("created_gt=1714979289", "created"), ("created=", "created"),
                             ("removed_gte=2024-02-30", "removed"), ("isDefault=1", "isDefault")):
            self.err(self.env.get("registrycredentials?" + query), 422, "InvalidFormat", field)

    def test_D9_filters_that_are_none(self):
        _, cred = self.pair()
        for query in ("registryId=garbage", "registryId=1c1", "registryId=", "id=garbage",
                      "accountId=x"):
            self.assertEqual(self.ids(self.env.get("registrycredentials?" + query)), [], query)
        for query in ("bogus=1", "email=x", "name_bogus=1", "secretValue=x",
                      "secretValue_prefix=zQ7", "created_like=x", "state_like=x", "_x=1", "=1",
                      "_cache=1", "system=false", "isPublic=true", "_trim=1", "all=true", "Name=x",
                      "name__=y"):
            body = self.ok(self.env.get("registrycredentials?" + query))
            self.assertEqual([i["id"] for i in body["data"]], [cred], query)
            self.assertEqual(set(body["filters"].values()), {None}, query)

    def test_D10_repeated_parameter(self):
        self.pair()
        body = self.ok(self.env.get("registrycredentials?state=active&state=inactive"))
        self.assertEqual(body["data"], [])
        self.assertEqual([f["value"] for f in body["filters"]["state"]], ["active", "inactive"])

    def test_D11_include(self):
        registry, cred = self.pair()
        item = self.ok(self.env.get("registrycredentials?include=registry"))["data"][0]
        self.assertEqual((item["registry"]["type"], item["registry"]["id"]), ("registry", registry))
        self.assertEqual(item["registry"], self.ok(self.env.get("registries/" + registry)))
        self.assertEqual(self.ok(self.env.get(self.cred(cred) + "?include=REGISTRY"))["registry"][
            "id"], registry)
        item = self.ok(self.env.get("registries?include=credentials"))["data"][0]
        self.assertEqual([c["id"] for c in item["credentials"]], [cred])
        self.assertIsNone(item["credentials"][0]["secretValue"])
        item = self.ok(self.env.get("registrycredentials?include=nosuch"))["data"][0]
        self.assertNotIn("nosuch", item)
        self.status(self.env.action(self.cred(cred), "deactivate"), 202)
        self.status(self.env.action(self.cred(cred), "remove"), 202)
        self.assertFalse(self.ok(self.env.get("registries/%s?include=credentials" % registry)).get(
            "credentials"))

    def test_D12_links(self):
        registry, cred = self.pair()
        self.assertEqual(self.ok(self.env.get(self.cred(cred) + "/registry"))["id"], registry)
        self.assertEqual(self.ok(self.env.get(self.cred(cred) + "/account"))["id"], self.p.id)
        for bad in ("nolink", "secretValue", "1c1", "self"):
            self.err(self.env.get(self.cred(cred) + "/" + bad), 404, "Not Found")
        body = self.ok(self.env.get("registries/%s/credentials" % registry))
        self.assertEqual((body["resourceType"], body["pagination"],
                          [i["id"] for i in body["data"]]), ("credential", None, [cred]))
        self.assertIsNone(body["data"][0]["secretValue"])
        self.status(self.env.action("registries/" + registry, "deactivate"), 202)
        self.status(self.env.action("registries/" + registry, "remove"), 202)
        # A removed registry is there by its id, and so by the link; an include shows live rows.
        self.assertEqual(self.ok(self.env.get(self.cred(cred) + "/registry"))["id"], registry)
        self.assertNotIn("registry", self.ok(self.env.get(self.cred(cred) + "?include=registry")))
        for link in self.ok(self.env.get(self.cred(cred)))["links"].values():
            self.status(self.env.get(link), 200, 404)
        self.assertEqual(self.ok(self.env.get(self.cred(cred) + "/registry/further/parts"))["id"],
                         registry)

    def test_D13_other_methods(self):
        whole = self.env.get("registries")
        r = self.env.request("HEAD", "registries")
        self.status(r, 200)
        self.assertEqual((r.body, r.header("Content-Type")), (b"", whole.header("Content-Type")))
        self.status(self.env.request("HEAD", "registries/1sp99999"), 404)
        for method in ("OPTIONS", "PATCH", "LINK", "get", "PROPFIND"):
            for path in ("registries", "/v1", "/v1/schemas"):
                if method == "get" and self.site.front_name.startswith("lighttpd"):
                    self.status(self.env.request(method, path, check=False), 501)  # its own answer
                    continue
                r = self.env.request(method, path, proxy=method in ("LINK", "get"))
                self.status(r, *((405,) if method in ("OPTIONS", "PATCH") else (400, 405)))

    def test_D14_writes_on_collections(self):
        for method in ("PUT", "DELETE"):
            self.err(self.env.request(method, "registrycredentials", {} if method == "PUT"
                                      else None), 405, "Method not allowed")
            self.err(self.env.request(method, "/v1/schemas", {} if method == "PUT" else None), 405,
                     "Method not allowed")

    def test_D15_long_query(self):
        self.pair()
        for length in (12 * 1024, 15872):
            self.assertEqual(self.ids(self.env.get("registrycredentials?name=" + "a" * length)), [])
            self.status(self.env.get("/v1/accounts?name=" + "a" * length), 200)

    def test_D16_name_as_id(self):
        number = self.p.registry(name="myreg")["id"]
        self.err(self.env.get("registries/myreg"), 404, "Not Found")
        self.assertEqual(self.ids(self.env.get("registries?name=myreg&removed_null=1")), [number])


class E_Update(Acceptance):
    def test_E1_round_trip(self):
        registry = self.p.registry()
        secret = self.site.plant()
        cred = self.p.credential(registry, secretValue=secret)["id"]
        before = self.ok(self.env.get(self.cred(cred)))
        whole = dict(before, name="new name")
        after = self.ok(self.env.put(self.cred(cred), whole))
        self.assertEqual(after, dict(before, name="new name"))
        self.assertEqual(self.ok(self.env.get(self.cred(cred))), after)
        self.assertEqual(self.secret_of(cred), secret)

    def test_E2_new_secret(self):
        _, cred = self.pair()
        secret = self.site.plant()
        self.assertIsNone(self.ok(self.env.put(self.cred(cred), {"secretValue": secret}))[
            "secretValue"])
        self.assertEqual(self.secret_of(cred), secret)
        self.ok(self.env.put(self.cred(cred), {"secretValue": ""}))
        self.assertEqual(self.secret_of(cred), "")
        self.ok(self.superadmin().put("/v1/registrycredentials/" + cred, {"secretValue": secret}))
        self.ok(self.superadmin().put("/v1/registrycredentials/" + cred, {"secretValue": None}))
        self.assertIsNone(self.secret_of(cred))

    def test_E3_nulls(self):
        _, cred = self.pair()
        for field in ("name", "description", "publicValue"):
            self.assertIsNone(self.ok(self.env.put(self.cred(cred), {field: None}))[field])
            self.assertIsNone(self.ok(self.env.get(self.cred(cred)))[field])
        self.err(self.env.put(self.cred(cred), {"email": None}), 422, "NotNullable", "email")
        self.err(self.env.put(self.cred(cred), {"email": ""}), 422, "MinLengthExceeded", "email")
        self.assertTrue(self.ok(self.env.get(self.cred(cred)))["email"])

    def test_E3c_null_for_a_secret(self):
        """To those who cannot read it it always was null: it stays.  Who can read it clears it."""
        secret = self.site.plant()
        cred = self.p.credential(self.p.registry(), secretValue=secret)["id"]
        for body in ({"secretValue": None}, {"secretValue": None, "name": "n"}, {"name": "m"}):
            self.ok(self.env.put(self.cred(cred), body))
            self.assertEqual(self.secret_of(cred), secret)
        self.ok(self.env.put(self.cred(cred), {"secretValue": ""}))
        self.assertEqual(self.secret_of(cred), "")
        self.ok(self.superadmin().put("/v1/registrycredentials/" + cred, {"secretValue": None}))
        self.assertIsNone(self.secret_of(cred))

    def test_E3b_email_of_a_v2_beta_row(self):
        registry = self.p.registry()["id"]
        cred = self.ok(self.env.post(self.p.beta + "/registrycredentials",
                                     {"registryId": registry}), 201)["id"]
        body = self.ok(self.env.get(self.cred(cred)))
        self.assertIsNone(body["email"])
        self.assertIsNone(self.ok(self.env.put(self.cred(cred), dict(body, name="x")))["email"])
        self.assertEqual(self.ok(self.env.put(self.cred(cred), {"email": "now@example.test"}))[
            "email"], "now@example.test")

    def test_E4_create_only(self):
        registry, cred = self.pair()
        other = self.p.registry()["id"]
        before = self.ok(self.env.get("registries/" + registry))
        self.assertEqual(self.ok(self.env.put("registries/" + registry, {"serverAddress": "x"})),
                         before)
        before = self.ok(self.env.get(self.cred(cred)))
        self.assertEqual(self.ok(self.env.put(self.cred(cred), {"registryId": other})), before)
        every = {"id": 0, "type": "x", "links": None, "actions": None, "baseType": "y",
                 "accountId": "1a1", "created": None, "kind": "apiKey", "state": "purged",
                 "removed": "now", "transitioning": "yes", "transitioningProgress": 0,
                 "uuid": "mine", "nosuch": 1, "data": {"fields": {"email": "z"}}}
        self.assertEqual(self.ok(self.env.put(self.cred(cred), every)), before)

    def test_E5_long_name_on_missing_id(self):
        r = self.env.put("registrycredentials/1c99999", {"name": "n" * 256})
        self.status(r, 422, 404)
        self.err(self.env.put("registrycredentials/1c99999", {"name": "n"}), 404, "Not Found")

    def test_E6_abstract(self):
        registry, cred = self.pair()
        self.err(self.env.put("credentials/" + cred, {"name": "x"}), 405, "Method not allowed")
        self.err(self.env.put("storagepools/" + registry, {"name": "x"}), 405, "Method not allowed")
        self.err(self.env.delete("credentials/" + cred), 405, "Method not allowed")

    def test_E7_array(self):
        _, cred = self.pair()
        before = self.ok(self.env.get(self.cred(cred)))
        for text in ("[]", '[{"name":"x"}]', "null", "", "5"):
            self.assertEqual(self.ok(self.env.put(self.cred(cred), text,
                                                  content_type="application/json")), before, text)

    def test_E8_two_writers(self):
        _, cred = self.pair()
        for turn in range(10):
            start, seen = threading.Barrier(2), []

            def write(field):
                start.wait()
                seen.append(self.env.put(self.cred(cred), {field: "%s %d" % (field, turn)}).status)
            threads = [threading.Thread(target=write, args=(f,)) for f in ("name", "description")]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            body = self.ok(self.env.get(self.cred(cred)))
            self.assertEqual((seen, body["name"], body["description"]),
                             ([200, 200], "name %d" % turn, "description %d" % turn))

    def test_E9_coercion_and_lengths(self):
        _, cred = self.pair()
        body = self.ok(self.env.put(self.cred(cred), {"name": 12, "description": False}))
        self.assertEqual((body["name"], body["description"]), ("12", "false"))
        self.err(self.env.put(self.cred(cred), {"name": {}}), 422, "InvalidFormat", "name")
        self.err(self.env.put(self.cred(cred), {"name": "n" * 256}), 422, "MaxLengthExceeded",
                 "name")
        self.assertEqual(self.ok(self.env.get(self.cred(cred)))["name"], "12")

    def test_E10_registry(self):
        registry, _ = self.pair()
        body = self.ok(self.env.put("registries/" + registry, {"name": "x", "description": "y"}))
        self.assertEqual((body["name"], body["description"], body["state"], body["transitioning"]),
                         ("x", "y", "active", "no"))


class F_Actions(Acceptance):
    def test_F1_deactivate(self):
        for suffix, text in (("?action=deactivate", None), ("/?action=deactivate", None),
                             ("?action=deactivate", "{}"), ("/?action=deactivate", "{}")):
            _, cred = self.pair()
            body = self.ok(self.env.post(self.cred(cred) + suffix, text,
                                         content_type="application/json"), 202)
            self.assertEqual((body["state"], body["transitioning"], body["transitioningMessage"],
                              body["actions"]),
                             ("deactivating", "yes", "In Progress", {}))
            body = self.ok(self.env.get(self.cred(cred)))
            self.assertEqual((body["state"], body["transitioning"]), ("inactive", "no"))
            self.assertEqual(set(body["actions"]), {"activate", "remove", "update", "verify"})

    def test_F2_activate(self):
        _, cred = self.pair()
        self.status(self.env.action(self.cred(cred), "deactivate"), 202)
        body = self.ok(self.env.action(self.cred(cred), "activate"), 202)
        self.assertEqual((body["state"], set(body["actions"])), ("activating", {"deactivate"}))
        self.assertEqual(self.ok(self.env.get(self.cred(cred)))["state"], "active")

    def test_F3_unknown(self):
        _, cred = self.pair()
        self.err(self.env.action(self.cred(cred), "explode"), 422, "InvalidAction", "action")
        self.err(self.env.action(self.cred(cred), "Deactivate"), 422, "InvalidAction", "action")
        self.err(self.env.post("registrycredentials?action=deactivate"), 422, "InvalidAction",
                 "action")
        self.err(self.env.post("registrycredentials/?action=explode"), 422, "InvalidAction",
                 "action")
        self.err(self.env.action("registrycredentials/1c99999", "deactivate"), 404, "Not Found")
        self.err(self.env.action(self.cred(cred), "activate"), 422, "ActionNotAvailable", "action")
        for state in ("active", "inactive"):
            name = self.ok(self.env.get(self.cred(cred)))["name"]
            for ask in (self.env.get, self.env.delete,
                        lambda path: self.env.put(path, {"name": "by mistake"})):
                self.err(ask(self.cred(cred) + "?action=deactivate"), 405, "Method not allowed")
            row = self.ok(self.env.get(self.cred(cred)))
            self.assertEqual((row["state"], row["name"]), (state, name))
            if state == "active":
                self.status(self.env.action(self.cred(cred), "deactivate"), 202)

    def test_F4_delete_active(self):
        registry, cred = self.pair()
        for path in (self.cred(cred), "registries/" + registry):
            before = self.ok(self.env.get(path))
            self.err(self.env.delete(path), 405, "Method not allowed")
            self.assertEqual(self.ok(self.env.get(path)), before)

    def test_F5_remove(self):
        _, cred = self.pair()
        self.status(self.env.action(self.cred(cred), "deactivate"), 202)
        body = self.ok(self.env.action(self.cred(cred), "remove"), 202)
        self.assertEqual((body["state"], body["transitioning"]), ("removing", "yes"))
        self.removed_ok(cred)

    def removed_ok(self, cred):
        body = self.ok(self.env.get(self.cred(cred)))
        self.assertEqual((body["state"], body["transitioning"], set(body["actions"])),
                         ("removed", "no", {"purge"}))
        self.assertIsNotNone(body["removed"])
        for query in ("", "?state=removed", "?removed_notnull=1", "?id=" + cred):
            self.assertEqual(self.ids(self.env.get("registrycredentials" + query)), [], query)
        self.assertEqual(self.ids(self.env.get("registrycredentials?_removed=1&state=removed")),
                         [cred])

    def test_F5b_delete_inactive(self):
        _, cred = self.pair()
        self.status(self.env.action(self.cred(cred), "deactivate"), 202)
        body = self.ok(self.env.delete(self.cred(cred)))
        self.assertEqual((body["state"], body["transitioning"], body["secretValue"]),
                         ("removing", "yes", None))
        self.removed_ok(cred)

    def test_F6_delete_again(self):
        _, cred = self.pair()
        self.status(self.env.action(self.cred(cred), "deactivate"), 202)
        self.status(self.env.delete(self.cred(cred)), 200)
        before = self.ok(self.env.get(self.cred(cred)))
        self.status(self.env.delete(self.cred(cred)), 200)
        self.assertEqual(self.ok(self.env.get(self.cred(cred))), before)

    def test_F7_update(self):
        for path in self.pair_paths():
            before = self.ok(self.env.get(path))
            body = self.ok(self.env.action(path, "update", {"name": "not by this way"}), 202)
            self.assertEqual((body["state"], body["transitioning"]), ("updating-active", "yes"))
            self.assertEqual(set(body["actions"]), {"deactivate", "remove"})
            self.assertEqual(self.ok(self.env.get(path))["state"], "active")
            self.assertEqual(dict(self.ok(self.env.get(path)), name=0), dict(before, name=0))

    def pair_paths(self):
        registry, cred = self.pair()
        return "registries/" + registry, self.cred(cred)

    def test_F9_removed_is_kept_then_purged(self):
        registry = self.p.registry()
        secret = self.site.plant()
        cred = self.p.credential(registry, secretValue=secret)["id"]
        self.status(self.env.action(self.cred(cred), "deactivate"), 202)
        self.status(self.env.delete(self.cred(cred)), 200)
        row = self.ok(self.site.admin.get("/v1/registrycredentials/" + cred))
        self.assertGreaterEqual(row["removeTimeTS"] - row["removedTS"], 600 * 1000 - 1000)
        time.sleep(1.5)
        self.assertEqual(self.ok(self.env.get(self.cred(cred)))["state"], "removed")
        number, back = int(cred[2:]), 30 * 60 * 1000
        self.site.sql("UPDATE credential SET removed = removed - ?, remove_time = remove_time - ? "
                      "WHERE id = ?", (back, back, number), write=True)
        self.wait_state(cred, "purged")
        self.assertIsNone(self.secret_of(cred))
        self.assertEqual(self.site.sql("SELECT secret_value FROM credential WHERE id = ?",
                                       (number,)), [(None,)])
        back = 24 * 3600 * 1000
        self.site.sql("UPDATE credential SET removed = removed - ? WHERE id = ?", (back, number),
                      write=True)
        time.sleep(1.5)
        self.assertEqual(self.ok(self.env.get(self.cred(cred)))["state"], "purged")
        self.site.sql("UPDATE credential SET removed = removed - ? WHERE id = ?", (back, number),
                      write=True)
        harness.wait_until(lambda: self.env.get(self.cred(cred)).status == 404)
        self.err(self.env.get(self.cred(cred)), 404, "Not Found")
        self.assertGreater(int(self.p.credential(registry)["id"][2:]), number)

    def wait_state(self, cred, state):
        self.assertTrue(harness.wait_until(lambda: self.ok(self.env.get(self.cred(cred)))["state"]
                                           == state), state)

    def test_F10_two_deactivate(self):
        _, cred = self.pair()
        start, seen = threading.Barrier(2), []

        def act():
            start.wait()
            seen.append(self.env.action(self.cred(cred), "deactivate").status)
        threads = [threading.Thread(target=act) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        seen.sort()
        self.assertEqual(seen[0], 202)
        self.assertEqual(seen[1], 422)
        self.assertEqual(self.ok(self.env.get(self.cred(cred)))["state"], "inactive")

    def test_F11_no_secret_in_actions(self):
        registry = self.p.registry()
        secret = self.site.plant()
        cred = self.p.credential(registry, secretValue=secret)["id"]
        for action in ("update", "deactivate", "update", "activate", "deactivate", "remove",
                       "purge"):
            r = self.env.action(self.cred(cred), action)
            self.assertIsNone(self.ok(r, 202)["secretValue"], action)
            self.assertNotIn(secret.encode(), r.body)

    def test_F12_purge_destroys(self):
        registry = self.p.registry()
        cred = self.p.credential(registry)["id"]
        for action in ("deactivate", "remove", "purge"):
            body = self.ok(self.env.action(self.cred(cred), action), 202)
        self.assertEqual((body["state"], body["actions"]), ("purging", {}))
        body = self.ok(self.env.get(self.cred(cred)))
        self.assertEqual((body["state"], body["transitioning"], body["actions"]),
                         ("purged", "no", {}))
        self.assertIsNone(self.secret_of(cred))
        self.err(self.env.action(self.cred(cred), "activate"), 422, "ActionNotAvailable", "action")
        self.err(self.env.delete(self.cred(cred)), 405, "Method not allowed")

    def test_F12b_a_purged_login_takes_no_secret_again(self):
        cred = self.p.credential(self.p.registry())["id"]
        for action in ("deactivate", "remove", "purge"):
            self.ok(self.env.action(self.cred(cred), action), 202)
        self.ok(self.env.put(self.cred(cred), {"secretValue": self.site.plant(), "name": "n"}))
        self.assertIsNone(self.secret_of(cred))
        stored = self.site.sql("SELECT secret_value FROM credential WHERE id = ?", (int(cred[2:]),))
        self.assertEqual(stored, [(None,)])

    def test_F13_registry_purge_cascades(self):
        registry = self.p.registry()
        active, inactive = self.p.credential(registry)["id"], self.p.credential(registry)["id"]
        other = self.p.credential(self.p.registry())["id"]
        self.status(self.env.action(self.cred(inactive), "deactivate"), 202)
        path = "registries/" + registry["id"]
        for action in ("deactivate", "remove"):
            self.status(self.env.action(path, action), 202)
            self.assertEqual(self.ok(self.env.get(self.cred(active)))["state"], "active")
        self.status(self.env.action(path, "purge"), 202)
        for cred, state in ((active, "removed"), (inactive, "removed"), (other, "active")):
            body = self.ok(self.env.get(self.cred(cred)))
            self.assertEqual((body["state"], body["removed"] is None), (state, state == "active"))
        steps = self.site.steps(active)
        self.assertEqual([s[0] for s in steps][-2:], ["deactivate", "remove"])

    def test_F14_steps(self):
        cred = self.p.credential(self.p.registry())["id"]
        for action in ("deactivate", "activate", "update", "deactivate", "remove", "purge"):
            self.status(self.env.action(self.cred(cred), action), 202)
        self.status(self.env.action(self.cred(cred), "purge"), 422)
        steps = self.site.steps(cred)
        self.assertEqual([s[0] for s in steps], ["create", "activate", "deactivate", "activate",
                                                 "update", "deactivate", "remove", "purge"])
        self.assertEqual(steps[2], ("deactivate", "active", "deactivating", "inactive"))
        self.assertEqual(steps[4], ("update", "active", "updating-active", "active"))
        self.assertEqual(steps[-1], ("purge", "removed", "purging", "purged"))


class G_Keys(Acceptance):
    def test_G1_api_key(self):
        made = self.ok(self.env.post("apikeys", {"name": "k", "publicValue": "MINE",
                                                 "secretValue": "mine"}), 201)
        self.site.key_secrets.append((made["publicValue"], made["secretValue"]))
        self.assertEqual((made["state"], made["transitioning"], made["accountId"]),
                         ("registering", "yes", self.p.id))
        self.assertEqual(set(made["actions"]), {"activate", "deactivate", "remove"})
        self.assertRegex(made["publicValue"], r"^[0-9A-F]{20}$")
        self.assertRegex(made["secretValue"], r"^[A-Za-z0-9]{40}$")
        self.assertFalse(set(made["secretValue"]) & set("O0lI+/="))
        key = Client(self.site, (made["publicValue"], made["secretValue"]), self.root)
        self.status(key.get("registries"), 200)
        body = self.ok(self.env.get("apikeys/" + made["id"]))
        self.assertEqual((body["secretValue"], body["state"], body["publicValue"]),
                         (None, "active", made["publicValue"]))
        self.assertIsNone(self.ok(self.superadmin().get("/v1/apikeys/" + made["id"]))[
            "secretValue"])

    def test_G2_unique_public_value(self):
        admin = self.site.admin
        for kind, public in (("apikeys", "G2KEY" + self.p.id),
                             ("passwords", "g2 user" + self.p.id)):
            secret = self.site.plant()
            made = self.ok(admin.post("/v1/" + kind,
                                      {"publicValue": public, "secretValue": secret}), 201)
            self.assertEqual((made["publicValue"], made["secretValue"], made["state"]),
                             (public, secret, "registering"))
            self.err(admin.post("/v1/" + kind,
                                {"publicValue": public, "secretValue": self.site.plant()}), 422,
                                "NotUnique", "publicValue")
            self.status(admin.action("/v1/%s/%s" % (kind, made["id"]), "deactivate"), 202)
            self.err(admin.post("/v1/" + kind,
                                {"publicValue": public, "secretValue": self.site.plant()}), 422,
                                "NotUnique", "publicValue")
            self.assertIsNone(self.ok(admin.get("/v1/%s/%s" % (kind, made["id"])))["secretValue"])

    def test_G3_chosen_key_works(self):
        secret = self.site.plant(":with:colons")
        made = self.ok(self.site.admin.post("/v1/apikeys", {"publicValue": "G3KEY" + self.p.id,
                                                            "secretValue": secret}), 201)
        r = Client(self.site, (made["publicValue"], secret)).get("/v1/registries")
        self.status(r, 200)
        self.assertEqual(r.header("X-API-User-Id"), "1a1")

    def test_G4_delete_a_key(self):
        key = self.site.new_key(self.p.admin)
        number = self.ok(self.env.get("apikeys?publicValue=" + key[0]))["data"][0]["id"]
        client = Client(self.site, key, self.root)
        self.err(self.env.delete("apikeys/" + number), 405, "Method not allowed")
        self.status(self.env.action("apikeys/" + number, "deactivate"), 202)
        self.status(self.env.delete("apikeys/" + number), 200)
        self.err(client.get("registries"), 401, "Unauthorized")


class Page(html.parser.HTMLParser):
    """What a browser would find: elements with their attributes, and the text of the scripts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.scripts, self.links, self.open = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])
        if tag == "script":
            self.open = [attrs, ""]

    def handle_data(self, data):
        if self.open is not None:
            self.open[1] += data

    def handle_endtag(self, tag):
        if tag == "script" and self.open is not None:
            self.scripts.append(tuple(self.open))
            self.open = None


class H_Browser(Acceptance):
    def browse(self, path, **headers):
        return self.env.get(path,
                            headers=dict({"User-Agent": MOZILLA,
                                          "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"},
                                          **headers))

    def data_of(self, page):
        """The JSON documents in the page's script elements; fails on a script that a browser would
        run inline."""
        found = []
        for attrs, text in page.scripts:
            if "json" in attrs.get("type", ""):
                found.append(json.loads(text))
            else:
                self.assertTrue(attrs.get("src", "").startswith("/")
                                or attrs.get("src", "").startswith(self.base), attrs)
                self.assertEqual(text.strip(), "")
        for tag, attrs in page.tags:
            self.assertFalse([n for n in attrs if n.startswith("on")], "%s %s" % (tag, attrs))
            self.assertNotIn("style", attrs, tag)
            for name in ("href", "src"):
                self.assertFalse(attrs.get(name, "").lower().startswith("javascript:"), attrs)
        return found

    def test_H1_page(self):
        evil = "</script><script>alert(1)</script><!-- \u2028 & \"'"
        registry = self.p.registry(name=evil, description="<img src=x onerror=alert(1)>")
        self.p.credential(registry, name=evil)
        for path in ("registrycredentials", "registries", "registries/" + registry["id"]):
            r = self.browse(path)
            self.status(r, 200)
            self.assertEqual(r.header("Content-Type"), "text/html; charset=utf-8")
            page = Page(r.text)
            data = self.data_of(page)
            plain = self.ok(self.env.get(path))
            self.assertIn(plain, data, "the JSON of the answer is not in the page")
            self.assertIn(self.base + self.root + "/schemas", json.dumps(data).replace("\\/", "/"))
            self.assertNotIn("</script><script>alert", r.text)
            self.assertFalse([t for t in page.tags if t[0] == "img" and t[1].get("src") == "x"])
            policy = r.header("Content-Security-Policy")
            self.assertIn("default-src", policy)
            self.assertNotIn("unsafe", policy)
            items = plain.get("data", [plain])
            for url in [u for item in items for u in item["links"].values()]:
                self.assertIn(url, [urllib.parse.urljoin(self.base, u) for u in page.links], path)

    def test_H2_negotiation(self):
        for headers, kind in (
                ({"User-Agent": "curl/8"}, "application/json"), ({"User-Agent": MOZILLA, "Accept": "application/json"}, "application/json"),
                ({"User-Agent": MOZILLA}, "text/html"), ({"User-Agent": "Go-http-client/1.1", "Accept": "*/*"}, "application/json"),
                ({"User-Agent": "mOZILLA/4", "Accept": "image/png, */*"}, "text/html"),
                ({"User-Agent": MOZILLA, "Accept": "text/html"}, "application/json")):
            r = self.env.get("registries", headers=headers)
            self.assertEqual((r.status, r.header("Content-Type")), (200, kind + "; charset=utf-8"),
                             headers)
        r = self.env.get("registries", agent=False)
        self.assertEqual(r.header("Content-Type"), "application/json; charset=utf-8")
        self.assertEqual(self.env.get("registries?_format=html").header("Content-Type"),
                         "text/html; charset=utf-8")
        self.assertEqual(self.browse("registries?_format=json").header("Content-Type"),
                         "application/json; charset=utf-8")
        self.assertEqual(self.env.get("registries?_format=xml").header("Content-Type"),
                         "application/json; charset=utf-8")

    def csrf(self):
        cookies = [c for c in self.browse("registries").all_headers("Set-Cookie")
                   if c.startswith("CSRF=")]
        self.assertEqual(len(cookies), 1)
        self.assertRegex(cookies[0], r"(?i)^CSRF=[0-9A-F]{10,}; *Path=/")
        return cookies[0].split(";")[0].split("=")[1]

    def test_H3_csrf(self):
        token = self.csrf()
        serial = iter(range(100))

        def create(headers, query=""):
            return self.env.post("registries" + query,
                                 {"serverAddress": "csrf%d.example.test" % next(serial)},
                                 headers=dict({"User-Agent": MOZILLA, "Accept": "application/json"},
                                              **headers))

        def refused(headers, query=""):
            body = self.err(create(headers, query), 403, "InvalidCSRFToken")
            self.assertEqual(body["message"], "CSRF header and cookie do not match")
        refused({"Cookie": "CSRF=" + token})
        refused({"Cookie": "CSRF=" + token, "X-API-CSRF": token[:-1]})
        refused({"Cookie": "CSRF=" + token, "X-API-CSRF": ""})
        refused({})
        refused({"X-API-CSRF": token})
        refused({"Origin": "https://evil.example.test"})
        refused({"Origin": "null"})
        refused({"Sec-Fetch-Site": "cross-site"})
        refused({"Sec-Fetch-Site": "same-site"})
        refused({"Cookie": "CSRF=", "X-API-CSRF": ""})
        self.status(create({"Cookie": "CSRF=" + token, "X-API-CSRF": token}), 201)
        self.status(create({"Cookie": "a=b; CSRF=%s; c=d" % token, "X-API-CSRF": token}), 201)
        self.status(create({"Cookie": "CSRF=" + token}, "?CSRF=" + token), 201)
        self.status(create({"Origin": self.base}), 201)
        self.status(create({"Sec-Fetch-Site": "same-origin"}), 201)
        self.assertEqual(len(self.ids(self.env.get("registries"))), 5)

    def test_H3b_method_override_and_csrf(self):
        cred = self.p.credential(self.p.registry())["id"]
        self.status(self.env.action(self.cred(cred), "deactivate"), 202)
        headers = {"User-Agent": MOZILLA, "Accept": "application/json"}
        for method in ("PUT", "DELETE", "POST"):
            self.status(self.env.request("GET", self.cred(cred) + "?_method=" + method,
                                         headers=headers), 200)
        self.err(self.env.post(self.cred(cred) + "?_method=DELETE", headers=headers), 403,
                 "InvalidCSRFToken")
        self.assertEqual(self.ok(self.env.get(self.cred(cred)))["state"], "inactive")
        self.assertEqual(self.ok(self.env.post(self.cred(cred) + "?_method=PUT",
                                               {"name": "by POST"}))["name"], "by POST")
        self.assertEqual(self.ok(self.env.post(self.cred(cred) + "?_method=DELETE"))["state"],
                         "removing")
        self.err(self.env.post(self.cred(cred) + "?_method=PATCH"), 405, "Method not allowed")

    def test_H3c_others_need_no_token(self):
        for agent in ("curl/8", "Go-http-client/1.1", "python-requests/2"):
            r = self.env.post("registries", {"serverAddress": agent},
                              headers={"User-Agent": agent, "Cookie": "CSRF=ABCDEF0123"})
            self.status(r, 201)
            self.assertFalse([c for c in r.all_headers("Set-Cookie") if c.startswith("CSRF")])

    def test_H4_error_page(self):
        for path, status in (("registries/1sp99999", 404), ("nosuch", 404)):
            r = self.browse(path)
            self.assertEqual((r.status, r.header("Content-Type")),
                             (status, "text/html; charset=utf-8"))
            self.assertIn("Not Found", r.text)
        r = self.site.anonymous().get("/v1/registries",
                                      headers={"User-Agent": MOZILLA, "Accept": "*/*"})
        self.assertEqual((r.status, r.header("WWW-Authenticate")), (401, REALM))
        r = self.browse("registries/%3Cscript%3Ealert(1)%3C%2Fscript%3E"[:40])
        self.assertNotIn("<script>alert", r.text)


class I_Errors(Acceptance):
    def test_I1_shape(self):
        """The validator looks at each error; here are the members that a whole class of errors must
        have."""
        _, cred = self.pair()
        seen = set()
        for r, code in ((self.env.get("registries/1sp99999"), "Not Found"),
                        (self.env.delete(self.cred(cred)), "Method not allowed"),
                        (self.site.anonymous().get("/v1/registries"), "Unauthorized"),
                        (self.env.get("/v1/projects/1a999/registries"), "Forbidden")):
            body = self.err(r, r.status, code)
            seen.add(body["id"])
            self.assertEqual((body["links"], body["actions"], body["baseType"]), ({}, {}, "error"))
            self.assertEqual(body["message"], code)
        self.assertEqual(len(seen), 4)

    def test_I1_details_say_what_to_do(self):
        registry, cred = self.pair()
        for r, words in ((self.env.delete(self.cred(cred)), "deactivate it first"),
                         (self.env.post(self.cred(cred) + "?action=remove"), "deactivate it first"),
                         (self.env.post(self.cred(cred) + "?action=activate"), "It is active, where activate is not possible"),
                         (self.p.admin.post("/v1/registries", {"serverAddress": "x.test"}),
                          "/v1/projects/ID"),
                          (self.env.get("registries/1sp99999"), "check the URL")):
            self.assertIn(words, r.json["detail"], repr(r))

    def test_I1_the_documented_table_is_the_programs(self):
        """docs/api.md has a row for each error of err.def, and none for others."""
        with open(os.path.join(harness.SRC, "src", "base", "err.def")) as f:
            program = set(re.findall(r'^ERR\(\w+, +(\d+), "([^"]+)"', f.read(), re.M))
        with open(os.path.join(harness.SRC, "docs", "api.md")) as f:
            table = f.read().split("## Errors")[1].split("\n## ")[0]
        documented = {(status, code) for status,
                      codes in re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.M)
                      for code in codes.strip().split(", ")}
        self.assertEqual(program, documented)

    def test_I2_secrets_nowhere(self):
        registry = self.p.registry()
        secret = self.site.plant()
        cred = self.p.credential(registry, secretValue=secret)["id"]
        for path in ("registrycredentials?secretValue_prefix=zQ7",
                     "registrycredentials?sort=secretValue", "registrycredentials?include=registry",
                     "registries?include=credentials", "credentials", self.cred(cred), self.cred(cred) + "?_format=html", "credentials?_format=html",
                     "registrycredentials?_trim=1&_role=projectadmin", "registries/%s/credentials"
                     % registry["id"]):
            self.assertNotIn(secret.encode(), self.env.get(path).body)
        for r in (self.env.put(self.cred(cred), {"secretValue": secret, "name": "n" * 300}),
                  self.env.put(self.cred(cred), {"secretValue": secret, "publicValue": "u" * 4097}),
                  self.env.put(self.cred(cred), '{"secretValue":"%s",}' % secret),
                  self.env.put(self.cred(cred), '{"secretValue":"%s","secretValue":"x"}' % secret),
                  self.env.put(self.cred(cred), {"secretValue": [secret]}),
                  self.env.post("registrycredentials", {"secretValue": secret})):
            self.status(r, 400, 422)
            self.assertNotIn(secret.encode(), r.body)

    def test_I2b_secret_in_the_query_is_not_logged(self):
        """gdapi's command line sends its keys as _access_key and _secret_key in every query."""
        self.status(self.env.get("registries?_secret_key=%s&_access_key=%s"
                                 % (self.env.key[1], self.env.key[0])), 200)
        self.status(self.env.get("registries/nosuch?token=" + self.site.plant()), 404)
        self.status(self.site.anonymous().get("/v1/registries?secretValue=" + self.site.plant()),
                    401)
        self.status(self.env.get("registries?secretValue=%zz" + self.site.plant(), proxy=True), 400)

    def test_I3_no_gzip_and_no_store(self):
        registry = self.p.registry()
        for _ in range(5):
            self.p.credential(registry)
        r = self.env.get("registrycredentials", headers={"Accept-Encoding": "gzip"})
        self.status(r, 200)
        # how long a compressed secret is says what is in it
        self.assertIsNone(r.header("Content-Encoding"))
        r = self.env.post("registrycredentials", self.body(registry["id"]))
        self.assertIn("no-store", r.header("Cache-Control"))
        _, client = self.site.account("projectadmin")
        own = self.ok(client.post("registries", {"serverAddress": "i3.example.test"}), 201)["id"]
        cred = self.ok(client.post("registrycredentials", self.body(own)), 201)["id"]
        self.assertIn("no-store", client.get("registrycredentials/" + cred).header("Cache-Control"))

    def test_I4_ids_are_strings(self):
        registry, cred = self.pair()
        for path in ("registrycredentials?id=%s&registryId=%s" % (cred, registry),
                     "credentials?include=registry", "/v1/projects", "/v1/accounts", "/v1/schemas"):
            self.look(self.ok(self.env.get(path)), path)

    def look(self, node, where):
        if isinstance(node, list):
            for item in node:
                self.look(item, where)
        elif isinstance(node, dict):
            for name, item in node.items():
                if (name == "id" or name.endswith("Id")) and not isinstance(
                    item, (dict, list)) and item is not None:
                    self.assertIsInstance(item, str, "%s: %s" % (where, name))
                self.look(item, where)

    def test_I5_too_large(self):
        for path in ("registries", "nosuch"):
            r = self.env.post(path, b"{" + b" " * (64 * 1024) + b"}", proxy=True)
            self.status(r, 413)
            self.assertEqual(r.json["status"], 413)
            self.status(self.env.get("registries"), 200)
        body = json.dumps({"serverAddress": "full.example.test"}).encode()
        self.status(self.env.post("registries", body + b" " * (64 * 1024 - len(body)),
                                  content_type="application/json"), 201)

    def test_I6_ping(self):
        r = self.site.anonymous().get("/ping", check=False)
        self.assertEqual((r.status, r.text.strip()), (200, "pong"))
        self.assertIsNone(r.header("X-API-Schemas"))
        self.status(self.site.anonymous().get("/healthcheck", check=False), 200)

    @harness.of_a_file
    def test_I7_database_integrity(self):
        connection = sqlite3.connect(self.site.db, timeout=10)
        try:
            self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(connection.execute("PRAGMA journal_mode").fetchall(),
                             [("delete" if harness.JOURNAL == "rollback" else "wal",)])
            self.assertEqual(connection.execute("PRAGMA foreign_key_check").fetchall(), [])
        finally:
            connection.close()


class J_Conditions(Acceptance):
    """Entity tags, conditions of writes, Allow."""

    def tag(self, path, who=None):
        r = (who or self.env).get(path)
        self.status(r, 200)
        self.assertRegex(r.header("ETag"), r'\A"[0-9a-f]{32}"\Z')
        return r.header("ETag")

    def sent(self, method, path, body=None, who=None, **headers):
        return (who or self.env).request(method, path, body,
                                         headers=[(k.replace("_", "-"), v) for k,
                                                  v in headers.items()])

    def test_every_read_has_a_tag(self):
        registry, cred = self.pair()
        for path in ("registries", "registries/" + registry, "registries/%s/credentials" % registry,
                     self.cred(cred) + "/registry", self.cred(cred) + "?include=registry",
                     "registrycredentials?limit=1", "schemas", "schemas/registry", "/v1", "/",
                     "/v1/projects"):
            tag = self.tag(path)
            self.assertEqual(self.tag(path), tag, path)
            for given in (tag, "W/" + tag, '"x", ' + tag, "*"):
                r = self.sent("GET", path, If_None_Match=given)
                self.assertEqual((r.status, r.body, r.header("ETag")), (304, b"", tag),
                                 (path, given))
            self.assertEqual(self.sent("GET", path, If_None_Match='"x"').status, 200)
            self.assertEqual(self.sent("HEAD", path, If_None_Match=tag).status, 304)
            self.assertEqual(self.sent("GET", path, If_Match=tag).status, 200)
            self.err(self.sent("GET", path, If_Match='"x"'), 412, "Precondition Failed")

    # With TAG in place of the right one: whether If-Match lets a write through, and whether
    # If-None-Match does.
    LISTS = {"TAG": (1, 0), '"x", TAG': (1, 0), 'TAG ,"x"': (1, 0), ',TAG,,"a,b",': (1, 0),
             "\tTAG": (1, 0), "*": (1, 0), " * ": (1, 0), "W/TAG": (0, 0), 'W/"x",TAG': (1, 0),
             '"x"': (0, 1), '""': (0, 1), '"*"': (0, 1), 'W/"x"': (0, 1), '"a", "b"': (0, 1),
             # not understood
             "": (0, 0), ",": (0, 0), "x": (0, 0), "'x'": (0, 0), '"x': (0, 0), "w/TAG": (0, 0), "TAGTAG": (0, 0), "*, TAG": (0, 0), "**": (0, 0), "TAG;q=1": (0, 0),
             'x "a"': (0, 0), "null": (0, 0), "undefined": (0, 0)}

    def test_lists_of_tags(self):
        path = self.cred(self.pair()[1])
        for number, (text, (match, none_match)) in enumerate(self.LISTS.items()):
            for name, through in (("If_Match", match), ("If_None_Match", none_match)):
                tag = self.tag(path)
                wanted = 200 if through else 412
                r = self.sent("PUT", path, {"name": "%s%d" % (name, number)},
                              **{name: text.replace("TAG", tag)})
                self.assertEqual(r.status, wanted, (name, text))
                self.assertEqual(self.tag(path) != tag, bool(through), (name, text))
        self.status(self.env.action(path, "deactivate"), 202)
        for name in ("If_Unmodified_Since", "If_Match", "If_None_Match"):
            self.err(self.sent("DELETE", path, **{name: ""}), 412, "Precondition Failed")
        self.err(self.sent("POST", "registries", {"serverAddress": "empty.example.test"},
                           Idempotency_Key=""), 400, "Bad Request")

    def test_a_tag_changes_with_every_member(self):
        registry, cred = self.pair()
        tags = {self.tag(self.cred(cred))}
        for n, change in enumerate(({"name": "b"}, {"description": "b"}, {"publicValue": "c"},
                                    {"email": "c@x"}, {"pathPrefix": "a"}, {"isDefault": True})):
            self.ok(self.env.put(self.cred(cred), change))
            tags.add(self.tag(self.cred(cred)))
            self.assertEqual(len(tags), n + 2, change)
        self.status(self.env.action(self.cred(cred), "deactivate"), 202)
        tags.add(self.tag(self.cred(cred)))
        self.assertEqual(len(tags), 8)

    def test_no_update_is_lost(self):
        registry, cred = self.pair()
        path = self.cred(cred)
        old = self.tag(path)
        self.ok(self.sent("PUT", path, {"description": "B wrote this"}, If_Match=old))
        for method, target, body in (("PUT", path, {"name": "A"}), ("PUT", path, {}),
                                     ("POST", path + "?action=deactivate", None),
                                     ("POST", path + "?action=update", None)):
            for given in (old, '"zzz"', "zzz", "W/" + self.tag(path), ""):
                if given:
                    self.err(self.sent(method, target, body, If_Match=given), 412,
                             "Precondition Failed")
        self.assertEqual((self.read(path)["description"], self.read(path)["state"]),
                         ("B wrote this", "active"))
        for given in ("*", self.tag(path), '"x" , %s' % self.tag(path)):
            self.status(self.sent("PUT", path, {}, If_Match=given), 200)
        self.err(self.sent("PUT", path, {"name": "A"}, If_None_Match="*"), 412,
                 "Precondition Failed")
        self.err(self.sent("PUT", path, {"name": "A"}, If_None_Match=self.tag(path)), 412,
                 "Precondition Failed")
        self.ok(self.sent("PUT", path, {"name": "A"}, If_None_Match=old))
        self.status(self.sent("POST", path + "?action=deactivate", None, If_Match=self.tag(path)),
                    202)
        self.err(self.sent("DELETE", path, If_Match=old), 412, "Precondition Failed")
        self.assertEqual(self.read(path)["state"], "inactive")
        self.status(self.sent("DELETE", path, If_Match=self.tag(path)), 200)
        self.err(self.sent("DELETE", path, If_Match=old), 412, "Precondition Failed")
        self.err(self.sent("PUT", "registrycredentials/1c99999", {}, If_Match="*"), 404,
                 "Not Found")

    def read(self, path):
        return self.ok(self.env.get(path))

    def test_unmodified_since(self):
        registry, cred = self.pair()
        path = self.cred(cred)
        created = self.read(path)["createdTS"] / 1000

        def date(offset):
            return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(created + offset))
        for since in (date(-5), "yesterday", "2024-05-06T07:08:09Z", ""):
            if since:
                self.err(self.sent("PUT", path, {"name": "x"}, If_Unmodified_Since=since), 412,
                         "Precondition Failed")
        self.ok(self.sent("PUT", path, {"name": "first"}, If_Unmodified_Since=date(60)))
        # The change of another is seen; that somebody read it is not one.
        time.sleep(max(0, created + 2.1 - time.time()))
        self.ok(self.env.put(path, {"name": "second"}))
        self.secret_of(cred)
        self.err(self.sent("PUT", path, {"name": "x"}, If_Unmodified_Since=date(1)), 412,
                 "Precondition Failed")
        self.err(self.sent("POST", path + "?action=deactivate", None, If_Unmodified_Since=date(1)),
                 412, "Precondition Failed")
        self.status(self.sent("PUT", path, {"name": "third"}, If_Unmodified_Since=date(60)), 200)

    def test_conditions_that_cannot_be_decided_are_refused(self):
        registry, cred = self.pair()
        for headers in ({"If_Match": '"x"'}, {"If_None_Match": "*"},
                        {"If_Unmodified_Since": "Mon, 06 May 2024 07:08:09 GMT"}):
            self.err(self.sent("POST", "registries", {"serverAddress": "never.test"}, **headers),
                     412, "Precondition Failed")
            self.err(self.sent("POST", "imagelogins", {"image": "x"}, **headers), 412,
                     "Precondition Failed")
        self.assertEqual(self.ids(self.env.get("registries")), [registry])

    def test_of_sixteen_who_read_the_same_one_writes(self):
        _, cred = self.pair()
        tag, statuses = self.tag(self.cred(cred)), []
        threads = [
            threading.Thread(
                target=lambda n=n: statuses.append(self.sent("PUT", self.cred(cred),
                                                             {"name": "n%d" % n},
                                                             If_Match=tag).status))
                                                             for n in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(statuses), [200] + [412] * 15)

    def test_the_tag_of_who_reads_secrets(self):
        _, cred = self.pair()
        path, boss = "/v1/registrycredentials/" + cred, self.superadmin()
        tag = self.tag(path, boss)
        self.err(self.sent("PUT", path, {"secretValue": self.site.plant()}, boss, If_Match='"x"'),
                 412, "Precondition Failed")
        self.ok(self.sent("PUT", path, {"secretValue": self.site.plant()}, boss, If_Match=tag))
        self.assertNotEqual(self.tag(path, boss), tag)

    def test_405_says_what_is_allowed(self):
        registry, cred = self.pair()
        admin = self.p.admin
        for who, method, path, allowed in ((self.env, "PATCH", "registries/" + registry,
                                            "GET, HEAD, POST, PUT, DELETE"),
                                            (self.env, "DELETE", self.cred(cred), "GET, HEAD, POST, PUT"),
                                           (self.env, "PUT", "registries", "GET, HEAD, POST"), (self.env, "DELETE", "registries", "GET, HEAD, POST"),
                                           (self.env, "POST", "/v1/accounts/1a1", "GET, HEAD"), (self.env, "PUT", "schemas", "GET, HEAD"), (self.env, "OPTIONS", "/v1", "GET, HEAD"),
                                           (admin, "POST", "/v1/registries", "GET, HEAD"),
                                           (self.env, "GET", "imagelogins", "POST"),
                                           (self.env, "DELETE", "/", "GET, HEAD")):
            r = who.request(method, path, {} if method in ("POST", "PUT") else None)
            self.err(r, 405, "Method not allowed")
            self.assertEqual(r.header("Allow"), allowed, (method, path))

    def test_reading_an_action_changes_nothing_and_says_so(self):
        _, cred = self.pair()
        for name in ("deactivate", "remove", "nosuch", ""):
            r = self.env.get(self.cred(cred) + "/?action=" + name)
            self.err(r, 405, "Method not allowed")
            self.assertIn("POST", r.json["detail"])
        page = self.env.request("GET", self.cred(cred),
                                headers=[("User-Agent", MOZILLA), ("Accept", "*/*")])
        self.assertIn("action=deactivate", page.text)
        self.assertNotRegex(page.text, r'href="[^"]*action=')
        self.assertEqual(self.read(self.cred(cred))["state"], "active")


class J_Once(Acceptance):
    """Idempotency-Key: a create that is sent again makes nothing more."""

    def send(self, path, body, key, who=None):
        return (who or self.env).post(path, body, headers=[("Idempotency-Key", key)])

    def test_the_same_request_is_done_once(self):
        registry = self.p.registry()["id"]
        bodies = {"registrycredentials": self.body(registry),
                  "registries": {"serverAddress": "once.example.test"}, "apikeys": {"name": "once"}}
        for path, body in bodies.items():
            first = self.ok(self.send(path, body, "k-" + path), 201)
            if path == "apikeys":
                self.site.key_secrets.append((first["publicValue"], first["secretValue"]))
            count = len(self.ids(self.env.get(path)))
            for _ in range(2):
                r = self.send(path, body, "k-" + path)
                self.status(r, 201)
                again = dict(r.json)
                if "secretValue" in first:
                    self.assertIsNone(again.pop("secretValue"))   # it was shown once
                self.assertEqual(again, {k: v for k, v in first.items() if k != "secretValue"})
                self.assertEqual(r.header("Location"), first["links"]["self"])
            self.err(self.send(path, dict(body, name="other"), "k-" + path), 422, "NotUnique",
                     "Idempotency-Key")
            self.assertEqual(len(self.ids(self.env.get(path))), count)

    def test_another_key_or_account_or_none_is_another_request(self):
        registry = self.p.registry()["id"]
        body, other = self.body(registry), self.site.project()
        made = [self.ok(r, 201)["id"] for r in (self.send("registrycredentials", body, "a"),
                                                self.send("registrycredentials", body, "b"),
                                                self.env.post("registrycredentials", body),
                                                self.env.post("registrycredentials", body))]
        self.assertEqual(len(set(made)), 4)
        theirs = self.ok(self.send("registries", {"serverAddress": "x.test"}, "a", other.env), 201)
        self.assertEqual(theirs["accountId"], other.id)
        self.err(self.send("registrycredentials", body, "x" * 256), 400, "Bad Request")

    def test_sixteen_at_once_make_one(self):
        registry, made = self.p.registry()["id"], []
        body = self.body(registry)
        threads = [
            threading.Thread(
                target=lambda: made.append(self.ok(self.send("registrycredentials", body, "race"),
                                                   201)["id"])) for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual((len(made), len(set(made))), (16, 1))

    def test_a_day_later_it_is_forgotten(self):
        registry = self.p.registry()["id"]
        body = self.body(registry)
        first = self.ok(self.send("registrycredentials", body, "day"), 201)["id"]
        self.site.sql("UPDATE once SET created = created - 86400001", write=True)
        self.assertNotEqual(self.ok(self.send("registrycredentials", body, "day"), 201)["id"],
                            first)
        self.assertEqual(self.site.sql("SELECT count(*) FROM once WHERE row_id = ?",
                                       (int(first[2:]),)), [(0,)])

    def act(self, path, action, key, body=None, who=None):
        return (who or self.env).post("%s/?action=%s" % (path, action), body or {},
                                      headers=[("Idempotency-Key", key)])

    def test_actions_are_done_once(self):
        """The second time the answer is the first one, whatever has become of the row meanwhile."""
        registry = self.p.registry()["id"]
        for path in (self.cred(self.p.credential({"id": registry})["id"]), "registries/"
                     + registry):
            steps = (("deactivate", "deactivating"), ("activate", "activating"),
                     ("update", "updating-active"), ("deactivate", "deactivating"),
                     ("remove", "removing"), ("purge", "purging"))
            for number, (action, shown) in enumerate(steps):
                key = "%s %d" % (path, number)
                first = self.ok(self.act(path, action, key), 202)
                self.assertEqual((first["state"], first["transitioning"]), (shown, "yes"))
                after = self.ok(self.env.get(path))
                rows = self.site.sql("SELECT max(id) FROM audit_log")
                for _ in range(2):
                    self.assertEqual(self.ok(self.act(path, action, key), 202)["state"], shown)
                self.assertEqual(self.ok(self.env.get(path)), after)
                self.assertEqual(self.site.sql("SELECT max(id) FROM audit_log"), rows)
                self.err(self.act(path, action, key, {"other": 1}), 422, "NotUnique",
                         "Idempotency-Key")
                self.err(self.act(path, "activate" if action != "activate" else "remove", key), 422,
                         "NotUnique", "Idempotency-Key")

    def test_an_action_is_not_done_again_later(self):
        """A deactivation that arrives once more does not undo what somebody did after it; one with
        another key does."""
        path = self.cred(self.p.credential(self.p.registry())["id"])
        self.status(self.act(path, "deactivate", "late"), 202)
        self.status(self.env.action(path, "activate"), 202)
        self.assertEqual(self.ok(self.act(path, "deactivate", "late"), 202)["state"],
                         "deactivating")
        self.assertEqual(self.ok(self.env.get(path))["state"], "active")
        self.err(self.act(path, "activate", "impossible"), 422, "ActionNotAvailable", "action")
        # what failed is not remembered
        self.status(self.act(path, "deactivate", "impossible"), 202)
        self.err(self.act(path, "nosuch", "n"), 422, "InvalidAction", "action")
        self.err(self.act(path, "activate", "x" * 256), 400, "Bad Request")

    def test_a_condition_of_an_action_that_was_done_is_not_looked_at_again(self):
        path = self.cred(self.p.credential(self.p.registry())["id"])
        headers = [("Idempotency-Key", "tagged"), ("If-Match", self.env.get(path).header("ETag"))]
        for _ in range(2):
            self.status(self.env.post(path + "/?action=deactivate", {}, headers=headers), 202)
        self.status(self.env.post(path + "/?action=activate", {},
                                  headers=[("Idempotency-Key", "new"), headers[1]]), 412)

    def test_sixteen_actions_at_once_are_one(self):
        path, answers = self.cred(self.p.credential(self.p.registry())["id"]), []
        threads = [
            threading.Thread(target=lambda: answers.append(
                self.act(path, "deactivate", "race").status)) for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(answers, [202] * 16)
        self.assertEqual(self.site.sql("SELECT count(*) FROM audit_log WHERE resource_id = ? AND "
                                       "event_type = 'deactivate'", (path.split("/")[1],)), [(1,)])

    def test_members_are_set_once(self):
        account, project = self.site.account("user")[0], self.site.project()
        path = "/v1/projects/" + project.id
        mine = [{"externalId": "1a1", "externalIdType": "rancher_id", "role": "owner"}]
        both = mine + [{"externalId": account, "externalIdType": "rancher_id", "role": "member"}]
        first = self.ok(self.act(path, "setmembers", "m", {"members": both}, self.site.admin), 202)
        self.assertEqual(len(first["members"]), 2)
        self.ok(self.site.admin.action(path, "setmembers", {"members": mine}), 202)
        self.assertEqual(
            len(self.ok(self.act(path, "setmembers", "m", {"members": both}, self.site.admin),
                        202)["members"]), 1)
        self.err(self.act(path, "setmembers", "m", {"members": mine}, self.site.admin), 422,
                 "NotUnique", "Idempotency-Key")
        for _ in range(2):
            self.status(self.act(path, "delete", "gone", None, self.site.admin), 202)
        self.assertEqual(self.ok(self.site.admin.get(path))["state"], "removed")
        self.ok(self.act(path, "setmembers", "m", {"members": both}, self.site.admin), 202)

    def test_a_key_of_another_account_repeats_nothing(self):
        path = self.cred(self.p.credential(self.p.registry())["id"])
        self.status(self.act(path, "deactivate", "whose"), 202)
        self.err(self.act(path, "deactivate", "whose", None, self.p.admin), 422,
                 "ActionNotAvailable", "action")

    def test_a_failed_create_is_not_remembered(self):
        self.err(self.send("registries", {"serverAddress": ""}, "bad"), 422, "MinLengthExceeded",
                 "serverAddress")
        self.ok(self.send("registries", {"serverAddress": "good.example.test"}, "bad"), 201)


class K_Sizes(Acceptance):
    """An answer is as long as every shipped web server has room for, whatever is in the rows."""

    LIMIT = {None: 2 << 20, MOZILLA: 6 << 20}

    def fill(self, text, count=440):
        registry = self.p.registry()
        ids = []

        def some():
            while len(ids) < count:
                ids.append(None)
                made = self.env.post("registrycredentials",
                                     self.body(registry["id"], publicValue=text * 4000,
                                               description=text * 1000, name="n%d" % len(ids)),
                                               check=False)
                self.assertEqual(made.status, 201)
        threads = [threading.Thread(target=some) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return registry["id"]

    def walk(self, path, agent, link):
        """The ids of all pages, and the size of the largest."""
        found, largest = [], 0
        while path:
            r = self.env.request("GET", path, headers=[("User-Agent", agent), ("Accept", "*/*")]
                                 if agent else [], check=False)
            self.status(r, 200)
            largest = max(largest, len(r.body))
            text = r.text
            body = json.loads(text.split('id="data">')[1].split("</script>")[
                0]) if agent else r.json
            self.assertTrue(body["data"])
            found.append([i["id"] for i in body["data"]])
            path = body["pagination"][link]
        return found, largest

    def test_pages_end_by_the_bytes_of_the_answer(self):
        for text in ("\x01", "&"):
            self.fill(text)
            every = {i[0] for i in self.site.sql("SELECT '1c' || id FROM credential WHERE "
                                                 "account_id = ? AND kind = 'registryCredential'",
                                                 (int(self.p.id[2:]),))}
            for agent in (None, MOZILLA):
                pages, largest = self.walk("registrycredentials?limit=3000&sort=id&order=desc",
                                           agent, "next")
                ids = [i for page in pages for i in page]
                self.assertGreater(len(pages), 1)
                self.assertEqual((len(ids), set(ids)), (len(every), every))
                self.assertLess(largest, self.LIMIT[agent])
                # Backwards from the end the same rows come once, too.
                last = self.env.get(
                    "registrycredentials?limit=3000&sort=id&order=desc&id_gt=0").json
                while last["pagination"]["next"]:
                    last = self.env.get(last["pagination"]["next"], check=False).json
                back, largest = self.walk(last["pagination"]["previous"], agent, "previous")
                ids = [i for page in back for i in page] + [i["id"] for i in last["data"]]
                self.assertEqual((len(ids), set(ids)), (len(every), every))
                self.assertLess(largest, self.LIMIT[agent])

    def test_an_include_that_is_too_large_is_partial(self):
        registry = self.fill("\x01")
        other = self.p.registry()["id"]
        for agent in (None, MOZILLA):
            headers = [("User-Agent", agent), ("Accept", "*/*")] if agent else []
            r = self.env.request("GET", "registries/%s?include=credentials" % registry,
                                 headers=headers, check=False)
            self.status(r, 200)
            self.assertLess(len(r.body), self.LIMIT[agent])
            self.assertIn('"partial":true', r.text)
            # In a list the row is the last of its page, and the next page goes on.
            r = self.env.request("GET", "registries?include=credentials&sort=id", headers=headers,
                                 check=False)
            self.assertLess(len(r.body), self.LIMIT[agent])
        body = self.env.get("registries?include=credentials&sort=id", check=False).json
        self.assertEqual([(i["id"], i.get("partial")) for i in body["data"]], [(registry, True)])
        self.assertTrue(0 < len(body["data"][0]["credentials"]) < 440)
        body = self.env.get(body["pagination"]["next"]).json
        self.assertEqual([(i["id"], "partial" in i) for i in body["data"]], [(other, False)])
        self.assertNotIn("partial", self.env.get("registries/%s?include=credentials" % other).json)
