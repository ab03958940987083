"""Inhibition, maintenance, thresholds and flapping in the settings: what people write, and what is said when it is
wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import yaml

from tocsin.domain.rules import (
    DOCUMENTS,
    Flapping,
    Inhibition,
    LabelMatch,
    Maintenance,
    Matcher,
    Restriction,
    Rules,
    Threshold,
    documents_of,
    rules_with,
)
from tocsin.domain.severity import Severity
from unit.settings.reading import problems_of, settings_of

GOOD = """
suppress:
  inhibit:
    - {name: power, source: alertname="PowerLost", target: ['severity=~"low|info"', '{zone!="b"}'], equal: site}
  maintenance:
    backup:
      matchers: cluster="eu-1"
      condition: {severity: [low, info]}
      starts_at: 2026-12-24T18:00
      time_zone: Europe/Berlin
      windows: [{days: sun, start: 02:00, end: 04:00}]
      calendar: office
    move: {starts_at: 2026-12-24T18:00, ends_at: 2026-12-25T02:00:00+01:00, description: to the new room}
calendars: {office: {}}
correlate:
  rules:
    - {name: noisy, threshold: {count: 3, within: 10m}, flapping: {times: 3}}
"""


def test_what_is_kept_quiet_arrives(tmp_path: Path) -> None:
    rules = settings_of(tmp_path, GOOD).rules()
    assert rules.inhibitions == (
        Inhibition(
            name="power",
            source=(LabelMatch(name="alertname", value="PowerLost"),),
            target=(
                LabelMatch(name="severity", value="low|info", is_regex=True),
                LabelMatch(name="zone", value="b", is_equal=False),
            ),
            equal=("site",),
        ),
    )
    assert rules.maintenance == {
        "backup": Maintenance(
            matchers=(LabelMatch(name="cluster", value="eu-1"),),
            condition=Matcher(severity=(Severity.LOW, Severity.INFO)),
            starts_at=datetime(2026, 12, 24, 17, tzinfo=UTC),
            time_zone="Europe/Berlin",
            windows=(Restriction(days=(6,), start="02:00", end="04:00"),),
            calendar="office",
        ),
        "move": Maintenance(
            starts_at=datetime(2026, 12, 24, 18, tzinfo=UTC),
            ends_at=datetime(2026, 12, 25, 1, tzinfo=UTC),
            description="to the new room",
        ),
    }
    assert rules.correlation[0].threshold == Threshold(count=3, within=timedelta(minutes=10))
    assert rules.correlation[0].flapping == Flapping(times=3)


def test_they_are_published_as_documents_and_read_back(tmp_path: Path) -> None:
    rules = settings_of(tmp_path, GOOD).rules()
    read = Rules()
    for key, document in documents_of(rules).items():
        read = rules_with(read, key, msgspec.json.decode(msgspec.json.encode(document)), -1)
    assert read == rules
    assert "inhibit/rules" in DOCUMENTS


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, GOOD)
    again = settings_of(tmp_path, yaml.safe_dump(settings.published(), allow_unicode=True))
    assert again.rules() == settings.rules()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("suppress: {inhibit: [{name: a, source: 'a', target: 'x=y'}]}", "expected"),
        ("suppress: {inhibit: [{name: a, source: [], target: x=y}]}", "at least one matcher"),
        ("suppress: {inhibit: [{name: a, source: a=b}]}", "field 'target' is missing"),
        (
            "suppress: {inhibit: [{name: a, source: a=b, target: x=y}, {name: a, source: a=b, target: x=y}]}",
            "two inhibitions have the name 'a'",
        ),
        ("suppress: {maintenance: {m: {matchers: a=b}}}", "this would be quiet for ever"),
        ("suppress: {maintenance: {m: {starts_at: 2026-12-24, ends_at: 2026-12-23}}}", "ends_at must lie after"),
        ("suppress: {maintenance: {m: {matchers: 'a=~(', calendar: c}}}\ncalendars: {c: {}}", "pattern"),
        ("suppress: {maintenance: {m: {calendar: ofice}}}\ncalendars: {office: {}}", "did you mean 'office'"),
        ("suppress: {maintenence: {}}", "did you mean 'maintenance'"),
        ("correlate: {rules: [{name: a, threshold: {count: 1, within: 5m}}]}", "greater than or equal to 2"),
        ("correlate: {rules: [{name: a, threshold: {count: 2}}]}", "field 'within' is missing"),
        ("correlate: {rules: [{name: a, flapping: {times: 500}}]}", "less than or equal to 20"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems_of(tmp_path, text)
    assert problem in found, found


@pytest.mark.parametrize("document", [{"count": 0, "within": "PT5M"}, {"count": 101, "within": "PT5M"}])
def test_a_threshold_out_of_range_is_refused_over_the_api_too(document: object) -> None:
    with pytest.raises(msgspec.ValidationError, match="between 1 and 100"):
        msgspec.convert(document, Threshold)
