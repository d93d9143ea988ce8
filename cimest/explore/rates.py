"""Training rules compared fairly: each at the step size that is best for it on held-out data, of equal candidates."""

from __future__ import annotations

import csv
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np

from cimest.activity import Activity
from cimest.config import Experiment
from cimest.estimate import energies
from cimest.explore.sweep import Accuracy
from cimest.explore.training import Record
from cimest.explore.trainings import Trainings
from cimest.explore.workers import make
from cimest.pricing import Priced, price_experiment, training_samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

Cell = TypeVar("Cell", bound=Hashable)

CLOSE = 0.03
"""Accuracies that a short search cannot tell apart (our choice): two deviations of a share of 5 000 images are 0.014,
and seeds differ by as much again."""


@contextmanager
def trainings(folder: Path, repeats: int, jobs: int, console: Console, what: str) -> Iterator[Trainings]:
    """Trainings of so many seeds that are kept in a folder, with a bar while they run."""
    from rich.progress import Progress

    with Progress(console=console) as bar:
        task = bar.add_task(what)

        def count(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield Trainings(Accuracy(repeats=repeats), folder, make(jobs, None), progress=count)


def search(
    runs: Trainings,
    cells: Mapping[Cell, Callable[[float], Experiment]],
    rates: Mapping[Cell, Iterable[float]],
    merit: Callable[[Record], float] = lambda epoch: epoch["test_accuracy"],
) -> dict[Cell, dict[float, float]]:
    """What each cell reaches at all of its candidates, all trained at once, with one seed each.

    Parameters
    ----------
    runs : Trainings
    cells : mapping
        What is compared to its experiment at a step size, which has to be tested on held-out training data.
    rates : mapping
        Each of them to its candidates.
    merit : callable
        Of the last epoch, the more the better.

    Raises
    ------
    RuntimeError
        If a training is refused.
    """
    candidates = {cell: {rate: made(rate) for rate in rates[cell]} for cell, made in cells.items()}
    runs.run(one for tried in candidates.values() for one in tried.values())

    def last(experiment: Experiment) -> float:
        reached(runs, experiment)  # which says what has failed
        return merit(runs.records(experiment)[0]["history"][-1])

    return {cell: {rate: last(one) for rate, one in tried.items()} for cell, tried in candidates.items()}


def best(tried: Mapping[float, float]) -> float:
    """The candidate with the highest accuracy; of equals the smallest."""
    return max(sorted(tried), key=lambda rate: tried[rate])


def finalists(tried: Mapping[float, float]) -> list[float]:
    """The best candidate, and the second one if it is so close that longer trainings have to tell them apart."""
    best, *others = sorted(sorted(tried), key=lambda rate: -tried[rate])
    return [best, *(rate for rate in others[:1] if tried[best] - tried[rate] < CLOSE)]


def at_an_end(rate: float, candidates: Iterable[float]) -> bool:
    """Whether it is the first or the last of several candidates, so that one beyond may be better."""
    given = sorted(candidates)
    return len(given) > 1 and rate in (given[0], given[-1])


def reached(runs: Trainings, experiment: Experiment) -> tuple[float, float]:
    """Mean accuracy of all seeds after the last epoch, and its standard deviation.

    Raises
    ------
    RuntimeError
        If a training is refused, or missing.
    """
    accuracy, deviation, _ = runs.accuracy(experiment)
    if np.isnan(accuracy):
        raise RuntimeError(f"a training failed: {runs.error(experiment)}")
    return accuracy, deviation


def priced(runs: Trainings, experiment: Experiment) -> tuple[Priced, Activity, float]:
    """The price of a training with what it made the hardware do, that, and the whole training's energy with DRAM. [J]

    Raises
    ------
    RuntimeError
        If a training is refused, or missing.
    """
    reached(runs, experiment)
    activity = runs.activity(experiment)
    assert activity is not None, "see reached"
    found = price_experiment(experiment, activity)
    return found, activity, float(energies(found.estimate)["system"]) * training_samples(experiment)


def write_table(columns: list[str], rows: Iterable[list[Any]], file: Path, console: Console | None = None) -> None:
    """Write rows as CSV, and print them."""
    from rich.table import Table

    shown = Table(*columns)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(row)
            shown.add_row(*map(str, row))
    if console:
        console.print(shown)


def chosen(names: str | None, known: Iterable[str], what: str) -> list[str]:
    """Names of an option, separated by `;`; all if it is not given.

    Raises
    ------
    click.BadParameter
        If one is unknown.
    """
    given = [name.strip() for name in names.split(";")] if names else list(known)
    for name in given:
        if name not in known:
            raise click.BadParameter(f"no {what} is named {name!r} (allowed: {'; '.join(known)})")
    return given


def numbers(text: str | None) -> list[float]:
    """Numbers of an option, separated by `;`; none if it is not given.

    Raises
    ------
    click.BadParameter
        If one is none.
    """
    try:
        return [float(part) for part in text.split(";")] if text else []
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers separated by `;`") from None
