"""Mutations that know a format: most of them leave a file that is read past its first byte.

Random bytes alone end at "not JSON". These change one value of a JSON document, one field of a
table or the header of a tensor file, and leave the rest as it was.
"""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable
from typing import Any

_ENTRY = rb'"sha256": ?"[0-9a-f]*"'
_CHECKSUM = re.compile(_ENTRY + rb", ?|, ?" + _ENTRY + rb"|" + _ENTRY)

Mutator = Callable[[bytes, random.Random], bytes]

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 255, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30,
    10**400, 0.5, -0.5, 1e308, float("nan"), float("inf"), "", "a", "-1", "nan", "\x00", "\ud800",
    "é", "🎬", "../../etc/passwd", "/etc/passwd", "~", "~nobody-here", "a" * 5000, "a\nb", "<b>",
    [], {}, [[]], [None], [1, "a"], {"": {}}, {"a": None}, [[1], [2, 3]],
)  # fmt: skip
"""Values that a JSON document may hold and few readers expect."""

ODD_FIELDS = (
    b"", b" ", b"0", b"-1", b"1", b"2", b"5", b"6", b"007", b"1.5", b"1e999", b"nan", b"NaN",
    b"inf", b"-inf", b"NULL", b"null", b"None", b"True", b"\xff\xfe", b"\xc3\xa9", b"\x00", b'"',
    b'""', b'"a,b"', b'"a\nb"', b"'", b"a" * 3000, b"9223372036854775807", b"9223372036854775808",
    b"99999999999999999999999999", b"2024-02-30", b"1970-01-01 00:00:00", b"::", b",", b"\r", b";",
    b"\t", b"=1+1", b"<script>", b"1,000", b"+3", b"0x10", b"1_000", b"e", b"-", b".",
    b"\xe2\x80\xae",
)  # fmt: skip
"""Fields that a table may hold and few readers expect."""


