"""What keeps an incident quiet, from when on and until when; given / when / then at a desk."""

from datetime import timedelta
from typing import Any

from tocsin.domain import events as ev
from tocsin.domain.rules import (
    CorrelationRule,
    Flapping,
    Inhibition,
    LabelMatch,
    Maintenance,
    Matcher,
    Restriction,
    Rules,
    Silence,
    Threshold,
)
from tocsin.domain.severity import Severity
from tocsin.stage import RulesChanged
from tocsin.testing.story import Desk, alert, at, types

LOW = Matcher(severity=(Severity.INFO, Severity.LOW))


def matcher(text: str) -> LabelMatch:
    name, _, value = text.partition("=")
    return LabelMatch(name=name, value=value)


def silence(*matchers: str, since: float = 0, until: float = 60) -> Silence:
    return Silence(matchers=tuple(map(matcher, matchers)), starts_at=at(since), ends_at=at(until))


def silenced(*matchers: str, since: float = 0, until: float = 60, version: int = 1, **others: Any) -> Rules:
    return Rules(version=version, silences={"one": silence(*matchers, since=since, until=until)}, **others)


def desk_with(rules: Rules) -> Desk:
    desk = Desk(rules)
    desk.give(RulesChanged(rules.version))
    return desk


def change(desk: Desk, rules: Rules) -> list[ev.Event]:
    """New rules come into force."""
    desk.rules = rules
    return desk.give(RulesChanged(rules.version))


def quiet(desk: Desk, number: int = 0) -> str:
    """What keeps an incident quiet."""
    return desk.incidents[number].header.suppressed_by


def incident_types(events: list[ev.Event]) -> list[str]:
    return [name for name in types(events) if name.startswith("incident.")]


# ---- silences --------------------------------------------------------------------------------------------------------


def test_a_silenced_alert_opens_a_quiet_incident_that_names_the_silence_and_its_end() -> None:
    desk = desk_with(silenced("instance=a"))
    (opened,) = desk.read(alert("a", 1))
    assert isinstance(opened, ev.Opened)
    assert (opened.header.suppressed_by, opened.header.suppressed_until) == ("silence:one", at(60))
    (over,) = [event for event in desk.until(61) if isinstance(event, ev.Unsuppressed)]
    assert (over.recorded_at, over.reason, over.was) == (at(60), "silence_over", "silence:one")
    assert over.header.suppressed_until is None


def test_an_alert_that_the_silence_does_not_match_is_loud() -> None:
    desk = desk_with(silenced("instance=a"))
    desk.read(alert("b", 1, group="mail"))
    assert quiet(desk) == ""


def test_a_silence_that_begins_later_keeps_quiet_from_then_on() -> None:
    desk = desk_with(silenced("instance=a", since=10, until=20))
    desk.read(alert("a", 1))
    assert quiet(desk) == ""
    begun = [event for event in desk.until(15) if isinstance(event, ev.Suppressed)]
    assert [(event.recorded_at, event.reason) for event in begun] == [(at(10), "silenced")]
    desk.until(25)
    assert quiet(desk) == ""


def test_a_silence_that_was_over_before_keeps_nothing_quiet() -> None:
    desk = Desk(silenced("instance=a", until=0))
    assert desk.give(RulesChanged(1)) == []
    desk.read(alert("a", 1))
    assert quiet(desk) == ""


def test_a_new_silence_is_applied_to_what_is_open_and_a_deleted_one_no_more() -> None:
    desk = desk_with(Rules())
    desk.read(alert("a", 1))
    assert types(change(desk, silenced("instance=a"))) == ["incident.suppressed", "journal.swept"]
    assert quiet(desk) == "silence:one"
    assert types(change(desk, Rules(version=2))) == ["incident.unsuppressed", "journal.swept"]
    assert quiet(desk) == ""


def test_rules_that_keep_the_same_things_quiet_change_nothing() -> None:
    desk = desk_with(silenced("instance=a"))
    desk.read(alert("a", 1))
    assert change(desk, silenced("instance=a", version=2)) == []


def test_without_anything_that_keeps_quiet_nothing_is_written() -> None:
    assert Desk().give(RulesChanged(3)) == []


def test_a_silence_over_half_of_the_members_keeps_nothing_quiet() -> None:
    desk = desk_with(silenced("instance=a"))
    desk.read(alert("b", 1))
    desk.read(alert("a", 2))
    assert quiet(desk) == ""


