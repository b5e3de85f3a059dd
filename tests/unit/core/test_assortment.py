"""What is sold: what the model has learnt, what was said of it since, and what is new."""

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.vocabulary import MISSING, StringTable
from tests.samples import tiny_model

FROM, TO = 1_761_955_200, 1_776_211_200
"""When the winter punch is sold."""


@pytest.fixture
def learnt() -> Assortment:
    """The ten products of the small model."""
    return Assortment.learnt(tiny_model().catalogue)


def near(assortment: Assortment) -> dict[str, list[str]]:
    """Return what each newcomer is like, by ids."""
    ids = assortment.catalogue.items.ids
    return {
        ids[assortment.n_learnt + i]: ids.take(assortment.near.row(i)[0])
        for i in range(len(assortment.near))
    }


def test_a_model_brings_no_newcomers(learnt: Assortment) -> None:
    """What was learnt is all there is, and described as the catalogue describes it."""
    assert (len(learnt), learnt.n_learnt, learnt.n_newcomers) == (10, 10, 0)
    assert near(learnt) == {}
    assert learnt.product(3) == learnt.catalogue.product(3)
    assert learnt.product(3).title == "Whole milk"


def test_a_newcomer_is_placed_by_what_it_is_like(learnt: Assortment) -> None:
    """It comes after what was learnt, beside products of its category, brand or title."""
    oolong = Product(product_id="oolong", title="Oolong tea")
    grown = learnt.with_products([oolong, Product(product_id="odd")])
    assert (len(grown), grown.n_learnt, grown.n_newcomers) == (12, 10, 2)
    assert near(grown) == {"oolong": ["tea"], "odd": []}
    # One of tea's four rare words, each with one product of ten, beside "Drinks" with four; and
    # one of two of the newcomer, the other of which no product has.
    rare, drinks, unheard = log(11 / 2), log(11 / 5), log(11)
    expected = rare / sqrt(4 * rare**2 + drinks**2) * rare / sqrt(rare**2 + unheard**2)
    assert grown.near.row(0)[1].tolist() == pytest.approx([expected])
    assert grown.product(10) is oolong
    assert (len(learnt), near(learnt), dict(learnt.described)) == (10, {}, {})


def test_newcomers_come_one_after_another(learnt: Assortment) -> None:
    """A later one leaves the earlier where it is; of one said anew the likeness is found anew."""
    soap, rye = Product(product_id="new-1", title="Soap"), Product(product_id="new-2", title="Rye")
    grown = learnt.with_products([soap]).with_products([rye])
    assert near(grown) == {"new-1": ["soap"], "new-2": ["bread"]}
    third = Product(product_id="new-3", title="Jam")
    grown = grown.with_products([third, replace(soap, title="Butter")])
    assert near(grown) == {"new-1": ["butter"], "new-2": ["bread"], "new-3": ["jam"]}
    assert [grown.catalogue.title(i) for i in (10, 11, 12)] == ["Butter", "Rye", "Jam"]
    assert grown.n_learnt == 10


def test_what_was_learnt_may_be_said_anew(learnt: Assortment) -> None:
    """A learnt product keeps its place; what newcomers are like is found by its new name."""
    grown = learnt.with_products([Product(product_id="new", title="Soap")])
    milk = Product(product_id="milk", title="Soap", price=1.25, currency="GBP")
    changed = grown.with_products([milk])
    assert (len(changed), changed.n_learnt) == (11, 10)
    assert changed.product(3) is milk
    assert changed.catalogue.title(3) == "Soap"
    assert near(grown) == {"new": ["soap"]}
    assert near(changed) == {"new": ["milk", "soap"]}
    assert changed.product(10).title == "Soap"
    assert changed.product(4) == learnt.catalogue.product(4)
    assert grown.catalogue.title(3) == "Whole milk"
    cheaper = changed.with_products([replace(milk, price=1.0)])
    assert cheaper.content is changed.content is not grown.content
    assert near(cheaper) == near(changed)
    assert cheaper.lineage is learnt.lineage


def test_a_catalogue_that_was_described_later_places_newcomers_all_the_same() -> None:
    """A model may have been trained without a products file."""
    model = tiny_model()
    nameless = replace(
        model.catalogue,
        titles=StringTable.from_strings([""] * 10),
        category=np.full(10, MISSING, np.int32),
        brand=np.full(10, MISSING, np.int32),
    )
    oolong = Product(product_id="oolong", title="Oolong tea")
    grown = Assortment.learnt(nameless).with_products([oolong])
    assert near(grown) == {"oolong": []}
    grown = grown.with_products([model.catalogue.product(2), model.catalogue.product(7)])
    assert near(grown) == {"oolong": ["tea"]}


