"""What messages say in the words of an installation, as data. `notify.wording` says which one applies and what it
makes; whether one is sound says `domain.template`, and the language of its texts `notify.wording_language`."""

import msgspec

from tocsin.domain.rules.condition import Matcher
from tocsin.domain.rules.notification import TEAM


class Template(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The words of some messages. An empty text leaves that part to the built-in one."""

    subject_template: str = ""
    body_template: str = ""
    channel: str = ""
    """Name or type of a channel; empty = every channel."""
    events: tuple[str, ...] = ()
    """Types of the events that it is for; empty = every event."""
    audience: str = TEAM
    when: Matcher = Matcher()
    """Of the incident that a message is about."""