def test_an_alert_that_is_not_silenced_makes_a_quiet_incident_loud_at_once() -> None:
    desk = desk_with(silenced("instance=a"))
    desk.read(alert("a", 1))
    events = desk.read(alert("b", 2, severity="critical"))
    assert types(events) == ["incident.alert_attached", "incident.severity_raised", "incident.unsuppressed"]
    raised, loud = events[1:]
    assert isinstance(raised, ev.SeverityRaised)
    assert raised.header.suppressed_by == "silence:one"  # nobody is called twice: the next event says all
    assert isinstance(loud, ev.Unsuppressed)
    assert loud.reason == "not_every_alert"


def test_what_is_left_is_quiet_once_the_loud_alert_is_resolved() -> None:
    desk = desk_with(silenced("instance=a"))
    desk.read_all([alert("a", 1), alert("b", 2)])
    events = desk.read(alert("b", 3, status="resolved"))
    assert types(events) == ["incident.alert_resolved", "incident.suppressed"]


def test_a_quiet_incident_stays_quiet_to_its_end() -> None:
    desk = desk_with(silenced("instance=a"))
    desk.read_all([alert("a", 1), alert("a", 2, started=1, status="resolved")])
    desk.until(10)
    assert (desk.incidents[0].header.status, quiet(desk)) == ("resolved", "silence:one")
    assert not [event for event in desk.until(90) if isinstance(event, ev.Unsuppressed)]


def test_what_comes_back_after_the_silence_is_loud_and_before_its_end_quiet() -> None:
    for minute, expected in ((20, "silence:one"), (27, "")):
        desk = desk_with(silenced("instance=a", until=25))
        desk.read_all([alert("a", 1), alert("a", 2, started=1, status="resolved")])
        desk.until(10)
        reopened = next(event for event in desk.read(alert("a", minute)) if isinstance(event, ev.Reopened))
        assert reopened.header.suppressed_by == expected


def test_what_comes_back_quiet_is_quiet_in_the_event_that_would_call_somebody() -> None:
    desk = desk_with(Rules())
    desk.read_all([alert("a", 1), alert("a", 2, started=1, status="resolved")])
    desk.until(10)
    change(desk, silenced("instance=a"))
    reopened = next(event for event in desk.read(alert("a", 20)) if isinstance(event, ev.Reopened))
    assert reopened.header.suppressed_by == "silence:one"


def test_a_person_who_reopens_what_was_quiet_hears_of_it() -> None:
    desk = desk_with(silenced("instance=a"))
    desk.read_all([alert("a", 1), alert("a", 2, started=1, status="resolved")])
    desk.until(10)
    desk.command("reopen", desk.incidents[0].id)
    assert quiet(desk) == ""


def test_of_two_silences_the_longer_one_is_named_and_its_end() -> None:
    both = {"a": silence("instance=a", until=30), "b": silence("alertname=shop", until=50)}
    desk = desk_with(Rules(version=1, silences=both))
    desk.read(alert("a", 1))
    header = desk.incidents[0].header
    assert (header.suppressed_by, header.suppressed_until) == ("silence:b", at(50))


def test_with_two_alerts_the_silence_that_ends_first_is_named() -> None:
    both = {"a": silence("instance=a", until=30), "b": silence("instance=b", until=50)}
    desk = desk_with(Rules(version=1, silences=both))
    desk.read_all([alert("b", 1), alert("a", 2)])
    header = desk.incidents[0].header
    assert (header.suppressed_by, header.suppressed_until) == ("silence:a", at(30))
    assert "incident.unsuppressed" in types(desk.until(31))


def test_a_silence_without_matchers_is_a_mistake_and_mutes_nothing() -> None:
    desk = desk_with(Rules(version=1, silences={"one": silence()}))
    desk.read(alert("a", 1))
    assert quiet(desk) == ""


def test_which_alerts_belong_together_does_not_depend_on_silences() -> None:
    sightings = [alert("a", 1), alert("b", 3), alert("a", 30), alert("c", 31, started=25)]
    assert desk_with(silenced("instance=a")).read_all(sightings).sets() == Desk().read_all(sightings).sets()


# ---- maintenance -----------------------------------------------------------------------------------------------------


