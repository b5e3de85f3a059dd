"""What every ``AnswerStore`` promises, over each adapter; Redis is a real embedded Valkey."""

import pytest

from recsvc.service.ports import AnswerStore
from tests.stores import Stores

FIRST, SECOND = (
    "0b5f8c1e-6f0a-4c57-9d3f-2f6a1b7c8d9e",
    "0b5f8c1e-6f0a-4c57-9d3f-2f6a1b7c8d9f",
)


@pytest.fixture
def answers(stores: Stores) -> AnswerStore:
    return stores.answers


def test_unknown_request_has_no_answer(answers: AnswerStore) -> None:
    """What was never answered is None, not an error."""
    assert answers.get(FIRST) is None


@pytest.mark.parametrize("answer", [b"", b"\x00\xff\r\n$-1\r\n", b"x" * 200_000])
def test_answer_returns_byte_for_byte(answers: AnswerStore, answer: bytes) -> None:
    """Any bytes come back as they were put, under their own request alone."""
    answers.put(FIRST, answer)
    assert answers.get(FIRST) == answer
    assert answers.get(SECOND) is None


def test_first_answer_stays(answers: AnswerStore) -> None:
    """Of two answers to one request everybody gets the first."""
    answers.put(FIRST, b"first")
    answers.put(FIRST, b"second")
    assert answers.get(FIRST) == b"first"
