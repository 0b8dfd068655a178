"""Checks of arguments and of settings: one line says what was given and what is accepted."""

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Self

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

#: Longest value that a message shows as a whole, in characters.
MOST_SHOWN = 80


def hint(name: str, known: Iterable[str]) -> str:
    """Return what to say about an unknown name: the nearest known name, or all known names."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"accepted: {', '.join(names)}"


def validate_choice(**choices: tuple[str, Sequence[str]]) -> None:
    """Raise ValueError unless every value, given as (value, accepted values), is accepted."""
    for name, (value, accepted) in choices.items():
        if value not in accepted:
            raise ValueError(f"{name} {value!r}; accepted: {', '.join(accepted)}")


def validate_positive(**values: float) -> None:
    """Raise ValueError unless every value is more than 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} {value!r}; accepted: more than 0")


def validate_memory(needed: int, *, of: str, accepted: str) -> None:
    """Raise ValueError unless this machine has as many bytes of free memory as are needed.

    Parameters
    ----------
    needed : int >= 0
        Number of bytes.
    of : str
        What needs the memory, in the plural: "the weights".
    accepted : str
        What the user can do instead.
    """
    free = psutil.virtual_memory().available
    if needed > free:
        sizes = f"{needed / 1e9:.1f} GB and {free / 1e9:.1f} GB"
        raise ValueError(f"{of} take {sizes} are free; accepted: {accepted}")


def setting(
    default: Any,
    about: str,
    *,
    choices: Sequence[str] = (),
    words: str = "",
    **constraints: Any,
) -> Any:
    """Declare a field of a :class:`Model` with its meaning.

    Parameters
    ----------
    default : Any
        Value of a setting that is left out; ``...`` makes the setting required.
    about : str
        What the setting means, for help texts.
    choices : sequence of str
        The words that are accepted, of a text or of a tuple of texts; empty: any.
    words : str
        What the setting accepts, for messages, where the type does not say it well.
    **constraints : Any
        What :func:`pydantic.Field` takes: ``ge=0``, ``le=1``, ``min_length=1``, ...
    """
    extra: dict[str, Any] = {"choices": list(choices), "words": words}
    return Field(default, description=about, json_schema_extra=extra, **constraints)


class Model(BaseModel):
    """Settings that are checked when they are made, and cannot be changed afterwards.

    Fields are declared with a type and :func:`setting`. Values have the types of JSON and YAML:
    1e3 is accepted as a whole number, a list as a tuple, one word as a tuple of one word. Nothing
    else is converted. A fault raises `Error` with one line: the value that was given and what is
    accepted, or the known name that is nearest to an unknown one.

    To check several fields together, write a pydantic ``model_validator(mode="after")`` that
    raises ValueError; its message is used as it is.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )
    #: What a fault raises.
    Error: ClassVar[type[ValueError]] = ValueError
    #: What messages call a field.
    noun: ClassVar[str] = "setting"

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise self.Error(self._explain(error, values)) from None

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, value: Any, info: ValidationInfo) -> Any:
        """Return a value of JSON or YAML as the type of its field."""
        types_of = _types(cls.model_fields[str(info.field_name)].annotation)
        if int in types_of and isinstance(value, float) and value.is_integer():
            return int(value)
        if tuple in types_of and isinstance(value, str):
            return (value,) if value else ()
        if tuple in types_of and isinstance(value, list | tuple):
            return tuple(item for item in value if item != "")
        return value

    @field_validator("*")
    @classmethod
    def _choose(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a word that is not one of the choices of its field."""
        choices = _extra(cls.model_fields[str(info.field_name)]).get("choices")
        given = value if isinstance(value, tuple) else (value,)
        if choices and not {*given} <= {*choices, None}:
            raise PydanticCustomError("choice", "not a choice")
        return value

    def replace(self, **overrides: Any) -> Self:
        """Return a copy with other values for some fields."""
        return type(self)(**{**dict(self), **overrides})

    @classmethod
    def describe(cls) -> dict[str, str]:
        """Return the meaning of each field, and what it accepts."""
        return {
            name: f"{cls._about(name)}{_range(field)}" for name, field in cls.model_fields.items()
        }

    @classmethod
    def _about(cls, name: str) -> str:
        """Return what a field means: in the nearest class that says so."""
        fields = [kind.model_fields.get(name) for kind in cls.__mro__ if issubclass(kind, Model)]
        return next((field.description for field in fields if field and field.description), "")

    @classmethod
    def accepted(cls, name: str) -> str:
        """Return what a field accepts, in words: "a whole number [1 to 16]"."""
        field = cls.model_fields[name]
        words = _extra(field).get("words") or _words(field)
        return f"{words}{_range(field)}"

    @classmethod
    def unknown(cls, name: str) -> str:
        """Return the message about a name that is no field."""
        return f"unknown {cls.noun} {name!r}; {hint(name, cls.model_fields)}"

    @classmethod
    def _explain(cls, error: ValidationError, values: dict[str, Any]) -> str:
        """Return the first of several faults as one line."""
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] == "value_error":
            return str(fault["ctx"]["error"])
        if fault["type"] == "extra_forbidden":
            return cls.unknown(name)
        if fault["type"] == "missing":
            return f"{name} is missing; accepted: {cls.accepted(name)}"
        given = repr(values.get(name, fault["input"]))
        if len(given) > MOST_SHOWN:
            given = repr(fault["input"])  # the item of it that is at fault
        return f"{name}={given}; accepted: {cls.accepted(name)}"


def _types(annotation: Any) -> set[Any]:
    """Return the types of an annotation without its items: ``tuple[str, ...] | None``."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(_types, typing.get_args(annotation)))
    return {Literal if origin is Literal else origin or annotation}


def _extra(field: FieldInfo) -> dict[str, Any]:
    """Return what :func:`setting` noted beside a field."""
    return dict(field.json_schema_extra) if isinstance(field.json_schema_extra, dict) else {}


def _choices(field: FieldInfo) -> tuple[str, ...]:
    """Return the words that a field, or the items of a tuple, may have."""
    return tuple(_extra(field).get("choices") or _literals(field.annotation))


def _literals(annotation: Any) -> tuple[str, ...]:
    if typing.get_origin(annotation) is Literal:
        return typing.get_args(annotation)
    return next(filter(None, map(_literals, typing.get_args(annotation))), ())


def _words(field: FieldInfo) -> str:
    """Return what a field accepts, in words."""
    kinds = _types(field.annotation)
    if tuple in kinds or list in kinds:
        return "words" if _choices(field) else "names"
    if bool in kinds:
        return "true or false"
    if dict in kinds:
        return "a mapping"
    word = "a number" if float in kinds else "a whole number" if int in kinds else "a word"
    return word + (" or null" if type(None) in kinds else "")


def _range(field: FieldInfo) -> str:
    """Return the words or the range that a field accepts, in brackets."""
    if choices := _choices(field):
        return f" [{' | '.join(choices)}]"
    limits = {type(one).__name__: one for one in field.metadata}
    if "Ge" in limits and "Le" in limits:
        return f" [{limits['Ge'].ge:g} to {limits['Le'].le:g}]"
    if "Ge" in limits:
        return f" [{limits['Ge'].ge:g} or more]"
    return ""
