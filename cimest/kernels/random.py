"""Counter-based random numbers: any number of any cell at once, whatever the order or the number of threads.

Threefry2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
"""

from __future__ import annotations

import math

import numpy as np

from cimest.kernels.types import Address

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
"""Constants of Threefry2x32 (Salmon et al. 2011)."""

ROUNDING, NOISE, DEVICE, START, CONVERSION, READING = range(6)
"""Streams of a tile: rounding of pulses, noise of writes, device-to-device spread, first weights, noise of ADCs, what a
written cell reads wrong by."""
STREAMS = 8
"""Numbers kept free for the streams of a tile."""

LANES = 16
"""Numbers that are drawn at once."""


def _single(*numbers: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(number) for number in numbers)


LN2, HALF_ROOT = np.float32(np.log(2)), np.int32(0x3F3504F3)
"""Natural logarithm of 2, and the bits of the square root of 1/2."""
LOGARITHM = _single(1.00000095, -0.500011444, 0.333146751, -0.249082893, 0.204917595, -0.186807513, 0.119310543)
"""ln(1 + x) / x between the roots of 1/2 and 2: relative error 1.1e-6."""
SINE = _single(1.57079411, -0.645801663, 0.0779544115)
"""sin(x π/2) / x by x² for |x| <= 1/2: relative error 1.6e-6."""
COSINE = _single(1.0, -1.23369706, 0.253598601, -0.020408256)
"""cos(x π/2) by x² for |x| <= 1/2: relative error 6e-8. All three interpolate at Chebyshev's points; what they miss is
far below what any number of draws could show."""

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


def words(address: Address, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """One random word for each cell of a matrix; cell (row, column) has the number row·columns + column.

    Both words of a counter are used: the first sixteen of 32 cells take the first words of sixteen counters, the other
    sixteen the second words, as vector instructions make them.
    """
    return _pairs(address, stream, math.prod(shape)).reshape(-1)[: math.prod(shape)].reshape(shape)


def _pairs(address: Address, stream: int, cells: int) -> np.ndarray:
    """Words of 32 cells in each row: [group, word of the counter, counter]."""
    groups = -(-cells // (2 * LANES))
    key = (np.uint32(address.seed), np.uint32(address.tile * STREAMS + stream))
    counters = np.arange(groups * LANES, dtype=np.uint32)
    return np.stack([word.reshape(groups, LANES) for word in threefry2x32(key, (np.uint32(address.step), counters))], 1)


def uniform(address: Address, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in [0, 1), multiples of 2^-24, single precision."""
    return (words(address, stream, shape) >> np.uint32(8)).astype(np.float32) * UNIT


def fused(a: np.ndarray, b: np.ndarray | np.float32, c: np.ndarray | np.float32) -> np.ndarray:
    """a · b + c rounded once, as one instruction of a processor does it (but for one in 10^8, in the last bit)."""
    return np.asarray(np.float64(a) * np.float64(b) + np.float64(c)).astype(np.float32)


def polynomial(coefficients: tuple[np.float32, ...], x: np.ndarray) -> np.ndarray:
    """Horner's rule in single precision."""
    value = fused(x, coefficients[-1], coefficients[-2])
    for coefficient in reversed(coefficients[:-2]):
        value = fused(value, x, coefficient)
    return value


def normal(address: Address, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """Normal numbers by the transform of Box and Muller, up to 6.8 standard deviations.

    All in single precision, step by step as the compiled kernels do it, so that both draw the same numbers; the words
    of a counter make two of them, radius times cosine and radius times sine.
    """
    pairs = _pairs(address, stream, math.prod(shape))
    share = fused(pairs[:, 0].astype(np.float32), np.float32(2.0**-32), np.float32(2.0**-33))
    bits = share.view(np.int32)
    exponent = (bits - HALF_ROOT) >> 23
    excess = (bits - (exponent << 23)).view(np.float32) - np.float32(1)
    logarithm = fused(exponent.astype(np.float32), LN2, excess * polynomial(LOGARITHM, excess))
    radius = np.sqrt(logarithm * np.float32(-2))

    quarter = pairs[:, 1] >> np.uint32(30)
    turn = (pairs[:, 1] << np.uint32(2)).view(np.int32).astype(np.float32) * np.float32(2.0**-32)
    square = turn * turn
    sine, cosine = turn * polynomial(SINE, square), polynomial(COSINE, square)
    odd = (quarter & np.uint32(1)) == 1
    along, across = np.where(odd, sine, cosine), np.where(odd, cosine, sine)
    sign_along, sign_across = (
        quarter + np.uint32(1) >> np.uint32(1) << np.uint32(31),
        quarter >> np.uint32(1) << np.uint32(31),
    )
    signed = [
        (part.view(np.uint32) ^ sign).view(np.float32) for part, sign in ((along, sign_along), (across, sign_across))
    ]
    drawn = np.stack([radius * part for part in signed], 1)
    return drawn.reshape(-1)[: math.prod(shape)].reshape(shape)
