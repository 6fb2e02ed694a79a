"""nginx before the pool: its own answers are errors of the API's form, the shipped files work where
they are meant to be put, and nothing that nginx writes down holds a secret.

Further nginxes, with changed or quite other configurations, stand before the same pool.
"""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import unittest

import harness
import standin
import validator

set_up_site, tearDownModule = harness.site_of(globals(), workers=2, threads=4)

NGINX_DIR = os.path.join(harness.SRC, "nginx")
# seconds that a slow machine may take longer
SLACK = 20

CODES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
         405: "Method not allowed", 421: "Misdirected Request", 501: "Not Implemented",
         505: "HTTP Version Not Supported", 413: "Request Entity Too Long",
         414: "Request-URI Too Long", 429: "Too Many Requests", 500: "Internal Server Error",
         502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


def setUpModule():
    set_up_site()
    globals()["project"] = site.project()


def shipped(name):
    with open(os.path.join(NGINX_DIR, name), encoding="utf-8") as f:
        return f.read()


def raw(port, data, method="GET"):
    """Sends bytes as they are over a connection of their own; the first answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=SLACK) as s:
        try:
            s.sendall(data)
        except OSError:
            pass                                         # an early answer waits to be read
        answer = http.client.HTTPResponse(s, method=method)
        answer.begin()
        body = answer.read()
        answer.close()
    return harness.Response(method, data[:100], answer.status, answer.getheaders(), body)


class Nginx:
    """Another nginx, in a directory of its own below the site's, with regcred_params and
    regcred.conf beside its configuration."""

    serial = 0

    def __init__(self, make, conf=shipped("regcred.conf"), params=shipped("regcred_params")):
        """make(directory, port): the text of nginx.conf."""
        Nginx.serial += 1
        self.root = os.path.join(site.root, "nginx%d" % Nginx.serial)
        os.mkdir(self.root)
        for name, text in (("regcred.conf", conf), ("regcred_params", params),
                           *((n, shipped(n)) for n in ("regcred_inject.conf",
                                                       "regcred_inject_proxy"))):
            self.write(name, text)
        for _ in range(5):
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                self.port = s.getsockname()[1]
            self.write("nginx.conf", make(self.root, self.port))
            with open(os.path.join(self.root, "start.out"), "wb") as out:
                self.process = subprocess.Popen([harness.NGINX, "-e",
                                                 os.path.join(self.root, "start.log"), "-p",
                                                 self.root, "-c",
                                                 os.path.join(self.root, "nginx.conf"), "-g",
                                                 "daemon off;"], stdin=subprocess.DEVNULL,
                                                 stdout=out,
                                                stderr=out, preexec_fn=harness.end_with_parent)
            end = time.monotonic() + SLACK
            while self.process.poll() is None and time.monotonic() < end:
                try:
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                    self.base = "http://127.0.0.1:%d" % self.port
                    return
                except OSError:
                    time.sleep(0.01)
            self.stop()
        raise AssertionError("nginx does not start: " + self.read("start.out")
                             + self.read("start.log"))

    def write(self, name, text):
        with open(os.path.join(self.root, name), "w", encoding="utf-8") as f:
            f.write(text)

    def read(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def get(self, path, headers=(), method="GET", body=b""):
        """An answer over a connection of its own, by the project's key."""
        lines = ["Host: 127.0.0.1:%d" % self.port, "Authorization: " + project.env.authorization(),
                 "Connection: close"] + ["%s: %s" % h for h in headers]
        lines += ["Content-Length: %d" % len(body)] if body else []
        return raw(self.port, ("%s %s HTTP/1.1\r\n%s\r\n\r\n"
                               % (method, path, "\r\n".join(lines))).encode() + body, method)


def quickstart(edit=lambda text: text):
    """make() of the shipped quickstart.conf.in; edit changes its text."""
    def make(directory, port):
        text = shipped("quickstart.conf.in")
        for name, value in (("PORT", str(port)), ("STATE", directory), ("SOCKET", site.socket),
                            ("NGINX_DIR", directory),
                            ("USER_LINE", "user root;" if os.geteuid() == 0 else "")):
            text = text.replace("@%s@" % name, value)
        return edit(text.replace("daemon on;", ""))
    return make


def at_http_level():
    """regcred_http.conf, for this pool."""
    return shipped("regcred_http.conf").replace("/run/regcred/regcredd.sock", site.socket)


