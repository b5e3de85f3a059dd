"""The main use case: a list for a shopper, in a place, in a situation.

::

    question -> process -> store -> turn -> model -> answer
                  |         |        |        `-- no time left: what is popular at the place
                  |         |        `-- somebody else is making the same list: theirs
                  |         `-- the same question was answered a short while ago; a little longer
                  |             ago the answer is given all the same, and made again afterwards
                  `-- and it was asked here again since
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from functools import partial
from hashlib import blake2b
from itertools import islice

from recsvc.service.answer_cache import AnswerCache, Waiting
from recsvc.service.basis import Basis
from recsvc.service.cache_port import ANONYMOUS, CacheKey, Claimed
from recsvc.service.deliveries import DEADLINE, Deliveries, Served, degraded
from recsvc.service.found import Found
from recsvc.service.inquiries import Inquiries
from recsvc.service.inquiry import Inquiry
from recsvc.service.making import Ahead, Begun, ListMaker
from recsvc.service.models import LoadedModel
from recsvc.service.pages import shown_before
from recsvc.service.process_cache import ProcessCache
from recsvc.service.questions import KeptList, Question, ServedFrom
from recsvc.service.refreshes import Refreshed, Refresher
from recsvc.service.repeats import Repeats
from recsvc.service.situations import store_of
from recsvc.service.stock import NOT_ASKED, Stocked
from recsvc.service.turns import Turn, Turns

WAIT_SHARE = 0.8
FALLBACK_SECONDS = 0.005
"""Of the time left somebody else's list is waited for so long at most, and so much is kept back at
least: to put together what is popular at the place, and to send it; for who came at the same moment
and waits for this thread, too."""

REFRESH_SECONDS = 30.0
"""The time that making a list again has."""


_REFRESHED = {
    Claimed.TAKEN: Refreshed.DONE,
    Claimed.HELD: Refreshed.ELSEWHERE,
    Claimed.CHANGED: Refreshed.OUTDATED,
    None: Refreshed.FAILED,
}


class Recommendations:
    """Answers questions from the cache or the model; always answers once a model is loaded.

    Args:
        inquiries: prepares questions.
        maker: makes lists.
        cache: keeps answers.
        deliveries: says what is true of each.
        refreshes: makes lists again that are due.
        process: keeps answers that were asked for again.
        now: unix seconds.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(
        self,
        inquiries: Inquiries,
        maker: ListMaker,
        cache: AnswerCache,
        deliveries: Deliveries,
        refreshes: Refresher,
        process: ProcessCache | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inquiries = inquiries
        self._maker = maker
        self._cache = cache
        self._turns = Turns(cache)
        self._refreshes = refreshes
        self._deliveries = deliveries
        self._repeats = Repeats(inquiries, deliveries, process, now=now, monotonic=monotonic)
        self._now = now
        self._monotonic = monotonic

    def again(self, written: bytes, loaded: LoadedModel | None = None) -> Served | None:
        """Answer a question unread, as :meth:`Repeats.again`."""
        return self._repeats.again(written, loaded)

    def all_again(self, written: Sequence[bytes], loaded: LoadedModel) -> list[Served | None]:
        """Answer several unread, as :meth:`Repeats.all_again`."""
        return self._repeats.all_again(written, loaded)

    def recommend(
        self,
        question: Question,
        deadline: float,
        loaded: LoadedModel | None = None,
        written: bytes = b"",
    ) -> Served:
        """Answer a question.

        Args:
            question: what is asked.
            deadline: monotonic seconds when the caller stops waiting.
            loaded: the model to answer with, as it was loaded; the current one unless given.
            written: the question as the caller wrote it, under which :meth:`again` may find what is
                answered; nothing where it must not.

        Raises:
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know, or the
                page token belongs to another question or model (PAGE_TOKEN_MISMATCH).
        """
        return self.finish(self.begin(question, deadline, loaded, written))

    def begin(
        self,
        question: Question,
        deadline: float,
        loaded: LoadedModel | None = None,
        written: bytes = b"",
    ) -> Begun:
        """Begin to answer a question, as :meth:`recommend`: all that comes before the store."""
        before = self._repeats.before(question, loaded, written)
        inquiry = self._inquiries.open(question, deadline, loaded)
        shown = shown_before(question, inquiry.asker.shopper, inquiry.loaded)
        store_id, stocked = self._at_home(inquiry)
        permit = None if before is None else self._repeats.permit(before, inquiry)
        cached = self._cache.slot(self._key(question, inquiry, stocked.revision), deadline)
        return Begun(question, written, inquiry, shown, store_id, stocked, permit, cached)

    def look_up(self, begun: Sequence[Begun]) -> None:
        """Ask the store for all of them in one round trip."""
        self._cache.look_up([each.cached for each in begun])

    def prepare(self, begun: Sequence[Begun]) -> Generator[Ahead | None]:
        """Prepare lists that were begun and looked up, some before the first of them is made.

        Those that are made are kept together; to be closed, so that all of them are.

        Yields:
            of each what :meth:`finish` takes; to be made before the next is asked for, as it may
            begin with what has come since.
        """
        if len(begun) == 1:  # alone, it gains nothing
            yield None
            return
        to_keep: Waiting = []
        for each in begun:
            each.cached.waiting = to_keep
        rest = iter(begun)
        while first := next(rest, None):
            n_together = first.inquiry.loaded.recommender.n_together
            group = [first, *islice(rest, n_together - 1)]
            prepared = deque(self._maker.prepared(group, self._monotonic()))
            try:
                while prepared:  # what it holds on to is let go of, once the list is made
                    yield prepared.popleft()
            finally:
                # Not that of the last of all: those to come need what is left after this.
                self._cache.put_all(to_keep, group[-1].inquiry.deadline)

    def finish(
        self,
        begun: Begun,
        started: float | None = None,
        *,
        may_wait: bool = True,
        ahead: Ahead | None = None,
    ) -> Served:
        """Answer a question that was begun.

        Args:
            begun: the question.
            started: where others came in between, when the work on it went on, monotonic seconds.
            may_wait: where somebody else is making the answer, it is waited for.
            ahead: what was prepared for it, if it was.

        Raises:
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        cached, stocked = begun.cached, begun.stocked
        # With its stock unknown, nobody can say that a list still holds.
        found = cached.get((lambda _: False) if stocked.failed else self._is_allowed)
        if found is not None:
            return self._found(begun, found, started)
        if may_wait and cached.is_usable and not stocked.failed:
            return self._in_turn(begun, started)
        return self._made(begun, started, ahead=ahead)

    def stop(self) -> None:
        """Let nobody wait any more for what others make: those who asked are gone."""
        self._turns.stop()

    def _found(self, begun: Begun, found: Found, started: float | None) -> Served:
        """Give what was found, and have it made again if it is due."""
        inquiry, cached, question = begun.inquiry, begun.cached, begun.inquiry.question
        if found.is_due:
            work = partial(self._refresh, begun.asked, found.mark)
            self._refreshes.offer((cached.key, found.mark), work)
        basis = Basis(
            made_time=self._now() - found.age_seconds,
            product_ids=found.kept.product_ids,
            live=found.live,
            shelf=begun.stocked.shelf,
            in_stock_only=bool(question.in_stock_only),
            withdrawn=self._inquiries.withdrawn(inquiry.loaded),
            shown=begun.shown,
        )
        if begun.permit is not None:
            self._repeats.keep(begun.written, inquiry, found, basis, begun.permit)
        delivery = self._deliveries.delivery(
            inquiry,
            ServedFrom.STALE_CACHE if found.is_stale else ServedFrom.CACHE,
            basis,
            started=started,
            cache_age_seconds=found.age_seconds,
        )
        version_id = inquiry.loaded.reference.version_id
        return Served(found.payload, delivery, found.kept.n_items, version_id)

    def _in_turn(self, begun: Begun, started: float | None) -> Served:
        """Give what somebody else makes of the same question, or make it for them all."""
        now, inquiry = self._monotonic(), begun.inquiry
        left = inquiry.deadline - now
        until = now + min(WAIT_SHARE * left, left - FALLBACK_SECONDS)
        may_lead = not self._maker.lacks_time(inquiry, now)
        turn = self._turns.take(begun.cached, until, self._is_allowed, may_lead=may_lead)
        if turn.found is not None:
            return self._found(begun, turn.found, started)
        with turn:
            return self._made(begun, started, turn)

    def _made(
        self,
        begun: Begun,
        started: float | None,
        turn: Turn | None = None,
        ahead: Ahead | None = None,
    ) -> Served:
        """Give a list that is made now; without the time for it, what is popular at the place."""
        inquiry, cached = begun.inquiry, begun.cached
        now = self._monotonic()
        lacks_time = self._maker.lacks_time(inquiry, now)
        is_late = lacks_time or (turn is not None and turn.is_late)
        with ExitStack() as stack:
            if not is_late:
                is_late = not stack.enter_context(self._maker.place(inquiry, now))
                now = self._monotonic()  # it may have waited
            make = partial(self._maker.make, begun, now, is_late=is_late, ahead=ahead)
            made = turn.instead(make, self._is_allowed) if turn is not None and is_late else make()
        if not is_late:  # others make theirs while the store is waited for
            made = self._maker.keep(begun, made)
        if started is not None and ahead is not None:
            started -= ahead.seconds
        deliver = partial(
            self._deliveries.delivery,
            inquiry,
            basis=made.basis,
            started=started,
            is_last_resort=made.is_last_resort,
        )
        if is_late:
            # Who waited, for another's list or for a place, lacks the time for that reason.
            # Who had no time at all says nothing of what lists take.
            had_time = now < inquiry.deadline
            if lacks_time and had_time and (turn is None or not turn.has_waited):
                self._maker.forgo(inquiry)
            delivery = deliver(ServedFrom.FALLBACK, degraded_reason=DEADLINE)
        else:
            if turn is not None:
                turn.made(made.payload, made.kept, made.fresh_seconds)
            is_blind = cached.skipped and bool(inquiry.asker.shopper)
            reason = degraded(cached, made.stocked, is_blind=is_blind)
            delivery = deliver(ServedFrom.MODEL, degraded_reason=reason)
        version_id = inquiry.loaded.reference.version_id
        return Served(made.payload, delivery, made.kept.n_items, version_id)

    def _refresh(self, asked: Question, mark: bytes) -> Refreshed:
        """Make a list again that was found due.

        The question is begun anew: what has been decided or has changed since it was asked counts,
        and where that makes another question of it, its answer lies elsewhere, and is left alone.

        Args:
            asked: the question as it was asked.
            mark: of what was found.
        """
        begun = self.begin(asked, self._monotonic() + REFRESH_SECONDS)
        cached = begun.cached
        if begun.stocked.failed:
            return Refreshed.FAILED
        if not cached.reopen(mark):
            return Refreshed.FAILED if cached.failed else Refreshed.OUTDATED
        claimed = cached.take()
        try:
            if claimed is Claimed.TAKEN:
                with self._maker.place(begun.inquiry, self._monotonic()):
                    made = self._maker.make(begun, self._monotonic(), is_late=False)
                self._maker.keep(begun, made)
        finally:
            cached.let_go()
        if cached.failed:
            return Refreshed.FAILED
        return _REFRESHED[claimed]

    def _at_home(self, inquiry: Inquiry) -> tuple[str, Stocked]:
        """The store where the question is asked or the customer at home, and its stock."""
        question = inquiry.question
        if not question.looks_at_shelf:
            return "", NOT_ASKED
        customer = inquiry.asker.index_in(inquiry.loaded.model.customers)
        store_id = store_of(inquiry.loaded, question.location, customer)
        return store_id, self._inquiries.stocked(inquiry, store_id)

    def _is_allowed(self, kept: KeptList) -> bool:
        withdrawn = self._inquiries.withdrawn_ids
        return not withdrawn or withdrawn.isdisjoint(kept.product_ids())

    def _key(self, asked: Question, inquiry: Inquiry, stock_revision: int) -> CacheKey:
        # The version beside the generation: a pointer that was deleted by hand and made
        # anew counts generations from 1 again.
        question, loaded = inquiry.question, inquiry.loaded
        version_id, state = loaded.reference.version_id, self._inquiries.state(inquiry)
        depends_on = f"{self._cache.codec.schema}|{version_id}|{state}|{stock_revision}|"
        # A list holds the token of its next page, which is of the question as it was asked.
        left_open = bytes(
            (asked.diversity is None, asked.only_new is None, asked.in_stock_only is None)
        )
        said = depends_on.encode() + left_open + question.canonical() + question.page
        shopper = inquiry.asker.shopper or ANONYMOUS
        return CacheKey(loaded.generation, shopper, blake2b(said, digest_size=16).hexdigest())
