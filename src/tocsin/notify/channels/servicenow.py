"""ServiceNow: one ticket for each incident over the Table API, and what people do to it back in.

In: an effect; a call of a business rule there. Out: what became of the ticket, with its `sys_id` as handle; what people
asked for. Invariants: a ticket is looked for before one is made, and sends about one incident go one after the other,
so that an incident has one ticket however often a send is repeated; where the notes of a ticket may be read, a note is
written once; only an answer of the Table API counts, not the page of an instance that sleeps; user, password and token
appear in no detail. It keeps nothing: the ticket knows its incident by `correlation_id`.
Source: the vendor's pages on the Table API.
"""

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from tocsin import __version__
from tocsin.domain.instant import Instant
from tocsin.notify.channel import Around, Forged, Heard, Sent
from tocsin.notify.channels.exchange import Answer, exchange, hidden_of, shown
from tocsin.notify.channels.servicenow_call import asked_of
from tocsin.notify.channels.servicenow_ticket import (
    ENDS,
    LOCKED,
    Ticket,
    changes,
    correlation_of,
    is_sys_id,
    mark_of,
    new_ticket,
    ticket_of,
)
from tocsin.notify.channels.session import Session
from tocsin.notify.channels.signing import TOKEN_HEADER, is_token, keys_of, verify
from tocsin.notify.channels.turns import Turns
from tocsin.notify.channels.webhook import checked_url
from tocsin.notify.message import message_of, one_line
from tocsin.stage import Effect

PATH: Final = "/api/now/table"
CLOSE_CODE: Final = "Solution provided"
FIELDS_MAX: Final = 50
VALUE_MAX: Final = 1000
"""Characters of a fixed field."""
NOTES_BYTES_MAX: Final = 1024 * 1024
"""All notes of a ticket, read when a send is repeated; of a longer ticket nobody can tell, and the note is marked."""
API_KEY_HEADER: Final = "x-sn-apikey"
"""Of an inbound REST API key (API Key Authentication)."""
LOCAL: Final = ("localhost", "127.0.0.1", "::1")
"""Where nobody listens on the way."""
SHOWN: Final = "sys_id,number,state"

_TABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,79}")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,79}")
_OWN_FIELDS: Final = frozenset({"correlation_id", "correlation_display", "work_notes", "state", "sys_id"})
"""What tocsin needs for itself."""
_REMEDY: Final = {
    401: "user and password, or the token or key, are wrong or have expired",
    403: "the user needs to write the table (role itil or sn_incident_write), and fields that a data policy asks for "
    "are to be given under fields",
    404: "there is no such table, or the user may not see it",
}


