"""Runs the benchmarks one after the other, in bounded time, and keeps what they say for `report.py`.

    python tests/benchmarks/all.py [--only stream,scaling] [--minutes 60] [--smoke] [--results DIRECTORY]

Each script prints one JSON document, which goes to `results/<name>.json`; what it says meanwhile goes to standard
error. A script that takes longer than it may is ended with everything that it started, and one for which no time is
left does not begin; both are said, and the exit code is 1, as it is when a script finds something wrong. `--smoke`
runs the small form of each and keeps it in a directory that is printed. Nothing else should run on the machine.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from results import RESULTS, keep, say

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Script:
    """One benchmark: and about how long it takes."""

    name: str
    seconds: int


SCRIPTS: Final = (
    Script("stream", 750),
    Script("latency_kafka", 200),
    Script("scaling", 200),
    Script("restart", 180),
    Script("folded", 300),
    Script("expressions", 25),
    Script("noise", 150),
    Script("timers", 400),
    Script("notify", 130),
    Script("notify_faults", 780),
)
PATIENCE: Final = 1.6
"""Times what a script takes on the machine where it was written; then it is ended."""


def run(script: Script, small: bool, seconds: float, directory: Path) -> bool:
    """Run one script and keep what it says; whether all was well."""
    words = [sys.executable, str(HERE / f"{script.name}.py"), *(("--smoke",) if small else ())]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        say(f"{script.name}: ended after {seconds:.0f} s")
        return False
    finally:  # brokers and workers of a script that failed are in its session
        _end(process)
    try:
        document = json.loads(said)
    except ValueError:
        say(f"{script.name}: no result, exit code {process.returncode}")
        return False
    say(f"{script.name}: {keep(script.name, document, directory)}{'' if process.returncode == 0 else ' - WRONG'}")
    return process.returncode == 0


def _end(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nothing of it is left, as it should be
    process.wait()


def main() -> int:
    names = [script.name for script in SCRIPTS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help=f"comma-separated: {', '.join(names)}")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--results", type=Path)
    asked = parser.parse_args()
    wanted = asked.only.split(",") if asked.only else names
    if unknown := set(wanted) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    directory = asked.results or (Path(tempfile.mkdtemp(prefix="tocsin-benchmark-")) if asked.smoke else RESULTS)
    ends = time.monotonic() + asked.minutes * 60
    well = True
    for script in SCRIPTS:
        if script.name not in wanted:
            continue
        left = ends - time.monotonic()
        if not asked.smoke and left < script.seconds:
            say(f"{script.name}: takes about {script.seconds} s, {left:.0f} s are left; run it with --only")
            well = False
            continue
        say(f"{script.name} …")
        well &= run(script, asked.smoke, min(left, script.seconds * PATIENCE), directory)
    if asked.smoke:
        say(f"kept in {directory}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
