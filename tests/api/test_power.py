"""What a key can do never grows: every attribute of a key × every way to write it × every kind of
asker, generated; logins and bounds; members; revocations that are acknowledged while writers are
kept busy."""

import ipaddress
import json
import os
import threading
import time
import unittest
import urllib.parse
import zlib

import harness
from harness import Client

LONG = os.environ.get("REGCRED_LONG")
# `make check-long` asks for every cell, `make check` for a part, always the same
ROUNDS, SHARE, WAYS_SHARE = (250, 8, 1000) if LONG else (15, 500, 10000)
LATER, SOON = 4102444800000, 4070908800000               # 2100, 2099
COLUMNS = "role networks expires reveal registry_ids path_prefixes project_ids state made_by account_id".split()
FULL = ("owner", "admin", "projectadmin", "project", "project reveal", "owner reveal")
GRANTS = ("owner", "admin", "projectadmin", "project reveal", "owner reveal")

set_up_site, tearDownModule = harness.site_of(globals(), workers=2, threads=8)
site = None
ids, askers, bounds, project, registries = {}, {}, {}, None, []


def setUpModule():
    global project
    set_up_site()
    for role in ("owner", "member", "restricted", "readonly"):
        ids[role], askers[role] = site.account("user", role)
    ids["projectadmin"], askers["projectadmin"] = site.account("projectadmin")
    askers["admin"] = site.admin
    project = site.project(members=[("1a1", "owner")]
                           + [(ids[r], r) for r in ("owner", "member", "restricted", "readonly")]
                           + [(ids["projectadmin"], "owner")])
    registries.extend(project.registry()["id"] for _ in range(2))
    askers["project"] = project.env
    bounds.update({"networks": {"networks": ["127.0.0.0/8"]}, "expires": {"expires": SOON},
                   "registryIds": {"registryIds": registries[:1]},
                   "pathPrefixes": {"pathPrefixes": ["acme"]}})
    for name, maker in (("owner", askers["owner"]), ("project", project.admin),
                        ("admin", site.admin), ("projectadmin", askers["projectadmin"]),
                        ("member", askers["member"].at(project.root)),
                        ("restricted", askers["restricted"].at(project.root))):
        for bound, fields in bounds.items():
            askers["%s with %s" % (name, bound)] = Client(site, site.new_key(maker, **fields))
    askers["project with bounds and reveal"] = Client(site,
                                                      site.new_key(project.admin, reveal=True,
                                                                   pathPrefixes=["acme"],
                                                                   networks=["127.0.0.0/8"]))
    askers["project reveal"] = Client(site, site.new_key(project.admin, reveal=True))
    askers["owner reveal"] = Client(site, site.new_key(askers["owner"], reveal=True))
    for role in ("inject", "reveal", "readonly"):
        askers["role " + role] = Client(site, site.new_key(project.admin, role=role))
    for name in ("owner", "member", "owner with networks", "project with pathPrefixes",
                 "role readonly"):
        askers["session: " + name] = session_of(askers[name])
    for role in ("member", "restricted"):
        askers["key of " + role] = Client(site, site.new_key(askers[role].at(project.root)))


def row_of(number):
    return dict(zip(COLUMNS, site.sql("SELECT %s FROM credential WHERE id = ?" % ", ".join(COLUMNS),
                                      (number,))[0]))


def inside(outer, inner):
    """Whether each of the networks of a list lies in one of the other's."""
    nets = [ipaddress.ip_network(n) for n in outer.split()]
    return all(any(n.version == o.version and n.subnet_of(o) for o in nets)
               for n in map(ipaddress.ip_network, inner.split()))


def below(outer, inner):
    return all(any(p == o or p.startswith(o + "/") for o in outer.split()) for p in inner.split())


