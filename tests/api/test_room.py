"""One account leaves room for others: whatever its key can write, on a small disk of its own, with
nothing but the share of the room to stop it."""

import os
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import Client

SIZE, MIN_FREE, SHARE = 128 << 20, 8 << 20, 25
site = None


def setUpModule():
    global site, small
    small = tempfile.mkdtemp(prefix="rc-room-")
    unittest.addModuleCleanup(shutil.rmtree, small, ignore_errors=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % SIZE, "regcred-room", small],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise unittest.SkipTest("a small tmpfs cannot be mounted here: " + done.stderr.strip())
    unittest.addModuleCleanup(subprocess.run, ["umount", small], check=False)
    database = os.path.join(small, "regcred.db")
    site = harness.Site(workers=2, threads=4, options=("--room-per-account", str(SHARE)),
                        environment={
        "REGCRED_DATABASE": database, "REGCRED_MIN_FREE_BYTES": str(MIN_FREE)})
    site.start()
    site.db = database
    unittest.addModuleCleanup(site.stop)


def room():
    found = os.statvfs(small)
    return found.f_bavail * found.f_frsize - MIN_FREE


class Room(harness.Case):
    site = property(lambda self: site)

    def setUp(self):
        super().setUp()
        account, self.user = site.account("user", "greedy")
        self.project = self.ok(self.user.post("projects", {"name": "greedy"}), 201)
        self.client = Client(site, self.user.key, "/v1/projects/" + self.project["id"])
        self.registry = self.ok(self.client.post("registries",
                                                 {"serverAddress": "greedy.example.test"}), 201)
        self.login = self.credential({}).json
        self.members = [{"externalId": account, "externalIdType": "rancher_id", "role": "owner"}]

    def credential(self, fields):
        return self.client.post("registrycredentials",
                                dict({"registryId": self.registry["id"], "publicValue": "u",
                                      "secretValue": site.plant(), "email": "e@x"}, **fields))

    # each way: what the n-th request is

    def an_update(self, n):
        return self.client.put("registrycredentials/" + self.login["id"],
                               {"description": "%d" % n + "\u00e9" * 1000, "name": "%d" % n
                                + "\u00e9" * 240, "publicValue": "%d" % n + "\u00e9" * 4000})

    def a_short_update(self, n):
        return self.client.put("registrycredentials/" + self.login["id"], {"description": "%d" % n})

    def a_login(self, n):
        return self.credential({"secretValue": site.plant("x" * 60000)})

    def a_registry(self, n):
        return self.client.post("registries", {"serverAddress": "r%d.example.test" % n,
                                               "description": "x" * 1000})

    def a_key(self, n):
        made = self.client.post("apikeys", {"description": "x" * 1000})
        if made.status == 201:
            site.key_secrets.append((made.json["publicValue"], made.json["secretValue"]))
        return made

    def members_that_come_and_go(self, n):
        more = [{"externalId": "%d-%d-%s" % (n, i, "x" * 150), "externalIdType": "ldap_user",
                 "role": "member"} for i in range(200)]
        return self.user.action("/v1/projects/" + self.project["id"], "setmembers",
                                {"members": self.members + more})

    def a_hand_out(self, n):
        if not hasattr(self, "revealer"):
            self.revealer = Client(site, site.new_key(self.client, reveal=True), self.client.root)
            self.made = [self.credential({"pathPrefix": "p%d" % i}) for i in range(100)]
        return self.revealer.post("handouts", {"format": "podman"})

    def a_session(self, n):
        return self.user.post("sessions", {"link": True})

    def a_toggle(self, n):
        done = self.client.action("registrycredentials/" + self.login["id"], "deactivate")
        return done if done.status == 429 else self.client.action("registrycredentials/"
                                                                  + self.login["id"], "activate")

    WAYS = {"an_update": 3000, "a_short_update": 30000, "a_login": 3000, "a_registry": 30000,
            "a_key": 30000, "members_that_come_and_go": 1000,
            "a_hand_out": 3000, "a_session": 30000, "a_toggle": 30000}

    def takes(self, name):
        before = room()
        way, most = getattr(self, name), self.WAYS[name]
        for n in range(most):
            answer = way(n)
            if answer.status == 429:
                break
            self.assertIn(answer.status, (200, 201, 202), answer)
        else:
            self.fail("%s: %d requests, and no end" % (name, most))
        self.assertIn("room_per_account", self.err(answer, 429, "Too Many Requests")["detail"])
        self.assertLessEqual(int(answer.header("Retry-After")), 24 * 3600)
        self.assertGreater(room(), before * (100 - SHARE - 5) / 100 - (16 << 20),
                           "a write-ahead log of 16 MiB aside")
        other = site.project()
        self.ok(other.env.post("registries", {"serverAddress": "other.example.test"}), 201)
        self.ok(self.client.get("registrycredentials"))
        self.assertIn(self.client.action("registrycredentials/" + self.login["id"],
                                         "deactivate").status, (202, 409, 422))
        return n


# The ways that need the fewest requests run always, the others where there is time.
for name in Room.WAYS:
    def test(self, name=name):
        if Room.WAYS[name] > 3000 and not os.environ.get("REGCRED_LONG"):
            self.skipTest("takes a minute; see make check-long")
        print("test_room: %s: refused after %d requests, %d MiB left"
              % (name, self.takes(name), room() >> 20))
    setattr(Room, "test_" + name + "_leaves_room_for_others", test)


if __name__ == "__main__":
    unittest.main()
