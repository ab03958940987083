"""Joining, opening, bridging: what the window does with alerts in and out of order."""

from datetime import timedelta

from tocsin.domain.alert import Episode, RawMark
from tocsin.domain.rules import CorrelationRule, Rules
from tocsin.testing.story import Desk, alert, at, types
from tocsin.wire.events import encode


def test_the_first_alert_of_a_group_opens_an_incident_and_says_why() -> None:
    desk = Desk()
    (opened,) = desk.read(alert("a", 0, severity="critical"))
    assert (opened.TYPE, opened.reason) == ("incident.opened", "opened_new_group")
    assert desk.incidents[0].header.number == "INC-2026-11-21-001"
    assert desk.incidents[0].header.severity == "critical"
    assert desk.incidents[0].header.team == "platform_team"
    assert desk.incidents[0].header.assignee == "emergency_team"


def test_an_alert_within_ten_minutes_of_the_last_sighting_joins() -> None:
    desk = Desk().read_all([alert("a", 0), alert("b", 9), alert("c", 19)])
    assert [one.header.alerts for one in desk.incidents] == [3]
    assert desk.events[1].reason == "joined_open_group"


def test_an_alert_eleven_minutes_after_the_last_opens_a_new_incident_that_names_the_first() -> None:
    desk = Desk().read_all([alert("a", 0), alert("b", 11)])
    first, second = desk.incidents
    assert desk.events[1].reason == "window_expired"
    assert (second.previous, second.recurrence_of) == (first.id, None)


def test_a_repeat_lengthens_the_window_and_opens_nothing() -> None:
    desk = Desk().read_all([alert("a", 0), alert("a", 9, started=0), alert("b", 18)])
    assert types(desk.events) == ["incident.opened", "journal.tallied", "incident.alert_attached"]
    assert desk.incidents[0].occurrences == 3


def test_a_repeat_hours_later_is_counted_on_its_incident_and_reopens_no_window() -> None:
    desk = Desk().read_all([alert("a", 0), alert("a", 240, started=0), alert("b", 245)])
    assert types(desk.events) == ["incident.opened", "journal.tallied", "incident.opened"]
    assert [one.occurrences for one in desk.incidents] == [2, 1]


def test_a_window_ends_after_twenty_four_hours_however_busy() -> None:
    rules = Rules(correlation=(CorrelationRule(length_max=timedelta(minutes=30)),))
    desk = Desk(rules).read_all([alert(name, minute) for name, minute in zip("abcdef", range(0, 48, 8), strict=True)])
    assert [one.header.alerts for one in desk.incidents] == [4, 2]


def test_a_late_bridge_merges_two_incidents_without_a_page() -> None:
    desk = Desk().read_all([alert("a", 0), alert("c", 15), alert("b", 16, started=8)])
    assert types(desk.events)[2:] == ["incident.alert_attached", "incident.merged", "incident.closed"]
    assert desk.events[2].reason == "bridged"
    (survivor,) = desk.incidents
    assert (survivor.header.alerts, survivor.occurrences) == (3, 3)
    absorbed = next(one for one in desk.state.incidents.values() if one.merged_into)
    assert (absorbed.merged_into, absorbed.header.status, absorbed.occurrences) == (survivor.id, "closed", 0)


def test_commands_on_an_absorbed_incident_apply_to_the_survivor() -> None:
    desk = Desk().read_all([alert("a", 0), alert("c", 15), alert("b", 16, started=8)])
    absorbed = next(one for one in desk.state.incidents.values() if one.merged_into)
    desk.command("acknowledge", absorbed.header.number)
    assert desk.incidents[0].header.acknowledged_by == "ada"


def test_a_pinned_incident_survives_a_merge_whatever_its_age() -> None:
    desk = Desk().read_all([alert("a", 0), alert("c", 15)])
    second = desk.incidents[1].id
    desk.command("acknowledge", second)
    desk.read(alert("b", 16, started=8))
    assert [one.id for one in desk.incidents] == [second]


def test_two_pinned_incidents_are_linked_once_and_stay() -> None:
    desk = Desk().read_all([alert("a", 0), alert("c", 15)])
    for incident in desk.incidents:
        desk.command("acknowledge", incident.id)
    desk.read(alert("b", 16, started=8))
    desk.read(alert("d", 17, started=9))
    first, second = desk.incidents
    assert (first.linked, second.linked) == ((second.id,), (first.id,))
    assert types(desk.events).count("incident.linked") == 2