def wider(than, row):
    """The attributes in which a key of this row can do more; written apart from the program's own
    comparison."""
    found = set()
    for name, holds in (("networks", inside),
                        ("registry_ids", lambda o, i: set(i.split()) <= set(o.split())),
                        ("path_prefixes", below)):
        if than[name] is not None and (row[name] is None or not holds(than[name], row[name])):
            found.add(name)
    if than["expires"] is not None and (row["expires"] is None or row["expires"] > than["expires"]):
        found.add("expires")
    if than["role"] is not None and row["role"] != than["role"]:
        found.add("role")
    if row["reveal"] > than["reveal"]:
        found.add("reveal")
    if not set((row["project_ids"] or "").split()) <= set((than["project_ids"] or "").split()):
        found.add("project_ids")
    if row["state"] == "active" and than["state"] != "active":
        found.add("state")
    return found


def own_power(name):
    """What an asker can do itself, and may give."""
    client = askers[name]
    row = dict.fromkeys(COLUMNS, None)
    row.update(site.sql("SELECT id FROM credential WHERE public_value = ?", (client.key[0],)) and
               row_of(site.sql("SELECT id FROM credential WHERE public_value = ?",
                               (client.key[0],))[0][0]))
    name = name.removeprefix("session: ")
    base = name.split(" with ")[0]
    row["reveal"] = int(base in GRANTS or name == "project with bounds and reveal")
    row["project_ids"] = project.id
    row["full"] = base in FULL
    return row


# Attribute: as the target has it, in the database, and what is written to make it more.
WRITES = {
    "networks": ({"networks": "192.0.2.0/24"}, [None, ["192.0.0.0/16"], ["0.0.0.0/0", "::/0"], ["192.0.2.0/24", "127.0.0.0/8"],
                                                ["::ffff:0.0.0.0/96"], "0.0.0.0/0", "192.0.2.0/24,127.0.0.1", "", [], [""]]),
    "expires": ({"expires": (1000, 0, 1)}, [None, LATER, SOON, "", str(LATER), "2100-01-01T00:00:00Z"]),
    "reveal": ({"reveal": 0}, [True, "true", 1, [True]]),
    "registryIds": ({"registry_ids": "1sp999"}, [None, ["REGISTRY"], ["1sp999", "REGISTRY"], "REGISTRY", "", []]),
    "pathPrefixes": ({"path_prefixes": "finance"}, [None, ["acme"], ["finance", "acme"], "finance,acme", "", [], [""], ["."]]),
    "projectIds": ({"project_ids": None}, [["PROJECT"], "PROJECT"]),
    "role": ({"role": ("readonly", "reveal", "inject")}, [None, "reveal", "inject", "readonly", "", "owner"]),
    "state": ({"state": "inactive"}, ["active", "activating"]),
    "madeBy": ({}, [None, "OWNER", "1a1"]),
    "accountId": ({}, ["OWNER", "1a1", "1a3"]),
}
TARGETS = ({}, {"reveal": 1}, {"reveal": 1, "networks": "192.0.2.0/24"}, {"state": "inactive"},
           {"state": "inactive", "reveal": 1})


def targets():
    """(field, columns of the target, value): the values of each column in turn, also those at the
    edge of what it can hold."""
    names = {"PROJECT": project.id, "OWNER": ids["owner"], "REGISTRY": registries[1]}

    def real(value):
        if isinstance(value, list):
            return [real(v) for v in value]
        return names.get(value, value) if isinstance(value, str) else value
    for field, (columns, values) in WRITES.items():
        name = next(iter(columns), None)
        stored = columns.get(name)
        for one in stored if isinstance(stored, tuple) else (stored,):
            for value in values:
                yield field, {name: one} if name else {}, real(value)


class InSession(Client):
    """The session of a key, as a browser has it."""

    def __init__(self, site_, key, cookie, root="/v1"):
        super().__init__(site_, key, root, [("Cookie", cookie), ("Sec-Fetch-Site", "same-origin")])
        self.cookie = cookie

    def at(self, root):
        return InSession(self.site, self.key, self.cookie, root)

    def request(self, *words, **kw):
        kw.update(auth=False, check=False)
        return super().request(*words, **kw)


def session_of(client):
    answer = site.anonymous().post("sessions", {"accessKey": client.key[0],
                                                "secretKey": client.key[1]}, check=False)
    assert answer.status == 201, answer
    cookie = next(v for v in answer.all_headers("Set-Cookie") if v.startswith("regcred-session="))
    return InSession(site, client.key, cookie.split(";")[0], client.root)


