"""Would the tests notice a small mistake in the rules of the domain? Mistakes are drawn by chance and tried.

Environment:
    TOCSIN_MUTANTS=<number>  how many; at length, from 200 on, at least 85 of 100 must be noticed

One is noticed when a test fails, or when they do not come to an end in time. The tests nearest to the mistake are asked
first; all of them only where those notice nothing and the verdict still depends on it, and always at length. Those that
are not noticed are printed: each is a test that is missing, or a line that is not needed.
"""

import ast
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from mutation.mutants import Mutant, modules, mutants

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

ROOT: Final = Path(__file__).parents[2]
COUNT: Final = int(os.environ.get("TOCSIN_MUTANTS", "6"))
AT_LENGTH: Final = 200
NOTICED_AT_LENGTH: Final = 0.85
NOTICED_IN_A_SAMPLE: Final = 0.5
"""Of six by chance: when 87 of 100 are noticed, three samples in a thousand are below."""
SECONDS_MAX: Final = 240
"""Four times what the tests take on two quiet processors."""
PACKAGES: Final = ("domain", "correlate", "escalate", "notify", "settings", "wire", "ingest")
SUITE: Final = (*(f"tests/unit/{package}" for package in PACKAGES), "tests/property", "tests/scenarios")
"""The nearest first: most mistakes are noticed there."""
NEAR_MAX: Final = 12
"""Test modules: some seconds. More of them notice hardly more, and take as long as all."""


def near(module: str) -> tuple[str, ...]:
    """The test modules of SUITE that are named like `module` or name most of what it has, the best ones first."""
    own = module.removeprefix("tocsin.domain").strip(".").split(".")
    public = {
        name
        for node in ast.parse(modules()[module].read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not (name := node.name).startswith("_")
    }
    words = re.compile(rf"\b({'|'.join(map(re.escape, sorted({module, *public})))})\b")
    worth: dict[str, tuple[int, int]] = {}
    for path in (path for one in SUITE for path in sorted((ROOT / one).rglob("test_*.py"))):
        named = sum(part != "" and part in path.stem for part in own)
        found = len(set(words.findall(path.read_text(encoding="utf-8"))))
        if named or found:
            worth[str(path.relative_to(ROOT))] = named, found
    return tuple(sorted(worth, key=lambda path: worth[path], reverse=True)[:NEAR_MAX])


def noticed(mutant: Mutant | None, suite: tuple[str, ...] = SUITE) -> bool:
    """Whether a test of `suite` fails with `mutant`."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    if mutant is not None:
        environ["TOCSIN_MUTANT"] = f"{mutant.module}:{mutant.number}"
    environ.pop("CI", None)  # few examples a property: there are many mutants
    words = [sys.executable, "-m", "pytest", "-p", "mutation.plugin", "-p", "no:cacheprovider", "-x", "-q", *suite]
    try:
        run = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, timeout=SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        return True
    return run.returncode != 0


def test_mistakes_in_the_domain_are_noticed(seed: int) -> None:
    every = [one for name, path in modules().items() for one in mutants(name, path.read_text(encoding="utf-8"))]
    drawn = random.Random(seed).sample(every, min(COUNT, len(every)))
    # That all of them pass is the business of whoever runs them all; here, that they can pass when started like this.
    assert not noticed(None, SUITE[:1]), "the tests fail without any mistake"
    wanted = NOTICED_AT_LENGTH if len(drawn) >= AT_LENGTH else NOTICED_IN_A_SAMPLE
    missed = [mutant for mutant in drawn if not noticed(mutant, near(mutant.module) or SUITE[:1])]
    if len(drawn) >= AT_LENGTH or len(missed) > len(drawn) * (1 - wanted):
        missed = [mutant for mutant in missed if not noticed(mutant)]
    part = 1 - len(missed) / len(drawn)
    told = "\n".join(f"  {one.module} line {one.line}: {one.what}" for one in missed)
    print(f"{len(drawn)} of {len(every)} mutants, {part:.0%} noticed; not:\n{told}")
    assert part >= wanted, told


def test_a_mutant_is_really_in_the_process_that_tests() -> None:
    """Were the plugin without effect, all mutants would be missed, or none."""
    source = modules()["tocsin.domain.instant"].read_text(encoding="utf-8")
    wanted = next(one for one in mutants("tocsin.domain.instant", source) if one.what == "returns None")
    code = "import mutation.plugin, tocsin.domain.instant as instant; print(instant.from_ms(0))"
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "TOCSIN_MUTANT": f"{wanted.module}:{wanted.number}"}
    run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "None"
