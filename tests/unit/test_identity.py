"""What stands for a person."""

from recsvc.identity import customer_hash, session_hash, visitor_hash


def test_a_customer_hash_needs_the_key() -> None:
    """The same key gives the same sixteen digits, another key others."""
    assert customer_hash(b"key", "7") == customer_hash(b"key", "7")
    assert customer_hash(b"key", "7") != customer_hash(b"other", "7")
    assert len(customer_hash(b"key", "7")) == 16


def test_a_visitor_is_no_customer_of_the_same_id() -> None:
    """The shop may number both from 1."""
    assert visitor_hash(b"key", "7") != customer_hash(b"key", "7")
    assert visitor_hash(b"key", "7") == visitor_hash(b"key", "7")


def test_a_session_is_nobody_of_the_same_id() -> None:
    """A lot that goes by sessions deals nobody else's."""
    assert session_hash(b"key", "7") not in {customer_hash(b"key", "7"), visitor_hash(b"key", "7")}
    assert session_hash(b"key", "7") == session_hash(b"key", "7")
