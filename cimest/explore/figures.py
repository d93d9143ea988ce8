"""Figures of a sweep, in the type and sizes of a paper: fronts, heat maps, parallel coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.explore.axes import short
from cimest.explore.front import pareto
from cimest.explore.metrics import METRICS
from cimest.report.figures import DOUBLE, INK, MM, SOFT
from cimest.report.headline import number
from hwlib.registry import UnknownName
from hwlib.units import pretty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

COLOURS = ("#332288", "#cc6677", "#117733", "#ddcc77", "#88ccee", "#aa4499", "#44aa99", "#882255")
"""Tol's `muted` scheme, which readers with any common colour blindness can tell apart (see `report.groups`)."""

MARKERS = "osD^vP*X"
PALE = "#c9c9c6"

DRAWN = 20_000
"""Dominated points that a figure draws at most, chosen at random: more could not be told apart (our choice)."""

PREFIXED = ("J", "s", "W")
"""Units that take a prefix."""

LINES = 300
"""Dominated lines among the parallel coordinates."""


def axes_of(summary: dict[str, Any]) -> list[str]:
    """Names of the axes."""
    return list(summary["axes"])


def title_of(name: str) -> str:
    """An axis or a metric for people, with its unit."""
    if name in METRICS:
        metric = METRICS[name]
        return f"{metric.text} ({metric.unit})" if metric.unit else metric.text
    return short(name)


def value_of(name: str, value: Any, summary: dict[str, Any]) -> str:
    """A value of an axis for people."""
    unit = summary["axes"].get(name, {}).get("unit", "")
    if isinstance(value, str) or not np.isreal(value):
        return str(value)
    if unit == "bit":
        return f"{value / 2**23:.4g} MiB" if value >= 2**23 else f"{value / 2**13:.4g} KiB"
    return pretty(float(value), unit) if unit else f"{value:g}"


