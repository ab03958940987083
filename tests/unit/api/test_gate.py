"""Who comes in: tokens, hosts, origins, the headers of every answer. The application behind only says who asked."""

import asyncio
import hashlib

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tocsin.api.gate import OPEN_REQUESTS_MAX, SECURITY_HEADERS, Gate, hostname
from tocsin.settings import Settings
from tocsin.settings.tree import HttpPart, TokenPart

TOKEN = "tocsin_token-of-grafana"


async def who(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(getattr(Request(scope).state, "actor", "nobody"))(scope, receive, send)


def token(name: str, text: str) -> TokenPart:
    return TokenPart(name=name, hash=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")


OPEN = Settings(http=HttpPart(external_url="https://tocsin.example"))
GUARDED = Settings(http=HttpPart(tokens=(token("grafana", TOKEN), token("ops", "tocsin_other"))))


async def asked(
    settings: Settings,
    method: str = "GET",
    path: str = "/api/incident_response",
    host: str = "127.0.0.1:9393",
    **headers: str | bytes,
) -> httpx.Response:
    gate = Gate(who, settings=settings)
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://127.0.0.1:9393") as client:
        return await client.request(method, path, headers=named)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9393", "localhost", "LOCALHOST:1", "[::1]:9393", "127.8.8.8", "tocsin.example"]
)
async def test_without_tokens_own_hosts_are_let_in(host: str) -> None:
    answer = await asked(OPEN, host=host)
    assert (answer.status_code, answer.text) == (200, "local")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "", "[::1", "a@127.0.0.1:b"],
)
async def test_without_tokens_other_hosts_are_refused(host: str) -> None:
    answer = await asked(OPEN, host=host)
    assert answer.status_code == 403
    assert answer.json()["error"] == "forbidden_host"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:9393"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9394"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
    ],
)
async def test_no_other_site_may_write(headers: dict[str, str], status: int) -> None:
    assert (await asked(OPEN, "POST", **headers)).status_code == status
    assert (await asked(GUARDED, "POST", authorization=f"Bearer {TOKEN}", **headers)).status_code == status


@pytest.mark.parametrize(
    ("authorization", "actor"),
    [
        (f"Bearer {TOKEN}", "grafana"),
        (f"bearer  {TOKEN} ", "grafana"),
        ("Bearer tocsin_other", "ops"),
        ("Bearer tocsin_unknown", None),
        (f"Basic {TOKEN}", None),
        (TOKEN, None),
        ("Bearer", None),
        ("", None),
        (f"Bearer {GUARDED.http.tokens[0].hash}", None),
    ],
)
async def test_a_known_token_names_the_actor(authorization: str, actor: str | None) -> None:
    answer = await asked(GUARDED, host="anything.example", authorization=authorization)
    if actor is None:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in answer.text
    else:
        assert (answer.status_code, answer.text) == (200, actor)


async def test_an_actor_by_header_counts_only_without_tokens() -> None:
    assert (await asked(OPEN, x_tocsin_actor="ada")).text == "ada"
    assert (await asked(OPEN, x_tocsin_actor="Zoë".encode())).text == "Zoë"
    for wrong in ("a" * 65, b"\xff", "\u202e".encode()):
        assert (await asked(OPEN, x_tocsin_actor=wrong)).status_code == 400
    assert (await asked(GUARDED, authorization=f"Bearer {TOKEN}", x_tocsin_actor="ada")).text == "grafana"


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/healthz", "/readyz"])
async def test_health_needs_no_token(path: str) -> None:
    assert (await asked(GUARDED, path=path, host="10.1.2.3")).status_code == 200
    assert (await asked(GUARDED, path="/metrics")).status_code == 401


async def test_every_answer_has_the_security_headers() -> None:
    for answer in (await asked(OPEN), await asked(OPEN, host="evil.example"), await asked(GUARDED)):
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.example:80", "a.example"), ("[::1]:80", "::1"), ("[0:0::1]", "::1"), ("", ""), ("[x]", ""), ("a:b:c", "a")],
)
def test_hostname(host: str, name: str) -> None:
    assert hostname(host) == name


LINKED = Settings(http=HttpPart(tokens=GUARDED.http.tokens, external_url="https://tocsin.example/ops/"))


@pytest.mark.parametrize("path", ["/i/inc_x", "/a/token", "/api/v1/inbound/chat"])
async def test_what_brings_its_own_signature_needs_no_token_and_is_nobody(path: str) -> None:
    answer = await asked(LINKED, path=path, host="tocsin.example")
    assert (answer.status_code, answer.text) == (200, "")
    assert (await asked(LINKED, path="/incidents" + path)).status_code == 401


async def test_a_page_knows_who_has_a_token_all_the_same() -> None:
    assert (await asked(LINKED, path="/i/inc_x", authorization=f"Bearer {TOKEN}")).text == "grafana"
    assert (await asked(LINKED, path="/i/inc_x", authorization="Bearer wrong")).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "null"}, 200),  # our own form: the page tells no referrer
        ({"origin": "https://tocsin.example"}, 200),  # behind a proxy that says another host
        ({"origin": "http://127.0.0.1:9393"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "null", "sec_fetch_site": "cross-site"}, 403),
    ],
)
async def test_a_page_is_sent_by_itself_only(headers: dict[str, str], status: int) -> None:
    assert (await asked(LINKED, "POST", "/i/inc_x/acknowledge", **headers)).status_code == status
    if headers["origin"] == "null":
        assert (await asked(LINKED, "POST", authorization=f"Bearer {TOKEN}", **headers)).status_code == 403


async def test_without_tokens_a_page_is_for_own_hosts_and_a_provider_may_come_under_any() -> None:
    assert (await asked(OPEN, path="/i/inc_x", host="evil.example")).status_code == 403
    assert (await asked(OPEN, path="/i/inc_x")).text == "local"
    assert (await asked(OPEN, "POST", "/api/v1/inbound/chat", host="tunnel.example")).text == ""


async def test_who_comes_slowly_without_a_token_keeps_nobody_else_out() -> None:
    go_on, inside = asyncio.Event(), asyncio.Event()
    running = 0

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running
        running += 1
        if running == OPEN_REQUESTS_MAX:
            inside.set()
        if scope["path"].startswith("/api/v1/inbound/"):
            await go_on.wait()
        await who(scope, receive, send)

    gate = Gate(slow, settings=GUARDED)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://127.0.0.1:9393") as client:
        waiting = [asyncio.create_task(client.post("/api/v1/inbound/chat")) for _ in range(OPEN_REQUESTS_MAX)]
        await inside.wait()
        assert (await client.post("/api/v1/inbound/chat")).status_code == 503
        assert (await client.get("/i/inc_x")).status_code == 503
        assert (await client.get("/api/v1/alerts", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 200
        go_on.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
        assert (await client.get("/i/inc_x")).status_code == 200
