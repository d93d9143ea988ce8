"""The page that sets our prices beside published chips, from each published figure to each factor, and its figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.config.calibration import Calibration
from cimest.estimate.calibration import CONTROL, FAMILIES, Factors
from cimest.report.figures import DOUBLE, MM, save, style
from cimest.report.groups import label
from cimest.report.headline import number
from cimest.report.page import inline
from cimest.report.templating import template
from cimest.result import make_folder
from cimest.validate.silicon import HOLDS, UNITS, Compared, Silicon
from cimest.validate.silicon_chips import published
from cimest.validate.silicon_fit import ALIKE, NAMES, RIDGE, TOTAL
from cimest.validate.silicon_spread import surveyed
from hwlib.provenance import source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#332288", "#cc6677", "#44aa99", "#999933", "#aa4499", "#88ccee", "#882255", "#117733")
"""Of Tol's muted scheme, one for each chip."""

MARKERS = "osD^vP*X"

STAGES = {"raw": "physics alone", "fitted": "fitted to all chips", "left_out": "fitted to the other chips"}
"""What is beside the published figure, and its title."""

APPLIES = {
    "activity": "digital logic",
    "wiring": "arrays of static cells, drivers",
    "converter": "ADCs but those that integrate",
    "control": "on top of the macro",
    "layout": "arrays of static cells",
    "circuit_layout": "drivers, DACs, ADCs",
    "control_layout": "on top of the macro",
}
"""Families whose price a factor multiplies."""


def beside(study: Silicon) -> Figure:
    """Ours over published, energy and area, without calibration, with it, and with each chip left out."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(DOUBLE, 132 * MM), layout="constrained")
    panels = figure.subplots(len(UNITS), len(STAGES), sharex="row", sharey="row")
    chips = list(study.others)
    for line, (quantity, (unit, scale)) in zip(panels, UNITS.items(), strict=True):
        rows = [row for row in study.rows if row.figure.quantity == quantity and row.raw > 0]
        shown = [row.figure.published for row in rows] + [getattr(row, name) for row in rows for name in STAGES]
        ends = min(shown) / scale / 2, max(shown) / scale * 2
        for axes, (stage, title) in zip(line, STAGES.items(), strict=True):
            _panel(axes, rows, stage, scale, chips, ends)
            axes.set_title(title.capitalize())
        line[0].set_ylabel(f"Our {quantity} ({unit})")
        line[1].set_xlabel(f"Published {quantity} ({unit})")
    for chip, colour, marker in zip(chips, COLOURS, MARKERS, strict=False):
        panels[0][0].plot([], [], marker, color=colour, label=short(chip))
    panels[0][0].plot([], [], "o", color="#777777", label="total")
    panels[0][0].plot([], [], "o", color="#777777", markerfacecolor="none", label="component")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(chips) + 2)
    return figure


def _panel(
    axes: Axes, rows: list[Compared], stage: str, scale: float, chips: list[str], ends: tuple[float, ...]
) -> None:
    """One panel: equality as a line, a factor of 2 as a band, and the range of totals where a chip is left out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    along = np.array(ends)
    axes.fill_between(along, along / HOLDS, along * HOLDS, color="#eeeeee", linewidth=0)
    axes.plot(along, along, color="#8a8a8a", linewidth=0.6)
    for row in rows:
        at = chips.index(row.figure.chip)
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
        total = row.figure.name == TOTAL
        x, y = row.figure.published / scale, getattr(row, stage) / scale
        if stage == "left_out" and row.low and row.high:
            axes.plot([x, x], [row.low / scale, row.high / scale], color=colour, linewidth=0.5, alpha=0.6)
        axes.plot(x, y, marker, color=colour, markerfacecolor=colour if total else "none", markeredgewidth=0.6)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=8))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.set_box_aspect(1)


def page(study: Silicon, drawing: str) -> str:
    """The page as one HTML file; `drawing` is the figure as SVG."""
    chips = published()["chips"]
    return template("silicon.html").render(
        figure=inline("beside", drawing),
        summary=study.summary(),
        holds=HOLDS,
        factors=factor_rows(study),
        per_chip=[name for name, informs in study.informed.items() if len(informs) == 1],
        figures=len(study.rows),
        without=[[label(name), *(number(float(getattr(of, name))) for of in study.others.values())] for name in NAMES],
        names=[short(name) for name in study.others],
        ridge=RIDGE,
        alike=[[label(NAMES[place]) for place in places] for places in ALIKE],
        families={name: ", ".join(f"…{ending}" for ending in endings) for name, endings in FAMILIES.items()},
        spread_heading=[f"{quantity}, {error}" for quantity, error in errors(study)],
        spread_rows=[
            [base, *(number(of[quantity][error]) for quantity, error in errors(study))]
            for base, of in study.spreads.items()
        ],
        surveyed=number(surveyed()),
        chips=[chip(study, name, chips[name]) for name in study.others],
    )


