"""What a short message and a call say, and the code by which a reply names its incident.

In: a message in words, its context, links. Out: a text within a limit, for eyes or for a voice. Invariants: what the
receiver is asked to do is never cut off, the title is; no sign of typography makes a message of 160 characters one of
70 (GSM 03.38 has no ellipsis).
The code is the day of the month and the number of the incident on that day: `21-7` is INC-2026-11-21-007. So a reply is
understood by who remembers nothing, on any process, after any restart, and at midnight; a code made of the id alone
would need a search over all partitions, and a bare `7` would be another incident after midnight. It counts for a week,
so that an old message can never mean an incident of another month.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from tocsin.domain.instant import Instant
from tocsin.notify.channel import Words
from tocsin.notify.message import Message, instant_text, one_line

TEXT_MIN: Final = 160
"""Characters: what one message holds."""
TEXT_MAX: Final = 480
"""Three messages: beyond that people read the page instead, and every part costs."""
SPOKEN_MAX: Final = 600
"""Characters: under a minute of speech."""
CODE_DAYS: Final = 7
"""How long a code counts."""
CUT: Final = "..."

_NUMBER: Final = re.compile(r"INC-(\d{4})-(\d{2})-(\d{2})-(\d{3,9})")
_PLAIN: Final = str.maketrans(
    {"…": "...", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "\u00a0": " "}
)
"""Signs of typography that would make a message of 160 characters one of 70 (GSM 03.38)."""
_TIME: Final = re.compile(r"\b\d{2}:\d{2}\b")
_CODE: Final = re.compile(r"0*(\d{1,2})[-*./](\d{1,9})")


def code_of(number: str) -> str:
    """The code of an incident's number; empty when it is none."""
    found = _NUMBER.fullmatch(number)
    return f"{int(found.group(3))}-{int(found.group(4))}" if found else ""


def number_of(word: str, now: Instant) -> str:
    """The number that a word of a reply names: a number in full, or a code not older than `CODE_DAYS`; empty = none."""
    if _NUMBER.fullmatch(word.upper()):
        return word.upper()
    found = _CODE.fullmatch(word)
    if found is None:
        return ""
    day, ordinal = int(found.group(1)), int(found.group(2))
    for age in range(-1, CODE_DAYS + 1):  # tomorrow: the clock that numbers may be ahead of ours at midnight
        date = (now - timedelta(days=age)).date()
        if date.day == day and ordinal:
            return f"INC-{date.isoformat()}-{ordinal:03d}"
    return ""


def text_of(
    message: Message,
    words: Words | None,
    *,
    limit: int,
    reply: bool,
    link: str = "",
    upcoming: str = "",
    possible_duplicate: bool = False,
) -> str:
    """The short message. `reply`: somebody listens to answers; `link`: where the incident can be seen or answered;
    `upcoming`: who is called next and when, if there is room for it."""
    code = code_of(message.number) if reply and message.asks else ""
    ask = f"Reply ACK {code}" if code else ""
    if link and len(ask) + len(link) + len(" or ") <= limit // 2:
        ask = f"{ask} or {link}" if ask else link
    if words and (words.body or words.subject):
        said = one_line(words.body or words.subject, TEXT_MAX)
    elif message.rows:
        said = f"{message.subject}. {message.headline}"
    else:
        service = next((value for label, value in message.facts if label == "Service"), "")
        lead = " ".join(part for part in (message.severity, message.number) if part)
        said = ": ".join(part for part in (lead, message.headline, message.title) if part)
        said += f" [{service}]" if service else ""
    said = f"(possible duplicate) {said}" if possible_duplicate else said
    room = limit - len(ask) - len(". ")
    said = cut(said.translate(_PLAIN), room)
    if upcoming and len(said) + len(upcoming) + len(". ") <= room:
        said = _then(said, upcoming)
    return _then(said, ask) or "A message of tocsin"


def _then(first: str, second: str) -> str:
    """Two sentences."""
    if not first or not second:
        return first or second
    return f"{first}{' ' if first.endswith('.') else '. '}{second}"


def speech_of(
    message: Message,
    words: Words | None,
    *,
    reply: bool,
    upcoming: str = "",
    possible_duplicate: bool = False,
) -> str:
    """What a voice says."""
    if words and (words.body or words.subject):
        said = [one_line(words.body or words.subject, SPOKEN_MAX)]
    elif message.rows:
        said = [message.subject, message.headline]
    else:
        service = next((value for label, value in message.facts if label == "Service"), "")
        severity = (message.severity or "An").capitalize()
        said = [f"{severity} incident {message.number}".strip(), message.headline, message.title]
        said += [f"Service {service}" if service else "", upcoming]
    again = "You may have had this call before (possible duplicate). " if possible_duplicate else ""
    spoken = f"This is tocsin. {again}{cut('. '.join(part for part in said if part), SPOKEN_MAX)}."
    code = code_of(message.number) if reply and message.asks else ""
    if not code:
        return spoken
    keys = " ".join(code.replace("-", "*")).replace("*", "star")
    return f"{spoken} To acknowledge, press {keys}, then the hash key."


def next_of(step: object) -> str:
    """Who is called next, and when: `Next: lead at 12:15 UTC`. From the context of a delivery."""
    if not isinstance(step, Mapping) or not step.get("target"):
        return ""
    found = _TIME.search(instant_text(step.get("due_at")))
    return one_line(f"Next: {step['target']} at {found.group()} UTC" if found else f"Next: {step['target']}", 80)


def cut(text: str, limit: int) -> str:
    """`text` with at most `limit` characters, cut between words where one is near."""
    if len(text) <= limit:
        return text
    short = text[: max(0, limit - len(CUT))]
    blank = short.rfind(" ")
    return (short[:blank] if blank > len(short) - 20 else short).rstrip(" .,:;-") + CUT
