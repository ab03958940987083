"""Writes the table "Speed" of the README from what the benchmarks have kept.

    python tests/benchmarks/report.py [--check]

In: `results/*.json`. Out: the lines between the two markers of README.md; `--check` only compares, exit 1 when they
differ. A metric whose script has not run is left out, and one whose check failed says so. A row has tocsin's figure,
the peers and the limit of the same run, and what was asked for.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from results import RESULTS, right

README: Final = Path(__file__).parents[2] / "README.md"
BEGIN: Final = "<!-- speed: made by tests/benchmarks/report.py -->"
END: Final = "<!-- speed: end -->"
NAMES: Final[Mapping[str, str]] = {
    "alertmanager_http": "Alertmanager",
    "alertmanager": "Alertmanager",
    "faust": "stock Faust",
    "quix": "Quix Streams",
    "bytewax": "Bytewax",
    "getmany_decode": "fetch + decode",
    "consume_decode_encode_append": "fetch, decode, encode, append",
}
EMPTY: Final = "Not measured yet: `python tests/benchmarks/all.py`, then `python tests/benchmarks/report.py`."
Row = tuple[str, str, str, str, str]


def k(value: float) -> str:
    """12,345 -> 12 k."""
    return f"{value / 1000:.3g} k" if value >= 1000 else f"{value:.0f}"


def ms(found: Mapping[str, Any]) -> str:
    """p50 / p99."""
    p50, p99 = (found[part]["median"] for part in ("p50", "p99"))
    return f"{p50:,.{0 if p50 >= 100 else 1}f} / {p99:,.{0 if p99 >= 100 else 1}f} ms"


def wrong(found: Any) -> str:
    return "" if right(found) else " **(check failed)**"


def each(found: Mapping[str, Any], part: str) -> str:
    """The median of every peer or limit; those that did not run are named without a figure."""
    told = []
    for name, one in found.items():
        figure = k(one[part]["median"]) if part in one else f"left out ({one['left_out'][:40]})"
        told.append(f"{NAMES.get(name, name)} {figure}")
    return "; ".join(told)


def stream_rows(document: Mapping[str, Any]) -> Iterator[Row]:
    part = "alerts_per_cpu_second"
    for name, what, must in (("p1", "95 % repeats", "50 k"), ("p2", "no repeats, each opens an incident", "25 k")):
        if name not in document:
            continue
        found = document[name]
        ours = {one: figures[part]["median"] for one, figures in found["tocsin"].items()}
        text = f"**{k(ours['events_one_a_record'])}** one alert a record, **{k(ours['events_ten_a_record'])}** ten, "
        text += (
            f"**{k(ours['events_sixty_four_a_record'])}** 64 (as Prometheus sends, and as Alertmanager is fed here); "
        )
        text += f"with escalate and notify {k(ours['whole_ten_a_record'])}{wrong(found['tocsin'])}"
        peers, limits = (each(found.get(f"{kind}_one_a_record", {}), part) for kind in ("peers", "limits"))
        yield f"alerts/s per core, Kafka → durable incident events, {what}", text, peers, limits, must


def latency_rows(document: Mapping[str, Any]) -> Iterator[Row]:
    for rate, must in ((1000, "15 / 100 ms"), (5000, "")):
        if (found := document.get(f"{rate}_a_second")) is None:
            continue
        peers = []
        for name in ("faust", "alertmanager"):
            one = found.get(name, {"left_out": "not asked"})
            late = "" if one.get("kept_up", True) else " (fell behind)"
            peers.append(f"{NAMES[name]} {ms(one) if 'p50' in one else 'left out'}{late}")
        limit = f"broker echo {ms(found['broker_echo'])}" if "broker_echo" in found else ""
        ours = f"**{ms(found['tocsin'])}**{wrong(found['tocsin'])}"
        yield f"alert → incident event at {rate:,}/s, p50 / p99", ours, "; ".join(peers), limit, must


def scaling_rows(document: Mapping[str, Any]) -> Iterator[Row]:
    for count, found in document["workers"].items():
        if count == "1" or "speedup_of_linear" not in found:
            continue
        ours = f"**{found['cpu_efficiency']:.2f}** of linear by CPU per alert, {found['speedup_of_linear']:.2f} by wall"
        cores = document["machine"]["cores"]
        ours += f" on {cores} cores shared with the broker{wrong(found)}"
        yield f"1 → {count} workers", ours, "", "linear = 1", "0.7"
    join = document["join"]
    yield "longest gap when a worker joins", f"{join['stall_s']['median']:.2g} s{wrong(join)}", "", "", ""


def restart_rows(document: Mapping[str, Any]) -> Iterator[Row]:
    count = f"{document['incidents']:,}"
    ours = f"**{document['serving_s']['median']:.3g} s**"
    limit = f"decode {document['bare_decode_s']:.3g} s + imports {document['imports_s']['median']:.2g} s"
    yield f"restart to serving, {count} open incidents", ours, "Alertmanager forgets", limit, "20 s"


def folded_rows(document: Mapping[str, Any]) -> Iterator[Row]:
    fold, scan, thaw = (document[way]["correlate"] for way in ("fold", "scan", "thaw"))
    rate = f"**{k(fold['events_per_s']['median'])}**"
    yield "events/s folded from the log", rate, "", f"scan + decode {k(scan['events_per_s']['median'])}", "100 k"
    memory = f"**{fold['bytes_per_incident']['median']:,}**, {thaw['bytes_per_incident']['median']:,} from a checkpoint"
    yield "bytes of memory per open incident", memory, "", "", "1,500"


def notify_rows(document: Mapping[str, Any]) -> Iterator[Row]:
    part = "to_sink_ms"
    peer = ms(document["alertmanager"][part]) if "alertmanager" in document else "left out"
    what = f"alert → notification accepted over HTTP at {document['load']['rate']:g}/s, p50 / p99"
    ours = f"**{ms(document['tocsin'][part])}**{wrong(document['tocsin'])}"
    yield what, ours, f"Alertmanager {peer}", f"bare POST {ms(document['aiohttp_post'][part])}", "20 / 100 ms"


def fault_rows(document: Mapping[str, Any]) -> Iterator[Row]:
    ratio, ways = document["ratio"], len(document["modes"])
    ours = f"**{ratio['median']:.2f}** in the median of {ways} ways to fail, {ratio['max']:.2f} in the worst"
    bound = f"{document['bound']:g}"
    yield "p99 beside a channel that fails, undisturbed = 1", f"{ours}{wrong(document)}", "", "", bound


ROWS: Final = {
    "stream": stream_rows,
    "latency_kafka": latency_rows,
    "scaling": scaling_rows,
    "folded": folded_rows,
    "restart": restart_rows,
    "notify": notify_rows,
    "notify_faults": fault_rows,
}


def table(results: Path = RESULTS) -> str:
    """The text between the markers."""
    documents = {name: json.loads(path.read_text()) for name in ROWS if (path := results / f"{name}.json").is_file()}
    rows = [row for name, document in documents.items() for row in ROWS[name](document)]
    if not rows:
        return EMPTY
    lines = ["| metric | tocsin | peers | limit | must |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    machines = sorted({_machine(document) for document in documents.values()})
    return "\n".join([*lines, "", *(f"Measured {one}." for one in machines)])


def _machine(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    on = f"on {document['date'][:10]} at commit {machine['commit']}, {machine['cpu']}, {machine['cores']} cores"
    return f"{on}, Python {machine['python']}{' (smoke run: no figures to rely on)' if document['smoke'] else ''}"


def written(readme: str, text: str) -> str:
    """`readme` with `text` between the markers.

    Raises:
        ValueError: it has no markers.
    """
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("README.md has lost the markers of its table")
    return f"{head}{BEGIN}\n{text}\n{END}{tail}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    asked = parser.parse_args()
    before = README.read_text(encoding="utf-8")
    after = written(before, table())
    if asked.check:
        return 0 if before == after else 1
    README.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
