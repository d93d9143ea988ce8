"""The waterfall of a comparison: one bar for each choice that changes, from one design to the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cimest.compare import reached
from cimest.report.figures import DOUBLE, INK, save, scaled, style
from cimest.report.headline import number
from cimest.result import make_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cimest.compare import Step

TOTAL, LESS, MORE = "#332288", "#44aa99", "#cc6677"
"""Of Tol's muted scheme, like all figures."""


def waterfall(
    steps: Sequence[Step], totals: Mapping[int, str] | None = None, sample: str = "training sample"
) -> Figure:
    """Draw the steps, energy to the left and time to the right; from each total to the next in panels of their own.

    Parameters
    ----------
    steps : sequence of Step
    totals : mapping, optional
        Place of a step to the name of what is reached with it, drawn as a whole bar, the first and the last among them;
        by default those, A and B.
    sample : str
        What energy and time are of.
    """
    from matplotlib.figure import Figure

    totals = {0: "A", len(steps) - 1: "B"} if totals is None else totals
    parts = [steps[first : last + 1] for first, last in pairwise(totals)]
    heights = [max(len(part), 1) + 1.5 for part in parts]
    figure = Figure(figsize=(DOUBLE, 0.23 * (sum(heights) + 2)), layout="constrained")
    axes = figure.subplots(len(parts), 2, squeeze=False, sharey="row", height_ratios=heights)
    for panels, part, names in zip(axes, parts, pairwise(totals.values()), strict=True):
        for panel, key, unit in ((panels[0], "energy", "J"), (panels[1], "latency", "s")):
            values = [getattr(step, key) for step in part]
            factor, shown = scaled(min(values), unit)
            _bars(panel, [value * factor for value in values])
            panel.set_xlabel(f"{'Energy' if key == 'energy' else 'Time'} per {sample} ({shown})")
        choices = ["\n".join(reached(step)) for step in part[1:]]
        panels[0].set_yticks(range(len(part) + 1), [names[0], *choices, names[1]], fontsize=6.5)
        panels[0].set_ylim(len(part) + 0.6, -0.6)
    return figure


def _bars(panel: Any, values: list[float]) -> None:
    """The first and last value as whole bars, what changes between them as floating ones."""
    largest = max(values)
    for row, value in ((0, values[0]), (len(values), values[-1])):
        panel.barh(row, value, color=TOTAL, height=0.62)
        panel.text(value, row, f"  {number(value)}", va="center", fontsize=6.5, weight="bold")
    for row, (before, after) in enumerate(pairwise(values), start=1):
        change = after - before
        panel.barh(row, change, left=before, color=LESS if change <= 0 else MORE, height=0.62)
        panel.plot([before, before], [row - 1, row + 0.31], color=INK, linewidth=0.4)
        text = "0" if abs(change) < 1e-5 * largest else f"{'−' if change < 0 else '+'}{number(abs(change))}"
        panel.text(max(before, after), row, f"  {text}", va="center", fontsize=6.5)
    panel.set_xlim(0, 1.2 * largest)
    panel.tick_params(axis="y", length=0)


def write(steps: Sequence[Step], answer: dict[str, Any], out: Path, sample: str = "training sample") -> None:
    """Write compare.json and the figure in three formats; `sample` is what energy and time are of."""
    make_folder(out)
    (out / "compare.json").write_text(json.dumps(answer, indent=2, allow_nan=False) + "\n")
    with style():
        figure = waterfall(steps, sample=sample)
    for kind in ("svg", "png", "pdf"):
        (out / f"waterfall.{kind}").write_bytes(save(figure, kind))
