"""Compressed sparse rows, the shape of histories, neighbour lists and place counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse._sparsetools import csc_matvec  # scipy's own products are made of it

from recsvc.core.vocabulary import Arrays

Number = TypeVar("Number", np.float32, np.int32, np.int64)


@dataclass(frozen=True, slots=True)
class SparseRows:
    """CSR matrix of float32 whose column indices ascend within each row.

    scipy's classes check and copy on every slice (about 20 µs a row); a request
    takes dozens of rows, so the three arrays are used as they are.

    Attributes:
        indptr: int64, shape ``(n_rows + 1,)``.
        indices: int32, shape ``(nnz,)``.
        values: float32, shape ``(nnz,)``.
        n_columns: columns that hold every index: one more than the largest.

    Raises:
        ValueError: there are 2**31 entries or more, or an index is negative.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    n_columns: int = field(init=False)

    def __post_init__(self) -> None:
        if len(self.indices) > np.iinfo(np.int32).max:  # pointers would wrap in silence
            raise ValueError(f"{len(self.indices)} entries: sparse rows hold less than 2**31")
        # Once here: the kernel under weighted_sum writes wherever an index points.
        if len(self.indices) and self.indices.min() < 0:
            raise ValueError(f"column {self.indices.min()}: sparse rows have none below 0")
        n_columns = int(self.indices.max()) + 1 if len(self.indices) else 0
        object.__setattr__(self, "n_columns", n_columns)

    @classmethod
    def from_csr(cls, matrix: csr_array) -> Self:
        """Take over a scipy matrix; duplicates are summed and indices sorted."""
        matrix.sum_duplicates()
        return cls(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float32),
        )

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[NDArray[np.int32], NDArray[np.float32]]]) -> Self:
        """Put rows, as ``row`` gives them, one under another."""
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(columns) for columns, _ in rows], out=indptr[1:])
        return cls(
            indptr,
            np.concatenate([np.zeros(0, np.int32), *(columns for columns, _ in rows)]),
            np.concatenate([np.zeros(0, np.float32), *(values for _, values in rows)]),
        )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Column indices and values of one row, as views."""
        span = slice(int(self.indptr[index]), int(self.indptr[index + 1]))
        return self.indices[span], self.values[span]

    def at(self, index: int, columns: NDArray[np.int32]) -> NDArray[np.float32]:
        """Values of one row at ``columns``, 0 where the row holds nothing."""
        indices, values = self.row(index)
        return gather(indices, values, columns)

    def entries(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of all the rows' entries, row after row, and how many each row has."""
        starts = self.indptr[rows]
        lengths = self.indptr[rows + 1] - starts
        ends = np.cumsum(lengths)
        flat = np.arange(ends[-1] if len(ends) else 0)
        flat += np.repeat(starts - (ends - lengths), lengths)
        return flat, lengths

    def weighted_sum(
        self, rows: NDArray[np.int32], weights: NDArray[np.float32], n_columns: int
    ) -> NDArray[np.float32]:
        """``weights @ self[rows]`` as a dense float32 vector of ``n_columns``.

        The kernel under scipy's product of a matrix in compressed columns and a vector adds up
        all that lies between one pointer and the next. With the rows in falling order what lies
        between the end of one and the start of the next is empty, so that it reads the rows
        where they are: a third of the time of gathering them first (55,000 entries 110 us
        against 370, 6,000 entries 37 against 92).

        Raises:
            ValueError: there are entries beyond ``n_columns``.
        """
        if n_columns < self.n_columns:  # it would write behind the vector
            raise ValueError(f"{n_columns} columns do not hold the {self.n_columns} of the rows")
        order = rows.argsort()[::-1]
        falling = rows[order]
        pointers = np.zeros(2 * len(rows) + 1, np.int32)
        pointers[:-1:2], pointers[1::2] = self.indptr[falling], self.indptr[falling + 1]
        pointers[-1] = pointers[-2] if len(rows) else 0
        factors = np.zeros(2 * len(rows), np.float32)
        factors[::2] = weights[order]
        total = np.zeros(n_columns, np.float32)
        csc_matvec(n_columns, len(factors), pointers, self.indices, self.values, factors, total)
        return total

    def sum(self, rows: NDArray[np.int32], weights: NDArray[np.float32], n_columns: int) -> "Sum":
        """:meth:`weighted_sum`, and where to look for its top.

        Raises:
            ValueError: there are entries beyond ``n_columns``.
        """
        values = self.weighted_sum(rows, weights, n_columns)
        if n_columns < _MANY:
            return Sum(values)
        n_entries = int((self.indptr[rows + 1] - self.indptr[rows]).sum())
        is_sparse = Sum.is_sparse(n_entries, n_columns)
        return Sum(values, self.indices[self.entries(rows)[0]] if is_sparse else None)

    def means(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each row the mean of ``vector`` that its values weigh, times the largest of them.

        float32, shape ``(n_rows,)``; 0 for a row without entries.
        """
        if not len(self):
            return np.zeros(0, np.float32)
        starts = self.indptr[:-1]
        values = np.append(self.values, np.float32(0))  # so that every start is a position
        terms = np.append(self.values * vector[self.indices], np.float32(0))
        sums, totals = np.add.reduceat(terms, starts), np.add.reduceat(values, starts)
        means = np.maximum.reduceat(values, starts) * sums / np.maximum(totals, np.float32(1e-9))
        return np.where(np.diff(self.indptr) > 0, means, np.float32(0)).astype(np.float32)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            f"{prefix}.indptr": self.indptr,
            f"{prefix}.indices": self.indices,
            f"{prefix}.values": self.values,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`."""
        return cls(
            np.asarray(arrays[f"{prefix}.indptr"], np.int64),
            np.asarray(arrays[f"{prefix}.indices"], np.int32),
            np.asarray(arrays[f"{prefix}.values"], np.float32),
        )


_MANY, _FEW = 65_536, 16
"""Columns, and columns for each entry, of a sum from which on to look at its entries alone is
quicker: 10,000 entries take 110 us, a vector of 100,000 takes 80 us and one of a million 700."""

_REPEATS = 8
"""Entries that are looked at for each column of the top: a good column comes from many rows."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A weighted sum of sparse rows.

    Attributes:
        values: float32, shape ``(n_columns,)``.
        reached: int32: the columns of all that was added up, each as often as it was; all values
            elsewhere are 0. ``None`` where to read all values is as quick.
    """

    values: NDArray[np.float32]
    reached: NDArray[np.int32] | None = None

    @staticmethod
    def is_sparse(n_entries: int, n_columns: int) -> bool:
        """Whether to look at the entries alone is quicker than to read all values."""
        return n_columns >= max(_MANY, _FEW * n_entries)

    def top(self, limit: int, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
        """What :func:`top` finds among the values, however many columns there are."""
        if self.reached is None:
            return top(self.values, limit, allowed)
        columns = self.reached if allowed is None else self.reached[allowed[self.reached]]
        values = self.values[columns]
        n_read = _REPEATS * max(limit, 1)
        while n_read < len(columns):
            best = values.argpartition(len(columns) - n_read)[-n_read:]
            found = distinct([columns[best]])
            if len(found) >= limit:
                return found[top(self.values[found], limit)]
            n_read *= 4
        found = distinct([columns])
        return found[top(self.values[found], limit)]


@dataclass(frozen=True, slots=True)
class Positions:
    """Where ascending keys hold what is wanted: searched once, read for every column of theirs.

    Attributes:
        wanted: int32, shape ``(n,)``.
        at: int64, likewise: the position of each; of what the keys do not hold any.
        missing: bool, likewise: what they do not hold.
    """

    wanted: NDArray[np.int32]
    at: NDArray[np.intp]
    missing: NDArray[np.bool_]

    @classmethod
    def of(cls, keys: NDArray[np.int32], wanted: NDArray[np.int32]) -> Self:
        """Search for ``wanted`` in ascending ``keys``."""
        if not len(keys):
            return cls(wanted, np.zeros(len(wanted), np.intp), np.ones(len(wanted), np.bool_))
        at = keys.searchsorted(wanted)
        np.minimum(at, len(keys) - 1, out=at)
        return cls(wanted, at, keys[at] != wanted)

    def read(self, values: NDArray[Number]) -> NDArray[Number]:
        """``values`` of the keys for what is wanted, 0 for what they do not hold."""
        if not len(values):
            return np.zeros(len(self.wanted), values.dtype)
        found = values[self.at]
        found[self.missing] = 0
        return found


def gather(
    keys: NDArray[np.int32], values: NDArray[Number], wanted: NDArray[np.int32]
) -> NDArray[Number]:
    """``values`` at the positions where ascending ``keys`` hold ``wanted``, else 0."""
    return Positions.of(keys, wanted).read(values)


def distinct(arrays: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """The distinct values of ``arrays``, ascending; a third of ``np.unique``'s time."""
    merged = np.sort(np.concatenate(arrays))
    first = np.ones(len(merged), np.bool_)
    np.not_equal(merged[1:], merged[:-1], out=first[1:])
    return merged[first]


def top(
    scores: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.int32]:
    """Indices of the ``limit`` largest positive scores, in no order.

    ``allowed`` is applied before the cut: excluding afterwards would shorten the list.

    Args:
        scores: finite.
        limit: how many at most.
        allowed: which may be among them, all unless given.
    """
    left = scores
    if allowed is not None:
        left = allowed.astype(np.float32)  # numpy multiplies numbers of two types by the piece
        left *= scores
    found = _above(left, _least_of_top(left, limit))
    surplus = len(found) - limit
    if surplus > 0:
        found = found[left[found].argpartition(surplus - 1)[surplus:]]
    return found.astype(np.int32)


_STRIDES = 32
"""Scores of which one, the largest, stands for all in the search for the least of the top."""


def _least_of_top(scores: NDArray[np.float32], limit: int) -> np.float32:
    """A score that at least ``limit`` reach, 0 where it is not worth looking for one.

    The largest of every so many are as many different scores: ``limit`` of all reach what
    ``limit`` of those do. A dense vector is cut down to little more than its top by reading it
    twice, in a third of the time of partitioning it.
    """
    n_peaks = len(scores) // _STRIDES
    if n_peaks <= 2 * limit or limit < 1:
        return np.float32(0)
    peaks = np.maximum.reduce(scores[: n_peaks * _STRIDES].reshape(_STRIDES, n_peaks))
    peaks = peaks[peaks > 0]  # among many zeros numpy's partition takes ten times as long
    n_peaks = len(peaks)
    if n_peaks <= limit:
        return np.float32(0)
    peaks.partition(n_peaks - limit)
    least: np.float32 = peaks[n_peaks - limit]
    return least


def _above(scores: NDArray[np.float32], least: np.float32) -> NDArray[np.intp]:
    """Positions of positive scores that reach ``least``."""
    return (scores >= least if least > 0 else scores > 0).nonzero()[0]
