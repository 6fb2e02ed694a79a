"""sources: stand-ins for what renews a login: each a class that checks what it is asked, all on one port, told apart by the URL's path.

    http://127.0.0.1:PORT/NAME/FAULT/...        asks the stand-in NAME, which behaves as FAULT says ("right": as it should)
    http://127.0.0.1:PORT/calls                 what was asked until now: [{"name", "fault", "method", "path"}]

A fault is one of FAULTS, which are the same for all, or one that the stand-in knows itself.  As a program it prints its port, and ends with its
standard input: tests/renew/ starts it so.
"""

import base64
import calendar
import email.utils
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from standin import Answer, Standin                      # noqa: E402 (the path comes first)

HANG_S = 30                                              # longer than any test waits


class Source:
    """What the stand-ins have in common: answer(request, fault, path) has the path behind the fault, and gives an Answer.  One call at a time."""

    name = ""

    def answer(self, request, fault, path):
        raise NotImplementedError


def drop(handler):
    """Closes the connection without an answer."""
    handler.connection.close()


# Each gets a function that does what the stand-in does when nothing goes wrong, and the event that ends all.

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


FAULTS = {"html": html, "long": long_answer, "throttled": throttled, "broken": broken, "redirect": redirect, "empty": empty, "array": array,
          "hang-before": hang_before, "hang-after": hang_after, "drop-before": drop_before, "drop-after": drop_after}


def date(ahead_s):
    """The headers of an answer by a clock that is so far ahead."""
    return {"Date": email.utils.formatdate(time.time() + ahead_s, usegmt=True)}


class Ask(Source):
    """No source at all: what src/renew/ask.c has to make of any answer.  The fault is a status, or one of these."""

    name = "ask"

    def answer(self, request, fault, path):
        if fault.isdigit():
            return Answer(int(fault), {"error": "refused"})
        if fault == "skewed":
            return Answer(401, {"error": "refused"}, date(-360))
        if fault == "retry-date":
            return Answer(429, {"error": "slow_down"}, {"Retry-After": email.utils.formatdate(time.time() + 600, usegmt=True)})
        if fault == "retry-long":
            return Answer(429, {"error": "slow_down"}, {"Retry-After": "86400"})
        if fault == "retry-words":
            return Answer(429, {"error": "slow_down"}, {"Retry-After": "soon"})
        if fault == "other":
            return Answer(200, {"something": "else"})
        if fault == "server-of-another":
            return Answer(404, {"kind": "Status"})
        return Answer(200, {"token": "t", "method": request.method, "path": path, "body": request.body.decode(),
                            "headers": {name.lower(): value for name, value in request.headers.items()}})


# Amazon

ACCOUNT, REGION = "123456789012", "eu-central-1"
KEYS = {"AKIASTANDIN0STANDIN0": ("secret/of+the-STANDIN/key0123456789abcdef", None),
        "ASIASTANDIN0STANDIN0": ("secret/of+a-role/key0123456789abcdefghijk", "session token of a role/+="),
        "ASIAMACHINE0STANDIN0": ("secret/of+the-machine/key0123456789abcde", "session token of a machine/+=")}
ROLE, EXTERNAL_ID = "arn:aws:iam::123456789012:role/pulls", "project:7"
WEB_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZWdjcmVkIn0.stand-in"


