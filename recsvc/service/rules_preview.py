"""What rules would change before they are in force: customers' lists with and without them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsvc.core.conditions import Occasion
from recsvc.core.lists import Ranking
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommendation_id import Surface
from recsvc.core.recommender import Recommender
from recsvc.core.rules import Rulebook
from recsvc.core.ruling import PreparedRules
from recsvc.service.defaults import Defaults

N_NAMED = 10
"""Products that a preview names, those that come and go most."""


@dataclass(slots=True)
class RuleEffect:
    """What one rule does.

    Attributes:
        n_lists: lists that it touches.
        n_moved: products that it moves to where they are.
        n_in: those of them that would not be on the list otherwise.
    """

    n_lists: int = 0
    n_moved: int = 0
    n_in: int = 0


@dataclass(slots=True)
class Preview:
    """What changes from one set of rules to another.

    Attributes:
        n_lists: how many were made.
        n_changed: of them, with other products or in another order.
        n_shorter: of them, with fewer products.
        came, went: by product id, lists that it comes onto and leaves.
        rules: by id, of the new rules.
        given_up: for each list what its products' mean score falls by, in deviations of the scores
            on the list before.
    """

    n_lists: int = 0
    n_changed: int = 0
    n_shorter: int = 0
    came: Counter[str] = field(default_factory=Counter)
    went: Counter[str] = field(default_factory=Counter)
    rules: dict[str, RuleEffect] = field(default_factory=dict)
    given_up: list[float] = field(default_factory=list)

    @property
    def mean_score_given_up(self) -> float:
        """Over all lists."""
        return float(np.mean(self.given_up)) if self.given_up else 0.0

    def to_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "lists": self.n_lists,
            "changed": self.n_changed,
            "shorter": self.n_shorter,
            "mean_score_given_up": round(self.mean_score_given_up, 4),
            "came": dict(self.came.most_common(N_NAMED)),
            "went": dict(self.went.most_common(N_NAMED)),
            "rules": {
                rule_id: {"lists": each.n_lists, "moved": each.n_moved, "in": each.n_in}
                for rule_id, each in self.rules.items()
            },
        }


def preview(
    recommender: Recommender,
    before: Rulebook,
    after: Rulebook,
    customers: NDArray[np.int32],
    occasion: Occasion,
    *,
    size: int,
    defaults: Defaults,
    tick: Callable[[], object] = lambda: None,
) -> Preview:
    """Make every customer's list twice, at home.

    Similar products are asked about what a customer has bought last, and so is what goes with it;
    who has bought nothing that the model knows asks about what sells best.

    Args:
        recommender: makes the lists.
        before: rules in force now.
        after: rules to try.
        customers: int32, customer indices.
        occasion: of the lists, with their surface; each customer's home is the place.
        size: products a list.
        defaults: what holds where the rules leave it open.
        tick: called after each customer.
    """
    assortment, model = recommender.assortment, recommender.model
    books = [PreparedRules.of(book, assortment) for book in (before, after)]
    found = Preview(rules={rule.rule_id: RuleEffect() for rule in after.rules})
    for customer in customers.tolist():
        place = recommender.place(customer, Location())
        here = replace(
            occasion,
            location=model.places.describe(place),
            segments=model.segments.of(customer),
        )
        about = _about(recommender, customer)
        old, new = (
            _ranked(
                recommender,
                Query(
                    customer=customer,
                    place=place,
                    size=size,
                    now=model.data_end,
                    sold_at=occasion.now,
                    stage=occasion.stage,
                    only_new=rules.book.only_new(occasion.surface, buys_again=model.buys_again),
                    diversity=defaults.settled_diversity(None, rules.book),
                    ruling=rules.ruling(here),
                ),
                occasion.surface,
                about,
            )
            for rules in books
        )
        _compare(found, old, new, assortment.catalogue.items.ids.take)
        tick()
    return found


def _about(recommender: Recommender, customer: int) -> int:
    """The product that a customer has bought last, else the one that sells best."""
    bought = recommender.model.histories.profile(customer)
    if not len(bought.items):
        return int(recommender.model.popularity.order[0])
    return int(bought.items[np.argmax(bought.last_time)])


def _ranked(recommender: Recommender, query: Query, surface: Surface, about: int) -> Ranking:
    match surface:
        case Surface.RECOMMEND:
            return recommender.recommend(query)
        case Surface.SIMILAR:
            return recommender.similar(about, query)
        case Surface.TOGETHER:
            return recommender.together(replace(query, basket=np.array([about], np.int32)))
        case Surface.AGAIN:
            return recommender.again(query).ranking


def _compare(
    found: Preview, old: Ranking, new: Ranking, names: Callable[[list[int]], list[str]]
) -> None:
    found.n_lists += 1
    found.n_changed += old.items.tolist() != new.items.tolist()
    found.n_shorter += len(new.items) < len(old.items)
    is_in = ~np.isin(new.items, old.items)
    found.came.update(names(new.items[is_in].tolist()))
    found.went.update(names(np.setdiff1d(old.items, new.items).tolist()))
    for rule_id in new.applied:
        found.rules[rule_id].n_lists += 1
    for place, rule_ids in enumerate(new.rules):
        for rule_id in rule_ids:
            found.rules[rule_id].n_moved += 1
            found.rules[rule_id].n_in += bool(is_in[place])
    if len(old.items) and len(new.items):
        deviation = max(float(old.scores.std()), 1e-6)
        found.given_up.append(float(old.scores.mean() - new.scores.mean()) / deviation)
