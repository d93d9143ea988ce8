"""`cimest list` and `cimest show`: what there is to choose from, and what is known about one choice."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cimest.cli.common import console, json_option, print_json

if TYPE_CHECKING:
    from hwlib.registry import Registry


class Catalogue(NamedTuple):
    """Names of one kind of thing, and the description of one: `title`, `fields` and further lists or text.

    `lacks` are fields that a chip of it may need and nobody has published.
    """

    names: Callable[[], list[str]]
    describe: Callable[[str], dict[str, Any]]


def _parameters(thing: Callable[..., Any]) -> list[dict[str, Any]]:
    """Name, default, `required` where there is none, and meaning of each option."""
    from cimest.config.sections import options_of

    meanings = _meanings(thing)
    return [
        {
            "name": option.name,
            "value": "required" if option.default is option.empty else option.default,
            **meanings.get(option.name, {}),
        }
        for option in options_of(thing)
    ]


def _meanings(thing: Callable[..., Any]) -> dict[str, dict[str, str]]:
    """Meaning, and unit where there is one, of each parameter that a docstring names; of a class, its bases' too."""
    found: dict[str, str] = {}
    for part in reversed(inspect.getmro(thing)) if inspect.isclass(thing) else [thing]:
        found |= _documented(part)[1]
    ending = re.compile(r" ?\[(.+)\]$")
    units = {name: match[1] for name, meaning in found.items() if (match := ending.search(meaning))}
    return {
        name: {"meaning": ending.sub("", meaning), **({"unit": units[name]} if name in units else {})}
        for name, meaning in found.items()
    }


def _documented(thing: Any) -> tuple[str, dict[str, str]]:
    """What a docstring says before its sections, and what the section of parameters says of each."""
    text, *sections = re.split(r"^(\w+)\n-+\n", inspect.cleandoc(thing.__doc__ or ""), flags=re.MULTILINE)
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in dict(zip(sections[::2], sections[1::2], strict=True)).get("Parameters", "").splitlines():
        if line.startswith(" "):
            meanings |= {name: f"{meanings[name]} {line.strip()}".strip() for name in names}
        else:
            names = line.partition(" : ")[0].split(", ") if line else []
            meanings |= dict.fromkeys(names, "")
    return text.strip(), meanings


def _callable(registry: Registry[Any]) -> Catalogue:
    """Catalogue of classes or functions that describe themselves."""

    def describe(name: str) -> dict[str, Any]:
        thing = registry.get(name)
        title, _, rest = _documented(thing)[0].partition("\n")
        return {"name": name, "title": title, "fields": _parameters(thing), "text": rest.strip()}

    return Catalogue(registry.names, describe)


def _components() -> Catalogue:
    from hwlib.components import COMPONENTS

    catalogue = _callable(COMPONENTS)

    def describe(name: str) -> dict[str, Any]:
        return {**catalogue.describe(name), "actions": list(COMPONENTS.get(name).actions())}

    return Catalogue(catalogue.names, describe)


def _networks() -> Catalogue:
    from cimest.network import NETWORKS

    return _callable(NETWORKS)


def _rules() -> Catalogue:
    from cimest.rules import RULES

    return _callable(RULES)


def _datasets() -> Catalogue:
    from cimest.datasets import DATASETS

    def describe(name: str) -> dict[str, Any]:
        data = DATASETS.get(name)
        title, _, rest = _documented(type(data))[0].partition("\n")
        facts = {"shape": list(data.shape), "classes": data.classes, "train": data.train, "test": data.test}
        options = _parameters(type(data))
        known = {option["name"] for option in options}
        fields = [{"name": fact, "value": value} for fact, value in facts.items() if fact not in known] + options
        return {"name": name, "title": title, "fields": fields, "text": rest.strip()}

    return Catalogue(DATASETS.names, describe)


