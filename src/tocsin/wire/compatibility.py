"""Whether new schemas keep what old ones promised: a sentence for each promise that is broken, none when all are kept.

In: the schemas of two versions, by their paths. Out: the breaches. What tocsin reads (alerts, commands) has to take
everything that it took. What tocsin writes may only become narrower: a reader of the old schema must be able to read
the new records. New optional fields, new kinds of records and, in what is written, new fields and new words of an
enumeration are no breach: readers pass over what they do not know. Texts for people do not matter. Pure; it knows the
parts of JSON Schema 2020-12 that `wire/schema.py` writes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

READ: Final = ("alerts/", "commands/")
"""Where the schemas lie of what others write and tocsin reads. All others describe what tocsin writes."""
IGNORED: Final = ("examples/", "asyncapi.json", "released.json")
_LOWER: Final = ("minimum", "minLength", "minItems")
_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")
_CONSTRAINTS: Final = ("anyOf", "oneOf", "allOf", "not")
_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def problems(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """What `new` breaks of what `old` promised, in order of the paths."""
    found: list[str] = []
    for path in sorted(old):
        if path.startswith(IGNORED):
            continue
        if path not in new:
            found.append(f"{path}: is gone")
            continue
        for topic in old[path].get("x-topics", ()):
            if topic not in new[path].get("x-topics", ()):
                found.append(f"{path}: is no longer in {topic}")
        comparison = _Comparison(old[path], new[path], reads=path.startswith(READ))
        found += [f"{path}: {where or 'the record'} {words}" for where, words in comparison.breaches()]
    return list(dict.fromkeys(found))


Breaches = Iterator[tuple[str, str]]
"""(path of the field, what is wrong with it)."""


class _Comparison:
    """Two versions of one schema."""

    def __init__(self, old: Schema, new: Schema, *, reads: bool) -> None:
        self._old = old
        self._new = new
        self._reads = reads
        self._seen: set[tuple[str, str]] = set()

    def breaches(self) -> Breaches:
        yield from self._of(self._old, self._new, "")

    def _of(self, old: Schema, new: Schema, where: str) -> Breaches:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if old.get("default") != new.get("default") and "default" in old:
            yield (
                where,
                f"means something else when it is absent: {old['default']!r} before, {new.get('default')!r} now",
            )
        before, now = _kinds(old, self._old), _kinds(new, self._new)
        yield from self._types(set(before), set(now), where)
        yield from self._words(old, new, where)
        for kind in before.keys() & now.keys():
            yield from self._limits(before[kind], now[kind], where)
            yield from self._objects(before[kind], now[kind], where)
            yield from self._arrays(before[kind], now[kind], where)
        for name in _CONSTRAINTS:
            if _constraint(old, name, self._old) != _constraint(new, name, self._new):
                yield where, f"has another {name}"

    def _types(self, before: set[str], now: set[str], where: str) -> Breaches:
        """An empty set takes everything."""
        inner, outer = (before, now) if self._reads else (now, before)
        if not outer:
            return
        if not inner:
            yield where, f"was any value, is now {_listed(now)}" if self._reads else "may now be any value"
        elif lost := inner - outer - ({"integer"} if "number" in outer else set()):
            yield where, f"is no longer taken as {_listed(lost)}" if self._reads else f"may now be {_listed(lost)}"

    def _words(self, old: Schema, new: Schema, where: str) -> Breaches:
        before, now = _enumerated(old), _enumerated(new)
        if before is None:
            if now is not None and self._reads:
                yield where, f"takes only {_listed(map(str, now))} now"
            return
        if now is None:
            if not self._reads:
                yield where, "may now be other words than those of the list"
            return
        if gone := [word for word in before if word not in now]:
            yield where, f"has no {_listed(map(str, gone))} any more"

    def _limits(self, old: Schema, new: Schema, where: str) -> Breaches:
        for name in (*_LOWER, *_UPPER):
            before, now = old.get(name), new.get(name)
            if before == now:
                continue
            open_end = float("-inf") if name in _LOWER else float("inf")
            rises = (open_end if now is None else now) > (open_end if before is None else before)
            tighter = rises if name in _LOWER else not rises
            if tighter is self._reads:
                yield where, f"has another {name}: {before} before, {now} now"
        for name in ("format", "pattern", "contentEncoding"):
            before, now = old.get(name), new.get(name)
            harmless = (before is None and not self._reads) or (now is None and self._reads)
            if before != now and not harmless:
                yield where, f"has another {name}: {before} before, {now} now"

    def _objects(self, old: Schema, new: Schema, where: str) -> Breaches:
        before, now = old.get("properties", {}), new.get("properties", {})
        required, requires = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            if name not in now:
                yield _field(where, name), "is gone"
            else:
                yield from self._of(before[name], now[name], _field(where, name))
        if self._reads:
            for name in sorted(requires - required):
                yield _field(where, name), "is required now"
        else:
            for name in sorted((required - requires) & set(now)):
                yield _field(where, name), "may be absent now"
        others, allowed = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if isinstance(others, Mapping) and isinstance(allowed, Mapping):
            yield from self._of(others, allowed, _field(where, "*"))
        elif others != allowed and (others is True) is self._reads:
            yield where, "takes no other fields any more" if self._reads else "may have values of other types now"

    def _arrays(self, old: Schema, new: Schema, where: str) -> Breaches:
        before, now = old.get("prefixItems", ()), new.get("prefixItems", ())
        for place, part in enumerate(before):
            if place >= len(now):
                yield f"{where}[{place}]", "is gone"
            else:
                yield from self._of(part, now[place], f"{where}[{place}]")
        items, taken = old.get("items", {}), new.get("items", {})
        if isinstance(items, Mapping) and isinstance(taken, Mapping):  # else it is False: nothing behind the places
            yield from self._of(items, taken, f"{where}[]")


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema that is meant; what stands beside a reference, such as a default, holds too."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    part: Schema = root["$defs"][reference.removeprefix("#/$defs/")]
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    return {**part, **beside}


def _typed(schema: Schema, root: Schema) -> bool:
    """Whether its alternatives are types, such as a text or null."""
    return "anyOf" in schema and all(_kinds(_resolved(part, root), root) for part in schema["anyOf"])


def _constraint(schema: Schema, name: str, root: Schema) -> Any:
    """A condition that is no choice of types."""
    return None if name == "anyOf" and _typed(schema, root) else schema.get(name)


def _kinds(schema: Schema, root: Schema) -> dict[str, Schema]:
    """Type -> the schema for values of it. Empty when every type is allowed."""
    if "type" in schema:
        types = schema["type"]
        return dict.fromkeys([types] if isinstance(types, str) else types, schema)
    words = _enumerated(schema)
    if words is not None:
        return dict.fromkeys((_TYPES[type(word)] for word in words), schema)
    found: dict[str, Schema] = {}
    if _typed(schema, root):
        for part in schema["anyOf"]:
            found |= _kinds(_resolved(part, root), root)
    return found


def _enumerated(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    words: list[Any] | None = schema.get("enum")
    return words


def _field(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
