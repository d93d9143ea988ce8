"""The forward and backward passes: matrix-vector products on the arrays, with what is around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.config.chip import Adc
from cimest.dataflow.design import Design
from cimest.mapping.arrays import waiting_lines_conduct
from cimest.mapping.floorplan import Placement
from cimest.mapping.operands import block_bits
from cimest.mapping.parts import operand_word
from hwlib.component import Real


@dataclass(frozen=True)
class Direction:
    """One way through the arrays: from rows to columns (forward), or transposed (backward)."""

    pass_: str
    prefix: str  # of the parts that only this direction uses
    driver: str
    read: str
    dac: str  # that puts each line at the level of its word, if whole vectors are read
    driven: str  # argument of the array's read: lines that are on
    sensed: str  # and lines that are sensed
    adc: Adc
    register: str  # that holds each line's operand while its bits are applied
    word: int  # bits of an operand
    block_bits: Real  # of what a block of inputs contributes to a result
    cycles: int  # of a vector's bits; none of whole vectors
    reads: float  # of a vector, those that repeat one with them
    inputs: int  # of one group
    outputs: int  # of all groups
    groups: int
    in_blocks: Real  # of one group
    out_blocks: Real  # of all groups
    width: Real  # sensed lines of an array
    ones: float
    power: float  # mean square of a line's level
    results: int  # values that leave the tiles, per tile along the inputs
    along: Real  # tiles over which the inputs of one group spread
    across: Real  # tiles over which the outputs of one group spread
    needed: Real  # tiles, of those along, that need each input


def group_columns(placement: Placement) -> Real:
    """Tiles over which the column blocks of one group spread; groups share tiles that have room for several."""
    groups = placement.layer.groups
    return np.minimum(np.ceil(placement.tile_columns / groups), placement.column_blocks / groups)


def needing_tiles(placement: Placement) -> Real:
    """Tiles, of those over which the row blocks spread, that need each input channel.

    Row blocks lie in them in order, kernel position by kernel position, and each position needs all channels.
    """
    return np.minimum(placement.tile_rows, placement.layer.kernel_positions)


def forward_direction(design: Design, placement: Placement, activity: LayerActivity) -> Direction:
    """Activations on the word lines, currents from the bit lines."""
    return Direction(
        pass_="forward",
        prefix="",
        driver="wordline_driver",
        read="read",
        dac="dac",
        driven="active_rows",
        sensed="columns",
        adc=design.chip.adc,
        register="input_register",
        word=design.chip.input_bits,
        block_bits=block_bits(design.chip, design.chip.adc, design.chip.input_bits),
        cycles=design.input_cycles(placement),
        reads=activity.forward_reads,
        inputs=placement.layer.fan_in,
        outputs=placement.layer.fan_out,
        groups=placement.layer.groups,
        in_blocks=placement.row_blocks,
        out_blocks=placement.column_blocks,
        width=design.chip.array.columns,
        ones=activity.input_ones,
        power=activity.input_power,
        results=design.output_values(placement),
        along=placement.tile_rows,
        across=group_columns(placement),
        needed=needing_tiles(placement),
    )


def backward_direction(design: Design, placement: Placement, activity: LayerActivity) -> Direction:
    """Errors on the bit lines, currents from the rows of the same arrays."""
    return Direction(
        pass_="backward",
        prefix="backward_",
        driver="bitline_driver",
        read="read_transposed",
        dac="backward_dac",
        driven="active_columns",
        sensed="rows",
        adc=design.chip.backward_adc,
        register="error_register",
        word=design.chip.error_bits,
        block_bits=block_bits(design.chip, design.chip.backward_adc, design.chip.error_bits),
        cycles=design.error_cycles,
        reads=activity.backward_reads,
        inputs=placement.layer.fan_out // placement.layer.groups,
        outputs=placement.layer.fan_in * placement.layer.groups,
        groups=placement.layer.groups,
        in_blocks=placement.column_blocks / placement.layer.groups,
        out_blocks=placement.row_blocks * placement.layer.groups,
        width=design.chip.array.rows,
        ones=activity.error_ones,
        power=activity.error_power,
        results=design.input_values(placement),
        along=group_columns(placement),
        across=placement.tile_rows,
        needed=1.0,
    )


def mux_groups(direction: Direction) -> Real:
    """Groups in which the sensed lines of an array take their turns at the ADCs; unused groups are skipped."""
    adcs = np.ceil(direction.width / direction.adc.columns_per_adc)
    return np.ceil(np.minimum(direction.width, direction.outputs / direction.groups) / adcs)


def products(design: Design, placement: Placement, activity: LayerActivity, direction: Direction) -> Iterator[Action]:
    """Actions of a layer's matrix-vector products, from driven lines to sums over all row blocks."""
    if design.chip.periphery.kind == "whole_vector":
        yield from whole_vectors(design, placement, activity, direction)
    else:
        yield from bit_by_bit(design, placement, activity, direction)
    trees = placement.layer.positions * direction.outputs * (direction.in_blocks - direction.along)
    in_time = vectors_in_time(placement) * mux_groups(direction)
    shown = np.where(direction.in_blocks > direction.along, in_time, 0)[()]
    yield Action(
        placement.layer.name, direction.pass_, "adder_tree", "add",
        trees / np.maximum(design.plan.arrays_per_tile - 1, 1), shown,
    )  # fmt: skip


