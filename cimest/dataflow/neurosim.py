"""The training step as DNN+NeuroSim V2.1 counts it, with our parts: for comparison with that tool only.

What it counts otherwise than we do (neurosim_v2_1), all of it kept here as it is:

* vectors of a convolution leave out the padding, while credited operations include it;
* errors take as many cycles as their bits, half of which are one; signs take no phases of their own;
* activations and errors go to DRAM and come back in every pass, without their channels;
* the way of errors over wires and through buffers counts like that of activations, as the reports' layers show, whose
  forward and backward passes differ by 1 %;
* each image's whole weight gradient goes to DRAM and comes back through a buffer;
* in the weight-gradient unit each group of columns charges the shift-adders of all groups, as what its conversions take
  without activity shows: 630 and 348 fJ in the two reports, ours 617 and 336 fJ with eight times a shift-add, 292 and
  169 fJ with one;
* the share of ones of a layer's inputs stands for its errors too, in the weight-gradient unit;
* an update's energy is that of √2 times the write voltage, so that it is doubled, and every copy's; its steps travel
  as one bit a weight, within the tiles only, as the reports' layers without copies show;
* momentum, learning rate, rounding to pulses, centring and the registers that hold operands cost nothing;
* only tiles of other layers leak, and only while a layer is read (`idle_tiles`).

Where the tool's own rule is not known, ours is used: the way of operands and sums over wires and through buffers. In
an update of ferroelectric cells it also charges the columns that are not pulsed, which ours, written through their
gates, keep at ground: that is left out, a hundred-thousandth of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cimest.actions import Action
from cimest.activity import Activity, LayerActivity
from cimest.dataflow.design import Design
from cimest.dataflow.matrix import Direction, backward_direction, forward_direction, move, mux_groups, partial_sum_bits
from cimest.mapping.floorplan import FloorPlan, Placement
from cimest.network import Conv
from hwlib.component import Real

ERROR_ONES = 0.5
"""Share of bits of a backward vector that are one (neurosim_v2_1)."""

WRITE_ENERGY = 2.0
"""Energy of a write at √2 times the voltage over that at the voltage (neurosim_v2_1)."""


def training_step(design: Design, activity: Activity) -> list[Action]:
    """Actions of one training sample, the update's divided by the batch.

    Raises
    ------
    ValueError
        If a layer is no convolution: the tool knows no other.
    """
    actions: list[Action] = []
    for placement in design.plan.placements:
        layer = placement.layer
        if not isinstance(layer, Conv) or layer.groups > 1:
            raise ValueError(f"dataflow.accounting: neurosim knows no layer such as {layer.name}; allowed: ours")
        measured = activity.layers[layer.name]
        there = forward_direction(design, placement, measured)
        actions += products(design, placement, measured, replace(there, cycles=there.word))
        actions += traffic(design, placement, there, "forward")
        if layer is not design.network.matrices[0]:
            back = backward_direction(design, placement, replace(measured, error_ones=ERROR_ONES))
            actions += products(design, placement, measured, replace(back, cycles=back.word))
            actions += traffic(design, placement, there, "backward")
        actions += weight_gradient(design, placement, measured)
        actions += weight_update(design, placement, measured)
    return actions


def vectors(placement: Placement) -> int:
    """Places of the kernel in the map without padding."""
    layer = placement.layer
    return int(np.prod([(size - layer.kernel) // layer.stride + 1 for size in layer.input[1:]]))


def channelless(design: Design, placement: Placement, pass_: str) -> Iterator[Action]:
    """A layer's map to DRAM and back, of one channel."""
    layer = placement.layer
    bits = layer.input[1] * layer.input[2] * design.chip.input_bits
    yield from move(design, layer.name, pass_, "dram", "write", bits)
    yield from move(design, layer.name, pass_, "dram", "read", bits)


def products(design: Design, placement: Placement, activity: LayerActivity, way: Direction) -> Iterator[Action]:
    """Forward or backward pass: every used line is converted for each bit."""
    name, pass_ = placement.layer.name, way.pass_
    count, groups = vectors(placement), mux_groups(way)
    cycles, arrays = count * way.cycles, placement.arrays
    active = way.ones * way.inputs / way.in_blocks
    conversions = cycles * way.in_blocks * way.outputs
    in_time = np.ceil(cycles / placement.copies)
    read = {
        way.driven: active,
        way.sensed: way.outputs / way.out_blocks / groups,
        "mean_conductance": design.conductance(activity.conductance),
        "sense_time": design.sense_time(way.prefix + "adc"),
    }
    yield Action(name, pass_, way.driver, "drive", cycles * arrays, in_time, {"active_lines": active})
    yield Action(name, pass_, "array", way.read, cycles * arrays * groups, in_time * groups, read)
    yield Action(name, pass_, way.prefix + "mux", "select", count * arrays * groups, in_time * groups / way.cycles)
    yield Action(name, pass_, way.prefix + "adc", "convert", conversions, in_time * groups)
    yield Action(name, pass_, way.prefix + "shift_add", "shift_add", conversions, in_time * groups / way.cycles)
    trees = count * way.outputs * (way.in_blocks - way.along)
    yield Action(name, pass_, "adder_tree", "add", trees / np.maximum(design.plan.arrays_per_tile - 1, 1), in_time)