def _devices() -> Catalogue:
    from cimest.config.sections import unit_of
    from hwlib.devices import device_names, load_device

    def describe(name: str) -> dict[str, Any]:
        device = load_device(name)
        values = device.model_dump(mode="json", exclude={"name", "description", "sources"})
        models = type(device).model_fields
        fields = [
            {
                "name": key,
                "value": value,
                "unit": unit_of(models[key]),
                "meaning": models[key].description,
                "source": device.sources.get(key),
            }
            for key, value in values.items()
        ]
        return {
            "name": device.name,
            "title": device.description,
            "fields": fields,
            "lacks": device.lacking,
            "sources": sorted(set(device.sources.values())),
        }

    return Catalogue(device_names, describe)


def _technologies() -> Catalogue:
    from dataclasses import asdict

    from hwlib import provenance
    from hwlib.technology import Technology, load_technology, technology_names
    from hwlib.units import pretty

    def describe(name: str) -> dict[str, Any]:
        with provenance.record() as record:
            technology = load_technology(name)
        meanings, (text, _) = _meanings(Technology), _documented(Technology)
        shape = "fin" if technology.finfet else "planar"
        title = (
            f"{pretty(technology.node, 'm')}, {shape} transistors, supply {technology.vdd:g} V ({technology.roadmap})"
        )
        fields = [{"name": key, "value": value, **meanings[key]} for key, value in asdict(technology).items()]
        rest = text.partition("\n")[2].strip()
        return {"name": name, "title": title, "fields": fields, "sources": sorted(record.sources), "text": rest}

    return Catalogue(technology_names, describe)


KINDS: dict[str, Callable[[], Catalogue]] = {
    "components": _components,
    "devices": _devices,
    "technologies": _technologies,
    "networks": _networks,
    "rules": _rules,
    "datasets": _datasets,
}

kind_argument = click.argument("kind", type=click.Choice(list(KINDS)))


@click.command()
@kind_argument
@json_option
def list_names(kind: str, as_json: bool) -> None:
    """List all names of one KIND of thing."""
    catalogue = KINDS[kind]()
    if as_json:
        print_json(catalogue.names())
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name in catalogue.names():
        described = catalogue.describe(name)
        lacks = described.get("lacks")
        table.add_row(name, described["title"], f"[dim]lacks {', '.join(lacks)}[/dim]" if lacks else "")
    console().print(table)


@click.command()
@kind_argument
@click.argument("name")
@json_option
def show(kind: str, name: str, as_json: bool) -> None:
    """Show what is known about NAME of a KIND: parameters, units, sources."""
    description = KINDS[kind]().describe(name)
    if as_json:
        from cimest.result import plain

        print_json(plain(description))
    else:
        _print_description(description)


def _print_description(description: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from hwlib import provenance

    out = console()
    out.print(f"[bold]{description['name']}[/bold]  {escape(description['title'])}\n")
    columns = list(dict.fromkeys(key for field in description["fields"] for key in field if key != "unit"))
    table = Table(*columns, box=None)
    for field in description["fields"]:
        table.add_row(*(escape(_text(key, field)) for key in columns))
    out.print(table)
    if actions := description.get("actions"):
        out.print(f"\nactions: {', '.join(actions)}")
    if text := description.get("text"):
        out.print(f"\n{text}", markup=False)
    for key in description.get("sources", []):
        source = provenance.source(key)
        out.print(f"\n{key}: {source['authors']}, {source['title']}, {source['venue']}, {source['year']}", markup=False)


def _text(column: str, field: dict[str, Any]) -> str:
    """A cell of the table of fields; a quantity is shown with the prefix that suits it."""
    from hwlib.units import pretty

    value, unit = field.get(column), field.get("unit", "")
    if value == "required" and unit:
        return f"required [{unit}]"
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {part:g}" if isinstance(part, float) else f"{key} {part}" for key, part in value.items()
        )
    if isinstance(value, float):
        return pretty(value, unit) if unit not in ("", "1") else f"{value:g}"
    return "" if value is None else str(value)
