"""Who needs what soon, when it is said, and who is never written to."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recsvc.artifacts.ledger import Decision, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import Product
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.errors import InputError
from recsvc.identity import customer_hash
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.catalogue_store import TableCatalogueStore
from recsvc.store.connection import connect
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.tables import RedisTables
from recsvc.terminal import run
from tests.samples import tiny_artifact, tiny_model
from tests.serving import small_registry
from tests.stores import running_valkey
from training.cli import app
from training.due import COLUMNS, QuietHours

Capture = pytest.CaptureFixture[str]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A shop whose customers have bought a few things again."""
    return small_registry(tmp_path / "registry")


def due(tmp_path: Path, *options: object) -> pl.DataFrame:
    """Return the table of ``recsvc-train due``."""
    out = tmp_path / "due.parquet"
    given = ["due", "--registry", tmp_path / "registry", "--out", out, "--within", 60, *options]
    assert run(app, [str(option) for option in given]) == 0
    return pl.read_parquet(out)


def said(registry: Registry, decision: Decision, subject: str) -> None:
    registry.ledger.append([LedgerEntry(datetime.now(UTC), decision, (subject,))])


@pytest.mark.usefixtures("registry")
def test_products_are_those_of_the_list(tmp_path: Path) -> None:
    """Due at the same moments, the soonest first, for every customer of the model."""
    found = due(tmp_path, "--at-most", 10)
    model = tiny_model()
    anna = model.customers.index("anna")
    query = Query(customer=anna, now=model.data_end, size=100)
    needed = Recommender(model).again(query)
    is_due = needed.due_time <= model.data_end + 60 * 86_400
    own = found.filter(customer_id="anna")
    items = needed.ranking.items[is_due]
    assert found.columns == list(COLUMNS)
    assert own["product_id"].to_list() == model.catalogue.items.ids.take(items.tolist())
    np.testing.assert_array_equal(
        own["due_time"].dt.epoch("s"), needed.due_time[is_due].round().astype(np.int64)
    )
    assert found["customer_id"].n_unique() > 1


def told(tmp_path: Path, capsys: Capture, *options: object) -> Any:  # noqa: ANN401  # whatever it prints
    """What the command says of itself."""
    capsys.readouterr()
    due(tmp_path, "--json", *options)
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("registry")
def test_old_data_is_asked_about_as_of_its_end(tmp_path: Path, capsys: Capture) -> None:
    """With a warning; a moment that is given counts as it is."""
    found = told(tmp_path, capsys)
    assert found["at"] == datetime.fromtimestamp(tiny_model().data_end, UTC).isoformat()
    assert "STALE_DATA" in found["warnings"]
    given = told(tmp_path, capsys, "--at", "2026-06-01T12:00:00")
    assert given["at"] == NOON.isoformat()
    assert "STALE_DATA" not in given["warnings"]


def test_fresh_data_is_asked_about_as_of_now(tmp_path: Path, capsys: Capture) -> None:
    """Nothing is due, or said, in the past."""
    started = datetime.now(UTC).replace(microsecond=0)
    end = (started - timedelta(days=6)).timestamp()
    fresh = Registry(tmp_path / "registry")
    fresh.promote(tiny_artifact(fresh, tiny_model(data_end=end)).version_id, NOON)
    found = told(tmp_path, capsys)
    assert started <= datetime.fromisoformat(found["at"]) <= datetime.now(UTC)
    assert "STALE_DATA" not in found["warnings"]
    assert due(tmp_path, "--within", 3650)["send_time"].min() >= started  # type: ignore[operator]  # times


@pytest.mark.usefixtures("registry")
def test_without_a_catalogue_it_warns_of_sensitive_products(
    tmp_path: Path, capsys: Capture
) -> None:
    """Unless the model knows some: nobody could have said which they are."""
    assert "SENSITIVE_UNKNOWN" in told(tmp_path, capsys)["warnings"]
    due(tmp_path)
    assert (
        "mind: the products that the model has learnt name none that is sensitive"
        in capsys.readouterr().out
    )


@pytest.mark.usefixtures("registry")
def test_how_often_is_unknown_of_what_nobody_bought_twice(tmp_path: Path) -> None:
    """Never that it is bought every moment."""
    found = due(tmp_path, "--at-most", 10, "--within", 3650)
    assert found["usual_interval_days"].null_count()
    assert (found["usual_interval_days"].drop_nulls() > 0).all()


