"""The ranking: who gets which list, by which rules, and what is said of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.histories import NO_HISTORY
from recsvc.core.lists import Ranking
from recsvc.core.live import Act
from recsvc.core.model import Model
from recsvc.core.places import ANYWHERE, Level, Location, Place
from recsvc.core.query import Query
from recsvc.core.ranking import Ranker, Task
from recsvc.core.recommender import Recommender
from recsvc.core.reranking import Form
from recsvc.core.scoring import scored
from recsvc.core.sources import Collaborative, Strategy
from recsvc.core.vocabulary import MISSING
from tests.acts import Did, acts_of, added, bought, moment, rated, returned, viewed
from tests.counting import DATA_END, DAY
from tests.rankers import Stump, grow, regress, weigh
from tests.samples import PURCHASES, item_indices, tiny_model

ALL_IDS = {"espresso", "filter", "tea", "milk", "butter", "bread", "jam", "soap", "punch", "bag"}


@pytest.fixture
def recommender() -> Recommender:
    """The small model's."""
    return Recommender(tiny_model())


def ask(recommender: Recommender, customer: str = "", store: str = "", **query: Any) -> Query:
    """Return a question by external ids; without a store, at home."""
    index = recommender.model.customers.index(customer)
    place = recommender.place(index, Location(store_id=store))
    return Query(**{"customer": index, "place": place, "now": DATA_END, **query})


def ids(recommender: Recommender, ranking: Ranking) -> list[str]:
    """Return the product ids of a list."""
    return recommender.model.catalogue.items.ids.take(ranking.items)


def weighted(task: Task, **weights: float) -> Model:
    """Return the small model with other weights for one task."""
    return weigh(tiny_model(), {task: weights})


def strategies(recommender: Recommender, ranking: Ranking) -> dict[str, Strategy]:
    """Return the strategy of each product of a list."""
    names = ids(recommender, ranking)
    return dict(zip(names, map(Strategy, ranking.strategies.tolist()), strict=True))


# Who is asking, and where.


def test_the_location_given_wins_over_home(recommender: Recommender) -> None:
    """A location is resolved; without one the customer's home is taken."""
    anna = recommender.model.customers.index("anna")
    places = recommender.model.places
    away = recommender.place(anna, Location(store_id="porto-1"))
    assert away == places.resolve(Location(store_id="porto-1"))
    assert recommender.place(anna, Location()) == places.resolve(Location(store_id="leeds-1"))


def test_an_unknown_location_is_not_home(recommender: Recommender) -> None:
    """Who says where they are is not taken for being at home, known place or not."""
    anna = recommender.model.customers.index("anna")
    assert recommender.place(anna, Location(store_id="no-such")) == ANYWHERE


def test_nobody_is_at_home_nowhere(recommender: Recommender) -> None:
    """An unknown customer without a location is anywhere, and so is one without a home."""
    emil = recommender.model.customers.index("emil")
    assert recommender.place(MISSING, Location()) == ANYWHERE
    assert recommender.place(emil, Location()) == ANYWHERE


@pytest.mark.parametrize(
    ("customer", "store", "only_new", "task"),
    [
        ("anna", "", False, Task.ALL),
        ("anna", "leeds-1", False, Task.ALL),
        ("anna", "york-1", False, Task.AWAY),
        ("anna", "no-such", False, Task.ALL),
        ("anna", "york-1", True, Task.NEW),
        ("emil", "", False, Task.ALL),
        ("emil", "york-1", False, Task.AWAY),
        ("", "york-1", False, Task.COLD),
        ("", "", True, Task.COLD),
    ],
)
def test_the_task_suits_the_question(
    recommender: Recommender, customer: str, store: str, task: Task, *, only_new: bool
) -> None:
    """No history is COLD, new products NEW, another place than home AWAY, all else ALL."""
    query = ask(recommender, customer, store, only_new=only_new)
    profile = recommender.model.histories.profile(query.customer)
    assert recommender.task(query, profile) is task


def test_the_home_country_is_home(recommender: Recommender) -> None:
    """A place is away only if its own finest level is another than the customer's."""
    anna = recommender.model.customers.index("anna")
    resolve = recommender.model.places.resolve
    assert not recommender.is_away(anna, resolve(Location(country_code="GB")))
    assert recommender.is_away(anna, resolve(Location(country_code="PT")))


def test_a_stranger_with_a_session_is_not_cold(recommender: Recommender) -> None:
    """What was seen just now is a taste, though nobody knows a home to be away from."""
    query = ask(recommender, store="york-1")
    profile = NO_HISTORY.with_session(np.array([0], np.int32))
    assert recommender.task(query, profile) is Task.ALL


# What the list is ordered by.


