"""`cimest validate`: our numbers beside the references."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cimest.cli.common import console, json_option, print_json

if TYPE_CHECKING:
    from cimest.validate import Row
    from cimest.validate.silicon import Silicon


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the page of published chips (silicon.html), and a figure of how circuits scale from 130 to 7 nm.",
)
@json_option
def validate(out: Path | None, as_json: bool) -> None:
    """Show our numbers beside those of another tool, of published converters and of published chips.

    The exit code is 0 whether rows hold or not.
    """
    from cimest.validate import validate as compared
    from cimest.validate.silicon import silicon

    if out is not None:
        from cimest.result import make_folder

        make_folder(out)
    rows, study = compared(), silicon()
    if out is not None:
        from cimest.report import scaling
        from cimest.report import silicon as report

        scaling.write(out)
        report.write(study, out)
    if as_json:
        print_json([row.plain() for row in rows] + [row.plain() for row in study.rows])
    else:
        _print(rows)
        _print_silicon(study)


def _print(rows: list[Row]) -> None:
    from rich.markup import escape
    from rich.table import Table

    out = console()
    for group, members in groupby(rows, key=lambda row: row.group):
        table = Table(box=None, title=f"[bold]{escape(group)}[/]", title_justify="left", padding=(0, 2, 0, 0))
        table.add_column("")
        for head in ("ours", "reference", "", "ratio", "allowed", "holds"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("note", ratio=1)
        for row in members:
            numbers = f"{row.ours:.4g}", f"{row.reference:.4g}", row.unit, f"{row.ratio:.2f}"
            allowed = f"{row.low:.2f}-{row.high:.2f}"
            table.add_row(row.name, *numbers, allowed, "yes" if row.holds else "no", escape(row.note))
        out.print(table, "")
    out.print(f"{sum(row.holds for row in rows)} of {len(rows)} rows hold")


def _print_silicon(study: Silicon) -> None:
    from rich.markup import escape
    from rich.table import Table

    from cimest.validate.silicon import UNITS

    out = console()
    for chip, members in groupby(study.rows, key=lambda row: row.figure.chip):
        table = Table(box=None, title=f"[bold]silicon, {chip}[/]", title_justify="left", padding=(0, 2, 0, 0))
        table.add_column("")
        for head in ("published", "", "physics", "calibrated", "left out", "share", "range"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("note", ratio=1)
        for row in members:
            figure, (unit, scale) = row.figure, UNITS[row.figure.quantity]
            ratios = (f"{value / figure.published:.2f}" for value in (row.raw, row.fitted, row.left_out))
            span = f"{row.low / scale:.3g}-{row.high / scale:.3g}" if row.low and row.high else ""
            share = f"{100 * row.share:.0f}/{100 * row.our_share:.0f} %"
            name = f"{figure.point or figure.quantity}: {figure.name}"
            table.add_row(name, f"{figure.published / scale:.4g}", unit, *ratios, share, span, escape(row.note))
        out.print(table, "")
    heading = "[bold]silicon, factors[/] of all chips, and without each; * informed by one chip alone"
    table = Table(box=None, title=heading, title_justify="left", padding=(0, 2, 0, 0))
    for head in ("", "all", *study.others):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for name, chips in study.informed.items():
        values = (f"{getattr(one, name):.3g}" for one in (study.factors, *study.others.values()))
        table.add_row(f"{name} *" if len(chips) == 1 else name, *values)
    out.print(table, "")
    for name, value in study.summary().items():
        out.print(f"{name.replace('_', ' ')}: {value:.3g}")
