"""Stories of sources: what each of them means by a repeat, an end and a silence."""

from scenarios.words import Play, alert, story
from tocsin.testing.told import rejections


@story()
async def a_pagerduty_client_triggers_acknowledges_and_resolves(play: Play) -> None:
    await play.at("10:00")
    await play.pagerduty("trigger", "disk-7", summary="Disk 7 is full", component="storage")
    await play.pagerduty("trigger", "disk-8", summary="Disk 8 is full", component="archive")
    await play.at("10:01")
    await play.pagerduty("trigger", "disk-7", summary="Disk 7 is full", component="storage")  # a repeat
    await play.at("10:03")
    await play.pagerduty("acknowledge", "disk-7")  # names nothing but a key: it goes everywhere
    await play.pagerduty("acknowledge", "nobody-knows-this")
    await play.at("10:10")
    await play.pagerduty("resolve", "disk-7")
    await play.pagerduty("resolve", "nobody-knows-this-either")
    await play.at("10:12")
    assert await play.incidents() == [
        "Disk 7 is full: critical resolved, 1 alerts, 0 firing, seen 2 times",
        "Disk 8 is full: critical open, 1 alerts, 1 firing, seen 1 times",
    ]
    await play.then(
        "Disk 7 is full",
        "10:00 opened (opened_new_group)",
        "10:03 acknowledged by pagerduty",
        "10:03 escalation.stopped (acknowledged)",
        "10:10 alert_resolved (resolved)",
        "10:11 resolved (all_alerts_resolved)",
    )
    await play.then("Disk 8 is full", "10:00 opened (opened_new_group)", "10:05 level 1 calls everyone")
    await play.at("11:00")
    await play.pagerduty("trigger", "disk-7", summary="Disk 7 is full", component="storage")  # a new episode
    assert len(await play.incidents()) == 3


@story()
async def a_pair_of_prometheus_servers_is_one_source(play: Play) -> None:
    pair = [alert("Down", "db-1", "10:00", ends="10:04", prometheus_replica=name) for name in ("one", "two")]
    await play.at("10:00")
    for sent in pair:
        await play.prometheus(sent)
    await play.at("10:01")
    for sent in pair:
        await play.prometheus({**sent, "endsAt": "2026-11-21T10:05:00Z"})
    await play.at("10:02")  # one of them is restarted; the other goes on
    await play.prometheus({**pair[0], "endsAt": "2026-11-21T10:06:00Z"})
    await play.at("10:04")
    await play.prometheus({**pair[0], "endsAt": "2026-11-21T10:03:50Z"})  # it is over
    await play.at("10:06")
    assert await play.incidents() == ["Down: medium resolved, 1 alerts, 0 firing, seen 5 times"]
    await play.then(
        "Down",
        "10:00 opened (opened_new_group)",
        "10:04 alert_resolved (resolved)",
        "10:05 resolved (all_alerts_resolved)",
        "10:05 escalation.stopped (resolved)",
    )


@story()
async def an_alert_that_prometheus_no_longer_sends_times_out(play: Play) -> None:
    silent = alert("Gone", "db-1", "10:00")
    del silent["endsAt"]  # counts as resolved five minutes after it was last sent
    await play.at("10:00")
    await play.prometheus(silent)
    await play.at("10:03")
    await play.prometheus(silent)
    await play.at("10:07:59")
    assert await play.incidents() == ["Gone: medium open, 1 alerts, 1 firing, seen 2 times"]
    await play.at("10:10")
    await play.then(
        "Gone",
        "10:00 opened (opened_new_group)",
        "10:08 alert_resolved (timed_out)",
        "10:09 resolved (all_alerts_resolved)",
        "10:09 escalation.stopped (resolved)",
    )


@story()
async def a_webhook_never_times_out(play: Play) -> None:
    """Alertmanager repeats every four hours: until it says so nothing is over, and a repeat opens nothing."""
    noisy = alert("Old", "a", "10:00", severity="info")
    await play.at("10:00")
    await play.alertmanager(noisy)
    await play.at("14:00")
    await play.alertmanager(noisy)
    await play.at("18:00")
    await play.alertmanager(noisy)
    await play.at("18:01")
    assert await play.incidents() == ["Old: info open, 1 alerts, 1 firing, seen 3 times"]


@story()
async def poison_between_good_records(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("Before", "a", "10:00"))
    for partition, poison in enumerate((b"", b"{", b"\xff\xfe", b"null", b'{"alerts": 3}', b"[" * 5000)):
        await play.raw(poison, partition)
    mixed = b'[{"title": "Good", "labels": {"alertname": "Good"}}, {"title": 7}, {"labels": {"a": 1}}]'
    await play.raw(mixed, format="native")
    await play.at("10:01")
    await play.alertmanager(alert("After", "a", "10:01"))
    await play.at("10:02")
    assert await play.incidents() == [
        "Before: medium open, 1 alerts, 1 firing, seen 1 times",
        "Good: medium open, 1 alerts, 1 firing, seen 1 times",
        "After: medium open, 1 alerts, 1 firing, seen 1 times",
    ]
    rejected = rejections(await play.lines())
    assert len(rejected) == 8
    for line in rejected:
        assert line.headers["tocsin_error_reason"]
        assert line.headers["tocsin_error_message"]
        assert line.headers["tocsin_error_source"].startswith("alerts.raw.v1/")
