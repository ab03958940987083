"""Stories of people: who is called, who answers, and what an answer is worth."""

from datetime import timedelta

import msgspec

from scenarios.words import Play, alert, over, story
from tocsin.domain.rules import EscalationRule, Matcher, SlaTarget, Team
from tocsin.domain.severity import Severity
from tocsin.testing.scenario import NO_SLA, Receiver

CRITICAL = Matcher(severity=(Severity.CRITICAL,))
TWO_LEVELS = msgspec.structs.replace(
    NO_SLA,
    escalation=(
        EscalationRule(condition=CRITICAL, escalate_to="on_call", escalate_after_minutes=5),
        EscalationRule(
            condition=CRITICAL,
            escalation_level=2,
            escalate_to="seniors",
            escalate_after_minutes=15,
            notification_channels=("phone",),
            repeat_minutes=10,
            repeat_times=3,
        ),
    ),
    teams={name: Team(contacts={"email": (f"{name}@example.org",)}) for name in ("on_call", "seniors")},
)
PROMISES = msgspec.structs.replace(
    NO_SLA,
    escalation=(),
    sla={Severity.CRITICAL: SlaTarget(acknowledge=timedelta(minutes=5), resolve=timedelta(minutes=30))},
)


def console_and_phone() -> tuple[Receiver, ...]:
    return Receiver("console"), Receiver("phone")


@story(TWO_LEVELS, console_and_phone)
async def nobody_answers_until_somebody_does(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("Outage", "a", "10:00", severity="critical"))
    await play.at("10:04:59")
    assert play.messages() == ["10:00 opened to channel:console: Outage"]
    await play.at("10:26")
    assert play.messages()[1:] == ["10:05 level 1 to team:on_call: Outage"]
    assert play.messages("phone") == [
        "10:15 level 2 to team:seniors: Outage",
        "10:25 level 2 to team:seniors: Outage",
    ]
    await play.person("acknowledge", "Outage")
    await play.at("14:25")
    assert len(play.messages("phone")) == 2, "nobody is called for what somebody works on"
    await play.at("14:50")  # four hours without a word: the acknowledgement has expired, it starts again
    await play.then(
        "Outage",
        "10:00 opened (opened_new_group)",
        "10:05 level 1 calls on_call",
        "10:15 level 2 calls seniors",
        "10:25 level 2 calls seniors again",
        "10:26 acknowledged by ada",
        "10:26 escalation.stopped (acknowledged)",
        "14:26 acknowledgement_expired (acknowledgement_expired)",
        "14:31 level 1 calls on_call",
        "14:41 level 2 calls seniors",
    )
    assert play.messages()[2:] == ["14:31 level 1 to team:on_call: Outage"]
    assert play.messages("phone")[2:] == ["14:41 level 2 to team:seniors: Outage"]


@story(PROMISES)
async def promises_at_risk_and_broken(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("Outage", "a", "10:00", severity="critical"))
    await play.at("10:10")
    await play.person("investigate", "Outage", by="bob")
    await play.at("11:00")
    await play.then(
        "Outage",
        "10:00 opened (opened_new_group)",
        "10:04 sla.at_risk (acknowledge_at_risk)",
        "10:05 sla.breached (acknowledge_breached)",
        "10:10 investigating by bob",
        "10:24 sla.at_risk (resolve_at_risk)",
        "10:30 sla.breached (resolve_breached)",
        "10:30 level 1 calls everyone",  # it escalates by itself, though bob is at it
    )


@story()
async def a_person_resolves_while_alerts_fire(play: Play) -> None:
    await play.at("10:00")
    noisy = alert("Noisy", "a", "10:00", severity="critical")
    await play.alertmanager(noisy)
    await play.at("10:02")
    await play.person("resolve", "Noisy", by="bob")
    await play.at("10:10")
    await play.alertmanager(noisy)  # the same episode goes on: what bob said stands
    await play.at("10:12")
    assert await play.incidents() == ["Noisy: critical resolved, 1 alerts, 1 firing, seen 2 times"]
    await play.alertmanager(over(noisy))
    await play.at("10:25")
    await play.alertmanager(alert("Noisy", "a", "10:25", severity="critical"))  # a new one: bob was wrong
    await play.at("10:31")
    await play.then(
        "Noisy",
        "10:00 opened (opened_new_group)",
        "10:02 resolved by bob",
        "10:02 escalation.stopped (resolved)",
        "10:12 alert_resolved (resolved)",
        "10:25 alert_attached (within_reopen_window)",
        "10:25 reopened (fired_again)",
        "10:30 level 1 calls everyone",
    )


@story()
async def what_was_acknowledged_grows_worse(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("Slow", "a", "10:00"))
    await play.at("10:01")
    await play.person("acknowledge", "Slow")
    await play.at("10:02")
    await play.alertmanager(alert("Slow", "b", "10:02"))
    assert play.messages() == ["10:00 opened to channel:console: Slow"], "one more of the same calls nobody"
    await play.at("10:03")
    await play.alertmanager(alert("Slow", "c", "10:03", severity="critical"))
    await play.at("10:04")
    await play.alertmanager(*(alert("Slow", f"host-{n}", "10:04") for n in range(30)))
    assert play.messages()[1:] == [
        "10:03 severity_raised to channel:console: Slow",
        "10:04 reannounced to channel:console: Slow",
    ]


@story()
async def commands_that_come_twice_or_too_late(play: Play) -> None:
    await play.at("10:00")
    fired = alert("Down", "a", "10:00")
    await play.alertmanager(fired)
    await play.person("acknowledge", "Down", by="ada")
    await play.person("acknowledge", "Down", by="bob")
    await play.person("note", "Down", by="bob", text="looking")
    await play.alertmanager(over(fired))
    await play.at("10:02")
    await play.person("mitigate", "Down", by="bob")
    await play.person("close", "Down", by="bob")
    await play.then(
        "Down",
        "10:00 opened (opened_new_group)",
        "10:00 acknowledged by ada",
        "10:00 noted by bob",
        "10:00 alert_resolved (resolved)",
        "10:00 escalation.stopped (acknowledged)",
        "10:01 resolved (all_alerts_resolved)",
        "10:02 closed by bob",
    )
    outcomes = [line.type for line in await play.lines() if line.type.startswith("command.")]
    assert outcomes == [f"command.{word}" for word in ("applied", "unchanged", "applied", "rejected", "applied")]


@story()
async def a_declared_incident_takes_the_alerts_that_name_it(play: Play) -> None:
    await play.at("10:00")
    await play.person("declare", "", title="Payments fail", severity="critical", correlation_id="deploy 4/2")
    await play.at("10:03")
    await play.alertmanager(
        alert("Errors", "a", "10:03", service="payments", correlation_id="deploy 4/2"),
        alert("Errors", "b", "10:03", service="basket", correlation_id="deploy 4/2"),
        alert("Errors", "c", "10:03", service="basket"),
    )
    await play.posts("native", {"title": "Refunds fail", "severity": "low", "correlation_id": "deploy 4/2"})
    assert await play.incidents() == [
        "Payments fail: critical open, 3 alerts, 3 firing, seen 3 times",
        "Errors: medium open, 1 alerts, 1 firing, seen 1 times",
    ]
