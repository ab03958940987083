"""The checker finds what is wrong: one sound log, spoilt in one way at a time."""

import asyncio
import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tocsin.testing.checker import check
from tocsin.testing.simulator import Simulation, export

Log = list[dict[str, Any]]
Sends = list[dict[str, Any]]


@cache
def life() -> tuple[Log, Sends, Log]:
    """A log with everything in it: a simulated life."""

    async def live() -> tuple[Log, Sends, Log]:
        simulation = Simulation(14)
        assert (await simulation.run()).problems == []
        sends = [send for receiver in simulation.receivers.values() for send in receiver.journal]
        return await export(simulation.broker), sends, simulation.ledger.rows

    return asyncio.run(live())


def found(spoil: Callable[[Log, Sends, Log], object]) -> list[str]:
    log, sends, rows = copy.deepcopy(life())
    spoil(log, sends, rows)
    return check(log, sends, rows).problems


def of(log: Log, kind: str, nth: int = 0) -> dict[str, Any]:
    return [line for line in log if line["headers"].get("ce_type") == f"tocsin.{kind}.v1"][nth]


def change(line: dict[str, Any], **fields: Any) -> None:
    line["value"] = json.dumps(json.loads(line["value"]) | fields)


def uncounted(line: dict[str, Any]) -> None:
    line["headers"]["ce_sequence"] = "0" * 20


def test_a_sound_log_has_no_problems() -> None:
    assert found(lambda *_: None) == []


def early(log: Log, *_: Any) -> None:
    step = json.loads(of(log, "escalation.fired")["value"])["step"]
    change(of(log, "escalation.fired"), step=step | {"due_at": "2100-01-01T00:00:00Z"})


def twice_in_the_tally(log: Log, *_: Any) -> None:
    line = of(log, "journal.tallied")
    tallies = json.loads(line["value"])["tallies"]
    tallies[0][1] += 1
    change(line, tallies=tallies)


def paged_after_acknowledgement(log: Log, *_: Any) -> None:
    """Every incident was acknowledged before anybody was paged for it."""
    for line in log:
        if line["topic"] == "incidents.events.v1" and line["headers"]["ce_type"].startswith("tocsin.incident."):
            header = json.loads(line["value"])["header"]
            change(line, header=header | {"acknowledged_at": "2026-11-21T12:00:00Z"})


def attached_twice(log: Log, *_: Any) -> None:
    alert = json.loads(of(log, "incident.alert_attached")["value"])["alert"]
    change(of(log, "incident.alert_attached", 1), alert=alert)


def same_id(log: Log, *_: Any) -> None:
    first = of(log, "delivery.planned")["headers"]
    second = next(
        line["headers"]
        for line in log
        if line["headers"].get("ce_source") == first["ce_source"] and line["headers"]["ce_id"] > first["ce_id"]
    )
    second["ce_id"] = first["ce_id"]


def position_back(log: Log, *_: Any) -> None:
    lines = [line for line in log if "tocsin_position" in line["headers"] and line["topic"] == "incidents.events.v1"]
    for line in lines:
        position = json.loads(line["headers"]["tocsin_position"])
        if position.get("raw"):
            name, (incarnation, *_, at) = next(iter(position["raw"].items()))
            position["raw"][name] = [incarnation, 10**6, 0, at]
            line["headers"]["tocsin_position"] = json.dumps(position)
            return


def called_while_suppressed(log: Log, *_: Any) -> None:
    for line in log:
        if line["topic"] == "incidents.events.v1" and line["headers"]["ce_type"].startswith("tocsin.incident."):
            header = json.loads(line["value"])["header"]
            change(line, header=header | {"suppressed_by": "silence:x"})


def never_made_up_for(log: Log, *_: Any) -> None:
    """Everything of everybody was held back."""
    for line in log:
        if line["headers"].get("ce_type", "").startswith("tocsin.delivery.") and not line["headers"][
            "ce_type"
        ].endswith("planned.v1"):
            line["headers"]["ce_type"] = "tocsin.delivery.suppressed.v1"
            change(line, reason="silence:x")
    for line in log:
        if line["headers"].get("ce_type", "").startswith("tocsin.incident."):
            header = json.loads(line["value"])["header"] | {"acknowledged_at": None, "status": "open"}
            change(line, header=header | {"suppressed_by": ""})
    opened = of(log, "incident.opened")
    change(opened, header=json.loads(opened["value"])["header"] | {"suppressed_by": "silence:x"})


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (called_while_suppressed, "which was suppressed by silence:x"),
        (never_made_up_for, "nobody was told"),
        (lambda log, *_: change(of(log, "delivery.suppressed"), reason="because"), "which is no cause"),
        (lambda log, *_: uncounted(of(log, "incident.alert_attached")), "has version"),
        (lambda log, *_: uncounted(of(log, "journal.tallied")), "were counted"),
        (lambda log, *_: uncounted(of(log, "delivery.attempted")), "is delivered after planned"),
        (lambda log, *_: uncounted(of(log, "command.applied")), "has no outcome"),
        (lambda log, *_: log.remove(of(log, "incident.alert_attached")), "follows offset"),
        (lambda log, *_: change(of(log, "incident.opened"), version=2), "has version 2 after 0"),
        (twice_in_the_tally, "were counted"),
        (attached_twice, "already"),
        (lambda log, *_: of(log, "incident.opened")["headers"].update(ce_id="x.1"), None),
        (same_id, "has the id"),
        (lambda log, *_: change(of(log, "incident.opened"), recorded_at="2020-01-01T00:00:00Z"), "ce_time"),
        (early, "due at 2100"),
        (position_back, "goes back"),
        (paged_after_acknowledgement, "which was answered before"),
        (lambda log, sends, _: sends.append(sends[0] | {"possible_duplicate": False}), "does not say so"),
        (lambda log, sends, _: sends.append(sends[0] | {"attempt": 99}), "never recorded as attempted"),
        (lambda log, sends, _: sends.clear(), "nobody got it"),
        (lambda log, sends, rows: rows.pop(), "the event log lacks"),
        (lambda log, sends, rows: rows.append(rows[0]), "2 times"),
        (lambda log, sends, rows: rows.append(rows[0] | {"offset": 10**6}), "does not count"),
    ],
)
def test_what_is_wrong_is_found(spoil: Callable[[Log, Sends, Log], object], problem: str | None) -> None:
    problems = found(spoil)
    if problem is None:
        assert problems == [], "an id that nobody else has is as good as any"
    else:
        assert any(problem in line for line in problems), problems[:5]


def test_an_accepted_alert_that_is_nowhere_is_missed() -> None:
    def spoil(log: Log, *_: Any) -> None:
        raw = [line for line in log if line["topic"] == "alerts.raw.v1" and line["partition"] == 0]
        alert = {"title": "nobody has seen this", "labels": {"a": "b"}}
        log.insert(log.index(raw[-1]) + 1, {**raw[-1], "offset": raw[-1]["offset"] + 1, "value": json.dumps([alert])})

    (problem,) = found(spoil)
    assert problem.endswith("1 firing were accepted, 0 were counted")


def test_a_merge_that_nobody_was_told_of_is_found() -> None:
    def untold(log: Log, *_: Any) -> None:
        change(of(log, "incident.closed"), merged_into="inc_zz" + "a" * 20)

    assert [one for one in found(untold) if "which nobody told" in one]
