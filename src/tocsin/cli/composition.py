"""Everything that `tocsin run` is made of, put together and taken apart in order.

In: settings. Out: a running node with its HTTP side. The log is opened first and closed last.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

from tocsin.api.app import create
from tocsin.api.links_made import links_of
from tocsin.api.server import Server
from tocsin.notify.channel import Around
from tocsin.notify.channels.build import build
from tocsin.notify.channels.options import per_second
from tocsin.notify.wording import Templates
from tocsin.persist.sqlite import EventLog
from tocsin.runtime.beacon import Beacon
from tocsin.runtime.broker import Broker
from tocsin.runtime.canary import Canary
from tocsin.runtime.clock import Clock, SystemClock
from tocsin.runtime.embedded.broker import EmbeddedBroker
from tocsin.runtime.expecting import Expecting
from tocsin.runtime.node import Node
from tocsin.runtime.share import Shared
from tocsin.runtime.vigil import Vigil
from tocsin.settings import Settings
from tocsin.topics import RAW

DRAIN_SECONDS: Final = 6.0
"""For the node; with the HTTP side's 2 s and the closing of files it stays below the promised 10 s."""

READY_SECONDS: Final = 5.0
"""The promise for a restart; what takes longer is said, and goes on."""
READY_LOOK_SECONDS: Final = 0.02


class Running:
    """A running tocsin."""

    def __init__(self, node: Node, server: Server) -> None:
        self.node = node
        self.server = server

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.url

    async def ready(self, stop: asyncio.Event) -> list[str]:
        """Wait until everything is worked on, `stop` is set, or `READY_SECONDS` have passed.

        Returns:
            The problems that are left; empty when it is ready.
        """
        ends = asyncio.get_running_loop().time() + READY_SECONDS
        while problems := self.node.health().problems:
            if stop.is_set() or asyncio.get_running_loop().time() > ends:
                break
            await asyncio.sleep(READY_LOOK_SECONDS)
        return list(problems)

    async def until(self, stop: asyncio.Event) -> BaseException | None:
        """Wait for `stop` (None) or for the crash of a part (what it was)."""
        crash = asyncio.ensure_future(self.node.failed())
        ended = asyncio.ensure_future(self.server.ended())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([crash, ended, stopped], return_when=asyncio.FIRST_COMPLETED)
            if crash.done():
                return crash.result()
            if ended.done():
                return ended.exception() or RuntimeError("the HTTP side ended")
            return None
        finally:
            for task in (crash, ended, stopped):
                task.cancel()


@asynccontextmanager
async def running(settings: Settings, *, drain: float = DRAIN_SECONDS) -> AsyncIterator[Running]:
    """Start everything; stop it again at the end of the block, within `drain` + 3 seconds.

    Raises:
        TocsinError: the directory is held by another process (its holder is named), the address is taken, or Kafka
            cannot be used (with the remedy).
        ValueError: the log was made with another number of partitions.
    """
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        log_of = _kafka if settings.servers else _embedded
        laid_out = await log_of(settings, clock, stack)
        event_log = None
        if "persist" in settings.run.groups:
            settings.event_log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            event_log = EventLog.open(settings.event_log_path, holder=f"tocsin run, instance {settings.instance}")
            stack.callback(event_log.close)
        links = links_of(settings, clock.now)
        templates = Templates(links)
        channels = build(settings.channels(), Around(instance=settings.instance, links=links, wording=templates))
        for channel in channels.values():
            stack.push_async_callback(channel.close)
        node = Node(
            broker=laid_out.broker,
            clock=clock,
            instance=settings.instance,
            rules=settings.rules(),
            event_log=event_log,
            channels=channels,
            per_second=per_second(settings.channels()),
            partitions=settings.partitions,
            groups=settings.run.groups,
            sources=(RAW.name, *settings.ingest.topics),
            shared=laid_out.shared,
            templates=templates,
            vigils=vigils_of(settings),
        )
        server = Server(create(node, settings=settings, clock=clock, links=links), settings.http.address)
        stack.push_async_callback(server.stop)
        await node.start()
        stack.push_async_callback(node.stop, drain)
        server.start()
        # First the HTTP side, so that nothing is accepted that the node would leave to the next start.
        stack.push_async_callback(server.stop)
        yield Running(node, server)


def vigils_of(settings: Settings) -> list[Vigil]:
    """Who watches over this process.

    Raises:
        ValueError: the address of the heartbeat cannot be called.
    """
    watch, found = settings.watch, list[Vigil]()
    if "persist" in settings.run.groups:
        found.append(Expecting())
    if watch.heartbeat is not None:
        found.append(Beacon(watch.heartbeat.url.reveal(), watch.heartbeat.every.total_seconds()))
    if watch.canary is not None:
        canary = watch.canary
        found.append(Canary(canary.every.total_seconds(), canary.target, canary.page_every.total_seconds()))
    return found


class _Log(NamedTuple):
    """The log, and with others at it how its partitions are shared."""

    broker: Broker
    shared: Shared | None = None


async def _embedded(settings: Settings, clock: Clock, stack: AsyncExitStack) -> _Log:
    settings.log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    broker = EmbeddedBroker.open(
        settings.log_path, partitions=settings.partitions, clock=clock, instance=settings.instance
    )
    stack.push_async_callback(broker.close)
    return _Log(broker)


async def _kafka(settings: Settings, clock: Clock, stack: AsyncExitStack) -> _Log:
    # Only here: who uses the embedded log does not wait for Kafka's libraries at every command.
    from tocsin.cli.kafka import join_cluster

    return _Log(*await join_cluster(settings, clock, stack))


FOREIGN: Final = ("aiokafka", "faust", "mode", "tocsin.runtime.kafka.transport")
"""Loggers of the Kafka client, which repeats itself as long as something lasts, and of our subclasses of it. What keeps
tocsin from working stands in `/-/ready`, is logged once, and ends with a remedy."""


def prepare_logging(verbose: bool) -> None:
    """Warnings of all parts to standard error, with `verbose` everything that tocsin and the Kafka client say."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("tocsin").setLevel(logging.INFO if verbose else logging.WARNING)
    if not verbose:
        for name in FOREIGN:
            logging.getLogger(name).setLevel(logging.CRITICAL)
