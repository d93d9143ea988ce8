"""The axes of a sweep file: key paths and their values, one by one or moved together, as lists or ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import Any

from cimest.config.document import Entry
from cimest.config.loader import no_such_key
from cimest.config.messages import Problem, shown
from cimest.config.sections import field_at, known, unit_of
from hwlib.units import parse

RANGE = ("from", "to", "step", "number", "scale")
"""Keys of a range of values."""


@dataclass(frozen=True)
class Axis:
    """One dimension of a sweep.

    Parameters
    ----------
    name : str
        A key path of an experiment, or a free name.
    points : tuple of dict
        What each point changes: key path to entry of the sweep file.
    labels : tuple
        Coordinate of each point: a number in SI, or text.
    unit : str
        SI unit of the labels; empty for plain numbers and text.
    """

    name: str
    points: tuple[dict[str, Entry], ...]
    labels: tuple[Any, ...]
    unit: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Key paths that some of its points name."""
        return tuple(dict.fromkeys(chain.from_iterable(self.points)))


def read_changes(entry: Entry | None, section: str, problems: list[Problem]) -> dict[str, Entry]:
    """Entries of a mapping of key paths."""
    if entry is None:
        return {}
    if not isinstance(entry.value, dict):
        problems.append(Problem(entry.place, section, "is not a mapping of key paths to values"))
        return {}
    unknown = [name for name in entry.value if not known(name.split("."))]
    problems += [no_such_key(entry.value[name].key, name) for name in unknown]
    return {name: child for name, child in entry.value.items() if name not in unknown}


def read_axes(entry: Entry | None, root: Entry, problems: list[Problem]) -> tuple[Axis, ...]:
    """The axes of a sweep file."""
    if entry is None or not isinstance(entry.value, dict) or not entry.value:
        place = (entry or root).place
        problems.append(Problem(place, "axes", "is missing", "write `axes: {chip.adc.bits: [4, 6, 8]}`"))
        return ()
    found = []
    for name, child in entry.value.items():
        path = name.split(".")
        if known(path):
            values = _values(name, child, problems)
            field_ = field_at(path)
            unit = unit_of(field_) if field_ else ""
            points = tuple({name: value} for value in values)
            found.append(
                Axis(name, points, _distinct(name, child, [label_of(v, unit) for v in values], problems), unit)
            )
        elif isinstance(child.value, dict) and not set(child.value) <= set(RANGE):
            named = all(isinstance(one.value, dict) and not set(one.value) & set(RANGE) for one in child.value.values())
            found.append(_together(name, child, child.value if named else {"": child}, problems))
        else:
            problems.append(no_such_key(child.key, name))
    return tuple(found)


def _together(name: str, axis: Entry, sets: dict[str, Entry], problems: list[Problem]) -> Axis:
    """An axis whose points change several key paths at once: the sets one after the other.

    A point of a named set is called after the set and the value of its first path.
    """
    points: list[dict[str, Entry]] = []
    labels: list[str] = []
    for title, entry in sets.items():
        paths = {path: _values(path, child, problems) for path, child in read_changes(entry, name, problems).items()}
        lengths = {len(values) for values in paths.values()}
        if len(lengths) > 1:
            counts = ", ".join(f"{path} {len(values)}" for path, values in paths.items())
            problems.append(Problem(entry.place, name, f"paths that move together need equally many values: {counts}"))
        elif paths:
            new = [dict(zip(paths, values, strict=True)) for values in zip(*paths.values(), strict=True)]
            points += new
            for point in new:
                said = [f"{title or short(path)} {text_of(value)}" for path, value in point.items()]
                labels.append(said[0] if title else ", ".join(said))
    return Axis(name, tuple(points), _distinct(name, axis, labels, problems))


def _distinct(name: str, entry: Entry, labels: list[Any], problems: list[Problem]) -> tuple[Any, ...]:
    """The labels; a repeated one is a problem, since nobody could tell its points apart."""
    if repeated := [label for label in dict.fromkeys(labels) if labels.count(label) > 1]:
        problems.append(Problem(entry.place, name, f"{repeated[0]} is there more than once"))
    return tuple(labels)


def _values(path: str, entry: Entry, problems: list[Problem]) -> list[Entry]:
    """The values of a path: those of a list, of a range, or a single one."""
    if isinstance(entry.value, list):
        if not entry.value:
            problems.append(Problem(entry.place, path, "has no values"))
        return entry.value
    if not isinstance(entry.value, dict) or not set(entry.value) & {"from", "to"}:
        return [entry]
    try:
        return [Entry(value, entry.place, entry.key) for value in _range(path, entry)]
    except ValueError as error:
        problems.append(
            Problem(entry.place, path, str(error), "write {from: 3, to: 8}, with step, or number and scale")
        )
        return []


def _range(path: str, entry: Entry) -> list[float]:
    """Numbers of `{from, to, step}` or `{from, to, number, scale: linear | log}`, both ends included; SI."""
    given = entry.plain
    if unknown := set(given) - set(RANGE):
        raise ValueError(f"{min(unknown)!r} is no key of a range")
    if not {"from", "to"} <= set(given):
        raise ValueError("a range needs from and to")
    field_ = field_at(path.split("."))
    unit = unit_of(field_) if field_ else ""
    low, high = (parse(given[key], unit or "1") for key in ("from", "to"))
    if high <= low:
        raise ValueError(f"to ({shown(high)}) must be more than from ({shown(low)})")
    scale = given.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise ValueError(f"scale is linear or log, not {shown(scale)}")
    if "number" not in given:
        if scale == "log":
            raise ValueError("a range with scale: log needs the number of its values")
        step = parse(given.get("step", 1), unit or "1")
        if step <= 0 or (high - low) / step > 1e6:
            raise ValueError(f"a step of {shown(step)} does not lead from {shown(low)} to {shown(high)}")
        return [_whole(low + i * step) for i in range(math.floor((high - low) / step * (1 + 1e-9)) + 1)]
    number = given["number"]
    if not isinstance(number, int) or not 2 <= number <= 1_000_000 or "step" in given:
        raise ValueError("number is a whole number of two to a million, and excludes step")
    shares = [i / (number - 1) for i in range(number)]
    if scale == "linear":
        return [_whole(low + share * (high - low)) for share in shares]
    if low <= 0:
        raise ValueError("a range with scale: log starts above 0")
    return [_whole(low * (high / low) ** share) for share in shares]


def _whole(value: float) -> float:
    """A whole number as such, and the others to twelve digits, so that rounding does not show."""
    value = float(f"{value:.12g}")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def label_of(entry: Entry, unit: str) -> Any:
    """Coordinate of a value: a quantity in SI, else as it stands."""
    if unit and isinstance(entry.value, str):
        try:
            return parse(entry.value, unit)
        except ValueError:  # reported when the value is checked
            return entry.value
    return (
        entry.value if isinstance(entry.value, (int, float)) and not isinstance(entry.value, bool) else text_of(entry)
    )


def text_of(entry: Entry) -> str:
    """A value as text: of a mapping, its values and the keys of all but a leading name."""
    if isinstance(entry.value, dict):
        return " ".join(
            text_of(child) if key in ("name", "kind", "base") else f"{key} {text_of(child)}"
            for key, child in entry.value.items()
        )
    if isinstance(entry.value, list):
        return "-".join(text_of(item) for item in entry.value)
    plain = entry.value
    return str(plain).lower() if isinstance(plain, bool) else "none" if plain is None else f"{plain}"


def short(path: str) -> str:
    """A key path without its section `chip`."""
    return path.removeprefix("chip.")
