"""How soon everything must be: as promised, or on a machine that is busy with other things."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Longest waits, seconds.

    Attributes:
        answer: for the answer to a question, retries included.
        sight: until every process sees a decision; with its token at once.
        turn: that a question may have to wait for its turn, whatever time it gives; beyond what
            that allows it is turned away.
    """

    answer: float
    sight: float
    turn: float

    def environment(self) -> dict[str, str]:
        """What the service is told of it."""
        return {"RECSVC_MAX_WAIT_MS": str(round(1_000 * self.turn))}


PROMISED = Patience(answer=1.0, sight=1.0, turn=0.1)
"""What client and service have unless told otherwise, and what docs/live.md says."""

BUSY = Patience(answer=20.0, sight=10.0, turn=20.0)
"""For tests, whose machine is shared: that is no measure of the service's speed."""
