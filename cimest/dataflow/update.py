"""The weight-update pass: the rule's digital work, then pulses, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.dataflow.design import Design
from cimest.dataflow.matrix import move
from cimest.mapping.blocks import by_kernel_position
from cimest.mapping.floorplan import Placement

PASS = "weight_update"


def weight_update(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Update of one layer's weights, a batch's share for one sample.

    Each weight's step, times the learning rate, becomes a number of pulses, which goes to its tile. A row's cells are
    pulsed together, first up, then down, each as often as the largest number in the row.
    """
    chip, layer, batch = design.chip, placement.layer, design.batch
    name = layer.name
    share = placement.copies / batch
    pulse_bits = np.ceil(np.log2(chip.device.states)) + 1
    units = design.units("update_control")
    converted = layer.weights / batch
    kept = layer.weights * design.schedule.gradient_bits * (1 - design.gradient_word_spill())
    yield from move(design, name, PASS, "gradient_buffer", "read", kept / batch)
    yield Action(name, PASS, "rate_multiplier", "multiply", converted, converted / units, pipelined=True)
    yield Action(name, PASS, "update_control", "convert", converted, converted / units, pipelined=True)
    yield from move(design, name, PASS, "chip_interconnect", "transfer", layer.weights * share * pulse_bits)
    yield from move(
        design, name, PASS, "tile_interconnect", "transfer", layer.weights * share * pulse_bits, placement.tiles
    )
    rows = layer.fan_in * placement.column_blocks * share * activity.rows_written
    # The fullest array sets the time, and arrays beyond those written together wait for another round.
    rounds = np.ceil(placement.arrays * placement.copies / chip.update_arrays)
    fullest = np.minimum(
        chip.array.rows,
        np.where(by_kernel_position(layer, chip.array.rows, chip.mapping), layer.input[0], layer.fan_in),
    )
    written = max(activity.rows_written, 1e-12)  # without a written row everything below is multiplied by zero rows
    cells = layer.fan_out / placement.column_blocks / written
    pulses = {
        "cells_up": cells * activity.updated_up,
        "cells_down": cells * activity.updated_down,
        "pulses_up": activity.pulses_up,
        "pulses_down": activity.pulses_down,
        "longest_up": activity.longest_up / written,
        "longest_down": activity.longest_down / written,
    }
    in_time = rounds * fullest * activity.rows_written / batch
    slots = pulses["longest_up"] + pulses["longest_down"]
    yield Action(name, PASS, "row_decoder", "decode", rows, in_time)
    yield Action(name, PASS, "pulse_generator", "load", rows, in_time)
    yield Action(name, PASS, "pulse_generator", "pulse", rows * slots)  # its time is that of the array's pulses
    driven = np.minimum(layer.fan_out, chip.array.columns)
    yield Action(name, PASS, "write_driver", "pulse", rows * slots, 0.0, {"lines_driven": driven})
    conductance = design.conductance(activity.conductance)
    yield Action(name, PASS, "array", "write_row", rows, in_time, {**pulses, "mean_conductance": conductance})
