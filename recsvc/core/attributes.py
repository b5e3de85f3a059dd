"""What products are beside category, brand and price: values by name, as arrays."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.vocabulary import MISSING, Arrays, Vocabulary

Values = Mapping[str, Sequence[str]]
"""By name of an attribute its values."""

_BETWEEN = "\x1f"
"""Between name and value in a pair's id; what ASCII calls the unit separator."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of all products, by item index.

    Attributes:
        pairs: every name with every value that a product has.
        indptr: int64, shape ``(n_items + 1,)``.
        codes: int32: the pairs of item ``i`` are ``codes[indptr[i]:indptr[i + 1]]``.
        names: those that any product has.
        items: int32, aligned with ``starts``: the items of every pair, pair by pair.
        starts: int64, shape ``(n_pairs + 1,)``.
    """

    pairs: Vocabulary
    indptr: NDArray[np.int64]
    codes: NDArray[np.int32]
    names: frozenset[str] = field(init=False)
    items: NDArray[np.int32] = field(init=False)
    starts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        names = frozenset(pair.partition(_BETWEEN)[0] for pair in self.pairs.ids)
        object.__setattr__(self, "names", names)
        order = np.argsort(self.codes, kind="stable")
        object.__setattr__(self, "items", self._rows()[order])
        starts = np.searchsorted(self.codes[order], np.arange(len(self.pairs) + 1))
        object.__setattr__(self, "starts", starts.astype(np.int64))

    @classmethod
    def of(cls, values: Sequence[Values]) -> Self:
        """Take the attributes of all products, in the order of their indices."""
        return cls.none(len(values)).replaced(np.arange(len(values), dtype=np.int32), values)

    @classmethod
    def none(cls, n_items: int) -> Self:
        """So many products without any."""
        return cls(Vocabulary.from_ids([]), np.zeros(n_items + 1, np.int64), np.zeros(0, np.int32))

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def of_item(self, item: int) -> dict[str, tuple[str, ...]]:
        """The attributes of one product."""
        values: dict[str, list[str]] = defaultdict(list)
        for code in self.codes[self.indptr[item] : self.indptr[item + 1]].tolist():
            name, _, value = self.pairs.ids[code].partition(_BETWEEN)
            values[name].append(value)
        return {name: tuple(found) for name, found in values.items()}

    def having_any(self, name: str, values: Iterable[str]) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what has any of the values, byte by byte."""
        having = np.zeros(len(self), np.bool_)
        for code in self.pairs.indices(name + _BETWEEN + value for value in values).tolist():
            having[self.items[self.starts[code] : self.starts[code + 1]]] = True
        return having

    def first(self, name: str) -> NDArray[np.int32]:
        """int32, shape ``(n_items,)``: the pair of each product's first value, else MISSING."""
        is_named = np.fromiter(
            (pair.partition(_BETWEEN)[0] == name for pair in self.pairs.ids),
            np.bool_,
            len(self.pairs),
        )
        entries = np.flatnonzero(is_named[self.codes])[::-1]  # of several the first is written last
        first = np.full(len(self), MISSING, np.int32)
        first[self._rows()[entries]] = self.codes[entries]
        return first

    def replaced(self, at: NDArray[np.int32], values: Sequence[Values]) -> Self:
        """A copy with the attributes of ``at``, distinct items; more may be added."""
        n_items = max(len(self), int(at.max(initial=-1)) + 1)
        rows = self._rows()
        if not any(values) and not np.isin(rows, at).any():
            added = np.full(n_items - len(self), self.indptr[-1])
            return type(self)(self.pairs, np.concatenate([self.indptr, added]), self.codes)
        said = [list(_pairs(each)) for each in values]
        distinct = dict.fromkeys(pair for pairs in said for pair in pairs)
        new = [pair for pair in distinct if self.pairs.index(pair) == MISSING]
        pairs = self.pairs.with_added(new) if new else self.pairs
        index = {pair: pairs.index(pair) for pair in distinct}
        kept = ~np.isin(rows, at)
        all_rows = np.concatenate([rows[kept], np.repeat(at, [len(each) for each in said])])
        more = np.array([index[pair] for each in said for pair in each], np.int32)
        order = np.argsort(all_rows, kind="stable")
        indptr = np.zeros(n_items + 1, np.int64)
        np.cumsum(np.bincount(all_rows, minlength=n_items), out=indptr[1:])
        return type(self)(pairs, indptr, np.concatenate([self.codes[kept], more])[order])

    def _rows(self) -> NDArray[np.int32]:
        """The item of every entry of ``codes``."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.indptr))

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            **self.pairs.to_arrays(f"{prefix}.pairs"),
            f"{prefix}.indptr": self.indptr,
            f"{prefix}.codes": self.codes,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, n_items: int) -> Self:
        """The inverse of :meth:`to_arrays`; artifacts of old have none."""
        if f"{prefix}.indptr" not in arrays:
            return cls.none(n_items)
        return cls(
            Vocabulary.from_arrays(arrays, f"{prefix}.pairs"),
            np.asarray(arrays[f"{prefix}.indptr"], np.int64),
            np.asarray(arrays[f"{prefix}.codes"], np.int32),
        )


def _pairs(values: Values) -> Iterator[str]:
    """The ids of a product's pairs, each once, in the order of their names."""
    for name in sorted(values):
        for value in dict.fromkeys(values[name]):
            yield name + _BETWEEN + value
