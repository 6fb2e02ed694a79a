"""The audit log: a row for each change and each secret that is shown, nothing of a secret in it, and a chain that holds whatever happens."""

import collections
import json
import os
import shutil
import signal
import sqlite3
import threading
import time

import harness
from harness import Client

NO_STATE = ("transitioning", "state")

site = None
who = {}


def setUpModule():
    global site
    site = harness.Site(workers=2, threads=8, options=("--auth-failures", "0"))
    site.start()
    ids = {}
    for role in ("owner", "member", "readonly"):
        ids[role], who[role] = site.account("user", role)
    for kind in ("superadmin", "service", "readAdmin", "projectadmin", "user"):
        ids[kind], who[kind] = site.account(kind)
    members = [("1a1", "owner")] + [(ids[r], r) for r in ("owner", "member", "readonly")] + [(ids["projectadmin"], "owner")]
    who.update({"admin": site.admin, "ids": ids, "own": site.project(members=members), "foreign": site.project()})
    who["project"] = who["own"].env


def tearDownModule():
    site.stop()


class Base(harness.Case):
    def setUp(self):
        super().setUp()
        self.own, self.env = who["own"], who["own"].env
        self.mark = self.last()

    def last(self):
        return site.sql("SELECT ifnull(max(id), 0) FROM audit_log")[0][0]

    def rows(self, columns="event_type, resource_type, resource_id"):
        """What was added since the last look, oldest first."""
        rows = site.sql("SELECT %s FROM audit_log WHERE id > ? ORDER BY id" % columns, (self.mark,))
        self.mark = self.last()
        return rows

    def one(self, event, kind, row_id, account=None, status=None, actor=None):
        """Exactly one row was added, and says this; its changes."""
        rows = self.rows("event_type, resource_type, resource_id, account_id, response_code, actor_id, auth_type, client_ip, request_id, changes, created")
        self.assertEqual(len(rows), 1, rows)
        row = rows[0]
        self.assertEqual(row[:3], (event, kind, row_id))
        self.assertEqual(row[3], int((account or self.own.id)[2:]))
        self.assertEqual(row[4], status)
        if status is not None:
            self.assertEqual(row[6:8], ("key", "127.0.0.1"))
            self.assertTrue(row[8])
        if actor:
            self.assertEqual(row[5], int(actor[2:]))
        self.assertLess(abs(row[10] / 1000 - time.time()), 600)
        changes = json.loads(row[9]) if row[9] else None
        if event == "create":
            self.assertEqual(changes.pop("state"), {"new": "active", "passed": ["requested", "registering", "activating"]})
        elif "state" in (changes or {}):
            passed = changes["state"].pop("passed")
            self.assertTrue(passed and all(state == "inactive" or state.endswith("ing") or state.startswith("updating") for state in passed))
        return changes

    def verify(self, *words, state=None):
        return site.cli("audit", "verify", "--state-dir", state or site.state, *words, check=False)

    def right(self, *words, state=None):
        done = self.verify(*words, state=state)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("intact: rows", done.stdout)
        return done.stdout


