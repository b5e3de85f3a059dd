"""Names of served lists."""

from base64 import b32decode, b32encode
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsvc.core.recommendation_id import (
    N_OWN,
    ListOrigin,
    Surface,
    experiment_number,
    new_recommendation_id,
    read_recommendation_id,
)

TIME = 1_790_000_000
OWN = ListOrigin(Surface.RECOMMEND, TIME, experiment_number("summer"), 1)


@given(
    st.builds(
        ListOrigin,
        st.sampled_from(Surface),
        st.integers(0, 2**32 - 1),
        st.integers(1, 2**32 - 1),
        st.integers(0, 254),
    ),
    st.binary(min_size=N_OWN, max_size=N_OWN),
)
def test_a_name_says_where_a_list_came_from(origin: ListOrigin, own: bytes) -> None:
    name = new_recommendation_id(origin, own)
    assert read_recommendation_id(name) == origin
    assert len(name) == 32
    assert name.isalnum()
    assert name == name.lower()


def test_a_list_outside_experiments_says_so() -> None:
    name = new_recommendation_id(ListOrigin(Surface.SIMILAR, TIME), bytes(N_OWN))
    assert read_recommendation_id(name) == ListOrigin(Surface.SIMILAR, TIME)


def test_two_lists_share_no_name() -> None:
    """What is random of each tells lists of one second apart."""
    owns = [bytes(N_OWN), b"\1" + bytes(N_OWN - 1), bytes(N_OWN - 1) + b"\1"]
    assert len({new_recommendation_id(OWN, own) for own in owns}) == len(owns)


def test_a_written_name_is_read_for_ever() -> None:
    assert read_recommendation_id("cfvlco4a6a7j6xabwycpwsp7fr73f4ur") == OWN


@pytest.mark.parametrize(
    "text",
    ["", "r1", "0" * 32, "é" * 32, "9f" * 16, "a" * 32, "a" * 33, "ä", "aaaa====aaaa===="],
)
def test_what_is_no_name_is_none(text: str) -> None:
    assert read_recommendation_id(text) is None


def test_a_name_that_was_changed_is_none() -> None:
    name = new_recommendation_id(OWN, bytes(N_OWN))
    other = "b" if name[8] == "a" else "a"
    assert read_recommendation_id(name[:8] + other + name[9:]) is None
    assert read_recommendation_id(name[:-1]) is None


@pytest.mark.parametrize("first_byte", [0x21, 0x1F, 0x10])
def test_another_version_or_surface_is_none(first_byte: int) -> None:
    """Its checksum is right all the same."""
    body = bytes([first_byte]) + b32decode(new_recommendation_id(OWN, bytes(N_OWN)).upper())[1:17]
    content = body + blake2b(body, digest_size=3).digest()
    assert read_recommendation_id(b32encode(content).decode().lower()) is None


def test_experiments_have_numbers_of_their_own() -> None:
    assert len({experiment_number(f"experiment {number}") for number in range(1_000)}) == 1_000
