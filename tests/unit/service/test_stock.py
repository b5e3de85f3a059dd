"""What is there at each store, read when somebody asks for it."""

import math
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from recsvc.core.assortment import Assortment, Shelf
from recsvc.core.catalogue import Product
from recsvc.core.vocabulary import MISSING
from recsvc.errors import StoreUnavailableError
from recsvc.service.selling import StockRecord
from recsvc.service.stock import FRESH_SECONDS, ITEM_BYTES, RECORD_BYTES, Stock, Stocked
from recsvc.store.catalogue_store import TableCatalogueStore
from recsvc.store.tables import Row
from tests.samples import tiny_model
from tests.serving import renamed_model, wait_until
from tests.stores import FailingTables, SetClock

FOREVER = math.inf
CATALOGUE = tiny_model().catalogue
ASSORTMENT = Assortment.learnt(CATALOGUE)
UNKNOWN = Stocked(None, 0, failed=False)
FAR_FUTURE = 2**52


class Bench:
    """The stock of one process, and the levers of time and failure."""

    def __init__(self) -> None:
        self.tables = FailingTables()
        self.clock = SetClock(1_000.0)
        store = TableCatalogueStore(self.tables)
        self.stock = Stock(store, store, timeout_seconds=5.0, monotonic=self.clock)
        self.n_said = 0

    def say(self, product_id: str, store_id: str = "leeds-1", **fields: Any) -> int:
        """Set the stock of a product, later than all before; return when, for a token."""
        self.n_said += 1
        given = {"is_in_stock": True, "effective": self.n_said, **fields}
        record = StockRecord(product_id=product_id, **given)
        applied, written_at = self.stock.put(store_id, [record])
        assert applied == [True]
        return written_at

    def at(
        self,
        store_id: str = "leeds-1",
        assortment: Assortment = ASSORTMENT,
        *,
        must_see: int = 0,
        later: float = FRESH_SECONDS,
    ) -> Stocked:
        """What a process sees that asks so much later, by default enough to read again."""
        self.clock.now += later
        return self.stock.at(store_id, assortment, FOREVER, must_see)

    def shelf(self, store_id: str = "leeds-1", assortment: Assortment = ASSORTMENT) -> Shelf:
        shelf = self.at(store_id, assortment).shelf
        assert shelf is not None
        return shelf


@pytest.fixture
def bench() -> Bench:
    return Bench()


def there(shelf: Shelf | None, assortment: Assortment = ASSORTMENT) -> list[str]:
    """The products that are there."""
    assert shelf is not None
    items: Iterable[int] = shelf.in_stock.nonzero()[0].tolist()
    return sorted(assortment.catalogue.items.ids[item] for item in items)


def price(
    shelf: Shelf, product_id: str, assortment: Assortment = ASSORTMENT
) -> tuple[float, str | None]:
    item = assortment.catalogue.items.index(product_id)
    code = int(shelf.currency[item])
    return float(shelf.price[item]), None if code == MISSING else shelf.currencies.ids[code]


def with_products(*products: Product) -> Assortment:
    return ASSORTMENT.with_products(products)


def test_of_a_store_of_which_nobody_has_said_anything_nothing_is_known(bench: Bench) -> None:
    """That is no failure; the stock of another store says nothing of it."""
    assert bench.at() == UNKNOWN
    bench.say("milk", "york-1")
    assert bench.at() == UNKNOWN
    assert bench.stock.get("leeds-1", ["milk"]) == [None]


def test_only_what_was_said_to_be_there_is_there(bench: Bench) -> None:
    """Not what is sold out, what nobody has said so of, nor what the model does not know."""
    bench.say("milk")
    bench.say("tea", is_in_stock=False)
    bench.say("jam", is_in_stock=None, price=1.0, currency="GBP")
    bench.say("unheard-of")
    bench.say("bread", "")
    assert there(bench.shelf()) == ["milk"]
    assert there(bench.shelf("")) == ["bread"]
    bench.say("milk", is_in_stock=False)
    bench.say("tea")
    assert there(bench.shelf()) == ["tea"]


