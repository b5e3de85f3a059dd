"""What was bought after a published model's data ended, in that model's indices."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.model import Model
from recsvc.core.vocabulary import Vocabulary
from training.interactions import Interactions, ids


def targets_of(model: Model, purchases: Interactions) -> csr_array:
    """Customers by items of ``model``: 1 for each later purchase that it could have known.

    Customers and products that the model does not hold are left out, and so is what was
    bought up to the end of its data. Purchases without times are all taken as later.
    """
    lines = purchases.lines
    customer = _translated(model.customers, purchases.customers)[lines["customer"].to_numpy()]
    item = _translated(model.catalogue.items, purchases.items)[lines["item"].to_numpy()]
    later = lines["time"].to_numpy() > model.data_end if purchases.has_times else np.True_
    usable = (customer >= 0) & (item >= 0) & later
    shape = (len(model.customers), len(model.catalogue))
    ones = np.ones(int(usable.sum()), np.float32)
    targets = csr_array((ones, (customer[usable], item[usable])), shape)
    targets.sum_duplicates()
    targets.data[:] = 1
    return targets


def _translated(known: Vocabulary, other: Vocabulary) -> NDArray[np.int32]:
    """For each index of ``other`` the index of the same id in ``known``, or MISSING."""
    return np.array([known.index(external_id) for external_id in ids(other)], np.int32)
