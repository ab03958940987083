"""The words of a message."""

from typing import Any

import pytest

from tocsin.domain import events as ev
from tocsin.domain.rules import Rules
from tocsin.domain.severity import Severity
from tocsin.notify.message import LINK_MAX, clean, instant_text, links_of, message_of, one_line
from tocsin.notify.plan import context_of
from unit.escalate.story import Subject, at


def told(event: ev.IncidentEvent) -> tuple[str, str]:
    message = message_of(context_of(event, Rules()))
    return message.subject, message.headline


def test_each_event_has_words_of_its_own() -> None:
    subject = Subject(Severity.HIGH)
    assert told(subject.opened()) == ("[HIGH] INC-2026-11-21-001 Disk full", "New incident")
    assert told(subject.raised(1, Severity.CRITICAL)) == (
        "[CRITICAL] INC-2026-11-21-001 Disk full",
        "Severity raised from high to critical",
    )
    assert told(subject.tell(ev.Noted, 2, note="hm", actor="ada"))[1] == "Noted by ada"
    assert told(subject.resolved(3)) == ("[Resolved] INC-2026-11-21-001 Disk full", "Resolved")
    assert told(subject.closed(4, merged_into="inc_b"))[1] == "Merged into another incident"


def test_a_promise_says_which_and_when() -> None:
    context = {"type": "sla.breached", "sla": {"target": "resolve", "due_at": "2026-11-21T12:30:00Z"}}
    assert message_of(context).headline == "The promise to resolve is broken: due 2026-11-21 12:30:00 UTC"


def test_every_event_type_gives_a_message() -> None:
    subject = Subject()
    for kind in (ev.Acknowledged, ev.Investigating, ev.Mitigated, ev.Reannounced, ev.AcknowledgementExpired):
        message = message_of(context_of(subject.tell(kind, 1), Rules()))
        assert message.headline
        assert message.subject.startswith("[")


def test_the_facts_leave_out_what_is_not_known() -> None:
    message = message_of(context_of(Subject(service="", alerts=0).opened(), Rules()))
    assert [label for label, _ in message.facts] == ["Status", "Opened", "Category", "Happened"]


def test_lateness_is_told_from_a_second_up() -> None:
    for seconds, label in ((0.9, []), (75.0, ["75 s"])):
        context = {"escalation": {"level": 1, "team": "x", "lateness_seconds": seconds}}
        assert [value for name, value in message_of(context).facts if name == "Late by"] == label


@pytest.mark.parametrize(
    "bad", ["\x00", "\x1b", "\r", "\x7f", "\x9b", "\u2028", "\u202e", "\u2066", "\ud800", "\ufeff"]
)
def test_control_characters_never_pass(bad: str) -> None:
    assert bad not in one_line(f"a{bad}b")
    assert bad not in clean(f"a{bad}b\nc")
    assert one_line(f"a{bad}\nb") == "a b"


def test_line_breaks_stay_in_texts_of_several_lines() -> None:
    assert clean("one\ntwo") == "one\ntwo"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//a.example/x",
        "https://",
        "https://a.example/ x",
        "https://a.example/\nx",
        "https://a.example/\u202ex",
        "http://[::1",
        "https://a.example/" + "x" * LINK_MAX,
    ],
)
def test_a_link_that_is_no_web_address_is_left_out(url: str) -> None:
    assert links_of({"runbook": url}) == ()


def test_the_runbook_comes_first_and_there_are_not_too_many() -> None:
    links: dict[str, Any] = {f"z{n}": f"https://a.example/{n}" for n in range(30)}
    found = links_of({**links, "generator": "http://g.example", "runbook": "http://r.example"})
    assert [name for name, _ in found][:3] == ["runbook", "generator", "z0"]
    assert len(found) == 12


def test_instants_are_shown_in_utc_and_anything_else_as_it_is() -> None:
    assert instant_text(at(5).isoformat()) == "2026-11-21 12:05:00 UTC"
    assert instant_text("2026-11-21T13:05:00+01:00") == "2026-11-21 12:05:00 UTC"
    assert instant_text("soon") == "soon"
    assert instant_text(None) == ""
