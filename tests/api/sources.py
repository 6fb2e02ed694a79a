"""sources: stand-ins for what renews a login: each a class that checks what it is asked, all on one
port, told apart by the URL's path.

    http://127.0.0.1:PORT/NAME/FAULT/...        asks the stand-in NAME, which behaves as FAULT says
    ("right": as it should)
    http://127.0.0.1:PORT/calls                 what was asked until now: [{"name", "fault",
    "method", "path"}]

A fault is one of FAULTS, which are the same for all, or one that the stand-in knows itself; with
"METHOD:" in front it is one of such requests
alone.  As a program it prints its port, and ends with its standard input: tests/renew/ starts it
so.
"""

import base64
import calendar
import email.utils
import gzip
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from standin import Answer, Standin                      # noqa: E402 (the path comes first)

HANG_S = 30                                              # longer than any test waits


class Source:
    """What the stand-ins have in common: answer(request, fault, path) has the path behind the
    fault, and gives an Answer.  One call at a time."""

    name = ""

    def answer(self, request, fault, path):
        raise NotImplementedError


def drop(handler):
    """Closes the connection without an answer."""
    handler.connection.close()


def cut(handler, chunked):
    """The beginning of an answer, and no more."""
    length = b"Transfer-Encoding: chunked\r\n\r\n8\r\n" if chunked else b"Content-Length: 100\r\n\r\n"
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + length + b'{"token"')
    handler.connection.close()


# Each gets a function that does what the stand-in does when nothing goes wrong, and the event that
# ends all.

def html(_proceed, _end):
    return Answer(200, "<html><title>Sign in</title></html>", {"Content-Type": "text/html"})


def long_answer(proceed, _end):
    answer = proceed()
    document = json.loads(answer.body)
    document["padding"] = "x" * (70 * 1024)
    return Answer(answer.status, document, answer.headers)


def throttled(_proceed, _end):
    return Answer(429, {"error": "slow_down", "message": "Rate exceeded"}, {"Retry-After": "120"})


def broken(_proceed, _end):
    return Answer(503, "<h1>503</h1>", {"Content-Type": "text/html"})


def redirect(_proceed, _end):
    return Answer(302, b"", {"Location": "http://127.0.0.1:9/elsewhere"})


def empty(_proceed, _end):
    return Answer(200, b"")


def array(_proceed, _end):
    return Answer(200, ["not", "an", "object"])


def hang_before(_proceed, end):
    end.wait(HANG_S)
    return Answer(raw=drop)


def hang_after(proceed, end):
    proceed()
    return hang_before(proceed, end)


def drop_before(_proceed, _end):
    return Answer(raw=drop)


def drop_after(proceed, _end):
    proceed()
    return Answer(raw=drop)


def skewed(_proceed, _end):
    """Its clock is six minutes behind, so that what is signed or made later is refused."""
    return Answer(401, {"error": "refused"}, date(-360))


FAULTS = {"skewed": skewed, "html": html, "long": long_answer, "throttled": throttled,
          "broken": broken, "redirect": redirect, "empty": empty,
          "array": array, "hang-before": hang_before, "hang-after": hang_after,
          "drop-before": drop_before, "drop-after": drop_after}


def date(ahead_s):
    """The headers of an answer by a clock that is so far ahead."""
    return {"Date": email.utils.formatdate(time.time() + ahead_s, usegmt=True)}


class Ask(Source):
    """No source at all: what src/renew/ask.c has to make of any answer.  The fault is a status, or
    one of these."""

    name = "ask"
    retries = {"retry-past": "Wed, 01 Jan 2020 00:00:00 GMT", "retry-fraction": "90.5",
               "retry-negative": "-1", "retry-down": "120"}
    encodings = {"bom": lambda text: b"\xef\xbb\xbf" + text,
                 "utf-16": lambda text: text.decode().encode("utf-16"), "gzip": gzip.compress}

    def answer(self, request, fault, path):
        if fault.isdigit():
            return Answer(int(fault), {"error": "refused"})
        if fault in self.retries:
            return Answer(503 if fault == "retry-down" else 429, {"error": "slow_down"},
                          {"Retry-After": self.retries[fault]})
        if fault in self.encodings:
            return Answer(200, self.encodings[fault](b'{"token":"t"}'))
        if fault in ("cut", "cut-chunk"):
            return Answer(raw=lambda handler: cut(handler, fault == "cut-chunk"))
        if fault == "retry-date":
            return Answer(429, {"error": "slow_down"},
                          {"Retry-After": email.utils.formatdate(time.time() + 600, usegmt=True)})
        if fault == "retry-long":
            return Answer(429, {"error": "slow_down"}, {"Retry-After": "86400"})
        if fault == "retry-words":
            return Answer(429, {"error": "slow_down"}, {"Retry-After": "soon"})
        if fault == "other":
            return Answer(200, {"something": "else"})
        if fault == "server-of-another":
            return Answer(404, {"kind": "Status"})
        return Answer(200, {"token": "t", "method": request.method, "path": path,
                            "body": request.body.decode(),
                            "headers": {name.lower(): value for name,
                                        value in request.headers.items()}})


