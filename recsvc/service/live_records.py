"""What shoppers did of late, as far as it is held: events that wait, and deeds of live profiles.

An event leaves the log when it is collected; what it did to lists stays in the live profile.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from recsvc.service.shopping import Deed, Event, Line, Shopper


def held(events: Iterable[Event], deeds: Sequence[tuple[Shopper, Deed]]) -> Iterator[Event]:
    """Every event that waits, and then what else the live profiles hold.

    Args:
        events: those that wait to be collected.
        deeds: what profiles hold, and of whom. Read them first: what is collected between the two
            is then not missed.

    Returns:
        The events as they are; then each deed that none of them tells, as an event of which
        nobody knows the id, the order and the prices any more.
    """
    untold = Counter(_what(deed.act, deed.time, deed.products) for _, deed in deeds)
    for event in events:
        what = _what(event.act, int(event.time), tuple(line.product_id for line in event.lines))
        if what in untold:
            untold[what] -= 1
        yield event
    for shopper, deed in deeds:
        what = _what(deed.act, deed.time, deed.products)
        if untold[what] > 0:
            untold[what] -= 1
            yield _event(shopper, deed)


def _what(act: int, time: int, products: tuple[str, ...]) -> tuple[int, int, tuple[str, ...]]:
    """What tells events apart; when one was received changes where a visitor's is handed over."""
    return int(act), time, products


def _event(shopper: Shopper, deed: Deed) -> Event:
    return Event(
        event_id="",
        act=deed.act,
        shopper=shopper,
        time=float(deed.time),
        lines=tuple(map(Line, deed.products, deed.quantities)),
        location=deed.location,
        rating=deed.rating or None,
    )
