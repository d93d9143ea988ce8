"""Named networks for sequences: long short-term memory and a transformer encoder.

A sample is a sequence of tokens (1, steps, 1) of a `vocabulary`, or, where that is 0, a sequence of vectors; the lines
of an image are one, from top to bottom.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cimest.network.graph import Network
from cimest.network.layers import Lstm, Shape, lines
from cimest.network.registry import NETWORKS
from cimest.network.stack import Stack
from cimest.network.weightless import Attention, Embedding, GlobalAverage, Normalise, PlaceEmbedding, relu

network = NETWORKS.register

Size = Annotated[int, Field(ge=1)]


@network("lstm")
def lstm(
    input: Shape,
    classes: int,
    vocabulary: int = 0,
    *,
    embedding: Size = 64,
    hidden: Size = 128,
    depth: Size = 1,
    predict: Literal["every_step", "sequence"] = "every_step",
) -> Network:
    """LSTM layers and a linear layer: `depth` layers of `hidden` cells.

    It predicts the classes after every step, as a model of characters does, or once from the mean over the steps.
    Tokens of a `vocabulary` become vectors of `embedding` values; vectors, one-hot ones too, enter as they are.
    """
    stack = Stack(_sequence(input))
    if vocabulary:
        stack.put(Embedding, "embedding", vocabulary, embedding)
    for i in range(1, depth + 1):
        stack.put(Lstm, f"lstm{i}", hidden)
    if predict == "sequence":
        stack.put(GlobalAverage, "average")
    stack.each("fc1", classes)
    return stack.network("lstm")


@network("transformer")
def transformer(
    input: Shape,
    classes: int,
    vocabulary: int = 0,
    *,
    width: Size = 128,
    depth: Size = 2,
    heads: Size = 4,
    feed_forward: Size = 512,
    causal: bool = False,
    predict: Literal["every_step", "sequence"] = "sequence",
) -> Network:
    """Transformer encoder (Vaswani et al., NeurIPS 2017): `depth` blocks of attention and two layers of neurons.

    Vectors have `width` values, with learned vectors for their places; a rectifier is between the two layers, each
    half of a block is added to what enters it and then normalised. Tokens of a `vocabulary` become vectors by a
    table, vectors by a linear layer. It predicts the classes once from the mean over the steps, or after every step.

    Raises
    ------
    ValueError
        If `heads` does not divide `width`.
    """
    if width % heads:
        raise ValueError(f"heads must divide width, but {heads} does not divide {width}")
    stack = Stack(_sequence(input))
    if vocabulary:
        stack.put(Embedding, "embedding", vocabulary, width)
    else:
        stack.each("projection", width)
    stack.put(PlaceEmbedding, "places")
    for i in range(1, depth + 1):
        before = stack.last
        stack.each(f"block{i}_qkv", 3 * width)
        stack.put(Attention, f"block{i}_attention", heads, causal)
        stack.each(f"block{i}_out", width)
        stack.add(f"block{i}_add1", before)
        between = stack.put(Normalise, f"block{i}_norm1", "layer")
        stack.each(f"block{i}_ff1", feed_forward)
        stack.put(relu, f"block{i}_relu")
        stack.each(f"block{i}_ff2", width)
        stack.add(f"block{i}_add2", between)
        stack.put(Normalise, f"block{i}_norm2", "layer")
    if predict == "sequence":
        stack.put(GlobalAverage, "average")
    stack.each("fc1", classes)
    return stack.network("transformer")


def _sequence(input: Shape) -> Shape:
    """The sample as a sequence."""
    return lines(input) if input[2] > 1 else input
