"""The search for the best dataflow of a network on a chip: every choice of the schedule, and sizes of what it uses.

All combinations would be some billions. The search starts from the best of a coarse grid and goes down by changing one
choice at a time, then two at a time, each time to the best of all their values, until no choice and no pair (see
`ALONE`) makes it better. Sizes are arrays, so that one call prices all values of a size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from cimest.activity import Activity
from cimest.compare import allowed, changed, spelled
from cimest.config import Experiment
from cimest.dataflow import conflicts
from cimest.explore.dataflow_prices import OBJECTIVES, Prices
from cimest.explore.dataflow_space import INTEGERS, SPLIT, choices, look, sized, sizes, without_idle
from cimest.pricing import price_experiment

STRUCTURE = (
    "chip.weight_gradient.unit",
    "dataflow.loop_order",
    "dataflow.gradient.accumulate",
    "dataflow.pipelined",
    "training.rule.storage",
)
COARSE = {
    "chip.global_buffer.size": 3,
    "chip.weight_gradient.buffer": 4,
    "chip.weight_gradient.operand_buffer": 3,
    "chip.weight_gradient.lanes": 1,
    "dataflow.image_group": 2,
    "dataflow.image_layers": 2,
}
APART = ("chip.weight_gradient.unit", "dataflow.pipelined")
"""The grid from which the search begins: its choices; of its sizes every so many from the largest; and the choices of
which each combination's best point is taken, as no change of one or two others leads from one to the other."""

