"""How often what is made of a state beside the work is made: checkpoints, and the public incidents.

Data only. The defaults are for production; simulations and tests take small ones.
"""

from dataclasses import dataclass

__all__ = ["Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """A checkpoint is due when a restart would fold too much journal after the last one."""

    records_min: int = 20_000
    """Journal records since the last checkpoint from which on the next is due: some tenths of a second of folding."""
    part: float = 0.25
    """Or so many, as a part of the entries of the state, if that is more: writing costs as much as it has entries."""
    seconds: float = 600.0
    """After so long fewer are enough: `part_late` of the entries, at least one."""
    part_late: float = 0.02
    release_entries_max: int = 50_000
    """A larger state is not written at a clean stop: what has to end within seconds must not wait for it."""
    rest: float = 3.0
    """For each second of writing so many of not writing: the work goes first."""
    shown_within: float = 1.0
    """Seconds until a change of an incident is public: all changes of that time are one record."""
    counts_within: float = 30.0
    """Seconds until a change of nothing but counts is: an incident that is only repeated changes all the time."""
    look: float = 60.0
    """Seconds between two looks whether somebody else wrote into the public topic (PROTOCOL §7)."""

    def is_due(self, records: int, entries: int, seconds: float) -> bool:
        """Whether a checkpoint is due, `records` and `seconds` after the last, which had `entries`."""
        if records >= max(self.records_min, self.part * entries):
            return True
        return seconds >= self.seconds and records >= max(1, self.part_late * entries)
