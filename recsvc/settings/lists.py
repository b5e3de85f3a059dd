"""Lists, wherever they are made."""

from typing import Literal

from recsvc.settings.base import Settings


class ListSettings(Settings):
    """What lists are like wherever they are made: by the service, in a batch or for a look."""

    diversity: Literal["none", "low", "medium", "high"] = "none"
    """How varied lists are that ask for no ``diversity``: ``none`` (by score alone), ``low``,
    ``medium`` or ``high``; what each costs stands in docs/rules.md."""
