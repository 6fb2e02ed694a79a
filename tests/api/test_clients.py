"""A conversation with each known client, step by step: its requests with its headers and bodies,
and what it needs from the answers.

The classes below are the clients' own logic in small: they follow links, actions and method lists
as the originals do, and fail where those fail.
"""

import json
import re
import time
import urllib.parse

import harness
from harness import Client

setUpModule, tearDownModule = harness.site_of(globals())


class Failure(Exception):
    """What the client would have died of."""


class Caller(Client):
    """A client with the fixed headers of a library."""

    def __init__(self, site, key, headers, agent):
        super().__init__(site, key, "/v1", headers, agent)


class Conversation(harness.Case):
    def setUp(self):
        super().setUp()
        self.p = self.site.project()
        self.base = self.site.base


# ---- gdapi-python and cattle.py


class GdapiPython:
    """gdapi.py: no Content-Type on writes, bodies with sorted keys, everything found through the
    schemas."""

    def __init__(self, site, key, url):
        self.caller = Caller(site, key,
                             [("Accept", "application/json"), ("Accept-Encoding", "gzip, deflate"), ("Connection", "keep-alive")],
                             "python-requests/2.31.0")
        self.url = url
        r = self.caller.get(url)
        if not 200 <= r.status < 300:
            raise Failure("start: %r" % r)
        found = r.header("X-API-Schemas")
        if not found:
            raise Failure("no X-API-Schemas")
        document = self._json(self.caller.get(found))
        self.schema = {}
        for item in document["data"]:
            if item["type"] == "schema":
                for name in ("collectionMethods", "resourceMethods", "links", "collectionFilters"):
                    if item[name] is None:
                        raise Failure("%s of %s is null" % (name, item["id"]))
                self.schema[item["id"]] = item

    def _json(self, r):
        """Errors are looked at by their JSON; every answer must have a body."""
        try:
            body = r.json
        except ValueError:
            raise Failure("no JSON: %r" % r)
        if r.status >= 400:
            if not isinstance(body.get("status"), int):
                raise Failure("no status in the error: %r" % r)
            raise ApiError(body)
        self.objects(body)
        return body

    def objects(self, node):
        """Each member with a string type becomes an object, whose links and actions become
        methods."""
        if isinstance(node, list):
            for item in node:
                self.objects(item)
        elif isinstance(node, dict):
            if isinstance(node.get("type"), str) and "links" in node:
                for part in ("links", "actions"):
                    if not isinstance(node.get(part), dict):
                        raise Failure("%s is %r" % (part, node.get(part)))
            for item in node.values():
                self.objects(item)

    def collection(self, kind):
        return self.schema[kind]["links"]["collection"]

    def create(self, kind_, **fields):
        if "POST" not in self.schema[kind_]["collectionMethods"]:
            raise AttributeError("create_" + kind_)
        return self._json(self.caller.post(self.collection(kind_),
                                           json.dumps(fields, sort_keys=True)))

    def by_id(self, kind, number):
        try:
            return self._json(self.caller.get("%s/%s" % (self.collection(kind), number)))
        except ApiError as e:
            if e.body["status"] == 404:
                return None
            raise

    def list(self, kind, **filters):
        given = {k: v for k, v in filters.items() if v is not None}
        for name in given:
            if name.split("_")[0] in self.schema[kind]["collectionFilters"]:
                assert "modifiers" in self.schema[kind]["collectionFilters"][name.split("_")[0]]
        query = urllib.parse.urlencode(given)
        body = self._json(self.caller.get(self.collection(kind) + ("?" + query if query else "")))
        if body["type"] != "collection":
            raise Failure("a list of type %r" % body["type"])
        return body

    def following(self, page):
        p = page["pagination"]
        return self._json(self.caller.get(p["next"])) if p and p["next"] else None

    def update(self, obj, **fields):
        return self._json(self.caller.put(obj["links"]["self"], json.dumps(fields, sort_keys=True)))

    def delete(self, obj):
        return self._json(self.caller.request("DELETE", obj["links"]["self"], b""))

    def action(self, obj, name, fields=None):
        if name not in obj["actions"]:
            raise AttributeError(name)
        return self._json(self.caller.post(obj["actions"][name], json.dumps(fields or {})))

    def link(self, obj, name):
        return self._json(self.caller.get(obj["links"][name]))

    def reload(self, obj):
        return self._json(self.caller.get("%s/%s" % (self.collection(obj["type"]), obj["id"])))

    def wait_success(self, obj, timeout=45):
        end, pause = time.monotonic() + timeout, 0.01
        obj = self.reload(obj)
        while obj["transitioning"] == "yes":
            time.sleep(pause)
            pause = min(2, pause * 2)
            obj = self.reload(obj)
            if time.monotonic() > end:
                raise Failure("timeout")
        if obj["transitioning"] != "no":
            raise Failure("transitioning is %r" % obj["transitioning"])
        return obj


class ApiError(Exception):
    def __init__(self, body):
        super().__init__(json.dumps(body))
        self.body = body


