"""Escalate and notify together over random lives of incidents: what has to hold whatever happens.

The checks read the journals only. `Story` folds every state anew after each input.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta

from tocsin.domain import events as ev
from tocsin.domain.rules import EscalationRule, Limit, Rules
from tocsin.domain.severity import Severity
from tocsin.escalate.state import Escalations
from tocsin.notify.decide import Notify
from tocsin.notify.state import Ledger
from tocsin.stage import DeliveryResult, Room
from tocsin.topics import ESCALATIONS
from tocsin.wire.frozen import Freezing
from unit.escalate.story import T0, Story, Subject, escalation
from unit.notify.desk import notify

RAISED = {Severity.LOW: Severity.HIGH, Severity.HIGH: Severity.CRITICAL}
NEWS = ("incident.acknowledged", "incident.resolved", "incident.closed")
IN_SPITE = ("incident.severity_raised", "incident.reannounced", *NEWS)
"""Steps that may be sent while somebody has answered."""


class World:
    """Both stages over the same incidents, and a receiver that answers by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.minutes = 0.0
        hold = {Severity.LOW: timedelta(minutes=3)}
        limit = Limit(
            messages=3, pages=3, digest_every=timedelta(minutes=3), bundle=timedelta(minutes=chance.choice([0, 1]))
        )
        self.notify: Story[Ledger] = notify(
            hold=hold,
            attempts_max=3,
            retry_longest=timedelta(minutes=2),
            limits={"ops": limit} if chance.random() < 0.7 else {},
            fallback={"ops": ("mail",)},
            current=("ops",) if chance.random() < 0.5 else (),
            catch_all=("ops", "desk"),
        )
        rows = tuple(
            EscalationRule(
                escalation_level=level, escalate_after_minutes=3 * level, repeat_minutes=4, repeat_times=level
            )
            for level in (1, 2)
        )
        self.escalate: Story[Escalations] = escalation(Rules(escalation=rows))
        self.subjects = [
            Subject(chance.choice([Severity.LOW, Severity.HIGH]), incident_id=f"inc_{n}") for n in range(3)
        ]
        self.under_way: list[tuple[str, int]] = []
        self.freezing: Freezing | None = None
        self.slices: list[bytes] = []

    def step(self) -> None:
        self.minutes += self.chance.choice([0.0, 0.5, 2.0])
        self.sees(self.notify.until(self.minutes))
        for event in self.escalate.until(self.minutes):
            self.sees(self.notify.reads(event, self.minutes, ESCALATIONS.name))
        subject = self.chance.choice(self.subjects)
        if self.chance.random() < 0.5 and (told := self.next_event(subject)):
            self.sees(self.notify.reads(told, self.minutes))
            for event in self.escalate.reads(told, self.minutes):
                self.sees(self.notify.reads(event, self.minutes, ESCALATIONS.name))
        for want in self.notify.stage.wants(self.notify.state):
            if (want.at - T0).total_seconds() / 60 <= self.minutes and self.chance.random() < 0.7:
                written = self.notify.give(Room(want.channel, self.chance.randrange(1, 3)), self.minutes)
                assert written, "wanted room and did not use it"
                self.sees(written)
        if self.under_way and self.chance.random() < 0.7:
            delivery, attempt = self.under_way.pop(self.chance.randrange(len(self.under_way)))
            outcome = self.chance.choice(["delivered", "failed", "failed", "refused"])
            made = {"jitter": self.chance.random(), "handle": self.chance.choice(["", "x"])}
            result = DeliveryResult(delivery_id=delivery, attempt=attempt, outcome=outcome, **made)
            self.sees(self.notify.give(result, self.minutes))

    def sees(self, written: list[ev.Event]) -> None:
        stage = self.notify.stage
        assert isinstance(stage, Notify)
        for event in written:
            for part, key in stage.touched(self.notify.state, event) if self.freezing else ():
                self.freezing.touch(part, key)  # type: ignore[union-attr]
        if self.freezing is None and self.chance.random() < 0.02:
            self.freezing = stage.freeze(self.notify.state)
            self.freezing.slice_items = 1
        elif self.freezing and self.chance.random() < 0.2 and (slice_ := self.freezing.sweep()):
            self.slices.append(slice_)
        self.under_way += [(one.delivery_id, one.attempt) for one in written if isinstance(one, ev.DeliveryAttempted)]

    def next_event(self, subject: Subject) -> ev.IncidentEvent | None:
        now, header = self.minutes, subject.header
        if header.version == 0:
            return subject.opened(now)
        if header.status in ("resolved", "closed"):
            return self.chance.choice([subject.reopened, subject.closed])(now) if header.status == "resolved" else None
        choices: list[Callable[[float], ev.IncidentEvent]] = [subject.resolved]
        choices += [subject.expired, subject.reannounced] if header.acknowledged_at else [subject.acknowledged] * 2
        if header.severity in RAISED and self.chance.random() < 0.3:
            return subject.raised(now, RAISED[header.severity])
        return self.chance.choice(choices)(now)


