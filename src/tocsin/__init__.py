"""tocsin: a flood of alerts in, few incidents out, and somebody answers each of them.

The stream, in its order (`topology.py` has it as data)::

    alerts.raw.v1 -> ingest -> alerts.normalized.v1 -> correlate -> incidents.events.v1
                                                        escalate  -> escalations.events.v1
                                                        notify    -> notifications.events.v1 -> channels
                                                        persist   <- every event topic

Read from the outside in: `topology.py` (what flows where), a stage's `decide.py` (what happens), `domain/`
(what the words mean), `runtime/` (how it is made safe).

Imports point one way, and a test holds them: `domain` <- `wire`, `topics` <- `stage` <- the stage packages
(`ingest`, `correlate`, `escalate`, `notify`, `persist`; never each other) <- `topology` <- `settings`,
`runtime` <- `api`, `cli`, `testing`.
"""

__version__ = "0.1.0"