def ordinary(servers, http_level=""):
    """make() of an nginx that knows nothing of regcred but what its installation tells to add."""
    def make(directory, port):
        paths = "".join("%s_temp_path %s/%s;\n" % (n, directory, n)
                        for n in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        return ("%s\npid %s/nginx.pid;\nerror_log %s/error.log info;\nevents {}\nhttp "
                "{\n%saccess_log %s/access.log combined;\n%s"
                "%s\n%s}\n" % (user, directory, directory, paths, directory, http_level,
                               at_http_level(),
                               servers.replace("PORT", str(port)).replace("DIR", directory)))
    return make


class NginxCase(harness.Case):
    def own(self, response, status, base=None):
        """nginx's own answer: an error of the API's form, and the header without which clients stop
        working."""
        self.assertEqual(response.status, status, response)
        self.assertEqual(response.header("Content-Type"), "application/json; charset=utf-8",
                         response)
        self.assertEqual(list(response.json), validator.ERROR_KEYS, response)
        self.assertEqual(validator.error(response.json, status, own=True), [])
        self.assertEqual(response.json["code"], CODES[status])
        self.assertEqual(len(response.all_headers("X-API-Schemas")), 1, response.headers)
        self.assertTrue(response.header("X-API-Schemas").endswith("/v1/schemas"), response.headers)
        if base:
            self.assertEqual(response.header("X-API-Schemas"), base + "/v1/schemas")
        self.assertEqual(response.header("Cache-Control"), "no-store")
        return response

    def regcred_s(self, response, status, code):
        """regcred's own error."""
        self.assertEqual(response.status, status, response)
        self.assertEqual(validator.error(response.json, status), [], response)
        self.assertEqual(response.json["code"], code)
        self.assertIsNotNone(response.header("X-API-Schemas"))

    def fine(self):
        self.status(project.env.get("registries?limit=1"), 200)


class OwnAnswers(NginxCase):
    def send(self, text, method="GET"):
        return raw(self.site.port, text if isinstance(text, bytes) else text.encode("latin-1"),
                   method)

    def test_a_request_that_nginx_refuses_gets_JSON(self):
        host = "Host: 127.0.0.1:%d\r\n" % self.site.port
        for name, text, status in (
                ("413", "POST /v1/registries HTTP/1.1\r\n%sContent-Length: 65537\r\n\r\n%s" % (host, "x" * 65537), 413),
                ("413 announced", "POST /v1/registries HTTP/1.1\r\n%sContent-Length: 99999999999\r\n\r\n" % host, 413),
                ("413 chunked", "POST /v1/registries HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (host, ("4000\r\n%s\r\n" % ("x" * 0x4000)) * 5), 413),
                ("413 elsewhere", "POST /elsewhere HTTP/1.1\r\n%sContent-Length: 65537\r\n\r\n%s" % (host, "x" * 65537), 413),
                ("414", "GET /v1/%s HTTP/1.1\r\n%s\r\n" % ("a" * 40000, host), 414),
                ("414 in the query", "GET /v1?%s HTTP/1.1\r\n%s\r\n" % ("a" * 40000, host), 414),
                ("494", "GET /v1 HTTP/1.1\r\n%sX-A: %s\r\n\r\n" % (host, "a" * 40000), 400),
                ("494 many", "GET /v1 HTTP/1.1\r\n%s%s\r\n" % (host, "".join("X-%d: %s\r\n" % (i, "a" * 1000) for i in range(100))), 400),
                ("no Host", "GET /v1 HTTP/1.1\r\n\r\n", 400),
                ("bad length", "POST /v1/registries HTTP/1.1\r\n%sContent-Length: x\r\n\r\n" % host, 400),
                ("negative length", "POST /v1/registries HTTP/1.1\r\n%sContent-Length: -1\r\n\r\n" % host, 400),
                ("two lengths", "POST /v1/registries HTTP/1.1\r\n%sContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" % host, 400),
                ("length and chunks", "POST /v1/registries HTTP/1.1\r\n%sContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" % host, 400),
                ("two keys", "GET /v1/registries HTTP/1.1\r\n%sAuthorization: Basic eDp5\r\nAuthorization: Basic eDp5\r\n\r\n" % host, 400),
                ("garbage", "NONSENSE\r\n\r\n", 400), ("binary", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
                ("lower-case method", "get /v1 HTTP/1.1\r\n%s\r\n" % host, 400), ("out of the root", "GET /../etc HTTP/1.1\r\n%s\r\n" % host, 400),
                ("NUL", b"GET /v1/%%00 HTTP/1.1\r\n%s\r\n" % host.encode(), 400), ("TRACE", "TRACE /v1 HTTP/1.1\r\n%s\r\n" % host, 405),
                ("501", "POST /v1/registries HTTP/1.1\r\n%sTransfer-Encoding: gzip\r\n\r\n" % host,
                 501), ("505", "GET /v1 HTTP/4.0\r\n%s\r\n" % host, 505)):
            with self.subTest(name):
                self.own(self.send(text), status)
        self.fine()

    def test_so_does_one_that_a_module_refuses(self):
        for status in (400, 401, 403, 404, 413, 414, 421, 429, 500, 501, 502, 503, 504):
            edit = "location ^~ /v1/x { include regcred_params; return %d; }\n location / {" % status
            with Nginx(quickstart(lambda text,
                                  edit=edit: text.replace("location / {", edit, 1))) as other:
                self.own(other.get("/v1/x"), status, other.base)

    def test_so_does_one_with_the_wrong_TLS(self):
        """HTTP to the port of HTTPS; a certificate that nginx does not know; none where one has to
        be."""
        key, crt = standin.certificate(site.root, "server")
        other_key, other_crt = standin.certificate(site.root, "stranger")
        for verify, certificate in (("off", None), ("optional", (other_crt, other_key)),
                                    ("on", None), ("on", (other_crt, other_key))):
            def listen(text, verify=verify):
                return re.sub(r"(?m)^ *listen (\S+) .*;",
                              r"listen \1 ssl; ssl_certificate %s; ssl_certificate_key %s; ssl_verify_client %s; ssl_client_certificate %s;"
                              % (crt, key, verify, crt), text, count=1)
            with Nginx(quickstart(listen)) as other:
                if verify == "off":
                    self.assertEqual((other.get("/v1").status, other.get("/v1").json["status"]),
                                     (400, 400))
                    continue
                context = ssl._create_unverified_context()
                if certificate:
                    context.load_cert_chain(*certificate)
                connection = http.client.HTTPSConnection("localhost", other.port, timeout=SLACK,
                                                         context=context)
                connection.connect = lambda c=connection, o=other: setattr(c, "sock",
                                                                           context.wrap_socket(
                                                                               socket.create_connection(("127.0.0.1", o.port), SLACK), server_hostname="localhost"))
                connection.request("GET", "/v1",
                                   headers={"Authorization": project.env.authorization()})
                answer = connection.getresponse()
                body = json.loads(answer.read())
                self.assertEqual((answer.status, body["status"], body["code"]),
                                 (400, 400, "Bad Request"))
                connection.close()

    def test_the_schemas_header_of_nginx_s_own_errors_names_this_server(self):
        r = project.env.post("registries", "x" * 65537, proxy=True)
        self.own(r, 413, self.site.base)
        self.assertNotIn("nginx/", str(r.headers), "the version is told")

    def test_a_HEAD_that_nginx_refuses_has_no_body(self):
        r = self.send("HEAD /v1/%s HTTP/1.1\r\nHost: x\r\n\r\n" % ("a" * 40000), "HEAD")
        self.assertEqual((r.status, r.body), (414, b""))
        self.assertIsNotNone(r.header("X-API-Schemas"))

    def test_the_error_location_cannot_be_asked_for(self):
        for path in ("/.regcred-error", "//.regcred-error", "/.regcred-error?x",
                     "/v1/../.regcred-error", "/%2eregcred-error"):
            r = self.status(self.site.admin.get(path, check=False), 404)
            self.assertNotIn("$", r.text)

    def test_a_path_of_nobody_gets_regcred_s_own_404(self):
        for path in ("/nosuch", "/v1x", "/v2", "/favicon.ico", "/v1.php"):
            self.regcred_s(self.site.admin.get(path), 404, "Not Found")

    def test_a_connection_is_usable_after_an_error_that_does_not_close_it(self):
        """nginx closes after 400, 413 and 414; a client that keeps its connections sees that it
        does, and no answer is lost."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=SLACK)
        headers = {"Authorization": project.env.authorization()}
        for method, path, body, status in (("POST", "/registries", b"x" * 65537, 413),
                                           ("GET", "/" + "a" * 40000, None, 414), ("POST", "/registries", b"{", 400),
                                           ("POST", "/registries", b"x" * 300000, 413),
                                           ("TRACE", "/registries", None, 405)) * 3:
            connection.request(method, project.root + path, body, headers)
            answer = connection.getresponse()
            self.assertEqual(answer.status, status)
            self.assertEqual(json.loads(answer.read())["status"], status)
            connection.request("GET", project.root + "/registries?limit=1", headers=headers)
            answer = connection.getresponse()
            self.assertEqual((answer.status, json.loads(answer.read())["type"]),
                             (200, "collection"))
        connection.close()

    def test_without_a_pool_it_is_502_and_then_it_works_again(self):
        site = self.site
        site.deaths_allowed = True
        self.assertEqual(site.stop_pool(), 0)
        try:
            for method, path in (("GET", "/v1"), ("POST", "/v1/registries"), ("GET", "/elsewhere"),
                                 ("GET", "/ping")):
                r = self.own(site.admin.request(method, path, check=False), 502, site.base)
            self.assertRegex(r.json["id"], r"^[0-9a-f]{32}$")
        finally:
            site.start_pool()
            site.wait_ready()
            site.remember_children()
        self.fine()

    def wait_until_stopped(self, pids):
        """A signal takes its time to reach every thread."""
        deadline = time.monotonic() + SLACK
        waiting = [task for pid in pids for task in os.listdir("/proc/%d/task" % pid)]
        while waiting and time.monotonic() < deadline:
            waiting = [t for t in waiting if open("/proc/%s/stat" % t).read().rpartition(")")[
                2].split()[0] not in "Tt"]
            time.sleep(0.01)
        self.assertEqual(waiting, [])

    def test_a_pool_that_does_not_answer_in_time_is_504(self):
        params = re.sub(r"(?m)^fastcgi_read_timeout .*$", "fastcgi_read_timeout 1s;",
                        shipped("regcred_params"))
        children = self.site.children()
        with Nginx(quickstart(), params=params) as other:
            self.status(other.get(project.root + "/registries"), 200)
            try:
                for pid in children:
                    os.kill(pid, signal.SIGSTOP)
                self.wait_until_stopped(children)
                begun = time.monotonic()
                self.own(other.get("/v1/registries"), 504, other.base)
                self.assertLess(time.monotonic() - begun, SLACK)
            finally:
                for pid in children:
                    os.kill(pid, signal.SIGCONT)
            self.status(other.get(project.root + "/registries"), 200)
        self.fine()


class Limits(NginxCase):
    """regcred.conf limits the requests of an address, whichever location they come to."""

    SERVER = "server { listen 127.0.0.1:PORT; include regcred.conf; }\n"

    def burst(self, other, count):
        """{status: answers} of so many requests as fast as one kept connection allows."""
        connection = http.client.HTTPConnection("127.0.0.1", other.port, timeout=SLACK)
        found = {}
        for i in range(count):
            connection.request("GET", "/v1/registries?n=%d" % i,
                               headers={"Authorization": project.env.authorization()})
            answer = connection.getresponse()
            found.setdefault(answer.status, []).append(
                harness.Response("GET", "", answer.status, answer.getheaders(), answer.read()))
        connection.close()
        return found

    def test_too_many_requests_are_429(self):
        with Nginx(ordinary(self.SERVER)) as other:
            found = self.burst(other, 500)
            self.assertLessEqual(set(found), {200, 429}, sorted(found))
            self.assertGreater(len(found[200]), 200, "the burst is smaller than it says")
            self.assertGreater(len(found.get(429, [])), 20)
            for r in found[429]:
                self.own(r, 429, other.base)
            time.sleep(0.1)
            self.status(other.get(project.root + "/registries"), 200)
        self.fine()

    def test_each_module_before_regcred_refuses_in_JSON(self):
        """auth_basic, allow and deny, limit_req and limit_conn, at the root and below a prefix."""
        location = """
            location %s {
                include regcred_params;
                fastcgi_param REGCRED_PREFIX "%s";
                %s
                fastcgi_pass regcred;
            }
        """
        refusals = (("auth_basic x; auth_basic_user_file DIR/nobody;", 401), ("deny all;", 403),
                    ("limit_req zone=none;", 503),
                    ("limit_req zone=none; limit_req_status 429;", 429),
                    ("limit_conn few 1; limit_conn_status 429;", 429))
        zones = "limit_req_zone $server_port zone=none:1m rate=1r/m; limit_conn_zone $server_port zone=few:1m;\n"
        for words, status in refusals:
            for prefix in ("", "/creds", "/a/b"):
                server = ("server { listen 127.0.0.1:PORT; %s\n location = /.regcred-error {%s\n"
                          % (location % (prefix + "/", prefix, words),
                             re.search(r"(?s)location = /.regcred-error \{(.*)",
                                       shipped("regcred.conf")).group(1))) + "}\n"
                with self.subTest(words, prefix=prefix), Nginx(ordinary(server, zones)) as other:
                    other.write("nobody", "")
                    path = prefix + "/v1/projects"
                    if "limit_conn" in words:
                        held = socket.create_connection(("127.0.0.1", other.port), timeout=SLACK)
                        held.sendall(("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
                                      % path).encode())
                        time.sleep(0.2)
                    elif "limit_req" in words:
                        other.get(path)
                    r = self.own(other.get(path), status, other.base + prefix)
                    if status == 401:
                        self.assertEqual(r.header("WWW-Authenticate"), 'Basic realm="x"')
                    if "limit_conn" in words:
                        held.close()


class InAnotherServer(NginxCase):
    """regcred.conf in a server that has a life of its own."""

    SERVER = """
        server {
            listen 127.0.0.1:PORT;
            server_name www.example.test;
            root DIR/www;
            error_page 404 /missing.html;
            location = /login { default_type text/plain; return 200 login; }
            location ~ \\.php$ { default_type text/plain; return 200 php; }
            location /private/ { return 403; }
            add_header X-Site yes always;
            location /v1-docs { default_type text/plain; return 200 docs; }
            include regcred.conf;
            location /creds/ {
                include regcred_params;
                fastcgi_param REGCRED_PREFIX /creds;
                fastcgi_pass regcred;
            }
        }
        server {
            listen 127.0.0.1:PORT;
            server_name other.example.test;
            default_type text/plain;
            return 200 other;
        }
    """

    @classmethod
    def setUpClass(cls):
        cls.other = Nginx(ordinary(cls.SERVER))
        os.mkdir(os.path.join(cls.other.root, "www"))
        for name in ("index.html", "missing.html"):
            cls.other.write(os.path.join("www", name), "<p>%s of the site\n" % name)

    @classmethod
    def tearDownClass(cls):
        cls.other.stop()

    def test_the_API_works_there(self):
        other = self.other
        r = other.get("/v1")
        self.assertEqual(r.json["links"]["registries"], other.base + "/v1/registries")
        secret = self.site.plant()
        registry = other.get(project.root + "/registries", method="POST",
                             body=b'{"serverAddress":"inside.example.test"}').json
        body = json.dumps({"registryId": registry["id"], "email": "e@x",
                           "secretValue": secret}).encode()
        r = self.status(other.get(project.root + "/registrycredentials?x=" + secret,
                                  [("Referer", "http://x/?" + secret), ("X-A", secret)], "POST",
                                  body), 201)
        self.assertEqual(r.json["links"]["self"], "%s%s/registrycredentials/%s"
                         % (other.base, project.root, r.json["id"]))
        self.assertEqual(r.json["secretValue"], secret)
        for path in ("/ping", "/healthcheck"):
            self.assertEqual((other.get(path).status, other.get(path).body), (200, b"pong"))
        self.regcred_s(other.get("/v1/nosuch"), 404, "Not Found")
        self.assertEqual(validator.error(other.get("/v2-beta/nosuch").json, 404), [])
        # That server logs whole requests, but not those of regcred's locations.
        time.sleep(0.05)
        self.assertNotIn(secret, other.read("access.log"))
        self.assertNotIn("/registrycredentials", other.read("access.log"))
        self.assertNotIn(secret, other.read("error.log"))

    def test_the_server_s_own_locations_are_as_they_were(self):
        other = self.other
        for path, status, text in (("/", 200, "index.html of the site"), ("/login", 200, "login"),
                                   ("/x.php", 200, "php"), ("/v1-docs", 200, "docs"),
                                   ("/v1x", 404, "missing.html of the site"), ("/nosuch", 404, "missing.html of the site"), ("/private/x", 403, "403 Forbidden"),
                                   ("/V1", 404, "missing.html of the site"),
                                   ("/pingpong", 404, "missing.html of the site")):
            with self.subTest(path):
                r = other.get(path)
                self.assertEqual(r.status, status)
                self.assertIn(text, r.text)
                self.assertIsNone(r.header("X-API-Schemas"))
                self.assertEqual(r.header("X-Site"), "yes")
        r = other.get("/", [("X-A", "a" * 40000)])
        self.assertEqual(r.status, 400)
        r = raw(other.port,
                b"GET / HTTP/1.1\r\nHost: other.example.test\r\nConnection: close\r\n\r\n")
        self.assertEqual(r.text, "other")

    def test_its_own_errors_on_regcred_s_paths_are_JSON(self):
        self.own(self.other.get("/v1/registries", method="POST", body=b"x" * 65537), 413,
                 self.other.base)
        self.own(self.other.get("/creds/v1/registries", method="POST", body=b"x" * 65537), 413,
                 self.other.base + "/creds")
        self.own(self.other.get("/metrics", [("X-Forwarded-For", "192.0.2.1")], method="POST",
                                body=b"x" * 65537), 413)

    def test_a_prefix_of_the_location_s_own(self):
        other = self.other
        body = other.get("/creds/v1").json
        self.assertEqual(body["links"]["self"], other.base + "/creds/v1")
        r = other.get("/creds" + project.root + "/registries", method="POST",
                      body=b'{"serverAddress":"mounted.example.test"}')
        self.assertEqual(r.json["links"]["self"], "%s/creds%s/registries/%s"
                         % (other.base, project.root, r.json["id"]))
        self.assertEqual(r.header("X-API-Schemas"), "%s/creds%s/schemas"
                         % (other.base, project.root))
        self.regcred_s(other.get("/creds/nosuch"), 404, "Not Found")
        # The prefix is not part of what is matched, nor may it be left by dots.
        for path in ("/creds/../v1", "/creds/%2e%2e/v1", "/v1/../creds/v1", "/creds/..%2fv1"):
            self.assertIn(other.get(path).status, (400, 404))


def output(*command):
    """What a program prints; "" if it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr
    except OSError:
        return ""


CURL = os.environ.get("REGCRED_CURL", "curl")
HTTP3 = "http_v3_module" in output(harness.NGINX or "nginx",
                                   "-V") and " HTTP3" in output(CURL, "--version")


@unittest.skipUnless(HTTP3, "nginx with http_v3_module and curl with HTTP3 are needed")
class Http3(NginxCase):
    """Over QUIC, where nginx has an authority and, in some versions, no Host."""

    @classmethod
    def setUpClass(cls):
        def listen(text):
            key, crt = standin.certificate(site.root, "quic")
            return re.sub(r"(?m)^ *listen (\S+) .*;",
                          r"listen \1 ssl; listen \1 quic reuseport; http3 on; ssl_certificate %s; ssl_certificate_key %s;" % (crt, key), text, count=1)
        super().setUpClass()
        cls.other = Nginx(quickstart(listen))

    @classmethod
    def tearDownClass(cls):
        cls.other.stop()

    def ask(self, path, *options, version="--http3-only", body=None, client=None):
        """(status, answer) by curl; the key comes from a file."""
        config = os.path.join(self.other.root, "curl.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write('header = "Authorization: %s"\n' % (client or project.env).authorization())
        done = subprocess.run([CURL, "-sS", "-k", version, "-K", config, "--max-time", "30", "-w",
                               "\\n%{http_code} %{http_version}", *options,
                               "https://127.0.0.1:%d%s" % (self.other.port, path)], input=body,
                               capture_output=True, text=True, timeout=60)
        os.unlink(config)
        self.assertEqual(done.returncode, 0, done.stderr)
        text, last = done.stdout.rsplit("\n", 1)
        status, used = last.split()
        self.assertEqual(used, {"--http3-only": "3", "--http1.1": "1.1"}[version])
        return int(status), json.loads(text)

    def test_links(self):
        status, body = self.ask("/v1")
        self.assertEqual(status, 200)
        self.assertRegex(body["links"]["self"], r"^https://127\.0\.0\.1(:%d)?/v1$"
                         % self.other.port)
        self.assertEqual(self.ask("/v1", version="--http1.1")[1]["links"]["self"],
                         "https://127.0.0.1:%d/v1" % self.other.port)

    def test_writes_and_errors(self):
        status, made = self.ask(project.root + "/registries", "--data", "@-",
                                body='{"serverAddress":"quic.example.test"}')
        self.assertEqual((status, made["serverAddress"]), (201, "quic.example.test"))
        self.assertEqual(self.ask(project.root + "/registries", "--data", "@-",
                                  body='{"serverAddress":"quic.example.test"}')[1]["code"],
                                  "ServerAddressUsed")
        nobody = harness.Client(site, ("no", "key"))
        for options, wanted, client in ((("--data", "@-"), 413, None), (("-X", "BREW"), 405, None),
                                        ((), 401, nobody)):
            status, body = self.ask("/v1/registries", *options, body="x" * 70000 if wanted == 413
                                    else None, client=client)
            self.assertEqual((status, body["type"], body["status"]), (wanted, "error", wanted))


class Hosts(NginxCase):
    """Links follow the address that the client used, and no client can put anything else there."""

    LINK = re.compile(r"http://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?/v1/schemas")

    def ask(self, line, *headers):
        text = "\r\n".join([line, "Authorization: " + self.site.admin.authorization(),
                            "Connection: close", *headers]) + "\r\n\r\n"
        return raw(self.site.port, text.encode("latin-1"))

    def links_to(self, base, line, *headers):
        r = self.status(self.ask(line, *headers), 200)
        self.assertEqual((r.json["links"]["self"], r.header("X-API-Schemas")),
                         (base + "/v1", base + "/v1/schemas"))

    def test_hosts_that_are_right(self):
        line = "GET /v1 HTTP/1.1"
        for host, base in (("creds.example.test", "creds.example.test"),
                           ("creds.example.test:8443", "creds.example.test:8443"), ("CREDS.Example.TEST:81", "creds.example.test:81"),
                           ("[::1]:8080", "[::1]:8080"), ("192.0.2.1", "192.0.2.1"),
                           ("my_host", "my_host")):
            with self.subTest(host):
                self.links_to("http://" + base, line, "Host: " + host)
        self.links_to("http://old.example.test", "GET /v1 HTTP/1.0", "Host: old.example.test")

    def test_a_request_without_a_Host_header(self):
        """As nginx passes on those of HTTP/3, which have an authority and no Host."""
        self.links_to("http://localhost", "GET /v1 HTTP/1.0")
        self.own(self.ask("GET /v1?%s HTTP/1.0" % ("a" * 40000)), 414, "http://localhost")

    def test_an_absolute_request_line(self):
        for line, host in (("GET http://creds.example.test/v1 HTTP/1.1", "creds.example.test"),
                           ("GET HTTP://creds.example.test/v1 HTTP/1.1", "creds.example.test"),
                           ("GET http://evil.example.test/v1 HTTP/1.1", "creds.example.test"),
                           ("GET http://evil.example.test:99/v1?x=1 HTTP/1.1",
                            "creds.example.test")):
            with self.subTest(line):
                r = self.status(self.ask(line, "Host: " + host), 200)
                self.assertRegex(r.json["links"]["self"],
                                 r"^http://(creds|evil)\.example\.test(:99)?/v1$")
                self.assertRegex(r.header("X-API-Schemas"), self.LINK)

    def test_hosts_that_are_missing_or_wrong(self):
        for line, headers in (("GET /v1 HTTP/1.1", ("Host: user@creds.example.test",)),
                              ("GET /v1 HTTP/1.1", ("Host: user:pw@creds.example.test",)), ("GET /v1 HTTP/1.1", ("Host: a b",)), ("GET /v1 HTTP/1.1", ("Host: a/b",)),
                              ("GET /v1 HTTP/1.1", ("Host: a:99999",)), ("GET /v1 HTTP/1.1", ('Host: a"b',)), ("GET /v1 HTTP/1.1", ("Host: a%0d%0aX-Evil: 1",)),
                              ("GET /v1 HTTP/1.1", ("Host: a\rX-Evil: 1",)), ("GET /v1 HTTP/1.1", ("Host: a\nX-Evil : 1",)), ("GET /v1 HTTP/1.1", ("Host: a\0b",)),
                              ("GET /v1 HTTP/1.1", ("Host: <script>",)),
                              ("GET /v1 HTTP/1.1", ("Host: caf\xe9.test",)),
                              ("GET /v1 HTTP/1.1", ("Host: " + "a" * 5000,))):
            with self.subTest(line=line, headers=headers):
                r = self.ask(line, *headers)
                self.assertEqual(r.status, 400, r)
                self.assertTrue(r.header("Content-Type").startswith("application/json"))
                self.assertEqual((r.json["type"], r.json["status"], r.json["code"]),
                                 ("error", 400, "Bad Request"))
                self.assertIsNone(r.header("X-Evil"))
                self.assertEqual(len(r.all_headers("X-API-Schemas")), 1)
        for headers in (("Host: a.example.test", "Host: b.example.test"),
                        ("Host: a.example.test", " folded: x"), ("Host: a\n X-Evil: 1",)):
            with self.subTest(headers=headers):
                r = self.ask("GET /v1 HTTP/1.1", *headers)
                self.assertIn(r.status, (200, 400))
                self.assertIsNone(r.header("X-Evil"))
                if r.status == 200:
                    self.assertRegex(r.json["links"]["self"], r"^http://(a\.example\.test|a)/v1$")

    def test_no_line_breaks_get_from_a_URL_into_a_header(self):
        for path in ("/v1/registries/x%0d%0aX-Evil:1", "/v1/projects/x%0d%0aX-Evil:%201/registries",
                     "/v1/projects/%0aX-Evil:1/x", "/%0d%0aX-Evil: 1", "/v1?a=%0d%0aX-Evil:1"):
            r = self.site.admin.get(path.replace(" ", "%20"), check=False)
            self.assertIsNone(r.header("X-Evil"))
            self.assertIn(r.status, (200, 400, 403, 404))


class Compression(NginxCase):
    def test_no_answer_of_regcred_is_compressed(self):
        """Not even in a server that compresses everything: lengths of compressed answers tell
        secrets."""
        level = "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;\n"
        with Nginx(ordinary("server { listen 127.0.0.1:PORT; include regcred.conf; location /other "
                            "{ default_type text/plain; return 200 %s; } }\n" % ("x" * 500),
                            level)) as other:
            headers = [("Accept-Encoding", "gzip, deflate")]
            self.assertEqual(other.get("/other", headers).header("Content-Encoding"), "gzip")
            for path in ("/v1/schemas", project.root + "/registries", "/v1/nosuch"):
                self.assertIsNone(other.get(path, headers).header("Content-Encoding"), path)


class Traces(NginxCase):
    """What nginx writes down."""

    def files(self):
        found = {}
        for at, _, names in os.walk(self.site.state):
            for name in names:
                if name.startswith("nginx"):
                    with open(os.path.join(at, name), "rb") as f:
                        found[name] = f.read()
        return found

    def test_the_access_log_has_paths_without_queries(self):
        secret = self.site.plant()
        for client in (project.env, self.site.anonymous(project.root)):
            client.get("registries?secretValue=" + secret,
                       headers=[("Referer", "http://x.example.test/?" + secret),
                                ("User-Agent", secret)])
        self.site.anonymous("").get("/elsewhere?" + secret)
        for line in ("GET /v1/x?%s HTTP/1.1\r\nHost: x\r\nX: " % secret + "a" * 40000,
                     "GET /v1/x?%s HTTP/1.1" % secret, "GET /v1?%s" % (secret * 3000),
                     "TRACE /v1/x?%s HTTP/1.1\r\nHost: x\r\nReferer: http://x/?%s"
                     % (secret, secret)):
            self.assertIn(raw(self.site.port, line.encode() + b"\r\n\r\n").status, (400, 405, 414))
        time.sleep(0.05)
        lines = self.files()["nginx-access.log"].decode().splitlines()
        for line in lines:
            self.assertRegex(line,
                             r'^127\.0\.0\.1 \[[^]]+\] "[^"?]*" \d{3} \d+ [\d.]+ [0-9a-f]{32}$')
            self.assertNotIn(secret, line)

    def test_the_quickstart_s_log_format_leaves_out_the_query(self):
        """The shipped location logs nothing; with the format switched on for it, the path is logged
        and the query is not."""
        params = shipped("regcred_params").replace("access_log                 off;",
                                                   "access_log access.log regcred;")
        secret = self.site.plant()
        with Nginx(quickstart(), params=params) as other:
            self.status(other.get(project.root + "/registries?name=" + secret,
                                  [("Referer", "http://x/?" + secret)]), 200)
            other.get("//v1//registries%3Fx=1?" + secret)
            other.get("/v1?" + secret + "?again=" + secret)
            other.stop()
            log = other.read("access.log")
        self.assertEqual(len(log.splitlines()), 3, log)
        # nginx's two workers write in no order between them.
        self.assertRegex(log,
                         r'(?m)^127\.0\.0\.1 \[[^]]+\] "GET %s/registries HTTP/1\.1" 200 \d+ [\d.]+ [0-9a-f]{32}$' % project.root)
        self.assertNotIn(secret, log)

    def test_no_body_and_no_answer_goes_through_a_file(self):
        """nginx warns of each in its error log, which the shipped parameters switch off."""
        params = re.sub(r"(?m)^error_log .*$", "", shipped("regcred_params"))
        big = b'{"serverAddress":"spool%d.example.test","description":"' + self.site.plant().encode() * 100 + b'"}'
        with Nginx(quickstart(), params=params) as other:
            for i in range(5):
                body = (big % i).ljust(65536)
                self.status(other.get(project.root + "/registries", (), "POST", body), 201, 422)
                chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c)
                                  for c in (body[j:j + 10]
                                            for j in range(0, 65536, 10))) + b"0\r\n\r\n"
                head = "POST %s/registries HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" % (
                    project.root, project.env.authorization())
                self.status(raw(other.port, head.encode() + chunks), 201, 400, 422)
            self.status(other.get(project.root + "/schemas"), 200)
            self.status(other.get(project.root + "/registries?limit=-1&include=credentials"), 200)
            other.stop()
            self.assertNotIn("temporary file", other.read("nginx-error.log"))

    def test_nothing_that_nginx_wrote_holds_a_secret(self):
        secret = self.site.plant()
        headers = [("X-API-Key", "x:" + secret), ("X-Secret", secret),
                   ("Cookie", "token=" + secret)]
        body = ('{"secretValue":"%s"' % secret).encode()
        # 400
        project.env.post("registrycredentials?secretValue=" + secret, body, headers=headers)
        headers += [("Referer", "http://x/?token=" + secret)]
        # 413
        project.env.post("registrycredentials?secretValue=" + secret, body.ljust(70000),
                         headers=headers, proxy=True)
        with Nginx(quickstart(lambda text: text.replace(site.socket, site.socket
                                                        + ".none"))) as other:
            # 502
            other.get(project.root + "/registrycredentials?secretValue=" + secret, headers, "POST",
                      body)
            other.stop()
            self.assertNotIn(secret, "".join(other.read(name) for name in os.listdir(other.root)
                                             if name.endswith(".log")))
        # 401
        self.site.anonymous().post("registrycredentials?secretValue=" + secret, body,
                                   headers=headers)
        # 414
        raw(self.site.port, b"GET /v1?%s%s HTTP/1.1\r\nHost: x\r\n\r\n"
            % (secret.encode(), b"a" * 40000))
        raw(self.site.port, b"GET /v1?%s HTTP/1.1\r\nHost: x\r\nX: %s%s\r\n\r\n"
            % (secret.encode(), secret.encode(), b"a" * 40000))
        time.sleep(0.05)
        needles = harness.forms(secret) | harness.forms(project.env.key[1])
        self.assertEqual([name for name, data in self.files().items()
                          if any(n in data for n in needles)], [])


if __name__ == "__main__":
    unittest.main()
