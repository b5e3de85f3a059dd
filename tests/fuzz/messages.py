"""Messages of any type of the API, by walking its descriptors."""

import random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.fuzz.texts import INTEGERS, NUMBERS, Texts

_AT_LIMITS: Final = (19, 20, 21, 99, 100, 101, 999, 1_000, 1_001)
_HOSTILITIES: Final = (0.0, 0.0, 0.0, 0.01, 0.05, 0.3, 1.0)
_PEOPLE: Final = {"customer_id", "visitor_id", "visitor_ids", "session_id"}
_NEEDED: Final = {
    *("product_id", "customer_id", "visitor_id", "version_id", "event_id", "key", "currency_code"),
    *("customer", "effective_time", "shopper", "event", "request", "type"),
}
_WHOLE: Final = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
}


class Messages:
    """Makes messages, from such as a careful caller sends to such as nobody should.

    Args:
        texts: where texts come from, and chance.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._random: random.Random = texts.random
        self._hostility = 0.0

    def fill(self, message: Message) -> Message:
        """Fill an empty message, and return it."""
        self._hostility = self._random.choice(_HOSTILITIES)
        self._fill(message, 0)
        return message

    def _fill(self, message: Any, depth: int) -> None:  # noqa: ANN401  # its fields are by name
        sparse = self._random.choice((0.15, 0.5, 0.9))
        for field in message.DESCRIPTOR.fields:
            is_needed = field.name in _NEEDED or (field.is_repeated and depth == 0)
            if self._random.random() > max(sparse, 0.97 * is_needed):
                continue
            if field.is_repeated:
                self._repeat(message, field, depth)
            elif field.message_type is not None:
                inner = getattr(message, field.name)
                inner.SetInParent()
                self._fill(inner, depth + 1)
            else:
                setattr(message, field.name, self._value(field))

    def _repeat(self, message: Any, field: FieldDescriptor, depth: int) -> None:  # noqa: ANN401  # as above
        values = getattr(message, field.name)
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            for _ in range(self._random.randrange(4)):
                self._put(values, kind, depth)
            return
        n_different = self._random.choice((0, 1, 1, 1, 2, 2, 3, 5))
        for _ in range(n_different):
            if kind is not None:
                self._fill(values.add(), depth + 1)
            else:
                values.append(self._value(field))
        if n_different and self._random.random() < 0.004:  # large ones are slow
            at_limit = self._random.choice(_AT_LIMITS)
            values.extend([values[0]] * (at_limit - n_different))

    def _put(self, values: Any, entry: Any, depth: int) -> None:  # noqa: ANN401  # a map
        key = self._value(entry.fields_by_name["key"])
        value = entry.fields_by_name["value"]
        if value.message_type is not None:
            self._fill(values[key], depth + 1)
        else:
            values[key] = self._value(value)

    def _value(self, field: FieldDescriptor) -> Any:  # noqa: ANN401  # of the field's type
        is_hostile = self._random.random() < self._hostility
        choose = self._random.choice
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                if is_hostile:
                    return self._texts.hostile(is_person=field.name in _PEOPLE)
                return self._texts.plausible(field.name)
            case FieldDescriptor.TYPE_BOOL:
                return choose((True, False))
            case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
                return choose(NUMBERS) if is_hostile else choose((0.0, 1.0, 2.0, 51.5))
            case FieldDescriptor.TYPE_ENUM:
                unknown = (-1, 99, 2**31 - 1)
                return choose(unknown if is_hostile else self._known(field))
            case _:
                return self._integer(field, is_hostile=is_hostile)

    @staticmethod
    def _known(field: FieldDescriptor) -> list[int]:
        return [] if field.enum_type is None else [*field.enum_type.values_by_number]

    def _integer(self, field: FieldDescriptor, *, is_hostile: bool) -> int:
        low, high = _WHOLE[field.type]
        if is_hostile:
            return min(max(self._random.choice(INTEGERS), low), high)
        if field.name == "seconds":
            return self._texts.seconds()
        return self._random.choice((0, 1, 3, 20))
