"""A ranking in the caller's terms: ids instead of indices."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment, Shelf
from recsvc.core.catalogue import Product
from recsvc.core.explanation import Explanation, explain, explain_similar
from recsvc.core.live import NO_ITEMS
from recsvc.core.places import Level
from recsvc.core.recommender import Ranking
from recsvc.core.sources import Strategy
from recsvc.core.vocabulary import MISSING, StringTable
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Answer, Item, Question, Reason
from recsvc.service.situations import PRICE_CURRENCY, Situation

MAX_EVIDENCE = 5


def answer(
    question: Question,
    loaded: LoadedModel,
    situation: Situation,
    ranking: Ranking,
    similar_to: int | None = None,
    unnamed: NDArray[np.int32] = NO_ITEMS,
) -> Answer:
    """Turn a ranking into an answer.

    Args:
        question: what was asked.
        loaded: the model that made the ranking.
        situation: the question as the model saw it.
        ranking: the list.
        similar_to: index of the product that the list resembles, None for other lists.
        unnamed: items that no reason may name: what was withdrawn.
    """
    model, assortment = loaded.model, loaded.assortment
    explanations: list[Explanation] = []
    if question.explain:
        explanations = (
            explain(model, assortment, ranking, unnamed)
            if similar_to is None
            else explain_similar(assortment, similar_to, ranking, unnamed)
        )
    rows = zip(
        ranking.items.tolist(),
        ranking.scores.tolist(),
        ranking.strategies.tolist(),
        ranking.levels.tolist(),
        strict=True,
    )
    items = assortment.catalogue.items.ids
    shelf = situation.query.shelf
    listed = tuple(
        Item(
            product_id=items[item],
            rank=rank,
            score=score,
            strategy=Strategy(strategy),
            level=Level(level),
            reason=_reason(items, explanations[rank - 1]) if explanations else None,
            product=_product(assortment, item, shelf) if question.include_products else None,
        )
        for rank, (item, score, strategy, level) in enumerate(rows, start=1)
    )
    return Answer(
        items=listed,
        model=loaded.reference,
        location=model.places.describe(ranking.place),
        level=ranking.place.level,
        warnings=_warnings(question, situation, listed),
    )


def _warnings(question: Question, situation: Situation, listed: Sequence[Item]) -> tuple[str, ...]:
    """Those of the situation, and whether a price is told that the caller does not show."""
    products = [item.product for item in listed if item.product is not None]
    currencies = {product.currency for product in products if not math.isnan(product.price)}
    if not question.currency or currencies <= {question.currency}:
        return situation.warnings
    return tuple(dict.fromkeys((*situation.warnings, PRICE_CURRENCY)))


def _product(assortment: Assortment, item: int, shelf: Shelf | None) -> Product:
    """A product as the catalogue has it, with the price that holds at the store."""
    product = assortment.product(item)
    if shelf is None:
        return product
    code = int(shelf.currency[item])
    currency = shelf.currencies.ids[code] if code != MISSING else ""
    return replace(product, price=float(shelf.price[item]), currency=currency)


def _reason(items: StringTable, explanation: Explanation) -> Reason:
    evidence = items.take(explanation.evidence[:MAX_EVIDENCE])
    return Reason(code=explanation.code.value, text=explanation.text, evidence=tuple(evidence))
