"""`cimest extract`: weights averaged over late training, and what they are worth elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cimest.cli.common import console, json_option, print_json, quiet_option

WORDS = (3, 4, 6)
"""Bits of the digital copies that are tested."""


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--epochs", type=click.IntRange(1), default=1, help="Epochs that the run goes on for.  [default: 1]")
@click.option("--readings", type=click.IntRange(1), default=20, help="Readings of all weights.  [default: 20]")
@click.option("--rate", type=float, help="Learning rate of these epochs.  [default: the last one of the run]")
@click.option("--device", help="Device that last and mean weights are written to.  [default: the run's own]")
@click.option("--out", type=click.Path(path_type=Path), help="File for the averaged weights (.npz).")
@quiet_option
@json_option
def extract(
    run: Path,
    epochs: int,
    readings: int,
    rate: float | None,
    device: str | None,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Go on with the training in the folder RUN, read its weights again and again, and average them digitally.

    Test the last weights, their mean, the mean in words of a few bits, and both written to other devices.
    """
    if out is not None:
        from cimest.result import make_folder

        if out.suffix != ".npz" or out.is_dir():
            better = out / "weights.npz" if out.is_dir() else out.with_name(f"{out.name}.npz")
            raise click.BadParameter(f"{out} is no .npz file; name one, such as {better}", param_hint="--out")
        make_folder(out.parent)
    found = _extracted(run, epochs, readings, rate, device)
    means = found.pop("means")
    if out is not None:
        import numpy as np

        np.savez(out, **means)
    if as_json:
        print_json(found)
    elif not quiet:
        _print(found, out)


def _extracted(run: Path, epochs: int, readings: int, rate: float | None, device: str | None) -> dict[str, Any]:
    from cimest.config import Experiment
    from cimest.learning import checkpoint
    from cimest.learning.extract import extract as extracted
    from cimest.pricing import price_readings
    from cimest.result import read_result
    from cimest.run import build_trainer
    from hwlib.devices import load_device

    experiment = Experiment.model_validate(read_result(run)["experiment"])
    trained = build_trainer(experiment)
    saved = checkpoint.load(run, trained.identity)
    if saved is None:
        raise FileNotFoundError(
            f"{run} holds no {checkpoint.FILE}; `cimest run EXPERIMENT --out {run}` trains a network"
        )
    if rate is not None and not 0 < rate <= 1000:
        raise click.BadParameter(f"{rate} is no step size (allowed: above 0, to 1000)", param_hint="--rate")
    done = len(saved["history"])
    rate = trained.learning_rate(trained.batches * done - 1) if rate is None else rate
    data = experiment.model_dump(mode="json")
    data["training"] |= {"epochs": done + epochs, "learning_rate": {"start": rate, "schedule": "constant"}}
    longer = Experiment.model_validate(data)
    trainer = build_trainer(longer)
    trainer.restore(saved)
    target = load_device(device) if device else experiment.chip.device
    result = extracted(trainer, readings, WORDS, target)
    energy, seconds = price_readings(longer, result.readings)
    return {
        "accuracy": result.accuracy,
        "learning_rate": rate,
        "readings": result.readings,
        "device": target.name,
        "energy_j": energy,
        "time_s": seconds,
        "means": result.means,
    }


def _print(found: dict[str, Any], file: Path | None) -> None:
    from rich.table import Table

    from hwlib.units import pretty

    table = Table("weights", "test accuracy", box=None)
    for name, share in found["accuracy"].items():
        table.add_row(name.replace("_", " "), f"{100 * share:.2f} %")
    out = console()
    out.print(table)
    out.print(
        f"{found['readings']} readings took {pretty(found['energy_j'], 'J')} and {pretty(found['time_s'], 's')}; "
        f"written to {found['device']}; learning rate {found['learning_rate']:.3g}"
    )
    if file is not None:
        out.print(f"averaged weights: {file}", markup=False)
