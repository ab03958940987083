"""The rules as the log says them: a fold of `settings.events.v1`, and the two ways to change it: what the settings
files say at a start, and what somebody asks for while running.

In: the settings journal. Out: the rules in force with their place; new documents. Owners take new rules only between
commits (that is theirs to hold). Invariants: a document is written only against the rules that it was checked with
(the journal refuses it otherwise, and it is checked again); a file deletes what files published and no longer say.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.domain.errors import TocsinError
from tocsin.domain.events import Claimed, SettingsPublished
from tocsin.domain.events.event import SYSTEM
from tocsin.domain.expiry import expired
from tocsin.domain.instant import Instant
from tocsin.domain.rules import DOCUMENTS, KINDS, Rules, documents_of, rules_with
from tocsin.domain.soundness import check_key, rules_after
from tocsin.runtime.broker import BATCH_BYTES_MAX
from tocsin.runtime.journal import Journal, JournalReader, Lost
from tocsin.runtime.world import SourceLost, World
from tocsin.topics import SETTINGS
from tocsin.wire.events import Encoded, decode, encode, type_of
from tocsin.wire.position import record_fingerprint
from tocsin.wire.record import Record

__all__ = ["ABSENT", "Refused", "SettingsFeed", "Standing"]

SOURCE: Final = f"{SETTINGS.name}/0"
ORIGIN_FILE: Final = "file"
ORIGIN_API: Final = "api"
FILE_REASON: Final = "file_changed"
EXPIRED: Final = "expired"
ABSENT: Final = -1
"""The version of a document that is not there."""
LOSSES_MAX: Final = 20
"""A change meets another writer at most this often; each time the other one has got what it wanted."""
BATCH_COUNT_MAX: Final = 500
"""Documents of one append: the reader of the journal takes 1,000 records at once."""


class Refused(TocsinError):
    """The change is not allowed now. `word`: `managed_by_file`, `version_mismatch`, `not_found`."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


class Standing(NamedTuple):
    """The last event of one document."""

    key: str
    version: int
    origin: str
    actor: str
    reason: str
    changed_at: Instant
    deleted: bool


