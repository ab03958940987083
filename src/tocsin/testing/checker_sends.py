"""What must hold of timers, deliveries and pages; see `checker`.

In: the records that count, and what receivers saw. Out: problems, one sentence each.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tocsin.testing.lines import INCIDENTS, NOTIFICATIONS, Line, instant

__all__ = ["deliveries", "pages", "timers"]

AFTER = {
    "": ("planned",),
    "planned": (
        "attempted",
        "withdrawn",
        "suppressed",
        "bundled",
        "gave_up",
    ),  # the last: its channel was down too long
    "attempted": ("delivered", "failed", "gave_up", "withdrawn"),  # withdrawn: lost in a crash, and answered since
    "failed": ("attempted", "withdrawn", "suppressed", "gave_up"),
}
"""What may follow a step of a delivery; what has no entry is final."""


def timers(events: Sequence[Line]) -> Iterator[str]:
    """Nothing fires before it is due, and no step twice."""
    fired: set[tuple[Any, ...]] = set()
    for line in events:
        event, now = line.value, instant(line.value["recorded_at"])
        due = [event["step"]["due_at"]] if line.type == "escalation.fired" else []
        due += [event["target_due_at"]] if line.type == "sla.breached" else []
        kind, _, rest = event.get("cause", "").partition(":")
        if kind == "deadline":
            due.append(rest.partition(":")[2])
        for text in due:
            if now < instant(text):
                yield f"{line.where} was recorded at {event['recorded_at']}, due at {text}"
        if line.type == "escalation.fired":
            step = event["step"]
            plan = event["incident_id"], event["incident_version"]  # a raise of the same instant plans anew
            key = (*plan, step["level"], step["escalate_to"], step["due_at"], step.get("repeat", 0))
            if key in fired:
                yield f"{line.where}: the step {key} has fired before"
            fired.add(key)


def deliveries(events: Sequence[Line], sends: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    """The ledger is sound; what was sent had been attempted; doubled sends say so."""
    stories: dict[str, list[Line]] = defaultdict(list)
    for line in events:
        if line.type.startswith("delivery."):
            stories[line.value["delivery_id"]].append(line)
    attempts: set[tuple[str, int]] = set()
    causes: dict[tuple[Any, ...], str] = {}
    for name, story in stories.items():
        yield from _story(name, story, attempts)
        first = story[0].value
        message = (first.get("cause"), first.get("step"), first["channel"], first.get("recipient"))
        if message in causes:
            yield f"{name} and {causes[message]} are the same message: {message}"
        causes[message] = name
    if sends is None:
        return
    times: Counter[tuple[str, int]] = Counter()
    for send in sends:
        key = (str(send["delivery_id"]), int(send["attempt"]))
        times[key] += 1
        if key not in attempts:
            yield f"{key} was sent and never recorded as attempted"
        if times[key] > 1 and not send["possible_duplicate"]:
            yield f"{key} was sent {times[key]} times, and this one does not say so"
    for name, story in stories.items():
        delivered = [line for line in story if line.type == "delivery.delivered"]
        if delivered and not times[name, delivered[0].value["attempt"]]:
            yield f"{name} is recorded as delivered and nobody got it"


def _story(name: str, story: Sequence[Line], attempts: set[tuple[str, int]]) -> Iterator[str]:
    state, attempt, due = "", 0, ""
    for n, line in enumerate(story, 1):
        event, word = line.value, line.type.removeprefix("delivery.")
        if event["n"] != n:
            yield f"{line.where}: {name} has step {event['n']} after {n - 1}"
        if word not in AFTER.get(state, ()):
            yield f"{line.where}: {name} is {word} after {state or 'nothing'}"
        if word == "attempted":
            attempt += 1
            attempts.add((name, event["attempt"]))
            if event["attempt"] != attempt:
                yield f"{line.where}: {name} has attempt {event['attempt']} after {attempt - 1}"
            if instant(event["recorded_at"]) < instant(due):
                yield f"{line.where}: {name} was attempted before {due}"
        due = event.get("send_due_at") or event.get("next_attempt_at") or due
        state = word


def pages(events: Sequence[Line]) -> Iterator[str]:
    """No page is attempted once notify's position covers an acknowledgement (or the end) of its incident."""
    answers: dict[tuple[int, str], list[tuple[int, bool, bool]]] = defaultdict(list)
    for line in events:
        if line.topic == INCIDENTS and line.type.startswith("incident."):
            header = line.value["header"]
            ended = header["status"] in ("resolved", "closed") and not line.value.get("merged_into")
            answered = bool(header.get("acknowledged_at")) or ended  # a merge answers nothing
            answers[line.partition, line.value["incident_id"]].append((line.offset, answered, ended))
    read: dict[int, int] = defaultdict(int)
    paging: dict[str, str] = {}
    insisting: set[str] = set()
    for line in events:
        if line.topic != NOTIFICATIONS:
            continue
        event = line.value
        if line.type == "delivery.planned":
            step = event["step"]
            if step.startswith("escalation.") or step == "incident.opened":
                paging[event["delivery_id"]] = event["incident_id"]
            if step.endswith(".insists"):
                insisting.add(event["delivery_id"])
        elif line.type == "delivery.attempted" and event["delivery_id"] in paging:
            incident = paging[event["delivery_id"]]
            place = 2 if event["delivery_id"] in insisting else 1  # what insists is taken back by the end alone
            seen = [answer[place] for answer in answers[line.partition, incident] if answer[0] < read[line.partition]]
            if seen and seen[-1]:
                yield f"{line.where}: {event['delivery_id']} pages for {incident}, which was answered before"
        position = json.loads(line.headers.get("tocsin_position", "{}")).get("sources", {})
        read[line.partition] = position.get(f"{INCIDENTS}/{line.partition}", [read[line.partition]])[0]
