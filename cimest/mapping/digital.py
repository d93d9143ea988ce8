"""The parts that layers without weights need: function units, normalisation, gates of an LSTM, attention."""

from __future__ import annotations

import numpy as np

from cimest.config.chip import Chip
from cimest.mapping.part import Part, across
from cimest.mapping.sram_unit import sram_unit
from cimest.network import Activation, Add, Attention, AveragePool, Lstm, MaxPool, Network, PlaceEmbedding
from hwlib.component import Real
from hwlib.components.activation import Relu
from hwlib.components.adder_tree import Accumulator, Adder
from hwlib.components.buffers import SramBuffer
from hwlib.components.lookup_table import LookupTable
from hwlib.components.lstm import LstmGates
from hwlib.components.multiplier import MultiplyAccumulate
from hwlib.components.outer_product import OuterProductUnit
from hwlib.components.pooling import MaxPool as MaxPoolUnit
from hwlib.components.softmax import Softmax
from hwlib.technology import Technology

GATES = 4
"""Of an LSTM cell: words that the bus delivers for each."""


def layer_parts(network: Network, chip: Chip, tech: Technology, gradient_bits: int) -> dict[str, Part]:
    """Circuits for the layers without weights that a network has, as many as the chip's bus feeds.

    One multiply-accumulate unit a word, the vector unit, serves normalisation, the slopes of functions, the errors of
    softmax, and the learned values that are not on arrays.
    """
    lanes = np.maximum(1, chip.bus_bits // chip.input_bits)
    wide = np.maximum(1, chip.bus_bits // gradient_bits)
    word = np.maximum(chip.input_bits, chip.error_bits)
    parts = {"relu": Part(Relu(bits=chip.input_bits), lanes, "chip")}
    kinds = {type(layer) for layer in network.layers}
    windows = [layer.window for layer in network.layers if isinstance(layer, MaxPool)]
    places = [layer.places for layer in network.layers if isinstance(layer, AveragePool)]
    functions = {layer.kind for layer in network.layers if isinstance(layer, Activation)} - {"relu"}
    layered = any(layer.parameters for layer in network.layers)
    if windows:
        parts["max_pool"] = Part(MaxPoolUnit(window=max(2, max(windows) ** 2), bits=chip.input_bits), lanes, "chip")
    if places:
        parts["average_pool"] = Part(Accumulator(chip.input_bits + np.ceil(np.log2(max(places)))), lanes, "chip")
    if kinds & {Add, PlaceEmbedding} or _branches(network):
        parts["adder"] = Part(Adder(word), lanes, "chip")
    if functions:
        parts["function_table"] = Part(LookupTable(chip.input_bits - 1, chip.input_bits), lanes, "chip")
    if functions or layered or Attention in kinds:
        unit = MultiplyAccumulate(gradient_bits, gradient_bits, gradient_bits)
        parts["vector_unit"] = Part(unit, wide, "chip")
    if layered:
        parts["root_table"] = Part(LookupTable(chip.input_bits, gradient_bits), 1, "chip")
    if Lstm in kinds:
        parts["lstm_gates"] = Part(LstmGates(word), np.maximum(1, lanes // GATES), "chip")
    if network.attentions:
        parts |= attention_parts(network.attentions, chip, tech)
    return parts


def _branches(network: Network) -> bool:
    """Whether errors of several consumers join somewhere."""
    return any(len(network.consumers_of(layer.name)) > 1 for layer in network.layers)


def attention_parts(layers: tuple[Attention, ...], chip: Chip, tech: Technology) -> dict[str, Part]:
    """What multiplies activations by activations, and a softmax unit for each row of scores formed at once."""
    choice, word = chip.attention, np.maximum(chip.input_bits, chip.error_bits)
    longest = max(layer.steps for layer in layers)
    softmax = Part(Softmax(chip.input_bits, longest), attention_edge(chip), "chip")
    if choice.kind == "rewritable":
        unit = sram_unit("attention", chip, tech, attention_arrays(layers, chip), word - 1)
        return {"softmax": softmax, "attention_interconnect": across(unit, chip, tech)} | unit
    sum_bits = 2 * word + np.ceil(np.log2(max(longest, *(layer.head_width for layer in layers), 2)))
    lanes = {"attention_lanes": Part(OuterProductUnit(word, word, sum_bits, choice.lanes), 1, "macro")}
    buffer = SramBuffer(size=choice.buffer, word=2 * attention_edge(chip) * word)
    return {
        "softmax": softmax,
        "attention_buffer": Part(buffer, 1, "chip"),
        "attention_interconnect": across(lanes, chip, tech),
    } | lanes


def attention_edge(chip: Chip) -> Real:
    """Rows, and columns, of the square block of results that the multipliers for attention form at once."""
    return np.floor(np.sqrt(chip.attention.lanes))


def attention_blocks(inner: int, outputs: int, bits: Real, chip: Chip) -> tuple[Real, Real]:
    """Blocks, down and across, that a stored operand fills: `inner` rows of `outputs` words."""
    unit = chip.weight_gradient
    return np.ceil(inner / unit.rows), np.ceil(outputs * bits / unit.columns)


def attention_arrays(layers: tuple[Attention, ...], chip: Chip) -> Real:
    """Arrays for attention; `auto`: as many as the largest stored operand fills, of all heads."""
    if chip.attention.arrays != "auto":
        return chip.attention.arrays
    bits, largest = np.maximum(chip.input_bits, chip.error_bits), 1.0  # type: Real, Real
    for layer in layers:
        for _, inner, outputs in layer.forward_products + layer.backward_products:
            rows, columns = attention_blocks(inner, outputs, bits, chip)
            largest = np.maximum(largest, layer.heads * rows * columns)
    return largest