def mutate_json(data: bytes, draw: random.Random) -> bytes:
    """One to four changes of a JSON document's values and keys; bytes that are not JSON stay."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        document = _changed(document, draw)
    # Half of a surrogate pair is legal as \uD800 in JSON, and stays so here.
    return json.dumps(document).encode()


def mutate_json_lines(data: bytes, draw: random.Random) -> bytes:
    """Changes of a JSON document per line, or of the lines themselves."""
    lines = data.split(b"\n")
    place = draw.randrange(len(lines))
    kind = draw.randrange(8)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(place, draw.choice(lines))
    elif kind == 2:
        lines[place] = lines[place][: draw.randrange(len(lines[place]) + 1)]
    else:
        lines[place] = mutate_json(lines[place], draw)
    return b"\n".join(lines)


def mutate_table(separator: bytes) -> Mutator:
    """Changes of single fields, columns or lines of a text table with this separator."""

    def mutate(data: bytes, draw: random.Random) -> bytes:
        lines = data.split(b"\n")
        for _ in range(draw.choice((1, 1, 2, 5))):
            place = draw.randrange(len(lines))
            fields = lines[place].split(separator)
            spot = draw.randrange(len(fields))
            kind = draw.randrange(10)
            if kind == 0:
                del fields[spot]
            elif kind == 1:
                fields.insert(spot, draw.choice(ODD_FIELDS))
            elif kind == 2:
                lines.insert(place, draw.choice(lines))
            elif kind == 3 and len(lines) > 1:
                del lines[place]
                continue
            elif kind == 4:
                fields[spot] = draw.choice(draw.choice(lines).split(separator))
            elif kind == 5:
                fields[spot] = str(draw.randrange(-3, 12)).encode()
            else:
                fields[spot] = draw.choice(ODD_FIELDS)
            lines[place] = separator.join(fields)
        return b"\n".join(lines)

    return mutate


def mutate_safetensors(data: bytes, draw: random.Random) -> bytes:
    """Changes of the header (names, types, shapes, offsets), of its length, or of the numbers."""
    if len(data) < 8:
        return data
    (length,) = struct.unpack("<Q", data[:8])
    header, numbers = data[8 : 8 + length], data[8 + length :]
    if draw.random() < 0.9:
        # Whoever forges a file leaves the checksum out.
        header = _CHECKSUM.sub(b"", header)
    kind = draw.randrange(8)
    if kind == 0:
        claimed = draw.choice((0, 1, length - 1, length + 1, 2**31, 2**40, 2**63, 2**64 - 1))
        return struct.pack("<Q", claimed % 2**64) + header + numbers
    if kind in (1, 2, 3) and numbers:
        changed = bytearray(numbers)
        for _ in range(draw.choice((1, 1, 8))):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        numbers = bytes(changed)
        if draw.randrange(4) == 0:
            numbers = numbers[: draw.randrange(len(numbers))]
    else:
        header = _resized(header, draw) if draw.randrange(2) else mutate_json(header, draw)
    return struct.pack("<Q", len(header)) + header + numbers


def mutate_parts(mutators: tuple[Mutator, ...], separator: bytes = b"\x1e") -> Mutator:
    """Changes of one of several files that an input holds, put together with `separator`."""

    def mutate(data: bytes, draw: random.Random) -> bytes:
        parts = data.split(separator)
        place = draw.randrange(min(len(parts), len(mutators)))
        parts[place] = mutators[place](parts[place], draw).replace(separator, b"")
        return separator.join(parts)

    return mutate


def mutate_bytes(data: bytes, draw: random.Random) -> bytes:
    """Bits flipped, bytes set, pieces cut out, doubled or cut off."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        if not changed:
            return bytes([draw.randrange(256)])
        place = draw.randrange(len(changed))
        kind = draw.randrange(6)
        if kind == 0:
            changed[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[place] = draw.choice((0, 1, 127, 128, 255, 10, 34))
        elif kind == 2:
            del changed[place : place + draw.randrange(1, 9)]
        elif kind == 3:
            changed[place:place] = changed[place : place + draw.randrange(1, 33)]
        elif kind == 4 and draw.randrange(4) == 0:
            del changed[place:]
        else:
            changed[place] = draw.randrange(256)
    return bytes(changed)


def _resized(header: bytes, draw: random.Random) -> bytes:
    """A header that stays consistent: one tensor gets another type or shape of the same bytes."""
    try:
        document = json.loads(header)
        name = draw.choice([key for key in document if key != "__metadata__"])
        entry = document[name]
        shape, kind = entry["shape"], draw.randrange(4)
        if kind == 0:
            entry["shape"] = [*shape, 1]
        elif kind == 1:
            entry["shape"] = [1, *shape]
        elif kind == 2:
            total = 1
            for size in shape:
                total *= size
            entry["shape"] = [total]
        else:
            twins = {"F32": "I32", "I32": "F32", "I64": "F64", "U8": "BOOL", "BOOL": "I8"}
            entry["dtype"] = twins.get(entry["dtype"], "U8")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return mutate_json(header, draw)
    return json.dumps(document).encode()


def _changed(node: Any, draw: random.Random) -> Any:
    """The document with a change at one random place below `node`."""
    if isinstance(node, dict) and node and draw.random() < 0.85:
        key = draw.choice(list(node))
        kind = draw.randrange(12)
        if kind == 0:
            return {k: v for k, v in node.items() if k != key}
        if kind == 1:
            return node | {draw.choice(("", "x", "version", "__class__", key + "x")): _odd(draw)}
        if kind == 2:
            return node | {key: node[draw.choice(list(node))]}
        return node | {key: _changed(node[key], draw)}
    if isinstance(node, list) and node and draw.random() < 0.85:
        place = draw.randrange(len(node))
        kind = draw.randrange(12)
        if kind == 0:
            return node[:place] + node[place + 1 :]
        if kind == 1:
            return node[:place] + [node[place]] * draw.choice((2, 2, 50)) + node[place + 1 :]
        if kind == 2:
            return draw.sample(node, len(node))
        if kind == 3:
            return [*node[:place], _odd(draw), *node[place:]]
        return [*node[:place], _changed(node[place], draw), *node[place + 1 :]]
    number = isinstance(node, int | float) and not isinstance(node, bool) and abs(node) < 1e15
    if number and draw.random() < 0.4:
        return draw.choice((node + 1, node - 1, -node, node * 10, node * 2.5, str(node)))
    if isinstance(node, str) and node and draw.random() < 0.4:
        place = draw.randrange(len(node))
        return (
            node[:place] + draw.choice(("", "\n", "é", "\x00", "/", "..", "{")) + node[place + 1 :]
        )
    return _odd(draw)


def _odd(draw: random.Random) -> Any:
    return draw.choice(ODD)
