"""The database says of an incident exactly what its owner knows, whatever people and alerts did to it."""

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest

from property.test_desk import play
from tocsin.domain.details import Details
from tocsin.domain.incident import Incident
from tocsin.persist.answer import incident as answered
from tocsin.persist.sqlite import EventLog
from tocsin.stage import Portion
from tocsin.topics import INCIDENTS
from unit.persist.rig import record

LIVES = 20


@pytest.mark.parametrize("number", range(LIVES))
def test_the_views_say_what_the_owner_knows(number: int, seed: int, tmp_path: Path) -> None:
    desk, _ = play(seed + 7_000_000 + number)
    path = tmp_path / "events.sqlite3"

    async def told() -> None:
        log = EventLog.open(path)
        records = [record(event, offset) for offset, event in enumerate(desk.events)]
        await log.append([Portion(INCIDENTS.name, 0, records, len(records))])
        log.close()

    asyncio.run(told())
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT id, opened_us, doc, updated_us, retired_us FROM incidents").fetchall()
    connection.close()
    known = {row[0]: row for row in rows}
    for incident in desk.state.incidents.values():
        row = known[incident.id]
        assert msgspec.json.decode(row[2], type=Incident) == incident, f"seed {seed + 7_000_000 + number}"
        details = incident.details or Details()
        shown = answered((*row[1:2], row[0], *row[2:], None))
        for name in ("root_cause", "urgency", "voided"):
            assert shown[name] == getattr(details, name)
        assert len(shown["follow_ups"]) == len(details.follow_ups)
        assert shown["impact"]["users_affected"] == details.impact.users_affected
