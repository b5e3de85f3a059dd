"""What is bought next after what: directed transitions by time gap."""

import numpy as np
from scipy.sparse import csr_array, diags_array

from recsvc.core.sources import ItemToItem, Memory
from training.interactions import SECONDS_A_DAY, Interactions
from training.models.strongest import strongest
from training.settings import TrainingSettings


def fit_transitions(interactions: Interactions, settings: TrainingSettings) -> ItemToItem:
    """How often a product follows another, from one stretch of time to the next.

    Time is cut into stretches of ``transition_days``, the last of them ending with the data.
    A product follows another once for each customer who bought the one in a stretch and the
    other in the next; lately counts more. Counts are divided by the roots of both products'
    numbers: plain ones find nothing but best sellers.
    """
    lines = interactions.lines
    shape = (len(interactions.customers), len(interactions.items))
    customer, item = lines["customer"].to_numpy(), lines["item"].to_numpy()
    age_days = (interactions.end - lines["time"].to_numpy()) / SECONDS_A_DAY
    stretch = (age_days // settings.transition_days).astype(np.int64)

    def bought(number: int) -> csr_array:
        """Customers by products: 1 for what was bought in the stretch."""
        inside = np.flatnonzero(stretch == number)
        ones = np.ones(len(inside), np.float32)
        matrix = csr_array((ones, (customer[inside], item[inside])), shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix

    follows = csr_array((shape[1], shape[1]), dtype=np.float32)
    then = bought(0)
    for number in range(1, int(stretch.max(initial=0)) + 1):
        first = bought(number)
        age = number * settings.transition_days
        if first.nnz and then.nnz:
            decay = np.float32(2 ** (-age / settings.transition_half_life_days))
            follows += (first.T @ then) * decay
        then = first
    number = np.maximum(
        np.bincount(item, interactions.decayed(settings.transition_half_life_days), shape[1]), 1
    ).astype(np.float32)
    scale = diags_array(1 / np.sqrt(number))
    scaled = csr_array(scale @ follows @ scale)
    return ItemToItem("transitions", strongest(scaled, settings.n_neighbours), Memory.SHORT)