class Python(Conversation):
    def client(self, url=None):
        return GdapiPython(self.site, self.p.env.key, url or self.base + self.p.root + "/schemas")

    def test_start_urls(self):
        for url in ("/v1", "/v1/", "/v2-beta", "/v1/schemas", self.p.root, self.p.root + "/",
                    self.p.root + "/schemas", "/"):
            self.assertIn("registryCredential", self.client(self.base + url).schema, url)
        with self.assertRaises(Failure):
            GdapiPython(self.site, ("no", "key"), self.base + "/v1")

    def test_a_life(self):
        """tests/integration's test_private_repos: create, wait, look, walk through the states."""
        client, secret = self.client(), self.site.plant()
        registry = client.create("registry", serverAddress="quay.io", name="Quay")
        self.assertEqual((registry["state"], registry["transitioning"]), ("registering", "yes"))
        registry = client.wait_success(registry)
        self.assertEqual((registry["state"], registry["serverAddress"]), ("active", "quay.io"))
        cred = client.create("registryCredential", registryId=registry["id"],
                             email="test@rancher.com", publicValue="rancher", secretValue=secret)
        self.assertEqual(cred["secretValue"], secret)
        cred = client.wait_success(cred)
        self.assertEqual((cred["state"], cred["registryId"], cred["email"], cred["publicValue"],
                          cred["secretValue"]),
                         ("active", registry["id"], "test@rancher.com", "rancher", None))
        for step, state in (("deactivate", "inactive"), ("activate", "active"),
                            ("update", "active"), ("deactivate", "inactive")):
            cred = client.wait_success(client.action(cred, step))
            self.assertEqual(cred["state"], state)
        self.assertNotIn("deactivate", cred["actions"])
        cred = client.wait_success(client.update(cred, email="other@rancher.com", publicValue="new",
                                                 secretValue=self.site.plant()))
        self.assertEqual((cred["email"], cred["publicValue"], cred["state"]),
                         ("other@rancher.com", "new", "inactive"))
        cred = client.wait_success(client.delete(cred))
        self.assertEqual(cred["state"], "removed")
        cred = client.wait_success(client.action(cred, "purge"))
        self.assertEqual(cred["state"], "purged")
        self.assertEqual(client.list("registryCredential")["data"], [])
        self.assertIsNone(client.by_id("registryCredential", "1c99999"))

    def test_deleting_registry_deletes_credentials(self):
        client = self.client()
        registry = client.create("registry", serverAddress="del.example.test", name="x")
        cred = client.create("registryCredential", registryId=registry["id"], email="e@x",
                             publicValue="u", secretValue=self.site.plant())
        cred, registry = client.wait_success(cred), client.wait_success(registry)
        registry = client.wait_success(client.action(registry, "deactivate"))
        registry = client.wait_success(client.delete(registry))
        registry = client.wait_success(client.action(registry, "purge"))
        self.assertEqual(registry["state"], "purged")
        self.assertEqual(client.reload(cred)["state"], "removed")

    def test_duplicate_server_addresses(self):
        client = self.client()
        client.create("registry", serverAddress="docker.io", name="x")
        with self.assertRaises(ApiError) as caught:
            client.create("registry", serverAddress="docker.io", name="y")
        self.assertEqual((caught.exception.body["status"], caught.exception.body["code"]),
                         (400, "ServerAddressUsed"))

    def test_missing_fields(self):
        client = self.client()
        registry = client.create("registry", serverAddress="m.example.test")
        for fields, name in (({}, "registryId"), ({"registryId": registry["id"]}, "email")):
            with self.assertRaises(ApiError) as caught:
                client.create("registryCredential", **fields)
            self.assertEqual((caught.exception.body["code"], caught.exception.body["fieldName"]),
                             ("MissingRequired", name))

    def test_api_keys(self):
        """test_apikey.py: the answer says registering, the secret is told once, publicValue is
        unique also when inactive."""
        client = GdapiPython(self.site, self.site.admin.key, self.base + "/v1")
        made = client.create("apiKey")
        self.site.key_secrets.append((made["publicValue"], made["secretValue"]))
        self.assertEqual((made["state"], made["transitioning"]), ("registering", "yes"))
        self.assertEqual((len(made["publicValue"]), len(made["secretValue"])), (20, 40))
        made = client.wait_success(made)
        self.assertEqual((made["state"], made["secretValue"]), ("active", None))
        public = "TESTPV" + self.p.id
        first = client.wait_success(client.create("apiKey", publicValue=public,
                                                  secretValue=self.site.plant()))
        for _ in range(2):
            with self.assertRaises(ApiError) as caught:
                client.create("apiKey", publicValue=public, secretValue=self.site.plant())
            self.assertEqual((caught.exception.body["status"], caught.exception.body["code"],
                              caught.exception.body["fieldName"]),
                             (422, "NotUnique", "publicValue"))
            if first["state"] == "active":
                first = client.wait_success(client.action(first, "deactivate"))

    def test_accounts(self):
        client = GdapiPython(self.site, self.site.admin.key, self.base + "/v1")
        made = client.create("account", name="someone", kind="user")
        self.assertEqual((made["state"], made["transitioning"], made["kind"]),
                         ("registering", "yes", "user"))
        made = client.wait_success(made)
        self.assertEqual(made["state"], "active")
        made = client.wait_success(client.action(made, "deactivate"))
        self.assertEqual(made["state"], "inactive")
        made = client.wait_success(client.delete(made))
        self.assertEqual(made["state"], "removed")

    def test_query_length(self):
        client = self.client("/v1")
        self.assertEqual(client.list("account", name="a" * 15872)["data"], [])

    def test_pages_links_and_filters(self):
        client = self.client()
        registry = client.create("registry", serverAddress="page.example.test")
        made = [client.create("registryCredential", registryId=registry["id"], email="e@x",
                              name="n%d" % (i % 2))["id"] for i in range(5)]
        page, seen = client.list("registryCredential", limit=2, sort="id"), []
        while page:
            seen += [i["id"] for i in page["data"]]
            page = client.following(page)
        self.assertEqual(seen, made)
        found = client.list("registryCredential", name="n1", registryId=registry["id"],
                            state=None)["data"]
        self.assertEqual([i["id"] for i in found], made[1::2])
        self.assertEqual(client.link(found[0], "registry")["id"], registry["id"])
        self.assertEqual([i["id"] for i in client.link(registry, "credentials")["data"]], made)
        with_children = client.list("registry", include="credentials")["data"][0]["credentials"]
        self.assertEqual([i["id"] for i in with_children], made)
        for item in with_children:
            self.assertIn("deactivate", item["actions"])

    def test_whole_object_put_back(self):
        client, secret = self.client(), self.site.plant()
        registry = client.create("registry", serverAddress="whole.example.test")
        cred = client.wait_success(client.create("registryCredential", registryId=registry["id"],
                                                 email="e@x", publicValue="u", secretValue=secret))
        cred["description"] = "changed"
        self.assertEqual(client.update(cred, **cred)["description"], "changed")
        number = int(cred["id"][2:])
        sealed = self.site.sql("SELECT secret_value FROM credential WHERE id = ?", (number,))
        client.update(cred, **dict(cred, description="again"))
        self.assertEqual(self.site.sql("SELECT secret_value FROM credential WHERE id = ?",
                                       (number,)), sealed)

    def test_command_line(self):
        """gdapi's command line puts its own settings into every query and body."""
        key = self.p.env.key
        extra = urllib.parse.urlencode({"_cache": "no", "_format": "json", "_trim": "yes",
                                        "_access_key": key[0], "_secret_key": key[1],
                                        "_url": self.base + "/v1"})
        caller = Caller(self.site, key, [("Accept", "application/json")], "python-requests/2.31.0")
        self.status(caller.get(self.base + self.p.root + "/registries?" + extra), 200)
        body = {"serverAddress": "cli.example.test", "_cache": "no", "_trim": "yes",
                "_secret_key": key[1]}
        r = caller.post(self.base + self.p.root + "/registries?" + extra, json.dumps(body))
        self.status(r, 201)
        self.assertNotIn(key[1].encode(), r.body)


