"""Draws, and writes, the figures of a sweep and one HTML page that opens offline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cimest.explore import figures, tradeoffs
from cimest.explore.limits import sentences, without_front
from cimest.explore.store import read
from cimest.report.figures import DOUBLE, save, style
from cimest.report.headline import number
from cimest.report.page import inline
from cimest.report.templating import template
from cimest.result import make_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

FORMATS = ("svg", "pdf", "png")

DRAWERS: dict[str, tuple[Callable[..., Figure | None], str]] = {
    "pareto": (figures.front, "All designs within the limits; grey ones are beaten in both metrics by another."),
    "precision": (
        tradeoffs.precision,
        "Bits of each pass's ADC, the other passes' at the most; bars: spread of repeats.",
    ),
    "heatmap": (figures.heatmap, "The two axes that matter most to the first objective."),
    "parallel": (figures.parallel, "Each line is a design."),
    "roofline": (tradeoffs.roofline, "What limits the throughput: the arrays or the way to the DRAM."),
    "breakdown": (
        tradeoffs.breakdown,
        "Where energy and area go along the axis that matters most.",
    ),
    "sensitivity": (tradeoffs.sensitivity, "Share of the variance over the whole grid; of costs, of their logarithm."),
}
"""Name to what draws it, and its caption."""

ROWS = 40
"""Designs of the front in the page's table."""


def draw(frame: DataFrame, summary: dict[str, Any], only: str | None = None, **options: str) -> dict[str, Figure]:
    """The figures that a sweep has the data for.

    Parameters
    ----------
    only : str, optional
        Draw this one.
    options : str
        Axes and metrics of that one.

    Raises
    ------
    ValueError
        If the figure takes no such option, or the sweep has no data for it, or no design on the front.
    """
    if not frame["front"].any():
        raise ValueError(f"there is nothing to draw, since {without_front(summary)}")
    drawn: dict[str, Figure] = {}
    with style():
        for name, (drawer, _) in DRAWERS.items():
            if only in (None, name):
                accepted = drawer.__code__.co_varnames[2 : drawer.__code__.co_argcount]
                if refused := [option for option in options if option not in accepted]:
                    takes = ", ".join(f"--{option}" for option in accepted) or "no options"
                    raise ValueError(f"the figure {name} has no --{refused[0]}; it takes {takes}")
                figure = drawer(frame, summary, **options)
                if figure is not None:
                    drawn[name] = figure
        if only is None and {"accuracy", "density_tops_per_mm2"} <= set(frame) and frame["accuracy"].notna().any():
            drawn["pareto_density"] = figures.front(frame, summary, "density_tops_per_mm2", "accuracy")
        for figure in drawn.values():
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
    if only is not None and not drawn:
        raise ValueError(f"this sweep has no data for the figure {only}")
    return drawn


def save_all(drawn: dict[str, Figure], folder: Path) -> list[Path]:
    """Write figures as SVG, PDF and PNG."""
    make_folder(folder)
    written = []
    for name, figure in drawn.items():
        for kind in FORMATS:
            written.append(folder / f"{name}.{kind}")
            written[-1].write_bytes(save(figure, kind))
    return written


def write_report(folder: Path) -> Path:
    """Draw all figures of a sweep's folder, and write its page."""
    frame, summary = read(folder)
    drawn = draw(frame, summary) if frame["front"].any() else {}
    save_all(drawn, folder / "figures")
    names = [*summary["axes"], *summary["objectives"]]
    best = frame[frame["front"].astype(bool)]
    first, better = next(iter(summary["objectives"].items()))
    best = best.sort_values(first, ascending=better == "min").head(ROWS)
    captions = {name: caption for name, (_, caption) in DRAWERS.items()}
    captions["pareto_density"] = captions["pareto"]
    page = template("sweep.html").render(
        summary=summary,
        limits=sentences(summary),
        without_front=None if len(best) else without_front(summary),
        figures=[
            (
                name,
                inline(name, (folder / "figures" / f"{name}.svg").read_text(encoding="utf-8")),
                captions[name],
                min(1.0, figure.get_figwidth() / DOUBLE),
            )
            for name, figure in drawn.items()
        ],
        heading=[figures.title_of(name) for name in names],
        rows=[[cell(name, row[name], summary) for name in names] for _, row in best.iterrows()],
        axes={name: [figures.value_of(name, v, summary) for v in a["labels"]] for name, a in summary["axes"].items()},
        number=number,
        counted=figures.counted,
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def cell(name: str, value: Any, summary: dict[str, Any]) -> str:
    """A coordinate or an objective of a design, for people."""
    if name in summary["axes"]:
        return figures.value_of(name, value, summary)
    return figures.metric_text(name, value)
