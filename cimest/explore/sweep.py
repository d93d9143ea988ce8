"""A sweep file: an experiment, the axes to move it along, objectives and limits, read with every mistake located.

experiment: ../vgg8_cifar10.yaml
set: {chip.adc.kind: sar}                        # fixed changes of the experiment
axes:
  chip.array.rows: [64, 128, 256]                # any key path of an experiment, and its values
  chip.adc.bits: {from: 3, to: 8}                # step 1, or `step: 2`
  chip.global_buffer.size: {from: 64 KiB, to: 4 MiB, number: 7, scale: log}
  square: {chip.array.rows: [64, 128], chip.array.columns: [64, 128]}      # a free name: paths that move together
  passes:                                        # or sets of them, one after the other: forward 3, forward 4 ...
    forward: {chip.adc.bits: {from: 3, to: 8}}
    backward: {chip.backward_adc.bits: {from: 3, to: 8}}
objectives: {accuracy: max, efficiency_system_tops_per_w: max}
limits: {area_mm2: {max: 30}}
accuracy: {repeats: 2}                           # train, too; without this section only the cost is explored
search: {points: 100}                            # let optuna choose the points instead of taking all of them
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from cimest.config import Experiment
from cimest.config.base import Section
from cimest.config.document import Entry, read_file
from cimest.config.loader import load, read_override
from cimest.config.messages import ConfigError, Problem, no_file
from cimest.config.validation import expand, explain
from cimest.explore.axes import Axis, read_axes, read_changes
from cimest.explore.metrics import COST, METRICS
from hwlib.registry import suggestion
from hwlib.units import Quantity

DEFAULT_OBJECTIVES = {"efficiency_system_tops_per_w": "max", "area_mm2": "min"}
"""Without training; with it, accuracy against system TOPS/W."""


class Stop(Section):
    """Gives a hopeless training up; it depends on nothing but the training itself, so every run decides alike."""

    after: int = Field(1, ge=1, description="epochs after which the test accuracy is looked at")
    below: float = Field(gt=0, le=1, description="test accuracy below which the training ends there")


class Budget(Section):
    """How much training there may be; what is left out has a cost and no accuracy."""

    trainings: int | None = Field(None, ge=1, description="trainings, those of an earlier start included")
    time: Annotated[float, Quantity("s"), Field(gt=0)] | None = Field(
        None, description="wall time after which no new training starts"
    )


class Accuracy(Section):
    """Training of every distinct functional configuration."""

    repeats: int = Field(1, ge=1, description="trainings of each, with seeds that follow the experiment's")
    stop: Stop | None = None
    budget: Budget = Budget()


class Search(Section):
    """A search with optuna instead of all combinations."""

    points: int = Field(100, ge=2)
    batch: int = Field(10, ge=1, description="points that are chosen before any of them is known")
    sampler: Literal["nsga2", "tpe"] = "nsga2"


class Limit(Section):
    """Bounds of a metric, in the unit that its name says."""

    min: float | None = None
    max: float | None = None


class SweepFile(Section):
    """The sections of a sweep file; axes and fixed changes are read by themselves."""

    experiment: str
    objectives: dict[str, Literal["min", "max"]] = Field({}, description="metric to which way is better")
    limits: dict[str, Limit] = Field({}, description="metric to its bounds")
    accuracy: Accuracy | None = None
    search: Search | None = None


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Parameters
    ----------
    name : str
        Of the file, without its ending.
    path : Path
        Of the experiment.
    fixed : dict
        Key path to entry, changed in every point.
    axes : tuple of Axis
    objectives : dict
        Metric to `min` or `max`.
    limits : dict
        Metric to bounds.
    accuracy : Accuracy or None
    search : Search or None
    """

    name: str
    path: Path
    fixed: dict[str, Entry]
    axes: tuple[Axis, ...]
    objectives: dict[str, str]
    limits: dict[str, Limit] = field(default_factory=dict)
    accuracy: Accuracy | None = None
    search: Search | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis.points) for axis in self.axes)

    def experiment(self, *points: Mapping[str, Entry], fitting: bool = True) -> Experiment:
        """The experiment with the changes of some points; a deeper key path wins over a shorter one.

        Raises
        ------
        ConfigError
            With every problem, each where its value stands.
        """
        changes = dict(self.fixed)
        for point in points:
            changes |= point
        return load(self.path, changes=changes, fitting=fitting)


