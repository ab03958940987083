"""The chapters of the handbook, as they lie in the package."""

from importlib import resources


def chapters() -> dict[str, tuple[str, str]]:
    """Name -> (title, Markdown), in order of the names."""
    folder = resources.files("tocsin") / "docs"
    found: dict[str, tuple[str, str]] = {}
    if not folder.is_dir():
        return found
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".md"):
            text = file.read_text(encoding="utf-8")
            first = next((line for line in text.splitlines() if line.startswith("# ")), f"# {file.name}")
            found[file.name.removesuffix(".md")] = (first[2:].strip(), text)
    return found
