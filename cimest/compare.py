"""Two experiments beside each other: what differs, and what each difference does to the price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cimest.activity import Activity
from cimest.config import Experiment, load
from cimest.config.checks import sizes
from cimest.config.loader import resolved
from cimest.config.sections import field_at, unit_of
from cimest.dataflow import resolve
from cimest.estimate import energies
from cimest.pricing import price_experiment, training_samples
from cimest.result import read_result, recorded, trained_epochs
from hwlib.units import pretty

WHOLE = ("network", "dataset", "training.rule", "training.learning_rate", "chip.device")
"""Sections that change as one, since their keys belong together."""

BACKWARD = "chip.backward_adc"
"""Section of a part that not every chip has."""


@dataclass(frozen=True)
class Step:
    """One bar of the waterfall.

    Parameters
    ----------
    choice : str
        Key path that changes, or several joined by ` + `; empty for the start.
    before, after : object
        Its values.
    energy, latency : float
        Of a training sample at the system boundary once the choice has changed. [J], [s]
    """

    choice: str
    before: Any
    after: Any
    energy: float
    latency: float


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Parameters
    ----------
    experiment : Experiment
    activity : Activity, optional
        Measured by the run.
    samples : int
        Of its training: what a run took, what an experiment is to take.
    accuracy : dict, optional
        What the run reached, as in result.json.
    """

    experiment: Experiment
    activity: Activity | None
    samples: int
    accuracy: dict[str, float] | None = None

    @property
    def infers(self) -> bool:
        """Whether nothing is trained."""
        return self.experiment.training.kind == "none"


def spelled(experiment: Experiment) -> dict[str, Any]:
    """Everything an experiment says, its dataflow choice by choice instead of by the name of a base."""
    data = resolved(experiment)
    schedule = asdict(resolve(experiment.dataflow))
    gradient = {
        "bits": schedule.pop("gradient_bits"),
        **{key: schedule.pop(key) for key in ("accumulate", "early", "room")},
    }
    said = {"base": "naive", "gradient": gradient, **schedule}
    data["dataflow"] = {key: said[key] for key in type(experiment.dataflow).model_fields}
    return data


