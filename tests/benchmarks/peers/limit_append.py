"""The limit of any program on aiokafka that says something of each alert: get many, decode, encode, append batches."""

import asyncio
from importlib.metadata import version
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from counting import Count, asked


class Alert(msgspec.Struct):
    status: str
    labels: msgspec.Raw
    annotations: msgspec.Raw
    startsAt: str
    endsAt: str


class Webhook(msgspec.Struct):
    alerts: list[Alert]


HEADERS = [(f"ce_{name}", b"something of twenty b") for name in ("id", "type", "source", "time", "sequence", "subject")]


async def main() -> None:
    given = asked()
    count = Count()
    decode, encode = msgspec.json.Decoder(Webhook).decode, msgspec.json.Encoder().encode
    consumer = AIOKafkaConsumer(bootstrap_servers=given.servers, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(
        bootstrap_servers=given.servers, acks="all", enable_idempotence=True, max_batch_size=512 * 1024
    )
    await consumer.start()
    await producer.start()
    consumer.assign([TopicPartition(given.topic, number) for number in range(given.partitions)])
    sent: dict[int, Any] = {}
    count.begin()
    while count.records < given.records:
        for place, records in (await consumer.getmany(timeout_ms=500, max_records=4000)).items():
            builder = producer.create_batch()
            for record in records:
                for alert in decode(record.value).alerts:
                    value = encode(alert)
                    if builder.append(key=None, value=value, timestamp=None, headers=HEADERS) is None:
                        await producer.send_batch(builder, given.out, partition=place.partition)
                        builder = producer.create_batch()
                        builder.append(key=None, value=value, timestamp=None, headers=HEADERS)
                    count.alerts += 1
            sent[place.partition] = await producer.send_batch(builder, given.out, partition=place.partition)
            count.records += len(records)
    await asyncio.gather(*sent.values())
    count.tell(version=version("aiokafka"))
    await producer.stop()
    await consumer.stop()


asyncio.run(main())
