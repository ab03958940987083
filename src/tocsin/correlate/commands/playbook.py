"""Playbooks that people work through: begun, step by step, finished with the last outcome."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.incident import Incident
from tocsin.domain.playbook import RUNS_MAX, PlaybookRun, StepOutcome, all_playbooks, running, stepped

Given = dict[str, Any]


def playbook_start(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    """Begin it; nothing when it goes on already.

    Raises:
        Reject: `unknown_playbook`, `too_many`.
    """
    name, runs = given["playbook"], _runs(incident)
    known = all_playbooks(pen.rules)
    if name not in known:
        raise Reject("unknown_playbook", f"there is no playbook {name!r}; there are {', '.join(known) or 'none'}")
    if running(runs, name) is not None:
        return
    if len(runs) >= RUNS_MAX:
        raise Reject("too_many", f"{incident.header.number} has had {RUNS_MAX} playbooks")
    begun = {"playbook": name, "title": known[name].title, "steps": known[name].steps}
    yield pen.change(ev.PlaybookStarted, incident, "playbook_started", note=reason, **begun)


def playbook_step(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    """How a step went; after the last one the playbook is finished. Nothing when it has been said already.

    Raises:
        Reject: `no_playbook` goes on, `unknown_step`.
    """
    name = given.get("playbook", "")
    run = running(_runs(incident), name)
    if run is None:
        which = f"the playbook {name!r}" if name else "a playbook"
        raise Reject("no_playbook", f"nobody works through {which} of {incident.header.number}; start it first")
    number, outcome = given.get("step") or run.upcoming, given["outcome"]
    if not 1 <= number <= len(run.steps):
        raise Reject("unknown_step", f"{run.playbook} has the steps 1 to {len(run.steps)}, not {number}")
    note = given.get("note") or reason
    known = run.steps[number - 1]
    if known.outcome == outcome and note in ("", known.note):
        return
    said = {"playbook": run.playbook, "step": number, "outcome": outcome, "note": note}
    yield pen.change(ev.PlaybookStepDone, incident, f"step_{outcome}", **said)
    after = stepped(run, number, outcome, pen.actor, pen.now, note)
    if not after.upcoming:
        yield _finished(pen, incident, after)


def _finished(pen: Pen, incident: Incident, run: PlaybookRun) -> ev.PlaybookFinished:
    # The caller has evolved the step by now: the version goes on from there.
    counts = Counter(step.outcome for step in run.steps)
    return pen.change(
        ev.PlaybookFinished,
        incident,
        "playbook_finished",
        playbook=run.playbook,
        done=counts[StepOutcome.DONE],
        skipped=counts[StepOutcome.SKIPPED],
        failed=counts[StepOutcome.FAILED],
    )


def _runs(incident: Incident) -> tuple[PlaybookRun, ...]:
    return incident.details.playbooks if incident.details is not None else ()


VERBS: Final[Mapping[str, Callable[[Pen, Incident, Given, str], Iterator[ev.Event]]]] = {
    "playbook_start": playbook_start,
    "playbook_step": playbook_step,
}
