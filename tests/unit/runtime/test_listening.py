"""What is heard over a channel becomes a command: whose, where from, once; and a channel that fails is only a note."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.domain.errors import Reject
from tocsin.domain.rules import Rules, User
from tocsin.notify.channel import Asked, Sent
from tocsin.runtime.listening import VERBS, Listening, actor_of, command_of
from tocsin.stage import Effect
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world
from tocsin.topics import COMMANDS
from tocsin.wire.command import decode_command

INCIDENT = "inc_aaabcdefghijklmnopqrst"
RULES = Rules(
    users={
        "ana": User(contacts={"chat": ("UANA",), "sms": ("+49 (30) 12-34",)}),
        "bob": User(contacts={"email": ("Bob@Example.org",), "phone": ("+49 40 5678",)}),
    }
)


class Chat:
    name, kind, in_flight_max, timeout_seconds = "ops", "chat", 1, 1.0

    def __init__(self, *, faults: int = 0) -> None:
        self.faults = faults
        self.listened = asyncio.Event()
        self.take: Callable[[Asked], Awaitable[str]] | None = None

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        return Sent("delivered")

    async def close(self) -> None:
        """Nothing to give back."""

    async def listen(self, take: Callable[[Asked], Awaitable[str]]) -> None:
        if self.faults:
            self.faults -= 1
            raise OSError("wss://secret.example/?ticket=canary")
        self.take = take
        self.listened.set()
        await asyncio.Event().wait()


class Rig:
    """Channels that listen to a log in memory."""

    def __init__(self, *channels: Chat) -> None:
        self.clock = VirtualClock(datetime(2026, 11, 21, tzinfo=UTC))
        self.broker = MemoryBroker(self.clock, 2)
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.listening = Listening(
            toy_world(self.broker, self.clock),
            {channel.name: channel for channel in channels},
            lambda: RULES,
            partitions=2,
            publish=self.broker.append,
            outcome=self.outcome,
        )

    async def outcome(self, command_id: str, seconds: float) -> dict[str, Any] | None:
        return self.outcomes.get(command_id)

    async def commands(self) -> list[tuple[int, str, str]]:
        found = []
        for partition in range(2):
            for record in await self.broker.read(COMMANDS.name, partition, 0):
                command = decode_command(record.value)
                found.append((partition, command.verb, command.command_id))
        return found


def asked(verb: str = "acknowledge", **more: Any) -> Asked:
    return Asked(**{"key": "one", "verb": verb, "incident": INCIDENT, "sender": "UANA", **more})


@pytest.mark.parametrize(
    ("kind", "sender", "name", "actor"),
    [
        ("chat", "UANA", "Ana B.", "user:ana"),
        ("chat", "uana", "", "user:ana"),
        ("chat", "UEVE", "Eve", "chat:UEVE (Eve)"),
        ("chat", "", "Eve\x1b[31m\n", "chat (Eve [31m)"),
        ("chat", "", "", "chat"),
        ("email", "bob@example.ORG ", "", "user:bob"),
        ("email", "UANA", "", "email:UANA"),
        ("sms", "+493 0 1234", "", "user:ana"),
        ("voice", "+49405678", "", "user:bob"),
    ],
)
def test_the_actor_is_who_has_the_address_else_what_the_provider_says(
    kind: str, sender: str, name: str, actor: str
) -> None:
    assert actor_of(kind, asked(sender=sender, sender_name=name), RULES) == actor


def test_an_actor_from_outside_is_cut() -> None:
    assert len(actor_of("chat", asked(sender="x" * 5000, sender_name="y" * 5000), RULES)) <= 120


def test_a_command_has_actor_origin_and_an_id_of_channel_and_key() -> None:
    first, again = (command_of(Chat(), asked(reason="on it"), RULES) for _ in range(2))
    assert first == again
    assert (first.verb, first.incident, first.actor, first.origin) == ("acknowledge", INCIDENT, "user:ana", "ops")
    assert command_of(Chat(), asked(key="two"), RULES).command_id != first.command_id
    assert command_of(Chat(), asked(incident=" inc-2026-11-21-007"), RULES).incident == "INC-2026-11-21-007"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"verb": "void"}, "not_from_outside"),
        ({"verb": "declare"}, "not_from_outside"),
        ({"verb": "absorb"}, "not_from_outside"),
        ({"verb": ""}, "not_from_outside"),
        ({"key": ""}, "no_key"),
        ({"key": "k" * 501}, "no_key"),
        ({"verb": "note"}, "missing_text"),
        ({"arguments": {"to": "x"}}, "unknown_argument"),
    ],
)
def test_what_is_not_asked_for_from_outside_is_refused(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(Reject) as refused:
        command_of(Chat(), asked(**wrong), RULES)
    assert refused.value.word == word


def test_every_verb_from_outside_is_one() -> None:
    for verb in VERBS:
        given = {"note": {"text": "x"}, "snooze": {"minutes": 5}}.get(verb, {})
        assert command_of(Chat(), asked(verb, arguments=given), RULES).verb == verb


async def test_what_is_taken_goes_to_its_partition_and_is_told_what_became_of_it() -> None:
    chat = Chat()
    rig = Rig(chat)
    assert await rig.listening.take(chat, asked()) == "acknowledge: asked for; the outcome is not known yet"
    [(partition, verb, command_id)] = await rig.commands()
    assert (partition, verb) == (0, "acknowledge")
    said = {"applied": "done", "unchanged": "it was so already", "rejected": "refused: no"}
    for outcome, words in said.items():
        rig.outcomes[command_id] = {"outcome": outcome, "message": "no"}
        assert await rig.listening.take(chat, asked()) == f"acknowledge: {words}"
    assert len(await rig.commands()) == 1, "a replay is not written again"
    other = "inc_abaaaaaaaaaaaaaaaaaaaa"
    await rig.listening.take(chat, asked(incident=other, key="two"))
    assert [partition for partition, _, _ in await rig.commands()] == [0, 1]


@pytest.mark.parametrize("incident", ["", "nothing", "inc_zzabcdefghijklmnopqrst", "INC-2026-11-21-000", "INC-x"])
async def test_an_incident_that_cannot_be_is_said_to_be_none(incident: str) -> None:
    chat = Chat()
    rig = Rig(chat)
    assert (await rig.listening.take(chat, asked(incident=incident))).startswith("no incident")
    assert await rig.commands() == []


async def test_a_channel_that_cannot_listen_is_a_note_is_tried_again_and_ends_with_the_process() -> None:
    chat = Chat(faults=3)
    rig = Rig(chat)
    stop = asyncio.Event()
    assert rig.listening.listeners == [chat]
    listening = asyncio.create_task(rig.listening.listen(chat, stop))
    while chat.faults:
        await asyncio.sleep(0)
        rig.clock.advance(0.5)
    while not rig.clock.waiting:  # noqa: ASYNC110 - it waits for a clock that stands still
        await asyncio.sleep(0)
    assert rig.listening.notes() == ["channel ops hears nothing: OSError"], "and not what the error quotes"
    while not chat.listened.is_set():
        rig.clock.advance(0.5)
        await asyncio.sleep(0)
    rig.clock.advance(11)
    assert rig.listening.notes() == []
    assert chat.take is not None
    assert "not known yet" in await chat.take(asked())
    stop.set()
    await listening
