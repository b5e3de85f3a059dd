"""A served list made again: the same question, to the same model, with what was true then."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO
from recsvc.core.explanation import explain
from recsvc.core.lists import Ranking
from recsvc.core.recommendation_id import Surface
from recsvc.core.related_reasons import explain_again, explain_similar, explain_together
from recsvc.core.rules import Rulebook
from recsvc.core.ruling import PreparedRules
from recsvc.core.vocabulary import MISSING
from recsvc.errors import NotFoundError
from recsvc.service.answers import Answers, Explain
from recsvc.service.inquiry import Inquiry
from recsvc.service.making import recommended
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Answer, ServedFrom
from recsvc.service.served import ServedList
from recsvc.service.situations import Asker, Situation


@dataclass(frozen=True, slots=True)
class Scene:
    """A model as it is asked about the past, ready for many lists.

    Attributes:
        loaded: the model, with the catalogue that is known now; everything in it is for sale: what
            was not is said by each list.
        rules: of the version.
    """

    loaded: LoadedModel
    rules: PreparedRules

    @classmethod
    def of(cls, loaded: LoadedModel, book: Rulebook) -> "Scene":
        """Put a model and rules together.

        Args:
            loaded: the model, with the catalogue that is known now.
            book: the rules.
        """
        assortment = loaded.assortment
        catalogue = assortment.catalogue
        always = replace(
            catalogue,
            available_from=np.full_like(catalogue.available_from, ALWAYS_FROM),
            available_to=np.full_like(catalogue.available_to, ALWAYS_TO),
        )
        open_to_all = replace(assortment, catalogue=always)
        loaded = replace(loaded, recommender=loaded.recommender.selling(open_to_all))
        return cls(loaded, PreparedRules.of(book, open_to_all))


@dataclass(frozen=True, slots=True)
class Replayed:
    """A list made again.

    Attributes:
        served: as it was.
        answer: as it is now, with reasons.
        doubts: what is not as it was then, and may be why the two differ.
    """

    served: ServedList
    answer: Answer
    doubts: tuple[str, ...]

    @property
    def product_ids(self) -> tuple[str, ...]:
        """The list as it is now."""
        return tuple(item.product_id for item in self.answer.items)

    @property
    def is_identical(self) -> bool:
        """Whether it holds the same products in the same order."""
        return self.product_ids == self.served.product_ids


def replay(
    served: ServedList,
    scene: Scene,
    answers: Answers,
    *,
    withdrawn: Iterable[str] = (),
    code_version: str = "",
) -> Replayed:
    """Make a list again.

    Args:
        served: the list as it was.
        scene: its model and rules.
        answers: puts reasons into words.
        withdrawn: product ids that no reason may name today.
        code_version: of this recsvc.

    Raises:
        NotFoundError: the product that it was about is not known any more (PRODUCT_NOT_FOUND).
    """
    loaded = scene.loaded
    question = served.question._replace(explain=True, include_products=False, strict=False)
    asker = Asker(question.customer_id if served.is_known else "", served.shopper)
    inquiry = Inquiry(question, asker, loaded, 0.0, 0.0, scene.rules, served.surface)
    items = loaded.assortment.catalogue.items
    situation = inquiry.situation(
        served.live,
        served.made_time,
        _held_back(served, loaded),
        items.indices(served.shown).tolist(),
    )
    # What filter and stock kept off the list is in what was held back.
    query = replace(situation.query, catalogue_filter=None, in_stock_only=False)
    answer = listed(
        inquiry,
        replace(situation, query=query),
        answers,
        unnamed=items.indices(withdrawn),
        about=served.about,
        is_late=served.served_from is ServedFrom.FALLBACK,
    )
    return Replayed(served, answer, tuple(_doubts(served, loaded, code_version)))


def listed(  # what a list depends on
    inquiry: Inquiry,
    situation: Situation,
    answers: Answers,
    *,
    unnamed: NDArray[np.int32],
    about: Sequence[str] = (),
    is_late: bool = False,
) -> Answer:
    """The list of a question, as the service makes it, whatever the surface.

    Args:
        inquiry: the question.
        situation: the same as its model sees it.
        answers: puts reasons into words.
        unnamed: items that no reason may name.
        about: of similar products the one that was asked about.
        is_late: there was no time for more than what is popular at the place.

    Raises:
        NotFoundError: the product that it is about is not known (PRODUCT_NOT_FOUND).
    """
    loaded, query = inquiry.loaded, situation.query
    recommender = loaded.recommender
    ranking: Ranking
    explained: Explain
    match inquiry.surface:
        case Surface.RECOMMEND:
            ranking, explained = recommended(loaded, query, is_late=is_late), explain
        case Surface.SIMILAR:
            item = loaded.assortment.catalogue.items.index(about[0])
            if item == MISSING:
                raise NotFoundError(
                    f"product {about[0]!r}, which the list was about, is not in the catalogue "
                    "any more; give the --redis that has it",
                    reason="PRODUCT_NOT_FOUND",
                )
            ranking, explained = recommender.similar(item, query), partial(explain_similar, item)
        case Surface.TOGETHER:
            ranking, explained = recommender.together(query), explain_together
        case Surface.AGAIN:
            ranking, explained = recommender.again(query).ranking, explain_again
    question = inquiry.question
    return answers.answer(question, loaded, situation, ranking, unnamed, explained=explained)


def _held_back(served: ServedList, loaded: LoadedModel) -> NDArray[np.int32]:
    """Item indices of what was not to be had: what has come since was not either."""
    held = np.ones(len(loaded.assortment), np.bool_)
    bits = np.frombuffer(served.held_back, np.uint8)
    then = np.unpackbits(bits, count=served.n_items).astype(np.bool_)
    n_both = min(len(then), len(held))
    held[:n_both] = then[:n_both]
    return np.flatnonzero(held).astype(np.int32)


def _doubts(served: ServedList, loaded: LoadedModel, code_version: str) -> list[str]:
    doubts = []
    if served.revision != loaded.revision:
        doubts.append(
            "the catalogue has changed since: what rules, variants and newcomers make of its "
            "products is as of now"
        )
    is_kept = served.served_from in {ServedFrom.CACHE, ServedFrom.STALE_CACHE}
    if is_kept and served.question.as_of_time is None:
        doubts.append("the list came from the cache, and when it was made is known to 0.1 s only")
    if served.code_version != code_version:
        doubts.append(
            f"it was made by recsvc {served.code_version or '?'}, and this is {code_version}"
        )
    return doubts
