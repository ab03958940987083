"""What each kind of channel sends in the words of a template, whole, beside this file in `golden/`; and that nothing
which a source wrote becomes more than text on the way through one.

After a change that is meant: `TOCSIN_GOLDEN=write pytest <this file>`, and read the difference before it is committed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from email import message_from_string
from pathlib import Path
from typing import Any, Final

import pytest

from tocsin.domain.rules import Rules, Template
from tocsin.explain.message import context_for, example_of
from tocsin.notify.channel import Around, Channel, Shows
from tocsin.notify.channels.build import TYPES, build
from tocsin.notify.channels.email import Email
from tocsin.notify.wording import Templates
from tocsin.stage import Effect
from unit.escalate.story import Subject

GOLDEN: Final = Path(__file__).parent / "golden"
NOWHERE: Final = "http://127.0.0.1:9/"
OPTIONS: Final[Mapping[str, dict[str, Any]]] = {
    "console": {},
    "webhook": {"url": NOWHERE},
    "email": {"host": "127.0.0.1", "from": "tocsin@a.example", "to": ["ops@b.example"], "tls": "none"},
    "slack": {"token": "xoxb-1", "channel": "C0123456789"},
    "pagerduty": {"routing_key": "0" * 32},
    "teams": {"url": NOWHERE},
    "servicenow": {"url": NOWHERE, "username": "tocsin", "password": "x"},
    "sms": {"url": NOWHERE, "to": ["+491234"], "form": {"To": "{to}", "Body": "{text}"}},
    "voice": {"url": NOWHERE, "to": ["+491234"], "form": {"To": "{to}", "Body": "{text}"}},
}
EVENTS: Final = ("incident.opened", "incident.resolved", "escalation.fired", "sla.breached", "incident.updated_people")
CUSTOM: Final = Template(
    subject_template="[{severity}] {title}",
    body_template="{{ headline }} at {{ timestamp }}\n\n{% if service %}Service: {{ service }}\n{% endif %}"
    "{% for name, value in labels|items %}{{ name }}: {{ value }}\n{% endfor %}{{ note|default('(no note)') }}",
)
EVIL: Final = (
    '<script>alert(1)</script> <!channel> <@U1> *bold* \r\nBcc: x@evil.example\x1b[31m {{ 1 + 1 }} "quoted" &amp;'
)


@pytest.fixture
def templates() -> Templates:
    return Templates()


def channel(kind: str, templates: Templates) -> Channel:
    return build({kind: {"type": kind, **OPTIONS[kind]}}, Around(wording=templates))[kind]


def effect(kind: str, context: Mapping[str, Any]) -> Effect:
    said = {name: value for name, value in context.items() if name != "_page"}
    return Effect(
        delivery_id="ntf_aagolden", channel=kind, attempt=1, recipient=f"channel:{kind}", contacts={}, context=said
    )


def shown(one: Channel, context: Mapping[str, Any]) -> str:
    assert isinstance(one, Shows), f"{one.kind} does not tell what it would send"
    return one.shown(effect(one.kind, context)).rstrip("\n") + "\n"


def cases() -> Iterator[tuple[str, str, str]]:
    for kind in OPTIONS:
        yield kind, EVENTS[0], "built_in"
        yield from ((kind, event, "custom") for event in EVENTS)


def test_every_type_of_channel_is_among_them() -> None:
    assert set(OPTIONS) == set(TYPES)


@pytest.mark.parametrize(("kind", "event", "words"), list(cases()))
async def test_what_goes_out_is_what_is_written_down(kind: str, event: str, words: str, templates: Templates) -> None:
    templates.adopt(Rules(templates={"custom": CUSTOM} if words == "custom" else {}))
    path = GOLDEN / kind / f"{event}.{words}.txt"
    found = shown(channel(kind, templates), example_of(event, Rules(), "team"))
    if os.environ.get("TOCSIN_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


async def evil(templates: Templates, kind: str) -> str:
    """What a channel sends when everything that a source wrote is hostile, and a template repeats it."""
    told = Subject(title=EVIL, summary=EVIL, service=EVIL, category=EVIL, team=EVIL, labels={EVIL: EVIL})
    wanted = Template(subject_template="{title}", body_template="{title}\n{description}\n{labels}\n{service}")
    templates.adopt(Rules(templates={"evil": wanted}))
    return shown(channel(kind, templates), context_for(told.opened(), Rules(), "team"))


@pytest.mark.parametrize("kind", sorted(OPTIONS))
async def test_what_a_source_wrote_stays_text(kind: str, templates: Templates) -> None:
    text = await evil(templates, kind)
    assert "alert(1)" in text, "the template's words are there"
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\nBcc:" not in text.partition("\n\n")[0]
    assert "{{ 1 + 1 }}" in text, "what a template printed is no template"
    assert templates.failing() == []


async def test_a_mail_shows_no_markup_and_grows_no_header(templates: Templates) -> None:
    await evil(templates, "email")
    mailing = channel("email", templates)
    assert isinstance(mailing, Email)
    told = Subject(title=EVIL, summary=EVIL)
    one = effect("email", context_for(told.opened(), Rules(), "team"))
    mail = mailing.mail(one, ["a@b.example"], possible_duplicate=False)
    parsed = message_from_string(mail.as_string())
    assert parsed["Bcc"] is None
    assert "\n" not in str(mail["Subject"])
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script>alert(1)" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()


async def test_slack_mentions_nobody(templates: Templates) -> None:
    text = await evil(templates, "slack")
    assert "<!channel>" not in text
    assert "<@U1>" not in text
    assert "&lt;!channel&gt;" in text


async def test_a_webhook_of_ones_own_form_stays_one_document(templates: Templates) -> None:
    own = Template(body_template='{"text": "{title}", "more": {"labels": "{labels}", "n": {alerts}}}')
    templates.adopt(Rules(templates={"own": own}))
    told = Subject(title=EVIL, labels={EVIL: EVIL}).opened()
    document = json.loads(shown(channel("webhook", templates), context_for(told, Rules(), "team")))
    assert list(document) == ["text", "more"]
    assert document["text"].startswith("<script>alert(1)</script> <!channel>")
    assert document["more"]["n"] == 1
