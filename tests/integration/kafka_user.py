"""`tocsin` commands against a test cluster, and what its administrator does to topics and rights."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DeleteTopicsRequest
from click.testing import CliRunner, Result

from kafka.security import USER
from tocsin.cli import main
from tocsin.runtime.kafka.admin import Admin, admin_of
from tocsin.runtime.kafka.connection import Connection

T = TypeVar("T")

TOPIC, GROUP = 2, 3
LITERAL = 3
DENY, ALLOW = 2, 3
ALL = 2
"""Codes of the protocol (ResourceType, PatternType, AclPermissionType, AclOperation)."""


def settings_file(directory: Path, servers: str, prefix: str, **kafka: Any) -> Path:
    """A settings file for one partition on `servers`."""
    tree = {
        "data_dir": str(directory / "data"),
        "broker": f"kafka://{servers}",
        "partitions": 1,
        "kafka": {"prefix": prefix, **kafka},
    }
    file = directory / "tocsin.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


def tocsin(file: Path, *arguments: str, **environ: str) -> Result:
    """One command with the settings in `file`."""
    env = {"TOCSIN_CONFIG": str(file), "TOCSIN_URL": None, "TOCSIN_TOKEN": None, **environ}
    return CliRunner(env=env).invoke(main, list(arguments), catch_exceptions=False)


def findings(done: Result) -> dict[str, dict[str, Any]]:
    """What `tocsin doctor -o json` printed, by check."""
    return {one["check"]: one for one in json.loads(done.stdout)}


def administer(servers: str, work: Callable[[Admin], Awaitable[T]]) -> T:
    """Do `work` as whoever may do everything."""

    async def whole() -> T:
        async with admin_of(Connection(tuple(servers.split(",")))) as admin:
            return await work(admin)

    return asyncio.run(whole())


def change(servers: str, topic: str, configs: Mapping[str, str]) -> None:
    """Set `configs` of `topic`; returns when the cluster tells them."""

    async def work(admin: Admin) -> None:
        await admin.change(topic, configs)
        await until(lambda: _has(admin, topic, configs))

    administer(servers, work)


async def _has(admin: Admin, topic: str, configs: Mapping[str, str]) -> bool:
    found = (await admin.found([topic]))[topic].configs or {}
    return all(found.get(name) == value for name, value in configs.items())


def delete(servers: str, topic: str) -> None:
    """Delete `topic`; returns when the cluster knows it no more."""

    async def work(admin: Admin) -> None:
        await admin.ask(DeleteTopicsRequest([topic], 10_000))

        async def gone() -> bool:
            return not await admin.found([topic])

        await until(gone)

    administer(servers, work)


def deny(servers: str, kind: int, name: str, operation: int) -> None:
    """Take one right from USER and leave the others: a name that a rule speaks of is no longer open to everybody."""

    async def work(admin: Admin) -> None:
        for code, permission in ((ALL, ALLOW), (operation, DENY)):
            await admin.ask(CreateAclsRequest(kind, name, LITERAL, f"User:{USER}", "*", code, permission))

    administer(servers, work)


def allow_again(servers: str, kind: int, name: str, operation: int) -> None:
    """Undo `deny`."""

    async def work(admin: Admin) -> None:
        for code, permission in ((ALL, ALLOW), (operation, DENY)):
            await admin.ask(DeleteAclsRequest(kind, name, LITERAL, f"User:{USER}", "*", code, permission))

    administer(servers, work)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - a cluster tells nobody when
            await asyncio.sleep(0.05)
