"""A ranking in the caller's terms: ids instead of indices, and reasons in words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment, Shelf
from recsvc.core.catalogue import Product
from recsvc.core.claims import Claim, Explanation
from recsvc.core.explanation import explain
from recsvc.core.lists import Ranking
from recsvc.core.model import Model
from recsvc.core.places import Level, Location
from recsvc.core.ruling import Ruling
from recsvc.core.sources import Strategy
from recsvc.core.vocabulary import MISSING
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Answer, Item, Question, Reason
from recsvc.service.situations import ONLY_RESTING, PRICE_CURRENCY, Situation
from recsvc.service.wording import Voice, Wording

MAX_EVIDENCE = 5

# To look a member up takes a tenth of asking its enumeration, which a list does 40 times.
_STRATEGIES = {int(strategy): strategy for strategy in Strategy}
_LEVELS = {int(level): level for level in Level}

Explain = Callable[[Model, Assortment, Ranking, NDArray[np.int32]], list[Explanation]]
"""Why the products of a ranking are there; the last argument must not be named."""


class Answers:
    """Turns rankings into answers.

    Args:
        wording: the languages that reasons are given in.
    """

    def __init__(self, wording: Wording) -> None:
        self._wording = wording

    def answer(
        self,
        question: Question,
        loaded: LoadedModel,
        situation: Situation,
        ranking: Ranking,
        withdrawn: NDArray[np.int32],
        *,
        explained: Explain = explain,
    ) -> Answer:
        """Turn a ranking into an answer.

        Args:
            question: what was asked.
            loaded: the model that made the ranking.
            situation: the question as the model saw it.
            ranking: the list.
            withdrawn: items that no reason may name.
            explained: what knows why this kind of list holds what it does.
        """
        model, assortment = loaded.model, loaded.assortment
        reasons: list[Reason] = []
        if question.explain:
            voice = self._wording.voice(question.language)
            reasons = [
                _reason(why, assortment, voice)
                for why in explained(model, assortment, ranking, withdrawn)
            ]
            for place in ranking.picked:
                rule_id = ranking.rules[place][0]
                why = _picked(rule_id, situation.query.ruling)
                reasons[place] = _reason(why, assortment, voice)
        products: list[Product] = []
        if question.include_products:
            shelf = situation.query.shelf
            products = [_product(assortment, item, shelf) for item in ranking.items.tolist()]
        rows = zip(
            ranking.items.tolist(),
            ranking.scores.tolist(),
            ranking.strategies.tolist(),
            ranking.levels.tolist(),
            strict=True,
        )
        items = assortment.catalogue.items.ids
        n_shown = len(situation.query.shown)
        return Answer(
            items=tuple(
                Item(
                    product_id=items[item],
                    rank=n_shown + place + 1,
                    score=score,
                    strategy=_STRATEGIES[strategy],
                    level=_LEVELS[level] if ranking.is_placed else None,
                    reason=reasons[place] if reasons else None,
                    product=products[place] if products else None,
                    rules=ranking.rules[place] if ranking.rules else (),
                )
                for place, (item, score, strategy, level) in enumerate(rows)
            ),
            model=loaded.reference,
            location=model.places.describe(ranking.place) if ranking.is_placed else Location(),
            level=ranking.place.level if ranking.is_placed else None,
            warnings=_warnings(question, situation, products, ranking),
            rules_version_id=situation.rules_version_id,
            applied_rules=ranking.applied,
            store_id=situation.store_id if question.looks_at_shelf else "",
        )


def _warnings(
    question: Question, situation: Situation, products: Sequence[Product], ranking: Ranking
) -> tuple[str, ...]:
    """Those of the situation, and what is peculiar to the list and the prices that are told."""
    warnings = situation.warnings
    if ranking.is_last_resort:
        warnings = (*warnings, ONLY_RESTING)
    currencies = {product.currency for product in products if not math.isnan(product.price)}
    if not question.currency or currencies <= {question.currency}:
        return warnings
    return tuple(dict.fromkeys((*warnings, PRICE_CURRENCY)))


def _product(assortment: Assortment, item: int, shelf: Shelf | None) -> Product:
    """A product as the catalogue has it, with the price that holds at the store."""
    product = assortment.product(item)
    if shelf is None:
        return product
    code = int(shelf.currency[item])
    currency = shelf.currencies.ids[code] if code != MISSING else ""
    return replace(product, price=float(shelf.price[item]), currency=currency)


def _picked(rule_id: str, ruling: Ruling) -> Explanation:
    """Why something is there that a pin put there: the rule's own sentences where it has any."""
    says = next(pin.rule.says for pin in ruling.pins if pin.rule.rule_id == rule_id)
    return Explanation(claim=Claim.PICKED, rule_id=rule_id, sentences=says)


def _reason(why: Explanation, assortment: Assortment, voice: Voice) -> Reason:
    evidence = assortment.catalogue.items.ids.take(why.evidence[:MAX_EVIDENCE])
    text = voice.say(why, assortment)
    return Reason(why=why, text=text, language_code=voice.language_code, evidence=tuple(evidence))
