"""One list is made at a time."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from recsvc.service.making import FIRST_COST_SECONDS, SAFETY, ListMaker
from recsvc.service.questions import Question

NOW = 100.0
NEEDED = SAFETY * FIRST_COST_SECONDS


@dataclass
class Asked:
    """As much of an ``Inquiry`` as is looked at."""

    deadline: float = NOW + 60
    question: Question = field(default_factory=Question)


@pytest.fixture
def maker() -> ListMaker:
    nothing: Any = None  # no list is made here
    return ListMaker(nothing, nothing, nothing)


def taken(maker: ListMaker, stack: ExitStack, deadline: float = NOW + 60) -> bool:
    """Whether there is a place, which is kept as long as the stack."""
    asked: Any = Asked(deadline)
    return stack.enter_context(maker.place(asked, NOW))


def test_one_is_made_at_a_time(maker: ListMaker) -> None:
    """Who has no time to wait for a place lacks the time for the list."""
    with ExitStack() as stack:
        assert taken(maker, stack)
        assert not taken(maker, stack, NOW + NEEDED + 0.001)
    with ExitStack() as stack:
        assert taken(maker, stack, NOW + NEEDED + 0.001)


def test_who_has_time_waits_for_a_place(maker: ListMaker) -> None:
    waited: list[bool] = []

    def wait() -> None:
        with ExitStack() as inner:
            waited.append(taken(maker, inner))

    with ExitStack() as stack:
        taken(maker, stack)
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert not waited
    for thread in threads:
        thread.join(10)
    assert waited == [True] * len(threads)


def test_who_lacks_the_time_takes_no_place(maker: ListMaker) -> None:
    """And leaves none behind."""
    with ExitStack() as stack:
        for _ in range(10):
            assert not taken(maker, stack, NOW + NEEDED - 0.001)
        assert taken(maker, stack)


def test_a_list_that_fails_gives_its_place_back(maker: ListMaker) -> None:
    asked: Any = Asked()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), maker.place(asked, NOW):
            raise ZeroDivisionError