def scale_log(axes: Axes, side: str) -> None:
    """A logarithmic axis whose ticks are plain numbers.

    Parameters
    ----------
    side : {"x", "y"}
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    getattr(axes, f"set_{side}scale")("log")
    low, high = getattr(axes, f"get_{side}lim")()
    line = getattr(axes, f"{side}axis")
    line.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
    line.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    line.set_minor_formatter(NullFormatter())


def metric_text(name: str, value: float) -> str:
    """A metric for people: an accuracy in per cent, others without their unit."""
    return f"{100 * value:.2f} %" if name == "accuracy" else number(value)


def with_unit(name: str, value: float) -> str:
    """A metric for people, with its unit and no zeros at its end."""
    unit = METRICS[name].unit
    if name == "accuracy":
        return f"{100 * value:.4g} %"
    return pretty(value, unit) if unit in PREFIXED else f"{value:.4g} {unit}".rstrip()


def counted(number: int, noun: str) -> str:
    """A number of things: `1 design`, `2 designs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tick_unit(axes: Axes, side: str, name: str) -> None:
    """Ticks of a metric with the prefix of their unit, where it is one of SI; those of an accuracy in per cent."""
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    unit = METRICS[name].unit
    if name == "accuracy":
        getattr(axes, f"{side}axis").set_major_formatter(PercentFormatter(xmax=1, symbol=" %"))
    if unit in PREFIXED:
        line = getattr(axes, f"{side}axis")
        line.set_major_formatter(FuncFormatter(lambda value, _: pretty(value, unit)))
        line.set_label_text(line.get_label_text().removesuffix(f" ({unit})"))


def known_column(frame: DataFrame, name: str, summary: dict[str, Any]) -> str:
    """A column that can be drawn.

    Raises
    ------
    UnknownName
        If there is none of that name.
    """
    if name not in frame:
        raise UnknownName("axis or metric", name, [*axes_of(summary), *(m for m in METRICS if m in frame)])
    return name


def known_axis(name: str, summary: dict[str, Any]) -> str:
    """An axis of the sweep.

    Raises
    ------
    UnknownName
        If there is none of that name.
    """
    if name not in summary["axes"]:
        raise UnknownName("axis", name, axes_of(summary))
    return name


def influence(summary: dict[str, Any]) -> list[str]:
    """Axes, the most influential on the first objective first."""
    shares: dict[str, Any] = next(iter((summary["sensitivities"] or {}).values()), {})
    return sorted(axes_of(summary), key=lambda name: -(shares.get(name, {}).get("total") or 0.0))


def figure_of(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """An empty figure of this size [inch] and its axes, an array of (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def best_row(frame: DataFrame, summary: dict[str, Any]) -> Any:
    """Row of the design on the front that is the best in the first objective."""
    name, better = next(iter(summary["objectives"].items()))
    on = frame[frame["front"].astype(bool)]
    return on[name].idxmax() if better == "max" else on[name].idxmin()


def front(
    frame: DataFrame, summary: dict[str, Any], x: str | None = None, y: str | None = None, colour: str | None = None
) -> Figure:
    """Two metrics of all designs, those that no other beats in both of them in colour.

    Parameters
    ----------
    x, y : str, optional
        Metrics; by default the second and the first objective.
    colour : str, optional
        Axis that gives the front its colours; by default the most influential one with few values.
    """
    objectives = list(summary["objectives"])
    vertical = known_column(frame, y or objectives[0], summary)
    horizontal = known_column(frame, x or objectives[min(1, len(objectives) - 1)], summary)
    good = frame[frame["feasible"].astype(bool) & frame[[horizontal, vertical]].notna().all(axis=1)]
    better = {name: summary["objectives"].get(name, METRICS[name].better) for name in (horizontal, vertical)}
    on = pareto({name: good[name].to_numpy() for name in better}, better)
    figure, [[axes]] = figure_of(DOUBLE * 0.72, 78 * MM)
    behind, best = good[~on], good[on].sort_values(horizontal)
    drawn = behind.sample(min(len(behind), DRAWN), random_state=0)
    many = len(drawn) > 500
    axes.scatter(
        drawn[horizontal], drawn[vertical], s=2 if many else 9, color=PALE, linewidths=0, rasterized=many, zorder=1,
        label=f"dominated ({len(behind)})",
    )  # fmt: skip
    rising = better[horizontal] == better[vertical]  # then the front falls
    where = ("post" if better[horizontal] == "min" else "pre") if rising else "post"
    axes.step(best[horizontal], best[vertical], where=where, color=INK, linewidth=0.6, zorder=2)
    named = known_axis(colour, summary) if colour else _telling(best, summary)
    for i, (value, part) in enumerate(best.groupby(named, sort=False) if named else [("front", best)]):
        style = {"color": COLOURS[i % 8], "marker": MARKERS[i % 8], "zorder": 3}
        text = f"{short(named)} {value_of(named, value, summary)}" if named else "on the front"
        if vertical == "accuracy" and "accuracy_std" in part and part["accuracy_std"].notna().any():
            axes.errorbar(
                part[horizontal], part[vertical], part["accuracy_std"], fmt="none", color=COLOURS[i % 8], lw=0.7
            )
        axes.scatter(part[horizontal], part[vertical], s=16, linewidths=0.3, edgecolors="white", label=text, **style)
    for name, side in ((horizontal, "x"), (vertical, "y")):
        values = good[name].to_numpy(float)
        if name != "accuracy" and len(values) and values.min() > 0 and values.max() > 8 * values.min():
            scale_log(axes, side)
        getattr(axes, f"set_{side}label")(title_of(name))
        tick_unit(axes, side, name)
    axes.set_title(f"{len(best)} of {counted(len(good), 'design')} {'is' if len(best) == 1 else 'are'} not beaten")
    axes.grid()
    figure.legend(loc="outside right upper", markerscale=1.0)
    return figure


def _telling(best: DataFrame, summary: dict[str, Any]) -> str | None:
    """The most influential axis that has two to eight values on the front."""
    return next((name for name in influence(summary) if 2 <= best[name].nunique() <= 8), None)


def heatmap(
    frame: DataFrame, summary: dict[str, Any], x: str | None = None, y: str | None = None, metric: str | None = None
) -> Figure | None:
    """The best value of a metric over two axes, whatever the others are. None if there is only one axis.

    Raises
    ------
    ValueError
        If both axes are the same.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, NullFormatter

    if x is not None and x == y:
        raise ValueError(f"--x and --y are both {x}: a heat map needs two different axes")
    ranked = [name for name in influence(summary) if frame[name].nunique() > 1 and name not in (x, y)]
    vertical = known_axis(y, summary) if y else (ranked.pop(0) if ranked else None)
    horizontal = known_axis(x, summary) if x else (ranked.pop(0) if ranked else None)
    if vertical is None or horizontal is None:
        return None
    shown = known_column(frame, metric or next(iter(summary["objectives"])), summary)
    better = summary["objectives"].get(shown, METRICS[shown].better)
    table = frame.groupby([vertical, horizontal], sort=False)[shown].agg("max" if better == "max" else "min")
    rows, columns = list(dict.fromkeys(frame[vertical])), list(dict.fromkeys(frame[horizontal]))
    values = table.unstack(horizontal).reindex(rows)[columns].to_numpy(float)
    figure, [[axes]] = figure_of(DOUBLE * 0.62, (26 + 7 * max(4, len(rows))) * MM)
    low, high = np.nanmin(values), np.nanmax(values)
    norm = LogNorm(low, high) if low > 0 and high > 20 * low else None
    image = axes.pcolormesh(
        values, cmap="cividis" if better == "max" else "cividis_r", norm=norm, edgecolors="white", linewidth=0.6
    )
    if values.size <= 80:
        shades = image.norm(values)
        for row, column in np.ndindex(values.shape):
            if np.isfinite(values[row, column]):
                light = (shades[row, column] > 0.5) == (better == "max")
                text, colour = metric_text(shown, values[row, column]), INK if light else "white"
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6, color=colour)
    axes.set_xticks(np.arange(len(columns)) + 0.5, [value_of(horizontal, v, summary) for v in columns])
    axes.set_yticks(np.arange(len(rows)) + 0.5, [value_of(vertical, v, summary) for v in rows])
    if max(len(value_of(horizontal, v, summary)) for v in columns) * len(columns) > 60:
        axes.tick_params(axis="x", labelrotation=40)
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("right")
    axes.tick_params(length=0)
    axes.set_xlabel(title_of(horizontal))
    axes.set_ylabel(title_of(vertical))
    axes.set_title("The best that the other axes allow")
    bar = figure.colorbar(image, ax=axes, shrink=0.9, label=title_of(shown))
    if norm is None:
        tick_unit(bar.ax, "y", shown)
    else:
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    return figure


def parallel(frame: DataFrame, summary: dict[str, Any]) -> Figure:
    """Every design as a line over the axes and objectives, the front in colour."""
    names = [name for name in axes_of(summary) if frame[name].nunique() > 1]
    objectives = [name for name in summary["objectives"] if frame[name].notna().any()]
    good = frame[frame["feasible"].astype(bool) & frame[objectives].notna().all(axis=1)]
    on = good["front"].astype(bool)
    behind = good[~on].sample(min(int((~on).sum()), LINES), random_state=0)
    best = good[on].sample(min(int(on.sum()), LINES), random_state=0)
    figure, [[axes]] = figure_of(DOUBLE, 80 * MM)
    heights = {}
    for place, name in enumerate([*names, *objectives]):
        heights[name], marks = _heights(name, good, frame, summary)
        axes.axvline(place, color=SOFT, linewidth=0.5, zorder=0)
        for height, text in marks:
            box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
            where: dict[str, Any] = {"xytext": (2, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(text, (place, height), fontsize=5.5, color=INK, zorder=5, bbox=box, **where)
    places = range(len(names) + len(objectives))
    for rows, colour, width, layer in ((behind, PALE, 0.3, 1), (best, COLOURS[0], 0.8, 2)):
        for i in rows.index:
            axes.plot(places, [heights[name][i] for name in heights], color=colour, linewidth=width, zorder=layer)
    axes.set_xticks(places, [_narrow(name) for name in heights], fontsize=6)
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(heights) - 0.6)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(
        f"{counted(len(best), 'design')} on the front (dark), {len(behind)} of {counted(int((~on).sum()), 'other')}"
    )
    return figure


def _narrow(name: str) -> str:
    """A title in short lines."""
    if name in METRICS:
        return title_of(name).replace(" (", "\n(").replace(", ", ",\n")
    return short(name).replace(".", "\n").replace("_", " ")


def _heights(
    name: str, good: DataFrame, frame: DataFrame, summary: dict[str, Any]
) -> tuple[Any, list[tuple[float, str]]]:
    """Height from 0 to 1 of each design on one line, by its row, and the marks of that line."""
    if name in summary["axes"]:
        values = list(dict.fromkeys(frame[name]))
        place = {value: i / max(len(values) - 1, 1) for i, value in enumerate(values)}
        every = -(-len(values) // 8)
        return good[name].map(place), [(place[value], value_of(name, value, summary)) for value in values[::every]]
    column = good[name].astype(float)
    logarithmic = name != "accuracy" and column.min() > 0 and column.max() > 8 * column.min()
    scaled = np.log(column) if logarithmic else column
    low, high = scaled.min(), scaled.max()
    ticks = np.linspace(low, high, 5)
    marks = [((t - low) / ((high - low) or 1), metric_text(name, np.exp(t) if logarithmic else t)) for t in ticks]
    return (scaled - low) / ((high - low) or 1), marks
