"""The cost of many designs at once: blocks of a grid, priced by broadcasting within a memory limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np

from cimest.activity import Activity
from cimest.config import Experiment
from cimest.estimate import metrics
from cimest.explore.metrics import COST, at
from cimest.explore.space import Combination, Space, with_values
from cimest.pricing import Priced, price_experiment, training_samples
from cimest.report.groups import GROUPS, LEAKAGE, group_of

BYTES_PER_ACTION = 40
"""Memory that a point needs for each row of the table of action counts: energy, time, count, and intermediate values
of the same size (measured to be an upper bound; most rows depend on few axes and need less)."""

GROUPED = 20_000
"""Points up to which energy and area are kept by group of components, for the breakdown (our choice)."""

Table = dict[str, np.ndarray]
"""Metric to values of an array of points; energy and area by group have one axis more."""


def figures(experiment: Experiment, priced: Priced, grouped: bool) -> dict[str, Any]:
    """All metrics of a priced experiment, whose values may be arrays."""
    device, batch = experiment.chip.device, experiment.training.batch
    samples = training_samples(experiment)
    inferring = experiment.training.kind == "none"
    tree = metrics(priced.estimate, priced.network, device, priced.activity, batch, samples, inferring)
    found = {name: at(tree, metric.path) for name, metric in COST.items()}
    moved = sum(row.count * row.arguments.get("bits", 1) for row in priced.actions if row.part == "dram")
    moving = {(row.layer, row.pass_, row.part) for row in priced.actions if row.transfer}
    computing = sum(time for cell, time in priced.estimate.latency.items() if cell not in moving)
    found["compute_tops"] = tree["ops_per_sample"] / computing / 1e12
    found["utilisation"] = priced.plan.utilisation
    with np.errstate(divide="ignore"):  # infinite without traffic
        found["ops_per_dram_byte"] = 8 * tree["ops_per_sample"] / np.asarray(moved, float)
    if grouped:
        found |= by_group(priced)
    return {name: value for name, value in found.items() if value is not None}


def by_group(priced: Priced) -> dict[str, Any]:
    """Energy per sample [J] and area [mm²] of each group of components, leakage as a group of its own."""
    estimate = priced.estimate
    energy: dict[str, Any] = {group.name: 0.0 for group in GROUPS}
    area: dict[str, Any] = {group.name: 0.0 for group in GROUPS}
    for (_, _, part), value in estimate.energy.items():
        energy[group_of(part).name] = energy[group_of(part).name] + value
    for part, value in estimate.area.items():
        area[group_of(part).name] = area[group_of(part).name] + value * 1e6
    energy[LEAKAGE.name] = estimate.leaked()
    return {
        **{f"energy_by_group_j:{name}": value for name, value in energy.items()},
        **{f"area_by_group_mm2:{name}": value for name, value in area.items()},
    }


def blocks(lengths: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Slices that cut a grid into blocks of at most `most` points, all dimensions kept."""
    steps = list(lengths)
    for axis in range(len(lengths)):
        inner = prod(lengths[axis + 1 :])
        steps[axis] = max(1, most // inner)
        if inner <= most:
            break
    starts = (range(0, length, step) for length, step in zip(lengths, steps, strict=True))
    for corner in product(*starts):
        yield tuple(slice(s, min(s + step, n)) for s, step, n in zip(corner, steps, lengths, strict=True))


def price_combination(
    space: Space, combination: Combination, activity: Activity | None, most: int, grouped: bool
) -> Iterator[tuple[tuple[slice, ...], dict[str, Any]]]:
    """Price all points of the broadcast axes.

    Parameters
    ----------
    most : int
        Points of a block.
    grouped : bool
        Whether energy and area are kept by group.

    Yields
    ------
    tuple of slice, dict
        Place among the broadcast axes, metric to values that broadcast to the block.
    """
    assert combination.experiment is not None, "refused combinations are not priced"
    lengths = tuple(len(axis.points) for axis in space.broadcast)
    for block in blocks(lengths, most):
        values: dict[str, np.ndarray] = {}
        for a, axis in enumerate(space.broadcast):
            shape = [1] * len(lengths)
            shape[a] = -1
            values |= {path: v[block[a]].reshape(shape) for path, v in space.values(axis).items()}
        experiment = with_values(combination.experiment, values)
        yield block, figures(experiment, price_experiment(experiment, activity), grouped)


def price_space(
    space: Space,
    activity_of: Callable[[Experiment], Activity | None],
    memory: float,
    progress: Callable[[int], None] = lambda points: None,
) -> tuple[Table, np.ndarray, tuple[str, ...]]:
    """Price every point of a sweep.

    Parameters
    ----------
    space : Space
    activity_of : callable
        What the data made the hardware do; none for the experiment's recorded or the default activity.
    memory : float
        Limit of what a block of points may take. [byte]
    progress : callable
        Called with the number of points of each block that is done.

    Returns
    -------
    dict of arrays
        Metric to values of the sweep's shape, not a number where a point is refused.
    array of int
        0 where a point is good, else 1 + the place of its reason.
    tuple of str
        Reasons.
    """
    table: Table = {}
    refused = np.zeros(space.shape, np.int32)
    reasons: dict[str, int] = {}
    most = max(1, int(memory / (BYTES_PER_ACTION * len(price_experiment(space.base).actions))))
    for combination in space.combinations():
        codes = np.array([0, *(reasons.setdefault(reason, 1 + len(reasons)) for reason in combination.reasons)])
        refused[combination.index] = codes[combination.refused]
        if combination.experiment is None or combination.refused.all():
            progress(combination.refused.size)
            continue
        here = space.size <= GROUPED
        try:
            priced = price_combination(space, combination, activity_of(combination.experiment), most, here)
            for block, found in priced:
                for name, values in found.items():
                    filled = table.setdefault(name, np.full(space.shape, np.nan))
                    _view(filled, combination.index, block)[...] = values
                progress(prod(s.stop - s.start for s in block))
        except ValueError as error:  # a component refuses its parameters, or a device lacks a datum
            code = reasons.setdefault(str(error), 1 + len(reasons))
            refused[combination.index] = np.where(refused[combination.index] == 0, code, refused[combination.index])
    for values in table.values():
        values[refused > 0] = np.nan
    return table, refused, tuple(reasons)


def _view(array: np.ndarray, index: tuple[int | slice, ...], block: tuple[slice, ...]) -> np.ndarray:
    """The part of an array of the sweep's shape that a block fills."""
    inner = iter(block)
    return array[
        (*(next(inner) if isinstance(entry, slice) else entry for entry in index), ...)
    ]  # a view, even of one point
