"""standin: servers that answer like a registry, a token server, or something that only claims to be
one; each in threads of its own.

A Standin takes a function (request) -> Answer; the request has method, path, query, headers, body,
login (user, secret) and token.
"""

import base64
import hashlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

API = {"Docker-Distribution-Api-Version": "registry/2.0"}
UNAUTHORIZED = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required",
                            "detail": None}]}


class Request:
    def __init__(self, handler, body):
        parts = urllib.parse.urlsplit(handler.path)
        self.method, self.path, self.query = handler.command, parts.path, urllib.parse.parse_qs(
            parts.query)
        self.headers, self.body, self.url = handler.headers, body, handler.path
        kind, _, rest = (handler.headers.get("Authorization") or "").partition(" ")
        self.login = tuple(base64.b64decode(rest).decode().split(":",
                                                                 1)) if kind == "Basic" else None
        self.token = rest if kind == "Bearer" else None


class Answer:
    """body: bytes, text, or something for JSON.  raw: a function that gets the handler and answers
    as it likes."""

    def __init__(self, status=200, body=b"", headers=(), raw=None):
        self.status, self.headers, self.raw = status, dict(headers), raw
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            self.headers.setdefault("Content-Type", "application/json")
        self.body = body.encode() if isinstance(body, str) else body


