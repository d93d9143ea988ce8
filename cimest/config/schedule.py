"""`Schedule`: every choice of the training step's dataflow, resolved from a base, and which choices exclude others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cimest.config import periphery
from cimest.config.schema import Dataflow
from hwlib.component import Real

if TYPE_CHECKING:
    from cimest.config.schema import Experiment


@dataclass(frozen=True)
class Schedule:
    """The choices; the keys of `config.schema.Dataflow` say what each means."""

    loop_order: str
    image_layers: Real | None
    image_group: Real
    accumulate: str
    gradient_bits: int
    early: bool
    room: str
    operand_writes: str
    activations: str
    overlap: bool
    pipelined: bool
    accounting: str

    @property
    def stacked(self) -> bool:
        """Whether images of a batch share arrays of the weight-gradient unit."""
        return self.loop_order == "slice_outer"


BASES = {
    # Each image's activations, errors and weight gradients go through DRAM, the operand of the
    # weight-gradient unit is written anew for every kernel position, nothing overlaps (Peng et al. 2021).
    "naive": {
        "loop_order": "image_outer",
        "accumulate": "dram",
        "early": False,
        "room": "own",
        "operand_writes": "per_kernel_position",
        "activations": "dram",
        "overlap": False,
        "pipelined": False,
    },
    # All images of a batch pass before a slice of the gradient leaves the chip (our reading of Huang et al. 2022).
    "optimised": {
        "loop_order": "slice_outer",
        "accumulate": "on_chip",
        "early": True,
        "room": "shared",
        "operand_writes": "once",
        "activations": "buffer",
        "overlap": True,
        "pipelined": False,
    },
}


def resolve(dataflow: Dataflow) -> Schedule:
    """The schedule that an experiment's `dataflow` section describes."""
    said = {
        "loop_order": dataflow.loop_order,
        "accumulate": dataflow.gradient.accumulate,
        "early": dataflow.gradient.early,
        "room": dataflow.gradient.room,
        "operand_writes": dataflow.operand_writes,
        "activations": dataflow.activations,
        "overlap": dataflow.overlap,
        "pipelined": dataflow.pipelined,
    }
    choices = BASES[dataflow.base] | {key: value for key, value in said.items() if value is not None}
    return Schedule(
        gradient_bits=dataflow.gradient.bits,
        image_layers=dataflow.image_layers,
        image_group=dataflow.image_group,
        accounting=dataflow.accounting,
        **choices,  # type: ignore[arg-type]
    )


def named(dataflow: Dataflow) -> str:
    """The base that a section describes, or `own` where choices of it are changed."""
    schedule = resolve(dataflow)
    gradient = {"bits": dataflow.gradient.bits}
    bases = (
        base for base in BASES if resolve(Dataflow.model_validate({"base": base, "gradient": gradient})) == schedule
    )
    return next(bases, "own")


def conflicts(experiment: Experiment) -> Iterator[tuple[tuple[str, ...], str]]:
    """Key paths and messages of choices that exclude one another."""
    yield from periphery.conflicts(experiment)
    if experiment.training.kind == "none":
        return
    schedule, unit = resolve(experiment.dataflow), experiment.chip.weight_gradient.unit
    order, sums = ("dataflow", "loop_order"), ("dataflow", "gradient", "accumulate")
    if schedule.loop_order == "split" and schedule.image_layers is None:
        yield order, "split needs dataflow.image_layers: how many layers go image by image"
    if schedule.loop_order != "split" and schedule.image_layers is not None:
        yield ("dataflow", "image_layers"), f"is for loop_order split, not {schedule.loop_order}"
    if schedule.accumulate == "in_unit" and unit != "digital":
        yield sums, f"in_unit needs lanes that hold gradients, of a digital weight-gradient unit; {unit} has none"
    group = ("dataflow", "image_group")
    if np.any(np.asarray(schedule.image_group) > 1) and schedule.accumulate != "in_unit":
        yield group, "images share a block of the gradient only where sums stay in_unit"
    if np.any(np.asarray(schedule.image_group) > experiment.training.batch):
        yield group, f"is more than the {experiment.training.batch} images of a batch"
    if schedule.pipelined and (name := _normalises_batches(experiment)):
        yield (
            ("dataflow", "pipelined"),
            f"{name} normalises whole batches, so that no image goes on before all have come: it must be false, or "
            "that layer's kind `layer`",
        )
    if experiment.one_by_one and experiment.training.centring not in (None, "none"):
        yield (
            ("training", "centring"),
            "inputs count from their mean over the batch, which leaves nothing of a layer's one vector in a batch of "
            "one: it must be none, or training.batch larger",
        )
    if unit == "in_array":
        yield from _in_array(experiment, schedule)
    elif (rule := experiment.training.rule.name) in in_array_rules():
        yield (
            ("chip", "weight_gradient", "unit"),
            f"{rule} pulses outer products in its arrays: it needs in_array, not {unit}",
        )
    if schedule.accounting == "neurosim":
        yield from _neurosim(experiment, schedule)


