"""kill -9 of `tocsin run` at random moments under 500 alerts a second: nothing accepted is lost, nothing is doubled.

The judge (`tocsin.testing.checker`) uses none of the product's fold code: it reads what `topics export` prints, the
rows of the database, and the journal of the webhook receiver.
"""

import asyncio
import contextlib
import json
import os
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from integration.load import Load
from integration.running import Sink, Tocsin
from tocsin.testing.checker import check

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("TOCSIN_KILLS", "20"))
"""Of both tests together: at least 20 for the promise; more at length."""
RATE = 500.0
RAW = "alerts.raw.v1"
TOPICS = (
    RAW,
    "alerts.normalized.v1",
    "incidents.commands.v1",
    "alerts.rejected.v1",
    "settings.events.v1",
    "incidents.events.v1",
    "escalations.events.v1",
    "notifications.events.v1",
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("partitions", "kills"), [(1, KILLS - KILLS // 4), (4, KILLS // 4)])
async def test_nothing_is_lost_or_doubled_by_kill_9(tmp_path: Path, seed: int, partitions: int, kills: int) -> None:
    chance = random.Random(seed)
    over = False
    async with Sink() as sink:
        tocsin = Tocsin(tmp_path, sink.url, partitions=partitions)
        await tocsin.start()
        load = Load(tocsin.url, RATE)
        running = asyncio.create_task(load.run(lambda: over))
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.1, 1.5))
            tocsin.kill()
            await tocsin.start()
        await asyncio.sleep(1)
        over = True
        await running
        await tocsin.quiet()
        assert tocsin.stop() == 0  # in order, so that everything accepted has to be applied
        await tocsin.start()
        log = [line for topic in TOPICS for line in tocsin.exported(topic)]
        verified = tocsin.command("eventlog", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert tocsin.stop() == 0
    checked = check(log, [received(one) for one in sink.journal], rows(tmp_path / "state" / "events.sqlite3", log))
    print(
        f"{kills} kills, {len(load.accepted)} accepted, {len(load.unknown)} unanswered, seed {seed}: {checked.counts}"
    )
    assert not checked.problems, "\n".join(checked.problems[:20])
    assert checked.counts["alerts"] > 500
    published = Counter(int(item["annotations"]["n"]) for line in log if line["topic"] == RAW for item in items(line))
    assert set(load.accepted.values()) <= published.keys(), "accepted with 2xx and not in the log"
    assert published.keys() <= set(load.accepted.values()) | load.unknown, "in the log and never sent"
    assert set(published.values()) == {1}


def received(one: dict[str, Any]) -> dict[str, Any]:
    """One request of the webhook receiver, as the checker takes it."""
    body = one["body"]
    assert body["delivery_id"] == one["headers"]["webhook-id"]
    return {name: body[name] for name in ("delivery_id", "attempt", "possible_duplicate")}


def rows(path: Path, log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the event log up to where `log` was exported, read with nothing but sqlite3."""
    last = {(line["topic"], line["partition"]): line["offset"] for line in log}
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        every = [dict(row) for row in database.execute("SELECT topic, partition, offset FROM log")]
    return [row for row in every if row["offset"] <= last[row["topic"], row["partition"]]]


def items(line: dict[str, Any]) -> list[dict[str, Any]]:
    value = line["value"]
    value = json.loads(value) if isinstance(value, str) else value
    return value if isinstance(value, list) else [value]
