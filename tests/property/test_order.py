"""The same alerts give the same incidents, in whatever order they are read within the grace (PROTOCOL §10, RECORDS §4).

Alerts carry fixed places and instants in the raw topic; only the order in which correlate reads them changes. Four raw
partitions allow it: an alert stays on time while its partition is at most the grace behind the others.
"""

import os

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tocsin.domain.alert import Episode, Sighting, event_time
from tocsin.testing.story import Desk, alert

CASES = 5000 if os.environ.get("CI") else 150


@st.composite
def alerts(draw: st.DrawFn) -> list[Sighting]:
    """Up to twelve sightings of up to five alerts in one or two groups over at most forty minutes, in raw order.

    No source contradicts itself: after a resolve, an alert fires again only as an episode that begins later.
    """
    minutes = sorted(draw(st.lists(st.integers(0, 1200), min_size=2, max_size=12)))
    shape = draw(st.sampled_from(["fresh", "mixed", "mixed"]))
    sightings: list[Sighting] = []
    resolved: dict[tuple[str, str], float] = {}
    for offset, second in enumerate(minutes):
        minute = second / 30
        name = draw(st.sampled_from("abcde"))
        group = draw(st.sampled_from(["shop", "shop", "mail"]))
        back = draw(st.sampled_from([0, 0, 1, 3, 9, 15])) if shape == "mixed" else 0
        status = draw(st.sampled_from(["firing", "firing", "firing", "resolved"])) if shape == "mixed" else "firing"
        episode = draw(st.sampled_from([Episode.STARTS_AT, Episode.STARTS_AT, Episode.WINDOW]))
        if resolved.get((name, group), -1000) >= minute - back:
            continue
        if status == "resolved":
            resolved[name, group] = minute
        sightings.append(
            alert(
                f"{name}-{episode.value[0]}",
                minute,
                started=minute - back,
                status=status,
                group=group,
                episode=episode,
                raw=(draw(st.integers(0, 3)), offset),
            )
        )
    return sightings


def readable(sightings: list[Sighting]) -> bool:
    """Whether every alert is on time when read in this order (lateness as RECORDS §3 defines it)."""
    desk = Desk()
    for sighting in sightings:
        final = desk.state.final_before()
        if final is not None and event_time(sighting)[0] < final:
            return False
        desk.read(sighting)
    return True


@pytest.mark.timeout(300)  # 5,000 cases take a minute on a quiet machine
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_order_within_the_grace_gives_the_same_member_sets(data: st.DataObject) -> None:
    sightings = data.draw(alerts())
    shuffled = data.draw(st.permutations(sightings))
    assume(readable(shuffled))
    in_order = Desk().read_all(sightings)
    out_of_order = Desk().read_all(shuffled)
    assert out_of_order.sets() == in_order.sets()
    assert out_of_order.replayed() == out_of_order.state
