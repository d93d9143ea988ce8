"""`cimest bench`: each hot loop of the simulator beside its limit on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cimest.cli.common import console, json_option, print_json

if TYPE_CHECKING:
    from cimest.benchmark import Row


@click.command()
@click.option("--training/--no-training", default=True, help="Whether to time training steps of VGG-8, some minutes.")
@json_option
def bench(training: bool, as_json: bool) -> None:
    """Time each hot loop beside its limit, or beside a rival, on this machine.

    CPU times of one thread but for the comparison of two. The exit code is 0 whether rows hold or not.
    """
    from cimest.benchmark import kernels

    rows = kernels()
    if training:
        from cimest.benchmark_training import training as timed

        rows += timed()
    if as_json:
        print_json([row.plain() for row in rows])
    else:
        _print(rows)


def _print(rows: list[Row]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for head in ("figure", "limit", "ratio"):
        table.add_column(head, justify="right", no_wrap=True)
    for head in ("limit is", "goal", "holds"):
        table.add_column(head)
    for row in rows:
        numbers = (f"{value:.3g}" for value in (row.figure, row.limit, row.ratio))
        table.add_row(escape(row.name), *numbers, escape(row.beside), row.goal, "yes" if row.holds else "no")
    console().print(table)
