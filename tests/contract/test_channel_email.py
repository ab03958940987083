"""E-mail on a real SMTP server: recipients, threads, texts, encryption, refusals."""

import re
from collections.abc import Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.channel_kits import CONTEXT, effect, email_to, text_of
from contract.receivers import SmtpReceiver, smtp_receiver
from tocsin.notify.channel import Around, NoLinks, Sent, Words
from tocsin.notify.channels.email import DUPLICATE_HEADER, Email
from tocsin.stage import Effect


async def mailed(one: Effect, *, receiver: SmtpReceiver, **options: Any) -> Sent:
    channel = email_to(receiver, **options)
    return await channel.send(one, possible_duplicate=False)


async def test_a_mail_goes_to_the_contacts_and_without_them_to_the_channel() -> None:
    async with smtp_receiver() as receiver:
        await mailed(
            effect(contacts={"email": ("On Call <a@b.example>", "a@b.example", "no address")}), receiver=receiver
        )
        await mailed(effect(contacts={"phone": ("1",)}), receiver=receiver)
    assert receiver.recipients == [["a@b.example"], ["ops@b.example"]]


async def test_an_address_that_would_be_decoded_is_none() -> None:
    async with smtp_receiver() as receiver:
        encoded = "=?utf-8?q?a=0d=0aBcc=3a?=@b.example"
        await mailed(effect(contacts={"email": (encoded, "a@b.example")}), receiver=receiver)
    assert receiver.recipients == [["a@b.example"]]


async def test_a_mail_for_nobody_is_refused() -> None:
    async with smtp_receiver() as receiver:
        sent = await mailed(effect(contacts={"email": ("no address",)}), receiver=receiver, to=())
    assert (sent.outcome, receiver.mails) == ("refused", [])


async def test_mails_of_an_incident_are_a_thread() -> None:
    async with smtp_receiver() as receiver:
        for delivery in ("ntf_one", "ntf_two"):
            await mailed(effect(delivery=delivery), receiver=receiver, around=Around(instance="prod.a.example"))
    first, second = receiver.mails
    assert first["Message-ID"] == "<ntf_one@prod.a.example>"
    assert first["References"] == second["References"] == "<inc_aaonlyfortests@prod.a.example>"
    assert first["In-Reply-To"] == first["References"]
    assert first["Auto-Submitted"] == "auto-generated"


async def test_a_mail_has_text_and_html_and_both_say_it_all() -> None:
    async with smtp_receiver() as receiver:
        await mailed(effect(), receiver=receiver)
    (mail,) = receiver.mails
    assert mail["Subject"] == "[CRITICAL, escalation 1] INC-2026-11-21-001 Disk of shop is full"
    for kind in ("plain", "html"):
        text = text_of(mail, kind)
        for word in (
            "Nobody has answered: escalation level 1, on_call",
            "Disk of shop is full",
            "97 % used",
            "3, 2 firing",
            "https://runbooks.example/disk",
            "lead is called at 2026-11-21 12:15:00 UTC",
        ):
            assert word in text
        assert "javascript" not in text


async def test_what_a_source_wrote_makes_neither_header_nor_markup() -> None:
    hostile = "Disk\r\nBcc: victim@c.example\r\n\r\n<img src=x onerror=alert(1)>{% raw %}\"'&"
    links = {"runbook": 'https://r.example/"onmouseover="x', "<b>": "https://r.example/b"}
    incident = {**CONTEXT["incident"], "title": hostile, "summary": hostile, "id": hostile, "links": links}
    async with smtp_receiver() as receiver:
        sent = await mailed(effect(context={**CONTEXT, "incident": incident}), receiver=receiver)
    assert sent.outcome == "delivered"
    (mail,) = receiver.mails
    assert "Bcc" not in mail
    assert receiver.recipients == [["ops@b.example"]]
    assert "Bcc: victim" in mail["Subject"]
    html = text_of(mail, "html")
    assert "<img" not in html
    assert '"onmouseover' not in html
    assert "&lt;img" in html


async def test_a_recipient_who_is_refused_does_not_stop_the_others() -> None:
    async with smtp_receiver(rcpt={"gone@b.example": "550 no such user"}) as receiver:
        sent = await mailed(effect(contacts={"email": ("gone@b.example", "a@b.example")}), receiver=receiver)
    assert sent.outcome == "delivered"
    assert sent.detail.startswith("1 of 2 addresses refused")


