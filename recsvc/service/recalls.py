"""The recall switch: what is withdrawn leaves every list, and stays out until it is restored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from recsvc.service.standing import Standing


@dataclass(frozen=True, slots=True)
class Recalled:
    """A change of the recall switch.

    Attributes:
        product_ids: as sent, without repetitions.
        time: when it was recorded.
        position: of the ledger; a read that has seen so much sees it.
    """

    product_ids: tuple[str, ...]
    time: datetime
    position: int


class Recalls:
    """Withdraws and restores products.

    Args:
        standing: where it is recorded, and from where every process hears of it.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def withdraw(self, product_ids: Sequence[str]) -> Recalled:
        """Take products out of every list.

        Raises:
            StoreUnavailableError: it cannot be recorded; nothing has changed.
        """
        distinct = tuple(dict.fromkeys(product_ids))
        return Recalled(distinct, *self._standing.withdraw(distinct))

    def restore(self, product_ids: Sequence[str]) -> Recalled:
        """Undo :meth:`withdraw`.

        Raises:
            StoreUnavailableError: it cannot be recorded; nothing has changed.
        """
        distinct = tuple(dict.fromkeys(product_ids))
        return Recalled(distinct, *self._standing.restore(distinct))
