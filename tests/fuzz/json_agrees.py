#!/usr/bin/env python3
"""json_agrees.py: what the JSON gate accepts, Python's parser accepts too, and reads the same.

    tests/fuzz/json_agrees.py BUILD/tests/fuzz/json DIRECTORY...

Strings, names and their order, numbers as they are written, duplicates (none may be).  The program is the replay of the target json."""
import json
import subprocess
import sys


class Number(str):
    """A number as it was written."""


def members(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError('the same name twice')
    return ('object', pairs)


def not_json(word):
    raise ValueError(word)


def read(text):
    """A value in which nothing is equal that was written otherwise; strictly UTF-8, no NaN."""
    value = json.loads(text.decode('utf-8', 'strict'), parse_int=Number, parse_float=Number, parse_constant=not_json,
                       object_pairs_hook=members)
    return tagged(value)


def tagged(value):
    if isinstance(value, tuple):
        return ('object', [(name, tagged(v)) for name, v in value[1]])
    if isinstance(value, list):
        return ('array', [tagged(v) for v in value])
    return (type(value).__name__, value)


def main(argv):
    said = subprocess.run([argv[1], '--dump', *argv[2:]], stdout=subprocess.PIPE, check=True).stdout
    accepted = refused = 0
    bad = []
    for line in said.split(b'\n'):
        path, _, ours = line.partition(b'\t')
        if not path:
            continue
        if not ours:
            refused += 1
            continue
        accepted += 1
        with open(path, 'rb') as f:
            text = f.read()
        try:
            same = read(ours) == (read(text) if text.strip(b' \t\r\n') else ('object', []))
        except ValueError as e:  # UnicodeError is one
            bad.append('%s: Python refuses it: %s' % (path.decode(), e))
            continue
        if not same:
            bad.append('%s: Python reads it otherwise' % path.decode())
    for text in bad:
        print('FAIL: ' + text)
    print('%s: json: Python agrees with %d accepted texts; %d were refused' % ('FAIL' if bad else 'PASS', accepted - len(bad), refused))
    return 1 if bad or accepted == 0 else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