@pytest.mark.usefixtures("registry")
def test_nothing_is_said_of_what_is_due_later(tmp_path: Path) -> None:
    """Nor more than so many products a customer, nor of fewer than are worth it."""
    everything = due(tmp_path, "--at-most", 10)
    days = (
        everything["due_time"].sort()[0] - datetime.fromtimestamp(tiny_model().data_end, UTC)
    ) / (timedelta(days=1))
    assert due(tmp_path, "--within", days + 1).height < everything.height
    assert due(tmp_path, "--within", days - 0.1).is_empty()
    one_each = due(tmp_path, "--at-most", 1)
    assert one_each["customer_id"].is_unique().all()
    assert (
        one_each["due_time"].to_list()
        == everything.group_by("customer_id", maintain_order=True)
        .agg(pl.col("due_time").min())["due_time"]
        .to_list()
    )
    several = due(tmp_path, "--at-most", 10, "--min-products", 4)
    assert 0 < several["customer_id"].n_unique() < everything["customer_id"].n_unique()


@pytest.mark.parametrize("decision", [Decision.CONSENT_WITHDRAWN, Decision.ERASED])
def test_who_said_no_is_not_written_to(
    registry: Registry, tmp_path: Path, decision: Decision, capsys: Capture
) -> None:
    """Neither without consent nor after an erasure; the others are."""
    said(registry, decision, customer_hash(registry.secret(), "anna"))
    found = due(tmp_path, "--json")
    assert "anna" not in found["customer_id"]
    assert found.height
    assert json.loads(capsys.readouterr().out)["n_left_out"] == 1


def test_withdrawn_products_are_not_advertised(registry: Registry, tmp_path: Path) -> None:
    """Until they are restored."""
    said(registry, Decision.WITHDRAWN, "milk")
    assert "milk" not in due(tmp_path)["product_id"]
    said(registry, Decision.RESTORED, "milk")
    assert "milk" in due(tmp_path)["product_id"]


@pytest.mark.usefixtures("registry")
def test_given_customers_alone_are_asked(tmp_path: Path) -> None:
    """Once each, wherever they are; as CSV where the file is called so."""
    customers, out = tmp_path / "customers.csv", tmp_path / "due.csv"
    customers.write_text("customer_id,store_id\nanna,\nanna,porto-1\n", encoding="utf-8")
    where = ["--registry", str(tmp_path / "registry"), "--customers", str(customers)]
    assert run(app, ["due", *where, "--within", "60", "--out", str(out)]) == 0
    rows = pl.read_csv(out)
    assert set(rows["customer_id"]) == {"anna"}
    assert rows["product_id"].is_unique().all()


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quiet-hours", "late"], "--quiet-hours late: write it as 21:00-08:00"),
        (["--quiet-hours", "21:00-08:00Z"], "--quiet-hours 21:00-08:00Z: write it as"),
        (["--quiet-hours", "21:00-24:00"], "--quiet-hours 21:00-24:00: write it as"),
        (["--within", "inf"], "--within inf: give days from 0 to 3650"),
        (["--within", "nan"], "--within nan: give days from 0 to 3650"),
        (["--within", "1e9"], "--within 1e+09: give days from 0 to 3650"),
        (["--within", "-1"], "--within -1: give days from 0 to 3650"),
        (["--out", "x.json"], "--out x.json: unknown kind of file; give a .parquet or .csv file"),
        (["--timezone", "Mars"], "--timezone Mars: no such zone"),
        (["--out", "/nowhere/due.parquet"], "cannot be written"),
    ],
)
def test_wrong_options_say_what_to_write(
    tmp_path: Path, capsys: Capture, options: list[str], message: str
) -> None:
    """In one line."""
    given = [
        "due",
        "--registry",
        str(tmp_path / "registry"),
        "--out",
        str(tmp_path / "due.parquet"),
    ]
    assert run(app, [*given, *options]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("due_at", "send_at"),
    [
        ((12, 0), (12, 0)),  # in the open
        ((19, 30), (18, 59)),  # 21:30 in Berlin: before the night
        ((3, 0), (-5, -1)),  # at night: the evening before
    ],
)
def test_it_is_said_before_the_night(due_at: tuple[int, int], send_at: tuple[int, int]) -> None:
    """The last moment up to when it is due that is no quiet hour, by the clock of the zone."""
    quiet = QuietHours.of("21:00-08:00", "Europe/Berlin")
    midnight = NOON - timedelta(hours=12) + timedelta(days=2)
    moment = midnight + timedelta(hours=due_at[0], minutes=due_at[1])
    expected = midnight + timedelta(hours=send_at[0], minutes=send_at[1])
    assert quiet.send_time(moment, NOON) == expected


def test_nothing_is_sent_in_the_past() -> None:
    """What was due before is said at once, in quiet hours after them."""
    quiet = QuietHours.of("21:00-08:00", "Europe/Berlin")
    assert quiet.send_time(NOON - timedelta(days=3), NOON) == NOON
    night = NOON + timedelta(hours=8)
    assert quiet.send_time(night - timedelta(days=1), night) == NOON + timedelta(hours=18)
    assert QuietHours.of("", "UTC").send_time(night, NOON) == night
    siesta = QuietHours.of("13:00-15:00", "UTC")
    assert siesta.send_time(NOON + timedelta(hours=2), NOON) == NOON + timedelta(minutes=59)