def test_records_come_back_as_they_were_set(bench: Bench) -> None:
    """Whole, in the order asked, without waiting; the older one is said not to count."""
    record = StockRecord(
        product_id="milk", is_in_stock=True, quantity=2.5, price=1.0, currency="GBP", effective=9
    )
    assert bench.stock.put("leeds-1", [record])[0] == [True]
    older = replace(record, quantity=7.0, effective=8)
    assert bench.stock.put("leeds-1", [older])[0] == [False]
    assert bench.stock.get("leeds-1", ["tea", "milk"]) == [None, record]


def test_a_price_of_the_store_holds_there(bench: Bench) -> None:
    """Else the product's own; it goes as it came."""
    bench.say("milk", price=1.0, currency="GBP")
    bench.say("jam", price=0.0, currency="GBP")
    bench.say("tea")
    shelf = bench.shelf()
    assert [price(shelf, name) for name in ("milk", "jam", "tea", "bread")] == [
        *((1.0, "GBP"), (0.0, "GBP")),
        *((3.10, "GBP"), (2.80, "GBP")),
    ]
    bench.say("milk")
    assert price(bench.shelf(), "milk") == (1.15, "GBP")
    assert price(shelf, "milk") == (1.0, "GBP")  # who has it keeps the moment


def test_a_price_of_the_store_may_be_in_another_currency(bench: Bench) -> None:
    """In Porto one pays in euros, what the same product costs elsewhere aside."""
    bench.say("milk", price=1.4, currency="EUR")
    bench.say("tea", price=3.0, currency="GBP")
    assortment = with_products(Product(product_id="pastel", price=1.2, currency="EUR"))
    shelf = bench.shelf(assortment=assortment)
    assert [price(shelf, name, assortment) for name in ("milk", "tea", "pastel", "bread")] == [
        *((1.4, "EUR"), (3.0, "GBP")),
        *((1.2, "EUR"), (2.80, "GBP")),
    ]


def test_what_was_read_of_late_is_not_read_again(bench: Bench) -> None:
    """Until it is due, or somebody has a token of a write; each store for itself."""
    bench.say("milk")
    assert there(bench.at().shelf) == ["milk"]
    first = bench.tables.n_reads
    written_at = bench.say("tea")
    assert there(bench.at(later=FRESH_SECONDS / 2).shelf) == ["milk"]
    assert bench.tables.n_reads == first
    assert there(bench.at(must_see=written_at, later=0).shelf) == ["milk", "tea"]
    assert bench.tables.n_reads == first + 1
    bench.say("jam")
    assert there(bench.at().shelf) == ["jam", "milk", "tea"]
    assert bench.at("york-1", later=0) == UNKNOWN


def test_a_token_of_long_ago_is_met(bench: Bench) -> None:
    """What was read since has it: nobody reads for that."""
    written_at = bench.say("milk")
    bench.at()
    n_reads = bench.tables.n_reads
    bench.at(must_see=written_at - 60_000, later=0)
    assert bench.tables.n_reads == n_reads


def test_a_change_is_another_revision(bench: Bench) -> None:
    """And no change is the same one, with the same shelf."""
    bench.say("milk")
    first = bench.at()
    bench.say("milk", quantity=3.0)
    assert bench.at() == first
    assert bench.at().shelf is first.shelf
    bench.say("milk", is_in_stock=False)
    assert bench.at().revision > first.revision


