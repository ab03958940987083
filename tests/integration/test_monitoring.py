"""A real Prometheus finds something ill, people are told by tocsin, and the same Prometheus sees tocsin at work.

Two ways in, on each log: through Prometheus's Alertmanager, and from Prometheus itself, for which tocsin is one.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from integration.monitors import Patient, alertmanager, every_second, needs, prometheus, telling
from integration.running import Sink, Tocsin, call, running
from integration.waiting import only_incident, until
from kafka.topics import create, delete_prefix

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

CHECKOUT = Path(__file__).parents[2]
SAMPLES = CHECKOUT / "deploy/prometheus"
WATCHES_TOCSIN = SAMPLES / "tocsin.rules.yml"

RULES = """\
groups:
  - name: patients
    rules:
      - alert: PatientIll
        expr: patient_errors > 0
        labels: {severity: critical, service: patient}
        annotations: {summary: "{{ $labels.job }} has {{ $value }} errors"}
"""
SETTINGS: dict[str, Any] = {
    "correlate": {"rules": [{"name": "default", "resolve_delay": "1s"}]},
    "escalate": {
        "rules": [
            {
                "condition": {"severity": ["critical"], "status": ["open"]},
                "escalate_to": "everyone",
                "escalate_after_minutes": 0,
            }
        ]
    },
}


@pytest.fixture
async def log(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, Any]]:
    """Settings of the log that tocsin runs on."""
    if request.param == "embedded":
        yield {"partitions": 2}
        return
    servers, prefix = request.getfixturevalue("kafka"), f"t{token_hex(4)}."
    await create(servers, prefix, partitions=2)
    yield {"broker": f"kafka://{servers}", "kafka": {"prefix": prefix}, "partitions": 2}
    await delete_prefix(servers, prefix)


@contextlib.asynccontextmanager
async def way_in(way: str, tocsin: Tocsin, directory: Path) -> AsyncIterator[str]:
    """Whom Prometheus tells: `host:port`."""
    if way == "prometheus":
        yield tocsin.url.removeprefix("http://")
        return
    async with alertmanager(directory, telling(f"{tocsin.url}/api/v1/alerts")) as url:
        yield url.removeprefix("http://")


def shown_to_people() -> list[str]:
    """The expressions in the handbook and on the dashboard."""
    text = (CHECKOUT / "src/tocsin/docs/operating.md").read_text(encoding="utf-8")
    handbook = re.findall(r"^\| [^|]+\? \| `([^`]+)`", text, re.MULTILINE)
    panels = json.loads((SAMPLES / "tocsin.dashboard.json").read_text(encoding="utf-8"))["panels"]
    dashboard = [target["expr"].replace("$__rate_interval", "1m") for panel in panels for target in panel["targets"]]
    assert len(handbook) >= 6
    return [*handbook, *dashboard]


async def told(sink: Sink, kind: str) -> dict[str, Any]:
    """The body of the first message of a kind."""

    async def look() -> list[dict[str, Any]]:
        return [one["body"] for one in sink.journal if one["body"]["type"] == kind]

    return (await until(look, f"{kind} at the webhook"))[0]


@pytest.mark.parametrize(
    ("log", "way"),
    # The embedded log with a real Alertmanager: test_alertmanager.py.
    [("kafka", "alertmanager"), ("kafka", "prometheus"), ("embedded", "prometheus")],
    indirect=["log"],
)
async def test_what_a_rule_finds_is_told_and_what_recovers_too(way: str, log: dict[str, Any], tmp_path: Path) -> None:
    rules = tmp_path / "patients.rules.yml"
    rules.write_text(RULES)
    async with (
        Patient() as patient,
        running(tmp_path / "tocsin", **SETTINGS, **log) as (tocsin, sink),
        way_in(way, tocsin, tmp_path) as alerts_to,
        prometheus(
            tmp_path,
            every_second(
                {"patient": patient.address, "tocsin": tocsin.url.removeprefix("http://")},
                alerts_to,
                [rules, WATCHES_TOCSIN],
            ),
        ) as watcher,
    ):
        await watcher.until("patient_errors == 0")
        patient.errors = 3
        opened = await told(sink, "incident.opened")
        found = await only_incident(tocsin)
        assert (found["title"], found["severity"]) == ("patient has 3 errors", "critical")
        assert found["number"] == opened["incident"]["number"]
        await told(sink, "escalation.fired")

        await watcher.until('tocsin_incidents_open{severity="critical"} == 1')
        await watcher.until("sum(tocsin_escalation_lateness_seconds_count) >= 1")
        ((_, late),) = await watcher.until(
            "histogram_quantile(0.99, sum by (le) (tocsin_escalation_lateness_seconds_bucket)) >= 0"
        )
        assert late <= 1.0
        stages = '{stage=~"ingest|correlate|escalate|notify|persist"}'
        await watcher.until(f"count(sum by (stage) (tocsin_consumer_lag_records{stages}) == 0) == 5")
        await watcher.until("tocsin_ready == 1 and tocsin_problems == 0 and tocsin_disk_free_bytes > 0")

        for expression in shown_to_people():
            await watcher.query(expression)

        patient.errors = 0
        resolved = await told(sink, "incident.resolved")
        assert resolved["incident"]["number"] == found["number"]
        await watcher.until('tocsin_incidents_open{severity="critical"} == 0')
        assert [one["body"]["type"] for one in sink.journal].count("incident.opened") == 1
        assert await watcher.query('ALERTS{alertname=~"Tocsin.*", alertstate="firing"}') == []


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (("check", "config"), "prometheus.yml"),
        (("check", "rules", "--lint-fatal"), "tocsin.rules.yml"),
        (("test", "rules"), "tocsin.rules.test.yml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_promtool_finds_nothing_wrong_with_the_samples(words: tuple[str, ...], file: str) -> None:
    await call(needs("promtool", "prometheus"), *words, str(SAMPLES / file))


async def test_amtool_finds_nothing_wrong_with_the_sample() -> None:
    await call(needs("amtool", "prometheus-alertmanager"), "check-config", str(SAMPLES.parent / "alertmanager.yml"))
