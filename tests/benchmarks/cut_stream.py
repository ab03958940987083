"""`tocsin run` without what comes after correlate: raw alerts from Kafka in, durable incident events out.

    python tests/benchmarks/cut_stream.py -c tocsin.yaml

The metric of P1 and P2 ends at the incident's events; escalate and notify have theirs. Put together as in
`cli/composition.py`, with the collector set as in `cli/run.py`; over HTTP it answers `/-/ready` only.
"""

import argparse
import asyncio
import gc
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from tocsin import topology
from tocsin.cli.composition import prepare_logging
from tocsin.cli.kafka import join_cluster
from tocsin.cli.run import YOUNG
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.node import Node
from tocsin.settings import Settings, load

KEPT = ("ingest", "correlate")


async def serve(settings: Settings) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        broker, shared = await join_cluster(settings, clock, stack)
        node = Node(
            broker=broker,
            clock=clock,
            instance=settings.instance,
            rules=settings.rules(),
            event_log=None,
            channels={},
            partitions=settings.partitions,
            stream=tuple(stage for stage in topology.STREAM if stage.name in KEPT),
            groups=settings.run.groups,
            shared=shared,
        )
        await node.start()
        stack.push_async_callback(node.stop, 5.0)
        while not node.health().ready:  # noqa: ASYNC110 - the node sets no event for it
            await asyncio.sleep(0.02)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*YOUNG)
        server = await asyncio.start_server(_answer, *settings.http.address)
        stack.callback(server.close)
        failed = asyncio.ensure_future(node.failed())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait([failed, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if failed.done():
            raise RuntimeError(f"crashed: {failed.result()!r}")
        failed.cancel()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-c", "--config", type=Path, required=True)
    asked = parser.parse_args()
    prepare_logging(verbose=False)
    asyncio.run(serve(load(asked.config, os.environ)))


if __name__ == "__main__":
    main()
