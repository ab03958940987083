"""Who may answer over a phone: anybody can send a short message, so only numbers that somebody has do."""

import pytest

from tocsin.domain.errors import Reject
from tocsin.domain.rules import Rules, User
from tocsin.notify.channel import Asked
from tocsin.notify.channels.phone import SMS, VOICE, Phone
from tocsin.runtime.listening import command_of

RULES = Rules(
    users={
        "ana": User(contacts={"phone": ("+49 (151) 123-456.78",)}),
        "bob": User(contacts={"voice": ("+4940 5678",), "chat": ("+4930111",)}),
    }
)


def phone(kind: str) -> Phone:
    return Phone("ring", kind, "http://a.example/", form={"To": "{to}", "Body": "{text}"})


def asked(sender: str, *, known_only: bool = True) -> Asked:
    incident = "inc_aaabcdefghijklmnopqrst"
    return Asked(key="SM1", verb="acknowledge", incident=incident, sender=sender, known_only=known_only)


@pytest.mark.parametrize(
    ("kind", "sender", "actor"),
    [(SMS, "+4915112345678", "user:ana"), (VOICE, "+4915112345678", "user:ana"), (VOICE, "+49405678", "user:bob")],
)
def test_a_number_that_somebody_has_acts_for_them(kind: str, sender: str, actor: str) -> None:
    command = command_of(phone(kind), asked(sender), RULES)
    assert (command.actor, command.origin) == (actor, "ring")


@pytest.mark.parametrize(("kind", "sender"), [(SMS, "+49405678"), (SMS, "+4930111"), (SMS, ""), (VOICE, "user:ana")])
def test_a_number_that_nobody_has_does_nothing(kind: str, sender: str) -> None:
    with pytest.raises(Reject) as caught:
        command_of(phone(kind), asked(sender), RULES)
    assert caught.value.word == "unknown_sender"


def test_the_number_of_the_channel_itself_acts_under_its_own_name() -> None:
    assert command_of(phone(SMS), asked("+4930999", known_only=False), RULES).actor == "sms:+4930999"