def vectors_in_time(placement: Placement) -> Real:
    """Vectors of a layer that follow one another: copies share them, but each step of a sequence waits."""
    layer = placement.layer
    return np.ceil(layer.positions / (1 if layer.recurrent else placement.copies))


def whole_vectors(
    design: Design, placement: Placement, activity: LayerActivity, direction: Direction
) -> Iterator[Action]:
    """Products by arrays whose lines take the levels of whole words, and that convert each sum once.

    The DACs hold a vector while the lines that share an ADC take their turns. A line at a fraction of the voltage
    charges and heats with the square of it. Reads that repeat a vector take all of it again, priced like the first
    (our choice: they drive half as much).
    """
    layer, name, pass_ = placement.layer, placement.layer.name, direction.pass_
    groups, reads = mux_groups(direction), direction.reads
    vectors, in_time = layer.positions * reads, vectors_in_time(placement) * reads
    lines = direction.inputs / direction.in_blocks
    active = direction.power * lines
    together = 1 if waiting_lines_conduct(design.parts["array"].component) else groups
    read = {
        direction.driven: active,
        direction.sensed: direction.outputs / direction.out_blocks / together,
        "mean_conductance": design.conductance(activity.conductance),
        "sense_time": design.sense_time(direction.prefix + "adc"),
    }
    arrays, conversions = vectors * placement.arrays, vectors * direction.in_blocks * direction.outputs
    yield from scaling(design, placement, direction)
    yield Action(name, pass_, direction.dac, "convert", arrays * lines, in_time)
    driven = arrays * (1 + design.reads_beside)
    yield Action(name, pass_, direction.driver, "drive", driven, in_time, {"active_lines": active})
    yield Action(name, pass_, "array", direction.read, arrays * groups, in_time * groups, read)
    yield from beside(design, name, direction, arrays * groups, read)
    yield Action(name, pass_, direction.prefix + "mux", "select", arrays * groups, in_time * groups)
    yield Action(name, pass_, direction.prefix + "adc", "convert", conversions, in_time * groups)


def scaling(design: Design, placement: Placement, direction: Direction) -> Iterator[Action]:
    """Noise management: each vector's words are compared, multiplied by the largest one's reciprocal, results back.

    They are words again before a vector is driven; halving inputs is a shift, which costs nothing.
    """
    if design.chip.periphery.noise_management == "none":
        return
    name, pass_, vectors = placement.layer.name, direction.pass_, placement.layer.positions
    words, results = vectors * direction.inputs * direction.groups, vectors * direction.outputs
    lanes = design.units("scale_comparator")
    yield Action(name, pass_, "scale_comparator", "compare", words, words / lanes, pipelined=True)
    yield Action(name, pass_, "scale_table", "look_up", vectors * direction.groups, vectors_in_time(placement))
    products = words + results
    yield Action(name, pass_, "scale_multiplier", "multiply", products, products / lanes, pipelined=True)


