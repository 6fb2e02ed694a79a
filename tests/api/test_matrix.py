"""Who may do what: identity × type × request × scope, generated, each with the status that it must
have.

The expectation comes from the tables below, written from the roles in docs/api.md, and from three
rules: an identity that is none is 401, a
scope that is not the caller's 403, a row that is not the caller's 404, with the same words as a row
that is not there.  `make check-long`
(REGCRED_LONG) asks for every cell, `make check` for a third of them, always the same.
"""

import json
import os
import re
import shutil
import tempfile
import unittest
import zlib

import harness
import test_proxy as proxy

TOKEN = harness.PLANT + "-matrix-token-0123456789abcdef01234567"
SHARE = 1 if os.environ.get("REGCRED_LONG") else 3

# C POST to the collection, R GET, U PUT, D DELETE, X actions.
PROJECT_ROLES = "owner member restricted project projectadmin"
LETTERS = {}
for _types, _rows in {
        "registry registryCredential": {"superadmin service " + PROJECT_ROLES: "CRUDX", "admin user": "RX", "readAdmin readonly": "R"},
        "apiKey password": {"superadmin service admin user " + PROJECT_ROLES: "CRUDX", "readAdmin readonly": "R"},
        "project": {"superadmin admin user": "CRUDX", "service": "CRX", PROJECT_ROLES: "RX", "readAdmin readonly": "R"},
        "credential": {"superadmin": "CRUDX", "service admin": "CRX", "user " + PROJECT_ROLES: "RX", "readAdmin readonly": "R"},
        "storagePool": {"superadmin": "CRUDX", "service admin user " + PROJECT_ROLES: "RX", "readAdmin readonly": "R"},
        "projectMember": {"superadmin service admin user readAdmin readonly "
                          + PROJECT_ROLES: "R"}}.items():
    for _type in _types.split():
        for _roles, _letters in _rows.items():
            for _role in _roles.split():
                LETTERS[_role, _type] = set(_letters)

# identity: role unscoped, in A, in B (None: 403), and the membership of A that an unscoped caller
# acts by.
WHO = {
    "key of A": ("project", "project", None, "own"), "second key of A": ("project", "project", None, "own"),
    "readonly key of A": ("readonly", "readonly", None, "own"), "key of B": ("project", None, "project", None),
    "owner of A": ("user", "owner", None, "owner"), "member of A": ("user", "member", None, "member"),
    "restricted of A": ("user", "restricted", None, "restricted"), "readonly of A": ("user", "readonly", None, "readonly"),
    "user": ("user", None, None, None), "admin": ("admin", "owner", "owner", None), "readAdmin": ("readAdmin", "readonly", "readonly", None),
    "service": ("service", "service", "service", None), "superadmin": ("superadmin", "superadmin", "superadmin", None),
    "proxy owner": ("user", "owner", None, "owner"), "proxy member": ("user", "member", None, "member"),
    "proxy restricted": ("user", "restricted", None, "restricted"), "proxy readonly": ("user", "readonly", None, "readonly"),
    "proxy user": ("user", None, None, None), "proxy admin": ("admin", "owner", "owner", None),
    "proxy readAdmin": ("readAdmin", "readonly", "readonly", None),
}
NOBODY = ("none", "wrong key", "revoked key", "expired key", "proxy without token",
          "proxy with a wrong token")
REFUSED = ("proxy unmapped",)                            # signed in, but has no account here
EVERYWHERE = ("superadmin", "service", "admin", "readAdmin")
WATCHERS = ("readAdmin", "readonly")
SCOPES = (("/v1", None), ("/v2-beta", None), ("/v1/projects/%(A)s", "A"),
          ("/v1/projects/%(B)s", "B"), ("/v2-beta/projects/%(A)s", "A"))
PLURAL = {"registry": "registries", "registryCredential": "registrycredentials",
          "apiKey": "apikeys", "password": "passwords", "project": "projects",
          "credential": "credentials", "storagePool": "storagepools",
          "projectMember": "projectmembers"}
