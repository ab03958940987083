"""Policies, promises and what follows an outage, as they are written in the settings."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.domain.rules import EscalateRules, Level, Policy, Target
from tocsin.domain.severity import Severity
from tocsin.settings import load
from tocsin.settings.problem import SettingsError

PEOPLE = """
people:
  users: {ana: {}, bo: {}}
  teams: {everyone: {}, dba: {members: [ana]}}
"""


def read(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "tocsin.yaml"
    file.write_text(PEOPLE + text)
    return load(file, {}).rules()


def test_a_policy_is_read_with_all_ways_to_write_a_target(tmp_path: Path) -> None:
    rules = read(
        tmp_path,
        """
escalate:
  policies:
    db:
      levels:
        - {targets: [dba, "user:ana", {user: bo}, {kind: team, name: dba}, management], after: 5m}
        - {targets: dba, condition: severity >= 'high', repeat_every: 10m, repeat_times: 2}
      loops: 2
""",
    )
    targets = (("", "dba"), ("user", "ana"), ("user", "bo"), ("team", "dba"), ("management", ""))
    policy = rules.policies["db"]
    assert isinstance(policy, Policy)
    assert policy.loops == 2
    first, second = policy.levels
    assert first == Level(
        targets=tuple(Target(kind=kind, name=name) for kind, name in targets), after=timedelta(minutes=5)
    )
    assert (second.condition.expression, second.repeat_every) == ("severity >= 'high'", timedelta(minutes=10))


def test_what_follows_an_outage_and_a_broken_promise_is_read(tmp_path: Path) -> None:
    rules = read(tmp_path, "escalate: {catch_up: skip, late_after: 2m, breach_escalates: high, breach_target: dba}\n")
    expected = EscalateRules(
        catch_up="skip",
        late_after=timedelta(minutes=2),
        breach_escalates=(Severity.HIGH,),
        breach_target="dba",
    )
    assert rules.escalate == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "escalate: {policies: {db: {levels: [{targets: usr:ana}]}}}",
            "'usr' is no kind of target, did you mean 'user'",
        ),
        ("escalate: {policies: {db: {levels: [{targets: user:anna}]}}}", "did you mean 'ana'"),
        ("escalate: {policies: {db: {levels: []}}}", "at least one"),
        ("escalate: {policies: {db: {levels: [{targets: dba, repeat_times: 2}]}}}", "repeat_every"),
        ("escalate: {catch_up: some}", "collapse"),
        ("sla_rules: [{name: a, targets: {}, calendar: offic}]", "offic"),
    ],
)
def test_a_mistake_is_refused_with_what_is_right(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, text)
