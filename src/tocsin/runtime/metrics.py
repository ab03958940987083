"""Metrics as declared data, counted per batch and derived from what has been committed.

In: committed events, appends, sends, positions. Out: a registry of its own, for `/metrics`. No label ever holds an
id; every label has a small, known set of values.
"""

import platform
from collections import Counter as Count
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

import tocsin
from tocsin.domain import events as ev
from tocsin.domain.command import VERBS
from tocsin.domain.ids import partition_word
from tocsin.domain.lifecycle import UNFINISHED
from tocsin.domain.severity import Severity
from tocsin.stage import Standing

__all__ = ["METRICS", "Metric", "Metrics"]


class Metric(NamedTuple):
    """One metric. `kind` is `counter`, `gauge` or `histogram`; `buckets` in the unit of the name."""

    kind: str
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PEOPLE: Final = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)

METRICS: Final[tuple[Metric, ...]] = (
    Metric("counter", "tocsin_alerts_received_total", "Alerts that ingest read, by format.", ("format",)),
    Metric("counter", "tocsin_alerts_rejected_total", "Alerts or records that were rejected, by reason.", ("reason",)),
    Metric(
        "counter",
        "tocsin_alerts_deduplicated_total",
        "Sightings that made no incident, by the reason of the event that took them.",
        ("reason",),
    ),
    Metric("gauge", "tocsin_incidents_open", "Incidents in which somebody still has to do something.", ("severity",)),
    Metric("counter", "tocsin_incidents_opened_total", "Incidents opened, by severity at that time.", ("severity",)),
    Metric("counter", "tocsin_incident_events_total", "Committed incident events, by type.", ("type",)),
    Metric(
        "histogram",
        "tocsin_incident_acknowledge_seconds",
        "From opening to the first acknowledgement.",
        ("severity",),
        PEOPLE,
    ),
    Metric("histogram", "tocsin_incident_resolve_seconds", "From opening to resolving.", ("severity",), PEOPLE),
    Metric("counter", "tocsin_commands_total", "Commands decided, by verb and outcome.", ("verb", "outcome")),
    Metric("counter", "tocsin_playbooks_total", "Playbooks that were started and finished.", ("playbook", "event")),
    Metric("counter", "tocsin_escalations_total", "Escalation steps fired.", ("level", "severity")),
    Metric(
        "histogram",
        "tocsin_escalation_lateness_seconds",
        "How long after its due time a step fired.",
        (),
        (*FAST, 30.0, 60.0, 300.0),
    ),
    Metric("counter", "tocsin_sla_total", "Promises at risk or breached.", ("target", "outcome", "severity")),
    Metric("counter", "tocsin_notifications_total", "Deliveries by channel and outcome.", ("channel", "outcome")),
    Metric("counter", "tocsin_inbound_total", "Calls of providers, by channel and outcome.", ("channel", "outcome")),
    Metric("histogram", "tocsin_notification_seconds", "Duration of one send.", ("channel",), FAST),
    Metric(
        "gauge",
        "tocsin_channel_state",
        "1 for the state that a channel is in: closed (well), paused, open (it fails), half_open (it is tried).",
        ("channel", "state"),
    ),
    Metric(
        "counter",
        "tocsin_template_failures_total",
        "Messages that went out with the built-in text because their template failed.",
        ("template",),
    ),
    Metric("histogram", "tocsin_append_seconds", "One commit, until it counts.", ("topic",), FAST),
    Metric("counter", "tocsin_append_records_total", "Records committed.", ("topic",)),
    Metric("gauge", "tocsin_projection_lag_records", "Records the event log has not taken.", ("topic",)),
    Metric(
        "gauge",
        "tocsin_consumer_lag_records",
        "Records a stage has not read.",
        ("stage", "topic", "partition"),
    ),
    Metric(
        "gauge",
        "tocsin_oldest_unapplied_seconds",
        "Age of the oldest record that a stage has not read.",
        ("stage", "topic", "partition"),
    ),
    Metric("counter", "tocsin_stage_inputs_total", "Inputs that a stage decided.", ("stage",)),
    Metric("counter", "tocsin_stage_decide_seconds_total", "Time that deciding and evolving took.", ("stage",)),
    Metric("counter", "tocsin_partition_loads_total", "How often the owners of a partition were loaded.", ()),
    Metric("counter", "tocsin_append_failures_total", "Appends that failed or whose outcome was in doubt.", ("topic",)),
    Metric("counter", "tocsin_outbound_heartbeats_total", "Calls that say that tocsin is well.", ("outcome",)),
    Metric("histogram", "tocsin_canary_seconds", "Until a test alert or page was there.", ("step",), FAST),
    Metric("counter", "tocsin_canary_failures_total", "Test alerts and pages that did not come through.", ("kind",)),
    Metric("gauge", "tocsin_expected_alert_age_seconds", "Since an expected alert was seen.", ("expected",)),
    Metric("gauge", "tocsin_event_loop_lag_seconds", "How late the loop came back from its last short sleep.", ()),
    Metric("gauge", "tocsin_fetch_age_seconds", "Since a group last heard from the log, records or none.", ("group",)),
    Metric("gauge", "tocsin_heartbeat_age_seconds", "Since the log last confirmed a member of the group.", ("group",)),
    Metric(
        "gauge",
        "tocsin_position_age_seconds",
        "Since the position of a stage last moved while there was something to read.",
        ("stage", "partition"),
    ),
    Metric("gauge", "tocsin_ready", "1 when alerts are taken and worked on, else 0; what /-/ready says.", ()),
    Metric("gauge", "tocsin_problems", "Lines that /-/ready lists.", ()),
    Metric("gauge", "tocsin_clock_seconds", "What tocsin takes for now, in seconds since 1970.", ()),
    Metric("gauge", "tocsin_clock_step_seconds", "By how much the machine's clock has stepped and is not followed."),
    Metric("gauge", "tocsin_disk_free_bytes", "Room left for log and event log, where there is less.", ()),
    Metric(
        "gauge",
        "tocsin_checkpoint_age_seconds",
        "Since the state of the newest checkpoint.",
        ("stage", "partition"),
    ),
    Metric("gauge", "tocsin_checkpoint_bytes", "Size of the newest checkpoint.", ("stage", "partition")),
    Metric("gauge", "tocsin_checkpoint_seconds", "How long writing it took, beside the work.", ("stage", "partition")),
    Metric(
        "counter",
        "tocsin_checkpoints_passed_over_total",
        "Checkpoints that a load found unfit, by reason.",
        ("stage", "reason"),
    ),
    Metric("gauge", "tocsin_shown_waiting", "Incidents whose newest state is not public yet.", ("partition",)),
    Metric("gauge", "tocsin_build_info", "Always 1.", ("version", "python")),
)

