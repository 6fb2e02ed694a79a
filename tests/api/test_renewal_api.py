"""Logins with a source: what may be written and what is shown; former secrets, rollback and overlap; who may do that; repeated checks;
warnings before a login or key expires.  Sources are where nobody answers."""

import datetime
import json
import time
import unittest

import harness
from standin import API, UNAUTHORIZED, Answer, Standin, basic_registry, bearer_registry

site = None
DAY_MS = 24 * 3600 * 1000
NOBODY = "http://127.0.0.1:9"                            # nobody listens there
AZURE = {"tenant": "t", "clientId": "c", "authority": NOBODY, "endpoint": NOBODY}
FAR = 1900000000000
HARBOR = {"endpoint": NOBODY, "robot": "7", "user": "admin"}


def setUpModule():
    global site
    site = harness.Site(options=("--verify-networks", "127.0.0.0/8", "--verify-per-minute", "0", "--sweep-every-s", "3600"))
    site.start()


def tearDownModule():
    site.stop()


def later(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class RenewalCase(harness.Case):
    site = property(lambda self: site)

    def setUp(self):
        super().setUp()
        self.project = site.project()
        self.env = self.project.env
        self.registry = self.project.registry()["id"]

    def body(self, **fields):
        return dict({"registryId": self.registry, "email": "e@example.test"}, **fields)

    def login(self, **fields):
        """An active login with a password that was typed in."""
        return self.project.settle("registrycredentials/" + self.made(publicValue="user", secretValue=fields.pop("secretValue", site.plant()), **fields)["id"])

    def made(self, client=None, **fields):
        return self.ok((client or self.env).post("registrycredentials", self.body(**fields)), 201)

    def sourced(self, due=FAR, **fields):
        """A login with a source, which is not asked until `due`."""
        made = self.made(**dict({"source": "azure", "sourceConfig": AZURE,
                                 "sourceSecret": site.plant()}, **fields))
        if due is not None:
            site.sql("UPDATE credential SET refresh_due = ?, refresh_attempt = NULL,"
                     " refresh_result = NULL WHERE id = ?", (due, int(made["id"][2:])), write=True)
        return made

    def row(self, login, client=None):
        return self.ok((client or self.env).get("registrycredentials/" + login["id"]))

    def put(self, login, client=None, **fields):
        return (client or self.env).put("registrycredentials/" + login["id"], fields)

    def versions(self, login):
        return self.ok(self.env.get("registrycredentials/%s/secretversions" % login["id"]))["data"]

    def stored(self, login, column):
        return site.sql("SELECT %s FROM credential WHERE id = ?" % column, (int(login["id"][2:]),))[0][0]

    def events(self, login, event):
        return [json.loads(changes) for changes, in site.sql("SELECT changes FROM audit_log WHERE resource_id = ? AND event_type = ? ORDER BY id",
                                                             (login["id"], event))]


class Sources(RenewalCase):
    def test_a_login_without_one_has_nulls(self):
        row = self.login()
        for name in ("source", "sourceConfig", "sourceSecret", "refreshAt", "refreshedAt", "refreshResult", "refreshMessage", "refreshStatus",
                     "previousUntil", "overlap", "verifyRepository", "verifyEvery", "lastGoodAt", "firstBadAt"):
            self.assertIn(name, row)
            self.assertIsNone(row[name], name)
        self.assertEqual(row["secretVersion"], 1)
        self.assertNotIn("refresh", row["actions"])
        self.assertNotIn("rollback", row["actions"])

    def test_created_with_a_source_it_is_due_at_once(self):
        made = self.sourced(due=None)
        self.assertLess(made["refreshAtTS"], FAR)
        row = self.row(made)
        self.assertEqual((row["state"], row["source"], row["sourceConfig"], row["secretVersion"]), ("active", "azure", AZURE, None))
        self.assertIsNotNone(row["refreshAt"])
        self.assertIsNone(row["sourceSecret"])
        self.assertIn("refresh", row["actions"])
        answer = self.ok(self.env.post("imagelogins", {"image": self.ok(self.env.get("registries/" + self.registry))["serverAddress"] + "/a"}), 200)
        self.assertEqual((answer["reason"], [o["reason"] for o in answer["others"]]), ("none", ["incomplete"]))

    def test_a_verified_project_does_not_hold_it(self):
        self.ok(site.admin.put("/v1/projects/" + self.project.id, {"verification": "require"}))
        self.assertEqual(self.row(self.sourced())["state"], "active")

    def test_the_config_is_an_object_of_the_source(self):
        for fields, code, field, said in (
                ({"source": "nothing"}, "InvalidOption", "source", ""),
                ({"sourceConfig": AZURE}, "InvalidOption", "sourceConfig", "source"),
                ({"sourceSecret": "x"}, "InvalidOption", "sourceSecret", "source"),
                ({"source": "azure", "sourceSecret": "x"}, "MissingRequired", "sourceConfig", "tenant"),
                ({"source": "azure", "sourceSecret": "x", "sourceConfig": dict(AZURE, secret="s")}, "InvalidOption", "sourceConfig", '"azure" has no member "secret": it has tenant, clientId, authority, endpoint.'),
                ({"source": "azure", "sourceSecret": "x", "sourceConfig": dict(AZURE, tenant=5)}, "InvalidFormat", "sourceConfig", '"tenant"'),
                ({"source": "azure", "sourceSecret": "x", "sourceConfig": [AZURE]}, "InvalidFormat", "sourceConfig", "object"),
                ({"source": "azure", "sourceSecret": "x", "sourceConfig": "{"}, "InvalidFormat", "sourceConfig", "byte"),
                ({"source": "azure", "sourceSecret": "x", "sourceConfig": True}, "InvalidFormat", "sourceConfig", "object"),
                ({"source": "azure", "sourceSecret": "x", "sourceConfig": dict(AZURE, endpoint="e" * 9000)}, "MaxLengthExceeded", "sourceConfig", ""),
                ({"source": "azure", "sourceConfig": AZURE}, "MissingRequired", "sourceSecret", "azure"),
                ({"source": "azure", "sourceConfig": AZURE, "sourceSecret": ["x"]}, "InvalidFormat", "sourceSecret", ""),
                ({"source": "azure", "sourceConfig": AZURE, "sourceSecret": "x", "secretValue": "y"}, "InvalidOption", "secretValue", "source"),
                ({"source": "azure", "sourceConfig": AZURE, "sourceSecret": "x", "expiresAt": later(60)}, "InvalidOption", "expiresAt", "source")):
            with self.subTest(fields=fields):
                r = self.env.post("registrycredentials", self.body(**fields))
                self.err(r, 422, code, field)
                self.assertIn(said, r.json["detail"])

    def test_a_text_and_a_form_may_hold_the_object(self):
        made = self.sourced(sourceConfig=json.dumps(AZURE))
        self.assertEqual(self.row(made)["sourceConfig"], AZURE)
        r = self.env.post("registrycredentials", self.body(source="azure", sourceConfig=json.dumps(AZURE), sourceSecret=site.plant(), secretValue="",
                                                           expiresAt="", overlap="", verifyRepository="", verifyEvery=""),
                          content_type="application/x-www-form-urlencoded")
        row = self.ok(r, 201)
        self.assertEqual((row["sourceConfig"], row["overlap"], row["verifyEvery"]), (AZURE, None, None))

    def test_blanks_are_null(self):
        blank = {n: "" for n in ("source", "sourceConfig", "sourceSecret", "overlap", "verifyRepository", "verifyEvery")}
        row = self.login(**blank)
        for name in blank:
            self.assertIsNone(row[name], name)
        self.ok(self.put(row, **blank))
        self.ok(self.put(row, **{n: None for n in blank}))

    def test_a_whole_resource_can_be_sent_back(self):
        _, superadmin = site.account("superadmin")
        for client in (self.env, superadmin):
            for login in (self.login(), self.sourced()):
                before = self.ok(client.get("/v1/registrycredentials/" + login["id"]))
                site.sql("UPDATE credential SET expires = 1900000000000 WHERE id = ? AND source IS NOT NULL", (int(login["id"][2:]),), write=True)
                before = self.ok(client.get("/v1/registrycredentials/" + login["id"]))
                after = self.ok(client.put("/v1/registrycredentials/" + login["id"], before))
                for name in ("source", "sourceConfig", "expiresAt", "refreshAt", "secretVersion"):
                    if client is self.env or login.get("source"):
                        self.assertEqual(after[name], before[name], name)

    def test_numbers_are_whole_and_within_limits(self):
        for name, value, code in (("overlap", -1, "InvalidFormat"), ("overlap", 1.5, "InvalidFormat"), ("overlap", "x", "InvalidFormat"),
                                  ("overlap", 10 ** 9, "InvalidOption"), ("overlap", 10 ** 30, "InvalidOption"), ("overlap", {}, "InvalidFormat"),
                                  ("verifyEvery", 31536001, "InvalidOption"), ("verifyRepository", "A B", "InvalidFormat")):
            self.err(self.env.post("registrycredentials", self.body(publicValue="u", secretValue="s", **{name: value})), 422, code, name)
        row = self.login(overlap=3600, verifyEvery=0, verifyRepository="acme/app")
        self.assertEqual((row["overlap"], row["verifyEvery"], row["verifyRepository"]), (3600, 0, "acme/app"))

    def test_a_changed_source_needs_its_secret_again(self):
        """Else whoever may change a login could have the secret sent to a server of their own."""
        row = self.sourced()
        self.err(self.put(row, sourceConfig=dict(AZURE, authority="https://evil.example.test")), 422, "MissingRequired", "sourceSecret")
        self.err(self.put(row, source="harbor", sourceConfig=HARBOR), 422, "MissingRequired", "sourceSecret")
        self.assertEqual(self.row(row)["sourceConfig"], AZURE)
        self.ok(self.put(row, sourceConfig=dict(AZURE, authority="https://login.example.test"), sourceSecret=site.plant()))
        self.ok(self.put(row, source="harbor", sourceConfig=HARBOR, sourceSecret=site.plant()))
        self.assertEqual(self.row(row)["source"], "harbor")
        self.err(self.put(row, source=None, sourceSecret="x", sourceConfig=None, secretValue=None, expiresAt="no date"), 422, "InvalidFormat", "expiresAt")

    def test_a_put_makes_a_refresh_due_and_forgets_the_last_one(self):
        row = self.sourced()
        site.sql("UPDATE credential SET refresh_due = 1900000000000, refresh_attempt = 3, refresh_result = 'sourceRefused', refresh_message = 'm',"
                 " refresh_status = 401 WHERE id = ?", (int(row["id"][2:]),), write=True)
        self.ok(self.put(row, name="another"))
        self.assertEqual(self.row(row)["refreshAtTS"], 1900000000000)
        self.ok(self.put(row, sourceSecret=site.plant()))
        after = self.row(row)
        self.assertLess(after["refreshAtTS"], FAR)
        self.assertIn(after["refreshResult"], (None, "unreachable"))
        self.assertIsNone(after["refreshStatus"])
        self.assertIn(self.stored(row, "refresh_attempt"), (None, 0, 1))

    def test_without_its_source_a_login_is_as_before(self):
        row = self.sourced()
        self.err(self.put(row, secretValue=site.plant()), 422, "InvalidOption", "secretValue")
        self.err(self.put(row, expiresAt=later(60)), 422, "InvalidOption", "expiresAt")
        after = self.ok(self.put(row, source=None))
        for name in ("source", "sourceConfig", "refreshAt", "refreshResult"):
            self.assertIsNone(after[name], name)
        self.assertIsNone(self.stored(row, "source_secret"))
        after = self.ok(self.put(row, secretValue=site.plant(), publicValue="u", expiresAt=later(3600)))
        self.assertEqual(after["secretVersion"], 1)

    def test_refresh_waits_in_its_state(self):
        row = self.login()
        self.err(self.env.action("registrycredentials/" + row["id"], "refresh"), 422, "ActionNotAvailable", "action")
        row = self.sourced()
        after = self.ok(self.env.action("registrycredentials/" + row["id"], "refresh"), 202)
        self.assertEqual((after["state"], after["transitioning"]), ("updating-active", "yes"))
        self.assertLess(after["refreshAtTS"], FAR)
        end = time.monotonic() + 30
        while after["transitioning"] == "yes" and time.monotonic() < end:
            after = self.row(row)
            time.sleep(0.05)
        self.assertEqual((after["state"], after["refreshResult"], after["transitioning"]),
                         ("active", "unreachable", "error"))
        self.ok(self.env.action("registrycredentials/" + row["id"], "deactivate"), 202)
        self.assertIsNone(self.row(row)["refreshAt"], "what is not in use is not renewed")
        self.ok(self.env.action("registrycredentials/" + row["id"], "activate"), 202)
        self.assertIsNotNone(self.row(row)["refreshAt"])

    def test_a_purged_login_keeps_nothing(self):
        row = self.login(overlap=3600)
        self.ok(self.put(row, secretValue=site.plant()))
        sourced = self.sourced()
        for login in (row, sourced):
            for action in ("deactivate", "remove", "purge"):
                self.ok(self.env.action("registrycredentials/" + login["id"], action), 202)
            self.assertEqual([self.stored(login, c) for c in ("secret_value", "source_secret", "refresh_due", "previous_until")], [None] * 4)
        self.assertEqual(site.sql("SELECT secret_value, state FROM secret_version WHERE credential_id = ?", (int(row["id"][2:]),)), [(None, "expired")])

    def test_the_secret_of_a_source_is_in_no_answer(self):
        secret = site.plant()
        made = self.sourced(sourceSecret=secret)
        self.assertIsNone(made["sourceSecret"])
        for _, client in (site.account("superadmin"), site.account("admin"), (None, self.env)):
            r = client.get("/v1/registrycredentials/" + made["id"])
            self.assertNotIn(secret, r.text)
        self.assertEqual(self.events(made, "create")[0]["sourceSecret"], {"secret": True})


class Versions(RenewalCase):
    def test_each_new_secret_is_a_version(self):
        row = self.login()
        self.assertEqual(self.versions(row), [])
        self.assertEqual(self.ok(self.put(row, name="n"))["secretVersion"], 1)
        self.assertEqual(self.ok(self.put(row, secretValue=site.plant()))["secretVersion"], 2)
        only, = self.versions(row)
        self.assertEqual((only["version"], only["state"], only["publicValue"], only["registryCredentialId"]), (1, "expired", "user", row["id"]))
        self.assertNotIn("secretValue", only)
        for n in range(12):
            self.ok(self.put(row, secretValue=site.plant()))
        self.assertEqual([v["version"] for v in self.versions(row)], list(range(13, 3, -1)), "the last ten")

    def test_overlap_keeps_the_former_one(self):
        row = self.login(overlap=3600)
        self.assertNotIn("rollback", row["actions"])
        after = self.ok(self.put(row, secretValue=site.plant()))
        self.assertAlmostEqual(after["previousUntilTS"] / 1000, time.time() + 3600, delta=30)
        kept, = self.versions(row)
        self.assertEqual((kept["state"], kept["untilTS"]), ("previous", after["previousUntilTS"]))
        self.assertIn("rollback", self.row(row)["actions"])
        after = self.ok(self.put(row, secretValue=site.plant(), overlap=0))
        self.assertIsNone(after["previousUntil"])

    def test_rollback_changes_places(self):
        registry = Standin(basic_registry({}))
        self.addCleanup(registry.stop)
        self.registry = self.project.registry(serverAddress=registry.url)["id"]
        _, superadmin = site.account("superadmin")
        one, two = site.plant(), site.plant()

        def secret():
            return self.ok(superadmin.get("/v1/registrycredentials/" + row["id"]))["secretValue"]
        row = self.login(secretValue=one, overlap=3600)
        self.ok(self.put(row, secretValue=two, publicValue="new"))
        self.assertEqual(secret(), two)
        self.ok(self.env.action("registrycredentials/" + row["id"], "rollback"), 202)
        after = self.row(row)
        self.assertEqual((secret(), after["publicValue"], after["secretVersion"], after["state"]), (one, "user", 3, "active"))
        self.ok(self.env.action("registrycredentials/" + row["id"], "rollback"), 202)
        self.assertEqual((secret(), self.row(row)["publicValue"]), (two, "new"))
        self.assertEqual([v["version"] for v in self.versions(row)], [3])
        site.sql("UPDATE secret_version SET until = 1000 WHERE credential_id = ?", (int(row["id"][2:]),), write=True)
        self.err(self.env.action("registrycredentials/" + row["id"], "rollback"), 422, "ActionNotAvailable", "action")
        self.assertEqual((secret(), self.row(row)["secretVersion"]), (two, 4), "nothing has changed")

    def test_the_housekeeper_wipes_what_is_over(self):
        row = self.login(overlap=3600)
        self.ok(self.put(row, secretValue=site.plant()))
        site.sql("UPDATE secret_version SET until = 1000 WHERE credential_id = ?1", (int(row["id"][2:]),), write=True)
        site.sql("UPDATE credential SET previous_until = 1000 WHERE id = ?1", (int(row["id"][2:]),), write=True)
        site.cli("sweep", "--state-dir", site.state)
        self.assertEqual([(v["state"]) for v in self.versions(row)], ["expired"])
        self.assertEqual(site.sql("SELECT secret_value FROM secret_version WHERE credential_id = ?", (int(row["id"][2:]),)), [(None,)])
        self.assertIsNone(self.row(row)["previousUntil"])
        self.assertNotIn("rollback", self.row(row)["actions"])

    def test_a_guess_is_not_told_from_the_password(self):
        """Who cannot read the password learns nothing by sending one."""
        secret = site.plant()
        row = self.login(secretValue=secret)
        self.assertEqual(self.ok(self.put(row, secretValue=secret))["secretVersion"], 2)

    def test_bound_keys_see_and_change_only_theirs(self):
        other = self.project.registry()["id"]
        row = self.login(overlap=60)
        self.ok(self.put(row, secretValue=site.plant()))
        version, = self.versions(row)
        inside = harness.Client(site, site.new_key(self.env, registryIds=[self.registry]), self.env.root)
        outside = harness.Client(site, site.new_key(self.env, registryIds=[other]), self.env.root)
        self.assertEqual([v["id"] for v in self.ok(inside.get("secretversions"))["data"]], [version["id"]])
        self.ok(inside.get("secretversions/" + version["id"]))
        self.assertEqual(self.ok(outside.get("secretversions"))["data"], [])
        self.err(outside.get("secretversions/" + version["id"]), 404, "Not Found")
        self.err(outside.get("registrycredentials/%s/secretversions" % row["id"]), 404, "Not Found")
        # A source without a secret of its own would use rights of the server.
        self.err(self.put(row, inside, source="exec", sourceConfig={"program": "any"}), 422, "MissingRequired", "sourceSecret")
        self.ok(self.put(row, inside, source="azure", sourceConfig=AZURE, sourceSecret=site.plant()))
        self.err(self.put(row, outside, sourceSecret=site.plant()), 404, "Not Found")

    def test_a_bound_key_uses_no_rights_of_the_server(self):
        """Whatever sourceSecret it sends: each source that works without one, with each way of
        naming none."""
        ours = {"accessKeyId": "AKIASTANDIN0STANDIN0"}
        file = {"webIdentityTokenFile": "token", "roleArn": "arn:aws:iam::123456789012:role/x"}
        configs = [("exec", {"program": "any"}), ("exec", {"program": "any", "lifetimeSeconds": 60})]
        for source in ("ecr", "ecrPublic"):
            configs += [(source, config) for config in ({}, {"accessKeyId": ""}, file,
                                                        dict(ours, **file))]
        for bounds in ({"registryIds": [self.registry]}, {"pathPrefixes": ["acme"]}):
            bound = harness.Client(site, site.new_key(self.env, **bounds), self.env.root)
            row = self.login(pathPrefix="acme")
            for source, config in configs:
                with self.subTest(bounds=bounds, source=source, config=config):
                    sent = {"source": source, "sourceConfig": config, "sourceSecret": site.plant()}
                    self.err(self.put(row, bound, **sent), 422, "InvalidOption", "source")
                    self.err(bound.post("registrycredentials",
                                        dict(sent, registryId=self.registry, email="e@example.test",
                                             pathPrefix="acme")), 422, "InvalidOption", "source")
                    # who has no such bounds may, and the key goes on changing the rest
                    self.ok(self.put(row, **sent))
                    self.ok(self.put(row, bound, description=source))
                    self.ok(self.put(row, source=None))
            self.ok(self.put(row, bound, source="ecr", sourceConfig=ours, sourceSecret=site.plant()))

    def test_a_bound_key_asks_for_its_repositories_only(self):
        row = self.login(pathPrefix="acme")
        bound = harness.Client(site, site.new_key(self.env, pathPrefixes=["acme"]), self.env.root)
        self.err(self.put(row, bound, verifyRepository="finance/app"), 422, "InvalidOption",
                 "verifyRepository")
        self.ok(self.put(row, bound, verifyRepository="acme/app"))

    def test_another_project_sees_none(self):
        row = self.login()
        self.ok(self.put(row, secretValue=site.plant()))
        version, = self.versions(row)
        other = site.project().env
        self.assertEqual(self.ok(other.get("secretversions"))["data"], [])
        self.err(other.get("/v1/secretversions/" + version["id"]), 404, "Not Found")
        self.err(other.get("/v1/registrycredentials/%s/secretversions" % row["id"]), 404, "Not Found")

    def test_nobody_writes_versions(self):
        row = self.login()
        self.ok(self.put(row, secretValue=site.plant()))
        version, = self.versions(row)
        for _, client in (site.account("superadmin"), site.account("admin"), (None, self.env)):
            self.assertEqual(client.post("/v1/secretversions", {"version": 7}).status, 405)
            self.assertEqual(client.put("/v1/secretversions/" + version["id"], {"version": 7}).status, 405)
            self.assertEqual(client.delete("/v1/secretversions/" + version["id"]).status, 405)


def pulling(registry, *repositories):
    """The registry, which has these repositories besides."""
    def answer(request):
        said = registry(request)
        path = request.path.split("?")[0]
        return Answer(200, {"name": "n", "tags": ["t"]}, API) if said.status == 404 and path in ["/v2/%s/tags/list" % r for r in repositories] else said
    return answer


class Former(RenewalCase):
    """The former password, for a client or front that is not changed yet."""

    def setUp(self):
        super().setUp()
        self.one, self.two = site.plant(), site.plant()
        self.address = self.ok(self.env.get("registries/" + self.registry))["serverAddress"]
        self.row_ = self.login(secretValue=self.one, overlap=3600)
        self.key = harness.Client(site, site.new_key(self.project.admin, reveal=True), self.env.root)

    def change(self):
        self.ok(self.put(self.row_, secretValue=self.two, publicValue="new"))

    def handed(self, status=200, **fields):
        r = self.key.post("handouts", dict({"format": "userpass", "image": self.address + "/a"}, **fields))
        self.assertEqual(r.status, status, r)
        return r.text.strip() if status == 200 else r.json["detail"]

    def test_hand_out(self):
        self.assertIn("keeps no former password", self.handed(422, secret="previous"))
        self.change()
        self.assertEqual(self.handed(), "new:" + self.two)
        self.assertEqual(self.handed(secret="present"), "new:" + self.two)
        self.assertEqual(self.handed(secret="previous"), "user:" + self.one)
        self.assertEqual(self.events(self.row_, "handOut")[-1]["secret"], "previous")
        self.assertNotIn("secret", self.events(self.row_, "handOut")[-2])
        self.err(self.key.post("handouts", {"format": "docker", "secret": "other"}), 422, "InvalidOption", "secret")
        site.sql("UPDATE secret_version SET until = 1000 WHERE credential_id = ?", (int(self.row_["id"][2:]),), write=True)
        self.assertIn("keeps no former password", self.handed(422, secret="previous"))

    def test_a_file_has_those_that_keep_one(self):
        self.change()
        other = self.project.registry()
        self.project.credential(other)
        r = self.key.post("handouts", {"format": "docker", "secret": "previous"})
        self.assertEqual(list(self.ok(r)["auths"]), [self.address])

    def test_a_key_without_the_right_gets_none(self):
        self.change()
        plain = harness.Client(site, site.new_key(self.project.admin), self.env.root)
        self.assertEqual(plain.post("handouts", {"format": "docker", "secret": "previous"}).status, 403)


class Checks(RenewalCase):
    def checked(self, answer, **fields):
        """verificationResult of a login at that registry, after the action verify."""
        registry = Standin(answer)
        self.addCleanup(registry.stop)
        self.registry = self.project.registry(serverAddress=registry.url)["id"]
        row = self.login(**fields)
        self.ok(self.env.action("registrycredentials/" + row["id"], "verify"), 202)
        return self.wait(row, lambda r: r["transitioning"] != "yes")

    def wait(self, row, wanted, seconds=30):
        end = time.monotonic() + seconds
        while True:
            found = self.row(row)
            if wanted(found) or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def test_a_right_login_that_pulls_nothing(self):
        """A registry takes it for /v2/, and refuses the repository."""
        secret = site.plant()
        registry = pulling(basic_registry({"user": secret}), "acme/app")
        for repository, result in ((None, "valid"), ("acme/app", "valid"), ("acme/other", "repositoryRefused")):
            row = self.checked(registry, secretValue=secret, verifyRepository=repository)
            self.assertEqual(row["verificationResult"], result, repository)
        self.assertIn("verifyRepository", row["verificationMessage"])
        row = self.checked(registry, secretValue=site.plant(), verifyRepository="acme/app")
        self.assertEqual(row["verificationResult"], "invalidCredential")

    def test_a_token_of_a_scope_is_used_for_it(self):
        secret = site.plant()
        asked = []

        def grant(request):
            if request.login != ("user", secret):
                return Answer(401, UNAUTHORIZED)
            asked.extend(request.query.get("scope", []))
            return Answer(200, {"token": "scoped" if "scope" in request.query else "plain", "expires_in": 60})
        auth = Standin(grant)
        self.addCleanup(auth.stop)
        tokens = {"scoped", "plain"}
        plain = bearer_registry(lambda: auth.url + "/token", tokens)

        def registry(request):
            said = plain(request)
            if said.status == 404 and request.path.startswith("/v2/acme/app/tags/list"):
                return Answer(200, {"tags": []}, API) if request.token == "scoped" else Answer(401, UNAUTHORIZED, API)
            return said
        row = self.checked(registry, secretValue=secret, verifyRepository="acme/app")
        self.assertEqual(row["verificationResult"], "valid")
        self.assertEqual(set(asked), {"repository:acme/app:pull"})

    def test_what_is_found_is_kept(self):
        secret = site.plant()
        logins = {"user": secret}
        row = self.checked(basic_registry(logins), secretValue=secret)
        self.assertIsNotNone(row["lastGoodAt"])
        self.assertIsNone(row["firstBadAt"])
        logins["user"] = "another"
        self.ok(self.env.action("registrycredentials/" + row["id"], "verify"), 202)
        after = self.wait(row, lambda r: r["transitioning"] != "yes")
        self.assertEqual((after["verificationResult"], after["lastGoodAt"]), ("invalidCredential", row["lastGoodAt"]))
        self.assertIsNotNone(after["firstBadAt"])
        self.assertIsNone(self.ok(self.put(row, secretValue=site.plant()))["firstBadAt"])

    def test_checks_repeat(self):
        secret = site.plant()
        logins = {"user": secret}
        row = self.checked(basic_registry(logins), secretValue=secret, verifyEvery=3600)
        site.cli("sweep", "--state-dir", site.state)
        due = self.stored(row, "verify_due")
        self.assertTrue(0.9 * 3600 * 1000 <= due - row["verifiedAtTS"] <= 1.1 * 3600 * 1000, due)
        site.cli("sweep", "--state-dir", site.state)
        self.assertEqual(self.stored(row, "verify_due"), due, "a login has one next time")
        logins["user"] = "another"
        site.sql("UPDATE credential SET verify_due = 1000 WHERE id = ?", (int(row["id"][2:]),), write=True)
        after = self.wait(row, lambda r: r["verificationResult"] == "invalidCredential")
        self.assertEqual((after["state"], after["verificationResult"], after["transitioning"]), ("active", "invalidCredential", "no"))
        self.assertEqual(after["transitioningMessage"], after["verificationMessage"])
        told = len(self.events(row, "verify"))
        for n in range(2):  # what was known already is told once
            site.sql("UPDATE credential SET verify_due = 1000, verified = 1000 WHERE id = ?", (int(row["id"][2:]),), write=True)
            self.wait(row, lambda r: r["verifiedAtTS"] > 1000)
        self.assertEqual(len(self.events(row, "verify")), told)
        self.ok(self.put(row, verifyEvery=0))
        site.cli("sweep", "--state-dir", site.state)
        self.assertIsNone(self.stored(row, "verify_due"))

    def test_by_default_only_where_a_project_wants_checks(self):
        off = self.login()
        site.cli("sweep", "--state-dir", site.state)
        self.assertIsNone(self.stored(off, "verify_due"))
        self.ok(site.admin.put("/v1/projects/" + self.project.id, {"verification": "warn"}))
        site.cli("sweep", "--state-dir", site.state)
        self.assertTrue(0 <= self.stored(off, "verify_due") - time.time() * 1000 <= DAY_MS)

    def test_a_new_password_is_checked_where_a_project_wants_checks(self):
        for rule, state in (("warn", "active"), ("require", "inactive")):
            self.ok(site.admin.put("/v1/projects/" + self.project.id, {"verification": "off"}))
            secret = site.plant()
            row = self.checked(basic_registry({"user": secret}), secretValue=secret)
            self.ok(site.admin.put("/v1/projects/" + self.project.id, {"verification": rule}))
            self.ok(self.put(row, secretValue=site.plant()))
            after = self.wait(row, lambda r: r["verificationResult"] is not None and r["transitioning"] != "yes")
            self.assertEqual((after["verificationResult"], after["state"]), ("invalidCredential", state), rule)
            self.assertEqual(after["transitioningMessage"], after["verificationMessage"])


class Warnings(RenewalCase):
    def sweep(self):
        site.cli("sweep", "--state-dir", site.state)

    def ends(self, row, seconds, life=400 * 24 * 3600):
        """Moves the end of a login or key, which has lived for a year."""
        site.sql("UPDATE credential SET expires = ?, created = ?, warned = warned WHERE id = ?",
                 (int((time.time() + seconds) * 1000), int((time.time() + seconds - life) * 1000), int(row["id"][2:])), write=True)

    def told(self, row):
        return [(event, json.loads(changes).get("within"))
                for event, changes in site.sql("SELECT event_type, changes FROM audit_log WHERE resource_id = ? AND event_type IN ('expiring', 'expired',"
                                               " 'overdue') AND auth_type = 'housekeeper' ORDER BY id", (row["id"],))]

    def test_each_threshold_once(self):
        login, key = self.login(), self.ok(self.env.post("apikeys", {"name": "k"}), 201)
        expected = []
        for seconds, event in ((15 * 86400, None), (13 * 86400, ("expiring", "14d")), (8 * 86400, None), (6 * 86400, ("expiring", "7d")),
                               (3600, ("expiring", "1d")), (-1, ("expired", None))):
            expected += [event] if event else []
            for row in (login, key):
                self.ends(row, seconds)
            for again in range(2):
                self.sweep()
            self.assertEqual(self.told(login), expected)
            self.assertEqual(self.told(key), expected)
        self.assertRegex(self.row(login)["transitioningMessage"], r"^It expired at .*Z: replace it\.$")

    def test_after_a_pause_the_nearest_is_enough(self):
        row = self.login()
        self.ends(row, 3600)
        self.sweep()
        self.assertEqual(self.told(row), [("expiring", "1d")])
        self.assertRegex(self.row(row)["transitioningMessage"], "^It expires at ")
        self.assertEqual(self.row(row)["transitioning"], "no")

    def test_a_new_end_or_secret_is_warned_of_anew(self):
        row = self.login()
        self.ends(row, 3600)
        self.sweep()
        self.ok(self.put(row, secretValue=site.plant()))
        self.assertIsNone(self.row(row)["transitioningMessage"])
        self.sweep()
        self.ok(self.put(row, expiresAt=later(7200)))
        self.ends(row, 7200)
        self.sweep()
        self.assertEqual(self.told(row), [("expiring", "1d")] * 3)

    def test_a_short_life_is_not_warned_of(self):
        row = self.ok(self.env.post("apikeys", {"name": "k", "expires": later(3600)}), 201)
        self.sweep()
        self.assertEqual(self.told(row), [])

    def test_what_is_not_in_use_is_left_alone(self):
        row = self.login()
        self.ends(row, 3600)
        self.ok(self.env.action("registrycredentials/" + row["id"], "deactivate"), 202)
        self.sweep()
        self.assertEqual(self.told(row), [])

    def test_a_project_has_its_own_thresholds(self):
        path = "/v1/projects/" + self.project.id
        self.assertEqual(self.ok(site.admin.get(path))["expiryWarnings"], ["14d", "7d", "1d"])
        for wrong in (["1"], ["d"], ["0d"], ["1w"], ["367d"], [1], "soon", {}, ["1d"] * 33):
            self.err(site.admin.put(path, {"expiryWarnings": wrong}), 422, "InvalidFormat", "expiryWarnings")
        self.assertEqual(self.ok(site.admin.put(path, {"expiryWarnings": ["60d", "12h"]}))["expiryWarnings"], ["60d", "12h"])
        row = self.login()
        self.ends(row, 50 * 86400)
        self.sweep()
        self.ends(row, 13 * 3600)
        self.sweep()
        self.ends(row, 11 * 3600)
        self.sweep()
        self.assertEqual(self.told(row), [("expiring", "60d"), ("expiring", "12h")])
        self.assertEqual(self.ok(site.admin.put(path, {"expiryWarnings": []}))["expiryWarnings"], [])
        quiet = self.login()
        self.ends(quiet, 3600)
        self.sweep()
        self.assertEqual(self.told(quiet), [])
        self.assertEqual(self.ok(site.admin.put(path, {"expiryWarnings": None}))["expiryWarnings"], ["14d", "7d", "1d"])

    def test_a_login_with_a_source_is_told_when_its_renewal_fails(self):
        row = self.sourced()
        number = int(row["id"][2:])

        def stand(rest, result):
            now = int(time.time() * 1000)
            site.sql("UPDATE credential SET refreshed = ?, expires = ?, refresh_result = ?, refresh_message = 'It was refused.' WHERE id = ?",
                     (now + rest - 12 * 3600 * 1000, now + rest, result, number), write=True)
            self.sweep()
            return self.row(row)["transitioning"]
        self.assertEqual(stand(3600 * 1000, "refreshed"), "no")
        self.assertEqual(stand(6 * 3600 * 1000, "sourceRefused"), "no")
        self.assertEqual(self.told(row), [])
        for again in range(2):
            self.assertEqual(stand(3600 * 1000, "sourceRefused"), "error")
        self.assertEqual(self.row(row)["transitioningMessage"], "It was refused.")
        self.assertEqual(self.told(row), [("overdue", None)])
        self.assertEqual(stand(-1000, "sourceRefused"), "error")
        self.assertEqual(self.told(row), [("overdue", None), ("expired", None)])


class Rekey(RenewalCase):
    def test_all_sealed_values_are_sealed_again(self):
        row = self.login(overlap=3600)
        self.ok(self.put(row, secretValue=site.plant()))
        sourced = self.sourced()
        before = self.sealed(row, sourced)
        site.cli("rekey", "--state-dir", site.state)
        after = self.sealed(row, sourced)
        for old, new in zip(before, after):
            self.assertNotEqual(old[:5], new[:5])
        self.ok(self.env.action("registrycredentials/" + row["id"], "rollback"), 202)

    def sealed(self, row, sourced):
        return [self.stored(row, "secret_value"), self.stored(sourced, "source_secret"),
                site.sql("SELECT secret_value FROM secret_version WHERE credential_id = ?", (int(row["id"][2:]),))[0][0]]


if __name__ == "__main__":
    unittest.main()
