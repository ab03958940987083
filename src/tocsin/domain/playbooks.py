"""The playbooks that come with tocsin, as data: six steps each, with the minutes they take and the skills they need.

A playbook of the settings with the same name replaces one of these.
"""

from collections.abc import Mapping
from typing import Final

from tocsin.domain.rules.playbook import Playbook, PlaybookStep
from tocsin.domain.severity import Severity

URGENT: Final = (Severity.EMERGENCY, Severity.CRITICAL, Severity.HIGH)
NOT_MINOR: Final = (*URGENT, Severity.MEDIUM)

_DATABASE: Final = Playbook(
    title="Database connection failure",
    description="Services cannot reach a database, or run out of connections to it.",
    estimated_duration_minutes=30,
    required_skills=("database_admin", "system_admin"),
    categories=("database",),
    severities=URGENT,
    runbook="database-failure",
    steps=(
        PlaybookStep(
            text="Check the status of the database server: is the process running, does it accept a local connection, "
            "are CPU, memory and disk within limits? A full disk or an out-of-memory kill explains most failures.",
            minutes=5,
            skills=("database_admin",),
        ),
        PlaybookStep(
            text="Check the network between the services and the database: name resolution, the port from a service's "
            "host, firewall and security-group changes of the last hours, an expired certificate.",
            minutes=5,
            skills=("system_admin",),
        ),
        PlaybookStep(
            text="Check the connection pools: connections in use against the server's limit, per service. Find "
            "sessions that are idle in a transaction or hold locks, and end those that block others.",
            minutes=5,
            skills=("database_admin",),
        ),
        PlaybookStep(
            text="Read the database's log from ten minutes before the first alert on: refused connections, failed "
            "logins, replication or recovery messages, deadlocks. Save the lines that matter as evidence.",
            minutes=5,
            skills=("database_admin",),
        ),
        PlaybookStep(
            text="If it does not recover: fail over to a healthy replica, or restart the database, then the services "
            "whose pools stay broken, one at a time. Tell the incident commander first; say what may be lost.",
            minutes=7,
            skills=("database_admin", "system_admin"),
        ),
        PlaybookStep(
            text="Check that the services answer again, then note the findings on the incident: cause, what was "
            "restarted and when, and what has to be done so that it does not come back.",
            minutes=3,
            skills=("database_admin",),
        ),
    ),
)

_ERRORS: Final = Playbook(
    title="High error rate",
    description="A service answers with far more errors than usual.",
    estimated_duration_minutes=35,
    required_skills=("service_owner", "system_admin"),
    categories=("system", "infrastructure", "authentication", "payment", "third-party"),
    severities=URGENT,
    runbook="service-down",
    steps=(
        PlaybookStep(
            text="Measure it: which service, which endpoints, which kind of error, since when, what share of the "
            "requests, which regions or customers. Set impact and severity of the incident to what you see.",
            minutes=5,
            skills=("service_owner",),
        ),
        PlaybookStep(
            text="List what changed shortly before it began: deployments, configuration, feature flags, certificates, "
            "traffic. A change within the last hour is the first suspect.",
            minutes=5,
            skills=("service_owner",),
        ),
        PlaybookStep(
            text="If a change is suspect, roll it back now and look for the reason afterwards; switch the feature "
            "flag off where that is enough.",
            minutes=10,
            skills=("service_owner",),
        ),
        PlaybookStep(
            text="Check what the service depends on: databases, queues, caches, other services, providers (their "
            "status pages). Open or link an incident where one of them is the cause.",
            minutes=5,
            skills=("system_admin",),
        ),
        PlaybookStep(
            text="Protect what still works: add capacity, shed or limit load, switch to a fallback, take broken "
            "instances out of the balancer. One measure at a time, each with a look at the error rate.",
            minutes=7,
            skills=("system_admin",),
        ),
        PlaybookStep(
            text="Watch the error rate for at least as long as it took to rise. Then note the cause and the evidence, "
            "and write follow-ups for the missing test, alert or limit.",
            minutes=3,
            skills=("service_owner",),
        ),
    ),
)

