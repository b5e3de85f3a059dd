"""How a live profile lies in Redis: as tight as can be read in one go.

::

    format u8 = 1, revision u32, n_packed u16, packed bytes, then one record an event

The packed bytes are older records, compressed together; new ones are added at the end by a script
that need not understand them. A record is ::

    received u48      unix milliseconds, from the clock of Redis: written by the script
    head u8           the act, and which of the optional parts follow
    time u32          unix seconds
    [order 3 bytes]   hash of the order's id
    [location]        length u8 and text: store, country, postal code, cell, subdivision
    [rating u8]       tenths
    n_lines varint, and for each: length of the product's id varint, the id, quantity u8:
    1 to 250 as it is, 255 another, as f32 after it

All numbers are big-endian.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.service.shopping import NO_DEEDS, Deed, Event, LiveProfile

FORMAT = 1
HEADER = struct.Struct(">BIH")
RECEIVED_BYTES = 6

_SECONDS = struct.Struct(">I")
_FLOAT = struct.Struct(">f")
_ACT, _HAS_ORDER, _HAS_LOCATION, _HAS_RATING = 0x0F, 0x10, 0x20, 0x40
_ORDER_BYTES = 3
_OTHER_QUANTITY, _MAX_SMALL_QUANTITY = 255, 250
_SEPARATOR = "\x1f"
_MAX_PACKED = 0xFFFF
_MAX_SECONDS = 0xFFFF_FFFF


def record(event: Event) -> bytes:
    """The record of an event without its first field, which the script adds."""
    head = int(event.act)
    parts = [_SECONDS.pack(min(max(int(event.time), 0), _MAX_SECONDS))]
    if event.order_id:
        head |= _HAS_ORDER
        parts.append(blake2b(event.order_id.encode(), digest_size=_ORDER_BYTES).digest())
    place = _place_text(event.location)
    if place:
        head |= _HAS_LOCATION
        parts.append(bytes([len(place)]) + place)
    if event.rating is not None:
        head |= _HAS_RATING
        parts.append(bytes([round(event.rating * 10)]))
    parts.append(_varint(len(event.lines)))
    for line in event.lines:
        product = line.product_id.encode()
        parts += [_varint(len(product)), product, _quantity(line.quantity)]
    return bytes([head]) + b"".join(parts)


def deed_of(event: Event, received: int) -> Deed:
    """The event as a profile holds it, ``received`` being unix milliseconds."""
    (deed,) = _records(received.to_bytes(RECEIVED_BYTES) + record(event))
    return deed


def _place_text(location: Location) -> bytes:
    fields = (
        location.store_id,
        location.country_code,
        location.postal_code,
        location.cell,
        location.subdivision_code,
    )
    text = _SEPARATOR.join(fields)
    short = text.rstrip(_SEPARATOR).encode()
    is_clear = text.count(_SEPARATOR) == len(fields) - 1
    return short if is_clear and len(short) <= 0xFF else b""  # noqa: PLR2004  # its length is one byte


def _quantity(quantity: float) -> bytes:
    if quantity.is_integer() and 1 <= quantity <= _MAX_SMALL_QUANTITY:
        return bytes([int(quantity)])
    return bytes([_OTHER_QUANTITY]) + _FLOAT.pack(min(quantity, 3e38))


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:  # noqa: PLR2004  # seven bits a byte
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


@dataclass(slots=True)
class _Reader:
    """Reads one field after another."""

    data: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        found = self.data[self.at : self.at + n]
        if len(found) < n:
            raise IndexError("it ends early")
        self.at += n
        return found

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  # the last one has no high bit
                return number
            shift += 7


def revision_of(value: bytes | None) -> int:
    """The revision of what lies under a profile's key, without reading the rest."""
    if value is None or len(value) < HEADER.size:
        return 0
    _, revision, _ = HEADER.unpack_from(value)
    return int(revision)


def read_profile(value: bytes | None) -> LiveProfile:
    """Read what lies under a profile's key.

    Raises:
        ValueError: it is damaged, or of another format.
    """
    if value is None:
        return NO_DEEDS
    revision, records = _split(value)
    try:
        return LiveProfile(revision, tuple(_records(records)))
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"a live profile is damaged ({error})") from error


