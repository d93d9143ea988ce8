"""The report as one HTML page without anything outside it: figures inline, no script, no address to load from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cimest.config.document import Entry, read_text, write_text
from cimest.report.groups import label
from cimest.report.headline import (
    accuracy,
    cost,
    count,
    duration,
    efficiency,
    lifetime,
    number,
    sample_of,
    share,
    title,
)
from cimest.report.tables import passes_of, total_energy
from cimest.report.templating import template
from hwlib.provenance import source
from hwlib.units import pretty

if TYPE_CHECKING:
    from xarray import Dataset

CAPTIONS = {
    "training": "Accuracy over the energy that it took, at the boundary of the system, an epoch taking the mean energy "
    "of all; and training loss.",
    "energy_by_pass": "Energy of one {sample} by pass and component; the percentages are of all passes.",
    "energy_by_layer": "Energy of one {sample} by layer and component, all passes, with DRAM.",
    "schedule": "One {sample} in time: layer after layer, pass after pass, by the component that takes the time.",
    "time_by_pass": "Exposed time of one {sample}; what hides behind something else does not show.",
    "area": "Area of the chip by component, in the colours of the other figures.",
}
"""Figures in the order of the page, with what each shows."""

NARROW = ("time_by_pass", "area")
"""Figures of a single column, which stand side by side."""


def percent(value: float) -> str:
    """A share, in percent with two decimal places."""
    return f"{100 * value:.2f} %"


HISTORY: dict[str, tuple[str, Callable[[Any], str]]] = {
    "epoch": ("epoch", str),
    "learning_rate": ("learning rate", number),
    "loss": ("loss", number),
    "train_accuracy": ("training accuracy", percent),
    "test_loss": ("test loss", number),
    "test_accuracy": ("test accuracy", percent),
    "pulses": ("pulses", number),
    "clipped_forward": ("clipped forward", percent),
    "clipped_backward": ("clipped backward", percent),
    "clipped_weight_gradient": ("clipped weight gradient", percent),
    "energy_j": ("energy", lambda value: pretty(value, "J")),
    "seconds": ("simulated in", duration),
}
"""Columns of the history: key to heading and how a value is written."""

Rows = list[list[str]]


def report_html(result: dict[str, Any], dataset: Dataset, drawings: dict[str, str]) -> str:
    """The page.

    Parameters
    ----------
    result : dict
        What result.json holds.
    dataset : xarray.Dataset
        What `Estimate.dataset` gives.
    drawings : dict
        Name of each figure to its SVG.
    """
    name, facts = title(result)
    merits = {merit.name: merit for merit in cost(result)}
    first = [merits.pop(key) for key in ("Energy per sample", "Latency per sample", "Area")]
    return template("report.html").render(
        title=name,
        facts=facts,
        device=result["experiment"]["chip"]["device"],
        headline=[accuracy(result), *efficiency(result), *first, lifetime(result)],
        merits=merits.values(),
        figures=[
            (key, inline(key, drawings[key]), text.format(sample=sample_of(result)), key in NARROW)
            for key, text in CAPTIONS.items()
            if key in drawings
        ],
        sample=sample_of(result),
        passes=passes(result),
        components=components(result),
        layers=layers(result, dataset),
        chip=chip(result),
        activity=activity(result),
        history=history(result),
        experiment=experiment_lines(result["experiment"], result["provenance"]["defaults"]),
        coverage=result["metrics"]["range"]["coverage"],
        calibration=calibration(result["provenance"]["calibration"]),
        provenance=result["provenance"],
        sources=[source(key) for key in result["provenance"]["sources"]],
        warnings=result["warnings"],
        absent={label(key): reason for key, reason in result["absent"].items()},
    )


def inline(name: str, svg: str) -> Markup:
    """An SVG file as a part of a page: without prologue and metadata, its identifiers made the page's only ones."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    referenced = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}_{found[1]}"' if found[1] in referenced else "", svg)
    svg = re.sub(r"(url\(|href=\")#", rf"\1#{name}_", svg)
    return Markup(svg)  # drawn by matplotlib, which escapes the text in it


def passes(result: dict[str, Any]) -> Rows:
    """Pass, dynamic energy, leakage, both, share, time, share."""
    energy, time = (result["metrics"][key] for key in ("energy_per_sample_j", "latency_per_sample_s"))
    return [
        [
            label(name),
            pretty(entry["energy_j"], "J"),
            pretty(entry["leakage_energy_j"], "J"),
            pretty(total_energy(entry), "J"),
            share(total_energy(entry), energy),
            pretty(entry["latency_s"], "s"),
            share(entry["latency_s"], time),
        ]
        for name, entry in passes_of(result).items()
    ]


def components(result: dict[str, Any]) -> Rows:
    """Component, boundary, energy, share, leakage, time, area, share; those that take the most energy first."""
    metrics = result["metrics"]
    parts = result["breakdown"]["component"]
    return [
        [
            label(name),
            parts[name]["boundary"],
            pretty(total_energy(parts[name]), "J"),
            share(total_energy(parts[name]), metrics["energy_per_sample_j"]),
            pretty(parts[name]["leakage_energy_j"], "J"),
            pretty(parts[name]["latency_s"], "s"),
            f"{number(parts[name]['area_mm2'])} mm²",
            share(parts[name]["area_mm2"], metrics["area_mm2"]),
        ]
        for name in sorted(parts, key=lambda name: -total_energy(parts[name]))
    ]