# Amazon

ACCOUNT, REGION = "123456789012", "eu-central-1"
KEYS = {"AKIASTANDIN0STANDIN0": ("secret/of+the-STANDIN/key0123456789abcdef", None),
        "ASIASTANDIN0STANDIN0": ("secret/of+a-role/key0123456789abcdefghijk", "session token of a role/+="),
        "ASIAMACHINE0STANDIN0": ("secret/of+the-machine/key0123456789abcde",
                                 "session token of a machine/+=")}
ROLE, EXTERNAL_ID = "arn:aws:iam::123456789012:role/pulls", "project:7"
WEB_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZWdjcmVkIn0.stand-in"


def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def amazon_signature(request, names, moment, region, service, secret):
    """The signature of a request (method, path, headers, body) without a query, of the headers with
    these names."""
    canonical = "\n".join([request.method, request.path, "",
                           *("%s:%s" % (name, request.headers[name].strip()) for name in names), "",
                           ";".join(names), hashlib.sha256(request.body).hexdigest()])
    scope = "%s/%s/%s/aws4_request" % (moment[:8], region, service)
    to_sign = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (moment, scope,
                                                hashlib.sha256(canonical.encode()).hexdigest())
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac256(key, part)
    return hmac256(key, to_sign).hex()


class Refused(Exception):
    """An answer with an error of Amazon's."""

    def __init__(self, status, code, message="refused by the stand-in"):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def amazon_check(request, region, service, ahead_s=0):
    """Computes the signature of a request anew (AWS Signature version 4); the id of the key.  The
    clock is so far ahead."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?"
                         r"Signature=([0-9a-f]{64})", request.headers.get("Authorization") or "")
    if found is None:
        raise Refused(400, "MissingAuthenticationTokenException" if service != "sts"
                      else "MissingAuthenticationToken")
    key_id, day, named_region, named_service, names, signature = found.groups()
    names, dates = names.split(";"), request.headers.get_all("X-Amz-Date") or []
    if request.headers.get_all("Date") or len(dates) != 1 or dates[0][:8] != day:
        raise Refused(403, "InvalidSignatureException", "not one date")
    if (named_region, named_service) != (region, service):
        raise Refused(403, "InvalidSignatureException",
                      "Credential should be scoped to a valid region or service.")
    for name in names:
        if not request.headers.get(name):
            raise Refused(403, "InvalidSignatureException",
                          "'%s' is named as a SignedHeader, but it does not exist" % name)
    wanted = {"host",
              *(name.lower() for name in request.headers if name.lower().startswith("x-amz-"))}
    if names != sorted(names) or not wanted <= set(names) or "?" in request.url:
        raise Refused(403, "InvalidSignatureException", "a header that must be signed is not")
    sent = calendar.timegm(time.strptime(dates[0], "%Y%m%dT%H%M%SZ"))
    now = time.time() + ahead_s
    if abs(now - sent) > 300:
        told = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        raise Refused(403, "InvalidSignatureException" if service != "sts"
                      else "SignatureDoesNotMatch",
                      "Signature expired: %s is now earlier than %s (%s - 5 min.)"
                      % (dates[0], told, told) if now > sent else
                      "Signature not yet current: %s is still later than %s" % (dates[0], told))
    if key_id not in KEYS:
        raise Refused(400, "UnrecognizedClientException") if service != "sts" else Refused(
            403, "InvalidClientTokenId")
    secret, session = KEYS[key_id]
    if (request.headers.get("X-Amz-Security-Token") or None) != session:
        raise Refused(400, "UnrecognizedClientException",
                      "The security token included in the request is invalid.")
    if not hmac.compare_digest(amazon_signature(request, names, dates[0], region, service, secret),
                               signature):
        raise Refused(403, "InvalidSignatureException" if service != "sts"
                      else "SignatureDoesNotMatch",
                      "The request signature we calculated does not match the signature you "
                      "provided.")
    return key_id


class Amazon(Source):
    """What ECR's two services and STS have in common: errors, clocks, and faults that are an
    error's code."""

    service, errors = "", {}

    def answer(self, request, fault, path):
        ahead = {"skew": 360, "behind": -360}.get(fault.replace("-untold", ""), 0)
        headers = {} if fault.endswith("-untold") else date(ahead)
        try:
            if request.method != "POST" or path != "/":
                raise Refused(404, "UnknownOperationException")
            if fault in self.errors:
                raise Refused(self.errors[fault], fault)
            return Answer(200, self.grant(request, fault, ahead), headers)
        except Refused as e:
            return Answer(e.status, self.refusal(e), headers)

    def refusal(self, e):
        return {"__type": "com.amazon.coral.service#%s:http://internal.amazon.com/x" % e.code,
                "message": e.message}


