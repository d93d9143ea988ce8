"""The weight-gradient pass: activations times errors in SRAM arrays or multipliers, and where the sums live."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.dataflow.design import Design
from cimest.dataflow.lanes import fetched_bits
from cimest.dataflow.matrix import move
from cimest.mapping.floorplan import Placement, gradient_blocks
from cimest.mapping.parts import lane_edge
from hwlib.component import Real

PASS = "weight_gradient"


def weight_gradient(design: Design, placement: Placement, activity: LayerActivity, scaled: bool) -> Iterator[Action]:
    """Weight gradient of one layer for one sample, by the unit that the chip has.

    `scaled` says whether the rule needs all of a layer's gradient before it uses any, as `Rule.scales_gradient` does.
    """
    if design.chip.weight_gradient.unit == "digital":
        yield from multiplied(design, placement, activity)
    else:
        yield from in_memory(design, placement, activity)
    if design.centred != "none":
        yield from centring(design, placement)
    yield from set_aside(design, placement, scaled)


def multiplied(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Weight gradient by multipliers.

    A square block of gradients stays in the lanes while operands stream past it from the unit's own buffer: all
    positions of an image, after which it joins its running sum in the gradient buffer, or, where sums stay `in_unit`,
    those of all images that the loop order puts together.
    """
    images = np.where(design.schedule.accumulate == "in_unit", design.images_at_once(placement), 1)[()]
    yield from products(design, placement, activity, PASS, images, design.gradient_slices(placement))
    yield from sums(design, placement, 1)


def products(
    design: Design, placement: Placement, activity: LayerActivity, pass_: str, images: Real, slices: Real = 1.0
) -> Iterator[Action]:
    """Outer products of one sample by multipliers, and the way of their operands.

    A product with a zero is skipped, which saves energy and no time.

    Parameters
    ----------
    design, placement, activity
        As for the other passes.
    pass_ : str
        That they are charged to.
    images : float or array
        Whose products a block of lanes sums before the next block's turn comes; also a part of one.
    slices : float or array
        Into which the gradient is cut so that each has room.
    """
    layer, name, chip = placement.layer, placement.layer.name, design.chip
    lanes, edge = chip.weight_gradient.lanes, lane_edge(chip)
    across = layer.groups * np.ceil(layer.fan_out / layer.groups / edge)
    slots = layer.positions * np.ceil(layer.fan_in / edge) * across
    used = layer.macs / (slots * lanes)
    activations, errors = 1 - activity.input_zeros, 1 - activity.error_zeros
    executed = {"executed": used * activations * errors, "activations": activations, "errors": errors}
    fetched = operand_fetches(design, placement, images, slices)
    yield Action(name, pass_, "outer_product", "accumulate", slots, slots, executed, pipelined=True)
    yield Action(name, pass_, "operand_buffer", "read", slots, slots, pipelined=True, transfer=True)
    yield from fetches(design, placement, fetched, pass_)
    yield from move(design, name, pass_, "global_buffer", "read", fetched)
    yield from move(design, name, pass_, "operand_interconnect", "transfer", fetched)
    yield from move(design, name, pass_, "operand_buffer", "write", fetched)


def operand_fetches(design: Design, placement: Placement, images: Real, slices: Real) -> Real:
    """Operand bits that multipliers take from the global buffer for one sample; see `products`.

    A gradient that has to be cut into slices is cut along its rows, its columns or both, as is cheapest, and each slice
    fetches its operands anew.
    """
    chip, layer = design.chip, placement.layer
    edge, groups, buffer = lane_edge(chip), layer.groups, chip.weight_gradient.operand_buffer
    activations = design.input_values(placement) * chip.input_bits * images / groups
    errors = design.error_bits(placement) * images / groups

    def sliced(down: Real, across: Real) -> Real:
        rows, columns = np.ceil(layer.fan_in / down), np.ceil(layer.fan_out / groups / across)
        again = np.ceil(down / (layer.channels / groups))  # slices of the same channels, at other kernel positions
        return down * across * fetched_bits(again * activations / down, errors / across, rows, columns, edge, buffer)

    cuts = cut(slices, activations, errors)
    best = np.min(np.stack(np.broadcast_arrays(*(sliced(*one) for one in cuts))), axis=0)
    return groups * best[()] / images


