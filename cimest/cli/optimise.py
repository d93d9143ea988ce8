"""`cimest optimise-dataflow`: the best schedule and buffer sizes for an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cimest.cli.common import console, experiment_arguments, json_option, print_json, quiet_option

UNITS = {"energy": "J", "latency": "s", "energy_delay": "J s"}
"""Of what is made small, per sample."""


@click.command()
@experiment_arguments
@click.option(
    "--objective", type=click.Choice(list(UNITS)), default="energy", show_default=True, help="Of a sample, with DRAM."
)
@click.option("--area", metavar="AREA", help="Largest area of the chip, such as '25 mm^2'.")
@click.option("--buffers", metavar="SIZE", help="Largest size of all buffers together, such as '4 MiB'.")
@click.option("--quick", is_flag=True, help="Change one choice at a time only, not two.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the best experiment and its result.")
@quiet_option
@json_option
def optimise_dataflow(
    experiment: str,
    overrides: tuple[str, ...],
    objective: str,
    area: str | None,
    buffers: str | None,
    quick: bool,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search schedules, circuits and sizes for EXPERIMENT; device, arrays, bits, rule and batch stay."""
    from rich.progress import Progress

    from cimest.config import load
    from cimest.config.loader import dump_yaml
    from cimest.explore.dataflow import optimise
    from cimest.result import make_folder
    from cimest.run import estimate
    from hwlib.units import parse, pretty

    given = load(experiment, overrides)
    if given.training.kind == "none":
        raise click.UsageError("the dataflow of a training step is searched; with `training: none` there is none")
    if out is not None:
        make_folder(out)
    with Progress(console=_stderr(), disable=quiet or as_json, transient=True) as progress:
        task = progress.add_task("designs", total=None)

        def look(points: int, best: float) -> None:
            progress.update(task, description=f"{points} designs, best {pretty(best, UNITS[objective])}")

        found = optimise(
            given,
            objective=objective,
            area_limit=parse(area, "m^2") if area else None,
            buffer_limit=parse(buffers, "bit") if buffers else None,
            quick=quick,
            progress=look,
        )
    best = estimate(found.best, out)
    if out is not None:
        (out / "experiment.yaml").write_text(dump_yaml(found.best))
    if as_json:
        answer = {"best": best, "objective": found.objective, "start": found.start, "points": found.points}
        print_json({**answer, "feasible": found.feasible, "mattered": found.mattered, "in_array": found.in_array})
    elif not quiet:
        _print(given, found, objective)


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _print(given: Any, found: Any, objective: str) -> None:
    from rich.table import Table

    from cimest.compare import differences, shown_apart, spelled
    from hwlib.units import pretty

    out, unit = console(), UNITS[objective]
    out.print(
        f"{found.points} designs, {found.feasible} within the limits; {objective} per sample, at the system boundary"
    )
    start, end = pretty(found.start, unit), pretty(found.objective, unit)
    out.print(f"given {start}, best {end}: {found.start / found.objective:.3g} times better")
    changes = Table("choice", "given", "best", box=None)
    for path, before, after in differences(spelled(given), spelled(found.best)):
        changes.add_row(path, *shown_apart(path, before, after))
    out.print(changes)
    mattered = Table("choice of the best", "worst other value", box=None)
    for path, ratio in found.mattered.items():
        mattered.add_row(path, f"x {ratio:.3g}")
    out.print(mattered)
    if found.in_array is not None:
        out.print(
            f"apart: an update in the arrays, by sgd after each sample and without a weight-gradient pass: "
            f"{pretty(found.in_array, unit)}"
        )
