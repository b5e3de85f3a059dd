"""Names of what is measured."""

from typing import NamedTuple

ALL = "all"
"""Lists that may repeat, against everything that was bought next."""
NEW = "new"
"""Lists without what the customer had bought, against what was new to the customer."""
HIDDEN = "all_hidden"
"""Lists without what the customer had bought, against everything that was bought next."""

METRICS = ("ndcg@10", "ndcg@20", "recall@20")
TITLES = {"ndcg@10": "nDCG@10", "ndcg@20": "nDCG@20", "recall@20": "recall@20"}
COLUMN_TITLES = {ALL: "all purchases", NEW: "new to the customer"}


class Measure(NamedTuple):
    """One figure of one kind of list.

    Attributes:
        column: ALL or NEW.
        metric: one of METRICS.
    """

    column: str
    metric: str

    @property
    def title(self) -> str:
        """As tables and plots head it."""
        return f"{COLUMN_TITLES[self.column]}, {TITLES[self.metric]}"
