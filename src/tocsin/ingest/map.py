"""The stage: raw records in, normalized batches by partition and rejects out. It never raises, and what comes out
depends on the record and the rules alone: `recall` takes the short way to the same rows.

Whatever the bytes are, they become rows, or a reject of one item, or a reject of the whole record; the other items and
records are not touched by it. `index` is the place in the raw record before any filtering. Order is kept per partition.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from tocsin.domain.errors import Reject
from tocsin.domain.grading import reading_rules
from tocsin.domain.instant import EPOCH, to_ms
from tocsin.domain.rules import IngestRules, Rules
from tocsin.ingest import document as documents
from tocsin.ingest.binding import enveloped
from tocsin.ingest.formats import cloudevents
from tocsin.ingest.formats.registry import BY_NAME, Format, detected
from tocsin.ingest.limits import check_size
from tocsin.ingest.normalise import expiry, statement
from tocsin.ingest.reading import Context
from tocsin.ingest.recall import Known, Made, Recall
from tocsin.stage import Mapped, RawRecord, Rejected
from tocsin.wire.events import header
from tocsin.wire.normalized import Packer, Statement

FORMAT_HEADER: Final = "tocsin_format"
"""Names the format of a raw record; without it, or with a name that is not known, the fields tell."""
ITEM_REJECTS_MAX: Final = 100
"""Wrong items of one record that are rejected one by one; each repeats the envelope. The rest is one reject."""
MESSAGE_MAX: Final = 300
"""Characters of a reject's message."""


_NAMES: Final[dict[bytes | None, str]] = {name.encode(): name for name in BY_NAME}


class Ingest:
    """The mapper. What it remembers (`recall`) saves time and decides nothing.

    Args:
        partitions: partition count of the normalized topic.
    """

    name = "ingest"

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._recall = Recall(partitions, IngestRules())
        self._rules: Rules | None = None
        """The rules that the recall was made for: the same object from one change to the next."""

    def map(self, records: Sequence[RawRecord], rules: Rules) -> Mapped:
        """Map `records` of any raw partitions; what belongs to one raw partition keeps its order."""
        if self._rules is not rules:
            self._rules = rules
            reading = reading_rules(rules)
            if self._recall.rules != reading:
                self._recall = Recall(self._partitions, reading)
        mapping = _Mapping(self._recall)
        for record in records:
            mapping.add(record)
        return mapping.mapped()


class _Mapping:
    """One call: rows by (raw partition, partition), rejects and counts so far."""

    def __init__(self, recall: Recall) -> None:
        self._recall = recall
        self._rules = recall.rules
        self._packers: dict[tuple[str, int, str], dict[int, Packer]] = {}
        self._rejected: list[Rejected] = []
        self._received: dict[str, int] = {}
        self._received_at, self._received_ms = EPOCH, 0
        self._said: dict[Statement, Known] = {}
        """What the plain path has read: a statement that is made again is packed once."""

    def add(self, record: RawRecord) -> None:
        name = _NAMES.get(header(record.headers, FORMAT_HEADER), "")
        found, made = self._recall.read(record, name)
        if made is not None:
            self._received[found] = self._received.get(found, 0) + len(made)
            self._put(record, made)
            return
        rows: list[Made] = []
        rejected: list[Rejected] = []
        try:
            self._read(record, BY_NAME.get(name), rows, rejected)
        except Reject as error:
            rows, rejected = [], [_rejected(record, error, record.value, None)]
        except Exception as error:
            # A mistake of ours in reading one record must not stop all that come after it. It is kept under a name
            # of its own, to be requeued once the mistake is corrected.
            mistake = Reject("ingest_bug", f"{type(error).__name__}: {error}")
            rows, rejected = [], [_rejected(record, mistake, record.value, None)]
        self._rejected += rejected
        self._put(record, rows)

    def _put(self, record: RawRecord, rows: Sequence[Made]) -> None:
        if not rows:
            return
        source = (record.topic, record.partition, record.incarnation)
        packers = self._packers.get(source)
        if packers is None:
            packers = self._packers[source] = {}
        offset = record.offset
        if record.received_at != self._received_at:  # records that a log took together have one time
            self._received_at, self._received_ms = record.received_at, to_ms(record.received_at)
        received_ms = self._received_ms
        for index, known, expires_at in rows:
            for partition in known.partitions:
                packer = packers.get(partition)
                if packer is None:
                    packer = packers[partition] = Packer(source)
                packer.add(known.packed, offset, index, received_ms, expires_at)

    def mapped(self) -> Mapped:
        batches: dict[int, list[bytes]] = {}
        for packers in self._packers.values():
            for partition, packer in packers.items():
                batches.setdefault(partition, []).extend(packer.values())
        return Mapped(batches=batches, rejected=self._rejected, received=self._received)

    def _read(self, record: RawRecord, told: Format | None, rows: list[Made], rejected: list[Rejected]) -> None:
        check_size(len(record.value), large=True)
        document = documents.parsed(record.value)
        if told is None or told is cloudevents:
            document = enveloped(record.headers, document)
        format = told or detected(document)
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
                rows.append(Made(index, self._known(statement(item, self._rules)), expiry(item)))
        if len(items) == 1 and wrong:
            rejected.append(_rejected(record, wrong[0], record.value, 0))
        elif wrong:
            rejected += _rejected_items(record, format, format.prepared(document, context.seed), wrong)
        self._received[format.NAME] = self._received.get(format.NAME, 0) + len(items)

    def _known(self, said: Statement) -> Known:
        known = self._said.get(said)
        if known is None:
            known = self._said[said] = self._recall.known(said)
        return known


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
