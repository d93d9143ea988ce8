"""What the schema says about a key path: its section, bounds, unit and meaning, and the short form of a section."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union

import annotated_types
from pydantic import BaseModel, ConfigDict, create_model
from pydantic.fields import FieldInfo

from cimest.config.chip import DeviceChoice
from cimest.config.schema import Experiment
from hwlib.devices import Device
from hwlib.units import Quantity, pretty

Models = tuple[type[BaseModel], ...]
"""Models that a mapping may have; more than one where the schema has a union."""

SHORT_FORMS = ("name", "kind", "base", "start")
"""Field that a scalar stands for where a section is expected: the section's first one of these."""


def parts_of(annotation: Any) -> Iterator[Any]:
    """Members of a union and items of `Annotated`, down to those that have no parts."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from parts_of(annotation.__origin__)
        for item in annotation.__metadata__:
            yield from item.metadata if isinstance(item, FieldInfo) else [item]
    elif origin in (Union, UnionType):
        for member in typing.get_args(annotation):
            yield from parts_of(member)
    else:
        yield annotation


def _parts(field: FieldInfo) -> list[Any]:
    return [*parts_of(field.annotation), *field.metadata]


def sections_of(annotation: Any) -> Models:
    """Models of a field; none if it is a scalar. A device is a choice with changes, or a whole record."""
    if annotation is Device:
        return DeviceChoice, Device
    return tuple(part for part in parts_of(annotation) if inspect.isclass(part) and issubclass(part, BaseModel))


def fields_of(models: Models) -> dict[str, FieldInfo]:
    """Fields of all the models."""
    return {name: field for model in reversed(models) for name, field in model.model_fields.items()}


def takes_options(models: Models) -> bool:
    """Whether a section has further keys of its own that the schema does not know."""
    return len(models) == 1 and models[0].model_config.get("extra") == "allow"


def short_form(models: Models) -> str | None:
    """The field that a scalar stands for."""
    return next((name for name in SHORT_FORMS if models and name in models[0].model_fields), None)


def field_at(path: Sequence[str], models: Models = (Experiment,)) -> FieldInfo | None:
    """The field of a key path, None if the schema has none."""
    field = None
    for key in path:
        field = fields_of(models).get(key)
        if field is None:
            return None
        models = sections_of(field.annotation)
    return field


def known(path: Sequence[str], models: Models = (Experiment,)) -> bool:
    """Whether an experiment may have this key path; a section's own options count as known."""
    for key in path:
        field = fields_of(models).get(key)
        if field is None:
            return takes_options(models)
        models = sections_of(field.annotation)
    return True


def all_paths(models: Models = (Experiment,), above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key path, sections before what they hold."""
    paths = []
    for name, field in fields_of(models).items():
        path = (*above, name)
        paths += [path, *all_paths(sections_of(field.annotation), path)]
    return paths


def takes_truth(field: FieldInfo) -> bool:
    """Whether `true` and `false` are values of the field."""
    return bool in _parts(field) or Any in _parts(field)


def takes_nothing(field: FieldInfo) -> bool:
    """Whether `null` is a value of the field."""
    return type(None) in _parts(field)


def unit_of(field: FieldInfo) -> str:
    """SI unit of a quantity; empty for a plain number."""
    for part in _parts(field):
        if isinstance(part, Quantity):
            return part.unit
    return ""


def choices(field: FieldInfo) -> list[str]:
    """The words that the field allows."""
    return [word for part in _parts(field) if typing.get_origin(part) is Literal for word in typing.get_args(part)]


def bounds(field: FieldInfo) -> str:
    """The numbers that the field allows, for people: `1 to 12`, `more than 0`, `300 to 400 K`."""
    low = high = above = below = None
    for part in _parts(field):
        low = part.ge if isinstance(part, annotated_types.Ge) else low
        high = part.le if isinstance(part, annotated_types.Le) else high
        above = part.gt if isinstance(part, annotated_types.Gt) else above
        below = part.lt if isinstance(part, annotated_types.Lt) else below
    unit = unit_of(field)
    if low is not None and high is not None:
        return f"{low} to {high} {unit}".strip()
    limits = {"{} or more": low, "more than {}": above, "{} or less": high, "less than {}": below}
    given: dict[str, Any] = {words: limit for words, limit in limits.items() if limit is not None}
    return ", ".join(words.format(pretty(limit, unit) if unit else limit) for words, limit in given.items())


def options_of(thing: Callable[..., Any]) -> list[inspect.Parameter]:
    """Options: the fields of a dataclass (a rule), or the keyword-only parameters of a function (a network)."""
    parameters = inspect.signature(thing).parameters.values()
    return [parameter for parameter in parameters if inspect.isclass(thing) or parameter.kind is parameter.KEYWORD_ONLY]


def options_model(thing: Callable[..., Any]) -> type[BaseModel]:
    """The section that holds the options of a rule or a network; see `options_of`."""
    hints = typing.get_type_hints(thing, include_extras=True)
    fields: dict[str, Any] = {}
    for option in options_of(thing):
        default = ... if option.default is option.empty else option.default
        fields[option.name] = (hints.get(option.name, Any), default)
    configuration = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, protected_namespaces=(), allow_inf_nan=False
    )
    return create_model("Options", __config__=configuration, **fields)


def read_options(thing: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a rule or a network, the defaults of those that are not given included.

    Raises
    ------
    pydantic.ValidationError
        For an unknown option, or a value that the option does not allow.
    """
    return options_model(thing).model_validate(given).model_dump(mode="json")
