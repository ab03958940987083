"""Commands in, incident events and outcomes out.

`decide.py` answers a command: it checks the arguments by the table (`domain.command`), finds the incident, asks the
lifecycle table and hands on to one function per verb: `status.py` (what moves along the table), `declare.py`,
`change.py` (what is known of it, roles), `record.py` (notes, evidence, follow-ups, words to people), `playbook.py`,
`quiet.py` (snooze, watch), `together.py` (links and merges).

Invariant: a function of a verb raises before its first event or not at all.
"""

from tocsin.correlate.commands.decide import on_command
from tocsin.correlate.commands.status import acknowledge_by_alert

__all__ = ["acknowledge_by_alert", "on_command"]
