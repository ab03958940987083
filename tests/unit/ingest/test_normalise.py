"""What identifies an alert, and which partition it goes to for ever."""

import pytest

from tocsin.domain.rules import IngestRules, Rules
from unit.ingest.bodies import api_v2_alert, labels, native, row_of, trigger, webhook, webhook_alert


def rules(*partition_by: str, ignore_labels: tuple[str, ...] = ("replica",)) -> Rules:
    return Rules(ingest=IngestRules(partition_by=partition_by, ignore_labels=ignore_labels))


def key(given: dict[str, str], own: Rules | None = None) -> str:
    return row_of(webhook(webhook_alert(labels=given)), rules=own)[0].partition_key


def fingerprint(given: dict[str, str], own: Rules | None = None) -> str:
    return row_of(webhook(webhook_alert(labels=given)), rules=own)[0].fingerprint


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"correlation_id": "c", "service": "s"}, "correlation:c"),
        ({"cluster": "e", "service": "s", "job": "j"}, "service:e/s"),
        ({"service": "s"}, "service:/s"),
        ({"cluster": "e", "namespace": "n", "job": "j", "alertname": "A"}, "job:e/n/j"),
        ({"job": "j"}, "job://j"),
        ({"alertname": "A", "app": "a", "cluster": "e"}, "alertname:A"),
        ({"x": "y"}, "title:x=y"),
    ],
)
def test_the_partition_key(given: dict[str, str], expected: str) -> None:
    if expected.startswith("title"):
        alert = webhook_alert(labels=given, annotations={})
        assert row_of(webhook(alert))[0].partition_key == expected
    else:
        assert key(given) == expected


def test_different_places_are_different_keys() -> None:
    assert key({"cluster": "a/b", "service": "c"}) == "service:a%2Fb/c"
    assert key({"cluster": "a", "service": "b/c"}) == "service:a/b%2Fc"
    assert key({"cluster": "a%2Fb", "service": "c"}) == "service:a%252Fb/c"


def test_a_long_key_is_bounded_and_still_its_own() -> None:
    keys = {key({"service": "s" * 4000 + end}) for end in "ab"}
    assert len(keys) == 2
    assert {len(found) for found in keys} == {512}


@pytest.mark.parametrize(
    ("partition_by", "expected"),
    [
        (("region",), "by:north"),
        (("region", "absent"), "by:north/"),
        (("absent",), "service:eu-1/checkout"),
        (("service", "region"), "by:checkout/north"),
        (("correlation_id", "title"), "by:/p99 over 2 s"),
    ],
)
def test_own_labels_choose_the_partition(partition_by: tuple[str, ...], expected: str) -> None:
    assert key(labels(region="north"), rules(*partition_by)) == expected


def test_the_key_is_the_same_for_firing_and_resolved() -> None:
    for given in ({"alertname": "A"}, {"job": "j"}, labels()):
        alerts = (webhook_alert(labels=given), webhook_alert(labels=given, status="resolved"))
        assert len({row_of(webhook(alert))[0].partition_key for alert in alerts}) == 1


def test_order_and_ignored_and_empty_labels_do_not_identify() -> None:
    given = labels()
    same = [given, dict(reversed(given.items())), labels(replica="a"), labels(replica="b"), labels(empty="")]
    assert len({fingerprint(one) for one in same}) == 1
    assert fingerprint(labels(other="x")) != fingerprint(given)


def test_what_is_ignored_is_a_rule() -> None:
    own = rules(ignore_labels=("instance",))
    assert fingerprint(labels(instance="a"), own) == fingerprint(labels(instance="b"), own)
    assert fingerprint(labels(replica="a"), own) != fingerprint(labels(replica="b"), own)


def test_the_same_labels_are_the_same_alert_whoever_sends_them() -> None:
    given = labels()
    documents = [webhook(webhook_alert(labels=given)), [api_v2_alert(labels=given)], {"labels": given}]
    assert len({row_of(document)[0].fingerprint for document in documents}) == 1


def test_a_key_is_no_label_and_no_key_of_another_format() -> None:
    prints = [
        row_of(native(key="k"))[0].fingerprint,
        row_of({"labels": {"key": "k", "alertname": "x"}})[0].fingerprint,
        row_of(trigger(dedup_key="k"))[0].fingerprint,
    ]
    assert len(set(prints)) == 3


def test_fingerprints_stay_what_they_were() -> None:
    """They are in the log: another value is another alert."""
    assert fingerprint({"alertname": "X", "job": "j"}) == "69ff717a61cd4b68d848eaa1cba9f775"
    assert row_of(native(key="k"))[0].fingerprint == "b77769b96af1d2f8786b375c041649fa"
    assert row_of(trigger())[0].fingerprint == "8acce1b0447bf6929e3885e1a309323e"
