"""Validates a tree of entries with a pydantic model and says each problem in plain words, with its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from cimest.config.document import Entry
from cimest.config.messages import Problem, shown
from cimest.config.sections import (
    Models,
    all_paths,
    bounds,
    choices,
    field_at,
    fields_of,
    sections_of,
    short_form,
    takes_nothing,
    takes_truth,
    unit_of,
)
from hwlib.registry import closest, suggestion
from hwlib.units import pretty

EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "text",
    "model": "a mapping of keys to values",
    "dict": "a mapping of keys to values",
    "list": "a list",
    "tuple": "a list",
    "sequence": "a list",
}
"""Start of the name of a pydantic error type to what was expected."""

COMPARED = {
    "greater_than": ("is not more than", "gt"),
    "greater_than_equal": ("is less than", "ge"),
    "less_than": ("is not less than", "lt"),
    "less_than_equal": ("is more than", "le"),
}

EXAMPLES = {
    "network": "network: lenet5",
    "dataset": "dataset: {name: mnist_subset}",
    "chip": "chip: {device: rram}",
    "chip.device": "device: rram",
}
"""What to write for a section that must be there."""


def expand(entry: Entry, models: Models, path: tuple[str, ...], problems: list[Problem]) -> Entry:
    """Write short forms out: a scalar where a section is expected becomes the section.

    Truth values where the schema has none are noted as problems, since pydantic takes `true` for 1.
    """
    short = short_form(models)
    if short and entry.value is not None and not isinstance(entry.value, (dict, list)):
        entry = Entry({short: entry}, entry.place, entry.key)
    if not isinstance(entry.value, dict):
        return entry
    fields, children = fields_of(models), {}
    for key, child in entry.value.items():
        field = fields.get(key)
        if field and (sections := sections_of(field.annotation)):
            child = expand(child, sections, (*path, key), problems)
        elif field and isinstance(child.value, bool) and not takes_truth(field):
            message = f"{shown(child.value)} is a truth value; if text is meant, put it in quotes"
            problems.append(Problem(child.place, ".".join((*path, key)), message, _allowed(field), child.value))
        children[key] = child
    return Entry(children, entry.place, entry.key)


def explain(error: ValidationError, entry: Entry, models: Models, above: tuple[str, ...] = ()) -> list[Problem]:
    """Problems of a section that did not validate.

    Parameters
    ----------
    error : pydantic.ValidationError
    entry : Entry
        What was validated. An error in a key that it lacks, and that is not missing, is left out: the value
        was inherited from another key, where it is reported.
    models : tuple of model
        Possible models of `entry`.
    above : tuple of str
        Key path of `entry`.
    """
    grouped: dict[tuple[str, ...], list[tuple[Entry, Any]]] = {}
    for details in error.errors():
        found, path, absent = _follow(entry, models, details)
        if not absent or details["type"] == "missing":
            grouped.setdefault((*path, *absent), []).append((found, details))
    return [_problem(group, path, models, above) for path, group in grouped.items()]


def _follow(entry: Entry, models: Models, details: Any) -> tuple[Entry, tuple[str, ...], tuple[str, ...]]:
    """The entry of an error, its path, and the key that the error is about if the file lacks it.

    Parts of pydantic's location that are keys neither of the file nor of the schema are its labels of the
    members of a union.
    """
    path: tuple[str, ...] = ()
    for part in details["loc"]:
        key, fields = str(part), fields_of(models)
        if isinstance(entry.value, list) and isinstance(part, int):
            entry, models, path = entry.value[part], (), (*path, key)
        elif isinstance(entry.value, dict) and key in entry.value:
            entry, path = entry.value[key], (*path, key)
            models = sections_of(fields[key].annotation) if key in fields else ()
        elif isinstance(entry.value, dict) and (key in fields or details["type"] == "extra_forbidden"):
            return entry, path, (key,)
    return entry, path, ()


def _problem(group: list[tuple[Entry, Any]], path: tuple[str, ...], models: Models, above: tuple[str, ...]) -> Problem:
    """One problem of the errors that pydantic has for one value, one for each member of a union."""
    entry, details = next((item for item in group if item[1]["type"] in COMPARED), group[0])
    field = field_at(path, models)
    kind, value = details["type"], entry.plain
    full = ".".join((*above, *path))
    place, hint = entry.place, _allowed(field) if field else ""
    if kind == "missing":
        message, hint, value = "is missing", f"write `{EXAMPLES[full]}`" if full in EXAMPLES else hint, None
    elif kind == "extra_forbidden":
        place, message, hint = entry.key, "unknown key", _other_keys(path, models, above)
    elif kind in COMPARED:
        words, name = COMPARED[kind]
        limit, unit = details["ctx"][name], unit_of(field) if field else ""
        wanted = pretty(limit, unit) if unit else f"{limit:g}"
        message = f"{value if isinstance(value, str) else shown(value)} {words} {wanted}"
    elif kind in ("value_error", "assertion_error"):
        message, hint = str(details["ctx"]["error"]), ""
    elif kind.startswith("union_tag"):
        message, hint = _unknown_member(details["ctx"], sections_of(field.annotation) if field else ())
    else:
        message = _wrong_kind(group, value, details["msg"])
        if isinstance(value, str) and field and all(item["type"] == "literal_error" for _, item in group):
            hint = suggestion(value, choices(field))
        if not hint and kind == "literal_error":
            hint = f"allowed: {details['ctx']['expected']}"
    return Problem(place, full, message, hint, value)


def _unknown_member(context: dict[str, str], members: Models) -> tuple[str, str]:
    """Message and hint where the key that tells the members of a union apart is wrong or not there."""
    key = context["discriminator"].strip("'")
    names = [name for model in members for name in choices(model.model_fields[key])]
    if "tag" not in context:
        return f"{key} is missing", f"allowed: {', '.join(names)}"
    return f"no {key} is named {context['tag']!r}", suggestion(context["tag"], names)


def _wrong_kind(group: list[tuple[Entry, Any]], value: Any, otherwise: str) -> str:
    """Message for a value of the wrong kind."""
    if all(details["type"] == "literal_error" for _, details in group):
        return f"{shown(value)} is not among the choices"
    wanted = []
    for _, details in group:
        if details["type"] == "literal_error":
            wanted.append(details["ctx"]["expected"])
        else:
            name = details["ctx"]["class"].lower() if details["type"] == "is_instance_of" else details["type"]
            wanted += [words for start, words in EXPECTED.items() if name.startswith(start)]
    if not wanted:
        return otherwise
    advice = (
        "; if text is meant, put it in quotes" if wanted == ["text"] and isinstance(value, (bool, int, float)) else ""
    )
    return f"{shown(value)} is not {' or '.join(dict.fromkeys(wanted))}{advice}"


def _allowed(field: Any) -> str:
    """Hint with the values that a field allows."""
    allowed = " or ".join(filter(None, [bounds(field), ", ".join(choices(field))]))
    if allowed and takes_nothing(field):
        allowed += ", or null"
    return f"allowed: {allowed}" if allowed else ""


def _other_keys(path: tuple[str, ...], models: Models, above: tuple[str, ...]) -> str:
    """Hint for an unknown key: where the schema has it, or the closest key of the same section."""
    *section, key = path
    here = _keys_at(section, models)
    best = " or ".join([".".join(other) for other in all_paths() if other[-1] == key and other != (*above, *path)][:3])
    if not best and (similar := closest(key, here)):
        best = ".".join((*above, *section, similar))
    return (f"did you mean {best}? " if best else "") + (f"allowed: {', '.join(here)}" if here else "it has no options")


def _keys_at(path: Iterable[str], models: Models) -> list[str]:
    for key in path:
        field = fields_of(models).get(key)
        models = sections_of(field.annotation) if field else ()
    return list(fields_of(models))
