"""Layers without weights: what happens to activations and errors between the arrays, and to learned values elsewhere.

They work on what passes between arrays and the global buffer, so that only what crosses from one stage of the network
to another is stored, and what a layer remembers for its backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from cimest.actions import Action
from cimest.activity import LayerActivity
from cimest.dataflow import attention
from cimest.dataflow.design import Design, normalised_batches
from cimest.dataflow.gradient import fetches
from cimest.dataflow.matrix import move
from cimest.mapping.floorplan import Placement
from cimest.network import (
    Activation,
    Add,
    Attention,
    AveragePool,
    Embedding,
    Layer,
    Lstm,
    MaxPool,
    Normalise,
    PlaceEmbedding,
)
from hwlib.component import Real

NORMALISE_FORWARD = 4
"""Multiply-accumulates a value (counted): sum, sum of squares, times the reciprocal deviation, scale with offset."""

NORMALISE_BACKWARD = {"batch": 4, "layer": 7}
"""Multiply-accumulates a value (counted): two for the error at the input, two for those of scale and offset; in a
batch their sums are all that the former needs, while the channels of one place need the scaled error and two more."""

SLOPE = 2
"""Multiply-accumulates of an error through a function: slope from the value, s(1 - s) or 1 - t², times the error."""


def forward(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Forward pass of a stage's layers without weights, with centring.

    As many values are worked on side by side as the bus delivers.
    """
    chip, stage, name = design.chip, design.stage(placement), placement.layer.name
    yield from centring(design, placement, "forward")
    yield from worked_forward(design, placement, activity)
    remembered = design.remembered_values(placement) * chip.input_bits
    # What is normalised by batches waits for the statistics of all images, and is kept for the backward pass anyway.
    waited = sum(prod(layer.input) for layer in stage.digital if normalised_batches([layer])) * chip.input_bits
    yield from fetches(design, placement, waited, "forward")
    yield from move(design, name, "forward", "global_buffer", "read", stage.operand_values * chip.input_bits + waited)
    yield from move(design, name, "forward", "global_buffer", "write", remembered)


