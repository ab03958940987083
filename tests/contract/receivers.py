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


@dataclass
class SmtpReceiver:
    """Answers as told at `RCPT` and after `DATA`; `hang` = never after `DATA`, `reset` = cuts the line there."""

    rcpt: dict[str, str] = field(default_factory=dict)
    """Answer by address; everybody else is welcome."""
    data: str = "250 queued as 42"
    mode: str = "ok"
    password: str = ""
    port: int = 0
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
            self.encrypted.append(session.ssl is not None)
        return self.data

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login.password.decode() == self.password, handled=False)


@asynccontextmanager
async def smtp_receiver(*, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[SmtpReceiver]:
    receiver = SmtpReceiver(**options)
    loop = asyncio.get_running_loop()
    open_ones: list[SMTP] = []

    def connected() -> SMTP:
        session = SMTP(
            receiver,
            hostname="localhost",
            loop=loop,
            tls_context=tls,
            authenticator=receiver.authenticate,
            auth_require_tls=False,
        )
        open_ones.append(session)
        return session

    receiver.server = await loop.create_server(connected, "127.0.0.1", 0)
    receiver.port = receiver.server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        for session in open_ones:
            if isinstance(session.transport, asyncio.WriteTransport):
                session.transport.abort()
        await receiver.stop()
