"""The page in a real Chromium through a real nginx: what tests/ui/run.mjs does, one test for each
of its scenarios."""

import gzip
import json
import os
import re
import shutil
import subprocess
import unittest

import harness
import standin

TAKES_S = 60

UI = os.path.join(harness.SRC, "tests", "ui")
MODULES = os.environ.get("REGCRED_UI_MODULES") or os.path.join(UI, "node_modules")
CHROMIUM = shutil.which("chromium")
NODE = shutil.which("node")
SECRET = "page-" + harness.PLANT
results, site, registry = {}, None, None


def setUpModule():
    global site, registry
    if not NODE:
        raise unittest.SkipTest("node is missing")
    if not CHROMIUM:
        raise unittest.SkipTest("chromium is missing")
    if not os.path.isdir(os.path.join(MODULES, "playwright-core")):
        raise unittest.SkipTest("playwright-core is missing: npm ci --prefix tests/ui")
    registry = standin.Standin(standin.basic_registry({"right": SECRET}))
    site = harness.Site(options=["--verify-networks", "127.0.0.0/8", "--insecure-registries",
                                 registry.host])
    site.start()
    main, empty, large = site.project("main"), site.project("empty"), site.project("large")
    address = "127.0.0.1:%d" % registry.port
    row = main.env.post("registries", {"serverAddress": address}).json
    big = large.env.post("registries", {"serverAddress": "large.example.test"}).json
    first = large.env.post("registrycredentials",
                           {"registryId": big["id"], "publicValue": "bot-00000", "secretValue": "x",
                            "email": "a@b"}).json
    fill(first["id"])
    shots = os.environ.get("REGCRED_SHOTS")
    key = site.new_key(main.admin, reveal=True)
    given = {"url": "http://127.0.0.1:%d" % site.port, "project": main.id, "access": key[0],
             "secret": key[1], "registry": address, "registryId": row["id"],
             "plant": SECRET, "shots": shots, "assets": assets(), "empty": {"project": empty.id, "key": empty.env.key},
             "large": {"project": large.id, "key": large.env.key}}
    run = subprocess.run([NODE, os.path.join(UI, "run.mjs")],
                         env={**os.environ, "SITE": json.dumps(given), "CHROMIUM": CHROMIUM,
                              "NODE_PATH": MODULES},
                         stdout=subprocess.PIPE, text=True, timeout=500, check=False)
    for line in run.stdout.splitlines():
        one = json.loads(line)
        results[one["name"]] = one


def assets():
    """Bytes of what the first screen needs, as they are sent."""
    later = {"de.js", "form.js", "keys.js", "others.js"}
    return sum(len(gzip.compress(open(os.path.join(harness.SRC, "ui", name), "rb").read())) for name in os.listdir(os.path.join(harness.SRC, "ui")) if name not in later)


def fill(credential):
    """Copies of one row, by SQL: ten thousand creates would take a while."""
    columns = [c for c in site.columns("credential") if c not in ("id", "uuid", "public_value")]
    names = ", ".join(columns)
    site.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) "
             "INSERT INTO credential (uuid, public_value, %s) "
             "SELECT lower(hex(randomblob(16))), printf('bot-%%05d', i), %s FROM n, credential "
             "WHERE credential.id = %d" % (names, names, int(re.sub(r"\D", "", credential[1:]))),
             write=True)


def tearDownModule():
    if registry:
        registry.stop()
    if site:
        site.stop()


def scenarios():
    with open(os.path.join(UI, "run.mjs"), encoding="utf-8") as f:
        text = f.read()
    return re.findall(r"^\tasync (\w+)\(\) \{$", text, re.M) + ["every_screen_is_accessible_light",
                                                                "every_screen_is_accessible_dark"]


class Page(unittest.TestCase):
    pass


def make(name):
    def test(self):
        self.assertIn(name, results, "it was not run")
        self.assertTrue(results[name]["ok"], results[name]["why"])
    return test


for scenario in scenarios():
    setattr(Page, "test_" + scenario, make(scenario))
