#!/usr/bin/env python3
"""json_agrees.py: what the JSON gate accepts, Python's parser accepts too, and reads the same.

    tests/fuzz/json_agrees.py BUILD/tests/fuzz/fuzz DIRECTORY...
    tests/fuzz/json_agrees.py --stream FILE      what the target writes to FUZZ_ACCEPTED while it is
    fuzzed

Strings, names and their order, numbers as they are written, duplicates (none may be).  The program
is the replay of the target json. Before that it has to notice each of a few texts that a wrong gate
would have let through."""
import json
import struct
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
    value = json.loads(text.decode('utf-8', 'strict'), parse_int=Number, parse_float=Number,
                       parse_constant=not_json,
                       object_pairs_hook=members)
    return tagged(value)


def tagged(value):
    if isinstance(value, tuple):
        return ('object', [(name, tagged(v)) for name, v in value[1]])
    if isinstance(value, list):
        return ('array', [tagged(v) for v in value])
    return (type(value).__name__, value)


# As from a gate that is wrong: a text, and what it would have read.
WRONG = [
    (b'[1,]', b'[1]'), (b"['a']", b'["a"]'), (b'{"a":1,"a":2}', b'{"a":2}'), (b'[NaN]', b'[null]'), (b'[01]', b'[1]'), (b'["\xff"]', b'["?"]'),
    (b'["\x01"]', b'["\\u0001"]'), (b'[1] x', b'[1]'), (b'{"a" 1}', b'{"a":1}'), (b'["\\x41"]', b'["A"]'), (b'', b'[]'),
    (b'[1]', b'[2]'), (b'[1]', b'["1"]'), (b'[1]', b'[1.0]'), (b'{"a":1,"b":2}', b'{"b":2,"a":1}'), (b'["a"]', b'["a'), (b'["\\u00e9"]', b'["e"]'),
    (b'[]', b'{}'), (b'[null]', b'[false]'), (b'["\\ud83d\\ude00"]', b'["\\ud83d"]'),
]


def complaint(text, ours):
    """What is wrong with a reading of a text; None: nothing."""
    try:
        same = read(ours) == (read(text) if text.strip(b' \t\r\n') else ('object', []))
    except ValueError as e:  # UnicodeError is one
        return 'Python refuses it: %s' % e
    return None if same else 'Python reads it otherwise'


def replayed(program, directories, refused):
    """Each accepted text, its reading and where it came from; refused ones are counted."""
    said = subprocess.run([program, 'json', '--dump', *directories], stdout=subprocess.PIPE,
                          check=True).stdout
    for line in said.split(b'\n'):
        path, _, ours = line.partition(b'\t')
        if path and not ours:
            refused.append(path)
        elif path:
            with open(path, 'rb') as f:
                yield f.read(), ours, path.decode()


def streamed(path):
    with open(path, 'rb') as f:
        while sizes := f.read(8):
            size, length = struct.unpack('=II', sizes)
            text, ours = f.read(size), f.read(length)
            if len(ours) < length:
                return  # the fuzzer was stopped
            yield text, ours, repr(text)


def main(argv):
    unseen = [text for text, ours in WRONG if complaint(text, ours) is None]
    for text in unseen:
        print('FAIL: json: the comparison does not notice a gate that lets %r through' % text)
    accepted, bad, refused = 0, 0, []
    for text, ours, where in streamed(argv[2]) if argv[1] == '--stream' else replayed(
        argv[1], argv[2:], refused):
        accepted += 1
        why = complaint(text, ours)
        if why is not None:
            bad += 1
            print('FAIL: json: %s: %s' % (where, why), flush=True)
            if argv[1] == '--stream':
                return 1  # and so the pipe breaks
    print('%s: json: Python agrees with %d accepted texts%s'
          % ('FAIL' if bad else 'PASS', accepted - bad,
                                                                '; %d were refused' % len(refused)
                                                                if refused else ''))
    return 1 if unseen or bad or accepted == 0 else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
