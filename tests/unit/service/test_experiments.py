"""Experiments as they are served: who gets what, and what is said of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from recsvc.artifacts import experiment_shelf as shelf
from recsvc.artifacts.experiments import Experiment
from recsvc.artifacts.journal import Note
from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import Product
from recsvc.core.diversity import Diversity
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.recommendation_id import Surface, read_recommendation_id
from recsvc.core.segments import Segments
from recsvc.service.deliveries import Served
from recsvc.service.ledger_state import Consent
from recsvc.service.questions import Question, ServedFrom
from tests.bench import JUST_AFTER, Bench
from tests.experiments import CONTROL, OTHER, experiment
from tests.samples import tiny_artifact, tiny_model
from tests.serving import NOW, corrupt
from tests.shoppers import ANNA, GUEST

MakeRegistry = Callable[..., Registry]
VISITORS = [f"visitor {number}" for number in range(40)]


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def start(bench: Bench, *experiments: Experiment) -> None:
    for one in experiments:
        shelf.activate(bench.registry.documents("experiments"), one, NOW, Note())
    bench.experiments.refresh()


def all_of(variant: dict[str, Any], **fields: Any) -> Experiment:
    """One that gives nearly everybody the same variant."""
    other = CONTROL if variant["variant_id"] != "control" else OTHER
    weights = [{**other, "weight": 1e-9}, {**variant, "weight": 1 - 1e-9}]
    return experiment(**{"variants": weights, **fields})


def ask(bench: Bench, visitor: str = "v", **fields: Any) -> Served:
    return bench.ask(Question(**{"visitor_id": visitor, "size": 3, **fields}))


def test_without_experiments_nothing_is_said_of_any(bench: Bench) -> None:
    delivery = ask(bench).delivery
    assert (delivery.experiment_id, delivery.variant_id, delivery.warnings) == ("", "", ())
    origin = read_recommendation_id(delivery.recommendation_id)
    assert origin is not None
    assert (origin.surface, origin.time, origin.experiment) == (
        Surface.RECOMMEND,
        int(JUST_AFTER),
        0,
    )


def test_a_list_and_its_name_say_the_variant(bench: Bench) -> None:
    start(bench, experiment())
    for visitor in VISITORS:
        served = ask(bench, visitor)
        origin = read_recommendation_id(served.delivery.recommendation_id)
        assert origin is not None
        assert origin.experiment == experiment().number
        variant = experiment().variants[origin.variant]
        assert served.delivery.variant_id == variant.variant_id
        assert served.delivery.experiment_id == "summer"
        is_other = served.payload.startswith(b"b-")
        assert is_other == (variant.variant_id == "other")


def test_shoppers_are_divided_and_stay_where_they_are(bench: Bench) -> None:
    start(bench, experiment())
    first = [ask(bench, visitor).delivery.variant_id for visitor in VISITORS]
    assert set(first) == {"control", "other"}
    again = Bench(bench.registry)
    again.experiments.refresh()
    assert [ask(again, visitor).delivery.variant_id for visitor in VISITORS] == first


def test_a_kept_list_is_of_the_variant(bench: Bench) -> None:
    """A list from before the experiment is not given to who takes part in it."""
    before = ask(bench)
    start(bench, all_of(OTHER))
    made, kept = ask(bench), ask(bench)
    assert [each.delivery.served_from for each in (made, kept)] == [
        ServedFrom.MODEL,
        ServedFrom.CACHE,
    ]
    assert kept.payload == made.payload != before.payload
    assert kept.delivery.variant_id == "other"


def test_every_surface_says_the_variant(bench: Bench) -> None:
    start(bench, all_of(OTHER))
    question = Question(customer_id="anna")
    deadline = bench.monotonic + 1e9
    deliveries = {
        Surface.RECOMMEND: bench.ask(question).delivery,
        Surface.SIMILAR: bench.similar(first_product(bench), question).delivery,
        Surface.TOGETHER: bench.related.together(
            [first_product(bench)], question, deadline
        ).delivery,
        Surface.AGAIN: bench.related.again(question, deadline).delivery,
    }
    for surface, delivery in deliveries.items():
        assert delivery.variant_id == "other"
        origin = read_recommendation_id(delivery.recommendation_id)
        assert origin is not None
        assert origin.surface is surface
        assert origin.variant == 1


def first_product(bench: Bench) -> str:
    """One that the variant's model has."""
    return ask(bench).payload.decode().split()[0]


