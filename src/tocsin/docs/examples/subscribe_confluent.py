"""Prints tocsin's events with confluent-kafka: subscribe_confluent.py SERVERS TOPIC GROUP"""

import sys

from confluent_kafka import Consumer, KafkaException

servers, topic, group = sys.argv[1:]
consumer = Consumer(
    {
        "bootstrap.servers": servers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
consumer.subscribe([topic])
while True:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        raise KafkaException(message.error())
    headers = dict(message.headers() or [])
    # The rule: a record counts if it lies at the offset that its writer expected.
    if headers.get("ce_sequence") == b"%020d" % message.offset():
        print(message.partition(), message.offset(), headers["ce_type"].decode(), headers["ce_id"].decode(), flush=True)
    consumer.commit(message, asynchronous=False)  # after the work: a crash repeats the last event, and loses none
