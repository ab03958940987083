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


def fact(context: dict[str, Any], label: str) -> str:
    return dict(message_of(context).facts).get(label, "")


def test_others_who_were_told_are_named_once_and_not_endlessly() -> None:
    also = [{"recipient": f"user:u{n}", "channel": channel} for n in range(11) for channel in ("sms", "mail", "sms")]
    assert fact({"also": also}, "Also told").startswith("u0 (sms, mail), u1 (sms, mail), ")
    assert fact({"also": also}, "Also told").endswith("u7 (sms, mail) and 3 more")
    assert fact({"also": [{"recipient": "channel:ops", "channel": "ops"}]}, "Also told") == "ops"
    assert fact({"also": []}, "Also told") == ""


def test_what_changed_is_told_in_the_words_of_the_scheme() -> None:
    since = {
        "recorded_at": at(0).isoformat(),
        "severity": "high",
        "severity_label": "P2",
        "status": "open",
        "alerts": 0,
    }
    incident = {"severity": "critical", "severity_label": "P1", "status": "investigating", "alerts": 2}
    assert fact({"since": since, "incident": incident}, "Changed") == (
        "severity from P2 to P1, status from open to investigating, alerts from 0 to 2 (since 2026-11-21 12:00:00 UTC)"
    )


def test_a_digest_counts_what_it_does_not_name() -> None:
    rows = [{"number": f"INC-{n}", "title": "x", "severity": "low", "id": f"inc_{n}"} for n in range(60)]
    message = message_of({"digest": {"count": 1200, "incidents": rows, "more": 40}})
    assert (len(message.rows), message.more, message.asks) == (50, 50, False)
    assert message.subject == "[Digest] 100 incidents: INC-0 x and 99 more"
    assert message.headline == "This stands for 1,200 messages"


def test_only_what_is_open_and_unanswered_is_asked_for_and_a_call_always() -> None:
    asked = {"id": "inc_aa", "status": "open"}
    assert message_of({"type": "incident.opened", "incident": asked}).asks
    answered = asked | {"acknowledged_at": "2026-11-21T12:00:00Z", "status": "acknowledged"}
    assert not message_of({"type": "incident.noted", "incident": answered}).asks
    assert message_of({"type": "escalation.fired", "incident": answered, "escalation": {"level": 1}}).asks
    assert not message_of({"type": "incident.opened", "incident": asked, "audience": "management"}).asks
    assert not message_of({"type": "incident.noted", "incident": asked | {"status": "resolved"}}).asks


def test_the_brackets_of_a_subject_hold_no_others() -> None:
    incident = {"severity": "high", "severity_label": "[P1]", "number": "INC-1", "title": "Disk [a]"}
    assert message_of({"incident": incident}).subject == "[(P1)] INC-1 Disk [a]"
