"""The lot of an experiment: which variant a shopper is shown.

A hash of the experiment's salt and of what stands for the shopper, taken as a number from 0 to 1:
the same in every process, for ever, and independent from one experiment to the next.
"""

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate

_BYTES = 8
_SHARE, _VARIANT = b"share", b"variant"


def takes_part(salt: str, shopper: str, share: float) -> bool:
    """Whether a shopper is among the share that takes part.

    Args:
        salt: of the experiment.
        shopper: what stands for them.
        share: above 0, at most 1. Raised later, it keeps who took part already.
    """
    return _fraction(salt, shopper, _SHARE) < share


def variant_of(salt: str, shopper: str, weights: Sequence[float]) -> int:
    """Index of the variant that a shopper is shown.

    Args:
        salt: of the experiment.
        shopper: what stands for them.
        weights: of the variants, positive, of any sum.
    """
    ends = list(accumulate(weights))
    return bisect_right(ends[:-1], _fraction(salt, shopper, _VARIANT) * ends[-1])


def _fraction(salt: str, shopper: str, purpose: bytes) -> float:
    """A number from 0 to 1, 1 excluded."""
    # The salt's length comes first: no salt and shopper read like another pair.
    text = f"{len(salt)}|{salt}|{shopper}".encode()
    digest = blake2b(text, digest_size=_BYTES, person=purpose).digest()
    return (int.from_bytes(digest) >> 11) / 2**53  # as many bits as a float holds
