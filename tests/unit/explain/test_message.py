"""What would be said of an event over a channel."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.domain.errors import Reject
from tocsin.domain.rules import NotifyRules, Rules, Template
from tocsin.explain.message import context_for, example_of, explained, latest
from tocsin.notify.channel import Around, Channel
from tocsin.notify.channels.build import build
from tocsin.notify.links import SignedLinks
from tocsin.notify.wording import Templates
from tocsin.notify.wording_language import BadTemplate, RenderError
from tocsin.settings.rules import ANNOUNCED
from unit.escalate.story import Subject

MAIL = {"type": "email", "host": "127.0.0.1", "from": "t@a.example", "to": ["o@b.example"], "tls": "none"}


def links() -> SignedLinks:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    return SignedLinks("https://t.example", [b"a secret of sixteen bytes"], lambda: now, form_secret=b"x" * 32)


def mail(templates: Templates) -> Channel:
    return build({"mail": MAIL}, Around(wording=templates, links=links()))["mail"]


def said(template: Template | None = None, *, own: Template | None = None, **context: Any) -> dict[str, Any]:
    rules = Rules(templates={"a": template} if template else {})
    templates = Templates(links())
    templates.adopt(rules)
    found = context_for(Subject().opened(), rules, "team") | context
    return explained(found, mail(templates), rules, templates, own)


def test_the_template_that_applies_is_named_and_used_by_the_channel_as_well() -> None:
    found = said(Template(subject_template="{severity}: {title}"))
    assert (found["template"], found["problem"], found["subject"]) == ("a", "", "critical: Disk full")
    assert found["payload"].startswith("Subject: critical: Disk full\n\n")


def test_without_one_it_is_the_built_in_text() -> None:
    found = said()
    assert (found["template"], found["subject"]) == ("", "[CRITICAL] INC-2026-11-21-001 Disk full")
    assert "New incident" in found["payload"]


def test_one_that_fails_is_named_with_its_reason() -> None:
    found = said(Template(body_template="{{ 1 / 0 }}"))
    assert (found["template"], found["problem"]) == ("a", "ZeroDivisionError while it was rendered")
    assert "New incident" in found["body"]


def test_one_that_is_tried_goes_before_all_and_its_mistakes_are_raised() -> None:
    found = said(Template(subject_template="x"), own=Template(body_template="{title} it is"))
    assert (found["template"], found["body"]) == ("", "Disk full it is")
    assert "Disk full it is" in found["payload"]
    with pytest.raises(RenderError):
        said(own=Template(body_template="{{ 1 / 0 }}"))
    with pytest.raises(BadTemplate):
        said(own=Template(body_template="{{ 1 /"))


def test_links_hold_no_signature() -> None:
    found = said(Template(body_template="see {url}"))
    assert found["body"].startswith("see https://t.example/i/inc_aaonlyfortests?t=…")
    built_in = said()
    for text in (found["payload"], built_in["payload"]):
        assert "https://t.example/i/inc_aaonlyfortests?t=…" in text
        assert "https://t.example/a/…" in text
        assert not [word for word in text.split() if "t.example" in word and not word.endswith("…")]


def test_the_last_event_that_anybody_was_told_of_counts() -> None:
    subject = Subject()
    told = [subject.opened(), subject.acknowledged(1), subject.resolved(2), subject.closed(3)]
    assert latest(told, "", Rules(), "team")["type"] == "incident.resolved"
    assert latest(told, "incident.acknowledged", Rules(), "team")["type"] == "incident.acknowledged"
    for kind in ("incident.noted", ""):
        with pytest.raises(Reject):
            latest(told, kind, Rules(notify=NotifyRules(events=())), "team")


def test_there_is_an_example_of_whatever_notifies() -> None:
    for event in ANNOUNCED:
        assert example_of(event, Rules(), "team")["type"] == event
    with pytest.raises(Reject):
        example_of("delivery.planned", Rules(), "team")


def test_a_digest_has_an_example_that_says_what_it_stands_for() -> None:
    template = Template(events=("digest",), body_template="{{ count }}: {{ body }}")
    templates = Templates(links())
    templates.adopt(rules := Rules(templates={"a": template}))
    found = explained(example_of("digest", rules, "team"), mail(templates), rules, templates)
    assert (found["event"], found["template"], found["problem"]) == ("digest", "a", "")
    assert found["body"].startswith("3: ")
    assert "INC-2026-11-21-008" in found["payload"]
    built_in = explained(example_of("digest", rules, "customers"), mail(templates), Rules(), templates)
    assert (built_in["audience"], built_in["template"]) == ("customers", "")
    assert built_in["subject"].startswith("[Digest] 2 incidents: ")
