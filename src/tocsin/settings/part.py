"""What all branches of the tree have in common, and how a path through the tree finds its branch."""

from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict

from tocsin.settings.source import Path

T = TypeVar("T", bound=msgspec.Struct)


class Part(BaseModel):
    """A branch of the settings. Unknown fields are refused; values do not change; errors do not repeat the input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)

    @classmethod
    def words(cls) -> list[str]:
        """The field names as they are written in the file."""
        return [field.alias or name for name, field in cls.model_fields.items()]


def struct_of(kind: type[T], part: Part) -> T:
    """The domain struct with the same field names as `part`."""
    return kind(**{name: getattr(part, name) for name in type(part).model_fields})


def part_at(kind: Any, path: Path) -> type[Part] | None:
    """The branch that stands at `path` below the annotation `kind`.

    Union tags in the path (`console`, `email`: pydantic puts them between name and field) choose the branch.
    """
    origin = get_origin(kind)
    if origin is Annotated:
        return part_at(get_args(kind)[0], path)
    if origin in (Union, UnionType):
        choices = [choice for choice in get_args(kind) if choice is not NoneType]
        tagged = [choice for choice in choices if path and _tag(choice) == path[0]]
        return part_at(tagged[0], path[1:]) if tagged else part_at(choices[0], path) if len(choices) == 1 else None
    if origin in (dict, tuple, list):
        arguments = get_args(kind)
        return part_at(arguments[1] if origin is dict else arguments[0], path[1:]) if path else None
    if not (isinstance(kind, type) and issubclass(kind, Part)):
        return None
    if not path:
        return kind
    for name, field in kind.model_fields.items():
        if path[0] == (field.alias or name):
            return part_at(field.annotation, path[1:])
    return None


def _tag(kind: Any) -> str:
    field = kind.model_fields.get("type") if isinstance(kind, type) and issubclass(kind, Part) else None
    return str(get_args(field.annotation)[0]) if field else ""