@pytest.mark.parametrize(("answer", "outcome"), [("450 busy", "failed"), ("550 no such user", "refused")])
async def test_when_all_recipients_are_refused_the_code_decides(answer: str, outcome: str) -> None:
    async with smtp_receiver(rcpt={"a@b.example": answer}) as receiver:
        assert (await mailed(effect(contacts={"email": ("a@b.example",)}), receiver=receiver)).outcome == outcome


async def test_a_wrong_password_is_denied_and_not_repeated_in_the_detail() -> None:
    login = {"username": "canary-user", "password": "canary-password"}
    async with smtp_receiver(password="right") as receiver:
        sent = await mailed(effect(), receiver=receiver, **login)
    assert sent.outcome == "denied"
    assert "canary" not in sent.detail


async def test_a_login_works() -> None:
    async with smtp_receiver(password="right") as receiver:
        sent = await mailed(effect(), receiver=receiver, username="tocsin", password="right")
    assert sent.outcome == "delivered"


async def test_without_the_encryption_that_was_asked_for_nothing_is_sent() -> None:
    async with smtp_receiver() as receiver:
        sent = await mailed(effect(), receiver=receiver, tls="starttls")
    assert (sent.outcome, receiver.mails) == ("failed", [])


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [("silent", "failed"), ("drip", "failed"), ("busy", "failed"), ("garbage", "failed"), ("cut", "delivered")],
)
async def test_a_server_that_is_none_is_tried_again_and_one_that_took_the_mail_is_not(mode: str, outcome: str) -> None:
    async with smtp_receiver(mode=mode) as receiver:
        sent = await mailed(effect(), receiver=receiver, timeout_seconds=0.5 if mode in ("silent", "drip") else 10.0)
        assert (sent.outcome, len(receiver.mails)) == (outcome, int(outcome == "delivered"))
        assert 0 < len(sent.detail) <= 300


async def test_a_slow_server_is_waited_for() -> None:
    async with smtp_receiver(mode="slow", pause=0.2) as receiver:
        assert (await mailed(effect(), receiver=receiver)).outcome == "delivered"


async def test_what_was_sent_is_remembered_by_its_id() -> None:
    async with smtp_receiver() as receiver:
        sent = await mailed(effect(), receiver=receiver)
    assert sent.handle == receiver.mails[0]["Message-ID"] == "<ntf_aaone@tocsin>"


class Addresses:
    """Links of an installation that has an address."""

    def page(self, incident_id: str) -> str:
        return f"https://tocsin.a.example/i/{incident_id}?a=1&b=2"

    def acknowledge(self, incident_id: str, recipient: str, delivery_id: str) -> str:
        return f"https://tocsin.a.example/a/{incident_id}/{recipient}/{delivery_id}"


class Template:
    """A template of the settings, as the channel gets it: plain text."""

    def __init__(self, **words: str) -> None:
        self.said = Words(**words)

    def words(self, channel: str, kind: str, context: Mapping[str, Any]) -> Words | None:
        return self.said if (channel, kind) == ("mail", "email") else None


def written(context: dict[str, Any] | None = None, **around: Any) -> EmailMessage:
    channel = Email("mail", "127.0.0.1", "a@b.example", tls="none", around=Around(**{"links": Addresses(), **around}))
    return channel.mail(effect(context=context or CONTEXT), ["ops@b.example"], possible_duplicate=False)


def test_a_mail_that_asks_for_an_answer_has_the_button_for_it() -> None:
    mail = written()
    assert "Acknowledge:   https://tocsin.a.example/a/inc_aaonlyfortests/team:on_call/ntf_aaone" in text_of(mail)
    html = text_of(mail, "html")
    assert 'href="https://tocsin.a.example/a/inc_aaonlyfortests/team:on_call/ntf_aaone"' in html
    assert 'href="https://tocsin.a.example/i/inc_aaonlyfortests?a=1&amp;b=2"' in html


@pytest.mark.parametrize(
    "more",
    [
        {"type": "incident.resolved", "escalation": None},
        {"type": "incident.opened", "escalation": None, "audience": "management"},
        {"type": "incident.noted", "escalation": None, "incident": CONTEXT["incident"] | {"acknowledged_at": "soon"}},
        {"type": "incident.noted", "escalation": None, "incident": CONTEXT["incident"] | {"status": "closed"}},
    ],
)
def test_a_mail_that_asks_nobody_has_none(more: dict[str, Any]) -> None:
    mail = written({**CONTEXT, **more})
    for kind in ("plain", "html"):
        assert "/a/inc_" not in text_of(mail, kind)
        assert "/i/inc_aaonlyfortests" in text_of(mail, kind)


HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "Importance",
    "X-Auto-Response-Suppress", "X-Tocsin-Delivery", "X-Tocsin-Incident", "MIME-Version", "Content-Type",
}  # fmt: skip
TAGS = {"a", "body", "br", "div", "h1", "head", "html", "meta", "p", "span", "style", "table", "td", "title", "tr"}
UGLY = st.text(st.characters(exclude_categories=()), max_size=80) | st.sampled_from(
    [
        "\r\nBcc: x@c.example",
        "=?utf-8?q?=0d=0aBcc=3a=20x=40c.example?=",
        "<script>alert(1)</script>",
        "\ud800",
        "\u2028X: y",
        "--==",
    ]
)


@example(texts=("=?utf-8?q?=0d=0aBcc=3a=20x=40c.example?=",) * 8)
@given(texts=st.tuples(*[UGLY] * 8))
def test_no_text_makes_a_header_or_a_tag(texts: tuple[str, ...]) -> None:
    title, number, service, note, actor, subject, body, name = texts
    about = {
        **CONTEXT["incident"],
        "title": title,
        "number": number,
        "service": service,
        "links": {name: "https://a.b/"},
    }
    for wording in (Template(), Template(subject=subject, body=body)):
        mail = written({**CONTEXT, "incident": about, "note": note, "actor": actor}, wording=wording)
        read = message_from_bytes(mail.as_bytes(), policy=default_policy)
        assert set(read.keys()) == HEADERS
        assert len(read.keys()) == len(HEADERS)
        assert set(re.findall(r"</?([a-zA-Z!][a-z0-9]*)", text_of(read, "html"))) <= TAGS | {"!doctype"}


def test_what_somebody_asked_to_send_again_says_so() -> None:
    mail = written({**CONTEXT, "type": "incident.resend_requested", "possible_duplicate": True})
    assert mail[DUPLICATE_HEADER] == "yes"
    assert "You may have received this message before" in text_of(mail)


def test_an_installation_without_an_address_has_no_buttons() -> None:
    assert "Acknowledge" not in text_of(written(links=NoLinks()), "html")


def test_a_template_has_the_word_and_no_markup() -> None:
    words = Template(subject="Shop:\r\nBcc: x@c.example", body="One <b>&\n\nTwo\x1b[2J\nThree")
    mail = written(wording=words)
    assert mail["Subject"] == "Shop: Bcc: x@c.example"
    assert mail["Bcc"] is None
    assert text_of(mail).startswith("One <b>&\n\nTwo [2J\nThree\n\nRunbook:      https://runbooks.example/disk\n")
    html = text_of(mail, "html")
    for word in ("One &lt;b&gt;&amp;</p>", "Two [2J\nThree</p>", "Disk of shop is full", "/a/inc_", "runbooks.example"):
        assert word in html
    assert "97 % used" not in html
    assert "97 % used" not in text_of(mail)


def test_a_template_without_a_subject_or_without_a_body_leaves_the_other_as_it_is() -> None:
    assert written(wording=Template(body="Short"))["Subject"].startswith("[CRITICAL, escalation 1] INC-")
    mail = written(wording=Template(subject="Short"))
    assert "97 % used" in text_of(mail)
    assert "97 % used" in text_of(mail, "html")


def test_a_mail_loads_nothing_from_anywhere() -> None:
    html = text_of(written(), "html")
    assert not re.search(r"<(?:img|link|script|iframe|object|video)|url\(|@import|\bsrc=|background=", html)
    assert set(re.findall(r"https?://[^/\"]+", html)) == {"https://tocsin.a.example", "https://runbooks.example"}


def test_a_digest_names_its_incidents_and_counts_the_others() -> None:
    rows = [{"id": f"inc_aa{n}", "number": f"INC-{n}", "title": f"Disk <{n}>", "severity": "high"} for n in (1, 2)]
    mail = written({"type": "digest", "digest": {"count": 57, "incidents": rows, "more": 3}})
    assert mail["Subject"] == "[Digest] 5 incidents: INC-1 Disk <1> and 4 more"
    html = text_of(mail, "html")
    for word in ("This stands for 57 messages", "Disk &lt;1&gt;", "and 3 more", "/i/inc_aa2?a=1&amp;b=2"):
        assert word in html
    assert "/a/" not in html
    assert "HIGH      INC-2  Disk <2>\nand 3 more incidents" in text_of(mail)
