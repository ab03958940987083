"""Records that nobody can use, between good ones: quarantined with reason and place, their neighbours unharmed."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from integration.running import running
from integration.waiting import incidents, post, shown
from tocsin.runtime.broker import Draft
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.topics import COMMANDS, RAW, REJECTED

pytestmark = pytest.mark.integration

POISON = {
    b"": "bad_json",
    b"{": "bad_json",
    b"\xff\xfe\x00": "bad_json",
    b"null": "",
    b'{"alerts": 3}': "bad_type",
    b"[" * 100_000: "",
    b'{"title": "x", "starts_at": 1e999}': "",
    b'{"title": "x", "labels": {"a": "\\ud800"}}': "",
    b'{"title": 7}': "",
    b"x" * 800_000: "bad_json",
}
"""Bytes to the reason, where it is worth a word that does not change."""


def good(n: int) -> dict[str, Any]:
    return {"title": f"good {n}", "labels": {"alertname": f"good-{n}"}}


@pytest.mark.timeout(90)
async def test_poison_in_a_request_is_named_and_its_neighbours_are_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, sink):
        reply = await post(tocsin, [good(1), {"title": 7}, good(2), {"labels": {"a": 1}}, good(3)])
        assert reply.status_code == 207
        items = reply.json()["items"]
        assert [item["error"] is None for item in items] == [True, False, True, False, True]
        assert all(item["error"]["error"] and item["error"]["message"] for item in items if item["error"])
        for body in POISON:
            reply = await post(tocsin, body)
            assert reply.status_code == 400, (body[:30], reply.text)
            answer = reply.json()
            said = answer["items"][0]["error"] if "items" in answer else answer
            assert said["error"]
            assert said["message"]
        assert (await post(tocsin, good(4))).status_code == 202
        await tocsin.quiet()
        assert sorted(one["title"] for one in await incidents(tocsin)) == [f"good {n}" for n in (1, 2, 3, 4)]
        assert len(sink.journal) == 4
        assert await shown(tocsin, "rejected", "list") == [], "what was refused is nowhere: its sender knows"


@pytest.mark.timeout(90)
async def test_poison_from_a_producer_is_kept_with_reason_place_and_every_byte(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, _):
        assert tocsin.stop() == 0
        first = await produce(tmp_path / "state" / "log.sqlite3")
        await tocsin.start()
        await tocsin.quiet()
        assert sorted(one["title"] for one in await incidents(tocsin)) == sorted(
            f"good {n}" for n in range(len(POISON) + 1)
        )
        listed = await shown(tocsin, "rejected", "list")
        by_place = {(one["source"], one["position"]): one for one in listed}
        for nth, (value, word) in enumerate(POISON.items()):
            place = (f"{RAW.name}/0", str(first + 2 * nth + 1))
            found = by_place.pop(place, None) or by_place.pop((place[0], f"{place[1]}/0"))
            assert found["stage"] == "ingest"
            assert found["reason"]
            assert found["message"]
            assert word in ("", found["reason"])
            whole = await shown(tocsin, "rejected", "show", found["id"])
            kept = base64.b64decode(whole["value_base64"]) if "value_base64" in whole else whole["value"].encode()
            assert kept == value
        (command,) = by_place.values()
        assert (command["stage"], command["source"], command["reason"]) == (
            "correlate",
            f"{COMMANDS.name}/0",
            "bad_command",
        )
        printed = await asyncio.to_thread(tocsin.command, "rejected", "show", command["id"])
        assert '{"verb": 1}' in printed.stdout
        assert tocsin.stop() == 0


@pytest.mark.timeout(90)
async def test_what_was_rejected_by_mistake_is_requeued_once_and_for_all(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, sink):

        def command(*words: str) -> tuple[int, str, str]:
            done = tocsin.command("rejected", *words)
            return done.returncode, done.stdout, done.stderr

        assert tocsin.stop() == 0
        await reject_by_mistake(tmp_path / "state" / "log.sqlite3")
        await tocsin.start()
        code, _, words = await asyncio.to_thread(command, "requeue", "--all", "--reason", "ingest_bug")
        assert (code, "3 records (3 ingest_bug): nobody can be asked here, so give --yes" in words) == (2, True)
        code, out, words = await asyncio.to_thread(command, "requeue", "0/1", "--as", "ada", "-o", "jsonl")
        assert (code, json.loads(out)["id"], words) == (0, "0/1", "1 requeued\n")
        code, _, words = await asyncio.to_thread(command, "requeue", "0/1")
        assert (code, "1 of 1 were not requeued" in words) == (1, True)
        code, out, _ = await asyncio.to_thread(
            command, "requeue", "--all", "--reason", "ingest_bug", "-y", "-o", "jsonl"
        )
        assert (code, [json.loads(line)["id"] for line in out.splitlines()]) == (0, ["0/0", "0/2"])
        code, _, words = await asyncio.to_thread(command, "requeue", "--all", "-y")
        assert (code, words) == (1, "0 requeued\nError: 1 of 1 were not requeued\n")
        code, _, _ = await asyncio.to_thread(command, "requeue", "0/99")
        assert code == 3
        await tocsin.quiet()
        assert sorted(one["title"] for one in await incidents(tocsin)) == [f"good {n}" for n in range(3)]
        assert len(sink.journal) == 3
        listed = {one["id"]: one for one in await shown(tocsin, "rejected", "list", "--reason", "ingest_bug")}
        assert listed["0/1"]["requeued_by"] == "ada"
        assert all("requeued_at" in one for one in listed.values())
        assert tocsin.stop() == 0


async def reject_by_mistake(path: Path) -> None:
    """Three good alerts that a tocsin with a bug rejected, and one that was cut."""
    broker = EmbeddedBroker.open(path, clock=SystemClock(), instance="old")
    own = {"reason": b"ingest_bug", "message": b"KeyError", "stage": b"ingest", "source": b"alerts.raw.v1/0"}
    headers = tuple((f"tocsin_error_{name}", value) for name, value in own.items())
    for n in range(3):
        place = ("tocsin_error_position", b"%d" % n)
        await broker.append(REJECTED.name, 0, [Draft(None, json.dumps(good(n)).encode(), (*headers, place))])
    cut = tuple((name, value.replace(b"ingest_bug", b"too_large")) for name, value in headers)
    place = ("tocsin_error_position", b"3")
    await broker.append(REJECTED.name, 0, [Draft(None, b"{", (*cut, place, ("tocsin_error_cut", b"headers, value")))])
    await broker.close()


async def produce(path: Path) -> int:
    """Somebody writes to the log while tocsin is away; good and bad in turns. Returns the first offset."""
    broker = EmbeddedBroker.open(path, clock=SystemClock(), instance="producer")
    values: list[bytes] = [json.dumps(good(0)).encode()]
    for n, value in enumerate(POISON, 1):
        values += [value, json.dumps(good(n)).encode()]
    first = await broker.append(RAW.name, 0, [Draft(None, values[0])])
    for value in values[1:]:
        await broker.append(RAW.name, 0, [Draft(None, value)])
    await broker.append(COMMANDS.name, 0, [Draft(b"inc", b'{"verb": 1}')])
    await broker.close()
    return first
