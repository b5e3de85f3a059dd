"""Values that programs stumble over, and plausible ones among them, from one seed."""

import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

PERSON: Final = "q7xPersonx7q"
"""Is part of the id of every customer and visitor, so that one in a log is found."""
FORGED: Final = "q7xForgedx7q"
"""The event of a log line that an id tries to write."""

_FORGED_LINE: Final = (
    f'{{"event": "{FORGED}", "level": "info", "timestamp": "2026-04-01T00:00:00Z", "code": "OK"}}'
)
HOSTILE: Final[Sequence[str]] = (
    *("\0", "\n", "\r\n", "\t", " ", "\x1b[31m", "\x7f", "\u0085", "\u2028", "\u202e", "\ufeff"),
    *("\ufffe", "\U0010ffff", "\U0001f9ea", "e\u0301", "\u0130", "ß", "\u0661\u0662", "\u200b"),
    *("{", "}", "{p:07}", "{p:", ":", "*", "?", "[a-z]", "\\", '"', "'", "`", "%", "%s%n", "{0}"),
    *("\r\n*1\r\n$8\r\nFLUSHALL\r\n", "$-1\r\n", "return 1", "$(reboot)", "<script>", "' OR 1=1"),
    *(".", "..", "/", "../../etc/passwd", "..\\..", "/etc/passwd", "file:///etc/passwd"),
    *("v1/../v2", "v1\0", "current", "current.json", "manifest.json", "-1", "0", "nan", "inf"),
    *("1e999", "9" * 400, "true", "null", "None", "__proto__", "a" * 255, "a" * 256, "a" * 257),
    *("é" * 128, "é" * 129, "\U0001f9ea" * 64, "\U0001f9ea" * 65, "\0" * 256, "x" * 1_001),
    "y" * 9_000,
    *(f"\n{_FORGED_LINE}\n", f"\r\n{_FORGED_LINE}\r\n", f"\u2028{_FORGED_LINE}\u2028"),
)  # fmt: skip
"""Texts of which every one has broken something somewhere: control characters, what Redis, paths,
logs, formats and shells take for their own, and lengths about the limits of an id."""

INTEGERS: Final = (
    *(0, 1, -1, 2, 19, 20, 21, 99, 100, 101, 127, 128, 255, 256, 999, 1_000, 1_001, 10**9 - 1),
    *(10**9, -(10**9), 2**31 - 1, 2**31, -(2**31), 2**32, 2**53 + 1, 10**12, 2**63 - 1, -(2**63)),
    *(-62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800, 1_775_000_000),
)
NUMBERS: Final = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 2.5, 90.0, -90.0, 90.000001, 180.0, -180.0, 180.1, 1e-300, 5e-324),
    *(1e15, 1e16, 1.7e308, -1.7e308, float("nan"), float("inf"), float("-inf")),
)


@dataclass
class Texts:
    """A bounded pool of ids, so that what the service rightly remembers stays bounded too.

    Attributes:
        random: where chance comes from.
        products: ids of products that there are.
        stores: likewise, stores.
        customers: likewise, customers; each holds :data:`PERSON`.
        versions: likewise, versions of the model.
        seen: tokens and ids that the service has given out, by the name of their field.
    """

    random: random.Random
    products: Sequence[str]
    stores: Sequence[str]
    customers: Sequence[str]
    versions: Sequence[str]
    seen: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ids = [*HOSTILE, *(self._mixed() for _ in range(300))]
        self._people = [f"{PERSON}{text}" for text in self._ids]
        numbers = [uuid.UUID(int=self.random.getrandbits(128), version=4) for _ in range(500)]
        people = [*self.customers, *(person[:200] for person in self._people[::20])]
        self._known: dict[str, Sequence[str]] = {
            "customer_id": people,
            "visitor_id": people,
            "product_id": self.products,
            "product_ids": self.products,
            "recent_product_ids": self.products,
            "exclude_product_ids": self.products,
            "store_id": self.stores,
            "version_id": self.versions,
            "request_id": [*[""] * len(numbers), *map(str, numbers)],
        }

    def hostile(self, *, is_person: bool = False) -> str:
        """Any text; that of a person can be told."""
        return self.random.choice(self._people if is_person else self._ids)

    def plausible(self, name: str) -> str:
        """What a careful caller would write into a field of this name."""
        if name in _NUMBERED:
            return f"{name[0]}{self.random.randrange(5_000)}"
        if name in _GIVEN:
            is_given = self.random.random() < _SHARE_GIVEN
            return self.random.choice(self.seen.get(name, [""])) if is_given else ""
        known = self._known.get(name) or _PLAUSIBLE.get(name, ("", "some text", "größer"))
        return self.random.choice(known)

    def remember(self, name: str, given: str) -> None:
        """Keep what the service gave out, to be sent back."""
        seen = self.seen.setdefault(name, [])
        seen.append(given)
        if len(seen) > _N_SEEN:
            del seen[self.random.randrange(len(seen))]

    def seconds(self) -> int:
        """A time about now."""
        return int(time.time()) + self.random.choice((0, -1, -60, -86_400, -864_000, 3_600))

    def _mixed(self) -> str:
        """Pieces of several texts, of any characters that proto3 lets through."""
        pieces = [self.random.choice(HOSTILE)[:80] for _ in range(self.random.randrange(3))]
        pieces += [self._character() for _ in range(self.random.randrange(6))]
        self.random.shuffle(pieces)
        return "".join(pieces)

    def _character(self) -> str:
        code = self.random.choice((0x80, 0x800, 0x1_0000, 0x11_0000))
        point = self.random.randrange(code)
        return "\ufffd" if 0xD800 <= point < 0xE000 else chr(point)


_N_SEEN: Final = 200
_SHARE_GIVEN: Final = 0.3
_NUMBERED: Final = {"event_id", "order_id", "session_id", "correlation_id"}
_GIVEN: Final = {"page_token", "consistency_token", "recommendation_id"}
_PLAUSIBLE: Final[dict[str, Sequence[str]]] = {
    "country_code": ("GB", "PT", "DE", ""),
    "subdivision_code": ("GB-ENG", "PT-13", ""),
    "postal_code": ("LS14DY", "4000-069", ""),
    "currency_code": ("GBP", "EUR"),
    "language_code": ("en", "de", "pt-BR", ""),
    "time_zone": ("Europe/London", "UTC", ""),
    "category_path": ("Drinks > Coffee", "Food", ""),
    "category_paths": ("Drinks > Coffee", "Food"),
    "brands": ("Alta", "Leaf"),
    "paths": ("consent", "home_location", "segments", "*"),
    "placement_id": ("home", "cart", ""),
    "experiment_id": ("", "blue-buttons"),
    "key": ("roast", "label", "de"),
    "values": ("dark", "organic"),
    "group_id": ("", "tees"),
    "service": ("", "recsvc.v1.RecommendationService", "recsvc.v1.ModelService"),
    "file_by_filename": ("recsvc/v1/common.proto", "google/protobuf/timestamp.proto"),
    "file_containing_symbol": ("recsvc.v1.Shopper", "recsvc.v1.RecommendationService.Recommend"),
    "all_extension_numbers_of_type": ("google.protobuf.FieldOptions", "recsvc.v1.Shopper"),
    "containing_type": ("google.protobuf.FieldOptions", "recsvc.v1.Shopper"),
}
