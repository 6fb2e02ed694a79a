#!/usr/bin/env python3
"""run.py: runs the fuzz targets of a build with --enable-fuzzing and prints a table.

    tests/fuzz/run.py [--seed N] [--parallel N] [--timeout SECONDS] BUILD SOURCE RUNS [TARGET...]

First a program with every kind of fault is run, each of which libFuzzer has to report. Inputs that
reach something new grow in BUILD/fuzz/TARGET, from those that are kept in tests/fuzz/corpus/TARGET;
what fails is left in BUILD/fuzz as TARGET-crash-… .
The same seed and corpus give the same inputs, where nothing else decides what a target does.
--timeout is for one input, and counts the time in which the process may not run as well. To keep
what was found: fuzz TARGET -merge=1 tests/fuzz/corpus/TARGET BUILD/fuzz/TARGET."""
import argparse
import concurrent.futures
import contextlib
import os
import random
import re
import subprocess
import sys
import time

INPUT_MAX = {'request': 2048, 'json': 4096, 'nginx': 2048}  # bytes; others 512
# Memory that was freed is kept apart for a while, which costs more than all checks if it is much;
# so do the stacks of all allocations.
SANITIZER = 'quarantine_size_mb=8:malloc_context_size=4'


def environment(**more):
    return dict(os.environ,
                ASAN_OPTIONS=':'.join(filter(None, [SANITIZER, os.environ.get('ASAN_OPTIONS')])),
                **more)


@contextlib.contextmanager
def compared(options, target):
    """What the target json accepts goes to Python's parser at once: the environment for that, and a
    list of what came of it."""
    ended = []
    if target != 'json':
        yield environment(), ended
        return
    pipe = os.path.join(options.build, 'fuzz/json.accepted')
    if not os.path.exists(pipe):
        os.mkfifo(pipe)
    with subprocess.Popen([sys.executable,
                           os.path.join(options.source, 'tests/fuzz/json_agrees.py'), '--stream',
                           pipe]) as reader:
        yield environment(FUZZ_ACCEPTED=pipe), ended
        # or it would wait for a target that never began
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
        ended.append(reader.wait())


def check_faults(build, source):
    """Whether the rig sees what it is there for."""
    faults = os.path.join(source, 'tests/fuzz/faults')
    seen = True
    for name in sorted(name for name in os.listdir(faults)
                       if os.path.isfile(os.path.join(faults, name))):
        command = [os.path.join(build, 'tests/fuzz/fuzz'), 'control', '-timeout=2',
                   '-artifact_prefix=%s-' % os.path.join(build, 'fuzz/control'),
                   os.path.join(faults, name)]
        status = subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, check=False).returncode
        right = (status == 0) == (name == 'none')
        print('%s: control: %s: %s' % ('PASS' if right else 'FAIL', name, 'nothing reported'
                                       if status == 0 else 'reported'), flush=True)
        seen = seen and right
    return seen


def run(options, target):
    where = os.path.join(options.build, 'fuzz')
    grown = os.path.join(where, target)
    os.makedirs(grown, exist_ok=True)
    words = os.path.join(options.source, 'tests/fuzz/dict', target)
    seed = options.seed or random.randrange(1, 2**31)
    command = [os.path.join(options.build, 'tests/fuzz/fuzz'), target, '-runs=%d' % options.runs,
               '-seed=%d' % seed, '-print_final_stats=1',
               '-timeout=%d' % options.timeout, '-max_len=%d' % INPUT_MAX.get(target, 512),
               '-artifact_prefix=%s-' % grown]
    if os.path.exists(words):
        command.append('-dict=' + words)
    began = time.time()
    log = grown + '.log'
    print('%s: begins with seed %d' % (target, seed), flush=True)
    with open(log, 'wb') as f, compared(options, target) as (env, ended):
        status = subprocess.run(command + [grown, os.path.join(options.source, 'tests/fuzz/corpus',
                                                               target)], env=env,
                                stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                                check=False).returncode
    status = status or any(ended)
    with open(log, encoding='utf-8', errors='replace') as f:
        text = f.read()
    done = re.findall(r'stat::number_of_executed_units: (\d+)',
                      text) or re.findall(r'^#(\d+)', text, re.M) or ['0']
    covered = re.findall(r'cov: (\d+)', text) or ['0']
    seconds = time.time() - began
    print('%s: ended after %d s%s' % (target, seconds, '' if status == 0 else ': FAILED, see '
                                      + log), flush=True)
    return target, int(done[-1]), seed, int(covered[-1]), seconds, status


def read_options():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--parallel', type=int, default=2)
    parser.add_argument('--timeout', type=int, default=20)
    parser.add_argument('build', type=os.path.abspath)
    parser.add_argument('source', type=os.path.abspath)
    parser.add_argument('runs', type=int)
    parser.add_argument('targets', nargs='*')
    options = parser.parse_args()
    options.targets = options.targets or sorted(
        os.listdir(os.path.join(options.source, 'tests/fuzz/corpus')))
    return options


def main():
    options = read_options()
    os.makedirs(os.path.join(options.build, 'fuzz'), exist_ok=True)
    if not check_faults(options.build, options.source):
        return 1
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        rows = list(pool.map(lambda target: run(options, target), options.targets))
    print('%-12s %12s %10s %9s %9s %8s' % ('target', 'runs', 'seed', 'coverage', 'runs/s',
                                           'seconds'))
    for target, done, seed, covered, seconds, status in rows:
        print('%-12s %12d %10d %9d %9d %8d%s'
              % (target, done, seed, covered, done / max(seconds, 1e-3), seconds,
                                                 '' if status == 0 else '  FAILED'))
    return 1 if any(row[-1] for row in rows) else 0


if __name__ == '__main__':
    sys.exit(main())
