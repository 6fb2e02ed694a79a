"""The whole table: state x (GET, PUT, DELETE, each action) for registryCredential and registry.

Nothing in these types takes time, so a transitional state never rests in the database: each test
writes its state into the row.
"""

import re
import time

import harness

# state: the actions that are printed and allowed, and the answer to DELETE
TABLE = {
    "requested":         (("create", "deactivate", "remove"), 200),
    "registering":       (("activate", "deactivate", "remove"), 200),
    "activating":        (("deactivate",), 405),
    "active":            (("deactivate", "update"), 405),
    "updating-active":   (("deactivate", "remove"), 200),
    "deactivating":      ((), 405),
    "inactive":          (("activate", "remove", "update"), 200),
    "updating-inactive": (("deactivate", "remove"), 200),
    "removing":          ((), 200),
    "removed":           (("purge",), 200),
    "purging":           ((), 405),
    "purged":            ((), 405),
}
# What regcred offers beside that, where a row rests; tests/api/test_verify.py has what they do.
OWN = {"registryCredential": "verify", "registry": "test"}


def offered(kind, state):
    return sorted(TABLE[state][0] + ((OWN[kind],) if state in ("active", "inactive") else ()))


# action: the state that the answer shows, and the one that is committed; None: depends on the state
# before
OUTCOME = {
    "create": ("registering", "active"), "activate": ("activating", "active"), "deactivate": ("deactivating", "inactive"),
    "remove": ("removing", "removed"), "purge": ("purging", "purged"), "update": None,
}
TRANSITIONAL = ("registering", "activating", "deactivating", "updating-active", "updating-inactive",
                "removing", "purging")
GONE = ("removed", "purging", "purged")
UNKNOWN = ("explode", "restore", "delete", "setmembers", "")

site = None
rows = {}


def setUpModule():
    global site
    site = harness.Site()
    site.start()
    project = site.project()
    rows["project"] = project
    rows["readonly"] = None
    rows["registry of all"] = project.registry()["id"]


def tearDownModule():
    site.stop()