def test_a_variants_model_does_not_outlive_the_experiment(bench: Bench) -> None:
    start(bench, all_of(OTHER))
    shelf.stop(bench.registry.documents("experiments"), "summer", NOW, Note())
    bench.experiments.refresh()
    served = ask(bench)
    assert served.delivery.experiment_id == ""
    assert not served.payload.startswith(b"b-")


def test_who_has_not_consented_is_no_part_of_it(bench: Bench) -> None:
    start(bench, all_of(OTHER))
    bench.standing.link(GUEST.key, ANNA.key)
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    for question in (
        Question(customer_id="anna"),
        Question(customer_id="anna", session_id="s1"),
        Question(visitor_id="guest", session_id="s1"),
    ):
        served = bench.ask(question)
        assert served.delivery.experiment_id == ""
        assert not served.payload.startswith(b"b-")


def test_nobody_in_particular_takes_part_by_the_session(bench: Bench) -> None:
    start(bench, experiment())
    assert bench.ask(Question()).delivery.experiment_id == ""
    found = [
        bench.ask(Question(session_id=session)).delivery.variant_id
        for session in [*VISITORS, *VISITORS]
    ]
    assert set(found) == {"control", "other"}
    assert found[: len(VISITORS)] == found[len(VISITORS) :]


@pytest.mark.parametrize(
    ("participants", "question", "is_in"),
    [
        ({"channels": ["EMAIL"]}, {"channel": "EMAIL"}, True),
        ({"channels": ["EMAIL"]}, {"channel": "WEB"}, False),
        ({"placements": ["home-top"]}, {"placement_id": "home-top"}, True),
        ({"placements": ["home-top"]}, {}, False),
        ({"places": [{"store_id": "york-1"}]}, {"location": Location(store_id="york-1")}, True),
        ({"places": [{"store_id": "york-1"}]}, {"location": Location(store_id="leeds-1")}, False),
        ({"share": 1e-9}, {}, False),
    ],
)
def test_only_who_is_meant_takes_part(
    bench: Bench, participants: dict[str, Any], question: dict[str, Any], *, is_in: bool
) -> None:
    start(bench, all_of(OTHER, participants=participants))
    assert bool(ask(bench, **question).delivery.experiment_id) is is_in


def test_it_begins_and_ends_by_the_clock(bench: Bench) -> None:
    start(bench, all_of(OTHER, start_time=NOW, end_time=NOW + timedelta(days=1)))
    found = []
    for seconds in (-1, 0, 86_399, 86_400):
        bench.now = NOW.timestamp() + seconds
        found.append(ask(bench).delivery.experiment_id)
    assert found == ["", "summer", "summer", ""]


def test_of_two_that_match_the_first_by_id_wins(bench: Bench) -> None:
    start(bench, experiment("b"), experiment("a"))
    assert ask(bench).delivery.experiment_id == "a"


def test_a_caller_can_ask_for_one_experiment(bench: Bench) -> None:
    start(bench, experiment("b"), experiment("a"))
    served = ask(bench, experiment_id="b")
    assert served.delivery.experiment_id == "b"
    assert bench.codec.answers[-1].warnings == ()


def test_asking_for_one_that_does_not_run_is_warned_of(bench: Bench) -> None:
    start(bench, experiment("a"), experiment("b", end_time=NOW - timedelta(days=1)))
    for unknown in ("b", "c"):
        served = ask(bench, experiment_id=unknown)
        assert served.delivery.experiment_id == ""
        assert "UNKNOWN_EXPERIMENT" in bench.codec.answers[-1].warnings


