"""What a consumer group reads belongs to its name (PROTOCOL §8): members of a rolling upgrade that subscribe to other
topics would break co-partitioning. Whoever changes a set gives the group a new name."""

from tocsin import topology
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.core_share import CoreShare
from tocsin.runtime.lanes import Lanes
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.supervisor import Supervisor
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world
from tocsin.topics import EVENT_TOPICS

CORE = (
    "alerts.normalized.v1",
    "incidents.commands.v1",
    "incidents.events.v1",
    "escalations.events.v1",
)
PERSIST = ("settings.events.v1", "incidents.events.v1", "escalations.events.v1", "notifications.events.v1")


def test_the_groups_read_what_their_names_stand_for() -> None:
    clock = VirtualClock(SystemClock().now())
    world = toy_world(MemoryBroker(clock, 1), clock)
    core = CoreShare(world, SettingsFeed(world), Supervisor(), Lanes({}), 1, topology.STREAM)
    assert (core.name, core.topics) == ("core", CORE)
    assert core.readers == {
        "alerts.normalized.v1": ("correlate",),
        "incidents.commands.v1": ("correlate",),
        "incidents.events.v1": ("escalate", "notify"),
        "escalations.events.v1": ("notify",),
    }
    assert tuple(topic.name for topic in EVENT_TOPICS) == PERSIST
