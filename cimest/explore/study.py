"""A whole sweep: cost of every point, training where it matters, the front, and what explains what."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cimest
from cimest.activity import Activity
from cimest.config import ConfigError, Experiment
from cimest.config.loader import resolved
from cimest.explore.axes import Axis
from cimest.explore.cost import Table, figures, price_space
from cimest.explore.front import pareto, sensitivities
from cimest.explore.limits import beyond
from cimest.explore.metrics import METRICS
from cimest.explore.space import Space
from cimest.explore.sweep import Sweep
from cimest.explore.trainings import Trainings
from cimest.explore.workers import Here, Workers
from cimest.pricing import price_experiment
from cimest.report.groups import GROUPS

if TYPE_CHECKING:
    from xarray import Dataset

CHECKED = 16
"""Points of every sweep that are priced once more, each by itself, as if it were an experiment of its own."""

TOLERANCE = 1e-9
"""Relative difference between both above which a sweep is wrong (rounding makes 1e-14 of it)."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Study:
    """What a sweep found.

    Parameters
    ----------
    dataset : xarray.Dataset
        One dimension for each axis (of a search: one of all points), a variable for each metric.
    summary : dict
        What sweep.json holds.
    """

    dataset: Dataset
    summary: dict[str, Any]


def run_sweep(
    sweep: Sweep,
    out: Path,
    workers: Workers | None = None,
    memory: float = 1e9,
    shard: tuple[int, int] = (0, 1),
    progress: Progress = lambda what, done, total: None,
) -> Study:
    """Explore all points of a sweep.

    Parameters
    ----------
    sweep : Sweep
    out : Path
        Folder; trainings that it holds are not repeated.
    workers : Workers, optional
        Where trainings run; by default here.
    memory : float
        Limit of what one block of points may take. [byte]
    shard : tuple of int
        See `Trainings`.
    progress : callable

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; each training keeps its last epoch.
    """
    import xarray as xr

    began = time.perf_counter()
    space = Space(sweep, keep_functional=sweep.accuracy is not None)
    _ = space.effects  # every value is loaded here, before the clock of the pricing starts
    table, refused, reasons, seconds = _priced(space, lambda experiment: None, memory, progress)
    rate = space.size / seconds
    trainings = None
    if sweep.accuracy is not None:
        trainings = Trainings(
            sweep.accuracy,
            out / "trainings",
            workers or Here(),
            shard,
            lambda done, all_: progress("trainings", done, all_),
        )
        hopeful = feasible(sweep, table, refused, cost_only=True)
        trainings.run(c.experiment for c in space.combinations() if c.experiment and hopeful[c.index].any())
        table, refused, reasons, _ = _priced(space, trainings.activity, memory, progress)
        refused, reasons = _add_learnt(space, trainings, table, refused, reasons)
    good = feasible(sweep, table, refused)
    table["feasible"] = good
    table["front"] = pareto({name: np.where(good, table[name], np.nan) for name in sweep.objectives}, sweep.objectives)
    variables, coords = to_table(space, table, refused, tuple(axis.name for axis in sweep.axes))
    activity_of = trainings.activity if trainings else lambda experiment: None
    summary = {
        **described(sweep, space),
        "points": space.size,
        "refused": {reason: int((refused == 1 + i).sum()) for i, reason in enumerate(reasons)},
        "feasible": int(good.sum()),
        "beyond_limits": beyond(sweep.limits, table, refused),
        "front": int(table["front"].sum()),
        "points_per_second": rate,
        "looped": [axis.name for axis in space.looped],
        "check": check(space, table, refused, activity_of),
        "sensitivities": explained(sweep, table),
        "trainings": trainings.summary() if trainings else None,
        "seconds": time.perf_counter() - began,
        "peak_memory_bytes": peak_memory(),
    }
    return Study(xr.Dataset(variables, coords=coords), summary)


def _priced(
    space: Space, activity_of: Callable[[Experiment], Activity | None], memory: float, progress: Progress
) -> tuple[Table, np.ndarray, tuple[str, ...], float]:
    """As `price_space`, with the seconds that it took."""
    done, start = 0, time.perf_counter()

    def count(points: int) -> None:
        nonlocal done
        done += points
        progress("designs priced", done, space.size)

    table, refused, reasons = price_space(space, activity_of, memory, count)
    return table, refused, reasons, time.perf_counter() - start


