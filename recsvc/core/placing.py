"""What rules do with the candidates of one list: pins, boosts and buries, at-mosts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsvc.core.rules import Effect
from recsvc.core.ruling import Prepared, Ruling
from recsvc.core.vocabulary import MISSING

Items = NDArray[np.int32]
Scores = NDArray[np.float32]
Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pin:
    """A product that has its place.

    Attributes:
        place: on this page, from 0; beyond its end on a later one.
        candidate: position among the candidates.
        rule_id: whose it is.
    """

    place: int
    candidate: int
    rule_id: str


def pins_of(ruling: Ruling, items: Items, n_shown: int) -> list[Pin]:
    """The products of all pins, by rising place.

    Each pin takes the best that it selects and no other has taken, and where its place is taken the
    next one.

    Args:
        ruling: the rules.
        items: int32, shape ``(n,)``: the candidates, the best first.
        n_shown: products on the pages before; what had its place there had it.
    """
    pins: list[Pin] = []
    free = np.ones(len(items), np.bool_)
    for pin in ruling.pins:
        place = pin.rule.position - 1 - n_shown
        found = np.flatnonzero(pin.has(items) & free)
        if place < 0 or not len(found):
            continue
        free[found[0]] = False
        if pins:
            place = max(place, pins[-1].place + 1)
        pins.append(Pin(place, int(found[0]), pin.rule.rule_id))
    return pins


def factored(
    order: Positions, items: Items, scores: Scores, factors: tuple[Prepared, ...]
) -> tuple[Positions, Scores]:
    """Candidates as boosts and buries turn them, and the scores that belong to their places.

    A boost by 3 lets a product stand where it would with a third of its rank: the 30th competes
    with the 10th, and comes after it. After a bury by 3 the 10th comes after the 30th. Whatever
    the model and its scores are, anybody can tell what comes of it.

    Args:
        order: the candidates, the best first.
        items: int32: their items.
        scores: float32: theirs.
        factors: the rules.
    """
    ranks = np.arange(1, len(order) + 1, dtype=np.float64)
    turned_ranks = ranks.copy()
    for each in factors:
        factor = each.rule.factor if each.rule.effect is Effect.BURY else 1 / each.rule.factor
        turned_ranks[each.has(items[order])] *= factor
    if not factors or not len(order):
        return order, scores[order]
    at = np.lexsort((turned_ranks != ranks, turned_ranks))
    values: Scores = np.interp(turned_ranks[at], ranks, scores[order]).astype(np.float32)
    return order[at], values


class Cap:
    """How many more of each kind an at-most lets through.

    Args:
        cap: the rule.
        items: int32, shape ``(n,)``: the candidates that places are filled with.
        shown: int32: items of the pages before, the first first.
        candidates: int32: the items of all candidates.
        places: candidates of the pins by their place on this page; they count before any other,
            whichever place they have.
    """

    def __init__(
        self, cap: Prepared, items: Items, shown: Items, candidates: Items, places: dict[int, int]
    ) -> None:
        self.rule_id = cap.rule.rule_id
        self.ends = cap.rule.first - len(shown)
        self.kept_back = False
        self.full = np.zeros(len(items), np.bool_)
        self._limit = cap.rule.limit
        self._kinds = cap.codes[items]
        pinned = [at for place, at in places.items() if place < self.ends]
        before = np.concatenate([shown[: cap.rule.first], candidates[pinned]])
        kinds, counts = np.unique(cap.codes[before], return_counts=True)
        self._counts = dict(zip(kinds.tolist(), counts.tolist(), strict=True))
        for kind in kinds.tolist():
            self._close(kind)

    def count(self, at: int) -> None:
        """Let one through, the candidate at ``at``."""
        kind = int(self._kinds[at])
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self._close(kind)

    def _close(self, kind: int) -> None:
        if kind != MISSING and self._counts[kind] >= self._limit:
            self.full |= self._kinds == kind


def took_part(
    best: Positions, rest: Positions, turned: Positions, items: Items, ruling: Ruling
) -> tuple[list[tuple[str, ...]], set[str]]:
    """For each place the boosts and buries that moved its product, and all that moved any.

    Args:
        best: the list.
        rest: the candidates beside the pins, as the model ranks them.
        turned: the same, as boosts and buries turn them.
        items: int32: items of all candidates.
        ruling: the rules.
    """
    n = len(items)
    before, after = np.full(n, MISSING), np.full(n, MISSING)
    before[rest], after[turned] = np.arange(len(rest)), np.arange(len(turned))
    is_listed = np.zeros(n, np.bool_)
    is_listed[best] = True
    is_lost = (before != MISSING) & (before < len(best)) & ~is_listed
    names: list[list[str]] = [[] for _ in best]
    applied = set()
    for each in ruling.factors:
        is_moved = each.has(items) & (before != after)
        for place in np.flatnonzero(is_moved[best]).tolist():
            names[place].append(each.rule.rule_id)
        if (is_moved & (is_listed | is_lost)).any():
            applied.add(each.rule.rule_id)
    return [tuple(each) for each in names], applied
