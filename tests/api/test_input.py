"""Input that must be refused, from data/refused.json, and headers that must have no effect.

A row of the data file: name, method, path, headers (pairs), auth (none, wrong, admin; default: the
project's environment key), one of body (text), base64 (raw bytes) or build (strings and counts:
each count repeats the string before it), then what must come back: status
(one or several), code, field.  proxy: the answer may be nginx's own.  {P}, {registry} and the like
stand for what setUpModule made;
{x*40} for forty x.  After each row the database must be what it was, and the next request on the
same connection unharmed.
"""

import base64
import json
import os
import re

import harness
from harness import Client

site = None
made = {}


def setUpModule():
    global site
    site = harness.Site(threads=2)
    site.start()
    project, other = site.project(), site.project()
    registry = project.registry()
    project.registry(serverAddress="taken.example.test")
    inactive = project.credential(registry)["id"]
    assert project.env.action("registrycredentials/" + inactive, "deactivate").status == 202
    made.update(P=project.root, Q=project.beta, pid=project.id, foreign=other.id,
                registry=registry["id"],
                cred=project.credential(registry)["id"], inactive=inactive,
                foreign_registry=other.registry()["id"],
                access=project.env.key[0], secret=project.env.key[1],
                authorization=project.env.authorization())
    made["clients"] = {"env": project.env, "admin": site.admin,
                       "none": site.anonymous(project.root),
                       "wrong": Client(site, (project.env.key[0], "wrong"), project.root)}


def tearDownModule():
    site.stop()


def fill(text):
    text = re.sub(r"\{(.{1,2})\*(\d+)\}", lambda m: m.group(1) * int(m.group(2)), text)
    for name, value in made.items():
        if isinstance(value, str):
            text = text.replace("{%s}" % name, value)
    return text


def body_of(row):
    if "base64" in row:
        return base64.b64decode(row["base64"])
    if "build" in row:
        parts = []
        for part in row["build"]:
            if isinstance(part, int):
                parts[-1] *= part
            else:
                parts.append(fill(part))
        return "".join(parts).encode()
    return fill(row["body"]).encode() if "body" in row else None


class Refused(harness.Case):
    def check(self, row):
        client = made["clients"][row.get("auth", "env")]
        before = site.snapshot()
        headers = [(name, fill(value)) for name, value in row.get("headers", [])]
        r = client.request(row["method"], fill(row["path"]), body_of(row), headers=headers,
                           proxy=row.get("proxy", False))
        wanted = row["status"] if isinstance(row["status"], list) else [row["status"]]
        self.assertIn(r.status, wanted, repr(r))
        if "code" in row and r.is_json and not (row.get("proxy")
                                                and "X-API-Schemas" not in dict(r.headers)):
            codes = row["code"] if isinstance(row["code"], list) else [row["code"]]
            self.assertIn(r.json["code"], codes, repr(r))
            self.assertEqual(r.json.get("fieldName"), row.get("field"), repr(r))
        elif not row.get("proxy"):
            self.assertTrue(r.is_json, repr(r))
        self.assertEqual(site.snapshot(), before, "a refused request changed the database")
        # A client that saw 401 has no right to more, so the project's own key asks on the same
        # connection.
        after = client.request("GET", made["P"] + "/registries",
                               headers=[("Authorization", made["authorization"])])
        count = site.sql("SELECT count(*) FROM storage_pool WHERE account_id = ? AND removed IS "
                         "NULL", (int(made["pid"][2:]),))[0][0]
        self.assertEqual((after.status, len(after.json["data"])), (200, count),
                         "the next request on the connection was harmed: %r" % after)