class Ecr(Amazon):
    name, service, region = "ecr", "ecr", REGION
    target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
    errors = {"ThrottlingException": 400, "ServerException": 500, "AccessDeniedException": 400,
              "ExpiredTokenException": 400, "RequestThrottledException": 400, "SlowDown": 503,
              "RequestTimeTooSkewed": 403, "MissingAuthenticationTokenException": 400,
              "InvalidParameterException": 400, "Strange<b>": 400}

    def __init__(self):
        self.count = 0
        self.tokens = {}                                 # each token that was given: until when

    def grant(self, request, fault, ahead):
        amazon_check(request, self.region, self.service, ahead)
        if request.headers["X-Amz-Target"] != self.target or request.headers[
            "Content-Type"] != "application/x-amz-json-1.1":
            raise Refused(400, "UnknownOperationException")
        account = (json.loads(request.body).get("registryIds") or [ACCOUNT])[0]
        self.count += 1
        secret = {"colons": "a:b:c", "no-password": ""}.get(fault, "token %d of ECR" % self.count)
        life = {"past": -1, "soon": 90}.get(fault, 12 * 3600)
        self.tokens[secret] = time.time() + life
        data = {"authorizationToken": base64.b64encode(("AWS:" + secret).encode()).decode(),
                "expiresAt": round(time.time() + ahead + life, 3),
                "proxyEndpoint": "https://%s.dkr.ecr.%s.amazonaws.com" % (account, REGION)}
        data.update({"no-base64": {"authorizationToken": "!"},
                     "no-colon": {"authorizationToken": base64.b64encode(b"AWS").decode()},
                     "no-expiry": {"expiresAt": None}, "text-expiry": {"expiresAt": "soon"}, "huge-expiry": {"expiresAt": 1e300},
                     "account": {"proxyEndpoint": "https://999999999999.dkr.ecr.%s.amazonaws.com" % REGION},
                     "region": {"proxyEndpoint": "https://%s.dkr.ecr.us-west-2.amazonaws.com" % ACCOUNT},
                     "elsewhere": {"proxyEndpoint": "https://registry.example"}}.get(fault, {}))
        return {"authorizationData": self.shape(data, fault)}

    def shape(self, data, fault):
        return {"object": data, "none": [], "null": None}.get(fault, [data])


class EcrPublic(Ecr):
    name, service, region = "ecrPublic", "ecr-public", "us-east-1"
    target = "SpencerFrontendService.GetAuthorizationToken"

    def shape(self, data, fault):
        del data["proxyEndpoint"]
        return {"list": [data], "null": None}.get(fault, data)


class Sts(Amazon):
    name, service = "sts", "sts"
    errors = {"AccessDenied": 403, "Throttling": 400, "RegionDisabledException": 403,
              "ValidationError": 400, "IDPCommunicationError": 400,
              "IDPRejectedClaim": 403, "InvalidIdentityToken": 400, "ExpiredTokenException": 400}

    def grant(self, request, fault, ahead):
        form = dict(urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True))
        action = form.get("Action")
        if action == "AssumeRole":
            amazon_check(request, REGION, "sts", ahead)
            if form.get("ExternalId") != EXTERNAL_ID:
                raise Refused(403, "AccessDenied")
        elif action != "AssumeRoleWithWebIdentity" or request.headers.get("Authorization"):
            raise Refused(400, "InvalidAction")
        elif form.get("WebIdentityToken") != WEB_TOKEN:
            raise Refused(400, "InvalidIdentityToken")
        if form.get("RoleArn") != ROLE or form.get("Version") != "2011-06-15":
            raise Refused(403, "AccessDenied")
        if not re.fullmatch(r"regcred-\d+", form.get("RoleSessionName", "")) or form.get(
            "DurationSeconds") != "3600":
            raise Refused(400, "ValidationError")
        secret, session = KEYS["ASIASTANDIN0STANDIN0"]
        keys = {"AccessKeyId": "ASIASTANDIN0STANDIN0", "SecretAccessKey": secret,
                "SessionToken": session, "Expiration": time.time() + 3600}
        if fault == "no-session":
            del keys["SessionToken"]
        if fault == "xml":
            return '<?xml version="1.0"?>\n<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"/>'
        return {action + "Response": {action + "Result": {"Credentials": keys}}}

    def refusal(self, e):
        return {"Error": {"Code": e.code, "Message": e.message, "Type": "Sender"},
                "RequestId": "stand-in"}


class Imds(Source):
    """The metadata service of a machine at Amazon, by its own address; GET /imds/FAULT/ says which
    fault it has from now on.  Without a session
    (IMDSv2) it answers 401."""

    name, fault = "imds", "right"

    def answer(self, request, fault, path):
        if path == "/latest/api/token":
            seconds = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds") or ""
            if request.method != "PUT" or not seconds.isdigit():
                return Answer(400, "")
            return Answer(200, "to\nken" if fault == "bad-token" else "session-of-imds")
        if request.headers.get("X-aws-ec2-metadata-token") != "session-of-imds":
            return Answer(401, "")
        if path == "/latest/meta-data/iam/security-credentials/":
            return Answer(404, "") if fault == "no-role" else Answer(200, "../x" if fault
                                                                     == "bad-role" else "pulls")
        if path == "/latest/meta-data/iam/security-credentials/pulls":
            secret, session = KEYS["ASIAMACHINE0STANDIN0"]
            keys = {"Code": "Success", "AccessKeyId": "ASIAMACHINE0STANDIN0",
                    "SecretAccessKey": secret, "Token": session}
            if fault == "no-session":
                del keys["Token"]
            return Answer(200, keys)
        return Answer(404, "")


