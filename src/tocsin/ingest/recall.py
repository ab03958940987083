"""The short way through ingest: what a source says again in the same bytes is recognised, not read anew.

In: a raw record in one of Alertmanager's two shapes. Out: its rows, exactly as the plain path (`formats/`, `normalise`)
gives them, or None: then the plain path has to read the record. Memory is bounded; it decides nothing, so what it has
forgotten costs time only. It rejects nothing: whatever is unusual in any way (an unknown field, a wrong type, a missing
label) goes the plain way, which names the reason.

Why it is right: an alert is a function of the bytes of its labels, annotations and links, of its `startsAt` and status,
and of the bytes of the envelope; those are the key. What is not part of the key is decoded with its type here. Bytes
enter a key only after the plain path's own parser has read them. msgspec's check of values that it passes on raw is as
strict as orjson's (a test compares them) but for two things: UTF-8, which is checked here for the whole record, and
numbers beyond a double, which a typed field refuses.

Measured, microseconds a core per alert of 0.95 KB, one alert a record: plain 17.2, recognised 2.6.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.domain.ids import partition_of_key
from tocsin.domain.instant import Instant
from tocsin.domain.rules import IngestRules
from tocsin.ingest import document as documents
from tocsin.ingest.formats import alertmanager, labelled, prometheus
from tocsin.ingest.memory import Memory
from tocsin.ingest.normalise import expiry, statement
from tocsin.ingest.reading import Context, ReadAlert, instant_of
from tocsin.stage import RawRecord
from tocsin.wire.normalized import Packed, Statement

RECORD_BYTES_MAX: Final = 1024 * 1024
"""Larger records are rare, and a wrong item in one would mean to read all of it twice."""
MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Some 30,000 alerts of usual size; an eighth of what P5 of the measures allows a process beside its state."""
ENVELOPE_BYTES_MAX: Final = 4 * 1024 * 1024
"""One envelope a group: what differs between webhooks is which labels their alerts have in common."""
FINGERPRINT_BYTES_MAX: Final = 16 * 1024 * 1024
INSTANTS_MAX: Final = 8192
"""Texts of instants; alerts of one evaluation share theirs."""

_NONE: Final = msgspec.Raw(b"null")


