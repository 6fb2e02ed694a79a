#!/bin/sh
# The black-box modules in which many threads and processes do the same thing at once.
exec "${PYTHON:-python3}" "${REGCRED_SRC:-.}/tests/api/run.py" test_concurrency test_acceptance