def _add_learnt(
    space: Space, trainings: Trainings, table: Table, refused: np.ndarray, reasons: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Enter accuracies; configurations that training refuses are refused."""
    names = ("accuracy", "accuracy_std", "epochs")
    for name in names:
        table[name] = np.full(space.shape, np.nan)
    found = list(reasons)
    for combination in space.combinations():
        if combination.experiment is None:
            continue
        for name, value in zip(names, trainings.accuracy(combination.experiment), strict=True):
            here = refused[combination.index]
            table[name][combination.index] = np.where(here == 0, value, np.nan)
        if (error := trainings.error(combination.experiment)) is not None:
            found += [error] if error not in found else []
            refused[combination.index] = np.where(here == 0, 1 + found.index(error), here)
            for values in table.values():
                values[combination.index] = np.nan
    return refused, tuple(found)


def feasible(sweep: Sweep, table: Table, refused: np.ndarray, cost_only: bool = False) -> np.ndarray:
    """Points that keep all limits; those on what only training tells are left out with `cost_only`."""
    good = refused == 0
    for name, limit in sweep.limits.items():
        if name not in table:
            if not cost_only:
                good &= False
            continue
        with np.errstate(invalid="ignore"):
            good &= table[name] >= (-np.inf if limit.min is None else limit.min)
            good &= table[name] <= (np.inf if limit.max is None else limit.max)
    return good


def check(
    space: Space, table: Table, refused: np.ndarray, activity_of: Callable[[Experiment], Activity | None]
) -> dict[str, Any]:
    """Price some points once more, each read and priced by itself.

    Returns
    -------
    dict
        `points` and `largest_difference`, relative, over all metrics.

    Raises
    ------
    RuntimeError
        If a point differs: an axis was broadcast that must not be.
    """
    rng = np.random.default_rng(0)
    places = [np.unravel_index(i, space.shape) for i in rng.choice(space.size, min(CHECKED, space.size), replace=False)]
    largest = 0.0
    for place in (tuple(int(i) for i in place) for place in places):
        try:
            experiment = space.point(place)
            single = figures(experiment, price_experiment(experiment, activity_of(experiment)), False)
        except (ConfigError, ValueError) as error:
            if refused[place] == 0:
                raise RuntimeError(
                    f"point {place} is refused by itself and was priced in the sweep: {error}"
                ) from error
            continue
        if refused[place] > 0:
            if "accuracy" in table:  # training refuses more than pricing does
                continue
            raise RuntimeError(f"point {place} is good by itself and was refused in the sweep")
        for name, value in single.items():
            value, swept = float(value), float(table[name][place])
            difference = 0.0 if value == swept else abs(swept - value) / abs(value)
            if not difference <= TOLERANCE:
                raise RuntimeError(f"{name} of point {place} is {swept!r} in the sweep and {value!r} by itself")
            largest = max(largest, difference)
    return {"points": len(places), "largest_difference": largest}


def explained(sweep: Sweep, table: Table) -> dict[str, dict[str, dict[str, float | None]]]:
    """Objective to axis to the share of its variance that the axis explains alone (`first`) and with others (`total`).

    Of a cost the logarithm is taken, since costs multiply (our choice).
    """
    found = {}
    for name in sweep.objectives:
        values = np.asarray(table[name], float)
        if name != "accuracy":
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.where(values > 0, np.log(values), np.nan)
        first, total = sensitivities(np.where(np.isfinite(values), values, np.nan))
        found[name] = {
            axis.name: {"first": _number(one), "total": _number(all_)}
            for axis, one, all_ in zip(sweep.axes, first, total, strict=True)
        }
    return found


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def peak_memory() -> int:
    """The most memory that this process has held. [byte]"""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def described(sweep: Sweep, space: Space) -> dict[str, Any]:
    return {
        "name": sweep.name,
        "version": cimest.__version__,
        "experiment": resolved(space.base),
        "axes": {axis.name: {"labels": list(axis.labels), "unit": axis.unit} for axis in sweep.axes},
        "objectives": dict(sweep.objectives),
        "limits": {name: limit.model_dump() for name, limit in sweep.limits.items()},
    }


def coordinates(axis: Axis, alone: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Coordinates along an axis: its labels, and of paths that move together the value of each."""
    labels: list[Any] = list(axis.labels)
    if any(isinstance(label, str) for label in labels):
        labels = [label if isinstance(label, str) else f"{label:g}" for label in labels]
    found = {axis.name: labels}
    if axis.name not in axis.paths:
        for path in axis.paths:
            values = [point.get(path) for point in alone]
            if all(isinstance(value, (int, float)) for value in values):
                found[path] = values
    return found


def to_table(
    space: Space, table: Table, refused: np.ndarray, dims: tuple[str, ...], places: np.ndarray | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and coordinates of a dataset.

    Parameters
    ----------
    dims : tuple of str
        Of the values: the axes, or a single one of all points.
    places : array of int, shape (points, axes), optional
        Number of each point along each axis, where the points are no grid.
    """
    coords: dict[str, Any] = {}
    for a, (axis, alone) in enumerate(zip(space.sweep.axes, space.alone, strict=True)):
        for name, along in coordinates(axis, alone).items():
            coords.setdefault(
                name, (axis.name, along) if places is None else ("point", np.asarray(along)[places[:, a]])
            )
    variables: dict[str, Any] = {"refused": (dims, refused, {"long_name": "0, or the number of the reason"})}
    for name, values in table.items():
        if ":" not in name:
            metric = METRICS.get(name)
            attributes = {"units": metric.unit, "long_name": metric.text} if metric else {}
            variables[name] = (dims, values, attributes)
    for stem in ("energy_by_group_j", "area_by_group_mm2"):
        if f"{stem}:{GROUPS[0].name}" in table:
            stacked = np.stack([table[f"{stem}:{group.name}"] for group in GROUPS], axis=-1)
            variables[stem] = ((*dims, "group"), stacked)
            coords["group"] = [group.name for group in GROUPS]
    return variables, coords
