"""Random lives of incidents under random policies: what may never happen; a state that is read back goes on alike."""

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import (
    EscalateRules,
    EscalationRule,
    Level,
    Matcher,
    Policy,
    Rules,
    SlaTarget,
    Target,
    User,
)
from tocsin.domain.severity import Severity
from tocsin.escalate.decide import Escalate
from tocsin.escalate.freeze import thaw
from tocsin.stage import Input
from unit.escalate.story import Story, Subject, at, escalation

LIVES: Final = 400 if os.environ.get("CI") else 60
STEPS: Final = 40
SEVERITIES: Final = (Severity.LOW, Severity.HIGH, Severity.CRITICAL)


def rules(chance: random.Random) -> Rules:
    """Rows, and with some luck a policy."""

    def some() -> Matcher:
        return Matcher(severity=tuple(chance.sample(SEVERITIES, chance.choice([0, 1, 2]))))

    def rhythm() -> tuple[float, int]:
        return (chance.choice([1, 7, 30]), chance.choice([1, 3])) if chance.random() < 0.5 else (0, 0)

    rows = []
    for target in chance.sample(["ana", "bob", "dba", ""], chance.randint(0, 4)):
        every, times = rhythm()
        rows.append(
            EscalationRule(
                condition=some(),
                escalation_level=chance.randint(1, 3),
                escalate_to=target,
                escalate_after_minutes=chance.choice([0, 5, 5, 20]),
                repeat_minutes=every,
                repeat_times=times,
            )
        )
    levels = []
    for _ in range(chance.randint(1, 4)):
        every, times = rhythm()
        levels.append(
            Level(
                targets=tuple(Target(kind="user", name=name) for name in chance.sample(["ana", "bob", "x"], 2)),
                after=timedelta(minutes=chance.choice([0, 5, 20])),
                condition=some(),
                every_target=chance.random() < 0.3,
                repeat_every=timedelta(minutes=every),
                repeat_times=times,
            )
        )
    policies = {"default": Policy(levels=tuple(levels), loops=chance.choice([0, 0, 2]), condition=some())}
    targets = {
        one: SlaTarget(
            acknowledge=timedelta(minutes=10),
            resolve=timedelta(minutes=60),
            update=timedelta(minutes=25) if chance.random() < 0.5 else None,
        )
        for one in chance.sample(SEVERITIES, 2)
    }
    return Rules(
        version=1,
        escalation=tuple(rows),
        policies=policies if chance.random() < 0.6 else {},
        users={"ana": User(), "bob": User()},
        sla=targets,
        escalate=EscalateRules(catch_up=chance.choice(["all", "collapse", "skip"]), sla_waits=chance.random() < 0.5),
    )


def next_event(chance: random.Random, subject: Subject, now: float) -> ev.IncidentEvent | None:
    """Something that correlate could say next; None when the incident is closed."""
    header = subject.header
    if header.version == 0:
        return subject.opened(now)
    if header.status in (Status.RESOLVED, Status.CLOSED):
        return subject.reopened(now) if header.status is Status.RESOLVED else None
    quiet, severity = bool(header.suppressed_by), chance.choice(SEVERITIES)
    choices: list[Any] = [
        lambda: subject.resolved(now),
        lambda: subject.tell(ev.Noted, now, note="x"),
        lambda: subject.tell(ev.EscalationRequested, now, level=chance.choice([None, 1, 3]), actor="eve"),
        lambda: subject.tell(ev.UpdatedPeople, now, text="x"),
        lambda: subject.tell(ev.Acknowledged, now, header={"acknowledged_at": at(now)}, actor=chance.choice("ab")),
        lambda: subject.tell(
            ev.Acknowledged, now, header={"acknowledged_at": at(now)}, actor=chance.choice(["ana", "bob"])
        ),
        lambda: (
            subject.tell(ev.Unsuppressed, now, header={"suppressed_by": ""}, was="snooze")
            if quiet
            else subject.tell(ev.Suppressed, now, header={"suppressed_by": "snooze"})
        ),
    ]
    if header.acknowledged_at is not None:
        choices += [lambda: subject.expired(now)]
    if severity.rank < header.severity.rank:
        choices += [lambda: subject.raised(now, severity)] * 2
    elif severity.rank > header.severity.rank:
        was = header.severity
        choices += [lambda: subject.tell(ev.SeverityLowered, now, header={"severity": severity}, was=was)]
    told: ev.IncidentEvent = chance.choice(choices)()
    return told