def test_variants_share_a_group(learnt: Assortment) -> None:
    """One of each is listed, the first, and all of them are shown with one."""
    items = np.array([4, 10, 3, 11, 2], np.int32)
    assert learnt.one_of_each_group(items[:1]).tolist() == [True]
    assert learnt.with_variants(items).tolist() == items.tolist()
    grown = learnt.with_products(
        [
            Product(product_id="new-1", group_id="dairy"),
            Product(product_id="new-2", group_id="dairy"),
            replace(learnt.product(3), group_id="dairy"),
            replace(learnt.product(4), group_id="other"),
            Product(product_id="alone"),
        ]
    )
    assert grown.one_of_each_group(items).tolist() == [True, True, False, False, True]
    assert grown.with_variants(np.array([2, 11], np.int32)).tolist() == [2, 3, 10, 11]
    assert grown.with_variants(np.array([0], np.int32)).tolist() == [0]


def test_sensitive_products_are_not_to_be_named(learnt: Assortment) -> None:
    """Until they are said not to be."""
    assert learnt.unnamed.tolist() == []
    soap = replace(learnt.product(7), is_sensitive=True)
    grown = learnt.with_products([soap, Product(product_id="new", is_sensitive=True)])
    assert grown.unnamed.tolist() == [7, 10]
    assert grown.with_products([replace(soap, is_sensitive=False)]).unnamed.tolist() == [10]


def test_a_model_knows_variants_and_what_is_sensitive(learnt: Assortment) -> None:
    """What it has learnt of them holds until it is said otherwise, for newcomers as well."""
    said = [replace(learnt.product(3), group_id="dairy", is_sensitive=True)]
    taught = Assortment.learnt(learnt.catalogue.with_products(said))
    assert taught.product(3).group_id == "dairy"
    assert taught.unnamed.tolist() == [3]
    grown = taught.with_products([Product(product_id="new", group_id="dairy", is_sensitive=True)])
    assert grown.with_variants(np.array([10], np.int32)).tolist() == [3, 10]
    assert grown.unnamed.tolist() == [3, 10]
    mended = grown.with_products([learnt.product(3)])
    assert mended.with_variants(np.array([10], np.int32)).tolist() == [10]
    assert mended.unnamed.tolist() == [10]


def test_everything_that_was_said_is_kept(learnt: Assortment) -> None:
    """The catalogue holds what lists are made from; the rest is told as it was said."""
    product = Product(
        product_id="new",
        title="Tea",
        group_id="teas",
        titles={"de": "Tee"},
        attributes={"organic": ("yes",)},
        uri="https://shop.example/tea",
        image_uri="https://shop.example/tea.png",
        is_sensitive=True,
    )
    grown = learnt.with_products([product]).with_products([Product(product_id="bag", title="Bag")])
    assert grown.product(10) is product
    assert grown.product(9).title == "Bag"
    assert set(grown.described) == {"new", "bag"}


def test_nothing_said_is_nothing_changed(learnt: Assortment) -> None:
    """No products at all leave everything as it is."""
    same = learnt.with_products([])
    assert [str(same.product(i)) for i in range(len(same))] == [
        str(learnt.product(i)) for i in range(10)
    ]
    assert near(same) == {}


def test_names_follow_the_catalogue(learnt: Assortment) -> None:
    """Categories and brands that came with a newcomer may be asked for."""
    grown = learnt.with_products(
        [Product(product_id="new", category_path="Music > Jazz", brand="Blue")]
    )
    for wanted in (CatalogueFilter(category_paths=("Music",)), CatalogueFilter(brands=("BLUE",))):
        assert grown.index.matching(wanted).nonzero()[0].tolist() == [10]
        assert not learnt.index.matching(wanted).any()


@pytest.mark.parametrize(
    ("now", "missing", "until"),
    [
        (FROM - 0.5, {8, 10}, FROM),
        (FROM, {10}, FROM + 100),
        (FROM + 100, set(), TO),
        (TO - 0.5, set(), TO),
        (TO, {8}, TO + 50),
        (TO + 50, {8, 10}, float("inf")),
    ],
)
def test_windows_turn_at_their_ends(
    learnt: Assortment, now: float, missing: set[int], until: float
) -> None:
    """What is sold at a moment, and how long that holds, of learnt and new products."""
    new = Product(product_id="new", available_from=FROM + 100, available_to=TO + 50)
    grown = learnt.with_products([new])
    assert set((~grown.available(now)).nonzero()[0].tolist()) == missing
    assert grown.unchanged_until(now) == until
    assert grown.turns.tolist() == [FROM, FROM + 100, TO, TO + 50]


def test_without_a_window_nothing_ever_turns(learnt: Assortment) -> None:
    """Where the only window was lifted, everything is sold at any time, and for ever."""
    lifted = learnt.with_products([Product(product_id="punch", title="Punch")])
    assert not learnt.available(0)[8]
    assert lifted.available(0).tolist() == [True] * 10
    assert lifted.unchanged_until(0) == float("inf")
