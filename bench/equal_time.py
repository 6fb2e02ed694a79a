#!/usr/bin/env python3
"""equal_time.py [--requests N] [--seed N]: whether the time of a refused sign-in tells why it was refused.

Each reason is asked for twice as often as N, under two labels, in random order over one kept connection.  The two labels of one reason differ by
noise alone; what two reasons differ by is compared with the most that any reason differs from itself.  A figure is the median of the ratios of
100 blocks, each the ratio of two medians of what was measured in turns, so that a change of the machine's load meets both.  Nothing is asserted.

The limiter of failed sign-ins is off, or all would be refused alike; the audit log of refused sign-ins stays on.  Programs come from the
directory in REGCRED_BUILD (default: the current one), the source tree from REGCRED_SRC.
"""

import argparse
import base64
import itertools
import os
import random
import re
import secrets
import socket
import sqlite3
import statistics
import time

import run

BLOCKS = 100
WARM_UP = 500


def make_keys(bench):
    """{reason: (access key, secret)}, each of an account of its own; what is wrong with the last three is written past the pool."""
    keys, accounts = {}, {}
    for reason in ("wrong secret", "revoked key", "expired key", "inactive account"):
        accounts[reason] = bench.regcred("account", "add", "--kind", "user", "--name", reason).strip()
        lines = bench.regcred("key", "create", "--account", accounts[reason], "--name", reason).split()
        keys[reason] = tuple(line.split("=", 1)[1] for line in lines)
    access, secret = keys["wrong secret"]
    keys["wrong secret"] = access, secrets.token_hex(len(secret))[:len(secret)]
    keys["unknown key"] = secrets.token_hex(len(access))[:len(access)].upper(), secret
    db = sqlite3.connect(os.path.join(bench.state, "regcred.db"), timeout=10)
    for column, value, reason in (("state", "inactive", "revoked key"), ("expires", 1000, "expired key")):
        assert db.execute("UPDATE credential SET %s = ? WHERE public_value = ?" % column, (value, keys[reason][0])).rowcount == 1
    number = int(re.sub("^1a", "", accounts["inactive account"]))
    assert db.execute("UPDATE account SET state = 'inactive' WHERE id = ?", (number,)).rowcount == 1
    db.commit()
    db.close()
    return keys


class Caller:
    """One connection; an answer is read to its end, so that the next one begins with its own."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def connect(self):
        self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def seconds(self, request):
        """How long the answer took, which must be 401."""
        if self.connection is None:
            self.connect()
        began = time.perf_counter()
        self.connection.sendall(request)
        answer = self.connection.recv(65536)
        taken = time.perf_counter() - began
        head, _, body = answer.partition(b"\r\n\r\n")
        size = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if not head.startswith(b"HTTP/1.1 401 ") or size is None:
            run.fail("another answer than 401: %r" % answer[:300])
        while len(body) < int(size.group(1)):
            body += self.connection.recv(65536)
        if re.search(rb"(?i)\r\nconnection: close", head):  # nginx does so after a thousand requests
            self.connection.close()
            self.connection = None
        return taken


def request_of(key):
    authorization = base64.b64encode(":".join(key).encode())
    return (b"GET /v1/projects HTTP/1.1\r\nHost: bench.example.test\r\nAccept: application/json\r\nAuthorization: Basic " + authorization +
            b"\r\n\r\n")


def measure(port, keys, count, order):
    """{(reason, label): seconds of each request}."""
    taken = {(reason, label): [] for reason in keys for label in (1, 2)}
    requests = {reason: request_of(key) for reason, key in keys.items()}
    caller = Caller(port)
    labels = list(taken)
    for turn in range(WARM_UP + count):
        order.shuffle(labels)
        for one in labels:
            if caller.connection is None:  # a new connection costs whoever comes first
                caller.seconds(requests["unknown key"])
            taken[one].append(caller.seconds(requests[one[0]]))
    caller.connection.close()
    return {one: times[WARM_UP:] for one, times in taken.items()}


def compare(first, second):
    """Median and quartiles of the ratios of the blocks."""
    size = len(first) // BLOCKS
    low, middle, high = statistics.quantiles(
        [statistics.median(first[i:i + size]) / statistics.median(second[i:i + size]) for i in range(0, len(first), size)], n=4)
    return middle, low, high


def show(taken, reasons):
    line = "%-36s %8.4f %8.4f %8.4f%s"
    print("%-36s %8s %8s %8s" % ("against itself", "ratio", "25 %", "75 %"))
    noise = 0
    for reason in reasons:
        ratio, low, high = compare(taken[reason, 1], taken[reason, 2])
        noise = max(noise, abs(ratio - 1))
        print(line % ("%s, %.1f us" % (reason, statistics.median(taken[reason, 1]) * 1e6), ratio, low, high, ""))
    print("%-36s %8s %8s %8s   (noise: %.4f)" % ("against another", "ratio", "25 %", "75 %", noise))
    beyond = 0
    for one, other in itertools.combinations(reasons, 2):
        ratio, low, high = compare(taken[one, 1], taken[other, 1])
        further = abs(ratio - 1) > noise
        beyond += further
        print(line % ("%s / %s" % (one, other), ratio, low, high, "  beyond noise" if further else ""))
    print("%d of %d pairs differ by more than a reason differs from itself" % (beyond, len(reasons) * (len(reasons) - 1) // 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--requests", type=int, default=10000, help="of each reason and label (default: 10000)")
    parser.add_argument("--seed", type=int, default=None, help="of the order (default: a new one)")
    arguments = parser.parse_args()
    if arguments.requests < 10 * BLOCKS:
        parser.error("--requests is at least %d" % (10 * BLOCKS))
    seed = secrets.randbelow(1 << 32) if arguments.seed is None else arguments.seed
    os.environ["REGCRED_AUTH_FAILURES"] = "0"
    with run.Bench("equal-time") as bench:
        bench.start_regcred()
        keys = make_keys(bench)
        bench.start_nginx()
        print("seed %d, %d requests of each of %d reasons under each of two labels" % (seed, arguments.requests, len(keys)), flush=True)
        show(measure(bench.port, keys, arguments.requests, random.Random(seed)), sorted(keys, reverse=True))


if __name__ == "__main__":
    main()
