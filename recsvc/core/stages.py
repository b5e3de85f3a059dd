"""How far a shopper has come, and so what a list is for."""

from enum import StrEnum


class Stage(StrEnum):
    """A stage of the journey; :attr:`ANY` is not said."""

    ANY = "any"
    DISCOVER = "discover"
    CONSIDER = "consider"
    CART = "cart"
    CHECKOUT = "checkout"
    POST_PURCHASE = "post_purchase"
