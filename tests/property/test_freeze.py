"""A state that was written down while it went on changing, and read back, does exactly what the other one does."""

import os
import random
from collections.abc import Callable, Iterator

import pytest

from property.test_desk import ARGUMENTS, VERBS
from tocsin.domain.alert import Episode
from tocsin.domain.events import Event
from tocsin.testing.story import Desk, alert
from tocsin.wire.frozen import Freezing

SEEDS = 1000 if os.environ.get("CI") else 100
STEPS = 60


def steps(chance: random.Random) -> Iterator[list[tuple[str, object]]]:
    """What happens, drawn before it is known what it meets, so that two desks can be told the same."""
    minute = 0.0
    for offset in range(STEPS):
        short, long = [0.01, 0.5, 2, 6, 12], [60, 300, 1500, 12000, 60000]
        minute += chance.choice(short) if chance.random() < 0.9 else chance.choice(long)
        told: list[tuple[str, object]] = []
        if chance.random() < 0.25:
            told.append(("command", (chance.choice(VERBS), chance.randint(1, 12), f"cmd-{offset}")))
        if chance.random() < 0.4:
            told.append(("until", minute))
        episode = chance.choice(list(Episode))
        received = minute - chance.choice([0, 0, 0, 1, 7, 15])
        told.append(
            (
                "read",
                alert(
                    chance.choice("abcdef") + episode.value,
                    received,
                    started=received - chance.choice([0, 0, 1, 5, 30, 500]),
                    status=chance.choice(["firing"] * 4 + ["resolved"] * 2 + ["acknowledged"]),
                    episode=episode,
                    group=chance.choice(["shop", "shop", "mail"]),
                    severity=chance.choice(["info", "warning", "critical"]),
                    service=chance.choice(["", "web", "db"]),
                    expires=received + 5 if chance.random() < 0.2 else None,
                    correlation_id="case" if chance.random() < 0.1 else "",
                    raw=(chance.randint(0, 2), offset),
                ),
            )
        )
        yield told


def tell(desk: Desk, told: list[tuple[str, object]]) -> list[Event]:
    before = len(desk.events)
    for what, given in told:
        if what == "command":
            verb, number, identifier = given  # type: ignore[misc]
            arguments = {**ARGUMENTS, "declare": {"title": "down"}}.get(verb, {})
            incident = "" if verb == "declare" else f"INC-2026-11-21-{number:03d}"
            desk.command(verb, incident, id=identifier, **arguments)
        elif what == "until":
            desk.until(given)  # type: ignore[arg-type]
        else:
            desk.read(given)  # type: ignore[arg-type]
    return desk.events[before:]


def play(seed: int) -> None:
    chance = random.Random(seed)
    desk = Desk()
    begins, seals = sorted(chance.sample(range(STEPS), 2))
    freezing: Freezing | None = None
    slices: list[bytes] = []
    sealed, since = desk, []
    for number, told in enumerate(steps(chance)):
        if number == begins:
            freezing = desk.stage.freeze(desk.state)
            freezing.slice_items, freezing.seal_touched = chance.choice([1, 3, 100]), chance.choice([0, 2, 500])
        events = tell(desk, told)
        if number > seals and freezing is not None:
            since.append((told, events))
            take(slices, freezing.rest, chance.randint(0, 3))
        elif freezing is not None:
            for event in events:
                for part, key in desk.stage.touched(desk.state, event):
                    freezing.touch(part, key)
            take(slices, freezing.sweep, chance.randint(0, 3))
        if number == seals:
            assert freezing is not None
            take(slices, freezing.sweep)
            freezing.seal()
            sealed = copied(desk)
    assert freezing is not None
    take(slices, freezing.rest)
    twin = copied(sealed)
    twin.state, count = twin.stage.thaw(slices)
    assert count == freezing.entries
    same(twin, sealed)
    twin.state, count = twin.stage.thaw(slices)  # what was compared is awake
    assert count == freezing.entries
    for told, events in since:
        assert tell(twin, told) == events
    same(twin, desk)


def take(slices: list[bytes], call: Callable[[], bytes | None], times: int = 1_000_000) -> None:
    for _ in range(times):
        if (slice_ := call()) is None:
            return
        slices.append(slice_)


def copied(desk: Desk) -> Desk:
    """A desk with the fold of its events."""
    twin = Desk()
    twin.state, twin.events, twin.now = desk.replayed(), list(desk.events), desk.now
    return twin


def same(one: Desk, other: Desk) -> None:
    assert list(one.state.alerts) == list(other.state.alerts)
    for index in ("known", "episodes"):
        assert getattr(one.state, index) == getattr(other.state, index)
    assert one.state.snapshot() == other.state.snapshot()


@pytest.mark.parametrize("block", range(10))
def test_a_state_read_back_does_what_the_other_does(block: int, seed: int) -> None:
    for number in range(SEEDS // 10):
        one = seed + block * 10_000 + number
        try:
            play(one)
        except Exception as error:
            raise AssertionError(f"seed {one}: repeat with play({one})") from error


def test_slices_of_another_state_are_refused() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="unknown part"):
        desk.stage.thaw([b"running\0\xdd\0\0\0\0"])
    with pytest.raises(ValueError, match=r"truncated|Expected|trailing"):
        desk.stage.thaw([b"incidents\0\x92\xdd\0\0\0\1"])
