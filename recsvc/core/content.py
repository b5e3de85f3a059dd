"""Products that are alike in what they are: in category, brand and title.

What nobody has bought yet is placed by the products that are like it. Categories, brand and title
are words, weighed by how few products have them (TF-IDF) and compared by the cosine: Manning,
Raghavan and Schütze, "Introduction to Information Retrieval" (2008), chapter 6.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.catalogue import SEPARATOR, Catalogue, Product, canonical_path
from recsvc.core.sparse import SparseRows, top
from recsvc.core.vocabulary import MISSING

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
        n = n_products
        words, matrix = _said(catalogue, n)
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


def _said(catalogue: Catalogue, n_products: int) -> tuple[dict[str, int], csr_array]:
    """The words of the first products in the order in which they come up, and who says which.

    Products share most of what they are called by: each category path, brand and title is split
    once, however many have it.

    Returns:
        index of each word, and products by words: a non-zero number wherever a product has a word,
        indices ascending within each row.
    """
    titles, title = catalogue.titles.distinct()
    phrases = [
        *((_category_words, path) for path in catalogue.categories.ids),
        *((_brand_words, brand) for brand in catalogue.brands.ids),
        *((_title_words, text) for text in titles),
    ]
    starts = 0, len(catalogue.categories), len(catalogue.categories) + len(catalogue.brands)
    columns = [column[:n_products] for column in (catalogue.category, catalogue.brand, title)]
    known = np.stack([column != MISSING for column in columns], axis=1)
    shifted = [column + np.int32(start) for column, start in zip(columns, starts, strict=True)]
    codes = np.stack(shifted, axis=1)[known]
    used, first = np.unique(codes, return_index=True)
    used = used[np.argsort(first)]
    rows = np.empty(len(phrases), np.int32)
    rows[used] = np.arange(len(used), dtype=np.int32)
    words: dict[str, int] = {}
    spelt: list[int] = []
    n_spelt = []
    for code in used.tolist():
        split, text = phrases[code]
        found = split(text)
        spelt += [words.setdefault(word, len(words)) for word in found]
        n_spelt.append(len(found))
    products = _rows(rows[codes], known.sum(axis=1), len(used))
    said = products @ _rows(np.array(spelt, np.int32), n_spelt, len(words))
    said.sort_indices()  # lengths are summed in the order of the words, as those of newcomers are
    return words, said


def _rows(
    indices: NDArray[np.int32], lengths: Sequence[int] | NDArray[np.intp], n_columns: int
) -> csr_array:
    """A matrix of ones, so many in each row."""
    # Of 32 bits like the indices: scipy takes the wider of the two for both.
    indptr = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=indptr[1:])
    ones = np.ones(len(indices), np.float32)
    return csr_array((ones, indices, indptr), (len(indptr) - 1, n_columns))


def _words(product: Product) -> list[str]:
    """A product's words."""
    return [
        *_category_words(product.category_path),
        *_brand_words(product.brand),
        *_title_words(product.title),
    ]


def _category_words(path: str) -> list[str]:
    """The category, and each above it."""
    parts = canonical_path(path).split(SEPARATOR) if path else []
    return ["c|" + SEPARATOR.join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _brand_words(brand: str) -> list[str]:
    """The brand as one word, however many it has."""
    return ["b|" + brand.casefold()] if brand else []


def _title_words(title: str) -> list[str]:
    return _WORD.findall(title.casefold())
