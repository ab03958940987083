"""The rules that watch tocsin name what exists: metrics, sections of the handbook, tests."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tocsin.api.pages import with_anchors
from tocsin.runtime.metrics import METRICS

CHECKOUT = Path(__file__).parents[2]
PROMETHEUS = CHECKOUT / "deploy/prometheus"
HANDBOOK = CHECKOUT / "src/tocsin/docs/operating.md"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "tocsin.rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}

SEVERITIES = {"critical", "high", "medium"}


def exposed() -> set[str]:
    """Every series that `/metrics` of a tocsin can show."""
    found = {"process_start_time_seconds", "up"}
    for metric in METRICS:
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        found |= {metric.name + suffix for suffix in suffixes}
    return found


def unknown(expression: str) -> set[str]:
    """The metrics in a PromQL expression that neither tocsin shows nor a rule records."""
    named = set(re.findall(r"\b(?:tocsin[_:][\w:]+|process_\w+|up(?=\{))", expression))
    return named - exposed() - RECORDED


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert unknown(rule["expr"]) == set()


def test_the_expressions_in_the_handbook_ask_for_metrics_that_exist() -> None:
    assert unknown(HANDBOOK.read_text(encoding="utf-8")) == set()


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    panels = json.loads((PROMETHEUS / "tocsin.dashboard.json").read_text(encoding="utf-8"))["panels"]
    for panel in panels:
        assert unknown(panel["targets"][0]["expr"]) == set(), panel["title"]
        assert panel["description"]


def test_a_metric_that_does_not_exist_is_found() -> None:
    assert unknown("rate(tocsin_append_seconds_total[5m]) > 0 and tocsin_ready == 0 or tocsin:made_up:ratio") == {
        "tocsin_append_seconds_total",
        "tocsin:made_up:ratio",
    }


@pytest.mark.parametrize("rule", ALERTS.values(), ids=list(ALERTS))
def test_an_alert_says_what_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["labels"]["service"] == "tocsin"
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    path, _, section = annotations["runbook_url"].rpartition("#")
    assert path.endswith("/docs/operating")
    assert f'<span id="{section}">## {rule["alert"]}</span>' in with_anchors(HANDBOOK.read_text(encoding="utf-8"))


def test_the_handbook_has_a_section_for_each_alert_and_no_other() -> None:
    sections = re.findall(r"^## (Tocsin\w+)$", HANDBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(ALERTS)


def test_each_section_says_what_to_look_at_and_what_to_do() -> None:
    parts = re.split(r"^## ", HANDBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for part in (part for part in parts if part.startswith("Tocsin")):
        assert re.search(r"^(?:Look at: |\| promise \| bound \| look at)", part, re.MULTILINE), part
        assert re.search(r"^Do: ", part, re.MULTILINE), part


def test_each_alert_is_made_to_fire_in_the_tests_of_the_rules() -> None:
    tests = yaml.safe_load((PROMETHEUS / "tocsin.rules.test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {
        found
        for test in tests
        for asked in test["promql_expr_test"]
        for sample in asked["exp_samples"]
        for found in re.findall(r'alertname="(\w+)"', sample["labels"])
    }
    assert fired == set(ALERTS)
    assert {test["name"].split(" ")[0] for test in tests} == fired