def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Refused(Exception):
    """An answer with an error of Amazon's."""

    def __init__(self, status, code, message="refused by the stand-in"):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def amazon_check(request, region, service, ahead_s=0):
    """Computes the signature of a request anew (AWS Signature version 4); the id of the key.  The clock is so far ahead."""
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?"
                         r"Signature=([0-9a-f]{64})", request.headers.get("Authorization") or "")
    if found is None:
        raise Refused(400, "MissingAuthenticationTokenException" if service != "sts" else "MissingAuthenticationToken")
    key_id, day, named_region, named_service, names, signature = found.groups()
    names, dates = names.split(";"), request.headers.get_all("X-Amz-Date") or []
    if request.headers.get_all("Date") or len(dates) != 1 or dates[0][:8] != day:
        raise Refused(403, "InvalidSignatureException", "not one date")
    if (named_region, named_service) != (region, service):
        raise Refused(403, "InvalidSignatureException", "Credential should be scoped to a valid region or service.")
    for name in names:
        if not request.headers.get(name):
            raise Refused(403, "InvalidSignatureException", "'%s' is named as a SignedHeader, but it does not exist" % name)
    wanted = {"host", *(name.lower() for name in request.headers if name.lower().startswith("x-amz-"))}
    if names != sorted(names) or not wanted <= set(names) or "?" in request.url:
        raise Refused(403, "InvalidSignatureException", "a header that must be signed is not")
    sent = calendar.timegm(time.strptime(dates[0], "%Y%m%dT%H%M%SZ"))
    now = time.time() + ahead_s
    if abs(now - sent) > 300:
        told = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        raise Refused(403, "InvalidSignatureException" if service != "sts" else "SignatureDoesNotMatch",
                      "Signature expired: %s is now earlier than %s (%s - 5 min.)" % (dates[0], told, told) if now > sent else
                      "Signature not yet current: %s is still later than %s" % (dates[0], told))
    if key_id not in KEYS:
        raise Refused(400, "UnrecognizedClientException") if service != "sts" else Refused(403, "InvalidClientTokenId")
    secret, session = KEYS[key_id]
    if (request.headers.get("X-Amz-Security-Token") or None) != session:
        raise Refused(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
    canonical = "\n".join([request.method, request.path, "", *("%s:%s" % (name, request.headers[name].strip()) for name in names), "",
                           ";".join(names), hashlib.sha256(request.body).hexdigest()])
    scope = "%s/%s/%s/aws4_request" % (day, region, service)
    to_sign = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (dates[0], scope, hashlib.sha256(canonical.encode()).hexdigest())
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac256(key, part)
    if not hmac.compare_digest(hmac256(key, to_sign).hex(), signature):
        raise Refused(403, "InvalidSignatureException" if service != "sts" else "SignatureDoesNotMatch",
                      "The request signature we calculated does not match the signature you provided.")
    return key_id


class Amazon(Source):
    """What ECR's two services and STS have in common: errors, clocks, and faults that are an error's code."""

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
        return {"__type": "com.amazon.coral.service#%s:http://internal.amazon.com/x" % e.code, "message": e.message}


class Ecr(Amazon):
    name, service, region = "ecr", "ecr", REGION
    target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
    errors = {"ThrottlingException": 400, "ServerException": 500, "AccessDeniedException": 400, "ExpiredTokenException": 400,
              "InvalidParameterException": 400, "Strange<b>": 400}

    def __init__(self):
        self.count = 0
        self.tokens = {}                                 # each token that was given: until when

    def grant(self, request, fault, ahead):
        amazon_check(request, self.region, self.service, ahead)
        if request.headers["X-Amz-Target"] != self.target or request.headers["Content-Type"] != "application/x-amz-json-1.1":
            raise Refused(400, "UnknownOperationException")
        account = (json.loads(request.body).get("registryIds") or [ACCOUNT])[0]
        self.count += 1
        secret = {"colons": "a:b:c", "no-password": ""}.get(fault, "token %d of ECR" % self.count)
        life = {"past": -1, "soon": 90}.get(fault, 12 * 3600)
        self.tokens[secret] = time.time() + life
        data = {"authorizationToken": base64.b64encode(("AWS:" + secret).encode()).decode(), "expiresAt": round(time.time() + ahead + life, 3),
                "proxyEndpoint": "https://%s.dkr.ecr.%s.amazonaws.com" % (account, REGION)}
        data.update({"no-base64": {"authorizationToken": "!"}, "no-colon": {"authorizationToken": base64.b64encode(b"AWS").decode()},
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
    errors = {"AccessDenied": 403, "Throttling": 400, "RegionDisabledException": 403, "ValidationError": 400, "IDPCommunicationError": 400,
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
        if not re.fullmatch(r"regcred-\d+", form.get("RoleSessionName", "")) or form.get("DurationSeconds") != "3600":
            raise Refused(400, "ValidationError")
        secret, session = KEYS["ASIASTANDIN0STANDIN0"]
        keys = {"AccessKeyId": "ASIASTANDIN0STANDIN0", "SecretAccessKey": secret, "SessionToken": session, "Expiration": time.time() + 3600}
        if fault == "no-session":
            del keys["SessionToken"]
        if fault == "xml":
            return '<?xml version="1.0"?>\n<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"/>'
        return {action + "Response": {action + "Result": {"Credentials": keys}}}

    def refusal(self, e):
        return {"Error": {"Code": e.code, "Message": e.message, "Type": "Sender"}, "RequestId": "stand-in"}


class Imds(Source):
    """The metadata service of a machine at Amazon, by its own address; GET /imds/FAULT/ says which fault it has from now on.  Without a session
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
            return Answer(404, "") if fault == "no-role" else Answer(200, "../x" if fault == "bad-role" else "pulls")
        if path == "/latest/meta-data/iam/security-credentials/pulls":
            secret, session = KEYS["ASIAMACHINE0STANDIN0"]
            keys = {"Code": "Success", "AccessKeyId": "ASIAMACHINE0STANDIN0", "SecretAccessKey": secret, "Token": session}
            if fault == "no-session":
                del keys["Token"]
            return Answer(200, keys)
        return Answer(404, "")


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
        self.calls.append({"name": name, "fault": fault, "method": request.method, "path": "/" + path})

        def proceed():
            with self.lock:
                return self.sources[name].answer(request, "right" if fault in FAULTS else fault, "/" + path)
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
