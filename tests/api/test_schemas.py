"""The published /v1/schemas of each role against those of the original (data/schemas-v1.json: only
what is compared here).

Where regcred differs on purpose there is a row in EXCEPTIONS that says what and why; a row that
excuses nothing is a failure too.
"""

import json
import os

import harness

SYSTEM = ("id", "kind", "state", "created", "removed", "removeTime", "transitioning",
          "transitioningMessage", "transitioningProgress", "data")
ACCOUNTS = ("account", "project")
EXTRA_TYPES = {"session", "apiVersion", "error", "password", "imageLogin", "projectTemplate",
               "registryTestInput", "registryTestOutput",
               "secretVersion"}
# Roles that may be handed logins see how.
HANDED = {"superadmin", "admin", "user", "owner", "project", "projectadmin"}
# Who reads the audit log besides.
AUDITORS = ("superadmin", "admin", "readAdmin", "owner", "project", "projectadmin")
# Roles that must use a project to have this role; the others ask without one.
SCOPED = ("owner", "member", "restricted", "project", "readonly")

# Fields of a login that is renewed.
RENEWAL = {"firstBadAt", "lastGoodAt", "overlap", "previousUntil", "refreshAt", "refreshMessage",
           "refreshResult", "refreshStatus", "refreshedAt",
           "secretVersion", "source", "sourceConfig", "sourceSecret", "verifyEvery",
           "verifyRepository"}