def test_a_maintenance_window_recurs_by_the_wall_clock_of_its_zone() -> None:
    nightly = Maintenance(time_zone="Europe/Berlin", windows=(Restriction(start="14:00", end="15:00"),))
    desk = desk_with(Rules(version=1, maintenance={"backup": nightly}))
    desk.read(alert("a", 30))  # 13:30 in Berlin
    assert quiet(desk) == ""
    desk.until(61)
    assert (quiet(desk), desk.incidents[0].header.suppressed_until) == ("maintenance:backup", at(120))
    desk.until(121)
    assert quiet(desk) == ""
    desk.until(24 * 60 + 61)
    assert quiet(desk) == "maintenance:backup"


def test_a_window_with_a_condition_looks_at_the_incident() -> None:
    rules = Rules(version=1, maintenance={"m": Maintenance(starts_at=at(0), condition=LOW, ends_at=at(60))})
    desk = desk_with(rules)
    desk.read(alert("a", 1, severity="info"))
    assert quiet(desk) == "maintenance:m"
    desk.read(alert("b", 2, severity="critical"))
    assert quiet(desk) == ""


def test_a_window_of_a_calendar_that_is_not_there_mutes_nothing() -> None:
    desk = desk_with(Rules(version=1, maintenance={"m": Maintenance(calendar="gone")}))
    desk.read(alert("a", 1))
    assert quiet(desk) == ""


# ---- inhibition ------------------------------------------------------------------------------------------------------

POWER = Inhibition(
    name="power", source=(matcher("instance=rack"),), target=(matcher("severity=warning"),), equal=("site",)
)


def test_while_its_source_fires_a_target_is_quiet() -> None:
    desk = desk_with(Rules(version=1, inhibitions=(POWER,), correlation=(CorrelationRule(group_by=("instance",)),)))
    desk.read(alert("a", 1, site="x"))
    desk.read(alert("b", 1.5, site="y"))
    assert [quiet(desk, number) for number in (0, 1)] == ["", ""]
    desk.read(alert("rack", 2, severity="critical", site="x"))
    assert [quiet(desk, number) for number in (0, 1, 2)] == ["inhibition:power", "", ""]
    desk.read(alert("c", 3, site="x"))
    assert quiet(desk, 3) == "inhibition:power"
    events = desk.read(alert("rack", 4, started=2, severity="critical", site="x", status="resolved"))
    assert types(events) == ["incident.alert_resolved", "incident.unsuppressed", "incident.unsuppressed"]
    assert [event.reason for event in events[1:]] == ["inhibition_over", "inhibition_over"]


def test_a_source_that_is_a_target_too_does_not_inhibit_itself() -> None:
    both = Inhibition(name="all", source=(matcher("alertname=shop"),), target=(matcher("alertname=shop"),))
    desk = desk_with(Rules(version=1, inhibitions=(both,), correlation=(CorrelationRule(group_by=("instance",)),)))
    desk.read_all([alert("a", 1), alert("b", 2)])
    assert [quiet(desk, number) for number in (0, 1)] == ["", ""]


def test_a_source_that_times_out_inhibits_no_more() -> None:
    desk = desk_with(Rules(version=1, inhibitions=(POWER,), correlation=(CorrelationRule(group_by=("instance",)),)))
    desk.read(alert("rack", 1, severity="critical", expires=6))
    desk.read(alert("a", 2))
    assert quiet(desk, 1) == "inhibition:power"
    desk.until(7)
    assert quiet(desk, 1) == ""


def test_a_source_whose_incident_is_closed_inhibits_no_more_until_it_is_reopened() -> None:
    desk = desk_with(Rules(version=1, inhibitions=(POWER,), correlation=(CorrelationRule(group_by=("instance",)),)))
    desk.read(alert("rack", 1, severity="critical", site="x"))
    desk.read(alert("a", 2, site="x"))
    rack = desk.incidents[0].id
    events = desk.command("close", rack)
    assert [event.reason for event in events if isinstance(event, ev.Unsuppressed)] == ["inhibition_over"]
    desk.read(alert("b", 3, site="x"))
    assert [quiet(desk, number) for number in (1, 2)] == ["", ""]
    desk.read(alert("rack", 4, started=1, severity="critical", site="x"))  # still firing: counted, nothing else
    assert quiet(desk, 1) == ""
    desk.state.sources = None  # made anew, as after a restart
    desk.read(alert("c", 5, site="x"))
    assert quiet(desk, 3) == ""
    desk.command("reopen", rack)
    assert [quiet(desk, number) for number in (1, 2, 3)] == ["inhibition:power"] * 3


