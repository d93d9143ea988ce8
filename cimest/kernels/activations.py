"""Activations and losses of one vector after the other, for machine code."""

from __future__ import annotations

import numpy as np
from numba import njit

from cimest.kernels.in_memory import INNER

KINDS = ("linear", "relu", "tanh", "sigmoid")
"""What follows a layer's products, by number; the last layer's is linear."""
LINEAR, RELU, TANH, SIGMOID = range(4)

LOSSES = ("cross_entropy", "squared_error")
CROSS_ENTROPY, SQUARED_ERROR = range(2)

TINY = np.finfo(np.float32).tiny
"""Least probability of a label in a loss."""


@njit(**INNER)
def activate(values, kind):
    """An activation, in place."""
    for i in range(len(values)):
        if kind == RELU:
            values[i] = max(values[i], np.float32(0))
        elif kind == TANH:
            values[i] = np.tanh(values[i])
        elif kind == SIGMOID:
            values[i] = np.float32(1) / (np.float32(1) + np.exp(-values[i]))


@njit(**INNER)
def slope(output, kind):
    """Derivative of an activation, from its result."""
    if kind == RELU:
        return np.float32(1) if output > 0 else np.float32(0)
    if kind == TANH:
        return np.float32(1) - output * output
    if kind == SIGMOID:
        return output * (np.float32(1) - output)
    return np.float32(1)


@njit(**INNER)
def loss_of(output, label, kind, error):
    """Loss of one vector; `error` becomes its derivative."""
    total, largest = np.float32(0), output.max()
    if kind == SQUARED_ERROR:
        for i in range(len(output)):
            error[i] = output[i] - (np.float32(1) if i == label else np.float32(0))
            total += np.float32(0.5) * error[i] * error[i]
        return total
    for i in range(len(output)):
        error[i] = np.exp(output[i] - largest)
        total += error[i]
    for i in range(len(output)):
        error[i] /= total
    loss = -np.log(max(error[label], TINY))
    error[label] -= np.float32(1)
    return loss
