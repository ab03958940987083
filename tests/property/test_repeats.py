"""Repeats that are summed before they are decided leave the state and the history that they leave one by one."""

from collections.abc import Iterator
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain import events as ev
from tocsin.domain.alert import Episode, RawMark, Sighting
from tocsin.testing.story import Desk, alert, at
from tocsin.wire.normalized import encode_batches, read_batch

MINUTES = st.integers(0, 6).map(lambda half: half / 2) | st.sampled_from([0.0, 0.0, 9.0, 11.0, 25.0, 60.0])
SHAPES = st.tuples(
    MINUTES,  # since the one before
    st.sampled_from("aaabbc"),
    st.sampled_from(["shop", "shop", "mail"]),
    st.sampled_from([0, 0, 0, 1, 8, 30]),  # how long ago it began
    st.sampled_from(["firing"] * 6 + ["resolved", "acknowledged"]),
    st.sampled_from([Episode.STARTS_AT, Episode.STARTS_AT, Episode.KEYED, Episode.WINDOW]),
    st.none() | st.sampled_from([1, 5]),  # it expires so much later
    st.sampled_from([0, 0, 0, 1]),  # raw partition
    st.sampled_from(["x", "x", "y"]),  # a label that is text only
)
COMMANDS = st.sampled_from(["acknowledge", "resolve", "close", "reopen", None, None, None])


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[list[Sighting], str | None]]:
    """Batches of sightings, each with a command that a person gives behind it."""
    story: list[tuple[list[Sighting], str | None]] = []
    minute, offset = 0.0, 0
    began: dict[tuple[str, str], float] = {}
    for _ in range(draw(st.integers(1, 5))):
        batch: list[Sighting] = []
        for wait, name, group, ago, status, episode, expires, partition, text in draw(st.lists(SHAPES, max_size=14)):
            minute, offset = minute + wait, offset + 1
            key = (name, group)
            if key not in began or (ago and draw(st.booleans())):
                began[key] = minute - ago
            batch.append(
                alert(
                    f"{name}-{episode.value[0]}",
                    minute,
                    started=began[key],
                    status=status,
                    group=group,
                    episode=episode,
                    expires=None if expires is None else minute + expires,
                    raw=(partition, offset),
                    text=text if episode is Episode.KEYED else "x",
                )
            )
        story.append((batch, draw(COMMANDS)))
    return story


def runs(sightings: list[Sighting]) -> Iterator[list[Sighting]]:
    for _, run in groupby(sightings, key=lambda one: one.raw_partition):
        yield list(run)


def read_batches(desk: Desk, sightings: list[Sighting]) -> int:
    """Read as an owner does; how many rows were summed. All of a batch is read at the instant of its last row."""
    summed = 0
    for run in runs(sightings):
        desk.now = max(desk.now, run[-1].received_at)
        (value,) = encode_batches(run)
        batch, number = read_batch(value), 0
        while number < len(batch):
            tallied, following = desk.stage.repeats(desk.state, batch, number, desk.rules, desk.now)
            if tallied is None:
                desk.read(run[number])
                number += 1
                continue
            desk.stage.evolve(desk.state, tallied)
            desk.events.append(tallied)
            summed += following - number
            last = run[following - 1]
            mark = RawMark(last.incarnation, last.offset, last.index, last.received_at)
            desk.stage.advanced(desk.state, mark, last.raw_source)
            number = following
    return summed


def read_singly(desk: Desk, sightings: list[Sighting]) -> None:
    for run in runs(sightings):
        desk.now = max(desk.now, run[-1].received_at)
        desk.read_all(run)


def counted(events: list[ev.Event]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for event in events:
        for tally in event.tallies if isinstance(event, ev.Tallied) else ():
            counts[tally.alert_id] = counts.get(tally.alert_id, 0) + tally.count
    return counts


@settings(max_examples=400, deadline=None)
@given(stories())
def test_summed_repeats_leave_the_same_state_and_history(story: list[tuple[list[Sighting], str | None]]) -> None:
    summing, singly = Desk(), Desk()
    for number, (sightings, verb) in enumerate(story):
        read_batches(summing, sightings)
        read_singly(singly, sightings)
        for desk in (summing, singly):
            if verb and desk.incidents:
                desk.command(verb, desk.incidents[0].header.number, id=f"c{number}")
        assert summing.state == singly.state
    assert [one for one in summing.events if not isinstance(one, ev.Tallied)] == [
        one for one in singly.events if not isinstance(one, ev.Tallied)
    ]
    assert counted(summing.events) == counted(singly.events)
    assert summing.replayed() == singly.state


def test_usual_repeats_are_summed() -> None:
    """So that the property above speaks of something."""
    desk = Desk()
    first = [alert(name, 0, raw=(0, place)) for place, name in enumerate("abc")]
    again = [
        alert(name, minute, started=0, raw=(0, 10 * minute + place))
        for minute in (1, 2, 30)
        for place, name in enumerate("abc")
    ]
    assert read_batches(desk, first) == 0
    assert read_batches(desk, again) == 9
    assert [member.occurrences for member in desk.state.alerts.values()] == [4, 4, 4]
    assert desk.state.incidents.popitem()[1].occurrences == 12
    assert [member.last for member in desk.state.alerts.values()] == [at(30)] * 3