# ---- threshold, flapping, snooze -------------------------------------------------------------------------------------

THREE = Rules(correlation=(CorrelationRule(threshold=Threshold(count=3, within=timedelta(minutes=10))),))


def test_below_its_threshold_an_incident_is_quiet_and_repeats_count() -> None:
    desk = desk_with(THREE)
    desk.read(alert("a", 0))
    assert quiet(desk) == "threshold"
    desk.read(alert("a", 1, started=0))
    assert quiet(desk) == "threshold"
    events = desk.read(alert("a", 2, started=0))
    assert types(events) == ["journal.tallied", "incident.unsuppressed"]
    assert events[1].reason == "threshold_reached"
    desk.read(alert("a", 3, started=0))
    assert desk.incidents[0].pulse is not None
    assert not desk.incidents[0].is_counted


def test_sightings_too_far_apart_do_not_reach_a_threshold() -> None:
    desk = desk_with(THREE)
    for minute in (0, 6, 12, 18, 24):
        desk.read(alert("a", minute, started=0))
        assert quiet(desk) == "threshold"
    desk.read(alert("b", 25))
    assert quiet(desk) == ""


def test_a_threshold_that_is_reached_while_silenced_is_reached() -> None:
    rules = silenced("instance=a", until=30, correlation=THREE.correlation)
    desk = desk_with(rules)
    for minute in (0, 1, 2, 3):
        desk.read(alert("a", minute, started=0))
    assert quiet(desk) == "silence:one"
    desk.until(31)
    assert quiet(desk) == ""


def test_a_threshold_that_the_rules_drop_holds_nothing_back_any_more() -> None:
    desk = desk_with(THREE)
    desk.read(alert("a", 0))
    assert "incident.unsuppressed" in types(change(desk, Rules(version=2)))


def flap(desk: Desk, minute: float) -> None:
    desk.read(alert("a", minute))
    desk.read(alert("a", minute + 1, started=minute, status="resolved"))
    desk.until(minute + 3)


def test_an_incident_that_keeps_coming_back_is_quiet_until_it_is_calm() -> None:
    flapping = Flapping(times=2, within=timedelta(minutes=30), calm=timedelta(minutes=15))
    desk = desk_with(Rules(correlation=(CorrelationRule(flapping=flapping),)))
    flap(desk, 0)
    flap(desk, 5)
    assert quiet(desk) == ""
    reopened = next(event for event in desk.read(alert("a", 10)) if isinstance(event, ev.Reopened))
    assert (reopened.header.suppressed_by, reopened.header.suppressed_until) == ("flapping", at(25))
    desk.until(24)
    assert quiet(desk) == "flapping"
    desk.until(26)
    assert quiet(desk) == ""


def test_a_snooze_ends_by_itself_and_a_silence_that_lasts_longer_goes_on() -> None:
    desk = desk_with(silenced("instance=a", until=60))
    desk.read(alert("a", 1))
    desk.command("snooze", desk.incidents[0].id, minutes=10)
    assert quiet(desk) == "silence:one"
    desk.command("snooze", desk.incidents[0].id, minutes=90)
    assert quiet(desk) == "snooze"
    desk.until(70)
    assert quiet(desk) == "snooze"
    desk.until(100)
    assert quiet(desk) == ""


def test_a_snooze_needs_no_rules() -> None:
    desk = Desk()
    desk.read(alert("a", 1))
    desk.command("snooze", desk.incidents[0].id, minutes=10)
    desk.read(alert("b", 2))
    assert quiet(desk) == "snooze"
    assert "incident.unsuppressed" in types(desk.until(12))


# ---- many ------------------------------------------------------------------------------------------------------------


def test_a_silence_over_many_incidents_is_worked_a_part_at_a_time() -> None:
    desk = desk_with(Rules(correlation=(CorrelationRule(group_by=("instance",)),)))
    for number in range(450):
        desk.read(alert(f"host{number}", 1 + number / 1000))
    first = change(desk, silenced("alertname=shop", correlation=desk.rules.correlation))
    assert len(first) == 101
    steps = 0
    while (due := desk.stage.due(desk.state)) is not None and due.kind == "sweep":
        desk.give(due)
        desk.state = desk.replayed()  # whoever takes over goes on where the last one ended
        steps += 1
    assert steps == 4
    assert {one.header.suppressed_by for one in desk.incidents} == {"silence:one"}
