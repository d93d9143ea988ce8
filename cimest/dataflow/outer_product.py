"""The update in the arrays: each image's outer products as coinciding pulse trains, without a gradient anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.dataflow.design import Design
from cimest.dataflow.gradient import fetches
from cimest.dataflow.matrix import move
from cimest.mapping.floorplan import Placement
from hwlib.component import Real

PASS = "weight_update"


def outer_products(
    design: Design, placement: Placement, activity: LayerActivity, array: str, train_length: Real
) -> Iterator[Action]:
    """Update of one layer's weights by one sample (gokmen2016rpu).

    For each position rows fire trains whose pulses have the probability of the activation, columns those of the
    error, first of one sign, then of the other, in all arrays of the layer and of all its copies at the same time;
    the next position follows. A batch is not summed: every sample changes the weights. The learning rate is in the
    amplitude and the train length, which change no price here.

    Means of values are not measured. They are taken as those of words whose bits are one independently of their place
    (our choice), which makes the mean of a word over its largest value the probability of a one; and rows and columns
    as independent, so that coincidences have the product of their probabilities.

    Parameters
    ----------
    design, placement, activity
        As for the other passes.
    array : str
        Part whose cells are pulsed.
    train_length : float or array
        Slots of either sign where none were measured; then lines fire as often as bits of their words are one.
    """
    chip, layer, name = design.chip, placement.layer, placement.layer.name
    measured = activity.train_slots > 0
    slots = 2 * (activity.train_slots if measured else train_length)
    arrays = placement.arrays * placement.copies
    firings, in_time = layer.positions * arrays, layer.positions
    # A line is driven in a cycle of an error vector if the bit is one and the sign is the cycle's, as in a slot here.
    row, column = activity.input_ones, activity.error_ones
    if measured:  # each line fires in the slots of its sign: in every other one
        row, column = activity.train_rows, activity.train_columns / 2
    filled = (
        layer.fan_in / placement.row_blocks / chip.array.rows,
        layer.fan_out / placement.column_blocks / chip.array.columns,
    )
    rows, columns = row * filled[0], column * filled[1]
    pulse = {
        "train_length": slots,
        "row_probability": rows,
        "column_probability": columns,
        "coincidences": slots * rows * columns,
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
    arriving = activations * np.maximum(1, placement.tile_columns / layer.groups) + errors * placement.tile_rows
    spread = layer.positions * (
        layer.fan_in * placement.column_blocks * chip.input_bits
        + layer.fan_out * placement.row_blocks * chip.error_bits
    )
    yield from fetches(design, placement, activations + errors, PASS)
    yield from move(design, name, PASS, "global_buffer", "read", activations + errors)
    yield from move(design, name, PASS, "chip_interconnect", "transfer", arriving)
    yield from move(design, name, PASS, "tile_buffer", "write", arriving, tiles)
    yield from move(design, name, PASS, "tile_buffer", "read", spread, tiles)
    yield from move(design, name, PASS, "tile_interconnect", "transfer", spread, tiles)
