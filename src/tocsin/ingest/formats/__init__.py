"""One file per foreign format: a document in, alerts or a precise reason out. Nothing else knows the format.

`registry` lists them; `labelled` is what webhook v4 and `/api/v2/alerts` have in common.
"""
