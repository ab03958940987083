"""Faust as its handbook shows it: an agent, `async for`, a send for each new alert."""

import asyncio
import os
from importlib.metadata import version

import faust
from counting import Count, asked

given = asked()
app = faust.App(
    f"{given.topic}.faust",
    broker=f"kafka://{given.servers}",
    store="memory://",
    datadir="faust",
    web_enabled=False,
    autodiscover=False,
    topic_allow_declare=False,
    topic_disable_leader=True,
)
source = app.topic(given.topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
target = app.topic(given.out, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
count = Count()


@app.agent(source)
async def dedupe(stream: faust.StreamT[bytes]) -> None:
    async for value in stream:
        for key, event in count.take(value):
            await target.send(key=key, value=event)
        if count.records == given.records:
            await app.producer.flush()
            count.tell(version=version("faust-streaming"))
            os._exit(0)


async def main() -> None:
    await app.start()
    await asyncio.Event().wait()


asyncio.run(main())
