"""Two programs of the latency benchmark: one sends alerts at intended times, one takes the times when news can be read.

    python tests/benchmarks/open_loop.py send --servers … --topic … --partitions 4 --rate 1000 --seconds 10 --seed 1
    python tests/benchmarks/open_loop.py watch --servers … --topic … --partitions 4 --count 500 --seconds 30

Each is a process of its own, so that neither waits for the other or for what it measures. Times are of the monotonic
clock, which all processes of a machine share. One alert in twenty is new and has a service of its own, by which it is
known again; it says when it should have been sent, not when it was. No code of tocsin.
"""

import argparse
import asyncio
import json
import re
import time
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from alerts import Traffic

REPEATS: Final = 0.95
SERVICE: Final = re.compile(rb'"service":"([^"]+)"')
OPENED: Final = b"tocsin.incident.opened.v1"
HEADERS: Final = [("tocsin_format", b"alertmanager")]
AHEAD_SECONDS: Final = 0.2
"""Between the start of the program's clock and the first alert."""
ACKNOWLEDGED_WITHIN: Final = 30.0


def planned(rate: float, seconds: float, seed: int, repeats: float = REPEATS) -> Traffic:
    """What is sent; each new alert makes an incident of its own."""
    return Traffic(round(rate * seconds), repeats, seed=seed, grouped=1, began=datetime.now(UTC))


def markers(traffic: Traffic) -> dict[str, int]:
    """Service of each new alert -> its number among all alerts."""
    new = (number for number in range(traffic.count) if traffic.is_new(number))
    return {traffic.service(index): number for index, number in enumerate(new)}


async def send(asked: argparse.Namespace) -> dict[str, Any]:
    """Send everything; the start, how late the sender itself was, and what failed."""
    values = list(planned(asked.rate, asked.seconds, asked.seed, asked.repeats).records())
    late, sent = 0.0, []
    async with AIOKafkaProducer(bootstrap_servers=asked.servers, acks="all", linger_ms=0) as producer:
        await producer.partitions_for(asked.topic)
        start = time.monotonic() + AHEAD_SECONDS
        for number, value in enumerate(values):
            intended = start + number / asked.rate
            while (wait := intended - time.monotonic()) > 0:  # noqa: ASYNC110 - it waits for a time
                await asyncio.sleep(wait)
            late = max(late, -wait)
            partition = number % asked.partitions
            sent.append(await producer.send(asked.topic, value, partition=partition, headers=HEADERS))
        done, waiting = await asyncio.wait(sent, timeout=ACKNOWLEDGED_WITHIN)
    failed = len(waiting) + sum(one.exception() is not None for one in done)
    return {"start": start, "sent": len(values), "failed": failed, "sender_late_ms_max": round(late * 1000, 2)}


async def watch(asked: argparse.Namespace) -> dict[str, float]:
    """Service -> when it could first be read, from now on, until there are enough."""
    found: dict[str, float] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=asked.servers, auto_offset_reset="latest")
    await consumer.start()
    places = [TopicPartition(asked.topic, number) for number in range(asked.partitions)]
    consumer.assign(places)
    for place in places:
        await consumer.position(place)
    print("ready", flush=True)
    ends = time.monotonic() + asked.seconds
    while len(found) < asked.count and time.monotonic() < ends:
        batches = await consumer.getmany(timeout_ms=200)
        now = time.monotonic()
        for records in batches.values():
            for record in records:
                is_news = dict(record.headers).get("ce_type", OPENED) == OPENED
                if is_news and (match := SERVICE.search(record.value)):
                    found.setdefault(match[1].decode(), now)
    await consumer.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    programs = parser.add_subparsers(required=True)
    for name, program in (("send", send), ("watch", watch)):
        one = programs.add_parser(name)
        one.set_defaults(program=program)
        one.add_argument("--servers", required=True)
        one.add_argument("--topic", required=True)
        one.add_argument("--partitions", type=int, required=True)
        one.add_argument("--seconds", type=float, required=True)
        if program is send:
            one.add_argument("--rate", type=float, required=True)
            one.add_argument("--seed", type=int, required=True)
            one.add_argument("--repeats", type=float, default=REPEATS)
        else:
            one.add_argument("--count", type=int, required=True)
    asked = parser.parse_args()
    print(json.dumps(asyncio.run(asked.program(asked))), flush=True)


if __name__ == "__main__":
    main()
