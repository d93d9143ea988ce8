"""The space of the dataflow's search: its choices with their values, its sizes, and how a design takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cimest.compare import changed
from cimest.config import Experiment
from cimest.pricing import build_network, build_rule

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

INTEGERS = ("chip.weight_gradient.lanes", "dataflow.image_group")
"""Sizes that are counts."""


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
        if value_at(experiment, path) is None and path == SPLIT:
            continue  # not a split
        if path == "dataflow.image_group" and experiment.dataflow.gradient.accumulate != "in_unit":
            continue  # images are not taken together
        experiment = replaced(experiment, keys, value)
    return experiment


def sized(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A digital unit that sums in its lanes, with all sizes small, middle or large."""
    data = changed(changed(data, "chip.weight_gradient.unit", "digital"), "dataflow.loop_order", "split")
    data = changed(changed(data, SPLIT, 0), "dataflow.gradient.accumulate", "in_unit")
    for share in (0.0, 0.5, 1.0):
        point = data
        for path, values in SIZES.items():
            size = float(values[0 if path == "dataflow.image_group" else round(share * (len(values) - 1))])
            point = changed(point, path, int(size) if path in INTEGERS else size)
        yield point


def look(data: dict[str, Any], path: str) -> Any:
    """What nested mappings have at a key path; None where nothing is said."""
    found: Any = data
    for key in path.split("."):
        found = found.get(key)
    return found


def value_at(section: Any, path: str) -> Any:
    """What an experiment or one of its sections has at a key path."""
    for key in path.split("."):
        section = getattr(section, key)
    return section
