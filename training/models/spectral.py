"""The smoothest patterns of the purchases (GF-CF; Shen et al. 2021)."""

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import svds

from recsvc.core.sources import Memory, Spectral
from training.interactions import Interactions
from training.settings import TrainingSettings


def fit_spectral(interactions: Interactions, settings: TrainingSettings) -> Spectral:
    """Leading singular vectors of the purchases, each scaled by both sides' numbers."""
    matrix = interactions.matrix(np.ones(interactions.lines.height, np.float32))
    matrix.data[:] = 1
    of_customers = np.maximum(np.diff(matrix.indptr), 1).astype(np.float32)
    of_items = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1)
    scale = np.sqrt(of_items).astype(np.float32)
    normalised = csr_array(diags_array(1 / np.sqrt(of_customers)) @ matrix @ diags_array(1 / scale))
    n_vectors = min(settings.n_vectors, min(matrix.shape) - 1)
    start = np.random.default_rng(settings.seed).random(min(matrix.shape), np.float32)
    _, _, vectors = svds(normalised, n_vectors, v0=start, solver="arpack", tol=1e-3)
    return Spectral(np.asfortranarray(vectors.T, np.float32), scale, Memory.PRESENCE)
