"""How soon everything must be: as promised, or on a machine that is busy with other things."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Longest waits, seconds.

    Attributes:
        answer: for the answer to a question, retries included.
        sight: until every process sees a decision; with its token at once.
    """

    answer: float
    sight: float


PROMISED = Patience(answer=1.0, sight=1.0)
"""What the client gives a question unless told otherwise, and what docs/live.md says."""

BUSY = Patience(answer=20.0, sight=10.0)
"""For tests, whose machine is shared: that is no measure of the service's speed."""
