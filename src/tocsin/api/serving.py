"""What the routers work with: the node, the settings, the queries; found on the application's state."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Depends, Request

from tocsin.api.answer import Failure
from tocsin.api.links_made import links_of
from tocsin.api.rate import Rates
from tocsin.notify.links import SignedLinks
from tocsin.persist.queries import Queries
from tocsin.runtime.broker import BATCH_BYTES_MAX, Broken, Doubt, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.node import Node, NotReady
from tocsin.settings import Settings
from tocsin.topics import Topic
from tocsin.wire.record import Draft

BODIES_BYTES_MAX: Final = 128 * 1024 * 1024
"""Bodies in memory at once: four of the largest, or thousands of usual ones."""
BODY_SECONDS_MAX: Final = 30.0
"""For a whole body: 32 MB at 10 Mbit/s; a client that drips bytes holds no place for longer."""
CHANGES_PER_SECOND: Final = 1.0
CHANGES_BURST: Final = 2000.0
"""Changes of the settings over HTTP, by everybody together: their journal is kept for ever and read whole at each
start. People never come near, a program in a loop does; an import of everything there is goes through at once."""
VISITS_PER_SECOND: Final = 5.0
VISITS_BURST: Final = 100.0
"""Visits with one link; and, in a bucket of their own so that they take nothing from the others, everything forged. A
person taps, a mail scanner looks twice."""
CALLS_PER_SECOND: Final = 50.0
CALLS_BURST: Final = 1000.0
"""Signed calls of one provider: what people do, and what another system changes in a storm; it sends again."""
NO_DATABASE: Final = "no_database"
RECORD_OVERHEAD: Final = 100
"""Bytes that a record takes in a batch besides its own."""


class Serving:
    """One application's surroundings."""

    def __init__(self, node: Node, settings: Settings, clock: Clock, links: SignedLinks | None = None) -> None:
        self.node = node
        self.clock = clock
        self.links = links or links_of(settings, clock.now)
        self.started_at = clock.now()
        self.settings = settings
        self._incarnations: dict[str, str] = {}
        self.changes = Rates(CHANGES_PER_SECOND, CHANGES_BURST)
        self.visits = Rates(VISITS_PER_SECOND, VISITS_BURST)
        self.calls = Rates(CALLS_PER_SECOND, CALLS_BURST)
        self.body_seconds = BODY_SECONDS_MAX
        self.bodies_bytes = 0
        """Bytes of bodies that are being read or worked on."""

    @property
    def queries(self) -> Queries:
        """The views.

        Raises:
            Failure: this process has no database.
        """
        if self.node.event_log is None:
            raise Failure(503, NO_DATABASE, "this process keeps no event log", retry_after=5)
        return self.node.event_log.queries

    async def publish(self, topic: Topic, partition: int, drafts: Sequence[Draft]) -> list[int]:
        """Append `drafts` durably, in as few batches as fit, and return their offsets.

        Only the log has to be well: alerts are taken while the database is down.

        Raises:
            Failure: 503 when the log cannot take them. What was appended before stays; a repeat is counted as one.
        """
        offsets: list[int] = []
        try:
            for batch in batches(drafts):
                first = await self.node.publish(topic.name, partition, batch)
                offsets += range(first, first + len(batch))
        except NotReady as error:
            raise Failure(503, "not_ready", f"tocsin is not ready: {error}", retry_after=2) from error
        except (Unavailable, Doubt) as error:
            raise Failure(503, "log_unavailable", f"the log cannot take it now: {error}", retry_after=2) from error
        except Broken as error:
            raise Failure(503, "log_broken", f"the log is broken: {error}", retry_after=30) from error
        return offsets

    async def incarnation(self, topic: Topic) -> str:
        """The broker's incarnation of `topic`, asked once."""
        if topic.name not in self._incarnations:
            self._incarnations[topic.name] = await self.node.broker.incarnation(topic.name)
        return self._incarnations[topic.name]


def batches(drafts: Sequence[Draft]) -> list[list[Draft]]:
    """`drafts` in order, cut so that each batch fits one append."""
    found: list[list[Draft]] = []
    size = 0
    for draft in drafts:
        weight = draft.size + RECORD_OVERHEAD
        if not found or size + weight > BATCH_BYTES_MAX:
            found.append([])
            size = 0
        found[-1].append(draft)
        size += weight
    return found


async def _serving(request: Request) -> Serving:
    # A coroutine, though it waits for nothing: FastAPI runs anything else in a thread, which costs a request 0.16 ms.
    found = request.app.state.serving
    assert isinstance(found, Serving)
    return found


Served = Annotated[Serving, Depends(_serving)]
