"""The search for the best dataflow of a network on a chip: every schedule, with every size of the buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from cimest.activity import Activity
from cimest.compare import changed, spelled
from cimest.config import Experiment
from cimest.estimate import energies
from cimest.run import Priced, price_experiment
from hwlib.component import Real

CHOICES: dict[str, tuple[Any, ...]] = {
    "dataflow.loop_order": ("image_outer", "slice_outer"),
    "dataflow.gradient.accumulate": ("dram", "on_chip"),
    "dataflow.operand_writes": ("per_kernel_position", "once"),
    "dataflow.activations": ("dram", "buffer"),
    "dataflow.overlap": (False, True),
    "chip.mapping": ("unrolled", "kernel_position"),
    "chip.weight_gradient.unit": ("sram_cim", "digital"),
}
"""What is tried one by one: key path to its values."""

KIB = 8 * 2**10
SIZES: dict[str, np.ndarray] = {
    "chip.global_buffer.size": KIB * 2.0 ** np.arange(4, 14),
    "chip.weight_gradient.buffer": KIB * 2.0 ** np.arange(4, 14),
}
"""What is tried in one sweep of arrays: 16 KiB to 8 MiB. [bit]"""

OBJECTIVES: dict[str, Callable[[Priced], Real]] = {
    "energy": lambda priced: energies(priced.estimate)["system"],
    "latency": lambda priced: priced.estimate.time(),
    "energy_delay": lambda priced: energies(priced.estimate)["system"] * priced.estimate.time(),
}
"""Per training sample, at the system boundary."""


@dataclass(frozen=True)
class Search:
    """What the search found.

    Parameters
    ----------
    best : Experiment
    objective : float
        Of the best.
    start : float
        Of the experiment as it was given.
    points : int
        Designs that were priced.
    feasible : int
        Those within the area limit.
    mattered : dict
        Choice to the ratio by which the objective grows when it is set to the worst of its other values.
    """

    best: Experiment
    objective: float
    start: float
    points: int
    feasible: int
    mattered: dict[str, float]


def schedules(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The experiment's data under every combination of choices."""
    for values in product(*CHOICES.values()):
        point = data
        for path, value in zip(CHOICES, values, strict=True):
            point = changed(point, path, value)
        yield point


def with_sizes(experiment: Experiment, sizes: dict[str, Any]) -> Experiment:
    """The experiment with buffer sizes replaced, unchecked, so that they may be arrays."""
    chip = experiment.chip
    buffer = chip.global_buffer.model_copy(update={"size": sizes["chip.global_buffer.size"]})
    unit = chip.weight_gradient.model_copy(update={"buffer": sizes["chip.weight_gradient.buffer"]})
    return experiment.model_copy(
        update={"chip": chip.model_copy(update={"global_buffer": buffer, "weight_gradient": unit})}
    )


def optimise(
    experiment: Experiment,
    activity: Activity | None = None,
    objective: str = "energy",
    area_limit: float | None = None,
    progress: Callable[[int, int], None] = lambda done, all_: None,
) -> Search:
    """Find the best schedule and buffer sizes; device, arrays, converters, rule and batch stay.

    Parameters
    ----------
    experiment : Experiment
    activity : Activity, optional
        What the data made the hardware do.
    objective : str
        A key of `OBJECTIVES`.
    area_limit : float, optional
        Largest area of the chip. [m²]
    progress : callable
        Called with the number of schedules done and of all.

    Raises
    ------
    ValueError
        If no design keeps the area limit; the message says what the smallest one takes.
    """
    value_of = OBJECTIVES[objective]
    grid = dict(zip(SIZES, np.meshgrid(*SIZES.values(), indexing="ij"), strict=True))
    shape = next(iter(grid.values())).shape
    every = list(schedules(spelled(experiment)))
    found: tuple[float, Experiment] | None = None
    feasible, smallest = 0, np.inf
    for i, data in enumerate(every):
        point = Experiment.model_validate(data)
        priced = price_experiment(with_sizes(point, grid), activity)
        area = np.broadcast_to(sum(priced.estimate.area.values()), shape)
        value = np.where(area <= (area_limit or np.inf), np.broadcast_to(value_of(priced), shape), np.inf)
        feasible, smallest = feasible + int(np.isfinite(value).sum()), min(smallest, float(area.min()))
        if found is None or value.min() < found[0]:
            at = np.unravel_index(value.argmin(), shape)
            found = (float(value.min()), with_sizes(point, {path: float(sizes[at]) for path, sizes in grid.items()}))
        progress(i + 1, len(every))
    if found is None or not np.isfinite(found[0]):
        limit = (area_limit or np.inf) * 1e6
        raise ValueError(
            f"no design keeps the area limit of {limit:g} mm²; the smallest takes {smallest * 1e6:.3g} mm²"
        )
    start = float(value_of(price_experiment(experiment, activity)))
    points = len(every) * int(np.prod(shape))
    mattered = sensitivities(found[1], activity, value_of, found[0])
    return Search(found[1], found[0], start, points, feasible, mattered)


def sensitivities(
    best: Experiment, activity: Activity | None, value_of: Callable[[Priced], Real], reached: float
) -> dict[str, float]:
    """By how much the objective grows when one choice of the best is set to the worst of its other values."""
    data = spelled(best)
    worst = {}
    for path, values in CHOICES.items():
        points = (Experiment.model_validate(changed(data, path, value)) for value in values)
        worst[path] = max(float(value_of(price_experiment(point, activity))) for point in points) / reached
    for path, tried in SIZES.items():
        sizes = {other: np.asarray(_at(data, other)) for other in SIZES} | {path: tried}
        worst[path] = float(np.max(value_of(price_experiment(with_sizes(best, sizes), activity)))) / reached
    return dict(sorted(worst.items(), key=lambda entry: -entry[1]))


def _at(data: dict[str, Any], path: str) -> Any:
    for key in path.split("."):
        data = data[key]
    return data
