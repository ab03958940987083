"""A ServiceNow of one's own on loopback: the Table API with states, journal fields, data policies and access rules, as
far as the vendor's documentation says so. It keeps a journal of what was written."""

import asyncio
import base64
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

USER, PASSWORD, TOKEN = "tocsin.user", "canary-of-the-password", "canary-of-the-token"
API_KEY = "now_canary_key"
TABLE = "incident"
REFERENCES = {"assignment_group": {"Database": "a" * 32}, "caller_id": {"tocsin": "b" * 32}}
"""Names, as people see them, by reference field."""
NEW, RESOLVED, CLOSED, CANCELED = "1", "6", "7", "8"
STATES = {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"}
PRIORITY = {"11": "1", "12": "2", "21": "2", "13": "3", "22": "3", "31": "3", "23": "4", "32": "4", "33": "5"}


@dataclass
class Write:
    """One POST or PATCH that was carried out."""

    method: str
    sys_id: str
    fields: dict[str, str]
    headers: Mapping[str, str]


@dataclass
class ServiceNowServer:
    """By `mode` it works (`ok`), or each call fails (`failing`), is refused (`refusing`), gets no answer (`hang`), a
    reset (`reset`), the page of a sleeping instance (`sleeping`), the way to a login (`login`) or a request for
    patience (`throttled`)."""

    mode: str = "ok"
    notes_readable: bool = True
    read_only: set[str] = field(default_factory=set)
    """Fields that a write leaves as they are, without a word."""
    mandatory: set[str] = field(default_factory=set)
    """Fields that a data policy wants of a new ticket."""
    fates: deque[str] = field(default_factory=deque)
    """Of the next calls: `ok`, `before` (cut, and nothing is done), `after` (it is done, and the answer is lost)."""
    tickets: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """Method and query of each call."""
    port: int = 0
    runner: web.AppRunner | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def only(self) -> dict[str, str]:
        """The one ticket there is."""
        (ticket,) = self.tickets.values()
        return ticket

    def by_hand(self, **fields: str) -> dict[str, str]:
        """What a person changes in the one ticket; gives what the business rule of the handbook would send."""
        ticket = self.only()
        before = ticket["state"]
        note = fields.pop("work_notes", "")
        ticket |= fields
        if note:
            self.notes[ticket["sys_id"]].append(note)
        return self._touched(ticket, "ana.lima") | {"previous_state": before, "work_notes": note}

    def _touched(self, ticket: dict[str, str], user: str) -> dict[str, str]:
        ticket["sys_mod_count"] = str(int(ticket["sys_mod_count"]) + 1)
        ticket["sys_updated_by"] = user
        names = ("sys_id", "number", "correlation_id", "state", "sys_mod_count", "close_notes")
        return {name: ticket.get(name, "") for name in names} | {"updated_by": user}

    async def stop(self) -> None:
        self.stopping.set()
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.query_string}")
        fate = self.fates.popleft() if self.fates else "ok"
        assert request.transport is not None
        if fate == "before" or self.mode == "reset":
            request.transport.abort()  # type: ignore[attr-defined]
            return web.Response()
        if (answer := await self._out_of_order(request)) is not None:
            return answer
        answer = await self._table(request)
        if fate == "after":
            request.transport.abort()  # type: ignore[attr-defined]
        return answer

    async def _out_of_order(self, request: web.Request) -> web.Response | None:
        if self.mode == "hang":
            await self.stopping.wait()
        if self.mode == "failing":
            return failure(500, "Transaction cancelled: maximum execution time exceeded")
        if self.mode == "refusing":
            return failure(403, "Insufficient rights to query records")
        if self.mode == "sleeping":
            return web.Response(text="<html><body>Your instance is hibernating</body></html>", content_type="text/html")
        if self.mode == "login":
            return web.Response(status=302, headers={"location": "https://sso.example/login"})
        if self.mode == "throttled":
            return web.Response(status=429, headers={"retry-after": "23"}, text="Rate limit exceeded")
        given = request.headers.get("authorization", "")
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if given not in (basic, f"Bearer {TOKEN}") and request.headers.get("x-sn-apikey") != API_KEY:
            key = request.headers.get("x-sn-apikey", "")
            return failure(401, "User Not Authenticated", f"Required to provide Auth information, not {given}{key}")
        return None

    async def _table(self, request: web.Request) -> web.Response:
        if request.match_info["table"] != TABLE:
            return failure(404, "Invalid table " + request.match_info["table"])
        sys_id = request.match_info.get("sys_id", "")
        if sys_id and sys_id not in self.tickets:
            return failure(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
        if request.method == "GET":
            found = [self.tickets[sys_id]] if sys_id else self._queried(request.query["sysparm_query"])
            shown = [self._shown(one, request.query) for one in found[: int(request.query.get("sysparm_limit", 1))]]
            return web.json_response({"result": shown[0] if sys_id else shown})
        fields = await request.json()
        assert all(isinstance(value, str) for value in fields.values())
        if request.method == "POST":
            return self._made(fields, request)
        return self._changed(self.tickets[sys_id], fields, request)

    def _queried(self, query: str) -> list[dict[str, str]]:
        wanted, _, order = query.partition("^")
        assert order == "ORDERBYDESCsys_created_on"
        name, _, value = wanted.partition("=")
        return [one for one in reversed(self.tickets.values()) if one.get(name) == value]

    def _made(self, fields: dict[str, str], request: web.Request) -> web.Response:
        if missing := [name for name in self.mandatory if not fields.get(name)]:
            return mandatory(missing)
        if request.query.get("sysparm_input_display_value") == "true":
            fields = {name: REFERENCES.get(name, {}).get(value, value) for name, value in fields.items()}
        sys_id = secrets.token_hex(16)
        ticket = {"sys_id": sys_id, "number": f"INC{10_000 + len(self.tickets):07}", "state": NEW, "sys_mod_count": "0"}
        self.tickets[sys_id] = ticket
        self.notes[sys_id] = []
        self._written(ticket, fields, request)
        place = f"{self.url}/api/now/table/incident/{sys_id}"
        return web.json_response(
            {"result": self._shown(ticket, request.query)}, status=201, headers={"location": place}
        )

    def _changed(self, ticket: dict[str, str], fields: dict[str, str], request: web.Request) -> web.Response:
        if ticket["state"] in (CLOSED, CANCELED):
            return failure(403, "Operation Failed", "ACL Exception Update Failed due to security constraints")
        if fields.get("state") in (RESOLVED, CLOSED):
            after = ticket | fields
            if missing := [name for name in ("close_code", "close_notes") if not after.get(name)]:
                return mandatory(missing)
        self._written(ticket, fields, request)
        return web.json_response({"result": self._shown(ticket, request.query)})

    def _written(self, ticket: dict[str, str], fields: dict[str, str], request: web.Request) -> None:
        self.writes.append(Write(request.method, ticket["sys_id"], fields, request.headers))
        for name, value in fields.items():
            if name == "work_notes":
                self.notes[ticket["sys_id"]].append(value)
            elif name not in self.read_only:
                assert name != "state" or value in STATES
                ticket[name] = value[:160] if name == "short_description" else value
        ticket["priority"] = PRIORITY.get(ticket.get("urgency", "3") + ticket.get("impact", "3"), "5")
        self._touched(ticket, USER)

    def _shown(self, ticket: dict[str, str], query: Mapping[str, str]) -> dict[str, Any]:
        notes = "".join(f"2026-11-21 12:00:00 - tocsin (Work notes)\n{one}\n\n" for one in self.notes[ticket["sys_id"]])
        readable = {"work_notes": notes} if self.notes_readable else {}
        names = query["sysparm_fields"].split(",")
        if query.get("sysparm_display_value") != "all":
            return {name: ticket[name] for name in names if name in ticket}  # a journal field has no value of its own
        shown = {**ticket, **readable, "state": STATES[ticket["state"]]}
        return {name: {"display_value": shown[name], "value": ticket.get(name, "")} for name in names if name in shown}


def failure(status: int, message: str, detail: str = "") -> web.Response:
    body = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")


def mandatory(names: list[str]) -> web.Response:
    words = ", ".join(sorted(names))
    return failure(403, "Operation Failed", f"Data Policy Exception: The following fields are mandatory: {words}")


@asynccontextmanager
async def servicenow_server(**options: Any) -> AsyncIterator[ServiceNowServer]:
    server = ServiceNowServer(**options)
    app = web.Application()
    app.router.add_route("*", "/api/now/table/{table}", server.take)
    app.router.add_route("*", "/api/now/table/{table}/{sys_id}", server.take)
    server.runner = web.AppRunner(app, shutdown_timeout=0.1)
    await server.runner.setup()
    site = web.TCPSite(server.runner, "127.0.0.1", 0)
    await site.start()
    server.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield server
    finally:
        await server.stop()
