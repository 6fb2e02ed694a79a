"""Sessions of the page: how they begin, what they may, and how they end."""

import json
import re

import harness

setUpModule, tearDownModule = harness.site_of(globals())
site = None
COOKIE = "regcred-session"


class Sessions(harness.Case):
    def setUp(self):
        super().setUp()
        self.project = self.site.project()
        self.row = self.project.admin.post("apikeys", {"name": "person"}).json
        self.key = (self.row["publicValue"], self.row["secretValue"])
        self.site.key_secrets.append(self.key)
        self.nobody = self.site.anonymous()

    def begin(self, body=None, **kw):
        body = {"accessKey": self.key[0], "secretKey": self.key[1]} if body is None else body
        return self.nobody.post("sessions", body, auth=False, check=False, **kw)

    def cookie(self, response):
        values = [v for v in response.all_headers("Set-Cookie") if v.startswith(COOKIE + "=")]
        self.assertEqual(len(values), 1, response.all_headers("Set-Cookie"))
        return values[0]

    def signed_in(self):
        r = self.begin()
        self.assertEqual(r.status, 201, r)
        return {"Cookie": self.cookie(r).split(";")[0], "Sec-Fetch-Site": "same-origin"}, r.json

    def get(self, path, headers):
        return self.nobody.get(path, headers=headers, auth=False, check=False)

    def test_a_key_begins_a_session_in_a_cookie_that_no_script_reads(self):
        r = self.begin()
        flags = {f.strip() for f in self.cookie(r).split(";")[1:]}
        self.assertLessEqual({"HttpOnly", "SameSite=Strict", "Path=/"}, flags)
        # loopback over plain HTTP, and the name says so
        self.assertNotIn("Secure", flags)
        self.assertNotIn(self.key[1], r.text)
        self.assertIsNone(r.json["secretKey"])
        self.assertIsNone(r.json["token"])
        secret = self.cookie(r).split("=", 1)[1].split(";")[0].split(".", 1)[1]
        for (value,) in self.site.sql("SELECT secret_value FROM credential WHERE kind = 'session'"):
            self.assertNotIn(secret.encode(), bytes(value))

    def test_a_session_may_what_its_key_may(self):
        headers, _ = self.signed_in()
        self.assertEqual(self.get("projects/%s/registries" % self.project.id, headers).status, 200)
        self.assertEqual(self.get("projects/1a5/registries", headers).status, 403)
        made = self.nobody.post("projects/%s/registries" % self.project.id,
                                {"serverAddress": "s.example.test"}, headers=headers, auth=False,
                                check=False)
        self.assertEqual(made.status, 201, made)
        kinds = [json.loads(r.text)["data"][0]["authType"]
                 for r in [self.project.admin.get("auditlogs?resourceType=registry")]]
        self.assertEqual(kinds, ["session"])

    def test_a_form_leads_back_to_the_page(self):
        r = self.begin("accessKey=%s&secretKey=%s" % self.key,
                       content_type="application/x-www-form-urlencoded",
                       headers={"User-Agent": "Mozilla/5.0", "Accept": "text/html,*/*",
                                "Sec-Fetch-Site": "same-origin"}, agent=False)
        self.assertEqual(r.status, 303, r)
        self.assertTrue(r.header("Location").endswith("/ui/"))
        self.cookie(r)

    def test_every_refusal_is_the_same_401(self):
        texts = set()
        for body in ({"accessKey": self.key[0], "secretKey": "wrong"},
                     {"accessKey": "0" * 20, "secretKey": self.key[1]}, {"accessKey": self.key[0]},
                     {}, {"token": "1c1.x"}, {"token": ""}, {"token": "a;b"},
                     {"accessKey": "a:b", "secretKey": "c"}, {"accessKey": 1, "secretKey": 2}):
            r = self.begin(body)
            self.assertEqual(r.status, 401, (body, r))
            texts.add(r.text.split(",", 1)[1])
        self.assertEqual(len(texts), 1, texts)

    def test_a_key_in_the_url_is_refused(self):
        r = self.nobody.post("sessions?accessKey=%s&secretKey=x" % self.key[0], {}, auth=False,
                             check=False)
        self.assertEqual((r.status, "URL" in r.json["detail"]), (400, True))

    def test_cookies_that_are_none(self):
        headers, row = self.signed_in()
        name, value = headers["Cookie"].split("=", 1)
        number, secret = value.split(".", 1)
        for bad in ("", ".", number, number + ".", number + "." + secret[:-1], number + "." + secret
                    + "x", "1c999999." + secret, "1sp1." + secret,
                    self.row["id"] + "." + self.key[1], self.row["id"] + "." + secret, "x" * 5000):
            self.assertEqual(self.get("registries", {"Cookie": "%s=%s" % (name, bad)}).status, 401,
                             bad)

    def test_writes_of_other_sites_are_refused(self):
        headers, _ = self.signed_in()
        path, body = "projects/%s/registries?_format=json" % self.project.id, {
            "serverAddress": "csrf.example.test"}
        for extra in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                      {"Origin": "http://evil.example"}, {}):
            for agent in ("Mozilla/5.0", "other"):
                sent = {"Cookie": headers["Cookie"], "User-Agent": agent, **extra}
                r = self.nobody.post(path, body, headers=sent, auth=False, check=False, agent=False)
                self.assertEqual((r.status, r.json["code"]), (403, "InvalidCSRFToken"), sent)

    def test_another_site_signs_nobody_in(self):
        for extra in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                      {"Origin": "http://evil.example"}, {"Origin": "null"}):
            for agent in ("Mozilla/5.0", "other"):
                sent = {"User-Agent": agent, "Accept": "application/json", **extra}
                r = self.begin(headers=sent, agent=False)
                self.assertEqual((r.status, r.json["code"]), (403, "InvalidCSRFToken"), sent)
                self.assertFalse([v for v in r.all_headers("Set-Cookie") if v.startswith(COOKIE)])

    def test_it_ends_with_its_key(self):
        for end in (lambda: self.project.admin.action("apikeys/" + self.row["id"], "deactivate"),
                    lambda: self.project.admin.put("apikeys/" + self.row["id"],
                                                   {"expires": "2020-01-01T00:00:00Z"}),
                    lambda: self.project.admin.put("apikeys/" + self.row["id"],
                                                   {"networks": ["192.0.2.0/24"]})):
            self.setUp()
            headers, _ = self.signed_in()
            self.assertEqual(self.get("registries", headers).status, 200)
            self.assertIn(end().status, (200, 202))
            self.assertEqual(self.get("registries", headers).status, 401)

    def test_it_ends_by_itself(self):
        for column, value in (("last_used", "last_used - 3700000"), ("expires", "created")):
            headers, row = self.signed_in()
            self.site.sql("UPDATE credential SET %s = %s WHERE id = %d"
                          % (column, value, int(re.sub(r"\D", "", row["id"][1:]))), write=True)
            self.assertEqual(self.get("registries", headers).status, 401, column)

    def test_signing_out(self):
        headers, row = self.signed_in()
        r = self.nobody.delete("sessions/current", headers=headers, auth=False, check=False)
        self.assertEqual(r.status, 200, r)
        self.assertIn("Max-Age=0", self.cookie(r))
        self.assertEqual(self.get("registries", headers).status, 401)

    def test_who_is_signed_in_may_sign_out_whatever_else_the_key_may_not(self):
        """But ends no session of another key of the account, unless it may change keys."""
        registry = self.project.registry()["id"]
        for bounds in ({"role": "readonly"}, {"pathPrefixes": ["acme"]},
                       {"registryIds": [registry]}, {"networks": ["127.0.0.0/8"]},
                       {"expires": 4102444800000}, {"reveal": True}):
            with self.subTest(bounds=bounds):
                others, other = self.signed_in()
                mine = self.key
                self.key = self.site.new_key(self.project.admin, **bounds)
                headers, row = self.signed_in()
                narrow = {"role", "pathPrefixes", "registryIds"} & set(bounds)
                status = self.nobody.delete("sessions/" + other["id"], headers=headers, auth=False,
                                            check=False).status
                self.assertEqual(status, 403 if narrow else 200)
                self.assertEqual(self.get("registries", others).status, 200 if narrow else 401)
                self.assertEqual(self.get("registries", headers).status, 200)
                for path in ("sessions/current", "sessions/" + row["id"]):
                    headers, row = self.signed_in()
                    path = path if path.endswith("current") else "sessions/" + row["id"]
                    self.assertEqual(self.nobody.delete(path, headers=headers, auth=False,
                                                        check=False).status, 200)
                    self.assertEqual(self.get("registries", headers).status, 401)
                self.key = mine

    def test_they_are_listed_and_ended_one_by_one(self):
        first, one = self.signed_in()
        second, two = self.signed_in()
        listed = self.get("sessions", first).json["data"]
        self.assertEqual({r["id"] for r in listed}, {one["id"], two["id"]})
        self.assertTrue(all(r["keyId"] == self.row["id"] and r["lastUsedAddress"] == "127.0.0.1"
                            and r["secretKey"] is None for r in listed))
        self.assertEqual(self.nobody.delete("sessions/" + two["id"], headers=first, auth=False,
                                            check=False).status, 200)
        self.assertEqual(self.get("registries", second).status, 401)
        self.assertEqual(self.get("registries", first).status, 200)

    def test_of_others_nothing_is_seen(self):
        _, row = self.signed_in()
        other = self.site.project()
        self.assertEqual(other.env.get("sessions/" + row["id"]).status, 404)
        self.assertEqual(other.env.delete("sessions/" + row["id"]).status, 404)

    def test_a_link_signs_in_once(self):
        made = harness.Client(self.site, self.key).post("sessions", {"link": True}, check=False)
        self.assertEqual((made.status, made.json["state"]), (201, "inactive"), made)
        token = made.json["token"]
        self.assertEqual(self.get("registries", {"Cookie": "%s=%s" % (COOKIE, token)}).status, 401)
        own = {"Sec-Fetch-Site": "same-origin"}
        r = self.begin({"token": token}, headers=own)
        self.assertEqual(r.status, 201, r)
        self.assertNotIn(token, self.cookie(r))
        self.assertEqual(self.get("registries", {"Cookie": self.cookie(r).split(";")[0]}).status,
                         200)
        self.assertEqual(self.begin({"token": token}, headers=own).status, 401)

    def test_a_link_that_is_old_leads_nowhere(self):
        made = harness.Client(self.site, self.key).post("sessions", {"link": True},
                                                        check=False).json
        self.site.sql("UPDATE credential SET last_used = last_used - 700000 WHERE id = %d"
                      % int(re.sub(r"\D", "", made["id"][1:])), write=True)
        self.assertEqual(self.begin({"token": made["token"]}).status, 401)

    def test_the_page_is_served_with_its_headers(self):
        for path, kind in (("/ui/", "text/html"), ("/ui/app.js", "text/javascript"),
                           ("/ui/style.css", "text/css")):
            for coding in ("identity", "gzip"):
                r = self.nobody.get(path, headers={"Accept-Encoding": coding}, auth=False,
                                    check=False)
                self.assertEqual((r.status, r.header("Content-Type").split(";")[0],
                                  r.header("Content-Encoding")),
                                  (200, kind, "gzip" if coding == "gzip" else None))
                self.assertIn("default-src 'none'", r.header("Content-Security-Policy"))
                self.assertEqual(r.header("X-Content-Type-Options"), "nosniff")
                again = self.nobody.get(path, headers={"If-None-Match": r.header("ETag")},
                                        auth=False, check=False)
                self.assertEqual((again.status, again.body), (304, b""))
        for path, status in (("/ui", 301), ("/ui/nothing.js", 404), ("/ui/../ui/app.js", 404),
                             ("/ui/app.js/", 404)):
            self.assertEqual(self.nobody.get(path, auth=False, check=False).status, status, path)
        r = self.nobody.get("/", headers={"User-Agent": "Mozilla/5.0", "Accept": "text/html,*/*"},
                            auth=False, check=False, agent=False)
        self.assertEqual((r.status, r.header("Location").endswith("/ui/")), (303, True))
