"""What is written for people is true: samples load, commands and paths exist."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
import yaml

from tocsin.cli import VERBS, main
from tocsin.cli.demo import invitation
from tocsin.ingest.intake import take
from tocsin.notify.channels.build import build
from tocsin.settings import load
from tocsin.topics import TOPICS

CHECKOUT = Path(__file__).parents[2]
README = CHECKOUT / "README.md"
HANDBOOK = sorted((CHECKOUT / "src/tocsin/docs").glob("*.md"))
HOW = CHECKOUT / "src/tocsin/docs/how-it-works.md"
PAGES = [README, *HANDBOOK]

ENVIRONMENT = {
    "TOCSIN_SERVICENOW_PASSWORD": "secret",
    "TOCSIN_SERVICENOW_SECRET": "whsec_c2VjcmV0IG9mIHRoZSBydWxl",
    "TOCSIN_OPS_WEBHOOK_URL": "https://ops.example.org/hook",
    "TOCSIN_OPS_WEBHOOK_SECRET": "whsec_c2VjcmV0",
    "TOCSIN_SMTP_PASSWORD": "secret",
    "TOCSIN_LINK_SECRET": "a secret of thirty-two characters",
    "TOCSIN_LINK_SECRET_BEFORE": "another of thirty-two characters",
    "TOCSIN_KAFKA_PASSWORD": "secret",
    "TOCSIN_PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
    "TOCSIN_PAGERDUTY_WEBHOOK_SECRET": "secret",
    "TOCSIN_TEAMS_URL": "https://teams.example.org/hook",
    "TOCSIN_TWILIO_TOKEN": "secret",
    "TOCSIN_SMS_KEY": "secret",
    "TOCSIN_SLACK_TOKEN": "xoxb-secret",
    "TOCSIN_SLACK_APP_TOKEN": "xapp-secret",
}


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each `tocsin …` in the shell blocks of a page."""
    for block in blocks(page, "(?:sh|bash)"):
        yield from commands_in(block)


def commands_in(text: str) -> Iterator[list[str]]:
    """The words of each `tocsin …`, without what follows a comment or a pipe."""
    for line in text.splitlines():
        for found in re.findall(r"(?:^|\$\(|\| )tocsin ([^#|$)]*)", line.strip()):
            yield found.split()


def command_of(words: list[str]) -> click.Command:
    """The command that `words` begin with.

    Raises:
        LookupError: there is none, or it has no such option.
    """
    context = click.Context(main)
    command: click.Command = main
    for word in words:
        if isinstance(command, click.Group):
            following = command.get_command(context, word)
            if following is None:
                raise LookupError(f"no command {word!r} in {' '.join(words)!r}")
            command = following
        elif word.startswith("-") and not word.lstrip("-").isdigit():
            options = {option for parameter in command.params for option in parameter.opts}
            if word.split("=")[0] not in options:
                raise LookupError(f"no option {word!r} in {' '.join(words)!r}")
    return command


def test_the_sample_settings_load_without_a_warning() -> None:
    settings = load(CHECKOUT / "deploy/tocsin.yaml", ENVIRONMENT)
    assert settings.warnings() == []
    assert settings.rules().escalation[2].repeat_times == 4


def test_the_settings_in_the_pages_load(tmp_path: Path) -> None:
    samples = [block for page in PAGES for block in blocks(page, "yaml") if "# tocsin.yaml" in block.splitlines()[0]]
    assert samples
    for number, sample in enumerate(samples):
        path = tmp_path / f"{number}.yaml"
        path.write_text(sample, encoding="utf-8")
        assert build(load(path, ENVIRONMENT).channels())


def test_the_sample_of_alertmanager_sends_to_the_intake() -> None:
    sample = yaml.safe_load((CHECKOUT / "deploy/alertmanager.yml").read_text(encoding="utf-8"))
    receiver, beside = sample["receivers"]
    assert sample["route"]["receiver"] == sample["route"]["routes"][-1]["receiver"] == receiver["name"]
    assert sample["route"]["routes"][0]["receiver"] == beside["name"]
    assert receiver["webhook_configs"][0]["url"].endswith(":9393/api/v1/alerts")
    assert receiver["webhook_configs"][0]["send_resolved"] is True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_in_the_pages_exist(page: Path) -> None:
    for words in commands(page):
        command_of(words)


def test_the_commands_that_the_demo_offers_exist() -> None:
    offered = list(commands_in(invitation("http://127.0.0.1:9393")))
    assert len(offered) == 2
    for words in offered:
        command_of(words)


def test_the_readme_shows_most_verbs() -> None:
    shown = {words[0] for words in commands(README) if words}
    assert shown >= {"run", "incidents", "alerts", "config", "eventlog", "topics"}
    assert shown <= set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_topics_in_the_pages_exist(page: Path) -> None:
    named = set(re.findall(r"\b(?:alerts|incidents|escalations|notifications|settings)\.\w+\.v\d\b", page.read_text()))
    assert named - set(TOPICS) == set()


def test_the_handbook_names_every_topic() -> None:
    assert [name for name in TOPICS if name not in HOW.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_pages_name_exist(page: Path) -> None:
    named = re.findall(r"[`(]((?:src|deploy|schemas|tests|\.github)/[\w./-]+)[`)]", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (CHECKOUT / name).exists()] == []


def test_the_json_in_the_readme_is_json() -> None:
    for block in blocks(README, "json"):
        json.loads(block)


def test_the_examples_in_the_handbook_are_the_files_that_tests_run() -> None:
    page = (CHECKOUT / "src/tocsin/docs/subscribing.md").read_text(encoding="utf-8")
    files = [path for path in (CHECKOUT / "src/tocsin/docs/examples").iterdir() if path.is_file()]
    assert len(files) >= 5
    for path in files:
        assert f"\n{path.read_text(encoding='utf-8')}```\n" in page, f"{path.name} differs from its copy in the page"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_alerts_that_pages_send_are_taken(page: Path) -> None:
    for block in blocks(page, "sh"):
        headers = dict(re.findall(r"-H '(ce-[a-z]+): ([^']*)'", block)).items()
        for body in re.findall(r"(?:-d|echo) '\s*(\{.*?\})'", block, re.DOTALL):
            taken = take(body.encode(), format=None, headers=headers, received_at=datetime.now(UTC), seed="s")
            assert (taken.count, taken.errors) == (1, {}), body


def test_a_wrong_command_in_a_page_would_be_found() -> None:
    for words in (["incidents", "acknowledges"], ["incidents", "list", "--colour"], ["vanish"]):
        with pytest.raises(LookupError):
            command_of(words)
