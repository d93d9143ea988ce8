"""Networks as layers and shapes."""

from cimest.network.layers import Conv, Layer, MaxPool, Network, Relu, Shape, linear
from cimest.network.zoo import NETWORKS

__all__ = ["NETWORKS", "Conv", "Layer", "MaxPool", "Network", "Relu", "Shape", "linear"]
