"""What a calculation drew on: the sources it used and the ranges it left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import numpy as np
import yaml

from hwlib.registry import UnknownName


@dataclass
class Record:
    """Sources used and extrapolations made while the record was open."""

    sources: set[str] = field(default_factory=set)
    extrapolations: set[str] = field(default_factory=set)


_open: ContextVar[Record | None] = ContextVar("record", default=None)


@contextmanager
def record() -> Iterator[Record]:
    """Collect what the calculations inside the `with` block use."""
    new = Record()
    token = _open.set(new)
    try:
        yield new
    finally:
        _open.reset(token)


def uses(*keys: str) -> None:
    """Say that a result rests on these sources (keys of sources.yaml)."""
    if (current := _open.get()) is not None:
        current.sources.update(keys)


def departs(how: str) -> None:
    """Note in the open record how a result departs from its data."""
    if (current := _open.get()) is not None:
        current.extrapolations.add(how)


def check_range(what: str, value: float | np.ndarray, low: float, high: float, unit: str = "") -> None:
    """Note in the open record when `value` leaves the range for which a model's data hold."""
    if _open.get() is None:
        return
    smallest, largest = np.min(value), np.max(value)
    if smallest < low or largest > high:
        worst = smallest if smallest < low else largest
        given = f"{what} = {worst:.4g} {unit}".rstrip()
        departs(f"{given} lies outside its data ({low:g} to {high:g})")


@cache
def sources() -> dict[str, dict[str, str]]:
    """All sources: key to title, authors, year, and where it is found."""
    with resources.files("hwlib").joinpath("sources.yaml").open() as file:
        return yaml.safe_load(file)


def source(key: str) -> dict[str, str]:
    """One source by its key; raises `UnknownName` for an unknown one."""
    if key not in sources():
        raise UnknownName("source", key, sources())
    return sources()[key]


def citation(key: str) -> str:
    """One source as a line of a list of references."""
    entry = source(key)
    doi = f", doi:{entry['doi']}" if "doi" in entry else ""
    return f"{entry['authors']}, {entry['title']}, {entry['venue']}, {entry['year']}{doi}"


def bibtex(key: str) -> str:
    """One source as a BibTeX entry; the venue, of whatever kind it is, stands in `howpublished`."""
    entry = source(key)
    authors = " and ".join(entry["authors"].removesuffix(" et al.").split(", "))
    if entry["authors"].endswith(" et al."):
        authors += " and others"
    rows = {"author": authors, "title": f"{{{entry['title']}}}", "howpublished": entry["venue"], "year": entry["year"]}
    if "doi" in entry:
        rows["doi"] = entry["doi"]
    body = ",\n".join(f"  {name} = {{{_tex(value)}}}" for name, value in rows.items())
    return f"@misc{{{key},\n{body}\n}}"


def _tex(text: str) -> str:
    """Text with the characters escaped that TeX reads as commands."""
    for character in "&%#_$":
        text = text.replace(character, f"\\{character}")
    return text
