"""Examples of `incidents.events.v1`: a playbook that somebody works through."""

from typing import Final

from tocsin.domain import events as ev
from tocsin.domain.rules import PlaybookStep
from tocsin.wire.examples.incident import ACKNOWLEDGED, BY_PERSON, change

PLAYBOOKS: Final = (
    change(
        ev.PlaybookStarted,
        34,
        1700,
        "playbook_started",
        header=ACKNOWLEDGED,
        playbook="disk-full",
        title="A disk is full",
        steps=(
            PlaybookStep(text="Find what grows", minutes=5.0, skills=("system_admin",)),
            PlaybookStep(text="Make room", minutes=10.0),
        ),
        **BY_PERSON,
    ),
    change(
        ev.PlaybookStepDone,
        35,
        1800,
        "step_done",
        header=ACKNOWLEDGED,
        playbook="disk-full",
        step=2,
        outcome="done",
        note="40 GB of old backups",
        **BY_PERSON,
    ),
    change(
        ev.PlaybookFinished,
        36,
        1800,
        "playbook_finished",
        header=ACKNOWLEDGED,
        playbook="disk-full",
        done=2,
        skipped=0,
        failed=0,
        **BY_PERSON,
    ),
)
