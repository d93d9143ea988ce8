"""Figures of weight programming: error over time and what it is made of, the best strategy, accuracy over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.programming.study import Comparison, Study
from cimest.report.figures import DOUBLE, INK, MM, SOFT, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "naive": "#cc6677", "optimised": "#332288", "clipped": "#117733", "own": "#ddaa33",
    "least_first": "#88ccee", "most_first": "#aa4499", "proportional": "#999933", "equal_split": "#882255",
}  # fmt: skip
"""Of ways and rules: those of Paul Tol that colour-blind readers tell apart."""

MARKERS = {
    "naive": "s", "optimised": "o", "clipped": "^", "own": "D",
    "least_first": "v", "most_first": "P", "proportional": "X", "equal_split": "*",
}  # fmt: skip

LABELS = {
    "naive": "best hand rule", "optimised": "optimised", "clipped": "optimised, clipped", "own": "own strategy",
    "least_first": "least significant first", "most_first": "most significant first",
    "proportional": "proportional", "equal_split": "equal split", "programming": "programming",
    "drift_spread": "spread of drift", "relaxation": "relaxation", "read_noise": "read noise",
}  # fmt: skip

PARTS = {"programming": "#ddcc77", "drift_spread": "#44aa99", "relaxation": "#44aa99", "read_noise": "#88ccee"}

SECOND, MINUTE, HOUR, DAY, MONTH, YEAR = 1.0, 60.0, 3600.0, 86400.0, 2592000.0, 31536000.0

UNITS = ((YEAR, "y"), (MONTH, "mo"), (DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))


def time_label(time: float) -> str:
    """A time for people: `1 h`, `30 s`, `1 mo`."""
    if time == 0:
        return "t0"
    size, unit = next(((size, unit) for size, unit in UNITS if time >= size), UNITS[-1])
    return f"{time / size:.3g} {unit}"


def figures(study: Study) -> dict[str, Figure]:
    """All figures that a study has the data for: `error`, `strategy`, and `accuracy` with a trained network."""
    with style():
        first = next(iter(study.comparisons.values()))
        drawn = {"error": error(study, first), "strategy": strategy(study)}
        if study.aged:
            drawn["accuracy"] = accuracy(study)
        for figure in drawn.values():
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
    return drawn


def _blank(width: float, height: float, columns: int, **options: Any) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, list(figure.subplots(1, columns, squeeze=False, **options)[0])


def _time_axis(axes: Axes, times: list[float]) -> np.ndarray:
    """Evenly spaced places for the times, with their names."""
    places = np.arange(len(times), dtype=float)
    axes.set_xticks(places, [time_label(time) for time in times])
    axes.set_xlabel("Time since programming")
    return places


def error(study: Study, first: Comparison) -> Figure:
    """Rms weight error over time of every way and rule, and the mean square of the optimum by mechanism."""
    figure, (left, right) = _blank(DOUBLE, 68 * MM, 2, width_ratios=(1.5, 1))
    times = list(study.moments.times)
    places = _time_axis(left, times)
    usual = {entry.rule: entry for entry in reversed(first.rules)} if len(study.comparisons) == 1 else {}
    for rule, entry in reversed(usual.items()):
        if rule in first.ways:
            continue
        factor = entry.strategy.encoding.significance[0]
        left.plot(places, 100 * entry.error.rms, "--", color=COLOURS[rule], label=f"{LABELS[rule]}, F = {factor:.2g}")
    for way, rms in study.result["error"]["rms"].items():
        factor = first.ways[way].strategy.encoding.significance[0]
        name = f"{LABELS[way]}, F = {factor:.2g}" if len(study.comparisons) == 1 else LABELS[way]
        # the best hand rule can be as good as the optimum, and then shows around it
        marker: dict[str, Any] = {"markersize": 7, "markerfacecolor": "none"} if way == "naive" else {}
        left.plot(places, 100 * np.array(rms), MARKERS[way] + "-", color=COLOURS[way], label=name, **marker)
    left.set_ylabel("Rms weight error (% of largest weight)")
    left.set_ylim(0)
    left.set_title(f"Error over time: {study.moments.device.name}")
    left.legend(ncols=2, loc="lower right")
    left.grid(axis="y")
    places = _time_axis(right, times)
    bottom = np.zeros(len(times))
    for part, values in study.budgets["optimised"].items():
        right.bar(places, 1e4 * values, bottom=bottom, width=0.66, color=PARTS[part], label=LABELS[part])
        bottom += 1e4 * values
    right.set_ylabel("Mean square error (10⁻⁴)")
    right.set_title("What the optimised error is made of")
    right.legend(loc="upper left")
    right.grid(axis="y")
    return figure


def strategy(study: Study) -> Figure:
    """Conductances over the weight: the best hand rule and the optimum, above the density; of the largest layer."""
    weights = study.result["weights"]
    sizes = weights if isinstance(weights, dict) else {}
    layer = max(study.comparisons, key=lambda name: sizes.get(name, 0))
    first = study.comparisons[layer]
    ways = [way for way in ("naive", "optimised", "clipped", "own") if way in first.ways]
    figure, panels = _blank(DOUBLE, 66 * MM, len(ways), sharey=True)
    names = ("most significant", "second", "third", "fourth")
    for axes, way in zip(panels, ways, strict=True):
        entry = first.ways[way].strategy
        pairs = entry.conductances.shape[1]
        shown = (*names[: pairs - 1], "least significant") if pairs > 1 else ("the pair",)
        shade = first.population.density / first.population.density.max()
        top = 1e6 * (study.moments.lowest + study.moments.span)
        axes.fill_between(first.population.weights, 0.25 * top * shade, color=SOFT, alpha=0.25, linewidth=0)
        for pair in range(pairs):
            colour = ("#332288", "#44aa99", "#cc6677", "#999933")[pair]
            axes.plot(entry.weights, 1e6 * entry.conductances[:, pair, 0], color=colour, label=f"{shown[pair]} +")
            axes.plot(entry.weights, 1e6 * entry.conductances[:, pair, 1], ":", color=colour, label=f"{shown[pair]} −")
        factor, reach = entry.encoding.significance[0], entry.encoding.reach
        name = f"clipped at {1 / reach:.2g}" if way == "clipped" else LABELS[way]
        axes.set_title(f"{name}, F = {factor:.2g}" if pairs > 1 else name)
        axes.set_xlabel(f"Weight of {layer} (of the largest)" if study.aged else "Weight (of the largest)")
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.02 * top, 1.04 * top)
        axes.grid()
    panels[0].set_ylabel("Target conductance (µS)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def accuracy(study: Study) -> Figure:
    """Test accuracy and loss over time of every way, with the standard deviation over programmings."""
    figure, (left, right) = _blank(DOUBLE, 66 * MM, 2)
    times = list(study.moments.times)
    trained = study.result["as_trained"]
    for axes, what, factor, name in (
        (left, "accuracy", 100, "Test accuracy (%)"),
        (right, "loss", 1, "Test loss (nats)"),
    ):
        places = _time_axis(axes, times)
        for number, (way, aged) in enumerate(study.aged.items()):
            values = factor * getattr(aged, what)
            shift = 0.08 * (number - (len(study.aged) - 1) / 2)
            axes.errorbar(
                places + shift, values.mean(0), values.std(0), fmt=MARKERS[way] + "-", color=COLOURS[way],
                capsize=1.5, elinewidth=0.7, label=LABELS[way],
            )  # fmt: skip
        axes.axhline(factor * trained[what], color=INK, linewidth=0.6, linestyle="--", label="as trained on the chip")
        axes.set_ylabel(name)
        axes.grid(axis="y")
    left.set_title(f"{study.moments.device.name}, {next(iter(study.aged.values())).loss.shape[0]} programmings")
    left.legend(loc="lower left")
    return figure