def problems(world: World) -> Iterator[str]:
    """What the journals show that may not be."""
    answered: set[str] = set()
    steps: dict[str, str] = {}
    numbers: dict[str, int] = defaultdict(int)
    done: set[str] = set()
    counts: dict[str, int] = {}
    bundled: Counter[str] = Counter()
    for event in world.notify.journal:
        if isinstance(event, ev.Followed):
            (answered.add if event.answered and not event.gone else answered.discard)(event.incident_id)
        elif isinstance(event, ev.DeliveryEvent):
            numbers[event.delivery_id] += 1
            if event.n != numbers[event.delivery_id]:
                yield f"{event.delivery_id}: {event.n} after {numbers[event.delivery_id] - 1}"
            if event.delivery_id in done:
                yield f"{event.delivery_id}: {event.TYPE} after its end"
            if isinstance(event, ev.DeliveryPlanned):
                steps[event.delivery_id] = event.step
                if event.step == "digest" and "fallback" not in event.context:
                    counts[event.delivery_id] = event.context["digest"]["count"]
            elif isinstance(event, ev.DeliveryAttempted):
                step = steps[event.delivery_id]
                if event.incident_id in answered and step not in IN_SPITE and not step.endswith(".insists"):
                    yield f"{event.delivery_id}: {step} is sent after the answer"
            elif not isinstance(event, ev.DeliveryFailed):
                done.add(event.delivery_id)
                if isinstance(event, ev.DeliveryBundled):
                    bundled[event.digest] += 1
    if counts != bundled:
        yield f"digests say {counts} and stand for {bundled}"
    for identifier, count in Counter(ev.event_id(event) for event in world.escalate.journal).items():
        if count > 1:
            yield f"{identifier} occurs {count} times"
    for event in world.escalate.journal:
        if isinstance(event, ev.EscalationFired) and (
            event.recorded_at < event.step.due_at or (event.next_step and event.next_step.due_at <= event.recorded_at)
        ):
            yield f"{event.id}: early, or its repeat is due already"
    if set(steps) - done != set(world.notify.state.deliveries):
        yield "the ledger does not hold exactly what is unfinished"
    if thawed(world) != world.notify.state:
        yield "what was written down is not what is read back"


def thawed(world: World) -> Ledger:
    """The state as it is read back; it was written down while it changed."""
    stage = Notify(0, 1)
    freezing = world.freezing or stage.freeze(world.notify.state)
    slices = [*world.slices, *iter(freezing.sweep, None)]
    freezing.seal()
    return stage.thaw([*slices, *iter(freezing.rest, None)])[0]


RICH = (
    ("escalation.fired", "repeated"),
    ("escalation.stopped", "acknowledged"),
    ("escalation.scheduled", "policy_restarted"),
    ("delivery.withdrawn", "acknowledged"),
    ("delivery.withdrawn", "resolved"),
    ("delivery.gave_up", "attempts_exhausted"),
    ("delivery.delivered", "delivered"),
    ("delivery.bundled", "in_digest"),
    ("delivery.planned", "fallback"),
    ("delivery.planned", "fallback_catch_all"),
)
"""What the lives must have seen, or they would be too dull to find anything."""


def test_nothing_that_may_not_be_ever_happens(seed: int) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for nth in range(20):
        world = World(random.Random(seed * 1000 + nth))
        for _ in range(60):
            world.step()
        assert list(problems(world)) == [], f"life {nth} of seed {seed}"
        seen.update((event.TYPE, event.reason) for event in world.notify.journal + world.escalate.journal)
    assert [expected for expected in RICH if not seen[expected]] == []
