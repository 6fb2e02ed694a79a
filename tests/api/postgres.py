"""A PostgreSQL server of the tests' own, for the modules that run with `database=` set to it:
REGCRED_TEST_ENGINE=postgresql."""

import atexit
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

SCRIPT = os.path.join(os.environ.get("REGCRED_SRC", os.getcwd()), "tests", "support", "postgres.sh")
MISSING = 77


class Server:
    """A server on a socket in a directory of its own; a standby of another one."""

    def __init__(self, options="", primary=None):
        self.directory = tempfile.mkdtemp(prefix="rc-pg-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.options, self.running, self.count = options, False, 0
        atexit.register(self.end)
        if primary is None:
            self.script("start")
        else:
            self.script("standby", primary.directory)
        self.running = True

    def script(self, verb, *more):
        done = subprocess.run([SCRIPT, verb, self.directory, *more],
                              env=dict(os.environ, REGCRED_TEST_POSTGRES=self.options),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        if done.returncode == MISSING:
            raise unittest.SkipTest("PostgreSQL is missing")
        if done.returncode != 0:
            raise RuntimeError("postgres.sh %s: %s" % (verb, done.stderr))

    def stop(self):
        if self.running:
            self.script("stop")
        self.running = False

    def again(self):
        self.script("again")
        self.running = True

    def promote(self):
        self.script("promote")

    def end(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def address(self, database):
        return "postgresql:///%s?host=%s&user=regcred" % (database, self.directory)

    def create(self):
        """A new database; its address."""
        self.count += 1
        name = "regcred_%d_%d" % (os.getpid(), self.count)
        self.run("postgres", "CREATE DATABASE %s" % name)
        return self.address(name)

    def run(self, database, statement):
        """What psql prints for a statement."""
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.directory, "-U", "regcred", "-d",
             database], input=statement, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError("%s: %s" % (statement, done.stderr))
        return done.stdout


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "'\\x%s'::bytea" % value.hex()
    if isinstance(value, str):
        return "'%s'" % value.replace("'", "''")
    return str(int(value))


def filled_in(statement, values):
    """A statement with its values in it: ?1 or ? in their order."""
    order = iter(range(len(values)))

    def value(match):
        number = int(match.group(1)) - 1 if match.group(1) else next(order)
        return literal(values[number])
    return re.sub(r"\?(\d*)", value, statement) if values else statement


# What the tests' statements say in SQLite's words.
WORDS = ((r"\bBLOB\b", "bytea"), (r"[xX]'([0-9a-fA-F]*)'", r"'\\x\1'::bytea"))
FUNCTIONS = """
CREATE FUNCTION regcred.ifnull(bigint, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT coalesce($1, $2)';
CREATE FUNCTION regcred.zeroblob(integer) RETURNS bytea LANGUAGE sql AS $$SELECT decode(repeat('00', $1), 'hex')$$;
CREATE FUNCTION regcred.unixepoch() RETURNS bigint LANGUAGE sql AS 'SELECT extract(epoch FROM now())::bigint'"""


def cell(value):
    return bytes.fromhex(value[2:]) if isinstance(value, str) and value.startswith("\\x") else value


class Database:
    """One of the server's databases, asked as harness.Site.sql() asks, by one psql."""

    END = "end of the answer"

    def __init__(self, server, address=None):
        self.address = address or server.create()
        self.name = self.address.split("/")[3].split("?")[0]
        self.lock = threading.Lock()
        self.psql = subprocess.Popen(
            ["psql", "-XAtq", "-h", server.directory, "-U", "regcred", "-d", self.name],
            env=dict(os.environ, PGOPTIONS="-c search_path=regcred"), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        atexit.register(self.psql.kill)

    def prepare(self):
        """Once regcred has made its tables."""
        for statement in FUNCTIONS.split(";\n"):
            self.ask(statement)

    def ask(self, statement):
        """(what it prints, how many rows it changed)."""
        with self.lock:
            self.psql.stdin.write("%s;\n\\echo :ERROR :LAST_ERROR_MESSAGE\n\\echo :ROW_COUNT %s\n"
                                  % (statement.rstrip("; "), self.END))
            self.psql.stdin.flush()
            lines = []
            for line in self.psql.stdout:
                if line.rstrip("\n").endswith(self.END):
                    break
                lines.append(line)
            if not lines or not lines[-1].startswith("false"):
                raise RuntimeError("%s: %s" % (statement, "".join(lines[-1:])))
            return "".join(lines[:-1]), int(line.split()[0])

    def sql(self, statement, values=(), write=False):
        text = filled_in(statement, values)
        for word, other in WORDS:
            text = re.sub(word, other, text)
        if write:
            return self.ask(text)[1]
        text, _ = self.ask("SELECT json_agg(r) FROM (%s) r" % text.rstrip("; "))
        rows = json.loads(text, object_pairs_hook=lambda pairs: pairs) if text.strip() else []
        return [tuple(cell(value) for _, value in row) for row in rows]

    def tables(self):
        return [row[0] for row in self.sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'regcred' AND tablename NOT IN "
            "('done', 'turn', 'meta') ORDER BY tablename")]

    def columns(self, table):
        return [row[0] for row in self.sql(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'regcred' AND "
            "table_name = ? ORDER BY ordinal_position", (table,))]

    def version(self):
        """What each commit changes."""
        return self.sql("SELECT count(*), max(at) FROM done")


_server, _lock = None, threading.Lock()


def database():
    """A new one, on the server of this process."""
    global _server
    with _lock:
        if _server is None:
            _server = Server()
    return Database(_server)