# ---- go-rancher


class GoRancher:
    """go-rancher: no Accept, gzip, strings for ids, the whole object in a PUT, actions without a
    body."""

    STRINGS = ("id", "type", "accountId", "created", "description", "kind", "name", "publicValue",
               "registryId", "removed", "secretValue", "state",
               "transitioning", "transitioningMessage", "uuid", "email", "serverAddress", "driverName", "externalId", "volumeAccessMode", "blockDevicePath",
               "orchestration")

    def __init__(self, site, key, url, version):
        self.caller = Caller(site, key, [("Accept-Encoding", "gzip")], "Go-http-client/1.1")
        self.base, self.version = site.base, version
        if version == 2:                                 # NormalizeUrl
            path = url[len(site.base):]
            path = "/v2-beta" if path in ("", "/") else re.sub(r"^/v1(?=/|$)", "/v2-beta", path)
            url = site.base + path
        r = self.caller.get(url)
        if r.status != 200:
            raise Failure("Bad response statusCode [%d]" % r.status)
        found = r.header("X-API-Schemas")
        if not found:
            raise Failure("Failed to find schema at [%s]" % url)
        if found != url:
            r = self.caller.get(found)
            if r.status != 200:
                raise Failure("Bad response statusCode [%d]" % r.status)
        self.types = {item["id"]: item for item in r.json["data"]}
        for item in self.types.values():
            for field in item["resourceFields"].values():
                if not isinstance(field.get("options", []), list):
                    raise Failure("options")

    def decode(self, r, kind=None):
        if not r.body:
            raise Failure("unexpected end of JSON input")
        body = r.json
        for item in body["data"] if body.get("type") == "collection" else [body]:
            for name in self.STRINGS:
                if not isinstance(item.get(name), (str, type(None))):
                    raise Failure("json: cannot unmarshal %r into field %s of type string"
                                  % (item[name], name))
            progress = item.get("transitioningProgress")
            if progress is not None and (isinstance(progress, bool)
                                         or not isinstance(progress, int)):
                raise Failure("transitioningProgress")
            if not isinstance(item.get("volumeCapabilities"), (list, type(None))):
                raise Failure("volumeCapabilities")
            if not isinstance(item.get("actions"), dict) or not isinstance(item.get("links"), dict):
                raise Failure("links or actions")
        if body.get("type") == "collection":
            if body["pagination"] is not None and not isinstance(body["pagination"]["limit"], int):
                raise Failure("pagination.limit")
            if any(not isinstance(f, (list, type(None))) for f in body["filters"].values()):
                raise Failure("filters")
        return body

    def write(self, method, url, body):
        r = self.caller.request(method, url, json.dumps(body) if body is not None else b"",
                                content_type="application/json")
        if r.status >= 300:
            raise ApiError(r.json)
        return self.decode(r)

    def allowed(self, kind, which, method):
        if method not in self.types[kind][which]:
            raise Failure("Schema type [%s] can not be %s" % (kind, method))

    def create(self, kind, **fields):
        self.allowed(kind, "collectionMethods", "POST")
        return self.write("POST", self.types[kind]["links"]["collection"],
                          dict({"links": None, "actions": None}, **fields))

    def by_id(self, kind, number):
        self.allowed(kind, "resourceMethods", "GET")
        r = self.caller.get("%s/%s" % (self.types[kind]["links"]["collection"], number))
        if r.status == 404:
            return None
        if r.status != 200:
            raise ApiError(r.json)
        return self.decode(r)

    def list(self, kind, **filters):
        self.allowed(kind, "collectionMethods", "GET")
        query = urllib.parse.urlencode(sorted(filters.items()))
        r = self.caller.get(self.types[kind]["links"]["collection"]
                            + ("?" + query if query else ""))
        if r.status != 200:
            raise ApiError(r.json)
        return self.decode(r)

    def update(self, kind, existing, **changes):
        """The existing object, empty members left out (omitempty), with the changes put over it."""
        self.allowed(kind, "resourceMethods", "PUT")
        whole = {k: v for k, v in existing.items() if v not in (None, "", 0, False, [], {})
                 and not k.endswith("TS") and k != "baseType"}
        whole.update(changes)
        return self.write("PUT", existing["links"]["self"], whole)

    def delete(self, kind, existing):
        self.allowed(kind, "resourceMethods", "DELETE")
        r = self.caller.delete(existing["links"]["self"])
        if r.status >= 300:
            raise ApiError(r.json)
        return r

    def action(self, kind, existing, name):
        url = existing["actions"].get(name)
        if url is None:
            raise Failure("action [%s] not available on [%s]" % (name, existing["id"]))
        return self.write("POST", url, None)


class Go(Conversation):
    def conversation(self, version, url, root, email):
        client, secret = GoRancher(self.site, self.p.env.key, url, version), self.site.plant()
        registry = client.create("registry", name="r", serverAddress="s.io")
        self.assertTrue(registry["links"]["self"].startswith(self.base + root + "/registries/"),
                        registry["links"])
        fields = {"name": "n", "publicValue": "u", "registryId": registry["id"],
                  "secretValue": secret}
        if email:
            fields["email"] = "e@example.test"
        cred = client.create("registryCredential", **fields)
        again = client.by_id("registryCredential", cred["id"])
        self.assertEqual((again["state"], again["name"], again["publicValue"], again["registryId"]),
                         ("active", "n", "u", registry["id"]))
        changed = client.update("registryCredential", again, name="new", description="d")
        self.assertEqual((changed["name"], changed["description"], changed["registryId"],
                          changed["state"]), ("new", "d", registry["id"], "active"))
        found = client.list("registryCredential", registryId=registry["id"], removed_null="1")
        self.assertEqual([i["id"] for i in found["data"]], [cred["id"]])
        acted = client.action("registryCredential", found["data"][0], "deactivate")
        self.assertEqual((acted["id"], acted["type"]), (cred["id"], "registryCredential"))
        again = client.by_id("registryCredential", cred["id"])
        with self.assertRaises(Failure):
            client.action("registryCredential", again, "deactivate")
        client.delete("registryCredential", again)
        self.assertEqual(client.by_id("registryCredential", cred["id"])["state"], "removed")
        self.assertIsNone(client.by_id("registryCredential", "1c99999"))
        self.assertIsNone(client.by_id("registry", "no such name"[:2]))
        with self.assertRaises(ApiError) as caught:
            client.create("registry", name="r", serverAddress="S.IO")
        self.assertEqual(caught.exception.body["code"], "ServerAddressUsed")

    def test_v1(self):
        self.conversation(1, self.base + self.p.root + "/schemas", self.p.root, True)

    def test_v1_unscoped_url_of_an_environment(self):
        self.conversation(1, self.base + self.p.root, "/v1", True)

    def test_v1_root(self):
        self.conversation(1, self.base + "/v1", "/v1", True)

    def test_v2(self):
        self.conversation(2, self.base + self.p.root + "/schemas", self.p.beta, False)

    def test_v2_root(self):
        self.conversation(2, self.base, "/v2-beta", False)
        self.assertIn("registry", GoRancher(self.site, self.p.env.key, self.base + "/", 2).types)

    def test_v2_sees_what_v1_made(self):
        one = GoRancher(self.site, self.p.env.key, self.base + "/v1", 1)
        two = GoRancher(self.site, self.p.env.key, self.base + "/v1", 2)
        registry = one.create("registry", name="r", serverAddress="both.io")
        cred = one.create("registryCredential", registryId=registry["id"],
                          email="kept@example.test", publicValue="u", secretValue=self.site.plant())
        seen = two.by_id("registryCredential", cred["id"])
        self.assertEqual(seen["email"], "kept@example.test")
        seen.pop("email")                                # the v2 struct does not know it
        two.update("registryCredential", seen, name="by v2")
        again = one.by_id("registryCredential", cred["id"])
        self.assertEqual((again["email"], again["name"]), ("kept@example.test", "by v2"))

    def test_wrong_key(self):
        with self.assertRaises(Failure) as caught:
            GoRancher(self.site, ("no", "key"), self.base + "/v1", 1)
        self.assertIn("401", str(caught.exception))