class SettingsFeed:
    """The rules in force. `place` = (next offset, fingerprint of the record before) of the settings journal."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reader = JournalReader(world)
        self._by_file: dict[str, bytes] = {}
        """Record key -> document, as a file published it last and has not deleted it since."""
        self._kinds_by_file: Counter[str] = Counter()
        """How many of them there are of each kind."""
        self._standing: dict[str, Standing] = {}
        self._unread: set[str] = set()
        """Keys whose last document does not fit this version."""
        self._watchers: list[Callable[[], None]] = []
        self._reading = asyncio.Lock()
        self._changing = asyncio.Lock()
        self.rules = Rules()
        self.place: tuple[int, str] = (0, "")

    @property
    def next(self) -> int:
        return self.place[0]

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called after each change of the rules."""
        self._watchers.append(changed)

    # ---- what is there -----------------------------------------------------------------------------------------------

    def standing(self) -> list[Standing]:
        """Every document that is there, by key."""
        return [one for key, one in sorted(self._standing.items()) if not one.deleted]

    def of(self, key: str) -> Standing | None:
        """The last event of `key`, also when it was a deletion."""
        return self._standing.get(key)

    def version(self, key: str) -> int:
        """The version of the document, `ABSENT` when there is none."""
        found = self._standing.get(key)
        return ABSENT if found is None or found.deleted else found.version

    def is_managed_by_file(self, key: str) -> bool:
        """Whether only the settings file may change `key`: it says something of its own there."""
        if key in DOCUMENTS:
            standing = self._standing.get(key)
            is_of_file = standing is not None and standing.origin == ORIGIN_FILE
            return is_of_file and self._by_file.get(key, _DEFAULTS[key]) != _DEFAULTS[key]
        return self._kinds_by_file[key.partition("/")[0]] > 0

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def refresh(self) -> bool:
        """Apply everything that is new in the journal; True if the rules changed.

        A document that does not fit this version (a newer tocsin wrote it) is named as a problem, and the one before
        it stays in force.
        """
        changed = False
        async with self._reading:
            while True:
                records, next_offset = await self._reader.read(SETTINGS.name, 0, self.next)
                if next_offset == self.next:
                    break
                for record in records:
                    changed |= self._apply(record)
                fingerprint = record_fingerprint(records[-1].key, records[-1].value) if records else ""
                self.place = (next_offset, fingerprint if records and records[-1].offset == next_offset - 1 else "")
        for told in self._watchers if changed else ():
            told()
        return changed

    def _apply(self, record: Record) -> bool:
        if type_of(record.headers) != SettingsPublished.TYPE:
            return False
        event = decode(record.headers, record.value)
        assert isinstance(event, SettingsPublished)
        try:
            self.rules = rules_with(self.rules, event.key, event.document, record.offset)
            self._unread.discard(event.key)
        except msgspec.ValidationError as error:
            self.rules = msgspec.structs.replace(self.rules, version=record.offset)
            self._unread.add(event.key)
            self._world.problems.put("settings", f"{event.key} is of another version of tocsin: {error}")
        if not self._unread:
            self._world.problems.drop("settings")
        self._standing[event.key] = Standing(
            event.key,
            record.offset,
            event.origin,
            event.actor,
            event.reason,
            event.recorded_at,
            event.document is None,
        )
        if event.origin == ORIGIN_FILE:
            before = self._by_file.pop(event.key, None)
            if event.document is not None:
                self._by_file[event.key] = _canonical(event.document)
            self._kinds_by_file[event.key.partition("/")[0]] += (event.document is not None) - (before is not None)
        return True

    # ---- changing ----------------------------------------------------------------------------------------------------

    async def publish(self, rules: Rules) -> int:
        """Publish the documents of `rules` that differ from what a file published last, delete those that a file
        published and `rules` does not have; returns how many.

        Where a file leaves the default and somebody has set another over HTTP, that one stays.

        Raises:
            Lost: somebody else has published since the last `refresh`.
        """
        begin = await self._world.patiently("read settings", lambda: self._world.broker.begin(SETTINGS.name, 0))
        if begin > 0:
            raise SourceLost("journal_trimmed", f"{SOURCE} begins at {begin}; it has to be whole")
        documents = documents_of(rules)
        changed = {key: one for key, one in documents.items() if self._differs(key, _canonical(one))}
        changed |= {key: None for key in self._by_file if key not in documents}
        async with self._changing:
            await self._commit(changed, actor=SYSTEM, reason=FILE_REASON, origin=ORIGIN_FILE)
        return len(changed)

    def _differs(self, key: str, document: bytes) -> bool:
        if self._by_file.get(key) == document:
            return False
        standing = self._standing.get(key)
        kept = standing is not None and standing.origin != ORIGIN_FILE and not standing.deleted
        return not (kept and document == _DEFAULTS.get(key))

    async def drop_expired(self) -> int:
        """Delete what `domain.expiry` says is over, unless a file wrote it; returns how many. For now and then.

        Raises:
            Lost: others publish all the time; the next call goes on.
        """
        over = [key for key in expired(self.rules, self._world.now()) if self._standing[key].origin != ORIGIN_FILE]
        if not over:
            return 0
        async with self._changing:
            await self.refresh()
            present = dict.fromkeys(key for key in over if self.version(key) != ABSENT)
            await self._commit(present, actor=SYSTEM, reason=EXPIRED, origin=ORIGIN_API)
        return len(present)

    async def change(
        self, key: str, document: Any, *, actor: str, reason: str = "", expected_version: int | None = None
    ) -> Standing:
        """Write `document` (JSON-ready) at `key`, or delete what is there (None). Durable and applied when it returns.

        What is there already is not written again.

        Args:
            expected_version: what the caller has seen there (`ABSENT` = nothing); None = whatever is there.

        Raises:
            Unsound, Refused: not allowed; nothing was written.
        """
        return (await self.change_all({key: document}, actor=actor, reason=reason, expected={key: expected_version}))[
            key
        ]

    async def change_all(
        self,
        changes: Mapping[str, Any],
        *,
        actor: str,
        reason: str = "",
        expected: Mapping[str, int | None] | None = None,
    ) -> dict[str, Standing]:
        """Write several documents at once, all or none; see `change`."""
        async with self._changing:
            for attempt in range(1, LOSSES_MAX + 1):
                await self.refresh()
                wanted = self._checked(changes, expected or {})
                try:
                    await self._commit(wanted, actor=actor, reason=reason, origin=ORIGIN_API)
                except Lost as error:  # another process was faster
                    await self._world.wait_after("change settings", 1, error)
                    if attempt == LOSSES_MAX:
                        raise
                    continue
                break
            return {key: self._standing[key] for key in changes}

    def _checked(self, changes: Mapping[str, Any], expected: Mapping[str, int | None]) -> dict[str, Any]:
        """The changes that have to be written, each allowed after those before it."""
        after, wanted = self.rules, {}
        for key, document in changes.items():
            check_key(key)
            self._allow(key, document, expected.get(key))
            if document is not None:
                after = rules_after(after, key, document)
                if self.version(key) != ABSENT and self._has(key, after):
                    continue
            else:
                after = rules_after(after, key, None)
            wanted[key] = document
        return wanted

    def _allow(self, key: str, document: Any, expected: int | None) -> None:
        version = self.version(key)
        if expected is not None and expected != version:
            has = f"is at version {version}" if version != ABSENT else "is not there"
            wants = f"version {expected}" if expected != ABSENT else "that it is not there"
            raise Refused("version_mismatch", f"{key} {has}, the request expects {wants}; read it again")
        if document is None and version == ABSENT:
            raise Refused("not_found", f"no settings document {key!r}")
        of_api = document is None and self._standing[key].origin != ORIGIN_FILE
        if self.is_managed_by_file(key) and not of_api:
            what = key if key in DOCUMENTS else f"every {key.partition('/')[0]}"
            raise Refused("managed_by_file", f"{what} comes from the settings file{self._from(key)}; change it there")

    def _from(self, key: str) -> str:
        """When the file said it."""
        kind = key.partition("/")[0]
        found = [self._standing[one] for one in self._by_file if one == key or one.partition("/")[0] == kind]
        last = max((one for one in found if one.origin == ORIGIN_FILE), key=lambda one: one.version, default=None)
        return f" (version {last.version}, {last.changed_at:%Y-%m-%d %H:%M} UTC)" if last else ""

    def _has(self, key: str, after: Rules) -> bool:
        """Whether `key` means the same in `after` as in the rules in force."""
        kind, _, name = key.partition("/")
        if key in DOCUMENTS:
            field = DOCUMENTS[key][0]
            return bool(getattr(after, field) == getattr(self.rules, field))
        field = KINDS[kind][0]
        return bool(getattr(after, field).get(name) == getattr(self.rules, field).get(name))

    async def _commit(self, documents: Mapping[str, Any], *, actor: str, reason: str, origin: str) -> None:
        if not documents:
            return
        journal = Journal(self._world, SETTINGS.name, 0, self.next)
        now = self._world.now()
        # The claim goes with what it is for: of several who write at once, one gets on each time.
        claim = Claimed(recorded_at=now, member=self._world.member)
        events = [
            SettingsPublished(
                recorded_at=now,
                key=key,
                document=document,
                origin=origin,
                actor=actor,
                reason=reason,
                previous=None if (version := self.version(key)) == ABSENT else version,
            )
            for key, document in documents.items()
        ]
        for batch in _batches([encode(event) for event in (claim, *events)]):
            first = await journal.commit(batch)
            if journal.claimed_at is None:
                journal.claimed_at = first
        await self.refresh()


def _batches(encoded: list[Encoded]) -> list[list[Encoded]]:
    """In order, each small enough for one append. A start that dies between two goes on at the next start."""
    found: list[list[Encoded]] = []
    size = 0
    for one in encoded:
        if not found or size + one.size > BATCH_BYTES_MAX or len(found[-1]) == BATCH_COUNT_MAX:
            found.append([])
            size = 0
        found[-1].append(one)
        size += one.size
    return found


def _canonical(document: Any) -> bytes:
    return msgspec.json.encode(document, order="sorted")


_DEFAULTS: Final = {key: _canonical(document) for key, document in documents_of(Rules()).items()}
"""What a file publishes for what it does not mention."""
