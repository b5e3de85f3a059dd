"""Requests a second of each caller, whoever that is."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc

from recsvc.access.credential import Credential
from recsvc.access.origin import origin_of
from recsvc.errors import RateLimitedError
from recsvc.metrics import Metrics, Totals
from recsvc.server.gate import Behaviour
from recsvc.service.rate_limits import RateLimits
from recsvc.v1 import recommendation_service_pb2 as api

_ADDRESS = "address"


class Rates:
    """Turns away who asks too often; credentials say who that is.

    Args:
        limits: lets requests pass.
        rate: requests a second of who has no rate of its own; 0, as many as they like.
        metrics: counts those turned away.
    """

    def __init__(self, limits: RateLimits, rate: float, metrics: Metrics) -> None:
        self._limits = limits
        self._rate = rate
        self._turned_away = Totals(metrics.turned_away, metrics.tallies)

    def charge(self, credential: Credential, message: object) -> None:
        """Count a message against its caller's rate.

        Raises:
            RateLimitedError: the caller has used it up.
        """
        rate = self._rate if credential.rate is None else credential.rate
        if rate:
            self.take(credential.payer, rate, message, credential.name)

    def take(self, caller: str, rate: float, message: object, name: str) -> None:
        """Count a message against a rate.

        Args:
            caller: whose it is.
            rate: requests a second.
            message: what is asked.
            name: what the caller is called where it is turned away.

        Raises:
            RateLimitedError: the caller has used it up.
        """
        try:
            self._limits.take(caller, rate, _n_requests(message))
        except RateLimitedError as error:
            self._turned_away["rate"].add()
            error.metadata["caller"] = name
            raise


class PeerGate:
    """Asks nobody who they are, and counts calls by where they come from.

    Args:
        rates: turns away who asks too often.
        rate: requests a second of each address, of IPv6 each /64.
    """

    def __init__(self, rates: Rates, rate: float) -> None:
        self._rates = rates
        self._rate = rate

    def admit(self, context: grpc.ServicerContext) -> None:
        """Let everybody pass."""

    def guarded(
        self, _method: str, behaviour: Behaviour, asked: Callable[[Any], Any], *, is_stream: bool
    ) -> Behaviour:
        """Put the limit before a method, as :meth:`Gate.guarded` puts the gate."""

        def guarded(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # any message
            caller, message = origin_of(context.peer()), asked(request)
            if is_stream:
                return behaviour(self._each(message, caller), context)
            self._rates.take(caller, self._rate, message, _ADDRESS)
            return behaviour(message, context)

        return guarded

    def _each(self, messages: Iterable[Any], caller: str) -> Iterator[Any]:
        for message in messages:
            self._rates.take(caller, self._rate, message, _ADDRESS)
            yield message


def _n_requests(message: object) -> int:
    """How many requests a message is: of a batch of questions each is one."""
    if isinstance(message, bytes):  # a single question that is read further on: first, as most are
        return 1
    if isinstance(message, api.BatchRecommendRequest):
        return max(1, len(message.requests))
    return len(message) if isinstance(message, list) else 1