class Ignored(harness.Case):
    """Headers that a client may send and that must not change who it is, where links point or what
    is done."""

    HEADERS = (
        ("REMOTE_USER", "admin"), ("Remote-User", "admin"), ("X-Forwarded-User", "admin"), ("X-Remote-User", "admin"), ("X-WEBAUTH-USER", "admin"),
        ("X-API-Account-Id", "1a1"), ("X-Api-Account-Id", "1a2"), ("X-API-User-Id", "1a3"), ("X-API-Roles", "superadmin"),
        ("X-API-request-url", "http://evil.example.test/v1/registries"), ("X-Forwarded-Host", "evil.example.test"),
        ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "4443"), ("X-Forwarded-For", "10.9.8.7"), ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Server", "evil"), ("Forwarded", "host=evil.example.test;proto=https"), ("X-Original-URL", "/v1/nosuch"), ("X-Rewrite-URL", "/v1/nosuch"),
        ("X-HTTP-Method-Override", "DELETE"), ("X-Method-Override", "PUT"), ("X-HTTP-Method", "DELETE"), ("Proxy", "http://evil.example.test"),
        ("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"), ("Range", "bytes=0-3"), ("Expect", ""),
        ("X-API-Client-Access-Key", "1a1"), ("X-Real-IP", "10.9.8.7"), ("X-ENFORCE-AUTHENTICATION", "true"), ("Regcred-Proxy-User", "admin"),
        ("REGCRED_PROXY_USER", "admin"), ("Script-Name", "/evil"), ("Accept-Language", "x" * 2000), ("Content-Type", "text/plain"),
        ("Cookie", "token=x; PL=rancher; CSRF=0123456789"), ("Upgrade-Insecure-Requests", "1"), ("DNT", "1"),
    )

    def test_headers_without_effect(self):
        env = made["clients"]["env"]
        path = made["P"] + "/registries"
        plain = env.get(path)
        for name, value in self.HEADERS:
            with self.subTest(header=name):
                r = env.get(path, headers=[(name, value)])
                self.assertEqual((r.status, r.body), (plain.status, plain.body))
                for header in ("X-API-Account-Id", "X-API-User-Id", "X-API-Schemas"):
                    self.assertEqual(r.header(header), plain.header(header))

    def test_writes_with_headers_without_effect(self):
        env = made["clients"]["env"]
        path = made["P"] + "/registrycredentials/" + made["cred"]
        for name, value in self.HEADERS:
            if name in ("Content-Type", "Expect"):
                continue
            with self.subTest(header=name):
                r = env.put(path, {"description": "under " + name}, headers=[(name, value)])
                self.assertEqual((r.status, r.json["description"], r.json["accountId"]),
                                 (200, "under " + name, made["pid"]))

    def test_scope_cannot_be_widened(self):
        env = made["clients"]["env"]
        for query in ("all=true", "_role=superadmin", "accountId=" + made["foreign"],
                      "_role=admin&all=true", "_accountId=1a1", "account=1a1"):
            r = env.get("/v1/registries?" + query)
            self.assertEqual(r.status, 200)
            self.assertNotIn(made["foreign_registry"], [item["id"] for item in r.json["data"]],
                             query)
        self.err(env.get("/v1/registries?projectId=" + made["foreign"]), 403, "Forbidden")

    def test_host_of_the_links(self):
        """Links follow Host, as nginx passes it, but a Host that could smuggle something into them
        does not get there."""
        env = made["clients"]["env"]
        for host in ("user@evil.example.test", "evil.example.test:99999", "evil.example.test:",
                     "a..b", "'evil'", "evil\\", "evil,other", "evil;x", "<evil>",
                     "evil.example.test#x", "evil.example.test?x", "evil" * 80):
            with self.subTest(host=host):
                r = env.get(made["P"] + "/registries", headers=[("Host", host)], check=False)
                self.assertIn(r.status, (200, 400, 404))
                if r.status == 200:
                    for item in r.json["data"]:
                        self.assertRegex(item["links"]["self"],
                                         r"^http://[a-z0-9.-]+(:\d+)?/v1/projects/1a\d+/registries/1sp\d+$")
                        self.assertNotIn(host.split(":")[0], item["links"]["self"]
                                         if ":" not in host and ".." not in host else "")

    def test_early_exits_in_a_row(self):
        """A body on each early exit, many times over one connection, then a request that must be
        understood."""
        env, none = made["clients"]["env"], made["clients"]["none"]
        big = json.dumps({"name": "x" * 50000})
        for turn in range(8):
            self.status(none.post(made["P"] + "/registries", big), 401)
            self.status(env.post(made["P"] + "/nosuch", big), 404)
            self.status(env.put(made["P"] + "/registries", big), 405)
            self.status(env.request("DELETE", made["P"] + "/registries", big), 405)
            self.status(env.post("/v1/projects/%s/registries" % made["foreign"], big), 403)
            self.status(env.post(made["P"] + "/registries", big + " " * 20000, proxy=True), 413)
            self.assertEqual(len(self.ok(env.get(made["P"] + "/registries"))["data"]), 2)

    def test_body_that_is_cut_short(self):
        """A client that goes away in the middle of its body leaves no trace; the pool goes on."""
        import socket
        before = site.snapshot()
        text = json.dumps({"serverAddress": "cut.example.test"}).encode()
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", site.port)) as s:
                s.sendall(("POST %s/registries HTTP/1.1\r\nHost: x\r\nAuthorization: "
                           "%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                           % (made["P"], made["authorization"], len(text) + 10)).encode() + text)
        self.status(made["clients"]["env"].get(made["P"] + "/registries"), 200)
        self.assertEqual(site.snapshot(), before)

    def test_chunked_body(self):
        env = made["clients"]["env"]
        text = json.dumps({"description": "in chunks"}).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(text[i:i + 7]), text[i:i + 7])
                          for i in range(0, len(text), 7)) + b"0\r\n\r\n"
        r = env.put(made["P"] + "/registrycredentials/" + made["cred"], chunks,
                    headers=[("Transfer-Encoding", "chunked")])
        self.assertEqual(self.ok(r)["description"], "in chunks")

    def test_depth_16_is_allowed(self):
        env = made["clients"]["env"]
        path = made["P"] + "/registrycredentials/" + made["cred"]
        deep = '{"description":"deep","x":%s}' % ("[" * 15 + "]" * 15)
        self.assertEqual(self.ok(env.put(path, deep))["description"], "deep")
        for text in ('\t\r\n {"description" : "blank"} \n',
                     '{"description":"\\u00fc\\ud83d\\udc0b\\/\\b\\f\\n\\r\\t\\"\\\\"}', '{"description":"\u2028\x7f"}',
                     '{"description":"e","n":[0,-0,1e5,1E-5,0.5,123456789012345678901234567890,true,false,null]}'):
            self.assertEqual(self.ok(env.put(path, text))["description"],
                             json.loads(text)["description"])

    def test_2000_nodes_are_allowed(self):
        env = made["clients"]["env"]
        text = '{"description":"many","a":[%s]}' % ",".join("0" * 1990)
        self.assertEqual(self.ok(env.put(made["P"] + "/registrycredentials/" + made["cred"], text))[
            "description"], "many")


with open(os.path.join(harness.HERE, "data", "refused.json"), encoding="utf-8") as f:
    ROWS = json.load(f)
for _number, _row in enumerate(ROWS, 1):
    _slug = re.sub(r"[^A-Za-z0-9]+", "_", _row["name"]).strip("_")
    setattr(Refused, "test_%03d_%s" % (_number, _slug), lambda self, row=_row: self.check(row))
