#!/usr/bin/env python3
"""coverage.py: what `make check` ran, by file, from what gcov says; fails below what is asked for.

    build-aux/coverage.py BUILD SOURCE [--missing FILE...]

Lines of all files together must reach LINES_MIN percent.  All branches of the files in WHOLE must
be taken, but for assertions and for lines that are marked as out of reach, with the reason beside
it:

    /* branches: both families have room */

--missing prints the lines and branches of a file that were not reached."""
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

LINES_MIN = 90.0
# What reads bytes of others (targets, forms, Basic, JSON, lists and markers, networks, claims,
# addresses, challenges), who may do what, and sealing with all that opens what was sealed.
WHOLE = ['base/http', 'base/text', 'base/multipart', 'base/json_in', 'model/query', 'base/network',
         'access/proxy', 'registry/url',
         'registry/challenge', 'access/sign_in', 'access/identity', 'access/permissions', 'access/rights', 'secret/keyring', 'secret/seal',
         'secret/random', 'secret/key_file']
MARK = re.compile(r'/\* branches: |^\s*assert\(')


def reports(build):
    """What gcov says of each object of the library and the programs."""
    data = sorted(glob.glob(os.path.join(build, 'src', '**', '*.gcda'), recursive=True))
    if not data:
        sys.exit('coverage: nothing ran: configure with --enable-coverage, then make check')
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(['gcov', '--json-format', '--branch-probabilities',
                        *map(os.path.abspath, data)],
                       cwd=scratch, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        for name in sorted(glob.glob(os.path.join(scratch, '*.gcov.json.gz'))):
            with gzip.open(name) as f:
                yield json.load(f)


class File:
    def __init__(self, path):
        self.path = path
        self.lines = {}
        self.branches = {}

    def add(self, line):
        n = line['line_number']
        self.lines[n] = self.lines.get(n, 0) + line['count']
        counts = [b['count'] for b in line['branches'] if not b['throw']]
        known = self.branches.get(n, [])
        if len(known) == len(counts):
            counts = [a + b for a, b in zip(known, counts)]
        self.branches[n] = counts if len(counts) >= len(known) else known

    def marked(self):
        with open(self.path, encoding='utf-8') as f:
            return {n for n, text in enumerate(f, 1) if MARK.search(text)}


def collect(build, source):
    files = {}
    for report in reports(build):
        for entry in report['files']:
            path = os.path.normpath(os.path.join(report['current_working_directory'],
                                                 entry['file']))
            if not path.startswith(os.path.join(source, 'src') + os.sep) or not path.endswith('.c'):
                continue
            f = files.setdefault(os.path.relpath(path, os.path.join(source, 'src'))[:-2],
                                 File(path))
            for line in entry['lines']:
                f.add(line)
    return files


def share(part, whole):
    return 100.0 * part / whole if whole else 100.0


def show_missing(f):
    excused = f.marked()
    with open(f.path, encoding='utf-8') as text:
        source = text.read().split('\n')
    for n in sorted(f.lines):
        missed = [i for i, c in enumerate(f.branches.get(n, [])) if c == 0]
        if f.lines[n] == 0 or (missed and n not in excused):
            print('%s:%d: %s%s' % (f.path, n, 'never reached' if f.lines[n] == 0
                                   else 'branches %s of %d'
                                   % (missed, len(f.branches[n])), ': ' + source[n - 1].strip()))


def main(argv):
    if len(argv) < 2:
        sys.exit(__doc__)
    build, source = map(os.path.abspath, argv[:2])
    files = collect(build, source)
    if argv[2:3] == ['--missing']:
        for name in argv[3:]:
            show_missing(files[name])
        return 0
    lines = reached = 0
    bad = ['%s: nothing of it ran' % name for name in WHOLE if name not in files]
    print('%-26s %14s %8s   %16s %8s %8s' % ('file', 'lines', '', 'branches', '', 'marked'))
    for name in sorted(files):
        f = files[name]
        excused = f.marked()
        branches = [c for n in f.branches if n not in excused for c in f.branches[n]]
        left_out = sum(c == 0 for n in f.branches if n in excused for c in f.branches[n])
        hit, taken = sum(c > 0 for c in f.lines.values()), sum(c > 0 for c in branches)
        lines += len(f.lines)
        reached += hit
        print('%-26s %6d of %5d %7.1f%%   %7d of %6d %7.1f%% %8s'
              % (name, hit, len(f.lines), share(hit, len(f.lines)), taken,
              len(branches), share(taken, len(branches)), left_out or ''))
        if name in WHOLE and taken < len(branches):
            bad.append('%s: %d branches were never taken: coverage.py --missing shows them'
                       % (name, len(branches) - taken))
    print('%-26s %6d of %5d %7.1f%%' % ('all', reached, lines, share(reached, lines)))
    if share(reached, lines) < LINES_MIN:
        bad.append('lines: less than %g %%' % LINES_MIN)
    for text in bad:
        print('coverage: ' + text, file=sys.stderr)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
