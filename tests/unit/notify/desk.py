"""given / when / then for notify, over the story that escalate's tests use, too."""

from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain.events import EscalationFired, EscalationStep
from tocsin.domain.rules import NotifyRules, Rules
from tocsin.domain.severity import Severity
from tocsin.notify.decide import Notify
from tocsin.notify.state import Ledger
from tocsin.stage import DeliveryResult, Room
from tocsin.topics import ESCALATIONS
from unit.escalate.story import Story, Subject, at

CRITICAL: Final = Severity.CRITICAL
HIGH: Final = Severity.HIGH
LOW: Final = Severity.LOW


def notify(**rules: Any) -> Story[Ledger]:
    return Story(Notify(0, 1), Rules(version=5, notify=NotifyRules(**{"catch_all": ("ops",), **rules})))


def call(
    subject: Subject, minutes: float, *, level: int = 1, rests_on: int = 1, channels: tuple[str, ...] = (), **own: Any
) -> EscalationFired:
    step = EscalationStep(level=level, escalate_to="on_call", due_at=at(minutes), notification_channels=channels)
    return EscalationFired(
        id=f"esc_{level}_{minutes}",
        incident_id=subject.header.id,
        incident_version=rests_on,
        incident_offset=rests_on,
        header=subject.header,
        recorded_at=at(minutes),
        **{
            "reason": "not_acknowledged",
            "step": step,
            "team": "on_call",
            "contacts": {"email": ("a@b.example",)},
            **own,
        },
    )


def called(story: Story[Ledger], event: EscalationFired) -> list[ev.Event]:
    return story.reads(event, topic=ESCALATIONS.name)


def room(story: Story[Ledger], minutes: float, n: int = 1, channel: str = "ops") -> list[ev.DeliveryAttempted]:
    written = story.give(Room(channel, n), minutes)
    assert all(isinstance(event, ev.DeliveryAttempted) for event in written)
    return written  # type: ignore[return-value]


def ended(
    story: Story[Ledger], attempted: ev.DeliveryAttempted, outcome: str, minutes: float, **more: Any
) -> list[ev.Event]:
    result = DeliveryResult(delivery_id=attempted.delivery_id, attempt=attempted.attempt, outcome=outcome, **more)
    return story.give(result, minutes)