class Standin:
    def __init__(self, answer, context=None, host="127.0.0.1"):
        self.answer, self.requests, self.stopping = answer, [], threading.Event()
        standin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
                    while (size := int(self.rfile.readline().split(b";")[0], 16)) > 0:
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                request = Request(self, body)
                standin.requests.append(request)
                answer = standin.answer(request)
                if answer.raw is not None:
                    self.close_connection = True
                    answer.raw(self)
                    return
                # A Date of the answer's own replaces the usual one.
                (self.send_response_only if "Date" in answer.headers else self.send_response)(
                    answer.status)
                for name, value in answer.headers.items():
                    for one in value if isinstance(value, list) else [value]:
                        self.send_header(name, one)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = respond

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass                                     # whoever asks may go away

        self.server = Server((host, 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.host = "%s:%d" % (host, self.port)
        self.url = "%s://%s" % ("http" if context is None else "https", self.host)
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(directory, name):
    """(key, certificate) files of a self-signed certificate for 127.0.0.1 and localhost."""
    key, crt = "%s/%s.key" % (directory, name), "%s/%s.crt" % (directory, name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                    "-out", crt, "-days", "2", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"], check=True,
                    capture_output=True, timeout=60)
    return key, crt


def tls(key, crt):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return context


def basic_registry(logins):
    """A registry with Basic: logins maps users to passwords and may be changed meanwhile."""
    def answer(request):
        if request.login is None or logins.get(request.login[0]) != request.login[1]:
            return Answer(401, UNAUTHORIZED,
                          dict(API, **{"WWW-Authenticate": 'Basic realm="stand-in"'}))
        if request.path == "/v2/":
            return Answer(200, {}, API)
        return Answer(404,
                      {"errors": [{"code": "NAME_UNKNOWN", "message": "unknown", "detail": None}]},
                      API)
    return answer


def bearer_registry(realm, tokens, service="stand-in"):
    """A registry that takes the tokens in the set, and sends everybody else to the realm (a
    function, as its port is known later)."""
    def answer(request):
        if request.token not in tokens:
            challenge = 'Bearer realm="%s",service="%s"' % (realm(), service)
            return Answer(401, UNAUTHORIZED, dict(API, **{"WWW-Authenticate": challenge}))
        if request.path == "/v2/":
            return Answer(200, {}, API)
        return Answer(404,
                      {"errors": [{"code": "NAME_UNKNOWN", "message": "unknown", "detail": None}]},
                      API)
    return answer


class Store:
    """A registry that keeps what is pushed, and names URLs of its own for what comes next:
    upload(name, id, turn) and download(name, digest) give
    them, the latter None where the blob itself is answered.  may(request) says whether a request is
    let in; so it is for each URL."""

    def __init__(self, may, upload, download=lambda name, digest: None,
                 challenge='Basic realm="stand-in"'):
        self.may, self.upload, self.download, self.challenge = may, upload, download, challenge
        self.blobs, self.manifests, self.uploads, self.places = {}, {}, {}, {}

    def __call__(self, request):
        if not self.may(request):
            return Answer(401, UNAUTHORIZED, dict(API, **{"WWW-Authenticate": self.challenge}))
        place = self.places.get(request.path)
        if place is not None:
            return place(request)
        name, _, rest = request.path[len("/v2/"):].partition("/blobs/")
        if rest == "uploads/" and request.method == "POST":
            return self.begin(name)
        if rest and request.method in ("GET", "HEAD"):
            return self.blob(name, rest, request.method == "GET")
        name, _, tag = request.path[len("/v2/"):].partition("/manifests/")
        if tag:
            return self.manifest(name, tag, request)
        return Answer(200, {}, API) if request.path == "/v2/" else self.unknown()

    @staticmethod
    def unknown():
        return Answer(404,
                      {"errors": [{"code": "NAME_UNKNOWN", "message": "unknown", "detail": None}]},
                      API)

    def goes_on(self, name, number):
        """What the next request of an upload is sent to."""
        turn, _ = self.uploads[number]
        url = self.upload(name, number, turn)
        path = urllib.parse.urlsplit(urllib.parse.urljoin("http://x/v2/%s/blobs/uploads/" % name,
                                                          url)).path
        self.places[path] = lambda request: self.go_on(name, number, request)
        return dict(API, **{"Location": url, "Range": "0-0", "Docker-Upload-UUID": number})

    def begin(self, name):
        number = "u%08d-%s" % (len(self.uploads),
                               hashlib.sha256(str(len(self.uploads)).encode()).hexdigest()[:20])
        self.uploads[number] = [0, b""]
        return Answer(202, b"", self.goes_on(name, number))

    def go_on(self, name, number, request):
        self.uploads[number][0] += 1
        self.uploads[number][1] += request.body
        if request.method == "PATCH":
            return Answer(202, b"", self.goes_on(name, number))
        digest = "sha256:" + hashlib.sha256(self.uploads[number][1]).hexdigest()
        if request.method != "PUT" or request.query.get("digest") != [digest]:
            return Answer(400,
                          {"errors": [{"code": "DIGEST_INVALID", "message": "digest",
                                       "detail": None}]}, API)
        self.blobs[name, digest] = self.uploads[number][1]
        return Answer(201, b"", dict(API, **{"Location": "/v2/%s/blobs/%s" % (name, digest),
                                             "Docker-Content-Digest": digest}))

    def blob(self, name, digest, whole):
        data = self.blobs.get((name, digest))
        url = self.download(name, digest) if whole else None
        if data is None:
            return self.unknown()
        if url is None:
            return Answer(200, data,
                          dict(API, **{"Docker-Content-Digest": digest,
                                       "Content-Type": "application/octet-stream"}))
        first = url
        while url is not None:
            path = urllib.parse.urlsplit(urllib.parse.urljoin("http://x/v2/%s/blobs/%s"
                                                              % (name, digest), url)).path
            url = self.download(name, path)
            answer = Answer(200, data,
                            {"Content-Type": "application/octet-stream"}) if url is None else Answer(307, b"", {"Location": url})
            self.places[path] = lambda request, answer=answer: answer
        return Answer(307, b"", dict(API, Location=first))

    def manifest(self, name, tag, request):
        if request.method == "PUT":
            digest = "sha256:" + hashlib.sha256(request.body).hexdigest()
            for key in (tag, digest):
                self.manifests[name, key] = (request.body, request.headers.get("Content-Type"))
            return Answer(201, b"", dict(API, **{"Location": "/v2/%s/manifests/%s" % (name, digest),
                                                 "Docker-Content-Digest": digest}))
        found = self.manifests.get((name, tag))
        if found is None:
            return self.unknown()
        return Answer(200, found[0],
                      dict(API, **{"Content-Type": found[1], "Docker-Content-Digest": "sha256:"
                                   + hashlib.sha256(found[0]).hexdigest()}))


def image(directory, layer=b""):
    """An image with one layer (or none) in a new directory that skopeo reads."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers",
                                    "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]
                                    if layer else []}}).encode()

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(directory, digest), "wb") as f:
            f.write(data)
        return {"mediaType": "application/vnd.docker." + kind, "size": len(data),
                "digest": "sha256:" + digest}
    os.mkdir(directory)
    manifest = {"schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": blob(config, "container.image.v1+json"),
                "layers": [blob(layer, "image.rootfs.diff.tar")] if layer else []}
    for name, text in (("version", "Directory Transport Version: 1.1\n"),
                       ("manifest.json", json.dumps(manifest))):
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write(text)
    return "dir:" + directory


def token_maker(key, crt):
    """A function (subject, access, seconds) -> token of the usual form, signed by openssl with the
    key of that certificate."""
    with open(crt, encoding="ascii") as f:
        x5c = "".join(line for line in f.read().splitlines() if "CERTIFICATE" not in line)

    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    def make(subject, access, seconds=300):
        now = int(time.time())
        claims = {"iss": "test", "sub": subject, "aud": "docker-registry", "exp": now + seconds,
                  "nbf": now - 10, "iat": now, "jti": "x", "access": access}
        text = encode(
            json.dumps({"typ": "JWT", "alg": "RS256", "x5c": [x5c]}).encode()) + b"." + encode(
                json.dumps(claims).encode())
        made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text,
                              capture_output=True, timeout=30, check=True)
        return (text + b"." + encode(made.stdout)).decode()
    return make