class Container(Source):
    """Where the environment of a container of ECS or EKS says that its keys are."""

    name = "container"

    def answer(self, request, fault, path):
        if request.headers.get("Authorization") != "token.of-a/container":
            return Answer(401, "")
        secret, session = KEYS["ASIAMACHINE0STANDIN0"]
        return Answer(200 if path == "/keys" else 404,
                      {"AccessKeyId": "ASIAMACHINE0STANDIN0", "SecretAccessKey": secret,
                       "Token": None if fault == "no-session" else session,
                       "Expiration": "2030-01-01T00:00:00Z"})


# JSON web tokens

def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def web_token(claims):
    """One that nobody signed."""
    return ".".join([b64url(b'{"alg":"none"}'), b64url(json.dumps(claims).encode()), "stand-in"])


class Pems:
    """Private keys by what they are, made when they are asked for; and whether the one that is
    right signed a token (the openssl program says)."""

    MAKE = {"right": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "other": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "traditional": ["genrsa", "-traditional", "2048"],
            "encrypted": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-aes256", "-pass", "pass:x"],
            "short": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
            "ec": ["ecparam", "-name", "prime256v1", "-genkey", "-noout"]}

    def __init__(self):
        self.made, self.lock = {}, threading.Lock()

    def __getitem__(self, kind):
        with self.lock:
            if kind not in self.made:
                self.made[kind] = "nothing" if kind == "none" else subprocess.run(
                    ["openssl", *self.MAKE[kind]], check=True, capture_output=True,
                                                                                 timeout=60).stdout.decode()
            return self.made[kind]

    def claims(self, token):
        """(header, claims) of a token that the right key signed; else None."""
        parts = token.split(".")
        if len(parts) != 3:
            return None
        header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
                                     for part in parts)
        with tempfile.TemporaryDirectory() as directory:
            for name, data in (("key", self["right"].encode()), ("signature", signature),
                               ("signed", ".".join(parts[:2]).encode())):
                with open(os.path.join(directory, name), "wb") as f:
                    f.write(data)
            told = subprocess.run(["openssl", "dgst", "-sha256", "-prverify", "key", "-signature",
                                   "signature", "signed"], cwd=directory,
                                  capture_output=True, timeout=60)
        return (json.loads(header), json.loads(claims)) if told.returncode == 0 else None


PEMS = Pems()


class Google(Source):
    """The token service of Google, and at /google/right/key?kind=KIND a key file for it."""

    name = "google"
    email, key_id, scope = "pulls@stand-in.iam.gserviceaccount.com", "0123456789abcdef", "https://www.googleapis.com/auth/cloud-platform"

    def __init__(self):
        self.count = 0

    def key_file(self, kind):
        return {"type": "authorized_user" if kind == "user" else "service_account",
                "project_id": "stand-in", "private_key_id": self.key_id,
                "private_key": PEMS["right" if kind == "user" else kind],
                "client_email": self.email}

    def answer(self, request, fault, path):
        if path.startswith("/key"):
            return Answer(200, self.key_file(request.query.get("kind", ["right"])[0]))
        ahead = {"skew": 360, "behind": -4000}.get(fault.replace("-untold", ""), 0)
        headers = {} if fault.endswith("-untold") else date(ahead)
        errors = {"invalid_client": 401, "unauthorized_client": 401, "invalid_scope": 400,
                  "access_denied": 403, "invalid_request": 400,
                  "internal_failure": 400, "server_error": 400}
        form = dict(urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True))
        found = PEMS.claims(form.get("assertion", ""))
        if fault in errors:
            return Answer(errors[fault],
                          {"error": fault, "error_description": "told by the stand-in"})
        if fault == "failure-described":
            return Answer(400,
                          {"error": "invalid_request", "error_description": "internal_failure"})
        if request.method != "POST" or path != "/token" or form.get(
            "grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return Answer(400, {"error": "unsupported_grant_type"})
        if found is None:
            return Answer(400, {"error": "invalid_grant",
                                "error_description": "Invalid JWT Signature."}, headers)
        header, claims = found
        now = time.time() + ahead
        if header != {"alg": "RS256", "typ": "JWT", "kid": self.key_id} or claims[
            "iss"] != self.email:
            return Answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT"},
                          headers)
        if claims["aud"] != "https://oauth2.googleapis.com/token" or claims["scope"] != self.scope:
            return Answer(400, {"error": "invalid_scope"}, headers)
        if not claims["iat"] - 300 <= now <= claims["exp"] or claims["exp"] - claims["iat"] > 3600:
            return Answer(400,
                          {"error": "invalid_grant",
                           "error_description": "Invalid JWT: Token must be a short-lived token "
                                                "(60 minutes) and in a "
                                "reasonable timeframe. Check your iat and exp values in the JWT "
                                "claim."}, headers)
        self.count += 1
        document = {"access_token": "ya29.token-%d-of-Google" % self.count, "expires_in": 3599,
                    "token_type": "Bearer"}
        document.update({"text-life": {"expires_in": "3599"}, "no-life": {"expires_in": None},
                         "past": {"expires_in": -5}, "zero": {"expires_in": 0},
                         "null": {"access_token": None}, "lines": {"access_token": "a\r\nb"}}.get(
                             fault, {}))
        return Answer(200, document, headers)