def test_a_path_is_no_zone() -> None:
    """A zone that is no name at all is none either."""
    with pytest.raises(InputError, match="no such zone"):
        QuietHours.of("", "../etc")


def test_sensitive_products_are_not_written_of(tmp_path: Path, capsys: Capture) -> None:
    """As the model has learnt them."""
    registry, model = Registry(tmp_path / "registry"), tiny_model()
    milk = Product(product_id="milk", is_sensitive=True)
    model = replace(model, catalogue=model.catalogue.with_products([milk]))
    registry.promote(tiny_artifact(registry, model).version_id, NOON)
    found = due(tmp_path)
    assert "milk" not in found["product_id"]
    assert found.height
    assert "SENSITIVE_UNKNOWN" not in told(tmp_path, capsys)["warnings"]


@pytest.mark.usefixtures("registry")
def test_what_the_service_was_told_since_holds(tmp_path: Path) -> None:
    """Which products are sensitive, and of which one of a group is enough."""
    plain = due(tmp_path, "--at-most", 10).filter(customer_id="anna")["product_id"].to_list()
    with running_valkey(tmp_path / "valkey") as valkey:
        client = connect(valkey.url, connect_timeout_seconds=5, socket_timeout_seconds=5)
        tables = RedisTables(GuardedRedis(client, CircuitBreaker()), KeySchema("recsvc"))
        milk = Product(product_id="milk", is_sensitive=True)
        variants = [
            Product(product_id=name, group_id="breakfast") for name in ("bread", "espresso")
        ]
        new = Product(product_id="new", group_id="breakfast", is_sensitive=True)
        TableCatalogueStore(tables).put_products([milk, new, *variants])
        client.close()
        found = due(tmp_path, "--redis", valkey.url, "--at-most", 10)
    assert set(plain) == {"bread", "espresso", "milk"}
    assert "milk" not in found["product_id"]
    assert found.filter(customer_id="anna").height == 1


def in_force(registry: Registry, *rules: object, **defaults: object) -> None:
    """Put rules in force."""
    shelf = registry.documents("rules")
    text = json.dumps({"rules": rules, "defaults": defaults})
    shelf.activate(shelf.publish(text, NOON), NOON)


def test_a_rule_for_a_channel_holds_for_messages_of_that_channel(
    registry: Registry, tmp_path: Path, capsys: Capture
) -> None:
    """Messages are mails unless it is said."""
    product = due(tmp_path, "--at-most", 10)["product_id"][0]
    no_mail = {"rule_id": "no", "action": "exclude", "select": {"product_ids": [product]}}
    in_force(registry, no_mail | {"when": {"channels": ["EMAIL"]}})
    assert product not in due(tmp_path, "--at-most", 10)["product_id"]
    assert product in due(tmp_path, "--at-most", 10, "--channel", "APP")["product_id"]
    asked = ["due", "--registry", registry.root, "--out", tmp_path / "d.csv", "--channel", "MAIL"]
    capsys.readouterr()
    assert run(app, list(map(str, asked))) != 0
    assert "MAIL" in capsys.readouterr().err


def test_rules_that_ask_for_stock_are_not_passed_over(
    registry: Registry, tmp_path: Path, capsys: Capture
) -> None:
    """Nobody here knows the stock; who does not mind says so."""
    in_force(registry, in_stock_only=True)
    customers = tmp_path / "customers.csv"
    customers.write_text("customer_id\nanna\n")
    at = ["--registry", str(registry.root), "--out", str(tmp_path / "out.parquet")]
    for asked in (["due"], ["recommend", "--customers", str(customers)]):
        capsys.readouterr()
        assert run(app, [*asked, *at]) == 1
        assert "in_stock_only is set" in capsys.readouterr().err
        assert run(app, [*asked, *at, "--any-stock"]) == 0


def test_the_shops_diversity_holds_where_nothing_else_is_said(
    registry: Registry, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flag goes before the rules, and those before the setting, as in the service."""
    customers, out = tmp_path / "customers.csv", tmp_path / "out.parquet"
    customers.write_text("customer_id\nanna\n")
    paths = ["--customers", str(customers), "--out", str(out), "--registry", str(registry.root)]

    def listed(*flags: str) -> list[str]:
        assert run(app, ["recommend", *paths, *flags]) == 0
        return pl.read_parquet(out)["product_id"].to_list()

    plain, varied = listed(), listed("--diversity", "high")
    assert plain != varied
    monkeypatch.setenv("RECSVC_DIVERSITY", "high")
    assert listed() == varied
    assert listed("--diversity", "none") == plain
    in_force(registry, diversity="none")
    assert listed() == plain
    monkeypatch.setenv("RECSVC_DIVERSITY", "wild")
    in_force(registry)
    capsys.readouterr()
    assert run(app, ["recommend", *paths]) == 1
    assert "RECSVC_DIVERSITY: 'wild' cannot be used: input should be" in capsys.readouterr().err
