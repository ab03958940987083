"""notify: plans one delivery per cause, step, recipient and channel, and keeps the ledger of what became of it."""
