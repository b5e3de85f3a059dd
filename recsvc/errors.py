"""Every error that recsvc raises on purpose.

The tree::

    RecsvcError
    ├── InputError               a file, column or option that the user gave is unusable
    │   └── FaultyFileError      a file has faults, each told on a line of its own
    ├── SettingsError            the configuration cannot work
    ├── InvalidRequestError      a field of a request is invalid
    ├── NotFoundError            a named product, store, model or customer does not exist
    ├── PreconditionError        the state of the service forbids the call
    ├── NotYetAvailableError     the API is defined, its implementation comes later
    ├── UnavailableError         the service cannot answer now; a client may retry
    ├── StoreUnavailableError    Redis did not answer in time
    │   ├── DamagedError         what it keeps there cannot be read
    │   └── ErasedMeanwhileError the person was erased while the call was under way
    ├── OverloadedError          there is no room for more right now; a client may retry
    │   └── RateLimitedError     there is none for this caller, who has used up its rate
    ├── StreamEndedError         a stream was held open, and neither fed nor read
    ├── CredentialError          a token is missing, or cannot be believed
    ├── ForbiddenError           a token does not allow the call
    ├── ArtifactError            an artifact is corrupt, truncated or of a newer schema
    └── RegistryError            the registry cannot be read or written

Errors know no transport: each carries a ``reason`` of the public API, and the
doors map classes to their own codes.
"""

from collections.abc import Iterable, Mapping


def one_line(text: str) -> str:
    """A text that may quote what came from outside, on one line that a terminal can show.

    White space of other kinds becomes a space, and what cannot be printed its escape.
    """
    if text.isprintable():
        return text
    line = " ".join(text.split())
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


class RecsvcError(Exception):
    """Base of all; ``str()`` is one line for a person: what, where, what to do.

    Args:
        message: without a trailing full stop; what it quotes may be of any kind, see ``one_line``.
        reason: the machine-readable reason, in capitals, as ``docs/api`` lists them.
        metadata: details for a program, all strings.
    """

    default_reason = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(one_line(message))
        self.reason = reason or self.default_reason
        self.metadata: dict[str, str] = dict(metadata or {})


class InputError(RecsvcError):
    """A file, column or option that the user gave is unusable."""

    default_reason = "INPUT_INVALID"


class FaultyFileError(InputError):
    """A file that the user wrote has faults; ``str()`` is one line all the same.

    Args:
        message: which file, and that it cannot be used.
        faults: where, what and what to do, one line each.
    """

    def __init__(self, message: str, faults: Iterable[str]) -> None:
        self.headline = one_line(message)
        self.faults = tuple(map(one_line, faults))
        super().__init__(f"{message}: {'; '.join(self.faults)}")


class SettingsError(RecsvcError):
    """The configuration cannot work."""

    default_reason = "SETTINGS_INVALID"


class InvalidRequestError(RecsvcError):
    """A field of a request is invalid.

    Args:
        field: path of the field as a caller writes it, ``page_size`` or
            ``filter.price_range.min``.
        message: what is wrong with it and what to do.
        reason: FIELD_INVALID unless a finer one applies.
    """

    default_reason = "FIELD_INVALID"

    def __init__(self, field: str, message: str, *, reason: str | None = None) -> None:
        super().__init__(f"{field}: {message}", reason=reason, metadata={"field": field})
        self.field = field
        self.description = one_line(message)


class NotFoundError(RecsvcError):
    """A named product, store, model or customer does not exist."""

    default_reason = "NOT_FOUND"


class PreconditionError(RecsvcError):
    """The state of the service forbids the call."""

    default_reason = "FAILED_PRECONDITION"


class NotYetAvailableError(RecsvcError):
    """The API is defined, its implementation comes in a later version."""

    default_reason = "NOT_YET_AVAILABLE"


class UnavailableError(RecsvcError):
    """The service cannot answer now; a client may retry."""

    default_reason = "WARMING_UP"


class StoreUnavailableError(RecsvcError):
    """Redis did not answer in time, refused, or is not there."""

    default_reason = "STORE_UNAVAILABLE"


class UnansweredError(StoreUnavailableError):
    """Redis was asked and said nothing: what it was asked to do may have been done, or not."""


class DamagedError(StoreUnavailableError):
    """What Redis keeps under a name cannot be read."""


class ErasedMeanwhileError(StoreUnavailableError):
    """A person was erased while the call was under way; nothing of it was kept."""


class OverloadedError(RecsvcError):
    """There is no room for more right now; the caller comes back in a moment.

    Args:
        message: one line.
        reason: OVERLOADED unless another one applies.
        metadata: details for a program.
        retry_seconds: when it is worth to come back; None, the usual time.
    """

    default_reason = "OVERLOADED"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.retry_seconds = retry_seconds


class RateLimitedError(OverloadedError):
    """A caller has used up its rate of requests."""

    default_reason = "RATE_LIMITED"


class StreamEndedError(RecsvcError):
    """A call was held open, and nothing was asked on it, or its answers were not read."""

    default_reason = "STREAM_IDLE"


class ArtifactError(RecsvcError):
    """An artifact is corrupt, truncated or of a newer schema."""

    default_reason = "MODEL_NOT_ACTIVATABLE"


class RegistryError(RecsvcError):
    """The registry cannot be read or written."""

    default_reason = "REGISTRY_UNUSABLE"


class CredentialError(RecsvcError):
    """A token is missing, or cannot be believed."""

    default_reason = "CREDENTIAL_INVALID"


class ForbiddenError(RecsvcError):
    """A token does not allow the call."""

    default_reason = "SCOPE_MISSING"
