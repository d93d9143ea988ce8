"""The waterfall of a comparison: one bar for each choice that changes, from one design to the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cimest.report.figures import DOUBLE, INK, save, style
from cimest.report.headline import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cimest.compare import Step

TOTAL, LESS, MORE = "#332288", "#44aa99", "#cc6677"
"""Of Tol's muted scheme, like all figures."""


def waterfall(steps: Sequence[Step]) -> Figure:
    """Draw the steps, energy to the left and time to the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(DOUBLE, 0.28 * (len(steps) + 4)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for panel, key, scale, unit in ((axes[0], "energy", 1e6, "µJ"), (axes[1], "latency", 1e6, "µs")):
        values = [getattr(step, key) * scale for step in steps]
        _bars(panel, values)
        panel.set_xlabel(f"{'Energy' if key == 'energy' else 'Time'} per training sample ({unit})")
    names = ["A", *(step.choice for step in steps[1:]), "B"]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    return figure


def _bars(panel: Any, values: list[float]) -> None:
    """The first and last value as whole bars, what changes between them as floating ones."""
    panel.barh(0, values[0], color=TOTAL, height=0.62)
    panel.barh(len(values), values[-1], color=TOTAL, height=0.62)
    for i, (before, after) in enumerate(pairwise(values), start=1):
        panel.barh(i, after - before, left=before, color=LESS if after <= before else MORE, height=0.62)
        panel.plot([before, before], [i - 1, i + 0.31], color=INK, linewidth=0.4)
        panel.text(
            max(before, after),
            i,
            f"  {'' if after == before else '+' if after > before else '−'}{number(abs(after - before))}",
            va="center",
        )
    for i, value in ((0, values[0]), (len(values), values[-1])):
        panel.text(value, i, f"  {number(value)}", va="center")
    panel.margins(x=0.18)
    panel.set_xlim(left=0)
    panel.tick_params(axis="y", length=0)


def write(steps: Sequence[Step], answer: dict[str, Any], out: Path) -> None:
    """Write compare.json and the figure in three formats."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "compare.json").write_text(json.dumps(answer, indent=2, allow_nan=False) + "\n")
    with style():
        figure = waterfall(steps)
    for kind in ("svg", "png", "pdf"):
        (out / f"waterfall.{kind}").write_bytes(save(figure, kind))