def bit_by_bit(design: Design, placement: Placement, activity: LayerActivity, direction: Direction) -> Iterator[Action]:
    """Products by arrays whose lines take a bit of their words at a time.

    The lines of an array share few ADCs: for each group of lines all input bits are applied one after the other, so
    that one shift-adder serves each ADC. Each line's register keeps its word for all groups and hands out a bit for
    each read.
    """
    layer, name, pass_ = placement.layer, placement.layer.name, direction.pass_
    groups = mux_groups(direction)
    vectors = layer.positions
    in_time = vectors_in_time(placement) * groups
    reads = vectors * groups * direction.cycles * placement.arrays
    conversions = vectors * direction.cycles * direction.in_blocks * direction.outputs
    active = direction.ones * direction.inputs / direction.in_blocks
    # Where no transistor cuts them off, the lines that wait for their turn conduct as well.
    together = 1 if waiting_lines_conduct(design.parts["array"].component) else groups
    sensed = direction.outputs / direction.out_blocks / together
    driven = reads * (1 + design.reads_beside)
    yield Action(name, pass_, direction.driver, "drive", driven, in_time * direction.cycles, {"active_lines": active})
    lines = direction.inputs / direction.in_blocks
    yield Action(name, pass_, direction.register, "store", vectors * placement.arrays * lines, in_time / groups)
    yield Action(name, pass_, direction.register, "select", reads * lines)  # while the array is read
    read = {
        direction.driven: active,
        direction.sensed: sensed,
        "mean_conductance": design.conductance(activity.conductance),
        "sense_time": design.sense_time(direction.prefix + "adc"),
    }
    yield Action(name, pass_, "array", direction.read, reads, in_time * direction.cycles, read)
    yield from beside(design, name, direction, reads, read)
    yield Action(name, pass_, direction.prefix + "mux", "select", reads / direction.cycles, in_time)
    yield Action(name, pass_, direction.prefix + "adc", "convert", conversions, in_time * direction.cycles)
    # The shift-adder works while the next bit is read; only after the last one does it show.
    yield Action(name, pass_, direction.prefix + "shift_add", "shift_add", conversions, in_time)


def beside(design: Design, name: str, direction: Direction, reads: Real, read: Mapping[str, Real]) -> Iterator[Action]:
    """Fast arrays that are part of the weights, and their references, are read with them, at the same time.

    Their lines take the same inputs, at a share of the voltage that is priced as if it were all of it (our choice),
    and their currents add up before the converter.
    """
    if design.reads_beside:
        yield Action(name, direction.pass_, "fast_array", direction.read, reads * design.reads_beside, 0.0, read)


def partial_sum_bits(design: Design, direction: Direction) -> Real:
    """Word of a sum over the row blocks of one tile."""
    inputs = np.ceil(direction.in_blocks / direction.along)
    return direction.block_bits + np.ceil(np.log2(inputs))


def traffic(
    design: Design, placement: Placement, direction: Direction, fetched_bits: Real, word: int, returned: int
) -> Iterator[Action]:
    """Operands from the global buffer to the arrays, partial sums back, where tiles' sums join.

    Parameters
    ----------
    fetched_bits : float or array
        Operand bits fetched from the global buffer.
    word : int
        Bits of an operand, and of a result once it is quantised.
    returned : int
        Results that go back to the global buffer, after pooling.
    """
    layer, tiles = placement.layer, placement.tiles
    name, pass_ = layer.name, direction.pass_
    spread = layer.positions * direction.inputs * direction.groups * word * direction.across
    arriving = np.minimum(fetched_bits * direction.across * direction.needed, spread)
    sum_bits = partial_sum_bits(design, direction)
    collected = layer.positions * direction.outputs * direction.in_blocks * direction.block_bits
    yield from move(design, name, pass_, "global_buffer", "read", fetched_bits)
    yield from move(design, name, pass_, "chip_interconnect", "transfer", arriving)
    yield from move(design, name, pass_, "tile_buffer", "write", arriving, tiles)
    yield from move(design, name, pass_, "tile_buffer", "read", spread, tiles)
    yield from move(design, name, pass_, "tile_interconnect", "transfer", spread + collected, tiles)
    yield from move(
        design, name, pass_, "chip_interconnect", "transfer", direction.results * direction.along * sum_bits
    )
    joined = direction.results * (direction.along - 1)
    lanes = design.units("chip_accumulator")
    yield Action(name, pass_, "chip_accumulator", "accumulate", joined, joined / lanes, pipelined=True, transfer=True)
    yield from move(design, name, pass_, "global_buffer", "write", returned * word)