# Types without rows of a project, and who is there for them: {role: statuses of list and create},
# and those of everybody else.
APART = {
    "auditLog": ({role: (200, 405) for role in "superadmin admin readAdmin owner project projectadmin".split()}, (404, 404)),
    "imageLogin": ({}, (405, 422)),
    "projectTemplate": ({}, (200, 405)),
    "secretVersion": ({}, (200, 405)),                   # test_renewal_api: each is seen with its login
    "handOut": ({role: (405, 403) for role in "superadmin admin user owner project projectadmin".split()}, (404, 404)),
}
# a person who is signed in needs no key that may be handed logins
HANDED_BY_SIGN_ON = 422
DOCUMENTS = {"apiVersion", "error", "registryTestInput", "registryTestOutput", "schema",
             "setProjectMembersInput"}
# test_security, test_owners: whose accounts are seen depends on no project
ELSEWHERE = {"session", "account"}
# a wrong body: 422 if the method is allowed at all, and nothing is changed
LONG = {"name": "x" * 256}
LINK = {"projectMember": "project", "project": "projectmembers"}

directory = site = None
clients, claims, projects, rows, missing = {}, {}, {}, {}, {}


def setUpModule():
    global directory, site
    directory = tempfile.mkdtemp(prefix="rc-")
    proxy.directory = directory
    proxy.token_file("token", TOKEN + "\n")
    roles = ("owner", "member", "restricted", "readonly")
    groups = "[groups]\n" + "".join("%s = 1a6:%s\n" % (r, r)
                                    for r in roles) + "ops = admin\nreaders = readAdmin\n"
    site = harness.Site(environment={"REGCRED_CONFIG": proxy.settings("site.conf", groups=groups)})
    try:
        site.start()
        make_rows(roles)
    except BaseException:
        site.kill()
        shutil.rmtree(directory)
        raise


def make_rows(roles):
    projects["A"], projects["B"] = a, b = site.project("A"), site.project("B")
    assert a.id == "1a6", "the groups' project is another: " + a.id
    members = [("1a1", "owner")]
    for role in roles:
        made, clients[role + " of A"] = site.account("user", role)
        members.append((made, role))
    wanted = [{"externalId": i, "externalIdType": "rancher_id", "role": r} for i, r in members]
    assert site.admin.action("/v1/projects/" + a.id, "setmembers",
                             {"members": wanted}).status == 202
    for kind in ("user", "readAdmin", "service", "superadmin"):
        clients[kind] = site.account(kind)[1]
    revoked, expired = site.new_key(a.env), site.new_key(a.env)
    clients.update({
        "admin": site.admin, "key of A": a.env, "key of B": b.env, "second key of A": harness.Client(site, site.new_key(a.env)),
        "readonly key of A": harness.Client(site, site.new_key(a.env, role="readonly")), "none": site.anonymous(),
        "wrong key": harness.Client(site, (a.env.key[0], "wrong")), "revoked key": harness.Client(site, revoked),
        "expired key": harness.Client(site, expired)})
    site.sql("UPDATE credential SET expires = 1000 WHERE public_value = ?", (expired[0],),
             write=True)
    site.sql("UPDATE credential SET state = 'inactive' WHERE public_value = ?", (revoked[0],),
             write=True)
    for name, group in [("proxy " + r, r) for r in roles] + [("proxy user", "none"),
                                                             ("proxy admin", "ops"),
                                                             ("proxy readAdmin", "readers")]:
        body = {"externalId": name, "externalIdType": "proxy", "kind": "user", "name": name}
        assert site.admin.post("/v1/accounts", body).status == 201
        claims[name] = proxy.claims(name, group, token=TOKEN)
    claims["proxy unmapped"] = proxy.claims("nobody knows", "owner", token=TOKEN)
    claims["proxy without token"] = proxy.claims("proxy owner", "owner", token=None)
    claims["proxy with a wrong token"] = proxy.claims("proxy owner", "owner", token=TOKEN[:-1]
                                                      + "x")
    for name, p in projects.items():
        registry = p.registry()["id"]
        rows[name] = {
            "registry": registry, "storagePool": registry, "registryCredential": p.credential(registry)["id"], "project": p.id,
            "apiKey": p.env.post("apikeys", {}).json["id"], "password": p.env.post("passwords", {"publicValue": "p" + name}).json["id"],
            "projectMember": site.admin.get("/v1/projects/%s/projectmembers"
                                            % p.id).json["data"][0]["id"]}
        rows[name]["credential"] = rows[name]["password"]
    missing.update({t: re.sub("[0-9]+$", "999999", i) for t, i in rows["A"].items()})


