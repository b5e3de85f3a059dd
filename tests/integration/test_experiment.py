"""An experiment from its file to its report, over a running service and a real Valkey."""

import json
import time
from pathlib import Path

import pytest

from recsvc.client import Client
from recsvc.terminal import run
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import recommendation_service_pb2 as api
from tests.experiments import CONTROL, OTHER
from tests.serving import running_service, small_registry, wait_until
from training.cli import app

pytestmark = pytest.mark.usefixtures("unmeasured")

N_VISITORS = 80


def noticed(visitor: str, response: api.RecommendResponse, kind: events.EventType) -> events.Event:
    """A visitor saw a list, or clicked its first product."""
    n_items = 1 if kind == events.EVENT_TYPE_CLICK else len(response.recommendations)
    return events.Event(
        event_id=f"{response.recommendation_id}-{kind}",
        type=kind,
        shopper=common.Shopper(visitor_id=visitor),
        items=[
            common.LineItem(product_id=each.product_id)
            for each in response.recommendations[:n_items]
        ],
        recommendation_id=response.recommendation_id,
    )


def test_an_experiment_runs_from_its_file_to_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two workers agree on every shopper, and the events alone tell the report who got what."""
    registry = small_registry(tmp_path / "models", 2)
    file = tmp_path / "summer.json"
    file.write_text(json.dumps({"experiment_id": "summer", "variants": [CONTROL, OTHER]}))
    at = ("--registry", str(registry.root))
    variants: dict[str, str] = {}
    with (
        running_service(
            registry.root, tmp_path / "service", "--workers", "2", RECSVC_SERVED_SAMPLE="1"
        ) as service,
        Client(service.target, deadline_seconds=20, channels=8) as client,
    ):
        before = client.recommend(visitor_id="v0")
        assert before.serving.experiment_id == ""
        assert run(app, ["experiment", "activate", str(file), *at]) == 0
        wait_until(
            lambda: all(client.recommend(visitor_id="v0").serving.experiment_id for _ in range(16))
        )
        for number in range(N_VISITORS):
            visitor = f"v{number}"
            for _ in range(2):
                response = client.recommend(visitor_id=visitor, page_size=3)
                variant = response.serving.variant_id
                assert variants.setdefault(visitor, variant) == variant
                is_other = response.recommendations[0].product_id.startswith("b-")
                assert is_other == (variant == "other")
            seen = [noticed(visitor, response, events.EVENT_TYPE_IMPRESSION)]
            if variant == "other":
                seen.append(noticed(visitor, response, events.EVENT_TYPE_CLICK))
            client.ingest_events(events=seen)
        # Lists are written half a second later, and what is younger than one is left for the next.
        time.sleep(1.8)
        url = f"unix://{tmp_path / 'service' / 'valkey' / 'valkey.sock'}"
        collected = ["collect", "--redis", url, "--into", str(tmp_path / "history")]
        assert run(app, collected) == 0
    capsys.readouterr()
    asked = ["experiment", "report", "summer", "--events", str(tmp_path / "history"), *at, "--json"]
    assert run(app, asked) == 0
    found = json.loads(capsys.readouterr().out)
    counts = {each["variant_id"]: each["n_shoppers"] for each in found["variants"]}
    values = list(variants.values())
    assert counts == {name: values.count(name) for name in ("control", "other")}
    assert sum(each["n_lists"] for each in found["variants"]) == N_VISITORS
    (clicks,) = (each for each in found["comparisons"] if each["metric"] == "click_through")
    assert (clicks["value"], clicks["control"]) == (1.0, 0.0)
    assert found["sample_ratio"]["sound"]

    assert run(app, [*asked, "--served", str(tmp_path / "history" / "_served")]) == 0
    served = json.loads(capsys.readouterr().out)
    assert [each["n_shoppers"] for each in served["variants"]] == list(counts.values())
    # Two each, and those that were asked for until both workers took part.
    assert sum(each["n_lists"] for each in served["variants"]) >= 2 * N_VISITORS
    (clicks,) = (each for each in served["comparisons"] if each["metric"] == "click_through")
    assert clicks["control"] == 0.0
    assert 0.0 < clicks["value"] < 1.0
