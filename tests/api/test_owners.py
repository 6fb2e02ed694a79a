"""A project is never left without an owner who can act, and nobody learns of foreign rows by
filters, includes, links or markers."""

import threading
import unittest

import harness

set_up_site, tearDownModule = harness.site_of(globals())
site = None


def setUpModule():
    set_up_site()


def member(account, role="owner"):
    return {"externalId": account, "externalIdType": "rancher_id", "role": role}


class Owners(harness.Case):
    def owned_by(self, *accounts):
        return site.project(members=[(a, "owner") for a in accounts])

    def owners(self, project):
        """The owners who can act, from the database."""
        return [r[0] for r in site.sql(
            "SELECT m.external_id FROM project_member m JOIN account a ON m.external_id = '1a' || "
            "a.id WHERE m.project_id = ? AND m.role = 'owner'"
            " AND m.removed IS NULL AND a.state = 'active'", (int(project.id[2:]),))]

    def set_members(self, client, project, *members):
        return client.action("/v1/projects/" + project.id, "setmembers", {"members": list(members)})

    def act(self, account, name):
        return site.admin.action("/v1/accounts/" + account, name)

    def test_setmembers_keeps_an_owner(self):
        owner, client = site.account("user")
        project = self.owned_by(owner)
        for members, status in (([], 400), ([member(owner, "member")], 400),
                                ([member("nobody")], 422)):
            self.status(self.set_members(client, project, *members), status)
        self.assertEqual(self.owners(project), [owner])
        # Nobody else could act then, so who sends the list stays an owner.
        self.status(self.set_members(client, project,
                                     dict(member("4711"), externalIdType="github_user")), 202)
        self.assertEqual(self.owners(project), [owner])

    def test_an_administrator_locks_any_account(self):
        """Also the only owner of many projects, who goes on making more: they belong to the
        administrators then."""
        owner, client = site.account("user")
        projects = [self.owned_by(owner) for _ in range(3)]
        key = harness.Client(site, site.new_key(client.at(projects[0].root)), projects[0].root)
        self.ok(key.get("registries"))
        self.ok(client.post("/v1/projects", {"name": "one more"}), 201)
        self.status(self.act(owner, "deactivate"), 202)
        for who in (client, client.at(projects[0].root), key):
            self.err(who.get("registries"), 401, "Unauthorized")
        self.ok(site.admin.at(projects[0].root).post("registries", {"serverAddress": "a.example"}),
                201)
        self.status(self.act(owner, "activate"), 202)
        self.ok(client.get("registries"))
        for command, status in (("lock", 401), ("lock", 401), ("unlock", 200)):
            self.assertIn(owner, site.cli("account", command, "--state-dir", site.state, owner))
            self.status(client.get("registries"), status)
        self.err(site.admin.delete("/v1/accounts/" + owner), 405, "Method not allowed")

    def test_a_project_that_is_gone_holds_nobody(self):
        owner, _ = site.account("user")
        project = self.owned_by(owner)
        self.status(site.admin.action("/v1/projects/" + project.id, "delete"), 202)
        self.status(self.act(owner, "deactivate"), 202)
        self.status(self.act(owner, "remove"), 202)

    def test_an_inactive_last_owner_is_not_removed(self):
        owner, _ = site.account("user")
        project = self.owned_by(owner)
        site.set_state("account", owner, "inactive")
        self.err(self.act(owner, "remove"), 422, "ActionNotAvailable", "action")
        self.err(site.admin.delete("/v1/accounts/" + owner), 409, "Conflict")
        self.status(self.set_members(site.admin, project, member(owner)), 422)
        self.assertEqual(site.sql("SELECT state FROM account WHERE id = ?", (int(owner[2:]),)),
                         [("inactive",)])

    def test_a_member_who_stays_must_live(self):
        owner, other = site.account("user")[0], site.account("user")[0]
        project = self.owned_by(owner, other)
        self.status(self.act(other, "deactivate"), 202)
        self.err(self.set_members(site.admin, project, member(other)), 422, "InvalidReference",
                 "members")
        self.assertEqual(self.owners(project), [owner])

    def test_an_account_becomes_neither_a_project_nor_superadmin(self):
        account = site.account("user")[0]
        for name in ("project", "superadmin"):
            self.err(site.admin.put("/v1/accounts/" + account, {"kind": name}), 422,
                     "InvalidOption", "kind")
        self.assertEqual(self.ok(site.admin.get("/v1/accounts/" + account))["kind"], "user")

    def test_the_last_owner_stays_of_a_kind_that_acts(self):
        (owner, _), (other, _) = site.account("user"), site.account("user")
        project = self.owned_by(owner)
        kind = lambda account, name: site.admin.put("/v1/accounts/" + account, {"kind": name})
        for name in ("admin", "projectadmin", "service", "user"):
            self.status(kind(owner, name), 200)
        for name in ("readAdmin", "agent", "token"):
            self.err(kind(owner, name), 422, "InvalidOption", "kind")
        self.status(kind(other, "readAdmin"), 200)
        self.err(self.set_members(site.admin, project, member(other)), 422, "InvalidReference",
                 "members")
        self.status(self.set_members(site.admin, project, member(owner), member(other)), 202)
        self.err(kind(owner, "readAdmin"), 422, "InvalidOption", "kind")
        self.status(kind(other, "user"), 200)
        self.status(kind(owner, "readAdmin"), 200)
        self.assertEqual(self.owners(project), [owner, other])

    def test_an_owner_and_a_change_of_kind_at_once(self):
        for _ in range(10):
            a, b = site.account("user")[0], site.account("user")[0]
            project = self.owned_by(a, b)
            answers = self.race(lambda: self.act(a, "deactivate"),
                                lambda: site.admin.put("/v1/accounts/" + b, {"kind": "readAdmin"}))
            self.assertIn(answers, ([200, 202], [202, 422]))

    def test_members_are_not_deleted_one_by_one(self):
        owner, client = site.account("user")
        project = self.owned_by(owner)
        row = site.admin.get("/v1/projects/%s/projectmembers" % project.id).json["data"][0]["id"]
        for who in (client, site.admin):
            self.status(who.delete("/v1/projectmembers/" + row), 405)
            self.status(who.put("/v1/projectmembers/" + row, {"role": "member"}), 405)
            for action in ("deactivate", "remove", "purge"):
                self.status(who.action("/v1/projectmembers/" + row, action), 422)
        self.assertEqual(self.owners(project), [owner])

    def test_who_was_added_can_leave(self):
        owner, boss = site.account("user")
        joined = {role: site.account("user") for role in ("owner", "member", "restricted",
                                                          "readonly")}
        project = site.project(members=[(owner, "owner")]
                               + [(account, role) for role, (account, _) in joined.items()])
        rows = {r["externalId"]: r["id"]
                for r in self.ok(site.admin.get("/v1/projects/%s/projectmembers" % project.id))[
                    "data"]}
        for role, (account, client) in joined.items():
            with self.subTest(role=role):
                for other in set(rows) - {account}:
                    self.err(client.action("/v1/projectmembers/" + rows[other], "remove"), 422,
                             "ActionNotAvailable", "action")
                mine = self.ok(client.get("/v1/projectmembers/" + rows[account]))
                self.assertEqual(set(mine["actions"]), {"remove"})
                self.status(client.action("/v1/projectmembers/" + rows[account], "remove"), 202)
                self.err(client.at(project.root).get("registries"), 403, "Forbidden")
        self.assertEqual(self.owners(project), [owner])
        self.err(boss.action("/v1/projectmembers/" + rows[owner], "remove"), 422,
                 "ActionNotAvailable", "action")

    def race(self, *calls):
        barrier, answers = threading.Barrier(len(calls)), []

        def run(call):
            barrier.wait()
            answers.append(call().status)
        threads = [threading.Thread(target=run, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return sorted(answers)

    def test_two_owners_remove_each_other(self):
        for _ in range(10):
            (a, client_a), (b, client_b) = site.account("user"), site.account("user")
            project = self.owned_by(a, b)
            first, second = self.race(lambda: self.set_members(client_a, project, member(a)),
                                      lambda: self.set_members(client_b, project, member(b)))
            self.assertEqual(first, 202)
            # the loser sees no project any more, or had seen it just before
            self.assertIn(second, (403, 404))
            self.assertEqual(len(self.owners(project)), 1)

    def test_two_owners_leave_at_once(self):
        for _ in range(10):
            (a, client_a), (b, client_b) = site.account("user"), site.account("user")
            project = self.owned_by(a, b)
            rows = {r["externalId"]: r["id"]
                    for r in self.ok(site.admin.get("/v1/projects/%s/projectmembers" % project.id))[
                        "data"]}
            self.assertEqual(self.race(lambda: client_a.action("/v1/projectmembers/" + rows[a],
                                                               "remove"),
                                       lambda: client_b.action("/v1/projectmembers/" + rows[b],
                                                               "remove")), [202, 422])
            self.assertEqual(len(self.owners(project)), 1)


class Foreign(harness.Case):
    def test_questions_about_foreign_rows_are_answered_as_about_none(self):
        """Filters by foreign ids, sort, include and the markers of somebody else's list."""
        mine, theirs = site.project(), site.project()
        registry, foreign = mine.registry()["id"], theirs.registry()["id"]
        own = mine.credential(registry)["id"]
        other = [theirs.credential(foreign)["id"] for _ in range(3)]
        marker = theirs.env.get("registrycredentials?limit=1&sort=name").json["pagination"][
            "next"].split("marker=")[1].split("&")[0]
        for query in ("registryId=" + foreign, "registryId_ne=" + foreign, "accountId=" + theirs.id,
                      "id=" + other[0], "id_gt=0",
                      "sort=name&limit=1&marker=" + marker, "include=registry", "include=account",
                      "_removed=1", "all=true", "sort=accountId&order=desc"):
            found = self.ids(mine.env.get("registrycredentials?" + query))
            self.assertLessEqual(set(found), {own}, query)
        for path in ("registries/%s/credentials", "registries/%s/account",
                     "registries/%s?include=credentials", "storagepools/%s"):
            self.err(mine.env.get(path % foreign), 404, "Not Found")
        self.err(mine.env.post("registrycredentials", {"registryId": foreign, "email": "e@x"}), 422,
                 "InvalidReference", "registryId")


if __name__ == "__main__":
    unittest.main()
