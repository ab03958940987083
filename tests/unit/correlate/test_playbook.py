"""Playbooks by command: begun, step by step, finished with the last outcome."""

import pytest

from tocsin.domain.playbooks import SHIPPED
from tocsin.domain.rules import Playbook, PlaybookStep, Rules
from tocsin.testing.story import Desk, alert, types

OWN = Playbook(title="Own", steps=(PlaybookStep(text="look"), PlaybookStep(text="act")))
RULES = Rules(playbooks={"own": OWN})


def opened() -> tuple[Desk, str]:
    desk = Desk(RULES).read_all([alert("a", 0)])
    return desk, desk.incidents[0].id


def test_a_playbook_is_run_step_by_step_and_says_who_did_what() -> None:
    desk, incident = opened()
    assert types(desk.command("playbook_start", incident, playbook="own")) == [
        "incident.playbook_started",
        "command.applied",
    ]
    desk.command("playbook_step", incident, by="bo", outcome="done", note="nothing there")
    written = desk.command("playbook_step", incident, outcome="skipped")
    assert types(written) == ["incident.playbook_step_done", "incident.playbook_finished", "command.applied"]
    assert [event.version for event in written[:2]] == [4, 5]
    assert (written[1].done, written[1].skipped, written[1].failed) == (1, 1, 0)
    (run,) = desk.state.incidents[incident].details.playbooks
    assert [(step.outcome, step.by, step.note) for step in run.steps] == [
        ("done", "bo", "nothing there"),
        ("skipped", "ada", ""),
    ]
    assert run.finished_at is not None
    assert desk.replayed().incidents[incident].details.playbooks == (run,)


def test_what_has_been_said_is_not_said_again() -> None:
    desk, incident = opened()
    desk.command("playbook_start", incident, playbook="own")
    assert types(desk.command("playbook_start", incident, playbook="own")) == ["command.unchanged"]
    desk.command("playbook_step", incident, step=2, outcome="failed")
    assert types(desk.command("playbook_step", incident, step=2, outcome="failed")) == ["command.unchanged"]
    assert types(desk.command("playbook_step", incident, step=2, outcome="done"))[0] == "incident.playbook_step_done"


def test_the_steps_are_those_of_the_beginning() -> None:
    desk, incident = opened()
    desk.command("playbook_start", incident, playbook="own")
    desk.rules = Rules()
    desk.command("playbook_step", incident, outcome="done")
    written = desk.command("playbook_step", incident, outcome="done")
    assert "incident.playbook_finished" in types(written)
    assert types(desk.command("playbook_start", incident, playbook="own")) == ["command.rejected"]


def test_shipped_playbooks_can_be_run_and_again() -> None:
    desk, incident = opened()
    name = next(iter(SHIPPED))
    for _ in range(2):
        desk.command("playbook_start", incident, playbook=name)
        for _ in range(6):
            desk.command("playbook_step", incident, outcome="done")
    assert [run.playbook for run in desk.state.incidents[incident].details.playbooks] == [name, name]


@pytest.mark.parametrize(
    ("verb", "arguments", "word"),
    [
        ("playbook_start", {}, "missing_playbook"),
        ("playbook_start", {"playbook": "nothing"}, "unknown_playbook"),
        ("playbook_step", {"outcome": "done"}, "no_playbook"),
        ("playbook_step", {"outcome": "perhaps"}, "unknown_word"),
    ],
)
def test_a_wrong_one_is_rejected_by_name(verb: str, arguments: dict[str, str], word: str) -> None:
    desk, incident = opened()
    (outcome,) = desk.command(verb, incident, **arguments)
    assert (outcome.TYPE, outcome.reason) == ("command.rejected", word)


def test_a_step_that_is_not_there_is_rejected() -> None:
    desk, incident = opened()
    desk.command("playbook_start", incident, playbook="own")
    (outcome,) = desk.command("playbook_step", incident, outcome="done", step=3)
    assert outcome.reason == "unknown_step"
