#!/usr/bin/env python3
"""The black-box tests alone: see tests/run.py, which this starts with the same arguments."""
import os
import sys

os.environ["REGCRED_TESTS"] = ""
os.execv(sys.executable,
         [sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                                             "run.py"), *sys.argv[1:]])