class Powers(harness.Case):
    tried = refused = 0

    def target(self, **columns):
        """A key that an administrator made, with these columns; its number."""
        if not hasattr(Powers, "number"):
            made = self.ok(project.admin.post("apikeys", {"name": "target"}), 201)
            site.key_secrets.append((made["publicValue"], made["secretValue"]))
            Powers.number = int(made["id"][2:])
        values = dict(dict.fromkeys(COLUMNS[:7]), reveal=0, state="active")
        values.update(columns)
        site.sql("UPDATE credential SET %s WHERE id = ?" % ", ".join(n + " = ?" for n in values),
                 tuple(values.values()) + (Powers.number,), write=True)
        return Powers.number

    def check(self, name, number, before, response):
        after, own = row_of(number), own_power(name)
        for name_of, whose in (("made_by", "who made it"), ("account_id", "whose it is")):
            self.assertEqual(after[name_of], before[name_of], "%s: %s: %r" % (name, whose, response))
        more = wider(before, after)
        Powers.tried += 1
        Powers.refused += not more
        if not more:
            return
        self.assertTrue(own["full"], "%s: %s: %r" % (name, more, response))
        self.assertEqual(wider(own, after), set(), "%s: %s, beyond its own: %r"
                         % (name, more, response))

    def roots(self):
        return ("/v1", "/v2-beta", project.root, project.beta)

    def is_tried(self, *cell, share=SHARE):
        return zlib.crc32(" ".join(map(str, cell)).encode()) % share == 0

    def ways(self, number, field, value):
        """Every request that could write that: method, path, body, and other headers."""
        body, text = {field: value}, json.dumps(value)
        plain = urllib.parse.quote(str(value).lower() if isinstance(value, bool) else str(value))
        bodies = [(body, None), ('{"%s": 0, "%s": %s}' % (field, field, text), "application/json"),
                  ('{"\\u%04x%s": %s}' % (ord(field[0]), field[1:], text), "application/json"),
                  ({field.upper(): value}, None), ([body], None)]
        if isinstance(value, (str, int, bool)):
            bodies.append(("%s=%s" % (field, plain), "application/x-www-form-urlencoded"))
            bodies.append(("--b\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n--b--\r\n"
                           % (field, value), "multipart/form-data; boundary=b"))
        for root, headers, query in [(r, (), "") for r in self.roots()] + [
                ("/v1", (("X-API-Project-Id", project.id),), ""),
                ("/v1", (), "projectId=" + project.id)]:
            for plural in ("apikeys", "credentials", "apiKey", "passwords"):
                path = "%s/%s/1c%d?%s" % (root, plural, number, query)
                for sent, kind in bodies:
                    yield "PUT", path, sent, kind, headers
                    yield "POST", path + "&_method=PUT", sent, kind, headers
                    yield "POST", path + "&action=update", sent, kind, headers
                yield "POST", path + "&action=update", body, None, headers + (
                    ("X-HTTP-Method-Override", "PUT"),)
                if isinstance(value, (str, int, bool)):
                    yield "PUT", "%s&%s=%s" % (path, field, plain), {}, None, headers

    def test_each_attribute_by_each_way_and_each_asker(self):
        number = self.target()
        every = [(field, columns, value, list(self.ways(number, field, value)))
                 for field, columns, value in targets()]
        for name, client in askers.items():
            for field, columns, value, ways in every:
                for base in TARGETS[:3]:
                    wanted = dict(base, **columns)
                    first = zlib.crc32(repr((name, field, value, wanted)).encode()) % WAYS_SHARE
                    for method, path, body, kind, headers in ways[first::WAYS_SHARE]:
                        with self.subTest(asker=name, field=field, value=value, target=wanted,
                                          way=(method, path, body)):
                            self.target(**wanted)
                            before = row_of(number)
                            self.check(name, number, before,
                                       client.request(method, path, body, headers, kind,
                                                      check=False))

    def test_what_was_switched_off_stays_off(self):
        cells = [(root, path, action, body) for root in self.roots() for path in ("apikeys", "credentials")
                 for action in ("activate", "create", "restore", "update")
                 for body in ({}, {"state": "active"})]
        for name, client in askers.items():
            for base in TARGETS:
                for columns in ({"state": "inactive"},
                                {"state": "inactive", "expires": SOON, "networks": "192.0.2.0/24"},
                                {"state": "inactive", "path_prefixes": "acme"}):
                    tried = [cell for cell in cells if self.is_tried(name, base, columns, *cell)]
                    if not tried:
                        continue
                    number = self.target(**dict(base, **columns))
                    before = row_of(number)
                    with self.subTest(asker=name, target=dict(base, **columns)):
                        for root, path, action, body in tried:
                            path = "%s/1c%d" % (path, number)
                            self.check(name, number, before,
                                       client.at(root).action(path, action, body, check=False))
                            self.target(**dict(base, **columns))

    def test_a_new_key_can_do_no_more_than_who_makes_it(self):
        tried = [{}, {"reveal": True}, {"role": "reveal"}, {"role": "inject"}, {"role": "readonly"},
                 {"projectIds": [project.id]}]
        for field, _, value in targets():
            if {field: value} not in tried and field in ("networks", "expires", "registryIds", "pathPrefixes"):
                tried.append({field: value})
        for name, client in askers.items():
            for fields in tried:
                for root in self.roots():
                    for query in (False, True):
                        if not self.is_tried(name, fields, root, query, share=SHARE // 8 if SHARE > 20
                                             else 1):
                            continue
                        highest = site.sql("SELECT max(id) FROM credential")[0][0]
                        simple = {k: str(v).lower() for k, v in fields.items()
                                  if isinstance(v, (str, int, bool))}
                        path = "apikeys" + ("?" + "&".join("%s=%s" % i for i in simple.items())
                                            if query else "")
                        with self.subTest(asker=name, fields=fields, root=root):
                            response = client.at(root).post(path, {} if query else fields,
                                                            check=False)
                            made = site.sql("SELECT id FROM credential WHERE id > ?", (highest,))
                            Powers.tried += 1
                            if not made:
                                continue
                            site.key_secrets.append((response.json["publicValue"],
                                                     response.json["secretValue"]))
                            row, own = row_of(made[0][0]), own_power(name)
                            if row["account_id"] != int(project.id[2:]):
                                own["reveal"] = 1        # everybody is the owner of the own account
                            self.assertEqual(wider(own, row), set(), "%r" % response)
                            if row["account_id"] == int(project.id[2:]) and not own["full"]:
                                maker = name.removeprefix("session: ").split(" with ")[0]
                                wanted = ids.get(maker.removeprefix("key of "))
                                self.assertEqual("1a%d" % row["made_by"], wanted)

    def test_zz_count(self):
        print("test_power: %d writes, %d that changed nothing to the worse"
              % (Powers.tried, Powers.refused))


