"""The limit of any program on aiokafka: get many records and decode them, nothing else."""

import asyncio
from importlib.metadata import version

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from counting import Count, asked


class Alert(msgspec.Struct):
    status: str
    labels: msgspec.Raw
    annotations: msgspec.Raw
    startsAt: str
    endsAt: str


class Webhook(msgspec.Struct):
    alerts: list[Alert]


async def main() -> None:
    given = asked()
    count = Count()
    decode = msgspec.json.Decoder(Webhook).decode
    consumer = AIOKafkaConsumer(bootstrap_servers=given.servers, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(given.topic, number) for number in range(given.partitions)])
    count.begin()
    while count.records < given.records:
        for records in (await consumer.getmany(timeout_ms=500, max_records=4000)).values():
            for record in records:
                count.alerts += len(decode(record.value).alerts)
            count.records += len(records)
    count.tell(version=version("aiokafka"))
    await consumer.stop()


asyncio.run(main())
