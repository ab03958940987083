"""Which settings documents may be written."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tocsin.domain import expiry
from tocsin.domain.rules import DOCUMENTS, KINDS, Maintenance, Rules, Team, User, documents_of
from tocsin.domain.soundness import (
    COUNT_MAX,
    MATCHERS_MAX,
    NAME_MAX,
    Reference,
    Unsound,
    channels_in,
    dangling,
    rules_after,
)

PAGE = Path(__file__).parents[3] / "src/tocsin/docs/settings.md"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def refused(rules: Rules, key: str, document: Any) -> Unsound:
    with pytest.raises(Unsound) as found:
        rules_after(rules, key, document)
    return found.value


def test_the_documents_of_the_handbook_can_be_written_in_their_order() -> None:
    samples = re.findall(r"^```yaml\n# (\S+/\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(samples) >= 5
    rules = Rules()
    for key, text in samples:
        rules = rules_after(rules, key, yaml.safe_load(text))
    assert not list(dangling(rules, targets=False))


def test_every_kind_has_a_most_and_every_document_that_is_there_passes() -> None:
    assert COUNT_MAX.keys() == KINDS.keys()
    documents = documents_of(Rules())
    assert documents.keys() == DOCUMENTS.keys()
    for key, document in documents.items():
        assert rules_after(Rules(), key, document) == Rules()


def test_what_was_missing_before_blocks_nobody() -> None:
    rules = Rules(teams={"dba": Team(members=("nobody",))})
    after = rules_after(rules, "user/ana", {"name": "Ana"})
    assert list(dangling(after, targets=False)) == [Reference("team/dba", ("user",), "nobody")]
    more = rules_after(after, "team/dba", {"members": ["nobody", "ana"]})
    assert refused(more, "team/dba", {"members": ["somebody"]}).word == "dangling"


def test_the_first_user_is_not_blamed_for_the_targets_of_the_defaults() -> None:
    rules = rules_after(Rules(), "escalate/rules", [{"escalate_to": "night_shift"}])
    rules = rules_after(rules, "user/ana", {})
    assert refused(rules, "escalate/rules", [{"escalate_to": "day_shift"}]).word == "dangling"
    rules = rules_after(rules, "escalate/rules", [{"escalate_to": "ana"}])
    assert "escalate/rules refers to" in str(refused(rules, "user/ana", None))


@pytest.mark.parametrize("name", ["ana", "a.b-c_d@e+f", "5f0c7b1e-0d3a-4a55-9c62-9a1f3c1f4a10", "x" * NAME_MAX])
def test_names_that_can_be_written(name: str) -> None:
    assert name in rules_after(Rules(), f"user/{name}", {}).users


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "-a", "ä", "a\n", "../x", "x" * (NAME_MAX + 1)])
def test_names_that_cannot(name: str) -> None:
    assert refused(Rules(), f"user/{name}", {}).word == "bad_name"


def test_more_than_the_most_is_refused_unless_there_are_more_already() -> None:
    users = {f"u{number}": User() for number in range(COUNT_MAX["user"])}
    assert refused(Rules(users=users), "user/more", {}).word == "too_many"
    file = Rules(users={**users, "more": User()})
    assert rules_after(file, "user/u1", {"name": "x"}).users["u1"].name == "x"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    silence = {"matchers": [], "starts_at": "2026-11-21T12:00:00Z", "ends_at": "2026-11-21T11:00:00Z"}
    assert len(refused(Rules(), "silence/x", silence).problems) == 2


def test_the_matchers_of_inhibitions_are_limited_by_their_side() -> None:
    most = [{"name": f"l{number}", "value": "x"} for number in range(MATCHERS_MAX)]
    rules = [{"name": f"i{number}", "source": most, "target": most} for number in range(3)]
    assert len(rules_after(Rules(), "inhibit/rules", rules).inhibitions) == 3
    wrong = refused(Rules(), "inhibit/rules", [*rules, {"name": "big", "source": most, "target": [*most, most[0]]}])
    assert wrong.problems == ["inhibit/rules: big: target: 65 matchers; at most 64 are allowed"]


@pytest.mark.parametrize(
    ("key", "document"),
    [
        ("escalate/rules", [{"escalate_to": "on_call_engineer", "escalate_after_minutes": 1e300}]),
        ("escalate/rules", [{"escalate_to": "on_call_engineer", "repeat_minutes": 1e300, "repeat_times": 1}]),
        ("sla/targets", {"critical": {"acknowledge": "P9999999D"}}),
        ("policy/x", {"levels": [{"targets": [{"kind": "management"}], "after": "P9999999D"}]}),
        ("policy/x", {"levels": [{"targets": [{"kind": "management"}], "after": "-P1D"}]}),
        ("calendar/x", {"holidays": ["9999-12-31"]}),
    ],
)
def test_what_would_leave_the_calendar_is_refused(key: str, document: Any) -> None:
    assert refused(Rules(), key, document).word == "invalid"


@pytest.mark.parametrize(
    ("key", "field"), [("user/ana", "contacts"), ("team/dba", "contacts"), ("service/shop", "vendor")]
)
@pytest.mark.parametrize(
    "address",
    ["canary", "ftp://canary/", "http://", "https://u:canary@x/", "http://canary :1/", "http://[x", "http://x:0/"],
)
def test_an_address_of_kind_webhook_is_one(key: str, field: str, address: str) -> None:
    wrong = refused(Rules(), key, {field: {"webhook": ["https://a.example/hook", address]}})
    assert wrong.word == "invalid"
    assert "contacts.webhook: address 2" in str(wrong)
    assert "canary" not in str(wrong)


def test_a_rotation_before_all_calendars_is_refused() -> None:
    layer = {"users": ["ana"], "starts_at": "0001-01-01T00:00"}
    rules = Rules(users={"ana": User()})
    assert refused(rules, "schedule/x", {"time_zone": "Asia/Tokyo", "layers": [layer]}).word == "invalid"


def test_channels_are_found_wherever_they_stand() -> None:
    document = {
        "channels": ["a"],
        "levels": [{"notification_channels": ["b"], "targets": [{"kind": "channel", "name": "c"}]}],
        "catch_all": ["d"],
        "name": "not one",
    }
    assert sorted(channels_in(document)) == ["a", "b", "c", "d"]
    assert list(channels_in({"catch_all": "everyone"})) == []


def test_what_is_long_over_expires() -> None:
    long_ago, yesterday = NOW - timedelta(days=31), NOW - timedelta(days=1)
    rules = Rules(
        maintenance={
            "old": Maintenance(ends_at=long_ago),
            "new": Maintenance(ends_at=yesterday),
            "weekly": Maintenance(),
        }
    )
    assert list(expiry.expired(rules, NOW)) == ["maintenance/old"]
