"""Where a channel leads, told without a secret."""

import pytest

from tocsin.api.channels import led_to

CANARY = "canary-of-a-secret"


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({"type": "console"}, ""),
        (
            {"type": "email", "host": "mx.example", "from": "a@b.example", "to": ("c@d.example",), "password": CANARY},
            "mx.example port 587 from a@b.example to c@d.example",
        ),
        (
            {"type": "webhook", "url": f"https://u:{CANARY}@hooks.example:8443/{CANARY}?k={CANARY}"},
            "https://hooks.example",
        ),
        ({"type": "webhook", "url": f"http://[::1/{CANARY}"}, ""),
        ({"type": "teams", "url": f"https://flow.example/{CANARY}"}, "https://flow.example"),
        ({"type": "slack", "token": CANARY, "channel": "C1"}, "https://slack.com channel C1"),
        ({"type": "pagerduty", "routing_key": CANARY}, "https://events.pagerduty.com"),
        (
            {"type": "servicenow", "url": "https://x.service-now.com", "username": "t", "password": CANARY},
            "https://x.service-now.com table incident",
        ),
        (
            {"type": "sms", "url": f"https://api.example/{CANARY}", "to": ["+49"], "headers": {"A": CANARY}},
            "https://api.example to +49",
        ),
    ],
)
def test_a_target_holds_no_secret(options: dict[str, object], target: str) -> None:
    found = led_to(options)
    assert CANARY not in found
    assert found == target
