"""The core of the other modules with a rollback journal; in `make check-long` alone."""

import importlib
import os

import harness

harness.JOURNAL = "rollback"
os.environ.pop("REGCRED_LONG", None)                     # as much of them as `make check` runs
CORE = ("test_acceptance", "test_concurrency", "test_states", "test_races", "test_crash",
        "test_backup", "test_handout")


def load_tests(loader, tests, pattern):
    for name in CORE:
        tests.addTests(loader.loadTestsFromModule(importlib.import_module(name)))
    return tests
