"""issuer: an issuer of web tokens, whose keys and signatures the openssl program makes."""

import base64
import json
import os
import signal
import subprocess
import time

import harness


def base64url(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, data=b""):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True,
                          timeout=60).stdout


class Key:
    """A key pair in a file of the directory: of RSA with so many bits, or of the curve P-256."""

    def __init__(self, directory, kid, bits=2048):
        self.kid, self.bits = kid, bits
        self.file = os.path.join(directory, "key-%s.pem" % base64url(kid.encode()))
        openssl(*(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:%d" % bits] if bits
                  else ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
                "-out", self.file)

    def jwk(self, **more):
        if self.bits:
            text = openssl("rsa", "-in", self.file, "-noout", "-modulus").decode()
            numbers = {"kty": "RSA", "e": "AQAB",
                       "n": base64url(bytes.fromhex(text.strip().partition("=")[2]))}
        else:
            point = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-64:]
            numbers = {"kty": "EC", "crv": "P-256", "x": base64url(point[:32]),
                       "y": base64url(point[32:])}
        return dict(numbers, kid=self.kid, use="sig", **more)

    def signature(self, text):
        made = openssl("dgst", "-sha256", "-sign", self.file, data=text.encode())
        if self.bits:
            return made
        numbers, at = [], 2     # a sequence of two integers
        for _ in range(2):
            size = made[at + 1]
            numbers.append(int.from_bytes(made[at + 2:at + 2 + size], "big").to_bytes(32, "big"))
            at += 2 + size
        return b"".join(numbers)

    def token(self, claims, **header):
        """Members of the header that are None are left out."""
        head = dict({"alg": "RS256" if self.bits else "ES256", "typ": "JWT", "kid": self.kid},
                    **header)
        text = base64url({k: v for k, v in head.items() if v is not None}) + "." + base64url(claims)
        return text + "." + base64url(self.signature(text))


def reload(site):
    """Lets the pool read its settings again, and waits until only new processes serve."""
    before = set(site.children())
    site.pool.send_signal(signal.SIGHUP)
    assert harness.wait_until(lambda: not before & set(site.children())), site.tail()
    site.wait_ready()
    site.remember_children()


def claims_of(issuer, audience, subject, **more):
    now = int(time.time())
    return dict({"iss": issuer, "aud": audience, "sub": subject, "iat": now, "nbf": now - 5,
                 "exp": now + 600}, **more)
