"""The HTTP side: intake, queries, commands, health, metrics, pages. One router file per noun.

In: requests. Out: records in `alerts.raw.v1` and `incidents.commands.v1`, and views of the database. `app.create`
composes it over a running node; `gate` stands before every request; `server` listens. No decision is made here, and
nothing is answered with 2xx before it is durable.
"""
