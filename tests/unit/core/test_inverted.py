"""Products in lists, of which a few hold the best."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.factors import Factors
from recsvc.core.histories import NO_HISTORY, Profile
from recsvc.core.inverted import InvertedFile
from recsvc.core.places import ANYWHERE
from recsvc.core.sources import Collaborative, Moment

N_LISTS, LENGTH = 16, 10
N_ITEMS = N_LISTS * LENGTH
CENTROIDS = np.eye(N_LISTS, dtype=np.float32)
ITEMS = np.random.default_rng(3).permutation(N_ITEMS).astype(np.int32)
STARTS = np.arange(0, N_ITEMS + 1, LENGTH)
FILE = InvertedFile(CENTROIDS, STARTS, ITEMS, 1, 1.0)
ALL = np.ones(N_ITEMS, np.bool_)


def factors() -> Factors:
    """Each product lies along the direction of its list, the first of them farthest."""
    vectors = np.zeros((N_ITEMS, N_LISTS), np.float32)
    lists = np.repeat(np.arange(N_LISTS), LENGTH)
    vectors[ITEMS, lists] = 2 - np.tile(np.arange(LENGTH), N_LISTS) / LENGTH
    return Factors(vectors, vectors.T @ vectors, alpha=1.0, regularization=0.1)


def bought(*items: int) -> Profile:
    """Who has bought these, once each."""
    n = len(items)
    ones, times = np.ones(n, np.float32), np.zeros(n, np.int64)
    once = np.ones(n, np.int32)
    return Profile(np.sort(np.array(items, np.int32)), ones, ones, ones, once, times, times, ones)


def test_the_lists_nearest_to_a_vector_are_read() -> None:
    """Nothing else is, and what is not allowed is left out."""
    vector = np.zeros(N_LISTS, np.float32)
    vector[4], vector[9] = 2, 1
    allowed = ALL.copy()
    allowed[ITEMS[40]] = False

    near = FILE.near(vector, ALL)
    assert near is not None
    assert sorted(near) == sorted(ITEMS[40:50])
    two = replace(FILE, n_probes=2).near(vector, allowed)
    assert two is not None
    assert sorted(two) == sorted([*ITEMS[41:50], *ITEMS[90:100]])


def test_the_fewer_are_allowed_the_more_lists_are_read() -> None:
    """Up to where a pass over everything is as quick; of a handful each is scored."""
    vector = np.linspace(1, 2, N_LISTS, dtype=np.float32)
    half, seventh, few = (np.zeros(N_ITEMS, np.bool_) for _ in range(3))
    half[ITEMS[::2]] = seventh[ITEMS[::7]] = few[ITEMS[:5]] = True

    near = FILE.near(vector, half)
    assert near is not None
    assert sorted(near) == sorted(ITEMS[140:160:2])
    assert FILE.near(vector, seventh) is None
    handful = FILE.near(vector, few)
    assert handful is not None
    assert handful.tolist() == sorted(ITEMS[:5])
    nothing = FILE.near(vector, ~ALL)
    assert nothing is not None
    assert nothing.tolist() == []


@pytest.mark.parametrize(
    "broken",
    [
        {"starts": STARTS[:-1]},
        {"starts": STARTS[::-1].copy()},
        {"starts": np.append(STARTS[:-1], N_ITEMS + 1)},
        {"starts": np.concatenate([[0, 30, 20], STARTS[3:]])},
        {"items": ITEMS - 1},
        {"items": ITEMS + 1},
        {"items": np.concatenate([ITEMS[:1], ITEMS[:-1]])},
        {"n_probes": 0},
        {"n_probes": N_LISTS + 1},
    ],
)
def test_lists_that_do_not_belong_together_are_refused(broken: dict[str, object]) -> None:
    """When they are read, and not at a call."""
    with pytest.raises(ValueError, match="an inverted file"):
        replace(FILE, **broken)  # type: ignore[arg-type]  # a field each


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (replace(FILE, centroids=CENTROIDS[:, 1:]), "vectors of 15"),
        (replace(FILE, starts=STARTS // 2, items=np.arange(80, dtype=np.int32)), "80 products"),
    ],
)
def test_lists_of_other_factors_are_refused(other: InvertedFile, says: str) -> None:
    """What does not fit is said, as soon as it is read."""
    with pytest.raises(ValueError, match=f"collaborative: an inverted file .*{says}.* 160 .* 16"):
        Collaborative(factors(), inverted=other)


def test_proposals_and_scores_are_those_of_all_factors() -> None:
    """With a file and without one, for what is bought there and for who has bought nothing."""
    exact = Collaborative(factors())
    quick = Collaborative(factors(), inverted=FILE)
    everything = np.arange(N_ITEMS, dtype=np.int32)
    profile = bought(*ITEMS[70:73].tolist())
    for allowed in (ALL, *(np.isin(everything, ITEMS[::step]) for step in (2, 7))):
        moments = [Moment(profile, ANYWHERE, allowed, 0.0) for _ in range(2)]
        proposed = [sorted(s.propose(m, 4)) for s, m in zip((exact, quick), moments, strict=True)]
        assert proposed[0] == proposed[1]
        (left,), (right,) = exact.score(moments[0], everything), quick.score(moments[1], everything)
        assert left == pytest.approx(right)
    nobody = Moment(NO_HISTORY, ANYWHERE, ALL, 0.0)
    assert quick.propose(nobody, 4).tolist() == []
    assert not quick.score(nobody, everything)[0].any()


def test_what_the_lists_cannot_fill_is_looked_for_everywhere() -> None:
    """A list of 15 for who buys of two lists, of which one alone is read."""
    quick = Collaborative(factors(), inverted=FILE)
    profile = bought(int(ITEMS[70]), int(ITEMS[71]), int(ITEMS[120]))
    found = quick.propose(Moment(profile, ANYWHERE, ALL, 0.0), 15)
    assert len(found) == 15
    assert {*ITEMS[70:80].tolist()} < {*found.tolist()}
    few = np.isin(np.arange(N_ITEMS), ITEMS[[70, 71, 72]])
    assert sorted(quick.propose(Moment(profile, ANYWHERE, few, 0.0), 15)) == sorted(ITEMS[70:73])


def test_several_who_read_the_file_do_not_read_all_factors() -> None:
    """Nothing is computed for them that they would not ask for."""
    moments = [Moment(bought(int(item)), ANYWHERE, ALL, 0.0) for item in ITEMS[:2]]
    Collaborative(factors(), inverted=FILE).share(moments)
    kept = [moment.dense("collaborative", lambda: None) for moment in moments]
    assert kept == [None, None]


def test_a_file_survives_an_artifact() -> None:
    """Arrays and parameters bring it back; without them there is none."""
    quick = Collaborative(factors(), inverted=replace(FILE, n_probes=3, recall=0.98))
    arrays, parameters = quick.to_arrays("collaborative"), quick.to_parameters()
    again = Collaborative.from_arrays("collaborative", arrays, "collaborative", parameters)
    assert again.inverted is not None
    assert again.inverted.items.tolist() == ITEMS.tolist()
    assert (again.inverted.n_probes, again.inverted.recall) == (3, 0.98)
    plain = Collaborative(factors())
    arrays, parameters = plain.to_arrays("bpr"), plain.to_parameters()
    assert Collaborative.from_arrays("bpr", arrays, "bpr", parameters).inverted is None
