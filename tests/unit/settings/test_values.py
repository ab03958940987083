"""Durations, as people write them."""

from datetime import timedelta

import pytest

from tocsin.settings.values import duration, duration_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("10m", 600), ("1h30m", 5400), ("2h", 7200), ("7d", 604800), ("1w", 604800), ("250ms", 0.25),
     ("1.5h", 5400), ("PT10M", 600), ("P1DT2H", 93600), ("P2W", 1209600), ("0s", 0)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)
    assert duration(duration_text(duration(text))) == duration(text)


@pytest.mark.parametrize("text", ["", "m", "10", "-5m", "5 parsecs", "P", "PT", "1h-5m", "1e3s", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)