class Logins(harness.Case):
    """A key for some logins sees and touches those alone."""

    def setUp(self):
        super().setUp()
        if not hasattr(Logins, "rows"):
            Logins.rows = {}
            for registry in registries:
                for path in (None, "acme", "acme/app", "acme2", "finance"):
                    made = project.credential({"id": registry}, pathPrefix=path)
                    Logins.rows[made["id"]] = (registry, path or "")
            harbor = project.registry(serverAddress="harbor.example/acme")
            Logins.rows[project.credential(harbor)["id"]] = (harbor["id"], "acme")

    def holds(self, bound, row):
        registry, path = row
        return registry == registries[
            0] if bound == "registryIds" else path == "acme" or path.startswith("acme/")

    def keys(self):
        for bound in ("registryIds", "pathPrefixes"):
            for name in ("project", "owner", "member"):
                yield bound, askers["%s with %s" % (name, bound)].at(project.root)
            yield bound, Client(site, site.new_key(askers["projectadmin"], **bounds[bound]),
                                project.root)
            yield bound, Client(site, site.new_key(project.admin, reveal=True, **bounds[bound]),
                                project.root)

    def test_what_it_sees(self):
        for bound, client in self.keys():
            wanted = {i for i, row in self.rows.items() if self.holds(bound, row)}
            for path in ("registrycredentials?limit=-1",
                         "credentials?kind=registryCredential&limit=-1",
                         "registrycredentials?sort=name&order=desc&limit=1000"):
                self.assertEqual(set(self.ids(client.get(path))), wanted, (bound, path))
            for limit in (1, 2, 3):
                found, page = [], client.get("registrycredentials?limit=%d&sort=created" % limit)
                while page.json["pagination"]["next"]:
                    found += self.ids(page)
                    page = client.get(page.json["pagination"]["next"].split("/v1/", 1)[1].join(
                        ["/v1/", ""]))
                self.assertEqual(set(found + self.ids(page)), wanted, (bound, limit))
                back = []
                while True:
                    back = self.ids(page) + back
                    if not page.json["pagination"]["previous"]:
                        break
                    page = client.get("/v1/"
                                      + page.json["pagination"]["previous"].split("/v1/", 1)[1])
                self.assertEqual(set(back), wanted, (bound, limit))
            for path in ("auditlogs?limit=1", "auditlogs?resourceType=registryCredential",
                         "auditlogs?accountId=" + project.id):  # the log tells of every login
                self.assertEqual(client.get(path).json.get("data", []), [], (bound, path))
            number = site.sql("SELECT max(id) FROM audit_log WHERE account_id = ?",
                              (int(project.id[2:]),))[0][0]
            self.status(client.get("auditlogs/1al%d" % number), 404)
            for i, row in self.rows.items():
                for path in ("registrycredentials/" + i, "credentials/" + i,
                             "registrycredentials/%s/registry" % i):
                    self.status(client.get(path), 200 if i in wanted else 404)
            for registry in registries:
                children = set(self.ids(client.get("registries/%s/credentials" % registry)))
                included = {c["id"] for c in self.ok(client.get("registries/%s?include=credentials"
                                                                % registry)).get("credentials", [])}
                self.assertEqual(children, {i for i in wanted if self.rows[i][0] == registry})
                self.assertEqual(included, children)
            body = self.ok(client.post("imagelogins",
                                       {"serverAddress": self.ok(project.env.get(
                                           "registries/" + registries[1]))["serverAddress"]}))
            self.assertLessEqual({o["registryCredentialId"] for o in body["others"]} | {
                body["registryCredentialId"]} - {None}, wanted)

    def test_no_secret_by_a_bounded_key_without_the_right(self):
        for bound in bounds:
            for maker in (askers["projectadmin"], site.account("superadmin")[1]):
                client = Client(site, site.new_key(maker, **bounds[bound]), project.root)
                for row in self.ok(client.get("registrycredentials?limit=-1"))["data"]:
                    self.assertIsNone(row["secretValue"], bound)
                    self.assertIsNone(self.ok(client.get("registrycredentials/" + row["id"]))[
                        "secretValue"])

    def test_what_it_changes(self):
        for bound, client in self.keys():
            mark = site.sql(
                "SELECT * FROM credential WHERE kind = 'registryCredential' ORDER BY id")
            for i, row in self.rows.items():
                if self.holds(bound, row):
                    continue
                for response in (client.put("registrycredentials/" + i, {"pathPrefix": "acme"}),
                                 client.put("registrycredentials/" + i, {"isDefault": True}),
                                 client.put("registrycredentials/" + i,
                                            {"secretValue": site.plant()}),
                                            client.delete("registrycredentials/" + i),
                                 client.action("registrycredentials/" + i, "deactivate"),
                                 client.action("credentials/" + i, "deactivate"),
                                 client.action("registrycredentials/" + i, "verify"),
                                 client.request("POST",
                                                "registrycredentials/%s?_method=PUT&pathPrefix=acme"
                                                % i, {})):
                    self.status(response, 404)
            inside = [i for i, row in self.rows.items() if self.holds(bound, row)]
            if bound == "pathPrefixes":
                for value in (None, "finance", "acme2"):
                    self.err(client.put("registrycredentials/" + inside[0], {"pathPrefix": value}),
                             422, "InvalidOption", "pathPrefix")
                    self.err(client.post("registrycredentials",
                                         {"registryId": registries[0], "email": "e",
                                          "pathPrefix": value}), 422, "InvalidOption", "pathPrefix")
            else:
                self.err(client.post("registrycredentials",
                                     {"registryId": registries[1], "email": "e"}), 422,
                                     "InvalidOption", "registryId")
            self.assertEqual(site.sql("SELECT * FROM credential WHERE kind = 'registryCredential' "
                                      "ORDER BY id"), mark)
            self.ok(client.put("registrycredentials/" + inside[0], {"description": "mine"}))
            mark = {t: site.sql("SELECT * FROM " + t)
                    for t in ("account", "storage_pool", "project_member")}
            for at in (client, client.at("/v1"), client.at("/v2-beta")):
                for method, path, body in (("POST", "registries",
                                            {"serverAddress": "evil.example"}),
                                            ("POST", "projects", {"name": "x"}), ("POST", "accounts", {"kind": "user"}),
                                           ("PUT", "registries/" + registries[0], {"name": "x"}), ("POST", "registries/%s?action=deactivate" % registries[0], {}),
                                           ("POST", "projects/%s?action=setmembers" % project.id, {"members": [{"externalId": ids["readonly"], "role": "owner"}]}),
                                           ("PUT", "projects/" + project.id, {"name": "x"})):
                    self.status(at.request(method, path, body, check=False), 403, 404, 405, 422)
            self.assertEqual({t: site.sql("SELECT * FROM " + t) for t in mark}, mark)

    def test_a_bounded_key_makes_nobody_without_its_bounds(self):
        for bound in bounds:
            admin, owner = askers["admin with " + bound], askers["owner with " + bound]
            mark = {t: site.sql("SELECT * FROM " + t) for t in ("account", "project_member")}
            for body in ({"kind": "admin", "externalIdType": "proxy", "externalId": "evil"},
                         {"kind": "user"}):
                self.status(admin.post("accounts", body), 403)
            for body in ({"externalId": "evil", "externalIdType": "proxy"}, {"kind": "admin"},
                         {"name": "x"}):
                self.status(admin.put("accounts/" + ids["readonly"], body), 403)
            self.status(admin.action("accounts/" + ids["readonly"], "deactivate"), 403)
            for client in (admin, owner):
                self.status(client.action("projects/" + project.id, "setmembers",
                                          {"members": [{"externalId": "1a1", "role": "owner"},
                                                       {"externalId": ids["readonly"],
                                                        "role": "owner"}]}), 403)
                self.status(client.post("projects",
                                        {"name": "x",
                                         "members": [{"externalId": ids["readonly"],
                                                      "role": "owner"}]}), 403)
            self.assertEqual({t: site.sql("SELECT * FROM " + t) for t in mark}, mark)


