"""Mixing a list, one product after another."""

import numpy as np
import pytest

from recsvc.core.diversity import Likeness
from recsvc.core.mixing import WINDOW, Mixer
from tests.samples import item_indices, tiny_model


@pytest.mark.parametrize(("n_between", "expected"), [(0, 2), (WINDOW - 1, 2), (WINDOW, 1)])
def test_what_stands_a_window_above_is_forgotten(n_between: int, expected: int) -> None:
    """After so many unlike products a second coffee is as good as it was, and tea has to wait."""
    model = tiny_model()
    nothing = np.zeros(len(model.catalogue), np.float32)
    likeness = Likeness.of(model.catalogue, None, nothing)
    espresso, other, tea, bag = item_indices(model, "espresso", "filter", "tea", "bag").tolist()
    items = np.array([espresso, other, tea], np.int32)
    values = np.array([1.0, 0.95, 0.9], np.float32)
    between = np.full(n_between, bag, np.int32)
    mixer = Mixer(likeness, np.zeros(0, np.int32), between, items, values, penalty=5)
    assert mixer.best() == 0
    mixer.put(0)
    for number in range(n_between):
        mixer.put_pin(number)
    assert mixer.best() == expected
