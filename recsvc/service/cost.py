"""What a list costs of late, so that a caller in a hurry gets a cheaper one in time."""

LEARNING_RATE = 0.1
RELAXATION = 0.98


class CostEstimate:
    """Running mean of how long something takes.

    Threads may lose each other's updates: an estimate does not mind.

    Args:
        first_seconds: what to assume before anything was measured.
    """

    def __init__(self, first_seconds: float) -> None:
        self.seconds = first_seconds

    def learn(self, seconds: float) -> None:
        """Take in one measurement."""
        self.seconds += LEARNING_RATE * (seconds - self.seconds)

    def relax(self) -> None:
        """Forget a little: what is never tried again could never be found to be fast again."""
        self.seconds *= RELAXATION