class Writes(Base):
    def test_registry(self):
        row = self.own.registry(name="r", serverAddress="w.example.test")
        path = "registries/" + row["id"]
        self.assertEqual(self.one("create", "registry", row["id"], status=201, actor=self.own.id),
                         {"accountId": {"new": self.own.id}, "name": {"new": "r"}, "serverAddress": {"new": "w.example.test"}})
        self.ok(self.env.put(path, {"name": "s", "description": "d"}))
        self.assertEqual(self.one("update", "registry", row["id"], status=200),
                         {"name": {"old": "r", "new": "s"}, "description": {"old": None, "new": "d"}})
        for action, old, new in (("deactivate", "active", "inactive"), ("activate", "inactive", "active"), ("deactivate", "active", "inactive"),
                                 ("remove", "inactive", "removed"), ("purge", "removed", "purged")):
            self.ok(self.env.action(path, action), 202)
            self.assertEqual(self.one(action, "registry", row["id"], status=202), {"state": {"old": old, "new": new}})

    def test_equal_updates_are_one_row_with_a_count(self):
        """By one key to one row within a minute; what differs has a row of its own, and the chain stays whole."""
        row = self.own.credential(self.own.registry())
        path = "registrycredentials/" + row["id"]
        counts = lambda: [r[0] for r in site.sql("SELECT attempts FROM audit_log WHERE resource_id = ? AND event_type = 'update' ORDER BY id", (row["id"],))]
        for _ in range(40):
            self.ok(self.env.put(path, {"description": "the same"}))
        self.assertEqual(counts(), [40])
        other = harness.Client(self.site, site.new_key(self.own.admin), self.own.root)
        for client in (other, self.env, other):
            self.ok(client.put(path, {"description": "the same"}))
        self.assertEqual(counts(), [40, 1, 1, 1])
        for text in ("a", "b", "a", "b"):
            self.ok(self.env.put(path, {"description": text}))
        self.assertEqual(counts(), [40, 1, 1, 1, 1, 1, 1, 1])
        self.right()
        shown = self.ok(self.env.get("auditlogs?resourceId=%s&eventType=update&sort=id&limit=1" % row["id"]))["data"][0]
        self.assertEqual((shown["attempts"], json.loads(shown["changes"])), (40, {"description": {"old": None, "new": "the same"}}))

    def test_credential(self):
        registry = self.own.registry()
        self.rows()
        row = self.own.credential(registry, name="c", publicValue="u", email="e@x")
        path = "registrycredentials/" + row["id"]
        self.assertEqual(self.one("create", "registryCredential", row["id"], status=201),
                         {"accountId": {"new": self.own.id}, "name": {"new": "c"}, "publicValue": {"new": "u"}, "registryId": {"new": registry["id"]},
                          "secretValue": {"secret": True}, "email": {"new": "e@x"}})
        self.ok(self.env.put(path, {"secretValue": site.plant(), "publicValue": "v"}))
        self.assertEqual(self.one("update", "registryCredential", row["id"], status=200),
                         {"publicValue": {"old": "u", "new": "v"}, "secretValue": {"secret": True}, "secretVersion": {"old": 1, "new": 2}})
        self.ok(self.env.put(path, {"name": "c"}))       # a write that changes nothing is counted in the row before it
        self.assertEqual(self.rows(), [])
        self.ok(self.env.put(path, {"nosuch": "c"}))     # no write
        self.assertEqual(self.rows(), [])
        self.ok(self.env.action(path, "deactivate"), 202)
        self.rows()
        self.ok(self.env.delete(path))
        self.assertEqual(self.one("delete", "registryCredential", row["id"], status=200), {"state": {"old": "inactive", "new": "removed"}})
        self.ok(self.env.delete(path))                   # again: nothing happens
        self.assertEqual(self.rows(), [])

    def test_keys(self):
        made = self.ok(self.env.post("apikeys", {"name": "k", "networks": ["127.0.0.0/8"], "expires": "2099-01-01T00:00:00Z"}), 201)
        site.key_secrets.append((made["publicValue"], made["secretValue"]))
        self.assertEqual(self.one("create", "apiKey", made["id"], status=201),
                         {"accountId": {"new": self.own.id}, "name": {"new": "k"}, "publicValue": {"new": made["publicValue"]}, "secretValue": {"secret": True},
                          "expires": {"new": "2099-01-01T00:00:00Z"}, "madeBy": {"new": "1a1"}, "networks": {"new": "127.0.0.0/8"}})
        # Who asks with it is told by its id; its last use is no row.
        self.ok(Client(site, (made["publicValue"], made["secretValue"]), self.own.root).put("apikeys/" + made["id"], {"name": "l"}))
        key = int(made["id"][2:])
        self.assertEqual(self.rows("event_type, key_id"), [("update", key)])
        out = site.cli("key", "revoke", "--state-dir", site.state, made["publicValue"])
        self.assertIn(made["id"], out)
        self.assertEqual(self.rows("event_type, resource_id, auth_type, response_code"),
                         [("deactivate", made["id"], "command", None), ("remove", made["id"], "command", None)])
        password = self.ok(self.env.post("passwords", {"publicValue": "p" + made["publicValue"], "secretValue": site.plant()}), 201)
        self.assertIn("secretValue", self.one("create", "password", password["id"], status=201))

    def test_accounts(self):
        row = self.ok(site.admin.post("accounts", {"name": "n", "kind": "user"}), 201)
        self.assertEqual(self.one("create", "account", row["id"], account=row["id"], status=201, actor="1a1"), {"name": {"new": "n"}, "kind": {"new": "user"}})
        self.ok(site.admin.put("accounts/" + row["id"], {"kind": "admin"}))
        self.assertEqual(self.one("update", "account", row["id"], account=row["id"], status=200), {"kind": {"old": "user", "new": "admin"}})
        made = site.cli_account("user", "by command")
        self.assertEqual(self.rows("event_type, resource_id, auth_type, response_code, client_ip"), [("create", made, "command", None, None)])

    def test_projects_and_members(self):
        member, other = who["ids"]["member"], who["ids"]["owner"]
        row = self.ok(site.admin.post("projects", {"name": "p", "members": [{"externalId": member, "externalIdType": "rancher_id", "role": "member"}]}), 201)
        path = "/v1/projects/" + row["id"]
        entry = {"externalIdType": "rancher_id"}
        self.assertEqual(self.one("create", "project", row["id"], account="1a1", status=201)["members"],
                         {"old": [], "new": [dict(entry, externalId=member, role="member"), dict(entry, externalId="1a1", role="owner")]})
        members = [{"externalId": "1a1", "externalIdType": "rancher_id", "role": "owner"}, {"externalId": other, "externalIdType": "rancher_id", "role": "readonly"}]
        self.status(site.admin.action(path, "setmembers", {"members": members}), 202)
        self.assertEqual(self.one("setmembers", "project", row["id"], account=row["id"], status=202),
                         {"members": {"old": [dict(entry, externalId=member, role="member")], "new": [dict(entry, externalId=other, role="readonly")]}})
        self.ok(site.admin.delete(path))
        self.assertEqual(self.one("delete", "project", row["id"], account=row["id"], status=200), {"state": {"old": "active", "new": "removed"}})

    def test_what_goes_with_it_has_its_own_row(self):
        registry = self.own.registry()
        creds = [self.own.credential(registry)["id"] for _ in range(3)]
        for action in ("deactivate", "remove"):
            self.ok(self.env.action("registries/" + registry["id"], action), 202)
        self.rows()
        self.ok(self.env.action("registries/" + registry["id"], "purge"), 202)
        self.assertEqual(self.rows(), [("remove", "registryCredential", cred) for cred in creds] + [("purge", "registry", registry["id"])])

    def test_the_sweep(self):
        registry = self.own.registry()
        row = self.own.credential(registry)
        for action in ("deactivate", "remove"):
            self.ok(self.env.action("registrycredentials/" + row["id"], action), 202)
        self.rows()
        site.set_state("credential", row["id"], "removed", removed=1000, remove_time=2000)
        site.cli("sweep", "--state-dir", site.state)
        self.assertEqual(self.rows("event_type, resource_id, actor_id, auth_type, response_code, account_id"),
                         [("purge", row["id"], None, "housekeeper", None, int(self.own.id[2:]))])

    def test_what_is_refused_leaves_no_row(self):
        registry = self.own.registry()
        self.rows()
        self.status(self.env.post("registries", {"serverAddress": registry["serverAddress"]}), 400)
        self.status(self.env.post("registries", {}), 422)
        self.status(self.env.post("registrycredentials", {"registryId": "1sp999", "email": "e"}), 422)
        self.status(self.env.put("registries/1sp999", {"name": "x"}), 404)
        self.status(self.env.delete("registries/" + registry["id"]), 405)
        self.status(self.env.action("registries/" + registry["id"], "activate"), 422)
        self.status(who["readonly"].at(self.own.root).put("registries/" + registry["id"], {"name": "x"}), 405)
        self.status(self.env.request("POST", "registries", "{", content_type="application/json"), 400)
        self.assertEqual(self.rows(), [])

    def test_long_texts_are_cut(self):
        row = self.own.credential(self.own.registry(), publicValue="\u00e9" * 4000)
        text = json.loads(self.rows("changes")[-1][0])["publicValue"]["new"]
        self.assertEqual(text, "\u00e9" * 255 + "\u2026")
        self.assertIsNotNone(row)


