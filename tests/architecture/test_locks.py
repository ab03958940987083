"""The lock files hold what pyproject.toml asks for, with hashes, and name no place to fetch it from.

They are written by deploy/lock; these tests fail when somebody edits pyproject.toml and forgets to run it.
"""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = [*PYPROJECT["build-system"]["requires"], *PYPROJECT["project"]["dependencies"]]
LOCKS = {
    "deploy/requirements.lock": RUNTIME,
    "deploy/requirements-test.lock": [*RUNTIME, *PYPROJECT["project"]["optional-dependencies"]["test"]],
}
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; .+?)?(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)$"
)


def locked(text: str) -> dict[str, str]:
    """Name -> version of every entry.

    Raises:
        ValueError: an entry is not one pinned version with hashes.
    """
    entries = re.sub(r" *\\\n +", " ", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    found = {}
    for entry in entries:
        match = ENTRY.match(entry)
        if match is None:
            raise ValueError(f"not a pinned version with hashes: {entry}")
        found[match["name"]] = match["version"]
    return found


def unmet(requirements: list[str], versions: dict[str, str]) -> list[str]:
    """The requirements that no locked version meets."""
    return [
        text
        for text in requirements
        if (version := versions.get(canonicalize_name(Requirement(text).name))) is None
        or not Requirement(text).specifier.contains(version)
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_holds_what_is_asked_for(lock: str) -> None:
    versions = locked((CHECKOUT / lock).read_text(encoding="utf-8"))
    assert unmet(LOCKS[lock], versions) == [], "run deploy/lock"


def test_the_tests_run_on_the_versions_that_users_get() -> None:
    runtime, test = (locked((CHECKOUT / lock).read_text(encoding="utf-8")) for lock in LOCKS)
    assert runtime.items() <= test.items()


def test_a_requirement_that_is_not_met_is_found() -> None:
    assert unmet(["click<8.4", "rich>=13", "six"], {"click": "8.4.1", "rich": "15.0.0"}) == [
        "click<8.4",
        "six",
    ]


@pytest.mark.parametrize(
    "entry",
    [
        "rich==15.0.0",
        "rich>=15 \\\n    --hash=sha256:" + "0" * 64,
        "rich @ file:///tmp/rich.whl",
        "--index-url https://example.invalid/simple",
        "--find-links wheels",
    ],
)
def test_a_lock_entry_without_version_and_hash_is_found(entry: str) -> None:
    with pytest.raises(ValueError, match="not a pinned version"):
        locked(entry)
