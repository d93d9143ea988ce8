"""The update in the arrays: each image's outer products as coinciding pulse trains, without a gradient anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.dataflow.design import Design
from cimest.dataflow.gradient import fetches
from cimest.dataflow.matrix import group_columns, move, needing_tiles
from cimest.mapping.floorplan import Placement
from cimest.rules.in_array import share_of_a_vector
from cimest.rules.in_memory import InMemory
from hwlib.component import Real

PASS = "weight_update"


def outer_products(
    design: Design, placement: Placement, activity: LayerActivity, rule: InMemory, array: str
) -> Iterator[Action]:
    """Update of one layer's weights by one sample (gokmen2016rpu).

    For each position rows fire trains whose pulses have the probability of the activation, columns those of the
    error, one pair of signs after the other (see `InMemory.cycles`), in all arrays of the layer and of all its copies
    at the same time; the next position follows. A batch is not summed: every sample changes the weights.

    Slots, pulses of the lines and coincidences are those measured. Where none were, trains have the length that the
    rule expects of the largest product, and lines with the largest values fire as often as that takes. The mean line's
    value is to the largest as the share of ones in its word, which holds if bits are one independently of their place
    (our choice), and coincidences have the product of the probabilities of rows and columns.

    Parameters
    ----------
    design, placement, activity
        As for the other passes.
    rule : InMemory
    array : str
        Part whose cells are pulsed.
    """
    chip, layer, name = design.chip, placement.layer, placement.layer.name
    measured = activity.train_slots > 0
    signed = design.network.takes_signed(layer)
    cycles = rule.cycles(signed)
    arrays = placement.arrays * placement.copies
    firings, in_time = layer.positions * arrays, layer.positions
    length: Real
    both: Real
    row: Real
    column: Real
    if measured:  # a column fires in the trains of its sign, which are half of them, and a row if it has one
        length, both = activity.train_slots, activity.train_coincidences / cycles
        row, column = activity.train_rows * 2 / cycles, activity.train_columns / 2
    else:  # ones of operands that have a sign are counted over the cycles of both
        rate = design.learning_rate * share_of_a_vector(design.network, layer)
        expected = rule.gain((layer.fan_in, layer.fan_out), chip.device, rate)
        length = np.clip(np.ceil(expected), 1, rule.plan((layer.fan_in, layer.fan_out), chip.device).slots)
        root = np.sqrt(np.minimum(expected / length, 1.0))  # of the lines with the largest values
        row = root * activity.input_ones * (1 if signed else 2 / cycles)
        column = root * activity.error_ones
        both = row * column
    slots = cycles * length
    filled = (
        layer.fan_in / placement.row_blocks / chip.array.rows,
        layer.fan_out / placement.column_blocks / chip.array.columns,
    )
    rows, columns = row * filled[0], column * filled[1]
    pulse = {
        "train_length": slots,
        "row_probability": rows,
        "column_probability": columns,
        "coincidences": slots * both * filled[0] * filled[1],
        "mean_conductance": design.conductance(activity.conductance),
    }
    yield Action(name, PASS, "row_trains", "load", firings, in_time)
    yield Action(name, PASS, "column_trains", "load", firings, in_time)
    yield Action(name, PASS, "row_trains", "slot", firings * slots)  # decided while the slot before is pulsed
    yield Action(name, PASS, "column_trains", "slot", firings * slots)
    driven = {"lines_driven": chip.array.rows * rows}
    yield Action(name, PASS, "row_write_driver", "pulse", firings * slots, 0.0, driven)
    driven = {"lines_driven": chip.array.columns * columns}
    yield Action(name, PASS, "write_driver", "pulse", firings * slots, 0.0, driven)
    yield Action(name, PASS, array, "pulse_outer_product", firings, in_time, pulse)
    yield from operands(design, placement)


def operands(design: Design, placement: Placement) -> Iterator[Action]:
    """Activations and errors from the global buffer to the tiles, and in them to every array's lines."""
    chip, layer, name, tiles = design.chip, placement.layer, placement.layer.name, placement.tiles
    activations = design.input_values(placement) * chip.input_bits
    errors = design.error_bits(placement)
    arriving = activations * group_columns(placement) * needing_tiles(placement) + errors * placement.tile_rows
    along_rows = layer.fan_in * placement.column_blocks * chip.input_bits
    along_columns = layer.fan_out * placement.row_blocks * chip.error_bits
    spread = placement.copies * layer.positions * (along_rows + along_columns)
    yield from fetches(design, placement, activations + errors, PASS)
    yield from move(design, name, PASS, "global_buffer", "read", activations + errors)
    yield from move(design, name, PASS, "chip_interconnect", "transfer", arriving)
    yield from move(design, name, PASS, "tile_buffer", "write", arriving, tiles)
    yield from move(design, name, PASS, "tile_buffer", "read", spread, tiles)
    yield from move(design, name, PASS, "tile_interconnect", "transfer", spread, tiles)