def in_memory(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Weight gradient by SRAM arrays.

    The bits of the activations are written into the cells: positions along the rows, channels and
    bits along the columns. For each kernel position and output channel an error vector is applied to
    the rows, magnitude bit by magnitude bit, positive and negative errors apart. Under the operand
    policy `once` the stored map stays and the error vector is shifted over it; its rows are then
    all places of the input map.
    """
    chip, layer, schedule = design.chip, placement.layer, design.schedule
    unit, name = chip.weight_gradient, layer.name
    once = schedule.operand_writes == "once"
    images = design.images_at_once(placement)
    stored = layer.input[1] * layer.input[2] if once else layer.positions
    all_row_blocks, column_blocks = gradient_blocks(stored * images, layer.channels, chip)
    row_blocks = all_row_blocks / images  # per sample
    # An output channel meets the inputs of its own group only.
    meeting, its_blocks = layer.channels / layer.groups, np.ceil(column_blocks / layer.groups)
    groups = np.ceil(np.minimum(unit.columns, meeting * chip.input_bits) / np.ceil(unit.columns / unit.columns_per_adc))
    together = np.where(design.waits(placement), images, design.images_in_a_visit(placement))
    visited, _ = gradient_blocks(stored * together, layer.channels, chip)
    loads = np.ceil(visited * column_blocks / design.gradient_arrays) / together

    vectors = layer.kernel_positions * layer.fan_out * design.error_cycles
    reads = vectors * row_blocks * its_blocks * groups
    in_time = vectors * loads * groups
    columns = meeting * chip.input_bits / its_blocks / groups
    active = activity.error_ones * layer.positions / row_blocks
    products = layer.weights * row_blocks
    read = {
        "active_rows": active,
        "stored_ones": activity.input_ones,
        "columns": columns,
        "sense_time": design.sense_time("gradient_adc"),
    }
    yield Action(name, PASS, "gradient_driver", "drive", reads, in_time, {"active_lines": active})
    yield Action(name, PASS, "gradient_array", "read", reads, in_time, read)
    # Each row's error is held while its bits are applied to all groups; places without one hold a zero.
    words = layer.kernel_positions * layer.fan_out * stored * its_blocks
    yield Action(name, PASS, "gradient_register", "store", words, in_time / design.error_cycles / groups)
    yield Action(name, PASS, "gradient_register", "select", words * design.error_cycles * groups)
    conversions = products * design.error_cycles * chip.input_bits
    yield Action(name, PASS, "gradient_adc", "convert", conversions, in_time)
    once_a_vector = in_time / design.error_cycles
    yield Action(name, PASS, "gradient_mux", "select", reads / design.error_cycles, once_a_vector)
    yield Action(name, PASS, "gradient_shift_add", "shift_add", conversions, once_a_vector)
    # Sums of an activation's bit columns join one after the other, then those of other rows and images.
    yield Action(
        name,
        PASS,
        "gradient_accumulator",
        "accumulate",
        products * (chip.input_bits + 1),
        in_time / design.error_cycles,
    )

    again, _ = repeats(design, placement)
    rows = stored * (1 if once else layer.kernel_positions) * column_blocks * again
    flipped = {"flipped": 2 * activity.input_ones * (1 - activity.input_ones)}
    written_in = rows * unit.columns / chip.bus_bits
    yield Action(name, PASS, "gradient_decoder", "decode", rows)  # its time is part of the row's write
    yield Action(name, PASS, "gradient_array", "write_row", rows, written_in, flipped, pipelined=True)
    yield from fetches(design, placement, sum(operand_bits(design, placement)))
    meeting_alike = all_row_blocks * column_blocks / its_blocks, its_blocks
    yield from delivery(design, placement, 1 if once else layer.kernel_positions, meeting_alike)
    # A load of the arrays holds some of the channels, and touches the gradients of those only.
    yield from sums(design, placement, loads * np.minimum(1, design.gradient_arrays / column_blocks))


def centring(design: Design, placement: Placement) -> Iterator[Action]:
    """What makes the gradient that of centred outputs: mean input times summed error is taken off each weight's sum.

    Counters beside the unit add up the inputs of each row and the errors of each column as they pass. Errors that have
    waited as they came back lose their running means once more on the way.
    """
    layer = placement.layer
    units, multipliers = design.units("centring"), design.units("centring_multiplier")
    counted = layer.positions * (layer.fan_in * layer.groups + layer.fan_out)
    if design.centres_errors(placement) and design.stage(placement).compact:
        counted += design.output_values(placement)
    corrected = layer.weights / design.batch
    yield Action(layer.name, PASS, "centring", "accumulate", counted, counted / units, pipelined=True, transfer=True)
    unit, action, in_time = "centring_multiplier", "multiply_accumulate", corrected / multipliers
    yield Action(layer.name, PASS, unit, action, corrected, in_time, pipelined=True, transfer=True)


def repeats(design: Design, placement: Placement) -> tuple[Real, Real]:
    """How often activations and errors are needed by SRAM arrays.

    A gradient that is cut into slices, to have room, needs the activations again for each cut of its columns, and the
    errors for each cut of its rows. Slices of the same channels, at other kernel positions, need the same activations.
    """
    layer = placement.layer
    activations: Real = design.input_values(placement) * design.chip.input_bits
    errors = design.error_bits(placement)
    slices = design.gradient_slices(placement)
    of_activations, of_errors, least = 1.0, 1.0, np.inf  # type: Real, Real, Real
    for down, across in cut(slices, activations, errors):
        again = across * np.ceil(down / (layer.channels / layer.groups))
        bits = again * activations + down * errors
        better = bits < least
        of_activations, of_errors = np.where(better, again, of_activations)[()], np.where(better, down, of_errors)[()]
        least = np.minimum(least, bits)
    return of_activations, of_errors


def cut(slices: Real, activations: Real, errors: Real) -> list[tuple[Real, Real]]:
    """Ways to cut a gradient into at least so many slices: along its rows, and along its columns.

    One way or the other only, or both as makes the operands fewest, of which those along a cut are needed again.
    """
    balanced = np.sqrt(slices * errors / activations)
    columns = [1.0, slices, *(np.clip(rounded(balanced), 1, slices) for rounded in (np.floor, np.ceil))]
    return [(np.ceil(slices / across), across) for across in columns]


def operand_bits(design: Design, placement: Placement) -> tuple[Real, Real]:
    """Bits of activations and of errors that SRAM arrays take for one sample, repeats included."""
    of_activations, of_errors = repeats(design, placement)
    activations = design.input_values(placement) * design.chip.input_bits
    return activations * of_activations, design.error_bits(placement) * of_errors


def fetches(design: Design, placement: Placement, bits: Real, pass_: str = PASS) -> Iterator[Action]:
    """Of the operand bits that are taken, what the global buffer could not keep comes back from DRAM."""
    name = placement.layer.name
    spilled = bits * design.spill(placement)
    yield from move(design, name, pass_, "dram", "read", spilled)
    yield from move(design, name, pass_, "global_buffer", "write", spilled)


def delivery(design: Design, placement: Placement, writes: int, blocks: tuple[Real, Real]) -> Iterator[Action]:
    """Activations and errors on their way from the global buffer to SRAM arrays.

    Activations go there as often as they are written; all errors follow each time, and again where the arrays that
    they meet are not loaded together.

    Parameters
    ----------
    design, placement
        As for the other passes.
    writes : int
        Of each activation.
    blocks : tuple
        Blocks of the stored map that meet different errors, down and across, and blocks beside each other that meet
        the same.
    """
    name = placement.layer.name
    activations, errors = operand_bits(design, placement)
    apart, alike = blocks
    _, sliced = repeats(design, placement)
    turns = deliveries(apart, np.ceil(alike / sliced), design.gradient_arrays)
    bits = writes * (activations + errors * turns)
    yield from move(design, name, PASS, "global_buffer", "read", bits)
    yield from move(design, name, PASS, "operand_interconnect", "transfer", bits)


def deliveries(apart: Real, alike: Real, arrays: Real) -> Real:
    """How often an error is delivered, on average, where blocks that need it are spread over several loads.

    Blocks fill the arrays one after the other. A load that ends between blocks that meet the same errors makes those
    needed once more.

    Parameters
    ----------
    apart, alike : float or array
        Number of groups of blocks, and blocks in each group, which meet the same errors. Whole numbers.
    arrays : float or array
        Blocks of a load.

    Returns
    -------
    float or array
        1 or more.
    """
    ends = np.ceil(apart * alike / arrays) - 1  # of loads, after each of which another follows
    common = np.gcd(np.asarray(alike, dtype=int), np.asarray(arrays, dtype=int))
    between_groups = ends * common // alike
    return 1 + (ends - between_groups) / apart


def sums(design: Design, placement: Placement, loads: Real) -> Iterator[Action]:
    """The running sum of the gradient: in the gradient buffer, in the lanes, or image by image in DRAM.

    The first share of a batch finds nothing to be added to. Lanes that hold sums of several images give them away, to
    the buffer or to what of it lies in DRAM, once for all.
    """
    name, schedule = placement.layer.name, design.schedule
    bits, first = placement.layer.weights * schedule.gradient_bits, 1 / design.batch
    spilled: Real = bits * design.gradient_word_spill(placement)
    if schedule.accumulate == "in_unit":
        images = np.minimum(design.images_at_once(placement), design.batch)
        loads, spilled = loads / images, spilled / images
    read, written = bits * np.maximum(0.0, loads - first), bits * loads
    yield from summed(design, placement, PASS, "read", read)
    yield from summed(design, placement, PASS, "write", written)
    words = (read + written) / design.chip.bus_bits  # over wires that keep pace with the buffer
    yield Action(name, PASS, "gradient_interconnect", "transfer", words)
    yield from move(design, name, PASS, "dram", "write", spilled)
    yield from move(design, name, PASS, "dram", "read", spilled)


def set_aside(design: Design, placement: Placement, scaled: bool) -> Iterator[Action]:
    """The batch's gradient, as far as it has to wait for the update in DRAM; see `Design.gradient_set_aside`."""
    name, bits = placement.layer.name, placement.layer.weights * design.schedule.gradient_bits
    kept = bits * (1 - design.gradient_word_spill(placement)) / design.batch
    leaving = kept * design.gradient_set_aside(placement, scaled)
    yield from summed(design, placement, PASS, "read", leaving)
    yield from move(design, name, PASS, "dram", "write", leaving)


def summed(design: Design, placement: Placement, pass_: str, action: str, bits: Real) -> Iterator[Action]:
    """Bits of a summed gradient from or to the buffers that it lies in; see `Room.in_global`."""
    name = placement.layer.name
    share = design.room.in_global[name]
    yield from move(design, name, pass_, "gradient_buffer", action, bits * (1 - share))
    yield from move(design, name, pass_, "global_buffer", action, bits * share)
