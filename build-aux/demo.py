#!/usr/bin/env python3
"""demo.py [--full] QUICKSTART.ENV BUILD-DIRECTORY: does regcred's main job once, through the
running server, and shows it.

A login is stored, a host gets a key, and the host pulls an image with it: from a registry on this
machine where docker-registry, htpasswd
and skopeo are installed; else the credential helper's answer is shown.  --full walks a login
through all states of its life instead.

Every step is checked: an answer that is not as expected ends the demonstration with exit status 1.
What it made stays, to play with; a second run finds it again.
"""

import base64
import hashlib
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

REGISTRY = "Quickstart registry"
LOGIN = "Quickstart login"
HOST_KEY = "Quickstart host"
WALKED = "Registry of the long walk"
TOOLS = ("docker-registry", "htpasswd", "skopeo")


class Unexpected(Exception):
    """An answer that the demonstration does not expect."""


class Server:
    """Requests with one of the keys of quickstart.env."""

    def __init__(self, environment, prefix="REGCRED_"):
        self.base = environment["REGCRED_URL"]
        self.url = urllib.parse.urlsplit(self.base)
        self.root = "%s/v1/projects/%s" % (self.url.path.rstrip("/"),
                                           environment["REGCRED_PROJECT_ID"])
        key = environment[prefix + "ACCESS_KEY"] + ":" + environment[prefix + "SECRET_KEY"]
        self.authorization = "Basic " + base64.b64encode(key.encode()).decode()

    def request(self, method, target, body=None):
        """Returns the status, the path and the JSON.  The target is one of our own absolute URLs, a
        path, or a name below the project."""
        url = urllib.parse.urlsplit(target if "/" in target else "%s/%s" % (self.root, target))
        path = url.path + ("?" + url.query if url.query else "")
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode(),
                               {"Authorization": self.authorization, "Accept": "application/json",
                                "Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, path, json.loads(text)
        except ValueError:
            raise Unexpected("%s %s: %d, and no JSON: %r"
                             % (method, path, answer.status, text[:200])) from None

    def expect(self, status, method, target, body=None):
        got, path, answer = self.request(method, target, body)
        if got != status:
            raise Unexpected("%s %s: expected status %d, got %d: %s"
                             % (method, path, status, got, answer.get("detail")))
        return answer

    def show(self, status, method, target, body=None, state=None):
        """Sends a request, and prints it with what matters of its answer."""
        answer = self.expect(status, method, target, body)
        path = target if "/" in target else "%s/%s" % (self.root, target)
        print(("   %s %s  %s" % (method, path.replace(self.base, ""), json.dumps(hidden(body))
                                 if body else "")).rstrip())
        told = ["%d" % status, answer["id"]] + ["state %s" % answer["state"]] * bool(
            answer.get("state"))
        print("   → %s" % ", ".join(told))
        if state and answer.get("state") != state:
            raise Unexpected("%s %s: expected state %s, got %s"
                             % (method, target, state, answer.get("state")))
        return answer

    def settle(self, resource, state):
        """Reads the resource until it is in the state, two seconds at most: clients give up
        soon."""
        until = time.monotonic() + 2
        while True:
            answer = self.expect(200, "GET", resource["links"]["self"])
            if answer["state"] == state and answer["transitioning"] == "no":
                return answer
            if time.monotonic() > until:
                raise Unexpected("%s: expected state %s, got %s"
                                 % (answer["id"], state, answer["state"]))
            time.sleep(0.05)

    def act(self, resource, action, during, after):
        """Follows the action's URL as the resource offers it."""
        if action not in resource["actions"]:
            raise Unexpected("%s offers no action %s in state %s"
                             % (resource["id"], action, resource["state"]))
        self.show(202, "POST", resource["actions"][action], {}, during)
        settled = self.settle(resource, after)
        print("   → then %s" % after)
        return settled

    def find(self, collection, name):
        """The first of that name that is still there, made active again; None."""
        found = self.expect(200, "GET", "%s?name=%s" % (collection, urllib.parse.quote(name)))[
            "data"]
        found = next((r for r in found if r["state"] in ("active", "inactive")), None)
        if found is not None and found["state"] == "inactive":
            self.expect(202, "POST", found["actions"]["activate"], {})
            found = self.settle(found, "active")
        return found


def hidden(body):
    """The same with the secret's length in place of the secret."""
    if not body.get("secretValue"):
        return body
    return dict(body, secretValue="(%d characters)" % len(body["secretValue"]))


def heading(text):
    print("\n%s" % text)


def require(true, text):
    if not true:
        raise Unexpected(text)


# --- The main job ----------------------------------------------------------------------------------------------------------------------


class Host:
    """What another machine would have: a directory with the key and podman's auth.json, and the
    programs."""

    def __init__(self, server, directory, build):
        self.directory, self.server, self.build = directory, server, build
        os.makedirs(directory, mode=0o700, exist_ok=True)

    def path(self, name, text=None):
        path = os.path.join(self.directory, name)
        if text is not None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8", opener=lambda p,
                      flags: os.open(p, flags, 0o600)) as f:
                f.write(text)
        return path

    def run(self, *words, given=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("REGCRED_")
                       and not k.lower().endswith("_proxy")}
        environment.update({"PATH": self.build + ":" + environment["PATH"],
                            "REGISTRY_AUTH_FILE": self.path("auth.json"),
                            "REGCRED_URL": self.server.base,
                            "REGCRED_API_KEY_FILE": self.path("key")})
        done = subprocess.run(words, env=environment, input=given or "", capture_output=True,
                              text=True, timeout=60, check=False)
        require(done.returncode == 0, "%s: %s"
                % (words[0], (done.stderr + done.stdout).strip().split("\n")[-1]))
        return done.stdout

    def copy(self, source, to, *words):
        return self.run("skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false",
                        "--dest-tls-verify=false", *words, source, to)