def tearDownModule():
    try:
        site.stop()
    finally:
        shutil.rmtree(directory)


def request(who, method, uri, body):
    """Status and body of an answer: through nginx, or as the web server would ask that has signed
    somebody in."""
    if who in claims:
        answer = proxy.send(claims[who], method, uri, body if method in ("POST", "PUT") else None,
                            path=site.socket)
        return answer.status, json.dumps(answer.json)
    answer = clients[who].request(method, uri, body if method in ("POST", "PUT") else None)
    return answer.status, answer.text


# What is asked: name, method, path behind the type, body; and what it gives to whom it is allowed
# for: see `expected`.
COLLECTION = (("list", "GET", "", None), ("create", "POST", "", LONG),
              ("put the list", "PUT", "", {}), ("delete the list", "DELETE", "", None))
ROW = (("read", "GET", "/%s", None), ("update", "PUT", "/%s", {}),
       ("wrong update", "PUT", "/%s", LONG), ("delete active", "DELETE", "/%s", None),
       ("link", "GET", "/%s/%s", None), ("no such link", "GET", "/%s/nolink", None), ("act", "POST", "/%s/?action=update", {}),
       ("act too early", "POST", "/%s/?action=purge", {}),
       ("no such action", "POST", "/%s/?action=explode", {}), ("post to a row", "POST", "/%s", {}))


class Cell:
    """What one identity must get for one request."""

    def __init__(self, who, scope, kind):
        unscoped, in_a, in_b, self.membership = WHO[who]
        self.who, self.scope, self.kind = who, scope, kind
        self.role = {None: unscoped, "A": in_a, "B": in_b}[scope]
        self.may = LETTERS.get((self.role, kind), set())

    def sees(self, owner):
        if self.scope is not None:
            return owner == self.scope
        if self.role in EVERYWHERE:
            return owner is not None
        return owner == "A" and self.membership is not None or owner == "B" and self.who == "key of B"

    def manages(self):
        """May change a row that it sees."""
        if self.role in WATCHERS or self.kind == "projectMember":
            return False
        if self.kind == "project":
            return self.role in ("superadmin", "service", "admin",
                                 "owner") or self.role == "user" and self.membership == "owner"
        return self.scope is not None or self.role in EVERYWHERE or self.membership != "readonly"

    def expected(self, what, owner=None):
        seen = self.sees(owner)
        allowed = {"list": "R", "create": "C", "update": "U", "wrong update": "U",
                   "delete active": "D"}.get(what, "")
        if what in ("put the list", "delete the list",
                    "post to a row") or not set(allowed) <= self.may:
            return 405
        if what in ("list", "create", "wrong update"):
            return 200 if what == "list" else 422
        if what == "no such action":
            return 422
        if not seen or what == "no such link":
            return 404
        if what in ("read", "link"):
            return 200
        if what.startswith("act"):
            return 202 if what == "act" and "X" in self.may and self.manages() else 422
        if not self.manages():
            return 403
        return 200 if what == "update" else 405


