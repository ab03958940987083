"""What may happen to derived topics, and what has to hold of them in the end.

In: a record; a log with the state of an owner. Out: the record as a fault leaves it; what the public topic says wrong.
"""

from random import Random
from typing import Any

from tocsin.domain.instant import Instant
from tocsin.runtime.broker import Broker, Record
from tocsin.stage import Showing
from tocsin.testing.broker import MemoryBroker
from tocsin.topics import CHECKPOINTS, STATE
from tocsin.wire.events import counts
from tocsin.wire.state import decode_state

__all__ = ["flipped", "shown_wrong", "upset"]


async def upset(broker: MemoryBroker, partition: int, now: Instant, random: Random) -> None:
    """What is derived is compacted, dropped, or damaged."""
    luck = random.random()
    if luck < 0.4:
        await broker.retain(now)
    elif luck < 0.6:
        topic = random.choice((STATE.name, CHECKPOINTS.name))
        await broker.trim(topic, partition, await broker.end(topic, partition))
    elif records := await broker.read(CHECKPOINTS.name, partition, 0):
        for _ in range(random.choice((1, 1, 5))):
            broker.damage(CHECKPOINTS.name, partition, flipped(random.choice(records), random))


def flipped(record: Record, random: Random) -> Record:
    """`record` with one bit of its key or its value changed, or its value shortened or gone."""
    what = random.choice(("key", "value", "value", "value", "shorter", "gone"))
    if what == "gone" or not record.value or not record.key:
        return record._replace(value=None)
    if what == "shorter":
        return record._replace(value=record.value[: random.randrange(len(record.value))])
    was = record.key if what == "key" else record.value
    at, bit = random.randrange(len(was)), 1 << random.randrange(8)
    now = bytes((*was[:at], was[at] ^ bit, *was[at + 1 :]))
    return record._replace(key=now) if what == "key" else record._replace(value=now)


async def shown_wrong(broker: Broker, stage: Showing[Any], state: Any, partition: int) -> list[str]:
    """What the public topic says otherwise than `state`: the newest record of each key, whoever wrote it."""
    newest: dict[str, Record] = {}
    offset = await broker.begin(STATE.name, partition)
    while records := await broker.read(STATE.name, partition, offset):
        newest.update(((record.key or b"").decode(), record) for record in records)
        offset = records[-1].offset + 1
    problems = []
    for key in {*newest, *stage.keys(state)}:
        record, shown = newest.get(key), stage.show(state, key)
        value = record.value if record is not None else None
        if (None if value is None else decode_state(value)) != shown:
            problems.append(f"{STATE.name}/{partition}: {key} is shown as {value!r}, and is {shown}")
        elif record is not None and not counts(record.headers, record.offset):
            problems.append(f"{STATE.name}/{partition}: the newest record of {key}, at {record.offset}, does not count")
    return problems
