"""The core of the API through each web server and each way to run regcredd, with the examples of hosting/ as they are shipped.

The whole of another module through one of them:  run.py --front lighttpd test_acceptance
"""

import json

import fronts
import harness

# Each at a time in `site`, where harness.Case looks for it.
site = None


class Through:
    """The tests; the classes below say which web server."""

    @classmethod
    def setUpClass(cls):
        global site
        site = harness.Site(front=cls.front, workers=1)
        site.start()
        cls.project = site.project()

    @classmethod
    def tearDownClass(cls):
        site.stop()

    def test_a_login_lives_and_its_links_are_right(self):
        p = self.project
        registry = p.registry()
        self.assertEqual(registry["links"]["self"], site.base + p.root + "/registries/" + registry["id"])
        made = p.credential(registry)
        path = "registrycredentials/" + made["id"]
        self.assertEqual(self.ok(p.env.get(path))["state"], "active")
        self.assertIsNone(self.ok(p.env.get(path))["secretValue"])
        self.assertEqual(self.ok(p.env.put(path, {"description": "d"}))["description"], "d")
        self.err(p.env.delete(path), 405, "Method not allowed")
        self.status(p.env.action(path, "deactivate"), 202)
        self.ok(p.env.delete(path))
        self.assertEqual(self.ok(p.env.get(path))["state"], "removed")

    def test_a_query_arrives_as_it_was_sent(self):
        p = self.project
        names = ["a b", "a+b", "a%2Fb", "ä&=?#", "a/b//c", "a\\b"]
        for name in names:
            p.registry(name=name)
        for name in names:
            with self.subTest(name):
                encoded = "".join("%%%02X" % byte for byte in name.encode())
                self.assertEqual([r["name"] for r in self.ok(p.env.get("registries?name=" + encoded))["data"]], [name])
        self.assertEqual([r["name"] for r in self.ok(p.env.get("registries?name=a+b"))["data"]], ["a b"])

    def test_a_path_arrives_as_it_was_sent(self):
        """Decoded once and by regcred alone: an encoded slash is no slash, and an encoded letter is that letter."""
        p = self.project
        registry = p.registry()
        self.ok(p.env.get("registrie%73/" + registry["id"]))
        for path in ("registries%2F" + registry["id"], "registries/" + registry["id"] + "%252F", "registries/%3Fname=x"):
            with self.subTest(path):
                self.status(p.env.get(path, proxy=True), 400, 404)

    def test_who_asks(self):
        p = self.project
        answer = site.anonymous().get("registries")
        self.err(answer, 401, "Unauthorized")
        self.assertTrue(answer.header("WWW-Authenticate").startswith("Basic realm="))
        self.err(site.anonymous().get("registries", headers={"Authorization": "Basic eDp5"}), 401, "Unauthorized")
        self.ok(p.env.get("registries"))
        self.ok(site.anonymous(p.root).get("registries", headers={"X-API-Key": ":".join(p.env.key)}))
        # Names by which a client might pretend to be somebody.
        for name in ("Remote-User", "REGCRED_PROXY_USER", "X-Forwarded-User"):
            self.err(site.anonymous().get("registries", headers={name: "admin"}), 401, "Unauthorized")

    def test_HEAD_has_no_body_and_errors_are_JSON(self):
        p = self.project
        self.assertEqual(p.env.request("HEAD", "registries").body, b"")
        self.err(p.env.get("registries/1sp999999"), 404, "Not Found")
        self.err(p.env.get("/nosuch"), 404, "Not Found")
        self.err(p.env.post("registries", "{"), 400, "InvalidBodyContent")
        self.err(p.env.post("registries", {}), 422, "MissingRequired", "serverAddress")

    def test_a_body_of_64_KiB_passes_and_one_byte_more_is_413_in_JSON(self):
        p = self.project
        registry = p.registry()

        def body(size):
            text = json.dumps({"description": "x"})
            return text + " " * (size - len(text))
        self.ok(p.env.put("registries/" + registry["id"], body(65536), content_type="application/json"))
        answer = p.env.put("registries/" + registry["id"], body(65537), content_type="application/json", proxy=True)
        self.status(answer, 413)
        self.assertEqual(answer.json["status"], 413, repr(answer))

    def test_a_chunked_body_arrives_whole_or_is_refused(self):
        p = self.project
        text = json.dumps({"name": "chunked", "serverAddress": "chunked.example.test"}).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(text[i:i + 7]), text[i:i + 7]) for i in range(0, len(text), 7)) + b"0\r\n\r\n"
        knows = self.front != "apache-cgi"               # which does not tell a CGI how long it is, and answers itself
        answer = p.env.post("registries", chunks, headers={"Transfer-Encoding": "chunked"}, content_type="application/json", check=knows)
        if not knows:
            self.status(answer, 411)
            return
        self.assertEqual(self.ok(answer, 201)["name"], "chunked")


def of(front):
    return type("Through_" + front.replace("-", "_"), (Through, harness.Case), {"front": front, "__module__": __name__})


# The shipped nginx is what all other modules go through.
for name in fronts.FRONTS:
    if name != "nginx":
        globals()["Through_" + name.replace("-", "_")] = of(name)
del name
