"""Notify: who hears of what, holding back, room, results."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tocsin.domain import events as ev
from tocsin.domain import ids
from tocsin.domain.events import EscalationStep
from tocsin.domain.header import HEADER_BYTES_MAX
from tocsin.domain.rules import Matcher, NotifyRules, Route, Rules
from tocsin.domain.severity import Severity
from tocsin.notify.plan import CONTEXT_BYTES_MAX, context_of
from tocsin.notify.retry import pause
from tocsin.notify.state import Ledger
from tocsin.stage import DeliveryResult, Fact, Room, Want
from tocsin.topics import INCIDENTS
from unit.escalate.story import INCIDENT, Subject, at, words
from unit.notify.desk import CRITICAL, HIGH, LOW, call, called, ended, notify, room

# ---- who hears of what -----------------------------------------------------------------------------------------------


def test_an_opened_incident_goes_to_the_catch_all_when_no_route_matches() -> None:
    story = notify(routes=(Route(when=Matcher(service=("billing",)), channels=("billing",)),))
    (planned,) = story.reads(Subject().opened())
    assert isinstance(planned, ev.DeliveryPlanned)
    assert (planned.channel, planned.recipient, planned.step) == ("ops", "channel:ops", "incident.opened")
    assert planned.delivery_id == ids.delivery_id(0, f"{INCIDENT}.1", "incident.opened", "ops", "channel:ops")
    assert (planned.cause, planned.n, planned.rules_version) == (f"{INCIDENT}.1", 1, 5)


def test_every_route_that_matches_counts_and_every_channel_once() -> None:
    routes = (
        Route(when=Matcher(service=("shop",)), channels=("shop", "mail")),
        Route(when=Matcher(severity=(CRITICAL,)), channels=("mail", "war-room")),
        Route(when=Matcher(severity=(LOW,)), channels=("log",)),
    )
    planned = notify(routes=routes).reads(Subject().opened())
    assert [event.channel for event in planned if isinstance(event, ev.DeliveryPlanned)] == ["shop", "mail", "war-room"]


def test_rules_that_name_no_channel_fall_back_to_the_console() -> None:
    (planned,) = notify(catch_all=()).reads(Subject().opened())
    assert isinstance(planned, ev.DeliveryPlanned)
    assert planned.channel == "console"


@pytest.mark.parametrize(("severity", "page"), [(Severity.EMERGENCY, True), (CRITICAL, True), (HIGH, False)])
def test_an_opening_is_a_page_from_critical_up(severity: Severity, page: bool) -> None:
    (planned,) = notify().reads(Subject(severity).opened())
    assert isinstance(planned, ev.DeliveryPlanned)
    assert planned.page is page


def test_events_that_the_rules_do_not_name_are_not_told() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    assert story.reads(subject.tell(ev.Noted, 1, note="looking")) == []


def test_a_call_goes_to_its_own_channels_and_the_team_on_them() -> None:
    story = notify()
    planned = called(story, call(Subject(HIGH), 5, level=2, channels=("sms", "mail")))
    assert [
        (event.channel, event.recipient, event.step, event.page, event.contacts)
        for event in planned
        if isinstance(event, ev.DeliveryPlanned)
    ] == [
        ("sms", "team:on_call", "escalation.2", True, {"email": ("a@b.example",)}),
        ("mail", "team:on_call", "escalation.2", True, {"email": ("a@b.example",)}),
    ]


def test_a_call_without_channels_of_its_own_takes_those_of_the_routes() -> None:
    story = notify(routes=(Route(when=Matcher(service=("shop",)), channels=("shop",)),))
    (planned,) = called(story, call(Subject(), 5))
    assert isinstance(planned, ev.DeliveryPlanned)
    assert planned.channel == "shop"


def test_a_repeated_call_says_so_in_its_step() -> None:
    step = EscalationStep(level=1, escalate_to="on_call", due_at=at(5), repeat=2)
    (planned,) = called(notify(), call(Subject(), 5, step=step))
    assert isinstance(planned, ev.DeliveryPlanned)
    assert planned.step == "escalation.1.2"


def test_the_context_tells_the_incident_and_what_escalates_next() -> None:
    (planned,) = notify().reads(Subject().opened())
    assert isinstance(planned, ev.DeliveryPlanned)
    assert planned.context["type"] == "incident.opened"
    assert planned.context["incident"]["title"] == "Disk full"
    assert planned.context["next"] == {"level": 1, "target": "senior_engineers", "due_at": "2026-11-21T12:05:00Z"}
    upcoming = EscalationStep(level=2, escalate_to="lead", due_at=at(15))
    (planned,) = called(notify(), call(Subject(), 5, upcoming=upcoming, lateness_seconds=1.5))
    assert isinstance(planned, ev.DeliveryPlanned)
    assert planned.context["escalation"]["lateness_seconds"] == 1.5
    assert planned.context["next"] == {"level": 2, "target": "lead", "due_at": "2026-11-21T12:15:00Z"}


def test_the_context_stays_small_whatever_people_write() -> None:
    subject = Subject(title="ü" * 300, summary="x" * (HEADER_BYTES_MAX * 3), labels={"l": "y" * HEADER_BYTES_MAX})
    event = subject.tell(ev.Closed, 1, note="n" * 100_000, reason="r" * 100_000, actor="a" * 100_000)
    assert len(msgspec.json.encode(context_of(event, Rules()))) <= CONTEXT_BYTES_MAX


# ---- holding back ----------------------------------------------------------------------------------------------------


def test_the_first_page_of_a_low_severity_is_held() -> None:
    story = notify(hold={LOW: timedelta(minutes=5)})
    story.reads(Subject(LOW).opened())
    assert story.stage.wants(story.state) == [Want("ops", at(5))]
    assert room(story, 4.9) == []
    assert len(room(story, 5)) == 1


def test_what_resolves_while_it_is_held_is_never_announced() -> None:
    story = notify(hold={LOW: timedelta(minutes=5)})
    subject = Subject(LOW)
    story.reads(subject.opened())
    assert words(story.reads(subject.resolved(3))) == [
        ("journal.followed", "resolved"),
        ("delivery.withdrawn", "resolved"),
        ("delivery.planned", "incident.resolved"),
        ("delivery.withdrawn", "never_announced"),
    ]
    assert room(story, 60, 9) == []
    assert story.state.deliveries == {}


def test_a_raise_takes_the_place_of_the_opening_that_is_still_held() -> None:
    story = notify(hold={LOW: timedelta(minutes=5)})
    subject = Subject(LOW)
    story.reads(subject.opened())
    assert words(story.reads(subject.raised(1, CRITICAL))) == [
        ("delivery.withdrawn", "superseded"),
        ("delivery.planned", "incident.severity_raised"),
    ]


# ---- room ------------------------------------------------------------------------------------------------------------


def test_nothing_is_attempted_without_room() -> None:
    story = notify()
    for n in range(5):
        story.reads(Subject(HIGH, incident_id=f"inc_{n}").opened(n))
    assert room(story, 10, 2, channel="other") == []
    assert len(room(story, 10, 2)) == 2
    assert len(story.stage.effects(story.state)) == 2
    assert len(story.state.deliveries) == 5


def test_pages_go_first_then_what_was_ready_first_then_what_was_planned_first() -> None:
    story = notify()
    for n, severity in enumerate((HIGH, HIGH, CRITICAL)):
        story.reads(Subject(severity, incident_id=f"inc_{n}").opened(0))
    called(story, call(Subject(HIGH, incident_id="inc_9"), 1))
    attempted = room(story, 2, 9)
    assert [event.incident_id for event in attempted] == ["inc_2", "inc_9", "inc_0", "inc_1"]


def test_the_effect_holds_what_the_channel_needs() -> None:
    story = notify()
    called(story, call(Subject(), 5))
    (attempted,) = room(story, 5)
    (effect,) = story.stage.effects(story.state)
    assert (effect.delivery_id, effect.attempt, effect.page) == (attempted.delivery_id, 1, True)
    assert effect.contacts == {"email": ("a@b.example",)}
    assert effect.context["type"] == "escalation.fired"
    assert story.stage.wants(story.state) == []


# ---- results ---------------------------------------------------------------------------------------------------------


def test_a_delivered_one_leaves_the_state() -> None:
    story = notify()
    story.reads(Subject().opened())
    (attempted,) = room(story, 0)
    (event,) = ended(story, attempted, "delivered", 1, detail="202", possible_duplicate=True)
    assert isinstance(event, ev.DeliveryDelivered)
    assert (event.n, event.attempt, event.receipt, event.possible_duplicate) == (3, 1, "202", True)
    assert (story.state.deliveries, story.state.sending, story.state.of_incident) == ({}, {}, {})


def test_a_failed_one_waits_and_is_tried_until_the_attempts_are_used_up() -> None:
    story = notify(attempts_max=3, retry_first=timedelta(minutes=1), retry_longest=timedelta(minutes=90))
    story.reads(Subject().opened())
    (first,) = room(story, 0)
    (failed,) = ended(story, first, "failed", 0, detail="503", jitter=1.0)
    assert isinstance(failed, ev.DeliveryFailed)
    assert failed.next_attempt_at == at(1)
    assert story.stage.wants(story.state) == [Want("ops", at(1), page_at=at(1))]
    assert room(story, 0.9) == []
    (second,) = room(story, 1)
    (failed,) = ended(story, second, "failed", 1, jitter=1.0)
    assert isinstance(failed, ev.DeliveryFailed)
    assert failed.next_attempt_at == at(3)
    (third,) = room(story, 3)
    (gave_up,) = ended(story, third, "failed", 3, detail="timeout")
    assert isinstance(gave_up, ev.DeliveryGaveUp)
    assert (gave_up.reason, gave_up.attempt, gave_up.error) == ("attempts_exhausted", 3, "timeout")
    ledger = [event for event in story.journal if isinstance(event, ev.DeliveryEvent)]
    assert [event.n for event in ledger] == [1, 2, 3, 4, 5, 6, 7]
    assert story.state.deliveries == {}


def test_a_refused_one_is_given_up_at_once() -> None:
    story = notify()
    story.reads(Subject().opened())
    (attempted,) = room(story, 0)
    assert words(ended(story, attempted, "refused", 1)) == [("delivery.gave_up", "refused")]


def test_results_of_old_attempts_and_unknown_deliveries_change_nothing() -> None:
    story = notify()
    story.reads(Subject().opened())
    (first,) = room(story, 0)
    ended(story, first, "failed", 0)
    assert ended(story, first, "delivered", 0) == []
    (second,) = room(story, 1)
    assert ended(story, first, "delivered", 1) == []
    ended(story, second, "delivered", 1)
    assert ended(story, second, "delivered", 1) == []
    assert story.give(DeliveryResult(delivery_id="ntf_none", attempt=1, outcome="failed"), 2) == []


@pytest.mark.parametrize(
    ("attempt", "jitter", "retry_after", "seconds"),
    [
        (1, 1.0, None, 2),
        (1, 0.25, None, 0.5),
        (4, 1.0, None, 16),
        (9, 1.0, None, 300),
        (5000, 0.5, None, 150),
        (1, 0.0, 30.0, 30),
        (9, 1.0, 30.0, 300),
        (1, 0.0, 1e12, 3600),
        (1, 0.0, float("nan"), 0),
        (1, 0.0, -5.0, 0),
        (1, 7.0, None, 2),
    ],
)
def test_the_pause_grows_is_jittered_and_listens_to_the_receiver(
    attempt: int, jitter: float, retry_after: float | None, seconds: float
) -> None:
    result = DeliveryResult(
        delivery_id="d", attempt=attempt, outcome="failed", jitter=jitter, retry_after_seconds=retry_after
    )
    assert pause(attempt, result, NotifyRules()) == timedelta(seconds=seconds)


def test_ten_thousand_waiting_deliveries_are_handed_out_one_by_one_in_order() -> None:
    story = notify()
    stage, state = story.stage, story.state
    planned = [event for n in range(10_000) for event in _opening(stage, state, n)]
    handed: list[str] = []
    while wants := stage.wants(state):
        (want,) = wants
        for event in stage.decide(state, Room(want.channel, 1), story.rules, at(1)):
            stage.evolve(state, event)
            assert isinstance(event, ev.DeliveryAttempted)
            handed.append(event.delivery_id)
    assert handed == planned


def _opening(stage: Any, state: Ledger, n: int) -> list[str]:
    rules = Rules(notify=NotifyRules(catch_all=("ops",)))
    fact = Fact(Subject(HIGH, incident_id=f"inc_{n}").opened(0), INCIDENTS.name, 0, n)
    written = list(stage.decide(state, fact, rules, at(0)))
    for one in written:
        stage.evolve(state, one)
    return [one.delivery_id for one in written]
