"""What chips that only infer cannot have, and what needs a chip that only infers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cimest.config.chip import Chip
    from cimest.config.schema import Experiment

Problem = tuple[tuple[str, ...], str]
"""Key path and message."""

STATIC = ("capacitor_sram", "c2c_sram", "pulsed_sram", "digital_sram")
"""Cells that hold bits."""

OF_KEYS = ("chip", "inference")


def refusals(experiment: Experiment) -> list[Problem]:
    """Choices that exclude one another where nothing is trained, or that need that."""
    chip = experiment.chip
    if experiment.training.kind == "none":
        return list(_inferring(experiment))
    needs = "needs `training: none`: "
    found: list[Problem] = [
        ((*OF_KEYS, key), f"{needs}no training pass has a circuit or a model for it")
        for key in sorted(chip.inference.model_fields_set)
        if getattr(chip.inference, key) != type(chip.inference).model_fields[key].default
    ]
    if chip.device.has("kind") and chip.device.kind == "static":
        found.append((("chip", "array", "cell"), f"{needs}static cells take no pulses, so that nothing can learn"))
    if chip.adc.kind == "charge_decrement":
        found.append((("chip", "adc", "kind"), f"{needs}it converts sums of weighted pulses, which only inference has"))
    if chip.input_bits < 2:
        found.append((("chip", "input_bits"), f"{needs}activations in training have 2 bits at least"))
    return found


def _inferring(experiment: Experiment) -> Iterator[Problem]:
    """Choices that exclude one another under `training: none`."""
    chip, schedule = experiment.chip, experiment.dataflow
    choice, cell = chip.inference, chip.array.cell
    if schedule.accounting == "neurosim":
        yield ("dataflow", "accounting"), "neurosim counts a training step; inference allows ours"
    yield from _cells(chip)
    if chip.periphery.kind != "bit_serial" and (choice.model_fields_set or cell in STATIC):
        reason = "whole_vector reads devices as in training: chip.inference must be left out"
        yield ("chip", "periphery", "kind"), reason
    pulses, decrement = choice.inputs == "weighted_pulses", chip.adc.kind == "charge_decrement"
    if pulses and choice.sensing != "voltage":
        yield (*OF_KEYS, "inputs"), "weighted_pulses are integrated by neurons that sense voltages: sensing must be so"
    if choice.phases > max(1, chip.input_bits - 1):
        yield (*OF_KEYS, "phases"), f"a word of {chip.input_bits} bits with sign has no {choice.phases} parts"
    if choice.phases > 1 and not pulses:
        yield (*OF_KEYS, "phases"), "are of inputs: weighted_pulses"
    if choice.sensing == "voltage" and not (pulses and decrement):
        yield (*OF_KEYS, "sensing"), "voltage needs inputs: weighted_pulses and adc: charge_decrement"
    if decrement and not pulses:
        yield ("chip", "adc", "kind"), "charge_decrement converts what weighted_pulses leave; it needs such inputs"
    if chip.adc.kind == "cco" and choice.inputs != "pulse_width":
        yield ("chip", "adc", "kind"), "cco counts while pulses last: it needs inputs: pulse_width"
    if choice.inputs == "pulse_width" and chip.adc.kind != "cco":
        yield (*OF_KEYS, "inputs"), "pulse_width needs a converter that integrates: adc: cco"
    if choice.inputs == "dac" and cell != "c2c_sram":
        yield (*OF_KEYS, "inputs"), "dac drives lines that charge capacitors; it needs the cell c2c_sram"


def _cells(chip: Chip) -> Iterator[Problem]:
    """What each cell needs."""
    choice, cell = chip.inference, chip.array.cell
    if cell == "c2c_sram" and choice.inputs != "dac":
        yield (*OF_KEYS, "inputs"), "the ladders of c2c_sram multiply voltages: allowed: dac"
    if (cell == "pulsed_sram") != (choice.inputs == "pulse_count"):
        yield (*OF_KEYS, "inputs"), "pulsed_sram discharges columns pulse by pulse: it and pulse_count need one another"
    if cell in ("capacitor_sram", "digital_sram") and choice.inputs != "bit_serial":
        yield (*OF_KEYS, "inputs"), f"{cell} multiplies bits: allowed: bit_serial"
    if cell == "capacitor_sram" and choice.weight_bits > 1 and choice.datapath == "shift_add":
        reason = f"near_memory (weight_bits is {choice.weight_bits}): its register moves by one bit for each code"
        yield (*OF_KEYS, "datapath"), f"codes of bits of weights need the barrel shifter of {reason}"
    if cell == "digital_sram" and chip.adc.kind != "ideal":
        yield ("chip", "adc", "kind"), "the sums of digital_sram are numbers already: allowed: ideal"
    if cell != "1t1r" and choice.sensing != "current":
        yield (*OF_KEYS, "sensing"), "voltage is for 1t1r"
    if choice.sensing == "voltage" and chip.array.encoding != "differential_pair":
        yield ("chip", "array", "encoding"), "voltage sensing subtracts the rows of pairs: allowed: differential_pair"
    if choice.inputs == "pulse_width" and cell not in ("1t1r", "fefet", "crossbar"):
        yield (*OF_KEYS, "inputs"), "pulse_width needs cells that conduct: 1t1r, fefet or crossbar"
