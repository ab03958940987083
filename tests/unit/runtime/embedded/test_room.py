"""Back-pressure by bytes, in the order of arrival."""

import asyncio

import pytest

from tocsin.runtime.broker import Broken
from tocsin.runtime.embedded.room import QueueRoom


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Entries:
    """Tasks that ask for room, and who has got in."""

    def __init__(self, bytes_max: int) -> None:
        self.room = QueueRoom(bytes_max)
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, size: int) -> None:
        async def enter() -> None:
            await self.room.take(size)
            self.inside.append(name)

        self.tasks[name] = asyncio.create_task(enter())
        await settle()


async def test_who_does_not_fit_waits_until_there_is_room() -> None:
    entries = Entries(10)
    for name, size in (("a", 6), ("b", 4), ("c", 1)):
        await entries.ask(name, size)
    assert entries.inside == ["a", "b"]
    entries.room.give(4)
    await settle()
    assert entries.inside == ["a", "b", "c"]


async def test_the_small_do_not_overtake_the_large() -> None:
    entries = Entries(10)
    for name, size in (("a", 6), ("large", 9), ("small", 1)):
        await entries.ask(name, size)
    assert entries.inside == ["a"]
    entries.room.give(6)
    await settle()
    assert entries.inside == ["a", "large", "small"]


async def test_what_is_larger_than_the_room_is_let_in_alone() -> None:
    entries = Entries(10)
    for name, size in (("a", 1), ("huge", 50), ("b", 1)):
        await entries.ask(name, size)
    assert entries.inside == ["a"]
    entries.room.give(1)
    await settle()
    assert entries.inside == ["a", "huge"]
    entries.room.give(50)
    await settle()
    assert entries.inside == ["a", "huge", "b"]


@pytest.mark.parametrize("given_first", [False, True])
async def test_who_gives_up_takes_no_room(given_first: bool) -> None:
    entries = Entries(10)
    for name in ("a", "b", "c"):
        await entries.ask(name, 10)
    if given_first:
        entries.room.give(10)
    entries.tasks["b"].cancel()
    if not given_first:
        entries.room.give(10)
    await settle()
    assert entries.inside == ["a", "c"]


async def test_a_closed_room_refuses_those_inside_the_queue_and_those_who_come() -> None:
    entries = Entries(10)
    await entries.ask("a", 10)
    await entries.ask("b", 1)
    entries.room.refuse()
    with pytest.raises(Broken):
        await entries.tasks["b"]
    with pytest.raises(Broken):
        await entries.room.take(1)
    entries.room.give(10)
