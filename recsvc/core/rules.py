"""What a shop wants of its lists beside what the model thinks best."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.condition_index import ConditionIndex
from recsvc.core.conditions import Conditions
from recsvc.core.diversity import Diversity
from recsvc.core.recommendation_id import Surface


class Effect(StrEnum):
    """What a rule does with the products that it selects."""

    PIN = "pin"
    BOOST = "boost"
    BURY = "bury"
    AT_MOST = "at_most"
    EXCLUDE = "exclude"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which products a rule is about: those that meet everything given.

    Attributes:
        product_ids: one of these; empty is any.
        wanted: category, brand, price and attributes.
    """

    product_ids: tuple[str, ...] = ()
    wanted: CatalogueFilter = field(default_factory=CatalogueFilter)

    def __bool__(self) -> bool:
        return bool(self.product_ids) or bool(self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        rule_id: its name.
        effect: what it does.
        selection: with which products.
        conditions: when.
        position: of a pin, from 1.
        factor: of a boost or a bury, above 1.
        limit: of an at-most.
        first: within so many products of a list.
        per: what an at-most counts by: ``""`` all that are selected together, ``category:N`` their
            N uppermost names, ``category`` the whole path, ``brand``, ``attribute:NAME``.
        says: of a pin, why it is there, by language.
    """

    rule_id: str
    effect: Effect
    selection: Selection = field(default_factory=Selection)
    conditions: Conditions = field(default_factory=Conditions)
    position: int = 0
    factor: float = 1.0
    limit: int = 0
    first: int = 0
    per: str = ""
    says: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules of a shop.

    Attributes:
        version_id: ``""`` where there are none.
        rules: the first one wins where two want the same place.
        in_stock_only, exclude_purchased, diversity: where a question leaves it open; None leaves it
            to the service, and to what its model has seen.
        sensitive_again: whether sensitive products are on the lists of what is needed again.
        conditions: when each rule holds, by its position.
    """

    version_id: str = ""
    rules: tuple[Rule, ...] = ()
    in_stock_only: bool | None = None
    exclude_purchased: bool | None = None
    diversity: Diversity | None = None
    sensitive_again: bool = True
    conditions: ConditionIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = ConditionIndex.of([rule.conditions for rule in self.rules])
        object.__setattr__(self, "conditions", index)

    def only_new(self, surface: Surface, *, buys_again: bool) -> bool:
        """Whether a list leaves out what was bought, where its question leaves that open.

        Args:
            surface: the kind of list; what is needed again was bought before, whatever the rules
                say of other lists.
            buys_again: whether the shop's customers come back for a product. Where they do not,
                and the rules do not say, lists leave it out.
        """
        if surface is Surface.AGAIN:
            return False
        return not buys_again if self.exclude_purchased is None else self.exclude_purchased


NO_RULES = Rulebook()
