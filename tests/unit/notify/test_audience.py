"""Who hears what: routes have an audience, updates are addressed to one, and who stands outside learns little."""

from datetime import timedelta
from typing import Any

import pytest

from tocsin.domain import events as ev
from tocsin.domain.rules import Limit, Matcher, NotifyRules, Route, Rules
from tocsin.domain.severity import Severity
from tocsin.notify.audience import OUTSIDE, OUTSIDE_FIELDS, for_audience, is_told, routed, told_of
from tocsin.notify.message import message_of
from tocsin.notify.plan import context_of
from unit.escalate.story import Subject, at
from unit.notify.desk import call, called, notify, room

TEAM = Route(channels=("ops",))
CUSTOMERS = Route(channels=("status",), audience="customers")
BOSSES = Route(channels=("board",), audience="management", events=("incident.opened", "escalation.fired"))


def rules(*routes: Route, **more: Any) -> NotifyRules:
    return NotifyRules(routes=routes, catch_all=("all",), **more)


def update(subject: Subject, audience: str = "", text: str = "We are on it") -> ev.IncidentEvent:
    return subject.tell(ev.UpdatedPeople, 5, text=text, audience=audience, actor="ana")


def test_a_route_for_others_hears_nothing_but_updates_for_them() -> None:
    subject = Subject()
    given = rules(TEAM, CUSTOMERS)
    assert routed(subject.opened(), given) == {"ops": "team"}
    assert routed(update(subject, "customers"), given) == {"status": "customers"}
    assert routed(update(subject, "partners"), given) == {}


def test_updates_for_the_team_are_told_where_the_rules_say_so() -> None:
    subject = Subject()
    assert not is_told(update(subject), rules(TEAM, CUSTOMERS))
    assert routed(update(subject), rules(TEAM, CUSTOMERS)) == {}
    told = rules(TEAM, CUSTOMERS, events=("incident.updated_people",))
    for audience in ("", "team"):
        assert routed(update(subject, audience), told) == {"ops": "team"}


def test_an_update_for_others_needs_no_event_that_notifies() -> None:
    subject = Subject()
    assert is_told(update(subject, "customers"), rules(TEAM, CUSTOMERS))
    assert routed(update(subject, "regulator"), rules(TEAM, CUSTOMERS)) == {}


def test_a_route_for_others_may_name_events_of_its_own() -> None:
    subject = Subject()
    assert routed(subject.opened(), rules(TEAM, BOSSES)) == {"ops": "team", "board": "management"}
    assert routed(subject.resolved(1), rules(TEAM, BOSSES)) == {"ops": "team"}


def test_the_catch_all_stands_in_for_the_team_alone() -> None:
    subject = Subject()
    assert routed(subject.opened(), rules(BOSSES)) == {"all": "team", "board": "management"}
    assert routed(update(subject, "customers"), rules(BOSSES)) == {}


def test_a_route_of_the_team_with_events_of_its_own_leaves_the_others_to_the_catch_all() -> None:
    subject = Subject()
    given = rules(Route(channels=("ops",), events=("incident.opened",)))
    assert routed(subject.opened(), given) == {"ops": "team"}
    assert routed(subject.resolved(1), given) == {"all": "team"}


def test_a_channel_hears_once_for_the_first_route_that_names_it() -> None:
    subject = Subject()
    both = Route(channels=("ops", "board"), audience="management", events=("incident.opened",))
    assert routed(subject.opened(), rules(TEAM, both)) == {"ops": "team", "board": "management"}


def test_conditions_of_routes_hold_for_updates_as_well() -> None:
    loud = Route(channels=("status",), audience="customers", when=Matcher(severity=(Severity.CRITICAL,)))
    assert routed(update(Subject(), "customers"), rules(loud)) == {"status": "customers"}
    assert routed(update(Subject(Severity.LOW), "customers"), rules(loud)) == {}


def test_escalations_call_and_are_told_besides() -> None:
    fired = call(Subject(), 5, channels=("sms",))
    told = [(one.channel, one.recipient, audience) for one, audience in told_of(fired, rules(TEAM, BOSSES))]
    assert told == [("sms", "team:on_call", "team"), ("board", "channel:board", "management")]


