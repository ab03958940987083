"""What a process shows of incidents is what it works on; others show the rest."""

import msgspec
import pytest

from tocsin.domain import events as ev
from tocsin.domain.ids import incident_id
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity
from tocsin.runtime.metrics import Metrics
from tocsin.wire import examples


def opened(partition: int, cause: str) -> ev.Opened:
    found = examples.EVENTS[ev.Opened.TYPE]
    assert isinstance(found, ev.Opened)
    incident = incident_id(partition, cause)
    header = msgspec.structs.replace(found.header, id=incident, status=Status.OPEN, severity=Severity.CRITICAL)
    return msgspec.structs.replace(found, incident_id=incident, header=header)


def shown(metrics: Metrics) -> float:
    value = metrics.registry.get_sample_value("tocsin_incidents_open", {"severity": "critical"})
    assert value is not None
    return value


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.committed([opened(0, "a"), opened(0, "b"), opened(40, "c")])
    return made


def test_incidents_of_a_partition_that_others_took_are_not_counted(metrics: Metrics) -> None:
    assert shown(metrics) == 3
    metrics.only({0, 40})
    assert shown(metrics) == 3
    metrics.only({40})
    assert shown(metrics) == 1
    metrics.only(set())
    assert shown(metrics) == 0


def test_a_partition_that_comes_back_is_counted_by_what_is_folded_then(metrics: Metrics) -> None:
    metrics.only({40})
    metrics.only({0, 40})
    metrics.folded(opened(0, "a"))
    metrics.show_open()
    assert shown(metrics) == 2
    metrics.committed([opened(0, "a")])
    assert shown(metrics) == 2
