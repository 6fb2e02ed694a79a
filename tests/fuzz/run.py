#!/usr/bin/env python3
"""run.py: runs the fuzz targets of a build with --enable-fuzzing, two at a time, and prints a table.

    tests/fuzz/run.py BUILD SOURCE RUNS [TARGET...]

Inputs that reach something new grow in BUILD/fuzz/TARGET, from those that are kept in tests/fuzz/corpus/TARGET; what fails is left in
BUILD/fuzz as TARGET-crash-… .  To keep what was found: TARGET -merge=1 tests/fuzz/corpus/TARGET BUILD/fuzz/TARGET."""
import concurrent.futures
import os
import re
import subprocess
import sys
import time

PARALLEL = 2
INPUT_MAX = {'request': 2048, 'json': 4096, 'nginx': 2048}  # bytes; others 512


def run(build, source, runs, target):
    where = os.path.join(build, 'fuzz')
    grown = os.path.join(where, target)
    os.makedirs(grown, exist_ok=True)
    words = os.path.join(source, 'tests/fuzz/dict', target)
    command = [os.path.join(build, 'tests/fuzz', target), '-runs=%d' % runs, '-print_final_stats=1', '-timeout=20',
               '-max_len=%d' % INPUT_MAX.get(target, 512), '-artifact_prefix=%s-' % grown]
    if os.path.exists(words):
        command.append('-dict=' + words)
    began = time.time()
    log = grown + '.log'
    with open(log, 'wb') as f:
        status = subprocess.run(command + [grown, os.path.join(source, 'tests/fuzz/corpus', target)], stdin=subprocess.DEVNULL,
                                stdout=f, stderr=subprocess.STDOUT).returncode
    with open(log, encoding='utf-8', errors='replace') as f:
        text = f.read()
    done = re.findall(r'stat::number_of_executed_units: (\d+)', text) or re.findall(r'^#(\d+)', text, re.M) or ['0']
    covered = re.findall(r'cov: (\d+)', text) or ['0']
    seconds = time.time() - began
    print('%s: ended after %d s%s' % (target, seconds, '' if status == 0 else ': FAILED, see ' + log), flush=True)
    return target, int(done[-1]), int(covered[-1]), seconds, status


def main(argv):
    build, source, runs = os.path.abspath(argv[1]), os.path.abspath(argv[2]), int(argv[3])
    targets = argv[4:] or sorted(os.listdir(os.path.join(source, 'tests/fuzz/corpus')))
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        rows = list(pool.map(lambda target: run(build, source, runs, target), targets))
    print('%-12s %12s %9s %9s %8s' % ('target', 'runs', 'coverage', 'runs/s', 'seconds'))
    for target, done, covered, seconds, status in rows:
        print('%-12s %12d %9d %9d %8d%s' % (target, done, covered, done / max(seconds, 1e-3), seconds, '' if status == 0 else '  FAILED'))
    return 1 if any(row[-1] for row in rows) else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
