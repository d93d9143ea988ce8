"""`cimest compare`: what differs between two designs, and a waterfall from one to the other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cimest.cli.common import console, json_option, print_json

if TYPE_CHECKING:
    from cimest.compare import Side, Step

SHOWN = {
    "accuracy": ("Test accuracy", "%"),
    "energy_per_sample_j": ("Energy per sample", "J"),
    "latency_per_sample_s": ("Latency per sample", "s"),
    "training_energy_j": ("Training energy", "J"),
    "training_time_s": ("Training time", "s"),
    "area_mm2": ("Area", "mm²"),
    "leakage_w": ("Leakage", "W"),
    "throughput_tops": ("Throughput", "TOPS"),
    "efficiency_macro": ("Efficiency, macro", "TOPS/W"),
    "efficiency_chip": ("Efficiency, chip", "TOPS/W"),
    "efficiency_system": ("Efficiency, system", "TOPS/W"),
}
"""Figures of merit of a design or run, and their names and units as `cimest run` prints them."""


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
    from cimest.result import make_folder

    if second is None and not only:
        raise click.UsageError("there is nothing to compare A with: name B, or say with --with what B has otherwise")
    one, other = side(first, both), side(second or first, (*both, *only))
    if out is not None:
        make_folder(out)
    steps = waterfall(one.experiment, other.experiment, one.activity, other.activity)
    answer = _answer(steps, (one, other))
    if out is not None:
        from cimest.report.waterfall import write

        samples = {"inference" if of.infers else "training sample" for of in (one, other)}
        write(steps, answer, out, samples.pop() if len(samples) == 1 else "sample")
    if as_json:
        print_json(answer)
    else:
        _print(steps, answer)


def _answer(steps: list[Step], sides: tuple[Side, Side]) -> dict[str, Any]:
    """Everything that is compared, as `--json` prints it."""
    from cimest.estimate import metrics
    from cimest.pricing import digital_reference, price_experiment
    from cimest.result import plain

    figures = []
    for of in sides:
        priced = price_experiment(of.experiment, of.activity)
        device, batch = of.experiment.chip.device, of.experiment.training.batch
        figures.append(metrics(priced.estimate, priced.network, device, priced.activity, batch, of.samples, of.infers))
    # Beside both stands what a digital accelerator with the node, bits and buffers of B takes to train.
    try:
        reference = None if of.infers else digital_reference(of.experiment, priced)
    except ValueError:
        reference = None
    return plain(
        {
            "steps": [asdict(step) for step in steps],
            "accuracy": [of.accuracy for of in sides],
            "metrics": figures,
            "reference": {"digital": reference},
        }
    )


def _print(steps: list[Step], answer: dict[str, Any]) -> None:
    from rich.table import Table

    from cimest.compare import shown_apart
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
    reference = answer["reference"]["digital"]
    beside = Table("", "A", "B", "B/A", *(["digital, as B"] if reference else []), box=None)
    for row in _rows(answer):
        beside.add_row(*row[: len(beside.columns)])
    console().print(beside)


def _rows(answer: dict[str, Any]) -> list[list[str]]:
    """Name, A, B, B over A, and the digital accelerator, of each figure of merit that A or B has."""
    from cimest.report.groups import label
    from cimest.report.headline import number, place
    from hwlib.units import pretty

    one, other = (_flat(*of) for of in zip(answer["metrics"], answer["accuracy"], strict=True))
    reference = answer["reference"]["digital"]
    third = _flat(reference) if reference else {}
    rows = []
    for key, (name, unit) in SHOWN.items():
        before, after, digital = (of.get(key) for of in (one, other, third))
        if before is not None or after is not None:
            ratio = number(after / before) if before and after is not None else ""
            rows.append([name, _text(before, unit), _text(after, unit), ratio, _text(digital, unit, "")])
    powers = [entry["power_w"] for entry in answer["metrics"]]
    peaks = (f"{pretty(power['peak'], 'W')}, {place(power['peak_at'])}" for power in powers)
    rows.append(["Peak power", *peaks, number(powers[1]["peak"] / powers[0]["peak"])])
    rows.append(["Bottleneck", *(label(entry["bottleneck"]["resource"]) for entry in answer["metrics"])])
    return rows


def _flat(figures: dict[str, Any], accuracy: dict[str, float] | None = None) -> dict[str, Any]:
    """Figures of merit by the keys of `SHOWN`, and others."""
    efficiency = {f"efficiency_{name}": value for name, value in figures["efficiency_tops_per_w"].items()}
    return figures | efficiency | {"accuracy": accuracy and accuracy["test"]}


def _text(value: float | None, unit: str, absent: str = "–") -> str:
    """A figure of merit with its unit."""
    from cimest.report.headline import duration, number
    from hwlib.units import pretty

    if value is None:
        return absent
    if unit == "%":
        return f"{100 * value:.2f} %"
    if unit == "s":
        return duration(value)
    return pretty(value, unit) if unit in ("J", "W") else f"{number(value)} {unit}"
