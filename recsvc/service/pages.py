"""Pages of one list: the next one leaves out what the ones before have shown.

A token carries what was shown, so that no product appears on two pages, whatever happens in
between, and is bound to the question, the shopper and the model.
"""

import struct
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from recsvc.errors import InvalidRequestError
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Question

MAX_SHOWN = 1_000
"""Products of all pages of a list together."""

_HEAD = struct.Struct(">16sQ8s")
_ITEM = np.dtype(">u4")


def next_page(
    question: Question, shopper: str, loaded: LoadedModel, items: NDArray[np.int32]
) -> bytes:
    """What the token of the next page says; empty where there is none.

    Args:
        question: of the list.
        shopper: hash of who asked.
        loaded: the model that answered.
        items: item indices of this page.
    """
    before = question.page[_HEAD.size :]
    n_shown = len(before) // _ITEM.itemsize + len(items)
    if len(items) < question.size or n_shown >= MAX_SHOWN:
        return b""
    return _head(question, shopper, loaded) + before + items.astype(_ITEM).tobytes()


def shown_before(question: Question, shopper: str, loaded: LoadedModel) -> Sequence[int]:
    """Item indices of the pages before.

    Raises:
        InvalidRequestError: the token belongs to another question, shopper or model
            (PAGE_TOKEN_MISMATCH).
    """
    if not question.page:
        return ()
    head = question.page[: _HEAD.size]
    if head != _head(question, shopper, loaded):
        raise InvalidRequestError(
            "page_token",
            "belongs to another request, or to another model than answers now; ask without one",
            reason="PAGE_TOKEN_MISMATCH",
        )
    items: list[int] = np.frombuffer(question.page[_HEAD.size :], _ITEM).tolist()
    return items


def _head(question: Question, shopper: str, loaded: LoadedModel) -> bytes:
    asked = blake2b(question.canonical(), digest_size=16, salt=shopper.encode()[:16]).digest()
    version = blake2b(loaded.reference.version_id.encode(), digest_size=8).digest()
    return _HEAD.pack(asked, loaded.generation, version)