def test_a_model_that_cannot_be_loaded_is_stood_in_for(bench: Bench) -> None:
    """The current one answers, the response says so, and it is tried again."""
    plain = ask(bench).payload
    corrupt(bench.registry, "v2")
    start(bench, all_of(OTHER))
    served = ask(bench)
    assert served.payload == plain
    assert served.delivery.variant_id == "other"
    assert served.delivery.warnings == ("VARIANT_UNAVAILABLE",)
    assert bench.count("recsvc_experiment_failures_total") == 1
    bench.experiments.refresh()
    assert bench.count("recsvc_experiment_failures_total") == 1
    bench.monotonic += 60
    bench.experiments.refresh()
    assert bench.count("recsvc_experiment_failures_total") == 2


def test_what_a_variant_lacks_is_logged_when_it_changes(bench: Bench) -> None:
    """Not each time that it is tried again; the number of what is lacking says how long."""
    lost = pinning(bench, "bag")
    path = next(bench.registry.root.rglob(f"{lost}.json"))
    hidden = path.rename(path.with_suffix(".hidden"))
    start(bench, all_of({"variant_id": "other", "weight": 0.5, "rules": lost}))
    for _ in range(3):
        bench.monotonic += 60
        bench.experiments.refresh()
    (line,) = bench.written.lines("variant_load_failed")
    assert line["rules_version_id"] == lost
    assert len(bench.written.lines("experiments_running")) == 1
    assert bench.count("recsvc_experiment_lacking") == 1
    hidden.rename(path)
    bench.monotonic += 60
    bench.experiments.refresh()
    assert bench.count("recsvc_experiment_lacking") == 0
    assert bench.written.lines("experiments_running")[-1]["rules"] == [lost]


def test_a_variant_of_the_current_version_loads_nothing(bench: Bench) -> None:
    start(bench, all_of(OTHER | {"model": "v1"}))
    assert bench.experiments.assign(Question(), "unit", bench.now) is not None
    assigned = bench.experiments.assign(Question(), "unit", bench.now)
    assert assigned is not None
    assert assigned.loaded is bench.slot.loaded


def test_a_pinned_version_stays_when_another_becomes_current(bench: Bench) -> None:
    start(bench, all_of(OTHER))
    bench.registry.promote("v3", NOW)
    bench.slot.refresh()
    assert ask(bench).payload.startswith(b"b-")
    assert bench.ask(Question()).payload.startswith(b"c-")


def test_a_models_that_runs_on_is_not_loaded_again(bench: Bench) -> None:
    start(bench, all_of(OTHER))
    before = bench.experiments.assign(Question(), "unit", bench.now)
    start(bench, experiment("another"))
    after = bench.experiments.assign(Question(experiment_id="summer"), "unit", bench.now)
    assert before is not None
    assert after is not None
    assert after.loaded is before.loaded


def test_what_cannot_be_read_changes_nothing(bench: Bench) -> None:
    start(bench, all_of(OTHER))
    pointer = bench.registry.root / "experiments" / "current.json"
    text = pointer.read_text()
    pointer.write_text("{")
    for _ in range(3):
        bench.experiments.refresh()
    assert ask(bench).delivery.variant_id == "other"
    assert bench.count("recsvc_experiment_failures_total") == 1
    pointer.write_text(text)
    bench.experiments.refresh()
    assert ask(bench).delivery.variant_id == "other"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [(None, Diversity.HIGH), (Diversity.LOW, Diversity.LOW)],
)
def test_a_variant_may_vary_lists_whose_caller_leaves_it_open(
    bench: Bench, asked: Diversity | None, answered: Diversity
) -> None:
    start(bench, all_of({"variant_id": "other", "weight": 0.5, "diversity": "high"}))
    question = Question(visitor_id="v", size=8, diversity=asked)
    in_it = bench.ask(question)
    plain = bench.ask(Question(size=8, diversity=answered))
    assert in_it.delivery.variant_id == "other"
    assert in_it.payload == plain.payload


def pinning(bench: Bench, product_id: str) -> str:
    """Publish rules that put a product first; return their version, which is not in force."""
    rule = {
        "rule_id": "first",
        "action": "pin",
        "position": 1,
        "select": {"product_ids": [product_id]},
    }
    return bench.registry.documents("rules").publish(json.dumps({"rules": [rule]}), NOW)


