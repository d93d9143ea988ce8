"""Networks as layers and shapes."""

from cimest.network.graph import INPUT, Network
from cimest.network.layers import Conv, Layer, Lstm, Shape, Weighted, linear
from cimest.network.registry import NETWORKS, arguments, builder
from cimest.network.weightless import (
    Activation,
    Add,
    Attention,
    AveragePool,
    Embedding,
    GlobalAverage,
    MaxPool,
    Normalise,
    PlaceEmbedding,
    relu,
)

__all__ = [
    "INPUT",
    "NETWORKS",
    "Activation",
    "Add",
    "Attention",
    "AveragePool",
    "Conv",
    "Embedding",
    "GlobalAverage",
    "Layer",
    "Lstm",
    "MaxPool",
    "Network",
    "Normalise",
    "PlaceEmbedding",
    "Shape",
    "Weighted",
    "arguments",
    "builder",
    "linear",
    "relu",
]
