"""Bounds of API keys: expiry, role, networks; last use; keys that end; the limiter of failed
sign-ins."""

import os
import re
import signal
import threading
import time

import harness
from harness import Client

# of the second site: half as many for one key
FAILURES, WINDOW_S = 20, 3
NEW = ("expires", "lastUsed", "lastUsedAddress", "networks", "role")

site = None
limited = None
who = {}


def setUpModule():
    """A site of many workers, a project with a member of each role; and a second one, where failed
    sign-ins are counted."""
    global site, limited
    site = harness.Site(workers=4, threads=2)
    site.start()
    ids = {}
    for role in ("owner", "member", "restricted", "readonly"):
        ids[role], who[role] = site.account("user", role)
    for kind in ("superadmin", "service", "readAdmin", "projectadmin", "user"):
        ids[kind], who[kind] = site.account(kind)
    members = [("1a1", "owner")] + [(ids[r], r) for r in ("owner", "member", "restricted",
                                                          "readonly")] + [
                                                              (ids["projectadmin"], "owner")]
    who.update({"admin": site.admin, "ids": ids, "own": site.project(members=members),
                "foreign": site.project()})
    who["project"] = who["own"].env
    limited = harness.Site(workers=4, threads=2, options=("--auth-failures", str(FAILURES),
                                                          "--auth-failures-window-s",
                                                          str(WINDOW_S)))
    limited.start()


def tearDownModule():
    try:
        limited.stop()
    finally:
        site.stop()


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def soon(seconds=3600):
    return iso(time.time() + seconds)


class Base(harness.Case):
    def setUp(self):
        super().setUp()
        self.own, self.env = who["own"], who["own"].env

    def make(self, client=None, **fields):
        """(resource, client) of a new key; the client has the root of whoever made it."""
        client = client or self.env
        made = self.ok(client.post("apikeys", dict({"name": "k"}, **fields)), 201)
        key = (made["publicValue"], made["secretValue"])
        client.site.key_secrets.append(key)
        return made, Client(client.site, key, client.root)

    def read(self, made, client=None):
        return self.ok((client or self.env).get("apikeys/" + made["id"]))

    def used(self, made, address="127.0.0.1"):
        """The key once its use is noted, which no request waits for."""
        self.assertTrue(harness.wait_until(lambda: self.read(made)["lastUsedAddress"] == address,
                                           5), self.read(made))
        return self.read(made)


