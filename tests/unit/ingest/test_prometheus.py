"""`POST /api/v2/alerts`: instants, time-outs, and what Alertmanager refuses too."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.domain.alert import AlertStatus, Episode
from unit.ingest.bodies import ENDED, NOW, ZERO, api_v2_alert, labels, one, rejected, row_of, without

FORMAT = "prometheus"
STARTED_AT = datetime(2026, 11, 21, 9, 58, 12, 345678, tzinfo=UTC)


def test_a_firing_alert() -> None:
    row, said = row_of([api_v2_alert()])
    assert (row.status, row.episode, row.starts_at) == (AlertStatus.FIRING, Episode.STARTS_AT, STARTED_AT)
    assert row.expires_at == NOW + timedelta(minutes=2)
    assert said.source == "prometheus"
    assert said.labels == labels()
    assert said.links == {"generator": "https://prometheus.example.com/graph?g0.expr=x"}
    assert said.group_labels is None


@pytest.mark.parametrize(
    ("ends_at", "status", "expires_at"),
    [
        ("2026-11-21T10:00:00.000001Z", AlertStatus.FIRING, NOW + timedelta(microseconds=1)),
        ("2026-11-21T10:00:00Z", AlertStatus.RESOLVED, None),
        (ENDED, AlertStatus.RESOLVED, None),
        ("2026-11-21T12:30:00+02:00", AlertStatus.FIRING, NOW + timedelta(minutes=30)),
        (None, AlertStatus.FIRING, NOW + timedelta(minutes=5)),
        ("", AlertStatus.FIRING, NOW + timedelta(minutes=5)),
        (ZERO, AlertStatus.FIRING, NOW + timedelta(minutes=5)),
        ("9999-12-31T23:59:59Z", AlertStatus.FIRING, datetime(9000, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_end_resolves_or_expires(ends_at: str | None, status: AlertStatus, expires_at: datetime | None) -> None:
    alert = one(FORMAT, [api_v2_alert(endsAt=ends_at)])
    assert (alert.status, alert.expires_at) == (status, expires_at)


def test_without_a_start_the_window_makes_the_episode() -> None:
    alert = one(FORMAT, [without(api_v2_alert(), "startsAt", "endsAt")])
    assert (alert.starts_at, alert.episode) == (None, Episode.WINDOW)


def test_a_resolved_alert_with_only_an_end_starts_there() -> None:
    alert = one(FORMAT, [without(api_v2_alert(endsAt=ENDED), "startsAt")])
    assert alert.starts_at == datetime(2026, 11, 21, 9, 59, tzinfo=UTC)


def test_a_firing_alert_with_only_an_end_is_the_same_episode_at_each_sending() -> None:
    for ends_at in ("2026-11-21T10:02:00Z", "2026-11-21T10:03:00Z"):
        alert = one(FORMAT, [without(api_v2_alert(endsAt=ends_at), "startsAt")])
        assert (alert.starts_at, alert.episode) == (None, Episode.WINDOW)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-11-21T09:58:12Z", datetime(2026, 11, 21, 9, 58, 12, tzinfo=UTC)),
        ("2026-11-21t09:58:12z", datetime(2026, 11, 21, 9, 58, 12, tzinfo=UTC)),
        ("2026-11-21 09:58:12", datetime(2026, 11, 21, 9, 58, 12, tzinfo=UTC)),
        ("2026-11-21T09:58:12.5-01:00", datetime(2026, 11, 21, 10, 58, 12, 500000, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_instants(instant: str, expected: datetime) -> None:
    alert = one(FORMAT, [without(api_v2_alert(startsAt=instant), "endsAt")])
    assert alert.starts_at == expected


@pytest.mark.parametrize(
    "instant",
    [
        "2026-11-21",
        "20261121T095812Z",
        "2026-W47-6T09:58:12Z",
        "2023-02-29T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T09:58:61Z",
        "2026-11-21T09:58",
        "1763719092",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-21T09:58:12." + "0" * 60 + "Z",
        "٢٠٢٦-11-21T09:58:12Z",
        "2026-11-21T09:58:12Z\x00",
        "-" * 30,
        "T" * 30,
    ],
)
def test_what_is_no_instant_is_refused(instant: str) -> None:
    word, message = rejected(FORMAT, [api_v2_alert(startsAt=instant)])
    assert word == "bad_instant"
    assert message.startswith("[0].startsAt: ")


@pytest.mark.parametrize(
    ("item", "word", "message"),
    [
        (1, "bad_type", "[0]: must be an object, is a number"),
        ({}, "no_labels", "[0].labels: at least one label with a value is required"),
        (api_v2_alert(labels={"a": ""}), "no_labels", "[0].labels: at least one label with a value is required"),
        (api_v2_alert(startsAt=1), "bad_type", "[0].startsAt: must be a string, is a number"),
        (
            api_v2_alert(startsAt="2026-11-21T10:02:00.000001Z"),
            "ends_before_start",
            "[0].endsAt: lies before startsAt",
        ),
    ],
)
def test_what_is_wrong_is_said(item: object, word: str, message: str) -> None:
    assert rejected(FORMAT, [item]) == (word, message)


def test_an_end_at_the_start_is_allowed() -> None:
    one(FORMAT, [api_v2_alert(startsAt=ENDED, endsAt=ENDED)])
