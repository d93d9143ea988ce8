"""`cimest validate`: our numbers beside the references."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cimest.cli.common import console, json_option, print_json

if TYPE_CHECKING:
    from cimest.validate import Row


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for a figure of how circuits scale from 130 to 7 nm."
)
@json_option
def validate(out: Path | None, as_json: bool) -> None:
    """Show our numbers beside those of another tool and of published converters.

    The exit code is 0 whether rows hold or not.
    """
    from cimest.validate import validate as compared

    rows = compared()
    if out is not None:
        from cimest.report.scaling import write

        write(out)
    if as_json:
        print_json([row.plain() for row in rows])
    else:
        _print(rows)


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
