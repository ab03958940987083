"""A stateful machine: commands, alerts and time against a ten-line model of an incident's life."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from property.test_desk import ARGUMENTS
from tocsin.domain.command import VERBS
from tocsin.domain.lifecycle import AFTER, IN, LEADS_TO, OPEN, RESOLVED
from tocsin.testing.story import Desk, alert

ACKNOWLEDGING = {"acknowledge", "investigate", "mitigate", "resolve", "close"}


class Life(RuleBasedStateMachine):
    """One incident; the model is its status, whether it is answered, and how many events it has."""

    @initialize()
    def begin(self) -> None:
        self.desk = Desk()
        self.minute = 0.0
        self.desk.read(alert("a", 0))
        self.id = self.desk.incidents[0].id
        self.status, self.answered = OPEN, False

    @rule(verb=st.sampled_from(sorted(LEADS_TO)))
    def command(self, verb: str) -> None:
        outcome = self.desk.command(verb, self.id)[-1]
        if self.status is LEADS_TO[verb]:
            assert outcome.TYPE == "command.unchanged"
        elif (self.status, verb) in AFTER:
            self.status = AFTER[self.status, verb]
            self.answered = verb in ACKNOWLEDGING or (self.answered and verb != "reopen")
        else:
            assert outcome.reason == "illegal_transition"

    @rule(verb=st.sampled_from(sorted(set(IN) & set(ARGUMENTS))))
    def say(self, verb: str) -> None:
        """What people say moves nothing, and is taken exactly where the table says so."""
        outcome = self.desk.command(verb, self.id, **ARGUMENTS[verb])[-1]
        assert (outcome.reason == "illegal_transition") == (self.status not in IN[verb]), outcome
        assert outcome.verb == verb

    @precondition(lambda self: hasattr(self, "id"))
    @rule(gently=st.integers(0, 9))
    def void(self, gently: int) -> None:
        """Closed for good. Rarely, or there would be nothing else to see."""
        if gently:
            return
        assert self.desk.command("void", self.id)[-1].TYPE == "command.applied"
        assert self.desk.command("reopen", self.id)[-1].reason == "voided"
        assert self.desk.command("void", self.id)[-1].TYPE == "command.unchanged"
        assert self.desk.replayed() == self.desk.state
        self.begin()

    @rule(verb=st.sampled_from(sorted(VERBS)), number=st.integers(0, 5))
    def again(self, verb: str, number: int) -> None:
        """The same command id is carried out once, whatever it asks for."""
        first = self.desk.command("note", self.id, id=f"same-{number}", text="once")
        assert len(first) in (0, 2)
        assert self.desk.command(verb, self.id, id=f"same-{number}", **ARGUMENTS.get(verb, {})) == []

    @rule(minutes=st.integers(1, 500))
    def time_passes(self, minutes: int) -> None:
        self.minute += minutes
        for event in self.desk.until(self.minute):
            if event.TYPE == "incident.acknowledgement_expired":
                assert self.status in ("acknowledged", "investigating")
                self.status, self.answered = OPEN, False
            elif event.TYPE == "incident.closed":
                assert self.status is RESOLVED
                self.status = self.desk.state.incidents[self.id].header.status

    @rule()
    def a_repeat_comes(self) -> None:
        self.minute += 0.01
        events = self.desk.read(alert("a", self.minute, started=0))
        assert [event.TYPE for event in events] == ["journal.tallied"]

    @invariant()
    def the_incident_is_what_the_model_says(self) -> None:
        if not hasattr(self, "id"):
            return
        incident = self.desk.state.incidents.get(self.id)
        if incident is None:
            assert self.status == "closed"
            self.begin()
            return
        assert incident.header.status is self.status
        assert (incident.header.acknowledged_at is not None) == self.answered
        versions = [
            event.version
            for event in self.desk.events
            if getattr(event, "incident_id", "") == self.id and hasattr(event, "version")
        ]
        assert versions == list(range(1, incident.version + 1))

    def teardown(self) -> None:
        if hasattr(self, "id"):
            assert self.desk.replayed() == self.desk.state


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_life = Life.TestCase
