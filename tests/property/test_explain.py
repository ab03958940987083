"""What an explanation says beforehand is what happens: the same calls at the same minutes to the same people, by the
real runtime on a log, with a clock that is moved."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.domain.rules import (
    EscalationRule,
    Level,
    Matcher,
    NotifyRules,
    Policy,
    Route,
    Rules,
    Target,
    Team,
    User,
)
from tocsin.domain.severity import Severity
from tocsin.explain.escalation import COMING, DONE, of_incident
from tocsin.explain.route import alert_of, of_alert
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.driver import Driver
from tocsin.topics import COMMANDS, ESCALATIONS, INCIDENTS, NOTIFICATIONS, RAW
from tocsin.wire.command import encode_command
from tocsin.wire.events import decode
from tocsin.wire.record import Draft

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 21, 9, tzinfo=UTC)
SEVERITIES = st.sampled_from(list(Severity))
CHANNELS = st.lists(st.sampled_from(["mail", "chat", "sms"]), max_size=2, unique=True).map(tuple)
TARGETS = st.sampled_from(
    [Target(kind="user", name="ana"), Target(kind="team", name="dba"), Target(kind="channel", name="mail"),
     Target(kind="management"), Target(kind="team", name="nobody")]
)  # fmt: skip

ROWS = st.builds(
    EscalationRule,
    condition=st.builds(Matcher, severity=st.lists(SEVERITIES, max_size=3, unique=True).map(tuple)),
    escalation_level=st.integers(1, 3),
    escalate_to=st.sampled_from(["dba", "ana", "nobody", ""]),
    escalate_after_minutes=st.integers(0, 40),
    notification_channels=CHANNELS,
    repeat_minutes=st.integers(5, 20),
    repeat_times=st.integers(0, 2),
)
LEVELS = st.builds(
    Level,
    targets=st.lists(TARGETS, min_size=1, max_size=2, unique=True).map(tuple),
    after=st.integers(0, 30).map(lambda minutes: timedelta(minutes=minutes)),
    notification_channels=CHANNELS,
    repeat_every=st.just(timedelta(minutes=7)),
    repeat_times=st.integers(0, 2),
)
POLICIES = st.dictionaries(
    st.sampled_from(["default", "q"]),
    st.builds(Policy, levels=st.lists(LEVELS, min_size=1, max_size=3).map(tuple), loops=st.integers(0, 1)),
    max_size=1,
)
RULES = st.builds(
    Rules,
    escalation=st.lists(ROWS, max_size=3).map(tuple),
    policies=POLICIES,
    notify=st.builds(
        NotifyRules,
        routes=st.lists(
            st.builds(Route, channels=st.just(("chat",)), when=st.just(Matcher(category=("database",)))), max_size=1
        ).map(tuple),
        hold=st.sampled_from([{}, {Severity.LOW: timedelta(minutes=3)}]),
    ),
    users=st.just({"ana": User(contacts={"phone": ("+1",)}), "bo": User()}),
    teams=st.just({"dba": Team(members=("ana", "bo"), manager="bo")}),
)

Call = tuple[float, int, int, str, str]
"""Minutes, level, repeat, recipient, channel."""


@settings(max_examples=40, deadline=None)
@given(rules=RULES, severity=SEVERITIES, category=st.sampled_from(["database", "network"]))
def test_what_is_explained_is_what_happens(rules: Rules, severity: Severity, category: str) -> None:
    labels = {"severity": severity.value, "service": "shop", "category": category}
    happened, explained = asyncio.run(_both(rules, labels))
    assert explained == happened


@settings(max_examples=30, deadline=None)
@given(rules=RULES, severity=SEVERITIES, minutes=st.integers(0, 50), answered=st.booleans())
def test_what_is_to_come_for_an_incident_comes(rules: Rules, severity: Severity, minutes: int, answered: bool) -> None:
    """Half an hour into it, or answered, what is said of the rest is the rest."""
    labels = {"severity": severity.value, "service": "shop", "category": "database"}
    done, to_come, happened = asyncio.run(_midway(rules, labels, minutes, answered))
    assert sorted(done + to_come) == happened


async def _midway(
    rules: Rules, labels: dict[str, str], minutes: int, answered: bool
) -> tuple[list[Call], list[Call], list[Call]]:
    clock = VirtualClock(START)
    broker = MemoryBroker(clock, 1)
    driver = Driver(broker, clock, rules)
    await driver.start()
    await driver.publish(RAW.name, 0, [Draft(b"k", alert_of(labels), (("tocsin_format", b"native"),))])
    await driver.settle()
    await driver.advance(timedelta(minutes=minutes))
    if answered:
        opened = next(event for event in await _events(broker, INCIDENTS.name) if isinstance(event, ev.Opened))
        command = Command(command_id="c1", verb="acknowledge", incident=opened.incident_id, actor="ana")
        await driver.publish(COMMANDS.name, 0, [Draft(*encode_command(command), ())])
        await driver.settle()
    now = clock.now()
    recorded = [
        (topic, event)
        for topic in (INCIDENTS.name, ESCALATIONS.name, NOTIFICATIONS.name)
        for event in await _events(broker, topic)
        if ev.subject_of(event)
    ]
    found = of_incident(recorded, rules, now, START + HOUR - now)
    await driver.advance(START + HOUR - now)
    happened = await _happened(broker)
    await driver.crash()
    rows = {state: {"escalation": [row for row in found["rows"] if row["state"] == state]} for state in (DONE, COMING)}
    return _explained(rows[DONE]), _explained(rows[COMING]), happened


async def _events(broker: MemoryBroker, topic: str) -> list[ev.Event]:
    records = await broker.read(topic, 0, 0, records_max=10_000, bytes_max=2**30)
    return [decode(record.headers, record.value) for record in records]


async def _both(rules: Rules, labels: dict[str, str]) -> tuple[list[Call], list[Call]]:
    clock = VirtualClock(START)
    broker = MemoryBroker(clock, 1)
    driver = Driver(broker, clock, rules)
    await driver.start()
    began = clock.now()
    await driver.publish(RAW.name, 0, [Draft(b"k", alert_of(labels), (("tocsin_format", b"native"),))])
    await driver.settle()
    await driver.advance(HOUR)
    happened = await _happened(broker)
    found = of_alert(alert_of(labels), rules, began, horizon=HOUR)
    await driver.crash()
    return happened, _explained(found)


async def _happened(broker: MemoryBroker) -> list[Call]:
    fired: dict[str, ev.EscalationFired] = {}
    calls: list[Call] = []
    for record in await broker.read(ESCALATIONS.name, 0, 0, records_max=10_000, bytes_max=2**30):
        event = decode(record.headers, record.value)
        if isinstance(event, ev.EscalationFired):
            fired[ev.event_id(event)] = event
    for record in await broker.read(NOTIFICATIONS.name, 0, 0, records_max=10_000, bytes_max=2**30):
        event = decode(record.headers, record.value)
        if isinstance(event, ev.DeliveryPlanned) and (call := fired.get(event.cause)):
            minutes = round((call.recorded_at - call.header.opened_at).total_seconds() / 60, 2)
            calls.append((minutes, call.step.level, call.step.repeat, event.recipient, event.channel))
    return sorted(calls)


def _explained(found: dict[str, Any]) -> list[Call]:
    return sorted(
        (round(row["after_minutes"], 2), row["level"], row["repeat"], one["recipient"], channel)
        for row in found["escalation"]
        if row["kind"] == "escalation.fired"
        for one in row["reached"]
        for channel in one["channels"]
    )
