"""Attention: activations times activations, by multipliers or in arrays into which one operand is written each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.dataflow.design import Design
from cimest.dataflow.lanes import fetched_bits
from cimest.dataflow.matrix import move
from cimest.mapping.digital import attention_blocks, attention_edge
from cimest.network import Attention
from hwlib.component import Real
from hwlib.components.buffers import SramBuffer

SOFTMAX_BACKWARD = 2
"""Multiply-accumulates of each error through a softmax (counted): its share of the row's sum, and times the weight."""


@dataclass(frozen=True)
class Product:
    """Streamed rows times a stored matrix, of one head.

    Parameters
    ----------
    size : tuple of int
        Rows of the result, size that is summed over, and columns of the result.
    streamed_bits, stored_bits : int or array
        Words of the operands.
    cycles : int or array
        In which arrays apply a streamed word: its bits, or those of its magnitude once for each sign.
    streamed_ones, stored_ones : float
        Share of lines driven in a cycle, and of cells that store a one.
    """

    size: tuple[int, int, int]
    streamed_bits: Real
    stored_bits: Real
    cycles: Real
    streamed_ones: float
    stored_ones: float

    @property
    def rows(self) -> int:
        """Of the result, each a vector that is streamed."""
        return self.size[0]

    @property
    def inner(self) -> int:
        """Of a streamed vector, and rows of the stored operand."""
        return self.size[1]

    @property
    def columns(self) -> int:
        """Of the stored operand and of the result."""
        return self.size[2]


def forward(design: Design, name: str, layer: Attention, activity: LayerActivity) -> Iterator[Action]:
    """Scores, softmax and weighted values; each row's softmax follows as soon as its scores are there.

    Queries, keys and values have the activity that the layer with weights before them has at its input (our choice).
    """
    bits, ones = design.chip.input_bits, activity.input_ones
    signed, unsigned = 2 * (bits - 1), bits  # cycles of queries, and of weights
    for size, cycles in zip(layer.forward_products, (signed, unsigned), strict=True):
        yield from _product(design, name, "forward", layer, Product(size, bits, bits, cycles, ones, ones))
    vectors, units = layer.steps * layer.heads, design.units("softmax")
    length = (layer.steps + 1) / 2 if layer.causal else layer.steps
    yield Action(name, "forward", "softmax", "normalise", vectors, np.ceil(vectors / units), {"values": float(length)})


def backward(design: Design, name: str, layer: Attention, activity: LayerActivity) -> Iterator[Action]:
    """Errors of values, of weights, through the softmax, and of queries and keys."""
    chip = design.chip
    bits, errors, ones, error_ones = chip.input_bits, chip.error_bits, activity.input_ones, activity.error_ones
    operands = (  # weights times errors, errors times values, errors of scores times keys, and times queries
        (bits, errors, bits, ones, error_ones),
        (errors, bits, design.error_cycles, error_ones, ones),
        (errors, bits, design.error_cycles, error_ones, ones),
        (errors, bits, design.error_cycles, error_ones, ones),
    )
    for size, operand in zip(layer.backward_products, operands, strict=True):
        yield from _product(design, name, "backward", layer, Product(size, *operand))
    scores = layer.heads * layer.steps**2
    count, units = SOFTMAX_BACKWARD * scores, design.units("vector_unit")
    yield Action(name, "backward", "vector_unit", "multiply_accumulate", count, count / units, pipelined=True)
    yield from move(design, name, "backward", "global_buffer", "write", scores * errors)


def _product(design: Design, name: str, pass_: str, layer: Attention, product: Product) -> Iterator[Action]:
    """One product of all heads."""
    if design.chip.attention.kind == "rewritable":
        yield from _rewritten(design, name, pass_, layer.heads, product)
    else:
        yield from _multiplied(design, name, pass_, layer, product)


