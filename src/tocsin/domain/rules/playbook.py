"""Playbooks, as data: steps to take, attached by category and severity."""

import msgspec

from tocsin.domain.severity import Severity


class PlaybookStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    text: str
    minutes: float = 0
    skills: tuple[str, ...] = ()


class Playbook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    title: str
    steps: tuple[PlaybookStep, ...]
    estimated_duration_minutes: float = 0
    required_skills: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    description: str = ""
