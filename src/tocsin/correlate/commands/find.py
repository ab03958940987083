"""Which incident a command means."""

from tocsin.correlate.state import State
from tocsin.domain.errors import Reject
from tocsin.domain.ids import partition_in
from tocsin.domain.incident import Incident


def incident_of(state: State, reference: str) -> Incident:
    """The incident of an id or a number; of a merged one the one that survived, as far as it is here.

    Raises:
        Reject: `merged` into one of another partition, `retired`, or `unknown_incident`.
    """
    incident = state.incidents.get(state.numbers.get(reference, reference))
    while incident is not None and incident.merged_into is not None:
        survivor = state.incidents.get(incident.merged_into)
        if survivor is None and incident.merged_into not in state.retired:
            raise Reject("merged", f"{reference} was merged into {incident.merged_into}: ask that one")
        incident = survivor
    if incident is not None:
        return incident
    if reference in state.retired:
        raise Reject("retired", f"{reference} was closed long ago and is read-only now")
    raise Reject("unknown_incident", f"there is no incident {reference!r}")


def partition_of(incident_id: str) -> int | None:
    """The partition in an incident's id; None when it is none."""
    try:
        return partition_in(incident_id)
    except ValueError:
        return None
