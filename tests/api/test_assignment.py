"""Mass assignment: no field that a caller may not set reaches the database, by whatever request it
is sent.

Each cell is one request with one such field: a caller × a type × create, PUT or the action `update`
× JSON, a form of either kind or the
query.  The row is read from the database before and after.  The fields come from the superadmin's
schemas, so that a new field is tried
at once, and a new type fails a test until it has a row; who may set what comes from the tables
below, which are those of docs/api.md.  `make check-long` (REGCRED_LONG) tries every cell, `make
check` a sixth of them, always the same.
"""

import json
import os
import re
import unittest
import urllib.parse
import zlib

import harness

WRITERS = ("project", "owner", "member", "restricted")
FLAGS = "virtualMachine kubernetes mesos publicDns swarm"

# type: ((create, update) of everybody who writes, {role: (more in create, more in update)})
RENEWAL = "overlap source sourceConfig sourceSecret verifyEvery verifyRepository"
MAY_SET = {
    "registryCredential": (
        ("name description registryId publicValue secretValue email pathPrefix isDefault "
         "expiresAt " + RENEWAL,
         "name description publicValue secretValue email pathPrefix isDefault expiresAt " + RENEWAL),
        {"service": ("accountId uuid", ""), "superadmin": ("accountId uuid", "")}),
    "registry": (("name description serverAddress tokenHost", "name description tokenHost"),
                 {"service": ("accountId uuid", ""), "superadmin": ("accountId uuid", "")}),
    "apiKey": (("name description expires networks role registryIds pathPrefixes",
                "name description expires networks role registryIds pathPrefixes"),
               {"admin": ("publicValue secretValue accountId reveal", "reveal"),
                "service": ("publicValue secretValue accountId", ""),
                "superadmin": ("publicValue secretValue accountId uuid reveal", "reveal"), "user": ("reveal", "reveal"), "owner": ("reveal", "reveal"),
                "projectadmin": ("reveal", "reveal")}),
    "password": (("name description publicValue secretValue", "name description"),
                 {"admin": ("accountId", ""), "service": ("accountId", ""),
                  "superadmin": ("accountId uuid", "")}),
    "credential": (("name description", "name description"),
                   {"admin": ("publicValue secretValue accountId", ""),
                   "service": ("publicValue secretValue accountId", ""),
                   "superadmin": ("publicValue secretValue accountId uuid registryId", "")}),
    "storagePool": (("name description", "name description"), {"superadmin": ("uuid", "")}),
    "project": (("name description members expiryWarnings verification " + FLAGS,
                 "name description expiryWarnings verification " + FLAGS),
                {"admin": ("uuid allowSystemRole", "allowSystemRole"),
                 "service": ("uuid allowSystemRole", "allowSystemRole"),
                 "superadmin": ("uuid allowSystemRole", "allowSystemRole")}),
    "account": (("name description kind externalId externalIdType uuid", "name description kind externalId externalIdType"), {}),
}
# Roles that write a type; everybody else is refused, and then nothing at all may change.
CREATE = {
    "registryCredential": WRITERS + ("projectadmin", "service", "superadmin"), "registry": WRITERS + ("projectadmin", "service", "superadmin"),
    "apiKey": WRITERS + ("projectadmin", "service", "superadmin", "user", "admin"),
    "password": WRITERS + ("projectadmin", "service", "superadmin", "user", "admin"),
    "credential": ("admin", "service", "superadmin"), "storagePool": ("superadmin",),
    "project": ("user", "admin", "service", "superadmin"), "account": ("admin", "service", "superadmin"),
}
UPDATE = dict(CREATE, credential=("superadmin",), project=("user", "admin", "superadmin"))
TABLES = {"sv": "secret_version", "pt": "project_template", "a": "account", "c": "credential",
          "pm": "project_member", "sp": "storage_pool"}
# What every answer holds beside the fields, and names that only a careless program would take.
MORE = ("type", "baseType", "links", "actions", "createdTS", "account_id", "AccountId",
        "secret_value", "remove_time", "registry_id", "rowid")
# Types that store nothing that a caller sends.
NOT_STORED = {"apiVersion", "auditLog", "error", "handOut", "imageLogin", "registryTestInput",
              "registryTestOutput", "schema", "session", "setProjectMembersInput"}
FORMS = ("json", "urlencoded", "multipart", "query")
FOREIGN = "1a1"                                          # the administrator's account
DATE = ("2001-02-03T04:05:06Z", 981173106000)

SHARE = 1 if os.environ.get("REGCRED_LONG") else 6
site = None
who, rows, types, plural = {}, {}, {}, {}
project = None
serial = 0


def fresh(word="planted"):
    global serial
    serial += 1
    return "%s-%d" % (word, serial)