class _Item(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One alert as Alertmanager, Prometheus and Grafana send it. A null is the same as no field, except in status."""

    labels: msgspec.Raw = _NONE
    annotations: msgspec.Raw = _NONE
    startsAt: str | None = None
    endsAt: str | None = None
    generatorURL: str | None = None
    status: str | msgspec.UnsetType = msgspec.UNSET
    fingerprint: str | None = None
    dashboardURL: str | None = None
    panelURL: str | None = None
    silenceURL: str | None = None
    imageURL: str | None = None
    valueString: str | None = None
    values: dict[str, float | None] | None = None


class _Webhook(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Alertmanager's webhook, and Grafana's. What `alertmanager.read` looks at, or never looks at, is left raw."""

    alerts: list[_Item]
    version: msgspec.Raw = _NONE
    status: msgspec.Raw = _NONE
    groupLabels: msgspec.Raw = _NONE
    commonLabels: msgspec.Raw = _NONE
    commonAnnotations: msgspec.Raw = _NONE
    routeLabels: msgspec.Raw = _NONE
    groupKey: str | None = None
    truncatedAlerts: int | None = None
    receiver: str | None = None
    externalURL: str | None = None
    notification_reason: str | None = None
    orgId: int | None = None
    title: str | None = None
    state: str | None = None
    message: str | None = None


_webhook_decoder: Final = msgspec.json.Decoder(_Webhook)
_items_decoder: Final = msgspec.json.Decoder(list[_Item])


class Known(NamedTuple):
    """A statement that was made before, ready to be put into batches."""

    partitions: Sequence[int]
    packed: Packed
    starts_at: Instant | None


class Made(NamedTuple):
    """One row of a record."""

    index: int
    known: Known
    expires_at: Instant | None


class _Envelope(NamedTuple):
    """What the alerts of a webhook have in common. `number` stands for its bytes in the keys of its alerts."""

    number: int
    source: str
    group_labels: dict[str, str] | None
    overall: object


class Recall:
    """What is remembered of earlier records, under one set of rules and for one number of partitions."""

    def __init__(self, partitions: int, rules: IngestRules) -> None:
        self.rules = rules
        self._all = range(partitions)
        self._known: Memory[Any, Known] = Memory(MEMORY_BYTES_MAX)
        self._envelopes: Memory[Any, _Envelope] = Memory(ENVELOPE_BYTES_MAX)
        self._fingerprints: Memory[bytes, str] = Memory(FINGERPRINT_BYTES_MAX)
        self._instants: dict[str, Instant | None] = {}
        self._numbered = 0

    def known(self, said: Statement) -> Known:
        """`said`, encoded and with the partitions it goes to: all of them when it names only a key."""
        key, partitions = said.partition_key, self._all
        where: Sequence[int] = (partition_of_key(key, len(partitions)),) if key else partitions
        return Known(where, Packed(said), said.starts_at)

    def read(self, record: RawRecord, name: str) -> tuple[str, list[Made]] | None:
        """Format and rows of `record`; None when the plain path has to read it. `name`: what its header says."""
        value = record.value
        if len(value) > RECORD_BYTES_MAX:
            return None
        begin = value[:1]
        try:
            if begin == b"{" and name in ("", alertmanager.NAME):
                _check_text(value)
                return alertmanager.NAME, self._webhook(record)
            if begin == b"[" and name in ("", prometheus.NAME):
                _check_text(value)
                made = self._items(record, told=bool(name))
                return None if made is None else (prometheus.NAME, made)
        except Exception:
            return None  # the plain path says what is wrong, if anything is, be it with the record or with us
        return None

    # ---- Alertmanager's webhook --------------------------------------------------------------------------------------

    def _webhook(self, record: RawRecord) -> list[Made]:
        webhook = _webhook_decoder.decode(record.value)
        envelope = self._envelope(webhook)
        made: list[Made] = []
        for index, item in enumerate(webhook.alerts):
            labels = bytes(item.labels)
            key = (
                envelope.number, labels, bytes(item.annotations), item.startsAt, item.status, item.generatorURL,
                item.dashboardURL, item.panelURL, item.silenceURL, item.imageURL,
            )  # fmt: skip
            known = self._known.get(key)
            if known is None:
                # An envelope's number stands for its bytes, and its alerts are read with what it says.
                read = alertmanager.alert_of(
                    _document(item), envelope.source, envelope.group_labels, envelope.overall, self._context(record)
                )
                known = self._learn(key, labels, read)
            made.append(Made(index, known, None))
        return made

    def _envelope(self, webhook: _Webhook) -> _Envelope:
        key = (
            bytes(webhook.version), bytes(webhook.status), bytes(webhook.groupLabels), bytes(webhook.commonLabels),
            bytes(webhook.commonAnnotations), bytes(webhook.routeLabels),
        )  # fmt: skip
        found = self._envelopes.get(key)
        if found is None:
            # In a list, so that what lies within is as deep as in its document.
            version, status, group_labels, *_ = documents.parsed(b"[%b]" % b",".join(key))
            group = alertmanager.group_of({"groupLabels": group_labels}) or None
            self._numbered += 1
            found = _Envelope(self._numbered, alertmanager.source_of(version), group, status)
            self._envelopes.put(key, found, sum(map(len, key)))
        return found

    # ---- /api/v2/alerts ----------------------------------------------------------------------------------------------

    def _items(self, record: RawRecord, *, told: bool) -> list[Made] | None:
        items = _items_decoder.decode(record.value)
        if not told and not (items and items[0].startsAt):
            return None  # it may be a list of our own alerts: `registry.detected` looks at all fields
        received_at = record.received_at
        made: list[Made] = []
        for index, item in enumerate(items):
            starts_at, ends_at = self._instant(item.startsAt), self._instant(item.endsAt)
            resolved = ends_at is not None and ends_at <= received_at
            labels = bytes(item.labels)
            # What is resolved without a start begins at its end; else an end that moves changes nothing but the expiry.
            begin = item.endsAt if resolved and starts_at is None else item.startsAt
            key = (
                labels, bytes(item.annotations), begin, resolved, item.generatorURL,
                item.dashboardURL, item.panelURL, item.silenceURL, item.imageURL,
            )  # fmt: skip
            known = self._known.get(key)
            if known is None:
                read = prometheus.alert_of(_document(item), self._context(record))
                known = self._learn(key, labels, read)
                made.append(Made(index, known, expiry(read)))
                continue
            if starts_at is not None and ends_at is not None and ends_at < starts_at:
                return None
            made.append(Made(index, known, None if resolved else ends_at or received_at + prometheus.RESOLVE_TIMEOUT))
        return made

    def _instant(self, text: str | None) -> Instant | None:
        if text is None:
            return None
        try:
            return self._instants[text]
        except KeyError:
            if len(self._instants) >= INSTANTS_MAX:
                self._instants.clear()
            found = self._instants[text] = instant_of({"at": text}, "at")
            return found

    # ---- what is new -------------------------------------------------------------------------------------------------

    def _learn(self, key: tuple[Any, ...], labels: bytes, read: ReadAlert) -> Known:
        fingerprint = self._fingerprints.get(labels)
        said = statement(read, self.rules, fingerprint or "")
        if fingerprint is None:
            self._fingerprints.put(labels, said.fingerprint, len(labels))
        known = self.known(said)
        self._known.put(key, known, known.packed.size + sum(len(one) for one in key if type(one) in (bytes, str)))
        return known

    def _context(self, record: RawRecord) -> Context:
        return Context(received_at=record.received_at, severities=self.rules.severities)


def _check_text(value: bytes) -> None:
    if not value.isascii():
        value.decode()


_TEXTS: Final = ("startsAt", "endsAt", *labelled.LINKS)


def _document(item: _Item) -> dict[str, Any]:
    """The item as the plain path's parser would give it, without fields that nobody reads."""
    # In a list within a list, so that it is as deep as in its document.
    ((labels, annotations),) = documents.parsed(b"[[%b,%b]]" % (bytes(item.labels), bytes(item.annotations)))
    found: dict[str, Any] = {name: text for name in _TEXTS if (text := getattr(item, name)) is not None}
    found["labels"], found["annotations"] = labels, annotations
    if item.status is not msgspec.UNSET:
        found["status"] = item.status
    return found