# ---- Terraform


class Terraform(Conversation):
    """terraform-provider-rancher: go-rancher v2, an account key, the environment found through the
    registry."""

    def setUp(self):
        super().setUp()
        self.account, self.user = self.site.account("user", "terraform")

    def client(self, url="/v2-beta"):
        return GoRancher(self.site, self.user.key, url if url.startswith("http") else self.base
                         + url, 2)

    def environment(self, project):
        """EnvironmentClient: the project by id, then its links.self with /schemas behind it."""
        found = self.client().by_id("project", project)
        return self.client(found["links"]["self"] + "/schemas")

    def registry_client(self, registry):
        """RegistryClient: the registry by id on the global client, then the environment that owns
        it."""
        found = self.client().by_id("registry", registry)
        return self.environment(found["accountId"])

    def wait(self, client, kind, number, pending, target):
        """StateChangeConf: the first look comes a second after the change; anything but pending and
        target is fatal."""
        time.sleep(0.05)
        for _ in range(20):
            found = client.by_id(kind, number)
            if found is None:
                raise Failure("nil dereference: %s %s is gone" % (kind, number))
            if found["state"] == target:
                return found
            if found["state"] not in pending:
                raise Failure("unexpected state '%s', wanted target '%s'"
                              % (found["state"], target))
            time.sleep(0.05)
        raise Failure("timeout")

    def template(self, orchestration):
        """The template whose name is that of the orchestration."""
        found = [t["id"] for t in self.client().list("projectTemplate")["data"] if t["name"].lower()
                 == orchestration]
        self.assertEqual(len(found), 1)
        return found[0]

    def new_environment(self):
        template = self.template("cattle")
        made = self.client().create("project", name="foo", description="Terraform acc test group",
                                    projectTemplateId=template)
        self.assertEqual(self.client().by_id("project", made["id"])["projectTemplateId"], template)
        return self.wait(self.client(), "project", made["id"], ("activating", "registering"),
                         "active")

    def test_environment(self):
        project = self.new_environment()
        self.assertEqual(project["orchestration"], "cattle")
        client = self.client()
        self.assertIn(project["id"], [p["id"] for p in client.list("project")["data"]])
        changed = client.update("project", project, name="foo2", description="changed")
        self.assertEqual((changed["name"], changed["description"]), ("foo2", "changed"))
        self.assertEqual(client.by_id("project", project["id"])["name"], "foo2")
        client.delete("project", client.by_id("project", project["id"]))
        gone = self.wait(client, "project", project["id"],
                         ("active", "removing", "deactivating", "inactive"), "removed")
        self.assertIsNotNone(gone["removed"])
        self.assertNotIn(project["id"], [p["id"] for p in client.list("project")["data"]])

    def test_members_of_an_environment(self):
        other, other_client = self.site.account("user", "colleague")
        members = [{"externalId": self.account, "externalIdType": "rancher_id", "role": "owner"},
                   {"externalId": other, "externalIdType": "rancher_id", "role": "member"}]
        project = self.client().create("project", name="shared", members=members)
        self.assertEqual(GoRancher(self.site, other_client.key, self.base,
                                   2).by_id("project", project["id"])["id"], project["id"])
        found = self.ok(self.user.get("/v2-beta/projects/%s/projectmembers" % project["id"]))
        self.assertEqual({(m["externalId"], m["externalIdType"], m["role"]) for m in found["data"]},
                         {(m["externalId"], m["externalIdType"], m["role"]) for m in members})
        project = self.client().by_id("project", project["id"])
        r = self.user.post(project["actions"]["setmembers"], {"members": members[:1]})
        self.status(r, 200, 201, 202)
        self.assertTrue(r.body)
        self.assertIsNone(GoRancher(self.site, other_client.key, self.base,
                                    2).by_id("project", project["id"]))

    def test_owners_of_other_kinds_of_ids(self):
        """A list that POST takes is taken by setmembers too: who sends it stays an owner, because
        nobody else could act here."""
        other = self.site.account("user", "second")[0]
        foreign = {"externalId": "4711", "externalIdType": "github_user", "role": "owner"}
        mine = {"externalId": self.account, "externalIdType": "rancher_id", "role": "owner"}
        lists = (([foreign], [foreign, mine]),
                 ([foreign, dict(foreign, externalId="ou=ops", externalIdType="ldap_group")], [foreign, dict(foreign, externalId="ou=ops", externalIdType="ldap_group"), mine]),
                 ([foreign, dict(mine, role="member")], [foreign, mine]),
                 ([foreign, dict(mine, externalId=other, role="restricted")], [foreign, mine, dict(mine, externalId=other, role="restricted")]),
                 ([foreign, dict(mine, externalId=other)], [foreign, dict(mine, externalId=other)]))
        for given, kept in lists:
            for way in ("post", "setmembers"):
                members = given if way == "post" else [mine]
                project = self.client().create("project", name=way, members=members)
                if way == "setmembers":
                    self.status(self.user.post(self.client().by_id("project", project["id"])[
                        "actions"]["setmembers"], {"members": given}), 202)
                found = self.ok(self.site.admin.get("/v2-beta/projects/%s/projectmembers"
                                                    % project["id"]))["data"]
                self.assertEqual(sorted((m["externalId"], m["externalIdType"], m["role"])
                                        for m in found),
                                 sorted((m["externalId"], m["externalIdType"], m["role"])
                                        for m in kept), (way, given))

    def test_a_list_without_an_owner(self):
        project = self.client().create("project", name="headless")
        action = self.client().by_id("project", project["id"])["actions"]["setmembers"]
        mine = {"externalId": self.account, "externalIdType": "rancher_id", "role": "member"}
        for members in ([], [mine], [dict(mine, externalId="4711", externalIdType="github_user")],
                        [dict(mine, role="readonly"),
                         dict(mine, externalId="x", externalIdType="ldap_user")]):
            self.assertIn("owner", self.err(self.user.post(action, {"members": members}), 400,
                                            "InvalidFormat")["detail"])

    def test_registry_and_credential(self):
        project, secret = self.new_environment(), self.site.plant()
        client = self.environment(project["id"])
        registry = client.create("registry", name="foo", description="registry test",
                                 serverAddress="http://foo.com:8080")
        registry = self.wait(client, "registry", registry["id"], ("active", "removed", "removing"),
                             "active")
        self.assertEqual((registry["serverAddress"], registry["accountId"]),
                         ("http://foo.com:8080", project["id"]))
        client = self.registry_client(registry["id"])
        cred = client.create("registryCredential", name="foo", description="credential test",
                             publicValue="user", secretValue=secret, registryId=registry["id"])
        cred = self.wait(client, "registryCredential", cred["id"],
                         ("active", "removed", "removing"), "active")
        self.assertEqual((cred["name"], cred["publicValue"], cred["registryId"]),
                         ("foo", "user", registry["id"]))
        # update
        client.update("registryCredential", cred, name="foo2", description="updated",
                      publicValue="user2", secretValue=self.site.plant())
        again = client.by_id("registryCredential", cred["id"])
        self.assertEqual((again["name"], again["description"], again["publicValue"]),
                         ("foo2", "updated", "user2"))
        client.update("registry", registry, name="foo3", serverAddress="http://foo.com:8080")
        self.assertEqual(client.by_id("registry", registry["id"])["name"], "foo3")
        # delete: the credential first, as the dependent
        for kind, number in (("registryCredential", cred["id"]), ("registry", registry["id"])):
            client = self.registry_client(registry["id"])
            client.action(kind, client.by_id(kind, number), "deactivate")
            inactive = self.wait(client, kind, number, ("active", "inactive", "deactivating"),
                                 "inactive")
            client.action(kind, inactive, "remove")
            self.wait(client, kind, number, ("inactive", "removed", "removing"), "removed")
            self.assertEqual(self.client().by_id(kind, number)["state"], "removed")
        # every acceptance test uses the same address
        client = self.environment(project["id"])
        client.create("registry", name="foo", serverAddress="http://foo.com:8080")

    def test_import(self):
        project = self.new_environment()
        client = self.environment(project["id"])
        registry = client.create("registry", name="i", serverAddress="http://bar.com:8080")
        cred = client.create("registryCredential", name="i", publicValue="u",
                             secretValue=self.site.plant(), registryId=registry["id"])
        self.assertEqual(self.registry_client(registry["id"]).by_id("registryCredential",
                                                                    cred["id"])["registryId"],
                                                                    registry["id"])
        found = self.client().by_id("registryCredential", cred["id"])
        self.assertEqual((found["id"], found["accountId"]), (cred["id"], project["id"]))
        with self.assertRaises(Failure):
            self.client().create("registry", name="not here", serverAddress="x")


