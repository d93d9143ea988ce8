"""The weight-update pass: the rule's digital work, then pulses, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.dataflow.design import Design
from cimest.dataflow.gradient import summed
from cimest.dataflow.matrix import move
from cimest.mapping.arrays import waiting_lines_conduct
from cimest.mapping.blocks import by_kernel_position
from cimest.mapping.floorplan import Placement
from hwlib.component import Real

PASS = "weight_update"


def weight_update(design: Design, placement: Placement, activity: LayerActivity, scaled: bool) -> Iterator[Action]:
    """Update of one layer's weights, a batch's share for one sample.

    Each weight's step, times the learning rate, becomes a number of pulses, which goes to its tile. A row's cells are
    pulsed together, first up, then down, each as often as the largest number in the row. With verify a row is read
    before the first round of pulses and after each. Where rounds are assumed, not measured, every one is priced like
    the first, a bound from above, since later ones pulse fewer
    cells (our choice). For `scaled` see `weight_gradient`.
    """
    chip, layer, batch = design.chip, placement.layer, design.batch
    name = layer.name
    share = placement.copies / batch
    pulse_bits = np.ceil(np.log2(chip.device.states)) + 1
    units = design.units("update_control")
    converted = layer.weights / batch
    kept = layer.weights * design.schedule.gradient_bits * (1 - design.gradient_word_spill(placement))
    aside = design.gradient_set_aside(placement, scaled)
    yield from move(design, name, PASS, "dram", "read", kept / batch * aside)
    yield from summed(design, placement, PASS, "read", kept / batch * (1 - aside))
    yield Action(name, PASS, "rate_multiplier", "multiply", converted, converted / units, pipelined=True)
    yield Action(name, PASS, "update_control", "convert", converted, converted / units, pipelined=True)
    yield from move(design, name, PASS, "chip_interconnect", "transfer", layer.weights * share * pulse_bits)
    yield from move(
        design, name, PASS, "tile_interconnect", "transfer", layer.weights * share * pulse_bits, placement.tiles
    )
    rows = layer.fan_in * placement.column_blocks * share * activity.rows_written
    turns = rows_in_turn(design, placement)
    written = max(activity.rows_written, 1e-12)  # without a written row everything below is multiplied by zero rows
    per_weight = design.parts["array"].component.cells_per_weight  # type: ignore[attr-defined]
    repeated, measured = 1.0, 1.0
    if chip.write.verify == "row":
        repeated = activity.write_rounds or chip.write.rounds
        measured = activity.write_rounds or 1.0  # rounds that share the measured pulses
    written = written * measured
    cells = per_weight * layer.fan_out / placement.column_blocks / written
    pulses = {
        "cells_up": cells * activity.updated_up,
        "cells_down": cells * activity.updated_down,
        "pulses_up": activity.pulses_up,
        "pulses_down": activity.pulses_down,
        "longest_up": activity.longest_up / written,
        "longest_down": activity.longest_down / written,
    }
    first, first_time = rows, turns * activity.rows_written / batch
    rows, in_time = first * repeated, first_time * repeated
    slots = pulses["longest_up"] + pulses["longest_down"]
    yield Action(name, PASS, "row_decoder", "decode", rows, in_time)
    yield Action(name, PASS, "pulse_generator", "load", rows, in_time)
    yield Action(name, PASS, "pulse_generator", "pulse", rows * slots)  # its time is that of the array's pulses
    driven = per_weight * np.minimum(layer.fan_out / layer.groups, chip.array.columns)
    yield Action(name, PASS, "write_driver", "pulse", rows * slots, 0.0, {"lines_driven": driven})
    conductance = design.conductance(activity.conductance)
    yield Action(name, PASS, "array", "write_row", rows, in_time, {**pulses, "mean_conductance": conductance})
    if chip.write.verify == "row":
        # Cells of a pair are read one after the other.
        yield from read_back(design, placement, per_weight * (rows + first), per_weight * (in_time + first_time))
    if chip.array.encoding == "differential_pair" and chip.array.pair_update == "one_sided":
        # Refreshes read both cells of every pair; their pulses are among those of the update.
        passes = 2 / chip.array.refresh_every
        all_rows = layer.fan_in * placement.column_blocks * share
        yield from read_back(design, placement, all_rows * passes, turns / batch * passes)


def rows_in_turn(design: Design, placement: Placement) -> Real:
    """Rows of a layer that are written one after the other: those of its fullest array, once for each of the rounds.

    Arrays beyond those that are written together wait for another round.
    """
    chip, layer = design.chip, placement.layer
    rounds = np.ceil(placement.arrays * placement.copies / chip.update_arrays)
    by_position = by_kernel_position(layer, chip.array.rows, chip.mapping)
    fullest = np.minimum(chip.array.rows, np.where(by_position, layer.channels // layer.groups, layer.fan_in))
    return rounds * fullest


def read_back(design: Design, placement: Placement, rows: Real, in_time: Real) -> Iterator[Action]:
    """Written rows are read one by one, all columns in as many groups as share an ADC; codes go where steps come from.

    The controller that compares them with the wanted values is priced as one more conversion of a step.
    """
    chip, layer, name = design.chip, placement.layer, placement.layer.name
    columns = layer.fan_out / placement.column_blocks
    groups = np.ceil(columns / np.ceil(chip.array.columns / chip.adc.columns_per_adc))
    together = 1 if waiting_lines_conduct(design.parts["array"].component) else groups
    read = {
        "active_rows": 1.0,
        "columns": columns / together,
        "mean_conductance": design.conductance(0.5),
        "sense_time": design.sense_time("adc"),
    }
    yield Action(name, PASS, "wordline_driver", "drive", rows * groups, in_time * groups, {"active_lines": 1.0})
    yield Action(name, PASS, "array", "read", rows * groups, in_time * groups, read)
    yield Action(name, PASS, "mux", "select", rows * groups, in_time * groups)
    yield Action(name, PASS, "adc", "convert", rows * columns, in_time * groups)
    codes = rows * columns
    yield from move(design, name, PASS, "tile_interconnect", "transfer", codes * chip.adc.bits, placement.tiles)
    yield from move(design, name, PASS, "chip_interconnect", "transfer", codes * chip.adc.bits)
    units = design.units("update_control")
    yield Action(name, PASS, "update_control", "convert", codes, codes / units, pipelined=True)
