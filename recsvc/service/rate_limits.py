"""How many requests a second each caller may make, over all processes together.

Tokens of a caller come in at a steady rate, and each request takes one. What all processes share of
them lies in a store; each holds a few, and fetches more behind its callers' backs as fast as they
use them. So no request waits for the store, and what all processes let pass comes to the rate,
wherever a caller's connections end.
"""

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recsvc.errors import RateLimitedError, StoreUnavailableError, UnansweredError
from recsvc.service.ports import MAX_LEASES, Lease, RateStore

RENEW_SECONDS = 0.2
BURST_SECONDS = 1.0
"""Who was quiet may make the requests of so long at once."""

FORGET_SECONDS = 5.0
"""Of who was quiet for so long, nothing is held here."""

MAX_CALLERS = 10_000
"""Held at once, some hundred bytes each, and as many who have gone and are not told of yet."""

_MAX_LOOKS = 16
"""So many of the eldest are looked at for one who can go."""

_NOTHING = 1e-6
"""Of a token; less is what sums of fractions are off by."""


def burst_of(rate: float) -> float:
    """The most tokens that a caller may have."""
    return max(1.0, BURST_SECONDS * rate)


@dataclass(slots=True)
class _Purse:
    """What this process holds of a caller's tokens.

    Attributes:
        rate: tokens a second that come in, over all processes.
        tokens: that are left; below 0 where a request took more than there were.
        owed: tokens that were given on credit, which the store does not know of yet; below 0, those
            that it gets back.
        n_used: taken since the last renewal.
        used_at: the renewal before which one was last taken, monotonic seconds.
    """

    rate: float
    tokens: float
    owed: float
    used_at: float
    n_used: float = 0.0

    def wanted(self, share: float) -> float:
        """What it takes to go on, should twice as many be used as of late, or a whole share."""
        most = max(2 * self.n_used + 1, share * burst_of(self.rate))
        return max(0.0, min(most, burst_of(self.rate)) - self.tokens)

    @property
    def debt(self) -> float:
        """What the store is to charge once nothing of it is held here; below 0, what it gets."""
        return self.owed - self.tokens

    def change(self, rate: float) -> None:
        """Go on at another rate: what is left stays the same share of what there may be."""
        share = burst_of(rate) / burst_of(self.rate)
        self.rate = rate
        # A debt is of requests that were made, and stays as it is.
        self._add(self.tokens * (share - 1) if self.tokens > 0 else 0.0)

    def count_anew(self, now: float) -> None:
        """Begin to count what is used until the next renewal."""
        if self.n_used:
            self.used_at, self.n_used = now, 0.0

    def keep(self) -> None:
        """Give back what is more than there may be, as of a rate that was lowered meanwhile."""
        self._add(min(0.0, burst_of(self.rate) - self.tokens))

    def _add(self, tokens: float) -> None:
        self.tokens += tokens
        self.owed += tokens