# ---- the rancher command line


class RancherCli(Conversation):
    def caller(self, key=None):
        return Caller(self.site, key or self.p.env.key, [("Accept-Encoding", "gzip")],
                      "Go-http-client/1.1")

    def scoped(self):
        """--env 1a5: /schemas is put behind a URL that ends in /schemas already."""
        return GoRancher(self.site, self.p.env.key, self.base + self.p.beta + "/schemas/schemas", 2)

    def test_schemas_twice(self):
        r = self.caller().get(self.base + self.p.beta + "/schemas/schemas")
        self.status(r, 200)
        self.assertEqual(r.header("X-API-Schemas"), self.base + self.p.beta + "/schemas")
        self.assertIn("registry", self.scoped().types)

    def test_config(self):
        client = GoRancher(self.site, self.p.env.key, self.base, 2)
        url = client.types["schema"]["links"]["collection"]
        self.assertEqual(url, self.base + "/v2-beta/schemas")
        self.status(self.caller().get(url), 200)
        self.assertEqual([p["id"] for p in client.list("project")["data"]], [self.p.id])

    def test_env_create(self):
        """The template by id, then by name, then the project with its id."""
        account, user = self.site.account("user", "cli")
        client = GoRancher(self.site, user.key, self.base, 2)
        template = self.lookup(client, "projectTemplate", "Cattle")
        self.assertEqual((template["isPublic"], template["stacks"], template["state"]),
                         (True, None, "active"))
        made = client.create("project", name="x", projectTemplateId=template["id"])
        self.assertEqual(client.by_id("project", made["id"])["projectTemplateId"], template["id"])
        client.update("project", client.by_id("project", made["id"]), name="y")
        self.assertEqual(client.by_id("project", made["id"])["projectTemplateId"], template["id"])
        self.assertIsNone(client.by_id("project",
                                       client.create("project", name="none",
                                                     projectTemplateId=None)["id"])[
                                                         "projectTemplateId"])
        for name in ("Kubernetes", "1pt2", "cattle "):
            with self.assertRaises(Failure):
                self.lookup(client, "projectTemplate", urllib.parse.quote(name))
        for wrong in ("1pt99", "Cattle", account, "1sp1"):
            self.err(user.post("/v2-beta/projects", {"name": "x", "projectTemplateId": wrong}), 422,
                     "InvalidReference", "projectTemplateId")
        # It is there for everybody, and nobody changes it.
        for who in (user, self.p.env, self.site.admin, self.site.account("readAdmin")[1]):
            self.assertEqual([t["name"] for t in self.ok(who.get("/v2-beta/projecttemplates"))[
                "data"]], ["Cattle"])
            self.assertEqual(self.ok(who.get("/v2-beta/projecttemplates/" + template["id"]))[
                "actions"], {})
            for method, path in (("POST", ""), ("PUT", "/" + template["id"]),
                                 ("DELETE", "/" + template["id"])):
                self.err(who.request(method, "/v2-beta/projecttemplates" + path, {"name": "x"}
                                     if method != "DELETE" else None), 405, "Method not allowed")

    def test_schemas_are_those_of_the_original(self):
        def fields(who, name):
            return self.ok(who.get("/v2-beta/schemas/" + name))["resourceFields"]
        _, user = self.site.account("user")
        for who in (user, self.p.env):
            self.assertNotIn("projectLinks", fields(who, "project"))
            self.assertNotIn("projectLinks",
                             self.ok(who.get("/v2-beta/projects/"
                                             + (self.p.id if who is self.p.env
                                                else self.ok(user.post("/v2-beta/projects", {}),
                                                             201)["id"]))))
        self.assertIn("projectLinks", fields(self.site.admin, "project"))
        pool = self.p.registry()["id"]
        for who in (user, self.p.env, self.site.admin):
            self.assertEqual({n: f["type"] for n, f in fields(who, "storagepool").items()
                              if n in ("hostIds", "volumeIds", "storageDriverId")},
                             {"hostIds": "array[reference[host]]",
                              "volumeIds": "array[reference[volume]]",
                              "storageDriverId": "reference[storageDriver]"})
            self.assertIn("upgrade",
                          self.ok(who.get("/v2-beta/schemas/account"))["resourceActions"])
            self.assertNotIn("upgrade", self.ok(who.get("/v1/schemas/account"))["resourceActions"])
        self.assertNotIn("hostIds",
                         self.ok(self.p.env.get("/v1/schemas/storagepool"))["resourceFields"])
        listed = self.ok(self.p.env.get("/v2-beta/storagepools?id=" + pool))["data"]
        self.assertEqual([r["id"] for r in listed], [pool])
        # declared, and never possible
        self.assertNotIn("upgrade",
                         self.ok(self.site.admin.get("/v2-beta/accounts/1a1"))["actions"])
        self.err(self.site.admin.post("/v2-beta/accounts/1a1?action=upgrade", {}), 422,
                 "ActionNotAvailable", "action")
        self.err(self.site.admin.post("/v1/accounts/1a1?action=upgrade", {}), 422, "InvalidAction",
                 "action")

    def test_a_blank_name_is_not_looked_at(self):
        for query in ("name=", "uuid=", "id=", "name=&uuid=&id="):
            self.assertEqual(self.ids(self.p.admin.get("/v1/projects?" + query)),
                             self.ids(self.p.admin.get("/v1/projects")), query)

    def test_environment_by_name(self):
        self.site.project(name="other")
        mine = self.site.project(name="Wanted" + self.p.id)
        client = GoRancher(self.site, self.site.admin.key, self.base, 2)
        self.assertGreater(len(client.list("project")["data"]), 1)
        name = "Wanted" + self.p.id
        self.assertIsNone(client.by_id("project", name))
        found = client.list("project", all="true", name=name, removed_null="1")
        self.assertEqual([p["id"] for p in found["data"]], [mine.id])
        self.assertEqual([p["id"] for p in client.list("project", all="true", name=name.upper(),
                                                       system="false")["data"]], [mine.id])
        self.assertIsNone(found["pagination"])

    def lookup(self, client, kind, text):
        """By id first; an answer counts only if its id is what was typed; then by name."""
        found = client.by_id(kind, text)
        if found is not None and found["id"] == text:
            return found
        rows = client.list(kind, name=text, removed_null="1")["data"]
        if len(rows) != 1:
            raise Failure("Not found: " + text)
        return rows[0]

    def test_inspect_and_ls(self):
        registry = self.p.registry(name="myreg")
        client = self.scoped()
        self.assertEqual(self.lookup(client, "registry", registry["id"])["name"], "myreg")
        self.assertEqual(self.lookup(client, "registry", "myreg")["id"], registry["id"])
        body = client.list("registry", limit="-2", system="false")
        self.assertEqual(([r["id"] for r in body["data"]], body["pagination"]["limit"]),
                         ([registry["id"]], 3000))
        for odd in ("my reg", "1sp", "sp1", "7", "1c1", "ünicode"):
            with self.assertRaises(Failure):
                self.lookup(client, "registry", urllib.parse.quote(odd))

    def test_rm_active(self):
        registry = self.p.registry(name="busy")
        client = self.scoped()
        with self.assertRaises(ApiError) as caught:
            client.delete("registry", self.lookup(client, "registry", "busy"))
        self.assertEqual(caught.exception.body["status"], 405)
        self.assertEqual(client.by_id("registry", registry["id"])["state"], "active")

    def test_rm_stop(self):
        """rm -s: deactivate, and DELETE at once."""
        registry = self.p.registry(name="stop me")
        client = self.scoped()
        found = client.by_id("registry", registry["id"])
        client.action("registry", found, "deactivate")
        client.delete("registry", found)
        self.assertEqual(client.by_id("registry", registry["id"])["state"], "removed")


