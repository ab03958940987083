"""escalate: incident events and time in, escalation and SLA events out."""
