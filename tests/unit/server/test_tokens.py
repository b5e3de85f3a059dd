"""Signed tokens: what was not made by this service is not taken for it."""

import base64

import pytest

from recsvc.errors import InvalidRequestError
from recsvc.server.tokens import ConsistencyTokens, Signer
from recsvc.service.selling import NOTHING, Written

TOKENS = ConsistencyTokens(b"key")


@pytest.mark.parametrize("position", [0, 1, 2**63])
def test_a_token_holds_its_position(position: int) -> None:
    """And no token at all asks for nothing."""
    assert TOKENS.read(TOKENS.write(position)) == Written(ledger=position)
    assert TOKENS.read(TOKENS.write(position, 7)) == Written(position, 7)
    assert TOKENS.read("") == NOTHING


def test_a_token_of_the_version_before_is_read() -> None:
    """It had the position alone: a rolling update must not break who holds one."""
    old = Signer(b"key", b"consistency").token((1234).to_bytes(8))
    assert TOKENS.read(old) == Written(ledger=1234)


@pytest.mark.parametrize(
    "token",
    [
        "c1",
        "é",
        "=",
        "A" * 24,
        base64.b64encode(b"12345678").decode(),
        "x" * 1_000_000,
        ConsistencyTokens(b"another").write(1),
        Signer(b"key", b"models").token((1).to_bytes(8)),
        TOKENS.write(1)[:-4],
        TOKENS.write(1) + "\n",
    ],
)
def test_what_was_not_made_here_is_refused(token: str) -> None:
    """As an invalid field, without repeating what was sent."""
    with pytest.raises(InvalidRequestError) as caught:
        TOKENS.read(token)
    assert (caught.value.field, caught.value.reason) == ("consistency_token", "FIELD_INVALID")
    assert str(caught.value) == ("consistency_token: was not made by this service; ask without one")


def test_every_bit_of_a_token_counts() -> None:
    """None of it can be changed into another position."""
    signed = base64.urlsafe_b64decode(TOKENS.write(5))
    for index in range(8 * len(signed)):
        changed = bytearray(signed)
        changed[index // 8] ^= 1 << index % 8
        with pytest.raises(InvalidRequestError):
            TOKENS.read(base64.urlsafe_b64encode(changed).decode())
