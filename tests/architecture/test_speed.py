"""What the README says about speed is what the benchmarks have kept, and every benchmark can be started."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
STARTED = '__name__ == "__main__"'
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if STARTED in path.read_text(encoding="utf-8"))
PARTS = {"all", "cut_stream", "open_loop", "report"}
"""What measures nothing by itself."""
KEPT = sorted((BENCHMARKS / "results").glob("*.json"))


def script(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), *words], capture_output=True, text=True, check=False
    )


def test_the_table_in_the_readme_is_made_from_the_results_that_are_kept() -> None:
    done = script("report", "--check")
    assert done.returncode == 0, f"python tests/benchmarks/report.py\n{done.stderr}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_says_how_it_is_used(name: str) -> None:
    done = script(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout
    assert name in PARTS or "--smoke" in done.stdout


def test_what_is_kept_was_measured_in_earnest() -> None:
    smoke = [path.name for path in KEPT if json.loads(path.read_text(encoding="utf-8")).get("smoke")]
    assert smoke == []
