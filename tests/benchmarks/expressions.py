"""Microseconds of one core per evaluation: an expression of four terms, and a thousand rules at once.

Peers in the run: the same four terms written in Python by hand, and the thousand asked one after the other. Checked in
the run: both ways give the same answers. Prints JSON. Run: `python tests/benchmarks/expressions.py [--smoke]`.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

sys.path.insert(0, str(__import__("pathlib").Path(__file__).parent))
from asking import asked, options
from results import spread, stamped

from tocsin.domain.condition import holds
from tocsin.domain.expression import Ruleset, compile_expression
from tocsin.domain.header import IncidentHeader
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Matcher
from tocsin.domain.severity import Severity

NOW: Final = datetime(2026, 11, 21, 10, tzinfo=UTC)
RULES: Final = 1000
FOUR: Final = "severity >= 'high' AND status == 'open' AND labels.team == 'team-7' AND alerts > 10"
HEADER: Final = IncidentHeader(
    id="i",
    number="INC-2026-11-21-001",
    version=1,
    title="Disk of db-7 is full",
    severity=Severity.CRITICAL,
    status=Status.OPEN,
    opened_at=NOW - timedelta(minutes=7),
    category="database",
    service="service-42",
    labels={"team": "team-7", "service": "service-42", "cluster": "eu-1", "alertname": "DiskFull"},
    alerts=12,
)
SETS: Final = {
    "by_label": "labels.service == 'service-{n}' AND severity >= 'high'",
    "by_field": "service == 'service-{n}' AND category == 'database' AND alerts > 3",
    "by_list": "labels.service in ['service-{n}', 'other-{n}'] AND time('Europe/London') >= '09:00'",
    "mixed": "labels.team == 'team-{n}' OR labels.team == 'squad-{n}' AND open_for > 5m",
}


def by_hand(header: IncidentHeader, now: datetime) -> bool:
    return (
        header.severity.rank <= Severity.HIGH.rank
        and header.status is Status.OPEN
        and header.labels.get("team") == "team-7"
        and header.alerts > 10
    )


def microseconds(work: Callable[[Any, datetime], object], seconds: float) -> dict[str, float]:
    """CPU time of one call: median and spread of five runs."""
    found = []
    for _ in range(5):
        calls, begin = 0, time.process_time()
        while (spent := time.process_time() - begin) < seconds / 5:
            for _ in range(100):
                work(HEADER, NOW)
            calls += 100
        found.append(spent / calls * 1e6)
    return spread(found, 3)


def main() -> None:
    smoke = asked(options(__doc__)).smoke
    seconds = 0.1 if smoke else 2.0
    four = compile_expression(FOUR)
    matcher = Matcher(expression=FOUR)
    assert four.holds(HEADER, NOW)
    assert by_hand(HEADER, NOW)
    sets: dict[str, Any] = {}
    for name, pattern in SETS.items():
        expressions = [compile_expression(pattern.replace("{n}", str(number))) for number in range(RULES)]
        ruleset = Ruleset(expressions)

        def each(header: IncidentHeader, now: datetime, asked: Any = expressions) -> tuple[int, ...]:
            return tuple(number for number, one in enumerate(asked) if one.holds(header, now))

        found = ruleset.all(HEADER, NOW)
        sets[name] = {
            "rule": pattern,
            "ok": found == each(HEADER, NOW) and len(found) == 1,
            "all": microseconds(ruleset.all, seconds),
            "first": microseconds(ruleset.first, seconds),
            "peer_each": microseconds(each, seconds / 4),
        }
    result = {
        "four_terms": {
            "expression": FOUR,
            "holds": microseconds(four.holds, seconds),
            "as_condition": microseconds(lambda header, now: holds(matcher, header, now), seconds),
            "peer_by_hand": microseconds(by_hand, seconds),
        },
        "rules": RULES,
        "sets": sets,
    }
    print(json.dumps(stamped("expressions", smoke, {"microseconds": result}), indent=1))
    sys.exit(0 if all(one["ok"] for one in sets.values()) else 1)


if __name__ == "__main__":
    main()
