"""Which training rule copes with which device and converter: accuracy, writes and energy, each with its own step size.

    python examples/momentum/study.py mlp --cifar FOLDER --out runs/momentum

For every device and rule the step size is chosen on 5 000 training images that are held out, from the same number of
candidates, with exact converters; then three seeds train on all of them and are tested on the test images. Trainings
are kept by content in `OUT/trainings`: a study that was stopped goes on where it was, and one with more seeds, devices
or converters adds to it. `--search-set dataset.train=10000` makes the search of a large network cheaper, and
`--again-set dataset.train=50000` tries the two best step sizes of each again, if they are close: longer trainings like
smaller ones.
`--telling "+6/-6; error feedback; exact"` gives all seeds to that cell alone, and one to the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from matplotlib import rc_context
from rich.console import Console

from cimest.config import Experiment, load
from cimest.estimate import calibrated, factors, price
from cimest.explore import rates
from cimest.explore.figures import figure_of, scale_log
from cimest.explore.trainings import Trainings
from cimest.pricing import Priced, build_rule, training_samples
from cimest.report.figures import DOUBLE, INK, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HERE = Path(__file__).parent
HELD_OUT = 5000

EXACT = "chip.backward_adc={kind: ideal}"
LABEL = "chip.device.update={{law: nonlinearity_label, up: {0}, down: -{1}}}"
DEVICES = {
    "ideal": ("chip.device=ideal",),
    "+1.75/-1.46": (LABEL.format(1.75, 1.46),),
    "+3/-3": (LABEL.format(3, 3),),
    "+6/-6": (),
    "+6/-6, 32 states": ("chip.device.states=32",),
    "+6/-6, cycle to cycle 1 %": ("chip.device.cycle_to_cycle.sigma=0.01",),
    "+6/-6, labels spread by 0.6": ("chip.device.update.device_to_device=0.6",),
}
"""Changes to the device of the experiment file, which is +6/-6 with 64 states and 0.3 % from cycle to cycle."""

RULES = {
    "sgd": "{name: sgd}",
    "momentum": "{name: momentum}",
    "momentum, gamma 0.99": "{name: momentum, gamma: 0.99}",
    "momentum, max, nearest": "{name: momentum, normalise: max, rounding: nearest}",
    "error feedback": "{name: error_feedback}",
    "momentum + error feedback": "{name: error_feedback, gamma: 0.9}",
}
CONVERTERS = {
    "exact": (),
    **{f"forward {bits} bits": (f"chip.adc={{kind: sar, bits: {bits}}}", EXACT) for bits in (6, 5, 4)},
    **{f"backward {bits} bits": (f"chip.backward_adc={{kind: sar, bits: {bits}}}",) for bits in (6, 5, 4)},
}
"""Changes to the converters, which are exact in the experiment file."""

COLOURS = dict(zip(RULES, ("#999999", "#0072B2", "#56B4E9", "#CC79A7", "#D55E00", "#009E73"), strict=True))
MARKS = dict(zip(DEVICES, "osD^v<>", strict=True))

PUBLISHED = "momentum, max, nearest"
RATES = (0.002, 0.0032, 0.005, 0.008, 0.0125, 0.02, 0.03, 0.05, 0.08)
SCALED = {PUBLISHED: 16.0}
"""Factors on the candidates: rounding to the nearest pulse fires none below half a pulse of the largest average."""


@dataclass(frozen=True)
class Cell:
    """One rule on one device with one kind of converters."""

    device: str
    rule: str
    converter: str = "exact"

    @classmethod
    def named(cls, text: str) -> Cell:
        """From its device, rule and converters, separated by `;`.

        Raises
        ------
        click.BadParameter
            If one is missing or unknown.
        """
        names = text.split(";")
        if len(names) != 3:
            raise click.BadParameter(f"{text!r} is no device, rule and converters separated by `;`")
        kinds = (DEVICES, "device"), (RULES, "rule"), (CONVERTERS, "converter")
        return cls(*(rates.chosen(name, *kind)[0] for name, kind in zip(names, kinds, strict=True)))

    def experiment(self, base: Path, changes: Iterable[str], rate: float) -> Experiment:
        """With a step size."""
        of_its_own = [
            *changes,
            *DEVICES[self.device],
            *CONVERTERS[self.converter],
            f"training.rule={RULES[self.rule]}",
            f"training.learning_rate.start={rate * SCALED.get(self.rule, 1.0)}",
        ]
        return load(base, of_its_own)


@dataclass(frozen=True)
class Outcome:
    """What a rule reaches on a device.

    Parameters
    ----------
    rate : float
        Step size, before `SCALED`.
    at_an_end : bool
        Whether it is the first or the last candidate, so that one beyond may be better.
    accuracy, deviation : float
        Mean and standard deviation over the seeds; not a number of one. [%]
    written : float
        Cells written by an update, of all cells. [%]
    energy : float
        Of the whole training, at the system boundary. [J]
    share : float
        Of the rule's digital matrices and circuits in it, with what they leak. [%]
    """

    rate: float
    at_an_end: bool
    accuracy: float
    deviation: float
    written: float
    energy: float
    share: float


def outcome(runs: Trainings, experiment: Experiment, rate: float, candidates: Sequence[float]) -> Outcome:
    """Accuracy from the trainings, energy from what they made the hardware do."""
    accuracy, deviation = rates.reached(runs, experiment)
    priced, activity, energy = rates.priced(runs, experiment)
    weights = {layer.name: layer.weights for layer in priced.network.matrices}
    written = sum(weights[name] * (one.updated_up + one.updated_down) for name, one in activity.layers.items())
    return Outcome(
        rate=rate,
        at_an_end=rates.at_an_end(rate, candidates),
        accuracy=100 * accuracy,
        deviation=100 * deviation,
        written=100 * written / sum(weights.values()),
        energy=energy,
        share=100 * rules_energy(priced, experiment) * training_samples(experiment) / energy,
    )


def rules_energy(priced: Priced, experiment: Experiment) -> float:
    """Energy of a training sample that the rule's own parts take, and its words in DRAM. [J]"""
    rule, chip, names = build_rule(experiment), experiment.chip, priced.estimate.layers
    actions = [one for layer in priced.network.matrices for one in rule.actions(layer, chip, experiment.training.batch)]
    acting = calibrated(
        price(actions, priced.parts, priced.tech, names, overlap=True), factors(chip.calibration), priced.parts
    )
    own = rule.parts(priced.network, chip)
    leaking = (v for (_, _, part), v in priced.estimate.leakage_energy().items() if part in own)
    return float(sum(acting.energy.values()) + sum(leaking))


