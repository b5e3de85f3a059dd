"""Lists as the shop sells: what is there, what it costs, and what the catalogue says since."""

from dataclasses import replace

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.places import Level, Location
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.questions import Answer, Question, ServedFrom
from recsvc.service.selling import Shop, StockRecord, Written
from recsvc.service.shopping import Line
from recsvc.service.stock import FRESH_SECONDS
from recsvc.store.catalogue_store import TableCatalogueStore
from tests.bench import FOREVER, Bench
from tests.serving import Log
from tests.shoppers import customer, visitor

COLA = Product(
    product_id="cola",
    title="Green cola",
    category_path="Drinks > Tea",
    brand="Leaf",
    price=1.5,
    currency="GBP",
)
LEEDS, YORK = Location(store_id="leeds-1"), Location(store_id="york-1")
IN_STOCK = Question(location=LEEDS, in_stock_only=True)


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def test_only_what_is_there_is_listed_if_asked(bench: Bench) -> None:
    """At the store of the question, of the customer's home, or where nobody names one."""
    bench.say("leeds-1", "milk", "soap", "unheard-of")
    bench.say("leeds-1", "tea", is_in_stock=False)
    bench.say("york-1", "tea")
    bench.say("", "bread")
    anna = Question(customer_id="anna", in_stock_only=True)
    for question, there in (
        (IN_STOCK, {"milk", "soap"}),
        (anna, {"milk", "soap"}),
        (anna._replace(location=YORK), {"tea"}),
        (Question(in_stock_only=True), {"bread"}),
        (IN_STOCK._replace(location=Location(country_code="GB")), {"bread"}),
    ):
        assert set(bench.ids(question)) == there
        assert bench.codec.answers[-1].warnings == ()
    assert "tea" in bench.ids(Question(location=LEEDS))
    similar = bench.similar("espresso", IN_STOCK).answer.items
    assert [item.product_id for item in similar] == ["milk"]  # and not filter, which is more so


def test_what_is_there_is_popular_enough_in_a_hurry(bench: Bench) -> None:
    """The list that is made without time heeds the stock as well."""
    bench.say("leeds-1", "soap", "jam")
    bench.ask(IN_STOCK)
    served = bench.ask(IN_STOCK, seconds=0.005)
    assert served.delivery.served_from is ServedFrom.FALLBACK
    assert set(served.payload.decode().split()) == {"jam", "soap"}


def test_stock_that_nobody_has_said_leaves_nothing(bench: Bench) -> None:
    """With a warning and no degradation: the shop must say what is there."""
    served = bench.ask(IN_STOCK)
    assert (served.payload, served.delivery.degraded_reason) == (b"", "")
    assert bench.codec.answers[-1].warnings == ("STOCK_UNKNOWN",)
    similar = bench.similar("espresso", IN_STOCK).answer
    assert (similar.items, similar.warnings) == ((), ("STOCK_UNKNOWN",))
    # A price that nobody has said otherwise is no stock that is missing.
    assert bench.answer(Question(location=LEEDS, include_products=True)).warnings == ()


def test_stock_that_cannot_be_read_is_no_reason_for_an_empty_list(bench: Bench) -> None:
    """What may not be there is better than nothing, and said; strictly it is not. None is kept."""
    bench.tables.is_down = True
    for _ in range(2):
        served = bench.ask(IN_STOCK)
        assert served.delivery.served_from is ServedFrom.MODEL
        assert served.delivery.degraded_reason == "STORE_UNAVAILABLE"
        assert {"milk", "tea"} <= set(served.payload.decode().split())
        assert bench.codec.answers[-1].warnings == ("STOCK_UNKNOWN",)
        strict = bench.ask(IN_STOCK._replace(strict=True))
        assert (strict.payload, strict.delivery.degraded_reason) == (b"", "STORE_UNAVAILABLE")
    assert bench.cache.puts == []
    similar = bench.similar("espresso", IN_STOCK)
    assert similar.answer.items
    assert similar.delivery.degraded_reason == "STORE_UNAVAILABLE"
    assert bench.ask(Question(location=LEEDS)).delivery.degraded_reason == ""


def test_stock_of_a_moment_ago_does_while_it_cannot_be_read(bench: Bench) -> None:
    """The list says that it is degraded, not that nothing is known; it is whole again in time."""
    bench.say("leeds-1", "milk")
    assert bench.ids(IN_STOCK) == ["milk"]
    bench.tables.is_down = True
    bench.monotonic += FRESH_SECONDS
    explained = IN_STOCK._replace(explain=True)
    served = bench.ask(explained)
    assert (served.payload, served.delivery.degraded_reason) == (b"milk", "STORE_UNAVAILABLE")
    assert bench.codec.answers[-1].warnings == ()
    bench.tables.is_down = False
    bench.say("leeds-1", "tea")
    served = bench.ask(explained)
    assert set(served.payload.decode().split()) == {"milk", "tea"}
    assert served.delivery.degraded_reason == ""


