"""Kafka's classes as Java keeps them for its next start: with this file a node needs half the processor time for it.

`PYTHONPATH=tests python -m kafka.archive` makes it once a machine, beside the jars. Without it nodes start as well.
"""

import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from kafka.jars import Missing, home, libs


def place() -> Path:
    """Where the file of this Java lies, whether it was made or not."""
    java = Path(shutil.which("java") or "java").resolve()
    made = java.stat().st_mtime_ns if java.exists() else 0
    return home() / f"classes-{sha256(f'{java} {made}'.encode()).hexdigest()[:12]}.jsa"


def options() -> tuple[str, ...]:
    """What makes Java use the file; a Java that cannot says nothing and does without."""
    return (f"-XX:SharedArchiveFile={place()}", "-Xshare:auto", "-Xlog:cds=off") if place().exists() else ()


def make() -> None:
    """Let a node load its classes and end in order. All or nothing.

    Raises:
        Missing: no Kafka can be run here. AssertionError: the node did not start.
    """
    from kafka.cluster import HEAP, Cluster

    with TemporaryDirectory(dir=libs().parent) as scratch:
        file = Path(scratch) / "classes"
        cluster = Cluster(Path(scratch) / "kafka", java=(*HEAP, f"-XX:ArchiveClassesAtExit={file}"))
        try:
            cluster.start()
            cluster.nodes[0].stop()
        finally:
            cluster.stop()
        with suppress(FileNotFoundError):  # it had to be killed
            file.rename(place())


if __name__ == "__main__":
    try:
        if not place().exists():
            make()
    except Missing as missing:
        raise SystemExit(f"Kafka for the tests {missing}") from None
