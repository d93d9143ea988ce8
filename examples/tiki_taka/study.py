"""Training rules on noisy devices of few states: accuracy and energy, each rule at the step size that suits it best.

    python examples/tiki_taka/study.py fcn --mnist FOLDER --out runs/tiki_taka

`fcn` compares all rules on devices of 10 to 1 200 states, sample by sample on MNIST; `tolerance` takes the first and
the second version of Tiki-Taka through more noise of pulses and of reads; `lstm` tells the next character of War and
Peace. The step size is chosen on 5 000 training images, or 1 000 sequences of characters, that are held out, from the
same candidates for all and over as many epochs: a search over fewer samples finds step sizes that are too large. Then
every seed trains on all of them and is tested on test data. Trainings are kept by content in `OUT/trainings`: a study
that was stopped goes on where it was, and one with more rules, states, candidates or seeds adds to it. A training of
`fcn` takes a minute or two of a core.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import click
import numpy as np
from figures import COLOURS, energy_figure, epochs_figure
from reference import train
from rich.console import Console

from cimest.config import Experiment, load
from cimest.explore import rates
from cimest.explore.training import Record
from cimest.report.figures import save, style

HERE = Path(__file__).parent

FLOAT, WORDS = "float", "words"
"""Plain descent without a chip, and on one without noise: in words of 8 bits between exact arrays. Neither is priced:
the one has no chip, and converters of the other are free."""

EXACT = ("training.rule=sgd", "chip.device=ideal", "chip.adc={kind: ideal}", "chip.backward_adc={kind: ideal}",
         "chip.periphery={kind: bit_serial}", "chip.weight_gradient={unit: digital}")  # fmt: skip

STATES = (10, 20, 50, 1200)

OF_A_STEP = 0.3
"""Noise of a pulse from cycle to cycle, over the step of a pulse (rasch2024fast)."""
OF_A_READ = 1.275
"""Noise of a read: 0.06 full inputs, in steps of the converter (rasch2024fast)."""

HELD_OUT = 5000
REFERENCES = FLOAT, WORDS
FAMILY = tuple(rule for rule in COLOURS if rule not in REFERENCES)


@dataclass(frozen=True)
class Cell:
    """A rule on a device.

    Parameters
    ----------
    rule : str
    states : int
        Of the device; 0 for the reference, which has no steps.
    cycle, read : float
        Noise of pulses and of reads over that of the experiment file.
    """

    rule: str
    states: int
    cycle: float = 1.0
    read: float = 1.0

    def changes(self) -> list[str]:
        """To the experiment file."""
        if self.rule in REFERENCES:
            return list(EXACT)
        return [
            f"training.rule={self.rule}",
            f"chip.device.states={self.states}",
            f"chip.device.cycle_to_cycle.sigma={self.cycle * OF_A_STEP / self.states:g}",
            *(f"chip.{adc}.noise={self.read * OF_A_READ:g}" for adc in ("adc", "backward_adc")),
        ]


@dataclass(frozen=True)
class Study:
    """A network with its data, and what of it the search takes.

    Parameters
    ----------
    base : Path
        Experiment file.
    common, searching : tuple of str
        Changes for all trainings, and for those of the search alone.
    rules : tuple of str
    states : tuple of int
    rates : tuple of float
        What is compared unless the options say otherwise.
    by_loss : bool
        Whether the loss tells step sizes apart, and not the accuracy.
    """

    base: Path
    common: tuple[str, ...]
    searching: tuple[str, ...]
    rules: tuple[str, ...]
    states: tuple[int, ...]
    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1)
    by_loss: bool = False

    def experiment(self, cell: Cell, rate: float, searching: bool = False) -> Experiment:
        """With a step size; in the search, tested on what is held out of the training data."""
        own = [*cell.changes(), f"training.learning_rate.start={rate}"]
        return load(self.base, [*self.common, *own, *(self.searching if searching else ())])

    def merit(self, epoch: Record) -> float:
        """What an epoch of a search reached on the data held out: the accuracy, or less the loss."""
        return -epoch["test_loss"] if self.by_loss else epoch["test_accuracy"]


@dataclass(frozen=True)
class Outcome:
    """What a rule reaches on a device.

    Parameters
    ----------
    tried : dict
        Step size to `Study.merit`.
    accuracy : array, shape (seeds, epochs)
        On test data. [%]
    bits : array, shape (seeds, epochs)
        Loss on test data. [bit]
    energy : float
        Of the whole training, with DRAM; not a number without a chip. [J]
    """

    tried: dict[float, float]
    accuracy: np.ndarray
    bits: np.ndarray
    energy: float

    @classmethod
    def of(cls, tried: dict[float, float], histories: list[list[Record]], energy: float = np.nan) -> Outcome:
        """From the histories of all seeds."""
        accuracy, loss = (
            np.array([[epoch[name] for epoch in history] for history in histories])
            for name in ("test_accuracy", "test_loss")
        )
        return cls(tried, 100 * accuracy, loss / np.log(2), energy)

    @property
    def last(self) -> tuple[float, float]:
        """Mean accuracy of the seeds after the last epoch, and its standard deviation. [%]"""
        last = self.accuracy[:, -1]
        return float(last.mean()), float(last.std(ddof=1)) if len(last) > 1 else np.nan

    @property
    def rate(self) -> float:
        """The step size that was taken."""
        return rates.best(self.tried)


def compare(
    study: Study, cells: list[Cell], candidates: list[float], seeds: int, jobs: int, out: Path, console: Console
) -> dict[Cell, Outcome]:
    """Search, train and price."""
    folder, found = out / "trainings", {}
    for cell in cells:
        if cell.rule == FLOAT:
            tried = {rate: study.merit(train(study.experiment(cell, rate, True), folder)[-1]) for rate in candidates}
            final = study.experiment(cell, rates.best(tried))
            repeats = [final.model_copy(update={"seed": final.seed + i}) for i in range(seeds)]
            found[cell] = Outcome.of(tried, [train(one, folder) for one in repeats])
    on_chip = [cell for cell in cells if cell.rule != FLOAT]
    made = {cell: lambda rate, cell=cell: study.experiment(cell, rate, True) for cell in on_chip}
    with rates.trainings(folder, 1, jobs, console, "step sizes") as runs:
        searched = rates.search(runs, made, dict.fromkeys(made, candidates), study.merit)
    finals = {cell: study.experiment(cell, rates.best(searched[cell])) for cell in on_chip}
    with rates.trainings(folder, seeds, jobs, console, "seeds") as runs:
        runs.run(finals.values())
    for cell, experiment in finals.items():
        energy = rates.priced(runs, experiment)[2] if cell.rule not in REFERENCES else np.nan  # of free converters
        found[cell] = Outcome.of(searched[cell], [one["history"] for one in runs.records(experiment)], energy)
    return found


def table(found: dict[Cell, Outcome], console: Console, out: Path, what: str) -> None:
    """Print and write all outcomes with the gap to the first reference, and write what each epoch reached."""
    reference = next((one.last[0] for cell, one in found.items() if cell.rule in REFERENCES), np.nan)
    device = ["rule", "states", "pulse noise x", "read noise x"]
    columns = [*device, "step", "accuracy %", "±", "gap", "bits", "training mJ", "on data held out, by step"]
    rows, epochs = [], []
    for cell, one in found.items():
        named = [cell.rule, cell.states or "", f"{cell.cycle:g}", f"{cell.read:g}"]
        mean, deviation = one.last
        row = [*named, f"{one.rate:g}{'!' * rates.at_an_end(one.rate, one.tried)}", f"{mean:.2f}", f"{deviation:.2f}"]
        row += [f"{reference - mean:.2f}", f"{one.bits[:, -1].mean():.3f}", f"{1e3 * one.energy:.4g}"]
        rows.append([*row, " ".join(f"{rate:g}: {held_out(merit)}" for rate, merit in one.tried.items())])
        means = zip(one.accuracy.mean(axis=0), one.bits.mean(axis=0), strict=True)
        epochs += [[*named, number, f"{a:.3f}", f"{b:.4f}"] for number, (a, b) in enumerate(means, 1)]
    rates.write_table(columns, rows, out / f"{what}.csv", console)
    rates.write_table([*device, "epoch", "accuracy %", "bits"], epochs, out / f"{what}_epochs.csv")
    console.print("!: the first or the last candidate, so that one beyond may be better")


def held_out(merit: float) -> str:
    """An accuracy, or a loss, whose merit is below zero, for people."""
    return f"{100 * merit:.1f} %" if merit >= 0 else f"{-merit / np.log(2):.3f} bit"


def cells_of(what: str, rules: Sequence[str], states: Sequence[int]) -> list[Cell]:
    """What a study compares."""
    if what == "tolerance":
        noises = [(1.0, 1.0), (10.0, 1.0), (100.0, 1.0), (1.0, 10.0)]
        return [Cell(rule, count, *noise) for noise, rule, count in product(noises, rules, states)]
    return [
        *(Cell(rule, 0) for rule in rules if rule in REFERENCES),
        *(Cell(rule, count) for rule, count in product(rules, states) if rule not in REFERENCES),
    ]


FULL_MNIST = ("dataset={name: mnist}",)
SEARCH = (f"dataset.validation={HELD_OUT}",)
FCN = HERE.parent / "fcn_tiki_taka.yaml"
STUDIES = {
    "fcn": Study(FCN, FULL_MNIST, SEARCH, (FLOAT, *FAMILY), STATES),
    "tolerance": Study(FCN, FULL_MNIST, SEARCH, ("tiki_taka", "tiki_taka_v2"), STATES),
    "lstm": Study(
        FCN,
        (
            "network={name: lstm, embedding: 32, hidden: 64, depth: 2}",
            "dataset={name: war_and_peace, steps: 32, train: 20000, test: 500}",
            "training.batch=16",
            "chip.array.rows=128",
        ),
        ("dataset.validation=1000",),
        (FLOAT, WORDS, "sgd", "tiki_taka_v2", "agad"),
        (20,),
        (0.01, 0.03, 0.1, 0.3),
        by_loss=True,
    ),
}


@click.command(help=__doc__)
@click.argument("what", type=click.Choice(list(STUDIES)))
@click.option("--mnist", help="folder with the files of MNIST; default: the cache of `cimest data fetch mnist`")
@click.option("--text", help="War and Peace as a text file")
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--rules", help="names separated by `;`, of " + "; ".join(COLOURS))
@click.option("--states", help="numbers separated by `;`  [default: 20 for lstm, else 10; 20; 50; 1200]")
@click.option(
    "--rates",
    "candidates",
    help="candidate step sizes separated by `;`  [default: 0.003; 0.01; 0.03; 0.1, for lstm 0.01; 0.03; 0.1; 0.3]",
)
@click.option("--epochs", type=int, help="default: those of the experiment file")
@click.option("--set", "changes", multiple=True, help="path=value, for the whole study")
@click.option("--search-set", "searching", multiple=True, help="path=value, for the step-size search alone")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True)
def main(
    what: str, mnist: str | None, text: str | None, out: Path, seeds: int, rules: str | None, states: str | None,
    candidates: str | None, epochs: int | None, changes: tuple[str, ...], searching: tuple[str, ...], jobs: int,
) -> None:  # fmt: skip
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the processes to come, each of which has one core
    out.mkdir(parents=True, exist_ok=True)
    path = text if what == "lstm" else mnist
    common = [f"dataset.path={path}"] if path else []
    common += [f"training.epochs={epochs}"] if epochs else []
    study = STUDIES[what]
    study = replace(study, common=(*study.common, *common, *changes), searching=(*study.searching, *searching))
    counts = [int(count) for count in rates.numbers(states)] or study.states
    named = rates.chosen(rules, COLOURS, "rule") if rules else study.rules
    steps = rates.numbers(candidates) or list(study.rates)
    console = Console(width=180)
    found = compare(study, cells_of(what, named, counts), steps, seeds, jobs, out, console)
    table(found, console, out, what)
    with style():
        drawings = {what: energy_figure(found), f"{what}_epochs": epochs_figure(found)}
        for name, drawing in drawings.items():
            for kind in ("svg", "png"):
                (out / f"{name}.{kind}").write_bytes(save(drawing, kind))


if __name__ == "__main__":
    main()
