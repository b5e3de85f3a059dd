"""Bytes that are nearly right: what a broken or a wicked client puts on the wire, or on a disk."""

import random
from collections.abc import Sequence
from typing import Final

_MAX_CHANGES: Final = 4
_TELLING: Final = (
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\n", b'"', b"\\", b",", b"[", b"{", b"}", b"\xc0\x80",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff" * 10 + b"\x01", b"\xff\xff\xff\xff\x0f",
    b"\x0b" * 200, b"\x0b" * 60 + b"\x0c" * 60, b"\xfa\xff\xff\xff\x0f\x01",
    b"\x08\x80\x80\x80\x80\x10",
    b"NaN", b"1e999", b"-1", b"9" * 30, b"null", b"\r\n", b"''", b"\xef\xbb\xbf",
)  # fmt: skip
"""Ends and beginnings of texts and numbers, overlong varints, groups within groups, unknown
fields."""


def mutated(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return ``data`` with one change or a few.

    Args:
        data: any bytes.
        others: what pieces are taken from; may be empty.
        chance: where chance comes from.
    """
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, _MAX_CHANGES))):
        _change(changed, others, chance)
    return bytes(changed)


def _change(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    here, there = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    there = min(there, here + chance.choice((1, 2, 8, 64, 4096)))
    match chance.randrange(9):
        case 0 if data:  # a bit
            data[here % len(data)] ^= 1 << chance.randrange(8)
        case 1 if data:  # a byte
            data[here % len(data)] = chance.randrange(256)
        case 2:  # the end is missing
            del data[here:]
        case 3:  # something in between is missing
            del data[here:there]
        case 4:  # it is there twice
            data[there:there] = data[here:there]
        case 5 if others:  # the end of another one
            other = chance.choice(others)
            data[here:] = other[chance.randint(0, len(other)) :]
        case 6 if others:  # a piece of another one
            other = chance.choice(others)
            start = chance.randint(0, len(other))
            data[here:here] = other[start : start + chance.choice((1, 4, 16, 256))]
        case 7:  # what parsers stumble over
            data[here:there] = chance.choice(_TELLING)
        case _:  # noise
            data[here:here] = chance.randbytes(chance.choice((1, 2, 8)))
