"""Severities over the API: the scheme in force, the matrix, and the label of an incident."""

from typing import Any

import msgspec
import pytest

from tocsin.api.severity import labelled
from tocsin.domain.rules import Rules, SeverityRules
from tocsin.domain.severity import Severity
from tocsin.notify.message import message_of
from tocsin.notify.plan import context_of
from tocsin.wire import examples


async def test_the_scheme_in_force_is_shown(rig: Any) -> None:
    found = (await rig.client.get("/api/v1/severity")).json()
    assert found["scheme"] == "named"
    assert found["schemes"] == ["named", "p0-p3", "p1-p4", "sev1-4"]
    assert [level["word"] for level in found["levels"]] == ["emergency", "critical", "high", "medium", "low", "info"]
    assert found["levels"][1]["respond_seconds"] == 300
    assert found["levels"][5]["respond_seconds"] is None
    assert found["promises"]["high"] == {
        "acknowledge_seconds": 900,
        "resolve_seconds": 7200,
        "update_seconds": None,
    }
    assert found["matrix"]["high"] == {"high": "critical", "medium": "high", "low": "medium"}


async def test_the_matrix_answers(rig: Any) -> None:
    found = await rig.client.get("/api/v1/severity/matrix", params={"impact": "high", "urgency": "low"})
    assert (found.json()["severity"], found.json()["level"]["word"]) == ("medium", "medium")
    wrong = await rig.client.get("/api/v1/severity/matrix", params={"impact": "hgh", "urgency": "low"})
    assert wrong.status_code == 422
    assert wrong.json()["message"] == "'hgh' is no impact; known: high, medium, low, did you mean 'high'?"


async def test_an_incident_has_the_label_of_its_severity(rig: Any) -> None:
    incident = (await rig.command("declare", arguments={"title": "down", "severity": "critical"})).json()["incident"]
    found = (await rig.client.get(f"/api/incident_response/{incident}")).json()
    assert (found["severity"], found["severity_label"]) == ("critical", "critical")
    assert found["severity_level"]["recover_seconds"] == 1800
    (listed,) = (await rig.client.get("/api/incident_response")).json()["items"]
    assert listed["severity_label"] == "critical"


@pytest.mark.parametrize(
    ("scheme", "label", "subject"),
    [("named", "critical", "[CRITICAL]"), ("p1-p4", "P1", "[P1]"), ("sev1-4", "Sev1", "[Sev1]")],
)
def test_messages_use_the_label_of_the_scheme(scheme: str, label: str, subject: str) -> None:
    rules = Rules(severity=SeverityRules(scheme=scheme))
    event = examples.EVENTS["incident.opened"]
    critical = msgspec.structs.replace(event.header, severity=Severity.CRITICAL)
    message = message_of(context_of(msgspec.structs.replace(event, header=critical), rules))
    assert message.subject.startswith(subject)
    assert labelled({"severity": "critical"}, rules)["severity_label"] == label


def test_a_severity_of_a_newer_version_is_shown_as_it_is() -> None:
    assert labelled({"severity": "cosmic"}, Rules())["severity_label"] == "cosmic"


def test_a_raise_is_told_in_the_words_of_the_scheme() -> None:
    event = examples.EVENTS["incident.severity_raised"]
    raised = msgspec.structs.replace(
        event, was=Severity.HIGH, header=msgspec.structs.replace(event.header, severity=Severity.CRITICAL)
    )
    told = [message_of(context_of(raised, Rules(severity=SeverityRules(scheme=one)))) for one in ("named", "p1-p4")]
    assert [one.headline for one in told] == ["Severity raised from high to critical", "Severity raised from P2 to P1"]
