"""The windows of a run: what the rankers learn from, what judges them, what is reported."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from training.evaluate import target_customers
from training.interactions import Interactions
from training.settings import TrainingSettings
from training.split import HoldOut, Split, hold_out, last_orders, random_fifth, window_seconds

TRAIN_SHARE, GUARD_SHARE = 0.6, 0.15
"""Where there are no times: shares of the customers that windows are made of; the rest test."""

MIN_HISTORY = 0.5
"""Share of the data's span that the first window leaves to learn from, at least."""

FEW_RETURNING, SMALL_SHARE = 100, 0.05
"""Fewer customers than both, the number and the share of all, who come back within the window that
decides do not speak for the others, nor do they teach enough (docs/decisions/0027-last-orders.md).
"""

LAST_SHARE = 0.1
"""Share of a customer's orders that is a window, where hardly anybody comes back within one."""


Cut = Callable[[Interactions, set["Role"]], HoldOut]
"""Holds out what windows of some roles ask for."""


class Role(StrEnum):
    """What a window is for."""

    TRAIN = "train"
    GUARD = "guard"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Window:
    """One hold-out and the customers that are asked about it.

    Attributes:
        held_out: what was known, and what was bought next.
        customers: int32, customers with a target, ascending.
        roles: what it is for.
    """

    held_out: HoldOut
    customers: NDArray[np.int32]
    roles: frozenset[Role]

    @property
    def teaches(self) -> bool:
        """Whether rankers may learn from it: not from the future, nor from a file of tests."""
        return self.held_out.method not in {Split.LAST_BASKET, Split.GIVEN}


def plan(
    interactions: Interactions, settings: TrainingSettings, test: HoldOut | None = None
) -> list[Window]:
    """Windows in the order in which they are used.

    With times each is later than the one before: the rankers learn on the first ones, a later
    one decides which of them serves, and the last one is reported. Where hardly anybody comes back
    within a window, each is the last orders of every customer, before those of the next window.
    Without times nothing is later, and the customers are shared out instead: no customer judges
    what was learnt on it.

    Args:
        interactions: all that the run may learn from.
        settings: of the run; their ``split`` cuts what judges. What teaches is cut by time all the
            same, where enough come back: rankers that had seen the future would trust it.
        test: a cut that was made elsewhere, of all ``interactions`` and what followed. It is
            reported, and decides nothing.

    Raises:
        InputError: last orders are asked for of data without times.
    """
    tests = [] if test is None else [_window(test, {Role.TEST}, settings)]
    split = Split(settings.split)
    judges = [{Role.GUARD}] if tests else [{Role.GUARD}, {Role.TEST}]
    if not (settings.separate_guard or tests):
        judges = [{Role.GUARD, Role.TEST}]
    if not interactions.can_be_cut and split is Split.TEMPORAL:
        return [*_by_customer(interactions, judges, settings), *tests]
    seconds = window_seconds(interactions, settings.window_days)
    room = MIN_HISTORY * (interactions.end - interactions.start) / max(seconds, 1.0)
    n_train = max(1, min(settings.n_windows, round(room) - len(judges)))

    def at_the_end(rest: Interactions, roles: set[Role]) -> HoldOut:
        cut = Split.TEMPORAL if Role.TRAIN in roles else split
        return hold_out(rest, seconds, settings.seed, cut)

    in_turn = [{Role.TRAIN}] * n_train + judges
    windows = _one_after_another(interactions, in_turn, at_the_end, settings)
    enough = min(FEW_RETURNING, SMALL_SHARE * len(interactions.customers), settings.judge_customers)
    if _n_judges(windows) < enough:
        in_turn = [{Role.TRAIN}] * settings.n_windows + judges
        of_each = _one_after_another(
            interactions, in_turn, lambda rest, _: last_orders(rest, LAST_SHARE), settings
        )
        if _n_judges(of_each) > _n_judges(windows):
            windows = of_each
    return [*windows, *tests]


def _one_after_another(
    interactions: Interactions, in_turn: list[set[Role]], cut: Cut, settings: TrainingSettings
) -> list[Window]:
    """Windows of these roles: the last of them is cut off first, the next off what is left."""
    rest = interactions
    windows: list[Window] = []
    for roles in reversed(in_turn):
        held_out = cut(rest, roles)
        windows.append(_window(held_out, roles, settings))
        rest = held_out.history
    return windows[::-1]


def _n_judges(windows: list[Window]) -> int:
    """Customers of the window that decides."""
    return next(len(window.customers) for window in windows if Role.GUARD in window.roles)


def _window(held_out: HoldOut, roles: set[Role], settings: TrainingSettings) -> Window:
    """A hold-out with as many of its customers as its roles need."""
    at_most = settings.train_customers if Role.TRAIN in roles else settings.judge_customers
    customers = target_customers(held_out.targets(), at_most, settings.seed)
    return Window(held_out, customers, frozenset(roles))


def _by_customer(
    interactions: Interactions, judges: list[set[Role]], settings: TrainingSettings
) -> list[Window]:
    n_lists = 2 if interactions.buys_again else 1  # of a customer
    at_most = max(1, settings.untimed_lists // n_lists)
    # Few customers teach again and again: each time another fifth of what they bought.
    n_teachers = max(1, int(TRAIN_SHARE * len(interactions.customers)))
    n_times = max(1, min(settings.n_windows, settings.train_customers // n_teachers))
    fifths = [random_fifth(interactions, settings.seed + n) for n in range(n_times)]
    customers = target_customers(fifths[-1].targets())
    shuffled = np.random.default_rng(settings.seed).permutation(customers)
    cuts = np.cumsum([TRAIN_SHARE, GUARD_SHARE]) * len(shuffled)
    train, *shares = np.split(shuffled, cuts.astype(np.int64))
    if len(judges) == 1:
        shares = [np.concatenate(shares)]
    taught = np.sort(train[:at_most])
    return [
        *(Window(fifth, taught, frozenset({Role.TRAIN})) for fifth in fifths),
        *(
            Window(fifths[-1], np.sort(drawn[: settings.judge_customers]), frozenset(roles))
            for roles, drawn in zip(judges, shares, strict=True)
        ),
    ]