def worked_forward(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """What a stage's layers without weights work out in the forward pass, and read of what they have learned."""
    if isinstance(placement.layer, Lstm):
        yield gates(design, placement.layer, "forward")
    for layer in design.stage(placement).digital:
        yield from layer_forward(design, placement.layer.name, layer, activity)


def layer_forward(design: Design, name: str, layer: Layer, activity: LayerActivity) -> Iterator[Action]:
    """Forward pass of one layer, charged to the stage of that name."""
    values, results = prod(layer.input), prod(layer.output)
    if isinstance(layer, Activation) and layer.kind == "relu":
        yield streamed(design, name, "forward", "relu", "apply", values)
    elif isinstance(layer, Activation):
        yield streamed(design, name, "forward", "function_table", "look_up", values)
    elif isinstance(layer, MaxPool):
        yield streamed(design, name, "forward", "max_pool", "pool", results)
    elif isinstance(layer, AveragePool):  # dividing by the number of places is part of the next layer's shift
        yield streamed(design, name, "forward", "average_pool", "accumulate", results * layer.places)
    elif isinstance(layer, Add):
        sources = len(design.network.sources_of(layer))
        yield streamed(design, name, "forward", "adder", "add", results * (sources - 1))
    elif isinstance(layer, Normalise):
        vectors = layer.input[0] / design.batch if layer.kind == "batch" else layer.input[1] * layer.input[2]
        yield streamed(design, name, "forward", "vector_unit", "multiply_accumulate", NORMALISE_FORWARD * values)
        yield streamed(design, name, "forward", "root_table", "look_up", vectors)
        yield from _learned(design, name, "forward", "global_buffer", "read", layer.parameters)
    elif isinstance(layer, Embedding):
        yield from _learned(design, name, "forward", "dram", "read", results)
    elif isinstance(layer, PlaceEmbedding):
        yield streamed(design, name, "forward", "adder", "add", values)
        yield from _learned(design, name, "forward", "global_buffer", "read", layer.parameters)
    elif isinstance(layer, Attention):
        yield from attention.forward(design, name, layer, activity)


def backward(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """Backward pass of a stage's layers without weights, from the errors that come back to those at its matrix.

    Where these follow without arithmetic, or with no more than a mean taken off as they pass, only what came back is
    ever stored; else what they become is, for the matrix and the weight gradient. Where batches are normalised, all
    images pass once for their sums and once more for their errors; what cheap units do on the way is counted once.
    """
    chip, stage, name = design.chip, design.stage(placement), placement.layer.name
    word, spilled, through_dram = chip.error_bits, design.spill(placement), design.schedule.activations == "dram"
    returned = stage.returned_values
    yield from worked_backward(design, placement, activity)
    yield from centring(design, placement, "backward")
    passes = 1 + normalised_batches(_needed(design, placement))
    read = stage.returned_before * word * passes
    made, kept = 0, 0
    if not stage.compact:
        values = design.remembered_values(placement) + stage.sloped_values
        kept = passes * (values * chip.input_bits + design.route_bits(placement))
        read += passes * returned * word + kept
        made = design.error_bits(placement)
    came = passes * returned * word if not stage.compact and design.errors_wait(placement) else 0
    back = read if through_dram else (kept + came) * spilled
    left = [(stage.values(source) * word, design.passed_on(source)) for source in stage.error_takers]
    yield from move(design, name, "backward", "dram", "read", back)
    yield from move(design, name, "backward", "global_buffer", "write", back)
    yield from move(design, name, "backward", "global_buffer", "read", read)
    yield from move(design, name, "backward", "global_buffer", "write", made + sum(bits for bits, _ in left))
    # Errors wait for the weight gradient, also those that the loss unit made.
    waits = through_dram or design.errors_wait(placement)
    waiting = made + (stage.delivered_values * word if waits else 0)
    leaving = waiting * spilled + sum(bits * share for bits, share in left)
    yield from move(design, name, "backward", "dram", "write", leaving)


def worked_backward(design: Design, placement: Placement, activity: LayerActivity) -> Iterator[Action]:
    """What a stage's layers without weights work out in the backward pass, and read of what they have learned."""
    stage, name = design.stage(placement), placement.layer.name
    if joined := stage.returned_values - stage.result_values:
        yield streamed(design, name, "backward", "adder", "add", joined)
    for layer in reversed(_needed(design, placement)):
        yield from _backward(design, name, layer, activity)
    if isinstance(placement.layer, Lstm):
        yield gates(design, placement.layer, "backward")


def _needed(design: Design, placement: Placement) -> tuple[Layer, ...]:
    """A stage's layers without weights that errors have to come back through."""
    stage = design.stage(placement)
    return stage.digital if design.network.passes_error_on(placement.layer) else stage.after


def _backward(design: Design, name: str, layer: Layer, activity: LayerActivity) -> Iterator[Action]:
    """Backward pass of one layer; pooling and addition only pass errors on."""
    values = prod(layer.input)
    if isinstance(layer, Activation) and layer.kind == "relu":
        yield streamed(design, name, "backward", "relu", "apply", values)
    elif isinstance(layer, Activation):
        yield streamed(design, name, "backward", "vector_unit", "multiply_accumulate", SLOPE * values)
    elif isinstance(layer, Normalise):
        count = NORMALISE_BACKWARD[layer.kind] * values
        yield streamed(design, name, "backward", "vector_unit", "multiply_accumulate", count)
        yield from _learned(design, name, "backward", "global_buffer", "read", layer.parameters)
    elif isinstance(layer, PlaceEmbedding):  # the sum of a batch's errors lies in the buffer
        yield streamed(design, name, "backward", "adder", "add", values)
        for action in ("read", "write"):
            yield from _learned(design, name, "backward", "global_buffer", action, values)
    elif isinstance(layer, Attention):
        yield from attention.backward(design, name, layer, activity)


def update(design: Design, placement: Placement) -> Iterator[Action]:
    """Update of what the stage's layers without weights have learned, by plain descent.

    A table of vectors for tokens lies in the DRAM, where each sample changes the vectors of its tokens; all other
    values lie in the global buffer and change once a batch.
    """
    name, pass_ = placement.layer.name, "weight_update"
    for layer in design.stage(placement).digital:
        if not layer.parameters:
            continue
        tokens = isinstance(layer, Embedding)
        changed: Real = prod(layer.output) if tokens else layer.parameters / design.batch
        yield streamed(design, name, pass_, "vector_unit", "multiply_accumulate", changed)
        for action in ("read", "write"):
            yield from _learned(design, name, pass_, "dram" if tokens else "global_buffer", action, changed)


def centring(design: Design, placement: Placement, pass_: str) -> Iterator[Action]:
    """Outputs, or errors at them, less the running mean of their channel, which is updated: two sums for a value."""
    centred = design.centres_errors(placement) if pass_ == "backward" else design.centred != "none"
    if centred:
        count = 2 * design.output_values(placement)
        yield streamed(design, placement.layer.name, pass_, "centring", "accumulate", count)


def streamed(design: Design, name: str, pass_: str, part: str, action: str, count: Real) -> Action:
    """So many actions by all units of a part, while data pass by."""
    return Action(name, pass_, part, action, count, count / design.units(part), pipelined=True, transfer=True)


def _learned(design: Design, name: str, pass_: str, memory: str, action: str, values: Real) -> Iterator[Action]:
    """Learned values, in words as wide as gradients, to or from a memory."""
    yield from move(design, name, pass_, memory, action, values * design.schedule.gradient_bits)


def gates(design: Design, layer: Lstm, pass_: str) -> Action:
    """The gate units of an LSTM: each step waits for them."""
    cells, units = layer.hidden, design.units("lstm_gates")
    return Action(
        layer.name, pass_, "lstm_gates", pass_, cells * layer.positions, layer.positions * np.ceil(cells / units)
    )