class Matrix(harness.Case):
    cells = 0

    def ask(self, who, method, uri, body, wanted):
        with self.subTest(who=who, method=method, uri=uri):
            Matrix.cells += 1
            status, text = request(who, method, uri, body)
            self.assertEqual(status, wanted, text[:300])
            return re.sub('"id": ?"[^"]*"', "", text)
        return None

    def requests(self, roots=SCOPES):
        """(root, scope, type, what, method, path, body): the path has a place for an id unless it
        is a collection's."""
        for root, scope in roots:
            root = root % {name: p.id for name, p in projects.items()}
            for kind, plural in PLURAL.items():
                if kind == "projectMember" and scope is not None:
                    # /projects/A/projectmembers is a link of A, not a scope
                    continue
                for what, method, path, body in COLLECTION + ROW:
                    if kind == "project" and what in ("delete active", "act too early",
                                                      "no such link"):
                        # it would be gone, and with it the others' rows; what follows its id is a
                        # scope
                        continue
                    path = path.replace("%s/%s", "%s/" + LINK.get(kind, "account"))
                    yield root, scope, kind, what, method, "%s/%s%s" % (root, plural, path), body

    def is_tried(self, *cell):
        return zlib.crc32(" ".join(map(str, cell)).encode()) % SHARE == 0

    def test_every_identity(self):
        for _, scope, kind, what, method, path, body in self.requests():
            for who in WHO:
                if not self.is_tried(who, method, path):
                    continue
                cell = Cell(who, scope, kind)
                if "%s" not in path:
                    self.ask(who, method, path, body, 403 if cell.role is None
                             else cell.expected(what))
                    continue
                texts = {}
                for owner, found in (("A", rows["A"]), ("B", rows["B"]), (None, missing)):
                    wanted = 403 if cell.role is None else cell.expected(what, owner)
                    texts[owner] = self.ask(who, method, path % found[kind], body, wanted)
                for owner in "AB":
                    if cell.role is None or not cell.sees(owner):
                        self.assertEqual(texts[owner], texts[None],
                                         "a foreign row and a missing one differ: %s %s %s"
                                         % (who, method, path))

    def test_each_type_is_in_a_table(self):
        for version in ("/v1", "/v2-beta"):
            found = {t["id"] for t in clients["superadmin"].get(version + "/schemas").json["data"]}
            self.assertEqual(found - set(PLURAL) - set(APART) - DOCUMENTS - ELSEWHERE, set(),
                             "types without a row in the tables of test_matrix.py: add it")
            self.assertEqual((set(PLURAL) | set(APART)) - found, set(),
                             "rows of types that there are not")

    def test_types_without_rows(self):
        for kind, (roles, others) in APART.items():
            for root, scope in SCOPES:
                path = "%s/%ss" % (root % {name: p.id for name, p in projects.items()},
                                   kind.lower())
                for who in WHO:
                    role = Cell(who, scope, kind).role
                    listed, created = roles.get(role, others)
                    if created == 403 and who in claims:
                        created = HANDED_BY_SIGN_ON
                    for method, wanted in (("GET", listed), ("POST", created),
                                           ("PUT", 404 if listed == 404 else 405),
                                           ("DELETE", 404 if listed == 404 else 405)):
                        self.ask(who, method, path, {}, 403 if role is None else wanted)
                for who in NOBODY + REFUSED:
                    for method in ("GET", "POST", "PUT", "DELETE"):
                        self.ask(who, method, path, {}, 403 if who in REFUSED else 401)

    def test_nobody(self):
        for _, _, kind, _, method, path, body in self.requests():
            for who in NOBODY + REFUSED:
                if self.is_tried(who, method, path, "nobody"):
                    self.ask(who, method, path % rows["A"][kind] if "%s" in path else path, body,
                             403 if who in REFUSED else 401)

    def test_zz_cells(self):
        print("test_matrix: %d cells" % Matrix.cells)
        self.assertGreaterEqual(Matrix.cells, 2000)


if __name__ == "__main__":
    unittest.main()
