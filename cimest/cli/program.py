"""`cimest program`: write trained weights into devices the best way, and see what time does to them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import click

from cimest.cli.common import console, experiment_arguments, json_option, print_json, quiet_option

FORMATS = ("svg", "png", "pdf")


@click.command()
@experiment_arguments
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the results.  [default of a run: RUN/programming]"
)
@quiet_option
@json_option
def program(experiment: str, overrides: tuple[str, ...], out: Path | None, quiet: bool, as_json: bool) -> None:
    """Optimise how weights are written into analog memory, and read them over time.

    EXPERIMENT is an experiment, whose section `programming` names a density or a file of weights, or the folder of a
    run, whose trained network is programmed, aged and tested.
    """
    from rich.console import Console
    from rich.progress import Progress

    from cimest.config import load
    from cimest.programming.study import study
    from cimest.programming.trained import from_run, with_programming
    from cimest.result import make_folder

    folder, trained = Path(experiment), None
    if folder.is_dir():
        trained, out = from_run(folder), out or folder / "programming"
        loaded = with_programming(trained.experiment, overrides)
    else:
        loaded = load(experiment, overrides, fitting=False)
    if out is not None:
        make_folder(out)
    with Progress(console=Console(stderr=True), disable=quiet or as_json, transient=True) as progress:
        task = progress.add_task("programming", total=None)
        found = study(loaded, trained, lambda what: progress.update(task, description=what, advance=1))
    if out is not None:
        _write(found, out)
    if as_json:
        print_json(found.result)
    elif not quiet:
        _print(found, out)


def _write(found: Any, out: Path) -> None:
    """programming.json, the strategies, error.csv, accuracy.csv and the figures."""
    from cimest.programming.figures import figures
    from cimest.programming.table import save_table
    from cimest.report.figures import save

    (out / "figures").mkdir(parents=True, exist_ok=True)
    (out / "programming.json").write_text(json.dumps(found.result, indent=2, allow_nan=False) + "\n")
    for layer, comparison in found.comparisons.items():
        for way, entry in comparison.ways.items():
            name = "strategy" if len(found.comparisons) == 1 else f"strategy_{layer}"
            save_table(entry.strategy, out / f"{name}_{way}.csv")
    times = found.moments.times
    with (out / "error.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["way", "time_s", "rms"])
        for way, values in found.result["error"]["rms"].items():
            writer.writerows([way, time, value] for time, value in zip(times, values, strict=True))
    if found.aged:
        with (out / "accuracy.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["way", "repeat", "time_s", "loss", "accuracy"])
            for way, aged in found.aged.items():
                for (repeat, number), loss in _entries(aged.loss):
                    writer.writerow([way, repeat, times[number], loss, float(aged.accuracy[repeat, number])])
    for name, figure in figures(found).items():
        for kind in FORMATS:
            (out / "figures" / f"{name}.{kind}").write_bytes(save(figure, kind))


def _entries(values: Any) -> Any:
    import numpy as np

    return ((place, float(value)) for place, value in np.ndenumerate(values))


def _print(found: Any, out: Path | None) -> None:
    from rich.table import Table

    from cimest.programming.figures import LABELS, time_label

    screen, result = console(), found.result
    first, times = next(iter(found.comparisons.values())), [time_label(time) for time in found.moments.times]
    screen.print(
        f"Weight error on {result['device']}: rms in % of the largest weight; E, its mean square over the times"
    )
    table = Table("way", "F", "E (1e-4)", *times, box=None)
    single = len(found.comparisons) == 1
    for entry in first.rules if single else []:
        _row(table, f"{LABELS[entry.rule]}", entry)
    for way, entry in first.ways.items() if single else []:
        _row(table, LABELS[way] + (f" ({LABELS[entry.rule]})" if entry.rule else ""), entry)
    for way, rms in [] if single else result["error"]["rms"].items():
        table.add_row(LABELS[way], "", f"{1e4 * result['error'][way]:.3f}", *[f"{100 * value:.3f}" for value in rms])
    screen.print(table)
    naive, best = result["error"]["naive"], result["error"]["optimised"]
    screen.print(
        f"optimised against the best hand rule at its own best F: E {100 * (best / naive - 1):+.1f} %, "
        f"rms {100 * ((best / naive) ** 0.5 - 1):+.1f} %"
    )
    if first.certificate is not None:
        screen.print(
            f"certificate, found numerically: a denser scan gains {100 * first.certificate.rescan:.3f} % of E, "
            f"free compensation {100 * first.certificate.compensation:.2f} %"
        )
    for way, price in result["cost"].items():
        array = price.get("array")
        priced = (
            f"; one array: {array['write_energy_j']:.3g} J and {array['write_time_s']:.3g} s"
            if array
            else f"; no energy: {price['absent']['array']}"
        )
        if network := price.get("network"):
            written = sum(network.get(f"{what}_energy_j", 0.0) for what in ("write", "verify"))
            lasted = sum(network.get(f"{what}_time_s", 0.0) for what in ("write", "verify"))
            priced += (
                f"; all {network['arrays']:.0f}: {written:.3g} J and {lasted:.3g} s, and {price['read_outs']:.0f} "
                f"read-outs {network['compensation_energy_j']:.3g} J and {network['compensation_time_s']:.3g} s"
            )
        screen.print(
            f"cost, {LABELS[way]}: {price['raised_per_weight']:.2f} of {price['devices_per_weight']} devices of a "
            f"weight raised, {price['writes_per_device']:.2f} writes each{priced}"
        )
    if found.aged:
        _print_accuracy(screen, found, times)
    for warning in result["warnings"]:
        screen.print(f"note: {warning}")
    if out is not None:
        screen.print(f"written to {out}")


def _row(table: Any, name: str, entry: Any) -> None:
    factors = " ".join(f"{factor:.3g}" for factor in entry.strategy.encoding.significance[:-1]) or "–"
    table.add_row(
        name, factors, f"{1e4 * entry.error.mean_square:.3f}", *[f"{100 * value:.3f}" for value in entry.error.rms]
    )


def _print_accuracy(screen: Any, found: Any, times: list[str]) -> None:
    from rich.table import Table

    from cimest.programming.figures import LABELS

    trained = found.result["as_trained"]
    screen.print(
        f"Test accuracy in %, mean ± deviation over programmings; as trained {100 * trained['accuracy']:.2f}, "
        f"loss {trained['loss']:.4f}"
    )
    table = Table("way", "", *times, box=None)
    for way, aged in found.aged.items():
        for what, factor, digits in (("accuracy", 100, 2), ("loss", 1, 4)):
            values = factor * getattr(aged, what)
            cells = [f"{m:.{digits}f} ± {s:.{digits}f}" for m, s in zip(values.mean(0), values.std(0), strict=True)]
            table.add_row(LABELS[way] if what == "accuracy" else "", what, *cells)
    screen.print(table)