def _multiplied(design: Design, name: str, pass_: str, layer: Attention, product: Product) -> Iterator[Action]:
    """By multipliers: a square block of results stays in the lanes while operands stream past from their buffer.

    Operands and results cross the unit, which lies beside the global buffer. A causal mask leaves out what it hides.
    """
    chip, edge = design.chip, attention_edge(design.chip)
    shown = (layer.steps + 1) / (2 * layer.steps) if layer.causal else 1.0
    blocks = np.ceil(product.rows / edge) * np.ceil(product.columns / edge)
    slots = shown * layer.heads * blocks * product.inner
    used = product.rows * product.columns / (blocks * chip.attention.lanes)
    yield Action(name, pass_, "attention_lanes", "accumulate", slots, slots, {"executed": used}, pipelined=True)
    yield Action(name, pass_, "attention_buffer", "read", slots, slots, pipelined=True, transfer=True)
    one = product.rows * product.inner * product.streamed_bits
    other = product.inner * product.columns * product.stored_bits
    fetched = layer.heads * fetched_bits(one, other, product.rows, product.columns, edge, chip.attention.buffer)
    results = shown * layer.heads * product.rows * product.columns * _result_bits(design, pass_)
    yield from move(design, name, pass_, "global_buffer", "read", fetched)
    yield from move(design, name, pass_, "attention_interconnect", "transfer", fetched + results)
    words = fetched / cast(SramBuffer, design.parts["attention_buffer"].component).word
    yield Action(name, pass_, "attention_buffer", "write", words, words, pipelined=True, transfer=True)


def _rewritten(design: Design, name: str, pass_: str, heads: int, product: Product) -> Iterator[Action]:
    """In arrays: the bits of one operand are written along the columns, the other is applied bit by bit.

    All arrays work at the same time, and loads that find no room follow; columns share converters as in the
    weight-gradient unit.
    """
    chip, unit = design.chip, design.chip.weight_gradient
    down, across = attention_blocks(product.inner, product.columns, product.stored_bits, chip)
    columns = product.columns * product.stored_bits / across
    groups = np.ceil(
        np.minimum(unit.columns, product.columns * product.stored_bits) / np.ceil(unit.columns / unit.columns_per_adc)
    )
    loads = np.ceil(heads * down * across / design.parts["attention_array"].count)
    rows = heads * product.inner * across
    flipped = {"flipped": 2 * product.stored_ones * (1 - product.stored_ones)}
    yield Action(name, pass_, "attention_decoder", "decode", rows)  # its time is part of the row's write
    written_in = rows * unit.columns / chip.bus_bits
    yield Action(name, pass_, "attention_array", "write_row", rows, written_in, flipped, pipelined=True)
    vectors, cycles = product.rows, product.cycles
    reads, in_time = heads * vectors * cycles * groups * down * across, vectors * cycles * groups * loads
    active = product.streamed_ones * product.inner / down
    read = {
        "active_rows": active,
        "stored_ones": product.stored_ones,
        "columns": columns / groups,
        "sense_time": design.sense_time("attention_adc"),
    }
    yield Action(name, pass_, "attention_driver", "drive", reads, in_time, {"active_lines": active})
    yield Action(name, pass_, "attention_array", "read", reads, in_time, read)
    words = heads * vectors * product.inner * across
    yield Action(name, pass_, "attention_register", "store", words, vectors * loads)
    yield Action(name, pass_, "attention_register", "select", words * cycles * groups)
    sums = heads * product.rows * product.columns * down
    conversions, once = sums * product.stored_bits * cycles, in_time / cycles
    yield Action(name, pass_, "attention_mux", "select", reads / cycles, once)
    yield Action(name, pass_, "attention_adc", "convert", conversions, in_time)
    yield Action(name, pass_, "attention_shift_add", "shift_add", conversions, once)
    yield Action(name, pass_, "attention_accumulator", "accumulate", sums * (product.stored_bits + 1), once)
    streamed = heads * product.rows * product.inner * product.streamed_bits * loads
    stored: Real = heads * product.inner * product.columns * product.stored_bits
    yield from move(design, name, pass_, "global_buffer", "read", streamed + stored)
    results = heads * product.rows * product.columns * _result_bits(design, pass_)
    yield from move(design, name, pass_, "attention_interconnect", "transfer", streamed + stored + results)


def _result_bits(design: Design, pass_: str) -> Real:
    """Word in which a product leaves the unit."""
    return design.chip.input_bits if pass_ == "forward" else design.chip.error_bits
