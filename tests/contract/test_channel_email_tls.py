"""E-mail over TLS: the server has to be who it says, or nothing is said to it."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from contract.channel_kits import effect, email_to
from contract.mail_certificates import MailCertificates
from contract.receivers import SmtpReceiver, smtp_receiver
from tocsin.notify.channel import Sent

LOGIN = {"username": "canary-user", "password": "canary-password"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> MailCertificates:
    return MailCertificates(tmp_path_factory.mktemp("tls"))


async def mailed(receiver: SmtpReceiver, trusted: Path, **options: Any) -> Sent:
    given = {"tls": "starttls", "ca_file": str(trusted), **LOGIN, **options}
    return await email_to(receiver, **given).send(effect(), possible_duplicate=False)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_mail_goes_to_a_server_that_the_own_authority_vouches_for(
    certificates: MailCertificates, tls: str
) -> None:
    offered = {"tls" if tls == "starttls" else "implicit": certificates.server()}
    async with smtp_receiver(password=LOGIN["password"], **offered) as receiver:
        sent = await mailed(receiver, certificates.authority, tls=tls)
    assert (sent.outcome, receiver.encrypted, receiver.logins) == ("delivered", [True], 1)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize("bad", ["expired", "other_host", "strange"])
async def test_a_server_that_is_not_who_it_should_be_hears_nothing(
    certificates: MailCertificates, bad: str, tls: str
) -> None:
    offered = {"tls" if tls == "starttls" else "implicit": certificates.server(bad)}
    async with smtp_receiver(password=LOGIN["password"], **offered) as receiver:
        sent = await mailed(receiver, certificates.authority, tls=tls)
    assert (sent.outcome, receiver.mails, receiver.logins) == ("failed", [], 0)
    word = {"expired": "expired", "other_host": "127.0.0.1", "strange": "issuer"}[bad]
    assert word in sent.detail
    assert "canary" not in sent.detail


async def test_the_authorities_of_the_system_do_not_vouch_for_a_stranger(certificates: MailCertificates) -> None:
    async with smtp_receiver(tls=certificates.server()) as receiver:
        sent = await email_to(receiver, tls="starttls").send(effect(), possible_duplicate=False)
    assert (sent.outcome, receiver.mails) == ("failed", [])


async def test_an_encryption_of_yesterday_is_none(certificates: MailCertificates) -> None:
    old = certificates.server()
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with smtp_receiver(tls=old, password=LOGIN["password"]) as receiver:
        sent = await mailed(receiver, certificates.authority)
    assert (sent.outcome, receiver.mails, receiver.logins) == ("failed", [], 0)


async def test_what_answers_starttls_in_the_clear_hears_nothing_more(certificates: MailCertificates) -> None:
    async with smtp_receiver(mode="bad_tls") as receiver:
        sent = await mailed(receiver, certificates.authority)
    assert (sent.outcome, receiver.mails) == ("failed", [])