def window_fetches(design: Design, placement: Placement) -> Real:
    """Activations fetched: each once if the kernel's lines fit into the tile buffers, else for every window."""
    layer = placement.layer
    lines = layer.kernel * layer.input[2] * layer.channels * design.chip.input_bits
    fits = lines * needing_tiles(placement) <= design.chip.tile.buffer * placement.tile_rows
    return np.where(fits, design.input_values(placement), layer.positions * layer.fan_in * layer.groups)[()]


def forward(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Forward pass of one layer for one sample, and the way of its stage's activations."""
    chip, layer = design.chip, placement.layer
    name = layer.name
    word = chip.input_bits
    direction = forward_direction(design, placement, activity)
    stored = design.stored_values(placement)
    stage, inputs = design.stage(placement), design.input_values(placement) * word
    yield from products(design, placement, activity, direction)
    yield from traffic(design, placement, direction, window_fetches(design, placement) * word, word, stored)
    places = design.route_bits(placement)
    yield from move(design, name, "forward", "global_buffer", "write", places)
    remembered = stage.remembered_values * word
    if design.schedule.activations == "dram":
        arriving = (prod(layer.input) + stage.operand_values) * word
        # The network's output goes to the loss unit.
        leaving: Real = places + (stored - stage.delivered_values) * word + remembered
    else:  # samples, and what later passes need and the buffer cannot keep; samples are in the DRAM already
        arriving = stage.sample_values * word
        kept = 0 if stage.shares_input or stage.takes_sample else inputs
        leaving = (places + kept + remembered) * design.spill(placement)
    yield from move(design, name, "forward", "dram", "read", arriving)
    yield from move(design, name, "forward", "global_buffer", "write", arriving)
    yield from move(design, name, "forward", "dram", "write", leaving)


def backward(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Backward pass of one layer for one sample: errors at its output to errors at its input.

    The products of a convolution overlap in the input map.
    """
    chip, layer = design.chip, placement.layer
    name = layer.name
    direction = backward_direction(design, placement, activity)
    errors, passed = design.error_bits(placement), design.passed_on(design.network.sources_of(layer)[0])
    inputs = prod(layer.input) if design.network.passes_error_on(layer) else 0  # errors that the layer before takes
    yield from products(design, placement, activity, direction)
    yield from overlap_add(design, placement, direction)
    yield from traffic(design, placement, direction, errors, chip.error_bits, inputs)
    if design.schedule.activations == "dram" and design.stage(placement).compact:
        yield from move(design, name, "backward", "dram", "read", errors)
        yield from move(design, name, "backward", "global_buffer", "write", errors)
    # Errors wait for the weight gradient of the layer before.
    yield from move(design, name, "backward", "dram", "write", inputs * chip.error_bits * passed)


def overlap_add(design: Design, placement: Placement, direction: Direction) -> Iterator[Action]:
    """Products that fall on the same place of the input map are added up in the tile's buffer as they come."""
    layer, tiles = placement.layer, placement.tiles
    added = np.maximum(0, layer.positions * layer.fan_in * layer.groups - direction.results) * direction.along
    bits = partial_sum_bits(design, direction)
    lanes = design.units("tile_accumulator", design.plan.tiles)
    yield Action(
        layer.name,
        "backward",
        "tile_accumulator",
        "accumulate",
        added,
        added / lanes / tiles,
        pipelined=True,
        transfer=True,
    )
    yield from move(design, layer.name, "backward", "tile_buffer", "read", added * bits, tiles)
    yield from move(design, layer.name, "backward", "tile_buffer", "write", added * bits, tiles)


def move(
    design: Design, layer: str, pass_: str, part: str, action: str, bits: Real, instances: Real = 1.0
) -> Iterator[Action]:
    """Bits through a memory or wire, word by word; `instances` work side by side.

    Words of the chip's memories and wires follow one another in each clock cycle; DRAM is priced by the bit.
    """
    chip = design.chip
    words = {
        "global_buffer": chip.global_buffer.word_bits,
        "chip_interconnect": chip.bus_bits,
        "operand_interconnect": chip.bus_bits,
        "attention_interconnect": chip.bus_bits,
        "tile_buffer": chip.tile.bus_bits,
        "tile_interconnect": chip.tile.bus_bits,
        "gradient_buffer": chip.bus_bits,
        "operand_buffer": operand_word(chip),
        "dram": 1,
    }
    count = bits / words[part]
    yield Action(layer, pass_, part, action, count, count / instances, pipelined=part != "dram", transfer=True)
