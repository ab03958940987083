"""What a page says in words: times as people read them, people by name, and nothing that a source could twist."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.api import page_view as view
from tocsin.api.links_made import FILE, links_of
from tocsin.domain.events import BY_TYPE, DeliveryEvent
from tocsin.domain.rules import Rules, Service, User
from tocsin.settings import Settings
from tocsin.settings.tree import HttpPart

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
RULES = Rules(
    users={"ana": User(name="Ana B.")},
    services={"shop": Service(runbook="https://wiki.example.org/shop", links={"dash": "https://dash.example.org"})},
)


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ("2026-11-22T00:25:00Z", "00:25 UTC, 5 min ago"),
        ("2026-11-22T02:25:00+02:00", "00:25 UTC, 5 min ago"),
        ("2026-11-21T23:25:00Z", "21 Nov 23:25 UTC, 1 h ago"),
        ("2025-11-21T23:25:00Z", "21 Nov 2025 23:25 UTC, 365 d ago"),
        ("2026-11-22T00:30:40Z", "00:30 UTC, now"),
        ("2026-11-22T00:45:00Z", "00:45 UTC, in 15 min"),
        (None, ""),
    ],
)
def test_a_moment_is_a_time_and_how_long_ago(stamp: str | None, text: str) -> None:
    assert view.moment(stamp, NOW) == text


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("user:ana", "Ana B."),
        ("user:bob", "bob"),
        ("team:dba", "team dba"),
        ("channel:ops", "channel ops"),
        ("chat:U1 (Eve)", "chat:U1 (Eve)"),
        ("", ""),
    ],
)
def test_people_are_called_by_name(reference: str, text: str) -> None:
    assert view.person(reference, RULES) == text


def delivery(status: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "recipient": "user:ana", "channel": "mail", "page": True, **more}


def test_what_became_of_a_message_stands_there_in_words() -> None:
    rows = view.told(
        [
            delivery("delivered", finished_at="2026-11-22T00:20:00Z", possible_duplicate=True),
            delivery("gave_up", error="HTTP 500: \u202eboom", finished_at="2026-11-22T00:21:00Z"),
            delivery("suppressed", reason="quiet_hours", finished_at="2026-11-22T00:22:00Z"),
            delivery("something_new", planned_at="2026-11-22T00:22:00Z"),
        ],
        RULES,
        NOW,
    )
    assert [row["state"] for row in rows] == [
        "delivered (possibly twice)",
        "not delivered: HTTP 500: boom",
        "not sent: quiet hours",
        "something_new",
    ]
    assert [row["tone"] for row in rows] == [view.GOOD, view.BAD, "", ""]


def test_every_end_of_a_message_has_words() -> None:
    for kind, event in BY_TYPE.items():
        if issubclass(event, DeliveryEvent):
            word = kind.removeprefix("delivery.")
            [row] = view.told([delivery(word)], RULES, NOW)
            assert row["state"] != word or word == "delivered"


def test_what_comes_next_says_whom_and_when() -> None:
    following = {"level": 2, "escalate_to": "user:ana, team:dba", "due_at": "2026-11-22T00:45:00Z", "repeat": 1}
    sla = {"resolve": {"state": "at_risk", "due_at": "2026-11-22T01:30:00Z"}, "update": {"state": "", "due_at": None}}
    assert view.coming({}, {"next": following, "sla": sla}, RULES, NOW) == [
        "Level 2: Ana B., team dba is called, again at 00:45 UTC, in 15 min, unless somebody acknowledges.",
        "Resolution promised for 01:30 UTC, in 1 h, at risk.",
    ]
    answered = {"acknowledged_at": "2026-11-22T00:20:00Z", "acknowledged_by": "user:ana"}
    assert view.coming(answered, {}, RULES, NOW) == [
        "Answered by Ana B. at 00:20 UTC, 10 min ago.",
        "Nobody else is called by itself.",
    ]


def line(kind: str, text: str, actor: str = "tocsin") -> dict[str, Any]:
    return {"type": kind, "actor": actor, "text": text, "at": "2026-11-22T00:20:00Z"}


def test_neighbours_that_say_the_same_are_one_line() -> None:
    attached = [line("incident.alert_attached", f"alert {number}") for number in (3, 2, 1)]
    notes = [line("incident.noted", text, "user:ana") for text in ("b", "a")]
    rows = view.timeline([*notes, *attached, line("delivery.gave_up", "mail: no")], RULES, NOW)
    assert [(row["what"], row["who"], row["text"]) for row in rows] == [
        ("Noted", "Ana B.", "b"),
        ("Noted", "Ana B.", "a"),
        ("Alert attached", "", "alert 3 and 2 more"),
        ("Not delivered", "", "mail: no"),
    ]


def test_links_are_those_of_incident_and_service_and_no_others() -> None:
    found = {"service": "shop", "links": {"bad": "javascript:alert(1)", "worse": "http:///x", "graph": "http://g/?a=b"}}
    assert view.links(found, RULES) == [
        ("runbook", "https://wiki.example.org/shop"),
        ("dash", "https://dash.example.org"),
        ("graph", "http://g/?a=b"),
    ]


# ---- links from settings ---------------------------------------------------------------------------------------------


def made(directory: Path, **http: Any) -> str:
    settings = Settings(data_dir=directory, http=HttpPart(external_url="https://t.example/", **http))
    return links_of(settings, lambda: NOW).acknowledge("inc_x", "user:ana", "ntf_1")


def test_on_the_embedded_log_a_secret_is_made_once_for_its_user_only(tmp_path: Path) -> None:
    first = made(tmp_path / "new")
    file = tmp_path / "new" / FILE
    assert first.startswith("https://t.example/a/")
    assert file.stat().st_mode & 0o777 == 0o600
    assert made(tmp_path / "new") == first
    file.write_text("cut")
    assert made(tmp_path / "new") != first, "what is too short to be one is made anew"
    assert [one.name for one in file.parent.iterdir()] == [FILE]


def test_a_secret_of_the_settings_makes_no_file_and_kafka_has_no_links_without_one(tmp_path: Path) -> None:
    assert made(tmp_path, link_secret="a secret of the settings")
    assert not (tmp_path / FILE).exists()
    kafka = Settings(data_dir=tmp_path, broker="kafka://k:9092", http=HttpPart(external_url="https://t.example"))
    links = links_of(kafka, lambda: NOW)
    assert links.acknowledge("inc_x", "user:ana", "ntf_1") == ""
    assert links.page("inc_x") == "https://t.example/i/inc_x"
    assert any("http.link_secret" in warning for warning in kafka.warnings())
    assert not (tmp_path / FILE).exists()


def test_the_settings_say_how_long_a_link_lasts(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, http=HttpPart(external_url="https://t.example", link_expiry=timedelta(minutes=5))
    )
    links = links_of(settings, lambda: NOW)
    link = links.opened(links.acknowledge("inc_x", "user:ana", "ntf_1").rpartition("/")[2])
    assert link.expires - NOW.timestamp() == 301


@pytest.mark.parametrize(
    ("http", "warned"),
    [
        ({"external_url": "https://t.example"}, True),
        ({"external_url": "http://127.0.0.1:9393"}, False),
        ({}, False),
    ],
)
def test_an_address_for_everybody_without_tokens_is_warned_of(http: dict[str, str], warned: bool) -> None:
    warnings = Settings(http=HttpPart(**http)).warnings()
    assert any("http.tokens" in one for one in warnings) == warned
