"""How much the event log keeps, and how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How much is kept, and how long.

    Attributes:
        max_events: events that wait to be collected, at most, of all partitions together.
        remembered_seconds: how long an event's id is known, so that a repetition is recognised.
        customer_seconds: how long a customer's live profile is kept after its last event.
        visitor_seconds: likewise a visitor's.
        durable_seconds: longest wait for the disk.
    """

    max_events: int = 1_000_000
    remembered_seconds: int = 7 * 86_400
    customer_seconds: int = 120 * 86_400
    visitor_seconds: int = 30 * 86_400
    durable_seconds: float = 5.0
