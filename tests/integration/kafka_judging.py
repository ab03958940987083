"""What became of alerts on a real Kafka, told by plain consumers and the independent checker.

In: a cluster, a prefix, what was sent, and what a webhook receiver got. Out: problems, one sentence each. The log is
read with aiokafka alone. `Subscriber` is somebody's own consumer that follows the rule for subscribers with
`tocsin.client` while everything happens; in the end it must have seen exactly the history that the checker judged.
"""

import asyncio
import contextlib
import hashlib
import json
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from integration.kafka_running import DIRECT, RAW, Installation, Spread, Stream
from tocsin.client import Events, counted_async
from tocsin.testing.checker import Checked, check
from tocsin.testing.lines import JOURNALS, Line, read_line

Place = tuple[str, int]
REST_SECONDS = 3.0
"""Longer than a tally waits and a retry rests."""


def _digest(value: bytes | None) -> str:
    return hashlib.blake2b(value or b"", digest_size=8).hexdigest()


class Subscriber:
    """A consumer in a group of its own. What a rebalance or a lost coordinator brings again it knows by its place."""

    def __init__(self, installation: Installation) -> None:
        self._prefix = installation.prefix
        self.seen: dict[Place, list[tuple[int, str]]] = defaultdict(list)
        """(topic, partition) -> (offset, digest) of everything that counted, in order."""
        self.opened: asyncio.Queue[str] = asyncio.Queue()
        """Incidents that were opened."""
        self.events = Events()
        self._consumer = AIOKafkaConsumer(
            *(self._prefix + topic for topic in JOURNALS),
            bootstrap_servers=installation.servers,
            group_id=f"{self._prefix}somebody",
            auto_offset_reset="earliest",
            enable_auto_commit=True,
        )
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Subscriber":
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._consumer.stop()

    async def _read(self) -> None:
        async for record in counted_async(self._consumer, events=self.events):
            kept = self.seen[record.topic.removeprefix(self._prefix), record.partition]
            if kept and record.offset <= kept[-1][0]:
                continue
            kept.append((record.offset, _digest(record.value)))
            if record.type == "incident.opened":
                self.opened.put_nowait(record.subject)

    async def caught_up(self, history: Mapping[Place, Sequence[tuple[int, str]]], seconds: float = 30.0) -> None:
        """Wait until it has seen as much as `history` has."""
        assert self._reading is not None
        ends = time.monotonic() + seconds
        while any(not self.seen[place] or self.seen[place][-1][0] < seen[-1][0] for place, seen in history.items()):
            assert not self._reading.done(), self._reading
            assert time.monotonic() < ends, "the subscriber did not come to the end of the log"
            await asyncio.sleep(0.05)


async def _ends(consumer: AIOKafkaConsumer, installation: Installation) -> dict[TopicPartition, int]:
    places = [TopicPartition(installation.prefix + topic, p) for topic, p in installation.places]
    ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    return ends


async def quiet(installation: Installation, seconds: float = 120.0) -> None:
    """Wait until no partition has grown for a while and every worker is ready.

    Raises:
        AssertionError: the log did not come to rest.
    """
    until = time.monotonic() + seconds
    before: object = None
    async with AIOKafkaConsumer(bootstrap_servers=installation.servers) as consumer:
        while time.monotonic() < until:
            now: object = None
            with contextlib.suppress(KafkaError):
                now = await _ends(consumer, installation)
            if now is not None and now == before:
                await asyncio.gather(*(worker.ready() for worker in installation.workers if worker.running))
                return
            before = now
            await asyncio.sleep(REST_SECONDS)
    raise AssertionError("the log did not come to rest")


async def read_log(installation: Installation) -> list[dict[str, Any]]:
    """Every record of the installation, as lines of `topics export`, each partition in order."""
    lines: list[dict[str, Any]] = []
    async with AIOKafkaConsumer(bootstrap_servers=installation.servers, enable_auto_commit=False) as consumer:
        ends = {place: end for place, end in (await _ends(consumer, installation)).items() if end}
        consumer.assign(list(ends))
        await consumer.seek_to_beginning()
        last = time.monotonic()
        while left := [place for place, end in ends.items() if await consumer.position(place) < end]:
            got = await consumer.getmany(*left, timeout_ms=1000)
            lines += [_line(record, installation.prefix) for records in got.values() for record in records]
            last = time.monotonic() if got else last
            assert time.monotonic() - last < 30, f"nothing more of {left}"
    return lines


def _line(record: "ConsumerRecord[bytes, bytes]", prefix: str) -> dict[str, Any]:
    value = record.value
    return {
        "topic": record.topic.removeprefix(prefix),
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "headers": [(name, text.decode("utf-8", "replace")) for name, text in record.headers],
        "value": None if value is None else value.decode("utf-8", "replace"),
        "digest": _digest(value),
    }


def history(log: Iterable[Mapping[str, Any]]) -> dict[Place, list[tuple[int, str]]]:
    """What counts of the journals, as a subscriber has to see it."""
    found: dict[Place, list[tuple[int, str]]] = defaultdict(list)
    for raw in log:
        line = read_line(raw)
        if line.topic in JOURNALS and line.counts:
            found[line.topic, line.partition].append((line.offset, raw["digest"]))
    return found