def test_a_cached_list_follows_the_stock(bench: Bench) -> None:
    """At once for who carries the token of the write, and for all after a quarter of a second."""
    bench.say("leeds-1", "milk", "tea")
    assert set(bench.ids(IN_STOCK)) == {"milk", "tea"}
    assert bench.ask(IN_STOCK).delivery.served_from is ServedFrom.CACHE
    bench.say("leeds-1", "milk", is_in_stock=False)
    assert bench.ask(IN_STOCK).payload == b"tea"
    assert bench.ask(IN_STOCK).delivery.served_from is ServedFrom.CACHE
    soap = StockRecord(product_id="soap", is_in_stock=True, effective=99)
    written_at = bench.stock.put("leeds-1", [soap])[1]
    assert bench.ask(IN_STOCK).payload == b"tea"
    seen = bench.ask(IN_STOCK._replace(must_see=Written(catalogue=written_at)))
    assert set(seen.payload.decode().split()) == {"soap", "tea"}
    # A count alone changes no list, nor does the stock of another store.
    bench.say("leeds-1", "soap", quantity=3.0)
    bench.say("york-1", "milk")
    assert bench.ask(IN_STOCK).delivery.served_from is ServedFrom.CACHE


def test_a_list_that_depends_on_no_stock_reads_none(bench: Bench) -> None:
    """It costs nothing, and a change of stock leaves it in the cache."""
    question = Question(customer_id="anna")
    bench.ask(question)
    n_reads = bench.tables.n_reads
    bench.say("leeds-1", "milk", is_in_stock=False)
    assert bench.ask(question).delivery.served_from is ServedFrom.CACHE
    assert bench.tables.n_reads == n_reads


def test_a_cached_list_follows_the_catalogue(bench: Bench) -> None:
    """A product that is new, or was changed, counts at once, on similar products too."""
    tea = Question(catalogue_filter=CatalogueFilter(category_paths=("Drinks > Tea",)))
    assert bench.ids(tea) == ["tea"]
    assert bench.ask(tea).delivery.served_from is ServedFrom.CACHE
    bench.live.upsert_products([COLA])
    assert set(bench.ids(tea)) == {"tea", "cola"}
    assert bench.ask(tea).delivery.served_from is ServedFrom.CACHE
    bench.live.upsert_products([replace(COLA, product_id="tea", category_path="Food")])
    assert bench.ids(tea) == ["cola"]
    similar = [item.product_id for item in bench.similar("cola", Question()).answer.items]
    assert "cola" not in similar
    assert similar[0] == "tea"
    assert "cola" in {item.product_id for item in bench.similar("tea", Question()).answer.items}


def test_what_another_process_was_told_counts_with_its_token(bench: Bench) -> None:
    """Without one it may take a moment; what cannot be read is said, once."""
    store = TableCatalogueStore(bench.tables)
    other = LiveCatalogue(store, store, Log().logger)
    written_at = other.upsert_products([COLA])
    assert "cola" not in bench.ids(Question())
    question = Question(must_see=Written(catalogue=written_at))
    assert "cola" in bench.ids(question)
    assert bench.codec.answers[-1].warnings == ()
    bench.tables.is_down = True
    unmet = question._replace(must_see=Written(1, written_at))
    assert bench.answer(unmet).warnings == ("CONSISTENCY_UNMET",)


def test_a_newcomer_that_was_withdrawn_is_on_no_list(bench: Bench) -> None:
    """Recalls hold for what the model has not learnt, before and after it is known."""
    bench.standing.withdraw(["cola"])
    assert "cola" not in bench.ids(Question())
    bench.live.upsert_products([COLA])
    ids = bench.ids(Question())
    assert ids
    assert "cola" not in ids
    _, position = bench.standing.restore(["cola"])
    assert "cola" in bench.ids(Question(must_see=Written(position)))


def test_a_list_does_not_outlive_a_products_window(bench: Bench) -> None:
    """What begins or ends is on time, though lists are kept for a minute."""
    now = int(bench.now)
    soon = replace(COLA, available_from=now + 5, available_to=now + 20)
    bench.live.upsert_products([soon])
    for later, is_there, served_from in (
        (0, False, ServedFrom.MODEL),
        (4, False, ServedFrom.CACHE),
        (5, True, ServedFrom.MODEL),
        (19, True, ServedFrom.CACHE),
        (20, False, ServedFrom.MODEL),
        (79, False, ServedFrom.CACHE),
        (80, False, ServedFrom.MODEL),
    ):
        bench.now = now + later
        served = bench.ask(Question())
        assert ("cola" in served.payload.decode().split()) is is_there, later
        assert served.delivery.served_from is served_from, later


def test_a_list_that_ends_with_a_window_does_not_wait_to_be_kept(bench: Bench) -> None:
    """Those that are kept together would end later, by as long as they have waited."""
    bench.live.upsert_products([replace(COLA, available_to=int(bench.now) + 20)])
    begun = [bench.recommendations.begin(Question(customer_id=who), FOREVER) for who in "ab"]
    bench.recommendations.look_up(begun)
    for each, ahead in zip(begun, bench.recommendations.prepare(begun), strict=True):
        n_kept = len(bench.cache.puts)
        bench.recommendations.finish(each, may_wait=False, ahead=ahead)
        assert len(bench.cache.puts) == n_kept + 1
    assert bench.cache.put_trips == []


