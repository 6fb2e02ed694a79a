"""sources: stand-ins for what renews a login: each a class that checks what it is asked, all on one port, told apart by the URL's path.

    http://127.0.0.1:PORT/NAME/FAULT/...        asks the stand-in NAME, which behaves as FAULT says ("right": as it should)
    http://127.0.0.1:PORT/calls                 what was asked until now: [{"name", "fault", "method", "path"}]

A fault is one of FAULTS, which are the same for all, or one that the stand-in knows itself.  As a program it prints its port, and ends with its
standard input: tests/renew/ starts it so.
"""

import email.utils
import json
import os
import sys
import threading
import time

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
    return [source() for source in Source.__subclasses__()]


if __name__ == "__main__":
    running = Sources()
    print(running.standin.port, flush=True)
    sys.stdin.read()
    running.stop()
