"""Inference alone: the forward pass of each layer, nothing of which is kept for a pass that learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import cast

import numpy as np

from cimest.actions import Action
from cimest.activity import Activity, LayerActivity
from cimest.config.inference import STATIC
from cimest.dataflow import digital
from cimest.dataflow.design import Design
from cimest.dataflow.matrix import Direction, forward_direction, move, products, traffic, window_fetches
from cimest.mapping.arrays import waiting_lines_conduct
from cimest.mapping.floorplan import Placement
from cimest.mapping.inference import result_bits, shares_converters, weight_slices
from cimest.network import Lstm, Normalise
from hwlib.component import Real
from hwlib.components.analog_array import AnalogArray

PASS = "forward"


def inference(design: Design, activity: Activity) -> list[Action]:
    """Actions of one sample."""
    actions: list[Action] = []
    for placement in design.plan.placements:
        measured = activity.layers[placement.layer.name]
        if _as_in_training(design):
            direction = _direction(design, placement, measured)
            actions += _present(design, products(design, placement, measured, direction))
        else:
            actions += _products(design, placement, measured)
        actions += _present(design, _moves(design, placement, measured))
        actions += _between(design, placement, measured)
    return actions


def _direction(design: Design, placement: Placement, activity: LayerActivity) -> Direction:
    """From rows to columns, with words as wide as arrays that only infer contribute them."""
    bits = result_bits(design.chip, design.parts["array"].component)
    return replace(forward_direction(design, placement, activity), block_bits=bits)


def _as_in_training(design: Design) -> bool:
    """Whether arrays are read as a chip reads them that also learns."""
    choice, cell = design.chip.inference, design.chip.array.cell
    usual = choice.inputs == "bit_serial" and choice.datapath == "shift_add" and choice.cycle is None
    return usual and cell not in STATIC


def _present(design: Design, rows: Iterator[Action]) -> Iterator[Action]:
    """Those of the actions whose part the chip has."""
    return (row for row in rows if row.part in design.parts)


def vector_cycles(design: Design, placement: Placement) -> tuple[Real, Real]:
    """Reads of an array for one vector, and how many of them are converted.

    A sign takes another read, but for weighted pulses, which have one, and whose magnitude has a bit less.
    """
    kind, serial = design.chip.inference.inputs, design.input_cycles(placement)
    if kind == "bit_serial":
        return serial, serial
    if kind == "weighted_pulses":
        return np.maximum(1, design.chip.input_bits - 1), design.chip.inference.phases
    return (2, 2) if two_phases(design, placement) else (1, 1)


def two_phases(design: Design, placement: Placement) -> bool:
    """Whether a layer's inputs have a sign, and activity is that of a phase for each sign."""
    return design.network.takes_signed(placement.layer) and design.chip.signed_inputs == "two_phase"


def driven_share(design: Design, placement: Placement, activity: LayerActivity) -> Real:
    """Share of the lines in use that are driven in a read.

    An input that is not zero drives its line in the read of its sign only. Weighted pulses of both signs go in one
    read, whereas `input_ones` is the mean over both phases.
    """
    kind = design.chip.inference.inputs
    if kind == "bit_serial":
        return activity.input_ones
    if kind == "weighted_pulses":
        return activity.input_ones * (2 if two_phases(design, placement) else 1)
    return (1 - activity.input_zeros) / vector_cycles(design, placement)[0]


def samples(bits: Real, phases: Real) -> Real:
    """Samples of a vector of weighted pulses: in each phase that of bit k is taken 2^k times."""
    short, longer = np.divmod(bits, phases)
    return longer * (2.0 ** (short + 1) - 1) + (phases - longer) * (2.0**short - 1)


