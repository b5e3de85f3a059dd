"""Rules that cannot all be meant: two of one name, pins that want one place at one time."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import TypeAlias

from recsvc.artifacts.rules_file import RulePart
from recsvc.core.conditions import Conditions, Hours
from recsvc.core.rules import Effect, Rule

Fault: TypeAlias = tuple[tuple[int | str, ...], str]
"""Where in a file something is wrong, as keys and indices from its root down; and what."""


def contradictions(parts: Sequence[RulePart]) -> Iterator[Fault]:
    """Find rules of one name, and for each pin the first one before it that it contradicts."""
    names: set[str] = set()
    to_position: dict[int, list[Rule]] = defaultdict(list)
    of_product: dict[str, list[Rule]] = defaultdict(list)
    for number, part in enumerate(parts):
        if part.rule_id in names:
            yield ("rules", number, "rule_id"), "is the name of a rule above; rename it"
        names.add(part.rule_id)
        if part.action is not Effect.PIN:
            continue
        pin, why = part.rule(), ""
        rivals, twins = to_position[pin.position], list[Rule]()
        if len(pin.selection.product_ids) == 1:
            twins = of_product[pin.selection.product_ids[0]]
        if other := _first(rivals, pin):
            why = (
                f"pins to place {pin.position} as {other.rule_id!r} does, at times when both hold; "
                "give another position"
            )
        elif other := _first([twin for twin in twins if twin.selection == pin.selection], pin):
            why = f"pins the product of {other.rule_id!r} to another place; leave one out"
        if why:
            yield ("rules", number, "position"), why
        rivals.append(pin)
        twins.append(pin)


def _first(pins: Sequence[Rule], pin: Rule) -> Rule | None:
    """The first of some pins that may hold when another one does."""
    return next((one for one in pins if may_coincide(one.conditions, pin.conditions)), None)


def may_coincide(one: Conditions, other: Conditions) -> bool:
    """Whether there may be a moment and a shopper for which both hold.

    A shopper may be in two segments, so these keep no rules apart.
    """
    return (
        _may_share(one.surfaces, other.surfaces)
        and _may_share(one.channels, other.channels)
        and _may_share(one.placement_ids, other.placement_ids)
        and _may_share(one.stages, other.stages)
        and (one.hours is None or other.hours is None or not _are_apart(one.hours, other.hours))
        # Last: of all these, places alone may be many.
        and (not one.places or not other.places or one.places.may_meet(other.places))
    )


def _may_share(some: frozenset[Hashable], others: frozenset[Hashable]) -> bool:
    return not some or not others or not some.isdisjoint(others)


def _are_apart(one: Hours, other: Hours) -> bool:
    """Whether no moment is among both, as far as is easily told."""
    if one.ends <= other.starts or other.ends <= one.starts:
        return True
    if not _may_share(one.days, other.days):
        return True
    # The clock alone keeps two apart within a day, and of one zone.
    if one.zone is not other.zone or one.opens >= one.closes or other.opens >= other.closes:
        return False
    return one.closes <= other.opens or other.closes <= one.opens
