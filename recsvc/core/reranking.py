"""From candidates with scores to a list: the last stage, for every kind of list.

In this order::

    scores -> pins taken out -> one of each group -> boosts and buries -> filled from the top:
              at each place its pin, else the best that no at-most keeps back, varied if asked

Each page goes on where the pages before it ended: what they showed counts as if it stood above.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.diversity import Diversity, Likeness
from recsvc.core.mixing import PENALTIES, Mixer
from recsvc.core.placing import Cap, factored, pins_of, took_part
from recsvc.core.ranking import best_first
from recsvc.core.ruling import NO_RULING, Ruling

Items = NDArray[np.int32]
Scores = NDArray[np.float32]
Positions = NDArray[np.intp]


def _no_items() -> Items:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a list has to be, whatever the scores.

    Attributes:
        size: products at most.
        shown: int32, items of the pages before, the first first.
        diversity: how varied.
        ruling: the shop's rules that hold.
    """

    size: int
    shown: Items = field(default_factory=_no_items)
    diversity: Diversity = Diversity.NONE
    ruling: Ruling = NO_RULING


@dataclass(frozen=True, slots=True)
class Listed:
    """What is on a list.

    Attributes:
        best: positions among the candidates, the first first.
        rules: for each place the ids of the rules that moved its product there; empty where no
            rules hold.
        picked: places, from 0, of the products that a pin put there.
        applied: ids of the rules that touched the list.
    """

    best: Positions
    rules: tuple[tuple[str, ...], ...] = ()
    picked: tuple[int, ...] = ()
    applied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reranker:
    """Makes lists of the products of one assortment.

    Attributes:
        assortment: the products.
        likeness: how alike they are.
        tie_rank: int32, shape ``(n_items,)``: of two products with one score the lower one's comes
            first.
    """

    assortment: Assortment
    likeness: Likeness
    tie_rank: Items

    def listed(self, items: Items, scores: Scores, form: Form) -> Listed:
        """Choose what to show.

        Args:
            items: int32, shape ``(n,)``, the candidates: distinct, allowed, none of ``form.shown``.
            scores: float32, shape ``(n,)``.
            form: of the list.
        """
        order = best_first(scores, [self.tie_rank[items]])
        ruling = form.ruling
        if not ruling and form.diversity is Diversity.NONE:
            return Listed(self._one_of_each_group(order, items)[: form.size])
        pins = pins_of(ruling, items[order], len(form.shown))
        pinned = order[[pin.candidate for pin in pins]]
        rest = self._one_of_each_group(self._beside(order, items, pinned), items)
        turned, values = factored(rest, items, scores, ruling.factors)
        places = {pin.place: at for pin, at in zip(pins, pinned.tolist(), strict=True)}
        caps = [Cap(cap, items[turned], form.shown, items, places) for cap in ruling.caps]
        best = self._filled(turned, values, items, form, places, caps)
        if not ruling:
            return Listed(best)
        rules, applied = took_part(best, rest, turned, items, ruling)
        names = {at: pin.rule_id for pin, at in zip(pins, pinned.tolist(), strict=True)}
        picked = [place for place, at in enumerate(best.tolist()) if at in names]
        for place in picked:
            rules[place] = (names[int(best[place])],)
        applied |= {name for at, name in names.items() if at in best}
        applied |= {cap.rule_id for cap in caps if cap.kept_back}
        applied |= {exclusion.rule.rule_id for exclusion in ruling.exclusions}
        return Listed(best, tuple(rules), tuple(picked), tuple(sorted(applied)))

    def _beside(self, order: Positions, items: Items, pinned: Positions) -> Positions:
        """The others, and none that shares a group with one of ``pinned``."""
        if not len(pinned):
            return order
        return order[~np.isin(items[order], self.assortment.with_variants(items[pinned]))]

    def _one_of_each_group(self, order: Positions, items: Items) -> Positions:
        if not len(self.assortment.groups):
            return order
        return order[self.assortment.one_of_each_group(items[order])]

    def _filled(  # what is filled in, and all that has a say in it
        self,
        turned: Positions,
        values: Scores,
        items: Items,
        form: Form,
        places: dict[int, int],
        caps: list[Cap],
    ) -> Positions:
        """The list, place by place; ``places`` are those of the pins."""
        pinned = np.array(list(places.values()), np.intp)
        penalty = PENALTIES[form.diversity]
        mixer = Mixer(self.likeness, form.shown, items[pinned], items[turned], values, penalty)
        at_pin = {at: number for number, at in enumerate(pinned.tolist())}
        best: list[int] = []
        waiting = dict(sorted(places.items()))
        for place in range(form.size):
            if place in waiting:
                best.append(waiting.pop(place))
                mixer.put_pin(at_pin[best[-1]])
                continue
            in_force = [cap for cap in caps if place < cap.ends]
            chosen = mixer.best()
            barring = [cap for cap in in_force if chosen is not None and cap.full[chosen]]
            for cap in barring:
                cap.kept_back = True
            if barring:
                chosen = mixer.best(np.any([cap.full for cap in in_force], axis=0))
            if chosen is None:
                break
            mixer.put(chosen)
            for cap in in_force:
                cap.count(chosen)
            best.append(int(turned[chosen]))
        # Where the list ends before it, a pin comes last.
        best += list(waiting.values())[: form.size - len(best)]
        return np.array(best, np.intp)