def table(outcomes: dict[Cell, Outcome], console: Console, out: Path) -> None:
    """Print and write all outcomes, with the gap to the best rule on the ideal device."""
    ideal = max(
        (one.accuracy for cell, one in outcomes.items() if cell.device == "ideal" and cell.converter == "exact"),
        default=float("nan"),
    )
    columns = [
        "device",
        "rule",
        "converters",
        "step",
        "accuracy %",
        "±",
        "gap",
        "cells written %",
        "training mJ",
        "rule's share %",
    ]
    rows = []
    for cell, one in outcomes.items():
        row = [cell.device, cell.rule, cell.converter, f"{one.rate * SCALED.get(cell.rule, 1):g}{'!' * one.at_an_end}"]
        row += [f"{one.accuracy:.2f}", f"{one.deviation:.2f}", f"{ideal - one.accuracy:.2f}", f"{one.written:.3f}"]
        rows.append([*row, f"{1e3 * one.energy:.4g}", f"{one.share:.1f}"])
    rates.write_table(columns, rows, out / "study.csv", console)
    console.print("!: the first or the last candidate, so that one beyond may be better")


def figure(outcomes: dict[Cell, Outcome], path: Path) -> None:
    """Accuracy against energy of the training, and, if converters were compared, against their bits in each pass."""
    several = len({cell.converter for cell in outcomes}) > 1
    drawing, (panels,) = figure_of(DOUBLE, (0.4 if several else 0.55) * DOUBLE, columns=1 + several, sharey=True)
    by_energy(outcomes, panels[0])
    if several:
        by_bits(outcomes, panels[1])
    for axes in panels:
        axes.grid(True)
    panels[0].set_ylabel("test accuracy (%)")
    for name in dict.fromkeys(cell.rule for cell in outcomes):
        shares = [round(one.share) for cell, one in outcomes.items() if (cell.rule, cell.converter) == (name, "exact")]
        several = f"{min(shares)}" if min(shares) == max(shares) else f"{min(shares)} to {max(shares)}"
        panels[-1].plot([], [], "s", color=COLOURS[name], label=f"{name}, {several} % of the energy")
    for name in dict.fromkeys(cell.device for cell in outcomes):
        face = "none" if name == "ideal" else INK
        panels[-1].plot([], [], MARKS[name], color=INK, markerfacecolor=face, label=name)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    for ending in ("svg", "png"):
        drawing.savefig(path.with_suffix(f".{ending}"), dpi=200, bbox_inches="tight")


def look(cell: Cell) -> dict[str, Any]:
    """A colour for each rule, a mark for each device, which is filled if the device is not ideal."""
    colour, marker = COLOURS[cell.rule], MARKS[cell.device]
    if cell.device == "ideal":
        return {"color": colour, "marker": marker, "markerfacecolor": "none"}
    return {"color": colour, "marker": marker, "markeredgecolor": "white", "markeredgewidth": 0.5, "markersize": 6}


def by_energy(outcomes: dict[Cell, Outcome], axes: Axes) -> None:
    """Accuracy against the energy of the whole training, with exact converters."""
    for cell, one in outcomes.items():
        if cell.converter == "exact":
            axes.errorbar(1e3 * one.energy, one.accuracy, np.nan_to_num(one.deviation), ls="", **look(cell))
    axes.set_xlabel("energy of the training, with DRAM, without converters (mJ)")
    scale_log(axes, "x")


