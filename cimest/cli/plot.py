"""`cimest plot`: draw the figures of a sweep again, with other axes or metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cimest.cli.common import json_option, print_json

FIGURES = ("pareto", "precision", "heatmap", "parallel", "roofline", "breakdown", "sensitivity")


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.argument("figure", type=click.Choice(FIGURES), required=False)
@click.option("--x", "horizontal", metavar="NAME", help="Axis or metric along the horizontal.")
@click.option("--y", "vertical", metavar="NAME", help="Axis or metric along the vertical.")
@click.option("--metric", metavar="NAME", help="Metric of a heat map.")
@click.option("--colour", metavar="NAME", help="Axis that tells the points of a front apart.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the figures.  [default: FOLDER/figures]")
@json_option
def plot(
    folder: Path,
    figure: str | None,
    horizontal: str | None,
    vertical: str | None,
    metric: str | None,
    colour: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Draw one figure of the sweep in FOLDER, or without a name all of them, as SVG, PDF and PNG."""
    from cimest.explore.report import draw, save_all
    from cimest.explore.store import read
    from cimest.result import make_folder

    options = {"x": horizontal, "y": vertical, "metric": metric, "colour": colour}
    chosen: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if chosen and figure is None:
        raise click.UsageError(f"--{next(iter(chosen))} needs the name of a figure: {', '.join(FIGURES)}")
    swept, target = read(folder), out or folder / "figures"
    make_folder(target)
    written = [str(path) for path in save_all(draw(*swept, only=figure, **chosen), target)]
    if as_json:
        print_json(written)
    else:
        click.echo("\n".join(written))
