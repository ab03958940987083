"""Looking at deliveries on the command line."""

import json
import time
from collections.abc import Callable
from typing import Any

from click.testing import Result

Run = Callable[..., Result]


def sent(run: Run) -> list[dict[str, Any]]:
    """The deliveries of an incident that has just been declared, once they have arrived."""
    done = run("incidents", "declare", "Orders are slow", "--severity", "high", "-o", "json")
    [outcome] = json.loads(done.stdout)
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        found = json.loads(run("deliveries", "list", "--incident", outcome["incident"], "-o", "json").stdout)
        if found and all(one["finished_at"] for one in found):
            return list(found)
    raise AssertionError("nothing was delivered")


def test_a_delivery_is_listed_shown_and_part_of_its_incident(run: Run) -> None:
    [one] = sent(run)
    lines = run("deliveries", "list", "--status", "delivered", "--channel", "console").stdout.splitlines()
    assert lines[0].split("\t")[:4] == ["PLANNED_AT", "CHANNEL", "RECIPIENT", "STATUS"]
    assert one["delivery_id"] in lines[1]
    text = run("deliveries", "show", one["delivery_id"]).stdout
    assert "Orders are slow" in text
    assert text.splitlines()[-1].split("\t")[:3:2] == ["1", "delivered"]
    incident = run("incidents", "show", one["incident_id"]).stdout
    assert "Calls" in incident
    assert "channel:console" in incident
    assert run("deliveries", "list", "-o", "name").stdout.split()[0].startswith("ntf_")


def test_what_is_not_there_has_the_exit_code_of_that(run: Run) -> None:
    assert run("deliveries", "show", "ntf_nobody").exit_code == 3
    assert run("deliveries", "resend", "ntf_nobody").exit_code == 3
    refused = run("deliveries", "list", "--status", "gaveup")
    assert refused.exit_code == 2
    assert "did you mean 'gave_up'?" in refused.stderr


def test_nothing_given_up_is_nothing_to_requeue(run: Run) -> None:
    done = run("deliveries", "requeue", "--channel", "no-such-channel")
    assert (done.exit_code, done.stderr.strip()) == (0, "0 asked for")
