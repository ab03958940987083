"""A log file to be opened and closed."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.testing.clock import VirtualClock

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
Open = Callable[..., EmbeddedBroker]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log" / "log.sqlite3"


@pytest.fixture
async def open_log(path: Path, clock: VirtualClock) -> AsyncIterator[Open]:
    opened: list[EmbeddedBroker] = []

    def open_log(**arguments: object) -> EmbeddedBroker:
        opened.append(EmbeddedBroker.open(path, clock=clock, instance="first", **arguments))  # type: ignore[arg-type]
        return opened[-1]

    yield open_log
    for broker in opened:
        await broker.close()
