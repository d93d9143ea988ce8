"""Figures of a sweep that take a design apart: ADC precision, roofline, breakdown, sensitivities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.explore.axes import short
from cimest.explore.figures import (
    COLOURS,
    DRAWN,
    MARKERS,
    PALE,
    axes_of,
    best_row,
    figure_of,
    influence,
    known_axis,
    scale_log,
    tick_unit,
    title_of,
    value_of,
)
from cimest.report.figures import DOUBLE, INK, MM, SINGLE, SOFT
from cimest.report.groups import GROUPS
from hwlib.components.dram import Dram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

PASSES = {
    "chip.adc.bits": "forward",
    "chip.backward_adc.bits": "backward",
    "chip.weight_gradient.adc_bits": "weight gradient",
}
"""Precision of the converters of each pass."""


def precision(frame: DataFrame, summary: dict[str, Any]) -> Figure | None:
    """Accuracy, energy and area over the bits of each pass's ADC, the others at the most bits; one column of panels for
    each value of the other axis that matters most. None if the sweep moves no ADC's bits."""
    from matplotlib.ticker import MaxNLocator

    paths = [path for path in PASSES if path in frame and frame[path].nunique() > 1]
    if not paths:
        return None
    most = {path: frame[path].max() for path in paths}
    moved = {
        name for name in axes_of(summary) if name in paths or any(p in _paths(name, frame, summary) for p in paths)
    }
    others = [name for name in influence(summary) if name not in moved]
    across = next((name for name in others if 2 <= frame[name].nunique() <= 4), None)
    best = frame.loc[best_row(frame, summary)]
    for name in others:
        if name != across:
            frame = frame[frame[name] == best[name]]
    panels = list(dict.fromkeys(frame[across])) if across else [None]
    metrics = [m for m in ("accuracy", "energy_system_j", "area_mm2") if m in frame and frame[m].notna().any()]
    width = DOUBLE if len(panels) > 1 else SINGLE
    figure, grid = figure_of(
        width, 45 * MM * len(metrics) + 10 * MM, len(metrics), len(panels), sharex=True, sharey="row"
    )
    for column, value in enumerate(panels):
        part = frame if value is None else frame[frame[across] == value]
        for row, metric in enumerate(metrics):
            axes = grid[row, column]
            _curves(axes, part, metric, paths, most)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid()
            if row == 0 and across:
                axes.set_title(f"{short(across)} {value_of(across, value, summary)}")
            if row == len(metrics) - 1:
                axes.set_xlabel("Bits of the ADC")
            if column == 0:
                axes.set_ylabel(title_of(metric))
            tick_unit(axes, "y", metric)
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5)
    return figure


def _paths(name: str, frame: DataFrame, summary: dict[str, Any]) -> list[str]:
    """Key paths that move together along an axis with a free name: those that are constant for each of its labels."""
    return [
        path for path in PASSES if path in frame and name != path and frame.groupby(name)[path].nunique().max() == 1
    ]


def _curves(axes: Axes, frame: DataFrame, metric: str, paths: list[str], most: dict[str, Any]) -> None:
    """A curve for each pass alone, and one for all at once, with the spread over the repeats."""
    bits = {path: frame[path].to_numpy() for path in paths}
    full = {path: bits[path] == most[path] for path in paths}
    every = np.all([bits[path] == bits[paths[0]] for path in paths], axis=0)
    curves = {
        PASSES[path]: (
            path,
            np.all([full[other] for other in paths if other != path] or [np.ones(len(frame), bool)], axis=0),
        )
        for path in paths
    }
    if len(paths) > 1:
        curves["all"] = (paths[0], every)
    for i, (name, (path, chosen)) in enumerate(curves.items()):
        part = frame[chosen & frame[metric].notna().to_numpy()].drop_duplicates(path).sort_values(path)
        style: dict[str, Any] = {"color": COLOURS[i], "marker": MARKERS[i], "label": f"{name} alone"}
        if name == "all":
            style["label"] = "all at once"
        elif len(paths) == 1:
            style["label"] = short(path)
        std = part["accuracy_std"] if metric == "accuracy" and "accuracy_std" in part else None
        if std is not None and std.notna().any():
            axes.errorbar(part[path], part[metric], std, capsize=1.5, elinewidth=0.6, **style)
        else:
            axes.plot(part[path], part[metric], **style)


