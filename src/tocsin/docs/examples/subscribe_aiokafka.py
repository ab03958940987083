"""Prints tocsin's events with aiokafka: subscribe_aiokafka.py SERVERS TOPIC GROUP"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer


async def main(servers: str, topic: str, group: str) -> None:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer:
        async for record in consumer:
            headers = dict(record.headers)
            # The rule: a record counts if it lies at the offset that its writer expected.
            if headers.get("ce_sequence") == b"%020d" % record.offset:
                print(
                    record.partition, record.offset, headers["ce_type"].decode(), headers["ce_id"].decode(), flush=True
                )
            await consumer.commit()  # after the work: a crash repeats the last event, and loses none


asyncio.run(main(*sys.argv[1:]))
