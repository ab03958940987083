"""The least that is comparable, for every peer: decode, recognise a repeat by its labels, one event for a new alert.

In: values of raw records. Out: events to send, counts, and the CPU and wall seconds from the first record on. Nothing
of it survives a crash, nothing is ordered by event time, and nobody could acknowledge anything.
"""

import argparse
import json
import sys
import time
from typing import Any

import orjson


def asked() -> argparse.Namespace:
    """What every peer is asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--alerts", type=int, required=True)
    parser.add_argument("--partitions", type=int, required=True)
    return parser.parse_args()


class Count:
    """The state of a peer."""

    def __init__(self) -> None:
        self.alerts = 0
        self.records = 0
        self._times: dict[tuple[str, ...], int] = {}
        self._began = self._cpu = 0.0

    def begin(self) -> None:
        """The first record is here."""
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def take(self, value: bytes) -> list[tuple[bytes, bytes]]:
        """Keys and values of the events that `value` brings about."""
        if not self.records:
            self.begin()
        self.records += 1
        events = []
        for alert in orjson.loads(value)["alerts"]:
            self.alerts += 1
            labels = alert["labels"]
            key = tuple(labels.values())
            times = self._times.get(key, 0)
            self._times[key] = times + 1
            if not times:
                events.append((labels["service"].encode(), orjson.dumps({"type": "opened", "alert": alert})))
        return events

    def tell(self, **more: Any) -> None:
        """Print what it took; everything has been delivered."""
        found = {
            "alerts": self.alerts,
            "fingerprints": len(self._times),
            "seconds": time.perf_counter() - self._began,
            "cpu_seconds": time.process_time() - self._cpu,
            **more,
        }
        print(json.dumps(found), flush=True)
        sys.stdout.flush()
