"""The OpenAPI document: valid for every role and version by two validators; a client that is made from it; what it says and leaves out.  That
every answer of the other modules is as it says is looked at by the harness, with openapi.py."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import harness
import openapi

setUpModule, tearDownModule = harness.site_of(globals())

TOOLS = os.path.join(harness.SRC, "tests", "openapi")
NODE = shutil.which("node")


class Document(harness.Case):
    def setUp(self):
        super().setUp()
        self.project = site.project()

    def clients(self):
        yield "admin", site.admin
        yield "owner", self.project.admin
        yield "project", self.project.env
        for role in ("readonly", "reveal", "inject"):
            yield role, harness.Client(site, site.new_key(self.project.admin, role=role), self.project.root)
        yield "user", site.account("user")[1]

    def test_it_is_what_the_key_may_do(self):
        full = self.ok(self.project.env.get("openapi.json"))
        less = self.ok(harness.Client(site, site.new_key(self.project.admin, role="readonly"), self.project.root).get("openapi.json"))
        self.assertIn("post", full["paths"]["/registrycredentials"])
        self.assertNotIn("post", less["paths"]["/registrycredentials"])
        self.assertNotIn("put", less["paths"]["/registrycredentials/{id}"])
        self.assertEqual(full["servers"], [{"url": site.base + self.project.root}])
        made = full["components"]["schemas"]["registryCredentialCreate"]
        self.assertEqual(sorted(made["required"]), ["email", "registryId"])
        self.assertEqual(made["properties"]["secretValue"]["format"], "password")
        self.assertNotIn("sourceSecret", full["components"]["schemas"]["registryCredential"]["allOf"][1]["properties"])
        self.assertNotIn("email", self.ok(self.project.env.at("/v2-beta").get("openapi.json"))["components"]["schemas"]["registryCredentialCreate"].get("required", []))
        names = [operation["operationId"] for operations in full["paths"].values() for verb, operation in operations.items() if verb != "parameters"]
        self.assertEqual(len(names), len(set(names)))
        codes = full["components"]["schemas"]["error"]["properties"]["code"]["enum"]
        self.assertEqual(len(codes), len(set(codes)))

    def test_it_is_only_read(self):
        for method in ("POST", "PUT", "DELETE"):
            self.status(self.project.env.request(method, "openapi.json", {}), 405)
        self.status(harness.Client(site, None).request("GET", "/v1/openapi.json", auth=False), 401)
        self.status(self.project.env.get("openapi.json/x"), 404)

    def test_the_check_sees_faults(self):
        doc = self.ok(self.project.env.get("openapi.json"))
        row = self.project.credential(self.project.registry())
        self.assertEqual(openapi.problems(doc, "GET", self.project.root + "/registrycredentials/1c1", 200, row), [])
        for fault in ({"state": 7}, {"links": {"a": None}}, {"isDefault": "no"}, {"created": 5}):
            self.assertNotEqual(openapi.problems(doc, "GET", self.project.root + "/registrycredentials/1c1", 200, dict(row, **fault)), [], fault)
        self.assertNotEqual(openapi.problems(doc, "PUT", self.project.root + "/registrycredentials", 200, row), [])

    def test_two_validators_and_a_client(self):
        if NODE is None or not os.path.isdir(os.path.join(TOOLS, "node_modules")):
            self.skipTest("node or the validators are missing: npm ci --prefix tests/openapi")
        directory = tempfile.mkdtemp(prefix="rc-openapi-")
        self.addCleanup(shutil.rmtree, directory)
        files = []
        for name, client in self.clients():
            for version in ("v1", "v2-beta"):
                files.append(os.path.join(directory, "%s-%s.json" % (name, version)))
                with open(files[-1], "w", encoding="utf-8") as f:
                    json.dump(self.ok(client.at("/" + version).get("openapi.json")), f)
        given = {"document": os.path.join(directory, "project-v1.json"), "access": self.project.env.key[0], "secret": self.project.env.key[1], "plant": site.plant()}
        with open(given["document"], "w", encoding="utf-8") as f:
            json.dump(self.ok(self.project.env.get("openapi.json")), f)
        done = subprocess.run([NODE, os.path.join(TOOLS, "run.mjs"), *files], env={**os.environ, "SITE": json.dumps(given)}, capture_output=True, text=True, timeout=300)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(lines), 2 * len(files) + 1, done.stderr)
        self.assertEqual([line for line in lines if not line["ok"]], [])


if __name__ == "__main__":
    unittest.main()
