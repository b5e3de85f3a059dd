"""Strings as arrays: external ids and titles that can be memory-mapped and shared."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]

MISSING = -1
"""The index of an id that a vocabulary does not hold."""


@dataclass(frozen=True, slots=True)
class StringTable:
    """Immutable list of strings in two arrays.

    A Python list of a million titles costs every worker process 100 MB of its own;
    two mapped arrays cost it nothing.

    Attributes:
        blob: uint8, all strings' UTF-8 one after another.
        offsets: int64, shape ``(n + 1,)``; string ``i`` is ``blob[offsets[i]:offsets[i + 1]]``.
    """

    blob: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def from_strings(cls, strings: Iterable[str]) -> Self:
        """Pack ``strings`` in their order."""
        encoded = [s.encode() for s in strings]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(e) for e in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return self.blob[self.offsets[index] : self.offsets[index + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        # A slice of an array takes several times as long, and a copy of them all the memory.
        blob = self.blob.data
        return (str(blob[start:end], "utf-8") for start, end in pairwise(self.offsets.tolist()))

    def take(self, indices: Iterable[int]) -> list[str]:
        """The strings at ``indices``, in that order."""
        return [self[i] for i in indices]

    def distinct(self) -> tuple[list[str], NDArray[np.int32]]:
        """The distinct strings as they come up; int32, shape ``(n,)``: which of them each is."""
        codes: dict[str, int] = {}
        each = np.fromiter((codes.setdefault(s, len(codes)) for s in self), np.int32, len(self))
        return list(codes), each

    def changed(self, strings: Mapping[int, str], added: Sequence[str] = ()) -> Self:
        """A copy with other strings at some indices, and with more of them at the end."""
        n = len(self)
        pieces: list[NDArray[np.uint8]] = []
        lengths = np.diff(self.offsets)
        done = 0
        for index in sorted(strings):
            encoded = strings[index].encode()
            pieces += [
                self.blob[self.offsets[done] : self.offsets[index]],
                np.frombuffer(encoded, np.uint8),
            ]
            lengths[index] = len(encoded)
            done = index + 1
        tail = type(self).from_strings(added)
        pieces += [self.blob[self.offsets[done] :], tail.blob]
        offsets = np.zeros(n + len(added) + 1, np.int64)
        np.cumsum(np.concatenate([lengths, np.diff(tail.offsets)]), out=offsets[1:])
        return type(self)(np.concatenate(pieces), offsets)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {f"{prefix}.blob": self.blob, f"{prefix}.offsets": self.offsets}

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`; keeps views, copies nothing."""
        return cls(
            np.asarray(arrays[f"{prefix}.blob"], np.uint8),
            np.asarray(arrays[f"{prefix}.offsets"], np.int64),
        )


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The one owner of the correspondence between external ids and dense indices.

    Lookups go through sorted 64-bit hashes, so that no process builds a dictionary;
    the id itself is compared, so that a collision cannot return a wrong index.

    Attributes:
        ids: the id of every index.
        hashes: uint64, shape ``(n,)``, ascending.
        order: int32, shape ``(n,)``; ``hashes[k]`` belongs to ``ids[order[k]]``.
    """

    ids: StringTable
    hashes: NDArray[np.uint64]
    order: NDArray[np.int32]

    @classmethod
    def from_ids(cls, ids: Sequence[str]) -> Self:
        """Number ``ids`` (distinct) in their order."""
        hashes = np.fromiter((_hash(i) for i in ids), np.uint64, len(ids))
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        return cls(StringTable.from_strings(ids), hashes[order], order)

    def __len__(self) -> int:
        return len(self.ids)

    def index(self, external_id: str) -> int:
        """Index of ``external_id``, or :data:`MISSING`."""
        wanted, hashes = _hash(external_id), self.hashes.data
        # For a single id numpy takes longer to be called than to search.
        at = bisect_left(hashes, wanted)
        while at < len(hashes) and hashes[at] == wanted:
            index = int(self.order[at])
            if self.ids[index] == external_id:
                return index
            at += 1
        return MISSING

    def with_added(self, ids: Sequence[str]) -> Self:
        """A copy with more ids, distinct and unknown so far, numbered after those it has."""
        more = type(self).from_ids(ids)
        at = np.searchsorted(self.hashes, more.hashes)
        return type(self)(
            self.ids.changed({}, ids),
            np.insert(self.hashes, at, more.hashes),
            np.insert(self.order, at, more.order + np.int32(len(self))),
        )

    def indices(self, external_ids: Iterable[str]) -> NDArray[np.int32]:
        """Indices of those of ``external_ids`` that are known, in order, without repeats."""
        found = (self.index(i) for i in external_ids)
        return np.array(list(dict.fromkeys(i for i in found if i != MISSING)), np.int32)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return self.ids.to_arrays(prefix) | {
            f"{prefix}.hashes": self.hashes,
            f"{prefix}.order": self.order,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`."""
        return cls(
            StringTable.from_arrays(arrays, prefix),
            np.asarray(arrays[f"{prefix}.hashes"], np.uint64),
            np.asarray(arrays[f"{prefix}.order"], np.int32),
        )