def traffic(design: Design, placement: Placement, way: Direction, pass_: str) -> Iterator[Action]:
    """Operands cross the chip's tree once, and a tile's for every window; partial sums come back."""
    name, tiles, count = placement.layer.name, placement.tiles, vectors(placement)
    values = design.input_values(placement)
    arriving = values * way.word * way.across
    spread = count * way.inputs * way.word * way.across
    collected = count * way.outputs * way.in_blocks * (way.adc.bits + way.word)
    leaving = count * way.outputs * way.along * partial_sum_bits(design, way)
    yield from move(design, name, pass_, "tile_buffer", "write", arriving, tiles)
    yield from move(design, name, pass_, "tile_buffer", "read", spread, tiles)
    yield from move(design, name, pass_, "tile_interconnect", "transfer", spread + collected, tiles)
    yield from move(design, name, pass_, "chip_interconnect", "transfer", arriving + leaving)
    yield from move(design, name, pass_, "global_buffer", "write", 2 * values * way.word)
    yield from move(design, name, pass_, "global_buffer", "read", 2 * values * way.word)
    yield from channelless(design, placement, pass_)


def weight_gradient(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """SRAM arrays, of which the used fraction counts, and each image's gradient to DRAM and back."""
    chip, layer, name, pass_ = design.chip, placement.layer, placement.layer.name, "weight_gradient"
    unit = chip.weight_gradient
    blocks = vectors(placement) / unit.rows * layer.input[0] * chip.input_bits / unit.columns  # arrays filled
    groups = unit.columns_per_adc
    applied = layer.kernel_positions * layer.fan_out * chip.error_bits
    reads, in_time = applied * blocks * groups, applied * groups
    active = activity.input_ones * unit.rows
    read = {
        "active_rows": active,
        "stored_ones": activity.input_ones,
        "columns": unit.columns / groups,
        "sense_time": design.sense_time("gradient_adc"),
    }
    yield Action(name, pass_, "gradient_driver", "drive", reads, in_time, {"active_lines": active})
    yield Action(name, pass_, "gradient_array", "read", reads, in_time, read)
    yield Action(name, pass_, "gradient_mux", "select", reads / chip.error_bits, in_time / chip.error_bits)
    conversions = applied * blocks * unit.columns
    yield Action(name, pass_, "gradient_adc", "convert", conversions, in_time)
    yield Action(name, pass_, "gradient_shift_add", "shift_add", conversions * groups, in_time / chip.error_bits)
    rows = layer.kernel_positions * blocks * unit.rows
    flipped = {"flipped": 2 * activity.input_ones * (1 - activity.input_ones)}
    yield Action(name, pass_, "gradient_array", "write_row", rows, layer.kernel_positions * unit.rows, flipped)
    yield Action(name, pass_, "gradient_accumulator", "accumulate", layer.weights)
    bits = layer.weights * design.schedule.gradient_bits
    yield from move(design, name, pass_, "gradient_buffer", "write", bits)
    yield from move(design, name, pass_, "gradient_buffer", "read", bits)
    yield from move(design, name, pass_, "dram", "write", bits)
    yield from move(design, name, pass_, "dram", "read", bits)
    yield from channelless(design, placement, pass_)


def weight_update(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Rows are pulsed, and each weight's step travels as one bit."""
    chip, layer, name, pass_ = design.chip, placement.layer, placement.layer.name, "weight_update"
    rows = layer.fan_in * placement.column_blocks * placement.copies / design.batch
    cells = layer.fan_out / placement.column_blocks
    pulses = {
        "cells_up": cells * activity.updated_up,
        "cells_down": cells * activity.updated_down,
        "pulses_up": activity.pulses_up,
        "pulses_down": activity.pulses_down,
        "longest_up": activity.longest_up,
        "longest_down": activity.longest_down,
        "mean_conductance": design.conductance(activity.conductance),
    }
    yield Action(name, pass_, "array", "write_row", WRITE_ENERGY * rows, rows / chip.update_arrays, pulses)
    bits = layer.weights / design.batch
    yield from move(design, name, pass_, "tile_buffer", "write", bits, placement.tiles)
    yield from move(design, name, pass_, "tile_interconnect", "transfer", bits, placement.tiles)


def idle_tiles(plan: FloorPlan) -> dict[str, Real]:
    """Layer to the share of the chip's tiles that belong to others, which leak while it is read."""
    return {p.layer.name: 1 - p.tiles / plan.tiles for p in plan.placements}