def test_a_home_that_moved_asks_for_its_own_stock(bench: Bench) -> None:
    """Where the customer shops of late, known to the model or not."""
    emil = Question(customer_id="emil", in_stock_only=True)
    bench.say("", "bread")
    bench.say("york-1", "tea")
    bench.say("leeds-9", "soap")
    bench.live.upsert_stores([Shop("Leeds Nine", Location(store_id="leeds-9", country_code="GB"))])
    assert bench.ids(emil) == ["bread"]
    bench.did("1", customer("emil"), location=YORK, lines=(Line("filter"),))
    assert bench.ids(emil) == ["tea"]
    # Nobody watches that store's revision for him, so his list is made each time.
    assert bench.ask(emil).delivery.served_from is ServedFrom.MODEL
    bench.say("york-1", "jam")
    assert set(bench.ids(emil)) == {"jam", "tea"}
    guest = Question(visitor_id="guest", in_stock_only=True)
    new = Location(store_id="leeds-9")
    bench.did("2", visitor("guest"), location=new, lines=(Line("filter"),))
    assert bench.ids(guest) == ["soap"]


def test_a_described_store_lends_its_country(bench: Bench) -> None:
    """One that the model has never seen backs off like one that has sold nothing yet."""
    porto = IN_STOCK._replace(location=Location(store_id="porto-2"), in_stock_only=False)
    assert bench.answer(porto).warnings == ("UNKNOWN_LOCATION",)
    place = Location(store_id="porto-2", country_code="PT")
    bench.live.upsert_stores([Shop("Porto Two", place)])
    answer = bench.answer(porto)
    assert (answer.level, answer.location.country_code) == (Level.COUNTRY, "PT")
    assert answer.warnings == ()


def prices(answer: Answer) -> dict[str, tuple[float, str]]:
    """What each product costs on a list."""
    found = {item.product_id: item.product for item in answer.items}
    return {name: (one.price, one.currency) for name, one in found.items() if one is not None}


def test_a_price_of_the_store_is_told_and_filtered_by(bench: Bench) -> None:
    """Where the question is asked; elsewhere the product's own price holds."""
    bench.say("leeds-1", "espresso", price=2.0, currency="GBP")
    bench.say("leeds-1", "milk", price=9.0, currency="GBP")
    asked = Question(location=LEEDS, include_products=True)
    here = prices(bench.answer(asked))
    assert (here["espresso"], here["milk"], here["tea"]) == (
        *((2.0, "GBP"), (9.0, "GBP")),
        (3.10, "GBP"),
    )
    there = prices(bench.answer(asked._replace(location=YORK)))
    assert (there["espresso"], there["milk"]) == ((7.5, "GBP"), (1.15, "GBP"))
    cheap = CatalogueFilter(price_max=2.5, currency="GBP")
    here_cheap = bench.ids(Question(location=LEEDS, catalogue_filter=cheap))
    there_cheap = bench.ids(Question(location=YORK, catalogue_filter=cheap))
    assert set(here_cheap) == {"espresso", "butter", "bag"}
    assert set(there_cheap) == {"milk", "butter", "bag"}
    similar = bench.similar("filter", asked).answer
    assert prices(similar)["espresso"] == (2.0, "GBP")


def test_a_price_in_a_currency_of_the_store_alone_is_told_and_filtered_by(bench: Bench) -> None:
    """The catalogue is in pounds, one store in Porto takes euros."""
    porto = Location(store_id="porto-1")
    bench.say("porto-1", "milk", price=1.4, currency="EUR")
    answer = bench.answer(Question(location=porto, include_products=True))
    assert prices(answer)["milk"] == (1.4, "EUR")
    euros = CatalogueFilter(price_max=2.0, currency="EUR")
    assert bench.ids(Question(location=porto, catalogue_filter=euros)) == ["milk"]


def test_pages_with_newcomers_hold_no_product_twice(bench: Bench) -> None:
    """Nor do they leave one out, though another process numbers newcomers in its own way."""
    new = [replace(COLA, product_id=f"cola-{n}", title=f"Cola {n}") for n in range(6)]
    bench.live.upsert_products(new[:5])
    other = Bench(bench.registry)
    other.live.upsert_products(new[4::-1])
    anna = Question(customer_id="anna", size=4)
    whole = bench.ids(anna._replace(size=100))
    assert {product.product_id for product in new[:5]} < set(whole)
    pages: list[list[str]] = []
    page = b""
    while not pages or page:
        process = (bench, other)[len(pages) % 2]
        answer = process.answer(anna._replace(page=page))
        pages.append([item.product_id for item in answer.items])
        page = answer.next_page
        if len(pages) == 2:  # one more comes in between
            bench.live.upsert_products([new[5]])
            other.live.upsert_products([new[5]])
    listed_ids = [name for one in pages for name in one]
    assert len(listed_ids) == len(set(listed_ids))
    assert set(listed_ids) == {*whole, "cola-5"}
    assert [len(one) for one in pages[:-1]] == [4] * (len(pages) - 1)