def test_the_score_is_the_weighted_sum(recommender: Recommender) -> None:
    """Every score is the sum of standardised features times the task's weights."""
    query = ask(recommender, "anna")
    candidates = recommender.candidates(query)
    ranking = recommender.recommend(query)
    raw = candidates.scores.astype(np.float64)
    deviation = raw.std(axis=0)
    columns = (raw - raw.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    expected = columns @ recommender.model.rankers[Task.ALL].weights
    by_item = dict(zip(candidates.items.tolist(), expected.tolist(), strict=True))
    assert ranking.scores == pytest.approx([by_item[i] for i in ranking.items.tolist()], abs=1e-5)


def test_candidates_have_a_column_a_score(recommender: Recommender) -> None:
    """Columns follow the names of the sources' scores, rows the ascending items."""
    case = recommender.candidates(ask(recommender, "anna"))
    names = [name for source in recommender.model.sources for name in source.features]
    assert recommender.scores == tuple(names)
    assert case.scores.shape == case.standardised.shape == (len(case.items), len(names))
    assert (np.diff(case.items) > 0).all()


def test_what_is_bought_again_leads(recommender: Recommender) -> None:
    """Anna's espresso, bought three times, comes first at her home store."""
    ranking = recommender.recommend(ask(recommender, "anna", size=2))
    assert ids(recommender, ranking) == ["espresso", "milk"]
    assert set(ranking.strategies.tolist()) == {Strategy.BUY_AGAIN}


def test_ties_go_to_the_more_popular() -> None:
    """Where no feature has a weight, the order of popularity decides."""
    recommender = Recommender(weighted(Task.ALL))
    ranking = recommender.recommend(ask(recommender, "anna"))
    order = recommender.model.popularity.order.tolist()
    positions = [order.index(item) for item in ranking.items.tolist()]
    assert positions == sorted(positions)
    assert not ranking.scores.any()


def test_the_place_changes_the_list(recommender: Recommender) -> None:
    """A stranger is shown what the store in question sells."""
    york = recommender.recommend(ask(recommender, store="york-1", size=2))
    porto = recommender.recommend(ask(recommender, store="porto-1", size=2))
    assert ids(recommender, york)[0] == "tea"
    assert ids(recommender, porto)[0] == "bread"
    assert york.items.tolist() != porto.items.tolist()
    assert york.levels[0] == porto.levels[0] == Level.STORE


def test_a_session_shapes_the_list() -> None:
    """What a stranger has just looked at brings up its neighbours."""
    recommender = Recommender(weighted(Task.ALL, neighbours=1))
    session = item_indices(recommender.model, "tea")
    ranking = recommender.recommend(ask(recommender, session=session, size=2))
    assert ids(recommender, ranking) == ["jam", "bread"]
    assert set(ranking.strategies.tolist()) == {Strategy.SIMILAR}
    assert ranking.profile.items.tolist() == session.tolist()


def test_rank_and_order_agree(recommender: Recommender) -> None:
    """The tuner's cheap ordering is the served one."""
    case = recommender.candidates(ask(recommender, "ben"))
    ranker = Ranker(np.arange(len(recommender.scores), dtype=np.float32))
    ranking = recommender.rank(case, ranker, Form(size=6))
    assert recommender.order(case, ranker, Form(size=6)).tolist() == ranking.items.tolist()
    scores = case.standardised @ ranker.weights
    assert ranking.scores == pytest.approx(np.sort(scores)[::-1][:6])


def test_a_size_beyond_the_candidates_widens_them(recommender: Recommender) -> None:
    """A long list is filled up with everything that is allowed."""
    ranking = recommender.recommend(ask(recommender, "anna", size=50))
    assert set(ids(recommender, ranking)) == ALL_IDS


def test_no_size_is_an_empty_list(recommender: Recommender) -> None:
    """Asking for nothing gives nothing."""
    query = ask(recommender, "anna", size=0)
    for ranking in (
        recommender.recommend(query),
        recommender.popular(query),
        recommender.similar(0, query),
    ):
        assert len(ranking.items) == 0


# What trees order by.

STUMPS = (Stump("days_since", 3.5, 0.25, 1), Stump("log_price", 1.5, 0.5, 0))
"""What Anna bought more than 3 days ago, and what costs up to 4.48."""


def test_trees_order_the_list() -> None:
    """The sum of the leaves is the score; equal ones go by popularity."""
    recommender = Recommender(grow(tiny_model(), Task.ALL, *STUMPS))
    ranking = recommender.recommend(ask(recommender, "anna", size=50))
    names = ids(recommender, ranking)
    scores = dict(zip(names, ranking.scores.tolist(), strict=True))
    dear = {"espresso", "filter", "punch"}
    expected = {name: 0.25 + 0.5 * (name not in dear) for name in ALL_IDS} | {"bread": 1.5}
    assert scores == expected
    order = recommender.model.popularity.order
    popular = recommender.model.catalogue.items.ids.take(order)
    assert names == sorted(popular, key=lambda name: -expected[name])


def test_trees_look_at_the_best_by_the_weights() -> None:
    """Of a cascade the others follow, in the order of the weights and as far below."""
    model = grow(tiny_model(), Task.ALL, *STUMPS)
    whole = model.rankers[Task.ALL]
    recommender = Recommender(model)
    case = recommender.candidates(ask(recommender, "anna"))
    n_items = len(case.items)

    fusion = scored(case, Ranker(whole.weights))
    by_trees = scored(case, whole)
    sifted = scored(case, replace(whole, n_sifted=3))

    order = np.argsort(-fusion)
    first, others = order[:3], order[3:]
    assert n_items > 3
    assert sifted[first].tolist() == by_trees[first].tolist()
    below = sifted[first].min() + fusion[others] - fusion[first].min()
    assert sifted[others] == pytest.approx(below)
    assert sifted[others].max() < sifted[first].min()
    for n_sifted in (n_items, n_items + 1):
        assert scored(case, replace(whole, n_sifted=n_sifted)).tolist() == by_trees.tolist()


def test_what_counts_beside_sifting_trees_is_as_among_all() -> None:
    """A regression and the fusion give who is sifted what they would give among all."""
    model = regress(grow(tiny_model(), Task.ALL, *STUMPS), Task.ALL, log_buyers=0.5)
    whole = replace(model.rankers[Task.ALL], fusion=0.7)
    recommender = Recommender(model)
    case = recommender.candidates(ask(recommender, "anna"))
    first = np.argsort(-scored(case, Ranker(whole.weights)))[:3]

    sifted = scored(case, replace(whole, n_sifted=3))

    assert sifted[first] == pytest.approx(scored(case, whole)[first])


def test_trees_and_weights_are_rankers_alike() -> None:
    """The same candidates may be ordered by either; the cheap order is the served one."""
    recommender = Recommender(grow(tiny_model(), Task.ALL, *STUMPS))
    case = recommender.candidates(ask(recommender, "anna"))
    learnt = recommender.model.rankers[Task.ALL]
    fused = Ranker(learnt.weights)
    for ranker in (learnt, fused):
        ranking = recommender.rank(case, ranker, Form(size=5))
        assert recommender.order(case, ranker, Form(size=5)).tolist() == ranking.items.tolist()
    by_trees, by_weights = (
        recommender.rank(case, ranker, Form(size=5)) for ranker in (learnt, fused)
    )
    assert ids(recommender, by_trees)[0] == "bread"
    assert ids(recommender, by_weights)[0] == "espresso"


def test_a_task_without_trees_is_fused() -> None:
    """Trees for one task leave the lists of all others alone."""
    plain = Recommender(tiny_model())
    learnt = Recommender(grow(plain.model, Task.NEW, *STUMPS))
    for query in (ask(plain, "anna"), ask(plain, "anna", "york-1"), ask(plain)):
        one, other = plain.recommend(query), learnt.recommend(query)
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tolist() == other.scores.tolist()
    query = ask(plain, "anna", only_new=True)
    assert set(learnt.recommend(query).scores.tolist()) <= {0.25, 0.75, 1.5}


def test_a_regression_is_added_to_the_trees() -> None:
    """Beside trees its log-odds count as they do."""
    model = grow(tiny_model(), Task.ALL, *STUMPS)
    query = ask(Recommender(model), "anna", size=50)
    trees = Recommender(model).recommend(query)
    both = Recommender(regress(model, Task.ALL, n_purchases=1)).recommend(query)
    by_item = dict(zip(trees.items.tolist(), trees.scores.tolist(), strict=True))
    espresso, milk, bread = item_indices(model, "espresso", "milk", "bread").tolist()
    by_item[espresso] += np.arcsinh(3)
    by_item[milk] += np.arcsinh(1)
    by_item[bread] += np.arcsinh(1)
    assert both.scores == pytest.approx([by_item[item] for item in both.items.tolist()])
    assert both.items.tolist()[:2] == [bread, espresso]


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_the_fusion_is_added_to_the_trees(share: float) -> None:
    """Its share says how much a deviation of the weighted sum counts beside what was learnt."""
    model = tiny_model()
    query = ask(Recommender(model), "anna", size=50)
    case = Recommender(model).candidates(query)
    weights = model.rankers[Task.ALL].weights
    fusion = case.standardised @ weights
    model = grow(model, Task.ALL, *STUMPS)
    trees = Recommender(model).recommend(query)
    ranker = replace(model.rankers[Task.ALL], fusion=share)
    both = Recommender(model).rank(case, ranker, Form(size=50))
    learnt = dict(zip(trees.items.tolist(), trees.scores.tolist(), strict=True))
    expected = np.array([learnt[item] for item in case.items.tolist()])
    expected += share * fusion / fusion.std()
    by_item = dict(zip(case.items.tolist(), expected.tolist(), strict=True))
    assert both.scores == pytest.approx([by_item[item] for item in both.items.tolist()], abs=1e-5)


def test_weights_tell_the_strategy_where_trees_rank() -> None:
    """What speaks most for a product is said by the weights, whatever its rank is."""
    model = tiny_model()
    plain, learnt = Recommender(model), Recommender(grow(model, Task.ALL, *STUMPS))
    query = ask(plain, "anna", size=50)
    by_weights = strategies(plain, plain.recommend(query))
    by_trees = strategies(learnt, learnt.recommend(query))
    assert by_trees == by_weights
    assert list(by_trees) != list(by_weights)


def test_trees_know_the_place_of_the_call() -> None:
    """The same shopper is shown first what sells better here than everywhere."""
    recommender = Recommender(grow(tiny_model(), Task.AWAY, Stump("lift_store", 0.25, 0, 1)))
    for store, expected in (("york-1", {"tea", "jam"}), ("porto-1", {"punch", "soap"})):
        ranking = recommender.recommend(ask(recommender, "anna", store, size=50))
        names = np.array(ids(recommender, ranking))
        assert expected <= set(names[ranking.scores == 1].tolist())
        assert "espresso" not in names[ranking.scores == 1]


def test_trees_rank_nothing() -> None:
    """Where nothing is allowed trees, and the fusion beside them, have nothing to order."""
    model = tiny_model()
    for task in model.rankers:
        model = grow(model, task, *STUMPS)
    rankers = {task: replace(ranker, fusion=1.0) for task, ranker in model.rankers.items()}
    recommender = Recommender(replace(model, rankers=rankers))
    for customer in ("anna", ""):
        query = ask(recommender, customer, excluded=np.arange(10, dtype=np.int32))
        assert [len(ranking.items) for ranking in lists(recommender, query)] == [0, 0, 0]


# What may be on the list.


def lists(recommender: Recommender, query: Query) -> list[Ranking]:
    """Return the three kinds of list for one question."""
    return [
        recommender.recommend(query),
        recommender.popular(query),
        recommender.similar(0, query),
    ]


def test_excluded_products_are_left_out(recommender: Recommender) -> None:
    """What the caller excludes is on no kind of list; the next best takes its room."""
    excluded = item_indices(recommender.model, "milk", "filter")
    for ranking in lists(recommender, ask(recommender, "anna", excluded=excluded, size=3)):
        assert not set(ids(recommender, ranking)) & {"milk", "filter"}
        assert len(ranking.items) == 3


def test_only_new_leaves_out_what_was_bought(recommender: Recommender) -> None:
    """Purchases are left out, products merely seen in the session are not."""
    session = item_indices(recommender.model, "tea")
    query = ask(recommender, "anna", only_new=True, session=session, size=50)
    for ranking in lists(recommender, query):
        assert not set(ids(recommender, ranking)) & {"espresso", "milk", "bread"}
    assert "tea" in ids(recommender, recommender.recommend(query))


def test_a_filter_holds_on_every_list(recommender: Recommender) -> None:
    """Nothing outside the category comes, however popular."""
    query = ask(recommender, "anna", catalogue_filter=CatalogueFilter(category_paths=("Drinks",)))
    for ranking in lists(recommender, query):
        assert set(ids(recommender, ranking)) <= {"espresso", "filter", "tea", "punch"}
    found = ids(recommender, recommender.recommend(query))
    assert set(found) == {"espresso", "filter", "tea", "punch"}


def test_an_empty_filter_is_no_filter(recommender: Recommender) -> None:
    """A filter that asks for nothing restricts nothing."""
    open_query = ask(recommender, "anna", catalogue_filter=CatalogueFilter())
    found = recommender.recommend(open_query).items.tolist()
    assert found == recommender.recommend(ask(recommender, "anna")).items.tolist()


def test_what_is_out_of_season_is_not_shown(recommender: Recommender) -> None:
    """Dora's punch is on her list in winter and not in summer."""
    winter = recommender.recommend(ask(recommender, "dora"))
    assert ids(recommender, winter)[0] == "punch"
    for ranking in lists(recommender, ask(recommender, "dora", now=DATA_END + 90 * DAY)):
        assert "punch" not in ids(recommender, ranking)


def test_a_model_without_seasons_ignores_the_time() -> None:
    """Where no product has a window, all may be sold at any time."""
    model = tiny_model()
    catalogue = model.catalogue
    always = replace(
        catalogue,
        available_from=np.full(10, -(2**62)),
        available_to=np.full(10, 2**62),
    )
    recommender = Recommender(tiny_model(catalogue=always))
    ranking = recommender.recommend(ask(recommender, "dora", now=DATA_END + 90 * DAY))
    assert ids(recommender, ranking)[0] == "punch"


@pytest.mark.parametrize("customer", ["anna", ""])
def test_nothing_allowed_is_an_empty_list(recommender: Recommender, customer: str) -> None:
    """A filter that leaves nothing gives an empty list of every kind, without an error."""
    query = ask(recommender, customer, catalogue_filter=CatalogueFilter(brands=("No such",)))
    for ranking in lists(recommender, query):
        assert ranking.items.shape == ranking.scores.shape == (0,)
        assert ranking.strategies.shape == ranking.levels.shape == (0,)


def test_one_product_allowed_is_a_list_of_one(recommender: Recommender) -> None:
    """A single candidate stands out in nothing and is shown all the same."""
    soap = CatalogueFilter(category_paths=("Household > Soap",))
    ranking = recommender.recommend(ask(recommender, "clara", catalogue_filter=soap))
    assert ids(recommender, ranking) == ["soap"]


@pytest.mark.parametrize("store", ["", "york-1", "no-such"])
def test_an_unknown_customer_gets_a_list(recommender: Recommender, store: str) -> None:
    """Nobody's list is full and says nothing of purchases that nobody made."""
    ranking = recommender.recommend(ask(recommender, "stranger", store, size=5))
    assert len(ranking.items) == 5
    assert ranking.profile.is_empty
    assert set(ranking.strategies.tolist()) <= {Strategy.POPULAR, Strategy.POPULAR_NEARBY}


def test_what_is_sold_is_a_matter_of_its_own_moment(recommender: Recommender) -> None:
    """A list for summer holds no punch, asked in winter, and a list for winter does in summer."""
    winter, summer = DATA_END, DATA_END + 90 * DAY
    for ranking in lists(recommender, ask(recommender, "dora", now=winter, sold_at=summer)):
        assert "punch" not in ids(recommender, ranking)
    ranking = recommender.recommend(ask(recommender, "dora", now=summer, sold_at=winter))
    assert ids(recommender, ranking)[0] == "punch"


# What the shopper did since the model learnt.


def index_of(recommender: Recommender, product_id: str) -> int:
    """Return the index of a product."""
    return int(item_indices(recommender.model, product_id)[0])


def after(
    recommender: Recommender,
    *did: Did,
    customer: str = "",
    day: float = 1,
    **query: Any,
) -> Query:
    """Return a question some days after the model learnt, after these acts."""
    return ask(recommender, customer, now=moment(day), acts=acts_of(*did), **query)


def test_a_look_makes_a_strangers_list_their_own() -> None:
    """What nobody knew an hour ago is asked by what they looked at, as a session given is."""
    recommender = Recommender(weighted(Task.ALL, neighbours=1))
    query = after(recommender, viewed(index_of(recommender, "tea"), 1), size=2)
    assert query.customer == MISSING
    ranking = recommender.recommend(query)
    assert recommender.task(query, ranking.profile) is Task.ALL
    assert ids(recommender, ranking) == ["jam", "bread"]
    assert set(ranking.strategies.tolist()) == {Strategy.SIMILAR}
    session = item_indices(recommender.model, "tea")
    given = recommender.recommend(ask(recommender, session=session, size=2))
    assert given.items.tolist() == ranking.items.tolist()
    assert given.scores.tolist() == ranking.scores.tolist()


def test_a_purchase_makes_a_strangers_list_their_own(recommender: Recommender) -> None:
    """Tea of three days ago is bought again, and is what the list was made from."""
    tea = index_of(recommender, "tea")
    query = after(recommender, bought(tea, 1), day=4, size=3)
    ranking = recommender.recommend(query)
    stranger = recommender.recommend(replace(query, acts=acts_of()))
    assert ids(recommender, ranking)[0] == "tea" != ids(recommender, stranger)[0]
    assert strategies(recommender, ranking)["tea"] is Strategy.BUY_AGAIN
    assert ranking.profile.items.tolist() == [tea]
    assert ranking.profile.last_time.tolist() == [moment(1)]
    assert ranking.profile.n_purchases.tolist() == [1]
    assert stranger.profile.is_empty


def test_acts_join_what_is_known_of_a_customer(recommender: Recommender) -> None:
    """Dora's punch, and her butter of yesterday; what came back was never bought."""
    butter, punch = index_of(recommender, "butter"), index_of(recommender, "punch")
    query = after(recommender, bought(butter, 1), customer="dora", day=2)
    assert recommender.live(query).profile.purchased.tolist() == sorted([butter, punch])
    query = after(recommender, bought(butter, 1), returned(punch, 1), customer="dora", day=2)
    assert recommender.recommend(query).profile.purchased.tolist() == [butter]
    assert recommender.similar(0, query).profile.purchased.tolist() == [butter]
    assert recommender.popular(query).profile.is_empty


def test_what_was_learnt_fades_until_the_moment(recommender: Recommender) -> None:
    """Thirty days after the model learnt, with its half-lives of thirty, all counts half."""
    known = recommender.model.histories.profile(recommender.model.customers.index("anna"))
    profile = recommender.recommend(after(recommender, customer="anna", day=30)).profile
    for name in ("short", "long", "weight"):
        assert getattr(profile, name) == pytest.approx(getattr(known, name) / 2), name


def test_the_basket_shapes_the_list_and_is_not_on_it() -> None:
    """Tea that lies in the basket brings up jam and bread, of which the latter is given too."""
    recommender = Recommender(weighted(Task.ALL, neighbours=1))
    bread = index_of(recommender, "bread")
    query = after(recommender, added(index_of(recommender, "tea"), 1), size=50)
    for ranking in lists(recommender, query):
        assert "tea" not in ids(recommender, ranking)
    assert ids(recommender, recommender.recommend(query))[:2] == ["jam", "bread"]
    both = replace(query, session=np.array([bread], np.int32))
    assert recommender.recommend(both).profile.items.tolist() == [
        index_of(recommender, "tea"),
        bread,
    ]


@pytest.mark.parametrize("customer", ["anna", ""])
def test_what_displeased_is_not_on_the_list(recommender: Recommender, customer: str) -> None:
    """Not even what was bought often; a better word brings it back."""
    milk, coffee = index_of(recommender, "milk"), index_of(recommender, "filter")
    poor = rated(milk, 0.5, rating=1), rated(coffee, 0.5, rating=2)
    query = after(recommender, *poor, customer=customer, size=50)
    for ranking in lists(recommender, query):
        assert not {"milk", "filter"} & set(ids(recommender, ranking))
    better = after(recommender, *poor, rated(milk, 0.6, rating=4), customer=customer, size=50)
    for ranking in lists(recommender, better):
        assert "milk" in ids(recommender, ranking)
        assert "filter" not in ids(recommender, ranking)


def test_what_was_just_bought_rests(recommender: Recommender) -> None:
    """Nobody has bought soap twice: who bought it yesterday is shown it in months again."""
    soap, tea = index_of(recommender, "soap"), index_of(recommender, "tea")
    did = bought(soap, 1), bought(tea, 1)
    for day, expected in ((2, set()), (2.5, {"tea"}), (90.9, {"tea"}), (91.1, {"tea", "soap"})):
        query = after(recommender, *did, day=day, sold_at=DATA_END, size=50)
        ranking = recommender.recommend(query)
        assert set(ids(recommender, ranking)) == ALL_IDS - {"tea", "soap"} | expected
        popular = ids(recommender, recommender.popular(query))
        assert set(popular) == ALL_IDS - {"tea", "soap"} | expected
        assert ("soap" in ids(recommender, recommender.similar(tea, query))) == ("soap" in expected)


def test_what_the_model_has_learnt_rests_on(recommender: Recommender) -> None:
    """Filipa's bread of the last day is in the profile: known as live it is not on the list."""
    bread = index_of(recommender, "bread")
    query = after(
        recommender, bread_of := bought(bread, 0, learnt=True), customer="filipa", size=50
    )
    assert "bread" not in ids(recommender, recommender.recommend(query))
    known = recommender.model.histories.profile(query.customer).n_purchases
    assert recommender.live(query).profile.n_purchases.tolist() == known.tolist()
    query = after(recommender, bread_of._replace(act=Act.VIEW), customer="filipa", size=50)
    assert "bread" in ids(recommender, recommender.recommend(query))


def test_only_new_leaves_out_what_was_bought_since(recommender: Recommender) -> None:
    """Anna's tea is not new any more; the jam that she has looked at is."""
    did = bought(index_of(recommender, "tea"), 1), viewed(index_of(recommender, "jam"), 3.5)
    query = after(recommender, *did, customer="anna", day=4, only_new=True, size=50)
    for ranking in lists(recommender, query):
        assert not {"espresso", "milk", "bread", "tea"} & set(ids(recommender, ranking))
    assert "jam" in ids(recommender, recommender.recommend(query))


@pytest.mark.parametrize("customer", ["anna", ""])
def test_acts_ahead_have_not_happened(recommender: Recommender, customer: str) -> None:
    """As of an earlier moment the lists are those of a shopper who did nothing yet."""
    every = range(len(recommender.model.catalogue))
    later = [Did(act, index, 1.1, rating=1) for act in Act for index in every]
    query = after(recommender, *later, customer=customer, day=1, size=50)
    without = lists(recommender, replace(query, acts=acts_of()))
    for one, other in zip(lists(recommender, query), without, strict=True):
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tolist() == other.scores.tolist()


def test_recency_is_measured_at_the_moment() -> None:
    """Espresso of three days before the end is five days old two days after it."""
    stumps = Stump("days_since", 4.5, 0, 1), Stump("shopper_days_since", 4.5, 0, 2)
    recommender = Recommender(grow(tiny_model(), Task.ALL, *stumps))
    for day, rest, expected in (
        (0, 0, {"bread"}),
        (1, 0, {"bread"}),
        (2, 2, {"bread", "espresso", "milk"}),
    ):
        ranking = recommender.recommend(after(recommender, customer="anna", day=day, size=50))
        names = np.array(ids(recommender, ranking))
        assert set(names[ranking.scores == rest + 1].tolist()) == expected
        assert set(ranking.scores.tolist()) == {rest, rest + 1}


@pytest.mark.parametrize("now", [-62_135_596_800.0, 0.0, DATA_END - 10 * DAY, 253_402_300_799.0])
def test_any_year_may_be_asked_for(now: float) -> None:
    """Scores are finite, and what was bought after the moment is not what was never bought."""
    stumps = Stump("days_since", -0.5, 0, 1), Stump("shopper_days_since", -0.5, 0, 2)
    plain, learnt = Recommender(tiny_model()), Recommender(grow(tiny_model(), Task.ALL, *stumps))
    query = ask(plain, "anna", now=now, sold_at=DATA_END, size=50)
    for ranking in lists(plain, query):
        assert np.isfinite(ranking.scores).all()
    ranking = learnt.recommend(query)
    assert set(ids(learnt, ranking)[:3]) == {"espresso", "milk", "bread"}
    assert ranking.scores.tolist() == [3, 3, 3, *[2] * 7]


# What is said of each product.


def test_levels_are_those_that_sold_the_product(recommender: Recommender) -> None:
    """Each product carries the finest level of the place that has sold it."""
    ranking = recommender.recommend(ask(recommender, "anna", size=50))
    levels = dict(zip(ids(recommender, ranking), ranking.levels.tolist(), strict=True))
    assert levels["espresso"] == Level.STORE
    assert levels["tea"] == Level.SUBDIVISION
    assert levels["punch"] == Level.EVERYWHERE


@pytest.mark.parametrize("task_weights", [{}, {"neighbours": 5.0}, {"collaborative": 5.0}])
@pytest.mark.parametrize("store", ["", "leeds-1", "york-1", "porto-1"])
@pytest.mark.parametrize("customer", ["anna", "ben", "clara", "dora", "emil", "filipa", ""])
def test_no_source_is_credited_untruly(
    customer: str, store: str, task_weights: dict[str, float]
) -> None:
    """BUY_AGAIN was bought, SIMILAR has a neighbour there, COLLABORATIVE a positive score."""
    model = weighted(Task.ALL, **task_weights) if task_weights else tiny_model()
    recommender = Recommender(model)
    query = ask(recommender, customer, store, size=50)
    candidates = recommender.candidates(query)
    ranking = recommender.recommend(query)
    bought = {p.product_id for p in PURCHASES if p.customer_id == customer}
    rows = np.searchsorted(candidates.items, ranking.items)
    raw = dict(zip(recommender.scores, candidates.scores[rows].T, strict=True))
    for at, (name, strategy) in enumerate(strategies(recommender, ranking).items()):
        if strategy is Strategy.BUY_AGAIN:
            assert name in bought
        elif strategy is Strategy.SIMILAR:
            assert raw["neighbours"][at] > 0 or raw["transitions"][at] > 0
        elif strategy is Strategy.COLLABORATIVE:
            assert raw["collaborative"][at] > 0 or raw["next_basket"][at] > 0
        elif strategy is Strategy.POPULAR_NEARBY:
            assert ranking.levels[at] != Level.EVERYWHERE


def test_a_source_without_weight_gets_no_credit() -> None:
    """Under popularity alone, every product is there for its popularity."""
    recommender = Recommender(weighted(Task.ALL, popularity=1))
    ranking = recommender.recommend(ask(recommender, "anna", size=50))
    assert set(ranking.strategies.tolist()) == {Strategy.POPULAR}


def test_a_product_that_nothing_speaks_for_fills_up(recommender: Recommender) -> None:
    """A product without likeness to dora's one purchase is popular, not similar."""
    found = strategies(recommender, recommender.recommend(ask(recommender, "dora", size=50)))
    assert found["punch"] is Strategy.BUY_AGAIN
    assert found["bag"] is Strategy.POPULAR


@pytest.mark.parametrize(
    ("leave_out", "gone"),
    [
        (["collaborative", "like_customers"], Strategy.COLLABORATIVE),
        (["neighbours", "transitions"], Strategy.SIMILAR),
        (["own"], Strategy.BUY_AGAIN),
        (["place"], Strategy.POPULAR_NEARBY),
    ],
)
def test_a_source_may_be_left_out(leave_out: list[str], gone: Strategy) -> None:
    """A model trained without a source still gives full lists and never names it."""
    recommender = Recommender(tiny_model(leave_out=leave_out))
    ranking = recommender.recommend(ask(recommender, "anna", size=50))
    assert len(ranking.items) == 10
    assert gone not in set(ranking.strategies.tolist())


# The other lists.


def test_popular_is_the_list_of_an_unknown_shopper(recommender: Recommender) -> None:
    """Who cannot wait gets what anybody gets at the place, and for nothing of their own."""
    query = ask(recommender, "anna", size=4)
    ranking = recommender.popular(query)
    unknown = recommender.recommend(Query(place=query.place, now=query.now, size=4))
    assert ranking.items.tolist() == unknown.items.tolist()
    assert ranking.scores.tolist() == unknown.scores.tolist()
    assert set(ranking.strategies.tolist()) <= {Strategy.POPULAR, Strategy.POPULAR_NEARBY}


def test_similar_products_are_neighbours_and_near_in_factors(recommender: Recommender) -> None:
    """Filter coffee is most like espresso; the product itself is never on the list."""
    model = recommender.model
    espresso = int(item_indices(model, "espresso")[0])
    ranking = recommender.similar(espresso, Query(now=DATA_END))
    names = ids(recommender, ranking)
    assert names[0] == "filter"
    assert "espresso" not in names
    source = model.source("collaborative")
    assert isinstance(source, Collaborative)
    factors = source.factors
    cosine = factors.cosine(espresso, factors.norms())
    expected = {"filter": cosine[1] + 1, "milk": cosine[3] + 0.4 / 0.6, "tea": cosine[2]}
    scores = dict(zip(names, ranking.scores.tolist(), strict=True))
    assert {name: scores[name] for name in expected} == pytest.approx(expected)
    assert set(ranking.strategies.tolist()) == {Strategy.SIMILAR}


def similar_scores(recommender: Recommender, query: Query) -> dict[str, float]:
    """The products like espresso, and their scores."""
    ranking = recommender.similar(index_of(recommender, "espresso"), query)
    return dict(zip(ids(recommender, ranking), ranking.scores.tolist(), strict=True))


def test_similar_products_suit_who_asks() -> None:
    """Who has bread in mind is for butter, of its kind, and the same products are on the list."""
    recommender = Recommender(weighted(Task.NEW, neighbours=1))
    bread = viewed(index_of(recommender, "bread"), 1)
    anybody = similar_scores(recommender, after(recommender, size=50))
    theirs = similar_scores(recommender, after(recommender, bread, size=50))
    moved = {name: theirs[name] - anybody[name] for name in anybody}
    assert theirs.keys() == anybody.keys()
    assert moved["butter"] > 0.1
    assert moved["milk"] == pytest.approx(-moved["butter"], abs=1e-6)
    # What is alone of its kind there stays.
    assert moved["filter"] == pytest.approx(0, abs=1e-6)
    assert recommender.similar(0, after(recommender, bread)).is_placed


def test_similar_products_are_the_same_for_who_is_not_known(recommender: Recommender) -> None:
    """Nobody in particular, whatever they look at; and a shopper of whom nothing is known."""
    bread = np.array([index_of(recommender, "bread")], np.int32)
    plain = after(recommender, size=50)
    seen = after(recommender, viewed(0, 90), size=50)  # long ago, and so no interest any more
    for query in (
        replace(plain, session=bread),
        after(recommender, store="leeds-1", size=50),
        seen,
    ):
        assert similar_scores(recommender, query) == similar_scores(recommender, plain)
        assert not recommender.similar(0, query).is_placed


def test_nothing_less_alike_comes_among_the_most_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only they change places: here filter coffee and milk, and not butter."""
    monkeypatch.setattr("recsvc.core.recommender.N_TAILORED", 2)
    recommender = Recommender(weighted(Task.NEW, neighbours=1))
    bread = viewed(index_of(recommender, "bread"), 1)
    anybody = similar_scores(recommender, after(recommender, size=50))
    theirs = similar_scores(recommender, after(recommender, bread, size=50))
    assert theirs == anybody  # each alone of its kind
    assert list(theirs)[:2] == ["filter", "milk"]


def test_similar_products_of_no_kind_suit_who_asks() -> None:
    """A catalogue without categories is one kind."""
    model = weighted(Task.NEW, neighbours=1)
    bare = replace(model.catalogue, category=np.full(10, MISSING, np.int32))
    recommender = Recommender(replace(model, catalogue=bare))
    bread = viewed(index_of(recommender, "bread"), 1)
    anybody = similar_scores(recommender, after(recommender, size=50))
    theirs = similar_scores(recommender, after(recommender, bread, size=50))
    assert theirs["butter"] > anybody["butter"]
    assert theirs["filter"] < anybody["filter"]


def test_similar_stops_where_likeness_does(recommender: Recommender) -> None:
    """A product like no other has a list of its own length: none."""
    bag = int(item_indices(recommender.model, "bag")[0])
    assert len(recommender.similar(bag, Query(now=DATA_END)).items) == 0


@pytest.mark.parametrize(
    ("leave_out", "expected"),
    [
        (["collaborative"], {"filter", "milk"}),
        (["neighbours"], {"filter", "tea", "milk", "butter", "bread", "jam", "punch"}),
        (["neighbours", "collaborative"], set()),
    ],
)
def test_similar_works_with_what_there_is(leave_out: list[str], expected: set[str]) -> None:
    """Neighbours alone, factors alone, or neither."""
    recommender = Recommender(tiny_model(leave_out=leave_out))
    assert set(ids(recommender, recommender.similar(0, Query(now=DATA_END)))) == expected


def test_similar_tells_the_level_of_the_place(recommender: Recommender) -> None:
    """Where a place is given, products carry the level that sold them."""
    query = ask(recommender, store="leeds-1")
    ranking = recommender.similar(0, query)
    levels = dict(zip(ids(recommender, ranking), ranking.levels.tolist(), strict=True))
    assert (levels["filter"], levels["tea"]) == (Level.STORE, Level.SUBDIVISION)
    assert ranking.place == query.place != Place((MISSING,) * 5)


def test_questions_do_not_change_the_model(recommender: Recommender) -> None:
    """The arrays are the same after every kind of question, whichever rules it has."""
    before = {name: array.copy() for name, array in recommender.model.to_arrays().items()}
    query = ask(
        recommender,
        "anna",
        only_new=True,
        session=item_indices(recommender.model, "tea", "milk"),
        excluded=item_indices(recommender.model, "soap"),
        catalogue_filter=CatalogueFilter(price_min=1, currency="GBP"),
    )
    lists(recommender, query)
    espresso, milk = index_of(recommender, "espresso"), index_of(recommender, "milk")
    did = returned(espresso, 1), returned(milk, 1), bought(espresso, 2), added(milk, 2)
    lists(recommender, after(recommender, *did, customer="anna", day=3))
    for name, array in recommender.model.to_arrays().items():
        assert np.array_equal(array, before[name], equal_nan=array.dtype.kind == "f"), name
