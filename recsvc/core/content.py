"""Products that are alike in what they are: in category, brand and title.

What nobody has bought yet is placed by the products that are like it. Categories, brand and title
are words, weighed by how few products have them (TF-IDF) and compared by the cosine: Manning,
Raghavan and Schütze, "Introduction to Information Retrieval" (2008), chapter 6.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.catalogue import SEPARATOR, Catalogue, Product, canonical_path
from recsvc.core.sparse import SparseRows, top

N_NEAR = 20
"""Like products that a product is placed by."""

_MAX_CELLS = 4_000_000
"""Likenesses that are computed at once, 16 MB."""

_WORD = re.compile(r"\w{2,}")


@dataclass(frozen=True, slots=True)
class Content:
    """The words of a catalogue's products.

    Attributes:
        words: index of each word.
        rarity: float32, shape ``(n_words,)``: logarithm of the inverse share of products.
        products: words by products, float32, shape ``(n_words, n_products)``; each product's
            weights have the length 1.
        n_products: how many those are.
    """

    words: Mapping[str, int]
    rarity: NDArray[np.float32]
    products: csr_array
    n_products: int

    @classmethod
    def of(cls, catalogue: Catalogue, n_products: int) -> Self:
        """Take the words of the first products of a catalogue."""
        words: dict[str, int] = {}
        rows, columns = [], []
        for item in range(n_products):
            for word in _words(catalogue.product(item)):
                rows.append(item)
                columns.append(words.setdefault(word, len(words)))
        n = n_products
        matrix = csr_array((np.ones(len(rows), np.float32), (rows, columns)), (n, len(words)))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        n_with = np.bincount(matrix.indices, minlength=len(words))
        rarity = np.log((n + 1) / (n_with + 1)).astype(np.float32)
        matrix.data = rarity[matrix.indices]
        lengths = np.sqrt(matrix.power(2).sum(axis=1))
        matrix.data /= np.repeat(np.maximum(lengths, 1e-6), np.diff(matrix.indptr))
        return cls(words, rarity, matrix.T.tocsr(), n)

    def nearest(self, products: Sequence[Product], limit: int = N_NEAR) -> SparseRows:
        """The products that are most like each of ``products``.

        Returns:
            ``products`` by the catalogue's: the cosines of the ``limit`` nearest.
        """
        n_rows = max(1, _MAX_CELLS // max(1, self.n_products))
        rows: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []
        for start in range(0, len(products), n_rows):
            asked = self._weights(products[start : start + n_rows])
            likeness = (asked @ self.products).toarray()
            for row in likeness:
                near = np.sort(top(row, limit))
                rows.append((near, row[near]))
        return SparseRows.from_rows(rows)

    def _weights(self, products: Sequence[Product]) -> csr_array:
        """Products by words, each row of the length 1."""
        indptr, indices, values = [0], [], []
        # Words that no product has are as rare as can be.
        unheard = np.log(self.n_products + 1) ** 2
        for product in products:
            said = set(_words(product))
            known = sorted(self.words[word] for word in said if word in self.words)
            weights = self.rarity[known]
            length = np.sqrt((weights**2).sum() + (len(said) - len(known)) * unheard)
            indices += known
            values.append(weights / max(length, 1e-6))
            indptr.append(len(indices))
        data = np.concatenate([np.zeros(0, np.float32), *values]).astype(np.float32)
        return csr_array((data, indices, indptr), (len(products), len(self.words)))


def _words(product: Product) -> Iterator[str]:
    """A product's words; each category above its own is one, and so is the brand."""
    parts = canonical_path(product.category_path).split(SEPARATOR) if product.category_path else []
    for depth in range(1, len(parts) + 1):
        yield "c|" + SEPARATOR.join(parts[:depth])
    if product.brand:
        yield "b|" + product.brand.casefold()
    yield from _WORD.findall(product.title.casefold())