class ServiceNow:
    """One table of one instance.

    Raises:
        ValueError: an option cannot be used; the message names it, and no secret.
    """

    kind = "servicenow"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        username: str = "",
        password: str = "",
        token: str = "",
        api_key: str = "",
        table: str = "incident",
        fields: Mapping[str, str] | None = None,
        close_code: str = CLOSE_CODE,
        inbound_secret: Sequence[str] = (),
        timeout_seconds: float = 30.0,
        in_flight_max: int = 4,
        around: Around | None = None,
    ) -> None:
        self.name = name
        self.timeout_seconds = timeout_seconds
        self.in_flight_max = in_flight_max
        self._own = username
        self._login = _login(username, password, token, api_key)
        self._path = f"{PATH}/{_checked_table(table)}"
        self._fields = _checked_fields(fields or {})
        self._close_code = close_code
        self._keys = keys_of(inbound_secret, "inbound_secret")
        self._tokens = tuple(secret for secret in inbound_secret if secret)
        self._hidden = hidden_of(password, token, api_key, self._login[1].rpartition(" ")[2], *self._tokens)
        self._around = around or Around()
        self._turns = Turns()
        self._session = Session(_instance(url), connections=in_flight_max, user_agent=f"tocsin/{__version__}")

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """Make the ticket of the incident, or change it, behind other sends about the same incident."""
        ends = asyncio.get_running_loop().time() + self.timeout_seconds
        try:
            async with self._turns.one(correlation_of(effect), ends):
                return await self._send(effect, ends, possible_duplicate=possible_duplicate)
        except TimeoutError:
            return Sent("failed", "another message about the same incident is still on its way")

    async def close(self) -> None:
        await self._session.close()

    def hear(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Heard:
        """A change of a ticket, signed after Standard Webhooks or with the secret itself in `x-tocsin-token`."""
        if TOKEN_HEADER in headers:
            if not is_token(self._tokens, headers[TOKEN_HEADER]):
                raise Forged(f"{TOKEN_HEADER} is wrong, or the channel has no inbound_secret")
        else:
            verify(self._keys, headers, body, now)
        return Heard(body=b"{}", asked=asked_of(body, self._own))

    def shown(self, effect: Effect) -> str:
        """The fields of the ticket, if there is none yet: see `Shows`."""
        return orjson.dumps(self._new(effect, possible_duplicate=False), option=orjson.OPT_INDENT_2).decode()

    async def _send(self, effect: Effect, ends: float, *, possible_duplicate: bool) -> Sent:
        again = possible_duplicate or effect.attempt > 1
        found = await self._found(effect, ends, notes=again)
        if isinstance(found, Sent):
            return found
        if isinstance(found, Ticket) and again and mark_of(effect) in found.notes:
            return Sent("delivered", f"{found.number} has it already", handle=found.sys_id)
        if found is None and str(effect.context.get("type", "")) in ENDS:
            return Sent("delivered", "there is no ticket of this incident: nothing to end")
        if found is not None and found.state in LOCKED and not message_of(effect.context).asks:
            return Sent("delivered", f"{found.number} is closed there and stays as it is", handle=found.sys_id)
        if found is None or found.state in LOCKED:
            return await self._made(effect, found, ends, possible_duplicate=possible_duplicate)
        # Notes that were read and do not have it say that nothing of it came there.
        return await self._changed(effect, found, ends, possible_duplicate=again and not found.notes)

    async def _found(self, effect: Effect, ends: float, *, notes: bool) -> Ticket | Sent | None:
        """The ticket of the incident, the last one of several; None = there is none; `Sent` = nobody can tell."""
        options = {"sysparm_fields": SHOWN, "sysparm_exclude_reference_link": "true"}
        if notes:
            options |= {"sysparm_fields": f"{SHOWN},work_notes", "sysparm_display_value": "all"}
        if is_sys_id(effect.handle):
            answer = await self._call("GET", f"/{effect.handle}", options, None, ends)
            known = None if answer.status == 404 else await self._read(answer, effect, ends, notes=notes)
            if isinstance(known, Sent) or (known is not None and known.state not in LOCKED):
                return known  # else somebody has deleted or closed it: there may be a later one
        query = f"correlation_id={correlation_of(effect)}^ORDERBYDESCsys_created_on"
        answer = await self._call("GET", "", {**options, "sysparm_query": query, "sysparm_limit": "1"}, None, ends)
        return await self._read(answer, effect, ends, notes=notes)

    async def _read(self, answer: Answer, effect: Effect, ends: float, *, notes: bool) -> Ticket | Sent | None:
        if notes and answer.status == 200 and not answer.whole:
            return await self._found(effect, ends, notes=False)
        result = result_of(answer)
        if result is None:
            return self._judged(answer)
        return ticket_of(result)

    def _new(self, effect: Effect, *, follows: str = "", possible_duplicate: bool) -> dict[str, str]:
        message = message_of(effect.context)
        return new_ticket(
            effect,
            message,
            self._around.wording.words(self.name, self.kind, effect.context),
            page=self._around.links.page(message.incident_id),
            fields=self._fields,
            follows=follows,
            possible_duplicate=possible_duplicate,
        )

    async def _made(self, effect: Effect, closed: Ticket | None, ends: float, *, possible_duplicate: bool) -> Sent:
        """A new ticket; where there was one that is `closed`, and closed ones are not opened again, it says so."""
        options = {"sysparm_fields": SHOWN}
        if any(not is_sys_id(value) for value in self._fields.values()):
            options["sysparm_input_display_value"] = "true"  # names, as people see them
        follows = closed.number if closed else ""
        fields = self._new(effect, follows=follows, possible_duplicate=possible_duplicate)
        answer = await self._call("POST", "", options, fields, ends)
        ticket = ticket_of(result_of(answer))
        if (
            ticket is None
            and answer.status == 201
            and not answer.whole
            and "json" in answer.headers.get("content-type", "")
        ):
            return Sent("delivered", "HTTP 201, and the rest of the answer is missing", handle=_located(answer))
        if ticket is None:
            return self._judged(answer)
        return Sent("delivered", f"HTTP {answer.status}: {ticket.number} opened", handle=ticket.sys_id)

    async def _changed(self, effect: Effect, ticket: Ticket, ends: float, *, possible_duplicate: bool) -> Sent:
        message = message_of(effect.context)
        fields = changes(
            effect,
            message,
            self._around.wording.words(self.name, self.kind, effect.context),
            ticket,
            page=self._around.links.page(message.incident_id),
            close_code=self._close_code,
            possible_duplicate=possible_duplicate,
        )
        answer = await self._call("PATCH", f"/{ticket.sys_id}", {"sysparm_fields": SHOWN}, fields, ends)
        after = ticket_of(result_of(answer))
        if after is None:
            return self._judged(answer)
        wanted = fields.get("state", "")
        if wanted and after.state and after.state != wanted:
            kept = f"{after.number} has the note and keeps state {after.state} instead of {wanted}"
            return Sent("refused", f"{kept}: the user may not write the state, or a rule there sets it back")
        return Sent("delivered", f"HTTP {answer.status}: {after.number} changed", handle=after.sys_id)

    async def _call(
        self, method: str, path: str, options: Mapping[str, str], fields: Mapping[str, str] | None, ends: float
    ) -> Answer:
        headers = dict([("accept", "application/json"), self._login])
        if fields is not None:
            headers["content-type"] = "application/json"
        return await exchange(
            self._session,
            None if fields is None else orjson.dumps(fields),
            headers,
            seconds=self.timeout_seconds,
            until=ends,
            hidden=self._hidden,
            method=method,
            path=f"{self._path}{path}",
            query=urlencode(options),
            bytes_max=NOTES_BYTES_MAX,
        )

    def _judged(self, answer: Answer) -> Sent:
        """Why `answer` is none that counts."""
        said = error_of(answer)
        if answer.status in _REMEDY:
            detail = shown(f"HTTP {answer.status}{said}: {_REMEDY[answer.status]}", self._hidden)
            return Sent(answer.sent.outcome, detail)
        if not 200 <= answer.status < 300:
            detail = shown(f"HTTP {answer.status}{said}", self._hidden) if said else answer.sent.detail
            return Sent(answer.sent.outcome, detail, answer.sent.retry_after_seconds)
        if "html" in answer.headers.get("content-type", "").lower() or answer.text.lstrip()[:1] == "<":
            return Sent(
                "failed",
                f"HTTP {answer.status} with a page instead of JSON: the instance sleeps (sign in there to wake it), or "
                "something in between asks for a login",
            )
        return Sent("failed", f"HTTP {answer.status}, and not an answer of the Table API")


def result_of(answer: Answer) -> Any:
    """What the Table API says in a 2xx; None when it is not the Table API, or it says no."""
    if not 200 <= answer.status < 300:
        return None
    said = answer.json()
    return said.get("result") if isinstance(said, dict) else None


def error_of(answer: Answer) -> str:
    """`: message, detail` of an error of the Table API; empty when it is none."""
    said = answer.json()
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        return ""
    words = [one_line(error.get(name) or "", 100) for name in ("message", "detail")]
    return "".join(f": {word}" for word in words if word)


def _located(answer: Answer) -> str:
    found = answer.headers.get("location", "").rpartition("/")[2]
    return found if is_sys_id(found) else ""


def _login(username: str, password: str, token: str, api_key: str) -> tuple[str, str]:
    """The header that lets in, and its value."""
    given = [name for name, value in (("password", password), ("token", token), ("api_key", api_key)) if value]
    if len(given) > 1:
        raise ValueError(f"{given[-1]}: there is a {given[0]}, too; give one of them")
    if api_key:
        return API_KEY_HEADER, api_key
    if token:
        return "authorization", f"Bearer {token}"
    if not (username and password):
        raise ValueError("password: username and password, or a token or an api_key, are needed")
    return "authorization", "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def _instance(url: str) -> str:
    address = checked_url(url).rstrip("/")
    if "?" in address or "#" in address:
        raise ValueError("url: the address of the instance alone, such as https://name.service-now.com")
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        raise ValueError("url: http would send the password in the clear; use https")
    return address


def _checked_table(table: str) -> str:
    if not _TABLE.fullmatch(table):
        raise ValueError(f"table: {one_line(table, 60)!r} is no table; write its name, such as incident")
    return table


def _checked_fields(fields: Mapping[Any, Any]) -> dict[str, str]:
    if len(fields) > FIELDS_MAX:
        raise ValueError(f"fields: {len(fields)} are too many; at most {FIELDS_MAX}")
    for name, value in fields.items():
        if not isinstance(name, str) or not _FIELD.fullmatch(name):
            raise ValueError(f"fields: {one_line(name, 60)!r} is no field; write its name, such as assignment_group")
        if name in _OWN_FIELDS:
            raise ValueError(f"fields: {name} is set by tocsin")
        if not isinstance(value, str) or len(value) > VALUE_MAX:
            raise ValueError(f"fields: {name} is not a text of at most {VALUE_MAX} characters; put it in quotes")
    return dict(fields)