ACKNOWLEDGING: Final = (ev.Acknowledged, ev.Investigating, ev.Mitigated)


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each that exists, which nobody asks for
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._of: dict[str, Counter | Gauge | Histogram] = {one.name: self._make(one) for one in METRICS}
        self._open: dict[str, Severity] = {}
        """Incident id -> severity of those that are open: the gauge is a fold, not a count of calls."""
        self._by_severity: Count[Severity] = Count()
        self._unacknowledged: set[str] = set()
        self._partitions: set[int] = set()
        """Whose incidents were followed when somebody last said so."""
        self.set("tocsin_build_info", 1, tocsin.__version__, platform.python_version())
        for severity in Severity:
            self.set("tocsin_incidents_open", 0, severity)

    def _make(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "histogram":
            return Histogram(metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets)
        if metric.kind == "gauge":
            return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def add(self, name: str, amount: float, *labels: str) -> None:
        """Count `amount` on a counter."""
        metric = self._of[name]
        assert isinstance(metric, Counter)
        (metric.labels(*labels) if labels else metric).inc(amount)

    def set(self, name: str, value: float, *labels: str) -> None:
        metric = self._of[name]
        assert isinstance(metric, Gauge)
        (metric.labels(*labels) if labels else metric).set(value)

    def observe(self, name: str, value: float, *labels: str) -> None:
        metric = self._of[name]
        assert isinstance(metric, Histogram)
        (metric.labels(*labels) if labels else metric).observe(value)

    def exposition(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)

    def appended(self, topic: str, records: int, seconds: float) -> None:
        """One commit counts."""
        self.add("tocsin_append_records_total", records, topic)
        self.observe("tocsin_append_seconds", seconds, topic)

    def decided(self, stage: str, inputs: int, seconds: float) -> None:
        """One batch of inputs was decided."""
        self.add("tocsin_stage_inputs_total", inputs, stage)
        self.add("tocsin_stage_decide_seconds_total", seconds, stage)

    def folded(self, event: ev.Event) -> None:
        """An event that was committed before: moves gauges only."""
        if isinstance(event, ev.IncidentEvent):
            self._follow(event)

    def stand(self, headers: Iterable[Standing]) -> None:
        """Incidents as a checkpoint has them; moves gauges only."""
        for header in headers:
            before = self._open.pop(header.id, None)
            if before is not None:
                self._by_severity[before] -= 1
            if header.status in UNFINISHED:
                self._open[header.id] = header.severity
                self._by_severity[header.severity] += 1
                if header.acknowledged_at is None:
                    self._unacknowledged.add(header.id)

    def only(self, partitions: Collection[int]) -> None:
        """The incidents of these partitions are followed from now on; those of others are counted by others."""
        if self._partitions == set(partitions):
            return
        self._partitions = set(partitions)
        words = {partition_word(partition) for partition in partitions}
        for incident in [one for one in self._open if one[4:6] not in words]:
            self._by_severity[self._open.pop(incident)] -= 1
            self._unacknowledged.discard(incident)
        self.show_open()

    def left(self, stage: str, topic: str, partition: int) -> None:
        """This process reads this place no more: whoever does shows it."""
        for name, labels in (
            ("tocsin_consumer_lag_records", (stage, topic, str(partition))),
            ("tocsin_oldest_unapplied_seconds", (stage, topic, str(partition))),
            ("tocsin_position_age_seconds", (stage, str(partition))),
            ("tocsin_checkpoint_age_seconds", (stage, str(partition))),
            ("tocsin_checkpoint_bytes", (stage, str(partition))),
            ("tocsin_checkpoint_seconds", (stage, str(partition))),
        ):
            with suppress(KeyError):
                self._of[name].remove(*labels)

    def show_open(self) -> None:
        """Set the gauge of open incidents to what was folded."""
        for severity in Severity:
            self.set("tocsin_incidents_open", self._by_severity[severity], severity)

    def committed(self, events: Iterable[ev.Event]) -> None:
        """Events that count from now on."""
        counts: Count[tuple[str, ...]] = Count()
        incidents = False
        for event in events:
            if isinstance(event, ev.IncidentEvent):
                incidents = True
                self._incident(event, counts)
            elif isinstance(event, ev.Tallied):
                repeats = sum(tally.count for tally in event.tallies)
                counts["tocsin_alerts_deduplicated_total", event.reason or "repeat"] += repeats
            elif isinstance(event, ev.CommandEvent):
                verb = event.verb if event.verb in VERBS else "unknown"
                counts["tocsin_commands_total", verb, event.TYPE.removeprefix("command.")] += 1
            elif isinstance(event, ev.EscalationEvent):
                self._escalation(event, counts)
            elif isinstance(event, ev.DeliveryEvent):
                counts["tocsin_notifications_total", event.channel, event.word] += 1
                if isinstance(event, ev.DeliveryDelivered):
                    self.observe("tocsin_notification_seconds", event.duration_seconds, event.channel)
        for (name, *labels), amount in counts.items():
            self.add(name, amount, *labels)
        if incidents:
            self.show_open()

    def _incident(self, event: ev.IncidentEvent, counts: "Count[tuple[str, ...]]") -> None:
        counts["tocsin_incident_events_total", event.TYPE] += 1
        severity = event.header.severity
        waited = (event.recorded_at - event.header.opened_at).total_seconds()
        if isinstance(event, ev.Opened):
            counts["tocsin_incidents_opened_total", severity] += 1
        elif isinstance(event, ev.AlertAttached | ev.LateAmended):
            counts["tocsin_alerts_deduplicated_total", event.reason] += 1
        elif isinstance(event, ACKNOWLEDGING) and event.incident_id in self._unacknowledged:
            self.observe("tocsin_incident_acknowledge_seconds", waited, severity)
        elif isinstance(event, ev.Resolved):
            self.observe("tocsin_incident_resolve_seconds", waited, severity)
        elif isinstance(event, ev.PlaybookStarted | ev.PlaybookFinished):
            word = event.TYPE.removeprefix("incident.playbook_")
            counts["tocsin_playbooks_total", event.playbook, word] += 1
        self._follow(event)

    def _follow(self, event: ev.IncidentEvent) -> None:
        header = event.header
        before = self._open.pop(event.incident_id, None)
        if before is not None:
            self._by_severity[before] -= 1
        if header.status in UNFINISHED:
            self._open[event.incident_id] = header.severity
            self._by_severity[header.severity] += 1
            if isinstance(event, ev.Opened):
                self._unacknowledged.add(event.incident_id)
            elif header.acknowledged_at is not None:
                self._unacknowledged.discard(event.incident_id)
        else:
            self._unacknowledged.discard(event.incident_id)

    def _escalation(self, event: ev.EscalationEvent, counts: "Count[tuple[str, ...]]") -> None:
        severity = event.header.severity
        if isinstance(event, ev.EscalationFired):
            counts["tocsin_escalations_total", str(event.step.level), severity] += 1
            self.observe("tocsin_escalation_lateness_seconds", event.lateness_seconds)
        elif isinstance(event, ev.SlaAtRisk | ev.SlaBreached):
            counts["tocsin_sla_total", event.target, event.TYPE.removeprefix("sla."), severity] += 1
