"""Read settings out of a text, and say what is wrong with them."""

from pathlib import Path

import pytest

from tocsin.settings import Settings, SettingsError, load


def problems_of(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path = tmp_path / "tocsin.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(path, environ or {})
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem).removeprefix(f"{path}:").replace(f"{path}: ", ": ") for problem in caught.value.problems]


def settings_of(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "tocsin.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ or {})