def read_sweep(path: str | Path, overrides: Iterable[str] = ()) -> Sweep:
    """Read and check a sweep file; every value of every axis is checked against the schema of an experiment.

    Parameters
    ----------
    path : str or Path
    overrides : iterable of str
        Each `key.path=value`, instead of what the experiment, or the section `set`, has there or below.

    Raises
    ------
    ConfigError
        With every problem.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(no_file(path))
    root, problems = read_file(path)
    if not isinstance(root.value, dict):
        raise ConfigError([Problem(root.place, "", "a sweep is a mapping with the sections experiment and axes")])
    if {"network", "chip"} <= set(root.value):
        raise ConfigError([Problem(root.place, "", "is an experiment, which `cimest run` trains, and no sweep")])
    axes = read_axes(root.value.get("axes"), root, problems)
    fixed = read_changes(root.value.get("set"), "set", problems)
    for override in overrides:
        fixed = _overridden(fixed, override, axes, problems)
    sections = Entry({k: v for k, v in root.value.items() if k not in ("axes", "set")}, root.place, root.key)
    sections = expand(sections, (SweepFile,), (), problems)
    try:
        file = SweepFile.model_validate(sections.plain)
    except ValidationError as error:
        raise ConfigError([*problems, *explain(error, sections, (SweepFile,))]) from None
    trained = file.accuracy is not None
    for section in ("objectives", "limits"):
        problems += _unknown_metrics(root.value.get(section), section, trained)
    experiment = path.parent / Path(file.experiment).expanduser()
    if not experiment.is_file():
        problems.append(Problem(root.value["experiment"].place, "experiment", no_file(experiment)))
    if problems:
        raise ConfigError(problems)
    objectives: dict[str, str] = dict(file.objectives)
    if not objectives:
        objectives = {"accuracy": "max", "efficiency_system_tops_per_w": "max"} if trained else DEFAULT_OBJECTIVES
    sweep = Sweep(path.stem, experiment, fixed, axes, objectives, file.limits, file.accuracy, file.search)
    check_values(sweep)
    return sweep


def _overridden(
    fixed: dict[str, Entry], override: str, axes: tuple[Axis, ...], problems: list[Problem]
) -> dict[str, Entry]:
    """The fixed changes with one `key.path=value` instead of all at or below its path."""
    change = read_override(override, problems)
    if change is None:
        return fixed
    name, value = change
    if any(all(name in point for point in axis.points) for axis in axes):
        problems.append(Problem(value.place, name, "is what the sweep goes through", "change its axis"))
    return {path: entry for path, entry in fixed.items() if not path.startswith(f"{name}.")} | {name: value}


def check_values(sweep: Sweep) -> None:
    """Check the experiment, and each value of each axis by itself.

    Raises
    ------
    ConfigError
        With every problem; what does not fit together is no problem of a value, but of a point.
    """
    sweep.experiment(fitting=False)
    problems: list[Problem] = []
    for axis in sweep.axes:
        for point in axis.points:
            try:
                sweep.experiment(point, fitting=False)
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError({str(problem): problem for problem in problems}.values())


def _unknown_metrics(entry: Entry | None, section: str, trained: bool) -> Iterator[Problem]:
    """Problems of metrics that nothing has, or that need training."""
    for name, child in (entry.value if entry else {}).items():
        if name not in METRICS:
            yield Problem(child.key, f"{section}.{name}", f"no metric is named {name!r}", suggestion(name, METRICS))
        elif not trained and name in ("accuracy", "accuracy_std", "epochs"):
            hint = "add a section `accuracy: {repeats: 1}`, or take " + ", ".join(COST)
            yield Problem(child.key, f"{section}.{name}", "needs training", hint)