class Members(harness.Case):
    def members(self, project, *rows):
        return site.admin.action("/v1/projects/" + project.id, "setmembers",
                                 {"members": [{"externalId": i, "role": r} for i,
                                              r in (("1a1", "owner"),) + rows]})

    def test_a_members_key_has_the_members_role_and_ends_with_it(self):
        for role in ("owner", "member", "restricted"):
            with self.subTest(role=role):
                account, client = site.account("user")
                p = site.project(members=[("1a1", "owner"), (account, role)])
                made = self.ok(client.at(p.root).post("apikeys", {}), 201)
                self.assertEqual(made["madeBy"], account)
                first = Client(site, (made["publicValue"], made["secretValue"]), p.root)
                site.key_secrets.append(first.key)
                # one made by the other is the member's, too
                keys = [first, Client(site, site.new_key(first), p.root)]
                for key in keys:
                    self.status(key.get("auditlogs"), 200 if role == "owner" else 404)
                    self.status(key.post("apikeys", {"reveal": True}), 422)
                    self.status(key.post("registries",
                                         {"serverAddress": "a%d.example" % keys.index(key)}), 201)
                self.status(self.members(p, (account, "readonly")), 202)
                site.forget_schemas()
                for key in keys:
                    self.ok(key.get("registries"))
                    self.status(key.post("registries", {"serverAddress": "b.example"}), 405)
                self.status(self.members(p), 202)
                for key in keys:
                    self.err(key.get("registries"), 401, "Unauthorized")
                self.status(self.members(p, (account, role)), 202)
                site.forget_schemas()
                self.ok(first.get("registries"))
                self.status(site.admin.action("/v1/accounts/" + account, "deactivate"), 202)
                self.err(first.get("registries"), 401, "Unauthorized")
                site.forget_schemas()

    def test_nobody_elses_act_chooses_my_login(self):
        """An attacker makes the victim a member, and even an owner, of a project with a login for
        the same registry."""
        victim, client = site.account("user")
        secret = site.plant()
        mine = site.project(members=[(victim, "owner")])
        mine.credential(mine.registry(serverAddress="registry.corp.example"), secretValue=secret,
                        publicValue="mine")
        for named in (None, [mine.id]):
            host = Client(site, site.new_key(client, role="reveal", projectIds=named))
            before = host.post("handouts", {"format": "helper", "image": "registry.corp.example/x"})
            for role in ("owner", "member", "readonly"):
                theirs = site.project(members=[("1a1", "owner"), (victim, role)])
                theirs.credential(theirs.registry(serverAddress="registry.corp.example"),
                                  isDefault=True, publicValue="attacker")
                for body in ({"format": "helper", "image": "registry.corp.example/x"},
                             {"format": "docker"}):
                    r = host.post("handouts", body)
                    self.assertNotIn("attacker", r.text)
                    self.assertEqual(r.status, 404 if named is None else 200)
                found = self.ok(host.post("imagelogins", {"image": "registry.corp.example/x"}))
                self.assertNotEqual(found["publicValue"], "attacker")
                self.assertNotIn("attacker", [o["publicValue"] for o in found["others"]])
            self.assertEqual(before.status, 404 if named is None else 200)
            # Another key of somebody else cannot name a project in it.
            self.status(project.env.put("apikeys/"
                                        + self.ok(client.get("apikeys?publicValue=" + host.key[0]))[
                                            "data"][0]["id"], {"projectIds": None}), 404)
        self.err(client.post("apikeys", {"projectIds": [site.project().id]}), 422,
                 "InvalidReference", "projectIds")

    def test_what_is_not_active_is_not_handed_out(self):
        account, client = site.account("user")
        p = site.project(members=[("1a1", "owner"), (account, "owner")])
        registry = p.registry(serverAddress="quay.io")
        p.credential(registry)
        for who in (client, site.admin):
            host = Client(site, site.new_key(who, role="reveal", projectIds=[p.id]))
            self.ok(host.post("handouts", {"format": "helper", "image": "quay.io/x"}))
            for path, off, on, reason in (("registries/" + registry["id"], "deactivate", "activate",
                                           "registryInactive"),
                                          ("/v1/projects/" + p.id, "deactivate", "activate",
                                           "projectInactive")):
                self.status(p.admin.action(path, off), 202)
                self.err(host.post("handouts", {"format": "helper", "image": "quay.io/x"}), 404,
                         "NoLogin")
                self.assertEqual(self.ok(host.post("handouts", {"format": "docker"}))["auths"], {})
                self.assertEqual(
                    [o["reason"] for o in self.ok(host.post("imagelogins", {"image": "quay.io/x"}))[
                        "others"]], [reason])
                self.status((site.admin if "projects" in path else p.admin).action(path, on), 202)
            self.ok(host.post("handouts", {"format": "helper", "image": "quay.io/x"}))


