"""Playbooks, as data: steps to take, attached by category and severity. `domain.playbook` says which apply."""

import msgspec

from tocsin.domain.severity import Severity


class PlaybookStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    text: str
    minutes: float = 0
    """How long it is expected to take."""
    skills: tuple[str, ...] = ()


class Playbook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    title: str
    steps: tuple[PlaybookStep, ...]
    estimated_duration_minutes: float = 0
    """0 = the sum of the steps."""
    required_skills: tuple[str, ...] = ()
    """Empty = those of the steps."""
    categories: tuple[str, ...] = ()
    """Of the incidents that it is for; empty = all."""
    severities: tuple[Severity, ...] = ()
    """Of the incidents that it is for; empty = all."""
    description: str = ""
    runbook: str = ""
    """Name of a runbook document, or a link, with more to read."""
    enabled: bool = True
    """False takes a shipped playbook of the same name away."""
