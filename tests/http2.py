"""The frames of HTTP/2 that callers send who do as no client library would."""

TAKES_NOTHING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\6\4\0\0\0\0\0" + b"\0\4\0\0\0\0"
"""The beginning of HTTP/2; of each answer not a byte is wanted (SETTINGS_INITIAL_WINDOW_SIZE)."""


def a_call(target: str, path: str, message: bytes = b"") -> bytes:
    """Frames that begin one: its headers, written plainly, and a message."""

    def field(name: bytes, value: bytes) -> bytes:
        return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value

    headers = b"".join(
        [
            field(b":method", b"POST"),
            field(b":scheme", b"http"),
            field(b":path", path.encode()),
            field(b":authority", target.encode()),
            field(b"te", b"trailers"),
            field(b"content-type", b"application/grpc"),
        ]
    )
    begun = bytes([0, 0, len(headers), 1, 4, 0, 0, 0, 1]) + headers
    sent = b"\0" + len(message).to_bytes(4, "big") + message
    return begun + bytes([0, 0, len(sent), 0, 1, 0, 0, 0, 1]) + sent
