"""How two models' lists of one customer differ: how much they share, what moves most, and why.

The service's own code makes the lists and puts their reasons into words, under the rules in force.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_check import rules_in_force
from recsvc.artifacts.rules_file import KIND
from recsvc.core.recommendation_id import Surface
from recsvc.core.ruling import PreparedRules
from recsvc.core.vocabulary import MISSING
from recsvc.errors import InputError
from recsvc.identity import customer_hash
from recsvc.service.answers import Answers
from recsvc.service.defaults import Defaults
from recsvc.service.inquiry import Inquiry
from recsvc.service.models import LoadedModel, load_model
from recsvc.service.questions import MAX_PAGE_SIZE, Item, Question
from recsvc.service.replay import listed
from recsvc.service.shopping import NO_DEEDS
from recsvc.service.situations import Asker
from recsvc.service.wording import Wording
from training.people import hashing_key
from training.replay import standing_of

DEPTHS = (10, 20)
"""Overlap is told of so many products."""
N_MOVERS = 3
"""Products that are named of those that rise, and of those that fall."""


@dataclass(frozen=True, slots=True)
class Move:
    """A product that stands elsewhere on the second list.

    Attributes:
        product_id: which; it is among the first 20 of one list at least.
        rank_a, rank_b: where each model has it, from 1; None beyond the first 100.
        why_a, why_b: the reason that each gives; ``""`` where it does not have it.
    """

    product_id: str
    rank_a: int | None
    rank_b: int | None
    why_a: str
    why_b: str

    @property
    def n_up(self) -> int:
        """How many places it rises from the first list to the second."""
        return (self.rank_a or MAX_PAGE_SIZE + 1) - (self.rank_b or MAX_PAGE_SIZE + 1)


@dataclass(frozen=True, slots=True)
class ListsOfCustomer:
    """One customer's two lists.

    Attributes:
        customer_id: whose.
        overlap: by depth the share of products that both lists hold.
        up, down: what moves most, the largest move first.
    """

    customer_id: str
    overlap: dict[int, float]
    up: tuple[Move, ...]
    down: tuple[Move, ...]


class ListComparison:
    """Two published models, asked the same of the same customers.

    Args:
        registry: has both, the rules and the ledger.
        refs: the two versions.
        defaults: what holds where the rules leave it open.

    Raises:
        NotFoundError: there is no such version.
        ArtifactError: one cannot be used.
    """

    def __init__(self, registry: Registry, refs: tuple[str, str], defaults: Defaults) -> None:
        self.models = tuple(load_model(registry, ref) for ref in refs)
        book = rules_in_force(registry.documents(KIND))
        self._rules = [PreparedRules.of(book, loaded.assortment) for loaded in self.models]
        self._standing = standing_of(registry)
        self._key = hashing_key(registry)
        self._defaults = defaults
        self._answers = Answers(Wording.load())
        self._now = max(loaded.model.data_end for loaded in self.models)

    def sample(self, n_customers: int, seed: int = 0) -> list[str]:
        """Some customers that both models know; the same ones each time.

        Raises:
            InputError: there are none who may be known.
        """
        a, b = (loaded.model.customers for loaded in self.models)
        order = np.random.default_rng(seed).permutation(len(a)).tolist()
        found: list[str] = []
        for index in order:
            customer_id = a.ids[index]
            if b.index(customer_id) != MISSING and self._may_ask(customer_id):
                found.append(customer_id)
            if len(found) == n_customers:
                break
        if not found:
            raise InputError(
                "--customers: the two models have no customer in common who may be known; name "
                "some with --customer"
            )
        return found

    def of(self, customer_id: str) -> ListsOfCustomer:
        """Compare the lists of one customer.

        Raises:
            InputError: no model knows the customer, or they may not be known.
        """
        is_known = any(m.model.customers.index(customer_id) != MISSING for m in self.models)
        if not is_known or not self._may_ask(customer_id):
            raise InputError(
                f"--customer {customer_id}: neither model knows that customer, or the customer "
                "was erased or does not consent to being known"
            )
        lists = [
            {item.product_id: item for item in self._list(loaded, rules, customer_id)}
            for loaded, rules in zip(self.models, self._rules, strict=True)
        ]
        moves = [_move(product_id, *lists) for product_id in _near_the_top(lists)]
        up = sorted((m for m in moves if m.n_up > 0), key=lambda m: (-m.n_up, m.rank_b or 0))
        down = sorted((m for m in moves if m.n_up < 0), key=lambda m: (m.n_up, m.rank_a or 0))
        overlap = {depth: _overlap(lists, depth) for depth in DEPTHS}
        return ListsOfCustomer(customer_id, overlap, tuple(up[:N_MOVERS]), tuple(down[:N_MOVERS]))

    def _may_ask(self, customer_id: str) -> bool:
        shopper = customer_hash(self._key, customer_id)
        learnt = min(loaded.learnt.ledger for loaded in self.models)
        return self._standing.allows(shopper) and self._standing.is_heeded(shopper, learnt)

    def _list(
        self, loaded: LoadedModel, rules: PreparedRules, customer_id: str
    ) -> tuple[Item, ...]:
        question = Question(
            customer_id=customer_id,
            size=MAX_PAGE_SIZE,
            as_of_time=self._now,
            explain=True,
        )
        question = self._defaults.settled(
            question, rules.book, Surface.RECOMMEND, buys_again=loaded.model.buys_again
        )
        asker = Asker(customer_id)
        inquiry = Inquiry(question, asker, loaded, 0.0, 0.0, rules, Surface.RECOMMEND)
        withdrawn = loaded.assortment.catalogue.items.indices(self._standing.withdrawn)
        situation = inquiry.situation(NO_DEEDS, self._now, withdrawn)
        return listed(inquiry, situation, self._answers, unnamed=withdrawn).items


def _near_the_top(lists: Sequence[dict[str, Item]]) -> Iterator[str]:
    top = [list(one)[: max(DEPTHS)] for one in lists]
    yield from dict.fromkeys(product_id for one in top for product_id in one)


def _move(product_id: str, a: dict[str, Item], b: dict[str, Item]) -> Move:
    items = (a.get(product_id), b.get(product_id))
    rank_a, rank_b = (item.rank if item else None for item in items)
    why_a, why_b = (item.reason.text if item and item.reason else "" for item in items)
    return Move(product_id, rank_a, rank_b, why_a, why_b)


def _overlap(lists: Sequence[dict[str, Item]], depth: int) -> float:
    a, b = (list(one)[:depth] for one in lists)
    return len(set(a) & set(b)) / max(len(a), len(b), 1)


def lists_json(found: Sequence[ListsOfCustomer]) -> dict[str, Any]:
    """What was found, for a program."""
    return {
        "overlap": {
            str(depth): round(float(np.mean([each.overlap[depth] for each in found])), 4)
            for depth in DEPTHS
        },
        "lists": [asdict(each) for each in found],
    }


def lists_lines(found: Sequence[ListsOfCustomer]) -> list[str]:
    """The same for people."""
    lines = []
    for each in found:
        shared = ", ".join(f"{share:.0%} of {depth}" for depth, share in each.overlap.items())
        lines += ["", f"{each.customer_id}: both lists share {shared}"]
        for word, moves in (("up", each.up), ("down", each.down)):
            lines += [
                f"  {word:5}{_place(move.rank_a):>5} -> {_place(move.rank_b):<5}{move.product_id}\n"
                f"          A: {move.why_a or 'not on it'}\n"
                f"          B: {move.why_b or 'not on it'}"
                for move in moves
            ]
    overlap = lists_json(found)["overlap"]
    mean = ", ".join(f"{share:.1%} of {depth}" for depth, share in overlap.items())
    return [f"mean over {len(found):,} customers: both lists share {mean}", *lines]


def _place(rank: int | None) -> str:
    return "-" if rank is None else str(rank)