# ---- npm gdapi


class Node(Conversation):
    def test_a_life(self):
        """No User-Agent, no Accept but on schemas; single schemas under camelCase names; types
        followed by resourceType."""
        caller = Caller(self.site, self.p.env.key, [], None)
        r = caller.get(self.base + self.p.root + "/schemas")
        schemas = r.header("x-api-schemas")
        types = {}

        def schema(name):
            r = caller.get("%s/%s" % (schemas, name), headers={"accept": "application/json"})
            types[name] = self.ok(r)
            self.assertEqual(types[name]["id"], name)
            return types[name]
        for name in ("registry", "registryCredential", "apiKey", "storagePool", "project",
                     "account", "schema", "credential", "projectMember"):
            schema(name)
        self.assertIn("POST", types["registry"]["collectionMethods"])
        registry = self.ok(caller.post(types["registry"]["links"]["collection"],
                                       json.dumps({"serverAddress": "npm.example.test"})), 201)
        cred = self.ok(caller.post(types["registryCredential"]["links"]["collection"],
                                   json.dumps({"registryId": registry["id"], "email": "e@x",
                                               "publicValue": "u",
                                               "secretValue": self.site.plant()})), 201)
        for obj in (registry, cred):
            for name, url in obj["links"].items():
                found = self.ok(caller.get(url))
                schema(found.get("resourceType") or found["type"])
        acted = self.ok(caller.request("POST", cred["actions"]["deactivate"], None), 202)
        self.assertEqual(acted["type"], "registryCredential")
        self.assertEqual(self.ok(caller.delete(cred["links"]["self"]))["state"], "removing")

    def test_base_url_of_a_version(self):
        caller = Caller(self.site, self.p.env.key, [], None)
        for path in ("/", "/v1", "/v2-beta"):
            r = caller.get(path)
            self.status(r, 200)
            self.assertTrue(r.is_json)
            self.status(caller.get(r.header("x-api-schemas") + "/registryCredential"), 200)


