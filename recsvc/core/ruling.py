"""Rules as arrays of one assortment: looked up when they or the products change, not at a call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Catalogue, canonical_path
from recsvc.core.conditions import Occasion
from recsvc.core.diversity import traits_of
from recsvc.core.recommendation_id import Surface
from recsvc.core.rules import Effect, Rule, Rulebook, Selection
from recsvc.core.vocabulary import MISSING

Items = NDArray[np.int32]

MAX_ADDED = 20
"""Products of one pin that become candidates whatever the sources propose, the most popular."""


def _no_items() -> Items:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A rule with what it is about.

    Attributes:
        rule: the rule.
        position: of the rule in its book.
        items: int32, ascending: the selected products, at least one.
        codes: int32, shape ``(n_items,)``: what an at-most counts each product as,
            :data:`MISSING` what it does not count; empty for other rules.
    """

    rule: Rule
    position: int
    items: Items
    codes: Items

    def has(self, items: Items) -> NDArray[np.bool_]:
        """Bool, of the shape of ``items``: which of them are selected."""
        at = np.searchsorted(self.items, items)
        found: NDArray[np.bool_] = self.items[np.minimum(at, len(self.items) - 1)] == items
        return found


@dataclass(frozen=True, slots=True)
class Ruling:
    """The rules that hold for one list.

    Attributes:
        pins: by rising position.
        factors: boosts and buries.
        caps: at-mosts.
        exclusions: what must not be on the list.
        unreminded: int32: what must not be on it either, as no rule but a default says.
    """

    pins: tuple[Prepared, ...] = ()
    factors: tuple[Prepared, ...] = ()
    caps: tuple[Prepared, ...] = ()
    exclusions: tuple[Prepared, ...] = ()
    unreminded: Items = field(default_factory=_no_items)

    def __bool__(self) -> bool:
        return bool(self.pins or self.factors or self.caps or self.exclusions)

    @classmethod
    def of(cls, prepared: Sequence[Prepared]) -> Self:
        """Sort rules by what they do."""

        def having(*effects: Effect) -> tuple[Prepared, ...]:
            return tuple(each for each in prepared if each.rule.effect in effects)

        pins = sorted(having(Effect.PIN), key=lambda pin: pin.rule.position)
        return cls(
            tuple(pins),
            having(Effect.BOOST, Effect.BURY),
            having(Effect.AT_MOST),
            having(Effect.EXCLUDE),
        )

    def pins_any(self, items: Items) -> NDArray[np.bool_]:
        """Bool, of the shape of ``items``: which of them a pin selects."""
        found = np.zeros(len(items), np.bool_)
        for pin in self.pins:
            found |= pin.has(items)
        return found

    def pinned(self, allowed: NDArray[np.bool_], tie_rank: Items) -> Items:
        """What must be among the candidates, so that the pins find it.

        Args:
            allowed: bool, shape ``(n,)``: what may be on the list.
            tie_rank: int32, likewise: the more popular, the lower.
        """
        if not self.pins:
            return np.zeros(0, np.int32)
        found = []
        for pin in self.pins:
            items = pin.items[pin.items < len(allowed)]
            items = items[allowed[items]]
            if len(items) > MAX_ADDED:
                items = items[np.argpartition(tie_rank[items], MAX_ADDED)[:MAX_ADDED]]
            found.append(items)
        return np.unique(np.concatenate(found))


NO_RULING = Ruling()


@dataclass(frozen=True, slots=True)
class PreparedRules:
    """A rulebook with what each rule is about in one assortment.

    Attributes:
        book: the rules.
        rules: the same, prepared; those that select nothing here are left out.
        unreminded: int32: what is on no list of what is needed again.
        present: a bit for each of these, by its position in the book.
    """

    book: Rulebook
    rules: tuple[Prepared, ...]
    unreminded: Items = field(default_factory=_no_items)
    present: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "present", sum(1 << each.position for each in self.rules))

    @classmethod
    def of(cls, book: Rulebook, assortment: Assortment) -> Self:
        """Look all rules up."""
        codes: dict[str, Items] = {}
        prepared = []
        for position, rule in enumerate(book.rules):
            items = selected(rule.selection, assortment)
            if not len(items):
                continue
            own = np.zeros(0, np.int32)
            if rule.effect is Effect.AT_MOST:
                if rule.per not in codes:
                    codes[rule.per] = counted_as(rule.per, assortment.catalogue)
                own = np.full(len(assortment), MISSING, np.int32)
                own[items] = codes[rule.per][items]
            prepared.append(Prepared(rule, position, items, own))
        unreminded = _no_items() if book.sensitive_again else assortment.unnamed
        return cls(book, tuple(prepared), unreminded)

    def ruling(self, occasion: Occasion) -> Ruling:
        """The rules that hold."""
        ruling = NO_RULING
        if self.rules:
            held = self.book.conditions.hold(occasion) & self.present
            ruling = Ruling.of([each for each in self.rules if held >> each.position & 1])
        if occasion.surface is Surface.AGAIN and len(self.unreminded):
            return replace(ruling, unreminded=self.unreminded)
        return ruling

    def state(self, occasion: Callable[[], Occasion]) -> str:
        """Differs wherever other rules may hold, who and where left aside.

        Args:
            occasion: gives what they look at, if there are any.
        """
        if not self.rules:
            return self.book.version_id
        held = self.book.conditions.may_hold(occasion()) & self.present
        return f"{self.book.version_id}:{held:x}"


def selected(selection: Selection, assortment: Assortment) -> Items:
    """int32, ascending: the products that a selection means; all where it is empty."""
    if not selection.product_ids:
        matching = assortment.index.matching(selection.wanted)
        return np.flatnonzero(matching).astype(np.int32)
    items = np.sort(assortment.catalogue.items.indices(selection.product_ids))
    if selection.wanted:
        items = items[assortment.index.matching(selection.wanted)[items]]
    return items


def counted_as(per: str, catalogue: Catalogue) -> Items:
    """int32, shape ``(n_items,)``: equal for products that count as one kind, :data:`MISSING` none.

    Of several values of an attribute the first counts.
    """
    kind, _, detail = per.partition(":")
    if kind == "brand":
        return catalogue.brand
    if kind == "category" and not detail:
        return catalogue.category
    if kind == "category":
        levels = traits_of(catalogue)[:, :-1]  # the last one is the brand
        depth = int(detail)
        return levels[:, depth - 1] if depth <= levels.shape[1] else _nothing(catalogue)
    if kind == "attribute":
        return catalogue.attributes.first(detail)
    return np.zeros(len(catalogue), np.int32)


def _nothing(catalogue: Catalogue) -> Items:
    return np.full(len(catalogue), MISSING, np.int32)


def unknown_names(selection: Selection, assortment: Assortment) -> Mapping[str, list[str]]:
    """What a selection names and the catalogue does not have, by field; fields without left out."""
    index, catalogue, wanted = assortment.index, assortment.catalogue, selection.wanted
    found = {
        "product_ids": [
            name for name in selection.product_ids if catalogue.items.index(name) == MISSING
        ],
        "categories": [
            path for path in wanted.category_paths if canonical_path(path) not in index.categories
        ],
        "brands": [b for b in wanted.brands if b.strip().casefold() not in index.brands],
        "attributes": [n for n in wanted.attributes if n not in catalogue.attributes.names],
    }
    return {name: values for name, values in found.items() if values}
