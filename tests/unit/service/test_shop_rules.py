"""The shop's rules in lists, and in every process."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Product
from recsvc.core.places import Location
from recsvc.core.rules import Rulebook
from recsvc.errors import NotFoundError
from recsvc.identity import customer_hash
from recsvc.service.ledger_state import Consent
from recsvc.service.models import load_model
from recsvc.service.questions import Answer, Question
from recsvc.service.shop_rules import ShopRules
from tests.bench import Bench
from tests.serving import NOW, Log, local_server, new_metrics
from tests.shoppers import KEY

ANNA = Question(customer_id="anna", size=5)


def put(registry: Registry, *rules: Mapping[str, Any], **defaults: object) -> str:
    """Publish rules and put them in force."""
    shelf = registry.documents("rules")
    version_id = shelf.publish(json.dumps({"rules": rules, "defaults": defaults}), NOW)
    shelf.activate(version_id, NOW)
    return version_id


def pin(product_id: str, position: int = 1, **more: object) -> dict[str, Any]:
    return {
        "rule_id": f"pin-{product_id}",
        "action": "pin",
        "position": position,
        "select": {"product_ids": [product_id]},
        **more,
    }


def exclude(*product_ids: str, **more: object) -> dict[str, Any]:
    return {
        "rule_id": "no",
        "action": "exclude",
        "select": {"product_ids": product_ids},
        **more,
    }


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def ids(answer: Answer) -> list[str]:
    return [item.product_id for item in answer.items]


def ruled(bench: Bench, *rules: Mapping[str, Any], **defaults: object) -> str:
    version_id = put(bench.registry, *rules, **defaults)
    bench.rules.refresh()
    return version_id


def test_without_rules_nothing_is_said_of_any(bench: Bench) -> None:
    """No version, no rule."""
    answer = bench.answer(ANNA)
    assert (answer.rules_version_id, answer.applied_rules) == ("", ())
    assert {item.rules for item in answer.items} == {()}


def test_an_answer_says_which_rules_touched_it(bench: Bench) -> None:
    """The version in force, the rules of the list, and those of each product."""
    before = ids(bench.answer(ANNA))
    version_id = ruled(bench, pin("bag", 2), exclude(before[0]))
    answer = bench.answer(ANNA)
    assert ids(answer)[1] == "bag"
    assert before[0] not in ids(answer)
    assert answer.items[1].rules == ("pin-bag",)
    assert (answer.rules_version_id, answer.applied_rules) == (version_id, ("no", "pin-bag"))


def test_a_kept_list_is_not_given_under_other_rules(bench: Bench) -> None:
    """Nor after a rollback."""
    plain = ids(bench.answer(ANNA))
    ruled(bench, pin("bag"))
    assert ids(bench.answer(ANNA))[0] == "bag"
    ruled(bench)
    assert ids(bench.answer(ANNA)) == plain


def test_a_kept_list_ends_with_the_hours_of_its_rules(bench: Bench) -> None:
    """A pin that ends in ten seconds is gone then, long before the list would have been."""
    from_ = "2020-01-01T00:00:00Z"
    ends = datetime.fromtimestamp(bench.now + 10, NOW.tzinfo).isoformat()
    ruled(bench, pin("bag", when={"from": from_, "to": ends}))
    assert ids(bench.answer(ANNA))[0] == "bag"
    bench.now += 11
    assert ids(bench.answer(ANNA))[0] != "bag"


@pytest.mark.parametrize(
    ("when", "asked", "holds"),
    [
        ({"channels": ["APP"]}, {"channel": "APP"}, True),
        ({"channels": ["APP"]}, {}, False),
        ({"placement_ids": ["home"]}, {"placement_id": "home"}, True),
        ({"placement_ids": ["home"]}, {"placement_id": "cart"}, False),
        ({"places": [{"country_code": "PT"}]}, {"location": Location(store_id="porto-1")}, True),
        ({"places": [{"country_code": "PT"}]}, {}, False),
        ({"places": [{"store_id": "leeds-1"}]}, {}, True),  # her home
        ({"surfaces": ["similar"]}, {}, False),
    ],
)
def test_rules_hold_where_they_say(
    bench: Bench, when: dict[str, Any], asked: dict[str, Any], *, holds: bool
) -> None:
    """By channel, placement, place and kind of list, and kept lists are told apart by it."""
    ruled(bench, pin("bag", when=when))
    plain = bench.answer(Question(customer_id="anna", size=5, channel="WEB"))
    assert "pin-bag" not in plain.applied_rules or "places" in when
    answer = bench.answer(Question(customer_id="anna", size=5, **asked))
    assert (ids(answer)[0] == "bag") is holds


def test_nothing_withdrawn_or_filtered_out_is_pinned(bench: Bench) -> None:
    """A pin is no way around a recall or a filter."""
    ruled(bench, pin("bag"))
    assert "bag" not in ids(bench.answer(Question(customer_id="anna", excluded=("bag",))))
    bench.standing.withdraw(["bag"])
    assert "bag" not in ids(bench.answer(ANNA))


def test_a_pin_is_explained_as_one(bench: Bench) -> None:
    """By its own sentence in the language asked, else by the common one."""
    ruled(bench, pin("bag", says={"de": "Der Beutel der Woche."}), pin("jam", 2))
    asked = Question(customer_id="anna", explain=True, language="de-AT")
    reasons = [item.reason for item in bench.answer(asked).items[:2]]
    assert [reason.why.rule_id for reason in reasons if reason] == ["pin-bag", "pin-jam"]
    assert next(reason.text for reason in reasons if reason) == "Der Beutel der Woche."


def test_the_shops_defaults_hold_where_a_question_leaves_it_open(bench: Bench) -> None:
    """And who asks decides otherwise."""
    ruled(bench, exclude_purchased=True)
    assert "espresso" not in ids(bench.answer(ANNA))
    assert "espresso" in ids(bench.answer(Question(customer_id="anna", size=5, only_new=False)))


def test_a_shop_may_remind_of_nothing_sensitive(bench: Bench) -> None:
    """No list of what is needed again has such a product; every other list has it as ever."""
    milk = bench.slot.current().assortment.catalogue.product(3)
    bench.live.upsert_products([replace(milk, is_sensitive=True)])
    again = Question(customer_id="anna")
    assert "milk" in ids(bench.again(again).answer)
    ruled(bench, buy_again_sensitive=False)
    assert set(ids(bench.again(again).answer)) == {"espresso", "bread"}
    assert "milk" in ids(bench.answer(again._replace(size=10)))


def test_unreadable_rules_leave_the_old_ones_in_force(registry: Registry) -> None:
    """It is logged once, and the next good ones count."""
    log = Log()
    metrics, numbers = new_metrics()
    rules = ShopRules(registry.documents("rules"), logger=log.logger, metrics=metrics)
    rules.refresh()
    good = put(registry, pin("bag"))
    rules.refresh()
    bad = registry.documents("rules").publish('{"rules": [{}]}', NOW)
    registry.documents("rules").activate(bad, NOW)
    rules.refresh()
    rules.refresh()
    assert rules.current.version_id == good
    assert numbers.get_sample_value("recsvc_rules_failures_total") == 1
    better = put(registry)
    rules.refresh()
    assert rules.current.version_id == better


def test_what_cannot_be_read_is_tried_again_after_a_while(registry: Registry) -> None:
    """And not at every look; a shelf that fails later on is told again."""
    now = 0.0
    log, (metrics, numbers) = Log(), new_metrics()
    shelf = registry.documents("rules")
    rules = ShopRules(shelf, logger=log.logger, metrics=metrics, monotonic=lambda: now)
    good = put(registry, pin("bag"))
    path = registry.root / "rules" / "versions" / f"{good}.json"
    aside = path.rename(path.with_suffix(".aside"))
    rules.refresh()
    aside.rename(path)
    rules.refresh()
    assert rules.current.version_id == ""
    now += 60
    rules.refresh()
    assert rules.current.version_id == good
    pointer = registry.root / "rules" / "current.json"
    for n_failures in (2, 3):
        text = pointer.read_text()
        pointer.write_text("{")
        for _ in range(2):
            rules.refresh()
        assert numbers.get_sample_value("recsvc_rules_failures_total") == n_failures
        pointer.write_text(text)
        rules.refresh()
    assert rules.current.version_id == good


def test_a_shelf_that_cannot_be_looked_at_is_told_each_time_it_begins(registry: Registry) -> None:
    """Once for as long as it lasts, and the rules that were in force stay so."""
    metrics, numbers = new_metrics()
    rules = ShopRules(registry.documents("rules"), logger=Log().logger, metrics=metrics)
    version_id = put(registry, pin("bag"))
    rules.refresh()
    shelf = registry.root / "rules"
    for n_failures in (1, 2):
        aside = shelf.rename(registry.root / "aside")
        shelf.touch()
        for _ in range(2):
            rules.refresh()
        assert numbers.get_sample_value("recsvc_rules_failures_total") == n_failures
        shelf.unlink()
        aside.rename(shelf)
        rules.refresh()
        assert rules.current.version_id == version_id


def test_an_experiment_may_ask_for_another_version(bench: Bench) -> None:
    """One that is not in force; the one in force is not read again."""
    other = bench.registry.documents("rules").publish(json.dumps({"rules": [pin("bag")]}), NOW)
    current = ruled(bench, pin("jam"))
    assert bench.rules.read(current) is bench.rules.current
    book = bench.rules.read(other)
    with pytest.raises(NotFoundError):
        bench.rules.read("nothing")
    assortment = bench.slot.current().assortment
    assert bench.rules.prepared(assortment, book).book is book
    assert bench.rules.prepared(assortment).book is bench.rules.current


def test_rules_for_who_is_not_known(bench: Bench) -> None:
    """Anonymous: visitors, strangers, and who has not consented or was erased."""
    ruled(bench, pin("bag", when={"segments": ["anonymous"]}))
    assert ids(bench.answer(ANNA))[0] != "bag"
    for asked in (Question(), Question(visitor_id="v"), Question(customer_id="stranger")):
        assert ids(bench.answer(asked))[0] == "bag"
    bench.standing.set_consent(customer_hash(KEY, "anna"), Consent.WITHDRAWN)
    assert ids(bench.answer(ANNA))[0] == "bag"
    bench.standing.set_consent(customer_hash(KEY, "anna"), Consent.GRANTED)
    assert ids(bench.answer(ANNA._replace(size=4)))[0] != "bag"
    bench.standing.forget(customer_hash(KEY, "anna"), ())
    assert ids(bench.answer(ANNA))[0] == "bag"


def is_ready(bench: Bench, book: Rulebook | None = None) -> bool:
    """Whether the rules were looked up in what is sold now, so that no caller waits for it."""
    assortment = bench.live.dressed(bench.slot.current()).assortment
    ready = bench.rules.prepared(assortment, book)
    return ready is bench.rules.prepared(assortment, book)


def test_new_rules_are_looked_up_before_they_are_in_force(bench: Bench) -> None:
    """In what is sold; in anything else where it is asked for."""
    bench.answer(ANNA)
    ruled(bench, pin("bag"))
    assert is_ready(bench)
    other = Assortment.learnt(bench.slot.current().assortment.catalogue)
    assert bench.rules.prepared(other) is not bench.rules.prepared(other)


def test_a_server_looks_rules_up_before_it_answers(registry: Registry) -> None:
    """From its start on, and after the shop has said something of a product."""
    put(registry, pin("bag"))
    with local_server(registry.root) as server:
        ground = server.worker.ground
        for price in (1.0, 2.0):
            assortment = ground.live.dressed(ground.slot.current()).assortment
            ready = ground.rules.prepared(assortment)
            assert ready is ground.rules.prepared(assortment)
            assert [each.rule.rule_id for each in ready.rules] == ["pin-bag"]
            ground.live.upsert_products([Product(product_id="bag", price=price)])


def test_rules_are_looked_up_before_a_new_catalogue_is_sold(bench: Bench) -> None:
    """For every model that may be asked, and at once for what a variant has of its own."""
    bench.answer(ANNA)
    shelf = bench.registry.documents("rules")
    book = bench.rules.read(shelf.publish(json.dumps({"rules": [pin("tea")]}), NOW))
    kept = load_model(bench.registry, "v1")
    bench.live.keep([kept])
    bench.rules.keep([book])
    ruled(bench, exclude("cola"))
    for price in (1.0, 2.0):
        bench.live.upsert_products([Product(product_id="cola", price=price)])
        assert is_ready(bench)
        assert is_ready(bench, book)
        assortment = bench.live.dressed(kept).assortment
        ready = bench.rules.prepared(assortment)
        assert ready is bench.rules.prepared(assortment)
        assert [len(each.items) for each in ready.rules] == [1]
    bench.rules.keep([])
    assert not is_ready(bench, book)
    assert is_ready(bench)
