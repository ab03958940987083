"""The listening side with real sockets: slow clients are let go, running requests are finished."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tocsin.api.server import ListenError, Server


class Echo:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def server(echo: Echo) -> AsyncIterator[Server]:
    started = Server(echo, ("127.0.0.1", 0), header_seconds=0.05)
    started.start()
    yield started
    await started.stop()


async def connect(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n", b"GET / HTTP/1.1\r\nx: y"])
async def test_who_does_not_finish_the_headers_is_let_go(server: Server, echo: Echo, begin: bytes) -> None:
    reader, writer = await connect(server)
    writer.write(begin)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    assert not echo.asked.is_set()
    writer.close()


async def test_who_drips_the_headers_of_a_second_request_is_let_go(server: Server) -> None:
    reader, writer = await connect(server)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"ok")
    writer.write(b"GET / HTTP/1.1\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


LINE = b"x: " + b"y" * 1000 + b"\r\n"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET / HTTP/1.1\r\nhost: x\r\n" + LINE * 40 + b"\r\n", id="many headers"),
        pytest.param(b"GET / HTTP/1.1\r\nhost: x\r\n" + LINE * 40, id="many headers without an end"),
        pytest.param(b"GET / HTTP/1.1\r\nhost: x\r\ny: " + b"y" * 40_000 + b"\r\n\r\n", id="a long header"),
        pytest.param(b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", id="a long address"),
    ],
)
async def test_long_headers_are_refused(echo: Echo, head: bytes) -> None:
    server = Server(echo, ("127.0.0.1", 0))
    server.start()
    reader, writer = await connect(server)
    writer.write(head)
    assert b" 400 " in await asyncio.wait_for(reader.read(), 10)
    assert not echo.asked.is_set()
    writer.close()
    await server.stop()


async def test_a_header_that_does_not_end_is_let_go(echo: Echo) -> None:
    """Not by the clock: this server has all the patience in the world."""
    server = Server(echo, ("127.0.0.1", 0), header_seconds=3600)
    server.start()
    reader, writer = await connect(server)
    writer.write(b"GET / HTTP/1.1\r\nhost: ")
    ending = asyncio.ensure_future(reader.read())
    while not ending.done():
        writer.write(b"y" * 1000)
        await asyncio.sleep(0)
    assert ending.exception() is not None or b" 400 " in ending.result()
    writer.close()
    await server.stop()


async def test_headers_up_to_the_limit_are_taken_from_a_client_that_sends_ahead(server: Server) -> None:
    reader, writer = await connect(server)
    request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n" + LINE * 30 + b"\r\n" + b"b" * 100_000
    writer.write(request * 3)
    for _ in range(3):
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"ok"), 10)
    writer.close()


async def test_a_slow_answer_is_waited_for(server: Server, echo: Echo) -> None:
    echo.go_on.clear()
    async with httpx.AsyncClient(base_url=server.url) as client:
        asking = asyncio.ensure_future(client.get("/"))
        await echo.asked.wait()
        await asyncio.sleep(0.1)  # longer than the patience with headers: that is what is tested
        echo.go_on.set()
        assert (await asking).text == "ok"


async def test_stop_finishes_what_runs_and_takes_nothing_new(server: Server, echo: Echo) -> None:
    echo.go_on.clear()
    async with httpx.AsyncClient(base_url=server.url) as client:
        asking = asyncio.ensure_future(client.get("/"))
        await echo.asked.wait()
        stopping = asyncio.ensure_future(server.stop())
        while True:
            try:
                _, writer = await connect(server)
            except OSError:
                break
            writer.close()
        echo.go_on.set()
        assert (await asking).text == "ok"
    await stopping


async def test_an_address_that_is_taken_is_named(server: Server, echo: Echo) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(ListenError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
        Server(echo, ("127.0.0.1", port))


async def test_the_socket_is_given_back(echo: Echo) -> None:
    never_started = Server(echo, ("127.0.0.1", 0))
    port = int(never_started.url.rpartition(":")[2])
    await never_started.stop()
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))


async def test_a_body_that_drips_is_408(rig: Any) -> None:
    rig.app.state.serving.body_seconds = 0.02

    async def dripping() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = await asyncio.wait_for(rig.client.post("/api/v1/alerts", content=dripping()), 10)
    assert answer.status_code == 408
    assert answer.json()["error"] == "slow_body"
    assert rig.app.state.serving.bodies_bytes == 0
