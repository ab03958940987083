"""The settings: one typed tree, read from a file and the environment.

In: `tocsin.yaml`, variables that begin with `TOCSIN_`, defaults; the environment wins over the file. Out:
`Settings`, and from it the `Rules` that are published in the log. Everything that is wrong is reported at once,
each with its place and the nearest right name. Nothing here starts anything; who holds `Settings` holds
secrets, and only `Secret.reveal` shows them.
"""

from tocsin.settings.load import load
from tocsin.settings.problem import Problem, SettingsError
from tocsin.settings.tree import Settings
from tocsin.settings.values import Secret

__all__ = ["Problem", "Secret", "Settings", "SettingsError", "load"]
