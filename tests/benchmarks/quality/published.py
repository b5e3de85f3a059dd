"""Figures that others published on the very same split."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One method's figures as its authors, or those who compared with it, print them.

    Attributes:
        name: the method.
        source: where the figures stand.
        data_set: the set whose split they used.
        figures: by metric.
    """

    name: str
    source: str
    data_set: str
    figures: dict[str, float]


def _gowalla(name: str, source: str, recall: float, ndcg: float) -> Published:
    return Published(name, source, "gowalla", {"recall@20": recall, "ndcg@20": ndcg})


PUBLISHED = (
    _gowalla("UltraGCN", "Mao et al., CIKM 2021", 0.1862, 0.1580),
    _gowalla("GF-CF", "Shen et al., CIKM 2021", 0.1849, 0.1518),
    _gowalla("LightGCN", "He et al., SIGIR 2020", 0.1830, 0.1554),
    _gowalla("NGCF", "Wang et al., SIGIR 2019, as He et al. quote it", 0.1570, 0.1327),
)
