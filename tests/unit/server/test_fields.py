"""Fields that many methods share."""

import pytest

from recsvc.errors import InvalidRequestError
from recsvc.server.fields import check_batch


@pytest.mark.parametrize(("n_entries", "reason"), [(0, "FIELD_INVALID"), (8, "BATCH_TOO_LARGE")])
def test_a_batch_has_its_limits(n_entries: int, reason: str) -> None:
    """Empty is a field that is invalid; too many is a batch that is too large."""
    check_batch("records", 1, 7)
    check_batch("records", 7, 7)
    with pytest.raises(InvalidRequestError) as caught:
        check_batch("records", n_entries, 7)
    assert (caught.value.field, caught.value.reason) == ("records", reason)
