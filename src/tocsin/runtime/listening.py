"""What people ask for over channels becomes commands, and the connections over which channels hear of it.

In: requests (`Asked`) that a channel has heard and whose sender it vouches for. Out: commands in the log, with the name
of who asked and the channel as origin; one line about what became of it. Invariants: the same request gives the same
command id, so a replay is answered once; over a channel only the verbs of `VERBS` are asked for; a channel whose
connection fails is a note of the process and is tried again, and harms nobody else.
It checks no signature (the channel does) and decides nothing (correlate does).
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from tocsin.domain.command import Command, checked
from tocsin.domain.command.argument import TEXT_MAX, near
from tocsin.domain.errors import Reject, TocsinError
from tocsin.domain.header import cut_text
from tocsin.domain.ids import short_hash
from tocsin.domain.rules import Rules
from tocsin.notify.channel import Asked, Channel, Listens
from tocsin.notify.message import one_line
from tocsin.runtime.routing import partition_of
from tocsin.runtime.world import World
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft
from tocsin.wire.record import Draft

__all__ = ["VERBS", "Listening", "actor_of", "command_id_of", "command_of"]

log: Final = logging.getLogger("tocsin.listening")

VERBS: Final = frozenset({"acknowledge", "investigate", "resolve", "reopen", "close", "note", "snooze", "escalate"})
"""What may be asked for from outside: what answers a page. The rest of an incident is worked on where one sees it."""
OUTCOME_SECONDS: Final = 2.0
"""Providers wait 3 to 5 s for an answer; the outcome usually takes some 20 ms."""
ALSO: Final[Mapping[str, tuple[str, ...]]] = {"sms": ("phone",), "voice": ("phone",)}
"""Kind of channel -> other kinds of contacts that it uses."""
KEY_MAX: Final = 500
ACTOR_MAX: Final = 120
AGAIN_FIRST: Final = 1.0
AGAIN_LONGEST: Final = 60.0
"""Seconds between attempts of a channel that cannot listen at all; those that lose a connection make a new one
themselves."""

WELL_AFTER: Final = 10.0
"""Seconds without a fault after which a channel counts as listening."""

_SPACING: Final = re.compile(r"[\s()./-]+")

Publish = Callable[[str, int, Sequence[Draft]], Awaitable[int]]
Outcome = Callable[[str, float], Awaitable[dict[str, Any] | None]]


def command_id_of(channel: str, key: str) -> str:
    return f"cmd_{short_hash('heard', channel, key)}"


def command_of(channel: Channel, asked: Asked, rules: Rules) -> Command:
    """The command that `asked` stands for.

    Raises:
        Reject: `not_from_outside`, `no_key`, `unknown_sender`, or what is wrong with its arguments.
    """
    if asked.verb not in VERBS:
        hint = near(asked.verb, VERBS)
        raise Reject("not_from_outside", f"{one_line(asked.verb, 40)!r} is not asked for over a channel{hint}")
    if not 0 < len(asked.key) <= KEY_MAX:
        raise Reject("no_key", f"a request has a key of its own, of at most {KEY_MAX} characters")
    checked(asked.verb, asked.arguments)
    actor = actor_of(channel.kind, asked, rules)
    if asked.known_only and not actor.startswith("user:"):
        raise Reject("unknown_sender", "nobody has this address among their contacts")
    return Command(
        command_id=command_id_of(channel.name, asked.key),
        verb=asked.verb,
        incident=_reference(asked.incident),
        reason=cut_text(asked.reason, TEXT_MAX),
        actor=actor,
        origin=channel.name,
        arguments=asked.arguments,
    )


def actor_of(kind: str, asked: Asked, rules: Rules) -> str:
    """`user:<name>` for who has the sender among their contacts of `kind`, else what the provider says of them."""
    sender = _plain(asked.sender)
    if sender:
        for name, user in rules.users.items():
            if any(
                _plain(one) == sender for what in (kind, *ALSO.get(kind, ())) for one in user.contacts.get(what, ())
            ):
                return f"user:{name}"
    called = one_line(asked.sender_name, ACTOR_MAX // 2)
    address = one_line(asked.sender, ACTOR_MAX // 2)
    words = f"{kind}:{address}" if address else kind
    return one_line(f"{words} ({called})" if called else words, ACTOR_MAX)


def _plain(address: str) -> str:
    """An address without what people write differently: case, and the spacing of telephone numbers."""
    text = address.strip().casefold()
    return _SPACING.sub("", text) if text[:1] in "+0123456789(" else text


def _reference(reference: str) -> str:
    text = reference.strip()
    return text.upper() if text[:4].upper() == "INC-" else text


class Listening:
    """What the channels of one process hear."""

    def __init__(
        self,
        world: World,
        channels: Mapping[str, Channel],
        rules: Callable[[], Rules],
        *,
        partitions: int,
        publish: Publish,
        outcome: Outcome | None,
    ) -> None:
        """
        Args:
            publish: appends to a shared topic, durably.
            outcome: waits so many seconds for the outcome of a command; None = this process does not learn of any.
        """
        self.channels = dict(channels)
        self._world = world
        self._rules = rules
        self._partitions = partitions
        self._publish = publish
        self._outcome = outcome
        self._notes: dict[str, str] = {}
        """Why a channel stopped listening last."""
        self._since: dict[str, float] = {}
        """Since when it listens."""

    @property
    def listeners(self) -> list[Channel]:
        """The channels that keep a connection open."""
        return [channel for channel in self.channels.values() if isinstance(channel, Listens)]

    def notes(self) -> list[str]:
        """Which channels do not hear anything now, one line each."""
        now = self._world.clock.monotonic()
        deaf = [name for name in self._notes if now - self._since.get(name, now) < WELL_AFTER]
        return [f"channel {name} hears nothing: {self._notes[name]}" for name in sorted(deaf)]

    def commands_of(self, channel: Channel, asked: Sequence[Asked]) -> list[tuple[int, Command]]:
        """Partition and command of each request; all are good, or none is told.

        Raises:
            Reject: as `command_of`.
        """
        rules = self._rules()
        found = []
        for one in asked:
            command = command_of(channel, one, rules)
            partition = partition_of(command, self._partitions)
            if partition is None:
                raise Reject("unknown_incident", f"no incident {one_line(one.incident, 40)!r}")
            found.append((partition, command))
        return found

    async def ask(self, partition: int, command: Command) -> None:
        """Write `command`, unless its outcome is known already: then it is a replay.

        Raises:
            NotReady, Unavailable, Doubt, Broken: the log does not take it.
        """
        if self._outcome is not None and await self._outcome(command.command_id, 0.0) is not None:
            return
        await self._publish(COMMANDS.name, partition, [command_draft(command)])

    async def take(self, channel: Channel, asked: Asked) -> str:
        """Do what is asked for; one line about what became of it. Never raises for what was asked, or for the log."""
        try:
            [(partition, command)] = self.commands_of(channel, [asked])
            await self.ask(partition, command)
            known = await self._outcome(command.command_id, OUTCOME_SECONDS) if self._outcome else None
        except Reject as error:
            return one_line(str(error))
        except TocsinError as error:  # the log, or the database
            return one_line(f"not done, try again: {error}")
        return said_of(command, known)

    async def listen(self, channel: Channel, stop: asyncio.Event) -> None:
        """Keep `channel` listening until `stop`."""
        assert isinstance(channel, Listens)
        clock, name, attempt = self._world.clock, channel.name, 0

        async def take(asked: Asked) -> str:
            return await self.take(channel, asked)

        while not stop.is_set():
            began = self._since[name] = clock.monotonic()
            try:
                await self._world.until(channel.listen(take), stop)
                text = "it ended by itself"
            except TocsinError as error:
                text = one_line(str(error))
            except Exception as error:  # whatever a channel does, the others go on; foreign texts may hold a secret
                text = type(error).__name__
            del self._since[name]
            if stop.is_set():
                return
            if self._notes.get(name) != text:
                log.warning("channel %s does not listen: %s", name, text)
            self._notes[name] = text
            attempt = 1 if clock.monotonic() - began > AGAIN_LONGEST else attempt + 1
            wait = min(AGAIN_LONGEST, AGAIN_FIRST * 2 ** min(attempt, 10))
            await clock.wait(stop, wait * self._world.random.uniform(0.5, 1.0))


def said_of(command: Command, known: Mapping[str, Any] | None) -> str:
    """What became of a command, for who asked."""
    if known is None:
        return f"{command.verb}: asked for; the outcome is not known yet"
    if known["outcome"] == "rejected":
        return one_line(f"{command.verb}: refused: {known.get('message') or known.get('reason')}")
    if known["outcome"] == "unchanged":
        return f"{command.verb}: it was so already"
    return f"{command.verb}: done"