class States(harness.Case):
    """One row of its own for each test; a method for each cell is made below."""

    def row(self, kind, state):
        """Path of a new row that rests in the state."""
        project = rows["project"]
        if kind == "registry":
            number, table = project.registry()["id"], "storage_pool"
        else:
            number, table = project.credential(rows["registry of all"])["id"], "credential"
        now = int(time.time()) * 1000
        gone = state in GONE
        site.set_state(table, number, state, now if gone else None, now + 900 * 1000 if gone
                       else None)
        return ("registries/" if kind == "registry" else "registrycredentials/") + number

    def log(self, path):
        return site.steps(path.split("/")[1])

    def look(self, path):
        return self.ok(rows["project"].env.get(path))

    def check_get(self, kind, state):
        path = self.row(kind, state)
        body = self.look(path)
        self.assertEqual((body["state"], sorted(body["actions"])), (state, offered(kind, state)))
        self.assertEqual((body["transitioning"], body["transitioningMessage"],
                          body["transitioningProgress"]),
                         ("yes", "In Progress", None) if state in TRANSITIONAL
                         else ("no", None, None))
        self.assertEqual(body["removed"] is not None, state in GONE)
        listed = self.ids(rows["project"].env.get(path.split("/")[0] + "?limit=-1&state=" + state))
        self.assertEqual(body["id"] in listed, state not in GONE)
        unscoped = self.ok(site.admin.get("/v1/" + path))
        self.assertEqual(sorted(unscoped["actions"]), offered(kind, state))

    def check_put(self, kind, state):
        path = self.row(kind, state)
        steps = self.log(path)
        body = self.ok(rows["project"].env.put(path,
                                               {"name": "put in " + state, "state": "active"}))
        self.assertEqual((body["state"], body["name"]), (state, "put in " + state))
        after = self.look(path)
        self.assertEqual((after["state"], after["name"]), (state, "put in " + state))
        self.assertEqual(self.log(path), steps, "PUT started a process")

    def check_delete(self, kind, state):
        path = self.row(kind, state)
        before, steps = self.look(path), self.log(path)
        allowed = TABLE[state][1] == 200
        r = rows["project"].env.delete(path)
        if not allowed:
            self.err(r, 405, "Method not allowed")
        else:
            self.assertEqual(self.ok(r)["id"], before["id"])
        after = self.look(path)
        if "remove" in TABLE[state][0]:
            self.assertEqual((r.json["state"], r.json["transitioning"]), ("removing", "yes"))
            self.assertEqual(after["state"], "removed")
            self.assertIsNotNone(after["removed"])
            self.assertEqual(self.log(path)[len(steps):],
                             [("remove", state, "removing", "removed")])
        else:
            self.assertEqual(after, before, "a refused or idle DELETE changed the row")
            self.assertEqual(self.log(path), steps)

    def check_action(self, kind, state, action):
        path = self.row(kind, state)
        before, steps = self.look(path), self.log(path)
        r = rows["project"].env.action(path, action)
        if action not in TABLE[state][0]:
            self.err(r, 422, "ActionNotAvailable", "action")
            self.assertEqual(self.look(path), before, "a refused action changed the row")
            self.assertEqual(self.log(path), steps)
            return
        shown, done = OUTCOME[action] or ("updating-" + state, state)
        body = self.ok(r, 202)
        self.assertEqual((body["state"], body["transitioning"], body["transitioningMessage"]),
                         (shown, "yes", "In Progress"))
        self.assertEqual(sorted(body["actions"]), offered(kind, shown))
        after = self.look(path)
        self.assertEqual((after["state"], after["transitioning"], sorted(after["actions"])),
                         (done, "no", offered(kind, done)))
        new = self.log(path)[len(steps):]
        self.assertEqual(new[0][:3], (action, state, shown))
        self.assertEqual(new[-1][3], done)
        self.assertEqual(len(new), 2 if action == "create" else 1)
        self.assertEqual(after["removed"] is not None, done in GONE)

    def check_unknown(self, kind, state):
        """restore is in registry's v1 schema but never offered; the others are no actions of these
        types."""
        path = self.row(kind, state)
        before, steps = self.look(path), self.log(path)
        for action in UNKNOWN:
            r = rows["project"].env.action(path, action)
            if action == "restore" and kind == "registry":
                self.err(r, 422, "ActionNotAvailable", "action")
            elif action == "":
                self.status(r, 405, 422)
            else:
                self.err(r, 422, "InvalidAction", "action")
        self.assertEqual(self.look(path), before)
        self.assertEqual(self.log(path), steps)

    def test_readonly_sees_no_actions(self):
        """The readonly role prints {} in every state and may not act."""
        who, client = site.account("user", "reader")
        project = site.project(members=[("1a1", "owner"), (who, "readonly")])
        cred = project.credential(project.registry())["id"]
        reader = client.at(project.root)
        for state in TABLE:
            gone = int(time.time()) * 1000 if state in GONE else None
            site.set_state("credential", cred, state, gone, gone and gone + 900000)
            path = "registrycredentials/" + cred
            self.assertEqual(self.ok(reader.get(path))["actions"], {}, state)
            for action in OUTCOME:
                self.status(reader.action(path, action), 405, 422)
            self.err(reader.put(path, {"name": "x"}), 405, "Method not allowed")
            self.err(reader.delete(path), 405, "Method not allowed")
            self.assertEqual(self.ok(reader.get(path))["state"], state)


def cell(check, *words):
    return lambda self: getattr(self, check)(*words)


for _kind in ("registryCredential", "registry"):
    for _state in TABLE:
        for _check in ("get", "put", "delete", "unknown"):
            setattr(States, "test_%s_%s_%s" % (_kind, _state, _check),
                    cell("check_" + _check, _kind, _state))
        for _action in OUTCOME:
            setattr(States, "test_%s_%s_action_%s" % (_kind, _state, _action),
                    cell("check_action", _kind, _state, _action))