class Entra(Source):
    """Who signs people in at Azure."""

    name = "entra"
    tenant, client, secret = "72f988bf-86f1-41af-91ab-2d7cd011db47", "11111111-2222-3333-4444-555555555555", "secret/of+the~STANDIN"
    scope = "https://containerregistry.azure.net/.default"
    errors = {"7000222": 401, "700016": 400, "90002": 400, "53003": 400, "1234567": 400}

    def __init__(self):
        self.tokens = set()

    def refused(self, status, number):
        return Answer(status, {"error": "invalid_client", "error_codes": [number],
                               "error_description": "AADSTS%d: told by the stand-in" % number})

    def answer(self, request, fault, path):
        form = dict(urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True))
        if fault in self.errors:
            return self.refused(self.errors[fault], int(fault))
        if path != "/%s/oauth2/v2.0/token" % self.tenant:
            return self.refused(400, 90002)
        if form.get("client_id") != self.client:
            return self.refused(400, 700016)
        if form.get("client_secret") != self.secret:
            return self.refused(401, 7000215)
        if (request.method, form.get("grant_type"),
            form.get("scope")) != ("POST", "client_credentials", self.scope):
            return self.refused(400, 70011)
        token = "access+token/%d=of Entra" % len(self.tokens)
        self.tokens.add(token)
        return Answer(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": None
                            if fault == "null" else token})


class Acr(Source):
    """The exchange of an Azure registry, for tokens of the stand-in Entra (any that has its
    form)."""

    name = "acr"

    def __init__(self):
        self.count = 0

    def answer(self, request, fault, path):
        form = dict(urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True))
        unauthorized = Answer(401,
                              {"errors": [{"code": "UNAUTHORIZED",
                                           "message": "authentication required"}]})
        if path != "/oauth2/exchange" or fault == "missing":
            return Answer(404, {"errors": [{"code": "NOT_FOUND"}]})
        if request.method != "POST" or form.get("grant_type") != "access_token" or form.get(
            "tenant") != Entra.tenant:
            return Answer(400, {"errors": [{"code": "INVALID"}]})
        if form.get("service") != request.headers["Host"] or not re.fullmatch(
            r"access\+token/\d+=of Entra", form.get("access_token", "")):
            return unauthorized
        if fault in ("no-role", "firewall"):
            return unauthorized if fault == "no-role" else Answer(403,
                                                                  {"errors": [{"code": "DENIED"}]})
        self.count += 1
        ahead = 360 if fault == "ahead" else 0
        claims = {"jti": "token %d of ACR" % self.count, "exp": int(time.time()) + ahead
                  + {"past": -5}.get(fault, 3 * 3600)}
        if fault == "no-exp":
            del claims["exp"]
        return Answer(200,
                      {"refresh_token": {"opaque": "opaque", "null": None,
                                         "broken-token": "a.!.c"}.get(fault, web_token(claims))},
                                         date(ahead))


