"""skopeo pushes to and pulls from a real registry through docker-credential-regcred: rotation and
deactivation while it pulls."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import harness

setUpModule, tearDownModule = harness.site_of(globals())

TOOLS = {"docker-registry": "docker-registry", "skopeo": "skopeo", "htpasswd": "apache2-utils"}


class Pull(harness.Case):
    def setUp(self):
        super().setUp()
        missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
        if missing:
            self.skipTest("not installed: " + ", ".join(missing))
        # Outside of the site's directory: the registry and this host are other machines.
        self.directory = tempfile.mkdtemp(prefix="rc-pull-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.users = {}
        self.host = self.serve()
        self.project = site.project()
        self.pulled = 0

    def path(self, name, data=None):
        path = os.path.join(self.directory, name)
        if data is not None:
            with open(path + ".new", "wb") as f:
                f.write(data)
            os.chmod(path + ".new", 0o600)
            os.replace(path + ".new", path)
        return path

    def let_in(self, **users):
        """The registry lets these in from now on: it reads the file again when its time is
        another."""
        lines = [subprocess.run(["htpasswd", "-Bin", user], input=secret.encode(),
                                capture_output=True, check=True, timeout=30).stdout.strip()
                                for user, secret in users.items()]
        before = os.stat(self.path("users")).st_mtime if os.path.exists(self.path("users")) else 0
        path = self.path("users", b"\n".join(lines) + b"\n")
        os.utime(path, (before + 10, before + 10))

    def serve(self):
        self.let_in(nobody="x")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        config = {"version": "0.1", "log": {"level": "error"},
                  "storage": {"filesystem": {"rootdirectory": self.path("data")}},
                  "http": {"addr": "127.0.0.1:%d" % port},
                  "auth": {"htpasswd": {"realm": "test", "path": self.path("users")}}}
        with open(self.path("output"), "wb") as out:
            process = subprocess.Popen(["docker-registry", "serve",
                                        self.path("config.yml", json.dumps(config).encode())],
                                        stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, preexec_fn=harness.end_with_parent)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.kill)

        def answers():
            self.assertIsNone(process.poll(), "docker-registry ended")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return True
            except OSError:
                return False
        self.assertTrue(harness.wait_until(answers, 30), "docker-registry does not answer")
        return "127.0.0.1:%d" % port

    def image(self):
        """A minimal image in an OCI layout."""
        os.makedirs(self.path("image/blobs/sha256"))

        def blob(data, kind):
            digest = hashlib.sha256(data).hexdigest()
            self.path("image/blobs/sha256/" + digest, data)
            return {"mediaType": "application/vnd.oci.image.%s+json" % kind, "size": len(data),
                    "digest": "sha256:" + digest}
        config = blob(
            b'{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}', "config.v1")
        manifest = blob(
            json.dumps({"schemaVersion": 2,
                        "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                        "layers": []}).encode(), "manifest.v1")
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "1"}
        self.path("image/oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        self.path("image/index.json",
                  json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        return "oci:%s:1" % self.path("image")

    def copy(self, *words, key=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("REGCRED_", "XDG_"))
               and not k.lower().endswith("_proxy")}
        env.update({"HOME": self.directory, "TMPDIR": self.directory, "PATH": harness.BUILD + ":"
                    + env["PATH"], "REGISTRY_AUTH_FILE": self.path("auth.json"),
                    "REGCRED_URL": site.base, "REGCRED_API_KEY_FILE": key or self.path("key"),
                    "REGCRED_API_TIMEOUT": "60"})
        return subprocess.run(["skopeo", "copy", "-q", "--insecure-policy",
                               "--src-tls-verify=false", "--dest-tls-verify=false", *words],
                              env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)

    def pull(self):
        self.pulled += 1
        target = self.path("got%d" % self.pulled)
        done = self.copy("docker://%s/acme/app:1" % self.host, "dir:" + target)
        if done.returncode == 0:
            self.assertTrue(os.path.exists(os.path.join(target, "manifest.json")))
        return done

    def test_push_pull_rotate_deactivate(self):
        old, new = site.plant('"q\\\''), site.plant()
        login = self.project.credential(self.project.registry(serverAddress="http://" + self.host),
                                        publicValue="ci-old", secretValue=old)["id"]
        self.path("key", b"access_key = %s\nsecret_key = %s\n"
                  % tuple(text.encode() for text in site.new_key(self.project.admin,
                                                                 role="reveal")))
        self.path("auth.json", json.dumps({"credHelpers": {self.host: "regcred"}}).encode())
        image = self.image()
        self.assertNotEqual(self.copy(image, "docker://%s/acme/app:1" % self.host).returncode, 0,
                            "the registry lets everybody in")
        self.let_in(**{"ci-old": old})
        done = self.copy(image, "docker://%s/acme/app:1" % self.host)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.pull().returncode, 0)

        # The password is rotated while a loop pulls: the registry takes both, regcred gets the new
        # one, the registry forgets the old.
        results, stop = [], threading.Event()

        def loop():
            while not stop.is_set():
                done = self.pull()
                results.append((done.returncode, done.stderr))

        def two_more():
            """A pull that began after now has ended."""
            seen = len(results)
            self.assertTrue(harness.wait_until(lambda: len(results) >= seen + 2, 60),
                            "the loop stands still")
        thread = threading.Thread(target=loop)
        thread.start()
        try:
            two_more()
            self.let_in(**{"ci-old": old, "ci-new": new})
            two_more()
            self.ok(self.project.env.put("registrycredentials/" + login,
                                         {"publicValue": "ci-new", "secretValue": new}))
            two_more()
            self.let_in(**{"ci-new": new})
            two_more()
        finally:
            stop.set()
            thread.join(60)
        self.assertEqual([result for result in results if result[0] != 0], [], "pulls have failed")

        # Deactivated: the next pull is refused; active again: it goes on.
        self.status(self.project.env.action("registrycredentials/" + login, "deactivate"), 200, 202)
        done = self.pull()
        self.assertNotEqual(done.returncode, 0)
        self.status(self.project.env.action("registrycredentials/" + login, "activate"), 200, 202)
        self.assertEqual(self.pull().returncode, 0)

        # No password lies on the host.
        for name in ("auth.json", "key", "output"):
            with open(self.path(name), "rb") as f:
                text = f.read()
            for needle in harness.forms(harness.PLANT):
                self.assertNotIn(needle, text, name)

    def test_a_key_that_is_none(self):
        """skopeo says what the helper said."""
        self.path("key", b"access_key = a\nsecret_key = b\n")
        self.path("auth.json", json.dumps({"credHelpers": {self.host: "regcred"}}).encode())
        began = time.monotonic()
        done = self.pull()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("regcred: the server does not accept this key", done.stderr)
        self.assertLess(time.monotonic() - began, 50)


if __name__ == "__main__":
    unittest.main()
