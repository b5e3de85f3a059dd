"""A list that was served, with all that it was made from: enough to make it again."""

from dataclasses import dataclass

from recsvc.core.recommendation_id import Surface
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.shopping import NO_DEEDS, LiveProfile

MAX_SERVED_DAYS = 30
"""Lists are kept so long at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedList:
    """One list as it was served.

    Attributes:
        recommendation_id: its name.
        served_time: when, unix seconds.
        made_time: when it was computed, likewise: earlier where the cache had it.
        surface: which kind of list.
        shopper: hash of who asked; ``""`` nobody who may be known.
        question: what was asked, with nothing left open; no id of who may not be known.
        about: of similar products the one that was asked about.
        is_known: whether the model was asked about the customer.
        live: what the shopper had done of late.
        version_id: of the model.
        generation: the registry's counter then.
        rules_version_id: of the shop's rules, ``""`` none.
        experiment_id, variant_id: ``""`` none.
        revision: of what the shop had said of products and stores, ``""`` nothing.
        held_back: bits, one an item, see ``service.basis``, by ``numpy.packbits``.
        n_items: how many.
        shown: product ids of the pages before.
        served_from: how it came about.
        degraded_reason: why it was less than it should be, ``""`` where it was not.
        product_ids: the list.
        scores: of each; empty where the list came from the cache.
        code_version: of the recsvc that made it.
    """

    recommendation_id: str
    served_time: float
    made_time: float
    surface: Surface
    shopper: str
    question: Question
    about: tuple[str, ...] = ()
    is_known: bool = False
    live: LiveProfile = NO_DEEDS
    version_id: str
    generation: int = 0
    rules_version_id: str = ""
    experiment_id: str = ""
    variant_id: str = ""
    revision: str = ""
    held_back: bytes = b""
    n_items: int = 0
    shown: tuple[str, ...] = ()
    served_from: ServedFrom = ServedFrom.MODEL
    degraded_reason: str = ""
    product_ids: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    code_version: str = ""
