"""Random numbers of the in-memory rules in vectors of sixteen: normal numbers, and trains of pulses."""

from __future__ import annotations

import numpy as np
from numba import njit

from cimest.kernels.lanes import convert, load, ramp, select, splat, sqrt, store, view
from cimest.kernels.random import PARITY

WIDTH = 16

_SHARED = {"nogil": True, "cache": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_OPTIONS = _SHARED | {"forceinline": True}


@njit(**_OPTIONS)
def _mix(x0, x1, turn):
    x0 = x0 + x1
    return x0, ((x1 << np.uint32(turn)) | (x1 >> np.uint32(32 - turn))) ^ x0


@njit(**_OPTIONS)
def _four(x0, x1, odd):
    if odd:
        x0, x1 = _mix(x0, x1, 17)
        x0, x1 = _mix(x0, x1, 29)
        x0, x1 = _mix(x0, x1, 16)
        return _mix(x0, x1, 24)
    x0, x1 = _mix(x0, x1, 13)
    x0, x1 = _mix(x0, x1, 15)
    x0, x1 = _mix(x0, x1, 26)
    return _mix(x0, x1, 6)


@njit(**_OPTIONS)
def words(k0, k1, x0, x1):
    """See `random.threefry2x32`; the key is two numbers, the counter two vectors."""
    k2 = np.uint32(k0 ^ k1 ^ np.uint32(PARITY))
    x0, x1 = _four(x0 + k0, x1 + k1, False)
    x0, x1 = _four(x0 + k1, x1 + np.uint32(k2 + np.uint32(1)), True)
    x0, x1 = _four(x0 + k2, x1 + np.uint32(k0 + np.uint32(2)), False)
    x0, x1 = _four(x0 + k0, x1 + np.uint32(k1 + np.uint32(3)), True)
    x0, x1 = _four(x0 + k1, x1 + np.uint32(k2 + np.uint32(4)), False)
    return x0 + k2, x1 + np.uint32(k0 + np.uint32(5))


@njit(**_OPTIONS)
def _logarithm(word):
    """-2 ln((word + 1/2) / 2^32) to 2e-7, with the polynomial of Cephes for ln(1 + t) around 1."""
    value = convert(word, np.float32) + np.float32(0.5)
    bits = view(value, np.uint32)
    low = (bits & np.uint32(0x007FFFFF)) > np.uint32(0x003504F3)
    exponent = convert(bits >> np.uint32(23), np.float32) - np.float32(127 + 32)
    exponent = select(low, exponent + np.float32(1), exponent)
    mantissa = view((bits & np.uint32(0x007FFFFF)) | np.uint32(0x3F800000), np.float32)
    t = select(low, mantissa * np.float32(0.5), mantissa) - np.float32(1)
    series = t * np.float32(7.0376836292e-2) + np.float32(-1.1514610310e-1)
    series = series * t + np.float32(1.1676998740e-1)
    series = series * t + np.float32(-1.2420140846e-1)
    series = series * t + np.float32(1.4249322787e-1)
    series = series * t + np.float32(-1.6668057665e-1)
    series = series * t + np.float32(2.0000714765e-1)
    series = series * t + np.float32(-2.4999993993e-1)
    series = series * t + np.float32(3.3333331174e-1)
    square = t * t
    logarithm = t - square * np.float32(0.5) + square * t * series + exponent * np.float32(0.69314718056)
    return logarithm * np.float32(-2)


@njit(**_OPTIONS)
def _cosine(word):
    """cos(2 pi word / 2^32) by the series around the nearest quarter turn, to 1e-7."""
    quarter = (word + np.uint32(1 << 29)) >> np.uint32(30)
    rest = view(word - (quarter << np.uint32(30)), np.int32)
    angle = convert(rest, np.float32) * np.float32(2 * np.pi / 2**32)
    square = angle * angle
    sine = square * np.float32(2.7557319e-6) + np.float32(-1.9841270e-4)
    sine = (sine * square + np.float32(8.3333333e-3)) * square + np.float32(-1.6666667e-1)
    sine = angle + angle * square * sine
    cosine = square * np.float32(2.4801587e-5) + np.float32(-1.3888889e-3)
    cosine = ((cosine * square + np.float32(4.1666667e-2)) * square + np.float32(-0.5)) * square + np.float32(1)
    odd = (quarter & np.uint32(1)) == np.uint32(1)
    size = select(odd, sine, cosine)
    negative = ((quarter + np.uint32(1)) & np.uint32(2)) == np.uint32(2)
    return select(negative, size * np.float32(-1), size)


@njit(**_OPTIONS)
def _normal(k0, k1, step, counter):
    one, two = words(k0, k1, splat(step, WIDTH), counter)
    return sqrt(_logarithm(one)) * _cosine(two)


@njit(**_SHARED)
def normals_at(counters, count, seed, key, step, out):
    """Normal numbers at given counters, as `random.normal` to 1e-4; both arrays need room for a multiple of 16."""
    for i in range(0, count, WIDTH):
        store(out, i, _normal(seed, key, step, load(counters, i, WIDTH)))


@njit(**_SHARED)
def normals_from(first, count, seed, key, step, out):
    """Normal numbers at `count` counters in a row."""
    for i in range(0, count, WIDTH):
        store(out, i, _normal(seed, key, step, ramp(np.uint32(first + i), WIDTH)))


@njit(**_SHARED)
def uniforms_from(first, count, seed, key, step, out):
    """Uniform numbers at `count` counters in a row, as `random.uniform`."""
    for i in range(0, count, WIDTH):
        word, _ = words(seed, key, splat(step, WIDTH), ramp(np.uint32(first + i), WIDTH))
        store(out, i, convert(word >> np.uint32(8), np.float32) * np.float32(2.0**-24))


@njit(**_SHARED)
def trains(probability, count, slots, seed, key, step, out):
    """Trains of pulses as the bits of a word: in each slot a line fires with its probability.

    A slot of a line takes 16 random bits; four slots share a call, whose counter is the line and, in its top eight
    bits, the group of slots. Probabilities are rounded to 2^-16. Both arrays need room for a multiple of 16.
    """
    for i in range(0, count, WIDTH):
        limit = convert(load(probability, i, WIDTH) * np.float32(65536) + np.float32(0.5), np.uint32)
        train = splat(np.uint32(0), WIDTH)
        for group in range((slots + 3) // 4):
            counter = ramp(np.uint32(i + (group << 24)), WIDTH)
            one, two = words(seed, key, splat(step, WIDTH), counter)
            for part in range(4):
                slot = 4 * group + part
                if slot < slots:
                    word = two if part >= 2 else one
                    chunk = (word >> np.uint32(16)) if part & 1 else (word & np.uint32(0xFFFF))
                    fires = select(chunk < limit, splat(np.uint32(1), WIDTH), splat(np.uint32(0), WIDTH))
                    train = train | (fires << np.uint32(slot))
        store(out, i, train)
