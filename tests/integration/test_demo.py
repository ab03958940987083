"""The demo as people start it: a process of its own, a story through the real intake, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

TOCSIN = Path(sys.executable).parent / "tocsin"


def start(tmp_path: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"}
    return subprocess.Popen(
        [TOCSIN, "demo", "--speed", "12", "--listen", "127.0.0.1:19393", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_the_story_comes_true(tmp_path: Path) -> None:
    demo = start(tmp_path, "--once", "-o", "json")
    out, err = demo.communicate(timeout=100)
    assert demo.returncode == 0, err
    result = json.loads(out)
    assert result == {
        "alerts_accepted": 143,
        "incidents_opened": 4,
        "repeats": 87,
        "escalations": result["escalations"],
        "notifications": result["notifications"],
        "log_verified": True,
    }
    # At this speed level 2 is paged again ten seconds after the first time: a slow machine may see it.
    assert result["escalations"] >= 2
    assert result["notifications"] == 4 + 1 + result["escalations"]
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_it_cleanly_and_keep_keeps_the_log(tmp_path: Path) -> None:
    demo = start(tmp_path, "--keep")
    assert demo.stderr is not None
    for line in demo.stderr:
        if "level 1" in line:
            break
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err
    assert "Traceback" not in err
    (kept,) = tmp_path.iterdir()
    verified = subprocess.run(
        [TOCSIN, "eventlog", "verify", "-c", kept / "tocsin.yaml", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(verified.stdout)["ok"] is True


def test_once_that_is_stopped_has_proved_nothing(tmp_path: Path) -> None:
    demo = start(tmp_path, "--once")
    assert demo.stderr is not None
    next(line for line in demo.stderr if "incident.opened" in line)
    demo.send_signal(signal.SIGTERM)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert (out, "stopped before the end" in err) == ("", True)
    assert list(tmp_path.iterdir()) == []
