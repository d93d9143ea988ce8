"""What training depends on: the part of an experiment that decides its accuracy, and its content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cimest
from cimest.config import Experiment
from cimest.config.loader import resolved
from cimest.dataflow import resolve
from cimest.pricing import batch_time

NEUTRAL: tuple[str, ...] = (
    "activity",
    "chip.technology",
    "chip.roadmap",
    "chip.supply",
    "chip.clock",
    "chip.corner",
    "chip.calibration",
    "chip.duplication",
    "chip.tile",
    "chip.bus_bits",
    "chip.update_arrays",
    "chip.global_buffer",
    "chip.dram",
    "chip.weight_gradient.lanes",
    "chip.weight_gradient.arrays",
    "chip.weight_gradient.buffer",
    "chip.device.name",
    "chip.device.description",
    "chip.device.absent",
    "chip.device.sources",
    "chip.device.cell_width",
    "chip.device.cell_height",
)
"""Key paths, and sections, that training never reads: they change what a chip costs, not what it learns.

Everything else counts as functional, so that a new option of an experiment is one until somebody shows that it is not.
"""

UNIT = ("chip.weight_gradient.adc_offset", "chip.weight_gradient.adc_inl")

WHILE_ZERO: dict[str, tuple[str, ...]] = {
    "chip.adc.columns_per_adc": ("chip.adc.offset", "chip.adc.inl"),
    "chip.backward_adc.columns_per_adc": ("chip.backward_adc.offset", "chip.backward_adc.inl"),
    "chip.weight_gradient.columns_per_adc": UNIT,
    "chip.weight_gradient.columns": UNIT,
}
"""Key paths that are neutral while these others are zero: which converter takes a line matters once they differ."""

NEUTRAL_CHOICES = ("accumulate", "early", "room", "activations", "overlap")
"""Choices of the schedule that training never reads: they move the same numbers in another order."""


WAITED = "batch_time"
"""Key of the time between two updates, where that is the estimate's."""


def neutral(path: str, values: Mapping[str, Any]) -> bool:
    """Whether a key path changes no accuracy in an experiment of which these are the `leaves`."""
    if path in WHILE_ZERO:
        return not any(values[other] for other in WHILE_ZERO[path])
    return any(path == other or path.startswith(f"{other}.") for other in NEUTRAL)


def functional(experiment: Experiment) -> dict[str, Any]:
    """Key path to value of all that training depends on; the dataflow as the choices that it resolves to.

    Where cells drift for as long as the chip takes by estimate, that time is part of it.
    """
    schedule = asdict(resolve(experiment.dataflow))
    data = resolved(experiment) | {"dataflow": {k: v for k, v in schedule.items() if k not in NEUTRAL_CHOICES}}
    values = leaves(data)
    found = {path: value for path, value in values.items() if not neutral(path, values)}
    if start := experiment.training.start_from:
        found["training.start_from"] = contents(Path(start))
    return found | {WAITED: waited(experiment)} if drifts(values) and estimates_time(values) else found


def contents(start: Path) -> str:
    """Content hash of the weights that a training starts from, of a file or of a run's folder."""
    from cimest.learning import checkpoint

    file = start / checkpoint.FILE if start.is_dir() else start
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else f"no {file}"


def drifts(values: Mapping[str, Any]) -> bool:
    """Whether cells change in the time between two updates, in an experiment of which these are the `leaves`."""
    return any(values.get(path, True) is not None for path in ("chip.device.drift", "chip.device.read_noise"))


def estimates_time(values: Mapping[str, Any]) -> bool:
    """Whether that time is the estimate's, and so follows from every choice that any other training may ignore."""
    return values["training.batch_time"] is None


def waited(experiment: Experiment) -> float | str:
    """Time between two updates [s], or why the estimate refuses to say, for which training refuses as well."""
    try:
        return batch_time(experiment)
    except ValueError as error:
        return str(error)


def key(experiment: Experiment) -> str:
    """Content hash of a training: of what it depends on, and of the version of cimest."""
    text = json.dumps([functional(experiment), cimest.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def leaves(data: Any, above: str = "") -> dict[str, Any]:
    """Key path to value of everything in nested mappings that is not a mapping itself."""
    if not isinstance(data, dict) or not data:
        return {above: data}
    found: dict[str, Any] = {}
    for name, value in data.items():
        found |= leaves(value, f"{above}.{name}" if above else name)
    return found
