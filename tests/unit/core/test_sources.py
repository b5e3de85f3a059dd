"""What each source proposes and how it scores."""

import numpy as np
import pytest

from recsvc.core.histories import NO_HISTORY
from recsvc.core.model import Model
from recsvc.core.places import ANYWHERE, PLACE_LEVELS, Location, Place
from recsvc.core.sources import (
    Items,
    Moment,
    Neighbours,
    OwnPurchases,
    Popularity,
    PopularityByPlace,
    Source,
    Strategy,
)
from tests.samples import decay, item_indices, tiny_model

ALL = np.arange(10, dtype=np.int32)


@pytest.fixture
def model() -> Model:
    """The small model."""
    return tiny_model()


def moment(
    model: Model, customer: str = "anna", place: Place = ANYWHERE, forbidden: tuple[str, ...] = ()
) -> Moment:
    """Return a call by a customer, with everything allowed but ``forbidden``."""
    allowed = np.ones(len(model.catalogue), np.bool_)
    allowed[item_indices(model, *forbidden)] = False
    return Moment(model.histories.profile(model.customers.index(customer)), place, allowed)


def at(model: Model, store_id: str) -> Place:
    """Return the place of a store."""
    return model.places.resolve(Location(store_id=store_id))


def names(model: Model, items: Items) -> set[str]:
    """Return the ids of items, and see that they are distinct."""
    found = model.catalogue.items.ids.take(items)
    assert len(set(found)) == len(found)
    return set(found)


def sources(model: Model) -> list[Source]:
    """Return every kind of source."""
    assert model.collaborative is not None
    assert model.neighbours is not None
    return [
        OwnPurchases(),
        model.collaborative,
        model.neighbours,
        model.popularity,
        PopularityByPlace(model.places),
    ]


@pytest.mark.parametrize("customer", ["anna", "dora", "nobody"])
@pytest.mark.parametrize("forbidden", [(), ("espresso", "bread", "milk")])
def test_every_source_keeps_the_protocol(
    model: Model, customer: str, forbidden: tuple[str, ...]
) -> None:
    """Distinct, allowed products within the limit; one finite score an item and feature."""
    asked = moment(model, customer, at(model, "leeds-1"), forbidden)
    for source in sources(model):
        n_levels = len(PLACE_LEVELS) if isinstance(source, PopularityByPlace) else 1
        for limit in (1, 3, 20):
            proposed = source.propose(asked, limit)
            assert proposed.dtype == np.int32
            assert asked.allowed[proposed].all()
            assert len(names(model, proposed)) <= limit * n_levels
        columns = source.score(asked, ALL)
        assert len(columns) == len(source.features)
        assert all(c.shape == (10,) and c.dtype == np.float32 for c in columns)
        assert all(np.isfinite(c).all() for c in columns)


def test_own_purchases_are_proposed_by_frequency(model: Model) -> None:
    """The products that were bought most and latest come first, those forbidden not at all."""
    assert names(model, OwnPurchases().propose(moment(model), 2)) == {"espresso", "milk"}
    left = moment(model, forbidden=("espresso",))
    assert names(model, OwnPurchases().propose(left, 2)) == {"milk", "bread"}


def test_own_purchases_are_scored_with_two_memories(model: Model) -> None:
    """The short and the long memory of each product, 0 for what was never bought."""
    short, long = OwnPurchases().score(moment(model), item_indices(model, "milk", "tea"))
    assert short == pytest.approx([decay(3) ** 2, 0])
    assert long == pytest.approx([decay(3), 0])


def test_what_was_only_seen_is_not_bought_again(model: Model) -> None:
    """A session's product is neither proposed as an own purchase nor scored as one."""
    profile = NO_HISTORY.with_session(item_indices(model, "tea"))
    asked = Moment(profile, ANYWHERE, np.ones(10, np.bool_))
    assert not len(OwnPurchases().propose(asked, 5))
    assert not np.any(OwnPurchases().score(asked, ALL))


def test_collaborative_scores_are_products_of_factors(model: Model) -> None:
    """A product's score is its factors times the folded-in user's; the best are proposed."""
    assert model.collaborative is not None
    asked = moment(model)
    factors = model.collaborative.factors
    expected = factors.items @ factors.user(asked.profile)
    (scores,) = model.collaborative.score(asked, ALL)
    assert scores == pytest.approx(expected)
    best = ALL[np.argsort(-expected)[:3]]
    assert set(model.collaborative.propose(asked, 3).tolist()) == set(best.tolist())


def test_a_moment_computes_dense_scores_once(model: Model) -> None:
    """A second asking under one name reads the first one's scores; another call is anew."""
    computed: list[np.ndarray] = []

    def compute() -> np.ndarray:
        computed.append(np.zeros(10, np.float32))
        return computed[-1]

    asked = moment(model)
    assert asked.dense("mine", compute) is asked.dense("mine", compute)
    assert len(computed) == 1
    asked.dense("other", compute)
    moment(model).dense("mine", compute)
    assert len(computed) == 3


