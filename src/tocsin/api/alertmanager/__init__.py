"""Alertmanager's API v2 over the incidents and rules of tocsin, so that amtool and what else speaks it work unchanged.

In: requests as Alertmanager's OpenAPI file has them. Out: its JSON, its statuses, its errors (a JSON text). Alerts come
in elsewhere (`api.intake`). A silence is the settings document `silence/<id>`; a receiver is a channel; a group is an
incident. Nothing is decided here: what is silenced is computed as the owner of the incident computes it.
"""

from tocsin.api.alertmanager import alerts, silences, status

routers = (silences.router, alerts.router, status.router)
