"""Real servers on loopback that behave as they are told and keep a journal: an HTTP receiver and an SMTP server."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

REASONS = {200: "OK", 202: "Accepted"}


@dataclass
class Request:
    """One POST as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """Answers `status` with `headers` and `answer`; or, by `mode`, never (`hang`), with a reset (`reset`), without an
    end (`drip`), or in something that is not HTTP (`garbage`)."""

    status: int = 200
    mode: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b"thank you"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    at_once: int = 0
    at_once_max: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    wait_for: int = 0
    """Answer nobody before so many requests are here at once."""
    connections: int = 0
    server: asyncio.Server | None = None

    async def stop(self) -> None:
        """Nobody listens any more."""
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/T0P53CR3T-hook-path?token=quite-secret"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append(Request(head[0].split(" ")[1], headers, body))
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        if self.at_once >= self.wait_for:
            self.released.set()
        await self.released.wait()
        self.at_once -= 1
        return await self._reply(reader, writer)

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.mode == "hang":
            await reader.read()  # until the other side goes
            return False
        if self.mode == "reset":
            writer.transport.abort()
            return False
        if self.mode == "garbage":
            writer.write(b"\x00\x01 no HTTP at all\r\n\r\n")
            await writer.drain()
            return False
        length = 10**9 if self.mode == "drip" else len(self.answer)
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Whatever')}", f"content-length: {length}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + self.answer)
        await writer.drain()
        if self.mode == "drip":
            await reader.read()
            return False
        return True


@asynccontextmanager
async def http_receiver(*, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[HttpReceiver]:
    receiver = HttpReceiver(**options)
    receiver.server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = receiver.server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        await receiver.stop()


SMTP_FAULTS = ("silent", "drip", "busy", "garbage", "bad_tls")
"""Modes in which what answers is no mail server at all, or none that has time: see `SmtpReceiver`."""


@dataclass
class SmtpReceiver:
    """Answers as told at `RCPT` and after `DATA`. By `mode`, after `DATA` it answers never (`hang`), cuts the line
    (`reset`), takes the mail and cuts the line before QUIT is answered (`cut`), or answers after `pause` seconds
    (`slow`); at the connection it says nothing (`silent`), never ends its greeting (`drip`), is too busy (`busy`), is
    no mail server (`garbage`), or answers STARTTLS with what is no TLS (`bad_tls`)."""

    rcpt: dict[str, str] = field(default_factory=dict)
    """Answer by address; everybody else is welcome."""
    data: str = "250 queued as 42"
    mode: str = "ok"
    pause: float = 1.0
    password: str = ""
    port: int = 0
    logins: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    server: asyncio.Server | None = None

    async def stop(self) -> None:
        """Nobody listens any more."""
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self.rcpt.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default_policy)
        assert isinstance(mail, EmailMessage)
        if self.mode == "hang":
            await asyncio.Event().wait()
        if self.mode == "reset":
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
            return "421 gone"
        if self.data.startswith("2"):
            self.mails.append(mail)
            self.recipients.append(list(envelope.rcpt_tos))
            assert isinstance(server.transport, asyncio.WriteTransport)
            self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        if self.mode == "slow":
            await asyncio.sleep(self.pause)
        if self.mode == "cut":
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.write(self.data.encode() + b"\r\n")
            asyncio.get_running_loop().call_soon(server.transport.abort)
        return self.data

    async def fault(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to what is no mail server."""
        try:
            if self.mode == "bad_tls":
                await _until_starttls(reader, writer)
                writer.write(b"this is no TLS\r\n" * 20)
            elif self.mode == "drip":
                while not writer.is_closing():
                    writer.write(b"220-and so on\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            elif self.mode != "silent":
                writer.write(b"421 4.3.2 too busy\r\n" if self.mode == "busy" else b"\x00\x01 no SMTP at all\r\n")
            await writer.drain()
            if self.mode != "busy":
                await reader.read()  # until the other side goes
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        self.logins += 1
        return AuthResult(success=login.password.decode() == self.password, handled=False)


async def _until_starttls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 here\r\n")
    while not (line := await reader.readline()).upper().startswith(b"STARTTLS"):
        if not line:
            return
        writer.write(b"250-here\r\n250 STARTTLS\r\n")
    writer.write(b"220 go ahead\r\n")
    await writer.drain()
    await reader.read(1)  # the client has begun with TLS: what it buffered before, it would throw away


@asynccontextmanager
async def smtp_receiver(
    *, tls: ssl.SSLContext | None = None, implicit: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[SmtpReceiver]:
    """`tls` is offered by STARTTLS; `implicit` is spoken from the first byte."""
    receiver = SmtpReceiver(**options)
    if receiver.mode in SMTP_FAULTS:
        receiver.server = await asyncio.start_server(receiver.fault, "127.0.0.1", 0)
        receiver.port = receiver.server.sockets[0].getsockname()[1]
        try:
            yield receiver
        finally:
            await receiver.stop()
        return
    loop = asyncio.get_running_loop()
    open_ones: list[SMTP] = []

    def connected() -> SMTP:
        session = SMTP(
            receiver,
            hostname="localhost",
            loop=loop,
            tls_context=tls,
            authenticator=receiver.authenticate,
            auth_require_tls=tls is not None,
        )
        open_ones.append(session)
        return session

    receiver.server = await loop.create_server(connected, "127.0.0.1", 0, ssl=implicit)
    receiver.port = receiver.server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        for session in open_ones:
            if isinstance(session.transport, asyncio.WriteTransport):
                session.transport.abort()
        await receiver.stop()