class Fields(Base):
    def test_new_fields_are_published(self):
        for client in (self.env, site.admin, who["owner"], who["readonly"].at(self.own.root)):
            for version in ("", "beta"):
                root = client.root.replace("/v1", "/v2-beta") if version else client.root
                doc = self.ok(client.at(root).get("schemas/apikey"))
                fields = doc["resourceFields"]
                writes = "POST" in doc["collectionMethods"]
                for name in NEW:
                    self.assertTrue(fields[name]["nullable"], name)
                    self.assertFalse(fields[name].get("required"), name)
                    own = writes and not name.startswith("lastUsed")
                    self.assertEqual((fields[name]["create"], fields[name]["update"]), (own, own),
                                     name)
                self.assertEqual([fields[n]["type"] for n in NEW],
                                 ["date", "date", "string", "array[string]", "enum"])
                self.assertEqual(fields["role"]["options"], ["inject", "readonly", "reveal"])
                self.assertEqual({n for n in NEW if n in doc["collectionFilters"]},
                                 set(NEW) - {"networks"})
                self.assertNotIn("expires",
                                 self.ok(client.get("schemas/password"))["resourceFields"])

    def test_a_key_without_them_has_null(self):
        made, client = self.make()
        self.assertEqual([made[n] for n in NEW], [None] * 5)
        for name in NEW:
            self.assertNotIn(name + "TS", made)

    def test_what_is_given_is_kept(self):
        expires = soon()
        made, client = self.make(expires=expires, role="readonly",
                                 networks=["127.0.0.0/8", "2001:DB8:0::/48", "::1"])
        for body in (made, self.read(made),
                     [i for i in self.ok(self.env.get("credentials?limit=-1"))["data"] if i["id"]
                      == made["id"]][0]):
            self.assertEqual((body["expires"], body["role"], body["networks"]),
                             (expires, "readonly", ["127.0.0.0/8", "2001:db8::/48", "::1/128"]))
            self.assertEqual(body["expiresTS"] % 1000, 0)
        ms = int(time.time() + 50) * 1000 + 7
        made, _ = self.make(expires=ms)
        self.assertEqual(made["expiresTS"], ms - 7)

    def test_forms_and_queries(self):
        r = self.env.post("apikeys", "networks=127.0.0.1,10.0.0.0/8&role=readonly",
                          content_type="application/x-www-form-urlencoded")
        body = self.ok(r, 201)
        site.key_secrets.append((body["publicValue"], body["secretValue"]))
        self.assertEqual((body["networks"], body["role"]),
                         (["127.0.0.1/32", "10.0.0.0/8"], "readonly"))

    def test_refused_inputs(self):
        made, _ = self.make()
        before = self.read(made)
        cases = [("expires", v, "InvalidFormat")
                 for v in ("tomorrow", "now", "2030-13-01T00:00:00Z", "2030-02-30T00:00:00Z",
                           "2030-01-01", "-5", True, -5, 1.5,
                                                            10 ** 15, "2030-01-01T00:00:00",
                                                            "2030-01-01T00:00:00+0000", [], {},
                                                            [soon()])]
        cases += [("role", v, "InvalidOption") for v in ("", "owner", "admin", "READONLY",
                                                         "readonly ", "null", 1, True)]
        cases += [("role", v, "InvalidFormat") for v in ([], {}, ["readonly"])]
        cases += [("networks", v, "InvalidFormat") for v in ({}, "", 10, True, [""], [None], [8],
                                                             ["10.0.0.1/8"], ["10.0.0.0/33"], ["::/129"], ["10.0.0.0/8", "x"],
                                                              ["10.0.0.0/8,::1"], ["10.0.0"], ["localhost"], ["fe80::1%lo"], ["10.0.0.0/08"], "10.0.0.0/8,",
                                                              ["10.0.%d.0/24" % i
                                                               for i in range(33)],
                                                               [["10.0.0.0/8"]])]
        for name, value, code in cases:
            with self.subTest(name=name, value=str(value)[:40]):
                self.err(self.env.post("apikeys", {name: value}), 422, code, name)
                self.err(self.env.put("apikeys/" + made["id"], {"name": "changed", name: value}),
                         422, code, name)
        for value in (soon(-1), iso(5), 0, 1000):
            body = self.err(self.env.post("apikeys", {"expires": value}), 422, "InvalidFormat",
                            "expires")
            self.assertIn("future", body["detail"])
        self.assertEqual(self.read(made), before)

    def test_read_only_fields_are_ignored(self):
        made, client = self.make(lastUsed=soon(), lastUsedAddress="192.0.2.1")
        self.assertIsNone(made["lastUsed"])
        body = self.ok(self.env.put("apikeys/" + made["id"],
                                    {"lastUsed": soon(), "lastUsedAddress": "192.0.2.1",
                                     "lastUsedTS": 5}))
        self.assertEqual((body["lastUsed"], body["lastUsedAddress"]), (None, None))

    def test_a_whole_resource_can_be_sent_back(self):
        made, client = self.make(expires=soon(), role="readonly", networks=["127.0.0.0/8"])
        self.ok(client.get("apikeys"))
        body = self.used(made)
        self.assertEqual(self.ok(self.env.put("apikeys/" + made["id"], body)), body)

    def test_filters_and_sorting(self):
        project = site.project()
        a, _ = self.make(project.env, name="a", expires=soon(100))
        b, _ = self.make(project.env, name="b", expires=soon(200), role="readonly")
        for query, wanted in (("role=readonly", [b]), ("role_null=1&name_notnull=1&name_ne=key",
                                                       [a]), ("expires_lt=" + soon(150), [a]),
                              ("expires_gt=" + soon(150), [b]), ("expires_notnull=1&sort=expires&order=desc", [b, a]), ("lastUsed_null=1", [a, b]),
                              ("lastUsedAddress=127.0.0.1&name_ne=key", []),
                              ("expires_lt=now", [])):
            self.assertEqual(self.ids(project.env.get("apikeys?" + query)),
                             [k["id"] for k in wanted], query)

    def test_the_command_line(self):
        lines = site.cli("key", "create", "--state-dir", site.state, "--account", self.own.id,
                         "--name", "cli", "--expires", "2d", "--role", "readonly",
                         "--networks", "127.0.0.1,2001:db8::/32").splitlines()
        key = tuple(line.split("=", 1)[1] for line in lines)
        site.key_secrets.append(key)
        client = Client(site, key, self.own.root)
        body = self.ok(client.get("apikeys?publicValue=" + key[0]))["data"][0]
        self.assertEqual((body["role"], body["networks"]),
                         ("readonly", ["127.0.0.1/32", "2001:db8::/32"]))
        self.assertLess(abs(body["expiresTS"] / 1000 - time.time() - 2 * 86400), 60)
        body = self.used(body)
        row = [line for line in site.cli("key", "list", "--state-dir", site.state).splitlines()
               if key[0] in line]
        self.assertEqual(len(row), 1)
        for part in (body["expires"], body["lastUsed"], "127.0.0.1", "readonly"):
            self.assertIn(part, row[0])
        self.assertNotIn(key[1], row[0])
        for option, value, field in (("--expires", "soon", "expires"),
                                     ("--expires", "2001-01-01T00:00:00Z", "expires"), ("--role", "admin", "role"),
                                     ("--networks", "10.0.0.1/8", "networks")):
            done = site.cli("key", "create", "--state-dir", site.state, "--account", self.own.id,
                            option, value, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^regcred: Invalid(Format|Option): %s" % field)


class Bounds(Base):
    def refused(self, client):
        """The whole answer but what differs each time."""
        r = client.get("apikeys")
        self.err(r, 401, "Unauthorized")
        return re.sub(rb'"id":"[0-9a-f-]+"', b"", r.body), sorted((k, v) for k, v in r.headers
                                                                  if k != "Date")

    def test_a_key_expires(self):
        made, client = self.make(expires=soon(2))
        self.ok(client.get("apikeys"))
        harness.wait_until(lambda: time.time() >= made["expiresTS"] / 1000)
        self.err(client.get("apikeys"), 401, "Unauthorized")
        self.assertEqual(self.read(made)["state"], "active")
        self.ok(self.env.put("apikeys/" + made["id"], {"expires": soon()}))
        self.ok(client.get("apikeys"))
        self.ok(self.env.put("apikeys/" + made["id"], {"expires": iso(1)}))
        self.err(client.get("apikeys"), 401, "Unauthorized")
        self.ok(self.env.put("apikeys/" + made["id"], {"expires": None}))
        self.ok(client.get("apikeys"))

    def test_a_key_works_in_its_networks(self):
        for networks, works in ((["127.0.0.1"], True), (["10.0.0.0/8", "127.0.0.0/8"], True),
                                (["0.0.0.0/0"], True), (["::ffff:127.0.0.0/104"], True),
                                (["10.0.0.0/8"], False), (["127.0.0.2/32"], False),
                                (["::/0"], False), (["::1"], False)):
            made, client = self.make(networks=networks)
            self.status(client.get("apikeys"), 200 if works else 401)
            if works:
                self.used(made)
            self.assertEqual(self.read(made)["lastUsed"] is not None, works)
        forged = client.get("apikeys", headers=[("X-Forwarded-For", "::1"), ("X-Real-IP", "::1"),
                                                ("Remote-Addr", "::1"), ("REMOTE_ADDR", "::1")])
        self.err(forged, 401, "Unauthorized")
        self.ok(self.env.put("apikeys/" + made["id"], {"networks": None}))
        self.ok(client.get("apikeys"))

    def test_all_refusals_are_equal(self):
        secret = "wrong" + self.env.key[1][5:]
        ended, inactive = self.make(expires=soon()), self.make()
        self.ok(self.env.put("apikeys/" + ended[0]["id"], {"expires": iso(5)}))
        self.status(self.env.action("apikeys/" + inactive[0]["id"], "deactivate"), 202)
        removed = self.make()
        self.status(self.env.action("apikeys/" + removed[0]["id"], "deactivate"), 202)
        self.status(self.env.action("apikeys/" + removed[0]["id"], "remove"), 202)
        clients = [Client(site, ("0" * 20, secret), self.env.root),
                   Client(site, (self.env.key[0], secret), self.env.root), ended[1],
                   self.make(networks=["10.0.0.0/8"])[1], inactive[1], removed[1],
                   Client(site, (ended[1].key[0], secret), self.env.root)]
        answers = [self.refused(client) for client in clients]
        for answer in answers[1:]:
            self.assertEqual(answer, answers[0])

    def test_who_may_bind_a_key(self):
        """Each role that writes keys."""
        for role in ("superadmin", "service", "admin", "user", "owner", "projectadmin", "project"):
            made, client = self.make(who[role], expires=soon(), networks=["127.0.0.0/8"],
                                     role="readonly")
            self.assertEqual((made["role"], made["networks"]), ("readonly", ["127.0.0.0/8"]), role)
            self.ok(client.get("apikeys"))
            later = soon(7200)
            self.assertEqual(self.ok(who[role].put("apikeys/" + made["id"], {"expires": later}))[
                "expires"], later, role)
            self.status(client.post("apikeys", {}), 405)
        for role in ("owner", "member", "restricted"):
            made, client = self.make(who[role].at(self.own.root), expires=soon(), role="readonly")
            self.assertEqual(made["accountId"], self.own.id)
        for client in (who["readAdmin"], who["readonly"].at(self.own.root)):
            self.err(client.post("apikeys", {"role": "readonly"}), 405, "Method not allowed")

    def test_a_role_only_becomes_narrower(self):
        made, client = self.make()
        self.ok(client.put("apikeys/" + made["id"], {"name": "whole"}))
        self.assertEqual(self.ok(client.put("apikeys/" + made["id"], {"role": "readonly"}))["role"],
                         "readonly")
        self.err(client.put("apikeys/" + made["id"], {"name": "x"}), 405, "Method not allowed")
        for caller in (self.env, site.admin, who["superadmin"]):
            self.err(caller.put("apikeys/" + made["id"], {"role": None}), 422, "InvalidOption",
                     "role")
            self.assertEqual(
                self.ok(caller.put("apikeys/" + made["id"], {"role": "readonly", "name": "still"}))[
                    "role"], "readonly")

    def test_a_key_makes_no_key_that_may_do_more(self):
        expires = soon()
        made, client = self.make(expires=expires, networks=["127.0.0.0/8", "10.0.0.0/8"])
        for body in ({}, {"expires": None, "networks": None}):
            child, _ = self.make(client, **body)
            self.assertEqual((child["expires"], child["networks"]),
                             (expires, ["127.0.0.0/8", "10.0.0.0/8"]))
        child, narrow = self.make(client, expires=soon(60), networks=["127.0.0.1"], role="readonly")
        self.assertEqual((child["networks"], child["role"]), (["127.0.0.1/32"], "readonly"))
        self.err(narrow.post("apikeys", {"role": "readonly"}), 405, "Method not allowed")
        for name, value in (("expires", soon(7200)), ("networks", ["0.0.0.0/0"]),
                            ("networks", ["127.0.0.1", "11.0.0.0/8"])):
            self.err(client.post("apikeys", {name: value}), 422, "InvalidOption", name)
        for name, value in (("expires", None), ("expires", soon(7200)), ("networks", None),
                            ("networks", ["127.0.0.0/8", "::/0"])):
            for target in (made, child):
                self.err(client.put("apikeys/" + target["id"], {name: value}), 422, "InvalidOption",
                         name)
        self.assertEqual(self.read(made)["expires"], expires)
        self.ok(client.put("apikeys/" + made["id"],
                           {"expires": soon(600), "networks": ["127.0.0.1"]}))
        # An administrator's, for another account too.
        admins, bounded = self.make(site.admin, expires=expires)
        other, _ = self.make(bounded, accountId=self.own.id)
        self.assertEqual((other["expires"], other["accountId"]), (expires, self.own.id))
        self.err(bounded.post("apikeys", {"accountId": who["ids"]["user"], "expires": soon(7200)}),
                 422, "InvalidOption", "expires")


class Readonly(Base):
    TYPES = ("registries", "registrycredentials", "apikeys", "passwords", "credentials",
             "storagepools", "projects", "accounts", "projectmembers")

    def rows(self):
        registry = self.own.registry()
        cred = self.own.credential(registry)
        off = self.own.credential(registry)
        self.status(self.env.action("registrycredentials/" + off["id"], "deactivate"), 202)
        key, _ = self.make()
        password = self.ok(self.env.post("passwords", {"publicValue": "p" + key["publicValue"],
                                                       "secretValue": site.plant()}), 201)
        return {"registries": [registry["id"]], "registrycredentials": [cred["id"], off["id"]],
                "apikeys": [key["id"]], "passwords": [password["id"]],
                "credentials": [cred["id"], key["id"]], "storagepools": [registry["id"]], "projects": [self.own.id], "accounts": [self.own.id, "1a1"],
                "projectmembers": []}

    def plain(self, body):
        """An answer without what says what the caller may do, see inside or has just done."""
        if isinstance(body, list):
            return [self.plain(item) for item in body]
        if not isinstance(body, dict):
            return body
        # createTypes and actions say what may be done; the secret is for its readers; these columns
        # for operators.
        hidden = {"actions", "createTypes", "secretValue", "data", "removeTime", "removeTimeTS",
                  "lastUsed", "lastUsedTS", "lastUsedAddress", "allowSystemRole",
                  "externalId", "externalIdType", "identity", "agentId", "external", "physicalTotalSizeMb", "virtualTotalSizeMb", "zoneId", "registryId",
                  "accountId", "next", "auditLogs"}
        if body.get("type") == "collection":
            hidden = hidden - {"data"}
        return {name: self.plain(value) for name, value in body.items() if name not in hidden}

    def compare(self, whole, reader, path):
        a, b = whole.get(path), reader.get(path)
        self.assertEqual(a.status, b.status, "%s: %r %r" % (path, a, b))
        if a.status == 200:
            left, right = self.plain(a.json), self.plain(b.json)
            if path.split("/")[0] in ("projects", "accounts"):
                left.pop("links", None), right.pop("links", None)
            self.assertEqual(left, right, path)
            for secret in [s for _, s in site.key_secrets] + [harness.PLANT]:
                self.assertNotIn(secret.encode(), b.body, path)
            for item in b.json["data"] if b.json["type"] == "collection" else [b.json]:
                self.assertEqual(item.get("actions"), {}, path)
                self.assertIsNone(item.get("secretValue"), path)

    def check_account(self, whole, rows):
        key, reader = self.make(whole, role="readonly")
        for kind in self.TYPES:
            paths = ["%s?limit=-1" % kind] + ["%s/%s" % (kind, row) for row in rows[kind]]
            for row in rows[kind]:
                links = ["account", "registry", "credentials", "storagepools", "projectmembers",
                         "project", "nosuch"]
                paths += ["%s/%s/%s" % (kind, row, link) for link in links] + [
                    "%s/%s?include=%s" % (kind, row, link) for link in links[:3]]
            for path in paths:
                with self.subTest(path=path):
                    self.compare(whole, reader, path)
        self.check_writes(reader, dict(rows, apikeys=rows["apikeys"] + [key["id"]]))
        doc = {d["id"]: d for d in self.ok(reader.get("schemas"))["data"]}
        self.assertNotIn("handOut", doc)
        doc.pop("imageLogin")                            # a question changes nothing
        # one begins a session of the key itself, which may no more
        doc.pop("session")
        for item in doc.values():
            self.assertLessEqual(set(item["collectionMethods"] + item["resourceMethods"]), {"GET"},
                                 item["id"])
            self.assertEqual([n for n, f in item["resourceFields"].items() if f["create"]
                              or f["update"]
                              if item["id"] not in ("setProjectMembersInput", "registryTestInput")],
                              [], item["id"])

    def check_writes(self, reader, rows):
        bodies = {"registries": {"serverAddress": "w.example.test"},
                  "registrycredentials": {"registryId": rows["registries"][0], "email": "e"},
                  "apikeys": {"role": "readonly"},
                  "passwords": {"publicValue": "x", "secretValue": "y"}, "projects": {"name": "x"},
                  "accounts": {"kind": "user"}}
        before = site.snapshot()
        for kind in self.TYPES:
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                self.status(reader.request(method, kind, bodies.get(kind, {}), proxy=True), 404,
                            405)
            for row in rows[kind]:
                path = kind + "/" + row
                for body in ({"name": "x"}, {"expires": None}, {"role": None}, {"networks": None},
                             {"secretValue": site.plant()}, {"kind": "superadmin"}, {}):
                    self.status(reader.put(path, body), 404, 405)
                self.status(reader.delete(path), 404, 405)
                self.status(reader.request("POST", path + "?_method=DELETE"), 404, 405)
                self.status(reader.request("POST", path + "?_method=PUT", {"name": "x"}), 404, 405)
                for action in ("activate", "create", "deactivate", "delete", "purge", "remove",
                               "restore", "setmembers", "update", "nosuch"):
                    self.status(reader.action(path, action,
                                              {"members": [{"externalId": "1a1",
                                                            "role": "owner"}]}), 404, 405, 422)
        self.assertEqual(site.snapshot(), before)

    def test_in_a_project(self):
        rows = self.rows()
        for role in ("project", "owner", "member", "restricted"):
            with self.subTest(role=role):
                whole = who[role].at(self.own.root)
                # a key of the account itself, used in the project
                if role != "project":
                    made, reader = self.make(who[role], role="readonly")
                    reader = reader.at(self.own.root)
                    self.check_writes(reader, rows)
                    for kind in self.TYPES:
                        self.compare(whole, reader, kind + "?limit=-1")
                else:
                    self.check_account(whole, rows)

    def test_unscoped(self):
        rows = self.rows()
        for role in ("owner", "user", "projectadmin", "admin", "service", "superadmin"):
            with self.subTest(role=role):
                self.check_account(who[role], rows)

    def test_scoped_administrators(self):
        rows = self.rows()
        for role in ("admin", "service", "superadmin", "projectadmin"):
            made, reader = self.make(who[role], role="readonly")
            self.check_writes(reader.at(self.own.root), rows)
            r = reader.at(self.own.root).get("registrycredentials/"
                                             + rows["registrycredentials"][0])
            self.assertIsNone(self.ok(r)["secretValue"])
            self.assertEqual(r.json["actions"], {})

    def test_foreign_stays_foreign(self):
        made, reader = self.make(role="readonly")
        foreign = who["foreign"].credential(who["foreign"].registry())
        self.err(reader.get("registrycredentials/" + foreign["id"]), 404, "Not Found")
        self.err(reader.at(who["foreign"].root).get("registries"), 403, "Forbidden")


class LastUse(Base):
    def test_at_most_once_a_minute(self):
        made, client = self.make()
        self.assertIsNone(self.read(made)["lastUsed"])
        self.ok(client.get("apikeys"))
        first = self.used(made)
        self.assertLess(abs(first["lastUsedTS"] / 1000 - time.time()), 5)
        number = int(made["id"][2:])
        site.sql("UPDATE credential SET last_used_address = 'mark' WHERE id = ?", (number,),
                 write=True)
        for _ in range(20):
            self.ok(client.get("registries"))
        self.assertEqual(self.read(made)["lastUsedAddress"], "mark")
        site.sql("UPDATE credential SET last_used = last_used - 61000 WHERE id = ?", (number,),
                 write=True)
        self.ok(client.get("registries"))
        self.assertGreaterEqual(self.used(made)["lastUsedTS"], first["lastUsedTS"])

    def test_refused_keys_are_not_used(self):
        made, client = self.make()
        self.err(Client(site, (made["publicValue"], "wrong"), self.env.root).get("apikeys"), 401,
                 "Unauthorized")
        self.assertIsNone(self.read(made)["lastUsed"])

    def test_many_first_uses_at_once(self):
        made, client = self.make()
        statuses = []

        def run():
            statuses.extend(client.get("registries").status for _ in range(5))
        threads = [threading.Thread(target=run) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(set(statuses), {200})
        self.assertIsNotNone(self.used(made)["lastUsed"])


class Ends(Base):
    def all_refused(self, client, count=100):
        statuses = []

        def run():
            one = Client(site, client.key, client.root)
            statuses.extend(one.get("registries", check=False).status for _ in range(count // 4))
        threads = [threading.Thread(target=run) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(statuses, [401] * count)

    def test_deactivated_removed_expired_and_moved_keys_end_in_every_worker(self):
        for how in ("deactivate", "revoke", "expires", "networks", "account"):
            with self.subTest(how=how):
                if how == "account":
                    account = site.cli_account("user", "leaves")
                    client = Client(site, site.cli_key(account))
                    made = None
                else:
                    made, client = self.make()
                for _ in range(16):
                    self.ok(client.get("registries"))
                if how == "deactivate":
                    self.status(self.env.action("apikeys/" + made["id"], "deactivate"), 202)
                elif how == "revoke":
                    site.cli("key", "revoke", "--state-dir", site.state, made["publicValue"])
                elif how == "account":
                    self.status(site.admin.action("accounts/" + account, "deactivate"), 202)
                else:
                    self.ok(self.env.put("apikeys/" + made["id"],
                                         {how: iso(5) if how == "expires" else ["10.0.0.0/8"]}))
                self.all_refused(client)

    def test_a_role_is_narrowed_in_every_worker(self):
        made, client = self.make()
        for _ in range(16):
            self.ok(client.put("apikeys/" + made["id"], {"name": "n"}))
        self.ok(self.env.put("apikeys/" + made["id"], {"role": "readonly"}))
        for _ in range(50):
            self.status(client.put("apikeys/" + made["id"], {"name": "n"}), 405)


class Limits(Base):
    """In the second site.  Every address of 127.0.0.0/8 is this machine, so that a test can be many
    clients."""

    def setUp(self):
        super().setUp()
        self.admin = limited.admin

    def tearDown(self):
        problems = limited.end_test()
        super().tearDown()
        self.assertEqual(problems, [])

    def client(self, key, address):
        return From(limited, key, address)

    def wrong(self, key=None):
        return (key[0] if key else "%020X" % id(object()), "wrong")

    def test_a_key_waits_where_it_failed_and_works_elsewhere(self):
        made, client = self.make(self.admin)
        key = client.key
        here, there = self.client(self.wrong(key), "127.0.1.1"), self.client(key, "127.0.1.2")
        began = time.time()
        statuses = [here.get("registries").status for _ in range(FAILURES // 2 + 8)]
        if time.time() - began < WINDOW_S - 0.5:
            self.assertEqual(statuses, [401] * (FAILURES // 2) + [429] * 8)
            r = here.get("registries")
            body = self.err(r, 429, "Too Many Requests")
            self.assertEqual(body["message"], "Too Many Requests")
            self.assertTrue(1 <= int(r.header("Retry-After")) <= WINDOW_S)
            self.assertIsNone(r.header("WWW-Authenticate"))
            self.err(self.client(key, "127.0.1.1").get("registries"), 429, "Too Many Requests")
            self.ok(self.client(limited.admin.key, "127.0.1.1").get("registries"))
        self.ok(there.get("registries"))
        time.sleep(WINDOW_S + 0.1)
        self.ok(self.client(key, "127.0.1.1").get("registries"))
        self.err(here.get("registries"), 401, "Unauthorized")

    def test_an_address_waits_whatever_the_keys(self):
        began = time.time()
        statuses = []
        for i in range(FAILURES + 5):
            statuses.append(self.client(("%020X" % i, "wrong"),
                                        "127.0.2.1").get("registries").status)
        if time.time() - began < WINDOW_S - 0.5:
            self.assertEqual(statuses, [401] * FAILURES + [429] * 5)
            self.err(self.client(self.admin.key, "127.0.2.1").get("registries"), 429,
                     "Too Many Requests")
            # Who sends no key has failed at nothing.
            self.err(self.client(None, "127.0.2.1").get("registries"), 401, "Unauthorized")
        self.ok(self.client(self.admin.key, "127.0.2.2").get("registries"))
        time.sleep(WINDOW_S + 0.1)
        self.ok(self.client(self.admin.key, "127.0.2.1").get("registries"))

    def test_no_key_is_no_failure(self):
        for _ in range(2 * FAILURES):
            self.err(self.client(None, "127.0.3.1").get("registries"), 401, "Unauthorized")
        self.ok(self.client(self.admin.key, "127.0.3.1").get("registries"))

    def test_success_is_not_counted(self):
        client = self.client(self.admin.key, "127.0.4.1")
        for _ in range(3 * FAILURES):
            self.ok(client.get("registries"))

    def test_expired_keys_and_other_networks_are_failures_too(self):
        made, client = self.make(self.admin, networks=["10.0.0.0/8"])
        began = time.time()
        statuses = [self.client(client.key, "127.0.5.1").get("registries").status
                    for _ in range(FAILURES // 2 + 2)]
        if time.time() - began < WINDOW_S - 0.5:
            self.assertEqual(statuses, [401] * (FAILURES // 2) + [429] * 2)

    def test_a_flood_takes_no_room_and_does_not_slow_others_out(self):
        tables = limited.snapshot()

        def run(n):
            for i in range(100):
                self.client(("%020X" % (n * 1000 + i), "wrong"), "127.%d.%d.%d"
                            % (7 + n, i, i)).get("registries", check=False)
        threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            self.ok(self.client(self.admin.key, "127.0.6.1").get("registries"))
            t.join()
        self.assertEqual(limited.snapshot(), tables)

    def test_workers_that_are_replaced_still_count(self):
        limited.deaths_allowed = True
        began = time.time()
        statuses = [self.client(("%020X" % i, "wrong"), "127.0.9.1").get("registries").status
                    for i in range(FAILURES)]
        self.assertEqual(statuses, [401] * FAILURES)
        before = set(limited.children())
        os.kill(limited.pool.pid, signal.SIGHUP)
        harness.wait_until(lambda: not before & set(limited.children()), 3)
        if time.time() - began < WINDOW_S - 0.5:
            self.err(self.client(("A" * 20, "wrong"), "127.0.9.1").get("registries"), 429,
                     "Too Many Requests")
        limited.remember_children()


class From(Client):
    """A client with an address of its own; each request is a connection of its own, so that all
    workers are asked."""

    def __init__(self, of, key, address):
        super().__init__(of, key)
        self.address = address

    def connection(self):
        made = harness.Connection(self.site.port)
        made.sock = harness.socket.create_connection(("127.0.0.1", self.site.port), timeout=30,
                                                     source_address=(self.address, 0))
        self.site.connections.add(made)
        return made
