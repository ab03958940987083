"""A header stays within 4 KB, whatever the texts are made of."""

import msgspec
import pytest

from tocsin.domain.header import HEADER_BYTES_MAX
from tocsin.testing.story import Desk


@pytest.mark.parametrize("letter", ["a", "é", "\u4e8b", "\U0001f6a8", '"', "\x01"])
def test_a_header_fits_whatever_the_texts_are_made_of(letter: str) -> None:
    desk = Desk()
    labels = {f"{letter}{number}": letter * 200 for number in range(40)}
    desk.command("declare", title=letter * 400, summary=letter * 4000, service=letter * 120, labels=labels)
    header = desk.incidents[0].header
    assert len(msgspec.json.encode(header)) <= HEADER_BYTES_MAX
    assert header.title.startswith(letter)
