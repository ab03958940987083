"""The embedded log: the broker port over one SQLite file and one process, durable, without any server.

`broker` is the port; `writer` is the one thread that writes, in groups; `storage` is the file; `lock` keeps a
second process out; `tail` is the newest part of a partition in memory; `waiters` are those who wait for more.
"""
