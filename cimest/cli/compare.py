"""`cimest compare`: what differs between two designs, and a waterfall from one to the other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cimest.cli.common import console, json_option, print_json


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="[B]", type=click.Path(path_type=Path), required=False)
@click.option("--set", "both", multiple=True, metavar="PATH=VALUE", help="Replace a value in both.")
@click.option("--with", "only", multiple=True, metavar="PATH=VALUE", help="Replace a value in B only.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the waterfall's figure and data.")
@json_option
def compare(
    first: Path, second: Path | None, both: tuple[str, ...], only: tuple[str, ...], out: Path | None, as_json: bool
) -> None:
    """Compare the experiments or finished runs A and B; without B, A with the changes of `--with`."""
    from cimest.compare import side, waterfall
    from cimest.estimate import metrics
    from cimest.pricing import digital_reference, price_experiment, training_samples
    from cimest.result import plain

    one, activity = side(first, both)
    other, other_activity = side(second or first, (*both, *only))
    steps = waterfall(one, other, activity, other_activity)
    figures = []
    for experiment, measured in ((one, activity), (other, other_activity)):
        priced = price_experiment(experiment, measured)
        device, batch, samples = experiment.chip.device, experiment.training.batch, training_samples(experiment)
        infers = experiment.training.kind == "none"
        figures.append(metrics(priced.estimate, priced.network, device, priced.activity, batch, samples, infers))
    # Beside both stands what a digital accelerator with the node, bits and buffers of B takes to train.
    try:
        reference = None if infers else digital_reference(other, priced)
    except ValueError:
        reference = None
    answer = plain({"steps": [asdict(step) for step in steps], "metrics": figures, "reference": {"digital": reference}})
    if out is not None:
        from cimest.report.waterfall import write

        write(steps, answer, out)
    if as_json:
        print_json(answer)
    else:
        _print(steps, figures, reference)


def _print(steps: list[Any], figures: list[dict[str, Any]], reference: dict[str, Any] | None) -> None:
    from rich.table import Table

    from cimest.compare import shown_apart
    from cimest.report.headline import number
    from hwlib.units import pretty

    table = Table("choice", "A", "B", "energy per sample", "change", "latency", "change", box=None)
    before = steps[0]
    for step in steps:
        changes = (pretty(step.energy - before.energy, "J"), pretty(step.latency - before.latency, "s"))
        named = step.choice or "A"
        values = shown_apart(step.choice, step.before, step.after) if step.choice else ("", "")
        energy, latency = pretty(step.energy, "J"), pretty(step.latency, "s")
        moved = changes if step.choice else ("", "")
        table.add_row(named, *values, energy, moved[0], latency, moved[1])
        before = step
    console().print(table)
    beside = Table("", "A", "B", "B/A", *(["digital, as B"] if reference else []), box=None)
    for key in ("energy_per_sample_j", "latency_per_sample_s", "area_mm2", "leakage_w", "throughput_tops"):
        one, other = (float(entry[key]) for entry in figures)
        third = [number(float(reference[key]))] if reference else []
        beside.add_row(key, number(one), number(other), number(other / one), *third)
    for boundary in figures[0]["efficiency_tops_per_w"]:
        one, other = (float(entry["efficiency_tops_per_w"][boundary]) for entry in figures)
        third = [number(float(reference["efficiency_tops_per_w"][boundary]))] if reference else []
        beside.add_row(f"TOPS/W, {boundary}", number(one), number(other), number(other / one), *third)
    for name, entry in zip("AB", figures, strict=True):
        slowest, power = entry["bottleneck"], entry["power_w"]
        beside.add_row(f"sets the time of {name}", *([""] * (name == "B")), f"{slowest['resource']}")
        beside.add_row(
            f"peak power of {name}", *([""] * (name == "B")), f"{pretty(float(power['peak']), 'W')}, {power['peak_at']}"
        )
    console().print(beside)