def records_of(value: bytes) -> tuple[list[bytes], bool]:
    """The records of a profile, unpacked, for another profile to take over.

    Returns:
        Those that can be read (another would spoil the other profile too), and whether that is all
        of them.
    """
    if len(value) < HEADER.size or value[0] != FORMAT:
        return [], False
    _, _, n_packed = HEADER.unpack_from(value)
    end = HEADER.size + n_packed
    try:
        older, is_whole = _unpacked(value[HEADER.size : end]), True
    except ValueError:
        older, is_whole = b"", False
    records: list[bytes] = []
    for data in (older, value[end:]):
        try:
            for piece in _pieces(data):
                if _is_readable(piece):
                    records.append(piece)
                else:
                    is_whole = False
        except ValueError:  # nobody knows where the next record begins
            is_whole = False
    return records, is_whole


def _is_readable(piece: bytes) -> bool:
    try:
        list(_records(piece))
    except (IndexError, struct.error, ValueError):
        return False
    return True


def _split(value: bytes) -> tuple[int, bytes]:
    """The revision, and all records unpacked."""
    if len(value) < HEADER.size or value[0] != FORMAT:
        raise ValueError("a live profile is of another format")
    _, revision, n_packed = HEADER.unpack_from(value)
    older = _unpacked(value[HEADER.size : HEADER.size + n_packed])
    return revision, older + value[HEADER.size + n_packed :]


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompress(packed) if packed else b""
    except zlib.error as error:
        raise ValueError(f"a live profile is damaged ({error})") from error


def _records(data: bytes) -> Iterator[Deed]:
    reader = _Reader(data)
    while reader.at < len(data):
        received = int.from_bytes(reader.take(RECEIVED_BYTES))
        head = reader.byte()
        (time,) = _SECONDS.unpack(reader.take(_SECONDS.size))
        order = int.from_bytes(reader.take(_ORDER_BYTES)) + 1 if head & _HAS_ORDER else 0
        location = _location(reader.take(reader.byte())) if head & _HAS_LOCATION else Location()
        rating = reader.byte() / 10 if head & _HAS_RATING else 0.0
        products: list[str] = []
        quantities: list[float] = []
        for _ in range(reader.varint()):
            products.append(reader.take(reader.varint()).decode())
            quantity = float(reader.byte())
            if quantity == _OTHER_QUANTITY:
                (quantity,) = _FLOAT.unpack(reader.take(4))
            quantities.append(quantity)
        yield Deed(
            Act(head & _ACT),
            time,
            received,
            order,
            location,
            rating,
            tuple(products),
            tuple(quantities),
        )


def _location(text: bytes) -> Location:
    store, country, postal, cell, subdivision = (
        *text.decode().split(_SEPARATOR),
        *[""] * 4,
    )[:5]
    return Location(
        store_id=store,
        country_code=country,
        postal_code=postal,
        cell=cell,
        subdivision_code=subdivision,
    )


def compacted(value: bytes, keep: Iterable[bool]) -> bytes:
    """The same profile with some records left out and the others compressed together.

    Args:
        value: what lies under the key.
        keep: whether to keep each record, in order.

    Returns:
        What to put there instead, with the same revision. Where it would not fit, the oldest are
        left out too: a profile stays small whatever its shopper, who may be a machine, does.

    Raises:
        ValueError: it is damaged, or of another format.
    """
    revision, data = _split(value)
    kept = [piece for piece, wanted in zip(_pieces(data), keep, strict=True) if wanted]
    packed = _packed(kept)
    while len(packed) > _MAX_PACKED:
        # Some room beside, or the next event would not fit again.
        n_kept = len(kept) * _MAX_PACKED * 7 // (len(packed) * 8)
        kept = kept[len(kept) - n_kept :]
        packed = _packed(kept)
    return HEADER.pack(FORMAT, revision, len(packed)) + packed


def _packed(pieces: Sequence[bytes]) -> bytes:
    return zlib.compress(b"".join(pieces), 9) if pieces else b""


def _pieces(data: bytes) -> Iterator[bytes]:
    """The records as bytes."""
    reader = _Reader(data)
    while reader.at < len(data):
        start = reader.at
        try:
            _pass_record(reader)
        except IndexError as error:
            raise ValueError(f"a live profile is damaged ({error})") from error
        yield data[start : reader.at]


def _pass_record(reader: _Reader) -> None:
    reader.take(RECEIVED_BYTES)
    head = reader.byte()
    reader.take(_SECONDS.size + (_ORDER_BYTES if head & _HAS_ORDER else 0))
    if head & _HAS_LOCATION:
        reader.take(reader.byte())
    if head & _HAS_RATING:
        reader.byte()
    for _ in range(reader.varint()):
        reader.take(reader.varint())
        if reader.byte() == _OTHER_QUANTITY:
            reader.take(4)
