"""The alert rules: their PromQL by a parser, their names by the code, and their runbook."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import promql_parser as promql
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from recsvc.app.worker import Worker, build_worker
from recsvc.metrics import Metrics
from recsvc.metrics_page import MetricsPage
from recsvc.server.rpc_access import RPCS
from recsvc.settings.server import ServerSettings
from tests.deployment import DEPLOY, ROOT, documents
from tests.serving import Log, small_registry

PROMETHEUS = DEPLOY / "prometheus"
GROUPS = documents(PROMETHEUS / "alerts.yaml")[0]["groups"]
CASES = documents(PROMETHEUS / "alerts_test.yaml")[0]["tests"]
RULES = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
RUNBOOK = (DEPLOY / "runbook.md").read_text()


def families() -> Iterator[MetricWrapperBase]:
    metrics = Metrics(CollectorRegistry())
    return (each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase))


def exported() -> dict[str, set[str]]:
    """Every series that the page has, with its labels."""
    found: dict[str, set[str]] = {}
    for family in families():
        labels = set(family._labelnames)
        match family._type:
            case "counter":
                found[f"{family._name}_total"] = labels
            case "histogram":
                found[f"{family._name}_bucket"] = labels | {"le"}
                found |= {f"{family._name}_{part}": labels for part in ("sum", "count")}
            case _:
                found[family._name] = labels
    for own in MetricsPage(None).collect():  # of the supervisor
        found[f"{own.name}_total" if own.type == "counter" else own.name] = set()
    return found


SERIES = exported()
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "recsvc").rglob("*.py")))
CODES = {code.name for code in grpc.StatusCode}


def parts(expression: Any) -> Iterator[Any]:  # noqa: ANN401  # the parser's nodes have no common class
    """An expression and all within it."""
    yield expression
    match expression:
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr():
            yield from parts(expression.expr)
        case promql.SubqueryExpr():
            yield from parts(expression.expr)
        case promql.BinaryExpr():
            yield from parts(expression.lhs)
            yield from parts(expression.rhs)
        case promql.Call():
            for argument in expression.args:
                yield from parts(argument)
        case promql.MatrixSelector():
            yield from parts(expression.vector_selector)


def samples(worker: Worker) -> dict[str, list[tuple[dict[str, str], float]]]:
    """What a worker would have on the page: labels and value by series."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in vars(worker.ground.metrics).values():
        if isinstance(family, MetricWrapperBase):
            for metric in family.collect():
                for one in metric.samples:
                    found.setdefault(one.name, []).append((one.labels, one.value))
    return found


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """One that has done nothing yet, and whose Redis does not answer."""
    given = {
        "registry": str(small_registry(tmp_path).root),
        "listen": "127.0.0.1:0",
        "redis_url": f"unix://{tmp_path}/none",
    }
    return build_worker(ServerSettings.load(given), Log().logger, shares_port=False)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_name_in_an_expression_is_exported(rule: dict[str, Any]) -> None:
    """A rule over a metric or a label that is not there never fires, and nobody notices."""
    expression = promql.parse(rule["expr"])
    selectors = [part for part in parts(expression) if isinstance(part, promql.VectorSelector)]
    assert selectors
    for selector in selectors:
        assert selector.name in SERIES
        for matcher in selector.matchers.matchers:
            assert matcher.name in SERIES[selector.name]
            values = set(matcher.value.split("|"))
            match matcher.name:
                case "code":
                    assert values <= CODES
                case "method":
                    assert values <= set(RPCS)
                case _:
                    assert all(f'"{value}"' in SOURCE for value in values)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_rule_has_what_prometheus_and_people_need(rule: dict[str, Any]) -> None:
    """No key that Prometheus would refuse, somebody to tell, and what to do."""
    assert {"alert", "expr", "labels", "annotations"} <= set(rule)
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert rule["annotations"]["runbook"] == f"deploy/runbook.md#{rule['alert'].lower()}"


def test_the_runbook_has_an_entry_for_each_rule_and_for_no_other() -> None:
    """In the same order; a link within it leads somewhere."""
    headings = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    assert headings == list(RULES)
    anchors = set(re.findall(r"\(#(.+?)\)", RUNBOOK))
    assert anchors <= {heading.lower() for heading in headings}


def test_what_may_happen_only_once_is_on_the_page_before(worker: Worker) -> None:
    """For Prometheus a number that appears with its first count has not grown: no alert rings."""
    of_supervisor = {"recsvc_worker_exits_total"}
    told = samples(worker)
    n_selectors = 0
    for rule in RULES.values():
        for part in parts(promql.parse(rule["expr"])):
            if isinstance(part, promql.Call) and part.func.name == "increase":
                (selector,) = (each.vector_selector for each in part.args)
                n_selectors += 1
                if selector.name in of_supervisor:
                    continue
                wanted = {(each.name, each.value) for each in selector.matchers.matchers}
                found = [labels for labels, _ in told[selector.name] if wanted <= labels.items()]
                if "method" in SERIES[selector.name]:
                    assert {labels["method"] for labels in found} == set(RPCS)
                assert found
    assert n_selectors > 1


def test_a_worker_tells_what_it_cannot_read(worker: Worker) -> None:
    """Of the ledger and of the catalogue, each by a number of its own."""
    ground = worker.ground

    def told(series: str) -> float:
        ((_, value),) = samples(worker)[series]
        return value

    assert told("recsvc_ledger_unreadable") == told("recsvc_catalogue_unreadable") == 0
    ground.standing.follow()
    assert told("recsvc_ledger_unreadable") == 0
    (ground.slot.registry.root / "ledger.jsonl").mkdir()
    ground.standing.follow()
    ground.live.follow()
    assert told("recsvc_ledger_unreadable") == told("recsvc_catalogue_unreadable") == 1


def test_the_cases_for_promtool_are_about_what_is_exported() -> None:
    """By the names and labels that Prometheus would see; every rule in them is one of ours."""
    for case in CASES:
        for given in case["input_series"]:
            selector: Any = promql.parse(given["series"])
            labels = {each.name: each.value for each in selector.matchers.matchers}
            assert set(labels) - {"instance"} == SERIES[selector.name]
            assert labels.get("code", "OK") in CODES
            assert labels.get("method") in {None, *RPCS}
        for asked in case.get("alert_rule_test", ()):
            assert asked["alertname"] in RULES
        for asked in case.get("promql_expr_test", ()):
            (name,) = re.findall(r'alertname="(\w+)"', asked["expr"])
            assert name in RULES


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not there; install Debian's prometheus"
)
def test_the_rules_ring_when_they_should() -> None:
    """By Prometheus's own word: bursts, lasting faults, and what is none."""
    command = ["promtool", "test", "rules", str(PROMETHEUS / "alerts_test.yaml")]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr
