"""Who is on call when, and when a business is open. Pure: rules and an instant in, the answer out.

`on_call` who is on duty at an instant · `shifts` the final schedule over a stretch of time · `calendar` business
hours · `report` load and handover · `check` names that lead nowhere. Below them: `weekly` (parts of a week as real
time), `rotation` (whose turn), `duty` (layers, overrides, absences and backups of one schedule put together).
"""

from tocsin.domain.schedule.on_call import OnCall, Skipped, on_call_at
from tocsin.domain.schedule.shifts import Shift, shifts

__all__ = ["OnCall", "Shift", "Skipped", "on_call_at", "shifts"]