def test_neighbours_add_up_weighted_similarities(model: Model) -> None:
    """A product scores the similarities to the own products times their weights."""
    assert model.neighbours is not None
    asked = moment(model)
    espresso, milk, bread = asked.profile.weight
    wanted = item_indices(model, "filter", "butter", "espresso", "punch")
    (scores,) = model.neighbours.score(asked, wanted)
    assert scores == pytest.approx(
        [0.6 * espresso + 0.3 * milk, 0.45 * milk + 0.5 * bread, 0.4 * milk, 0]
    )


def test_neighbours_propose_what_is_near_alone(model: Model) -> None:
    """Products without any likeness to the own ones are not proposed, however many may be."""
    assert model.neighbours is not None
    found = names(model, model.neighbours.propose(moment(model), 10))
    assert found == {"espresso", "filter", "milk", "butter", "bread", "tea", "jam"}


def test_neighbours_contributions_add_up_to_the_score(model: Model) -> None:
    """What each own product adds is its similarity times its weight."""
    assert model.neighbours is not None
    asked = moment(model)
    (scores,) = model.neighbours.score(asked, ALL)
    for item in ALL.tolist():
        terms = model.neighbours.contributions(asked.profile, np.array([item], np.int32))[0]
        assert terms.sum() == pytest.approx(scores[item])
    filter_, espresso = item_indices(model, "filter", "espresso").tolist()
    at_espresso = asked.profile.items.tolist().index(espresso)
    terms = model.neighbours.contributions(asked.profile, np.array([filter_], np.int32))[0]
    assert terms[at_espresso] == pytest.approx(0.6 * asked.profile.weight[at_espresso])


def test_popularity_proposes_the_head_of_its_order(model: Model) -> None:
    """The most popular allowed products come, in the order of popularity."""
    asked = moment(model, forbidden=("espresso",))
    expected = [i for i in model.popularity.order.tolist() if asked.allowed[i]]
    assert model.popularity.propose(asked, 3).tolist() == expected[:3]


def test_popularity_looks_beyond_the_head() -> None:
    """Where the head of the order is forbidden, the tail fills the list."""
    order = np.arange(9, -1, -1, dtype=np.int32)
    source = Popularity(np.linspace(-3, -1, 10, dtype=np.float32), order)
    allowed = np.zeros(10, np.bool_)
    allowed[[0, 1, 9]] = True
    found = source.propose(Moment(NO_HISTORY, ANYWHERE, allowed), 2)
    assert found.tolist() == [9, 1]


def test_popularity_scores_are_logarithms_of_shares(model: Model) -> None:
    """The shares add up to 1 over all products."""
    (scores,) = model.popularity.score(moment(model), ALL)
    assert np.exp(scores).sum() == pytest.approx(1)


def test_a_place_proposes_what_it_sells(model: Model) -> None:
    """A store with enough products speaks alone."""
    asked = moment(model, place=at(model, "leeds-1"))
    found = names(model, PopularityByPlace(model.places).propose(asked, 2))
    assert found == {"espresso", "milk"}


def test_a_place_with_too_little_asks_the_wider_one(model: Model) -> None:
    """A store that cannot fill the list is joined by its subdivision's and country's sales."""
    asked = moment(model, place=at(model, "york-1"))
    found = names(model, PopularityByPlace(model.places).propose(asked, 5))
    assert {"tea", "jam", "bread", "milk"} <= found  # of York itself
    assert found & {"espresso", "filter"}  # of England


def test_no_place_proposes_nothing(model: Model) -> None:
    """Without any place there is nothing local to propose."""
    found = PopularityByPlace(model.places).propose(moment(model), 5)
    assert len(found) == 0
    assert found.dtype == np.int32


def test_a_place_scores_its_shares_and_their_lift(model: Model) -> None:
    """Scores are the logarithms of the share here, and of its ratio to everywhere's."""
    place = at(model, "porto-1")
    here, lift = PopularityByPlace(model.places).score(moment(model, place=place), ALL)
    shares = model.places.shares_at(place, ALL)
    assert np.exp(here) == pytest.approx(shares)
    assert np.exp(lift) == pytest.approx(shares / model.places.shares)
    assert lift[item_indices(model, "punch")] > 0 > lift[item_indices(model, "tea")]


def test_everywhere_has_no_lift(model: Model) -> None:
    """Without a place nothing is bought more here than everywhere."""
    _, lift = PopularityByPlace(model.places).score(moment(model), ALL)
    assert lift.tolist() == [0] * 10


def test_features_name_their_strategies(model: Model) -> None:
    """Every feature stands for one strategy, and no two sources share a name."""
    named = [feature for source in sources(model) for feature in source.features.items()]
    assert dict(named) == {
        "own_short": Strategy.BUY_AGAIN,
        "own_long": Strategy.BUY_AGAIN,
        "collaborative": Strategy.COLLABORATIVE,
        "neighbours": Strategy.SIMILAR,
        "popularity": Strategy.POPULAR,
        "place": Strategy.POPULAR_NEARBY,
        "place_lift": Strategy.POPULAR_NEARBY,
    }
    assert len(dict(named)) == len(named)


def test_neighbours_of_nothing(model: Model) -> None:
    """A shopper without purchases has no neighbours."""
    assert model.neighbours is not None
    asked = moment(model, "nobody")
    assert not len(Neighbours(model.neighbours.similarity).propose(asked, 5))
    assert model.neighbours.contributions(NO_HISTORY, np.array([0], np.int32)).size == 0
