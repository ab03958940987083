"""The steps at which a process can be told to die are steps that there are."""

import functools
import importlib
import signal
import subprocess
import sys

import pytest

from tocsin.testing.failing import POINTS, STEPS, NoSuchPoint, prepare


@pytest.mark.parametrize("place", [place for step in STEPS.values() for place in step.functions])
def test_every_step_is_a_function_of_the_product(place: str) -> None:
    module, _, path = place.partition(":")
    assert callable(functools.reduce(getattr, path.split("."), importlib.import_module(module)))


@pytest.mark.parametrize("point", ["", "append", "append.during", "append.before:x"])
def test_an_unknown_point_names_the_known_ones(point: str) -> None:
    with pytest.raises(NoSuchPoint, match=POINTS[0]):
        prepare(point)


@pytest.mark.parametrize(
    ("point", "code", "printed"),
    [
        ("decode.before", -signal.SIGKILL, b""),
        ("decode.after", -signal.SIGKILL, b"read"),
        ("decode.after:2", 0, b"read; on"),
    ],
)
def test_it_dies_before_or_after_the_nth_call(point: str, code: int, printed: bytes) -> None:
    program = f"""
from tocsin.testing.failing import prepare
from tocsin.runtime import owner
owner.read_batch = lambda value: print("read", end="", flush=True)
prepare({point!r})
owner.read_batch(b"")
print("; on", end="", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (code, printed)
