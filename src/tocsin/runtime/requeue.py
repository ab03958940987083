"""Rejected records that go back to the raw topic: the same bytes again, once, and the log says by whom.

In: records of `alerts.rejected.v1`. Out: the raw record that each becomes, and for each a marker behind it in the same
partition: no value, the offset it is about, where the bytes went, who asked. The marker is written after the raw
record: a crash between the two leaves a record that can be requeued again, which is then a repeat, and none that is
lost. It writes nothing itself; who may requeue is not its business.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.domain.errors import TocsinError
from tocsin.runtime.broker import BATCH_BYTES_MAX, Broker
from tocsin.runtime.rejects import PREFIX
from tocsin.topics import REJECTED
from tocsin.wire.record import Draft, Record

__all__ = ["FROM", "Outcome", "Outcomes", "Refused", "draft_of", "marked", "marker_of", "raw_partition"]

FROM: Final = "tocsin_requeued_from"
"""Header of a raw record: `alerts.rejected.v1/<partition>/<offset>`. It stays when the record is rejected again."""
BY: Final = "tocsin_requeued_by"
TO: Final = "tocsin_requeued_to"
MARKER: Final = "tocsin_requeued"
"""Header of a marker: the offset, in the same partition, of what was requeued."""
READ_RECORDS_MAX: Final = 1000


class Refused(TocsinError):
    """This record is not requeued. `word` is `not_alerts` or `cut`."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


class Outcome(msgspec.Struct, frozen=True):
    """A record was requeued: when (milliseconds since the epoch), by whom, and its place in the raw topic."""

    at: int
    by: str
    to: str


def draft_of(partition: int, record: Record, by: str) -> Draft:
    """The raw record that the rejected `record` of `partition` becomes: its bytes and its own headers, marked.

    Raises:
        Refused: it was no raw record, or its bytes are not whole.
    """
    if _text(record, PREFIX + "stage") != "ingest":
        what = _text(record, PREFIX + "source")
        raise Refused("not_alerts", f"it comes from {what}: only alerts are requeued, give the command again")
    if "value" in _text(record, PREFIX + "cut"):
        raise Refused("cut", "it was too large to be kept whole: its source has to send it again")
    own = (PREFIX, FROM, BY)
    headers = tuple((name, value) for name, value in record.headers if not name.startswith(own))
    place = f"{REJECTED.name}/{partition}/{record.offset}"
    draft = Draft(record.key, record.value, (*headers, (FROM, place.encode()), (BY, by.encode())))
    if draft.size > BATCH_BYTES_MAX:
        raise Refused("cut", "it is too large for one record: its source has to send it again")
    return draft


def raw_partition(record: Record, partitions: int) -> int:
    """The partition of the raw topic that `record` came from, as far as there is one, so that order is kept."""
    number = _text(record, PREFIX + "source").rpartition("/")[2]
    return int(number) % partitions if number.isascii() and number.isdigit() and len(number) < 10 else 0


def marker_of(offset: int, to: str, by: str) -> Draft:
    """The record that says that the one at `offset` of the same partition was requeued."""
    return Draft(None, None, ((MARKER, b"%d" % offset), (TO, to.encode()), (BY, by.encode())))


def marked(record: Record) -> int | None:
    """The offset that a marker is about; None for every other record."""
    value = record.header(MARKER)
    return int(value) if value is not None and value.isdigit() and len(value) < 20 else None


class Outcomes:
    """What has been requeued, folded from the markers; each look reads on where the last one stopped.

    Holds one entry for each record that was requeued and is still kept.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._next: dict[int, int] = {}
        self._known: dict[int, dict[int, Outcome]] = {}

    async def read(self, partition: int) -> dict[int, Outcome]:
        """Offset -> outcome of all of `partition` that is in the log by now."""
        known = self._known.setdefault(partition, {})
        begin = await self._broker.begin(REJECTED.name, partition)
        for offset in [offset for offset in known if offset < begin]:
            del known[offset]
        while records := await self._page(partition):
            for record in records:
                about = marked(record)
                if about is not None and begin <= about < record.offset:
                    known[about] = Outcome(record.timestamp, _text(record, BY), _text(record, TO))
            self._next[partition] = records[-1].offset + 1
        return known

    async def _page(self, partition: int) -> Sequence[Record]:
        return await self._broker.read(
            REJECTED.name, partition, self._next.get(partition, 0), records_max=READ_RECORDS_MAX
        )


def _text(record: Record, name: str) -> str:
    return (record.header(name) or b"").decode("utf-8", "replace")
