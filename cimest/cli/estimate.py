"""`cimest estimate`: price an experiment without training."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cimest.cli.common import console, experiment_arguments, json_option, print_json, quiet_option


@click.command()
@experiment_arguments
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results; without it nothing is written.")
@click.option("--activity", metavar="FILE", help="Recorded activity, instead of the assumed one.")
@quiet_option
@json_option
def estimate(
    experiment: str, overrides: tuple[str, ...], out: Path | None, activity: str | None, quiet: bool, as_json: bool
) -> None:
    """Price one training step of EXPERIMENT with recorded or assumed activity."""
    from cimest.config import load
    from cimest.run import estimate as estimate_experiment

    if activity is not None:
        overrides = (*overrides, f"activity={json.dumps(activity)}")
    result = estimate_experiment(load(experiment, overrides), out)
    if as_json:
        print_json(result)
    elif not quiet:
        from cimest.report.tables import print_result

        print_result(result, console())
