"""What a reason can say, and the facts that it says: no words, in any language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from recsvc.core.places import Level


class ReasonCode(StrEnum):
    """What kind of reason is given, for programs."""

    BOUGHT_BEFORE = "BOUGHT_BEFORE"
    DUE_AGAIN = "DUE_AGAIN"
    SIMILAR_TO_BOUGHT = "SIMILAR_TO_BOUGHT"
    SIMILAR_CUSTOMERS = "SIMILAR_CUSTOMERS"
    SIMILAR_PRODUCT = "SIMILAR_PRODUCT"
    BOUGHT_TOGETHER = "BOUGHT_TOGETHER"
    POPULAR_NEARBY = "POPULAR_NEARBY"
    POPULAR = "POPULAR"
    PICKED = "PICKED"


class Claim(StrEnum):
    """What is claimed; every language has one sentence for each.

    "It" is the product on the list, "that" the product of the evidence.
    """

    BOUGHT = "the shopper bought it, nobody knows when"
    BOUGHT_ON = "the shopper bought it, last at a known time"
    DUE_AGAIN = "the shopper buys it every so often"
    SEEN = "it interested the shopper"
    LIKE_SEEN = "it is like something that the shopper looked at"
    FITS_BOUGHT = "it fits the shopper's purchases, that above all"
    FITS_SEEN = "it fits what interests the shopper now, that above all"
    FITS_NOW = "it fits what interests the shopper now"
    FITS = "it fits something of the shopper's that is not to be named"
    LIKE_CUSTOMERS = "customers bought it whose purchases are like the shopper's"
    LIKE_MINDED = "customers bought it who bought what interests the shopper"
    ALSO_BOUGHT = "customers who buy that buy it"
    OWN_LIFT = "it is bought together with that, which the shopper has bought, more than by chance"
    LIFT = "it is bought together with that more than by chance"
    TOGETHER = "it was bought together with that"
    TOGETHER_UNNAMED = "it was bought together with something that is not to be named"
    SIMILAR_LIFT = "it is like that, and bought together with it more than by chance"
    SAME_BUYERS = "customers who buy that bought it"
    SAME_TASTE = "it is near that in the factors"
    ALIKE = "it is like that in its words"
    GOES_WITH_LIKE = "it goes with what is like that in its words"
    LIKE_GOES_WITH = "it is like what goes with that"
    SIMILAR_UNNAMED = "it is like something that is not to be named"
    NEW = "it is new"
    NEW_LIKE = "it is new and like that in its words"
    NEW_LIKE_BOUGHT = "it is new and like that, which the shopper has bought"
    SOLD = "so many bought it at a place"
    IN_RANGE = "it is sold"
    PICKED = "a rule of the shop's put it there"


_CODES: Mapping[Claim, ReasonCode] = {
    Claim.BOUGHT: ReasonCode.BOUGHT_BEFORE,
    Claim.BOUGHT_ON: ReasonCode.BOUGHT_BEFORE,
    Claim.DUE_AGAIN: ReasonCode.DUE_AGAIN,
    Claim.SEEN: ReasonCode.SIMILAR_CUSTOMERS,
    Claim.LIKE_SEEN: ReasonCode.SIMILAR_PRODUCT,
    Claim.FITS_BOUGHT: ReasonCode.SIMILAR_CUSTOMERS,
    Claim.FITS_SEEN: ReasonCode.SIMILAR_CUSTOMERS,
    Claim.FITS_NOW: ReasonCode.SIMILAR_CUSTOMERS,
    Claim.FITS: ReasonCode.SIMILAR_CUSTOMERS,
    Claim.LIKE_CUSTOMERS: ReasonCode.SIMILAR_CUSTOMERS,
    Claim.LIKE_MINDED: ReasonCode.SIMILAR_CUSTOMERS,
    Claim.ALSO_BOUGHT: ReasonCode.SIMILAR_TO_BOUGHT,
    Claim.OWN_LIFT: ReasonCode.SIMILAR_TO_BOUGHT,
    Claim.LIFT: ReasonCode.BOUGHT_TOGETHER,
    Claim.TOGETHER: ReasonCode.BOUGHT_TOGETHER,
    Claim.TOGETHER_UNNAMED: ReasonCode.BOUGHT_TOGETHER,
    Claim.PICKED: ReasonCode.PICKED,
    Claim.IN_RANGE: ReasonCode.POPULAR,
}
"""All others but :attr:`Claim.SOLD`, whose code depends on the place, are SIMILAR_PRODUCT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one product is on a list. A number that is 0 is not said.

    Attributes:
        claim: what is claimed.
        evidence: item indices of the products that it rests on.
        n_purchases: how many purchases are meant: the shopper's own, all at the place, or those
            of both products together.
        last_time: when the shopper last bought it, seconds since 1970, UTC.
        interval_seconds: mean time between two purchases of the shopper's.
        lift: how many times as often as chance it is bought together with the evidence.
        window_days: length of the time that purchases were counted in.
        window_start, window_end: purchases counted are from the first, inclusive, to the second,
            seconds since 1970, UTC.
        level: how finely the place was looked at.
        place: what to call it: the store's name or the postal code.
        store_id: id of a store without a name.
        rule_id: the rule that put the product there.
        sentences: what that rule wants to be said, by language.
    """

    claim: Claim
    evidence: tuple[int, ...] = ()
    n_purchases: int = 0
    last_time: int = 0
    interval_seconds: float = 0.0
    lift: float = 0.0
    window_days: int = 0
    window_start: int = 0
    window_end: int = 0
    level: Level | None = None
    place: str = ""
    store_id: str = ""
    rule_id: str = ""
    sentences: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> ReasonCode:
        """What kind of reason it is."""
        if self.claim is Claim.SOLD:
            is_everywhere = self.level is Level.EVERYWHERE
            return ReasonCode.POPULAR if is_everywhere else ReasonCode.POPULAR_NEARBY
        return _CODES.get(self.claim, ReasonCode.SIMILAR_PRODUCT)
