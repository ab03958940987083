"""Every verb with its arguments: one table, read by the API, the command line, the schema and correlate.

Which verb is possible in which status stands in `domain.lifecycle`. Empty texts count as not given, except where a verb
changes a field: there they empty it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin.domain.command.argument import LINE_MAX, LINK_MAX, WORD_MAX, Argument, Kind, check, near
from tocsin.domain.errors import Reject
from tocsin.domain.playbook import StepOutcome

ROOT_CAUSES: Final = (
    "configuration_error",
    "code_bug",
    "capacity",
    "external_dependency",
    "human_error",
    "hardware",
    "unknown",
)
AUDIENCES: Final = ("team", "management", "customers", "partners", "regulator")


class Verb(msgspec.Struct, frozen=True):
    """What a verb is for and what it takes."""

    help: str
    arguments: Mapping[str, Argument] = {}
    one_of: tuple[str, ...] = ()
    """At least one of these must be given."""
    empties: bool = False
    """An empty text empties a field."""
    internal: bool = False
    """`/api/v1/commands` does not take it: owners give it to each other, or a route of its own does."""


def _name(help: str, **more: Any) -> Argument:
    return Argument(help=help, limit=WORD_MAX, **more)


def _names(help: str, **more: Any) -> Argument:
    return Argument(Kind.TEXTS, help, WORD_MAX, **more)


def _line(help: str, **more: Any) -> Argument:
    return Argument(help=help, limit=LINE_MAX, **more)


def _link(help: str) -> Argument:
    return Argument(Kind.LINK, help, LINK_MAX)


IMPACT: Final[Mapping[str, Argument]] = {
    "level": _name("How bad, in a word of the severity matrix"),
    "users_affected": Argument(Kind.WHOLE, "How many users"),
    "customers": _names("Which customers", name="customer"),
    "systems": _names("Which systems", name="system"),
    "regions": _names("Which regions", name="region"),
    "business": _line("What it does to the business"),
    "technical": _line("What it does to the systems"),
    "revenue": Argument(Kind.NUMBER, "Lost revenue"),
    "currency": Argument(help="Of the revenue: EUR", limit=8),
    "data": _line("What it does to data: lost, wrong, seen by others"),
    "security": _line("What it does to security"),
}

_OPENING: Final[Mapping[str, Argument]] = {
    "severity": Argument(Kind.SEVERITY, "A severity, or a word of the scheme", WORD_MAX),
    "category": _name("security, performance, database, …"),
    "service": _name("What it is about"),
    "summary": Argument(help="A sentence or two"),
    "team": _name("Who answers for it"),
    "urgency": _name("How soon, in a word of the severity matrix"),
    "impact": Argument(Kind.OBJECT, "What is affected", fields=IMPACT),
    "incident_type": _name("A word of your own"),
    "server_id": _name("The server or configuration item"),
}

_PLAIN: Final[Mapping[str, Argument]] = {
    "title": Argument(help="One line"),
    **_OPENING,
    "root_cause": Argument(help="Why it happened"),
    "root_cause_category": _name("What kind of cause", words=ROOT_CAUSES),
    "resolution": Argument(help="What ended it"),
    "prevention": Argument(help="What keeps it from coming back"),
    "rca_link": _link("The document of the root-cause analysis"),
}

_UNTIL: Final[Mapping[str, Argument]] = {
    "until": Argument(Kind.INSTANT, "Until when"),
    "minutes": Argument(Kind.NUMBER, "For how long, instead of until"),
}

TABLE: Final[Mapping[str, Verb]] = {
    "acknowledge": Verb(
        "Say that somebody works on it; escalation stops",
        {"for": _name("On behalf of which target: user:ana, team:dba")},
    ),
    "investigate": Verb("Say that somebody looks into it"),
    "mitigate": Verb("Say that users are no longer affected"),
    "resolve": Verb("Say that the cause is gone"),
    "close": Verb("Close it: nothing is left to do"),
    "reopen": Verb("Open it again"),
    "void": Verb("Take it back: closed, and left out of lists; the log keeps it"),
    "assign": Verb(
        "Give it to somebody",
        {"assignee": _name("Who works on it", name="to"), "team": _name("Which team")},
        one_of=("assignee", "team"),
    ),
    "note": Verb("Write a line into the timeline", {"text": Argument(help="What to note", required=True)}),
    "declare": Verb(
        "Open an incident by hand",
        {
            "title": Argument(help="One line", required=True),
            **_OPENING,
            "correlation_id": _name("Alerts of this id belong to it"),
            "labels": Argument(Kind.LABELS, "A name with a text", name="label"),
            "links": Argument(Kind.LABELS, "A name with a URL", name="link"),
            "source": _name("Who noticed: customer report, monitoring, …"),
            "assignee": _name("Who works on it"),
        },
    ),
    "change": Verb("Say what is known of it", _PLAIN, one_of=tuple(_PLAIN), empties=True),
    "set_roles": Verb(
        "Say who does what",
        {
            "incident_commander": _name("Who decides", name="commander"),
            "technical_lead": _name("Who leads the repair"),
            "communications_manager": _name("Who speaks for us", name="communications"),
            "experts": _names("Who knows the subject", name="expert"),
        },
        one_of=("incident_commander", "technical_lead", "communications_manager", "experts"),
        empties=True,
    ),
    "link": Verb("Say that another incident is related", {"to": _name("Incident id or number", required=True)}),
    "unlink": Verb("Say that it is not related after all", {"to": _name("Incident id or number", required=True)}),
    "merge": Verb(
        "Let another incident go on with it, because it is the same",
        {"into": _name("The incident that stays", required=True)},
    ),
    "snooze": Verb("Call nobody for a while", _UNTIL, one_of=("until", "minutes")),
    "unsnooze": Verb("End a snooze: call again"),
    "watch": Verb("Watch it after the fix: what fires meanwhile opens it again", _UNTIL, one_of=("until", "minutes")),
    "end_watch": Verb("End a watch"),
    "evidence": Verb(
        "Write down what was seen", {"text": _line("What was seen", required=True), "link": _link("Where to see it")}
    ),
    "decision": Verb(
        "Write down what was decided", {"text": _line("What and why", required=True), "link": _link("Where")}
    ),
    "validation": Verb(
        "Write down how the fix was checked", {"text": _line("What was checked", required=True), "link": _link("Where")}
    ),
    "follow_up": Verb(
        "Add something to do afterwards",
        {
            "text": _line("What to do", required=True),
            "owner": _name("Who does it"),
            "due_at": Argument(Kind.INSTANT, "Until when", name="due"),
            "link": _link("Its ticket"),
        },
    ),
    "follow_up_done": Verb("Say that a follow-up is done", {"follow_up": _name("f1, f2, …", required=True)}),
    "escalate": Verb(
        "Call the next level now",
        {
            "level": Argument(Kind.WHOLE, "Which level; else the next one"),
            "target": _name("Whom; else as the policy says"),
        },
    ),
    "resend": Verb(
        "Send a message once more, whatever became of it",
        {
            "delivery": _name("Its id: ntf_…", required=True),
            "channel": _name("Over which channel it went, if it was long ago"),
            "recipient": _name("To whom it went, if it was long ago: user:ana"),
        },
    ),
    "request_update": Verb(
        "Ask those who work on it how it stands", {"text": _line("What is asked"), "audience": _name("For whom")}
    ),
    "post_update": Verb(
        "Tell people how it stands",
        {
            "text": Argument(help="What they hear", required=True),
            "audience": _name("Who hears it", words=AUDIENCES),
        },
    ),
    "test_page": Verb("Call one target, to try the way to it", {"target": _name("Whom", required=True)}, internal=True),
    "playbook_start": Verb("Begin to work through a playbook", {"playbook": _name("Its name", required=True)}),
    "playbook_step": Verb(
        "Say how a step of a playbook went",
        {
            "outcome": _name("done, skipped or failed", required=True, words=tuple(one.value for one in StepOutcome)),
            "step": Argument(Kind.WHOLE, "Its number, from 1; else the first that is left"),
            "note": _line("What was found"),
            "playbook": _name("Which one; else the one started last"),
        },
    ),
    "record_change": Verb(
        "Something was changed that may break things",
        {
            "title": _line("What was changed", required=True),
            "service": _name("Of what"),
            "at": Argument(Kind.INSTANT, "When"),
            "author": _name("Who changed it"),
            "link": _link("Where to see it"),
            "description": _line("More of it"),
            "labels": Argument(Kind.LABELS, "Names with texts"),
        },
        internal=True,
    ),
    "absorb": Verb(
        "Another partition closed an incident as the same as this one",
        {
            "absorbed": _name("Its id", required=True),
            "number": _name("Its number"),
            "title": Argument(help="Its title"),
            "severity": Argument(Kind.SEVERITY, "Its severity", WORD_MAX),
            "alerts": Argument(Kind.WHOLE, "Its alerts"),
            "firing": Argument(Kind.WHOLE, "Those of them that fire"),
        },
        internal=True,
    ),
    "release": Verb("The incident that was to go on with this one refused", internal=True),
}

VERBS: Final = tuple(verb for verb, what in TABLE.items() if not what.internal)
"""What people may ask for."""

ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    verb: tuple(what.arguments) for verb, what in TABLE.items() if what.arguments and not what.internal
}
"""Names of the arguments of each verb that takes any."""


def checked(verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`arguments` as decisions use them; what was not given is not there.

    Raises:
        Reject: `unknown_verb`, `unknown_argument`, `wrong_type`, `too_long`, `missing_<argument>`, …
    """
    what = TABLE.get(verb)
    if what is None:
        raise Reject("unknown_verb", f"{verb!r} is not a verb; known: {', '.join(VERBS)}")
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in what.arguments:
            takes = f"it takes {', '.join(what.arguments)}" if what.arguments else "it takes none"
            hint = near(name, what.arguments)
            raise Reject("unknown_argument", f"{verb} has no argument {name!r}{hint}; {takes}")
        if (one := check(name, what.arguments[name], value)) is not None:
            found[name] = one
    for name, argument in what.arguments.items():
        if argument.required and found.get(name) in (None, ""):
            raise Reject(f"missing_{name}", f"{verb} needs the argument {name!r}")
    if what.one_of and not any(name in found and (what.empties or found[name] != "") for name in what.one_of):
        few = len(what.one_of) < 4
        names = f"the argument {' or '.join(map(repr, what.one_of))}" if few else f"one of {', '.join(what.one_of)}"
        raise Reject(f"missing_{what.one_of[0]}", f"{verb} needs {names}")
    return found