# name, why, and what it excuses: a function of role, type, part ("field", "method", ...), name,
# attribute, published value, original value
EXCEPTIONS = (
    ("system columns are read-only",
     "what the server keeps itself nobody may write, not even superadmin",
     lambda role, kind, part, name, attr, new, old: role == "superadmin" and part == "field"
     and attr in ("create", "update") and not new
     and name in SYSTEM),
    ("accountId is set once", "a row does not move to another account",
     lambda role, kind, part, name, attr, new, old: role == "superadmin" and part == "field"
     and name in ("accountId", "projectId", "uuid", "registryId")
     and attr == "update" and not new),
    ("unused columns are read-only",
     "regcred keeps no storage drivers, networks and agents: those members are always null",
     lambda role, kind, part, name, attr, new, old: part == "field" and attr in ("create", "update")
     and not new and name in
     ("blockDevicePath", "driverName", "externalId", "externalIdType", "volumeAccessMode",
      "volumeCapabilities", "defaultNetworkId", "agentId", "external",
      "physicalTotalSizeMb", "virtualTotalSizeMb", "zoneId", "servicesPortRange", "identity")
      and kind != "account"),
    ("unused references", "a field whose type is not published and whose value is always null may "
                          "be left out or be a nullable text",
     lambda role, kind, part, name, attr, new, old: part == "field"
     and name in ("defaultNetworkId", "external", "identity")
     and attr in (None, "nullable", "type", "maxLength")),
    ("identity is read-only", "it is computed from the account",
     lambda role, kind, part, name, attr, new, old: kind == "account" and part == "field" and name
     == "identity" and attr in ("create", "update", "nullable")),
    ("account kind and uuid", "who may make accounts chooses the kind once; it never changes",
     lambda role, kind, part, name, attr, new, old: kind == "account" and part == "field"
     and name in ("kind", "uuid", "externalId", "externalIdType")
     and attr in ("create", "update")),
    ("project kind and uuid", "the kind of a project is project; its uuid is given once",
     lambda role, kind, part, name, attr, new, old: kind == "project" and part == "field"
     and name in ("kind", "uuid") and attr in ("create", "update")),
    ("members are set by setmembers", "PUT of a project leaves them alone",
     lambda role, kind, part, name, attr, new, old: part == "field" and name == "members"
     and attr in ("create", "update") and old and role == "superadmin"),
    ("schemas are read-only", "they come from the program's tables",
     lambda role, kind, part, name, attr, new, old: kind == "schema"
     and (part == "method" or (part == "field" and attr in ("create", "update", "nullable")))
     and not (part == "method" and new - {"GET"})),
    ("inputs are documents",
     "setProjectMembersInput describes a body; it has no collection of its own",
     lambda role, kind, part, name, attr, new, old: kind == "setProjectMembersInput"
     and (part == "method" and not new - {"GET"} or part == "field")),
    ("members are listed and read only", "projectMember is GET: members change by setmembers",
     lambda role, kind, part, name, attr, new, old: kind == "projectMember"
     and (part == "method" and new == {"GET"}
                                                                                or part == "field"
                                                                                and attr in (
                                                                                    "create",
                                                                                    "update")
                                                                                    and not new)),
    ("no filter by secrets", "secretValue would be an oracle",
     lambda role, kind, part, name, attr, new, old: part == "filter" and name == "secretValue"
     and new is None),
    ("email and serverAddress have a maximum", "1024 characters",
     lambda role, kind, part, name, attr, new, old: part == "field"
     and name in ("email", "serverAddress") and attr == "maxLength" and new == 1024),
    ("service and superadmin give uuid and accountId",
     "imports keep their uuids; a service acts for other accounts",
     lambda role, kind, part, name, attr, new, old: role in ("service", "superadmin") and part
     == "field" and attr == "create" and new is True
     and name in ("uuid", "accountId") and kind in ("registryCredential", "registry", "apiKey",
                                                    "password", "project")),
    ("abstract types are read-only", "rows are made through their own type",
     lambda role, kind, part, name, attr, new, old: kind in ("credential", "storagePool")
     and (part == "method" and new == {"GET"}
                                                                                              or part == "field" and attr in ("create", "update") and not new)),
    ("registryId of keys", "only registryCredential has one",
     lambda role, kind, part, name, attr, new, old: kind in ("credential", "apiKey") and part
     == "field" and name == "registryId" and role == "superadmin"),
    ("keys are not rewritten",
     "publicValue and secretValue of a key are chosen once and hashed; the hash is never shown",
     lambda role, kind, part, name, attr, new, old: kind in ("apiKey", "credential") and part
     == "field" and name in ("publicValue", "secretValue")
     and role in ("superadmin", "service") and attr in ("create", "update", "readOnCreateOnly")),
    ("serverAddress is set once", "as for everybody else: it is create-only",
     lambda role, kind, part, name, attr, new, old: role == "superadmin" and kind == "registry"
     and name == "serverAddress" and attr == "update" and not new),
    ("no link without a reference",
     "a key has no registry, and a membership no account of its own, to follow",
     lambda role, kind, part, name, attr, new, old: role == "superadmin" and part == "include"
     and set(old) - set(new) == {"account" if kind == "projectMember" else "registry"}
     and kind in ("credential", "apiKey", "projectMember")),
    ("keys have bounds", "apiKey: expires, lastUsed, lastUsedAddress, madeBy, networks, "
                         "pathPrefixes, projectIds, registryIds, reveal, role are not in the original",
     lambda role, kind, part, name, attr, new, old: kind == "apiKey" and part in ("field", "filter")
     and old is None
     and name in ("expires", "lastUsed", "lastUsedAddress", "madeBy", "networks", "pathPrefixes",
                  "projectIds", "registryIds",
                  "reveal", "role")),
    ("logins go to one host", "registry: tokenHost is not in the original",
     lambda role, kind, part, name, attr, new, old: kind == "registry"
     and part in ("field", "filter") and name == "tokenHost"),
    ("logins are chosen", "registryCredential: expiresAt, isDefault, lastUsed, lastUsedBy, "
                          "pathPrefix are not in the original",
     lambda role, kind, part, name, attr, new, old: kind == "registryCredential"
     and part in ("field", "filter") and old is None
     and name in ("expiresAt", "isDefault", "lastUsed", "lastUsedBy", "pathPrefix")),
    ("logins are verified",
     "verify and test, what they found, and what a project asks for are not in the original",
     lambda role, kind, part, name, attr, new, old: old is None
     and (name in ("verify", "test", "verification", "verifiedAt", "verificationMessage",
                                                                              "verificationMs",
                                                                              "verificationResult",
                                                                              "verificationStatus")
                                                                     or kind in (
                                                                         "registryTestInput",
                                                                         "registryTestOutput"))),
    ("logins are renewed",
     "sources, former secrets, repeated checks and warnings are not in the original",
     lambda role, kind, part, name, attr, new, old: old is None
     and (kind == "registryCredential" and name in RENEWAL.union({"refresh", "rollback"})
         or kind == "project" and name == "expiryWarnings")),
    ("former secrets are listed",
     "the link secretVersions of a registryCredential is not in the original",
     lambda role, kind, part, name, attr, new, old: kind == "registryCredential" and part
     == "include" and set(new) - set(old) == {"secretVersions"}),
    ("error has fieldName", "validation errors name the field",
     lambda role, kind, part, name, attr, new, old: kind == "error"),
    ("flag of a project", "allowSystemRole is written by administrators only",
     lambda role, kind, part, name, attr, new, old: kind == "project" and name == "allowSystemRole"
     and attr in ("create", "update", None)),
    ("names of members are their accounts'", "regcred keeps no name of its own for a membership",
     lambda role, kind, part, name, attr, new, old: kind == "projectMember" and part == "field"
     and name in ("name", "description", "accountId")),
)
# Excuses that are free to go unused: they allow a choice that the API leaves open.
OPTIONAL = {"unused references", "error has fieldName", "flag of a project",
            "names of members are their accounts'", "inputs are documents",
            "keys are not rewritten", "project kind and uuid", "account kind and uuid", "identity is read-only", "registryId of keys",
            "members are set by setmembers", "abstract types are read-only",
            "unused columns are read-only"}

