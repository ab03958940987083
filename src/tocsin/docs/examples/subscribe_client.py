"""Prints tocsin's events with tocsin.client, which applies the rule: subscribe_client.py SERVERS TOPIC GROUP"""

import sys

from confluent_kafka import Consumer

from tocsin.client import counted

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
for event in counted(consumer):
    print(event.partition, event.offset, f"tocsin.{event.type}.v1", event.id, flush=True)
    consumer.commit(asynchronous=False)
