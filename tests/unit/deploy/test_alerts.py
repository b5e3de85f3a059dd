"""The alert rules: their PromQL by a parser, their names by the code, and their runbook."""

import re
from collections.abc import Iterator
from typing import Any

import grpc
import promql_parser as promql
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from recsvc.metrics import Metrics
from recsvc.metrics_page import MetricsPage
from recsvc.v1.recommendation_service_pb2 import DESCRIPTOR
from tests.deployment import DEPLOY, ROOT, documents

GROUPS = documents(DEPLOY / "prometheus" / "alerts.yaml")[0]["groups"]
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
METHODS = {
    f"{service.name}/{method.name}"
    for service in DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


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
                    assert values <= METHODS
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