def test_a_variant_may_have_rules_of_its_own(bench: Bench) -> None:
    """Its lists obey them, say so, and are kept apart from those of the rules in force."""
    last = ask(bench, size=8).payload.decode().split()[-1]
    version_id = pinning(bench, last)
    start(
        bench,
        experiment(variants=[CONTROL, {**CONTROL, "variant_id": "other", "rules": version_id}]),
    )
    for _ in range(2):
        found = {
            served.delivery.variant_id: served.payload.decode().split()[0]
            for served in (ask(bench, visitor) for visitor in VISITORS)
        }
        assert found["other"] == last != found["control"]
    assert {answer.rules_version_id for answer in bench.codec.answers} == {"", version_id}


def test_rules_that_cannot_be_read_are_stood_in_for(bench: Bench) -> None:
    """By those in force, the response says so, and they are tried again; then no request reads."""
    plain = ask(bench).payload
    version_id = pinning(bench, "milk")
    path = bench.registry.root / "rules" / "versions" / f"{version_id}.json"
    aside = path.rename(path.with_suffix(".aside"))
    start(bench, all_of({"variant_id": "other", "weight": 0.5, "rules": version_id}))
    served = ask(bench)
    assert served.payload == plain
    assert served.delivery.variant_id == "other"
    assert served.delivery.warnings == ("VARIANT_UNAVAILABLE",)
    aside.rename(path)
    bench.experiments.refresh()
    assert bench.count("recsvc_experiment_failures_total") == 1
    assert ask(bench).payload == plain
    bench.monotonic += 60
    bench.experiments.refresh()
    path.unlink()
    served = ask(bench)
    assert served.payload.split()[0] == b"milk"
    assert served.delivery.warnings == ()


def test_only_the_segments_that_are_meant_take_part(registry: Registry) -> None:
    """As the current model knows them; of visitors, and of who was erased, it knows none."""
    model = tiny_model()
    own = [["loyal"] if name == "anna" else ["new"] for name in customer_ids(model)]
    tiny_artifact(registry, replace(model, segments=Segments.of_names(own)), "v4")
    registry.promote("v4", NOW)
    bench = Bench(registry)
    start(bench, all_of(OTHER, participants={"segments": ["loyal", "anonymous"]}))

    def variant(**who: str) -> str:
        return bench.ask(Question(**who)).delivery.variant_id  # type: ignore[arg-type]  # ids

    assert variant(customer_id="anna") == "other"
    assert variant(customer_id="ben") == ""
    assert variant(visitor_id="v") == "other"
    shelf.stop(registry.documents("experiments"), "summer", NOW, Note())
    start(bench, all_of(OTHER, experiment_id="loyal", participants={"segments": ["loyal"]}))
    assert variant(customer_id="anna") == "other"
    assert variant(visitor_id="v") == ""
    bench.standing.forget(ANNA.key, ())
    assert variant(customer_id="anna") == ""


def customer_ids(model: Model) -> list[str]:
    return list(model.customers.ids.take(range(len(model.customers))))


def test_lists_are_counted_by_variant(bench: Bench) -> None:
    start(bench, all_of(OTHER))
    for _ in range(2):
        ask(bench)
    labels = {"experiment": "summer", "variant": "other"}
    assert bench.count("recsvc_experiment_answers_total", **labels) == 2


def test_a_variants_model_heeds_recalls_and_new_products(bench: Bench) -> None:
    """Everything that is true beside the model holds for it too."""
    start(bench, all_of(OTHER))
    first = ask(bench).payload.decode().split()[0]
    bench.standing.withdraw([first])
    assert first not in ask(bench).payload.decode().split()
    bench.live.upsert_products([Product(product_id="b-new", title="new", category_path="Tea")])
    question = Question(visitor_id="v", size=100)
    assert "b-new" in bench.ask(question).payload.decode().split()


def test_it_follows_by_itself(bench: Bench) -> None:
    bench.experiments.watch(0.01)
    try:
        shelf.activate(bench.registry.documents("experiments"), all_of(OTHER), NOW, Note())
        for _ in range(500):
            if ask(bench).delivery.experiment_id:
                break
            bench.experiments._poller._stopping.wait(0.01)
        assert ask(bench).delivery.variant_id == "other"
    finally:
        bench.experiments.stop()
