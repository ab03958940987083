"""The stage: raw records in, normalized batches by partition and rejects out. Stateless, pure, and never raises.

Whatever the bytes are, they become rows, or a reject of one item, or a reject of the whole record; the other items and
records are not touched by it. `index` is the place in the raw record before any filtering. Order is kept per partition.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from tocsin.domain.alert import Sighting
from tocsin.domain.errors import Reject
from tocsin.domain.ids import partition_of_key
from tocsin.domain.rules import Rules
from tocsin.ingest import document as documents
from tocsin.ingest.formats.registry import BY_NAME, Format, detected
from tocsin.ingest.limits import check_size
from tocsin.ingest.normalise import sighting
from tocsin.ingest.reading import Context
from tocsin.stage import Mapped, RawRecord, Rejected
from tocsin.wire.events import header
from tocsin.wire.normalized import encode_batches

FORMAT_HEADER: Final = "tocsin_format"
"""Names the format of a raw record; without it, or with a name that is not known, the fields tell."""
ITEM_REJECTS_MAX: Final = 100
"""Wrong items of one record that are rejected one by one; each repeats the envelope. The rest is one reject."""
MESSAGE_MAX: Final = 300
"""Characters of a reject's message."""


class Ingest:
    """The mapper.

    Args:
        partitions: partition count of the normalized topic.
    """

    name = "ingest"

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def map(self, records: Sequence[RawRecord], rules: Rules) -> Mapped:
        """Map `records` of any raw partitions; what belongs to one raw partition keeps its order."""
        mapping = _Mapping(self._partitions, rules)
        for record in records:
            mapping.add(record)
        return mapping.mapped()


class _Mapping:
    """One call: rows by (partition, raw partition), rejects and counts so far."""

    def __init__(self, partitions: int, rules: Rules) -> None:
        self._partitions = range(partitions)
        self._rules = rules.ingest
        self._rows: dict[int, dict[tuple[str, int, str], list[Sighting]]] = {}
        self._rejected: list[Rejected] = []
        self._received: dict[str, int] = {}
        self._placed: dict[str, int] = {}

    def add(self, record: RawRecord) -> None:
        rows: list[Sighting] = []
        rejected: list[Rejected] = []
        try:
            self._read(record, rows, rejected)
        except Reject as error:
            rows, rejected = [], [_rejected(record, error, record.value, None)]
        except Exception as error:
            # A mistake of ours in reading one record must not stop all that come after it. It is kept under a name
            # of its own, to be requeued once the mistake is corrected.
            mistake = Reject("ingest_bug", f"{type(error).__name__}: {error}")
            rows, rejected = [], [_rejected(record, mistake, record.value, None)]
        self._rejected += rejected
        source = (record.topic, record.partition, record.incarnation)
        for row in rows:
            for partition in self._partitions_of(row.partition_key):
                self._rows.setdefault(partition, {}).setdefault(source, []).append(row)

    def mapped(self) -> Mapped:
        batches = {
            partition: [value for rows in sources.values() for value in encode_batches(rows)]
            for partition, sources in self._rows.items()
        }
        return Mapped(batches=batches, rejected=self._rejected, received=self._received)

    def _read(self, record: RawRecord, rows: list[Sighting], rejected: list[Rejected]) -> None:
        check_size(len(record.value), large=True)
        document = documents.parsed(record.value)
        name = (header(record.headers, FORMAT_HEADER) or b"").decode("ascii", "replace")
        format = BY_NAME.get(name) or detected(document)
        check_size(len(record.value), large=format.CUTS)
        context = Context(
            received_at=record.received_at,
            severities=self._rules.severities,
            seed=f"{record.topic}/{record.partition}/{record.incarnation}/{record.offset}",
        )
        items = format.read(document, context)
        wrong: dict[int, Reject] = {}
        for index, item in enumerate(items):
            if isinstance(item, Reject):
                wrong[index] = item
            else:
                rows.append(sighting(item, record, index, self._rules))
        if len(items) == 1 and wrong:
            rejected.append(_rejected(record, wrong[0], record.value, 0))
        elif wrong:
            rejected += _rejected_items(record, format, format.prepared(document, context.seed), wrong)
        self._received[format.NAME] = self._received.get(format.NAME, 0) + len(items)

    def _partitions_of(self, key: str) -> Sequence[int]:
        if not key:
            return self._partitions
        partition = self._placed.get(key)
        if partition is None:
            partition = self._placed[key] = partition_of_key(key, len(self._partitions))
        return (partition,)


def _rejected_items(
    record: RawRecord, format: Format, document: object, wrong: dict[int, Reject]
) -> Iterator[Rejected]:
    """Each wrong item in a document of its own, to be corrected and requeued without its neighbours."""
    items = format.items(document)
    places = list(wrong)
    for index in places[:ITEM_REJECTS_MAX]:
        yield _rejected(record, wrong[index], orjson.dumps(format.rebuilt(document, [items[index]])), index)
    if rest := places[ITEM_REJECTS_MAX:]:
        first = wrong[rest[0]]
        reject = Reject(first.word, f"{len(rest)} more wrong items; the first: {first}")
        yield _rejected(record, reject, orjson.dumps(format.rebuilt(document, [items[place] for place in rest])), None)


def _rejected(record: RawRecord, reject: Reject, value: bytes, index: int | None) -> Rejected:
    return Rejected(
        value=value,
        word=reject.word,
        message=str(reject)[:MESSAGE_MAX],
        raw_topic=record.topic,
        raw_partition=record.partition,
        offset=record.offset,
        index=index,
        headers=record.headers,
    )
