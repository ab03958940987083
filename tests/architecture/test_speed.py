"""What the README says about speed is what the benchmarks have kept, and every benchmark can be started."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
STARTED = '__name__ == "__main__"'
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if STARTED in path.read_text(encoding="utf-8"))
PARTS = {"all", "cut_stream", "open_loop", "report"}
"""What measures nothing by itself."""
KEPT = sorted((BENCHMARKS / "results").glob("*.json"))


HELP = """
import contextlib, io, json, runpy, sys
folder, *asked = sys.argv[1:]
sys.path.insert(0, folder)
found = {}
for name in asked:
    sys.argv, said, code = [name, "--help"], io.StringIO(), "went on"
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_path(f"{folder}/{name}.py", run_name="__main__")
        except SystemExit as end:
            code = end.code
    found[name] = [code, said.getvalue()]
print(json.dumps(found))
"""
"""Asks one script after the other for its help; a process for each would import the same things twenty times."""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


def test_the_table_in_the_readme_is_made_from_the_results_that_are_kept() -> None:
    done = python(str(BENCHMARKS / "report.py"), "--check")
    assert done.returncode == 0, f"python tests/benchmarks/report.py\n{done.stderr}"


def test_every_benchmark_says_how_it_is_used() -> None:
    done = python("-c", HELP, str(BENCHMARKS), *SCRIPTS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in SCRIPTS:
        code, said = found[name]
        assert not code, f"{name}: {code}\n{said}"
        assert "usage" in said, name
        assert name in PARTS or "--smoke" in said, name


def test_what_is_kept_was_measured_in_earnest() -> None:
    smoke = [path.name for path in KEPT if json.loads(path.read_text(encoding="utf-8")).get("smoke")]
    assert smoke == []
