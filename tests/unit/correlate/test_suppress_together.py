"""Where causes of quiet meet: a snooze and a silence, thresholds of merged incidents, windows and acknowledgements."""

from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Maintenance, Matcher, Rules
from tocsin.testing.story import alert, types
from unit.correlate.test_suppress import THREE, desk_with, incident_types, quiet, silenced


def test_what_is_not_snoozed_any_more_is_not_loud_for_an_instant_while_a_silence_goes_on() -> None:
    desk = desk_with(silenced("instance=a", until=60))
    desk.read(alert("a", 1))
    desk.command("snooze", desk.incidents[0].id, minutes=90)
    events = desk.command("unsnooze", desk.incidents[0].id)
    assert incident_types(events) == ["incident.suppressed"]
    assert (quiet(desk), desk.incidents[0].snooze_due_at) == ("silence:one", None)
    assert "incident.unsuppressed" in types(desk.until(60))


def test_a_snooze_counts_no_threshold_as_reached() -> None:
    desk = desk_with(THREE)
    desk.read(alert("a", 0))
    desk.command("snooze", desk.incidents[0].id, minutes=10)
    desk.until(12)
    assert quiet(desk) == "threshold"
    desk.command("snooze", desk.incidents[0].id, minutes=10)
    desk.command("unsnooze", desk.incidents[0].id)
    assert quiet(desk) == "threshold"


def test_what_was_loud_is_not_lost_in_an_incident_below_its_threshold() -> None:
    desk = desk_with(THREE)
    desk.read(alert("a", 0))
    for minute in range(1, 4):
        desk.read(alert("b", minute, started=1, group="mail"))
    few, many = desk.incidents
    assert (few.header.suppressed_by, many.header.suppressed_by) == ("threshold", "")
    desk.command("merge", many.id, into=few.id)
    assert quiet(desk) == ""


def test_sightings_below_the_threshold_count_together_when_incidents_are_merged() -> None:
    desk = desk_with(THREE)
    desk.read(alert("a", 0))
    desk.read(alert("b", 1, group="mail"))
    few, other = desk.incidents
    desk.command("merge", other.id, into=few.id)
    assert quiet(desk) == "threshold"
    desk.read(alert("b", 2, started=1, group="mail"))
    assert quiet(desk) == ""


def test_a_window_over_what_is_acknowledged_ends_with_the_acknowledgement() -> None:
    window = Maintenance(condition=Matcher(status=(Status.ACKNOWLEDGED,)))
    desk = desk_with(Rules(version=1, maintenance={"calm": window}))
    desk.read(alert("a", 1))
    desk.command("acknowledge", desk.incidents[0].id)
    assert quiet(desk) == "maintenance:calm"
    events = desk.until(5 * 60)
    assert "incident.acknowledgement_expired" in types(events)
    assert quiet(desk) == ""
