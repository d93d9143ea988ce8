"""`cimest sweep`: explore many designs at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cimest.cli.common import console, json_option, print_json, quiet_option, set_option

if TYPE_CHECKING:
    from cimest.explore.study import Study


def _shard(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, int]:
    """`2/8` becomes (1, 8)."""
    if text is None:
        return 0, 1
    number, _slash, total = text.partition("/")
    if not (number.isdigit() and total.isdigit() and 1 <= int(number) <= int(total)):
        raise click.BadParameter(f"{text!r} is not of the form 2/8, from 1/8 to 8/8")
    return int(number) - 1, int(total)


@click.command()
@click.argument("sweep", metavar="SWEEP", type=click.Path(path_type=Path))
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results.  [default: runs/NAME]")
@click.option("--workers", type=click.IntRange(1), help="Processes that train.  [default: one for each core]")
@click.option("--scheduler", metavar="ADDRESS", help="Train on the dask cluster of this scheduler.")
@click.option("--shard", metavar="I/N", callback=_shard, help="Train only the I-th of N parts; see `cimest merge`.")
@click.option("--memory", metavar="SIZE", default="1 GB", show_default=True, help="Limit of a block of designs.")
@quiet_option
@json_option
def sweep(
    sweep: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    workers: int | None,
    scheduler: str | None,
    shard: tuple[int, int],
    memory: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Price every design of the file SWEEP, and train those that learn differently.

    Started again with the same folder, it continues: no training is lost, and none is run twice. Axes, objectives and
    limits may have changed; the folder of a sweep of another experiment is refused.
    """
    from cimest.explore.store import prepare
    from cimest.explore.sweep import read_sweep
    from cimest.explore.workers import make
    from hwlib.units import parse

    read = read_sweep(sweep, overrides)
    limit = parse(memory, "byte")
    if shard != (0, 1) and (read.accuracy is None or read.search is not None):
        raise click.UsageError("--shard shares trainings out; this sweep has none that are known beforehand")
    folder = out or Path("runs") / sweep.stem
    prepare(read, folder)
    chosen = make(workers or (os.cpu_count() or 1), scheduler if read.accuracy else None)
    study = explore(read, folder, chosen, limit, shard, shown=not (quiet or as_json))
    if as_json:
        from cimest.result import plain

        print_json(plain(study.summary))
    elif not quiet:
        show(study, folder)


def explore(read: Any, folder: Path, workers: Any, memory: float, shard: tuple[int, int], shown: bool) -> Study:
    """Run a sweep or a search with a progress bar, and write its folder."""
    from rich import progress
    from rich.console import Console

    from cimest.explore.report import write_report
    from cimest.explore.store import write

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn())
    times = (progress.TimeElapsedColumn(), progress.TextColumn("left"), progress.TimeRemainingColumn())
    with progress.Progress(*columns, *times, console=Console(stderr=True), disable=not shown) as bar:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        try:
            if read.search is not None:
                from cimest.explore.search import search

                study = search(read, folder, workers, update)
            else:
                from cimest.explore.study import run_sweep

                study = run_sweep(read, folder, workers, memory, shard, update)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{folder} keeps every finished training and epoch; start it again") from None
    write(study, folder)
    if shard == (0, 1):  # a shard alone shows nothing that is not misleading
        write_report(folder)
    return study


def show(study: Study, folder: Path) -> None:
    """What a sweep found, in a few lines."""
    from rich.table import Table

    from cimest.explore.axes import short
    from cimest.explore.figures import counted
    from cimest.explore.limits import sentences
    from cimest.explore.report import cell
    from cimest.explore.store import flat
    from cimest.report.headline import number

    summary, out = study.summary, console()
    out.print(
        f"{counted(summary['points'], 'design')}, {summary['feasible']} within the limits, "
        f"{summary['front']} on the front; {number(summary['points_per_second'])} designs priced a second"
    )
    for sentence in sentences(summary):
        out.print(sentence, markup=False)
    for reason, count in summary["refused"].items():
        if count:
            out.print(f"{count} refused: {reason}", markup=False)
    if trained := summary["trainings"]:
        left = f", {trained['left_out']} left out" if trained["left_out"] else ""
        out.print(f"{counted(trained['distinct'], 'distinct training')}, {trained['run_now']} run now{left}")
    frame = flat(study.dataset)
    names = [*summary["axes"], *summary["objectives"]]
    first = next(iter(summary["objectives"]))
    best = frame[frame["front"]].sort_values(first, ascending=summary["objectives"][first] == "min").head(12)
    table = Table(*(short(name).replace(".", "\n").replace("_", " ") for name in names), box=None)
    for row in best[names].itertuples(index=False):
        table.add_row(*(cell(name, value, summary) for name, value in zip(names, row, strict=True)))
    if table.rows:
        out.print(table)
    out.print(f"results: {folder}")
