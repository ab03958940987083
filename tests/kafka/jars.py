"""Where the Apache Kafka of the tests lies. `python tests/kafka/jars.py` fetches it and prints the directory.

Environment:
    TOCSIN_KAFKA_HOME=<directory>  a Kafka that is there already: its jars lie in `libs` below it
    XDG_CACHE_HOME=<directory>     where to keep what was fetched; ~/.cache without it
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
FETCH_SECONDS_MAX = 300


class Missing(Exception):
    """No Kafka can be run here, and why."""


def home() -> Path:
    """The directory whose `libs` holds the jars, whether they have been fetched or not."""
    if given := os.environ.get("TOCSIN_KAFKA_HOME"):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "tocsin" / f"kafka-{sha256(POM.read_bytes()).hexdigest()[:12]}"


def libs() -> Path:
    """The directory with the jars, fetched with Maven when they are not there. Several processes may ask at once.

    Raises:
        Missing: no Java, no Maven, or no way to the registry.
    """
    if not shutil.which("java"):
        raise Missing("needs Java 17 or newer (Debian: default-jre-headless)")
    found = home() / "libs"
    if found.is_dir():
        return found
    if "TOCSIN_KAFKA_HOME" in os.environ:
        raise Missing(f"TOCSIN_KAFKA_HOME has no directory {found}")
    if not shutil.which("mvn"):
        raise Missing("needs Maven to fetch Kafka (Debian: maven), or TOCSIN_KAFKA_HOME")
    found.parent.mkdir(parents=True, exist_ok=True)
    with (found.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.is_dir():
            _fetch(found)
    return found


def _fetch(into: Path) -> None:
    """All or nothing: `into` appears when every jar is in it."""
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        jars = Path(scratch) / "libs"
        words = [
            "mvn",
            "--batch-mode",
            "--quiet",
            "--strict-checksums",
            f"--file={POM}",
            "dependency:copy-dependencies",
        ]
        words += ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=FETCH_SECONDS_MAX, check=False)
        if done.returncode:
            raise Missing(f"Maven could not fetch Kafka: {(done.stdout + done.stderr).strip()[-1000:]}")
        jars.rename(into)


if __name__ == "__main__":
    try:
        print(libs().parent)
    except Missing as missing:
        raise SystemExit(f"Kafka for the tests {missing}") from None