ALONE = (
    "dataflow.gradient.early",
    "dataflow.gradient.room",
    "chip.tile.pes",
    "chip.tile.buffer",
    "chip.adc.kind",
    "chip.backward_adc.kind",
    "chip.global_buffer.word_bits",
)
"""What is changed alone, not together with another: little depends on it what is best of the others."""


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
        Those within the limits.
    mattered : dict
        Choice to the ratio by which the objective grows when it is set to the worst of its other values.
    in_array : float or None
        The objective of the experiment as it was given with an update in the arrays by plain gradient descent, which
        has no weight-gradient pass; None where that is refused.
    """

    best: Experiment
    objective: float
    start: float
    points: int
    feasible: int
    mattered: dict[str, float]
    in_array: float | None


def optimise(
    experiment: Experiment,
    activity: Activity | None = None,
    objective: str = "energy",
    area_limit: float | None = None,
    buffer_limit: float | None = None,
    quick: bool = False,
    progress: Callable[[int, float], None] = lambda points, best: None,
) -> Search:
    """Find the best schedule, circuits and sizes; device, arrays, bits of every word and converter, rule, batch stay.

    Parameters
    ----------
    experiment : Experiment
    activity : Activity, optional
        What the data made the hardware do.
    objective : str
        A key of `OBJECTIVES`.
    area_limit : float, optional
        Largest area of the chip. [m²]
    buffer_limit : float, optional
        Largest size of global, gradient and operand buffer together. [bit]
    quick : bool
        Whether to stop where no single choice makes it better.
    progress : callable
        Called with the number of designs priced and the best objective so far.

    Raises
    ------
    ValueError
        If no design keeps the limits; the message says what the smallest one takes.
    """
    value_of = OBJECTIVES[objective]
    prices = Prices(activity, value_of, area_limit or np.inf, buffer_limit or np.inf)
    values, swept = choices(experiment), sizes(experiment)
    reached: float = np.inf
    best: dict[str, Any] = {}
    for data in starts(experiment, prices):
        value, point = descend(prices, data, values, swept, 1)
        if value < reached:
            reached, best = value, point
        progress(prices.points, reached)
    if not np.isfinite(reached):
        raise ValueError(
            f"no design keeps the area limit of {(area_limit or np.inf) * 1e6:g} mm² and the buffer limit; the "
            f"smallest takes {prices.smallest * 1e6:.3g} mm²"
        )
    if not quick:
        reached, best = descend(prices, best, values, swept, 2)
    found = allowed(without_idle(best))
    assert found is not None, "only what is allowed has a price"
    progress(prices.points, reached)
    start = float(value_of(price_experiment(experiment, activity)))
    mattered = sensitivities(prices, best, values, swept, reached)
    updated = in_array(experiment)
    apart = None if updated is None else float(value_of(price_experiment(updated, activity)))
    return Search(found, reached, start, prices.points, prices.feasible, mattered, apart)


def starts(experiment: Experiment, prices: Prices) -> list[dict[str, Any]]:
    """Where the search begins.

    The best of a coarse grid of all structures, which are the combinations of the choices of `STRUCTURE`; optimised; a
    digital unit with small, middle and large sizes; and what is given.
    """
    given, values, swept = spelled(experiment), choices(experiment), sizes(experiment)
    words = {"bits": experiment.dataflow.gradient.bits}
    schedule = experiment.dataflow.model_validate({"base": "optimised", "gradient": words})
    optimised = {**given, "dataflow": spelled(experiment.model_copy(update={"dataflow": schedule}))["dataflow"]}
    optimised = changed(optimised, "chip.weight_gradient.unit", "sram_cim")
    structure = [path for path in STRUCTURE if path in values]
    coarse = {path: swept[path][::-step] for path, step in COARSE.items() if path in swept}
    found = []
    for combination in product(*(values[path] for path in structure)):
        data = optimised
        for path, value in zip(structure, combination, strict=True):
            data = changed(data, path, value)
        if data["dataflow"]["loop_order"] == "split":
            data = changed(data, SPLIT, 0)
        found.append(best_of(prices, data, tuple(coarse), {}, coarse))
    best: dict[tuple[Any, ...], tuple[float, dict[str, Any]]] = {}
    for value, data in sorted(found, key=lambda entry: entry[0]):
        if np.isfinite(value):
            best.setdefault(tuple(look(data, path) for path in APART), (value, data))
    begun = [data for _, data in best.values()] + [optimised, *sized(optimised)]
    if experiment.chip.weight_gradient.unit != "in_array" and experiment.dataflow.accounting == "ours":
        begun.append(given)
    return begun


def best_of(
    prices: Prices,
    data: dict[str, Any],
    moved: Sequence[str],
    values: dict[str, tuple[Any, ...]],
    swept: dict[str, np.ndarray],
) -> tuple[float, dict[str, Any]]:
    """The best that changes of some choices or sizes reach, with them changed."""
    listed = [path for path in moved if path in values]
    axes = [path for path in moved if path in swept]
    grid = dict(zip(axes, np.meshgrid(*(swept[path] for path in axes), indexing="ij"), strict=True))
    best: tuple[float, dict[str, Any]] = (np.inf, data)
    others = [[value for value in values[path] if value != look(data, path)] for path in listed]
    for combination in product(*others):  # what is now is priced already, or is part of another move
        point = data
        for path, value in zip(listed, combination, strict=True):
            point = changed(point, path, value)
        if point["dataflow"]["loop_order"] == "split" and point["dataflow"]["image_layers"] is None:
            point = changed(point, SPLIT, 0)
        found = np.asarray(prices(point, grid))
        at = np.unravel_index(found.argmin(), found.shape)
        if found[at] < best[0]:
            for path in axes:
                number = float(grid[path][at])
                point = changed(point, path, int(number) if path in (SPLIT, *INTEGERS) else number)
            best = (float(found[at]), point)
    return best


def descend(
    prices: Prices, data: dict[str, Any], values: dict[str, Any], swept: dict[str, np.ndarray], together: int
) -> tuple[float, dict[str, Any]]:
    """Change up to so many choices together, again and again, until none makes it better."""
    reached = float(prices(data, {}))
    moves: list[tuple[str, ...]] = [(path,) for path in (*values, *swept)]
    for count in range(2, together + 1):
        moves += combinations([path for path in (*values, *swept) if path not in ALONE], count)
    since = 0
    while since < len(moves):
        for move in moves:
            value, point = best_of(prices, data, move, values, swept)
            better = value < reached * (1 - 1e-9)
            since = 0 if better else since + 1
            if better:
                reached, data = value, point
            if since >= len(moves):
                break
    return reached, data


def sensitivities(
    prices: Prices, best: dict[str, Any], values: dict[str, Any], swept: dict[str, np.ndarray], reached: float
) -> dict[str, float]:
    """By how much the objective grows when one choice of the best is set to the worst of its other values.

    Limits are left out; a choice whose other values the best's other choices exclude is not among them.
    """
    unlimited = Prices(prices.activity, prices.value_of)
    worst = {}
    for path, allowed_values in values.items():
        tried = [float(unlimited(changed(best, path, value), {})) for value in allowed_values]
        others = [value for value in tried if np.isfinite(value)]
        if len(others) > 1:
            worst[path] = max(others) / reached
    for path in swept:
        if path != SPLIT or best["dataflow"]["loop_order"] == "split":
            worst[path] = float(np.max(unlimited(best, {path: swept[path]}))) / reached
    return dict(sorted(worst.items(), key=lambda entry: -entry[1]))


def in_array(experiment: Experiment) -> Experiment | None:
    """The experiment with the update in the arrays, each sample by itself, by plain descent; None if refused."""
    data = spelled(experiment)
    data = changed(data, "chip.weight_gradient.unit", "in_array")
    data = changed(data, "training.rule", {"name": "sgd"})
    data = changed(data, "training.centring", None)
    schedule = {"base": "optimised", "loop_order": "image_outer", "gradient": {"accumulate": "on_chip"}}
    point = Experiment.model_validate({**data, "dataflow": schedule})
    return None if next(conflicts(point), None) else point