class Life(Story[Any]):
    """A story that is folded once, at its end."""

    def give(self, given: Input, minutes: float) -> list[ev.Event]:
        written = []
        for event in self.stage.decide(self.state, given, self.rules, at(minutes)):
            self.stage.evolve(self.state, event)
            written.append(event)
        self.journal += written
        return written


def lived(number: int) -> Story[Any]:
    """One life; in its middle the state is written down, read back, and both go on."""
    chance = random.Random(number)
    story = Life(Escalate(0, 1), rules(chance))
    subjects = [Subject(chance.choice(SEVERITIES), f"inc_aa{letter}") for letter in "abc"]
    now, twin, begins = 0.0, None, chance.randrange(STEPS)
    for step in range(STEPS):
        now += chance.choice([0, 0.5, 5, 5, 30, 300])
        behind = chance.random() < 0.2  # nothing ran for a while: everything is due at once
        written = caught_up(story, now) if behind else story.until(now)
        told = next_event(chance, subjects[chance.randrange(3)], now)
        written += story.reads(told) if told else []
        if twin is not None:
            again = caught_up(twin, now) if behind else twin.until(now)
            assert [*again, *(twin.reads(told) if told else [])] == written
        if step == begins:
            twin = read_back(story)
    story.until(now + 100)
    assert story.folded() == story.state
    return story


def caught_up(story: Story[Any], now: float) -> list[ev.Event]:
    written: list[ev.Event] = []
    while (due := story.stage.due(story.state)) and due.at <= at(now):
        events = story.give(due, now)
        assert events, f"{due} brought about nothing"
        written += events
    return written


def read_back(story: Story[Any]) -> Story[Any]:
    freezing = story.stage.freeze(story.state)  # type: ignore[attr-defined]
    slices = []
    while (one := freezing.sweep()) is not None:
        slices.append(one)
    freezing.seal()
    while (one := freezing.rest()) is not None:
        slices.append(one)
    twin = Life(story.stage, story.rules)
    twin.state, _ = thaw(slices)
    twin.journal, twin.offset = list(story.journal), story.offset
    return twin


def problems(story: Story[Any]) -> Iterator[str]:
    """What the journal shows that may not be, read without the code that wrote it."""
    answered: dict[str, bool] = {}
    paused: dict[str, bool] = {}
    fired: set[tuple[Any, ...]] = set()
    seen: set[str] = set()
    for event in story.journal:
        assert isinstance(event, ev.EscalationEvent)
        incident = event.incident_id
        if event.id in seen:
            yield f"{event.id} twice"
        seen.add(event.id)
        answered[incident] = event.header.acknowledged_at is not None
        if isinstance(event, ev.EscalationPaused | ev.EscalationResumed):
            paused[incident] = isinstance(event, ev.EscalationPaused)
        elif isinstance(event, ev.EscalationStopped):
            paused[incident] = False
        elif isinstance(event, ev.EscalationFired):
            step = event.step
            rests_on = incident, event.incident_version
            key = (*rests_on, step.level, step.escalate_to, step.due_at, step.repeat, event.cause)
            if key in fired:
                yield f"{event.id}: {key} fired before"
            fired.add(key)
            if not event.targets:
                yield f"{event.id} calls nobody"
            if event.step.due_at > event.recorded_at:
                yield f"{event.id} is early"
            if answered[incident] and not event.insists:
                yield f"{event.id} calls for what is acknowledged"
            if paused.get(incident) and event.reason != "requested":
                yield f"{event.id} calls for what is suppressed"


@pytest.mark.parametrize("block", range(4))
def test_what_may_never_happen_never_does(block: int, seed: int) -> None:
    kinds: set[str] = set()
    for nth in range(LIVES // 4):
        number = seed * 1000 + block * 10_000 + nth
        try:
            story = lived(number)
            assert list(problems(story)) == []
        except Exception as error:
            raise AssertionError(f"life {number}: repeat with lived({number})") from error
        kinds.update(event.TYPE for event in story.journal)
    expected = {name for name, kind in ev.BY_TYPE.items() if issubclass(kind, ev.EscalationEvent)}
    assert kinds >= expected - {"escalation.awaited"}, "the lives are too dull to find anything"


def test_a_state_without_its_pause_would_be_noticed() -> None:
    """The comparison of the twin looks at what the new fields say."""
    story, subject = escalation(Rules()), Subject()
    story.reads(subject.opened())
    story.reads(subject.tell(ev.Suppressed, 1, header={"suppressed_by": "snooze"}))
    twin = read_back(story)
    assert twin.state == story.state
    running = twin.state.running[subject.header.id]
    twin.state.running[subject.header.id] = replace(running, paused_at=None)
    assert twin.state != story.state
