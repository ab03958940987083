"""persist: the append-only event log, and the views that are folded from it.

`sqlite.py` writes (log rows, views and position in one transaction), `chain.py` proves that nobody changed a row,
`book.py` and `views.py` fold events into tables, `rebuild.py` fills the tables again from the log alone, `queries.py`
reads them.
"""