def test_what_is_known_stays_while_the_store_is_down(bench: Bench) -> None:
    """It is said to be outdated, and nobody waits for it more often than for any other."""
    bench.say("milk")
    before = bench.at()
    bench.tables.is_down = True
    n_reads = bench.tables.n_reads
    down = bench.at()
    assert (down.revision, down.failed, there(down.shelf)) == (before.revision, True, ["milk"])
    assert bench.at(later=0) == down
    assert bench.tables.n_reads == n_reads + 1
    assert bench.at("york-1") == Stocked(None, 0, failed=True)
    assert bench.at(must_see=FAR_FUTURE, later=0).failed
    for call in (lambda: bench.say("tea"), lambda: bench.stock.get("leeds-1", ["milk"])):
        with pytest.raises(StoreUnavailableError):
            call()
    bench.tables.is_down = False
    bench.say("tea")
    after = bench.at()
    assert (after.failed, there(after.shelf)) == (False, ["milk", "tea"])
    assert bench.at("york-1") == UNKNOWN


def test_what_was_read_before_the_store_went_down_is_not_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many changes come in steps: the first ones count though the last one failed at first."""
    bench.say("milk")
    bench.at()
    bench.say("tea")
    bench.say("jam")
    changes = bench.tables.changes

    def first_step(table: str, known: int, deadline: float) -> Any:  # noqa: ANN401  # the table's own
        found = changes(table, known, deadline)
        if known == 2:
            raise StoreUnavailableError("down")
        return replace(found, revision=2, as_of=0, rows={"tea": found.rows["tea"]})

    with monkeypatch.context() as patched:
        patched.setattr(bench.tables, "changes", first_step)
        assert bench.at().failed
    assert there(bench.at().shelf) == ["jam", "milk", "tea"]


def test_an_emptied_store_is_one_of_which_nothing_is_known(bench: Bench) -> None:
    """Then it holds what is said from then on, and nothing of before."""
    bench.say("milk", price=9.0, currency="GBP")
    bench.say("tea")
    bench.at()
    bench.tables.empty()
    assert bench.at() == UNKNOWN
    bench.say("tea", is_in_stock=True)
    shelf = bench.shelf()
    assert there(shelf) == ["tea"]
    assert price(shelf, "milk") == (1.15, "GBP")


def test_the_store_that_was_not_asked_for_longest_leaves_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that who names many stores fills no memory; it is read again when it is asked for."""
    monkeypatch.setattr("recsvc.service.stock.MAX_STORES", 2)
    bench.say("milk", "a")
    for store_id in ("a", "b", "a", "c"):
        bench.at(store_id, later=0)
    n_reads = bench.tables.n_reads
    assert there(bench.at("a", later=0).shelf) == ["milk"]
    bench.at("c", later=0)
    assert bench.tables.n_reads == n_reads
    bench.at("b", later=0)
    assert bench.tables.n_reads == n_reads + 1
    assert there(bench.at("a", later=0).shelf) == ["milk"]
    assert bench.tables.n_reads == n_reads + 2


def test_stock_is_told_in_the_terms_of_any_assortment(bench: Bench) -> None:
    """Of one with a newcomer, of one with another price, of another model, and back."""
    bench.say("milk")
    bench.say("cola")
    bench.say("b-tea")
    assert there(bench.shelf()) == ["milk"]
    more = with_products(Product(product_id="cola"), Product(product_id="bread", price=5.0))
    shelf = bench.shelf(assortment=more)
    assert there(shelf, more) == ["cola", "milk"]
    assert price(shelf, "bread", more) == (5.0, None)
    other = Assortment.learnt(renamed_model("b-").catalogue)
    assert there(bench.shelf(assortment=other), other) == ["b-tea"]
    assert there(bench.shelf()) == ["milk"]
    dearer = with_products(Product(product_id="tea", price=4.0, currency="GBP"))
    assert price(bench.shelf(assortment=dearer), "tea", dearer) == (4.0, "GBP")
    assert price(bench.shelf(), "tea") == (3.10, "GBP")


def test_a_damaged_record_is_skipped(bench: Bench) -> None:
    """In lists; who asks for it hears that it must be sent again."""
    bench.say("milk")
    bench.tables.put("stock:leeds-1", [Row("tea", b"?", stamp=1)])
    assert there(bench.shelf()) == ["milk"]
    with pytest.raises(StoreUnavailableError, match=r"'tea' is damaged .* send it again"):
        bench.stock.get("leeds-1", ["milk", "tea"])
    bench.say("tea", effective=2)
    assert there(bench.shelf()) == ["milk", "tea"]


