"""Who passes: the credential of a call, the scope that its method asks, and whom it is about."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import grpc

from recsvc.access.api_keys import PREFIX
from recsvc.access.credential import Credential
from recsvc.access.scopes import Scope
from recsvc.errors import CredentialError, ForbiddenError
from recsvc.logs import note
from recsvc.server.rpc_access import RPCS, RpcAccess

Behaviour = Callable[[Any, grpc.ServicerContext], Any]
Check = Callable[[str], Credential]
"""Returns what a credential says, or raises a ``CredentialError``."""


Charge = Callable[[Credential, object], object]
"""Counts a message against the rate of who sends it, or raises a ``RateLimitedError``."""


class Guard(Protocol):
    """Stands before every method."""

    def admit(self, context: grpc.ServicerContext) -> None:
        """Let pass who may call anything at all."""
        ...

    def guarded(
        self, method: str, behaviour: Behaviour, asked: Callable[[Any], Any], *, is_stream: bool
    ) -> Behaviour:
        """Stand before a method, and read what it is asked for who may pass."""
        ...


class Gate:
    """Asks every call for a credential.

    Args:
        key: checks API keys.
        token: checks tokens.
        charge: is told of each message that passes; None, nobody counts them.
    """

    def __init__(
        self, key: Check | None, token: Check | None, charge: Charge | None = None
    ) -> None:
        self._key = key or _unknown
        self._token = token or _unknown
        self._charge = charge or _free

    def admit(self, context: grpc.ServicerContext) -> None:
        """Let pass whoever has a credential of any kind.

        Raises:
            CredentialError: the call has none that can be believed.
        """
        self._credential(_bearer(context))

    def guarded(
        self, method: str, behaviour: Behaviour, asked: Callable[[Any], Any], *, is_stream: bool
    ) -> Behaviour:
        """Put the gate before a method.

        Args:
            method: ``Service/Method``.
            behaviour: what answers it.
            asked: reads what it is asked; nothing is read for who may not pass.
            is_stream: whether ``asked`` makes an iterator, of messages or of lists of them.
        """
        access = RPCS[method]

        def guarded(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # any message
            secret = _bearer(context)
            credential = self._allowed(secret, access)
            note(caller=credential.name)
            if is_stream:
                return behaviour(self._each(asked(request), secret, access), context)
            message = asked(request)
            # Of a service no list is made to look through: it may send whatever it likes.
            if credential.customer_id and not _n_own([message], credential, access):
                raise _of_another()
            self._charge(credential, message)
            return behaviour(message, context)

        return guarded

    def _each(self, messages: Iterable[Any], secret: str, access: RpcAccess) -> Iterator[Any]:
        """The messages of a stream; its credential may end before it does, or be revoked."""
        for message in messages:
            credential = self._allowed(secret, access)
            group = message if isinstance(message, list) else [message]
            n_own = _n_own(group, credential, access)
            if n_own:  # what came before another's is answered
                own = message if n_own == len(group) else group[:n_own]
                self._charge(credential, own)
                yield own
            if n_own < len(group):
                raise _of_another()

    def _allowed(self, secret: str, access: RpcAccess) -> Credential:
        credential = self._credential(secret)
        if access.scope not in credential.scopes:
            raise _lacks(access.scope, "get one that has it")
        if credential.customer_id and access.is_own is None:
            raise _lacks(
                access.scope, "here it is for services alone, and no shopper's token has it"
            )
        return credential

    def _credential(self, secret: str) -> Credential:
        return self._key(secret) if secret.startswith(PREFIX) else self._token(secret)


def _n_own(messages: Sequence[object], credential: Credential, access: RpcAccess) -> int:
    """How many messages there are before the first that the credential may not send."""
    customer_id, is_own = credential.customer_id, access.is_own
    if not customer_id:
        return len(messages)
    for n, message in enumerate(messages):
        if is_own is None or not is_own(message, customer_id):
            return n
    return len(messages)


def _of_another() -> ForbiddenError:
    return ForbiddenError(
        "a shopper's token acts for its own subject alone: name that customer or nobody, and "
        "leave visitors and segments to the shop's services",
        reason="CUSTOMER_MISMATCH",
    )


def _bearer(context: grpc.ServicerContext) -> str:
    """The credential of a call.

    Raises:
        CredentialError: there is none, or it does not come as a bearer token, once.
    """
    found: str | None = None
    for name, value in context.invocation_metadata():
        if name == "authorization":
            if found is not None:
                raise CredentialError("there are two 'authorization' entries; send one")
            found = str(value)
    if not found:
        raise CredentialError(
            "no credential came with the call; send an API key or a token as the metadata "
            "'authorization: Bearer CREDENTIAL'",
            reason="CREDENTIAL_MISSING",
        )
    scheme, _, secret = found.partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise CredentialError("'authorization' must be 'Bearer CREDENTIAL', one space between")
    return secret


def _lacks(scope: Scope, hint: str) -> ForbiddenError:
    return ForbiddenError(
        f"the credential lacks the scope {scope}: {hint}", metadata={"scope": str(scope)}
    )


def _unknown(_: str) -> Credential:
    raise CredentialError("no credential of this kind is known here")


def _free(_: Credential, __: object) -> None:
    """Nobody counts."""
