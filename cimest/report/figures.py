"""Figures of a result, in the sizes and type of a paper: energy, time, area, and accuracy over energy."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.report.groups import GROUPS, group_of, grouped, label
from cimest.report.headline import number, sample_of, share
from hwlib.units import PREFIXES, pretty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import Dataset

MM = 1 / 25.4
SINGLE, DOUBLE = 89 * MM, 183 * MM
"""Widths of a journal's single and double column. [inch]"""

INK, SOFT = "#222222", "#8a8a8a"
TRAINED, TESTED = "#88ccee", "#332288"

BARS = 14
"""Bars of the area figure; smaller components are summed into the last."""

LABELS = 48
"""Layers that can be labelled before labels touch."""

STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans", "sans-serif"],  # the first comes with matplotlib: alike on every machine
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.linewidth": 0.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a layer's name is a dollar sign
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.linewidth": 0.4,
    "grid.color": "#e3e3e3",
    "hatch.linewidth": 0.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.1,
    "legend.handleheight": 0.9,
    "legend.columnspacing": 1.4,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.2,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "cimest",
    "pdf.fonttype": 42,  # publishers refuse type 3
}


def style():
    """Context in which figures are drawn and saved."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


def figures(result: dict[str, Any], dataset: Dataset) -> dict[str, Figure]:
    """All figures that a result has the data for.

    Parameters
    ----------
    result : dict
        What result.json holds.
    dataset : xarray.Dataset
        What `Estimate.dataset` gives.

    Returns
    -------
    dict
        `energy_by_pass`, `energy_by_layer`, `time_by_pass`, `schedule`, `area`, and `training` if there is a history.
    """
    happening = [bool(np.any(dataset[["energy", "leakage_energy", "latency"]].sel({"pass": name}).to_array()))
                 for name in dataset["pass"].to_numpy()]  # fmt: skip
    dataset, sample = dataset.sel({"pass": dataset["pass"].to_numpy()[happening]}), sample_of(result)
    with style():
        drawn = {
            "energy_by_pass": energy_by_pass(dataset, sample),
            "energy_by_layer": energy_by_layer(dataset, sample),
            "time_by_pass": time_by_pass(dataset, sample),
            "schedule": schedule(dataset, sample),
            "area": area(dataset),
        }
        if result["history"]:
            drawn["training"] = training(result["history"])
        for figure in drawn.values():
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out now, once for all formats
    return drawn


def save(figure: Figure, kind: str) -> bytes:
    """A figure as the content of a file; the same result gives the same bytes.

    Parameters
    ----------
    figure : Figure
    kind : {"svg", "png", "pdf"}
    """
    buffer = io.BytesIO()
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with style():
        figure.savefig(buffer, format=kind, metadata=dated.get(kind))
    return buffer.getvalue()


def _blank(width: float, height: float, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure of this size [inch] with axes side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.subplots(1, columns, squeeze=False, **options)
    return figure, list(axes[0])


def scaled(largest: float, unit: str) -> tuple[float, str]:
    """Factor and unit in which values up to `largest` have few digits."""
    exponent = 3 * math.floor(math.log10(largest) / 3) if largest > 0 else 0
    exponent = min(max(PREFIXES), max(min(PREFIXES), exponent))
    return 10.0**-exponent, PREFIXES[exponent] + unit


def _stack(axes: Axes, names: list[str], sums: np.ndarray, unit: str, what: str) -> None:
    """Horizontal bars, one for each name, stacked by group, with their totals at the end.

    Parameters
    ----------
    sums : array of shape (names, groups), SI
    """
    totals = sums.sum(1)
    factor, shown = scaled(totals.max(), unit)
    places = np.arange(len(names))
    left = np.zeros(len(names))
    for group, values in zip(GROUPS, sums.T, strict=True):
        if values.any():
            axes.barh(
                places, values * factor, left=left * factor, height=0.68, color=group.colour, hatch=group.hatch,
                edgecolor=INK if group.hatch else "white", linewidth=0.3, label=group.name,
            )  # fmt: skip
            left += values
    for place, total in zip(places, totals, strict=True):
        text = f"{number(total * factor)}  ({share(total, totals.sum())})"
        axes.annotate(text, (total * factor, place), (3, 0), textcoords="offset points", va="center", fontsize=6.5)
    every = math.ceil(len(names) / LABELS)
    axes.set_yticks(places[::every], names[::every])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first at the top
    axes.set_xlim(0, totals.max() * factor * 1.32 or 1)  # room for the totals
    axes.grid(axis="x")
    axes.set_xlabel(f"{what} ({shown})")


def _legend(figure: Figure, columns: int) -> None:
    """One legend for all axes, below them, each group once in the order of the stack."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        handles, names = axes.get_legend_handles_labels()
        entries |= dict(zip(names, handles, strict=True))
    names = [group.name for group in GROUPS if group.name in entries]
    figure.legend([entries[name] for name in names], names, loc="outside lower center", ncols=min(columns, len(names)))