class Registry:
    """A registry on this machine for the time of the demonstration."""

    def __init__(self, address, user, password):
        self.directory = tempfile.mkdtemp(prefix="regcred-demo-")
        hashed = subprocess.run(["htpasswd", "-Bin", user], input=password, capture_output=True,
                                text=True, check=True, timeout=30).stdout
        config = {"version": "0.1", "log": {"level": "error"},
                  "storage": {"filesystem": {"rootdirectory": self.path("data")}},
                  "http": {"addr": address},
                  "auth": {"htpasswd": {"realm": "demo",
                                        "path": self.path("users", hashed.strip() + "\n")}}}
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve",
                                             self.path("config.yml", json.dumps(config))],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        host, port = address.split(":")
        for _ in range(200):
            with socket.socket() as s:
                if s.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.05)
        raise Unexpected("docker-registry does not answer")

    def path(self, name, text=None):
        path = os.path.join(self.directory, name)
        if text is not None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return path

    def image(self):
        """The smallest image that there is, as files."""
        def blob(text, kind):
            digest = hashlib.sha256(text.encode()).hexdigest()
            self.path("image/blobs/sha256/" + digest, text)
            return {"mediaType": "application/vnd.oci.image.%s+json" % kind, "size": len(text),
                    "digest": "sha256:" + digest}
        config = blob(
            '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}', "config.v1")
        manifest = blob(
            json.dumps({"schemaVersion": 2,
                        "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                        "layers": []}), "manifest.v1")
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "1"}
        self.path("image/oci-layout", '{"imageLayoutVersion":"1.0.0"}')
        self.path("image/index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        return "oci:%s:1" % self.path("image")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.directory)


def free_address(wanted=0):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", wanted))
        except OSError:
            return None
        return "127.0.0.1:%d" % s.getsockname()[1]


def store_login(server, registry, password):
    """A new login, or the one of an earlier run with a new password."""
    found = server.find("registrycredentials", LOGIN)
    if found is not None:
        return server.show(200, "PUT", found["links"]["self"], {"secretValue": password})
    made = server.show(201, "POST", "registrycredentials",
                       {"name": LOGIN, "registryId": registry["id"], "publicValue": "ci-bot",
                                                           "secretValue": password,
                                                           "email": "ci@corp.example.test"},
                                                           "registering")
    return server.settle(made, "active")


def pull(host, registry, address):
    """What a host does; its only secret is its key."""
    host.copy(registry.image(), "docker://%s/hello:1" % address)
    target = host.path("hello")
    shutil.rmtree(target, ignore_errors=True)
    print("   $ skopeo copy docker://%s/hello:1 dir:%s" % (address, target))
    host.copy("docker://%s/hello:1" % address, "dir:" + target)
    print("   → pulled: %s" % ", ".join(sorted(os.listdir(target))))


def ask_helper(host, address):
    print("   $ echo %s | docker-credential-regcred get" % address)
    answer = json.loads(host.run("docker-credential-regcred", "get", given=address))
    print("   → " + json.dumps(dict(answer, Secret="(%d characters)" % len(answer["Secret"]))))
    return answer


def main_job(server, owner, host):
    registry = server.find("registries", REGISTRY)
    known = registry["serverAddress"] if registry else None
    address = free_address(int(known.rpartition(":")[2]) if known else 0)
    can_pull = address is not None and all(shutil.which(tool) for tool in TOOLS)
    password = secrets.token_urlsafe(18)
    if registry is None:
        registry = server.settle(server.expect(201, "POST", "registries",
                                               {"name": REGISTRY, "serverAddress": address}),
                                               "active")
    address = address or known

    heading("1. Store a login for the registry %s.  Its password is sealed, and no list shows it "
            "again." % address)
    login = store_login(server, registry, password)
    require(login["secretValue"] is None or login["state"] != "active" or login["secretValue"]
            == password, "another password")

    heading("2. Make a key for a host: it can get logins, and do nothing else.  It can be taken "
            "back at any time.")
    key = owner.show(201, "POST", "apikeys", {"name": HOST_KEY, "role": "reveal"})
    host.path("key", "access_key = %s\nsecret_key = %s\n"
              % (key["publicValue"], key["secretValue"]))
    host.path("auth.json", json.dumps({"credHelpers": {address: "regcred"}}))

    heading("3. The host pulls with it.  No password is on the host: the credential helper asks "
            "regcred.")
    if can_pull:
        local = Registry(address, "ci-bot", password)
        try:
            pull(host, local, address)
        finally:
            local.stop()
    else:
        print("   (for a real pull install docker-registry, apache2-utils and skopeo)")
        require(ask_helper(host, address)["Secret"] == password,
                "the helper prints another password")

    heading("4. Who got that login, and when?")
    rows = owner.expect(200, "GET", "auditlogs?eventType=handOut&sort=id&order=desc&limit=1")[
        "data"]
    require(rows and rows[0]["resourceId"] == login["id"], "the audit log does not show it")
    print("   GET auditlogs?eventType=handOut\n   → %s: login %s, key %s (%s), from %s" % (
        rows[0]["created"], login["id"], key["id"], HOST_KEY, rows[0].get("clientIp")))


# --- The long walk ---------------------------------------------------------------------------------------------------------------------


def long_walk(server):
    heading("1. A registry")
    registry = server.find("registries",
                           WALKED) or server.settle(server.show(201, "POST", "registries", {
        "name": WALKED, "serverAddress": "registry-%s.example.test:5000" % secrets.token_hex(3)},
        "registering"), "active")
    heading("2. A login for it.  The answer shows the password, this once")
    password = secrets.token_urlsafe(18)
    login = server.show(201, "POST", "registrycredentials",
                        {"name": "Short-lived login", "registryId": registry["id"],
                                                            "publicValue": "night-build", "secretValue": password,
                                                            "email": "night@corp.example.test"},
                                                            "registering")
    require(login["secretValue"] == password, "the answer to the create does not show the password")
    login = server.settle(login, "active")
    require(login["secretValue"] is None, "a login that is read again shows its password")
    heading("3. Deactivate it: nobody gets it any more")
    login = server.act(login, "deactivate", "deactivating", "inactive")
    heading("4. Activate it again")
    login = server.act(login, "activate", "activating", "active")
    heading("5. Update it: a new password; what is not sent is kept")
    updated = server.show(200, "PUT", login["links"]["self"],
                          {"secretValue": secrets.token_urlsafe(24), "description": "Rotated"},
                          "active")
    require((updated["description"], updated["publicValue"]) == ("Rotated", "night-build"),
            "the update changed something else")
    heading("6. Deactivate it: an active login cannot be removed")
    login = server.act(updated, "deactivate", "deactivating", "inactive")
    heading("7. Remove it")
    login = server.act(login, "remove", "removing", "removed")
    heading("8. Purge it: the sealed password is destroyed")
    server.act(login, "purge", "purging", "purged")


def main(argv):
    full = argv[1:2] == ["--full"]
    if len(argv) != 3 + full:
        sys.exit("usage: demo.py [--full] QUICKSTART.ENV BUILD-DIRECTORY")
    path, build = argv[1 + full:]
    with open(path, encoding="utf-8") as file:
        environment = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    try:
        server = Server(environment)
        if full:
            long_walk(server)
        else:
            host = Host(server, os.path.join(os.path.dirname(os.path.abspath(path)), "demo-host"),
                        build)
            main_job(server, Server(environment, "REGCRED_ADMIN_"), host)
    except (Unexpected, OSError, subprocess.SubprocessError, http.client.HTTPException,
            KeyError) as problem:
        sys.stdout.flush()
        what = str(problem) if not isinstance(problem, KeyError) else "an answer lacks %s" % problem
        sys.exit("demonstration: " + (what or type(problem).__name__))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv)
