"""One network from training to old age: learned with Tiki-Taka, extracted, written into phase-change memory, aged.

    python examples/programming/workflow.py --out runs/workflow

The same by hand: `cimest run`, `cimest extract` and `cimest program`; what each step costs and is worth is printed and
left in `OUT/workflow.md` and `OUT/workflow.svg`.
"""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from cimest.cli.main import main as cimest
from cimest.programming.figures import time_label
from cimest.report.figures import DOUBLE, MM, save, style
from hwlib.units import pretty

EXAMPLES = Path(__file__).parents[1]

TARGET = (
    "{base: pcm_mushroom, read_voltage: 0.2 V, read_time: 250 ns, access_voltage: 1.1 V, write_voltage: 2 V, "
    "pulse_width: 100 ns, states: 64, cell_width: 20, cell_height: 8}"
)
"""The published cell, whose pulses and size are not published: they are assumed here, so that there is a price."""


@dataclass(frozen=True)
class Step:
    """What a step left and took: test accuracies, one for each writing of the network, energy [J] and time [s]."""

    name: str
    accuracy: np.ndarray | None = None
    energy: float | None = None
    time: float | None = None


def answer(*arguments: str) -> dict[str, Any]:
    """The JSON value of a command."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        done = cimest([*arguments, "--json"])
    if done:
        raise SystemExit(done)
    return json.loads(printed.getvalue())


def steps(trained: dict[str, Any], extracted: dict[str, Any], programmed: dict[str, Any]) -> list[Step]:
    """All steps in order."""
    costs, epochs = trained["metrics"], len(trained["history"])
    energy, time = costs["training_energy_j"], costs["training_time_s"]
    written = programmed["cost"]["optimised"]["network"]
    accuracy = np.array(programmed["accuracy"]["optimised"]["accuracy"])
    read = f"extracted, {extracted['readings']} readings"
    return [
        Step("trained with Tiki-Taka", np.array([trained["accuracy"]["test"]]), energy, time),
        Step("one more epoch, between readings", None, energy / epochs, time / epochs),
        Step(read, np.array([extracted["accuracy"]["mean"]]), extracted["energy_j"], extracted["time_s"]),
        Step("written", None, written["write_energy_j"], written["write_time_s"]),
        Step("verified", None, written["verify_energy_j"], written["verify_time_s"]),
        *(
            Step(f"after {time_label(time)}", values)
            for time, values in zip(programmed["times_s"], accuracy.T, strict=True)
        ),
        Step("read-outs against drift", None, written["compensation_energy_j"], written["compensation_time_s"]),
    ]


def table(done: list[Step]) -> str:
    """Markdown."""
    lines = ["| step | test accuracy % | energy J | time s |", "|---|---|---|---|"]
    for step in done:
        shown = "" if step.accuracy is None else f"{100 * step.accuracy.mean():.2f}"
        if step.accuracy is not None and len(step.accuracy) > 1:
            shown += f" ± {100 * step.accuracy.std():.2f}"
        costs = ("" if value is None else f"{value:.3g}" for value in (step.energy, step.time))
        lines.append(f"| {step.name} | {shown} | {' | '.join(costs)} |")
    return "\n".join(lines)


def figure(done: list[Step], path: Path) -> None:
    """Accuracy from step to step, and what the steps take."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    tested = [(step.name, 100 * step.accuracy) for step in done if step.accuracy is not None]
    priced = [step for step in done if step.energy is not None]
    with style():
        drawing = Figure(figsize=(DOUBLE, 70 * MM))
        first, second, third = drawing.subplots(1, 3, width_ratios=(1.5, 1, 1))
        places = np.arange(len(tested))
        means, spreads = [values.mean() for _, values in tested], [values.std() for _, values in tested]
        first.errorbar(places, means, spreads, fmt="o-", capsize=1.5, elinewidth=0.7, color="#332288")
        first.set_xticks(places, [name for name, _ in tested], rotation=35, ha="right", rotation_mode="anchor")
        first.set_ylabel("Test accuracy (%)")
        first.set_title(f"Bars: deviation over {len(tested[-1][1])} writings")
        first.grid(axis="y")
        places = np.arange(len(priced))[::-1]
        for axes, what, unit in ((second, "energy", "J"), (third, "time", "s")):
            axes.plot([getattr(step, what) for step in priced], places, "o", color="#332288")
            axes.set_xscale("log")
            axes.margins(x=0.12)
            axes.xaxis.set_major_locator(LogLocator(numticks=4))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _, unit=unit: pretty(value, unit)))
            axes.set_ylim(-0.5, len(priced) - 0.5)
            axes.set_title(f"{what.capitalize()} of each step")
            axes.grid(axis="both")
        second.set_yticks(places, [step.name for step in priced])
        third.set_yticks(places, [""] * len(priced))
        for kind in ("svg", "png"):
            path.with_suffix(f".{kind}").write_bytes(save(drawing, kind))


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--set", "changes", multiple=True, help="path=value, of the training")
@click.option("--repeats", default=25, show_default=True, help="programmings")
def main(out: Path, changes: tuple[str, ...], repeats: int) -> None:
    overrides = [text for change in changes for text in ("--set", change)]
    trained = answer("run", str(EXAMPLES / "fcn_tiki_taka.yaml"), *overrides, "--out", str(out))
    extracted = answer("extract", str(out), "--out", str(out / "mean.npz"))
    settings = {"device": TARGET, "weights.file": str(out / "mean.npz"), "window": "1", "repeats": str(repeats)}
    chosen = [text for name, value in settings.items() for text in ("--set", f"programming.{name}={value}")]
    done = steps(trained, extracted, answer("program", str(out), *chosen, "--out", str(out / "programming")))
    (out / "workflow.md").write_text(table(done) + "\n")
    figure(done, out / "workflow")
    click.echo(table(done))


if __name__ == "__main__":
    main()