class Secrets(Base):
    def test_each_secret_that_is_shown_is_a_row(self):
        registry = self.own.registry()
        made = [self.own.credential(registry) for _ in range(3)]
        ids, secrets = [m["id"] for m in made], [m["secretValue"] for m in made]
        reader = who["projectadmin"].at(self.own.root)
        self.rows()
        paths = {"registrycredentials/%s" % ids[0]: 1, "registrycredentials?registryId=%s" % registry["id"]: 3,
                 "registries/%s/credentials" % registry["id"]: 3, "registries/%s?include=credentials" % registry["id"]: 3}
        for path, count in paths.items():
            for client in (reader, who["superadmin"]):
                body = self.status(client.get(path), 200).text
                self.assertEqual([s for s in secrets if s in body], secrets[:count], path)
                self.assertEqual(self.rows("event_type, resource_type, resource_id, account_id, response_code, changes"),
                                 [("readSecret", "registryCredential", i, int(self.own.id[2:]), 200, None) for i in ids[:count]], path)
        for client in (self.env, site.admin, who["owner"].at(self.own.root), who["readAdmin"]):
            self.assertIsNone(self.ok(client.get("registrycredentials/" + ids[0]))["secretValue"])
        self.assertEqual(self.rows(), [])
        # A change whose answer shows it: both, and the row names who asked.
        self.assertEqual(self.ok(reader.put("registrycredentials/" + ids[0], {"name": "n"}))["secretValue"], secrets[0])
        self.assertEqual(self.rows("event_type, resource_id, actor_id"), [(event, ids[0], int(who["ids"]["projectadmin"][2:])) for event in ("update", "readSecret")])

    def test_no_record_no_secret(self):
        """With a head that nothing can be written behind: no change, no secret, and everything else goes on."""
        row = self.own.credential(self.own.registry())
        path = "registrycredentials/" + row["id"]
        head = site.sql("SELECT * FROM audit_segment ORDER BY id DESC LIMIT 1")[0]
        site.sql("UPDATE audit_segment SET mac = zeroblob(32) WHERE id = ?", (head[0],), write=True)
        before = site.snapshot()
        for client in (who["projectadmin"].at(self.own.root), who["superadmin"]):
            for target in (path, "registrycredentials", path + "?include=registry"):
                answer = self.status(client.get(target), 503)
                self.assertNotIn(row["secretValue"], answer.text)
        self.assertEqual(self.ok(self.env.get(path))["id"], row["id"])
        self.status(self.env.put(path, {"name": "x"}), 503)
        self.status(self.env.post("registries", {"serverAddress": "n.example.test"}), 503)
        self.status(self.env.action(path, "deactivate"), 503)
        self.assertEqual(site.snapshot(), before)
        done = self.verify()
        self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (1, "WRONG: segment %d is altered" % head[0]))
        self.assertNotEqual(site.cli("audit", "restart", "--state-dir", site.state, check=False).returncode, 0, "a reason must be given")
        site.cli("audit", "restart", "--state-dir", site.state, "--reason", "a test broke it")
        self.assertEqual(self.ok(who["superadmin"].get(path))["secretValue"], row["secretValue"])
        self.assertIn("given up: a test broke it", self.right())

    def test_no_secret_in_any_row(self):
        """What was planted, as text, and the hashes that are stored of it."""
        row = self.own.credential(self.own.registry())
        self.ok(who["superadmin"].get("registrycredentials/" + row["id"]))
        text = repr(site.sql("SELECT * FROM audit_log")).encode()
        for needle in site.needles + [form for _, secret in site.key_secrets for form in harness.forms(secret)]:
            self.assertNotIn(needle, text)
        for value, in site.sql("SELECT secret_value FROM credential WHERE secret_value IS NOT NULL"):
            self.assertNotIn(value.hex().encode(), text)
            self.assertNotIn(repr(value)[2:-1].encode(), text)


