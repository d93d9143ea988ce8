"""Updates in the arrays under rules that have fast arrays or digital matrices: what goes from those to the weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.dataflow.design import Design
from cimest.dataflow.gradient import products
from cimest.dataflow.matrix import move
from cimest.dataflow.outer_product import outer_products
from cimest.dataflow.update import rows_in_turn
from cimest.mapping.arrays import waiting_lines_conduct
from cimest.mapping.floorplan import Placement
from cimest.rules import Rule
from cimest.rules.in_array import in_array as as_in_array
from cimest.rules.in_memory import InMemory
from cimest.rules.mixed_precision import MixedPrecision
from cimest.rules.operations import operations
from hwlib.component import Real

PASS = "transfer"


def in_array(design: Design, rule: Rule, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Update of one layer by one sample, by the rule: in the weights' own arrays, or by way of others."""
    rule = as_in_array(rule, design.chip.weight_gradient.train_length)
    if isinstance(rule, MixedPrecision):
        yield from digital_products(design, rule, placement, activity)
        share = placement.layer.positions / rule.vectors
        rows, in_time = share * placement.layer.fan_in, share * rows_in_turn(design, placement)
        yield from writes(design, placement, activity, rule, rows, in_time)
    else:
        yield from outer_products(design, placement, activity, rule, "fast_array" if rule.levels > 1 else "array")
    if rule.levels > 1:
        yield from transfers(design, rule, placement, activity)


def transfers(design: Design, rule: InMemory, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Rows of the fast arrays are read, their values added to the buffer, and its pulses fired, row by row.

    All columns of a row are read in as many groups as share an ADC; the reference is subtracted on the line.
    """
    chip, layer, name = design.chip, placement.layer, placement.layer.name
    needed = operations(rule, layer.fan_in, layer.fan_out, 0)
    reads, values = layer.positions * needed.reads, layer.positions * needed.reads * layer.fan_out
    yield from row_reads(design, placement, reads, "fast_array", 1.0 if rule.tracked else 2.0)
    if rule.matrices:
        words = layer.positions * needed.moved_words * rule.word / chip.bus_bits
        yield Action(name, PASS, "rule_memory", "read", words / 2, words / 2, pipelined=True, transfer=True)
        yield Action(name, PASS, "rule_memory", "write", words / 2, words / 2, pipelined=True, transfer=True)
    fired = {"fired": activity.transferred}
    in_time = values / design.units("transfer_unit")
    yield Action(name, PASS, "transfer_unit", "transfer", values, in_time, fired, pipelined=True)
    if rule.tracked:
        yield Action(name, PASS, "reference_unit", "update", values, in_time, pipelined=True)
    yield from writes(design, placement, activity, rule, reads, reads)


def row_reads(
    design: Design, placement: Placement, reads: Real, array: str = "array", active_rows: float = 1.0
) -> Iterator[Action]:
    """Rows are read one by one, in as many groups of columns as share an ADC, and their codes taken to the units.

    Parameters
    ----------
    design, placement
        As for the other passes.
    reads : float or array
        Rows of the layer's matrix.
    array : str
        Part that is read.
    active_rows : float
        Driven lines of a read: two where a reference is subtracted.
    """
    chip, layer, name = design.chip, placement.layer, placement.layer.name
    columns, values = layer.fan_out / placement.column_blocks, reads * layer.fan_out
    groups = np.ceil(columns / np.ceil(chip.array.columns / chip.adc.columns_per_adc))
    together = 1 if waiting_lines_conduct(design.parts["array"].component) else groups
    rows = reads * placement.column_blocks * groups
    read = {
        "active_rows": active_rows,
        "columns": columns / together,
        "mean_conductance": design.conductance(0.5),
        "sense_time": design.sense_time("adc"),
    }
    yield Action(name, PASS, "wordline_driver", "drive", rows, reads * groups, {"active_lines": active_rows})
    yield Action(name, PASS, array, "read", rows, reads * groups, read)
    yield Action(name, PASS, "mux", "select", rows, reads * groups)
    yield Action(name, PASS, "adc", "convert", values, reads * groups)
    yield from move(design, name, PASS, "tile_interconnect", "transfer", values * chip.adc.bits, placement.tiles)
    yield from move(design, name, PASS, "chip_interconnect", "transfer", values * chip.adc.bits)


def writes(
    design: Design, placement: Placement, activity: LayerActivity, rule: InMemory, offered: Real, in_turn: Real
) -> Iterator[Action]:
    """Pulses on the weights, row by row: first those up, then those down; a row without any is skipped.

    Parameters
    ----------
    design, placement, activity, rule
        As for the other passes.
    offered : float or array
        Rows of the layer's matrix, for one sample, each of which counts as pulsed in all blocks of columns or in none
        (our choice, a bound from above).
    in_turn : float or array
        Those of them that follow one another.
    """
    layer, name = placement.layer, placement.layer.name
    columns = layer.fan_out / placement.column_blocks
    fired = np.maximum(activity.transferred, 1e-12) * columns
    some = activity.transfer_rows or 1 - np.exp(-fired)
    rows, in_time = offered * placement.column_blocks * placement.copies * some, in_turn * some
    pulses = {
        "cells_up": fired / some / 2,
        "cells_down": fired / some / 2,
        "pulses_up": activity.transfer_pulses,
        "pulses_down": activity.transfer_pulses,
        "longest_up": activity.transfer_slots / 2,
        "longest_down": activity.transfer_slots / 2,
        "mean_conductance": design.conductance(activity.conductance),
    }
    most = 1 if rule.buffered else rule.plan((layer.fan_in, layer.fan_out), design.chip.device).slots
    bits = offered * layer.fan_out * placement.copies * np.ceil(np.log2(2 * most + 1))
    yield from move(design, name, PASS, "chip_interconnect", "transfer", bits)
    yield from move(design, name, PASS, "tile_interconnect", "transfer", bits, placement.tiles)
    yield Action(name, PASS, "row_decoder", "decode", rows, in_time)
    if not rule.trains:  # else the columns' trains are what fires
        yield Action(name, PASS, "pulse_generator", "load", rows, in_time)
        yield Action(name, PASS, "pulse_generator", "pulse", rows * activity.transfer_slots)
    driven = np.minimum(layer.fan_out / layer.groups, design.chip.array.columns)
    yield Action(name, PASS, "write_driver", "pulse", rows * activity.transfer_slots, 0.0, {"lines_driven": driven})
    yield Action(name, PASS, "array", "write_row", rows, in_time, pulses)


def digital_products(
    design: Design, rule: MixedPrecision, placement: Placement, activity: LayerActivity
) -> Iterator[Action]:
    """Exact outer products by multipliers; the digital matrix passes them once for each write of the weights.

    Inputs and errors of the vectors between two writes wait in the global buffer.
    """
    layer, name = placement.layer, placement.layer.name
    yield from products(design, placement, activity, PASS, rule.vectors / layer.positions)
    words = layer.positions * layer.weights / rule.vectors * rule.word / design.chip.bus_bits
    yield Action(name, PASS, "rule_memory", "read", words, words, pipelined=True, transfer=True)
    yield Action(name, PASS, "rule_memory", "write", words, words, pipelined=True, transfer=True)
