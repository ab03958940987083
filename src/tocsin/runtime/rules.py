"""The rules as the log says them: a fold of `settings.events.v1`, and the publishing of what the files say.

In: the settings journal. Out: the rules in force, with their place; new documents, when the files differ from what
the files published last. Owners take new rules only between commits (that is theirs to hold).
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.domain.events import SettingsPublished
from tocsin.domain.rules import Rules, documents_of, rules_with
from tocsin.runtime.journal import Journal, JournalReader
from tocsin.runtime.world import SourceLost, World
from tocsin.topics import SETTINGS
from tocsin.wire.events import decode, encode, type_of
from tocsin.wire.position import record_fingerprint
from tocsin.wire.record import Record

__all__ = ["SettingsFeed"]

SOURCE: Final = f"{SETTINGS.name}/0"
ORIGIN_FILE: Final = "file"


class SettingsFeed:
    """The rules in force. `place` = (next offset, fingerprint of the record before) of the settings journal."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reader = JournalReader(world)
        self._by_file: dict[str, bytes] = {}
        """Record key -> document, as a file published it last."""
        self._watchers: list[Callable[[], None]] = []
        self.rules = Rules()
        self.place: tuple[int, str] = (0, "")

    @property
    def next(self) -> int:
        return self.place[0]

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called after each change of the rules."""
        self._watchers.append(changed)

    async def refresh(self) -> bool:
        """Apply everything that is new in the journal; True if the rules changed.

        Raises:
            msgspec.ValidationError: a document does not fit this version; the rules before it stay in force.
        """
        changed = False
        while True:
            records, next_offset = await self._reader.read(SETTINGS.name, 0, self.next)
            if next_offset == self.next:
                for told in self._watchers if changed else ():
                    told()
                return changed
            for record in records:
                changed |= self._apply(record)
            fingerprint = record_fingerprint(records[-1].key, records[-1].value) if records else ""
            self.place = (next_offset, fingerprint if records and records[-1].offset == next_offset - 1 else "")

    def _apply(self, record: Record) -> bool:
        if type_of(record.headers) != SettingsPublished.TYPE:
            return False
        event = decode(record.headers, record.value)
        assert isinstance(event, SettingsPublished)
        self.rules = rules_with(self.rules, event.key, event.document, record.offset)
        if event.origin == ORIGIN_FILE:
            self._by_file[event.key] = _canonical(event.document)
        return True

    async def publish(self, rules: Rules) -> int:
        """Publish the documents of `rules` that differ from what a file published last; returns how many.

        Raises:
            Lost: somebody else has published since the last `refresh`.
        """
        begin = await self._world.patiently("read settings", lambda: self._world.broker.begin(SETTINGS.name, 0))
        if begin > 0:
            raise SourceLost("journal_trimmed", f"{SOURCE} begins at {begin}; it has to be whole")
        changed = {
            key: document
            for key, document in documents_of(rules).items()
            if self._by_file.get(key) != _canonical(document)
        }
        if not changed:
            return 0
        journal = Journal(self._world, SETTINGS.name, 0, self.next)
        now = self._world.now()
        await journal.claim(now)
        await journal.commit(
            [
                encode(SettingsPublished(recorded_at=now, key=key, document=document, origin=ORIGIN_FILE))
                for key, document in changed.items()
            ]
        )
        await self.refresh()
        return len(changed)


def _canonical(document: Any) -> bytes:
    return msgspec.json.encode(document, order="sorted")
