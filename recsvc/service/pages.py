"""Pages of one list: the next one leaves out what the ones before have shown.

A token carries what was shown, so that no product appears on two pages, whatever happens in
between, and is bound to the question, the shopper and the model.
"""

import struct
from collections.abc import Sequence
from hashlib import blake2b
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recsvc.errors import InvalidRequestError
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Question

MAX_SHOWN = 1_000
"""Products of all pages of a list together."""

_HEAD = struct.Struct(">16sQ8s")
_ITEM = np.dtype(">u4")
_NEWCOMER = 1 << 31


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
    return _head(question, shopper, loaded) + before + _codes(loaded, items).tobytes()


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
    codes = np.frombuffer(question.page[_HEAD.size :], _ITEM).astype(np.int64)
    is_new = codes >= _NEWCOMER
    items: list[int] = codes[~is_new].tolist()
    if is_new.any():
        assortment = loaded.assortment
        newcomers = np.arange(assortment.n_learnt, len(assortment), dtype=np.int32)
        shown = np.isin(_codes(loaded, newcomers), codes[is_new])
        items += newcomers[shown].tolist()
    return items


def _codes(loaded: LoadedModel, items: NDArray[np.int32]) -> NDArray[np.uint32]:
    """Item indices as a token holds them.

    Those of newcomers differ from process to process, so they are named by a hash of their ids:
    of two alike, in a thousand million, the second is taken for shown.
    """
    ids, n_learnt = loaded.assortment.catalogue.items.ids, loaded.assortment.n_learnt
    codes = [i if i < n_learnt else _NEWCOMER + crc32(ids[i].encode()) // 2 for i in items.tolist()]
    return np.array(codes, np.int64).astype(_ITEM)


def _head(question: Question, shopper: str, loaded: LoadedModel) -> bytes:
    asked = blake2b(question.canonical(), digest_size=16, salt=shopper.encode()[:16]).digest()
    version = blake2b(loaded.reference.version_id.encode(), digest_size=8).digest()
    return _HEAD.pack(asked, loaded.generation, version)
