"""E-mail: one message as HTML and as text over SMTP.

In: an effect. Out: what the server made of it: 4xx and faults of the network are worth another attempt, 5xx is refused,
a login that the server does not take is denied.
Invariants: one delivery has one Message-ID over all attempts; all mails of an incident hang together as a thread;
whatever a source wrote can neither add a header nor markup; a send ends within its time-out; user name and password
appear in no detail; a mail loads nothing from anywhere. It keeps no connection: pages are rare, and a kept one is a
broken one at the wrong moment.

The thread: each mail refers to one id made of the incident, which no mail has as its own, and to the mail before it
that the same recipient got (`Effect.handle`). Were the first mail the root, two recipients with one mailbox, or two
first mails on their way at once, would have the same Message-ID, and mail servers throw the second one away.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Final

import aiosmtplib
import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tocsin.notify.channel import Around, Sent, Words
from tocsin.notify.message import Message, body_of, clean, links_text, message_of, one_line
from tocsin.stage import Effect

DETAIL_MAX: Final = 300
RECIPIENTS_MAX: Final = 100
"""The least that an SMTP server must take of one message (RFC 5321 §4.5.3.1.8)."""
ADDRESS_MAX: Final = 254
"""RFC 5321 §4.5.3.1.3, less the angle brackets."""
SUBJECT_MAX: Final = 200
"""Characters: mail readers show fewer."""
BODY_MAX: Final = 20_000
"""Characters of a text that a template made."""
LOGIN_WANTED: Final = 530
"""RFC 4954 §6: nothing is taken without a login."""
DUPLICATE_HEADER: Final = "X-Tocsin-Possible-Duplicate"

_ADDRESS: Final = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f-\x9f]+@[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f-\x9f]+")
_ENCODED: Final = "=?"
_ATOM: Final = re.compile(r"[^A-Za-z0-9.-]+")
_IDENTIFIER: Final = re.compile(r"<[A-Za-z0-9_.+=-]{1,200}@[A-Za-z0-9_.-]{1,200}>")
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_LOCAL: Final = re.compile(r"[^A-Za-z0-9_-]+")

_templates: Final = ImmutableSandboxedEnvironment(
    loader=jinja2.PackageLoader("tocsin.notify.channels", "templates"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Email:
    """One SMTP server with one sender.

    Raises:
        ValueError: an address is none, a password would travel in the clear, or `ca_file` cannot be read.
    """

    kind = "email"

    def __init__(
        self,
        name: str,
        host: str,
        sender: str,
        *,
        port: int = 587,
        to: Sequence[str] = (),
        username: str = "",
        password: str = "",
        tls: str = "starttls",
        ca_file: str = "",
        timeout_seconds: float = 30.0,
        in_flight_max: int = 4,
        around: Around | None = None,
    ) -> None:
        self.name = name
        self.timeout_seconds = timeout_seconds
        self.in_flight_max = in_flight_max
        self._sender = _mailbox("from", sender)
        self._to = tuple(_mailbox("to", address).addr_spec for address in to)
        if username and tls == "none" and host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("tls: none would send the password in the clear; use starttls or tls")
        self._server = (host, port, tls)
        self._login = (username, password) if username else None
        self._around = around or Around()
        self._domain = _ATOM.sub("-", self._around.instance).strip(".-") or "tocsin"
        self._tls = _trust(ca_file) if tls != "none" else None

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """Send the message to the contacts of the recipient, else to those of the channel."""
        given = effect.contacts.get("email", ())
        recipients = good_addresses(given)[:RECIPIENTS_MAX] or list(self._to)
        if not recipients:
            return Sent("refused", "no address: neither the recipient nor the channel has one")
        try:
            mail = self.mail(effect, recipients, possible_duplicate=possible_duplicate)
        except (ValueError, LookupError, MessageError, jinja2.TemplateError) as error:
            return Sent("refused", self._detail(f"the message cannot be written: {error}"))
        return await self._transmit(mail, recipients)

    async def _transmit(self, mail: EmailMessage, recipients: list[str]) -> Sent:
        host, port, tls = self._server
        username, password = self._login or (None, None)
        accepted: Sent | None = None
        client = aiosmtplib.SMTP(
            hostname=host,
            port=port,
            local_hostname=_own_name(),
            timeout=self.timeout_seconds,
            use_tls=tls == "tls",
            start_tls=tls == "starttls",
            tls_context=self._tls,
            username=username,
            password=password,
        )
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await client.connect()
                refused, answer = await client.send_message(mail, sender=self._sender.addr_spec, recipients=recipients)
                without = f"{len(refused)} of {len(recipients)} addresses refused; " if refused else ""
                accepted = Sent("delivered", self._detail(without + answer), handle=str(mail["Message-ID"]))
                await client.quit()
        except TimeoutError:
            return accepted or Sent("failed", f"no answer within {self.timeout_seconds:g} s")
        except (aiosmtplib.SMTPException, OSError, ValueError, MessageError) as error:
            return accepted or Sent(_outcome(error), self._detail(f"{type(error).__name__}: {error}"))
        finally:
            client.close()
        return accepted

    def shown(self, effect: Effect) -> str:
        """See `Shows`: the subject and the text; the HTML part says the same."""
        mail = self.mail(effect, good_addresses([self._sender.addr_spec]), possible_duplicate=False)
        text = mail.get_body(("plain",))
        return f"Subject: {mail['Subject']}\n\n{text.get_content() if text else ''}".rstrip()

    async def close(self) -> None:
        """Nothing is kept."""

    def mail(self, effect: Effect, recipients: Sequence[str], *, possible_duplicate: bool) -> EmailMessage:
        """The mail as it is sent.

        Raises:
            ValueError: a header cannot be written.
        """
        possible_duplicate = possible_duplicate or bool(effect.context.get("possible_duplicate"))
        message = message_of(effect.context)
        words = self._around.wording.words(self.name, self.kind, effect.context) or Words()
        subject = _plain(one_line(words.subject, SUBJECT_MAX) or message.subject)
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = self._sender
        mail["To"] = tuple(Address(addr_spec=address) for address in recipients)
        mail["Subject"] = subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = self._identifier(effect.delivery_id)
        if above := self._above(message.incident_id or message.number, effect):
            mail["In-Reply-To"] = above[-1]
            mail["References"] = " ".join(above)
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"  # Exchange does not read Auto-Submitted
        mail["X-Tocsin-Delivery"] = effect.delivery_id
        if message.incident_id:
            mail["X-Tocsin-Incident"] = _LOCAL.sub("", message.incident_id)
        if effect.page:
            mail["Importance"] = "high"
        if possible_duplicate:
            mail[DUPLICATE_HEADER] = "yes"
        values = self._values(message, effect, words) | {"subject": subject, "possible_duplicate": possible_duplicate}
        mail.set_content(_templates.get_template("incident.txt").render(values))
        mail.add_alternative(_templates.get_template("incident.html").render(values), subtype="html")
        return mail

    def _values(self, message: Message, effect: Effect, words: Words) -> dict[str, object]:
        """What the templates read. The text of a template of the settings stands in the place of everything but the
        title, the links and the buttons."""
        own = clean(words.body, BODY_MAX)
        links = self._around.links
        page = links.page(message.incident_id) if message.incident_id else ""
        acknowledge = (
            links.acknowledge(message.incident_id, effect.recipient, effect.delivery_id) if message.asks else ""
        )
        actions = (("Acknowledge", acknowledge), ("Open incident", page))
        return {
            "message": message,
            "recipient": effect.recipient,
            "body": "\n\n".join(part for part in (own, links_text(message)) if part) if own else body_of(message),
            "paragraphs": _BLANK_LINES.split(own) if own else [message.summary] if message.summary else [],
            "note": "" if own else message.note,
            "upcoming": "" if own else message.upcoming,
            "facts": () if own else message.facts,
            "rows": [] if own else [(row, links.page(row.incident_id)) for row in message.rows],
            "actions": [(label, url) for label, url in actions if url],
            "preheader": one_line(own) if own else _preheader(message),
        }

    def _above(self, incident: str, effect: Effect) -> list[str]:
        """The ids above this mail in its thread, the root first; none for what is about no one incident. Who stands
        outside knows the number of an incident only."""
        if not incident:
            return []
        root, own = self._identifier(incident), self._identifier(effect.delivery_id)
        before = effect.handle if _IDENTIFIER.fullmatch(effect.handle) else ""
        return [one for one in dict.fromkeys((root, before)) if one and one != own]

    def _identifier(self, local: str) -> str:
        return f"<{_LOCAL.sub('', local)}@{self._domain}>"

    def _detail(self, text: str) -> str:
        for part in sorted(self._login or (), key=len, reverse=True):
            text = text.replace(part, "(hidden)") if part else text
        return one_line(text, DETAIL_MAX)


def good_addresses(addresses: Iterable[str]) -> list[str]:
    """The bare addresses that can be written to, each once; a name in front is dropped."""
    bare = (parseaddr(address)[1] for address in addresses)
    return list(dict.fromkeys(one for one in bare if _is_address(one)))


def _is_address(text: str) -> bool:
    return len(text) <= ADDRESS_MAX and _ENCODED not in text and _ADDRESS.fullmatch(text) is not None


def _plain(text: str) -> str:
    """`text` without what begins an encoded word (RFC 2047): `email` would decode what a source wrote so, and line
    breaks in it would become headers."""
    return text.replace(_ENCODED, "= ?")


def _mailbox(option: str, text: str) -> Address:
    name, bare = parseaddr(text)
    if not _is_address(bare):
        raise ValueError(f"{option}: {text!r} is not an e-mail address")
    return Address(display_name=_plain(one_line(name)), addr_spec=bare)


def _trust(ca_file: str) -> ssl.SSLContext:
    """Certificates are checked against `ca_file`, else against what the system trusts, and must name the host.

    Raises:
        ValueError: there are no certificates in `ca_file`.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"ca_file: no certificates can be read from {ca_file!r}: {error}") from error


def _preheader(message: Message) -> str:
    """What a list of mails shows beside the subject."""
    facts = dict(message.facts)
    parts = (message.headline, facts.get("Service", ""), facts.get("Changed", ""), message.upcoming)
    return ". ".join(part for part in parts if part)


def _outcome(error: Exception) -> str:
    """`refused` where the same message would be refused again, `denied` where any message would."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        permanent = all(refusal.code >= 500 for refusal in error.recipients)
    elif isinstance(error, aiosmtplib.SMTPResponseException):
        permanent = error.code >= 500
        if permanent and (isinstance(error, aiosmtplib.SMTPAuthenticationError) or error.code == LOGIN_WANTED):
            return "denied"
    else:
        permanent = isinstance(error, ValueError | MessageError | aiosmtplib.SMTPNotSupported) and not isinstance(
            error, OSError
        )
    return "refused" if permanent else "failed"


def _own_name() -> str:
    """For EHLO; `getfqdn` would ask a name server and stop the loop."""
    name = socket.gethostname()
    return name if name and not _ATOM.search(name) else "localhost"
