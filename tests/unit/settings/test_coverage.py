"""Policies that no incident takes, and severities for which nobody is called."""

from pathlib import Path

import pytest

from unit.settings.reading import problems_of, settings_of

PEOPLE = "people: {users: {ana: {}}, teams: {everyone: {}}}\n"
ROW = "{escalate_to: ana, escalate_after_minutes: 5}"
SHOP = "services: {shop: {policy: a}}"
LEVELS = "levels: [{targets: ana}]"


def warned(tmp_path: Path, text: str) -> list[str]:
    return settings_of(tmp_path, PEOPLE + text).warnings()


def test_a_policy_that_no_incident_takes_is_named_with_what_to_write(tmp_path: Path) -> None:
    (warning,) = warned(
        tmp_path,
        f"escalate: {{policies: {{defualt: {{{LEVELS}}}}}, rules: [{ROW}]}}",
    )
    assert warning == (
        "no incident takes the policy 'defualt': no service names it, it has no condition and is not called 'default', "
        "did you mean 'default'?; write services.<name>.policy: defualt, or give it a condition"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"escalate: {{policies: {{default: {{{LEVELS}}}}}}}",
        f"escalate: {{rules: [], policies: {{default: {{{LEVELS}}}}}}}",
        f"escalate: {{rules: [], policies: {{a: {{{LEVELS}, condition: severity >= 'high'}}}}}}",
        f"escalate: {{rules: [], policies: {{a: {{{LEVELS}, condition: service == 'shop'}}}}}}",
        f"escalate: {{rules: [], policies: {{a: {{{LEVELS}, condition: NOT severity < 'high' AND alerts > 3}}}}}}",
        f"escalate: {{rules: [{ROW}]}}",
        f"escalate: {{rules: [{ROW}], policies: {{a: {{{LEVELS}}}}}}}\n{SHOP}",
    ],
)
def test_where_somebody_may_be_called_nothing_is_said(tmp_path: Path, text: str) -> None:
    assert warned(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "severities"),
    [
        ("escalate: {rules: []}", "emergency, critical or high"),
        ("escalate: {rules: [{condition: severity >= 'critical', escalate_to: ana, escalate_after_minutes: 5}]}",
         "high"),
        (f"escalate: {{rules: [], policies: {{a: {{{LEVELS}, condition: severity >= 'critical'}}}}}}", "high"),
        (f"escalate: {{rules: [], policies: {{a: {{{LEVELS}, condition: severity <= 'low'}}}}}}",
         "emergency, critical or high"),
        ("escalate: {policies: {default: {levels: [{targets: ana, condition: severity == 'emergency'}]}}}",
         "critical or high"),
        (f"escalate: {{rules: [], policies: {{a: {{{LEVELS}}}}}}}\nservices: {{shop: {{policy: a}}}}",
         "emergency, critical or high"),
    ],
)  # fmt: skip
def test_a_pressing_severity_that_calls_nobody_is_a_warning(tmp_path: Path, text: str, severities: str) -> None:
    (warning,) = warned(tmp_path, text)
    assert warning.startswith(f"incidents of severity {severities} call nobody unless their service names a policy")


def test_a_policy_of_a_service_that_calls_nobody_is_a_warning(tmp_path: Path) -> None:
    text = """
escalate:
  rules: [{escalate_to: ana, escalate_after_minutes: 5}]
  policies: {low: {levels: [{targets: ana, condition: severity < 'critical'}]}}
services: {shop: {policy: low}}
"""
    (warning,) = warned(tmp_path, text)
    assert warning == (
        "the policy 'low' calls nobody for emergency or critical, though services name it; add a level for them"
    )


def test_a_wrong_kind_of_target_is_answered_with_the_nearest(tmp_path: Path) -> None:
    (problem,) = problems_of(
        tmp_path, PEOPLE + "escalate: {rules: [{escalate_to: usr:ana, escalate_after_minutes: 5}]}"
    )
    assert "'usr' is no kind of target, did you mean 'user'?" in problem
