#!/usr/bin/env python3
"""demo.py QUICKSTART.ENV: does regcred's main job once, through the running server, and shows it.

Every step is checked: an answer or a state that is not as expected ends the demonstration with exit status 1.  What it made is left
to play with: one registry and one login, which a second run finds again.
"""

import base64
import http.client
import json
import secrets
import sys
import time
import urllib.parse

REGISTRY = "Quickstart registry"
LOGIN = "Quickstart login"
# What is shown of an answer; the rest is links and empty fields.
SHOWN = ("id", "type", "name", "state", "transitioning", "serverAddress", "registryId", "publicValue", "secretValue", "email",
         "description", "removed")


class Unexpected(Exception):
    """An answer that the demonstration does not expect."""


class Server:
    """Requests with the project's key; each is printed with its answer."""

    def __init__(self, environment):
        self.url = urllib.parse.urlsplit(environment["REGCRED_URL"])
        self.root = "%s/v1/projects/%s" % (self.url.path.rstrip("/"), environment["REGCRED_PROJECT_ID"])
        key = environment["REGCRED_ACCESS_KEY"] + ":" + environment["REGCRED_SECRET_KEY"]
        self.authorization = "Basic " + base64.b64encode(key.encode()).decode()

    def request(self, method, target, body=None):
        """Returns status and JSON.  The target is a path or one of our own absolute URLs."""
        url = urllib.parse.urlsplit(target)
        target = url.path + ("?" + url.query if url.query else "")
        headers = {"Authorization": self.authorization, "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=30)
        try:
            connection.request(method, target, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            reason = http.client.responses.get(answer.status, answer.reason)
            return answer.status, reason, target, json.loads(text)
        except ValueError:
            raise Unexpected("%s %s: %d, and no JSON: %r" % (method, target, answer.status, text[:200])) from None

    def show(self, method, target, expected, body=None, state=None):
        """Sends a request, prints it with its answer, and checks status and state."""
        status, reason, path, answer = self.request(method, target, body)
        print("   %s %s" % (method, path))
        if body:
            print("     " + json.dumps(hidden(body), ensure_ascii=False))
        print("   %d %s" % (status, reason))
        print(pretty(shortened(answer), "     "))
        if status != expected:
            raise Unexpected("%s %s: expected status %d, got %d" % (method, path, expected, status))
        if state and answer.get("state") != state:
            raise Unexpected("%s %s: expected state %s, got %s" % (method, path, state, answer.get("state")))
        return answer

    def settle(self, resource, state):
        """Reads the resource until it is in the state, two seconds at most: clients give up soon."""
        until = time.monotonic() + 2
        while True:
            status, _, path, answer = self.request("GET", resource["links"]["self"])
            if status != 200:
                raise Unexpected("GET %s: expected status 200, got %d" % (path, status))
            if answer["state"] == state and answer["transitioning"] == "no":
                print("   GET %s\n   200 OK: state is now %s" % (path, state))
                return answer
            if time.monotonic() > until:
                raise Unexpected("GET %s: expected state %s, got %s" % (path, state, answer["state"]))
            time.sleep(0.05)

    def act(self, resource, action, during, after):
        """Follows the action's URL as the resource offers it."""
        if action not in resource["actions"]:
            raise Unexpected("%s offers no action %s in state %s" % (resource["id"], action, resource["state"]))
        self.show("POST", resource["actions"][action], 202, {}, during)
        return self.settle(resource, after)

    def find(self, collection, name):
        """The first live resource of that name, or None."""
        path = "%s/%s?name=%s" % (self.root, collection, urllib.parse.quote(name))
        status, _, _, answer = self.request("GET", path)
        if status != 200:
            raise Unexpected("GET %s: expected status 200, got %d" % (path, status))
        return next((r for r in answer["data"] if r["state"] in ("active", "inactive")), None)


def pretty(members, by):
    """JSON with a line for each member."""
    lines = ["%s: %s" % (json.dumps(k), json.dumps(v, ensure_ascii=False)) for k, v in members.items()]
    return by + "{ " + (",\n" + by + "  ").join(lines) + " }"


def hidden(resource):
    """The same with the secret's length in place of the secret."""
    if not resource.get("secretValue"):
        return resource
    return dict(resource, secretValue="(%d characters)" % len(resource["secretValue"]))


def shortened(answer):
    if answer.get("type") == "error":
        return answer
    short = {k: answer[k] for k in SHOWN if answer.get(k) is not None}
    if "actions" in answer:
        short["actions"] = sorted(answer["actions"])
    return hidden(short)


def heading(text):
    print("\n%s" % text)


def require(true, text):
    if not true:
        raise Unexpected(text)


def kept(server, collection, name, body):
    """The resource of an earlier run, made active again if it is not, or a new one."""
    found = server.find(collection, name)
    if found is not None:
        print("   found again: %s, state %s" % (found["id"], found["state"]))
        return server.act(found, "activate", "activating", "active") if found["state"] == "inactive" else found
    made = server.show("POST", "%s/%s" % (server.root, collection), 201, dict(body, name=name), "registering")
    if "secretValue" in body:
        require(made["secretValue"] == body["secretValue"], "the create answer does not carry the secret that was sent")
    return server.settle(made, "active")


def demonstrate(server):
    print("The main job, once.  Answers are shortened: links and empty fields are left out.")

    heading("1. A registry")
    address = "registry-%s.example.test:5000" % secrets.token_hex(3)
    registry = kept(server, "registries", REGISTRY, {"serverAddress": address})

    heading("2. A login for it")
    login = kept(server, "registrycredentials", LOGIN, {
        "registryId": registry["id"], "publicValue": "ci-bot", "secretValue": secrets.token_urlsafe(18),
        "email": "ci@corp.example.test"})
    require(login["secretValue"] is None, "a login that is read again shows its secret")

    heading("3. A second login, for the rest of a login's life")
    login = server.show("POST", server.root + "/registrycredentials", 201, {
        "name": "Short-lived login", "registryId": registry["id"], "publicValue": "night-build",
        "secretValue": secrets.token_urlsafe(18), "email": "night@corp.example.test"}, "registering")
    login = server.settle(login, "active")
    heading("4. Deactivate it: it is handed out to nobody")
    login = server.act(login, "deactivate", "deactivating", "inactive")
    heading("5. Activate it again")
    login = server.act(login, "activate", "activating", "active")
    heading("6. Update it: a new password; what is not sent is kept")
    updated = server.show("PUT", login["links"]["self"], 200, {
        "secretValue": secrets.token_urlsafe(24), "description": "Rotated by the quickstart"}, "active")
    require(updated["description"] == "Rotated by the quickstart", "the update did not change the description")
    require(updated["publicValue"] == "night-build", "the update changed what was not sent")
    heading("7. Deactivate it: what is active cannot be removed")
    login = server.act(updated, "deactivate", "deactivating", "inactive")
    heading("8. Remove it")
    login = server.act(login, "remove", "removing", "removed")
    heading("9. Purge it: the sealed password is destroyed")
    server.act(login, "purge", "purging", "purged")
    print("\nAll nine steps went as they should.")


def main(argv):
    if len(argv) != 2:
        sys.exit("usage: demo.py QUICKSTART.ENV")
    with open(argv[1], encoding="utf-8") as file:
        environment = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    try:
        demonstrate(Server(environment))
    except (Unexpected, OSError, http.client.HTTPException, KeyError) as problem:
        sys.stdout.flush()
        what = str(problem) if not isinstance(problem, KeyError) else "an answer lacks %s" % problem
        sys.exit("demonstration: " + (what or type(problem).__name__))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv)