def roofline(frame: DataFrame, summary: dict[str, Any]) -> Figure:
    """Throughput over operations per byte of DRAM traffic, below the roofs of the best design."""
    good = frame[frame["feasible"].astype(bool) & np.isfinite(frame["ops_per_dram_byte"].to_numpy(float))]
    best = frame.loc[best_row(frame, summary)]
    on = good["front"].astype(bool)
    given = summary["experiment"]["chip"]["dram"]
    kind = best.get("chip.dram.kind", best.get("chip.dram", given["kind"]))
    devices = best.get("chip.dram.devices", given["devices"])
    bandwidth = float(Dram(str(kind), devices).bandwidth) / 8  # byte/s
    figure, [[axes]] = figure_of(DOUBLE * 0.62, 74 * MM)
    behind = good[~on].sample(min(int((~on).sum()), DRAWN), random_state=0)
    many = len(behind) > 500
    axes.scatter(
        behind["ops_per_dram_byte"], behind["throughput_tops"], s=2 if many else 8, color=PALE, linewidths=0,
        rasterized=many, label="designs",
    )  # fmt: skip
    axes.scatter(
        good[on]["ops_per_dram_byte"], good[on]["throughput_tops"], s=12, color=COLOURS[0], label="on the front"
    )
    axes.scatter(
        best["ops_per_dram_byte"], best["throughput_tops"], s=60, color=COLOURS[1], marker="*", label="best", zorder=4
    )
    ridge = best["compute_tops"] * 1e12 / bandwidth  # left of it, the DRAM limits
    intensity = good["ops_per_dram_byte"]
    x = np.geomspace(min(intensity.min(), ridge) / 4, max(intensity.max(), ridge) * 3, 200)
    slope = x * bandwidth / 1e12
    axes.plot(x, np.minimum(slope, best["compute_tops"]), color=COLOURS[1], linewidth=1, label="roofs of the best")
    axes.plot(
        x, slope, color=SOFT, linewidth=0.6, linestyle="--", label=f"{str(kind).upper()}, {bandwidth / 1e9:.0f} GB/s"
    )
    axes.set_ylim(good["throughput_tops"].min() / 2, max(best["compute_tops"], good["throughput_tops"].max()) * 3)
    scale_log(axes, "x")
    scale_log(axes, "y")
    axes.set_xlabel(title_of("ops_per_dram_byte"))
    axes.set_ylabel(title_of("throughput_tops"))
    axes.set_title("Roofline: DRAM on the left, arrays on the right")
    axes.grid()
    axes.legend(loc="best")
    return figure


def breakdown(frame: DataFrame, summary: dict[str, Any], x: str | None = None) -> Figure | None:
    """Energy and area by group of components along an axis, the other axes where the best design has them.

    None if the sweep has too many points to keep them by group.
    """
    if f"energy_by_group_j:{GROUPS[0].name}" not in frame:
        return None
    along = known_axis(x, summary) if x else influence(summary)[0]
    best = frame.loc[best_row(frame, summary)]
    part = frame
    for name in axes_of(summary):
        part = part if name == along else part[part[name] == best[name]]
    part = part[part["energy_system_j"].notna()]
    figure, [[left, right]] = figure_of(DOUBLE, (34 + 5.5 * len(part)) * MM, 1, 2, sharey=True)
    names = [value_of(along, value, summary) for value in part[along]]
    for axes, stem, text in (
        (left, "energy_by_group_j", "Energy per training sample, with DRAM"),
        (right, "area_by_group_mm2", "Area (mm²)"),
    ):
        start = np.zeros(len(part))
        for group in GROUPS:
            values = part[f"{stem}:{group.name}"].to_numpy(float)
            if values.any() or stem.startswith("energy"):
                axes.barh(
                    names, values, left=start, height=0.7, color=group.colour, hatch=group.hatch, linewidth=0.3,
                    edgecolor=INK if group.hatch else "white", label=group.name,
                )  # fmt: skip
            start += values
        axes.set_xlabel(text)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    tick_unit(left, "x", "energy_system_j")
    left.invert_yaxis()
    left.set_ylabel(title_of(along))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def sensitivity(frame: DataFrame, summary: dict[str, Any]) -> Figure | None:
    """How much of each objective's variance each axis explains; None for a search."""
    found = {
        k: v for k, v in (summary["sensitivities"] or {}).items() if any(e["total"] is not None for e in v.values())
    }
    if not found:
        return None
    figure, grid = figure_of(DOUBLE, (22 + 4.5 * len(summary["axes"])) * MM, 1, len(found), sharey=True)
    for axes, (name, shares) in zip(grid[0], found.items(), strict=True):
        axis_names = [short(axis) for axis in shares]
        axes.barh(
            axis_names,
            [100 * (e["total"] or 0) for e in shares.values()],
            color=PALE,
            height=0.7,
            label="with other axes",
        )
        axes.barh(
            axis_names, [100 * (e["first"] or 0) for e in shares.values()], color=COLOURS[0], height=0.7, label="alone"
        )
        axes.set_title(title_of(name))
        axes.set_xlabel("Share of the variance (%)")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    grid[0][0].invert_yaxis()
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