def layers(result: dict[str, Any], dataset: Dataset) -> tuple[list[str], Rows]:
    """Heading and rows of the layers: what they are, energy of each pass that they have, of all passes, and time."""
    passes, plan = list(passes_of(result)), ["arrays", "copies", "tiles"]
    whole = (dataset["energy"] + dataset["leakage_energy"]).sum("component")
    energy = whole.sel({"pass": passes}).transpose("layer", "pass").to_numpy()
    time = dataset["latency"].sum(["pass", "component"]).to_numpy()
    return ["layer", "matrix", "positions", "MACs", *plan, *map(label, passes), "energy", "time"], [
        [
            layer["name"],
            f"{layer['fan_in']} × {layer['fan_out']}",
            f"{layer['positions']:g}",
            count(layer["macs"]),
            *(f"{layer[key]:g}" for key in plan),
            *(pretty(float(value), "J") for value in (*energy[i], energy[i].sum())),
            pretty(float(time[i]), "s"),
        ]
        for i, layer in enumerate(result["network"]["layers"])
    ]


def chip(result: dict[str, Any]) -> str:
    """What the chip has, in a sentence."""
    plan, network = result["chip"], result["network"]
    used = f"{100 * plan['utilisation']:.1f} %"
    return (
        f"{count(network['weights'])} weights, {count(network['macs'])} multiply-accumulates forward. "
        f"{plan['arrays']:g} arrays in {plan['tiles']:g} tiles; {used} of the arrays hold weights."
    )


def activity(result: dict[str, Any]) -> tuple[list[str], Rows]:
    """Heading and rows of the activity that the chip has a use for, and that is not zero in all layers."""
    measured, idle = result["activity"], _unused(result["experiment"])
    names = [
        name
        for name in next(iter(measured.values()), {})
        if not name.startswith(idle) and any(entry[name] for entry in measured.values())
    ]
    return ["layer", *map(label, names)], [
        [layer, *(number(entry[key]) for key in names)] for layer, entry in measured.items()
    ]


def _unused(experiment: dict[str, Any]) -> tuple[str, ...]:
    """Starts of the names of activity that a chip has no use for."""
    chip, inferring = experiment["chip"], experiment["training"]["kind"] == "none"
    of_trains, of_rows = ("train", "transfer"), ("updated", "pulses", "longest", "rows_written")
    in_array = chip["weight_gradient"]["unit"] == "in_array"
    found: tuple[str, ...] = of_rows if in_array else of_trains
    found += ("error", "most_written", *of_rows, *of_trains, "backward") if inferring else ()
    found += ("input_power", "error_power", "forward_reads", "backward_reads") * (
        chip["periphery"]["kind"] == "bit_serial"
    )
    return found + ("write_rounds",) * (chip["write"]["verify"] == "none")


def calibration(used: dict[str, Any]) -> str:
    """Which factors stand between the physics and the figures."""
    if used["base"] == "none" and not used["given"]:
        return "none, the physics as it is"
    changed = f", with {', '.join(map(label, used['given']))} as given" if used["given"] else ""
    return f"{used['base']}{changed}: " + ", ".join(f"{label(key)} {number(x)}" for key, x in used["factors"].items())


def history(result: dict[str, Any]) -> tuple[list[str], Rows]:
    """Heading and rows of the epochs; a column that no epoch has is left out."""
    epochs = result["history"]
    columns = {key: column for key, column in HISTORY.items() if any(entry.get(key) is not None for entry in epochs)}
    rows = [
        ["–" if entry[key] is None else write(entry[key]) for key, (_, write) in columns.items()] for entry in epochs
    ]
    return [name for name, _ in columns.values()], rows


def experiment_lines(experiment: dict[str, Any], defaults: list[str]) -> list[tuple[str, bool]]:
    """The experiment's YAML line by line, each with whether all that it says is a default."""
    text = write_text(experiment)
    root, _ = read_text(text, "")
    taken = set().union(*(_lines(entry) for path in defaults if (entry := root.at(path.split(".")))))
    return [(line, i in taken | _headings(root, taken)) for i, line in enumerate(text.splitlines(), start=1)]


def _lines(entry: Entry) -> set[int | None]:
    """Lines of an entry: of its key, and of all below it."""
    below = (
        entry.value.values() if isinstance(entry.value, dict) else entry.value if isinstance(entry.value, list) else ()
    )
    return {entry.key.line, entry.place.line}.union(*map(_lines, below))


def _headings(entry: Entry, taken: set[int | None]) -> set[int | None]:
    """Lines of the sections in which every value is a default."""
    if not isinstance(entry.value, dict):
        return set()
    found = set().union(*(_headings(child, taken) for child in entry.value.values()))
    if all(_said(child) <= taken for child in entry.value.values()):
        found.add(entry.key.line)
    return found


def _said(entry: Entry) -> set[int | None]:
    """Lines of the values of an entry, without headings."""
    if isinstance(entry.value, dict) and entry.value:
        return set().union(*map(_said, entry.value.values()))
    return _lines(entry)
