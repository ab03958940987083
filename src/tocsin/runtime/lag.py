"""How far behind the readers are, for the gauges: looked up now and then, never on the way of a record.

In: places of a reader. Out: `tocsin_consumer_lag_records` and `tocsin_oldest_unapplied_seconds`, for the event log
`tocsin_projection_lag_records`, too.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from tocsin.domain.instant import to_ms
from tocsin.runtime.arrivals import Place
from tocsin.runtime.world import World

__all__ = ["EVERY", "measure"]

EVERY: Final = 10.0
"""Seconds between two looks: about as often as a scrape."""
SINK: Final = "persist"


async def measure(world: World, stage: str, places: Mapping[Place, int]) -> list[tuple[Place, int, int]]:
    """Set the gauges of `stage`, which has read up to `places`: (topic, partition) -> next offset.

    Returns:
        For each: the place, the next offset, how many records are not read.

    Raises:
        Unavailable: the log does not answer now.
    """
    broker, now = world.broker, to_ms(world.now())
    behind: Counter[str] = Counter()
    lags = []
    for (topic, partition), offset in places.items():
        lag = max(0, await broker.end(topic, partition) - offset)
        waiting = await broker.read(topic, partition, offset, records_max=1) if lag else ()
        age = max(0, now - waiting[0].timestamp) / 1000 if waiting else 0.0
        world.metrics.set("tocsin_consumer_lag_records", lag, stage, topic, str(partition))
        world.metrics.set("tocsin_oldest_unapplied_seconds", age, stage, topic, str(partition))
        behind[topic] += lag
        lags.append(((topic, partition), offset, lag))
    for topic, lag in behind.items() if stage == SINK else ():
        world.metrics.set("tocsin_projection_lag_records", lag, topic)
    return lags
