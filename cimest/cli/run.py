"""`cimest run`: train and price an experiment."""

from __future__ import annotations

from pathlib import Path

import click

from cimest.cli.common import console, experiment_arguments, json_option, print_json, quiet_option


@click.command()
@experiment_arguments
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results.  [default: runs/NAME]")
@quiet_option
@json_option
def run(experiment: str, overrides: tuple[str, ...], out: Path | None, quiet: bool, as_json: bool) -> None:
    """Train the network of EXPERIMENT on its chip, and price it with the activity that was measured."""
    from cimest.config import load
    from cimest.run import run as run_experiment

    loaded = load(experiment, overrides)
    result = run_experiment(loaded, out or Path("runs") / Path(experiment).stem, quiet=quiet or as_json)
    if as_json:
        print_json(result)
    elif not quiet:
        from cimest.report.tables import print_result

        print_result(result, console())