def differences(one: dict[str, Any], other: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Key paths whose values differ, with both values; the sections of `WHOLE` as one."""
    for key in dict.fromkeys([*one, *other]):
        before, after, here = one.get(key), other.get(key), f"{path}.{key}" if path else key
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict) and here not in WHOLE:
            yield from differences(before, after, here)
        else:
            yield here, before, after


def shown(path: str, value: Any) -> str:
    """A value of an experiment for people: quantities with their unit, sections by their name."""
    if isinstance(value, dict):
        return str(value.get("name", value))
    field = field_at(path.split("."))
    if not isinstance(value, float) or field is None:
        return str(value)
    unit = unit_of(field)
    return f"{value / 8 / 1024:g} KiB" if unit == "bit" else pretty(value, unit)


def shown_apart(path: str, before: Any, after: Any) -> tuple[str, str]:
    """Two values for people; of sections with the same name what differs in them."""
    if isinstance(before, dict) and isinstance(after, dict) and shown(path, before) == shown(path, after):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        one, other = (
            ", ".join(f"{key} {shown(f'{path}.{key}', side.get(key))}" for key in keys) for side in (before, after)
        )
        return one, other
    return shown(path, before), shown(path, after)


def reached(step: Step) -> list[str]:
    """What a step changes and to what, one entry for each choice, without the name of a section that all share."""
    if " + " in step.choice:
        return [_without_section(choice) for choice in step.choice.split(" + ")]
    before, after = step.before, step.after
    if isinstance(before, dict) and isinstance(after, dict) and before.get("name") == after.get("name"):
        keys = (key for key in after if after[key] != before.get(key))
        return [f"{_without_section(step.choice)}.{key}: {after[key]}" for key in keys]
    return [f"{_without_section(step.choice)}: {shown(step.choice, after)}"]


def _without_section(choice: str) -> str:
    return choice.removeprefix("chip.").removeprefix("dataflow.").removeprefix("training.")


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of nested mappings with one value replaced."""
    key, _, rest = path.partition(".")
    return {**data, key: changed(data[key], rest, value) if rest else value}


def side(path: Path, overrides: Sequence[str] = ()) -> Side:
    """One side of a comparison: an experiment's file, or a run's folder with what it measured.

    Raises
    ------
    FileNotFoundError, ConfigError
        If there is no such file, or it holds no experiment.
    ValueError
        If values of a run's folder are to be changed.
    """
    if not path.is_dir():
        experiment = load(path, overrides)
        return Side(experiment, None, training_samples(experiment))
    if overrides:
        raise ValueError(f"{path} is a finished run, whose values cannot be changed; give its experiment instead")
    result = read_result(path)
    experiment = Experiment.model_validate(result["experiment"])
    measured = recorded(result) if result["history"] else None
    an_epoch = training_samples(experiment) // experiment.training.epochs
    return Side(experiment, measured, an_epoch * trained_epochs(result), result["accuracy"])


def allowed(data: dict[str, Any]) -> Experiment | None:
    """The experiment that nested mappings describe; None if some of its choices exclude one another."""
    try:
        point = Experiment.model_validate(data)
    except ValidationError:
        return None
    return None if sizes(point) else point


def only_forward(experiment: Experiment) -> bool:
    """Whether the chip has no converters for a backward pass; the experiment names some, which follow the others."""
    return BACKWARD.removeprefix("chip.") not in price_experiment(experiment).parts


def joined(changes: list[tuple[str, Any, Any]]) -> tuple[str, Any, Any]:
    """Several changes as one: paths and values beside each other."""
    if len(changes) == 1:
        return changes[0]
    before, after = (", ".join(str(change[i]) for change in changes) for i in (1, 2))
    return " + ".join(change[0] for change in changes), before, after


def price_step(experiment: Experiment, activity: Activity | None, step: tuple[str, Any, Any]) -> Step:
    """The price once a choice has changed."""
    estimate = price_experiment(experiment, activity).estimate
    return Step(*step, float(energies(estimate)["system"]), float(estimate.time()))


def waterfall(
    one: Experiment,
    other: Experiment,
    activity: Activity | None = None,
    other_activity: Activity | None = None,
) -> list[Step]:
    """From one experiment to the other, changing one choice after the other.

    The bars sum to the whole difference; how large each is depends on the order, which is that of the schema. Where
    a choice excludes one that has not changed yet, they share a bar. Converters of the backward pass have none where
    neither chip has them.

    Parameters
    ----------
    one, other : Experiment
    activity, other_activity : Activity, optional
        Measured activity of each. If they differ, the change from one to the other is the last bar; it comes
        with the network where that changes.

    Returns
    -------
    list of Step
        The first is `one` as it is, the last equals `other`.
    """
    data, target = spelled(one), spelled(other)
    now, idle = activity, only_forward(one) and only_forward(other)
    steps = [price_step(Experiment.model_validate(data), now, ("", None, None))]
    together: list[tuple[str, Any, Any]] = []
    for path, before, after in differences(data, target):
        data = changed(data, path, after)
        if idle and path.startswith(f"{BACKWARD}."):
            continue
        if path == "network":
            now = other_activity
        together.append((path, before, after))
        point = allowed(data)
        if point is None:
            continue
        try:
            steps.append(price_step(point, now, joined(together)))
        except ValueError:  # a network and what belongs to it change one after the other
            continue
        together = []
    if together:
        steps.append(price_step(other, now, joined(together)))
    if now != other_activity:
        before, after = ("default" if here is None else here.origin for here in (now, other_activity))
        steps.append(price_step(Experiment.model_validate(data), other_activity, ("activity", before, after)))
    return steps
