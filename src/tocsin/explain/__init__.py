"""Why something happened, and what would happen: questions that are answered by the deciders themselves.

`rehearsal` lets the real stages decide over states of their own and a clock that goes where it is told; `route` and
`escalation` read the answer off the events, `why` reads the recorded ones. Pure: no log, no clock, no network.
"""