_SECURITY: Final = Playbook(
    title="Security incident",
    description="Somebody has, or may have, access that they should not have.",
    estimated_duration_minutes=60,
    required_skills=("security_engineer", "system_admin"),
    categories=("security",),
    severities=NOT_MINOR,
    runbook="login-failure",
    steps=(
        PlaybookStep(
            text="Confirm and bound it: which signals, which accounts, hosts and data, since when. Name an incident "
            "commander and speak in a private channel; an intruder may read the usual ones.",
            minutes=10,
            skills=("security_engineer",),
        ),
        PlaybookStep(
            text="Secure the evidence before anything is changed: copies of logs, disk and memory images, access "
            "records, with the time and the name of who took them. Restart and delete nothing yet.",
            minutes=10,
            skills=("security_engineer", "system_admin"),
        ),
        PlaybookStep(
            text="Contain it: disable the accounts, revoke tokens and keys, isolate the hosts from the network, block "
            "the addresses. Prefer what can be undone, and note each measure with its time.",
            minutes=10,
            skills=("security_engineer", "system_admin"),
        ),
        PlaybookStep(
            text="Find how they came in and what they reached: the first foreign action, other hosts with the same "
            "traces, data that was read or changed. Widen the containment where that shows more.",
            minutes=15,
            skills=("security_engineer",),
        ),
        PlaybookStep(
            text="Remove it: close the hole, rebuild the hosts from clean images, rotate every secret that was within "
            "reach, and bring the services back one at a time under watch.",
            minutes=10,
            skills=("system_admin",),
        ),
        PlaybookStep(
            text="Inform those who must know: management, data protection, customers, authorities; some laws give "
            "72 hours from when you knew. Record decisions, their times and reasons on the incident.",
            minutes=5,
            skills=("security_engineer",),
        ),
    ),
)

_PERFORMANCE: Final = Playbook(
    title="Performance degradation",
    description="A service works, but far more slowly than promised.",
    estimated_duration_minutes=40,
    required_skills=("performance_engineer", "system_admin"),
    categories=("performance",),
    severities=NOT_MINOR,
    runbook="slow-queries",
    steps=(
        PlaybookStep(
            text="Measure it: median and slowest requests against the usual values, which endpoints and regions, "
            "since when. Compare the traffic: is it more load, or the same load more slowly?",
            minutes=5,
            skills=("performance_engineer",),
        ),
        PlaybookStep(
            text="Find the resource that is exhausted: CPU, memory and garbage collection, disk, network, threads, "
            "connection pools, on the service and on each of its dependencies.",
            minutes=8,
            skills=("system_admin",),
        ),
        PlaybookStep(
            text="Look at the database: slow queries, missing indexes, locks, replication lag, a plan that changed. "
            "End queries that block others.",
            minutes=7,
            skills=("performance_engineer",),
        ),
        PlaybookStep(
            text="Compare with what changed: deployments, configuration, data volume, batch jobs, backups, neighbours "
            "on the same machines. Roll back, or stop what is not urgent.",
            minutes=8,
            skills=("performance_engineer", "system_admin"),
        ),
        PlaybookStep(
            text="Relieve it: add instances, raise the limit that was reached, serve from caches, limit the clients "
            "that cause most of the load. One measure at a time, each with a look at the slowest requests.",
            minutes=7,
            skills=("system_admin",),
        ),
        PlaybookStep(
            text="Watch until the times have been normal for a quarter of an hour. Note the bottleneck with its "
            "figures, and write follow-ups for capacity, index or limit.",
            minutes=5,
            skills=("performance_engineer",),
        ),
    ),
)

SHIPPED: Final[Mapping[str, Playbook]] = {
    "database-connection-failure": _DATABASE,
    "high-error-rate": _ERRORS,
    "security-incident": _SECURITY,
    "performance-degradation": _PERFORMANCE,
}
"""Name -> playbook."""