class GitHub(Source):
    """The installations of an app, and at /github/right/key?kind=KIND its private key."""

    name = "github"
    app, installation = "12345", "67890"

    def __init__(self):
        self.count = 0

    def answer(self, request, fault, path):
        if path.startswith("/key"):
            return Answer(200, PEMS[request.query.get("kind", ["right"])[0]])
        if "regcred/" not in (request.headers.get("User-Agent") or "") or request.headers[
            "Accept"] != "application/vnd.github+json":
            return Answer(403, {"message": "Request forbidden by administrative rules."})
        ahead = {"skew": 1200, "behind": -360}.get(fault.replace("-untold", ""), 0)
        headers = {} if fault.endswith("-untold") else date(ahead)
        found = PEMS.claims(request.token or "")
        now = time.time() + ahead
        if found is None or found[0] != {"alg": "RS256",
                                         "typ": "JWT"} or found[1]["iss"] != self.app:
            return Answer(401, {"message": "A JSON web token could not be decoded"}, headers)
        if found[1]["exp"] < now:
            return Answer(401, {"message": "'Expiration time' claim ('exp') must be a numeric "
                                           "value representing the future time at which the "
                                "assertion expires"}, headers)
        if found[1]["exp"] > now + 600 or found[1]["iat"] > now:
            return Answer(401, {"message": "'Expiration time' claim ('exp') is too far in the "
                                           "future"}, headers)
        if fault == "limit":
            return Answer(403, {"message": "API rate limit exceeded"},
                          {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(now) + 600)})
        if fault == "limit-odd":
            return Answer(403, {"message": "API rate limit exceeded"},
                          {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 30})
        if fault == "limit-second":
            return Answer(403, {"message": "You have exceeded a secondary rate limit"},
                          {"Retry-After": "60"})
        if fault == "limit-bare":
            return Answer(403, {"message": "You have exceeded a secondary rate limit."})
        if fault == "suspended":
            return Answer(403, {"message": "This installation has been suspended"})
        if request.method != "POST" or path != "/app/installations/%s/access_tokens" % self.installation:
            return Answer(404, {"message": "Not Found"})
        body = json.loads(request.body)
        if body.get("permissions") != {"packages": "read"} or not set(
            body.get("repositories", ["app"])) <= {"app", "lib"}:
            return Answer(422, {"message": "There is at least one repository that does not exist "
                                           "or is not accessible to the parent installation."})
        self.count += 1
        document = {"token": "ghs_token%dOfGitHub" % self.count,
                    "expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 3600))}
        document.update({"null": {"token": None}, "no-expiry": {"expires_at": None},
                         "odd-expiry": {"expires_at": "tomorrow"},
                         "past": {"expires_at": "2024-05-06T07:08:09Z"}}.get(fault, {}))
        return Answer(201, document, headers)


# Those whose secrets are stored by somebody, set, or made one after the other.  GET .../state of
# each says how things are with it: nobody is asked for a key there.

class Vault(Source):
    """KV version 2 at any mount and path, one secret for all of them; a token of its own, and
    AppRole.  write() makes a new version."""

    name, token, role, secret_id = "vault", "hvs.stand-in", "role-of-regcred", "secret-id-of-regcred"

    def __init__(self):
        self.given, self.versions = [], [{"username": "pulls", "password": "version 1 of Vault"}]

    def write(self, password, username="pulls"):
        self.versions.append({"username": username, "password": password})

    def answer(self, request, fault, path):
        if path == "/state":
            return Answer(200, {"given": self.given, "version": len(self.versions)})
        if fault == "sealed":
            return Answer(503, {"errors": ["Vault is sealed"]})
        if path == "/v1/auth/approle/login" and request.method == "POST":
            if json.loads(request.body) != {"role_id": self.role, "secret_id": self.secret_id}:
                return Answer(400, {"errors": ["invalid role or secret ID"]})
            self.given.append("hvs.given-%d" % len(self.given))
            token = "bad\ntoken" if fault == "bad-token" else self.given[-1]
            return Answer(200, {"auth": {"client_token": token, "lease_duration": 1200,
                                         "renewable": True}})
        if request.headers.get("X-Vault-Token") not in [self.token] + self.given:
            return Answer(403, {"errors": ["permission denied"]})
        if path == "/v1/auth/token/revoke-self" and request.method == "POST":
            self.given.remove(request.headers["X-Vault-Token"])
            return Answer(204)
        if fault == "namespaced" and request.headers.get("X-Vault-Namespace") != "team/one":
            return Answer(403, {"errors": ["permission denied"]})
        if request.method != "GET" or path not in ("/v1/secret/data/team/registry",
                                                   "/v1/kv/own/data/a%20b"):
            return Answer(404, {"errors": []})
        data, metadata = dict(self.versions[-1]), {"version": len(self.versions),
                                                   "created_time": "2026-01-01T00:00:00Z", "deletion_time": "",
                                                   "destroyed": False}
        if fault in ("deleted", "destroyed"):
            metadata.update({"deletion_time": "2026-02-01T00:00:00Z"} if fault == "deleted"
                            else {"destroyed": True})
            return Answer(404, {"data": {"data": None, "metadata": metadata}})
        if fault == "version-1":
            return Answer(200, {"data": data})
        if fault == "other-fields":
            data = {"login": "other", "pass\u00e9": "of other fields"}
        if fault == "only-password":
            del data["username"]
        if fault == "key-file":
            data["password"] = "{\n\t\"type\": \"service_account\"\n}\n"
        if fault in ("no-password", "null", "number"):
            data["password"] = {"no-password": "", "null": None, "number": 5}[fault]
        return Answer(200, {"data": {"data": data, "metadata": metadata}})


class Harbor(Source):
    """Robots by their numbers, each there from the first time it is asked for.  It keeps the
    present secret, and takes no weak one."""

    name, user, password = "harbor", "robot-keeper", "Password of Harbor 1"

    def __init__(self):
        self.robots, self.sets, self.changes = {}, {}, {}

    def robot(self, number):
        made = time.time() - 10 * 86400
        return self.robots.setdefault(number, {
            "id": int(number), "name": "robot$acme+pulls-" + number, "secret": "secret of before", "duration": 40, "disable": False, "editable": True,
            "expires_at": int(made) + 40 * 86400, "creation_time": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(made)), "level": "project",
            "permissions": [{"kind": "project", "namespace": "acme",
                             "access": [{"resource": "repository", "action": "pull"}]}],
                             "description": None})

    def logins(self):
        return {robot["name"]: robot["secret"] for robot in self.robots.values()}

    def refuse(self, status, code):
        return Answer(status, {"errors": [{"code": code, "message": "refused by the stand-in"}]})

    def answer(self, request, fault, path):
        number = path.rpartition("/")[2]
        if path.startswith("/state/"):
            return Answer(200, dict(self.robot(number), sets=self.sets.get(number, 0),
                                    changes=self.changes.get(number, 0)))
        if request.login != (self.user, self.password):
            return self.refuse(401, "UNAUTHORIZED")
        if fault == "forbidden":
            return self.refuse(403, "FORBIDDEN")
        if path != "/api/v2.0/robots/" + number or number == "404":
            return self.refuse(404, "NOT_FOUND")
        robot = self.robot(number)
        if request.method == "PATCH":
            secret = json.loads(request.body)["secret"]
            if not (8 <= len(secret) <= 128 and re.search("[a-z]", secret)
                    and re.search("[A-Z]", secret) and re.search("[0-9]", secret)):
                return self.refuse(400, "BAD_REQUEST")
            if fault == "own":
                secret = "Harbor's own choice 1"
            self.sets[number] = self.sets.get(number, 0) + 1
            robot["secret"] = secret
            return Answer(200, {"secret": secret if fault == "own" else ""})
        if request.method == "PUT":
            return self.put(number, robot, json.loads(request.body), fault)
        shown = {name: value for name, value in robot.items() if name != "secret"}
        shown.update({"disabled": {"disable": True}, "ended": {"expires_at": int(time.time()) - 5},
                      "never": {"expires_at": -1, "duration": -1},
                      "no-name": {"name": None}, "no-end": {"expires_at": None},
                      "no-start": {"creation_time": None}}.get(fault, {}))
        return Answer(200, shown)

    def put(self, number, robot, wanted, fault):
        """As Harbor: what is missing is empty, a name or a level must stay, and the days of the new
        duration count from the robot's creation."""
        if wanted["name"] != robot["name"] or wanted["level"] != robot["level"] or not wanted[
            "permissions"]:
            return self.refuse(400, "BAD_REQUEST")
        if fault == "fixed":
            return self.refuse(403, "FORBIDDEN")
        self.changes[number] = self.changes.get(number, 0) + 1
        if wanted["duration"] != robot["duration"]:
            made = calendar.timegm(time.strptime(robot["creation_time"], "%Y-%m-%dT%H:%M:%S.000Z"))
            robot.update({"duration": wanted["duration"], "expires_at": made
                          + wanted["duration"] * 86400})
        robot.update({"description": wanted["description"], "disable": wanted["disable"],
                      "permissions": wanted["permissions"]})
        return Answer(200)


