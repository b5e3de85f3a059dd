"""What failed once: bytes in files, by what they are given to; tests give it again."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parent / "corpus"
_SIZE_BYTES: Final = 4


def keep(directory: Path, name: str, data: bytes) -> Path:
    """Write what failed, once."""
    path = directory / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def kept(directory: Path, name: str) -> Iterator[Path]:
    """What has failed under a name, in a fixed order."""
    yield from sorted((directory / name).glob("*"))


def joined(messages: Sequence[bytes]) -> bytes:
    """The messages of a call as one piece."""
    return b"".join(len(each).to_bytes(_SIZE_BYTES, "big") + each for each in messages)


def parted(data: bytes) -> list[bytes]:
    """The inverse of :func:`joined`."""
    found = []
    while data:
        size, data = int.from_bytes(data[:_SIZE_BYTES], "big"), data[_SIZE_BYTES:]
        found.append(data[:size])
        data = data[size:]
    return found
