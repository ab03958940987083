"""The tree of causes: every event once, below what brought it about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain import events as ev
from tocsin.domain.rules import EscalationRule, Rules
from tocsin.explain.rehearsal import Rehearsal
from tocsin.explain.route import alert_of
from tocsin.explain.why import Placed, chain, flat, tree
from tocsin.topics import ESCALATIONS, INCIDENTS, NOTIFICATIONS
from tocsin.wire.events import rfc3339

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
REPEATING = EscalationRule(escalate_to="dba", escalate_after_minutes=5, repeat_minutes=10, repeat_times=3)


def story(rules: Rules, severity: str = "critical", minutes: float = 60) -> list[Placed]:
    """What would be recorded of an alert that nobody answers."""
    rehearsal = Rehearsal(rules, NOON)
    rehearsal.alert(alert_of({"severity": severity, "service": "shop"}))
    rehearsal.until(NOON + timedelta(minutes=minutes))
    topics = {ev.IncidentEvent: INCIDENTS, ev.EscalationEvent: ESCALATIONS, ev.DeliveryEvent: NOTIFICATIONS}
    placed = []
    for offset, event in enumerate(rehearsal.events):
        topic = next((topic for kind, topic in topics.items() if isinstance(event, kind)), None)
        if topic is not None:
            placed.append(Placed(topic.name, 0, offset, event))
    return placed


def depths(roots: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(depth, node["type"]) for depth, node in flat(roots)]


def test_a_call_that_repeats_hangs_below_the_call_before_it() -> None:
    roots = tree(story(Rules(escalation=(REPEATING,), sla={})))
    assert [one for one in depths(roots) if one[1].startswith(("alert", "incident", "escalation"))] == [
        (0, "alert"),
        (1, "incident.opened"),
        (2, "escalation.scheduled"),
        (3, "escalation.fired"),
        (4, "escalation.fired"),
        (5, "escalation.fired"),
        (6, "escalation.fired"),
    ]


def test_a_broken_promise_hangs_below_what_last_said_when_it_is_due() -> None:
    found = depths(tree(story(Rules(escalation=()))))
    assert found[2:5] == [(2, "escalation.scheduled"), (3, "sla.at_risk"), (4, "sla.breached")]


def test_what_led_to_no_delivery_can_be_left_out() -> None:
    quiet = Rules(escalation=(), notify=Rules().notify.__class__(events=()))
    assert tree(story(quiet), pages_only=True) == []
    assert tree(story(quiet)) != []


def test_the_chain_to_a_delivery_is_its_causes_alone() -> None:
    recorded = story(Rules(escalation=(REPEATING,), sla={}))
    planned = [one.event for one in recorded if isinstance(one.event, ev.DeliveryPlanned)]
    found = chain(tree(recorded), planned[-1].delivery_id)
    assert [node["type"] for node in found] == [
        "alert",
        "incident.opened",
        "escalation.scheduled",
        *["escalation.fired"] * 4,
        "delivery.planned",
    ]
    assert chain(tree(recorded), "ntf_nothing") == []


@given(
    severity=st.sampled_from(["emergency", "critical", "high", "medium", "low"]),
    minutes=st.integers(0, 300),
    rows=st.lists(
        st.builds(
            EscalationRule,
            escalation_level=st.integers(1, 3),
            escalate_to=st.just("dba"),
            escalate_after_minutes=st.integers(0, 30),
            repeat_minutes=st.integers(1, 20),
            repeat_times=st.integers(0, 3),
        ),
        max_size=3,
    ),
)
def test_every_event_is_there_once_and_none_before_its_cause(
    severity: str, minutes: int, rows: list[EscalationRule]
) -> None:
    recorded = story(Rules(escalation=tuple(rows)), severity, minutes)
    roots = tree(recorded)
    nodes = [node for _, node in flat(roots)]
    assert sorted(node["place"] for node in nodes if node["type"] != "alert") == sorted(
        f"{one.topic}/0/{one.offset}" for one in recorded
    )
    assert len(roots) == 1
    for node in nodes:
        assert all(child["at"] >= node["at"] for child in node["children"])
    assert roots[0]["at"] == rfc3339(NOON)
