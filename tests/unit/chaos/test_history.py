"""What ``make chaos`` calls lost, twice, or wiped."""

import polars as pl

from tests.chaos.deeds import Sent
from tests.chaos.history import Span, check


def rows(*events: str, customer_id: str = "anna") -> pl.DataFrame:
    return pl.DataFrame({"event_id": events, "customer_id": [customer_id] * len(events)})


def test_what_was_acknowledged_must_be_there_once() -> None:
    sent = [Sent(name, 1.0, 2.0) for name in ("one", "two", "three")]
    found = check(sent, rows("one", "three", "three"), [], [], [])
    assert (found.n_acknowledged, found.n_found) == (3, 2)
    assert (found.lost, found.twice) == (("two",), ("three",))
    assert (found.n_wiped, found.n_repeated_after_wipe) == (0, 0)


def test_only_what_had_not_been_collected_may_be_wiped() -> None:
    """A run that ended before the wipe has all that came in a second before it began."""
    wipe, collected = Span(20.0, 20.5), Span(10.0, 12.0)
    sent = [
        Sent("collected", 8.0, 8.9),
        Sent("just missed", 8.0, 9.1),
        Sent("waiting", 19.0, 19.1),
        Sent("after it", 20.6, 20.7),
    ]
    later = Span(15.0, 21.0)  # killed by the wipe, as likely as not
    found = check(sent, rows("other"), [wipe], [collected, later], [])
    assert found.lost == ("collected", "after it")
    assert found.n_wiped == 2


def test_what_was_sent_again_across_a_wipe_may_count_twice() -> None:
    """Redis had forgotten that it had it; the client could not know."""
    wipe = Span(20.0, 20.5)
    sent = [Sent("across", 19.0, 21.0), Sent("before", 18.0, 19.0)]
    found = check(sent, rows("across", "across", "before", "before"), [wipe], [], [])
    assert found.twice == ("before",)
    assert found.n_repeated_after_wipe == 1


def test_rows_of_who_was_erased_are_counted() -> None:
    found = check([], rows("one", "two"), [], [], ["anna"])
    assert found.n_erased_rows == 2
    assert check([], rows("one"), [], [], ["ben"]).n_erased_rows == 0
