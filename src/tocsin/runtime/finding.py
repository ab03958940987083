"""What one check of an installation found: the words of `tocsin doctor`."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Outcome", "failed", "fine", "warned"]

Outcome = Literal["ok", "warn", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """One line of the report. What is not ok has a remedy: one command or one setting."""

    check: str
    outcome: Outcome
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        assert self.remedy or self.outcome == "ok", f"{self.check}: {self.found} has no remedy"


def fine(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def warned(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, "warn", found, remedy)


def failed(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, "FAIL", found, remedy)
