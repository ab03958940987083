"""Playbooks in the settings: what is given is published, what is wrong is named."""

from pathlib import Path

import pytest

from tocsin.domain.rules import documents_of
from tocsin.domain.severity import Severity
from unit.settings.reading import problems_of, settings_of


def test_a_playbook_is_a_document_of_its_own(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        "playbooks: {disk-full: {title: Disk full, categories: system, severities: [high],"
        " steps: [{text: look, minutes: 5, skills: sysadmin}, {text: clean}]}}",
        {},
    )
    playbook = settings.rules().playbooks["disk-full"]
    assert (playbook.title, playbook.categories, playbook.severities) == ("Disk full", ("system",), (Severity.HIGH,))
    assert playbook.steps[0].skills == ("sysadmin",)
    assert documents_of(settings.rules())["playbook/disk-full"]["title"] == "Disk full"


def test_a_shipped_one_can_be_taken_away(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "playbooks: {security-incident: {enabled: false}}", {})
    assert settings.rules().playbooks["security-incident"].enabled is False


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("playbooks: {a: {title: A}}", "needs a title and steps, or enabled: false"),
        ("playbooks: {a: {title: A, steps: [{txet: look}]}}", "unknown field 'txet', did you mean 'text'?"),
        ("playbooks: {a: {title: A, steps: [{text: look, minutes: -1}]}}", "minutes"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, part: str) -> None:
    assert any(part in problem for problem in problems_of(tmp_path, text, {}))
