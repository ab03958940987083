"""Conditions in the settings: fields, expressions, and the exact words of escalation rules."""

from pathlib import Path
from textwrap import dedent

from tocsin.domain import rules as domain
from tocsin.domain.lifecycle import Status
from unit.settings.reading import problems_of, settings_of


def test_an_escalation_rule_with_an_expression_loads(tmp_path: Path) -> None:
    text = dedent(
        """
        escalate:
          rules:
            - condition: "severity == 'critical' AND status == 'open'"
              escalation_level: 2
              escalate_to: senior_engineers
              escalate_after_minutes: 5
              notification_channels: [console]
            - condition: {status: open, expression: alerts > 10}
              escalate_to: support_team
              escalate_after_minutes: 60
        """
    )
    first, second = settings_of(tmp_path, text).rules().escalation
    assert first == domain.EscalationRule(
        condition=domain.Matcher(expression="severity == 'critical' AND status == 'open'"),
        escalation_level=2,
        escalate_to="senior_engineers",
        escalate_after_minutes=5,
        notification_channels=("console",),
    )
    assert second.condition == domain.Matcher(status=(Status.OPEN,), expression="alerts > 10")


def test_a_route_with_an_expression_loads(tmp_path: Path) -> None:
    rules = settings_of(tmp_path, "notify:\n  routes:\n    - {when: severity >= 'high', channels: console}\n").rules()
    condition = domain.Matcher(expression="severity >= 'high'")
    assert rules.notify.routes == (domain.Route(when=condition, channels=("console",)),)


def problems(path: Path, text: str) -> list[str]:
    return problems_of(path, f"notify:\n  routes:\n    - channels: console\n      when: {text}\n")


def test_a_mistake_is_shown_at_its_own_place(tmp_path: Path) -> None:
    assert problems(tmp_path, "alerts = 1") == [
        "4:20: '=' is not understood here; write ==\n    alerts = 1\n           ^"
    ]
    assert problems(tmp_path, "'alerts = 1'") == [
        "4:21: '=' is not understood here; write ==\n    alerts = 1\n           ^"
    ]
    assert problems(tmp_path, "{expression: alrts > 1}") == [
        "4:26: unknown name 'alrts', did you mean 'alerts'?\n    alrts > 1\n    ^"
    ]


def test_a_mistake_in_a_text_of_several_lines_is_shown_in_the_text(tmp_path: Path) -> None:
    assert problems(tmp_path, "|\n        alerts > 1\n        AND alrts > 1\n") == [
        "4:13: unknown name 'alrts', did you mean 'alerts'?, line 2, column 5\n    AND alrts > 1\n        ^"
    ]
