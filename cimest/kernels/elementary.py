"""Elementary functions and random numbers on short vectors, in single precision: for the compiled kernels."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from cimest.kernels.lanes import convert, floor, fused, select, splat, total, view
from cimest.kernels.random import COSINE, HALF_ROOT, LANES, LN2, LOGARITHM, PARITY, SINE, UNIT

LOG2_E = np.float32(1 / np.log(2))
GROWTH = tuple(np.float32(c) for c in (1.0, 0.5, 0.166665047, 0.0416663513, 0.00836915057, 0.00139411108))
"""(exp(x) - 1) / x for |x| <= ln(2) / 2: relative error 2e-8 (interpolation at Chebyshev's points)."""


def _times(factor: float) -> tuple[np.float32, ...]:
    """Coefficients of the logarithm, and ln(2) for an exponent that stays in its place, times a power of two."""
    return tuple(np.float32(factor * coefficient) for coefficient in (*LOGARITHM, LN2 * np.float32(2.0**-23)))


ONCE, MINUS_TWICE = _times(1), _times(-2)
"""What `_logarithm` takes: scaling by a power of two rounds nothing, and here it costs nothing."""
QUARTER, SIGN = np.uint32(1 << 30), np.uint32(1 << 31)
"""A quarter and a half of a turn as a word; the latter is also the sign of a number."""

compiled = njit(nogil=True, cache=True, error_model="numpy")
inlined = njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
"""For functions on vectors that are called in the innermost loops."""


@compiled
def _turned(word, bits):
    return (word << bits) | (word >> np.uint32(np.uint32(32) - bits))


@compiled
def _mixed(x0, x1, one, two, three, four):
    """Four rounds of Threefry with their rotations."""
    x0 = x0 + x1
    x1 = _turned(x1, one) ^ x0
    x0 = x0 + x1
    x1 = _turned(x1, two) ^ x0
    x0 = x0 + x1
    x1 = _turned(x1, three) ^ x0
    x0 = x0 + x1
    x1 = _turned(x1, four) ^ x0
    return x0, x1


_R0, _R1, _R2, _R3 = (np.uint32(turn) for turn in (13, 15, 26, 6))
_R4, _R5, _R6, _R7 = (np.uint32(turn) for turn in (17, 29, 16, 24))


@compiled
def draw(k0, k1, step, counters):
    """Two words for each counter; see `random.threefry2x32`."""
    k2 = np.uint32(k0 ^ k1 ^ np.uint32(PARITY))
    x0, x1 = _mixed(np.uint32(step + k0), counters + k1, _R0, _R1, _R2, _R3)
    x0, x1 = x0 + k1, x1 + np.uint32(k2 + np.uint32(1))
    x0, x1 = _mixed(x0, x1, _R4, _R5, _R6, _R7)
    x0, x1 = x0 + k2, x1 + np.uint32(k0 + np.uint32(2))
    x0, x1 = _mixed(x0, x1, _R0, _R1, _R2, _R3)
    x0, x1 = x0 + k0, x1 + np.uint32(k1 + np.uint32(3))
    x0, x1 = _mixed(x0, x1, _R4, _R5, _R6, _R7)
    x0, x1 = x0 + k1, x1 + np.uint32(k2 + np.uint32(4))
    x0, x1 = _mixed(x0, x1, _R0, _R1, _R2, _R3)
    return x0 + k2, x1 + np.uint32(k0 + np.uint32(5))


@compiled
def uniforms(words):
    """See `random.uniform`."""
    return convert(words >> np.uint32(8), types.float32) * UNIT


@inlined
def _horner(value, x, coefficient):
    return fused(value, x, coefficient)


@compiled
def squared_radius(word):
    """Squares of the radii of pairs of normal numbers, -2 ln(uniform): see `random.normal`."""
    share = fused(convert(word, types.float32), np.float32(2.0**-32), np.float32(2.0**-33))
    return _logarithm(share, MINUS_TWICE)


@inlined
def logarithm(x):
    """Natural logarithm of positive numbers; at zero some -88."""
    return _logarithm(x, ONCE)


@inlined
def _logarithm(x, scaled):
    """Natural logarithm times what the coefficients are scaled by."""
    bits = view(x, types.int32)
    exponent = (bits - HALF_ROOT) & np.int32(-1 << 23)
    excess = view(bits - exponent, types.float32) - np.float32(1)
    p = _horner(scaled[6], excess, scaled[5])
    p = _horner(p, excess, scaled[4])
    p = _horner(p, excess, scaled[3])
    p = _horner(p, excess, scaled[2])
    p = _horner(p, excess, scaled[1])
    p = _horner(p, excess, scaled[0])
    return fused(convert(exponent, types.float32), scaled[7], excess * p)


@compiled
def directions(word):
    """Cosines and sines of angles."""
    turn = convert(view(word << np.uint32(2), types.int32), types.float32) * np.float32(2.0**-32)
    square = turn * turn
    sine = _horner(_horner(SINE[2], square, SINE[1]), square, SINE[0]) * turn
    cosine = _horner(_horner(COSINE[3], square, COSINE[2]), square, COSINE[1])
    cosine = _horner(cosine, square, COSINE[0])
    odd = (word & QUARTER) != np.uint32(0)
    along, across = select(odd, sine, cosine), select(odd, cosine, sine)
    return (
        view(view(along, types.uint32) ^ ((word + QUARTER) & SIGN), types.float32),
        view(view(across, types.uint32) ^ (word & SIGN), types.float32),
    )


@inlined
def _growth(x):
    """(exp(x) - 1) / x for |x| <= ln(2) / 2."""
    p = _horner(GROWTH[5], x, GROWTH[4])
    p = _horner(p, x, GROWTH[3])
    p = _horner(p, x, GROWTH[2])
    p = _horner(p, x, GROWTH[1])
    return _horner(p, x, GROWTH[0])


@inlined
def exponential(x):
    """exp(x) within ±80, beyond it the value there."""
    least, most = splat(np.float32(-80), LANES), splat(np.float32(80), LANES)
    x = select(x > least, x, least)
    x = select(x < most, x, most)
    power = floor(x * LOG2_E + np.float32(0.5))
    rest = fused(power, np.float32(-LN2), x)
    scale = view((convert(power, types.int32) + np.int32(127)) << np.int32(23), types.float32)
    return fused(scale, rest * _growth(rest), scale)


@compiled
def relaxation(z):
    """g(z) = (1 - exp(-z)) / z; for z below -80 the value at -80.

    Short ranges, which are the rule, go without a division: g(z) = g(z/2) (1 - z/4 g(z/2)).
    """
    near = splat(np.float32(1.38), LANES)
    if total(z * z > near * near) == 0:
        g = _growth(z * np.float32(-0.25))
        g = g * (np.float32(1) - z * np.float32(0.125) * g)
        return g * (np.float32(1) - z * np.float32(0.25) * g)
    least, most = splat(np.float32(-80), LANES), splat(np.float32(80), LANES)
    one = splat(np.float32(1), LANES)
    z = select(z < least, least, z)
    x = np.float32(0) - select(z > most, most, z)
    power = floor(x * LOG2_E + np.float32(0.5))
    rest = x - power * LN2
    scale = view((convert(power, types.int32) + np.int32(127)) << np.int32(23), types.float32)
    grown = scale * (rest * _growth(rest)) + (scale - np.float32(1))
    none = z == np.float32(0)
    return select(none, one, (np.float32(0) - grown) / select(none, one, z))
