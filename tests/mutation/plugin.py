"""A pytest plugin that puts one mistake into one module of tocsin, in this process only.

Environment:
    TOCSIN_MUTANT=<module>:<number>  see `mutants.py`; without it nothing is changed
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parents[1]))
from mutation.mutants import modules, mutated


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, number: int) -> None:
        super().__init__(name, path)
        self._number = number

    def exec_module(self, module: ModuleType) -> None:
        source = Path(self.path).read_text(encoding="utf-8")
        exec(compile(mutated(source, self._number), self.path, "exec"), module.__dict__)  # noqa: S102


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, path: Path, number: int) -> None:
        self._name, self._path, self._number = name, path, number

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Loader(fullname, str(self._path), self._number)
        package = [str(self._path.parent)] if self._path.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=loader, submodule_search_locations=package
        )


if given := os.environ.get("TOCSIN_MUTANT"):
    wanted, _, nth = given.partition(":")
    if wanted in sys.modules:
        raise RuntimeError(f"{wanted} is imported already: the mistake would change nothing")
    sys.meta_path.insert(0, _Finder(wanted, modules()[wanted], int(nth)))