class Quay(Source):
    """Robots by their names, each there from the first time it is asked for; making a token kills
    the one before."""

    name, token = "quay", "oauth-token-of-quay"

    def __init__(self):
        self.made = {}

    def secret(self, robot):
        return "TOKEN%dOF%s" % (self.made.setdefault(robot, 1), robot)

    def logins(self):
        return {"acme+" + robot: self.secret(robot) for robot in self.made}

    def answer(self, request, fault, path):
        found = re.fullmatch(r"/api/v1/organization/acme/robots/([a-z0-9_]+)(/regenerate)?", path)
        if path.startswith("/state/"):
            robot = path.rpartition("/")[2]
            return Answer(200, {"secret": self.secret(robot), "made": self.made[robot]})
        if request.token != self.token:
            return Answer(401, {"status": 401, "error_type": "invalid_token", "error_message": "",
                                "title": "invalid_token"})
        if fault == "forbidden":
            return Answer(403, {"status": 403, "error_type": "insufficient_scope",
                                "error_message": "", "title": "insufficient_scope"})
        if found is None or found.group(1) == "missing":
            return Answer(400, {"status": 400, "error_type": "invalid_request",
                                "error_message": "Could not find robot",
                                "title": "invalid_request"})
        robot = found.group(1)
        if (request.method == "POST") != bool(found.group(2)):
            return Answer(405, {"message": "method not allowed"})
        self.secret(robot)
        self.made[robot] += request.method == "POST"
        document = {"name": "acme+" + robot, "token": self.secret(robot),
                    "created": "Thu, 01 Jan 2026 00:00:00 -0000", "description": ""}
        document.update({"no-name": {"name": ""}, "no-token": {"token": None}}.get(fault, {}))
        return Answer(200, document)


