"""A disk that fills up under `tocsin run`: the intake says 503, what was accepted stays, and with room it goes on by
itself."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.running import Sink, Tocsin
from integration.test_kill import TOPICS, received, rows
from integration.waiting import post, until
from tocsin.testing.checker import check

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux: it mounts a tmpfs"),
]
SIZE_MB = 24
"""Beyond what the write-ahead logs of both databases take before they are brought in."""
ALERTS_MAX = 5000
"""More than the disk holds."""
REFUSED_IN_A_ROW = 30


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some megabytes; its end is the end of the test."""
    where = tmp_path / "state"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(where)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"may not mount a tmpfs here: {mounted.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def grow(where: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={SIZE_MB * 20}m", str(where)], check=True)


def alert(n: int) -> dict[str, Any]:
    text = "x" * 4000  # half a disk of text soon
    return {
        "title": f"alert {n}",
        "labels": {"alertname": f"check-{n % 20}", "n": str(n)},
        "annotations": {"why": text},
    }


async def fill(tocsin: Tocsin) -> tuple[set[int], int, str]:
    """Send until nothing is accepted any more: the accepted numbers, the next number, and what a refusal says.

    Single refusals come before that: room is found once the write-ahead log is brought in.
    """
    accepted: set[int] = set()
    refused = 0
    for n in range(ALERTS_MAX):
        reply = await post(tocsin, alert(n))
        assert reply.status_code in (202, 503), reply.text
        if reply.status_code == 202:
            accepted.add(n)
            refused = 0
            continue
        assert reply.headers["retry-after"]
        refused += 1
        if refused == REFUSED_IN_A_ROW:
            return accepted, n + 1, reply.text
    raise AssertionError(f"{ALERTS_MAX} alerts fit {SIZE_MB} MB")


@pytest.mark.timeout(180)
async def test_a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    async with Sink() as sink:
        tocsin = Tocsin(tmp_path, sink.url)
        await tocsin.start()
        assert tocsin.process is not None
        accepted, following, said = await fill(tocsin)
        assert "full" in said
        assert json.loads(said)["error"] == "log_unavailable"
        assert tocsin.process.poll() is None, tocsin.printed()

        grow(small_disk)

        async def taken() -> bool:
            nonlocal following
            reply = await post(tocsin, alert(following))
            accepted.update({following} if reply.status_code == 202 else ())
            following += 1
            return reply.status_code == 202

        await until(taken, "an alert is accepted again")
        await tocsin.quiet()
        assert tocsin.stop() == 0, tocsin.printed()
        await tocsin.start()
        log = [line for topic in TOPICS for line in tocsin.exported(topic)]
        verified = await asyncio.to_thread(tocsin.command, "eventlog", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert tocsin.stop() == 0
    judge(accepted, log, sink, tmp_path)


def judge(accepted: set[int], log: list[dict[str, Any]], sink: Sink, directory: Path) -> None:
    """Everything that was accepted is there once, and the checker finds nothing."""
    published = Counter(
        int(item["labels"]["n"])
        for line in log
        if line["topic"] == "alerts.raw.v1"
        for item in [json.loads(line["value"])]
    )
    assert len(accepted) > 100
    assert accepted == published.keys(), "202 means it is in the log, 503 that it is not"
    assert set(published.values()) == {1}
    checked = check(log, [received(one) for one in sink.journal], rows(directory / "state" / "events.sqlite3", log))
    assert not checked.problems, "\n".join(checked.problems[:20])
    assert checked.counts["incident.opened"] >= 20