def by_bits(outcomes: dict[Cell, Outcome], axes: Axes) -> None:
    """Accuracy against the bits of the converter of one pass, that of the other being exact."""
    numbers = {name: int(name.split()[1]) if name != "exact" else 8 for name in CONVERTERS}
    for device, rule in dict.fromkeys((cell.device, cell.rule) for cell in outcomes):
        for way, line in (("forward", "-"), ("backward", ":")):
            places = {
                numbers[cell.converter]: one
                for cell, one in outcomes.items()
                if (cell.device, cell.rule) == (device, rule) and cell.converter.split()[0] in ("exact", way)
            }
            bits = sorted(places)
            accuracies = [places[bit].accuracy for bit in bits]
            axes.errorbar(
                bits, accuracies, [np.nan_to_num(places[bit].deviation) for bit in bits], ls=line,
                **look(Cell(device, rule)),
            )  # fmt: skip
    axes.plot([], [], "-", color=INK, label="bits of the forward pass")
    axes.plot([], [], ":", color=INK, label="bits of the backward pass")
    ticks = sorted(set(numbers.values()))
    axes.set_xticks(ticks, [f"{bit}" if bit < 8 else "exact" for bit in ticks])
    axes.set_xlabel("bits of the converter")


@click.command(help=__doc__)
@click.argument("network", type=click.Choice(["mlp", "vgg8"]))
@click.option("--cifar", help="folder with the files of CIFAR-10; default: the cache of `cimest data fetch cifar10`")
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--seeds", default=3, show_default=True)
@click.option(
    "--telling", multiple=True, help="device; rule; converters that get all seeds, the others one  [default: all]"
)
@click.option("--devices", help="names separated by `;`, of " + "; ".join(DEVICES))
@click.option("--rules", help="names separated by `;`, of " + "; ".join(RULES))
@click.option("--converters", default="exact", help="names separated by `;`, of " + "; ".join(CONVERTERS))
@click.option(
    "--rates", "candidates", help="candidate step sizes separated by `;`  [default: " + "; ".join(map(str, RATES)) + "]"
)
@click.option("--set", "changes", multiple=True, help="path=value, for the whole study")
@click.option("--search-set", "search_changes", multiple=True, help="path=value, for the step-size search alone")
@click.option("--again-set", "again_changes", multiple=True, help="path=value, for a second search where two are close")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True)
def main(
    network: str, cifar: str | None, out: Path, seeds: int, telling: tuple[str, ...], devices: str | None,
    rules: str | None, converters: str, candidates: str | None, changes: tuple[str, ...],
    search_changes: tuple[str, ...], again_changes: tuple[str, ...], jobs: int,
) -> None:  # fmt: skip
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the processes to come, each of which has one core
    out.mkdir(parents=True, exist_ok=True)
    base, common = HERE / f"{network}.yaml", [*changes, *([f"dataset.path={cifar}"] if cifar else [])]
    pairs = [
        Cell(device, rule)
        for device in rates.chosen(devices, DEVICES, "device")
        for rule in rates.chosen(rules, RULES, "rule")
    ]
    cells = [
        replace(pair, converter=converter)
        for converter in rates.chosen(converters, CONVERTERS, "converter")
        for pair in pairs
    ]
    told = [Cell.named(text) for text in telling] or cells
    for cell in told:
        if cell not in cells:
            raise click.BadParameter(f"{cell} is not compared", param_hint="--telling")
    console, held_out, steps = Console(width=150), f"dataset.validation={HELD_OUT}", rates.numbers(candidates) or RATES
    tried: dict[Cell, dict[float, float]] = {}
    still: dict[Cell, Sequence[float]] = dict.fromkeys(pairs, steps)
    for own in (search_changes, again_changes)[: 2 if again_changes else 1]:
        made = {
            pair: lambda rate, pair=pair, own=own: pair.experiment(base, [*common, held_out, *own], rate)
            for pair in still
        }
        with rates.trainings(out / "trainings", 1, jobs, console, "step sizes") as runs:
            tried |= rates.search(runs, made, still)
        still = {pair: close for pair in pairs if len(close := rates.finalists(tried[pair])) > 1}
    best = {cell: rates.best(tried[replace(cell, converter="exact")]) for cell in cells}
    experiments = {cell: cell.experiment(base, common, best[cell]) for cell in cells}
    outcomes = {}
    for repeats, which in ((seeds, told), (1, [cell for cell in cells if cell not in told])):
        with rates.trainings(out / "trainings", repeats, jobs, console, "seeds") as final:
            final.run(experiments[cell] for cell in which)
        outcomes |= {cell: outcome(final, experiments[cell], best[cell], steps) for cell in which}
    outcomes = {cell: outcomes[cell] for cell in cells}
    table(outcomes, console, out)
    with rc_context(STYLE):
        figure(outcomes, out / "study")


if __name__ == "__main__":
    main()