ATTRIBUTES = ("type", "create", "update", "nullable", "required", "readOnCreateOnly", "minLength",
              "maxLength", "options", "default")

site = None
documents = {}
used = set()


def setUpModule():
    """Fetches the schemas of all roles once."""
    global site
    site = harness.Site()
    site.start()
    ids, clients = {}, {"admin": site.admin}
    for kind in ("superadmin", "service", "readAdmin", "user", "projectadmin"):
        ids[kind], clients[kind] = site.account(kind)
    for role in ("owner", "member", "restricted", "readonly"):
        ids[role], clients[role] = site.account("user", role)
    project = site.project(members=[("1a1", "owner")]
                           + [(ids[r], r) for r in ("owner", "member", "restricted", "readonly")])
    clients["project"] = project.env
    for role, client in clients.items():
        root = project.root if role in SCOPED else "/v1"
        for version, path in (("v1", root), ("v2-beta", root.replace("/v1", "/v2-beta"))):
            r = client.get(path + "/schemas")
            if r.status != 200:
                raise AssertionError("%s: %r" % (role, r))
            documents[role, version] = {item["id"]: item for item in r.json["data"]}


def tearDownModule():
    site.stop()


def original():
    with open(os.path.join(harness.HERE, "data", "schemas-v1.json"), encoding="utf-8") as f:
        table = json.load(f)
    for role, types in table.items():
        if "sameAs" in types:
            table[role] = table[types["sameAs"]]
    for types in table.values():
        for kind, doc in types.items():
            if "sameAs" in doc:
                types[kind] = table[doc["sameAs"]][kind]
    return table


def excused(*difference):
    found = [name for name, _, test in EXCEPTIONS if test(*difference)]
    used.update(found)
    return bool(found)


def fields(role, kind, new, old):
    """The differences of two resourceFields."""
    for name in sorted(set(new) | set(old)):
        if name not in new or name not in old:
            yield role, kind, "field", name, None, new.get(name), old.get(name)
            continue
        for attr in ATTRIBUTES:
            mine, theirs = new[name].get(attr), old[name].get(attr)
            if attr in ("create", "update", "nullable", "required", "readOnCreateOnly"):
                mine, theirs = bool(mine), bool(theirs)
            if mine != theirs:
                yield role, kind, "field", name, attr, mine, theirs


def differences(role, kind, new, old, published):
    for name in ("collectionMethods", "resourceMethods"):
        if set(new[name]) != set(old[name]):
            yield role, kind, "method", name, None, set(new[name]), set(old[name])
    if new["pluralName"] != old["pluralName"]:
        yield role, kind, "pluralName", None, None, new["pluralName"], old["pluralName"]
    yield from fields(role, kind, new["resourceFields"], old["resourceFields"])
    for name in sorted(set(new["resourceActions"]) | set(old["resourceActions"])):
        mine, theirs = new["resourceActions"].get(name), old["resourceActions"].get(name)
        if mine != theirs:
            yield role, kind, "action", name, None, mine, theirs
    for name in sorted(set(new["collectionFilters"]) | set(old["collectionFilters"])):
        mine = new["collectionFilters"].get(name, {}).get("modifiers")
        theirs = old["collectionFilters"].get(name)
        if mine is None or theirs is None or set(mine) != set(theirs):
            yield role, kind, "filter", name, None, mine, theirs
    wanted = {link for link in old["includeableLinks"] if link in published}
    if {link.lower() for link in new["includeableLinks"]} != wanted:
        yield role, kind, "include", None, None, new["includeableLinks"], sorted(wanted)


