"""The console: one line a message on standard error. Always there, so that a page is never for nobody.

In: an effect. Out: a line without control characters. Invariant: a terminal that went away or does not read never
delays another channel. It does not colour: the line is for eyes, files and `grep` alike.
"""

import select
import sys
from typing import Final, TextIO

from tocsin.notify.channel import BuiltIn, Sent, Wording, Words
from tocsin.notify.message import instant_text, message_of, one_line
from tocsin.stage import Effect

LINE_MAX: Final = 1000
"""Characters: with up to four bytes each below the 4,096 bytes that a pipe takes in one piece (POSIX PIPE_BUF)."""


class Console:
    """Writes to `stream`; None = whatever standard error is at that moment."""

    kind = "console"
    in_flight_max = 1
    timeout_seconds = 1.0

    def __init__(self, name: str, stream: TextIO | None = None, wording: Wording | None = None) -> None:
        self.name = name
        self._stream = stream
        self._wording = wording or BuiltIn()

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """Print the message. Without a terminal there is nothing to try again, so that counts as delivered, and says
        so; one that exists and does not read is tried again."""
        stream = self._stream or sys.stderr
        try:
            if not _takes(stream):
                return Sent("failed", "the terminal does not read")
            words = self._wording.words(self.name, self.kind, effect.context)
            stream.write(line_of(effect, possible_duplicate=possible_duplicate, words=words) + "\n")
            stream.flush()
        except (OSError, ValueError, AttributeError) as error:  # closed, a broken pipe, or none at all
            return Sent("delivered", f"nobody reads: {type(error).__name__}")
        return Sent("delivered", "printed")

    def shown(self, effect: Effect) -> str:
        """See `Shows`."""
        words = self._wording.words(self.name, self.kind, effect.context)
        return line_of(effect, possible_duplicate=False, words=words)

    async def close(self) -> None:
        """The stream is not ours."""


def _takes(stream: TextIO) -> bool:
    """Whether a write would not block: a stopped terminal must not stop the loop."""
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return True  # no file behind it: nothing to block on, or `write` will tell
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return bool(poll.poll(0))


def line_of(effect: Effect, *, possible_duplicate: bool, words: Words | None = None) -> str:
    """`2026-11-21 12:00:00 UTC CRITICAL INC-… New incident: Disk full [shop] …`; with `words` those, on one line."""
    if words is not None:
        return _worded(effect, words, possible_duplicate)
    message = message_of(effect.context)
    facts = dict(message.facts)
    parts = [
        instant_text(effect.context.get("recorded_at", "")),
        "PAGE" if effect.page else "",
        message.severity,
        message.number,
        f"{message.headline}: {message.subject.removeprefix('[Digest] ') if message.rows else message.title}",
        f"[{facts['Service']}]" if "Service" in facts else "",
        f"alerts {facts['Alerts']}" if "Alerts" in facts else "",
        f"-> {effect.recipient}",
        f"({message.upcoming})" if message.upcoming else "",
        "(possible duplicate)" if possible_duplicate else "",
    ]
    return one_line(" ".join(part for part in parts if part), LINE_MAX)


def _worded(effect: Effect, words: Words, possible_duplicate: bool) -> str:
    parts = [
        instant_text(effect.context.get("recorded_at", "")),
        "PAGE" if effect.page else "",
        words.subject or ("" if words.body else message_of(effect.context).subject),
        words.body,
        f"-> {effect.recipient}",
        "(possible duplicate)" if possible_duplicate else "",
    ]
    return one_line(" ".join(part for part in parts if part), LINE_MAX)