def short(name: str) -> str:
    """A chip's name for people: `Jia 2020`."""
    return name.replace("_", " ").title()


def errors(study: Silicon) -> list[tuple[str, str]]:
    """Quantity and name of each error that a range is made of."""
    return [(quantity, error) for quantity, of in study.spreads["none"].items() for error in of]


def factor_rows(study: Silicon) -> list[list[str]]:
    """Factor, what it means, what it multiplies, which chips inform it, and the one set's value."""
    rows = []
    for name in NAMES:
        informs = study.informed[name]
        about = Calibration.model_fields[name].description or ""
        counted = {0: "no chip", 1: f"fitted per chip: {short(informs[0])}" if informs else ""}
        rows.append(
            [
                label(name),
                about,
                APPLIES[name],
                counted.get(len(informs), ", ".join(map(short, informs))),
                number(float(getattr(study.factors, name))),
            ]
        )
    return rows


def chip(study: Silicon, name: str, about: dict[str, Any]) -> dict[str, Any]:
    """What the page says of one chip."""
    rows = [row for row in study.rows if row.figure.chip == name]
    return {
        "name": short(name),
        "about": about["about"],
        "source": source(about["source"]),
        "origin": published()["origins"][about["origin"]],
        "experiment": f"examples/chips/{name}.yaml",
        "missing": about.get("missing", {}),
        "total": " + ".join(about["total"]),
        "area_total": " + ".join(about.get("area_total", about["total"])),
        "rows": [chip_row(row) for row in rows],
        "terms": [chip_terms(row, study.factors) for row in rows],
        "throughputs": [
            (speed.point, number(speed.published), number(speed.ours), number(speed.ours / speed.published))
            for speed in study.throughputs
            if speed.chip == name
        ],
    }


def chip_row(row: Compared) -> list[str]:
    """From the published figure to ours: without calibration, with factors family by family, with the chip left out."""
    figure, (unit, scale) = row.figure, UNITS[row.figure.quantity]
    ratios = (value / figure.published for value in (row.raw, row.fitted, row.left_out))
    inside = "" if row.low is None or row.high is None else ("yes" if row.low <= figure.published <= row.high else "no")
    span = "" if row.low is None or row.high is None else f"{number(row.low / scale)} to {number(row.high / scale)}"
    return [
        figure.point or "area",
        figure.name,
        f"{number(figure.published / scale)} {unit}",
        *map(number, ratios),
        f"{100 * row.share:.0f} / {100 * row.our_share:.0f} %",
        span,
        inside,
    ]


def chip_terms(row: Compared, factors: Factors) -> list[str]:
    """Our parts of a figure, and their sum over families with factors."""
    figure, (unit, scale) = row.figure, UNITS[row.figure.quantity]
    of = factors.energy if figure.quantity == "energy" else factors.area
    terms = [
        f"{name} {number(value / scale)} × {number(float(of(name)))}"
        for name, value in figure.families.items()
        if value
    ]
    if figure.control:
        terms.append(
            f"{CONTROL} {number((row.fitted - sum(replace(figure, control={}).by_family(factors).values())) / scale)}"
        )
    total = f"{' + '.join(terms)} = {number(row.fitted / scale)} {unit}"
    return [figure.point or "area", figure.name, ", ".join(figure.parts), number(figure.published / scale), total]


def write(study: Silicon, out: Path) -> None:
    """Write the page, its figure in three formats, and what an estimate needs of the fit."""
    make_folder(out)
    with style():
        figure = beside(study)
        drawn = {kind: save(figure, kind) for kind in ("svg", "png", "pdf")}
    for kind, content in drawn.items():
        (out / f"silicon.{kind}").write_bytes(content)
    (out / "silicon.html").write_text(page(study, drawn["svg"].decode()), encoding="utf-8")
    (out / "silicon.yaml").write_text(study.stored(), encoding="utf-8")
