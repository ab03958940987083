"""Bytewax: a flow that maps whole batches, from Kafka to Kafka, in one worker."""

from importlib.metadata import version

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from counting import Count, asked

given = asked()
count = Count()
servers = given.servers.split(",")
flow = Dataflow("dedupe")
source = KafkaSource(servers, [given.topic], tail=False, batch_size=1000)
events = op.flat_map_batch(
    "dedupe",
    op.input("in", flow, source),
    lambda batch: [KafkaSinkMessage(*event) for message in batch for event in count.take(message.value)],
)
op.output("out", events, KafkaSink(servers, given.out))
run_main(flow)
count.tell(version=version("bytewax"))
