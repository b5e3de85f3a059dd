"""The windows of a run: what the rankers learn from, what judges them, what is reported."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from training.evaluate import target_customers
from training.interactions import Interactions
from training.settings import TrainingSettings
from training.split import HoldOut, Split, hold_out, random_fifth, window_seconds

TRAIN_SHARE, GUARD_SHARE = 0.6, 0.15
"""Where there are no times: shares of the customers that windows are made of; the rest test."""

MIN_HISTORY = 0.5
"""Share of the data's span that the first window leaves to learn from, at least."""


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
    one decides which of them serves, and the last one is reported. Without times nothing is
    later, and the customers are shared out instead: no customer judges what was learnt on it.

    Args:
        interactions: all that the run may learn from.
        settings: of the run; their ``split`` cuts what judges. What teaches is cut by time
            always: rankers that had seen the future would trust it.
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
    rest = interactions
    windows: list[Window] = []
    for roles in reversed([{Role.TRAIN}] * n_train + judges):
        cut = Split.TEMPORAL if Role.TRAIN in roles else split
        held_out = hold_out(rest, seconds, settings.seed, cut)
        windows.append(_window(held_out, roles, settings))
        rest = held_out.history
    return [*reversed(windows), *tests]


def _window(held_out: HoldOut, roles: set[Role], settings: TrainingSettings) -> Window:
    """A hold-out with as many of its customers as its roles need."""
    at_most = settings.train_customers if Role.TRAIN in roles else settings.judge_customers
    customers = target_customers(held_out.targets(), at_most, settings.seed)
    return Window(held_out, customers, frozenset(roles))


def _by_customer(
    interactions: Interactions, judges: list[set[Role]], settings: TrainingSettings
) -> list[Window]:
    # Where nothing is bought twice a customer gives one list to learn from, and else two.
    n_lists = settings.train_customers * settings.n_windows * (1 if interactions.buys_again else 2)
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
    taught = np.sort(train[:n_lists])
    return [
        *(Window(fifth, taught, frozenset({Role.TRAIN})) for fifth in fifths),
        *(
            Window(fifths[-1], np.sort(drawn[: settings.judge_customers]), frozenset(roles))
            for roles, drawn in zip(judges, shares, strict=True)
        ),
    ]
