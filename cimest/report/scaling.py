"""How five circuits scale from node to node: energy, delay, area and leakage, to be looked at for kinks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cimest.report.figures import DOUBLE, MM, save, style
from cimest.report.groups import label
from cimest.result import make_folder
from hwlib.scaling import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#332288", "#cc6677", "#ddcc77", "#44aa99", "#aa4499")
"""Of Tol's muted scheme."""

QUANTITIES = {"energy": ("J", 1.0), "delay": ("s", 1.0), "area": ("µm²", 1e12), "leakage": ("W", 1.0)}
"""Columns of the table with the unit that is shown, and what makes it of the SI unit."""


def scaling() -> Figure:
    """Both roadmaps, each quantity over the node."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, FuncFormatter

    figure = Figure(figsize=(DOUBLE, 108 * MM), layout="constrained")
    panels = figure.subplots(2, len(QUANTITIES), sharex=True)
    for line, roadmap in zip(panels, ("lstp", "hp"), strict=True):
        rows = table(roadmap)
        circuits = dict.fromkeys(row["circuit"] for row in rows)
        for axes, (key, (unit, factor)) in zip(line, QUANTITIES.items(), strict=True):
            for circuit, colour in zip(circuits, COLOURS, strict=True):
                chosen = [row for row in rows if row["circuit"] == circuit]
                nodes = [float(row["node"]) * 1e9 for row in chosen]
                values = [dict(row)[key] * factor for row in chosen]  # type: ignore[operator]
                axes.loglog(nodes, values, "o-", color=colour, label=label(str(circuit)))
            axes.set_title(f"{key.capitalize()}, {roadmap.upper()}")
            axes.yaxis.set_major_formatter(
                EngFormatter(unit) if factor == 1 else FuncFormatter(lambda value, _: f"{value:g} µm²")
            )
            axes.grid(visible=True)
            axes.set_xticks([7, 14, 32, 65, 130], ["7", "14", "32", "65", "130"])
            axes.minorticks_off()
    for axes in panels[-1]:
        axes.set_xlabel("Node (nm)")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(COLOURS))
    return figure


def write(out: Path) -> None:
    """Write the figure in three formats."""
    make_folder(out)
    with style():
        figure = scaling()
    for kind in ("svg", "png", "pdf"):
        (out / f"scaling.{kind}").write_bytes(save(figure, kind))