class Schemas(harness.Case):
    def check_role(self, role):
        new, old = documents[role, "v1"], original()[role]
        published = {i.lower() for i in new} | {doc["pluralName"].lower() for doc in new.values()}
        self.assertEqual(set(old) - set(new), set(), "types that are missing")
        extra = EXTRA_TYPES.union({"auditLog"} if role in AUDITORS else (), {"handOut"}
                                  if role in HANDED else ())
        self.assertEqual(set(new) - set(old), extra - set(old), "types that are too many")
        problems = []
        for kind in sorted(set(old) & set(new)):
            problems += ["%s %s %s %s %s: published %r, original %r" % d
                         for d in differences(role, kind, new[kind], old[kind], published)
                         if not excused(*d)]
        self.assertEqual(problems, [])

    def test_documents_are_read_only(self):
        for (role, version), types in documents.items():
            for kind in ("schema", "apiVersion", "error"):
                methods = set(types[kind]["collectionMethods"]) | set(
                    types[kind]["resourceMethods"])
                self.assertLessEqual(methods, {"GET"}, "%s %s %s" % (role, version, kind))
                self.assertFalse([n for n, f in types[kind]["resourceFields"].items() if f["create"]
                                  or f["update"]], "%s %s" % (role, kind))
            self.assertEqual(types["schema"]["links"].get("collection", "").rsplit("/", 1)[-1],
                             "schemas")

    def test_password(self):
        """Like apiKey, but publicValue and secretValue are chosen by whoever may create one."""
        for (role, version), types in documents.items():
            doc = types["password"]
            self.assertEqual(doc["pluralName"], "passwords")
            self.assertEqual(set(doc["collectionMethods"]),
                             set(types["apiKey"]["collectionMethods"]), role)
            self.assertNotIn("secretValue", doc["collectionFilters"])
            if "POST" in doc["collectionMethods"]:
                for name in ("publicValue", "secretValue"):
                    self.assertTrue(doc["resourceFields"][name]["create"], "%s %s" % (role, name))
                    self.assertFalse(doc["resourceFields"][name]["update"], "%s %s" % (role, name))

    def test_secret_is_read_by_two_roles(self):
        for (role, version), types in documents.items():
            field = types["registryCredential"]["resourceFields"]["secretValue"]
            self.assertEqual(field["readOnCreateOnly"], role not in ("superadmin", "projectadmin"),
                             role)
            self.assertEqual(field["type"], "password")

    def test_v2_beta_differs_in_little(self):
        for role in {role for role, _ in documents}:
            one, two = documents[role, "v1"], documents[role, "v2-beta"]
            self.assertEqual(set(one), set(two))
            for kind in ("registryCredential", "registry"):
                for name, field in one[kind]["resourceFields"].items():
                    other = two[kind]["resourceFields"][name]
                    if name == "email":
                        self.assertTrue(field["required"] and not field.get("nullable"))
                        self.assertTrue(other["nullable"] and not other.get("required"))
                    elif name == "state":
                        self.assertEqual([o for o in field["options"] if o != "restoring"],
                                         [o for o in other["options"] if o != "restoring"])
                    else:
                        self.assertEqual(field, other, "%s %s %s" % (role, kind, name))
                self.assertEqual(set(one[kind]["resourceMethods"]),
                                 set(two[kind]["resourceMethods"]))
                self.assertLessEqual(set(one[kind]["collectionFilters"]),
                                     set(two[kind]["collectionFilters"]))
            self.assertIn("orchestration", two["project"]["resourceFields"])

    def test_order_of_fields(self):
        """email and serverAddress come last: that decides which missing field is reported first."""
        for (role, version), types in documents.items():
            for kind, last in (("registryCredential", "email"), ("registry", "serverAddress")):
                names = [n for n in types[kind]["resourceFields"]
                         if not n.startswith(("verification", "verified")) and n not in RENEWAL]
                self.assertEqual(names[-1], last, role)
                rest = [n for n in names[:-1]]
                self.assertIn(rest, (sorted(rest), sorted(rest, key=str.lower)),
                              "%s %s" % (role, kind))

    def test_one_schema_is_the_item_of_the_collection(self):
        for kind in ("registryCredential", "registry", "schema", "error", "project"):
            alone = self.ok(site.admin.get("/v1/schemas/" + kind))
            self.assertEqual(alone, documents["admin", "v1"][kind])

    def test_zz_no_exception_without_use(self):
        """Runs last by its name: every documented difference is still one."""
        for role in {role for role, version in documents}:
            new, old = documents[role, "v1"], original()[role]
            for kind in set(old) & set(new):
                for d in differences(role, kind, new[kind], old[kind], set()):
                    excused(*d)
        self.assertEqual({name for name, _, _ in EXCEPTIONS} - used - OPTIONAL, set())


for _role in ("superadmin", "service", "admin", "readAdmin", "user", "owner", "member",
              "restricted", "project", "projectadmin", "readonly"):
    setattr(Schemas, "test_role_" + _role, lambda self, role=_role: self.check_role(role))
