"""Resolving, reopening, recurring, timing out, retiring."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tocsin.domain.alert import Episode
from tocsin.testing.story import Desk, alert, at, types


def test_the_incident_resolves_a_minute_after_its_last_alert_did() -> None:
    desk = Desk().read_all([alert("a", 0), alert("b", 1), alert("a", 2, started=0, status="resolved")])
    assert desk.until(5) == []
    desk.read(alert("b", 5, started=1, status="resolved"))
    (resolved,) = desk.until(6)
    assert (resolved.TYPE, resolved.reason, resolved.recorded_at) == ("incident.resolved", "all_alerts_resolved", at(6))
    assert desk.incidents[0].header.acknowledged_at is None


def test_firing_again_before_the_delay_keeps_it_open() -> None:
    desk = Desk().read_all([alert("a", 0), alert("a", 2, started=0, status="resolved"), alert("a", 2.5)])
    assert desk.until(30) == []
    assert desk.incidents[0].header.status == "open"


def test_firing_again_within_the_reopen_window_reopens() -> None:
    desk = Desk().read_all([alert("a", 0), alert("a", 2, started=0, status="resolved")])
    desk.until(10)
    events = desk.read(alert("a", 25))
    assert types(events) == ["incident.alert_attached", "incident.reopened"]
    assert events[0].reason == "within_reopen_window"
    assert desk.incidents[0].header.status == "open"


def test_firing_again_later_opens_a_new_one_that_names_what_it_recurs_from() -> None:
    desk = Desk().read_all([alert("a", 0), alert("a", 2, started=0, status="resolved")])
    desk.until(40)
    (opened,) = desk.read(alert("a", 40))
    assert (opened.reason, opened.recurrence_of) == ("recurred", desk.incidents[0].id)


def test_a_repeat_of_the_same_episode_never_reopens_what_a_person_resolved_but_a_new_one_does() -> None:
    desk = Desk().read_all([alert("a", 0)])
    desk.command("resolve", desk.incidents[0].id)
    assert types(desk.read(alert("a", 3, started=0))) == ["journal.tallied"]
    assert desk.incidents[0].header.status == "resolved"
    assert types(desk.read(alert("a", 6)))[-1] == "incident.reopened"
    assert desk.incidents[0].header.acknowledged_at is None


def test_a_resolve_of_something_unknown_waits_for_its_alert() -> None:
    desk = Desk()
    assert types(desk.read(alert("a", 3, started=0, status="resolved"))) == ["journal.tombstoned"]
    events = desk.read(alert("a", 1, started=0))
    assert types(events) == ["incident.opened", "incident.alert_resolved"]
    assert types(desk.until(10)) == ["incident.resolved"]


def test_a_resolve_older_than_the_last_sighting_only_counts() -> None:
    desk = Desk().read_all([alert("a", 0, raw=(0, 1)), alert("a", 5, started=0, raw=(0, 2))])
    assert types(desk.read(alert("a", 3, started=0, status="resolved", raw=(1, 1)))) == ["journal.tallied"]
    assert desk.incidents[0].header.firing == 1


def test_an_alert_with_an_end_times_out_unless_it_is_sent_again() -> None:
    desk = Desk().read_all([alert("a", 0, expires=5), alert("a", 3, started=0, expires=8)])
    assert desk.until(7) == []
    (resolved,) = desk.until(8)
    assert (resolved.TYPE, resolved.reason, resolved.resolved_at) == ("incident.alert_resolved", "timed_out", at(8))
    assert types(desk.until(9)) == ["incident.resolved"]


def test_a_key_is_one_episode_until_it_is_resolved() -> None:
    desk = Desk().read_all([alert("a", 0, episode=Episode.KEYED), alert("a", 300, episode=Episode.KEYED)])
    assert types(desk.events) == ["incident.opened", "journal.tallied"]
    desk.read(alert("a", 301, status="resolved", episode=Episode.KEYED))
    desk.until(400)
    assert types(desk.read(alert("a", 400, episode=Episode.KEYED))) == ["incident.opened"]


@pytest.mark.parametrize("episode", [Episode.KEYED, Episode.WINDOW])
def test_an_instant_that_names_no_episode_makes_no_new_one(episode: Episode) -> None:
    """PagerDuty's `timestamp` differs at each sending of the same key."""
    sent = [replace(alert("a", minute, episode=episode), starts_at=at(minute)) for minute in (0, 3, 6)]
    desk = Desk().read_all(sent)
    assert types(desk.events) == ["incident.opened", "journal.tallied", "journal.tallied"]
    assert desk.replayed() == desk.state


def test_resolved_closes_after_a_day_and_retires_a_week_later() -> None:
    desk = Desk().read_all([alert("a", 0)])
    number = desk.incidents[0].header.number
    desk.command("resolve", number)
    day = 24 * 60
    assert types(desk.until(day)) == ["incident.closed"]
    assert types(desk.until(8 * day)) == ["incident.retired"]
    assert not desk.state.incidents
    assert not desk.state.alerts
    (outcome,) = desk.command("reopen", number)
    assert (outcome.TYPE, outcome.reason) == ("command.rejected", "unknown_incident")


def test_an_expired_acknowledgement_opens_it_again() -> None:
    desk = Desk().read_all([alert("a", 0)])
    desk.command("acknowledge", desk.incidents[0].id)
    (expired,) = desk.until(240)
    assert expired.TYPE == "incident.acknowledgement_expired"
    header = desk.incidents[0].header
    assert (header.status, header.acknowledged_at) == ("open", None)


def test_everything_that_runs_out_leaves_the_state() -> None:
    desk = Desk().read_all([alert("a", 0), alert("x", 1, group="other", status="resolved")])
    desk.command("resolve", desk.incidents[0].id)
    desk.until(9 * 24 * 60)
    desk.now = at(0) + timedelta(days=60)
    desk.read(alert("z", 60 * 24 * 60))
    state = desk.state
    assert (state.outcomes, state.last_resolve, state.retired) == ({}, {}, set())
    assert len(state.groups) == 1