def test_no_more_records_are_remembered_than_there_is_room_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the stores that were asked for, the longest ago leave first; the last one stays."""
    monkeypatch.setattr("recsvc.service.stock.MAX_BYTES", 2 * RECORD_BYTES + 10 * ITEM_BYTES)
    for store_id in ("a", "b"):
        bench.say("milk", store_id)
        bench.say("tea", store_id)
        bench.at(store_id, later=0)
    n_reads = bench.tables.n_reads
    bench.at("b", later=0)
    assert bench.tables.n_reads == n_reads
    bench.at("a", later=0)
    assert bench.tables.n_reads == n_reads + 1


def test_records_are_read_as_patiently_as_lists_are_made() -> None:
    """Where writes may wait for seconds, who only looks does not."""
    patient, quick = FailingTables(), FailingTables()
    stock = Stock(TableCatalogueStore(patient), TableCatalogueStore(quick), timeout_seconds=5.0)
    patient.is_down = True
    assert stock.get("leeds-1", ["milk"]) == [None]
    quick.is_down = True
    with pytest.raises(StoreUnavailableError):
        stock.get("leeds-1", ["milk"])


def test_nobody_waits_longer_than_they_can(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that takes its time goes on, and who asks then has it."""
    bench.say("milk")
    changes, may_go_on = bench.tables.changes, threading.Event()

    def slow(table: str, known: int, deadline: float) -> Any:  # noqa: ANN401  # the table's own
        may_go_on.wait(20)
        return changes(table, known, deadline)

    monkeypatch.setattr(bench.tables, "changes", slow)
    store = TableCatalogueStore(bench.tables)
    bench.stock = Stock(store, store, timeout_seconds=0.01, monotonic=bench.clock)
    assert bench.at() == Stocked(None, 0, failed=True, late=True)
    may_go_on.set()
    wait_until(lambda: not bench.at(later=0).failed)
    assert there(bench.at(later=0).shelf) == ["milk"]
    bench.clock.now += 1
    hurried = bench.stock.at("leeds-1", ASSORTMENT, bench.clock.now + 0.01)
    assert (hurried.failed, hurried.late, there(hurried.shelf)) == (True, True, ["milk"])
    bench.stock.close()
    bench.clock.now += 1
    closed = bench.stock.at("leeds-1", ASSORTMENT, FOREVER)
    assert (closed.failed, there(closed.shelf)) == (True, ["milk"])


def test_what_is_new_has_a_stock_too(bench: Bench) -> None:
    """Said before the product was or after it; of what it has grown into, and of another model."""
    bench.say("cola")
    bench.say("milk")
    assert there(bench.shelf()) == ["milk"]
    one = with_products(Product(product_id="cola"))
    assert there(bench.shelf(assortment=one), one) == ["cola", "milk"]
    two = one.with_products([Product(product_id="floss"), Product(product_id="cola", price=2.0)])
    assert there(bench.shelf(assortment=two), two) == ["cola", "milk"]
    bench.say("floss")
    assert there(bench.shelf(assortment=two), two) == ["cola", "floss", "milk"]
    bench.say("gum")
    bench.shelf(assortment=two)
    three = two.with_products([Product(product_id="gum")])
    bench.say("milk", is_in_stock=False)  # the rows and the products change at once
    assert there(bench.shelf(assortment=three), three) == ["cola", "floss", "gum"]
    anew = replace(with_products(Product(product_id="new"), Product(product_id="cola")), lineage=1)
    assert there(bench.shelf(assortment=anew), anew) == ["cola"]
    bench.say("milk")
    assert there(bench.shelf()) == ["milk"]
    other = Assortment.learnt(renamed_model("b-").catalogue)
    bench.say("b-tea")
    assert there(bench.shelf(assortment=other), other) == ["b-tea"]
