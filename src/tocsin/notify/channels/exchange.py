"""One request and its answer, for the channels of vendors that speak HTTP.

In: a session, a body, headers, and what must not be shown. Out: `Answer`: the status, the headers, the beginning of the
body, and what the status alone means; the channel judges further where its vendor says more.
Invariants: nothing that the outside does is raised; it ends in time; a status that came in counts, also when the rest
of the answer never does; no detail shows what is hidden. It never tries again: that is decided in notify.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
import msgspec
import orjson

from tocsin.notify.channel import Sent
from tocsin.notify.channels.session import Session
from tocsin.notify.channels.webhook import judged
from tocsin.notify.message import one_line

ANSWER_BYTES_MAX: Final = 16 * 1024
"""Vendors answer with less than 2 KB; what is longer is somebody's page."""
DETAIL_MAX: Final = 300
HIDDEN: Final = "(hidden)"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    sent: Sent
    """What the status means by itself, or why there is none."""
    status: int = 0
    """0 = no answer."""
    headers: Mapping[str, str] = {}
    text: str = ""
    """The beginning of the body, at most `ANSWER_BYTES_MAX` bytes of it."""
    whole: bool = False
    """The body ended; what is missing in it is not in it."""

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return orjson.loads(self.text)
        except orjson.JSONDecodeError:
            return None


async def exchange(
    session: Session,
    body: bytes | None,
    headers: dict[str, str],
    *,
    seconds: float,
    until: float | None = None,
    hidden: Sequence[str] = (),
    method: str = "POST",
    path: str = "",
    query: str = "",
    bytes_max: int = ANSWER_BYTES_MAX,
) -> Answer:
    """Send `body` once. `seconds`: how long it may take, or until which time of the loop when part of it is over.
    `method`, `path` and `query` as in `Session.request`; `bytes_max`: as much of the answer as can matter."""
    if session.closed:
        return Answer(sent=Sent("failed", "the channel is closed"))
    status, read, whole = 0, bytearray(), False
    given: Mapping[str, str] = {}
    ends = asyncio.get_running_loop().time() + seconds if until is None else until
    outcome, detail = "failed", f"no answer within {seconds:g} s"
    try:
        async with asyncio.timeout_at(ends), session.request(method, body, headers, path=path, query=query) as response:
            status, given = response.status, response.headers
            whole = await _read(response, read, bytes_max)
    except TimeoutError:
        pass
    except aiohttp.InvalidURL as error:
        outcome, detail = "refused", f"{type(error).__name__}: {error}"
    except (aiohttp.ClientError, OSError) as error:  # before ValueError: a certificate's error is one, too
        detail = f"{type(error).__name__}: {error}"
    except ValueError as error:
        outcome, detail = "refused", f"{type(error).__name__}: {error}"
    if not status:
        return Answer(sent=Sent(outcome, shown(detail, hidden)))
    text = read.decode("utf-8", "replace")
    meant = judged(status, given)
    detail = shown(f"{meant.detail}: {text}" if text.strip() else meant.detail, hidden)
    sent = Sent(meant.outcome, detail, meant.retry_after_seconds)
    return Answer(sent=sent, status=status, headers=given, text=text, whole=whole)


def shown(text: str, hidden: Sequence[str]) -> str:
    """`text` as a detail: on one line, without what is hidden."""
    for part in hidden:
        text = text.replace(part, HIDDEN)
    return one_line(text, DETAIL_MAX)


def hidden_of(*secrets: str) -> tuple[str, ...]:
    """What `shown` takes out, the longest first, so that no part of one is left over."""
    return tuple(sorted({secret for secret in secrets if len(secret) > 1}, key=len, reverse=True))


async def _read(response: aiohttp.ClientResponse, into: bytearray, most: int) -> bool:
    """Whether the body ended within `most` bytes."""
    while len(into) < most:
        piece = await response.content.read(most - len(into))
        if not piece:
            return True
        into += piece
    return False