# ---- api-ui


class ApiUi(Conversation):
    """The page in a browser: HTML first, then XHR with Accept: application/json and the CSRF
    cookie."""

    AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0"

    def start(self, path):
        page = Caller(self.site, self.p.env.key,
                      [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")], self.AGENT)
        r = page.get(self.base + self.p.root + path)
        self.status(r, 200)
        self.assertEqual(r.header("Content-Type"), "text/html; charset=utf-8")
        cookie = [c for c in r.all_headers("Set-Cookie") if c.startswith("CSRF=")][0].split(";")[0]
        return Caller(self.site, self.p.env.key,
                      [("Accept", "application/json"), ("Cookie", cookie),
                                                  ("X-API-CSRF", cookie[5:])], self.AGENT)

    def test_page_then_writes(self):
        registry = self.p.registry()
        xhr = self.start("/registrycredentials")
        schemas = {s["id"]: s for s in self.ok(xhr.get(self.base + self.p.root + "/schemas"))[
            "data"]}
        for doc in schemas.values():
            for name, field in doc["resourceFields"].items():
                self.assertIsInstance(field["type"], str)
            for given in doc["collectionFilters"].values():
                self.assertIsInstance(given["modifiers"], list)
        data = self.ok(xhr.get(self.base + self.p.root + "/registrycredentials"))
        self.assertEqual(data["createTypes"], {})
        self.assertEqual((data["resourceType"], data["links"]["self"]),
                         ("registryCredential", self.base + self.p.root + "/registrycredentials"))
        # the reference field registryId becomes a list to choose from
        choice = self.ok(xhr.get(schemas["registry"]["links"]["collection"] + "?limit=100"))["data"]
        self.assertEqual([r["id"] for r in choice], [registry["id"]])
        made = self.ok(xhr.post(data["links"]["self"],
                                {"registryId": registry["id"], "email": "e@x", "publicValue": "u",
                                 "secretValue": self.site.plant(),
                                                        "name": "", "description": None}), 201)
        self.edit(xhr, schemas, made)
        acted = self.ok(xhr.post(self.ok(xhr.get(made["links"]["self"]))["actions"]["deactivate"],
                                 None, content_type="application/json"), 202)
        self.assertEqual(acted["transitioning"], "yes")
        self.assertEqual(self.ok(xhr.delete(made["links"]["self"]))["state"], "removing")

    def edit(self, xhr, schemas, made):
        """The form sends every field that may be updated, null for an empty box, and the odd
        default."""
        number = int(made["id"][2:])
        sealed = self.site.sql("SELECT secret_value FROM credential WHERE id = ?", (number,))
        current = self.ok(xhr.get(made["links"]["self"]))
        body = {name: current[name] for name,
                f in schemas["registryCredential"]["resourceFields"].items() if f["update"]}
        self.assertIn("secretValue", body)
        body.update({"id": 0, "transitioningProgress": 0, "removed": None, "volumeCapabilities": [],
                     "description": "edited"})
        after = self.ok(xhr.put(made["links"]["self"], body))
        self.assertEqual(after, dict(current, description="edited"))
        self.assertEqual(self.site.sql("SELECT secret_value FROM credential WHERE id = ?",
                                       (number,)), sealed)

    # What a form sends for a box that was left empty, by the type of the field.
    BLANKS = {"date": "", "boolean": None, "enum": None}

    def blanks(self, doc, method):
        for name, field in doc["resourceFields"].items():
            if field[method] and not field.get("required"):
                yield name, [] if field["type"].startswith("array[") else self.BLANKS.get(
                    field["type"], None)

    def test_forms_send_blanks_for_every_field(self):
        """No member of a schema, of the original or added here, breaks a form in which nothing was
        filled in."""
        xhr = self.start("/apikeys")
        needed = {"registryCredential": {"registryId": self.p.registry()["id"], "email": "e@x"},
                  "registry": {"serverAddress": "blank.example.test"}}
        seen = set()
        for doc in self.ok(xhr.get(self.base + self.p.root + "/schemas"))["data"]:
            if not {"POST"} <= set(doc["collectionMethods"]) or "PUT" not in doc["resourceMethods"]:
                continue
            body = dict(self.blanks(doc, "create"), **needed.get(doc["id"], {}))
            made = self.ok(xhr.post(doc["links"]["collection"], body), 201)
            self.site.key_secrets.append((made["publicValue"], made["secretValue"])) if doc[
                "id"] == "apiKey" else None
            before = self.ok(xhr.get(made["links"]["self"]))
            kept = {name: needed.get(doc["id"], {}).get(name, value) for name,
                    value in self.blanks(doc, "update")}
            after = self.ok(xhr.put(made["links"]["self"], {k: before[k] if k == "publicValue"
                                                            else v for k, v in kept.items()}))
            self.assertEqual(after, before)
            for name, field in doc["resourceFields"].items():
                if "default" in field and field["create"]:
                    self.assertEqual(before[name], field["default"], name)
            seen.add(doc["id"])
        self.assertTrue({"apiKey", "registry", "registryCredential"} <= seen, seen)

    def test_a_path_that_was_cleared(self):
        """A box that was emptied sends a blank text. For the bounds of a key that is refused: it could be a variable that is not set."""
        login = self.p.credential(self.p.registry(), pathPrefix="acme")["id"]
        self.assertIsNone(self.ok(self.p.env.put("registrycredentials/" + login, {"pathPrefix": ""}))["pathPrefix"])
        for name in ("role", "networks", "pathPrefixes", "registryIds", "projectIds"):
            self.status(self.p.admin.post("apikeys", {name: ""}), 422)

    def test_an_empty_array_takes_no_bound_away(self):
        xhr = self.start("/apikeys")
        made = self.ok(xhr.post(self.base + self.p.root + "/apikeys",
                                {"networks": ["127.0.0.1"], "pathPrefixes": ["a"],
                                 "registryIds": [self.p.registry()["id"]]}), 201)
        self.site.key_secrets.append((made["publicValue"], made["secretValue"]))
        for name in ("networks", "pathPrefixes", "registryIds"):
            self.err(xhr.put(made["links"]["self"], {name: []}), 422, "InvalidFormat", name)

    def test_a_pair_of_a_key_is_made_whole_or_not_at_all(self):
        """Without a publicValue both are made; with one, the secret that was given, or none: such a
        key lets nobody in."""
        admin = self.site.admin
        made = self.ok(admin.post("/v1/apikeys", {"publicValue": None, "secretValue": None}), 201)
        self.site.key_secrets.append((made["publicValue"], made["secretValue"]))
        self.status(harness.Client(self.site, (made["publicValue"], made["secretValue"])).get(
            "/v1"), 200)
        for n, body in enumerate(({}, {"secretValue": None}, {"secretValue": ""})):
            made = self.ok(admin.post("/v1/apikeys", dict(body, publicValue="R4ONLY%d" % n)), 201)
            self.assertIsNone(made["secretValue"])
            for secret in ("", "null", "None"):
                self.status(harness.Client(self.site, (made["publicValue"], secret)).get("/v1"),
                            401)

    def test_a_clock_that_was_in_the_future_once(self):
        """The login that was made later is used, and what was removed is purged."""
        registry = self.p.registry(serverAddress="clock.example.test")
        first, second, gone = (self.p.credential(registry)["id"] for _ in range(3))
        self.status(self.p.env.action("registrycredentials/" + gone, "deactivate"), 202)
        self.status(self.p.env.delete("registrycredentials/" + gone), 200)
        ahead = int((time.time() + 4 * 365 * 86400) * 1000)
        self.site.sql("UPDATE credential SET created = ? WHERE id = ?", (ahead, int(first[2:])),
                      write=True)
        self.site.sql("UPDATE credential SET removed = ?, remove_time = ? WHERE id = ?",
                      (ahead, ahead + 600000, int(gone[2:])), write=True)
        answer = self.ok(self.p.env.post("imagelogins", {"image": "clock.example.test/a"}))
        self.assertEqual(answer["registryCredentialId"], second)
        self.site.cli("sweep", "--state-dir", self.site.state)
        self.assertEqual(self.site.sql("SELECT state, secret_value FROM credential WHERE id = ?",
                                       (int(gone[2:]),)), [("purged", None)])

    def test_every_collection_can_be_listed(self):
        for who in (self.p.env, self.p.admin):
            for doc in self.ok(who.get("schemas"))["data"]:
                self.assertEqual("collection" in doc["links"], "GET" in doc["collectionMethods"],
                                 doc["id"])
                if "collection" in doc["links"]:
                    self.status(who.get(doc["links"]["collection"]), 200)

    def test_without_the_header(self):
        xhr = self.start("/registries")
        xhr.headers = [h for h in xhr.headers if h[0] != "X-API-CSRF"]
        self.err(xhr.post(self.base + self.p.root + "/registries", {"serverAddress": "x"}), 403,
                 "InvalidCSRFToken")
        self.assertEqual(self.ok(xhr.get(self.base + self.p.root + "/registries"))["data"], [])

    def test_collection_of_an_abstract_type(self):
        """createTypes tells the form which kinds can be made, and where."""
        self.p.credential(self.p.registry())
        xhr = self.start("/credentials")
        body = self.ok(xhr.get(self.base + self.p.root + "/credentials"))
        self.assertIn("registryCredential", body["createTypes"])
        for name, url in body["createTypes"].items():
            self.assertEqual(url.rsplit("/", 1)[1], name.lower() + "s")
        for item in body["data"]:
            self.assertIn(item["type"], ("registryCredential", "apiKey"))

    def test_pager_and_sort(self):
        registry = self.p.registry()
        for i in range(3):
            self.p.credential(registry, name="n%d" % i)
        xhr = self.start("/registrycredentials?limit=2")
        body = self.ok(xhr.get(self.base + self.p.root + "/registrycredentials?limit=2"))
        self.assertTrue(body["pagination"]["partial"])
        self.assertEqual(len(self.ok(xhr.get(body["pagination"]["next"]))["data"]), 1)
        names = [i["name"] for i in self.ok(xhr.get(body["sortLinks"]["name"]))["data"]]
        self.assertEqual(names, ["n0", "n1"])


# ---- scripts


class Scripts(Conversation):
    def curl(self, key=None):
        return Caller(self.site, key or self.p.env.key, [("Accept", "*/*")], "curl/8.5.0")

    def test_installer(self):
        """JSON by curl -d (labelled as a form), singular type, an extra member, no email, .id read
        with jq."""
        curl = self.curl()
        form = "application/x-www-form-urlencoded"
        made = self.ok(curl.post(self.p.root + "/registries",
                                 json.dumps({"name": "r",
                                             "serverAddress": "nexus3.example.test:10001"}),
                                             content_type=form), 201)
        body = {"type": "registryCredential", "registryId": made["id"], "publicValue": "docker",
                "secretValue": self.site.plant(), "name": "n"}
        cred = self.ok(curl.post(self.p.beta + "/registrycredential", json.dumps(body),
                                 content_type=form), 201)
        self.assertRegex(cred["id"], r"^1c\d+$")

    def test_ansible(self):
        admin = self.curl(self.site.admin.key)
        found = self.ok(admin.get("/v1/projects?name=Default"))["data"]
        self.assertEqual(found[0]["id"], "1a5")
        self.assertEqual([p["id"] for p in self.ok(admin.get("/v1/projects?name=default"))["data"]],
                         ["1a5"])
        self.assertEqual(found[0]["uuid"], "adminProject")

    def test_account_id_header_is_ignored(self):
        registry = self.p.registry()
        r = self.curl().put(self.p.root + "/registries/" + registry["id"], {"name": "x"},
                            headers={"X-Api-Account-Id": "1a1"})
        self.assertEqual(self.ok(r)["accountId"], self.p.id)

    def test_trailing_slash(self):
        made = self.ok(self.curl().post("/v1/apikeys/", {"name": "k"}), 201)
        self.site.key_secrets.append((made["publicValue"], made["secretValue"]))
        self.assertEqual(made["accountId"], self.p.id)

    def test_text_for_people(self):
        """curl -F and curl --data-urlencode."""
        curl = self.curl()
        text = "serverAddress=" + urllib.parse.quote_plus("form.example.test:5000") + "&name=a+b"
        made = self.ok(curl.post(self.p.root + "/registries", text,
                                 content_type="application/x-www-form-urlencoded"), 201)
        self.assertEqual((made["serverAddress"], made["name"]), ("form.example.test:5000", "a b"))