def test_a_planned_delivery_names_its_audience() -> None:
    story = notify(routes=(TEAM, CUSTOMERS))
    subject = Subject()
    (planned,) = story.reads(subject.opened())
    assert isinstance(planned, ev.DeliveryPlanned)
    assert "audience" not in planned.context
    (planned,) = story.reads(update(subject, "customers"))
    assert isinstance(planned, ev.DeliveryPlanned)
    assert (planned.channel, planned.context["audience"], planned.context["note"]) == (
        "status", "customers", "We are on it"
    )  # fmt: skip
    assert not planned.page


def test_an_update_for_whom_no_route_is_stands_in_the_ledger_with_the_reason() -> None:
    story = notify(routes=(TEAM, CUSTOMERS))
    subject = Subject()
    story.reads(subject.opened())
    planned, withdrawn = story.reads(update(subject, "partners"))
    assert isinstance(planned, ev.DeliveryPlanned)
    assert isinstance(withdrawn, ev.DeliveryWithdrawn)
    assert (planned.recipient, withdrawn.reason) == ("audience:partners", "no_route")
    assert len(room(story, 6, 9)) == 1  # the opening alone


def test_an_update_goes_out_though_the_incident_is_suppressed() -> None:
    story = notify(routes=(TEAM, CUSTOMERS))
    subject = Subject()
    story.reads(subject.opened())
    room(story, 0, 9)
    hushed = subject.tell(ev.Suppressed, 1, header={"suppressed_by": "snooze"}, reason="snoozed")
    story.reads(hushed)
    (planned,) = story.reads(update(subject, "customers"))
    assert isinstance(planned, ev.DeliveryPlanned)
    (attempted,) = room(story, 6, 9, "status")
    assert attempted.delivery_id == planned.delivery_id


def test_updates_wait_for_no_company() -> None:
    story = notify(routes=(TEAM, CUSTOMERS), limits={"status": Limit(messages=1, bundle=timedelta(minutes=5))})
    subject = Subject()
    story.reads(subject.opened())
    for text in ("one", "two", "three"):
        (planned,) = story.reads(update(subject, "customers", text))
        assert isinstance(planned, ev.DeliveryPlanned)
        assert (planned.joined, planned.context["note"]) == (None, text)


def test_management_is_told_of_a_call_once() -> None:
    story = notify(routes=(TEAM, BOSSES))
    subject = Subject()
    story.reads(subject.opened())
    planned = [one for one in called(story, call(subject, 5)) if isinstance(one, ev.DeliveryPlanned)]
    assert [(one.channel, one.context.get("audience")) for one in planned] == [("ops", None), ("board", "management")]
    assert len({one.delivery_id for one in planned}) == 2


@pytest.mark.parametrize("audience", sorted(OUTSIDE))
def test_who_stands_outside_learns_no_more_than_the_list_says(audience: str) -> None:
    subject = Subject(
        labels={"host": "db-7.internal"}, links={"runbook": "https://wiki.internal/x"}, summary="password leaked",
        team="dba", assignee="ana", correlation_id="internal-1",
    )  # fmt: skip
    event = update(subject, audience)
    context = for_audience(context_of(event, Rules()) | {"next": {"target": "dba"}, "also": []}, audience)
    assert set(context["incident"]) <= set(OUTSIDE_FIELDS)
    assert not any(word in str(context) for word in ("internal", "leaked", "dba", "ana", "inc_aaonlyfortests'"))
    message = message_of(context)
    assert message.note == "We are on it"
    assert not message.asks
    assert message.links == ()


def test_the_team_learns_everything() -> None:
    context = context_of(Subject().opened(), Rules())
    assert for_audience(context, "team") is context
    assert for_audience(context, "management") == context | {"audience": "management"}


def test_a_long_update_is_told_whole() -> None:
    event = update(Subject(), "customers", "x" * 4000)
    assert context_of(event, Rules())["note"] == "x" * 4000
    assert event.recorded_at == at(5)
