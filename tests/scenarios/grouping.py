"""Stories of which alerts belong together."""

from scenarios.words import Play, alert, over, story

SERVICES = ("checkout", "search", "login", "billing")


@story()
async def a_storm_becomes_few_incidents(play: Play) -> None:
    for minute in ("10:00", "10:02", "10:04"):
        await play.at(minute)
        for service in SERVICES:
            name = f"{service} slow"
            await play.alertmanager(*(alert(name, f"host-{n}", "10:00", service=service) for n in range(10)))
    await play.at("10:05")
    assert await play.incidents() == [
        f"{service} slow: medium open, 10 alerts, 10 firing, seen 30 times" for service in sorted(SERVICES)
    ]
    assert sorted(play.messages()) == [f"10:00 opened to channel:console: {name} slow" for name in sorted(SERVICES)]
    await play.then("login slow", "10:00 opened (opened_new_group)", "10:00 alert_attached (joined_open_group) ×9")


@story()
async def late_and_shuffled_alerts_end_where_their_time_says(play: Play) -> None:
    """Two outages of a quarter of an hour ago to now, thirteen minutes apart, arrive as the network likes."""
    await play.at("10:05")
    for host, since in (("e", "10:05"), ("b", "09:57"), ("d", "10:04:30"), ("a", "09:55"), ("c", "09:56")):
        await play.alertmanager(alert("Slow", host, since, severity="critical"))
    assert await play.incidents() == ["Slow: critical open, 5 alerts, 5 firing, seen 5 times"]
    await play.at("10:20")
    for host, since in (("h", "10:19"), ("f", "10:17"), ("g", "10:18")):
        await play.alertmanager(alert("Slow", host, since, severity="critical"))
    assert await play.incidents() == [
        "Slow: critical open, 5 alerts, 5 firing, seen 5 times",
        "Slow: critical open, 3 alerts, 3 firing, seen 3 times",
    ]
    assert [one for one in play.messages() if "opened" in one] == [
        "10:05 opened to channel:console: Slow",
        "10:20 opened to channel:console: Slow",
    ]


@story()
async def a_bridge_merges_two_incidents_without_a_page(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("Disk", "a", "10:00"))
    await play.at("10:12")
    await play.alertmanager(alert("Disk", "c", "10:12"))
    assert len(await play.incidents()) == 2
    told_so_far = play.messages()
    await play.at("10:13")
    await play.alertmanager(alert("Disk", "b", "10:06"))  # seven minutes on its way
    assert await play.incidents() == ["Disk: medium open, 3 alerts, 3 firing, seen 3 times"]
    assert (
        play.messages()
        == told_so_far
        == [
            "10:00 opened to channel:console: Disk",
            "10:12 opened to channel:console: Disk",
        ]
    )
    await play.then(
        "Disk",
        "10:00 opened (opened_new_group)",
        "10:12 #2 opened (window_expired)",
        "10:13 alert_attached (bridged)",
        "10:13 merged (bridged)",
        "10:13 #2 closed (merged)",
        "10:13 #2 escalation.stopped (merged)",
    )


@story()
async def a_resolve_a_flap_and_a_recurrence(play: Play) -> None:
    await play.at("10:00")
    first = alert("Down", "db-1", "10:00")
    await play.alertmanager(first)
    await play.at("10:03")
    await play.alertmanager(over(first))
    await play.at("10:20")  # it flaps: within half an hour it is the same incident
    again = alert("Down", "db-1", "10:20")
    await play.alertmanager(again)
    await play.at("10:25")
    await play.alertmanager(over(again))
    await play.at("11:30")  # much later it is another one, that names the first
    await play.alertmanager(alert("Down", "db-1", "11:30"))
    await play.then(
        "Down",
        "10:00 opened (opened_new_group)",
        "10:03 alert_resolved (resolved)",
        "10:04 resolved (all_alerts_resolved)",
        "10:04 escalation.stopped (resolved)",
        "10:20 alert_attached (within_reopen_window)",
        "10:20 reopened (fired_again)",
        "10:25 alert_resolved (resolved)",
        "10:26 resolved (all_alerts_resolved)",
        "10:26 escalation.stopped (resolved)",
        "11:30 #2 opened (recurred)",
    )
    (recurred,) = [line.value for line in await play.lines() if "recurrence_of" in (line.value or {})]
    assert recurred["recurrence_of"] == (await play.headers())[0]["id"]
    assert play.messages() == [
        "10:00 opened to channel:console: Down",
        "10:04 resolved to channel:console: Down",
        "10:20 reopened to channel:console: Down",
        "10:26 resolved to channel:console: Down",
        "11:30 opened to channel:console: Down",
    ]
