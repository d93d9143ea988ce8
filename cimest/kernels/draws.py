"""Matrices of random numbers in machine code: the same as those of random.py, and some twenty times as fast."""

from __future__ import annotations

from math import prod

import numpy as np

from cimest.kernels import random
from cimest.kernels.elementary import compiled, directions, draw, squared_radius, uniforms
from cimest.kernels.lanes import ramp, sqrt, store
from cimest.kernels.random import LANES
from cimest.kernels.threads import shared
from cimest.kernels.types import Address

GROUP = 2 * LANES


@compiled
def _fill(seed, key, step, gaussian, first, last, values):
    for group in range(first, last):
        a, b = draw(seed, key, step, ramp(np.uint32(group * 16), LANES))
        if gaussian:
            radius = sqrt(squared_radius(a))
            along, across = directions(b)
            one, two = radius * along, radius * across
        else:
            one, two = uniforms(a), uniforms(b)
        store(values, group * 32, one)
        store(values, group * 32 + 16, two)


def _drawn(address: Address, stream: int, shape: tuple[int, ...], gaussian: bool) -> np.ndarray:
    cells = prod(shape)
    groups = -(-cells // GROUP)
    values = np.empty(groups * GROUP, dtype=np.float32)
    if groups:
        words = np.uint32(address.seed), np.uint32(address.tile * random.STREAMS + stream), np.uint32(address.step)
        shared(lambda first, last: _fill(*words, gaussian, first, last, values), groups, 1 << 12)
    return values[:cells].reshape(shape)


def uniform(address: Address, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """See `random.uniform`; equal bit by bit."""
    return _drawn(address, stream, shape, False)


def normal(address: Address, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """See `random.normal`; equal bit by bit."""
    return _drawn(address, stream, shape, True)