class Reading(Base):
    def test_who_sees_which_rows(self):
        mine, foreign = self.own.registry(), who["foreign"].registry()
        rows = {row: i for i, row in site.sql("SELECT id, resource_id FROM audit_log WHERE event_type = 'create' AND resource_type = 'registry'")}
        mine_id, foreign_id = "1al%d" % rows[mine["id"]], "1al%d" % rows[foreign["id"]]
        root = self.own.root
        nobody = site.sql("SELECT min(id) FROM audit_log WHERE account_id IS NULL")[0][0]
        for client in (site.admin, who["superadmin"], who["readAdmin"]):
            for row in (mine_id, foreign_id, "1al%d" % nobody):
                self.ok(client.get("/v1/auditlogs/" + row))
        for client in (self.env, self.env.at("/v1"), who["owner"].at(root), who["projectadmin"].at(root), site.admin.at(root), who["superadmin"].at(root)):
            self.ok(client.get("auditlogs/" + mine_id))
            for row in (foreign_id, "1al%d" % nobody, "1al99999999", "1al0", "1c1"):
                self.err(client.get("auditlogs/" + row), 404, "Not Found")
            listed = self.ok(client.get("auditlogs?limit=-1"))["data"]
            self.assertIn(mine_id, [item["id"] for item in listed])
            self.assertEqual({item["accountId"] for item in listed}, {self.own.id})
        for client in (who["member"].at(root), who["readonly"].at(root), who["readAdmin"].at(root), who["user"], who["owner"], who["service"]):
            self.err(client.get("auditlogs"), 404, "Not Found")
            self.err(client.get("auditlogs/" + mine_id), 404, "Not Found")
        # Unscoped a projectadmin sees what is its own account's, not what is its projects'.
        self.assertLessEqual({i["accountId"] for i in self.ok(who["projectadmin"].get("auditlogs?limit=-1"))["data"]}, {who["ids"]["projectadmin"]})
        self.err(who["projectadmin"].get("auditlogs/" + mine_id), 404, "Not Found")

    def test_nobody_changes_it(self):
        row = self.ids(site.admin.get("auditlogs?limit=1"))[0]
        for client in (site.admin, who["superadmin"], self.env):
            self.status(client.post("auditlogs", {"eventType": "x"}), 405)
            self.status(client.put("auditlogs/" + row, {"eventType": "x"}), 404, 405)
            self.status(client.delete("auditlogs/" + row), 404, 405)
            self.status(client.action("auditlogs/" + row, "remove"), 404, 422)
        doc = {d["id"]: d for d in self.ok(site.admin.get("schemas"))["data"]}["auditLog"]
        self.assertEqual(doc["collectionMethods"] + doc["resourceMethods"], ["GET", "GET"])
        self.assertFalse([n for n, f in doc["resourceFields"].items() if f["create"] or f["update"]])

    def test_order_pages_and_filters(self):
        registry = self.own.registry()
        for i in range(12):
            self.ok(self.env.put("registries/" + registry["id"], {"name": "n%d" % i}))
        query = "auditlogs?resourceId=" + registry["id"]
        whole = self.ok(self.env.get(query))["data"]
        numbers = [int(item["id"][3:]) for item in whole]
        self.assertEqual(len(numbers), 13)
        self.assertEqual(numbers, sorted(numbers, reverse=True))
        self.assertEqual([int(i[3:]) for i in self.ids(self.env.get(query + "&order=asc"))], sorted(numbers))
        self.assertEqual([int(i[3:]) for i in self.ids(self.env.get(query + "&sort=created&order=asc"))], sorted(numbers))
        seen, url = [], query + "&limit=5"
        while url:
            page = self.ok(self.env.get(url))
            seen += [item["id"] for item in page["data"]]
            url = page["pagination"]["next"]
        self.assertEqual(seen, [item["id"] for item in whole])
        for extra, count in (("eventType=create", 1), ("eventType=update", 12), ("eventType_prefix=up", 12), ("resourceType=registry", 13),
                             ("resourceType=apiKey", 0), ("accountId=" + self.own.id, 13), ("accountId=1a1", 0), ("authenticatedAsAccountId=" + self.own.id, 13),
                             ("authenticatedAsAccountId=1a1", 0), ("responseCode=201", 1), ("responseCode_gte=200", 13),
                             ("attempts_gt=1", 0), ("keyId_null", 0), ("keyId_notnull", 13), ("proxyUser_null", 13), ("clientIp=127.0.0.1", 13),
                             ("created_lte=now", 13), ("created_gt=now", 0), ("requestId=" + whole[3]["requestId"], 1)):
            found = self.ids(self.env.get(query + "&" + extra))
            self.assertEqual(len(found), count, extra)
        self.assertEqual(whole[0]["changes"], '{"name":{"old":"n10","new":"n11"}}')
        self.assertFalse([name for name in NO_STATE if name in whole[0]])

    def test_command(self):
        registry = self.own.registry()
        self.ok(self.env.put("registries/" + registry["id"], {"name": "x\x1b[31m"}))
        lines = site.cli("audit", "list", "--state-dir", site.state, "--resource", registry["id"]).splitlines()[1:]
        self.assertEqual(len(lines), 2)
        self.assertIn(" update ", lines[0])
        self.assertIn(" create ", lines[1])
        self.assertNotIn("\x1b", lines[0])
        out = site.cli("audit", "list", "--state-dir", site.state, "--json", "--resource", registry["id"], "--event", "create").splitlines()
        self.assertEqual([json.loads(line)["resourceId"] for line in out], [registry["id"]])
        self.assertEqual(len(site.cli("audit", "list", "--state-dir", site.state, "--limit", "3").splitlines()), 4)
        self.assertEqual(len(site.cli("audit", "list", "--state-dir", site.state, "--json").splitlines()), self.last() - site.sql("SELECT min(id) FROM audit_log")[0][0] + 1)
        for words in (("list", "--limit", "0"), ("list", "--limit", "x"), ("verify", "--anchor", "x"), ("nosuch",)):
            self.assertNotEqual(site.cli("audit", *words, "--state-dir", site.state, check=False).returncode, 0, words)