def _normalises_batches(experiment: Experiment) -> str | None:
    """A layer that takes means over a batch; none if the network has none."""
    from cimest.datasets import choose
    from cimest.network import Normalise, arguments, builder

    make, data = builder(experiment.network.name), choose(experiment.dataset.name, experiment.dataset.options)
    network = make(*arguments(make, data), **experiment.network.options)
    return next((one.name for one in network.layers if isinstance(one, Normalise) and one.kind == "batch"), None)


def in_array_rules() -> list[str]:
    """Rules whose outer products are pulsed in the arrays and nowhere else."""
    from cimest.rules import RULES
    from cimest.rules.in_memory import InMemory

    return [name for name in RULES.names() if issubclass(RULES.get(name), InMemory)]


def fast_array_rules() -> list[str]:
    """Rules whose fast arrays are read row by row."""
    from cimest.rules import RULES
    from cimest.rules.fast_array import FastArray

    return [name for name in RULES.names() if issubclass(RULES.get(name), FastArray)]


def _in_array(experiment: Experiment, schedule: Schedule) -> Iterator[tuple[tuple[str, ...], str]]:
    """What an update in the arrays cannot have: there is no gradient outside them, and each image changes weights."""
    if experiment.training.centring not in (None, "none"):
        yield ("training", "centring"), "in_array pulses inputs as they are, and nobody takes their means off"
    rule = experiment.training.rule.name
    if rule != "sgd" and rule not in in_array_rules():
        allowed = ", ".join(["sgd", *in_array_rules()])
        yield ("training", "rule"), f"{rule} needs the gradient as numbers; in_array forms none, so it allows {allowed}"
    if experiment.chip.array.encoding != "reference_column":
        yield (
            ("chip", "array", "encoding"),
            "pulse trains that meet in the arrays need reference_column: one cell a weight",
        )
    if experiment.chip.array.wire_resistance:
        yield ("chip", "array", "wire_resistance"), "pulse trains and transfers in the arrays are simulated without it"
    if schedule.pipelined:
        yield ("dataflow", "pipelined"), "weights change after each image under in_array, so that the next has to wait"
    if schedule.loop_order != "image_outer":
        yield ("dataflow", "loop_order"), "in_array updates after each image, which is image_outer"
    if experiment.chip.write.verify != "none":
        yield ("chip", "write", "verify"), "pulses that coincide in whole arrays cannot be verified row by row"
    if rule in fast_array_rules():
        for error in ("offset", "inl"):
            if getattr(experiment.chip.adc, error):
                yield ("chip", "adc", error), f"is not simulated where {rule} reads its fast arrays: it must be 0"
    device, unmodelled = experiment.chip.device, "is not modelled where arrays are pulsed as a whole under in_array: it"
    if device.write_noise:
        yield ("chip", "device", "write_noise"), f"{unmodelled} must be 0"
    if device.drift is not None:
        yield ("chip", "device", "drift"), f"{unmodelled} must be null"
    if device.read_noise is not None and device.read_noise.spectrum != "white":
        yield ("chip", "device", "read_noise", "spectrum"), f"{unmodelled} must be white, or read_noise null"
    if experiment.training.clip is not None:
        yield ("training", "clip"), "in_array has no gradient outside the arrays, and no pulses by row: it must be null"


def _neurosim(experiment: Experiment, schedule: Schedule) -> Iterator[tuple[tuple[str, ...], str]]:
    """That tool has one dataflow."""
    naive = resolve(Dataflow(base="naive"))
    for key in ("loop_order", "accumulate", "early", "room", "operand_writes", "activations", "overlap", "pipelined"):
        if getattr(schedule, key) != getattr(naive, key):
            yield (
                ("dataflow", "accounting"),
                f"neurosim counts the naive dataflow only, whose {key} is {getattr(naive, key)}",
            )
    if experiment.chip.periphery.kind != "bit_serial":
        yield ("dataflow", "accounting"), "neurosim counts inputs applied bit by bit only (bit_serial)"
    if experiment.chip.weight_gradient.unit != "sram_cim":
        yield ("dataflow", "accounting"), "neurosim counts a weight-gradient unit of SRAM arrays only (sram_cim)"
    if experiment.chip.write.verify != "none":
        yield ("dataflow", "accounting"), "neurosim counts writes without verify only"
