"""Pulses on listed cells of an array, in machine code by numba: sixteen cells at a time, noise of each included.

Held to `in_memory_reference.pulse`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cimest.kernels.in_memory_random import normals_at
from cimest.kernels.in_memory_types import CODES, DOWN, DOWN_SLOPE, HIGH, LOW, SLICE, UP, UP_SLOPE
from cimest.kernels.lanes import convert, load, reduced, select, splat, sqrt, store, total, view
from cimest.kernels.random import LANES
from cimest.kernels.updates import bounded

OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
INNER = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of functions that only compiled ones call: what Python would call them through takes half of the compilation."""
PART = INNER | {"forceinline": True}
"""Of functions with one caller: a call would hand over each field of a tile, which is more than what many calls do."""


@njit(**PART)
def _fetch(tile, level, room, first, last):
    """Weights of listed cells, and the codes of the pulses that they get, next to each other for `_move`."""
    weights, codes = tile.arrays[level].reshape(-1), tile.codes[level].reshape(-1)
    cells, pulses, old, fetched = room.cells, room.pulses, room.old, room.codes
    for i in range(first, last):
        # Indices without sign need no check for it
        cell, k = np.uint64(cells[i]), np.uint64(i - first)
        at, side = cell * np.uint64(CODES), np.uint64(2) * np.uint64(pulses[i] < 0)
        old[k] = weights[cell]
        fetched[0, k], fetched[1, k] = codes[at + side], codes[at + side + np.uint64(1)]
        fetched[2, k], fetched[3, k] = codes[at + np.uint64(LOW)], codes[at + np.uint64(HIGH)]


@njit(**INNER)
def _numbers(room, kind, place, scale):
    """Codes of one kind as numbers."""
    return convert(load(room.codes, kind * SLICE + place, LANES), np.float32) * scale


@njit(**INNER)
def _turned(values, sign):
    """Minus the numbers where the sign is -1; it is 0 elsewhere."""
    return view(view(values, np.uint32) ^ (view(sign, np.uint32) & np.uint32(1 << 31)), np.float32)


@njit(**INNER)
def _straight(w, step, slope, low, high, times, sign):
    """Weights after some pulses whose step is a straight line over the weight."""
    zero, slope = splat(np.float32(0), LANES), _turned(slope, sign)
    fired = zero
    while total(times > fired) > 0:
        change = step - slope * w
        change = _turned(select(change > zero, change, zero), sign)
        w = select(times > fired, bounded(w + change, low, high), w)
        fired = fired + np.float32(1)
    return w


@njit(**INNER)
def _curved(w, pulses, size, nodes, low, high):
    """A weight after some pulses whose step follows a curve between the ends of the range."""
    curve = nodes[0 if pulses > 0 else 1]
    size = size if pulses > 0 else -size
    for _ in range(abs(pulses)):
        place = min(max((w - low) / (high - low), np.float32(0)), np.float32(1)) * np.float32(len(curve) - 1)
        node = min(int(place), len(curve) - 2)
        factor = curve[node] + (place - np.float32(node)) * (curve[node + 1] - curve[node])
        w = min(max(w + size * factor, low), high)
    return w


@njit(**PART)
def _curves(tile, level, room, first, last):
    """`_curved` for the fetched cells."""
    scales, codes, pulses = tile.scales[level], room.codes, room.pulses
    for i in range(first, last):
        k = i - first
        size = np.float32(codes[0, k]) * scales[UP if pulses[i] > 0 else DOWN]
        low, high = np.float32(codes[2, k]) * scales[LOW], np.float32(codes[3, k]) * scales[HIGH]
        room.new[k] = _curved(room.old[k], pulses[i], size, tile.nodes, low, high)


@njit(**PART)
def _move(tile, level, room, first, last):
    """Where pulses take the fetched cells, noise included; returns pulses up and down."""
    pulses, draws, scales = room.pulses, room.draws, tile.scales[level]
    noise, none = np.float32(tile.noise), splat(np.int32(0), LANES)
    all_, downwards = none, none
    for i in range(first, last, LANES):
        k, n = i - first, load(pulses, i, LANES)
        sign = n >> np.int32(31)
        count, up = (n ^ sign) - sign, n >= none
        all_, downwards = all_ + count, downwards + (count & sign)
        step = _numbers(room, 0, k, select(up, splat(scales[UP], LANES), splat(scales[DOWN], LANES)))
        slope = _numbers(room, 1, k, select(up, splat(scales[UP_SLOPE], LANES), splat(scales[DOWN_SLOPE], LANES)))
        low, high = _numbers(room, 2, k, scales[LOW]), _numbers(room, 3, k, scales[HIGH])
        old, times = load(room.old, k, LANES), convert(count, np.float32)
        if tile.nodes.shape[1] == 0:
            new = _straight(old, step, slope, low, high, times, sign)
        else:
            new = load(room.new, k, LANES)
        if noise > 0:
            growth = sqrt(times) if tile.per_pulse else splat(np.float32(1), LANES)
            new = bounded(new + growth * noise * load(draws, i, LANES), low, high)
        store(room.new, k, select(step == np.float32(0), old, new))
    return reduced(all_) - reduced(downwards), reduced(downwards)


@njit(**INNER)
def fire(tile, level, room, count, key, step):
    """Pulse the first `count` listed cells of one of the tile's arrays; returns pulses up and down."""
    weights, written = tile.arrays[level].reshape(-1), tile.written[level].reshape(-1)
    visible, share = tile.visible.reshape(-1), tile.shares[level]
    cells, pulses, old, new = room.cells, room.pulses, room.old, room.new
    if tile.noise > 0:
        normals_at(cells, count, np.uint32(tile.seed), key, step, room.draws)
    pulses[count : count + LANES] = 0
    up = down = np.int64(0)
    for first in range(0, count, SLICE):
        last = min(first + SLICE, count)
        _fetch(tile, level, room, first, last)
        if tile.nodes.shape[1] > 0:
            _curves(tile, level, room, first, last)
        more_up, more_down = _move(tile, level, room, first, last)
        up, down = up + more_up, down + more_down
        for i in range(first, last):
            cell, k = np.uint64(cells[i]), np.uint64(i - first)
            w = old[k] if written[cell] >= tile.endurance else new[k]
            weights[cell] = w
            written[cell] += abs(pulses[i])
            if share != 0:
                visible[cell] += share * (w - old[k])
    return up, down
