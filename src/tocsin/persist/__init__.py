"""persist: every event topic in; the append-only event log and its views out."""