def energy_by_pass(dataset: Dataset, sample: str) -> Figure:
    """Energy of each pass by component: the chip alone, and with its DRAM; `sample` is what it is of."""
    names = [label(name) for name in dataset["pass"].to_numpy()]
    system = grouped(dataset, "energy", "pass")
    chip = np.where([group.name == "DRAM" for group in GROUPS], 0.0, system)
    figure, (left, right) = _blank(DOUBLE, 62 * MM, 2, sharey=True)
    _stack(left, names, chip, "J", f"Energy per {sample}")
    _stack(right, names, system, "J", f"Energy per {sample}")
    left.set_title(f"Chip: {pretty(float(chip.sum()), 'J')}")
    right.set_title(f"System, with DRAM: {pretty(float(system.sum()), 'J')}")
    _legend(figure, 5)
    return figure


def energy_by_layer(dataset: Dataset, sample: str) -> Figure:
    """Energy of each layer by component, with DRAM."""
    names = [str(name) for name in dataset["layer"].to_numpy()]
    figure, (axes,) = _blank(DOUBLE, min(230.0, 32 + 5.5 * len(names)) * MM)
    energy = grouped(dataset, "energy", "layer")
    _stack(axes, names, energy, "J", f"Energy per {sample}")
    axes.set_title(f"System, with DRAM: {pretty(float(energy.sum()), 'J')}")
    _legend(figure, 5)
    return figure


def time_by_pass(dataset: Dataset, sample: str) -> Figure:
    """Exposed time of each pass by component."""
    names = [label(name) for name in dataset["pass"].to_numpy()]
    figure, (axes,) = _blank(SINGLE, 72 * MM)
    time = grouped(dataset, "latency", "pass")
    _stack(axes, names, time, "s", f"Exposed time per {sample}")
    axes.set_title(f"Latency: {pretty(float(time.sum()), 's')}")
    _legend(figure, 2)
    return figure


def schedule(dataset: Dataset, sample: str) -> Figure:
    """The training step in time: every layer's passes one after the other, by the component that takes the time.

    Layers follow each other forward, then backward, then their weight gradients, then the update; a batch's work is
    shown as one sample's share. Of a pipeline it is the way of one sample, and a bar above it the interval after which
    the next one follows.
    """
    names = [str(name) for name in dataset["layer"].to_numpy()]
    exposed = {
        name: grouped(dataset.sel({"pass": [name]}), "alone", "layer") for name in dataset["pass"].to_numpy().tolist()
    }
    factor, shown = scaled(float(sum(times.sum() for times in exposed.values())), "s")
    figure, (axes,) = _blank(DOUBLE, min(230.0, 34 + 6 * len(names)) * MM)
    now, drawn = 0.0, set()
    for pass_, times in exposed.items():
        order = range(len(names)) if pass_ == "forward" else reversed(range(len(names)))
        begin = now
        for row in order:
            for group, value in zip(GROUPS, times[row], strict=True):
                if value:
                    name = None if group.name in drawn else group.name
                    drawn.add(group.name)
                    axes.barh(
                        row, value * factor, left=now * factor, height=0.68, color=group.colour, hatch=group.hatch,
                        edgecolor=INK if group.hatch else "none", linewidth=0.3, label=name,
                    )  # fmt: skip
                    now += value
        if now > begin:
            axes.axvline(now * factor, color=SOFT, linewidth=0.4, linestyle=":")
        if times.sum() > 0.04 * sum(other.sum() for other in exposed.values()):
            axes.text((begin + now) / 2 * factor, -0.85, label(pass_), ha="center", va="center", fontsize=6.5)
    if "slowest" in dataset.attrs:
        interval = dataset.attrs["interval"]
        axes.barh(-1.7, interval * factor, height=0.3, color=INK)
        text = f"  next sample after {pretty(interval, 's')}: {label(dataset.attrs['slowest'])}"
        axes.text(interval * factor, -1.7, text, va="center", fontsize=6.5)
    axes.set_yticks(range(0, len(names), math.ceil(len(names) / LABELS)), names[:: math.ceil(len(names) / LABELS)])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -2.2 if "slowest" in dataset.attrs else -1.3)
    axes.set_xlim(0, now * factor or 1)
    axes.set_xlabel(f"Time within one {sample} ({shown})")
    _legend(figure, 5)
    return figure


