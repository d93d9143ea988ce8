"""The points of a sweep: which axes broadcast and which are looped, and which combinations are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from pydantic import BaseModel

from cimest.config import ConfigError, Experiment
from cimest.config.checks import sizes
from cimest.config.loader import resolved
from cimest.config.sections import choices, field_at, takes_truth
from cimest.explore.axes import Axis
from cimest.explore.functional import drifts, estimates_time, leaves, neutral
from cimest.explore.sweep import Sweep

FIT: dict[str, tuple[str, ...]] = {
    "chip.adc.columns_per_adc": ("chip.adc.columns_per_adc", "chip.array.columns"),
    "chip.backward_adc.columns_per_adc": ("chip.backward_adc.columns_per_adc", "chip.array.rows"),
    "chip.weight_gradient.columns_per_adc": ("chip.weight_gradient.columns_per_adc", "chip.weight_gradient.columns"),
    "chip.supply": ("chip.supply", "chip.clock", "chip.temperature"),
    "training.batch": ("training.batch",),
    "chip.input_bits": ("chip.input_bits",),
    "chip.adc.bits": ("chip.adc.bits",),
    "chip.backward_adc.bits": ("chip.backward_adc.bits",),
}
"""Key path that `config.checks.sizes` blames, to the numbers that it compares there."""

BRANCHING = tuple(
    f"chip.{name}"
    for name in ("periphery.", "inference.", "adc.offset", "adc.inl", "backward_adc.offset", "backward_adc.inl")
)
"""How the key paths begin of numbers that decide what else is allowed: they are taken one by one."""


@dataclass(frozen=True)
class Combination:
    """One point of all looped axes, and all points of the others.

    Parameters
    ----------
    index : tuple of int or slice
        Its place in arrays that have the shape of the sweep.
    experiment : Experiment or None
        None if the combination is refused.
    refused : array of int, of the sweep's shape along the broadcast axes
        0 where a point is good, else 1 + the place of its reason in `reasons`.
    reasons : tuple of str
    """

    index: tuple[int | slice, ...]
    experiment: Experiment | None
    refused: np.ndarray
    reasons: tuple[str, ...]


def numeric(path: str) -> bool:
    """Whether the cost may be priced with an array in place of this number of an experiment."""
    field_ = field_at(path.split("."))
    if field_ is None or path.count(".") > 2 or choices(field_) or takes_truth(field_):
        return False
    if path.startswith(BRANCHING):
        return False
    return path.startswith("chip.") or path == "training.batch"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def with_values(model: Any, values: dict[str, Any]) -> Any:
    """A copy of a model with values at key paths, unchecked, so that they may be arrays."""
    below: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        name, _, rest = path.partition(".")
        below.setdefault(name, {})[rest] = value
    new = {name: part[""] if "" in part else with_values(getattr(model, name), part) for name, part in below.items()}
    assert isinstance(model, BaseModel)
    return model.model_copy(update=new)


@dataclass(frozen=True)
class Space:
    """All points of a sweep.

    Parameters
    ----------
    sweep : Sweep
    keep_functional : bool
        Whether axes that change what is learnt are looped, since each of their points has its own activity.
    """

    sweep: Sweep
    keep_functional: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return self.sweep.shape

    @cached_property
    def base(self) -> Experiment:
        """The experiment with the fixed changes."""
        return self.sweep.experiment(fitting=False)

    @cached_property
    def alone(self) -> list[list[dict[str, Any]]]:
        """Of each axis and each of its points: key path to value of all the experiment, the other axes left alone."""
        return [
            [leaves(resolved(self.sweep.experiment(point, fitting=False))) for point in axis.points]
            for axis in self.sweep.axes
        ]

    @cached_property
    def effects(self) -> dict[str, dict[str, list[Any]]]:
        """Axis to the numbers that it changes, those inherited from the named ones too: key path to its values.

        A number that another axis names in each of its points belongs to that axis. An axis is there only if it
        broadcasts: all that it changes are numbers that pricing takes as arrays, and no other axis changes them.
        """
        base = leaves(resolved(self.base))
        found: dict[str, dict[str, list[Any]]] = {}
        for axis, points in zip(self.sweep.axes, self.alone, strict=True):
            touched = {path for point in points for path in {*point, *base} if point.get(path) != base.get(path)}
            touched |= {path for path in axis.paths if path in base}
            found[axis.name] = {path: [point.get(path) for point in points] for path in sorted(touched)}
        owned = {
            path: axis.name for axis in self.sweep.axes for path in axis.paths if all(path in p for p in axis.points)
        }
        for name, values in found.items():
            found[name] = {path: v for path, v in values.items() if owned.get(path, name) == name}
        shared = {
            path
            for name, one in found.items()
            for path in one
            for other in found
            if other != name and path in found[other]
        }
        return {
            name: values
            for name, values in found.items()
            if values and not shared & values.keys() and all(map(self._broadcasts, values, values.values()))
        }

    def _broadcasts(self, path: str, values: list[Any]) -> bool:
        if path == "training.batch" and 1 in values:  # which is centred otherwise; see `Experiment.centred`
            return False
        return numeric(path) and all(map(_is_number, values)) and (not self.keep_functional or self._ignored(path))

    def _ignored(self, path: str) -> bool:
        """Whether no training of the sweep depends on a key path."""
        points = [point for axis in self.alone for point in axis]
        timed = any(map(drifts, points)) and any(map(estimates_time, points))
        return not timed and all(neutral(path, point) for point in points)

    @cached_property
    def looped(self) -> tuple[Axis, ...]:
        """Axes that are taken point by point."""
        return tuple(axis for axis in self.sweep.axes if axis.name not in self.effects)

    @cached_property
    def broadcast(self) -> tuple[Axis, ...]:
        """Axes that are priced as arrays, all points in one call."""
        return tuple(axis for axis in self.sweep.axes if axis.name in self.effects)

    def values(self, axis: Axis) -> dict[str, np.ndarray]:
        """Key path to the values that a broadcast axis gives it."""
        return {path: np.asarray(values) for path, values in self.effects[axis.name].items()}

    def combinations(self) -> Iterator[Combination]:
        """Every point of the looped axes, loaded and checked."""
        names = [axis.name for axis in self.sweep.axes]
        shape = tuple(len(axis.points) for axis in self.broadcast)
        for chosen in product(*(range(len(axis.points)) for axis in self.looped)):
            index: list[int | slice] = [slice(None)] * len(names)
            for axis, i in zip(self.looped, chosen, strict=True):
                index[names.index(axis.name)] = i
            points = [axis.points[i] for axis, i in zip(self.looped, chosen, strict=True)]
            try:
                experiment = self.sweep.experiment(*points, fitting=False)
            except ConfigError as error:
                reasons = ("; ".join(f"{problem.path}: {problem.message}" for problem in error.problems),)
                yield Combination(tuple(index), None, np.ones(shape, np.int32), reasons)
                continue
            yield Combination(tuple(index), experiment, *self._misfits(experiment))

    def _misfits(self, experiment: Experiment) -> tuple[np.ndarray, tuple[str, ...]]:
        """Which points of the broadcast axes do not fit together, and why; see `Combination`."""
        shape = tuple(len(axis.points) for axis in self.broadcast)
        refused = np.zeros(shape, np.int32)
        reasons: list[str] = []
        for blamed, compared in {"": (), **FIT}.items():
            axes = [a for a, axis in enumerate(self.broadcast) if set(self.effects[axis.name]) & set(compared)]
            for chosen in product(*(range(shape[a]) for a in axes)):
                values: dict[str, Any] = {}
                for a, i in zip(axes, chosen, strict=True):
                    values |= {path: v[i] for path, v in self.effects[self.broadcast[a].name].items()}
                for path, message in sizes(with_values(experiment, values)):
                    name = ".".join(path)
                    if name == blamed or (not blamed and name not in FIT):
                        where: list[Any] = [slice(None)] * len(shape)
                        for a, i in zip(axes, chosen, strict=True):
                            where[a] = i
                        reasons.append(f"{name}: {message}")
                        block = refused[tuple(where)]
                        refused[tuple(where)] = np.where(block == 0, len(reasons), block)
        return refused, tuple(reasons)

    def point(self, place: tuple[int, ...]) -> Experiment:
        """The experiment of one point, read as if it stood in a file.

        Raises
        ------
        ConfigError
            If its values do not fit together.
        """
        return self.sweep.experiment(*(axis.points[i] for axis, i in zip(self.sweep.axes, place, strict=True)))

    @property
    def size(self) -> int:
        """Points of the sweep."""
        return prod(self.shape)
