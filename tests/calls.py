"""A call as gRPC hands it over, without a network."""

from typing import Any


class AbortedError(Exception):
    """What gRPC raises when a call is aborted."""


class Context:
    """As much of a ``ServicerContext`` as what wraps a call uses.

    Attributes:
        status: what the call was aborted with.
    """

    def __init__(self, *, seconds: float = 10.0, is_active: bool = True) -> None:
        self._seconds = seconds
        self._is_active = is_active
        self.status: Any = None

    def time_remaining(self) -> float:
        return self._seconds

    def is_active(self) -> bool:
        return self._is_active

    def abort_with_status(self, status: object) -> None:
        self.status = status
        raise AbortedError