def setUpModule():
    """A project with a row of each type, and a caller of each role; `rows` holds the row of each
    type that a role may touch, if any."""
    global site, project
    site = harness.Site()
    site.start()
    ids = {}
    for role in ("user", "owner", "member", "restricted", "readonly"):
        ids[role], who[role] = site.account("user", role)
    for kind in ("superadmin", "service", "readAdmin", "projectadmin"):
        ids[kind], who[kind] = site.account(kind)
    project = site.project(members=[("1a1", "owner"), (ids["user"], "owner")]
                           + [(ids[r], r) for r in ("owner", "member", "restricted", "readonly")])
    for role in ("owner", "member", "restricted", "readonly", "service", "superadmin"):
        who[role] = who[role].at(project.root)
    who.update({"admin": site.admin, "project": project.env})
    for item in who["superadmin"].get("/v1/schemas").json["data"]:
        types[item["id"]], plural[item["id"]] = item, item["pluralName"].lower()
    for role, client in who.items():
        own = project.admin if role != "projectadmin" else client
        registry = own.post("registries", {"serverAddress": fresh() + ".example.test"}).json["id"]
        body = {"registryId": registry, "email": "e@example.test", "secretValue": site.plant()}
        rows[role] = {
            "registry": registry, "storagePool": registry, "registryCredential": own.post("registrycredentials", body).json["id"],
            "apiKey": own.post("apikeys", {}).json["id"], "account": ids.get(role, "1a1" if role == "admin" else project.id),
            "password": own.post("passwords", {"publicValue": fresh(), "secretValue": site.plant()}).json["id"], "project": project.id,
            "projectTemplate": "1pt1", "secretVersion": None,
            "projectMember": site.admin.get("/v1/projects/%s/projectmembers" % project.id).json["data"][0]["id"],
        }
        rows[role]["credential"] = rows[role]["password"]
        own.put("registrycredentials/" + rows[role]["registryCredential"], {"secretValue": site.plant()})
        rows[role]["secretVersion"] = own.get("registrycredentials/%s/secretversions" % rows[role]["registryCredential"]).json["data"][0]["id"]


def tearDownModule():
    site.stop()


def may_set(name, role, step):
    everybody, more = MAY_SET.get(name, (("", ""), {}))
    return set((everybody[step] + " " + more.get(role, ("", ""))[step]).split())


def planted(name, field):
    """A value of the field's type that no row has of itself, and what it would be in the
    database."""
    info = types[name]["resourceFields"].get(field, {"type": "string"})
    kind = info["type"]
    if field == "id":
        return "1c999999", (999999,)
    if field == "kind":
        return "superadmin", ("superadmin",)
    if field == "state":
        return "purged", ("purged",)
    if kind == "date":
        return DATE[0], DATE
    if field == "registryId":
        return rows["member"]["registry"], (int(rows["member"]["registry"][3:]),)
    if kind.startswith("reference") or field.lower() in ("accountid", "account_id"):
        return FOREIGN, (1, FOREIGN)
    if kind == "boolean":
        return True, ()
    if kind == "int" or field.endswith("TS"):
        return DATE[1], (DATE[1],)
    if kind == "enum":
        return info["options"][-1], ()
    if kind.startswith(("map", "array")):
        return {"fields": {"email": "planted@example.test"}} if kind.startswith("map") else [
            "planted"], ("planted@example.test",)
    text = fresh()
    return text, (text,)


def is_tried(*cell):
    return zlib.crc32(" ".join(cell).encode()) % SHARE == 0


def encoded(form, body):
    """Query, body and Content-Type of the members in one of the FORMS; the query holds the planted
    one, the last, alone."""
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in body.items()}
    if form == "urlencoded":
        return "", urllib.parse.urlencode(texts), "application/x-www-form-urlencoded"
    if form == "multipart":
        parts = "".join('--b0\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % pair
                        for pair in texts.items())
        return "", parts + "--b0--\r\n", "multipart/form-data; boundary=b0"
    if form == "query":
        last = list(body)[-1]
        return urllib.parse.urlencode({last: texts[last]}), json.dumps(
            {k: v for k, v in body.items() if k != last}), "application/json"
    return "", json.dumps(body), "application/json"


def base_of(name, role):
    """A valid body of a create."""
    return {
        "registry": {"serverAddress": fresh() + ".example.test"},
        "registryCredential": {"registryId": rows[role]["registry"], "email": "e@example.test"},
        "password": {"publicValue": fresh("login"), "secretValue": "s"},
    }.get(name, {})