def _products(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """A layer's matrix-vector products on arrays that only infer.

    With `chip.inference.cycle` that is the time of each read, or of each vector whose pulses are integrated, and
    circuits work within it; without, what one vector needs follows one after the other.
    """
    chip, layer, name = design.chip, placement.layer, placement.layer.name
    choice, slices = chip.inference, weight_slices(chip)
    cycles, conversions = vector_cycles(design, placement)
    columns = layer.fan_out / placement.column_blocks * slices
    adcs = np.ceil(chip.array.columns / chip.adc.columns_per_adc)
    fullest = np.minimum(chip.array.columns, layer.fan_out / layer.groups * slices)
    groups = np.ceil(fullest / adcs) if "adc" in design.parts else 1.0
    in_turn = np.ceil(layer.positions / (1 if layer.recurrent else placement.copies)) * groups
    vectors = layer.positions * groups * placement.arrays
    reads, lines = vectors * cycles, layer.fan_in / placement.row_blocks
    slots = in_turn * (1 if choice.inputs == "weighted_pulses" else cycles)
    timed = None if choice.cycle is None else choice.cycle
    active = lines * driven_share(design, placement, activity)
    own = 0.0 if timed is not None else 1.0  # whether circuits' own times add up
    yield from _driven(design, name, (vectors, reads, groups), in_turn * own, active, lines)
    # Where no transistor cuts them off, the lines that wait for their turn conduct as well.
    together = 1.0 if waiting_lines_conduct(design.parts["array"].component) else groups
    times = reads, slots * own, slots, timed
    yield from _read(design, placement, activity, (active, lines, columns / together), times)
    if "mux" in design.parts:
        several = shares_converters(chip)
        yield Action(name, PASS, "mux", "select", vectors * several, in_turn * own * several)
    converted = vectors * conversions * columns / groups
    if "adc" in design.parts:  # one that counts does so while pulses last
        shown = 0.0 if choice.inputs == "pulse_width" else in_turn * conversions * own
        yield Action(name, PASS, "adc", "convert", converted, shown)
    if "near_memory_datapath" in design.parts:
        outputs = layer.positions * layer.fan_out  # of sums over all row blocks
        yield Action(name, PASS, "near_memory_datapath", "accumulate", converted, in_turn * own)
        yield Action(name, PASS, "near_memory_datapath", "finish", outputs, in_turn * own)
    elif "shift_add" in design.parts:
        yield Action(name, PASS, "shift_add", "shift_add", converted, in_turn * own)
    if "adder_tree" in design.parts:
        direction = _direction(design, placement, activity)
        added = layer.positions * direction.outputs * (direction.in_blocks - direction.along)
        shown = np.where(direction.in_blocks > direction.along, in_turn, 0)[()]
        yield Action(name, PASS, "adder_tree", "add", added / np.maximum(design.plan.arrays_per_tile - 1, 1), shown)


def _driven(
    design: Design, name: str, counts: tuple[Real, Real, Real], in_time: Real, active: Real, lines: Real
) -> Iterator[Action]:
    """Input lines of all reads: words to registers or converters, and what puts them on the lines.

    Parameters
    ----------
    counts : tuple
        Vectors times groups of columns that take turns; reads; and groups, for all of which a word is stored once.
    in_time : float or array
        How many of those vectors follow one another, 0 where the circuits' own time does not matter.
    active, lines : float or array
        Lines that are driven in a read, and all that are in use.
    """
    chip, kind = design.chip, design.chip.inference.inputs
    vectors, reads, groups = counts
    if kind == "dac":
        hold = {} if chip.inference.cycle is None else {"hold_time": chip.inference.cycle}
        yield Action(name, PASS, "input_dac", "convert", reads * lines, in_time * reads / vectors, hold)
        return
    if kind in ("pulse_width", "pulse_count"):  # trains of pulses last as long as the array's read
        shown = in_time * reads / vectors if kind == "pulse_width" else 0.0
        yield Action(name, PASS, "wordline_driver", "load", vectors / groups)
        yield Action(name, PASS, "wordline_driver", "drive", reads, shown, {"active_lines": active})
        return
    cycles = reads / vectors
    yield Action(name, PASS, "input_register", "store", vectors / groups * lines, in_time / groups)
    yield Action(name, PASS, "input_register", "select", reads * lines)
    if kind == "weighted_pulses":
        word_lines = {"lines_driven": cast(AnalogArray, design.parts["array"].component).all_rows}
        yield Action(name, PASS, "wordline_driver", "pulse", reads, 0.0, word_lines)
        pairs = {"active_lines": 2 * active}
        yield Action(name, PASS, "input_driver", "drive", reads, in_time * cycles, pairs)
        return
    driven = lines if chip.array.cell == "capacitor_sram" and chip.inference.operation == "xnor" else active
    yield Action(name, PASS, "wordline_driver", "drive", reads, in_time * cycles, {"active_lines": driven})


def _read(
    design: Design,
    placement: Placement,
    activity: LayerActivity,
    lines: tuple[Real, Real, Real],
    times: tuple[Real, Real, Real, Real | None],
) -> Iterator[Action]:
    """The arrays' own part of all reads.

    Parameters
    ----------
    lines : tuple
        Rows that are driven, rows in use, and columns that are read.
    times : tuple
        Reads; how many follow one another by the circuits' own time; time slots; and what a slot takes, or None.
    """
    chip, name = design.chip, placement.layer.name
    active, used, columns = lines
    reads, own, slots, timed = times
    serial = own if timed is None else slots
    if chip.array.cell in STATIC:
        cells = {"active_rows": active, "stored_ones": activity.conductance, "columns": columns}
        if chip.array.cell == "pulsed_sram":  # half of the most pulses, the mean of inputs that are not zero
            cells |= {"longest": 2.0**chip.input_bits - 1, "pulses": 2.0 ** (chip.input_bits - 1)}
        if chip.array.cell in ("capacitor_sram", "digital_sram"):
            cells |= {"used_rows": used}
        yield Action(name, PASS, "array", "read", reads, serial, cells, time=timed)
        return
    devices = {"active_rows": active, "columns": columns, "mean_conductance": design.conductance(activity.conductance)}
    if chip.inference.inputs == "weighted_pulses":
        pulses = vector_cycles(design, placement)[0]
        taken = samples(pulses, chip.inference.phases)
        yield Action(name, PASS, "array", "read", reads, serial, {**devices, "pulse": chip.inference.pulse}, time=timed)
        yield Action(name, PASS, "adc", "integrate", reads / pulses * taken * columns, own * taken)
        return
    conducting = design.sense_time("adc")
    if chip.inference.inputs == "pulse_width":  # half of the longest pulse, the mean of those that are not zero
        conducting = 2.0**chip.input_bits / chip.clock / 2
        volt, pair = chip.device.read_voltage, cast(AnalogArray, design.parts["array"].component).cells_per_weight
        held = {"current": active * pair * devices["mean_conductance"] * volt, "voltage": volt, "time": conducting}
        yield Action(name, PASS, "adc", "hold", reads * columns, 0.0, held)
    sense = {"sense_time": conducting}
    yield Action(name, PASS, "array", "read", reads, serial, {**devices, **sense}, time=timed)


def _moves(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Activations between buffer and arrays; samples, results, and what the buffer has no room for, by way of DRAM."""
    layer, stage, word = placement.layer, design.stage(placement), design.chip.input_bits
    stored, entering = design.stored_values(placement), prod(layer.input) + stage.operand_values
    direction = _direction(design, placement, activity)
    yield from traffic(design, placement, direction, window_fetches(design, placement) * word, word, stored)
    room = design.chip.global_buffer.size / ((entering + stored) * word)
    spilled = 1.0 if design.schedule.activations == "dram" else np.maximum(0.0, 1 - room)
    samples, results = stage.sample_values, stage.delivered_values
    arriving = (samples + spilled * (entering - samples)) * word
    yield from move(design, layer.name, PASS, "dram", "read", arriving)
    yield from move(design, layer.name, PASS, "global_buffer", "write", arriving)
    yield from move(design, layer.name, PASS, "dram", "write", (results + spilled * (stored - results)) * word)


def _between(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Layers without weights; normalisation of batches has become a scale and an offset of each channel."""
    stage, name = design.stage(placement), placement.layer.name
    if isinstance(placement.layer, Lstm):
        yield digital.gates(design, placement.layer, PASS)
    for layer in stage.digital:
        if isinstance(layer, Normalise) and layer.kind == "batch":
            yield digital.streamed(design, name, PASS, "vector_unit", "multiply_accumulate", prod(layer.input))
        else:
            yield from digital.layer_forward(design, name, layer, activity)
    yield from move(design, name, PASS, "global_buffer", "read", stage.operand_values * design.chip.input_bits)
