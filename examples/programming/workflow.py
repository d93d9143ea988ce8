"""One network from training to old age: learned with Tiki-Taka, extracted, written into phase-change memory, aged.

    python examples/programming/workflow.py --out runs/workflow

The same by hand: `cimest run`, `cimest extract` and `cimest program`; printed is what each step costs and is worth.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cimest.cli.main import main as cimest
from cimest.programming.figures import time_label

EXAMPLES = Path(__file__).parents[1]

TARGET = (
    "{base: pcm_mushroom, read_voltage: 0.2 V, read_time: 250 ns, access_voltage: 1.1 V, write_voltage: 2 V, "
    "pulse_width: 100 ns, states: 64, cell_width: 20, cell_height: 8}"
)
"""The published cell, whose pulses and size are not published: they are assumed here, so that there is a price."""


def step(*arguments: str) -> dict[str, Any]:
    """The JSON value of a command."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        done = cimest([*arguments, "--json"])
    if done:
        raise SystemExit(done)
    return json.loads(printed.getvalue())


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--set", "changes", multiple=True, help="path=value, of the training")
@click.option("--repeats", default=25, show_default=True, help="programmings")
def main(out: Path, changes: tuple[str, ...], repeats: int) -> None:
    overrides = [text for change in changes for text in ("--set", change)]
    trained = step("run", str(EXAMPLES / "fcn_tiki_taka.yaml"), *overrides, "--out", str(out))
    extracted = step("extract", str(out), "--out", str(out / "mean.npz"))
    settings = {"device": TARGET, "weights.file": str(out / "mean.npz"), "window": "1", "repeats": str(repeats)}
    chosen = [text for name, value in settings.items() for text in ("--set", f"programming.{name}={value}")]
    programmed = step("program", str(out), *chosen, "--out", str(out / "programming"))

    best, weights = programmed["accuracy"]["optimised"]["accuracy"], programmed["cost"]["optimised"]["network"]
    table = Table("step", "test accuracy %", "energy J", "time s")
    figures = trained["metrics"]
    costs = figures["training_energy_j"], figures["training_time_s"]
    row(table, "trained with Tiki-Taka", trained["accuracy"]["test"], *costs)
    epochs = len(trained["history"])
    row(table, "one more epoch, to be read in", None, *(cost / epochs for cost in costs))
    what = f"extracted: mean of {extracted['readings']} readings"
    row(table, what, extracted["accuracy"]["mean"], extracted["energy_j"], extracted["time_s"])
    for what in ("write", "verify"):
        row(table, f"programmed: {what}", None, weights[f"{what}_energy_j"], weights[f"{what}_time_s"])
    row(table, "read-outs against drift", None, weights["compensation_energy_j"], weights["compensation_time_s"])
    for number, time in enumerate(programmed["times_s"]):
        row(table, f"after {time_label(time)}", sum(repeat[number] for repeat in best) / len(best))
    Console().print(table)


def row(
    table: Table, what: str, accuracy: float | None, energy: float | None = None, time: float | None = None
) -> None:
    """One step."""
    shown = "" if accuracy is None else f"{100 * accuracy:.2f}"
    table.add_row(what, shown, *("" if value is None else f"{value:.3g}" for value in (energy, time)))


if __name__ == "__main__":
    main()
