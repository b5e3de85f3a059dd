"""What a credential may allow."""

from enum import StrEnum


class Scope(StrEnum):
    """A part of the API."""

    RECOMMEND = "recommend"
    EVENTS = "events"
    CATALOG = "catalog"
    CUSTOMERS = "customers"
    MODELS = "models"
