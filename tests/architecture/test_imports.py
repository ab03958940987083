"""Imports point one way, and only the edges touch the world.

The rules are data: LAYERS (who may import whom), DOES_IO (who may touch clock, files, network and chance),
WORLD and CALLS_OF_THE_WORLD (what that means), KAFKA (the engine stays behind its port). Imports inside
functions and under TYPE_CHECKING count: what the reader has to know is the same.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "tocsin"

# A unit is a module or package directly below tocsin. It imports itself and units of earlier lines.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"domain"}),
    frozenset({"wire", "topics"}),
    # client: what subscribers import; like stage it needs no more than the words and their encoding.
    frozenset({"stage", "client"}),
    frozenset({"ingest", "correlate", "escalate", "notify", "persist"}),
    frozenset({"topology"}),
    # explain: the stages of the topology, asked without a log.
    frozenset({"explain"}),
    frozenset({"settings", "runtime"}),
    frozenset({"api", "cli", "testing"}),
    frozenset({"__main__"}),
)
# `tocsin run` starts the API, `tocsin acceptance` the tester; the test kit may drive everything but the command line.
ALSO = {"cli": frozenset({"api", "testing"}), "testing": frozenset({"api"})}
# A package's map imports nothing; everybody may import it.
MAP = "__init__"

# re2: pure functions of pattern and text, as `re` is.
DOMAIN_IMPORTS = frozenset({"msgspec", "re2", "tocsin"}) | sys.stdlib_module_names

DOES_IO = ("runtime/", "persist/", "notify/channels/", "api/", "cli/", "testing/", "__main__.py")
# settings reads the settings files and the environment, knows the directory for the user's state, and does nothing
# else with the world.
READS_FILES = {"settings": frozenset({"os", "pathlib", "open", "platformdirs"})}

WORLD = {
    "clock and chance": "time random secrets uuid",
    "files": "os io pathlib shutil tempfile glob fileinput mmap fcntl sqlite3 dbm shelve importlib pkgutil",
    "the machine": "platform platformdirs getpass signal subprocess multiprocessing",
    "threads and loops": "asyncio threading concurrent queue sched select selectors anyio",
    "the network": "socket socketserver ssl http urllib.request smtplib ftplib imaplib poplib httpx aiohttp",
    "services": "requests aiosmtplib slack_sdk fastapi starlette uvicorn asyncpg psycopg",
    "words to the outside": "logging click rich prometheus_client",
}
OF_THE_WORLD = frozenset(name for names in WORLD.values() for name in names.split())
CALLS_OF_THE_WORLD = frozenset(
    {
        "open",
        "input",
        "print",
        "breakpoint",
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
    }
)

KAFKA = frozenset({"faust", "mode", "aiokafka"})
KAFKA_HOME = "runtime/kafka/"
EXAMPLES = "docs/"
"""Programs for users to copy; no part of tocsin imports them."""


def imports_of(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of each import; `from a import b` gives `a.b`.

    Args:
        package: the package that relative imports start from, ("tocsin", "domain").
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*start, *filter(None, [node.module])))
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def calls_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, last two parts of the name) of each call: `dt.datetime.now()` gives `datetime.now`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ".".join(ast.unparse(node.func).split(".")[-2:])


def is_one_of(name: str, modules: frozenset[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def allowed_units(unit: str) -> frozenset[str]:
    if unit == MAP:
        return frozenset()
    below: frozenset[str] = frozenset()
    for layer in LAYERS:
        if unit in layer:
            return below | ALSO.get(unit, frozenset()) | {unit, MAP}
        below |= layer
    raise LookupError(unit)


def unit_of(name: str) -> str:
    """`tocsin.domain.alert` -> `domain`. What is no unit (`tocsin.__version__`) belongs to the map."""
    second = (*name.split("."), MAP)[1]
    return second if any(second in layer for layer in LAYERS) else MAP


def unit_at(where: str) -> str:
    """The unit of a file: `domain/alert.py` -> `domain`, `topics.py` -> `topics`."""
    return where.split("/")[0].removesuffix(".py")


def problems_of_order(where: str, imports: list[tuple[int, str]]) -> Iterator[str]:
    unit = unit_at(where)
    try:
        allowed = allowed_units(unit)
    except LookupError:
        yield f"{where}: {unit} is in no layer; DESIGN names the units, LAYERS orders them"
        return
    for line, name in imports:
        if name.split(".")[0] == "tocsin" and unit_of(name) not in allowed:
            yield f"{where}:{line}: {unit} must not import {name}"
        if unit == "domain" and name.split(".")[0] not in DOMAIN_IMPORTS:
            yield f"{where}:{line}: domain imports the standard library and msgspec, not {name}"


def problems_of_purity(where: str, imports: list[tuple[int, str]], tree: ast.Module) -> Iterator[str]:
    if where.startswith(DOES_IO):
        return
    free = READS_FILES.get(unit_at(where), frozenset())
    for line, name in imports:
        if is_one_of(name, OF_THE_WORLD - free):
            yield f"{where}:{line}: imports {name}; time, chance and the world are arguments here"
    for line, name in calls_of(tree):
        if name in CALLS_OF_THE_WORLD - free:
            yield f"{where}:{line}: calls {name}(); time, chance and the world are arguments here"


def problems_of_engine(where: str, imports: list[tuple[int, str]]) -> Iterator[str]:
    if not where.startswith(KAFKA_HOME):
        for line, name in imports:
            if is_one_of(name, KAFKA):
                yield f"{where}:{line}: only {KAFKA_HOME} imports {name}"


def problems(source: Path) -> list[str]:
    """Every breach of a contract below `source`, as `file:line: what`."""
    found: list[str] = []
    for path in sorted(source.rglob("*.py")):
        where = path.relative_to(source).as_posix()
        if where.startswith(EXAMPLES):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        imports = list(imports_of(tree, ("tocsin", *Path(where).parts[:-1])))
        found += problems_of_order(where, imports)
        found += problems_of_purity(where, imports, tree)
        found += problems_of_engine(where, imports)
    return found


def problems_of(tmp_path: Path, where: str, code: str) -> list[str]:
    path = tmp_path / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    return problems(tmp_path)


def test_the_source_keeps_the_contracts() -> None:
    assert problems(SOURCE) == []


@pytest.mark.parametrize(
    ("where", "code", "problem"),
    [
        ("domain/alert.py", "import tocsin.wire", "domain must not import tocsin.wire"),
        ("domain/alert.py", "from ..wire import codec", "domain must not import tocsin.wire.codec"),
        ("domain/alert.py", "from .. import topics", "domain must not import tocsin.topics"),
        ("domain/alert.py", "import orjson", "not orjson"),
        ("domain/alert.py", "def f():\n    from tocsin import stage", "domain must not import tocsin.stage"),
        ("wire/codec.py", "import tocsin.topics", "wire must not import tocsin.topics"),
        ("topics.py", "from tocsin.stage import Mapper", "topics must not import tocsin.stage.Mapper"),
        (
            "notify/decide.py",
            "from tocsin.escalate import decide",
            "notify must not import tocsin.escalate.decide",
        ),
        ("correlate/state.py", "import tocsin.topology", "correlate must not import tocsin.topology"),
        ("topology.py", "import tocsin.runtime", "topology must not import tocsin.runtime"),
        ("settings.py", "import tocsin.runtime", "settings must not import tocsin.runtime"),
        ("runtime/loop.py", "import tocsin.settings", "runtime must not import tocsin.settings"),
        ("runtime/loop.py", "import tocsin.api", "runtime must not import tocsin.api"),
        ("api/app.py", "import tocsin.cli", "api must not import tocsin.cli"),
        ("testing/kit.py", "import tocsin.cli", "testing must not import tocsin.cli"),
        ("__init__.py", "from tocsin.domain import alert", "__init__ must not import tocsin.domain.alert"),
        ("client/reader.py", "from tocsin.stage import Fact", "client must not import tocsin.stage.Fact"),
        ("client/reader.py", "import aiokafka", "only runtime/kafka/ imports aiokafka"),
        ("helpers/strings.py", "", "helpers is in no layer"),
        ("domain/ids.py", "import uuid", "imports uuid"),
        ("correlate/decide.py", "from os import environ", "imports os.environ"),
        ("notify/decide.py", "import asyncio", "imports asyncio"),
        ("ingest/normalise.py", "import urllib.request", "imports urllib.request"),
        ("notify/render.py", "from urllib import request", "imports urllib.request"),
        ("settings.py", "import httpx", "imports httpx"),
        ("settings/load.py", "import time", "imports time"),
        ("wire/schema.py", "open('x')", "calls open()"),
        ("domain/sla.py", "import datetime as dt\ndt.datetime.now(dt.UTC)", "calls datetime.now()"),
        ("domain/sla.py", "from datetime import date\ndate.today()", "calls date.today()"),
        ("runtime/loop.py", "import faust", "only runtime/kafka/ imports faust"),
        (
            "testing/kit.py",
            "from aiokafka.structs import TopicPartition",
            "only runtime/kafka/ imports aiokafka",
        ),
    ],
)
def test_a_breach_is_found(tmp_path: Path, where: str, code: str, problem: str) -> None:
    found = problems_of(tmp_path, where, code)
    assert any(problem in line for line in found), found


@pytest.mark.parametrize(
    ("where", "code"),
    [
        (
            "domain/alert.py",
            "import msgspec\nimport zoneinfo\nfrom tocsin.domain import ids\nfrom . import errors",
        ),
        ("wire/codec.py", "import msgspec\nimport orjson\nfrom tocsin.domain.events import Opened"),
        ("client/reader.py", "from tocsin.wire.events import counts"),
        ("docs/examples/reader.py", "import aiokafka\nprint('read')"),
        (
            "notify/decide.py",
            "from tocsin.stage import Decider\nfrom urllib.parse import quote\nimport jinja2",
        ),
        ("notify/channels/email.py", "import aiosmtplib\nimport asyncio"),
        ("persist/sqlite.py", "import sqlite3\nfrom pathlib import Path"),
        (
            "settings.py",
            "import os\nfrom pathlib import Path\nPath('x').open()\nfrom tocsin.topology import STREAM",
        ),
        ("settings/load.py", "import os\nopen('x')"),
        ("runtime/clock.py", "import time\nfrom datetime import datetime, UTC\ndatetime.now(UTC)"),
        ("runtime/kafka/app.py", "import faust\nimport mode\nimport aiokafka"),
        ("api/app.py", "from tocsin import __version__, runtime, settings"),
        ("cli/run.py", "from tocsin.api import app"),
        ("testing/kit.py", "import tocsin.api\nimport tocsin.runtime.loop\nimport random"),
        ("domain/sla.py", "def f(clock):\n    return clock.now()"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path: Path, where: str, code: str) -> None:
    assert problems_of(tmp_path, where, code) == []
