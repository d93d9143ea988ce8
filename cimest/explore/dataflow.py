"""The search for the best dataflow of a network on a chip: every choice of the schedule, and sizes of what it uses.

All combinations would be some billions. The search starts from the best of a coarse grid and goes down by changing one
choice at a time, then two at a time, each time to the best of all their values, until no choice and no pair (see
`ALONE`) makes it better. Sizes are arrays, so that one call prices all values of a size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np

from cimest.activity import Activity
from cimest.compare import allowed, changed, spelled
from cimest.config import Experiment
from cimest.dataflow import conflicts
from cimest.estimate import energies
from cimest.run import Priced, build_network, build_rule, price_experiment
from hwlib.component import Real

CONVERTERS = ("flash", "sar")
"""Kinds of converters that quantise alike, so that one may take the place of the other."""

CHOICES: dict[str, tuple[Any, ...]] = {
    "dataflow.loop_order": ("image_outer", "slice_outer", "split"),
    "dataflow.gradient.accumulate": ("dram", "dram_per_batch", "on_chip", "in_unit"),
    "dataflow.gradient.early": (False, True),
    "dataflow.gradient.room": ("own", "shared"),
    "dataflow.operand_writes": ("per_kernel_position", "once"),
    "dataflow.activations": ("dram", "buffer"),
    "dataflow.overlap": (False, True),
    "dataflow.pipelined": (False, True),
    "chip.mapping": ("unrolled", "kernel_position"),
    "chip.duplication": ("none", "fill_tile"),
    "chip.tile.pes": ("auto", 1, 2, 4, 8),
    "chip.adc.kind": CONVERTERS,
    "chip.backward_adc.kind": CONVERTERS,
    "chip.global_buffer.word_bits": (256, 512, 1024),
    "chip.weight_gradient.unit": ("sram_cim", "digital"),
    "training.rule.storage": ("dram", "sram"),
}
"""What is tried value by value: key path to its values. An update in the arrays is another way to train, not here."""

KIB = 8 * 2**10
SIZES: dict[str, np.ndarray] = {
    "chip.global_buffer.size": KIB * 2.0 ** np.arange(4, 16),
    "chip.weight_gradient.buffer": KIB * 2.0 ** np.arange(4, 16),
    "chip.weight_gradient.operand_buffer": KIB * 2.0 ** np.arange(4, 11),
    "chip.tile.buffer": KIB * 2.0 ** np.arange(2, 8),
    "chip.weight_gradient.lanes": 4.0 ** np.arange(4, 9),
    "dataflow.image_group": 2.0 ** np.arange(0, 6),
}
"""What is tried in sweeps of arrays: buffers of 16 KiB to 32 MiB, to 1 MiB, of 4 to 512 KiB [bit], lanes, images."""

SPLIT = "dataflow.image_layers"
"""Which is swept as well, from no layer to all."""

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


@dataclass
class Prices:
    """The objective of designs, and how many have been priced.

    Parameters
    ----------
    activity : Activity or None
    value_of : callable
        From a priced design to the objective.
    area_limit : float
        [m²]
    buffer_limit : float
        Of all buffers together. [bit]
    """

    activity: Activity | None
    value_of: Callable[[Priced], Real]
    area_limit: float = np.inf
    buffer_limit: float = np.inf
    points: int = 0
    feasible: int = 0
    smallest: float = np.inf
    known: dict[str, np.ndarray] = field(default_factory=dict)

    def __call__(self, data: dict[str, Any], swept: dict[str, np.ndarray]) -> np.ndarray:
        """Objective of one set of choices over arrays of sizes that broadcast; infinite where it is not allowed.

        Parameters
        ----------
        data : dict
            The experiment, every choice spelled out.
        swept : dict
            Key path to an array of its values, always the same for the same paths.
        """
        data = without_idle(data)
        asked = json.dumps([data, list(swept)])
        if asked not in self.known:
            self.known[asked] = self._priced(data, swept)
        return self.known[asked]

    def _priced(self, data: dict[str, Any], swept: dict[str, np.ndarray]) -> np.ndarray:
        shape = np.broadcast_shapes(*(values.shape for values in swept.values()))
        point = allowed(data)
        if point is None:
            return np.full(shape, np.inf)
        point = with_sizes(point, swept)
        if next(conflicts(point), None):
            return np.full(shape, np.inf)
        priced = price_experiment(point, self.activity)
        area = np.broadcast_to(sum(priced.estimate.area.values()), shape)
        names = ("global_buffer.size", "weight_gradient.buffer", "weight_gradient.operand_buffer")
        buffers = np.broadcast_to(sum(_at(point, f"chip.{name}") for name in names), shape)
        value = np.broadcast_to(self.value_of(priced), shape)
        within = (area <= self.area_limit) & (buffers <= self.buffer_limit)
        self.points, self.feasible = self.points + area.size, self.feasible + int(within.sum())
        self.smallest = min(self.smallest, float(area.min()))
        return np.where(within, value, np.inf)


def without_idle(data: dict[str, Any]) -> dict[str, Any]:
    """Choices without those that mean nothing beside the others: what only `split` knows, and images in lanes."""
    if data["dataflow"]["loop_order"] != "split":
        data = changed(data, SPLIT, None)
    if data["dataflow"]["gradient"]["accumulate"] != "in_unit":
        data = changed(data, "dataflow.image_group", 1)
    return data


def with_sizes(experiment: Experiment, sizes: dict[str, Any]) -> Experiment:
    """The experiment with sizes replaced, unchecked, so that they may be arrays."""

    def replaced(section: Any, keys: Sequence[str], value: Any) -> Any:
        new = replaced(getattr(section, keys[0]), keys[1:], value) if len(keys) > 1 else value
        return section.model_copy(update={keys[0]: new})

    for path, value in sizes.items():
        keys = path.split(".")
        if _at(experiment, path) is None and path == SPLIT:
            continue  # not a split
        if path == "dataflow.image_group" and experiment.dataflow.gradient.accumulate != "in_unit":
            continue  # images are not taken together
        experiment = replaced(experiment, keys, value)
    return experiment


def choices(experiment: Experiment) -> dict[str, tuple[Any, ...]]:
    """The choices that the experiment has: a rule without storage has none to choose, nor other converters a kind."""
    absent = set() if hasattr(build_rule(experiment), "storage") else {"training.rule.storage"}
    for name in ("adc", "backward_adc"):
        if getattr(experiment.chip, name).kind not in CONVERTERS:
            absent.add(f"chip.{name}.kind")
    return {path: values for path, values in CHOICES.items() if path not in absent}


def sizes(experiment: Experiment) -> dict[str, np.ndarray]:
    """All sizes, with the number of layers that go image by image."""
    layers = len(build_network(experiment).matrices)
    batch = experiment.training.batch
    groups = SIZES["dataflow.image_group"]
    return {**SIZES, "dataflow.image_group": groups[groups <= batch], SPLIT: np.arange(layers + 1)}


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
    begun = [data for _, data in best.values()] + [optimised, *_sized(optimised)]
    if experiment.chip.weight_gradient.unit != "in_array" and experiment.dataflow.accounting == "ours":
        begun.append(given)
    return begun


def _sized(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A digital unit that sums in its lanes, with all sizes small, middle or large."""
    data = changed(changed(data, "chip.weight_gradient.unit", "digital"), "dataflow.loop_order", "split")
    data = changed(changed(data, SPLIT, 0), "dataflow.gradient.accumulate", "in_unit")
    for share in (0.0, 0.5, 1.0):
        sized = data
        for path, values in SIZES.items():
            size = float(values[0 if path == "dataflow.image_group" else round(share * (len(values) - 1))])
            sized = changed(sized, path, int(size) if path in INTEGERS else size)
        yield sized


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


INTEGERS = ("chip.weight_gradient.lanes", "dataflow.image_group")
"""Sizes that are counts."""


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
    schedule = {"base": "optimised", "loop_order": "image_outer", "gradient": {"accumulate": "on_chip"}}
    point = Experiment.model_validate({**data, "dataflow": schedule})
    return None if next(conflicts(point), None) else point


def look(data: dict[str, Any], path: str) -> Any:
    """What nested mappings have at a key path; None where nothing is said."""
    found: Any = data
    for key in path.split("."):
        found = found.get(key)
    return found


def _at(section: Any, path: str) -> Any:
    for key in path.split("."):
        section = getattr(section, key)
    return section
