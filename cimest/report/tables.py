"""Tables of a result: a summary on the console, and CSV files that sum to its totals."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cimest.report.groups import label
from cimest.report.headline import figures_of_merit, number, share, title
from hwlib.units import pretty

if TYPE_CHECKING:
    from xarray import Dataset

TOP = 6
"""Components that the console shows."""

QUANTITIES = {"count": "count", "energy": "energy_j", "leakage_energy": "leakage_energy_j", "latency": "latency_s"}
"""Variables of the estimate, and their columns in breakdown.csv."""


def print_result(result: dict[str, Any], console: Console) -> None:
    """Print what a person wants to know after a run.

    Parameters
    ----------
    result : dict
        What result.json holds.
    console : rich.console.Console
    """
    name, facts = title(result)
    console.print(Text(name, style="bold"), Text(facts, style="dim"))
    summary = Table.grid(padding=(0, 2))
    summary.add_column()
    summary.add_column(justify="right", style="bold", no_wrap=True)
    summary.add_column(style="dim")
    for merit in figures_of_merit(result):
        summary.add_row(*map(Text, merit))
    console.print(summary, "")
    console.print(Columns([_passes(result), _top_by_energy(result), _top_by_area(result)], padding=(0, 2)))
    for warning in result["warnings"]:
        console.print(Text.assemble(("warning: ", "yellow"), warning))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


def total_energy(entry: dict[str, Any]) -> float:
    """Dynamic energy and leakage of an entry of the breakdown. [J]"""
    return entry["energy_j"] + entry["leakage_energy_j"]


def passes_of(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Entries of the breakdown by pass, but for those in which nothing happens."""
    passes = result["breakdown"]["pass"]
    return {name: entry for name, entry in passes.items() if total_energy(entry) or entry["latency_s"]}


def _passes(result: dict[str, Any]) -> Table:
    whole = result["metrics"]["energy_per_sample_j"]
    table = _table("By pass", "pass", "energy", "share", "time")
    for name, entry in passes_of(result).items():
        energy = total_energy(entry)
        table.add_row(Text(label(name)), pretty(energy, "J"), share(energy, whole), pretty(entry["latency_s"], "s"))
    return table


def _top_by_energy(result: dict[str, Any]) -> Table:
    whole = result["metrics"]["energy_per_sample_j"]
    parts = result["breakdown"]["component"]
    table = _table("Most energy", "component", "energy", "share")
    for name in sorted(parts, key=lambda name: -total_energy(parts[name]))[:TOP]:
        energy = total_energy(parts[name])
        table.add_row(Text(label(name)), pretty(energy, "J"), share(energy, whole))
    return table


def _top_by_area(result: dict[str, Any]) -> Table:
    whole = result["metrics"]["area_mm2"]
    parts = result["breakdown"]["component"]
    table = _table("Most area", "component", "mm²", "share")
    for name in sorted(parts, key=lambda name: -parts[name]["area_mm2"])[:TOP]:
        area = parts[name]["area_mm2"]
        table.add_row(Text(label(name)), number(area), share(area, whole))
    return table


def write_breakdown(dataset: Dataset, path: Path) -> None:
    """Write every layer, pass and component that does or leaks something; the columns sum to the totals.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `Estimate.dataset` gives: energies [J], exposed time [s] and actions, per training sample.
    path : Path
    """
    cells = {name: dataset[name].transpose("layer", "pass", "component").to_numpy() for name in QUANTITIES}
    layers, passes, parts, boundaries = (
        dataset[name].to_numpy() for name in ("layer", "pass", "component", "boundary")
    )
    something = np.any([values != 0 for values in cells.values()], axis=0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["layer", "pass", "component", "boundary", *QUANTITIES.values()])
        for i, j, k in np.argwhere(something):
            numbers = (float(values[i, j, k]) for values in cells.values())
            writer.writerow([layers[i], passes[j], parts[k], boundaries[k], *numbers])


def write_history(history: list[dict[str, Any]], path: Path) -> None:
    """Write one row per epoch."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
