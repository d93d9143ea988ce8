"""`Schedule`: every choice of the training step's dataflow, resolved from a base and its changes."""

from __future__ import annotations

from dataclasses import dataclass

from cimest.config.schema import Dataflow


@dataclass(frozen=True)
class Schedule:
    """The choices; the keys of `config.schema.Dataflow` say what each means."""

    loop_order: str
    accumulate: str
    gradient_bits: int
    operand_writes: str
    activations: str
    overlap: bool

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
        "operand_writes": "per_kernel_position",
        "activations": "dram",
        "overlap": False,
    },
    # All images of a batch pass before a slice of the gradient leaves the chip (our reading of Huang et al. 2022).
    "optimised": {
        "loop_order": "slice_outer",
        "accumulate": "on_chip",
        "operand_writes": "once",
        "activations": "buffer",
        "overlap": True,
    },
}


def resolve(dataflow: Dataflow) -> Schedule:
    """The schedule that an experiment's `dataflow` section describes."""
    said = {
        "loop_order": dataflow.loop_order,
        "accumulate": dataflow.gradient.accumulate,
        "operand_writes": dataflow.operand_writes,
        "activations": dataflow.activations,
        "overlap": dataflow.overlap,
    }
    choices = BASES[dataflow.base] | {key: value for key, value in said.items() if value is not None}
    return Schedule(gradient_bits=dataflow.gradient.bits, **choices)  # type: ignore[arg-type]
