"""The story of the demo says what its summary promises."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.cli import demo_story as story
from tocsin.cli.demo import free_address, summary
from tocsin.cli.demo_play import Line, Scene, is_told, repeats
from tocsin.cli.demo_story import Act, Say, Send
from tocsin.cli.demo_view import escalates, loud
from tocsin.cli.exits import USAGE, Ended
from tocsin.settings import load

BEGAN = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
SENDS = [step for step in story.STORY if isinstance(step, Send)]


def bodies(speed: float = 1.0) -> list[dict[str, Any]]:
    return [
        story.webhook(send, began=BEGAN, now=BEGAN + timedelta(seconds=send.at / speed), speed=speed, url="http://am")
        for send in SENDS
    ]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_storm_is_120_alerts_of_four_groups() -> None:
    storm = [body for send, body in zip(SENDS, bodies(), strict=True) if send.storm]
    assert sum(len(body["alerts"]) for body in storm) == story.STORM_ALERTS
    assert len({body["groupKey"] for body in storm}) == story.STORM_INCIDENTS


def test_steps_are_in_order_and_within_the_story() -> None:
    times = [step.at for step in story.STORY]
    assert times == sorted(times)
    assert times[-1] < story.LENGTH <= 90


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_an_alert_says_in_every_webhook_when_it_began(speed: float) -> None:
    began: dict[tuple[str, str], set[str]] = {}
    for body in bodies(speed):
        for alert in body["alerts"]:
            labels = alert["labels"]
            began.setdefault((labels["alertname"], labels["instance"]), set()).add(alert["startsAt"])
    assert all(len(starts) == 1 for starts in began.values())
    assert len(began) == 14 + 9 + 12 + 12


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_nothing_begins_after_it_is_sent(speed: float) -> None:
    for send, body in zip(SENDS, bodies(speed), strict=True):
        sent = BEGAN + timedelta(seconds=send.at / speed)
        assert all(instant(alert["startsAt"]) < sent for alert in body["alerts"])


def test_late_alerts_are_minutes_old_and_out_of_order() -> None:
    for send, body in zip(SENDS, bodies(), strict=True):
        starts = [instant(alert["startsAt"]) for alert in body["alerts"]]
        old = [start for start in starts if start < BEGAN - timedelta(minutes=1)]
        if send.late:
            assert len(old) >= 4
            assert old != sorted(old)
            assert starts.index(BEGAN + timedelta(seconds=1 if send.trouble is story.CHECKOUT else 4)) > 0


def test_a_fingerprint_names_one_machine() -> None:
    found = {(alert["fingerprint"], alert["labels"]["instance"]) for body in bodies() for alert in body["alerts"]}
    assert len(Counter(name for name, _ in found)) == len(found) == 47


def test_what_resolves_had_fired() -> None:
    (resolved,) = [body for body in bodies() if body["status"] == "resolved"]
    assert {alert["status"] for alert in resolved["alerts"]} == {"resolved"}
    assert all(instant(alert["endsAt"]) > instant(alert["startsAt"]) for alert in resolved["alerts"])
    assert len(resolved["alerts"]) == max(send.firing for send in SENDS if send.trouble is story.DATABASE)


def test_somebody_acts_and_somebody_explains() -> None:
    assert [step.trouble for step in story.STORY if isinstance(step, Act)] == [story.SEARCH]
    assert all(step.text for step in story.STORY if isinstance(step, Say))


@pytest.mark.parametrize("speed", [0.5, 1.0, 20.0])
def test_the_settings_of_the_story_are_settings(tmp_path: Any, speed: float) -> None:
    import yaml

    path = tmp_path / "tocsin.yaml"
    tree = story.settings(data_dir=str(tmp_path), listen="127.0.0.1:9393", speed=speed)
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    settings = load(path, {})
    first, second, _ = settings.rules().escalation
    assert (first.escalation_level, second.escalation_level) == (1, 2)
    assert first.escalate_after_minutes * 60 * speed == pytest.approx(story.LEVEL_1_SECONDS)
    assert settings.warnings() == []


def incident(service: str, status: str, occurrences: int) -> dict[str, Any]:
    return {"service": service, "status": status, "occurrences": occurrences}


def whole() -> Scene:
    found = [
        incident("checkout", "open", 47),
        incident("orders-db", "resolved", 29),
        incident("search", "acknowledged", 37),
        incident("mail", "open", 30),
    ]
    return Scene(over=True, alerts=143, opened=4, escalations=2, incidents=found)


def test_the_story_is_told_when_everything_came_true() -> None:
    assert is_told(whole())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("over", False),
        ("alerts", 144),
        ("opened", 5),
        ("opened", 3),
        ("escalations", 1),
        ("incidents", []),
        ("incidents", [*whole().incidents[:1], incident("orders-db", "open", 29), *whole().incidents[2:]]),
        ("incidents", [*whole().incidents[:2], incident("search", "open", 37), *whole().incidents[3:]]),
    ],
)
def test_the_story_is_not_told_while_something_is_missing(field: str, value: Any) -> None:
    scene = whole()
    setattr(scene, field, value)
    assert not is_told(scene)


def test_the_summary_has_the_promised_names() -> None:
    assert summary(whole(), log_verified=True) == {
        "alerts_accepted": 143,
        "incidents_opened": 4,
        "repeats": 0,
        "escalations": 2,
        "notifications": 0,
        "log_verified": True,
    }


def test_repeats_are_read_from_the_metrics() -> None:
    text = (
        "# TYPE tocsin_alerts_deduplicated_total counter\n"
        'tocsin_alerts_deduplicated_total{reason="repeat"} 73.0\n'
        'tocsin_alerts_deduplicated_total{reason="joined_open_group"} 43.0\n'
        "# TYPE other_total counter\n"
        'other_total{reason="repeat"} 5.0\n'
    )
    assert repeats(text) == 73
    assert repeats("") == 0


def test_the_ticker_leaves_out_what_is_routine() -> None:
    lines = [
        Line("t", "n", kind, "") for kind in ("incident.opened", "delivery.planned", "command.applied", "sla.breached")
    ]
    assert [line.type for line in loud(lines)] == ["incident.opened", "sla.breached"]


def test_the_countdown_of_the_next_escalation() -> None:
    step = {"level": 2, "due_at": "2026-11-21T03:12:17.400Z", "escalate_to": "senior_engineers"}
    assert escalates({"escalation": {"next": step}}, BEGAN) == "2 in 17 s"
    assert escalates({"escalation": {"next": step}}, BEGAN + timedelta(hours=1)) == "2 in 0 s"
    assert escalates({"escalation": {"next": None}}, BEGAN) == ""
    assert escalates({}, BEGAN) == ""


def test_the_demo_takes_the_next_free_port() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        host, _, found = free_address(f"127.0.0.1:{port}").rpartition(":")
    assert host == "127.0.0.1"
    assert port < int(found) < port + 20


@pytest.mark.parametrize("listen", ["0.0.0.0:9393", "192.0.2.1:9393", "nonsense", "127.0.0.1:99999"])
def test_the_demo_listens_on_this_machine_only(listen: str) -> None:
    with pytest.raises(Ended) as caught:
        free_address(listen)
    assert caught.value.exit_code == USAGE
