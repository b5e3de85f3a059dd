"""Several questions of one call, answered together."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from recsvc.errors import RecsvcError, UnavailableError
from recsvc.logs import collected_facts
from recsvc.server import requests, response_codec
from recsvc.server.tokens import Tokens
from recsvc.service.deliveries import Served
from recsvc.service.making import Ahead, Begun
from recsvc.service.models import LoadedModel
from recsvc.service.questions import ServedFrom
from recsvc.service.recommendations import Recommendations
from recsvc.v1 import recommendation_service_pb2 as api

_FALLBACK_SECONDS = 0.002
"""What each entry that is still to come leaves of the time: to list at least what sells there."""

_HURRY = 2
"""With less than so many times that time for each, entries are in a hurry."""

_MAX_AGE_SECONDS = 0.5
"""So long what was looked up together is good for: an event, a "no" or a recall counts within a
second, however long the answers before took, or were waited for."""


class BatchCounts:
    """What the log line of a call says of its entries: how many, and how they were made."""

    def __init__(self) -> None:
        self.n_requests = 0
        self.n_failed = 0
        self._n_degraded = 0
        self._made: Counter[ServedFrom] = Counter()

    def count(self, served: Served) -> None:
        """Count an answer."""
        self._made[served.delivery.served_from] += 1
        self._n_degraded += bool(served.delivery.degraded_reason)

    def facts(self) -> dict[str, int]:
        """As numbers by name."""
        return {
            "n_requests": self.n_requests,
            "n_failed": self.n_failed,
            "n_degraded": self._n_degraded,
            **{f"n_{how.name.lower()}": n for how, n in self._made.items()},
        }


class _Batch(NamedTuple):
    """What is asked in one call.

    Attributes:
        entries: the questions.
        written: the same as they would be written one by one.
        loaded: the model that answers.
        end: when there is no time left, monotonic seconds.
        is_wanted: whether the caller is still there.
        cheaply: those that do not lie in the process get what sells at the place.
    """

    entries: Sequence[api.RecommendRequest]
    written: Sequence[bytes]
    loaded: LoadedModel
    end: float
    is_wanted: Callable[[], bool]
    cheaply: bool


class BatchAnswers:
    """Answers several questions of one call.

    Args:
        recommendations: lists for the moment.
        writer: writes them.
        tokens: reads the tokens of requests.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        recommendations: Recommendations,
        writer: response_codec.ListWriter,
        tokens: Tokens,
        monotonic: Callable[[], float],
    ) -> None:
        self._recommendations = recommendations
        self._writer = writer
        self._tokens = tokens
        self._monotonic = monotonic

    def answer(
        self,
        entries: Sequence[api.RecommendRequest],
        loaded: LoadedModel,
        end: float,
        counts: BatchCounts,
        is_wanted: Callable[[], bool],
        *,
        cheaply: bool = False,
    ) -> Iterator[tuple[int, bytes]]:
        """Answer each with a response or a status of its own, as soon as it is ready.

        What was answered a moment ago is given first, and together; for the others the store is
        asked in one round trip.

        Args:
            entries: the questions.
            loaded: the model that answers.
            end: when there is no time left, monotonic seconds.
            counts: counts the answers.
            is_wanted: whether the caller is still there; else the rest is not made.
            cheaply: those that do not lie in the process get what sells at the place, and nothing
                is waited for, as with no time left.

        Yields:
            The number of an entry, from 0, and its ``RecommendResult`` as it is sent.
        """
        counts.n_requests += len(entries)
        written = [entry.SerializeToString() for entry in entries]
        batch = _Batch(entries, written, loaded, end, is_wanted, cheaply)
        waiting = dict.fromkeys(range(len(entries)))
        at_most = len(entries)
        with collected_facts():  # an entry's would pass for those of the whole call
            while waiting and is_wanted():
                looked, n_waiting = self._monotonic(), len(waiting)
                numbers = [*waiting][:at_most]
                for at, result in self._round(numbers, batch):
                    del waiting[at]
                    if isinstance(result, RecsvcError):
                        counts.n_failed += 1
                        yield at, response_codec.failed_result(result)
                    else:
                        counts.count(result)
                        yield at, response_codec.result_of(self._writer.response(result))
                    # Who reads slowly holds up what follows for as long as they like.
                    if self._monotonic() - looked > _MAX_AGE_SECONDS:
                        # What else was begun is let go of: no more next time than were taken.
                        at_most = n_waiting - len(waiting)
                        break
                else:
                    at_most *= 2

    def _round(
        self, numbers: Sequence[int], batch: _Batch
    ) -> Iterator[tuple[int, Served | RecsvcError]]:
        """Answer entries by what is known as it begins; each is made when it is asked for."""
        written = [batch.written[at] for at in numbers]
        known = self._recommendations.all_again(written, batch.loaded)
        yield from ((at, served) for at, served in zip(numbers, known, strict=True) if served)
        unknown = [at for at, served in zip(numbers, known, strict=True) if not served]
        for group in self._groups(unknown, batch.end):
            begun: list[tuple[int, Begun]] = []
            for at in group:
                try:
                    begun.append((at, self._begun(at, batch)))
                except RecsvcError as error:
                    yield at, error
            is_shared, together = len(begun) > 1, [each for _, each in begun]
            if is_shared:
                self._recommendations.look_up(together)
            with closing(self._recommendations.prepare(together)) as prepared:
                for (at, each), ahead in zip(begun, prepared, strict=True):
                    if not batch.is_wanted():
                        return
                    started = self._monotonic() if is_shared else None
                    try:
                        yield at, self._finished(each, started, batch.end, ahead)
                    except RecsvcError as error:
                        yield at, error

    def _begun(self, at: int, batch: _Batch) -> Begun:
        self._check_time(batch.end)
        question = requests.recommend_question(batch.entries[at], self._tokens)
        if batch.cheaply:  # what sells is not kept under what was written
            return self._recommendations.begin(question, self._monotonic(), batch.loaded)
        deadline = batch.end - (len(batch.entries) - at - 1) * _FALLBACK_SECONDS
        return self._recommendations.begin(question, deadline, batch.loaded, batch.written[at])

    def _finished(
        self, begun: Begun, started: float | None, end: float, ahead: Ahead | None
    ) -> Served:
        self._check_time(end)
        return self._recommendations.finish(begun, started, may_wait=False, ahead=ahead)

    def _groups(self, entries: list[int], end: float) -> list[list[int]]:
        """The entries for which the store is asked together.

        In a hurry each comes by itself: what beginning with them all takes the first would lack.
        """
        has_time = end - self._monotonic() > _HURRY * _FALLBACK_SECONDS * len(entries)
        return [entries] if has_time else [[entry] for entry in entries]

    def _check_time(self, end: float) -> None:
        """Refuse an entry that is at its ``end``."""
        if self._monotonic() >= end:
            raise UnavailableError(
                "no time was left for this entry; ask for fewer at once, or wait longer",
                reason="DEADLINE_EXCEEDED",
            )