class Assignment(harness.Case):
    cells = 0

    def table(self, name):
        return TABLES[re.match("1([a-z]+)", rows["admin"][name]).group(1)]

    def row(self, table, row_id):
        number = int(re.sub("^1[a-z]+", "", row_id))
        names = [n for n in self.columns(table) if not n.startswith("last_used")]
        return dict(zip(names, site.sql("SELECT %s FROM %s WHERE id = ?"
                                        % (", ".join(names), table), (number,))[0]))

    def columns(self, table):
        known = self.__dict__.setdefault("known_columns", {})
        if table not in known:
            known[table] = site.columns(table)
        return known[table]

    def forbidden(self, name, role, step):
        fields = list(types[name]["resourceFields"]) + [f for f in MORE
                                                        if f not in types[name]["resourceFields"]]
        return [f for f in fields if f not in may_set(name, role, step)]

    def send(self, role, method, path, body, form):
        query, data, content_type = encoded(form, body)
        # A refused value is an answer too: what counts is the row.
        path += ("&" if "?" in path else "?") + query if query else ""
        response = who[role].request(method, path, data, content_type=content_type)
        self.assertLess(response.status, 500, response)
        Assignment.cells += 1
        return response

    def writes(self, name):
        """(role, forms): who may not write a type at all is tried in JSON alone, since the refusal
        comes before the form is looked at."""
        for role in who:
            yield role, FORMS if role in CREATE.get(name, ()) or role in UPDATE.get(
                name, ()) else FORMS[:1]

    def check_changes(self, name, method, path):
        table = self.table(name)
        for role, forms in self.writes(name):
            row_id = rows[role][name]
            before = self.row(table, row_id)
            for field in self.forbidden(name, role, 1):
                value, _ = planted(name, field)
                for form in (f for f in forms if is_tried(path, name, role, field, f)):
                    with self.subTest(role=role, type=name, field=field, form=form, path=path):
                        response = self.send(role, method, path % (plural[name], row_id),
                                             {field: value}, form)
                        after = self.row(table, row_id)
                        self.assertEqual(after, before, response)

    def test_each_type_is_tried(self):
        self.assertEqual(set(types) - NOT_STORED, set(rows["admin"]),
                         "types that are in no table of test_assignment.py: add them, or what is "
                         "gone take out")

    def test_update_changes_nothing(self):
        for name in rows["admin"]:
            self.check_changes(name, "PUT", "%s/%s")

    def test_the_action_update_changes_nothing(self):
        for name in rows["admin"]:
            # an account's own key would be asleep while it is updated
            if name != "account":
                self.check_changes(name, "POST", "%s/%s/?action=update")

    def test_create_takes_nothing(self):
        for name in rows["admin"]:
            for role, forms in self.writes(name):
                self.check_creates(name, role, forms)

    def check_creates(self, name, role, forms):
        table = self.table(name)
        count = "SELECT count(*) FROM " + table
        plain = None
        if role in CREATE.get(name, ()):
            plain = self.row(table, self.ok(who[role].post(plural[name], base_of(name, role)),
                                            201)["id"])
        for field in self.forbidden(name, role, 0):
            for form in (f for f in forms if is_tried("create", name, role, field, f)):
                value, stored = planted(name, field)
                with self.subTest(role=role, type=name, field=field, form=form):
                    before = site.sql(count)
                    response = self.send(role, "POST", plural[name],
                                         dict(base_of(name, role), **{field: value}), form)
                    if plain is None:
                        self.assertNotEqual(response.status, 201, response)
                    if response.status != 201:
                        self.assertEqual(site.sql(count), before, response)
                        continue
                    made = self.row(table, response.json["id"])
                    for column, content in made.items():
                        if column in ("id", "uuid", "created", "public_value", "secret_value",
                                      "server_address", "address_key"):
                            self.assertNotIn(content, stored, "%s: %r" % (column, response))
                        else:
                            self.assertEqual(content, plain[column], "%s: %r" % (column, response))

    def test_members_are_made_of_three_fields(self):
        """setmembers, and members in the create of a project: everything else in a member is
        ignored."""
        owner = {"externalId": "1a1", "externalIdType": "rancher_id", "role": "owner"}
        foreign = site.project()
        for field in types["projectMember"]["resourceFields"]:
            if field in owner:
                continue
            value = foreign.id if field == "projectId" else planted("projectMember", field)[0]
            member = dict(owner, **{field: value})
            made = self.ok(site.admin.post("/v1/projects", {"members": [member]}), 201)["id"]
            others = "SELECT * FROM project_member WHERE project_id <> ? ORDER BY id"
            before = site.sql(others, (int(made[2:]),))
            self.status(site.admin.action("/v1/projects/" + made, "setmembers",
                                          {"members": [member]}), 202)
            found = site.sql("SELECT name, description, state, removed, kind, external_id, role "
                             "FROM project_member WHERE project_id = ?",
                             (int(made[2:]),))
            self.assertEqual(found, [(None, None, "active", None, "projectMember", "1a1", "owner")],
                             field)
            self.assertEqual(site.sql(others, (int(made[2:]),)), before, field)
            Assignment.cells += 2

    def test_what_may_be_set_is_set(self):
        """The other side, without which all of the above would hold for a program that ignores
        everything."""
        for name in UPDATE:
            for role in UPDATE[name]:
                if name == "account" and role in ("service", "superadmin"):
                    # in a project it sees the project's account alone
                    continue
                with self.subTest(role=role, type=name):
                    text = fresh("set")
                    self.status(who[role].put("%s/%s" % (plural[name], rows[role][name]),
                                              {"name": text}), 200)
                    self.assertEqual(self.row(self.table(name), rows[role][name])["name"], text)

    def test_zz_cells(self):
        print("test_assignment: %d cells" % Assignment.cells)
        self.assertGreaterEqual(Assignment.cells, 600)


if __name__ == "__main__":
    unittest.main()