class Chain(Base):
    def test_sixteen_writers_some_of_whom_fail(self):
        """Their transactions share commits: what fails takes its row and its link with it."""
        registry = self.own.registry()
        self.rows()
        results, lock = [], threading.Lock()

        def write(number):
            client = Client(site, self.env.key, self.own.root)
            for i in range(12):
                if (number + i) % 3 == 0:                # the address is taken: found in the transaction
                    r = client.post("registries", {"serverAddress": registry["serverAddress"]})
                elif (number + i) % 3 == 1:              # no such registry: likewise
                    r = client.post("registrycredentials", {"registryId": "1sp99999", "email": "e"})
                else:
                    r = client.post("registries", {"serverAddress": "w%d-%d.example.test" % (number, i)})
                with lock:
                    results.append((r.status, r.json["id"]))
        threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        made = {i for status, i in results if status == 201}
        self.assertEqual(len(results), 16 * 12)
        self.assertEqual(len(made), 16 * 4)
        rows = self.rows()
        self.assertEqual({row[2] for row in rows}, made)
        self.assertEqual(len(rows), len(made))
        self.right()

    def copy(self):
        state = os.path.join(site.root, "copy")
        shutil.rmtree(state, ignore_errors=True)
        os.mkdir(state, 0o700)
        shutil.copy(os.path.join(site.state, "master.key"), state)
        site.sql("VACUUM INTO '%s'" % os.path.join(state, "regcred.db"))
        return state

    @harness.of_a_file
    def test_tampering(self):
        """What check_audit tries on each column, once through the command."""
        self.own.registry()
        anchor = site.cli("audit", "head", "--state-dir", site.state).strip()
        self.right("--anchor", anchor)
        last = self.last()
        for sql, says in (("UPDATE audit_log SET actor_id = 1 WHERE id = %d" % last, "row %d is altered" % last),
                          ("DELETE FROM audit_log WHERE id = %d" % (last - 1), "row %d is missing" % (last - 1)),
                          ("DELETE FROM audit_log WHERE id = %d" % last, "the end is cut off"),
                          ("DELETE FROM audit_segment", "there is no head"),
                          ("SELECT 1", None)):
            state = self.copy()
            connection = sqlite3.connect(os.path.join(state, "regcred.db"))
            connection.execute(sql)
            connection.commit()
            connection.close()
            done = self.verify(state=state)
            self.assertEqual(done.returncode, 1 if says else 0, done.stdout)
            self.assertIn("WRONG: " + says if says else "intact: ", done.stdout)
        wrong = anchor[:-1] + ("0" if anchor[-1] != "0" else "1")
        self.assertIn("not the one whose hash was noted", self.verify("--anchor", wrong).stdout)
        self.assertIn("is missing", self.verify("--anchor", "%d:%s" % (last + 1000, anchor.split(":")[1])).stdout)
        shutil.rmtree(state)

    def test_a_kill_in_the_middle(self):
        """kill -9 of the pool under load: rows and what they record are both there or both not."""
        site.deaths_allowed = True
        stop = threading.Event()

        def write(number):
            client = Client(site, self.env.key, self.own.root)
            i = 0
            while not stop.is_set():
                i += 1
                try:
                    client.post("registries", {"serverAddress": "k%d-%d.example.test" % (number, i)}, proxy=True, check=False)
                except OSError:
                    pass
        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        self.assertTrue(harness.wait_until(lambda: self.last() >= self.mark + 100, 30))
        site.kill_pool()
        stop.set()
        for t in threads:
            t.join()
        self.right()
        made = {"1sp%d" % row for row, in site.sql("SELECT id FROM storage_pool WHERE server_address LIKE 'k%'")}
        rows = [row for _, _, row in self.rows()]
        self.assertGreaterEqual(len(rows), 100)
        self.assertEqual((set(rows), len(rows)), (made, len(made)))
        site.start_pool()
        site.wait_ready()
        site.remember_children()
        self.own.registry()
        self.right()

    def test_rekey(self):
        self.own.credential(self.own.registry())
        anchor = site.cli("audit", "head", "--state-dir", site.state).strip()
        self.rows()
        site.cli("rekey", "--state-dir", site.state)
        events = [event for event, _, _ in self.rows()]
        self.assertEqual(events[:2] + events[-1:], ["keyAdded", "keyPrimary", "keyRetired"])
        self.assertIn("keySealed", events)
        self.own.credential(self.own.registry())
        self.right("--anchor", anchor)


