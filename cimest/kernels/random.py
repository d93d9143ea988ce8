"""Counter-based random numbers: any number of any cell at once, whatever the order or the number of threads.

Threefry2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
"""

from __future__ import annotations

import numpy as np

from cimest.kernels.types import Address

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
"""Constants of Threefry2x32 (Salmon et al. 2011)."""

ROUNDING, NOISE, DEVICE, START, CONVERSION = range(5)
"""Streams of a tile: rounding of pulses, noise of writes, device-to-device spread, first weights, noise of ADCs."""
STREAMS = 8
"""Numbers kept free for the streams of a tile."""

UNIT = np.float32(2.0**-24)
"""Spacing of uniform numbers: single precision holds 24 bits exactly."""


def threefry2x32(key: tuple, counter: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The bijection of Salmon et al.: two words from a key and a counter of two words each.

    Parameters
    ----------
    key, counter : pairs of uint32 arrays
        Broadcast against each other.

    Returns
    -------
    pair of uint32 arrays
    """
    k0, k1, x0, x1 = (np.atleast_1d(np.asarray(word, dtype=np.uint32)) for word in (*key, *counter))
    schedule = (k0, k1, k0 ^ k1 ^ np.uint32(PARITY))
    x0, x1 = x0 + k0, x1 + k1
    for group in range(5):
        for rotation in ROTATIONS[4 * (group % 2) : 4 * (group % 2) + 4]:
            x0 = x0 + x1
            x1 = ((x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def words(address: Address, stream: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two random words for each cell of a matrix; cell (row, column) has the number row·columns + column."""
    cells = np.arange(shape[0] * shape[1], dtype=np.uint32).reshape(shape)
    key = (np.uint32(address.seed), np.uint32(address.tile * STREAMS + stream))
    return threefry2x32(key, (np.uint32(address.step), cells))


def uniform(address: Address, stream: int, shape: tuple[int, int]) -> np.ndarray:
    """Uniform numbers in [0, 1), multiples of 2^-24, single precision."""
    return (words(address, stream, shape)[0] >> np.uint32(8)).astype(np.float32) * UNIT


def normal(address: Address, stream: int, shape: tuple[int, int]) -> np.ndarray:
    """Normal numbers by the transform of Box and Muller, computed in double precision."""
    first, second = words(address, stream, shape)
    radius = np.sqrt(-2 * np.log((first + 0.5) * 2.0**-32))
    return (radius * np.cos(2 * np.pi * (second * 2.0**-32))).astype(np.float32)
