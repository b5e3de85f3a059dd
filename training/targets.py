"""What was bought next, and which of it was new to the customer."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.histories import Histories
from recsvc.core.model import Model
from recsvc.core.vocabulary import Vocabulary
from training.interactions import Interactions, ids


def targets_of(model: Model, purchases: Interactions) -> csr_array:
    """Customers by items of a published model: 1 for each later purchase it could have known.

    Customers and products that the model does not hold are left out, and so is what was
    bought up to the end of its data. Purchases without times are all taken as later.
    """
    lines = purchases.lines
    customer = translated(model.customers, purchases.customers)[lines["customer"].to_numpy()]
    item = translated(model.catalogue.items, purchases.items)[lines["item"].to_numpy()]
    later = lines["time"].to_numpy() > model.data_end if purchases.has_times else np.True_
    usable = (customer >= 0) & (item >= 0) & later
    return ones((customer[usable], item[usable]), (len(model.customers), len(model.catalogue)))


def bought_by(histories: Histories, n_items: int) -> csr_array:
    """Customers by items: 1 for what each has bought."""
    data = np.ones(len(histories.items), np.float32)
    return csr_array((data, histories.items, histories.indptr), (len(histories), n_items))


def new_to_customer(targets: csr_array, bought: csr_array) -> csr_array:
    """Those of ``targets`` that are not in ``bought``; both hold ones, of the same shape."""
    new = csr_array(targets - targets.multiply(bought))
    new.eliminate_zeros()
    return new


def ones(pairs: tuple[NDArray[np.int32], NDArray[np.int32]], shape: tuple[int, int]) -> csr_array:
    """A matrix with 1 at each of ``pairs`` of row and column, however often it is named."""
    matrix = csr_array((np.ones(len(pairs[0]), np.float32), pairs), shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def translated(known: Vocabulary, other: Vocabulary) -> NDArray[np.int32]:
    """For each index of ``other`` the index of the same id in ``known``, or MISSING."""
    return np.array([known.index(external_id) for external_id in ids(other)], np.int32)