class SignIns(Base):
    def test_refused_sign_ins(self):
        """A flood makes few rows, and no row holds what was tried as a secret."""
        unknown = "0123456789ABCDEF0123"
        secret = site.plant()
        floods, each = 6, 60

        def flood(number):
            for i in range(each):
                names = (self.env.key[0], unknown, secret, "%020X" % (number * each + i))
                self.status(Client(site, (names[i % 4], secret)).get("registries"), 401)
        threads = [threading.Thread(target=flood, args=(n,)) for n in range(floods)]
        began = int(time.time()) // 60
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.status(site.anonymous().get("registries"), 401)     # no key: no sign-in
        site.stop_pool()
        minutes = int(time.time()) // 60 - began + 1
        site.start_pool()
        site.wait_ready()
        site.remember_children()
        rows = [r for r in self.rows("event_type, attempts, response_code, client_ip, public_value, created, account_id, auth_type") if r[0] == "signInRefused"]
        self.assertEqual(sum(r[1] for r in rows), floods * each)
        self.assertLessEqual(len(rows), 21 * minutes * site.workers)  # each worker counts for itself
        self.assertGreater(len(rows), 3)
        self.assertEqual({r[2] for r in rows}, {401})
        self.assertEqual({r[3] for r in rows} - {None}, {"127.0.0.1"})
        self.assertEqual({(r[6], r[7]) for r in rows}, {(None, "none")})
        names = {r[4] for r in rows}
        self.assertLessEqual({self.env.key[0], unknown, None}, names)
        alike = collections.Counter((r[3], r[4], r[5]) for r in rows)
        self.assertLessEqual(max(alike.values()), site.workers, "a row for each key, address and minute")
        self.assertFalse([r for r in rows if r[5] % 60000])
        self.right()
        self.assertIn("signInRefused", site.cli("audit", "list", "--state-dir", site.state, "--event", "signInRefused", "--limit", "1"))


    def refused(self):
        return sum(row[1] for row in self.rows("event_type, attempts") if row[0] == "signInRefused")

    def held(self, count):
        """So many wrong sign-ins, which the workers take only when they go on: (the workers, the threads that wait for the answers)."""
        workers = sorted(site.children(), key=harness.threads_of)[-site.workers:]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        threads = [threading.Thread(target=lambda: self.answers.append(Client(site, ("0123456789ABCDEF0123", "x")).get("registries", check=False).status))
                   for _ in range(count)]
        for t in threads:
            t.start()
        time.sleep(0.5)                                  # until they wait at the socket
        return workers, threads

    def go_on(self, workers, threads):
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        for t in threads:
            t.join()

    def test_those_that_are_refused_last_before_an_end_are_there(self):
        self.answers = []
        workers, threads = self.held(6)
        site.pool.send_signal(signal.SIGTERM)
        time.sleep(1)                                    # who has nothing to serve has ended
        self.go_on(workers, threads)
        site.pool.wait(60)
        site.start_pool()
        site.wait_ready()
        site.remember_children()
        self.assertEqual(self.answers, [401] * 6)
        self.assertEqual(self.refused(), 6)

    def test_those_that_are_refused_by_the_old_workers_of_a_reload_are_there(self):
        self.answers = []
        before = set(site.children())
        site.deaths_allowed = True
        workers, threads = self.held(6)
        site.pool.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: len(set(site.children()) - before) >= 2 + harness.OTHERS)
        time.sleep(1)                                    # who has nothing to serve has ended
        self.go_on(workers, threads)
        self.assertTrue(harness.wait_until(lambda: not set(site.children()) & before))
        site.remember_children()
        site.stop_pool()
        site.start_pool()
        site.wait_ready()
        site.remember_children()
        self.assertEqual(self.answers, [401] * 6)
        self.assertEqual(self.refused(), 6)


class Retention(Base):
    @harness.of_a_file
    def test_old_segments_go_and_the_rest_is_provable(self):
        """On a copy with a time to keep of four seconds, by hand: as regcredd's housekeeper does it."""
        state = os.path.join(site.root, "short")
        site.cli("init", "--state-dir", state)
        site.cli("account", "add", "--state-dir", state, "--kind", "user", "--name", "first")
        end, out = time.monotonic() + 60, ""
        while "were cut off by audit_keep_s" not in out and time.monotonic() < end:
            site.cli("sweep", "--state-dir", state, "--audit-keep-s", "4")
            site.cli("account", "add", "--state-dir", state, "--kind", "user", "--name", "later")
            out = self.right(state=state)
            time.sleep(0.3)
        self.assertIn("were cut off by audit_keep_s", out)
        events = site.cli("audit", "list", "--state-dir", state)
        self.assertIn("auditCut", events)
        self.assertNotIn('"new":"first"', events)
        self.assertIn('"new":"later"', events)
        shutil.rmtree(state)
