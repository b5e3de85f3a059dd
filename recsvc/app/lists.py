"""The use cases that make lists, which every door has."""

from dataclasses import dataclass

from recsvc.app.ground import Ground
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.answers import Answers
from recsvc.service.deliveries import Deliveries
from recsvc.service.inquiries import Inquiries
from recsvc.service.making import ListMaker
from recsvc.service.questions import AnswerCodec
from recsvc.service.recommendations import Recommendations
from recsvc.service.related import Related
from recsvc.service.wording import Wording


@dataclass(frozen=True, slots=True)
class Lists:
    """The use cases that make lists."""

    recommendations: Recommendations
    related: Related


def lists_on(ground: Ground, codec: AnswerCodec) -> Lists:
    """Wire the lists of a door.

    Args:
        ground: what the door stands on.
        codec: writes lists as this door reads them, for the cache.

    Raises:
        SettingsError: the language cannot be used.
    """
    cache = AnswerCache(
        ground.stores.cache,
        codec,
        ground.metrics,
        ttl_seconds=ground.settings.cache_ttl_seconds,
        timeout_seconds=ground.settings.redis_timeout_seconds,
        stale_seconds=ground.settings.cache_stale_seconds,
    )
    inquiries = Inquiries(ground.slot, ground.circumstances, hash_key=ground.key)
    answers = Answers(Wording.load(ground.settings.language))
    deliveries = Deliveries(ground.slot, ground.metrics, ground.served)
    return Lists(
        Recommendations(
            inquiries,
            ListMaker(inquiries, answers, codec),
            cache,
            deliveries,
            ground.refreshes,
            ground.process,
        ),
        Related(inquiries, answers, cache, deliveries),
    )
