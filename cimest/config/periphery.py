"""Which choices of the arrays' periphery exclude one another, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cimest.config.chip import Periphery

if TYPE_CHECKING:
    from cimest.config.schema import Experiment

Conflict = tuple[tuple[str, ...], str]

HERE = ("chip", "periphery")

BIT_BY_BIT = "bit_serial puts each bit on its line at full voltage, whatever the size of the word"

REASONS = {
    "dac_bits": f"{BIT_BY_BIT}: it has no DAC",
    "output_range": "under bit_serial each converter has the range that adc.range and backward_adc.range give it",
    "noise_management": f"{BIT_BY_BIT}: scaling words makes no sum of a cycle larger",
    "bound_management": f"{BIT_BY_BIT}: half the inputs are the same bits a place lower, with sums as large",
    "retries": "bit_serial reads no vector again",
}
"""Why bit-serial inputs have no use for an option."""


def conflicts(experiment: Experiment) -> Iterator[Conflict]:
    """Key paths and messages."""
    chip, choice = experiment.chip, experiment.chip.periphery
    if choice.kind == "bit_serial":
        for name, reason in REASONS.items():
            if getattr(choice, name) != Periphery.model_fields[name].default:
                yield (*HERE, name), f"is for kind whole_vector: {reason}"
        return
    if chip.signed_inputs == "twos_complement":
        yield ("chip", "signed_inputs"), "under whole_vector a line takes the sign of its word: there are no bits"
    for name, adc in (("adc", chip.adc), ("backward_adc", chip.backward_adc)):
        if adc.kind == "ideal":
            if choice.bound_management != "none":
                yield (*HERE, "bound_management"), f"chip.{name} is ideal and has no range that a result could leave"
            continue
        if np.all(np.asarray(adc.bits) == 2) and choice.bound_management == "iterative":
            yield ("chip", name, "bits"), "2 bits have no code but zero within the range: iterative needs 3 at least"
        if np.all(np.asarray(adc.bits) < 2):  # a sweep prices many at once, and refuses each by itself
            yield ("chip", name, "bits"), "1 bit has no code for either sign: whole_vector needs 2 at least"
        for error in ("offset", "inl"):
            if getattr(adc, error):
                yield ("chip", name, error), "is simulated where each bit is converted (bit_serial): it must be 0"
    if choice.bound_management == "iterative" and choice.retries > choice.dac_bits - 2:
        yield (*HERE, "retries"), f"after {choice.dac_bits - 1} halvings no input is a step of {choice.dac_bits} bits"
    if choice.bound_management == "none" and choice.retries != Periphery.model_fields["retries"].default:
        yield (*HERE, "retries"), "are those of bound_management: iterative"