class Gitlab(Source):
    """Deploy tokens and access tokens of any project or group.  Rotating with a dead token revokes
    all, as GitLab does; nobody must."""

    name, token = "gitlab", "glpat-of-the-stand-in"

    def __init__(self):
        self.tokens, self.rotated, self.used_dead = [], 0, 0

    def logins(self):
        return {token["username"]: token["token"] for token in self.tokens if not token["revoked"]}

    def answer(self, request, fault, path):
        if path == "/state":
            alive = [token for token in self.tokens if not token["revoked"]]
            return Answer(200,
                          {"tokens": [{name: token[name] for name in ("owner", "name", "scopes")}
                                      for token in alive],
                                "rotated": self.rotated, "used_dead": self.used_dead})
        sent = request.headers.get("PRIVATE-TOKEN")
        dead = [token for token in self.tokens if token["token"] == sent and token["revoked"]]
        self.used_dead += bool(dead)
        if path.endswith("/rotate"):
            self.rotated += 1
            for token in self.tokens if dead else []:
                token["revoked"] = True
        if sent != self.token:
            return Answer(401, {"message": "401 Unauthorized"})
        if fault == "forbidden":
            return Answer(403, {"message": "403 Forbidden"})
        found = re.fullmatch(
            r"/api/v4/((?:projects|groups)/[^/]+)/(deploy_tokens|access_tokens)(?:/(\d+))?", path)
        if found is None or found.group(1) == "projects/missing":
            return Answer(404, {"message": "404 Project Not Found"})
        owner, kind, number = found.groups()
        if request.method == "POST" and number is None:
            return self.make(owner, kind, json.loads(request.body), fault)
        mine = [token for token in self.tokens if (token["owner"], token["kind"]) == (owner, kind)]
        if request.method == "GET" and number is None:
            size, page = int(request.query["per_page"][0]), int(request.query["page"][0])
            listed = [dict(token, token=None) for token in mine if kind == "access_tokens"
                      or not token["revoked"]]
            return Answer(200, listed[(page - 1) * size:page * size])
        for token in mine:
            if request.method == "DELETE" and str(token["id"]) == number and not token["revoked"]:
                token["revoked"] = True
                return Answer(204)
        return Answer(404, {"message": "404 Not found"})

    def make(self, owner, kind, wanted, fault):
        ends = calendar.timegm(time.strptime(wanted["expires_at"], "%Y-%m-%d"))
        if ends > time.time() + 365 * 86400 or not wanted["scopes"] or not wanted["name"]:
            return Answer(400, {"message": {"expires_at": ["must be before the limit"]}})
        if (kind == "access_tokens") != (wanted.get("access_level") == 20):
            return Answer(400, {"error": "access_level is missing"})
        number = len(self.tokens) + 1
        token = {"id": number, "owner": owner, "kind": kind, "name": wanted["name"],
                 "scopes": wanted["scopes"], "revoked": False,
                 "expires_at": wanted["expires_at"] + ("T00:00:00.000Z" if kind == "deploy_tokens" else ""), "token": "gldt-%d-of-the-stand-in" % number,
                 "username": "gitlab+deploy-token-%d" % number}
        self.tokens.append(token)
        shown = dict(token)
        if kind == "access_tokens":
            del shown["username"]
        shown.update({"past": {"expires_at": "2020-01-01"}, "no-end": {"expires_at": None},
                      "no-number": {"id": None}, "no-token": {"token": ""}}
                     .get(fault, {}))
        return Answer(201, shown)


class Sources:
    """All stand-ins.  url(NAME, FAULT) is what goes into sourceConfig; calls is what was asked."""

    def __init__(self, *sources, context=None):
        self.sources = {source.name: source for source in sources or ALL()}
        self.calls, self.lock = [], threading.Lock()
        self.standin = Standin(self.answer, context)

    def url(self, name, fault="right"):
        return "%s/%s/%s" % (self.standin.url, name, fault)

    def __getitem__(self, name):
        return self.sources[name]

    def answer(self, request):
        if request.path == "/calls":
            return Answer(200, self.calls)
        name, fault, path = (request.path.split("/", 3)[1:] + ["", ""])[:3]
        if request.headers["Host"] == "169.254.169.254":
            name, fault, path = "imds", self.sources["imds"].fault, request.path[1:]
        elif name == "imds":
            self.sources["imds"].fault = fault
            return Answer(200, {})
        if name not in self.sources:
            return Answer(404, {"error": "no such stand-in"})
        if ":" in fault:                                 # "PATCH:drop-after": such a request alone
            method, _, other = fault.partition(":")
            fault = other if method == request.method else "right"
        self.calls.append({"name": name, "fault": fault, "method": request.method, "path": "/"
                           + path})

        def proceed():
            with self.lock:
                return self.sources[name].answer(request, "right" if fault in FAULTS else fault,
                                                 "/" + path)
        return FAULTS[fault](proceed, self.standin.stopping) if fault in FAULTS else proceed()

    def stop(self):
        self.standin.stop()


def ALL():
    """One of each class that has a name."""
    def below(kind):
        return [kind] + [other for one in kind.__subclasses__() for other in below(one)]
    return [kind() for kind in below(Source) if kind.name]


if __name__ == "__main__":
    running = Sources()
    print(running.standin.port, flush=True)
    sys.stdin.read()
    running.stop()
