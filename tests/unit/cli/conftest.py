"""A running tocsin, and the command line that talks to it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tocsin.cli import main
from tocsin.settings import load

Run = Callable[..., Result]


def serve(directory: Path, ready: "list[str]", opened: threading.Event, closing: "list[Any]") -> None:
    from tocsin.cli.composition import running

    async def serving() -> None:
        stop = asyncio.Event()
        closing.append((asyncio.get_running_loop(), stop))
        path = directory / "tocsin.yaml"
        settings = load(
            path if path.is_file() else None, {"TOCSIN_DATA_DIR": str(directory), "TOCSIN_HTTP__LISTEN": "127.0.0.1:0"}
        )
        async with running(settings) as tocsin:
            assert await tocsin.ready(stop) == []
            ready.append(tocsin.url)
            opened.set()
            assert await tocsin.until(stop) is None

    try:
        asyncio.run(serving())
    finally:
        opened.set()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it works; a module may put a tocsin.yaml there."""
    return tmp_path_factory.mktemp("tocsin")


@pytest.fixture(scope="module")
def tocsin(directory: Path) -> Iterator[str]:
    """The address of a running tocsin, in a thread of its own."""
    ready: list[str] = []
    closing: list[Any] = []
    opened = threading.Event()
    thread = threading.Thread(target=serve, args=(directory, ready, opened, closing))
    thread.start()
    assert opened.wait(30)
    yield ready[0]
    loop, stop = closing[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def run(tocsin: str) -> Run:
    environ = {"TOCSIN_URL": tocsin, "TOCSIN_TOKEN": None, "TOCSIN_CONFIG": None}

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner(env=environ).invoke(main, list(arguments), input=stdin, catch_exceptions=False)

    return invoke