def received(one: Mapping[str, Any]) -> dict[str, Any]:
    """One request of the webhook receiver, as the checker takes it."""
    body = one["body"]
    assert body["delivery_id"] == one["headers"]["webhook-id"]
    return {name: body[name] for name in ("delivery_id", "attempt", "possible_duplicate")}


THAW_SECONDS = 2.0
"""A worker that was frozen between its last look and the last byte of a send ends that send within this time."""


def late_sends(sends: Sequence[Mapping[str, Any]], thawed: Sequence[float]) -> set[int]:
    """Which of `sends` came a second time without saying so, because their worker was frozen in the middle of them:
    the one thing that no fence prevents (PROTOCOL §6). More than a few of them a freeze are a fault of ours."""
    seen: set[tuple[str, int]] = set()
    late: set[int] = set()
    for nth, one in enumerate(sends):
        key = (one["body"]["delivery_id"], one["body"]["attempt"])
        marked = one["body"]["possible_duplicate"]
        if key in seen and not marked and any(0 <= one["at"] - at <= THAW_SECONDS for at in thawed):
            late.add(nth)
        seen.add(key)
    return late


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of the event log, read with nothing but sqlite3."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT topic, partition, offset FROM log")]


async def kept(installation: Installation, log: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the event log, once it has everything that counts in `log`; and it is sound."""
    file = installation.workers[0].directory / "state" / "events.sqlite3"
    wanted = sum(len(seen) for seen in history(log).values())
    keeper = installation.keeper()
    await keeper.start()
    try:
        until = time.monotonic() + 30
        found = await asyncio.to_thread(rows, file)
        while len(found) < wanted and time.monotonic() < until:
            await asyncio.sleep(0.1)
            found = await asyncio.to_thread(rows, file)
        verified = await asyncio.to_thread(keeper.command, "eventlog", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert await keeper.end() == 0, keeper.printed()
    finally:
        if keeper.running:
            keeper.kill()
    return found


async def judge(
    installation: Installation,
    sends: Sequence[Mapping[str, Any]],
    subscriber: Subscriber,
    loads: Sequence[Spread | Stream],
    *,
    holes: Collection[str] = (),
    thawed: Sequence[float] = (),
) -> Checked:
    """Everything that is promised, of an installation whose workers have been stopped in order.

    Args:
        holes: topics in which transactions of others leave marks.
        thawed: when frozen workers went on (Unix time).
    """
    log = await read_log(installation)
    late = late_sends(sends, thawed)
    heard = [received(one) for nth, one in enumerate(sends) if nth not in late]
    checked = check(log, heard, await kept(installation, log), holes=holes)
    counted = history(log)
    await subscriber.caught_up(counted)
    problems = [*checked.problems, *_intake(log, loads), *_subscribed(counted, subscriber)]
    if problems:
        kept_for_study(installation.directory, log, sends)
    lines = [read_line(line) for line in log]
    counts = {**checked.counts, "stale": sum(line.topic in JOURNALS and not line.counts for line in lines)}
    counts |= {
        "late sends": len(late),
        "claims": counts.get("journal.claimed", 0),
        "subscribed": sum(map(len, subscriber.seen.values())),
    }
    return Checked(problems, counts)


def _subscribed(counted: Mapping[Place, Sequence[Any]], subscriber: Subscriber) -> Iterable[str]:
    for place in sorted(counted.keys() | subscriber.seen.keys()):
        ours, theirs = list(counted.get(place, ())), subscriber.seen.get(place, [])
        # Records that came after the log was read are no difference.
        theirs = [one for one in theirs if not ours or one[0] <= ours[-1][0]]
        if ours != theirs:
            first = next((a or b for a, b in zip([*ours, None], [*theirs, None], strict=False) if a != b), None)
            yield f"the subscriber saw {len(theirs)} events of {place}, {len(ours)} count; first difference: {first}"


def _intake(log: Sequence[Mapping[str, Any]], loads: Sequence[Spread | Stream]) -> Iterable[str]:
    """Accepted is in the log, once; what is in the log was sent."""
    published = Counter(n for raw in log if raw["topic"] == RAW for n in numbers(read_line(raw)))
    for load in loads:
        direct = isinstance(load, Stream)
        accepted = load.accepted if isinstance(load, Stream) else set(load.accepted.values())
        found = {n for n in published if (n >= DIRECT) is direct}
        for n in sorted(accepted - found):
            yield f"alert {n} was accepted and is not in the log"
        for n in sorted(found - accepted - load.unknown):
            yield f"alert {n} is in the log and was refused"
        # A producer that did not get an answer may have written it twice.
        for n in sorted(accepted):
            if published[n] > 1:
                yield f"alert {n} is {published[n]} times in the log"


def numbers(line: Line) -> list[int]:
    """The `n` of the alerts in one raw record."""
    items = line.value if isinstance(line.value, list) else [line.value]
    return [int(item["annotations"]["n"]) for item in items if isinstance(item, dict) and "annotations" in item]


def told(problems: Sequence[str]) -> str:
    """The first problems, for a message."""
    return "\n".join([f"{len(problems)} problems", *problems[:20]])


def kept_for_study(directory: Path, log: Iterable[Mapping[str, Any]], sends: Iterable[Mapping[str, Any]]) -> None:
    """The evidence, one JSON document a line."""
    for name, documents in (("log.jsonl", log), ("sends.jsonl", sends)):
        (directory / name).write_text("".join(json.dumps(document) + "\n" for document in documents))
