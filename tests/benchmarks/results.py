"""How results are written: median and spread of the runs, date and machine beside them, one file per script.

In: what a script found. Out: one JSON document, in `tests/benchmarks/results/` when it is kept.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from measuring import machine

RESULTS: Final = Path(__file__).with_name("results")


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Median, least and most."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) if digits else round(value) for name, value in found.items()}


def stamped(name: str, smoke: bool, found: dict[str, Any]) -> dict[str, Any]:
    """`found` with what one has to know to compare it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"name": name, "date": now, "smoke": smoke, "machine": machine(), **found}


def keep(name: str, document: dict[str, Any], directory: Path = RESULTS) -> Path:
    """Write it where `report.py` finds it."""
    directory.mkdir(exist_ok=True)
    path = directory / f"{name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def right(found: Any) -> bool:
    """Whether every `ok` in it is true."""
    if isinstance(found, dict):
        return found.get("ok", True) is True and all(map(right, found.values()))
    return all(map(right, found)) if isinstance(found, list) else True


def say(line: str) -> None:
    """How far it is, on standard error."""
    print(line, file=sys.stderr, flush=True)