class Revoked(harness.Case):
    """Writers are kept busy; what is revoked while a request waits for its turn has no effect after
    the acknowledgement."""

    def setUp(self):
        super().setUp()
        self.stop = threading.Event()
        self.busy = site.project()
        registry = self.busy.registry()
        for n in range(60):
            self.busy.credential(registry, pathPrefix="p%d" % n)
        keys = [Client(site, site.new_key(self.busy.admin, reveal=True), self.busy.root)
                for _ in range(4)]

        def load(client):
            while not self.stop.is_set():
                client.post("handouts", {"format": "podman"}, check=False)
        self.threads = [threading.Thread(target=load, args=(key,)) for key in keys]
        for thread in self.threads:
            thread.start()

    def tearDown(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        super().tearDown()

    def race(self, revoke, attempts):
        """Sends the attempts again and again while the revocation is answered; when each was begun
        and answered, and by what."""
        acknowledged, answers, over = [], [], threading.Event()

        def run(attempt):
            while not over.is_set():
                answers.append((attempt(), time.monotonic()))
        threads = [threading.Thread(target=run, args=(a,)) for a in attempts for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.03)
        self.assertLess(revoke().status, 300)
        acknowledged = site.sql("SELECT max(id) FROM audit_log")[0][0]
        time.sleep(0.05)
        over.set()
        for thread in threads:
            thread.join(60)
        return acknowledged

    def rows_after(self, mark, actor):
        return site.sql("SELECT id, event_type, resource_id FROM audit_log WHERE id > ? AND key_id "
                        "= ? AND event_type <> 'signInRefused'", (mark, actor))

    def test_no_password_and_no_change_after_it(self):
        p = site.project()
        registry = p.registry()
        login = p.credential(registry)["id"]
        for n in range(ROUNDS):
            account, client = site.account("user")
            self.status(site.admin.action("/v1/projects/" + p.id, "setmembers",
                                          {"members": [{"externalId": "1a1", "role": "owner"},
                                                       {"externalId": account, "role": "owner"}]}),
                                                       202)
            site.forget_schemas()
            made = self.ok(p.admin.post("apikeys", {"reveal": True}), 201)
            site.key_secrets.append((made["publicValue"], made["secretValue"]))
            host = Client(site, (made["publicValue"], made["secretValue"]), p.root)
            number = int(made["id"][2:])
            members = client.at(p.root)
            key_of = site.sql("SELECT id FROM credential WHERE public_value = ?",
                              (client.key[0],))[0][0]
            ways = [(lambda: p.admin.action("apikeys/" + made["id"], "deactivate"), number, host),
                    (lambda: p.admin.put("apikeys/" + made["id"], {"reveal": False}), number, None),
                    (lambda: site.admin.action("/v1/projects/" + p.id, "setmembers", {"members": [{"externalId": "1a1", "role": "owner"}]}), key_of, members),
                    (lambda: site.admin.action("/v1/accounts/" + account, "deactivate"), key_of,
                     members)]
            session = session_of(host)
            ways.append((lambda: session.delete("/v1/sessions/current"), number, session))
            revoke, actor, writer = ways[n % len(ways)]
            attempts = [lambda: (writer or host).put("registrycredentials/" + login,
                                                     {"description": "x%d" % time.monotonic_ns()},
                                                     check=False).status] if writer else []
            if actor == number:
                attempts.append(lambda: (writer or host).post("handouts", {"format": "podman"},
                                                              check=False).status)
            with self.subTest(way=n % len(ways)):
                mark = self.race(revoke, attempts)
                late = [r for r in self.rows_after(mark, actor) if writer is not None or r[1]
                        == "handOut"]
                self.assertEqual(late, [])
            site.forget_schemas()


class TheLast(harness.Case):
    """What it puts into the database would make every later test slow."""

    @staticmethod
    def ids(response):
        return [row["id"] for row in response.json["data"]]

    def test_many_long_logins_of_others_do_not_end_its_lists(self):
        p = site.project()
        registry = p.registry()
        first = p.credential(registry, pathPrefix="acme")["id"]
        site.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
                 "INSERT INTO credential (uuid, kind, account_id, name, description, state, created,"
                 " public_value, email, registry_id) SELECT 'long-' || i, 'registryCredential', %d, "
                 "'n', printf('%%.1000c', 'a'), 'active', 0, printf('%%.4000c', 'a'), 'e', %d FROM n"
                 % (int(p.id[2:]), int(registry["id"][3:])), write=True)
        last = p.credential(registry, pathPrefix="acme/app")["id"]
        client = Client(site, site.new_key(p.admin, pathPrefixes=["acme"]), p.root)
        for path in ("registrycredentials", "registrycredentials?limit=3000&sort=name",
                     "registries/%s/credentials" % registry["id"]):
            self.assertEqual(set(self.ids(client.get(path))), {first, last}, path)
        page = client.get("registrycredentials?limit=1")
        self.assertEqual(self.ids(page), [first])
        after = page.json["pagination"]["next"].split("/v1/", 1)[1]
        self.assertEqual(self.ids(client.get("/v1/" + after)), [last])


if __name__ == "__main__":
    unittest.main()
