"""E-mail on a real SMTP server: recipients, threads, texts, encryption, refusals."""

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from contract.channel_kits import CONTEXT, effect, email_to, text_of
from contract.receivers import SmtpReceiver, smtp_receiver
from tocsin.notify.channel import Around, Sent
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


async def test_a_wrong_password_is_refused_and_not_repeated_in_the_detail() -> None:
    login = {"username": "canary-user", "password": "canary-password"}
    async with smtp_receiver(password="right") as receiver:
        sent = await mailed(effect(), receiver=receiver, **login)
    assert sent.outcome == "refused"
    assert "canary" not in sent.detail


async def test_a_login_works() -> None:
    async with smtp_receiver(password="right") as receiver:
        sent = await mailed(effect(), receiver=receiver, username="tocsin", password="right")
    assert sent.outcome == "delivered"


async def test_without_the_encryption_that_was_asked_for_nothing_is_sent() -> None:
    async with smtp_receiver() as receiver:
        sent = await mailed(effect(), receiver=receiver, tls="starttls")
    assert (sent.outcome, receiver.mails) == ("failed", [])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key, in one file."""
    file = tmp_path_factory.mktemp("tls") / "pair.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    outputs = ["subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", str(file.with_suffix(".crt"))]
    subprocess.run(["openssl", *words.split(), *outputs], check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + file.with_suffix(".crt").read_bytes())
    return file


@pytest.mark.parametrize(("trusted", "outcome"), [(True, "delivered"), (False, "failed")])
async def test_starttls_needs_a_certificate_that_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, outcome: str
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with smtp_receiver(tls=tls) as receiver:
        sent = await mailed(effect(), receiver=receiver, tls="starttls")
    assert (sent.outcome, receiver.encrypted) == (outcome, [True] * trusted)