def test_a_severity_that_came_with_a_merge_is_taken_over() -> None:
    desk = Desk().read_all([alert("a", 0), alert("c", 15, severity="critical"), alert("b", 16, started=8)])
    assert desk.incidents[0].header.severity == "critical"
    assert "incident.severity_raised" not in types(desk.events)


def test_an_alert_beyond_the_grace_amends_by_name_and_moves_nothing() -> None:
    desk = Desk().read_all(
        [alert("a", 0, raw=(0, 1)), alert("b", 11, raw=(0, 2)), alert("c", 60, group="mail", raw=(0, 3))]
    )
    events = desk.read(alert("late", 5, raw=(1, 1)))
    assert [(one.TYPE, one.reason) for one in events] == [("incident.late_amended", "late_amended")]
    assert [one.header.alerts for one in desk.incidents] == [2, 1, 1]


def test_groups_are_made_by_the_sources_group_labels_else_by_rule_else_by_default() -> None:
    by_zone = Rules(correlation=(CorrelationRule(name="zone", when={"team": "db"}, group_by=("zone",)),))
    desk = Desk(by_zone).read_all(
        [alert("a", 0, team="db", zone="x"), alert("b", 1, team="db", zone="y"), alert("c", 2, team="db", zone="x")]
    )
    assert [one.header.labels for one in desk.incidents] == [{"zone": "x"}, {"zone": "y"}]


def test_a_correlation_id_overrides_the_group() -> None:
    desk = Desk().read_all([alert("a", 0), alert("a", 1, started=0, correlation_id="deploy-7")])
    assert len(desk.incidents) == 2
    assert desk.incidents[1].group_key == "correlation_id=deploy-7"


def test_the_title_comes_from_the_earliest_alert() -> None:
    desk = Desk().read_all([alert("b", 5), alert("a", 6, started=1)])
    assert desk.incidents[0].header.title == "shop a"


def test_event_time_is_clamped_and_says_so() -> None:
    (opened,) = Desk().read(alert("a", 60, started=0))
    assert opened.alert.event_time_clamped
    assert (opened.alert.start, opened.alert.starts_at) == (at(50), at(0))


def test_formats_without_a_start_repeat_within_the_window_after_the_last_sighting() -> None:
    desk = Desk().read_all([alert("a", minute, episode=Episode.WINDOW) for minute in (0, 9, 18, 40)])
    assert types(desk.events) == ["incident.opened", "journal.tallied", "journal.tallied", "incident.opened"]


def test_numbers_are_striped_over_partitions_and_begin_anew_each_day() -> None:
    desk = Desk(partition=1, partitions=4)
    desk.read_all([alert("a", 0, group="one"), alert("a", 1, group="two"), alert("a", 60 * 24, group="three")])
    assert [one.header.number for one in desk.incidents] == [
        "INC-2026-11-21-002",
        "INC-2026-11-21-006",
        "INC-2026-11-22-002",
    ]


def test_the_finality_mark_follows_the_partition_that_is_behind_by_at_most_the_grace() -> None:
    desk = Desk()
    desk.stage.advanced(desk.state, RawMark("one", 1, 0, at(0)), "alerts.raw.v1/0")
    desk.stage.advanced(desk.state, RawMark("one", 1, 0, at(4)), "alerts.raw.v1/1")
    assert desk.state.final_before() == at(-10)
    desk.stage.advanced(desk.state, RawMark("one", 2, 0, at(60)), "alerts.raw.v1/1")
    assert desk.state.final_before() == at(40)


def test_a_merge_of_thousands_stays_within_one_event() -> None:
    desk = Desk().read_all([alert("first", 0), *(alert(f"n{number}", 15 + number / 60_000) for number in range(9000))])
    events = desk.read(alert("bridge", 16, started=8))
    assert types(events)[1:] == ["incident.merged", "incident.closed"]
    assert all(encode(event).size < 100_000 for event in events)
    assert desk.incidents[0].header.alerts == 9002


def test_a_recut_of_thousands_moves_them_in_several_events() -> None:
    desk = Desk().read_all([alert("a", 0, raw=(1, 0)), alert("a", 1, started=0, status="resolved", raw=(0, 100))])
    desk.read_all([alert(f"n{number}", 20 + number / 60_000, raw=(0, 200 + number)) for number in range(5000)])
    assert len(desk.incidents) == 1  # within the reopen window
    events = desk.read(alert("unresolved", 9.5, started=5, raw=(1, 1)))
    assert types(events).count("incident.alert_moved") == 3
    assert sorted(one.header.alerts for one in desk.incidents) == [2, 5000]
    assert desk.replayed() == desk.state