def area(dataset: Dataset) -> Figure:
    """Area of the components, the largest first."""
    mm2 = dict(zip(dataset["component"].to_numpy(), dataset["area"].to_numpy() * 1e6, strict=True))
    ordered = sorted((name for name in mm2 if mm2[name] > 0), key=lambda name: -mm2[name])
    shown = ordered if len(ordered) <= BARS else ordered[: BARS - 1]
    rest = ordered[len(shown) :]
    names = [label(name) for name in shown] + [f"{len(rest)} others"] * bool(rest)
    values = [mm2[name] for name in shown] + [sum(mm2[name] for name in rest)] * bool(rest)
    colours = [group_of(name).colour for name in shown] + [SOFT] * bool(rest)
    whole = sum(mm2.values())
    figure, (axes,) = _blank(SINGLE, (13.2 + 4.2 * len(names)) * MM)
    axes.barh(names, values, height=0.68, color=colours)
    for place, value in enumerate(values):
        text = f"{number(value)}  ({share(value, whole)})"
        axes.annotate(text, (value, place), (3, 0), textcoords="offset points", va="center", fontsize=6.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first at the top
    axes.set_xlim(0, max(values, default=0) * 1.42 or 1)
    axes.grid(axis="x")
    axes.set_xlabel("Area (mm²)")
    axes.set_title(f"Chip area: {number(whole)} mm²")
    return figure


def training(history: list[dict[str, Any]]) -> Figure:
    """Accuracy over the energy that it cost, and loss over epochs."""
    from matplotlib.ticker import MaxNLocator

    epochs = [entry["epoch"] for entry in history]
    energy = np.cumsum([entry["energy_j"] for entry in history])
    factor, unit = scaled(energy[-1], "J")
    figure, (left, right) = _blank(DOUBLE, 62 * MM, 2, width_ratios=(2.2, 1))
    for key, name, colour in (("train_accuracy", "training", TRAINED), ("test_accuracy", "test", TESTED)):
        percent = 100 * _floats(history, key)
        if np.isfinite(percent).any():
            left.plot(energy * factor, percent, "o-", color=colour, label=name, clip_on=False)
    tested = 100 * _floats(history, "test_accuracy")
    for i in _spread(len(epochs)):
        if np.isfinite(tested[i]):
            left.annotate(
                f"epoch {epochs[i]}\n{tested[i]:.1f} %",
                (energy[i] * factor, tested[i]),
                xytext=(0, -5),
                textcoords="offset points",
                ha="center" if i else "left",
                va="top",
                fontsize=6,
                color=TESTED,
                linespacing=1.1,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )
    left.set_xlim(0, energy[-1] * factor * 1.08 or 1)
    left.margins(y=0.25)
    left.set_xlabel(f"Training energy since the start ({unit}), with DRAM")
    left.set_ylabel("Accuracy (%)")
    left.set_title(
        f"Energy to accuracy: {pretty(float(energy[-1]), 'J')} in {len(epochs)} epoch{'s'[: len(epochs) > 1]}"
    )
    if left.lines:
        left.legend(loc="best")
    right.plot(epochs, _floats(history, "loss"), "o-", color=INK)
    right.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    right.set_xlabel("Epoch")
    right.set_ylabel("Training loss")
    right.set_title("Loss")
    for axes in (left, right):
        axes.grid()
    return figure


def _floats(history: list[dict[str, Any]], key: str) -> np.ndarray:
    """A column of the history; what was not measured is NaN, which a line leaves out."""
    return np.array([math.nan if entry.get(key) is None else float(entry[key]) for entry in history])


def _spread(length: int, most: int = 4) -> list[int]:
    """Up to `most` places in a list, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, length - 1, min(length, most))})