class RateLimits:
    """Lets requests pass, or says when to come back; safe to share between threads.

    Args:
        store: what all processes share.
        share: of each rate, what this process lets pass while the store does not answer, and has
            at hand for who asks for little and then for much.
        monotonic: monotonic seconds.
        draw: random numbers between 0 and 1.
    """

    def __init__(
        self,
        store: RateStore,
        share: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._share = share
        self._monotonic = monotonic
        self._draw = draw
        self._lock = threading.Lock()
        self._purses: OrderedDict[str, _Purse] = OrderedDict()  # the eldest first
        self._gone: OrderedDict[str, _Purse] = OrderedDict()  # until the store knows of them
        self._renewed_at = monotonic()

    def take(self, caller: str, rate: float, n_requests: int = 1) -> None:
        """Let a caller's requests pass.

        Who has a token left may make several requests at once, and owes what they take beyond it.

        Args:
            caller: whose they are.
            rate: requests a second that it may make, above 0.
            n_requests: how many they are.

        Raises:
            RateLimitedError: it has used up its rate.
        """
        with self._lock:
            purse = self._purses.get(caller)
            if purse is None:
                purse = self._opened(caller, rate)
            if purse.rate != rate:
                purse.change(rate)
            tokens = purse.tokens
            if tokens >= 1:
                purse.tokens -= n_requests
                purse.n_used += n_requests
                return
        seconds = max(RENEW_SECONDS, (1 - tokens) / rate)
        raise RateLimitedError(
            f"more than {rate:g} requests a second; come back after the delay in RetryInfo",
            # Not before there is something, and not all at once.
            retry_seconds=seconds * (1 + self._draw() / 2),
        )

    def renew(self) -> None:
        """Fetch tokens for those who use them, and give back those of who has gone.

        Some callers at a time: what the store has answered counts, though it should not answer for
        the next ones, and nobody who takes a token waits for all of them.
        """
        now = self._monotonic()
        with self._lock:
            callers = [*self._purses, *self._gone]
            seconds, self._renewed_at = now - self._renewed_at, now
        answers = True
        for first in range(0, len(callers), MAX_LEASES):
            some = callers[first : first + MAX_LEASES]
            without: Sequence[str] = some
            if answers:
                try:
                    without = self._renew(some, now)
                except StoreUnavailableError:
                    answers = False
            with self._lock:
                self._grow(without, now, seconds)

    def _renew(self, callers: Sequence[str], now: float) -> list[str]:
        """Ask the store for some callers; return those for whom it has refused.

        Raises:
            StoreUnavailableError: it has answered for none.
        """
        with self._lock:
            asked = self._leases(callers, now)
        if not asked:
            return []
        try:
            given = self._store.lease([lease for _, lease in asked])
        except UnansweredError:
            # It may have charged them, and given back. To tell it again would charge who comes to
            # a slow store a second's worth at each try, and refuse them once it is well, or give
            # who has gone a burst at each: rather once too little of either.
            with self._lock:
                for purse, lease in asked:
                    purse.owed -= lease.owed
            raise
        with self._lock:
            return self._settle(asked, given)

    def _settle(
        self, asked: Sequence[tuple[_Purse, Lease]], given: Sequence[float | None]
    ) -> list[str]:
        """Take in what was charged and given; return the callers of what was not."""
        refused = []
        # Meanwhile who was here may have gone, and who had gone may be back.
        for (purse, lease), tokens in zip(asked, given, strict=True):
            if tokens is None:
                refused.append(lease.caller)
                continue
            purse.owed -= lease.owed
            purse.tokens += tokens
            purse.keep()
            if self._gone.get(lease.caller) is purse and abs(purse.debt) < _NOTHING:
                del self._gone[lease.caller]
        return refused

    def _opened(self, caller: str, rate: float) -> _Purse:
        while len(self._purses) >= MAX_CALLERS:
            self._let_go(self._one_who_can_go())
        # Nobody asks the store now: of whom it has been told all, the caller is trusted with what
        # it may have had, and the store is told.
        burst = burst_of(rate)
        purse = self._gone.pop(caller, None) or _Purse(rate, burst, burst, self._renewed_at)
        self._purses[caller] = purse
        return purse

    def _one_who_can_go(self) -> str:
        """Who has been here for long and has a token: who has none would come back to a burst."""
        for _ in range(_MAX_LOOKS):
            caller = next(iter(self._purses))
            if self._purses[caller].tokens >= 1:
                return caller
            self._purses.move_to_end(caller)
        return next(iter(self._purses))

    def _let_go(self, caller: str) -> None:
        while len(self._gone) >= MAX_CALLERS:  # the store has not answered for long
            self._gone.popitem(last=False)
        self._gone[caller] = self._purses.pop(caller)

    def _leases(self, callers: Sequence[str], now: float) -> list[tuple[_Purse, Lease]]:
        asked = []
        for caller in callers:
            purse = self._purses.get(caller)
            if purse is not None:
                wanted = purse.wanted(self._share)
                purse.count_anew(now)
                # Who has no token is remembered until there is one: forgotten before, they would
                # be given credit again.
                if purse.tokens < 1 or now - purse.used_at <= FORGET_SECONDS:
                    if wanted or purse.owed:
                        asked.append((purse, Lease(caller, purse.rate, purse.owed, wanted)))
                    continue
                self._let_go(caller)
            purse = self._gone.get(caller)
            if purse is not None:
                asked.append((purse, Lease(caller, purse.rate, purse.debt, 0.0)))
        return asked

    def _grow(self, callers: Sequence[str], now: float, seconds: float) -> None:
        """Give callers this process's share of their rates, as nobody can be asked."""
        for caller in callers:
            purse = self._purses.get(caller)
            if purse is None:
                continue
            purse.count_anew(now)
            most = max(1.0, self._share * burst_of(purse.rate))
            grown = purse.tokens + self._share * purse.rate * seconds
            purse.tokens = max(purse.tokens, min(most, grown))
